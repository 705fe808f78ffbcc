package stripe_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/standin/stripe"
)

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	good := stripe.Account{ID: "acct_1", SecretKey: "sk_test_x"}
	tests := []struct {
		name, reason string
		opts         stripe.Options
	}{
		{"no address", "PublicURL", stripe.Options{Accounts: []stripe.Account{good}}},
		{"no accounts", "no Accounts", stripe.Options{PublicURL: "http://x"}},
		{"a bad id", "acct_", stripe.Options{PublicURL: "http://x", Accounts: []stripe.Account{{ID: "1", SecretKey: "sk_test_x"}}}},
		{"a live key in test mode", "sk_test_", stripe.Options{PublicURL: "http://x", Accounts: []stripe.Account{{ID: "acct_1", SecretKey: "sk_live_x"}}}},
		{"a key used twice", "twice", stripe.Options{PublicURL: "http://x", Accounts: []stripe.Account{good, {ID: "acct_2", SecretKey: "sk_test_x"}}}},
		{"a webhook without secret", "whsec_", stripe.Options{PublicURL: "http://x", Accounts: []stripe.Account{
			{ID: "acct_1", SecretKey: "sk_test_x", Webhooks: []stripe.Webhook{{URL: "http://y"}}},
		}}},
		{"a webhook that is no address", "not an http address", stripe.Options{PublicURL: "http://x", Accounts: []stripe.Account{
			{ID: "acct_1", SecretKey: "sk_test_x", Webhooks: []stripe.Webhook{{URL: "y", Secret: "whsec_z"}}},
		}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := stripe.New(tt.opts)
			require.ErrorContains(t, err, tt.reason)
			require.NotContains(t, err.Error(), "sk_test_x", "keys never appear in errors")
		})
	}
}

func TestAdmission(t *testing.T) {
	t.Parallel()
	b := setup(t)
	t.Run("a key of no account is 401 and counted", func(t *testing.T) {
		for _, header := range []string{"", "Bearer sk_test_nobody", "Basic " + testKey, testKey} {
			a := b.call("GET /v1/account", nil, with("Authorization", header))
			require.Equal(t, http.StatusUnauthorized, a.status)
			require.Equal(t, "invalid_request_error", a.text("error", "type"))
		}
		require.Equal(t, 4, b.stripe.Books("").Unauthorized)
	})
	t.Run("a key opens its own account", func(t *testing.T) {
		a := b.ok("GET /v1/account", nil, as(otherKey))
		require.Equal(t, "acct_two", a.text("id"))
		require.True(t, strings.HasPrefix(a.header.Get("Request-Id"), "req_"))
		require.Equal(t, version, a.header.Get("Stripe-Version"))
	})
	t.Run("the version is required", func(t *testing.T) {
		for _, v := range []string{"", "latest", "2026-13-01", "2026-08-26."} {
			b.refused(400, "", "GET /v1/account", nil, with("Stripe-Version", v))
		}
		b.ok("GET /v1/account", nil, with("Stripe-Version", "2019-12-03"))
	})
	t.Run("unknown routes are 404", func(t *testing.T) {
		b.refused(404, "", "GET /v1/payouts", nil)
		b.refused(404, "", "DELETE /v1/refunds", nil)
	})
	t.Run("a POST is a form", func(t *testing.T) {
		b.refused(400, "", "POST /v1/checkout/sessions", order(), with("Content-Type", "application/json"))
		b.refused(400, "parameter_unknown", "POST /v1/refunds?amount=1", nil)
	})
	t.Run("ids of another account do not exist", func(t *testing.T) {
		cs := b.checkout()
		b.refused(404, "resource_missing", "GET /v1/checkout/sessions/"+cs, nil, as(otherKey))
	})
}

func TestLivemode(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.ok("POST /v1/checkout/sessions", order(), as(liveKey))
	require.Equal(t, true, a.at("livemode"))
	require.True(t, strings.HasPrefix(a.text("id"), "cs_live_"))
	require.Equal(t, http.StatusOK, b.pay(a.text("id"), "success").status)
	pi := b.ok("GET /v1/checkout/sessions/"+a.text("id"), []string{"expand[]", "payment_intent.latest_charge"}, as(liveKey))
	require.Equal(t, true, pi.at("payment_intent", "livemode"))
	require.Equal(t, true, pi.at("payment_intent", "latest_charge", "livemode"))
	events := b.ok("GET /v1/events", nil, as(liveKey)).at("data").([]any)
	require.Equal(t, true, events[0].(map[string]any)["livemode"])
}

