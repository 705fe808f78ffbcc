package clock_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/dev/stack"
	"tillflow/internal/payment"
	"tillflow/standin/faults"
	"tillflow/standin/shopify"
)

// rejected is a session whose page was shut at 47 h, and that page.
func (s *story) rejected(o order) (x *session, page string) {
	s.Helper()
	x = s.begin(o)
	x.skipTo(46*time.Hour + 45*time.Minute)
	page = x.choose()
	x.skipTo(47*time.Hour + time.Minute)
	x.await("closed", closed)
	x.answered(shopify.StateRejected)
	return x, page
}

// givenBack waits until the money is back, and checks that it went once.
func (x *session) givenBack(want moved) {
	x.Helper()
	x.await("given back", func(d payment.Details) bool {
		// A message that only gives a reason to look is the sweep's, as no run listens any more.
		x.skip(20 * time.Second)
		x.sweep()
		return d.State == payment.Reversed
	})
	for range 2 {
		x.skip(time.Hour)
		x.sweep()
	}
	x.answered(shopify.StateRejected)
	x.ends(payment.Reversed, want)
}

// looks counts the stand-in Stripe's answers about single checkouts.
func (s *story) looks() int {
	n := 0
	for _, account := range s.Stripe.Books("").Accounts {
		n += account.Calls["checkout.sessions.retrieve"]
	}
	return n
}

func late(t *testing.T, w *world) {
	t.Helper()
	w.tell(t, "g1", "money two days after the reject, told by the provider: back once", func(s *story) string {
		x, page := s.rejected(order{})
		x.skip(48 * time.Hour)
		x.paysLate(page)
		x.givenBack(moved{captured: 4990, refunded: 4990, captures: 1, refunds: 1})
		require.Equal(s, payment.ByWebhook, x.knownBy(payment.Done))
		return "refunded once"
	})
	w.tell(t, "g2", "a hold two days after the reject: voided once", func(s *story) string {
		x, page := s.rejected(order{kind: shopify.KindAuthorization})
		x.skip(48 * time.Hour)
		x.paysLate(page)
		x.givenBack(moved{})
		return "voided once"
	})
	w.tell(t, "g3", "the message lost: the sweep's watch finds the money", func(s *story) string {
		x, page := s.rejected(order{})
		s.loseWebhooks()
		x.skip(48 * time.Hour)
		x.sweep()
		require.Equal(s, payment.Rejected, x.show().State)
		x.paysLate(page)
		x.skip(12 * time.Hour)
		x.sweep()
		x.await("found", func(d payment.Details) bool { return len(d.Attempts) == 2 || d.Attempts[0].State == payment.Done })
		x.skip(time.Minute)
		x.sweep()
		x.givenBack(moved{captured: 4990, refunded: 4990, captures: 1, refunds: 1})
		require.Equal(s, payment.ByLookup, x.knownBy(payment.Done))
		return "refunded once"
	})
	w.tell(t, "g4", "after watch_until nothing looks any more", func(s *story) string {
		x, page := s.rejected(order{})
		s.loseWebhooks()
		until := x.show().WatchUntil
		require.WithinDuration(s, x.received.Add(47*time.Hour+72*time.Hour), until, 2*time.Minute)
		before := s.looks()
		x.skip(until.Sub(s.Clock.Now()) - time.Minute)
		x.sweep()
		require.Greater(s, s.looks(), before, "until the end it is looked for")
		x.skip(2 * time.Minute)
		x.sweep()
		x.paysLate(page)
		before = s.looks()
		for range 3 {
			x.skip(24 * time.Hour)
			x.sweep()
		}
		require.Equal(s, before, s.looks())
		d := x.show()
		require.Equal(s, payment.Rejected, d.State)
		return "no look in the three days after " + hours(until.Sub(x.received))
	})
}

