package login_test

import (
	"bytes"
	"context"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/api"
	"tillflow/api/console/login"
	"tillflow/internal/access"
	"tillflow/internal/payment"
)

func proxied(_ *house, o *login.Options) {
	o.Proxies = []netip.Prefix{netip.MustParsePrefix("10.0.3.0/24"), netip.MustParsePrefix("2001:db8::/32")}
}

// inside is a browser of a person with a role.
func inside(t *testing.T, role access.Role, change ...func(*house, *login.Options)) (*house, *browser) {
	t.Helper()
	h := furnish(t, change...)
	b := h.browser()
	b.enter("ada", h.person("ada", role))
	return h, b
}

func TestRequire(t *testing.T) {
	t.Parallel()
	t.Run("without a session a page leads to the login and back", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		key := h.person("ada", access.Viewer)
		b := h.browser()
		to := b.get("/console/payments?state=captured&x=1").Header().Get("Location")
		require.Equal(t, "/console/login?next=%2Fconsole%2Fpayments%3Fstate%3Dcaptured%26x%3D1", to)
		form := b.get(to).form()
		form.Set("name", "ada")
		form.Set("password", password)
		to = b.post("/console/login", form).Header().Get("Location")
		form = b.get(to).form()
		form.Set("code", h.code(key))
		b.post("/console/login/totp", form).leads("/console/payments?state=captured&x=1")
	})
	t.Run("without a session nothing is done", func(t *testing.T) {
		t.Parallel()
		b := furnish(t).browser()
		b.post("/console/release", url.Values{}).says(http.StatusUnauthorized, "Nothing was done")
		b.do(http.MethodDelete, "/console/users", nil).says(http.StatusUnauthorized)
		b.headers["HX-Request"] = "true"
		p := b.get("/console/payments").says(http.StatusUnauthorized)
		require.Equal(t, "/console/login", p.Header().Get("HX-Redirect"), "a part of a page is not replaced by the login")
		for _, cookie := range []string{"", "x", access.NewToken().Reveal(), "' OR 1=1"} {
			b.headers["Cookie"] = "tillflow_session=" + cookie
			b.get("/console/payments").says(http.StatusUnauthorized)
		}
	})
	t.Run("each role does what it may, a wrong one gets 403 and is in the audit", func(t *testing.T) {
		t.Parallel()
		for role, denied := range map[access.Role][]string{
			access.Viewer: {
				"ada/viewer access.denied POST /console/payments/:id/retry", "ada/viewer access.denied POST /console/release",
				"ada/viewer access.denied GET /console/users",
			},
			access.Operator: {"ada/operator access.denied POST /console/release", "ada/operator access.denied GET /console/users"},
			access.Finance:  {"ada/finance access.denied GET /console/users"},
			access.Admin:    {"ada/admin access.denied POST /console/release"},
		} {
			h, b := inside(t, role)
			form := url.Values{"csrf": {b.token()}}
			answers := []page{b.post("/console/payments/a%40b/retry", form), b.post("/console/release", form), b.get("/console/users")}
			refused := 0
			for _, p := range answers {
				if p.Code == http.StatusForbidden {
					p.says(http.StatusForbidden, "Your role does not permit this", "ada ("+string(role)+")")
					refused++
					continue
				}
				p.says(http.StatusOK, "ada is "+string(role))
			}
			require.Len(t, denied, refused)
			require.Equal(t, denied, h.did()[2:])
		}
	})
	t.Run("a role that is taken away is gone at the next request, and so is a person", func(t *testing.T) {
		t.Parallel()
		h, b := inside(t, access.Admin)
		b.get("/console/users").says(http.StatusOK)
		require.NoError(t, h.SetRole(t.Context(), login.Person{Name: "test"}.Actor(), "ada", access.Viewer))
		b.get("/console/users").says(http.StatusForbidden)
		require.NoError(t, h.DisableUser(t.Context(), login.Person{Name: "test"}.Actor(), "ada", true))
		b.get("/console/payments").leads("/console/login?next=%2Fconsole%2Fpayments")
	})
	t.Run("a session that nobody uses ends, and all end at last", func(t *testing.T) {
		t.Parallel()
		h, b := inside(t, access.Viewer)
		h.wait(29 * time.Minute)
		b.get("/console/payments").says(http.StatusOK)
		h.wait(30 * time.Minute)
		b.get("/console/payments").leads("/console/login?next=%2Fconsole%2Fpayments")
	})
	t.Run("where nothing is required nobody is known", func(t *testing.T) {
		t.Parallel()
		_, b := inside(t, access.Finance)
		b.get("/open").says(http.StatusOK, " is , csrf=, may release: false")
		require.Equal(t, "same-origin", b.get("/console/payments").Header().Get("Referrer-Policy"), "or browsers hide where our forms come from")
		require.Equal(t, "no-referrer", b.get("/open").Header().Get("Referrer-Policy"))
	})
}

