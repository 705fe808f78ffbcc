package install_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"tillflow/api"
	"tillflow/api/install"
	"tillflow/internal/payment"
	"tillflow/internal/shopify/app"
	"tillflow/internal/store/storetest"
)

func TestInstall(t *testing.T) {
	t.Parallel()
	t.Run("a merchant goes to Shopify and comes back with the app installed", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		rec := b.visit("/shopify/install?shop="+shop, "")
		require.Equal(t, http.StatusFound, rec.Code)
		u, err := url.Parse(rec.Header().Get("Location"))
		require.NoError(t, err)
		require.Equal(t, "https://"+shop+"/admin/oauth/authorize", u.Scheme+"://"+u.Host+u.Path)
		require.Equal(t, "https://pay.example.com/shopify/callback", u.Query().Get("redirect_uri"))
		require.Len(t, u.Query().Get("state"), 43, "256 bits")
		cookie := rec.Result().Cookies()[0]
		require.Equal(t, cookieName, cookie.Name)
		require.True(t, cookie.Secure && cookie.HttpOnly && cookie.SameSite == http.SameSiteLaxMode && cookie.Path == "/" && cookie.Domain == "")
		require.NotContains(t, u.String(), cookie.Value)

		rec = b.visit(b.back(u.Query().Get("state")), cookie.Value)
		require.Equal(t, http.StatusOK, rec.Code, rec.Body.String())
		require.Contains(t, rec.Body.String(), "https://"+shop+"/services/payments_partners/gateways/key-1/settings")
		require.Contains(t, rec.Header().Get("Content-Security-Policy"), "default-src 'none'")
		require.Equal(t, "no-store", rec.Header().Get("Cache-Control"))
		token, err := b.Token(t.Context(), shop, nil)
		require.NoError(t, err)
		require.Equal(t, "at-1", token)
		found, err := b.Installation(t.Context(), app.Payments, shop)
		require.NoError(t, err)
		require.Equal(t, []string{"write_payment_gateways", "write_payment_sessions"}, found.Scopes)
		require.Equal(t, b.now, found.AuthorizedAt)
		for _, hidden := range []string{secret, "at-1", "rt-canary", cookie.Value, u.Query().Get("state"), "code=", "c1"} {
			require.NotContains(t, b.log.String(), hidden)
		}
	})
	t.Run("who takes up the merchant after the installation answers", func(t *testing.T) {
		t.Parallel()
		b := setup(t, func(b *bench, o *install.Options) {
			o.Landed = func(c echo.Context, shop string) error {
				b.landed = append(b.landed, shop)
				return c.Redirect(http.StatusSeeOther, "/console/setup")
			}
		})
		state, cookie := b.begin()
		rec := b.visit(b.back(state), cookie)
		require.Equal(t, http.StatusSeeOther, rec.Code)
		require.Equal(t, []string{shop}, b.landed)
	})
	t.Run("two tabs of one browser can both finish", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		first, cookie := b.begin()
		rec := b.visit("/shopify/install?shop="+shop, cookie)
		u, err := url.Parse(rec.Header().Get("Location"))
		require.NoError(t, err)
		require.Equal(t, cookie, rec.Result().Cookies()[0].Value)
		require.Equal(t, http.StatusOK, b.visit(b.back(first), cookie).Code)
		require.Equal(t, http.StatusOK, b.visit(b.back(u.Query().Get("state")), cookie).Code)
	})
	t.Run("a cookie that is none of ours is replaced, and the style is served", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		rec := b.visit("/shopify/install?shop="+shop, "guess")
		require.NotEqual(t, "guess", rec.Result().Cookies()[0].Value)
		rec = b.visit("/shopify/install.css", "")
		require.Equal(t, http.StatusOK, rec.Code)
		require.Contains(t, rec.Header().Get("Content-Type"), "text/css")
	})
	t.Run("uninstalled and installed again the shop has new tokens", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		state, cookie := b.begin()
		require.Equal(t, http.StatusOK, b.visit(b.back(state), cookie).Code)
		b.now = b.now.Add(time.Minute)
		done, err := b.Uninstall(t.Context(), app.Payments, shop, b.now)
		require.NoError(t, err)
		require.True(t, done)
		b.now = b.now.Add(time.Minute)
		state, cookie = b.begin()
		require.Equal(t, http.StatusOK, b.visit(b.back(state), cookie).Code)
		token, err := b.Token(t.Context(), shop, nil)
		require.NoError(t, err)
		require.Equal(t, "at-2", token)
	})
	t.Run("of twenty callbacks with one state one installs", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		state, cookie := b.begin()
		var wait sync.WaitGroup
		codes := make([]int, 20)
		for i := range codes {
			wait.Go(func() { codes[i] = b.visit(b.back(state), cookie).Code })
		}
		wait.Wait()
		good := 0
		for _, code := range codes {
			if code == http.StatusOK {
				good++
				continue
			}
			require.Equal(t, http.StatusForbidden, code)
		}
		require.Equal(t, 1, good)
		require.Len(t, b.platform.codes, 1)
	})
}

