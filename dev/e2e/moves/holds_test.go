package moves

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/standin/shopify"
	"tillflow/standin/stripe"
)

// TestHolds tells what may become of money that is held.
func TestHolds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hurried)
	t.Run("stories", func(t *testing.T) {
		holdsAtStripe(t, w)
		holdsAtSandbox(t, w)
	})
	// Last, because it moves everybody's clock.
	t.Run("a capture after the hold has lapsed is rejected as expired", func(t *testing.T) {
		s := w.story(t)
		x := s.bought(shopify.KindAuthorization, goodCard)
		w.Clock.Skip(8 * 24 * time.Hour)
		x.capture(100_00).rejected(holdExpired)
		x.becomes(payment.Expired)
		x.void().rejected(processingError)
		x.refund(1_00).rejected(processingError)
		s.soon("Stripe lets the money go", func() bool { return s.total().Held == 0 })
		s.agree(stripe.Totals{})
	})
}

func holdsAtStripe(t *testing.T, w *world) {
	t.Helper()
	w.tell(t, "the shop is told until when the money is held", func(s *story) {
		x := s.bought(shopify.KindAuthorization, goodCard)
		require.NotNil(s, x.booked().AuthorizationExpiresAt)
		require.WithinDuration(s, w.Clock.Now().Add(7*24*time.Hour), *x.booked().AuthorizationExpiresAt, 12*time.Hour)
	})
	w.tell(t, "a hold is captured in whole, and refunded in two parts", func(s *story) {
		x := s.bought(shopify.KindAuthorization, goodCard)
		require.Equal(s, int64(100_00), s.total().Held)
		x.capture(100_00).resolved()
		x.becomes(payment.Captured)
		x.refund(60_00).resolved()
		x.becomes(payment.PartiallyRefunded)
		x.refund(40_00).resolved()
		x.becomes(payment.Refunded)
		x.refund(1).rejected(processingError)
		s.agree(stripe.Totals{Captured: 100_00, Refunded: 100_00})
	})
	w.tell(t, "a capture of a part lets the rest go where the provider captures once", func(s *story) {
		x := s.bought(shopify.KindAuthorization, goodCard)
		x.capture(60_00).resolved()
		x.capture(40_00).rejected(processingError)
		x.void().rejected(processingError) // nothing is held any more
		x.refund(60_01).rejected(processingError)
		x.refund(60_00).resolved()
		s.agree(stripe.Totals{Captured: 60_00, Refunded: 60_00})
	})
	w.tell(t, "a void lets the whole hold go, once", func(s *story) {
		x := s.bought(shopify.KindAuthorization, goodCard)
		x.void().resolved()
		x.becomes(payment.Voided)
		x.void().rejected(processingError)
		x.capture(100_00).rejected(processingError)
		x.refund(100_00).rejected(processingError)
		s.agree(stripe.Totals{})
	})
	w.tell(t, "a void and a capture at once: one of them happens", func(s *story) {
		x := s.bought(shopify.KindAuthorization, goodCard)
		capture, void := x.capture(100_00), x.void()
		s.soon("both are answered", func() bool { return capture.answered() && void.answered() })
		if capture.booked().State == shopify.StateResolved {
			capture.resolved()
			void.rejected(processingError)
			s.agree(stripe.Totals{Captured: 100_00})
			return
		}
		capture.rejected(processingError)
		void.resolved()
		s.agree(stripe.Totals{})
	})
	w.tell(t, "a capture of more than is held is rejected, and the hold stays", func(s *story) {
		x := s.bought(shopify.KindAuthorization, goodCard)
		x.capture(100_01).rejected(processingError)
		s.agree(stripe.Totals{Held: 100_00})
		x.capture(99_99).resolved()
		s.agree(stripe.Totals{Captured: 99_99})
	})
}

// holdsAtSandbox: the built-in provider captures one hold in several parts.
func holdsAtSandbox(t *testing.T, w *world) {
	t.Helper()
	w.tell(t, "a hold is captured in parts, and a void lets the rest go", func(s *story) {
		x := s.begin(shopify.KindAuthorization)
		x.paySandbox()
		x.capture(30_00).resolved()
		x.capture(20_00).resolved()
		x.capture(50_01).rejected(processingError)
		x.void().resolved()
		x.capture(50_00).rejected(processingError)
		x.refund(50_01).rejected(processingError)
		x.refund(40_00).resolved()
		x.refund(10_00).resolved()
		x.becomes(payment.Refunded)
		type book struct {
			Captured, Refunded int64
			Voided             bool
		}
		got := one[book](s, `
			SELECT captured_minor, refunded_minor, voided_at IS NOT NULL
			FROM sandbox_checkouts c JOIN accounts a ON a.id::text = c.account WHERE a.shop = $1`)
		require.Equal(s, book{50_00, 50_00, true}, got)
		s.soon("the shop is at rest", func() bool { return one[rest](s, selectRest) == rest{} })
		require.Equal(s, ledger{}, one[ledger](s, selectLedger), s)
	})
}

// paySandbox pays by the built-in provider and waits for the answer.
func (x *sale) paySandbox() {
	x.Helper()
	page, err := x.buyer.Choose(x.Context(), x.RedirectURL, "Sandbox")
	require.NoError(x, err)
	client := *noRedirects()
	resp, err := client.PostForm(page, url.Values{"choice": {"success"}})
	require.NoError(x, err)
	require.NoError(x, resp.Body.Close())
	back := resp.Header.Get("Location")
	require.True(x, strings.HasPrefix(back, x.PayURL), "%d %s", resp.StatusCode, back)
	_, err = x.buyer.Return(x.Context(), back)
	require.NoError(x, err)
	x.resolved()
}
