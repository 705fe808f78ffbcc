package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/shopify"
	"tillflow/internal/shopify/admin"
	"tillflow/internal/shopify/app"
)

const (
	shop    = "acme-dev.myshopify.com"
	address = "https://pay.example.com/webhook/shopify"
)

var now = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

type tokens struct{}

func (tokens) Token(context.Context, string) (string, error) { return "token-1", nil }

func (tokens) Refresh(context.Context, string, string) (string, error) {
	return "", errors.New("no refresh was due")
}

// sent is a request that the fake Shopify received.
type sent struct {
	OperationName string         `json:"operationName"`
	Variables     map[string]any `json:"variables"`
}

// bundle is a client wired to a fake Shopify whose answers are played in turn, the last one again and again.
type bundle struct {
	*admin.Client
	mu      sync.Mutex
	sent    []sent
	answers []string
	waits   []time.Duration
	waitErr error
}

func setup(t *testing.T, answers ...string) *bundle {
	t.Helper()
	b := &bundle{answers: answers}
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	client, err := admin.New(admin.Options{
		Shopify: shopify.Options{
			API: shopify.AdminAPI, BaseURL: server.URL + "/shops/{shop}", HTTPClient: server.Client(), Tokens: tokens{}, Log: zerolog.Nop(),
			Now: func() time.Time { return now },
		},
		Wait: func(_ context.Context, d time.Duration) error {
			b.waits = append(b.waits, d)
			return b.waitErr
		},
	})
	require.NoError(t, err)
	b.Client = client
	return b
}

func (b *bundle) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var s sent
	if err != nil || json.Unmarshal(body, &s) != nil || r.URL.Path != "/shops/"+shop+"/admin/api/2026-10/graphql.json" || r.Header.Get("X-Shopify-Access-Token") != "token-1" {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sent = append(b.sent, s)
	answer := b.answers[min(len(b.sent), len(b.answers))-1]
	_, _ = io.WriteString(w, answer)
}

const throttledAnswer = `{"errors":[{"message":"Throttled","extensions":{"code":"THROTTLED"}}],
	"extensions":{"cost":{"requestedQueryCost":112,"throttleStatus":{"maximumAvailable":2000,"currentlyAvailable":12,"restoreRate":50}}}}`

func cost(available int) string {
	return fmt.Sprintf(`,"extensions":{"cost":{"requestedQueryCost":100,"throttleStatus":{"currentlyAvailable":%d,"restoreRate":50}}}`, available)
}

func subscriptionPage(next string, topics ...string) string {
	var nodes []string
	for i, topic := range topics {
		nodes = append(nodes, fmt.Sprintf(`{"id":"gid://shopify/WebhookSubscription/%d","topic":%q,"uri":%q,"format":"JSON"}`, i, topic, address))
	}
	return fmt.Sprintf(`{"data":{"webhookSubscriptions":{"nodes":[%s],"pageInfo":{"hasNextPage":%t,"endCursor":%q}}}%s}`,
		strings.Join(nodes, ","), next != "", next, cost(0))
}

func TestSubscriptions(t *testing.T) {
	t.Parallel()
	t.Run("all pages are read, with a pause until the bucket holds the next one", func(t *testing.T) {
		t.Parallel()
		b := setup(t, subscriptionPage("c1", "ORDERS_PAID", "A_NEW_TOPIC"), subscriptionPage("", "REFUNDS_CREATE"))
		list, err := b.Subscriptions(t.Context(), shop)
		require.NoError(t, err)
		require.Len(t, list, 3)
		require.Equal(t, admin.Subscription{ID: "gid://shopify/WebhookSubscription/0", Topic: app.OrdersPaid, Enum: "ORDERS_PAID", URI: address, Format: "JSON"}, list[0])
		require.Empty(t, list[1].Topic, "a value that is new to us is no error")
		require.Equal(t, "A_NEW_TOPIC", list[1].Enum)
		require.Equal(t, []sent{
			{"WebhookSubscriptions", map[string]any{"first": 100.0}}, {"WebhookSubscriptions", map[string]any{"first": 100.0, "after": "c1"}},
		}, b.sent)
		require.Equal(t, []time.Duration{2 * time.Second}, b.waits)
	})
	t.Run("pages that do not go on end the walk with an error", func(t *testing.T) {
		t.Parallel()
		for _, page := range []string{subscriptionPage("c1", "ORDERS_PAID"), `{"data":{"webhookSubscriptions":{"nodes":[],"pageInfo":{"hasNextPage":true,"endCursor":null}}}}`} {
			b := setup(t, page)
			_, err := b.Subscriptions(t.Context(), shop)
			require.Equal(t, payment.Unavailable, payment.ClassOf(err, payment.Unknown))
			require.LessOrEqual(t, len(b.sent), 2)
		}
	})
	t.Run("what is missing is found", func(t *testing.T) {
		t.Parallel()
		all := admin.Missing(nil, address)
		require.Contains(t, all, app.OrdersPaid)
		require.NotContains(t, all, app.CustomersRedact, "stands in the app's configuration")
		require.NotContains(t, all, app.AppUninstalled)
		var list []admin.Subscription
		for _, topic := range all {
			list = append(list, admin.Subscription{Topic: topic, URI: address, Format: "JSON"})
		}
		require.Empty(t, admin.Missing(list, address))
		require.Equal(t, all, admin.Missing(list, "https://elsewhere.example"))
		list[0].Format = "XML"
		require.Equal(t, all[:1], admin.Missing(list, address))
		require.Equal(t, all[:1], admin.Missing(list[1:], address))
	})
}

