package shopify

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// ask starts a move of a payment and returns its gid.
func (b bundle) ask(t *testing.T, kind SessionType, payment, amount string) string {
	t.Helper()
	req := SessionRequest{Shop: acme, Type: kind, PaymentID: payment}
	if kind != VoidSession {
		req.Amount, req.Currency = amount, "EUR"
	}
	answer, err := b.StartSession(context.Background(), req)
	require.NoError(t, err)
	require.True(t, answer.Accepted, answer.Error)
	return answer.GID
}

// resolve tells that a move happened, and answers the code of the refusal.
func (b bundle) resolve(t *testing.T, gid string) string {
	t.Helper()
	kind, _, _ := strings.Cut(strings.TrimPrefix(gid, "gid://shopify/"), "Session/")
	return firstError(b.mutate(t, strings.ToLower(kind)+"SessionResolve", map[string]any{"id": gid}))
}

// paid starts a payment of 49.90 and tells that it succeeded.
func (b bundle) paid(t *testing.T, kind PaymentKind) string {
	t.Helper()
	started := b.payment(t, SessionRequest{Kind: kind})
	require.Empty(t, firstError(b.mutate(t, opPaymentResolve, map[string]any{"id": started.GID})))
	return started.ID
}

const (
	noRefund  = "REFUND_SESSION_INVALID_STATE"
	noCapture = "CAPTURE_SESSION_INVALID_STATE"
	noVoid    = "VOID_SESSION_INVALID_STATE"
)

func TestRefundsNeverExceedWhatWasTaken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	sale := b.paid(t, KindSale)
	first, second, third := b.ask(t, RefundSession, sale, "30.00"), b.ask(t, RefundSession, sale, "19.90"), b.ask(t, RefundSession, sale, "0.01")
	require.Empty(t, b.resolve(t, first))
	require.Empty(t, b.resolve(t, second))
	require.Equal(t, noRefund, b.resolve(t, third))

	refused := b.session(t, third)
	require.Equal(t, StateOpen, refused.State)
	require.Nil(t, refused.Final)
	require.Equal(t, ResultRefused, refused.Mutations[0].Result)
	require.Empty(t, firstError(b.mutate(t, opRefundReject, argsFor(opRefundReject, third, b.clock.now()))), "rejecting stays possible")
	require.Equal(t, "49.90", b.Books(acme, false).Shops[acme].Orders[0].Refunded)

	t.Run("a rejected refund leaves its amount to others", func(t *testing.T) {
		t.Parallel()
		sale := b.paid(t, KindSale)
		no := b.ask(t, RefundSession, sale, "49.90")
		require.Empty(t, firstError(b.mutate(t, opRefundReject, argsFor(opRefundReject, no, b.clock.now()))))
		require.Empty(t, b.resolve(t, b.ask(t, RefundSession, sale, "49.90")))
	})
	t.Run("of an authorization only what was captured goes back", func(t *testing.T) {
		t.Parallel()
		hold := b.paid(t, KindAuthorization)
		early := b.ask(t, RefundSession, hold, "40.00")
		require.Equal(t, noRefund, b.resolve(t, early))
		require.Empty(t, b.resolve(t, b.ask(t, CaptureSession, hold, "40.00")))
		require.Equal(t, noRefund, b.resolve(t, b.ask(t, RefundSession, hold, "40.01")))
		require.Empty(t, b.resolve(t, early))
	})
}

func TestCapturesAndVoidsStayWithinTheHold(t *testing.T) {
	t.Parallel()
	b := setup(t)
	t.Run("captures add up to the authorization at most", func(t *testing.T) {
		t.Parallel()
		hold := b.paid(t, KindAuthorization)
		require.Empty(t, b.resolve(t, b.ask(t, CaptureSession, hold, "20.00")))
		require.Equal(t, noCapture, b.resolve(t, b.ask(t, CaptureSession, hold, "29.91")))
		require.Empty(t, b.resolve(t, b.ask(t, CaptureSession, hold, "29.90")))
		require.Equal(t, noVoid, b.resolve(t, b.ask(t, VoidSession, hold, "")))
	})
	t.Run("a void ends what is left, once", func(t *testing.T) {
		t.Parallel()
		hold := b.paid(t, KindAuthorization)
		require.Empty(t, b.resolve(t, b.ask(t, CaptureSession, hold, "20.00")))
		void, again := b.ask(t, VoidSession, hold, ""), b.ask(t, VoidSession, hold, "")
		before := b.ask(t, CaptureSession, hold, "10.00")
		require.Empty(t, b.resolve(t, void))
		require.Equal(t, noVoid, b.resolve(t, again))
		require.Empty(t, b.resolve(t, before), "asked for before the void, told after it")
		b.clock.add(time.Minute)
		require.Equal(t, noCapture, b.resolve(t, b.ask(t, CaptureSession, hold, "1.00")))
	})
	t.Run("a sale holds nothing", func(t *testing.T) {
		t.Parallel()
		sale := b.paid(t, KindSale)
		require.Equal(t, noCapture, b.resolve(t, b.ask(t, CaptureSession, sale, "1.00")))
		require.Equal(t, noVoid, b.resolve(t, b.ask(t, VoidSession, sale, "")))
	})
}

func TestMovesThatMoveNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	sale := b.paid(t, KindSale)
	for _, amount := range []string{"0.00", "-1.00", "ten"} {
		require.Equal(t, noRefund, b.resolve(t, b.ask(t, RefundSession, sale, amount)), amount)
	}
	foreign, err := b.StartSession(context.Background(), SessionRequest{Shop: acme, Type: RefundSession, PaymentID: sale, Amount: "1.00", Currency: "USD"})
	require.NoError(t, err)
	require.Equal(t, noRefund, b.resolve(t, foreign.GID), "another currency")

	rejected := b.payment(t, SessionRequest{})
	b.mutate(t, opPaymentReject, argsFor(opPaymentReject, rejected.GID, b.clock.now()))
	require.Equal(t, noRefund, b.resolve(t, b.ask(t, RefundSession, rejected.ID, "1.00")), "a payment without money")

	late := b.payment(t, SessionRequest{})
	require.Empty(t, b.resolve(t, b.ask(t, RefundSession, late.ID, "1.00")), "the payment's own answer may come later")
}

// TestPartsOfAnOrderAddUp: the books show the same sums as the rules above.
func TestPartsOfAnOrderAddUp(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *Options) { o.App.MultipleCapture = true })
	hold := b.paid(t, KindAuthorization)
	order := func() Order { return b.Books(acme, false).Shops[acme].Orders[0] }
	require.Empty(t, b.resolve(t, b.ask(t, CaptureSession, hold, "20.00")))
	require.Empty(t, b.resolve(t, b.ask(t, CaptureSession, hold, "9.90")))
	require.Equal(t, "29.90", order().Captured)
	require.Equal(t, StatusPartiallyPaid, order().Status)
	require.Contains(t, b.get(t, "/shops/"+acme+"/admin").body, `value="20.00"`, "the rest can be captured too")
	require.Empty(t, b.resolve(t, b.ask(t, VoidSession, hold, "")))
	require.Equal(t, StatusPartiallyPaid, order().Status, "voiding the rest takes nothing back")
	require.Empty(t, b.resolve(t, b.ask(t, RefundSession, hold, "29.90")))
	require.Equal(t, StatusRefunded, order().Status)
	require.Equal(t, 5, b.counts(t).EffectiveFinals)
}
