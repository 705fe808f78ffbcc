package onboard_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
)

func TestConnect(t *testing.T) {
	t.Parallel()
	t.Run("accepted credentials are stored sealed, shown masked, and noted without a letter of them", func(t *testing.T) {
		t.Parallel()
		m := setup(t).lands(acme)
		page := m.get("/settings/accounts/new?provider=bank")
		id := idField.FindStringSubmatch(page.body)[1]
		require.Contains(t, page.text(), public+"/webhook/bank/"+id, "the provider is told the address before it says the secret")
		require.Contains(t, page.text(), "Events to select (2)")
		got := m.post("/settings/accounts/new", "provider", "bank", "id", id, "mode", "live", "label", " Card ", "c_merchant", " 4711 ", "c_secret", "canary-secret-of-the-bank-1234")
		require.Equal(t, http.StatusSeeOther, got.status, got.text())
		require.Equal(t, "/settings?done=connected", got.header.Get("Location"))

		require.Len(t, m.bank.calls(), 1)
		require.True(t, m.bank.calls()[0].Live)
		list := m.accounts(acme)
		require.Len(t, list, 1)
		require.Equal(t, id, list[0].ID)
		require.Equal(t, "Card", list[0].Label)
		require.True(t, list[0].Enabled)
		require.Equal(t, m.clock(), list[0].VerifiedAt)
		_, credentials, live, err := m.Account(t.Context(), id)
		require.NoError(t, err)
		require.True(t, live)
		require.Equal(t, map[string]string{"merchant": "4711", "secret": "canary-secret-of-the-bank-1234"}, credentials)

		overview := m.get("/settings?done=connected")
		require.Contains(t, overview.text(), "The account is connected.")
		require.Contains(t, overview.text(), "••••1234")
		for _, path := range []string{"/settings", "/settings/accounts/" + id, "/settings/options"} {
			require.NotContains(t, m.get(path).body, "canary", path)
		}
		require.NotContains(t, m.log.String(), "canary")
		noted := m.trail()[0]
		require.Equal(t, "merchant of "+acme, noted.Actor.Name)
		require.Equal(t, "account.connect", noted.Action)
		require.Equal(t, "account "+id, noted.Subject)
		require.Equal(t, "via=browser shop="+acme+" provider=bank mode=live enabled=true credentials=merchant,secret", noted.Detail)
	})
	t.Run("a provider without credentials is connected by one press", func(t *testing.T) {
		t.Parallel()
		m := setup(t).lands(acme)
		id := idField.FindStringSubmatch(m.get("/settings/accounts/new?provider=sandbox").body)[1]
		got := m.post("/settings/accounts/new", "provider", "sandbox", "id", id, "mode", "test", "label", "Sandbox", "c_key", "")
		require.Equal(t, http.StatusSeeOther, got.status, got.text())
		require.Len(t, m.accounts(acme), 1)
	})
	refused := &payment.Error{Class: payment.Unauthorized, Message: "secret is not of live mode"}
	for name, try := range map[string]struct {
		says   error
		form   map[string]string
		status int
		page   string
		asked  int
	}{
		"a field that is missing":             {nil, map[string]string{"c_secret": ""}, 422, "Fill this in.", 0},
		"a label that is missing":             {nil, map[string]string{"label": " "}, 422, "Say what buyers read", 0},
		"a label that is too long":            {nil, map[string]string{"label": strings.Repeat("ä", 61)}, 422, "longer than 60 characters", 0},
		"a label that cannot be printed":      {nil, map[string]string{"label": "Card\u202e"}, 422, "cannot be printed", 0},
		"a credential that is too long":       {nil, map[string]string{"c_merchant": strings.Repeat("1", 21)}, 422, "longer than 20 characters", 0},
		"a credential that holds a line":      {nil, map[string]string{"c_secret": "a\r\nX-Evil: b"}, 422, "cannot be printed", 0},
		"a mode that the provider lacks":      {nil, map[string]string{"provider": "sandbox", "mode": "live"}, 422, "Sandbox has no live mode.", 0},
		"a provider that does not exist":      {nil, map[string]string{"provider": "paypal"}, 422, "There is no such provider", 0},
		"a refusal that names a field":        {refused, nil, 422, "It is not of live mode. Nothing was stored.", 1},
		"a refusal that names none":           {payment.Errorf(payment.Unauthorized, "no"), nil, 422, "Bank does not accept these credentials. Nothing was stored.", 1},
		"a provider that does not answer":     {payment.Errorf(payment.Unavailable, "away"), nil, 503, "could not be asked just now. Nothing was stored.", 1},
		"a provider that counts our requests": {payment.Errorf(payment.RateLimited, "slow down"), nil, 503, "Try again in a minute.", 1},
		"an id that is none":                  {nil, map[string]string{"id": "1"}, 404, "There is no such page", 1},
	} {
		t.Run(name+" stores nothing and says so", func(t *testing.T) {
			t.Parallel()
			m := setup(t).lands(acme)
			m.bank.answer(try.says)
			form := map[string]string{
				"provider": "bank", "id": uuid.NewString(), "mode": "live", "label": "Card", "c_merchant": "4711", "c_secret": "canary-secret-of-the-bank",
			}
			var pairs []string
			for field, value := range form {
				if changed, ok := try.form[field]; ok {
					value = changed
				}
				pairs = append(pairs, field, value)
			}
			got := m.post("/settings/accounts/new", pairs...)
			require.Equal(t, try.status, got.status, got.text())
			require.Contains(t, got.text(), try.page)
			require.NotContains(t, got.body, "canary", "a secret is not sent back")
			require.NotContains(t, m.log.String(), "canary")
			require.Len(t, m.bank.calls(), try.asked)
			require.Empty(t, m.accounts(acme))
			require.Empty(t, m.trail())
			if try.status == 422 && form["provider"] == "bank" && try.form["provider"] == "" {
				require.Contains(t, got.body, `aria-invalid="true"`)
			}
		})
	}
	t.Run("another shop's account is not touched, nor are its credentials used", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		theirs := b.lands(other).connects("Card", "live")
		m := b.lands(acme)
		require.Equal(t, http.StatusNotFound, m.get("/settings/accounts/"+theirs).status)
		require.Equal(t, http.StatusNotFound, m.post("/settings/accounts/"+theirs, "label", "Mine", "enabled", "").status)
		require.Equal(t, http.StatusNotFound, m.post("/settings/accounts/"+theirs+"/remove").status)
		got := m.post("/settings/accounts/new", "provider", "bank", "id", theirs, "mode", "live", "label", "Card", "c_merchant", "1", "c_secret", "")
		require.Equal(t, http.StatusUnprocessableEntity, got.status, "their secret does not fill the gap")
		got = m.post("/settings/accounts/new", "provider", "bank", "id", theirs, "mode", "live", "label", "Card", "c_merchant", "1", "c_secret", "2")
		require.Equal(t, http.StatusNotFound, got.status)
		require.Empty(t, b.accounts(acme))
		require.Equal(t, "Card", b.accounts(other)[0].Label)
	})
}

