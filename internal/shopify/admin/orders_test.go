package admin_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/shopify/admin"
	"tillflow/internal/shopify/app"
)

func orderPage(next string, from, to int) string {
	var nodes []string
	for i := from; i < to; i++ {
		updated := now.Add(time.Duration(i) * time.Second).Format(time.RFC3339)
		nodes = append(nodes, fmt.Sprintf(`{"id":"gid://shopify/Order/%d","updatedAt":%q,"cancelledAt":null,"displayFinancialStatus":"PAID","test":false}`, i, updated))
	}
	return fmt.Sprintf(`{"data":{"orders":{"nodes":[%s],"pageInfo":{"hasNextPage":%t,"endCursor":%q}}}%s}`,
		strings.Join(nodes, ","), next != "", next, cost(1000))
}

// walk collects the orders of a walk from ten o'clock.
func (b *bundle) walk(t *testing.T) ([]admin.Order, error) {
	t.Helper()
	var all []admin.Order
	err := b.Orders(t.Context(), shop, now.Add(500*time.Millisecond), func(page []admin.Order) error {
		all = append(all, page...)
		return nil
	})
	return all, err
}

func TestOrders(t *testing.T) {
	t.Parallel()
	t.Run("pages are walked, the oldest change first", func(t *testing.T) {
		t.Parallel()
		b := setup(t, orderPage("c1", 0, 2), orderPage("c2", 2, 4), orderPage("", 4, 5))
		all, err := b.walk(t)
		require.NoError(t, err)
		require.Len(t, all, 5)
		require.Equal(t, admin.Order{ID: "gid://shopify/Order/0", UpdatedAt: now, FinancialStatus: "PAID"}, all[0])
		require.Equal(t, map[string]any{"first": 50.0, "query": "updated_at:>='2026-11-20T10:00:00Z'"}, b.sent[0].Variables, "whole seconds, the boundary again")
		require.Equal(t, "c2", b.sent[2].Variables["after"])
		require.Empty(t, b.waits, "the bucket is full")
	})
	t.Run("what Shopify leaves out or adds is no error", func(t *testing.T) {
		t.Parallel()
		b := setup(t, `{"data":{"orders":{"nodes":[{"id":"1","updatedAt":"2026-11-20T11:00:00+01:00","cancelledAt":"2026-11-20T09:00:00Z","displayFinancialStatus":null,"test":true,"new":1},
			{"id":"2","updatedAt":"2026-11-20T10:00:00Z","displayFinancialStatus":"A_NEW_STATUS","test":false}],"pageInfo":{"hasNextPage":false,"endCursor":null}}}}`)
		all, err := b.walk(t)
		require.NoError(t, err)
		require.Equal(t, []admin.Order{
			{ID: "1", UpdatedAt: now, CancelledAt: now.Add(-time.Hour), Test: true}, {ID: "2", UpdatedAt: now, FinancialStatus: "A_NEW_STATUS"},
		}, all)
	})
	t.Run("a shop without changes is walked in one call", func(t *testing.T) {
		t.Parallel()
		b := setup(t, orderPage("", 0, 0))
		all, err := b.walk(t)
		require.NoError(t, err)
		require.Empty(t, all)
		require.Len(t, b.sent, 1)
	})
	t.Run("a page that is throttled is asked for again", func(t *testing.T) {
		t.Parallel()
		b := setup(t, orderPage("c1", 0, 1), throttledAnswer, orderPage("", 1, 2))
		all, err := b.walk(t)
		require.NoError(t, err)
		require.Len(t, all, 2)
		require.Equal(t, "c1", b.sent[2].Variables["after"])
	})
	t.Run("an error of the taker or of Shopify ends the walk", func(t *testing.T) {
		t.Parallel()
		full := errors.New("full")
		b := setup(t, orderPage("c1", 0, 1))
		require.ErrorIs(t, b.Orders(t.Context(), shop, now, func([]admin.Order) error { return full }), full)
		require.Len(t, b.sent, 1)
		b = setup(t, orderPage("c1", 0, 1), `{"errors":[{"message":"x","extensions":{"code":"INTERNAL_SERVER_ERROR"}}]}`)
		all, err := b.walk(t)
		require.Equal(t, payment.Unavailable, payment.ClassOf(err, payment.Unknown))
		require.Len(t, all, 1, "what was seen is kept")
	})
	t.Run("before Shopify's limit of objects the walk starts over from the last order", func(t *testing.T) {
		t.Parallel()
		var pages []string
		for i := range 200 {
			pages = append(pages, orderPage(fmt.Sprint("c", i), i*100, (i+1)*100))
		}
		b := setup(t, append(pages, orderPage("", 19999, 20001))...)
		all, err := b.walk(t)
		require.NoError(t, err)
		require.Len(t, all, 20002)
		last := b.sent[200].Variables
		require.Equal(t, "updated_at:>='"+now.Add(19999*time.Second).Format(time.RFC3339)+"'", last["query"])
		require.NotContains(t, last, "after")
	})
	t.Run("more changes in one second than can be paged through are said", func(t *testing.T) {
		t.Parallel()
		var pages []string
		same := strings.ReplaceAll(orderPage("CURSOR", 0, 1), "}],", "}"+strings.Repeat(`,{"id":"x","updatedAt":"2026-11-20T10:00:00Z","test":false}`, 99)+"],")
		for i := range 200 {
			pages = append(pages, strings.ReplaceAll(same, "CURSOR", fmt.Sprint("c", i)))
		}
		_, err := setup(t, pages...).walk(t)
		require.ErrorContains(t, err, "too_many_at_once")
	})
}

func TestOrderAsDelivery(t *testing.T) {
	t.Parallel()
	d := admin.Order{ID: "gid://shopify/Order/1", UpdatedAt: now}.Delivery(shop)
	require.Equal(t, app.Delivery{
		App: app.Admin, Shop: shop, Topic: app.OrdersUpdated, APIVersion: "2026-10", TriggeredAt: now, Resource: "gid://shopify/Order/1",
		Facts: map[string]string{"updated_at": "2026-11-20T10:00:00Z"},
	}, d)
}
