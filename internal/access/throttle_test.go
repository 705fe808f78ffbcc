package access_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/access"
)

// guesser tries without pause, as soon as it is let in.
type guesser struct {
	t                   access.Throttle
	now                 time.Time
	name, address, both access.Tries
}

func newGuesser() *guesser {
	return &guesser{t: access.DefaultThrottle(), now: time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)}
}

// try makes one try and answers how long it had to wait.
func (g *guesser) try() time.Duration {
	wait := g.t.After(g.now, g.name, g.address, g.both)
	g.now = g.now.Add(wait)
	g.name, g.address, g.both = g.t.Count(g.now, g.name), g.t.Count(g.now, g.address), g.t.Count(g.now, g.both)
	return wait
}

func TestThrottle(t *testing.T) {
	t.Parallel()
	t.Run("after the free tries each wait is twice the one before, up to the longest", func(t *testing.T) {
		t.Parallel()
		g := newGuesser()
		var waits []time.Duration
		for range 18 {
			waits = append(waits, g.try())
		}
		s := time.Second
		require.Equal(t, []time.Duration{
			0, 0, 0, 0, 0, 1 * s, 2 * s, 4 * s, 8 * s, 16 * s, 32 * s, 64 * s, 128 * s, 256 * s, 512 * s, 900 * s, 900 * s, 900 * s,
		}, waits)
	})
	t.Run("strangers with addresses without end make about 120 guesses at a name on the first day, 96 on the next", func(t *testing.T) {
		t.Parallel()
		g := newGuesser()
		day := func() (guesses int) {
			for end := g.now.Add(24 * time.Hour); g.now.Before(end); guesses++ {
				g.address, g.both = access.Tries{}, access.Tries{}
				g.try()
			}
			return guesses
		}
		require.InDelta(t, 115, day(), 5)
		require.InDelta(t, 96, day(), 2)
	})
	t.Run("one address that guesses at many names is slowed too", func(t *testing.T) {
		t.Parallel()
		g := newGuesser()
		guesses := 0
		for end := g.now.Add(time.Hour); g.now.Before(end); guesses++ {
			g.name, g.both = access.Tries{}, access.Tries{}
			g.try()
		}
		require.Less(t, guesses, 50)
	})
	t.Run("nobody waits longer than the longest wait, however many tries there were", func(t *testing.T) {
		t.Parallel()
		g := newGuesser()
		many := access.Tries{Failed: 1 << 30, Last: g.now}
		require.Equal(t, g.t.Longest, g.t.After(g.now, many, many, many))
		require.Zero(t, g.t.After(g.now.Add(g.t.Longest), many, many, many))
	})
	t.Run("a name that came in from an address before is kept out there by its own failures alone", func(t *testing.T) {
		t.Parallel()
		g := newGuesser()
		under := access.Tries{Failed: 500, Last: g.now}
		both := access.Tries{Succeeded: g.now.Add(-time.Hour)}
		require.Zero(t, g.t.After(g.now, under, under, both))
		require.NotZero(t, g.t.After(g.now, under, under, access.Tries{}), "a stranger waits")
		both.Failed, both.Last = 5, g.now
		require.Equal(t, time.Second, g.t.After(g.now, under, under, both))
		both = access.Tries{Succeeded: g.now.Add(-g.t.Trust)}
		require.NotZero(t, g.t.After(g.now, under, under, both), "trust ends")
	})
	t.Run("a day without a try and counting starts anew", func(t *testing.T) {
		t.Parallel()
		g := newGuesser()
		tries := access.Tries{Failed: 40, Last: g.now}
		require.Equal(t, 41, g.t.Count(g.now.Add(g.t.Forget-1), tries).Failed)
		require.Equal(t, 1, g.t.Count(g.now.Add(g.t.Forget), tries).Failed)
	})
}

func TestNetwork(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"192.0.2.7":            "192.0.2.7",
		"::ffff:192.0.2.7":     "192.0.2.7",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
		"2001:db8:1:2::9":      "2001:db8:1:2::/64",
		"fe80::1%eth0":         "fe80::/64",
		"":                     "",
		"unknown":              "unknown",
	} {
		require.Equal(t, want, access.Network(address), address)
	}
}
