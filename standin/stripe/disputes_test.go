package stripe_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/standin/faults"
)

// disputed is a payment of 100.00 with an open dispute of the given part.
func disputed(t *testing.T, query string) (b *bundle, pi, dp string) {
	t.Helper()
	b = setup(t)
	_, pi = b.paid("success")
	a := b.post("/_dispute/"+pi+query, "")
	require.Equal(t, 200, a.status, a.raw)
	return b, pi, a.text("id")
}

func TestDispute(t *testing.T) {
	t.Parallel()
	t.Run("takes the money and a fee, and blocks refunds", func(t *testing.T) {
		t.Parallel()
		b, pi, dp := disputed(t, "?amount=4000")
		a := b.ok("GET /v1/disputes/"+dp, nil)
		require.Equal(t, "needs_response", a.text("status"))
		require.EqualValues(t, 4000, a.at("amount"))
		require.Equal(t, false, a.at("is_charge_refundable"))
		lines := a.at("balance_transactions").([]any)
		require.Len(t, lines, 1)
		require.EqualValues(t, -4000, lines[0].(map[string]any)["amount"])
		require.Equal(t, []string{"charge.dispute.created", "charge.dispute.funds_withdrawn"}, b.types()[4:])
		require.Equal(t, []string{dp}, b.ok("GET /v1/disputes", []string{"payment_intent", pi}).ids())
		require.Empty(t, b.ok("GET /v1/disputes", []string{"payment_intent", "pi_other"}).ids())
		b.refused(400, "charge_disputed", refundCall, []string{"payment_intent", pi, "amount", "1"})
		require.Equal(t, 400, b.post("/_refund/"+pi, "").status, "at the dashboard neither")
		require.EqualValues(t, 4000, b.books().Intents[0].Disputed)
		require.EqualValues(t, 4000, b.books().Totals["eur"].Disputed)
		require.EqualValues(t, 320+1500, b.books().Totals["eur"].Fees)
	})
	t.Run("won gives the money back and allows refunds", func(t *testing.T) {
		t.Parallel()
		b, pi, dp := disputed(t, "")
		require.Equal(t, 200, b.post("/_dispute/"+dp+"/win", "").status)
		a := b.ok("GET /v1/disputes/"+dp, []string{"expand[]", "charge"})
		require.Equal(t, "won", a.text("status"))
		require.Len(t, a.at("balance_transactions"), 2)
		require.Equal(t, true, a.at("charge", "disputed"))
		require.Equal(t, []string{"charge.dispute.closed", "charge.dispute.funds_reinstated"}, b.types()[6:])
		require.Zero(t, b.books().Totals["eur"].Disputed)
		b.ok(refundCall, []string{"payment_intent", pi})
	})
	t.Run("lost keeps the money, named by its payment", func(t *testing.T) {
		t.Parallel()
		b, pi, _ := disputed(t, "?amount=4000")
		require.Equal(t, "lost", b.post("/_dispute/"+pi+"/lose", "").text("status"))
		require.Equal(t, "charge.dispute.closed", b.types()[6])
		require.EqualValues(t, 4000, b.books().Totals["eur"].Disputed)
		b.refused(400, "charge_disputed", refundCall, []string{"payment_intent", pi, "amount", "1"})
		require.Equal(t, 404, b.post("/_dispute/"+pi+"/win", "").status, "it is over")
		require.Equal(t, 200, b.post("/_dispute/"+pi, "").status, "the rest may be disputed too")
		require.EqualValues(t, 10000, b.books().Totals["eur"].Disputed)
	})
	t.Run("makes a refund fail that is under way", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, pi := b.paid("refund_pending")
		re := b.ok(refundCall, []string{"payment_intent", pi, "amount", "1000"}).text("id")
		require.Equal(t, 200, b.post("/_dispute/"+pi+"?amount=10000", "").status)
		a := b.ok("GET /v1/refunds/"+re, nil)
		require.Equal(t, "failed", a.text("status"))
		require.Equal(t, "charge_for_pending_refund_disputed", a.text("failure_reason"))
	})
	t.Run("may take what was refunded before", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, pi := b.paid("success")
		b.ok(refundCall, []string{"payment_intent", pi, "amount", "3000"})
		require.EqualValues(t, 7000, b.post("/_dispute/"+pi, "").at("amount"), "what is left, unless told otherwise")
		b.post("/_dispute/"+pi+"/win", "")
		require.EqualValues(t, 10000, b.post("/_dispute/"+pi+"?amount=10000", "").at("amount"))
	})
}

