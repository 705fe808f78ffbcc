package store

import (
	"context"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/safety"
)

// How long a stored event waits for its run before the sweep dispatches it
// again; the pauses double.
const (
	eventPatience    = 10 * time.Second
	maxEventPatience = 5 * time.Minute
)

// StoreEvent commits a provider's message and says what is to be done with it.
// The message must have been verified for its account. It is unique per account
// and event id:
//
//   - acted on before: Duplicate; not yet acted on: the same signal again;
//   - the same id with another body: Suspicious, nothing changes;
//   - an attempt of another account: Suspicious, kept with a note;
//   - a reference we do not know: kept with a note, and taken up when an attempt
//     of the account learns that reference;
//   - nothing new: done at once;
//   - money that moved elsewhere: booked here, once its payment is known;
//   - a success after the charge's end, or a proven state of a move: recorded
//     here; Reversal is what has to be started, Signal the move's run to wake;
//   - else Signal, or, where no run listens, the sweep looks at the provider.
func (s *Store) StoreEvent(ctx context.Context, e payment.IncomingEvent) (payment.Stored, error) {
	const action = "store event"
	if err := known("account", e.AccountID); err != nil {
		return payment.Stored{}, failure(action, err)
	}
	if e.EventID == "" {
		return payment.Stored{}, failure(action, invalid("event_id", "an event without an id"))
	}
	if !e.State.Decided() {
		e.State = "" // proves nothing final: a reason to look
	}
	if e.Elsewhere != nil {
		if _, err := movementOf(*e.Elsewhere, payment.ByWebhook, ""); err != nil {
			return payment.Stored{}, failure(action, err)
		}
		e.Ref, e.State, e.Amount = e.Elsewhere.Ref, e.Elsewhere.State, e.Elsewhere.Amount
	}
	named, err := s.resolve(ctx, e)
	if err != nil {
		return payment.Stored{}, failure(action, err)
	}
	var out payment.Stored
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		out, err = s.take(ctx, tx, e, named)
		return err
	})
	return out, failure(action, err)
}

// named is the attempt that an event names. It never changes, so it is read
// before the payment is locked.
type named struct {
	AttemptID, PaymentID, AccountID string
}

const resolveEvent = `
	WITH named AS (
		SELECT 1 AS rank, id, payment_id, account_id, operation_id, first_sent_at
		FROM attempts WHERE id = nullif(@attempt, '')::uuid -- our own reference first
		UNION ALL
		SELECT 2, id, payment_id, account_id, operation_id, first_sent_at
		FROM attempts WHERE ref <> '' AND ref = @ref AND account_id = @account -- then what we asked for
		UNION ALL
		SELECT 3, id, payment_id, account_id, operation_id, first_sent_at
		FROM attempts WHERE payment_ref <> '' AND payment_ref = @payment_ref AND account_id = @account
	)
	SELECT id::text AS attempt_id, payment_id::text, account_id::text
	FROM named
	ORDER BY rank, (SELECT o.kind = 'charge' FROM operations o WHERE o.id = operation_id) DESC, -- the money before its refunds
	         first_sent_at
	LIMIT 1`

func (s *Store) resolve(ctx context.Context, e payment.IncomingEvent) (named, error) {
	attempt := e.AttemptID
	if known("attempt", attempt) != nil {
		attempt = ""
	}
	rows, err := s.pool.Query(ctx, resolveEvent, pgx.NamedArgs{
		"attempt": attempt, "account": e.AccountID, "ref": e.Ref, "payment_ref": e.PaymentRef,
	})
	if err != nil {
		return named{}, err
	}
	n, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[named])
	if none(err) {
		return named{}, nil
	}
	return n, err
}

