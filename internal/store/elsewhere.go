package store

import (
	"context"
	"strconv"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// movement is money that a provider moved without us, as some evidence shows it.
type movement struct {
	kind     payment.Operation
	ref      string // the provider's id of it
	state    payment.AttemptState
	amount   money.Amount
	evidence payment.EvidenceKind
	source   string // what the evidence is: an event row, a look
}

func movementOf(e payment.Elsewhere, by payment.EvidenceKind, source string) (movement, error) {
	m := movement{ref: e.Ref, state: e.State, amount: e.Amount, evidence: by, source: source}
	switch e.Kind {
	case payment.ElsewhereRefund:
		m.kind = payment.OpRefund
	case payment.ElsewhereDispute:
		m.kind = payment.OpDispute
	default:
		return m, invalid("elsewhere", "unknown kind of movement")
	}
	switch e.State {
	case payment.Working, payment.Done, payment.Closed:
	case payment.Allocated, payment.Sent, payment.Doubtful, payment.Open, payment.Held, payment.Declined, payment.NotDone:
		return m, invalid("elsewhere", "%s is no state of money that moved elsewhere", e.State)
	default:
		return m, invalid("elsewhere", "money that moved elsewhere without a state")
	}
	if e.Ref == "" || !e.Amount.IsPositive() {
		return m, invalid("elsewhere", "money that moved elsewhere needs the provider's id and an amount")
	}
	return m, nil
}

// RecordElsewhere books what a look at the provider found to have been done with
// the money of a charge attempt and not by us: refunds in its dashboard,
// disputes. What is known already changes nothing.
func (s *Store) RecordElsewhere(ctx context.Context, attemptID string, found []payment.Elsewhere) (payment.View, error) {
	view, err := s.change(ctx, byAttempt, attemptID, func(tx pgx.Tx, r *record) error {
		a, err := r.attempt(attemptID)
		if err == nil {
			a, err = r.root(a)
		}
		if err != nil {
			return err
		}
		for _, e := range found {
			m, err := movementOf(e, payment.ByLookup, "")
			if err != nil {
				return err
			}
			if err := r.movedAway(ctx, tx, a, m); err != nil {
				return err
			}
		}
		return nil
	})
	return view, failure("record what moved elsewhere", err)
}

// movedAway books a movement of the money of a charge attempt, or what is new
// about one that is known. It may exceed what is left: the books follow the
// provider, and a person is called.
func (r *record) movedAway(ctx context.Context, tx pgx.Tx, root *attemptRow, m movement) error {
	if r.isOurs(root, m) {
		return nil // its own evidence tells what became of it
	}
	a := r.known(root, m)
	if a == nil {
		var err error
		if a, err = r.insertElsewhere(root, m); err != nil {
			return err
		}
	}
	return r.find(ctx, tx, payment.Finding{
		AttemptID: a.ID, Evidence: m.evidence, EvidenceRef: m.source, State: m.state, Ref: m.ref, PaymentRef: root.PaymentRef, Amount: m.amount,
	})
}

// isOurs reports whether a refund is one that an attempt of ours made.
func (r *record) isOurs(root *attemptRow, m movement) bool {
	for _, a := range r.attempts {
		if a.Origin == ours && a.returns() && a.Ref == m.ref && a.AccountID == root.AccountID {
			return true
		}
	}
	return false
}

// known finds the attempt that stands for a movement elsewhere, or nil.
func (r *record) known(money *attemptRow, m movement) *attemptRow {
	for _, a := range r.attempts {
		if a.Origin == elsewhere && a.Operation == m.kind && a.AccountID == money.AccountID && a.Ref == m.ref {
			return a
		}
	}
	return nil
}

// disown takes back a movement elsewhere that turns out to be a refund of ours,
// whose message came before the answer that told us its name.
func (r *record) disown(ctx context.Context, tx pgx.Tx, a *attemptRow, f payment.Finding) error {
	if a.Origin != ours || !a.returns() || a.Ref == "" {
		return nil
	}
	double := r.known(a, movement{kind: payment.OpRefund, ref: a.Ref})
	if double == nil || double.State == payment.Closed {
		return nil
	}
	return r.find(ctx, tx, payment.Finding{
		AttemptID: double.ID, Evidence: f.Evidence, EvidenceRef: f.EvidenceRef, State: payment.Closed, Code: "ours",
	})
}

const insertElsewhere = `
	INSERT INTO operations (id, payment_id, kind, origin, account_id, parent_attempt, amount_minor, currency, state, external_ref,
	                        sweep_at, created_at, done_at)
	VALUES (@operation, @payment, @kind, 'elsewhere', @account, @parent, @minor, @currency, 'open', @ref, 'infinity', @now, NULL)`

const insertElsewhereAttempt = `
	INSERT INTO attempts (id, operation_id, payment_id, account_id, seq, key, amount_minor, currency, state, first_sent_at,
	                      last_sent_at, sends, ref, payment_ref)
	VALUES (@id, @operation, @payment, @account, 1, @key, @minor, @currency, 'allocated', @now, @now, 0, @ref, @payment_ref)`

// insertElsewhere adds the operation and attempt that stand for a movement which
// nobody here asked for and nobody here sends.
func (r *record) insertElsewhere(root *attemptRow, m movement) (*attemptRow, error) {
	operation, err := newID()
	if err != nil {
		return nil, err
	}
	id, err := newID()
	if err != nil {
		return nil, err
	}
	o := &operationRow{
		ID: operation, Kind: m.kind, Origin: elsewhere, AccountID: root.AccountID, ParentAttempt: &root.ID,
		AmountMinor: m.amount.Minor, Currency: m.amount.Currency, State: operationOpen, ExternalRef: m.ref, CreatedAt: r.now,
	}
	a := &attemptRow{
		ID: id, OperationID: operation, AccountID: root.AccountID, Provider: root.Provider, Operation: m.kind, Origin: elsewhere,
		ParentAttempt: &root.ID, Seq: 1, Key: "elsewhere:" + root.AccountID + ":" + string(m.kind) + ":" + m.ref,
		AmountMinor: m.amount.Minor, Currency: m.amount.Currency, State: payment.Allocated, FirstSentAt: r.now, LastSentAt: r.now,
		Ref: m.ref, PaymentRef: root.PaymentRef,
	}
	args := pgx.NamedArgs{
		"operation": o.ID, "id": a.ID, "payment": r.p.ID, "kind": m.kind, "account": a.AccountID, "parent": root.ID, "key": a.Key,
		"minor": o.AmountMinor, "currency": o.Currency, "ref": m.ref, "payment_ref": a.PaymentRef, "now": r.now,
	}
	r.batch.Queue(insertElsewhere, args)
	r.batch.Queue(insertElsewhereAttempt, args)
	r.operations, r.attempts = append(r.operations, o), append(r.attempts, a)
	r.noteAttempt(a, "", line{what: "elsewhere", after: string(m.kind), detail: m.ref + " " + m.amount.String()})
	return a, nil
}

// movedElsewhere does what a state of money that moved without us means.
func (r *record) movedElsewhere(a *attemptRow, from step) error {
	o, err := r.operation(a.OperationID)
	if err != nil {
		return err
	}
	if err := r.bookElsewhere(a, from.was); err != nil {
		return err
	}
	switch a.State {
	case payment.Done:
		if o.State == operationOpen {
			r.endOperation(o, operationDone)
		}
	case payment.Closed, payment.Declined, payment.NotDone:
		r.endOperation(o, operationRefused)
	case payment.Working:
	case payment.Allocated, payment.Sent, payment.Doubtful, payment.Open, payment.Held:
		return bug("finding_state", "money that moved elsewhere cannot be found %s", a.State)
	}
	r.tellFinance(a, from.was)
	root, err := r.root(a)
	if err != nil {
		return err
	}
	r.countable(a, root)
	if err := r.reckon(root); err != nil {
		return err
	}
	return r.restate()
}

// bookElsewhere books a movement as it stands; was is how it stood.
func (r *record) bookElsewhere(a *attemptRow, was payment.AttemptState) error {
	switch a.Operation {
	case payment.OpRefund:
		return r.bookRefund(a, was)
	case payment.OpDispute:
		return r.bookDispute(a, was)
	case payment.OpCapture:
		root, err := r.root(a)
		if err != nil {
			return err
		}
		return r.bookCaptured(a, root)
	case payment.OpCharge, payment.OpVoid, payment.OpReversal:
	}
	return bug("operation", "a %s does not happen elsewhere", a.Operation)
}

// tellFinance calls the people who must know, each time money moves without us.
func (r *record) tellFinance(a *attemptRow, was payment.AttemptState) {
	why := payment.RefundElsewhere
	switch {
	case a.Operation == payment.OpDispute && a.State == payment.Done:
		why = payment.DisputeLost
	case a.Operation == payment.OpDispute:
		why = payment.Disputed
	}
	gone := a.State == payment.Working || a.State == payment.Done
	switch {
	case gone && (was == payment.Allocated || why == payment.DisputeLost):
		r.notify(why)
		r.call(why)
	case !gone && r.p.Operator == why && !r.standsElsewhere(a.Operation):
		r.calm() // the money is back
	}
}

// standsElsewhere reports whether a movement of the kind, made without us, stands.
func (r *record) standsElsewhere(kind payment.Operation) bool {
	for _, o := range r.operations {
		if o.Origin == elsewhere && o.Kind == kind && o.State != operationRefused {
			return true
		}
	}
	return false
}

// reckon calls a person when more of a charge's money went back than came, and
// takes that back when it is no longer so. It is asked after whatever moved, and
// after every claim that was given up.
func (r *record) reckon(root *attemptRow) error {
	p, err := r.purse(root)
	if err != nil {
		return err
	}
	switch {
	case p.overdrawn():
		r.call(payment.Overdrawn)
	case r.p.Operator == payment.Overdrawn:
		r.calm()
		if r.standsElsewhere(payment.OpRefund) {
			r.call(payment.RefundElsewhere) // what it hid
		}
	}
	return nil
}

// countable calls a person for money in another currency than was taken: it
// cannot be counted against that.
func (r *record) countable(a, root *attemptRow) {
	if a.Currency != orElse(root.ActualCurrency, root.Currency) {
		r.call(payment.WrongAmount)
	}
}

const selectStrays = `
	SELECT id, attempt_id::text, elsewhere, ref, status, coalesce(amount_minor, 0), coalesce(currency, '')
	FROM provider_events WHERE payment_id = @payment AND elsewhere <> '' AND dispatched_at IS NULL
	ORDER BY id`

// stray is a stored message about money that moved elsewhere.
type stray struct {
	id        int64
	attemptID string
	moved     payment.Elsewhere
}

// bookStrays books what messages say that came before we knew the money they
// name.
func (r *record) bookStrays(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, selectStrays, pgx.NamedArgs{"payment": r.p.ID})
	if err != nil {
		return err
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s stray, err error) {
		err = row.Scan(&s.id, &s.attemptID, &s.moved.Kind, &s.moved.Ref, &s.moved.State, &s.moved.Amount.Minor, &s.moved.Amount.Currency)
		return s, err
	})
	if err != nil {
		return err
	}
	for _, s := range list {
		a, err := r.attempt(s.attemptID)
		if err == nil {
			err = r.bookStray(ctx, tx, a, s)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *record) bookStray(ctx context.Context, tx pgx.Tx, a *attemptRow, s stray) error {
	root, err := r.root(a)
	if err != nil {
		return err
	}
	m, err := movementOf(s.moved, payment.ByWebhook, strconv.FormatInt(s.id, 10))
	if err != nil {
		return err
	}
	r.batch.Queue(dispatchStray, pgx.NamedArgs{"id": s.id, "now": r.now})
	if a.Origin == ours && a != root && m.state == payment.Closed {
		// It names a refund of ours, as we know by now.
		return r.find(ctx, tx, payment.Finding{
			AttemptID: a.ID, Evidence: m.evidence, EvidenceRef: m.source, State: payment.Declined, Ref: m.ref, Amount: m.amount,
		})
	}
	return r.movedAway(ctx, tx, root, m)
}

const dispatchStray = `UPDATE provider_events SET dispatched_at = @now, note = 'booked' WHERE id = @id AND dispatched_at IS NULL`