func TestRefusedBegin(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, tc := range map[string]struct {
		query  string
		status int
	}{
		"no shop":                 {"", 400},
		"a shop elsewhere":        {"shop=evil.example", 400},
		"two shops":               {"shop=" + shop + "&shop=b.myshopify.com", 400},
		"a shop inside a value":   {"a=1%26shop%3D" + shop, 400},
		"a broken escape":         {"shop=" + shop + "&x=%z", 400},
		"a signature not ours":    {signed("other", "shop="+shop+"&timestamp=1795176000"), 401},
		"a signature of last day": {signed(secret, "shop="+shop+"&timestamp=1"), 401},
	} {
		t.Run(name+" is a page that says what to do, and begins nothing", func(t *testing.T) {
			rec := b.visit("/shopify/install?"+tc.query, "")
			require.Equal(t, tc.status, rec.Code)
			require.Contains(t, rec.Header().Get("Content-Type"), "text/html")
			require.Contains(t, rec.Body.String(), `role="alert"`)
			require.Contains(t, rec.Body.String(), "start")
			require.Empty(t, rec.Header().Get("Set-Cookie"))
			require.Empty(t, rec.Header().Get("Location"))
			require.Zero(t, b.Count(t, `SELECT count(*) FROM install_states`))
		})
	}
	b.requireUntouched()
}

