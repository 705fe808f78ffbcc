package shopify

import (
	"encoding/base64"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const authorizePath = "/shops/" + cedar + "/admin/oauth/authorize"

func TestInstallationFromAdminToActivation(t *testing.T) {
	t.Parallel()
	b, _ := setupApps(t)
	apps := b.get(t, appsPath(cedar)).body
	require.Contains(t, apps, "Not installed")
	require.Contains(t, apps, ">Install</button>")
	require.NotContains(t, apps, "<script")
	require.NotContains(t, apps, "Uninstall")

	// Install leads to the app, signed.
	pressed := b.postForm(t, appsPath(cedar)+"/payments/open", nil)
	require.Equal(t, http.StatusSeeOther, pressed.status)
	target := pressed.location(t)
	require.Equal(t, "localhost", target.Host)
	require.Equal(t, "/app", target.Path)
	query := requireSigned(t, target, "secret")
	require.Equal(t, cedar, query.Get("shop"))
	host, err := base64.RawURLEncoding.DecodeString(query.Get("host"))
	require.NoError(t, err)
	require.Equal(t, cedar+"/admin", string(host))
	require.Equal(t, InstallNone, b.book(t, cedar).Apps[PaymentsApp].State, "opening installs nothing")

	// The app asks for access; the merchant reads what for.
	page := b.get(t, authorizePath+"?"+goodAuthorization().Encode())
	require.Equal(t, http.StatusOK, page.status)
	require.Contains(t, page.body, "Install Till")
	require.Contains(t, page.body, "<code>write_payment_sessions</code>")
	require.NotContains(t, page.body, "<script")
	require.Equal(t, InstallNone, b.book(t, cedar).Apps[PaymentsApp].State, "asking installs nothing")

	// He approves with what the page's form holds.
	form := url.Values{}
	for _, field := range regexp.MustCompile(`name="(\w+)" value="([^"]*)"`).FindAllStringSubmatch(page.body, -1) {
		form.Set(field[1], html.UnescapeString(field[2]))
	}
	require.Equal(t, goodAuthorization(), form)
	back := b.postForm(t, authorizePath, form)
	require.Equal(t, http.StatusFound, back.status)
	query = requireSigned(t, back.location(t), "secret")
	require.Equal(t, "st&te 1", query.Get("state"))
	require.Equal(t, cedar, query.Get("shop"))
	require.Equal(t, strconv.FormatInt(b.clock.now().Unix(), 10), query.Get("timestamp"))
	require.NotEmpty(t, query.Get("host"))
	require.Len(t, query, 6)

	// The code becomes tokens.
	got := redeemed(t, b.token(t, cedar, map[string]string{"code": query.Get("code"), "expiring": "1"}))
	require.Equal(t, 3600, got.ExpiresIn)
	require.Equal(t, 7776000, got.RefreshTokenExpiresIn)
	require.Equal(t, "write_payment_gateways,write_payment_sessions", got.Scope)
	require.True(t, b.opens(t, cedar, got.AccessToken))
	require.False(t, b.opens(t, acme, got.AccessToken), "a token is for one shop")

	book := b.book(t, cedar).Apps[PaymentsApp]
	require.Equal(t, InstallInstalled, book.State)
	require.Equal(t, 1, book.Installs)
	require.Len(t, book.Tokens, 1)
	require.Equal(t, TokenCode, book.Tokens[0].By)
	require.Equal(t, 1, book.Tokens[0].Uses)
	require.Contains(t, b.get(t, appsPath(cedar)).body, ">Open</button>")
}

func TestCheckoutOffersTheAppOnlyWhenItIsReadyAndActive(t *testing.T) {
	t.Parallel()
	b, _ := setupApps(t)
	shop := "/shops/" + cedar
	buy := url.Values{"product": {"mug"}, "currency": {"EUR"}, "kind": {"sale"}, "email": {"ada@example.com"}}
	offers := func(want bool) {
		t.Helper()
		require.Equal(t, want, strings.Contains(b.get(t, shop).body, `id="checkout"`))
		status := http.StatusConflict
		if want {
			status = http.StatusSeeOther
		}
		require.Equal(t, status, b.postForm(t, shop+"/checkouts", buy).status)
		require.Equal(t, want, b.book(t, cedar).Offered)
	}
	offers(false)
	require.Equal(t, http.StatusNotFound, b.get(t, settings).status, "no settings of an app that is not there")

	got := b.install(t)
	offers(false)
	require.Contains(t, b.get(t, settings).body, `id="not-ready"`)
	require.Equal(t, http.StatusConflict, b.postForm(t, settings+"/activate", nil).status)

	b.tellReady(t, got.AccessToken, true)
	offers(false)
	page := b.get(t, settings).body
	require.NotContains(t, page, `id="not-ready"`)
	require.Contains(t, page, "Account acct 7")

	require.Equal(t, settings, b.postForm(t, settings+"/activate", nil).location(t).Path)
	offers(true)
	b.tellReady(t, got.AccessToken, false)
	offers(false)
	require.Contains(t, b.get(t, settings).body, `id="not-ready"`)
	b.tellReady(t, got.AccessToken, true)
	offers(true)
	b.postForm(t, settings+"/deactivate", nil)
	offers(false)

	configured := b.book(t, cedar).Configured
	require.Len(t, configured, 3)
	require.Equal(t, []bool{true, false, true}, []bool{configured[0].Ready, configured[1].Ready, configured[2].Ready})
	require.Equal(t, "acct 7", configured[2].Handle)
	require.Equal(t, http.StatusNotFound, b.get(t, strings.Replace(settings, "/client/", "/other/", 1)).status)
	require.Equal(t, http.StatusNotFound, b.postForm(t, settings+"/sell", nil).status)
}

func TestShopsThatHadTheAppFromTheStartPayWithoutActivation(t *testing.T) {
	t.Parallel()
	b, _ := setupApps(t)
	require.True(t, b.book(t, acme).Offered)
	b.seededReady(t, false)
	require.False(t, b.book(t, acme).Offered)
	b.seededReady(t, true)
	require.True(t, b.book(t, acme).Offered)
}

func (b bundle) seededReady(t *testing.T, ready bool) {
	t.Helper()
	got := b.graphql(t, `mutation ($ready: Boolean!) { paymentsAppConfigure(ready: $ready) { userErrors { message } } }`, map[string]any{"ready": ready})
	require.Empty(t, got.Errors)
}

func TestAuthorizationsThatAreRefused(t *testing.T) {
	t.Parallel()
	b, _ := setupApps(t)
	for rule, spoil := range map[string]func(url.Values){
		"unknown client":               func(q url.Values) { q.Set("client_id", "x") },
		"no client":                    func(q url.Values) { q.Del("client_id") },
		"redirect that is not listed":  func(q url.Values) { q.Set("redirect_uri", "http://localhost/callback/") },
		"redirect of the other app":    func(q url.Values) { q.Set("redirect_uri", "https://admin.example.com/callback?kept=a b") },
		"redirect of a longer host":    func(q url.Values) { q.Set("redirect_uri", "http://localhost.evil.com/callback") },
		"no redirect":                  func(q url.Values) { q.Del("redirect_uri") },
		"scope of the other app":       func(q url.Values) { q.Set("scope", "write_payment_sessions,read_orders") },
		"no scope":                     func(q url.Values) { q.Set("scope", " , ") },
		"no state":                     func(q url.Values) { q.Del("state") },
		"two states":                   func(q url.Values) { q.Add("state", "x") },
		"tokens for one person":        func(q url.Values) { q.Set("grant_options[]", "per-user") },
		"two clients, the second good": func(q url.Values) { q["client_id"] = []string{"x", "client"} },
	} {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			query := goodAuthorization()
			spoil(query)
			asked := b.get(t, authorizePath+"?"+query.Encode())
			require.Equal(t, http.StatusBadRequest, asked.status, asked.body)
			require.Contains(t, asked.body, "Oauth error")
			require.Empty(t, asked.header.Get("Location"), "never a redirect: the address is not trusted")
			require.Equal(t, http.StatusBadRequest, b.postForm(t, authorizePath, query).status, "nor by posting the form")
			require.Equal(t, InstallNone, b.book(t, cedar).Apps[PaymentsApp].State)
		})
	}
	t.Run("unknown shop", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, http.StatusNotFound, b.get(t, "/shops/x.myshopify.com/admin/oauth/authorize?"+goodAuthorization().Encode()).status)
	})
	t.Run("form that cannot be read", func(t *testing.T) {
		t.Parallel()
		got := b.do(t, b.request(t, http.MethodPost, authorizePath, "application/x-www-form-urlencoded", "%zz"))
		require.Equal(t, http.StatusBadRequest, got.status)
	})
}

