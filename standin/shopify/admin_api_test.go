package shopify

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/standin/faults"
	"tillflow/standin/snapshot"
)

const adminPath = "/shops/" + acme + "/admin/api/2026-10/graphql.json"

// admin asks the Admin API with the second app's token.
func (b bundle) admin(t *testing.T, text string, vars map[string]any) answer {
	t.Helper()
	got := answer{response: b.query(t, adminPath, adminAccess, text, vars)}
	require.Equal(t, http.StatusOK, got.status, got.body)
	require.NoError(t, json.Unmarshal([]byte(got.body), &got), got.body)
	return got
}

const ordersPage = `query ($first: Int!, $after: String, $query: String) {
	orders(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {
		nodes { id name updatedAt displayFinancialStatus } pageInfo { hasNextPage endCursor } } }`

// names are the order names of a page.
func names(got answer) []string {
	list := []string{}
	nodes, _ := got.Data["orders"]["nodes"].([]any)
	for _, node := range nodes {
		order, _ := node.(map[string]any)
		name, _ := order["name"].(string)
		list = append(list, name)
	}
	return list
}

// sold makes paid orders a minute apart.
func (b bundle) sold(t *testing.T, n int) {
	t.Helper()
	for range n {
		started := b.payment(t, SessionRequest{})
		require.Empty(t, firstError(b.mutate(t, opPaymentResolve, map[string]any{"id": started.GID})))
		b.clock.add(time.Minute)
	}
}

func TestOrdersArePaged(t *testing.T) {
	t.Parallel()
	b, _ := setupApps(t)
	b.sold(t, 5)
	first := b.admin(t, ordersPage, map[string]any{"first": 2})
	require.Empty(t, first.Errors, first.body)
	require.Equal(t, []string{"#1001", "#1002"}, names(first))
	info, _ := first.Data["orders"]["pageInfo"].(map[string]any)
	require.Equal(t, true, info["hasNextPage"])

	// An order that changes meanwhile moves to the end and shifts nothing.
	b.postForm(t, "/shops/"+acme+"/admin/orders/"+b.book(t, acme).Orders[0].Checkout+"/happenings/cancel", nil)
	second := b.admin(t, ordersPage, map[string]any{"first": 2, "after": info["endCursor"]})
	require.Equal(t, []string{"#1003", "#1004"}, names(second))
	info, _ = second.Data["orders"]["pageInfo"].(map[string]any)
	third := b.admin(t, ordersPage, map[string]any{"first": 2, "after": info["endCursor"]})
	require.Equal(t, []string{"#1005", "#1001"}, names(third))
	info, _ = third.Data["orders"]["pageInfo"].(map[string]any)
	require.Equal(t, false, info["hasNextPage"])
	end := b.admin(t, ordersPage, map[string]any{"first": 2, "after": info["endCursor"]})
	require.Empty(t, names(end))
	info, _ = end.Data["orders"]["pageInfo"].(map[string]any)
	require.Nil(t, info["endCursor"])
}

func TestOrdersFromBothEnds(t *testing.T) {
	t.Parallel()
	b, _ := setupApps(t)
	b.sold(t, 4)
	ask := func(args string) answer {
		t.Helper()
		return b.admin(t, `{ orders(`+args+`) { nodes { name } edges { cursor node { name } } pageInfo { hasPreviousPage hasNextPage startCursor } } }`, nil)
	}
	require.Equal(t, []string{"#1003", "#1004"}, names(ask("last: 2")))
	require.Equal(t, []string{"#1004", "#1003"}, names(ask("first: 2, reverse: true, sortKey: ORDER_NUMBER")))
	all := ask("first: 4, reverse: true")
	edges, _ := all.Data["orders"]["edges"].([]any)
	mark, _ := edges[2].(map[string]any)
	before := ask(fmt.Sprintf("last: 1, reverse: true, before: %q", mark["cursor"]))
	require.Equal(t, []string{"#1003"}, names(before))
	info, _ := before.Data["orders"]["pageInfo"].(map[string]any)
	require.Equal(t, []any{true, true}, []any{info["hasPreviousPage"], info["hasNextPage"]})
	require.Len(t, names(ask("first: 4, sortKey: ID")), 4)
}

