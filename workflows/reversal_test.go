package workflows_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/workflow"

	"tillflow/activities/activitytest"
	"tillflow/internal/flow"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
	"tillflow/workflows"
)

// tooLate is a payment whose charge ended with a reject and whose money came
// after that: its reversal is claimed and has no run yet.
func tooLate(t *testing.T, options ...option) (s *story, in flow.MoveInput) {
	t.Helper()
	s = begin(t, options...)
	s.at(time.Minute, func() { s.choose("acme") })
	s.at(time.Hour, func() { s.act(flow.UpdateExpire, payment.Action{ID: "x", Action: "expire"}) })
	s.run()
	s.told(reject)
	state := payment.Done
	if s.input.Kind == payment.Authorization {
		state = payment.Held
	}
	_, err := s.records.RecordFinding(t.Context(), payment.Finding{
		AttemptID: attempt(1), Evidence: payment.ByWebhook, State: state, PaymentRef: "money-1",
	})
	require.NoError(t, err)
	back := s.records.View(pay).Reversals
	require.Len(t, back, 1)
	s.fresh(s.env.Now())
	return s, flow.MoveInput{
		OperationID: back[0].OperationID, PaymentID: pay, Operation: payment.OpReversal, Shop: s.input.Shop, Provider: "acme",
		Amount: s.input.Amount, Timing: flow.DefaultTiming(),
	}
}

func (s *story) giveBack(in flow.MoveInput, calls int) {
	s.t.Helper()
	rows, called := s.records.Calls(""), s.acme.Calls("")
	s.env.ExecuteWorkflow(workflows.Reversal, in)
	require.True(s.t, s.env.IsWorkflowCompleted())
	require.NoError(s.t, s.env.GetWorkflowError())
	var result flow.MoveResult
	require.NoError(s.t, s.env.GetWorkflowResult(&result))
	require.True(s.t, result.Done)
	require.Equal(s.t, payment.Reversed, s.records.View(pay).State)
	require.Empty(s.t, s.records.View(pay).Reversals)
	require.LessOrEqual(s.t, s.acme.Calls("")-called, calls)
	require.LessOrEqual(s.t, s.records.Calls("")-rows, 5*calls+5)
	s.told(reject)
}

