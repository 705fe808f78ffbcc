package shopify

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAgenda(t *testing.T) {
	t.Parallel()
	start := func(t *testing.T) (*agenda, *clock) {
		t.Helper()
		ticking := newClock()
		a := newAgenda(ticking.now)
		t.Cleanup(a.close)
		return a, ticking
	}
	t.Run("things are done in order of their moments, not of their making", func(t *testing.T) {
		t.Parallel()
		a, ticking := start(t)
		done := make(chan int, 4)
		for n, in := range []time.Duration{3, 1, 2, 1} {
			a.at(ticking.now().Add(in*time.Hour), func() { done <- n })
		}
		ticking.add(3 * time.Hour)
		require.Equal(t, []int{1, 3, 2, 0}, []int{<-done, <-done, <-done, <-done})
	})
	t.Run("nothing is done early", func(t *testing.T) {
		t.Parallel()
		a, ticking := start(t)
		var done atomic.Int32
		a.at(ticking.now().Add(time.Hour), func() { done.Add(1) })
		ticking.add(time.Hour - time.Nanosecond)
		require.Never(t, func() bool { return done.Load() > 0 }, 3*pollEvery, pollEvery)
		ticking.add(time.Nanosecond)
		require.Eventually(t, func() bool { return done.Load() == 1 }, 10*time.Second, time.Millisecond)
	})
	t.Run("what is due already is done at once, also by what is being done", func(t *testing.T) {
		t.Parallel()
		a, ticking := start(t)
		done := make(chan struct{})
		a.at(ticking.now(), func() { a.at(ticking.now().Add(-time.Hour), func() { close(done) }) })
		<-done
	})
	t.Run("closing ends it with things left, and twice is harmless", func(t *testing.T) {
		t.Parallel()
		a, ticking := start(t)
		a.at(ticking.now().Add(time.Hour), func() { t.Error("never") })
		a.close()
		a.close()
		ticking.add(2 * time.Hour)
		a.at(ticking.now(), func() { t.Error("never") })
	})
}