// take stores the event and decides, with the payment locked when one is named.
func (s *Store) take(ctx context.Context, tx pgx.Tx, e payment.IncomingEvent, n named) (payment.Stored, error) {
	switch {
	case n.AttemptID == "":
		return s.keep(ctx, tx, e, "unknown reference", false)
	case n.AccountID != e.AccountID:
		return s.keep(ctx, tx, e, "foreign account", true)
	}
	r, err := s.lock(ctx, tx, byPayment, n.PaymentID)
	if err != nil {
		return payment.Stored{}, err
	}
	a, err := r.attempt(n.AttemptID)
	if err != nil {
		return payment.Stored{}, err
	}
	if e.Elsewhere != nil && a.Origin == ours && a.Operation != payment.OpCharge {
		e = asOurs(e)
	}
	id, known, err := s.insertEvent(ctx, tx, e, place{named: n, dispatchAt: r.now.Add(eventPatience)})
	if err != nil {
		return payment.Stored{}, err
	}
	if known != nil && (known.altered || known.done) && safety.WebhookDedupe.On() {
		return s.repeated(ctx, tx, *known)
	}
	hear := r.hear
	if e.Elsewhere != nil {
		hear = r.hearElsewhere
	}
	out, err := hear(ctx, tx, a, e, id)
	if err != nil {
		return payment.Stored{}, err
	}
	return out, r.save(ctx, tx)
}

// asOurs reads a message about money that moved elsewhere, which names a refund
// of ours by the provider's id, as one about that refund.
func asOurs(e payment.IncomingEvent) payment.IncomingEvent {
	switch e.Elsewhere.State {
	case payment.Closed:
		e.State = payment.Declined
	case payment.Done, payment.Working, payment.Allocated, payment.Sent, payment.Doubtful, payment.Open, payment.Held,
		payment.Declined, payment.NotDone:
		e.State = "" // it may still fail: a reason to look
	}
	e.Elsewhere = nil
	return e
}

// hearElsewhere books what a message says that moved without us.
func (r *record) hearElsewhere(ctx context.Context, tx pgx.Tx, a *attemptRow, e payment.IncomingEvent, id int64) (payment.Stored, error) {
	err := r.bookStray(ctx, tx, a, stray{id: id, attemptID: a.ID, moved: *e.Elsewhere})
	return payment.Stored{Note: "booked"}, err
}

// hear decides what an event of attempt a is good for.
func (r *record) hear(ctx context.Context, tx pgx.Tx, a *attemptRow, e payment.IncomingEvent, id int64) (payment.Stored, error) {
	_, changes := a.advance(e.State)
	charge := a.Operation == payment.OpCharge
	run, err := r.listener(a, id)
	if err != nil {
		return payment.Stored{}, err
	}
	switch {
	case a.Origin == elsewhere, e.State == "" && a.settled(),
		e.State != "" && a.State.Decided() && !changes && !a.contradicts(e.State, e.Amount):
		r.dispatch([]int64{id}, a, "nothing new")
		return payment.Stored{Note: "nothing new"}, nil
	case e.State != "" && (!charge || r.p.ClosedAt != nil && e.State.Succeeded()):
		if err := r.find(ctx, tx, finding(a.ID, id, e)); err != nil {
			return payment.Stored{}, err
		}
		return payment.Stored{Note: "recorded", Signal: run, Reversal: r.toStart(a)}, nil
	case run == nil:
		// The next sweep looks at the provider.
		r.batch.Queue(`UPDATE provider_events SET dispatch_at = @now WHERE id = @id`, pgx.NamedArgs{"id": id, "now": r.now})
		return payment.Stored{Note: "left to the sweep"}, nil
	}
	return payment.Stored{Signal: run}, nil
}

// settled reports whether a look at the provider can show nothing new about the
// attempt. A refund that is done may still fail, and a hold may end.
func (a *attemptRow) settled() bool {
	switch {
	case a.returns():
		return a.Ref != "" && (a.State == payment.Declined || a.State == payment.Closed)
	case a.Operation == payment.OpCharge && a.holds():
		return false
	}
	return a.State.Succeeded()
}

// listener names the run that listens to an event of attempt a: the charge's, or
// its move's; nil when it has ended.
func (r *record) listener(a *attemptRow, id int64) (*payment.EventRef, error) {
	ref := &payment.EventRef{EventID: id, AttemptID: a.ID, Run: r.p.run()}
	if a.Operation == payment.OpCharge {
		if r.p.ClosedAt != nil {
			return nil, nil //nolint:nilnil // nobody listens
		}
		return ref, nil
	}
	o, err := r.operation(a.OperationID)
	if err != nil || o.Origin == elsewhere || o.closed() {
		return nil, err
	}
	move := r.moveRef(o)
	ref.Move = &move
	return ref, nil
}

