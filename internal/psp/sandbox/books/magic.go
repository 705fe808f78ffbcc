package books

import (
	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// Magic is the verdict that a checkout of this amount comes to by itself after
// the sandbox's delay. ok is false for every other amount: its buyer decides.
// The table is in the documentation of the sandbox package.
func Magic(amount money.Amount) (v Verdict, ok bool) {
	switch amount.Minor % 1000 {
	case 101:
		return Verdict{Result: Success}, true
	case 102:
		return Verdict{Result: Failure, Decline: payment.InsufficientFunds, Code: "insufficient_funds"}, true
	case 103:
		return Verdict{Result: Failure, Decline: payment.AuthenticationFailed, Code: "authentication_failed"}, true
	case 104:
		return Verdict{Result: Success, Slow: true}, true
	case 105:
		return Verdict{Result: Failure, Slow: true, Decline: payment.DeclinedOther, Code: "delayed_failure"}, true
	case 106:
		return Verdict{Result: Never}, true
	}
	return Verdict{}, false
}

// Doubt is what a caller gets to know of an order that was carried out.
type Doubt string

// Doubts.
const (
	NoDoubt     Doubt = ""
	LostAnswer  Doubt = "lost answer" // only looks tell, and those after the delay
	LostForGood Doubt = "lost"        // looks tell nothing either
)

// MagicDoubt is what the caller of an order of this amount gets to know.
func MagicDoubt(amount money.Amount) Doubt {
	switch amount.Minor % 1000 {
	case 107:
		return LostAnswer
	case 108:
		return LostForGood
	}
	return NoDoubt
}

// MagicRefund is what becomes of a refund of this amount once it is accepted.
func MagicRefund(amount money.Amount) Verdict {
	switch amount.Minor % 1000 {
	case 104, 105, 106:
		v, _ := Magic(amount) // its slow ones serve refunds too
		return v
	}
	return Verdict{Result: Success}
}
