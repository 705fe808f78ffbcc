package workflows_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"tillflow/activities/activitytest"
	"tillflow/internal/flow"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

func TestUpdates(t *testing.T) {
	t.Parallel()

	t.Run("expire shuts the page and rejects as cancelled", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.at(time.Minute, func() { s.choose("acme") })
		var pressed *asked
		s.at(time.Hour, func() { pressed = s.act(flow.UpdateExpire, payment.Action{ID: "x", Action: "expire"}) })
		result := s.run()
		require.Equal(t, flow.ChargeResult{State: payment.Rejected, Final: payment.Reject, Reason: payment.Cancelled}, result)
		require.Equal(t, s.start.Add(time.Hour), s.shop.HeardAt(reject))
		require.Equal(t, []payment.AttemptState{payment.Closed}, s.states())
		require.True(t, pressed.done)
		require.NoError(t, pressed.err)
	})

	t.Run("expire of what was paid meanwhile resolves", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.at(time.Minute, func() { s.choose("acme") })
		s.at(time.Hour, func() {
			s.acme.Set(attempt(1), psp.Succeeded)
			s.act(flow.UpdateExpire, payment.Action{ID: "x", Action: "expire"})
		})
		s.run()
		s.told(resolve)
	})

	t.Run("without a row's id it is rejected before it enters the history", func(t *testing.T) {
		t.Parallel()
		for _, update := range []string{flow.UpdateExpire, flow.UpdateResolve, flow.UpdateRetry, flow.UpdateNote} {
			s := begin(t)
			var pressed *asked
			s.at(time.Hour, func() { pressed = s.ask(update, "") })
			s.run()
			require.ErrorContains(t, pressed.rejected, "no action id")
			require.False(t, pressed.done)
			require.Zero(t, s.records.Calls("ApplyAction"))
		}
	})

	t.Run("a foreign or forged row is refused and changes nothing", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.records.Accept(payment.Session{ID: "other", Shop: "b.myshopify.com", ReceivedAt: s.start})
		s.records.WriteAction(payment.Action{ID: "foreign", PaymentID: "other", Action: "resolve", Choice: payment.DecidePaid, AttemptID: attempt(1)})
		s.at(time.Minute, func() { s.choose("acme") })
		answers := map[string]*asked{}
		s.at(time.Hour, func() {
			before := s.records.Changes()
			for _, id := range []string{"foreign", "forged"} {
				answers[id] = s.ask(flow.UpdateResolve, id)
			}
			s.at(time.Second, func() { require.Equal(t, before, s.records.Changes()) })
		})
		s.run()
		s.told(reject)
		require.Equal(t, string(payment.Invalid), typeOf(t, answers["foreign"].err))
		require.Equal(t, string(payment.NotFound), typeOf(t, answers["forged"].err))
		require.Contains(t, answers["foreign"].err.Error(), "not applied")
	})

	t.Run("an action that does not fit the state is refused", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		var pressed *asked
		s.at(time.Hour, func() {
			pressed = s.act(flow.UpdateResolve, payment.Action{ID: "x", Action: "resolve", Choice: payment.DecideGiveBack})
		})
		s.run()
		require.Equal(t, string(payment.Conflict), typeOf(t, pressed.err))
	})

	t.Run("the same action twice is applied once and answered twice", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		var first, second *asked
		s.at(time.Hour, func() {
			first = s.act(flow.UpdateNote, payment.Action{ID: "x", Action: "note"})
			second = s.ask(flow.UpdateNote, "x")
		})
		s.run()
		require.NoError(t, first.err)
		require.NoError(t, second.err)
		require.True(t, first.done && second.done)
	})

	t.Run("actions in the last moment are still answered", func(t *testing.T) {
		t.Parallel()
		s := begin(t, fromAPI)
		var pressed []*asked
		press := func(id string) {
			pressed = append(pressed, s.act(flow.UpdateNote, payment.Action{ID: id, Action: "note"}))
		}
		s.at(time.Minute, func() { s.choose("acme") })
		// The first comes during the step that ends the charge, the second while the
		// ended charge still applies the first.
		s.acme.Script(activitytest.CallInquire, activitytest.Answer{First: func() { s.acme.Set(attempt(1), psp.Succeeded); press("x") }})
		s.env.SetOnLocalActivityStartedListener(func(info *activity.Info, _ context.Context, _ []any) {
			if info.ActivityType.Name == "ApplyAction" && len(pressed) == 1 {
				require.True(t, s.records.View(pay).Closed)
				press("y")
			}
		})
		s.at(2*time.Minute, s.returns)
		s.run()
		require.Len(t, pressed, 2)
		for _, p := range pressed {
			require.True(t, p.done)
			require.NoError(t, p.err)
		}
	})

	t.Run("Temporal's own cancel does not end a payment", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.at(time.Minute, func() { s.choose("acme") })
		s.at(2*time.Minute, s.env.CancelWorkflow)
		s.at(3*time.Minute, func() {
			require.Contains(t, s.state().Note, "Cancel was pressed")
			require.Equal(t, []payment.AttemptState{payment.Open}, s.states())
		})
		s.at(time.Hour, func() { s.pays(attempt(1)) })
		s.run()
		s.told(resolve)
	})
}

