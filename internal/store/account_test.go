package store_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/store"
)

func TestShop(t *testing.T) {
	t.Parallel()
	b := open(t)
	require.NoError(t, b.PutShop(t.Context(), store.Shop{Shop: shop}))
	found, err := b.Shop(t.Context(), shop)
	require.NoError(t, err)
	require.Equal(t, store.Shop{Shop: shop, Locale: "en", MaxAttempts: 5, RefusedDefault: 24 * time.Hour}, found)
	want := store.Shop{Shop: shop, Label: "L", Mail: "m@x", Locale: "de", MaxAttempts: 2, RefusedDefault: 36 * time.Hour, Active: true}
	require.NoError(t, b.PutShop(t.Context(), want))
	found, err = b.Shop(t.Context(), shop)
	require.NoError(t, err)
	require.Equal(t, want, found)
	_, err = b.Shop(t.Context(), "nobody")
	requireClass(t, payment.NotFound, "", err)
	for _, name := range []string{"", "a/b", "a b", "ä", ":"} {
		requireClass(t, payment.Invalid, "shop", b.PutShop(t.Context(), store.Shop{Shop: name}))
	}
	requireClass(t, payment.Bug, "", b.PutShop(t.Context(), store.Shop{Shop: shop, MaxAttempts: -1}))
}

func TestAccounts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	provider, credentials, live, err := b.Account(t.Context(), b.live)
	require.NoError(t, err)
	require.Equal(t, "psp", provider)
	require.Equal(t, map[string]string{"secret_key": "sk_Card"}, credentials)
	require.True(t, live)
	t.Run("new credentials keep the account's id", func(t *testing.T) {
		id, err := b.PutAccount(t.Context(), store.Account{Shop: shop, Provider: "psp", Live: true, Label: "Card", Position: 7, Enabled: true},
			map[string]string{"secret_key": "sk_new"})
		require.NoError(t, err)
		require.Equal(t, b.live, id)
		_, credentials, _, err := b.Account(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, "sk_new", credentials["secret_key"])
		id, err = b.PutAccount(t.Context(), store.Account{Shop: shop, Provider: "psp", Live: true, Label: "Card", Position: 8}, nil)
		require.NoError(t, err)
		_, credentials, _, err = b.Account(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, "sk_new", credentials["secret_key"], "none given: those that stand")
		list, err := b.Accounts(t.Context(), shop)
		require.NoError(t, err)
		require.Equal(t, []store.Account{{ID: id, Shop: shop, Provider: "psp", Live: true, Label: "Card", Position: 8}}, list)
	})
	t.Run("an unknown account or shop is refused", func(t *testing.T) {
		for _, id := range []string{"x", "018f0000-0000-7000-8000-000000000000"} {
			_, _, _, err := b.Account(t.Context(), id)
			requireClass(t, payment.NotFound, "", err)
		}
		_, err := b.PutAccount(t.Context(), store.Account{Shop: "nobody", Provider: "psp", Label: "x"}, nil)
		requireClass(t, payment.NotFound, "unknown_shop", err)
	})
	t.Run("credentials that were moved to another account do not open", func(t *testing.T) {
		other := b.account("psp", false, "Card")
		_, err := b.pool.Exec(t.Context(), `UPDATE accounts SET (wrapped_key, credentials) = (SELECT wrapped_key, credentials FROM accounts WHERE id = $1) WHERE id = $2`, b.live, other)
		require.NoError(t, err)
		_, _, _, err = b.Account(t.Context(), other)
		requireClass(t, payment.Bug, "vault", err)
	})
}

func TestToken(t *testing.T) {
	t.Parallel()
	never := func(context.Context, string) (string, string, time.Time, error) {
		panic("no refresh was due")
	}
	t.Run("a token that is good is handed out", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, err := b.Token(t.Context(), shop, never)
		requireClass(t, payment.NotFound, "", err)
		require.NoError(t, b.PutToken(t.Context(), shop, "a1", "r1", time.Time{}))
		token, err := b.Token(t.Context(), shop, never)
		require.NoError(t, err)
		require.Equal(t, "a1", token)
		require.NoError(t, b.PutToken(t.Context(), shop, "a2", "r2", b.clock.Now().Add(time.Hour)))
		token, err = b.Token(t.Context(), shop, never)
		require.NoError(t, err)
		require.Equal(t, "a2", token)
	})
	t.Run("fifty callers refresh once", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		require.NoError(t, b.PutToken(t.Context(), shop, "a1", "r1", b.clock.Now().Add(time.Minute)))
		var calls atomic.Int32
		refresh := func(ctx context.Context, refresh string) (string, string, time.Time, error) {
			calls.Add(1)
			return "a2", refresh + "+", b.clock.Now().Add(time.Hour), ctx.Err()
		}
		atOnce(t, 50, func(ctx context.Context, i int) error {
			var token string
			var err error
			if i%2 == 0 {
				token, err = b.RotateToken(ctx, shop, "a1", refresh)
			} else {
				token, err = b.Token(ctx, shop, refresh)
			}
			if err == nil && token != "a2" {
				return errors.New("a stale token")
			}
			return err
		})
		require.Equal(t, int32(1), calls.Load())
		require.Equal(t, 2, b.count(`SELECT version FROM shop_tokens`))
	})
	t.Run("a refresh that fails leaves the tokens, and the old one is used while it is good", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		require.NoError(t, b.PutToken(t.Context(), shop, "a1", "r1", b.clock.Now().Add(time.Minute)))
		refused := &payment.Error{Class: payment.Unauthorized, Code: "invalid_grant", Message: "authorize again"}
		fail := func(context.Context, string) (string, string, time.Time, error) { return "", "", time.Time{}, refused }
		token, err := b.Token(t.Context(), shop, fail)
		require.NoError(t, err)
		require.Equal(t, "a1", token)
		_, err = b.RotateToken(t.Context(), shop, "a1", fail)
		requireClass(t, payment.Unauthorized, "invalid_grant", err)
		b.clock.Add(2 * time.Minute)
		_, err = b.Token(t.Context(), shop, fail)
		requireClass(t, payment.Unauthorized, "invalid_grant", err)
		empty := func(context.Context, string) (string, string, time.Time, error) { return "", "", time.Time{}, nil }
		_, err = b.RotateToken(t.Context(), shop, "a1", empty)
		requireClass(t, payment.Unavailable, "no_token", err)
		_, err = b.RotateToken(t.Context(), "nobody", "a1", empty)
		requireClass(t, payment.NotFound, "", err)
	})
}
