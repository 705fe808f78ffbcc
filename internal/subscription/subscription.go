package subscription

import (
	"fmt"
	"time"

	"tillflow/internal/money"
)

// Terms is what a subscription is about: a version of a plan, and how many
// units of it.
type Terms struct {
	Plan     Plan
	Quantity int64
}

// Price is what one full period costs.
func (t Terms) Price() (money.Amount, error) { return times(t.Plan.Price, t.Quantity) }

// Subscription is the whole state of one. It is a value: a command answers the
// state after it and leaves the one before alone, so a caller that cannot store
// the new one has changed nothing. It survives JSON.
type Subscription struct {
	ID       string
	State    State
	Terms    Terms
	Schedule Schedule
	Period   Period // the current one, or the last one
	// Balance is what the customer has to his credit: from changes to something
	// cheaper. It is never negative, and pays later charges.
	Balance money.Amount
	// Open is the one charge that is not settled; nil: none.
	Open *Charge
	// Extra counts the charges beside first ones and renewals, for their keys. It
	// never goes back, so a declined change and the next one are two charges.
	Extra int
	// Next are terms agreed for the next period; nil: what the plan's versions say.
	Next *Terms
	// What happens when the period ends. Cancelling goes before pausing.
	CancelAtEnd, PauseAtEnd bool
	SkipNext                bool
	// Failures are the declines of the current period's charge, oldest first.
	Failures []Failure
	// MethodAt is when the customer last gave a payment method; zero: at the start.
	MethodAt time.Time
}

// ChargeKind says what a charge pays.
type ChargeKind string

// Kinds of charges.
const (
	FirstCharge   ChargeKind = "first"   // with the mandate, on the hosted page; zero: the mandate alone
	RenewalCharge ChargeKind = "renewal" // the current period
	ChangeCharge  ChargeKind = "change"  // to dearer terms
	ResumeCharge  ChargeKind = "resume"  // the first period after a pause, or after giving up
)

// Charge is money that a subscription asks for. Its key makes the workflow's id
// and the payment's reference: equal key, one charge.
type Charge struct {
	// Key is the id of the period that is paid; a change and a return have a
	// count of their own behind it: "000012-0001".
	Key    string
	Kind   ChargeKind
	Amount money.Amount // to be taken
	// FromBalance is what the balance pays; it leaves the balance with success.
	FromBalance money.Amount
	// Owed: it was declined, nothing is under way. Else an attempt may be.
	Owed bool
	// SentAt is when the attempt that is under way, or was the last, was begun.
	SentAt time.Time
	// After is what the subscription becomes with success; nil: what it is.
	After *After
}

// After is what a charge buys.
type After struct {
	Terms    Terms
	Schedule Schedule
	Period   Period
}

// Order is a wish to subscribe.
type Order struct {
	ID       string // of the subscription
	Plan     Plan   // its newest version
	Expected int    // the version that the customer saw
	Quantity int64
	Zone     *time.Location // the customer's, else the plan's
	At       time.Time
}

// Subscribe makes a pending subscription with its first charge open. A plan
// with a trial asks for the mandate alone: a charge of zero, period 0.
//
// Everything is dated from the order, so that the price that is shown is the
// price that is charged. [Subscription.Settle] dates it again when the payment
// comes later, unless a fixed anchor has made the price depend on the day.
func Subscribe(o Order) (Subscription, error) {
	switch {
	case o.ID == "":
		return Subscription{}, refuse("id", Missing, "must be given")
	case o.Zone == nil:
		return Subscription{}, refuse("zone", Missing, "must be given")
	case o.Plan.Retired:
		return Subscription{}, refuse("plan", Retired, "takes no new subscriptions")
	}
	if err := o.Plan.Expect(o.Expected); err != nil {
		return Subscription{}, err
	}
	s := Subscription{
		ID: o.ID, State: Pending, Terms: Terms{Plan: o.Plan, Quantity: o.Quantity},
		Balance: money.New(0, o.Plan.Price.Currency),
	}
	full, err := s.Terms.Price()
	if err != nil {
		return Subscription{}, err
	}
	s.open(o.At, o.Zone)
	amount := money.New(0, full.Currency)
	if s.Period.Kind == Regular {
		s.Period.Price = full
		if amount, err = s.Period.Rest(full, s.Period.Start); err != nil {
			return Subscription{}, err
		}
	}
	s.Open = &Charge{Key: s.Period.ID(), Kind: FirstCharge, Amount: amount, FromBalance: s.Balance, SentAt: whole(o.At)}
	return s, nil
}

// open places the first period, or the trial before it.
func (s *Subscription) open(at time.Time, zone *time.Location) {
	plan, price := s.Terms.Plan, s.Period.Price
	s.Schedule = begin(plan, at, zone)
	if plan.TrialDays == 0 {
		s.Period = s.Schedule.first(1, at, zone)
		s.Period.Price = price
		return
	}
	start := whole(at)
	s.Period = Period{
		Kind: Trial, From: start, Start: start, Price: s.Balance,
		End: WallAt(at, zone).addDays(plan.TrialDays).In(zone),
	}
}

// extra counts a charge beside the renewals and names it.
func (s *Subscription) extra(p Period) (string, error) {
	if s.Extra >= maxExtra {
		return "", refuse("subscription", TooMany, "had %d changes", maxExtra)
	}
	s.Extra++
	return fmt.Sprintf("%s-%04d", p.ID(), s.Extra), nil
}

// maxExtra is what a charge's key has room for.
const maxExtra = 9_999

// idle refuses (WouldChargeTwice) while a charge is not settled.
func (s Subscription) idle() error {
	if s.Open == nil {
		return nil
	}
	if s.Open.Owed {
		return refuse("subscription", WouldChargeTwice, "owes %s for period %s; that is paid first", s.Open.Amount, s.Period.ID())
	}
	return refuse("subscription", WouldChargeTwice, "has a charge under way (%s); its result is awaited first", s.Open.Key)
}

// charge makes the charge of an amount that is owed, after the balance.
func (s Subscription) charge(key string, kind ChargeKind, owed money.Amount) (Charge, error) {
	fromBalance := s.Balance
	order, err := owed.Cmp(s.Balance)
	if err != nil {
		return Charge{}, fmt.Errorf("charge %s: %w", key, err)
	}
	if order < 0 {
		fromBalance = owed
	}
	amount, err := owed.Sub(fromBalance)
	if err != nil {
		return Charge{}, fmt.Errorf("charge %s: %w", key, err)
	}
	return Charge{Key: key, Kind: kind, Amount: amount, FromBalance: fromBalance}, nil
}

// begun puts a charge in place, or has its effect at once when the balance
// covers it.
func (s Subscription) begun(c Charge) (Subscription, error) {
	if c.Amount.IsPositive() {
		s.Open = &c
		return s, nil
	}
	return s.paid(c)
}

// paid is the state after a charge's success.
func (s Subscription) paid(c Charge) (Subscription, error) {
	balance, err := s.Balance.Sub(c.FromBalance)
	if err != nil {
		return s, fmt.Errorf("take %s from the balance: %w", c.FromBalance, err)
	}
	s.Balance, s.Open, s.Failures = balance, nil, nil
	if c.After != nil {
		s.Terms, s.Schedule, s.Period = c.After.Terms, c.After.Schedule, c.After.Period
	}
	return s, nil
}
