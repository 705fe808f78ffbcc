package console

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"tillflow/internal/access"
	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

type subscriptionPage struct {
	frame
	Beside      []link
	D           subscription.Details
	Price       string
	Next        string // terms agreed for the next period
	Waits       string
	Access      subscription.Entitlement
	AccessWords string
	Upcoming    string
	Trouble     string
	Actions     []pressable
	May         bool // the viewer may press
	Did         string
	Alert       bool // what was pressed was refused
	Audit       string
}

// subscription shows one: what it is, why it waits, and what may be pressed.
func (h *Handler) subscription(c echo.Context) error {
	page, err := h.openSubscription(c)
	if err != nil {
		return h.answer(c, err)
	}
	for _, line := range page.D.Commands {
		if line.ID == c.QueryParam("did") {
			page.Did, page.Alert = becameOf(line), line.Answer.Refused != nil
		}
	}
	return h.views.render(c, http.StatusOK, "subscription", page)
}

func (h *Handler) openSubscription(c echo.Context) (subscriptionPage, error) {
	ctx := c.Request().Context()
	page := subscriptionPage{frame: h.frame(c, "Subscriptions")}
	page.Title, page.Beside = "Subscription", h.beside(page.frame, "")
	var err error
	if page.D, err = h.o.Subscriptions.ShowSubscription(ctx, "", c.Param("id")); err != nil {
		return page, err
	}
	policy, err := h.o.Subscriptions.DunningPolicy(ctx, page.D.Shop)
	if err != nil {
		return page, err
	}
	zone, err := subscription.LoadZone(page.D.Schedule.Zone)
	if err != nil {
		return page, payment.Errorf(payment.Bug, "read the zone: %w", err)
	}
	page.Price, page.Waits = priceOf(page.D.Terms), waitsFor(page.D.Record, page.Now)
	if page.D.Next != nil {
		page.Next = page.D.Next.Plan.ID + ", " + priceOf(*page.D.Next)
	}
	page.Access = page.D.Entitlement(page.Now, policy, zone)
	page.AccessWords = standingWords(page.Access.Standing)
	page.Trouble = troubleOf(page.D.Record)
	page.May = page.Who.May(access.ActOnPayments)
	page.Actions = pressables(page.D.Record)
	if page.Who.May(access.ReadAudit) {
		page.Audit = base + "/audit?subject=subscription+" + page.D.ID
	}
	return page, nil
}

// waitsFor says in a sentence what a subscription waits for.
func waitsFor(r subscription.Record, now time.Time) string {
	due := ""
	if !r.DueAt.IsZero() {
		due = ", " + away(r.DueAt, now)
	}
	switch r.Task {
	case subscription.TaskExpire:
		return "the customer leaves a payment method; without one it is abandoned" + due
	case subscription.TaskNotice:
		return "the customer is told of the next renewal" + due
	case subscription.TaskRenew:
		return "its period ends" + due
	case subscription.TaskRetry:
		return "the declined charge is tried again" + due
	case subscription.TaskGiveUp:
		return "the customer; else collecting is given up" + due
	case subscription.TaskReview:
		return "a person"
	case subscription.NoTask:
	}
	switch {
	case r.State.Over():
		return "nothing: it is over"
	case r.State == subscription.Pending:
		return "the customer pays the first charge"
	case r.State == subscription.Paused:
		return "somebody resumes it"
	case r.State == subscription.Unpaid:
		return "the customer pays again"
	case r.Open != nil:
		return "the result of the charge " + r.Open.Key
	}
	return "its next step"
}

// troubleOf says why a person is needed.
func troubleOf(r subscription.Record) string {
	switch {
	case r.Operator == payment.NobodyNeeded:
		return ""
	case r.Task == subscription.TaskReview || r.State == subscription.PastDue:
		return "A renewal was refused for a reason that neither time nor the customer mends. Mend the cause, then try again or cancel."
	}
	return sentence("a person is needed: " + word(r.Operator))
}

// standingWords says why a customer has access, or has not.
func standingWords(s subscription.Standing) string {
	switch s {
	case subscription.StandingTrial:
		return "in the trial"
	case subscription.StandingPaid:
		return "paid"
	case subscription.StandingSettling:
		return "the payment is under way"
	case subscription.StandingGrace:
		return "declined, and the shop is patient"
	case subscription.StandingPending:
		return "not begun"
	case subscription.StandingOverdue:
		return "declined, and patience is over"
	case subscription.StandingSkipped:
		return "the customer left this period out"
	case subscription.StandingPaused:
		return "paused"
	case subscription.StandingUnpaid:
		return "collecting was given up"
	case subscription.StandingEnded:
		return "over"
	}
	return word(s)
}

// becameOf says what became of what somebody pressed.
func becameOf(l subscription.CommandLine) string {
	what := sentence(commandWords(l.Command))
	switch {
	case l.AppliedAt.IsZero():
		return what + " It is written down and not carried out yet; it will be within a minute."
	case l.Answer.Refused != nil:
		return what + " That was refused: " + l.Answer.Refused.Field + " " + l.Answer.Refused.Message + ". Nothing was changed."
	case l.Answer.Charge != "":
		return what + " " + sentence("a charge of "+readable(l.Answer.Amount)+" is under way")
	case l.Answer.Refund.IsPositive():
		return what + " " + sentence(readable(l.Answer.Refund)+" goes back to the customer")
	}
	return what + " Done."
}

// commandWords names a command.
func commandWords(c subscription.Command) string {
	switch c {
	case subscription.CmdPause:
		return "pause when the period ends"
	case subscription.CmdResume:
		return "resume"
	case subscription.CmdChange:
		return "change plan or quantity"
	case subscription.CmdSkip:
		return "skip the next period"
	case subscription.CmdCancel:
		return "cancel now"
	case subscription.CmdCancelAtEnd:
		return "cancel when the period ends"
	case subscription.CmdWithdraw:
		return "take back what was set for the period’s end"
	case subscription.CmdRetry:
		return "charge again now"
	case subscription.CmdMethod:
		return "a payment method was given"
	case subscription.CmdRenew, subscription.CmdGiveUp:
	}
	return word(c)
}

// Words, for the page's tables.

// CommandText names a command and what it was about.
func (p subscriptionPage) CommandText(l subscription.CommandLine) string {
	text := commandWords(l.Command)
	if l.Command == subscription.CmdWithdraw {
		text = "take back: " + commandWords(l.Args.What)
	}
	return text
}

// CommandEnd says what became of a command.
func (p subscriptionPage) CommandEnd(l subscription.CommandLine) string {
	switch {
	case l.AppliedAt.IsZero():
		return "waits"
	case l.Answer.Refused != nil:
		return "refused: " + word(l.Answer.Refused.Reason)
	}
	return "done"
}

// MethodText says what became of the payment method.
func (p subscriptionPage) MethodText(l subscription.TimelineLine) string {
	switch {
	case l.After == "":
		return "the page that was paid left no payment method"
	case l.Before == "":
		return "a payment method is kept"
	}
	return "another payment method is kept"
}

// Balance is the customer's credit; empty when there is none.
func (p subscriptionPage) Balance() *money.Amount {
	if p.D.Balance.IsZero() {
		return nil
	}
	return &p.D.Balance
}

// Payment is the page of a charge's payment; empty when it has none.
func (p subscriptionPage) Payment(l subscription.ChargeLine) string {
	if l.PaymentID == "" {
		return ""
	}
	return address(l.PaymentID)
}
