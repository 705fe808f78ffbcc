package install_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/shopify/app"
	"tillflow/internal/shopify/install"
)

const (
	shop   = "some-shop.myshopify.com"
	secret = "hush"
)

// now is the time of the vectors in Shopify's documentation.
var now = time.Unix(1337178173, 0).UTC()

func ours() install.App {
	return install.App{
		Name: app.Payments, ClientID: "key-1", Secrets: []app.Secret{secret}, Scopes: []string{"write_payment_gateways", "write_payment_sessions"},
		RedirectURL: "https://pay.example.com/shopify/callback",
	}
}

// signed adds the hmac to a query that is in normal form already.
func signed(key, query string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(query))
	return query + "&hmac=" + hex.EncodeToString(mac.Sum(nil))
}

func at(moment time.Time) string { return strconv.FormatInt(moment.Unix(), 10) }

// good is a callback's query at a time.
func good(moment time.Time) string {
	return signed(secret, "code=c1&host=YWRtaW4%3D&shop="+shop+"&state=s1&timestamp="+at(moment))
}

func requireFault(t *testing.T, fault install.Fault, status int, err error) {
	t.Helper()
	e, ok := errors.AsType[*install.Error](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, fault, e.Fault, e.Detail)
	require.Equal(t, status, e.Status())
}

func TestPublishedVectors(t *testing.T) {
	t.Parallel()
	// From Shopify's documentation of the authorization code grant.
	got, err := ours().Callback("code=0907a61c0c8d55e99db179b68161bc00&hmac=700e2dadb827fcc8609e9d5ce208b2e9cdaab9df07390d2cbca10d7c328fc4bf"+
		"&shop=some-shop.myshopify.com&state=0.6784241404160823&timestamp=1337178173", now)
	require.NoError(t, err)
	require.Equal(t, install.Callback{Shop: shop, State: "0.6784241404160823", Code: "0907a61c0c8d55e99db179b68161bc00", At: now}, got)
}

func TestCallback(t *testing.T) {
	t.Parallel()
	t.Run("the order of the parameters does not matter", func(t *testing.T) {
		t.Parallel()
		parts := strings.Split(good(now), "&")
		parts[0], parts[len(parts)-1] = parts[len(parts)-1], parts[0]
		got, err := ours().Callback(strings.Join(parts, "&"), now)
		require.NoError(t, err)
		require.Equal(t, install.Callback{Shop: shop, State: "s1", Code: "c1", At: now}, got)
	})
	t.Run("during a rotation both secrets are good, and afterwards one", func(t *testing.T) {
		t.Parallel()
		rotating := ours()
		rotating.Secrets = []app.Secret{"new", secret}
		for _, key := range []string{"new", secret} {
			_, err := rotating.Callback(signed(key, "code=c1&shop="+shop+"&state=s1&timestamp="+at(now)), now)
			require.NoError(t, err)
		}
		rotating.Secrets = rotating.Secrets[:1]
		_, err := rotating.Callback(good(now), now)
		requireFault(t, install.Forged, http.StatusUnauthorized, err)
	})
	t.Run("values are encoded as the URL standard says, spaces as %20", func(t *testing.T) {
		t.Parallel()
		query := signed(secret, "code=a%20b%2B%7E*%26%3D%25&shop="+shop+"&state=s1&timestamp="+at(now))
		got, err := ours().Callback(strings.Replace(query, "%20", "+", 1), now)
		require.NoError(t, err, "the spelling of a query is not signed, its values are")
		require.Equal(t, app.Secret("a b+~*&=%"), got.Code)
	})
	t.Run("names are sorted as names, not as pairs", func(t *testing.T) {
		t.Parallel()
		_, err := ours().Callback(signed(secret, "code=c1&shop="+shop+"&state=s1&state1=x&timestamp="+at(now)), now)
		require.NoError(t, err)
	})
	t.Run("a minute and a half of difference between the clocks is accepted", func(t *testing.T) {
		t.Parallel()
		for _, off := range []time.Duration{-90 * time.Second, 0, 90 * time.Second} {
			_, err := ours().Callback(good(now.Add(off)), now)
			require.NoError(t, err)
		}
	})
}

