package activitytest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// Records is activities.Records in memory. It is safe for concurrent use. The
// exported settings must not change after the first call.
type Records struct {
	Now            func() time.Time
	MaxAttempts    int           // refusals until the door is shut
	RefusedDefault time.Duration // after a refused resolve the money goes back
	DecideAhead    time.Duration

	mu         sync.Mutex
	payments   map[string]*paymentRow
	attempts   []*attemptRow
	operations []*operationRow
	moves      map[string]*moveRow // by the id that session and operation share
	events     []*eventRow
	actions    map[string]*actionRow
	elsewhere  []payment.Elsewhere
	winners    map[string]string  // shop and group → payment
	broken     map[string][]error // method → errors of its next calls
	calls      map[string]int
	total      int
	changes    int
}

// callLimit ends a test that would otherwise loop for ever.
const callLimit = 20_000

type paymentRow struct {
	payment.Session

	state     payment.State
	choice    int
	account   string
	left      int
	shut      payment.DeclineReason
	winner    string // attempt
	final     payment.Final
	reason    payment.DeclineReason
	told      bool
	pending   bool
	closed    bool
	refusal   string
	refusedAt time.Time
	operator  payment.OperatorReason
}

type attemptRow struct {
	payment.Attempt

	payment   string
	operation string
	key       string
	choice    int
	first     time.Time
	last      time.Time
	sends     int
	late      time.Duration
	evidence  []payment.EvidenceKind
}

type operationRow struct {
	id       string
	kind     payment.Operation
	payment  string
	parent   string // attempt whose money it acts on
	ref      string
	amount   money.Amount
	done     bool
	refused  bool
	operator payment.OperatorReason
}

type eventRow struct {
	payment.EventRow

	attempt    string
	dispatched bool
}

type actionRow struct {
	payment.Action

	applied bool
}

// NewRecords gives an empty record with a cap of three refusals.
func NewRecords(now func() time.Time) *Records {
	return &Records{
		Now: now, MaxAttempts: 3, RefusedDefault: 24 * time.Hour, DecideAhead: time.Hour,
		payments: map[string]*paymentRow{}, moves: map[string]*moveRow{}, actions: map[string]*actionRow{}, winners: map[string]string{},
		broken: map[string][]error{}, calls: map[string]int{},
	}
}

// enter counts a call and fails it if Break says so. The caller holds the lock.
func (r *Records) enter(method string) error {
	r.calls[method]++
	if r.total++; r.total > callLimit {
		return payment.Errorf(payment.Bug, "more than %d calls: somebody loops", callLimit)
	}
	if errs := r.broken[method]; len(errs) > 0 {
		r.broken[method] = errs[1:]
		return errs[0]
	}
	return nil
}

// change is one transaction on the payment that find names.
func (r *Records) change(method string, find func() (*paymentRow, error), decide func(*paymentRow) error) (payment.View, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.enter(method); err != nil {
		return payment.View{}, err
	}
	p, err := find()
	if err != nil {
		return payment.View{}, err
	}
	if err := decide(p); err != nil {
		return payment.View{}, err
	}
	r.closeIfOver(p)
	return r.view(p), nil
}

func (r *Records) byID(id string) func() (*paymentRow, error) {
	return func() (*paymentRow, error) {
		if p, ok := r.payments[id]; ok {
			return p, nil
		}
		return nil, payment.Errorf(payment.NotFound, "no payment %s", id)
	}
}

func (r *Records) byAttempt(id string) func() (*paymentRow, error) {
	return func() (*paymentRow, error) {
		if a := r.attempt(id); a != nil {
			return r.payments[a.payment], nil
		}
		return nil, payment.Errorf(payment.NotFound, "no attempt %s", id)
	}
}

func (r *Records) byOperation(id string) func() (*paymentRow, error) {
	return func() (*paymentRow, error) {
		if o := r.operation(id); o != nil {
			return r.payments[o.payment], nil
		}
		return nil, payment.Errorf(payment.NotFound, "no operation %s", id)
	}
}

func (r *Records) attempt(id string) *attemptRow {
	for _, a := range r.attempts {
		if a.ID == id {
			return a
		}
	}
	return nil
}

func (r *Records) operation(id string) *operationRow {
	for _, o := range r.operations {
		if o.id == id {
			return o
		}
	}
	return nil
}

// LoadCharge implements activities.Records.
func (r *Records) LoadCharge(_ context.Context, paymentID string) (payment.View, error) {
	return r.change("LoadCharge", r.byID(paymentID), func(*paymentRow) error { return nil })
}

// BeginCheckout implements activities.Records.
func (r *Records) BeginCheckout(_ context.Context, paymentID string) (payment.Send, error) {
	out := payment.Send{PaymentID: paymentID, Nothing: true}
	_, err := r.change("BeginCheckout", r.byID(paymentID), func(p *paymentRow) error {
		if open := r.unfinished(p); len(open) > 0 {
			out = r.send(p, open[0], true)
			return nil
		}
		if r.wanted(p) == 0 {
			return nil
		}
		if holder := r.winners[group(p)]; holder != "" && holder != p.ID {
			r.shut(p, payment.Duplicate)
			return nil
		}
		a := r.begin(p, payment.OpCharge, "", p.ID+"/charge")
		a.AccountID, a.Provider, a.choice = p.account, p.account, p.choice
		out = r.send(p, a, false)
		return nil
	})
	return out, err
}

