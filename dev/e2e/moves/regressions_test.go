package moves

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/standin/faults"
	"tillflow/standin/shopify"
	"tillflow/standin/stripe"
)

// TestWhatHurtOthers tells faults of other payment systems, each named by the issue in which it was reported.
func TestWhatHurtOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hurried)
	w.tell(t, "two refunds of 60 on 100 at once: one is done (hyperswitch #13182)", twoOfSixty)
	w.tell(t, "a provider's 5xx is in doubt and never shown as processing (hyperswitch #13180)", serverError)
	w.tell(t, "an activity that runs again refunds once (formance payments #750)", replayedActivity)
	w.tell(t, "every movement of money carries a key of its own (formance payments #745)", everyKey)
	w.tell(t, "a second capture is not sent while the first is unknown (Kill Bill #639)", secondCapture)
	w.tell(t, "an unknown that is fixed late is no second payment (Kill Bill #1015)", lateUnknown)
	w.tell(t, "a decline does not block the buyer's next try by its key (Dolibarr #16067)", declineThenPay)
	w.tell(t, "the way back and the message at once take the money once (woocommerce-gateway-stripe #683)", backAndMessage)
}

func twoOfSixty(s *story) {
	x := s.bought(shopify.KindSale, goodCard)
	first, second := x.refund(60_00), x.refund(60_00)
	s.soon("both are answered", func() bool { return first.answered() && second.answered() })
	if first.booked().State != shopify.StateResolved {
		first, second = second, first
	}
	first.resolved()
	second.rejected(processingError)
	require.Len(s, s.books().Refunds, 1)
	s.agree(stripe.Totals{Captured: 100_00, Refunded: 60_00})
}

func serverError(s *story) {
	x := s.bought(shopify.KindSale, goodCard)
	pi := x.intent().ID
	s.fails("refunds.create", faults.ErrorAfter, pi, 1)
	lift, speak := s.unreadable(pi), s.silent(pi)
	m := x.refund(100_00)
	s.soon("the refund is in doubt", func() bool { return x.attempt(payment.OpRefund) == payment.Doubtful })
	require.False(s, m.answered(), "nothing is known yet")
	require.Equal(s, payment.Captured, x.show().State)
	for _, line := range x.show().Timeline {
		require.False(s, line.What == "attempt" && line.After == string(payment.Working), "shown as processing on the word of nobody")
	}
	lift()
	speak()
	m.resolved()
	require.Len(s, s.books().Refunds, 1)
	s.agree(stripe.Totals{Captured: 100_00, Refunded: 100_00})
}

// attempt is the state of the newest attempt of an operation, empty while there is none.
func (x *sale) attempt(op payment.Operation) payment.AttemptState {
	for _, a := range slices.Backward(x.show().Attempts) {
		if a.Operation == op {
			return a.State
		}
	}
	return ""
}

func replayedActivity(s *story) {
	x := s.bought(shopify.KindSale, goodCard)
	held := s.fails("refunds.create", faults.HoldReply, x.intent().ID, 2)
	m := x.refund(30_00)
	// The first run of the activity ends by its timeout, and so does the second; each has sent the refund.
	s.soon("the refund was sent again", func() bool { return held.fired() == 2 || m.answered() })
	m.resolved()
	require.Len(s, s.books().Refunds, 1)
	s.agree(stripe.Totals{Captured: 100_00, Refunded: 30_00})
}

func everyKey(s *story) {
	hold := s.bought(shopify.KindAuthorization, goodCard)
	hold.capture(80_00).resolved()
	hold.refund(30_00).resolved()
	hold.refund(30_00).resolved()
	keys := map[string]bool{s.intent().CaptureKey: true}
	for _, re := range s.books().Refunds {
		keys[re.Key] = true
	}
	require.Len(s, keys, 3)
	require.NotContains(s, keys, "")
	s.agree(stripe.Totals{Captured: 80_00, Refunded: 60_00})
}

func secondCapture(s *story) {
	x := s.bought(shopify.KindAuthorization, goodCard)
	pi := x.intent().ID
	s.fails("payment_intents.capture", faults.LoseReply, pi, 1)
	lift, speak := s.unreadable(pi), s.silent(pi)
	first := x.capture(100_00)
	s.soon("the capture is in doubt", func() bool { return x.attempt(payment.OpCapture) == payment.Doubtful })
	second := x.capture(50_00)
	s.soon("the second one is here", func() bool {
		return one[struct{ N int }](s, `SELECT count(*) FROM move_sessions WHERE shop = $1`).N == 2
	})
	require.False(s, second.answered() && second.booked().State == shopify.StateResolved)
	require.Equal(s, 1, captures(x), "a second capture was begun beside an unknown one")
	lift()
	speak()
	first.resolved()
	second.rejected(processingError)
	require.Equal(s, 1, captures(x))
	s.agree(stripe.Totals{Captured: 100_00})
}

// captures counts attempts to capture.
func captures(x *sale) int {
	n := 0
	for _, a := range x.show().Attempts {
		if a.Operation == payment.OpCapture {
			n++
		}
	}
	return n
}

func lateUnknown(s *story) {
	x := s.bought(shopify.KindSale, goodCard)
	pi := x.intent().ID
	lost := s.fails("refunds.create", faults.LoseReply, pi, 1)
	lift, speak := s.unreadable(pi), s.silent(pi)
	m := x.refund(100_00)
	s.soon("the refund is in doubt", func() bool { return x.attempt(payment.OpRefund) == payment.Doubtful })
	// Somebody is impatient; the money is claimed.
	x.refund(100_00).rejected(processingError)
	require.Positive(s, lost.fired())
	lift()
	speak()
	m.resolved()
	require.Len(s, s.books().Refunds, 1)
	s.agree(stripe.Totals{Captured: 100_00, Refunded: 100_00})
}

func declineThenPay(s *story) {
	x := s.begin(shopify.KindSale)
	page := x.choose()
	x.pay(page, "delayed_failure")
	s.soon("the bank refuses", func() bool { return x.attempt(payment.OpCharge) == payment.Declined })
	again := x.choose()
	require.NotEqual(s, page, again)
	x.pay(again, goodCard)
	x.resolved()
	keys := map[string]bool{}
	for _, a := range x.show().Attempts {
		keys[a.Key] = true
	}
	require.Len(s, keys, 2)
	s.agree(stripe.Totals{Captured: 100_00})
}

func backAndMessage(s *story) {
	x := s.begin(shopify.KindSale)
	page := x.choose()
	s.fails("hosted.pay", faults.WebhookBeforeReply, page[strings.LastIndex(page, "/")+1:], 1)
	back := x.pay(page, goodCard)
	var tabs sync.WaitGroup
	failed := make([]error, 8)
	for n := range failed {
		tabs.Go(func() { _, failed[n] = x.buyer.Return(x.Context(), back) })
	}
	tabs.Wait()
	for _, err := range failed {
		require.NoError(s, err)
	}
	x.resolved()
	require.Equal(s, 1, s.total().Captures)
	m := &move{story: s, SessionAnswer: x.SessionAnswer}
	m.resolved()
	s.agree(stripe.Totals{Captured: 100_00})
	require.Equal(s, 1, one[struct{ N int }](s, `
		SELECT count(*) FROM ledger_entries e JOIN payments p ON p.id = e.payment_id WHERE p.shop = $1 AND e.kind = 'charge'`).N)
}
