package store_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/activities"
	"tillflow/internal/payment"
	"tillflow/internal/shopify/app"
	"tillflow/internal/store"
)

var _ activities.GuardRecords = (*store.Store)(nil)

// guarded is the shop with the second app.
const guarded = "one.myshopify.com"

// second installs the second app there.
func (b *bundle) second() {
	b.t.Helper()
	require.NoError(b.t, b.PutInstall(b.t.Context(), app.Grant{
		App: app.Admin, Shop: guarded, AuthorizedAt: b.clock.Now(), Tokens: app.Tokens{Access: "a", Refresh: "r", Scope: "write_orders"},
	}))
}

func (b *bundle) guards() []app.Guarded {
	b.t.Helper()
	list, err := b.DueGuards(b.t.Context(), 10)
	require.NoError(b.t, err)
	return list
}

func (b *bundle) checked(c app.Checkup) {
	b.t.Helper()
	require.NoError(b.t, b.PutCheckup(b.t.Context(), c))
}

func TestDueGuards(t *testing.T) {
	t.Parallel()
	t.Run("an installed shop is due at once, once however many look, and again when its turn comes", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		require.Empty(t, b.guards(), "nobody has the second app")
		b.second()
		installed := b.clock.Now()
		var got atomic.Int32
		atOnce(t, 10, func(ctx context.Context, _ int) error {
			list, err := b.DueGuards(ctx, 10)
			got.Add(int32(len(list)))
			return err
		})
		require.Equal(t, int32(1), got.Load())
		until := b.clock.Now().Add(-10 * time.Minute)
		b.checked(app.Checkup{Shop: guarded, NextAt: b.clock.Now().Add(time.Hour), Until: until})
		require.Empty(t, b.guards())
		b.clock.Add(time.Hour)
		list := b.guards()
		require.Len(t, list, 1)
		require.WithinDuration(t, installed, list[0].Since, time.Microsecond, "nothing from before the installation")
		require.True(t, list[0].Before)
		require.Equal(t, 1, list[0].Tries)
	})
	t.Run("a look that breaks off comes up again, goes on from where it was, and counts", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		b.second()
		require.Len(t, b.guards(), 1)
		reached := b.clock.Now().Add(5 * time.Minute)
		require.NoError(t, b.PutGuardUntil(t.Context(), guarded, reached))
		require.NoError(t, b.PutGuardUntil(t.Context(), guarded, reached.Add(-time.Minute)), "it never goes back")
		b.clock.Add(16 * time.Minute)
		list := b.guards()
		require.Len(t, list, 1)
		require.WithinDuration(t, reached, list[0].Since, time.Microsecond)
		require.False(t, list[0].Before)
		require.Equal(t, 2, list[0].Tries)
		b.checked(app.Checkup{Shop: guarded, Trouble: "unavailable http_500", NextAt: b.clock.Now().Add(time.Minute)})
		seen, err := b.Guards(t.Context(), "")
		require.NoError(t, err)
		require.Equal(t, "unavailable http_500", seen[0].Trouble)
		require.Equal(t, 2, seen[0].Tries)
		require.Zero(t, seen[0].CheckedAt)
		b.clock.Add(time.Minute)
		require.Equal(t, 3, b.guards()[0].Tries)
		b.checked(app.Checkup{Shop: guarded, Made: []app.Topic{app.OrdersPaid}, Filled: 2, NextAt: b.clock.Now().Add(time.Hour)})
		seen, err = b.Guards(t.Context(), guarded)
		require.NoError(t, err)
		require.Empty(t, seen[0].Trouble)
		require.Zero(t, seen[0].Tries)
		require.Equal(t, []app.Topic{app.OrdersPaid}, seen[0].Made)
	})
	t.Run("a shop that left is not looked at, and at once when it is back", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		b.second()
		require.Len(t, b.guards(), 1)
		b.checked(app.Checkup{Shop: guarded, NextAt: b.clock.Now().Add(time.Hour)})
		b.clock.Add(time.Minute)
		_, err := b.Uninstall(t.Context(), app.Admin, guarded, b.clock.Now())
		require.NoError(t, err)
		b.clock.Add(2 * time.Hour)
		require.Empty(t, b.guards())
		b.second()
		list := b.guards()
		require.Len(t, list, 1)
		require.False(t, list[0].Before, "Shopify ended all subscriptions with the installation")
	})
}

