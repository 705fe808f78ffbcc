package subscription_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/subscription"
)

// silver is another plan at a price, every so many months.
func silver(t *testing.T, price string, months int) subscription.Plan {
	t.Helper()
	return planOf(t, func(d *subscription.Draft) { d.ID, d.Price, d.Interval.Count = "silver", price, months })
}

func (w *stand) change(plan subscription.Plan, when subscription.When, reading string) (subscription.Proration, error) {
	w.t.Helper()
	next, p, err := w.s.Change(subscription.Change{
		To: subscription.Terms{Plan: plan, Quantity: 1}, Expected: plan.Version, When: when,
	}, w.moment(local(w.t, w.zone, reading)))
	if err == nil {
		w.s = next
	}
	return p, err
}

func TestProrationIsExact(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rule         string
		from, to     string // prices, of April: 30 days
		at           string
		credit, cost int64
		open         int64
		balance      int64
	}{
		{"a third of the month is left", "30.00", "60.00", "2027-04-21 00:00:00", 1000, 2000, 1000, 0},
		{"at the very start all is given back", "30.00", "60.00", "2027-04-01 00:00:00", 3000, 6000, 3000, 0},
		{"in the last second next to nothing", "30.00", "60.00", "2027-04-30 23:59:59", 0, 0, 0, 0},
		{"cheaper terms add to the balance", "60.00", "30.00", "2027-04-21 00:00:00", 2000, 1000, 0, 1000},
		{"an exact half goes to the time that is over", "0.01", "0.03", "2027-04-16 00:00:00", 0, 1, 1, 0},
		{"more than half a cent is a cent", "0.01", "0.03", "2027-04-15 23:59:59", 1, 2, 1, 0},
		{"less than half a cent is none", "0.01", "0.03", "2027-04-16 00:00:01", 0, 1, 1, 0},
		{"seconds count", "2592.00", "5184.00", "2027-04-21 00:00:50", 86395, 172790, 86395, 0},
	} {
		t.Run(c.rule, func(t *testing.T) {
			t.Parallel()
			w := subscribed(t, planOf(t, func(d *subscription.Draft) { d.Price = c.from }), "2027-04-01 00:00:00")
			p, err := w.change(silver(t, c.to, 1), subscription.Prorated, c.at)
			require.NoError(t, err)
			require.Equal(t, subscription.Proration{Credit: eur(c.credit), Cost: eur(c.cost)}, p)
			require.Equal(t, eur(c.balance), w.s.Balance)
			if c.open == 0 {
				require.Nil(t, w.s.Open)
				require.Equal(t, "silver", w.s.Terms.Plan.ID)
				return
			}
			require.Equal(t, eur(c.open), w.s.Open.Amount)
			require.Equal(t, "000001-0001", w.s.Open.Key)
			require.Equal(t, "gold", w.s.Terms.Plan.ID, "dearer terms stand once they are paid")
			w.settle(true, local(t, w.zone, c.at))
			require.Equal(t, "silver", w.s.Terms.Plan.ID)
		})
	}
}

func TestADayOfDaylightSavingWeighsWhatItLasts(t *testing.T) {
	t.Parallel()
	// 28 March 2027 has 23 hours in Berlin: 30 days and 23 hours make the month.
	w := subscribed(t, planOf(t, func(d *subscription.Draft) { d.Price = "743.00" }), "2027-03-01 00:00:00")
	p, err := w.change(silver(t, "1486.00", 1), subscription.Prorated, "2027-03-28 00:00:00")
	require.NoError(t, err)
	require.Equal(t, subscription.Proration{Credit: eur(95_00), Cost: eur(190_00)}, p, "95 hours are left of 743")
}

func TestThereAndBackCostsNothing(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"2027-01-31 10:00:00", "2027-02-09 03:33:33", "2027-02-28 09:59:59"} {
		w := subscribed(t, planOf(t, nil), "2027-01-31 10:00:00")
		up, err := w.change(silver(t, "77.77", 1), subscription.Prorated, at)
		require.NoError(t, err)
		if w.s.Open != nil {
			w.settle(true, local(t, w.zone, at))
		}
		down, err := w.change(planOf(t, nil), subscription.Prorated, at)
		require.NoError(t, err)
		require.Equal(t, up.Credit, down.Cost)
		require.Equal(t, up.Cost, down.Credit)
		net, err := up.Net()
		require.NoError(t, err)
		require.Equal(t, net, w.s.Balance, "what the way up cost is to the customer's credit")
	}
}

