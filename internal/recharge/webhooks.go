package recharge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"

	"tillflow/internal/payment"
)

// Topic is what a webhook is about.
type Topic string

// Topics that we listen to. Recharge has many more; a delivery of another one is read all the same.
const (
	TopicChargeFailed     Topic = "charge/failed"
	TopicMaxRetries       Topic = "charge/max_retries_reached"
	TopicChargePaid       Topic = "charge/paid"
	TopicChargeRefunded   Topic = "charge/refunded"
	TopicMethodUpdated    Topic = "customer/payment_method_updated"
	TopicAppUninstalled   Topic = "recharge/uninstalled"
	TopicSubscriptionGone Topic = "subscription/cancelled"
)

// Topics are the topics that a store's webhooks should cover.
func Topics() []Topic {
	return []Topic{
		TopicChargeFailed, TopicMaxRetries, TopicChargePaid, TopicChargeRefunded, TopicMethodUpdated, TopicSubscriptionGone,
		TopicAppUninstalled,
	}
}

// Webhook is one subscription to a topic. Recharge deletes it by itself after 20 failed deliveries within 48 hours.
type Webhook struct {
	ID      int64
	Address string
	Topic   Topic
	Version string // of the objects it delivers
}

// maxWebhookPages bounds a walk over the webhooks: ten for each of some sixty topics are three pages.
const maxWebhookPages = 20

// Webhooks lists the store's subscriptions that this token may see.
func (c *Client) Webhooks(ctx context.Context) ([]Webhook, error) {
	var all []Webhook
	query := url.Values{"limit": {strconv.Itoa(MaxPage)}}
	seen := map[string]bool{}
	for range maxWebhookPages {
		r := get("/webhooks", query)
		members, err := c.call(ctx, r)
		if err != nil {
			return nil, fmt.Errorf("list webhooks: %w", err)
		}
		var rows []json.RawMessage
		if json.Unmarshal(members["webhooks"], &rows) != nil || rows == nil {
			return nil, fmt.Errorf("list webhooks: %w", r.cut(errors.New("it has no list of webhooks")))
		}
		for _, row := range rows {
			hook, err := readWebhook(row)
			if err != nil {
				return nil, fmt.Errorf("list webhooks: %w", r.cut(err))
			}
			all = append(all, hook)
		}
		// Not every list of Recharge has cursors, and this one's are not verified: without one it is the last page.
		var next string
		if raw := members["next_cursor"]; raw != nil && json.Unmarshal(raw, &next) != nil {
			return nil, fmt.Errorf("list webhooks: %w", r.cut(errors.New("its next_cursor is not a text")))
		}
		if next == "" {
			return all, nil
		}
		if seen[next] {
			return nil, &payment.Error{Class: payment.Unavailable, Code: CodeRepeatedCursor, Message: "the list of webhooks does not end"}
		}
		seen[next] = true
		query = url.Values{"limit": {strconv.Itoa(MaxPage)}, "cursor": {next}}
	}
	return nil, &payment.Error{Class: payment.Unavailable, Code: CodeRepeatedCursor, Message: "the list of webhooks does not end"}
}

// CreateWebhook subscribes an address to a topic (POST /webhooks; the scope to read the topic's object). It is not idempotent: after
// Unknown look at [Client.Webhooks] before creating it again, as [Client.EnsureWebhooks] does.
func (c *Client) CreateWebhook(ctx context.Context, topic Topic, address string) (Webhook, error) {
	r := post("/webhooks", map[string]string{"address": address, "topic": string(topic), "version": Version})
	members, err := c.call(ctx, r)
	if err != nil {
		return Webhook{}, fmt.Errorf("create webhook %s: %w", topic, err)
	}
	hook, err := readWebhook(members["webhook"])
	if err != nil {
		return Webhook{}, fmt.Errorf("create webhook %s: %w", topic, r.cut(err))
	}
	return hook, nil
}

// EnsureWebhooks creates the subscriptions of [Topics] that are missing at the address, and returns the topics it created. Run it
// periodically: Recharge deletes subscriptions whose deliveries fail for two days. Two runs at the same time may subscribe twice;
// deliveries are told apart by [Delivery.Key], so that costs a delivery and nothing else.
func (c *Client) EnsureWebhooks(ctx context.Context, address string) ([]Topic, error) {
	have, err := c.Webhooks(ctx)
	if err != nil {
		return nil, err
	}
	var created []Topic
	for _, topic := range Topics() {
		if slices.ContainsFunc(have, func(w Webhook) bool { return w.Topic == topic && w.Address == address }) {
			continue
		}
		if _, err := c.CreateWebhook(ctx, topic, address); err != nil {
			return created, err
		}
		created = append(created, topic)
	}
	return created, nil
}

func readWebhook(raw json.RawMessage) (Webhook, error) {
	f, ok := readFields(raw)
	if !ok {
		return Webhook{}, errors.New("a webhook is not an object")
	}
	w := Webhook{ID: f.whole("id"), Address: f.text("address"), Topic: Topic(f.text("topic")), Version: f.text("version")}
	if w.ID <= 0 || w.Topic == "" {
		return Webhook{}, errors.New("a webhook has no id or no topic")
	}
	return w, nil
}
