package recharge_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/recharge"
)

// journal keeps findings in memory, as a database would: one row per charge, and the position with them or not at all. The position
// goes through JSON, so that what is not stored is lost.
type journal struct {
	position   []byte
	charges    map[int64]recharge.Charge
	reported   map[int64]int
	unreadable map[string]int
	keeps      int
	// failAt makes that call of Keep fail, before it stores or after.
	failBefore, failAfter int
}

var errJournal = errors.New("the database is gone")

func newJournal() *journal {
	return &journal{charges: map[int64]recharge.Charge{}, reported: map[int64]int{}, unreadable: map[string]int{}}
}

func (j *journal) Position(context.Context) (recharge.Position, error) {
	var at recharge.Position
	if j.position == nil {
		return at, nil
	}
	return at, json.Unmarshal(j.position, &at)
}

func (j *journal) Keep(_ context.Context, found recharge.Findings, behind func([]int64) recharge.Position) error {
	j.keeps++
	if j.keeps == j.failBefore {
		behind(nil) // a transaction that is rolled back may have asked already
		return errJournal
	}
	var fresh []int64
	for _, charge := range found.Charges {
		known, ok := j.charges[charge.ID]
		if !ok {
			fresh = append(fresh, charge.ID)
			j.reported[charge.ID]++
		}
		if !ok || charge.UpdatedAt.After(known.UpdatedAt) {
			j.charges[charge.ID] = charge
		}
	}
	for _, row := range found.Unreadable {
		j.unreadable[row.Sum]++
	}
	position, err := json.Marshal(behind(fresh))
	if err != nil {
		return err
	}
	j.position = position
	if j.keeps == j.failAfter {
		return errJournal
	}
	return nil
}

func (j *journal) at(t *testing.T) recharge.Position {
	t.Helper()
	at, err := j.Position(t.Context())
	require.NoError(t, err)
	return at
}

// listing is a Lister made of a function.
type listing func(q recharge.ListQuery) (recharge.Page, error)

func (l listing) Charges(_ context.Context, q recharge.ListQuery) (recharge.Page, error) { return l(q) }

func newWalk(t *testing.T, lister recharge.Lister, j *journal, at *clock) *recharge.Walk {
	t.Helper()
	return walkByPages(t, 100, lister, j, at)
}

func walkByPages(t *testing.T, limit int, lister recharge.Lister, j *journal, at *clock) *recharge.Walk {
	t.Helper()
	walk, err := recharge.NewWalk(recharge.WalkOptions{Lister: lister, Journal: j, Now: at.now, Wait: at.wait, Limit: limit})
	require.NoError(t, err)
	return walk
}

func failedCharge(id int64, updated time.Time) recharge.Charge {
	return recharge.Charge{ID: id, Status: recharge.StatusError, UpdatedAt: updated}
}

func TestNewWalk(t *testing.T) {
	t.Parallel()
	good := recharge.WalkOptions{Lister: listing(nil), Journal: newJournal(), Now: time.Now}
	_, err := recharge.NewWalk(good)
	require.NoError(t, err)
	for rule, spoil := range map[string]func(*recharge.WalkOptions){
		"no lister":          func(o *recharge.WalkOptions) { o.Lister = nil },
		"no journal":         func(o *recharge.WalkOptions) { o.Journal = nil },
		"no clock":           func(o *recharge.WalkOptions) { o.Now = nil },
		"a negative overlap": func(o *recharge.WalkOptions) { o.Overlap = -1 },
		"a page too large":   func(o *recharge.WalkOptions) { o.Limit = recharge.MaxPage + 1 },
		"a single pass":      func(o *recharge.WalkOptions) { o.Passes = 1 },
	} {
		bad := good
		spoil(&bad)
		_, err := recharge.NewWalk(bad)
		require.Error(t, err, rule)
	}
}

