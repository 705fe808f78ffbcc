package stripe_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

// sessionCase is a session with its payment, and what they mean.
type sessionCase struct {
	rule    string
	session object
	intent  object
	want    psp.Outcome
}

func TestSessionStatuses(t *testing.T) {
	t.Parallel()
	for _, tc := range append(openSessions(), completeSessions()...) {
		t.Run(tc.rule, func(t *testing.T) {
			t.Parallel()
			session := aSession().with(tc.session)
			if tc.intent != nil {
				session["payment_intent"] = tc.intent
			}
			out, err := scripted(t, ok(session.json(t))).Inquire(t.Context(), account(), chargeRef())
			require.NoError(t, err)
			tc.want.Ref, tc.want.RequestID = "cs_1", "req_1"
			require.Equal(t, tc.want, out)
		})
	}
}

func refusedIntent() object {
	return anIntent("requires_payment_method").with(object{"last_payment_error": object{
		"type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds",
	}})
}

func openSessions() []sessionCase {
	paid := anIntent("succeeded").with(object{"amount_received": 1230})
	return []sessionCase{
		{
			"an open page waits for its buyer",
			object{},
			nil,
			psp.Outcome{Status: psp.Open, URL: "https://checkout.stripe.test/c/pay/cs_1", ExpiresAt: noon.Add(time.Hour)},
		},
		{
			"an open page tells the last refusal",
			object{},
			refusedIntent(),
			psp.Outcome{
				Status: psp.Open, URL: "https://checkout.stripe.test/c/pay/cs_1", ExpiresAt: noon.Add(time.Hour),
				PaymentRef: "pi_1", Decline: payment.InsufficientFunds, Code: "insufficient_funds",
			},
		},
		{
			"a buyer at the bank's page has not finished",
			object{},
			anIntent("requires_action"),
			psp.Outcome{
				Status: psp.Open, URL: "https://checkout.stripe.test/c/pay/cs_1", ExpiresAt: noon.Add(time.Hour), PaymentRef: "pi_1",
			},
		},
		{
			"money counts before the page knows",
			object{},
			paid,
			psp.Outcome{Status: psp.Succeeded, PaymentRef: "pi_1", Amount: money.New(1230, "EUR")},
		},
		{
			"money counts on an expired page",
			object{"status": "expired"},
			paid,
			psp.Outcome{Status: psp.Succeeded, PaymentRef: "pi_1", Amount: money.New(1230, "EUR")},
		},
		{
			"processing is never nothing, not even on an expired page",
			object{"status": "expired"},
			anIntent("processing"),
			psp.Outcome{Status: psp.Processing, PaymentRef: "pi_1", CheckAfter: 15 * time.Minute},
		},
		{"an expired page is closed", object{"status": "expired", "url": nil}, nil, psp.Outcome{Status: psp.Closed}},
		{
			"an expired page with a refused payment is closed",
			object{"status": "expired"},
			anIntent("canceled"),
			psp.Outcome{Status: psp.Closed, PaymentRef: "pi_1"},
		},
	}
}

func completeSessions() []sessionCase {
	paid := anIntent("succeeded").with(object{"amount_received": 1230})
	held := anIntent("requires_capture").with(object{"amount_capturable": 1230})
	return []sessionCase{
		{
			"complete and paid",
			object{"status": "complete", "payment_status": "paid"},
			paid,
			psp.Outcome{Status: psp.Succeeded, PaymentRef: "pi_1", Amount: money.New(1230, "EUR")},
		},
		{
			"complete and held",
			object{"status": "complete"},
			held,
			psp.Outcome{Status: psp.Authorized, PaymentRef: "pi_1", Amount: money.New(1230, "EUR")},
		},
		{
			"a delayed method is processing",
			object{"status": "complete"},
			anIntent("processing"),
			psp.Outcome{Status: psp.Processing, PaymentRef: "pi_1", CheckAfter: 15 * time.Minute},
		},
		{
			"a voucher not yet paid is processing",
			object{"status": "complete"},
			anIntent("requires_action"),
			psp.Outcome{Status: psp.Processing, PaymentRef: "pi_1", CheckAfter: 15 * time.Minute},
		},
		{
			"a delayed method that failed is declined",
			object{"status": "complete"},
			refusedIntent(),
			psp.Outcome{
				Status: psp.Declined, PaymentRef: "pi_1", Decline: payment.InsufficientFunds, Code: "insufficient_funds",
			},
		},
		{
			"a delayed method that failed without a word is declined",
			object{"status": "complete"},
			anIntent("requires_payment_method"),
			psp.Outcome{Status: psp.Declined, PaymentRef: "pi_1", Decline: payment.DeclinedOther},
		},
		{
			"a payment cancelled after completion is declined",
			object{"status": "complete"},
			anIntent("canceled").with(object{"cancellation_reason": "automatic"}),
			psp.Outcome{Status: psp.Declined, PaymentRef: "pi_1", Decline: payment.Cancelled, Code: "automatic"},
		},
		{
			"a hold that lapsed is declined by that name",
			object{"status": "complete"},
			anIntent("canceled").with(object{"cancellation_reason": "automatic", "capture_method": "manual"}),
			psp.Outcome{Status: psp.Declined, PaymentRef: "pi_1", Decline: payment.TimedOut, Code: payment.CodeAuthorizationExpired},
		},
	}
}

