package flow_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/mocks"
	"go.temporal.io/sdk/temporal"

	"tillflow/internal/flow"
	"tillflow/internal/money"
	"tillflow/internal/payment"
)

const chargeID = "charge/shopify/a.myshopify.com/s1"

func ref() payment.RunRef {
	return payment.RunRef{
		PaymentID: "p1", Source: payment.SourceShopify, Shop: "a.myshopify.com", ExternalID: "s1", Provider: "stripe",
		Kind: payment.Sale, Amount: money.New(1230, "EUR"), ReceivedAt: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
	}
}

func setup(t *testing.T) (*mocks.Client, *flow.Runs) {
	t.Helper()
	c := &mocks.Client{}
	c.Test(t)
	t.Cleanup(func() { c.AssertExpectations(t) })
	return c, flow.NewRuns(c, flow.DefaultTiming(), true)
}

func alreadyStarted() error {
	return serviceerror.NewWorkflowExecutionAlreadyStarted("exists", "request", "run")
}

func keyword(t *testing.T, o client.StartWorkflowOptions, key temporal.SearchAttributeKeyKeyword) string {
	t.Helper()
	value, ok := o.TypedSearchAttributes.GetKeyword(key)
	require.True(t, ok, key.GetName())
	return value
}

func TestStartCharge(t *testing.T) {
	t.Parallel()

	t.Run("equal request, equal id; a completed run stays final, a failed one starts again", func(t *testing.T) {
		t.Parallel()
		c, runs := setup(t)
		var o client.StartWorkflowOptions
		var in flow.ChargeInput
		c.On("ExecuteWorkflow", mock.Anything, mock.Anything, "Charge", mock.Anything).Run(func(args mock.Arguments) {
			o, in = args.Get(1).(client.StartWorkflowOptions), args.Get(3).(flow.ChargeInput)
		}).Return(&mocks.WorkflowRun{}, nil).Once()
		require.NoError(t, runs.StartCharge(t.Context(), ref()))

		require.Equal(t, chargeID, o.ID)
		require.Equal(t, flow.Queue, o.TaskQueue)
		require.Equal(t, enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY, o.WorkflowIDReusePolicy)
		require.Equal(t, enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING, o.WorkflowIDConflictPolicy)
		require.True(t, o.EnableEagerStart)
		require.Zero(t, o.WorkflowExecutionTimeout+o.WorkflowRunTimeout, "a payment is ended by its own code only")
		require.Nil(t, o.RetryPolicy)
		require.Equal(t, "charge 12.30 EUR", o.StaticSummary)
		require.Equal(t, "a.myshopify.com", o.Priority.FairnessKey)
		require.Equal(t, "charge", keyword(t, o, flow.PayOp))
		require.Equal(t, "s1", keyword(t, o, flow.PayRef))
		deadline, ok := o.TypedSearchAttributes.GetTime(flow.PayDeadline)
		require.True(t, ok)
		require.Equal(t, ref().ReceivedAt.Add(48*time.Hour), deadline)

		require.Equal(t, flow.ChargeInput{
			PaymentID: "p1", Source: "shopify", Shop: "a.myshopify.com", ExternalID: "s1", Kind: payment.Sale,
			Amount: money.New(1230, "EUR"), ReceivedAt: ref().ReceivedAt, Timing: flow.DefaultTiming(),
		}, in)
	})

	t.Run("a run that exists or has completed is no error", func(t *testing.T) {
		t.Parallel()
		c, runs := setup(t)
		c.On("ExecuteWorkflow", mock.Anything, mock.Anything, "Charge", mock.Anything).Return(nil, alreadyStarted()).Once()
		require.NoError(t, runs.StartCharge(t.Context(), ref()))
	})

	t.Run("a service that does not answer is unavailable", func(t *testing.T) {
		t.Parallel()
		c, runs := setup(t)
		away := errors.New("connection refused")
		c.On("ExecuteWorkflow", mock.Anything, mock.Anything, "Charge", mock.Anything).Return(nil, away).Once()
		err := runs.StartCharge(t.Context(), ref())
		require.Equal(t, payment.Unavailable, payment.ClassOf(err, payment.Bug))
		require.ErrorIs(t, err, away)
		require.NotContains(t, err.Error(), "connection refused", "foreign text stays in the cause")
	})

	t.Run("a long shop name fits the server's fairness key", func(t *testing.T) {
		t.Parallel()
		c, runs := setup(t)
		var key string
		c.On("ExecuteWorkflow", mock.Anything, mock.Anything, "Charge", mock.Anything).Run(func(args mock.Arguments) {
			key = args.Get(1).(client.StartWorkflowOptions).Priority.FairnessKey
		}).Return(&mocks.WorkflowRun{}, nil).Once()
		long := ref()
		long.Shop = strings.Repeat("s", 63) + "ü.myshopify.com"
		require.NoError(t, runs.StartCharge(t.Context(), long))
		require.Equal(t, strings.Repeat("s", 63), key, "and no half character")
	})
}

