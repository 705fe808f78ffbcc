package install_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/api"
	"tillflow/api/install"
	"tillflow/internal/crypt"
	"tillflow/internal/shopify/app"
	core "tillflow/internal/shopify/install"
	"tillflow/internal/store"
)

const (
	shop        = "acme-dev.myshopify.com"
	secret      = "app-secret"
	urlVariable = "TILLFLOW_TEST_DATABASE_URL"
	cookieName  = "__Host-tillflow_install_payments"
)

// template is the migrated database that every test's is copied from.
var template = sync.OnceValues(func() (string, error) {
	name := "tillflow_install_template_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	ctx := context.Background()
	if err := run(ctx, "CREATE DATABASE "+name); err != nil {
		return "", err
	}
	s, err := store.Open(ctx, at(name), store.Options{Now: time.Now, Vault: crypt.NewVault(&crypt.Keyring{}), Log: zerolog.Nop()})
	if err != nil {
		return "", err
	}
	defer s.Close()
	return name, s.Migrate(ctx)
})

func TestMain(m *testing.M) {
	code := m.Run()
	if name, err := template(); err == nil {
		if err := run(context.Background(), "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	os.Exit(code)
}

// run does one statement as the server's administrator.
func run(ctx context.Context, statement string) error {
	if os.Getenv(urlVariable) == "" {
		return fmt.Errorf("set %s to an administrator's URL of a PostgreSQL 15 or later, or run `make test`, which starts one", urlVariable)
	}
	conn, err := pgx.Connect(ctx, os.Getenv(urlVariable))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}

// at is the address of a database.
func at(name string) string {
	u, err := url.Parse(os.Getenv(urlVariable))
	if err != nil {
		return ""
	}
	u.Path = "/" + name
	return u.String()
}

// database makes one for a test and answers its address.
func database(t *testing.T) string {
	t.Helper()
	source, err := template()
	require.NoError(t, err)
	name := "tillflow_install_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	require.NoError(t, run(t.Context(), "CREATE DATABASE "+name+" TEMPLATE "+source))
	t.Cleanup(func() {
		require.NoError(t, run(context.WithoutCancel(t.Context()), "DROP DATABASE "+name+" WITH (FORCE)"))
	})
	return at(name)
}

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
	*store.Store
	t        *testing.T
	pool     *pgxpool.Pool
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
	ring, err := crypt.ParseKeyring("k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
	require.NoError(t, err)
	address := database(t)
	b.Store, err = store.Open(t.Context(), address, store.Options{
		Now: func() time.Time { return b.now }, Vault: crypt.NewVault(ring), Log: zerolog.Nop(),
	})
	require.NoError(t, err)
	t.Cleanup(b.Close)
	b.pool, err = pgxpool.New(t.Context(), address)
	require.NoError(t, err)
	t.Cleanup(b.pool.Close)
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
	_, err := b.pool.Exec(t.Context(), `DELETE FROM install_states`)
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

func (b *bench) count(query string) int {
	b.t.Helper()
	var n int
	require.NoError(b.t, b.pool.QueryRow(b.t.Context(), query).Scan(&n))
	return n
}

// requireUntouched proves that nothing was installed.
func (b *bench) requireUntouched() {
	b.t.Helper()
	require.Zero(b.t, b.count(`SELECT (SELECT count(*) FROM shops) + (SELECT count(*) FROM shop_tokens) + (SELECT count(*) FROM installations)`))
	require.NotContains(b.t, b.log.String(), "c1&")
}
