package app

import (
	"fmt"
	"strings"
	"time"
)

// News is what a delivery says of a resource.
type News struct {
	Shop     string
	Matter   Matter
	Resource string // global id
	// OrderID is the global id of the order it belongs to; empty if it does not say.
	OrderID string
	// Status is in Shopify's words, lower case.
	Status string
	// Sessions are Shopify's ids of the payment, capture, refund or void sessions that the order's money came by.
	Sessions []string
	Facts    map[string]string
	// ChangedAt is when the resource changed, ToldAt when the message was triggered: both by Shopify's clock.
	ChangedAt, ToldAt time.Time
	APIVersion        string
}

// FactSessions is the fact under which an order that was read through the Admin API names the sessions of its money, comma separated.
// A webhook about a transaction has one of them as "payment_id".
const FactSessions = "payment_ids"

// NewsOf reads what a delivery says; false if it is about no resource.
func NewsOf(d Delivery) (News, bool) {
	if d.Resource == "" {
		return News{}, false
	}
	n := News{
		Shop: d.Shop, Matter: d.Topic.Matter(), Resource: d.Resource, Facts: d.Facts, ChangedAt: d.TriggeredAt, ToldAt: d.TriggeredAt,
		APIVersion: d.APIVersion, Status: strings.ToLower(first(d.Facts["financial_status"], d.Facts["status"])),
	}
	// The resource's own time orders what is said about it, however it reached us. One far ahead would hide all that follows.
	if at, err := time.Parse(time.RFC3339, d.Facts["updated_at"]); err == nil && at.Before(d.TriggeredAt.Add(clocksApart)) {
		n.ChangedAt = at.UTC()
	}
	switch {
	case strings.HasPrefix(d.Resource, orderPrefix):
		n.OrderID = d.Resource
	case d.Facts["admin_graphql_api_order_id"] != "":
		n.OrderID = d.Facts["admin_graphql_api_order_id"]
	case d.Facts["order_id"] != "":
		n.OrderID = orderPrefix + d.Facts["order_id"]
	}
	for id := range strings.SplitSeq(first(d.Facts["payment_id"], d.Facts[FactSessions]), ",") {
		if id != "" {
			n.Sessions = append(n.Sessions, id)
		}
	}
	return n, true
}

// clocksApart is how far a resource's time may lie ahead of the message about it.
const clocksApart = time.Minute

const orderPrefix = "gid://shopify/Order/"

func first(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// Guarded is a shop whose deliveries have to be looked after now.
type Guarded struct {
	Shop string
	// Since is where to begin: changes of orders before are known.
	Since time.Time
	// Before: the shop has been looked at since its installation, so a subscription that is missing was lost.
	Before bool
	// Tries counts the looks in a row that met trouble, this one included.
	Tries int
}

// Checkup is what came of a look at a shop's deliveries.
type Checkup struct {
	Shop string
	// Made are topics that had no subscription and have one again; Refused those that Shopify does not let us subscribe to.
	Made, Refused []Topic
	// Seen are the changed orders that were read, Filled those of them that no webhook had told.
	Seen, Filled int
	// Until: orders that changed before are known. Zero: as before.
	Until time.Time
	// Trouble is the class and code of what ended the look early; empty: it came to its end.
	Trouble string
	// NextAt is when to look again.
	NextAt time.Time
}

// Guard is what is remembered of the last look, for people.
type Guard struct {
	Checkup
	CheckedAt time.Time // zero: no look came to its end yet
	Tries     int
}

// WarningKind says what a warning is about.
type WarningKind string

// The kinds.
const (
	// WarnVersion: Shopify will stop serving, or does not serve, the version of its API that is pinned.
	WarnVersion WarningKind = "api_version"
	// WarnDeprecated: Shopify calls something that we ask deprecated.
	WarnDeprecated WarningKind = "api_deprecated"
	// WarnLost: subscriptions were lost, or orders changed that no webhook told of.
	WarnLost WarningKind = "deliveries_lost"
	// WarnUnguarded: a shop's deliveries cannot be looked after.
	WarnUnguarded WarningKind = "deliveries_unguarded"
	// WarnRecharge: a shop's failed charges cannot be read from Recharge.
	WarnRecharge WarningKind = "recharge_unreadable"
)

// Warning is something a person who runs the service should know and no payment waits for.
type Warning struct {
	// Key is what it is about: the same key is said once.
	Key  string
	Kind WarningKind
	Shop string // empty: about all
	// Detail is for people: what happened, what it means, what to do. Nothing about a buyer.
	Detail string
	At     time.Time
	Tries  int // of sending it
}

// Lost is the warning of a look that found something lost; false if nothing was. Before the first look nothing can have been.
func (c Checkup) Lost(before bool, at time.Time) (Warning, bool) {
	if !before {
		return Warning{}, false
	}
	var text []string
	if len(c.Made) > 0 {
		text = append(text, fmt.Sprintf("Shopify had no webhook subscription any more for %s; they are made again. "+
			"It deletes one after eight failed deliveries in a row: look for the time at which /webhook/shopify did not answer.", topics(c.Made)))
	}
	if c.Filled > 0 {
		text = append(text, fmt.Sprintf("%d changed orders had not been told by a webhook; they are filled in from the Admin API.", c.Filled))
	}
	if len(text) == 0 {
		return Warning{}, false
	}
	text = append(text, "No payment depends on these messages: sessions come by another way. There is nothing to do if it does not come again.")
	return Warning{
		Key: string(WarnLost) + " " + c.Shop + " " + at.UTC().Format(time.RFC3339), Kind: WarnLost, Shop: c.Shop, Detail: strings.Join(text, " "), At: at,
	}, true
}

func topics(list []Topic) string {
	texts := make([]string, len(list))
	for i, topic := range list {
		texts[i] = string(topic)
	}
	return strings.Join(texts, ", ")
}