func TestTheSearchOfOrders(t *testing.T) {
	t.Parallel()
	b, _ := setupApps(t)
	b.sold(t, 3)
	for query, want := range map[string][]string{
		"":                                      {"#1001", "#1002", "#1003"},
		"updated_at:>='2026-11-20T10:01:00Z'":   {"#1002", "#1003"},
		"created_at:>2026-11-20T10:01:00Z":      {"#1003"},
		"updated_at:<=\"2026-11-20T10:00:00Z\"": {"#1001"},
		"processed_at:<2026-11-20T10:02:00Z AND name:#1002": {"#1002"},
		"created_at:2026-11-20T10:02:00Z":                   {"#1003"},
		"created_at:>=2026-11-21":                           {},
		"financial_status:paid test:false":                  {"#1001", "#1002", "#1003"},
		"financial_status:refunded":                         {},
	} {
		got := b.admin(t, ordersPage, map[string]any{"first": 10, "query": query})
		require.Empty(t, got.Errors, query)
		require.Equal(t, want, names(got), query)
	}
	for _, query := range []string{"colour:red", "mug", "updated_at:>=yesterday"} {
		got := b.admin(t, ordersPage, map[string]any{"first": 10, "query": query})
		require.Len(t, got.Errors, 1, query)
		require.Equal(t, codeBadInput, got.Errors[0].Extensions["code"])
		require.Nil(t, got.Data)
	}
}

func TestPageArgumentsThatAreRefused(t *testing.T) {
	t.Parallel()
	b, _ := setupApps(t)
	for _, args := range []string{"", "(first: 0)", "(first: 251)", "(first: -1)", "(first: 2, last: 2)", `(first: 2, after: "x")`, `(first: 1, before: "YQ==")`} {
		got := b.admin(t, "{ orders"+args+" { nodes { id } } }", nil)
		require.Len(t, got.Errors, 1, args)
	}
}

func TestOneOrderForReconciliation(t *testing.T) {
	t.Parallel()
	b, _ := setupApps(t)
	panel := orderPath(t, b)
	payment := b.last(t).ID
	b.postForm(t, panel+"/refund", url.Values{"amount": {"10"}})
	refund := b.last(t)
	b.mutate(t, opRefundResolve, map[string]any{"id": refund.GID})
	b.postForm(t, panel+"/refund", url.Values{"amount": {"1"}}) // open: not a transaction yet
	list := b.admin(t, `{ orders(first: 1) { nodes { id } } }`, nil)
	nodes, _ := list.Data["orders"]["nodes"].([]any)
	node, _ := nodes[0].(map[string]any)

	got := b.admin(t, `query ($id: ID!) { order(id: $id) { id name test createdAt cancelledAt displayFinancialStatus currencyCode
		customer { displayName firstName } email
		totalPriceSet { shopMoney { amount currencyCode } presentmentMoney { amount currencyCode } }
		totalOutstandingSet { presentmentMoney { amount } } totalRefundedSet { presentmentMoney { amount } }
		transactions(first: 50) { id kind status gateway test paymentId authorizationExpiresAt processedAt errorCode multiCapturable
			amountSet { presentmentMoney { amount currencyCode } } parentTransaction { id paymentId } }
		refunds(first: 50) { id createdAt totalRefundedSet { presentmentMoney { amount } } } } }`, map[string]any{"id": node["id"]})
	require.Empty(t, got.Errors, got.body)
	order := got.Data["order"]
	require.Equal(t, "PARTIALLY_REFUNDED", order["displayFinancialStatus"])
	require.Equal(t, "Ada@example.com", order["email"])
	transactions, _ := order["transactions"].([]any)
	require.Len(t, transactions, 2)
	sale, _ := transactions[0].(map[string]any)
	require.Equal(t, []any{"SALE", "SUCCESS", "Till", payment, nil}, []any{sale["kind"], sale["status"], sale["gateway"], sale["paymentId"], sale["parentTransaction"]})
	back, _ := transactions[1].(map[string]any)
	parent, _ := back["parentTransaction"].(map[string]any)
	require.Equal(t, []any{"REFUND", refund.ID, payment}, []any{back["kind"], back["paymentId"], parent["paymentId"]})
	require.Len(t, order["refunds"], 1)
	require.Contains(t, got.body, `"totalRefundedSet":{"presentmentMoney":{"amount":"10.00"}}`)

	unknown := b.admin(t, `{ order(id: "gid://shopify/Order/1") { id } }`, nil)
	require.Empty(t, unknown.Errors)
	require.JSONEq(t, `null`, strings.TrimSuffix(strings.SplitN(unknown.body, `"order":`, 2)[1][:4], ","))
}

