package psptest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
	"tillflow/standin/faults"
)

func runElsewhere(t *testing.T, fresh func(*testing.T) Target) {
	for _, amount := range []money.Amount{eur(1230), money.New(1000, "JPY"), money.New(12340, "BHD")} {
		rule(t, fresh, "a refund of "+amount.String()+" at the dashboard is seen, in the list and in a message", func(t *testing.T, s *story) {
			_, paid := s.paid(t, payment.Sale, amount)
			id := s.Elsewhere.Refund(t, paid.PaymentRef, amount)
			s.requireElsewhere(t, paid.PaymentRef, payment.Elsewhere{
				Kind: payment.ElsewhereRefund, Ref: id, State: payment.Done, Amount: amount,
			})
		})
	}
	rule(t, fresh, "refunds of ours are not elsewhere, whatever became of them", func(t *testing.T, s *story) {
		_, paid := s.paid(t, payment.Sale, eur(1230))
		s.refund(t, s.move(payment.OpRefund, paid.PaymentRef, eur(230)))
		s.Arm(t, CallRefund, faults.Rule{Kind: faults.SlowSettle, DelayMS: 5000})
		_, err := s.Connector.(psp.Refunder).Refund(t.Context(), s.Account, s.move(payment.OpRefund, paid.PaymentRef, eur(500)))
		require.NoError(t, err)
		s.requireElsewhere(t, paid.PaymentRef)
		id := s.Elsewhere.Refund(t, paid.PaymentRef, eur(100))
		s.requireElsewhere(t, paid.PaymentRef, payment.Elsewhere{
			Kind: payment.ElsewhereRefund, Ref: id, State: payment.Done, Amount: eur(100),
		})
	})
	rule(t, fresh, "a refund at the dashboard leaves less for ours", func(t *testing.T, s *story) {
		c, paid := s.paid(t, payment.Sale, eur(1230))
		s.Elsewhere.Refund(t, paid.PaymentRef, eur(1000))
		m := s.move(payment.OpRefund, paid.PaymentRef, eur(231))
		out, err := s.Connector.(psp.Refunder).Refund(t.Context(), s.Account, m)
		requireRefused(t, out, err)
		_, err = s.lookAtMove(t, payment.OpRefund, m)
		requireClass(t, payment.NotFound, err)
		s.refund(t, s.move(payment.OpRefund, paid.PaymentRef, eur(230)))
		require.Equal(t, eur(1230), s.entry(t, c).Refunded)
	})
	rule(t, fresh, "a refund at the dashboard that fails later is Closed", func(t *testing.T, s *story) {
		_, paid := s.paid(t, payment.Sale, eur(1230))
		id := s.Elsewhere.Refund(t, paid.PaymentRef, eur(1000))
		s.Elsewhere.FailRefund(t, id)
		s.requireElsewhere(t, paid.PaymentRef, payment.Elsewhere{
			Kind: payment.ElsewhereRefund, Ref: id, State: payment.Closed, Amount: eur(1000),
		})
	})
	rule(t, fresh, "a list of nobody's payment is not answered by nothing", func(t *testing.T, s *story) {
		_, err := s.Connector.(psp.ElsewhereLister).ListElsewhere(t.Context(), s.Account, "")
		requireClass(t, payment.Bug, err)
		_, err = s.Unreachable.(psp.ElsewhereLister).ListElsewhere(t.Context(), s.Account, "pay_1")
		requireClass(t, payment.Unavailable, err)
		_, err = s.Connector.(psp.ElsewhereLister).ListElsewhere(t.Context(), s.wrongAccount(), "pay_1")
		requireClass(t, payment.Unauthorized, err)
	})
	runDisputes(t, fresh)
	runRefundEnds(t, fresh)
	if psp.Covers(fresh(t).Connector, payment.Authorization) {
		runReleases(t, fresh)
	}
}

