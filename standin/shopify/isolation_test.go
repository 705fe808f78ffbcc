package shopify

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const otherAdminPath = "/shops/" + borealis + "/admin/api/2026-10/graphql.json"

// twoShops is a stand-in whose second app is in two shops.
func twoShops(t *testing.T) (bundle, *inbox) {
	t.Helper()
	return setupApps(t, func(o *Options) { o.Shops[1].AdminAccessToken = "shpat_admin_other" })
}

func TestShopsAreKeptApart(t *testing.T) {
	t.Parallel()
	t.Run("a token opens its own shop only", func(t *testing.T) {
		t.Parallel()
		b, _ := twoShops(t)
		ask := `{ publicApiVersions { handle } }`
		require.Equal(t, http.StatusOK, b.query(t, otherAdminPath, "shpat_admin_other", ask, nil).status)
		require.Equal(t, http.StatusUnauthorized, b.query(t, otherAdminPath, adminAccess, ask, nil).status)
		require.Equal(t, http.StatusUnauthorized, b.query(t, adminPath, "shpat_admin_other", ask, nil).status)
		require.Equal(t, http.StatusNotFound, b.query(t, strings.Replace(adminPath, acme, "x.myshopify.com", 1), adminAccess, ask, nil).status)
	})
	t.Run("orders are those of the shop", func(t *testing.T) {
		t.Parallel()
		b, _ := twoShops(t)
		b.sold(t, 1)
		require.Contains(t, b.query(t, adminPath, adminAccess, ordersPage, map[string]any{"first": 5}).body, "#1001")
		require.Contains(t, b.query(t, otherAdminPath, "shpat_admin_other", ordersPage, map[string]any{"first": 5}).body, `"nodes":[]`)
	})
	t.Run("subscriptions are those of the shop and the app", func(t *testing.T) {
		t.Parallel()
		b, box := twoShops(t)
		id := b.subscribed(t, "ORDERS_PAID", box.URL)
		list := `{ webhookSubscriptions(first: 5) { nodes { id } } }`
		require.Contains(t, b.query(t, adminPath, adminAccess, list, nil).body, id)
		require.NotContains(t, b.query(t, otherAdminPath, "shpat_admin_other", list, nil).body, id)
		require.NotContains(t, b.query(t, adminPath, seedAccess, list, nil).body, id, "the payments app of the same shop")
		gone := b.query(t, otherAdminPath, "shpat_admin_other",
			`mutation ($id: ID!) { webhookSubscriptionDelete(id: $id) { deletedWebhookSubscriptionId } }`, map[string]any{"id": id})
		require.Contains(t, gone.body, `"deletedWebhookSubscriptionId":null`)
		require.Empty(t, b.raise(t, borealis, topicOrderPaid, `{}`))
		require.Len(t, b.raise(t, acme, topicOrderPaid, `{}`), 1)
	})
	t.Run("uninstalling in one shop leaves the other", func(t *testing.T) {
		t.Parallel()
		b, box := twoShops(t)
		b.postForm(t, appsPath(borealis)+"/payments/uninstall", nil)
		require.Equal(t, borealis, box.await(t, 1)[0].header.Get("X-Shopify-Shop-Domain"))
		require.True(t, b.calls(t, seedAccess))
		require.True(t, b.book(t, acme).Offered)
		require.False(t, b.book(t, borealis).Offered)
		b.clock.add(redactAfter)
		require.Equal(t, borealis, box.await(t, 2)[1].json(t)["shop_domain"])
	})
	t.Run("limits are those of the plan", func(t *testing.T) {
		t.Parallel()
		b, _ := twoShops(t)
		resp := b.query(t, otherAdminPath, "shpat_admin_other", `{ publicApiVersions { handle } }`, nil)
		require.Contains(t, resp.body, `"restoreRate":1000`, "Plus")
	})
	t.Run("the configured limit wins", func(t *testing.T) {
		t.Parallel()
		b, _ := setupApps(t, func(o *Options) { o.AdminApp.Throttle = Throttle{MaximumAvailable: 3, RestoreRate: 1} })
		require.Empty(t, b.admin(t, ordersPage, map[string]any{"first": 1}).Errors)
		require.Equal(t, "THROTTLED", b.admin(t, ordersPage, map[string]any{"first": 1}).Errors[0].Extensions["code"])
	})
}

func TestOneEventForOneApp(t *testing.T) {
	t.Parallel()
	b, box := setupApps(t)
	b.subscribed(t, "APP_UNINSTALLED", box.URL+"/api")
	raise := func(app string) []Delivery {
		t.Helper()
		resp := b.postJSON(t, "/_webhooks", fmt.Sprintf(`{"shop":%q,"topic":"app/uninstalled","app":%q,"payload":{}}`, acme, app))
		require.Equal(t, http.StatusOK, resp.status, resp.body)
		var list []Delivery
		require.NoError(t, json.Unmarshal([]byte(resp.body), &list))
		return list
	}
	both, one := raise(""), raise(AdminApp)
	require.Len(t, both, 2)
	require.Len(t, one, 1)
	require.Equal(t, AdminApp, one[0].App)
	require.Equal(t, "mine", one[0].Name)
	box.await(t, 3)
}

