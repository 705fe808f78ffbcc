package hook_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/api/hook"
	"tillflow/internal/payment"
	"tillflow/internal/shopify/app"
)

// install puts an app into the shop as of a moment.
func (b *bench) install(name app.Name, at time.Time) {
	b.t.Helper()
	require.NoError(b.t, b.PutInstall(b.t.Context(), app.Grant{
		App: name, Shop: shop, AuthorizedAt: at, Tokens: app.Tokens{Access: "a", Refresh: "r", Scope: "read_orders"},
	}))
}

const (
	uninstalled = `{"id": 1, "myshopify_domain": "acme-dev.myshopify.com"}`
	triggered   = "X-Shopify-Triggered-At"
	webhookID   = "X-Shopify-Webhook-Id"
)

func TestUninstalled(t *testing.T) {
	t.Parallel()
	t.Run("the app's own end drops its tokens and makes the shop inactive", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.install(app.Payments, b.Now().Add(-time.Hour))
		b.install(app.Admin, b.Now().Add(-time.Hour))
		b.good(app.AppUninstalled, "old", uninstalled)
		require.Equal(t, 1, b.dispatch())
		require.Equal(t, "done", b.note())
		_, err := b.Token(t.Context(), shop, nil)
		require.Equal(t, payment.NotFound, payment.ClassOf(err, payment.Unknown))
		found, err := b.Shop(t.Context(), shop)
		require.NoError(t, err)
		require.False(t, found.Active)
		_, err = b.AppToken(t.Context(), app.Admin, shop, nil)
		require.NoError(t, err, "the other app is not meant")
	})
	t.Run("the end of the second app leaves payments alone", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.install(app.Payments, b.Now().Add(-time.Hour))
		b.install(app.Admin, b.Now().Add(-time.Hour))
		b.good(app.AppUninstalled, "admin", uninstalled)
		b.dispatch()
		_, err := b.Token(t.Context(), shop, nil)
		require.NoError(t, err)
		_, err = b.AppToken(t.Context(), app.Admin, shop, nil)
		require.Equal(t, payment.NotFound, payment.ClassOf(err, payment.Unknown))
	})
	t.Run("one that comes after the app was installed again changes nothing", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.install(app.Payments, b.Now())
		b.good(app.AppUninstalled, "new", uninstalled, triggered, "2026-11-20T10:00:04Z")
		b.dispatch()
		require.Equal(t, "from before the present installation", b.note())
		_, err := b.Token(t.Context(), shop, nil)
		require.NoError(t, err)
	})
	t.Run("grants that changed are noted", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.install(app.Admin, b.Now().Add(-time.Hour))
		b.good(app.AppScopesUpdate, "admin", `{"current": ["write_orders"]}`)
		b.dispatch()
		found, err := b.Installation(t.Context(), app.Admin, shop)
		require.NoError(t, err)
		require.Equal(t, []string{"write_orders"}, found.Scopes)
		b.good(app.AppScopesUpdate, "admin", `{}`, webhookID, "w2")
		b.dispatch()
	})
}

