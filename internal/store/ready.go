package store

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"
)

// Readiness is what Shopify is to be told about a shop's payments app.
type Readiness struct {
	Shop  string
	Ready bool
}

// ReadyDue lists the shops whose payments app is ready, and Shopify was told that
// it is not, or the other way round; the longest installed first. Ready means
// that the shop takes payments and has an account to take them with, be it one
// for test payments. What Shopify was told is noted with [Store.PutReady].
func (s *Store) ReadyDue(ctx context.Context, limit int) ([]Readiness, error) {
	const action = "list shops to tell about readiness"
	const query = `
		SELECT i.shop, s.active AND a.any AS ready
		FROM installations i
		JOIN shops s ON s.shop = i.shop
		CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM accounts WHERE shop = i.shop AND enabled) AS any) a
		WHERE i.app = 'payments' AND i.uninstalled_at IS NULL AND i.ready <> (s.active AND a.any)
		ORDER BY i.installed_at, i.shop LIMIT @limit`
	rows, err := s.pool.Query(ctx, query, pgx.NamedArgs{"limit": limit})
	if err != nil {
		return nil, failure(action, err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Readiness])
	return slices.Clip(list), failure(action, err)
}
