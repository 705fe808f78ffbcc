package workflows_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/workflow"

	"tillflow/activities"
	"tillflow/activities/activitytest"
	"tillflow/internal/flow"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
	"tillflow/workflows"
)

// TestAFreshRunTakesOver throws the run away at each point of the story, as
// Terminate or a lost Temporal database does, and lets a new one go on from the
// rows: one page, one payment, one answer.
func TestAFreshRunTakesOver(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	openPage := func(s *story) {
		s.records.Choose(pay, "acme")
		_, err := s.gateway.OpenCheckout(ctx, activities.CheckoutInput{PaymentID: pay})
		require.NoError(s.t, err)
	}
	success := func(s *story) {
		openPage(s)
		s.acme.Set(attempt(1), psp.Succeeded)
		_, err := s.gateway.SettleAttempt(ctx, activities.AttemptInput{AttemptID: attempt(1)})
		require.NoError(s.t, err)
	}
	told := func(s *story) {
		success(s)
		answer, err := s.shop.ResolvePayment(ctx, s.input.Shop, "gid-pay", time.Time{})
		require.NoError(s.t, err)
		answer.PaymentID = pay
		_, err = s.records.RecordTold(ctx, answer)
		require.NoError(s.t, err)
	}
	for name, before := range map[string]func(*story){
		"before anything": func(*story) {},
		"after the choice": func(s *story) {
			s.records.Choose(pay, "acme")
		},
		"after the send log, before the send": func(s *story) {
			s.records.Choose(pay, "acme")
			_, err := s.records.BeginCheckout(ctx, pay)
			require.NoError(s.t, err)
		},
		"after the send, before the reply": func(s *story) {
			s.records.Choose(pay, "acme")
			s.acme.Script(activitytest.CallOpen, activitytest.Answer{Done: true, Err: payment.Errorf(payment.Unknown, "lost")})
			_, err := s.gateway.OpenCheckout(ctx, activities.CheckoutInput{PaymentID: pay})
			require.Error(s.t, err)
		},
		"after the page opened": openPage,
		"after the buyer paid, before the webhook was acted on": func(s *story) {
			openPage(s)
			s.acme.Set(attempt(1), psp.Succeeded)
			s.records.StoreEvent(attempt(1), payment.Done)
		},
		"after success, before the shop is told": success,
		"after the shop was told, before that is recorded": func(s *story) {
			success(s)
			_, err := s.shop.ResolvePayment(ctx, s.input.Shop, "gid-pay", time.Time{})
			require.NoError(s.t, err)
		},
		"after the shop's answer is recorded": told,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := begin(t)
			before(s)
			s.at(time.Minute, func() {
				if len(s.records.Attempts(pay)) == 0 {
					s.choose("acme")
				}
			})
			s.at(2*time.Minute, func() {
				if s.records.View(pay).Final == payment.Undecided {
					s.pays(attempt(1))
				}
			})
			s.run()
			s.told(resolve)
			require.Equal(t, []payment.AttemptState{payment.Done}, s.states())
			require.Equal(t, 1, s.acme.Holding(psp.Succeeded))
			require.Equal(t, 1, s.acme.Calls(activitytest.CallOpen))
			require.Zero(t, s.records.Undispatched())
		})
	}

	t.Run("what was paid while there was no run is found at once", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		openPage(s)
		s.acme.Set(attempt(1), psp.Succeeded)
		s.run()
		require.Equal(t, s.start, s.shop.HeardAt(resolve))
	})

	t.Run("after the end", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		told(s)
		changes := s.records.Changes()
		s.run()
		require.Equal(t, changes, s.records.Changes())
		require.Equal(t, 1, s.shop.Tries())
	})

	t.Run("a reversal that has a run already is not started twice", func(t *testing.T) {
		t.Parallel()
		s := begin(t, group)
		openPage(s)
		s.wonByAnother()
		s.acme.Set(attempt(1), psp.Succeeded)
		_, err := s.gateway.SettleAttempt(ctx, activities.AttemptInput{AttemptID: attempt(1)})
		require.NoError(t, err)
		s.run()
		s.told(reject)
		require.Equal(t, 1, s.acme.Calls(activitytest.CallRefund))
	})
}

func TestContinueAsNew(t *testing.T) {
	t.Parallel()
	// first runs until the server suggests a fresh history, at the given time.
	first := func(t *testing.T, at time.Duration, story func(s *story)) *story {
		t.Helper()
		s := begin(t)
		story(s)
		s.at(at, func() { s.env.SetContinueAsNewSuggested(true); s.returns() })
		s.execute()
		var again *workflow.ContinueAsNewError
		require.ErrorAs(t, s.env.GetWorkflowError(), &again)
		require.Equal(t, "Charge", again.WorkflowType.Name)
		s.fresh(s.env.Now())
		s.env.SetContinuedExecutionRunID("previous")
		return s
	}

	t.Run("the second run pays from the rows", func(t *testing.T) {
		t.Parallel()
		s := first(t, 3*time.Hour, func(s *story) { s.at(time.Minute, func() { s.choose("acme") }) })
		s.at(time.Hour, func() { s.pays(attempt(1)) })
		s.run()
		s.told(resolve)
		require.Equal(t, 1, s.acme.Calls(activitytest.CallOpen))
	})

	t.Run("the deadline stays where it was", func(t *testing.T) {
		t.Parallel()
		s := first(t, 3*time.Hour, func(*story) {})
		s.run()
		require.Equal(t, s.start.Add(decision), s.shop.HeardAt(reject))
	})

	t.Run("a person who waits for an answer gets it first", func(t *testing.T) {
		t.Parallel()
		var pressed *asked
		s := first(t, 3*time.Hour, func(s *story) {
			s.at(3*time.Hour, func() { pressed = s.act(flow.UpdateNote, payment.Action{ID: "x", Action: "note"}) })
		})
		require.True(t, pressed.done)
		require.NoError(t, pressed.err)
		s.run()
	})
}

func TestABrokenInvariantEndsTheRunRed(t *testing.T) {
	t.Parallel()
	s := begin(t)
	s.records.Break("LoadCharge", payment.Errorf(payment.Bug, "no such row"))
	s.env.ExecuteWorkflow(workflows.Charge, s.input)
	require.Error(t, s.env.GetWorkflowError(), "an operator must see it; the sweep starts it again")
}