func TestFormIsStrict(t *testing.T) {
	t.Parallel()
	b := setup(t)
	long := strings.Repeat("x", 501)
	tests := []struct {
		name, code, param string
		params            []string
	}{
		{"unknown parameter", "parameter_unknown", "colour", order("colour", "red")},
		{"unknown nested parameter", "parameter_unknown", "line_items[0][weight]", order("line_items[0][weight]", "1")},
		{"unbalanced brackets", "parameter_unknown", "metadata[a", order("metadata[a", "1")},
		{"not an integer", "parameter_invalid_integer", "line_items[0][quantity]", order("line_items[0][quantity]", "2.0")},
		{"not a URL", "url_invalid", "success_url", order("success_url", "javascript:alert(1)")},
		{"empty", "parameter_invalid_empty", "cancel_url", order("cancel_url", "")},
		{"a scalar for an object", "parameter_invalid_type", "payment_intent_data", order("payment_intent_data", "x")},
		{"given twice", "parameter_invalid_type", "mode", append(order(), "mode", "payment")},
		{"not in the enum", "", "mode", order("mode", "subscription")},
		{"too long", "parameter_invalid_string", "client_reference_id", order("client_reference_id", long)},
		{"metadata value too long", "parameter_invalid_string", "metadata[a]", order("metadata[a]", long)},
		{"metadata key too long", "", "metadata", order("metadata["+long[:41]+"]", "v")},
		{"required missing", "parameter_missing", "mode", order()[2:]},
		{"no line items", "parameter_missing", "line_items", order()[:8]},
		{"no quantity", "", "line_items[1][quantity]", order(
			"line_items[1][price_data][currency]", "eur", "line_items[1][price_data][unit_amount]", "1",
			"line_items[1][price_data][product_data][name]", "x")},
		{"two currencies", "", "line_items[1][price_data][currency]", order(
			"line_items[1][price_data][currency]", "usd", "line_items[1][price_data][unit_amount]", "1",
			"line_items[1][price_data][product_data][name]", "x", "line_items[1][quantity]", "1")},
		{"an expansion that does not exist", "", "expand", order("expand[]", "payment_intent.customer")},
		{"an expansion too deep", "", "expand", order("expand[]", "payment_intent.latest_charge.payment_intent.latest_charge.payment_intent")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := b.refused(400, tt.code, "POST /v1/checkout/sessions", tt.params)
			require.Equal(t, tt.param, a.text("error", "param"), a.raw)
			require.Equal(t, "invalid_request_error", a.text("error", "type"))
		})
	}
	t.Run("what is allowed is taken", func(t *testing.T) {
		t.Parallel()
		a := b.ok("POST /v1/checkout/sessions", order("metadata[7]", "seven", "metadata[order id]", "a&b=ü",
			"payment_method_types[]", "card", "expand[0]", "payment_intent"))
		require.Equal(t, "seven", a.text("metadata", "7"))
		require.Equal(t, "a&b=ü", a.text("metadata", "order id"))
		require.Nil(t, a.at("payment_intent"), "there is none before the first attempt")
		require.Equal(t, []any{"card"}, a.at("payment_method_types"))
		require.EqualValues(t, 10000, a.at("amount_total"))
	})
}

