package pay

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/rs/zerolog"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

// Portals is the record that a customer's own page reads and writes. A link that
// it did not make is payment.NotFound.
type Portals interface {
	// Portal reads everything that the page of a link shows. It writes nothing.
	Portal(ctx context.Context, link string) (subscription.Portal, error)
	// ChargeAgain asks for the owed charge to be sent once more with the kept method.
	ChargeAgain(ctx context.Context, link string) (subscription.Ref, error)
}

// Members wakes a subscription.
type Members interface {
	WakeSubscription(ctx context.Context, ref subscription.Ref) error
}

// Subscriptions serves the page of a customer's subscription: what it costs, what
// is owed, what with and when it is charged. What is owed is paid on the page of
// its payment, through a checkout that keeps the method, so that a new card is
// given and the bank's question answered where the money is paid.
type Subscriptions struct {
	Portals Portals
	Members Members
	Log     zerolog.Logger
	views   *views
}

// NewSubscriptions builds the handler and parses its page.
func NewSubscriptions(portals Portals, members Members, log zerolog.Logger) (*Subscriptions, error) {
	v, err := parse()
	return &Subscriptions{Portals: portals, Members: members, Log: log, views: v}, err
}

// Routes mounts the page.
func (h *Subscriptions) Routes(e *echo.Echo) {
	e.GET("/subscription/:link", h.show)
	e.POST("/subscription/:link/again", h.again)
}

func (h *Subscriptions) show(c echo.Context) error {
	p, err := h.Portals.Portal(c.Request().Context(), c.Param("link"))
	if err != nil {
		return h.answer(c, err)
	}
	return h.views.subscription(c, p)
}

// again charges the kept method once more. Whether that is possible is decided by
// the record when it is carried out: the page then shows what became of it.
func (h *Subscriptions) again(c echo.Context) error {
	ref, err := h.Portals.ChargeAgain(c.Request().Context(), c.Param("link"))
	if err != nil {
		return h.answer(c, err)
	}
	if err := h.Members.WakeSubscription(c.Request().Context(), ref); err != nil {
		// The command is written: the sweep has it carried out.
		h.Log.Warn().Err(err).Str("subscription_id", ref.ID).Msg("customer pays again: workflow not woken now")
	}
	return c.Redirect(http.StatusSeeOther, here(c))
}

func (h *Subscriptions) answer(c echo.Context, err error) error {
	if payment.ClassOf(err, payment.Unavailable) == payment.NotFound {
		return h.views.render(c, http.StatusNotFound, "message", &messagePage{
			frame: frame{Title: "We do not know this link"},
			Text:  "Please check that the whole link was copied, or ask the shop for a new one.",
		})
	}
	if c.Request().Context().Err() != nil {
		return err // the customer has gone; nobody reads an answer
	}
	h.Log.Error().Err(err).Str("route", c.Path()).Msg("page could not be read")
	status := http.StatusServiceUnavailable
	if payment.ClassOf(err, payment.Unavailable) == payment.Bug {
		status = http.StatusInternalServerError
	}
	return h.views.render(c, status, "message", &messagePage{
		frame: frame{Title: "Please try again in a moment", Refresh: here(c)},
		Text:  "We could not load this subscription just now. What you have already done is safe, and nothing is charged twice. This page tries again by itself.",
		Link:  here(c), LinkText: "Try again now",
	})
}

// here is the address of the page, also where a button of it was pressed.
func here(c echo.Context) string { return "/subscription/" + url.PathEscape(c.Param("link")) }

// subscriptionPage is the page of a subscription.
type subscriptionPage struct {
	frame
	Link    string
	Alert   string // why the last charge failed
	Text    string
	Facts   []fact
	Pay     string // link of the payment that is owed
	PayText string
	Again   string // label of the method that may be charged once more
	Wait    bool   // something is under way
}

// fact is one line: a name, and a value that is a sentence of ours (Say) or not.
type fact struct {
	Name, Value string
	Say         bool
}