func TestWhatIsShown(t *testing.T) {
	t.Parallel()

	t.Run("the note says what happened, what is awaited until when, and what may be pressed", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		var notes []string
		look := func() { notes = append(notes, s.state().Note) }
		s.at(time.Second, look)
		s.at(time.Minute, func() { s.choose("acme") })
		s.at(2*time.Minute, look)
		s.at(3*time.Minute, func() { s.acme.Set(attempt(1), psp.Processing); s.returns() })
		s.at(4*time.Minute, look)
		s.at(5*time.Minute, func() { s.shop.Down(payment.Errorf(payment.Unauthorized, "x")); s.pays(attempt(1)) })
		s.at(6*time.Minute, look)
		s.at(7*time.Minute, func() { s.shop.Down(nil); s.act(flow.UpdateRetry, payment.Action{ID: "x", Action: "retry"}) })
		s.run()
		for i, want := range []string{
			"Waiting for the buyer to choose a way to pay, until 2026-03-03 11:00:00 UTC",
			"The provider's checkout is open; waiting for the buyer",
			"The provider is processing",
			"access refused",
		} {
			require.Contains(t, notes[i], want)
			require.Contains(t, notes[i], "sale of 12.30 EUR")
			require.Contains(t, notes[i], "retry-now")
		}
		require.Contains(t, notes[3], "operator-resolve")
		require.Equal(t, payment.Captured, s.state().View.State)
	})

	t.Run("search attributes change only when they say something new", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		upserts := 0
		s.env.OnUpsertTypedSearchAttributes(mock.Anything).Run(func(mock.Arguments) { upserts++ }).Return(nil)
		s.at(time.Minute, func() { s.choose("acme") })
		for n := range 10 {
			s.at(2*time.Minute+time.Duration(n)*time.Second, s.returns)
		}
		s.at(3*time.Minute, func() { s.pays(attempt(1)) })
		s.run()
		require.LessOrEqual(t, upserts, 1, "captured")
	})

	t.Run("a run that continues another shows all of it: it inherits the old attributes", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.env.SetContinuedExecutionRunID("previous")
		var first *bool
		s.env.OnUpsertTypedSearchAttributes(mock.Anything).Run(func(args mock.Arguments) {
			set, is := args[0].(temporal.SearchAttributes)
			require.True(t, is)
			if needed, ok := set.GetBool(flow.PayNeedsOperator); ok && first == nil {
				first = &needed
			}
		}).Return(nil)
		s.run()
		require.NotNil(t, first)
		require.False(t, *first)
	})

	t.Run("a reversal is found like every other run", func(t *testing.T) {
		t.Parallel()
		s := begin(t, group)
		var child temporal.SearchAttributes
		s.env.SetOnChildWorkflowStartedListener(func(_ *workflow.Info, ctx workflow.Context, _ converter.EncodedValues) {
			child = workflow.GetTypedSearchAttributes(ctx)
		})
		s.at(time.Minute, func() { s.choose("acme") })
		s.at(2*time.Minute, func() { s.wonByAnother(); s.pays(attempt(1)) })
		s.run()
		require.Equal(t, 1, s.acme.Calls(activitytest.CallRefund))
		for key, want := range map[temporal.SearchAttributeKeyKeyword]string{
			flow.PayShop: "a.myshopify.com", flow.PayOp: "reversal", flow.PayRef: "money-" + attempt(1), flow.PayPSP: "acme",
		} {
			got, ok := child.GetKeyword(key)
			require.True(t, ok, key.GetName())
			require.Equal(t, want, got)
		}
	})
}
