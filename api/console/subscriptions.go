package console

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"tillflow/internal/access"
	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

// Subscriptions is the record of plans and of who has them. What the domain does
// not take is a *subscription.Refusal.
type Subscriptions interface {
	ListSubscriptions(ctx context.Context, f subscription.Filter) ([]subscription.Record, error)
	// ShowSubscription reads all that is known of one; an empty shop is any.
	ShowSubscription(ctx context.Context, shop, id string) (subscription.Details, error)
	// InsertCommand commits what is asked for and notes it in the audit; the same id again answers the row that stands.
	InsertCommand(ctx context.Context, r subscription.Request) (subscription.CommandLine, error)
	DunningPolicy(ctx context.Context, shop string) (subscription.Policy, error)
	PutDunningPolicy(ctx context.Context, shop string, policy subscription.Policy, by string) error
	SubscriptionFigures(ctx context.Context, f subscription.FigureFilter) (subscription.Figures, error)
	FailedRenewals(ctx context.Context, f subscription.FigureFilter) ([]subscription.FailedRenewal, error)
	UpcomingRenewals(ctx context.Context, f subscription.FigureFilter) ([]subscription.UpcomingRenewal, error)
	LostSubscriptions(ctx context.Context, f subscription.FigureFilter) ([]subscription.LostSubscription, error)
	Plans
}

// SubscriptionRuns carry out what is asked of subscriptions.
type SubscriptionRuns interface {
	AskSubscription(ctx context.Context, ref subscription.Ref, commandID string) (subscription.Answer, error)
}

const subscriptionsAt = base + "/subscriptions"

func (h *Handler) subscriptionRoutes(e *echo.Echo) {
	if h.o.Subscriptions == nil {
		return
	}
	see, act := h.o.Gate.Require(access.SeePayments), h.o.Gate.Require(access.ActOnPayments)
	manage := h.o.Gate.Require(access.ManageAccounts)
	e.GET(subscriptionsAt, h.subscriptions, see)
	e.GET(subscriptionsAt+"/plans", h.plans, see)
	e.GET(subscriptionsAt+"/plans/edit", h.plan, see)
	e.POST(subscriptionsAt+"/plans/edit", h.changePlan, manage)
	e.GET(subscriptionsAt+"/dunning", h.dunning, see)
	e.POST(subscriptionsAt+"/dunning", h.setDunning, manage)
	e.GET(subscriptionsAt+"/figures", h.figures, see)
	e.GET(subscriptionsAt+"/figures/:file", h.figureFile, see)
	e.GET(subscriptionsAt+"/:id", h.subscription, see)
	e.GET(subscriptionsAt+"/:id/act", h.confirmCommand, act)
	e.POST(subscriptionsAt+"/:id/act", h.command, act)
}

// beside lists the pages about subscriptions, for who may open them.
func (h *Handler) beside(f frame, here string) []link {
	var list []link
	for _, page := range []struct {
		text, path string
		may        access.Permission
		there      bool
	}{
		{"Subscriptions", subscriptionsAt, access.SeePayments, true},
		{"Plans", subscriptionsAt + "/plans", access.SeePayments, true},
		{"Figures", subscriptionsAt + "/figures", access.SeePayments, true},
		{"Declined renewals", subscriptionsAt + "/dunning", access.SeePayments, true},
		{"Mails", base + "/letters", access.ManageAccounts, h.o.Letters != nil},
	} {
		if page.there && f.Who.May(page.may) {
			list = append(list, link{Text: page.text, Address: page.path, Here: page.text == here})
		}
	}
	return list
}

type subscriptionsPage struct {
	frame
	Beside []link
	Shops  []payment.ShopLine
	Filter subscription.Filter
	States []subscription.State
	Rows   []subscriptionRow
	Older  string
	Count  string
}

type subscriptionRow struct {
	subscription.Record
	Address string
	Price   string
	Waits   string
}

// subscriptions lists them, newest first.
func (h *Handler) subscriptions(c echo.Context) error {
	ctx := c.Request().Context()
	page := subscriptionsPage{frame: h.frame(c, "Subscriptions"), States: subscription.States}
	page.Beside = h.beside(page.frame, "Subscriptions")
	page.Filter = subscription.Filter{
		Shop: fitting(c.QueryParam("shop")), Plan: fitting(c.QueryParam("plan")), Operator: c.QueryParam("needs") != "", Limit: perPage + 1,
	}
	if s := subscription.State(c.QueryParam("state")); slices.Contains(subscription.States, s) {
		page.Filter.State = s
	}
	if mark, ok := readMark(c.QueryParam("before")); ok {
		page.Filter.Before, page.Filter.BeforeID = mark.At, mark.ID
	}
	facets, err := h.o.Payments.Facets(ctx)
	if err != nil {
		return h.answer(c, err)
	}
	page.Shops = facets.Shops
	list, err := h.o.Subscriptions.ListSubscriptions(ctx, page.Filter)
	if err != nil {
		return h.answer(c, err)
	}
	if len(list) > perPage {
		list = list[:perPage]
		page.Older = olderSubscriptions(page.Filter, list[perPage-1])
	}
	for _, r := range list {
		page.Rows = append(page.Rows, subscriptionRow{Record: r, Address: subscriptionsAt + "/" + r.ID, Price: priceOf(r.Terms), Waits: waitsFor(r, page.Now)})
	}
	page.Count = strings.ReplaceAll(counted(len(page.Rows), ""), "payment", "subscription")
	return h.views.render(c, http.StatusOK, "subscriptions", page)
}

// olderSubscriptions is where the list goes on.
func olderSubscriptions(f subscription.Filter, last subscription.Record) string {
	v := url.Values{"before": {writeMark(payment.Mark{At: last.CreatedAt, ID: last.ID})}}
	for name, value := range map[string]string{"shop": f.Shop, "state": string(f.State), "plan": f.Plan, "needs": flag(f.Operator)} {
		if value != "" {
			v.Set(name, value)
		}
	}
	return subscriptionsAt + "?" + v.Encode()
}

// priceOf is what a period costs, and how long it is.
func priceOf(t subscription.Terms) string {
	price, err := t.Price()
	if err != nil {
		return "–" // a product beyond what an amount holds; the domain refuses to agree on it
	}
	return readable(price) + every(t.Plan.Interval)
}

func every(i subscription.Interval) string {
	if i.Count == 1 {
		return " a " + string(i.Unit)
	}
	return " every " + strings.TrimSpace(i.String()) + "s"
}