func TestTheBalancePaysLaterCharges(t *testing.T) {
	t.Parallel()
	w := subscribed(t, planOf(t, func(d *subscription.Draft) { d.Price = "100.00" }), "2027-04-01 00:00:00")
	_, err := w.change(silver(t, "30.00", 1), subscription.Prorated, "2027-04-01 00:00:00")
	require.NoError(t, err)
	require.Equal(t, eur(7000), w.s.Balance)
	for _, c := range []struct{ balance, open int64 }{{4000, 0}, {1000, 0}, {1000, 2000}} {
		w.renew()
		require.Equal(t, eur(c.balance), w.s.Balance)
		if c.open == 0 {
			require.Nil(t, w.s.Open)
		}
	}
	require.Equal(t, eur(2000), w.s.Open.Amount)
	require.Equal(t, eur(1000), w.s.Open.FromBalance)
	t.Run("a decline takes nothing of it", func(t *testing.T) {
		declined := &stand{t: t, zone: w.zone, s: w.s}
		declined.settle(false, w.s.Period.Start)
		require.Equal(t, eur(1000), declined.s.Balance)
	})
	w.settle(true, w.s.Period.Start)
	require.Equal(t, eur(0), w.s.Balance)
}

func TestAnotherIntervalBeginsAPeriod(t *testing.T) {
	t.Parallel()
	t.Run("at once, for its price less the rest of the old one", func(t *testing.T) {
		t.Parallel()
		w := subscribed(t, planOf(t, nil), "2027-04-01 00:00:00")
		p, err := w.change(silver(t, "300.00", 12), subscription.Prorated, "2027-04-21 00:00:00")
		require.NoError(t, err)
		require.Equal(t, subscription.Proration{Credit: eur(1000), Cost: eur(30000)}, p)
		require.Equal(t, "000002-0001", w.s.Open.Key)
		require.Equal(t, "000001", w.s.Period.ID(), "not before it is paid")
		w.settle(true, local(t, w.zone, "2027-04-21 00:05:00"))
		require.Equal(t, "000002", w.s.Period.ID())
		require.Equal(t, "2027-04-21 00:00:00", w.reads())
		w.renew()
		require.Equal(t, "000003", w.s.Open.Key)
		require.Equal(t, "2028-04-21 00:00:00", w.reads())
		require.Equal(t, eur(30000), w.s.Open.Amount)
	})
	t.Run("declined, everything stays, and another try is another charge", func(t *testing.T) {
		t.Parallel()
		w := subscribed(t, planOf(t, nil), "2027-04-01 00:00:00")
		before := w.s
		_, err := w.change(silver(t, "300.00", 12), subscription.Prorated, "2027-04-21 00:00:00")
		require.NoError(t, err)
		w.settle(false, local(t, w.zone, "2027-04-21 00:05:00"))
		require.Equal(t, subscription.Active, w.s.State)
		require.Equal(t, before.Terms, w.s.Terms)
		require.Equal(t, before.Period, w.s.Period)
		_, err = w.change(silver(t, "300.00", 12), subscription.Prorated, "2027-04-22 00:00:00")
		require.NoError(t, err)
		require.Equal(t, "000002-0002", w.s.Open.Key)
		w.settle(false, local(t, w.zone, "2027-04-22 00:05:00"))
		w.renew()
		require.Equal(t, "000002", w.s.Open.Key)
	})
	t.Run("at the end, the day of the month stays", func(t *testing.T) {
		t.Parallel()
		w := subscribed(t, planOf(t, nil), "2027-01-31 10:00:00")
		p, err := w.change(silver(t, "80.00", 3), subscription.AtEnd, "2027-02-10 00:00:00")
		require.NoError(t, err)
		require.True(t, p.Cost.IsZero())
		require.Equal(t, "gold", w.s.Terms.Plan.ID)
		w.renew()
		require.Equal(t, "silver", w.s.Terms.Plan.ID)
		require.Equal(t, eur(8000), w.s.Open.Amount)
		w.settle(true, w.s.Period.Start)
		w.paidOn()
		require.Equal(t, "2027-05-31 10:00:00", w.reads())
	})
	t.Run("a plan with a fixed day has a shorter period first", func(t *testing.T) {
		t.Parallel()
		w := subscribed(t, planOf(t, nil), "2027-01-16 00:00:00")
		plan := planOf(t, func(d *subscription.Draft) { d.ID, d.Anchor.Day = "first", 1 })
		_, err := w.change(plan, subscription.AtEnd, "2027-02-10 00:00:00")
		require.NoError(t, err)
		w.renew()
		require.Equal(t, "2027-02-16 00:00:00", w.reads())
		require.Equal(t, eur(1393), w.s.Open.Amount, "13 of 28 days")
		w.settle(true, w.s.Period.Start)
		w.paidOn()
		require.Equal(t, "2027-03-01 00:00:00", w.reads())
	})
}