func TestScopesOfTheAdminAPI(t *testing.T) {
	t.Parallel()
	t.Run("orders need read_orders", func(t *testing.T) {
		t.Parallel()
		b, _ := setupApps(t)
		got := b.query(t, adminPath, seedAccess, `{ orders(first: 1) { nodes { id } } }`, nil)
		require.Contains(t, got.body, `"code":"ACCESS_DENIED"`)
		got = b.query(t, adminPath, seedAccess, `{ publicApiVersions { handle } }`, nil)
		require.Contains(t, got.body, "2026-10", "the payments app may ask for what needs no scope")
	})
	t.Run("old orders need read_all_orders", func(t *testing.T) {
		t.Parallel()
		for scope, want := range map[string]int{scopeOrders: 0, scopeOrders + "," + scopeAllOrders: 1} {
			b, _ := setupApps(t, func(o *Options) { o.AdminApp.Scopes = strings.Split(scope, ",") })
			b.sold(t, 1)
			b.clock.add(60 * 24 * time.Hour)
			require.Len(t, names(b.admin(t, ordersPage, map[string]any{"first": 5})), want, scope)
		}
	})
	t.Run("sessions need write_payment_sessions", func(t *testing.T) {
		t.Parallel()
		b, _ := setupApps(t, func(o *Options) { o.Listing.Scopes = []string{scopeGateways} })
		got := b.graphql(t, document(opPaymentResolve), map[string]any{"id": b.payment(t, SessionRequest{}).GID})
		require.Equal(t, "ACCESS_DENIED", got.Errors[0].Extensions["code"])
		require.Equal(t, StateOpen, b.last(t).State)
	})
	t.Run("the payments API is for the payments app", func(t *testing.T) {
		t.Parallel()
		b, _ := setupApps(t)
		require.False(t, b.opens(t, acme, adminAccess))
		require.Equal(t, http.StatusUnauthorized, b.query(t, adminPath, "shpat_x", `{ publicApiVersions { handle } }`, nil).status)
	})
}

func TestTheCostOfAQuery(t *testing.T) {
	t.Parallel()
	b, _ := setupApps(t)
	cheap := b.admin(t, ordersPage, map[string]any{"first": 10})
	cost := cheap.Extensions.Cost
	require.InDelta(t, 12, cost.RequestedQueryCost, 0)
	require.InDelta(t, 2000, cost.ThrottleStatus.MaximumAvailable, 0)
	require.InDelta(t, 100, cost.ThrottleStatus.RestoreRate, 0)
	require.InDelta(t, 1988, cost.ThrottleStatus.CurrentlyAvailable, 0)

	dear := b.admin(t, `{ orders(first: 250) { nodes { id totalPriceSet { shopMoney { amount } presentmentMoney { amount } } } } }`, nil)
	require.Equal(t, codeMaxCost, dear.Errors[0].Extensions["code"])
	require.InDelta(t, 1000, dear.Errors[0].Extensions["maxCost"], 0)

	used := 12.0
	for used+252 <= 2000 {
		require.Empty(t, b.admin(t, ordersPage, map[string]any{"first": 250}).Errors)
		used += 252
	}
	throttled := b.admin(t, ordersPage, map[string]any{"first": 250})
	require.Equal(t, "THROTTLED", throttled.Errors[0].Extensions["code"])
	require.Nil(t, throttled.Extensions.Cost.ActualQueryCost)
	missing := throttled.Extensions.Cost.RequestedQueryCost - throttled.Extensions.Cost.ThrottleStatus.CurrentlyAvailable
	b.clock.add(time.Duration(missing / 100 * float64(time.Second)))
	require.Empty(t, b.admin(t, ordersPage, map[string]any{"first": 250}).Errors, "the announced wait is enough")
	require.True(t, b.calls(t, seedAccess), "the payments API has a bucket of its own")
}

