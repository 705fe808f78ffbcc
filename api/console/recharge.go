package console

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tillflow/internal/access"
	"tillflow/internal/access/audit"
	"tillflow/internal/notify"
	"tillflow/internal/payment"
	"tillflow/internal/recharge"
)

// Recharge is the record of failed subscription charges.
type Recharge interface {
	FailedCharges(ctx context.Context, f recharge.Filter) (recharge.Found, error)
	// FailedCharge reads one; texts opens from the vault what it says about a person.
	FailedCharge(ctx context.Context, id string, texts bool) (recharge.Failed, error)
	RechargeFacets(ctx context.Context) (recharge.Facets, error)
	// Recharges lists the connections of shops, those with trouble first.
	Recharges(ctx context.Context, shop string) ([]recharge.Connection, error)
}

func (h *Handler) rechargeRoutes(e *echo.Echo) {
	if h.o.Recharge == nil {
		return
	}
	see, act := h.o.Gate.Require(access.SeePayments), h.o.Gate.Require(access.ActOnPayments)
	e.GET(base+"/recharge", h.failedCharges, see)
	e.POST(base+"/recharge", h.findCharges, see)
	e.POST(base+"/recharge/csv", h.exportCharges, act)
	e.GET(base+"/recharge/:id", h.failedCharge, see)
	e.POST(base+"/recharge/:id/texts", h.chargeTexts, act)
}

// chargeFilter is a search among failed charges as it stands in a form and, but for
// its text, in an address.
type chargeFilter struct {
	Shop, ErrorType  string
	Category         recharge.Category
	Status           recharge.Status
	From, To, Before string
	Text             string // looked for in notes: only ever in a form
}

var (
	anErrorType = regexp.MustCompile(`^[A-Z0-9_]{1,100}$`)
	aStatus     = regexp.MustCompile(`^[a-z0-9_]{1,100}$`)
)

// readChargeFilter reads a form or an address; what cannot be meant is left out,
// and the problem says so without repeating it.
func readChargeFilter(v url.Values) (f chargeFilter, problem string) {
	take := func(into *string, name, why string, ok func(string) bool) {
		text := strings.TrimSpace(v.Get(name))
		switch {
		case text == "":
		case ok(text):
			*into = text
		default:
			problem = why
		}
	}
	take(&f.Shop, "shop", noMeaning, aName.MatchString)
	take(&f.ErrorType, "error_type", noMeaning, anErrorType.MatchString)
	take((*string)(&f.Category), "category", noMeaning, func(s string) bool { return slices.Contains(recharge.Categories(), recharge.Category(s)) })
	take((*string)(&f.Status), "status", noMeaning, aStatus.MatchString)
	take(&f.From, "from", noDay, isDay)
	take(&f.To, "to", noDay, isDay)
	take(&f.Before, "before", noMeaning, func(s string) bool {
		_, ok := readMark(s)
		return ok
	})
	return f, problem
}

func (f chargeFilter) values() url.Values {
	v := url.Values{}
	for _, one := range []struct{ name, value string }{
		{"shop", f.Shop}, {"error_type", f.ErrorType}, {"category", string(f.Category)}, {"status", string(f.Status)}, {"from", f.From}, {"to", f.To},
	} {
		if one.value != "" {
			v.Set(one.name, one.value)
		}
	}
	return v
}

// Any reports whether something is filtered by.
func (f chargeFilter) Any() bool { return len(f.values()) > 0 || f.Text != "" }

func (f chargeFilter) address(before string) string {
	v := f.values()
	if before != "" {
		v.Set("before", before)
	}
	if len(v) == 0 {
		return base + "/recharge"
	}
	return base + "/recharge?" + v.Encode()
}

// search is the filter as the record understands it.
func (f chargeFilter) search() recharge.Filter {
	s := recharge.Filter{Shop: f.Shop, ErrorType: f.ErrorType, Category: f.Category, Status: f.Status, Text: f.Text}
	if day, err := time.Parse(time.DateOnly, f.From); err == nil {
		s.From = day
	}
	if day, err := time.Parse(time.DateOnly, f.To); err == nil {
		s.To = day.AddDate(0, 0, 1) // the day itself is meant too
	}
	s.Before, _ = readMark(f.Before)
	return s
}

type chargesPage struct {
	frame
	Filter     chargeFilter
	Facets     recharge.Facets
	Categories []recharge.Category
	Statuses   []recharge.Status
	Stores     []recharge.Connection
	List       []recharge.Failed
	Older      string // address where the list goes on; of a search in notes none
	Before     string // mark where a search in notes goes on
	Problem    string
	MayAct     bool
}

// Reason says in words why charges of a category failed.
func (chargesPage) Reason(c recharge.Category) string { return notify.ReasonOf(c) }

// failedCharges lists the charges that the address selects.
func (h *Handler) failedCharges(c echo.Context) error {
	f, problem := readChargeFilter(c.QueryParams())
	return h.showCharges(c, http.StatusOK, f, problem)
}

