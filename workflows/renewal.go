package workflows

import (
	"go.temporal.io/sdk/workflow"

	"tillflow/activities"
	"tillflow/internal/flow"
	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

// Renewal collects one charge of a subscription, by the method that its customer
// left or on a page that the customer opens: claim ▸ send ▸ settle ▸ post, and
// tell the subscription each result. It is the story of a charge without a
// deadline of its own: after a decline it rests until the subscription wants
// another attempt, or nothing more.
func Renewal(ctx workflow.Context, in flow.ChargeInput) (flow.ChargeResult, error) {
	r := &renewal{charge: charge{
		desk: desk{timing: in.Timing, shown: sign{status: string(payment.Created)}}, in: in, begun: map[string]bool{},
	}}
	// Cancel in Temporal does not stop money on its way: the story runs on its own context.
	own, _ := workflow.NewDisconnectedContext(ctx)
	if err := r.listen(own); err != nil {
		return flow.ChargeResult{}, err
	}
	r.noticeCancel(ctx, own, r.progress)
	return r.run(own)
}

// renewal is a charge whose buyer is away.
type renewal struct {
	charge
	news   bool            // the rows may show a result that the subscription does not know
	clock  workflow.Future // the provider's contract gives it no longer than this
	clocks string          // the attempt whose clock it is
}

func (r *renewal) run(ctx workflow.Context) (flow.ChargeResult, error) {
	// Nothing is decided by the clock: a future that never comes.
	r.deadline, _ = workflow.NewFuture(ctx)
	if err := r.reload(ctx); err != nil {
		return flow.ChargeResult{}, err
	}
	for _, a := range r.view.Unfinished {
		r.woken = append(r.woken, wake{attempt: a.ID})
	}
	r.news = r.view.State != payment.Created || r.view.Final != payment.Undecided
	for !r.view.Closed {
		if r.tooLong(ctx) {
			r.watch.end()
			r.endRest()
			return flow.ChargeResult{}, workflow.NewContinueAsNewError(ctx, Renewal, r.in)
		}
		r.keepWatch(ctx)
		r.keepClock(ctx)
		r.progress(ctx)
		was := r.view
		if err := r.step(ctx); err != nil {
			return flow.ChargeResult{}, err
		}
		if len(r.view.Unfinished) < len(was.Unfinished) || r.view.Final != was.Final {
			r.news = true
		}
	}
	return r.finish(ctx)
}

func (r *renewal) step(ctx workflow.Context) error {
	v := r.view
	decided, free := v.Final != payment.Undecided, !r.resting()
	switch {
	case len(r.actions) > 0:
		return r.act1(ctx)
	case r.unbegunReversals():
		return r.beginReversals(ctx)
	case len(r.woken) > 0:
		return r.settle(ctx)
	case r.news && free:
		return r.tellResult(ctx)
	case r.chose && (decided || len(v.Unfinished) > 0):
		return r.reload(ctx)
	case r.overran():
		return r.callOperator(ctx, payment.InDoubt)
	case r.mustEnd() && free:
		return r.close(ctx)
	case !decided && len(v.Unfinished) == 0 && v.Shut != "" && free:
		return r.reject(ctx)
	case !decided && (v.Wanted > 0 || r.chose || r.unnamed()) && free:
		return r.collect(ctx)
	}
	return r.wait(ctx)
}

// collect charges the kept method, or opens the page that the customer chose.
func (r *renewal) collect(ctx workflow.Context) error {
	if err := r.open(ctx, "charge the kept method, or open the page that was chosen"); err != nil {
		return err
	}
	r.news = r.news || len(r.view.Unfinished) == 0 // answered at once
	return nil
}

// mustEnd: what is unfinished stands in the way of what is wanted now. A page is
// shut. A charge of a kept method cannot be: what may have reached the provider
// is found out, and sent no more.
func (r *renewal) mustEnd() bool {
	v := r.view
	switch {
	case len(v.Unfinished) == 0:
		return false
	case v.Unfinished[0].Kept:
		return r.unnamed() && (v.Shut != "" || v.Final != payment.Undecided)
	}
	return r.mustClose()
}

// tellResult tells the subscription what the rows show, and wakes its run.
func (r *renewal) tellResult(ctx workflow.Context) error {
	err := r.tellSubscription(ctx)
	r.news = err != nil || r.resting()
	return err
}

// keepClock runs the clock that the provider's contract gives to a charge that
// it works on.
func (r *renewal) keepClock(ctx workflow.Context) {
	if len(r.view.Unfinished) == 0 {
		return
	}
	a := r.view.Unfinished[0]
	if a.State != payment.Working || a.ExpiresAt.IsZero() || a.ID == r.clocks {
		return
	}
	clock := workflow.NewTimerWithOptions(ctx, a.ExpiresAt.Sub(workflow.Now(ctx)),
		workflow.TimerOptions{Summary: "the provider should have decided by now: a person is called"})
	r.clock, r.clocks = clock, a.ID
	workflow.Go(ctx, func(ctx workflow.Context) {
		if clock.Get(ctx, nil) == nil {
			r.stirred = true
		}
	})
}

// overran: the provider works on it for longer than its contract says. It is not
// given up: a person is called, and we keep looking.
func (r *renewal) overran() bool {
	v := r.view
	return r.clock != nil && r.clock.IsReady() && v.Operator == payment.NobodyNeeded &&
		len(v.Unfinished) > 0 && v.Unfinished[0].ID == r.clocks && v.Unfinished[0].State == payment.Working
}

// tellSubscription applies what the payment's rows show to the subscription, in
// one transaction, and wakes its run.
func (c *charge) tellSubscription(ctx workflow.Context) error {
	id, _, _ := payment.SplitChargeRef(c.in.ExternalID)
	view, err := doRow(ctx, "tell the subscription", members.TellSubscription, activities.ResultInput{
		PaymentID: c.in.PaymentID, Subscription: subscription.Ref{ID: id, Shop: c.in.Shop},
	})
	if err != nil {
		return c.failed(ctx, err, "tell the subscription")
	}
	c.view, c.overdue = view, false
	return nil
}
