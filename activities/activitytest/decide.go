package activitytest

import (
	"context"
	"fmt"

	"tillflow/internal/payment"
)

// RecordFinding implements activities.Records.
func (r *Records) RecordFinding(_ context.Context, f payment.Finding) (payment.View, error) {
	return r.change("RecordFinding", r.byAttempt(f.AttemptID), func(p *paymentRow) error {
		if f.Evidence == "" || f.State == "" || f.State == payment.Doubtful || f.Evidence == payment.ByAbsence && f.State != payment.NotDone {
			return payment.Errorf(payment.Bug, "%s by %q is no finding", f.State, f.Evidence)
		}
		return r.find(p, f)
	})
}

func (r *Records) find(p *paymentRow, f payment.Finding) error {
	a := r.attempt(f.AttemptID)
	if a == nil || a.payment != p.ID {
		return payment.Errorf(payment.Invalid, "attempt is not one of this payment")
	}
	r.dispatch(f.EventIDs)
	next, changed := a.State.Advance(f.State)
	if a.Ref == "" && f.Ref != "" {
		a.Ref = f.Ref
		r.changes++
	}
	if a.PaymentRef == "" && f.PaymentRef != "" {
		a.PaymentRef = f.PaymentRef
		r.changes++
	}
	if !changed {
		return nil
	}
	was := a.State
	a.State, a.late = next, f.LateSuccess
	a.evidence = append(a.evidence, f.Evidence)
	r.changes++
	if !f.ExpiresAt.IsZero() {
		a.ExpiresAt = f.ExpiresAt
	}
	if f.PaymentRef != "" {
		a.PaymentRef = f.PaymentRef
	}
	switch a.Operation {
	case payment.OpCharge:
		r.charged(p, a, was, !f.Amount.IsZero() && f.Amount != p.Amount)
	case payment.OpReversal:
		r.reversed(p, a)
	case payment.OpCapture, payment.OpVoid, payment.OpRefund:
		r.moved(p, a, was, f)
		return nil
	case payment.OpDispute:
	}
	switch p.operator {
	case payment.AccountBlocked, payment.RoutingFault:
		p.operator = payment.NobodyNeeded
	case payment.InDoubt:
		if a.State.Decided() || was == payment.Sent || was == payment.Doubtful {
			p.operator = payment.NobodyNeeded
		}
	case payment.NobodyNeeded, payment.WrongAmount, payment.ResolveRefused, payment.RejectRefused, payment.TellOverdue, payment.ReversalStuck,
		payment.RefundFailed, payment.RefundElsewhere, payment.Disputed, payment.DisputeLost, payment.Overdrawn:
	}
	return nil
}

// charged does what a new state of a checkout means.
func (r *Records) charged(p *paymentRow, a *attemptRow, was payment.AttemptState, wrongAmount bool) {
	undecided := p.final == payment.Undecided
	switch a.State {
	case payment.Held, payment.Done:
		switch {
		case was == payment.Held:
		case p.final == payment.Reject, p.winner != "":
			r.giveBack(p, a)
		case wrongAmount:
			p.operator = payment.WrongAmount
		default:
			r.win(p, a)
		}
	case payment.Open:
		if undecided {
			p.state = payment.AwaitingBuyer
		}
	case payment.Working:
		if undecided {
			p.state = payment.Processing
		}
	case payment.Declined, payment.Closed, payment.NotDone:
		if undecided && p.state == payment.Processing {
			p.state = payment.AwaitingBuyer
		}
		if r.declined(p) >= r.MaxAttempts {
			r.shut(p, payment.TooManyAttempts)
		}
	case payment.Allocated, payment.Sent, payment.Doubtful:
	}
}

func (r *Records) win(p *paymentRow, a *attemptRow) {
	if holder := r.winners[group(p)]; holder != "" && holder != p.ID {
		r.shut(p, payment.Duplicate)
		r.giveBack(p, a)
		return
	}
	r.winners[group(p)] = p.ID
	p.winner, p.state = a.ID, payment.Captured
	if a.State == payment.Held {
		p.state = payment.Authorized
	}
	r.decide(p, payment.Resolve, "")
}

func (r *Records) decide(p *paymentRow, final payment.Final, why payment.DeclineReason) {
	p.final, p.reason, p.told = final, why, p.Source == payment.SourceAPI
	r.changes++
}

func (r *Records) giveBack(p *paymentRow, a *attemptRow) {
	if r.reversalOf(a) != nil {
		return
	}
	ref := a.PaymentRef
	if ref == "" {
		ref = a.ID
	}
	r.operations = append(r.operations, &operationRow{
		id: fmt.Sprintf("back-%d", len(r.operations)+1), kind: payment.OpReversal, payment: p.ID, parent: a.ID, ref: ref, amount: p.Amount,
	})
	r.changes++
}

func (r *Records) reversalOf(a *attemptRow) *operationRow {
	for _, o := range r.operations {
		if o.kind == payment.OpReversal && o.parent == a.ID {
			return o
		}
	}
	return nil
}

func (r *Records) reversed(p *paymentRow, a *attemptRow) {
	o := r.operation(a.operation)
	switch {
	case a.State == payment.Declined && !o.done:
		o.operator, p.operator = payment.ReversalStuck, payment.ReversalStuck
	case a.State == payment.Done && !o.done:
		o.done, o.operator = true, payment.NobodyNeeded
		if o.parent == p.winner {
			delete(r.winners, group(p))
		}
		if o.parent == p.winner || p.state == payment.Rejected {
			p.state = payment.Reversed
		}
		if p.operator == payment.ReversalStuck || p.operator == payment.ResolveRefused {
			p.operator = payment.NobodyNeeded
		}
	}
}

