package store_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/shopify/app"
	"tillflow/internal/store"
)

// delivery is news of an order; change makes it another one.
func (b *bundle) delivery(id string, change ...func(*app.Delivery)) app.Delivery {
	d := app.Delivery{
		App: app.Admin, Shop: shop, Topic: app.OrdersUpdated, WebhookID: id, APIVersion: "2026-10", TriggeredAt: b.clock.Now(),
		Resource: "gid://shopify/Order/1", Facts: map[string]string{"financial_status": "paid"},
	}
	for _, c := range change {
		c(&d)
	}
	return d
}

func (b *bundle) hooked(d app.Delivery) bool {
	b.t.Helper()
	fresh, err := b.StoreDelivery(b.t.Context(), d)
	require.NoError(b.t, err)
	return fresh
}

func (b *bundle) takeUp() []app.Claimed {
	b.t.Helper()
	list, err := b.ClaimDeliveries(b.t.Context(), 100)
	require.NoError(b.t, err)
	return list
}

func TestStoreDelivery(t *testing.T) {
	t.Parallel()
	t.Run("a thousand replays at once are one row, acted on once", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		d := b.delivery("w1")
		var fresh atomic.Int32
		atOnce(t, 1000, func(ctx context.Context, _ int) error {
			first, err := b.StoreDelivery(ctx, d)
			if first {
				fresh.Add(1)
			}
			return err
		})
		require.Equal(t, int32(1), fresh.Load())
		require.Equal(t, 1, b.count(`SELECT count(*) FROM shopify_deliveries`))
		var mu sync.Mutex
		claims := 0
		atOnce(t, 20, func(ctx context.Context, _ int) error {
			list, err := b.ClaimDeliveries(ctx, 10)
			mu.Lock()
			defer mu.Unlock()
			claims += len(list)
			return err
		})
		require.Equal(t, 1, claims)
	})
	t.Run("the id is unique per shop and topic", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		require.True(t, b.hooked(b.delivery("w1")))
		require.False(t, b.hooked(b.delivery("w1")))
		require.True(t, b.hooked(b.delivery("w1", func(d *app.Delivery) { d.Shop = "b.myshopify.com" })))
		require.True(t, b.hooked(b.delivery("w1", func(d *app.Delivery) { d.Topic = app.OrdersPaid })))
		require.True(t, b.hooked(b.delivery("w2")))
	})
	t.Run("a person's data is sealed under a key of the row, which can be destroyed", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		want := app.Request{CustomerID: "21", Email: "canary@example.com", Phone: "+4912345", Orders: []string{"11"}}
		personal, err := json.Marshal(want)
		require.NoError(t, err)
		require.True(t, b.hooked(b.delivery("w1", func(d *app.Delivery) {
			d.Topic, d.Resource, d.Facts, d.Personal = app.CustomersRedact, "", nil, personal
		})))
		require.Zero(t, b.count(`SELECT count(*) FROM shopify_deliveries d WHERE d::text LIKE '%canary%' OR position('canary'::bytea in sealed) > 0`))
		id := b.takeUp()[0].ID
		got, err := b.OpenRequest(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.NoError(t, b.ForgetRequest(t.Context(), id))
		require.NoError(t, b.ForgetRequest(t.Context(), id))
		_, err = b.OpenRequest(t.Context(), id)
		requireClass(t, payment.NotFound, "", err)
		require.Equal(t, 1, b.count(`SELECT count(*) FROM shopify_deliveries`), "that it was asked stays")
		_, err = b.OpenRequest(t.Context(), "x")
		requireClass(t, payment.NotFound, "", err)
		requireClass(t, payment.NotFound, "", b.ForgetRequest(t.Context(), "x"))
	})
	t.Run("a sealed request that was moved to another row does not open", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		for _, id := range []string{"w1", "w2"} {
			b.hooked(b.delivery(id, func(d *app.Delivery) { d.Topic, d.Personal = app.CustomersRedact, []byte(`{}`) }))
		}
		_, err := b.pool.Exec(t.Context(), `UPDATE shopify_deliveries a SET (wrapped_key, sealed) = (SELECT wrapped_key, sealed FROM shopify_deliveries WHERE webhook_id = 'w2') WHERE webhook_id = 'w1'`)
		require.NoError(t, err)
		var id string
		require.NoError(t, b.pool.QueryRow(t.Context(), `SELECT id::text FROM shopify_deliveries WHERE webhook_id = 'w1'`).Scan(&id))
		_, err = b.OpenRequest(t.Context(), id)
		requireClass(t, payment.Bug, "vault", err)
	})
}

