package money_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
)

func eur(minor int64) money.Amount { return money.New(minor, "EUR") }

func TestParse(t *testing.T) {
	t.Parallel()
	accepted := []struct {
		rule    string
		decimal string
		code    money.Currency
		minor   int64
	}{
		{"two digits", "12.30", "EUR", 1230},
		{"fewer digits than the currency has", "12.3", "EUR", 1230},
		{"no point", "12", "EUR", 1200},
		{"leading zeros", "0012.30", "EUR", 1230},
		{"zero", "0.00", "EUR", 0},
		{"negative zero is zero", "-0.00", "EUR", 0},
		{"zero-decimal currency", "1000", "JPY", 1000},
		{"zero-decimal currency with trailing zeros", "1000.00", "JPY", 1000},
		{"three digits", "1.005", "KWD", 1005},
		{"four digits", "1.0005", "CLF", 10005},
		{"zeros beyond the currency's digits", "12.3000000", "EUR", 1230},
		{"the largest amount", "92233720368547758.07", "EUR", math.MaxInt64},
		{"the largest amount without digits", "9223372036854775807.000", "KRW", math.MaxInt64},
	}
	for _, c := range accepted {
		t.Run(c.rule+" is accepted", func(t *testing.T) {
			t.Parallel()
			amount, err := money.Parse(c.decimal, c.code)
			require.NoError(t, err)
			require.Equal(t, money.New(c.minor, c.code), amount)
		})
	}

	refused := []struct {
		rule    string
		decimal string
		code    money.Currency
		want    error
	}{
		{"third digit of euro", "12.301", "EUR", money.ErrTooPrecise},
		{"late digit of euro", "12.3000001", "EUR", money.ErrTooPrecise},
		{"fraction of a yen", "1000.5", "JPY", money.ErrTooPrecise},
		{"negative", "-12.30", "EUR", money.ErrNegative},
		{"negative below the minor unit", "-0.001", "EUR", money.ErrNegative},
		{"one minor unit too many", "92233720368547758.08", "EUR", money.ErrOverflow},
		{"far too large", "99999999999999999999999999", "EUR", money.ErrOverflow},
		{"nothing", "", "EUR", money.ErrSyntax},
		{"a sign only", "-", "EUR", money.ErrSyntax},
		{"a point only", ".", "EUR", money.ErrSyntax},
		{"no digit before the point", ".50", "EUR", money.ErrSyntax},
		{"no digit after the point", "12.", "EUR", money.ErrSyntax},
		{"two points", "1.2.3", "EUR", money.ErrSyntax},
		{"a comma", "12,30", "EUR", money.ErrSyntax},
		{"a plus sign", "+12.30", "EUR", money.ErrSyntax},
		{"two signs", "--1", "EUR", money.ErrSyntax},
		{"an exponent", "1e3", "EUR", money.ErrSyntax},
		{"a space", " 12.30", "EUR", money.ErrSyntax},
		{"an underscore", "1_000", "EUR", money.ErrSyntax},
		{"hexadecimal", "0x10", "EUR", money.ErrSyntax},
		{"not a number", "NaN", "EUR", money.ErrSyntax},
		{"digits of another script", "１２", "EUR", money.ErrSyntax},
		{"text beyond every amount", "1." + string(make([]byte, 100)), "EUR", money.ErrSyntax},
		{"no currency", "12.30", "", money.ErrCurrency},
		{"unknown currency", "12.30", "EURO", money.ErrCurrency},
	}
	for _, c := range refused {
		t.Run(c.rule+" is refused", func(t *testing.T) {
			t.Parallel()
			amount, err := money.Parse(c.decimal, c.code)
			require.ErrorIs(t, err, c.want)
			require.Equal(t, money.Amount{}, amount)
		})
	}
}

func TestDecimal(t *testing.T) {
	t.Parallel()
	for want, amount := range map[string]money.Amount{
		"12.30":                 eur(1230),
		"0.05":                  eur(5),
		"0.00":                  eur(0),
		"-0.05":                 eur(-5),
		"-12.30":                eur(-1230),
		"1000":                  money.New(1000, "JPY"),
		"0":                     money.New(0, "JPY"),
		"0.005":                 money.New(5, "KWD"),
		"1.0005":                money.New(10005, "CLF"),
		"-92233720368547758.08": eur(math.MinInt64),
		"?1230":                 money.New(1230, "ABC"),
		"?0":                    {},
	} {
		require.Equal(t, want, amount.Decimal())
	}
	require.Equal(t, "12.30 EUR", eur(1230).String())
}