func TestChange(t *testing.T) {
	t.Parallel()
	t.Run("what is left empty stands, and all of it is verified again", func(t *testing.T) {
		t.Parallel()
		m := setup(t).lands(acme)
		id := m.connects("Card", "live")
		m.pass(3600e9)
		got := m.post("/settings/accounts/"+id, "part", "credentials", "c_merchant", "", "c_secret", "canary-another-secret-5678", "c_extra", "")
		require.Equal(t, http.StatusSeeOther, got.status, got.text())
		last := m.bank.calls()[1]
		require.Equal(t, psp4711, last.Credentials["merchant"])
		require.Equal(t, "canary-another-secret-5678", last.Credentials["secret"])
		require.Equal(t, m.clock(), m.accounts(acme)[0].VerifiedAt)
		require.Contains(t, m.get("/settings/accounts/"+id).text(), "••••5678")
		require.Equal(t, "account.change", m.trail()[0].Action)
	})
	t.Run("credentials that are refused leave those that stand", func(t *testing.T) {
		t.Parallel()
		m := setup(t).lands(acme)
		id := m.connects("Card", "live")
		m.bank.answer(payment.Errorf(payment.Unauthorized, "no"))
		got := m.post("/settings/accounts/"+id, "part", "credentials", "c_secret", "canary-wrong")
		require.Equal(t, http.StatusUnprocessableEntity, got.status)
		_, credentials, _, err := m.Account(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, "canary-secret-of-the-bank-1234", credentials["secret"])
	})
	t.Run("the label and the switch need no call", func(t *testing.T) {
		t.Parallel()
		m := setup(t).lands(acme)
		id := m.connects("Card", "live")
		require.Equal(t, http.StatusSeeOther, m.post("/settings/accounts/"+id, "part", "options", "label", "Credit card").status)
		require.Len(t, m.bank.calls(), 1)
		require.Equal(t, "Credit card", m.accounts(acme)[0].Label)
		require.False(t, m.accounts(acme)[0].Enabled)
		require.Contains(t, m.get("/settings").text(), "switched off")
	})
	t.Run("two accounts of one provider and mode are told apart", func(t *testing.T) {
		t.Parallel()
		m := setup(t).lands(acme)
		m.connects("Card", "live")
		m.connects("Card", "test") // another mode is another list
		second := m.connects("Wallet", "live")
		got := m.post("/settings/accounts/"+second, "part", "options", "label", "Card", "enabled", "yes")
		require.Equal(t, http.StatusUnprocessableEntity, got.status)
		require.Contains(t, got.text(), "Another account of Bank in this mode is called that.")
	})
	t.Run("removing destroys the credentials and leaves the label free", func(t *testing.T) {
		t.Parallel()
		m := setup(t).lands(acme)
		id := m.connects("Card", "live")
		asked := m.get("/settings/accounts/" + id + "/remove")
		require.Contains(t, asked.text(), "cannot be brought back")
		require.Equal(t, "/settings?done=removed", m.post("/settings/accounts/"+id+"/remove").header.Get("Location"))
		require.Empty(t, m.accounts(acme))
		_, _, _, err := m.Account(t.Context(), id)
		require.Equal(t, payment.Unauthorized, payment.ClassOf(err, ""))
		require.Equal(t, "account.remove", m.trail()[0].Action)
		require.Equal(t, http.StatusNotFound, m.post("/settings/accounts/"+id+"/remove").status, "once")
		require.Equal(t, http.StatusNotFound, m.post("/settings/accounts/new", "provider", "bank", "id", id, "mode", "live", "label", "Card", "c_merchant", "1", "c_secret", "2").status)
		m.connects("Card", "live")
	})
	t.Run("the provider's refusal of what stands is shown", func(t *testing.T) {
		t.Parallel()
		m := setup(t).lands(acme)
		id := m.connects("Card", "live")
		news, err := m.AccountRefused(t.Context(), id)
		require.NoError(t, err)
		require.True(t, news)
		require.Contains(t, m.get("/settings").text(), "credentials refused")
		require.Contains(t, m.get("/settings/accounts/"+id).text(), "Replace them below.")
		require.NotContains(t, m.get("/settings").text(), "Ready to take payments")
		require.Equal(t, http.StatusSeeOther, m.post("/settings/accounts/"+id, "part", "credentials", "c_secret", "canary-another-secret-5678").status)
		require.NotContains(t, m.get("/settings").text(), "credentials refused")
	})
}

