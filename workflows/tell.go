package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"tillflow/activities"
	"tillflow/internal/payment"
)

// patience is how the shop is told: the pauses between tries, and how long to
// try before a person hears of it. left is what remains until a deadline at which
// the shop must know. Once overdue, the tries go on slowly and without an end.
func (d *desk) patience(left time.Duration) (pauses activities.Schedule, within time.Duration) {
	if d.overdue {
		return activities.Schedule{Slow: d.timing.TellSlow}, 0
	}
	return activities.Schedule{Steps: d.timing.TellSteps, Slow: d.timing.TellSlow}, max(left, d.timing.TellOverdue)
}

// heard waits until the mutation is answered. It is false when something that
// goes first has happened: the same answer is told again afterwards. A telling
// that lasts is shown.
func (d *desk) heard(ctx workflow.Context, telling workflow.Future, first func() bool, progress func(workflow.Context)) (bool, error) {
	interrupted := func() bool { return telling.IsReady() || len(d.actions) > 0 || first() }
	if !d.slow {
		late := workflow.NewTimerWithOptions(ctx, d.timing.ShowAfter, workflow.TimerOptions{Summary: "show the decided state unless the shop is told first"})
		if err := workflow.Await(ctx, func() bool { return interrupted() || late.IsReady() }); err != nil {
			return false, err
		}
		d.slow = late.IsReady()
		progress(ctx)
	}
	err := workflow.Await(ctx, interrupted)
	return telling.IsReady(), err
}

// notTold keeps the answer and calls a person; nothing is dropped.
func (d *desk) notTold(ctx workflow.Context, err error, call func(payment.OperatorReason) error) error {
	if todo, why := after(err); todo == askPerson {
		d.restFor(ctx, d.timing.OperatorRetry, "tell the shop again unless a person is faster")
		return call(why)
	}
	d.overdue = true
	return call(payment.TellOverdue)
}

// soonTold: the shop is being told and most likely takes the answer within
// moments. Searches then see the end at once: of the two writes, the server makes
// one.
func (d *desk) soonTold(operator payment.OperatorReason) bool {
	return operator == payment.NobodyNeeded && !d.slow && !d.overdue
}
