package moves

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/standin/shopify"
	"tillflow/standin/stripe"
)

// TestAThousandRefundsAtOnceGiveBackExactlyWhatWasTaken sends 1,000 refund sessions of 1.00 on a payment of 100.00, all
// at the same time, while somebody refunds 1.00 ten times in the provider's dashboard. It runs alone, before the
// parallel ones: a thousand runs on one payment leave a small machine no time for anybody else.
func TestAThousandRefundsAtOnceGiveBackExactlyWhatWasTaken(t *testing.T) {
	const sessions, elsewhere, each = 1000, 10, 100
	s := newWorld(t, unhurried).story(t)
	x := s.bought(shopify.KindSale, goodCard)
	pi := x.intent().ID

	began := time.Now()
	all := make([]shopify.SessionAnswer, sessions)
	var sending sync.WaitGroup
	for n := range sessions {
		sending.Go(func() { all[n] = x.press(each) })
		if n%(sessions/elsewhere) == sessions/elsewhere/2 {
			sending.Go(func() {
				status := s.hand(fmt.Sprintf("/_refund/%s?amount=%d", pi, each))
				require.Contains(s, []int{http.StatusOK, http.StatusBadRequest}, status) // too late is no fault of the dashboard's
			})
		}
	}
	sending.Wait()
	resolved := 0
	for _, answer := range all {
		require.True(s, answer.Accepted, "%d %s %s", answer.Status, answer.Body, answer.Error)
		m := &move{story: s, SessionAnswer: answer}
		m.soonWithin(10*time.Minute, answer.GID+" is answered", m.answered)
		if m.booked().State == shopify.StateResolved {
			m.resolved()
			resolved++
			continue
		}
		m.rejected(processingError)
	}
	took := time.Since(began)
	s.agree(stripe.Totals{Captured: taken, Refunded: taken, RefundedElsewhere: s.total().RefundedElsewhere})
	ours := int64(resolved) * each
	require.Equal(s, int64(taken), ours+s.total().RefundedElsewhere, "what was resolved and what was done elsewhere")
	t.Logf("PROOF 2 ok %d sessions answered in %.0f s: %d resolved, %d rejected; %s given back by us, %s in the dashboard, %s in all",
		sessions, took.Seconds(), resolved, sessions-resolved, decimal(ours), decimal(s.total().RefundedElsewhere), decimal(s.total().Refunded))
}

// press asks for a refund as Shopify does, again and again until it is accepted.
func (x *sale) press(minor int64) shopify.SessionAnswer {
	answer, err := x.Shopify.StartSession(x.Context(), shopify.SessionRequest{
		Type: shopify.RefundSession, Shop: x.shop, PaymentID: x.ID, Amount: decimal(minor), Currency: "EUR", Test: true, Tries: 500,
	})
	if err != nil {
		answer.Error = err.Error()
	}
	return answer
}
