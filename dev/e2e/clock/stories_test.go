//go:build !race

// The race detector finds one in the Temporal server's own time skipping (its mutable state is written by a retried
// activity while a poll reads it), which the stories use all the time, and makes them ten times slower.

package clock_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/standin/faults"
	"tillflow/standin/shopify"
)

// TestStories plays them one after the other: they share a clock that only goes forward.
func TestStories(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, part := range []func(*testing.T, *world){
		nothing, authorised, captured, processing, doubt, pending, late, lateAndAway, second, telling, currencies,
	} {
		part(t, w)
	}
}

func nothing(t *testing.T, w *world) {
	t.Helper()
	w.tell(t, "a1", "nobody chooses a way to pay: rejected at 47 h and not before", func(s *story) string {
		x := s.begin(order{})
		x.skipTo(47*time.Hour - time.Minute)
		x.untold()
		x.skipTo(47*time.Hour + time.Minute)
		x.await("closed", closed)
		x.answered(shopify.StateRejected)
		x.ends(payment.Rejected, moved{})
		require.Empty(s, x.checkouts())
		return "told after " + hours(x.toldInTime())
	})
	w.tell(t, "a2", "the provider's page is shut before the shop hears of it", func(s *story) string {
		x := s.begin(order{})
		x.skipTo(46*time.Hour + 45*time.Minute)
		x.choose()
		x.skipTo(47*time.Hour - time.Minute)
		require.Equal(s, "open", x.checkouts()[0].Status)
		x.untold()
		s.stripeFails("checkout.sessions.expire", faults.HoldReply)
		s.Clock.Skip(2 * time.Minute)
		arrived := s.followSoon(x.run)
		require.Eventually(s, func() bool { return s.Stripe.Faults().Held() == 1 }, patience, glance)
		require.Equal(s, "expired", x.checkouts()[0].Status, "the provider has shut it")
		x.untold()
		s.mend()
		arrived()
		x.await("closed", closed)
		x.answered(shopify.StateRejected)
		x.ends(payment.Rejected, moved{})
		return "shut, then told after " + hours(x.toldInTime())
	})
	w.tell(t, "a3", "a page that lapsed a day ago ends nothing before 47 h", func(s *story) string {
		x := s.begin(order{})
		x.choose()
		x.skipTo(25 * time.Hour)
		require.Equal(s, "expired", x.checkouts()[0].Status, "the provider's page lives a day")
		x.await("the lapse is known", func(d payment.Details) bool { return d.Attempts[0].State == payment.Closed })
		x.skipTo(47*time.Hour - time.Minute)
		x.untold()
		x.skipTo(47*time.Hour + time.Minute)
		x.await("closed", closed)
		x.answered(shopify.StateRejected)
		x.ends(payment.Rejected, moved{})
		return "told after " + hours(x.toldInTime())
	})
}
