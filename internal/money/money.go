// Package money holds amounts as whole minor units of an ISO 4217 currency and
// the only arithmetic the program does on them.
//
// There are no floats and no rounding: what cannot be represented exactly is an
// error. A provider that counts minor units in another way than ISO 4217 is
// translated inside its connector.
package money

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// Errors of this package, to be tested with errors.Is. They carry the reason;
// the wrapping text names the value.
var (
	// ErrCurrency reports a code that is not an active ISO 4217 currency with
	// a minor unit.
	ErrCurrency = errors.New("unknown currency")
	// ErrMismatch reports arithmetic on amounts of two currencies.
	ErrMismatch = errors.New("currencies differ")
	// ErrOverflow reports a result outside of 64-bit minor units.
	ErrOverflow = errors.New("amount out of range")
	// ErrSyntax reports text that is not a plain decimal number.
	ErrSyntax = errors.New("not a decimal number")
	// ErrNegative reports a well-formed decimal below zero.
	ErrNegative = errors.New("negative amount")
	// ErrTooPrecise reports a non-zero digit beyond the currency's minor unit.
	ErrTooPrecise = errors.New("more digits than the currency has")
	// ErrWeights reports weights that cannot divide an amount: none at all, a
	// negative one, or a sum of zero.
	ErrWeights = errors.New("weights cannot divide an amount")
)

// Amount is a number of minor units (cents, yen, fils) of one currency. It is a
// plain value: comparable with ==, safe to copy. The zero value means "no
// amount"; it has no currency, so every operation that needs one refuses it.
type Amount struct {
	// Minor counts the smallest units of Currency; it may be negative.
	Minor int64 `json:"minor"`
	// Currency says what is counted.
	Currency Currency `json:"currency"`
}

// New pairs minor units with a currency that came from [ParseCurrency] or is a
// constant. It checks nothing; input from outside goes through [Parse] or JSON.
func New(minor int64, currency Currency) Amount {
	return Amount{Minor: minor, Currency: currency}
}

// Decimal renders the amount with exactly the currency's number of digits:
// "12.30", "1000", "-0.005". An amount without a valid currency renders as "?"
// and its minor units, which no reader can take for a number.
func (a Amount) Decimal() string {
	exponent, err := a.Currency.Exponent()
	if err != nil {
		return "?" + strconv.FormatInt(a.Minor, 10)
	}
	sign := ""
	if a.Minor < 0 {
		sign = "-"
	}
	digits := strconv.FormatUint(magnitude(a.Minor), 10)
	if exponent == 0 {
		return sign + digits
	}
	for len(digits) <= exponent {
		digits = "0" + digits
	}
	point := len(digits) - exponent
	return sign + digits[:point] + "." + digits[point:]
}

// String renders the amount for people and logs: "12.30 EUR".
func (a Amount) String() string {
	return a.Decimal() + " " + string(a.Currency)
}

// Add returns a + b, or ErrMismatch, ErrCurrency or ErrOverflow.
func (a Amount) Add(b Amount) (Amount, error) {
	if err := sameCurrency(a, b); err != nil {
		return Amount{}, fmt.Errorf("add %s and %s: %w", a, b, err)
	}
	sum := a.Minor + b.Minor
	if (sum > a.Minor) != (b.Minor > 0) {
		return Amount{}, fmt.Errorf("add %s and %s: %w", a, b, ErrOverflow)
	}
	return New(sum, a.Currency), nil
}

// Sub returns a - b, or ErrMismatch, ErrCurrency or ErrOverflow.
func (a Amount) Sub(b Amount) (Amount, error) {
	if err := sameCurrency(a, b); err != nil {
		return Amount{}, fmt.Errorf("subtract %s from %s: %w", b, a, err)
	}
	difference := a.Minor - b.Minor
	if (difference < a.Minor) != (b.Minor > 0) {
		return Amount{}, fmt.Errorf("subtract %s from %s: %w", b, a, ErrOverflow)
	}
	return New(difference, a.Currency), nil
}

// Cmp returns -1, 0 or +1 as a is below, equal to or above b, or ErrMismatch or
// ErrCurrency.
func (a Amount) Cmp(b Amount) (int, error) {
	if err := sameCurrency(a, b); err != nil {
		return 0, fmt.Errorf("compare %s with %s: %w", a, b, err)
	}
	switch {
	case a.Minor < b.Minor:
		return -1, nil
	case a.Minor > b.Minor:
		return 1, nil
	default:
		return 0, nil
	}
}

// Neg returns -a. Only the most negative number of minor units has no opposite
// (ErrOverflow).
func (a Amount) Neg() (Amount, error) {
	if a.Minor == math.MinInt64 {
		return Amount{}, fmt.Errorf("negate %s: %w", a, ErrOverflow)
	}
	return New(-a.Minor, a.Currency), nil
}

// IsZero reports whether the amount is nothing, in whatever currency. Because
// encoding/json asks this method too, the option omitzero would drop "0 EUR"
// together with its currency: do not use it on an Amount.
func (a Amount) IsZero() bool { return a.Minor == 0 }

// IsPositive reports whether the amount is above zero.
func (a Amount) IsPositive() bool { return a.Minor > 0 }

// UnmarshalJSON accepts {"minor":1230,"currency":"EUR"} and nothing looser: both
// members present, no others, whole minor units, an ISO 4217 code. The one
// exception is the zero Amount as this package writes it, so that structs with
// an amount not yet known survive a round trip; it is not positive and has no
// currency, so whoever needs an amount still refuses it.
func (a *Amount) UnmarshalJSON(data []byte) error {
	var wire struct {
		Minor    *int64  `json:"minor"`
		Currency *string `json:"currency"`
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&wire); err != nil {
		return fmt.Errorf("decode amount: %w", err)
	}
	if wire.Minor == nil {
		return errors.New(`decode amount: member "minor" is missing`)
	}
	if wire.Currency == nil {
		return errors.New(`decode amount: member "currency" is missing`)
	}
	if *wire.Minor == 0 && *wire.Currency == "" {
		*a = Amount{}
		return nil
	}
	currency, err := ParseCurrency(*wire.Currency)
	if err != nil {
		return fmt.Errorf("decode amount: %w", err)
	}
	*a = New(*wire.Minor, currency)
	return nil
}

func sameCurrency(a, b Amount) error {
	if a.Currency != b.Currency {
		return ErrMismatch
	}
	if _, err := a.Currency.Exponent(); err != nil {
		return err
	}
	return nil
}

// magnitude is |minor|; unsigned, because the most negative int64 has no
// positive counterpart.
func magnitude(minor int64) uint64 {
	if minor < 0 {
		return -uint64(minor) // two's complement: wraps to the magnitude
	}
	return uint64(minor)
}
