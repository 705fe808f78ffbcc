package workflows

import (
	"go.temporal.io/sdk/workflow"

	"tillflow/activities"
	"tillflow/internal/flow"
	"tillflow/internal/payment"
)

// Charge takes one accepted session to a final answer at its shop within 48 hours.
func Charge(ctx workflow.Context, in flow.ChargeInput) (flow.ChargeResult, error) {
	c := &charge{desk: desk{timing: in.Timing, shown: sign{status: string(payment.AwaitingBuyer)}}, in: in, begun: map[string]bool{}}
	// Cancel in Temporal does not end a payment: the story runs on its own context.
	own, _ := workflow.NewDisconnectedContext(ctx)
	if err := c.listen(own); err != nil {
		return flow.ChargeResult{}, err
	}
	c.noticeCancel(ctx, own, c.progress)
	return c.run(own)
}

// charge is the state of one run. What is true stands in view, which every
// step reads back from the rows; the rest is only what this run waits for.
type charge struct {
	desk
	in       flow.ChargeInput
	view     payment.View
	deadline workflow.Future // our decision falls when it is ready
	chose    bool            // the buyer chose or wants to leave: the rows know more than view
	woken    []wake          // attempts to settle now, in order of arrival
	watch    watch
	begun    map[string]bool // reversals that this run has started
	returned bool            // after a refusal the money was sent back
}

// run repeats the first rule that fits until nothing is left to do. Each step
// is one effect and leaves a fresh view, so the story can be taken up from the
// rows after any step, by this run or by another.
func (c *charge) run(ctx workflow.Context) (flow.ChargeResult, error) {
	if err := c.resume(ctx); err != nil {
		return flow.ChargeResult{}, err
	}
	for !c.view.Closed {
		if c.tooLong(ctx) {
			return flow.ChargeResult{}, c.continueAsNew(ctx)
		}
		c.keepWatch(ctx)
		c.progress(ctx)
		if err := c.step(ctx); err != nil {
			return flow.ChargeResult{}, err
		}
	}
	return c.finish(ctx)
}

func (c *charge) step(ctx workflow.Context) error {
	v := c.view
	decided, free := v.Final != payment.Undecided, !c.resting()
	switch {
	case len(c.actions) > 0:
		return c.act1(ctx)
	case c.unbegunReversals():
		return c.beginReversals(ctx)
	case len(c.woken) > 0:
		return c.settle(ctx)
	case c.chose && (decided || len(v.Unfinished) > 0):
		return c.reload(ctx)
	case decided && !v.Told && !v.Refused && free:
		return c.tell(ctx)
	case c.mustClose() && free:
		return c.close(ctx)
	case v.Refused && !c.returned && free:
		return c.awaitRefusal(ctx)
	case !decided && len(v.Unfinished) == 0 && c.doorShut() && free:
		return c.reject(ctx)
	case !decided && (v.Wanted > 0 || c.chose || c.unnamed()) && free:
		return c.open(ctx, "open checkout at the provider")
	case !decided && v.State == payment.Processing && !v.PendingTold && c.in.Source == payment.SourceShopify && free:
		return c.pend(ctx)
	}
	return c.wait(ctx)
}

// resume reads the rows and sets the clock. A run that takes over from a lost
// one settles at once what the rows leave unfinished.
func (c *charge) resume(ctx workflow.Context) error {
	decideAt := c.in.ReceivedAt.Add(c.timing.Resolution - c.timing.DecideAhead)
	c.deadline = workflow.NewTimerWithOptions(ctx, decideAt.Sub(workflow.Now(ctx)),
		workflow.TimerOptions{Summary: "48h resolution deadline: we decide an hour earlier"})
	if err := c.reload(ctx); err != nil {
		return err
	}
	for _, a := range c.view.Unfinished {
		c.woken = append(c.woken, wake{attempt: a.ID})
	}
	return nil
}

func (c *charge) reload(ctx workflow.Context) error {
	c.chose = false
	view, err := doRow(ctx, "read the rows", rows.LoadCharge, activities.PaymentInput{PaymentID: c.in.PaymentID})
	if err != nil {
		return err
	}
	c.view = view
	return nil
}

