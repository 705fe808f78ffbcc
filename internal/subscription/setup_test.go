package subscription_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

func zoneOf(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := subscription.LoadZone(name)
	require.NoError(t, err)
	return zone
}

// local is a moment as a clock on the wall shows it: "2026-01-31 10:00:00".
func local(t *testing.T, zone *time.Location, reading string) time.Time {
	t.Helper()
	at, err := time.ParseInLocation(time.DateTime, reading, zone)
	require.NoError(t, err)
	return at
}

func draft() subscription.Draft {
	return subscription.Draft{
		ID: "gold", Price: "30.00", Currency: "EUR", Zone: "Europe/Berlin",
		Interval: subscription.Interval{Unit: subscription.Month, Count: 1},
	}
}

// planOf is the plain monthly plan with some of its members changed.
func planOf(t *testing.T, change func(*subscription.Draft)) subscription.Plan {
	t.Helper()
	d := draft()
	if change != nil {
		change(&d)
	}
	p, err := subscription.NewPlan(d)
	require.NoError(t, err)
	return p
}

// stand is a subscription with its clock and its zone, for tests that tell a story.
type stand struct {
	t    *testing.T
	zone *time.Location
	s    subscription.Subscription
}

// subscribed orders a plan at a local moment and pays at once.
func subscribed(t *testing.T, plan subscription.Plan, reading string) *stand {
	t.Helper()
	w := ordered(t, plan, reading)
	w.settle(true, w.s.Period.Start)
	return w
}

func ordered(t *testing.T, plan subscription.Plan, reading string) *stand {
	t.Helper()
	zone := zoneOf(t, plan.Zone)
	s, err := subscription.Subscribe(subscription.Order{
		ID: "s1", Plan: plan, Expected: plan.Version, Quantity: 1, Zone: zone, At: local(t, zone, reading),
	})
	require.NoError(t, err)
	return &stand{t: t, zone: zone, s: s}
}

func (w *stand) moment(at time.Time) subscription.Moment {
	return subscription.Moment{At: at, Zone: w.zone}
}

// settle gives the open charge its result; a decline is soft.
func (w *stand) settle(paid bool, at time.Time) {
	w.t.Helper()
	reason := payment.DeclineReason("")
	if !paid {
		reason = payment.DeclinedOther
	}
	w.declineOrPay(paid, reason, at)
}

func (w *stand) declineOrPay(paid bool, reason payment.DeclineReason, at time.Time) {
	w.t.Helper()
	require.NotNil(w.t, w.s.Open, "a charge is open")
	next, verdict, err := w.s.Settle(subscription.Result{Key: w.s.Open.Key, Paid: paid, Reason: reason, At: at, Zone: w.zone})
	require.NoError(w.t, err)
	require.Equal(w.t, subscription.Applied, verdict)
	w.s = next
}

// renew opens the next period on time.
func (w *stand) renew() {
	w.t.Helper()
	next, err := w.s.Renew(w.moment(w.s.Period.End))
	require.NoError(w.t, err)
	w.s = next
}

// paidOn renews and pays on time.
func (w *stand) paidOn() {
	w.t.Helper()
	w.renew()
	if w.s.Open != nil {
		w.settle(true, w.s.Period.Start)
	}
}

// pastDue is renewed, and declined softly at once.
func (w *stand) pastDue() {
	w.t.Helper()
	w.renew()
	w.settle(false, w.s.Period.Start)
}

// reads is what the clock on the wall shows when the period begins.
func (w *stand) reads() string { return w.s.Period.Start.In(w.zone).Format(time.DateTime) }

func requireRefused(t *testing.T, err error, field string, reason subscription.Reason) {
	t.Helper()
	require.Error(t, err)
	r, ok := errors.AsType[*subscription.Refusal](err)
	require.True(t, ok, "%v is a refusal", err)
	require.Equal(t, reason, r.Reason, "%v", err)
	require.Equal(t, field, r.Field, "%v", err)
}

// requireStale is a refusal that tells which version stands: the second.
func requireStale(t *testing.T, err error) {
	t.Helper()
	requireRefused(t, err, "plan.version", subscription.StaleVersion)
	r, _ := errors.AsType[*subscription.Refusal](err)
	require.Equal(t, 2, r.Current)
}

func eur(minor int64) money.Amount { return money.New(minor, "EUR") }
