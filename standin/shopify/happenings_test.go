package shopify

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// listening declares topics in the payments app's configuration.
func listening(topics ...string) func(*Options) {
	return func(o *Options) {
		o.Listing.Webhooks[0].Topics = append(o.Listing.Webhooks[0].Topics, topics...)
	}
}

// orderPath makes a paid order of a named customer and returns its page.
func orderPath(t *testing.T, b bundle) string {
	t.Helper()
	started := b.payment(t, SessionRequest{Customer: &Customer{
		Email: "Ada@example.com", PhoneNumber: "+49 30 1", Locale: "en",
		BillingAddress: &Address{GivenName: "Ada", FamilyName: "Lovelace", CountryCode: "DE"},
	}})
	b.mutate(t, opPaymentResolve, map[string]any{"id": started.GID})
	return "/shops/" + acme + "/admin/orders/" + started.Checkout
}

func TestOrdersTellTheirStory(t *testing.T) {
	t.Parallel()
	b, box := setupApps(t, listening(
		topicOrderCreate, topicOrderPaid, topicOrderUpdated, topicOrderCancelled, topicTransaction, topicRefund))
	expect := func(before int, topics ...string) []hook {
		t.Helper()
		got := box.await(t, before+len(topics))[before:]
		var heard []string
		for _, h := range got {
			heard = append(heard, h.topic())
		}
		require.Equal(t, topics, heard, "in order")
		return got
	}
	panel := orderPath(t, b)
	got := expect(0, topicOrderCreate, topicTransaction, topicOrderPaid, topicOrderUpdated)
	order := got[2].json(t)
	require.Equal(t, "#1001", order["name"])
	require.Equal(t, "paid", order["financial_status"])
	require.Equal(t, "49.90", order["total_price"])
	require.Equal(t, "0.00", order["total_outstanding"])
	require.Equal(t, []any{"Till"}, order["payment_gateway_names"])
	require.Equal(t, "Ada@example.com", order["email"])
	require.Regexp(t, `^gid://shopify/Order/\d+$`, order["admin_graphql_api_id"])
	sale := got[1].json(t)
	require.Equal(t, "sale", sale["kind"])
	require.Equal(t, "success", sale["status"])
	require.Equal(t, order["id"], sale["order_id"])
	require.Nil(t, sale["parent_id"])

	b.postForm(t, panel+"/refund", url.Values{"amount": {"10"}})
	b.mutate(t, opRefundResolve, map[string]any{"id": b.last(t).GID})
	got = expect(4, topicTransaction, topicRefund, topicOrderUpdated)
	refund := got[1].json(t)
	moved, _ := refund["transactions"].([]any)
	require.Len(t, moved, 1)
	part, _ := moved[0].(map[string]any)
	require.Equal(t, "10.00", part["amount"])
	require.Equal(t, sale["id"], part["parent_id"])
	require.Equal(t, b.last(t).ID, part["payment_id"])
	require.Equal(t, "partially_refunded", got[2].json(t)["financial_status"])

	b.postForm(t, panel+"/refund", url.Values{"amount": {"5"}})
	b.mutate(t, opRefundReject, argsFor(opRefundReject, b.last(t).GID, b.clock.now()))
	got = expect(7, topicTransaction, topicOrderUpdated)
	require.Equal(t, "failure", got[0].json(t)["status"])
	require.Equal(t, "processing_error", got[0].json(t)["error_code"])

	require.Equal(t, http.StatusSeeOther, b.postForm(t, panel+"/happenings/cancel", nil).status)
	got = expect(9, topicOrderCancelled, topicOrderUpdated)
	require.Equal(t, "2026-11-20T10:00:00Z", got[0].json(t)["cancelled_at"])
	require.Equal(t, http.StatusConflict, b.postForm(t, panel+"/happenings/cancel", nil).status, "once")

	repeat := b.last(t).GID
	b.mutate(t, opRefundReject, argsFor(opRefundReject, repeat, b.clock.now()))
	require.Never(t, func() bool { return len(box.hooks()) > 11 }, 3*pollEvery, pollEvery, "a repeated mutation happens once")
}

func TestAuthorizationsTellTheirStory(t *testing.T) {
	t.Parallel()
	b, box := setupApps(t, listening(topicOrderCreate, topicOrderPaid, topicTransaction))
	started := b.payment(t, SessionRequest{Kind: KindAuthorization})
	b.mutate(t, opPaymentPending, argsFor(opPaymentPending, started.GID, b.clock.now()))
	got := box.await(t, 2)
	require.Equal(t, "pending", got[1].json(t)["status"])
	b.mutate(t, opPaymentResolve, map[string]any{"id": started.GID})
	got = box.await(t, 3)
	require.Equal(t, "authorization", got[2].json(t)["kind"])
	b.postForm(t, "/shops/"+acme+"/admin/orders/"+started.Checkout+"/capture", url.Values{"amount": {"49.90"}})
	b.mutate(t, opCaptureResolve, map[string]any{"id": b.last(t).GID})
	got = box.await(t, 5)
	require.Equal(t, []string{topicOrderCreate, topicTransaction, topicTransaction, topicTransaction, topicOrderPaid}, box.topics())
	require.Equal(t, "capture", got[3].json(t)["kind"])
}

