package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// succeed does what money at a provider means: it is booked whatever follows,
// and then it has the place of the group, or goes back, or waits for a person.
func (r *record) succeed(ctx context.Context, tx pgx.Tx, a *attemptRow, was payment.AttemptState) error {
	if was == payment.Held {
		return r.captured(a)
	}
	if err := r.bookSuccess(a); err != nil {
		return err
	}
	r.s.log.Debug().Str("payment_id", r.p.ID).Str("attempt_id", a.ID).Str("state", string(a.State)).Msg("success recorded")
	switch {
	case r.p.Final == payment.Reject:
		return r.giveBack(a, "late")
	case r.p.WinnerAttempt != nil:
		return r.giveBack(a, "duplicate")
	case r.holdOfSale(a, a.State):
		return r.giveBack(a, "not_wanted")
	case a.actual() != a.asked():
		r.call(payment.WrongAmount)
		return nil
	}
	return r.win(ctx, tx, a)
}

const claimPlace = `
	INSERT INTO winners (shop, group_key, payment_id, attempt_id, won_at)
	VALUES (@shop, @group, @payment, @attempt, @now)
	ON CONFLICT (shop, group_key) DO NOTHING`

// win claims the place of the group for an attempt. Another payment's claim
// that is not committed yet is waited for by the unique key. Who loses gives
// the money back and takes no further checkout.
func (r *record) win(ctx context.Context, tx pgx.Tx, a *attemptRow) error {
	tag, err := tx.Exec(ctx, claimPlace, pgx.NamedArgs{
		"shop": r.p.Shop, "group": r.p.GroupKey, "payment": r.p.ID, "attempt": a.ID, "now": r.now,
	})
	if err != nil {
		return err
	}
	if tag.RowsAffected() == 0 {
		r.shut(payment.Duplicate)
		return r.giveBack(a, "duplicate")
	}
	r.holder = r.p.ID
	return r.resolve(a)
}

// resolve decides that the shop will be told of the attempt's money.
func (r *record) resolve(a *attemptRow) error {
	next := payment.Authorized
	if a.State == payment.Done {
		next = payment.Captured
	}
	if err := r.moveTo(next); err != nil {
		return err
	}
	r.p.WinnerAttempt = &a.ID
	if a.State == payment.Done && !a.FeeBooked {
		r.watch(feeWatch)
	}
	return r.decide(payment.Resolve, "")
}

// decide sets the final answer, once. A source without a shop to tell has its
// answer in the row: it is told with the decision.
func (r *record) decide(final payment.Final, why payment.DeclineReason) error {
	if r.p.Final != payment.Undecided {
		return bug("decided_twice", "the answer is decided: %s", r.p.Final)
	}
	r.p.Final, r.p.FinalReason, r.p.FinalAt = final, why, &r.now
	r.note("final", "", string(final), string(why))
	if r.p.Source == payment.SourceAPI {
		r.p.ToldAt, r.p.NextURL = &r.now, r.p.ReturnURL
	}
	charge, err := r.charge()
	if err != nil {
		return err
	}
	if final == payment.Resolve {
		r.endOperation(charge, operationDone)
		return nil
	}
	r.endOperation(charge, operationRefused)
	return nil
}

const endOperation = `
	UPDATE operations SET state = @state, operator = '', done_at = @now WHERE id = @id AND state = 'open'`

func (r *record) endOperation(o *operationRow, state operationState) {
	o.State, o.Operator = state, payment.NobodyNeeded
	r.batch.Queue(endOperation, pgx.NamedArgs{"id": o.ID, "state": state, "now": r.now}).Exec(oneRow("operation"))
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
	case a.actual() != a.asked():
		r.call(payment.WrongAmount)
	}
	if r.isWinner(a) && r.p.State == payment.Authorized {
		return r.moveTo(payment.Captured)
	}
	return nil
}

// resize makes an open reversal give back what was really taken.
func (r *record) resize(o *operationRow, to money.Amount) error {
	if o.amount() == to {
		return nil
	}
	const set = `UPDATE operations SET amount_minor = @minor, currency = @currency WHERE id = @id AND state = 'open'`
	o.AmountMinor, o.Currency = to.Minor, to.Currency
	r.batch.Queue(set, pgx.NamedArgs{"id": o.ID, "minor": to.Minor, "currency": to.Currency}).Exec(oneRow("operation"))
	return nil
}

const insertReversal = `
	INSERT INTO operations (id, payment_id, kind, parent_attempt, amount_minor, currency, reason, state, external_ref, sweep_at, created_at)
	VALUES (@id, @payment, 'reversal', @parent, @minor, @currency, @reason, 'open', @ref, @sweep_at, @now)`

// giveBack claims the return of all money of an attempt, at most once: the
// unique key on the parent refuses a second claim.
func (r *record) giveBack(a *attemptRow, reason string) error {
	if r.reversalOf(a) != nil {
		return nil
	}
	id, err := newID()
	if err != nil {
		return err
	}
	o := &operationRow{
		ID: id, Kind: payment.OpReversal, ParentAttempt: &a.ID, AmountMinor: a.ActualMinor, Currency: a.ActualCurrency,
		State: operationOpen, ExternalRef: a.Provider + ":" + a.moneyRef(), // two providers may use one reference
	}
	r.batch.Queue(insertReversal, pgx.NamedArgs{
		"id": o.ID, "payment": r.p.ID, "parent": a.ID, "minor": o.AmountMinor, "currency": o.Currency, "reason": reason,
		"ref": o.ExternalRef, "sweep_at": r.now.Add(r.s.sweepAfter), "now": r.now,
	})
	r.operations = append(r.operations, o)
	r.noteAttempt(a, "", line{what: "reversal", after: string(operationOpen), detail: reason})
	return nil
}

// reversed does what a state of a reversal's attempt means.
func (r *record) reversed(a *attemptRow) error {
	o, err := r.operation(a.OperationID)
	if err != nil {
		return err
	}
	switch a.State {
	case payment.Done:
		return r.gaveBack(o, a)
	case payment.Declined:
		r.callFor(o, payment.ReversalStuck)
	case payment.Held:
		return bug("finding_state", "a reversal that holds money")
	case payment.Open, payment.Working, payment.Closed, payment.NotDone, payment.Allocated, payment.Sent, payment.Doubtful:
		// Still on its way, or decided not done: the next attempt follows.
	}
	return nil
}

const freePlace = `DELETE FROM winners WHERE shop = @shop AND group_key = @group AND attempt_id = @attempt`

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
	r.endOperation(o, operationDone)
	r.noteAttempt(parent, "", line{what: "reversal", before: string(operationOpen), after: string(operationDone)})
	switch {
	case r.isWinner(parent):
		r.batch.Queue(freePlace, pgx.NamedArgs{"shop": r.p.Shop, "group": r.p.GroupKey, "attempt": parent.ID})
		if err := r.moveTo(payment.Reversed); err != nil {
			return err
		}
	case r.p.State == payment.Rejected:
		if err := r.moveTo(payment.Reversed); err != nil {
			return err
		}
	}
	r.settled()
	if a.actual() != o.amount() {
		r.call(payment.WrongAmount)
	}
	return nil
}
