package store

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/safety"
)

// ClaimMove claims the amount that a session asks for, or decides that it is
// refused and why, or, while the payment's own money is not decided or another
// move on the same hold is under way, changes nothing and answers Waits. What is
// claimed or decided already is answered as it stands.
//
// Whether the money is there is decided by the statement that claims it; see
// claimMoney.
func (s *Store) ClaimMove(ctx context.Context, operationID string) (payment.MoveView, error) {
	view, err := s.changeMove(ctx, operationID, func(tx pgx.Tx, r *record, o *operationRow) error {
		if !o.Asked || o.State != operationUnclaimed || o.Final != payment.Undecided {
			return nil
		}
		if r.p.ID == "" {
			return r.refuse(o, payment.RefusedUnknownPayment)
		}
		// What moved elsewhere is booked before it is compared.
		if err := r.bookStrays(ctx, tx); err != nil {
			return err
		}
		if r.waits(o) {
			return nil
		}
		return r.claim(ctx, tx, o)
	})
	return view, failure("claim move", err)
}

// claim runs the guarded statement for a session, or says why it claimed nothing.
func (r *record) claim(ctx context.Context, tx pgx.Tx, o *operationRow) error {
	root := r.winner()
	if r.p.Final != payment.Resolve || root == nil {
		return r.refuse(o, payment.RefusedNotPaid)
	}
	p, err := r.purse(root)
	if err != nil {
		return err
	}
	claim, err := r.claimFor(o, p)
	if err != nil {
		return err
	}
	claimed, err := r.claimMoney(ctx, tx, claim)
	if err != nil {
		return err
	}
	if !claimed {
		return r.explain(o, p)
	}
	o.ParentAttempt, o.State = &claim.parent.ID, operationOpen
	o.AmountMinor, o.Currency = claim.amount.Minor, claim.amount.Currency
	r.operations, r.unclaimed = append(r.operations, o), nil
	r.note(string(o.Kind), "asked", string(operationOpen), o.AskedRef+" "+o.amount().String())
	return nil
}

// moneyClaim is what the statement is asked to claim.
type moneyClaim struct {
	id     string
	kind   payment.Operation
	root   *attemptRow // whose money
	parent *attemptRow // what the provider is told it acts on
	amount money.Amount
	ref    string // names the run of a reversal
	reason string
	sweep  *time.Time // null: its session is what the sweep looks at
}

// claimFor says what a session claims: for a void the rest of the hold.
func (r *record) claimFor(o *operationRow, p purse) (c moneyClaim, err error) {
	c = moneyClaim{id: o.ID, kind: o.Kind, root: p.root, parent: p.root, amount: o.amount(), ref: o.AskedRef}
	switch o.Kind {
	case payment.OpVoid:
		c.amount, err = p.rest()
	case payment.OpRefund:
		c.parent, err = r.source(p, o.amount())
	case payment.OpCapture:
	case payment.OpCharge, payment.OpReversal, payment.OpDispute:
		return c, bug("operation", "nobody asks for a %s", o.Kind)
	}
	if err != nil {
		return c, bug("amount", "what a %s claims cannot be reckoned: %v", o.Kind, err)
	}
	return c, nil
}

// claimMoney is the one statement by which anybody may lay hands on money that
// was taken or is held. It adds up, from the rows of the payment, what became of
// the money of one charge attempt (@root), and inserts the operation only where
// the amount is still there:
//
//	refund    captured − (refunds + refunds elsewhere + reversals + open or lost disputes) ≥ amount
//	capture   held, not lapsed, not given back, authorized − captures ≥ amount
//	void      held, not given back, no capture under way, and the amount is the rest
//	reversal  as a refund of what was taken, or as a void of what is held
//
// An operation counts with what it claims until it is refused, and always with
// what it really moved. The payment's lock lets no two run at once, and each
// sees what the one before has committed.
const claimMoney = `
	WITH root AS (
		SELECT id, actual_minor AS amount, actual_currency AS currency, state = 'done' AS done,
		       state = 'authorized' AND hold_ended_at IS NULL AS held, coalesce(expires_at > @now, true) AS lasts
		FROM attempts WHERE id = @root AND payment_id = @payment AND state IN ('authorized', 'done')
	), claims AS (
		SELECT o.kind, o.state, moved.minor AS moved,
		       greatest(CASE o.state WHEN 'refused' THEN 0 ELSE o.amount_minor END, moved.minor) AS claimed
		FROM root
		JOIN operations o ON o.payment_id = @payment AND o.currency = root.currency
		JOIN attempts p ON p.id = o.parent_attempt
		JOIN operations po ON po.id = p.operation_id
		CROSS JOIN LATERAL (
			SELECT coalesce(sum(a.actual_minor), 0) AS minor FROM attempts a
			WHERE a.operation_id = o.id AND a.state = 'done' AND a.actual_currency = root.currency
		) moved
		WHERE root.id IN (p.id, po.parent_attempt) -- it acts on the charge itself, or on a capture of it
	), sums AS (
		SELECT coalesce(sum(moved) FILTER (WHERE kind = 'capture'), 0) AS captured,
		       coalesce(sum(claimed) FILTER (WHERE kind = 'capture'), 0) AS capturing,
		       coalesce(sum(claimed) FILTER (WHERE kind IN ('refund', 'reversal', 'dispute')), 0) AS gone,
		       coalesce(bool_or(kind = 'capture' AND state = 'open'), false) AS under_way,
		       coalesce(bool_or(kind IN ('void', 'reversal') AND state <> 'refused'), false) AS given_back
		FROM claims
	), purse AS (
		SELECT root.*, sums.*, root.amount - sums.capturing AS rest,
		       CASE WHEN root.done THEN root.amount ELSE sums.captured END - sums.gone AS left_over
		FROM root, sums
	)
	INSERT INTO operations (id, payment_id, kind, parent_attempt, amount_minor, currency, reason, state, external_ref, sweep_at, created_at)
	SELECT @id, @payment, @kind, @parent, @minor, @currency, @reason, 'open', @ref, coalesce(@sweep_at::timestamptz, 'infinity'), @now
	FROM purse
	WHERE @minor::bigint > 0 AND currency = @currency AND CASE @kind::text
		WHEN 'refund' THEN left_over >= @minor
		WHEN 'capture' THEN held AND lasts AND NOT given_back AND NOT (@once::boolean AND capturing > 0) AND rest >= @minor
		WHEN 'void' THEN held AND NOT given_back AND NOT under_way AND rest = @minor
		WHEN 'reversal' THEN left_over >= @minor OR held AND NOT given_back AND NOT under_way AND captured = 0 AND rest = @minor
		ELSE false END`

