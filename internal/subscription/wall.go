package subscription

import (
	"time"
	_ "time/tzdata" // so that LoadZone knows every zone on a machine without a database of its own
)

// Wall is a reading of a local clock: a date and a time of day without a time
// zone. It is a plain value; make one with [WallAt].
type Wall struct {
	Year                 int
	Month                time.Month
	Day                  int
	Hour, Minute, Second int
}

// WallAt reads the clock of a zone at a moment. Fractions of a second are cut
// off: periods begin on whole seconds.
func WallAt(at time.Time, zone *time.Location) Wall {
	local := at.In(zone)
	year, month, day := local.Date()
	hour, minute, second := local.Clock()
	return Wall{year, month, day, hour, minute, second}
}

// reach is more than any clock is away from UTC (15 hours), together with the
// longest jump (24 hours).
const reach = 48 * time.Hour

// In is the moment, in UTC, at which the zone's clock shows the reading: the
// first one when it shows it twice; when it never does, the moment that the
// offset before the jump gives, which lies as far behind the jump as the reading
// lies in the gap. time.Date promises neither: its choice is not specified.
func (w Wall) In(zone *time.Location) time.Time {
	civil := time.Date(w.Year, w.Month, w.Day, w.Hour, w.Minute, w.Second, 0, time.UTC)
	// Walk the stretches of equal offset around the reading, in order of time.
	stretch := civil.Add(-reach).In(zone)
	_, offset := stretch.Zone()
	for {
		at := civil.Add(-time.Duration(offset) * time.Second)
		_, end := stretch.ZoneBounds()
		if end.IsZero() || at.Before(end) {
			return at
		}
		stretch = end
		_, next := stretch.Zone()
		if civil.Add(-time.Duration(next) * time.Second).Before(end) {
			return at // in the gap: too late for the stretch before, too early for this one
		}
		offset = next
	}
}

// addDays moves the date and keeps the time of day.
func (w Wall) addDays(days int) Wall {
	date := time.Date(w.Year, w.Month, w.Day+days, 0, 0, 0, 0, time.UTC)
	w.Year, w.Month, w.Day = date.Date()
	return w
}

// midnight is the first reading of the date.
func (w Wall) midnight() Wall {
	w.Hour, w.Minute, w.Second = 0, 0, 0
	return w
}

// inMonth is the reading whose month is a number of months after w's, on the
// given day or on the month's last day if it is shorter.
func (w Wall) inMonth(after, day int) Wall {
	first := time.Date(w.Year, w.Month+time.Month(after), 1, 0, 0, 0, 0, time.UTC)
	w.Year, w.Month = first.Year(), first.Month()
	w.Day = min(day, daysIn(w.Year, w.Month))
	return w
}

func (w Wall) weekday() int {
	day := time.Date(w.Year, w.Month, w.Day, 0, 0, 0, 0, time.UTC).Weekday()
	return (int(day)+6)%7 + 1 // ISO 8601: Monday is 1
}

func daysIn(year int, month time.Month) int {
	return time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// LoadZone finds a time zone by its IANA name, such as "Europe/Berlin" or "UTC".
// It refuses (NoZone) the empty name and "Local", which would mean another zone
// on each machine. It reads the machine's time zone database, else the one built
// into the program: call it outside of workflows.
func LoadZone(name string) (*time.Location, error) {
	if name == "" || name == "Local" {
		return nil, refuse("zone", NoZone, "must be a name of the IANA time zone database, such as Europe/Berlin")
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, refuse("zone", NoZone, "is not in the IANA time zone database")
	}
	return zone, nil
}
