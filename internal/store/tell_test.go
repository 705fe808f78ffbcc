package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
)

func (b *bundle) told(t payment.Told) payment.View {
	b.t.Helper()
	v, err := b.RecordTold(b.t.Context(), t)
	require.NoError(b.t, err)
	return v
}

func TestRecordTold(t *testing.T) {
	t.Parallel()
	t.Run("pending is told once, refused or not", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		b.find(b.opened(s), payment.Working)
		v := b.told(payment.Told{PaymentID: s.ID, Pending: true, NextURL: "https://shop/pending"})
		require.True(t, v.PendingTold)
		b.told(payment.Told{PaymentID: s.ID, Pending: true, Refused: "PENDING_INVALID_STATE", NextURL: "https://no"})
		page, err := b.Page(t.Context(), s.Token)
		require.NoError(t, err)
		require.Equal(t, "https://shop/pending", page.NextURL)
		telling, err := b.LoadTelling(t.Context(), s.ID)
		require.NoError(t, err)
		require.True(t, telling.Pending)
	})
	t.Run("an answer that is not decided cannot have been told", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, err := b.RecordTold(t.Context(), payment.Told{PaymentID: b.accept().ID})
		requireClass(t, payment.Bug, "told_undecided", err)
	})
	t.Run("a refused resolve stays open, calls a person and counts down", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		b.paid(s)
		v := b.told(payment.Told{PaymentID: s.ID, Refused: strings.Repeat("x", 1000)})
		require.True(t, v.Refused)
		require.False(t, v.Told)
		require.False(t, v.Closed)
		require.Equal(t, payment.ResolveRefused, v.Operator)
		require.Equal(t, 24*time.Hour, v.RefusedWait)
		b.clock.Add(23 * time.Hour)
		require.Equal(t, time.Hour, b.view(s).RefusedWait)
		b.clock.Add(48 * time.Hour)
		require.Zero(t, b.view(s).RefusedWait)
		require.Equal(t, 1, b.count(`SELECT count(*) FROM notices`))
		b.told(payment.Told{PaymentID: s.ID, Refused: "again"})
		require.Equal(t, 200, b.count(`SELECT length(tell_refused) FROM payments`))
	})
}

func TestRecordToldLater(t *testing.T) {
	t.Parallel()
	t.Run("an acknowledgement after a refusal ends it", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		b.paid(s)
		b.told(payment.Told{PaymentID: s.ID, Refused: "LATER"})
		v := b.told(payment.Told{PaymentID: s.ID, NextURL: "https://shop/thanks"})
		require.True(t, v.Told)
		require.False(t, v.Refused)
		require.True(t, v.Closed)
		require.Equal(t, payment.NobodyNeeded, v.Operator)
		require.Equal(t, v, b.told(payment.Told{PaymentID: s.ID, Refused: "NO"}), "an acknowledgement stands")
		require.Zero(t, b.count(`SELECT count(*) FROM notices`), "the mail is not needed any more")
	})
	t.Run("an acknowledgement that comes after the money was claimed back is seen by a person", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		b.paid(s)
		b.told(payment.Told{PaymentID: s.ID, Refused: "LATER"})
		_, err := b.GiveBack(t.Context(), s.ID, "resolve_refused")
		require.NoError(t, err)
		v := b.told(payment.Told{PaymentID: s.ID})
		require.True(t, v.Told)
		require.True(t, v.Refused)
		require.Equal(t, payment.ResolveRefused, v.Operator)
	})
	t.Run("a refused reject calls a person and ends the charge", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		_, err := b.DecideReject(t.Context(), s.ID, payment.TimedOut)
		require.NoError(t, err)
		v := b.told(payment.Told{PaymentID: s.ID, Refused: "NO"})
		require.True(t, v.Closed)
		require.Equal(t, payment.RejectRefused, v.Operator)
	})
	t.Run("a charge is not over while a checkout is unfinished", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		first := b.opened(s)
		b.find(first, payment.Closed)
		_, err := b.Choose(t.Context(), s.Token, b.live)
		require.NoError(t, err)
		second := b.opened(s)
		b.find(first, payment.Done) // late, and still the first money
		v := b.told(payment.Told{PaymentID: s.ID})
		require.True(t, v.Told)
		require.False(t, v.Closed)
		require.Len(t, v.Unfinished, 1)
		require.True(t, b.find(second, payment.Closed).Closed)
	})
}

