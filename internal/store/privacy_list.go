package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/privacy"
)

// PrivacyRequest reads one request for people. It names nobody.
func (s *Store) PrivacyRequest(ctx context.Context, id string) (privacy.Line, error) {
	const action = "show privacy request"
	r, err := readRequest(ctx, s.pool, id, "")
	if err != nil {
		return privacy.Line{}, failure(action, err)
	}
	v, err := r.view(ctx, s.pool)
	if err != nil {
		return privacy.Line{}, failure(action, err)
	}
	r.Open = v.Open
	const parcel = `
		SELECT expires_at, downloads, wrong, parcel IS NOT NULL AND expires_at > @now FROM privacy_exports WHERE request_id = @id`
	var e privacy.Export
	err = s.pool.QueryRow(ctx, parcel, pgx.NamedArgs{"id": id, "now": s.now()}).Scan(&e.ExpiresAt, &e.Downloads, &e.Wrong, &e.Open)
	if none(err) {
		return r.Line, nil
	}
	r.Export = &e
	return r.Line, failure(action, err)
}

// PrivacyRequests lists requests for people, the newest first; open ones alone
// when waiting is set. At most 500.
func (s *Store) PrivacyRequests(ctx context.Context, waiting bool, limit int) ([]privacy.Line, error) {
	const action = "list privacy requests"
	if limit < 1 || limit > 500 {
		return nil, failure(action, invalid("limit", "a list has 1 to 500 lines"))
	}
	rows, err := s.pool.Query(ctx, selectRequest+`WHERE NOT @waiting::boolean OR done_at IS NULL ORDER BY received_at DESC, id DESC LIMIT @limit`,
		pgx.NamedArgs{"waiting": waiting, "limit": limit})
	if err != nil {
		return nil, failure(action, err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (privacy.Line, error) {
		r, err := scanRequest(row)
		return r.Line, err
	})
	return list, failure(action, err)
}

const claimRequests = `
	WITH due AS (
		SELECT id FROM privacy_requests WHERE done_at IS NULL AND sweep_at <= @now
		ORDER BY sweep_at LIMIT @limit
		FOR NO KEY UPDATE SKIP LOCKED
	)
	UPDATE privacy_requests r
	SET sweep_at = @now::timestamptz + least(greatest(@now::timestamptz - r.received_at, @min::interval), @max::interval)
	FROM due WHERE r.id = due.id
	RETURNING r.id::text, r.shop, r.kind, r.received_at, r.due_at, r.state = 'waiting' AND r.kind <> 'data_request'`

// DueErasures claims requests that are not served and whose run the sweep should
// make sure of. Ready ones wait for payments, and none of those is open any more.
func (s *Store) DueErasures(ctx context.Context, limit int) ([]privacy.DueRun, error) {
	list, err := due(ctx, s, claiming{"claim due privacy requests", claimRequests, limit}, func(row pgx.CollectableRow) (privacy.DueRun, error) {
		var d privacy.DueRun
		err := row.Scan(&d.ID, &d.Shop, &d.Kind, &d.ReceivedAt, &d.DueAt, &d.Ready)
		return d, err
	})
	for i, d := range list {
		if !d.Ready || err != nil {
			continue
		}
		var open int
		if err = s.pool.QueryRow(ctx, openPayments, pgx.NamedArgs{"id": d.ID}).Scan(&open); err != nil {
			return list, failure("count open payments", err)
		}
		list[i].Ready = open == 0
	}
	return list, err
}
