package stripe_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

func list(t *testing.T, more bool, elements ...object) answer {
	t.Helper()
	if elements == nil {
		elements = []object{}
	}
	return ok(object{"object": "list", "data": elements, "has_more": more}.json(t))
}

func foreign(n int) object {
	return aSession().with(object{"id": fmt.Sprintf("cs_other_%d", n), "client_reference_id": "somebody-else"})
}

func TestLookingForALostCheckout(t *testing.T) {
	t.Parallel()
	lost := func(sent time.Time) psp.Ref {
		ref := chargeRef()
		ref.Ref, ref.FirstSent = "", sent
		return ref
	}
	t.Run("pages are turned until it is found", func(t *testing.T) {
		t.Parallel()
		s := scripted(t, list(t, true, foreign(1), foreign(2)), list(t, true, foreign(3), aSession()), ok(aSession().json(t)))
		out, err := s.Inquire(t.Context(), account(), lost(noon))
		require.NoError(t, err)
		require.Equal(t, "cs_1", out.Ref)
		require.Len(t, s.requests(), 3)
		require.NotContains(t, s.requests()[0], "starting_after")
		require.Contains(t, s.requests()[1], "starting_after=cs_other_2")
		require.Contains(t, s.requests()[2], "/v1/checkout/sessions/cs_1?")
	})
	t.Run("absence just after sending takes one look", func(t *testing.T) {
		t.Parallel()
		s := scripted(t, list(t, false, foreign(1)))
		_, err := s.Inquire(t.Context(), account(), lost(noon))
		require.Equal(t, payment.NotFound, payment.ClassOf(err, ""))
		require.Len(t, s.requests(), 1)
	})
	t.Run("absence later counts only after the time of repeated sends was searched too", func(t *testing.T) {
		t.Parallel()
		s := scripted(t, list(t, false), list(t, false))
		_, err := s.Inquire(t.Context(), account(), lost(noon.Add(-time.Hour)))
		require.Equal(t, payment.NotFound, payment.ClassOf(err, ""))
		require.Len(t, s.requests(), 2)
	})
	t.Run("a checkout that a repeated send created is found", func(t *testing.T) {
		t.Parallel()
		s := scripted(t, list(t, false), list(t, false, aSession()), ok(aSession().json(t)))
		out, err := s.Inquire(t.Context(), account(), lost(noon.Add(-time.Hour)))
		require.NoError(t, err)
		require.Equal(t, psp.Open, out.Status)
	})
	t.Run("a list too long to read is not absence", func(t *testing.T) {
		t.Parallel()
		var pages []answer
		for n := range 25 {
			pages = append(pages, list(t, true, foreign(n)))
		}
		s := scripted(t, pages...)
		_, err := s.Inquire(t.Context(), account(), lost(noon))
		require.Equal(t, payment.Unavailable, payment.ClassOf(err, ""))
		require.Len(t, s.requests(), 20)
	})
	t.Run("a page that fails is not absence", func(t *testing.T) {
		t.Parallel()
		s := scripted(t, list(t, true, foreign(1)), failure(500, "api_error", ""))
		_, err := s.Inquire(t.Context(), account(), lost(noon))
		require.Equal(t, payment.Unavailable, payment.ClassOf(err, ""))
	})
	t.Run("a known payment names its checkout", func(t *testing.T) {
		t.Parallel()
		s := scripted(t, list(t, false, aSession()), ok(aSession().json(t)))
		ref := lost(time.Time{})
		ref.PaymentRef = "pi_1"
		_, err := s.Inquire(t.Context(), account(), ref)
		require.NoError(t, err)
		require.Contains(t, s.requests()[0], "payment_intent=pi_1")
	})
	t.Run("an id that Stripe gave us and no longer knows is not absence", func(t *testing.T) {
		t.Parallel()
		s := scripted(t, failure(404, "invalid_request_error", "resource_missing"))
		_, err := s.Inquire(t.Context(), account(), chargeRef())
		require.Equal(t, payment.Unauthorized, payment.ClassOf(err, ""))
	})
}