// findCharges takes the form. A search in notes is shown at once and has no
// address, since it may name a person; it opens the notes, so it asks for a role
// that may read them, and the audit notes it.
func (h *Handler) findCharges(c echo.Context) error {
	f, problem, err := h.chargeForm(c)
	switch {
	case err != nil:
		return h.answer(c, err)
	case problem != "":
		return h.showCharges(c, http.StatusUnprocessableEntity, f, problem)
	case f.Text == "":
		return c.Redirect(http.StatusSeeOther, f.address(f.Before))
	case !h.o.Viewer(c).May(access.ActOnPayments):
		f.Text = ""
		return h.showCharges(c, http.StatusForbidden, f, "Your role does not read notes.")
	}
	if err := h.noteCharges(c, "recharge.search_notes", f); err != nil {
		return h.answer(c, err)
	}
	return h.showCharges(c, http.StatusOK, f, "")
}

func (h *Handler) chargeForm(c echo.Context) (chargeFilter, string, error) {
	form, err := c.FormParams()
	if err != nil {
		return chargeFilter{}, "", payment.Errorf(payment.Invalid, "the form cannot be read")
	}
	f, problem := readChargeFilter(form)
	f.Text = plain(form.Get("text"))
	return f, problem, nil
}

// noteCharges writes into the audit who read what customers and processors wrote,
// of which shops. What was looked for is not written there.
func (h *Handler) noteCharges(c echo.Context, what string, f chargeFilter) error {
	subject := "all shops"
	if f.Shop != "" {
		subject = "shop " + f.Shop
	}
	return h.o.Trail.AppendAudit(c.Request().Context(), audit.Entry{Actor: h.o.Viewer(c).Actor(), Action: what, Subject: subject})
}

func (h *Handler) showCharges(c echo.Context, status int, f chargeFilter, problem string) error {
	ctx := c.Request().Context()
	page := chargesPage{
		frame: h.frame(c, "Recharge"), Filter: f, Problem: problem, Categories: recharge.Categories(),
		Statuses: []recharge.Status{recharge.StatusError, recharge.StatusSuccess, recharge.StatusPending, recharge.StatusSkipped, recharge.StatusRefunded},
	}
	page.MayAct = page.Who.May(access.ActOnPayments)
	var err error
	if page.Facets, err = h.o.Recharge.RechargeFacets(ctx); err != nil {
		return h.answer(c, err)
	}
	if page.Stores, err = h.o.Recharge.Recharges(ctx, ""); err != nil {
		return h.answer(c, err)
	}
	search := f.search()
	search.Limit = perPage
	found, err := h.o.Recharge.FailedCharges(ctx, search)
	if err != nil {
		return h.answer(c, err)
	}
	page.List = found.List
	if found.Next.ID != "" {
		page.Before = writeMark(found.Next)
		if f.Text == "" {
			page.Older = f.address(page.Before)
		}
	}
	return h.views.render(c, status, "recharge", page)
}

type chargePage struct {
	frame
	C      recharge.Failed
	Texts  bool
	MayAct bool
	Reason string
	Advice string
	Audit  string
}

// Shopify is the customer's id as Shopify's API writes it.
func (p chargePage) Shopify() string {
	return recharge.Customer{ShopifyID: p.C.ShopifyCustomer}.ShopifyGID()
}

// Recovery says what Recharge's own schedule does with such a failure.
func (p chargePage) Recovery() string {
	switch recharge.RecoveryOf(p.C.ErrorType) {
	case recharge.Retried:
		return "Recharge tries again by its own schedule."
	case recharge.HardDecline:
		return "Recharge does not try again by itself."
	case recharge.OutsideRecovery:
		return "Recharge’s schedule does not cover it."
	case recharge.RecoveryUnknown:
		return "What Recharge does with it is not published."
	}
	return ""
}

func (h *Handler) failedCharge(c echo.Context) error { return h.showCharge(c, false) }

// chargeTexts shows what a charge says about a person, which the audit notes. It is
// a form, so that no link and no reload does it.
func (h *Handler) chargeTexts(c echo.Context) error { return h.showCharge(c, true) }

func (h *Handler) showCharge(c echo.Context, texts bool) error {
	ctx := c.Request().Context()
	charge, err := h.o.Recharge.FailedCharge(ctx, c.Param("id"), texts)
	if err == nil && texts {
		err = h.o.Trail.AppendAudit(ctx, audit.Entry{Actor: h.o.Viewer(c).Actor(), Action: "recharge.read_texts", Subject: "charge " + charge.ID})
	}
	if err != nil {
		return h.answer(c, err)
	}
	page := chargePage{
		frame: h.frame(c, "Recharge"), C: charge, Texts: texts, Reason: notify.ReasonOf(charge.Category), Advice: notify.AdviceOf(charge.Category),
		Audit: base + "/audit?" + url.Values{"subject": {"charge " + charge.ID}}.Encode(),
	}
	page.Title, page.MayAct = "Failed charge", page.Who.May(access.ActOnPayments)
	return h.views.render(c, http.StatusOK, "charge", page)
}
