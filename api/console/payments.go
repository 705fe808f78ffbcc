package console

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"tillflow/internal/payment"
)

// perPage is how many rows a page of a list has.
const perPage = 50

type listPage struct {
	frame
	Filter   filter
	Facets   payment.Facets
	States   []payment.State
	Rows     []listRow
	Older    string // where the list goes on; empty: it ends here
	Newest   string // where it begins; empty: this is there
	Count    string
	Problem  string
	Saved    []savedLine
	Query    string // the filter as it would be saved; empty: there is nothing to save
	Filtered bool
	Active   []string // the filter in words
	Needing  string   // address of those that need a person
}

type listRow struct {
	payment.Summary
	Address string
	Answer  string
}

type savedLine struct {
	payment.SavedFilter
	Address string
	Here    bool
}

// list shows the payments that the address selects.
func (h *Handler) list(c echo.Context) error {
	f, problem := readFilter(c.QueryParams())
	return h.showList(c, http.StatusOK, f, problem)
}

// search takes the form and leads to the address of its answer. A query comes
// into an address only once it has found a payment: what names nothing here may
// name a person.
func (h *Handler) search(c echo.Context) error {
	form, err := c.FormParams()
	if err != nil {
		return h.answer(c, payment.Errorf(payment.Invalid, "the form cannot be read"))
	}
	f, problem := readFilter(form)
	if problem != "" {
		status := http.StatusUnprocessableEntity
		if scripted(c) {
			status = http.StatusOK // htmx shows no other answer
		}
		return h.showList(c, status, f, problem)
	}
	if f.Query != "" {
		facets, err := h.o.Payments.Facets(c.Request().Context())
		if err != nil {
			return h.answer(c, err)
		}
		list, err := h.find(c.Request().Context(), f, facets)
		if err != nil {
			return h.answer(c, err)
		}
		if len(list) == 0 {
			return h.showList(c, http.StatusOK, f, "")
		}
	}
	return c.Redirect(http.StatusSeeOther, f.address())
}

func (h *Handler) showList(c echo.Context, status int, f filter, problem string) error {
	ctx := c.Request().Context()
	page := listPage{frame: h.frame(c, "Payments"), Filter: f, States: payment.States, Problem: problem, Needing: filter{Needs: true}.address()}
	var err error
	if page.Facets, err = h.o.Payments.Facets(ctx); err != nil {
		return h.answer(c, err)
	}
	list, err := h.find(ctx, f, page.Facets)
	if err != nil {
		return h.answer(c, err)
	}
	if len(list) > perPage {
		list = list[:perPage]
		page.Older = f.older(list[perPage-1])
	}
	for _, p := range list {
		page.Rows = append(page.Rows, listRow{Summary: p, Address: address(p.Run.PaymentID), Answer: answerOf(p)})
	}
	which := ""
	switch {
	case f.Before != "":
		which, page.Newest = "older ", f.address()
	case page.Older != "":
		which = "newest "
	}
	page.Count = counted(len(list), which)
	page.Filtered = len(f.values()) > 0
	page.Query, page.Active = f.kept(), f.words()
	if page.Saved, err = h.saved(c, page.Query); err != nil {
		return h.answer(c, err)
	}
	return h.views.render(c, status, "payments", page)
}

// find asks for one more than a page has, to know whether there is another. An
// amount may be somebody's id, so ids come first.
func (h *Handler) find(ctx context.Context, f filter, facets payment.Facets) ([]payment.Summary, error) {
	s := f.search()
	s.Limit = perPage + 1
	amounts, isAmount := f.amounts(facets.Currencies)
	if f.Query != "" && anID.MatchString(f.Query) {
		s.Ref = f.Query
		list, err := h.o.Payments.SearchPayments(ctx, s)
		if err != nil || len(list) > 0 || !isAmount {
			return list, err
		}
		s.Ref = ""
	}
	if isAmount {
		s.Amounts = amounts
	}
	return h.o.Payments.SearchPayments(ctx, s)
}

// counted says what a page of the list has.
func counted(n int, which string) string {
	switch n {
	case 0:
		return "No payment fits."
	case 1:
		return "1 " + which + "payment."
	}
	return fmt.Sprintf("%d %spayments.", n, which)
}

func (h *Handler) saved(c echo.Context, query string) ([]savedLine, error) {
	list, err := h.o.Filters.SavedFilters(c.Request().Context(), h.o.Viewer(c).ID)
	lines := make([]savedLine, 0, len(list))
	for _, s := range list {
		lines = append(lines, savedLine{SavedFilter: s, Address: base + "/payments?" + s.Query, Here: s.Query == query})
	}
	return lines, err
}

// saveFilter keeps the list that is open under a name.
func (h *Handler) saveFilter(c echo.Context) error {
	v, err := url.ParseQuery(c.FormValue("query"))
	if err != nil {
		v = url.Values{}
	}
	f, problem := readFilter(v)
	name, ok := cleanName(c.FormValue("name"))
	switch {
	case problem != "" || f.kept() == "":
		return h.showList(c, http.StatusUnprocessableEntity, f, "There is no filter to save: choose one first.")
	case !ok:
		return h.showList(c, http.StatusUnprocessableEntity, f, "A filter's name has 1 to 40 printable characters, and no @.")
	}
	err = h.o.Filters.SaveFilter(c.Request().Context(), h.o.Viewer(c).ID, name, f.kept())
	if payment.ClassOf(err, payment.Unavailable) == payment.Conflict {
		return h.showList(c, http.StatusConflict, f, said(err))
	}
	if err != nil {
		return h.answer(c, err)
	}
	return c.Redirect(http.StatusSeeOther, f.address())
}

func (h *Handler) dropFilter(c echo.Context) error {
	if err := h.o.Filters.DropFilter(c.Request().Context(), h.o.Viewer(c).ID, c.Param("id")); err != nil {
		return h.answer(c, err)
	}
	return c.Redirect(http.StatusSeeOther, base+"/payments")
}

func address(paymentID string) string { return base + "/payments/" + url.PathEscape(paymentID) }

// answerOf is the answer of a payment and whether the shop has it.
func answerOf(p payment.Summary) string {
	yes := "paid"
	if p.Run.Kind == payment.Authorization {
		yes = "authorised"
	}
	switch {
	case p.Final == payment.Undecided:
		return "not decided"
	case p.Final == payment.Resolve && p.ToldAt.IsZero():
		return yes + ", not told yet"
	case p.Final == payment.Resolve:
		return yes + ", told"
	case p.ToldAt.IsZero():
		return "rejected, not told yet"
	}
	return "rejected, told"
}
