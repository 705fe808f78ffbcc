package activitytest

import (
	"context"

	"tillflow/internal/payment"
)

// moveRow is a capture, void or refund session. Once claimed it has an operation
// of the same id.
type moveRow struct {
	payment.MoveSession

	final    payment.Final
	refusal  payment.Refusal
	told     bool
	refused  string // the shop's refusal of our answer
	operator payment.OperatorReason
}

// AcceptMove commits a capture, void or refund session as its endpoint does.
func (r *Records) AcceptMove(s payment.MoveSession) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.moves[s.ID] = &moveRow{MoveSession: s}
}

// MoveView is a move as its workflow would read it now. It counts as no call.
func (r *Records) MoveView(operationID string) payment.MoveView {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.moveView(operationID)
}

// changeMove is one transaction on a move, be it a session or a reversal.
func (r *Records) changeMove(method, id string, decide func(*moveRow) error) (payment.MoveView, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.enter(method); err != nil {
		return payment.MoveView{}, err
	}
	m := r.moves[id]
	if m == nil && r.operation(id) == nil {
		return payment.MoveView{}, payment.Errorf(payment.NotFound, "no move %s", id)
	}
	if err := decide(m); err != nil {
		return payment.MoveView{}, err
	}
	return r.moveView(id), nil
}

func (r *Records) moveView(id string) payment.MoveView {
	v, m, o := payment.MoveView{OperationID: id}, r.moves[id], r.operation(id)
	if o != nil {
		p := r.payments[o.payment]
		v.PaymentID, v.Shop, v.Kind, v.Amount, v.Provider = p.ID, p.Shop, o.kind, o.amount, r.attempt(o.parent).Provider
		v.Claimed, v.Done, v.Refused, v.Operator = true, o.done, o.refused, o.operator
		for _, a := range r.openOf(o) {
			v.Unfinished = append(v.Unfinished, a.Attempt)
		}
		for _, a := range r.attempts {
			if a.operation == o.id && a.State.Decided() {
				v.LastDecided = a.ID
			}
		}
		if m == nil && !o.done && o.operator == payment.NobodyNeeded && p.operator != payment.TellOverdue && p.operator != payment.ResolveRefused {
			v.Operator = p.operator
		}
	}
	if m == nil {
		v.Closed = v.Done || v.Refused
		return v
	}
	if p := r.paymentOf(m); p != nil {
		v.PaymentID = p.ID
		v.Waits = o == nil && m.final == payment.Undecided && r.inDoubt(p)
	}
	v.Session, v.Shop, v.Kind, v.Amount, v.Operator = true, m.Shop, m.Kind, m.Amount, m.operator
	v.Final, v.Refusal, v.Told, v.TellRefused = m.final, m.refusal, m.told, m.refused != ""
	heard := m.told || m.refused != "" && m.final == payment.Reject // a yes that is refused stays open for a person
	v.Closed = heard && (o == nil || o.done || o.refused)
	return v
}

func (r *Records) paymentOf(m *moveRow) *paymentRow {
	for _, p := range r.payments {
		if p.Source == m.Source && p.Shop == m.Shop && p.ExternalID == m.PaymentRef && p.Test == m.Test {
			return p
		}
	}
	return nil
}

// inDoubt: whether the payment's own money is here is not decided.
func (r *Records) inDoubt(p *paymentRow) bool {
	unknown := r.charges(p, func(a *attemptRow) bool { return a.State == payment.Sent || a.State == payment.Doubtful })
	return p.final == payment.Undecided || len(unknown) > 0
}

// LoadMove implements activities.Records.
func (r *Records) LoadMove(_ context.Context, operationID string) (payment.MoveView, error) {
	return r.changeMove("LoadMove", operationID, func(*moveRow) error { return nil })
}

// ClaimMove implements activities.Records.
func (r *Records) ClaimMove(_ context.Context, operationID string) (payment.MoveView, error) {
	return r.changeMove("ClaimMove", operationID, func(m *moveRow) error {
		if m == nil || m.final != payment.Undecided || r.operation(operationID) != nil {
			return nil
		}
		p := r.paymentOf(m)
		if p != nil && r.inDoubt(p) {
			return nil
		}
		if why := r.refusal(p, m); why != payment.NotRefused {
			m.decide(payment.Reject, why)
		} else {
			r.operations = append(r.operations, &operationRow{
				id: m.ID, kind: m.Kind, payment: p.ID, parent: p.winner, ref: r.attempt(p.winner).PaymentRef, amount: m.Amount,
			})
		}
		r.changes++
		return nil
	})
}

func (m *moveRow) decide(final payment.Final, why payment.Refusal) { m.final, m.refusal = final, why }

// refusal works out why a move of a decided payment is not possible.
func (r *Records) refusal(p *paymentRow, m *moveRow) payment.Refusal {
	switch {
	case p == nil:
		return payment.RefusedUnknownPayment
	case p.winner == "":
		return payment.RefusedNotPaid
	case m.Kind != payment.OpVoid && m.Amount.IsZero():
		return payment.RefusedZeroAmount
	case m.Kind != payment.OpVoid && m.Amount.Currency != p.Amount.Currency:
		return payment.RefusedOtherCurrency
	}
	winner := r.attempt(p.winner)
	held := winner.State == payment.Held
	switch m.Kind {
	case payment.OpRefund:
		taken := r.claimed(p, payment.OpCapture, true)
		if !held {
			taken = p.Amount.Minor
		}
		if taken == 0 {
			return payment.RefusedNotPaid
		}
		return tooLarge(m.Amount.Minor > taken-r.claimed(p, payment.OpRefund, false)-r.claimed(p, payment.OpReversal, false))
	case payment.OpCapture, payment.OpVoid:
		left := p.Amount.Minor - r.claimed(p, payment.OpCapture, false)
		switch {
		case !held, left <= 0, r.voided(p):
			return payment.RefusedNotHeld
		case m.Kind == payment.OpVoid:
			return payment.NotRefused
		case !winner.ExpiresAt.IsZero() && !r.Now().Before(winner.ExpiresAt):
			return payment.RefusedAuthorizationExpired
		}
		return tooLarge(m.Amount.Minor > left)
	case payment.OpCharge, payment.OpReversal, payment.OpDispute:
	}
	return payment.RefusedNotSupported
}