func TestDecideReject(t *testing.T) {
	t.Parallel()
	t.Run("the first answer stands", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		b.reject(s)
		v, err := b.DecideReject(t.Context(), s.ID, payment.Cancelled)
		require.NoError(t, err)
		require.Equal(t, payment.TimedOut, v.FinalReason)
		v, err = b.ShutDoor(t.Context(), s.ID, payment.Cancelled)
		require.NoError(t, err)
		require.Equal(t, payment.TimedOut, v.Shut)
		require.Equal(t, 1, b.count(`SELECT count(*) FROM operations WHERE state = 'refused'`))
	})
	for _, state := range []payment.AttemptState{payment.Sent, payment.Allocated, payment.Doubtful, payment.Open, payment.Working} {
		t.Run("nothing is rejected while an attempt is "+string(state), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			s := b.accept()
			send := b.begin(s)
			switch state {
			case payment.Allocated:
				require.NoError(t, b.NotSent(t.Context(), send.Attempt.ID, 1, "x"))
			case payment.Doubtful:
				require.NoError(t, b.Doubt(t.Context(), send.Attempt.ID, "x"))
			case payment.Open, payment.Working:
				b.find(send, state)
			case payment.Sent, payment.Held, payment.Done, payment.Declined, payment.Closed, payment.NotDone:
			}
			require.Equal(t, state, b.view(s).Unfinished[0].State)
			v, err := b.DecideReject(t.Context(), s.ID, payment.TimedOut)
			require.NoError(t, err)
			require.Equal(t, payment.Undecided, v.Final)
		})
	}
	t.Run("what is paid is not rejected", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		_, paid := b.paid(s)
		v, err := b.DecideReject(t.Context(), s.ID, payment.TimedOut)
		require.NoError(t, err)
		require.Equal(t, paid, v)
	})
}

func TestCallOperator(t *testing.T) {
	t.Parallel()
	call := func(t *testing.T, b *bundle, s payment.Session, why payment.OperatorReason) payment.View {
		t.Helper()
		v, err := b.CallOperator(t.Context(), s.ID, why)
		require.NoError(t, err)
		return v
	}
	t.Run("one mail an hour for a payment and reason", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		for range 3 {
			require.Equal(t, payment.InDoubt, call(t, b, s, payment.InDoubt).Operator)
			notices, err := b.DueNotices(t.Context(), 10)
			require.NoError(t, err)
			for _, n := range notices {
				require.NoError(t, b.NoticeSent(t.Context(), n.ID))
			}
			require.Equal(t, payment.NobodyNeeded, call(t, b, s, payment.NobodyNeeded).Operator)
		}
		require.Equal(t, 1, b.count(`SELECT count(*) FROM notices`))
		b.clock.Add(61 * time.Minute)
		call(t, b, s, payment.InDoubt)
		require.Equal(t, 2, b.count(`SELECT count(*) FROM notices`))
	})
	t.Run("a reason that waits for a decision is not talked over", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		b.find(b.opened(s), payment.Done, amount(eur(1)))
		require.Equal(t, payment.WrongAmount, call(t, b, s, payment.InDoubt).Operator)
		require.Equal(t, payment.WrongAmount, call(t, b, s, payment.NobodyNeeded).Operator)
	})
	t.Run("an answer of the provider ends doubt", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		send := b.begin(s)
		require.NoError(t, b.Doubt(t.Context(), send.Attempt.ID, "Unknown"))
		call(t, b, s, payment.InDoubt)
		require.Equal(t, payment.NobodyNeeded, b.find(send, payment.Open).Operator)
		call(t, b, s, payment.AccountBlocked)
		require.Equal(t, payment.NobodyNeeded, b.find(send, payment.Working).Operator)
	})
	t.Run("an unknown reason is a bug", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, err := b.CallOperator(t.Context(), b.accept().ID, "because")
		requireClass(t, payment.Bug, "operator_reason", err)
	})
}
