package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/access/audit"
	"tillflow/internal/ledger"
	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// record is everything about one payment, read in one round trip while its row
// is locked. Decisions change the record and queue statements; save sends them
// in one batch, so a transaction takes a few round trips whatever it decides.
type record struct {
	s          *Store
	now        time.Time
	p, was     paymentRow // as it will be saved, as it was read
	attempts   []*attemptRow
	operations []*operationRow
	unclaimed  *operationRow // the session that is being decided, when it claims nothing
	holder     string        // payment that holds the place of the group; empty: free
	batch      *pgx.Batch
	lines      []line
	noted      []audit.Entry // for the audit, once all else is written
}

// paymentRow is what decisions read of payments, with the shop's settings.
type paymentRow struct {
	ID, Source, Shop, ExternalID, GID, GroupKey string

	Kind        payment.Kind
	AmountMinor int64
	Currency    money.Currency
	Test        bool
	Token       string
	CancelURL   string
	ReturnURL   string
	Locale      string
	Description string
	ReceivedAt  time.Time
	DeadlineAt  time.Time

	State          payment.State
	ChoiceSeq      int
	ChoiceAccount  *string
	ChoiceProvider string
	ChoiceEnabled  bool
	ChoiceMethod   *string // the choice is a kept method, charged without the buyer
	LeftSeq        int
	Shut           payment.DeclineReason
	WinnerAttempt  *string
	Final          payment.Final
	FinalReason    payment.DeclineReason
	FinalAt        *time.Time
	PendingAt      *time.Time
	ToldAt         *time.Time
	TellRefused    string
	RefusedAt      *time.Time
	NextURL        string
	Operator       payment.OperatorReason
	OperatorSince  *time.Time
	WatchUntil     *time.Time
	WatchAt        *time.Time
	ClosedAt       *time.Time

	SubscriptionID *string // whose charge it is
	ChargeKey      string

	ShopLabel      string
	MaxAttempts    int
	RefusedDefault time.Duration
}

func (p *paymentRow) amount() money.Amount { return money.New(p.AmountMinor, p.Currency) }

func (p *paymentRow) run() payment.RunRef {
	return payment.RunRef{
		PaymentID: p.ID, Source: p.Source, Shop: p.Shop, ExternalID: p.ExternalID, Provider: p.ChoiceProvider,
		Kind: p.Kind, Amount: p.amount(), Test: p.Test, ReceivedAt: p.ReceivedAt,
	}
}

type attemptRow struct {
	ID, OperationID, AccountID, Provider string

	Operation      payment.Operation
	Origin         origin
	ParentAttempt  *string
	Seq            int
	Leg            string
	ChoiceSeq      int
	Key            string
	AmountMinor    int64
	Currency       money.Currency
	ActualMinor    int64 // zero until money was held or moved
	ActualCurrency money.Currency
	FeeBooked      bool
	State          payment.AttemptState
	FirstSentAt    time.Time
	LastSentAt     time.Time
	Sends          int
	Ref            string
	PaymentRef     string
	URL            string
	ExpiresAt      *time.Time
	Decline        payment.DeclineReason
	Code           string
	DecidedAt      *time.Time
	HoldEndedAt    *time.Time // nothing is held any more, by evidence
	MethodID       *string    // the kept method that it charges

	held money.Amount // what was held before a capture was found
}

func (a *attemptRow) asked() money.Amount  { return money.New(a.AmountMinor, a.Currency) }
func (a *attemptRow) actual() money.Amount { return money.New(a.ActualMinor, a.ActualCurrency) }

// moneyRef names the money at the provider, as well as it is known.
func (a *attemptRow) moneyRef() string { return orElse(a.PaymentRef, orElse(a.Ref, a.ID)) }

func (a *attemptRow) brief() payment.Attempt {
	return payment.Attempt{
		ID: a.ID, Operation: a.Operation, AccountID: a.AccountID, Provider: a.Provider, Leg: a.Leg,
		State: a.State, Ref: a.Ref, PaymentRef: a.PaymentRef, ExpiresAt: instant(a.ExpiresAt), Elsewhere: a.Origin == elsewhere,
		Kept: a.MethodID != nil,
	}
}

// holds reports whether the attempt's money is held and nothing has ended that.
func (a *attemptRow) holds() bool { return a.State == payment.Held && a.HoldEndedAt == nil }