func TestAnInstalledAppIsNotAskedForAgain(t *testing.T) {
	t.Parallel()
	b, _ := setupApps(t)
	asking := goodAuthorization()
	asking.Set("scope", "write_payment_sessions")
	first := b.postForm(t, authorizePath, asking)
	require.Equal(t, http.StatusFound, first.status)
	again := b.get(t, authorizePath+"?"+asking.Encode())
	require.Equal(t, http.StatusFound, again.status, "nothing new is asked for")
	requireSigned(t, again.location(t), "secret")
	require.NotEqual(t, first.location(t).Query().Get("code"), again.location(t).Query().Get("code"))

	more := b.get(t, authorizePath+"?"+goodAuthorization().Encode())
	require.Equal(t, http.StatusOK, more.status, "a new scope needs a new yes")
	require.Equal(t, 1, b.book(t, cedar).Apps[PaymentsApp].Installs)
}

func TestTheRedirectKeepsItsOwnQuery(t *testing.T) {
	t.Parallel()
	b, _ := setupApps(t)
	got := b.postForm(t, authorizePath, url.Values{
		"client_id": {"admin-client"}, "scope": {"read_orders read_all_orders"}, "state": {"s"},
		"redirect_uri": {"https://admin.example.com/callback?kept=a b"},
	})
	require.Equal(t, http.StatusFound, got.status, got.body)
	require.Contains(t, got.location(t).RawQuery, "kept=a%20b", "a space is %20")
	query := requireSigned(t, got.location(t), "admin-secret")
	require.Equal(t, "a b", query.Get("kept"))
}

func TestAppsThatAreMisconfigured(t *testing.T) {
	t.Parallel()
	b := setup(t)
	opts := b.opts
	opts.PreviousSecrets = []Secret{""}
	opts.Listing = Listing{
		AppURL: "http://public.example.com/", RedirectURLs: []string{"callback"},
		Webhooks: []Webhook{{Topics: []string{"orders/eaten"}, URI: "https://x.example.com/#part"}},
	}
	opts.AdminApp = &SecondApp{ClientID: "client", ClientSecret: "s", Listing: Listing{AppURL: "https://x.example.com"}}
	_, err := New(opts)
	for _, want := range []string{
		`payments app url "http://public.example.com/" must be https`, `"callback" is not an absolute address`,
		`topic "orders/eaten" is unknown`, "#part\" is not an absolute address", "client id of its own", "admin app has no redirect url",
		"previous client secret is empty",
	} {
		require.ErrorContains(t, err, want)
	}
}
