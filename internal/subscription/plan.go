package subscription

import (
	"errors"
	"regexp"
	"time"

	"tillflow/internal/money"
)

// Limits of a plan.
const (
	// MaxTrialDays is two years, as at Stripe.
	MaxTrialDays = 730
	// MaxNoticeDays bounds how early an upcoming renewal is announced.
	MaxNoticeDays = 90
	// MaxQuantity bounds how many units of a plan one subscription has.
	MaxQuantity = 999_999
)

// Plan is one version of what is sold. Versions never change; an update makes
// the next one.
type Plan struct {
	ID       string
	Version  int          // counts from 1
	Price    money.Amount // of one unit for one full period, paid in advance
	Interval Interval
	Anchor   Anchor
	// TrialDays is how many days of its local calendar a new subscription is free.
	TrialDays int
	// Zone is where the plan's days begin: the zone of its subscriptions unless
	// they bring their own.
	Zone string
	// NoticeDays says how long before a renewal the customer is told; 0: never.
	NoticeDays int
	// Running says what this version means for subscriptions of earlier ones.
	Running Rule
	// From is the earliest start of a period to which Running applies; zero: at
	// the next one. Price rises need notice in many places.
	From    time.Time
	Retired bool // no new subscriptions
}

// Rule says what becomes of running subscriptions when a plan gets a version.
type Rule string

// Rules. None reaches into a period that is paid.
const (
	Keep Rule = "keep" // they stay on the version that they have
	Move Rule = "move" // they take the new version with their next period
	End  Rule = "end"  // they are cancelled when their period ends
)

// Draft is what a merchant gives for a plan, or for its next version.
type Draft struct {
	ID         string // with an update: empty, or the plan's own
	Price      string // decimal, in major units
	Currency   string
	Interval   Interval
	Anchor     Anchor
	TrialDays  int
	Zone       string
	NoticeDays int
}

// Update is how a plan's next version comes about.
type Update struct {
	Draft    Draft
	Expected int // the version that the merchant saw
	Running  Rule
	From     time.Time
}

// planID is what a plan may be called; the database says the same.
var planID = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

// NewPlan checks a draft and makes its first version. It refuses: an id that is
// empty, long or has other signs than a-z, 0-9, - and _ ("id"); a price that
// is no number, zero, negative or has more digits than the currency
// ("price"); an unknown currency ("currency"); an interval outside of its limits
// ("interval.unit", "interval.count"), an anchor that it cannot have
// ("anchor.day", "anchor.month"), an unknown time zone ("zone"), days outside of
// their limits ("trial_days", "notice_days").
func NewPlan(d Draft) (Plan, error) {
	if d.ID == "" {
		return Plan{}, refuse("id", Missing, "must be given")
	}
	if !planID.MatchString(d.ID) {
		return Plan{}, refuse("id", OutOfRange, "must be 1 to 64 of a-z, 0-9, - and _, and begin with a letter or digit")
	}
	price, err := parsePrice(d.Price, d.Currency)
	if err != nil {
		return Plan{}, err
	}
	if err := d.Interval.Check(); err != nil {
		return Plan{}, err
	}
	if err := d.Anchor.Check(d.Interval.Unit); err != nil {
		return Plan{}, err
	}
	if _, err := LoadZone(d.Zone); err != nil {
		return Plan{}, err
	}
	if d.TrialDays < 0 || d.TrialDays > MaxTrialDays {
		return Plan{}, refuse("trial_days", OutOfRange, "must be between 0 and %d", MaxTrialDays)
	}
	if d.NoticeDays < 0 || d.NoticeDays > MaxNoticeDays {
		return Plan{}, refuse("notice_days", OutOfRange, "must be between 0 and %d", MaxNoticeDays)
	}
	return Plan{
		ID: d.ID, Version: 1, Price: price, Interval: d.Interval, Anchor: d.Anchor,
		TrialDays: d.TrialDays, Zone: d.Zone, NoticeDays: d.NoticeDays, Running: Keep,
	}, nil
}

