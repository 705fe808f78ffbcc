package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/shopify/app"
	"tillflow/internal/store"
)

func TestReadyDue(t *testing.T) {
	t.Parallel()
	b := open(t)
	due := func(limit int) []store.Readiness {
		t.Helper()
		list, err := b.ReadyDue(t.Context(), limit)
		require.NoError(t, err)
		return list
	}
	told := func(ready bool) {
		t.Helper()
		require.NoError(t, b.PutReady(t.Context(), shop, ready))
		require.Empty(t, due(10), "what was told is not due")
	}
	account := func(enabled bool) {
		t.Helper()
		_, err := b.PutAccount(t.Context(), store.Account{Shop: shop, Provider: "sandbox", Label: "Sandbox", Enabled: enabled}, map[string]string{})
		require.NoError(t, err)
	}
	active := func(on bool) {
		t.Helper()
		require.NoError(t, b.PutShop(t.Context(), store.Shop{Shop: shop, Active: on}))
	}

	active(true)
	account(true)
	require.Empty(t, due(10), "a shop that never installed is not told")
	b.installed(app.Payments, "a1")
	require.Equal(t, []store.Readiness{{Shop: shop, Ready: true}}, due(10))
	require.Empty(t, due(0))
	told(true)
	account(false)
	require.Equal(t, []store.Readiness{{Shop: shop}}, due(10), "its last account was switched off")
	told(false)
	account(true)
	told(true)
	active(false)
	require.Equal(t, []store.Readiness{{Shop: shop}}, due(10), "it takes no payments")
	active(true)
	require.Empty(t, due(10))

	b.clock.Add(time.Second)
	_, err := b.Uninstall(t.Context(), app.Payments, shop, b.clock.Now())
	require.NoError(t, err)
	require.Empty(t, due(10), "Shopify has forgotten by itself")
	b.installed(app.Admin, "a2")
	require.Empty(t, due(10), "the second app is never ready")
}
