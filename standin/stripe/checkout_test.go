package stripe_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCheckoutCreated(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.ok("POST /v1/checkout/sessions", order("metadata[session]", "s-1"))
	require.True(t, strings.HasPrefix(a.text("id"), "cs_test_"))
	require.Equal(t, b.url+"/c/pay/"+a.text("id"), a.text("url"))
	require.Equal(t, "open", a.text("status"))
	require.Equal(t, "unpaid", a.text("payment_status"))
	require.Equal(t, "ref-1", a.text("client_reference_id"))
	require.Equal(t, map[string]any{"session": "s-1"}, a.at("metadata"))
	require.EqualValues(t, 10000, a.at("amount_total"))
	require.Nil(t, a.at("payment_intent"))
	require.EqualValues(t, b.clock.now().Add(24*time.Hour).Unix(), a.at("expires_at"))
	require.Equal(t, a.json, b.session(a.text("id")).json, "read what was written")
}

func TestCheckoutExpiry(t *testing.T) {
	t.Parallel()
	in := func(b *bundle, d time.Duration) []string {
		return order("expires_at", strconv.FormatInt(b.clock.now().Add(d).Unix(), 10))
	}
	t.Run("between 30 minutes and 24 hours", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for _, d := range []time.Duration{30*time.Minute - time.Second, 24*time.Hour + time.Second, -time.Hour} {
			a := b.refused(400, "", "POST /v1/checkout/sessions", in(b, d))
			require.Equal(t, "expires_at", a.text("error", "param"))
		}
		b.ok("POST /v1/checkout/sessions", in(b, 30*time.Minute))
		b.ok("POST /v1/checkout/sessions", in(b, 24*time.Hour))
	})
	t.Run("expires by itself, to the second", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		cs := b.ok("POST /v1/checkout/sessions", in(b, 30*time.Minute)).text("id")
		b.clock.advance(30*time.Minute - time.Second)
		require.Equal(t, "open", b.session(cs).text("status"))
		b.clock.advance(time.Second)
		a := b.session(cs)
		require.Equal(t, "expired", a.text("status"))
		require.Nil(t, a.at("url"))
		require.Equal(t, []string{"checkout.session.expired"}, b.types())
		refused := b.pay(cs, "success")
		require.Equal(t, 400, refused.status, "nothing can be paid any more")
	})
	t.Run("by call, only while open", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		cs := b.checkout()
		require.Equal(t, "expired", b.ok("POST /v1/checkout/sessions/"+cs+"/expire", nil).text("status"))
		b.refused(400, "", "POST /v1/checkout/sessions/"+cs+"/expire", nil)
		paid, _ := b.paid("success")
		a := b.refused(400, "", "POST /v1/checkout/sessions/"+paid+"/expire", nil)
		require.Contains(t, a.text("error", "message"), "complete")
		b.refused(404, "resource_missing", "POST /v1/checkout/sessions/cs_none/expire", nil)
	})
	t.Run("cancels the PaymentIntent of a declined attempt", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		cs := b.checkout()
		require.Equal(t, http.StatusPaymentRequired, b.pay(cs, "lost_card").status)
		pi := b.session(cs).text("payment_intent")
		b.ok("POST /v1/checkout/sessions/"+cs+"/expire", nil)
		a := b.intent(pi)
		require.Equal(t, "canceled", a.text("status"))
		require.Equal(t, "expired", a.text("cancellation_reason"))
	})
}

