package stripe_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/standin/faults"
	"tillflow/standin/stripe"
)

const refundCall = "POST /v1/refunds"

func TestRefund(t *testing.T) {
	t.Parallel()
	t.Run("all of it, by intent", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, pi := b.paid("success")
		a := b.ok(refundCall, []string{"payment_intent", pi, "metadata[refund]", "r-1", "reason", "requested_by_customer", "expand[]", "charge"})
		require.Equal(t, "succeeded", a.text("status"))
		require.EqualValues(t, 10000, a.at("amount"))
		require.Equal(t, map[string]any{"refund": "r-1"}, a.at("metadata"))
		require.Equal(t, true, a.at("charge", "refunded"))
		b.refused(400, "charge_already_refunded", refundCall, []string{"payment_intent", pi})
		require.Equal(t, []string{"refund.created", "charge.refunded"}, b.types()[4:])
		require.Equal(t, a.text("id"), b.ok("GET /v1/refunds/"+a.text("id"), nil).text("id"))
	})
	t.Run("in parts, by charge, up to what was captured", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, pi := b.paid("success")
		ch := b.intent(pi).text("latest_charge")
		one := b.ok(refundCall, []string{"charge", ch, "amount", "4000"}).text("id")
		two := b.ok(refundCall, []string{"charge", ch, "amount", "5000"}).text("id")
		a := b.refused(400, "", refundCall, []string{"charge", ch, "amount", "1001"})
		require.Equal(t, "amount", a.text("error", "param"))
		three := b.ok(refundCall, []string{"charge", ch}).text("id")
		require.Equal(t, []string{three, two, one}, b.ok("GET /v1/refunds", []string{"payment_intent", pi}).ids())
		require.Equal(t, []string{one}, b.ok("GET /v1/refunds", []string{"charge", ch, "starting_after", two}).ids())
		require.Equal(t, []string{three, two}, b.ok("GET /v1/refunds", []string{"limit", "2"}).ids())
		books := b.books()
		require.EqualValues(t, 10000, books.Totals["eur"].Refunded)
		require.Equal(t, 3, books.Totals["eur"].Refunds)
	})
	t.Run("more than was captured, where nobody checks", func(t *testing.T) {
		t.Parallel()
		b := setup(t, func(o *stripe.Options) { o.RefundsUnchecked = true })
		_, pi := b.paid("success")
		b.ok(refundCall, []string{"payment_intent", pi, "amount", "6000"})
		b.ok(refundCall, []string{"payment_intent", pi, "amount", "6000"})
		require.EqualValues(t, 12000, b.books().Totals["eur"].Refunded)
	})
	t.Run("many at once never exceed the sum", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, pi := b.paid("success")
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				_, _ = b.try(t.Context(), refundCall, []string{"payment_intent", pi, "amount", "3000"}, key(fmt.Sprint(i)))
			})
		}
		wg.Wait()
		require.EqualValues(t, 9000, b.books().Totals["eur"].Refunded)
		require.Equal(t, 20, b.books().Calls["refunds.create"])
	})
}

func TestRefundRefused(t *testing.T) {
	t.Parallel()
	t.Run("refusals", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, held := b.paid("success", "payment_intent_data[capture_method]", "manual")
		_, paid := b.paid("success")
		ch := b.intent(paid).text("latest_charge")
		b.refused(400, "parameter_missing", refundCall, nil)
		b.refused(400, "parameter_missing", refundCall, []string{"payment_intent", paid, "charge", ch})
		b.refused(404, "resource_missing", refundCall, []string{"payment_intent", "pi_none"})
		b.refused(404, "resource_missing", refundCall, []string{"charge", "ch_none"})
		b.refused(400, "parameter_invalid_integer", refundCall, []string{"payment_intent", paid, "amount", "0"})
		b.refused(400, "payment_intent_unexpected_state", refundCall, []string{"payment_intent", held})
		b.refused(400, "", refundCall, []string{"charge", b.intent(held).text("latest_charge")})
		b.refused(400, "", refundCall, []string{"payment_intent", paid, "reason", "whim"})
		b.refused(404, "resource_missing", "GET /v1/refunds/re_none", nil)
		require.Empty(t, b.books().Refunds)
	})
	t.Run("amounts the currency cannot express", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, pi := b.paid("success", "line_items[0][price_data][currency]", "isk", "line_items[0][price_data][unit_amount]", "50000")
		b.refused(400, "invalid_charge_amount", refundCall, []string{"payment_intent", pi, "amount", "150"})
		b.ok(refundCall, []string{"payment_intent", pi, "amount", "200"})
	})
	t.Run("of a bank debit is pending first", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, pi := b.paid("delayed_success")
		b.clock.advance(5 * time.Second)
		a := b.ok(refundCall, []string{"payment_intent", pi})
		require.Equal(t, "pending", a.text("status"))
		require.Equal(t, "processing", a.text("pending_reason"))
		b.clock.advance(5 * time.Second)
		require.Equal(t, "succeeded", b.ok("GET /v1/refunds/"+a.text("id"), nil).text("status"))
	})
}

