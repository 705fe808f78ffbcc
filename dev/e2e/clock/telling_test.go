package clock_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/standin/faults"
	"tillflow/standin/shopify"
)

// refusedResolve is a paid session whose resolve the shop refused.
func (s *story) refusedResolve() *session {
	s.Helper()
	x := s.begin(order{})
	page := x.choose()
	s.shopFails("paymentSessionResolve", faults.Decline("USER_ERROR"))
	x.pay(page, "success")
	x.await("a person", needs(payment.ResolveRefused))
	require.Equal(s, 1, x.mails("Shop refused a paid order"))
	require.Equal(s, moved{captured: 4990, captures: 1}, x.stripeBooks())
	return x
}

func telling(t *testing.T, w *world) {
	t.Helper()
	w.tell(t, "i1", "the shop refuses the resolve: a person is told, after the shop's time the money goes back", func(s *story) string {
		x := s.refusedResolve()
		x.skip(23*time.Hour+50*time.Minute, x)
		x.await("still a person", needs(payment.ResolveRefused))
		require.Equal(s, moved{captured: 4990, captures: 1}, x.stripeBooks())
		x.skip(20*time.Minute, x)
		x.await("given back", func(d payment.Details) bool { return closed(d) && d.State == payment.Reversed })
		x.ends(payment.Reversed, moved{captured: 4990, refunded: 4990, captures: 1, refunds: 1})
		require.Equal(s, shopify.StateOpen, x.shop().State, "never rejected")
		require.Equal(s, 1, x.mails("Shop refused a paid order"))
		return "one mail, money back after " + hours(x.age())
	})
	w.tell(t, "i2", "a person keeps the money and settles with the shop by hand", func(s *story) string {
		x := s.refusedResolve()
		x.skip(5*time.Hour, x)
		require.NoError(s, x.decides(payment.DecideKeep))
		x.await("closed", closed)
		x.skip(72 * time.Hour)
		x.sweep()
		x.ends(payment.Captured, moved{captured: 4990, captures: 1})
		return "kept"
	})
	w.tell(t, "j", "the shop is away for more than a day: a person is told once, the shop in the end, with a fresh token", func(s *story) string {
		x := s.begin(order{})
		page := x.choose()
		s.shopFails("*", faults.LoseRequest)
		x.pay(page, "success")
		x.await("decided", func(d payment.Details) bool { return d.Final == payment.Resolve })
		x.skipTo(43 * time.Hour) // the last try inside 48 h is up to four hours earlier
		x.await("nobody needed yet", needs(payment.NobodyNeeded))
		require.Zero(s, x.mails("Shop cannot be told"))
		x.skipTo(49 * time.Hour)
		x.await("a person", needs(payment.TellOverdue))
		require.Equal(s, 1, x.mails("Shop cannot be told"))
		x.skipTo(60 * time.Hour)
		require.Equal(s, 1, x.mails("Shop cannot be told"))
		x.untold()
		s.mend()
		armed, err := s.Shopify.Faults().Arm(faults.Rule{Call: "tokenRefresh", Kind: faults.DelayReply, DelayMS: 1, Times: -1})
		require.NoError(s, err)
		x.skip(4*time.Hour+5*time.Minute, x)
		x.await("closed", closed)
		x.answered(shopify.StateResolved)
		x.ends(payment.Captured, moved{captured: 4990, captures: 1})
		refreshed := 0
		for _, r := range s.Shopify.Faults().Status().Rules {
			if r.ID == armed.ID {
				refreshed = r.Fired
			}
		}
		require.Equal(s, 1, refreshed, "the token of an hour had run out")
		return "one mail, told after " + hours(x.toldAfter())
	})
}

func currencies(t *testing.T, w *world) {
	t.Helper()
	for _, c := range []struct {
		name, amount, currency string
		units                  int64
	}{
		{"k1", "12.340", "KWD", 12_340}, // three decimals, of which Stripe wants the last to be 0
		{"k2", "1200", "JPY", 1_200},    // none
	} {
		w.tell(t, c.name, c.amount+" "+c.currency+": the books are equal", func(s *story) string {
			x := s.begin(order{amount: c.amount, currency: c.currency})
			x.comeBack(x.pay(x.choose(), "success"))
			x.await("closed", closed)
			x.answered(shopify.StateResolved)
			x.ends(payment.Captured, moved{captured: c.units, captures: 1})
			return "captured " + c.amount + " " + c.currency
		})
	}
}
