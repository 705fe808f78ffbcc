package psptest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

func runCheckout(t *testing.T, fresh func(*testing.T) Target) {
	runPay(t, fresh)
	runClose(t, fresh)
	rule(t, fresh, "what was never asked for is NotFound", func(t *testing.T, s *story) {
		_, err := s.look(t, s.checkout(payment.Sale, eur(1230)), "")
		requireClass(t, payment.NotFound, err)
	})
	rule(t, fresh, "a reference is found among others", func(t *testing.T, s *story) {
		var all []psp.Checkout
		for range 12 {
			c := s.checkout(payment.Sale, eur(1230))
			s.opened(t, c)
			all = append(all, c)
		}
		first, err := s.look(t, all[0], "")
		require.NoError(t, err)
		last, err := s.look(t, all[len(all)-1], "")
		require.NoError(t, err)
		require.NotEqual(t, first.Ref, last.Ref)
	})
	rule(t, fresh, "the same key gives the same checkout", func(t *testing.T, s *story) {
		c := s.checkout(payment.Sale, eur(1230))
		first := s.opened(t, c)
		for range 4 {
			again := s.opened(t, c)
			require.Equal(t, first.Ref, again.Ref)
			require.Equal(t, first.URL, again.URL)
		}
		require.Equal(t, 1, s.entry(t, c).Checkouts)
	})
	rule(t, fresh, "the same key with another amount is a Conflict", func(t *testing.T, s *story) {
		c := s.checkout(payment.Sale, eur(1230))
		s.opened(t, c)
		c.Amount = eur(1231)
		_, err := s.open(t.Context(), c)
		requireClass(t, payment.Conflict, err)
		require.Equal(t, 1, s.entry(t, c).Checkouts)
	})
	rule(t, fresh, "a checkout without a key is never sent", func(t *testing.T, s *story) {
		c := s.checkout(payment.Sale, eur(1230))
		c.Key = ""
		_, err := s.open(t.Context(), c)
		requireClass(t, payment.Bug, err)
		require.Empty(t, s.Books(t))
	})
	rule(t, fresh, "wrong credentials are Unauthorized and open nothing", func(t *testing.T, s *story) {
		_, err := s.Connector.(psp.Redirector).OpenCheckout(t.Context(), s.wrongAccount(), s.checkout(payment.Sale, eur(1230)))
		requireClass(t, payment.Unauthorized, err)
		require.Empty(t, s.Books(t))
	})
}

func runPay(t *testing.T, fresh func(*testing.T) Target) {
	for _, amount := range []money.Amount{eur(1230), money.New(1000, "JPY"), money.New(12340, "BHD")} {
		rule(t, fresh, "a sale of "+amount.String()+" is captured in full, once", func(t *testing.T, s *story) {
			c, out := s.paid(t, payment.Sale, amount)
			require.Equal(t, psp.Succeeded, out.Status)
			e := s.entry(t, c)
			require.Equal(t, amount, e.Captured)
			require.Equal(t, 1, e.Captures)
			require.Equal(t, 1, e.Checkouts)
		})
	}
	rule(t, fresh, "an unpaid page is Open, with its address and its end", func(t *testing.T, s *story) {
		c := s.checkout(payment.Sale, eur(1230))
		open := s.opened(t, c)
		require.False(t, open.ExpiresAt.After(c.ExpiresAt), "nobody can pay after the end we asked for")
		out, err := s.look(t, c, open.Ref)
		require.NoError(t, err)
		require.Equal(t, psp.Open, out.Status)
		require.Equal(t, open.URL, out.URL)
		require.Empty(t, out.Decline)
	})
	rule(t, fresh, "a refused buyer may try again on the same page", func(t *testing.T, s *story) {
		c := s.checkout(payment.Sale, eur(1230))
		open := s.opened(t, c)
		s.Pay(t, open, Refuse)
		out, err := s.look(t, c, open.Ref)
		require.NoError(t, err)
		require.Equal(t, psp.Open, out.Status)
		require.Equal(t, payment.InsufficientFunds, out.Decline)
		require.NotEmpty(t, out.Code)
		s.Pay(t, open, Approve)
		out, err = s.look(t, c, open.Ref)
		require.NoError(t, err)
		require.Equal(t, psp.Succeeded, out.Status)
		require.Equal(t, eur(1230), s.entry(t, c).Captured)
	})
	for _, tc := range []struct {
		how  How
		want psp.Status
		took money.Amount
	}{{SlowSuccess, psp.Succeeded, eur(1230)}, {SlowFailure, psp.Declined, eur(0)}} {
		rule(t, fresh, string(tc.how)+" is Processing and then "+string(tc.want), func(t *testing.T, s *story) {
			c := s.checkout(payment.Sale, eur(1230))
			open := s.opened(t, c)
			s.Pay(t, open, tc.how)
			out, err := s.look(t, c, open.Ref)
			require.NoError(t, err)
			require.Equal(t, psp.Processing, out.Status, "processing is never nothing")
			require.Positive(t, out.CheckAfter)
			require.Equal(t, psp.Processing, s.close(t, c, open.Ref).Status, "and cannot be closed")
			s.Settle(t)
			out, err = s.look(t, c, open.Ref)
			require.NoError(t, err)
			require.Equal(t, tc.want, out.Status)
			require.Equal(t, tc.took.Minor, s.entry(t, c).Captured.Minor)
		})
	}
}

