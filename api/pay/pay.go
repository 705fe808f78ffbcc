// Package pay serves the buyer's pages: choose a way to pay, go to the provider,
// come back. They read Postgres and never wait for a workflow longer than a
// moment; a page that must wait refreshes itself, so nothing needs JavaScript.
package pay

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/rs/zerolog"

	"tillflow/internal/payment"
)

// Pages is the record that the pages read and write.
type Pages interface {
	// Page reads everything about a token in one query; payment.NotFound for an unknown one.
	Page(ctx context.Context, token string) (payment.Page, error)
	// Revision grows with every change that a page may show; far cheaper than Page.
	Revision(ctx context.Context, token string) (int64, error)
	// Choose notes the buyer's choice. The account of the unfinished checkout is no new choice.
	Choose(ctx context.Context, token, accountID string) (payment.RunRef, error)
	// Leave notes that the buyer wants to go back to the shop.
	Leave(ctx context.Context, token string) (payment.RunRef, error)
}

// Runs wakes the charge.
type Runs interface {
	SignalChoice(ctx context.Context, ref payment.RunRef) error
	SignalReturned(ctx context.Context, ref payment.RunRef) error
}

// Handler serves the pages.
type Handler struct {
	Pages  Pages
	Runs   Runs
	Covers func(provider string, kind payment.Kind) bool
	Log    zerolog.Logger
	views  *views
}

// Patience of a page before it shows itself waiting, and its rhythm meanwhile.
const (
	patience    = 2500 * time.Millisecond
	firstGlance = 30 * time.Millisecond
	slowGlance  = 500 * time.Millisecond
	// messageAhead is how long a returning buyer waits for the provider's message.
	messageAhead = time.Second
	// attention is how long the choice waits for news of the page that the buyer turned away from.
	attention = 800 * time.Millisecond
)

// New builds the handler and parses its pages.
func New(pages Pages, runs Runs, covers func(string, payment.Kind) bool, log zerolog.Logger) (*Handler, error) {
	v, err := parse()
	return &Handler{Pages: pages, Runs: runs, Covers: covers, Log: log, views: v}, err
}

// Routes mounts the pages.
func (h *Handler) Routes(e *echo.Echo) {
	e.GET("/pay/:token", h.pay)
	e.POST("/pay/:token", h.choose)
	e.GET("/pay/:token/go", h.goOn)
	e.POST("/pay/:token/leave", h.leave)
	e.GET("/pay/:token/left", h.left)
	e.GET("/return/:token", h.back)
	e.GET("/static/pay.css", h.views.css)
}

// pay is where the shop sends the buyer, and where a provider's page sends the
// buyer who turned back.
func (h *Handler) pay(c echo.Context) error {
	back := c.QueryParam("back") != ""
	page, err := h.read(c.Request().Context(), c.Param("token"))
	if err == nil && back {
		page, err = h.news(c, page)
	}
	switch {
	case err != nil:
		return h.answer(c, err)
	case over(page):
		return h.views.over(c, page)
	case working(page):
		return c.Redirect(http.StatusSeeOther, "/return/"+url.PathEscape(c.Param("token")))
	case len(page.Options) == 0 && page.Shut == "":
		return h.views.stuck(c, page)
	case len(page.Options) == 1 && !back && page.LastNo == "" && (page.ChoiceOpen || page.Unfinished != nil):
		return h.goOn(c)
	}
	return h.views.choose(c, page)
}

// news looks at the checkout that the buyer turned away from, and waits a moment
// for what is found: a refusal there is known to the provider alone.
func (h *Handler) news(c echo.Context, page payment.Page) (payment.Page, error) {
	if over(page) || page.Unfinished == nil || working(page) {
		return page, nil
	}
	h.look(c, page)
	return h.until(c, attention, func(p payment.Page) bool {
		return over(p) || p.Unfinished == nil || p.Unfinished.State != page.Unfinished.State || p.LastNo != page.LastNo
	})
}

// choose takes the buyer's choice.
func (h *Handler) choose(c echo.Context) error {
	token := c.Param("token")
	ref, err := h.Pages.Choose(c.Request().Context(), token, c.FormValue("option"))
	if err != nil {
		return h.notNow(c, err)
	}
	h.wake(c, "buyer-chose", h.Runs.SignalChoice(c.Request().Context(), ref))
	return c.Redirect(http.StatusSeeOther, "/pay/"+url.PathEscape(token)+"/go")
}

