package chaoskill

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/standin/shopify"
)

func TestPlan(t *testing.T) {
	t.Parallel()
	t.Run("a seed is one plan", func(t *testing.T) {
		t.Parallel()
		first, again := NewPlan(7), NewPlan(7)
		require.Equal(t, first, again)
		require.Equal(t, first.String(), again.String())
		require.NotEqual(t, NewPlan(7), NewPlan(8))
	})
	t.Run("every shop sells, and no two sales have the same amount", func(t *testing.T) {
		t.Parallel()
		for seed := range uint64(20) {
			sales, amounts := map[int]int{}, map[int64]bool{}
			for _, s := range NewPlan(seed).Sales {
				sales[s.Shop]++
				require.False(t, amounts[s.Minor], "seed %d", seed)
				amounts[s.Minor] = true
			}
			require.Len(t, sales, shopCount)
			for shop, n := range sales {
				require.Equal(t, salesOfShop, n, "shop %d of seed %d", shop, seed)
			}
		}
	})
	t.Run("fifty seeds draw every fault and every kind of session far more than five times", func(t *testing.T) {
		t.Parallel()
		faults, moves, habits := map[string]int{}, map[shopify.SessionType]int{}, map[Habit]int{}
		for seed := range uint64(50) {
			p := NewPlan(seed + 1)
			for _, s := range p.Strikes {
				faults[s.Name()]++
			}
			for _, s := range p.Sales {
				habits[s.Habit]++
				for _, m := range s.Moves {
					moves[m.Type]++
				}
			}
		}
		require.Len(t, faults, len(deck()))
		for name, n := range faults {
			require.GreaterOrEqual(t, n, 18, name)
		}
		require.Len(t, moves, 3)
		for kind, n := range moves {
			require.GreaterOrEqual(t, n, 100, kind)
		}
		require.Len(t, habits, 7)
	})
	t.Run("the plan reads as a story", func(t *testing.T) {
		t.Parallel()
		text := NewPlan(1).String()
		require.Contains(t, text, "SIGKILL of an api, number")
		require.Contains(t, text, "after the payment is resolved")
		require.Equal(t, "unheard wire to Stripe of worker 2, for 1.50s", Strike{Fault: Unheard, Wire: Stripe, Process: 3, For: 1500e6}.String())
	})
}
