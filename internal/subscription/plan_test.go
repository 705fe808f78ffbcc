package subscription_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/subscription"
)

func TestNewPlan(t *testing.T) {
	t.Parallel()
	p := planOf(t, func(d *subscription.Draft) { d.TrialDays, d.NoticeDays, d.Anchor.Day = 14, 7, 31 })
	require.Equal(t, subscription.Plan{
		ID: "gold", Version: 1, Price: eur(3000), Interval: subscription.Interval{Unit: subscription.Month, Count: 1},
		Anchor: subscription.Anchor{Day: 31}, TrialDays: 14, NoticeDays: 7, Zone: "Europe/Berlin", Running: subscription.Keep,
	}, p)

	unit := func(u subscription.Unit, n int) func(*subscription.Draft) {
		return func(d *subscription.Draft) { d.Interval = subscription.Interval{Unit: u, Count: n} }
	}
	anchor := func(u subscription.Unit, month time.Month, day int) func(*subscription.Draft) {
		return func(d *subscription.Draft) {
			unit(u, 1)(d)
			d.Anchor = subscription.Anchor{Day: day, Month: month}
		}
	}
	for rule, c := range map[string]struct {
		change func(*subscription.Draft)
		field  string
		reason subscription.Reason
	}{
		"no id":                     {func(d *subscription.Draft) { d.ID = "" }, "id", subscription.Missing},
		"no price":                  {func(d *subscription.Draft) { d.Price = "" }, "price", subscription.Missing},
		"a price of zero":           {func(d *subscription.Draft) { d.Price = "0.00" }, "price", subscription.IsZero},
		"a negative price":          {func(d *subscription.Draft) { d.Price = "-1.00" }, "price", subscription.IsNegative},
		"a price too precise":       {func(d *subscription.Draft) { d.Price = "9.999" }, "price", subscription.TooPrecise},
		"a fraction of a yen":       {func(d *subscription.Draft) { d.Price, d.Currency = "9.5", "JPY" }, "price", subscription.TooPrecise},
		"a price that is no number": {func(d *subscription.Draft) { d.Price = "9,99" }, "price", subscription.NotANumber},
		"a price beyond 64 bits":    {func(d *subscription.Draft) { d.Price = "92233720368547758.08" }, "price", subscription.OutOfRange},
		"an unknown currency":       {func(d *subscription.Draft) { d.Currency = "EURO" }, "currency", subscription.NoCurrency},
		"a currency in lower case":  {func(d *subscription.Draft) { d.Currency = "eur" }, "currency", subscription.NoCurrency},
		"an unknown unit":           {unit("hour", 1), "interval.unit", subscription.NoUnit},
		"no interval":               {unit(subscription.Month, 0), "interval.count", subscription.OutOfRange},
		"a negative interval":       {unit(subscription.Month, -1), "interval.count", subscription.OutOfRange},
		"more than 1095 days":       {unit(subscription.Day, 1096), "interval.count", subscription.OutOfRange},
		"more than 156 weeks":       {unit(subscription.Week, 157), "interval.count", subscription.OutOfRange},
		"more than 36 months":       {unit(subscription.Month, 37), "interval.count", subscription.OutOfRange},
		"more than 3 years":         {unit(subscription.Year, 4), "interval.count", subscription.OutOfRange},
		"an anchor for days":        {anchor(subscription.Day, 0, 1), "anchor.day", subscription.NoSuchDay},
		"an eighth weekday":         {anchor(subscription.Week, 0, 8), "anchor.day", subscription.NoSuchDay},
		"a 32nd":                    {anchor(subscription.Month, 0, 32), "anchor.day", subscription.NoSuchDay},
		"a negative day":            {anchor(subscription.Month, 0, -1), "anchor.day", subscription.NoSuchDay},
		"a month for months":        {anchor(subscription.Month, time.May, 1), "anchor.month", subscription.NoSuchDay},
		"a year's day of no month":  {anchor(subscription.Year, 0, 1), "anchor.month", subscription.OutOfRange},
		"a 13th month":              {anchor(subscription.Year, 13, 1), "anchor.month", subscription.OutOfRange},
		"a month without a day":     {anchor(subscription.Year, time.May, 0), "anchor.day", subscription.NoSuchDay},
		"30 February":               {anchor(subscription.Year, time.February, 30), "anchor.day", subscription.NoSuchDay},
		"31 April":                  {anchor(subscription.Year, time.April, 31), "anchor.day", subscription.NoSuchDay},
		"no zone":                   {func(d *subscription.Draft) { d.Zone = "" }, "zone", subscription.NoZone},
		"an unknown zone":           {func(d *subscription.Draft) { d.Zone = "Europe/Atlantis" }, "zone", subscription.NoZone},
		"a negative trial":          {func(d *subscription.Draft) { d.TrialDays = -1 }, "trial_days", subscription.OutOfRange},
		"a trial of years":          {func(d *subscription.Draft) { d.TrialDays = 731 }, "trial_days", subscription.OutOfRange},
		"a negative notice":         {func(d *subscription.Draft) { d.NoticeDays = -1 }, "notice_days", subscription.OutOfRange},
		"a notice of years":         {func(d *subscription.Draft) { d.NoticeDays = 91 }, "notice_days", subscription.OutOfRange},
	} {
		t.Run(rule+" is refused", func(t *testing.T) {
			t.Parallel()
			d := draft()
			c.change(&d)
			got, err := subscription.NewPlan(d)
			requireRefused(t, err, c.field, c.reason)
			require.Equal(t, subscription.Plan{}, got)
		})
	}
	t.Run("every limit itself is accepted", func(t *testing.T) {
		t.Parallel()
		for _, u := range subscription.Units {
			planOf(t, unit(u, 1))
			planOf(t, unit(u, u.Most()))
		}
		planOf(t, anchor(subscription.Year, time.February, 29))
		planOf(t, func(d *subscription.Draft) { d.TrialDays, d.NoticeDays = 730, 90 })
	})
}

