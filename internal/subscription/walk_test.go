package subscription_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/subscription"
)

// changeKind says what happens to the terms on the way.
type changeKind string

const (
	unchanged     changeKind = "unchanged"
	otherPrice    changeKind = "another price, at once"
	otherQuantity changeKind = "another quantity, at once"
	otherInterval changeKind = "another interval, at once"
	atItsEnd      changeKind = "another interval, at the end"
	unpriced      changeKind = "another price, unpriced"
	newVersion    changeKind = "a new version that all move to"
)

var changeKinds = []changeKind{unchanged, otherPrice, otherQuantity, otherInterval, atItsEnd, unpriced, newVersion}

// walk is one subscription through ten years, with books kept by another
// arithmetic than the one that is tested.
type walk struct {
	t        *testing.T
	name     string
	zone     *time.Location
	rng      *rand.Rand
	kind     changeKind
	interval subscription.Interval
	anchor   subscription.Anchor

	s        subscription.Subscription
	plan     subscription.Plan
	versions []subscription.Plan
	begun    []subscription.Period // every period as it was opened, in order
	keys     map[string]bool
	charged  int64
	spent    int64 // what the stretches cost, by the other arithmetic
	since    time.Time
	met      tally
}

func (w *walk) check(ok bool, format string, args ...any) {
	if !ok { // formatting millions of messages would cost more than the walk
		require.FailNow(w.t, w.name+": "+fmt.Sprintf(format, args...))
	}
}

func (w *walk) must(err error) {
	if err != nil {
		require.NoError(w.t, err, w.name)
	}
}

func (w *walk) run(start time.Time) {
	w.t.Helper()
	w.met = tally{stories: 1, changes: map[changeKind]int{}}
	w.keys = map[string]bool{}
	w.plan = w.newPlan(w.interval, w.anchor, 2_999)
	w.versions = []subscription.Plan{w.plan}
	var err error
	w.s, err = subscription.Subscribe(subscription.Order{
		ID: "s", Plan: w.plan, Expected: 1, Quantity: 1, Zone: w.zone, At: start,
	})
	w.must(err)
	w.settle(start)
	w.opened()
	end := start.AddDate(10, 0, 0)
	for w.s.Period.End.Before(end) {
		w.meanwhile()
		w.renew()
	}
	w.spend(w.s.Period.End)
	w.verdict(start, end)
}

// newPlan is checked once a walk: that reads the zone's file.
func (w *walk) newPlan(interval subscription.Interval, anchor subscription.Anchor, minor int64) subscription.Plan {
	if w.plan.ID == "" {
		p, err := subscription.NewPlan(subscription.Draft{
			ID: "p", Price: eur(minor).Decimal(), Currency: "EUR", Interval: interval, Anchor: anchor, Zone: w.zone.String(),
		})
		w.must(err)
		return p
	}
	p := w.plan
	p.Price, p.Interval, p.Anchor = eur(minor), interval, anchor
	return p
}

// settle pays what is open.
func (w *walk) settle(at time.Time) {
	c := w.s.Open
	if c == nil {
		return
	}
	w.check(!w.keys[c.Key], "charge %s comes twice", c.Key)
	w.keys[c.Key] = true
	w.charged += c.Amount.Minor
	next, verdict, err := w.s.Settle(subscription.Result{Key: c.Key, Paid: true, At: at, Zone: w.zone})
	w.must(err)
	w.check(verdict == subscription.Applied, "verdict %s", verdict)
	w.s = next
	_, verdict, err = next.Settle(subscription.Result{Key: c.Key, Paid: true, At: at, Zone: w.zone})
	w.must(err)
	w.check(verdict == subscription.NotOpen, "a repeat is %s", verdict)
}

// opened enters the current period, once.
func (w *walk) opened() {
	w.begun = append(w.begun, w.s.Period)
	w.since = w.s.Period.Start
	w.met.periods++
	if w.s.Period.From.Before(w.s.Period.Start) {
		w.met.stubs++
	}
}

