package workflows

import (
	"fmt"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"tillflow/internal/flow"
	"tillflow/internal/payment"
)

func neverPickedUp(e *temporal.TimeoutError) bool {
	return e.TimeoutType() == enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START
}

// sign is what an operator sees of a run: search attributes, which survive
// without a worker, and the details text, which a live worker answers.
type sign struct {
	status   string
	psp      string
	operator payment.OperatorReason
	clock    string
	clockAt  time.Time
}

// show sets both, the search attributes only when they changed: each change is
// an event and a write.
func (d *desk) show(ctx workflow.Context, s sign, lines ...string) {
	// A run that continues another inherits what that one showed last.
	inherits := d.note == "" && workflow.GetInfo(ctx).ContinuedExecutionRunID != ""
	d.note = strings.Join(lines, "\n")
	workflow.SetCurrentDetails(ctx, d.note)
	// The provider alone is no news: it goes out with the next change.
	same := s
	same.psp = d.shown.psp
	if same == d.shown && !inherits {
		return
	}
	updates := []temporal.SearchAttributeUpdate{flow.PayStatus.ValueSet(s.status)}
	if s.psp != d.shown.psp {
		updates = append(updates, flow.PayPSP.ValueSet(s.psp))
	}
	if s.operator != d.shown.operator || inherits {
		updates = append(updates, flow.PayNeedsOperator.ValueSet(s.operator != payment.NobodyNeeded), flow.PayReason.ValueSet(string(s.operator)))
	}
	if s.clock != d.shown.clock || !s.clockAt.Equal(d.shown.clockAt) {
		updates = append(updates, flow.PayClockName.ValueSet(s.clock), flow.PayNextClock.ValueSet(s.clockAt))
	}
	d.shown = s
	if err := workflow.UpsertTypedSearchAttributes(ctx, updates...); err != nil {
		workflow.GetLogger(ctx).Error("search attributes not set", "error", err)
	}
}

// stamp is a time as operators read it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }

// operatorText says what happened, what it means for the money and what to press.
func operatorText(r payment.OperatorReason) string {
	switch r {
	case payment.NobodyNeeded:
		return ""
	case payment.InDoubt:
		return "**A person is needed: in doubt.** Money may have moved and the provider gives no evidence. Nothing is sent again; we keep looking. " +
			"Look the attempt up in the provider's dashboard, then `operator-resolve` with *paid* or *not_paid*."
	case payment.AccountBlocked:
		return "**A person is needed: access refused.** The other side refuses our credentials; nothing was done with them. " +
			"Renew the credentials, then press `retry-now`. We try again by ourselves every half hour."
	case payment.WrongAmount:
		return "**A person is needed: wrong amount.** The provider took another amount than was asked; the shop has not been told. " +
			"`operator-resolve` with *give_back*, or *paid* to accept it."
	case payment.ResolveRefused:
		return "**A person is needed: the shop refused our answer although money was taken.** The money goes back by itself when the clock ends. " +
			"`operator-resolve` with *give_back* to do it now, or *keep* when the order was settled with the shop by hand."
	case payment.RejectRefused:
		return "**A person is needed: the shop refused our rejection.** No money was taken. Ask the shop what it shows for this order."
	case payment.TellOverdue:
		return "**A person is needed: the shop cannot be told.** The answer is decided and does not change; we keep trying. " +
			"See the pending activity's last failure for the reason, then press `retry-now`."
	case payment.ReversalStuck:
		return "**A person is needed: the provider does not take the money back.** See the code in the timeline. " +
			"Give it back in the provider's dashboard, then `operator-resolve` with *paid*, or mend the reason and press `retry-now`."
	case payment.RefundFailed:
		return "**A person is needed: a refund failed late.** The provider had accepted it, the shop was told so, and then the provider gave it up. " +
			"It is booked back: the money is with the merchant. Pay the buyer in another way, or refund again."
	case payment.RefundElsewhere:
		return "**A person should know: money was refunded at the provider, not by us.** It is booked and counts against what may still be refunded. " +
			"The shop does not know of it."
	case payment.Disputed:
		return "**A person is needed: the buyer disputes the payment.** The amount is booked as disputed and cannot be refunded meanwhile. " +
			"Answer the dispute in the provider's dashboard before its deadline."
	case payment.DisputeLost:
		return "**A person should know: a dispute was lost.** The money is gone and booked; do not refund it too."
	case payment.Overdrawn:
		return "**A person is needed: more went back than was taken.** A refund of ours and money moved at the provider met. " +
			"The books show it; compare with the provider's dashboard."
	case payment.RoutingFault:
		return "**A person is needed: the provider calls our request wrong.** Nothing was done. See the code in the timeline; press `retry-now` once mended."
	}
	return fmt.Sprintf("**A person is needed: %s.**", r)
}
