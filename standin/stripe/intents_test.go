package stripe_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/standin/faults"
	"tillflow/standin/stripe"
)

func held(t *testing.T) (b *bundle, cs, pi string) {
	t.Helper()
	b = setup(t)
	cs, pi = b.paid("success", "payment_intent_data[capture_method]", "manual")
	return b, cs, pi
}

func TestCapture(t *testing.T) {
	t.Parallel()
	t.Run("an authorization holds and takes nothing", func(t *testing.T) {
		t.Parallel()
		b, cs, pi := held(t)
		a := b.ok("GET /v1/payment_intents/"+pi, []string{"expand[]", "latest_charge"})
		require.Equal(t, "requires_capture", a.text("status"))
		require.EqualValues(t, 10000, a.at("amount_capturable"))
		require.EqualValues(t, 0, a.at("amount_received"))
		require.Equal(t, false, a.at("latest_charge", "captured"))
		require.EqualValues(t, b.clock.now().Add(7*24*time.Hour).Unix(),
			a.at("latest_charge", "payment_method_details", "card", "capture_before"))
		require.Equal(t, "complete", b.session(cs).text("status"))
		require.Equal(t, "unpaid", b.session(cs).text("payment_status"))
		require.Equal(t, []string{
			"payment_intent.created", "charge.succeeded", "payment_intent.amount_capturable_updated", "checkout.session.completed",
		}, b.types())
		require.EqualValues(t, 10000, b.books().Totals["eur"].Held)
		require.Zero(t, b.books().Totals["eur"].Captured)
	})
	t.Run("all of it", func(t *testing.T) {
		t.Parallel()
		b, cs, pi := held(t)
		a := b.ok("POST /v1/payment_intents/"+pi+"/capture", []string{"metadata[capture]", "c-1"})
		require.Equal(t, "succeeded", a.text("status"))
		require.EqualValues(t, 10000, a.at("amount_received"))
		require.Equal(t, map[string]any{"attempt_id": "att-1", "capture": "c-1"}, a.at("metadata"))
		require.Equal(t, "paid", b.session(cs).text("payment_status"))
		require.Equal(t, []string{"charge.captured", "payment_intent.succeeded"}, b.types()[4:])
	})
	t.Run("a part releases the rest, and only once", func(t *testing.T) {
		t.Parallel()
		b, _, pi := held(t)
		capture := "POST /v1/payment_intents/" + pi + "/capture"
		b.refused(400, "amount_too_large", capture, []string{"amount_to_capture", "10001"})
		b.refused(400, "amount_too_large", capture, []string{"amount_to_capture", "0"})
		b.refused(400, "", capture, []string{"final_capture", "false"})
		a := b.ok(capture, []string{"amount_to_capture", "4000", "expand[]", "latest_charge"})
		require.EqualValues(t, 4000, a.at("amount_received"))
		require.EqualValues(t, 0, a.at("amount_capturable"))
		require.EqualValues(t, 4000, a.at("latest_charge", "amount_captured"))
		require.EqualValues(t, 10000, a.at("latest_charge", "amount"))
		again := b.refused(400, "payment_intent_unexpected_state", capture, nil)
		require.Equal(t, pi, again.text("error", "payment_intent", "id"))
		require.Equal(t, stripe.Totals{Captured: 4000, Fees: 146, Captures: 1}, b.books().Totals["eur"])
	})
}

func TestReleasedRestIsShownAsARefund(t *testing.T) {
	t.Parallel()
	b, _, pi := held(t)
	b.ok("POST /v1/payment_intents/"+pi+"/capture", []string{"amount_to_capture", "4000"}, key("cap"))
	a := b.ok("GET /v1/refunds", []string{"payment_intent", pi})
	require.Len(t, a.ids(), 1)
	release := answer{json: a.at("data").([]any)[0].(map[string]any)}
	require.EqualValues(t, 6000, release.at("amount"))
	require.Equal(t, "succeeded", release.text("status"))
	require.Nil(t, release.at("balance_transaction"))
	ch := b.ok("GET /v1/payment_intents/"+pi, []string{"expand[]", "latest_charge"})
	require.EqualValues(t, 6000, ch.at("latest_charge", "amount_refunded"))
	require.Equal(t, false, ch.at("latest_charge", "refunded"))
	require.Equal(t, 400, b.post("/_settle/"+release.text("id")+"?result=failed", "").status, "it cannot fail")
	b.refused(400, "", "POST /v1/refunds", []string{"payment_intent", pi, "amount", "4001"})
	b.ok("POST /v1/refunds", []string{"payment_intent", pi})
	ch = b.ok("GET /v1/payment_intents/"+pi, []string{"expand[]", "latest_charge"})
	require.Equal(t, true, ch.at("latest_charge", "refunded"))
	books := b.books()
	require.Len(t, books.Refunds, 1)
	require.EqualValues(t, 4000, books.Totals["eur"].Refunded)
	require.Equal(t, "cap", books.Intents[0].CaptureKey)
	require.EqualValues(t, 10000, books.Intents[0].Authorized)
}

