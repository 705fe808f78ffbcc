package notify_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/activities"
	"tillflow/internal/notify"
	"tillflow/internal/payment"
	"tillflow/internal/shopify/app"
)

var _ activities.WarningMailer = (*notify.Mailer)(nil)

func warnings(n int) []app.Warning {
	var all []app.Warning
	for i := range n {
		all = append(all, app.Warning{
			Key: fmt.Sprint("key-", i), Kind: app.WarnLost, Shop: fmt.Sprintf("s%d.myshopify.com", i), Detail: "It was lost.\r\nBcc: x@example.test", At: noon,
		})
	}
	return all
}

func TestSendWarnings(t *testing.T) {
	t.Parallel()
	operator := func(o *notify.Options) { o.Operator = "operator@example.test" }
	post := func(t *testing.T, o notify.Options, all []app.Warning) error {
		t.Helper()
		m, err := notify.New(o)
		require.NoError(t, err)
		return m.SendWarnings(t.Context(), app.WarnLost, all)
	}
	t.Run("all of one kind come in one mail to those who run the service", func(t *testing.T) {
		t.Parallel()
		b := serve(t, false)
		require.NoError(t, post(t, options(b, operator), warnings(40)))
		require.NoError(t, post(t, options(b, operator), warnings(1)))
		mails := b.received()
		require.Len(t, mails, 2)
		require.Equal(t, "operator@example.test", mails[0].to)
		text := string(mails[0].data)
		require.Contains(t, text, "40 warnings")
		require.Contains(t, text, "s29.myshopify.com, 20 November 2026, 12:00 UTC")
		require.NotContains(t, text, "s30.myshopify.com")
		require.Contains(t, text, "And 10 more.")
		require.NotContains(t, strings.ReplaceAll(text, "\r\n", "\n"), "\nBcc", "a text cannot begin a line of the mail")
		require.Contains(t, string(mails[1].data), "s0.myshopify.com")
	})
	t.Run("without their address nothing is sent, and that is no error", func(t *testing.T) {
		t.Parallel()
		b := serve(t, false)
		require.NoError(t, post(t, options(b), warnings(1)))
		require.Empty(t, b.received())
	})
	t.Run("without a mail server it stays due", func(t *testing.T) {
		t.Parallel()
		o := notify.Options{Operator: "operator@example.test", Now: func() time.Time { return noon }}
		require.Equal(t, payment.Unavailable, payment.ClassOf(post(t, o, warnings(1)), ""))
	})
	t.Run("every kind has a mail, and one that is new here is a bug", func(t *testing.T) {
		t.Parallel()
		b := serve(t, false)
		m, err := notify.New(options(b, operator))
		require.NoError(t, err)
		for _, kind := range []app.WarningKind{app.WarnVersion, app.WarnDeprecated, app.WarnLost, app.WarnUnguarded} {
			require.NoError(t, m.SendWarnings(t.Context(), kind, warnings(1)))
		}
		require.Equal(t, payment.Bug, payment.ClassOf(m.SendWarnings(t.Context(), "new", warnings(1)), ""))
	})
}
