package store_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
)

func TestPauses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.accept()
	send := b.begin(s)
	now := b.clock.Now()
	first := payment.Pause{AccountID: send.Attempt.AccountID, Worker: "w1", Since: now, Until: now.Add(time.Minute), Failures: 5}
	second := payment.Pause{AccountID: send.Attempt.AccountID, Worker: "w2", Since: now.Add(time.Second), Until: now.Add(2 * time.Second), Failures: 7}
	note := func(p payment.Pause) { require.NoError(t, b.NotePause(t.Context(), p)) }
	note(first)
	note(second)
	note(second)
	require.Equal(t, []payment.Pause{first, second}, b.desk(s).Pauses, "each worker finds out for itself")
	list, err := b.ProviderAccounts(t.Context(), shop)
	require.NoError(t, err)
	require.Equal(t, first.Since, list[0].PausedSince)
	require.Equal(t, second.Until, list[0].TriedAt)

	first.Until, first.Failures = now.Add(3*time.Minute), 6
	note(first)
	require.Equal(t, first, b.desk(s).Pauses[0], "a longer pause is the same one")
	note(payment.Pause{AccountID: first.AccountID, Worker: "w1"})
	note(payment.Pause{AccountID: first.AccountID, Worker: "w1"})
	require.Equal(t, []payment.Pause{second}, b.desk(s).Pauses, "over in one worker")

	b.clock.Add(time.Hour)
	require.Empty(t, b.desk(s).Pauses, "nobody has sent anything since, or the worker is gone")
	list, err = b.ProviderAccounts(t.Context(), shop)
	require.NoError(t, err)
	require.True(t, list[0].PausedSince.IsZero())

	held := func() []payment.RunRef {
		refs, err := b.HeldBack(t.Context(), 10)
		require.NoError(t, err)
		return refs
	}
	require.Empty(t, held())
	require.NoError(t, b.NotSent(t.Context(), send.Attempt.ID, send.Sends, payment.CodePaused))
	require.Equal(t, []string{s.ID}, paymentsOf(held()), "no worker holds it back any more")
	first.Since, first.Until = b.clock.Now(), b.clock.Now().Add(time.Minute)
	note(first)
	require.Empty(t, held(), "paused once more")
	note(payment.Pause{AccountID: first.AccountID, Worker: "w1"})
	b.resend(send.Attempt.ID, send.Sends)
	require.Equal(t, []string{s.ID}, paymentsOf(held()), "sent, and without an answer: it is looked up at once")
	b.clock.Add(time.Minute)
	require.Empty(t, held(), "once is enough")

	first.AccountID = "no id"
	require.Error(t, b.NotePause(t.Context(), first))
	first.AccountID = uuid.NewString()
	require.Error(t, b.NotePause(t.Context(), first), "no such account")
}

func paymentsOf(refs []payment.RunRef) (ids []string) {
	for _, r := range refs {
		ids = append(ids, r.PaymentID)
	}
	return ids
}
