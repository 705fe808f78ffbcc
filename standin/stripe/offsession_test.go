package stripe_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/standin/faults"
	"tillflow/standin/stripe"
)

// keeping are the parameters of a checkout that keeps what it is paid with.
func keeping() []string {
	return []string{"customer_creation", "always", "payment_intent_data[setup_future_usage]", "off_session"}
}

// kept pays a checkout and gives the customer and the method that it left.
func (b *bundle) kept(card string) (owner, pm string) {
	b.t.Helper()
	_, pi := b.paid(card, keeping()...)
	a := b.intent(pi)
	return a.text("customer"), a.text("payment_method")
}

const charge = "POST /v1/payment_intents"

func unwatched(owner, pm string) []string {
	return []string{
		"amount", "1230", "currency", "eur", "customer", owner, "payment_method", pm, "confirm", "true", "off_session", "true",
		"error_on_requires_action", "true", "automatic_payment_methods[enabled]", "true",
		"automatic_payment_methods[allow_redirects]", "never", "transfer_group", "att-2", "metadata[attempt_id]", "att-2",
	}
}

func TestKeeping(t *testing.T) {
	t.Parallel()
	t.Run("a checkout that asks for it leaves a customer with a method", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		cs, pi := b.paid("success", keeping()...)
		a := b.ok("GET /v1/payment_intents/"+pi, []string{"expand[]", "payment_method"})
		owner := a.text("customer")
		require.NotEmpty(t, owner)
		require.Equal(t, "off_session", a.text("setup_future_usage"))
		require.Equal(t, owner, a.text("payment_method", "customer"))
		require.Equal(t, "4242", a.text("payment_method", "card", "last4"))
		require.EqualValues(t, 2034, a.at("payment_method", "card", "exp_year"))
		require.Equal(t, owner, b.session(cs).text("customer"))
		require.Equal(t, owner, b.ok("GET /v1/customers/"+owner, nil).text("id"))
		require.Contains(t, b.types(), "payment_method.attached")
	})
	t.Run("one that does not leaves nothing", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, pi := b.paid("success")
		require.Nil(t, b.intent(pi).at("customer"))
		b.refused(404, "resource_missing", "GET /v1/payment_methods/"+b.intent(pi).text("payment_method"), nil)
		require.Empty(t, b.books().Methods)
	})
	t.Run("without a customer the method belongs to nobody", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, pi := b.paid("success", "payment_intent_data[setup_future_usage]", "off_session")
		a := b.ok("GET /v1/payment_intents/"+pi, []string{"expand[]", "payment_method"})
		require.Nil(t, a.at("payment_method", "customer"))
	})
	t.Run("a declined try keeps nothing, the next one does", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		cs := b.checkout(keeping()...)
		b.pay(cs, "insufficient_funds")
		require.Empty(t, b.books().Methods)
		b.pay(cs, "mastercard")
		require.Len(t, b.books().Methods, 1)
		require.Equal(t, "mastercard", b.books().Methods[0].Card)
	})
	t.Run("the buyer's own expiry date is kept, also through 3-D Secure, and an old one is declined", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		cs := b.checkout(keeping()...)
		a := b.post("/_pay/"+cs, `{"card":"three_d_secure","expires":"08/26"}`)
		require.Equal(t, http.StatusPaymentRequired, a.status)
		require.Equal(t, "expired_card", a.text("error", "code"))
		require.Equal(t, 400, b.post("/_pay/"+cs, `{"card":"three_d_secure","expires":"13/26"}`).status)
		require.Equal(t, 200, b.post("/_pay/"+cs, `{"card":"three_d_secure","expires":"09/26"}`).status)
		require.Equal(t, "09/2026", b.books().Methods[0].Expires)
	})
}

