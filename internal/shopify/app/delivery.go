package app

import (
	"strings"
	"time"
)

// Delivery is a verified webhook, cut down to what is kept of it.
type Delivery struct {
	App   Name
	Shop  string
	Topic Topic
	// WebhookID is the delivery's id, equal across its repeats; (shop, topic, id) makes it unique.
	WebhookID string
	// EventID is equal across the deliveries of one event to several subscriptions. May be empty.
	EventID    string
	APIVersion string
	// TriggeredAt is Shopify's clock and orders what is said about one resource.
	TriggeredAt time.Time
	// Resource is the global id of what the message is about; empty where there is none, or where it would name a person.
	Resource string
	// Facts are ids, codes, amounts and times. Never a person's data.
	Facts map[string]string
	// Personal is what a privacy request says about a person, as a [Request] in JSON. The record seals it under a key of its own.
	Personal []byte
}

// Claimed is a delivery that somebody has to act on now.
type Claimed struct {
	ID          string
	App         Name
	Shop        string
	Topic       Topic
	TriggeredAt time.Time
	ReceivedAt  time.Time
	Resource    string
	Facts       map[string]string
	APIVersion  string // in whose words the facts are
	// Superseded: something newer is known about the same resource under the same topic, so this must not be acted on.
	Superseded bool
	// Repeated: another subscription of the same app has told the same event before.
	Repeated bool
	// Tries counts the claims, this one included.
	Tries int
}

// Request is what a privacy topic asks for. Members that the topic does not have are empty.
type Request struct {
	CustomerID    string   `json:"customer_id,omitempty"`
	Email         string   `json:"email,omitempty"`
	Phone         string   `json:"phone,omitempty"`
	Orders        []string `json:"orders,omitempty"` // ids of orders, as Shopify numbers them
	DataRequestID string   `json:"data_request_id,omitempty"`
}

// Line is a delivery as a list shows it to people.
type Line struct {
	ID           string
	App          Name
	Shop         string
	Topic        Topic
	WebhookID    string
	Resource     string
	TriggeredAt  time.Time
	ReceivedAt   time.Time
	DispatchedAt time.Time // zero: not acted on yet
	DispatchAt   time.Time // not acted on: when it is tried again
	Tries        int
	Note         string
}

// LineFilter selects deliveries, newest first. Zero members select all.
type LineFilter struct {
	Shop    string
	Waiting bool // only those not acted on
	Filled  bool // only those that no webhook told and the guardian filled in
	// BeforeAt and BeforeID are the last line of the page before.
	BeforeAt time.Time
	BeforeID string
	Limit    int // at most 500; zero is 50
}

// FilledIn reports a delivery that the guardian has made up from the Admin API.
func (l Line) FilledIn() bool { return strings.HasPrefix(l.WebhookID, BackfillPrefix) }

// BackfillPrefix begins the id of a delivery that no webhook told.
const BackfillPrefix = "backfill:"
