package onboard_test

import (
	"bytes"
	"image"
	"image/png"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
)

func logo(t *testing.T, width, height int) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, image.NewNRGBA(image.Rect(0, 0, width, height))))
	return b.Bytes()
}

func TestShop(t *testing.T) {
	t.Parallel()
	good := []string{"label", "Acme", "mail", "owner@acme.example", "colour", "#1f5fbf", "language", "de", "language", "en", "first", "en"}
	t.Run("name, mail, colour, logo and languages are stored, noted and served", func(t *testing.T) {
		t.Parallel()
		m := setup(t).lands(acme)
		got := m.upload(append(logo(t, 120, 40), "canary after the picture"...), good...)
		require.Equal(t, "/settings/shop?done=shop", got.header.Get("Location"), got.text())
		stands, err := m.ShopSettings(t.Context(), acme)
		require.NoError(t, err)
		require.Equal(t, payment.ShopSettings{
			Shop: acme, Label: "Acme", Mail: "owner@acme.example", Colour: "1f5fbf", Logo: stands.Logo, Languages: []string{"en", "de"},
		}, stands)
		picture := m.get("/brand/" + stands.Logo + ".png")
		require.Equal(t, http.StatusOK, picture.status)
		require.Equal(t, "image/png", picture.header.Get("Content-Type"))
		require.Equal(t, "default-src 'none'; sandbox", picture.header.Get("Content-Security-Policy"))
		require.NotContains(t, picture.body, "canary")
		require.Contains(t, m.get("/settings/shop").body, "/brand/"+stands.Logo+".png")
		noted := m.trail()[0]
		require.Equal(t, "shop.change", noted.Action)
		require.NotContains(t, noted.Detail, "owner", "what somebody typed is not in the chain")

		require.Equal(t, http.StatusSeeOther, m.post("/settings/shop", good...).status)
		again, err := m.ShopSettings(t.Context(), acme)
		require.NoError(t, err)
		require.Equal(t, stands.Logo, again.Logo, "no new picture leaves the one that stands")
		require.Equal(t, http.StatusSeeOther, m.post("/settings/shop", append(good, "drop_logo", "yes")...).status)
		require.Equal(t, http.StatusNotFound, m.get("/brand/"+stands.Logo+".png").status)
	})
	for name, try := range map[string]struct {
		change []string
		file   []byte
		says   string
	}{
		"no name":                {[]string{"label", " "}, nil, "Buyers must know whom they pay."},
		"a long name":            {[]string{"label", strings.Repeat("ä", 81)}, nil, "longer than 80 characters"},
		"no mail address":        {[]string{"mail", "owner"}, nil, "This is no mail address"},
		"two mail addresses":     {[]string{"mail", "a@b.example, c@d.example"}, nil, "This is no mail address"},
		"a mail address's name":  {[]string{"mail", "Ada <a@b.example>"}, nil, "This is no mail address"},
		"a header in an address": {[]string{"mail", "a@b.example\r\nBcc: c@d.example"}, nil, "This is no mail address"},
		"no colour":              {[]string{"colour", "red;}body{"}, nil, "A colour is six hex digits"},
		"a pale colour":          {[]string{"colour", "#ffcc00"}, nil, "its contrast is 1.5 and has to be 4.5. The nearest shade that can is #"},
		"no language":            {[]string{"language", "", "first", ""}, nil, "no such language"},
		"an unknown language":    {[]string{"language", "tlh"}, nil, "no such language"},
		"a logo that is none":    {nil, []byte("<svg onload=alert(1)>"), "The file is no PNG or JPEG picture"},
		"a logo that is a dot":   {nil, []byte{}, ""},
	} {
		t.Run(name+" is refused beside its field, and nothing is stored", func(t *testing.T) {
			t.Parallel()
			if name == "a logo that is a dot" {
				try.file, try.says = logo(t, 4, 4), "The picture must be from 16"
			}
			m := setup(t).lands(acme)
			form := map[string][]string{}
			for i := 0; i < len(good); i += 2 {
				form[good[i]] = append(form[good[i]], good[i+1])
			}
			for i := 0; i < len(try.change); i += 2 {
				form[try.change[i]] = []string{try.change[i+1]}
			}
			var pairs []string
			for field, values := range form {
				for _, value := range values {
					pairs = append(pairs, field, value)
				}
			}
			got := m.upload(try.file, pairs...)
			require.Equal(t, http.StatusUnprocessableEntity, got.status, got.text())
			require.Contains(t, got.text(), try.says)
			stands, err := m.ShopSettings(t.Context(), acme)
			require.NoError(t, err)
			require.Empty(t, stands.Label)
			require.Empty(t, stands.Logo)
			require.Empty(t, m.trail())
		})
	}
	t.Run("the address of a look names no shop and opens nothing else", func(t *testing.T) {
		t.Parallel()
		m := merchant{bench: setup(t)}
		css := m.get("/brand/ffcc00.css")
		require.Equal(t, http.StatusOK, css.status)
		require.Contains(t, css.header.Get("Cache-Control"), "immutable")
		require.Contains(t, css.body, ":root { --act: #876c00;", "a colour that cannot be read is darkened")
		for _, path := range []string{"/brand/ffcc0.css", "/brand/FFCC00.css", "/brand/red.css", "/brand/..%2f.css", "/brand/" + strings.Repeat("a", 64) + ".png", "/brand/x.png"} {
			require.Equal(t, http.StatusNotFound, m.get(path).status, path)
		}
	})
}

