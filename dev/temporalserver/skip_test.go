package temporalserver_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"tillflow/dev/temporalserver"
)

// times is what a test workflow saw on its own clock.
type times struct{ Started, Ended time.Time }

func (x times) passed() time.Duration { return x.Ended.Sub(x.Started) }

// near allows for the real time that passes while a test runs, and for the hair by which the server's clocks differ:
// its timer queue may call a time reached that the next task, stamped by another of its parts, is just short of.
func near(t *testing.T, want, got time.Duration) {
	t.Helper()
	require.Greater(t, got, want-time.Second)
	require.Less(t, got, want+time.Minute)
}

// waitFor sleeps for d on a timer, or ends at once when it gets the signal "stop".
func waitFor(ctx workflow.Context, d time.Duration) (times, error) {
	x := times{Started: workflow.Now(ctx)}
	_, err := workflow.AwaitWithTimeout(ctx, d, func() bool {
		return workflow.GetSignalChannel(ctx, "stop").ReceiveAsync(nil)
	})
	x.Ended = workflow.Now(ctx)
	return x, err
}

// sleepTwice records the clock after each of two timers.
func sleepTwice(ctx workflow.Context, d time.Duration) ([]time.Duration, error) {
	start := workflow.Now(ctx)
	var at []time.Duration
	for range 2 {
		if err := workflow.Sleep(ctx, d); err != nil {
			return nil, err
		}
		at = append(at, workflow.Now(ctx).Sub(start))
	}
	return at, nil
}

// call runs one activity by name and tells how long it took on the workflow's clock.
func call(ctx workflow.Context, name string, o workflow.ActivityOptions) (times, error) {
	x := times{Started: workflow.Now(ctx)}
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, o), name).Get(ctx, nil)
	x.Ended = workflow.Now(ctx)
	return x, err
}

// waitThenCall sleeps on a timer and then runs one activity with a start-to-close timeout.
func waitThenCall(ctx workflow.Context, d time.Duration, name string, limit time.Duration) error {
	if err := workflow.Sleep(ctx, d); err != nil {
		return err
	}
	o := workflow.ActivityOptions{StartToCloseTimeout: limit}
	return workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, o), name).Get(ctx, nil)
}

// callThenWait runs one activity and then sleeps on a timer.
func callThenWait(ctx workflow.Context, name string, d time.Duration) (times, error) {
	x, err := call(ctx, name, workflow.ActivityOptions{StartToCloseTimeout: time.Hour})
	if err != nil {
		return times{}, err
	}
	err = workflow.Sleep(ctx, d)
	x.Ended = workflow.Now(ctx)
	return x, err
}

// carryOn sleeps once per run and continues as new until it has no runs left.
func carryOn(ctx workflow.Context, runs int, first time.Time) (times, error) {
	if first.IsZero() {
		first = workflow.Now(ctx)
	}
	if err := workflow.Sleep(ctx, 24*time.Hour); err != nil {
		return times{}, err
	}
	if runs == 1 {
		return times{Started: first, Ended: workflow.Now(ctx)}, nil
	}
	return times{}, workflow.NewContinueAsNewError(ctx, carryOn, runs-1, first)
}

// quick is a server whose timers fire within 20 ms of their time; by default they may be a second late, which is long
// when a test jumps over many of them.
func quick() temporalserver.Options {
	return temporalserver.Options{
		Headless: true, DynamicConfig: map[string]any{"history.timerProcessorMaxTimeShift": 20 * time.Millisecond},
	}
}

// skipper runs the workflows above and activities of the test's own in a worker of its own; id names the task queue
// and the workflow.
type skipper struct {
	client.Client
	id string
}

func newSkipper(t *testing.T, s *temporalserver.Server, activities map[string]any) skipper {
	t.Helper()
	x := skipper{Client: dial(t, s), id: t.Name()}
	w := worker.New(x.Client, x.id, worker.Options{})
	for _, f := range []any{waitFor, sleepTwice, call, carryOn, waitThenCall, callThenWait} {
		w.RegisterWorkflow(f)
	}
	for name, f := range activities {
		w.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name})
	}
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	return x
}

func (x skipper) run(t *testing.T, f any, args ...any) client.WorkflowRun {
	t.Helper()
	r, err := x.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: x.id, TaskQueue: x.id}, f, args...)
	require.NoError(t, err)
	return r
}

func (x skipper) forward(ctx context.Context, d time.Duration) error {
	return temporalserver.FastForward(ctx, x, namespace, x.id, d)
}

