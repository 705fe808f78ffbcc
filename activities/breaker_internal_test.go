package activities

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// timeline drives one breaker by hand; a call may take 20 s.
type timeline struct {
	breaker

	t   *testing.T
	now time.Time
}

func newTimeline(t *testing.T) *timeline {
	t.Helper()
	return &timeline{breaker: newBreaker(20 * time.Second), t: t, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
}

func (l *timeline) after(d time.Duration) *timeline {
	l.now = l.now.Add(d)
	return l
}

// asks expects a pass, and for a refused send the time until it may ask again.
func (l *timeline) asks(want pass, wait time.Duration) {
	l.t.Helper()
	got, gotWait := l.ask(l.now)
	require.Equal(l.t, want, got)
	require.Equal(l.t, wait, gotWait)
}

// hears takes in ends of sends that had the pass and expects whether the last one changed what people see.
func (l *timeline) hears(p pass, changed bool, ends ...said) {
	l.t.Helper()
	got := false
	for _, end := range ends {
		got = l.hear(p, end, l.now)
	}
	require.Equal(l.t, changed, got)
}

func (l *timeline) trip() *timeline {
	l.t.Helper()
	l.hears(free, true, silent, silent, silent, silent, silent)
	return l
}

func TestBreaker(t *testing.T) {
	t.Parallel()

	t.Run("five silent sends in a row pause the account", func(t *testing.T) {
		t.Parallel()
		l := newTimeline(t)
		l.hears(free, false, silent, silent, silent, silent)
		l.asks(free, 0)
		l.hears(free, true, silent)
		l.asks(refused, 5*time.Second)
		l.after(4*time.Second).asks(refused, time.Second)
	})

	t.Run("any answer in between starts the count anew", func(t *testing.T) {
		t.Parallel()
		l := newTimeline(t)
		l.hears(free, false, silent, silent, silent, silent, answered, silent, silent, silent, silent)
		l.asks(free, 0)
	})

	t.Run("what says nothing of the provider is not counted", func(t *testing.T) {
		t.Parallel()
		l := newTimeline(t)
		for range 20 {
			l.hears(free, false, nothingSaid)
		}
		l.hears(free, false, silent, silent, nothingSaid, silent, silent)
		l.hears(free, true, silent)
	})

	t.Run("after the pause one send tries and the others wait for it", func(t *testing.T) {
		t.Parallel()
		l := newTimeline(t).trip().after(5 * time.Second)
		l.asks(trial, 0)
		l.asks(refused, 5*time.Second)
		l.asks(refused, 5*time.Second)
	})

	t.Run("an answered trial ends the pause, and the count with it", func(t *testing.T) {
		t.Parallel()
		l := newTimeline(t).trip().after(5 * time.Second)
		l.asks(trial, 0)
		l.hears(trial, true, answered)
		l.asks(free, 0)
		l.hears(free, false, silent, silent, silent, silent)
		l.asks(free, 0)
		l.hears(free, true, silent)
		l.asks(refused, 5*time.Second)
	})

	t.Run("each trial in vain doubles the pause, up to twice the time of a call", func(t *testing.T) {
		t.Parallel()
		l := newTimeline(t).trip().after(5 * time.Second)
		since := l.since
		for _, pause := range []time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second, 40 * time.Second} {
			l.asks(trial, 0)
			l.hears(trial, true, silent)
			l.asks(refused, pause)
			require.Equal(t, since, l.since, "the pause is one")
			l.after(pause)
		}
		require.Equal(t, tripAfter+4, l.failures)
	})

	t.Run("a trial that says nothing is followed by another", func(t *testing.T) {
		t.Parallel()
		l := newTimeline(t).trip().after(5 * time.Second)
		l.asks(trial, 0)
		l.hears(trial, false, nothingSaid)
		l.asks(trial, 0)
	})

	t.Run("what was sent before the pause neither ends nor prolongs it", func(t *testing.T) {
		t.Parallel()
		l := newTimeline(t).trip()
		l.hears(free, false, silent, answered, silent)
		l.asks(refused, 5*time.Second)
		l.after(5*time.Second).asks(trial, 0)
		l.hears(free, false, answered)
		l.asks(refused, 5*time.Second)
	})
}

func TestRefusedCallsComeAgainOneAfterTheOther(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	q := queue{gap: time.Second, longest: 10 * time.Second}
	require.Equal(t, 8*time.Second, q.join(now, 8*time.Second))
	require.Equal(t, 9*time.Second, q.join(now, 8*time.Second))
	require.Equal(t, 10*time.Second, q.join(now, 8*time.Second))
	require.Equal(t, 10*time.Second, q.join(now, 8*time.Second), "nobody waits longer than that")
	require.Equal(t, 9*time.Second, q.join(now.Add(2*time.Second), time.Second))
	require.Equal(t, time.Second, q.join(now.Add(time.Hour), time.Second))
}