func TestClaimDeliveries(t *testing.T) {
	t.Parallel()
	t.Run("what is told comes with its facts and is done once", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		b.hooked(b.delivery("w1"))
		list := b.takeUp()
		require.Len(t, list, 1)
		c := list[0]
		require.Equal(t, app.Claimed{
			ID: c.ID, App: app.Admin, Shop: shop, Topic: app.OrdersUpdated, TriggeredAt: b.clock.Now(), ReceivedAt: b.clock.Now(),
			Resource: "gid://shopify/Order/1", Facts: map[string]string{"financial_status": "paid"}, APIVersion: "2026-10", Tries: 1,
		}, c)
		require.NoError(t, b.DeliveryDone(t.Context(), c.ID, "done"))
		require.NoError(t, b.DeliveryDone(t.Context(), c.ID, "again"))
		b.clock.Add(24 * time.Hour)
		require.Empty(t, b.takeUp())
		lines, err := b.ShopDeliveries(t.Context(), shop, 10)
		require.NoError(t, err)
		require.Len(t, lines, 1)
		require.Equal(t, "done", lines[0].Note)
		require.Equal(t, "w1", lines[0].WebhookID)
		require.False(t, lines[0].DispatchedAt.IsZero())
		requireClass(t, payment.NotFound, "", b.DeliveryDone(t.Context(), "x", ""))
		requireClass(t, payment.NotFound, "", b.DeliveryFailed(t.Context(), "x", ""))
	})
	t.Run("what failed comes up again, later each time, and is never dropped", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		b.hooked(b.delivery("w1"))
		wait := 30 * time.Second
		for try := 1; try <= 12; try++ {
			list := b.takeUp()
			require.Len(t, list, 1)
			require.Equal(t, try, list[0].Tries)
			require.NoError(t, b.DeliveryFailed(t.Context(), list[0].ID, "not done yet: Unavailable"))
			b.clock.Add(wait - time.Second)
			require.Empty(t, b.takeUp(), "the lease of try %d holds", try)
			b.clock.Add(time.Second)
			wait = min(2*wait, time.Hour)
		}
		lines, err := b.ShopDeliveries(t.Context(), shop, 10)
		require.NoError(t, err)
		require.Equal(t, "not done yet: Unavailable", lines[0].Note)
		require.True(t, lines[0].DispatchedAt.IsZero())
	})
	t.Run("an older message never passes a newer one about the same resource, in whatever order they come", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		at := b.clock.Now()
		older := func(d *app.Delivery) {
			d.TriggeredAt, d.Facts = at.Add(-time.Second), map[string]string{"financial_status": "pending"}
		}
		b.hooked(b.delivery("new"))
		b.hooked(b.delivery("old", older))
		b.hooked(b.delivery("other topic", older, func(d *app.Delivery) { d.Topic = app.OrdersCreate }))
		b.hooked(b.delivery("other order", older, func(d *app.Delivery) { d.Resource = "gid://shopify/Order/2" }))
		b.hooked(b.delivery("other shop", older, func(d *app.Delivery) { d.Shop = "b.myshopify.com" }))
		b.hooked(b.delivery("no resource", older, func(d *app.Delivery) { d.Resource = "" }))
		stale := 0
		for _, c := range b.takeUp() {
			if c.Superseded {
				stale++
				require.Equal(t, "pending", c.Facts["financial_status"])
				require.Equal(t, app.OrdersUpdated, c.Topic)
				require.Equal(t, shop, c.Shop)
			}
		}
		require.Equal(t, 1, stale)
		known, err := b.NewestDelivery(t.Context(), shop, app.OrdersUpdated, "gid://shopify/Order/1")
		require.NoError(t, err)
		require.Equal(t, store.Known{Facts: map[string]string{"financial_status": "paid"}, TriggeredAt: at}, known)
		_, err = b.NewestDelivery(t.Context(), shop, app.OrdersUpdated, "gid://shopify/Order/9")
		requireClass(t, payment.NotFound, "", err)
	})
	t.Run("one event through two subscriptions counts once, and each app hears of its own end", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		event := func(d *app.Delivery) { d.EventID = "e1" }
		b.hooked(b.delivery("w1", event))
		b.hooked(b.delivery("w2", event))
		b.hooked(b.delivery("w3", event, func(d *app.Delivery) { d.App = app.Payments }))
		b.hooked(b.delivery("w4"))
		repeated := 0
		for _, c := range b.takeUp() {
			if c.Repeated {
				repeated++
			}
		}
		require.Equal(t, 1, repeated)
	})
}

