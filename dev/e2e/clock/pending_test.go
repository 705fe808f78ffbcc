package clock_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/standin/shopify"
)

// pends pays by a method that takes time and checks what the shop was told of it.
func (x *session) pends() (page string) {
	x.Helper()
	page = x.choose()
	x.untold()
	x.pay(page, "never_settles")
	x.await("told pending", func(d payment.Details) bool { return !d.PendingAt.IsZero() })
	booked := x.shop()
	require.Equal(x, shopify.StatePending, booked.State)
	require.NotEmpty(x, booked.PendingReason)
	require.NotNil(x, booked.PendingExpiresAt)
	require.False(x, booked.PendingExpiresAt.After(x.received.Add(48*time.Hour)), "pending for longer than we have")
	require.Equal(x, payment.Processing, x.show().State)
	return page
}

// pendings counts how often the shop was told that a payment is pending.
func (x *session) pendings() int {
	x.Helper()
	n := 0
	for _, m := range x.shop().Mutations {
		if m.Op == "paymentSessionPending" {
			n++
		}
	}
	return n
}

func pending(t *testing.T, w *world) {
	t.Helper()
	w.tell(t, "f1", "pending, then the money comes: resolved", func(s *story) string {
		x := s.begin(order{})
		page := x.pends()
		x.skip(20*time.Hour, x)
		x.settles(page, "succeeded")
		x.await("closed", closed)
		x.answered(shopify.StateResolved)
		x.ends(payment.Captured, moved{captured: 4990, captures: 1})
		require.Equal(s, 1, x.pendings())
		return "resolved after " + hours(x.toldAfter())
	})
	w.tell(t, "f2", "pending, then the bank refuses: the buyer tries again and pays", func(s *story) string {
		x := s.begin(order{})
		page := x.pends()
		x.skip(5*time.Hour, x)
		x.settles(page, "failed")
		x.await("refused", func(d payment.Details) bool { return d.Attempts[0].State == payment.Declined })
		again := x.choose()
		require.NotEqual(s, page, again)
		x.comeBack(x.pay(again, "success"))
		x.await("closed", closed)
		x.answered(shopify.StateResolved)
		x.ends(payment.Captured, moved{captured: 4990, captures: 1})
		require.Len(s, x.charges(), 2)
		require.Equal(s, 1, x.pendings())
		return "second attempt resolved after " + hours(x.toldAfter())
	})
	w.tell(t, "f3", "pending, then the bank refuses and nobody tries again: rejected at 47 h", func(s *story) string {
		x := s.begin(order{})
		page := x.pends()
		x.skip(5*time.Hour, x)
		x.settles(page, "failed")
		x.await("refused", func(d payment.Details) bool { return d.Attempts[0].State == payment.Declined })
		x.skipTo(47*time.Hour - time.Minute)
		require.Equal(s, shopify.StatePending, x.shop().State)
		x.skipTo(47*time.Hour + time.Minute)
		x.await("closed", closed)
		x.answered(shopify.StateRejected)
		x.ends(payment.Rejected, moved{})
		return "told after " + hours(x.toldInTime())
	})
}
