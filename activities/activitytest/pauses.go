package activitytest

import (
	"context"
	"slices"
	"sync"

	"tillflow/internal/payment"
)

// Pauses keeps every note about an account's pause, in order.
type Pauses struct {
	mu   sync.Mutex
	list []payment.Pause
	// Err is what each note answers.
	Err error
}

// NotePause implements activities.Pauses.
func (p *Pauses) NotePause(_ context.Context, pause payment.Pause) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list = append(p.list, pause)
	return p.Err
}

// All lists the notes so far.
func (p *Pauses) All() []payment.Pause {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.list)
}
