package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"tillflow/activities/activitytest"
	"tillflow/internal/flow"
	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

func refusedAs(why payment.Refusal) flow.MoveResult {
	return flow.MoveResult{Final: payment.Reject, Refusal: why}
}

func TestMoves(t *testing.T) {
	t.Parallel()

	t.Run("a refund is claimed, sent once, posted and told, with one change of what is searched", func(t *testing.T) {
		t.Parallel()
		s, in := refunded(t)
		var shown []temporal.SearchAttributes
		s.env.OnUpsertTypedSearchAttributes(mock.Anything).Run(func(args mock.Arguments) {
			shown = append(shown, args[0].(temporal.SearchAttributes))
		}).Return(nil)
		require.Equal(t, done, s.move(in, 1))
		s.told("resolve refund gid-m1")
		require.Equal(t, []string{"tf:pay:refund:1"}, s.acme.Keys(activitytest.CallRefund))
		require.Equal(t, payment.PartiallyRefunded, s.records.View(pay).State)
		require.Len(t, shown, 1)
		status, _ := shown[0].GetKeyword(flow.PayStatus)
		psp, _ := shown[0].GetKeyword(flow.PayPSP)
		require.Equal(t, []string{"done", "acme"}, []string{status, psp})
		for _, call := range []string{"ClaimMove", "BeginMove", "LoadMove", "LoadMoveTelling", "RecordMoveTold"} {
			require.Equal(t, 1, s.records.Calls(call), call)
		}
	})

	t.Run("parts are captured, the rest is voided, the taken money is refunded", func(t *testing.T) {
		t.Parallel()
		s := bought(t, authorization)
		for _, step := range []struct {
			kind   payment.Operation
			id     string
			amount money.Amount
			want   flow.MoveResult
			state  payment.State
		}{
			{payment.OpCapture, "c1", eur(500), done, payment.Captured},
			{payment.OpCapture, "c2", eur(400), done, payment.Captured},
			{payment.OpCapture, "c3", eur(331), refusedAs(payment.RefusedTooLarge), payment.Captured},
			{payment.OpVoid, "v1", money.Amount{}, done, payment.Voided},
			{payment.OpVoid, "v2", money.Amount{}, refusedAs(payment.RefusedNotHeld), payment.Voided},
			{payment.OpCapture, "c4", eur(1), refusedAs(payment.RefusedNotHeld), payment.Voided},
			{payment.OpRefund, "r1", eur(901), refusedAs(payment.RefusedTooLarge), payment.Voided},
			{payment.OpRefund, "r2", eur(900), done, payment.PartiallyRefunded},
		} {
			in := s.asks(step.kind, step.id, step.amount)
			require.Equal(t, step.want, s.move(in, 1), step.id)
			require.Equal(t, step.state, s.records.View(pay).State, step.id)
			s.nextMove()
		}
		require.Equal(t, []string{"tf:pay:capture:1", "tf:pay:capture:2"}, s.acme.Keys(activitytest.CallCapture))
		require.Equal(t, 1, s.acme.Calls(activitytest.CallVoid))
		require.Equal(t, 1, s.acme.Calls(activitytest.CallRefund))
		s.told("resolve capture gid-c1", "resolve capture gid-c2", "reject capture gid-c3", "resolve void gid-v1",
			"reject void gid-v2", "reject capture gid-c4", "reject refund gid-r1", "resolve refund gid-r2")
	})

	for name, c := range map[string]struct {
		kind   payment.Operation
		amount money.Amount
		change func(*payment.MoveSession)
		after  time.Duration
		want   payment.Refusal
	}{
		"no such payment":          {kind: payment.OpRefund, amount: eur(1), change: func(m *payment.MoveSession) { m.PaymentRef = "other" }, want: payment.RefusedUnknownPayment},
		"a test of a live payment": {kind: payment.OpRefund, amount: eur(1), change: func(m *payment.MoveSession) { m.Test = true }, want: payment.RefusedUnknownPayment},
		"nothing":                  {kind: payment.OpCapture, amount: eur(0), want: payment.RefusedZeroAmount},
		"other money":              {kind: payment.OpCapture, amount: money.New(1, "USD"), want: payment.RefusedOtherCurrency},
		"too much":                 {kind: payment.OpCapture, amount: eur(1231), want: payment.RefusedTooLarge},
		"what is only held":        {kind: payment.OpRefund, amount: eur(1), want: payment.RefusedNotPaid},
		"a hold that is over":      {kind: payment.OpCapture, amount: eur(1), after: week, want: payment.RefusedAuthorizationExpired},
	} {
		t.Run("refused without asking the provider: "+name, func(t *testing.T) {
			t.Parallel()
			s := bought(t, authorization)
			if s.nextMove(); c.after > 0 {
				s.fresh(s.start.Add(c.after))
			}
			change := c.change
			if change == nil {
				change = func(*payment.MoveSession) {}
			}
			in := s.asks(c.kind, asked1, c.amount, change)
			require.Equal(t, refusedAs(c.want), s.move(in, 0))
			s.told("reject " + string(c.kind) + " gid-m1")
			require.Equal(t, []payment.Refusal{c.want}, s.shop.Refusals())
		})
	}

	t.Run("declined by the provider: rejected, and the amount is free again", func(t *testing.T) {
		t.Parallel()
		s, in := refunded(t)
		s.acme.Script(activitytest.CallRefund, says(psp.Outcome{Status: psp.Declined, Code: "insufficient_funds"}))
		require.Equal(t, refusedAs(payment.RefusedByProvider), s.move(in, 1))
		s.told("reject refund gid-m1")
		s.nextMove()
		require.Equal(t, done, s.move(s.asks(payment.OpRefund, "m2", eur(1230)), 1))
		require.Equal(t, []string{"tf:pay:refund:1", "tf:pay:refund:2"}, s.acme.Keys(activitytest.CallRefund))
	})

	t.Run("a hold that the provider calls over: the capture is rejected with the reason that the shop knows", func(t *testing.T) {
		t.Parallel()
		s := bought(t, authorization)
		s.acme.Script(activitytest.CallCapture, says(psp.Outcome{Status: psp.Declined, Code: payment.CodeAuthorizationExpired}))
		require.Equal(t, refusedAs(payment.RefusedAuthorizationExpired), s.move(s.asks(payment.OpCapture, asked1, eur(1230)), 1))
	})

	t.Run("a request that the provider calls wrong is decided, and told at once", func(t *testing.T) {
		t.Parallel()
		s, in := refunded(t)
		s.acme.Script(activitytest.CallRefund, activitytest.Answer{Err: payment.Errorf(payment.Invalid, "no such charge")})
		begun := s.env.Now().UTC()
		require.Equal(t, refusedAs(payment.RefusedByProvider), s.move(in, 1))
		require.Equal(t, begun, s.env.Now().UTC())
		require.Equal(t, payment.NobodyNeeded, s.moveOperator())
	})

	t.Run("a request of our own API is told nobody", func(t *testing.T) {
		t.Parallel()
		s, in := refunded(t, fromAPI)
		require.Equal(t, done, s.move(in, 1))
		require.Zero(t, s.shop.Tries())
	})

	t.Run("a second run of a finished move does nothing", func(t *testing.T) {
		t.Parallel()
		s, in := refunded(t)
		s.move(in, 1)
		changes, tries := s.records.Changes(), s.shop.Tries()
		s.nextMove()
		require.Equal(t, done, s.move(in, 0))
		require.Equal(t, []int{changes, tries}, []int{s.records.Changes(), s.shop.Tries()})
	})
}

