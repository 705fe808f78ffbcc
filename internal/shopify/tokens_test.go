package shopify_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/shopify"
)

const pair = `{"access_token":"at-new","scope":"write_payment_gateways,write_payment_sessions","expires_in":3600,"refresh_token":"rt-new","refresh_token_expires_in":7776000}`

func refresher(t *testing.T, answer http.HandlerFunc, logs io.Writer) *shopify.Refresher {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	r, err := shopify.NewRefresher(shopify.RefresherOptions{
		BaseURL: server.URL, ClientID: "client-7", ClientSecret: "app-secret", HTTPClient: server.Client(),
		Log: zerolog.New(logs), Now: func() time.Time { return now },
	})
	require.NoError(t, err)
	return r
}

func TestRefreshToken(t *testing.T) {
	t.Parallel()
	var path string
	var sent map[string]string
	logs := &bytes.Buffer{}
	r := refresher(t, func(w http.ResponseWriter, req *http.Request) {
		path = req.Method + " " + req.URL.String()
		if err := json.NewDecoder(req.Body).Decode(&sent); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		says(200, pair)(w, req)
	}, logs)
	got, err := r.RefreshToken(t.Context(), shop, "rt-old")
	require.NoError(t, err)
	require.Equal(t, shopify.Tokens{
		Access: "at-new", AccessExpiresAt: now.Add(time.Hour), Refresh: "rt-new", RefreshExpiresAt: now.Add(90 * 24 * time.Hour),
		Scope: "write_payment_gateways,write_payment_sessions",
	}, got)
	require.Equal(t, "POST /admin/oauth/access_token", path, "secrets are not in the address")
	require.Equal(t, map[string]string{
		"client_id": "client-7", "client_secret": "app-secret", "grant_type": "refresh_token", "refresh_token": "rt-old",
	}, sent)
	require.Contains(t, logs.String(), "req-1")
	encoded, err := json.Marshal(got)
	require.NoError(t, err)
	for _, text := range []string{fmt.Sprint(got), fmt.Sprintf("%+v %#v", got, got), string(encoded), logs.String()} {
		for _, secret := range []string{"at-new", "rt-new", "rt-old", "app-secret"} {
			require.NotContains(t, text, secret)
		}
	}
}

func TestRefusedRefresh(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		class  payment.Class
		code   string
	}{
		"grant withdrawn":     {says(400, `{"error":"invalid_grant","error_description":"rt-old"}`), payment.Unauthorized, shopify.CodeInvalidGrant},
		"app's secret wrong":  {says(400, `{"error":"invalid_client"}`), payment.Unauthorized, "invalid_client"},
		"401":                 {says(401, ``), payment.Unauthorized, "http_401"},
		"shop frozen":         {says(402, ``), payment.Unauthorized, shopify.CodeShopBlocked},
		"other refusal":       {says(400, `{"error":"invalid_request"}`), payment.Invalid, "http_400"},
		"too many":            {says(429, ``, "Retry-After", "1.5"), payment.RateLimited, "http_429"},
		"500":                 {says(500, `rt-old`), payment.Unavailable, "http_500"},
		"a page for people":   {says(200, `<html>at-new</html>`), payment.Unavailable, "unreadable_answer"},
		"half a pair":         {says(200, `{"access_token":"at-new","expires_in":3600}`), payment.Unavailable, "unreadable_answer"},
		"a pair without ends": {says(200, `{"access_token":"at-new","refresh_token":"rt-new"}`), payment.Unavailable, "unreadable_answer"},
		"broken body":         {says(200, `{`, "Content-Length", "100"), payment.Unavailable, "transport"},
		"redirect":            {says(307, ``, "Location", "/elsewhere"), payment.Unavailable, "http_307"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := refresher(t, tc.answer, io.Discard).RefreshToken(t.Context(), shop, "rt-old")
			e, ok := errors.AsType[*payment.Error](err)
			require.True(t, ok)
			require.Equal(t, tc.class, e.Class)
			require.Equal(t, tc.code, e.Code)
			for _, secret := range []string{"at-new", "rt-old", "app-secret"} {
				require.NotContains(t, err.Error(), secret)
			}
		})
	}
}

func TestRefresherOptions(t *testing.T) {
	t.Parallel()
	good := shopify.RefresherOptions{ClientID: "client-7", ClientSecret: "app-secret", HTTPClient: http.DefaultClient, Now: time.Now}
	r, err := shopify.NewRefresher(good)
	require.NoError(t, err)
	_, err = r.RefreshToken(t.Context(), "evil.example", "rt-old")
	require.Equal(t, payment.Bug, payment.ClassOf(err, payment.Unknown), "the app's secret goes to shops only")
	bad := good
	bad.ClientSecret = ""
	_, err = shopify.NewRefresher(bad)
	require.ErrorContains(t, err, "required")
	bad = good
	bad.BaseURL = "nowhere"
	_, err = shopify.NewRefresher(bad)
	require.ErrorContains(t, err, "base url")
}