func TestCurrencies(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tests := []struct {
		name, currency, amount, code string
	}{
		{"two decimals", "eur", "50", "-"},
		{"upper case is understood", "EUR", "50", "-"},
		{"below the minimum", "eur", "49", "amount_too_small"},
		{"zero", "eur", "0", "amount_too_small"},
		{"eight digits", "usd", "99999999", "-"},
		{"nine digits", "usd", "100000000", "parameter_invalid_integer"},
		{"zero decimals", "jpy", "50", "-"},
		{"zero decimals, too small", "jpy", "49", "amount_too_small"},
		{"three decimals end in 0", "kwd", "1230", "-"},
		{"three decimals do not end in 0", "kwd", "1235", "invalid_charge_amount"},
		{"ISK has no minor unit", "isk", "500", "-"},
		{"ISK with a minor unit", "isk", "550", "invalid_charge_amount"},
		{"UGX has no minor unit", "ugx", "55000", "-"},
		{"UGX with a minor unit", "ugx", "55050", "invalid_charge_amount"},
		{"HUF charges may have decimals", "huf", "17501", "-"},
		{"unknown currency", "xxx", "500", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			params := order("line_items[0][quantity]", "1", "line_items[0][price_data][currency]", tt.currency,
				"line_items[0][price_data][unit_amount]", tt.amount)
			if tt.code == "-" {
				a := b.ok("POST /v1/checkout/sessions", params)
				require.Equal(t, strings.ToLower(tt.currency), a.text("currency"))
				return
			}
			b.refused(400, tt.code, "POST /v1/checkout/sessions", params)
		})
	}
	t.Run("the sum counts", func(t *testing.T) {
		t.Parallel()
		b.refused(400, "amount_too_large", "POST /v1/checkout/sessions",
			order("line_items[0][quantity]", "2", "line_items[0][price_data][unit_amount]", "50000000"))
	})
}

func TestLists(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var made []string // newest first
	for range 5 {
		made = append([]string{b.checkout()}, made...)
		b.clock.advance(time.Second)
	}
	start := b.clock.now().Add(-5 * time.Second).Unix()
	list := func(params ...string) answer {
		b.t.Helper()
		return b.ok("GET /v1/checkout/sessions", params)
	}

	t.Run("newest first, in pages", func(t *testing.T) {
		first := list("limit", "2")
		require.Equal(t, made[:2], first.ids())
		require.Equal(t, true, first.at("has_more"))
		second := list("limit", "2", "starting_after", made[1])
		require.Equal(t, made[2:4], second.ids())
		last := list("limit", "2", "starting_after", made[3])
		require.Equal(t, made[4:], last.ids())
		require.Equal(t, false, last.at("has_more"))
		require.Equal(t, "/v1/checkout/sessions", last.text("url"))
	})
	t.Run("bounds of the page", func(t *testing.T) {
		b.refused(400, "parameter_invalid_integer", "GET /v1/checkout/sessions", []string{"limit", "101"})
		b.refused(400, "parameter_invalid_integer", "GET /v1/checkout/sessions", []string{"limit", "0"})
		b.refused(400, "resource_missing", "GET /v1/checkout/sessions", []string{"starting_after", "cs_none"})
	})
	t.Run("created", func(t *testing.T) {
		at := func(n int64) string { return strconv.FormatInt(start+n, 10) }
		require.Equal(t, made[0:2], list("created[gte]", at(3)).ids())
		require.Equal(t, made[0:1], list("created[gt]", at(3)).ids())
		require.Equal(t, made[3:], list("created[lte]", at(1)).ids())
		require.Equal(t, made[4:], list("created[lt]", at(1)).ids())
		require.Equal(t, made[2:3], list("created", at(2)).ids())
	})
	t.Run("status and payment_intent", func(t *testing.T) {
		require.Equal(t, http.StatusOK, b.pay(made[2], "success").status)
		b.ok("POST /v1/checkout/sessions/"+made[4]+"/expire", nil)
		require.Equal(t, []string{made[2]}, list("status", "complete").ids())
		require.Equal(t, []string{made[4]}, list("status", "expired").ids())
		require.Equal(t, []string{made[2]}, list("payment_intent", b.session(made[2]).text("payment_intent")).ids())
		require.Empty(t, list("payment_intent", "pi_none").ids())
	})
	t.Run("expand in a list begins with data", func(t *testing.T) {
		a := list("status", "complete", "expand[]", "data.payment_intent.latest_charge.balance_transaction")
		row := a.at("data").([]any)[0].(map[string]any)
		inner := answer{json: row}
		require.EqualValues(t, 320, inner.at("payment_intent", "latest_charge", "balance_transaction", "fee"))
		b.refused(400, "", "GET /v1/checkout/sessions", []string{"expand[]", "payment_intent"})
	})
}
