package merchant

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"tillflow/api"
	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

// Plans is the record of what is sold again and again. What the domain does not
// take is a *subscription.Refusal.
type Plans interface {
	// CreatePlan answers what stands to a repeat; payment.Conflict "different_plan" for another plan of the same id.
	CreatePlan(ctx context.Context, o subscription.NewOffer) (subscription.Offer, error)
	UpdatePlan(ctx context.Context, u subscription.OfferUpdate) (subscription.Offer, error)
	RetirePlan(ctx context.Context, e subscription.OfferEnd) (subscription.Offer, error)
	// PlanVersions reads all versions, the newest last; payment.NotFound for an unknown plan.
	PlanVersions(ctx context.Context, shop, id string) ([]subscription.Offer, error)
	// Plans lists the newest versions of a shop's plans by their ids, after one of them.
	Plans(ctx context.Context, shop string, retired bool, after string, limit int) ([]subscription.Offer, error)
}

type interval struct {
	Unit  subscription.Unit `json:"unit"`
	Count int               `json:"count"`
}

type anchor struct {
	Day   int        `json:"day"`
	Month time.Month `json:"month,omitempty"`
}

// planTerms are the members that a new plan and a new version have alike.
type planTerms struct {
	ID         string   `json:"id"`
	Name       string   `json:"name"`
	Price      string   `json:"price"` // decimal, of one unit for one full period
	Currency   string   `json:"currency"`
	Interval   interval `json:"interval"`
	Anchor     *anchor  `json:"anchor"`
	TrialDays  int      `json:"trial_days"`
	Zone       string   `json:"zone"` // IANA name, such as Europe/Berlin
	NoticeDays int      `json:"notice_days"`
}

type updatePlanRequest struct {
	planTerms
	Version int               `json:"version"` // the one that you saw
	Running subscription.Rule `json:"running"` // keep, move or end
	From    time.Time         `json:"from"`    // the earliest start of a period to which running applies
}

type retirePlanRequest struct {
	ID      string            `json:"id"`
	Version int               `json:"version"`
	Running subscription.Rule `json:"running"` // keep or end
	From    time.Time         `json:"from"`
}

// planAnswer is what every endpoint says about a plan.
type planAnswer struct {
	ID         string            `json:"id"`
	Version    int               `json:"version"`
	Name       string            `json:"name"`
	Price      string            `json:"price"`
	Currency   money.Currency    `json:"currency"`
	Interval   interval          `json:"interval"`
	Anchor     *anchor           `json:"anchor,omitempty"`
	TrialDays  int               `json:"trial_days"`
	Zone       string            `json:"zone"`
	NoticeDays int               `json:"notice_days"`
	Running    subscription.Rule `json:"running"`
	From       *time.Time        `json:"from,omitempty"`
	Retired    bool              `json:"retired"`
	Followers  int               `json:"subscriptions"` // that are not over
	Changed    time.Time         `json:"changed_at"`
}

func planAnswerOf(o subscription.Offer) planAnswer {
	p := o.Plan
	out := planAnswer{
		ID: p.ID, Version: p.Version, Name: o.Name, Price: p.Price.Decimal(), Currency: p.Price.Currency,
		Interval: interval(p.Interval), TrialDays: p.TrialDays, Zone: p.Zone, NoticeDays: p.NoticeDays, Running: p.Running,
		From: someTime(p.From), Retired: p.Retired, Followers: o.Running, Changed: o.At,
	}
	if p.Anchor != (subscription.Anchor{}) {
		out.Anchor = &anchor{Day: p.Anchor.Day, Month: p.Anchor.Month}
	}
	return out
}

// someTime leaves out a time that is not set.
func someTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (in planTerms) draft() subscription.Draft {
	d := subscription.Draft{
		ID: in.ID, Price: in.Price, Currency: in.Currency, Interval: subscription.Interval(in.Interval),
		TrialDays: in.TrialDays, Zone: in.Zone, NoticeDays: in.NoticeDays,
	}
	if in.Anchor != nil {
		d.Anchor = subscription.Anchor{Day: in.Anchor.Day, Month: in.Anchor.Month}
	}
	return d
}

// check refuses what the domain does not look at.
func (in planTerms) check() error {
	if err := plain("name", in.Name, maxText); err != nil {
		return err
	}
	if in.Zone == "" {
		return api.Refuse(http.StatusBadRequest, string(subscription.Missing), "zone", "must be given: where the plan's days begin, such as Europe/Berlin")
	}
	return nil
}

