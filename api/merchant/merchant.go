// Package merchant is /api/v1: one API over all providers for merchants'
// developers. Create, read and expire a payment; capture, void and refund it;
// make plans, subscribe customers to them, and ask whether one is paid up.
package merchant

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"github.com/rs/zerolog"

	"tillflow/api"
	"tillflow/internal/access"
	"tillflow/internal/flow"
	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// Records is the record of a merchant's payments.
type Records interface {
	// FindAPIKey finds an API key by its hash; payment.Unauthorized for one that is unknown or has ended.
	FindAPIKey(ctx context.Context, hash []byte) (access.APIKey, error)
	AcceptSession(ctx context.Context, s payment.Session) (payment.Accepted, error)
	// PaymentByRef reads a merchant's payment; payment.NotFound for an unknown ref.
	PaymentByRef(ctx context.Context, shop, ref string) (payment.Summary, error)
	// AcceptMove commits a request to capture, void or refund, or answers the one that stands.
	AcceptMove(ctx context.Context, s payment.MoveSession) (payment.AcceptedMove, error)
	// MovesByRef reads what was asked for of a merchant's payment, in order of receipt; only the requests of that id
	// unless it is empty. An unknown payment has none.
	MovesByRef(ctx context.Context, shop, ref, id string) ([]payment.AcceptedMove, error)
	// InsertAction writes what an authenticated caller wants done, and notes it in the audit.
	InsertAction(ctx context.Context, a payment.Action) (string, error)
}

// Runs starts workflows and asks charges.
type Runs interface {
	StartSoon(ref payment.RunRef)
	StartMoveSoon(ref payment.MoveRef)
	// StartCharge makes sure that a run exists; Act hands it an action.
	StartCharge(ctx context.Context, ref payment.RunRef) error
	Act(ctx context.Context, workflowID, update, actionID string) (flow.ActionResult, error)
}

// Handler answers /api/v1.
type Handler struct {
	Records    Records
	Runs       Runs
	Providers  func(payment.Kind) []string
	Link       func(token string) string
	Resolution time.Duration
	Now        func() time.Time
	Log        zerolog.Logger

	// Subscriptions is nil where none are sold; then they have no endpoints.
	Subscriptions    Subscriptions
	SubscriptionRuns SubscriptionRuns
	// Keepers lists the providers that can charge a method that a buyer has left.
	Keepers func() []string
	// Page is the customer's own page of a subscription.
	Page func(id string) (string, error)
}

const (
	maxBody   = 64 << 10
	maxRef    = 100
	maxKey    = 255
	maxText   = 200
	maxLocale = 35 // RFC 5646, section 4.4.1
)

// answerWithin bounds a whole request, below the server's write timeout: a
// database or a run that does not answer becomes a 503 that the caller reads.
const answerWithin = 10 * time.Second

// Routes mounts the endpoints.
func (h *Handler) Routes(e *echo.Echo) {
	g := e.Group("/api/v1", h.authenticate)
	write, read := h.needs(access.WritePaymentScope), h.needs(access.ReadPaymentScope)
	g.POST("/payment", h.create, write)
	g.GET("/payment", h.read, read)
	g.POST("/payment/expire", h.expire, write)
	g.POST("/payment/capture", h.capture, write)
	g.POST("/payment/void", h.void, write)
	g.POST("/payment/refund", h.refund, write)
	g.GET("/payment/move", h.moves, read)
	if h.Subscriptions != nil {
		h.subscriptionRoutes(g)
	}
}

func (h *Handler) subscriptionRoutes(g *echo.Group) {
	write, read := h.needs(access.WriteSubscriptionScope), h.needs(access.ReadSubscriptionScope)
	plans := h.needs(access.WritePlanScope)
	g.POST("/plan", h.createPlan, plans)
	g.POST("/plan/update", h.updatePlan, plans)
	g.POST("/plan/retire", h.retirePlan, plans)
	g.GET("/plan", h.plan, read)
	g.GET("/plans", h.plans, read)
	g.POST("/subscription", h.subscribe, write)
	g.GET("/subscription", h.subscription, read)
	g.GET("/subscriptions", h.subscriptions, read)
	g.GET("/entitlement", h.entitlement, read)
	g.POST("/subscription/pause", h.pause, write)
	g.POST("/subscription/resume", h.resume, write)
	g.POST("/subscription/skip", h.skip, write)
	g.POST("/subscription/change", h.change, write)
	g.POST("/subscription/cancel", h.cancelSubscription, write)
	g.POST("/subscription/withdraw", h.withdraw, write)
	g.POST("/subscription/retry", h.retry, write)
}

// createRequest is the body of POST /payment. Unknown members are refused.
type createRequest struct {
	Ref         string          `json:"ref"`
	Amount      string          `json:"amount"` // decimal, "12.30"
	Currency    string          `json:"currency"`
	Kind        payment.Kind    `json:"kind"` // sale (default) or authorization
	Test        bool            `json:"test"`
	ReturnURL   string          `json:"return_url"`
	CancelURL   string          `json:"cancel_url"`
	Description string          `json:"description"`
	Locale      string          `json:"locale"`
	Country     string          `json:"country"`  // of the buyer: picks the options; may be empty
	Customer    json.RawMessage `json:"customer"` // any object, also null; kept in the vault
}

// answer is what every endpoint says about a payment.
type answer struct {
	ID       string                `json:"id"`
	Ref      string                `json:"ref"`
	URL      string                `json:"url"`
	State    payment.State         `json:"state"`
	Final    payment.Final         `json:"final,omitempty"`
	Reason   payment.DeclineReason `json:"reason,omitempty"`
	Amount   string                `json:"amount"`
	Currency money.Currency        `json:"currency"`
	Kind     payment.Kind          `json:"kind"`
	Test     bool                  `json:"test"`
	Created  time.Time             `json:"created_at"`
	Deadline time.Time             `json:"deadline_at"`
}

