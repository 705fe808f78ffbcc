package faults

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/standin/faults"
)

// testAnswers breaks answers and messages one by one. The cases disturb no other
// charge, so they run at the same time.
func testAnswers(t *testing.T, w *world) {
	for _, kind := range []faults.Kind{
		faults.LoseRequest, faults.LoseReply, faults.ErrorAfter, faults.TooManyRequests, faults.DelayReply, faults.Delay,
	} {
		t.Run(string(kind)+" at the creation of the checkout", func(t *testing.T) {
			t.Parallel()
			s := w.sale(t)
			s.at(t, "checkout.sessions.create", s.content(), kind)
			s.finish(t)
			require.Len(t, s.books().Checkouts, 1)
		})
	}
	for _, kind := range []faults.Kind{
		faults.LoseRequest, faults.LoseReply, faults.ErrorBefore, faults.ErrorAfter, faults.TooManyRequests, faults.DelayReply,
	} {
		t.Run(string(kind)+" at the look-up after payment", func(t *testing.T) {
			t.Parallel()
			s := w.sale(t)
			s.choose(t)
			s.at(t, "*", s.content(), faults.WebhookDrop)
			s.at(t, "checkout.sessions.retrieve", s.checkout(t), kind)
			s.finish(t)
			require.Positive(t, s.books().Calls["checkout.sessions.retrieve"])
		})
		t.Run(string(kind)+" at Shopify's resolve", func(t *testing.T) {
			t.Parallel()
			s := w.sale(t)
			s.choose(t)
			s.atShopify(t, kind)
			s.finish(t)
		})
	}
	testMessages(t, w)
}

// testMessages sends the provider's messages twice, late, in another order,
// before the reply, or not at all.
func testMessages(t *testing.T, w *world) {
	for _, kind := range []faults.Kind{faults.WebhookTwice, faults.WebhookDrop, faults.WebhookDelay, faults.WebhookReorder} {
		t.Run(string(kind)+" of a card's success", func(t *testing.T) {
			t.Parallel()
			s := w.sale(t)
			s.choose(t)
			s.message(t, kind)
			s.finish(t)
		})
		t.Run(string(kind)+" of a debit's progress", func(t *testing.T) {
			t.Parallel()
			s := w.sale(t)
			s.choose(t)
			s.message(t, kind)
			s.pay(t, slowDebit)
			soonOr(t, s, s.paid)
			s.finish(t)
		})
	}
	t.Run("the message comes before the buyer's own way back", func(t *testing.T) {
		t.Parallel()
		s := w.sale(t)
		s.choose(t)
		s.at(t, "hosted.pay", s.checkout(t), faults.WebhookBeforeReply)
		s.finish(t)
	})
	t.Run("the message comes before the reply of our own call", func(t *testing.T) {
		t.Parallel()
		s := w.sale(t)
		s.choose(t)
		s.at(t, "checkout.sessions.expire", s.checkout(t), faults.WebhookBeforeReply)
		s.leave(t)
		s.proveNothing(t)
	})
	t.Run("the reply of shutting the checkout is lost", func(t *testing.T) {
		t.Parallel()
		s := w.sale(t)
		s.choose(t)
		s.at(t, "checkout.sessions.expire", s.checkout(t), faults.LoseReply)
		s.leave(t)
		s.proveNothing(t)
	})
	t.Run("a declined card, then a good one, and no message comes", func(t *testing.T) {
		t.Parallel()
		s := w.sale(t)
		s.choose(t)
		s.message(t, faults.WebhookDrop)
		_, err := w.buyer.PayStripe(t.Context(), s.page, refusedCard)
		require.ErrorContains(t, err, "402")
		s.finish(t)
	})
}

// leave turns back on the pay page, and a person ends the session at once.
func (s *sale) leave(t *testing.T) {
	t.Helper()
	_, err := s.w.buyer.Leave(t.Context(), s.session.RedirectURL)
	require.NoError(t, err, s)
	_, err = s.w.stack.Command(t.Context(), "payment", "expire", "-reason", "fault run", "-actor", "tester", s.session.ID)
	require.NoError(t, err, s)
}
