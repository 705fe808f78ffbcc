package subscription_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/subscription"
)

// The zones are those whose clocks do something unusual between 2010 and 2035,
// and some that do nothing or the usual.
var tenYearZones = []string{
	"UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu",
	"Australia/Lord_Howe",  // half an hour of daylight saving
	"Pacific/Apia",         // left out 30 December 2011
	"America/Sao_Paulo",    // skipped midnight until 2018
	"America/Havana",       // skips midnight
	"Africa/Casablanca",    // daylight saving all year but in Ramadan
	"Africa/Cairo",         // gave it up and took it back
	"Europe/Dublin",        // negative daylight saving
	"Antarctica/Troll",     // two hours
	"Pacific/Chatham",      // +12:45
	"America/St_Johns",     // −3:30; changed at 00:01 until 2011
	"America/Caracas",      // moved by half an hour in 2016
	"Asia/Pyongyang",       // moved by half an hour in 2015 and 2018
	"Asia/Amman",           // stayed in summer in 2022
	"Pacific/Kiritimati",   // +14
	"Pacific/Marquesas",    // −9:30
	"Pacific/Bougainville", // moved by an hour in 2014
}

// TestTenYears walks subscriptions through ten years, for every unit and several
// counts of it, every anchor day that it can have, fixed by the plan or by the
// day on which the subscription begins, every zone above, and every kind of
// change of plan. SUBSCRIPTION_RUN=full takes every count and every kind of
// change for each; the usual run deals the kinds of change out in turn.
func TestTenYears(t *testing.T) {
	t.Parallel()
	full := os.Getenv("SUBSCRIPTION_RUN") == "full"
	walked := make(chan tally, len(tenYearZones))
	t.Run("zones", func(t *testing.T) {
		for i, name := range tenYearZones {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				walked <- walkZone(t, zoneOf(t, name), uint64(i), full)
			})
		}
	})
	close(walked)
	if len(walked) < len(tenYearZones) {
		return // somebody runs a part, which need not meet everything
	}
	var all tally
	for one := range walked {
		all.add(one)
	}
	require.Positive(t, all.gaps, "readings that do not exist were met")
	require.Positive(t, all.folds, "readings that come twice were met")
	require.Positive(t, all.lost, "days that a calendar left out were met")
	for _, how := range changeKinds[1:] {
		require.Positive(t, all.changes[how], "changes %q were made", how)
	}
	t.Logf("periods: %s", all)
}

// tally is what was met.
type tally struct {
	stories, periods, gaps, folds, lost, stubs int
	changes                                    map[changeKind]int
}

func (a *tally) add(b tally) {
	a.stories += b.stories
	a.periods += b.periods
	a.gaps += b.gaps
	a.folds += b.folds
	a.lost += b.lost
	a.stubs += b.stubs
	if a.changes == nil {
		a.changes = map[changeKind]int{}
	}
	for how, n := range b.changes {
		a.changes[how] += n
	}
}

func (a tally) String() string {
	changes := 0
	for _, n := range a.changes {
		changes += n
	}
	return fmt.Sprintf("%d stories, %d periods, %d changes, %d short first periods, %d skipped readings, %d double readings, %d missing days; none missing, none twice, every sum exact",
		a.stories, a.periods, changes, a.stubs, a.gaps, a.folds, a.lost)
}

// counts of each unit in the usual run.
func counts(unit subscription.Unit, full bool) []int {
	if full {
		all := make([]int, unit.Most())
		for i := range all {
			all[i] = i + 1
		}
		return all
	}
	switch unit {
	case subscription.Day:
		return []int{1, 2, 7, 10, 30, 90, 365}
	case subscription.Week:
		return []int{1, 2, 4, 13, 52}
	case subscription.Month:
		return []int{1, 2, 3, 6, 12, 18, 36}
	case subscription.Year:
		return []int{1, 2, 3}
	}
	return nil
}

// beginning is a plan's anchor together with a day on which somebody subscribes.
type beginning struct {
	anchor subscription.Anchor
	month  time.Month
	day    int
	year   int // zero: any
}

// beginnings are every anchor day of a unit: fixed by the plan, and free.
func beginnings(unit subscription.Unit) []beginning {
	var all []beginning
	switch unit {
	case subscription.Day:
		all = append(all,
			beginning{month: time.December, day: 20, year: early},
			beginning{month: time.December, day: 20, year: late})
	case subscription.Week:
		all = append(all, beginning{month: time.December, day: 20})
		for day := 1; day <= 7; day++ {
			all = append(all, beginning{anchor: subscription.Anchor{Day: day}, month: time.December, day: 22})
		}
	case subscription.Month:
		for day := 1; day <= 31; day++ {
			all = append(all,
				beginning{month: time.January, day: day},
				beginning{anchor: subscription.Anchor{Day: day}, month: time.February, day: 1 + day%28})
		}
	case subscription.Year:
		for month := time.January; month <= time.December; month++ {
			last := time.Date(2024, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
			for _, day := range []int{1, 15, 28, last} {
				all = append(all,
					beginning{month: month, day: day},
					beginning{anchor: subscription.Anchor{Day: day, Month: month}, month: time.June, day: 10})
			}
		}
	}
	return all
}

// The decades: one with the missing day of Apia and most oddities, and one that
// reaches into the years for which the time zone database has rules alone.
const (
	early = 2011
	late  = 2024
)

// clocks are times of day at which clocks are changed somewhere.
var clocks = []string{
	"00:00:00", "00:30:00", "01:00:00", "01:30:00", "02:00:00", "02:15:00", "02:30:00", "02:45:00", "03:30:00", "12:00:00", "23:30:00", "23:59:59",
}

// walkZone walks all stories of a zone. A story takes the next kind of change,
// the next time of day, and one of two decades.
func walkZone(t *testing.T, zone *time.Location, seed uint64, full bool) tally {
	var all tally
	kinds, story := 1, 0
	if full {
		kinds = len(changeKinds)
	}
	for _, unit := range subscription.Units {
		for _, count := range counts(unit, full) {
			for _, b := range beginnings(unit) {
				for range kinds {
					rng := rand.New(rand.NewPCG(seed, uint64(story)))
					year := b.year
					if year == 0 {
						year = []int{early, late}[rng.IntN(2)]
					}
					if b.month == time.February && b.day == 29 {
						year += (4 - year%4) % 4 // 2012 and 2024 have one
					}
					start := fmt.Sprintf("%d-%02d-%02d %s", year, b.month, b.day, clocks[rng.IntN(len(clocks))])
					w := walk{
						t: t, zone: zone, rng: rng, kind: changeKinds[story%len(changeKinds)],
						interval: subscription.Interval{Unit: unit, Count: count}, anchor: b.anchor,
					}
					w.name = fmt.Sprintf("%s, every %s, anchor %v, from %s, %s", zone, w.interval, b.anchor, start, w.kind)
					w.run(local(t, zone, start))
					all.add(w.met)
					story++
				}
			}
		}
	}
	return all
}