func TestAChangeForNothingGivesNothingBackLater(t *testing.T) {
	t.Parallel()
	w := subscribed(t, planOf(t, nil), "2027-04-01 00:00:00")
	_, err := w.change(silver(t, "300.00", 1), subscription.Unpriced, "2027-04-02 00:00:00")
	require.NoError(t, err)
	require.Equal(t, "silver", w.s.Terms.Plan.ID)
	p, err := w.change(planOf(t, nil), subscription.Prorated, "2027-04-21 00:00:00")
	require.NoError(t, err)
	require.Equal(t, eur(1000), p.Credit, "the rest was paid at 30.00, not at 300.00")
	require.Equal(t, eur(0), w.s.Balance)
	back, err := w.change(silver(t, "300.00", 1), subscription.Unpriced, "2027-04-22 00:00:00")
	require.NoError(t, err)
	require.True(t, back.Cost.IsZero())
	_, refund, err := w.s.Cancel(local(t, w.zone, "2027-04-21 00:00:00"), true)
	require.NoError(t, err)
	require.Equal(t, eur(1000), refund)
}

func TestChangesInAFreePeriodCostNothing(t *testing.T) {
	t.Parallel()
	t.Run("in a trial, which keeps its length", func(t *testing.T) {
		t.Parallel()
		w := subscribed(t, planOf(t, func(d *subscription.Draft) { d.TrialDays = 14 }), "2027-04-01 00:00:00")
		p, err := w.change(silver(t, "300.00", 12), subscription.Prorated, "2027-04-02 00:00:00")
		require.NoError(t, err)
		require.True(t, p.Cost.IsZero())
		require.Nil(t, w.s.Open)
		w.renew()
		require.Equal(t, "2027-04-15 00:00:00", w.reads())
		require.Equal(t, eur(30000), w.s.Open.Amount)
	})
	t.Run("in a skipped period", func(t *testing.T) {
		t.Parallel()
		w := subscribed(t, planOf(t, nil), "2027-04-01 00:00:00")
		next, err := w.s.Skip()
		require.NoError(t, err)
		w.s = next
		w.renew()
		_, err = w.change(silver(t, "300.00", 12), subscription.Prorated, "2027-05-02 00:00:00")
		require.NoError(t, err)
		require.Nil(t, w.s.Open)
		w.renew()
		require.Equal(t, "2027-06-01 00:00:00", w.reads())
		require.Equal(t, eur(30000), w.s.Open.Amount)
	})
}

func TestWhatWouldChargeTwiceIsRefused(t *testing.T) {
	t.Parallel()
	at := "2027-04-21 00:00:00"
	t.Run("a change beside a change", func(t *testing.T) {
		t.Parallel()
		w := subscribed(t, planOf(t, nil), "2027-04-01 00:00:00")
		_, err := w.change(silver(t, "60.00", 1), subscription.Prorated, at)
		require.NoError(t, err)
		_, err = w.change(silver(t, "90.00", 1), subscription.Prorated, at)
		requireRefused(t, err, "subscription", subscription.WouldChargeTwice)
		_, err = w.s.Renew(w.moment(w.s.Period.End))
		requireRefused(t, err, "subscription", subscription.WouldChargeTwice)
	})
	t.Run("a change beside the renewal", func(t *testing.T) {
		t.Parallel()
		w := subscribed(t, planOf(t, nil), "2027-04-01 00:00:00")
		w.renew()
		_, err := w.change(silver(t, "60.00", 1), subscription.Prorated, "2027-05-01 00:00:00")
		requireRefused(t, err, "subscription", subscription.WouldChargeTwice)
		_, err = w.s.Renew(w.moment(w.s.Period.End))
		requireRefused(t, err, "subscription", subscription.WouldChargeTwice)
	})
	t.Run("another interval that gives nothing back", func(t *testing.T) {
		t.Parallel()
		w := subscribed(t, planOf(t, nil), "2027-04-01 00:00:00")
		_, err := w.change(silver(t, "300.00", 12), subscription.Unpriced, at)
		requireRefused(t, err, "when", subscription.WouldChargeTwice)
	})
}

