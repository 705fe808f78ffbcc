package console

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"tillflow/internal/access"
	"tillflow/internal/access/audit"
	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

// dunningForm is how patient a shop is, as it stands in a form.
type dunningForm struct {
	Retries, FundsRetries, PayDays, PayDayReach, Hour, MethodDays, HardDays, GraceDays string
	Final                                                                              subscription.FinalAction
}

type dunningPage struct {
	frame
	Beside  []link
	Shops   []payment.ShopLine
	Shop    string
	Form    dunningForm
	Story   []string // what the policy does, in sentences
	Finals  []subscription.FinalAction
	Field   string
	Problem string
	Saved   bool
	May     bool
}

func dunningFormOf(p subscription.Policy) dunningForm {
	list := func(days []int) string {
		texts := make([]string, len(days))
		for i, d := range days {
			texts[i] = strconv.Itoa(d)
		}
		return strings.Join(texts, ", ")
	}
	return dunningForm{
		Retries: list(p.Retries), FundsRetries: list(p.FundsRetries), PayDays: list(p.PayDays), PayDayReach: strconv.Itoa(p.PayDayReach),
		Hour: strconv.Itoa(p.Hour), MethodDays: strconv.Itoa(p.MethodDays), HardDays: strconv.Itoa(p.HardDays), GraceDays: strconv.Itoa(p.GraceDays),
		Final: p.Final,
	}
}

// policy reads the form; bad names the first field that holds no whole numbers.
func (f dunningForm) policy() (p subscription.Policy, bad string) {
	var w wholes
	list := func(field, text string) []int {
		var days []int
		for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == ';' }) {
			days = append(days, w.read(field, part))
		}
		return days
	}
	p = subscription.Policy{
		Retries: list("retries", f.Retries), FundsRetries: list("funds_retries", f.FundsRetries), PayDays: list("pay_days", f.PayDays),
		PayDayReach: w.read("pay_day_reach", f.PayDayReach), Hour: w.read("hour", f.Hour), MethodDays: w.read("method_days", f.MethodDays),
		HardDays: w.read("hard_days", f.HardDays), GraceDays: w.read("grace_days", f.GraceDays), Final: f.Final,
	}
	return p, w.bad
}

// dunning shows what a shop does with declined renewals.
func (h *Handler) dunning(c echo.Context) error {
	return h.showDunning(c, http.StatusOK, dunningPage{Shop: fitting(c.QueryParam("shop")), Saved: c.QueryParam("saved") != ""})
}

func (h *Handler) showDunning(c echo.Context, status int, page dunningPage) error {
	ctx := c.Request().Context()
	page.frame = h.frame(c, "Subscriptions")
	page.Title, page.Beside, page.May, page.Finals = "Declined renewals", h.beside(page.frame, "Declined renewals"), page.Who.May(access.ManageAccounts), subscription.FinalActions
	facets, err := h.o.Payments.Facets(ctx)
	if err != nil {
		return h.answer(c, err)
	}
	if page.Shops = facets.Shops; page.Shop == "" && len(page.Shops) > 0 {
		page.Shop = page.Shops[0].Shop
	}
	policy, err := h.o.Subscriptions.DunningPolicy(ctx, page.Shop)
	if err != nil {
		return h.answer(c, err)
	}
	if page.Problem == "" {
		page.Form = dunningFormOf(policy)
	}
	page.Story = storyOf(policy)
	return h.views.render(c, status, "dunning", page)
}

// storyOf says in sentences what a policy does.
func storyOf(p subscription.Policy) []string {
	f := dunningFormOf(p)
	tries := func(days string, n int) string {
		switch n {
		case 0:
			return "is not tried again"
		case 1:
			return fmt.Sprintf("is tried again once, %s days later, at %d:00", days, p.Hour)
		}
		return fmt.Sprintf("is tried again %d times, %s days after the decline before, at %d:00", n, days, p.Hour)
	}
	lines := []string{
		"A declined charge " + tries(f.Retries, len(p.Retries)) + ".",
		"For want of funds it " + tries(f.FundsRetries, len(p.FundsRetries)) + ".",
	}
	if len(p.PayDays) > 0 && p.PayDayReach > 0 {
		lines = append(lines, fmt.Sprintf("That waits for a pay day (%s) if one is at most %d days away.", f.PayDays, p.PayDayReach))
	}
	final := map[subscription.FinalAction]string{
		subscription.FinalCancel: "is cancelled", subscription.FinalPause: "is paused", subscription.FinalUnpaid: "stands still as unpaid, until the customer pays again",
	}[p.Final]
	hard := "at once"
	if p.HardDays > 0 {
		hard = fmt.Sprintf("%d days later", p.HardDays)
	}
	return append(lines,
		fmt.Sprintf("Where another card or a confirmation is needed, the customer has %d days.", p.MethodDays),
		"After a hard decline (lost, stolen, fraud, revoked) nothing is tried, and it ends "+hard+".",
		fmt.Sprintf("The customer keeps access for %d days after the first decline.", p.GraceDays),
		"In the end the subscription "+final+". Nothing goes on beyond the period that is owed.",
	)
}

// setDunning checks and stores it.
func (h *Handler) setDunning(c echo.Context) error {
	ctx, by := c.Request().Context(), h.o.Viewer(c)
	value := func(name string) string { return strings.TrimSpace(c.FormValue(name)) }
	page := dunningPage{Shop: fitting(c.FormValue("shop"))}
	page.Form = dunningForm{
		Retries: value("retries"), FundsRetries: value("funds_retries"), PayDays: value("pay_days"), PayDayReach: value("pay_day_reach"), Hour: value("hour"),
		MethodDays: value("method_days"), HardDays: value("hard_days"), GraceDays: value("grace_days"), Final: subscription.FinalAction(value("final")),
	}
	policy, bad := page.Form.policy()
	if bad != "" {
		page.Field, page.Problem = bad, "Here are whole numbers, between commas. Nothing was changed."
		return h.showDunning(c, http.StatusUnprocessableEntity, page)
	}
	err := policy.Check()
	if r, refused := errors.AsType[*subscription.Refusal](err); refused {
		page.Field, page.Problem = r.Field, sentence(word(r.Field)+" "+r.Message)+" Nothing was changed."
		return h.showDunning(c, http.StatusUnprocessableEntity, page)
	}
	if err == nil {
		err = h.o.Trail.AppendAudit(ctx, audit.Entry{Actor: by.Actor(), Action: "dunning.change", Subject: "shop " + page.Shop, Detail: "final=" + string(policy.Final)})
	}
	if err == nil {
		err = h.o.Subscriptions.PutDunningPolicy(ctx, page.Shop, policy, by.Name)
	}
	if err != nil {
		return h.answer(c, err)
	}
	return c.Redirect(http.StatusSeeOther, subscriptionsAt+"/dunning?"+url.Values{"shop": {page.Shop}, "saved": {"1"}}.Encode())
}