func TestInquiry(t *testing.T) {
	t.Parallel()
	t.Run("takes nothing and may be dropped", func(t *testing.T) {
		t.Parallel()
		b, pi, dp := disputed(t, "?inquiry=true")
		a := b.ok("GET /v1/disputes/"+dp, nil)
		require.Equal(t, "warning_needs_response", a.text("status"))
		require.Empty(t, a.at("balance_transactions"))
		require.Equal(t, []string{"charge.dispute.created"}, b.types()[4:])
		require.Zero(t, b.books().Totals["eur"].Disputed)
		b.ok(refundCall, []string{"payment_intent", pi, "amount", "1"})
		require.Equal(t, 400, b.post("/_dispute/"+dp+"/win", "").status)
		require.Equal(t, "warning_closed", b.post("/_dispute/"+dp+"/drop", "").text("status"))
	})
	t.Run("becomes a dispute", func(t *testing.T) {
		t.Parallel()
		b, pi, dp := disputed(t, "?inquiry=true")
		require.Equal(t, "needs_response", b.post("/_dispute/"+dp+"/escalate", "").text("status"))
		require.Equal(t, []string{"charge.dispute.updated", "charge.dispute.funds_withdrawn"}, b.types()[5:])
		require.EqualValues(t, 10000, b.books().Intents[0].Disputed)
		b.refused(400, "charge_disputed", refundCall, []string{"payment_intent", pi})
		require.Equal(t, 400, b.post("/_dispute/"+dp+"/drop", "").status)
	})
	t.Run("of the card that asks for one", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.paid("4000000000001976")
		require.Equal(t, "warning_needs_response", b.books().Disputes[0].Status)
	})
}

func TestDisputeRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, held := b.paid("success", "payment_intent_data[capture_method]", "manual")
	_, pi := b.paid("success")
	require.Equal(t, 404, b.post("/_dispute/pi_none", "").status)
	require.Equal(t, 400, b.post("/_dispute/"+held, "").status, "nothing was captured")
	require.Equal(t, 400, b.post("/_dispute/"+pi+"?amount=10001", "").status)
	require.Equal(t, 400, b.post("/_dispute/"+pi+"?amount=x", "").status)
	require.Equal(t, 200, b.post("/_dispute/"+pi, "").status)
	require.Equal(t, 400, b.post("/_dispute/"+pi, "").status, "one at a time")
	require.Equal(t, 400, b.post("/_dispute/"+pi+"/judge", "").status)
	b.refused(404, "resource_missing", "GET /v1/disputes/dp_none", nil)
	b.arm(faults.Rule{Call: "dispute.close", Kind: faults.ErrorBefore})
	require.Equal(t, 500, b.post("/_dispute/"+pi+"/win", "").status)
	require.Equal(t, 200, b.post("/_dispute/"+pi+"/win", "").status)
}

func TestDisputesSurviveARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := setup(t, snapshotIn(dir))
	_, pi := b.paid("dispute", "payment_intent_data[capture_method]", "manual")
	require.Empty(t, b.books().Disputes, "nothing was taken yet")
	b.ok("POST /v1/payment_intents/"+pi+"/capture", []string{"amount_to_capture", "4000"})
	_, fails := b.paid("refund_fails_later")
	b.ok(refundCall, []string{"payment_intent", fails})
	require.NoError(t, b.stripe.Close())
	before := b.books()
	require.EqualValues(t, 4000, before.Totals["eur"].Disputed)

	next := setup(t, snapshotIn(dir))
	require.Equal(t, before.Disputes, next.books().Disputes)
	require.Equal(t, before.Totals, next.books().Totals)
	next.clock.advance(settleDelay)
	require.Contains(t, next.types(), "refund.failed", "the agenda survived too")
	require.Equal(t, 200, next.post("/_dispute/"+pi+"/win", "").status)
}
