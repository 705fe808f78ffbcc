package workflows

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"tillflow/activities"
	"tillflow/internal/flow"
	"tillflow/internal/payment"
)

// desk is the side of a run that people talk to, and its patience: actions that
// wait to be applied, pauses, and what is shown. Charges and moves embed one.
type desk struct {
	timing  flow.Timing
	actions []string          // action rows to apply, in order of arrival
	applied map[string]effect // action row → what became of it
	stirred bool              // something happened that the story must look at
	rest    workflow.Future   // while it is not ready, what failed is not tried again
	stop    workflow.CancelFunc
	pause   time.Duration
	slow    bool // telling the shop takes long enough to be shown
	overdue bool // the shop could not be told in time; we go on slowly
	shown   sign
	note    string
	warned  bool // Temporal's cancel was pressed
}

// effect is what became of a person's action.
type effect struct {
	refused payment.Class // empty: applied
	result  flow.ActionResult
}

// update is a button that a person may press.
type update struct{ name, does string }

// listenToPeople registers the updates, those of every run and more, and the
// query. It must run before anything blocks.
func (d *desk) listenToPeople(ctx workflow.Context, answer func() flow.StateAnswer, more ...update) error {
	d.applied = map[string]effect{}
	all := append([]update{
		{flow.UpdateResolve, "apply a person's decision about money in doubt or refused"},
		{flow.UpdateRetry, "try what failed again now"},
		{flow.UpdateNote, "put a note into the timeline"},
	}, more...)
	for _, u := range all {
		err := workflow.SetUpdateHandlerWithOptions(ctx, u.name, d.act, workflow.UpdateHandlerOptions{
			Description: u.does, Validator: d.validate,
		})
		if err != nil {
			return err
		}
	}
	return workflow.SetQueryHandlerWithOptions(ctx, flow.QueryState, func() (flow.StateAnswer, error) { return answer(), nil },
		workflow.QueryHandlerOptions{Description: "how the run stands"})
}

// validate refuses what names no row. Whether the row allows anything is for
// the activity that reads it.
func (d *desk) validate(_ workflow.Context, u flow.ActionUpdate) error {
	if u.ActionID == "" {
		return errors.New("no action id: write the action through the API or `tillflow payment`, which sends its id")
	}
	return nil
}

// act queues the action for the story and waits until it was applied.
func (d *desk) act(ctx workflow.Context, u flow.ActionUpdate) (flow.ActionResult, error) {
	if _, known := d.applied[u.ActionID]; !known {
		d.actions = append(d.actions, u.ActionID)
	}
	err := workflow.Await(ctx, func() bool { _, ok := d.applied[u.ActionID]; return ok })
	if err != nil {
		return flow.ActionResult{}, err
	}
	done := d.applied[u.ActionID]
	if done.refused != "" {
		return flow.ActionResult{}, temporal.NewNonRetryableApplicationError(
			"not applied: the action is not one of this payment, or does not fit its state", string(done.refused), nil)
	}
	return done.result, nil
}

// apply carries out the oldest action. The row decides; a row that is not ours
// is refused and changes nothing.
func (d *desk) apply(ctx workflow.Context, paymentID string) (payment.View, error) {
	id := d.actions[0]
	view, err := doRow(ctx, "apply a person's action", rows.ApplyAction, activities.ActionInput{PaymentID: paymentID, ActionID: id})
	d.actions = d.actions[1:]
	if err != nil {
		d.applied[id] = effect{refused: classOf(err)}
		return view, err
	}
	d.applied[id] = effect{result: flow.ActionResult{State: view.State, Operator: view.Operator}}
	d.wake()
	return view, nil
}

// lastWords applies what people still ask of a run that is over, so that nobody
// waits for an answer that never comes.
func (d *desk) lastWords(ctx workflow.Context, apply func() error) error {
	for {
		err := workflow.Await(ctx, func() bool { return len(d.actions) > 0 || workflow.AllHandlersFinished(ctx) })
		if err != nil || len(d.actions) == 0 {
			return err
		}
		if err := apply(); err != nil {
			return err
		}
	}
}

// tooLong: the server suggests a fresh history, and no person waits for an answer.
func (d *desk) tooLong(ctx workflow.Context) bool {
	return workflow.GetInfo(ctx).GetContinueAsNewSuggested() && len(d.actions) == 0 && workflow.AllHandlersFinished(ctx)
}

// wake ends every pause: the story looks again at once.
func (d *desk) wake() {
	d.stirred, d.pause = true, 0
	d.endRest()
}

func (d *desk) endRest() {
	if d.stop != nil {
		d.stop()
	}
	d.rest, d.stop = nil, nil
}

func (d *desk) resting() bool { return d.rest != nil && !d.rest.IsReady() }

// restFor pauses what failed.
func (d *desk) restFor(ctx workflow.Context, pause time.Duration, why string) {
	d.endRest()
	rctx, stop := workflow.WithCancel(ctx)
	d.rest, d.stop = workflow.NewTimerWithOptions(rctx, pause, workflow.TimerOptions{Summary: why}), stop
}

// backOff pauses what failed, longer each time, up to longest.
func (d *desk) backOff(ctx workflow.Context, why string, longest time.Duration) {
	d.backOffAsked(ctx, nil, why, longest)
}

// backOffAsked does the same, and at least for as long as the failure asks for,
// within the pause between two looks.
func (d *desk) backOffAsked(ctx workflow.Context, err error, why string, longest time.Duration) {
	d.pause = min(max(2*d.pause, d.timing.RetryFirst), longest)
	var asked time.Duration
	if e, ok := errors.AsType[*temporal.ApplicationError](err); ok {
		asked = min(e.NextRetryDelay(), d.timing.LookMax)
	}
	d.restFor(ctx, max(d.pause, asked), why)
}

// noticeCancel watches for Temporal's own cancel. It moves no money and ends
// nothing: the person is told what to press instead.
func (d *desk) noticeCancel(outer, ctx workflow.Context, progress func(workflow.Context)) {
	workflow.Go(ctx, func(ctx workflow.Context) {
		if workflow.Await(ctx, func() bool { return outer.Err() != nil }) != nil {
			return
		}
		d.warned = true
		if d.note != "" {
			progress(ctx)
		}
	})
}

const cancelText = "_Cancel was pressed in Temporal. A payment is not ended that way: use `expire`, which shuts the checkout and answers the shop._"
