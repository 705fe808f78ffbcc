package recharge_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/recharge"
	"tillflow/standin/faults"
	standin "tillflow/standin/recharge"
)

// busy is a Recharge in which something happens between two pages.
type busy struct {
	recharge.Lister
	between func()
}

func (l busy) Charges(ctx context.Context, q recharge.ListQuery) (recharge.Page, error) {
	l.between()
	return l.Lister.Charges(ctx, q)
}

// requireOnce holds the journal to the stand-in's books: every charge in error is there, none was reported twice.
func (b *bundle) requireOnce(j *journal) (inError int) {
	b.t.Helper()
	for _, entry := range b.books().Charges {
		if entry.Status != "error" {
			continue
		}
		inError++
		require.Equal(b.t, 1, j.reported[entry.ID], "charge %d", entry.ID)
	}
	for id, times := range j.reported {
		require.Equal(b.t, 1, times, "charge %d", id)
	}
	return inError
}

func (b *bundle) armPage(kind standin.PageKind, nth int) {
	b.t.Helper()
	require.NoError(b.t, b.server.ArmPage(standin.PageFault{Call: "charges.list", Kind: kind, Nth: nth}))
}

// TestEveryFailedChargeIsReportedOnce is the proof for 1,200 failed charges over many pages.
func TestEveryFailedChargeIsReportedOnce(t *testing.T) {
	t.Parallel()
	const charges = 1200
	t.Run("with a 429, a page whose answer is lost and a page that the cursor passes over", func(t *testing.T) {
		t.Parallel()
		b, j := setup(t), newJournal()
		b.add(charges, standin.ChargeSpec{Note: "leave at the door", SpreadSeconds: 600})
		b.add(100, standin.ChargeSpec{Status: "success"})
		b.arm(faults.TooManyRequests, "charges.list", 3)
		b.arm(faults.LoseReply, "charges.list", 6)
		b.armPage(standin.PageLost, 8)
		sum, err := newWalk(t, b.client, j, b.clock).Run(t.Context())
		require.NoError(t, err)
		require.True(t, sum.Settled)
		require.Equal(t, charges, b.requireOnce(j))
		require.Equal(t, charges, sum.Fresh)
		require.Equal(t, 2, sum.Repeats, "the 429 and the lost answer")
		require.Len(t, j.reported, charges)
		for _, charge := range j.charges {
			require.Equal(t, "leave at the door", charge.Note)
			require.NotEmpty(t, charge.Customer.ShopifyID)
		}
		t.Logf("reported %d of %d once; pages %d, passes %d, asked again %d", len(j.reported), charges, sum.Pages, sum.Passes, sum.Repeats)
	})
	for _, counting := range []bool{false, true} {
		t.Run(fmt.Sprintf("while charges are updated between the pages (cursors count rows: %t)", counting), func(t *testing.T) {
			t.Parallel()
			b, j := setup(t, func(o *standin.Options) { o.OffsetCursors = counting }), newJournal()
			ids := b.add(charges, standin.ChargeSpec{SpreadSeconds: 600})
			random, updates := rand.New(rand.NewPCG(1, 2)), 0
			lister := busy{b.client, func() {
				b.clock.advance(time.Second)
				for range 20 {
					updates++
					require.NoError(t, b.server.ChangeCharge(store, ids[random.IntN(len(ids))], standin.ChargeChange{}))
				}
			}}
			walk, began := newWalk(t, lister, j, b.clock), b.clock.now()
			sum, err := walk.Run(t.Context())
			require.NoError(t, err)
			require.True(t, sum.Settled)
			first := len(j.reported)
			// A charge that is updated again and again can slip away ahead of the reader, but then into the window of the next walk.
			for _, id := range ids {
				if j.reported[id] == 0 {
					charge, err := b.client.Charge(t.Context(), id)
					require.NoError(t, err)
					require.False(t, charge.UpdatedAt.Before(began), "charge %d stood still and was not found", id)
				}
			}
			_, err = walk.Run(t.Context())
			require.NoError(t, err)
			require.Equal(t, charges, b.requireOnce(j))
			t.Logf("reported %d of %d once, %d of them by the first walk; its pages %d, passes %d; updates meanwhile %d",
				len(j.reported), charges, first, sum.Pages, sum.Passes, updates)
			if !counting {
				require.Equal(t, charges, first, "with cursors that stand behind a row nothing slips away")
			}
		})
	}
	t.Run("a single pass would have missed some: the test can fail", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.add(charges, standin.ChargeSpec{SpreadSeconds: 600})
		b.armPage(standin.PageLost, 8)
		seen := 0
		for q := (recharge.ListQuery{Limit: 100, Status: recharge.StatusError}); ; {
			page, err := b.client.Charges(t.Context(), q)
			require.NoError(t, err)
			seen += page.Rows()
			if page.Next == "" {
				break
			}
			q = recharge.ListQuery{Cursor: page.Next, Limit: 100}
		}
		require.Equal(t, charges-100, seen)
	})
}

