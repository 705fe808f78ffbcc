// Package onboard is the pages on which a merchant sets the payments app up in
// the browser: accounts at providers, options, name and look of the shop.
//
// # Who is let in
//
// Shopify proves who acts for a shop; we keep no passwords of merchants. Each
// visit begins in the Shopify Admin, which opens our app's address with a signed
// query. That signature alone opens nothing here: an address can be copied, and is
// good for a minute and a half in any browser. Instead api/install sends the
// browser through OAuth again, for which Shopify asks nothing when the app is
// installed already, and whose answer is bound to the browser where it began, good
// once, and given only to somebody whom the shop's Admin lets open the app.
// [Handler.Landed] then begins a session.
//
// A session is a signed cookie and no row: it names the shop and the moment at
// which it began, and ends two hours later, when the merchant leaves, and when the
// app is uninstalled, because every request compares it with the installation that
// stands. It is signed with a key derived from the app's client secret, whoever
// has which can forge Shopify's answers anyway, so that it adds nothing to guard.
// The cookie is HttpOnly, SameSite=Lax and, over TLS, of this host alone. Forms
// carry a token derived from it.
package onboard

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/rs/zerolog"

	"tillflow/internal/onboard"
	"tillflow/internal/payment"
	"tillflow/internal/shopify/app"
	"tillflow/internal/shopify/install"
)

// Base is where the pages are.
const Base = "/settings"

// Records is what the pages read; what they change goes through the desk.
type Records interface {
	Installation(ctx context.Context, name app.Name, shop string) (app.Installation, error)
	ShopSettings(ctx context.Context, shop string) (payment.ShopSettings, error)
	ProviderAccounts(ctx context.Context, shop string) ([]payment.ProviderAccount, error)
	AccountNeeded(ctx context.Context, shop, id string) (int, error)
	Markets(ctx context.Context, shop string) ([]payment.Market, error)
	// Ready says whether the app can take payments, and whether Shopify knows.
	Ready(ctx context.Context, shop string) (is, told bool, err error)
}

// Options configure a [Handler]. All are required.
type Options struct {
	App     install.App
	Records Records
	Desk    *onboard.Desk
	// Tell lets Shopify know now what is true: that the app is ready, or is not.
	Tell func(ctx context.Context, shop string) error
	// PublicURL is where the world reaches these pages and the webhooks.
	PublicURL string
	Now       func() time.Time
	Log       zerolog.Logger
}

// Handler serves the pages.
type Handler struct {
	o       Options
	keys    [][]byte
	cookie  string
	secure  bool
	origins *http.CrossOriginProtection
	views   *views
}

// New builds the handler and parses its pages.
func New(o Options) (*Handler, error) {
	if o.Records == nil || o.Desk == nil || o.Tell == nil || o.Now == nil {
		return nil, errors.New("onboarding pages: Records, Desk, Tell and Now are required")
	}
	if err := o.App.Check(); err != nil {
		return nil, err
	}
	public, err := url.Parse(o.PublicURL)
	if err != nil || public.Host == "" {
		return nil, errors.New("onboarding pages: PublicURL is not an absolute address")
	}
	h := &Handler{o: o, secure: public.Scheme == "https", cookie: "tillflow_merchant", origins: http.NewCrossOriginProtection()}
	if h.secure {
		h.cookie = "__Host-" + h.cookie
	}
	if err := h.origins.AddTrustedOrigin(public.Scheme + "://" + public.Host); err != nil {
		return nil, err
	}
	for _, secret := range o.App.Secrets {
		h.keys = append(h.keys, sessionKey(secret))
	}
	h.views, err = parse()
	return h, err
}

// Routes mounts the pages.
func (h *Handler) Routes(e *echo.Echo) {
	e.GET(Base+"/onboard.css", h.views.css)
	g := e.Group(Base, h.guard)
	g.GET("", h.overview)
	g.POST("/activate", h.activate)
	g.POST("/leave", h.leave)
	g.GET("/accounts/new", h.newAccount)
	g.POST("/accounts/new", h.connect)
	g.GET("/accounts/:id", h.account)
	g.POST("/accounts/:id", h.change)
	g.GET("/accounts/:id/remove", h.askRemove)
	g.POST("/accounts/:id/remove", h.remove)
	g.GET("/options", h.options)
	g.POST("/options", h.setOptions)
	g.POST("/options/drop", h.dropOptions)
	g.GET("/shop", h.shop)
	g.POST("/shop", h.setShop)
}

