package activitytest

import (
	"time"

	"tillflow/internal/payment"
)

func group(p *paymentRow) string {
	if p.Group == "" {
		return p.Shop + "/" + p.ID
	}
	return p.Shop + "/" + p.Group
}

func (r *Records) view(p *paymentRow) payment.View {
	v := payment.View{
		State: p.state, Final: p.final, FinalReason: p.reason, Told: p.told, Refused: p.refusal != "", RefusedWait: r.RefusedDefault,
		PendingTold: p.pending, Closed: p.closed, Wanted: r.wanted(p), Shut: p.shut, Winner: p.winner, Operator: p.operator,
		Left: p.left > 0 && p.left == p.choice && len(r.unfinished(p)) > 0 && !r.working(p),
	}
	if v.Refused {
		v.RefusedWait = max(p.refusedAt.Add(r.RefusedDefault).Sub(r.Now()), 0)
	}
	for _, a := range r.attempts {
		if a.payment == p.ID && a.Operation == payment.OpCharge {
			v.Provider = a.Provider
		}
	}
	for _, a := range r.unfinished(p) {
		v.Unfinished = append(v.Unfinished, a.Attempt)
	}
	for _, o := range r.operations {
		if o.kind == payment.OpReversal && o.payment == p.ID && !o.done {
			v.Reversals = append(v.Reversals, payment.Reversal{OperationID: o.id, ExternalRef: o.ref})
		}
	}
	return v
}

func (r *Records) unfinished(p *paymentRow) []*attemptRow {
	return r.charges(p, func(a *attemptRow) bool { return !a.State.Decided() })
}

func (r *Records) unreturned(p *paymentRow) []*attemptRow {
	return r.charges(p, func(a *attemptRow) bool { return a.State.Succeeded() && r.reversalOf(a) == nil })
}

func (r *Records) declined(p *paymentRow) int {
	return len(r.charges(p, func(a *attemptRow) bool { return a.State == payment.Declined }))
}

func (r *Records) working(p *paymentRow) bool {
	return len(r.charges(p, func(a *attemptRow) bool { return a.State == payment.Working })) > 0
}

func (r *Records) charges(p *paymentRow, which func(*attemptRow) bool) []*attemptRow {
	var list []*attemptRow
	for _, a := range r.attempts {
		if a.payment == p.ID && a.Operation == payment.OpCharge && which(a) {
			list = append(list, a)
		}
	}
	return list
}

func (r *Records) wanted(p *paymentRow) int {
	if p.choice == 0 || p.shut != "" || p.final != payment.Undecided || p.left == p.choice || r.working(p) || len(r.unreturned(p)) > 0 {
		return 0
	}
	served := r.charges(p, func(a *attemptRow) bool { return a.choice == p.choice && a.State != payment.NotDone })
	if len(served) > 0 {
		return 0
	}
	return p.choice
}

func (r *Records) closeIfOver(p *paymentRow) {
	if p.closed || p.final == payment.Undecided || len(r.unfinished(p)) > 0 {
		return
	}
	back := p.winner != "" && r.reversalOf(r.attempt(p.winner)) != nil
	if !p.told && (p.refusal == "" || p.final == payment.Resolve && !back) {
		return
	}
	p.closed = true
	switch p.operator {
	case payment.InDoubt, payment.AccountBlocked, payment.TellOverdue, payment.RoutingFault:
		p.operator = payment.NobodyNeeded
	case payment.NobodyNeeded, payment.WrongAmount, payment.ResolveRefused, payment.RejectRefused, payment.ReversalStuck,
		payment.RefundFailed, payment.RefundElsewhere, payment.Disputed, payment.DisputeLost, payment.Overdrawn:
	}
}

// Accept commits a session as the endpoint does.
func (r *Records) Accept(s payment.Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.DeadlineAt.IsZero() {
		s.DeadlineAt = s.ReceivedAt.Add(48 * time.Hour)
	}
	r.payments[s.ID] = &paymentRow{Session: s, state: payment.Created}
}

// Choose is the buyer's choice of an account; its provider bears the same name.
func (r *Records) Choose(paymentID, account string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.payments[paymentID]
	p.choice++
	p.account = account
}

// Leave is the buyer's wish to go back to the shop.
func (r *Records) Leave(paymentID string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.payments[paymentID].left = r.payments[paymentID].choice
}

// StoreEvent commits a provider's message about an attempt and answers its id.
// Without a state it is only a reason to look. What it proves about a move is
// recorded at once, before anybody is woken.
func (r *Records) StoreEvent(attemptID string, state payment.AttemptState) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := int64(len(r.events) + 1)
	r.events = append(r.events, &eventRow{attempt: attemptID, EventRow: payment.EventRow{
		ID: id, Proves: state != "",
		Finding: payment.Finding{
			AttemptID: attemptID, Evidence: payment.ByWebhook, State: state, PaymentRef: "money-" + attemptID, EventIDs: []int64{id},
		},
	}})
	if a := r.attempt(attemptID); a != nil && a.Operation != payment.OpCharge && state != "" {
		_ = r.find(r.payments[a.payment], r.events[id-1].Finding) // of an attempt that exists: it cannot fail
	}
	return id
}

// WriteAction commits what a person wants.
func (r *Records) WriteAction(a payment.Action) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.actions[a.ID] = &actionRow{Action: a}
}

// Break makes the next calls of a method fail.
func (r *Records) Break(method string, errs ...error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broken[method] = append(r.broken[method], errs...)
}

// Calls is how often a method was called, all methods for "".
func (r *Records) Calls(method string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if method != "" {
		return r.calls[method]
	}
	all := 0
	for _, n := range r.calls {
		all += n
	}
	return all
}

// Changes counts what was written since the beginning: a repeated call that
// changes nothing leaves it as it is.
func (r *Records) Changes() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changes
}

// View is a payment as its workflow would read it now. It counts as no call.
func (r *Records) View(paymentID string) payment.View {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.view(r.payments[paymentID])
}

// Attempt is what the record knows of one attempt.
type Attempt struct {
	payment.Attempt

	Key         string
	Evidence    []payment.EvidenceKind
	LateSuccess time.Duration
}

// Attempts lists a payment's attempts in order.
func (r *Records) Attempts(paymentID string) []Attempt {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []Attempt
	for _, a := range r.attempts {
		if a.payment == paymentID {
			list = append(list, Attempt{Attempt: a.Attempt, Key: a.key, Evidence: a.evidence, LateSuccess: a.late})
		}
	}
	return list
}

// Undispatched counts stored events that nobody has acted on.
func (r *Records) Undispatched() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, e := range r.events {
		if !e.dispatched {
			n++
		}
	}
	return n
}

// GroupTaken reports whether the place of the payment's group is held.
func (r *Records) GroupTaken(paymentID string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.winners[group(r.payments[paymentID])] != ""
}