func TestForms(t *testing.T) {
	t.Parallel()
	const path = "/console/payments/1/retry"
	t.Run("a form without the session's token is 403 and nothing is done", func(t *testing.T) {
		t.Parallel()
		h, b := inside(t, access.Operator)
		token := b.token()
		for name, form := range map[string]url.Values{
			"none": {"text": {"x"}}, "an empty one": {"csrf": {""}}, "another session's": {"csrf": {access.NewToken().CSRF()}},
			"the cookie itself": {"csrf": {b.cookie("tillflow_session")}}, "one too long": {"csrf": {token + "A"}},
		} {
			b.post(path, form).says(http.StatusForbidden, "This form is not valid any more")
			require.NotContains(t, h.did(), path, name)
		}
		b.post(path+"?csrf="+token, url.Values{"text": {"x"}}).says(http.StatusForbidden)
		b.do(http.MethodDelete, "/console/users", nil).says(http.StatusForbidden, "This form is not valid")
		require.Len(t, h.did(), 2, "another site's forms do not fill the audit")
		b.post(path, url.Values{"csrf": {token}, "text": {"x"}}).says(http.StatusOK, `wrote "x"`)
	})
	t.Run("the token of before the login does not serve after it", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		key := h.person("ada", access.Operator)
		b := h.browser()
		before := b.get("/console/login").form().Get("csrf")
		b.enter("ada", key)
		b.post(path, url.Values{"csrf": {before}}).says(http.StatusForbidden)
	})
	t.Run("the token may come as a header", func(t *testing.T) {
		t.Parallel()
		_, b := inside(t, access.Admin)
		b.headers["X-CSRF-Token"] = b.token()
		b.do(http.MethodDelete, "/console/users", nil).says(http.StatusOK)
		b.headers["X-CSRF-Token"] = "x"
		b.do(http.MethodDelete, "/console/users", nil).says(http.StatusForbidden)
	})
	t.Run("what a browser says to come from another site is 403, even with the token", func(t *testing.T) {
		t.Parallel()
		for name, headers := range map[string]map[string]string{
			"another site":    {"Sec-Fetch-Site": "cross-site"},
			"a sister host":   {"Sec-Fetch-Site": "same-site"},
			"another origin":  {"Origin": "https://evil.example"},
			"a hidden origin": {"Origin": "null"},
		} {
			_, b := inside(t, access.Operator)
			form := url.Values{"csrf": {b.token()}}
			b.headers = headers
			require.Equal(t, http.StatusForbidden, b.post(path, form).Code, name)
			b.headers = map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": public}
			b.post(path, form).says(http.StatusOK)
		}
	})
	t.Run("the login's own forms need their token too, against signing people in as somebody else", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		h.person("ada", access.Viewer)
		form := url.Values{"name": {"ada"}, "password": {password}}
		b := h.browser()
		b.post("/console/login", form).says(http.StatusForbidden)
		form.Set("csrf", h.browser().get("/console/login").form().Get("csrf"))
		b.get("/console/login")
		b.post("/console/login", form).says(http.StatusForbidden)
		own := url.Values{"csrf": {b.get("/console/login").form().Get("csrf")}}
		b.post("/console/login?name=ada&password="+url.QueryEscape(password), own).says(http.StatusUnauthorized)
		b.password("ada", password)
		form = url.Values{"csrf": {"x"}, "code": {"000000"}}
		b.post("/console/login/totp", form).says(http.StatusForbidden)
	})
	t.Run("a body over the limit is 413", func(t *testing.T) {
		t.Parallel()
		_, b := inside(t, access.Operator, func(_ *house, o *login.Options) { o.MaxForm = 1000 })
		form := url.Values{"csrf": {b.token()}, "text": {strings.Repeat("a", 900)}}
		b.post(path, form).says(http.StatusOK)
		form.Set("text", strings.Repeat("a", 1000))
		b.post(path, form).says(http.StatusRequestEntityTooLarge)
	})
	t.Run("a long body that does not say so is cut off", func(t *testing.T) {
		t.Parallel()
		h, b := inside(t, access.Operator, func(_ *house, o *login.Options) { o.MaxForm = 1000 })
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, public+path, strings.NewReader("csrf="+b.token()+"&text="+strings.Repeat("a", 2000)))
		r.ContentLength = -1
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.AddCookie(&http.Cookie{Name: "tillflow_session", Value: b.cookie("tillflow_session")})
		rec := httptest.NewRecorder()
		h.handler.ServeHTTP(rec, r)
		require.Equal(t, http.StatusRequestEntityTooLarge, rec.Code)
	})
	t.Run("a form with files is read as well, one that is broken is 403", func(t *testing.T) {
		t.Parallel()
		h, b := inside(t, access.Operator)
		var body bytes.Buffer
		w := multipart.NewWriter(&body)
		require.NoError(t, w.WriteField("csrf", b.token()))
		require.NoError(t, w.WriteField("text", "by parts"))
		require.NoError(t, w.Close())
		for kind, status := range map[string]int{w.FormDataContentType(): http.StatusOK, "multipart/form-data": http.StatusForbidden, "multipart/form-data; boundary=x": http.StatusForbidden} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, public+path, bytes.NewReader(body.Bytes()))
			r.Header.Set("Content-Type", kind)
			r.AddCookie(&http.Cookie{Name: "tillflow_session", Value: b.cookie("tillflow_session")})
			rec := httptest.NewRecorder()
			h.handler.ServeHTTP(rec, r)
			require.Equal(t, status, rec.Code, kind)
		}
	})
}

