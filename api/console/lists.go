package console

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"tillflow/internal/access"
	"tillflow/internal/access/audit"
	"tillflow/internal/payment"
)

type accountsPage struct {
	frame
	Shops   []payment.ShopLine
	Shop    string
	List    []payment.ProviderAccount
	Secrets bool // the ends of secrets are shown
}

// accounts shows a shop's accounts at providers. Secrets are named to everybody;
// their ends, which tell one key from another, only to who manages them.
func (h *Handler) accounts(c echo.Context) error {
	ctx := c.Request().Context()
	page := accountsPage{frame: h.frame(c, "Accounts"), Shop: c.QueryParam("shop")}
	page.Secrets = page.Who.May(access.ManageAccounts)
	facets, err := h.o.Payments.Facets(ctx)
	if err != nil {
		return h.answer(c, err)
	}
	page.Shops = facets.Shops
	if page.Shop == "" && len(page.Shops) > 0 {
		page.Shop = page.Shops[0].Shop
	}
	if aName.MatchString(page.Shop) {
		if page.List, err = h.o.Accounts.ProviderAccounts(ctx, page.Shop); err != nil {
			return h.answer(c, err)
		}
	}
	return h.views.render(c, http.StatusOK, "accounts", page)
}

type deliveriesPage struct {
	frame
	Filter payment.DeliveryFilter
	Facets payment.Facets
	List   []payment.Delivery
	Older  string
}

// deliveries shows what providers told us and what became of it.
func (h *Handler) deliveries(c echo.Context) error {
	ctx := c.Request().Context()
	page := deliveriesPage{frame: h.frame(c, "Deliveries")}
	page.Filter = payment.DeliveryFilter{
		Shop: fitting(c.QueryParam("shop")), Provider: fitting(c.QueryParam("provider")),
		Waiting: c.QueryParam("waiting") != "", Stray: c.QueryParam("stray") != "", Before: number(c.QueryParam("before")), Limit: perPage + 1,
	}
	var err error
	if page.Facets, err = h.o.Payments.Facets(ctx); err != nil {
		return h.answer(c, err)
	}
	if page.List, err = h.o.Messages.Deliveries(ctx, page.Filter); err != nil {
		return h.answer(c, err)
	}
	if len(page.List) > perPage {
		page.List = page.List[:perPage]
		v := url.Values{"before": {strconv.FormatInt(page.List[perPage-1].ID, 10)}}
		for name, value := range map[string]string{"shop": page.Filter.Shop, "provider": page.Filter.Provider, "waiting": flag(page.Filter.Waiting), "stray": flag(page.Filter.Stray)} {
			if value != "" {
				v.Set(name, value)
			}
		}
		page.Older = base + "/deliveries?" + v.Encode()
	}
	return h.views.render(c, http.StatusOK, "deliveries", page)
}

type auditPage struct {
	frame
	Filter TrailFilter
	List   []audit.Record
	Before int64 // where the list goes on; zero: it ends here
}

// audit shows what people did. An address selects by action and subject only: a
// name may be somebody's mail address, so it comes in a form.
func (h *Handler) audit(c echo.Context) error {
	return h.showAudit(c, TrailFilter{
		Action: plain(c.QueryParam("action")), Subject: plain(c.QueryParam("subject")), Before: number(c.QueryParam("before")),
	})
}

func (h *Handler) findAudit(c echo.Context) error {
	return h.showAudit(c, TrailFilter{
		Actor: strings.ToLower(plain(c.FormValue("actor"))), Action: plain(c.FormValue("action")), Subject: plain(c.FormValue("subject")),
		Before: number(c.FormValue("before")),
	})
}

func (h *Handler) showAudit(c echo.Context, f TrailFilter) error {
	f.Limit = perPage + 1
	list, err := h.o.Trail.AuditTrail(c.Request().Context(), f)
	if err != nil {
		return h.answer(c, err)
	}
	page := auditPage{frame: h.frame(c, "Audit"), Filter: f, List: list}
	if len(list) > perPage {
		page.List, page.Before = list[:perPage], list[perPage-1].Seq
	}
	return h.views.render(c, http.StatusOK, "audit", page)
}

// Payment is the payment that an entry is about, for a link.
func (auditPage) Payment(r audit.Record) string {
	if id, is := strings.CutPrefix(r.Entry.Subject, "payment "); is {
		return address(id)
	}
	return ""
}

// fitting is the name of a shop or provider, or nothing.
func fitting(text string) string {
	if aName.MatchString(text) {
		return text
	}
	return ""
}

// plain bounds what is looked for in the audit.
func plain(text string) string {
	text = strings.TrimSpace(strings.ReplaceAll(text, "\x00", ""))
	return strings.ToValidUTF8(text[:min(len(text), 300)], "")
}

func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

func flag(on bool) string {
	if on {
		return "1"
	}
	return ""
}