func TestReversal(t *testing.T) {
	t.Parallel()

	t.Run("taken money is refunded", func(t *testing.T) {
		t.Parallel()
		s, in := tooLate(t)
		s.giveBack(in, 10)
		require.Equal(t, []string{"tf:pay:reversal:refund:1"}, s.acme.Keys(activitytest.CallRefund))
		require.Zero(t, s.acme.Calls(activitytest.CallVoid))
	})

	t.Run("held money is voided", func(t *testing.T) {
		t.Parallel()
		s, in := tooLate(t, authorization)
		s.giveBack(in, 10)
		require.Equal(t, []string{"tf:pay:reversal:void:1"}, s.acme.Keys(activitytest.CallVoid))
		require.Zero(t, s.acme.Calls(activitytest.CallRefund))
	})

	t.Run("a lost reply is looked up, not sent again", func(t *testing.T) {
		t.Parallel()
		s, in := tooLate(t)
		s.acme.Script(activitytest.CallRefund, activitytest.Answer{Done: true, Err: errors.New("reset")})
		s.giveBack(in, 10)
		require.Equal(t, 1, s.acme.Calls(activitytest.CallRefund))
	})

	t.Run("in doubt for long: a person is called, nothing is sent again, later evidence ends it", func(t *testing.T) {
		t.Parallel()
		s, in := tooLate(t, advisory, noKeys)
		s.acme.Script(activitytest.CallRefund, activitytest.Answer{Done: true, Err: errors.New("reset")})
		s.acme.Down(payment.Errorf(payment.NotFound, "no trace"))
		s.at(time.Minute, func() { require.Equal(t, payment.NobodyNeeded, s.operator()) })
		s.at(24*time.Hour, func() {
			require.Equal(t, payment.InDoubt, s.operator())
			s.acme.Down(nil)
		})
		s.giveBack(in, 500)
		require.Equal(t, 1, s.acme.Calls(activitytest.CallRefund))
		require.Equal(t, payment.NobodyNeeded, s.operator())
	})

	t.Run("provably not done: the next attempt follows soon, under a new key", func(t *testing.T) {
		t.Parallel()
		s, in := tooLate(t)
		s.acme.Script(activitytest.CallRefund, activitytest.Answer{Err: payment.Errorf(payment.Unknown, "500")},
			activitytest.Answer{Err: payment.Errorf(payment.Unknown, "500")}, activitytest.Answer{Err: payment.Errorf(payment.Unknown, "500")},
			activitytest.Answer{Err: payment.Errorf(payment.Unknown, "500")}, activitytest.Answer{Err: payment.Errorf(payment.Unknown, "500")},
			activitytest.Answer{Err: payment.Errorf(payment.Unknown, "500")})
		begun := s.env.Now()
		s.giveBack(in, 40)
		keys := s.acme.Keys(activitytest.CallRefund)
		require.Equal(t, "tf:pay:reversal:refund:2", keys[len(keys)-1])
		require.WithinDuration(t, begun, s.env.Now(), 10*time.Minute)
	})

	t.Run("accepted and not final: watched until it is", func(t *testing.T) {
		t.Parallel()
		s, in := tooLate(t)
		s.acme.Script(activitytest.CallRefund, activitytest.Answer{Out: &psp.Outcome{Status: psp.Processing, Ref: "re_1"}})
		for range 20 {
			s.acme.Script(activitytest.CallInquire, activitytest.Answer{Out: &psp.Outcome{Status: psp.Processing, Ref: "re_1"}})
		}
		s.acme.Script(activitytest.CallInquire, activitytest.Answer{Out: &psp.Outcome{Status: psp.Succeeded, Ref: "re_1"}})
		s.giveBack(in, 40)
		require.Equal(t, 1, s.acme.Calls(activitytest.CallRefund))
		require.LessOrEqual(t, s.records.Calls("BeginMove"), 1, "waiting happens inside one activity")
	})

	t.Run("refused: a person is called; retry-now makes a new attempt", func(t *testing.T) {
		t.Parallel()
		s, in := tooLate(t)
		s.acme.Script(activitytest.CallRefund, activitytest.Answer{Out: &psp.Outcome{Status: psp.Declined, Code: "insufficient_balance"}})
		var pressed *asked
		s.at(10*time.Minute, func() {
			require.Equal(t, payment.ReversalStuck, s.operator())
			require.Equal(t, 1, s.acme.Calls(activitytest.CallRefund))
			require.Contains(t, s.state().Note, "does not take the money back")
			pressed = s.act(flow.UpdateRetry, payment.Action{ID: "retry", Action: "retry"})
		})
		begun := s.env.Now()
		s.giveBack(in, 10)
		require.True(t, pressed.done)
		require.Equal(t, []string{"tf:pay:reversal:refund:1", "tf:pay:reversal:refund:2"}, s.acme.Keys(activitytest.CallRefund))
		require.Equal(t, begun.Add(10*time.Minute), s.env.Now())
		require.Equal(t, payment.NobodyNeeded, s.operator())
	})

	t.Run("refused and nobody comes: tried again each half hour", func(t *testing.T) {
		t.Parallel()
		s, in := tooLate(t)
		for range 3 {
			s.acme.Script(activitytest.CallRefund, activitytest.Answer{Out: &psp.Outcome{Status: psp.Declined}})
		}
		begun := s.env.Now()
		s.giveBack(in, 10)
		require.Equal(t, begun.Add(90*time.Minute), s.env.Now())
	})

	t.Run("a person who gave it back at the provider ends it", func(t *testing.T) {
		t.Parallel()
		s, in := tooLate(t, advisory, noKeys)
		s.acme.Script(activitytest.CallRefund, activitytest.Answer{Err: payment.Errorf(payment.Unknown, "reset")})
		s.at(time.Hour, func() {
			s.act(flow.UpdateResolve, payment.Action{ID: "p", Action: "resolve", Choice: payment.DecidePaid, AttemptID: pay + "-reversal-1"})
		})
		s.giveBack(in, 100)
		require.Equal(t, 1, s.acme.Calls(activitytest.CallRefund))
	})

	t.Run("a provider that is down is asked again, with the same attempt", func(t *testing.T) {
		t.Parallel()
		s, in := tooLate(t)
		s.acme.Down(payment.Errorf(payment.Unavailable, "refused"))
		s.at(time.Hour, func() { s.acme.Down(nil) })
		s.giveBack(in, 300)
		for _, key := range s.acme.Keys(activitytest.CallRefund) {
			require.Equal(t, "tf:pay:reversal:refund:1", key)
		}
	})

	t.Run("cancel in Temporal does not stop money on its way back", func(t *testing.T) {
		t.Parallel()
		s, in := tooLate(t)
		s.acme.Down(payment.Errorf(payment.Unauthorized, "revoked"))
		s.at(time.Minute, s.env.CancelWorkflow)
		s.at(2*time.Minute, func() {
			require.Contains(t, s.state().Note, "Cancel was pressed")
			require.Equal(t, payment.AccountBlocked, s.operator())
		})
		s.at(3*time.Minute, func() { s.acme.Down(nil) })
		s.giveBack(in, 10)
	})

	t.Run("a second run of a done reversal does nothing", func(t *testing.T) {
		t.Parallel()
		s, in := tooLate(t)
		s.giveBack(in, 10)
		changes, calls := s.records.Changes(), s.acme.Calls("")
		s.fresh(s.env.Now())
		s.giveBack(in, 20)
		require.Equal(t, changes, s.records.Changes())
		require.Equal(t, calls, s.acme.Calls(""))
	})

	t.Run("a long one continues as new and the rows know the rest", func(t *testing.T) {
		t.Parallel()
		s, in := tooLate(t)
		s.acme.Down(payment.Errorf(payment.Unavailable, "refused"))
		s.at(time.Hour, func() { s.env.SetContinueAsNewSuggested(true) })
		s.env.ExecuteWorkflow(workflows.Reversal, in)
		var again *workflow.ContinueAsNewError
		require.ErrorAs(t, s.env.GetWorkflowError(), &again)
		require.Equal(t, "Reversal", again.WorkflowType.Name)
		s.acme.Down(nil)
		s.fresh(s.env.Now())
		s.giveBack(in, 300)
	})
}

// noKeys: the provider knows no idempotency keys.
func noKeys(_ *payment.Session, c *psp.Contract) { c.KeyRetention = 0 }
