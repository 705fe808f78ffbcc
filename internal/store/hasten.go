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
	moves, err := s.pool.Exec(ctx, `UPDATE operations SET sweep_at = @now WHERE state = 'open' AND kind <> 'charge' AND sweep_at > @now`, args)
	return charges.RowsAffected() + moves.RowsAffected(), failure(action, err)
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
		WHERE p.shop = e.shop AND p.id = o.payment_id AND o.external_ref = e.ref AND o.state = 'open' AND o.sweep_at > @now`, args)
	return failure("hasten", send(ctx, s.pool, b))
}

// OpenMoves lists a payment's moves that are not done, the oldest first.
func (s *Store) OpenMoves(ctx context.Context, paymentID string) ([]payment.MoveRef, error) {
	const action = "list open moves"
	if err := known("payment", paymentID); err != nil {
		return nil, failure(action, err)
	}
	rows, err := s.pool.Query(ctx, `
		SELECT o.id::text, o.payment_id::text, o.kind, p.source, p.shop, o.external_ref, c.provider, o.amount_minor, o.currency, o.created_at
		FROM operations o
		JOIN payments p ON p.id = o.payment_id
		JOIN attempts a ON a.id = o.parent_attempt
		JOIN accounts c ON c.id = a.account_id
		WHERE o.payment_id = @id AND o.state = 'open' AND o.kind <> 'charge'
		ORDER BY o.created_at`, pgx.NamedArgs{"id": paymentID})
	if err != nil {
		return nil, failure(action, err)
	}
	list, err := pgx.CollectRows(rows, scanMove)
	return list, failure(action, err)
}
