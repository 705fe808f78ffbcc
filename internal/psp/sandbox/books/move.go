package books

import (
	"time"

	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// Order asks something of a checkout's money.
type Order struct {
	Account   string
	Key       string
	Hash      []byte
	Reference string
	PaymentID string
	Operation payment.Operation // OpCapture, OpVoid or OpRefund
	Amount    money.Amount
	Verdict   Verdict       // what becomes of it when the money is there
	Delay     time.Duration // of a slow one
}

// Move is an answered order.
type Move struct {
	ID        string
	PaymentID string
	Reference string
	Operation payment.Operation
	Amount    money.Amount
	Refusal   string // why nothing was done; empty: accepted
	Verdict   Verdict
	SettlesAt time.Time // from here on the result counts; zero for Never
}

// Pending reports whether the move's result does not count yet.
func (m Move) Pending(now time.Time) bool {
	return m.Verdict.Result == Never || now.Before(m.SettlesAt)
}

// Refusals: the codes of orders that the money does not allow.
const (
	NotPaid         = "not_paid"
	OtherCurrency   = "other_currency"
	AlreadyCaptured = "already_captured"
	AlreadyVoided   = "already_voided"
	HoldExpired     = payment.CodeAuthorizationExpired
	NotCaptured     = "not_captured"
	TooMuch         = "amount_too_large"
)

// Refuses says why the checkout's money at now does not allow the order; empty:
// it does. A void is allowed on a lapsed hold: the buyer has the money either way.
func (c Checkout) Refuses(o Order, now time.Time) string {
	state := c.At(now)
	switch state {
	case Open, Closed, Processing, Declined:
		return NotPaid
	case Voided:
		return AlreadyVoided
	case Held, Taken, Lapsed:
	}
	switch {
	case o.Operation == payment.OpVoid && state == Taken:
		return AlreadyCaptured
	case o.Operation == payment.OpVoid: // whatever its amount says
		return ""
	case o.Amount.Currency != c.Amount.Currency:
		return OtherCurrency
	case o.Operation == payment.OpRefund:
		return c.refusesRefund(o)
	case state != Held:
		return c.HoldEnded()
	case o.Amount.Minor > c.Rest().Minor:
		return TooMuch
	}
	return ""
}

// HoldEnded says why nothing of a payment can be captured any more.
func (c Checkout) HoldEnded() string {
	switch {
	case c.Captured == c.Amount.Minor:
		return AlreadyCaptured
	case !c.VoidedAt.IsZero():
		return AlreadyVoided
	}
	return HoldExpired
}

func (c Checkout) refusesRefund(o Order) string {
	if c.Captured == 0 {
		return NotCaptured
	}
	if o.Amount.Minor > c.Captured-c.Refunded {
		return TooMuch
	}
	return ""
}