func tooLarge(is bool) payment.Refusal {
	if is {
		return payment.RefusedTooLarge
	}
	return payment.NotRefused
}

// claimed adds up the operations of a kind that were not refused, or only those
// that are done.
func (r *Records) claimed(p *paymentRow, kind payment.Operation, done bool) int64 {
	var sum int64
	for _, o := range r.operations {
		if o.payment == p.ID && o.kind == kind && !o.refused && (o.done || !done) {
			sum += o.amount.Minor
		}
	}
	return sum
}

func (r *Records) voided(p *paymentRow) bool {
	for _, o := range r.operations {
		if o.payment == p.ID && o.kind == payment.OpVoid && !o.refused {
			return true
		}
	}
	return false
}

// moved does what a new state of a capture, void or refund means.
func (r *Records) moved(p *paymentRow, a *attemptRow, was payment.AttemptState, f payment.Finding) {
	o := r.operation(a.operation)
	m := r.moves[o.id]
	accepted := m.final == payment.Resolve
	switch a.State {
	case payment.Working:
		m.decide(payment.Resolve, payment.NotRefused)
	case payment.Done:
		m.decide(payment.Resolve, payment.NotRefused)
		o.done = true
		r.restate(p, o.kind)
	case payment.Declined, payment.Closed, payment.NotDone:
		if a.State == payment.NotDone && f.Evidence != payment.ByPerson {
			return // another attempt may follow
		}
		o.refused = true
		if accepted {
			m.operator, p.operator = payment.RefundFailed, payment.RefundFailed
			return
		}
		m.decide(payment.Reject, whyNot(o.kind, a.State, f.Code))
	case payment.Allocated, payment.Sent, payment.Doubtful, payment.Open, payment.Held:
	}
	switch m.operator {
	case payment.InDoubt:
		if a.State.Decided() || was == payment.Sent || was == payment.Doubtful {
			m.operator = payment.NobodyNeeded
		}
	case payment.AccountBlocked, payment.RoutingFault:
		m.operator = payment.NobodyNeeded
	case payment.NobodyNeeded, payment.WrongAmount, payment.ResolveRefused, payment.RejectRefused, payment.TellOverdue, payment.ReversalStuck,
		payment.RefundFailed, payment.RefundElsewhere, payment.Disputed, payment.DisputeLost, payment.Overdrawn:
	}
}

func whyNot(kind payment.Operation, state payment.AttemptState, code string) payment.Refusal {
	switch {
	case state == payment.NotDone:
		return payment.RefusedByOperator
	case kind == payment.OpCapture && code == payment.CodeAuthorizationExpired:
		return payment.RefusedAuthorizationExpired
	}
	return payment.RefusedByProvider
}

func (r *Records) restate(p *paymentRow, kind payment.Operation) {
	switch kind {
	case payment.OpCapture:
		p.state = payment.Captured
	case payment.OpVoid:
		p.state = payment.Voided
	case payment.OpRefund:
		p.state = payment.Refunded
		if r.claimed(p, payment.OpRefund, true) < p.Amount.Minor {
			p.state = payment.PartiallyRefunded
		}
	case payment.OpCharge, payment.OpReversal, payment.OpDispute:
	}
}

// LoadMoveTelling implements activities.Records.
func (r *Records) LoadMoveTelling(_ context.Context, operationID string) (payment.MoveTelling, error) {
	var out payment.MoveTelling
	_, err := r.changeMove("LoadMoveTelling", operationID, func(m *moveRow) error {
		if m == nil {
			return payment.Errorf(payment.Invalid, "nobody waits for an answer about a reversal")
		}
		out = payment.MoveTelling{
			Shop: m.Shop, GID: m.GID, Source: m.Source, Kind: m.Kind, Final: m.final, Refusal: m.refusal, Locale: m.Locale, Told: m.told,
		}
		return nil
	})
	return out, err
}

// RecordMoveTold implements activities.Records.
func (r *Records) RecordMoveTold(_ context.Context, t payment.MoveTold) (payment.MoveView, error) {
	return r.changeMove("RecordMoveTold", t.OperationID, func(m *moveRow) error {
		switch {
		case m.told:
			return nil
		case t.Refused == "":
			m.told, m.refused = true, ""
			if m.operator == payment.TellOverdue || m.operator == payment.ResolveRefused || m.operator == payment.RejectRefused {
				m.operator = payment.NobodyNeeded
			}
		case m.refused == "":
			m.refused = t.Refused
			m.operator = payment.RejectRefused
			if m.final == payment.Resolve {
				m.operator = payment.ResolveRefused
			}
		default:
			return nil
		}
		r.changes++
		return nil
	})
}

// CallOperatorMove implements activities.Records.
func (r *Records) CallOperatorMove(_ context.Context, operationID string, why payment.OperatorReason) (payment.MoveView, error) {
	return r.changeMove("CallOperatorMove", operationID, func(m *moveRow) error {
		if m == nil {
			r.call(r.payments[r.operation(operationID).payment], why)
			return nil
		}
		if m.operator != why {
			m.operator = why
			r.changes++
		}
		return nil
	})
}
