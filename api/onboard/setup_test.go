package onboard_test

import (
	"bytes"
	"context"
	"html"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/api"
	"tillflow/api/onboard"
	"tillflow/api/pay"
	"tillflow/internal/access/audit"
	core "tillflow/internal/onboard"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
	"tillflow/internal/psp/sandbox"
	"tillflow/internal/shopify/app"
	"tillflow/internal/shopify/install"
	"tillflow/internal/store"
	"tillflow/internal/store/storetest"
)

const (
	acme       = "acme.myshopify.com"
	other      = "other.myshopify.com"
	public     = "https://pay.example.com"
	cookieName = "__Host-tillflow_merchant"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

// bank is a provider that answers a verification as the test says.
type bank struct {
	mu    sync.Mutex
	says  error
	asked []psp.Account
}

func (*bank) Name() string           { return "bank" }
func (*bank) Contract() psp.Contract { return psp.Contract{} }

func (*bank) Inquire(context.Context, psp.Account, psp.Ref) (psp.Outcome, error) {
	return psp.Outcome{}, payment.Errorf(payment.NotFound, "nothing is here")
}

func (b *bank) VerifyAccount(_ context.Context, acc psp.Account) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = append(b.asked, acc)
	return b.says
}

func (*bank) Form() psp.Form {
	return psp.Form{Title: "Bank", Live: true, Test: true, Events: []string{"paid", "refused"}, Fields: []psp.Field{
		{Name: "merchant", Label: "Merchant number", Max: 20},
		{Name: "secret", Label: "Secret", Secret: true, Max: 100},
		{Name: "extra", Label: "Extra", Secret: true, Optional: true, Max: 100},
	}}
}

func (b *bank) answer(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.says = err
}

func (b *bank) calls() []psp.Account {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]psp.Account(nil), b.asked...)
}

// bench is the pages over the real record.
type bench struct {
	*store.Store
	t       *testing.T
	bank    *bank
	mu      sync.Mutex
	now     time.Time
	told    []string
	tellErr error
	log     *bytes.Buffer
	pages   *onboard.Handler
	handler http.Handler
}

func (b *bench) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *bench) pass(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

func setup(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, bank: &bank{}, now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), log: &bytes.Buffer{}}
	log := zerolog.New(b.log)
	b.Store = storetest.Open(t, b.clock, func(o *store.Options) { o.Log = log }).Store
	b.install(acme)
	b.install(other)
	providers, err := psp.NewRegistry(b.bank, sandbox.New(sandbox.Options{Books: b.Store, PublicURL: public, Now: b.clock}))
	require.NoError(t, err)
	b.pages, err = onboard.New(onboard.Options{
		App: install.App{
			Name: app.Payments, ClientID: "key-1", Secrets: []app.Secret{"hush"}, Scopes: []string{"write_payment_sessions"},
			RedirectURL: public + "/shopify/callback",
		},
		Records: b.Store, Desk: &core.Desk{Records: b.Store, Providers: providers}, PublicURL: public, Now: b.clock, Log: log,
		Tell: func(_ context.Context, shop string) error {
			b.told = append(b.told, shop)
			return b.tellErr
		},
	})
	require.NoError(t, err)
	b.handler = api.New(log, func(context.Context) error { return nil }, b.pages, &pay.Brands{Logos: b.Store, Log: log})
	return b
}

func (b *bench) install(shop string) {
	b.t.Helper()
	require.NoError(b.t, b.PutInstall(b.t.Context(), app.Grant{
		App: app.Payments, Shop: shop, AuthorizedAt: b.clock(), Tokens: app.Tokens{Access: "at", Refresh: "rt", AccessExpiresAt: b.clock().Add(time.Hour)},
	}))
}

// merchant is a browser with a session.
type merchant struct {
	*bench
	cookie *http.Cookie
	csrf   string
}

// lands begins a session as a finished installation does.
func (b *bench) lands(shop string) merchant {
	b.t.Helper()
	rec := httptest.NewRecorder()
	c := echo.New().NewContext(httptest.NewRequest(http.MethodGet, public+"/shopify/callback", http.NoBody), rec)
	require.NoError(b.t, b.pages.Landed(c, shop))
	require.Equal(b.t, http.StatusSeeOther, rec.Code)
	require.Equal(b.t, "/settings", rec.Header().Get("Location"))
	cookies := rec.Result().Cookies()
	require.Len(b.t, cookies, 1)
	m := merchant{bench: b, cookie: cookies[0]}
	m.csrf = csrfField.FindStringSubmatch(m.get("/settings").body)[1]
	return m
}

var csrfField = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

// reply is a page as it came.
type reply struct {
	status int
	header http.Header
	body   string
}

// text is the page without markup, in single spaces.
func (r reply) text() string {
	return strings.Join(strings.Fields(html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(r.body, " "))), " ")
}

func (m merchant) send(r *http.Request) reply {
	m.t.Helper()
	if m.cookie != nil {
		r.AddCookie(m.cookie)
	}
	rec := httptest.NewRecorder()
	m.handler.ServeHTTP(rec, r)
	body, err := io.ReadAll(rec.Body)
	require.NoError(m.t, err)
	return reply{rec.Code, rec.Header(), string(body)}
}

func (m merchant) get(path string) reply {
	m.t.Helper()
	return m.send(httptest.NewRequest(http.MethodGet, public+path, http.NoBody))
}

// post sends a form of ours: pairs of names and values.
func (m merchant) post(path string, pairs ...string) reply {
	m.t.Helper()
	form := url.Values{"csrf": {m.csrf}}
	for i := 0; i < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	r := httptest.NewRequest(http.MethodPost, public+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return m.send(r)
}

// upload sends the form that has a file.
func (m merchant) upload(file []byte, pairs ...string) reply {
	m.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	require.NoError(m.t, w.WriteField("csrf", m.csrf))
	for i := 0; i < len(pairs); i += 2 {
		require.NoError(m.t, w.WriteField(pairs[i], pairs[i+1]))
	}
	part, err := w.CreateFormFile("logo", "logo.png")
	require.NoError(m.t, err)
	_, err = part.Write(file)
	require.NoError(m.t, err)
	require.NoError(m.t, w.Close())
	r := httptest.NewRequest(http.MethodPost, public+"/settings/shop", &body)
	r.Header.Set("Content-Type", w.FormDataContentType())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return m.send(r)
}

// connects adds an account of the bank and answers its id.
func (m merchant) connects(label, mode string) string {
	m.t.Helper()
	id := idField.FindStringSubmatch(m.get("/settings/accounts/new?provider=bank").body)[1]
	got := m.post("/settings/accounts/new", "provider", "bank", "id", id, "mode", mode, "label", label, "c_merchant", "4711", "c_secret", "canary-secret-of-the-bank-1234")
	require.Equal(m.t, http.StatusSeeOther, got.status, got.text())
	return id
}

var idField = regexp.MustCompile(`name="id" value="([^"]+)"`)

// trail lists what was noted, the newest first.
func (b *bench) trail() []audit.Entry {
	b.t.Helper()
	list, err := b.ListAudit(b.t.Context(), store.AuditFilter{})
	require.NoError(b.t, err)
	out := make([]audit.Entry, len(list))
	for i, r := range list {
		out[i] = r.Entry
	}
	return out
}

func (b *bench) accounts(shop string) []payment.ProviderAccount {
	b.t.Helper()
	list, err := b.ProviderAccounts(b.t.Context(), shop)
	require.NoError(b.t, err)
	return list
}
