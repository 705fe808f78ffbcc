package admin_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/shopify/admin"
	"tillflow/internal/shopify/app"
)

// enums are all topics that the guardian subscribes to, without some.
func enums(without ...app.Topic) []string {
	var list []string
	for _, topic := range admin.Missing(nil, address) {
		if !contains(without, topic) {
			list = append(list, topic.Enum())
		}
	}
	return list
}

func contains(list []app.Topic, topic app.Topic) bool {
	for _, one := range list {
		if one == topic {
			return true
		}
	}
	return false
}

const (
	made   = `{"data":{"webhookSubscriptionCreate":{"webhookSubscription":{"id":"gid://shopify/WebhookSubscription/9","topic":"X","uri":"u","format":"JSON"},"userErrors":[]}}}`
	taken  = `{"data":{"webhookSubscriptionCreate":{"webhookSubscription":null,"userErrors":[{"field":["webhookSubscription"],"message":"no"}]}}}`
	ended  = `{"data":{"webhookSubscriptionDelete":{"deletedWebhookSubscriptionId":"gid://shopify/WebhookSubscription/0","userErrors":[]}}}`
	broken = `{"errors":[{"message":"Broken","extensions":{"code":"INTERNAL_SERVER_ERROR"}}]}`
)

func TestRestore(t *testing.T) {
	t.Parallel()
	t.Run("what is there is left alone", func(t *testing.T) {
		t.Parallel()
		b := setup(t, subscriptionPage("", enums()...))
		done, err := b.Restore(t.Context(), shop, address)
		require.NoError(t, err)
		require.Empty(t, done)
		require.Len(t, b.sent, 1)
	})
	t.Run("one that is gone is made again", func(t *testing.T) {
		t.Parallel()
		b := setup(t, subscriptionPage("", enums(app.OrdersPaid)...), made)
		done, err := b.Restore(t.Context(), shop, address)
		require.NoError(t, err)
		require.Equal(t, admin.Restored{Made: []app.Topic{app.OrdersPaid}}, done)
		require.Equal(t, "ORDERS_PAID", b.sent[1].Variables["topic"])
	})
	t.Run("one at another address counts as gone, and stays", func(t *testing.T) {
		t.Parallel()
		moved := strings.Replace(subscriptionPage("", enums()...), address, "https://old.example.com/webhook/shopify", 1)
		b := setup(t, moved, made)
		done, err := b.Restore(t.Context(), shop, address)
		require.NoError(t, err)
		require.Equal(t, admin.Missing(nil, address)[:1], done.Made)
		require.Len(t, b.sent, 2)
	})
	t.Run("one that sends XML is ended first, because two at one address are refused", func(t *testing.T) {
		t.Parallel()
		b := setup(t, strings.Replace(subscriptionPage("", enums()...), `"JSON"`, `"XML"`, 1), ended, made)
		done, err := b.Restore(t.Context(), shop, address)
		require.NoError(t, err)
		require.Len(t, done.Made, 1)
		require.Equal(t, []string{"WebhookSubscriptions", "WebhookSubscriptionDelete", "WebhookSubscriptionCreate"},
			[]string{b.sent[0].OperationName, b.sent[1].OperationName, b.sent[2].OperationName})
	})
	t.Run("a topic that Shopify refuses does not keep the others from being made", func(t *testing.T) {
		t.Parallel()
		gone := []app.Topic{app.OrdersCreate, app.OrdersPaid}
		b := setup(t, subscriptionPage("", enums(gone...)...), taken, made)
		done, err := b.Restore(t.Context(), shop, address)
		require.NoError(t, err)
		require.Equal(t, admin.Restored{Made: gone[1:], Refused: gone[:1]}, done)
	})
	t.Run("trouble ends it, and says what was done before", func(t *testing.T) {
		t.Parallel()
		b := setup(t, subscriptionPage("", enums(app.OrdersCreate, app.OrdersPaid)...), made, broken)
		done, err := b.Restore(t.Context(), shop, address)
		require.Equal(t, payment.Unavailable, payment.ClassOf(err, payment.Unknown))
		require.Equal(t, []app.Topic{app.OrdersCreate}, done.Made)
	})
}

func TestChanges(t *testing.T) {
	t.Parallel()
	page := `{"data":{"orders":{"nodes":[
		{"id":"gid://shopify/Order/1","updatedAt":"2026-11-20T09:00:00Z","cancelledAt":null,"displayFinancialStatus":"PAID","test":true,
		 "transactions":[{"paymentId":"s1"},{"paymentId":null},{"paymentId":"s1"},{"paymentId":"s2"}]},
		{"id":"gid://shopify/Order/2","updatedAt":"2026-11-20T09:30:00Z","cancelledAt":"2026-11-20T09:30:00Z","displayFinancialStatus":null,"test":false,"transactions":[]},
		{"id":"gid://shopify/Order/3","updatedAt":"2026-11-20T09:59:00Z","cancelledAt":null,"displayFinancialStatus":"PENDING","test":false,"transactions":[]}
	],"pageInfo":{"hasNextPage":false,"endCursor":null}}}}`
	b := setup(t, page)
	var got []app.Delivery
	err := b.Changes(t.Context(), shop, admin.Span{Since: now.Add(-2 * time.Hour), Until: now.Add(-10 * time.Minute)}, func(list []app.Delivery) error {
		got = append(got, list...)
		return nil
	})
	require.NoError(t, err)
	require.Len(t, got, 2, "the youngest is left to the next look: its webhook may still come")
	require.Equal(t, map[string]string{
		"updated_at": "2026-11-20T09:00:00Z", "financial_status": "paid", "test": "true", app.FactSessions: "s1,s2",
	}, got[0].Facts)
	require.Equal(t, map[string]string{"updated_at": "2026-11-20T09:30:00Z", "cancelled_at": "2026-11-20T09:30:00Z"}, got[1].Facts)
}