func update(price string, expected int, running subscription.Rule) subscription.Update {
	d := draft()
	d.Price = price
	return subscription.Update{Draft: d, Expected: expected, Running: running}
}

func TestPlansAreVersioned(t *testing.T) {
	t.Parallel()
	v1 := planOf(t, nil)
	t.Run("an update makes the next version and leaves the one before", func(t *testing.T) {
		t.Parallel()
		v2, err := v1.Update(update("35.00", 1, subscription.Move))
		require.NoError(t, err)
		require.Equal(t, 2, v2.Version)
		require.Equal(t, eur(3500), v2.Price)
		require.Equal(t, eur(3000), v1.Price)
	})
	t.Run("whoever saw another version is told the one that stands", func(t *testing.T) {
		t.Parallel()
		v2, err := v1.Update(update("35.00", 1, subscription.Keep))
		require.NoError(t, err)
		_, err = v2.Update(update("40.00", 1, subscription.Keep))
		requireStale(t, err)
		_, err = v2.Retire(1, subscription.Keep, time.Time{})
		requireStale(t, err)
		_, err = subscription.Subscribe(subscription.Order{ID: "s", Plan: v2, Expected: 1, Quantity: 1, Zone: time.UTC})
		requireStale(t, err)
	})
	t.Run("what a plan cannot become is refused", func(t *testing.T) {
		t.Parallel()
		u := update("35.00", 1, subscription.Keep)
		u.Draft.Currency = "USD"
		_, err := v1.Update(u)
		requireRefused(t, err, "currency", subscription.OtherCurrency)
		_, err = v1.Update(update("35.00", 1, "perhaps"))
		requireRefused(t, err, "running", subscription.NoRule)
		_, err = v1.Update(update("0", 1, subscription.Keep))
		requireRefused(t, err, "price", subscription.IsZero)
		u = update("35.00", 1, subscription.Keep)
		u.Draft.ID = "silver"
		_, err = v1.Update(u)
		requireRefused(t, err, "id", subscription.NoRule)
		_, err = v1.Retire(1, subscription.Move, time.Time{})
		requireRefused(t, err, "running", subscription.NoRule)
		_, err = v1.Retire(1, "perhaps", time.Time{})
		requireRefused(t, err, "running", subscription.NoRule)
	})
	t.Run("a retired plan takes nobody new until it is offered again", func(t *testing.T) {
		t.Parallel()
		v2, err := v1.Retire(1, subscription.Keep, time.Time{})
		require.NoError(t, err)
		_, err = subscription.Subscribe(subscription.Order{ID: "s", Plan: v2, Expected: 2, Quantity: 1, Zone: time.UTC})
		requireRefused(t, err, "plan", subscription.Retired)
		v3, err := v2.Update(update("30.00", 2, subscription.Keep))
		require.NoError(t, err)
		_, err = subscription.Subscribe(subscription.Order{ID: "s", Plan: v3, Expected: 3, Quantity: 1, Zone: time.UTC})
		require.NoError(t, err)
	})
}

