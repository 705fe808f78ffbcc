package stripe_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

func TestErrorTable(t *testing.T) {
	t.Parallel()
	const invalid, api = "invalid_request_error", "api_error"
	retry := func(a answer, wish string) answer {
		a.header = map[string]string{"Stripe-Should-Retry": wish}
		return a
	}
	for _, tc := range []struct {
		answer answer
		post   payment.Class
		get    payment.Class
	}{
		{failure(400, invalid, "parameter_missing"), payment.Invalid, payment.Invalid},
		{failure(400, invalid, ""), payment.Invalid, payment.Invalid},
		{failure(404, invalid, ""), payment.Invalid, payment.Invalid},
		{failure(404, invalid, "resource_missing"), payment.Unauthorized, payment.Unauthorized},
		{failure(400, invalid, "resource_missing"), payment.Unauthorized, payment.Unauthorized},
		{failure(401, invalid, ""), payment.Unauthorized, payment.Unauthorized},
		{failure(403, invalid, ""), payment.Unauthorized, payment.Unauthorized},
		{failure(401, invalid, "api_key_expired"), payment.Unauthorized, payment.Unauthorized},
		{failure(400, invalid, "testmode_charges_only"), payment.Unauthorized, payment.Unauthorized},
		{failure(400, "idempotency_error", ""), payment.Conflict, payment.Conflict},
		{failure(409, invalid, "idempotency_key_in_use"), payment.Unknown, payment.Unknown},
		{failure(409, "idempotency_error", ""), payment.Conflict, payment.Conflict},
		{failure(409, invalid, ""), payment.Conflict, payment.Conflict},
		{retry(failure(409, invalid, ""), "true"), payment.RateLimited, payment.RateLimited},
		{retry(failure(409, invalid, "idempotency_key_in_use"), "true"), payment.Unknown, payment.Unknown},
		{failure(429, invalid, "rate_limit"), payment.RateLimited, payment.RateLimited},
		{failure(429, invalid, "lock_timeout"), payment.RateLimited, payment.RateLimited},
		{answer{status: 429}, payment.RateLimited, payment.RateLimited},
		{failure(409, invalid, "charge_already_refunded"), payment.Conflict, payment.Conflict},
		{failure(402, invalid, ""), payment.Conflict, payment.Conflict},
		{failure(500, api, ""), payment.Unknown, payment.Unavailable},
		{failure(502, api, ""), payment.Unknown, payment.Unavailable},
		{failure(503, api, ""), payment.Unknown, payment.Unavailable},
		{failure(504, api, ""), payment.Unknown, payment.Unavailable},
		{retry(failure(500, api, ""), "true"), payment.Unknown, payment.Unavailable},
		{retry(failure(500, api, ""), "false"), payment.Unknown, payment.Unavailable},
		{failure(408, invalid, ""), payment.Unknown, payment.Unavailable},
		{failure(418, invalid, ""), payment.Unknown, payment.Unavailable},
		// Without Stripe's envelope something in between has answered.
		{answer{status: 400, body: "<html>"}, payment.Unknown, payment.Unavailable},
		{answer{status: 401, body: "{}"}, payment.Unknown, payment.Unavailable},
		{answer{status: 403, body: `{"error":"blocked"}`}, payment.Unknown, payment.Unavailable},
		{answer{status: 404}, payment.Unknown, payment.Unavailable},
		{answer{status: 302, header: map[string]string{"Location": "/elsewhere"}}, payment.Unknown, payment.Unavailable},
		{answer{status: 304}, payment.Unknown, payment.Unavailable},
		// An answer that cannot be read tells nothing either.
		{answer{status: 200, body: "not json"}, payment.Unknown, payment.Unavailable},
		{answer{status: 200, body: ""}, payment.Unknown, payment.Unavailable},
		{answer{status: 200, body: `{"id":"re_1","amount":"many"}`}, payment.Unknown, payment.Unavailable},
	} {
		t.Run(fmt.Sprintf("%d %.60s", tc.answer.status, tc.answer.body), func(t *testing.T) {
			t.Parallel()
			s := scripted(t, tc.answer, tc.answer)
			_, err := s.Refund(t.Context(), account(), move())
			require.Error(t, err)
			require.Equal(t, tc.post, payment.ClassOf(err, ""), "POST: %v", err)
			require.NotContains(t, err.Error(), testKey, "Stripe's prose is not repeated")
			_, err = s.Inquire(t.Context(), account(), moveRef(payment.OpCapture))
			require.Error(t, err)
			require.Equal(t, tc.get, payment.ClassOf(err, ""), "GET: %v", err)
			require.Len(t, s.requests(), 2, "nothing is followed or repeated")
		})
	}
}