func TestWalkWindow(t *testing.T) {
	t.Parallel()
	t.Run("the first walk looks back 90 days, the next begins a day before the last one began", func(t *testing.T) {
		t.Parallel()
		at, j := newClock(), newJournal()
		began := at.now()
		var queries []recharge.ListQuery
		walk := newWalk(t, listing(func(q recharge.ListQuery) (recharge.Page, error) {
			queries = append(queries, q)
			at.advance(time.Minute)
			return recharge.Page{}, nil
		}), j, at)
		sum, err := walk.Run(t.Context())
		require.NoError(t, err)
		require.True(t, sum.Settled)
		require.Equal(t, []recharge.ListQuery{
			{Limit: 100, Status: recharge.StatusError, UpdatedSince: began.AddDate(0, 0, -90), Order: recharge.OldestFirst},
			{Limit: 100, Status: recharge.StatusError, UpdatedSince: began.AddDate(0, 0, -90), Order: recharge.NewestFirst},
		}, queries)
		require.Equal(t, recharge.Position{Since: began.AddDate(0, 0, -1), Settled: began}, j.at(t))
		_, err = walk.Run(t.Context())
		require.NoError(t, err)
		require.Equal(t, began.AddDate(0, 0, -1), queries[2].UpdatedSince)
	})
	t.Run("a walk that never comes to rest keeps what it found and the window where it was", func(t *testing.T) {
		t.Parallel()
		at, j := newClock(), newJournal()
		began, id := at.now(), int64(0)
		walk := newWalk(t, listing(func(recharge.ListQuery) (recharge.Page, error) {
			id++
			return recharge.Page{Charges: []recharge.Charge{failedCharge(id, began.Add(-time.Hour))}}, nil
		}), j, at)
		sum, err := walk.Run(t.Context())
		require.Equal(t, recharge.CodeUnsettled, failure(t, payment.Unavailable, err).Code)
		require.False(t, sum.Settled)
		require.Equal(t, 6, sum.Passes)
		require.Len(t, j.charges, 6)
		require.Equal(t, recharge.Position{Since: began.AddDate(0, 0, -90)}, j.at(t))
	})
	t.Run("charges that fail while it goes on do not keep it from coming to rest", func(t *testing.T) {
		t.Parallel()
		at, j, id := newClock(), newJournal(), int64(0)
		walk := newWalk(t, listing(func(recharge.ListQuery) (recharge.Page, error) {
			id++
			at.advance(time.Second)
			return recharge.Page{Charges: []recharge.Charge{failedCharge(id, at.now())}}, nil
		}), j, at)
		sum, err := walk.Run(t.Context())
		require.NoError(t, err)
		require.True(t, sum.Settled)
		require.Equal(t, 2, sum.Fresh)
	})
	t.Run("a charge that is told twice is kept as it is now", func(t *testing.T) {
		t.Parallel()
		at, j := newClock(), newJournal()
		old, now := failedCharge(1, at.now().Add(-time.Hour)), failedCharge(1, at.now().Add(-time.Minute))
		now.ErrorType, now.Note = "CLOSED_MAX_RETRIES_REACHED", "n"
		walk := newWalk(t, listing(func(recharge.ListQuery) (recharge.Page, error) {
			return recharge.Page{Charges: []recharge.Charge{now, old}}, nil
		}), j, at)
		_, err := walk.Run(t.Context())
		require.NoError(t, err)
		require.Equal(t, map[int64]int{1: 1}, j.reported)
		require.Equal(t, now, j.charges[1])
	})
}

func TestWalkSift(t *testing.T) {
	t.Parallel()
	at, j := newClock(), newJournal()
	paid, unknown := failedCharge(2, at.now()), failedCharge(3, at.now())
	paid.Status, unknown.Status = recharge.StatusSuccess, "eaten"
	unknown.Oddities = []recharge.Oddity{{Field: "status"}}
	walk := newWalk(t, listing(func(recharge.ListQuery) (recharge.Page, error) {
		return recharge.Page{
			Charges:    []recharge.Charge{failedCharge(1, at.now()), paid, unknown},
			Unreadable: []recharge.Unreadable{{Sum: "s"}},
		}, nil
	}), j, at)
	sum, err := walk.Run(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[int64]int{1: 1, 3: 1}, j.reported, "an unknown status is kept, one that is known and not error is none of ours")
	require.Equal(t, map[string]int{"s": 2}, j.unreadable)
	require.Equal(t, []int{2, 2, 2, 2}, []int{sum.Others, sum.Odd, sum.Unreadable, sum.Passes})
}

