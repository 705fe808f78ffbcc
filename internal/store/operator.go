package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/payment"
)

// CallOperator notes why a person is needed and queues the shop's mail, at most
// one an hour for each payment and reason. NobodyNeeded takes back what ends by
// itself. A reason that waits for a person's decision is not replaced by one
// that does not, nor taken back: the decision ends it.
func (s *Store) CallOperator(ctx context.Context, paymentID string, why payment.OperatorReason) (payment.View, error) {
	view, err := s.change(ctx, byPayment, paymentID, func(_ pgx.Tx, r *record) error {
		switch {
		case why == payment.NobodyNeeded && needsDecision(r.p.Operator):
		case why == payment.NobodyNeeded:
			r.calm()
		case knownReason(why):
			r.call(why)
		default:
			return bug("operator_reason", "unknown reason to call a person")
		}
		return nil
	})
	return view, failure("call operator", err)
}

// CallOperatorMove does the same for a move. The reason stands on the move, and
// on its payment too; taking it back leaves what others need a person for.
func (s *Store) CallOperatorMove(ctx context.Context, operationID string, why payment.OperatorReason) (payment.MoveView, error) {
	view, err := s.changeMove(ctx, operationID, func(_ pgx.Tx, r *record, o *operationRow) error {
		switch {
		case why == payment.NobodyNeeded:
			r.calmMove(o)
		case knownReason(why):
			r.callMove(o, why)
		default:
			return bug("operator_reason", "unknown reason to call a person")
		}
		return nil
	})
	return view, failure("call operator", err)
}

func knownReason(why payment.OperatorReason) bool {
	switch why {
	case payment.InDoubt, payment.AccountBlocked, payment.WrongAmount, payment.ResolveRefused, payment.RejectRefused,
		payment.TellOverdue, payment.ReversalStuck, payment.RoutingFault, payment.RefundFailed, payment.RefundElsewhere,
		payment.Disputed, payment.DisputeLost, payment.Overdrawn:
		return true
	case payment.NobodyNeeded:
	}
	return false
}

// needsDecision reports whether only a person's decision, or what follows from
// it, ends the reason.
func needsDecision(why payment.OperatorReason) bool {
	switch why {
	case payment.WrongAmount, payment.ResolveRefused, payment.ReversalStuck, payment.RefundFailed, payment.RefundElsewhere,
		payment.Disputed, payment.DisputeLost, payment.Overdrawn:
		return true
	case payment.NobodyNeeded, payment.InDoubt, payment.AccountBlocked, payment.RejectRefused,
		payment.TellOverdue, payment.RoutingFault:
		return false
	}
	return false
}

// noticeEvery is the shortest time between two mails for one reason and payment.
const noticeEvery = time.Hour

const insertNotice = `
	INSERT INTO notices (shop, payment_id, reason, at, send_at)
	SELECT @shop, @payment, @reason, @now, @now
	WHERE NOT EXISTS (SELECT FROM notices WHERE payment_id = @payment AND reason = @reason AND at > @since)`

const insertMoveNotice = `
	INSERT INTO notices (shop, move_id, reason, at, send_at) VALUES (@shop, @move, @reason, @now, @now)`

// call sets the reason for a person and queues the mail.
func (r *record) call(why payment.OperatorReason) {
	before := r.p.Operator
	if before == why || needsDecision(before) && !needsDecision(why) {
		return
	}
	r.p.Operator, r.p.OperatorSince = why, &r.now
	r.note("operator", string(before), string(why), "")
	r.notify(why)
}

// notify queues the mail alone, also where another reason stays in front.
func (r *record) notify(why payment.OperatorReason) {
	r.batch.Queue(insertNotice, pgx.NamedArgs{
		"shop": r.p.Shop, "payment": r.p.ID, "reason": why, "now": r.now, "since": r.now.Add(-noticeEvery),
	})
}

// callFor sets the reason on an operation too, where the move's workflow shows it.
func (r *record) callFor(o *operationRow, why payment.OperatorReason) {
	const set = `UPDATE operations SET operator = @why WHERE id = @id AND state = 'open'`
	if o.State == operationOpen && o.Operator != why {
		o.Operator = why
		r.batch.Queue(set, pgx.NamedArgs{"id": o.ID, "why": why}).Exec(oneRow("operation"))
	}
	r.call(why)
}

