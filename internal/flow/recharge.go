package flow

import (
	"context"
	"time"

	"go.temporal.io/sdk/client"
)

const typeRecharge = "Recharge"

// RechargeID is the workflow id, and schedule id, of the visits at Recharge.
const RechargeID = "recharge"

// RechargeInput starts Recharge. Everything is read from the rows.
type RechargeInput struct{}

// RechargeResult counts what one run did.
type RechargeResult struct {
	Stores    int // visited to the end
	Fresh     int // failed charges that were not known
	Reported  int // mails to merchants
	Processed int // charges that Recharge was asked to charge again, and that are decided
	Failed    int // visits that met trouble, and mails that could not be sent
}

// EnsureRecharge makes sure that Recharge's failed charges are looked after on a
// schedule. A run finds in the rows which stores are due; tick is only how soon it
// notices.
func (r *Runs) EnsureRecharge(ctx context.Context, tick time.Duration) error {
	_, err := r.ensureSchedule(ctx, RechargeID, tick, &client.ScheduleWorkflowAction{
		ID: RechargeID, Workflow: typeRecharge, TaskQueue: Queue, Args: []any{RechargeInput{}},
		// It holds no state, so one that hangs must not stop the next ones.
		WorkflowRunTimeout: time.Hour,
	})
	return wrap("create recharge's schedule", err)
}
