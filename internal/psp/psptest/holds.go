package psptest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

func runHolds(t *testing.T, fresh func(*testing.T) Target) {
	rule(t, fresh, "an authorization holds and takes nothing", func(t *testing.T, s *story) {
		c, out := s.paid(t, payment.Authorization, eur(5000))
		require.Equal(t, psp.Authorized, out.Status)
		if !out.ExpiresAt.IsZero() {
			require.True(t, out.ExpiresAt.After(s.Now()))
		}
		e := s.entry(t, c)
		require.Equal(t, eur(5000), e.Held)
		require.Zero(t, e.Captures)
	})
	rule(t, fresh, "a captured authorization looks Succeeded", func(t *testing.T, s *story) {
		c, held := s.paid(t, payment.Authorization, eur(5000))
		capture(t, s, s.move(payment.OpCapture, held.PaymentRef, eur(5000)))
		out, err := s.look(t, c, held.Ref)
		require.NoError(t, err)
		require.Equal(t, psp.Succeeded, out.Status)
		require.Equal(t, eur(5000), out.Amount)
	})
	runCaptures(t, fresh)
	runHoldLimits(t, fresh)
	runHoldEnds(t, fresh)
	hold := func(op payment.Operation) func(*testing.T, *story) (psp.Checkout, psp.Move) {
		return func(t *testing.T, s *story) (psp.Checkout, psp.Move) {
			c, held := s.paid(t, payment.Authorization, eur(5000))
			return c, s.move(op, held.PaymentRef, eur(5000))
		}
	}
	runMoveFaults(t, fresh, payment.OpCapture, CallCapture, moveCase{
		begin: hold(payment.OpCapture),
		send:  func(s *story) send { return s.Connector.(psp.Capturer).Capture },
		once:  func(t *testing.T, e Entry) { require.Equal(t, 1, e.Captures); require.Equal(t, eur(5000), e.Captured) },
	})
	runMoveFaults(t, fresh, payment.OpVoid, CallVoid, moveCase{
		begin: hold(payment.OpVoid),
		send:  func(s *story) send { return s.Connector.(psp.Voider).Void },
		once:  func(t *testing.T, e Entry) { require.Zero(t, e.Held.Minor); require.Zero(t, e.Captures) },
	})
}

// runHoldLimits is what cannot be done to a hold.
func runHoldLimits(t *testing.T, fresh func(*testing.T) Target) {
	rule(t, fresh, "more than was held cannot be captured", func(t *testing.T, s *story) {
		c, held := s.paid(t, payment.Authorization, eur(5000))
		out, err := s.Connector.(psp.Capturer).Capture(t.Context(), s.Account,
			s.move(payment.OpCapture, held.PaymentRef, eur(5001)))
		requireRefused(t, out, err)
		require.Zero(t, s.entry(t, c).Captures)
	})
	rule(t, fresh, "after a void nothing can be captured, and a look says so", func(t *testing.T, s *story) {
		c, held := s.paid(t, payment.Authorization, eur(5000))
		out, err := s.Connector.(psp.Voider).Void(t.Context(), s.Account, s.move(payment.OpVoid, held.PaymentRef, eur(5000)))
		require.NoError(t, err)
		require.Equal(t, psp.Succeeded, out.Status)
		m := s.move(payment.OpCapture, held.PaymentRef, eur(5000))
		out, err = s.Connector.(psp.Capturer).Capture(t.Context(), s.Account, m)
		requireRefused(t, out, err)
		out, err = s.lookAtMove(t, payment.OpCapture, m)
		requireRefused(t, out, err)
		require.NotEqual(t, payment.CodeAuthorizationExpired, out.Code)
		require.Zero(t, s.entry(t, c).Captures)
	})
	rule(t, fresh, "what is only held cannot be refunded", func(t *testing.T, s *story) {
		c, held := s.paid(t, payment.Authorization, eur(5000))
		out, err := s.Connector.(psp.Refunder).Refund(t.Context(), s.Account, s.move(payment.OpRefund, held.PaymentRef, eur(1)))
		requireRefused(t, out, err)
		require.Equal(t, eur(5000), s.entry(t, c).Held)
	})
	rule(t, fresh, "what was captured cannot be voided, and a look says so", func(t *testing.T, s *story) {
		_, held := s.paid(t, payment.Authorization, eur(5000))
		capture(t, s, s.move(payment.OpCapture, held.PaymentRef, eur(5000)))
		m := s.move(payment.OpVoid, held.PaymentRef, eur(5000))
		out, err := s.Connector.(psp.Voider).Void(t.Context(), s.Account, m)
		requireRefused(t, out, err)
		out, err = s.lookAtMove(t, payment.OpVoid, m)
		require.NoError(t, err)
		require.Equal(t, psp.Declined, out.Status)
	})
	rule(t, fresh, "the void of a reversal is found by a look", func(t *testing.T, s *story) {
		_, held := s.paid(t, payment.Authorization, eur(5000))
		m := s.move(payment.OpReversal, held.PaymentRef, eur(5000))
		_, err := s.lookAtMove(t, payment.OpReversal, m)
		requireClass(t, payment.NotFound, err)
		_, err = s.Connector.(psp.Voider).Void(t.Context(), s.Account, m)
		require.NoError(t, err)
		out, err := s.lookAtMove(t, payment.OpReversal, m)
		require.NoError(t, err)
		require.Equal(t, psp.Succeeded, out.Status)
	})
}

// runHoldEnds is what a hold is good for once its time is over.
func runHoldEnds(t *testing.T, fresh func(*testing.T) Target) {
	rule(t, fresh, "a capture after the end of the hold is declined by that name, and a look says so", func(t *testing.T, s *story) {
		c, held := s.paid(t, payment.Authorization, eur(5000))
		s.Advance(afterHold(s, held))
		m := s.move(payment.OpCapture, held.PaymentRef, eur(5000))
		out, err := s.Connector.(psp.Capturer).Capture(t.Context(), s.Account, m)
		requireRefused(t, out, err)
		require.Equal(t, payment.CodeAuthorizationExpired, out.Code)
		out, err = s.lookAtMove(t, payment.OpCapture, m)
		requireRefused(t, out, err)
		require.Equal(t, payment.CodeAuthorizationExpired, out.Code)
		out, err = s.look(t, c, held.Ref)
		requireRefused(t, out, err)
		require.Equal(t, payment.CodeAuthorizationExpired, out.Code, "the charge says so too")
		require.Zero(t, s.entry(t, c).Captures)
	})
	rule(t, fresh, "a void after the end of the hold is done: the buyer has the money", func(t *testing.T, s *story) {
		_, held := s.paid(t, payment.Authorization, eur(5000))
		s.Advance(afterHold(s, held))
		out, err := s.Connector.(psp.Voider).Void(t.Context(), s.Account, s.move(payment.OpVoid, held.PaymentRef, eur(5000)))
		require.NoError(t, err)
		require.Equal(t, psp.Succeeded, out.Status)
	})
}

// afterHold is the time until a hold is certainly over.
func afterHold(s *story, held psp.Outcome) time.Duration {
	if !held.ExpiresAt.IsZero() {
		return held.ExpiresAt.Sub(s.Now())
	}
	return s.Connector.Contract().HoldLimit + 24*time.Hour
}

func capture(t *testing.T, s *story, m psp.Move) {
	t.Helper()
	out, err := s.Connector.(psp.Capturer).Capture(t.Context(), s.Account, m)
	require.NoError(t, err)
	require.Equal(t, psp.Succeeded, out.Status)
	require.Equal(t, m.Amount, out.Amount)
}