// toStart names the open reversal of an attempt's money, or nil.
func (r *record) toStart(a *attemptRow) *payment.MoveRef {
	o := r.reversalOf(a)
	if o == nil || o.State != operationOpen {
		return nil
	}
	ref := r.moveRef(o)
	return &ref
}

// finding is what an event proves.
func finding(attemptID string, id int64, e payment.IncomingEvent) payment.Finding {
	return payment.Finding{
		AttemptID: attemptID, Evidence: payment.ByWebhook, EvidenceRef: strconv.FormatInt(id, 10), State: e.State,
		Ref: e.Ref, PaymentRef: e.PaymentRef, Amount: e.Amount, Fee: e.Fee, Decline: e.Decline, Code: e.Code,
		ExpiresAt: e.ExpiresAt, EventIDs: []int64{id},
	}
}

// keep stores an event that nobody acts on.
func (s *Store) keep(ctx context.Context, tx pgx.Tx, e payment.IncomingEvent, note string, suspicious bool) (payment.Stored, error) {
	_, known, err := s.insertEvent(ctx, tx, e, place{dispatchAt: s.now(), note: note})
	if err != nil {
		return payment.Stored{}, err
	}
	if known != nil {
		return s.repeated(ctx, tx, *known)
	}
	return payment.Stored{Suspicious: suspicious, Note: note}, nil
}

// repeated answers an event id that is stored already.
func (s *Store) repeated(ctx context.Context, tx pgx.Tx, known storedEvent) (payment.Stored, error) {
	if !known.altered {
		return payment.Stored{Duplicate: known.done, Note: known.note}, nil
	}
	const mark = `UPDATE provider_events SET note = 'came again with another body' WHERE id = @id AND note <> 'came again with another body'`
	_, err := tx.Exec(ctx, mark, pgx.NamedArgs{"id": known.id})
	return payment.Stored{Suspicious: true, Note: "came again with another body"}, err
}

// storedEvent is what stands under an event id.
type storedEvent struct {
	id            int64
	done, altered bool
	note          string
}

const insertEvent = `
	INSERT INTO provider_events (account_id, event_id, type, body_hash, attempt_id, payment_id, ref, payment_ref, status,
		amount_minor, currency, fee_minor, fee_currency, expires_at, decline, code, occurred_at, received_at,
		dispatched_at, dispatch_at, note, elsewhere)
	VALUES (@account, @event, @type, @hash, nullif(@attempt, '')::uuid, nullif(@payment, '')::uuid, @ref, @payment_ref, @status,
		nullif(@minor::bigint, 0), nullif(@currency, ''), nullif(@fee_minor::bigint, 0), nullif(@fee_currency, ''), @expires_at,
		@decline, @code, @at, @now, CASE WHEN @attempt = '' THEN @now::timestamptz END, @dispatch_at, @note, @elsewhere)
	ON CONFLICT (account_id, event_id) DO NOTHING
	RETURNING id`

const selectEvent = `
	SELECT id, dispatched_at IS NOT NULL, body_hash <> @hash, note
	FROM provider_events WHERE account_id = @account AND event_id = @event`

// place is where an event belongs; without an attempt nobody waits for it.
type place struct {
	named
	dispatchAt time.Time
	note       string
}

