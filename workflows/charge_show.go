package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"tillflow/internal/payment"
)

// progress shows what happened, what is awaited until when, and what may be pressed.
func (c *charge) progress(ctx workflow.Context) {
	v := c.view
	s := sign{status: string(v.State), psp: v.Provider, operator: v.Operator, clock: c.shown.clock, clockAt: c.shown.clockAt}
	if v.State == payment.Created {
		s.status = string(payment.AwaitingBuyer) // a checkout that is opened is no news to who searches
	}
	if v.Final != payment.Undecided && !v.Told && !v.Refused && c.soonTold(v.Operator) {
		s = c.shown
	}
	lines := []string{
		fmt.Sprintf("**%s of %s** for %s, session `%s`, payment `%s`", c.in.Kind, c.in.Amount, c.in.Shop, c.in.ExternalID, c.in.PaymentID),
		"", "State: **" + string(v.State) + "**. " + c.waitsFor(ctx),
	}
	if text := operatorText(v.Operator); text != "" {
		lines = append(lines, "", text)
	}
	if c.warned {
		lines = append(lines, "", cancelText)
	}
	lines = append(lines, "", "May be pressed through the console or `tillflow payment`: `retry-now`, `expire`, `add-note`"+resolvable(v.Operator)+".",
		"Timeline: `tillflow payment show "+c.in.PaymentID+"`")
	c.show(ctx, s, lines...)
}

func resolvable(r payment.OperatorReason) string {
	if r == payment.NobodyNeeded {
		return ""
	}
	return ", `operator-resolve`"
}

// waitsFor is one sentence: what the run waits for and until when.
func (c *charge) waitsFor(ctx workflow.Context) string {
	v := c.view
	decideAt := c.in.ReceivedAt.Add(c.timing.Resolution - c.timing.DecideAhead)
	until := "until " + stamp(decideAt)
	if c.deadline.IsReady() {
		until = "past the decision time of " + stamp(decideAt)
	}
	switch {
	case v.Closed:
		return "Nothing left to do."
	case v.Refused:
		return "The shop refused the answer; the money goes back at " + stamp(workflow.Now(ctx).Add(v.RefusedWait)) + "."
	case v.Told:
		return "The shop has its answer; another checkout of this payment is being shut."
	case v.Final != payment.Undecided:
		return "Decided: " + string(v.Final) + ". The shop is being told."
	case c.unnamed():
		return "**In doubt**: a checkout was asked of the provider and no answer is recorded; looked up before anything is sent again, " + until + "."
	case v.State == payment.Processing:
		return "The provider is processing; we look again by ourselves and on its message, " + until + "."
	case len(v.Unfinished) > 0:
		return "The provider's checkout is open; waiting for the buyer, " + until + "."
	}
	return "Waiting for the buyer to choose a way to pay, " + until + "."
}
