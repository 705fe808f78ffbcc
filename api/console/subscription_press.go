package console

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

// pressable is something that may be pressed on a subscription as it stands. The
// record has the last word.
type pressable struct {
	Command subscription.Command
	What    subscription.Command // with withdraw
	Label   string
	Effect  string
	Address string
}

// pressables lists what fits.
func pressables(r subscription.Record) []pressable {
	var list []pressable
	add := func(fits bool, p pressable) {
		if fits {
			v := url.Values{"do": {string(p.Command)}}
			if p.What != "" {
				v.Set("what", string(p.What))
			}
			p.Address = subscriptionsAt + "/" + r.ID + "/act?" + v.Encode()
			list = append(list, p)
		}
	}
	can := r.State.Permits
	owed := r.Open != nil && r.Open.Owed
	add(can(subscription.CmdRetry) && owed, pressable{
		Command: subscription.CmdRetry, Label: "Charge again now",
		Effect: "The declined charge is sent once more, to the method that is kept. If an attempt is under way already, nothing is sent.",
	})
	add(can(subscription.CmdResume), pressable{
		Command: subscription.CmdResume, Label: "Resume",
		Effect: "A new period begins now, and is charged to the method that is kept. Only when that is paid is the subscription active again.",
	})
	add(can(subscription.CmdChange) && !r.CancelAtEnd, pressable{
		Command: subscription.CmdChange, Label: "Change plan or quantity",
		Effect: "You see what it costs before anything is charged.",
	})
	add(can(subscription.CmdSkip) && !r.SkipNext && !r.CancelAtEnd && !r.PauseAtEnd, pressable{
		Command: subscription.CmdSkip, Label: "Skip the next period",
		Effect: "Nothing is charged and nothing served in the next period; the one after begins on its usual day.",
	})
	add(can(subscription.CmdPause) && !r.PauseAtEnd && !r.CancelAtEnd, pressable{
		Command: subscription.CmdPause, Label: "Pause when the period ends",
		Effect: "What is paid is served. Then nothing is charged until somebody resumes it.",
	})
	add(can(subscription.CmdCancelAtEnd) && !r.CancelAtEnd, pressable{
		Command: subscription.CmdCancelAtEnd, Label: "Cancel when the period ends",
		Effect: "What is paid is served, and nothing is charged any more. It can be taken back until then.",
	})
	add(can(subscription.CmdCancel), pressable{
		Command: subscription.CmdCancel, Label: "Cancel now",
		Effect: "The subscription ends at once and for good. A charge that is under way is given back should it succeed.",
	})
	back := func(set bool, what subscription.Command, label string) {
		add(can(subscription.CmdWithdraw) && set, pressable{
			Command: subscription.CmdWithdraw, What: what, Label: label,
			Effect: "The period ends as if it had not been asked for.",
		})
	}
	back(r.CancelAtEnd, subscription.CmdCancelAtEnd, "Do not cancel after all")
	back(r.PauseAtEnd, subscription.CmdPause, "Do not pause after all")
	back(r.SkipNext, subscription.CmdSkip, "Do not skip after all")
	back(r.Next != nil, subscription.CmdChange, "Keep the present plan and quantity")
	return list
}

type commandPage struct {
	frame
	Beside  []link
	D       subscription.Details
	Act     pressable
	Back    string
	ID      string // of the command: the same form twice is one
	Problem string
	// For a change.
	Plans    []subscription.Offer
	Plan     string
	Quantity string
	When     subscription.When
	Preview  *changePreview
}

// changePreview is what a change would cost now.
type changePreview struct {
	Proration subscription.Proration
	Charge    money.Amount
	Balance   money.Amount
	Price     string
}

