package psptest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
	"tillflow/standin/faults"
)

func runRecurring(t *testing.T, fresh func(*testing.T) Target) {
	runKeeping(t, fresh)
	runCharging(t, fresh)
	runChargeEnds(t, fresh)
	runMethodDeclines(t, fresh)
	runChargeFaults(t, fresh)
	if _, ok := fresh(t).Connector.(psp.WebhookParser); ok {
		runChargeMessages(t, fresh)
	}
}

// runKeeping is what a checkout leaves behind.
func runKeeping(t *testing.T, fresh func(*testing.T) Target) {
	rule(t, fresh, "a checkout with Remember leaves its method, named by no more than its end", func(t *testing.T, s *story) {
		m := s.kept(t)
		require.NotEmpty(t, m.Customer)
		require.NotEmpty(t, m.Ref)
		require.NotEmpty(t, m.Kind)
		require.NotEmpty(t, m.Label)
		require.NotRegexp(t, `[0-9]{5}`, m.Label, "no more of a number than its last four digits")
		require.Equal(t, m.ExpiresYear == 0, m.ExpiresMonth == 0)
		if m.ExpiresYear != 0 {
			require.Contains(t, []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, m.ExpiresMonth)
			require.True(t, afterCard(m).After(s.Now()))
		}
	})
	rule(t, fresh, "asked twice, it is the same method", func(t *testing.T, s *story) {
		c := s.checkout(payment.Sale, eur(1230))
		c.Remember = true
		s.Pay(t, s.opened(t, c), Approve)
		out, err := s.look(t, c, "")
		require.NoError(t, err)
		first, err := s.recurrer().MethodOf(t.Context(), s.Account, out.PaymentRef)
		require.NoError(t, err)
		again, err := s.recurrer().MethodOf(t.Context(), s.Account, out.PaymentRef)
		require.NoError(t, err)
		require.Equal(t, first, again)
	})
	rule(t, fresh, "a checkout without Remember leaves none: NotFound", func(t *testing.T, s *story) {
		_, paid := s.paid(t, payment.Sale, eur(1230))
		_, err := s.recurrer().MethodOf(t.Context(), s.Account, paid.PaymentRef)
		requireClass(t, payment.NotFound, err)
	})
	rule(t, fresh, "a method without the payment that left it is never asked for", func(t *testing.T, s *story) {
		_, err := s.recurrer().MethodOf(t.Context(), s.Account, "")
		requireClass(t, payment.Bug, err)
	})
	rule(t, fresh, "wrong credentials learn of no method", func(t *testing.T, s *story) {
		_, paid := s.paid(t, payment.Sale, eur(1230))
		_, err := s.recurrer().MethodOf(t.Context(), s.wrongAccount(), paid.PaymentRef)
		requireClass(t, payment.Unauthorized, err)
	})
	rule(t, fresh, "an unreachable provider leaves the method unknown", func(t *testing.T, s *story) {
		_, err := s.Unreachable.(psp.Recurrer).MethodOf(t.Context(), s.Account, "payment")
		requireClass(t, payment.Unavailable, err)
	})
}

