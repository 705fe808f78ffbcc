package shopify

import (
	"context"
	"net/http"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"tillflow/api"
	"tillflow/internal/payment"
	"tillflow/internal/shopify"
)

// acceptance is the one body that the Admin takes for a yes to a refund,
// capture or void session; any other, and none, shows the merchant an error.
const acceptance = `{}`

// move accepts a session of one kind. Whatever is wrong with what it asks for
// (no such payment, too much, too late) is the workflow's to answer: only the
// reject mutation tells the Admin of a refusal, an error status here would make
// Shopify repeat the request.
func (h *Handler) move(kind payment.Operation) echo.HandlerFunc {
	return func(c echo.Context) error {
		body, err := api.Body(c, shopify.MaxSessionBody)
		if err != nil {
			return err
		}
		session, err := shopify.ParseMoveSession(kind, c.Request().Header, body)
		if err != nil {
			return refusal(err)
		}
		row, err := h.moveRow(session)
		if err != nil {
			return err
		}
		accepted, err := h.acceptMove(c.Request().Context(), row)
		if err != nil {
			return h.refused(sender{session.ShopDomain, session.ID, session.RequestID}, err)
		}
		if accepted.Ref.OperationID == row.ID {
			h.Starter.StartMoveSoon(accepted.Ref)
		}
		return c.JSONBlob(http.StatusCreated, []byte(acceptance))
	}
}

// acceptMove commits the row, with a second try where the first had no answer:
// it may have committed all the same, and a 503 then invites the merchant to
// press the button again, which would be another refund.
func (h *Handler) acceptMove(ctx context.Context, row payment.MoveSession) (payment.AcceptedMove, error) {
	try := func() (payment.AcceptedMove, error) {
		ctx, cancel := context.WithTimeout(ctx, answerWithin/2)
		defer cancel()
		return h.Sessions.AcceptMove(ctx, row)
	}
	accepted, err := try()
	if err != nil && payment.ClassOf(err, payment.Unavailable) == payment.Unavailable {
		return try()
	}
	return accepted, err
}

func (h *Handler) moveRow(s shopify.MoveSession) (payment.MoveSession, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return payment.MoveSession{}, payment.Errorf(payment.Unavailable, "no random id: %w", err)
	}
	return payment.MoveSession{
		ID: id.String(), Source: payment.SourceShopify, Shop: s.ShopDomain, Kind: s.Kind, ExternalID: s.ID, GID: s.GID,
		PaymentRef: s.PaymentID, Amount: s.Amount, Test: s.Test, Locale: s.MerchantLocale, ReceivedAt: h.Now(),
	}, nil
}
