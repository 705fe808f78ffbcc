package console

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

// aheadFor is how far the upcoming renewals reach.
const aheadFor = 30 * 24 * time.Hour

type figuresPage struct {
	frame
	Beside   []link
	Shops    []payment.ShopLine
	Shop     string
	Test     bool
	From, To string // days
	Problem  string
	F        subscription.Figures
	Rate     string // of those paid for at the start, how many were lost
	query    string // what the files are asked with
}

// File is the address of a file about what the page shows. It is one value for the
// template, which escapes a query that is put behind a question mark.
func (p figuresPage) File(name string) string {
	return subscriptionsAt + "/figures/" + name + "?" + p.query
}

// figures shows what finance wants to know.
func (h *Handler) figures(c echo.Context) error {
	filter, page := h.figureFilter(c)
	page.frame = h.frame(c, "Subscriptions")
	page.Title, page.Beside = "Figures", h.beside(page.frame, "Figures")
	facets, err := h.o.Payments.Facets(c.Request().Context())
	if err != nil {
		return h.answer(c, err)
	}
	page.Shops = facets.Shops
	if page.F, err = h.o.Subscriptions.SubscriptionFigures(c.Request().Context(), filter); err != nil {
		return h.answer(c, err)
	}
	page.Rate = rateOf(page.F.Churn)
	status := http.StatusOK
	if page.Problem != "" {
		status = http.StatusUnprocessableEntity
	}
	return h.views.render(c, status, "figures", page)
}

// figureFilter reads an address: the last thirty days unless it says otherwise.
func (h *Handler) figureFilter(c echo.Context) (subscription.FigureFilter, figuresPage) {
	today := h.o.Now().UTC().Truncate(24 * time.Hour)
	page := figuresPage{Shop: fitting(c.QueryParam("shop")), Test: c.QueryParam("test") != ""}
	from, to := today.AddDate(0, 0, -29), today
	for _, day := range []struct {
		text string
		into *time.Time
	}{{c.QueryParam("from"), &from}, {c.QueryParam("to"), &to}} {
		if day.text == "" {
			continue
		}
		t, err := time.Parse(time.DateOnly, day.text)
		if err != nil {
			page.Problem = noDay
			continue
		}
		*day.into = t
	}
	if to.Before(from) {
		page.Problem, to = "The last day is before the first one; one day is shown.", from
	}
	page.From, page.To = from.Format(time.DateOnly), to.Format(time.DateOnly)
	v := url.Values{"from": {page.From}, "to": {page.To}}
	if page.Shop != "" {
		v.Set("shop", page.Shop)
	}
	if page.Test {
		v.Set("test", "1")
	}
	page.query = v.Encode()
	return subscription.FigureFilter{Shop: page.Shop, Test: page.Test, From: from, To: to.AddDate(0, 0, 1), Ahead: aheadFor}, page
}

// rateOf is the share that was lost, to a tenth of a percent, without floats.
func rateOf(c subscription.Churn) string {
	if c.AtStart == 0 {
		return "–"
	}
	tenths := (c.Lost*2000 + c.AtStart) / (2 * c.AtStart)
	return fmt.Sprintf("%d.%d %%", tenths/10, tenths%10)
}

// figureFile hands out what stands behind a figure, for spreadsheets. It names
// subscriptions by the merchant's own references, and no person.
func (h *Handler) figureFile(c echo.Context) error {
	filter, page := h.figureFilter(c)
	if page.Problem != "" {
		return h.answer(c, payment.Errorf(payment.Invalid, "%s", strings.TrimSuffix(page.Problem, ".")))
	}
	rows, err := h.figureRows(c.Request().Context(), c.Param("file"), filter)
	if err != nil {
		return h.answer(c, err)
	}
	// Written whole before anything is sent: half a file looks like a whole one.
	var file bytes.Buffer
	w := csv.NewWriter(&file)
	for _, row := range rows {
		for i := range row {
			row[i] = harmless(row[i])
		}
		if err := w.Write(row); err != nil {
			return h.answer(c, err)
		}
	}
	if w.Flush(); w.Error() != nil {
		return h.answer(c, w.Error())
	}
	name := strings.TrimSuffix(c.Param("file"), ".csv") + "-" + page.From + "-" + page.To + ".csv"
	c.Response().Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	return c.Blob(http.StatusOK, "text/csv; charset=utf-8", file.Bytes())
}

// figureRows are the lines of a file, its head first.
func (h *Handler) figureRows(ctx context.Context, file string, f subscription.FigureFilter) ([][]string, error) {
	s := h.o.Subscriptions
	switch file {
	case "failed.csv":
		list, err := s.FailedRenewals(ctx, f)
		rows := [][]string{{"subscription", "shop", "ref", "plan", "charge", "amount", "currency", "reason", "declines", "state", "opened_at", "settled_at"}}
		for _, r := range list {
			rows = append(rows, []string{
				r.SubscriptionID, r.Shop, r.Ref, r.Plan, r.Key, r.Amount.Decimal(), string(r.Amount.Currency), string(r.Reason),
				strconv.Itoa(r.Declines), string(r.State), csvTime(r.OpenedAt), csvTime(r.SettledAt),
			})
		}
		return rows, err
	case "upcoming.csv":
		list, err := s.UpcomingRenewals(ctx, f)
		rows := [][]string{{"subscription", "shop", "ref", "plan", "amount", "currency", "renews_at"}}
		for _, r := range list {
			rows = append(rows, []string{r.SubscriptionID, r.Shop, r.Ref, r.Plan, r.Amount.Decimal(), string(r.Amount.Currency), csvTime(r.At)})
		}
		return rows, err
	case "churn.csv":
		list, err := s.LostSubscriptions(ctx, f)
		rows := [][]string{{"subscription", "shop", "ref", "plan", "before", "after", "amount", "currency", "at"}}
		for _, r := range list {
			rows = append(rows, []string{r.SubscriptionID, r.Shop, r.Ref, r.Plan, string(r.Before), string(r.After), r.Amount.Decimal(), string(r.Amount.Currency), csvTime(r.At)})
		}
		return rows, err
	case "figures.csv":
		figures, err := s.SubscriptionFigures(ctx, f)
		return sumRows(figures), err
	}
	return nil, payment.Errorf(payment.NotFound, "there is no such file")
}

// sumRows are the sums of the page as lines.
func sumRows(f subscription.Figures) [][]string {
	rows := [][]string{{"figure", "reason", "count", "amount", "currency"}}
	add := func(name, reason string, c subscription.CurrencyFigure) {
		rows = append(rows, []string{name, reason, strconv.Itoa(c.Count), c.Amount.Decimal(), string(c.Amount.Currency)})
	}
	for _, group := range []struct {
		name string
		list []subscription.CurrencyFigure
	}{{"monthly", f.Monthly}, {"recovered", f.Recovered}, {"lost", f.Lost}, {"upcoming", f.Upcoming}} {
		for _, c := range group.list {
			add(group.name, "", c)
		}
	}
	for _, line := range f.Failed {
		add("failed", string(line.Reason), line.Failed)
		add("failed_recovered", string(line.Reason), line.Recovered)
		add("failed_owed", string(line.Reason), line.Owed)
	}
	for _, c := range []struct {
		name  string
		count int
	}{{"churn_at_start", f.Churn.AtStart}, {"churn_lost", f.Churn.Lost}, {"churn_began", f.Churn.Began}} {
		rows = append(rows, []string{c.name, "", strconv.Itoa(c.count), "", ""})
	}
	return rows
}
