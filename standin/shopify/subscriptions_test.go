package shopify

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/standin/faults"
)

const subscribe = `mutation ($topic: WebhookSubscriptionTopic!, $sub: WebhookSubscriptionInput!) {
	webhookSubscriptionCreate(topic: $topic, webhookSubscription: $sub) {
		webhookSubscription { id topic uri format name } userErrors { field message } } }`

// subscribed makes a subscription and returns its id.
func (b bundle) subscribed(t *testing.T, topic, uri string) string {
	t.Helper()
	got := b.admin(t, subscribe, map[string]any{"topic": topic, "sub": map[string]any{"uri": uri, "name": "mine"}})
	require.Empty(t, got.Errors, got.body)
	require.Empty(t, firstError(got.Data[opSubscribe]))
	sub, _ := got.Data[opSubscribe]["webhookSubscription"].(map[string]any)
	require.Equal(t, []any{topic, uri, "JSON", "mine"}, []any{sub["topic"], sub["uri"], sub["format"], sub["name"]})
	id, _ := sub["id"].(string)
	return id
}

// listed are the ids of the living subscriptions, as the API lists them.
func (b bundle) listed(t *testing.T, args string) []string {
	t.Helper()
	got := b.admin(t, `{ webhookSubscriptions(first: 50`+args+`) { nodes { id topic uri callbackUrl apiVersion { handle } } pageInfo { hasNextPage } } }`, nil)
	require.Empty(t, got.Errors, got.body)
	ids := []string{}
	nodes, _ := got.Data[opSubscriptions]["nodes"].([]any)
	for _, node := range nodes {
		sub, _ := node.(map[string]any)
		id, _ := sub["id"].(string)
		ids = append(ids, id)
	}
	return ids
}

func TestSubscriptionsByTheAPI(t *testing.T) {
	t.Parallel()
	b, box := setupApps(t, listening(topicOrderPaid))
	paid := b.subscribed(t, "ORDERS_PAID", box.URL+"/api")
	b.clock.add(time.Second)
	created := b.subscribed(t, "ORDERS_CREATE", box.URL+"/api")
	require.Equal(t, []string{paid, created}, b.listed(t, ""), "those of a configuration are not listed")
	require.Equal(t, []string{created}, b.listed(t, ", topics: [ORDERS_CREATE]"))
	require.Equal(t, []string{created}, b.listed(t, ", topics: ORDERS_CREATE"))
	require.Empty(t, b.listed(t, `, uri: "https://other.example.com"`))
	require.Empty(t, b.listed(t, `, format: XML`))

	b.sold(t, 1)
	box.await(t, 3)
	var events, ids []string
	for _, h := range box.hooks() {
		if h.topic() != topicOrderPaid {
			continue
		}
		events, ids = append(events, h.header.Get("X-Shopify-Event-Id")), append(ids, h.id())
		secret := "secret"
		if h.header.Get("X-Shopify-Name") == "mine" {
			secret = "admin-secret"
		}
		requireSignedBody(t, h, secret)
	}
	require.Len(t, events, 2)
	require.Equal(t, events[0], events[1], "one event")
	require.NotEqual(t, ids[0], ids[1], "two deliveries")

	got := b.admin(t, `mutation ($id: ID!) { webhookSubscriptionDelete(id: $id) { deletedWebhookSubscriptionId userErrors { field message } } }`, map[string]any{"id": paid})
	require.Equal(t, paid, got.Data[opUnsubscribe]["deletedWebhookSubscriptionId"])
	again := b.admin(t, `mutation ($id: ID!) { webhookSubscriptionDelete(id: $id) { deletedWebhookSubscriptionId userErrors { field message } } }`, map[string]any{"id": paid})
	require.Contains(t, firstError(again.Data[opUnsubscribe]), "does not exist")
	require.Equal(t, []string{created}, b.listed(t, ", sortKey: ID, reverse: true"))
	require.Equal(t, RemovedByApp, b.book(t, acme).Apps[AdminApp].Subscriptions[0].RemovedBy)
	one := b.admin(t, `query ($id: ID!) { webhookSubscription(id: $id) { topic legacyResourceId } }`, map[string]any{"id": created})
	require.Equal(t, "ORDERS_CREATE", one.Data[opSubscription]["topic"])
	gone := b.admin(t, `query ($id: ID!) { webhookSubscription(id: $id) { topic } }`, map[string]any{"id": paid})
	require.Nil(t, gone.Data[opSubscription])
}

