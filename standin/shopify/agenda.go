package shopify

import (
	"container/heap"
	"sync"
	"time"
)

// pollEvery is how often a stand-in with something on its agenda looks at its clock, which may be moved by hand.
const pollEvery = 50 * time.Millisecond

// agenda does things at moments of the stand-in's clock.
type agenda struct {
	now  func() time.Time
	stop chan struct{}
	done chan struct{}
	wake chan struct{} // holds one token: something was added
	once sync.Once

	mu     sync.Mutex
	items  appointments
	serial int
}

type appointment struct {
	at     time.Time
	serial int // of two at the same moment the earlier made comes first
	do     func()
}

func newAgenda(now func() time.Time) *agenda {
	a := &agenda{now: now, stop: make(chan struct{}), done: make(chan struct{}), wake: make(chan struct{}, 1)}
	go a.run()
	return a
}

// at calls do once the clock has reached a moment, in a goroutine that all appointments share.
func (a *agenda) at(moment time.Time, do func()) {
	a.mu.Lock()
	a.serial++
	heap.Push(&a.items, appointment{at: moment, serial: a.serial, do: do})
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

func (a *agenda) close() {
	a.once.Do(func() { close(a.stop) })
	<-a.done
}

func (a *agenda) run() {
	defer close(a.done)
	for {
		do, waiting := a.due()
		if do != nil {
			do()
			continue
		}
		var tick <-chan time.Time // nil, and never ready, while there is nothing to wait for
		var timer *time.Timer
		if waiting {
			timer = time.NewTimer(pollEvery)
			tick = timer.C
		}
		select {
		case <-a.stop:
		case <-a.wake:
		case <-tick:
		}
		if timer != nil {
			timer.Stop()
		}
		select {
		case <-a.stop:
			return
		default:
		}
	}
}

// due takes what is due off the agenda, and reports whether anything else is on it.
func (a *agenda) due() (do func(), waiting bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.items) == 0 {
		return nil, false
	}
	if a.items[0].at.After(a.now()) {
		return nil, true
	}
	next, _ := heap.Pop(&a.items).(appointment)
	return next.do, true
}

// appointments is a heap by time.
type appointments []appointment

func (l appointments) Len() int { return len(l) }

func (l appointments) Less(i, j int) bool {
	if l[i].at.Equal(l[j].at) {
		return l[i].serial < l[j].serial
	}
	return l[i].at.Before(l[j].at)
}

func (l appointments) Swap(i, j int) { l[i], l[j] = l[j], l[i] }

// Push implements heap.Interface.
func (l *appointments) Push(item any) {
	added, _ := item.(appointment)
	*l = append(*l, added)
}

// Pop implements heap.Interface.
func (l *appointments) Pop() any {
	last := len(*l) - 1
	item := (*l)[last]
	(*l)[last] = appointment{} // the heap must not keep what it gave away
	*l = (*l)[:last]
	return item
}
