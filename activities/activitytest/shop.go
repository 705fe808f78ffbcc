package activitytest

import (
	"context"
	"slices"
	"sync"
	"time"

	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

// Shop is activities.Shop in memory. It acknowledges everything, unless a
// script or a fault says otherwise.
type Shop struct {
	mu       sync.Mutex
	answers  []ShopAnswer
	down     error
	tries    int
	heard    []string
	at       map[string]time.Time
	untils   []time.Time
	reasons  []payment.DeclineReason
	refusals []payment.Refusal
	longest  time.Duration
	now      func() time.Time
}

// ShopAnswer scripts one mutation.
type ShopAnswer struct {
	Err     error
	Refused string
	// Done: the shop took it, and then Err is all that arrived.
	Done bool
}

// NewShop gives a shop that acknowledges.
func NewShop(now func() time.Time) *Shop { return &Shop{now: now, at: map[string]time.Time{}} }

// Script queues answers for the next mutations.
func (s *Shop) Script(answers ...ShopAnswer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers = append(s.answers, answers...)
}

// Down makes every mutation without a script fail with err, until nil.
func (s *Shop) Down(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = err
}

// LimitPending refuses a pending that lasts longer than longest from now.
func (s *Shop) LimitPending(longest time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.longest = longest
}

// Heard lists the mutations that the shop took, without repeats of the same one.
func (s *Shop) Heard() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.heard)
}

// HeardAt is when the shop first took a mutation; zero if it never did.
func (s *Shop) HeardAt(what string) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at[what]
}

// Tries counts all mutations that were tried.
func (s *Shop) Tries() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tries
}

// Reasons lists why payments were rejected.
func (s *Shop) Reasons() []payment.DeclineReason {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.reasons)
}

// Untils lists until when pending was asked for, refusals included.
func (s *Shop) Untils() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.untils)
}

func (s *Shop) take(what string) (payment.Told, error) {
	s.tries++
	answer := ShopAnswer{Err: s.down}
	if len(s.answers) > 0 {
		answer, s.answers = s.answers[0], s.answers[1:]
	}
	if answer.Err == nil && answer.Refused == "" || answer.Done {
		if !slices.Contains(s.heard, what) {
			s.heard = append(s.heard, what)
			s.at[what] = s.now()
		}
	}
	if answer.Err != nil {
		return payment.Told{}, answer.Err
	}
	return payment.Told{Refused: answer.Refused, NextURL: "https://shop.example/thanks"}, nil
}

// ResolvePayment implements activities.Shop.
func (s *Shop) ResolvePayment(_ context.Context, _, gid string, _ time.Time) (payment.Told, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.take("resolve " + gid)
}

// RejectPayment implements activities.Shop.
func (s *Shop) RejectPayment(_ context.Context, _, gid string, why payment.DeclineReason) (payment.Told, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reasons = append(s.reasons, why)
	return s.take("reject " + gid)
}

// PendPayment implements activities.Shop.
func (s *Shop) PendPayment(_ context.Context, _, gid string, until time.Time) (payment.Told, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.untils = append(s.untils, until)
	if s.longest > 0 && until.Sub(s.now()) > s.longest {
		s.tries++
		return payment.Told{Refused: "OUT_OF_RANGE_PENDING_EXPIRES_AT"}, nil
	}
	return s.take("pending " + gid)
}

// ResolveMove implements activities.Shop.
func (s *Shop) ResolveMove(_ context.Context, t payment.MoveTelling) (payment.MoveTold, error) {
	return s.takeMove(t)
}

// RejectMove implements activities.Shop.
func (s *Shop) RejectMove(_ context.Context, t payment.MoveTelling) (payment.MoveTold, error) {
	return s.takeMove(t)
}

func (s *Shop) takeMove(t payment.MoveTelling) (payment.MoveTold, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusals = append(s.refusals, t.Refusal)
	told, err := s.take(string(t.Final) + " " + string(t.Kind) + " " + t.GID)
	return payment.MoveTold{Refused: told.Refused}, err
}

// Refusals lists why moves were refused, as often as the shop was told; empty
// for those that were not.
func (s *Shop) Refusals() []payment.Refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.refusals)
}

// Neighbours finds the connectors and opens accounts: an account is named like
// its provider.
type Neighbours map[string]psp.Connector

// Connector implements activities.Connectors.
func (n Neighbours) Connector(name string) (psp.Connector, error) {
	if c, ok := n[name]; ok {
		return c, nil
	}
	return nil, payment.Errorf(payment.Unsupported, "no connector for %q", name)
}

// Account implements activities.Accounts.
func (n Neighbours) Account(_ context.Context, id string) (provider string, credentials map[string]string, live bool, err error) {
	if _, ok := n[id]; !ok {
		return "", nil, false, payment.Errorf(payment.NotFound, "no account %q", id)
	}
	return id, map[string]string{"key": "secret-" + id}, true, nil
}

// Links implements activities.Links.
type Links struct{}

// Return implements activities.Links.
func (Links) Return(token string) string { return "https://till.example/return/" + token }

// Back implements activities.Links.
func (Links) Back(token string) string { return "https://till.example/pay/" + token }

// Clock is a clock that a test moves.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock starts a clock.
func NewClock(at time.Time) *Clock { return &Clock{now: at} }

// Now is the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Move lets time pass.
func (c *Clock) Move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