// runCharging is the charge itself.
func runCharging(t *testing.T, fresh func(*testing.T) Target) {
	for _, amount := range []money.Amount{eur(1230), money.New(1000, "JPY"), money.New(12340, "BHD")} {
		rule(t, fresh, "a kept method is charged "+amount.String()+" in full, once under its key", func(t *testing.T, s *story) {
			r := s.recurring(s.kept(t), amount)
			first := s.charged(t, r)
			for range 3 {
				require.Equal(t, first.PaymentRef, s.charged(t, r).PaymentRef)
			}
			e := s.Books(t)[r.AttemptID]
			require.Equal(t, amount, e.Captured)
			require.Equal(t, 1, e.Captures)
			require.Zero(t, e.Checkouts, "nobody was asked")
			for _, ref := range []string{"", first.Ref} {
				out, err := s.lookAtCharge(t, r, ref)
				require.NoError(t, err)
				require.Equal(t, psp.Succeeded, out.Status)
				require.Equal(t, amount, out.Amount)
				require.Equal(t, first.PaymentRef, out.PaymentRef)
			}
		})
	}
	rule(t, fresh, "a method is charged again and again, each time under a key of its own", func(t *testing.T, s *story) {
		m := s.kept(t)
		for range 3 {
			r := s.recurring(m, eur(1230))
			s.charged(t, r)
			require.Equal(t, 1, s.Books(t)[r.AttemptID].Captures)
		}
	})
	rule(t, fresh, "the same key with another amount is a Conflict and takes nothing more", func(t *testing.T, s *story) {
		r := s.recurring(s.kept(t), eur(1230))
		s.charged(t, r)
		r.Amount = eur(1231)
		_, err := s.charge(t.Context(), r)
		requireClass(t, payment.Conflict, err)
		require.Equal(t, eur(1230), s.Books(t)[r.AttemptID].Captured)
	})
	rule(t, fresh, "without a key, a method or a customer nothing is sent", func(t *testing.T, s *story) {
		for _, spoil := range []func(*psp.Recurring){
			func(r *psp.Recurring) { r.Key = "" }, func(r *psp.Recurring) { r.Method = "" }, func(r *psp.Recurring) { r.Customer = "" },
		} {
			r := s.recurring(psp.Method{Customer: "customer", Ref: "method"}, eur(1230))
			spoil(&r)
			_, err := s.charge(t.Context(), r)
			requireClass(t, payment.Bug, err)
		}
		require.Empty(t, s.Books(t))
	})
	rule(t, fresh, "a charge that was not asked for is NotFound", func(t *testing.T, s *story) {
		_, err := s.lookAtCharge(t, s.recurring(s.kept(t), eur(1230)), "")
		requireClass(t, payment.NotFound, err)
	})
}

// runChargeEnds is what comes after a charge was accepted.
func runChargeEnds(t *testing.T, fresh func(*testing.T) Target) {
	rule(t, fresh, "a slow charge is Processing until it settles", func(t *testing.T, s *story) {
		r := s.recurring(s.kept(t), eur(1230))
		s.Arm(t, CallCharge, faults.Rule{Kind: faults.SlowSettle, DelayMS: 5000})
		out, err := s.charge(t.Context(), r)
		require.NoError(t, err)
		require.Equal(t, psp.Processing, out.Status, "processing is never nothing")
		require.Positive(t, out.CheckAfter)
		s.Settle(t)
		out, err = s.lookAtCharge(t, r, out.Ref)
		require.NoError(t, err)
		require.Equal(t, psp.Succeeded, out.Status)
		require.Equal(t, 1, s.Books(t)[r.AttemptID].Captures)
	})
	if _, ok := fresh(t).Connector.(psp.Refunder); ok {
		rule(t, fresh, "what a kept method paid can be refunded", func(t *testing.T, s *story) {
			r := s.recurring(s.kept(t), eur(1230))
			s.refund(t, s.move(payment.OpRefund, s.charged(t, r).PaymentRef, eur(1000)))
			require.Equal(t, eur(1000), s.Books(t)[r.AttemptID].Refunded)
		})
	}
}