func TestErrorsNameWhatSupportNeeds(t *testing.T) {
	t.Parallel()
	refused := answer{
		status: 400, body: `{"error":{"type":"invalid_request_error","code":"url_invalid","param":"success_url"}}`,
		header: map[string]string{"Idempotent-Replayed": "true"},
	}
	_, err := scripted(t, refused).OpenCheckout(t.Context(), account(), checkout())
	var failed *payment.Error
	require.ErrorAs(t, err, &failed)
	require.Equal(t, "url_invalid", failed.Code)
	for _, part := range []string{"/v1/checkout/sessions", "req_1", "400", "success_url", "replayed"} {
		require.ErrorContains(t, err, part)
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-7": 0, "soon": 0, "999999": time.Hour, "99999999999999999999": 0,
		noon.Add(90 * time.Second).Format(http.TimeFormat): 90 * time.Second,
		noon.Add(-time.Hour).Format(http.TimeFormat):       0,
	} {
		a := failure(429, "invalid_request_error", "rate_limit")
		a.header = map[string]string{"Retry-After": header}
		_, err := scripted(t, a).Refund(t.Context(), account(), move())
		var failed *payment.Error
		require.ErrorAs(t, err, &failed)
		require.Equal(t, want, failed.RetryAfter, header)
	}
}