// callMove sets the reason on a move and on its payment. A session that names no
// payment of ours is named by the mail itself.
func (r *record) callMove(o *operationRow, why payment.OperatorReason) {
	if !o.Asked {
		r.callFor(o, why)
		return
	}
	if o.AskedOperator == why || needsDecision(o.AskedOperator) && !needsDecision(why) {
		return
	}
	o.AskedOperator, o.OperatorSince = why, &r.now
	if r.p.ID == "" {
		r.batch.Queue(insertMoveNotice, pgx.NamedArgs{"shop": o.Shop, "move": o.ID, "reason": why, "now": r.now})
		return
	}
	r.notify(why)
	r.call(why)
}

// calmMove takes back what ends by itself, from the move and, when no other one
// has the same reason, from its payment.
func (r *record) calmMove(o *operationRow) {
	why := r.moveOperator(o)
	if why == payment.NobodyNeeded || needsDecision(why) {
		return
	}
	if o.Asked {
		o.AskedOperator, o.OperatorSince = payment.NobodyNeeded, nil
	} else {
		r.easeFor(o)
	}
	if r.p.Operator != why {
		return
	}
	for _, other := range r.operations {
		if other != o && (other.AskedOperator == why || other.Operator == why && other.State == operationOpen) {
			return
		}
	}
	r.calm()
}

// easeFor takes the reason off an operation that nobody asked for.
func (r *record) easeFor(o *operationRow) {
	const set = `UPDATE operations SET operator = '' WHERE id = @id`
	if o.Operator != payment.NobodyNeeded {
		o.Operator = payment.NobodyNeeded
		r.batch.Queue(set, pgx.NamedArgs{"id": o.ID}).Exec(oneRow("operation"))
	}
}

// easeMove takes back, from a move, the reasons that an answer of the provider
// ends.
func (r *record) easeMove(o *operationRow) {
	switch o.AskedOperator {
	case payment.InDoubt, payment.AccountBlocked, payment.RoutingFault:
		r.calmMove(o)
	case payment.NobodyNeeded, payment.WrongAmount, payment.ResolveRefused, payment.RejectRefused, payment.TellOverdue,
		payment.ReversalStuck, payment.RefundFailed, payment.RefundElsewhere, payment.Disputed, payment.DisputeLost, payment.Overdrawn:
	}
}

// calm takes the reason back, and the mail that was not sent yet.
func (r *record) calm() {
	const withdraw = `DELETE FROM notices WHERE payment_id = @payment AND reason = @reason AND sent_at IS NULL AND tries = 0`
	if r.p.Operator == payment.NobodyNeeded {
		return
	}
	r.batch.Queue(withdraw, pgx.NamedArgs{"payment": r.p.ID, "reason": r.p.Operator})
	r.note("operator", string(r.p.Operator), "", "")
	r.p.Operator, r.p.OperatorSince = payment.NobodyNeeded, nil
}

// easeDoubt takes back reasons that an answer of the provider ends.
func (r *record) easeDoubt(was payment.AttemptState, a *attemptRow) {
	switch r.p.Operator {
	case payment.AccountBlocked, payment.RoutingFault:
		r.calm()
	case payment.InDoubt:
		if !r.doubtful() && (a.State.Decided() || was == payment.Doubtful || was == payment.Sent) {
			r.calm()
		}
	case payment.NobodyNeeded, payment.WrongAmount, payment.ResolveRefused, payment.RejectRefused,
		payment.TellOverdue, payment.ReversalStuck, payment.RefundFailed, payment.RefundElsewhere, payment.Disputed,
		payment.DisputeLost, payment.Overdrawn:
	}
}

// doubtful reports whether any attempt of the payment is in doubt.
func (r *record) doubtful() bool {
	for _, a := range r.attempts {
		if a.State == payment.Doubtful {
			return true
		}
	}
	return false
}

// settled takes back a reason that waited for money to go back, once none that
// a person must look at is left.
func (r *record) settled() {
	if !needsDecision(r.p.Operator) {
		return
	}
	for _, o := range r.operations {
		if o.State == operationOpen && o.Operator != payment.NobodyNeeded {
			return
		}
	}
	for _, a := range r.unreturned() {
		if !r.isWinner(a) {
			return // money of a wrong amount
		}
	}
	r.calm()
}
