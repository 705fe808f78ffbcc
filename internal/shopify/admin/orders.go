package admin

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tillflow/internal/payment"
	"tillflow/internal/shopify"
	"tillflow/internal/shopify/admin/gql"
	"tillflow/internal/shopify/app"
)

// orderPage keeps a page with its transactions below the 1000 points of a single query, even if Shopify counts each of them.
const orderPage = 50

// maxWalk is after how many orders a walk starts over from the last one it saw: Shopify pages through at most 25,000 objects.
const maxWalk = 20_000

// Order is what a walk tells of an order: enough to know whether we have heard of its last change.
type Order struct {
	ID          string // global id
	UpdatedAt   time.Time
	CancelledAt time.Time // zero: not cancelled
	// FinancialStatus is "PAID", "PARTIALLY_REFUNDED", …: an open set, empty if Shopify gives none.
	FinancialStatus string
	Test            bool
	// Sessions are Shopify's ids of the sessions that its money came by, each once.
	Sessions []string
}

// Orders walks through the orders of a shop that changed at or after a moment, the oldest change first, and gives each page to
// take. Pages overlap when a walk starts over, so take must not mind seeing an order twice. The order that take was given last is
// where the next walk may begin. An error of take ends the walk and is returned.
//
// Orders older than 60 days need a scope of their own at Shopify.
func (c *Client) Orders(ctx context.Context, shop string, since time.Time, take func([]Order) error) error {
	const action = "list orders at shopify"
	k := c.api.Caller(shop)
	for {
		last, more, err := c.walk(ctx, k, since, take)
		if err != nil {
			return fmt.Errorf("%s: %w", action, err)
		}
		if !more {
			return nil
		}
		if !last.After(since) {
			return fmt.Errorf("%s: %w", action, &payment.Error{
				Class: payment.Unavailable, Code: "too_many_at_once", Message: "more orders changed in one second than can be paged through",
			})
		}
		since = last
	}
}

// walk pages from since on. more: the walk is not at its end, and goes on from last.
func (c *Client) walk(ctx context.Context, k *shopify.Caller, since time.Time, take func([]Order) error) (last time.Time, more bool, err error) {
	// Whole seconds, as Shopify keeps them; >= takes the boundary again rather than losing it.
	query := "updated_at:>='" + since.UTC().Truncate(time.Second).Format(time.RFC3339) + "'"
	var after *string
	for seen := 0; ; {
		var resp *gql.OrdersPageResponse
		err := c.paced(ctx, func() (err error) {
			resp, err = gql.OrdersPage(ctx, k, orderPage, after, &query)
			return err
		})
		if err != nil {
			return last, false, err
		}
		page := orders(resp.Orders.Nodes)
		if len(page) > 0 {
			last = page[len(page)-1].UpdatedAt
			if err := take(page); err != nil {
				return last, false, err
			}
		}
		seen += len(page)
		next, err := cursor(resp.Orders.PageInfo, after)
		if err != nil || next == nil || seen >= maxWalk {
			return last, next != nil, err
		}
		after = next
		if err := c.breathe(ctx, k); err != nil {
			return last, false, err
		}
	}
}

func orders(nodes []gql.OrderNode) []Order {
	var page []Order
	for _, n := range nodes {
		o := Order{ID: n.Id, UpdatedAt: n.UpdatedAt.UTC(), Test: n.Test}
		if n.CancelledAt != nil {
			o.CancelledAt = n.CancelledAt.UTC()
		}
		if n.DisplayFinancialStatus != nil {
			o.FinancialStatus = *n.DisplayFinancialStatus
		}
		for _, t := range n.Transactions {
			if t.PaymentId != nil && *t.PaymentId != "" && !slices.Contains(o.Sessions, *t.PaymentId) {
				o.Sessions = append(o.Sessions, *t.PaymentId)
			}
		}
		page = append(page, o)
	}
	return page
}

// Delivery is the order as a webhook would have told it, for the record to fill in.
func (o Order) Delivery(shop string) app.Delivery {
	return app.Delivery{
		App: app.Admin, Shop: shop, Topic: app.OrdersUpdated, APIVersion: shopify.APIVersion, TriggeredAt: o.UpdatedAt, Resource: o.ID,
		Facts: o.facts(),
	}
}