func TestDeclines(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		status        int
		code, decline string
		want          payment.DeclineReason
		shown         string
	}{
		{402, "card_declined", "insufficient_funds", payment.InsufficientFunds, "insufficient_funds"},
		{402, "card_declined", "generic_decline", payment.DeclinedOther, "generic_decline"},
		{402, "card_declined", "do_not_honor", payment.DeclinedOther, "do_not_honor"},
		{402, "card_declined", "lost_card", payment.LostOrStolen, "lost_card"},
		{402, "card_declined", "stolen_card", payment.LostOrStolen, "stolen_card"},
		{402, "card_declined", "pickup_card", payment.LostOrStolen, "pickup_card"},
		{402, "card_declined", "fraudulent", payment.Fraud, "fraudulent"},
		{402, "card_declined", "merchant_blacklist", payment.Fraud, "merchant_blacklist"},
		{402, "card_declined", "security_violation", payment.Fraud, "security_violation"},
		{402, "card_declined", "restricted_card", payment.Fraud, "restricted_card"},
		{402, "request_blocked", "", payment.Fraud, "request_blocked"},
		{402, "card_declined", "card_not_supported", payment.NotSupported, "card_not_supported"},
		{402, "card_declined", "currency_not_supported", payment.NotSupported, "currency_not_supported"},
		{402, "card_declined", "authentication_required", payment.AuthenticationFailed, "authentication_required"},
		{402, "authentication_required", "", payment.AuthenticationFailed, "authentication_required"},
		{402, "payment_intent_authentication_failure", "", payment.AuthenticationFailed, "payment_intent_authentication_failure"},
		{402, "expired_card", "expired_card", payment.ExpiredCard, "expired_card"},
		{402, "incorrect_cvc", "incorrect_cvc", payment.IncorrectCVC, "incorrect_cvc"},
		{402, "incorrect_number", "", payment.IncorrectNumber, "incorrect_number"},
		{402, "incorrect_cvc", "a_new_word", payment.IncorrectCVC, "a_new_word"},
		{402, "processing_error", "processing_error", payment.ProcessingError, "processing_error"},
		{402, "card_declined", "try_again_later", payment.ProcessingError, "try_again_later"},
		{402, "card_declined", "issuer_not_available", payment.ProcessingError, "issuer_not_available"},
		{402, "insufficient_funds", "", payment.InsufficientFunds, "insufficient_funds"},
		{429, "card_decline_rate_limit_exceeded", "", payment.TooManyAttempts, "card_decline_rate_limit_exceeded"},
		{400, "amount_too_small", "", payment.AmountTooSmall, "amount_too_small"},
		{400, "amount_too_large", "", payment.AmountTooLarge, "amount_too_large"},
		{400, "balance_insufficient", "", payment.DeclinedOther, "balance_insufficient"},
		{400, "charge_disputed", "", payment.DeclinedOther, "charge_disputed"},
	} {
		t.Run(tc.code+" "+tc.decline+" is a decline, not an error", func(t *testing.T) {
			t.Parallel()
			kind := "invalid_request_error"
			if tc.status == http.StatusPaymentRequired {
				kind = "card_error"
			}
			refused := answer{status: tc.status, body: object{"error": object{
				"type": kind, "code": tc.code, "decline_code": tc.decline,
			}}.json(t)}
			s := scripted(t, refused, refused, refused, refused)
			for _, send := range []func() (psp.Outcome, error){
				func() (psp.Outcome, error) { return s.OpenCheckout(t.Context(), account(), checkout()) },
				func() (psp.Outcome, error) { return s.Capture(t.Context(), account(), move()) },
				func() (psp.Outcome, error) { return s.Void(t.Context(), account(), move()) },
				func() (psp.Outcome, error) { return s.Refund(t.Context(), account(), move()) },
			} {
				out, err := send()
				require.NoError(t, err)
				require.Equal(t, psp.Outcome{Status: psp.Declined, Decline: tc.want, Code: tc.shown, RequestID: "req_1"}, out)
			}
		})
	}
	t.Run("a code that is no code does not get into rows", func(t *testing.T) {
		t.Parallel()
		body := object{"error": object{"type": "card_error", "code": "a b\nc"}}.json(t)
		out, err := scripted(t, answer{status: 402, body: body}).Refund(t.Context(), account(), move())
		require.NoError(t, err)
		require.Empty(t, out.Code)
	})
}

func TestRefusalsOfCapturesAndVoids(t *testing.T) {
	t.Parallel()
	state := failure(400, "invalid_request_error", "payment_intent_unexpected_state")
	taken := anIntent("succeeded").with(object{"amount_received": 1000, "metadata": object{"capture_attempt_id": "att-2"}})
	byOthers := taken.with(object{"metadata": object{"capture_attempt_id": "att-9"}})
	lapsed := anIntent("canceled").with(object{"cancellation_reason": "automatic"})
	for _, tc := range []struct {
		rule   string
		send   func(s *script) (psp.Outcome, error)
		intent object
		want   psp.Outcome
	}{
		{"a capture of what this attempt captured", capture, taken, psp.Outcome{Status: psp.Succeeded, Amount: money.New(1000, "EUR")}},
		{
			"a capture of what another captured", capture, byOthers,
			psp.Outcome{Status: psp.Declined, Decline: payment.DeclinedOther, Code: "already_captured"},
		},
		{
			"a capture of a hold that is over", capture, lapsed,
			psp.Outcome{Status: psp.Declined, Decline: payment.TimedOut, Code: payment.CodeAuthorizationExpired},
		},
		{
			"a capture of a hold that was given back", capture, anIntent("canceled").with(object{"cancellation_reason": "duplicate"}),
			psp.Outcome{Status: psp.Declined, Decline: payment.Cancelled, Code: "duplicate"},
		},
		{"a void of a hold that is over", void, lapsed, psp.Outcome{Status: psp.Succeeded, Code: "automatic", Amount: money.New(1230, "EUR")}},
		{
			"a void of what was captured", void, taken,
			psp.Outcome{Status: psp.Declined, Decline: payment.DeclinedOther, Code: "payment_intent_succeeded"},
		},
	} {
		t.Run(tc.rule+" is decided by a look", func(t *testing.T) {
			t.Parallel()
			s := scripted(t, state, ok(tc.intent.json(t)))
			out, err := tc.send(s)
			require.NoError(t, err)
			tc.want.Ref, tc.want.PaymentRef, tc.want.RequestID = "pi_1", "pi_1", "req_1"
			require.Equal(t, tc.want, out)
			require.Len(t, s.requests(), 2)
		})
	}
	for rule, look := range map[string]answer{
		"a payment that is held after all": ok(anIntent("requires_capture").json(t)),
		"a look that fails":                failure(500, "api_error", ""),
		"a status of tomorrow":             ok(anIntent("settling").json(t)),
		"a payment of the other mode":      ok(taken.with(object{"livemode": true}).json(t)),
	} {
		t.Run(rule+" leaves a Conflict that names both", func(t *testing.T) {
			t.Parallel()
			for _, send := range []func(*script) (psp.Outcome, error){capture, void} {
				_, err := send(scripted(t, state, look))
				require.Equal(t, payment.Conflict, payment.ClassOf(err, ""), "%v", err)
				require.ErrorContains(t, err, "payment_intent_unexpected_state")
			}
		})
	}
	for _, code := range []string{"charge_expired_for_capture", "capture_charge_authorization_expired"} {
		t.Run(code+" needs no look", func(t *testing.T) {
			t.Parallel()
			s := scripted(t, failure(400, "invalid_request_error", code))
			out, err := capture(s)
			require.NoError(t, err)
			require.Equal(t, psp.Outcome{
				Status: psp.Declined, Decline: payment.TimedOut, Code: payment.CodeAuthorizationExpired, RequestID: "req_1",
			}, out)
			require.Len(t, s.requests(), 1)
		})
	}
}

