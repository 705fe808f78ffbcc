package install_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/api"
	"tillflow/api/install"
	"tillflow/internal/shopify/app"
	core "tillflow/internal/shopify/install"
	"tillflow/internal/store/storetest"
)

const (
	shop       = "acme-dev.myshopify.com"
	secret     = "app-secret"
	cookieName = "__Host-tillflow_install_payments"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

// platform is Shopify's token endpoint.
type platform struct {
	mu     sync.Mutex
	err    error
	scope  string
	codes  []string
	tokens int
}

func (p *platform) ExchangeCode(_ context.Context, _ string, code app.Secret) (app.Tokens, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.codes = append(p.codes, string(code))
	if p.err != nil {
		return app.Tokens{}, p.err
	}
	p.tokens++
	return app.Tokens{
		Access: app.Secret("at-" + strconv.Itoa(p.tokens)), Refresh: "rt-canary", Scope: p.scope,
		AccessExpiresAt: time.Date(2026, 11, 20, 13, 0, 0, 0, time.UTC), RefreshExpiresAt: time.Date(2027, 2, 18, 12, 0, 0, 0, time.UTC),
	}, nil
}

// bench is the handler on the real record.
type bench struct {
	*storetest.Record
	t        *testing.T
	platform *platform
	log      *bytes.Buffer
	logger   zerolog.Logger
	now      time.Time
	handler  http.Handler
	landed   []string
}

func options(b *bench) install.Options {
	return install.Options{
		App: core.App{
			Name: app.Payments, ClientID: "key-1", Secrets: []app.Secret{secret, "old-secret"},
			Scopes: []string{"write_payment_gateways", "write_payment_sessions"}, RedirectURL: "https://pay.example.com/shopify/callback",
		},
		Platform: b.platform, Installs: b.Store, Path: "/shopify", Now: func() time.Time { return b.now }, Log: b.logger,
	}
}

func setup(t *testing.T, change ...func(*bench, *install.Options)) *bench {
	t.Helper()
	b := &bench{
		t: t, log: &bytes.Buffer{}, now: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC),
		platform: &platform{scope: "write_payment_gateways,write_payment_sessions"},
	}
	b.logger = zerolog.New(zerolog.SyncWriter(b.log))
	b.Record = storetest.Open(t, func() time.Time { return b.now })
	o := options(b)
	for _, c := range change {
		c(b, &o)
	}
	h, err := install.New(o)
	require.NoError(t, err)
	b.handler = api.New(b.logger, func(context.Context) error { return nil }, h)
	return b
}

// renew takes a bench that is used again back to where nothing was asked.
func (b *bench) renew(t *testing.T) {
	t.Helper()
	b.t, b.now = t, time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	b.platform.err, b.platform.codes, b.platform.scope = nil, nil, "write_payment_gateways,write_payment_sessions"
	_, err := b.Pool.Exec(t.Context(), `DELETE FROM install_states`)
	require.NoError(t, err)
}

// visit is a browser with a cookie, or none, that goes to a path.
func (b *bench) visit(path, cookie string, headers ...string) *httptest.ResponseRecorder {
	b.t.Helper()
	r := httptest.NewRequestWithContext(b.t.Context(), http.MethodGet, path, http.NoBody)
	if cookie != "" {
		r.AddCookie(&http.Cookie{Name: cookieName, Value: cookie})
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	b.handler.ServeHTTP(rec, r)
	return rec
}

// begin starts an installation and answers the state that went to Shopify and the cookie that stayed.
func (b *bench) begin() (state, cookie string) {
	b.t.Helper()
	rec := b.visit("/shopify/install?shop="+shop, "")
	require.Equal(b.t, http.StatusFound, rec.Code, rec.Body.String())
	u, err := url.Parse(rec.Header().Get("Location"))
	require.NoError(b.t, err)
	cookies := rec.Result().Cookies()
	require.Len(b.t, cookies, 1)
	return u.Query().Get("state"), cookies[0].Value
}

// signed is a query with its hmac, from values in normal form.
func signed(key, query string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(query))
	return query + "&hmac=" + hex.EncodeToString(mac.Sum(nil))
}

// back is the address with which Shopify sends the browser back.
func (b *bench) back(state string) string { return b.backFor(shop, state) }

func (b *bench) backFor(domain, state string) string {
	return "/shopify/callback?" + signed(secret, "code=c1&shop="+domain+"&state="+state+"&timestamp="+strconv.FormatInt(b.now.Unix(), 10))
}

// requireUntouched proves that nothing was installed.
func (b *bench) requireUntouched() {
	b.t.Helper()
	require.Zero(b.t, b.Count(b.t, `SELECT (SELECT count(*) FROM shops) + (SELECT count(*) FROM shop_tokens) + (SELECT count(*) FROM installations)`))
	require.NotContains(b.t, b.log.String(), "c1&")
}