func runClose(t *testing.T, fresh func(*testing.T) Target) {
	rule(t, fresh, "a closed page is Closed for ever", func(t *testing.T, s *story) {
		c := s.checkout(payment.Sale, eur(1230))
		open := s.opened(t, c)
		require.Equal(t, psp.Closed, s.close(t, c, open.Ref).Status)
		require.Equal(t, psp.Closed, s.close(t, c, open.Ref).Status)
		out, err := s.look(t, c, open.Ref)
		require.NoError(t, err)
		require.Equal(t, psp.Closed, out.Status)
		require.Zero(t, s.entry(t, c).Captures)
	})
	rule(t, fresh, "a page whose id was lost is closed by our reference", func(t *testing.T, s *story) {
		c := s.checkout(payment.Sale, eur(1230))
		s.opened(t, c)
		require.Equal(t, psp.Closed, s.close(t, c, "").Status)
	})
	rule(t, fresh, "a page that was refused once is closed all the same", func(t *testing.T, s *story) {
		c := s.checkout(payment.Sale, eur(1230))
		open := s.opened(t, c)
		s.Pay(t, open, Refuse)
		require.Equal(t, psp.Closed, s.close(t, c, open.Ref).Status)
	})
	rule(t, fresh, "closing after payment answers the payment and takes nothing back", func(t *testing.T, s *story) {
		c := s.checkout(payment.Sale, eur(1230))
		open := s.opened(t, c)
		s.Pay(t, open, Approve)
		out := s.close(t, c, open.Ref)
		require.Equal(t, psp.Succeeded, out.Status)
		require.Equal(t, eur(1230), out.Amount)
		require.Equal(t, 1, s.entry(t, c).Captures)
	})
	rule(t, fresh, "closing what was never opened is NotFound", func(t *testing.T, s *story) {
		c := s.checkout(payment.Sale, eur(1230))
		_, err := s.Connector.(psp.Redirector).CloseCheckout(t.Context(), s.Account, s.chargeRef(c, ""))
		requireClass(t, payment.NotFound, err)
	})
	rule(t, fresh, "a page ends by itself at the time we asked for", func(t *testing.T, s *story) {
		c := s.checkout(payment.Sale, eur(1230))
		open := s.opened(t, c)
		s.Advance(c.ExpiresAt.Sub(s.Now()) + time.Minute)
		out, err := s.look(t, c, open.Ref)
		require.NoError(t, err)
		require.Equal(t, psp.Closed, out.Status)
	})
}
