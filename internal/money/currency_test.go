package money_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
)

func TestParseCurrency(t *testing.T) {
	t.Parallel()
	t.Run("one code of each exponent and the surprising ones", func(t *testing.T) {
		t.Parallel()
		for code, digits := range map[string]int{
			"JPY": 0, "KRW": 0, "CLP": 0, "ISK": 0, "UGX": 0, "UYI": 0, "VND": 0, "XPF": 0,
			"EUR": 2, "USD": 2, "HUF": 2, "TWD": 2, "MGA": 2, "MRU": 2, "IDR": 2, "COP": 2, "XCG": 2, "ZWG": 2,
			"BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
			"CLF": 4, "UYW": 4,
		} {
			currency, err := money.ParseCurrency(code)
			require.NoError(t, err, code)
			exponent, err := currency.Exponent()
			require.NoError(t, err, code)
			require.Equal(t, digits, exponent, code)
		}
	})
	t.Run("the table has as many active codes as the list", func(t *testing.T) {
		t.Parallel()
		count := map[int]int{}
		for a := 'A'; a <= 'Z'; a++ {
			for b := 'A'; b <= 'Z'; b++ {
				for c := 'A'; c <= 'Z'; c++ {
					if exponent, err := money.Currency([]rune{a, b, c}).Exponent(); err == nil {
						count[exponent]++
					}
				}
			}
		}
		require.Equal(t, map[int]int{0: 17, 2: 139, 3: 7, 4: 2}, count)
	})
	for rule, code := range map[string]string{
		"lower case":        "eur",
		"an unknown code":   "ABC",
		"no code":           "",
		"a space":           "EUR ",
		"a withdrawn code":  "BGN",
		"a metal":           "XAU",
		"no currency (XXX)": "XXX",
		"a test code":       "XTS",
		"a long text":       strings.Repeat("E", 1000),
	} {
		t.Run(rule+" is refused", func(t *testing.T) {
			t.Parallel()
			currency, err := money.ParseCurrency(code)
			require.ErrorIs(t, err, money.ErrCurrency)
			require.Empty(t, currency)
			require.Less(t, len(err.Error()), 100, "input is not echoed without bound")
		})
	}
}
