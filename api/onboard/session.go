package onboard

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tillflow/internal/access"
	"tillflow/internal/brand"
	"tillflow/internal/onboard"
	"tillflow/internal/payment"
	"tillflow/internal/shopify/app"
)

// lifetime ends a session whatever happens. The next visit from the Admin begins
// a new one without a question, so that it need not be long.
const lifetime = 2 * time.Hour

// session is a merchant's browser.
type session struct {
	Shop  string
	token access.Token
	began time.Time
}

// By is the merchant for the audit.
func (s session) By() onboard.By { return onboard.Merchant(s.Shop) }

// sessionKey separates the sessions' signatures from all that Shopify signs with
// the same secret.
func sessionKey(secret app.Secret) []byte {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("tillflow merchant session 1"))
	return mac.Sum(nil)
}

// sign writes a session as token.began.signature.shop.
func (h *Handler) sign(s session) string {
	began := strconv.FormatInt(s.began.UnixMicro(), 10)
	return strings.Join([]string{s.token.Reveal(), began, signature(h.keys[0], s.token, began, s.Shop), s.Shop}, ".")
}

// signature covers the parts with a separator that none of them can hold.
func signature(key []byte, token access.Token, began, shop string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(token.Reveal() + "\n" + began + "\n" + shop))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

var errNoSession = errors.New("no session of a merchant")

// read checks signature and age of a cookie. During a rotation of the secret the
// old one still opens what it signed.
func (h *Handler) read(value string) (session, error) {
	parts := strings.SplitN(value, ".", 4)
	if len(parts) != 4 {
		return session{}, errNoSession
	}
	token, err := access.ParseToken(parts[0])
	if err != nil {
		return session{}, errNoSession
	}
	signed := false
	for _, key := range h.keys {
		// All are tried, so that the time does not tell which one it is.
		signed = hmac.Equal([]byte(signature(key, token, parts[1], parts[3])), []byte(parts[2])) || signed
	}
	micros, err := strconv.ParseInt(parts[1], 10, 64)
	if !signed || err != nil {
		return session{}, errNoSession
	}
	s := session{Shop: parts[3], token: token, began: time.UnixMicro(micros)}
	if h.o.Now().Sub(s.began) >= lifetime {
		return session{}, errNoSession
	}
	return s, nil
}

// Landed begins a session for the merchant whose installation, or visit, has just
// been proven by Shopify, and goes to the overview.
func (h *Handler) Landed(c echo.Context, shop string) error {
	s := session{Shop: shop, token: access.NewToken(), began: h.o.Now()}
	h.setCookie(c, h.sign(s), int(lifetime/time.Second))
	return c.Redirect(http.StatusSeeOther, Base)
}

func (h *Handler) setCookie(c echo.Context, value string, maxAge int) {
	c.SetCookie(&http.Cookie{ //nolint:gosec // G124: Secure is left out only where the public address is plain HTTP
		Name: h.cookie, Value: value, Path: "/", MaxAge: maxAge, Secure: h.secure, HttpOnly: true,
		SameSite: http.SameSiteLaxMode, // Lax: the merchant comes back from Shopify's pages
	})
}

// leave ends the session in this browser.
func (h *Handler) leave(c echo.Context) error {
	shop := of(c).Shop
	h.setCookie(c, "", -1)
	return h.views.message(c, http.StatusOK, message{
		frame: frame{Title: "You have left"}, Text: "Open the app again from the Shopify Admin of " + shop + " whenever you want to change something.",
	})
}

// sessionOf is where a request keeps its session.
const sessionOf = "tillflow merchant session"

// of is the session of a guarded request.
func of(c echo.Context) session {
	s, _ := c.Get(sessionOf).(session)
	return s
}

// Bounds of a form, which is read into memory and never into a file. A picture is
// the only thing that is large.
const (
	maxForm   = 64 << 10
	maxUpload = 1 << 20
)

// guard lets in a session of an installation that stands, and forms that one of
// our own pages has sent in it.
func (h *Handler) guard(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		cookie, err := c.Cookie(h.cookie)
		if err != nil {
			return h.stranger(c)
		}
		s, err := h.read(cookie.Value)
		if err != nil {
			return h.stranger(c)
		}
		installed, err := h.o.Records.Installation(c.Request().Context(), app.Payments, s.Shop)
		switch {
		case payment.ClassOf(err, payment.Unavailable) == payment.NotFound && err != nil:
			return h.stranger(c)
		case err != nil:
			return h.fail(c, err)
		case !installed.Installed() || installed.InstalledAt.After(s.began):
			return h.stranger(c)
		}
		c.Set(sessionOf, s)
		if c.Request().Method != http.MethodGet && c.Request().Method != http.MethodHead {
			if err := h.genuine(c, s); err != nil {
				return h.refuseForm(c, err)
			}
		}
		// Under the stricter no-referrer browsers call the origin of our own forms null.
		c.Response().Header().Set("Referrer-Policy", "same-origin")
		return next(c)
	}
}

// stranger answers a browser without a session. What was to be done was not.
func (h *Handler) stranger(c echo.Context) error {
	return h.views.message(c, http.StatusUnauthorized, message{
		frame: frame{Title: "Open the app from your Shopify Admin"}, Bad: true,
		Text: "These settings open only from there, for two hours each time. Nothing was changed.",
		Help: "In the Shopify Admin: Settings, Apps, then this app.",
	})
}

// Why a form is not taken.
var (
	errForged   = errors.New("sent by none of our pages in this session")
	errLarge    = errors.New("larger than allowed")
	errMangled  = errors.New("no form that can be read")
	errTwoForms = errors.New("a value stands in the address")
)

// genuine reads the form and makes sure that one of our pages in this browser
// sent it.
func (h *Handler) genuine(c echo.Context, s session) error {
	r := c.Request()
	limit := int64(maxForm)
	if c.Path() == Base+"/shop" {
		limit = maxUpload
	}
	if h.origins.Check(r) != nil {
		return errForged
	}
	if r.ContentLength > limit {
		return errLarge
	}
	if r.URL.RawQuery != "" {
		return errTwoForms // what a form says stands in its body alone
	}
	r.Body = http.MaxBytesReader(c.Response(), r.Body, limit)
	err := r.ParseForm() // first: of a form without files the other one does not say what is wrong
	if err == nil {
		err = r.ParseMultipartForm(maxUpload)
	}
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return errLarge
	}
	if err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return errMangled
	}
	if !s.token.CheckCSRF(r.PostFormValue("csrf")) {
		return errForged
	}
	return nil
}

func (h *Handler) refuseForm(c echo.Context, why error) error {
	h.o.Log.Warn().Err(why).Str("route", c.Path()).Str("shop", of(c).Shop).Msg("onboarding form refused")
	switch {
	case errors.Is(why, errLarge):
		return h.views.message(c, http.StatusRequestEntityTooLarge, h.note(c, "This form is too large",
			fmt.Sprintf("Nothing was changed. A picture may have %d KiB.", brand.MaxLogoBytes>>10)))
	case errors.Is(why, errForged):
		return h.views.message(c, http.StatusForbidden, h.note(c, "This form is not valid any more",
			"Nothing was changed. Load the page again and repeat what you did."))
	}
	return h.views.message(c, http.StatusBadRequest, h.note(c, "This form cannot be read", "Nothing was changed. Load the page again and repeat what you did."))
}
