package subscription_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/subscription"
)

func TestPeriodsFollowTheCalendar(t *testing.T) {
	t.Parallel()
	every := func(count int, unit subscription.Unit) func(*subscription.Draft) {
		return func(d *subscription.Draft) {
			d.Interval = subscription.Interval{Unit: unit, Count: count}
		}
	}
	in := func(zone string, count int, unit subscription.Unit) func(*subscription.Draft) {
		return func(d *subscription.Draft) {
			every(count, unit)(d)
			d.Zone = zone
		}
	}
	for _, c := range []struct {
		rule  string
		plan  func(*subscription.Draft)
		start string
		want  []string // the starts that follow
	}{
		{
			"the 31st is the last day of shorter months and comes back", every(1, subscription.Month), "2027-12-31 10:00:00",
			[]string{"2028-01-31 10:00:00", "2028-02-29 10:00:00", "2028-03-31 10:00:00", "2028-04-30 10:00:00", "2028-05-31 10:00:00"},
		},
		{
			"the 30th passes February and comes back", every(1, subscription.Month), "2027-01-30 10:00:00",
			[]string{"2027-02-28 10:00:00", "2027-03-30 10:00:00", "2027-04-30 10:00:00", "2027-05-30 10:00:00"},
		},
		{
			"29 February is the 28th in common years and comes back", every(1, subscription.Year), "2028-02-29 10:00:00",
			[]string{"2029-02-28 10:00:00", "2030-02-28 10:00:00", "2031-02-28 10:00:00", "2032-02-29 10:00:00"},
		},
		{
			"every three months from the last of November", every(3, subscription.Month), "2026-11-30 10:00:00",
			[]string{"2027-02-28 10:00:00", "2027-05-30 10:00:00", "2027-08-30 10:00:00", "2027-11-30 10:00:00"},
		},
		{
			"28 February does not become the last of March", every(1, subscription.Month), "2027-02-28 10:00:00",
			[]string{"2027-03-28 10:00:00", "2027-04-28 10:00:00"},
		},
		{
			"the year 2100 is a common one", every(1, subscription.Month), "2100-01-31 10:00:00",
			[]string{"2100-02-28 10:00:00", "2100-03-31 10:00:00"},
		},
		{
			"the time of day stays when the clocks change", every(1, subscription.Week), "2027-03-24 18:30:00",
			[]string{"2027-03-31 18:30:00", "2027-04-07 18:30:00"},
		},
		{
			"a skipped time of day moves by the jump and comes back", every(1, subscription.Day), "2027-03-27 02:30:00",
			[]string{"2027-03-28 03:30:00", "2027-03-29 02:30:00"},
		},
		{
			"a midnight that does not exist is one o'clock", in("America/Sao_Paulo", 1, subscription.Day), "2018-11-03 00:00:00",
			[]string{"2018-11-04 01:00:00", "2018-11-05 00:00:00"},
		},
		{
			"a jump of half an hour", in("Australia/Lord_Howe", 1, subscription.Day), "2027-10-02 02:15:00",
			[]string{"2027-10-03 02:45:00", "2027-10-04 02:15:00"},
		},
		{
			"a day that the calendar left out has no daily period", in("Pacific/Apia", 1, subscription.Day), "2011-12-28 08:00:00",
			[]string{"2011-12-29 08:00:00", "2011-12-31 08:00:00", "2012-01-01 08:00:00"},
		},
		{
			"a monthly period due on it begins a day later", in("Pacific/Apia", 1, subscription.Month), "2011-11-30 08:00:00",
			[]string{"2011-12-31 08:00:00", "2012-01-30 08:00:00"},
		},
		{
			"the clocks go back for Ramadan", in("Africa/Casablanca", 1, subscription.Day), "2027-02-06 02:30:00",
			[]string{"2027-02-07 02:30:00", "2027-02-08 02:30:00"},
		},
	} {
		t.Run(c.rule, func(t *testing.T) {
			t.Parallel()
			w := subscribed(t, planOf(t, c.plan), c.start)
			for _, want := range c.want {
				end := w.s.Period.End
				w.paidOn()
				require.Equal(t, want, w.reads())
				require.Equal(t, end, w.s.Period.Start)
			}
		})
	}
}

