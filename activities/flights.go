package activities

import (
	"context"
	"errors"
	"sync"
	"time"

	"tillflow/internal/payment"
)

// Flights caps the calls in flight per provider account in this process, so
// that one hung provider cannot take every slot of the worker.
type Flights struct {
	mu     sync.Mutex
	places map[string]chan struct{} // by account; as many as its cap
}

// NewFlights gives an empty Flights.
func NewFlights() *Flights { return &Flights{places: map[string]chan struct{}{}} }

// placeWithin is how long a call waits for a place: long enough for a healthy
// provider's rush, short enough that a hung one holds no slot.
const placeWithin = time.Second

// enter takes a place, or answers Unavailable: nothing was sent.
func (f *Flights) enter(ctx context.Context, account string, limit int) (leave func(), err error) {
	f.mu.Lock()
	places, ok := f.places[account]
	if !ok {
		places = make(chan struct{}, limit)
		f.places[account] = places
	}
	f.mu.Unlock()
	patience := time.NewTimer(placeWithin)
	defer patience.Stop()
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	case <-ctx.Done():
	case <-patience.C:
	}
	return nil, &payment.Error{
		Class: payment.Unavailable, Code: "in_flight_cap",
		Message: "too many calls of this account are in flight, nothing was sent", RetryAfter: 2 * time.Second,
	}
}

func codeOf(err error) string {
	if e, ok := errors.AsType[*payment.Error](err); ok && e.Code != "" {
		return e.Code
	}
	return "refused"
}
