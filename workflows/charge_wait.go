package workflows

import (
	"errors"
	"slices"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"tillflow/activities"
	"tillflow/internal/flow"
	"tillflow/internal/payment"
)

// listen registers every message before anything blocks.
func (c *charge) listen(ctx workflow.Context) error {
	err := c.listenToPeople(ctx, func() flow.StateAnswer { return flow.StateAnswer{View: c.view, Note: c.note} },
		update{flow.UpdateExpire, "end the payment now: shut the checkout, answer the shop"})
	if err != nil {
		return err
	}
	workflow.Go(ctx, func(ctx workflow.Context) {
		events := workflow.GetSignalChannel(ctx, flow.SignalEvent)
		choices := workflow.GetSignalChannel(ctx, flow.SignalChoice)
		returns := workflow.GetSignalChannel(ctx, flow.SignalReturned)
		s := workflow.NewSelector(ctx)
		s.AddReceive(events, func(ch workflow.ReceiveChannel, _ bool) {
			var e flow.EventSignal
			ch.Receive(ctx, &e)
			c.stir(wake{attempt: e.AttemptID, message: true})
		})
		s.AddReceive(choices, func(ch workflow.ReceiveChannel, _ bool) {
			ch.Receive(ctx, nil)
			c.chose = true
			c.wake()
		})
		s.AddReceive(returns, func(ch workflow.ReceiveChannel, _ bool) {
			ch.Receive(ctx, nil)
			for _, a := range c.view.Unfinished {
				c.stir(wake{attempt: a.ID})
			}
		})
		for {
			s.Select(ctx)
		}
	})
	return nil
}

// wake is a reason to settle an attempt now.
type wake struct {
	attempt string
	message bool // a stored message of the provider may prove it
}

// stir notes an attempt to settle, once. What is said again of the attempt that
// is being told must not interrupt the telling.
func (c *charge) stir(w wake) {
	if w.attempt == "" || w.attempt == c.view.Winner {
		return
	}
	c.stirred = true
	for i := range c.woken {
		if c.woken[i].attempt == w.attempt {
			c.woken[i].message = c.woken[i].message || w.message
			return
		}
	}
	c.woken = append(c.woken, w)
}

// wait rests until something happens that a rule of step may fit.
func (c *charge) wait(ctx workflow.Context) error {
	late, resting := c.deadline.IsReady(), c.resting()
	c.stirred = false
	err := workflow.Await(ctx, func() bool {
		return c.stirred || len(c.actions) > 0 || c.watch.ready() ||
			!late && c.deadline.IsReady() || resting && !c.resting()
	})
	if !late && c.deadline.IsReady() {
		c.endRest() // the decision waits for no pause
	}
	if err != nil || !c.watch.answered() {
		return err
	}
	return c.seen(ctx)
}

// watch is the slow look-up: first a timer, then an activity whose retries wait.
type watch struct {
	attempt string
	timer   workflow.Future
	look    workflow.Future
	stop    workflow.CancelFunc
}

// ready: the story must look at the watch.
func (w *watch) ready() bool {
	if w.look != nil {
		return w.look.IsReady()
	}
	return w.timer != nil && w.timer.IsReady()
}

func (w *watch) answered() bool { return w.look != nil && w.look.IsReady() }

func (w *watch) end() {
	if w.stop != nil {
		w.stop()
	}
	*w = watch{}
}

// keepWatch looks after the one unfinished attempt: an open checkout from
// FirstLook on, what the provider is working on at once. An attempt that the
// provider may not even know is not watched: opening it again looks first.
func (c *charge) keepWatch(ctx workflow.Context) {
	if len(c.view.Unfinished) == 0 || c.unnamed() {
		c.watch.end()
		return
	}
	a := c.view.Unfinished[0]
	if c.watch.attempt != a.ID {
		c.watch.end()
	}
	patient := a.State == payment.Open && !c.deadline.IsReady()
	switch {
	case c.watch.look != nil, c.watch.timer == nil && c.resting():
	case patient && c.watch.timer == nil:
		var wctx workflow.Context
		wctx, c.watch.stop = workflow.WithCancel(ctx)
		c.watch.attempt = a.ID
		c.watch.timer = workflow.NewTimerWithOptions(wctx, c.timing.FirstLook, workflow.TimerOptions{Summary: "first unasked look at the checkout"})
	case !patient || c.watch.timer.IsReady():
		c.watch.end()
		var wctx workflow.Context
		wctx, c.watch.stop = workflow.WithCancel(ctx)
		c.watch.attempt = a.ID
		c.watch.look = begin(pspWatch(wctx, c.timing, "watch until the provider is final"), gateway.WatchAttempt, activities.AttemptInput{AttemptID: a.ID})
	}
}