func TestWalkOverFaultyPages(t *testing.T) {
	t.Parallel()
	for _, kind := range []standin.PageKind{
		standin.PageHalf, standin.PageShort, standin.PageLost, standin.PageAgain, standin.PageCircle, standin.PageNoNext,
		standin.PageRefuse,
	} {
		for _, counting := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s (cursors count rows: %t)", kind, counting), func(t *testing.T) {
				t.Parallel()
				for nth := 1; nth <= 4; nth++ {
					b, j := setup(t, func(o *standin.Options) { o.OffsetCursors = counting }), newJournal()
					b.add(70, standin.ChargeSpec{SpreadSeconds: 2})
					b.armPage(kind, nth)
					sum, err := walkByPages(t, 20, b.client, j, b.clock).Run(t.Context())
					require.NoError(t, err)
					require.True(t, sum.Settled)
					require.Equal(t, 70, b.requireOnce(j))
					require.Equal(t, 1, b.server.PageFaults()[0].Fired)
				}
			})
		}
	}
}

// TestWalkRandomly lets everything happen at once: loud faults, one page that goes wrong in silence, updates, recoveries, crashes,
// and charges that fail meanwhile. What is in error at the end and was so all the time was reported once.
func TestWalkRandomly(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 7))
			b, j := setup(t, func(o *standin.Options) { o.OffsetCursors = random.IntN(2) == 0 }), newJournal()
			ids := b.add(60+random.IntN(100), standin.ChargeSpec{SpreadSeconds: int64(random.IntN(900))})
			for range 4 {
				kinds := []faults.Kind{faults.TooManyRequests, faults.LoseReply, faults.LoseRequest, faults.ErrorBefore, faults.ErrorAfter}
				b.arm(kinds[random.IntN(len(kinds))], "charges.list", 1+random.IntN(12))
			}
			silent := []standin.PageKind{standin.PageShort, standin.PageLost, standin.PageCircle, standin.PageAgain, standin.PageHalf}
			b.armPage(silent[random.IntN(len(silent))], 1+random.IntN(8))
			j.failBefore, j.failAfter = 1+random.IntN(12), 1+random.IntN(12)
			lister := busy{b.client, func() {
				b.clock.advance(time.Second)
				for range random.IntN(4) {
					change := standin.ChargeChange{}
					if random.IntN(5) == 0 {
						change.Status = "success"
					}
					require.NoError(t, b.server.ChangeCharge(store, ids[random.IntN(len(ids))], change))
				}
				if random.IntN(4) == 0 {
					b.add(1, standin.ChargeSpec{AgeSeconds: 1})
				}
			}}
			walk, settled := walkByPages(t, 20, lister, j, b.clock), 0
			for range 30 {
				sum, err := walk.Run(t.Context())
				if payment.ClassOf(err, payment.Unavailable) != payment.Unavailable {
					require.NoError(t, err)
				}
				if sum.Settled {
					settled++
				}
				if settled == 2 { // the overlap is the second chance
					break
				}
			}
			require.Equal(t, 2, settled)
			require.NotZero(t, b.requireOnceSince(j, ids))
		})
	}
}

// requireOnceSince is requireOnce for the charges that were there from the begin; those that failed during the last page may wait
// for the next run.
func (b *bundle) requireOnceSince(j *journal, ids []int64) (inError int) {
	b.t.Helper()
	for _, entry := range b.books().Charges {
		if entry.Status == "error" && slices.Contains(ids, entry.ID) {
			inError++
			require.Equal(b.t, 1, j.reported[entry.ID], "charge %d", entry.ID)
		}
	}
	for id, times := range j.reported {
		require.Equal(b.t, 1, times, "charge %d", id)
	}
	return inError
}
