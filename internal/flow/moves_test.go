package flow_test

import (
	"testing"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"tillflow/internal/flow"
	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// asked is a session as the sweep finds it before its run has looked it up.
func asked(kind payment.Operation) payment.MoveRef {
	return payment.MoveRef{
		OperationID: "o1", PaymentID: "p1", Kind: kind, Source: "shopify", Shop: "a.myshopify.com", ExternalRef: "m1",
		Amount: money.New(1230, "EUR"),
	}
}

func TestStartMove(t *testing.T) {
	t.Parallel()
	for workflow, kind := range map[string]payment.Operation{
		"Capture": payment.OpCapture, "Void": payment.OpVoid, "Refund": payment.OpRefund, "Reversal": payment.OpReversal,
	} {
		t.Run(workflow+" is started once for a request, by its name", func(t *testing.T) {
			t.Parallel()
			c, runs := setup(t)
			var o client.StartWorkflowOptions
			c.On("ExecuteWorkflow", mock.Anything, mock.Anything, workflow, flow.MoveInput{
				OperationID: "o1", PaymentID: "p1", Operation: kind, Shop: "a.myshopify.com",
				Amount: money.New(1230, "EUR"), Timing: flow.DefaultTiming(),
			}).Run(func(args mock.Arguments) { o = args.Get(1).(client.StartWorkflowOptions) }).Return(nil, alreadyStarted()).Once()
			require.NoError(t, runs.StartMove(t.Context(), asked(kind)))
			require.Equal(t, string(kind)+"/shopify/a.myshopify.com/m1", o.ID)
			require.Equal(t, flow.Queue, o.TaskQueue)
			require.Equal(t, enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY, o.WorkflowIDReusePolicy)
			require.Equal(t, enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING, o.WorkflowIDConflictPolicy)
			require.True(t, o.EnableEagerStart)
			require.Zero(t, o.WorkflowExecutionTimeout+o.WorkflowRunTimeout)
			require.Equal(t, "a.myshopify.com", o.Priority.FairnessKey)
			require.Equal(t, string(kind), keyword(t, o, flow.PayOp))
			require.Equal(t, "m1", keyword(t, o, flow.PayRef))
			require.Equal(t, "open", keyword(t, o, flow.PayStatus))
			_, known := o.TypedSearchAttributes.GetKeyword(flow.PayPSP)
			require.False(t, known, "an empty provider is not searched for")
		})
	}

	t.Run("the summary says what is known", func(t *testing.T) {
		t.Parallel()
		for want, ref := range map[string]payment.MoveRef{
			"refund 12.30 EUR":              asked(payment.OpRefund),
			"void":                          {Kind: payment.OpVoid},
			"capture 12.30 EUR at stripe":   {Kind: payment.OpCapture, Amount: money.New(1230, "EUR"), Provider: "stripe"},
			"give back 12.30 EUR at stripe": {Kind: payment.OpReversal, Amount: money.New(1230, "EUR"), Provider: "stripe"},
		} {
			require.Equal(t, want, flow.MoveSummary(ref))
		}
	})

	t.Run("the provider of a reversal is searched for", func(t *testing.T) {
		t.Parallel()
		ref := asked(payment.OpReversal)
		ref.Provider = "stripe"
		psp, known := flow.MoveAttributes(ref).GetKeyword(flow.PayPSP)
		require.True(t, known)
		require.Equal(t, "stripe", psp)
	})

	t.Run("what nobody moves is a bug", func(t *testing.T) {
		t.Parallel()
		_, runs := setup(t)
		for _, kind := range []payment.Operation{payment.OpCharge, payment.OpDispute, "", "payout"} {
			require.Equal(t, payment.Bug, payment.ClassOf(runs.StartMove(t.Context(), asked(kind)), payment.Unknown))
			require.Equal(t, payment.Bug, payment.ClassOf(runs.SignalMove(t.Context(), asked(kind), flow.EventSignal{}), payment.Unknown))
		}
	})
}

func TestSignalMove(t *testing.T) {
	t.Parallel()
	const id = "refund/shopify/a.myshopify.com/m1"
	event := flow.EventSignal{EventID: 7, AttemptID: "a1"}
	move := asked(payment.OpRefund)
	send := func(t *testing.T, r *flow.Runs) error {
		t.Helper()
		return r.SignalEvent(t.Context(), payment.EventRef{EventID: 7, AttemptID: "a1", Run: ref(), Move: &move})
	}

	t.Run("an event about a move wakes the move and not the charge", func(t *testing.T) {
		t.Parallel()
		c, runs := setup(t)
		c.On("SignalWorkflow", mock.Anything, id, "", flow.SignalEvent, event).Return(nil).Once()
		require.NoError(t, send(t, runs))
	})

	t.Run("and starts a run that is missing", func(t *testing.T) {
		t.Parallel()
		c, runs := setup(t)
		c.On("SignalWorkflow", mock.Anything, id, "", flow.SignalEvent, event).Return(serviceerror.NewNotFound("no run")).Once()
		c.On("SignalWithStartWorkflow", mock.Anything, id, flow.SignalEvent, event, mock.MatchedBy(func(o client.StartWorkflowOptions) bool {
			return o.ID == id && !o.EnableEagerStart && o.WorkflowIDReusePolicy == enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY
		}), "Refund", mock.Anything).Return(nil, alreadyStarted()).Once()
		require.NoError(t, send(t, runs), "one that has completed needs no waking")
	})
}