func TestSignals(t *testing.T) {
	t.Parallel()
	var nobody any
	event := flow.EventSignal{EventID: 7, AttemptID: "a1"}
	for name, c := range map[string]struct {
		arg  any
		send func(context.Context, *flow.Runs) error
	}{
		flow.SignalEvent: {event, func(ctx context.Context, r *flow.Runs) error {
			return r.SignalEvent(ctx, payment.EventRef{EventID: 7, AttemptID: "a1", Run: ref()})
		}},
		flow.SignalChoice:   {nobody, func(ctx context.Context, r *flow.Runs) error { return r.SignalChoice(ctx, ref()) }},
		flow.SignalReturned: {nobody, func(ctx context.Context, r *flow.Runs) error { return r.SignalReturned(ctx, ref()) }},
	} {
		t.Run(name+" wakes the run", func(t *testing.T) {
			t.Parallel()
			sdk, runs := setup(t)
			sdk.On("SignalWorkflow", mock.Anything, chargeID, "", name, c.arg).Return(nil).Once()
			require.NoError(t, c.send(t.Context(), runs))
		})

		t.Run(name+" starts a run that is missing", func(t *testing.T) {
			t.Parallel()
			sdk, runs := setup(t)
			sdk.On("SignalWorkflow", mock.Anything, chargeID, "", name, c.arg).Return(serviceerror.NewNotFound("no run")).Once()
			sdk.On("SignalWithStartWorkflow", mock.Anything, chargeID, name, c.arg, mock.MatchedBy(func(o client.StartWorkflowOptions) bool {
				return !o.EnableEagerStart && o.WorkflowIDReusePolicy == enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY
			}), "Charge", mock.Anything).Return(&mocks.WorkflowRun{}, nil).Once()
			require.NoError(t, c.send(t.Context(), runs))
		})

		t.Run(name+" to a completed charge is no error", func(t *testing.T) {
			t.Parallel()
			sdk, runs := setup(t)
			sdk.On("SignalWorkflow", mock.Anything, chargeID, "", name, c.arg).Return(serviceerror.NewNotFound("completed")).Once()
			sdk.On("SignalWithStartWorkflow", mock.Anything, chargeID, name, c.arg, mock.Anything, "Charge", mock.Anything).
				Return(nil, alreadyStarted()).Once()
			require.NoError(t, c.send(t.Context(), runs))
		})

		t.Run(name+" that the service does not take is unavailable", func(t *testing.T) {
			t.Parallel()
			sdk, runs := setup(t)
			sdk.On("SignalWorkflow", mock.Anything, chargeID, "", name, c.arg).Return(serviceerror.NewUnavailable("away")).Once()
			err := c.send(t.Context(), runs)
			require.Equal(t, payment.Unavailable, payment.ClassOf(err, payment.Bug))
		})
	}
}

func TestAct(t *testing.T) {
	t.Parallel()
	wanted := mock.MatchedBy(func(o client.UpdateWorkflowOptions) bool {
		return o.WorkflowID == chargeID && o.UpdateID == "act1" && o.UpdateName == flow.UpdateExpire &&
			o.WaitForStage == client.WorkflowUpdateStageCompleted && o.RunID == "" &&
			len(o.Args) == 1 && o.Args[0] == flow.ActionUpdate{ActionID: "act1"}
	})

	t.Run("the action's id is the update's: pressed twice, applied once", func(t *testing.T) {
		t.Parallel()
		c, runs := setup(t)
		handle := &mocks.WorkflowUpdateHandle{}
		handle.On("Get", mock.Anything, mock.Anything).Run(func(args mock.Arguments) {
			*args.Get(1).(*flow.ActionResult) = flow.ActionResult{State: payment.Rejected}
		}).Return(nil)
		c.On("UpdateWorkflow", mock.Anything, wanted).Return(handle, nil).Once()
		result, err := runs.Act(t.Context(), chargeID, flow.UpdateExpire, "act1")
		require.NoError(t, err)
		require.Equal(t, payment.Rejected, result.State)
	})

	t.Run("the run's own no keeps apart from a service that did not answer", func(t *testing.T) {
		t.Parallel()
		for class, cause := range map[payment.Class]error{
			payment.Invalid:     temporal.NewNonRetryableApplicationError("does not fit", "Invalid", nil),
			payment.Unavailable: serviceerror.NewUnavailable("away"),
			payment.NotFound:    serviceerror.NewNotFound("completed"),
		} {
			c, runs := setup(t)
			handle := &mocks.WorkflowUpdateHandle{}
			handle.On("Get", mock.Anything, mock.Anything).Return(cause)
			c.On("UpdateWorkflow", mock.Anything, wanted).Return(handle, nil).Once()
			_, err := runs.Act(t.Context(), chargeID, flow.UpdateExpire, "act1")
			require.Equal(t, class, payment.ClassOf(err, payment.Bug))

			c, runs = setup(t)
			c.On("UpdateWorkflow", mock.Anything, wanted).Return(nil, cause).Once()
			_, err = runs.Act(t.Context(), chargeID, flow.UpdateExpire, "act1")
			require.Equal(t, class, payment.ClassOf(err, payment.Bug))
		}
	})
}