const psp4711 = "4711"

func TestActivate(t *testing.T) {
	t.Parallel()
	t.Run("Shopify is told, and the merchant goes there", func(t *testing.T) {
		t.Parallel()
		m := setup(t).lands(acme)
		m.connects("Card", "test")
		require.Contains(t, m.get("/settings").text(), "Ready to take payments")
		got := m.post("/settings/activate")
		require.Equal(t, http.StatusSeeOther, got.status)
		require.Equal(t, "https://"+acme+"/services/payments_partners/gateways/key-1/settings", got.header.Get("Location"))
		require.Equal(t, []string{acme}, m.told)
	})
	t.Run("what is not ready is not told", func(t *testing.T) {
		t.Parallel()
		m := setup(t).lands(acme)
		got := m.post("/settings/activate")
		require.Equal(t, http.StatusConflict, got.status)
		require.Contains(t, got.text(), "Connect one first")
		require.Empty(t, m.told)
	})
	t.Run("a Shopify that does not listen is said to the merchant", func(t *testing.T) {
		t.Parallel()
		m := setup(t).lands(acme)
		m.connects("Card", "test")
		m.tellErr = payment.Errorf(payment.Unavailable, "away")
		got := m.post("/settings/activate")
		require.Equal(t, http.StatusServiceUnavailable, got.status)
		require.Contains(t, got.text(), "What you have set up is safe.")
	})
}