func TestLookingForARefund(t *testing.T) {
	t.Parallel()
	other := aRefund("succeeded").with(object{"id": "re_other", "metadata": object{"attempt_id": "att-1"}})
	byHand := aRefund("succeeded").with(object{"id": "re_dashboard", "metadata": object{}})
	t.Run("only the refund of the attempt counts", func(t *testing.T) {
		t.Parallel()
		s := scripted(t, list(t, true, other, byHand), list(t, false, aRefund("pending")))
		out, err := s.Inquire(t.Context(), account(), moveRef(payment.OpRefund))
		require.NoError(t, err)
		require.Equal(t, "re_1", out.Ref)
		require.Equal(t, psp.Processing, out.Status)
	})
	charged := func(refunded int) answer {
		return ok(anIntent("succeeded").with(object{"latest_charge": object{"id": "ch_1", "amount_refunded": refunded}}).json(t))
	}
	onItsWay := byHand.with(object{"id": "re_pending", "status": "pending", "amount": 70})
	failed := byHand.with(object{"id": "re_failed", "status": "failed"})
	for rule, tc := range map[string]struct {
		listed []object
		charge answer
		want   payment.Class
	}{
		"explain the charge's total are absence":        {[]object{other, byHand, failed}, charged(2460), payment.NotFound},
		"are pending, which the total counts":           {[]object{other, onItsWay}, charged(1300), payment.NotFound},
		"are pending, which the total does not count":   {[]object{other, onItsWay}, charged(1230), payment.NotFound},
		"are none, and the total is nothing":            {nil, charged(0), payment.NotFound},
		"are none of a payment without a charge":        {nil, ok(anIntent("requires_payment_method").json(t)), payment.NotFound},
		"are less than the total are not all there are": {[]object{other}, charged(2460), payment.Unavailable},
		"are more than the total prove nothing":         {[]object{other, byHand}, charged(1230), payment.Unavailable},
		"cannot be compared with the total":             {nil, failure(500, "api_error", ""), payment.Unavailable},
		"cannot be compared with a charge not expanded": {nil, ok(anIntent("succeeded").with(object{"latest_charge": "ch_1"}).json(t)), payment.Unknown},
		"are compared with one of the other mode":       {nil, ok(anIntent("succeeded").with(object{"livemode": true}).json(t)), payment.Bug},
	} {
		t.Run("refunds of others that "+rule, func(t *testing.T) {
			t.Parallel()
			s := scripted(t, list(t, false, tc.listed...), tc.charge)
			_, err := s.Inquire(t.Context(), account(), moveRef(payment.OpRefund))
			require.Equal(t, tc.want, payment.ClassOf(err, ""), "%v", err)
		})
	}
	t.Run("the reversal of captured money is a refund", func(t *testing.T) {
		t.Parallel()
		paid := anIntent("succeeded").with(object{"amount_received": 1230})
		s := scripted(t, ok(paid.json(t)), list(t, false, aRefund("succeeded")))
		out, err := s.Inquire(t.Context(), account(), moveRef(payment.OpReversal))
		require.NoError(t, err)
		require.Equal(t, psp.Succeeded, out.Status)
		require.Equal(t, "re_1", out.Ref)
	})
}

func TestLookupsThatCannotBe(t *testing.T) {
	t.Parallel()
	for rule, tc := range map[string]struct {
		ref  psp.Ref
		want payment.Class
	}{
		"no attempt":               {psp.Ref{Operation: payment.OpCharge, Ref: "cs_1"}, payment.Bug},
		"no id and no time":        {psp.Ref{AttemptID: "a", Operation: payment.OpCharge}, payment.Bug},
		"a refund of no payment":   {psp.Ref{AttemptID: "a", Operation: payment.OpRefund}, payment.Bug},
		"a capture of no payment":  {psp.Ref{AttemptID: "a", Operation: payment.OpCapture}, payment.Bug},
		"a dispute":                {psp.Ref{AttemptID: "a", Operation: payment.OpDispute, PaymentRef: "pi_1"}, payment.Unsupported},
		"an operation nobody knew": {psp.Ref{AttemptID: "a", Operation: "gift", PaymentRef: "pi_1"}, payment.Unsupported},
	} {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			s := scripted(t)
			_, err := s.Inquire(t.Context(), account(), tc.ref)
			require.Equal(t, tc.want, payment.ClassOf(err, ""))
			require.Empty(t, s.requests())
		})
	}
}

func TestIdsCannotLeaveTheirPath(t *testing.T) {
	t.Parallel()
	s := scripted(t, ok(anIntent("succeeded").json(t)))
	ref := moveRef(payment.OpVoid)
	ref.PaymentRef = "../refunds?x=1#"
	_, err := s.Inquire(t.Context(), account(), ref)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(s.requests()[0], "GET /v1/payment_intents/..%2Frefunds%3Fx=1%23?expand"), s.requests()[0])
}

