package notify_test

import (
	"context"
	"mime"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"tillflow/internal/letter"
	"tillflow/internal/money"
	"tillflow/internal/notify"
	"tillflow/internal/payment"
)

// shelf is a shop with its own texts.
type shelf struct {
	settings payment.ShopSettings
	own      map[string]letter.Template // by kind and language
	err      error
}

func (s *shelf) ShopSettings(context.Context, string) (payment.ShopSettings, error) {
	return s.settings, nil
}

func (s *shelf) OwnLetter(_ context.Context, _ string, kind letter.Kind, language string) (letter.Template, error) {
	if s.err != nil {
		return letter.Template{}, s.err
	}
	if t, has := s.own[string(kind)+" "+language]; has {
		return t, nil
	}
	return letter.Template{}, payment.Errorf(payment.NotFound, "none")
}

func acme() *shelf {
	return &shelf{settings: payment.ShopSettings{
		Shop: "a.myshopify.com", Label: "Café Acme", Mail: "owner@example.test", Logo: "ab12", Languages: []string{"fr", "en"},
	}}
}

func posting(kind letter.Kind) letter.Posting {
	return letter.Posting{
		ID: "sub 1/000012/1", Shop: "a.myshopify.com", Kind: kind, To: "ada@example.test", Locale: "de-CH",
		Facts: letter.Facts{
			Plan: "Club", Reference: "sub-1", Amount: money.New(1230, "CHF"), PeriodStart: noon, PeriodEnd: noon.AddDate(0, 1, 0),
			At: noon.AddDate(0, 0, 3), Zone: time.UTC, Reason: payment.ExpiredCard, Link: "https://pay.example.test/m/T",
		},
	}
}

// post sends to a server of its own.
func post(t *testing.T, s *shelf, p letter.Posting, change ...func(*box)) (*box, error) {
	t.Helper()
	b := serve(t, false, change...)
	m, err := notify.New(options(b))
	require.NoError(t, err)
	w, err := letter.NewWriter()
	require.NoError(t, err)
	l := &notify.Letters{Mailer: m, Writer: w, Records: s, PublicURL: "https://pay.example.test/"}
	return b, l.SendLetter(t.Context(), p)
}

func TestSendLetter(t *testing.T) {
	t.Parallel()
	t.Run("the customer is written to in their language, by the shop", func(t *testing.T) {
		t.Parallel()
		b, err := post(t, acme(), posting(letter.PaymentRetry))
		require.NoError(t, err)
		require.Len(t, b.received(), 1)
		require.Equal(t, "ada@example.test", b.received()[0].to)
		header, text, html := read(t, b.received()[0].data)
		subject, err := new(mime.WordDecoder).DecodeHeader(header.Get("Subject"))
		require.NoError(t, err)
		require.Equal(t, "Ihre Zahlung für Club wurde abgelehnt", subject)
		from, err := header.AddressList("From")
		require.NoError(t, err)
		require.Equal(t, "Café Acme", from[0].Name)
		require.Equal(t, "pay@example.test", from[0].Address)
		require.Equal(t, "<letter-sub%201%2F000012%2F1@example.test>", header.Get("Message-Id"))
		require.Equal(t, "de", header.Get("Content-Language"))
		require.Contains(t, text, "12.30\u00a0CHF", "Swiss numbers")
		require.Contains(t, html, "https://pay.example.test/brand/ab12.png")
		require.NotContains(t, text+html, "ada@example.test")
	})
	t.Run("the merchant is written to in the shop's first language, at the shop's address", func(t *testing.T) {
		t.Parallel()
		b, err := post(t, acme(), posting(letter.MerchantWaiting))
		require.NoError(t, err)
		require.Equal(t, "owner@example.test", b.received()[0].to)
		_, text, html := read(t, b.received()[0].data)
		require.Contains(t, text, "la carte a expiré")
		require.NotContains(t, text+html, "ada@example.test")
	})
	t.Run("the shop's own text goes before ours, in its language alone", func(t *testing.T) {
		t.Parallel()
		s := acme()
		s.own = map[string]letter.Template{"payment_retry de": {Subject: "Hoppla", Button: "Los", Body: "Am {retry_date}."}}
		b, err := post(t, s, posting(letter.PaymentRetry))
		require.NoError(t, err)
		header, text, _ := read(t, b.received()[0].data)
		require.Equal(t, "Hoppla", header.Get("Subject"))
		require.Contains(t, text, "Am 23.\u00a0November 2026.")
		p := posting(letter.PaymentRetry)
		p.Locale = "en"
		b, err = post(t, s, p)
		require.NoError(t, err)
		header, _, _ = read(t, b.received()[0].data)
		require.Equal(t, "Your payment for Club was declined", header.Get("Subject"))
	})
	t.Run("nothing is sent while it is not known whether the shop has its own text", func(t *testing.T) {
		t.Parallel()
		s := acme()
		s.err = payment.Errorf(payment.Unavailable, "the database is away")
		b, err := post(t, s, posting(letter.PaymentRetry))
		require.Equal(t, payment.Unavailable, payment.ClassOf(err, ""))
		require.Empty(t, b.received())
	})
	t.Run("errors name nobody", func(t *testing.T) {
		t.Parallel()
		p := posting(letter.PaymentRetry)
		p.To = "ada at example.test"
		_, err := post(t, acme(), p)
		require.Equal(t, payment.Invalid, payment.ClassOf(err, ""))
		require.NotContains(t, err.Error(), "ada")
		_, err = post(t, acme(), posting(letter.PaymentRetry), func(b *box) {
			b.refuseTo = &smtp.SMTPError{Code: 550, Message: "no mailbox ada@example.test"}
		})
		require.Equal(t, payment.Invalid, payment.ClassOf(err, ""))
		require.NotContains(t, err.Error(), "ada")
	})
	t.Run("facts that are missing are a fault of ours", func(t *testing.T) {
		t.Parallel()
		p := posting(letter.PaymentRetry)
		p.Facts.At = time.Time{}
		_, err := post(t, acme(), p)
		require.Equal(t, payment.Bug, payment.ClassOf(err, ""))
	})
}
