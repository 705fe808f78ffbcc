package shopify

import (
	"slices"
	"strings"
	"time"
)

// The topics the stand-in raises.
const (
	topicUninstalled    = "app/uninstalled"
	topicOrderCreate    = "orders/create"
	topicOrderPaid      = "orders/paid"
	topicOrderUpdated   = "orders/updated"
	topicOrderCancelled = "orders/cancelled"
	topicTransaction    = "order_transactions/create"
	topicRefund         = "refunds/create"
	topicDispute        = "disputes/create"
	topicDisputeUpdate  = "disputes/update"
	topicDataRequest    = "customers/data_request"
	topicCustomerRedact = "customers/redact"
	topicShopRedact     = "shop/redact"
)

// complianceTopics can be declared in an app's configuration only.
func complianceTopics() []string {
	return []string{topicDataRequest, topicCustomerRedact, topicShopRedact}
}

// subscribable are the topics of the API's enum, in Shopify's spelling of headers. The stand-in raises the first nine
// by itself; the others can be subscribed to and are raised by hand.
func subscribable() []string {
	return []string{
		topicUninstalled, topicOrderCreate, topicOrderPaid, topicOrderUpdated, topicOrderCancelled, topicTransaction,
		topicRefund, topicDispute, topicDisputeUpdate,
		"app/scopes_update", "orders/edited", "tender_transactions/create", "payment_schedules/due",
		"subscription_billing_attempts/success", "subscription_billing_attempts/failure",
		"subscription_billing_attempts/challenged", "subscription_contracts/create", "subscription_contracts/update",
		"subscription_contracts/activate", "subscription_contracts/pause", "subscription_contracts/cancel",
		"subscription_contracts/expire", "subscription_contracts/fail", "customer_payment_methods/create",
		"customer_payment_methods/update", "customer_payment_methods/revoke", "bulk_operations/finish",
		"fulfillment_holds/added", "fulfillment_holds/released",
	}
}

func knownTopic(topic string) bool {
	return slices.Contains(subscribable(), topic) || slices.Contains(complianceTopics(), topic)
}

// topicEnum is a topic in the spelling of the API: orders/paid is ORDERS_PAID.
func topicEnum(topic string) string { return strings.ToUpper(strings.ReplaceAll(topic, "/", "_")) }

// topicOfEnum is the way back; "" for a value that is no topic here.
func topicOfEnum(value string) string {
	for _, topic := range subscribable() {
		if topicEnum(topic) == value {
			return topic
		}
	}
	return ""
}

// Removal says why a subscription is gone.
type Removal string

// The reasons: the app deleted it, too many failures in a row, a fault switch or a call from outside, the app was
// uninstalled.
const (
	RemovedByApp       Removal = "deleted"
	RemovedFailures    Removal = "failures"
	RemovedFault       Removal = "fault"
	RemovedUninstalled Removal = "uninstalled"
)

// Subscription is one made by the API, or as the books show it, one of an app's configuration.
type Subscription struct {
	// ID is a gid, empty for one of the app's configuration.
	ID        string     `json:"id,omitempty"`
	App       string     `json:"app"`
	Topic     string     `json:"topic"`
	Address   string     `json:"address"`
	Name      string     `json:"name,omitempty"`
	CreatedAt time.Time  `json:"created_at"`
	RemovedAt *time.Time `json:"removed_at,omitempty"`
	RemovedBy Removal    `json:"removed_by,omitempty"`
	// SucceededAt is when a delivery was last accepted.
	SucceededAt *time.Time `json:"succeeded_at,omitempty"`
}

func (sub *Subscription) remove(now time.Time, why Removal) {
	if sub.RemovedAt == nil {
		at := now.UTC()
		sub.RemovedAt, sub.RemovedBy = &at, why
	}
}

// listeners are the subscriptions of one app to a topic: those of its configuration, then those made by the API. The
// caller holds mu.
func (s *Server) listeners(sh *shop, app *registration, topic string) []Subscription {
	var list []Subscription
	for _, hook := range app.listing.Webhooks {
		if slices.Contains(hook.Topics, topic) {
			list = append(list, Subscription{App: app.handle, Topic: topic, Address: hook.URI})
		}
	}
	for _, sub := range sh.Apps[app.handle].Subscriptions {
		if sub.RemovedAt == nil && sub.Topic == topic {
			list = append(list, *sub)
		}
	}
	return list
}

// subscription finds a living subscription made by the API.
func (inst *installation) subscription(id string) *Subscription {
	for _, sub := range inst.Subscriptions {
		if id != "" && sub.ID == id && sub.RemovedAt == nil {
			return sub
		}
	}
	return nil
}

// endSubscription removes a subscription and gives up what was still on its way to it.
func (sh *shop) endSubscription(sub *Subscription, now time.Time, why Removal) {
	sub.remove(now, why)
	for _, ship := range sh.Shipments {
		if ship.Delivery.Subscription == sub.ID {
			sh.settle(ship, DeliveryAbandoned)
		}
	}
}

// RemoveSubscription removes a subscription made by the API as if it had failed too often, and tells nobody. It
// reports whether there was one of that id.
func (s *Server) RemoveSubscription(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sh := range s.shops {
		for _, inst := range sh.Apps {
			if sub := inst.subscription(id); sub != nil {
				sh.endSubscription(sub, s.opts.Now(), RemovedFault)
				s.changed()
				return true
			}
		}
	}
	return false
}