// notNow answers a press that the record refused. The page that follows says
// why: decided, shut, being processed, or no such option any more.
func (h *Handler) notNow(c echo.Context, err error) error {
	refusal, ok := errors.AsType[*payment.Error](err)
	switch {
	case ok && refusal.Class == payment.Conflict && (refusal.Code == codeLate || refusal.Code == codeTooManyChoices):
		page, err := h.read(c.Request().Context(), c.Param("token"))
		if err != nil {
			return h.answer(c, err)
		}
		return h.views.noChoice(c, page, refusal.Code)
	case ok && (refusal.Class == payment.Conflict || refusal.Class == payment.Invalid):
		return c.Redirect(http.StatusSeeOther, "/pay/"+url.PathEscape(c.Param("token"))+"?back=1")
	}
	return h.answer(c, err)
}

// goOn waits a moment for the provider's page and sends the buyer there.
func (h *Handler) goOn(c echo.Context) error {
	page, err := h.until(c, patience, func(p payment.Page) bool { return over(p) || ready(p) || p.Unfinished == nil && !p.ChoiceOpen })
	if err != nil {
		return h.answer(c, err)
	}
	switch {
	case over(page):
		return h.views.over(c, page)
	case ready(page):
		return c.Redirect(http.StatusSeeOther, page.URL)
	case page.Unfinished == nil && !page.ChoiceOpen:
		return c.Redirect(http.StatusSeeOther, "/pay/"+url.PathEscape(c.Param("token"))+"?back=1")
	}
	return h.views.wait(c, page, waiting{
		Title: "Connecting you to the payment page",
		Text:  "The payment provider is taking longer than usual to answer. Nothing has been charged. This page goes on by itself.",
		Next:  "/pay/" + url.PathEscape(c.Param("token")) + "/go", Escape: turns(c) >= 2,
	})
}

// leave shuts the provider's checkout before the buyer goes back to the shop,
// so that nothing can be paid there afterwards.
func (h *Handler) leave(c echo.Context) error {
	token := c.Param("token")
	ref, err := h.Pages.Leave(c.Request().Context(), token)
	if err != nil {
		return h.notNow(c, err)
	}
	h.wake(c, "buyer leaves", h.Runs.SignalChoice(c.Request().Context(), ref))
	return c.Redirect(http.StatusSeeOther, "/pay/"+url.PathEscape(token)+"/left")
}

func (h *Handler) left(c echo.Context) error {
	page, err := h.until(c, patience, func(p payment.Page) bool { return over(p) || p.Unfinished == nil || working(p) })
	if err != nil {
		return h.answer(c, err)
	}
	switch {
	case over(page):
		return h.views.over(c, page)
	case working(page): // paid in the last moment
		return c.Redirect(http.StatusSeeOther, "/return/"+url.PathEscape(c.Param("token")))
	case page.Unfinished == nil && page.CancelURL != "":
		return c.Redirect(http.StatusSeeOther, page.CancelURL)
	case page.Unfinished == nil:
		return h.views.choose(c, page)
	}
	return h.views.wait(c, page, waiting{
		Title: "Cancelling your payment",
		Text:  "We are making sure with the payment provider that nothing is charged. This page goes on by itself.",
		Next:  "/pay/" + url.PathEscape(c.Param("token")) + "/left",
	})
}