// Update makes the version after p, which must be the newest: another expected
// version is StaleVersion and tells the one that stands. The currency of a plan
// never changes (OtherCurrency).
func (p Plan) Update(u Update) (Plan, error) {
	if err := p.Expect(u.Expected); err != nil {
		return Plan{}, err
	}
	if u.Draft.ID != "" && u.Draft.ID != p.ID {
		return Plan{}, refuse("id", NoRule, "is another than the plan's")
	}
	u.Draft.ID = p.ID
	next, err := NewPlan(u.Draft)
	if err != nil {
		return Plan{}, err
	}
	if next.Price.Currency != p.Price.Currency {
		return Plan{}, refuse("currency", OtherCurrency, "of a plan cannot change from %s; make another plan", p.Price.Currency)
	}
	switch u.Running {
	case Keep, Move, End:
	default:
		return Plan{}, refuse("running", NoRule, "must be keep, move or end")
	}
	next.Version, next.Running, next.From = p.Version+1, u.Running, u.From
	return next, nil
}

// Retire makes a last version, which takes nobody new: cancelling a plan. Keep
// lets its subscriptions run on, End cancels each when its period ends after
// from. An [Plan.Update] of a retired plan offers it again.
func (p Plan) Retire(expected int, running Rule, from time.Time) (Plan, error) {
	if err := p.Expect(expected); err != nil {
		return Plan{}, err
	}
	switch running {
	case Keep, End:
	case Move:
		return Plan{}, refuse("running", NoRule, "must be keep or end: there is nothing to move to")
	default:
		return Plan{}, refuse("running", NoRule, "must be keep or end")
	}
	p.Version, p.Running, p.From, p.Retired = p.Version+1, running, from, true
	return p, nil
}

// Expect refuses (StaleVersion) a version that is not the plan's, so that nobody
// changes or buys what he has not seen.
func (p Plan) Expect(version int) error {
	if version == p.Version {
		return nil
	}
	r := refuse("plan.version", StaleVersion, "is %d by now", p.Version)
	r.Current = p.Version
	return r
}

// Follow says which version of its plan a running subscription has in a period
// that starts at a moment, or that it ends there. Versions are all of the plan,
// in ascending order; the newest that does not say Keep and applies by then
// decides. A subscription keeps its own zone, whatever its plan moves to.
func (p Plan) Follow(versions []Plan, start time.Time) (next Plan, ends bool) {
	next = p
	for _, v := range versions {
		if v.ID != p.ID || v.Version <= p.Version || v.From.After(start) {
			continue
		}
		switch v.Running {
		case Move:
			next, ends = v, false
		case End:
			next, ends = p, true
		case Keep:
		}
	}
	return next, ends
}

// parsePrice reads a price per unit: above zero, and exact in its currency.
func parsePrice(decimal, code string) (money.Amount, error) {
	currency, err := money.ParseCurrency(code)
	if err != nil {
		return money.Amount{}, refuse("currency", NoCurrency, "is no active ISO 4217 code")
	}
	if decimal == "" {
		return money.Amount{}, refuse("price", Missing, "must be given")
	}
	price, err := money.Parse(decimal, currency)
	switch {
	case errors.Is(err, money.ErrNegative):
		return money.Amount{}, refuse("price", IsNegative, "must be above zero")
	case errors.Is(err, money.ErrTooPrecise):
		return money.Amount{}, refuse("price", TooPrecise, "has more digits than %s allows", currency)
	case errors.Is(err, money.ErrOverflow):
		return money.Amount{}, refuse("price", OutOfRange, "is too large")
	case err != nil:
		return money.Amount{}, refuse("price", NotANumber, "must be a plain decimal number such as 12.30")
	case price.IsZero():
		return money.Amount{}, refuse("price", IsZero, "must be above zero")
	}
	return price, nil
}

// times is price × quantity, checked. It adds instead of multiplying, so that
// only package money computes with amounts.
func times(price money.Amount, quantity int64) (money.Amount, error) {
	if quantity < 1 || quantity > MaxQuantity {
		return money.Amount{}, refuse("quantity", OutOfRange, "must be between 1 and %d", MaxQuantity)
	}
	total, power := money.New(0, price.Currency), price
	for {
		var err error
		if quantity&1 == 1 {
			if total, err = total.Add(power); err != nil {
				return money.Amount{}, tooMuch(err)
			}
		}
		if quantity >>= 1; quantity == 0 {
			return total, nil
		}
		if power, err = power.Add(power); err != nil {
			return money.Amount{}, tooMuch(err)
		}
	}
}

func tooMuch(err error) error {
	if errors.Is(err, money.ErrOverflow) {
		return refuse("quantity", OutOfRange, "makes the price too large")
	}
	return err
}
