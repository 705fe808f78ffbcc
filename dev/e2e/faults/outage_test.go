package faults

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/dev/proxy"
	"tillflow/standin/faults"
)

// testOutages takes a whole neighbour away while charges stand at every step.
// One at a time: each of them stops everything.
func testOutages(t *testing.T, w *world) {
	t.Run("Stripe refuses connections", func(t *testing.T) {
		opening, paid := w.sale(t), w.sale(t)
		paid.choose(t)
		paid.message(t, faults.WebhookDrop)
		mode(t, w.stripe, proxy.Refuse)
		chosen := opening.choosing(t)
		paid.pay(t, goodCard)
		away(t, 5*time.Second) // the opening and the first look fall into it
		mode(t, w.stripe, proxy.Pass)
		chosen()
		opening.finish(t)
		paid.finish(t)
	})
	t.Run("PostgreSQL dies and is away for 10 s", func(t *testing.T) {
		w.outage(t, func(_, during func()) {
			require.NoError(t, w.stack.Postgres.Kill(t.Context()))
			during()
			away(t, 10*time.Second)
			require.NoError(t, w.stack.Postgres.Restart(t.Context()))
		})
	})
	t.Run("Temporal stops and is away for 10 s", func(t *testing.T) {
		w.outage(t, func(accept, during func()) {
			require.NoError(t, w.stack.Temporal.Stop())
			accept()
			during()
			away(t, 10*time.Second)
			w.runTemporal(t, w.stack.TemporalFile())
		})
	})
	t.Run("the whole Temporal database is thrown away", func(t *testing.T) {
		w.outage(t, func(accept, during func()) {
			require.NoError(t, w.stack.Temporal.Stop())
			accept()
			during()
			w.runTemporal(t, filepath.Join(t.TempDir(), "another.db"))
		})
	})
}

// outage brings charges to every step, takes a neighbour away and expects them
// all to end well. In between accept has one more session accepted, and during
// lets happen what cannot wait: replies arrive, a buyer pays.
func (w *world) outage(t *testing.T, down func(accept, during func())) {
	t.Helper()
	opening, open, paying, telling, fresh := w.sale(t), w.sale(t), w.sale(t), w.sale(t), w.vacant(t)
	accepted := w.sale(t)
	for _, s := range []*sale{open, paying, telling} {
		s.choose(t)
	}
	telling.atShopify(t, faults.HoldReply)
	telling.pay(t, goodCard)
	soon(t, "Shopify holds no reply", func() bool { return w.stack.Shopify.Faults().Held() == 1 })
	opening.at(t, "checkout.sessions.create", opening.content(), faults.HoldReply)
	chosen := opening.choosing(t)
	w.heldAtStripe(t)
	down(func() { fresh.accept(t) }, func() {
		w.stack.Stripe.Faults().Release()
		w.stack.Shopify.Faults().Release()
		paying.pay(t, goodCard)
	})
	if fresh.session.ID == "" {
		fresh.accept(t)
	}
	chosen()
	for _, s := range []*sale{telling, opening, paying, open, accepted, fresh} {
		s.finish(t)
	}
}

func (w *world) runTemporal(t *testing.T, file string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, w.stack.RunTemporal(ctx, file))
}

// testTerminate presses Terminate at every step. The run dies without a last
// word; the sweep starts another one from the rows.
func testTerminate(t *testing.T, w *world) {
	t.Run("terminated while the buyer chooses", func(t *testing.T) {
		t.Parallel()
		s := w.sale(t)
		s.terminate(t)
		s.finish(t)
	})
	t.Run("terminated while the checkout is being opened", func(t *testing.T) {
		t.Parallel()
		s := w.sale(t)
		s.at(t, "checkout.sessions.create", s.content(), faults.DelayReply)
		chosen := s.choosing(t)
		soon(t, "no checkout at Stripe", func() bool { return len(s.books().Checkouts) == 1 })
		s.terminate(t)
		chosen()
		s.finish(t)
		require.Len(t, s.books().Checkouts, 1)
	})
	t.Run("terminated while the buyer pays", func(t *testing.T) {
		t.Parallel()
		s := w.sale(t)
		s.choose(t)
		s.terminate(t)
		s.pay(t, goodCard)
		s.finish(t)
	})
	t.Run("terminated in the look-up after payment, and no message comes", func(t *testing.T) {
		t.Parallel()
		s := w.sale(t)
		s.choose(t)
		s.message(t, faults.WebhookDrop)
		s.at(t, "checkout.sessions.retrieve", s.checkout(t), faults.DelayReply)
		s.pay(t, goodCard)
		soon(t, "no look-up at Stripe", func() bool { return s.books().Calls["checkout.sessions.retrieve"] > 0 })
		s.terminate(t)
		s.finish(t)
	})
	t.Run("terminated while Shopify is told", func(t *testing.T) {
		t.Parallel()
		s := w.sale(t)
		s.choose(t)
		s.atShopify(t, faults.DelayReply)
		s.pay(t, goodCard)
		soon(t, "Shopify has not performed it", func() bool { return s.told().Final != nil })
		s.terminate(t)
		s.finish(t)
	})
	t.Run("terminated again and again", func(t *testing.T) {
		t.Parallel()
		s := w.sale(t)
		s.terminate(t)
		s.choose(t)
		s.terminate(t)
		s.pay(t, goodCard)
		s.finish(t)
	})
}
