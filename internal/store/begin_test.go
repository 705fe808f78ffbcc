package store_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/store"
)

func TestBeginCheckout(t *testing.T) {
	t.Parallel()
	t.Run("twenty at once begin one attempt", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		var fresh atomic.Int32
		keys := make([]string, 20)
		atOnce(t, len(keys), func(ctx context.Context, i int) error {
			send, err := b.BeginCheckout(ctx, s.ID)
			if err == nil && !send.Again {
				fresh.Add(1)
			}
			keys[i] = send.Key
			return err
		})
		require.Equal(t, int32(1), fresh.Load())
		for _, key := range keys {
			require.Equal(t, keys[0], key)
		}
		require.Equal(t, 1, b.count(`SELECT count(*) FROM attempts`))
	})
	t.Run("twenty choices and checkouts at once begin one attempt", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.account("other", true, "Wallet")
		s := b.accept()
		atOnce(t, 20, func(ctx context.Context, _ int) error {
			if _, err := b.Choose(ctx, s.Token, b.live); err != nil {
				return err
			}
			_, err := b.BeginCheckout(ctx, s.ID)
			return err
		})
		require.Equal(t, 1, b.count(`SELECT count(*) FROM attempts`))
		require.Equal(t, 1, b.count(`SELECT choice_seq FROM payments`))
	})
}

func TestBeginNothing(t *testing.T) {
	t.Parallel()
	for rule, prepare := range map[string]func(*bundle, payment.Session) error{
		"the door is shut": func(b *bundle, s payment.Session) error {
			_, err := b.ShutDoor(b.t.Context(), s.ID, payment.Cancelled)
			return err
		},
		"the answer is decided": func(b *bundle, s payment.Session) error {
			_, err := b.DecideReject(b.t.Context(), s.ID, payment.Cancelled)
			return err
		},
		"the buyer has left": func(b *bundle, s payment.Session) error {
			_, err := b.Leave(b.t.Context(), s.Token)
			return err
		},
		"the account was switched off": func(b *bundle, _ payment.Session) error {
			_, err := b.PutAccount(b.t.Context(), store.Account{Shop: shop, Provider: "psp", Live: true, Label: "Card"}, nil)
			return err
		},
		"the choice is served": func(b *bundle, s payment.Session) error {
			b.find(b.opened(s), payment.Declined)
			return nil
		},
	} {
		t.Run("nothing is begun when "+rule, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			s := b.accept()
			require.NoError(t, prepare(b, s))
			before := b.count(`SELECT count(*) FROM attempts`)
			send, err := b.BeginCheckout(t.Context(), s.ID)
			require.NoError(t, err)
			require.True(t, send.Nothing)
			require.Zero(t, b.view(s).Wanted, "else the workflow would try for ever")
			require.Equal(t, before, b.count(`SELECT count(*) FROM attempts`))
		})
	}
	t.Run("an unknown payment is not found", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, err := b.BeginCheckout(t.Context(), b.live)
		requireClass(t, payment.NotFound, "", err)
		_, err = b.BeginMove(t.Context(), b.live)
		requireClass(t, payment.NotFound, "", err)
	})
	t.Run("a charge is no move", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		var charge string
		require.NoError(t, b.pool.QueryRow(t.Context(), `SELECT id::text FROM operations WHERE payment_id = $1`, s.ID).Scan(&charge))
		_, err := b.BeginMove(t.Context(), charge)
		requireClass(t, payment.Bug, "no_parent", err)
	})
}

func TestSendLog(t *testing.T) {
	t.Parallel()
	t.Run("each further send is noted", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		send := b.begin(s)
		b.clock.Add(time.Minute)
		b.resend(send.Attempt.ID, 1)
		again, err := b.BeginCheckout(t.Context(), s.ID)
		require.NoError(t, err)
		require.True(t, again.Again)
		require.Equal(t, time.Minute, again.LastSent.Sub(again.FirstSent))
		require.Equal(t, 2, again.Sends)
	})
	t.Run("a send that never left is taken back and may be repeated", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		send := b.begin(s)
		require.NoError(t, b.NotSent(t.Context(), send.Attempt.ID, 1, "Unavailable"))
		require.NoError(t, b.NotSent(t.Context(), send.Attempt.ID, 1, "Unavailable"))
		require.Equal(t, payment.Allocated, b.view(s).Unfinished[0].State)
		b.resend(send.Attempt.ID, 1)
		require.Equal(t, payment.Sent, b.view(s).Unfinished[0].State)
	})
	t.Run("who knows only of an earlier send neither takes the later one back nor sends once more", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		send := b.begin(s)
		b.resend(send.Attempt.ID, 1)
		require.NoError(t, b.NotSent(t.Context(), send.Attempt.ID, 1, "Unavailable"))
		require.Equal(t, payment.Sent, b.view(s).Unfinished[0].State)
		_, err := b.MarkSent(t.Context(), send.Attempt.ID, 1)
		requireClass(t, payment.Conflict, "moved_on", err)
	})
	t.Run("doubt is not taken back by a later send that never left", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		send := b.begin(s)
		require.NoError(t, b.Doubt(t.Context(), send.Attempt.ID, "Unknown"))
		b.resend(send.Attempt.ID, 1)
		require.NoError(t, b.NotSent(t.Context(), send.Attempt.ID, 2, "Unavailable"))
		require.Equal(t, payment.Doubtful, b.view(s).Unfinished[0].State)
	})
	t.Run("doubt does not make us know less", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		send := b.opened(s)
		require.NoError(t, b.Doubt(t.Context(), send.Attempt.ID, "Unknown"))
		require.Equal(t, payment.Open, b.view(s).Unfinished[0].State)
		b.find(send, payment.Done)
		require.NoError(t, b.Doubt(t.Context(), send.Attempt.ID, "Unknown"))
		require.Equal(t, payment.Captured, b.view(s).State)
	})
	t.Run("a decided attempt is not sent again", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		send := b.opened(b.accept())
		b.find(send, payment.Declined)
		_, err := b.MarkSent(t.Context(), send.Attempt.ID, 1)
		requireClass(t, payment.Conflict, "", err)
		loaded, err := b.LoadAttempt(t.Context(), send.Attempt.ID)
		require.NoError(t, err)
		require.Equal(t, payment.Declined, loaded.Attempt.State)
		require.True(t, loaded.Again)
	})
	t.Run("an unknown attempt is not found", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, err := b.LoadAttempt(t.Context(), b.live)
		requireClass(t, payment.NotFound, "", err)
		requireClass(t, payment.NotFound, "", b.Doubt(t.Context(), "x", ""))
		requireClass(t, payment.NotFound, "", b.NotSent(t.Context(), b.live, 1, ""))
		_, err = b.MarkSent(t.Context(), "x", 1)
		requireClass(t, payment.NotFound, "", err)
	})
}

// resend notes one more send of an attempt that was sent so many times.
func (b *bundle) resend(attempt string, sends int) {
	b.t.Helper()
	now, err := b.MarkSent(b.t.Context(), attempt, sends)
	require.NoError(b.t, err)
	require.Equal(b.t, sends+1, now)
}