// createPlan makes a plan. Its id is its idempotency key: the same id with the
// same content answers the same plan.
func (h *Handler) createPlan(c echo.Context) error {
	var in planTerms
	if err := readBody(c, &in); err != nil {
		return err
	}
	if err := in.check(); err != nil {
		return err
	}
	began := h.Now()
	offer, err := h.Subscriptions.CreatePlan(c.Request().Context(), subscription.NewOffer{
		Shop: callerOf(c).Shop, Name: in.Name, Draft: in.draft(), By: actorOf(callerOf(c)),
	})
	if err != nil {
		return h.planRefused(c, in.ID, err)
	}
	status := http.StatusOK
	if !offer.CreatedAt.Before(began.Truncate(time.Microsecond)) { // PostgreSQL keeps microseconds
		status = http.StatusCreated
	}
	return c.JSON(status, planAnswerOf(offer))
}

// updatePlan makes the next version of the one that the caller saw.
func (h *Handler) updatePlan(c echo.Context) error {
	var in updatePlanRequest
	if err := readBody(c, &in); err != nil {
		return err
	}
	if err := in.check(); err != nil {
		return err
	}
	offer, err := h.Subscriptions.UpdatePlan(c.Request().Context(), subscription.OfferUpdate{
		Shop: callerOf(c).Shop, Plan: in.ID, Name: in.Name, By: actorOf(callerOf(c)),
		Update: subscription.Update{Draft: in.draft(), Expected: in.Version, Running: in.Running, From: in.From},
	})
	if err != nil {
		return h.planRefused(c, in.ID, err)
	}
	return c.JSON(http.StatusOK, planAnswerOf(offer))
}

// retirePlan takes nobody new; what becomes of those who have it, running says.
func (h *Handler) retirePlan(c echo.Context) error {
	var in retirePlanRequest
	if err := readBody(c, &in); err != nil {
		return err
	}
	offer, err := h.Subscriptions.RetirePlan(c.Request().Context(), subscription.OfferEnd{
		Shop: callerOf(c).Shop, Plan: in.ID, Expected: in.Version, Running: in.Running, From: in.From, By: actorOf(callerOf(c)),
	})
	if err != nil {
		return h.planRefused(c, in.ID, err)
	}
	return c.JSON(http.StatusOK, planAnswerOf(offer))
}

// plan answers the newest version, or the one that is asked for.
func (h *Handler) plan(c echo.Context) error {
	versions, err := h.Subscriptions.PlanVersions(c.Request().Context(), callerOf(c).Shop, c.QueryParam("id"))
	if err != nil {
		return h.planRefused(c, "", err)
	}
	wanted := versions[len(versions)-1]
	if text := c.QueryParam("version"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > len(versions) {
			return api.Refuse(http.StatusNotFound, "unknown_version", "version", "the plan has no such version")
		}
		wanted = versions[n-1]
	}
	return c.JSON(http.StatusOK, planAnswerOf(wanted))
}

type plansAnswer struct {
	Plans []planAnswer `json:"plans"`
	Next  string       `json:"next,omitempty"` // the cursor of the next page; none: this is the last one
}

// plans lists plans in their newest versions, by id.
func (h *Handler) plans(c echo.Context) error {
	limit, err := limitOf(c)
	if err != nil {
		return err
	}
	retired, err := flagOf(c, "retired")
	if err != nil {
		return err
	}
	list, err := h.Subscriptions.Plans(c.Request().Context(), callerOf(c).Shop, retired, c.QueryParam("cursor"), limit+1)
	if err != nil {
		return err
	}
	out := plansAnswer{Plans: []planAnswer{}}
	for i, o := range list {
		if i == limit {
			out.Next = list[limit-1].Plan.ID
			break
		}
		out.Plans = append(out.Plans, planAnswerOf(o))
	}
	return c.JSON(http.StatusOK, out)
}

// planRefused names the field, and shows the version that stands to who was late.
func (h *Handler) planRefused(c echo.Context, id string, err error) error {
	e := refusedBy(err)
	switch {
	case e.Code == string(subscription.StaleVersion):
		return h.withCurrent(c, id, e)
	case payment.ClassOf(err, payment.Bug) == payment.NotFound && codeOf(err) != "unknown_shop":
		return api.Refuse(http.StatusNotFound, "unknown_plan", "id", "no plan of yours has this id")
	case codeOf(err) == "different_plan":
		return h.withCurrent(c, id, api.Refuse(http.StatusConflict, "different_plan", "id", "another plan has this id; nothing was changed. Update it, or choose another id"))
	case e.Code != "":
		return e
	}
	return readable(err)
}

// withCurrent adds the plan as it stands to a refusal. Who was late with a version
// reads the name that it has in requests.
func (h *Handler) withCurrent(c echo.Context, id string, r *api.Refusal) error {
	versions, err := h.Subscriptions.PlanVersions(c.Request().Context(), callerOf(c).Shop, id)
	if err != nil {
		return err
	}
	r.Current = planAnswerOf(versions[len(versions)-1])
	if r.Code == string(subscription.StaleVersion) {
		r.Field = "version"
	}
	return r
}
