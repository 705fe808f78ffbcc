package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/payment"
)

// resolveBy carries out a person's decision about money.
func (r *record) resolveBy(ctx context.Context, tx pgx.Tx, action payment.Action) error {
	switch action.Choice {
	case payment.DecidePaid:
		return r.decidePaid(ctx, tx, action)
	case payment.DecideNotPaid:
		return r.decideNotPaid(ctx, tx, action)
	case payment.DecideGiveBack:
		if len(r.unreturned()) == 0 {
			return conflict("nothing_to_give_back", "no money is here that is not on its way back")
		}
		return r.giveAllBack(ctx, tx, "decided")
	case payment.DecideKeep:
		return r.keepMoney(ctx, tx)
	}
	return bug("choice", "unknown choice in a row")
}

// decidePaid: a person saw the money at the provider, or takes a wrong amount
// as it is.
func (r *record) decidePaid(ctx context.Context, tx pgx.Tx, action payment.Action) error {
	a, err := r.meant(action)
	if err != nil {
		return err
	}
	if a.Operation == payment.OpCharge && a.State.Succeeded() {
		return r.accept(ctx, tx, a)
	}
	state := payment.Done
	if a.Operation == payment.OpCharge && r.p.Kind == payment.Authorization {
		state = payment.Held
	}
	if a.Origin == elsewhere {
		return conflict("elsewhere", "the provider moved this without us: its messages say what became of it")
	}
	if _, changes := a.advance(state); !changes {
		return conflict("decided", "the attempt is %s", a.State)
	}
	return r.find(ctx, tx, payment.Finding{
		AttemptID: a.ID, Evidence: payment.ByPerson, EvidenceRef: action.ID, State: state, Code: "person",
	})
}

// accept takes money of a wrong amount as the payment.
func (r *record) accept(ctx context.Context, tx pgx.Tx, a *attemptRow) error {
	if r.p.Final != payment.Undecided || r.p.WinnerAttempt != nil || r.reversalOf(a) != nil {
		return conflict("decided", "the payment's answer is decided or the money is on its way back")
	}
	if err := r.win(ctx, tx, a); err != nil {
		return err
	}
	r.calm()
	return nil
}

func (r *record) decideNotPaid(ctx context.Context, tx pgx.Tx, action payment.Action) error {
	a, err := r.meant(action)
	if err != nil {
		return err
	}
	if a.Origin == elsewhere {
		return conflict("elsewhere", "the provider moved this without us: its messages say what became of it")
	}
	switch a.State {
	case payment.Sent, payment.Doubtful, payment.Working, payment.Allocated:
	case payment.Open:
		// Past its end the page takes no money, and a provider that is away cannot tell us so.
		if a.ExpiresAt == nil || r.now.Before(*a.ExpiresAt) {
			return conflict("open", "the provider's page is open and may still be paid: expire it")
		}
	case payment.Held, payment.Done, payment.Declined, payment.Closed, payment.NotDone:
		return conflict("decided", "the attempt is %s", a.State)
	}
	return r.find(ctx, tx, payment.Finding{
		AttemptID: a.ID, Evidence: payment.ByPerson, EvidenceRef: action.ID, State: payment.NotDone, Code: "person",
	})
}

// meant is the attempt that an action is about. Without one it is the only
// attempt that is not decided, else the only one whose money waits for a person.
func (r *record) meant(action payment.Action) (*attemptRow, error) {
	if action.AttemptID != "" {
		return r.attempt(action.AttemptID)
	}
	var open []*attemptRow
	for _, a := range r.attempts {
		if !a.State.Decided() && a.Origin == ours {
			open = append(open, a)
		}
	}
	if len(open) == 0 {
		open = append(r.stuck(), r.unreturned()...)
	}
	if len(open) != 1 {
		return nil, invalid("attempt_id", "name the attempt: %d are possible", len(open))
	}
	return open[0], nil
}

// stuck lists the newest attempt of each open move that needs a person.
func (r *record) stuck() []*attemptRow {
	var list []*attemptRow
	for _, o := range r.operations {
		var last *attemptRow
		for _, a := range r.attempts {
			if a.OperationID == o.ID && o.State == operationOpen && o.Origin == ours && r.needsPerson(o) {
				last = a
			}
		}
		if last != nil {
			list = append(list, last)
		}
	}
	return list
}

func (r *record) needsPerson(o *operationRow) bool {
	return o.Operator != payment.NobodyNeeded || o.AskedOperator != payment.NobodyNeeded
}

// keepMoney: the merchant keeps the money and settles the order with the shop
// by hand. The shop counts as told by that person, and the charge is over.
// Of money that moved, or did not, after the charge it says the same: a person
// has seen it and settled it with the shop or the buyer.
func (r *record) keepMoney(ctx context.Context, tx pgx.Tx) error {
	if r.settledByHand() {
		return nil
	}
	mine := r.unreturned()
	if len(mine) != 1 || len(r.unfinished()) > 0 {
		return conflict("nothing_to_keep", "there is no money to keep, or something is unfinished")
	}
	if r.p.Final == payment.Undecided {
		if err := r.accept(ctx, tx, mine[0]); err != nil {
			return err
		}
		if r.reversalOf(mine[0]) != nil {
			return conflict("duplicate", "another payment of this checkout has been paid")
		}
	}
	if r.p.ToldAt == nil {
		r.p.ToldAt = &r.now
		r.note("told", "", string(r.p.Final), "by hand")
	}
	r.calm()
	return nil
}

// settledByHand takes a person's word that what they were called for needs nobody
// any more. It reports false where the charge's own money waits for a decision.
func (r *record) settledByHand() bool {
	told := r.tellMovesByHand()
	for _, o := range r.operations {
		if o.Asked && needsDecision(o.AskedOperator) {
			o.AskedOperator, o.OperatorSince = payment.NobodyNeeded, nil
			told = true
		}
	}
	switch r.p.Operator {
	case payment.RejectRefused, payment.RefundFailed, payment.RefundElsewhere, payment.Disputed, payment.DisputeLost, payment.Overdrawn:
		r.calm()
		return true
	case payment.ResolveRefused, payment.WrongAmount:
		if r.p.ToldAt != nil && (told || !r.winnerGoesBack() && r.onlyWinner()) {
			r.calm() // it was about a move: the charge itself is told
			return true
		}
	case payment.NobodyNeeded, payment.InDoubt, payment.AccountBlocked, payment.TellOverdue, payment.ReversalStuck, payment.RoutingFault:
	}
	return told && r.p.ToldAt != nil
}

// onlyWinner reports whether no money is here that came beside the winner's.
func (r *record) onlyWinner() bool {
	for _, a := range r.unreturned() {
		if !r.isWinner(a) {
			return false
		}
	}
	return true
}
