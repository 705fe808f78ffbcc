package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"tillflow/internal/flow"
	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

// progress shows how the subscription stands, what is awaited, and what may be pressed.
func (l *life) progress(ctx workflow.Context) {
	v := l.view
	s := sign{status: string(v.State), operator: v.Operator, clock: string(v.Task), clockAt: v.DueAt}
	if l.period < 0 { // nothing was read so far
		s = l.shown
	}
	if l.trouble != payment.NobodyNeeded {
		s.operator = l.trouble
	}
	lines := []string{
		fmt.Sprintf("**Subscription** `%s` of %s, %s a period", l.in.SubscriptionID, l.in.Shop, v.Amount),
		"", fmt.Sprintf("State: **%s**, period %d. %s", v.State, v.Period, lifeWaitsFor(v)),
	}
	if text := operatorText(s.operator); text != "" {
		lines = append(lines, "", text)
	}
	if l.warned {
		lines = append(lines, "", "_Cancel was pressed in Temporal. A subscription is not ended that way: cancel it through the console or the API._")
	}
	l.show(ctx, s, lines...)
}

// lifeWaitsFor is one sentence: what the run waits for and until when.
func lifeWaitsFor(v subscription.View) string {
	at := stamp(v.DueAt)
	switch v.Task {
	case subscription.TaskExpire:
		return "Waiting until " + at + " for the customer to leave a method."
	case subscription.TaskNotice:
		return "The customer is told of the coming renewal at " + at + "."
	case subscription.TaskRenew:
		return "The next period begins at " + at + "."
	case subscription.TaskRetry:
		return "What is owed is charged again at " + at + ", or before if the customer pays."
	case subscription.TaskGiveUp:
		return "What is owed is given up at " + at + ", unless the customer pays before."
	case subscription.TaskReview:
		return "A person looks at a decline that is none of the customer's."
	case subscription.NoTask:
	}
	switch {
	case v.Ended:
		return "Nothing left to do."
	case v.Renewal != nil:
		return "A charge is under way: see the run `" + flow.ChargeID(v.Renewal.Source, v.Renewal.Shop, v.Renewal.ExternalID) + "`."
	case v.State == subscription.Pending:
		return "Waiting for the first payment."
	}
	return "Waiting for somebody to resume or cancel it."
}
