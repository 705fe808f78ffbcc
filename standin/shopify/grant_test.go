package shopify

import (
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhatIsSignedOfAQuery(t *testing.T) {
	t.Parallel()
	for want, query := range map[string]url.Values{
		"":                                {"hmac": {"x"}, "signature": {"y"}},
		"code=1&shop=a.myshopify.com":     {"shop": {"a.myshopify.com"}, "hmac": {"x"}, "code": {"1"}},
		"a=1%26shop%3Dx":                  {"a": {"1&shop=x"}}, // not a=1&shop=x: nothing is smuggled
		"a%26b=c%20d%2Be":                 {"a&b": {"c d+e"}},
		"ids%5B%5D=2&ids%5B%5D=1&state=s": {"state": {"s"}, "ids[]": {"2", "1"}},
	} {
		require.Equal(t, want, canonicalQuery(query))
	}
}

func TestSomebodyElsesSignatureDoesNotFit(t *testing.T) {
	t.Parallel()
	b, _ := setupApps(t)
	own := b.postForm(t, appsPath(cedar)+"/payments/open", nil).location(t)
	other := b.postForm(t, appsPath(cedar)+"/admin/open", nil).location(t)
	requireSigned(t, own, "secret")
	requireSigned(t, other, "admin-secret")
	require.NotEqual(t, own.Query().Get("hmac"), other.Query().Get("hmac"))
	b.clock.add(time.Second)
	later := b.postForm(t, appsPath(cedar)+"/payments/open", nil).location(t)
	require.NotEqual(t, own.Query().Get("hmac"), later.Query().Get("hmac"), "the time is signed")
}

func TestCancellingInstallsNothing(t *testing.T) {
	t.Parallel()
	b, _ := setupApps(t)
	page := b.get(t, authorizePath+"?"+goodAuthorization().Encode())
	require.Contains(t, page.body, `href="`+appsPath(cedar)+`" id="cancel"`)
	require.Equal(t, http.StatusOK, b.get(t, appsPath(cedar)).status)
	require.Equal(t, InstallNone, b.book(t, cedar).Apps[PaymentsApp].State)
}

func TestAppsWithoutAnAddressCannotBeInstalledByHand(t *testing.T) {
	t.Parallel()
	b := setup(t)
	page := b.get(t, appsPath(acme)).body
	require.Contains(t, page, "payments", "an app without a name is called by its handle")
	require.NotContains(t, page, ">Open</button>")
	require.Contains(t, page, ">Uninstall</button>")
	for _, app := range []string{"payments", "admin", "none"} {
		require.Equal(t, http.StatusNotFound, b.postForm(t, appsPath(acme)+"/"+app+"/open", nil).status, app)
	}
	b.postForm(t, appsPath(acme)+"/payments/uninstall", nil)
	require.Contains(t, b.get(t, appsPath(acme)).body, "no address to install it from")
}

func TestTheSecondAppHasTokensOfItsOwn(t *testing.T) {
	t.Parallel()
	b, _ := setupApps(t, func(o *Options) { o.Shops[0].AdminRefreshToken = "shprt_admin" })
	as := func(members map[string]string) response {
		members["client_id"], members["client_secret"] = "admin-client", "admin-secret"
		return b.token(t, acme, members)
	}
	first := redeemed(t, as(map[string]string{"grant_type": grantRefresh, "refresh_token": "shprt_admin"}))
	require.Equal(t, "read_orders,read_all_orders", first.Scope)
	require.Contains(t, as(map[string]string{"grant_type": grantRefresh, "refresh_token": seedRefresh}).body, "invalid_grant", "the other app's")
	_, ok := b.refresh(t, first.RefreshToken)
	require.False(t, ok)
	require.Equal(t, http.StatusOK, b.query(t, adminPath, first.AccessToken, `{ publicApiVersions { handle } }`, nil).status)
	require.Contains(t, as(map[string]string{"grant_type": grantRefresh, "refresh_token": "shprt_admin"}).body, "invalid_grant", "the new one was used")
	b.clock.add(time.Hour)
	require.Equal(t, http.StatusUnauthorized, b.query(t, adminPath, first.AccessToken, `{ publicApiVersions { handle } }`, nil).status)
	require.Equal(t, http.StatusUnauthorized, b.query(t, adminPath, adminAccess, `{ publicApiVersions { handle } }`, nil).status)
	book := b.book(t, acme).Apps[AdminApp]
	require.Equal(t, 2, book.RefusedTokens)
	require.Equal(t, []int{0, 1}, []int{book.Tokens[0].Uses, book.Tokens[1].Uses})
}

func TestEveryRefreshIsInTheBooks(t *testing.T) {
	t.Parallel()
	b, _ := setupApps(t)
	// Fifty clients that do not wait for each other: Shopify rotates for every one, because none has used its token yet,
	// and only the last pair lives. An app that refreshes under a lock shows one generation here.
	answers := make([]response, 50)
	var wg sync.WaitGroup
	for n := range answers {
		wg.Go(func() { answers[n] = b.postJSON(t, tokenPath, b.refreshBody(seedRefresh)) })
	}
	wg.Wait()
	alive := 0
	for _, resp := range answers {
		if b.calls(t, redeemed(t, resp).AccessToken) {
			alive++
		}
	}
	require.Equal(t, 1, alive)
	tokens := b.book(t, acme).Apps[PaymentsApp].Tokens
	require.Len(t, tokens, 51)
	for _, token := range tokens[1:50] {
		require.Equal(t, "repeated", token.Ended)
	}
}

func TestReinstallingTakesTheScopesThatAreGrantedThen(t *testing.T) {
	t.Parallel()
	b, _ := setupApps(t)
	b.install(t)
	b.postForm(t, appsPath(cedar)+"/payments/uninstall", nil)
	require.Empty(t, b.book(t, cedar).Apps[PaymentsApp].Scopes)
	less := goodAuthorization()
	less.Set("scope", scopeGateways)
	code := b.postForm(t, authorizePath, less).location(t).Query().Get("code")
	got := redeemed(t, b.token(t, cedar, map[string]string{"code": code, "expiring": "1"}))
	require.Equal(t, scopeGateways, got.Scope)
	resp := b.query(t, "/shops/"+cedar+"/payments_apps/api/2026-10/graphql.json", got.AccessToken,
		`mutation { paymentSessionResolve(id: "gid://shopify/PaymentSession/x") { userErrors { message } } }`, nil)
	require.Contains(t, resp.body, "ACCESS_DENIED")
	require.Contains(t, resp.body, "Access denied for paymentSessionResolve field.")
}

func TestScopesContainEachOther(t *testing.T) {
	t.Parallel()
	inst := &installation{Scopes: []string{"write_orders", "read_customers"}}
	for scope, want := range map[string]bool{
		"write_orders": true, "read_orders": true, "read_customers": true, "write_customers": false, "orders": false, "read_all_orders": false,
	} {
		require.Equal(t, want, inst.has(scope), scope)
	}
}

func TestNothingIsSentAgainToAnAppThatLeft(t *testing.T) {
	t.Parallel()
	b, _ := setupApps(t)
	panel := orderPath(t, b)
	b.app.answer(func(_ int, w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) })
	b.postForm(t, panel+"/refund", url.Values{"amount": {"10.00"}})
	retry := "/shops/" + acme + "/admin/sessions/" + b.last(t).ID + "/retry"
	before := len(b.app.requests())
	b.postForm(t, appsPath(acme)+"/payments/uninstall", nil)
	require.Equal(t, http.StatusConflict, b.postForm(t, retry, nil).status)
	require.Len(t, b.app.requests(), before)
}