func TestTestCards(t *testing.T) {
	t.Parallel()
	b := setup(t)
	declines := []struct{ card, code, declineCode string }{
		{"4000000000000002", "card_declined", "generic_decline"},
		{"4000000000009995", "card_declined", "insufficient_funds"},
		{"4000000000009987", "card_declined", "lost_card"},
		{"4000000000009979", "card_declined", "stolen_card"},
		{"4000000000000069", "expired_card", "expired_card"},
		{"4000000000000127", "incorrect_cvc", "incorrect_cvc"},
		{"4000000000000119", "processing_error", "processing_error"},
		{"4100000000000019", "card_declined", "fraudulent"},
		{"4000000000000341", "card_declined", "generic_decline"},
	}
	for _, tt := range declines {
		t.Run("decline keeps the session open: "+tt.declineCode+" "+tt.card, func(t *testing.T) {
			t.Parallel()
			cs := b.checkout()
			a := b.pay(cs, tt.card)
			require.Equal(t, http.StatusPaymentRequired, a.status)
			require.Equal(t, "card_error", a.text("error", "type"))
			require.Equal(t, tt.code, a.text("error", "code"))
			require.Equal(t, tt.declineCode, a.text("error", "decline_code"))

			a = b.ok("GET /v1/checkout/sessions/"+cs, []string{"expand[]", "payment_intent.latest_charge"})
			require.Equal(t, "open", a.text("status"))
			require.NotNil(t, a.at("url"))
			require.Equal(t, "requires_payment_method", a.text("payment_intent", "status"))
			require.Equal(t, tt.declineCode, a.text("payment_intent", "last_payment_error", "decline_code"))
			require.Equal(t, "failed", a.text("payment_intent", "latest_charge", "status"))
			require.Equal(t, tt.code, a.text("payment_intent", "latest_charge", "failure_code"))
			if tt.declineCode == "fraudulent" {
				require.Equal(t, "blocked", a.text("payment_intent", "latest_charge", "outcome", "type"))
			}

			require.Equal(t, http.StatusOK, b.pay(cs, "success").status, "the buyer may try another card")
			a = b.ok("GET /v1/checkout/sessions/"+cs, []string{"expand[]", "payment_intent"})
			require.Equal(t, "paid", a.text("payment_status"))
			require.Nil(t, a.at("payment_intent", "last_payment_error"))
			require.Len(t, b.ok("GET /v1/charges", []string{"payment_intent", a.text("payment_intent", "id")}).ids(), 2)
		})
	}
}

func TestOtherCards(t *testing.T) {
	t.Parallel()
	b := setup(t)
	t.Run("what is no test card is refused and changes nothing", func(t *testing.T) {
		t.Parallel()
		cs := b.checkout()
		require.Equal(t, 400, b.pay(cs, "4111111111111111").status)
		require.Nil(t, b.session(cs).at("payment_intent"))
	})
	t.Run("a session for cards takes no bank debit", func(t *testing.T) {
		t.Parallel()
		cs := b.checkout("payment_method_types[0]", "card")
		require.Equal(t, 400, b.pay(cs, "delayed_success").status)
	})
	t.Run("a disputed payment", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, pi := b.paid("4000000000000259")
		require.Equal(t, []string{
			"payment_intent.created", "charge.succeeded", "payment_intent.succeeded", "checkout.session.completed",
			"charge.dispute.created", "charge.dispute.funds_withdrawn",
		}, b.types())
		books := b.books()
		require.EqualValues(t, 10000, books.Disputes[0].Amount)
		require.EqualValues(t, 320+1500, books.Totals["eur"].Fees)
		b.refused(400, "charge_disputed", "POST /v1/refunds", []string{"payment_intent", pi})
	})
	t.Run("3-D Secure passed and failed", func(t *testing.T) {
		t.Parallel()
		cs := b.checkout()
		a := b.post("/_pay/"+cs, `{"card":"4000002500003155","authenticate":"fail"}`)
		require.Equal(t, http.StatusPaymentRequired, a.status)
		require.Equal(t, "payment_intent_authentication_failure", a.text("error", "code"))
		require.Equal(t, "open", b.session(cs).text("status"))
		a = b.pay(cs, "4000002760003184")
		require.Equal(t, "https://shop.example/return?cs="+cs, a.text("return_url"))
	})
}

func TestPaidCheckout(t *testing.T) {
	t.Parallel()
	b := setup(t)
	cs, pi := b.paid("4242 4242 4242 4242")
	a := b.ok("GET /v1/checkout/sessions/"+cs, []string{"expand[]", "payment_intent.latest_charge.balance_transaction"})
	require.Equal(t, "complete", a.text("status"))
	require.Equal(t, "paid", a.text("payment_status"))
	require.Nil(t, a.at("url"))
	require.Equal(t, "succeeded", a.text("payment_intent", "status"))
	require.EqualValues(t, 10000, a.at("payment_intent", "amount_received"))
	require.Equal(t, map[string]any{"attempt_id": "att-1"}, a.at("payment_intent", "metadata"))
	require.Equal(t, "group-1", a.text("payment_intent", "latest_charge", "transfer_group"))
	require.Equal(t, "4242", a.text("payment_intent", "latest_charge", "payment_method_details", "card", "last4"))
	require.EqualValues(t, 320, a.at("payment_intent", "latest_charge", "balance_transaction", "fee"), "2.9 % + 30")
	require.EqualValues(t, 9680, a.at("payment_intent", "latest_charge", "balance_transaction", "net"))
	require.Equal(t, 400, b.pay(cs, "success").status, "paid once")
	b.refused(400, "payment_intent_unexpected_state", "POST /v1/payment_intents/"+pi+"/cancel", nil)

	txn := a.text("payment_intent", "latest_charge", "balance_transaction", "id")
	require.Equal(t, "pending", b.ok("GET /v1/balance_transactions/"+txn, nil).text("status"))
	b.clock.advance(48 * time.Hour)
	require.Equal(t, "available", b.ok("GET /v1/balance_transactions/"+txn, nil).text("status"))
	require.Equal(t, []string{txn}, b.ok("GET /v1/balance_transactions",
		[]string{"source", a.text("payment_intent", "latest_charge", "id"), "type", "charge", "currency", "eur"}).ids())
}