// claimMoney reports whether the claim was there to be made. What was queued so
// far is sent first, so that the statement sees it.
func (r *record) claimMoney(ctx context.Context, tx pgx.Tx, c moneyClaim) (bool, error) {
	if err := r.flush(ctx, tx); err != nil {
		return false, err
	}
	statement := claimMoney
	if !safety.ClaimGuard.On() {
		statement = strings.Replace(statement, "left_over >= @minor", "true", 1)
	}
	tag, err := tx.Exec(ctx, statement, pgx.NamedArgs{
		"id": c.id, "payment": r.p.ID, "kind": c.kind, "root": c.root.ID, "parent": c.parent.ID, "minor": c.amount.Minor,
		"currency": c.amount.Currency, "reason": c.reason, "ref": c.ref, "sweep_at": c.sweep, "now": r.now,
		"once": r.s.holds(c.root.Provider).Once,
	})
	return tag.RowsAffected() == 1, err
}

// waits reports whether a session must wait for evidence before anything is
// claimed: the payment's own answer is not decided, another move on the same
// hold is under way whose end says what is left of it, or a capture is whose
// success would cover the refund.
func (r *record) waits(o *operationRow) bool {
	if !o.Asked || o.State != operationUnclaimed || o.Final != payment.Undecided || r.p.ID == "" {
		return false
	}
	if r.p.Final == payment.Undecided {
		return true
	}
	root := r.winner()
	if root == nil || r.p.Final != payment.Resolve {
		return false
	}
	p, err := r.purse(root)
	if err != nil {
		return false // claiming says what is wrong
	}
	switch o.Kind {
	case payment.OpCapture:
		return root.holds() && (len(p.captures) > 0 || p.void != nil && p.void.State == operationOpen) && o.within(p.amount, p.taken)
	case payment.OpVoid:
		return root.holds() && len(p.captures) > 0
	case payment.OpRefund:
		return len(p.captures) > 0 && !o.within(p.taken, p.gone) && o.within(p.capturing, p.gone)
	case payment.OpCharge, payment.OpReversal, payment.OpDispute:
	}
	return false
}

// within reports whether the amount asked for fits into all less what is used.
func (o *operationRow) within(all, used money.Amount) bool {
	left, err := all.Sub(used)
	if err != nil {
		return false
	}
	order, err := o.amount().Cmp(left)
	return err == nil && order <= 0
}

// explain refuses a session whose claim the statement did not make, and says
// why. It grants nothing.
func (r *record) explain(o *operationRow, p purse) error {
	switch o.Kind {
	case payment.OpCapture, payment.OpVoid:
		return r.explainHold(o, p)
	case payment.OpRefund:
		if p.taken.IsZero() {
			return r.refuse(o, payment.RefusedNotPaid)
		}
	case payment.OpCharge, payment.OpReversal, payment.OpDispute:
	}
	return r.refuse(o, o.misfit(p))
}

func (r *record) explainHold(o *operationRow, p purse) error {
	rest, err := p.rest()
	if err != nil {
		return bug("amount", "the rest of a hold cannot be reckoned")
	}
	switch {
	case r.p.State == payment.Expired && o.Kind == payment.OpCapture:
		return r.refuse(o, payment.RefusedAuthorizationExpired)
	case !p.root.holds(), p.void != nil, p.reversal != nil, !rest.IsPositive():
		return r.refuse(o, payment.RefusedNotHeld)
	case p.root.ExpiresAt != nil && !p.root.ExpiresAt.After(r.now):
		// The provider said until when it holds.
		if err := r.endHold(p.root, payment.Expired, ""); err != nil {
			return err
		}
		return r.refuse(o, payment.RefusedAuthorizationExpired)
	case p.capturing.IsPositive() && r.s.holds(p.root.Provider).Once:
		return r.refuse(o, payment.RefusedNotSupported)
	}
	return r.refuse(o, o.misfit(p))
}

// misfit is what is wrong with an amount that was not to be had.
func (o *operationRow) misfit(p purse) payment.Refusal {
	switch {
	case o.AmountMinor == 0:
		return payment.RefusedZeroAmount
	case o.Currency != p.amount.Currency:
		return payment.RefusedOtherCurrency
	}
	return payment.RefusedTooLarge
}
