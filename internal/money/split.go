package money

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// Split divides the amount in proportion to the weights, one part each, by the
// method of the largest remainder: every part is the exact share rounded up or
// down to a minor unit, and the parts add up to the amount. Equal remainders
// favour the earlier part, so equal input gives equal output. A weight of zero
// gets zero. A negative amount is split like its opposite.
//
//	10.00 EUR over 1, 1, 1  → 3.34, 3.33, 3.33
//	100 JPY over 70, 30, 0  → 70, 30, 0
//
// ErrWeights if weights are missing, negative or all zero, ErrOverflow if their
// sum does not fit 64 bits, ErrCurrency for an amount without currency.
func (a Amount) Split(weights ...int64) ([]Amount, error) {
	if _, err := a.Currency.Exponent(); err != nil {
		return nil, fmt.Errorf("split %s: %w", a, err)
	}
	total, err := sumWeights(weights)
	if err != nil {
		return nil, fmt.Errorf("split %s: %w", a, err)
	}

	shares := make([]share, len(weights))
	left := magnitude(a.Minor)
	for i, weight := range weights {
		// 128-bit product: no amount and weight overflow. The quotient is at
		// most the amount itself, because no weight exceeds their sum.
		high, low := bits.Mul64(magnitude(a.Minor), uint64(weight))
		quotient, remainder := bits.Div64(high, low, total)
		shares[i] = share{index: i, minor: quotient, remainder: remainder}
		left -= quotient
	}
	slices.SortStableFunc(shares, func(x, y share) int { return cmp.Compare(y.remainder, x.remainder) })

	parts := make([]Amount, len(weights))
	for rank, part := range shares {
		minor := part.minor
		if uint64(rank) < left {
			minor++
		}
		parts[part.index] = New(withSign(minor, a.Minor < 0), a.Currency)
	}
	return parts, nil
}

// share is one part while the remainders are compared.
type share struct {
	index     int
	minor     uint64
	remainder uint64
}

func sumWeights(weights []int64) (uint64, error) {
	var sum int64
	for _, weight := range weights {
		if weight < 0 {
			return 0, ErrWeights
		}
		if sum > math.MaxInt64-weight {
			return 0, ErrOverflow
		}
		sum += weight
	}
	if sum == 0 {
		return 0, ErrWeights
	}
	return uint64(sum), nil
}

// withSign turns a magnitude back into minor units; the inverse of magnitude,
// so its wrap-around for the most negative number is intended.
func withSign(minor uint64, negative bool) int64 {
	if negative {
		return int64(-minor)
	}
	return int64(minor)
}
