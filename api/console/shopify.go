package console

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tillflow/internal/payment"
	"tillflow/internal/shopify/app"
)

// ShopMessages is what Shopify told us, and whether its messages come.
type ShopMessages interface {
	ShopMessages(ctx context.Context, f app.LineFilter) ([]app.Line, error)
	// Guards lists the last look at each shop's deliveries; of one shop if it is named.
	Guards(ctx context.Context, shop string) ([]app.Guard, error)
	// Warnings lists what was met since a moment.
	Warnings(ctx context.Context, since time.Time, limit int) ([]app.Warning, error)
}

type shopDeliveriesPage struct {
	frame
	Filter   app.LineFilter
	Facets   payment.Facets
	List     []app.Line
	Guards   []app.Guard
	Warnings []app.Warning
	Older    string
}

// warningsShown is how far back warnings are shown.
const warningsShown = 30 * 24 * time.Hour

// shopDeliveries shows what Shopify told us, what became of it, and whether
// something was lost.
func (h *Handler) shopDeliveries(c echo.Context) error {
	ctx := c.Request().Context()
	page := shopDeliveriesPage{frame: h.frame(c, "Deliveries")}
	page.Filter = app.LineFilter{
		Shop: fitting(c.QueryParam("shop")), Waiting: c.QueryParam("waiting") != "", Filled: c.QueryParam("filled") != "", Limit: perPage + 1,
	}
	at, id, _ := strings.Cut(c.QueryParam("before"), "_")
	if moment, err := time.Parse(time.RFC3339Nano, at); err == nil {
		page.Filter.BeforeAt, page.Filter.BeforeID = moment, id
	}
	var err error
	if page.Facets, err = h.o.Payments.Facets(ctx); err != nil {
		return h.answer(c, err)
	}
	if page.List, err = h.o.Messages.ShopMessages(ctx, page.Filter); err != nil {
		return h.answer(c, err)
	}
	if page.Guards, err = h.o.Messages.Guards(ctx, page.Filter.Shop); err != nil {
		return h.answer(c, err)
	}
	if page.Warnings, err = h.o.Messages.Warnings(ctx, page.Now.Add(-warningsShown), perPage); err != nil {
		return h.answer(c, err)
	}
	if len(page.List) > perPage {
		page.List = page.List[:perPage]
		page.Older = olderShopDeliveries(page.Filter, page.List[perPage-1])
	}
	return h.views.render(c, http.StatusOK, "deliveries_shopify", page)
}

func olderShopDeliveries(f app.LineFilter, last app.Line) string {
	v := url.Values{"before": {last.ReceivedAt.UTC().Format(time.RFC3339Nano) + "_" + last.ID}}
	for name, value := range map[string]string{"shop": f.Shop, "waiting": flag(f.Waiting), "filled": flag(f.Filled)} {
		if value != "" {
			v.Set(name, value)
		}
	}
	return base + "/deliveries/shopify?" + v.Encode()
}
