package notify

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/recharge"
)

func TestReportText(t *testing.T) {
	t.Parallel()
	r := recharge.Report{Shop: "a.myshopify.com", Charges: []recharge.Failed{
		{ChargeID: 990001, Category: recharge.ExpiredCard, ErrorType: "CARD_EXPIRED", Amount: money.New(2499, "USD"), RetryAt: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)},
		{ChargeID: 990002, Category: recharge.Fraud, ErrorType: "FRAUD_SUSPECTED", Amount: money.New(100, "USD"), ShopifyOrder: "777", Exhausted: true},
		{ChargeID: 990003, Category: "new", ErrorType: "X"},
	}}
	require.Equal(t, "3 subscription charges failed: a.myshopify.com", reportSubject(r))
	text := reportText(r, "https://pay.example")
	require.Contains(t, text, "The card has expired (1)\nThe customer needs to enter another card")
	require.Contains(t, text, "  charge 990001  24.99 USD  CARD_EXPIRED  Recharge tries again 22 November 2026, 09:00 UTC\n")
	require.Contains(t, text, "  charge 990002  1.00 USD  FRAUD_SUSPECTED  order 777  given up by Recharge\n")
	require.Contains(t, text, "  charge 990003  amount unreadable  X\n", "no charge is left out, whatever its category")
	require.Contains(t, text, "https://pay.example/console/recharge")
	for _, c := range recharge.Categories() {
		require.NotEqual(t, "A reason that is not known here", ReasonOf(c), c)
	}
}
