package subscription_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/subscription"
)

func TestIsThisCustomerPaidUp(t *testing.T) {
	t.Parallel()
	type answer struct {
		paidUp   bool
		standing subscription.Standing
	}
	ask := func(w *stand, at time.Time) answer {
		e := w.s.Entitlement(at, policy(), w.zone)
		require.True(t, e.Until.IsZero() || e.Until.After(at), "an answer that was over before it was given")
		return answer{e.PaidUp, e.Standing}
	}
	mid := func(w *stand) time.Time { return w.s.Period.Start.Add(time.Minute) }
	for state, want := range map[subscription.State]answer{
		subscription.Pending:   {false, subscription.StandingPending},
		subscription.Trialing:  {true, subscription.StandingTrial},
		subscription.Active:    {true, subscription.StandingPaid},
		subscription.PastDue:   {true, subscription.StandingGrace},
		subscription.Paused:    {false, subscription.StandingPaused},
		subscription.Unpaid:    {false, subscription.StandingUnpaid},
		subscription.Cancelled: {false, subscription.StandingEnded},
		subscription.Abandoned: {false, subscription.StandingEnded},
	} {
		w := inState(t, state)
		require.Equal(t, want, ask(w, mid(w)), state)
	}

	t.Run("while the renewal is under way, also for days", func(t *testing.T) {
		t.Parallel()
		w := inState(t, subscription.Active)
		require.Equal(t, answer{true, subscription.StandingSettling}, ask(w, w.s.Period.End.Add(time.Hour)), "nobody has renewed it yet")
		w.renew()
		require.Equal(t, answer{true, subscription.StandingSettling}, ask(w, mid(w).AddDate(0, 0, 5)))
	})
	t.Run("a change under way takes nothing away", func(t *testing.T) {
		t.Parallel()
		w := inState(t, subscription.Active)
		_, err := w.change(silver(t, "60.00", 1), subscription.Prorated, "2027-02-10 00:00:00")
		require.NoError(t, err)
		require.Equal(t, answer{true, subscription.StandingPaid}, ask(w, mid(w)))
	})
	t.Run("grace ends on its day, and with the period", func(t *testing.T) {
		t.Parallel()
		w := inState(t, subscription.PastDue)
		end := w.s.Failures[0].At.AddDate(0, 0, 7)
		require.Equal(t, end, w.s.Entitlement(mid(w), policy(), w.zone).Until)
		require.Equal(t, answer{true, subscription.StandingGrace}, ask(w, end.Add(-time.Second)))
		require.Equal(t, answer{false, subscription.StandingOverdue}, ask(w, end))
		patient := policy()
		patient.GraceDays = 60
		require.Equal(t, w.s.Period.End, w.s.Entitlement(mid(w), patient, w.zone).Until)
	})
	t.Run("what was agreed for the end holds when the clock is late", func(t *testing.T) {
		t.Parallel()
		for want, set := range map[subscription.Standing]func(subscription.Subscription) (subscription.Subscription, error){
			subscription.StandingEnded:   subscription.Subscription.CancelAtPeriodEnd,
			subscription.StandingPaused:  subscription.Subscription.Pause,
			subscription.StandingSkipped: subscription.Subscription.Skip,
		} {
			w := inState(t, subscription.Active)
			next, err := set(w.s)
			require.NoError(t, err)
			w.s = next
			require.Equal(t, answer{true, subscription.StandingPaid}, ask(w, w.s.Period.End.Add(-time.Second)))
			require.Equal(t, answer{false, want}, ask(w, w.s.Period.End))
			w.renew()
			require.Equal(t, answer{false, want}, ask(w, w.s.Period.Start.Add(time.Second)))
		}
	})
	t.Run("an unknown state has no access", func(t *testing.T) {
		t.Parallel()
		w := inState(t, subscription.Active)
		w.s.State = "frozen"
		require.Equal(t, answer{false, subscription.StandingEnded}, ask(w, mid(w)))
	})
}

func TestUpcomingAndItsNotice(t *testing.T) {
	t.Parallel()
	notice := func(days int, unit subscription.Unit) subscription.Plan {
		return planOf(t, func(d *subscription.Draft) { d.NoticeDays, d.Interval.Unit = days, unit })
	}
	t.Run("so many days of the local calendar before", func(t *testing.T) {
		t.Parallel()
		w := subscribed(t, notice(30, subscription.Year), "2026-04-20 02:30:00")
		at, told, err := w.s.NoticeAt(w.moment(time.Time{}))
		require.NoError(t, err)
		require.True(t, told)
		require.Equal(t, "2027-03-21 02:30:00", at.In(w.zone).Format(time.DateTime))
		next, renews, err := w.s.Upcoming(w.moment(time.Time{}))
		require.NoError(t, err)
		require.True(t, renews)
		require.Equal(t, eur(3000), next.Charge)
		require.Equal(t, "000002", next.Period.ID())
		require.Nil(t, w.s.Open, "looking ahead changes nothing")
	})
	t.Run("at the start, when the period is shorter", func(t *testing.T) {
		t.Parallel()
		w := subscribed(t, notice(30, subscription.Week), "2026-04-20 02:30:00")
		at, told, err := w.s.NoticeAt(w.moment(time.Time{}))
		require.NoError(t, err)
		require.True(t, told)
		require.Equal(t, w.s.Period.Start, at)
	})
	t.Run("before the end of a trial", func(t *testing.T) {
		t.Parallel()
		w := subscribed(t, planOf(t, func(d *subscription.Draft) { d.NoticeDays, d.TrialDays = 7, 14 }), "2026-04-20 02:30:00")
		at, told, err := w.s.NoticeAt(w.moment(time.Time{}))
		require.NoError(t, err)
		require.True(t, told)
		require.Equal(t, "2026-04-27 02:30:00", at.In(w.zone).Format(time.DateTime))
	})
	t.Run("never, where nothing will be charged", func(t *testing.T) {
		t.Parallel()
		plan := notice(7, subscription.Month)
		for rule, set := range map[string]func(*stand) (subscription.Subscription, error){
			"without notice": func(w *stand) (subscription.Subscription, error) { w.s.Terms.Plan.NoticeDays = 0; return w.s, nil },
			"it ends":        func(w *stand) (subscription.Subscription, error) { return w.s.CancelAtPeriodEnd() },
			"it pauses":      func(w *stand) (subscription.Subscription, error) { return w.s.Pause() },
			"it is skipped":  func(w *stand) (subscription.Subscription, error) { return w.s.Skip() },
			"it is covered":  func(w *stand) (subscription.Subscription, error) { w.s.Balance = eur(3000); return w.s, nil },
			"it is over": func(w *stand) (subscription.Subscription, error) {
				next, _, err := w.s.Cancel(w.s.Period.Start, false)
				return next, err
			},
			"a charge is open": func(w *stand) (subscription.Subscription, error) {
				return w.s.Renew(w.moment(w.s.Period.End))
			},
		} {
			w := subscribed(t, plan, "2026-04-20 02:30:00")
			next, err := set(w)
			require.NoError(t, err, rule)
			_, told, err := next.NoticeAt(w.moment(time.Time{}))
			require.NoError(t, err, rule)
			require.False(t, told, rule)
		}
	})
	t.Run("what cannot be computed is an error, not silence", func(t *testing.T) {
		t.Parallel()
		w := subscribed(t, notice(7, subscription.Month), "2026-04-20 02:30:00")
		_, _, err := w.s.NoticeAt(subscription.Moment{Zone: time.UTC})
		require.Error(t, err)
	})
}
