package faults

import (
	"fmt"
	"strings"
)

// Kind says what goes wrong. Declines carry their code: "decline:insufficient_funds", see Decline.
type Kind string

// The kinds a rule may have. Those that act on a call act on the operation named by Rule.Call; the kinds that begin
// with webhook_ (but not WebhookBeforeReply) act on the event type named there.
const (
	// LoseRequest closes the connection before anything is done.
	LoseRequest Kind = "lose_request"
	// LoseReply commits, then closes the connection without an answer.
	LoseReply Kind = "lose_reply"
	// Delay waits Rule.DelayMS before the commit; the caller may be gone by then, the work is done all the same.
	Delay Kind = "delay"
	// DelayReply commits and waits Rule.DelayMS before it answers.
	DelayReply Kind = "delay_reply"
	// HoldReply commits and keeps the answer back until Release or until the caller disconnects.
	HoldReply Kind = "hold_reply"
	// TooManyRequests answers 429 with Retry-After (Rule.DelayMS in seconds, rounded up, at least one).
	TooManyRequests Kind = "429"
	// ErrorBefore answers 500 and does nothing.
	ErrorBefore Kind = "500_before"
	// ErrorAfter commits and answers 500.
	ErrorAfter Kind = "500_after"
	// WrongAmount moves one minor unit less than was asked for.
	WrongAmount Kind = "wrong_amount"
	// SlowSettle makes the movement pending for Rule.DelayMS; zero means until it is settled by hand.
	SlowSettle Kind = "slow_settle"
	// WebhookBeforeReply delivers what a call caused before the call is answered.
	WebhookBeforeReply Kind = "webhook_before_reply"
	// WebhookDrop never delivers the event; the stand-in counts it as undelivered.
	WebhookDrop Kind = "webhook_drop"
	// WebhookTwice delivers the event two times.
	WebhookTwice Kind = "webhook_twice"
	// WebhookDelay delivers the event Rule.DelayMS later; events behind it overtake.
	WebhookDelay Kind = "webhook_delay"
	// WebhookReorder delivers the event after the next one of the same payment, or after Rule.DelayMS (default one
	// second) when none follows.
	WebhookReorder Kind = "webhook_reorder"
)

const declinePrefix = "decline:"

// Decline is the kind that makes the stand-in refuse with the given code of the provider's own vocabulary.
func Decline(code string) Kind { return Kind(declinePrefix + code) }

// DeclineCode returns the code of a decline kind, and false for every other kind.
func (k Kind) DeclineCode() (string, bool) { return strings.CutPrefix(string(k), declinePrefix) }

// scope says what a kind counts: API calls or webhook deliveries. Both never share a counter, so that a rule for
// call "*" is not used up by the other sort.
type scope int

const (
	scopeUnknown scope = iota
	scopeCall
	scopeWebhook
)

func (k Kind) scope() scope {
	switch k {
	case LoseRequest, LoseReply, Delay, DelayReply, HoldReply, TooManyRequests, ErrorBefore, ErrorAfter,
		WrongAmount, SlowSettle, WebhookBeforeReply:
		return scopeCall
	case WebhookDrop, WebhookTwice, WebhookDelay, WebhookReorder:
		return scopeWebhook
	default:
		if code, ok := k.DeclineCode(); ok && code != "" {
			return scopeCall
		}
		return scopeUnknown
	}
}

// needsDelay reports whether a rule of this kind without delay_ms would do nothing.
func (k Kind) needsDelay() bool { return k == Delay || k == DelayReply || k == WebhookDelay }

// Rule arms one fault.
type Rule struct {
	// Call is the operation (or event type) it applies to; "*" is every one, "refunds.*" every one with that prefix.
	Call string `json:"call"`
	// Kind is what goes wrong.
	Kind Kind `json:"kind"`
	// Nth is the first matching call, counted from arming, that is hit. Zero means the next one.
	Nth int `json:"nth,omitempty"`
	// Times is how many calls in a row are hit from there; 0 means once, -1 for ever.
	Times int `json:"times,omitempty"`
	// DelayMS is the duration, in milliseconds, of the kinds that have one.
	DelayMS int64 `json:"delay_ms,omitempty"`
	// Match, when set, must occur in the path, query or body of the call (in the body of the webhook).
	Match string `json:"match,omitempty"`
}

// maxDelayMS bounds DelayMS to a day: longer is a typing mistake, not a test.
const maxDelayMS = 24 * 60 * 60 * 1000

func (r Rule) validate() error {
	switch {
	case r.Call == "":
		return fmt.Errorf(`call is missing: name an operation or "*"`)
	case r.Kind.scope() == scopeUnknown:
		return fmt.Errorf("kind %q is unknown", r.Kind)
	case r.Nth < 0:
		return fmt.Errorf("nth is %d: it counts from 1", r.Nth)
	case r.Times < -1:
		return fmt.Errorf("times is %d: use -1 for ever", r.Times)
	case r.DelayMS < 0 || r.DelayMS > maxDelayMS:
		return fmt.Errorf("delay_ms is %d: it must be between 0 and %d", r.DelayMS, maxDelayMS)
	case r.DelayMS == 0 && r.Kind.needsDelay():
		return fmt.Errorf("kind %q needs delay_ms", r.Kind)
	}
	return nil
}

// applies reports whether a call of that name and content is one the rule counts.
func (r Rule) applies(name, subject string) bool {
	if prefix, ok := strings.CutSuffix(r.Call, "*"); ok {
		if !strings.HasPrefix(name, prefix) {
			return false
		}
	} else if r.Call != name {
		return false
	}
	return r.Match == "" || strings.Contains(subject, r.Match)
}
