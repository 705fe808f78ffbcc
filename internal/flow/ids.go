package flow

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"tillflow/internal/payment"
)

// Queue is the task queue of every payment workflow and activity.
const Queue = "payments"

// maxID is the longest workflow id that Temporal stores on PostgreSQL.
const maxID = 255

// ChargeID is the workflow id of a charge: equal request, equal id. A renewal's
// names the subscription and the charge, so that nobody can have two runs collect
// one period.
func ChargeID(source, shop, externalID string) string {
	if source == payment.SourceRenewal {
		subscriptionID, key, _ := payment.SplitChargeRef(externalID)
		return join(opRenewal, payment.SourceAPI, shop, subscriptionID, key)
	}
	return join(string(payment.OpCharge), source, shop, externalID)
}

// MoveID is the workflow id of a capture, void or refund, named by its session's
// external id, or of a reversal, named by the provider's reference of the money.
func MoveID(ref payment.MoveRef) string {
	return join(string(ref.Kind), ref.Source, ref.Shop, ref.ExternalRef)
}

// ReversalID is MoveID for who knows only the reference.
func ReversalID(source, shop, providerRef string) string {
	return MoveID(payment.MoveRef{Kind: payment.OpReversal, Source: source, Shop: shop, ExternalRef: providerRef})
}

// SubscriptionID is the workflow id of a subscription.
func SubscriptionID(shop, id string) string { return join(opSubscription, payment.SourceAPI, shop, id) }

// SweepID is the workflow id, and schedule id, of the sweep.
const SweepID = "sweep"

func join(parts ...string) string {
	for i, p := range parts {
		parts[i] = safe(p)
	}
	id := strings.Join(parts, "/")
	if len(id) <= maxID {
		return id
	}
	// Too long for the index: the readable head stays, a hash keeps it unique.
	sum := sha256.Sum256([]byte(id))
	return id[:maxID-33] + "-" + hex.EncodeToString(sum[:16])
}

// safe keeps letters, digits and a few marks; everything else becomes %XX, so
// that two different texts never become one id.
func safe(text string) string {
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9',
			c == '-', c == '_', c == '.', c == '=', c == '+', c == ':':
			b.WriteByte(c)
		default:
			b.WriteString("%" + strings.ToUpper(hex.EncodeToString([]byte{c})))
		}
	}
	return b.String()
}
