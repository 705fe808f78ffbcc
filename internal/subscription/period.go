package subscription

import (
	"fmt"
	"time"

	"tillflow/internal/money"
)

// PeriodKind says what is owed for a period.
type PeriodKind string

// Kinds of periods.
const (
	Trial   PeriodKind = "trial"   // free, with access
	Regular PeriodKind = "regular" // paid in advance
	Skipped PeriodKind = "skipped" // at the customer's wish: free, without access
)

// PeriodKinds lists every kind.
var PeriodKinds = []PeriodKind{Trial, Regular, Skipped}

// Period is one stretch of a subscription's time: from Start up to, but not
// including, End. Periods of a subscription do not overlap, and one begins where
// the one before ends: a period that is cut short (a plan with another interval,
// a cancellation) ends where its successor begins, or the subscription.
type Period struct {
	// Number counts the periods of a subscription from 1; a trial is 0.
	Number int
	Kind   PeriodKind
	Step   int // of the schedule
	// From is where the period would have begun in full: before Start only for
	// the shorter first period of a plan with a fixed anchor.
	From, Start, End time.Time
	// Price is what a full period costs at the terms that its rest is paid at;
	// zero unless it is Regular.
	Price money.Amount
}

// maxNumber is the last period number that an id has room for: 2,700 years of a
// daily plan.
const maxNumber = 999_999

// ID names the period within its subscription: six digits, stable for ever, and
// in the order of time when sorted as text. The package's doc says why it is not
// a date.
func (p Period) ID() string { return fmt.Sprintf("%06d", p.Number) }

// Rest is the part of price that belongs to the stretch from at to the period's
// end. It is the one rule by which everything is prorated.
//
// Method: the price of a full period is divided over its seconds before and
// after at, by the largest remainder, so both parts are whole minor units and
// add up to the price; an exact half goes to the part before. The period's
// stored instants count, so a day of 23 or 25 hours weighs what it lasts, and
// what was once computed never changes.
//
// A change of plan at a moment gives back Rest of the old price and costs Rest
// of the new one. Neither depends on changes made before, so whatever happens
// within a period, its charges less its credits are exactly
//
//	Σ over the stretches between changes: Rest(price, begin) − Rest(price, end)
//
// with Rest = price at the begin and 0 at the end of a full period. No stretch
// costs less than nothing, and there and back at one moment costs nothing.
//
// A moment outside the period is refused (OutOfRange).
func (p Period) Rest(price money.Amount, at time.Time) (money.Amount, error) {
	at = whole(at)
	if at.Before(p.Start) || at.After(p.End) {
		return money.Amount{}, refuse("at", OutOfRange, "lies outside the period %s", p.ID())
	}
	used, left := seconds(at.Sub(p.From)), seconds(p.End.Sub(at))
	parts, err := price.Split(used, left)
	if err != nil {
		return money.Amount{}, fmt.Errorf("prorate period %s: %w", p.ID(), err)
	}
	return parts[1], nil
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }
