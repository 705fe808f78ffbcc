package shopify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// couriers bounds the webhook requests at one time.
	couriers = 16
	// webhookTimeout is the time a receiver has in all, webhookConnect the part for connecting.
	webhookTimeout = 5 * time.Second
	webhookConnect = time.Second
)

// webhookWaits are the waits before the eight repeats: exponential, four hours in all. Shopify publishes number and
// sum and not the single waits.
func webhookWaits() []time.Duration {
	const m = time.Minute
	return []time.Duration{m, 2 * m, 4 * m, 8 * m, 16 * m, 32 * m, 64 * m, 113 * m}
}

// attempts lets a call wait until what it raised was tried once.
type attempts struct {
	mu   sync.Mutex
	left int
	done chan struct{}
}

func newAttempts(n int) *attempts {
	t := &attempts{left: n, done: make(chan struct{})}
	if n == 0 {
		close(t.done)
	}
	return t
}

func (t *attempts) finish() {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.left--
	if t.left == 0 {
		close(t.done)
	}
}

func (t *attempts) wait(ctx context.Context) {
	select {
	case <-t.done:
	case <-ctx.Done():
	}
}

// courier sends parcels: each lane in order, a failed one later and on its own. Lock order: never take Server.mu while
// holding courier.mu.
type courier struct {
	s      *Server
	client *http.Client
	ctx    context.Context //nolint:containedctx // ends every request when the stand-in closes
	cancel context.CancelFunc
	slots  chan struct{}
	wg     sync.WaitGroup

	mu     sync.Mutex
	closed bool
	lanes  map[string][]*parcel // the first of a lane is being sent
	parked map[string]*parcel   // held back until the next one of its lane
}

func newCourier(s *Server) *courier {
	ctx, cancel := context.WithCancel(context.Background()) //nolint:forbidigo // New has no caller's context; Close ends it
	return &courier{
		s: s, ctx: ctx, cancel: cancel, slots: make(chan struct{}, couriers),
		client: &http.Client{
			Timeout: webhookTimeout,
			Transport: &http.Transport{
				TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: s.opts.RootCAs},
				DialContext:         (&net.Dialer{Timeout: webhookConnect}).DialContext,
				MaxIdleConnsPerHost: couriers,
				IdleConnTimeout:     30 * time.Second,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		lanes: make(map[string][]*parcel), parked: make(map[string]*parcel),
	}
}

func (q *courier) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.cancel()
	q.wg.Wait()
	q.client.CloseIdleConnections()
}

// push sends a parcel after those of its lane, and then the one that waited to be overtaken by it.
func (q *courier) push(p *parcel) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.append(p)
	if held := q.parked[p.lane()]; held != nil && held.ship != p.ship {
		delete(q.parked, p.lane())
		q.append(held)
	}
}

// append adds to a lane. The caller holds mu.
func (q *courier) append(p *parcel) {
	if q.closed {
		p.release()
		return
	}
	lane := p.lane()
	q.lanes[lane] = append(q.lanes[lane], p)
	if len(q.lanes[lane]) == 1 {
		q.wg.Add(1)
		go q.run(lane)
	}
}

// park keeps a parcel until another of its lane passes, or until the moment it was postponed to.
func (q *courier) park(p *parcel, until time.Time) {
	q.mu.Lock()
	lane := p.lane()
	if held := q.parked[lane]; held != nil { // two in a row swap places
		delete(q.parked, lane)
		q.append(p)
		q.append(held)
		q.mu.Unlock()
		return
	}
	q.parked[lane] = p
	q.mu.Unlock()
	q.s.agenda.at(until, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		if q.parked[lane] == p {
			delete(q.parked, lane)
			q.append(p)
		}
	})
}

// run sends one lane until it is empty.
func (q *courier) run(lane string) {
	defer q.wg.Done()
	for {
		q.mu.Lock()
		p := q.lanes[lane][0]
		q.mu.Unlock()
		q.slots <- struct{}{}
		q.carry(p)
		<-q.slots
		q.mu.Lock()
		q.lanes[lane] = q.lanes[lane][1:]
		if len(q.lanes[lane]) == 0 {
			delete(q.lanes, lane)
			q.mu.Unlock()
			return
		}
		q.mu.Unlock()
	}
}

// try is the outcome of one request.
type try struct {
	status  int
	err     error
	elapsed time.Duration
}

func (t try) accepted() bool { return t.err == nil && t.status >= 200 && t.status <= 299 }

// carry makes one try and arranges the next one.
func (q *courier) carry(p *parcel) {
	defer p.tried.finish()
	req, err := q.s.webhookRequest(q.ctx, p)
	if err != nil {
		q.s.opts.Log.Error().Err(err).Str("topic", p.ship.Delivery.Topic).Msg("webhook not built")
		q.s.settle(p, DeliveryFailed)
		return
	}
	if req == nil || q.ctx.Err() != nil {
		return // ended meanwhile; or not a try, the next stand-in makes it
	}
	made := q.send(req)
	if q.ctx.Err() != nil {
		return
	}
	if again, pause := q.s.bookTry(p, made); again {
		q.s.later(&parcel{shop: p.shop, ship: p.ship}, pause)
	}
}

