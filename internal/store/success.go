package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/payment"
	"tillflow/internal/safety"
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
		return r.giveBack(ctx, tx, a, "late")
	case r.p.WinnerAttempt != nil:
		return r.giveBack(ctx, tx, a, "duplicate")
	case r.holdOfSale(a, a.State):
		return r.giveBack(ctx, tx, a, "not_wanted")
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
	if tag.RowsAffected() == 0 && safety.GroupWinner.On() {
		r.shut(payment.Duplicate)
		return r.giveBack(ctx, tx, a, "duplicate")
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
	if a.State == payment.Held && a.ExpiresAt != nil {
		r.look(a.ExpiresAt.Add(minWatch), a.ExpiresAt.Add(holdWatch))
	}
	if err := r.decide(payment.Resolve, ""); err != nil {
		return err
	}
	// What moved elsewhere may be known before the money that it was.
	if err := r.reckon(a); err != nil {
		return err
	}
	return r.restate()
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
	UPDATE operations SET state = @state, operator = '', done_at = @now WHERE id = @id AND state = @was`

func (r *record) endOperation(o *operationRow, state operationState) {
	r.batch.Queue(endOperation, pgx.NamedArgs{"id": o.ID, "state": state, "was": o.State, "now": r.now}).Exec(oneRow("operation"))
	if o.Asked {
		r.note(string(o.Kind), string(o.State), string(state), o.AskedRef)
	}
	o.State, o.Operator = state, payment.NobodyNeeded
}