func TestDisputes(t *testing.T) {
	t.Parallel()
	b, box := setupApps(t, listening(topicDispute, topicDisputeUpdate))
	panel := orderPath(t, b)
	require.Contains(t, b.get(t, panel).body, "Buyer disputes the payment")
	require.Equal(t, http.StatusConflict, b.postForm(t, panel+"/happenings/dispute_won", nil).status)
	require.Equal(t, http.StatusSeeOther, b.postForm(t, panel+"/happenings/dispute", nil).status)
	require.Equal(t, http.StatusConflict, b.postForm(t, panel+"/happenings/dispute", nil).status, "one at a time")
	opened := box.await(t, 1)[0].json(t)
	require.Equal(t, "needs_response", opened["status"])
	require.Equal(t, "49.90", opened["amount"])
	require.Nil(t, opened["finalized_on"])
	require.Contains(t, b.get(t, panel).body, "Needs response")

	b.postForm(t, panel+"/happenings/dispute_lost", nil)
	lost := box.await(t, 2)[1]
	require.Equal(t, topicDisputeUpdate, lost.topic())
	require.Equal(t, opened["id"], lost.json(t)["id"])
	require.Equal(t, "lost", lost.json(t)["status"])
	require.NotNil(t, lost.json(t)["finalized_on"])
	require.Equal(t, http.StatusConflict, b.postForm(t, panel+"/happenings/dispute_won", nil).status, "it is decided")
	require.Equal(t, http.StatusNotFound, b.postForm(t, panel+"/happenings/none", nil).status)
	require.Equal(t, http.StatusNotFound, b.postForm(t, "/shops/"+acme+"/admin/orders/none/happenings/dispute", nil).status)
	open := b.payment(t, SessionRequest{})
	unpaid := "/shops/" + acme + "/admin/orders/" + open.Checkout + "/happenings/dispute"
	require.Equal(t, http.StatusConflict, b.postForm(t, unpaid, nil).status, "nothing was paid")
}

func TestPrivacyRequests(t *testing.T) {
	t.Parallel()
	b, box := setupApps(t, func(o *Options) { o.Shops[0].RefreshToken = "" }) // its token lasts for months
	panel := orderPath(t, b)
	b.clock.add(100 * 24 * time.Hour)
	orderPath(t, b)
	b.postForm(t, panel+"/happenings/data_request", nil)
	asked := box.await(t, 1)[0]
	require.Equal(t, topicDataRequest, asked.topic())
	require.Len(t, asked.json(t)["orders_requested"], 2)
	customer, _ := asked.json(t)["customer"].(map[string]any)
	require.Equal(t, "Ada@example.com", customer["email"])
	require.Equal(t, "+49 30 1", customer["phone"])
	request, _ := asked.json(t)["data_request"].(map[string]any)
	require.NotZero(t, request["id"])

	lastOrder := b.clock.now()
	b.postForm(t, panel+"/happenings/redact", nil)
	b.clock.add(lastOrder.AddDate(0, 6, 0).Add(-time.Second).Sub(lastOrder))
	require.Never(t, func() bool { return len(box.hooks()) > 1 }, 3*pollEvery, pollEvery, "withheld for six months after an order")
	b.clock.add(time.Second)
	redact := box.await(t, 2)[1]
	require.Equal(t, topicCustomerRedact, redact.topic())
	require.Len(t, redact.json(t)["orders_to_redact"], 2)
	forgotten, _ := redact.json(t)["customer"].(map[string]any)
	require.Equal(t, customer["id"], forgotten["id"])

	b.clock.add(time.Hour)
	b.postForm(t, panel+"/happenings/redact", nil)
	b.clock.add(10 * 24 * time.Hour)
	box.await(t, 3)

	stranger := b.payment(t, SessionRequest{})
	b.mutate(t, opPaymentResolve, map[string]any{"id": stranger.GID})
	for _, what := range []string{"redact", "data_request"} {
		path := "/shops/" + acme + "/admin/orders/" + stranger.Checkout + "/happenings/" + what
		require.Equal(t, http.StatusConflict, b.postForm(t, path, nil).status, "nobody is known")
	}
}

func TestAnUninstalledAppIsToldNothing(t *testing.T) {
	t.Parallel()
	b, box := setupApps(t, listening(topicOrderUpdated))
	panel := orderPath(t, b)
	box.await(t, 1)
	b.postForm(t, appsPath(acme)+"/payments/uninstall", nil)
	require.Equal(t, topicUninstalled, box.await(t, 2)[1].topic())
	require.Equal(t, http.StatusConflict, b.postForm(t, panel+"/refund", url.Values{"amount": {"1"}}).status)
	b.postForm(t, panel+"/happenings/cancel", nil)
	require.Never(t, func() bool { return len(box.hooks()) > 2 }, 3*pollEvery, pollEvery)
	require.Contains(t, b.get(t, appsPath(acme)).body, "Asked to erase")
}
