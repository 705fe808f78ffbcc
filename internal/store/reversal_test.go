package store_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
)

func TestReversalOfWhatIsLeft(t *testing.T) {
	t.Parallel()
	// late is a session that was rejected, and money of 100.00 that came after.
	late := func(b *bundle) (payment.Session, payment.Send) {
		s := b.accept(hundred)
		send := b.opened(s)
		b.find(send, payment.Closed)
		b.reject(s)
		return s, send
	}
	t.Run("what a dashboard gave back before is not given back again", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, charge := late(b)
		v, err := b.RecordElsewhere(t.Context(), charge.Attempt.ID, []payment.Elsewhere{awayRefund("re_1", payment.Done, 4000)})
		require.NoError(t, err)
		require.Equal(t, payment.Overdrawn, v.Operator)
		v = b.find(charge, payment.Done)
		require.Len(t, v.Reversals, 1)
		move, err := b.LoadMove(t.Context(), v.Reversals[0].OperationID)
		require.NoError(t, err)
		require.Equal(t, eur(6000), move.Amount)
		b.giveBack(move.OperationID)
		require.Empty(t, b.books())
		require.Equal(t, payment.Reversed, b.view(s).State)
		requireSums(t, t.Context(), b.pool)
	})
	t.Run("what a dashboard gives back meanwhile is left out when it is sent", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, charge := late(b)
		id := b.find(charge, payment.Done).Reversals[0].OperationID
		b.elsewhere("evt_1", charge, awayRefund("re_1", payment.Done, 4000))
		send, err := b.BeginMove(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, eur(6000), send.Amount)
		b.find(send, payment.Done)
		require.Empty(t, b.books())
		requireSums(t, t.Context(), b.pool)
	})
	t.Run("with nothing left it is over without a send", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, charge := late(b)
		id := b.find(charge, payment.Done).Reversals[0].OperationID
		b.elsewhere("evt_1", charge, awayRefund("re_1", payment.Done, 10000))
		send, err := b.BeginMove(t.Context(), id)
		require.NoError(t, err)
		require.True(t, send.Nothing)
		move, err := b.LoadMove(t.Context(), id)
		require.NoError(t, err)
		require.True(t, move.Done)
		require.True(t, move.Closed)
		require.Equal(t, payment.Reversed, b.view(s).State)
		require.Empty(t, b.books())
	})
	t.Run("a refused yes whose money is gone already ends the charge", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept(hundred)
		charge, _ := b.paid(s)
		b.told(payment.Told{PaymentID: s.ID, Refused: "SESSION_GONE"})
		b.elsewhere("evt_1", charge, awayRefund("re_1", payment.Done, 10000))
		v, err := b.GiveBack(t.Context(), s.ID, "resolve_refused")
		require.NoError(t, err)
		require.Empty(t, v.Reversals)
		require.True(t, v.Closed)
		require.Equal(t, payment.Refunded, v.State)
	})
	t.Run("a hold that was captured in part goes back by refund", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept(hundred, authorization)
		charge, _ := b.paid(s)
		b.told(payment.Told{PaymentID: s.ID, Refused: "SESSION_GONE"})
		b.through(b.capture(s, 6000))
		v, err := b.GiveBack(t.Context(), s.ID, "resolve_refused")
		require.NoError(t, err)
		require.Equal(t, "refund", b.giveBack(v.Reversals[0].OperationID))
		require.Equal(t, map[string]int64{"held": 4000}, b.books(), "the rest lapses")
		b.find(charge, payment.Declined, func(f *payment.Finding) { f.Code = payment.CodeAuthorizationExpired })
		require.Equal(t, payment.Reversed, b.view(s).State)
	})
}

func TestReversalFailsLater(t *testing.T) {
	t.Parallel()
	named := func(ref string) func(*payment.Finding) { return func(f *payment.Finding) { f.Ref = ref } }
	t.Run("a refund that fails after it was done is booked back and may be tried again", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept(hundred)
		b.paid(s)
		id := b.refused(s).Reversals[0].OperationID
		send, err := b.BeginMove(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, payment.Reversed, b.find(send, payment.Done, named("re_1")).State)
		v := b.find(send, payment.Declined, named("re_1"))
		require.Equal(t, payment.Captured, v.State)
		require.Equal(t, payment.ReversalStuck, v.Operator)
		require.Equal(t, map[string]int64{"provider": 10000, "merchant": -10000}, b.books())
		move, err := b.LoadMove(t.Context(), id)
		require.NoError(t, err)
		require.True(t, move.Refused)
		require.False(t, move.Done)
		v, err = b.act(s, "resolve", payment.DecideGiveBack, "")
		require.NoError(t, err)
		require.Len(t, v.Reversals, 1)
		require.NotEqual(t, id, v.Reversals[0].OperationID)
		require.Regexp(t, `:2$`, v.Reversals[0].ExternalRef, "its run needs a name of its own")
		b.giveBack(v.Reversals[0].OperationID)
		require.Empty(t, b.books())
		require.Equal(t, payment.Reversed, b.view(s).State)
		require.Equal(t, payment.NobodyNeeded, b.view(s).Operator)
		requireSums(t, t.Context(), b.pool)
	})
	t.Run("late money whose refund fails is rejected money again", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept(hundred)
		charge := b.opened(s)
		b.find(charge, payment.Closed)
		b.reject(s)
		send, err := b.BeginMove(t.Context(), b.find(charge, payment.Done).Reversals[0].OperationID)
		require.NoError(t, err)
		b.find(send, payment.Done, named("re_1"))
		v := b.find(send, payment.Closed, named("re_1"))
		require.Equal(t, payment.Rejected, v.State)
		require.Equal(t, payment.ReversalStuck, v.Operator)
	})
}