func TestChargingAKeptMethod(t *testing.T) {
	t.Parallel()
	t.Run("takes the money without anybody, once under its key", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		owner, pm := b.kept("success")
		a := b.ok(charge, unwatched(owner, pm), key("k"))
		require.Equal(t, "succeeded", a.text("status"))
		require.EqualValues(t, 1230, a.at("amount_received"))
		require.Equal(t, a.text("id"), b.ok(charge, unwatched(owner, pm), key("k")).text("id"))
		require.Equal(t, []string{a.text("id")}, b.ok("GET /v1/payment_intents", []string{"customer", owner, "limit", "1"}).ids())
		require.Len(t, b.ok("GET /v1/charges", []string{"transfer_group", "att-2"}).ids(), 1)
		books := b.stripe.Books("att-2").Accounts["acct_one"]
		require.Empty(t, books.Checkouts)
		require.Equal(t, stripe.Totals{Captured: 1230, Fees: 66, Captures: 1}, books.Totals["eur"])
		require.Equal(t, "k", books.Intents[0].Key)
		require.Equal(t, pm, books.Intents[0].Method)
		require.Contains(t, b.types(), "payment_intent.succeeded")
	})
	for card, want := range map[string]string{
		"insufficient_funds": "card_declined", "expired_card": "expired_card", "stolen_card": "card_declined",
		"three_d_secure_always": "authentication_required",
	} {
		t.Run(card+" is a 402 with the payment, and stays declined", func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			owner, pm := b.kept("success")
			require.Equal(t, 200, b.post("/_method/"+pm+"?card="+card, "").status)
			a := b.refused(402, want, charge, unwatched(owner, pm), key("k"))
			pi := a.text("error", "payment_intent", "id")
			require.Equal(t, "requires_payment_method", b.intent(pi).text("status"))
			require.Equal(t, want, b.intent(pi).text("last_payment_error", "code"))
			require.Zero(t, b.stripe.Books("att-2").Accounts["acct_one"].Totals["eur"].Captures)
			b.post("/_method/"+pm+"?card=success", "")
			b.refused(402, want, charge, unwatched(owner, pm), key("k"))
		})
	}
}

func TestWhatAKeptMethodsBankDoes(t *testing.T) {
	t.Parallel()
	t.Run("a card that was confirmed when it was kept is not asked again", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		owner, pm := b.kept("three_d_secure")
		require.Equal(t, "succeeded", b.ok(charge, unwatched(owner, pm)).text("status"))
		owner, pm = b.kept("three_d_secure_always")
		b.refused(402, "authentication_required", charge, unwatched(owner, pm))
	})
	t.Run("a card works until its last month is over", func(t *testing.T) {
		t.Parallel()
		b := setup(t) // 1 September
		owner, pm := b.kept("success")
		require.Equal(t, 400, b.post("/_method/"+pm+"?expires=soon", "").status)
		b.post("/_method/"+pm+"?expires=09/26", "")
		b.clock.advance(29 * 24 * time.Hour)
		b.ok(charge, unwatched(owner, pm))
		b.clock.advance(24 * time.Hour)
		b.refused(402, "expired_card", charge, unwatched(owner, pm))
	})
	t.Run("a bank debit is processing first, and then taken or not", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for card, want := range map[string]string{"delayed_success": "succeeded", "delayed_failure": "requires_payment_method"} {
			owner, pm := b.kept(card)
			a := b.ok(charge, unwatched(owner, pm))
			require.Equal(t, "processing", a.text("status"))
			b.clock.advance(settleDelay)
			require.Equal(t, want, b.intent(a.text("id")).text("status"))
		}
		owner, pm := b.kept("never_settles")
		pi := b.ok(charge, unwatched(owner, pm)).text("id")
		b.clock.advance(24 * time.Hour)
		require.Equal(t, "processing", b.intent(pi).text("status"))
		require.Equal(t, 200, b.post("/_settle/"+pi+"?result=failed", "").status)
		require.Equal(t, 400, b.post("/_settle/"+pi+"?result=failed", "").status)
	})
	t.Run("a decline by fault is one of the bank's", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		owner, pm := b.kept("success")
		b.arm(faults.Rule{Call: "payment_intents.create", Kind: faults.Decline("do_not_honor"), Match: owner})
		b.refused(402, "card_declined", charge, unwatched(owner, pm))
	})
}

