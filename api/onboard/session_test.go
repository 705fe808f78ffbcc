package onboard_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/shopify/app"
)

func TestSession(t *testing.T) {
	t.Parallel()
	t.Run("a browser without a session is told where to begin, on every page", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		stranger := merchant{bench: b}
		for _, path := range []string{"", "/accounts/new", "/options", "/shop", "/accounts/0197a2b4-0000-7000-8000-000000000000"} {
			got := stranger.get("/settings" + path)
			require.Equal(t, http.StatusUnauthorized, got.status, path)
			require.Contains(t, got.text(), "Open the app from your Shopify Admin")
		}
		require.Equal(t, http.StatusUnauthorized, stranger.post("/settings/shop", "label", "x").status)
	})
	t.Run("the cookie is ours alone, and only over TLS", func(t *testing.T) {
		t.Parallel()
		m := setup(t).lands(acme)
		require.Equal(t, cookieName, m.cookie.Name)
		require.True(t, m.cookie.HttpOnly)
		require.True(t, m.cookie.Secure)
		require.Equal(t, http.SameSiteLaxMode, m.cookie.SameSite)
		require.Equal(t, "/", m.cookie.Path)
		require.Empty(t, m.cookie.Domain)
	})
	t.Run("pages may load and send nothing but our own", func(t *testing.T) {
		t.Parallel()
		got := setup(t).lands(acme).get("/settings")
		require.Equal(t, http.StatusOK, got.status)
		require.Equal(t, "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' https://"+acme,
			got.header.Get("Content-Security-Policy"))
		require.Equal(t, "no-store", got.header.Get("Cache-Control"))
		require.NotContains(t, got.body, "<script")
	})
	t.Run("a byte of the cookie that is another one ends it", func(t *testing.T) {
		t.Parallel()
		m := setup(t).lands(acme)
		good := m.cookie.Value
		for i := range good {
			changed := []byte(good)
			changed[i] ^= 1
			m.cookie = &http.Cookie{Name: cookieName, Value: string(changed)}
			require.Equal(t, http.StatusUnauthorized, m.get("/settings").status, "byte %d", i)
		}
		m.cookie = &http.Cookie{Name: cookieName, Value: strings.Replace(good, acme, other, 1)}
		require.Equal(t, http.StatusUnauthorized, m.get("/settings").status, "another shop")
	})
	t.Run("it ends after two hours", func(t *testing.T) {
		t.Parallel()
		m := setup(t).lands(acme)
		m.pass(2*time.Hour - time.Second)
		require.Equal(t, http.StatusOK, m.get("/settings").status)
		m.pass(time.Second)
		require.Equal(t, http.StatusUnauthorized, m.get("/settings").status)
	})
	t.Run("uninstalling ends it, and installing again does not bring it back", func(t *testing.T) {
		t.Parallel()
		m := setup(t).lands(acme)
		m.pass(time.Minute)
		gone, err := m.Uninstall(t.Context(), app.Payments, acme, m.clock())
		require.NoError(t, err)
		require.True(t, gone)
		require.Equal(t, http.StatusUnauthorized, m.get("/settings").status)
		m.pass(time.Minute)
		m.install(acme)
		require.Equal(t, http.StatusUnauthorized, m.get("/settings").status)
		require.Equal(t, http.StatusOK, m.lands(acme).get("/settings").status)
	})
	t.Run("leaving drops the cookie", func(t *testing.T) {
		t.Parallel()
		got := setup(t).lands(acme).post("/settings/leave")
		require.Equal(t, http.StatusOK, got.status)
		require.Contains(t, got.header.Get("Set-Cookie"), "Max-Age=0")
		require.Contains(t, got.text(), "You have left")
	})
}

func TestForms(t *testing.T) {
	t.Parallel()
	const path = "/settings/shop"
	t.Run("a form without the session's token, or of another site, changes nothing", func(t *testing.T) {
		t.Parallel()
		m := setup(t).lands(acme)
		theirs := m.lands(other).csrf
		for name, try := range map[string]func(*http.Request){
			"foreign site": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
			"foreign page": func(r *http.Request) {
				r.Header.Del("Sec-Fetch-Site")
				r.Header.Set("Origin", "https://evil.example")
			},
		} {
			r := httptest.NewRequest(http.MethodPost, public+path, strings.NewReader("csrf="+m.csrf+"&label=Evil&mail=a@b.example&language=en"))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			try(r)
			require.Equal(t, http.StatusForbidden, m.send(r).status, name)
		}
		for name, token := range map[string]string{"no token": "", "another session's": theirs} {
			forged := m
			forged.csrf = token
			got := forged.post(path, "label", "Evil", "mail", "a@b.example", "language", "en")
			require.Equal(t, http.StatusForbidden, got.status, name)
			require.Contains(t, got.text(), "Nothing was changed")
		}
		stands, err := m.ShopSettings(t.Context(), acme)
		require.NoError(t, err)
		require.Empty(t, stands.Label)
		require.Empty(t, m.trail())
	})
	t.Run("a value in the address is not read", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, http.StatusBadRequest, setup(t).lands(acme).post(path+"?label=x", "label", "y").status)
	})
	t.Run("a form that is too large is refused before it is read", func(t *testing.T) {
		t.Parallel()
		m := setup(t).lands(acme)
		require.Equal(t, http.StatusRequestEntityTooLarge, m.post("/settings/options", "country", strings.Repeat("a", 64<<10)).status)
		require.Equal(t, http.StatusRequestEntityTooLarge, m.upload(make([]byte, 1<<20)).status)
		endless := httptest.NewRequest(http.MethodPost, public+path, bytes.NewReader(make([]byte, 2<<20)))
		endless.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		endless.ContentLength = -1 // announced by nobody
		require.Equal(t, http.StatusRequestEntityTooLarge, m.send(endless).status)
	})
}
