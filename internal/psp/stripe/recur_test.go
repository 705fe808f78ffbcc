package stripe_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

func recurring() psp.Recurring {
	return psp.Recurring{
		AttemptID: "att-3", Key: "tf:p:charge:3", Customer: "cus_1", Method: "pm_1", Amount: money.New(1230, "EUR"),
	}
}

// aMethod is a kept card.
func aMethod() object {
	return object{
		"id": "pm_1", "object": "payment_method", "type": "card", "customer": "cus_1",
		"card": object{"brand": "visa", "last4": "4242", "exp_month": 8, "exp_year": 2027},
	}
}

// anUnwatched is the payment of a charge of a kept method.
func anUnwatched(status string) object {
	return anIntent(status).with(object{"metadata": object{"attempt_id": "att-3", "kind": "recurring"}})
}

func TestMethodOf(t *testing.T) {
	t.Parallel()
	paid := anIntent("succeeded").with(object{"setup_future_usage": "off_session", "payment_method": aMethod()})
	for name, tc := range map[string]struct {
		intent object
		want   psp.Method
		class  payment.Class
	}{
		"a card is named by its brand and its end": {paid, psp.Method{
			Customer: "cus_1", Ref: "pm_1", Kind: "card", Label: "visa 4242", ExpiresYear: 2027, ExpiresMonth: 8,
		}, ""},
		"a bank debit does not end": {paid.with(object{"payment_method": object{
			"id": "pm_2", "type": "sepa_debit", "customer": object{"id": "cus_1"}, "sepa_debit": object{"last4": "3000"},
		}}), psp.Method{Customer: "cus_1", Ref: "pm_2", Kind: "sepa_debit", Label: "SEPA 3000"}, ""},
		"a type that we do not know is named by itself": {paid.with(object{"payment_method": object{
			"id": "pm_3", "type": "new_wallet", "customer": "cus_1",
		}}), psp.Method{Customer: "cus_1", Ref: "pm_3", Kind: "new_wallet", Label: "new_wallet"}, ""},
		"a method of nobody is none":                          {paid.with(object{"payment_method": aMethod().with(object{"customer": nil})}), psp.Method{}, payment.NotFound},
		"a method that was not asked to stay is none":         {paid.with(object{"setup_future_usage": nil}), psp.Method{}, payment.NotFound},
		"a payment without a method left none":                {paid.with(object{"payment_method": nil}), psp.Method{}, payment.NotFound},
		"what is not paid has left nothing yet":               {paid.with(object{"status": "requires_payment_method"}), psp.Method{}, payment.Conflict},
		"what is not shown is not known":                      {paid.with(object{"payment_method": "pm_1"}), psp.Method{}, payment.Unavailable},
		"a payment of the other mode is none that we may use": {paid.with(object{"livemode": true}), psp.Method{}, payment.Bug},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := scripted(t, ok(tc.intent.json(t)))
			m, err := s.MethodOf(t.Context(), account(), "pi_1")
			require.Equal(t, []string{"GET /v1/payment_intents/pi_1?expand%5B%5D=payment_method"}, s.requests())
			if tc.class != "" {
				require.Equal(t, tc.class, payment.ClassOf(err, ""))
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.want, m)
		})
	}
}

// declinedAnswer is a 402 with the payment that it is about.
func declinedAnswer(t *testing.T, code, declineCode, advice string) answer {
	t.Helper()
	return answer{status: http.StatusPaymentRequired, body: object{"error": object{
		"type": "card_error", "code": code, "decline_code": declineCode, "advice_code": advice,
		"payment_intent": anUnwatched("requires_payment_method"),
	}}.json(t)}
}

func TestDeclinesOfAKeptMethod(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		code, decline, advice string
		want                  payment.DeclineReason
	}{
		{"card_declined", "insufficient_funds", "try_again_later", payment.InsufficientFunds},
		{"expired_card", "", "confirm_card_data", payment.ExpiredCard},
		{"authentication_required", "authentication_required", "", payment.AuthenticationFailed},
		{"card_declined", "stolen_card", "do_not_try_again", payment.LostOrStolen},
		{"card_declined", "generic_decline", "try_again_later", payment.DeclinedOther},
		{"card_declined", "generic_decline", "", payment.DeclinedOther},
		{"card_declined", "do_not_honor", "do_not_try_again", payment.Cancelled},
		{"card_declined", "do_not_honor", "confirm_card_data", payment.IncorrectNumber},
		{"card_declined", "revocation_of_authorization", "", payment.Cancelled},
		{"card_declined", "stop_payment_order", "", payment.Cancelled},
	} {
		t.Run(tc.decline+" with the advice "+tc.advice+" is "+string(tc.want), func(t *testing.T) {
			t.Parallel()
			s := scripted(t, declinedAnswer(t, tc.code, tc.decline, tc.advice))
			out, err := s.ChargeMethod(t.Context(), account(), recurring())
			require.NoError(t, err)
			code := tc.decline
			if code == "" {
				code = tc.code
			}
			require.Equal(t, psp.Outcome{
				Status: psp.Declined, Ref: "pi_1", PaymentRef: "pi_1", Decline: tc.want, Code: code, RequestID: "req_1",
			}, out)
		})
		t.Run("a look reads the same", func(t *testing.T) {
			t.Parallel()
			s := scripted(t, ok(anUnwatched("requires_payment_method").with(object{"last_payment_error": object{
				"type": "card_error", "code": tc.code, "decline_code": tc.decline, "advice_code": tc.advice,
			}}).json(t)))
			out, err := s.Inquire(t.Context(), account(), unwatchedRef())
			require.NoError(t, err)
			require.Equal(t, psp.Declined, out.Status)
			require.Equal(t, tc.want, out.Decline)
		})
	}
}