func TestMethodsThatCannotBeCharged(t *testing.T) {
	t.Parallel()
	t.Run("what is not its customer's is refused and makes no payment", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		owner, pm := b.kept("success")
		other, _ := b.kept("success")
		intents := len(b.books().Intents)
		b.refused(400, "", charge, unwatched(other, pm))
		b.refused(400, "resource_missing", charge, unwatched(owner, "pm_none"))
		b.refused(400, "resource_missing", charge, unwatched("cus_none", pm))
		require.Equal(t, pm, b.ok("POST /v1/payment_methods/"+pm+"/detach", nil).text("id"))
		b.refused(400, "", "POST /v1/payment_methods/"+pm+"/detach", nil)
		b.refused(400, "", charge, unwatched(owner, pm))
		require.Nil(t, b.ok("GET /v1/payment_methods/"+pm, nil).at("customer"))
		require.Len(t, b.books().Intents, intents)
	})
	t.Run("a deleted customer has no methods and is still answered", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		owner, pm := b.kept("success")
		b.ok("DELETE /v1/customers/"+owner, nil)
		require.Equal(t, true, b.ok("GET /v1/customers/"+owner, nil).at("deleted"))
		b.refused(400, "resource_missing", charge, unwatched(owner, pm))
		b.refused(404, "resource_missing", "DELETE /v1/customers/"+owner, nil)
	})
	t.Run("an amount outside the limits is refused", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		owner, pm := b.kept("success")
		params := unwatched(owner, pm)
		params[1] = "49"
		b.refused(400, "amount_too_small", charge, params)
	})
	t.Run("what would wait for a buyer is not offered", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		owner, pm := b.kept("success")
		b.refused(400, "parameter_missing", charge, []string{"amount", "1230", "currency", "eur", "customer", owner, "payment_method", pm})
	})
}

func TestKeptMethodsSurviveARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := setup(t, snapshotIn(dir))
	owner, pm := b.kept("success")
	pi := b.ok(charge, unwatched(owner, pm)).text("id")
	require.NoError(t, b.stripe.Close())
	again := setup(t, snapshotIn(dir))
	require.Equal(t, "succeeded", again.ok(charge, unwatched(owner, pm)).text("status"))
	require.Contains(t, again.ok("GET /v1/payment_intents", []string{"customer", owner}).ids(), pi)
	require.Equal(t, 2, again.stripe.Books("att-2").Accounts["acct_one"].Totals["eur"].Captures)
}

func TestPagesOfKeptMethods(t *testing.T) {
	t.Parallel()
	br := browse(t)
	cs := br.open(keeping()...)
	_, page := br.get("/c/pay/" + cs)
	require.Contains(t, page, "keeps this payment method")
	_, page = br.submit("/c/pay/"+cs, url.Values{"card": {"success"}, "expiry": {"99/99"}})
	require.Contains(t, page, "must be a month and a year")
	_, page = br.submit("/c/pay/"+cs, url.Values{"card": {"success"}, "expiry": {"11 / 2027"}})
	require.Contains(t, page, "shop /thanks")
	_, page = br.get("/")
	pm := br.books().Methods[0].ID
	require.Contains(t, page, `action="/_method/`+pm+`"`)
	require.Contains(t, page, "11/2027")
	_, _ = br.submit("/_method/"+pm, url.Values{"card": {"expired_card"}})
	require.Equal(t, "expired_card", br.books().Methods[0].Card)
	_, page = br.get("/c/pay/" + br.open())
	require.NotContains(t, page, "keeps this payment method")
}
