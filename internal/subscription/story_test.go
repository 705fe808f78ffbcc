package subscription_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

func TestTheFirstPaymentBeginsTheSubscription(t *testing.T) {
	t.Parallel()
	t.Run("at the moment at which it came, so no paid time is lost", func(t *testing.T) {
		t.Parallel()
		w := ordered(t, planOf(t, nil), "2027-01-30 23:50:00")
		require.Equal(t, "000001", w.s.Open.Key)
		require.Equal(t, eur(3000), w.s.Open.Amount)
		w.settle(true, local(t, w.zone, "2027-01-31 00:10:00"))
		require.Equal(t, subscription.Active, w.s.State)
		require.Equal(t, "2027-01-31 00:10:00", w.reads())
		w.renew()
		require.Equal(t, "2027-02-28 00:10:00", w.reads())
	})
	t.Run("not with a fixed anchor, whose price is of the day of the order", func(t *testing.T) {
		t.Parallel()
		w := ordered(t, planOf(t, func(d *subscription.Draft) { d.Anchor.Day = 1 }), "2026-11-16 00:00:00")
		w.settle(true, local(t, w.zone, "2026-11-17 12:00:00"))
		require.Equal(t, "2026-11-16 00:00:00", w.reads())
	})
	t.Run("a clock that went back moves nothing", func(t *testing.T) {
		t.Parallel()
		w := ordered(t, planOf(t, nil), "2027-01-30 12:00:00")
		w.settle(true, local(t, w.zone, "2027-01-30 11:00:00"))
		require.Equal(t, "2027-01-30 12:00:00", w.reads())
	})
	t.Run("declined, it never begins", func(t *testing.T) {
		t.Parallel()
		w := ordered(t, planOf(t, nil), "2027-01-30 12:00:00")
		w.settle(false, w.s.Period.Start)
		require.Equal(t, subscription.Abandoned, w.s.State)
		require.Nil(t, w.s.Open)
	})
	t.Run("cancelled before, the money is given back", func(t *testing.T) {
		t.Parallel()
		w := ordered(t, planOf(t, nil), "2027-01-30 12:00:00")
		next, refund, err := w.s.Cancel(w.s.Period.Start, true)
		require.NoError(t, err)
		require.True(t, refund.IsZero(), "nothing was paid")
		requireGivenBack(t, w, next)
	})
	t.Run("an order without id, zone or quantity is refused", func(t *testing.T) {
		t.Parallel()
		order := subscription.Order{ID: "s", Plan: planOf(t, nil), Expected: 1, Quantity: 1, Zone: time.UTC}
		for field, change := range map[string]func(*subscription.Order){
			"id":   func(o *subscription.Order) { o.ID = "" },
			"zone": func(o *subscription.Order) { o.Zone = nil },
		} {
			o := order
			change(&o)
			_, err := subscription.Subscribe(o)
			requireRefused(t, err, field, subscription.Missing)
		}
		order.Quantity = 0
		_, err := subscription.Subscribe(order)
		requireRefused(t, err, "quantity", subscription.OutOfRange)
	})
}

func requireGivenBack(t *testing.T, w *stand, s subscription.Subscription) {
	t.Helper()
	r := subscription.Result{Key: s.Open.Key, Paid: true, At: s.Period.End, Zone: w.zone}
	next, verdict, err := s.Settle(r)
	require.NoError(t, err)
	require.Equal(t, subscription.GiveBack, verdict)
	require.Equal(t, s.State, next.State)
	require.Nil(t, next.Open)
	_, verdict, err = next.Settle(r)
	require.NoError(t, err)
	require.Equal(t, subscription.NotOpen, verdict)
}

func TestAResultCountsOnce(t *testing.T) {
	t.Parallel()
	w := subscribed(t, planOf(t, nil), "2027-01-31 10:00:00")
	w.renew()
	open := w.s
	paid := subscription.Result{Key: "000002", Paid: true, At: w.s.Period.Start, Zone: w.zone}
	w.settle(true, w.s.Period.Start)
	for _, c := range []struct {
		rule   string
		s      subscription.Subscription
		result subscription.Result
	}{
		{"a repeat", w.s, paid},
		{"a decline after the success", w.s, subscription.Result{Key: "000002", Zone: w.zone}},
		{"a charge that was never open", open, subscription.Result{Key: "000003", Paid: true, Zone: w.zone}},
		{"one of another kind", open, subscription.Result{Key: "000002-0001", Paid: true, Zone: w.zone}},
	} {
		t.Run(c.rule, func(t *testing.T) {
			t.Parallel()
			next, verdict, err := c.s.Settle(c.result)
			require.NoError(t, err)
			require.Equal(t, subscription.NotOpen, verdict)
			require.Equal(t, c.s, next)
		})
	}
}

