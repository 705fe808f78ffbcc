package recharge

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
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
	couriers        = 8
	deliveryTimeout = 5 * time.Second
	reorderPatience = time.Second
	maxAnswer       = 64 << 10
	// maxDeliveries bounds those that are kept; the oldest finished ones go first.
	maxDeliveries = 20_000
)

// States of a delivery.
const (
	deliveryPending   = "pending"
	deliveryDone      = "done"
	deliveryFailed    = "failed"
	deliveryWithdrawn = "withdrawn" // a fault took it away
)

// delivery is one event on its way to one subscription.
type delivery struct {
	ID, Hook       int64
	Store          string
	Address, Topic string
	Body           []byte
	State          string
	Attempts       int
	LastStatus     int
	LastError      string

	tried  chan struct{} // closed by finish
	finish func()        // ends the waiting for it: after the first attempt, or when a fault holds it back
}

// awaited prepares a delivery to be waited for.
func (d *delivery) awaited() {
	d.tried = make(chan struct{})
	d.finish = sync.OnceFunc(func() { close(d.tried) })
}

// raise records an event for every subscription to its topic. It leaves with the next publish. Caller holds mu.
func (s *Server) raise(st *store, topic string, obj object) {
	body := encode(obj)
	for _, h := range st.Hooks {
		if h.Topic != topic {
			continue
		}
		d := &delivery{
			ID: s.next(), Hook: h.ID, Store: st.conf.Name, Address: h.Address, Topic: topic, Body: body, State: deliveryPending,
		}
		d.awaited()
		st.Deliveries = append(st.Deliveries, d)
		s.outbox = append(s.outbox, d)
	}
	for len(st.Deliveries) > maxDeliveries && st.Deliveries[0].State != deliveryPending {
		st.Deliveries = st.Deliveries[1:]
	}
	s.version++
}

func (s *Server) raiseCharge(st *store, topic string, c *charge) {
	s.raise(st, topic, object{"charge": st.chargeObject(c)})
}

// takeOutbox returns what was raised since the last time. Caller holds mu and publishes it afterwards.
func (s *Server) takeOutbox() []*delivery {
	out := s.outbox
	s.outbox = nil
	return out
}

// publish sends deliveries off under the webhook faults. Must be called without mu.
func (s *Server) publish(sends []*delivery) {
	for _, d := range sends {
		s.dispatch(d)
	}
}

// await blocks until each delivery was tried once, or ctx ends.
func await(ctx context.Context, sends []*delivery) {
	for _, d := range sends {
		select {
		case <-d.tried:
		case <-ctx.Done():
			return
		}
	}
}

func (s *Server) dispatch(d *delivery) {
	pause := time.Duration(0)
	for _, rule := range s.faults.Webhook(d.Topic, string(d.Body)) {
		switch rule.Kind {
		case faults.WebhookDrop:
			s.record(func() { d.State = deliveryWithdrawn })
			d.finish()
			return
		case faults.WebhookDelay:
			pause = max(pause, time.Duration(rule.DelayMS)*time.Millisecond)
		case faults.WebhookReorder: // those behind it overtake
			pause = max(pause, time.Duration(rule.DelayMS)*time.Millisecond, reorderPatience)
		case faults.WebhookTwice:
			again := *d
			again.awaited()
			s.record(func() {
				again.ID = s.next()
				st := s.stores[d.Store]
				st.Deliveries = append(st.Deliveries, &again)
			})
			s.after(0, &again)
		case faults.LoseRequest, faults.LoseReply, faults.Delay, faults.DelayReply, faults.HoldReply, faults.TooManyRequests,
			faults.ErrorBefore, faults.ErrorAfter, faults.WrongAmount, faults.SlowSettle, faults.WebhookBeforeReply:
			// about calls; Webhook does not return them
		default:
			// a decline: about calls too
		}
	}
	if pause > 0 {
		d.finish()
	}
	s.after(pause, d)
}

// after makes an attempt once the pause is over, unless the server is closed by then.
func (s *Server) after(pause time.Duration, d *delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timers == nil {
		return
	}
	var t *time.Timer
	t = time.AfterFunc(pause, func() {
		s.mu.Lock()
		open := s.timers != nil
		if open {
			delete(s.timers, t)
			s.wg.Add(1)
		}
		s.mu.Unlock()
		if open {
			defer s.wg.Done()
			s.carry(d)
		}
	})
	s.timers[t] = struct{}{}
}

// carry makes one attempt and arranges the next one.
func (s *Server) carry(d *delivery) {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-s.ctx.Done():
		return
	}
	status, err := s.send(d)
	if s.ctx.Err() != nil {
		return // not an attempt: the next server makes it
	}
	pause, again := time.Duration(0), false
	s.record(func() {
		d.Attempts++
		d.LastStatus, d.LastError = status, ""
		if err != nil {
			d.LastError = err.Error()
		}
		retryable := err != nil || status == http.StatusRequestTimeout || status == http.StatusTooManyRequests || status >= 500
		switch {
		case err == nil && status/100 == 2:
			d.State = deliveryDone
		case !retryable:
			d.State = deliveryFailed
		case d.Attempts > len(s.opts.WebhookRetry):
			d.State = deliveryFailed
			s.dropHook(d)
		default:
			pause, again = s.opts.WebhookRetry[d.Attempts-1], true
		}
	})
	d.finish()
	if again {
		s.after(pause, d)
	}
}

// dropHook deletes the subscription whose delivery failed for good. Caller holds mu.
func (s *Server) dropHook(d *delivery) {
	st := s.stores[d.Store]
	i := slices.IndexFunc(st.Hooks, func(h *hook) bool { return h.ID == d.Hook })
	if i < 0 {
		return
	}
	st.Gone = append(st.Gone, goneHook{ID: d.Hook, Address: d.Address, Topic: d.Topic, At: s.opts.Now().UTC()})
	st.Hooks = slices.Delete(st.Hooks, i, i+1)
}

func (s *Server) send(d *delivery) (int, error) {
	s.mu.Lock()
	st, now := s.stores[d.Store], s.opts.Now()
	secret := string(st.conf.ClientSecret)
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(s.ctx, deliveryTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.Address, bytes.NewReader(d.Body))
	if err != nil {
		return 0, fmt.Errorf("build webhook request: %w", err)
	}
	stamp := strconv.FormatInt(now.Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Recharge-Topic", d.Topic)
	req.Header.Set("X-Recharge-Hmac-Sha256", plainHash(secret, d.Body))
	req.Header.Set("X-Recharge-Webhook-Timestamp", stamp)
	req.Header.Set("X-Recharge-Webhook-Signature", "t="+stamp+",v1="+timedSignature(secret, stamp, d.Body))
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("deliver webhook: %w", err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)); err != nil {
		return resp.StatusCode, fmt.Errorf("read webhook answer: %w", err)
	}
	return resp.StatusCode, nil
}

// plainHash is the older signature: the SHA-256 of the secret followed by the body, in spite of its header's name.
func plainHash(secret string, body []byte) string {
	h := sha256.New()
	h.Write([]byte(secret))
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

// timedSignature is the newer one: the HMAC of "time.body".
func timedSignature(secret, stamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(stamp + "."))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

func (s *Server) record(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	s.version++
}

// resume goes on with what an earlier server left undelivered.
func (s *Server) resume() {
	s.mu.Lock()
	var left []*delivery
	for _, st := range s.stores {
		for _, d := range st.Deliveries {
			if d.State == deliveryPending {
				d.awaited()
				left = append(left, d)
			}
		}
	}
	s.mu.Unlock()
	for _, d := range left {
		s.after(0, d)
	}
}
