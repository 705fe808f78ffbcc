package subscription_test

import (
	"time"

	"tillflow/internal/subscription"
)

// calendar compares the periods with a calendar that is leafed through day by
// day, and with a clock that is watched.
func (w *walk) calendar(start time.Time) {
	days := w.billingDays(start)
	clock := subscription.WallAt(start, w.zone)
	if w.anchor != (subscription.Anchor{}) {
		clock.Hour, clock.Minute, clock.Second = 0, 0, 0
	}
	i := 0
	for _, p := range w.begun[1:] {
		if w.missing(days[i]) && days[i+1] == days[i].next() {
			i++ // its period would begin and end with the next day's
			w.met.lost++
		}
		w.check(i < len(days), "period %s has no day in the calendar", p.ID())
		reading := clock
		reading.Year, reading.Month, reading.Day = days[i].year, time.Month(days[i].month), days[i].day
		w.watch(p, reading)
		i++
	}
}

// date is one leaf of the calendar.
type date struct {
	year, month, day int
	weekday          int  // 0 is Sunday
	last             bool // of its month
}

func dateOf(w subscription.Wall) date {
	d := date{year: w.Year, month: int(w.Month), day: w.Day}
	d.weekday = int(time.Date(d.year, w.Month, d.day, 0, 0, 0, 0, time.UTC).Weekday())
	d.last = d.day == d.length()
	return d
}

func (d date) length() int {
	switch d.month {
	case 2:
		if d.year%4 == 0 && (d.year%100 != 0 || d.year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

func (d date) next() date {
	d.weekday = (d.weekday + 1) % 7
	switch {
	case !d.last:
		d.day++
	case d.month < 12:
		d.month, d.day = d.month+1, 1
	default:
		d.year, d.month, d.day = d.year+1, 1, 1
	}
	d.last = d.day == d.length()
	return d
}

// on reports whether the date is that day of its month, or the month's last if
// it has no such day.
func (d date) on(day int) bool { return d.day == day || d.day < day && d.last }

// missing is the day that Samoa's calendar left out.
func (w *walk) missing(d date) bool {
	return w.zone.String() == "Pacific/Apia" && d.year == 2011 && d.month == 12 && d.day == 30
}

// billingDays are the dates after the start on which a period begins, by asking
// of every date whether it is one.
func (w *walk) billingDays(start time.Time) []date {
	d := dateOf(subscription.WallAt(start, w.zone))
	day, passed, last := d.day, 0, 3_800
	var days []date
	if w.anchor != (subscription.Anchor{}) {
		day = w.anchor.Day
		// The first period is a full one if it begins at the anchor's very moment.
		if w.begun[0].From.Before(w.begun[0].Start) {
			for d = d.next(); !w.anchored(d); d = d.next() {
			}
			days = append(days, d)
		}
	}
	origin := d
	for passed < last {
		d = d.next()
		passed++
		if w.bills(origin, d, day, passed) {
			days = append(days, d)
		}
	}
	return days
}

// anchored reports whether the plan's anchor falls on the date.
func (w *walk) anchored(d date) bool {
	switch w.interval.Unit {
	case subscription.Week:
		return d.weekday == w.anchor.Day%7
	case subscription.Month:
		return d.on(w.anchor.Day)
	case subscription.Year:
		return d.month == int(w.anchor.Month) && d.on(w.anchor.Day)
	case subscription.Day:
		return false
	}
	return false
}

// bills reports whether a period begins on a date, some days after the origin.
func (w *walk) bills(origin, d date, day, passed int) bool {
	months := 12*(d.year-origin.year) + d.month - origin.month
	switch w.interval.Unit {
	case subscription.Day:
		return passed%w.interval.Count == 0
	case subscription.Week:
		return passed%(7*w.interval.Count) == 0
	case subscription.Month:
		return months%w.interval.Count == 0 && d.on(day)
	case subscription.Year:
		return months%(12*w.interval.Count) == 0 && d.on(day)
	}
	return false
}

// watch checks a period's start against its reading. Most days the clock shows
// it and was not changed near it; else every minute around it is looked at.
func (w *walk) watch(p subscription.Period, reading subscription.Wall) {
	_, before := p.Start.Add(-25 * time.Hour).In(w.zone).Zone()
	_, after := p.Start.Add(25 * time.Hour).In(w.zone).Zone()
	if before == after && subscription.WallAt(p.Start, w.zone) == reading {
		return
	}
	want := w.firstShowing(reading)
	w.check(p.Start.Equal(want), "period %s begins at %s, but the clock says %v at %s", p.ID(), p.Start, reading, want)
}

// firstShowing is the first moment at which the clock shows the reading, found
// by watching it; if it never does, the reading with the offset of the last
// minute before it is passed.
func (w *walk) firstShowing(reading subscription.Wall) time.Time {
	civil := time.Date(reading.Year, reading.Month, reading.Day, reading.Hour, reading.Minute, reading.Second, 0, time.UTC)
	var shown []time.Time
	var jump time.Time
	was := -1 // −1: the clock was before the reading
	for at := civil.Add(-40 * time.Hour); at.Before(civil.Add(40 * time.Hour)); at = at.Add(time.Minute) {
		_, offset := at.In(w.zone).Zone()
		is := at.Add(time.Duration(offset) * time.Second).Compare(civil)
		if is == 0 {
			shown = append(shown, at)
		}
		if was < 0 && is > 0 {
			_, offset = at.Add(-time.Minute).In(w.zone).Zone()
			jump = civil.Add(-time.Duration(offset) * time.Second)
		}
		was = is
	}
	if len(shown) > 1 {
		w.met.folds++
	}
	if len(shown) > 0 {
		return shown[0]
	}
	w.met.gaps++
	return jump
}
