// Package webhook takes the signed messages of payment providers: one URL per
// account, verified on the raw bytes, stored before anything else happens.
package webhook

import (
	"context"
	"crypto/sha256"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/rs/zerolog"

	"tillflow/api"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

// Events is the record of providers' messages.
type Events interface {
	Account(ctx context.Context, id string) (provider string, credentials map[string]string, live bool, err error)
	// StoreEvent commits a message and says what is to be done with it.
	StoreEvent(ctx context.Context, e payment.IncomingEvent) (payment.Stored, error)
}

// Runs wakes the workflow that waits.
type Runs interface {
	SignalEvent(ctx context.Context, ref payment.EventRef) error
	StartMove(ctx context.Context, ref payment.MoveRef) error
}

// Connectors finds a connector by provider.
type Connectors interface {
	Connector(name string) (psp.Connector, error)
}

// Handler answers webhooks.
type Handler struct {
	Events     Events
	Runs       Runs
	Connectors Connectors
	Now        func() time.Time
	Log        zerolog.Logger
}

// maxBody bounds a message; providers' largest are tens of KiB.
const maxBody = 512 << 10

// Routes mounts the endpoint.
func (h *Handler) Routes(e *echo.Echo) {
	e.POST("/webhook/:provider/:account", h.receive)
}

// receive answers 200 once the message is stored. What could not be dispatched
// stays undispatched and the sweep, or the provider's repeat, dispatches it.
func (h *Handler) receive(c echo.Context) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), 4*time.Second)
	defer cancel()
	event, body, err := h.verify(ctx, c)
	if err != nil {
		return err
	}
	stored, err := h.Events.StoreEvent(ctx, incoming(c.Param("account"), event, body))
	if err != nil {
		return err
	}
	h.dispatch(ctx, event, stored)
	return c.NoContent(http.StatusOK)
}

func (h *Handler) verify(ctx context.Context, c echo.Context) (psp.Event, []byte, error) {
	body, err := api.Body(c, maxBody)
	if err != nil {
		return psp.Event{}, nil, err
	}
	name, account := c.Param("provider"), c.Param("account")
	provider, credentials, live, err := h.Events.Account(ctx, account)
	if err != nil {
		return psp.Event{}, nil, err
	}
	connector, err := h.Connectors.Connector(name)
	if err != nil || provider != name {
		return psp.Event{}, nil, api.Refuse(http.StatusNotFound, "unknown_account", "account", "no such account of this provider")
	}
	parser, ok := connector.(psp.WebhookParser)
	if !ok {
		return psp.Event{}, nil, api.Refuse(http.StatusNotFound, "no_webhooks", "provider", "this provider sends no webhooks")
	}
	event, err := parser.ParseWebhook(psp.Account{ID: account, Live: live, Credentials: credentials}, c.Request().Header, body, h.Now())
	if err != nil {
		h.Log.Warn().Str("psp", name).Str("account_id", account).Str("class", string(payment.ClassOf(err, payment.Invalid))).Msg("webhook refused")
		return psp.Event{}, nil, err
	}
	return event, body, nil
}

func incoming(account string, e psp.Event, body []byte) payment.IncomingEvent {
	sum := sha256.Sum256(body)
	in := payment.IncomingEvent{
		AccountID: account, EventID: e.ID, Type: e.Type, BodyHash: sum[:],
		AttemptID: e.AttemptID, Ref: e.Ref, PaymentRef: e.PaymentRef, At: e.At, Elsewhere: e.Elsewhere,
	}
	if e.Outcome != nil {
		o := e.Outcome
		in.State, in.Amount, in.Fee, in.ExpiresAt = o.Status.AttemptState(), o.Amount, o.Fee, o.ExpiresAt
		in.Decline, in.Code = o.Decline, o.Code
	}
	return in
}

func (h *Handler) dispatch(ctx context.Context, e psp.Event, s payment.Stored) {
	var err error
	switch {
	case s.Signal != nil:
		err = h.Runs.SignalEvent(ctx, *s.Signal)
	case s.Reversal != nil:
		err = h.Runs.StartMove(ctx, *s.Reversal)
	}
	log := h.Log.Info()
	if err != nil || s.Suspicious {
		log = h.Log.Warn().Err(err)
	}
	log.Str("event_id", e.ID).Str("type", e.Type).Str("attempt_id", e.AttemptID).Str("note", s.Note).Msg("webhook stored")
}
