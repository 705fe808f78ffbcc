package clock_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/standin/shopify"
)

// What the bank's word about a hold is worth: a week.
const hold = 7 * 24 * time.Hour

// shortly opens the provider's page so late that the first unasked look would come after the decision.
func shortly(x *session) (page string) {
	x.Helper()
	x.skipTo(46*time.Hour + 52*time.Minute)
	return x.choose()
}

func authorised(t *testing.T, w *world) {
	t.Helper()
	w.tell(t, "b1", "authorised, the message lost: found at the deadline and resolved with the hold's end", func(s *story) string {
		x := s.begin(order{kind: shopify.KindAuthorization})
		page := shortly(x)
		s.loseWebhooks()
		x.pay(page, "success")
		held := s.Clock.Now()
		x.skipTo(47*time.Hour - time.Minute)
		x.untold()
		x.skipTo(47*time.Hour + time.Minute)
		x.await("closed", closed)
		booked := x.answered(shopify.StateResolved)
		require.NotNil(s, booked.AuthorizationExpiresAt)
		require.WithinDuration(s, held.Add(hold), *booked.AuthorizationExpiresAt, 10*time.Second)
		x.ends(payment.Authorized, moved{held: 4990})
		return "told after " + hours(x.toldInTime()) + ", hold ends with the provider's"
	})
	w.tell(t, "b2", "authorised and not wanted: the hold is voided at the deadline", func(s *story) string {
		first := s.begin(order{kind: shopify.KindAuthorization})
		second := s.begin(order{kind: shopify.KindAuthorization, group: first.group})
		second.skipTo(46*time.Hour+52*time.Minute, first)
		page, other := first.choose(), second.choose()
		first.pay(page, "success")
		first.await("closed", closed)
		s.loseWebhooks()
		second.pay(other, "success")
		require.Equal(s, moved{held: 4990}, second.stripeBooks())
		second.skipTo(47*time.Hour + time.Minute)
		second.await("voided", func(d payment.Details) bool { return closed(d) && d.State == payment.Reversed })
		first.answered(shopify.StateResolved)
		first.ends(payment.Authorized, moved{held: 4990})
		second.answered(shopify.StateRejected)
		second.ends(payment.Reversed, moved{})
		return "second hold voided, told after " + hours(second.toldInTime())
	})
}

func captured(t *testing.T, w *world) {
	t.Helper()
	w.tell(t, "c1", "captured, the message lost, the buyer gone: found by the slow look-up", func(s *story) string {
		x := s.begin(order{})
		page := x.choose()
		s.loseWebhooks()
		x.pay(page, "success")
		x.skip(9*time.Minute, x)
		x.untold()
		x.skip(2*time.Minute, x)
		x.await("closed", closed)
		x.answered(shopify.StateResolved)
		x.ends(payment.Captured, moved{captured: 4990, captures: 1})
		require.Equal(s, payment.ByLookup, x.knownBy(payment.Done))
		require.Less(s, x.toldAfter(), 15*time.Minute)
		return "told after " + hours(x.toldAfter())
	})
	w.tell(t, "c2", "captured, and no look-up works before the deadline: finished forward", func(s *story) string {
		x := s.begin(order{})
		page := x.choose()
		s.loseWebhooks()
		x.pay(page, "success")
		s.stripeAway()
		x.skipTo(47*time.Hour - time.Minute)
		x.untold()
		s.mend()
		x.skipTo(47*time.Hour + time.Minute)
		x.await("closed", closed)
		x.answered(shopify.StateResolved)
		x.ends(payment.Captured, moved{captured: 4990, captures: 1})
		require.Less(s, x.toldAfter(), 48*time.Hour)
		return "told after " + hours(x.toldAfter())
	})
}

func processing(t *testing.T, w *world) {
	t.Helper()
	atTheDeadline := func(s *story) (x *session, page string) {
		s.Helper()
		x = s.begin(order{})
		page = x.pends()
		x.skipTo(47*time.Hour - time.Minute)
		x.await("nobody needed yet", needs(payment.NobodyNeeded))
		x.skipTo(47*time.Hour + 5*time.Minute)
		x.await("a person", needs(payment.InDoubt))
		require.Equal(s, 1, x.mails("Payment in doubt"))
		return x, page
	}
	w.tell(t, "d1", "processing at the deadline is never nothing: a person is told, a later success resolves", func(s *story) string {
		x, page := atTheDeadline(s)
		x.skipTo(60 * time.Hour)
		require.Equal(s, shopify.StatePending, x.shop().State, "not rejected")
		x.await("still a person", needs(payment.InDoubt))
		require.Equal(s, 1, x.mails("Payment in doubt"), "told once")
		x.settles(page, "succeeded")
		x.await("closed", closed)
		x.answered(shopify.StateResolved)
		x.ends(payment.Captured, moved{captured: 4990, captures: 1})
		require.Equal(s, payment.ByWebhook, x.knownBy(payment.Done))
		return "one mail, resolved after " + hours(x.toldAfter())
	})
	w.tell(t, "d2", "processing at the deadline, and the bank refuses later: only then rejected", func(s *story) string {
		x, page := atTheDeadline(s)
		x.settles(page, "failed")
		x.await("closed", closed)
		x.answered(shopify.StateRejected)
		x.ends(payment.Rejected, moved{})
		return "rejected after " + hours(x.toldInTime())
	})
}