// returns reports whether the attempt gives taken money back, which may fail
// after it was done.
func (a *attemptRow) returns() bool {
	return a.Operation == payment.OpRefund || a.Operation == payment.OpDispute ||
		a.Operation == payment.OpReversal && a.Leg == string(payment.OpRefund)
}

// advance says what becomes of the attempt when evidence shows next.
func (a *attemptRow) advance(next payment.AttemptState) (payment.AttemptState, bool) {
	if a.returns() {
		return a.State.AdvanceReturn(next, a.Ref != "")
	}
	return a.State.Advance(next)
}

// operationState says whether an operation still has to happen.
type operationState string

const (
	operationUnclaimed operationState = "" // only a session stands: nothing is claimed
	operationOpen      operationState = "open"
	operationDone      operationState = "done"
	operationRefused   operationState = "refused"
)

// origin says who moves the money.
type origin string

const (
	ours      origin = "ours"
	elsewhere origin = "elsewhere" // the provider did, without us
)

type operationRow struct {
	ID            string
	Kind          payment.Operation
	Origin        origin
	AccountID     string // of what moved elsewhere
	ParentAttempt *string
	AmountMinor   int64
	Currency      money.Currency
	State         operationState
	ExternalRef   string
	Operator      payment.OperatorReason
	CreatedAt     time.Time
	askedRow

	wasAsked askedRow // as it was read
}

func (o *operationRow) amount() money.Amount { return money.New(o.AmountMinor, o.Currency) }

// scope says by which id a payment is found: SQL for the payment's id.
type scope string

const (
	byPayment   scope = `@id::uuid`
	byAttempt   scope = `(SELECT payment_id FROM attempts WHERE id = @id::uuid)`
	byOperation scope = `(SELECT payment_id FROM operations WHERE id = @id::uuid)`
	byMove      scope = `coalesce((SELECT payment_id FROM operations WHERE id = @id::uuid), (SELECT payment_id FROM move_sessions WHERE id = @id::uuid))`
	byLink      scope = `(SELECT id FROM payments WHERE token = @id)`
)

const selectPayment = `
	SELECT p.id::text, p.source, p.shop, p.external_id, p.gid, p.group_key, p.kind, p.amount_minor, p.currency, p.test,
	       p.token, p.cancel_url, p.return_url, p.locale, p.description, p.received_at, p.deadline_at, p.state,
	       p.choice_seq, p.choice_account::text, coalesce(c.provider, '') AS choice_provider,
	       coalesce(c.enabled, false) AS choice_enabled, p.choice_method::text, p.left_seq, p.shut,
	       p.winner_attempt::text, p.final, p.final_reason, p.final_at, p.pending_at, p.told_at, p.tell_refused, p.refused_at, p.next_url,
	       p.operator, p.operator_since, p.watch_until, p.watch_at, p.closed_at,
	       p.subscription_id::text, p.charge_key, s.label AS shop_label, s.max_attempts, s.refused_default
	FROM payments p
	JOIN shops s ON s.shop = p.shop
	LEFT JOIN accounts c ON c.id = p.choice_account
	WHERE p.id = %s`

// lockPayment is a statement of its own: one that both waits for a lock and joins
// would see the payment as it is after the wait and the joined rows as they were
// before. Not FOR UPDATE: rows that only refer to the payment need not wait.
const lockPayment = `SELECT FROM payments WHERE id = %s FOR NO KEY UPDATE`

const selectAttempts = `
	SELECT a.id::text, a.operation_id::text, a.account_id::text, c.provider, o.kind AS operation, o.origin,
	       o.parent_attempt::text, a.seq, a.leg, a.choice_seq, a.key, a.amount_minor, a.currency,
	       coalesce(a.actual_minor, 0) AS actual_minor, coalesce(a.actual_currency, '') AS actual_currency, a.fee_booked,
	       a.state, a.first_sent_at, a.last_sent_at, a.sends, a.ref, a.payment_ref, a.url, a.expires_at, a.decline, a.code, a.decided_at,
	       a.hold_ended_at, a.method_id::text
	FROM attempts a
	JOIN operations o ON o.id = a.operation_id
	JOIN accounts c ON c.id = a.account_id
	WHERE a.payment_id = %s
	ORDER BY a.first_sent_at, a.id`

