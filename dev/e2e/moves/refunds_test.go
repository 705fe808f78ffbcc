package moves

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/standin/faults"
	"tillflow/standin/shopify"
	"tillflow/standin/stripe"
)

// TestRefunds tells how refunds end, and what becomes of those that the provider decides later.
func TestRefunds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hurried)
	w.tell(t, "a refund that the provider accepts is told at once and done by its message", func(s *story) {
		x := s.bought(shopify.KindSale, goodCard)
		s.fails("refunds.create", faults.SlowSettle, x.intent().ID, 1)
		x.refund(70_00).resolved()
		refund := s.books().Refunds[0]
		require.Equal(s, "pending", refund.Status, "the shop was told before the money was there")
		x.refund(30_01).rejected(processingError) // what is on its way is claimed
		require.Equal(s, http.StatusOK, s.hand("/_settle/"+refund.ID+"?result=succeeded"))
		x.becomes(payment.PartiallyRefunded)
		s.agree(stripe.Totals{Captured: 100_00, Refunded: 70_00})
	})
	w.tell(t, "a refund that stays pending for a while is done by a look-up when no message comes", func(s *story) {
		x := s.bought(shopify.KindSale, slowRefund)
		s.silent(x.intent().ID)
		m := x.refund(100_00)
		m.resolved()
		s.soon("the provider has done it", func() bool { return s.books().Refunds[0].Status == "succeeded" })
		m.skip(time.Hour) // what takes days at a bank is looked at a few times an hour
		s.agree(stripe.Totals{Captured: 100_00, Refunded: 100_00})
	})
	w.tell(t, "a refund that fails after it was accepted is booked back, shown to a person, and never answered again", func(s *story) {
		x := s.bought(shopify.KindSale, goodCard)
		s.fails("refunds.create", faults.SlowSettle, x.intent().ID, 1)
		m := x.refund(100_00)
		m.resolved()
		require.Equal(s, http.StatusOK, s.hand("/_settle/"+s.books().Refunds[0].ID+"?result=failed"))
		x.needs(payment.RefundFailed)
		m.resolved() // still the one answer
		s.agree(stripe.Totals{Captured: 100_00})
		require.Equal(s, payment.Captured, x.show().State)
	})
	w.tell(t, "a refund that fails after it was done is booked back and shown to a person", func(s *story) {
		x := s.bought(shopify.KindSale, lostRefund)
		m := x.refund(100_00)
		m.resolved()
		x.needs(payment.RefundFailed)
		m.resolved()
		s.agree(stripe.Totals{Captured: 100_00})
	})
	w.tell(t, "a refund of a payment in doubt waits for evidence of the payment", func(s *story) {
		x := s.begin(shopify.KindSale)
		page := x.choose()
		checkout := page[len(s.StripeURL+"/c/pay/"):]
		lift, speak := s.unreadable(checkout), s.silent(checkout)
		x.pay(page, goodCard)
		m := x.refund(100_00)
		s.soon("the refund's run waits", func() bool {
			return one[struct{ Waits bool }](s, `SELECT count(*) = 1 FROM move_sessions WHERE shop = $1 AND final = ''`).Waits
		})
		require.False(s, m.answered())
		require.Empty(s, s.books().Refunds)
		lift()
		speak()
		x.resolved()
		m.resolved()
		s.agree(stripe.Totals{Captured: 100_00, Refunded: 100_00})
	})
	w.tell(t, "a refund that the provider declines is rejected, and its claim is free again", func(s *story) {
		x := s.bought(shopify.KindSale, goodCard)
		// Somebody was quicker, and his message does not come.
		speak := s.silent(x.intent().ID)
		require.Equal(s, http.StatusOK, s.hand("/_refund/"+x.intent().ID+"?amount=6000"))
		x.refund(60_00).rejected(processingError)
		speak()
		x.refund(40_00).resolved()
		require.Equal(s, int64(100_00), s.total().Refunded)
	})
}

// TestMoneyThatMovesElsewhere tells what becomes of refunds and chargebacks that nobody here asked for.
func TestMoneyThatMovesElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hurried)
	w.tell(t, "a refund in the provider's dashboard is booked, shown, and taken off what may still be refunded", func(s *story) {
		x := s.bought(shopify.KindSale, goodCard)
		require.Equal(s, http.StatusOK, s.hand("/_refund/"+x.intent().ID+"?amount=6000"))
		x.needs(payment.RefundElsewhere)
		x.refund(40_01).rejected(processingError)
		x.refund(40_00).resolved()
		s.agree(stripe.Totals{Captured: 100_00, Refunded: 100_00, RefundedElsewhere: 60_00})
	})
	w.tell(t, "an open dispute is shown and stops refunds; a lost one is the merchant's loss", func(s *story) {
		x := s.bought(shopify.KindSale, goodCard)
		require.Equal(s, http.StatusOK, s.hand("/_dispute/"+x.intent().ID))
		x.needs(payment.Disputed)
		x.refund(1_00).rejected(processingError)
		s.agree(stripe.Totals{Captured: 100_00, Disputed: 100_00})
		require.Equal(s, int64(100_00), one[ledger](s, selectLedger).Disputed)
		require.Equal(s, http.StatusOK, s.hand("/_dispute/"+s.books().Disputes[0].ID+"/lose"))
		x.needs(payment.DisputeLost)
		x.refund(1_00).rejected(processingError)
		s.agree(stripe.Totals{Captured: 100_00, Disputed: 100_00})
		require.Zero(s, one[ledger](s, selectLedger).Disputed)
	})
	w.tell(t, "a dispute that is won gives the money back to the merchant, who may refund it", func(s *story) {
		x := s.bought(shopify.KindSale, goodCard)
		require.Equal(s, http.StatusOK, s.hand("/_dispute/"+x.intent().ID+"?amount=4000"))
		x.needs(payment.Disputed)
		require.Equal(s, http.StatusOK, s.hand("/_dispute/"+s.books().Disputes[0].ID+"/win"))
		s.soon("the money is back", func() bool { return one[ledger](s, selectLedger).Disputed == 0 })
		s.agree(stripe.Totals{Captured: 100_00})
	})
	w.tell(t, "more gone than came is booked as it is and shown to a person", func(s *story) {
		x := s.bought(shopify.KindSale, goodCard)
		x.refund(80_00).resolved()
		require.Equal(s, http.StatusOK, s.hand("/_dispute/"+x.intent().ID+"?amount=10000"))
		x.needs(payment.Overdrawn)
		s.agree(stripe.Totals{Captured: 100_00, Refunded: 80_00, Disputed: 100_00})
	})
}