// doorShut: no new checkout may be opened and the shop must be answered.
func (c *charge) doorShut() bool { return c.view.Shut != "" || c.deadline.IsReady() }

// mustClose: an open checkout stands in the way of what was asked or decided
// meanwhile. What the provider works on cannot be shut: the watch looks after
// it, and at the deadline a person must know.
func (c *charge) mustClose() bool {
	v := c.view
	switch {
	case len(v.Unfinished) == 0:
		return false
	case v.Unfinished[0].State == payment.Working:
		return v.Final == payment.Undecided && c.deadline.IsReady()
	}
	return v.Left || v.Wanted > 0 || c.doorShut() || v.Final != payment.Undecided
}

// open opens the provider's checkout for the buyer's choice.
func (c *charge) open(ctx workflow.Context, summary string) error {
	c.chose = false
	view, err := do(pspSend(ctx, c.timing, summary), gateway.OpenCheckout, activities.CheckoutInput{PaymentID: c.in.PaymentID})
	if err != nil {
		return c.failed(ctx, err, "open checkout")
	}
	if view.Wanted > 0 && len(view.Unfinished) == 0 {
		// Decided not done: another attempt may follow, each later than the last.
		c.view = view
		c.backOff(ctx, "open checkout anew", c.timing.RetryMax)
		return nil
	}
	c.took(view)
	return nil
}

// settle records what is known of an attempt that stirred: what a stored message
// proves, which is a step on our own record, else what the provider answers.
func (c *charge) settle(ctx workflow.Context) error {
	w := c.woken[0]
	c.woken = c.woken[1:]
	if w.attempt == c.view.Winner {
		return nil // known and being told; what else a message says of it, the sweep picks up
	}
	in := activities.AttemptInput{AttemptID: w.attempt}
	if w.message {
		proof, err := doRow(ctx, "record what the message proves", rows.RecordProof, in)
		if err == nil && proof.Proved {
			c.took(proof.View)
			return nil
		}
	}
	view, err := do(pspSend(ctx, c.timing, "look up at the provider"), gateway.SettleAttempt, in)
	switch {
	case err != nil && c.view.Final != payment.Undecided:
		return nil // the answer does not wait for it: the sweep dispatches the event again
	case err != nil:
		// The watch goes on looking, and the sweep dispatches the event again.
		return c.failed(ctx, err, "look-up")
	}
	c.took(view)
	return nil
}

// close shuts the provider's page. Only what is shut, or decided, lets the
// story go on; "processing" is never nothing.
func (c *charge) close(ctx workflow.Context) error {
	view, err := do(pspSend(ctx, c.timing, "shut the provider's checkout"), gateway.CloseCheckout, activities.AttemptInput{AttemptID: c.view.Unfinished[0].ID})
	if err == nil && len(view.Unfinished) == 0 {
		c.took(view)
		return nil
	}
	if err == nil {
		c.view = view // not shut: the pauses go on growing
	}
	if !c.deadline.IsReady() || c.view.Final != payment.Undecided {
		if err != nil {
			return c.failed(ctx, err, "shut checkout")
		}
		c.backOff(ctx, "shut checkout again", c.timing.RetryMax)
		return nil
	}
	c.restFor(ctx, c.timing.OperatorRetry, "look again unless a person is faster")
	return c.callOperator(ctx, payment.InDoubt)
}

// reject decides that no money came: the door is shut and nothing is unfinished.
func (c *charge) reject(ctx workflow.Context) error {
	why := c.view.Shut
	if why == "" {
		why = payment.TimedOut
	}
	view, err := doRow(ctx, "decide: no money came", rows.DecideReject, activities.WhyInput{PaymentID: c.in.PaymentID, Why: why})
	if err != nil {
		return err
	}
	c.view = view
	if view.Final == payment.Undecided && len(view.Unfinished) == 0 {
		c.restFor(ctx, c.timing.OperatorRetry, "decide again unless a person is faster")
		return c.callOperator(ctx, payment.InDoubt)
	}
	return nil
}

