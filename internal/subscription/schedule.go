package subscription

import (
	"fmt"
	"time"
)

// Schedule places a subscription's boundaries in the calendar. Boundaries are
// numbered by steps: step 0 is at the origin, step n is n intervals later.
type Schedule struct {
	Interval Interval
	Anchor   Anchor // as the plan fixed it; zero when the subscription's own beginning counts
	Zone     string // IANA name
	// Origin is the reading of step 0. With months and years its Day is the one
	// to return to, so it may exceed the origin's month: 31 in a February.
	Origin Wall
}

// begin places a schedule for a plan that somebody begins at a moment.
func begin(plan Plan, at time.Time, zone *time.Location) Schedule {
	now := WallAt(at, zone)
	s := Schedule{Interval: plan.Interval, Anchor: plan.Anchor, Zone: zone.String(), Origin: now}
	if plan.Anchor == (Anchor{}) {
		return s
	}
	s.Origin = plan.Anchor.onOrAfter(now, plan.Interval.Unit)
	// The first moment of today may be the anchor and past.
	if s.boundary(0, zone).Before(whole(at)) {
		s.Origin = plan.Anchor.onOrAfter(now.addDays(1), plan.Interval.Unit)
	}
	return s
}

// rebase continues behind a period of this schedule with another plan's
// interval. The reading is kept, also one that the clock skipped, and so is the
// day of the month across plans that keep one.
func (s Schedule) rebase(plan Plan, p Period, zone *time.Location) Schedule {
	if plan.Anchor != (Anchor{}) {
		return begin(plan, p.End, zone)
	}
	next := Schedule{Interval: plan.Interval, Zone: s.Zone, Origin: s.reading(p.Step + 1)}
	if s.Interval.months() > 0 && plan.Interval.months() > 0 {
		next.Origin.Day = s.Origin.Day
	}
	return next
}

// fits reports whether the plan's periods are those of the schedule.
func (s Schedule) fits(plan Plan) bool {
	return s.Interval == plan.Interval && s.Anchor == plan.Anchor
}

// reading is the wall-clock reading of a step.
func (s Schedule) reading(step int) Wall {
	if months := s.Interval.months(); months > 0 {
		return s.Origin.inMonth(step*months, s.Origin.Day)
	}
	return s.Origin.addDays(step * s.Interval.days())
}

// boundary is the moment of a step, in UTC.
func (s Schedule) boundary(step int, zone *time.Location) time.Time {
	return s.reading(step).In(zone)
}

// in checks that the caller brings the schedule's own zone.
func (s Schedule) in(zone *time.Location) error {
	if zone == nil || zone.String() != s.Zone {
		return fmt.Errorf("schedule of zone %q was given zone %q", s.Zone, zone)
	}
	return nil
}

// first is the period that begins at a moment at which the schedule was begun.
func (s Schedule) first(number int, at time.Time, zone *time.Location) Period {
	p := Period{Number: number, Kind: Regular, Start: whole(at)}
	if s.Anchor != (Anchor{}) && p.Start.Before(s.boundary(0, zone)) {
		p.Step = -1
		p.From, p.End = s.boundary(-1, zone), s.boundary(0, zone)
		return p
	}
	p.From = p.Start
	return s.close(p, zone)
}

// after is the period that follows p, which must be one of this schedule.
func (s Schedule) after(p Period, zone *time.Location) Period {
	return s.close(Period{
		Number: p.Number + 1, Kind: Regular, Step: p.Step + 1, From: p.End, Start: p.End,
	}, zone)
}

// close gives a period its end: the next boundary that lies behind its start.
// That is the one of the next step, except where a day is missing in the zone's
// calendar, or where the zone's rules were changed after the start was stored.
func (s Schedule) close(p Period, zone *time.Location) Period {
	for {
		if end := s.boundary(p.Step+1, zone); end.After(p.Start) {
			p.End = end
			return p
		}
		p.Step++
	}
}

// onOrAfter is the first midnight reading of an anchor day from a date on.
func (a Anchor) onOrAfter(now Wall, unit Unit) Wall {
	w := now.midnight()
	switch unit {
	case Week:
		return w.addDays((a.Day - w.weekday() + 7) % 7)
	case Month:
		if this := w.inMonth(0, a.Day); this.Day >= w.Day {
			this.Day = a.Day
			return this
		}
		next := w.inMonth(1, a.Day)
		next.Day = a.Day
		return next
	case Year:
		w.Month = a.Month
		this := w.inMonth(0, a.Day)
		if this.Month < now.Month || this.Month == now.Month && this.Day < now.Day {
			this = w.inMonth(12, a.Day)
		}
		this.Day = a.Day
		return this
	case Day:
		return w
	}
	return w
}

// whole cuts a moment to the second, in UTC.
func whole(at time.Time) time.Time { return at.UTC().Truncate(time.Second) }
