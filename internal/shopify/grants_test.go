package shopify_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/Khan/genqlient/graphql"
	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/shopify"
)

func TestGrants(t *testing.T) {
	t.Parallel()
	const offline = "urn:shopify:params:oauth:token-type:offline-access-token"
	for name, tc := range map[string]struct {
		ask  func(*shopify.Refresher) (shopify.Tokens, error)
		want map[string]string
	}{
		"a code is exchanged for tokens that expire": {
			func(r *shopify.Refresher) (shopify.Tokens, error) { return r.ExchangeCode(t.Context(), shop, "code-1") },
			map[string]string{"client_id": "client-7", "client_secret": "app-secret", "code": "code-1", "expiring": "1"},
		},
		"an old token is converted": {
			func(r *shopify.Refresher) (shopify.Tokens, error) { return r.ConvertToken(t.Context(), shop, "code-1") },
			map[string]string{
				"client_id": "client-7", "client_secret": "app-secret", "expiring": "1", "subject_token": "code-1",
				"grant_type":         "urn:ietf:params:oauth:grant-type:token-exchange",
				"subject_token_type": offline, "requested_token_type": offline,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var sent map[string]string
			logs := &bytes.Buffer{}
			r := refresher(t, func(w http.ResponseWriter, req *http.Request) {
				if req.Method != http.MethodPost || req.URL.String() != "/admin/oauth/access_token" || json.NewDecoder(req.Body).Decode(&sent) != nil {
					w.WriteHeader(http.StatusBadRequest)
					return
				}
				says(200, pair)(w, req)
			}, logs)
			got, err := tc.ask(r)
			require.NoError(t, err)
			require.Equal(t, tc.want, sent)
			require.Equal(t, shopify.Secret("at-new"), got.Access)
			require.Equal(t, now.Add(time.Hour), got.AccessExpiresAt)
			require.Equal(t, shopify.Secret("rt-new"), got.Refresh)
			for _, secret := range []string{"at-new", "rt-new", "code-1", "app-secret"} {
				require.NotContains(t, logs.String()+fmt.Sprintf("%+v", got), secret)
			}
		})
	}
}

func TestRefusedGrants(t *testing.T) {
	t.Parallel()
	spent := says(400, `{"error":"invalid_request","error_description":"The authorization code was not found or was already used"}`)
	_, err := refresher(t, spent, io.Discard).ExchangeCode(t.Context(), shop, "code-1")
	require.Equal(t, payment.Invalid, payment.ClassOf(err, payment.Unknown))
	require.NotContains(t, err.Error(), "code-1")
	_, err = refresher(t, says(503, ``), io.Discard).ConvertToken(t.Context(), shop, "permanent")
	require.Equal(t, payment.Unavailable, payment.ClassOf(err, payment.Unknown))
	permanent := says(200, `{"access_token":"at-new","scope":"write_payment_sessions"}`)
	_, err = refresher(t, permanent, io.Discard).ExchangeCode(t.Context(), shop, "code-1")
	require.Equal(t, payment.Unavailable, payment.ClassOf(err, payment.Unknown), "a token that does not expire is not what we asked for")
	_, err = refresher(t, says(200, pair), io.Discard).ExchangeCode(t.Context(), "evil.example/", "code-1")
	require.Equal(t, payment.Bug, payment.ClassOf(err, payment.Unknown))
}

func TestAddress(t *testing.T) {
	t.Parallel()
	address, err := shopify.Address("", shop, "/admin/oauth/authorize")
	require.NoError(t, err)
	require.Equal(t, "https://acme-dev.myshopify.com/admin/oauth/authorize", address)
	address, err = shopify.Address("http://127.0.0.1:7400/shops/{shop}", shop, "/x")
	require.NoError(t, err)
	require.Equal(t, "http://127.0.0.1:7400/shops/acme-dev.myshopify.com/x", address)
	_, err = shopify.Address("", "shop.example", "/x")
	require.Error(t, err)
	_, err = shopify.Address("nowhere", shop, "/x")
	require.ErrorContains(t, err, "base url")
}

func TestCheckVersion(t *testing.T) {
	t.Parallel()
	served := []shopify.Version{
		{Handle: "2026-07", Supported: true}, {Handle: "2026-10", Supported: true}, {Handle: "2027-01"}, {Handle: "unstable"},
	}
	at := func(day string) time.Time {
		moment, err := time.Parse(time.DateOnly, day)
		require.NoError(t, err)
		return moment
	}
	for name, tc := range map[string]struct {
		listed []shopify.Version
		day    string
		state  shopify.VersionState
		newest string
	}{
		"a young version is current":                        {served, "2026-11-20", shopify.VersionCurrent, "2026-10"},
		"a version is ending a quarter before its end":      {append(served, shopify.Version{Handle: "2027-04", Supported: true}), "2027-07-04", shopify.VersionEnding, "2027-04"},
		"a version that is not listed as supported is gone": {[]shopify.Version{{Handle: "2026-10"}, {Handle: "2027-10", Supported: true}}, "2026-11-20", shopify.VersionGone, "2027-10"},
		"a version that is not listed at all is gone":       {nil, "2026-11-20", shopify.VersionGone, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check, err := shopify.CheckVersion(tc.listed, at(tc.day))
			require.NoError(t, err)
			require.Equal(t, shopify.VersionCheck{Pinned: "2026-10", State: tc.state, Until: at("2027-10-01"), Newest: tc.newest}, check)
			require.Equal(t, tc.state == shopify.VersionCurrent, check.Warning() == "")
		})
	}
	require.Contains(t, shopify.VersionCheck{State: "other"}.Warning(), "unknown")
}

func TestCaller(t *testing.T) {
	t.Parallel()
	t.Run("each api has its path", func(t *testing.T) {
		t.Parallel()
		for api, path := range map[shopify.API]string{
			shopify.PaymentsAPI: "/payments_apps/api/2026-10/graphql.json", shopify.AdminAPI: "/admin/api/2026-10/graphql.json",
		} {
			var called string
			client, err := shopify.New(shopify.Options{
				API: api, Tokens: &tokens{current: "token-1"}, Now: func() time.Time { return now },
				HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
					called = r.URL.Path
					return nil, io.ErrUnexpectedEOF
				})},
			})
			require.NoError(t, err)
			_, err = client.PublicVersions(t.Context(), shop)
			require.Error(t, err)
			require.Equal(t, path, called)
		}
		_, err := shopify.New(shopify.Options{API: "storefront"})
		require.ErrorContains(t, err, "no api")
	})
	t.Run("the cost block says how long to pause before the same again", func(t *testing.T) {
		t.Parallel()
		for cost, pause := range map[string]time.Duration{
			``: 0,
			`,"extensions":{"cost":{"requestedQueryCost":100,"throttleStatus":{"currentlyAvailable":900,"restoreRate":50}}}`: 0,
			`,"extensions":{"cost":{"requestedQueryCost":100,"throttleStatus":{"currentlyAvailable":25,"restoreRate":50}}}`:  1500 * time.Millisecond,
			`,"extensions":{"cost":{"requestedQueryCost":100,"throttleStatus":{"currentlyAvailable":25,"restoreRate":0}}}`:   0,
		} {
			b := setup(t, says(200, `{"data":{}`+cost+`}`))
			k := b.client.Caller(shop)
			require.NoError(t, k.MakeRequest(t.Context(), &graphql.Request{OpName: "Q", Query: "query Q { a }"}, &graphql.Response{Data: &struct{}{}}))
			require.Equal(t, pause, k.Pause(), cost)
			require.Equal(t, "req-1", k.RequestID())
		}
	})
}