func TestNext(t *testing.T) {
	t.Parallel()
	b := furnish(t).browser()
	for asked, want := range map[string]string{
		"/console/payments/7?x=1":               "/console/payments/7?x=1",
		"":                                      "/console/payments",
		"https://evil.example/console/":         "/console/payments",
		"//evil.example/console/":               "/console/payments",
		"/console/\\evil.example":               "/console/payments",
		"/\\evil.example":                       "/console/payments",
		"/console/../../x\r\nSet-Cookie: a=b":   "/console/payments",
		"javascript:alert(1)":                   "/console/payments",
		"/pay/token":                            "/console/payments",
		"/consolee":                             "/console/payments",
		"/console/login":                        "/console/payments",
		"/console/login/totp":                   "/console/payments",
		"/console/" + strings.Repeat("a", 1000): "/console/payments",
		"/console/%zz":                          "/console/payments",
	} {
		form := b.get("/console/login?next=" + url.QueryEscape(asked)).form()
		require.Equal(t, want, form.Get("next"), asked)
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	t.Run("no page needs a script, and none has one", func(t *testing.T) {
		t.Parallel()
		h, b := inside(t, access.Viewer)
		other := h.browser()
		other.password("ada", password)
		for _, p := range []page{
			h.browser().get("/console/login"), h.browser().password("ada", "x"), other.get("/console/login/totp"), b.get("/console/users"),
			b.post("/console/release", url.Values{}),
		} {
			body := p.Body.String()
			require.Equal(t, "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'", p.Header().Get("Content-Security-Policy"))
			require.Equal(t, "no-store", p.Header().Get("Cache-Control"))
			require.Equal(t, "same-origin", p.Header().Get("Referrer-Policy"))
			require.Contains(t, body, `<html lang="en">`)
			require.Contains(t, body, `<h1>`)
			require.NotContains(t, body, "<script")
			require.NotContains(t, body, "style=")
			require.NotRegexp(t, `\son[a-z]+=`, body)
			require.NotContains(t, body, password)
			for _, id := range []string{"name", "password", "code"} {
				require.Equal(t, strings.Contains(body, ` id="`+id+`"`), strings.Contains(body, ` for="`+id+`"`), "each field has its label")
			}
		}
		style := b.get("/console/login/login.css").says(http.StatusOK, "prefers-color-scheme: dark")
		require.Equal(t, "text/css; charset=utf-8", style.Header().Get("Content-Type"))
	})
	t.Run("what was typed is shown as text", func(t *testing.T) {
		t.Parallel()
		p := furnish(t).browser().password(`"><script>alert(1)</script>`, "x").says(http.StatusUnauthorized)
		require.NotContains(t, p.Body.String(), "<script")
	})
	t.Run("cookies are for this host, for no script and no other site; over TLS for nothing else", func(t *testing.T) {
		t.Parallel()
		for address, want := range map[string]string{
			"http://console.example":          "tillflow_login=…; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax",
			"https://console.example:8443/x/": "__Host-tillflow_login=…; Path=/; Max-Age=86400; HttpOnly; Secure; SameSite=Lax",
		} {
			h := furnish(t, func(_ *house, o *login.Options) { o.PublicURL = address })
			set := h.browser().get("/console/login").Header().Get("Set-Cookie")
			name, rest, _ := strings.Cut(set, "=")
			value, rest, _ := strings.Cut(rest, ";")
			require.Len(t, value, 43)
			require.Equal(t, want, name+"=…;"+rest)
		}
	})
	t.Run("the session's cookie ends with the browser", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		h.person("ada", access.Viewer)
		set := h.browser().password("ada", password).Header().Values("Set-Cookie")
		require.Regexp(t, `^tillflow_session=[A-Za-z0-9_-]{43}; Path=/; HttpOnly; SameSite=Lax$`, set[0])
	})
}