func TestRefundFailsLater(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, pi := b.paid("success")
	re := b.ok(refundCall, []string{"payment_intent", pi}).text("id")
	require.Equal(t, 200, b.post("/_settle/"+re+"?result=failed", "").status)
	a := b.ok("GET /v1/refunds/"+re, nil)
	require.Equal(t, "failed", a.text("status"))
	require.Equal(t, "unknown", a.text("failure_reason"))
	require.NotEmpty(t, a.text("failure_balance_transaction"))
	require.Contains(t, b.types(), "refund.failed")
	require.Zero(t, b.books().Totals["eur"].Refunded, "the money came back")
	require.Equal(t, 400, b.post("/_settle/"+re+"?result=succeeded", "").status)
	b.ok(refundCall, []string{"payment_intent", pi})
}

func TestRefundsByCard(t *testing.T) {
	t.Parallel()
	t.Run("pending first", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, pi := b.paid("4000000000007726")
		a := b.ok(refundCall, []string{"payment_intent", pi, "amount", "4000"})
		require.Equal(t, "pending", a.text("status"))
		b.refused(400, "", refundCall, []string{"payment_intent", pi, "amount", "6001"})
		b.clock.advance(5 * time.Second)
		require.Equal(t, "succeeded", b.ok("GET /v1/refunds/"+a.text("id"), nil).text("status"))
		require.Contains(t, b.types(), "refund.updated")
	})
	t.Run("succeeds and fails later", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, pi := b.paid("4000000000005126")
		a := b.ok(refundCall, []string{"payment_intent", pi})
		require.Equal(t, "succeeded", a.text("status"))
		require.EqualValues(t, 10000, b.books().Totals["eur"].Refunded)
		b.clock.advance(5 * time.Second)
		require.Equal(t, "failed", b.ok("GET /v1/refunds/"+a.text("id"), nil).text("status"))
		require.Contains(t, b.types(), "refund.failed")
		require.Zero(t, b.books().Totals["eur"].Refunded)
	})
}

func TestRefundsByHand(t *testing.T) {
	t.Parallel()
	t.Run("a pending one is canceled, for good", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, pi := b.paid("refund_pending")
		re := b.ok(refundCall, []string{"payment_intent", pi}).text("id")
		require.Equal(t, 200, b.post("/_settle/"+re+"?result=canceled", "").status)
		a := b.ok("GET /v1/refunds/"+re, nil)
		require.Equal(t, "canceled", a.text("status"))
		require.Equal(t, "merchant_request", a.text("failure_reason"))
		require.NotContains(t, b.types(), "refund.failed")
		require.Zero(t, b.books().Totals["eur"].Refunded)
		b.clock.advance(time.Hour)
		for _, result := range []string{"succeeded", "failed", "canceled"} {
			require.Equal(t, 400, b.post("/_settle/"+re+"?result="+result, "").status)
		}
	})
	t.Run("one that succeeded cannot be canceled", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, pi := b.paid("success")
		re := b.ok(refundCall, []string{"payment_intent", pi}).text("id")
		require.Equal(t, 400, b.post("/_settle/"+re+"?result=canceled", "").status)
		require.Equal(t, 400, b.post("/_settle/"+re+"?result=lost", "").status)
	})
	t.Run("a failure has the reason that is given", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, pi := b.paid("success")
		re := b.ok(refundCall, []string{"payment_intent", pi}).text("id")
		require.Equal(t, "declined", b.post("/_settle/"+re+"?result=failed&reason=declined", "").text("failure_reason"))
	})
	t.Run("by the button of the dashboard", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, pi := b.paid("success")
		b.ok(refundCall, []string{"payment_intent", pi, "amount", "1000"}, key("ours"))
		b.arm(faults.Rule{Call: "dashboard.refund", Kind: faults.SlowSettle, DelayMS: 60_000})
		require.Equal(t, "pending", b.post("/_refund/"+pi+"?amount=2500", "").text("status"))
		require.Equal(t, 200, b.post("/_refund/"+pi, "").status)
		require.Equal(t, 400, b.post("/_refund/"+pi+"?amount=0", "").status)
		require.Equal(t, 400, b.post("/_refund/"+pi+"?amount=1", "").status, "nothing is left")
		require.Equal(t, 404, b.post("/_refund/pi_none", "").status)
		books := b.books()
		require.EqualValues(t, 10000, books.Intents[0].Refunded)
		require.EqualValues(t, 9000, books.Intents[0].RefundedElsewhere)
		require.EqualValues(t, 9000, books.Totals["eur"].RefundedElsewhere)
		require.Equal(t, "ours", books.Refunds[0].Key)
		require.Empty(t, books.Refunds[1].Key)
	})
}

