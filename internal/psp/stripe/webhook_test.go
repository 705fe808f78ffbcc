package stripe

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

const secret = "whsec_test"

var now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func hooked() psp.Account {
	return psp.Account{ID: "acc-1", Credentials: psp.Credentials{"webhook_secret": "whsec_old," + secret}}
}

// deliver signs a body and has it read.
func deliver(acc psp.Account, body string) (psp.Event, error) {
	header := http.Header{}
	header.Set("Stripe-Signature", fmt.Sprintf("t=%d,v1=%s", now.Unix(), hex.EncodeToString(sign(secret, now.Unix(), []byte(body)))))
	return New(Options{}).ParseWebhook(acc, header, []byte(body), now)
}

func envelope(t *testing.T, kind, object string) string {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"id": "evt_1", "object": "event", "type": kind, "created": now.Unix(), "livemode": false,
		"api_version": "2030-01-01.later", "data": map[string]any{"object": json.RawMessage(object)},
	})
	require.NoError(t, err)
	return string(body)
}

func TestEvents(t *testing.T) {
	t.Parallel()
	session := func(paid, kind string) string {
		return `{"id":"cs_1","client_reference_id":"att-1","payment_intent":"pi_1","payment_status":"` + paid + `",
			"amount_total":1230,"currency":"eur","metadata":{"attempt_id":"att-1","kind":"` + kind + `"}}`
	}
	intent := func(status string, capturable, received int) string {
		return fmt.Sprintf(`{"id":"pi_1","status":%q,"amount":1230,"amount_capturable":%d,"amount_received":%d,
			"currency":"eur","latest_charge":"ch_1","metadata":{"attempt_id":"att-1"}}`, status, capturable, received)
	}
	const (
		charge  = `{"id":"ch_1","payment_intent":"pi_1","metadata":{"attempt_id":"att-1"},"amount_refunded":5}`
		refund  = `{"id":"re_1","payment_intent":"pi_1","status":"succeeded","amount":5,"currency":"eur","metadata":{"attempt_id":"att-2"}}`
		dispute = `{"id":"dp_1","payment_intent":"pi_1","charge":"ch_1","status":"needs_response"}`
	)
	outcome := func(status psp.Status, ref string, minor int64) *psp.Outcome {
		out := psp.Outcome{Status: status, Ref: ref, PaymentRef: "pi_1"}
		if minor > 0 {
			out.Amount = money.New(minor, "EUR")
		}
		return &out
	}
	declined := outcome(psp.Declined, "cs_1", 0)
	declined.Decline = payment.DeclinedOther
	for _, tc := range []struct {
		kind, object             string
		attempt, ref, paymentRef string
		want                     *psp.Outcome
	}{
		{"checkout.session.completed", session("paid", "sale"), "att-1", "cs_1", "pi_1", nil},
		{"checkout.session.completed", session("unpaid", "sale"), "att-1", "cs_1", "pi_1", nil},
		{"checkout.session.completed", session("paid", "authorization"), "att-1", "cs_1", "pi_1", nil},
		{"checkout.session.completed", session("unpaid", "authorization"), "att-1", "cs_1", "pi_1", nil},
		{"checkout.session.completed", session("paid", ""), "att-1", "cs_1", "pi_1", nil},
		{"checkout.session.async_payment_succeeded", session("paid", "sale"), "att-1", "cs_1", "pi_1", nil},
		{"checkout.session.async_payment_succeeded", session("paid", "authorization"), "att-1", "cs_1", "pi_1", nil},
		{"checkout.session.async_payment_failed", session("unpaid", "sale"), "att-1", "cs_1", "pi_1", declined},
		{"checkout.session.expired", session("unpaid", "sale"), "att-1", "cs_1", "pi_1", outcome(psp.Closed, "cs_1", 0)},
		{"payment_intent.succeeded", intent("succeeded", 0, 1000), "att-1", "", "pi_1", outcome(psp.Succeeded, "", 1000)},
		{"payment_intent.succeeded", intent("requires_capture", 0, 0), "att-1", "", "pi_1", nil},
		{"payment_intent.amount_capturable_updated", intent("requires_capture", 1230, 0), "att-1", "", "pi_1", nil},
		{"payment_intent.amount_capturable_updated", intent("canceled", 0, 0), "att-1", "", "pi_1", nil},
		{"payment_intent.payment_failed", intent("requires_payment_method", 0, 0), "att-1", "", "pi_1", nil},
		{"payment_intent.canceled", intent("canceled", 0, 0), "att-1", "", "pi_1", nil},
		{"payment_intent.processing", intent("processing", 0, 0), "att-1", "", "pi_1", nil},
		{"charge.refunded", charge, "att-1", "ch_1", "pi_1", nil},
		{"charge.captured", charge, "att-1", "ch_1", "pi_1", nil},
		{"charge.expired", charge, "att-1", "ch_1", "pi_1", nil},
		{"refund.created", refund, "att-2", "re_1", "pi_1", nil},
		{"refund.updated", refund, "att-2", "re_1", "pi_1", nil},
		{"refund.failed", refund, "att-2", "re_1", "pi_1", nil},
		{"charge.refund.updated", refund, "att-2", "re_1", "pi_1", nil},
		{"charge.dispute.created", dispute, "", "dp_1", "pi_1", nil},
		{"charge.dispute.closed", dispute, "", "dp_1", "pi_1", nil},
		{"charge.dispute.funds_withdrawn", dispute, "", "dp_1", "pi_1", nil},
		{"invoice.paid", `{"id":"in_1","metadata":{"attempt_id":"att-1"}}`, "", "", "", nil},
		{"a.thing.of.tomorrow", `"no object"`, "", "", "", nil},
	} {
		t.Run(tc.kind, func(t *testing.T) {
			t.Parallel()
			e, err := deliver(hooked(), envelope(t, tc.kind, tc.object))
			require.NoError(t, err)
			require.Equal(t, psp.Event{
				ID: "evt_1", Type: tc.kind, At: now, AttemptID: tc.attempt, Ref: tc.ref, PaymentRef: tc.paymentRef, Outcome: tc.want,
			}, e)
		})
	}
}