// spend enters what the terms since the last change cost until a moment.
func (w *walk) spend(until time.Time) {
	w.spent += restOf(w.s.Period, w.since) - restOf(w.s.Period, until)
	w.since = until
}

// restOf is Period.Rest by fractions: the exact share, rounded to the nearest
// minor unit, an exact half down.
func restOf(p subscription.Period, at time.Time) int64 {
	left, all := p.End.Unix()-at.Unix(), p.End.Unix()-p.From.Unix()
	twice := new(big.Int).Mul(big.NewInt(p.Price.Minor), big.NewInt(2*left))
	twice.Add(twice, big.NewInt(all-1))
	return twice.Quo(twice, big.NewInt(2*all)).Int64()
}

func (w *walk) renew() {
	at := w.s.Period.End
	_, err := w.s.Renew(subscription.Moment{At: at.Add(-time.Second), Zone: w.zone, Versions: w.versions})
	w.check(err != nil, "renewed a second early")
	before := w.s.Period
	if w.rng.IntN(4) == 0 { // nobody was there on time
		at = at.Add(time.Duration(w.rng.IntN(100)) * time.Hour)
	}
	w.spend(before.End)
	next, err := w.s.Renew(subscription.Moment{At: at, Zone: w.zone, Versions: w.versions})
	w.must(err)
	w.check(next.Period.Number == before.Number+1, "number %d after %d", next.Period.Number, before.Number)
	_, err = next.Renew(subscription.Moment{At: at, Zone: w.zone, Versions: w.versions})
	w.check(err != nil || next.Open == nil && !at.Before(next.Period.End), "renewed twice")
	w.s = next
	w.opened()
	w.settle(at)
}

// meanwhile changes the terms during the period, now and then and more than once.
func (w *walk) meanwhile() {
	if w.kind == unchanged || w.rng.IntN(3) > 0 {
		return
	}
	for range 1 + w.rng.IntN(3) {
		w.change()
	}
}

func (w *walk) change() {
	length := w.s.Period.End.Unix() - w.since.Unix()
	at := w.since.Add(time.Duration(w.rng.Int64N(length)) * time.Second)
	minor := 100 + w.rng.Int64N(10_000)
	plan := w.newPlan(w.s.Terms.Plan.Interval, w.s.Terms.Plan.Anchor, minor)
	when, quantity := subscription.Prorated, w.s.Terms.Quantity
	switch w.kind {
	case otherPrice:
	case otherQuantity:
		quantity += 1 + w.rng.Int64N(5)
		if w.rng.IntN(2) == 0 {
			quantity = max(1, quantity-4)
		}
	case otherInterval:
		plan = w.otherInterval(minor)
	case atItsEnd:
		plan, when = w.otherInterval(minor), subscription.AtEnd
	case unpriced:
		when = subscription.Unpriced
	case newVersion:
		w.update(minor)
		return
	case unchanged:
		return
	}
	w.met.changes[w.kind]++
	plan.ID = fmt.Sprintf("p%d", w.rng.Int64())
	if w.kind == unpriced {
		w.carry(plan, quantity, at)
		return
	}
	w.apply(subscription.Change{To: subscription.Terms{Plan: plan, Quantity: quantity}, Expected: plan.Version, When: when}, at)
}

// otherInterval draws one that is neither too long for a decade nor the same.
func (w *walk) otherInterval(minor int64) subscription.Plan {
	choices := []subscription.Interval{
		{Unit: subscription.Week, Count: 3},
		{Unit: subscription.Month, Count: 1},
		{Unit: subscription.Month, Count: 5},
		{Unit: subscription.Year, Count: 1},
		{Unit: subscription.Day, Count: 45},
	}
	choices = slices.DeleteFunc(choices, func(i subscription.Interval) bool { return i == w.s.Terms.Plan.Interval })
	interval := choices[w.rng.IntN(len(choices))]
	var anchor subscription.Anchor
	if interval.Unit == subscription.Month && w.rng.IntN(2) == 0 {
		anchor.Day = 1 + w.rng.IntN(31)
	}
	return w.newPlan(interval, anchor, minor)
}