func TestAnswersThatProveNothing(t *testing.T) {
	t.Parallel()
	complete := aSession().with(object{"status": "complete", "payment_status": "paid"})
	for _, tc := range []struct {
		rule    string
		session object
		want    payment.Class
	}{
		{"a page without status", aSession().with(object{"status": nil}), payment.Unknown},
		{"a page with a status of tomorrow", aSession().with(object{"status": "paused"}), payment.Unknown},
		{"a payment with a status of tomorrow", complete.with(object{"payment_intent": anIntent("settling")}), payment.Unknown},
		{"complete without its payment", complete, payment.Unknown},
		{"complete with a payment that was not expanded", complete.with(object{"payment_intent": "pi_1"}), payment.Unknown},
		{
			"an amount in a currency of tomorrow",
			complete.with(object{"payment_intent": anIntent("succeeded").with(object{"currency": "eux"})}), payment.Unknown,
		},
		{"a page of the other mode", aSession().with(object{"livemode": true}), payment.Bug},
		{"a page of another attempt", aSession().with(object{"client_reference_id": "att-9"}), payment.Bug},
		{"a page of nobody's", aSession().with(object{"client_reference_id": nil}), payment.Bug},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			t.Parallel()
			_, err := scripted(t, ok(tc.session.json(t))).Inquire(t.Context(), account(), chargeRef())
			require.Error(t, err)
			require.Equal(t, tc.want, payment.ClassOf(err, ""), err.Error())
		})
	}
}

func TestFeeAndEndOfHold(t *testing.T) {
	t.Parallel()
	withCharge := func(intent, charge object) string {
		return aSession().with(object{
			"status": "complete", "payment_intent": intent.with(object{"latest_charge": charge}),
		}).json(t)
	}
	s := scripted(
		t,
		ok(withCharge(anIntent("succeeded").with(object{"amount_received": 1230}), object{
			"id": "ch_1", "balance_transaction": object{"id": "txn_1", "fee": 66, "currency": "usd"},
		})),
		ok(withCharge(anIntent("succeeded").with(object{"amount_received": 1230}), object{
			"id": "ch_1", "balance_transaction": object{"id": "txn_1", "fee": 66, "currency": "zzz"},
		})),
		ok(withCharge(anIntent("requires_capture").with(object{"amount_capturable": 1230}), object{
			"id": "ch_1", "balance_transaction": nil,
			"payment_method_details": object{"card": object{"capture_before": noon.Add(100 * time.Hour).Unix()}},
		})),
	)
	out, err := s.Inquire(t.Context(), account(), chargeRef())
	require.NoError(t, err)
	require.Equal(t, money.New(66, "USD"), out.Fee, "the fee is in the currency of settlement")
	out, err = s.Inquire(t.Context(), account(), chargeRef())
	require.NoError(t, err)
	require.Equal(t, psp.Succeeded, out.Status, "a fee that cannot be read hides no money")
	require.Zero(t, out.Fee)
	out, err = s.Inquire(t.Context(), account(), chargeRef())
	require.NoError(t, err)
	require.Equal(t, noon.Add(100*time.Hour), out.ExpiresAt)
}

func TestMoveStatuses(t *testing.T) {
	t.Parallel()
	paid := anIntent("succeeded").with(object{"amount_received": 1000, "metadata": object{"capture_attempt_id": "att-2"}})
	elsewhere := paid.with(object{"metadata": object{"attempt_id": "att-1"}})
	succeeded := func(minor int64) psp.Outcome {
		return psp.Outcome{Status: psp.Succeeded, Ref: "pi_1", PaymentRef: "pi_1", Amount: money.New(minor, "EUR"), RequestID: "req_1"}
	}
	declined := func(reason payment.DeclineReason, code string) psp.Outcome {
		return psp.Outcome{
			Status: psp.Declined, Ref: "pi_1", PaymentRef: "pi_1", Decline: reason, Code: code, RequestID: "req_1",
		}
	}
	working := psp.Outcome{
		Status: psp.Processing, Ref: "pi_1", PaymentRef: "pi_1", CheckAfter: 15 * time.Minute, RequestID: "req_1",
	}
	none := psp.Outcome{}
	for _, tc := range []struct {
		op     payment.Operation
		intent object
		want   psp.Outcome
		class  payment.Class
	}{
		{payment.OpCapture, paid, succeeded(1000), ""},
		{payment.OpCapture, elsewhere, declined(payment.DeclinedOther, "already_captured"), ""},
		{payment.OpCapture, anIntent("processing"), working, ""},
		{payment.OpCapture, anIntent("canceled"), declined(payment.Cancelled, ""), ""},
		{
			payment.OpCapture, anIntent("canceled").with(object{"cancellation_reason": "automatic"}),
			declined(payment.TimedOut, payment.CodeAuthorizationExpired), "",
		},
		{payment.OpCapture, anIntent("requires_payment_method"), declined(payment.DeclinedOther, ""), ""},
		{payment.OpCapture, anIntent("requires_capture"), none, payment.NotFound},
		{payment.OpCapture, anIntent("requires_action"), none, payment.Conflict},
		{payment.OpCapture, anIntent("requires_confirmation"), none, payment.Conflict},
		{payment.OpCapture, anIntent("later"), none, payment.Unknown},
		{payment.OpCapture, paid.with(object{"livemode": true}), none, payment.Bug},
		{payment.OpVoid, anIntent("canceled"), succeeded(1230), ""},
		{payment.OpVoid, anIntent("processing"), working, ""},
		{payment.OpVoid, paid, declined(payment.DeclinedOther, "payment_intent_succeeded"), ""},
		{payment.OpVoid, anIntent("requires_capture"), none, payment.NotFound},
		{payment.OpVoid, anIntent("requires_payment_method"), none, payment.NotFound},
		{payment.OpVoid, anIntent("later"), none, payment.Unknown},
		{payment.OpReversal, anIntent("canceled"), succeeded(1230), ""},
		{payment.OpReversal, anIntent("requires_capture"), none, payment.NotFound},
	} {
		t.Run(string(tc.op)+" of a payment that is "+tc.intent["status"].(string), func(t *testing.T) {
			t.Parallel()
			out, err := scripted(t, ok(tc.intent.json(t))).Inquire(t.Context(), account(), moveRef(tc.op))
			require.Equal(t, tc.class, payment.ClassOf(orNil(err), ""))
			require.Equal(t, tc.want, out)
		})
	}
}

