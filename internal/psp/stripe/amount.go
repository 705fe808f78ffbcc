package stripe

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"tillflow/internal/money"
)

// errAmount reports an amount that Stripe has no way to express.
var errAmount = errors.New("amount cannot be expressed at stripe")

// Stripe counts minor units as ISO 4217 does, with these exceptions (source:
// docs.stripe.com/currencies, in copies of 2026; UGX also stands on its list of
// currencies without decimals, its special case says two and is followed):
//
//	ISK UGX              no decimals any more, still sent with two that are 00
//	MGA                  ISO has two digits, Stripe none
//	BHD JOD KWD OMR TND  three digits, of which the last must be 0
//	CLF UYW IQD LYD UYI  not offered
//
// The largest amount depends on the currency and is not fully published, the
// smallest also on the settlement currency; Stripe's own amount_too_large and
// amount_too_small decide.

// toStripe gives an amount in Stripe's units and its currency as Stripe writes
// it. It fails with errAmount for what Stripe cannot take, and never rounds.
func toStripe(a money.Amount) (int64, string, error) {
	if !a.IsPositive() {
		return 0, "", fmt.Errorf("%w: %s is not positive", errAmount, a)
	}
	exponent, err := a.Currency.Exponent()
	if err != nil {
		return 0, "", err
	}
	units, currency := a.Minor, strings.ToLower(string(a.Currency))
	switch {
	case a.Currency == "ISK", a.Currency == "UGX":
		if units > math.MaxInt64/100 {
			return 0, "", fmt.Errorf("%w: %s is too large", errAmount, a)
		}
		return units * 100, currency, nil
	case a.Currency == "MGA":
		if units%100 != 0 {
			return 0, "", fmt.Errorf("%w: %s has a fraction", errAmount, a)
		}
		return units / 100, currency, nil
	case threeDigits(a.Currency):
		if units%10 != 0 {
			return 0, "", fmt.Errorf("%w: the last digit of %s is not 0", errAmount, a)
		}
		return units, currency, nil
	case exponent > 2, a.Currency == "UYI":
		return 0, "", fmt.Errorf("%w: %s is not offered", errAmount, a.Currency)
	}
	return units, currency, nil
}

// fromStripe reads an amount that Stripe tells. Zero is an amount.
func fromStripe(units int64, currency string) (money.Amount, error) {
	code, err := money.ParseCurrency(strings.ToUpper(currency))
	if err != nil {
		return money.Amount{}, err
	}
	switch code {
	case "ISK", "UGX":
		if units%100 != 0 {
			return money.Amount{}, fmt.Errorf("%w: %d %s has a fraction", errAmount, units, code)
		}
		return money.New(units/100, code), nil
	case "MGA":
		if units > math.MaxInt64/100 || units < math.MinInt64/100 {
			return money.Amount{}, fmt.Errorf("%w: %d %s is too large", errAmount, units, code)
		}
		return money.New(units*100, code), nil
	}
	return money.New(units, code), nil
}

func threeDigits(c money.Currency) bool {
	switch c {
	case "BHD", "JOD", "KWD", "OMR", "TND":
		return true
	}
	return false
}
