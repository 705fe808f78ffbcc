package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// How often the sweep makes sure of one row: a pause as long as the row is old,
// so that the pauses double, within these bounds. Runs that ended unfinished and
// a lost database of Temporal's are noticed otherwise, see Hasten and SweepSoon.
const (
	minSweep = 15 * time.Second
	maxSweep = time.Hour
)

// claiming is a statement that claims due rows, at most limit.
type claiming struct {
	action, sql string
	limit       int
}

// due claims rows and collects what the statement returns of them.
func due[T any](ctx context.Context, s *Store, c claiming, scan pgx.RowToFunc[T]) ([]T, error) {
	rows, err := s.pool.Query(ctx, c.sql, pgx.NamedArgs{
		"now": s.now(), "limit": c.limit, "min": minSweep, "max": maxSweep,
		"min_watch": minWatch, "watch_looks": watchLooks, "patience": eventPatience, "max_patience": maxEventPatience,
		"notices": noticesPerHour, "hour": time.Hour,
	})
	if err != nil {
		return nil, failure(c.action, err)
	}
	list, err := pgx.CollectRows(rows, scan)
	return list, failure(c.action, err)
}

const claimCharges = `
	WITH due AS (
		SELECT id FROM payments WHERE closed_at IS NULL AND sweep_at <= @now
		ORDER BY sweep_at LIMIT @limit
		FOR NO KEY UPDATE SKIP LOCKED
	), claimed AS (
		UPDATE payments p
		SET sweep_at = @now::timestamptz + least(greatest(@now::timestamptz - p.received_at, @min::interval), @max::interval)
		FROM due WHERE p.id = due.id
		RETURNING p.*
	)
	SELECT p.id::text, p.source, p.shop, p.external_id, coalesce(c.provider, ''), p.kind, p.amount_minor, p.currency, p.test, p.received_at
	FROM claimed p LEFT JOIN accounts c ON c.id = p.choice_account
	ORDER BY p.received_at`

// DueCharges claims payments that are not over and whose run the sweep should
// make sure of.
func (s *Store) DueCharges(ctx context.Context, limit int) ([]payment.RunRef, error) {
	return due(ctx, s, claiming{"claim due charges", claimCharges, limit}, func(row pgx.CollectableRow) (payment.RunRef, error) {
		var r payment.RunRef
		err := row.Scan(scanRun(&r)...)
		return r, err
	})
}

func scanRun(r *payment.RunRef) []any {
	return []any{
		&r.PaymentID, &r.Source, &r.Shop, &r.ExternalID, &r.Provider, &r.Kind,
		&r.Amount.Minor, &r.Amount.Currency, &r.Test, &r.ReceivedAt,
	}
}

const claimMoves = `
	WITH due AS (
		SELECT id FROM operations WHERE state = 'open' AND kind <> 'charge' AND sweep_at <= @now
		ORDER BY sweep_at LIMIT @limit
		FOR NO KEY UPDATE SKIP LOCKED
	), claimed AS (
		UPDATE operations o
		SET sweep_at = @now::timestamptz + least(greatest(@now::timestamptz - o.created_at, @min::interval), @max::interval)
		FROM due WHERE o.id = due.id
		RETURNING o.*
	)
	SELECT o.id::text, o.payment_id::text, o.kind, p.source, p.shop, o.external_ref, c.provider, o.amount_minor, o.currency, o.created_at
	FROM claimed o
	JOIN payments p ON p.id = o.payment_id
	JOIN attempts a ON a.id = o.parent_attempt
	JOIN accounts c ON c.id = a.account_id
	ORDER BY o.created_at`

// DueMoves claims moves that are not done and whose run the sweep should make
// sure of.
func (s *Store) DueMoves(ctx context.Context, limit int) ([]payment.MoveRef, error) {
	return due(ctx, s, claiming{"claim due moves", claimMoves, limit}, scanMove)
}

func scanMove(row pgx.CollectableRow) (payment.MoveRef, error) {
	var m payment.MoveRef
	err := row.Scan(&m.OperationID, &m.PaymentID, &m.Kind, &m.Source, &m.Shop, &m.ExternalRef, &m.Provider,
		&m.Amount.Minor, &m.Amount.Currency, &m.At)
	return m, err
}

const claimEvents = `
	WITH due AS (
		SELECT id FROM provider_events WHERE dispatched_at IS NULL AND dispatch_at <= @now
		ORDER BY dispatch_at LIMIT @limit
		FOR NO KEY UPDATE SKIP LOCKED
	), claimed AS (
		UPDATE provider_events e
		SET dispatch_at = @now::timestamptz + least(greatest(@now::timestamptz - e.received_at, @patience::interval), @max_patience::interval)
		FROM due WHERE e.id = due.id
		RETURNING e.*
	)
	SELECT p.id::text, p.source, p.shop, p.external_id, c.provider, p.kind, p.amount_minor, p.currency, p.test, p.received_at,
	       e.id, a.id::text, p.closed_at IS NOT NULL OR o.kind <> 'charge'
	FROM claimed e
	JOIN attempts a ON a.id = e.attempt_id
	JOIN operations o ON o.id = a.operation_id
	JOIN accounts c ON c.id = a.account_id
	JOIN payments p ON p.id = a.payment_id
	ORDER BY e.id`