func TestEventsOfCaptures(t *testing.T) {
	t.Parallel()
	e, err := deliver(hooked(), envelope(t, "payment_intent.succeeded", `{"id":"pi_1","status":"succeeded","amount":1230,
		"amount_received":1000,"currency":"eur","metadata":{"attempt_id":"att-1","capture_attempt_id":"att-2"}}`))
	require.NoError(t, err)
	require.Equal(t, "att-2", e.AttemptID, "the capture's, not the authorization's")
	require.Equal(t, &psp.Outcome{
		Status: psp.Succeeded, Ref: "pi_1", PaymentRef: "pi_1", Amount: money.New(1000, "EUR"),
	}, e.Outcome)
}

func TestEventsOfRefundsOfOurs(t *testing.T) {
	t.Parallel()
	event := func(kind, status, more string) psp.Event {
		e, err := deliver(hooked(), envelope(t, kind, `{"id":"re_1","payment_intent":"pi_1","status":"`+status+`","amount":500,
			"currency":"eur","metadata":{"attempt_id":"att-2"}`+more+`}`))
		require.NoError(t, err)
		require.Equal(t, "att-2", e.AttemptID)
		require.Nil(t, e.Elsewhere)
		return e
	}
	for _, status := range []string{"pending", "requires_action", "succeeded", "sleeping", ""} {
		for _, kind := range []string{"refund.created", "refund.updated", "charge.refund.updated"} {
			require.Nil(t, event(kind, status, "").Outcome, "%s, %s: a reason to look", kind, status)
		}
	}
	out := psp.Outcome{Status: psp.Declined, Ref: "re_1", PaymentRef: "pi_1", Amount: money.New(500, "EUR")}
	out.Decline, out.Code = payment.ExpiredCard, "expired_or_canceled_card"
	require.Equal(t, &out, event("refund.failed", "failed", `,"failure_reason":"expired_or_canceled_card"`).Outcome)
	out.Decline, out.Code = payment.Cancelled, "canceled"
	require.Equal(t, &out, event("refund.updated", "canceled", "").Outcome)
	require.Nil(t, event("refund.failed", "failed", `,"currency":"eux"`).Outcome, "an amount we cannot read")
}

