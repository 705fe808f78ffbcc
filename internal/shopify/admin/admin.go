package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tillflow/internal/payment"
	"tillflow/internal/shopify"
	"tillflow/internal/shopify/admin/gql"
	"tillflow/internal/shopify/app"
)

// Client calls the Admin API. It is safe for concurrent use.
type Client struct {
	api  *shopify.Client
	wait func(ctx context.Context, d time.Duration) error
}

// Options configure a [Client].
type Options struct {
	// Shopify's API and Tokens must be the second app's.
	Shopify shopify.Options
	// Wait passes time between calls, or gives ctx's error; nil waits on the real clock.
	Wait func(ctx context.Context, d time.Duration) error
}

// New returns a client, or an error that names what is wrong with the options.
func New(o Options) (*Client, error) {
	if o.Shopify.API != shopify.AdminAPI {
		return nil, errors.New("admin client: the options are for another api")
	}
	api, err := shopify.New(o.Shopify)
	if err != nil {
		return nil, err
	}
	if o.Wait == nil {
		o.Wait = sleep
	}
	return &Client{api: api, wait: o.Wait}, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

const (
	// pageSize keeps a page's cost far below the 1000 points of a single query.
	pageSize = 100
	// throttled is how often one call is repeated when Shopify refuses it for want of points.
	throttled = 5
)

// paced makes a call and waits out refusals for want of points.
func (c *Client) paced(ctx context.Context, call func() error) error {
	for try := 1; ; try++ {
		err := call()
		if payment.ClassOf(err, payment.Unavailable) != payment.RateLimited || try > throttled {
			return err
		}
		e, _ := errors.AsType[*payment.Error](err) // ClassOf has found it
		if err := c.wait(ctx, e.RetryAfter); err != nil {
			return fmt.Errorf("wait for shopify's points: %w", err)
		}
	}
}

// breathe waits until the bucket holds the last call once more.
func (c *Client) breathe(ctx context.Context, k *shopify.Caller) error {
	pause := k.Pause()
	if pause <= 0 {
		return nil
	}
	if err := c.wait(ctx, pause); err != nil {
		return fmt.Errorf("wait for shopify's points: %w", err)
	}
	return nil
}

// Subscription is one that the Admin API created. Those of the app's configuration are not listed by Shopify.
type Subscription struct {
	ID    string
	Topic app.Topic // empty if the value is new to us; see Enum
	Enum  string    // "ORDERS_PAID"
	URI   string
	// Format is "JSON" or "XML", which we cannot read.
	Format string
}

func subscription(n gql.SubscriptionNode) Subscription {
	s := Subscription{ID: n.Id, Enum: n.Topic, URI: n.Uri, Format: n.Format}
	for _, topic := range app.Topics(app.Admin) {
		if topic.Enum() == n.Topic {
			s.Topic = topic
		}
	}
	return s
}

// Subscriptions lists all of the shop's subscriptions for our app.
func (c *Client) Subscriptions(ctx context.Context, shop string) ([]Subscription, error) {
	const action = "list webhook subscriptions at shopify"
	k := c.api.Caller(shop)
	var list []Subscription
	var after *string
	for {
		var page *gql.WebhookSubscriptionsResponse
		err := c.paced(ctx, func() (err error) {
			page, err = gql.WebhookSubscriptions(ctx, k, pageSize, after)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", action, err)
		}
		for _, n := range page.WebhookSubscriptions.Nodes {
			list = append(list, subscription(n))
		}
		next, err := cursor(page.WebhookSubscriptions.PageInfo, after)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", action, err)
		}
		if next == nil {
			return list, nil
		}
		after = next
		if err := c.breathe(ctx, k); err != nil {
			return nil, fmt.Errorf("%s: %w", action, err)
		}
	}
}

// Missing lists the topics of the second app that no subscription sends to an address as JSON.
func Missing(list []Subscription, address string) []app.Topic {
	var missing []app.Topic
	for _, topic := range app.Topics(app.Admin) {
		// What every app hears of stands in its configuration, where nobody deletes it and nobody can list it.
		if topic.Matter() == app.AboutInstallation || topic.Matter() == app.AboutPrivacy {
			continue
		}
		if !slices.ContainsFunc(list, func(s Subscription) bool { return s.Topic == topic && s.URI == address && s.Format == "JSON" }) {
			missing = append(missing, topic)
		}
	}
	return missing
}

// cursor is where the next page begins; nil after the last. A cursor that does not move would be walked for ever.
func cursor(p gql.PageInfo, last *string) (*string, error) {
	if !p.HasNextPage {
		return nil, nil //nolint:nilnil // no next page is an answer
	}
	if p.EndCursor == nil || (last != nil && *last == *p.EndCursor) {
		return nil, &payment.Error{Class: payment.Unavailable, Code: "cursor", Message: "shopify's pages do not go on"}
	}
	return p.EndCursor, nil
}

// Subscribe makes Shopify send a topic to an address, as JSON. Shopify deletes a subscription that failed eight times in a row;
// one that exists already is refused with a user error, which is an error of class Conflict here.
func (c *Client) Subscribe(ctx context.Context, shop string, topic app.Topic, address string) (Subscription, error) {
	const action = "subscribe to webhooks at shopify"
	if topic.Enum() == "" {
		return Subscription{}, fmt.Errorf("%s: %w", action,
			&payment.Error{Class: payment.Bug, Code: "topic", Message: string(topic) + " stands in the app's configuration"})
	}
	k := c.api.Caller(shop)
	format := "JSON"
	var made *gql.WebhookSubscriptionCreateResponse
	err := c.paced(ctx, func() (err error) {
		made, err = gql.WebhookSubscriptionCreate(ctx, k, topic.Enum(), gql.WebhookSubscriptionInput{Format: &format, Uri: &address})
		return err
	})
	if err != nil {
		return Subscription{}, fmt.Errorf("%s: %w", action, err)
	}
	payload := made.WebhookSubscriptionCreate
	switch {
	case payload != nil && len(payload.UserErrors) > 0:
		first := payload.UserErrors[0]
		return Subscription{}, fmt.Errorf("%s: %w", action, &payment.Error{
			Class: payment.Conflict, Code: "user_error", Message: strings.Join(first.Field, ".") + " " + first.Message + ", request id " + k.RequestID(),
		})
	case payload == nil || payload.WebhookSubscription == nil:
		return Subscription{}, fmt.Errorf("%s: %w", action, &payment.Error{Class: payment.Unavailable, Code: "empty_answer", Message: "shopify answered without a result"})
	}
	return subscription(*payload.WebhookSubscription), nil
}

// PublicVersions lists the versions of the Admin API that Shopify serves now; see shopify.CheckVersion.
func (c *Client) PublicVersions(ctx context.Context, shop string) ([]shopify.Version, error) {
	k := c.api.Caller(shop)
	var resp *gql.PublicApiVersionsResponse
	err := c.paced(ctx, func() (err error) {
		resp, err = gql.PublicApiVersions(ctx, k)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list admin api versions at shopify: %w", err)
	}
	var out []shopify.Version
	for _, v := range resp.PublicApiVersions {
		out = append(out, shopify.Version{Handle: v.Handle, DisplayName: v.DisplayName, Supported: v.Supported})
	}
	return out, nil
}
