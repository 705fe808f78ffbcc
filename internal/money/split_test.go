package money_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
)

func TestSplit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rule    string
		amount  money.Amount
		weights []int64
		want    []int64
	}{
		{"equal weights: the earlier part gets the odd cent", eur(1000), []int64{1, 1, 1}, []int64{334, 333, 333}},
		{"the largest remainder gets the odd cent", eur(100), []int64{1, 3, 2}, []int64{17, 50, 33}},
		{"a weight of zero gets nothing", money.New(100, "JPY"), []int64{70, 30, 0}, []int64{70, 30, 0}},
		{"one part is the whole", eur(1230), []int64{7}, []int64{1230}},
		{"zero splits into zeros", eur(0), []int64{1, 2}, []int64{0, 0}},
		{"fewer cents than parts", eur(2), []int64{1, 1, 1}, []int64{1, 1, 0}},
		{"a debt splits like the money", eur(-1000), []int64{1, 1, 1}, []int64{-334, -333, -333}},
		{"the extremes do not overflow", eur(math.MaxInt64), []int64{math.MaxInt64 - 1, 1}, []int64{math.MaxInt64 - 1, 1}},
		{"the most negative amount", eur(math.MinInt64), []int64{1, 1}, []int64{math.MinInt64 / 2, math.MinInt64 / 2}},
		{"the most negative amount in one part", eur(math.MinInt64), []int64{5}, []int64{math.MinInt64}},
	} {
		t.Run(c.rule, func(t *testing.T) {
			t.Parallel()
			parts, err := c.amount.Split(c.weights...)
			require.NoError(t, err)
			want := make([]money.Amount, len(c.want))
			for i, minor := range c.want {
				want[i] = money.New(minor, c.amount.Currency)
			}
			require.Equal(t, want, parts)
		})
	}

	for _, c := range []struct {
		rule    string
		amount  money.Amount
		weights []int64
		want    error
	}{
		{"no weights", eur(1), nil, money.ErrWeights},
		{"only zeros", eur(1), []int64{0, 0}, money.ErrWeights},
		{"a negative weight", eur(1), []int64{2, -1}, money.ErrWeights},
		{"a sum of weights over 64 bits", eur(1), []int64{math.MaxInt64, 1}, money.ErrOverflow},
		{"no currency", money.Amount{}, []int64{1}, money.ErrCurrency},
	} {
		t.Run(c.rule+" is refused", func(t *testing.T) {
			t.Parallel()
			_, err := c.amount.Split(c.weights...)
			require.ErrorIs(t, err, c.want)
		})
	}
}

// TestSplitProperties compares with exact rational shares over random input of
// every size; the seed is fixed, so a failure repeats.
func TestSplitProperties(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		amount := eur(random.Int64() >> random.IntN(63))
		if random.IntN(2) == 0 {
			amount.Minor = -amount.Minor
		}
		weights := make([]int64, 1+random.IntN(6))
		for i := range weights {
			weights[i] = random.Int64N(math.MaxInt64/6) >> random.IntN(60)
		}
		weights[0]++ // at least one above zero
		requireFairSplit(t, amount, weights)
	}
}

func FuzzSplit(f *testing.F) {
	f.Add(int64(1000), int64(1), int64(1), int64(1))
	f.Add(int64(math.MinInt64), int64(math.MaxInt64), int64(0), int64(0))
	f.Fuzz(func(t *testing.T, minor, first, second, third int64) {
		if _, err := eur(minor).Split(first, second, third); err != nil {
			return
		}
		requireFairSplit(t, eur(minor), []int64{first, second, third})
	})
}

func requireFairSplit(t *testing.T, amount money.Amount, weights []int64) {
	t.Helper()
	parts, err := amount.Split(weights...)
	require.NoError(t, err)
	require.Len(t, parts, len(weights))

	total, sum := new(big.Int), new(big.Int)
	for _, weight := range weights {
		total.Add(total, big.NewInt(weight))
	}
	for i, part := range parts {
		require.Equal(t, amount.Currency, part.Currency)
		sum.Add(sum, big.NewInt(part.Minor))
		// |part·total − amount·weight| < total: less than one minor unit off.
		off := new(big.Int).Mul(big.NewInt(part.Minor), total)
		off.Sub(off, new(big.Int).Mul(big.NewInt(amount.Minor), big.NewInt(weights[i])))
		require.Negative(t, off.CmpAbs(total), "%s over %v: part %d is %s", amount, weights, i, part)
		if weights[i] == 0 {
			require.True(t, part.IsZero())
		}
	}
	require.Zero(t, sum.Cmp(big.NewInt(amount.Minor)), "%s over %v: parts do not add up", amount, weights)
}
