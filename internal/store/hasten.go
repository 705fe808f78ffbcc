package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/payment"
)

// SweepSoon makes every row that is not over due for the next sweep: after
// Temporal's database was lost, none of them has a run. It answers how many.
func (s *Store) SweepSoon(ctx context.Context) (int64, error) {
	const action = "sweep soon"
	args := pgx.NamedArgs{"now": s.now()}
	charges, err := s.pool.Exec(ctx, `UPDATE payments SET sweep_at = @now WHERE closed_at IS NULL AND sweep_at > @now`, args)
	if err != nil {
		return 0, failure(action, err)
	}
	reversals, err := s.pool.Exec(ctx, `UPDATE operations SET sweep_at = @now WHERE state = 'open' AND kind = 'reversal' AND sweep_at > @now`, args)
	if err != nil {
		return 0, failure(action, err)
	}
	moves, err := s.pool.Exec(ctx, `UPDATE move_sessions SET sweep_at = @now WHERE closed_at IS NULL AND sweep_at > @now`, args)
	if err != nil {
		return 0, failure(action, err)
	}
	members, err := s.pool.Exec(ctx, `UPDATE subscriptions SET sweep_at = @now WHERE ended_at IS NULL AND sweep_at > @now`, args)
	if err != nil {
		return 0, failure(action, err)
	}
	requests, err := s.pool.Exec(ctx, `UPDATE privacy_requests SET sweep_at = @now WHERE done_at IS NULL AND sweep_at > @now`, args)
	return charges.RowsAffected() + reversals.RowsAffected() + moves.RowsAffected() + members.RowsAffected() + requests.RowsAffected(), failure(action, err)
}

// Hasten makes the rows of runs that ended without finishing due for the next
// sweep. Rows that are over stay over.
func (s *Store) Hasten(ctx context.Context, ended []payment.EndedRun) error {
	shops, refs := make([]string, len(ended)), make([]string, len(ended))
	for i, e := range ended {
		shops[i], refs[i] = e.Shop, e.Ref
	}
	args := pgx.NamedArgs{"now": s.now(), "shops": shops, "refs": refs}
	b := &pgx.Batch{}
	b.Queue(`
		UPDATE payments p SET sweep_at = @now
		FROM unnest(@shops::text[], @refs::text[]) AS e(shop, ref)
		WHERE p.shop = e.shop AND p.external_id = e.ref AND p.closed_at IS NULL AND p.sweep_at > @now`, args)
	b.Queue(`
		UPDATE operations o SET sweep_at = @now
		FROM unnest(@shops::text[], @refs::text[]) AS e(shop, ref), payments p
		WHERE p.shop = e.shop AND p.id = o.payment_id AND o.external_ref = e.ref
		  AND o.state = 'open' AND o.kind = 'reversal' AND o.sweep_at > @now`, args)
	b.Queue(`
		UPDATE move_sessions m SET sweep_at = @now
		FROM unnest(@shops::text[], @refs::text[]) AS e(shop, ref)
		WHERE m.external_id = e.ref AND m.shop = e.shop AND m.closed_at IS NULL AND m.sweep_at > @now`, args)
	b.Queue(`
		UPDATE subscriptions s SET sweep_at = @now
		FROM unnest(@shops::text[], @refs::text[]) AS e(shop, ref)
		WHERE s.id::text = e.ref AND s.shop = e.shop AND s.ended_at IS NULL AND s.sweep_at > @now`, args)
	b.Queue(`
		UPDATE privacy_requests r SET sweep_at = @now
		FROM unnest(@shops::text[], @refs::text[]) AS e(shop, ref)
		WHERE r.id::text = e.ref AND r.shop = e.shop AND r.done_at IS NULL AND r.sweep_at > @now`, args)
	return failure("hasten", send(ctx, s.pool, b))
}
