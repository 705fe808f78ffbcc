package app_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/shopify/app"
)

func TestNewsOf(t *testing.T) {
	t.Parallel()
	told := time.Date(2026, 11, 20, 10, 0, 3, 0, time.UTC)
	read := func(resource string, facts map[string]string) (app.News, bool) {
		return app.NewsOf(app.Delivery{Shop: "a", Topic: app.OrdersUpdated, Resource: resource, Facts: facts, TriggeredAt: told, APIVersion: "2026-10"})
	}
	t.Run("an order's own time orders it, whatever its zone", func(t *testing.T) {
		t.Parallel()
		n, is := read("gid://shopify/Order/1", map[string]string{"updated_at": "2026-11-20T12:00:01+02:00", "financial_status": "paid"})
		require.True(t, is)
		require.Equal(t, time.Date(2026, 11, 20, 10, 0, 1, 0, time.UTC), n.ChangedAt)
		require.Equal(t, told, n.ToldAt)
		require.Equal(t, "gid://shopify/Order/1", n.OrderID)
		require.Equal(t, "paid", n.Status)
	})
	t.Run("a time far ahead of the message would hide what follows, so the message's counts", func(t *testing.T) {
		t.Parallel()
		for _, text := range []string{"2027-01-01T00:00:00Z", "soon", ""} {
			n, _ := read("gid://shopify/Order/1", map[string]string{"updated_at": text})
			require.Equal(t, told, n.ChangedAt, text)
		}
	})
	t.Run("a transaction names its order and its session", func(t *testing.T) {
		t.Parallel()
		n, _ := read("gid://shopify/OrderTransaction/7", map[string]string{"order_id": "1", "payment_id": "s1", "status": "success"})
		require.Equal(t, "gid://shopify/Order/1", n.OrderID)
		require.Equal(t, []string{"s1"}, n.Sessions)
		n, _ = read("gid://shopify/Order/1", map[string]string{app.FactSessions: "s1,s2"})
		require.Equal(t, []string{"s1", "s2"}, n.Sessions)
	})
	t.Run("a message about nothing is no news", func(t *testing.T) {
		t.Parallel()
		_, is := read("", nil)
		require.False(t, is)
	})
}

func TestLost(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	found := app.Checkup{Shop: "a.myshopify.com", Made: []app.Topic{app.OrdersPaid}, Filled: 3}
	w, lost := found.Lost(true, at)
	require.True(t, lost)
	require.Contains(t, w.Detail, "orders/paid")
	require.Contains(t, w.Detail, "3 changed orders")
	require.Equal(t, "a.myshopify.com", w.Shop)
	later, _ := found.Lost(true, at.Add(time.Hour))
	require.NotEqual(t, w.Key, later.Key, "each loss is said")
	_, lost = found.Lost(false, at)
	require.False(t, lost, "at the first look nothing can have been lost")
	_, lost = app.Checkup{Shop: "a", Seen: 9}.Lost(true, at)
	require.False(t, lost)
}
