package shopify

import (
	"math/big"
	"time"
)

// moveObjection refuses to book a refund, capture or void that cannot have happened: no shop gives back more than
// was taken, or takes more than was held, whatever the app tells it. Rejecting is always possible.
func (sh *shop) moveObjection(op operation, session *Session) *problem {
	if op.moves != StateResolved {
		return nil
	}
	if why := sh.excess(session); why != "" {
		return &problem{op.late, op.on.resource() + " cannot be resolved: " + why, []string{"id"}}
	}
	return nil
}

// excess says why the session cannot have happened, empty if it can.
func (sh *shop) excess(session *Session) string {
	payment := sh.Sessions[PaymentSession.gid(session.PaymentID)]
	if payment == nil || payment.Session.State == StateRejected {
		return "there is no money of this payment"
	}
	sums := sh.movesOf(&payment.Session)
	var left *big.Rat
	switch session.Type {
	case VoidSession:
		if sums.held().Sign() <= 0 || !sums.voidedAt.IsZero() {
			return "nothing is held"
		}
		return ""
	case RefundSession:
		left = sums.unrefunded()
	case CaptureSession:
		left = sums.held()
		// What was asked for before the void may have come first and be told later.
		if !sums.voidedAt.IsZero() && sums.voidedAt.Before(session.ProposedAt) {
			left = new(big.Rat)
		}
	case PaymentSession:
		return "it moves no money of a payment"
	}
	amount, err := parseAmount(session.Amount)
	switch {
	case err != nil || amount.Sign() == 0:
		return "the amount is not positive"
	case session.Currency != payment.Session.Currency:
		return "the currency is not the payment's"
	case amount.Cmp(left) > 0:
		return "only " + formatAmount(left, session.Currency) + " " + session.Currency + " is left"
	}
	return ""
}

// sums are what the app has told about one payment. Its answers may overtake each other, so a payment or capture
// that is not answered yet counts as money that may be there.
type sums struct {
	kind                      PaymentKind
	amount                    *big.Rat
	captured, maybe, refunded *big.Rat
	voidedAt                  time.Time // zero: never
}

func (sh *shop) movesOf(payment *Session) sums {
	out := sums{
		kind: payment.Kind, amount: amountOf(payment), captured: new(big.Rat), maybe: new(big.Rat), refunded: new(big.Rat),
	}
	for _, gid := range sh.Checkouts[payment.Checkout].Sessions {
		other := &sh.Sessions[gid].Session
		if other.PaymentID != payment.ID {
			continue
		}
		switch other.Type {
		case CaptureSession:
			addMove(other, amountOf(other), out.captured, out.maybe)
		case RefundSession:
			addMove(other, amountOf(other), out.refunded, new(big.Rat))
		case VoidSession:
			if other.State == StateResolved {
				out.voidedAt = other.Final.At
			}
		case PaymentSession:
		}
	}
	return out
}

// held is what was authorized and not captured.
func (s sums) held() *big.Rat {
	if s.kind != KindAuthorization {
		return new(big.Rat)
	}
	return new(big.Rat).Sub(s.amount, s.captured)
}

// unrefunded is what was taken, or may have been, and not given back.
func (s sums) unrefunded() *big.Rat {
	taken := s.amount
	if s.kind == KindAuthorization {
		taken = new(big.Rat).Add(s.captured, s.maybe)
	}
	return new(big.Rat).Sub(taken, s.refunded)
}

// amountOf is zero for what does not parse: it can only come from a test that sends it on purpose.
func amountOf(session *Session) *big.Rat {
	amount, err := parseAmount(session.Amount)
	if err != nil {
		return new(big.Rat)
	}
	return amount
}