func (q *courier) send(req *http.Request) try {
	started := q.s.opts.Now()
	resp, err := q.client.Do(req)
	if err != nil {
		return try{err: fmt.Errorf("send webhook: %w", err), elapsed: q.s.opts.Now().Sub(started)}
	}
	defer func() { _ = resp.Body.Close() }() // read to its end or given up: nothing to act on
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)); err != nil {
		return try{status: resp.StatusCode, err: fmt.Errorf("read webhook answer: %w", err), elapsed: q.s.opts.Now().Sub(started)}
	}
	return try{status: resp.StatusCode, elapsed: q.s.opts.Now().Sub(started)}
}

// webhookRequest renders and signs one try; nil without an error if the delivery has ended.
func (s *Server) webhookRequest(ctx context.Context, p *parcel) (*http.Request, error) {
	s.mu.Lock()
	d, app := p.ship.Delivery, s.app(p.ship.Delivery.App)
	if app == nil || d.State != DeliveryPending && !p.extra { // an app may be gone from the configuration
		s.mu.Unlock()
		return nil, nil
	}
	secret := app.webhookSecret(s.opts.Now())
	s.mu.Unlock()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.Address, bytes.NewReader(p.ship.Body))
	if err != nil {
		return nil, fmt.Errorf("build webhook request: %w", err)
	}
	header := req.Header
	header.Set("Content-Type", "application/json")
	header.Set("User-Agent", "Shopify-Captain-Hook")
	header.Set("X-Shopify-Topic", d.Topic)
	header.Set("X-Shopify-Hmac-Sha256", Signature(secret, p.ship.Body))
	header.Set("X-Shopify-Shop-Domain", p.shop.Domain)
	header.Set("X-Shopify-API-Version", s.opts.APIVersion)
	header.Set("X-Shopify-Webhook-Id", d.ID)
	header.Set("X-Shopify-Event-Id", d.EventID)
	header.Set("X-Shopify-Triggered-At", d.TriggeredAt.Format("2006-01-02T15:04:05.000000000Z"))
	if d.Name != "" {
		header.Set("X-Shopify-Name", d.Name)
	}
	return req, nil
}

// Signature is what a webhook with that body carries in X-Shopify-Hmac-Sha256.
func Signature(secret Secret, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// bookTry writes one try down and says whether there is another one, and after which pause.
func (s *Server) bookTry(p *parcel, made try) (again bool, pause time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed()
	d, now := &p.ship.Delivery, s.opts.Now().UTC()
	d.Tries++
	d.LastStatus, d.LastError, d.LastMS = made.status, "", float64(made.elapsed.Microseconds())/1000
	sub := p.shop.Apps[d.App].subscription(d.Subscription)
	if made.accepted() {
		d.Accepted++
		if sub != nil {
			sub.SucceededAt = &now
		}
		p.shop.settle(p.ship, DeliveryDelivered)
		return false, 0
	}
	d.LastError = fmt.Sprintf("answered %d", made.status)
	if made.err != nil {
		d.LastError = made.err.Error()
	}
	if d.State != DeliveryPending || p.extra {
		return false, 0
	}
	p.ship.Failures++
	if p.ship.Failures <= len(s.opts.WebhookWaits) {
		return true, s.opts.WebhookWaits[p.ship.Failures-1]
	}
	p.shop.settle(p.ship, DeliveryFailed)
	if sub != nil && (sub.SucceededAt == nil || sub.SucceededAt.Before(d.TriggeredAt)) {
		s.opts.Log.Warn().Str("shop", p.shop.Domain).Str("topic", d.Topic).Msg("webhook subscription removed after its failures")
		p.shop.endSubscription(sub, now, RemovedFailures)
	}
	return false, 0
}

// resume sends what an earlier stand-in left on its way, and waits again for what is due later.
func (s *Server) resume() {
	for _, sh := range s.shops {
		for _, ship := range sh.Shipments {
			if ship.Delivery.State != DeliveryPending {
				continue
			}
			p := &parcel{shop: sh, ship: ship}
			if next := ship.Delivery.NextAt; next != nil {
				s.agenda.at(*next, func() { s.courier.push(p) })
				continue
			}
			s.courier.push(p)
		}
		for _, app := range s.apps {
			if inst := sh.Apps[app.handle]; inst.RedactAt != nil {
				due := *inst.RedactAt
				s.agenda.at(due, func() { s.redactShop(sh, app, due) })
			}
		}
		for _, request := range sh.Erasures {
			if !request.Sent {
				s.agenda.at(request.Due, func() { s.sendErasure(sh, request) })
			}
		}
	}
}