func TestAcceptedAndNotFinal(t *testing.T) {
	t.Parallel()
	slow := func(t *testing.T) (*story, flow.MoveInput) {
		t.Helper()
		s, in := refunded(t)
		s.acme.Slow(true)
		return s, in
	}

	t.Run("the shop is told at once, and the provider is watched until it is final", func(t *testing.T) {
		t.Parallel()
		s, in := slow(t)
		begun := s.env.Now().UTC()
		s.at(time.Minute, func() {
			s.told("resolve refund gid-m1")
			require.Contains(t, s.state().Note, "works on it")
			require.Equal(t, payment.Resolve, s.state().Move.Final)
			require.False(t, s.state().Move.Done)
		})
		s.at(72*time.Hour, func() { s.acme.Set(refund1, psp.Succeeded) })
		require.Equal(t, done, s.move(in, 160))
		require.Equal(t, begun, s.shop.HeardAt("resolve refund gid-m1"))
		require.Equal(t, 1, s.acme.Calls(activitytest.CallRefund))
		require.Equal(t, 1, s.shop.Tries())
		require.LessOrEqual(t, s.records.Calls("BeginMove"), 1, "waiting happens inside one activity")
	})

	t.Run("given up by the provider after that: booked back, a person is told, the shop never hears the other answer", func(t *testing.T) {
		t.Parallel()
		s, in := slow(t)
		s.at(5*time.Hour, func() { s.acme.Set(refund1, psp.Declined) })
		require.Equal(t, flow.MoveResult{Final: payment.Resolve}, s.move(in, 20))
		s.told("resolve refund gid-m1")
		require.Equal(t, payment.RefundFailed, s.moveOperator())
		require.Contains(t, s.state().Note, "gave it up")
		require.Contains(t, s.state().Note, "Pay the buyer in another way")
		s.acme.Slow(false)
		s.nextMove()
		require.Equal(t, done, s.move(s.asks(payment.OpRefund, "m2", eur(1230)), 1), "the amount is free again")
	})

	t.Run("a message of the provider ends the watch at once", func(t *testing.T) {
		t.Parallel()
		for name, hears := range map[string]func(s *story){
			"one that proves it": func(s *story) { s.webhook(refund1, payment.Done) },
			"one that makes us look": func(s *story) {
				s.acme.Set(refund1, psp.Succeeded)
				s.webhook(refund1, "")
			},
		} {
			s, in := slow(t)
			begun := s.env.Now().UTC()
			s.at(20*time.Hour+time.Second, func() { hears(s) })
			require.Equal(t, done, s.move(in, 60), name)
			require.Equal(t, begun.Add(20*time.Hour+time.Second), s.env.Now().UTC(), name)
			require.Zero(t, s.records.Undispatched(), name)
		}
	})

	t.Run("a message that tells nothing new begins the watch anew", func(t *testing.T) {
		t.Parallel()
		s, in := slow(t)
		for n := range 5 {
			s.at(time.Duration(n+1)*time.Hour, func() { s.webhook(refund1, "") })
		}
		s.at(6*time.Hour, func() { s.acme.Set(refund1, psp.Succeeded); s.webhook(refund1, "") })
		require.Equal(t, done, s.move(in, 80))
		require.Zero(t, s.records.Undispatched())
	})

	t.Run("a message before the reply is no second refund", func(t *testing.T) {
		t.Parallel()
		s, in := refunded(t)
		s.acme.Script(activitytest.CallRefund, activitytest.Answer{First: func() { s.webhook(refund1, payment.Done) }})
		require.Equal(t, done, s.move(in, 1))
		s.told("resolve refund gid-m1")
	})

	t.Run("a message about nothing of ours is survived", func(t *testing.T) {
		t.Parallel()
		s, in := slow(t)
		s.at(time.Hour, func() {
			s.env.SignalWorkflow(flow.SignalEvent, flow.EventSignal{AttemptID: "forged"})
			s.env.SignalWorkflow(flow.SignalEvent, flow.EventSignal{})
		})
		s.at(2*time.Hour, func() {
			require.Equal(t, payment.NobodyNeeded, s.moveOperator())
			s.acme.Set(refund1, psp.Succeeded)
		})
		require.Equal(t, done, s.move(in, 30))
	})

	t.Run("cancel pressed in Temporal changes nothing", func(t *testing.T) {
		t.Parallel()
		s, in := slow(t)
		s.at(time.Minute, s.env.CancelWorkflow)
		s.at(2*time.Minute, func() { require.Contains(t, s.state().Note, "Cancel was pressed") })
		s.at(time.Hour, func() { s.acme.Set(refund1, psp.Succeeded) })
		require.Equal(t, done, s.move(in, 20))
	})

	t.Run("a long watch continues as new and the rows know the rest", func(t *testing.T) {
		t.Parallel()
		s, in := slow(t)
		s.at(time.Hour, func() { s.env.SetContinueAsNewSuggested(true); s.webhook(refund1, "") })
		s.startMove(in)
		var again *workflow.ContinueAsNewError
		require.ErrorAs(t, s.env.GetWorkflowError(), &again)
		require.Equal(t, "Refund", again.WorkflowType.Name)
		s.nextMove()
		s.env.SetContinuedExecutionRunID("previous")
		s.at(time.Hour, func() { s.acme.Set(refund1, psp.Succeeded) })
		require.Equal(t, done, s.move(in, 20))
		require.Equal(t, 1, s.acme.Calls(activitytest.CallRefund))
		require.Equal(t, 1, s.shop.Tries())
	})
}
