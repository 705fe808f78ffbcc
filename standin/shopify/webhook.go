package shopify

import (
	"crypto/rand"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"tillflow/standin/faults"
)

// DeliveryState is where one webhook delivery stands.
type DeliveryState string

// The states: still tried, answered with 2xx, given up after all tries, kept back by a fault switch, and ended with
// the subscription it belonged to.
const (
	DeliveryPending   DeliveryState = "pending"
	DeliveryDelivered DeliveryState = "delivered"
	DeliveryFailed    DeliveryState = "failed"
	DeliveryDropped   DeliveryState = "dropped"
	DeliveryAbandoned DeliveryState = "abandoned"
)

// DeclineSubscriptionRemoved is the code of a decline rule for the call webhookDelivery. It removes the subscription
// before the event is sent, as Shopify does with one that failed too often, and tells nobody. It leaves subscriptions of
// an app's configuration alone. The rule's Match is looked for in "topic body".
const DeclineSubscriptionRemoved = "SUBSCRIPTION_REMOVED"

// opWebhook is the call that DeclineSubscriptionRemoved is armed for.
const opWebhook = "webhookDelivery"

// maxShipments is how many ended deliveries a shop's books keep.
const maxShipments = 5000

// reorderPatience is how long a delivery waits for the next one to overtake it.
const reorderPatience = time.Second

// Delivery is what the books say about one event on its way to one subscription. The body is not in it.
type Delivery struct {
	// ID is X-Shopify-Webhook-Id, equal in all tries; EventID is X-Shopify-Event-Id, equal in all deliveries of one
	// event.
	ID      string `json:"id"`
	EventID string `json:"event_id"`
	App     string `json:"app"`
	Topic   string `json:"topic"`
	// Subscription is empty for one of the app's configuration.
	Subscription string        `json:"subscription,omitempty"`
	Name         string        `json:"name,omitempty"`
	Address      string        `json:"address"`
	TriggeredAt  time.Time     `json:"triggered_at"`
	State        DeliveryState `json:"state"`
	// Tries counts requests, Accepted those answered with 2xx; repeats on purpose are in both.
	Tries    int `json:"tries"`
	Accepted int `json:"accepted"`
	// LastStatus is zero when the last try got no HTTP answer; LastMS is its duration in milliseconds.
	LastStatus int     `json:"last_status"`
	LastError  string  `json:"last_error,omitempty"`
	LastMS     float64 `json:"last_ms"`
	// NextAt is when a pending delivery is tried next, null for at once.
	NextAt *time.Time `json:"next_at"`
}

// shipment is a delivery with what the books do not show.
type shipment struct {
	Delivery Delivery        `json:"delivery"`
	Lane     string          `json:"lane"`
	Body     json.RawMessage `json:"body"`
	// Failures counts the tries that were not accepted.
	Failures int `json:"failures"`
}

// event is something that happened in a shop.
type event struct {
	topic string
	// app is the only one that hears of it; empty means every installed one that subscribed.
	app string
	// lane is what the event is about: events of one lane are sent in order.
	lane string
	// payload makes the body; it is called only if somebody listens.
	payload func() any
}

// outbox collects what a change causes, so that it is sent after the change and not in the middle of it.
type outbox struct {
	parcels []*parcel
	tried   *attempts
}

// parcel is one shipment on its way. An extra one repeats a delivery and does not decide what becomes of it.
type parcel struct {
	shop  *shop
	ship  *shipment
	extra bool
	tried *attempts
}

// lane names the parcels that are sent in order.
func (p *parcel) lane() string {
	return strings.Join([]string{p.shop.Domain, p.ship.Delivery.App, p.ship.Delivery.Address, p.ship.Lane}, " ")
}

// raise books an event for everybody who listens. The caller holds mu and dispatches the outbox afterwards.
func (s *Server) raise(out *outbox, sh *shop, ev event) {
	var body json.RawMessage
	eventID := requestID()
	for _, app := range s.apps {
		if ev.app != "" && ev.app != app.handle || ev.app == "" && !sh.Apps[app.handle].installed() {
			continue
		}
		for _, sub := range s.listeners(sh, app, ev.topic) {
			if body == nil {
				encoded, err := json.Marshal(ev.payload())
				if err != nil {
					s.opts.Log.Error().Err(err).Str("topic", ev.topic).Msg("webhook not encoded")
					return
				}
				body = encoded
			}
			ship := &shipment{Lane: ev.lane, Body: body, Delivery: Delivery{
				ID: requestID(), EventID: eventID, App: app.handle, Topic: ev.topic, Subscription: sub.ID, Name: sub.Name,
				Address: sub.Address, TriggeredAt: s.opts.Now().UTC(), State: DeliveryPending,
			}}
			sh.ship(ship)
			sh.Counts.Webhooks++
			s.changed()
			out.parcels = append(out.parcels, &parcel{shop: sh, ship: ship})
		}
	}
}

