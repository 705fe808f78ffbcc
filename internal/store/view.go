package store

import (
	"context"
	"time"

	"tillflow/internal/payment"
)

// LoadCharge reads a payment as its workflow sees it. It writes nothing.
func (s *Store) LoadCharge(ctx context.Context, paymentID string) (payment.View, error) {
	const action = "load charge"
	if err := known("payment", paymentID); err != nil {
		return payment.View{}, failure(action, err)
	}
	r, err := s.read(ctx, byPayment, paymentID)
	if err != nil {
		return payment.View{}, failure(action, err)
	}
	return r.view(), nil
}

// view condenses the record.
func (r *record) view() payment.View {
	v := payment.View{
		State: r.p.State, Final: r.p.Final, FinalReason: r.p.FinalReason,
		Told: r.p.ToldAt != nil, Refused: r.p.TellRefused != "", RefusedWait: r.refusedWait(),
		PendingTold: r.p.PendingAt != nil, Closed: r.p.ClosedAt != nil,
		Wanted: r.wanted(), Left: r.left(), Shut: r.p.Shut, Operator: r.p.Operator,
	}
	for _, a := range r.attempts {
		if a.Operation == payment.OpCharge {
			v.Provider = a.Provider
		}
		if r.isWinner(a) {
			v.Winner = a.ID
		}
	}
	for _, a := range r.unfinished() {
		v.Unfinished = append(v.Unfinished, a.brief())
	}
	for _, o := range r.operations {
		if o.Kind == payment.OpReversal && o.State == operationOpen {
			v.Reversals = append(v.Reversals, payment.Reversal{OperationID: o.ID, ExternalRef: o.ExternalRef})
		}
	}
	return v
}

// refusedWait is the time left until the money goes back after the shop has
// refused our answer; before a refusal the shop's whole time.
func (r *record) refusedWait() time.Duration {
	if r.p.RefusedAt == nil {
		return r.p.RefusedDefault
	}
	return max(r.p.RefusedAt.Add(r.p.RefusedDefault).Sub(r.now), 0)
}

// unfinished lists the charge's attempts of which more is expected: at most one.
func (r *record) unfinished() []*attemptRow {
	var list []*attemptRow
	for _, a := range r.attempts {
		if a.Operation == payment.OpCharge && !a.State.Decided() {
			list = append(list, a)
		}
	}
	return list
}

// working reports whether the provider works on the buyer's money, as it may
// from the moment on at which a kept method is charged. Until that is decided
// nobody may open another checkout or leave.
func (r *record) working() bool {
	for _, a := range r.unfinished() {
		if a.State == payment.Working || a.MethodID != nil {
			return true
		}
	}
	return false
}

// wentBack reports whether an attempt's money is back or on its way: a reversal
// stands, or refunds and disputes took all of it, or its hold is over.
func (r *record) wentBack(a *attemptRow) bool {
	if r.reversalOf(a) != nil {
		return true
	}
	p, err := r.purse(a)
	if err != nil {
		return false
	}
	_, amount, err := p.wayBack()
	return err == nil && !amount.IsPositive()
}

// unreturned lists the charge's attempts whose money is here and not on its way
// back. Beside the winner these are successes of a wrong amount.
func (r *record) unreturned() []*attemptRow {
	var list []*attemptRow
	for _, a := range r.attempts {
		if a.Operation == payment.OpCharge && a.State.Succeeded() && !r.wentBack(a) {
			list = append(list, a)
		}
	}
	return list
}

// hasLeft reports whether the buyer asked to leave after the last choice.
func (r *record) hasLeft() bool { return r.p.LeftSeq > 0 && r.p.LeftSeq == r.p.ChoiceSeq }

// left reports whether a checkout must be shut because the buyer left it. What
// the provider works on cannot be left.
func (r *record) left() bool { return r.hasLeft() && len(r.unfinished()) > 0 && !r.working() }

// wanted is the number of the buyer's choice that waits for its checkout, or 0.
// An attempt serves its choice for ever, except one that is decided not done.
// Who asked to leave wants nothing until the next choice, and an account that
// was switched off since serves nobody.
func (r *record) wanted() int {
	// An account that was switched off serves no buyer; that a kept method waits for it, a person must know.
	if r.p.ChoiceSeq == 0 || !r.p.ChoiceEnabled && r.p.ChoiceMethod == nil || r.p.Shut != "" || r.p.Final != payment.Undecided ||
		r.hasLeft() || r.working() || len(r.unreturned()) > 0 {
		return 0
	}
	for _, a := range r.attempts {
		if a.Operation == payment.OpCharge && a.ChoiceSeq == r.p.ChoiceSeq && a.State != payment.NotDone {
			return 0
		}
	}
	return r.p.ChoiceSeq
}

// closeIfOver marks the charge as over once its answer is decided and known to
// the shop, or was refused with nothing left for the charge to do, and no
// checkout is unfinished. Reversals go on by themselves.
func (r *record) closeIfOver() {
	if r.p.ClosedAt != nil || r.p.Final == payment.Undecided || len(r.unfinished()) > 0 {
		return
	}
	if r.p.ToldAt == nil && (r.p.TellRefused == "" || r.p.Final == payment.Resolve && !r.winnerGoesBack()) {
		return
	}
	r.p.ClosedAt = &r.now
	r.note("closed", "", "", "")
	switch r.p.Operator {
	case payment.InDoubt, payment.AccountBlocked, payment.TellOverdue, payment.RoutingFault:
		if !r.doubtful() {
			r.calm() // there is nothing left to do about it
		}
	case payment.NobodyNeeded, payment.WrongAmount, payment.ResolveRefused, payment.RejectRefused, payment.ReversalStuck,
		payment.RefundFailed, payment.RefundElsewhere, payment.Disputed, payment.DisputeLost, payment.Overdrawn:
	}
}

// winnerGoesBack reports whether the winner's money was or is being given back.
func (r *record) winnerGoesBack() bool {
	a := r.winner()
	return a != nil && r.wentBack(a)
}
