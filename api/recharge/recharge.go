// Package recharge takes the webhooks of Recharge: one address per shop, verified on the raw bytes, stored as one row, answered in
// milliseconds. Recharge gives up after five seconds, and deletes a subscription that was not answered for two days. What a
// message says is acted on by the next visit of the store, which reads the charge itself.
package recharge

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/rs/zerolog"

	"tillflow/api"
	"tillflow/internal/payment"
	"tillflow/internal/recharge"
)

// Deliveries is the record of webhooks.
type Deliveries interface {
	// RechargeHook opens the credentials of the shop that an address names; payment.NotFound while it is not connected.
	RechargeHook(ctx context.Context, hook string) (shop string, c recharge.Credentials, err error)
	// StoreRechargeDelivery commits a message; false if it was stored before.
	StoreRechargeDelivery(ctx context.Context, a recharge.Arrived) (bool, error)
}

// Handler answers webhooks.
type Handler struct {
	Deliveries Deliveries
	Now        func() time.Time
	Log        zerolog.Logger
}

const (
	// Path is where a shop's webhooks arrive; its hook follows.
	Path = "/webhook/recharge/"
	// maxBody bounds a message: a charge with its lines is below 16 KiB.
	maxBody = 512 << 10
	// budget is for everything, below the five seconds that Recharge waits.
	budget = 3 * time.Second
)

// Routes mounts the endpoint.
func (h *Handler) Routes(e *echo.Echo) {
	e.POST(Path+":hook", h.receive)
}

// receive answers 200 once the message is stored, now or before, whatever its topic: anything else counts as a failed delivery.
func (h *Handler) receive(c echo.Context) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), budget)
	defer cancel()
	body, err := api.Body(c, maxBody)
	if err != nil {
		return err
	}
	shop, credentials, err := h.Deliveries.RechargeHook(ctx, c.Param("hook"))
	if err != nil {
		return err
	}
	if err := recharge.VerifyWebhook(c.Request().Header, body, credentials.Secret, h.Now()); err != nil {
		h.Log.Warn().Str("shop", shop).Str("reason", err.Error()).Msg("recharge webhook refused")
		return refusal(err)
	}
	d, err := recharge.ReadDelivery(c.Request().Header, body)
	if err != nil {
		h.Log.Warn().Str("shop", shop).Str("class", string(payment.ClassOf(err, payment.Invalid))).Msg("recharge webhook cannot be read")
		return api.Refuse(http.StatusBadRequest, "invalid_webhook", "body", "it names no topic, or no object that it is about")
	}
	fresh, err := h.Deliveries.StoreRechargeDelivery(ctx, recharge.Arrived{Shop: shop, Key: d.Key, Topic: d.Topic, Object: d.Object, ObjectID: d.ID})
	if err != nil {
		return err
	}
	h.Log.Info().Str("shop", shop).Str("topic", string(d.Topic)).Str("object", d.Object).Int64("object_id", d.ID).Bool("repeat", !fresh).
		Msg("recharge webhook stored")
	return c.NoContent(http.StatusOK)
}

func refusal(err error) error {
	reason := "the signature is not of this body under the shop's client secret"
	switch {
	case errors.Is(err, recharge.ErrUnsigned):
		reason = "there is no signature"
	case errors.Is(err, recharge.ErrStale):
		reason = "the signature is too old, or from the future"
	case errors.Is(err, recharge.ErrMalformed):
		reason = "the signature cannot be read"
	}
	return api.Refuse(http.StatusUnauthorized, "bad_signature", "X-Recharge-Webhook-Signature", reason)
}