func TestEventsOfMoneyElsewhere(t *testing.T) {
	t.Parallel()
	const refund, dispute = payment.ElsewhereRefund, payment.ElsewhereDispute
	took := `,"balance_transactions":[{"id":"txn_1","amount":-500}]`
	for _, tc := range []struct {
		kind, status, more string
		want               payment.ElsewhereKind
		state              payment.AttemptState
	}{
		{"refund.created", "succeeded", `,"balance_transaction":"txn_1"`, refund, payment.Done},
		{"refund.created", "succeeded", `,"balance_transaction":null`, "", ""},
		{"refund.created", "pending", "", refund, payment.Working},
		{"refund.updated", "requires_action", "", refund, payment.Working},
		{"refund.updated", "canceled", "", refund, payment.Closed},
		{"refund.failed", "failed", "", refund, payment.Closed},
		{"charge.refund.updated", "failed", "", refund, payment.Closed},
		{"refund.updated", "sleeping", "", "", ""},
		{"refund.failed", "failed", `,"currency":"eux"`, "", ""},
		{"refund.failed", "failed", `,"payment_intent":""`, "", ""},
		{"charge.dispute.created", "needs_response", took, dispute, payment.Working},
		{"charge.dispute.created", "needs_response", "", "", ""},
		{"charge.dispute.funds_withdrawn", "needs_response", took, dispute, payment.Working},
		{"charge.dispute.updated", "under_review", took, dispute, payment.Working},
		{"charge.dispute.closed", "lost", took, dispute, payment.Done},
		{"charge.dispute.closed", "won", took, dispute, payment.Closed},
		{"charge.dispute.funds_reinstated", "won", took, dispute, payment.Closed},
		{"charge.dispute.created", "warning_needs_response", "", "", ""},
		{"charge.dispute.closed", "warning_closed", "", "", ""},
		{"charge.dispute.created", "prevented", "", "", ""},
		{"charge.dispute.updated", "new", took, "", ""},
	} {
		t.Run(tc.kind+" "+tc.status+tc.more, func(t *testing.T) {
			t.Parallel()
			e, err := deliver(hooked(), envelope(t, tc.kind, `{"id":"x_1","payment_intent":"pi_1","amount":500,"currency":"eur",
				"status":"`+tc.status+`","metadata":{}`+tc.more+`}`))
			require.NoError(t, err)
			require.Empty(t, e.AttemptID)
			require.Nil(t, e.Outcome)
			require.Equal(t, "x_1", e.Ref)
			if tc.want == "" {
				require.Nil(t, e.Elsewhere)
				return
			}
			require.Equal(t, "pi_1", e.PaymentRef)
			require.Equal(t, &payment.Elsewhere{Kind: tc.want, Ref: "x_1", State: tc.state, Amount: money.New(500, "EUR")}, e.Elsewhere)
		})
	}
}

func TestEveryEventWeAskForIsRead(t *testing.T) {
	t.Parallel()
	object := `{"id":"x_1","payment_intent":"pi_1","amount":500,"currency":"eur","metadata":{"attempt_id":"att-1"}}`
	for _, kind := range Events() {
		e, err := deliver(hooked(), envelope(t, kind, object))
		require.NoError(t, err)
		require.NotEmpty(t, e.AttemptID+e.Ref+e.PaymentRef, kind)
	}
}

