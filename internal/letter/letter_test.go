package letter_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/letter"
	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

var update = flag.Bool("update", false, "write the golden letters again")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "write it with -update")
	require.Equal(t, string(want), got)
}

func writer(t *testing.T) *letter.Writer {
	t.Helper()
	w, err := letter.NewWriter()
	require.NoError(t, err)
	return w
}

func berlin(t *testing.T) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	return zone
}

// some is a letter with every fact.
func some(t *testing.T, kind letter.Kind, language string) letter.Letter {
	t.Helper()
	return letter.Letter{Kind: kind, Language: language, Facts: letter.Facts{
		Shop: "Café Acme", Plan: "Club & more", Reference: "sub-1001", Amount: money.New(123456, "EUR"),
		PeriodStart: time.Date(2026, 12, 31, 23, 0, 0, 0, time.UTC), PeriodEnd: time.Date(2027, 1, 31, 23, 0, 0, 0, time.UTC),
		At: time.Date(2027, 3, 4, 8, 0, 0, 0, time.UTC), Zone: berlin(t), Method: "visa 4242",
		Reason: payment.ExpiredCard, Outcome: subscription.FinalPause, Link: "https://pay.example.test/m/TOKEN?a=1&b=2",
	}}
}

func write(t *testing.T, l letter.Letter) letter.Mail {
	t.Helper()
	m, err := writer(t).Write(l)
	require.NoError(t, err)
	return m
}

func TestEveryLetterInEveryLanguage(t *testing.T) {
	t.Parallel()
	for _, l := range letter.Languages() {
		t.Run(l.Name, func(t *testing.T) {
			t.Parallel()
			var all strings.Builder
			for _, kind := range letter.Kinds {
				m := write(t, some(t, kind, l.Code))
				all.WriteString("===== " + string(kind) + "\nSubject: " + m.Subject + "\n\n" + m.Text)
				for _, part := range []string{m.Text, m.HTML} {
					require.NotContains(t, part, "{", kind)
					require.Contains(t, part, "sub-1001", kind)
				}
				if kind.HasButton() {
					require.Contains(t, m.Text, "https://pay.example.test/m/TOKEN?a=1&b=2")
					require.Contains(t, m.HTML, `href="https://pay.example.test/m/TOKEN?a=1&amp;b=2"`)
				} else {
					require.NotContains(t, m.Text+m.HTML, "pay.example.test")
				}
				require.Contains(t, m.HTML, `<html lang="`+l.Code+`">`)
			}
			golden(t, l.Code+".txt", all.String())
			golden(t, l.Code+".html", write(t, some(t, letter.MethodNeeded, l.Code)).HTML)
		})
	}
}

func TestEveryReasonAndOutcomeHasWords(t *testing.T) {
	t.Parallel()
	w := writer(t)
	for _, l := range letter.Languages() {
		seen := map[string]bool{}
		for _, reason := range payment.DeclineReasons {
			one := some(t, letter.MerchantReview, l.Code)
			one.Facts.Reason = reason
			m, err := w.Write(one)
			require.NoError(t, err)
			require.False(t, seen[m.Text], "two reasons read alike: %s in %s", reason, l.Code)
			seen[m.Text] = true
		}
		for _, outcome := range subscription.FinalActions {
			one := some(t, letter.MerchantEnded, l.Code)
			one.Facts.Outcome = outcome
			_, err := w.Write(one)
			require.NoError(t, err)
		}
	}
}