// budget bounds one request, calls to a provider or to Shopify included; the
// server's own limit is 15 seconds.
const budget = 12 * time.Second

// step is one line of what has to be done.
type step struct {
	Text, Help, Link, LinkText string
	Done                       bool
}

type overviewPage struct {
	frame
	Settings payment.ShopSettings
	Accounts []payment.ProviderAccount
	Steps    []step
	Ready    bool // payments can be taken
	Told     bool // and Shopify knows
	Titles   map[string]string
}

// overview says what is done and what is not.
func (h *Handler) overview(c echo.Context) error {
	ctx, s := c.Request().Context(), of(c)
	page := overviewPage{frame: h.frame(c, "Set up payments"), Titles: h.titles()}
	var err error
	if page.Settings, err = h.o.Records.ShopSettings(ctx, s.Shop); err != nil {
		return h.fail(c, err)
	}
	if page.Accounts, err = h.o.Records.ProviderAccounts(ctx, s.Shop); err != nil {
		return h.fail(c, err)
	}
	if page.Ready, page.Told, err = h.o.Records.Ready(ctx, s.Shop); err != nil {
		return h.fail(c, err)
	}
	page.Steps = steps(page)
	return h.views.render(c, http.StatusOK, "overview", page)
}

func steps(p overviewPage) []step {
	named := step{
		Text: "Say who you are", Help: "The name that buyers read, and the address for mails about payments that need a person.",
		Link: Base + "/shop", LinkText: "Name and look", Done: p.Settings.Label != "" && p.Settings.Mail != "",
	}
	connected := step{
		Text: "Connect a payment provider", Help: "Your own account there receives the money. The sandbox is for test payments.",
		Link: Base + "/accounts/new", LinkText: "Connect an account", Done: p.Ready,
	}
	return []step{named, connected}
}

// titles names providers as people know them.
func (h *Handler) titles() map[string]string {
	out := map[string]string{}
	for _, f := range h.o.Desk.Forms() {
		out[f.Provider] = f.Title
	}
	return out
}

// activate tells Shopify that the app is ready, without which its page offers
// nothing, and goes there.
func (h *Handler) activate(c echo.Context) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), budget)
	defer cancel()
	s := of(c)
	is, _, err := h.o.Records.Ready(ctx, s.Shop)
	if err != nil {
		return h.fail(c, err)
	}
	if !is {
		return h.views.message(c, http.StatusConflict, h.note(c, "There is something to do before",
			"No account at a provider is in use, so the app cannot take payments yet. Connect one first; nothing was told to Shopify."))
	}
	if err := h.o.Tell(ctx, s.Shop); err != nil {
		h.o.Log.Warn().Err(err).Str("shop", s.Shop).Msg("shopify could not be told that the app is ready")
		return h.views.message(c, http.StatusServiceUnavailable, h.note(c, "Shopify could not be told just now",
			"What you have set up is safe. We go on telling Shopify by ourselves; try again in a minute."))
	}
	address, err := h.o.App.SettingsURL(s.Shop)
	if err != nil {
		return h.fail(c, err)
	}
	return c.Redirect(http.StatusSeeOther, address)
}

// fail answers what the merchant cannot mend on the page.
func (h *Handler) fail(c echo.Context, err error) error {
	class := payment.ClassOf(err, payment.Unavailable)
	if class == payment.NotFound {
		return h.views.message(c, http.StatusNotFound, h.note(c, "There is no such page", "It may have been removed meanwhile."))
	}
	h.o.Log.Error().Err(err).Str("shop", of(c).Shop).Str("route", c.Path()).Msg("onboarding page failed")
	if class == payment.Bug {
		return h.views.message(c, http.StatusInternalServerError, h.note(c, "Something is wrong here",
			"Nothing was changed. Please tell the operator of this app."))
	}
	return h.views.message(c, http.StatusServiceUnavailable, h.note(c, "Please try again in a moment",
		"Our database or the payment provider did not answer in time. Nothing was changed unless the overview shows it."))
}