// runMethodDeclines is what banks say when nobody is there.
func runMethodDeclines(t *testing.T, fresh func(*testing.T) Target) {
	for _, reason := range []payment.DeclineReason{
		payment.DeclinedOther, payment.InsufficientFunds, payment.ExpiredCard, payment.AuthenticationFailed,
		payment.LostOrStolen, payment.Cancelled,
	} {
		rule(t, fresh, "a decline for "+string(reason)+" is decided, and the next attempt is another one", func(t *testing.T, s *story) {
			m := s.kept(t)
			s.Wallet.Bank(t, m, reason)
			r := s.recurring(m, eur(1230))
			for range 2 {
				out, err := s.charge(t.Context(), r)
				requireRefused(t, out, err)
				require.Equal(t, reason, out.Decline)
			}
			out, err := s.lookAtCharge(t, r, "")
			requireRefused(t, out, err)
			require.Equal(t, reason, out.Decline)
			s.Wallet.Bank(t, m, "")
			out, err = s.charge(t.Context(), r)
			requireRefused(t, out, err)
			require.Zero(t, s.Books(t)[r.AttemptID].Captures, "the same key brings the same answer, whatever the bank would say now")
			next := s.recurring(m, eur(1230))
			s.charged(t, next)
			require.Equal(t, eur(1230), s.Books(t)[next.AttemptID].Captured)
		})
	}
	rule(t, fresh, "a card whose last month is over is expired", func(t *testing.T, s *story) {
		m := s.kept(t)
		if m.ExpiresYear == 0 {
			t.Skip("its methods do not end by themselves")
		}
		s.Advance(afterCard(m).Add(-time.Hour).Sub(s.Now()))
		s.charged(t, s.recurring(m, eur(1230)))
		s.Advance(2 * time.Hour)
		out, err := s.charge(t.Context(), s.recurring(m, eur(1230)))
		requireRefused(t, out, err)
		require.Equal(t, payment.ExpiredCard, out.Decline)
	})
	rule(t, fresh, "a method that was taken away is declined as not supported, and asks for another one", func(t *testing.T, s *story) {
		m := s.kept(t)
		s.Wallet.Remove(t, m)
		r := s.recurring(m, eur(1230))
		out, err := s.charge(t.Context(), r)
		requireRefused(t, out, err)
		require.Equal(t, payment.NotSupported, out.Decline)
		require.Zero(t, s.Books(t)[r.AttemptID].Captures)
	})
	rule(t, fresh, "one buyer's method is not charged for another one", func(t *testing.T, s *story) {
		m, other := s.kept(t), s.kept(t)
		m.Customer = other.Customer
		r := s.recurring(m, eur(1230))
		out, err := s.charge(t.Context(), r)
		requireRefused(t, out, err)
		require.Equal(t, payment.NotSupported, out.Decline)
		require.Zero(t, s.Books(t)[r.AttemptID].Captures)
	})
}

// runChargeFaults is what may happen to a charge on its way.
func runChargeFaults(t *testing.T, fresh func(*testing.T) Target) {
	for _, kind := range []faults.Kind{faults.LoseReply, faults.HoldReply, faults.ErrorAfter} {
		rule(t, fresh, "a charge with "+string(kind)+" is Unknown, found by a look and done once", func(t *testing.T, s *story) {
			r := s.recurring(s.kept(t), eur(1230))
			s.Arm(t, CallCharge, stubborn(kind))
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			_, err := s.charge(ctx, r)
			requireClass(t, payment.Unknown, err)
			out, err := s.lookAtCharge(t, r, "")
			require.NoError(t, err)
			require.Equal(t, psp.Succeeded, out.Status)
			require.Equal(t, eur(1230), out.Amount)
			require.Equal(t, 1, s.Books(t)[r.AttemptID].Captures)
		})
	}
	for _, kind := range []faults.Kind{faults.LoseRequest, faults.ErrorBefore} {
		rule(t, fresh, "a charge with "+string(kind)+" is Unknown, not found by a look, and done once by the next", func(t *testing.T, s *story) {
			m := s.kept(t)
			r, next := s.recurring(m, eur(1230)), s.recurring(m, eur(1230))
			s.Arm(t, CallCharge, stubborn(kind))
			_, err := s.charge(t.Context(), r)
			requireClass(t, payment.Unknown, err)
			_, err = s.lookAtCharge(t, r, "")
			requireClass(t, payment.NotFound, err)
			require.Eventually(t, func() bool {
				out, err := s.charge(t.Context(), next)
				return err == nil && out.Status == psp.Succeeded
			}, 10*time.Second, 10*time.Millisecond)
			books := s.Books(t)
			require.Zero(t, books[r.AttemptID].Captures)
			require.Equal(t, 1, books[next.AttemptID].Captures)
		})
	}
	rule(t, fresh, "a charge with wrong credentials is Unauthorized and not done", func(t *testing.T, s *story) {
		r := s.recurring(s.kept(t), eur(1230))
		_, err := s.recurrer().ChargeMethod(t.Context(), s.wrongAccount(), r)
		requireClass(t, payment.Unauthorized, err)
		_, err = s.lookAtCharge(t, r, "")
		requireClass(t, payment.NotFound, err)
	})
	rule(t, fresh, "a charge against a refused connection, or cancelled before, is Unavailable", func(t *testing.T, s *story) {
		r := s.recurring(s.kept(t), eur(1230))
		_, err := s.Unreachable.(psp.Recurrer).ChargeMethod(t.Context(), s.Account, r)
		requireClass(t, payment.Unavailable, err)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = s.charge(ctx, r)
		requireClass(t, payment.Unavailable, err)
		require.Zero(t, s.Books(t)[r.AttemptID].Captures)
	})
	rule(t, fresh, "a charge that met too many requests works later", func(t *testing.T, s *story) {
		r := s.recurring(s.kept(t), eur(1230))
		s.Arm(t, CallCharge, faults.Rule{Kind: faults.TooManyRequests})
		_, err := s.charge(t.Context(), r)
		requireClass(t, payment.RateLimited, err)
		s.charged(t, r)
		require.Equal(t, 1, s.Books(t)[r.AttemptID].Captures)
	})
}