func TestAReadingThatComesTwiceMeansTheFirst(t *testing.T) {
	t.Parallel()
	zone := zoneOf(t, "Europe/Berlin")
	at := subscription.Wall{Year: 2027, Month: time.October, Day: 31, Hour: 2, Minute: 30}.In(zone)
	require.Equal(t, "2027-10-31T00:30:00Z", at.Format(time.RFC3339))
	require.Equal(t, time.UTC, at.Location())

	t.Run("a subscription that began the second time has its own start and the same days after", func(t *testing.T) {
		t.Parallel()
		plan := planOf(t, func(d *subscription.Draft) { d.Interval.Unit = subscription.Day })
		second := time.Date(2027, time.October, 31, 1, 30, 0, 0, time.UTC)
		s, err := subscription.Subscribe(subscription.Order{ID: "s1", Plan: plan, Expected: 1, Quantity: 1, Zone: zone, At: second})
		require.NoError(t, err)
		require.Equal(t, second, s.Period.Start)
		require.Equal(t, "2027-11-01T01:30:00Z", s.Period.End.Format(time.RFC3339))
		require.Equal(t, eur(3000), s.Open.Amount)
	})
}

func TestFixedAnchors(t *testing.T) {
	t.Parallel()
	fixed := func(count int, unit subscription.Unit, month time.Month, day int) func(*subscription.Draft) {
		return func(d *subscription.Draft) {
			d.Interval = subscription.Interval{Unit: unit, Count: count}
			d.Anchor = subscription.Anchor{Day: day, Month: month}
		}
	}
	for _, c := range []struct {
		rule   string
		plan   func(*subscription.Draft)
		start  string
		amount int64 // of 3000 for a full period
		next   string
		then   string
	}{
		{"half a month costs half", fixed(1, subscription.Month, 0, 1), "2026-11-16 00:00:00", 1500, "2026-12-01 00:00:00", "2027-01-01 00:00:00"},
		{"who begins on the day has a full period", fixed(1, subscription.Month, 0, 1), "2026-11-01 00:00:00", 3000, "2026-12-01 00:00:00", "2027-01-01 00:00:00"},
		{"who begins later on the day waits for the next", fixed(1, subscription.Month, 0, 1), "2026-11-01 00:00:01", 3000, "2026-12-01 00:00:00", "2027-01-01 00:00:00"},
		{"the last day of each month", fixed(1, subscription.Month, 0, 31), "2027-02-14 00:00:00", 1500, "2027-02-28 00:00:00", "2027-03-31 00:00:00"},
		{"a quarter is measured by its own three months", fixed(3, subscription.Month, 0, 1), "2026-11-16 00:00:00", 494, "2026-12-01 00:00:00", "2027-03-01 00:00:00"},
		{"Monday", fixed(1, subscription.Week, 0, 1), "2026-11-19 12:00:00", 1500, "2026-11-23 00:00:00", "2026-11-30 00:00:00"},
		{"new year", fixed(1, subscription.Year, time.January, 1), "2026-07-02 13:00:00", 1500, "2027-01-01 00:00:00", "2028-01-01 00:00:00"},
		{"29 February in a common year", fixed(1, subscription.Year, time.February, 29), "2026-08-29 00:00:00", 1504, "2027-02-28 00:00:00", "2028-02-29 00:00:00"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			t.Parallel()
			w := ordered(t, planOf(t, c.plan), c.start)
			require.Equal(t, eur(c.amount), w.s.Open.Amount)
			w.settle(true, w.s.Period.Start)
			require.Equal(t, c.start, w.reads())
			w.renew()
			require.Equal(t, c.next, w.reads())
			require.Equal(t, eur(3000), w.s.Open.Amount)
			w.settle(true, w.s.Period.Start)
			w.renew()
			require.Equal(t, c.then, w.reads())
		})
	}
}

