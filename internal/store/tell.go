package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/payment"
)

// LoadTelling reads what the shop must be told. It writes nothing.
func (s *Store) LoadTelling(ctx context.Context, paymentID string) (payment.Telling, error) {
	const action = "load telling"
	if err := known("payment", paymentID); err != nil {
		return payment.Telling{}, failure(action, err)
	}
	r, err := s.read(ctx, byPayment, paymentID)
	if err != nil {
		return payment.Telling{}, failure(action, err)
	}
	t := payment.Telling{
		Shop: r.p.Shop, GID: r.p.GID, Final: r.p.Final, Reason: r.p.FinalReason, Deadline: r.p.DeadlineAt,
		Told: r.p.ToldAt != nil, Pending: r.p.PendingAt != nil, Kind: r.p.Kind,
	}
	for _, a := range r.attempts {
		if r.isWinner(a) && a.State == payment.Held {
			t.HoldUntil = instant(a.ExpiresAt)
		}
	}
	return t, nil
}

// RecordTold records the shop's answer to a mutation.
//
// A refused pending counts as told: it is not asked again, and the timeline has
// the refusal. A refused resolve leaves the charge open and calls a person,
// because money is here that the shop does not know; a refused reject calls a
// person and ends the charge. An acknowledgement stands whatever comes later.
func (s *Store) RecordTold(ctx context.Context, t payment.Told) (payment.View, error) {
	view, err := s.change(ctx, byPayment, t.PaymentID, func(_ pgx.Tx, r *record) error {
		refusal := clip(t.Refused)
		switch {
		case t.Pending:
			r.toldPending(refusal)
		case r.p.Final == payment.Undecided:
			return bug("told_undecided", "the shop was told an answer that is not decided")
		case refusal != "":
			r.toldRefused(refusal)
		default:
			r.toldFinal(clip(t.RequestID))
		}
		if t.NextURL != "" && refusal == "" {
			r.p.NextURL = t.NextURL
		}
		return nil
	})
	return view, failure("record told", err)
}

func (r *record) toldPending(refusal string) {
	if r.p.PendingAt != nil {
		return
	}
	r.p.PendingAt = &r.now
	r.note("told", "", "pending", refusal)
}

func (r *record) toldFinal(requestID string) {
	if r.p.ToldAt != nil {
		return
	}
	r.p.ToldAt = &r.now
	r.note("told", "", string(r.p.Final), requestID)
	if r.p.Source == payment.SourceSubscription || r.p.Source == payment.SourceRenewal {
		// The customer goes back to the merchant's site when the subscription knows,
		// not before: the site asks us whether it is paid.
		r.p.NextURL = r.p.ReturnURL
	}
	if r.winnerGoesBack() {
		return // too late: the refusal was believed, and a person must see both
	}
	r.p.TellRefused, r.p.RefusedAt = "", nil
	switch r.p.Operator {
	case payment.ResolveRefused, payment.RejectRefused, payment.TellOverdue:
		r.calm()
	case payment.NobodyNeeded, payment.InDoubt, payment.AccountBlocked, payment.WrongAmount, payment.ReversalStuck,
		payment.RoutingFault, payment.RefundFailed, payment.RefundElsewhere, payment.Disputed, payment.DisputeLost, payment.Overdrawn:
	}
}

func (r *record) toldRefused(refusal string) {
	if r.p.ToldAt != nil || r.p.TellRefused != "" {
		return
	}
	r.p.TellRefused, r.p.RefusedAt = refusal, &r.now
	r.note("told_refused", "", string(r.p.Final), refusal)
	if r.p.Final == payment.Resolve {
		r.call(payment.ResolveRefused)
		return
	}
	r.call(payment.RejectRefused)
}

// clip bounds a text of the other side that goes into a row.
func clip(text string) string {
	runes := []rune(text)
	return string(runes[:min(len(runes), 200)])
}