func runDisputes(t *testing.T, fresh func(*testing.T) Target) {
	dispute := func(id string, state payment.AttemptState) payment.Elsewhere {
		return payment.Elsewhere{Kind: payment.ElsewhereDispute, Ref: id, State: state, Amount: eur(1000)}
	}
	for won, end := range map[bool]payment.AttemptState{true: payment.Closed, false: payment.Done} {
		rule(t, fresh, "a dispute is Working and then "+string(end), func(t *testing.T, s *story) {
			_, paid := s.paid(t, payment.Sale, eur(1230))
			id := s.Elsewhere.Dispute(t, paid.PaymentRef, eur(1000))
			s.requireElsewhere(t, paid.PaymentRef, dispute(id, payment.Working))
			s.Elsewhere.Judge(t, id, won)
			s.requireElsewhere(t, paid.PaymentRef, dispute(id, end))
		})
	}
	rule(t, fresh, "what is disputed cannot be refunded before the dispute is won", func(t *testing.T, s *story) {
		c, paid := s.paid(t, payment.Sale, eur(1230))
		id := s.Elsewhere.Dispute(t, paid.PaymentRef, eur(1000))
		out, err := s.Connector.(psp.Refunder).Refund(t.Context(), s.Account, s.move(payment.OpRefund, paid.PaymentRef, eur(230)))
		requireRefused(t, out, err)
		s.Elsewhere.Judge(t, id, true)
		s.refund(t, s.move(payment.OpRefund, paid.PaymentRef, eur(1230)))
		require.Equal(t, eur(1230), s.entry(t, c).Refunded)
	})
	rule(t, fresh, "a refund that is under way when a dispute opens fails", func(t *testing.T, s *story) {
		_, paid := s.paid(t, payment.Sale, eur(1230))
		s.Arm(t, CallRefund, faults.Rule{Kind: faults.SlowSettle, DelayMS: 5000})
		m := s.move(payment.OpRefund, paid.PaymentRef, eur(230))
		_, err := s.Connector.(psp.Refunder).Refund(t.Context(), s.Account, m)
		require.NoError(t, err)
		s.Elsewhere.Dispute(t, paid.PaymentRef, eur(1000))
		out, err := s.lookAtMove(t, payment.OpRefund, m)
		requireRefused(t, out, err)
	})
	rule(t, fresh, "an inquiry moves nothing", func(t *testing.T, s *story) {
		_, paid := s.paid(t, payment.Sale, eur(1230))
		s.Elsewhere.Inquire(t, paid.PaymentRef)
		s.requireElsewhere(t, paid.PaymentRef)
	})
}

// runRefundEnds is what messages prove of refunds of ours.
func runRefundEnds(t *testing.T, fresh func(*testing.T) Target) {
	rule(t, fresh, "messages name our refund, and none proves a success that may be taken back", func(t *testing.T, s *story) {
		_, paid := s.paid(t, payment.Sale, eur(1230))
		m := s.move(payment.OpRefund, paid.PaymentRef, eur(1230))
		s.refund(t, m)
		named := 0
		for _, e := range s.events(t) {
			require.Nil(t, e.Elsewhere, e.Type)
			if e.AttemptID == m.AttemptID {
				named++
				require.Nil(t, e.Outcome, e.Type)
				require.Equal(t, paid.PaymentRef, e.PaymentRef)
			}
		}
		require.Positive(t, named)
	})
	rule(t, fresh, "a refund of ours that fails after it succeeded is proved by a message and by a look", func(t *testing.T, s *story) {
		c, paid := s.paid(t, payment.Sale, eur(1230))
		m := s.move(payment.OpRefund, paid.PaymentRef, eur(1230))
		out, err := s.Connector.(psp.Refunder).Refund(t.Context(), s.Account, m)
		require.NoError(t, err)
		s.Elsewhere.FailRefund(t, out.Ref)
		proofs := 0
		for _, e := range s.events(t) {
			if e.AttemptID == m.AttemptID && e.Outcome != nil {
				proofs++
				require.Equal(t, psp.Declined, e.Outcome.Status)
				require.Equal(t, eur(1230), e.Outcome.Amount)
			}
		}
		require.Positive(t, proofs)
		out, err = s.lookAtMove(t, payment.OpRefund, m)
		requireRefused(t, out, err)
		require.Zero(t, s.entry(t, c).Refunds)
	})
}