// back is where the provider returns the buyer after paying.
func (h *Handler) back(c echo.Context) error {
	page, err := h.read(c.Request().Context(), c.Param("token"))
	if err != nil {
		return h.answer(c, err)
	}
	there := func(p payment.Page) bool {
		return p.NextURL != "" || p.Closed || p.Unfinished == nil && p.Final == payment.Undecided
	}
	if !there(page) && page.Unfinished != nil && turns(c)%5 == 0 {
		// The provider's own message is mostly as fast as the buyer: a moment for it before we ask.
		if page, err = h.until(c, messageAhead, func(p payment.Page) bool { return there(p) || over(p) }); err != nil {
			return h.answer(c, err)
		}
		if !over(page) && page.Unfinished != nil {
			h.look(c, page)
		}
	}
	if page, err = h.until(c, patience, there); err != nil {
		return h.answer(c, err)
	}
	here := "/pay/" + url.PathEscape(c.Param("token")) + "?back=1"
	switch {
	case page.NextURL != "":
		return c.Redirect(http.StatusSeeOther, page.NextURL)
	case page.Closed:
		return h.views.over(c, page)
	case page.Unfinished == nil && page.Final == payment.Undecided,
		page.Unfinished != nil && page.Unfinished.State == payment.Open && turns(c) >= 5:
		return c.Redirect(http.StatusSeeOther, here)
	}
	w := waiting{Title: "Confirming your payment", Next: "/return/" + url.PathEscape(c.Param("token"))}
	switch {
	case page.Final == payment.Resolve:
		w.Text = "Your payment has arrived. We are telling the shop; this page goes on by itself. You may also close it, your order is safe."
	case page.State == payment.Processing:
		w.Text = "Your bank is still working on the payment. This page goes on by itself. You may also close it: the shop will hear of the result."
	default:
		w.Text = "We are asking the payment provider for the result. Please do not pay a second time. This page goes on by itself."
	}
	return h.views.wait(c, page, w)
}

// look asks the workflow to look the unfinished attempt up.
func (h *Handler) look(c echo.Context, page payment.Page) {
	h.wake(c, "buyer returned", h.Runs.SignalReturned(c.Request().Context(), page.Payment))
}

// wake notes a signal that did not arrive; the rows are written, the sweep and
// the slow look-up make up for it.
func (h *Handler) wake(c echo.Context, what string, err error) {
	if err != nil {
		h.Log.Warn().Err(err).Str("route", c.Path()).Msg(what + ": workflow not woken now")
	}
}

// read reads the token's page with the options that cover the payment's kind.
func (h *Handler) read(ctx context.Context, token string) (payment.Page, error) {
	p, err := h.Pages.Page(ctx, token)
	var fit []payment.Option
	for _, o := range p.Options {
		if h.Covers(o.Provider, p.Payment.Kind) {
			fit = append(fit, o)
		}
	}
	p.Options = fit
	return p, err
}

// answer shows the page for an error and reports that it is shown.
func (h *Handler) answer(c echo.Context, err error) error {
	if payment.ClassOf(err, payment.Unavailable) == payment.NotFound {
		return h.views.unknown(c)
	}
	if c.Request().Context().Err() != nil {
		return err // the buyer has gone; nobody reads an answer
	}
	h.Log.Error().Err(err).Str("route", c.Path()).Msg("page could not be read")
	return h.views.trouble(c, err)
}

// until looks again and again, for a while at most, until the page fits. The
// page is read again only when it has changed.
func (h *Handler) until(c echo.Context, within time.Duration, fits func(payment.Page) bool) (payment.Page, error) {
	ctx, token := c.Request().Context(), c.Param("token")
	end, pause := time.NewTimer(within), firstGlance
	defer end.Stop()
	seen := int64(-1)
	var p payment.Page
	for {
		// The revision is read before the page: what changes between is seen next time.
		now, err := h.Pages.Revision(ctx, token)
		if err == nil && now != seen {
			p, err = h.read(ctx, token)
			seen = now
		}
		if err != nil || fits(p) {
			return p, err
		}
		glance := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			glance.Stop()
			return p, ctx.Err()
		case <-end.C:
			glance.Stop()
			return h.read(ctx, token)
		case <-glance.C:
		}
		pause = min(2*pause, slowGlance)
	}
}

// over: the answer is decided; nothing can be chosen any more.
func over(p payment.Page) bool { return p.Closed || p.Final != payment.Undecided }

// ready: the page of the buyer's choice is open. The page of an earlier choice,
// or one that the buyer left, may be open still; it is being shut.
func ready(p payment.Page) bool { return p.URL != "" && !p.ChoiceOpen && !p.Left }

// working: the provider works on the buyer's money, so nothing can be chosen or left.
func working(p payment.Page) bool {
	return p.Unfinished != nil && p.Unfinished.State == payment.Working
}

// turns counts how often a waiting page has refreshed itself.
func turns(c echo.Context) int {
	n, err := strconv.Atoi(c.QueryParam("n"))
	if err != nil || n < 0 {
		return 0
	}
	return min(n, 1000)
}