func TestOpening(t *testing.T) {
	t.Parallel()
	for rule, change := range map[string]func(*psp.Checkout){
		"no attempt":            func(c *psp.Checkout) { c.AttemptID = "" },
		"an attempt too long":   func(c *psp.Checkout) { c.AttemptID = strings.Repeat("a", 201) },
		"no key":                func(c *psp.Checkout) { c.Key = "" },
		"a key too long":        func(c *psp.Checkout) { c.Key = strings.Repeat("k", 256) },
		"a key with line break": func(c *psp.Checkout) { c.Key = "k\n" },
		"no kind":               func(c *psp.Checkout) { c.Kind = "" },
	} {
		t.Run(rule+" is a Bug and sends nothing", func(t *testing.T) {
			t.Parallel()
			s, c := scripted(t), checkout()
			change(&c)
			_, err := s.OpenCheckout(t.Context(), account(), c)
			require.Equal(t, payment.Bug, payment.ClassOf(err, ""))
			require.Empty(t, s.requests())
		})
	}
	t.Run("an amount that Stripe cannot express is declined and sends nothing", func(t *testing.T) {
		t.Parallel()
		s, c, m := scripted(t), checkout(), move()
		c.Amount, m.Amount = money.New(1234, "KWD"), money.New(1234, "KWD")
		opened, err := s.OpenCheckout(t.Context(), account(), c)
		require.NoError(t, err)
		captured, err := s.Capture(t.Context(), account(), m)
		require.NoError(t, err)
		refunded, err := s.Refund(t.Context(), account(), m)
		require.NoError(t, err)
		for _, out := range []psp.Outcome{opened, captured, refunded} {
			require.Equal(t, psp.Declined, out.Status)
			require.Equal(t, payment.NotSupported, out.Decline)
		}
		require.Empty(t, s.requests())
	})
	for rule, tc := range map[string]struct {
		session object
		want    payment.Class
	}{
		"an answer about another attempt":       {aSession().with(object{"client_reference_id": "att-9"}), payment.Bug},
		"an answer of the other mode":           {aSession().with(object{"livemode": true}), payment.Bug},
		"an open page without address":          {aSession().with(object{"url": nil}), payment.Unknown},
		"an open page with a dangerous address": {aSession().with(object{"url": "javascript:alert(1)"}), payment.Unknown},
		"a status of tomorrow":                  {aSession().with(object{"status": "new"}), payment.Unknown},
	} {
		t.Run(rule+" is no success", func(t *testing.T) {
			t.Parallel()
			_, err := scripted(t, ok(tc.session.json(t))).OpenCheckout(t.Context(), account(), checkout())
			require.Equal(t, tc.want, payment.ClassOf(err, ""))
		})
	}
	t.Run("a payment that did not become what was asked is Unknown", func(t *testing.T) {
		t.Parallel()
		s := scripted(t, ok(anIntent("requires_capture").json(t)), ok(anIntent("requires_capture").json(t)))
		_, err := s.Capture(t.Context(), account(), move())
		require.Equal(t, payment.Unknown, payment.ClassOf(err, ""))
		_, err = s.Void(t.Context(), account(), move())
		require.Equal(t, payment.Unknown, payment.ClassOf(err, ""))
	})
	t.Run("a move without its payment sends nothing", func(t *testing.T) {
		t.Parallel()
		s, m := scripted(t), move()
		m.PaymentRef = ""
		_, err := s.Refund(t.Context(), account(), m)
		require.Equal(t, payment.Bug, payment.ClassOf(err, ""))
		require.Empty(t, s.requests())
	})
}

func TestClosing(t *testing.T) {
	t.Parallel()
	t.Run("a page that Stripe will not close is looked at", func(t *testing.T) {
		t.Parallel()
		paid := aSession().with(object{
			"status": "complete", "payment_intent": anIntent("succeeded").with(object{"amount_received": 1230}),
		})
		s := scripted(t, failure(400, "invalid_request_error", ""), ok(paid.json(t)))
		out, err := s.CloseCheckout(t.Context(), account(), chargeRef())
		require.NoError(t, err)
		require.Equal(t, psp.Succeeded, out.Status)
		require.Equal(t, "POST /v1/checkout/sessions/cs_1/expire", s.requests()[0])
	})
	t.Run("no answer is Unknown and not looked at", func(t *testing.T) {
		t.Parallel()
		s := scripted(t, failure(500, "api_error", ""))
		_, err := s.CloseCheckout(t.Context(), account(), chargeRef())
		require.Equal(t, payment.Unknown, payment.ClassOf(err, ""))
		require.Len(t, s.requests(), 1)
	})
	t.Run("refused credentials are Unauthorized", func(t *testing.T) {
		t.Parallel()
		s := scripted(t, failure(403, "invalid_request_error", ""))
		_, err := s.CloseCheckout(t.Context(), account(), chargeRef())
		require.Equal(t, payment.Unauthorized, payment.ClassOf(err, ""))
	})
}
