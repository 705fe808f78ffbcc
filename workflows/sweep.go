package workflows

import (
	"errors"

	"go.temporal.io/sdk/workflow"

	"tillflow/activities"
	"tillflow/internal/flow"
)

// Sweep picks up what is committed and has no run, is stored and not acted on,
// or is owed and not sent. A schedule starts it; it holds no state.
func Sweep(ctx workflow.Context, in flow.SweepInput) (activities.SweepResult, error) {
	once := pspSend(ctx, in.Timing, "pick up rows without a run, stored events, late successes")
	res, err := doBare(once, sweeper.SweepRows)
	mailed, mailErr := doBare(pspSend(ctx, in.Timing, "send mails that are due"), sweeper.SendNotices)
	res.Notices, res.Failed = mailed.Notices, res.Failed+mailed.Failed
	return res, errors.Join(err, mailErr)
}
