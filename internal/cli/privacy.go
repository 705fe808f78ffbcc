package cli

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	hookapi "tillflow/api/hook"
	"tillflow/internal/payment"
)

// privacyTerm is what Shopify gives us to serve a privacy request, from its
// receipt (shopify.dev, privacy law compliance).
const privacyTerm = 30 * 24 * time.Hour

// unserved stands where privacy requests will be served. It serves none and
// loses none: its error keeps each request stored, sealed and due, and the log
// says at every try until when a person has to have answered it.
type unserved struct{ log zerolog.Logger }

// Request implements hook.Erasures.
func (u unserved) Request(_ context.Context, r hookapi.PrivacyRequest) error {
	u.log.Error().Str("delivery_id", r.DeliveryID).Str("shop", r.Shop).Str("topic", string(r.Topic)).
		Time("received_at", r.ReceivedAt).Time("deadline", r.ReceivedAt.Add(privacyTerm)).
		Msg("a privacy request waits for a person: this build cannot serve it, and the law sets its deadline")
	return &payment.Error{
		Class: payment.Unsupported, Code: "not_available_in_this_build", Message: "privacy requests are not served by this build; the request stays stored and due",
	}
}
