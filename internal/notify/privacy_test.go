package notify_test

import (
	"bytes"
	"context"
	"io"
	"mime/quotedprintable"
	"net/mail"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/activities"
	"tillflow/internal/notify"
	"tillflow/internal/payment"
	"tillflow/internal/privacy"
)

var _ activities.PrivacyMailer = (*notify.PrivacyMails)(nil)

// plainMail reads a mail of one part.
func plainMail(t *testing.T, raw []byte) (header mail.Header, text string) {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	require.NoError(t, err)
	require.Equal(t, "quoted-printable", m.Header.Get("Content-Transfer-Encoding"))
	body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	require.NoError(t, err)
	return m.Header, string(body)
}

func privacyMails(t *testing.T, b *box) *notify.PrivacyMails {
	t.Helper()
	m, err := notify.New(options(b))
	require.NoError(t, err)
	return &notify.PrivacyMails{Mailer: m, Operator: "privacy@operator.example", PublicURL: "https://pay.example.test/"}
}

func TestPrivacyMails(t *testing.T) {
	t.Parallel()
	warning := privacy.Warning{RequestID: paymentID, Shop: "a.myshopify.com", Kind: privacy.Customer, State: privacy.Waiting, DueAt: noon.Add(72 * time.Hour), Ahead: 72 * time.Hour}
	letter := privacy.Letter{RequestID: paymentID, Shop: "a.myshopify.com", To: "owner@example.test", Link: "SECRETLINKSECRETLINK", ExpiresAt: noon.Add(168 * time.Hour), DueAt: noon.Add(720 * time.Hour)}

	t.Run("the operator reads what is due when and what to type", func(t *testing.T) {
		t.Parallel()
		b := serve(t, false)
		m := privacyMails(t, b)
		require.NoError(t, m.SendWarning(t.Context(), warning))
		got := b.received()[0]
		header, text := plainMail(t, got.data)
		require.Equal(t, "A privacy request is due soon: a.myshopify.com", header.Get("Subject"))
		for _, words := range []string{"72 hours are left", "23 November 2026, 12:00 UTC", "tillflow privacy show " + paymentID, "a person to be forgotten"} {
			require.Contains(t, text, words)
		}
		for why, words := range map[privacy.Trouble]string{
			privacy.OpenPayments: "tillflow payment list -operator", privacy.Residue: "still found outside the vault", privacy.NoAddress: "no usable address",
			privacy.Overdue: "fails again and again", privacy.NoTrouble: "time is over",
		} {
			w := warning
			w.Trouble, w.Ahead = why, 0
			require.NoError(t, m.SendWarning(t.Context(), w))
			all := b.received()
			header, text := plainMail(t, all[len(all)-1].data)
			require.Contains(t, text, words)
			require.NotEqual(t, "A privacy request is due soon: a.myshopify.com", header.Get("Subject"))
		}
	})
	t.Run("the same warning has the same name, another one another", func(t *testing.T) {
		t.Parallel()
		b := serve(t, false)
		m := privacyMails(t, b)
		other := warning
		other.Ahead = 24 * time.Hour
		for _, w := range []privacy.Warning{warning, warning, other} {
			require.NoError(t, m.SendWarning(t.Context(), w))
		}
		var names []string
		for _, r := range b.received() {
			header, _ := plainMail(t, r.data)
			names = append(names, header.Get("Message-Id"))
		}
		require.Equal(t, names[0], names[1])
		require.NotEqual(t, names[0], names[2])
	})
	t.Run("the merchant gets the link, its end, and no passphrase", func(t *testing.T) {
		t.Parallel()
		b := serve(t, false)
		require.NoError(t, privacyMails(t, b).SendExport(t.Context(), letter))
		header, text := plainMail(t, b.received()[0].data)
		require.Contains(t, text, "https://pay.example.test/privacy/SECRETLINKSECRETLINK")
		require.Contains(t, text, "It is not in this mail")
		require.Contains(t, text, "27 November 2026")
		require.NotContains(t, header.Get("Message-Id"), "SECRETLINK", "the link is in no header")
	})
	t.Run("nobody to tell, and no server, are errors that name nobody", func(t *testing.T) {
		t.Parallel()
		b := serve(t, false)
		m := privacyMails(t, b)
		m.Operator = ""
		err := m.SendWarning(t.Context(), warning)
		require.Equal(t, payment.Invalid, payment.ClassOf(err, payment.Bug))
		none, err := notify.New(notify.Options{})
		require.NoError(t, err)
		m = &notify.PrivacyMails{Mailer: none, Operator: "x@example.test"}
		for _, send := range []func(context.Context) error{
			func(ctx context.Context) error { return m.SendWarning(ctx, warning) }, func(ctx context.Context) error { return m.SendExport(ctx, letter) },
		} {
			err := send(t.Context())
			require.Equal(t, payment.Unavailable, payment.ClassOf(err, payment.Bug))
			require.NotContains(t, err.Error(), "example.test")
		}
	})
}
