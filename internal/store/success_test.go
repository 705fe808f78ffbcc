package store_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
)

func TestGroup(t *testing.T) {
	t.Parallel()
	t.Run("the second success of a group goes back and its session is a duplicate", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		first, second := b.accept(ofGroup("g")), b.accept(ofGroup("g"))
		sendFirst, sendSecond := b.opened(first), b.opened(second)
		require.Equal(t, payment.Resolve, b.find(sendFirst, payment.Done).Final)
		v := b.find(sendSecond, payment.Done)
		require.Equal(t, payment.Undecided, v.Final)
		require.Equal(t, payment.Duplicate, v.Shut)
		require.Equal(t, []payment.Reversal{{OperationID: v.Reversals[0].OperationID, ExternalRef: "psp:pi_" + sendSecond.Attempt.ID}}, v.Reversals)
		v, err := b.DecideReject(t.Context(), second.ID, payment.Duplicate)
		require.NoError(t, err)
		require.Equal(t, payment.Reject, v.Final)
		require.Equal(t, "refund", b.giveBack(v.Reversals[0].OperationID))
		require.Equal(t, payment.Reversed, b.view(second).State)
		require.Equal(t, int64(-1230), b.balances()["live/merchant:"+shop+" EUR"], "one payment stands")
		require.Equal(t, payment.Captured, b.view(first).State)
	})
	t.Run("money that is back before the answer ends in the same state", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		first, second := b.accept(ofGroup("g")), b.accept(ofGroup("g"))
		send := b.opened(second)
		b.paid(first)
		v := b.find(send, payment.Done)
		b.giveBack(v.Reversals[0].OperationID)
		v, err := b.DecideReject(t.Context(), second.ID, payment.Duplicate)
		require.NoError(t, err)
		require.Equal(t, payment.Reversed, v.State)
		require.Equal(t, payment.Reject, v.Final)
	})
}

func TestGroupTaken(t *testing.T) {
	t.Parallel()
	t.Run("no checkout is begun once another session of the group is paid", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		first, second := b.accept(ofGroup("g")), b.accept(ofGroup("g"))
		b.paid(first)
		send, err := b.BeginCheckout(t.Context(), second.ID)
		require.NoError(t, err)
		require.True(t, send.Nothing)
		v := b.view(second)
		require.Equal(t, payment.Duplicate, v.Shut)
		require.Zero(t, v.Wanted)
		require.Zero(t, b.count(`SELECT count(*) FROM attempts WHERE payment_id = $1`, second.ID))
	})
	t.Run("a second success of one session goes back", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		given := b.opened(s)
		b.find(given, payment.Closed)
		_, err := b.Choose(t.Context(), s.Token, b.live)
		require.NoError(t, err)
		b.paid(s)
		v := b.find(given, payment.Done)
		require.Equal(t, payment.Captured, v.State)
		require.Empty(t, v.Shut)
		require.Len(t, v.Reversals, 1)
		b.giveBack(v.Reversals[0].OperationID)
		require.Equal(t, payment.Captured, b.view(s).State, "the winner is untouched")
	})
}

func TestSuccessAtOnce(t *testing.T) {
	t.Parallel()
	t.Run("two successes at once have exactly one winner", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for range 10 {
			group := b.session().Group
			sends := []payment.Send{b.opened(b.accept(ofGroup(group))), b.opened(b.accept(ofGroup(group)))}
			views := make([]payment.View, 2)
			atOnce(t, len(sends), func(ctx context.Context, i int) (err error) {
				views[i], err = b.RecordFinding(ctx, b.finding(sends[i], payment.Done))
				return err
			})
			won, lost := views[0], views[1]
			if won.Final == payment.Undecided {
				won, lost = lost, won
			}
			require.Equal(t, payment.Resolve, won.Final)
			require.Equal(t, payment.Undecided, lost.Final)
			require.Len(t, lost.Reversals, 1)
			require.Equal(t, 1, b.count(`SELECT count(*) FROM winners WHERE group_key = $1`, group))
		}
	})
	t.Run("one success found twenty times at once is booked once", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		send := b.opened(b.accept())
		atOnce(t, 20, func(ctx context.Context, _ int) error {
			_, err := b.RecordFinding(ctx, b.finding(send, payment.Done))
			return err
		})
		require.Equal(t, 1, b.count(`SELECT count(*) FROM ledger_entries`))
		require.Equal(t, 2, b.count(`SELECT count(*) FROM evidence`), "open and done")
	})
}

// atOnce runs n calls at once and requires that none fails.
func atOnce(t *testing.T, n int, call func(ctx context.Context, i int) error) {
	t.Helper()
	var wait sync.WaitGroup
	errs := make([]error, n)
	start := make(chan struct{})
	for i := range n {
		wait.Go(func() {
			<-start
			errs[i] = call(t.Context(), i)
		})
	}
	close(start)
	wait.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
}

func TestLateSuccess(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.accept()
	send := b.opened(s)
	b.find(send, payment.Closed, lateSuccess(24*time.Hour))
	v, err := b.DecideReject(t.Context(), s.ID, payment.TimedOut)
	require.NoError(t, err)
	require.Equal(t, payment.Rejected, v.State)
	_, err = b.RecordTold(t.Context(), payment.Told{PaymentID: s.ID})
	require.NoError(t, err)

	v = b.find(send, payment.Done)
	require.Equal(t, payment.Reject, v.Final, "the answer stands")
	require.Equal(t, payment.Rejected, v.State)
	require.True(t, v.Closed)
	require.Len(t, v.Reversals, 1)
	require.Zero(t, b.count(`SELECT count(*) FROM winners`))
	require.Equal(t, "refund", b.giveBack(v.Reversals[0].OperationID))
	require.Equal(t, payment.Reversed, b.view(s).State)
	require.Empty(t, b.balances())
}