func TestAVersionThatHasEnded(t *testing.T) {
	t.Parallel()
	b, _ := setupApps(t)
	arm := func(call string) {
		t.Helper()
		_, err := b.Faults().Arm(faults.Rule{Call: call, Kind: faults.Decline(DeclineRetired)})
		require.NoError(t, err)
	}
	arm(opVersions)
	got := b.query(t, adminPath, adminAccess, `{ publicApiVersions { handle supported } }`, nil)
	require.Equal(t, "2027-01", got.header.Get("X-Shopify-API-Version"))
	require.Contains(t, got.body, `{"handle":"2026-10","supported":false}`)
	require.Contains(t, got.body, `{"handle":"2026-07","supported":true}`)
	arm(opPaymentResolve)
	resolved := b.graphql(t, document(opPaymentResolve), map[string]any{"id": b.payment(t, SessionRequest{}).GID})
	require.Equal(t, "2027-01", resolved.header.Get("X-Shopify-API-Version"))
	require.Equal(t, StateResolved, b.last(t).State, "it is served all the same")
	got = b.query(t, adminPath, adminAccess, `{ publicApiVersions { handle supported } }`, nil)
	require.NotContains(t, got.body, "false")
}

func TestFaultsOfTheAdminAPI(t *testing.T) {
	t.Parallel()
	b, box := setupApps(t)
	for _, rule := range []faults.Rule{
		{Call: opOrders, Kind: faults.TooManyRequests},
		{Call: opSubscribe, Kind: faults.Decline(DeclineUserError)},
		{Call: opUnsubscribe, Kind: faults.Decline(DeclineUserError)},
		{Call: opVersions, Kind: faults.Decline(DeclineDeprecated)},
	} {
		_, err := b.Faults().Arm(rule)
		require.NoError(t, err)
	}
	require.Equal(t, http.StatusTooManyRequests, b.query(t, adminPath, adminAccess, ordersPage, map[string]any{"first": 1}).status)
	refused := b.admin(t, subscribe, map[string]any{"topic": "ORDERS_PAID", "sub": map[string]any{"uri": box.URL}})
	require.Contains(t, firstError(refused.Data[opSubscribe]), "fault switch")
	id := b.subscribed(t, "ORDERS_PAID", box.URL)
	kept := b.admin(t, `mutation ($id: ID!) { webhookSubscriptionDelete(id: $id) { userErrors { message } } }`, map[string]any{"id": id})
	require.NotEmpty(t, firstError(kept.Data[opUnsubscribe]))
	require.Equal(t, []string{id}, b.listed(t, ""))
	versions := b.query(t, adminPath, adminAccess, `{ __typename publicApiVersions { handle displayName supported } }`, nil)
	require.NotEmpty(t, versions.header.Get("X-Shopify-API-Deprecated-Reason"))
	require.Contains(t, versions.body, `"__typename":"QueryRoot"`)
	require.Equal(t, "2026-10", versions.header.Get("X-Shopify-API-Version"))
	require.Contains(t, b.query(t, adminPath, adminAccess, `mutation { __typename }`, nil).body, `"__typename":"Mutation"`)
}

func TestASnapshotFromBeforeAppsCouldBeInstalled(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "shopify.json")
	old := fmt.Sprintf(`{"format":1,"shops":{%q:{"domain":%q,"next_order":1001,"checkouts":{},"sessions":{},"tokens":{
		"seed":%q,"access":[{"token":"shpat_rotated","expires_at":"2026-11-20T11:00:00Z"}],
		"refresh":"shprt_rotated","refresh_at":"2026-11-20T10:00:00Z"}}}}`, acme, acme, seedAccess)
	require.NoError(t, snapshot.Write(path, []byte(old)))
	b, _ := setupApps(t, func(o *Options) { o.SnapshotPath = path })
	require.True(t, b.calls(t, "shpat_rotated"))
	require.False(t, b.calls(t, seedAccess))
	_, ok := b.refresh(t, "shprt_rotated")
	require.True(t, ok)
	require.True(t, b.book(t, acme).Offered)
}