func TestBadCallback(t *testing.T) {
	t.Parallel()
	base := "shop=" + shop + "&state=s1&timestamp=" + at(now)
	for name, tc := range map[string]struct {
		query  string
		fault  install.Fault
		status int
	}{
		"nothing":                       {"", install.Forged, 401},
		"no hmac":                       {"code=c1&" + base, install.Forged, 401},
		"an empty hmac":                 {"code=c1&" + base + "&hmac=", install.Forged, 401},
		"another secret's hmac":         {signed("other", "code=c1&"+base), install.Forged, 401},
		"an empty secret's hmac":        {signed("", "code=c1&"+base), install.Forged, 401},
		"an upper-case hmac":            {strings.Replace(good(now), "hmac="+good(now)[len(good(now))-64:], "hmac="+strings.ToUpper(good(now)[len(good(now))-64:]), 1), install.Forged, 401},
		"a cut hmac":                    {good(now)[:len(good(now))-2], install.Forged, 401},
		"a changed shop":                {strings.Replace(good(now), "some-shop", "evil-shop", 1), install.Forged, 401},
		"a changed code":                {strings.Replace(good(now), "code=c1", "code=c2", 1), install.Forged, 401},
		"an added parameter":            {good(now) + "&x=1", install.Forged, 401},
		"a parameter smuggled in":       {strings.Replace(signed(secret, "a=1&code=c1&"+base), "a=1&code=c1&shop="+shop, "a=1%26code%3Dc1%26shop%3D"+shop+"&code=c9&shop=evil.myshopify.com", 1), install.Forged, 401},
		"a pair made of another's text": {strings.Replace(signed(secret, "a=1%26shop%3Devil.myshopify.com&code=c1&state=s1&timestamp="+at(now)), "%26shop%3D", "&shop=", 1), install.Forged, 401},
		"the shop inside another value": {signed(secret, "a=1%26shop%3D"+shop+"&code=c1&state=s1&timestamp="+at(now)), install.NotAShop, 400},
		"the shop twice":                {good(now) + "&shop=evil.myshopify.com", install.Malformed, 400},
		"the shop twice, once encoded":  {good(now) + "&sho%70=evil.myshopify.com", install.Malformed, 400},
		"the hmac twice":                {good(now) + "&hmac=00", install.Malformed, 400},
		"the timestamp twice":           {good(now) + "&timestamp=" + at(now), install.Malformed, 400},
		"a name that is empty":          {good(now) + "&=1", install.Malformed, 400},
		"a broken escape":               {good(now) + "&x=%zz", install.Malformed, 400},
		"a semicolon":                   {good(now) + ";x=1", install.Malformed, 400},
		"a query without end":           {good(now) + "&x=" + strings.Repeat("a", 5000), install.Malformed, 400},
		"no timestamp":                  {signed(secret, "code=c1&shop="+shop+"&state=s1"), install.Malformed, 400},
		"a timestamp that is no number": {signed(secret, "code=c1&shop="+shop+"&state=s1&timestamp=soon"), install.Malformed, 400},
		"a timestamp with a fraction":   {signed(secret, "code=c1&shop="+shop+"&state=s1&timestamp="+at(now)+".0"), install.Malformed, 400},
		"a timestamp with a sign":       {signed(secret, "code=c1&shop="+shop+"&state=s1&timestamp=%2B"+at(now)), install.Malformed, 400},
		"a timestamp too large":         {signed(secret, "code=c1&shop="+shop+"&state=s1&timestamp=99999999999999999999"), install.Malformed, 400},
		"a query of yesterday":          {good(now.Add(-24 * time.Hour)), install.Stale, 401},
		"a query just too old":          {good(now.Add(-91 * time.Second)), install.Stale, 401},
		"a query from the future":       {good(now.Add(91 * time.Second)), install.Stale, 401},
		"no state":                      {signed(secret, "code=c1&shop="+shop+"&timestamp="+at(now)), install.Malformed, 400},
		"no code":                       {signed(secret, base), install.Malformed, 400},
		"an empty code":                 {signed(secret, "code=&"+base), install.Malformed, 400},
	} {
		t.Run(name+" is refused", func(t *testing.T) {
			t.Parallel()
			_, err := ours().Callback(tc.query, now)
			requireFault(t, tc.fault, tc.status, err)
			require.NotContains(t, err.Error(), "evil")
		})
	}
	for _, name := range []string{
		"", "some-shop", "evil.example", "some-shop.myshopify.com.evil.example", "evil.example/.myshopify.com", "https://some-shop.myshopify.com",
		"some-shop.myshopify.com/", "Some-Shop.myshopify.com", "-shop.myshopify.com", "a.b.myshopify.com", "some-shop.myshopify.io", "some-shop.shopify.com", "evil@some-shop.myshopify.com",
		"some-shop.myshopify.com\n", ".myshopify.com",
	} {
		t.Run("the shop "+strconv.Quote(name)+" is refused although it is signed", func(t *testing.T) {
			t.Parallel()
			encoded := strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
			_, err := ours().Callback(signed(secret, "code=c1&shop="+encoded+"&state=s1&timestamp="+at(now)), now)
			requireFault(t, install.NotAShop, http.StatusBadRequest, err)
		})
	}
}