// runChargeMessages is what the provider tells of a charge by itself.
func runChargeMessages(t *testing.T, fresh func(*testing.T) Target) {
	proofs := func(t *testing.T, s *story, attempt string) []psp.Event {
		t.Helper()
		var found []psp.Event
		for _, e := range s.events(t) {
			if e.AttemptID == attempt && e.Outcome != nil {
				found = append(found, e)
			}
		}
		require.NotEmpty(t, found)
		return found
	}
	rule(t, fresh, "a message proves the charge of a kept method with its amount and our reference", func(t *testing.T, s *story) {
		r := s.recurring(s.kept(t), eur(1230))
		out := s.charged(t, r)
		for _, e := range proofs(t, s, r.AttemptID) {
			require.Equal(t, psp.Succeeded, e.Outcome.Status)
			require.Equal(t, eur(1230), e.Outcome.Amount)
			require.Equal(t, out.PaymentRef, e.PaymentRef)
		}
	})
	rule(t, fresh, "a message proves the decline of a kept method: without a buyer it is final", func(t *testing.T, s *story) {
		m := s.kept(t)
		s.Wallet.Bank(t, m, payment.InsufficientFunds)
		r := s.recurring(m, eur(1230))
		out, err := s.charge(t.Context(), r)
		requireRefused(t, out, err)
		for _, e := range proofs(t, s, r.AttemptID) {
			require.Equal(t, psp.Declined, e.Outcome.Status)
			require.Equal(t, payment.InsufficientFunds, e.Outcome.Decline)
			require.NotEmpty(t, e.PaymentRef)
		}
	})
}

func (s *story) recurrer() psp.Recurrer { return s.Connector.(psp.Recurrer) }

// kept pays a checkout with Remember and gives the method that it left.
func (s *story) kept(t *testing.T) psp.Method {
	t.Helper()
	c := s.checkout(payment.Sale, eur(1230))
	c.Remember = true
	s.Pay(t, s.opened(t, c), Approve)
	out, err := s.look(t, c, "")
	require.NoError(t, err)
	m, err := s.recurrer().MethodOf(t.Context(), s.Account, out.PaymentRef)
	require.NoError(t, err)
	return m
}

// recurring is the next charge of a kept method.
func (s *story) recurring(m psp.Method, amount money.Amount) psp.Recurring {
	id, key := s.attempt(payment.OpCharge)
	return psp.Recurring{
		AttemptID: id, Key: key, Customer: m.Customer, Method: m.Ref, Amount: amount, Description: "Membership, November",
	}
}

func (s *story) charge(ctx context.Context, r psp.Recurring) (psp.Outcome, error) {
	return s.recurrer().ChargeMethod(ctx, s.Account, r)
}

// charged charges a method that must pay.
func (s *story) charged(t *testing.T, r psp.Recurring) psp.Outcome {
	t.Helper()
	out, err := s.charge(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, psp.Succeeded, out.Status)
	require.Equal(t, r.Amount, out.Amount)
	require.NotEmpty(t, out.Ref)
	require.NotEmpty(t, out.PaymentRef)
	return out
}

// lookAtCharge inquires a charge; an empty ref looks it up by our reference.
func (s *story) lookAtCharge(t *testing.T, r psp.Recurring, ref string) (psp.Outcome, error) {
	t.Helper()
	return s.Connector.Inquire(t.Context(), s.Account, psp.Ref{
		AttemptID: r.AttemptID, Key: r.Key, Operation: payment.OpCharge, Kind: payment.Sale, Ref: ref,
		Amount: r.Amount, FirstSent: s.Now(), Customer: r.Customer,
	})
}

// afterCard is when a card's last month is over.
func afterCard(m psp.Method) time.Time {
	return time.Date(m.ExpiresYear, time.Month(m.ExpiresMonth)+1, 1, 0, 0, 0, 0, time.UTC)
}
