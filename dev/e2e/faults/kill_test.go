package faults

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/dev/proxy"
	"tillflow/standin/faults"
)

// testKills ends a role with SIGKILL at each step of a charge. One at a time:
// each case is sure of the step at which its process died.
func testKills(t *testing.T, w *world) {
	t.Run("the worker dies before the checkout is sent", w.killBeforeSend)
	t.Run("the worker dies after the send, before the provider has worked", w.killBeforeWork)
	t.Run("the worker dies after the send, before the reply", w.killBeforeReply)
	t.Run("the worker dies after the reply, before it is recorded", w.killBeforeRecord)
	t.Run("the worker dies in the look-up after payment", w.killInLookUp)
	t.Run("the worker dies between record and Shopify, on both sides of the call", w.killAroundShopify)
	t.Run("the api dies with a stored webhook that nobody was told of", w.killBeforeDispatch)
}

func (w *world) killBeforeSend(t *testing.T) {
	s := w.sale(t)
	mode(t, w.stripe, proxy.Blackhole)
	chosen := s.choosing(t)
	soon(t, "no send is logged", s.sent)
	lost(t, w.stripe)
	require.Empty(t, s.books().Checkouts, "Stripe has heard of it already")
	w.kill(t, "worker")
	mode(t, w.stripe, proxy.Pass)
	w.start(t, "worker")
	chosen()
	s.finish(t)
	require.Len(t, s.books().Checkouts, 1)
}

// The request is at Stripe and will be worked on whatever becomes of its sender.
func (w *world) killBeforeWork(t *testing.T) {
	s := w.sale(t)
	s.at(t, "checkout.sessions.create", s.content(), faults.Delay)
	chosen := s.choosing(t)
	soon(t, "no send is logged", s.sent)
	soon(t, "Stripe has no request", func() bool { return w.stack.Stripe.Faults().Status().Delayed == 1 })
	require.Empty(t, s.books().Checkouts, "Stripe has worked already")
	w.kill(t, "worker")
	w.start(t, "worker")
	chosen()
	s.finish(t)
	require.Len(t, s.books().Checkouts, 1)
}

func (w *world) killBeforeReply(t *testing.T) {
	s := w.sale(t)
	s.at(t, "checkout.sessions.create", s.content(), faults.HoldReply)
	chosen := s.choosing(t)
	w.heldAtStripe(t)
	require.Len(t, s.books().Checkouts, 1, "Stripe has not worked yet")
	require.True(t, s.sent(), "the reply is recorded already")
	w.kill(t, "worker")
	w.start(t, "worker")
	chosen()
	s.finish(t)
	require.Len(t, s.books().Checkouts, 1)
}

func (w *world) killBeforeRecord(t *testing.T) {
	s := w.sale(t)
	s.at(t, "checkout.sessions.create", s.content(), faults.HoldReply)
	chosen := s.choosing(t)
	w.heldAtStripe(t)
	blocked, release := s.lock(t)
	w.stack.Stripe.Faults().Release()
	blocked()
	w.kill(t, "worker")
	release()
	require.True(t, s.sent(), "the reply is recorded all the same")
	w.start(t, "worker")
	chosen()
	s.finish(t)
	require.Len(t, s.books().Checkouts, 1)
}

func (w *world) killInLookUp(t *testing.T) {
	s := w.sale(t)
	s.choose(t)
	s.at(t, "*", s.content(), faults.WebhookDrop)
	s.at(t, "checkout.sessions.retrieve", s.checkout(t), faults.HoldReply)
	s.pay(t, goodCard)
	w.heldAtStripe(t) // the watch's first look
	require.False(t, s.decided())
	w.kill(t, "worker")
	w.start(t, "worker")
	s.finish(t)
}

// Two charges die with one worker: one whose call to Shopify never arrived, one
// whose call was performed and not recorded. A dead call to Shopify is noticed
// after 20 s, so they share the wait.
func (w *world) killAroundShopify(t *testing.T) {
	before, after := w.sale(t), w.sale(t)
	before.choose(t)
	after.choose(t)
	after.atShopify(t, faults.HoldReply)
	after.pay(t, goodCard)
	soon(t, "Shopify holds no reply", func() bool { return w.stack.Shopify.Faults().Held() == 1 })
	blocked, release := after.lock(t)
	w.stack.Shopify.Faults().Release()
	blocked()
	mode(t, w.shopify, proxy.Blackhole)
	before.pay(t, goodCard)
	lost(t, w.shopify)
	require.True(t, before.decided())
	require.Nil(t, before.told().Final, "Shopify has heard of it already")
	require.NotNil(t, after.told().Final, "Shopify has not performed it yet")
	w.kill(t, "worker")
	release()
	require.True(t, after.one("SELECT told_at IS NULL FROM payments WHERE "+mine, after.shop), "it is recorded all the same")
	mode(t, w.shopify, proxy.Pass)
	w.start(t, "worker")
	before.finish(t)
	after.finish(t)
}

// The message is committed; its run is not told, and no second delivery follows
// as long as the api is away. The worker acts on it by itself.
func (w *world) killBeforeDispatch(t *testing.T) {
	s := w.sale(t)
	s.choose(t)
	mode(t, w.temporal, proxy.Blackhole)
	s.pay(t, goodCard)
	soon(t, "no message is stored", func() bool { return s.stored(false) })
	lost(t, w.temporal)
	w.kill(t, "serve")
	mode(t, w.temporal, proxy.Pass)
	soon(t, "the stored message is not acted on", func() bool { return s.stored(true) })
	w.start(t, "serve")
	s.finish(t)
}

func (w *world) heldAtStripe(t *testing.T) {
	t.Helper()
	soon(t, "Stripe holds no reply", func() bool { return w.stack.Stripe.Faults().Held() == 1 })
}
