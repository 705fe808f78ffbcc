package letter_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/letter"
	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

var monday = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

func occasion(kind subscription.NewsKind, change ...func(*letter.Occasion)) letter.Occasion {
	plan := subscription.Plan{ID: "club", Version: 1, Price: money.New(1230, "EUR")}
	o := letter.Occasion{
		News: subscription.News{ID: 7, Shop: "a.example", Kind: kind, Amount: money.New(1230, "EUR"), Reason: payment.DeclinedOther, At: monday},
		Now: subscription.Record{Ref: "sub-1", Shop: "a.example", Subscription: subscription.Subscription{
			State: subscription.Active, Terms: subscription.Terms{Plan: plan, Quantity: 2}, Schedule: subscription.Schedule{Zone: "Europe/Berlin"},
			Period: subscription.Period{Start: monday, End: monday.AddDate(0, 1, 0)},
		}},
		Plan: "Club", To: "ada@example.test", Locale: "de", CustomerLink: "https://pay.example.test/m/T", MerchantLink: "https://pay.example.test/console/x",
	}
	for _, c := range change {
		c(&o)
	}
	return o
}

func TestPostings(t *testing.T) {
	t.Parallel()
	step := func(action subscription.Action, ask subscription.Ask, after time.Duration) func(*letter.Occasion) {
		return func(o *letter.Occasion) { o.News.Step, o.News.Ask, o.News.StepAt = action, ask, monday.Add(after) }
	}
	in := func(s subscription.State) func(*letter.Occasion) {
		return func(o *letter.Occasion) { o.Now.State = s }
	}
	const day = 24 * time.Hour
	declined := subscription.NewsDeclined
	w := writer(t)
	for rule, c := range map[string]struct {
		of   letter.Occasion
		want []letter.Kind
	}{
		"it began":                           {occasion(subscription.NewsBegan), []letter.Kind{letter.Started, letter.MerchantStarted}},
		"a renewal comes: the customer":      {occasion(subscription.NewsUpcoming, step("", "", 3*day)), []letter.Kind{letter.RenewalUpcoming}},
		"tried again":                        {occasion(declined, step(subscription.ActRetry, subscription.AskNothing, day)), []letter.Kind{letter.PaymentRetry, letter.MerchantDeclined}},
		"tried again when money has come":    {occasion(declined, step(subscription.ActRetry, subscription.AskFunds, day)), []letter.Kind{letter.InsufficientFunds, letter.MerchantDeclined}},
		"another card":                       {occasion(declined, step(subscription.ActFinal, subscription.AskMethod, day)), []letter.Kind{letter.MethodNeeded, letter.MerchantWaiting}},
		"to be confirmed":                    {occasion(declined, step(subscription.ActFinal, subscription.AskAuthenticate, day)), []letter.Kind{letter.AuthenticationRequired, letter.MerchantWaiting}},
		"over at once: the end tells it":     {occasion(declined, step(subscription.ActFinal, subscription.AskMethod, 0)), nil},
		"a person looks: news of its own":    {occasion(declined, step(subscription.ActReview, subscription.AskNothing, 0)), nil},
		"a declined change needs no letter":  {occasion(declined), nil},
		"a person looks: the merchant alone": {occasion(subscription.NewsReview), []letter.Kind{letter.MerchantReview}},
		"recovered":                          {occasion(subscription.NewsRecovered), []letter.Kind{letter.Recovered, letter.MerchantRecovered}},
		"given up and paused":                {occasion(subscription.NewsGivenUp, in(subscription.Paused)), []letter.Kind{letter.DunningPaused, letter.MerchantEnded}},
		"given up and unpaid":                {occasion(subscription.NewsGivenUp, in(subscription.Unpaid)), []letter.Kind{letter.DunningUnpaid, letter.MerchantEnded}},
		"given up and cancelled":             {occasion(subscription.NewsGivenUp, in(subscription.Cancelled)), []letter.Kind{letter.DunningCancelled, letter.MerchantEnded}},
		"given up, and paid again since":     {occasion(subscription.NewsGivenUp), nil},
		"ended": {
			occasion(subscription.NewsEnded, in(subscription.Cancelled), func(o *letter.Occasion) { o.News.Amount = money.Amount{} }),
			[]letter.Kind{letter.Cancelled, letter.MerchantCancelled},
		},
		"paused by wish":                {occasion(subscription.NewsPaused), nil},
		"resumed by wish":               {occasion(subscription.NewsResumed), nil},
		"a customer without an address": {occasion(subscription.NewsRecovered, func(o *letter.Occasion) { o.To = "" }), []letter.Kind{letter.MerchantRecovered}},
	} {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			list, err := letter.Postings(c.of)
			require.NoError(t, err)
			var got []letter.Kind
			for _, p := range list {
				got = append(got, p.Kind)
				require.Equal(t, "7-"+string(p.Kind), p.ID)
				p.Facts.Shop = "Acme"
				m, err := w.Write(letter.Letter{Kind: p.Kind, Language: "en", Facts: p.Facts})
				require.NoError(t, err, "each posting has all facts of its letter")
				if p.Kind.HasButton() {
					require.Equal(t, p.Kind.ToMerchant(), p.Facts.Link == "https://pay.example.test/console/x")
				}
				if c.of.News.Amount == (money.Amount{}) {
					require.Contains(t, m.Text, "€24.60", "what a period costs")
				}
			}
			require.Equal(t, c.want, got)
		})
	}
	t.Run("a zone that is not known is an error", func(t *testing.T) {
		t.Parallel()
		_, err := letter.Postings(occasion(subscription.NewsBegan, func(o *letter.Occasion) { o.Now.Schedule.Zone = "Mars/Olympus" }))
		require.Error(t, err)
	})
}
