package clock_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/standin/faults"
	"tillflow/standin/shopify"
)

// paidUnseen is a session whose buyer has paid and whose provider then cannot be reached, until 48 h and more are over.
func (s *story) paidUnseen() *session {
	s.Helper()
	x := s.begin(order{})
	page := x.choose()
	s.loseWebhooks()
	x.pay(page, "success")
	s.stripeAway()
	x.inDoubt()
	return x
}

// inDoubt moves past the deadline: a person is told, the shop is not.
func (x *session) inDoubt() {
	x.Helper()
	x.skipTo(47*time.Hour + 5*time.Minute)
	x.await("a person", needs(payment.InDoubt))
	x.untold()
	require.Equal(x, 1, x.mails("Payment in doubt"))
}

func doubt(t *testing.T, w *world) {
	t.Helper()
	w.tell(t, "e1", "the provider is away at the deadline: we keep looking, and what it shows later resolves", func(s *story) string {
		x := s.paidUnseen()
		x.skipTo(52 * time.Hour)
		x.untold()
		s.mend()
		x.skip(31*time.Minute, x)
		x.await("closed", closed)
		x.answered(shopify.StateResolved)
		x.ends(payment.Captured, moved{captured: 4990, captures: 1})
		return "resolved after " + hours(x.toldAfter())
	})
	w.tell(t, "e2", "what it shows later may be that nobody paid", func(s *story) string {
		x := s.begin(order{})
		x.choose()
		s.loseWebhooks()
		s.stripeAway()
		x.inDoubt()
		s.mend()
		x.skip(31*time.Minute, x)
		x.await("closed", closed)
		x.answered(shopify.StateRejected)
		x.ends(payment.Rejected, moved{})
		return "rejected after " + hours(x.toldAfter())
	})
	w.tell(t, "e3", "the answer of the opening call is lost: in doubt until a look by our reference", func(s *story) string {
		x := s.begin(order{})
		x.skipTo(44 * time.Hour)
		s.loseWebhooks()
		s.stripeFails("checkout.sessions.create", faults.LoseReply)
		for _, look := range []string{"checkout.sessions.list", "checkout.sessions.retrieve", "checkout.sessions.expire"} {
			s.stripeFails(look, faults.LoseRequest)
		}
		x.presses(card)
		x.await("doubt", func(d payment.Details) bool { return len(d.Attempts) == 1 && d.Attempts[0].State == payment.Doubtful })
		x.inDoubt()
		require.Len(s, x.checkouts(), 1, "opened once, under one key")
		s.mend()
		x.skip(31*time.Minute, x)
		x.await("closed", closed)
		x.answered(shopify.StateRejected)
		x.ends(payment.Rejected, moved{})
		require.Len(s, x.checkouts(), 1)
		return "one checkout, rejected after " + hours(x.toldAfter())
	})
	w.tell(t, "e4", "a person who saw the money decides", func(s *story) string {
		x := s.paidUnseen()
		require.NoError(s, x.decides(payment.DecidePaid))
		x.await("closed", closed)
		x.answered(shopify.StateResolved)
		s.mend()
		x.ends(payment.Captured, moved{captured: 4990, captures: 1})
		require.Equal(s, payment.ByPerson, x.knownBy(payment.Done))
		return "resolved after " + hours(x.toldAfter())
	})
	w.tell(t, "e5", "a person who saw that nobody paid decides, once the page cannot be paid any more", func(s *story) string {
		x := s.begin(order{})
		x.skipTo(46*time.Hour + 50*time.Minute)
		x.choose()
		s.loseWebhooks()
		s.stripeAway()
		x.inDoubt()
		require.Error(s, x.decides(payment.DecideNotPaid), "the page lives until 47:22 and may be paid")
		x.skipTo(48 * time.Hour)
		require.NoError(s, x.decides(payment.DecideNotPaid))
		x.await("closed", closed)
		x.answered(shopify.StateRejected)
		s.mend()
		x.ends(payment.Rejected, moved{})
		require.Equal(s, payment.ByPerson, x.knownBy(payment.NotDone))
		return "rejected after " + hours(x.toldAfter())
	})
}
