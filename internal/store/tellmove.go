package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/payment"
)

// LoadMoveTelling reads what the shop must be told of a move. It writes nothing.
func (s *Store) LoadMoveTelling(ctx context.Context, operationID string) (payment.MoveTelling, error) {
	const action = "load telling of a move"
	if err := known("move", operationID); err != nil {
		return payment.MoveTelling{}, failure(action, err)
	}
	_, o, err := s.readMove(ctx, operationID)
	if err == nil && !o.Asked {
		err = bug("not_asked", "a %s that nobody asked for has no answer", o.Kind)
	}
	if err != nil {
		return payment.MoveTelling{}, failure(action, err)
	}
	return payment.MoveTelling{
		Shop: o.Shop, GID: o.GID, Source: o.Source, Kind: o.Kind, Final: o.Final, Refusal: o.Refusal,
		Locale: o.Locale, Told: o.ToldAt != nil,
	}, nil
}

// RecordMoveTold records the shop's answer to the mutation about a move. The
// first refusal stands and calls a person; an acknowledgement stands whatever
// comes later.
func (s *Store) RecordMoveTold(ctx context.Context, t payment.MoveTold) (payment.MoveView, error) {
	view, err := s.changeMove(ctx, t.OperationID, func(_ pgx.Tx, r *record, o *operationRow) error {
		switch {
		case !o.Asked || o.Final == payment.Undecided:
			return bug("told_undecided", "the shop was told an answer that is not decided")
		case o.ToldAt != nil:
			return nil
		case t.Refused != "":
			r.moveToldRefused(o, clip(t.Refused))
			return nil
		}
		r.moveTold(o, clip(t.RequestID))
		return nil
	})
	return view, failure("record told of a move", err)
}

// moveTold notes that the one who asked has the answer.
func (r *record) moveTold(o *operationRow, detail string) {
	o.ToldAt, o.TellRefused, o.RefusedAt = &r.now, "", nil
	r.noteMove(o, line{what: "told", after: string(o.Final), detail: detail})
	switch o.AskedOperator {
	case payment.ResolveRefused, payment.RejectRefused, payment.TellOverdue:
		r.easeTold(o)
	case payment.NobodyNeeded, payment.InDoubt, payment.AccountBlocked, payment.WrongAmount, payment.ReversalStuck,
		payment.RoutingFault, payment.RefundFailed, payment.RefundElsewhere, payment.Disputed, payment.DisputeLost, payment.Overdrawn:
	}
}

// easeTold takes back a reason that was about telling.
func (r *record) easeTold(o *operationRow) {
	why := o.AskedOperator
	o.AskedOperator, o.OperatorSince = payment.NobodyNeeded, nil
	if r.p.Operator == why && r.p.TellRefused == "" {
		r.calm()
	}
}

func (r *record) moveToldRefused(o *operationRow, refusal string) {
	if o.TellRefused != "" {
		return
	}
	o.TellRefused, o.RefusedAt = refusal, &r.now
	r.noteMove(o, line{what: "told_refused", after: string(o.Final), detail: refusal})
	why := payment.RejectRefused
	if o.Final == payment.Resolve {
		why = payment.ResolveRefused
	}
	r.callMove(o, why)
}

// tellMovesByHand notes that a person has settled with the shop the answers that
// it refused. It reports whether there were any.
func (r *record) tellMovesByHand() bool {
	found := false
	for _, o := range r.operations {
		if o.Asked && o.TellRefused != "" && o.ToldAt == nil {
			o.ToldAt = &r.now
			r.noteMove(o, line{what: "told", after: string(o.Final), detail: "by hand"})
			found = true
		}
	}
	return found
}
