package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/shopify/app"
)

// RaiseWarning keeps a warning under its key; true if it was not known. One that
// is known is counted.
func (s *Store) RaiseWarning(ctx context.Context, w app.Warning) (bool, error) {
	const statement = `
		INSERT INTO warnings AS w (key, kind, shop, detail, at, last_at, send_at) VALUES (@key, @kind, @shop, @detail, @now, @now, @now)
		ON CONFLICT (key) DO UPDATE SET times = w.times + 1, last_at = @now
		RETURNING times = 1`
	fresh := false
	err := s.pool.QueryRow(ctx, statement, pgx.NamedArgs{
		"key": w.Key, "kind": w.Kind, "shop": w.Shop, "detail": w.Detail, "now": s.now(),
	}).Scan(&fresh)
	return fresh, failure("raise a warning", err)
}

// EndWarning forgets a warning, so that the next one under its key is said again.
func (s *Store) EndWarning(ctx context.Context, key string) error {
	_, err := s.pool.Exec(ctx, `DELETE FROM warnings WHERE key = @key`, pgx.NamedArgs{"key": key})
	return failure("end a warning", err)
}

const (
	// warningPause is the first pause between two tries of sending a warning; it
	// doubles up to an hour.
	warningPause = time.Minute
	// warningQuiet is the least pause between two mails of one kind: what befalls
	// all shops at once is gathered.
	warningQuiet = 15 * time.Minute
)

const selectWarning = `SELECT key, kind, shop, detail, at, tries FROM `

func scanWarning(row pgx.CollectableRow) (app.Warning, error) {
	var w app.Warning
	err := row.Scan(&w.Key, &w.Kind, &w.Shop, &w.Detail, &w.At, &w.Tries)
	return w, err
}

// DueWarnings claims warnings that nobody was told yet, unless somebody was told
// of another of that kind just now. Each comes up again, later each time, unless [Store.WarningSent] ends it.
func (s *Store) DueWarnings(ctx context.Context, limit int) ([]app.Warning, error) {
	const action = "claim due warnings"
	const claim = `
		WITH due AS (
			SELECT key FROM warnings w WHERE sent_at IS NULL AND send_at <= @now
			  AND NOT EXISTS (SELECT FROM warnings s WHERE s.kind = w.kind AND s.sent_at > @now::timestamptz - @quiet::interval)
			ORDER BY send_at LIMIT @limit FOR UPDATE SKIP LOCKED
		), claimed AS (
			UPDATE warnings w SET tries = w.tries + 1,
			       send_at = @now::timestamptz + least(@pause::interval * power(2, least(w.tries, 20)), @hour::interval)
			FROM due WHERE w.key = due.key RETURNING w.*
		) ` + selectWarning + `claimed ORDER BY at`
	rows, err := s.pool.Query(ctx, claim, pgx.NamedArgs{"now": s.now(), "limit": limit, "pause": warningPause, "hour": time.Hour, "quiet": warningQuiet})
	if err != nil {
		return nil, failure(action, err)
	}
	list, err := pgx.CollectRows(rows, scanWarning)
	return list, failure(action, err)
}

// WarningSent notes that a person was told.
func (s *Store) WarningSent(ctx context.Context, key string) error {
	_, err := s.pool.Exec(ctx, `UPDATE warnings SET sent_at = @now WHERE key = @key AND sent_at IS NULL`, pgx.NamedArgs{"key": key, "now": s.now()})
	return failure("note warning sent", err)
}

// Warnings lists what was met since a moment, the newest first.
func (s *Store) Warnings(ctx context.Context, since time.Time, limit int) ([]app.Warning, error) {
	const action = "list warnings"
	rows, err := s.pool.Query(ctx, selectWarning+`warnings WHERE last_at >= @since ORDER BY last_at DESC, key LIMIT @limit`,
		pgx.NamedArgs{"since": since, "limit": min(max(limit, 1), maxList)})
	if err != nil {
		return nil, failure(action, err)
	}
	list, err := pgx.CollectRows(rows, scanWarning)
	return list, failure(action, err)
}
