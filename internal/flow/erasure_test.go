package flow_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/mocks"
	"go.temporal.io/sdk/temporal"

	"tillflow/internal/flow"
	"tillflow/internal/privacy"
)

func lawRef() privacy.Ref {
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	return privacy.Ref{ID: "r1", Shop: "a.myshopify.com", Kind: privacy.Customer, ReceivedAt: at, DueAt: at.AddDate(0, 0, 30)}
}

const lawRun = "erasure/shopify/a.myshopify.com/r1"

func TestStartErasure(t *testing.T) {
	t.Parallel()
	c, runs := setup(t)
	timing := flow.DefaultErasureTiming()
	timing.Retry = time.Minute
	ref := lawRef()
	var o client.StartWorkflowOptions
	c.On("ExecuteWorkflow", mock.Anything, mock.Anything, "Erasure", flow.ErasureInput{
		RequestID: "r1", Shop: ref.Shop, Kind: privacy.Customer, ReceivedAt: ref.ReceivedAt, DueAt: ref.DueAt, Timing: timing,
	}).Run(func(args mock.Arguments) { o = args.Get(1).(client.StartWorkflowOptions) }).Return(nil, alreadyStarted()).Once()
	require.NoError(t, runs.WithErasures(timing).StartErasure(t.Context(), ref), "a run that exists or has completed is no error")
	require.Equal(t, lawRun, o.ID)
	require.Equal(t, flow.ErasureID(ref.Shop, ref.ID), o.ID)
	require.Equal(t, enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY, o.WorkflowIDReusePolicy)
	require.Equal(t, enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING, o.WorkflowIDConflictPolicy)
	require.Zero(t, o.WorkflowExecutionTimeout+o.WorkflowRunTimeout, "nothing ends it but being served")
	require.Equal(t, "erasure", keyword(t, o, flow.PayOp))
	require.Equal(t, "r1", keyword(t, o, flow.PayRef))
	deadline, found := o.TypedSearchAttributes.GetTime(flow.PayDeadline)
	require.True(t, found)
	require.Equal(t, ref.DueAt, deadline)
}

func TestWakeErasure(t *testing.T) {
	t.Parallel()
	c, runs := setup(t)
	c.On("SignalWorkflow", mock.Anything, lawRun, "", flow.SignalLook, nil).Return(serviceerror.NewNotFound("no run")).Once()
	c.On("SignalWithStartWorkflow", mock.Anything, lawRun, flow.SignalLook, nil, mock.Anything, "Erasure", mock.Anything).Return(nil, alreadyStarted()).Once()
	require.NoError(t, runs.WakeErasure(t.Context(), lawRef()), "a run that is missing is started")
}

func TestEnsurePurge(t *testing.T) {
	t.Parallel()
	c, runs := setup(t)
	schedules := &mocks.ScheduleClient{}
	c.On("ScheduleClient").Return(schedules)
	var o client.ScheduleOptions
	schedules.On("Create", mock.Anything, mock.Anything).Run(func(args mock.Arguments) {
		o = args.Get(1).(client.ScheduleOptions)
	}).Return(&mocks.ScheduleHandle{}, nil).Once()
	require.NoError(t, runs.EnsurePurge(t.Context(), 24*time.Hour))
	require.Equal(t, flow.PurgeID, o.ID)
	require.Equal(t, time.Hour, o.CatchupWindow, "a server that was away for an hour owes the purge")
	action, ok := o.Action.(*client.ScheduleWorkflowAction)
	require.True(t, ok)
	require.Equal(t, "Purge", action.Workflow)
	schedules.On("Create", mock.Anything, mock.Anything).Return(nil, temporal.ErrScheduleAlreadyRunning).Once()
	require.NoError(t, runs.EnsurePurge(t.Context(), 24*time.Hour), "the second time there is nothing to do")
}
