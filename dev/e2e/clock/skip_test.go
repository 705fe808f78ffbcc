package clock_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"tillflow/dev/temporalserver"
	"tillflow/internal/flow"
)

// stride is how far the service's clock may be ahead of the runs. What a run does in the middle of a stride sees the
// service's clock at the stride's end, so strides are short against the hours that the rules name.
const stride = 4 * time.Hour

// skip moves the service and the stand-ins by d, and the runs of the sessions with them.
func (s *story) skip(d time.Duration, with ...*session) {
	s.Helper()
	for d > 0 {
		step := min(d, stride)
		s.Clock.Skip(step)
		d -= step
		for _, x := range with {
			s.follow(x.run)
		}
	}
}

// skipTo moves everything to an age of the session.
func (x *session) skipTo(age time.Duration, with ...*session) {
	x.Helper()
	d := x.received.Add(age).Sub(x.Clock.Now())
	require.Positive(x, d, "the session is older than %s", age)
	x.skip(d, append(with, x)...)
}

// age is how long ago the session was received.
func (x *session) age() time.Duration { return x.Clock.Now().Sub(x.received) }

// follow brings a run to the moment of the service's clock. A run that has ended stays where it is.
func (s *story) follow(run string) {
	s.Helper()
	require.NoError(s, s.tryFollow(s.Context(), run))
}

// followSoon does the same behind the story's back: while work is in flight a run's clock stands still. The answer
// waits for it.
func (s *story) followSoon(run string) (arrived func()) {
	done := make(chan error, 1)
	go func() { done <- s.tryFollow(s.Context(), run) }()
	return func() {
		s.Helper()
		require.NoError(s, <-done)
	}
}

// near is a distance that is not worth a jump.
const near = 100 * time.Millisecond

func (s *story) tryFollow(ctx context.Context, run string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	for {
		at, running, err := s.runClock(ctx, run)
		if err != nil || !running {
			return err
		}
		behind := s.Clock.Now().Sub(at)
		if behind < near {
			return nil
		}
		err = temporalserver.FastForward(ctx, s.Service.Temporal, s.Config.TemporalNamespace, run, behind)
		if _, gone := errors.AsType[*serviceerror.NotFound](err); gone {
			return nil // it ended just now
		}
		if err != nil {
			return err
		}
	}
}

// runClock reads the clock of a run.
func (s *story) runClock(ctx context.Context, run string) (at time.Time, running bool, err error) {
	d, err := s.Service.Temporal.DescribeWorkflowExecution(ctx, run, "")
	if err != nil {
		return time.Time{}, false, err
	}
	running = d.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	at = time.Now()
	if moved := d.GetWorkflowExtendedInfo().GetTimeSkippingInfo(); moved != nil {
		at = moved.GetCurrentTime().AsTime()
	}
	return at, running, nil
}

func (s *story) exists(run string) bool {
	_, err := s.Service.Temporal.DescribeWorkflowExecution(s.Context(), run, "")
	return err == nil
}

// sweep runs one pass over the rows, as the schedule does every few seconds.
func (s *story) sweep() {
	s.Helper()
	run, err := s.Service.Temporal.ExecuteWorkflow(s.Context(),
		client.StartWorkflowOptions{ID: "sweep-by-hand-" + rand.Text(), TaskQueue: flow.Queue}, "Sweep", flow.SweepInput{Timing: s.Service.Timing})
	require.NoError(s, err)
	require.NoError(s, run.Get(s.Context(), nil))
}

// hours is a figure for a proof.
func hours(d time.Duration) string { return fmt.Sprintf("%.2f h", d.Hours()) }
