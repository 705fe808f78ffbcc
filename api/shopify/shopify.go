// Package shopify answers the session requests that Shopify sends over mutual
// TLS. The client certificate is their only authentication: this package's
// routes belong on that listener alone.
package shopify

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"github.com/rs/zerolog"

	"tillflow/api"
	"tillflow/internal/payment"
	"tillflow/internal/shopify"
)

// Sessions is the record of accepted sessions.
type Sessions interface {
	// AcceptSession commits a session or answers the one that stands. An equal
	// session is answered alike; a different one under the same id is a
	// payment.Conflict and the first stays.
	AcceptSession(ctx context.Context, s payment.Session) (payment.Accepted, error)
	// AcceptMove does the same for a request to refund, capture or void. What is
	// wrong with what it asks for is no error here.
	AcceptMove(ctx context.Context, s payment.MoveSession) (payment.AcceptedMove, error)
}

// Starter starts the workflow of an accepted session, some time soon. The row
// is the acceptance: a start that fails is made up for by the sweep.
type Starter interface {
	StartSoon(ref payment.RunRef)
	StartMoveSoon(ref payment.MoveRef)
}

// Handler answers session requests.
type Handler struct {
	Sessions   Sessions
	Starter    Starter
	Providers  func(payment.Kind) []string // that cover a kind
	Link       func(token string) string   // the buyer's page
	Resolution time.Duration
	Now        func() time.Time
	Log        zerolog.Logger
}

// answerWithin bounds the whole request. Shopify publishes no limit; single
// digits of seconds are known, so we give up well before.
const answerWithin = 2500 * time.Millisecond

// Routes mounts the session endpoints.
func (h *Handler) Routes(e *echo.Echo) {
	e.POST("/shopify/payment_session", h.payment)
	e.POST("/shopify/refund_session", h.move(payment.OpRefund))
	e.POST("/shopify/capture_session", h.move(payment.OpCapture))
	e.POST("/shopify/void_session", h.move(payment.OpVoid))
}

type redirect struct {
	RedirectURL string `json:"redirect_url"`
}

// payment accepts a payment session. The answer is our own link: identical on
// every repeat, and no provider is called.
func (h *Handler) payment(c echo.Context) error {
	body, err := api.Body(c, shopify.MaxSessionBody)
	if err != nil {
		return err
	}
	session, err := shopify.ParsePaymentSession(c.Request().Header, body)
	if err != nil {
		return refusal(err)
	}
	row, err := h.row(session)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), answerWithin)
	defer cancel()
	accepted, err := h.Sessions.AcceptSession(ctx, row)
	if err != nil {
		return h.refused(sender{session.ShopDomain, session.ID, session.RequestID}, err)
	}
	if accepted.New {
		h.Starter.StartSoon(payment.RunRef{
			PaymentID: accepted.PaymentID, Source: row.Source, Shop: row.Shop, ExternalID: row.ExternalID,
			Kind: row.Kind, Amount: row.Amount, Test: row.Test, ReceivedAt: accepted.ReceivedAt,
		})
	}
	return c.JSON(http.StatusOK, redirect{RedirectURL: h.Link(accepted.Token)})
}

func (h *Handler) row(s shopify.PaymentSession) (payment.Session, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return payment.Session{}, payment.Errorf(payment.Unavailable, "no random id: %w", err)
	}
	now := h.Now()
	buyer := s.Customer.Email
	if buyer == "" {
		buyer = s.Customer.Phone
	}
	return payment.Session{
		ID: id.String(), Source: payment.SourceShopify, Shop: s.ShopDomain, ExternalID: s.ID, GID: s.GID, Group: s.Group,
		Kind: s.Kind, Amount: s.Amount, Test: s.Test, Token: rand.Text(), CancelURL: s.CancelURL,
		Locale: s.MerchantLocale, Country: s.Customer.Country, Description: "Order at " + s.ShopDomain, Providers: h.Providers(s.Kind),
		Buyer: s.Customer.Raw, BuyerKey: buyer, ReceivedAt: now, DeadlineAt: now.Add(h.Resolution),
	}, nil
}

// sender names a session request in the log.
type sender struct{ shop, session, request string }

// refused keeps Shopify's limits: a different session is loud, an account that
// is missing is the merchant's to mend.
func (h *Handler) refused(from sender, err error) error {
	e, ok := errors.AsType[*payment.Error](err)
	if !ok {
		return err
	}
	log := h.Log.Warn().Str("shop", from.shop).Str("session", from.session).Str("shopify_request_id", from.request).Str("code", e.Code)
	switch e.Class {
	case payment.Conflict:
		log.Str("detail", e.Message).Msg("another session came under an id that stands; the first stays")
		return api.Refuse(http.StatusConflict, "different_session", "id", "this id was accepted with other content: "+e.Message)
	case payment.NotFound:
		log.Msg("session of a shop that is not installed")
		return api.Refuse(http.StatusForbidden, "unknown_shop", "Shopify-Shop-Domain", "is not a shop that has installed this app")
	case payment.Invalid:
		log.Msg("session that no account of the shop can serve")
		return api.Refuse(http.StatusUnprocessableEntity, e.Code, "", "the shop has no payment account for this kind and mode of session")
	case payment.Unauthorized, payment.RateLimited, payment.Unavailable, payment.Unknown, payment.Unsupported, payment.StillPending, payment.Bug:
	}
	return err
}

func refusal(err error) error {
	if f, ok := errors.AsType[*shopify.FieldError](err); ok {
		return api.Refuse(http.StatusBadRequest, "invalid_request", f.Field, f.Reason)
	}
	return err
}