func TestRunningSubscriptionsFollowTheirPlanByRule(t *testing.T) {
	t.Parallel()
	start := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	version := func(n int, rule subscription.Rule, from time.Time) subscription.Plan {
		return subscription.Plan{ID: "gold", Version: n, Running: rule, From: from}
	}
	never := time.Time{}
	for _, c := range []struct {
		rule     string
		versions []subscription.Plan
		want     int
		ends     bool
	}{
		{"no newer version", []subscription.Plan{version(1, subscription.Keep, never)}, 1, false},
		{"they keep theirs", []subscription.Plan{version(2, subscription.Keep, never)}, 1, false},
		{"they move", []subscription.Plan{version(2, subscription.Move, never)}, 2, false},
		{"they move over one that they need not take", []subscription.Plan{version(2, subscription.Keep, never), version(3, subscription.Move, never)}, 3, false},
		{"one that is kept does not undo a move", []subscription.Plan{version(2, subscription.Move, never), version(3, subscription.Keep, never)}, 2, false},
		{"they move from its date on", []subscription.Plan{version(2, subscription.Move, start)}, 2, false},
		{"not before its date", []subscription.Plan{version(2, subscription.Move, start.Add(time.Second))}, 1, false},
		{"they end", []subscription.Plan{version(2, subscription.End, never)}, 1, true},
		{"not before the end's date", []subscription.Plan{version(2, subscription.End, start.Add(time.Second))}, 1, false},
		{"a plan that came back takes them along", []subscription.Plan{version(2, subscription.End, never), version(3, subscription.Move, never)}, 3, false},
		{"other plans do not matter", []subscription.Plan{{ID: "silver", Version: 9, Running: subscription.End}}, 1, false},
	} {
		t.Run(c.rule, func(t *testing.T) {
			t.Parallel()
			next, ends := version(1, subscription.Keep, never).Follow(c.versions, start)
			require.Equal(t, c.want, next.Version)
			require.Equal(t, c.ends, ends)
		})
	}

	t.Run("a renewal moves the subscription, and its day of the month stays", func(t *testing.T) {
		t.Parallel()
		v1 := planOf(t, nil)
		u := update("80.00", 1, subscription.Move)
		u.Draft.Interval.Count = 3
		v2, err := v1.Update(u)
		require.NoError(t, err)
		w := subscribed(t, v1, "2027-01-31 10:00:00")
		next, err := w.s.Renew(subscription.Moment{At: w.s.Period.End, Zone: w.zone, Versions: []subscription.Plan{v1, v2}})
		require.NoError(t, err)
		w.s = next
		require.Equal(t, eur(8000), w.s.Open.Amount)
		require.Equal(t, 2, w.s.Terms.Plan.Version)
		require.Equal(t, "2027-02-28 10:00:00", w.reads())
		w.settle(true, w.s.Period.Start)
		w.paidOn()
		require.Equal(t, "2027-05-31 10:00:00", w.reads())
	})
	t.Run("a plan that ends takes its subscriptions along when their period ends", func(t *testing.T) {
		t.Parallel()
		v1 := planOf(t, nil)
		v2, err := v1.Retire(1, subscription.End, time.Time{})
		require.NoError(t, err)
		w := subscribed(t, v1, "2027-01-31 10:00:00")
		m := subscription.Moment{At: w.s.Period.End, Zone: w.zone, Versions: []subscription.Plan{v1, v2}}
		next, err := w.s.Renew(m)
		require.NoError(t, err)
		require.Equal(t, subscription.Cancelled, next.State)
		require.Nil(t, next.Open)
		_, renews, err := w.s.Upcoming(m)
		require.NoError(t, err)
		require.False(t, renews)
	})
}
