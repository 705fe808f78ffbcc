package shopify

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/standin/faults"
)

func TestCodesWorkOnceForTheirShopAndApp(t *testing.T) {
	t.Parallel()
	b, _ := setupApps(t)
	gone := `"error":"invalid_request","error_description":"The authorization code was not found or was already used"`
	code := b.approved(t)
	require.Contains(t, b.token(t, acme, map[string]string{"code": code, "expiring": "1"}).body, gone, "another shop")
	require.Contains(t, b.token(t, "x.myshopify.com", map[string]string{"code": code, "expiring": "1"}).body, gone)
	other := b.token(t, cedar, map[string]string{"code": code, "expiring": "1", "client_id": "admin-client", "client_secret": "admin-secret"})
	require.Contains(t, other.body, gone, "another app")
	wrong := b.token(t, cedar, map[string]string{"code": code, "expiring": "1", "client_secret": "admin-secret"})
	require.Equal(t, http.StatusUnauthorized, wrong.status)

	redeemed(t, b.token(t, cedar, map[string]string{"code": code, "expiring": "1"}))
	again := b.token(t, cedar, map[string]string{"code": code, "expiring": "1"})
	require.Equal(t, http.StatusBadRequest, again.status)
	require.Contains(t, again.body, gone)
	require.Equal(t, 1, b.book(t, cedar).Apps[PaymentsApp].RefusedTokens)

	late := b.approved(t)
	b.clock.add(codeLifetime)
	require.Contains(t, b.token(t, cedar, map[string]string{"code": late, "expiring": "1"}).body, gone)
}

func TestTokensThatNeverExpire(t *testing.T) {
	t.Parallel()
	t.Run("a new app must not ask for them", func(t *testing.T) {
		t.Parallel()
		b, _ := setupApps(t)
		refused := b.token(t, cedar, map[string]string{"code": b.approved(t)})
		require.Equal(t, http.StatusBadRequest, refused.status)
		require.Contains(t, refused.body, "invalid_request")
	})
	t.Run("an old app may until the end of 2026", func(t *testing.T) {
		t.Parallel()
		b, _ := setupApps(t, func(o *Options) { o.Listing.PermanentTokens = true })
		resp := b.token(t, cedar, map[string]string{"code": b.approved(t)})
		require.NotContains(t, resp.body, "expires_in")
		got := redeemed(t, resp)
		b.clock.add(1000 * time.Hour)
		require.True(t, b.opens(t, cedar, got.AccessToken))
		require.Equal(t, http.StatusBadRequest, b.token(t, cedar, map[string]string{"code": b.approved(t)}).status, "it is 2027")
	})
	t.Run("a new code with expiry replaces them", func(t *testing.T) {
		t.Parallel()
		b, _ := setupApps(t, func(o *Options) { o.Listing.PermanentTokens = true })
		old := redeemed(t, b.token(t, cedar, map[string]string{"code": b.approved(t)}))
		redeemed(t, b.token(t, cedar, map[string]string{"code": b.approved(t), "expiring": "1"}))
		require.False(t, b.opens(t, cedar, old.AccessToken))
		require.Equal(t, "replaced", b.book(t, cedar).Apps[PaymentsApp].Tokens[0].Ended)
	})
}

func convertBody(old string) map[string]string {
	return map[string]string{
		"grant_type": grantExchange, "subject_token": old, "subject_token_type": offlineToken,
		"requested_token_type": offlineToken, "expiring": "1",
	}
}

func TestConversionOfAnOldToken(t *testing.T) {
	t.Parallel()
	b, _ := setupApps(t, func(o *Options) { o.Shops[0].RefreshToken = "" })
	for rule, change := range map[string]map[string]string{
		"without expiring":   {"expiring": ""},
		"of another subject": {"subject_token_type": "urn:ietf:params:oauth:token-type:id_token"},
		"into another token": {"requested_token_type": "urn:shopify:params:oauth:token-type:online-access-token"},
		"of an unknown one":  {"subject_token": "shpat_x"},
	} {
		body := convertBody(seedAccess)
		for name, value := range change {
			body[name] = value
		}
		require.Equal(t, http.StatusBadRequest, b.token(t, acme, body).status, rule)
	}
	got := redeemed(t, b.token(t, acme, convertBody(seedAccess)))
	require.Equal(t, 3600, got.ExpiresIn)
	require.True(t, b.calls(t, got.AccessToken))
	require.False(t, b.calls(t, seedAccess), "there is no way back")
	require.Contains(t, b.token(t, acme, convertBody(seedAccess)).body, "invalid_subject_token")
	require.Contains(t, b.token(t, acme, convertBody(got.AccessToken)).body, "invalid_subject_token", "it expires anyway")
	_, ok := b.refresh(t, got.RefreshToken)
	require.True(t, ok)

	tokens := b.book(t, acme).Apps[PaymentsApp].Tokens
	require.Len(t, tokens, 3)
	require.Equal(t, []TokenOrigin{TokenSeed, TokenConversion, TokenRefresh}, []TokenOrigin{tokens[0].By, tokens[1].By, tokens[2].By})
	require.Equal(t, "converted", tokens[0].Ended)
	require.Nil(t, tokens[0].ExpiresAt)
	require.NotNil(t, tokens[1].ExpiresAt)
	require.Equal(t, []int{1, 2, 3}, []int{tokens[0].Generation, tokens[1].Generation, tokens[2].Generation})
	require.NotContains(t, b.get(t, "/_books?shop="+acme).body, got.AccessToken, "the books hold no tokens")
}