func TestOptions(t *testing.T) {
	t.Parallel()
	setup := func(t *testing.T) (m merchant, card, wallet string) {
		t.Helper()
		m = setup(t).lands(acme)
		return m, m.connects("Card", "live"), m.connects("Wallet", "live")
	}
	order := func(m merchant, pairs ...string) reply {
		return m.post("/settings/options", append(pairs, "mode", "live")...)
	}
	t.Run("numbers put the options in order, and one without a number is hidden", func(t *testing.T) {
		t.Parallel()
		m, card, wallet := setup(t)
		require.Equal(t, http.StatusSeeOther, order(m, "place_"+card, "7", "place_"+wallet, "3").status)
		list := m.accounts(acme)
		require.Equal(t, []string{wallet, card}, []string{list[0].ID, list[1].ID})
		require.Equal(t, http.StatusSeeOther, order(m, "place_"+card, "1", "place_"+wallet, "").status)
		for _, a := range m.accounts(acme) {
			require.Equal(t, a.ID == card, a.Enabled)
		}
		require.Equal(t, "options.set", m.trail()[0].Action)
		require.Contains(t, m.trail()[0].Detail, "currency=any country=any accounts="+card)
	})
	t.Run("some buyers get others: set, shown and dropped", func(t *testing.T) {
		t.Parallel()
		m, card, wallet := setup(t)
		require.Equal(t, http.StatusSeeOther, order(m, "new", "yes", "currency", "eur", "country", " nl ").status)
		require.Equal(t, http.StatusSeeOther, order(m, "currency", "EUR", "country", "NL", "place_"+wallet, "1").status)
		markets, err := m.Markets(t.Context(), acme)
		require.NoError(t, err)
		require.Equal(t, []payment.Market{{Live: true, Currency: "EUR", Country: "NL", Accounts: []string{wallet}}}, markets)
		require.Contains(t, m.get("/settings/options").text(), "Buyers from NL who pay in EUR")
		require.Equal(t, http.StatusSeeOther, m.post("/settings/accounts/"+wallet+"/remove").status)
		require.Contains(t, m.get("/settings/options").text(), "These buyers have no way to pay.")
		require.Equal(t, http.StatusSeeOther, m.post("/settings/options/drop", "mode", "live", "currency", "EUR", "country", "NL").status)
		require.Equal(t, http.StatusNotFound, m.post("/settings/options/drop", "mode", "live", "currency", "EUR", "country", "NL").status)
		require.NotContains(t, m.get("/settings/options").text(), "no way to pay")
		_ = card
	})
	t.Run("what does not exist is refused beside its field", func(t *testing.T) {
		t.Parallel()
		m, card, _ := setup(t)
		for says, pairs := range map[string][]string{
			"Name a currency, a country, or both.":    {"new", "yes"},
			"There is no such currency.":              {"new", "yes", "currency", "XYZ"},
			"There is no such country.":               {"new", "yes", "country", "ZZ"},
			"A place is a number from 1 to 99.":       {"place_" + card, "0"},
			"A place is a number from 1 to 99. Leave": {"place_" + card, "first"},
		} {
			got := order(m, pairs...)
			require.Equal(t, http.StatusUnprocessableEntity, got.status, says)
			require.Contains(t, got.text(), says)
		}
		require.True(t, m.accounts(acme)[0].Enabled, "nothing was changed")
		markets, err := m.Markets(t.Context(), acme)
		require.NoError(t, err)
		require.Empty(t, markets)
	})
}