// DueEvents claims stored events that were not acted on in time. Closed says
// that no run listens for them: the charge is over, or the event is about a move,
// whose run listens to nothing.
func (s *Store) DueEvents(ctx context.Context, limit int) ([]payment.EventRef, error) {
	return due(ctx, s, claiming{"claim due events", claimEvents, limit}, scanEvent)
}

func scanEvent(row pgx.CollectableRow) (payment.EventRef, error) {
	var e payment.EventRef
	err := row.Scan(append(scanRun(&e.Run), &e.EventID, &e.AttemptID, &e.Closed)...)
	return e, err
}

const claimWatches = `
	WITH due AS (
		SELECT id FROM payments WHERE watch_at <= @now
		ORDER BY watch_at LIMIT @limit
		FOR NO KEY UPDATE SKIP LOCKED
	), claimed AS (
		UPDATE payments p
		SET watch_at = CASE WHEN p.watch_until > @now THEN
		        least(@now::timestamptz + greatest((p.watch_until - @now::timestamptz) / @watch_looks::int, @min_watch::interval), p.watch_until) END
		FROM due WHERE p.id = due.id
		RETURNING p.*
	)
	SELECT p.id::text, p.source, p.shop, p.external_id, c.provider, p.kind, p.amount_minor, p.currency, p.test, p.received_at,
	       0::bigint, a.id::text, p.closed_at IS NOT NULL
	FROM claimed p
	JOIN attempts a ON a.payment_id = p.id
	JOIN operations o ON o.id = a.operation_id
	JOIN accounts c ON c.id = a.account_id
	WHERE o.kind = 'charge' AND (a.state IN ('declined', 'closed', 'not_done') OR a.state = 'done' AND NOT a.fee_booked)
	ORDER BY a.first_sent_at, a.id`

// DueWatches claims payments for whose given-up attempts a success may still
// appear, or whose fee is not known yet, and answers those attempts with the run
// that should hear of what is found. limit counts payments.
func (s *Store) DueWatches(ctx context.Context, limit int) ([]payment.EventRef, error) {
	return due(ctx, s, claiming{"claim due watches", claimWatches, limit}, scanEvent)
}

// noticesPerHour bounds the mails to one shop: when a provider is away a
// thousand payments are in doubt at once. The rest waits, nothing is dropped.
const noticesPerHour = 20

const claimNotices = `
	WITH ranked AS (
		SELECT n.id, row_number() OVER (PARTITION BY n.shop ORDER BY n.send_at, n.id)
		       + (SELECT count(*) FROM notices m WHERE m.shop = n.shop AND m.sent_at > @now::timestamptz - @hour::interval) AS rank
		FROM notices n JOIN shops s ON s.shop = n.shop
		WHERE n.sent_at IS NULL AND n.send_at <= @now AND s.mail <> ''
	), due AS (
		SELECT n.id FROM notices n JOIN ranked r ON r.id = n.id
		WHERE r.rank <= @notices AND n.sent_at IS NULL AND n.send_at <= @now
		ORDER BY n.send_at LIMIT @limit
		FOR UPDATE OF n SKIP LOCKED
	), claimed AS (
		UPDATE notices n
		SET tries = n.tries + 1, send_at = @now::timestamptz + least(@min::interval * power(2, least(n.tries, 20)), @hour::interval)
		FROM due WHERE n.id = due.id
		RETURNING n.*
	)
	SELECT n.id, n.shop, s.mail, s.locale, p.id::text, p.external_id, n.reason, p.amount_minor, p.currency, n.at, n.tries
	FROM claimed n JOIN shops s ON s.shop = n.shop JOIN payments p ON p.id = n.payment_id
	ORDER BY n.id`

// DueNotices claims operator mails to send. A mail that fails comes again,
// later each time. A shop without an address keeps its notices until it has one.
func (s *Store) DueNotices(ctx context.Context, limit int) ([]payment.Notice, error) {
	return due(ctx, s, claiming{"claim due notices", claimNotices, limit}, func(row pgx.CollectableRow) (payment.Notice, error) {
		var n payment.Notice
		var minor int64
		var currency money.Currency
		err := row.Scan(&n.ID, &n.Shop, &n.Mail, &n.Locale, &n.PaymentID, &n.External, &n.Reason, &minor, &currency, &n.Since, &n.Tries)
		n.Amount = money.New(minor, currency)
		return n, err
	})
}

// NoticeSent notes that an operator mail went out.
func (s *Store) NoticeSent(ctx context.Context, id int64) error {
	_, err := s.pool.Exec(ctx, `UPDATE notices SET sent_at = @now WHERE id = @id AND sent_at IS NULL`,
		pgx.NamedArgs{"id": id, "now": s.now()})
	return failure("note notice sent", err)
}
