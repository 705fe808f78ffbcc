package store

import (
	"github.com/jackc/pgx/v5"

	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// moved does what a state of an attempt of a capture, void or refund means: the
// books, the answer, the claim, the payment's state.
func (r *record) moved(a *attemptRow, from step) error {
	o, err := r.operation(a.OperationID)
	if err != nil {
		return err
	}
	r.easeMove(o)
	switch a.State {
	case payment.Done:
		err = r.moveDone(o, a, from)
	case payment.Working:
		err = r.moveAccepted(o, a)
	case payment.Declined, payment.Closed:
		err = r.moveRefused(o, a, from, r.refusalOf(o, a))
	case payment.NotDone:
		err = r.moveNotDone(o, a, from)
	case payment.Open, payment.Held, payment.Allocated, payment.Sent, payment.Doubtful:
		return bug("finding_state", "a %s cannot be found %s", o.Kind, a.State)
	}
	if err != nil {
		return err
	}
	root, err := r.rootOf(o)
	if err != nil {
		return err
	}
	if err := r.reckon(root); err != nil {
		return err
	}
	return r.restate()
}

// moveDone: the money has moved. It is booked whatever was decided before.
func (r *record) moveDone(o *operationRow, a *attemptRow, from step) error {
	if err := r.bookMove(o, a, from.was); err != nil {
		return err
	}
	if a.Operation == payment.OpCapture && !a.FeeBooked {
		r.watch(feeWatch)
	}
	if o.State != operationOpen {
		// After a no, or beside an attempt that was done: the shop knows nothing of this money.
		r.callMove(o, payment.WrongAmount)
		return nil
	}
	r.endOperation(o, operationDone)
	if err := r.answer(o, payment.Resolve, payment.NotRefused); err != nil {
		return err
	}
	root, err := r.rootOf(o)
	if err != nil {
		return err
	}
	if a.actual() != o.amount() || o.Kind == payment.OpVoid && root.State == payment.Done {
		r.callMove(o, payment.WrongAmount) // for a void: nothing was held any more, the money was taken
	}
	return nil
}

// moveAccepted: the provider has it and works on it, which is what the shop is
// told. Until it is done the claim stays open.
func (r *record) moveAccepted(o *operationRow, a *attemptRow) error {
	if o.Kind == payment.OpRefund {
		if err := r.bookPending(a); err != nil {
			return err
		}
	}
	if o.State != operationOpen {
		return nil
	}
	return r.answer(o, payment.Resolve, payment.NotRefused)
}

// moveRefused: the provider's no, before or after it had accepted. The claim is
// released, and what was booked is booked back.
func (r *record) moveRefused(o *operationRow, a *attemptRow, from step, why payment.Refusal) error {
	if err := r.bookBack(a, from.was); err != nil {
		return err
	}
	if why == payment.RefusedAuthorizationExpired {
		root, err := r.rootOf(o)
		if err != nil {
			return err
		}
		if err := r.endHold(root, payment.Expired, from.evidence); err != nil {
			return err
		}
	}
	if o.State == operationRefused {
		return nil
	}
	if o.State == operationDone && r.doneBeside(o, a) {
		r.callMove(o, payment.WrongAmount) // one of two successes is gone, the other one stands
		return nil
	}
	return r.refuse(o, why)
}

// doneBeside reports whether another attempt of the operation is done.
func (r *record) doneBeside(o *operationRow, a *attemptRow) bool {
	for _, other := range r.attempts {
		if other.OperationID == o.ID && other != a && other.State == payment.Done {
			return true
		}
	}
	return false
}

// moveNotDone: it was never done. The next attempt follows, unless a person has
// looked and ended it.
func (r *record) moveNotDone(o *operationRow, a *attemptRow, from step) error {
	if from.by == payment.ByPerson {
		return r.moveRefused(o, a, from, payment.RefusedByOperator)
	}
	return r.bookBack(a, from.was)
}

// refusalOf reads why the provider says no.
func (r *record) refusalOf(o *operationRow, a *attemptRow) payment.Refusal {
	if o.Kind == payment.OpCapture && a.Code == payment.CodeAuthorizationExpired {
		return payment.RefusedAuthorizationExpired
	}
	return payment.RefusedByProvider
}

// refuse releases what a move claims and answers no. Who was told yes before is
// not told no: that the provider gave it up later is for a person.
func (r *record) refuse(o *operationRow, why payment.Refusal) error {
	if o.State != operationUnclaimed {
		r.endOperation(o, operationRefused)
	}
	if o.Final == payment.Resolve {
		failed := payment.WrongAmount
		if o.Kind == payment.OpRefund {
			failed = payment.RefundFailed
		}
		r.callMove(o, failed)
		return nil
	}
	if o.State == operationUnclaimed {
		r.note(string(o.Kind), "asked", string(operationRefused), o.AskedRef+" "+string(why))
	}
	return r.answer(o, payment.Reject, why)
}

// answer decides what the one who asked is told, once. A source without a shop
// to tell has its answer in the row: it is told with the decision.
func (r *record) answer(o *operationRow, final payment.Final, why payment.Refusal) error {
	if !o.Asked {
		return bug("not_asked", "a %s that nobody asked for has no answer", o.Kind)
	}
	if o.Final != payment.Undecided {
		if o.Final != final {
			return bug("decided_twice", "the answer to a %s is decided: %s", o.Kind, o.Final)
		}
		return nil
	}
	o.Final, o.Refusal, o.FinalAt = final, why, &r.now
	r.noteMove(o, line{what: "answer", after: string(final), detail: string(why)})
	if o.Source == payment.SourceAPI {
		o.ToldAt = &r.now
	}
	r.easeMove(o)
	return nil
}

// noteMove is a line about a move, named as the one who asked for it names it.
func (r *record) noteMove(o *operationRow, l line) {
	l.detail = string(o.Kind) + " " + o.AskedRef + " " + l.detail
	r.lines = append(r.lines, l)
}

// endHold notes that nothing is held any more and books the rest as let go.
// Where nothing of it was taken, the payment ends in next.
func (r *record) endHold(root *attemptRow, next payment.State, evidence string) error {
	if !root.holds() {
		return nil
	}
	rest, err := r.heldRest(root, nil)
	if err != nil {
		return err
	}
	const set = `UPDATE attempts SET hold_ended_at = @now WHERE id = @id AND state = 'authorized' AND hold_ended_at IS NULL`
	root.HoldEndedAt = &r.now
	r.batch.Queue(set, pgx.NamedArgs{"id": root.ID, "now": r.now}).Exec(oneRow("hold"))
	r.noteAttempt(root, evidence, line{what: "hold", before: string(payment.Held), after: "ended"})
	if rest.IsPositive() {
		if err := r.release(root, rest); err != nil {
			return err
		}
	}
	p, err := r.purse(root)
	if err != nil || !r.isWinner(root) || !p.taken.IsZero() || !r.p.State.CanBecome(next) {
		return err
	}
	return r.moveTo(next)
}

// heldRest is what the memorandum of the hold stands at: what no capture has
// taken, leaving one out that is being booked.
func (r *record) heldRest(root, without *attemptRow) (money.Amount, error) {
	none := money.New(0, root.ActualCurrency)
	if !root.holds() {
		return none, nil
	}
	rest := root.actual()
	for _, a := range r.attempts {
		if a == without || a.Operation != payment.OpCapture || a.State != payment.Done ||
			*a.ParentAttempt != root.ID || a.ActualCurrency != rest.Currency {
			continue
		}
		var err error
		if rest, err = rest.Sub(a.actual()); err != nil {
			return none, bug("amount", "the rest of a hold cannot be reckoned")
		}
	}
	if rest.Minor < 0 {
		return none, nil
	}
	return rest, nil
}

// restate moves the payment to the state that its winner's money is in. A hold
// that ended without a capture keeps the state that its end gave it.
func (r *record) restate() error {
	root := r.winner()
	if root == nil || r.p.Final != payment.Resolve || r.reversalOf(root) != nil {
		return nil
	}
	p, err := r.purse(root)
	if err != nil || p.taken.IsZero() {
		return err
	}
	next := payment.Captured
	if order, err := p.returned.Cmp(p.taken); err != nil {
		return bug("amount", "what was returned cannot be compared with what was taken")
	} else if order >= 0 {
		next = payment.Refunded
	} else if p.returned.IsPositive() {
		next = payment.PartiallyRefunded
	}
	if r.p.State != next && !r.p.State.CanBecome(next) {
		// Two things became known at once, such as a capture and its refund.
		if err := r.moveTo(payment.Captured); err != nil {
			return err
		}
	}
	return r.moveTo(next)
}