func TestShop(t *testing.T) {
	t.Parallel()
	t.Run("without a signature the shop is a wish", func(t *testing.T) {
		t.Parallel()
		got, err := ours().Shop("shop="+shop, now)
		require.NoError(t, err)
		require.Equal(t, shop, got)
	})
	t.Run("a signature that is there must be good", func(t *testing.T) {
		t.Parallel()
		got, err := ours().Shop(signed(secret, "host=x&shop="+shop+"&timestamp="+at(now)), now)
		require.NoError(t, err)
		require.Equal(t, shop, got)
		_, err = ours().Shop("shop="+shop+"&hmac=00&timestamp="+at(now), now)
		requireFault(t, install.Forged, http.StatusUnauthorized, err)
		_, err = ours().Shop("shop="+shop+"&hmac=", now)
		requireFault(t, install.Forged, http.StatusUnauthorized, err)
		_, err = ours().Shop(signed(secret, "shop="+shop+"&timestamp="+at(now.Add(-time.Hour))), now)
		requireFault(t, install.Stale, http.StatusUnauthorized, err)
	})
	t.Run("a shop that is none, or two, is refused", func(t *testing.T) {
		t.Parallel()
		_, err := ours().Shop("", now)
		requireFault(t, install.NotAShop, http.StatusBadRequest, err)
		_, err = ours().Shop("shop=evil.example", now)
		requireFault(t, install.NotAShop, http.StatusBadRequest, err)
		_, err = ours().Shop("shop="+shop+"&shop="+shop, now)
		requireFault(t, install.Malformed, http.StatusBadRequest, err)
	})
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	address, err := ours().AuthorizeURL(shop, "s 1&x=y")
	require.NoError(t, err)
	u, err := url.Parse(address)
	require.NoError(t, err)
	require.Equal(t, "https://some-shop.myshopify.com/admin/oauth/authorize", u.Scheme+"://"+u.Host+u.Path)
	require.Equal(t, url.Values{
		"client_id": {"key-1"}, "scope": {"write_payment_gateways,write_payment_sessions"},
		"redirect_uri": {"https://pay.example.com/shopify/callback"}, "state": {"s 1&x=y"},
	}, u.Query())
	_, err = ours().AuthorizeURL("evil.example/", "s1")
	require.Error(t, err)
	settings, err := ours().SettingsURL(shop)
	require.NoError(t, err)
	require.Equal(t, "https://some-shop.myshopify.com/services/payments_partners/gateways/key-1/settings", settings)
}

