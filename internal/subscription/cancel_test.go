package subscription_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

func TestCancel(t *testing.T) {
	t.Parallel()
	t.Run("now, with the rest of the period and the balance given back", func(t *testing.T) {
		t.Parallel()
		w := subscribed(t, planOf(t, nil), "2027-04-01 00:00:00")
		w.s.Balance = eur(50)
		at := local(t, w.zone, "2027-04-21 00:00:00")
		next, refund, err := w.s.Cancel(at, true)
		require.NoError(t, err)
		require.Equal(t, eur(1050), refund)
		require.Equal(t, eur(0), next.Balance)
		require.Equal(t, subscription.Cancelled, next.State)
		require.True(t, next.Period.End.Equal(at))
	})
	t.Run("now, with nothing given back", func(t *testing.T) {
		t.Parallel()
		w := subscribed(t, planOf(t, nil), "2027-04-01 00:00:00")
		next, refund, err := w.s.Cancel(local(t, w.zone, "2027-04-21 00:00:00"), false)
		require.NoError(t, err)
		require.Equal(t, eur(0), refund)
		require.Equal(t, subscription.Cancelled, next.State)
	})
	t.Run("while its renewal is under way, whose money is given back", func(t *testing.T) {
		t.Parallel()
		w := subscribed(t, planOf(t, nil), "2027-04-01 00:00:00")
		w.renew()
		next, refund, err := w.s.Cancel(w.s.Period.Start, true)
		require.NoError(t, err)
		require.True(t, refund.IsZero(), "it is not paid yet")
		requireGivenBack(t, w, next)
		done, verdict, err := next.Settle(subscription.Result{Key: next.Open.Key, Reason: payment.DeclinedOther, Zone: w.zone})
		require.NoError(t, err)
		require.Equal(t, subscription.Applied, verdict)
		require.Nil(t, done.Open)
	})
	t.Run("while a change is under way, whose money is given back beside the rest", func(t *testing.T) {
		t.Parallel()
		w := subscribed(t, planOf(t, nil), "2027-04-01 00:00:00")
		_, err := w.change(silver(t, "60.00", 1), subscription.Prorated, "2027-04-16 00:00:00")
		require.NoError(t, err)
		next, refund, err := w.s.Cancel(local(t, w.zone, "2027-04-21 00:00:00"), true)
		require.NoError(t, err)
		require.Equal(t, eur(1000), refund, "at the price that was paid")
		requireGivenBack(t, w, next)
	})
	t.Run("what is owed is written off", func(t *testing.T) {
		t.Parallel()
		w := inState(t, subscription.PastDue)
		next, refund, err := w.s.Cancel(w.s.Period.Start.Add(time.Hour), true)
		require.NoError(t, err)
		require.True(t, refund.IsZero())
		require.Nil(t, next.Open)
	})
	t.Run("at the end, and not if that is withdrawn", func(t *testing.T) {
		t.Parallel()
		w := subscribed(t, planOf(t, nil), "2027-04-01 00:00:00")
		next, err := w.s.CancelAtPeriodEnd()
		require.NoError(t, err)
		_, err = next.CancelAtPeriodEnd()
		requireRefused(t, err, "subscription", subscription.NothingToDo)
		_, err = next.Pause()
		requireRefused(t, err, "subscription", subscription.Ending)
		_, err = next.Skip()
		requireRefused(t, err, "subscription", subscription.Ending)
		ended, err := next.Renew(w.moment(next.Period.End))
		require.NoError(t, err)
		require.Equal(t, subscription.Cancelled, ended.State)
		require.Nil(t, ended.Open)

		w.s, err = next.Withdraw(subscription.CmdCancelAtEnd)
		require.NoError(t, err)
		w.renew()
		require.Equal(t, subscription.Active, w.s.State)
	})
}

func TestLimitsOfACount(t *testing.T) {
	t.Parallel()
	t.Run("no period is numbered beyond six digits", func(t *testing.T) {
		t.Parallel()
		w := inState(t, subscription.Paused)
		w.s.Period.Number = 999_999
		_, err := w.s.Resume(w.moment(w.s.Period.End))
		requireRefused(t, err, "subscription", subscription.TooMany)
		w = inState(t, subscription.Active)
		w.s.Period.Number = 999_999
		_, err = w.change(silver(t, "300.00", 12), subscription.Prorated, "2027-02-10 00:00:00")
		requireRefused(t, err, "subscription", subscription.TooMany)
	})
	t.Run("no charge is counted beyond four", func(t *testing.T) {
		t.Parallel()
		w := inState(t, subscription.Active)
		w.s.Extra = 9_998
		_, err := w.change(silver(t, "60.00", 1), subscription.Prorated, "2027-02-10 00:00:00")
		require.NoError(t, err)
		require.Equal(t, "000001-9999", w.s.Open.Key)
		w.settle(false, w.s.Period.Start)
		_, err = w.change(silver(t, "60.00", 1), subscription.Prorated, "2027-02-10 00:00:00")
		requireRefused(t, err, "subscription", subscription.TooMany)
		require.EqualError(t, err, "subscription had 9999 changes (too_many)")
		w = inState(t, subscription.Unpaid)
		w.s.Extra = 9_999
		_, err = w.s.Resume(w.moment(w.s.Period.End))
		requireRefused(t, err, "subscription", subscription.TooMany)
	})
	t.Run("a cancellation outside of the period cuts it at its edges", func(t *testing.T) {
		t.Parallel()
		w := inState(t, subscription.Active)
		early, refund, err := w.s.Cancel(w.s.Period.Start.Add(-time.Hour), true)
		require.NoError(t, err)
		require.Equal(t, w.s.Period.Start, early.Period.End)
		require.Equal(t, eur(3000), refund)
		late, refund, err := w.s.Cancel(w.s.Period.End.Add(time.Hour), true)
		require.NoError(t, err)
		require.Equal(t, w.s.Period.End, late.Period.End)
		require.Equal(t, eur(0), refund)
	})
}
