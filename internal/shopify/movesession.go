package shopify

import (
	"net/http"
	"time"

	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// MoveSession is Shopify's request to refund, capture or void a payment, checked for its form. Whether it is possible is not
// decided here: a zero amount, another currency or a payment that does not exist are answered by the reject mutation.
type MoveSession struct {
	// Kind is payment.OpRefund, payment.OpCapture or payment.OpVoid.
	Kind payment.Operation
	// ID names the request and is its idempotency key: requests of one shop and kind with equal ids are the same request.
	ID string
	// GID is the id in mutations, such as "gid://shopify/RefundSession/{ID}".
	GID string
	// PaymentID is the id of the payment session; for captured money still that of the authorization, never of the capture.
	PaymentID string
	// Amount is zero or more; a void has none, not even a currency.
	Amount money.Amount
	// Test sessions must not move money. A void may come without it and is then false.
	Test bool
	// MerchantLocale is the merchant's language, a BCP 47 tag.
	MerchantLocale string
	ProposedAt     time.Time

	// ShopDomain, RequestID and APIVersion are as in [PaymentSession].
	ShopDomain, RequestID, APIVersion string
}

// ParseMoveSession reads the request that Shopify posts when a merchant refunds, captures or voids; the endpoint says which kind it
// must be. The rest is as in [ParsePaymentSession]: authenticated by the caller, unknown members accepted, a [*FieldError] about
// the first fault.
func ParseMoveSession(kind payment.Operation, headers http.Header, body []byte) (MoveSession, error) {
	r := &reader{}
	s := MoveSession{Kind: kind}
	s.ShopDomain, s.RequestID, s.APIVersion = r.envelope(headers)
	root := r.root(body)
	s.ID, s.GID = r.identity(root, moveResource(kind))
	s.PaymentID = r.token(root, "payment_id", maxID)
	if kind != payment.OpVoid {
		s.Amount = r.amount(root)
	}
	// Documented for refunds and captures since version 2022-01, for voids not at all.
	if kind != payment.OpVoid || root.has("test") {
		s.Test = r.boolean(root, "test")
	}
	s.MerchantLocale = r.token(root, "merchant_locale", maxLocale)
	s.ProposedAt = r.instant(root, "proposed_at")
	if r.err != nil {
		return MoveSession{}, r.err
	}
	return s, nil
}

// moveResource is the kind's name in gids. One that no endpoint serves has a name that no gid carries.
func moveResource(kind payment.Operation) string {
	switch kind {
	case payment.OpRefund:
		return "RefundSession"
	case payment.OpCapture:
		return "CaptureSession"
	case payment.OpVoid:
		return "VoidSession"
	case payment.OpCharge, payment.OpReversal, payment.OpDispute:
	}
	return "NoSession"
}