func TestALostRefreshIsInTheBooks(t *testing.T) {
	t.Parallel()
	b, _ := setupApps(t)
	_, ok := b.refresh(t, seedRefresh)
	require.True(t, ok)
	_, ok = b.refresh(t, seedRefresh)
	require.True(t, ok)
	_, ok = b.refresh(t, "shprt_x")
	require.False(t, ok)
	book := b.book(t, acme).Apps[PaymentsApp]
	require.Len(t, book.Tokens, 3)
	require.Equal(t, "repeated", book.Tokens[1].Ended)
	require.Empty(t, book.Tokens[2].Ended)
	require.Equal(t, 1, book.RefusedTokens)
	require.Len(t, book.Tokens[0].Fingerprint, 16)
}

func TestSecretRotation(t *testing.T) {
	t.Parallel()
	b, in := setupApps(t, func(o *Options) { o.PreviousSecrets = []Secret{"older"} })
	ask := func(secret string) int {
		return b.token(t, cedar, map[string]string{"client_secret": secret, "code": "x", "expiring": "1"}).status
	}
	require.Equal(t, http.StatusBadRequest, ask("secret"))
	require.Equal(t, http.StatusBadRequest, ask("older"), "the client is known, the code is not")
	require.Equal(t, http.StatusUnauthorized, ask("newest"))

	rotate := func(path, body string) int { return b.postJSON(t, path, body).status }
	require.Equal(t, http.StatusNoContent, rotate("/_apps/payments/secrets", `{"client_secret":"newest"}`))
	require.Equal(t, http.StatusBadRequest, rotate("/_apps/none/secrets", `{"client_secret":"newest"}`))
	require.Equal(t, http.StatusBadRequest, rotate("/_apps/payments/secrets", `{"client_secret":""}`))
	require.Equal(t, http.StatusBadRequest, rotate("/_apps/payments/secrets", `{"secret":"x"}`))
	for _, secret := range []string{"newest", "secret", "older"} {
		require.Equal(t, http.StatusBadRequest, ask(secret), secret)
	}
	requireSigned(t, b.postForm(t, appsPath(cedar)+"/payments/open", nil).location(t), "newest")

	for n, c := range []struct {
		wait time.Duration
		want string
	}{{0, "secret"}, {secretGrace - time.Second, "secret"}, {time.Second, "newest"}} {
		b.clock.add(c.wait)
		b.raise(t, acme, topicUninstalled, `{}`)
		requireSignedBody(t, in.await(t, n+1)[n], c.want)
	}

	require.Equal(t, http.StatusNoContent, b.do(t, b.request(t, http.MethodDelete, "/_apps/payments/secrets", "", "")).status)
	require.Equal(t, http.StatusBadRequest, b.do(t, b.request(t, http.MethodDelete, "/_apps/none/secrets", "", "")).status)
	require.Equal(t, http.StatusUnauthorized, ask("secret"))
	require.Equal(t, http.StatusBadRequest, ask("newest"))
}

func TestFaultsOfTheTokenEndpoint(t *testing.T) {
	t.Parallel()
	b, _ := setupApps(t)
	arm := func(rule faults.Rule) {
		t.Helper()
		_, err := b.Faults().Arm(rule)
		require.NoError(t, err)
	}
	arm(faults.Rule{Call: opTokenCode, Kind: faults.ErrorBefore})
	code := b.approved(t)
	members := map[string]string{"code": code, "expiring": "1"}
	require.Equal(t, http.StatusInternalServerError, b.token(t, cedar, members).status)
	redeemed(t, b.token(t, cedar, members))

	arm(faults.Rule{Call: opTokenCode, Kind: faults.ErrorAfter})
	members["code"] = b.approved(t)
	require.Equal(t, http.StatusInternalServerError, b.token(t, cedar, members).status)
	require.Equal(t, http.StatusBadRequest, b.token(t, cedar, members).status, "the code is spent")
	require.Len(t, b.book(t, cedar).Apps[PaymentsApp].Tokens, 2)
}