func TestBankDebit(t *testing.T) {
	t.Parallel()
	t.Run("succeeds after the delay", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		cs, pi := b.paid("delayed_success")
		require.Equal(t, "complete", b.session(cs).text("status"))
		require.Equal(t, "unpaid", b.session(cs).text("payment_status"))
		require.Equal(t, "processing", b.intent(pi).text("status"))
		b.refused(400, "payment_intent_unexpected_state", "POST /v1/payment_intents/"+pi+"/cancel", nil)
		b.clock.advance(5 * time.Second)
		require.Equal(t, "paid", b.session(cs).text("payment_status"))
		require.Equal(t, "succeeded", b.intent(pi).text("status"))
		require.Equal(t, []string{
			"payment_intent.created", "charge.pending", "payment_intent.processing", "checkout.session.completed",
			"charge.succeeded", "payment_intent.succeeded", "checkout.session.async_payment_succeeded",
		}, b.types())
	})
	t.Run("fails after the delay", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		cs, pi := b.paid("delayed_failure")
		b.clock.advance(5 * time.Second)
		require.Equal(t, "unpaid", b.session(cs).text("payment_status"))
		require.Equal(t, "requires_payment_method", b.intent(pi).text("status"))
		require.Contains(t, b.types(), "checkout.session.async_payment_failed")
		require.Zero(t, b.books().Totals["eur"].Captured)
	})
	t.Run("never, until settled by hand", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		cs, pi := b.paid("never_settles")
		b.clock.advance(30 * 24 * time.Hour)
		require.Equal(t, "processing", b.intent(pi).text("status"))
		require.Equal(t, 400, b.post("/_settle/"+cs+"?result=maybe", "").status)
		require.Equal(t, 200, b.post("/_settle/"+cs+"?result=succeeded", "").status)
		require.Equal(t, "succeeded", b.intent(pi).text("status"))
		require.Equal(t, 400, b.post("/_settle/"+cs+"?result=succeeded", "").status, "once")
		require.Equal(t, 404, b.post("/_settle/cs_none?result=failed", "").status)
	})
}

func TestPaidAfterTheEnd(t *testing.T) {
	t.Parallel()
	t.Run("an expired session is paid after all, once, when a test asks for it", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		cs := b.checkout()
		require.Equal(t, 402, b.pay(cs, "generic_decline").status)
		b.ok("POST /v1/checkout/sessions/"+cs+"/expire", nil)
		before := b.session(cs).text("payment_intent")
		require.Equal(t, "canceled", b.intent(before).text("status"))

		require.Equal(t, 200, b.post("/_late/"+cs, "").status)
		session := b.session(cs)
		require.Equal(t, "complete", session.text("status"))
		require.Equal(t, "paid", session.text("payment_status"))
		require.NotEqual(t, before, session.text("payment_intent"), "what was canceled stays canceled")
		require.Equal(t, int64(10_000), b.books().Totals["eur"].Captured)
		require.Equal(t, "checkout.session.completed", b.types()[len(b.types())-1])
		require.Equal(t, 400, b.post("/_late/"+cs, "").status, "once")
	})
	t.Run("a hold can come late too", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		cs := b.checkout("payment_intent_data[capture_method]", "manual")
		b.ok("POST /v1/checkout/sessions/"+cs+"/expire", nil)
		require.Equal(t, 200, b.post("/_late/"+cs, "").status)
		require.Equal(t, int64(10_000), b.books().Totals["eur"].Held)
	})
	t.Run("an open or unknown session is not late", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		require.Equal(t, 400, b.post("/_late/"+b.checkout(), "").status)
		require.Equal(t, 404, b.post("/_late/cs_none", "").status)
	})
}