func (v *views) subscription(c echo.Context, p subscription.Portal) error {
	data := &subscriptionPage{
		frame: frame{Shop: p.Label, Test: p.Test, Brand: p.Brand, locale: p.Locale, Amount: readable(p.Price.String())},
		Link:  c.Param("link"), Facts: facts(p),
	}
	switch {
	case p.Underway():
		data.Title, data.Wait, data.Refresh = "Your payment is on its way", true, here(c)
		data.Text = "We are waiting for the payment provider's result. Please do not pay a second time. This page goes on by itself."
	case p.Owes():
		data.owed(p)
	default:
		data.standing(p)
	}
	return v.render(c, http.StatusOK, "subscription", data)
}

// owed is the page of who has to pay.
func (d *subscriptionPage) owed(p subscription.Portal) {
	d.Title, d.Amount = "Your payment is due", readable(p.Open.Amount.String())
	if n := len(p.Failures); n > 0 {
		d.Alert = sentence(p.Failures[n-1].Reason)
	}
	if p.Pay == "" {
		d.Text = "It cannot be paid here any more. Please ask the shop."
		return
	}
	d.Pay, d.PayText = p.Pay, "Pay now"
	switch p.Step.Ask {
	case subscription.AskAuthenticate:
		d.Alert, d.Text = "", "Your bank wants you to confirm this payment yourself. Please pay it here; later payments then go on by themselves."
		d.PayText = "Confirm and pay now"
	case subscription.AskMethod:
		d.Text = "Please give another card or the new data of yours. It is charged now and kept for later payments."
		d.PayText = "Pay now with another card"
	case subscription.AskFunds, subscription.AskNothing:
		d.Text = "We try again by ourselves. You can also pay now; what you pay with is kept for later payments."
		d.Again = p.Method.Label
	default:
		d.Text = "You can pay now; what you pay with is kept for later payments."
	}
}

// standing is the page of who owes nothing.
func (d *subscriptionPage) standing(p subscription.Portal) {
	switch p.State {
	case subscription.Pending:
		d.Title = "Your subscription has not begun yet"
		d.Text = "It begins with its first payment."
		if p.Pay != "" {
			d.Pay, d.PayText = p.Pay, "Pay now"
		}
	case subscription.Trialing:
		d.Title = "Your trial is running"
	case subscription.Active, subscription.PastDue:
		d.Title = "Your subscription is paid"
	case subscription.Paused:
		d.Title = "Your subscription is paused"
		d.Text = "Nothing is charged until it is resumed."
	case subscription.Unpaid:
		d.Title = "Your subscription has stopped"
		d.Text = "It was not paid. Please ask the shop if you want to go on."
	case subscription.Cancelled, subscription.Abandoned:
		d.Title = "This subscription has ended"
		d.Text = "Nothing more is charged."
	default:
		d.Title = "Your subscription"
	}
}

// facts are the lines that every page has, as far as they are known.
func facts(p subscription.Portal) []fact {
	list := []fact{{Name: "Your plan", Value: p.Plan}}
	add := func(name, value string) {
		if value != "" {
			list = append(list, fact{Name: name, Value: value})
		}
	}
	add("Price of a period", amountOf(p.Price))
	if p.Method.ID != "" {
		add("Charged with", p.Method.Label)
		if p.Method.ExpiresYear != 0 {
			add("Card expires", time.Date(p.Method.ExpiresYear, time.Month(p.Method.ExpiresMonth), 1, 0, 0, 0, 0, time.UTC).Format("2006-01"))
		}
	}
	if p.Owes() && p.Step.Action == subscription.ActRetry {
		add("Next attempt", day(p.Step.At, p.Zone))
	}
	if p.Renews {
		add("Next payment", day(p.Next.Period.Start, p.Zone)+", "+amountOf(p.Next.Charge))
	}
	if p.CancelAtEnd && !p.State.Over() {
		add("Ends on", day(p.Period.End, p.Zone))
	}
	if p.Standing.PaidUp && !p.Standing.Until.IsZero() {
		add("Access until", day(p.Standing.Until, p.Zone))
	}
	if !p.Standing.PaidUp && (p.State == subscription.PastDue || p.State == subscription.Unpaid) {
		list = append(list, fact{Name: "Your access", Value: "Paused until it is paid.", Say: true})
	}
	return list
}

func amountOf(a money.Amount) string { return readable(a.String()) }

// day is a date where the subscription lives, written as every language reads it.
func day(at time.Time, zone *time.Location) string { return at.In(zone).Format(time.DateOnly) }