func TestAmountsAndDatesAreTheReaders(t *testing.T) {
	t.Parallel()
	const nb = "\u00a0"
	for name, c := range map[string]struct {
		language, locale, amount, day string
		of                            money.Amount
	}{
		"English":                            {"en", "", "€1,234.56", "4" + nb + "March 2027", money.New(123456, "EUR")},
		"English in India groups by lakh":    {"en", "en-IN", "₹12,34,567.00", "4" + nb + "March 2027", money.New(123456700, "INR")},
		"German":                             {"de", "de-DE", "1.234,56" + nb + "€", "4." + nb + "März 2027", money.New(123456, "EUR")},
		"German in Switzerland":              {"de", "de-CH", "1’234.56" + nb + "CHF", "4." + nb + "März 2027", money.New(123456, "CHF")},
		"French":                             {"fr", "fr", "1" + nb + "234,56" + nb + "€", "4" + nb + "mars 2027", money.New(123456, "EUR")},
		"Spanish":                            {"es", "es-ES", "1.234,56" + nb + "€", "4 de marzo de 2027", money.New(123456, "EUR")},
		"Hindi":                              {"hi", "hi-IN", "₹12,34,567.00", "4" + nb + "मार्च 2027", money.New(123456700, "INR")},
		"Chinese":                            {"zh", "zh-CN", "￥1,234.56", "2027年3月4日", money.New(123456, "CNY")},
		"yen have no decimals":               {"en", "", "¥1,000", "4" + nb + "March 2027", money.New(1000, "JPY")},
		"dinars have three":                  {"en", "", "KWD" + nb + "1.005", "4" + nb + "March 2027", money.New(1005, "KWD")},
		"a currency younger than the tables": {"de", "", "0,05" + nb + "XCG", "4." + nb + "März 2027", money.New(5, "XCG")},
		"beyond what a float holds":          {"en", "", "€90,071,992,547,409.93", "4" + nb + "March 2027", money.New(9007199254740993, "EUR")},
		"numbers of another language":        {"de", "en-IN", "1.234,56" + nb + "€", "4." + nb + "März 2027", money.New(123456, "EUR")},
		"a locale that is none":              {"de", "x<y>", "1.234,56" + nb + "€", "4." + nb + "März 2027", money.New(123456, "EUR")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := some(t, letter.PaymentRetry, c.language)
			l.Locale, l.Facts.Amount = c.locale, c.of
			m := write(t, l)
			require.Contains(t, m.Text, c.amount)
			require.Contains(t, m.Text, c.day)
		})
	}
	t.Run("a day is that of the subscription's zone", func(t *testing.T) {
		t.Parallel()
		l := some(t, letter.RenewalUpcoming, "en")
		l.Facts.At = time.Date(2026, 12, 31, 23, 30, 0, 0, time.UTC)
		require.Contains(t, write(t, l).Text, "1\u00a0January 2027")
	})
	t.Run("the first of a French month is le premier", func(t *testing.T) {
		t.Parallel()
		l := some(t, letter.RenewalUpcoming, "fr")
		l.Facts.At = time.Date(2027, 5, 1, 12, 0, 0, 0, time.UTC)
		require.Contains(t, write(t, l).Text, "1er\u00a0mai 2027")
	})
}

func TestPick(t *testing.T) {
	t.Parallel()
	b, err := letter.NewBook()
	require.NoError(t, err)
	require.Equal(t, "de", b.Pick("de-AT"))
	require.Equal(t, "zh", b.Pick("zh_Hant-TW"), "underscores are locales too")
	require.Equal(t, "fr", b.Pick("nl-NL", "fr", "de"), "whoever reads none of ours gets the shop's first")
	require.Equal(t, "en", b.Pick("", "tlh"))
	require.Equal(t, "en", b.Pick("<script>"))
}

func TestWhatIsMissingIsNoLetter(t *testing.T) {
	t.Parallel()
	w := writer(t)
	for name, change := range map[string]func(*letter.Letter){
		"an unknown kind":      func(l *letter.Letter) { l.Kind = "thanks" },
		"an unknown language":  func(l *letter.Letter) { l.Language = "nl" },
		"no shop":              func(l *letter.Letter) { l.Facts.Shop = "" },
		"no period":            func(l *letter.Letter) { l.Facts.PeriodEnd = time.Time{} },
		"no day to try again":  func(l *letter.Letter) { l.Facts.At = time.Time{} },
		"no zone":              func(l *letter.Letter) { l.Facts.Zone = nil },
		"no currency":          func(l *letter.Letter) { l.Facts.Amount = money.Amount{} },
		"a negative amount":    func(l *letter.Letter) { l.Facts.Amount = money.New(-1, "EUR") },
		"a link that runs":     func(l *letter.Letter) { l.Facts.Link = "javascript:alert(1)" },
		"a reason of nobody's": func(l *letter.Letter) { l.Kind, l.Facts.Reason = letter.MerchantReview, "weather" },
		"a text of the shop's that does not pass": func(l *letter.Letter) {
			l.Own = &letter.Template{Subject: "{amont}", Button: "b", Body: "b"}
		},
	} {
		l := some(t, letter.PaymentRetry, "en")
		change(&l)
		_, err := w.Write(l)
		require.Error(t, err, name)
	}
}
