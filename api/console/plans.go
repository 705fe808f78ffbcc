package console

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tillflow/internal/access"
	"tillflow/internal/access/audit"
	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

// Plans is the record of what is sold again and again.
type Plans interface {
	// Plans lists the newest versions of a shop's plans by their ids, after one of them; an empty shop is all.
	Plans(ctx context.Context, shop string, retired bool, after string, limit int) ([]subscription.Offer, error)
	// PlanVersions reads all versions, the newest last; payment.NotFound for an unknown plan.
	PlanVersions(ctx context.Context, shop, id string) ([]subscription.Offer, error)
	CreatePlan(ctx context.Context, o subscription.NewOffer) (subscription.Offer, error)
	UpdatePlan(ctx context.Context, u subscription.OfferUpdate) (subscription.Offer, error)
	RetirePlan(ctx context.Context, e subscription.OfferEnd) (subscription.Offer, error)
}

type plansPage struct {
	frame
	Beside []link
	Shops  []payment.ShopLine
	Shop   string
	Rows   []planRow
	More   string
	May    bool
	New    string // where a plan is made
}

type planRow struct {
	subscription.Offer
	Address string
	Price   string
}

// plans lists a shop's plans, those that are retired too.
func (h *Handler) plans(c echo.Context) error {
	ctx := c.Request().Context()
	page := plansPage{frame: h.frame(c, "Subscriptions"), Shop: fitting(c.QueryParam("shop"))}
	page.Title, page.Beside, page.May = "Plans", h.beside(page.frame, "Plans"), page.Who.May(access.ManageAccounts)
	facets, err := h.o.Payments.Facets(ctx)
	if err != nil {
		return h.answer(c, err)
	}
	if page.Shops = facets.Shops; page.Shop == "" && len(page.Shops) > 0 {
		page.Shop = page.Shops[0].Shop
	}
	if page.Shop == "" {
		return h.views.render(c, http.StatusOK, "plans", page)
	}
	list, err := h.o.Subscriptions.Plans(ctx, page.Shop, true, fitting(c.QueryParam("after")), perPage+1)
	if err != nil {
		return h.answer(c, err)
	}
	if len(list) > perPage {
		list = list[:perPage]
		page.More = subscriptionsAt + "/plans?" + url.Values{"shop": {page.Shop}, "after": {list[perPage-1].Plan.ID}}.Encode()
	}
	for _, o := range list {
		page.Rows = append(page.Rows, planRow{Offer: o, Address: planAddress(o.Shop, o.Plan.ID), Price: offerPrice(o)})
	}
	page.New = planAddress(page.Shop, "")
	return h.views.render(c, http.StatusOK, "plans", page)
}

func planAddress(shop, id string) string {
	return subscriptionsAt + "/plans/edit?" + url.Values{"shop": {shop}, "id": {id}}.Encode()
}

func offerPrice(o subscription.Offer) string { return readable(o.Plan.Price) + every(o.Plan.Interval) }

// planForm is a plan as it stands in a form.
type planForm struct {
	ID, Name, Price, Currency, Zone                   string
	Unit                                              subscription.Unit
	Count, AnchorDay, AnchorMonth, Trial, Notice, Ver string
	Running                                           subscription.Rule
	From                                              string // a day
}

type planPage struct {
	frame
	Beside   []link
	Shop     string
	Is       *subscription.Offer // nil: a new one
	Versions []planRow
	Form     planForm
	Units    []subscription.Unit
	Field    string // the one that is wrong
	Problem  string
	Saved    bool
	May      bool
	Back     string
}

// plan shows one with its versions, and the form of its next version, or of a new plan.
func (h *Handler) plan(c echo.Context) error {
	page := planPage{Shop: fitting(c.QueryParam("shop")), Saved: c.QueryParam("saved") != ""}
	page.Form = planForm{ID: c.QueryParam("id"), Currency: "EUR", Unit: subscription.Month, Count: "1", Zone: "Europe/Berlin", Running: subscription.Keep}
	return h.showPlan(c, http.StatusOK, page, true)
}

// showPlan reads what stands; fill puts it into the form.
func (h *Handler) showPlan(c echo.Context, status int, page planPage, fill bool) error {
	page.frame = h.frame(c, "Subscriptions")
	page.Title, page.Beside, page.May = "Plan", h.beside(page.frame, "Plans"), page.Who.May(access.ManageAccounts)
	page.Units, page.Back = subscription.Units, subscriptionsAt+"/plans?"+url.Values{"shop": {page.Shop}}.Encode()
	if page.Shop == "" {
		return h.answer(c, payment.Errorf(payment.NotFound, "there is no such shop"))
	}
	if fill && page.Form.ID == "" {
		if !page.May {
			return h.answer(c, payment.Errorf(payment.NotFound, "there is no such plan"))
		}
		return h.views.render(c, status, "plan", page)
	}
	versions, err := h.o.Subscriptions.PlanVersions(c.Request().Context(), page.Shop, page.Form.ID)
	switch {
	case err != nil && payment.ClassOf(err, payment.Unavailable) == payment.NotFound && !fill:
		return h.views.render(c, status, "plan", page) // a new one that was refused
	case err != nil:
		return h.answer(c, err)
	}
	newest := versions[len(versions)-1]
	page.Is = &newest
	for i := len(versions) - 1; i >= 0; i-- {
		page.Versions = append(page.Versions, planRow{Offer: versions[i], Price: offerPrice(versions[i])})
	}
	if fill {
		page.Form = formOf(newest)
	}
	return h.views.render(c, status, "plan", page)
}