func TestRefusedCallback(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, tc := range map[string]struct {
		path   func(b *bench, state string) string
		cookie func(cookie string) string
		status int
		fault  string
		spent  bool
	}{
		"no query": {path: func(*bench, string) string { return "/shopify/callback" }, status: 401, fault: "bad_signature"},
		"a signature of another secret": {path: func(b *bench, state string) string {
			return "/shopify/callback?" + signed("other", "code=c1&shop="+shop+"&state="+state+"&timestamp=1795176000")
		}, status: 401, fault: "bad_signature"},
		"another shop in the same query": {path: func(b *bench, state string) string {
			return strings.Replace(b.back(state), shop, "evil.myshopify.com", 1)
		}, status: 401, fault: "bad_signature"},
		"parameters smuggled into one value": {path: func(b *bench, state string) string {
			return strings.Replace(b.back(state), "&shop="+shop, "%26shop%3D"+shop+"&shop=evil.myshopify.com", 1)
		}, status: 401, fault: "bad_signature"},
		"a parameter that is there twice": {path: func(b *bench, state string) string {
			return b.back(state) + "&shop=evil.myshopify.com"
		}, status: 400, fault: "malformed_request"},
		"a query that is too old": {path: func(b *bench, state string) string {
			path := b.back(state)
			b.now = b.now.Add(91 * time.Second)
			return path
		}, status: 401, fault: "stale_request"},
		"a shop that is none, signed": {path: func(b *bench, state string) string {
			return b.backFor("shop.example", state)
		}, status: 400, fault: "not_a_shop"},
		"a state that nobody gave out": {path: func(b *bench, _ string) string {
			return b.back("made-up")
		}, status: 403, fault: "unknown_state"},
		"another browser":        {cookie: func(string) string { return strings.Repeat("x", 43) }, status: 403, fault: "other_browser"},
		"a browser without it":   {cookie: func(string) string { return "" }, status: 403, fault: "other_browser"},
		"a state of other shops": {path: func(b *bench, state string) string { return b.backFor("b.myshopify.com", state) }, status: 403, fault: "other_shop"},
		"a merchant who came too late": {path: func(b *bench, state string) string {
			b.now = b.now.Add(10 * time.Minute)
			return b.back(state)
		}, status: 403, fault: "expired_state"},
		"a code that Shopify does not know": {path: func(b *bench, state string) string {
			b.platform.err = payment.Errorf(payment.Invalid, "shopify answered status 400")
			return b.back(state)
		}, status: 401, fault: "code_refused", spent: true},
		"credentials that Shopify does not know": {path: func(b *bench, state string) string {
			b.platform.err = &payment.Error{Class: payment.Unauthorized, Code: "invalid_client", Message: "no"}
			return b.back(state)
		}, status: 401, fault: "app_refused", spent: true},
		"a Shopify that does not answer": {path: func(b *bench, state string) string {
			b.platform.err = payment.Errorf(payment.Unavailable, "no answer")
			return b.back(state)
		}, status: 503, fault: "unreachable", spent: true},
		"fewer scopes than the app needs": {path: func(b *bench, state string) string {
			b.platform.scope = "write_payment_sessions"
			return b.back(state)
		}, status: 403, fault: "scope_missing", spent: true},
	} {
		t.Run(name+" is refused, and nothing is installed", func(t *testing.T) {
			b.renew(t)
			state, cookie := b.begin()
			path := b.back(state)
			if tc.path != nil {
				path = tc.path(b, state)
			}
			if tc.cookie != nil {
				cookie = tc.cookie(cookie)
			}
			rec := b.visit(path, cookie)
			require.Equal(t, tc.status, rec.Code, rec.Body.String())
			require.Contains(t, rec.Header().Get("Content-Type"), "text/html")
			require.Contains(t, rec.Body.String(), tc.fault)
			require.Contains(t, rec.Body.String(), rec.Header().Get(echo.HeaderXRequestID))
			require.NotContains(t, rec.Body.String(), "evil")
			b.requireUntouched()
			if !tc.spent {
				require.Empty(t, b.platform.codes, "the code was not tried")
				require.Zero(t, b.Count(t, `SELECT count(*) FROM install_states WHERE used_at IS NOT NULL`))
			}
		})
	}
	t.Run("programs get problem JSON", func(t *testing.T) {
		rec := b.visit("/shopify/callback", "", "Accept", "application/json")
		require.Equal(t, http.StatusUnauthorized, rec.Code)
		require.Equal(t, "application/problem+json", rec.Header().Get("Content-Type"))
		var p api.Problem
		require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &p))
		require.Equal(t, "bad_signature", p.Code)
		require.NotEmpty(t, p.Message)
	})
	t.Run("a callback that is repeated is refused and changes nothing", func(t *testing.T) {
		b.renew(t)
		state, cookie := b.begin()
		path := b.back(state)
		require.Equal(t, http.StatusOK, b.visit(path, cookie).Code)
		rec := b.visit(path, cookie)
		require.Equal(t, http.StatusForbidden, rec.Code)
		require.Contains(t, rec.Body.String(), "spent_state")
		require.Len(t, b.platform.codes, 1)
	})
}

// absent is a record that cannot be reached.
type absent struct{ err error }