// unnamed: the unfinished attempt was begun, and the provider has given no name to it.
func (c *charge) unnamed() bool {
	if len(c.view.Unfinished) == 0 || c.view.Unfinished[0].Ref != "" {
		return false
	}
	switch c.view.Unfinished[0].State {
	case payment.Allocated, payment.Sent, payment.Doubtful:
		return true
	case payment.Open, payment.Working, payment.Held, payment.Done, payment.Declined, payment.Closed, payment.NotDone:
		return false
	}
	return false
}

// seen takes what the watch brought. A watch that ended without an answer is
// begun again after a pause.
func (c *charge) seen(ctx workflow.Context) error {
	var view payment.View
	err := c.watch.look.Get(ctx, &view)
	c.watch.end()
	if err == nil {
		c.took(view)
		c.endRest()
		return nil
	}
	if temporal.IsCanceledError(err) {
		return nil
	}
	return c.failed(ctx, err, "watch")
}

func (c *charge) unbegunReversals() bool {
	return slices.ContainsFunc(c.view.Reversals, func(r payment.Reversal) bool { return !c.begun[r.OperationID] })
}

// beginReversals starts the workflows that give back what nobody wants. They
// live on when this run ends; the sweep starts those that this run could not.
func (c *charge) beginReversals(ctx workflow.Context) error {
	for _, r := range c.view.Reversals {
		if c.begun[r.OperationID] {
			continue
		}
		c.begun[r.OperationID] = true
		ref := payment.MoveRef{
			Kind: payment.OpReversal, Source: c.in.Source, Shop: c.in.Shop, ExternalRef: r.ExternalRef,
			Provider: c.view.Provider, Amount: c.in.Amount,
		}
		cctx := workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
			WorkflowID:            flow.MoveID(ref),
			ParentClosePolicy:     enumspb.PARENT_CLOSE_POLICY_ABANDON,
			WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY,
			StaticSummary:         flow.MoveSummary(ref),
			TypedSearchAttributes: flow.MoveAttributes(ref),
		})
		child := workflow.ExecuteChildWorkflow(cctx, Reversal, flow.MoveInput{
			OperationID: r.OperationID, PaymentID: c.in.PaymentID, Operation: payment.OpReversal,
			Shop: c.in.Shop, Provider: c.view.Provider, Amount: c.in.Amount, Timing: c.timing,
		})
		err := child.GetChildWorkflowExecution().Get(ctx, nil)
		if _, exists := errors.AsType[*temporal.ChildWorkflowExecutionAlreadyStartedError](err); err != nil && !exists {
			workflow.GetLogger(ctx).Warn("reversal not started here, the sweep starts it", "operation_id", r.OperationID)
		}
	}
	return nil
}

// continueAsNew starts a fresh run of the same input: the rows know the rest.
func (c *charge) continueAsNew(ctx workflow.Context) error {
	c.watch.end()
	c.endRest()
	return workflow.NewContinueAsNewError(ctx, Charge, c.in)
}

func (c *charge) finish(ctx workflow.Context) (flow.ChargeResult, error) {
	c.watch.end()
	c.endRest()
	err := c.lastWords(ctx, func() error { return c.act1(ctx) })
	if err == nil && c.unbegunReversals() {
		err = c.beginReversals(ctx)
	}
	c.progress(ctx)
	return flow.ChargeResult{State: c.view.State, Final: c.view.Final, Reason: c.view.FinalReason}, err
}