func TestSubscriptionsThatAreRefused(t *testing.T) {
	t.Parallel()
	b, box := setupApps(t)
	b.subscribed(t, "ORDERS_PAID", box.URL)
	for rule, c := range map[string]struct {
		sub  map[string]any
		want string
	}{
		"no address":     {map[string]any{}, "can't be blank"},
		"plain http":     {map[string]any{"uri": "http://public.example.com/hooks"}, "Address is invalid"},
		"no host":        {map[string]any{"callbackUrl": "/hooks"}, "Address is invalid"},
		"XML":            {map[string]any{"uri": "https://public.example.com", "format": "XML"}, "Only JSON"},
		"the same again": {map[string]any{"uri": box.URL}, "already been taken"},
	} {
		got := b.admin(t, subscribe, map[string]any{"topic": "ORDERS_PAID", "sub": c.sub})
		require.Contains(t, firstError(got.Data[opSubscribe]), c.want, rule)
	}
	for rule, vars := range map[string]map[string]any{
		"a compliance topic": {"topic": "SHOP_REDACT", "sub": map[string]any{"uri": box.URL}},
		"a filter":           {"topic": "ORDERS_CREATE", "sub": map[string]any{"uri": box.URL, "filter": "id:1"}},
	} {
		require.NotEmpty(t, b.admin(t, subscribe, vars).Errors, rule)
	}
	require.NotEmpty(t, b.admin(t, `mutation { webhookSubscriptionDelete(id: "1") { userErrors { code } } }`, nil).Errors, "user errors have no code")
	require.NotEmpty(t, b.admin(t, `{ webhookSubscriptions(first: 1, topics: [EATEN]) { nodes { id } } }`, nil).Errors)
	require.NotEmpty(t, b.admin(t, `query ($t: [WebhookSubscriptionTopic!]) { webhookSubscriptions(first: 1, topics: $t) { nodes { id } } }`, map[string]any{"t": []string{"orders_paid"}}).Errors, "enums are spelt exactly")
	require.Len(t, b.listed(t, ""), 1)
}

func TestASubscriptionIsRemovedAfterItsFailures(t *testing.T) {
	t.Parallel()
	b, box := setupApps(t, func(o *Options) { o.WebhookWaits = []time.Duration{time.Second, time.Second} })
	api := newInbox(t)
	id := b.subscribed(t, "APP_UNINSTALLED", api.URL)
	api.answer(http.StatusInternalServerError)
	box.answer(http.StatusInternalServerError)
	first := b.raise(t, acme, topicUninstalled, `{"n":1}`)
	require.Len(t, first, 2)
	for n := range 2 {
		for _, d := range first {
			b.awaitDelivery(t, acme, d.ID, func(d Delivery) bool { return d.Tries == n+1 && d.NextAt != nil && d.NextAt.After(b.clock.now()) })
		}
		b.clock.add(time.Second)
	}
	for _, d := range first {
		require.Equal(t, 3, b.awaitDelivery(t, acme, d.ID, in(DeliveryFailed)).Tries)
	}
	require.Empty(t, b.listed(t, ""))
	removed := b.book(t, acme).Apps[AdminApp].Subscriptions[0]
	require.Equal(t, id, removed.ID)
	require.Equal(t, RemovedFailures, removed.RemovedBy)
	require.Len(t, b.raise(t, acme, topicUninstalled, `{"n":2}`), 1, "that of the configuration stays")
}

func TestASubscriptionThatSucceedsBetweenIsKept(t *testing.T) {
	t.Parallel()
	b, _ := setupApps(t, func(o *Options) { o.WebhookWaits = []time.Duration{time.Second} })
	api := newInbox(t)
	b.subscribed(t, "ORDERS_PAID", api.URL)
	api.answer(http.StatusInternalServerError)
	failing := b.raise(t, acme, topicOrderPaid, `{"n":1}`)[0].ID
	b.awaitDelivery(t, acme, failing, func(d Delivery) bool { return d.Tries == 1 && d.NextAt != nil })
	api.answer(http.StatusOK)
	good := b.raise(t, acme, topicOrderPaid, `{"n":2}`)[0].ID
	b.awaitDelivery(t, acme, good, in(DeliveryDelivered))
	api.answer(http.StatusInternalServerError)
	b.clock.add(time.Second)
	b.awaitDelivery(t, acme, failing, in(DeliveryFailed))
	require.Len(t, b.listed(t, ""), 1)
}

