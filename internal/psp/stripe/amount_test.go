package stripe

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
)

func TestAmountsBothWays(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		decimal string
		code    money.Currency
		units   int64
		wire    string
	}{
		{"12.30", "EUR", 1230, "eur"},
		{"0.01", "USD", 1, "usd"},
		{"500", "JPY", 500, "jpy"},
		{"1000", "KRW", 1000, "krw"},
		{"7", "XPF", 7, "xpf"},
		{"5", "ISK", 500, "isk"}, // sent with two decimals that are 00
		{"5", "UGX", 500, "ugx"},
		{"5.00", "MGA", 5, "mga"}, // ISO has two digits
		{"5.120", "KWD", 5120, "kwd"},
		{"12.340", "BHD", 12340, "bhd"},
		{"0.010", "TND", 10, "tnd"},
		{"3.500", "JOD", 3500, "jod"},
		{"3.500", "OMR", 3500, "omr"},
		{"800.45", "HUF", 80045, "huf"}, // whole amounts are wanted of payouts only
		{"800.45", "TWD", 80045, "twd"},
	} {
		t.Run(tc.decimal+" "+string(tc.code), func(t *testing.T) {
			t.Parallel()
			amount, err := money.Parse(tc.decimal, tc.code)
			require.NoError(t, err)
			units, currency, err := toStripe(amount)
			require.NoError(t, err)
			require.Equal(t, tc.units, units)
			require.Equal(t, tc.wire, currency)
			back, err := fromStripe(units, currency)
			require.NoError(t, err)
			require.Equal(t, amount, back)
		})
	}
}

func TestAmountsThatStripeCannotTake(t *testing.T) {
	t.Parallel()
	for name, amount := range map[string]money.Amount{
		"nothing":                         money.New(0, "EUR"),
		"less than nothing":               money.New(-1, "EUR"),
		"no currency":                     {Minor: 1},
		"an unknown currency":             money.New(1, "XXX"),
		"lower case":                      money.New(1, "eur"),
		"a third digit":                   money.New(5124, "KWD"),
		"a fraction of an ariary":         money.New(550, "MGA"),
		"four digits":                     money.New(10000, "CLF"),
		"a three-digit currency not sold": money.New(1000, "IQD"),
		"an index unit":                   money.New(1000, "UYI"),
		"more krónur than there are":      money.New(math.MaxInt64, "ISK"),
	} {
		_, _, err := toStripe(amount)
		require.Error(t, err, name)
	}
}

func TestAmountsThatStripeCannotMean(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		units    int64
		currency string
	}{{550, "isk"}, {1, "ugx"}, {1, "xyz"}, {1, ""}, {math.MaxInt64, "mga"}} {
		_, err := fromStripe(tc.units, tc.currency)
		require.Error(t, err, tc.currency)
	}
	zero, err := fromStripe(0, "eur")
	require.NoError(t, err)
	require.Equal(t, money.New(0, "EUR"), zero)
}

func FuzzAmounts(f *testing.F) {
	for _, c := range []string{"EUR", "JPY", "ISK", "UGX", "MGA", "BHD", "CLF"} {
		f.Add(int64(1230), c)
	}
	f.Fuzz(func(t *testing.T, minor int64, code string) {
		amount := money.New(minor, money.Currency(code))
		units, currency, err := toStripe(amount)
		if err != nil {
			return
		}
		back, err := fromStripe(units, currency)
		require.NoError(t, err)
		require.Equal(t, amount, back)
	})
}
