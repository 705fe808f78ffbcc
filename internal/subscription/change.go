package subscription

import (
	"fmt"

	"tillflow/internal/money"
)

// When says when a change of plan or quantity takes effect, and what it costs.
type When string

// Kinds of changes.
const (
	// Prorated: at once. The rest of the period is given back at the old price
	// and paid at the new one, by [Period.Rest]. With another interval or anchor
	// a new period begins at once.
	Prorated When = "prorated"
	// AtEnd: with the next period, for nothing now.
	AtEnd When = "at_end"
	// Unpriced: at once and for nothing; the next period has the new price.
	Unpriced When = "unpriced"
)

// Change is a wish for other terms.
type Change struct {
	To       Terms // the plan in its newest version
	Expected int   // the version that the customer saw
	When     When
}

// Proration is what a change at once gives back and costs, before the balance.
type Proration struct {
	Credit money.Amount // the rest of the period at the old price
	Cost   money.Amount // what the new terms cost until the period ends
}

// Net is the cost less the credit: below zero, it goes to the balance.
func (p Proration) Net() (money.Amount, error) { return p.Cost.Sub(p.Credit) }

// Change changes the plan, the quantity or both. Dearer terms open a charge, and
// stand once it is paid; others stand at once and add to the balance. A later
// wish replaces one that waits for the period's end.
//
// It refuses another version than the newest (StaleVersion), a retired plan
// (Retired), another currency (OtherCurrency), terms that are in force already
// (NothingToDo), a subscription that is set to end (Ending), and whatever would
// charge twice for a period (WouldChargeTwice): while a charge is open, and a
// change of interval that does not give back what was paid. In a trial and in a
// skipped period nothing was paid: every change there is for nothing, and
// another interval begins with the next period.
func (s Subscription) Change(c Change, m Moment) (Subscription, Proration, error) {
	price, err := s.changeable(c, m)
	if err != nil {
		return s, Proration{}, err
	}
	none := Proration{Credit: money.New(0, price.Currency), Cost: money.New(0, price.Currency)}
	switch {
	case c.When == AtEnd:
		s.Next = &c.To
		return s, none, nil
	case s.Period.Kind != Regular:
		s.Terms, s.Next = c.To, nil
		return s, none, nil
	}
	if err := s.idle(); err != nil {
		return s, Proration{}, err
	}
	if !m.At.Before(s.Period.End) {
		return s, Proration{}, refuse("at", OutOfRange, "is after the end of period %s; it is renewed first", s.Period.ID())
	}
	if c.When == Unpriced {
		if !s.Schedule.fits(c.To.Plan) {
			return s, Proration{}, refuse("when", WouldChargeTwice,
				"must be prorated or at_end for another interval: the running period is paid, and a new one would begin")
		}
		s.Terms, s.Next = c.To, nil
		return s, none, nil
	}
	return s.prorated(c.To, price, m)
}

// ChangeQuantity is [Subscription.Change] with the plan as it is.
func (s Subscription) ChangeQuantity(quantity int64, when When, m Moment) (Subscription, Proration, error) {
	to := Terms{Plan: s.Terms.Plan, Quantity: quantity}
	return s.Change(Change{To: to, Expected: to.Plan.Version, When: when}, m)
}

// changeable checks a change that needs no moment, and prices it.
func (s Subscription) changeable(c Change, m Moment) (money.Amount, error) {
	if err := s.State.ask(CmdChange); err != nil {
		return money.Amount{}, err
	}
	if err := s.Schedule.in(m.Zone); err != nil {
		return money.Amount{}, err
	}
	switch c.When {
	case Prorated, AtEnd, Unpriced:
	default:
		return money.Amount{}, refuse("when", NoRule, "must be prorated, at_end or unpriced")
	}
	if err := c.To.Plan.Expect(c.Expected); err != nil {
		return money.Amount{}, err
	}
	same := c.To.Plan.ID == s.Terms.Plan.ID
	switch {
	case c.To.Plan.Retired && !same:
		return money.Amount{}, refuse("plan", Retired, "takes no new subscriptions")
	case c.To.Plan.Price.Currency != s.Terms.Plan.Price.Currency:
		return money.Amount{}, refuse("plan", OtherCurrency, "is not in %s, in which the subscription is paid", s.Terms.Plan.Price.Currency)
	case same && c.To.Plan.Version == s.Terms.Plan.Version && c.To.Quantity == s.Terms.Quantity:
		return money.Amount{}, refuse("plan", NothingToDo, "and quantity are these already")
	case s.CancelAtEnd:
		return money.Amount{}, refuse("subscription", Ending, "is set to be cancelled; withdraw that first")
	}
	return c.To.Price()
}

// prorated computes a change at once within a paid period.
func (s Subscription) prorated(to Terms, price money.Amount, m Moment) (Subscription, Proration, error) {
	credit, err := s.Period.Rest(s.Period.Price, m.At)
	if err != nil {
		return s, Proration{}, err
	}
	after := After{Terms: to, Schedule: s.Schedule, Period: s.Period}
	from := m.At
	if !s.Schedule.fits(to.Plan) {
		if s.Period.Number >= maxNumber {
			return s, Proration{}, refuse("subscription", TooMany, "had %d periods", maxNumber)
		}
		after.Schedule = begin(to.Plan, m.At, m.Zone)
		after.Period = after.Schedule.first(s.Period.Number+1, m.At, m.Zone)
		from = after.Period.Start
	}
	after.Period.Price = price
	cost, err := after.Period.Rest(price, from)
	if err != nil {
		return s, Proration{}, err
	}
	p := Proration{Credit: credit, Cost: cost}
	net, err := p.Net()
	if err != nil {
		return s, Proration{}, err
	}
	next, err := s.settleNet(net, after, m)
	if err != nil {
		return s, Proration{}, err
	}
	return next, p, nil
}

// settleNet puts a change in force that costs net, or opens its charge.
func (s Subscription) settleNet(net money.Amount, after After, m Moment) (Subscription, error) {
	s.Next = nil
	if net.IsPositive() {
		key, err := s.extra(after.Period)
		if err != nil {
			return s, err
		}
		c, err := s.charge(key, ChangeCharge, net)
		if err != nil {
			return s, err
		}
		c.After, c.SentAt = &after, whole(m.At)
		return s.begun(c)
	}
	balance, err := s.Balance.Sub(net)
	if err != nil {
		return s, fmt.Errorf("add %s to the balance: %w", net, err)
	}
	s.Balance = balance
	s.Terms, s.Schedule, s.Period = after.Terms, after.Schedule, after.Period
	return s, nil
}
