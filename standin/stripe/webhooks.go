package stripe

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"tillflow/standin/faults"
)

const (
	couriers         = 16
	deliveryTimeout  = 10 * time.Second
	reorderPatience  = time.Second
	maxAnswer        = 64 << 10
	webhookUserAgent = "Stripe/1.0 (+https://stripe.com/docs/webhooks)"
)

// errEndpointGone is the reason why an event of a deleted endpoint is not delivered.
var errEndpointGone = errors.New("webhook endpoint was deleted")

// parcel is one event on its way to one endpoint.
type parcel struct {
	event    *event
	endpoint string
	tried    *attempts // of the publication it belongs to; nil for retries
}

// lane names the parcels that are delivered in order: those of one checkout to one endpoint.
func (p parcel) lane() string { return p.endpoint + " " + p.event.Lane }

// attempts lets a call wait until what it published was tried once.
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
	if t == nil {
		return
	}
	select {
	case <-t.done:
	case <-ctx.Done():
	}
}

// courier delivers parcels: a fixed number of workers, each lane in order, a failed delivery later and on its own.
type courier struct {
	s      *Server
	client *http.Client
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	wake   *sync.Cond
	closed bool
	lanes  map[string][]parcel // the head of a lane is being delivered or in ready
	ready  []string
	parked map[string]parcel // held back until the next one of its lane
	timers map[*time.Timer]struct{}
}

func newCourier(s *Server) *courier {
	client := http.Client{Timeout: deliveryTimeout}
	if s.opts.HTTPClient != nil {
		client = *s.opts.HTTPClient
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	ctx, cancel := context.WithCancel(context.Background()) //nolint:forbidigo // New has no caller's context; Close ends it
	q := &courier{
		s: s, client: &client, cancel: cancel,
		lanes: make(map[string][]parcel), parked: make(map[string]parcel), timers: make(map[*time.Timer]struct{}),
	}
	q.wake = sync.NewCond(&q.mu)
	q.wg.Add(couriers)
	for range couriers {
		go q.work(ctx)
	}
	return q
}

func (q *courier) close() {
	q.mu.Lock()
	q.closed = true
	for t := range q.timers {
		t.Stop()
	}
	q.mu.Unlock()
	q.cancel()
	q.wake.Broadcast()
	q.wg.Wait()
}

// publish hands events to the courier under the webhook faults. Must be called without Server.mu.
func (s *Server) publish(events []*event) *attempts {
	var parcels []parcel
	s.mu.Lock()
	for _, ev := range events {
		for _, d := range ev.Deliveries {
			parcels = append(parcels, parcel{event: ev, endpoint: d.Endpoint})
		}
	}
	s.mu.Unlock()
	tried := newAttempts(len(parcels))
	for _, p := range parcels {
		p.tried = tried
		s.dispatch(p)
	}
	return tried
}

// dispatch applies the faults to the first delivery of a parcel. What a fault holds back does not count as awaited.
func (s *Server) dispatch(p parcel) {
	q := s.courier
	for _, rule := range s.faults.Webhook(p.event.Type, string(p.event.Object)) {
		pause := time.Duration(rule.DelayMS) * time.Millisecond
		switch rule.Kind {
		case faults.WebhookDrop:
			s.withdraw(p)
			p.tried.finish()
			return
		case faults.WebhookDelay:
			p.tried.finish()
			p.tried = nil
			q.later(pause, p)
			return
		case faults.WebhookReorder:
			p.tried.finish()
			p.tried = nil
			q.park(p, pause)
			return
		case faults.WebhookTwice:
			again := p
			again.tried = nil
			defer q.enqueue(again)
		case faults.LoseRequest, faults.LoseReply, faults.Delay, faults.DelayReply, faults.HoldReply, faults.TooManyRequests,
			faults.ErrorBefore, faults.ErrorAfter, faults.WrongAmount, faults.SlowSettle, faults.WebhookBeforeReply:
			// about calls; Webhook does not return them
		default:
			// a decline: about calls too
		}
	}
	q.enqueue(p)
}

func (q *courier) enqueue(p parcel) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.push(p)
	if held, ok := q.parked[p.lane()]; ok && held.event != p.event {
		delete(q.parked, p.lane())
		q.push(held)
	}
}

func (q *courier) push(p parcel) {
	lane := p.lane()
	q.lanes[lane] = append(q.lanes[lane], p)
	if len(q.lanes[lane]) == 1 {
		q.ready = append(q.ready, lane)
		q.wake.Signal()
	}
}

// park keeps a parcel until another of its lane passes, or until patience ends.
func (q *courier) park(p parcel, patience time.Duration) {
	if patience == 0 {
		patience = reorderPatience
	}
	q.mu.Lock()
	if held, ok := q.parked[p.lane()]; ok { // two in a row swap places
		delete(q.parked, p.lane())
		q.push(p)
		q.push(held)
		q.mu.Unlock()
		return
	}
	q.parked[p.lane()] = p
	q.mu.Unlock()
	q.after(patience, func() {
		if held, ok := q.parked[p.lane()]; ok && held.event == p.event {
			delete(q.parked, p.lane())
			q.push(held)
		}
	})
}