func TestCheck(t *testing.T) {
	t.Parallel()
	require.NoError(t, ours().Check())
	for name, change := range map[string]func(*install.App){
		"no name":                func(a *install.App) { a.Name = "" },
		"no client id":           func(a *install.App) { a.ClientID = "" },
		"no scopes":              func(a *install.App) { a.Scopes = nil },
		"no secret":              func(a *install.App) { a.Secrets = nil },
		"an empty secret":        func(a *install.App) { a.Secrets = []app.Secret{""} },
		"no redirect url":        func(a *install.App) { a.RedirectURL = "" },
		"a relative redirect":    func(a *install.App) { a.RedirectURL = "/shopify/callback" },
		"a redirect with query":  func(a *install.App) { a.RedirectURL += "?x=1" },
		"a base that is nowhere": func(a *install.App) { a.BaseURL = "nowhere" },
	} {
		t.Run(name+" is refused", func(t *testing.T) {
			t.Parallel()
			a := ours()
			change(&a)
			require.Error(t, a.Check())
		})
	}
}

func TestGranted(t *testing.T) {
	t.Parallel()
	a := ours()
	a.Scopes = []string{"read_orders", "write_payment_sessions"}
	require.NoError(t, a.Granted(app.Tokens{Scope: "write_payment_sessions, write_orders"}), "writing implies reading")
	err := a.Granted(app.Tokens{Scope: "read_orders"})
	requireFault(t, install.ScopeMissing, http.StatusForbidden, err)
	require.ErrorContains(t, err, "write_payment_sessions")
	requireFault(t, install.ScopeMissing, http.StatusForbidden, a.Granted(app.Tokens{}))
}

func TestJudge(t *testing.T) {
	t.Parallel()
	require.NoError(t, install.Judge(app.Taken))
	for verdict, fault := range map[app.Verdict]install.Fault{
		app.Unknown: install.StateUnknown, app.OtherBrowser: install.OtherBrowser, app.OtherShop: install.OtherShop,
		app.Expired: install.StateExpired, app.Spent: install.StateSpent, "": install.StateUnknown,
	} {
		requireFault(t, fault, http.StatusForbidden, install.Judge(verdict))
	}
}

func TestTrouble(t *testing.T) {
	t.Parallel()
	requireFault(t, install.CodeRefused, 401, install.ExchangeTrouble(payment.Errorf(payment.Invalid, "code")))
	requireFault(t, install.CodeRefused, 401, install.ExchangeTrouble(&payment.Error{Class: payment.Unauthorized, Code: "invalid_grant"}))
	requireFault(t, install.AppRefused, 401, install.ExchangeTrouble(&payment.Error{Class: payment.Unauthorized, Code: "invalid_client"}))
	requireFault(t, install.Unreachable, 503, install.ExchangeTrouble(payment.Errorf(payment.RateLimited, "slow")))
	requireFault(t, install.Unreachable, 503, install.ExchangeTrouble(errors.New("?")))
	requireFault(t, install.Broken, 500, install.ExchangeTrouble(payment.Errorf(payment.Bug, "?")))
	requireFault(t, install.Unreachable, 503, install.RecordTrouble(payment.Errorf(payment.Conflict, "?")))
	cause := errors.New("cause")
	require.ErrorIs(t, install.RecordTrouble(cause), cause)
}

func TestAdvice(t *testing.T) {
	t.Parallel()
	for _, fault := range []install.Fault{
		install.Malformed, install.NotAShop, install.Forged, install.Stale, install.StateUnknown, install.OtherBrowser, install.OtherShop,
		install.StateExpired, install.StateSpent, install.CodeRefused, install.AppRefused, install.ScopeMissing, install.Unreachable,
		install.Broken, "unheard of",
	} {
		e := &install.Error{Fault: fault}
		a := e.Advice()
		require.NotEmpty(t, a.Happened, fault)
		require.NotEmpty(t, a.Means, fault)
		require.NotEmpty(t, a.Do, fault)
		require.GreaterOrEqual(t, e.Status(), 400)
	}
}

func FuzzCallback(f *testing.F) {
	f.Add(good(now))
	f.Add("a=1%26shop%3Dx&hmac=00&timestamp=1")
	f.Fuzz(func(t *testing.T, query string) {
		back, err := ours().Callback(query, now)
		if err == nil {
			require.Equal(t, shop, back.Shop, "nobody signs another shop here")
		}
	})
}