// ShutDoor implements activities.Records.
func (r *Records) ShutDoor(_ context.Context, paymentID string, why payment.DeclineReason) (payment.View, error) {
	return r.change("ShutDoor", r.byID(paymentID), func(p *paymentRow) error {
		r.shut(p, why)
		return nil
	})
}

func (r *Records) shut(p *paymentRow, why payment.DeclineReason) {
	if p.shut == "" && p.final == payment.Undecided {
		p.shut = why
		r.changes++
	}
}

// DecideReject implements activities.Records.
func (r *Records) DecideReject(_ context.Context, paymentID string, why payment.DeclineReason) (payment.View, error) {
	return r.change("DecideReject", r.byID(paymentID), func(p *paymentRow) error {
		if p.final == payment.Undecided && len(r.unfinished(p)) == 0 && len(r.unreturned(p)) == 0 {
			r.shut(p, why)
			p.state = payment.Rejected
			r.decide(p, payment.Reject, why)
		}
		return nil
	})
}

// CallOperator implements activities.Records.
func (r *Records) CallOperator(_ context.Context, paymentID string, why payment.OperatorReason) (payment.View, error) {
	return r.change("CallOperator", r.byID(paymentID), func(p *paymentRow) error {
		r.call(p, why)
		return nil
	})
}

// call notes a reason for a person, unless one stands that waits for a decision.
func (r *Records) call(p *paymentRow, why payment.OperatorReason) {
	switch p.operator {
	case why, payment.WrongAmount, payment.ResolveRefused, payment.ReversalStuck, payment.RefundFailed, payment.RefundElsewhere,
		payment.Disputed, payment.DisputeLost, payment.Overdrawn:
		return
	case payment.NobodyNeeded, payment.InDoubt, payment.AccountBlocked, payment.RejectRefused, payment.TellOverdue, payment.RoutingFault:
	}
	p.operator = why
	r.changes++
}

// GiveBack implements activities.Records.
func (r *Records) GiveBack(_ context.Context, paymentID, _ string) (payment.View, error) {
	return r.change("GiveBack", r.byID(paymentID), r.giveAllBack)
}

func (r *Records) giveAllBack(p *paymentRow) error {
	for _, a := range r.unreturned(p) {
		if a.ID == p.winner && p.told {
			return payment.Errorf(payment.Conflict, "the shop has acknowledged this payment")
		}
		r.giveBack(p, a)
	}
	return nil
}

// ApplyAction implements activities.Records.
func (r *Records) ApplyAction(_ context.Context, paymentID, actionID string) (payment.View, error) {
	return r.change("ApplyAction", r.byID(paymentID), func(p *paymentRow) error {
		action, ok := r.actions[actionID]
		if !ok {
			return payment.Errorf(payment.NotFound, "no such action")
		}
		if action.PaymentID != p.ID {
			return payment.Errorf(payment.Invalid, "the action is one of another payment")
		}
		if action.applied {
			return nil
		}
		if err := r.apply(p, action.Action); err != nil {
			return err
		}
		action.applied = true
		r.changes++
		return nil
	})
}

func (r *Records) apply(p *paymentRow, action payment.Action) error {
	switch {
	case action.Action == "expire":
		r.shut(p, payment.Cancelled)
		return nil
	case action.Action != "resolve":
		return nil // retry and note
	}
	switch action.Choice {
	case payment.DecidePaid, payment.DecideNotPaid:
		state := payment.NotDone
		if action.Choice == payment.DecidePaid {
			state = payment.Done
		}
		return r.find(p, payment.Finding{AttemptID: action.AttemptID, Evidence: payment.ByPerson, State: state})
	case payment.DecideGiveBack:
		if len(r.unreturned(p)) == 0 {
			return payment.Errorf(payment.Conflict, "nothing to give back")
		}
		return r.giveAllBack(p)
	case payment.DecideKeep:
		if len(r.unreturned(p)) != 1 {
			return payment.Errorf(payment.Conflict, "nothing to keep")
		}
		p.told, p.operator = true, payment.NobodyNeeded
		return nil
	}
	return payment.Errorf(payment.Bug, "unknown choice")
}

// LoadTelling implements activities.Records.
func (r *Records) LoadTelling(_ context.Context, paymentID string) (payment.Telling, error) {
	var out payment.Telling
	_, err := r.change("LoadTelling", r.byID(paymentID), func(p *paymentRow) error {
		out = payment.Telling{
			Shop: p.Shop, GID: p.GID, Final: p.final, Reason: p.reason, Deadline: p.DeadlineAt, Told: p.told, Pending: p.pending, Kind: p.Kind,
		}
		return nil
	})
	return out, err
}

// RecordTold implements activities.Records.
func (r *Records) RecordTold(_ context.Context, t payment.Told) (payment.View, error) {
	return r.change("RecordTold", r.byID(t.PaymentID), func(p *paymentRow) error {
		switch {
		case t.Pending && !p.pending:
			p.pending = true
		case t.Pending, p.told:
			return nil
		case t.Refused == "":
			p.told, p.refusal = true, ""
			if p.operator == payment.TellOverdue {
				p.operator = payment.NobodyNeeded
			}
		case p.refusal == "":
			p.refusal, p.refusedAt = t.Refused, r.Now()
			p.operator = payment.RejectRefused
			if p.final == payment.Resolve {
				p.operator = payment.ResolveRefused
			}
		default:
			return nil
		}
		r.changes++
		return nil
	})
}