func (q *courier) later(pause time.Duration, p parcel) { q.after(pause, func() { q.push(p) }) }

// after runs fn under mu once the pause is over, unless the courier was closed.
func (q *courier) after(pause time.Duration, fn func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	var t *time.Timer
	t = time.AfterFunc(pause, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		delete(q.timers, t)
		if !q.closed {
			fn()
		}
	})
	q.timers[t] = struct{}{}
}

func (q *courier) work(ctx context.Context) {
	defer q.wg.Done()
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		for len(q.ready) == 0 && !q.closed {
			q.wake.Wait()
		}
		if q.closed {
			return
		}
		lane := q.ready[0]
		q.ready = q.ready[1:]
		p := q.lanes[lane][0]
		q.mu.Unlock()
		q.carry(ctx, p)
		q.mu.Lock()
		rest := q.lanes[lane][1:]
		if len(rest) == 0 {
			delete(q.lanes, lane)
			continue
		}
		q.lanes[lane] = rest
		q.ready = append(q.ready, lane)
		q.wake.Signal()
	}
}

// carry makes one attempt and arranges the next one.
func (q *courier) carry(ctx context.Context, p parcel) {
	defer p.tried.finish()
	req, err := q.s.request(ctx, p)
	if errors.Is(err, errEndpointGone) {
		q.s.record(p, func(d *delivery) { d.State, d.LastError = deliveryFailed, err.Error() })
		return
	}
	status := 0
	if err == nil {
		status, err = q.send(req)
	}
	if ctx.Err() != nil {
		return // not an attempt: the next server makes it
	}
	again, retry := time.Duration(0), false
	q.s.record(p, func(d *delivery) {
		d.Attempts++
		d.LastStatus, d.LastError = status, ""
		if err != nil {
			d.LastError = err.Error()
		}
		if err == nil && status/100 == 2 {
			if d.State != deliveryDone {
				d.State, d.DeliveredAt = deliveryDone, q.s.opts.Now().Unix()
			}
			return
		}
		if d.State != deliveryPending {
			return
		}
		if d.Attempts > len(q.s.opts.WebhookRetry) {
			d.State = deliveryFailed
			return
		}
		again, retry = q.s.opts.WebhookRetry[d.Attempts-1], true
	})
	if retry {
		p.tried = nil
		q.later(again, p)
	}
}

func (q *courier) send(req *http.Request) (int, error) {
	resp, err := q.client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("deliver webhook: %w", err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)); err != nil {
		return resp.StatusCode, fmt.Errorf("read webhook answer: %w", err)
	}
	return resp.StatusCode, nil
}

// request renders and signs one attempt: every attempt has a fresh timestamp.
func (s *Server) request(ctx context.Context, p parcel) (*http.Request, error) {
	s.mu.Lock()
	ep, ok := p.event.account.endpoint(p.endpoint)
	if !ok {
		s.mu.Unlock()
		return nil, errEndpointGone
	}
	address, secret := ep.URL, ep.Secret
	envelope := p.event.envelope(ep.Version)
	s.mu.Unlock()
	body := encode(envelope)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("build webhook request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("User-Agent", webhookUserAgent)
	req.Header.Set("Stripe-Signature", signature(secret, s.opts.Now(), body))
	return req, nil
}

// signature is the header Stripe-Signature: the HMAC-SHA256 over "timestamp.body" under the whole secret.
func signature(secret string, at time.Time, body []byte) string {
	t := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(t + "."))
	mac.Write(body)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}

// record changes the delivery of a parcel; the slice is replaced because the journal may be reading the old one.
func (s *Server) record(p parcel, change func(*delivery)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ds := slices.Clone(p.event.Deliveries)
	for i := range ds {
		if ds[i].Endpoint == p.endpoint {
			change(&ds[i])
		}
	}
	p.event.Deliveries = ds
	s.mark(rowEvent, p.event.account.id, p.event.ID)
}

func (s *Server) withdraw(p parcel) {
	s.record(p, func(d *delivery) { d.State = deliveryWithdrawn })
}

// resume delivers what an earlier server left undelivered.
func (s *Server) resume() {
	s.mu.Lock()
	var parcels []parcel
	for _, acct := range s.accounts {
		for _, ev := range acct.events.rows {
			for _, d := range ev.Deliveries {
				if d.State == deliveryPending {
					parcels = append(parcels, parcel{event: ev, endpoint: d.Endpoint})
				}
			}
		}
	}
	s.mu.Unlock()
	for _, p := range parcels {
		s.courier.enqueue(p)
	}
}
