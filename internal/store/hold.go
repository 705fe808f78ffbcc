package store

import (
	"context"
	"strconv"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/payment"
)

// aboutHold takes a finding about a charge whose money is held and that tells
// what happened to the hold since. settled: nothing else follows from it.
//
// A look at the charge shows our own captures too. What they explain is nothing
// new, except for the money's name where that was not known; while one is under
// way that may explain it, its own evidence is waited for, and the messages stay
// to be looked at again.
func (r *record) aboutHold(ctx context.Context, tx pgx.Tx, a *attemptRow, f payment.Finding) (settled bool, err error) {
	if a.Operation != payment.OpCharge || a.State != payment.Held {
		return false, nil
	}
	p, err := r.purse(a)
	if err != nil {
		return false, err
	}
	switch f.State {
	case payment.Done:
		return r.takenFromHold(ctx, tx, p, f)
	case payment.Declined, payment.Closed:
		return r.holdIsOver(p, f)
	case payment.Held:
		if a.PaymentRef != "" && (p.capturing.IsPositive() || !a.holds()) {
			r.dispatch(f.EventIDs, a, "nothing new")
			return true, nil
		}
	case payment.Allocated, payment.Sent, payment.Doubtful, payment.Open, payment.Working, payment.NotDone:
	}
	return false, nil
}

// takenFromHold: the charge itself shows money as taken. Without captures of ours
// somebody took it elsewhere, and all that is to be taken.
func (r *record) takenFromHold(ctx context.Context, tx pgx.Tx, p purse, f payment.Finding) (bool, error) {
	if p.taken.IsZero() && !r.capturing(p) {
		return false, nil
	}
	if !f.Amount.IsZero() && f.Amount.Currency != p.taken.Currency {
		r.call(payment.WrongAmount) // other money than what we took
		f.Amount = p.taken
	}
	if f.Amount.IsZero() {
		f.Amount = p.taken // it does not say
	}
	more, err := f.Amount.Sub(p.taken)
	if err != nil {
		return true, bug("amount", "what was captured elsewhere cannot be reckoned")
	}
	if !more.IsPositive() {
		r.dispatch(f.EventIDs, p.root, "nothing new")
		return true, nil
	}
	if r.capturing(p) {
		return true, nil
	}
	r.dispatch(f.EventIDs, p.root, "")
	// A sum that was captured names the capture that reached it: there is one such.
	return true, r.movedAway(ctx, tx, p.root, movement{
		kind: payment.OpCapture, ref: p.root.moneyRef() + ":" + strconv.FormatInt(f.Amount.Minor, 10), state: payment.Done,
		amount: more, evidence: f.Evidence, source: f.EvidenceRef,
	})
}

// capturing reports whether a capture of ours may be at the provider.
func (r *record) capturing(p purse) bool {
	for _, o := range p.captures {
		if r.begun(o) {
			return true
		}
	}
	return false
}

// holdIsOver: the provider says that the hold is gone, lapsed or cancelled by
// somebody else. Only those two ends are final; any other no is about a card
// that was tried before the one that is held.
func (r *record) holdIsOver(p purse, f payment.Finding) (bool, error) {
	lapsed := f.Code == payment.CodeAuthorizationExpired
	switch {
	case !p.root.holds(), p.void != nil, p.reversal != nil, !lapsed && f.Decline != payment.Cancelled:
		return false, nil
	case r.capturing(p):
		return true, nil
	}
	r.dispatch(f.EventIDs, p.root, "")
	evidence, err := r.evidence(p.root, f, f.State)
	if err != nil {
		return true, err
	}
	next := payment.Voided
	if lapsed {
		next = payment.Expired
	}
	if err := r.endHold(p.root, next, evidence); err != nil {
		return true, err
	}
	if !lapsed {
		r.notify(payment.RefundElsewhere)
		r.call(payment.RefundElsewhere)
	}
	return true, nil
}
