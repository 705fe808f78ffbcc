package store

import (
	"tillflow/internal/ledger"
	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// bookMove books what a capture, void or refund has moved; was is the state that
// its attempt comes from.
func (r *record) bookMove(o *operationRow, a *attemptRow, was payment.AttemptState) error {
	root, err := r.rootOf(o)
	if err != nil {
		return err
	}
	switch o.Kind {
	case payment.OpCapture:
		return r.bookCaptured(a, root)
	case payment.OpVoid:
		return r.endHold(root, payment.Voided, "")
	case payment.OpRefund:
		return r.bookRefunded(a, was)
	case payment.OpCharge, payment.OpReversal, payment.OpDispute:
	}
	return bug("operation", "a %s is not booked as a move", o.Kind)
}

// bookCaptured books the money of a capture as taken out of the hold. What was
// taken beyond it, or after it had ended, is booked as a charge. Where the
// provider lets go of what a capture leaves, that is booked too.
func (r *record) bookCaptured(a, root *attemptRow) error {
	took, books := a.actual(), r.books(root)
	if root.holds() && took.Currency == root.ActualCurrency {
		rest, err := r.heldRest(root, a)
		if err != nil {
			return err
		}
		within := took
		if took.Minor > rest.Minor {
			within = rest
		}
		if within.IsPositive() {
			if err := r.post(a, ledger.KindCapture, within, books.CaptureAuthorized); err != nil {
				return err
			}
		}
		if took, err = took.Sub(within); err == nil {
			rest, err = rest.Sub(within)
		}
		if err != nil {
			return bug("amount", "what was taken beyond a hold cannot be reckoned")
		}
		if err := r.endIfReleased(root, rest); err != nil {
			return err
		}
	}
	if took.IsZero() {
		return nil
	}
	return r.post(a, ledger.KindCharge, took, books.Charge)
}

// endIfReleased ends a hold of which nothing is left, or whose provider gives
// back what a capture leaves.
func (r *record) endIfReleased(root *attemptRow, rest money.Amount) error {
	if rest.IsPositive() && !r.s.holds(root.Provider).RestReleased {
		return nil
	}
	return r.endHold(root, payment.Voided, "")
}

// release books the rest of a hold as let go, once for a hold.
func (r *record) release(root *attemptRow, rest money.Amount) error {
	return r.post(root, ledger.KindRelease, rest, r.books(root).ReleaseAuthorization)
}

// bookPending books a refund that the provider has accepted.
func (r *record) bookPending(a *attemptRow) error {
	return r.post(a, ledger.KindRefundPending, a.asked(), r.books(a).RefundPending)
}

// bookRefunded books a refund as given back: out of transit if it was pending
// with this amount, else at once.
func (r *record) bookRefunded(a *attemptRow, was payment.AttemptState) error {
	books := r.books(a)
	if was != payment.Working {
		return r.post(a, ledger.KindRefund, a.actual(), books.Refund)
	}
	if a.actual() == a.asked() {
		return r.post(a, ledger.KindRefundSettled, a.asked(), books.RefundSettled)
	}
	if err := r.post(a, ledger.KindRefundDropped, a.asked(), books.RefundDropped); err != nil {
		return err
	}
	return r.post(a, ledger.KindRefund, a.actual(), books.Refund)
}

// bookBack books back what a refund's earlier states have booked. Captures and
// voids book nothing before they are done, and stay done.
func (r *record) bookBack(a *attemptRow, was payment.AttemptState) error {
	if !a.returns() {
		return nil
	}
	switch was {
	case payment.Working:
		return r.post(a, ledger.KindRefundDropped, a.asked(), r.books(a).RefundDropped)
	case payment.Done:
		return r.post(a, ledger.KindRefundFailed, a.actual(), r.books(a).RefundFailed)
	case payment.Allocated, payment.Sent, payment.Doubtful, payment.Open, payment.Held,
		payment.Declined, payment.Closed, payment.NotDone:
	}
	return nil
}

// bookRefund books a refund made elsewhere as it stands; was is how it stood.
func (r *record) bookRefund(a *attemptRow, was payment.AttemptState) error {
	if a.State == payment.Working {
		return r.bookPending(a)
	}
	if a.State == payment.Done {
		return r.bookRefunded(a, was)
	}
	return r.bookBack(a, was)
}

// bookDispute books a dispute as it stands: open, lost, or won, which is its end
// in either direction. One that is lost when we first hear of it was open before;
// one that is won then took nothing that we know of.
func (r *record) bookDispute(a *attemptRow, was payment.AttemptState) error {
	books, amount, first := r.books(a), a.asked(), was != payment.Working && was != payment.Done
	lost := a.State == payment.Done
	if a.State == payment.Working || lost && first {
		if err := r.post(a, ledger.KindDispute, amount, books.Dispute); err != nil {
			return err
		}
	}
	switch {
	case lost:
		return r.post(a, ledger.KindDisputeLost, amount, books.DisputeLost)
	case a.State == payment.Working, first:
		return nil
	case was == payment.Done:
		return r.post(a, ledger.KindDisputeReinstated, amount, books.DisputeReinstated)
	}
	return r.post(a, ledger.KindDisputeWon, amount, books.DisputeWon)
}
