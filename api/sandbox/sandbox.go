// Package sandbox serves the hosted page of the built-in sandbox provider: the
// page on which a tester chooses how a payment ends. It shows the sandbox's
// books and writes the choice there; the service learns of it as it learns of
// any provider's. Nothing needs JavaScript.
package sandbox

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/rs/zerolog"

	"tillflow/internal/payment"
	"tillflow/internal/psp/sandbox/books"
)

// Books are the sandbox's record as far as the page needs it.
type Books interface {
	// SandboxPage reads a checkout; payment.NotFound for an unknown id.
	SandboxPage(ctx context.Context, id string) (books.Checkout, error)
	// SandboxDecide writes the choice down; payment.Conflict when the page is over.
	SandboxDecide(ctx context.Context, id string, v books.Verdict) (books.Checkout, error)
}

// Handler serves the page. It must be made with New.
type Handler struct {
	books Books
	now   func() time.Time
	log   zerolog.Logger
	views *views
}

// New builds the handler and parses its pages. now is the clock of the books.
func New(b Books, now func() time.Time, log zerolog.Logger) (*Handler, error) {
	v, err := parse()
	return &Handler{books: b, now: now, log: log, views: v}, err
}

// Routes mounts the page.
func (h *Handler) Routes(e *echo.Echo) {
	e.GET("/sandbox/:id", h.show)
	e.POST("/sandbox/:id", h.choose)
	e.GET("/sandbox/:id/authenticate", h.authenticate)
	e.GET("/static/sandbox.css", h.views.css)
}

// show offers the choices.
func (h *Handler) show(c echo.Context) error {
	return h.open(c, func(checkout books.Checkout) error {
		if !checkout.DecidedAt.IsZero() {
			return h.views.magic(c, checkout)
		}
		return h.views.pay(c, http.StatusOK, checkout)
	})
}

// authenticate is the bank's page of 3-D Secure. To get here changes nothing.
func (h *Handler) authenticate(c echo.Context) error {
	return h.open(c, func(checkout books.Checkout) error {
		if !checkout.DecidedAt.IsZero() {
			return h.views.magic(c, checkout)
		}
		return h.views.authenticate(c, checkout)
	})
}

// open answers for a page that cannot be used, else lets the caller.
func (h *Handler) open(c echo.Context, answer func(books.Checkout) error) error {
	checkout, err := h.books.SandboxPage(c.Request().Context(), c.Param("id"))
	if err != nil {
		return h.failed(c, err)
	}
	if state := checkout.At(h.now()); state != books.Open {
		return h.views.over(c, checkout, state)
	}
	return answer(checkout)
}

// maxForm is far more than a choice takes.
const maxForm = 4 << 10

// choose takes a choice and sends the buyer where it leads.
func (h *Handler) choose(c echo.Context) error {
	c.Request().Body = http.MaxBytesReader(c.Response(), c.Request().Body, maxForm)
	name := c.FormValue("choice")
	if name == leave {
		return h.open(c, func(checkout books.Checkout) error {
			return c.Redirect(http.StatusSeeOther, backTo(checkout))
		})
	}
	verdict, known := verdictOf(name)
	if !known {
		return h.open(c, func(checkout books.Checkout) error {
			return h.views.pay(c, http.StatusUnprocessableEntity, checkout)
		})
	}
	checkout, err := h.books.SandboxDecide(c.Request().Context(), c.Param("id"), verdict)
	switch {
	case payment.ClassOf(err, "") == payment.Conflict:
		return h.show(c) // pressed twice, or too late: the page says so
	case err != nil:
		return h.failed(c, err)
	case verdict.Result == books.Undecided:
		return c.Redirect(http.StatusSeeOther, "/sandbox/"+url.PathEscape(checkout.ID))
	}
	return c.Redirect(http.StatusSeeOther, checkout.ReturnURL)
}

// backTo is where a buyer goes who does not pay.
func backTo(checkout books.Checkout) string {
	if checkout.CancelURL != "" {
		return checkout.CancelURL
	}
	return checkout.ReturnURL
}

// failed shows what went wrong.
func (h *Handler) failed(c echo.Context, err error) error {
	if payment.ClassOf(err, payment.Unavailable) == payment.NotFound {
		return h.views.unknown(c)
	}
	h.log.Error().Err(err).Str("route", c.Path()).Msg("sandbox page failed")
	return h.views.trouble(c)
}
