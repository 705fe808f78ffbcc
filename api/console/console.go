// Package console serves the operators' pages: find a payment, see what
// happened, where its money is, what is awaited until when and why it is stuck,
// and press what may be pressed. Pages are rendered here and need no JavaScript;
// htmx only spares a browser that has it from loading whole pages.
//
// What a person decides is written as a row and noted in the audit before a
// workflow hears of it, exactly as on the command line. Addresses hold ids,
// codes, dates and amounts, never anything about a person: whatever is typed
// arrives in a form's body and is judged before it becomes part of an address.
package console

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/rs/zerolog"

	"tillflow/api/console/login"
	"tillflow/internal/access"
	"tillflow/internal/access/audit"
	"tillflow/internal/letter"
	"tillflow/internal/payment"
)

// Payments is the record of payments as people read it.
type Payments interface {
	SearchPayments(ctx context.Context, s payment.Search) ([]payment.Summary, error)
	Facets(ctx context.Context) (payment.Facets, error)
	// ShowPayment reads one payment; texts opens what people wrote from the vault.
	ShowPayment(ctx context.Context, id string, texts bool) (payment.Details, error)
	ListMoves(ctx context.Context, paymentID string) ([]payment.MoveSummary, error)
	// Desk reads sums and clocks of one payment.
	Desk(ctx context.Context, paymentID string) (payment.Desk, error)
}

// Filters are the searches that people keep. The owner is who signed in.
type Filters interface {
	SavedFilters(ctx context.Context, owner string) ([]payment.SavedFilter, error)
	SaveFilter(ctx context.Context, owner, name, query string) error
	DropFilter(ctx context.Context, owner, id string) error
}

// Actions takes what a person wants: a row first, which moves nothing by itself.
type Actions interface {
	// InsertAuditedAction writes the row and its entry in the audit, both or none; payment.Conflict for an id that stands.
	InsertAuditedAction(ctx context.Context, action payment.Action, entry audit.Entry) error
}

// Runs hands the row of an action to every workflow that looks after the
// payment's money, and applies it where none does any more.
type Runs interface {
	Deliver(ctx context.Context, update, actionID string, d payment.Details) error
}

// Accounts is what is known of shops' accounts at providers, with secrets masked.
type Accounts interface {
	ProviderAccounts(ctx context.Context, shop string) ([]payment.ProviderAccount, error)
}

// Messages is what providers and Shopify told us.
type Messages interface {
	Deliveries(ctx context.Context, f payment.DeliveryFilter) ([]payment.Delivery, error)
	ShopMessages
}

// Trail is the audit.
type Trail interface {
	AppendAudit(ctx context.Context, entry audit.Entry) error
	// AuditTrail lists entries, newest first.
	AuditTrail(ctx context.Context, f TrailFilter) ([]audit.Record, error)
}

// TrailFilter selects entries of the audit. Empty members select all, others
// what equals them.
type TrailFilter struct {
	Actor, Action, Subject string
	Before                 int64 // the last number of the page before; zero: the first page
	Limit                  int
}

// Gate lets nobody pass who may not, and refuses forms without the session's token.
type Gate interface {
	Require(permission access.Permission) echo.MiddlewareFunc
}

// Options configure the console. All but Erasures, Letters, Recharge, Subscriptions, Temporal and Viewer are required.
type Options struct {
	Payments Payments
	Filters  Filters
	Actions  Actions
	Runs     Runs
	Accounts Accounts
	Messages Messages
	Trail    Trail
	// Erasures is nil where there are none; then they have no page.
	Erasures    Erasures
	ErasureRuns ErasureRuns
	// Letters is nil where no subscriptions are sold; Letterhead writes their previews.
	Letters    Letters
	Letterhead *letter.Writer
	// Recharge is nil where no shop sells by it; then it has no page.
	Recharge Recharge
	// Subscriptions is nil where none are sold; then they have no pages.
	Subscriptions    Subscriptions
	SubscriptionRuns SubscriptionRuns
	// People, Presence, Invitations and Passwords serve the pages about people.
	People      People
	Presence    Presence
	Invitations Invitations
	Passwords   *access.Passwords
	Gate        Gate
	// Viewer answers who asks, behind the gate; nil is login.Viewer.
	Viewer func(c echo.Context) login.Person
	// Temporal links into Temporal's web UI; without its UI there are no links.
	Temporal Temporal
	Now      func() time.Time
	Log      zerolog.Logger
}

// Temporal is where the runs can be seen.
type Temporal struct{ UI, Namespace string }