func TestCaptureRefused(t *testing.T) {
	t.Parallel()
	t.Run("an unknown id", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.refused(404, "resource_missing", "POST /v1/payment_intents/pi_none/capture", nil)
		b.refused(404, "resource_missing", "POST /v1/payment_intents/pi_none/cancel", nil)
		b.refused(404, "resource_missing", "GET /v1/payment_intents/pi_none", nil)
	})
	t.Run("a declined capture leaves the hold", func(t *testing.T) {
		t.Parallel()
		b, _, pi := held(t)
		b.arm(faults.Rule{Call: "payment_intents.capture", Kind: faults.Decline("expired_card")})
		a := b.refused(402, "expired_card", "POST /v1/payment_intents/"+pi+"/capture", nil)
		require.Equal(t, "card_error", a.text("error", "type"))
		require.Equal(t, "requires_capture", b.intent(pi).text("status"))
	})
	t.Run("the hold lapses after seven days", func(t *testing.T) {
		t.Parallel()
		b, _, pi := held(t)
		b.clock.advance(7*24*time.Hour - time.Second)
		require.Equal(t, "requires_capture", b.intent(pi).text("status"))
		b.clock.advance(time.Second)
		a := b.intent(pi)
		require.Equal(t, "canceled", a.text("status"))
		require.Equal(t, "automatic", a.text("cancellation_reason"))
		require.Equal(t, []string{"charge.expired", "refund.created", "charge.refunded", "payment_intent.canceled"}, b.types()[4:])
		b.refused(400, "payment_intent_unexpected_state", "POST /v1/payment_intents/"+pi+"/capture", nil)
	})
}

func TestCancel(t *testing.T) {
	t.Parallel()
	t.Run("releases a hold", func(t *testing.T) {
		t.Parallel()
		b, _, pi := held(t)
		b.refused(400, "", "POST /v1/payment_intents/"+pi+"/cancel", []string{"cancellation_reason", "bored"})
		a := b.ok("POST /v1/payment_intents/"+pi+"/cancel", []string{"cancellation_reason", "abandoned"})
		require.Equal(t, "canceled", a.text("status"))
		require.Equal(t, "abandoned", a.text("cancellation_reason"))
		require.EqualValues(t, b.clock.now().Unix(), a.at("canceled_at"))
		require.EqualValues(t, 0, a.at("amount_capturable"))
		require.Zero(t, b.books().Totals["eur"].Held)
		b.refused(400, "payment_intent_unexpected_state", "POST /v1/payment_intents/"+pi+"/cancel", nil)
	})
	t.Run("not while the open session owns it", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		cs := b.checkout()
		b.pay(cs, "lost_card")
		pi := b.session(cs).text("payment_intent")
		a := b.refused(400, "payment_intent_unexpected_state", "POST /v1/payment_intents/"+pi+"/cancel", nil)
		require.Contains(t, a.text("error", "message"), cs)
	})
	t.Run("after a bank debit failed", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, pi := b.paid("delayed_failure")
		b.clock.advance(5 * time.Second)
		require.Equal(t, "canceled", b.ok("POST /v1/payment_intents/"+pi+"/cancel", nil).text("status"))
	})
}

func TestFindingPayments(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *stripe.Options) { o.SearchLag = time.Minute })
	_, one := b.paid("success")
	b.clock.advance(time.Second)
	_, two := b.paid("success", "payment_intent_data[metadata][attempt_id]", "it's", "payment_intent_data[transfer_group]", "group-2")
	const search = "GET /v1/payment_intents/search"

	t.Run("lists read what was written", func(t *testing.T) {
		require.Equal(t, []string{two, one}, b.ok("GET /v1/payment_intents", nil).ids())
		charges := b.ok("GET /v1/charges", []string{"transfer_group", "group-2", "expand[]", "data.payment_intent"})
		require.Len(t, charges.ids(), 1)
		require.Equal(t, two, answer{json: charges.at("data").([]any)[0].(map[string]any)}.text("payment_intent", "id"))
		require.Empty(t, b.ok("GET /v1/charges", []string{"transfer_group", "group-1", "payment_intent", two}).ids())
		ch := charges.ids()[0]
		require.Equal(t, two, b.ok("GET /v1/charges/"+ch, nil).text("payment_intent"))
		first := b.ok("GET /v1/charges", []string{"transfer_group", "group-1"}).ids()
		require.Len(t, first, 1)
		require.Empty(t, b.ok("GET /v1/charges", []string{"transfer_group", "group-1", "starting_after", first[0]}).ids())
		b.refused(400, "resource_missing", "GET /v1/charges", []string{"transfer_group", "group-1", "starting_after", ch})
	})
	t.Run("search lags", func(t *testing.T) {
		query := []string{"query", `metadata['attempt_id']:'att-1'`}
		require.Empty(t, b.ok(search, query).ids())
		b.clock.advance(time.Minute)
		a := b.ok(search, query)
		require.Equal(t, []string{one}, a.ids())
		require.Equal(t, "search_result", a.text("object"))
	})
	t.Run("queries", func(t *testing.T) {
		for query, want := range map[string][]string{
			`metadata["attempt_id"]:'it\'s'`:                         {two},
			`metadata['attempt_id']:'it\'s' AND status:'canceled'`:   {},
			`status:'succeeded' AND currency:'eur' AND amount:10000`: {two, one},
			`metadata['nobody']:'x'`:                                 {},
		} {
			require.Equal(t, want, b.ok(search, []string{"query", query}).ids(), query)
		}
		for _, query := range []string{
			"", "attempt", "email:'x'", "metadata:'x'", "metadata['a':'x'", "status:'x", "status:'x' OR status:'y'", "status='x'",
		} {
			a := b.call(search, []string{"query", query})
			require.Equal(t, 400, a.status, query)
		}
		b.refused(400, "parameter_missing", search, nil)
	})
	t.Run("pages", func(t *testing.T) {
		a := b.ok(search, []string{"query", "currency:'eur'", "limit", "1"})
		require.Equal(t, []string{two}, a.ids())
		require.Equal(t, true, a.at("has_more"))
		a = b.ok(search, []string{"query", "currency:'eur'", "limit", "1", "page", a.text("next_page")})
		require.Equal(t, []string{one}, a.ids())
		require.Nil(t, a.at("next_page"))
		b.refused(400, "", search, []string{"query", "currency:'eur'", "page", "x"})
	})
}