func (a absent) BeginInstall(context.Context, app.Start) error { return a.err }

func (a absent) TakeInstall(context.Context, app.Start) (app.Verdict, error) { return "", a.err }

func (a absent) PutInstall(context.Context, app.Grant) error { return a.err }

// forgetful fails where the tokens would be stored.
type forgetful struct{ install.Installs }

func (forgetful) PutInstall(context.Context, app.Grant) error {
	return payment.Errorf(payment.Unavailable, "the database cannot serve it now")
}

func TestRecordInTrouble(t *testing.T) {
	t.Parallel()
	b := setup(t, func(_ *bench, o *install.Options) { o.Installs = absent{errors.New("away")} })
	require.Equal(t, http.StatusServiceUnavailable, b.visit("/shopify/install?shop="+shop, "").Code)
	require.Equal(t, http.StatusServiceUnavailable, b.visit(b.back("s1"), "x").Code)
	require.Contains(t, b.log.String(), "away")
	b = setup(t, func(_ *bench, o *install.Options) {
		o.Installs = absent{payment.Errorf(payment.Bug, "broken")}
	})
	require.Equal(t, http.StatusInternalServerError, b.visit("/shopify/install?shop="+shop, "").Code)
	b = setup(t, func(b *bench, o *install.Options) { o.Installs = forgetful{b.Store} })
	state, cookie := b.begin()
	rec := b.visit(b.back(state), cookie)
	require.Equal(t, http.StatusServiceUnavailable, rec.Code)
	require.Contains(t, rec.Body.String(), "Wait a minute")
	b.requireUntouched()
}

func TestSecondApp(t *testing.T) {
	t.Parallel()
	b := setup(t, func(b *bench, o *install.Options) {
		o.App.Name, o.App.Scopes, o.App.RedirectURL, o.Path = app.Admin, []string{"read_orders"}, "http://127.0.0.1:7401/shopify/admin/callback", "/shopify/admin"
		b.platform.scope = "write_orders"
	})
	rec := b.visit("/shopify/admin/install?shop="+shop, "")
	require.Equal(t, http.StatusFound, rec.Code)
	cookie := rec.Result().Cookies()[0]
	require.Equal(t, "tillflow_install_admin", cookie.Name)
	require.False(t, cookie.Secure, "development has no TLS")
	u, err := url.Parse(rec.Header().Get("Location"))
	require.NoError(t, err)
	back := strings.Replace(b.back(u.Query().Get("state")), "/shopify/", "/shopify/admin/", 1)
	rec = b.visit(back, "", "Cookie", cookie.Name+"="+cookie.Value)
	require.Equal(t, http.StatusOK, rec.Code, rec.Body.String())
	require.NotContains(t, rec.Body.String(), "payments_partners")
	token, err := b.AppToken(t.Context(), app.Admin, shop, nil)
	require.NoError(t, err)
	require.Equal(t, "at-1", token)
	_, err = b.Token(t.Context(), shop, nil)
	require.Equal(t, payment.NotFound, payment.ClassOf(err, payment.Unknown))
}

func TestNew(t *testing.T) {
	t.Parallel()
	good := options(&bench{Record: &storetest.Record{}, platform: &platform{}})
	good.Installs = absent{}
	_, err := install.New(good)
	require.NoError(t, err)
	for name, change := range map[string]func(*install.Options){
		"no platform":          func(o *install.Options) { o.Platform = nil },
		"no record":            func(o *install.Options) { o.Installs = nil },
		"no clock":             func(o *install.Options) { o.Now = nil },
		"a relative path":      func(o *install.Options) { o.Path = "shopify" },
		"another callback":     func(o *install.Options) { o.App.RedirectURL = "https://pay.example.com/other" },
		"an app without a key": func(o *install.Options) { o.App.Secrets = nil },
	} {
		o := good
		change(&o)
		_, err := install.New(o)
		require.Error(t, err, name)
	}
}