func TestTurns(t *testing.T) {
	t.Parallel()
	b := open(t)
	var got atomic.Int32
	atOnce(t, 10, func(ctx context.Context, _ int) error {
		mine, err := b.TakeTurn(ctx, "x", time.Hour)
		if mine {
			got.Add(1)
		}
		return err
	})
	require.Equal(t, int32(1), got.Load())
	require.NoError(t, b.ReturnTurn(t.Context(), "x", time.Minute))
	b.clock.Add(time.Minute)
	mine, err := b.TakeTurn(t.Context(), "x", time.Hour)
	require.NoError(t, err)
	require.True(t, mine)
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	b := open(t)
	w := app.Warning{Key: "k", Kind: app.WarnLost, Shop: shop, Detail: "text"}
	raise := func() bool {
		fresh, err := b.RaiseWarning(t.Context(), w)
		require.NoError(t, err)
		return fresh
	}
	due := func() int {
		list, err := b.DueWarnings(t.Context(), 10)
		require.NoError(t, err)
		return len(list)
	}
	require.True(t, raise())
	require.False(t, raise(), "said once")
	require.Equal(t, 1, due())
	require.Zero(t, due(), "claimed")
	b.clock.Add(time.Minute)
	require.Equal(t, 1, due(), "a mail that failed comes again")
	require.NoError(t, b.WarningSent(t.Context(), "k"))
	b.clock.Add(time.Hour)
	require.Zero(t, due())
	w.Key = "k2"
	require.True(t, raise())
	require.Equal(t, 1, due())
	require.NoError(t, b.WarningSent(t.Context(), "k2"))
	w.Key = "k3"
	require.True(t, raise())
	require.Zero(t, due(), "what befalls all shops at once is gathered")
	b.clock.Add(16 * time.Minute)
	require.Equal(t, 1, due())
	w.Key = "k"
	list, err := b.Warnings(t.Context(), b.clock.Now().Add(-24*time.Hour), 10)
	require.NoError(t, err)
	require.Len(t, list, 3)
	require.NoError(t, b.EndWarning(t.Context(), "k"))
	require.True(t, raise(), "it was over, and is news again")
}

func TestPutNews(t *testing.T) {
	t.Parallel()
	b := open(t)
	const order = "gid://shopify/Order/1"
	at := b.clock.Now().Truncate(time.Second)
	put := func(n app.News) bool {
		n.Shop = shop
		news, err := b.PutNews(t.Context(), n)
		require.NoError(t, err)
		return news
	}
	word := func(status string, changed, told time.Duration) app.News {
		return app.News{
			Matter: app.AboutOrder, Resource: order, OrderID: order, Status: status, Facts: map[string]string{"financial_status": status},
			ChangedAt: at.Add(changed), ToldAt: at.Add(told),
		}
	}
	require.True(t, put(word("pending", 0, 100*time.Millisecond)))
	require.False(t, put(word("pending", 0, 100*time.Millisecond)), "told again")
	require.False(t, put(word("pending", 0, 200*time.Millisecond)), "another topic says the same")
	require.True(t, put(word("paid", 0, 300*time.Millisecond)), "within one second the last message counts")
	require.False(t, put(word("pending", -time.Second, time.Second)), "older news comes late")
	require.True(t, put(word("refunded", 2*time.Second, 2*time.Second)))
	_, err := b.ShopOrder(t.Context(), shop, "s1")
	requireClass(t, payment.NotFound, "no_row", err)
	require.True(t, put(app.News{
		Matter: app.AboutOrder, Resource: "gid://shopify/OrderTransaction/7", OrderID: order, Sessions: []string{"s1", "s2"}, ChangedAt: at, ToldAt: at,
	}))
	found, err := b.ShopOrder(t.Context(), shop, "s2")
	require.NoError(t, err)
	require.Equal(t, payment.ShopOrder{ID: order, Status: "refunded", ChangedAt: found.ChangedAt}, found)
	cancelled := word("refunded", 3*time.Second, 3*time.Second)
	cancelled.Facts["cancelled_at"] = "2026-11-20T10:00:00Z"
	require.True(t, put(cancelled))
	found, err = b.ShopOrder(t.Context(), shop, "s1")
	require.NoError(t, err)
	require.True(t, found.Cancelled)
	fresh, err := b.BackfillDelivery(t.Context(), b.delivery("", func(d *app.Delivery) { d.TriggeredAt = at.Add(3 * time.Second) }))
	require.NoError(t, err)
	require.False(t, fresh, "a change that is known needs no filling in")
}

func TestShowPaymentOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.accept()
	d, err := b.ShowPayment(t.Context(), s.ID, false)
	require.NoError(t, err)
	require.Empty(t, d.Order.ID, "the shop has said nothing")
	_, err = b.PutNews(t.Context(), app.News{
		Shop: shop, Matter: app.AboutOrder, Resource: "gid://shopify/Order/1", OrderID: "gid://shopify/Order/1", Status: "paid",
		Sessions: []string{s.ExternalID}, ChangedAt: b.clock.Now(), ToldAt: b.clock.Now(),
	})
	require.NoError(t, err)
	d, err = b.ShowPayment(t.Context(), s.ID, false)
	require.NoError(t, err)
	require.Equal(t, "paid", d.Order.Status)
}
