// Package hook takes the webhooks of Shopify: verified on the raw bytes, stored as one row, answered in milliseconds. What they
// mean is acted on later by the [Dispatcher], so that nothing behind it can make Shopify wait: it gives up after five seconds and
// deletes a subscription that failed eight times.
package hook

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/rs/zerolog"

	"tillflow/api"
	"tillflow/internal/shopify/app"
	"tillflow/internal/shopify/hook"
)

// Deliveries is the record of webhooks.
type Deliveries interface {
	// StoreDelivery commits a message; false if it was stored before.
	StoreDelivery(ctx context.Context, d app.Delivery) (bool, error)
}

// Handler answers webhooks of all our apps at one address: the key that fits says whose it is.
type Handler struct {
	// Keys are the client secrets of our apps, two of an app during a rotation.
	Keys       []hook.Key
	Deliveries Deliveries
	// Soon, if set, is told that there is something to dispatch. It must not block.
	Soon func()
	Now  func() time.Time
	Log  zerolog.Logger
}

// budget is for everything, below the five seconds that Shopify waits.
const budget = 3 * time.Second

// Path is where Shopify's webhooks arrive.
const Path = "/webhook/shopify"

// Routes mounts the endpoint.
func (h *Handler) Routes(e *echo.Echo) {
	e.POST(Path, h.receive)
}

// receive answers 200 once the message is stored, now or before, whatever its topic: anything else counts as a failed delivery.
func (h *Handler) receive(c echo.Context) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), budget)
	defer cancel()
	body, err := api.Body(c, hook.MaxBody)
	if err != nil {
		return err
	}
	d, err := hook.Verify(h.Keys, c.Request().Header, body, h.Now())
	if err != nil {
		h.Log.Warn().Str("reason", err.Error()).Msg("shopify webhook refused")
		return refusal(err)
	}
	fresh, err := h.Deliveries.StoreDelivery(ctx, d)
	if err != nil {
		return err
	}
	if fresh && h.Soon != nil {
		h.Soon()
	}
	h.Log.Info().Str("shop", d.Shop).Str("app", string(d.App)).Str("topic", string(d.Topic)).Str("webhook_id", d.WebhookID).
		Bool("repeat", !fresh).Msg("shopify webhook stored")
	return c.NoContent(http.StatusOK)
}

func refusal(err error) error {
	if errors.Is(err, hook.ErrSignature) {
		return api.Refuse(http.StatusUnauthorized, "bad_signature", "X-Shopify-Hmac-Sha256", err.Error())
	}
	if f, ok := errors.AsType[*hook.FieldError](err); ok {
		return api.Refuse(http.StatusBadRequest, "invalid_webhook", f.Field, f.Reason)
	}
	return err
}