// ship adds a shipment to the books, which forget the oldest ended ones.
func (sh *shop) ship(ship *shipment) {
	sh.Shipments = append(sh.Shipments, ship)
	if len(sh.Shipments) < maxShipments+maxShipments/10 {
		return
	}
	surplus := len(sh.Shipments) - maxShipments
	sh.Shipments = slices.DeleteFunc(sh.Shipments, func(old *shipment) bool {
		if surplus == 0 || old.Delivery.State == DeliveryPending {
			return false
		}
		surplus--
		return true
	})
}

// dispatch sends what an outbox collected, under the fault switches. The caller must not hold mu.
func (s *Server) dispatch(out *outbox) {
	out.tried = newAttempts(len(out.parcels))
	for _, p := range out.parcels {
		p.tried = out.tried
		s.sendFirst(p)
	}
}

// sendFirst applies the faults to the first try of a parcel. What a fault holds back does not count as awaited.
func (s *Server) sendFirst(p *parcel) {
	topic, body := p.ship.Delivery.Topic, string(p.ship.Body)
	if code, _ := s.faults.Plan(opWebhook, topic+" "+body).Decline(); code == DeclineSubscriptionRemoved && s.unsubscribe(p) {
		p.release()
		return
	}
	for _, rule := range s.faults.Webhook(topic, body) {
		pause := time.Duration(rule.DelayMS) * time.Millisecond
		switch rule.Kind {
		case faults.WebhookDrop:
			s.settle(p, DeliveryDropped)
			p.release()
			return
		case faults.WebhookDelay:
			p.release()
			s.later(p, pause)
			return
		case faults.WebhookReorder:
			p.release()
			s.courier.park(p, s.postpone(p, max(pause, reorderPatience)))
			return
		case faults.WebhookTwice:
			defer s.courier.push(&parcel{shop: p.shop, ship: p.ship, extra: true})
		case faults.LoseRequest, faults.LoseReply, faults.Delay, faults.DelayReply, faults.HoldReply, faults.TooManyRequests,
			faults.ErrorBefore, faults.ErrorAfter, faults.WrongAmount, faults.SlowSettle, faults.WebhookBeforeReply:
			// about calls; Webhook does not return them
		default:
			// a decline: about calls too
		}
	}
	s.courier.push(p)
}

// release lets those go on who wait for the first try.
func (p *parcel) release() {
	p.tried.finish()
	p.tried = nil
}

// settle ends a pending delivery without sending it.
func (s *Server) settle(p *parcel, state DeliveryState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.shop.settle(p.ship, state)
	s.changed()
}

func (sh *shop) settle(ship *shipment, state DeliveryState) {
	if ship.Delivery.State != DeliveryPending {
		return
	}
	ship.Delivery.State, ship.Delivery.NextAt = state, nil
	if state == DeliveryDelivered {
		sh.Counts.Delivered++
		return
	}
	sh.Counts.Undelivered++
}

// unsubscribe removes the subscription a parcel is for; false if it is one of the app's configuration.
func (s *Server) unsubscribe(p *parcel) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	inst := p.shop.Apps[p.ship.Delivery.App]
	sub := inst.subscription(p.ship.Delivery.Subscription)
	if sub == nil {
		return false
	}
	p.shop.endSubscription(sub, s.opts.Now(), RemovedFault)
	s.changed()
	return true
}

// later tries a parcel after a pause on the stand-in's clock.
func (s *Server) later(p *parcel, pause time.Duration) {
	s.agenda.at(s.postpone(p, pause), func() { s.courier.push(p) })
}

// postpone books when a parcel is tried next.
func (s *Server) postpone(p *parcel, pause time.Duration) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.opts.Now().UTC().Add(pause)
	p.ship.Delivery.NextAt = &next
	s.changed()
	return next
}

// subscriptionID makes an id in the form of Shopify's.
func subscriptionID() string {
	return "gid://shopify/WebhookSubscription/" + numberText(rand.Text())
}
