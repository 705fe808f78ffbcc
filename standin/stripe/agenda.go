package stripe

import (
	"container/heap"
	"time"
)

// dueKind is what happens when its time comes.
type dueKind int

const (
	dueExpiry     dueKind = iota // a session expires
	dueSettlement                // a processing payment is decided
	dueHold                      // an authorization lapses
	dueRefund                    // a pending refund is decided, or one that succeeded fails
)

// due is one entry of the agenda. It may be out of date: who acts on it looks at the object first.
type due struct {
	at   int64 // unix seconds
	kind dueKind
	acct *account
	id   string
}

// agenda is a heap, so that letting time pass costs nothing while nothing is due.
type agenda []due

func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(i, j int) bool { return a[i].at < a[j].at }
func (a agenda) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }

// Push is for container/heap.
func (a *agenda) Push(x any) {
	entry, ok := x.(due)
	if !ok {
		panic("stripe stand-in: agenda holds due entries only")
	}
	*a = append(*a, entry)
}

// Pop is for container/heap.
func (a *agenda) Pop() any {
	old := *a
	last := old[len(old)-1]
	old[len(old)-1] = due{}
	*a = old[:len(old)-1]
	return last
}

func (s *Server) schedule(at int64, kind dueKind, acct *account, id string) {
	heap.Push(&s.agenda, due{at: at, kind: kind, acct: acct, id: id})
}

// advance does everything that is due and returns what it raised. Every request begins with it, so that nobody sees
// a session that should have expired. Caller holds mu.
func (s *Server) advance(now time.Time) []*event {
	var events []*event
	for len(s.agenda) > 0 && s.agenda[0].at <= now.Unix() {
		entry, ok := heap.Pop(&s.agenda).(due)
		if !ok {
			panic("stripe stand-in: agenda holds due entries only")
		}
		c := &change{s: s, acct: entry.acct, now: now}
		c.act(entry)
		events = append(events, c.events...)
	}
	return events
}

func (c *change) act(entry due) {
	switch entry.kind {
	case dueExpiry:
		if cs, ok := c.acct.checkouts.get(entry.id); ok && cs.Status == checkoutOpen {
			c.expireSession(cs)
		}
	case dueSettlement:
		if pi, ok := c.acct.intents.get(entry.id); ok && pi.Status == processing && pi.SettleAt == entry.at {
			c.settle(pi, !pi.SettleFails)
		}
	case dueHold:
		if pi, ok := c.acct.intents.get(entry.id); ok && pi.Status == needsCapture {
			c.cancelIntent(pi, "automatic")
		}
	case dueRefund:
		if re, ok := c.acct.refunds.get(entry.id); ok && re.SettleAt == entry.at {
			c.settleRefund(re)
		}
	default:
		panic("stripe stand-in: unknown agenda entry")
	}
}