func TestFastForward(t *testing.T) {
	t.Parallel()
	s := start(t, quick())
	t.Run("a workflow that was started without any option jumps to its timer", func(t *testing.T) {
		t.Parallel()
		x := newSkipper(t, s, nil)
		r := x.run(t, waitFor, 47*time.Hour)
		began := time.Now()
		require.NoError(t, x.forward(t.Context(), 47*time.Hour))
		var got times
		require.NoError(t, r.Get(t.Context(), &got))
		near(t, 47*time.Hour, got.passed())
		require.Less(t, time.Since(began), 30*time.Second)
	})
	t.Run("time stops at the target and goes on in real time from there", func(t *testing.T) {
		t.Parallel()
		x := newSkipper(t, s, nil)
		r := x.run(t, waitFor, 47*time.Hour)
		require.NoError(t, x.forward(t.Context(), 40*time.Hour))
		d, err := x.DescribeWorkflowExecution(t.Context(), x.id, "")
		require.NoError(t, err)
		info := d.GetWorkflowExtendedInfo().GetTimeSkippingInfo()
		require.InDelta(t, 40, time.Until(info.GetCurrentTime().AsTime()).Hours(), 0.1)
		require.False(t, info.GetEffectiveConfig().GetEnabled(), "it must not go on jumping to the timer")
		require.NoError(t, x.SignalWorkflow(t.Context(), x.id, "", "stop", nil))
		var got times
		require.NoError(t, r.Get(t.Context(), &got))
		near(t, 40*time.Hour, got.passed())
	})
	t.Run("timers on the way fire in order, each at its own time", func(t *testing.T) {
		t.Parallel()
		x := newSkipper(t, s, nil)
		r := x.run(t, sleepTwice, 10*time.Hour)
		require.NoError(t, x.forward(t.Context(), 47*time.Hour))
		var at []time.Duration
		require.NoError(t, r.Get(t.Context(), &at))
		require.Len(t, at, 2)
		near(t, 10*time.Hour, at[0])
		near(t, 20*time.Hour, at[1])
	})
	t.Run("a workflow that is closed cannot be moved", func(t *testing.T) {
		t.Parallel()
		x := newSkipper(t, s, nil)
		require.NoError(t, x.run(t, waitFor, time.Millisecond).Get(t.Context(), nil))
		require.Error(t, x.forward(t.Context(), time.Hour))
	})
	t.Run("the moved clock survives continue-as-new and the jump goes on in the next run", func(t *testing.T) {
		t.Parallel()
		x := newSkipper(t, s, nil)
		r := x.run(t, carryOn, 2, time.Time{})
		require.NoError(t, x.forward(t.Context(), 72*time.Hour))
		var got times
		require.NoError(t, r.Get(t.Context(), &got))
		near(t, 48*time.Hour, got.passed())
	})
}

func TestFastForwardWithActivities(t *testing.T) {
	t.Parallel()
	s := start(t, quick())
	t.Run("waits for an activity in flight", func(t *testing.T) {
		t.Parallel()
		running, release := make(chan struct{}), make(chan struct{})
		x := newSkipper(t, s, map[string]any{"hold": func(context.Context) error {
			close(running)
			<-release
			return nil
		}})
		r := x.run(t, callThenWait, "hold", 2*time.Second)
		<-running
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		err := x.forward(ctx, 47*time.Hour)
		require.Error(t, err)
		require.Error(t, ctx.Err(), "the caller's patience ends, not the wait")
		close(release)
		var got times
		require.NoError(t, r.Get(t.Context(), &got))
		require.Less(t, got.passed(), time.Minute, "the jump was taken back, the timer after the activity is a real one")
	})
	t.Run("the next try of a failed activity comes at its own time", func(t *testing.T) {
		t.Parallel()
		var tries atomic.Int32
		x := newSkipper(t, s, map[string]any{"flaky": func(context.Context) error {
			if tries.Add(1) < 4 {
				return errors.New("still pending")
			}
			return nil
		}})
		r := x.run(t, call, "flaky", workflow.ActivityOptions{
			StartToCloseTimeout: time.Minute,
			RetryPolicy:         &temporal.RetryPolicy{InitialInterval: 10 * time.Hour, BackoffCoefficient: 1},
		})
		require.Eventually(t, func() bool { return tries.Load() == 1 }, 10*time.Second, 10*time.Millisecond)
		require.NoError(t, x.forward(t.Context(), 47*time.Hour))
		var got times
		require.NoError(t, r.Get(t.Context(), &got))
		near(t, 30*time.Hour, got.passed())
	})
}

func TestFastForwardKeepsTheLimitsOfActivities(t *testing.T) {
	t.Parallel()
	s := start(t, quick())
	t.Run("a limit on all tries ends them on the moved clock", func(t *testing.T) {
		t.Parallel()
		x := newSkipper(t, s, map[string]any{"pending": func(context.Context) error { return errors.New("still pending") }})
		r := x.run(t, call, "pending", workflow.ActivityOptions{
			StartToCloseTimeout: time.Minute, ScheduleToCloseTimeout: 20 * time.Hour,
			RetryPolicy: &temporal.RetryPolicy{InitialInterval: 3 * time.Hour, BackoffCoefficient: 1},
		})
		require.NoError(t, x.forward(t.Context(), 47*time.Hour))
		require.ErrorContains(t, r.Get(t.Context(), nil), "still pending")
		d, err := x.DescribeWorkflowExecution(t.Context(), x.id, "")
		require.NoError(t, err)
		info := d.GetWorkflowExecutionInfo()
		near(t, 18*time.Hour, info.GetCloseTime().AsTime().Sub(info.GetStartTime().AsTime()))
	})
	t.Run("an activity that starts after the jump keeps its timeout", func(t *testing.T) {
		t.Parallel()
		left := make(chan time.Duration, 1)
		x := newSkipper(t, s, map[string]any{"deadline": func(ctx context.Context) error {
			end, ok := ctx.Deadline()
			if !ok {
				return errors.New("no deadline")
			}
			left <- time.Until(end)
			return nil
		}})
		r := x.run(t, waitThenCall, 47*time.Hour, "deadline", 30*time.Second)
		require.NoError(t, x.forward(t.Context(), 47*time.Hour))
		require.NoError(t, r.Get(t.Context(), nil))
		require.InDelta(t, 30, (<-left).Seconds(), 15)
	})
}
