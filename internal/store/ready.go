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
// for test payments, whose credentials the provider does not refuse. What Shopify was told is noted with [Store.PutReady].
func (s *Store) ReadyDue(ctx context.Context, limit int) ([]Readiness, error) {
	const action = "list shops to tell about readiness"
	const query = `
		SELECT i.shop, s.active AND a.any AS ready
		FROM installations i
		JOIN shops s ON s.shop = i.shop
		CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM accounts WHERE shop = i.shop AND enabled AND refused_at IS NULL) AS any) a
		WHERE i.app = 'payments' AND i.uninstalled_at IS NULL AND i.ready <> (s.active AND a.any)
		ORDER BY i.installed_at, i.shop LIMIT @limit`
	rows, err := s.pool.Query(ctx, query, pgx.NamedArgs{"limit": limit})
	if err != nil {
		return nil, failure(action, err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Readiness])
	return slices.Clip(list), failure(action, err)
}

// Ready reads whether a shop's payments app is ready, as ReadyDue has it, and
// what Shopify was told; payment.NotFound when the app is not installed.
func (s *Store) Ready(ctx context.Context, shop string) (is, told bool, err error) {
	const query = `
		SELECT s.active AND EXISTS (SELECT FROM accounts WHERE shop = i.shop AND enabled AND refused_at IS NULL), i.ready
		FROM installations i JOIN shops s ON s.shop = i.shop
		WHERE i.shop = @shop AND i.app = 'payments' AND i.uninstalled_at IS NULL`
	err = s.pool.QueryRow(ctx, query, pgx.NamedArgs{"shop": shop}).Scan(&is, &told)
	return is, told, failure("read readiness", err)
}
