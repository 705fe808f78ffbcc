package shopify

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/standin/faults"
)

const tokenPath = "/shops/" + acme + "/admin/oauth/access_token"

func (b bundle) refreshBody(refresh string) string {
	return fmt.Sprintf(`{"client_id":"client","client_secret":"secret","grant_type":"refresh_token","refresh_token":%q}`, refresh)
}

// refresh exchanges a refresh token; ok is false on invalid_grant.
func (b bundle) refresh(t *testing.T, token string) (got tokenAnswer, ok bool) {
	t.Helper()
	resp := b.postJSON(t, tokenPath, b.refreshBody(token))
	if resp.status == http.StatusBadRequest {
		require.Contains(t, resp.body, `"invalid_grant"`)
		return tokenAnswer{}, false
	}
	require.Equal(t, http.StatusOK, resp.status, resp.body)
	require.NoError(t, json.Unmarshal([]byte(resp.body), &got))
	return got, true
}

// calls reports whether an access token is accepted by the API.
func (b bundle) calls(t *testing.T, token string) bool {
	t.Helper()
	req := b.graphqlRequest(t, `{ publicApiVersions { handle } }`, nil)
	req.Header.Set("X-Shopify-Access-Token", token)
	resp := b.do(t, req)
	require.Contains(t, []int{http.StatusOK, http.StatusUnauthorized}, resp.status)
	return resp.status == http.StatusOK
}

func TestRefreshRotatesBothTokens(t *testing.T) {
	t.Parallel()
	b := setup(t)
	got, ok := b.refresh(t, seedRefresh)
	require.True(t, ok)
	require.Equal(t, 3600, got.ExpiresIn)
	require.Equal(t, 7776000, got.RefreshTokenExpiresIn)
	require.Equal(t, "write_payment_gateways,write_payment_sessions", got.Scope)
	require.NotEqual(t, seedAccess, got.AccessToken)
	require.NotEqual(t, seedRefresh, got.RefreshToken)
	require.True(t, b.calls(t, got.AccessToken))
	require.True(t, b.calls(t, seedAccess), "the older access token lives until it expires")
}

func TestAccessTokenExpires(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.clock.add(time.Hour - time.Second)
	require.True(t, b.calls(t, seedAccess))
	b.clock.add(time.Second)
	require.False(t, b.calls(t, seedAccess))
	got, ok := b.refresh(t, seedRefresh)
	require.True(t, ok)
	require.True(t, b.calls(t, got.AccessToken))
}

func TestPreviousRefreshToken(t *testing.T) {
	t.Parallel()
	t.Run("it works until the new access token is used", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		lost, ok := b.refresh(t, seedRefresh)
		require.True(t, ok)
		second, ok := b.refresh(t, seedRefresh)
		require.True(t, ok, "the first answer may have been lost")
		require.False(t, b.calls(t, lost.AccessToken), "the lost pair is dead")
		_, ok = b.refresh(t, lost.RefreshToken)
		require.False(t, ok)

		require.True(t, b.calls(t, second.AccessToken))
		_, ok = b.refresh(t, seedRefresh)
		require.False(t, ok, "the new access token has been used")
		_, ok = b.refresh(t, second.RefreshToken)
		require.True(t, ok)
	})
	t.Run("use of the old access token does not retire it", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, ok := b.refresh(t, seedRefresh)
		require.True(t, ok)
		require.True(t, b.calls(t, seedAccess))
		_, ok = b.refresh(t, seedRefresh)
		require.True(t, ok)
	})
	t.Run("two rotations retire it", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		first, ok := b.refresh(t, seedRefresh)
		require.True(t, ok)
		_, ok = b.refresh(t, first.RefreshToken)
		require.True(t, ok)
		_, ok = b.refresh(t, seedRefresh)
		require.False(t, ok)
	})
}

func TestRefreshTokenExpires(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.clock.add(90 * 24 * time.Hour)
	_, ok := b.refresh(t, seedRefresh)
	require.False(t, ok)
}

func TestRefreshFaults(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.Faults().Arm(faults.Rule{Call: opTokenRefresh, Kind: faults.LoseReply})
	require.NoError(t, err)
	req := b.request(t, http.MethodPost, tokenPath, "application/json", b.refreshBody(seedRefresh))
	_, err = http.DefaultTransport.RoundTrip(req)
	require.Error(t, err)
	_, ok := b.refresh(t, seedRefresh)
	require.True(t, ok, "a lost rotation can be repeated")

	_, err = b.Faults().Arm(faults.Rule{Call: opTokenRefresh, Kind: faults.Decline("invalid_grant")})
	require.NoError(t, err)
	_, ok = b.refresh(t, seedRefresh)
	require.False(t, ok)
}

func TestTokenRequestsThatAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	cases := map[string]struct {
		contentType, body string
		status            int
		want              string
	}{
		"unknown token": {"application/json", b.refreshBody("shprt_x"), 400, "invalid_grant"},
		"empty token":   {"application/json", b.refreshBody(""), 400, "invalid_grant"},
		"wrong secret": {
			"application/json",
			`{"client_id":"client","client_secret":"x","grant_type":"refresh_token","refresh_token":"shprt_seed"}`, 401, "invalid_client",
		},
		"wrong client": {
			"application/json",
			`{"client_id":"x","client_secret":"secret","grant_type":"refresh_token","refresh_token":"shprt_seed"}`, 401, "invalid_client",
		},
		"other grant": {
			"application/json",
			`{"client_id":"client","client_secret":"secret","grant_type":"authorization_code"}`, 400, "unsupported_grant_type",
		},
		"not JSON":        {"application/json", `refresh`, 400, "invalid_request"},
		"no content type": {"", `{}`, 400, "invalid_request"},
		"text":            {"text/plain", `{}`, 400, "invalid_request"},
		"broken form":     {"application/x-www-form-urlencoded", `%zz`, 400, "invalid_request"},
	}
	for rule, c := range cases {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			got := b.do(t, b.request(t, http.MethodPost, tokenPath, c.contentType, c.body))
			require.Equal(t, c.status, got.status)
			require.Contains(t, got.body, `"error":"`+c.want+`"`)
		})
	}
	t.Run("unknown shop", func(t *testing.T) {
		t.Parallel()
		got := b.postJSON(t, "/shops/x.myshopify.com/admin/oauth/access_token", b.refreshBody(seedRefresh))
		require.Contains(t, got.body, "invalid_grant")
	})
}

func TestTokenRequestMayBeAForm(t *testing.T) {
	t.Parallel()
	b := setup(t)
	got := b.postForm(t, tokenPath, url.Values{
		"client_id": {"client"}, "client_secret": {"secret"}, "grant_type": {"refresh_token"}, "refresh_token": {seedRefresh},
	})
	require.Equal(t, http.StatusOK, got.status, got.body)
}

func TestTokenWithoutRefreshNeverExpires(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *Options) { o.Shops[0].RefreshToken = "" })
	b.clock.add(1000 * time.Hour)
	require.True(t, b.calls(t, seedAccess))
	_, ok := b.refresh(t, seedRefresh)
	require.False(t, ok)
}