func TestTrials(t *testing.T) {
	t.Parallel()
	trial := planOf(t, func(d *subscription.Draft) {
		d.TrialDays, d.Zone = 30, "America/Los_Angeles"
	})
	t.Run("its days are of the local calendar, so a change of clocks costs no hour", func(t *testing.T) {
		t.Parallel()
		w := subscribed(t, trial, "2017-03-01 23:30:00")
		require.Equal(t, subscription.Trialing, w.s.State)
		require.Equal(t, "000000", w.s.Period.ID())
		w.renew()
		require.Equal(t, "2017-03-31 23:30:00", w.reads())
		require.Equal(t, "000001", w.s.Open.Key)
		require.Equal(t, eur(3000), w.s.Open.Amount)
		w.settle(true, w.s.Period.Start)
		w.renew()
		require.Equal(t, "2017-04-30 23:30:00", w.reads(), "the 31st is the day to return to")
		w.settle(true, w.s.Period.Start)
		w.renew()
		require.Equal(t, "2017-05-31 23:30:00", w.reads())
	})
	t.Run("the mandate alone is asked for, and the trial begins with it", func(t *testing.T) {
		t.Parallel()
		w := ordered(t, trial, "2027-03-01 12:00:00")
		require.True(t, w.s.Open.Amount.IsZero())
		require.Equal(t, subscription.FirstCharge, w.s.Open.Kind)
		w.settle(true, w.s.Period.Start.Add(time.Hour))
		require.Equal(t, "2027-03-01 13:00:00", w.reads())
		w.renew()
		require.Equal(t, "2027-03-31 13:00:00", w.reads())
	})
	t.Run("a fixed anchor gives a shorter first period after it", func(t *testing.T) {
		t.Parallel()
		plan := planOf(t, func(d *subscription.Draft) { d.TrialDays, d.Anchor.Day = 15, 1 })
		w := subscribed(t, plan, "2026-11-01 00:00:00")
		w.renew()
		require.Equal(t, eur(1500), w.s.Open.Amount)
		require.Equal(t, "000001", w.s.Period.ID())
	})
}

func TestZones(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "Local", "Mars/Olympus", "../etc/passwd", "+02:00"} {
		_, err := subscription.LoadZone(name)
		requireRefused(t, err, "zone", subscription.NoZone)
	}
	t.Run("another zone than the schedule's is a fault", func(t *testing.T) {
		t.Parallel()
		w := subscribed(t, planOf(t, nil), "2026-11-01 00:00:00")
		_, err := w.s.Renew(subscription.Moment{At: w.s.Period.End, Zone: time.UTC})
		require.ErrorContains(t, err, "UTC")
		_, err = w.s.Renew(subscription.Moment{At: w.s.Period.End})
		require.Error(t, err)
	})
}

// A government moves its clocks after a period was opened: its stored end stands.
func TestWhatWasOpenedKeepsItsEndWhenRulesChange(t *testing.T) {
	t.Parallel()
	daily := planOf(t, func(d *subscription.Draft) { d.Interval.Unit = subscription.Day })
	for rule, c := range map[string]struct {
		moved time.Duration // of the stored end, against the rules of today
		next  string        // end of the period that follows
	}{
		"later":              {time.Hour, "2027-05-03 10:00:00"},
		"earlier":            {-time.Hour, "2027-05-03 10:00:00"},
		"beyond another day": {25 * time.Hour, "2027-05-04 10:00:00"},
	} {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			w := subscribed(t, daily, "2027-05-01 10:00:00")
			w.s.Period.End = w.s.Period.End.Add(c.moved)
			end := w.s.Period.End
			w.paidOn()
			require.Equal(t, end, w.s.Period.Start, "no gap and no overlap")
			require.Equal(t, c.next, w.s.Period.End.In(w.zone).Format(time.DateTime))
			require.Equal(t, "000002", w.s.Period.ID())
		})
	}
}
