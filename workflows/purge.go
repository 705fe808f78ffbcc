package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"tillflow/activities"
	"tillflow/internal/flow"
	"tillflow/internal/privacy"
)

// purger is nil: it only names methods.
var purger *activities.Purge

// Purge forgets what is kept for a while only: one pass over the rules of
// retention. A schedule starts it; it holds no state.
func Purge(ctx workflow.Context, _ flow.PurgeInput) ([]privacy.Purged, error) {
	return doBare(workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 2 * time.Hour,
		HeartbeatTimeout:    2 * time.Minute,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Minute, BackoffCoefficient: 2, MaximumInterval: 10 * time.Minute, MaximumAttempts: 5},
		Summary:             "enforce the rules of retention",
	}), purger.PurgeExpired)
}
