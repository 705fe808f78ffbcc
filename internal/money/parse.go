package money

import (
	"fmt"
	"math"
	"strings"
)

// maxDecimalLength bounds the text that Parse reads. The longest amount has 19
// digits and a point; the rest is room for trailing zeros.
const maxDecimalLength = 64

// Parse reads a plain decimal number of major units: "12.30", "12.3", "12" are
// 1230 EUR cents. Zeros beyond the currency's digits are accepted, since shops
// send "1000.00" for yen; any other digit there is ErrTooPrecise. Digits must
// stand on both sides of a point. A plus sign, a space, a thousands separator or
// an exponent is ErrSyntax, a value below zero ErrNegative, one beyond 64-bit
// minor units ErrOverflow, a bad currency ErrCurrency. "-0" is zero.
func Parse(decimal string, currency Currency) (Amount, error) {
	exponent, err := currency.Exponent()
	if err != nil {
		return Amount{}, fmt.Errorf("parse amount: %w", err)
	}
	minor, err := parseMinor(decimal, exponent)
	if err != nil {
		return Amount{}, fmt.Errorf("parse amount %q: %w", clip(decimal), err)
	}
	return New(minor, currency), nil
}

func parseMinor(decimal string, exponent int) (int64, error) {
	if len(decimal) > maxDecimalLength {
		return 0, ErrSyntax
	}
	unsigned, negative := strings.CutPrefix(decimal, "-")
	whole, fraction, point := strings.Cut(unsigned, ".")
	if !allDigits(whole) || (point && !allDigits(fraction)) {
		return 0, ErrSyntax
	}
	if negative && strings.Trim(unsigned, "0.") != "" {
		return 0, ErrNegative
	}
	if len(fraction) > exponent {
		if strings.Trim(fraction[exponent:], "0") != "" {
			return 0, ErrTooPrecise
		}
		fraction = fraction[:exponent]
	}
	fraction += strings.Repeat("0", exponent-len(fraction))

	var minor int64
	for _, digit := range []byte(whole + fraction) {
		value := int64(digit - '0')
		if minor > (math.MaxInt64-value)/10 {
			return 0, ErrOverflow
		}
		minor = minor*10 + value
	}
	return minor, nil
}

// allDigits reports whether text is one or more ASCII digits.
func allDigits(text string) bool {
	for _, char := range []byte(text) {
		if char < '0' || char > '9' {
			return false
		}
	}
	return text != ""
}