func TestDispatch(t *testing.T) {
	t.Parallel()
	t.Run("privacy requests go to erasures by their id, and open there", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.good(app.CustomersRedact, "new", `{"shop_domain": "acme-dev.myshopify.com", "customer": {"id": 21, "email": "canary@example.com"}, "orders_to_redact": [11]}`)
		b.good(app.CustomersDataRequest, "new", `{"shop_domain": "acme-dev.myshopify.com", "customer": {"id": 21}, "data_request": {"id": 31}}`, webhookID, "w2")
		b.good(app.ShopRedact, "new", `{"shop_domain": "acme-dev.myshopify.com"}`, webhookID, "w3")
		require.Equal(t, 3, b.dispatch())
		require.Len(t, b.ports.privacy, 3)
		for _, r := range b.ports.privacy {
			require.Equal(t, shop, r.Shop)
			require.Equal(t, b.Now(), r.ReceivedAt)
			if r.Topic == app.CustomersRedact {
				request, err := b.OpenRequest(t.Context(), r.DeliveryID)
				require.NoError(t, err)
				require.Equal(t, app.Request{CustomerID: "21", Email: "canary@example.com", Orders: []string{"11"}}, request)
			}
		}
		require.NotContains(t, fmt.Sprint(b.ports.privacy)+b.log.String(), "canary")
	})
	t.Run("a hint says what to read again", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.good(app.OrdersPaid, "admin", order)
		b.dispatch()
		require.Equal(t, []hook.Hint{{
			DeliveryID: b.ports.hints[0].DeliveryID, App: app.Admin, Shop: shop, Topic: app.OrdersPaid, Resource: "gid://shopify/Order/1",
			Facts: map[string]string{"financial_status": "paid"}, TriggeredAt: time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC), APIVersion: "2026-10",
		}}, b.ports.hints)
		require.Equal(t, "done", b.note())
	})
	t.Run("what was known already is said to be", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.ports.known = true
		b.good(app.OrdersPaid, "admin", order)
		b.dispatch()
		require.Equal(t, "nothing new", b.note())
	})
	t.Run("older news than what is known is not handed over, in whatever order it comes", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.good(app.OrdersUpdated, "admin", order, triggered, "2026-11-20T10:00:02Z")
		b.dispatch()
		b.good(app.OrdersUpdated, "admin", order, triggered, "2026-11-20T10:00:01Z", webhookID, "w2")
		b.dispatch()
		require.Equal(t, 1, b.ports.told())
		b.good(app.OrdersUpdated, "admin", order, triggered, "2026-11-20T10:00:03Z", webhookID, "w3")
		b.dispatch()
		require.Equal(t, 2, b.ports.told())
	})
	t.Run("one event through two subscriptions is handed over once", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for _, id := range []string{"w1", "w2"} {
			b.good(app.OrdersPaid, "admin", order, webhookID, id, "X-Shopify-Event-Id", "e1")
		}
		require.Equal(t, 2, b.dispatch())
		require.Equal(t, 1, b.ports.told())
	})
	t.Run("what fails is tried again until it is done, and only codes are noted", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.ports.fail(&payment.Error{Class: payment.Unavailable, Code: "away", Message: "canary"})
		b.good(app.OrdersPaid, "admin", order)
		require.Equal(t, 1, b.dispatch())
		require.Equal(t, "not done yet: Unavailable away", b.note())
		require.Zero(t, b.dispatch(), "its lease holds")
		b.Add(time.Minute)
		b.ports.fail(nil)
		require.Equal(t, 1, b.dispatch())
		require.Equal(t, "done", b.note())
		b.Add(24 * time.Hour)
		require.Zero(t, b.dispatch())
		require.Equal(t, 1, b.ports.told())
	})
	t.Run("more than a handful are dispatched in one go", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for i := range 40 {
			b.good(app.OrdersPaid, "admin", fmt.Sprintf(`{"id": %d}`, i+1), webhookID, fmt.Sprint("w", i))
		}
		require.Equal(t, 40, b.dispatch())
		require.Equal(t, 40, b.ports.told())
	})
	t.Run("the dispatcher wakes by itself, too", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		d, err := hook.NewDispatcher(hook.Dispatcher{
			Queue: b.Store, Shops: b.Store, Erasures: b.ports, Hints: map[app.Matter]hook.Hints{app.AboutOrder: b.ports}, Every: 5 * time.Millisecond, Log: zerolog.Nop(),
		})
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx) }()
		fresh, err := b.StoreDelivery(t.Context(), app.Delivery{App: app.Admin, Shop: shop, Topic: app.OrdersPaid, WebhookID: "w1", TriggeredAt: b.Now()})
		require.NoError(t, err)
		require.True(t, fresh)
		require.Eventually(t, func() bool { return b.ports.told() == 1 }, 20*time.Second, 5*time.Millisecond)
		stop()
		require.NoError(t, <-ended)
	})
}

// broken is a record that fails where it is told to.
type broken struct {
	hook.Queue
	claim, done error
	list        []app.Claimed
}

func (q *broken) ClaimDeliveries(context.Context, int) ([]app.Claimed, error) { return q.list, q.claim }

func (q *broken) DeliveryDone(context.Context, string, string) error { return q.done }

func TestDispatcherInTrouble(t *testing.T) {
	t.Parallel()
	away := errors.New("away")
	for _, q := range []*broken{{claim: away}, {done: away, list: []app.Claimed{{ID: "1", Topic: "products/update"}}}} {
		d, err := hook.NewDispatcher(hook.Dispatcher{Queue: q, Shops: &failing{}, Erasures: &ports{}, Log: zerolog.Nop()})
		require.NoError(t, err)
		_, err = d.Dispatch(t.Context())
		require.ErrorIs(t, err, away)
	}
	_, err := hook.NewDispatcher(hook.Dispatcher{})
	require.ErrorContains(t, err, "required")
}

type failing struct{ hook.Shops }