// BeginMove implements activities.Records.
func (r *Records) BeginMove(_ context.Context, operationID string) (payment.Send, error) {
	out := payment.Send{OperationID: operationID, Nothing: true}
	_, err := r.change("BeginMove", r.byOperation(operationID), func(p *paymentRow) error {
		o := r.operation(operationID)
		if o.done || o.refused {
			return nil
		}
		if open := r.openOf(o); len(open) > 0 {
			out = r.send(p, open[0], true)
			return nil
		}
		parent := r.attempt(o.parent)
		if parent.PaymentRef == "" {
			out.Unnamed = parent.ID
			return nil
		}
		a := r.begin(p, o.kind, leg(o, parent), operationID)
		a.AccountID, a.Provider, a.PaymentRef = parent.AccountID, parent.Provider, parent.PaymentRef
		out = r.send(p, a, false)
		return nil
	})
	return out, err
}

// RecordElsewhere implements activities.Records. It only notes what was found; Elsewhere answers it.
func (r *Records) RecordElsewhere(_ context.Context, attemptID string, found []payment.Elsewhere) (payment.View, error) {
	return r.change("RecordElsewhere", r.byAttempt(attemptID), func(*paymentRow) error {
		for _, e := range found {
			if !slices.Contains(r.elsewhere, e) {
				r.elsewhere = append(r.elsewhere, e)
				r.changes++
			}
		}
		return nil
	})
}

// Elsewhere is what was found to have moved without us.
func (r *Records) Elsewhere() []payment.Elsewhere {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.elsewhere)
}

// leg is what a reversal sends; what was asked for by name has none.
func leg(o *operationRow, parent *attemptRow) string {
	switch {
	case o.kind != payment.OpReversal:
		return ""
	case parent.State == payment.Held:
		return string(payment.OpVoid)
	}
	return string(payment.OpRefund)
}

func (r *Records) begin(p *paymentRow, op payment.Operation, leg, operationID string) *attemptRow {
	seq := 1
	for _, a := range r.attempts {
		if a.payment == p.ID && a.Operation == op {
			seq++
		}
	}
	a := &attemptRow{
		Attempt: payment.Attempt{ID: fmt.Sprintf("%s-%s-%d", p.ID, op, seq), Operation: op, Leg: leg, State: payment.Sent},
		payment: p.ID, operation: operationID, key: payment.Key(p.ID, op, leg, seq), first: r.Now(), last: r.Now(), sends: 1,
	}
	r.attempts = append(r.attempts, a)
	r.changes++
	return a
}

func (r *Records) send(p *paymentRow, a *attemptRow, again bool) payment.Send {
	amount := p.Amount
	if o := r.operation(a.operation); o != nil {
		amount = o.amount
	}
	return payment.Send{
		PaymentID: p.ID, Shop: p.Shop, OperationID: a.operation, Attempt: a.Attempt, Key: a.key, Kind: p.Kind, Amount: amount,
		Again: again, FirstSent: a.first, LastSent: a.last, Sends: a.sends, Token: p.Token, DecideAt: p.DeadlineAt.Add(-r.DecideAhead),
	}
}

// MarkSent implements activities.Records.
func (r *Records) MarkSent(_ context.Context, attemptID string, sends int) (int, error) {
	err := r.note("MarkSent", attemptID, func(a *attemptRow) error {
		if a.State.Decided() || a.sends != sends {
			return payment.Errorf(payment.Conflict, "attempt is %s, sent %d times", a.State, a.sends)
		}
		if a.last = r.Now(); a.State == payment.Allocated {
			a.State = payment.Sent
		}
		a.sends++
		r.changes++
		return nil
	})
	return sends + 1, err
}

// NotSent implements activities.Records.
func (r *Records) NotSent(_ context.Context, attemptID string, sends int, _ string) error {
	return r.note("NotSent", attemptID, func(a *attemptRow) error {
		if a.State == payment.Sent && a.sends == sends {
			a.State = payment.Allocated
			r.changes++
		}
		return nil
	})
}

// Doubt implements activities.Records.
func (r *Records) Doubt(_ context.Context, attemptID, _ string) error {
	return r.note("Doubt", attemptID, func(a *attemptRow) error {
		if next, changed := a.State.Advance(payment.Doubtful); changed {
			a.State = next
			r.changes++
		}
		return nil
	})
}

func (r *Records) note(method, attemptID string, decide func(*attemptRow) error) error {
	_, err := r.change(method, r.byAttempt(attemptID), func(*paymentRow) error { return decide(r.attempt(attemptID)) })
	return err
}

// LoadAttempt implements activities.Records.
func (r *Records) LoadAttempt(_ context.Context, attemptID string) (payment.Send, error) {
	var out payment.Send
	_, err := r.change("LoadAttempt", r.byAttempt(attemptID), func(p *paymentRow) error {
		out = r.send(p, r.attempt(attemptID), true)
		return nil
	})
	return out, err
}

// PendingEvents implements activities.Records.
func (r *Records) PendingEvents(_ context.Context, attemptID string) ([]payment.EventRow, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []payment.EventRow
	for _, e := range r.events {
		if e.attempt == attemptID && !e.dispatched {
			out = append(out, e.EventRow)
		}
	}
	return out, r.enter("PendingEvents")
}

// DispatchEvents implements activities.Records.
func (r *Records) DispatchEvents(_ context.Context, ids []int64, _ string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dispatch(ids)
	return r.enter("DispatchEvents")
}

func (r *Records) dispatch(ids []int64) {
	for _, id := range ids {
		if e := r.events[id-1]; !e.dispatched {
			e.dispatched = true
			r.changes++
		}
	}
}

func (r *Records) openOf(o *operationRow) []*attemptRow {
	var list []*attemptRow
	for _, a := range r.attempts {
		if a.operation == o.id && !a.State.Decided() {
			list = append(list, a)
		}
	}
	return list
}