// confirmCommand asks once more.
func (h *Handler) confirmCommand(c echo.Context) error {
	page, err := h.openCommand(c, c.QueryParam("do"), c.QueryParam("what"))
	if err != nil {
		return h.answer(c, err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return h.answer(c, payment.Errorf(payment.Bug, "make an id: %w", err))
	}
	page.ID, page.Plan, page.Quantity, page.When = id.String(), page.D.Terms.Plan.ID, strconv.FormatInt(page.D.Terms.Quantity, 10), subscription.Prorated
	return h.views.render(c, http.StatusOK, "subscription_act", page)
}

func (h *Handler) openCommand(c echo.Context, do, what string) (commandPage, error) {
	ctx := c.Request().Context()
	page := commandPage{frame: h.frame(c, "Subscriptions"), Back: subscriptionsAt + "/" + c.Param("id")}
	page.Beside = h.beside(page.frame, "")
	var err error
	if page.D, err = h.o.Subscriptions.ShowSubscription(ctx, "", c.Param("id")); err != nil {
		return page, err
	}
	fits := false
	for _, p := range pressables(page.D.Record) {
		if string(p.Command) == do && string(p.What) == what {
			page.Act, fits = p, true
		}
	}
	if !fits {
		return page, payment.Errorf(payment.Conflict, "the subscription has moved on, and this cannot be pressed now")
	}
	page.Title = page.Act.Label
	if page.Act.Command == subscription.CmdChange {
		page.Plans, err = h.o.Subscriptions.Plans(ctx, page.D.Shop, false, "", 100)
	}
	return page, err
}

// command writes what was pressed, has it carried out, and goes back to the page
// that says what became of it.
func (h *Handler) command(c echo.Context) error {
	if h.pressedBefore(c) {
		return c.Redirect(http.StatusSeeOther, subscriptionsAt+"/"+c.Param("id")+"?did="+url.QueryEscape(c.FormValue("id")))
	}
	page, err := h.openCommand(c, c.FormValue("do"), c.FormValue("what"))
	if err != nil {
		return h.answer(c, err)
	}
	page.ID, page.Plan, page.Quantity, page.When = c.FormValue("id"), c.FormValue("plan"), strings.TrimSpace(c.FormValue("quantity")), subscription.When(c.FormValue("when"))
	if uuid.Validate(page.ID) != nil {
		return h.answer(c, payment.Errorf(payment.Invalid, "the form was not complete; send it again from the subscription's page"))
	}
	args := subscription.Args{What: page.Act.What, Refund: page.Act.Command == subscription.CmdCancel && c.FormValue("refund") != ""}
	if page.Act.Command == subscription.CmdChange {
		done, err := h.changeArgs(c, &page, &args)
		if done || err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request().Context()), carryOutWithin)
	defer cancel()
	line, err := h.o.Subscriptions.InsertCommand(ctx, subscription.Request{
		ID: page.ID, SubscriptionID: page.D.ID, Shop: page.D.Shop, Command: page.Act.Command, Args: args, By: h.o.Viewer(c).Name,
	})
	if err == nil && line.AppliedAt.IsZero() {
		_, err = h.o.SubscriptionRuns.AskSubscription(ctx, subscription.Ref{ID: page.D.ID, Shop: page.D.Shop}, line.ID)
	}
	if r, refused := errors.AsType[*subscription.Refusal](err); refused {
		err = payment.Errorf(payment.Conflict, "%s %s", r.Field, r.Message)
	}
	if err != nil && line.ID != "" && payment.ClassOf(err, payment.Unavailable) == payment.Unavailable {
		h.o.Log.Error().Err(err).Str("subscription_id", page.D.ID).Str("command_id", line.ID).Msg("a person's command was not carried out yet")
	} else if err != nil {
		return h.answer(c, err)
	}
	return c.Redirect(http.StatusSeeOther, page.Back+"?did="+url.QueryEscape(page.ID))
}

// pressedBefore reports whether this very form came before: its command stands,
// although it may not fit any more.
func (h *Handler) pressedBefore(c echo.Context) bool {
	d, err := h.o.Subscriptions.ShowSubscription(c.Request().Context(), "", c.Param("id"))
	if err != nil {
		return false // the page says so
	}
	for _, line := range d.Commands {
		if line.ID == c.FormValue("id") && line.By == h.o.Viewer(c).Name {
			return true
		}
	}
	return false
}

// changeArgs reads the form of a change; done when it answered with the form,
// because something is wrong or the costs were asked for.
func (h *Handler) changeArgs(c echo.Context, page *commandPage, args *subscription.Args) (done bool, err error) {
	quantity, parseErr := strconv.ParseInt(page.Quantity, 10, 64)
	if parseErr != nil {
		page.Problem = "The quantity is a whole number."
		return true, h.views.render(c, http.StatusUnprocessableEntity, "subscription_act", *page)
	}
	args.Quantity, args.When = quantity, page.When
	to, expected := subscription.Terms{Plan: page.D.Terms.Plan, Quantity: quantity}, page.D.Terms.Plan.Version
	var versions []subscription.Plan
	if page.Plan != page.D.Terms.Plan.ID {
		offers, err := h.o.Subscriptions.PlanVersions(c.Request().Context(), page.D.Shop, page.Plan)
		if err != nil {
			return true, h.answer(c, err)
		}
		for _, o := range offers {
			versions = append(versions, o.Plan)
		}
		to.Plan = versions[len(versions)-1]
		expected = to.Plan.Version
		args.Plan, args.Expected = page.Plan, expected
	}
	zone, err := subscription.LoadZone(page.D.Schedule.Zone)
	if err != nil {
		return true, h.answer(c, payment.Errorf(payment.Bug, "read the zone: %w", err))
	}
	next, proration, err := page.D.Subscription.Change(subscription.Change{To: to, Expected: expected, When: page.When},
		subscription.Moment{At: page.Now, Zone: zone, Versions: versions})
	if r, refused := errors.AsType[*subscription.Refusal](err); refused {
		page.Problem = sentence(r.Field + " " + r.Message)
		return true, h.views.render(c, http.StatusUnprocessableEntity, "subscription_act", *page)
	}
	if err != nil {
		return true, h.answer(c, payment.Errorf(payment.Bug, "compute a change: %w", err))
	}
	if c.FormValue("step") == "change" {
		return false, nil
	}
	page.Preview = &changePreview{Proration: proration, Charge: money.New(0, next.Balance.Currency), Balance: next.Balance, Price: priceOf(to)}
	if next.Open != nil {
		page.Preview.Charge = next.Open.Amount
	}
	return true, h.views.render(c, http.StatusOK, "subscription_act", *page)
}