func TestEventsOfOthers(t *testing.T) {
	t.Parallel()
	t.Run("a payment that is not ours proves nothing", func(t *testing.T) {
		t.Parallel()
		e, err := deliver(hooked(), envelope(t, "payment_intent.succeeded",
			`{"id":"pi_9","status":"succeeded","amount_received":5,"currency":"eur"}`))
		require.NoError(t, err)
		require.Empty(t, e.AttemptID)
		require.Nil(t, e.Outcome)
	})
	t.Run("a payment in units we do not know is a reason to look, not to refuse", func(t *testing.T) {
		t.Parallel()
		e, err := deliver(hooked(), envelope(t, "payment_intent.succeeded",
			`{"id":"pi_9","status":"succeeded","amount_received":5,"currency":"eux","metadata":{"attempt_id":"att-1"}}`))
		require.NoError(t, err)
		require.Equal(t, "att-1", e.AttemptID)
		require.Nil(t, e.Outcome)
	})
	t.Run("a checkout without metadata is known by its reference", func(t *testing.T) {
		t.Parallel()
		e, err := deliver(hooked(), envelope(t, "checkout.session.expired", `{"id":"cs_1","client_reference_id":"att-1"}`))
		require.NoError(t, err)
		require.Equal(t, "att-1", e.AttemptID)
	})
	t.Run("an event about a connected account has no attempt", func(t *testing.T) {
		t.Parallel()
		e, err := deliver(hooked(), `{"id":"evt_1","type":"payment_intent.succeeded","created":1,"livemode":false,
			"account":"acct_other","data":{"object":{"id":"pi_1","status":"succeeded","amount_received":5,
			"currency":"eur","metadata":{"attempt_id":"att-1"}}}}`)
		require.NoError(t, err)
		require.Empty(t, e.AttemptID)
		require.Nil(t, e.Outcome)
	})
}

func TestWebhooksThatAreRefused(t *testing.T) {
	t.Parallel()
	for rule, tc := range map[string]struct {
		body string
		want payment.Class
	}{
		"not JSON":                {"{", payment.Invalid},
		"an id that is no id":     {`{"id":"evt 1","type":"a","livemode":false}`, payment.Invalid},
		"a type without end":      {`{"id":"evt_1","type":"` + strings.Repeat("a", 200) + `","livemode":false}`, payment.Invalid},
		"no id":                   {`{"type":"a","livemode":false}`, payment.Invalid},
		"no type":                 {`{"id":"evt_1","livemode":false}`, payment.Invalid},
		"no mode":                 {`{"id":"evt_1","type":"a"}`, payment.Invalid},
		"of the other mode":       {`{"id":"evt_1","type":"a","livemode":true}`, payment.Unauthorized},
		"a session that is none":  {`{"id":"e","type":"checkout.session.completed","livemode":false,"data":{"object":7}}`, payment.Invalid},
		"a payment that is none":  {`{"id":"e","type":"payment_intent.succeeded","livemode":false,"data":{"object":[]}}`, payment.Invalid},
		"a charge that is none":   {`{"id":"e","type":"charge.refunded","livemode":false,"data":{}}`, payment.Invalid},
		"a refund that is none":   {`{"id":"e","type":"refund.failed","livemode":false,"data":{"object":"x"}}`, payment.Invalid},
		"a dispute that is none":  {`{"id":"e","type":"charge.dispute.created","livemode":false}`, payment.Invalid},
		"an expansion that fails": {`{"id":"e","type":"charge.refunded","livemode":false,"data":{"object":{"payment_intent":7}}}`, payment.Invalid},
	} {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			_, err := deliver(hooked(), tc.body)
			require.Equal(t, tc.want, payment.ClassOf(err, ""), "%v", err)
		})
	}
	t.Run("a signature is checked before the body is read", func(t *testing.T) {
		t.Parallel()
		_, err := New(Options{}).ParseWebhook(hooked(), http.Header{"Stripe-Signature": {"t=1,v1=00"}}, []byte("{"), now)
		require.Equal(t, payment.Unauthorized, payment.ClassOf(err, ""))
		require.NotContains(t, err.Error(), secret)
	})
	t.Run("an account without secret accepts nothing", func(t *testing.T) {
		t.Parallel()
		_, err := deliver(psp.Account{}, envelope(t, "invoice.paid", "{}"))
		require.Equal(t, payment.Unauthorized, payment.ClassOf(err, ""))
	})
}

func FuzzParseWebhook(f *testing.F) {
	f.Add(`{"id":"evt_1","type":"charge.refunded","livemode":false,"data":{"object":{"payment_intent":{"id":"pi_1"}}}}`)
	f.Add(`{"id":"evt_1","type":"checkout.session.completed","livemode":false,"data":{"object":null}}`)
	f.Fuzz(func(t *testing.T, body string) {
		e, err := deliver(hooked(), body)
		if err == nil {
			require.NotEmpty(t, e.ID+e.Type)
		}
	})
}