// orNil stands for the absence of an error where a class is wanted.
func orNil(err error) error {
	if err == nil {
		return &payment.Error{}
	}
	return err
}

func TestRefundStatuses(t *testing.T) {
	t.Parallel()
	full := psp.Outcome{Ref: "re_1", PaymentRef: "pi_1", Amount: money.New(1230, "EUR"), RequestID: "req_1"}
	as := func(status psp.Status, reason payment.DeclineReason, code string, again time.Duration) psp.Outcome {
		out := full
		out.Status, out.Decline, out.Code, out.CheckAfter = status, reason, code, again
		return out
	}
	for _, tc := range []struct {
		refund object
		want   psp.Outcome
	}{
		{aRefund("succeeded"), as(psp.Succeeded, "", "", 0)},
		{aRefund("pending"), as(psp.Processing, "", "", 15*time.Minute)},
		{aRefund("requires_action"), as(psp.Processing, "", "", 15*time.Minute)},
		{aRefund("canceled"), as(psp.Declined, payment.Cancelled, "canceled", 0)},
		{
			aRefund("failed").with(object{"failure_reason": "expired_or_canceled_card"}),
			as(psp.Declined, payment.ExpiredCard, "expired_or_canceled_card", 0),
		},
		{
			aRefund("failed").with(object{"failure_reason": "lost_or_stolen_card"}),
			as(psp.Declined, payment.LostOrStolen, "lost_or_stolen_card", 0),
		},
		{
			aRefund("failed").with(object{"failure_reason": "insufficient_funds"}),
			as(psp.Declined, payment.InsufficientFunds, "insufficient_funds", 0),
		},
		{
			aRefund("failed").with(object{"failure_reason": "charge_for_pending_refund_disputed"}),
			as(psp.Declined, payment.DeclinedOther, "charge_for_pending_refund_disputed", 0),
		},
		{aRefund("failed").with(object{"failure_reason": "declined"}), as(psp.Declined, payment.DeclinedOther, "declined", 0)},
		{
			aRefund("failed").with(object{"failure_reason": "merchant_request"}),
			as(psp.Declined, payment.Cancelled, "merchant_request", 0),
		},
		{aRefund("failed"), as(psp.Declined, payment.DeclinedOther, "", 0)},
		{aRefund("failed").with(object{"failure_reason": "unknown"}), as(psp.Declined, payment.DeclinedOther, "unknown", 0)},
	} {
		t.Run("a refund that is "+tc.refund["status"].(string), func(t *testing.T) {
			t.Parallel()
			s := scripted(t, ok(tc.refund.json(t)), ok(tc.refund.json(t)))
			out, err := s.Refund(t.Context(), account(), move())
			require.NoError(t, err)
			require.Equal(t, tc.want, out)
			ref := moveRef(payment.OpRefund)
			ref.Ref = "re_1"
			out, err = s.Inquire(t.Context(), account(), ref)
			require.NoError(t, err)
			require.Equal(t, tc.want, out)
			require.Equal(t, "GET /v1/refunds/re_1", s.requests()[1])
		})
	}
	for rule, refund := range map[string]object{
		"a refund with a status of tomorrow": aRefund("sleeping"),
		"a refund without status":            aRefund("").with(object{"status": nil}),
		"a refund in no currency":            aRefund("succeeded").with(object{"currency": ""}),
	} {
		t.Run(rule+" is Unknown", func(t *testing.T) {
			t.Parallel()
			_, err := scripted(t, ok(refund.json(t))).Refund(t.Context(), account(), move())
			require.Equal(t, payment.Unknown, payment.ClassOf(err, ""))
		})
	}
}