func formOf(o subscription.Offer) planForm {
	p := o.Plan
	f := planForm{
		ID: p.ID, Name: o.Name, Price: p.Price.Decimal(), Currency: string(p.Price.Currency), Zone: p.Zone, Unit: p.Interval.Unit,
		Count: strconv.Itoa(p.Interval.Count), Trial: strconv.Itoa(p.TrialDays), Notice: strconv.Itoa(p.NoticeDays), Ver: strconv.Itoa(p.Version),
		Running: subscription.Keep,
	}
	if p.Anchor.Day != 0 {
		f.AnchorDay = strconv.Itoa(p.Anchor.Day)
	}
	if p.Anchor.Month != 0 {
		f.AnchorMonth = strconv.Itoa(int(p.Anchor.Month))
	}
	return f
}

// wholes reads whole numbers of a form, empty ones as zero. It names the first
// that is none.
type wholes struct{ bad string }

func (w *wholes) read(field, text string) int {
	if text = strings.TrimSpace(text); text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil && w.bad == "" {
		w.bad = field
	}
	return n
}

func (f planForm) draft() (subscription.Draft, string) {
	var w wholes
	d := subscription.Draft{
		ID: f.ID, Price: strings.ReplaceAll(f.Price, ",", "."), Currency: strings.ToUpper(f.Currency), Zone: f.Zone,
		Interval: subscription.Interval{Unit: f.Unit, Count: w.read("interval.count", f.Count)},
		Anchor:   subscription.Anchor{Day: w.read("anchor.day", f.AnchorDay), Month: time.Month(w.read("anchor.month", f.AnchorMonth))},
	}
	d.TrialDays, d.NoticeDays = w.read("trial_days", f.Trial), w.read("notice_days", f.Notice)
	return d, w.bad
}

// changePlan makes a plan, its next version, or its last one.
func (h *Handler) changePlan(c echo.Context) error {
	value := func(name string) string { return strings.TrimSpace(c.FormValue(name)) }
	page := planPage{Shop: fitting(c.FormValue("shop"))}
	page.Form = planForm{
		ID: value("id"), Name: value("name"), Price: value("price"), Currency: value("currency"), Zone: value("zone"), Unit: subscription.Unit(value("unit")),
		Count: value("count"), AnchorDay: value("anchor_day"), AnchorMonth: value("anchor_month"), Trial: value("trial"), Notice: value("notice"),
		Ver: value("version"), Running: subscription.Rule(value("running")), From: value("from"),
	}
	refuse := func(field, why string) error {
		page.Field, page.Problem = field, why
		return h.showPlan(c, http.StatusUnprocessableEntity, page, false)
	}
	draft, bad := page.Form.draft()
	var w wholes
	version := w.read("version", page.Form.Ver)
	from, err := time.Parse(time.DateOnly, page.Form.From)
	switch {
	case bad != "":
		return refuse(bad, sentence(bad+" is a whole number"))
	case w.bad != "" || page.Form.ID == "" || page.Shop == "":
		return refuse("id", "Give the plan an id of small letters, digits, - and _.")
	case err != nil && page.Form.From != "":
		return refuse("from", noDay)
	case page.Form.Name == "" || strings.ContainsFunc(page.Form.Name, func(r rune) bool { return r < ' ' }):
		return refuse("name", "Give the plan a name that customers can read.")
	}
	err = h.savePlan(c, page, planChange{draft: draft, version: version, from: from, do: c.FormValue("do")})
	if r, refused := errors.AsType[*subscription.Refusal](err); refused {
		if r.Reason == subscription.StaleVersion {
			return refuse("version", "Somebody else has changed the plan meanwhile: it is version "+strconv.Itoa(r.Current)+
				" by now, and stands below. Nothing was changed; look at it and send the form again from its page.")
		}
		return refuse(r.Field, sentence(strings.ReplaceAll(r.Field, "_", " ")+" "+r.Message))
	}
	if err != nil {
		return h.answer(c, err)
	}
	return c.Redirect(http.StatusSeeOther, planAddress(page.Shop, page.Form.ID)+"&saved=1")
}

type planChange struct {
	draft   subscription.Draft
	version int // that was seen; zero: there was none
	from    time.Time
	do      string
}

// savePlan notes in the audit what is wanted, and does it.
func (h *Handler) savePlan(c echo.Context, page planPage, change planChange) error {
	ctx, by := c.Request().Context(), h.o.Viewer(c)
	note := func(what string) error {
		return h.o.Trail.AppendAudit(ctx, audit.Entry{
			Actor: by.Actor(), Action: what, Subject: "shop " + page.Shop,
			Detail: audit.Detail("plan", change.draft.ID, "version", strconv.Itoa(change.version)),
		})
	}
	if change.do == "retire" {
		if err := note("plan.retire"); err != nil {
			return err
		}
		_, err := h.o.Subscriptions.RetirePlan(ctx, subscription.OfferEnd{
			Shop: page.Shop, Plan: change.draft.ID, Expected: change.version, Running: page.Form.Running, From: change.from, By: by.Name,
		})
		return err
	}
	if _, err := subscription.NewPlan(change.draft); err != nil {
		return err // before it is noted: nothing was wanted that can be
	}
	if change.version == 0 {
		if err := note("plan.create"); err != nil {
			return err
		}
		_, err := h.o.Subscriptions.CreatePlan(ctx, subscription.NewOffer{Shop: page.Shop, Name: page.Form.Name, Draft: change.draft, By: by.Name})
		return err
	}
	if err := note("plan.update"); err != nil {
		return err
	}
	_, err := h.o.Subscriptions.UpdatePlan(ctx, subscription.OfferUpdate{
		Shop: page.Shop, Plan: change.draft.ID, Name: page.Form.Name, By: by.Name,
		Update: subscription.Update{Draft: change.draft, Expected: change.version, Running: page.Form.Running, From: change.from},
	})
	return err
}