func lateAndAway(t *testing.T, w *world) {
	t.Helper()
	w.tell(t, "g5", "money after the reject was decided and before the shop could be told: back at once, the answer stays", func(s *story) string {
		x := s.begin(order{})
		x.skipTo(46*time.Hour + 45*time.Minute)
		page := x.choose()
		s.shopFails("*", faults.LoseRequest)
		x.skipTo(47*time.Hour + time.Minute)
		x.await("decided", func(d payment.Details) bool { return d.Final == payment.Reject })
		x.paysLate(page)
		x.await("given back", func(d payment.Details) bool { return d.State == payment.Reversed })
		x.untold()
		s.mend()
		x.skip(5*time.Minute, x)
		x.await("closed", closed)
		x.answered(shopify.StateRejected)
		x.ends(payment.Reversed, moved{captured: 4990, refunded: 4990, captures: 1, refunds: 1})
		return "refunded once, then told after " + hours(x.toldInTime())
	})
}

func second(t *testing.T, w *world) {
	t.Helper()
	w.tell(t, "h1", "paid in one tab while the other picks another method and the shutting is lost: one capture", func(s *story) string {
		x := s.begin(order{})
		page := x.choose()
		s.stripeFails("checkout.sessions.expire", faults.LoseRequest)
		x.presses(sandbox)
		x.pay(page, "success")
		x.skip(2*time.Minute, x) // the shutting is tried for that long before the run looks up
		x.await("closed", closed)
		x.answered(shopify.StateResolved)
		x.ends(payment.Captured, moved{captured: 4990, captures: 1})
		require.Len(s, x.charges(), 1, "the other method was never opened")
		return "one capture, one resolve"
	})
	w.tell(t, "h2", "a page believed shut is paid after another was: the second payment goes back", func(s *story) string {
		x := s.begin(order{})
		page := x.choose()
		x.skip(25*time.Hour, x)
		x.await("the lapse is known", func(d payment.Details) bool { return d.Attempts[0].State == payment.Closed })
		x.comeBack(x.pay(x.choose(), "success"))
		x.await("closed", closed)
		x.paysLate(page)
		want := moved{captured: 2 * 4990, refunded: 4990, captures: 2, refunds: 1}
		require.True(s, s.eventually(func(context.Context) bool { return x.stripeBooks() == want }), "%+v", x.stripeBooks())
		x.await("booked", func(d payment.Details) bool { return len(d.Attempts) == 3 && d.Attempts[2].State == payment.Done })
		x.answered(shopify.StateResolved)
		x.ends(payment.Captured, want)
		return "one of two captures kept"
	})
	w.tell(t, "h3", "a page believed shut is paid while another is open: that one is shut", func(s *story) string {
		x := s.begin(order{})
		page := x.choose()
		x.skip(25*time.Hour, x)
		x.await("the lapse is known", func(d payment.Details) bool { return d.Attempts[0].State == payment.Closed })
		x.choose()
		x.paysLate(page)
		x.await("closed", closed)
		x.answered(shopify.StateResolved)
		x.ends(payment.Captured, moved{captured: 4990, captures: 1})
		for _, c := range x.checkouts() {
			require.NotEqual(s, "open", c.Status)
		}
		return "one capture, the open page shut"
	})
	w.tell(t, "h4", "two tabs, two sessions of one checkout, both paid: one capture kept, the other session rejected", func(s *story) string {
		first := s.begin(order{})
		other := s.begin(order{group: first.group})
		page, otherPage := first.choose(), other.choose()
		first.pay(page, "success")
		first.await("closed", closed)
		other.pay(otherPage, "success")
		other.await("given back", func(d payment.Details) bool { return closed(d) && d.State == payment.Reversed })
		first.answered(shopify.StateResolved)
		first.ends(payment.Captured, moved{captured: 4990, captures: 1})
		other.answered(shopify.StateRejected)
		other.ends(payment.Reversed, moved{captured: 4990, refunded: 4990, captures: 1, refunds: 1})
		require.Equal(s, 1, orders(s, first.group))
		return "two captures, one refund, one order"
	})
}

// orders counts the shop's orders of a checkout.
func orders(s *story, group string) int {
	n := 0
	for _, o := range s.Shopify.Books(stack.Shop, false).Shops[stack.Shop].Orders {
		if o.Group == group {
			n++
		}
	}
	return n
}
