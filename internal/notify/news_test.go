package notify_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/activities"
	"tillflow/internal/letter"
	"tillflow/internal/money"
	"tillflow/internal/notify"
	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

var _ activities.NewsMailer = (*notify.News)(nil)

// member is one subscription.
type member struct{ buyer string }

func (m member) Subscription(context.Context, string, string) (subscription.Record, error) {
	return subscription.Record{Ref: "sub-1", Shop: "a.myshopify.com", Locale: "de", Method: "m1", Subscription: subscription.Subscription{
		State: subscription.PastDue, Schedule: subscription.Schedule{Zone: "Europe/Berlin"},
		Terms:  subscription.Terms{Plan: subscription.Plan{ID: "club", Version: 2, Price: money.New(1230, "EUR")}, Quantity: 1},
		Period: subscription.Period{Start: noon, End: noon.AddDate(0, 1, 0)},
	}}, nil
}

func (m member) PlanVersions(context.Context, string, string) ([]subscription.Offer, error) {
	return []subscription.Offer{{Name: "Old club", Plan: subscription.Plan{Version: 1}}, {Name: "Club", Plan: subscription.Plan{Version: 2}}}, nil
}

func (m member) SubscriptionBuyer(context.Context, string) (string, error) { return m.buyer, nil }

func TestSendNews(t *testing.T) {
	t.Parallel()
	declined := subscription.News{
		ID: 7, SubscriptionID: paymentID, Shop: "a.myshopify.com", Kind: subscription.NewsDeclined, Amount: money.New(1230, "EUR"),
		Reason: payment.InsufficientFunds, Ask: subscription.AskFunds, Step: subscription.ActRetry, StepAt: noon.AddDate(0, 0, 3), At: noon,
	}
	tell := func(t *testing.T, buyer string) (*box, *bytes.Buffer) {
		t.Helper()
		b := serve(t, false)
		m, err := notify.New(options(b))
		require.NoError(t, err)
		w, err := letter.NewWriter()
		require.NoError(t, err)
		log := &bytes.Buffer{}
		n := &notify.News{
			Letters: &notify.Letters{Mailer: m, Writer: w, Records: acme(), PublicURL: "https://pay.example.test"}, Records: member{buyer},
			Method:  func(context.Context, string) (string, error) { return "visa 4242", nil },
			Page:    func(id string) (string, error) { return "https://pay.example.test/mine/SECRET", nil },
			Console: "https://pay.example.test/console/subscriptions/", Log: zerolog.New(log),
		}
		require.NoError(t, n.SendNews(t.Context(), declined))
		return b, log
	}
	t.Run("customer and merchant are told, each with the link that is theirs", func(t *testing.T) {
		t.Parallel()
		b, _ := tell(t, `{"email": "ada@example.test"}`)
		require.Len(t, b.received(), 2)
		require.Equal(t, "ada@example.test", b.received()[0].to)
		_, text, _ := read(t, b.received()[0].data)
		require.Contains(t, text, "Wir konnten 12,30\u00a0€ für Club nicht mit visa 4242 abbuchen")
		require.Contains(t, text, "https://pay.example.test/mine/SECRET")
		require.Equal(t, "owner@example.test", b.received()[1].to)
		_, text, html := read(t, b.received()[1].data)
		require.Contains(t, text, "https://pay.example.test/console/subscriptions/"+paymentID)
		require.NotContains(t, text+html, "ada@example.test")
		require.NotContains(t, text+html, "SECRET", "the customer's page is the customer's alone")
	})
	t.Run("who cannot be reached by mail is not, and the merchant is", func(t *testing.T) {
		t.Parallel()
		for _, buyer := range []string{"", `{"phone_number": "+4912345"}`, `{"email": "ada@@example.test"}`} {
			b, log := tell(t, buyer)
			require.Len(t, b.received(), 1, buyer)
			require.Equal(t, "owner@example.test", b.received()[0].to)
			require.NotContains(t, log.String(), "ada")
			require.NotContains(t, log.String(), "12345")
		}
	})
}