// runReleases is about holds: giving them back moves no money.
func runReleases(t *testing.T, fresh func(*testing.T) Target) {
	rule(t, fresh, "what a capture or a void releases is no refund", func(t *testing.T, s *story) {
		_, held := s.paid(t, payment.Authorization, eur(5000))
		capture(t, s, s.move(payment.OpCapture, held.PaymentRef, eur(2000)))
		s.requireElsewhere(t, held.PaymentRef)
		id := s.Elsewhere.Refund(t, held.PaymentRef, eur(500))
		s.requireElsewhere(t, held.PaymentRef, payment.Elsewhere{
			Kind: payment.ElsewhereRefund, Ref: id, State: payment.Done, Amount: eur(500),
		})
		_, held = s.paid(t, payment.Authorization, eur(5000))
		_, err := s.Connector.(psp.Voider).Void(t.Context(), s.Account, s.move(payment.OpVoid, held.PaymentRef, eur(5000)))
		require.NoError(t, err)
		s.requireElsewhere(t, held.PaymentRef)
		_, held = s.paid(t, payment.Authorization, eur(5000))
		s.Advance(afterHold(s, held))
		s.requireListed(t, held.PaymentRef)
	})
	rule(t, fresh, "the message about a capture names the capture's attempt and its amount", func(t *testing.T, s *story) {
		_, held := s.paid(t, payment.Authorization, eur(5000))
		m := s.move(payment.OpCapture, held.PaymentRef, eur(2000))
		capture(t, s, m)
		proofs := 0
		for _, e := range s.events(t) {
			if e.Outcome != nil && e.Outcome.Status == psp.Succeeded {
				proofs++
				require.Equal(t, m.AttemptID, e.AttemptID)
				require.Equal(t, eur(2000), e.Outcome.Amount)
			}
		}
		require.Positive(t, proofs)
	})
}

// requireElsewhere asserts what the provider did with a payment without us, as
// the connector lists it and as the last message about each movement says.
func (s *story) requireElsewhere(t *testing.T, paymentRef string, want ...payment.Elsewhere) {
	t.Helper()
	s.requireListed(t, paymentRef, want...)
	if _, ok := s.Connector.(psp.WebhookParser); !ok {
		return
	}
	told := map[string]payment.Elsewhere{}
	for _, e := range s.events(t) {
		if e.Elsewhere == nil || e.PaymentRef != paymentRef {
			continue
		}
		require.Empty(t, e.AttemptID, e.Type)
		require.Nil(t, e.Outcome, e.Type)
		if before, known := told[e.Elsewhere.Ref]; !known || rank(e.Elsewhere.State) > rank(before.State) {
			told[e.Elsewhere.Ref] = *e.Elsewhere
		}
	}
	require.Len(t, told, len(want))
	for _, w := range want {
		require.Equal(t, w, told[w.Ref])
	}
}

func (s *story) requireListed(t *testing.T, paymentRef string, want ...payment.Elsewhere) {
	t.Helper()
	listed, err := s.Connector.(psp.ElsewhereLister).ListElsewhere(t.Context(), s.Account, paymentRef)
	require.NoError(t, err)
	require.ElementsMatch(t, want, listed)
}

// rank orders what messages say of one movement, whatever order they come in: a
// later state never goes back to an earlier one.
func rank(s payment.AttemptState) int {
	order := map[payment.AttemptState]int{payment.Working: 1, payment.Done: 2, payment.Closed: 3}
	return order[s]
}
