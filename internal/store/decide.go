package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/payment"
)

// ShutDoor forbids new checkouts, for a reason. The first reason stays, and a
// decided answer needs none.
func (s *Store) ShutDoor(ctx context.Context, paymentID string, why payment.DeclineReason) (payment.View, error) {
	view, err := s.change(ctx, byPayment, paymentID, func(_ pgx.Tx, r *record) error {
		r.shut(why)
		return nil
	})
	return view, failure("shut the door", err)
}

// DecideReject decides that the shop will be told no, if nothing is decided, no
// attempt is unfinished, and no money is here that is not on its way back. Else
// it changes nothing and the view says why.
func (s *Store) DecideReject(ctx context.Context, paymentID string, why payment.DeclineReason) (payment.View, error) {
	view, err := s.change(ctx, byPayment, paymentID, func(_ pgx.Tx, r *record) error {
		if r.p.Final != payment.Undecided || len(r.unfinished()) > 0 || len(r.unreturned()) > 0 {
			return nil
		}
		r.shut(why)
		if err := r.moveTo(payment.Rejected); err != nil {
			return err
		}
		if err := r.decide(payment.Reject, why); err != nil {
			return err
		}
		if r.gaveAllBack() {
			// The money came and went before the answer: the end is the same as after it.
			return r.moveTo(payment.Reversed)
		}
		return nil
	})
	return view, failure("decide reject", err)
}

// gaveAllBack reports whether money came and all of it is back with the buyer.
func (r *record) gaveAllBack() bool {
	done := 0
	for _, o := range r.operations {
		if o.Kind != payment.OpReversal || o.State == operationRefused {
			continue
		}
		if o.State != operationDone {
			return false
		}
		done++
	}
	return done > 0
}

// GiveBack claims a reversal of the money that the payment holds: the winner's,
// or that of a wrong amount. Money whose shop has acknowledged it is not ours to
// give back any more: payment.Conflict, it is refunded instead. A repeat changes
// nothing.
func (s *Store) GiveBack(ctx context.Context, paymentID, reason string) (payment.View, error) {
	view, err := s.change(ctx, byPayment, paymentID, func(tx pgx.Tx, r *record) error {
		return r.giveAllBack(ctx, tx, reason)
	})
	return view, failure("give back", err)
}

func (r *record) giveAllBack(ctx context.Context, tx pgx.Tx, reason string) error {
	for _, a := range r.unreturned() {
		if r.isWinner(a) && r.p.ToldAt != nil {
			return conflict("already_told", "the shop has acknowledged this payment: refund it")
		}
		if err := r.giveBack(ctx, tx, a, reason); err != nil {
			return err
		}
	}
	return nil
}
