package subscription

import (
	"fmt"
	"time"
)

// Unit is what an interval counts.
type Unit string

// Units.
const (
	Day   Unit = "day"
	Week  Unit = "week"
	Month Unit = "month"
	Year  Unit = "year"
)

// Units lists every unit.
var Units = []Unit{Day, Week, Month, Year}

// Most is the largest count of the unit: three years, the longest interval that
// Stripe accepts for a price (recurring.interval_count), so that a plan can be
// mapped to a provider's own. Zero for an unknown unit.
func (u Unit) Most() int {
	switch u {
	case Day:
		return 3 * 365
	case Week:
		return 3 * 52
	case Month:
		return 3 * 12
	case Year:
		return 3
	}
	return 0
}

// Interval is the length of a full period in calendar units: 1 month, 2 weeks.
type Interval struct {
	Unit  Unit
	Count int
}

// String renders the interval for people who read logs: "3 month".
func (i Interval) String() string { return fmt.Sprintf("%d %s", i.Count, i.Unit) }

// Check refuses an unknown unit (NoUnit) and a count below one or beyond
// [Unit.Most] (OutOfRange).
func (i Interval) Check() error {
	most := i.Unit.Most()
	if most == 0 {
		return refuse("interval.unit", NoUnit, "is none of day, week, month, year")
	}
	if i.Count < 1 || i.Count > most {
		return refuse("interval.count", OutOfRange, "must be between 1 and %d for a unit of %s", most, i.Unit)
	}
	return nil
}

// months is the length of intervals whose day of the month is kept; zero for
// those that count days.
func (i Interval) months() int {
	switch i.Unit {
	case Month:
		return i.Count
	case Year:
		return 12 * i.Count
	case Day, Week:
		return 0
	}
	return 0
}

// days is the length of intervals that count days; zero for the others.
func (i Interval) days() int {
	switch i.Unit {
	case Day:
		return i.Count
	case Week:
		return 7 * i.Count
	case Month, Year:
		return 0
	}
	return 0
}

// Anchor fixes the day on which a plan's periods begin, at the first moment of
// that day. Who subscribes on another day first has a shorter period, which
// costs its share. The zero value fixes nothing: periods then begin on the day
// and at the time of day at which the subscription began.
//
//	interval of weeks    Day 1 (Monday) to 7 (Sunday), as ISO 8601 counts
//	interval of months   Day 1 to 31; 31 is the last day of every month
//	interval of years    Month and Day; 29 February is the 28th in common years
type Anchor struct {
	Day   int
	Month time.Month
}

// Check refuses what the interval cannot have.
func (a Anchor) Check(unit Unit) error {
	if a == (Anchor{}) {
		return nil
	}
	if a.Month != 0 && unit != Year {
		return refuse("anchor.month", NoSuchDay, "can be fixed for intervals of years alone")
	}
	switch unit {
	case Day:
		return refuse("anchor.day", NoSuchDay, "cannot be fixed for intervals of days")
	case Week:
		return a.checkDay(7)
	case Month:
		return a.checkDay(31)
	case Year:
		if a.Month < time.January || a.Month > time.December {
			return refuse("anchor.month", OutOfRange, "must be between 1 and 12 together with a day")
		}
		return a.checkDay(daysIn(2024, a.Month)) // a leap year
	}
	return refuse("interval.unit", NoUnit, "is none of day, week, month, year")
}

func (a Anchor) checkDay(most int) error {
	if a.Day < 1 || a.Day > most {
		return refuse("anchor.day", NoSuchDay, "must be between 1 and %d here", most)
	}
	return nil
}
