package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/recharge"
)

// deliveryRest is how soon a store is visited after a webhook: messages come in
// swarms, and one visit serves them all.
const deliveryRest = 5 * time.Second

// StoreRechargeDelivery commits a verified webhook and has the store visited soon;
// false if it was stored before, which changes nothing.
func (s *Store) StoreRechargeDelivery(ctx context.Context, a recharge.Arrived) (bool, error) {
	const insert = `
		WITH fresh AS (
			INSERT INTO recharge_deliveries (shop, key, topic, object, object_id, received_at)
			VALUES (@shop, @key, @topic, @object, @object_id, @now) ON CONFLICT (shop, key) DO NOTHING RETURNING shop
		)
		UPDATE recharge_stores r SET next_at = least(r.next_at, @soon) FROM fresh WHERE r.shop = fresh.shop`
	now := s.now()
	tag, err := s.pool.Exec(ctx, insert, pgx.NamedArgs{
		"shop": a.Shop, "key": a.Key, "topic": code(string(a.Topic)), "object": code(a.Object), "object_id": a.ObjectID, "now": now, "soon": now.Add(deliveryRest),
	})
	return tag.RowsAffected() == 1, failure("store a webhook of recharge", err)
}

// DueRechargeDeliveries lists a shop's webhooks that were not acted on, the oldest first.
func (s *Store) DueRechargeDeliveries(ctx context.Context, shop string, limit int) ([]recharge.Arrived, error) {
	const action = "list webhooks of recharge"
	const query = `
		SELECT shop, key, topic, object, object_id FROM recharge_deliveries
		WHERE shop = @shop AND dispatched_at IS NULL ORDER BY received_at, key LIMIT @limit`
	rows, err := s.pool.Query(ctx, query, pgx.NamedArgs{"shop": shop, "limit": limit})
	if err != nil {
		return nil, failure(action, err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[recharge.Arrived])
	return list, failure(action, err)
}

// EndRechargeDelivery notes that a webhook was acted on, and how.
func (s *Store) EndRechargeDelivery(ctx context.Context, shop, key, note string) error {
	_, err := s.pool.Exec(ctx, `UPDATE recharge_deliveries SET dispatched_at = @now, note = @note WHERE shop = @shop AND key = @key AND dispatched_at IS NULL`,
		pgx.NamedArgs{"shop": shop, "key": key, "note": note, "now": s.now()})
	return failure("end a webhook of recharge", err)
}
