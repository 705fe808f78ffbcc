package console

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/payment"
)

func TestWords(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		0: "now", 59 * time.Second: "now", -time.Minute: "1 min ago", 90 * time.Minute: "in 1 h 30 min", 47*time.Hour + 59*time.Minute: "in 47 h 59 min",
		49 * time.Hour: "in 2 days", -30 * 24 * time.Hour: "30 days ago",
	} {
		require.Equal(t, want, away(now.Add(d), now), d)
	}
	for minor, want := range map[int64]string{0: "0.00 EUR", -5: "−0.05 EUR", 999999: "9999.99 EUR", 1234567: "12\u202f345.67 EUR", -123456789: "−1\u202f234\u202f567.89 EUR"} {
		require.Equal(t, want, readable(money.New(minor, "EUR")))
	}
	require.Equal(t, "Élan.", sentence("élan"))
	require.Empty(t, sentence(""))
}

// TestTold: the record may be newer than the page, and nothing in it is hidden.
func TestTold(t *testing.T) {
	t.Parallel()
	for _, line := range []payment.TimelineLine{
		{What: "new_thing", Before: "a", After: "b", Detail: "c"},
		{What: "attempt", Before: "a", After: "b", Detail: "c"},
		{What: "reversal", Before: "a", After: "b", Detail: "c"},
		{What: "refund", Before: "a", After: "b", Detail: "c"},
		{What: "final", Before: "a", After: "b", Detail: "c"},
	} {
		require.Equal(t, line.What+" a → b c", told(line, payment.AttemptDetails{}))
	}
	for what, line := range map[string]payment.TimelineLine{
		"the buyer's way to pay is stripe":                           {What: "chosen", After: "stripe"},
		"the buyer asked to go back to the shop":                     {What: "left"},
		"no further try to pay is possible: too many attempts":       {What: "shut", After: "too_many_attempts"},
		"nobody is needed any more for: in doubt":                    {What: "operator", Before: "in_doubt"},
		"nothing is held at the provider any more":                   {What: "hold", Before: "authorized", After: "ended"},
		"the money goes back, because nobody wants it: second":       {What: "reversal", After: "open", Detail: "second"},
		"the money is back with the buyer":                           {What: "reversal", Before: "open", After: "done"},
		"the money did not go back: charge disputed":                 {What: "reversal", After: "refused", Detail: "charge_disputed"},
		"the capture is not possible: c1 too large":                  {What: "capture", Before: "asked", After: "refused", Detail: "c1 too_large"},
		"decided: the payment is rejected, insufficient funds":       {What: "final", After: "reject", Detail: "insufficient_funds"},
		"a person has told the shop":                                 {What: "told", After: "resolve", Detail: "by hand"},
		"the shop knows that the payment is pending":                 {What: "told", After: "pending"},
		"the shop refused to hear our answer, resolve: INVALID":      {What: "told_refused", After: "resolve", Detail: "INVALID"},
		"a try to pay was refused: insufficient funds":               {What: "refused", Detail: "insufficient_funds"},
		"the provider moved money without us: refund re_1 1.00 EUR":  {What: "elsewhere", After: "refund", Detail: "re_1 1.00 EUR"},
		"the request was certainly not sent (connection refused)":    {What: "attempt", After: "allocated", Detail: "connection_refused"},
		"decided for the refund r1: reject":                          {What: "answer", After: "reject", Detail: "refund r1 "},
		"a refund was asked for: r1 2.30 EUR":                        {What: "refund", After: "asked", Detail: "r1 2.30 EUR"},
		"the refund is possible, its amount is claimed: r1 2.30 EUR": {What: "refund", Before: "asked", After: "open", Detail: "r1 2.30 EUR"},
	} {
		require.Equal(t, what, told(line, payment.AttemptDetails{}))
	}
}

func FuzzReadFilter(f *testing.F) {
	for _, seed := range []string{"q=12.30&needs=1", "q=gid://shopify/Refund/1", "from=2026-11-20&to=2026-13-40", "state=captured&before=MTIz", "q=ada@example.com", "q=%00&shop=%27"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		v, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		read, _ := readFilter(v)
		again, problem := readFilter(read.values())
		read.Before = ""
		require.Empty(t, problem, "what was accepted is accepted again")
		require.Equal(t, read, again)
	})
}

func TestMark(t *testing.T) {
	t.Parallel()
	mark := payment.Mark{At: time.Date(2026, 11, 20, 12, 0, 0, 123456000, time.UTC), ID: "0190a0c4-0000-7000-8000-000000000001"}
	read, ok := readMark(writeMark(mark))
	require.True(t, ok)
	require.Equal(t, mark, read)
	for _, text := range []string{"", "x", writeMark(payment.Mark{ID: "x' OR true"}), writeMark(payment.Mark{})} {
		_, ok := readMark(text)
		require.False(t, ok, text)
	}
}
