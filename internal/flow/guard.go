package flow

import (
	"context"
	"errors"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
)

const typeGuard = "Guard"

// GuardID is the workflow id, and schedule id, of the guardian of Shopify's
// messages.
const GuardID = "guard"

// GuardInput starts Guard. Everything is read from the rows.
type GuardInput struct{}

// GuardResult counts what one run of the guardian did.
type GuardResult struct {
	Shops    int // looked at to the end
	Made     int // webhook subscriptions that were missing
	Filled   int // changed orders that no webhook had told
	Warnings int // told to a person
	Failed   int // looks that met trouble, and warnings that could not be told
}

// EnsureGuard makes sure that the guardian runs on its schedule. A run finds in
// the rows which shops are due; tick is only how soon it notices.
func (r *Runs) EnsureGuard(ctx context.Context, tick time.Duration) error {
	_, err := r.client.ScheduleClient().Create(ctx, client.ScheduleOptions{
		ID:   GuardID,
		Spec: client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: tick}}},
		// A slow shop delays the next run, not a second one beside it.
		Overlap:       enumspb.SCHEDULE_OVERLAP_POLICY_SKIP,
		CatchupWindow: time.Minute,
		Action: &client.ScheduleWorkflowAction{
			ID: GuardID, Workflow: typeGuard, TaskQueue: Queue, Args: []any{GuardInput{}},
			// It holds no state, so one that hangs must not stop the next ones.
			WorkflowRunTimeout: time.Hour,
		},
	})
	if errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return nil
	}
	return wrap("create guardian's schedule", err)
}
