package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tillflow/internal/payment"
	"tillflow/internal/shopify/admin/gql"
	"tillflow/internal/shopify/app"
)

// Restored is what [Client.Restore] has done.
type Restored struct {
	// Made are topics that had no usable subscription and have one now.
	Made []app.Topic
	// Refused are topics that Shopify does not let us subscribe to: a scope is not granted, or the address is refused.
	Refused []app.Topic
}

// Restore makes every subscription of the second app that is missing at the address, and replaces those there that send what we
// cannot read. One topic that Shopify refuses does not keep the others from being made. It may be repeated.
func (c *Client) Restore(ctx context.Context, shop, address string) (Restored, error) {
	var done Restored
	list, err := c.Subscriptions(ctx, shop)
	if err != nil {
		return done, err
	}
	for _, s := range unreadable(list, address) {
		// Two of one topic at one address are refused, so the useless one goes first.
		if err := c.unsubscribe(ctx, shop, s.ID); err != nil {
			return done, err
		}
	}
	for _, topic := range Missing(list, address) {
		_, err := c.Subscribe(ctx, shop, topic, address)
		switch class := payment.ClassOf(err, payment.Unavailable); {
		case err == nil:
			done.Made = append(done.Made, topic)
		case class == payment.Conflict, class == payment.Invalid, isDenied(err):
			done.Refused = append(done.Refused, topic)
		default:
			return done, err
		}
	}
	return done, nil
}

// isDenied: a scope is missing, which says nothing about other topics.
func isDenied(err error) bool {
	e, ours := errors.AsType[*payment.Error](err)
	return ours && e.Code == "ACCESS_DENIED"
}

// unreadable are the subscriptions to topics of ours at our address whose messages are not JSON.
func unreadable(list []Subscription, address string) []Subscription {
	return slices.DeleteFunc(slices.Clone(list), func(s Subscription) bool {
		return s.Topic == "" || s.URI != address || s.Format == "JSON"
	})
}

// unsubscribe ends a subscription. One that is gone already is no error.
func (c *Client) unsubscribe(ctx context.Context, shop, id string) error {
	k := c.api.Caller(shop)
	err := c.paced(ctx, func() error {
		_, err := gql.WebhookSubscriptionDelete(ctx, k, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("end webhook subscription at shopify: %w", err)
	}
	return nil
}

// Changes gives take, page by page and the oldest first, what webhooks should have told of a shop's orders that changed from since
// on and not after until. Younger changes are left to the next look: their webhooks may still be on their way. Pages may overlap.
func (c *Client) Changes(ctx context.Context, shop string, span Span, take func([]app.Delivery) error) error {
	return c.Orders(ctx, shop, span.Since, func(page []Order) error {
		var list []app.Delivery
		for _, o := range page {
			if !o.UpdatedAt.After(span.Until) {
				list = append(list, o.Delivery(shop))
			}
		}
		if len(list) == 0 {
			return nil
		}
		return take(list)
	})
}

// Span is a stretch of Shopify's clock.
type Span struct{ Since, Until time.Time }

// facts are an order in the words of a webhook about it.
func (o Order) facts() map[string]string {
	facts := map[string]string{"updated_at": o.UpdatedAt.Format(time.RFC3339)}
	if o.FinancialStatus != "" {
		facts["financial_status"] = strings.ToLower(o.FinancialStatus)
	}
	if o.Test {
		facts["test"] = "true"
	}
	if !o.CancelledAt.IsZero() {
		facts["cancelled_at"] = o.CancelledAt.Format(time.RFC3339)
	}
	if len(o.Sessions) > 0 {
		facts[app.FactSessions] = strings.Join(o.Sessions, ",")
	}
	return facts
}
