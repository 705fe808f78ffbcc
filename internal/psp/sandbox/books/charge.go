package books

import (
	"time"

	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// Charge asks for money of a kept method, without its owner.
type Charge struct {
	Account     string
	Key         string
	Hash        []byte
	Reference   string
	Customer    string
	Method      string
	Amount      money.Amount
	Description string
	Delay       time.Duration // of a slow one
	// Fault is what the line makes of it, in tests; undecided: nothing.
	Fault Verdict
}

// Kept is a card that a checkout kept.
type Kept struct {
	ID       string
	Account  string
	Customer string
	// Bank is what its bank says to charges; without a decline it pays.
	Bank Bank
	// EndsAt is from when on it is expired.
	EndsAt time.Time
}

// Bank is what a kept card's bank says to charges that its owner does not watch.
type Bank struct {
	Decline payment.DeclineReason // empty: it pays
	Code    string
	Left    int // so often, and then it pays; 0: always
}

// cardLife is how many years a card lasts that is kept.
const cardLife = 3

// KeptUntil is when a card expires that is kept at a moment.
func KeptUntil(at time.Time) time.Time {
	return time.Date(at.Year()+cardLife, at.Month()+1, 1, 0, 0, 0, 0, time.UTC)
}

// LastMonth is the last one in which the card works.
func (k Kept) LastMonth() (year int, month time.Month) {
	last := k.EndsAt.UTC().Add(-time.Nanosecond)
	return last.Year(), last.Month()
}

// Label is by which its owner knows the card.
func (Kept) Label() string { return "sandbox 4242" }

// MethodGone is the code of a charge whose method is not its customer's (any more).
const MethodGone = "method_gone"

// Says is what becomes of a charge at now. The end of the card goes before the
// magic amount, and that before what its owner chose for later; struck says that
// it was the latter.
func (k Kept) Says(c Charge, now time.Time) (v Verdict, struck bool) {
	switch {
	case k.ID == "" || k.Customer != c.Customer:
		return Verdict{Result: Failure, Decline: payment.NotSupported, Code: MethodGone}, false
	case !now.Before(k.EndsAt):
		return Verdict{Result: Failure, Decline: payment.ExpiredCard, Code: "expired_card"}, false
	case c.Fault != Verdict{}:
		return c.Fault, false
	}
	if v, magic := MagicCharge(c.Amount); magic {
		return v, false
	}
	if k.Bank.Decline != "" {
		return Verdict{Result: Failure, Decline: k.Bank.Decline, Code: k.Bank.Code}, true
	}
	return Verdict{Result: Success}, false
}

// MagicCharge is what becomes of a charge of this amount, whatever the card is;
// ok is false for amounts about which the card decides. The table is in the
// documentation of the sandbox package.
func MagicCharge(amount money.Amount) (v Verdict, ok bool) {
	no := func(reason payment.DeclineReason, code string) (Verdict, bool) {
		return Verdict{Result: Failure, Decline: reason, Code: code}, true
	}
	switch amount.Minor % 1000 {
	case 111:
		return no(payment.DeclinedOther, "generic_decline")
	case 112:
		return no(payment.InsufficientFunds, "insufficient_funds")
	case 113:
		return no(payment.LostOrStolen, "stolen_card")
	case 114:
		return no(payment.ExpiredCard, "expired_card")
	case 115:
		return no(payment.AuthenticationFailed, "authentication_required")
	}
	return Magic(amount)
}