// refused is a paid session whose answer the shop refused, with its money on
// its way back.
func (b *bundle) refused(s payment.Session) payment.View {
	b.t.Helper()
	v := b.told(payment.Told{PaymentID: s.ID, Refused: "SESSION_GONE"})
	require.True(b.t, v.Refused)
	v, err := b.GiveBack(b.t.Context(), s.ID, "resolve_refused")
	require.NoError(b.t, err)
	require.Len(b.t, v.Reversals, 1)
	require.True(b.t, v.Closed, "the reversal goes on by itself")
	return v
}

func TestReversal(t *testing.T) {
	t.Parallel()
	t.Run("a winner that is given back frees the place of its group", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept(ofGroup("g"))
		b.paid(s)
		v := b.refused(s)
		require.Equal(t, "refund", b.giveBack(v.Reversals[0].OperationID))
		v = b.view(s)
		require.Equal(t, payment.Reversed, v.State)
		require.Equal(t, payment.NobodyNeeded, v.Operator)
		_, again := b.paid(b.accept(ofGroup("g")))
		require.Equal(t, payment.Resolve, again.Final)
	})
	t.Run("what is held is voided, and when that came too late refunded", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept(authorization)
		charge, _ := b.paid(s)
		id := b.refused(s).Reversals[0].OperationID
		void, err := b.BeginMove(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, "void", void.Attempt.Leg)
		require.Equal(t, "tf:"+s.ID+":reversal:void:1", void.Key)
		require.Equal(t, "pi_"+charge.Attempt.ID, void.Attempt.PaymentRef, "it acts on the charge's money")
		b.find(void, payment.Declined, func(f *payment.Finding) { f.Code = "already_captured" })
		move, err := b.LoadMove(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, payment.ReversalStuck, move.Operator)
		require.False(t, move.Done)
		b.find(charge, payment.Done) // it was captured meanwhile
		refund, err := b.BeginMove(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, "tf:"+s.ID+":reversal:refund:2", refund.Key)
		b.find(refund, payment.Done)
		require.Empty(t, b.balances())
		require.Equal(t, payment.Reversed, b.view(s).State)
		require.Equal(t, payment.NobodyNeeded, b.view(s).Operator)
		nothing, err := b.BeginMove(t.Context(), id)
		require.NoError(t, err)
		require.True(t, nothing.Nothing)
	})
	t.Run("an unfinished move is begun once", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		b.paid(s)
		id := b.refused(s).Reversals[0].OperationID
		first, err := b.BeginMove(t.Context(), id)
		require.NoError(t, err)
		again, err := b.BeginMove(t.Context(), id)
		require.NoError(t, err)
		require.True(t, again.Again)
		require.Equal(t, first.Key, again.Key)
		b.find(first, payment.Working)
		move, err := b.LoadMove(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, payment.Working, move.Unfinished[0].State)
		require.Equal(t, "psp", move.Provider)
		require.Equal(t, eur(1230), move.Amount)
	})
}

func TestReversalOnce(t *testing.T) {
	t.Parallel()
	t.Run("money is claimed back once, whoever asks", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		b.paid(s)
		b.refused(s)
		atOnce(t, 10, func(ctx context.Context, _ int) error {
			_, err := b.GiveBack(ctx, s.ID, "again")
			return err
		})
		require.Equal(t, 1, b.count(`SELECT count(*) FROM operations WHERE kind = 'reversal'`))
	})
	t.Run("money that the shop has acknowledged is not given back", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		b.paid(s)
		_, err := b.RecordTold(t.Context(), payment.Told{PaymentID: s.ID})
		require.NoError(t, err)
		_, err = b.GiveBack(t.Context(), s.ID, "mistake")
		requireClass(t, payment.Conflict, "already_told", err)
	})
	t.Run("a capture after a proven void calls a person and is booked", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept(authorization)
		charge, _ := b.paid(s)
		require.Equal(t, "void", b.giveBack(b.refused(s).Reversals[0].OperationID))
		v := b.find(charge, payment.Done)
		require.Equal(t, payment.ReversalStuck, v.Operator)
		require.Equal(t, int64(1230), b.balances()["live/provider:"+b.live+" EUR"])
	})
	t.Run("a partial capture of a hold that goes back is refunded in part", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept(authorization)
		charge, _ := b.paid(s)
		id := b.refused(s).Reversals[0].OperationID
		b.find(charge, payment.Done, amount(eur(500)))
		refund, err := b.BeginMove(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, eur(500), refund.Amount)
		b.find(refund, payment.Done)
		require.Empty(t, b.balances())
	})
	t.Run("money that went back twice calls a person and is booked twice", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		b.paid(s)
		id := b.refused(s).Reversals[0].OperationID
		first, err := b.BeginMove(t.Context(), id)
		require.NoError(t, err)
		b.find(first, payment.Declined)
		require.Equal(t, "refund", b.giveBack(id))
		v := b.find(first, payment.Done)
		require.Equal(t, payment.WrongAmount, v.Operator)
		require.Equal(t, int64(1230), b.balances()["live/merchant:"+shop+" EUR"])
	})
}
