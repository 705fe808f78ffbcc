package control_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"tillflow/dev/control"
	"tillflow/dev/temporalserver"
	"tillflow/internal/flow"
	"tillflow/internal/payment"
)

const queue = "test"

// idle waits for two days, as a charge does that nobody pays.
func idle(ctx workflow.Context) error { return workflow.Sleep(ctx, 48*time.Hour) }

// stuck waits for a call whose answers get lost.
func stuck(ctx workflow.Context) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: time.Minute, RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Hour},
	})
	return workflow.ExecuteActivity(ctx, "OpenCheckout").Get(ctx, nil)
}

// server is a Temporal server with a worker that runs idle and stuck.
func server(t *testing.T) (control.Temporal, client.Client) {
	t.Helper()
	s, err := temporalserver.Start(t.Context(), temporalserver.Options{
		Headless: true, SearchAttributes: flow.SearchAttributes(),
		DynamicConfig: map[string]any{"history.timerProcessorMaxTimeShift": 20 * time.Millisecond},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	c, err := client.DialContext(t.Context(), client.Options{
		HostPort: s.FrontendAddr(), Namespace: "default", Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	w := worker.New(c, queue, worker.Options{})
	w.RegisterWorkflow(idle)
	w.RegisterWorkflow(stuck)
	w.RegisterActivityWithOptions(func(context.Context) error {
		return temporal.NewApplicationError("in doubt: no answer", string(payment.Unknown))
	}, activity.RegisterOptions{Name: "OpenCheckout"})
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	return control.Temporal{Client: c, Namespace: "default"}, c
}

func begin(t *testing.T, c client.Client, id string, run any, attributes ...temporal.SearchAttributeUpdate) {
	t.Helper()
	_, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: id, TaskQueue: queue, TypedSearchAttributes: temporal.NewSearchAttributes(attributes...),
	}, run)
	require.NoError(t, err)
}

// open waits until Temporal lists as many open payments as wanted, which is a moment after their start.
func open(t *testing.T, runs control.Temporal, n int) []control.Run {
	t.Helper()
	var list []control.Run
	require.Eventually(t, func() bool {
		var err error
		list, _, err = runs.Open(t.Context(), 10)
		return err == nil && len(list) == n
	}, patience, 10*time.Millisecond, "%d open runs", n)
	return list
}

func TestTemporal(t *testing.T) {
	t.Parallel()
	runs, c := server(t)
	at := time.Date(2026, 3, 3, 11, 0, 0, 0, time.UTC)
	begin(t, c, "not-a-payment", idle)
	begin(t, c, "charge/shopify/a/s1", idle,
		flow.PayOp.ValueSet(string(payment.OpCharge)), flow.PayRef.ValueSet("s1"), flow.PayShop.ValueSet("a"), flow.PayPSP.ValueSet("stripe"),
		flow.PayStatus.ValueSet("awaiting_buyer"), flow.PayClockName.ValueSet("decision"), flow.PayNextClock.ValueSet(at))
	open(t, runs, 1) // so that their order is sure
	begin(t, c, "charge/shopify/a/s2", stuck, flow.PayOp.ValueSet(string(payment.OpCharge)), flow.PayReason.ValueSet(""))

	t.Run("open payments are listed newest first, with what they wait for", func(t *testing.T) {
		var list []control.Run
		require.Eventually(t, func() bool {
			list = open(t, runs, 2)
			return list[0].Doubtful()
		}, patience, 10*time.Millisecond)
		require.Equal(t, "charge/shopify/a/s2", list[0].WorkflowID)
		require.Equal(t, []control.Pending{{Activity: "OpenCheckout", Try: 2, Last: payment.Unknown}}, list[0].Pending)
		first := list[1]
		require.NotEmpty(t, first.RunID)
		require.WithinDuration(t, time.Now(), first.Started, time.Minute)
		first.RunID, first.Started = "", time.Time{}
		require.Equal(t, control.Run{
			WorkflowID: "charge/shopify/a/s1", Type: "idle", Op: payment.OpCharge, Ref: "s1", Shop: "a", Provider: "stripe",
			Status: "awaiting_buyer", Clock: "decision", ClockAt: at,
		}, first)
		list, more, err := runs.Open(t.Context(), 1)
		require.NoError(t, err)
		require.True(t, more)
		require.Equal(t, "charge/shopify/a/s2", list[0].WorkflowID)
		ids, err := runs.IDs(t.Context())
		require.NoError(t, err)
		require.ElementsMatch(t, []string{"charge/shopify/a/s1", "charge/shopify/a/s2"}, ids)
	})

	t.Run("a run follows the clock, also a second time", func(t *testing.T) {
		var mu sync.Mutex
		offset := 3 * time.Hour
		now := func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return time.Now().Add(offset)
		}
		for range 2 {
			require.NoError(t, runs.Follow(t.Context(), "charge/shopify/a/s1", now))
			d, err := c.DescribeWorkflowExecution(t.Context(), "charge/shopify/a/s1", "")
			require.NoError(t, err)
			require.WithinDuration(t, now(), d.GetWorkflowExtendedInfo().GetTimeSkippingInfo().GetCurrentTime().AsTime(), 30*time.Second)
			mu.Lock()
			offset += 40 * time.Hour
			mu.Unlock()
		}
		require.NoError(t, runs.Follow(t.Context(), "charge/shopify/a/s1", now), "it ends on the way")
		d, err := c.DescribeWorkflowExecution(t.Context(), "charge/shopify/a/s1", "")
		require.NoError(t, err)
		require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, d.GetWorkflowExecutionInfo().GetStatus())
		require.NoError(t, runs.Follow(t.Context(), "charge/shopify/a/s1", now), "one that has ended stays where it is")
		require.NoError(t, runs.Follow(t.Context(), "nobody", now))
	})

	t.Run("payments are terminated and nothing else", func(t *testing.T) {
		require.NoError(t, runs.Terminate(t.Context(), "charge/shopify/a/s2"))
		require.ErrorIs(t, runs.Terminate(t.Context(), "charge/shopify/a/s2"), control.ErrNoRun, "it is over")
		require.ErrorIs(t, runs.Terminate(t.Context(), "nobody"), control.ErrNoRun)
		require.ErrorIs(t, runs.Terminate(t.Context(), "not-a-payment"), control.ErrNoRun)
		d, err := c.DescribeWorkflowExecution(t.Context(), "not-a-payment", "")
		require.NoError(t, err)
		require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, d.GetWorkflowExecutionInfo().GetStatus())
		open(t, runs, 0)
	})
}