func TestSubscribe(t *testing.T) {
	t.Parallel()
	t.Run("a topic is sent to the address as JSON", func(t *testing.T) {
		t.Parallel()
		b := setup(t, `{"data":{"webhookSubscriptionCreate":{"webhookSubscription":{"id":"gid://shopify/WebhookSubscription/7","topic":"ORDERS_PAID","uri":"`+address+`","format":"JSON"},"userErrors":[]}}}`)
		made, err := b.Subscribe(t.Context(), shop, app.OrdersPaid, address)
		require.NoError(t, err)
		require.Equal(t, "gid://shopify/WebhookSubscription/7", made.ID)
		require.Equal(t, []sent{{"WebhookSubscriptionCreate", map[string]any{
			"topic": "ORDERS_PAID", "subscription": map[string]any{"format": "JSON", "uri": address},
		}}}, b.sent)
	})
	t.Run("a refusal is a conflict", func(t *testing.T) {
		t.Parallel()
		b := setup(t, `{"data":{"webhookSubscriptionCreate":{"webhookSubscription":null,"userErrors":[{"field":["webhookSubscription","uri"],"message":"Address for this topic has already been taken"}]}}}`)
		_, err := b.Subscribe(t.Context(), shop, app.OrdersPaid, address)
		require.Equal(t, payment.Conflict, payment.ClassOf(err, payment.Unknown))
		require.ErrorContains(t, err, "webhookSubscription.uri Address for this topic")
	})
	t.Run("an answer without a result is no success", func(t *testing.T) {
		t.Parallel()
		for _, answer := range []string{`{"data":{"webhookSubscriptionCreate":null}}`, `{"data":{"webhookSubscriptionCreate":{"webhookSubscription":null,"userErrors":[]}}}`} {
			_, err := setup(t, answer).Subscribe(t.Context(), shop, app.OrdersPaid, address)
			require.Equal(t, payment.Unavailable, payment.ClassOf(err, payment.Unknown))
		}
	})
	t.Run("the privacy topics are not subscribed to here", func(t *testing.T) {
		t.Parallel()
		b := setup(t, `{}`)
		_, err := b.Subscribe(t.Context(), shop, app.CustomersRedact, address)
		require.Equal(t, payment.Bug, payment.ClassOf(err, payment.Unknown))
		require.Empty(t, b.sent)
	})
}

func TestThrottling(t *testing.T) {
	t.Parallel()
	t.Run("a refusal for want of points is waited out by the cost block", func(t *testing.T) {
		t.Parallel()
		b := setup(t, throttledAnswer, throttledAnswer, `{"data":{"publicApiVersions":[{"handle":"2026-10","displayName":"2026-10 (Latest)","supported":true}]}}`)
		list, err := b.PublicVersions(t.Context(), shop)
		require.NoError(t, err)
		require.Equal(t, []shopify.Version{{Handle: "2026-10", DisplayName: "2026-10 (Latest)", Supported: true}}, list)
		require.Equal(t, []time.Duration{2 * time.Second, 2 * time.Second}, b.waits)
	})
	t.Run("it is not waited for without end", func(t *testing.T) {
		t.Parallel()
		b := setup(t, throttledAnswer)
		_, err := b.PublicVersions(t.Context(), shop)
		require.Equal(t, payment.RateLimited, payment.ClassOf(err, payment.Unknown))
		require.Len(t, b.sent, 6)
	})
	t.Run("whoever is told to stop does not wait", func(t *testing.T) {
		t.Parallel()
		b := setup(t, throttledAnswer)
		b.waitErr = context.Canceled
		_, err := b.PublicVersions(t.Context(), shop)
		require.ErrorIs(t, err, context.Canceled)
		require.Len(t, b.sent, 1)
		b = setup(t, subscriptionPage("c1", "ORDERS_PAID"))
		b.waitErr = context.Canceled
		_, err = b.Subscriptions(t.Context(), shop)
		require.ErrorIs(t, err, context.Canceled)
	})
	t.Run("other errors are not repeated", func(t *testing.T) {
		t.Parallel()
		b := setup(t, `{"errors":[{"message":"no","extensions":{"code":"ACCESS_DENIED"}}]}`)
		_, err := b.Subscribe(t.Context(), shop, app.OrdersPaid, address)
		require.Error(t, err)
		require.Empty(t, b.waits)
	})
}

func TestNew(t *testing.T) {
	t.Parallel()
	_, err := admin.New(admin.Options{})
	require.ErrorContains(t, err, "another api")
	_, err = admin.New(admin.Options{Shopify: shopify.Options{API: shopify.AdminAPI}})
	require.ErrorContains(t, err, "required")
}
