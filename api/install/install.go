// Package install takes a merchant's browser through the installation of one of our apps: off to Shopify's page of consent, and
// back with a code that becomes tokens. Every refusal is a page, or problem JSON for who asks for that, and leaves shops, tokens and
// installations as they were.
package install

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/rs/zerolog"

	"tillflow/api"
	"tillflow/internal/shopify/app"
	"tillflow/internal/shopify/install"
)

// Installs is the record of installations.
type Installs interface {
	BeginInstall(ctx context.Context, start app.Start) error
	// TakeInstall spends a state, once, or says what is wrong with it.
	TakeInstall(ctx context.Context, start app.Start) (app.Verdict, error)
	PutInstall(ctx context.Context, g app.Grant) error
}

// Platform makes the call to Shopify.
type Platform interface {
	ExchangeCode(ctx context.Context, shop string, code app.Secret) (app.Tokens, error)
}

// Options configure a [Handler]. All but Landed are required.
type Options struct {
	App      install.App
	Platform Platform
	Installs Installs
	// Path is where the two routes are mounted: "/shopify" gives /shopify/install and /shopify/callback. The callback must be the
	// app's RedirectURL.
	Path string
	// Landed answers the merchant whose installation has just succeeded, who is proven to act for the shop: the place to begin a
	// session and to go on to our settings. Nil: a page that says that the app is installed.
	Landed func(c echo.Context, shop string) error
	Now    func() time.Time
	Log    zerolog.Logger
}

// Handler serves one app.
type Handler struct {
	Options
	cookie string
	secure bool
	views  *views
}

// New builds the handler and parses its page.
func New(o Options) (*Handler, error) {
	if o.Platform == nil || o.Installs == nil || o.Now == nil || !strings.HasPrefix(o.Path, "/") {
		return nil, errors.New("install handler: Platform, Installs, Now and an absolute Path are required")
	}
	if err := o.App.Check(); err != nil {
		return nil, err
	}
	redirect, err := url.Parse(o.App.RedirectURL)
	if err != nil || redirect.Path != o.Path+"/callback" {
		return nil, errors.New("install handler: the app's redirect url does not lead to " + o.Path + "/callback")
	}
	h := &Handler{Options: o, secure: redirect.Scheme == "https"}
	// The prefix makes browsers refuse the cookie to anybody but this very host over TLS. Development has no TLS.
	h.cookie = "tillflow_install_" + string(o.App.Name)
	if h.secure {
		h.cookie = "__Host-" + h.cookie
	}
	h.views, err = parse(o.Path)
	return h, err
}

// Routes mounts the pages.
func (h *Handler) Routes(e *echo.Echo) {
	e.GET(h.Path+"/install", h.begin)
	e.GET(h.Path+"/callback", h.end)
	e.GET(h.Path+"/install.css", h.views.css)
}

// budget is for the record and the one call to Shopify.
const budget = 12 * time.Second

// begin records the installation and sends the browser to Shopify.
func (h *Handler) begin(c echo.Context) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), budget)
	defer cancel()
	now := h.Now()
	shop, err := h.App.Shop(c.Request().URL.RawQuery, now)
	if err != nil {
		return h.refuse(c, "", err)
	}
	browser, state := h.browser(c), random()
	address, err := h.App.AuthorizeURL(shop, state)
	if err != nil {
		return h.refuse(c, shop, install.RecordTrouble(err))
	}
	start := app.Start{
		App: h.App.Name, Shop: shop, State: app.SumOf(state), Browser: app.SumOf(browser), ExpiresAt: now.Add(install.StateLifetime),
	}
	if err := h.Installs.BeginInstall(ctx, start); err != nil {
		return h.refuse(c, shop, install.RecordTrouble(err))
	}
	c.SetCookie(&http.Cookie{ //nolint:gosec // G124: Secure wherever the callback is https; development has no TLS
		Name: h.cookie, Value: browser, Path: "/", MaxAge: int(install.StateLifetime / time.Second),
		Secure: h.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode, // Lax: the browser comes back from Shopify
	})
	h.Log.Info().Str("shop", shop).Str("app", string(h.App.Name)).Msg("installation begun")
	return c.Redirect(http.StatusFound, address)
}

// browser is the text that ties installations to a browser: the one it has, so that two tabs do not spoil each other, or a new one.
func (h *Handler) browser(c echo.Context) string {
	if cookie, err := c.Cookie(h.cookie); err == nil && len(cookie.Value) == len(random()) {
		return cookie.Value
	}
	return random()
}

// random is 256 bits in text.
func random() string {
	bits := make([]byte, 32)
	rand.Read(bits)
	return base64.RawURLEncoding.EncodeToString(bits)
}

// end verifies what the browser brings, spends the state, and makes tokens of the code.
func (h *Handler) end(c echo.Context) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), budget)
	defer cancel()
	back, err := h.App.Callback(c.Request().URL.RawQuery, h.Now())
	if err != nil {
		return h.refuse(c, "", err)
	}
	if err := h.take(ctx, c, back); err != nil {
		return h.refuse(c, back.Shop, err)
	}
	tokens, err := h.Platform.ExchangeCode(ctx, back.Shop, back.Code)
	if err != nil {
		return h.refuse(c, back.Shop, install.ExchangeTrouble(err))
	}
	if err := h.App.Granted(tokens); err != nil {
		return h.refuse(c, back.Shop, err)
	}
	grant := app.Grant{App: h.App.Name, Shop: back.Shop, Tokens: tokens, AuthorizedAt: back.At}
	if err := h.Installs.PutInstall(ctx, grant); err != nil {
		return h.refuse(c, back.Shop, install.RecordTrouble(err))
	}
	h.Log.Info().Str("shop", back.Shop).Str("app", string(h.App.Name)).Msg("app installed")
	if h.Landed != nil {
		return h.Landed(c, back.Shop)
	}
	return h.installed(c, back.Shop)
}

func (h *Handler) take(ctx context.Context, c echo.Context, back install.Callback) error {
	cookie, err := c.Cookie(h.cookie)
	if err != nil {
		cookie = &http.Cookie{} // no cookie is another browser's; the record still says if the state is known
	}
	verdict, err := h.Installs.TakeInstall(ctx, app.Start{
		App: h.App.Name, Shop: back.Shop, State: app.SumOf(string(back.State)), Browser: app.SumOf(cookie.Value),
	})
	if err != nil {
		return install.RecordTrouble(err)
	}
	return install.Judge(verdict)
}

// refuse answers with a page that says what happened, what it means and what to do. The query never gets into the log: it may hold
// a code.
func (h *Handler) refuse(c echo.Context, shop string, err error) error {
	refused, ok := errors.AsType[*install.Error](err)
	if !ok {
		refused = install.RecordTrouble(err)
	}
	log := h.Log.Warn()
	if refused.Status() >= http.StatusInternalServerError {
		log = h.Log.Error().Err(refused.Err)
	}
	log.Str("shop", shop).Str("app", string(h.App.Name)).Str("fault", string(refused.Fault)).Str("detail", refused.Detail).
		Msg("installation refused")
	advice := refused.Advice()
	if strings.Contains(c.Request().Header.Get(echo.HeaderAccept), echo.MIMEApplicationJSON) {
		return api.Refuse(refused.Status(), string(refused.Fault), "", advice.Happened+" "+advice.Do)
	}
	return h.views.refused(c, refused)
}
