package login

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"tillflow/internal/access"
)

// Cookies of the login.
const (
	// sessionCookie holds the session's token and ends with the browser.
	sessionCookie = "tillflow_session"
	// formCookie holds the token of the login's own forms, before there is a session.
	formCookie = "tillflow_login"
	// oidcCookie holds the token of a login under way at the identity provider.
	oidcCookie = "tillflow_oidc"
	// backCookie holds where that login leads.
	backCookie = "tillflow_next"
)

const (
	formFor = 24 * time.Hour
	oidcFor = 10 * time.Minute
)

// cookies writes them all alike: no script reads them, no other site sends them
// along with a form, and over TLS the prefix __Host- keeps them from being set by
// another host of the domain (RFC 6265bis, section 4.1.3.2).
type cookies struct{ secure bool }

func newCookies(secure bool) cookies { return cookies{secure: secure} }

func (k cookies) name(name string) string {
	if k.secure {
		return "__Host-" + name
	}
	return name
}

// set sets a cookie for a time; zero, until the browser closes.
func (k cookies) set(c echo.Context, name, value string, within time.Duration) {
	k.write(c, name, value, int(within/time.Second))
}

func (k cookies) drop(c echo.Context, name string) { k.write(c, name, "", -1) }

func (k cookies) write(c echo.Context, name, value string, maxAge int) {
	c.SetCookie(&http.Cookie{ //nolint:gosec // G124: Secure is left out only where the public address is plain HTTP
		Name: k.name(name), Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true, Secure: k.secure, SameSite: http.SameSiteLaxMode,
	})
}

func (k cookies) value(c echo.Context, name string) string {
	cookie, err := c.Cookie(k.name(name))
	if err != nil {
		return "" // the only error is that there is none
	}
	return cookie.Value
}

func (k cookies) token(c echo.Context, name string) (access.Token, error) {
	return access.ParseToken(k.value(c, name))
}
