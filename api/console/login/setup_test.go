package login_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
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
	"tillflow/api/console/login"
	"tillflow/internal/access"
	"tillflow/internal/access/audit"
	"tillflow/internal/store"
	"tillflow/internal/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

const (
	password = "olive tractor bends slowly"
	public   = "http://console.example"
)

// house is a console of one page for each permission, over the real record.
type house struct {
	*store.Store
	t       *testing.T
	log     *bytes.Buffer
	handler http.Handler

	mu  sync.Mutex
	now time.Time
}

func (h *house) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *house) wait(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

func cost() access.Argon2 { return access.Argon2{MemoryKiB: 64, Passes: 1, Lanes: 1} }

// furnish builds a console; change makes its login another one.
func furnish(t *testing.T, change ...func(*house, *login.Options)) *house {
	t.Helper()
	h := &house{t: t, log: &bytes.Buffer{}, now: time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)}
	h.Store = storetest.Open(t, h.clock).Store
	o := login.Options{
		Users: h.Store, Sessions: h.Store, Audit: h.Store, Invitations: h.Store, Passwords: access.NewPasswords(cost(), 2), PublicURL: public,
		Base: "/console", Home: "/console/payments", Local: true, Now: h.clock, Log: zerolog.New(h.log),
	}
	for _, c := range change {
		c(h, &o)
	}
	guard, err := login.New(o)
	require.NoError(t, err)
	h.handler = api.New(zerolog.Nop(), h.Ping, guard, pages{guard})
	return h
}

// pages is a console behind the guard.
type pages struct{ guard *login.Handler }

func (p pages) Routes(e *echo.Echo) {
	show := func(c echo.Context) error {
		who := login.Viewer(c)
		return c.String(http.StatusOK, fmt.Sprintf("%s is %s, csrf=%s, may release: %t, wrote %q", who.Name, who.Role, who.CSRF, who.May(access.ReleaseMoney), c.FormValue("text")))
	}
	e.GET("/console/payments", show, p.guard.Require(access.SeePayments))
	e.POST("/console/payments/:id/retry", show, p.guard.Require(access.ActOnPayments))
	e.POST("/console/release", show, p.guard.Require(access.ReleaseMoney))
	e.GET("/console/users", show, p.guard.Require(access.ManageUsers))
	e.DELETE("/console/users", show, p.guard.Require(access.ManageUsers))
	e.GET("/open", show)
}

// person adds a local user with a second factor.
func (h *house) person(name string, role access.Role) access.TOTPKey {
	h.t.Helper()
	hash, err := access.NewPasswords(cost(), 1).Hash(h.t.Context(), password)
	require.NoError(h.t, err)
	key := access.NewTOTPKey()
	_, err = h.AddUser(h.t.Context(), audit.Actor{Name: "test"}, access.NewUser{Name: name, Role: role, Password: hash, TOTP: key})
	require.NoError(h.t, err)
	return key
}

// code is what an authenticator app shows now, written from RFC 4226 and not
// from our own code.
func (h *house) code(key access.TOTPKey) string {
	mac := hmac.New(sha1.New, key)
	_ = binary.Write(mac, binary.BigEndian, h.clock().Unix()/30) // a hash takes everything
	sum := mac.Sum(nil)
	at := sum[19] & 15
	return fmt.Sprintf("%06d", (binary.BigEndian.Uint32(sum[at:])&0x7fffffff)%1_000_000)
}

// browser keeps cookies and follows no redirect by itself.
type browser struct {
	h       *house
	jar     http.CookieJar
	base    *url.URL
	address string
	headers map[string]string
}

func (h *house) browser() *browser {
	h.t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(h.t, err)
	base, err := url.Parse(public)
	require.NoError(h.t, err)
	return &browser{h: h, jar: jar, base: base, address: "192.0.2.7:5555", headers: map[string]string{}}
}

// page is what a browser was answered.
type page struct {
	*httptest.ResponseRecorder
	t *testing.T
}

func (b *browser) do(method, path string, form url.Values) page {
	b.h.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r := httptest.NewRequestWithContext(b.h.t.Context(), method, b.base.String()+path, body)
	r.RemoteAddr = b.address
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range b.headers {
		r.Header.Set(name, value)
	}
	for _, c := range b.jar.Cookies(b.base) {
		r.AddCookie(c)
	}
	rec := httptest.NewRecorder()
	b.h.handler.ServeHTTP(rec, r)
	b.jar.SetCookies(b.base, rec.Result().Cookies())
	require.LessOrEqual(b.h.t, strings.Count(rec.Body.String(), "<html"), 1, "one page")
	return page{rec, b.h.t}
}

func (b *browser) get(path string) page { b.h.t.Helper(); return b.do(http.MethodGet, path, nil) }

func (b *browser) post(path string, form url.Values) page {
	b.h.t.Helper()
	return b.do(http.MethodPost, path, form)
}

func (b *browser) cookie(name string) string {
	for _, c := range b.jar.Cookies(b.base) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

var hidden = regexp.MustCompile(`<input type="hidden" name="([a-z]+)" value="([^"]*)">`)

// form reads the hidden fields of the page's first form.
func (p page) form() url.Values {
	p.t.Helper()
	fields := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(p.Body.String(), -1) {
		if !fields.Has(m[1]) {
			fields.Set(m[1], strings.NewReplacer("&amp;", "&", "&#43;", "+", "&#34;", `"`).Replace(m[2]))
		}
	}
	require.NotEmpty(p.t, fields.Get("csrf"), p.Body.String())
	return fields
}

func (p page) says(status int, texts ...string) page {
	p.t.Helper()
	require.Equal(p.t, status, p.Code, p.Body.String())
	for _, text := range texts {
		require.Contains(p.t, p.Body.String(), text)
	}
	return p
}

func (p page) leads(to string) {
	p.t.Helper()
	require.Equal(p.t, http.StatusSeeOther, p.Code, p.Body.String())
	require.Equal(p.t, to, p.Header().Get("Location"))
}

// password fills in the login's page.
func (b *browser) password(name, word string) page {
	b.h.t.Helper()
	form := b.get("/console/login").form()
	form.Set("name", name)
	form.Set("password", word)
	return b.post("/console/login", form)
}

// enter takes a person through the whole login.
func (b *browser) enter(name string, key access.TOTPKey) {
	b.h.t.Helper()
	b.password(name, password).leads("/console/login/totp?next=%2Fconsole%2Fpayments")
	form := b.get("/console/login/totp").form()
	form.Set("code", b.h.code(key))
	b.post("/console/login/totp", form).leads("/console/payments")
}

var csrf = regexp.MustCompile(`csrf=([A-Za-z0-9_-]+),`)

// token is what a page of the console puts into its forms.
func (b *browser) token() string {
	b.h.t.Helper()
	found := csrf.FindStringSubmatch(b.get("/console/payments").says(http.StatusOK).Body.String())
	require.Len(b.h.t, found, 2)
	return found[1]
}

// did lists the audit without what the tests themselves added, oldest first.
func (h *house) did() []string {
	h.t.Helper()
	list, err := h.ListAudit(h.t.Context(), store.AuditFilter{Limit: 500})
	require.NoError(h.t, err)
	var out []string
	for _, r := range list {
		if r.Entry.Actor.Name != "test" {
			out = append([]string{strings.TrimSpace(fmt.Sprintf("%s/%s %s %s", r.Entry.Actor.Name, r.Entry.Actor.Role, r.Entry.Action, r.Entry.Detail))}, out...)
		}
	}
	return out
}
