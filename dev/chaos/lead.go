package chaos

import (
	"slices"

	"tillflow/standin/faults"
	"tillflow/standin/shopify"
)

// lead begins the story with a plot that comes to the cell's operation, and arms the cell's fault there.
func (a *author) lead(c Cell) {
	switch c.Side {
	case AtStripe:
		a.plots = append(a.plots, a.towards(c.On))
	case AtShopify:
		a.plots = append(a.plots, a.telling(c.On))
	case OfMessage:
		a.plots = append(a.plots, a.raising(c.On))
	case AtTemporal:
		a.plots = append(a.plots, one(a, a.refunded, a.captured, a.voided, a.anyRefund)())
	case OfRun:
		a.plots = append(a.plots, a.disturbed(c))
		return
	case OfPerson:
	}
	a.strike(c.Side, c.On, faults.Kind(c.Fault))
}

// towards is a plot in which a call at Stripe is made.
func (a *author) towards(call string) []Step {
	switch call {
	case list: // only an unnamed checkout is looked for
		a.strike(AtStripe, create, one(a, faults.LoseReply, faults.ErrorAfter, faults.LoseReply))
		return a.paid(a.anyKind())
	case retrieve: // a message that proves the payment saves the look
		a.silence()
		return a.paid(a.anyKind())
	case expire:
		return one(a, a.left, a.otherWay)()
	case cancelIntent:
		return one(a, a.voided, func() []Step { return a.twoTabs(shopify.KindAuthorization) })()
	case retrieveIntent:
		a.strike(AtStripe, cancelIntent, one(a, faults.LoseReply, faults.LoseRequest))
		return one(a, a.voided, func() []Step { return a.twoTabs(shopify.KindAuthorization) })()
	case captureIntent:
		return a.captured()
	case createRefund:
		return a.anyRefund()
	case listRefunds:
		a.strike(AtStripe, createRefund, one(a, faults.LoseReply, faults.LoseRequest, faults.DelayReply))
		return a.anyRefund()
	case retrieveRefund:
		a.strike(AtStripe, createRefund, faults.SlowSettle)
		return a.anyRefund()
	}
	return a.paid(a.anyKind())
}

// silence loses the messages about success, so that looks must find it.
func (a *author) silence() {
	for _, message := range []string{intentSucceeded, intentHeld} {
		a.story.Faults = append(a.story.Faults, Fault{At: OfMessage, Call: message, Kind: faults.WebhookDrop, Times: -1})
	}
}

// telling is a plot at whose end, or in which, Shopify is told something.
func (a *author) telling(mutation string) []Step {
	switch mutation {
	case reject: // nobody pays after all; the decision falls long after the last step, and faults are lifted soon after it
		s := a.alone(a.anyKind())
		return []Step{{Do: Begin, Sale: s}, {Do: Choose, Sale: s}, {Do: Leave, Sale: s}, {Do: Await, Sale: s, N: 16}}
	case pend:
		return a.debit(one(a, "delayed_success", "delayed_failure"))
	case tokenRefresh:
		a.story.StaleToken = true
	case refundResolve:
		return a.refunded()
	case captureResolve:
		return a.captured()
	case voidResolve:
		return a.voided()
	case refundReject, captureReject, voidReject:
		return a.refusable(mutation)
	}
	return a.paid(a.anyKind())
}

// raising is a plot in which the provider sends a message.
func (a *author) raising(message string) []Step {
	switch message {
	case intentHeld:
		return a.paid(shopify.KindAuthorization)
	case intentProcessing:
		return a.debit(one(a, "delayed_success", "delayed_failure"))
	case debitFailed:
		return a.debit("delayed_failure")
	case checkoutExpired:
		return a.left()
	case intentCanceled:
		return one(a, a.voided, func() []Step { return a.twoTabs(shopify.KindAuthorization) })()
	case refundCreated:
		return one(a, a.refunded, a.elsewhere)()
	case refundUpdated:
		return a.refundedBy("refund_pending")
	case refundFailed:
		return a.refundedBy("refund_fails_later")
	case disputeCreated, disputeClosed, fundsWithdrawn:
		return a.disputed(a.IntN(2) == 0)
	case fundsReinstated:
		return a.disputed(true)
	}
	return a.paid(shopify.KindSale)
}

// disturbed is a plot in whose middle somebody disturbs a run.
func (a *author) disturbed(c Cell) []Step {
	step := Step{Do: Verb(c.Fault), N: a.IntN(4)}
	switch c.On {
	case runOfCharge:
		steps := a.paid(a.anyKind())
		step.Sale = steps[0].Sale
		return slices.Insert(steps, 1+a.IntN(len(steps)), step)
	case runOfRefund, runOfCapture, runOfVoid:
		return a.disturbedMove(c.On, step)
	}
	switch step.Do {
	case Reset:
		step.Do = ResetBack
	case Terminate:
		step.Do = StopBack
	case Delete:
		step.Do = DeleteBack
	}
	// The run lives only while its first sends fail.
	a.keepBusy(cancelIntent)
	a.keepBusy(createRefund)
	steps := a.twoTabs(a.anyKind())
	step.Sale, step.Wait = steps[0].Sale, one(a, 100, 300, 600)
	return append(steps, step)
}

func (a *author) disturbedMove(run string, step Step) []Step {
	step.Do = map[Verb]Verb{Reset: ResetMove, Terminate: StopMove, Delete: LoseMove}[step.Do]
	kind, verb, call := shopify.KindSale, Refund, createRefund
	switch run {
	case runOfCapture:
		kind, verb, call = shopify.KindAuthorization, Capture, captureIntent
	case runOfVoid:
		kind, verb, call = shopify.KindAuthorization, Void, cancelIntent
	}
	a.keepBusy(call)
	steps := a.settled(kind)
	sale := steps[0].Sale
	step.Sale, step.Wait = sale, one(a, 20, 100, 400)
	return append(steps, Step{Do: verb, Sale: sale, N: one(a, 100, 60)}, step)
}

// keepBusy makes a call fail so often that the run which makes it lives for a second or two.
func (a *author) keepBusy(call string) {
	a.story.Faults = append(a.story.Faults, Fault{
		At: AtStripe, Call: call, Kind: one(a, faults.LoseRequest, faults.LoseReply, faults.DelayReply), Nth: 1, Times: 4,
	})
}
