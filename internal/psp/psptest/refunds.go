package psptest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
	"tillflow/standin/faults"
)

func runRefunds(t *testing.T, fresh func(*testing.T) Target) {
	for _, amount := range []money.Amount{eur(1230), money.New(1000, "JPY"), money.New(12340, "BHD")} {
		rule(t, fresh, amount.String()+" is refunded in full, once", func(t *testing.T, s *story) {
			c, paid := s.paid(t, payment.Sale, amount)
			s.refund(t, s.move(payment.OpRefund, paid.PaymentRef, amount))
			e := s.entry(t, c)
			require.Equal(t, amount, e.Refunded)
			require.Equal(t, 1, e.Refunds)
		})
	}
	rule(t, fresh, "refunds in parts add up, and each is found by its own reference", func(t *testing.T, s *story) {
		c, paid := s.paid(t, payment.Sale, eur(1230))
		first := s.move(payment.OpRefund, paid.PaymentRef, eur(230))
		second := s.move(payment.OpRefund, paid.PaymentRef, eur(1000))
		s.refund(t, first)
		s.refund(t, second)
		for _, m := range []psp.Move{first, second} {
			out, err := s.lookAtMove(t, payment.OpRefund, m)
			require.NoError(t, err)
			require.Equal(t, psp.Succeeded, out.Status)
			require.Equal(t, m.Amount, out.Amount)
		}
		e := s.entry(t, c)
		require.Equal(t, eur(1230), e.Refunded)
		require.Equal(t, 2, e.Refunds)
	})
	runRefundLimits(t, fresh)
	rule(t, fresh, "the charge of a refunded payment still looks Succeeded", func(t *testing.T, s *story) {
		c, paid := s.paid(t, payment.Sale, eur(1230))
		s.refund(t, s.move(payment.OpRefund, paid.PaymentRef, eur(1230)))
		out, err := s.look(t, c, paid.Ref)
		require.NoError(t, err)
		require.Equal(t, psp.Succeeded, out.Status)
		require.Equal(t, eur(1230), out.Amount)
	})
	runSlowRefunds(t, fresh)
	rule(t, fresh, "the refund of a reversal is found by a look", func(t *testing.T, s *story) {
		_, paid := s.paid(t, payment.Sale, eur(1230))
		m := s.move(payment.OpReversal, paid.PaymentRef, eur(1230))
		_, err := s.lookAtMove(t, payment.OpReversal, m)
		requireClass(t, payment.NotFound, err)
		s.refund(t, m)
		out, err := s.lookAtMove(t, payment.OpReversal, m)
		require.NoError(t, err)
		require.Equal(t, psp.Succeeded, out.Status)
		require.Equal(t, eur(1230), out.Amount)
	})
	runMoveFaults(t, fresh, payment.OpRefund, CallRefund, moveCase{
		begin: func(t *testing.T, s *story) (psp.Checkout, psp.Move) {
			c, paid := s.paid(t, payment.Sale, eur(1230))
			return c, s.move(payment.OpRefund, paid.PaymentRef, eur(1000))
		},
		send: func(s *story) send { return s.Connector.(psp.Refunder).Refund },
		once: func(t *testing.T, e Entry) { require.Equal(t, 1, e.Refunds); require.Equal(t, eur(1000), e.Refunded) },
	})
}

// runSlowRefunds is about refunds that take their time.
func runSlowRefunds(t *testing.T, fresh func(*testing.T) Target) {
	rule(t, fresh, "a slow refund is Processing until it settles", func(t *testing.T, s *story) {
		_, paid := s.paid(t, payment.Sale, eur(1230))
		s.Arm(t, CallRefund, faults.Rule{Kind: faults.SlowSettle, DelayMS: 5000})
		m := s.move(payment.OpRefund, paid.PaymentRef, eur(1230))
		out, err := s.Connector.(psp.Refunder).Refund(t.Context(), s.Account, m)
		require.NoError(t, err)
		require.Equal(t, psp.Processing, out.Status)
		s.Settle(t)
		out, err = s.lookAtMove(t, payment.OpRefund, m)
		require.NoError(t, err)
		require.Equal(t, psp.Succeeded, out.Status)
	})
	rule(t, fresh, "a slow refund may fail in the end, and then as much can be refunded again", func(t *testing.T, s *story) {
		c, paid := s.paid(t, payment.Sale, eur(1230))
		s.Arm(t, CallRefund, faults.Rule{Kind: faults.SlowSettle, DelayMS: 5000})
		s.Arm(t, CallRefund, faults.Rule{Kind: faults.Decline("lost_or_stolen_card")})
		m := s.move(payment.OpRefund, paid.PaymentRef, eur(1230))
		out, err := s.Connector.(psp.Refunder).Refund(t.Context(), s.Account, m)
		require.NoError(t, err)
		require.Equal(t, psp.Processing, out.Status)
		require.NotEmpty(t, out.Ref)
		s.Settle(t)
		out, err = s.lookAtMove(t, payment.OpRefund, m)
		requireRefused(t, out, err)
		require.Zero(t, s.entry(t, c).Refunds)
		s.refund(t, s.move(payment.OpRefund, paid.PaymentRef, eur(1230)))
		require.Equal(t, eur(1230), s.entry(t, c).Refunded)
	})
}

// runRefundLimits is what cannot be given back.
func runRefundLimits(t *testing.T, fresh func(*testing.T) Target) {
	rule(t, fresh, "more than was taken cannot be refunded", func(t *testing.T, s *story) {
		c, paid := s.paid(t, payment.Sale, eur(1230))
		s.refund(t, s.move(payment.OpRefund, paid.PaymentRef, eur(1000)))
		m := s.move(payment.OpRefund, paid.PaymentRef, eur(231))
		out, err := s.Connector.(psp.Refunder).Refund(t.Context(), s.Account, m)
		requireRefused(t, out, err)
		require.Equal(t, eur(1000), s.entry(t, c).Refunded)
		_, err = s.lookAtMove(t, payment.OpRefund, m)
		requireClass(t, payment.NotFound, err)
	})
	rule(t, fresh, "after a full refund nothing more is refunded", func(t *testing.T, s *story) {
		c, paid := s.paid(t, payment.Sale, eur(1230))
		s.refund(t, s.move(payment.OpRefund, paid.PaymentRef, eur(1230)))
		out, err := s.Connector.(psp.Refunder).Refund(t.Context(), s.Account,
			s.move(payment.OpRefund, paid.PaymentRef, eur(1)))
		requireRefused(t, out, err)
		require.Equal(t, eur(1230), s.entry(t, c).Refunded)
	})
}

// refund gives money back and must succeed.
func (s *story) refund(t *testing.T, m psp.Move) {
	t.Helper()
	out, err := s.Connector.(psp.Refunder).Refund(t.Context(), s.Account, m)
	require.NoError(t, err)
	require.Equal(t, psp.Succeeded, out.Status)
	require.Equal(t, m.Amount, out.Amount)
	require.NotEmpty(t, out.Ref)
}
