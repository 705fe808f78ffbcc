package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/safety"
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
		"now": s.now(), "lapsed": s.lapsed(), "echo": pauseEcho, "limit": c.limit, "min": minSweep, "max": maxSweep,
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

// pauseEcho is how long after the end of a pause the sweep wakes those that it
// left in doubt: some sweeps meet it, in case that one fails or there are many.
const pauseEcho = 30 * time.Second

// The states and the code are written out for the sake of the indexes.
const selectHeldBack = `
	SELECT p.id::text, p.source, p.shop, p.external_id, c.provider, p.kind, p.amount_minor, p.currency, p.test, p.received_at
	FROM (
		SELECT a.payment_id, a.operation_id, a.account_id, a.first_sent_at, a.state FROM attempts a
		WHERE a.state = 'allocated' AND a.code IN ('account_paused', 'in_flight_cap')
		  AND NOT EXISTS (SELECT FROM account_pauses w WHERE w.account_id = a.account_id AND w.ended_at IS NULL AND w.until >= @lapsed)
		UNION
		SELECT a.payment_id, a.operation_id, a.account_id, a.first_sent_at, a.state FROM account_pauses w
		JOIN attempts a ON a.account_id = w.account_id AND a.state IN ('sent', 'in_doubt') AND a.first_sent_at <= w.ended_at
		WHERE w.ended_at >= @now::timestamptz - @echo::interval
	) a
	JOIN operations o ON o.id = a.operation_id AND o.kind = 'charge'
	JOIN payments p ON p.id = a.payment_id AND p.closed_at IS NULL
	JOIN accounts c ON c.id = a.account_id
	ORDER BY a.state = 'allocated', a.first_sent_at LIMIT @limit`