func TestASubscriptionIsLostSilently(t *testing.T) {
	t.Parallel()
	t.Run("by a fault", func(t *testing.T) {
		t.Parallel()
		b, _ := setupApps(t)
		api := newInbox(t)
		b.subscribed(t, "ORDERS_PAID", api.URL)
		_, err := b.Faults().Arm(faults.Rule{Call: opWebhook, Kind: faults.Decline(DeclineSubscriptionRemoved), Match: topicOrderPaid + " "})
		require.NoError(t, err)
		b.sold(t, 1)
		require.Eventually(t, func() bool { return len(b.listed(t, "")) == 0 }, 10*time.Second, 5*time.Millisecond)
		b.sold(t, 1)
		require.Empty(t, api.hooks())
		book := b.book(t, acme)
		require.Equal(t, RemovedFault, book.Apps[AdminApp].Subscriptions[0].RemovedBy)
		require.Len(t, book.Deliveries, 1, "the second order has nobody to tell")
		require.Equal(t, DeliveryAbandoned, book.Deliveries[0].State)
		require.Equal(t, []string{"#1001", "#1002"}, names(b.admin(t, ordersPage, map[string]any{"first": 5})), "the orders can be found")
	})
	t.Run("but not one of a configuration", func(t *testing.T) {
		t.Parallel()
		b, box := setupApps(t)
		_, err := b.Faults().Arm(faults.Rule{Call: opWebhook, Kind: faults.Decline(DeclineSubscriptionRemoved)})
		require.NoError(t, err)
		b.raise(t, acme, topicUninstalled, `{}`)
		box.await(t, 1)
	})
	t.Run("by hand", func(t *testing.T) {
		t.Parallel()
		b, box := setupApps(t)
		id := b.subscribed(t, "ORDERS_PAID", box.URL)
		number := id[strings.LastIndex(id, "/")+1:]
		remove := func() int {
			return b.do(t, b.request(t, http.MethodDelete, "/_subscriptions/"+number, "", "")).status
		}
		require.Equal(t, http.StatusNoContent, remove())
		require.Equal(t, http.StatusNotFound, remove())
		require.Empty(t, b.listed(t, ""))
		require.NotEqual(t, id, b.subscribed(t, "ORDERS_PAID", box.URL), "it can be made again")
	})
	t.Run("with the app", func(t *testing.T) {
		t.Parallel()
		b, _ := setupApps(t)
		api := newInbox(t)
		b.subscribed(t, "APP_UNINSTALLED", api.URL)
		require.Equal(t, http.StatusSeeOther, b.postForm(t, appsPath(acme)+"/admin/uninstall", nil).status)
		require.Equal(t, topicUninstalled, api.await(t, 1)[0].topic(), "the last thing it hears")
		require.Equal(t, RemovedUninstalled, b.book(t, acme).Apps[AdminApp].Subscriptions[0].RemovedBy)
		require.Equal(t, InstallInstalled, b.book(t, acme).Apps[PaymentsApp].State, "the other app stays")
		require.Equal(t, http.StatusUnauthorized, b.query(t, adminPath, adminAccess, `{ publicApiVersions { handle } }`, nil).status)
	})
}

func TestSubscriptionsSurviveARestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "shopify.json")
	b, box := setupApps(t, func(o *Options) { o.SnapshotPath = path })
	id := b.subscribed(t, "ORDERS_PAID", box.URL)
	b.sold(t, 2)
	box.await(t, 2)
	for _, d := range b.book(t, acme).Deliveries {
		b.awaitDelivery(t, acme, d.ID, in(DeliveryDelivered))
	}
	before := b.admin(t, ordersPage, map[string]any{"first": 5})
	require.NoError(t, b.Close())
	after := bundle{Server: reopen(t, b.opts), clock: b.clock, opts: b.opts, app: b.app}
	after.http = newFront(t, after.Server)
	require.Equal(t, b.Books(acme, false), after.Books(acme, false))
	require.Equal(t, []string{id}, after.listed(t, ""))
	require.Equal(t, before.Data, after.admin(t, ordersPage, map[string]any{"first": 5}).Data)
}