const selectOperations = `
	SELECT o.id::text, o.kind, o.origin, coalesce(o.account_id::text, '') AS account_id, o.parent_attempt::text,
	       o.amount_minor, o.currency, o.state, o.external_ref, o.operator, o.created_at, ` + askedColumns + `
	FROM operations o
	LEFT JOIN move_sessions m ON m.id = o.id -- a session and its operation share the id
	WHERE o.payment_id = %s
	ORDER BY o.created_at, o.id`

const selectHolder = `
	SELECT w.payment_id::text FROM winners w JOIN payments p ON p.shop = w.shop AND p.group_key = w.group_key
	WHERE p.id = %s`

// lock reads the record of the payment that by and id name and keeps everybody
// else from changing it until the transaction ends. Each statement after the
// first has a snapshot of its own and sees what was committed while that waited.
func (s *Store) lock(ctx context.Context, tx pgx.Tx, by scope, id string) (*record, error) {
	b := &pgx.Batch{}
	b.Queue(within(lockPayment, by), pgx.NamedArgs{"id": id})
	r := s.queueRead(b, by, id)
	if err := send(ctx, tx, b); err != nil {
		return nil, err
	}
	r.was = r.p
	return r, nil
}

// read reads the record without locking it, all at one moment.
func (s *Store) read(ctx context.Context, by scope, id string, more ...func(*pgx.Batch)) (*record, error) {
	b := &pgx.Batch{}
	b.Queue(snapshot)
	r := s.queueRead(b, by, id)
	for _, queue := range more {
		queue(b)
	}
	b.Queue("commit")
	if err := send(ctx, s.pool, b); err != nil {
		return nil, err
	}
	r.was = r.p
	return r, nil
}

func (s *Store) queueRead(b *pgx.Batch, by scope, id string) *record {
	r := &record{s: s, now: s.now(), batch: &pgx.Batch{}}
	args := pgx.NamedArgs{"id": id}
	b.Queue(within(selectPayment, by), args).Query(func(rows pgx.Rows) (err error) {
		r.p, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[paymentRow])
		return err
	})
	b.Queue(within(selectAttempts, by), args).Query(func(rows pgx.Rows) (err error) {
		r.attempts, err = pgx.CollectRows(rows, pgx.RowToAddrOfStructByName[attemptRow])
		return err
	})
	b.Queue(within(selectOperations, by), args).Query(func(rows pgx.Rows) (err error) {
		r.operations, err = collectOperations(rows)
		return err
	})
	b.Queue(within(selectHolder, by), args).Query(func(rows pgx.Rows) error {
		holders, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if len(holders) == 1 {
			r.holder = holders[0]
		}
		return err
	})
	return r
}

// attempt finds an attempt of the payment by its id.
func (r *record) attempt(id string) (*attemptRow, error) {
	for _, a := range r.attempts {
		if a.ID == id {
			return a, nil
		}
	}
	return nil, invalid("foreign_attempt", "attempt is not one of this payment")
}

func (r *record) operation(id string) (*operationRow, error) {
	for _, o := range r.operations {
		if o.ID == id {
			return o, nil
		}
	}
	return nil, bug("no_operation", "operation is not one of this payment")
}

// charge is the operation that every payment has.
func (r *record) charge() (*operationRow, error) {
	for _, o := range r.operations {
		if o.Kind == payment.OpCharge {
			return o, nil
		}
	}
	return nil, bug("no_charge", "payment without a charge operation")
}

// reversalOf finds the operation that gives back an attempt's money, or nil. One
// whose refund failed later is none: the money is here again.
func (r *record) reversalOf(a *attemptRow) *operationRow {
	for _, o := range r.operations {
		if o.Kind == payment.OpReversal && o.State != operationRefused && o.ParentAttempt != nil && *o.ParentAttempt == a.ID {
			return o
		}
	}
	return nil
}

// isWinner reports whether the attempt holds or held the payment's place.
func (r *record) isWinner(a *attemptRow) bool {
	return r.p.WinnerAttempt != nil && *r.p.WinnerAttempt == a.ID
}

func (r *record) books(a *attemptRow) ledger.Books {
	return ledger.Books{Mode: ledger.ModeOf(r.p.Test), ProviderAccount: a.AccountID, Shop: r.p.Shop}
}
