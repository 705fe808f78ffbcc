package psptest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

// runCaptures is what the contract says about captures in parts.
func runCaptures(t *testing.T, fresh func(*testing.T) Target) {
	for _, amount := range []money.Amount{money.New(1000, "JPY"), money.New(12340, "BHD")} {
		rule(t, fresh, "a part of "+amount.String()+" is captured to the unit", func(t *testing.T, s *story) {
			c, held := s.paid(t, payment.Authorization, amount)
			capture(t, s, s.move(payment.OpCapture, held.PaymentRef, money.New(amount.Minor-10, amount.Currency)))
			require.Equal(t, amount.Minor-10, s.entry(t, c).Captured.Minor)
		})
	}
	rule(t, fresh, "of a captured part no more can be refunded than was taken", func(t *testing.T, s *story) {
		c, held := s.paid(t, payment.Authorization, eur(5000))
		capture(t, s, s.move(payment.OpCapture, held.PaymentRef, eur(2000)))
		out, err := s.Connector.(psp.Refunder).Refund(t.Context(), s.Account,
			s.move(payment.OpRefund, held.PaymentRef, eur(2001)))
		requireRefused(t, out, err)
		s.refund(t, s.move(payment.OpRefund, held.PaymentRef, eur(2000)))
		require.Equal(t, eur(2000), s.entry(t, c).Refunded)
	})
	switch fresh(t).Connector.Contract().Captures {
	case psp.OneCapture:
		runOneCapture(t, fresh)
	case psp.SeveralCaptures:
		runSeveralCaptures(t, fresh)
	case psp.NoCapture: // the rule about the contract fails
	}
	runRests(t, fresh)
}

func runOneCapture(t *testing.T, fresh func(*testing.T) Target) {
	rule(t, fresh, "a second capture under a new key takes nothing, and a look says so", func(t *testing.T, s *story) {
		c, held := s.paid(t, payment.Authorization, eur(5000))
		first, second := s.move(payment.OpCapture, held.PaymentRef, eur(2000)), s.move(payment.OpCapture, held.PaymentRef, eur(2000))
		capture(t, s, first)
		out, err := s.Connector.(psp.Capturer).Capture(t.Context(), s.Account, second)
		requireRefused(t, out, err)
		require.Equal(t, eur(2000), s.entry(t, c).Captured)
		out, err = s.lookAtMove(t, payment.OpCapture, second)
		requireRefused(t, out, err)
		out, err = s.lookAtMove(t, payment.OpCapture, first)
		require.NoError(t, err)
		require.Equal(t, psp.Succeeded, out.Status, "each capture is told from the other")
	})
}

func runSeveralCaptures(t *testing.T, fresh func(*testing.T) Target) {
	rule(t, fresh, "captures in parts add up, and each is found by its own reference", func(t *testing.T, s *story) {
		c, held := s.paid(t, payment.Authorization, eur(5000))
		first := s.move(payment.OpCapture, held.PaymentRef, eur(2000))
		second := s.move(payment.OpCapture, held.PaymentRef, eur(3000))
		capture(t, s, first)
		_, err := s.lookAtMove(t, payment.OpCapture, second)
		requireClass(t, payment.NotFound, err)
		out, err := s.look(t, c, held.Ref)
		require.NoError(t, err)
		require.Equal(t, psp.Authorized, out.Status, "there is more to take")
		capture(t, s, second)
		for _, m := range []psp.Move{first, second} {
			out, err := s.lookAtMove(t, payment.OpCapture, m)
			require.NoError(t, err)
			require.Equal(t, psp.Succeeded, out.Status)
			require.Equal(t, m.Amount, out.Amount)
		}
		e := s.entry(t, c)
		require.Equal(t, eur(5000), e.Captured)
		require.Equal(t, 2, e.Captures)
		require.Zero(t, e.Held.Minor)
	})
	rule(t, fresh, "captures together cannot exceed what was held", func(t *testing.T, s *story) {
		c, held := s.paid(t, payment.Authorization, eur(5000))
		capture(t, s, s.move(payment.OpCapture, held.PaymentRef, eur(2000)))
		out, err := s.Connector.(psp.Capturer).Capture(t.Context(), s.Account,
			s.move(payment.OpCapture, held.PaymentRef, eur(3001)))
		requireRefused(t, out, err)
		require.Equal(t, eur(2000), s.entry(t, c).Captured)
		require.Equal(t, eur(3000), s.entry(t, c).Held)
	})
	rule(t, fresh, "the rest of a hold that is over cannot be captured, by that name", func(t *testing.T, s *story) {
		c, held := s.paid(t, payment.Authorization, eur(5000))
		capture(t, s, s.move(payment.OpCapture, held.PaymentRef, eur(2000)))
		s.Advance(afterHold(s, held))
		out, err := s.Connector.(psp.Capturer).Capture(t.Context(), s.Account,
			s.move(payment.OpCapture, held.PaymentRef, eur(3000)))
		requireRefused(t, out, err)
		require.Equal(t, payment.CodeAuthorizationExpired, out.Code)
		require.Equal(t, eur(2000), s.entry(t, c).Captured)
	})
}

// runRests is what becomes of the part of a hold that was not captured.
func runRests(t *testing.T, fresh func(*testing.T) Target) {
	if fresh(t).Connector.Contract().RestReleased {
		rule(t, fresh, "a partial capture takes its part and releases the rest: nothing is left to void", func(t *testing.T, s *story) {
			c, held := s.paid(t, payment.Authorization, eur(5000))
			capture(t, s, s.move(payment.OpCapture, held.PaymentRef, eur(2000)))
			e := s.entry(t, c)
			require.Equal(t, eur(2000), e.Captured)
			require.Zero(t, e.Held.Minor)
			m := s.move(payment.OpVoid, held.PaymentRef, eur(3000))
			out, err := s.Connector.(psp.Voider).Void(t.Context(), s.Account, m)
			requireRefused(t, out, err)
			out, err = s.lookAtMove(t, payment.OpVoid, m)
			requireRefused(t, out, err)
			require.Equal(t, eur(2000), s.entry(t, c).Captured)
		})
		return
	}
	rule(t, fresh, "a partial capture leaves the rest held until a void gives it back", func(t *testing.T, s *story) {
		c, held := s.paid(t, payment.Authorization, eur(5000))
		capture(t, s, s.move(payment.OpCapture, held.PaymentRef, eur(2000)))
		require.Equal(t, eur(3000), s.entry(t, c).Held)
		m := s.move(payment.OpVoid, held.PaymentRef, eur(3000))
		out, err := s.Connector.(psp.Voider).Void(t.Context(), s.Account, m)
		require.NoError(t, err)
		require.Equal(t, psp.Succeeded, out.Status)
		require.Equal(t, eur(3000), out.Amount, "the rest and not the whole hold")
		e := s.entry(t, c)
		require.Zero(t, e.Held.Minor)
		require.Equal(t, eur(2000), e.Captured, "what was taken stays")
		out, err = s.Connector.(psp.Capturer).Capture(t.Context(), s.Account, s.move(payment.OpCapture, held.PaymentRef, eur(1)))
		requireRefused(t, out, err)
		out, err = s.look(t, c, held.Ref)
		require.NoError(t, err)
		require.Equal(t, psp.Succeeded, out.Status)
		require.Equal(t, eur(2000), out.Amount)
	})
}