// Handler serves the pages below /console.
type Handler struct {
	o     Options
	views *views
}

// New checks the options and parses the pages.
func New(o Options) (*Handler, error) {
	if o.Payments == nil || o.Filters == nil || o.Actions == nil || o.Runs == nil || o.Accounts == nil || o.Messages == nil ||
		o.Trail == nil || o.People == nil || o.Presence == nil || o.Invitations == nil || o.Passwords == nil || o.Gate == nil || o.Now == nil ||
		(o.Erasures == nil) != (o.ErasureRuns == nil) || (o.Letters == nil) != (o.Letterhead == nil) ||
		(o.Subscriptions == nil) != (o.SubscriptionRuns == nil) {
		return nil, errors.New("console: an option is missing")
	}
	if o.Viewer == nil {
		o.Viewer = login.Viewer
	}
	v, err := parse()
	return &Handler{o: o, views: v}, err
}

// base stands before all paths of the console.
const base = "/console"

// Routes mounts the pages.
func (h *Handler) Routes(e *echo.Echo) {
	see, act := h.o.Gate.Require(access.SeePayments), h.o.Gate.Require(access.ActOnPayments)
	e.GET(base, func(c echo.Context) error { return c.Redirect(http.StatusSeeOther, base+"/payments") })
	e.GET(base+"/", func(c echo.Context) error { return c.Redirect(http.StatusSeeOther, base+"/payments") })
	for _, f := range h.views.files {
		e.GET(f.path, f.serve)
	}
	e.GET(base+"/payments", h.list, see)
	e.POST(base+"/payments", h.search, see)
	e.POST(base+"/payments/filters", h.saveFilter, see)
	e.POST(base+"/payments/filters/:id/drop", h.dropFilter, see)
	e.GET(base+"/payments/:id", h.payment, see)
	e.POST(base+"/payments/:id/notes", h.notes, act)
	e.GET(base+"/payments/:id/act", h.confirm, act)
	e.POST(base+"/payments/:id/act", h.act, act)
	e.GET(base+"/accounts", h.accounts, see)
	e.GET(base+"/deliveries", h.deliveries, see)
	e.GET(base+"/deliveries/shopify", h.shopDeliveries, see)
	e.GET(base+"/audit", h.audit, h.o.Gate.Require(access.ReadAudit))
	e.POST(base+"/audit", h.findAudit, h.o.Gate.Require(access.ReadAudit))
	h.peopleRoutes(e)
	h.erasureRoutes(e)
	h.letterRoutes(e)
	h.rechargeRoutes(e)
	h.subscriptionRoutes(e)
}

// scripted reports a request that htmx made: it takes parts of the answer.
func scripted(c echo.Context) bool { return c.Request().Header.Get("HX-Request") == "true" }

// answer shows the page for an error and reports that it is shown.
func (h *Handler) answer(c echo.Context, err error) error {
	if c.Request().Context().Err() != nil {
		return err // whoever asked has gone; nobody reads an answer
	}
	m := message{frame: h.frame(c, ""), Alert: true, Link: base + "/payments", LinkText: "All payments"}
	status := http.StatusInternalServerError
	switch payment.ClassOf(err, payment.Bug) {
	case payment.NotFound:
		status, m.Title, m.Text = http.StatusNotFound, "Not found", "There is nothing here under this address. Search for any id of the payment."
	case payment.Invalid, payment.Unsupported:
		status, m.Title, m.Text = http.StatusUnprocessableEntity, "That cannot be done", said(err)
	case payment.Conflict:
		status, m.Title, m.Text = http.StatusConflict, "That does not fit any more", said(err)
	case payment.Unavailable, payment.RateLimited, payment.StillPending, payment.Unknown:
		status, m.Title, m.Text = http.StatusServiceUnavailable, "Please try again in a moment", "The record cannot be read just now. Nothing was moved."
	case payment.Unauthorized, payment.Bug:
		m.Title = "Something is wrong here"
		m.Text = "Nothing was moved. The log has the reason, under " + c.Response().Header().Get(echo.HeaderXRequestID) + "."
	}
	if status >= http.StatusInternalServerError {
		h.o.Log.Error().Err(err).Str("route", c.Path()).Str("request_id", c.Response().Header().Get(echo.HeaderXRequestID)).Msg("console page could not be shown")
	}
	return h.views.render(c, status, "message", m)
}

// said is what an error of ours has to say to a person.
func said(err error) string {
	if e, ok := errors.AsType[*payment.Error](err); ok {
		return sentence(e.Message)
	}
	return "It was refused."
}