func TestDashboardRefund(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, pi := b.paid("success")
	a := b.post("/_dashboard/refund", `{"payment_intent":"`+pi+`","amount":2500}`)
	require.Equal(t, 200, a.status, a.raw)
	require.Equal(t, []string{"refund.created", "charge.refunded"}, b.types()[4:])
	event := b.ok("GET /v1/events", []string{"type", "refund.created"})
	require.Nil(t, answer{json: event.at("data").([]any)[0].(map[string]any)}.at("request", "id"), "no API call caused it")
	require.True(t, b.books().Refunds[0].Dashboard)
	b.refused(400, "", refundCall, []string{"payment_intent", pi, "amount", "7501"})

	require.Equal(t, 400, b.post("/_dashboard/refund", `{"payment_intent":"`+pi+`","amount":7501}`).status)
	require.Equal(t, 400, b.post("/_dashboard/refund", `{"intent":"`+pi+`"}`).status)
	require.Equal(t, 404, b.post("/_dashboard/refund", `{"payment_intent":"pi_none"}`).status)
	require.Equal(t, 200, b.post("/_dashboard/refund", `{"payment_intent":"`+pi+`"}`).status)
	require.EqualValues(t, 10000, b.books().Totals["eur"].Refunded)
}

func TestRefundFaults(t *testing.T) {
	t.Parallel()
	t.Run("slow until the delay is over", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, pi := b.paid("success")
		b.arm(faults.Rule{Call: "refunds.create", Kind: faults.SlowSettle, DelayMS: 60_000})
		re := b.ok(refundCall, []string{"payment_intent", pi}).text("id")
		b.clock.advance(59 * time.Second)
		require.Equal(t, "pending", b.ok("GET /v1/refunds/"+re, nil).text("status"))
		b.clock.advance(time.Second)
		require.Equal(t, "succeeded", b.ok("GET /v1/refunds/"+re, nil).text("status"))
	})
	t.Run("slow and then refused", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, pi := b.paid("success")
		b.arm(faults.Rule{Call: "refunds.create", Kind: faults.SlowSettle, DelayMS: 60_000})
		b.arm(faults.Rule{Call: "refunds.create", Kind: faults.Decline("expired_or_canceled_card")})
		re := b.ok(refundCall, []string{"payment_intent", pi}).text("id")
		require.Equal(t, "pending", b.ok("GET /v1/refunds/"+re, nil).text("status"))
		b.clock.advance(time.Minute)
		a := b.ok("GET /v1/refunds/"+re, nil)
		require.Equal(t, "failed", a.text("status"))
		require.Equal(t, "expired_or_canceled_card", a.text("failure_reason"))
	})
	t.Run("a 500 before the commit is replayed under its key, and another key refunds", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, pi := b.paid("success")
		b.arm(faults.Rule{Call: "refunds.create", Kind: faults.ErrorBefore})
		for range 2 {
			require.Equal(t, 500, b.call(refundCall, []string{"payment_intent", pi}, key("k")).status)
		}
		require.Empty(t, b.books().Refunds)
		b.ok(refundCall, []string{"payment_intent", pi}, key("k2"))
		require.Len(t, b.books().Refunds, 1)
	})
	t.Run("a declined refund fails and gives nothing", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, pi := b.paid("success")
		b.arm(faults.Rule{Call: "refunds.create", Kind: faults.Decline("lost_or_stolen_card")})
		a := b.ok(refundCall, []string{"payment_intent", pi})
		require.Equal(t, "failed", a.text("status"))
		require.Equal(t, "lost_or_stolen_card", a.text("failure_reason"))
		require.Zero(t, b.books().Totals["eur"].Refunded)
	})
	t.Run("a wrong amount is what really moved", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, pi := b.paid("success")
		b.arm(faults.Rule{Call: "refunds.create", Kind: faults.WrongAmount})
		require.EqualValues(t, 2499, b.ok(refundCall, []string{"payment_intent", pi, "amount", "2500"}).at("amount"))
		require.EqualValues(t, 2499, b.books().Totals["eur"].Refunded)
	})
	t.Run("committed without a reply, then replayed", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, pi := b.paid("success")
		b.arm(faults.Rule{Call: "refunds.create", Kind: faults.LoseReply})
		_, err := b.try(t.Context(), refundCall, []string{"payment_intent", pi, "amount", "100"}, key("k"))
		require.Error(t, err)
		b.ok(refundCall, []string{"payment_intent", pi, "amount", "100"}, key("k"))
		require.EqualValues(t, 100, b.books().Totals["eur"].Refunded)
	})
}