func unwatchedRef() psp.Ref {
	return psp.Ref{AttemptID: "att-3", Operation: payment.OpCharge, Kind: payment.Sale, Customer: "cus_1", Ref: "pi_1", FirstSent: noon}
}

func TestAnswersToAChargeOfAKeptMethod(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]psp.Status{
		"succeeded": psp.Succeeded, "processing": psp.Processing, "requires_action": psp.Declined,
		"requires_payment_method": psp.Declined, "canceled": psp.Declined,
	} {
		t.Run(status+" is "+string(want), func(t *testing.T) {
			t.Parallel()
			s := scripted(t, ok(anUnwatched(status).with(object{"amount_received": 1230}).json(t)))
			out, err := s.ChargeMethod(t.Context(), account(), recurring())
			require.NoError(t, err)
			require.Equal(t, want, out.Status)
			require.Equal(t, "pi_1", out.Ref)
		})
	}
	t.Run("a status that we do not know is Unknown", func(t *testing.T) {
		t.Parallel()
		s := scripted(t, ok(anUnwatched("requires_luck").json(t)))
		_, err := s.ChargeMethod(t.Context(), account(), recurring())
		require.Equal(t, payment.Unknown, payment.ClassOf(err, ""))
	})
	t.Run("the payment of another attempt is never taken for ours", func(t *testing.T) {
		t.Parallel()
		s := scripted(t, ok(anIntent("succeeded").json(t)))
		_, err := s.Inquire(t.Context(), account(), unwatchedRef())
		require.Equal(t, payment.Bug, payment.ClassOf(err, ""))
	})
	t.Run("an amount that Stripe cannot take is declined and not sent", func(t *testing.T) {
		t.Parallel()
		s := scripted(t)
		r := recurring()
		r.Amount = money.New(12341, "BHD")
		out, err := s.ChargeMethod(t.Context(), account(), r)
		require.NoError(t, err)
		require.Equal(t, payment.NotSupported, out.Decline)
		require.Empty(t, s.requests())
	})
}

func TestAMethodThatIsGone(t *testing.T) {
	t.Parallel()
	refused, unknown := failure(http.StatusBadRequest, "invalid_request_error", ""), failure(http.StatusNotFound, "invalid_request_error", "resource_missing")
	for name, tc := range map[string]struct {
		looks []answer
		class payment.Class // empty: declined
	}{
		"detached from its customer":                        {[]answer{ok(aMethod().with(object{"customer": nil}).json(t))}, ""},
		"of another customer":                               {[]answer{ok(aMethod().with(object{"customer": "cus_2"}).json(t))}, ""},
		"not known, though its customer is":                 {[]answer{unknown, ok(`{"id":"cus_1","deleted":true}`)}, ""},
		"still there: the refusal stands":                   {[]answer{ok(aMethod().json(t))}, payment.Invalid},
		"nor its customer known: keys of another account":   {[]answer{unknown, unknown}, payment.Unauthorized},
		"not to be seen now: nobody is asked for a new one": {[]answer{failure(http.StatusInternalServerError, "api_error", "")}, payment.Unavailable},
	} {
		t.Run("a method that is "+name, func(t *testing.T) {
			t.Parallel()
			s := scripted(t, append([]answer{refused}, tc.looks...)...)
			out, err := s.ChargeMethod(t.Context(), account(), recurring())
			require.Len(t, s.requests(), 1+len(tc.looks))
			if tc.class != "" {
				require.Error(t, err)
				require.Equal(t, tc.class, payment.ClassOf(err, ""))
				return
			}
			require.NoError(t, err)
			require.Equal(t, psp.Outcome{
				Status: psp.Declined, Decline: payment.NotSupported, Code: "method_gone", RequestID: "req_1",
			}, out)
		})
	}
}

func TestLookingForACharge(t *testing.T) {
	t.Parallel()
	ref := unwatchedRef()
	ref.Ref = ""
	t.Run("one among its customer's payments is found", func(t *testing.T) {
		t.Parallel()
		s := scripted(t, ok(object{"data": []object{anIntent("succeeded"), anUnwatched("succeeded")}}.json(t)),
			ok(anUnwatched("succeeded").with(object{"amount_received": 1230}).json(t)))
		out, err := s.Inquire(t.Context(), account(), ref)
		require.NoError(t, err)
		require.Equal(t, psp.Succeeded, out.Status)
	})
	t.Run("one that the list of payments hides is found by its charge", func(t *testing.T) {
		t.Parallel()
		s := scripted(t, ok(`{"data":[]}`),
			ok(object{"data": []object{{"id": "ch_1", "payment_intent": "pi_1", "metadata": object{"attempt_id": "att-3"}}}}.json(t)),
			ok(anUnwatched("succeeded").with(object{"amount_received": 1230}).json(t)))
		out, err := s.Inquire(t.Context(), account(), ref)
		require.NoError(t, err)
		require.Equal(t, psp.Succeeded, out.Status)
		require.Equal(t, "pi_1", out.PaymentRef)
	})
	t.Run("one that neither list has is NotFound, and it takes both", func(t *testing.T) {
		t.Parallel()
		s := scripted(t, ok(`{"data":[]}`), ok(`{"data":[]}`))
		_, err := s.Inquire(t.Context(), account(), ref)
		require.Equal(t, payment.NotFound, payment.ClassOf(err, ""))
		s = scripted(t, ok(`{"data":[]}`), failure(http.StatusInternalServerError, "api_error", ""))
		_, err = s.Inquire(t.Context(), account(), ref)
		require.Equal(t, payment.Unavailable, payment.ClassOf(err, ""))
	})
}