func TestRenewal(t *testing.T) {
	t.Parallel()
	t.Run("a clock that jumps ahead opens one period a call, and back none", func(t *testing.T) {
		t.Parallel()
		w := subscribed(t, planOf(t, nil), "2027-01-31 10:00:00")
		late := w.moment(local(t, w.zone, "2027-06-15 00:00:00"))
		for n, want := range []string{"2027-02-28 10:00:00", "2027-03-31 10:00:00"} {
			next, err := w.s.Renew(late)
			require.NoError(t, err)
			w.s = next
			require.Equal(t, want, w.reads())
			require.Equal(t, n+2, w.s.Period.Number)
			w.settle(true, late.At)
		}
		_, err := w.s.Renew(w.moment(w.s.Period.End.Add(-time.Second)))
		requireRefused(t, err, "at", subscription.NotDue)
	})
	t.Run("two who race name the same period", func(t *testing.T) {
		t.Parallel()
		w := subscribed(t, planOf(t, nil), "2027-01-31 10:00:00")
		one, err := w.s.Renew(w.moment(w.s.Period.End))
		require.NoError(t, err)
		two, err := w.s.Renew(w.moment(w.s.Period.End.Add(25 * time.Hour)))
		require.NoError(t, err)
		require.Equal(t, one.Period, two.Period)
		require.Equal(t, one.Open.Key, two.Open.Key)
	})
	t.Run("numbers end at a million", func(t *testing.T) {
		t.Parallel()
		w := subscribed(t, planOf(t, nil), "2027-01-31 10:00:00")
		w.s.Period.Number = 999_999
		_, err := w.s.Renew(w.moment(w.s.Period.End))
		requireRefused(t, err, "subscription", subscription.TooMany)
	})
	t.Run("money that comes late counts while the period is collected", func(t *testing.T) {
		t.Parallel()
		w := subscribed(t, planOf(t, nil), "2027-01-31 10:00:00")
		w.pastDue()
		next, err := w.s.Retry(w.s.Period.Start.Add(time.Hour))
		require.NoError(t, err)
		_, err = next.Retry(w.s.Period.Start.Add(time.Hour))
		requireRefused(t, err, "subscription", subscription.WouldChargeTwice)
		_, err = next.GiveUp(subscription.FinalCancel, w.s.Period.Start.Add(time.Hour))
		requireRefused(t, err, "subscription", subscription.WouldChargeTwice)
		w.s = next
		w.settle(true, w.s.Period.Start.Add(2*time.Hour))
		require.Equal(t, subscription.Active, w.s.State)
		require.Empty(t, w.s.Failures)
		w.renew()
		require.Equal(t, "2027-03-31 10:00:00", w.reads(), "recovery moves no boundary")
	})
	t.Run("nobody collects for a period that is over", func(t *testing.T) {
		t.Parallel()
		w := subscribed(t, planOf(t, nil), "2027-01-31 10:00:00")
		w.pastDue()
		_, err := w.s.Retry(w.s.Period.End)
		requireRefused(t, err, "at", subscription.OutOfRange)
	})
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	t.Run("what is paid is served, then nothing is charged until it is resumed", func(t *testing.T) {
		t.Parallel()
		w := subscribed(t, planOf(t, nil), "2027-01-31 10:00:00")
		next, err := w.s.Pause()
		require.NoError(t, err)
		require.Equal(t, subscription.Active, next.State)
		_, err = next.Pause()
		requireRefused(t, err, "subscription", subscription.NothingToDo)
		_, err = next.Skip()
		requireRefused(t, err, "subscription", subscription.NothingToDo)
		w.s = next
		w.renew()
		require.Equal(t, subscription.Paused, w.s.State)
		require.Nil(t, w.s.Open)

		w.s, err = w.s.Resume(w.moment(local(t, w.zone, "2027-05-10 12:00:00")))
		require.NoError(t, err)
		require.Equal(t, subscription.Paused, w.s.State, "not before it is paid")
		require.Equal(t, "000002-0001", w.s.Open.Key)
		require.Equal(t, eur(3000), w.s.Open.Amount)
		_, err = w.s.Resume(w.moment(local(t, w.zone, "2027-05-10 12:00:00")))
		requireRefused(t, err, "subscription", subscription.WouldChargeTwice)
		w.settle(true, local(t, w.zone, "2027-05-10 12:30:00"))
		require.Equal(t, subscription.Active, w.s.State)
		require.Equal(t, "000002", w.s.Period.ID())
		require.Equal(t, "2027-05-10 12:30:00", w.reads())
		w.renew()
		require.Equal(t, "2027-06-10 12:30:00", w.reads())
	})
	t.Run("declined, it stays paused", func(t *testing.T) {
		t.Parallel()
		w := inState(t, subscription.Paused)
		next, err := w.s.Resume(w.moment(w.s.Period.End.Add(time.Hour)))
		require.NoError(t, err)
		w.s = next
		w.settle(false, w.s.Period.End.Add(time.Hour))
		require.Equal(t, subscription.Paused, w.s.State)
		require.Nil(t, w.s.Open)
	})
	t.Run("the balance alone may pay it", func(t *testing.T) {
		t.Parallel()
		w := inState(t, subscription.Unpaid)
		w.s.Balance = eur(5000)
		next, err := w.s.Resume(w.moment(w.s.Period.End.Add(time.Hour)))
		require.NoError(t, err)
		require.Equal(t, subscription.Active, next.State)
		require.Nil(t, next.Open)
		require.Equal(t, eur(2000), next.Balance)
	})
	t.Run("a clock that went back overlaps no period", func(t *testing.T) {
		t.Parallel()
		w := inState(t, subscription.Unpaid)
		next, err := w.s.Resume(w.moment(w.s.Period.Start.Add(-time.Hour)))
		require.NoError(t, err)
		require.Equal(t, w.s.Period.End, next.Open.After.Period.Start)
	})
	t.Run("a plan that has ended takes nobody back", func(t *testing.T) {
		t.Parallel()
		w := inState(t, subscription.Paused)
		ended, err := w.s.Terms.Plan.Retire(1, subscription.End, time.Time{})
		require.NoError(t, err)
		m := w.moment(w.s.Period.End)
		m.Versions = []subscription.Plan{ended}
		_, err = w.s.Resume(m)
		requireRefused(t, err, "plan", subscription.Retired)
	})
	t.Run("a cancelled one cannot be paused", func(t *testing.T) {
		t.Parallel()
		w := inState(t, subscription.Cancelled)
		_, err := w.s.Pause()
		requireRefused(t, err, "subscription", subscription.WrongState)
	})
}