func TestEnded(t *testing.T) {
	t.Parallel()
	c, runs := setup(t)
	text := func(s string) *commonpb.Payload {
		p, err := converter.GetDefaultDataConverter().ToPayload(s)
		require.NoError(t, err)
		return p
	}
	c.On("ListWorkflow", mock.Anything, mock.Anything).Return(&workflowservice.ListWorkflowExecutionsResponse{
		Executions: []*workflowpb.WorkflowExecutionInfo{{SearchAttributes: &commonpb.SearchAttributes{
			IndexedFields: map[string]*commonpb.Payload{"PayShop": text("a.myshopify.com"), "PayRef": text("s1")},
		}}, {}},
	}, nil).Once()
	ended, err := runs.Ended(t.Context(), time.Minute)
	require.NoError(t, err)
	require.Equal(t, []payment.EndedRun{{Shop: "a.myshopify.com", Ref: "s1"}, {}}, ended)

	c.On("ListWorkflow", mock.Anything, mock.Anything).Return(nil, errors.New("away")).Once()
	_, err = runs.Ended(t.Context(), time.Minute)
	require.Equal(t, payment.Unavailable, payment.ClassOf(err, payment.Bug))
}

func TestEnsureSweep(t *testing.T) {
	t.Parallel()
	c, runs := setup(t)
	schedules := &mocks.ScheduleClient{}
	c.On("ScheduleClient").Return(schedules)
	var o client.ScheduleOptions
	schedules.On("Create", mock.Anything, mock.Anything).Run(func(args mock.Arguments) {
		o = args.Get(1).(client.ScheduleOptions)
	}).Return(&mocks.ScheduleHandle{}, nil).Once()
	made, err := runs.EnsureSweep(t.Context(), 10*time.Second)
	require.NoError(t, err)
	require.True(t, made)
	require.Equal(t, flow.SweepID, o.ID)
	require.Equal(t, []client.ScheduleIntervalSpec{{Every: 10 * time.Second}}, o.Spec.Intervals)
	require.Equal(t, enumspb.SCHEDULE_OVERLAP_POLICY_SKIP, o.Overlap)
	action, ok := o.Action.(*client.ScheduleWorkflowAction)
	require.True(t, ok)
	require.Equal(t, "Sweep", action.Workflow)
	require.Equal(t, flow.Queue, action.TaskQueue)

	schedules.On("Create", mock.Anything, mock.Anything).Return(nil, temporal.ErrScheduleAlreadyRunning).Once()
	made, err = runs.EnsureSweep(t.Context(), 10*time.Second)
	require.NoError(t, err, "the second time there is nothing to do")
	require.False(t, made)

	schedules.On("Create", mock.Anything, mock.Anything).Return(nil, errors.New("away")).Once()
	made, err = runs.EnsureSweep(t.Context(), 10*time.Second)
	require.Equal(t, payment.Unavailable, payment.ClassOf(err, payment.Bug))
	require.False(t, made)
}

func TestSoon(t *testing.T) {
	t.Parallel()
	c, runs := setup(t)
	c.On("ExecuteWorkflow", mock.Anything, mock.Anything, "Charge", mock.Anything).Return(&mocks.WorkflowRun{}, nil).Once()
	c.On("ExecuteWorkflow", mock.Anything, mock.Anything, "Charge", mock.Anything).Return(nil, errors.New("away")).Once()
	ctx, cancel := context.WithCancel(t.Context())
	c.On("ExecuteWorkflow", mock.Anything, mock.Anything, "Refund", mock.Anything).Return(&mocks.WorkflowRun{}, nil).Once()
	soon := flow.NewSoon(ctx, runs, zerolog.Nop())
	cancel()
	soon.StartSoon(ref())
	soon.StartSoon(ref())
	soon.StartMoveSoon(asked(payment.OpRefund))
	soon.Wait()
}

func TestSearchAttributesFitTheDatabase(t *testing.T) {
	t.Parallel()
	kinds := map[enumspb.IndexedValueType]int{}
	for _, kind := range flow.SearchAttributes() {
		kinds[kind]++
	}
	require.LessOrEqual(t, kinds[enumspb.INDEXED_VALUE_TYPE_KEYWORD], 10)
	for _, kind := range []enumspb.IndexedValueType{
		enumspb.INDEXED_VALUE_TYPE_DATETIME, enumspb.INDEXED_VALUE_TYPE_BOOL, enumspb.INDEXED_VALUE_TYPE_INT,
	} {
		require.LessOrEqual(t, kinds[kind], 3)
	}
	require.Len(t, flow.SearchAttributes(), 11)
}

func TestTheScheduleOfTheContractTakesADay(t *testing.T) {
	t.Parallel()
	timing := flow.DefaultTiming()
	var all time.Duration
	for _, pause := range timing.TellSteps {
		all += pause
	}
	require.Len(t, timing.TellSteps, 16, "17 tries")
	require.InDelta(t, (24 * time.Hour).Seconds(), all.Seconds(), 60)
	require.Equal(t, 47*time.Hour, timing.Resolution-timing.DecideAhead)
}