// tell brings the decided answer to the shop, for as long as it takes.
func (c *charge) tell(ctx workflow.Context) error {
	if c.in.Source == payment.SourceSubscription {
		return c.tellSubscription(ctx) // who asked is one of us
	}
	pauses, within := c.patience(c.in.ReceivedAt.Add(c.timing.Resolution).Sub(workflow.Now(ctx)))
	tctx, stop := workflow.WithCancel(ctx)
	defer stop()
	telling := begin(shopify(tctx, within, "tell the shop: "+string(c.view.Final)), shop.TellShop, activities.TellInput{PaymentID: c.in.PaymentID, Schedule: pauses})
	if answered, err := c.heard(tctx, telling, func() bool { return len(c.woken) > 0 }, c.progress); !answered {
		return err
	}
	var view payment.View
	if err := telling.Get(ctx, &view); err != nil {
		return c.notTold(ctx, err, func(why payment.OperatorReason) error { return c.callOperator(ctx, why) })
	}
	c.view, c.overdue = view, false
	return nil
}

// pend tells the shop that the provider is processing: only on its evidence.
func (c *charge) pend(ctx workflow.Context) error {
	in := activities.TellInput{PaymentID: c.in.PaymentID, Schedule: activities.Schedule{Steps: c.timing.TellSteps, Slow: c.timing.TellSlow}}
	view, err := do(shopify(ctx, c.timing.SendWindow, "tell the shop: pending"), shop.PendShop, in)
	if err == nil {
		c.took(view)
		return nil
	}
	if todo, _ := after(err); todo == askPerson {
		return c.failed(ctx, err, "tell the shop pending")
	}
	c.backOff(ctx, "tell the shop pending again", c.timing.LookMax) // a courtesy: no person is called
	return c.reload(ctx)
}

// awaitRefusal: the shop refused our answer. A person decides, or after the
// shop's own time the money goes back.
func (c *charge) awaitRefusal(ctx workflow.Context) error {
	tctx, stop := workflow.WithCancel(ctx)
	defer stop()
	back := workflow.NewTimerWithOptions(tctx, c.view.RefusedWait, workflow.TimerOptions{Summary: "the money goes back unless a person decides"})
	err := workflow.Await(ctx, func() bool { return back.IsReady() || len(c.actions) > 0 || len(c.woken) > 0 })
	if err != nil || !back.IsReady() {
		return err
	}
	c.returned = true
	view, err := doRow(ctx, "give the money back", rows.GiveBack, activities.OperatorInput{PaymentID: c.in.PaymentID, Why: payment.ResolveRefused})
	if classOf(err) == payment.Conflict {
		return c.reload(ctx) // the shop has acknowledged it after all
	}
	if err != nil {
		return err
	}
	c.view = view
	return nil
}

func (c *charge) act1(ctx workflow.Context) error {
	view, err := c.apply(ctx, c.in.PaymentID)
	if err == nil {
		c.view = view
	}
	return nil // a refused action was answered to its sender
}

func (c *charge) callOperator(ctx workflow.Context, why payment.OperatorReason) error {
	if c.view.Operator == why {
		return nil
	}
	view, err := doRow(ctx, "call a person", rows.CallOperator, activities.OperatorInput{PaymentID: c.in.PaymentID, Why: why})
	if err != nil {
		return err
	}
	c.view = view
	return nil
}

// failed pauses after a failed call and takes the rows up again.
func (c *charge) failed(ctx workflow.Context, err error, what string) error {
	if err := c.settleFailure(ctx, err, what, func(why payment.OperatorReason) error { return c.callOperator(ctx, why) }); err != nil {
		return err
	}
	return c.reload(ctx)
}

// took takes a fresh view after a success: pauses grow from the start again, and
// neither a decided answer nor the end of an attempt waits for one that was
// about what is over now.
func (c *charge) took(view payment.View) {
	if view.Final != c.view.Final || len(view.Unfinished) < len(c.view.Unfinished) {
		c.endRest()
	}
	c.view, c.pause = view, 0
}