// create accepts a payment. The same ref with the same content answers the same
// payment; with other content it is refused and the first stays.
func (h *Handler) create(c echo.Context) error {
	body, err := api.Body(c, maxBody)
	if err != nil {
		return err
	}
	session, err := h.session(c, body)
	if err != nil {
		return err
	}
	accepted, err := h.Records.AcceptSession(c.Request().Context(), session)
	if err != nil {
		return readable(err)
	}
	if accepted.New {
		h.Runs.StartSoon(payment.RunRef{
			PaymentID: accepted.PaymentID, Source: session.Source, Shop: session.Shop, ExternalID: session.ExternalID,
			Kind: session.Kind, Amount: session.Amount, Test: session.Test, ReceivedAt: accepted.ReceivedAt,
		})
	}
	status := http.StatusCreated
	if !accepted.New {
		status = http.StatusOK
	}
	summary, err := h.Records.PaymentByRef(c.Request().Context(), session.Shop, session.ExternalID)
	if err != nil {
		return err
	}
	return c.JSON(status, h.answer(summary))
}

func (h *Handler) session(c echo.Context, body []byte) (payment.Session, error) {
	var in createRequest
	if err := strict(body, &in); err != nil {
		return payment.Session{}, err
	}
	amount, err := in.check()
	if err != nil {
		return payment.Session{}, err
	}
	buyer, err := in.buyerKey()
	if err != nil {
		return payment.Session{}, err
	}
	key := c.Request().Header.Get("Idempotency-Key")
	if err := plain("Idempotency-Key", key, maxKey); err != nil {
		return payment.Session{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return payment.Session{}, payment.Errorf(payment.Unavailable, "no random id: %w", err)
	}
	sum := sha256.Sum256(body)
	now := h.Now()
	return payment.Session{
		ID: id.String(), Source: payment.SourceAPI, Shop: callerOf(c).Shop, ExternalID: in.Ref, Kind: in.Kind, Amount: amount,
		Test: in.Test, Token: rand.Text(), CancelURL: in.CancelURL, ReturnURL: in.ReturnURL, Locale: in.Locale, Country: in.Country,
		Description: in.Description, Providers: h.Providers(in.Kind), Buyer: in.Customer, BuyerKey: buyer,
		IdempotencyKey: key, RequestHash: sum[:], ReceivedAt: now, DeadlineAt: now.Add(h.Resolution),
	}, nil
}

// read answers how a payment stands.
func (h *Handler) read(c echo.Context) error {
	ref := c.QueryParam("ref")
	if err := checkRef(ref); err != nil {
		return err
	}
	summary, err := h.Records.PaymentByRef(c.Request().Context(), callerOf(c).Shop, ref)
	if err != nil {
		return readable(err)
	}
	return c.JSON(http.StatusOK, h.answer(summary))
}

type expireRequest struct {
	Ref string `json:"ref"`
}

// expire ends a payment: the provider's checkout is shut first, and what was
// paid before that counts.
func (h *Handler) expire(c echo.Context) error {
	body, err := api.Body(c, maxBody)
	if err != nil {
		return err
	}
	var in expireRequest
	if err := strict(body, &in); err != nil {
		return err
	}
	if err := checkRef(in.Ref); err != nil {
		return err
	}
	ctx, who := c.Request().Context(), callerOf(c)
	summary, err := h.Records.PaymentByRef(ctx, who.Shop, in.Ref)
	if err != nil {
		return readable(err)
	}
	if summary.Final == payment.Undecided {
		action := payment.Action{PaymentID: summary.Run.PaymentID, Actor: actorOf(who), Action: "expire", At: h.Now()}
		if action.ID, err = h.Records.InsertAction(ctx, action); err != nil {
			return err
		}
		if err := h.Runs.StartCharge(ctx, summary.Run); err != nil {
			return err
		}
		run := flow.ChargeID(summary.Run.Source, summary.Run.Shop, summary.Run.ExternalID)
		if _, err := h.Runs.Act(ctx, run, flow.UpdateExpire, action.ID); err != nil && payment.ClassOf(err, payment.Unavailable) != payment.NotFound {
			return err
		}
		if summary, err = h.Records.PaymentByRef(ctx, who.Shop, in.Ref); err != nil {
			return err
		}
	}
	return c.JSON(http.StatusOK, h.answer(summary))
}

func (h *Handler) answer(s payment.Summary) answer {
	r := s.Run
	return answer{
		ID: r.PaymentID, Ref: r.ExternalID, URL: h.Link(s.Token), State: s.State, Final: s.Final, Reason: s.FinalReason,
		Amount: r.Amount.Decimal(), Currency: r.Amount.Currency, Kind: r.Kind, Test: r.Test, Created: r.ReceivedAt, Deadline: s.DeadlineAt,
	}
}

// readable names the field that a refused request should change.
func readable(err error) error {
	e, ok := errors.AsType[*payment.Error](err)
	if !ok {
		return err
	}
	switch {
	case e.Code == "unknown_shop":
		return api.Refuse(http.StatusForbidden, e.Code, "Authorization", "the shop of this key takes no payments")
	case e.Class == payment.NotFound:
		return api.Refuse(http.StatusNotFound, "unknown_ref", "ref", "no payment of yours has this ref")
	case e.Code == "idempotency_key_reused":
		return api.Refuse(http.StatusConflict, e.Code, "Idempotency-Key", "this key was used with another body; nothing was done")
	case e.Class == payment.Conflict:
		return api.Refuse(http.StatusConflict, e.Code, "ref", "this ref stands for another payment: "+e.Message)
	}
	return err
}