// HeldBack reads charges that wait because of a pause of their account that is
// over, or because they found no place: for a moment those whose send had no
// answer, then those whose send was held back, as long as it is, each the oldest
// first. It claims nothing, since waking one twice does no harm.
func (s *Store) HeldBack(ctx context.Context, limit int) ([]payment.RunRef, error) {
	return due(ctx, s, claiming{"read what was held back", selectHeldBack, limit}, func(row pgx.CollectableRow) (payment.RunRef, error) {
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

const claimSessions = `
	WITH due AS (
		SELECT id FROM move_sessions WHERE closed_at IS NULL AND sweep_at <= @now
		ORDER BY sweep_at LIMIT @limit
		FOR NO KEY UPDATE SKIP LOCKED
	), claimed AS (
		UPDATE move_sessions m
		SET sweep_at = @now::timestamptz + least(greatest(@now::timestamptz - m.received_at, @min::interval), @max::interval)
		FROM due WHERE m.id = due.id
		RETURNING m.*
	)
	SELECT m.id::text, coalesce(m.payment_id::text, ''), m.kind, m.source, m.shop, m.external_id, coalesce(c.provider, ''),
	       coalesce(o.amount_minor, m.amount_minor), coalesce(o.currency, m.currency), m.received_at
	FROM claimed m
	LEFT JOIN operations o ON o.id = m.id
	LEFT JOIN payments p ON p.id = m.payment_id
	LEFT JOIN attempts a ON a.id = coalesce(o.parent_attempt, p.winner_attempt)
	LEFT JOIN accounts c ON c.id = a.account_id
	ORDER BY m.received_at`

const claimReversals = `
	WITH due AS (
		SELECT id FROM operations WHERE state = 'open' AND kind = 'reversal' AND sweep_at <= @now
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

// DueMoves claims moves that are not over and whose run the sweep should make
// sure of: sessions, claimed or not, and reversals, at most limit of each.
func (s *Store) DueMoves(ctx context.Context, limit int) ([]payment.MoveRef, error) {
	sessions, err := due(ctx, s, claiming{"claim due sessions", claimSessions, limit}, scanMove)
	if err != nil {
		return nil, err
	}
	reversals, err := due(ctx, s, claiming{"claim due reversals", claimReversals, limit}, scanMove)
	return append(sessions, reversals...), err
}

func scanMove(row pgx.CollectableRow) (payment.MoveRef, error) {
	var m payment.MoveRef
	err := row.Scan(&m.OperationID, &m.PaymentID, &m.Kind, &m.Source, &m.Shop, &m.ExternalRef, &m.Provider,
		&m.Amount.Minor, &m.Amount.Currency, &m.At)
	return m, err
}

const claimEvents = `
	WITH due AS (
		SELECT id FROM provider_events WHERE dispatched_at IS NULL AND dispatch_at <= @now AND elsewhere = ''
		ORDER BY dispatch_at LIMIT @limit
		FOR NO KEY UPDATE SKIP LOCKED
	), claimed AS (
		UPDATE provider_events e
		SET dispatch_at = @now::timestamptz + least(greatest(@now::timestamptz - e.received_at, @patience::interval), @max_patience::interval)
		FROM due WHERE e.id = due.id
		RETURNING e.*
	)
	SELECT p.id::text, p.source, p.shop, p.external_id, c.provider, p.kind, p.amount_minor, p.currency, p.test, p.received_at,
	       e.id, a.id::text,
	       CASE WHEN o.kind = 'charge' THEN p.closed_at IS NOT NULL WHEN m.id IS NOT NULL THEN m.closed_at IS NOT NULL ELSE o.state <> 'open' END,
	       o.id::text, o.kind, coalesce(m.external_id, o.external_ref), o.amount_minor, o.currency, coalesce(m.received_at, o.created_at)
	FROM claimed e
	JOIN attempts a ON a.id = e.attempt_id
	JOIN operations o ON o.id = a.operation_id
	LEFT JOIN move_sessions m ON m.id = o.id
	JOIN accounts c ON c.id = a.account_id
	JOIN payments p ON p.id = a.payment_id
	ORDER BY e.id`

// DueEvents claims stored events that were not acted on in time, with the run
// that they concern: the charge's, or that of the move that Move names. Closed
// says that it has ended and listens to nothing. Messages about money that moved
// elsewhere, and came before that money was known, are booked here.
func (s *Store) DueEvents(ctx context.Context, limit int) ([]payment.EventRef, error) {
	if err := s.bookDueStrays(ctx, limit); err != nil {
		return nil, err
	}
	if !safety.WebhookRedispatch.On() {
		return nil, nil
	}
	return due(ctx, s, claiming{"claim due events", claimEvents, limit}, scanMoveEvent)
}

// bookDueStrays books what bookStrays does, for all payments that have some.
func (s *Store) bookDueStrays(ctx context.Context, limit int) error {
	const action = "book what moved elsewhere"
	rows, err := s.pool.Query(ctx, `
		SELECT DISTINCT payment_id::text FROM provider_events
		WHERE elsewhere <> '' AND payment_id IS NOT NULL AND dispatched_at IS NULL AND dispatch_at <= @now LIMIT @limit`,
		pgx.NamedArgs{"now": s.now(), "limit": limit})
	if err != nil {
		return failure(action, err)
	}
	payments, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return failure(action, err)
	}
	for _, id := range payments {
		_, err := s.change(ctx, byPayment, id, func(tx pgx.Tx, r *record) error { return r.bookStrays(ctx, tx) })
		if err != nil { // one payment must not stand in the way of the others
			s.log.Error().Err(failure(action, err)).Str("payment_id", id).Msg("money that moved elsewhere is not booked yet")
		}
	}
	return nil
}

// scanMoveEvent reads an event with the move it is about, if it is about one.
func scanMoveEvent(row pgx.CollectableRow) (payment.EventRef, error) {
	var e payment.EventRef
	var m payment.MoveRef
	err := row.Scan(append(scanRun(&e.Run), &e.EventID, &e.AttemptID, &e.Closed,
		&m.OperationID, &m.Kind, &m.ExternalRef, &m.Amount.Minor, &m.Amount.Currency, &m.At)...)
	if m.Kind != payment.OpCharge {
		m.PaymentID, m.Source, m.Shop, m.Provider = e.Run.PaymentID, e.Run.Source, e.Run.Shop, e.Run.Provider
		e.Move = &m
	}
	return e, err
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
	   OR o.kind = 'charge' AND a.state = 'authorized' AND a.hold_ended_at IS NULL AND a.expires_at <= @now
	   OR o.kind = 'capture' AND o.origin = 'ours' AND a.state = 'done' AND NOT a.fee_booked
	ORDER BY a.first_sent_at, a.id`

// DueWatches claims payments for whose given-up attempts a success may still
// appear, whose hold's time is over, or whose fee is not known yet, and answers
// those attempts with the run that should hear of what is found. limit counts
// payments.
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
	SELECT n.id, n.shop, s.mail, s.locale, coalesce(p.id::text, ''), coalesce(p.external_id, m.external_id), n.reason,
	       coalesce(p.amount_minor, m.amount_minor), coalesce(p.currency, m.currency), n.at, n.tries
	FROM claimed n JOIN shops s ON s.shop = n.shop
	LEFT JOIN payments p ON p.id = n.payment_id
	LEFT JOIN move_sessions m ON m.id = n.move_id
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