func TestArithmetic(t *testing.T) {
	t.Parallel()
	t.Run("adds, subtracts, negates and compares", func(t *testing.T) {
		t.Parallel()
		sum, err := eur(1230).Add(eur(-30))
		require.NoError(t, err)
		require.Equal(t, eur(1200), sum)
		difference, err := eur(1230).Sub(eur(2000))
		require.NoError(t, err)
		require.Equal(t, eur(-770), difference)
		opposite, err := difference.Neg()
		require.NoError(t, err)
		require.Equal(t, eur(770), opposite)
		for _, c := range []struct {
			a, b int64
			want int
		}{{1, 2, -1}, {2, 2, 0}, {3, 2, 1}, {math.MinInt64, math.MaxInt64, -1}} {
			order, err := eur(c.a).Cmp(eur(c.b))
			require.NoError(t, err)
			require.Equal(t, c.want, order)
		}
	})
	t.Run("two currencies do not mix", func(t *testing.T) {
		t.Parallel()
		requireArithmeticError(t, eur(1), money.New(1, "USD"), money.ErrMismatch)
	})
	t.Run("an amount without currency takes no part", func(t *testing.T) {
		t.Parallel()
		requireArithmeticError(t, money.Amount{}, money.Amount{}, money.ErrCurrency)
	})
	t.Run("the edges of 64 bits are exact", func(t *testing.T) {
		t.Parallel()
		for _, c := range []struct{ a, b int64 }{
			{math.MaxInt64, 1}, {math.MinInt64, -1}, {math.MaxInt64, math.MaxInt64}, {math.MinInt64, math.MinInt64},
		} {
			_, err := eur(c.a).Add(eur(c.b))
			require.ErrorIs(t, err, money.ErrOverflow)
		}
		for _, c := range []struct{ a, b int64 }{
			{math.MinInt64, 1}, {math.MaxInt64, -1}, {0, math.MinInt64}, {math.MaxInt64, math.MinInt64},
		} {
			_, err := eur(c.a).Sub(eur(c.b))
			require.ErrorIs(t, err, money.ErrOverflow)
		}
		_, err := eur(math.MinInt64).Neg()
		require.ErrorIs(t, err, money.ErrOverflow)
		sum, err := eur(math.MaxInt64).Add(eur(math.MinInt64))
		require.NoError(t, err)
		require.Equal(t, eur(-1), sum)
		difference, err := eur(-1).Sub(eur(math.MinInt64))
		require.NoError(t, err)
		require.Equal(t, eur(math.MaxInt64), difference)
	})
	t.Run("zero and positive are told apart", func(t *testing.T) {
		t.Parallel()
		require.True(t, eur(0).IsZero())
		require.False(t, eur(0).IsPositive())
		require.True(t, eur(1).IsPositive())
		require.False(t, eur(-1).IsPositive())
		require.False(t, eur(-1).IsZero())
	})
}

func requireArithmeticError(t *testing.T, a, b money.Amount, want error) {
	t.Helper()
	_, err := a.Add(b)
	require.ErrorIs(t, err, want)
	_, err = a.Sub(b)
	require.ErrorIs(t, err, want)
	_, err = a.Cmp(b)
	require.ErrorIs(t, err, want)
}

func TestJSON(t *testing.T) {
	t.Parallel()
	t.Run("amounts survive a round trip, the absent one too", func(t *testing.T) {
		t.Parallel()
		for _, amount := range []money.Amount{eur(1230), eur(-1), money.New(0, "JPY"), eur(math.MaxInt64), {}} {
			data, err := json.Marshal(amount)
			require.NoError(t, err)
			var back money.Amount
			require.NoError(t, json.Unmarshal(data, &back))
			require.Equal(t, amount, back)
		}
	})
	t.Run("the wire form is fixed", func(t *testing.T) {
		t.Parallel()
		data, err := json.Marshal(eur(1230))
		require.NoError(t, err)
		require.Equal(t, `{"minor":1230,"currency":"EUR"}`, string(data))
	})
	for rule, data := range map[string]string{
		"a missing minor":              `{"currency":"EUR"}`,
		"a null minor":                 `{"minor":null,"currency":"EUR"}`,
		"a missing currency":           `{"minor":1230}`,
		"an empty currency with money": `{"minor":1230,"currency":""}`,
		"an unknown currency":          `{"minor":1230,"currency":"ABC"}`,
		"a lower-case currency":        `{"minor":1230,"currency":"eur"}`,
		"a fraction":                   `{"minor":12.3,"currency":"EUR"}`,
		"an exponent":                  `{"minor":1e3,"currency":"EUR"}`,
		"a text":                       `{"minor":"1230","currency":"EUR"}`,
		"a number out of range":        `{"minor":9223372036854775808,"currency":"EUR"}`,
		"an unknown member":            `{"minor":1230,"currency":"EUR","scale":2}`,
		"null":                         `null`,
		"a bare number":                `1230`,
	} {
		t.Run(rule+" is refused", func(t *testing.T) {
			t.Parallel()
			amount := eur(7)
			require.Error(t, json.Unmarshal([]byte(data), &amount))
			require.Equal(t, eur(7), amount, "a refused value must not change the target")
		})
	}
}

func FuzzParseDecimal(f *testing.F) {
	for _, seed := range []string{"12.30", "1000.00", "0.005", "-1", "1e3", ".5", "92233720368547758.07", "00.10"} {
		for _, code := range []string{"EUR", "JPY", "KWD", "CLF"} {
			f.Add(seed, code)
		}
	}
	f.Fuzz(func(t *testing.T, decimal, code string) {
		currency, err := money.ParseCurrency(code)
		if err != nil {
			t.Skip()
		}
		amount, err := money.Parse(decimal, currency)
		if err != nil {
			require.Equal(t, money.Amount{}, amount)
			return
		}
		require.GreaterOrEqual(t, amount.Minor, int64(0))
		again, err := money.Parse(amount.Decimal(), currency)
		require.NoError(t, err)
		require.Equal(t, amount, again)
	})
}

func FuzzDecimalParse(f *testing.F) {
	for _, minor := range []int64{0, 1, 99, 100, 1230, math.MaxInt64} {
		f.Add(minor)
	}
	f.Fuzz(func(t *testing.T, minor int64) {
		if minor < 0 {
			t.Skip()
		}
		for _, currency := range []money.Currency{"JPY", "EUR", "KWD", "CLF"} {
			amount := money.New(minor, currency)
			back, err := money.Parse(amount.Decimal(), currency)
			require.NoError(t, err)
			require.Equal(t, amount, back)
		}
	})
}
