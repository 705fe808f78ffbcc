package store

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/shopify/app"
)

// AppToken is [Store.Token] for one of our apps.
func (s *Store) AppToken(ctx context.Context, name app.Name, shop string, refresh Refresh) (string, error) {
	return s.token(ctx, name, shop, refresh)
}

// RotateAppToken is [Store.RotateToken] for one of our apps.
func (s *Store) RotateAppToken(ctx context.Context, r app.Renewal, stale string, refresh Refresh) (string, error) {
	return s.rotateToken(ctx, r.App, r.Shop, unless(stale, s.now, refresh))
}

// exchange trades one token for a pair.
type exchange = func(ctx context.Context, token app.Secret) (app.Tokens, error)

func fromApp(t app.Tokens) tokens {
	return tokens{access: string(t.Access), refresh: string(t.Refresh), expiresAt: t.AccessExpiresAt}
}

// RenewToken renews a shop's tokens unless that happened at or after before;
// whether it did. payment.NotFound if the shop has none any more.
func (s *Store) RenewToken(ctx context.Context, r app.Renewal, before time.Time, refresh func(context.Context, app.Secret) (app.Tokens, error)) (bool, error) {
	return s.trade(ctx, r, func(t tokens) bool { return t.expiresAt.IsZero() || !t.updatedAt.Before(before) },
		func(t tokens) string { return t.refresh }, refresh)
}

// ConvertToken trades a token that does not expire for a pair that does; whether
// it did. A pair that expires already is left alone.
func (s *Store) ConvertToken(ctx context.Context, r app.Renewal, convert func(context.Context, app.Secret) (app.Tokens, error)) (bool, error) {
	return s.trade(ctx, r, func(t tokens) bool { return !t.expiresAt.IsZero() },
		func(t tokens) string { return t.access }, convert)
}

func (s *Store) trade(ctx context.Context, r app.Renewal, keep func(tokens) bool, token func(tokens) string, by exchange) (bool, error) {
	did := false
	_, err := s.rotateToken(ctx, r.App, r.Shop, rotation{
		keep: keep,
		renew: func(ctx context.Context, standing tokens) (tokens, error) {
			fresh, err := by(ctx, app.Secret(token(standing)))
			did = err == nil
			return fromApp(fresh), err
		},
	})
	return did && err == nil, err
}

// Renewals lists the tokens of installed apps that do not expire, or were last
// renewed before a time; the oldest first. Shops that were set up by hand, with
// tokens and without an installation, count as well.
func (s *Store) Renewals(ctx context.Context, before time.Time) ([]app.Renewal, error) {
	const action = "list tokens to renew"
	const query = `
		WITH held AS (
			SELECT 'payments' AS app, shop, expires_at, updated_at FROM shop_tokens
			UNION ALL
			SELECT 'admin', shop, expires_at, updated_at FROM admin_tokens
		)
		SELECT h.app, h.shop, h.expires_at IS NULL AS permanent
		FROM held h LEFT JOIN installations i ON i.shop = h.shop AND i.app = h.app
		WHERE (h.expires_at IS NULL OR h.updated_at < @before) AND i.uninstalled_at IS NULL
		ORDER BY h.updated_at, h.shop`
	rows, err := s.pool.Query(ctx, query, pgx.NamedArgs{"before": before})
	if err != nil {
		return nil, failure(action, err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[app.Renewal])
	return slices.Clip(list), failure(action, err)
}
