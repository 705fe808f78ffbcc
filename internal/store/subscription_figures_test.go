package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

func TestSubscriptionFigures(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.plan()
	b.plan(func(d *subscription.Draft) {
		d.ID, d.Price, d.Interval = "yearly", "120.00", subscription.Interval{Unit: subscription.Year, Count: 1}
	})
	monthly, other := b.active(), b.active()
	began := b.clock.Now()
	filter := func() subscription.FigureFilter {
		return subscription.FigureFilter{Shop: shop, From: began.Add(time.Second), To: b.clock.Now().Add(time.Second), Ahead: 40 * 24 * time.Hour}
	}
	figures := func() subscription.Figures {
		f, err := b.SubscriptionFigures(t.Context(), filter())
		require.NoError(t, err)
		return f
	}
	eur := func(n int, minor int64) []subscription.CurrencyFigure {
		return []subscription.CurrencyFigure{{Count: n, Amount: money.New(minor, "EUR")}}
	}
	b.clock.Add(time.Hour) // it begins after the time of the figures has
	year := b.subscribe(func(in *subscription.Signup) { in.Plan = "yearly" })
	b.settle(year.ID, "000001", payment.Done)
	b.step(year.ID)
	f := figures()
	require.Equal(t, eur(3, 7000), f.Monthly, "30 and 30 a month, and a twelfth of 120")
	require.Equal(t, eur(2, 6000), f.Upcoming, "the yearly one is not due")
	require.Empty(t, f.Failed)
	require.Equal(t, 2, f.Churn.AtStart)

	b.renewed(monthly.ID)
	b.settle(monthly.ID, "000002", payment.Declined, declined(payment.InsufficientFunds))
	b.renewed(other.ID)
	b.settle(other.ID, "000002", payment.Declined, declined(payment.LostOrStolen))
	f = figures()
	require.Len(t, f.Failed, 2)
	require.Equal(t, subscription.Churn{AtStart: 2, Began: f.Churn.Began}, f.Churn, "past due is still paid for")
	list, err := b.FailedRenewals(t.Context(), filter())
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, []any{monthly.Ref, planOfTests, "000002", payment.InsufficientFunds, 1, subscription.ChargeOwed},
		[]any{list[0].Ref, list[0].Plan, list[0].Key, list[0].Reason, list[0].Declines, list[0].State})

	b.step(other.ID) // a hard decline is given up at once
	b.until(b.reads(monthly.ID))
	b.step(monthly.ID)
	b.settle(monthly.ID, "000002", payment.Done)
	f = figures()
	require.Equal(t, eur(1, 3000), f.Recovered)
	require.Equal(t, eur(1, 3000), f.Lost)
	require.Equal(t, 1, f.Churn.Lost)
	lost, err := b.LostSubscriptions(t.Context(), filter())
	require.NoError(t, err)
	require.Len(t, lost, 1)
	require.Equal(t, []any{other.Ref, subscription.PastDue, subscription.Unpaid}, []any{lost[0].Ref, lost[0].Before, lost[0].After})
	for _, line := range f.Failed {
		switch line.Reason { //nolint:exhaustive // these two
		case payment.InsufficientFunds:
			require.Equal(t, []int{1, 1, 0}, []int{line.Failed.Count, line.Recovered.Count, line.Owed.Count})
		case payment.LostOrStolen:
			require.Equal(t, []int{1, 0, 0}, []int{line.Failed.Count, line.Recovered.Count, line.Owed.Count})
		default:
			require.Fail(t, "another reason", line.Reason)
		}
	}
	upcoming, err := b.UpcomingRenewals(t.Context(), filter())
	require.NoError(t, err)
	require.Equal(t, monthly.Ref, upcoming[0].Ref)
	test := filter()
	test.Test = true
	f, err = b.SubscriptionFigures(t.Context(), test)
	require.NoError(t, err)
	require.Empty(t, f.Monthly, "test subscriptions are counted by themselves")
}