func TestWalkTrouble(t *testing.T) {
	t.Parallel()
	refuse := func(class payment.Class, wait time.Duration) error {
		return fmt.Errorf("list charges: %w", &payment.Error{Class: class, RetryAfter: wait})
	}
	t.Run("pauses grow, are never shorter than asked for, and end with an error that can be resumed", func(t *testing.T) {
		t.Parallel()
		at, j, calls := newClock(), newJournal(), 0
		var pauses []time.Duration
		walk, err := recharge.NewWalk(recharge.WalkOptions{
			Lister: listing(func(recharge.ListQuery) (recharge.Page, error) {
				calls++
				if calls == 2 {
					return recharge.Page{}, refuse(payment.RateLimited, 30*time.Second)
				}
				return recharge.Page{}, refuse(payment.Unavailable, 0)
			}),
			Journal: j, Now: at.now, Tries: 5,
			Wait: func(_ context.Context, pause time.Duration) error {
				pauses = append(pauses, pause)
				return nil
			},
		})
		require.NoError(t, err)
		sum, err := walk.Run(t.Context())
		requireClass(t, payment.Unavailable, err)
		require.Equal(t, []time.Duration{2 * time.Second, 30 * time.Second, 8 * time.Second, 16 * time.Second}, pauses)
		require.Equal(t, 4, sum.Repeats)
	})
	for _, class := range []payment.Class{payment.Unauthorized, payment.Invalid, payment.NotFound, payment.Bug} {
		t.Run(string(class)+" ends the walk at once", func(t *testing.T) {
			t.Parallel()
			at, calls := newClock(), 0
			walk := newWalk(t, listing(func(recharge.ListQuery) (recharge.Page, error) {
				calls++
				return recharge.Page{}, refuse(class, 0)
			}), newJournal(), at)
			_, err := walk.Run(t.Context())
			requireClass(t, class, err)
			require.Equal(t, 1, calls)
		})
	}
	t.Run("a walk that is called off ends in its pause", func(t *testing.T) {
		t.Parallel()
		at := newClock()
		ctx, cancel := context.WithCancel(t.Context())
		walk, err := recharge.NewWalk(recharge.WalkOptions{
			Lister: listing(func(recharge.ListQuery) (recharge.Page, error) {
				return recharge.Page{}, refuse(payment.RateLimited, time.Hour)
			}),
			Journal: newJournal(), Now: at.now,
			Wait: func(ctx context.Context, _ time.Duration) error {
				cancel()
				<-ctx.Done()
				return ctx.Err()
			},
		})
		require.NoError(t, err)
		_, err = walk.Run(ctx)
		require.ErrorIs(t, err, context.Canceled)
	})
	t.Run("a cursor that is no longer good begins the pass anew", func(t *testing.T) {
		t.Parallel()
		at, j := newClock(), newJournal()
		began, refused := at.now(), false
		walk := newWalk(t, listing(func(q recharge.ListQuery) (recharge.Page, error) {
			switch {
			case q.Cursor == "":
				return recharge.Page{Charges: []recharge.Charge{failedCharge(1, began)}, Next: "second"}, nil
			case !refused:
				refused = true
				return recharge.Page{}, refuse(payment.Invalid, 0)
			}
			return recharge.Page{Charges: []recharge.Charge{failedCharge(2, began)}}, nil
		}), j, at)
		sum, err := walk.Run(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, sum.Restarts)
		require.Equal(t, map[int64]int{1: 1, 2: 1}, j.reported)
	})
	t.Run("a list that goes in circles for ever is an error, and what it showed is kept", func(t *testing.T) {
		t.Parallel()
		at, j := newClock(), newJournal()
		walk := newWalk(t, listing(func(q recharge.ListQuery) (recharge.Page, error) {
			if q.Cursor == "" {
				return recharge.Page{Charges: []recharge.Charge{failedCharge(1, at.now())}, Next: "second"}, nil
			}
			return recharge.Page{Charges: []recharge.Charge{failedCharge(2, at.now())}, Next: "second"}, nil
		}), j, at)
		_, err := walk.Run(t.Context())
		require.Equal(t, recharge.CodeRepeatedCursor, failure(t, payment.Unavailable, err).Code)
		require.Equal(t, map[int64]int{1: 1, 2: 1}, j.reported)
	})
	t.Run("a list that never ends stops and goes on in the next run", func(t *testing.T) {
		t.Parallel()
		at, j, calls := newClock(), newJournal(), 0
		walk := newWalk(t, listing(func(recharge.ListQuery) (recharge.Page, error) {
			calls++
			return recharge.Page{Next: fmt.Sprint(calls)}, nil
		}), j, at)
		sum, err := walk.Run(t.Context())
		require.Equal(t, recharge.CodeUnsettled, failure(t, payment.Unavailable, err).Code)
		require.Equal(t, fmt.Sprint(sum.Pages), j.at(t).Cursor)
	})
	t.Run("a crash before or behind the storing loses nothing and reports nothing twice", func(t *testing.T) {
		t.Parallel()
		pages := map[string]recharge.Page{}
		for i, cursor := range []string{"", "b", "c"} {
			pages[cursor] = recharge.Page{Charges: []recharge.Charge{failedCharge(int64(i+1), time.Time{})}, Next: []string{"b", "c", ""}[i]}
		}
		for crash := 1; crash <= 6; crash++ {
			for _, behind := range []bool{false, true} {
				at, j := newClock(), newJournal()
				if behind {
					j.failAfter = crash
				} else {
					j.failBefore = crash
				}
				var asked []string
				walk := newWalk(t, listing(func(q recharge.ListQuery) (recharge.Page, error) {
					asked = append(asked, q.Cursor)
					return pages[q.Cursor], nil
				}), j, at)
				_, err := walk.Run(t.Context())
				require.ErrorIs(t, err, errJournal)
				from := j.at(t)
				asked = nil
				sum, err := walk.Run(t.Context())
				require.NoError(t, err)
				require.True(t, sum.Settled)
				require.Equal(t, map[int64]int{1: 1, 2: 1, 3: 1}, j.reported)
				require.Equal(t, from.Cursor, asked[0], "it goes on where it stood")
			}
		}
	})
}
