package stripe

import (
	"encoding/json"
	"iter"
	"slices"
	"strings"
)

type deliveryState string

const (
	deliveryPending   deliveryState = "pending"
	deliveryDone      deliveryState = "delivered"
	deliveryFailed    deliveryState = "failed"
	deliveryWithdrawn deliveryState = "dropped" // by a fault
)

// delivery is what became of an event at one endpoint.
type delivery struct {
	Endpoint, URL string
	State         deliveryState
	Attempts      int
	LastStatus    int
	LastError     string
	DeliveredAt   int64
}

// eventOrigin is the API call that caused an event; empty when a buyer, a person or the clock did.
type eventOrigin struct{ Request, IdempotencyKey string }

// event is one notification. Object is as it was at the time.
type event struct {
	row
	Type       string
	Lane       string
	Object     json.RawMessage
	Origin     eventOrigin
	Deliveries []delivery
	account    *account
}

// pending reports whether a delivery may still be made.
func (ev *event) pending() bool {
	return slices.ContainsFunc(ev.Deliveries, func(d delivery) bool { return d.State == deliveryPending })
}

// delivered reports whether every endpoint has it, as the filter delivery_success does.
func (ev *event) delivered() bool {
	return !slices.ContainsFunc(ev.Deliveries, func(d delivery) bool { return d.State != deliveryDone })
}

// outstanding is the member pending_webhooks.
func (ev *event) outstanding() int {
	n := 0
	for _, d := range ev.Deliveries {
		if d.State != deliveryDone {
			n++
		}
	}
	return n
}

// envelope is the event as delivered and as retrieved.
func (ev *event) envelope(version string) object {
	return object{
		"id": ev.ID, "object": "event", "type": ev.Type, "created": ev.Created, "livemode": ev.account.livemode,
		"api_version": version, "data": object{"object": ev.Object}, "pending_webhooks": ev.outstanding(),
		"request": object{"id": orNull(ev.Origin.Request), "idempotency_key": orNull(ev.Origin.IdempotencyKey)},
	}
}

func retrieveEvent(c *call) (object, *apiError) {
	ev, ok := c.acct.events.get(c.id())
	if !ok {
		return nil, missing("event", c.id(), "id")
	}
	return ev.envelope(apiVersion), nil
}

func listEvents(c *call) (object, *apiError) {
	types := c.form.list("types")
	if one := c.form.text("type"); one != "" {
		if len(types) > 0 {
			return nil, invalid("parameter_invalid_type", "types", "You may pass type or types, not both.")
		}
		types = []string{one}
	}
	success := c.form.text("delivery_success")
	return page(c, lister[*event]{
		what: "event",
		rows: func(after string) (iter.Seq[*event], bool) { return c.acct.events.newestFirst(after) },
		keep: func(ev *event) bool {
			return (len(types) == 0 || matchesType(types, ev.Type)) &&
				(success == "" || ev.delivered() == (success == "true"))
		},
		render: func(ev *event, _ expansion) object { return ev.envelope(apiVersion) },
	})
}

// matchesType accepts exact names, "*" and families such as "charge.*".
func matchesType(patterns []string, eventType string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		if family, ok := strings.CutSuffix(p, "*"); ok {
			return strings.HasPrefix(eventType, family)
		}
		return p == eventType
	})
}

// raisedTypes are the event types this stand-in knows, for enabled_events.
func raisedTypes() []string {
	return []string{
		"*",
		"charge.captured", "charge.expired", "charge.failed", "charge.pending", "charge.refund.updated", "charge.refunded",
		"charge.succeeded", "charge.updated", "charge.dispute.closed", "charge.dispute.created",
		"charge.dispute.funds_reinstated", "charge.dispute.funds_withdrawn", "charge.dispute.updated",
		"checkout.session.async_payment_failed", "checkout.session.async_payment_succeeded", "checkout.session.completed",
		"checkout.session.expired",
		"customer.created", "customer.deleted", "payment_method.attached", "payment_method.detached",
		"payment_intent.amount_capturable_updated", "payment_intent.canceled", "payment_intent.created",
		"payment_intent.payment_failed", "payment_intent.processing", "payment_intent.requires_action",
		"payment_intent.succeeded",
		"refund.created", "refund.failed", "refund.updated",
	}
}