func capture(s *script) (psp.Outcome, error) {
	return s.Capture(context.Background(), account(), move())
}

func void(s *script) (psp.Outcome, error) {
	return s.Void(context.Background(), account(), move())
}

func TestRefusalsOfRefunds(t *testing.T) {
	t.Parallel()
	refusal := func(code, param string) answer {
		return answer{status: 400, body: object{"error": object{
			"type": "invalid_request_error", "code": code, "param": param, "message": "Refund amount is greater",
		}}.json(t)}
	}
	for _, tc := range []struct {
		answer answer
		want   payment.DeclineReason
		code   string
	}{
		{refusal("charge_already_refunded", ""), payment.DeclinedOther, "charge_already_refunded"},
		{refusal("charge_disputed", ""), payment.DeclinedOther, "charge_disputed"},
		{refusal("refund_disputed_payment", ""), payment.DeclinedOther, "refund_disputed_payment"},
		{refusal("balance_insufficient", ""), payment.DeclinedOther, "balance_insufficient"},
		{refusal("payment_intent_unexpected_state", ""), payment.DeclinedOther, "payment_intent_unexpected_state"},
		{refusal("intent_invalid_state", ""), payment.DeclinedOther, "intent_invalid_state"},
		{refusal("amount_too_large", "amount"), payment.AmountTooLarge, "amount_too_large"},
		{refusal("", "amount"), payment.AmountTooLarge, "amount_too_large"},
	} {
		t.Run(tc.code+" is decided, and stays so when it is replayed", func(t *testing.T) {
			t.Parallel()
			replayed := tc.answer
			replayed.header = map[string]string{"Idempotent-Replayed": "true"}
			s := scripted(t, tc.answer, replayed)
			for range 2 {
				out, err := s.Refund(t.Context(), account(), move())
				require.NoError(t, err)
				require.Equal(t, psp.Outcome{Status: psp.Declined, Decline: tc.want, Code: tc.code, RequestID: "req_1"}, out)
			}
		})
	}
	t.Run("what is called wrong stays Invalid", func(t *testing.T) {
		t.Parallel()
		s := scripted(t, refusal("parameter_invalid_integer", "amount"), refusal("", "reason"))
		for range 2 {
			_, err := s.Refund(t.Context(), account(), move())
			require.Equal(t, payment.Invalid, payment.ClassOf(err, ""))
		}
	})
}
