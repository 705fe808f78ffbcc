package store_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/shopify/app"
)

func TestAppToken(t *testing.T) {
	t.Parallel()
	t.Run("fifty callers with an expired token cause one refresh, and none fails", func(t *testing.T) {
		t.Parallel()
		for _, name := range []app.Name{app.Payments, app.Admin} {
			b := open(t)
			b.installed(name, "a1")
			b.clock.Add(25 * time.Hour)
			var calls atomic.Int32
			refresh := func(ctx context.Context, refresh string) (string, string, time.Time, error) {
				calls.Add(1)
				return "a2", refresh + "+", b.clock.Now().Add(time.Hour), ctx.Err()
			}
			atOnce(t, 50, func(ctx context.Context, i int) error {
				token, err := b.AppToken(ctx, name, shop, refresh)
				if i%2 == 0 {
					token, err = b.RotateAppToken(ctx, app.Renewal{App: name, Shop: shop}, "a1", refresh)
				}
				if err == nil && token != "a2" {
					return errors.New("a stale token")
				}
				return err
			})
			require.Equal(t, int32(1), calls.Load(), name)
		}
	})
	t.Run("a token of one app does not open as the other's", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		b.installed(app.Payments, "a1")
		_, err := b.pool.Exec(t.Context(), `INSERT INTO admin_tokens SELECT * FROM shop_tokens`)
		require.NoError(t, err)
		_, err = b.AppToken(t.Context(), app.Admin, shop, never)
		requireClass(t, payment.Bug, "vault", err)
	})
	t.Run("there is no third app", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		_, err := b.AppToken(t.Context(), "third", shop, never)
		requireClass(t, payment.Bug, "app", err)
		_, err = b.RotateAppToken(t.Context(), app.Renewal{App: "third", Shop: shop}, "", never)
		requireClass(t, payment.Bug, "app", err)
	})
	t.Run("a refresh that ends after the app was uninstalled brings nothing back", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		b.installed(app.Payments, "a1")
		_, err := b.Uninstall(t.Context(), app.Payments, shop, b.clock.Now())
		require.NoError(t, err)
		_, err = b.RotateAppToken(t.Context(), app.Renewal{App: app.Payments, Shop: shop}, "a1", never)
		requireClass(t, payment.NotFound, "", err)
		require.Zero(t, b.count(`SELECT count(*) FROM shop_tokens`))
	})
}

func TestRenewals(t *testing.T) {
	t.Parallel()
	b := open(t)
	b.installed(app.Payments, "a1")
	b.installed(app.Admin, "b1")
	cut := func() time.Time { return b.clock.Now().Add(-30 * 24 * time.Hour) }
	renewals := func() []app.Renewal {
		list, err := b.Renewals(t.Context(), cut())
		require.NoError(t, err)
		return list
	}
	var given []string
	fresh := func(ctx context.Context, token app.Secret) (app.Tokens, error) {
		given = append(given, string(token))
		return app.Tokens{Access: "x2", Refresh: "y2", AccessExpiresAt: b.clock.Now().Add(time.Hour)}, ctx.Err()
	}
	payments := app.Renewal{App: app.Payments, Shop: shop}

	require.Empty(t, renewals(), "young tokens are left alone")
	b.clock.Add(31 * 24 * time.Hour)
	require.Equal(t, []app.Renewal{{App: app.Admin, Shop: shop}, payments}, sorted(renewals()))
	did, err := b.RenewToken(t.Context(), payments, cut(), fresh)
	require.NoError(t, err)
	require.True(t, did)
	did, err = b.RenewToken(t.Context(), payments, cut(), fresh)
	require.NoError(t, err)
	require.False(t, did, "somebody did it a moment ago")
	require.Equal(t, []string{"r-a1"}, given)
	require.Equal(t, []app.Renewal{{App: app.Admin, Shop: shop}}, renewals())
	_, err = b.Uninstall(t.Context(), app.Admin, shop, b.clock.Now())
	require.NoError(t, err)
	require.Empty(t, renewals())

	t.Run("a token that does not expire is converted, once", func(t *testing.T) {
		require.NoError(t, b.PutToken(t.Context(), shop, "permanent", "", time.Time{}))
		permanent := app.Renewal{App: app.Payments, Shop: shop, Permanent: true}
		require.Equal(t, []app.Renewal{permanent}, renewals())
		did, err := b.RenewToken(t.Context(), permanent, b.clock.Now().Add(time.Hour), fresh)
		require.NoError(t, err)
		require.False(t, did, "there is no refresh token")
		given = nil
		did, err = b.ConvertToken(t.Context(), permanent, fresh)
		require.NoError(t, err)
		require.True(t, did)
		require.Equal(t, []string{"permanent"}, given)
		did, err = b.ConvertToken(t.Context(), permanent, fresh)
		require.NoError(t, err)
		require.False(t, did)
		require.Empty(t, renewals())
		token, err := b.Token(t.Context(), shop, never)
		require.NoError(t, err)
		require.Equal(t, "x2", token)
	})
	t.Run("a trade that fails leaves what stands", func(t *testing.T) {
		refused := &payment.Error{Class: payment.Unauthorized, Code: "invalid_grant", Message: "authorize again"}
		did, err := b.RenewToken(t.Context(), payments, b.clock.Now().Add(time.Hour), func(context.Context, app.Secret) (app.Tokens, error) { return app.Tokens{}, refused })
		requireClass(t, payment.Unauthorized, "invalid_grant", err)
		require.False(t, did)
		token, err := b.Token(t.Context(), shop, never)
		require.NoError(t, err)
		require.Equal(t, "x2", token)
	})
}

func sorted(list []app.Renewal) []app.Renewal {
	if len(list) == 2 && list[0].App > list[1].App {
		list[0], list[1] = list[1], list[0]
	}
	return list
}
