package activities

import "time"

// tripAfter is how many sends in a row must bring nothing before new ones are
// paused.
const tripAfter = 5

// said is what the end of a send tells of the provider.
type said int

const (
	nothingSaid said = iota // the caller left, or we failed
	answered                // a decline or a refusal is an answer too
	silent                  // out of reach, a time-out, or a failure that says nothing of the send
)

// pass is a breaker's word on a send.
type pass int

const (
	refused pass = iota
	free
	trial // the one send that finds out whether the provider is back
)

// breaker stops new sends of one account while its provider does not answer:
// tripAfter silent sends in a row open it, and after a pause one send tries
// again. It knows of sends only. Look-ups pass it by, so what is in doubt is
// looked up all the while, and that they work says nothing about sends.
type breaker struct {
	first    time.Duration // pause; doubles with each trial in vain
	failures int           // silent sends in a row
	since    time.Time     // of the pause; zero: sends go through
	until    time.Time     // then one send tries
	pause    time.Duration
	trying   bool
}

// newBreaker pauses for a fourth of the time that one call may take, and for
// twice that time at most: a provider that refuses at once is back within
// seconds, one that hangs costs one slot.
func newBreaker(callTimeout time.Duration) breaker { return breaker{first: callTimeout / 4} }

// longest pause between two trials.
func (b *breaker) longest() time.Duration { return 8 * b.first }

// ask asks for a send. A refused one may ask again after wait.
func (b *breaker) ask(now time.Time) (p pass, wait time.Duration) {
	switch {
	case b.since.IsZero():
		return free, 0
	case b.trying:
		return refused, b.pause
	case now.Before(b.until):
		return refused, b.until.Sub(now)
	}
	b.trying = true
	return trial, 0
}

// hear takes in how a send ended and reports whether the pause began, was
// prolonged or is over. What was sent before a pause says nothing about it.
func (b *breaker) hear(p pass, what said, now time.Time) (changed bool) {
	if p == trial {
		b.trying = false
	}
	switch {
	case what == nothingSaid, p != trial && !b.since.IsZero():
		return false
	case what == answered:
		changed = !b.since.IsZero()
		*b = breaker{first: b.first}
		return changed
	}
	b.failures++
	switch {
	case p == trial:
		b.pause = min(2*b.pause, b.longest())
	case b.failures >= tripAfter:
		b.since, b.pause = now, b.first
	default:
		return false
	}
	b.until = now.Add(b.pause)
	return true
}

// queue makes refused calls come again one after the other: all at once they
// would keep the worker busy with being refused.
type queue struct {
	gap     time.Duration
	longest time.Duration
	next    time.Time
}

// join gives the time until a call that is refused now may come again, wait at least.
func (q *queue) join(now time.Time, wait time.Duration) time.Duration {
	at := now.Add(wait)
	if at.Before(q.next) {
		at = q.next
	}
	if last := now.Add(q.longest); at.After(last) {
		return q.longest
	}
	q.next = at.Add(q.gap)
	return at.Sub(now)
}