func TestBackfillDelivery(t *testing.T) {
	t.Parallel()
	b := open(t)
	changed := b.clock.Now().Truncate(time.Second)
	fill := func(at time.Time, change ...func(*app.Delivery)) bool {
		fresh, err := b.BackfillDelivery(t.Context(), b.delivery("", append(change, func(d *app.Delivery) { d.TriggeredAt = at })...))
		require.NoError(t, err)
		return fresh
	}
	b.hooked(b.delivery("w1", func(d *app.Delivery) { d.TriggeredAt = changed.Add(400 * time.Millisecond) }))
	require.False(t, fill(changed), "a message told it: Shopify's orders know whole seconds")
	require.True(t, fill(changed.Add(time.Minute)), "it changed after the last message")
	require.False(t, fill(changed.Add(time.Minute)))
	require.True(t, fill(changed, func(d *app.Delivery) { d.Resource = "gid://shopify/Order/2" }))
	var fresh atomic.Int32
	atOnce(t, 20, func(ctx context.Context, _ int) error {
		d := b.delivery("", func(d *app.Delivery) { d.Resource = "gid://shopify/Order/3" })
		did, err := b.BackfillDelivery(ctx, d)
		if did {
			fresh.Add(1)
		}
		return err
	})
	require.Equal(t, int32(1), fresh.Load(), "two guardians at once fill in once")
	require.Equal(t, 4, b.count(`SELECT count(*) FROM shopify_deliveries`))
	for _, d := range []app.Delivery{b.delivery("", func(d *app.Delivery) { d.Resource = "" }), b.delivery("", func(d *app.Delivery) { d.Personal = []byte("{}") })} {
		_, err := b.BackfillDelivery(t.Context(), d)
		requireClass(t, payment.Bug, "backfill", err)
	}
}

func TestShopDeliveries(t *testing.T) {
	t.Parallel()
	b := open(t)
	for i := range 3 {
		b.hooked(b.delivery(fmt.Sprint("w", i)))
		b.clock.Add(time.Second)
	}
	lines, err := b.ShopDeliveries(t.Context(), shop, 2)
	require.NoError(t, err)
	require.Len(t, lines, 2)
	require.Equal(t, "w2", lines[0].WebhookID)
	lines, err = b.ShopDeliveries(t.Context(), "b.myshopify.com", 2)
	require.NoError(t, err)
	require.Empty(t, lines)
	for _, limit := range []int{0, 501} {
		_, err := b.ShopDeliveries(t.Context(), shop, limit)
		requireClass(t, payment.Invalid, "limit", err)
	}
}
