package faults

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Options describe the stand-in a Switchboard serves.
type Options struct {
	// Calls are the operations of the stand-in. A rule that names another one is refused, so that a misspelt rule does
	// not pass for a fault that never fired. Empty accepts every name.
	Calls []string
	// ErrorBody is the provider's error body for a status (429, 500) and its content type. Nil answers plain text.
	ErrorBody func(status int) (contentType string, body []byte)
}

// Switchboard holds the armed rules of one stand-in. It is safe for concurrent use; make it with New.
type Switchboard struct {
	opts Options
	done chan struct{} // closed by Close: ends waits

	mu      sync.Mutex
	closed  bool
	serial  int
	armed   []*Armed
	held    int
	delayed int
	release chan struct{} // closed and replaced by Release
}

// Armed is a rule and what became of it.
type Armed struct {
	// ID names the rule within its Switchboard, for example "f3".
	ID string `json:"id"`
	Rule
	// Seen counts the matching calls since arming, Fired those that were hit.
	Seen  int `json:"seen"`
	Fired int `json:"fired"`
	// Spent is set when the rule will not fire again.
	Spent bool `json:"spent"`
}

// Status is what GET /_faults answers.
type Status struct {
	// Rules are all rules since the last Clear, spent ones included, in order of arming.
	Rules []Armed `json:"rules"`
	// Held is the number of replies that HoldReply keeps back at this moment.
	Held int `json:"held"`
	// Delayed is the number of calls that wait in Delay or DelayReply at this moment.
	Delayed int `json:"delayed"`
}

// New returns a Switchboard without rules. Close it when the stand-in stops.
func New(opts Options) *Switchboard {
	opts.Calls = slices.Clone(opts.Calls)
	return &Switchboard{opts: opts, done: make(chan struct{}), release: make(chan struct{})}
}

// Close ends every wait: delayed work goes on at once, held replies are answered.
func (s *Switchboard) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		close(s.done)
	}
}

// Arm adds a rule and returns it with its id. The error says which field is wrong.
func (s *Switchboard) Arm(r Rule) (Armed, error) {
	if err := r.validate(); err != nil {
		return Armed{}, fmt.Errorf("arm fault: %w", err)
	}
	if r.Kind.scope() == scopeCall && !s.knows(r.Call) {
		return Armed{}, fmt.Errorf("arm fault: call %q is unknown, this stand-in has %s", r.Call, strings.Join(s.opts.Calls, ", "))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serial++
	a := &Armed{ID: "f" + strconv.Itoa(s.serial), Rule: r}
	s.armed = append(s.armed, a)
	return *a, nil
}

func (s *Switchboard) knows(call string) bool {
	if len(s.opts.Calls) == 0 {
		return true
	}
	rule := Rule{Call: call}
	return slices.ContainsFunc(s.opts.Calls, func(name string) bool { return rule.applies(name, "") })
}

// Clear disarms every rule, forgets the counts and releases held replies.
func (s *Switchboard) Clear() {
	s.mu.Lock()
	s.armed = nil
	s.mu.Unlock()
	s.Release()
}

// Disarm ends one rule: it stays listed with its counts and does not fire again. Replies that it holds back stay held
// until Release. It reports whether there is a rule of that id.
func (s *Switchboard) Disarm(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.armed {
		if a.ID == id {
			a.Spent = true
			return true
		}
	}
	return false
}

// Release lets every reply go that HoldReply keeps back, and returns how many there were.
func (s *Switchboard) Release() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.held
	close(s.release)
	s.release = make(chan struct{})
	return n
}

// Held is the number of replies kept back now. It is counted after the commit: once it is 1, the work is done.
func (s *Switchboard) Held() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held
}

// Status returns a copy of the rules with their counts.
func (s *Switchboard) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Status{Rules: make([]Armed, 0, len(s.armed)), Held: s.held, Delayed: s.delayed}
	for _, a := range s.armed {
		st.Rules = append(st.Rules, *a)
	}
	return st
}

// Plan counts one call against the armed rules and returns those that fire. Subject is where Rule.Match is looked
// for: path, query and body. Serve does this by itself; call it only for work that is not an HTTP request.
func (s *Switchboard) Plan(name, subject string) *Plan {
	return &Plan{board: s, rules: s.fire(scopeCall, name, subject)}
}

// Webhook counts the first delivery of one event to one endpoint and returns the rules that fire, in order of arming.
func (s *Switchboard) Webhook(eventType, body string) []Rule {
	return s.fire(scopeWebhook, eventType, body)
}

func (s *Switchboard) fire(sc scope, name, subject string) []Rule {
	s.mu.Lock()
	defer s.mu.Unlock()
	var rules []Rule
	for _, a := range s.armed {
		if a.Spent || a.Kind.scope() != sc || !a.applies(name, subject) {
			continue
		}
		a.Seen++
		if a.Seen < a.Nth {
			continue
		}
		a.Fired++
		a.Spent = a.Times >= 0 && a.Fired >= max(1, a.Times)
		rules = append(rules, a.Rule)
	}
	return rules
}

// hold waits for Release, the caller's going away or Close, and is counted while it does.
func (s *Switchboard) hold(ctx context.Context) {
	s.mu.Lock()
	s.held++
	release := s.release
	s.mu.Unlock()
	defer s.uncount(&s.held)
	select {
	case <-release:
	case <-ctx.Done():
	case <-s.done:
	}
}

// delay waits, and is counted while it does; the closing of gone, or Close, ends it early.
func (s *Switchboard) delay(gone <-chan struct{}, ms int64) {
	s.mu.Lock()
	s.delayed++
	s.mu.Unlock()
	defer s.uncount(&s.delayed)
	t := time.NewTimer(time.Duration(ms) * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
	case <-gone:
	case <-s.done:
	}
}

func (s *Switchboard) uncount(n *int) {
	s.mu.Lock()
	*n--
	s.mu.Unlock()
}
