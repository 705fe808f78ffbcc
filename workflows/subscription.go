package workflows

import (
	"errors"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"tillflow/activities"
	"tillflow/internal/flow"
	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

// Subscription is one subscription for as long as it lasts: it waits for the next
// thing that the rows name (a notice, a renewal, a step of dunning), has it done,
// carries out what people ask, and lets a run of its own collect each charge. It
// continues as new with each period.
func Subscription(ctx workflow.Context, in flow.SubscriptionInput) (flow.SubscriptionResult, error) {
	l := &life{
		desk: desk{timing: in.Timing, shown: sign{status: string(subscription.Pending)}}, in: in,
		answered: map[string]effectOfCommand{}, begun: map[string]bool{}, look: true, period: -1,
	}
	// Cancel in Temporal ends no subscription: that is a command.
	own, _ := workflow.NewDisconnectedContext(ctx)
	if err := l.listen(own); err != nil {
		return flow.SubscriptionResult{}, err
	}
	l.noticeCancel(ctx, own, l.progress)
	return l.run(own)
}

// life is the state of one run. What is true stands in view, which every step
// reads back from the rows.
type life struct {
	desk
	in       flow.SubscriptionInput
	view     subscription.View
	period   int                        // in which this run began; -1: not known
	look     bool                       // the rows may know more than view
	clock    workflow.Future            // when it is ready, something is due
	stopped  workflow.CancelFunc        // of the clock
	orders   []string                   // commands to carry out, in order of arrival
	answered map[string]effectOfCommand // what became of those that were given to this run
	stir     []payment.RunRef           // payments whose runs must look at the rows
	begun    map[string]bool            // charges that this run has woken
	trouble  payment.OperatorReason     // a step failed for good
}

// effectOfCommand is what became of a command.
type effectOfCommand struct {
	failed payment.Class
	answer subscription.Answer
}

func (l *life) run(ctx workflow.Context) (flow.SubscriptionResult, error) {
	for {
		l.progress(ctx)
		switch {
		case len(l.orders) > 0:
			l.obey(ctx)
		case len(l.stir) > 0:
			l.wakeCharge(ctx)
		case l.look:
			l.step(ctx)
		case l.view.Keep != "" && !l.resting():
			l.keepMethod(ctx)
		case l.view.Ended:
			return l.finish(ctx)
		case l.anew(ctx):
			l.endRest()
			return flow.SubscriptionResult{}, workflow.NewContinueAsNewError(ctx, Subscription, l.in)
		default:
			if err := l.wait(ctx); err != nil {
				return flow.SubscriptionResult{}, err
			}
		}
	}
}

// anew: the period is over that this run began in, or its history is long, and
// nobody waits for this run.
func (l *life) anew(ctx workflow.Context) bool {
	if !workflow.AllHandlersFinished(ctx) {
		return false
	}
	over := l.period >= 0 && l.view.Period != l.period && l.view.Renewal == nil
	return over || workflow.GetInfo(ctx).GetContinueAsNewSuggested()
}

// step does the one thing that is to be done, if there is one.
func (l *life) step(ctx workflow.Context) {
	l.look = false
	view, err := doRow(ctx, "do what is due", members.StepSubscription, activities.SubscriptionInput{SubscriptionID: l.in.SubscriptionID})
	if err != nil {
		l.stuck(ctx, err)
		return
	}
	l.took(ctx, view)
}

// stuck comes back later to what failed for good: a person must mend it.
func (l *life) stuck(ctx workflow.Context, err error) {
	workflow.GetLogger(ctx).Error("subscription is stuck", "class", string(classOf(err)))
	l.trouble = payment.RoutingFault
	l.setClock(ctx, l.timing.OperatorRetry, "try again unless a person is faster")
}

// took takes a fresh view and sets the clock by it.
func (l *life) took(ctx workflow.Context, view subscription.View) {
	same := l.period >= 0 && view.Revision == l.view.Revision
	l.view, l.trouble = view, payment.NobodyNeeded
	if l.period < 0 {
		l.period = view.Period
	}
	l.stir = append(l.stir, view.Stir...)
	if view.Renewal != nil && !l.begun[view.Renewal.PaymentID] && len(view.Stir) == 0 {
		l.stir = append(l.stir, *view.Renewal)
	}
	switch {
	case view.Task == subscription.NoTask:
		l.stopClock()
	case view.Wait > 0:
		l.setClock(ctx, view.Wait, string(view.Task))
	case same:
		// It is due, and a look changed nothing: never in a loop.
		l.setClock(ctx, l.timing.RetryMax, string(view.Task)+" again")
	default:
		l.look = true
	}
}

func (l *life) setClock(ctx workflow.Context, in time.Duration, what string) {
	l.stopClock()
	var tctx workflow.Context
	tctx, l.stopped = workflow.WithCancel(ctx)
	l.clock = workflow.NewTimerWithOptions(tctx, in, workflow.TimerOptions{Summary: what})
}

func (l *life) stopClock() {
	if l.stopped != nil {
		l.stopped()
	}
	l.clock, l.stopped = nil, nil
}

// obey carries out the oldest command. Its row decides, and has the answer.
func (l *life) obey(ctx workflow.Context) {
	id := l.orders[0]
	done, err := doRow(ctx, "carry out a command", members.ApplyCommand, activities.CommandInput{
		SubscriptionID: l.in.SubscriptionID, CommandID: id,
	})
	l.orders = l.orders[1:]
	if err != nil {
		l.answered[id] = effectOfCommand{failed: classOf(err)}
		return
	}
	l.answered[id] = effectOfCommand{answer: done.Answer}
	l.took(ctx, done.View)
}

// keepMethod asks the provider what a paid page left to charge later.
func (l *life) keepMethod(ctx workflow.Context) {
	view, err := do(pspSend(ctx, l.timing, "keep the method that was paid with"), members.KeepMethod, activities.KeepInput{
		SubscriptionID: l.in.SubscriptionID, PaymentID: l.view.Keep,
	})
	if err != nil {
		l.backOffAsked(ctx, err, "ask for the method again", l.timing.LookMax)
		return
	}
	l.pause = 0
	l.took(ctx, view)
}

// wakeCharge lets the run that collects a charge look at the rows. A renewal's is
// started by the first who needs it. It is no child: it rests for days while
// something is owed, and what it finds comes as a signal.
func (l *life) wakeCharge(ctx workflow.Context) {
	ref := l.stir[0]
	l.stir = l.stir[1:]
	l.begun[ref.PaymentID] = true
	if _, err := doRow(ctx, "wake the charge", members.WakeCharge, activities.WakeInput{Charge: ref}); err != nil {
		workflow.GetLogger(ctx).Warn("charge not woken here, the sweep wakes it", "payment_id", ref.PaymentID)
	}
}

// listen registers every message before anything blocks.
func (l *life) listen(ctx workflow.Context) error {
	err := workflow.SetUpdateHandlerWithOptions(ctx, flow.UpdateCommand, l.command, workflow.UpdateHandlerOptions{
		Description: "carry out what somebody asked of the subscription", Validator: validCommand,
	})
	if err != nil {
		return err
	}
	err = workflow.SetQueryHandlerWithOptions(ctx, flow.QueryState, func() (flow.SubscriptionAnswer, error) {
		return flow.SubscriptionAnswer{View: l.view, Note: l.note}, nil
	}, workflow.QueryHandlerOptions{Description: "how the subscription stands"})
	if err != nil {
		return err
	}
	workflow.Go(ctx, func(ctx workflow.Context) {
		looks := workflow.GetSignalChannel(ctx, flow.SignalLook)
		for {
			looks.Receive(ctx, nil)
			l.look = true
		}
	})
	return nil
}

// validCommand refuses what names no row. Whether the row allows anything is for
// the activity that reads it.
func validCommand(_ workflow.Context, u flow.CommandUpdate) error {
	if u.CommandID == "" {
		return errors.New("no command id: write the command through the API, which sends its id")
	}
	return nil
}

// command queues a command for the story and waits until it was carried out.
func (l *life) command(ctx workflow.Context, u flow.CommandUpdate) (flow.CommandResult, error) {
	if _, known := l.answered[u.CommandID]; !known && !slices.Contains(l.orders, u.CommandID) {
		l.orders = append(l.orders, u.CommandID)
	}
	err := workflow.Await(ctx, func() bool { _, ok := l.answered[u.CommandID]; return ok })
	if err != nil {
		return flow.CommandResult{}, err
	}
	done := l.answered[u.CommandID]
	if done.failed != "" {
		return flow.CommandResult{}, temporal.NewNonRetryableApplicationError(
			"not carried out: the command is not one of this subscription", string(done.failed), nil)
	}
	return flow.CommandResult{Answer: done.answer}, nil
}

// wait rests until something is due or somebody calls.
func (l *life) wait(ctx workflow.Context) error {
	resting := l.resting()
	err := workflow.Await(ctx, func() bool {
		return l.look || len(l.orders) > 0 || l.clock != nil && l.clock.IsReady() || resting && !l.resting()
	})
	if l.clock != nil && l.clock.IsReady() {
		l.look, l.clock, l.stopped = true, nil, nil
	}
	return err
}

// finish ends the run with the subscription. What people still ask of it is
// answered by its row.
func (l *life) finish(ctx workflow.Context) (flow.SubscriptionResult, error) {
	l.stopClock()
	l.endRest()
	for {
		err := workflow.Await(ctx, func() bool { return len(l.orders) > 0 || workflow.AllHandlersFinished(ctx) })
		if err != nil || len(l.orders) == 0 {
			l.progress(ctx)
			return flow.SubscriptionResult{State: l.view.State}, err
		}
		l.obey(ctx)
	}
}
