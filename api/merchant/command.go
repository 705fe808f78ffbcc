package merchant

import (
	"crypto/sha256"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"tillflow/api"
	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

// commandRequest is the body of a POST that changes a subscription. Which members
// it may have, its endpoint says.
type commandRequest struct {
	Ref      string               `json:"ref"`
	Plan     string               `json:"plan"`     // change: the new one; left out: the same
	Version  int                  `json:"version"`  // change: of the new plan, as the customer saw it
	Quantity int64                `json:"quantity"` // change: the new one; left out: the same
	When     subscription.When    `json:"when"`     // change: prorated, at_end or unpriced
	Preview  bool                 `json:"preview"`  // change: only say what it would cost
	AtEnd    bool                 `json:"at_end"`   // cancel: when the period ends
	Refund   bool                 `json:"refund"`   // cancel now: give back what is not used
	What     subscription.Command `json:"what"`     // withdraw: cancel, pause, skip or change
}

// only refuses members that the endpoint does not have, so that nobody believes
// in one that does nothing.
func (in commandRequest) only(allowed commandRequest) error {
	switch {
	case in.Plan != "" && allowed.Plan == "":
		return bad("plan", "is no member here")
	case in.Version != 0 && allowed.Version == 0:
		return bad("version", "is no member here")
	case in.Quantity != 0 && allowed.Quantity == 0:
		return bad("quantity", "is no member here")
	case in.When != "" && allowed.When == "":
		return bad("when", "is no member here")
	case in.Preview && !allowed.Preview:
		return bad("preview", "is no member here")
	case in.AtEnd && !allowed.AtEnd:
		return bad("at_end", "is no member here")
	case in.Refund && !allowed.Refund:
		return bad("refund", "is no member here")
	case in.What != "" && allowed.What == "":
		return bad("what", "is no member here")
	}
	return nil
}

// outcome is what a command did.
type outcome struct {
	Command subscription.Command `json:"command"`
	Charge  string               `json:"charge,omitempty"` // key of the charge that it opened
	Amount  string               `json:"amount,omitempty"` // of that charge
	Credit  string               `json:"credit,omitempty"` // change: the rest of the period at the old price
	Cost    string               `json:"cost,omitempty"`   // change: what the new terms cost until the period ends
	Refund  string               `json:"refund,omitempty"` // cancel: what goes back
}

type commandAnswer struct {
	Outcome      outcome            `json:"outcome"`
	Subscription subscriptionAnswer `json:"subscription"`
}

func (h *Handler) pause(c echo.Context) error {
	return h.command(c, subscription.CmdPause, commandRequest{})
}

func (h *Handler) resume(c echo.Context) error {
	return h.command(c, subscription.CmdResume, commandRequest{})
}

func (h *Handler) skip(c echo.Context) error {
	return h.command(c, subscription.CmdSkip, commandRequest{})
}

func (h *Handler) retry(c echo.Context) error {
	return h.command(c, subscription.CmdRetry, commandRequest{})
}

func (h *Handler) change(c echo.Context) error {
	return h.command(c, subscription.CmdChange, commandRequest{Plan: "x", Version: 1, Quantity: 1, When: subscription.AtEnd, Preview: true})
}

func (h *Handler) cancelSubscription(c echo.Context) error {
	return h.command(c, subscription.CmdCancel, commandRequest{AtEnd: true, Refund: true})
}

func (h *Handler) withdraw(c echo.Context) error {
	return h.command(c, subscription.CmdWithdraw, commandRequest{What: subscription.CmdSkip})
}

// command writes what is asked for and has it carried out. The Idempotency-Key
// binds the endpoint and the whole body; its repeat answers what became of the
// first one.
func (h *Handler) command(c echo.Context, command subscription.Command, allowed commandRequest) error {
	body, err := api.Body(c, maxBody)
	if err != nil {
		return err
	}
	var in commandRequest
	if err := strict(body, &in); err != nil {
		return err
	}
	if err := in.only(allowed); err != nil {
		return err
	}
	command, args, err := in.args(command)
	if err != nil {
		return err
	}
	key, err := idempotencyKey(c)
	if err != nil {
		return err
	}
	record, err := h.byRef(c, in.Ref)
	if err != nil {
		return err
	}
	if in.Preview {
		return h.preview(c, record, args)
	}
	ctx, who := c.Request().Context(), callerOf(c)
	sum := sha256.Sum256(append([]byte(command+"\n"), body...))
	line, err := h.Subscriptions.InsertCommand(ctx, subscription.Request{
		SubscriptionID: record.ID, Shop: who.Shop, Command: command, Args: args, By: actorOf(who), IdempotencyKey: key, RequestHash: sum[:],
	})
	if err != nil {
		return commandRefused(err)
	}
	answer := line.Answer
	if line.AppliedAt.IsZero() {
		if answer, err = h.SubscriptionRuns.AskSubscription(ctx, subscription.Ref{ID: record.ID, Shop: who.Shop}, line.ID); err != nil {
			return err
		}
	}
	return h.answerCommand(c, in, line.Command, answer)
}

// args checks a request and names the command that it is.
func (in commandRequest) args(command subscription.Command) (subscription.Command, subscription.Args, error) {
	args := subscription.Args{Plan: in.Plan, Expected: in.Version, Quantity: in.Quantity, When: in.When, Refund: in.Refund}
	switch {
	case command == subscription.CmdCancel && in.AtEnd && in.Refund:
		return command, args, bad("refund", "goes with a cancellation now: at the period's end there is nothing left to give back")
	case command == subscription.CmdCancel && in.AtEnd:
		return subscription.CmdCancelAtEnd, args, nil
	case command == subscription.CmdChange && in.Plan == "" && in.Quantity == 0:
		return command, args, bad("plan", "or quantity must be given")
	case command == subscription.CmdChange && in.Quantity < 0:
		return command, args, bad("quantity", "is not above zero")
	case command == subscription.CmdChange && in.Plan == "" && in.Version != 0:
		return command, args, bad("version", "goes with a plan")
	case command == subscription.CmdWithdraw:
		switch in.What {
		case subscription.CmdCancel, subscription.CmdCancelAtEnd:
			args.What = subscription.CmdCancelAtEnd
		case subscription.CmdPause, subscription.CmdSkip, subscription.CmdChange:
			args.What = in.What
		case subscription.CmdRenew, subscription.CmdRetry, subscription.CmdGiveUp, subscription.CmdResume, subscription.CmdWithdraw, subscription.CmdMethod:
			return command, args, bad("what", "is none of cancel, pause, skip, change")
		default:
			return command, args, bad("what", "is none of cancel, pause, skip, change")
		}
	}
	return command, args, nil
}

// commandRefused is an answer to what could not even be written down.
func commandRefused(err error) error {
	if e := refusedBy(err); e.Code != "" {
		return e
	}
	if payment.ClassOf(err, payment.Unavailable) == payment.NotFound {
		return api.Refuse(http.StatusNotFound, "unknown_ref", "ref", "no subscription of yours has this ref")
	}
	return readable(err)
}

// answerCommand says what a command did, and how the subscription stands now.
func (h *Handler) answerCommand(c echo.Context, in commandRequest, command subscription.Command, a subscription.Answer) error {
	if a.Refused != nil {
		r := refusal(*a.Refused)
		if a.Refused.Reason == subscription.StaleVersion && in.Plan != "" {
			return h.withCurrent(c, in.Plan, r)
		}
		return r
	}
	record, err := h.byRef(c, in.Ref)
	if err != nil {
		return err
	}
	now, err := h.subscriptionAnswer(record)
	if err != nil {
		return err
	}
	out := outcome{Command: command, Charge: a.Charge, Refund: positiveOnly(a.Refund)}
	if a.Charge != "" {
		out.Amount = a.Amount.Decimal()
	}
	if command == subscription.CmdChange {
		out.Credit, out.Cost = a.Proration.Credit.Decimal(), a.Proration.Cost.Decimal()
	}
	return c.JSON(http.StatusOK, commandAnswer{Outcome: out, Subscription: now})
}

func positiveOnly(a money.Amount) string {
	if !a.IsPositive() {
		return ""
	}
	return a.Decimal()
}

// preview is what a change would cost now.
type preview struct {
	Credit   string         `json:"credit"` // the rest of the period at the old price
	Cost     string         `json:"cost"`   // what the new terms cost until the period ends
	Charge   string         `json:"charge"` // what would be taken now, after the balance
	Balance  string         `json:"balance"`
	Currency money.Currency `json:"currency"`
	At       time.Time      `json:"at"`
	Terms    termsAnswer    `json:"terms"`
}

// preview computes a change and changes nothing. The amounts are those of this
// moment: a change that is asked for later costs what it costs then.
func (h *Handler) preview(c echo.Context, r subscription.Record, args subscription.Args) error {
	ctx, shop := c.Request().Context(), callerOf(c).Shop
	zone, err := subscription.LoadZone(r.Schedule.Zone)
	if err != nil {
		return err
	}
	to, expected := subscription.Terms{Plan: r.Terms.Plan, Quantity: args.Quantity}, r.Terms.Plan.Version
	if to.Quantity == 0 {
		to.Quantity = r.Terms.Quantity
	}
	var versions []subscription.Plan
	if args.Plan != "" {
		offers, err := h.Subscriptions.PlanVersions(ctx, shop, args.Plan)
		if payment.ClassOf(err, payment.Unavailable) == payment.NotFound && err != nil {
			return api.Refuse(http.StatusNotFound, "unknown_plan", "plan", "no plan of yours has this id")
		}
		if err != nil {
			return err
		}
		for _, o := range offers {
			versions = append(versions, o.Plan)
		}
		to.Plan, expected = versions[len(versions)-1], args.Expected
	}
	now := h.Now()
	next, proration, err := r.Subscription.Change(subscription.Change{To: to, Expected: expected, When: args.When},
		subscription.Moment{At: now, Zone: zone, Versions: versions})
	if e := refusedBy(err); e.Code != "" {
		if e.Code == string(subscription.StaleVersion) {
			return h.withCurrent(c, args.Plan, e)
		}
		return e
	}
	if err != nil {
		return err
	}
	terms, err := termsAnswerOf(to)
	if err != nil {
		return err
	}
	out := preview{
		Credit: proration.Credit.Decimal(), Cost: proration.Cost.Decimal(), Charge: money.New(0, next.Balance.Currency).Decimal(),
		Balance: next.Balance.Decimal(), Currency: next.Balance.Currency, At: now.UTC(), Terms: terms,
	}
	if next.Open != nil {
		out.Charge = next.Open.Amount.Decimal()
	}
	return c.JSON(http.StatusOK, out)
}