// insertEvent stores an event and answers its row, or the one that stands.
func (s *Store) insertEvent(ctx context.Context, tx pgx.Tx, e payment.IncomingEvent, p place) (int64, *storedEvent, error) {
	args := pgx.NamedArgs{
		"account": e.AccountID, "event": e.EventID, "type": e.Type, "hash": e.BodyHash, "attempt": p.AttemptID, "payment": p.PaymentID,
		"ref": e.Ref, "payment_ref": e.PaymentRef, "status": e.State, "minor": e.Amount.Minor, "currency": e.Amount.Currency,
		"fee_minor": e.Fee.Minor, "fee_currency": e.Fee.Currency, "expires_at": nullable(e.ExpiresAt),
		"decline": e.Decline, "code": e.Code, "at": stored(e.At), "now": s.now(), "dispatch_at": p.dispatchAt, "note": p.note,
		"elsewhere": "",
	}
	if e.Elsewhere != nil {
		args["elsewhere"] = e.Elsewhere.Kind
	}
	var id int64
	err := tx.QueryRow(ctx, insertEvent, args).Scan(&id)
	if !none(err) {
		return id, nil, err
	}
	var known storedEvent
	err = tx.QueryRow(ctx, selectEvent, args).Scan(&known.id, &known.done, &known.altered, &known.note)
	return known.id, &known, err
}

const selectPending = `
	SELECT id, status, ref, payment_ref, coalesce(amount_minor, 0), coalesce(currency, ''), coalesce(fee_minor, 0),
	       coalesce(fee_currency, ''), expires_at, decline, code
	FROM provider_events WHERE attempt_id = @attempt AND dispatched_at IS NULL AND elsewhere = ''
	ORDER BY id`

// PendingEvents reads the events of an attempt that were not acted on, in order
// of arrival. Their findings do not know the connector's LateSuccess.
func (s *Store) PendingEvents(ctx context.Context, attemptID string) ([]payment.EventRow, error) {
	const action = "read pending events"
	if err := known("attempt", attemptID); err != nil {
		return nil, failure(action, err)
	}
	rows, err := s.pool.Query(ctx, selectPending, pgx.NamedArgs{"attempt": attemptID})
	if err != nil {
		return nil, failure(action, err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (payment.EventRow, error) {
		var id int64
		var e payment.IncomingEvent
		var currency, feeCurrency money.Currency
		var expires *time.Time
		err := row.Scan(&id, &e.State, &e.Ref, &e.PaymentRef, &e.Amount.Minor, &currency, &e.Fee.Minor, &feeCurrency, &expires, &e.Decline, &e.Code)
		e.Amount.Currency, e.Fee.Currency, e.ExpiresAt = currency, feeCurrency, instant(expires)
		return payment.EventRow{ID: id, Proves: e.State != "", Finding: finding(attemptID, id, e)}, err
	})
	return list, failure(action, err)
}

// DispatchEvents marks events as acted on that told nothing new.
func (s *Store) DispatchEvents(ctx context.Context, ids []int64, note string) error {
	const dispatch = `
		UPDATE provider_events SET dispatched_at = @now, note = @note WHERE id = ANY (@ids::bigint[]) AND dispatched_at IS NULL`
	if len(ids) == 0 {
		return nil
	}
	_, err := s.pool.Exec(ctx, dispatch, pgx.NamedArgs{"ids": ids, "note": note, "now": s.now()})
	return failure("dispatch events", err)
}

const adoptEvents = `
	UPDATE provider_events SET attempt_id = @attempt, payment_id = @payment, dispatched_at = NULL, dispatch_at = @now,
	       note = 'reference learned later'
	WHERE note <> 'foreign account' AND id IN (
		SELECT id FROM provider_events WHERE attempt_id IS NULL AND ref <> '' AND ref = @ref AND account_id = @account
		UNION ALL
		SELECT id FROM provider_events
		WHERE attempt_id IS NULL AND payment_ref <> '' AND payment_ref = @payment_ref AND account_id = @account)`

// adopt takes up messages that came before we knew the reference they name. A
// move bears the reference of the money it acts on: that is the charge's.
func (r *record) adopt(a *attemptRow) {
	moneyRef := a.PaymentRef
	if a.Operation != payment.OpCharge {
		moneyRef = ""
	}
	if a.Ref == "" && moneyRef == "" {
		return
	}
	r.batch.Queue(adoptEvents, pgx.NamedArgs{
		"attempt": a.ID, "payment": r.p.ID, "account": a.AccountID, "ref": a.Ref, "payment_ref": moneyRef, "now": r.now,
	})
}