// update makes a version of the plan that running subscriptions move to.
func (w *walk) update(minor int64) {
	w.met.changes[w.kind]++
	next := w.versions[len(w.versions)-1]
	next.Version, next.Price, next.Running = next.Version+1, eur(minor), subscription.Move
	w.versions = append(w.versions, next)
}

// carry changes the price for nothing: the period stays at what it was paid at.
func (w *walk) carry(plan subscription.Plan, quantity int64, at time.Time) {
	before := w.s
	next, p, err := w.s.Change(subscription.Change{
		To: subscription.Terms{Plan: plan, Quantity: quantity}, Expected: plan.Version, When: subscription.Unpriced,
	}, subscription.Moment{At: at, Zone: w.zone, Versions: w.versions})
	w.must(err)
	w.check(p.Cost.IsZero() && p.Credit.IsZero() && next.Open == nil, "an unpriced change costs")
	w.check(next.Period == before.Period && next.Balance == before.Balance, "an unpriced change moves something")
	w.s = next
}

func (w *walk) apply(c subscription.Change, at time.Time) {
	before := w.s
	next, p, err := w.s.Change(c, subscription.Moment{At: at, Zone: w.zone, Versions: w.versions})
	w.must(err)
	if c.When == subscription.AtEnd {
		w.s = next
		return
	}
	credit, cost := restOf(before.Period, at), p.Cost.Minor
	w.check(p.Credit.Minor == credit, "credit %s, but %d of the other arithmetic", p.Credit, credit)
	w.spend(at)
	charge := next.Open
	w.s = next
	w.settle(at)
	// What was charged and what the balance gave make up the difference.
	took := before.Balance.Minor - w.s.Balance.Minor
	if charge != nil {
		w.check(charge.Amount.IsPositive(), "a charge of %s", charge.Amount)
		took += charge.Amount.Minor
	}
	w.check(took == cost-credit, "%d taken for a net of %d", took, cost-credit)
	if w.s.Period.Number != before.Period.Number {
		w.check(w.s.Period.Start.Equal(at), "the new period begins at %s, not at %s", w.s.Period.Start, at)
		w.begun[len(w.begun)-1].End = at // a period ends where its successor begins
		w.opened()
		return
	}
	w.check(w.s.Period.Start.Equal(before.Period.Start) && w.s.Period.End.Equal(before.Period.End), "the period has moved")
	w.since = at
}

// verdict judges the whole walk.
func (w *walk) verdict(start, end time.Time) {
	w.check(w.begun[0].Start.Equal(start), "the first begins at %s", w.begun[0].Start)
	w.check(!w.begun[len(w.begun)-1].End.Before(end), "ten years are not covered")
	ids := make([]string, len(w.begun))
	for i, p := range w.begun {
		ids[i] = p.ID()
		w.check(p.Number == i+1, "period %d is numbered %d", i+1, p.Number)
		w.check(!p.End.Before(p.Start), "period %s ends before it begins", p.ID())
		w.check(i == 0 || p.Start.Equal(w.begun[i-1].End), "between %d and %d is a gap or an overlap", i, i+1)
	}
	w.check(slices.IsSorted(ids), "ids are not in order")
	w.check(w.s.Balance.Minor >= 0, "a balance of %s", w.s.Balance)
	w.check(w.charged == w.spent+w.s.Balance.Minor, "charged %d, but the periods cost %d and %s is left", w.charged, w.spent, w.s.Balance)
	switch w.kind {
	case unchanged, otherPrice, otherQuantity, unpriced, newVersion:
		w.calendar(start)
	case otherInterval, atItsEnd:
	}
}
