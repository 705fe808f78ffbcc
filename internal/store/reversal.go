package store

import (
	"context"
	"strconv"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// giveBack claims the return of what is left of an attempt's money: what is held,
// else what was taken, less what refunds and disputes took already. At most one
// such claim stands at a time. Where nothing is left there is nothing to claim.
func (r *record) giveBack(ctx context.Context, tx pgx.Tx, a *attemptRow, reason string) error {
	if r.reversalOf(a) != nil {
		return nil
	}
	p, err := r.purse(a)
	if err != nil {
		return err
	}
	_, amount, err := p.wayBack()
	if err != nil || !amount.IsPositive() {
		return err
	}
	id, err := newID()
	if err != nil {
		return err
	}
	sweep := r.now.Add(r.s.sweepAfter)
	o := &operationRow{
		ID: id, Kind: payment.OpReversal, Origin: ours, ParentAttempt: &a.ID, AmountMinor: amount.Minor, Currency: amount.Currency,
		State: operationOpen, ExternalRef: r.reversalRef(a), CreatedAt: r.now,
	}
	claimed, err := r.claimMoney(ctx, tx, moneyClaim{
		id: id, kind: payment.OpReversal, root: a, parent: a, amount: amount, ref: o.ExternalRef, reason: reason, sweep: &sweep,
	})
	if err != nil {
		return err
	}
	if !claimed {
		return bug("claim_disagrees", "money that is here by the rows cannot be claimed back")
	}
	r.operations = append(r.operations, o)
	r.noteAttempt(a, "", line{what: "reversal", after: string(operationOpen), detail: reason})
	return nil
}

// reversalRef names the run of a reversal: the money at its provider, because two
// providers may use one reference, and the number of the try.
func (r *record) reversalRef(a *attemptRow) string {
	ref, tries := a.Provider+":"+a.moneyRef(), 1
	for _, o := range r.operations {
		if o.Kind == payment.OpReversal && *o.ParentAttempt == a.ID {
			tries++
		}
	}
	if tries > 1 {
		ref += ":" + strconv.Itoa(tries)
	}
	return ref
}

// wayBack is how money goes back and how much: what was taken is refunded, else
// what is held is voided. Nothing, when all of it is gone.
func (p purse) wayBack() (payment.Operation, money.Amount, error) {
	left, err := p.left()
	if err == nil && p.reversal != nil {
		left, err = left.Add(p.reversal.amount()) // its own claim does not stand in its way
	}
	if err == nil && (left.IsPositive() || !p.root.holds() || !p.taken.IsZero()) {
		return payment.OpRefund, left, nil
	}
	var rest money.Amount
	if err == nil {
		rest, err = p.rest()
	}
	if err != nil {
		return "", rest, bug("amount", "what goes back cannot be reckoned")
	}
	return payment.OpVoid, rest, nil
}

// captured: money that was held has been taken, elsewhere than here.
func (r *record) captured(a *attemptRow) error {
	if err := r.bookCapture(a); err != nil {
		return err
	}
	back := r.reversalOf(a)
	switch {
	case back != nil && back.State == operationDone:
		// A void was proven, and yet the money was taken.
		r.call(payment.ReversalStuck)
	case back != nil:
		return r.resize(back, a.actual())
	case a.actual() != a.asked(), a.HoldEndedAt != nil:
		r.call(payment.WrongAmount)
	}
	if err := r.reckon(a); err != nil {
		return err
	}
	return r.restate()
}

// resize makes an open reversal give back what is really there.
func (r *record) resize(o *operationRow, to money.Amount) error {
	if o.amount() == to {
		return nil
	}
	const set = `UPDATE operations SET amount_minor = @minor, currency = @currency WHERE id = @id AND state = 'open'`
	o.AmountMinor, o.Currency = to.Minor, to.Currency
	r.batch.Queue(set, pgx.NamedArgs{"id": o.ID, "minor": to.Minor, "currency": to.Currency}).Exec(oneRow("operation"))
	return nil
}

// reversed does what a state of a reversal's attempt means.
func (r *record) reversed(a *attemptRow, from step) error {
	o, err := r.operation(a.OperationID)
	if err != nil {
		return err
	}
	switch a.State {
	case payment.Done:
		return r.gaveBack(o, a)
	case payment.Declined, payment.Closed:
		if from.was == payment.Done {
			return r.cameBack(o, a)
		}
		if a.State == payment.Declined {
			r.callFor(o, payment.ReversalStuck)
		}
	case payment.Held:
		return bug("finding_state", "a reversal that holds money")
	case payment.Open, payment.Working, payment.NotDone, payment.Allocated, payment.Sent, payment.Doubtful:
		// Still on its way, or decided not done: the next attempt follows.
	}
	return nil
}

const freePlace = `DELETE FROM winners WHERE shop = @shop AND group_key = @group AND attempt_id = @attempt`

// leavePlace: the money of a winner is back because its answer did not stand, so
// the buyer may pay again. What a shop gives back later leaves the place taken:
// Shopify resolves one session of a group and never another one.
func (r *record) leavePlace(winner *attemptRow) {
	r.batch.Queue(freePlace, pgx.NamedArgs{"shop": r.p.Shop, "group": r.p.GroupKey, "attempt": winner.ID})
}

// gaveBack: the money of the parent attempt is back with the buyer. A winner
// frees the place of the group.
func (r *record) gaveBack(o *operationRow, a *attemptRow) error {
	parent, err := r.parent(o)
	if err != nil {
		return err
	}
	if err := r.bookReversal(a, parent); err != nil {
		return err
	}
	if o.State != operationOpen {
		// An attempt that was decided no has given the money back once more.
		r.call(payment.WrongAmount)
		return nil
	}
	if err := r.endReversal(o, parent); err != nil {
		return err
	}
	if a.actual() != o.amount() {
		r.call(payment.WrongAmount)
	}
	return nil
}

// endReversal: nothing of the parent attempt's money is here any more.
func (r *record) endReversal(o *operationRow, parent *attemptRow) error {
	r.endOperation(o, operationDone)
	r.noteAttempt(parent, "", line{what: "reversal", before: string(operationOpen), after: string(operationDone)})
	if r.isWinner(parent) {
		r.leavePlace(parent)
	}
	if r.isWinner(parent) || r.p.State == payment.Rejected {
		if err := r.moveTo(payment.Reversed); err != nil {
			return err
		}
	}
	r.settled()
	return nil
}

// cameBack: a refund that was proven done has failed after all, and the money is
// at the provider again. The claim is released; a person decides what follows,
// because the run that gave it back is over and the place may be taken.
func (r *record) cameBack(o *operationRow, a *attemptRow) error {
	parent, err := r.parent(o)
	if err != nil {
		return err
	}
	if err := r.bookBack(a, payment.Done); err != nil {
		return err
	}
	if o.State == operationDone && !r.doneBeside(o, a) {
		r.endOperation(o, operationRefused)
		r.noteAttempt(parent, "", line{what: "reversal", before: string(operationDone), after: string(operationRefused), detail: a.Code})
		if r.p.State == payment.Reversed {
			before := payment.Rejected
			if r.isWinner(parent) {
				before = payment.Captured
			}
			if err := r.moveTo(before); err != nil {
				return err
			}
		}
	}
	r.call(payment.ReversalStuck)
	return r.restate()
}