func TestSkip(t *testing.T) {
	t.Parallel()
	w := subscribed(t, planOf(t, nil), "2027-01-31 10:00:00")
	next, err := w.s.Skip()
	require.NoError(t, err)
	_, err = next.Skip()
	requireRefused(t, err, "subscription", subscription.NothingToDo)
	w.s = next
	w.renew()
	require.Equal(t, subscription.Skipped, w.s.Period.Kind)
	require.Equal(t, "000002", w.s.Period.ID())
	require.Nil(t, w.s.Open)
	_, refund, err := w.s.Cancel(w.s.Period.Start, true)
	require.NoError(t, err)
	require.True(t, refund.IsZero(), "nothing was paid for it")
	w.renew()
	require.Equal(t, "2027-03-31 10:00:00", w.reads(), "the one after begins on its usual day")
	require.Equal(t, "000003", w.s.Open.Key)
	require.Equal(t, eur(3000), w.s.Open.Amount)
}

func TestWithdraw(t *testing.T) {
	t.Parallel()
	w := subscribed(t, planOf(t, nil), "2027-04-01 00:00:00")
	set := map[subscription.Command]func() (subscription.Subscription, error){
		subscription.CmdCancelAtEnd: w.s.CancelAtPeriodEnd,
		subscription.CmdPause:       w.s.Pause,
		subscription.CmdSkip:        w.s.Skip,
		subscription.CmdChange: func() (subscription.Subscription, error) {
			next, _, err := w.s.ChangeQuantity(2, subscription.AtEnd, w.moment(w.s.Period.Start))
			return next, err
		},
	}
	for _, c := range append([]subscription.Command{"perhaps"}, subscription.Commands...) {
		_, err := w.s.Withdraw(c)
		do, can := set[c]
		if !can {
			requireRefused(t, err, "command", subscription.NoRule)
			continue
		}
		requireRefused(t, err, "subscription", subscription.NothingToDo)
		next, err := do()
		require.NoError(t, err)
		require.NotEqual(t, w.s, next)
		back, err := next.Withdraw(c)
		require.NoError(t, err)
		require.Equal(t, w.s, back)
	}
}

// A command that is refused, or whose result is thrown away, has changed nothing.
func TestCommandsLeaveTheirReceiverAlone(t *testing.T) {
	t.Parallel()
	w := inState(t, subscription.PastDue)
	before := *w.s.Open
	failures := len(w.s.Failures)
	next, err := w.s.Retry(w.s.Period.Start.Add(time.Hour))
	require.NoError(t, err)
	declined, _, err := next.Settle(subscription.Result{Key: next.Open.Key, Reason: payment.Fraud, At: w.s.Period.Start, Zone: w.zone})
	require.NoError(t, err)
	other, _, err := next.Settle(subscription.Result{Key: next.Open.Key, Reason: payment.ExpiredCard, At: w.s.Period.Start, Zone: w.zone})
	require.NoError(t, err)
	require.Equal(t, before, *w.s.Open)
	require.Len(t, w.s.Failures, failures)
	require.Equal(t, payment.Fraud, declined.Failures[failures].Reason)
	require.Equal(t, payment.ExpiredCard, other.Failures[failures].Reason)
}
