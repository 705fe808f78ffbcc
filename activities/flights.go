package activities

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"tillflow/internal/payment"
)

// Slots is how many activities one worker runs at a time.
const Slots = 400

// Half of a worker's slots may be in calls to one provider, and a fifth of those
// in sends of one account, as many in its look-ups, and as many waiting for a
// place. So whatever hangs, other accounts of the provider and the steps that
// call none find slots.
const (
	providerPlaces = Slots / 2
	accountPlaces  = providerPlaces / 5
)

// pausedLooks is how many look-ups are in flight for an account whose sends are
// paused: enough to keep finding out, too few to matter when they hang.
const pausedLooks = 4

// placeWithin is how long a call waits for a place: long enough for a healthy
// provider's rush, short enough that a hung one holds no slot.
const placeWithin = time.Second

// Flights keeps one account at a provider from standing in the way of others in
// this process. Each account has places for calls in flight, and a breaker that
// stops new sends while its provider does not answer. Look-ups are never stopped:
// they are how what is in doubt is found out. It is safe for concurrent use.
type Flights struct {
	o FlightOptions

	mu        sync.Mutex
	providers map[string]gate
	accounts  map[string]*traffic
}

// FlightOptions are what Flights need; all are required.
type FlightOptions struct {
	Pauses Pauses
	Worker string // names this process to people
	Now    func() time.Time
	Log    zerolog.Logger
}

// NewFlights gives Flights in which nothing is under way.
func NewFlights(o FlightOptions) *Flights {
	return &Flights{o: o, providers: map[string]gate{}, accounts: map[string]*traffic{}}
}

// gate has as many places as its capacity.
type gate chan struct{}

func (g gate) enter() bool {
	select {
	case g <- struct{}{}:
		return true
	default:
		return false
	}
}

func (g gate) leave() { <-g }

// traffic is what one account has under way.
type traffic struct {
	sends, looks, slowLooks gate
	waiting                 gate

	breaker breaker // guarded by Flights.mu
	again   queue   // refused calls come again one after the other; guarded by Flights.mu
}

// of finds the traffic of an account and its provider's gate.
func (f *Flights) of(l *line) (*traffic, gate) {
	f.mu.Lock()
	defer f.mu.Unlock()
	provider, ok := f.providers[l.connector.Name()]
	if !ok {
		provider = make(gate, providerPlaces)
		f.providers[l.connector.Name()] = provider
	}
	t, ok := f.accounts[l.account.ID]
	if !ok {
		c := l.connector.Contract()
		n := min(c.InFlight, accountPlaces)
		t = &traffic{
			sends: make(gate, n), looks: make(gate, n), slowLooks: make(gate, min(n, pausedLooks)), waiting: make(gate, n),
			breaker: newBreaker(c.CallTimeout), again: queue{gap: c.CallTimeout / 40, longest: 15 * c.CallTimeout},
		}
		f.accounts[l.account.ID] = t
	}
	return t, provider
}

// send lets a send fly, or answers Unavailable: it was not sent. land must be
// called with what came back.
func (f *Flights) send(ctx context.Context, l *line) (land func(error), err error) {
	t, provider := f.of(l)
	f.mu.Lock()
	now := f.o.Now()
	pass, wait := t.breaker.ask(now)
	if pass == refused {
		wait = t.again.join(now, wait)
	}
	f.mu.Unlock()
	if pass == refused {
		return nil, &payment.Error{
			Class: payment.Unavailable, Code: payment.CodePaused, RetryAfter: wait,
			Message: "the provider has not answered this account's last calls, so new ones are paused: nothing was sent",
		}
	}
	leave, err := enter(ctx, provider, t.sends, t.waiting)
	if err != nil {
		f.landed(ctx, l, t, pass, nothingSaid)
		return nil, err
	}
	return func(err error) {
		leave()
		f.landed(ctx, l, t, pass, hear(ctx, err))
	}, nil
}

// look lets a look-up, or the shutting of a page, fly, or answers Unavailable:
// nobody was asked. leave must be called afterwards.
func (f *Flights) look(ctx context.Context, l *line) (leave func(), err error) {
	t, provider := f.of(l)
	f.mu.Lock()
	paused := !t.breaker.since.IsZero()
	f.mu.Unlock()
	if !paused {
		return enter(ctx, provider, t.looks, t.waiting)
	}
	leave, err = enter(ctx, provider, t.slowLooks, nil)
	if e, ok := asPaymentError(err); ok {
		f.mu.Lock()
		defer f.mu.Unlock()
		e.RetryAfter = t.again.join(f.o.Now(), t.breaker.first)
	}
	return leave, err
}

// enter takes a place at the provider and one of the account. Only the latter is
// waited for, for a moment and by few, because who waits holds a slot.
func enter(ctx context.Context, provider, account, waiting gate) (leave func(), err error) {
	if !provider.enter() {
		return nil, crowded()
	}
	if account.enter() || waiting.enter() && await(ctx, account, waiting) {
		return func() { account.leave(); provider.leave() }, nil
	}
	provider.leave()
	return nil, crowded()
}

func await(ctx context.Context, account, waiting gate) bool {
	defer waiting.leave()
	patience := time.NewTimer(placeWithin)
	defer patience.Stop()
	select {
	case account <- struct{}{}:
		return true
	case <-ctx.Done():
	case <-patience.C:
	}
	return false
}

// crowded comes again after the policy's own pauses, which grow.
func crowded() error {
	return &payment.Error{
		Class: payment.Unavailable, Code: payment.CodeCrowded, Message: "too many calls of this account or provider are in flight: nothing was sent",
	}
}

// hear reads what the end of a send says of the provider. A refusal is an answer
// like any other; a caller that left says nothing.
func hear(ctx context.Context, err error) said {
	switch {
	case err == nil:
		return answered
	case errors.Is(ctx.Err(), context.Canceled):
		return nothingSaid
	}
	switch payment.ClassOf(err, payment.Unknown) {
	case payment.Unavailable, payment.Unknown:
		return silent
	case payment.Invalid, payment.Unauthorized, payment.RateLimited, payment.NotFound, payment.Conflict, payment.Unsupported,
		payment.StillPending:
		return answered
	case payment.Bug:
	}
	return nothingSaid
}

// landed tells the breaker, and people when that changes what they see.
func (f *Flights) landed(ctx context.Context, l *line, t *traffic, pass pass, what said) {
	f.mu.Lock()
	changed := t.breaker.hear(pass, what, f.o.Now())
	p := payment.Pause{
		AccountID: l.account.ID, Worker: f.o.Worker, Since: t.breaker.since, Until: t.breaker.until, Failures: t.breaker.failures,
	}
	f.mu.Unlock()
	if !changed {
		return
	}
	note := f.o.Log.Warn().Time("since", p.Since).Time("again_at", p.Until).Int("unanswered", p.Failures)
	text := "provider does not answer, new sends of the account are paused"
	if p.Since.IsZero() {
		note, text = f.o.Log.Info(), "provider answers again, sends of the account go on"
	}
	note.Str("account_id", p.AccountID).Str("psp", l.connector.Name()).Str("shop", l.account.Shop).Msg(text)
	// People see it late rather than money waiting for it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteWithin)
	defer cancel()
	if err := f.o.Pauses.NotePause(ctx, p); err != nil {
		f.o.Log.Warn().Err(err).Str("account_id", p.AccountID).Msg("pause of the account not noted for the console")
	}
}

func codeOf(err error) string {
	if e, ok := errors.AsType[*payment.Error](err); ok && e.Code != "" {
		return e.Code
	}
	return "refused"
}