func TestFragmentsCostWhatTheyHold(t *testing.T) {
	t.Parallel()
	b, _ := setupApps(t)
	b.sold(t, 2)
	plain := b.admin(t, `{ orders(first: 10) { nodes { id name totalPriceSet { shopMoney { amount } } } } }`, nil)
	spread := b.admin(t, `query { orders(first: 10) { nodes { ...Brief ... on Order { totalPriceSet { shopMoney { amount } } } } } }
		fragment Brief on Order { id name }`, nil)
	require.Empty(t, spread.Errors, spread.body)
	require.Equal(t, plain.Data, spread.Data)
	require.InDelta(t, plain.Extensions.Cost.RequestedQueryCost, spread.Extensions.Cost.RequestedQueryCost, 0)
	require.InDelta(t, 2+10*3, plain.Extensions.Cost.RequestedQueryCost, 0)
	alias := b.admin(t, `{ new: orders(first: 1, reverse: true) { nodes { name } } old: orders(first: 1) { nodes { name } } }`, nil)
	require.Contains(t, alias.body, `"new":{"nodes":[{"name":"#1002"}]}`)
	require.Contains(t, alias.body, `"old":{"nodes":[{"name":"#1001"}]}`)
}

func TestDocumentsOutsideTheSchemaAreRefused(t *testing.T) {
	t.Parallel()
	b, _ := setupApps(t)
	for rule, text := range map[string]string{
		"unknown root":               `{ products(first: 1) { nodes { id } } }`,
		"unknown field":              `{ orders(first: 1) { nodes { colour } } }`,
		"an object without a choice": `{ orders(first: 1) { nodes } }`,
		"unknown argument":           `{ orders(first: 1, savedSearchId: "1") { nodes { id } } }`,
		"unknown sort key":           `{ orders(first: 1, sortKey: MOOD) { nodes { id } } }`,
		"a payments mutation":        `mutation { paymentsAppConfigure(ready: true) { userErrors { message } } }`,
		"no document":                ``,
		"half a document":            `{ orders(first: 1`,
	} {
		got := b.admin(t, text, nil)
		require.NotEmpty(t, got.Errors, rule)
		require.Nil(t, got.Data, rule)
	}
	require.NotEmpty(t, b.graphql(t, `{ orders(first: 1) { nodes { id } } }`, nil).Errors, "nor does the payments API know orders")
	newer := strings.Replace(adminPath, "2026-10", "2027-04", 1)
	require.Equal(t, http.StatusNotFound, b.query(t, newer, adminAccess, ordersPage, nil).status)
	older := b.query(t, strings.Replace(adminPath, "2026-10", "2024-01", 1), adminAccess, ordersPage, map[string]any{"first": 1})
	require.Equal(t, "2026-04", older.header.Get("X-Shopify-API-Version"), "the oldest one serves it")
}

func TestAnOrderThroughItsWholeLife(t *testing.T) {
	t.Parallel()
	b, _ := setupApps(t)
	state := func() map[string]any {
		t.Helper()
		got := b.admin(t, `{ orders(first: 1) { nodes { displayFinancialStatus fullyPaid unpaid number legacyResourceId
			totalReceivedSet { shopMoney { amount } } totalOutstandingSet { shopMoney { amount } }
			transactions(first: 9) { kind status errorCode authorizationExpiresAt multiCapturable parentTransaction { kind } } } } }`, nil)
		require.Empty(t, got.Errors, got.body)
		nodes, _ := got.Data["orders"]["nodes"].([]any)
		if len(nodes) == 0 {
			return nil
		}
		order, _ := nodes[0].(map[string]any)
		return order
	}
	kinds := func(order map[string]any) []string {
		var list []string
		transactions, _ := order["transactions"].([]any)
		for _, item := range transactions {
			t, _ := item.(map[string]any)
			list = append(list, fmt.Sprint(t["kind"], " ", t["status"]))
		}
		return list
	}
	started := b.payment(t, SessionRequest{Kind: KindAuthorization})
	require.Nil(t, state(), "a checkout is no order")
	b.mutate(t, opPaymentResolve, map[string]any{
		"id": started.GID, "authorizationExpiresAt": b.clock.now().Add(24 * time.Hour).Format(time.RFC3339),
	})
	order := state()
	require.Equal(t, "AUTHORIZED", order["displayFinancialStatus"])
	require.Equal(t, []string{"AUTHORIZATION SUCCESS"}, kinds(order))
	require.Equal(t, []any{false, true}, []any{order["fullyPaid"], order["unpaid"]})

	panel := "/shops/" + acme + "/admin/orders/" + started.Checkout
	b.postForm(t, panel+"/void", nil)
	b.mutate(t, opVoidReject, map[string]any{"id": b.last(t).GID, "reason": map[string]any{"code": "PROCESSING_ERROR"}})
	b.postForm(t, panel+"/capture", url.Values{"amount": {"49.90"}})
	b.mutate(t, opCaptureResolve, map[string]any{"id": b.last(t).GID})
	order = state()
	require.Equal(t, "PAID", order["displayFinancialStatus"])
	require.Equal(t, []string{"AUTHORIZATION SUCCESS", "VOID FAILURE", "CAPTURE SUCCESS"}, kinds(order))
	require.Equal(t, []any{true, false}, []any{order["fullyPaid"], order["unpaid"]})
	transactions, _ := order["transactions"].([]any)
	capture, _ := transactions[2].(map[string]any)
	require.Equal(t, map[string]any{"kind": "AUTHORIZATION"}, capture["parentTransaction"])
}