func TestNew(t *testing.T) {
	t.Parallel()
	good := func() login.Options {
		return login.Options{
			Users: broken{}, Sessions: broken{}, Audit: broken{}, Invitations: broken{}, Passwords: access.NewPasswords(cost(), 1), PublicURL: "https://console.example",
			Local: true, Now: time.Now, Log: zerolog.Nop(),
		}
	}
	_, err := login.New(good())
	require.NoError(t, err)
	for rule, tc := range map[string]struct {
		change func(*login.Options)
		says   string
	}{
		"without the record":                {func(o *login.Options) { o.Users = nil }, "required"},
		"without a clock":                   {func(o *login.Options) { o.Now = nil }, "required"},
		"without an address":                {func(o *login.Options) { o.PublicURL = "console" }, "absolute URL"},
		"with an address of another scheme": {func(o *login.Options) { o.PublicURL = "ftp://console" }, "absolute URL"},
		"without a way in":                  {func(o *login.Options) { o.Local = false }, "nobody could come in"},
		"with the development login for the world": {
			func(o *login.Options) { o.Dev, o.PublicURL = true, "http://192.0.2.1" }, "not this machine alone",
		},
		"with half an identity provider": {func(o *login.Options) { o.OIDC = &login.OIDC{Issuer: "https://id.example"} }, "OIDC needs"},
	} {
		t.Run(rule+" there is no login", func(t *testing.T) {
			t.Parallel()
			o := good()
			tc.change(&o)
			_, err := login.New(o)
			require.ErrorContains(t, err, tc.says)
		})
	}
	for _, host := range []string{"http://localhost:7410", "http://127.0.0.1:7410", "http://[::1]:7410"} {
		o := good()
		o.Dev, o.PublicURL = true, host
		_, err := login.New(o)
		require.NoError(t, err, host)
	}
}

func TestTrouble(t *testing.T) {
	t.Parallel()
	guard, err := login.New(login.Options{
		Users: broken{}, Sessions: broken{}, Audit: broken{}, Invitations: broken{}, Passwords: access.NewPasswords(cost(), 1), PublicURL: public,
		Base: "/console", Local: true, Now: time.Now, Log: zerolog.Nop(),
	})
	require.NoError(t, err)
	h := &house{t: t, handler: api.New(zerolog.Nop(), func(context.Context) error { return nil }, guard, pages{guard})}
	b := h.browser()
	b.headers["Cookie"] = "tillflow_session=" + access.NewToken().Reveal()
	for _, path := range []string{"/console/payments", "/console/login", "/console/login/totp"} {
		p := b.get(path).says(http.StatusServiceUnavailable, "Please try again in a moment")
		require.NotContains(t, p.Body.String(), "canary")
	}
	b.post("/console/release", url.Values{}).says(http.StatusServiceUnavailable)
	b.post("/console/logout", url.Values{}).says(http.StatusServiceUnavailable)
	t.Run("nobody comes in meanwhile", func(t *testing.T) {
		t.Parallel()
		b := h.browser()
		b.password("ada", password).says(http.StatusServiceUnavailable)
		require.Empty(t, b.cookie("tillflow_session"))
	})
}

// broken is a record that is out of reach.
type broken struct {
	login.Users
	login.Sessions
	login.Audit
	login.Invitations
}

var errAway = &payment.Error{Class: payment.Unavailable, Message: "canary"}

func (broken) Session(context.Context, []byte, access.Lifetimes) (access.Session, error) {
	return access.Session{}, errAway
}

func (broken) AdmitLogin(context.Context, access.Try, access.Throttle) (time.Duration, error) {
	return 0, errAway
}