func TestChangesThatAreRefused(t *testing.T) {
	t.Parallel()
	at := "2027-04-21 00:00:00"
	w := subscribed(t, planOf(t, nil), "2027-04-01 00:00:00")
	u := update("70.00", 1, subscription.Keep)
	u.Draft.ID = ""
	newer, err := silver(t, "60.00", 1).Update(u)
	require.NoError(t, err)
	_, _, err = w.s.Change(subscription.Change{
		To: subscription.Terms{Plan: newer, Quantity: 1}, Expected: 1, When: subscription.Prorated,
	}, w.moment(local(t, w.zone, at)))
	requireStale(t, err)

	retired, err := silver(t, "60.00", 1).Retire(1, subscription.Keep, time.Time{})
	require.NoError(t, err)
	_, err = w.change(retired, subscription.Prorated, at)
	requireRefused(t, err, "plan", subscription.Retired)
	_, err = w.change(planOf(t, func(d *subscription.Draft) { d.ID, d.Currency = "dollars", "USD" }), subscription.AtEnd, at)
	requireRefused(t, err, "plan", subscription.OtherCurrency)
	_, err = w.change(planOf(t, nil), subscription.Prorated, at)
	requireRefused(t, err, "plan", subscription.NothingToDo)
	_, err = w.change(silver(t, "60.00", 1), "tomorrow", at)
	requireRefused(t, err, "when", subscription.NoRule)
	_, err = w.change(silver(t, "60.00", 1), subscription.Prorated, "2027-05-01 00:00:00")
	requireRefused(t, err, "at", subscription.OutOfRange)
	_, err = w.change(silver(t, "60.00", 1), subscription.Prorated, "2027-03-31 23:59:59")
	requireRefused(t, err, "at", subscription.OutOfRange)
	for _, quantity := range []int64{-1, 0, 1_000_000, math.MaxInt64} {
		_, _, err = w.s.ChangeQuantity(quantity, subscription.AtEnd, w.moment(w.s.Period.Start))
		requireRefused(t, err, "quantity", subscription.OutOfRange)
	}
	ending, err := w.s.CancelAtPeriodEnd()
	require.NoError(t, err)
	_, _, err = ending.ChangeQuantity(2, subscription.AtEnd, w.moment(w.s.Period.Start))
	requireRefused(t, err, "subscription", subscription.Ending)
}

func TestQuantity(t *testing.T) {
	t.Parallel()
	w := subscribed(t, planOf(t, nil), "2027-04-01 00:00:00")
	next, p, err := w.s.ChangeQuantity(7, subscription.Prorated, w.moment(local(t, w.zone, "2027-04-21 00:00:00")))
	require.NoError(t, err)
	require.Equal(t, subscription.Proration{Credit: eur(1000), Cost: eur(7000)}, p)
	w.s = next
	w.settle(true, local(t, w.zone, "2027-04-21 00:00:00"))
	w.renew()
	require.Equal(t, eur(21000), w.s.Open.Amount)

	t.Run("every quantity multiplies exactly", func(t *testing.T) {
		t.Parallel()
		for _, n := range []int64{1, 2, 3, 10, 4095, 4096, 999_999} {
			price, err := subscription.Terms{Plan: planOf(t, nil), Quantity: n}.Price()
			require.NoError(t, err)
			require.Equal(t, eur(3000*n), price)
		}
	})
	t.Run("a price beyond 64 bits is refused", func(t *testing.T) {
		t.Parallel()
		terms := subscription.Terms{Plan: planOf(t, nil), Quantity: 2}
		terms.Plan.Price = money.New(math.MaxInt64/2+1, "EUR")
		_, err := terms.Price()
		requireRefused(t, err, "quantity", subscription.OutOfRange)
		terms.Quantity = 1
		price, err := terms.Price()
		require.NoError(t, err)
		require.Equal(t, terms.Plan.Price, price)
	})
}
