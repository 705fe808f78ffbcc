package store_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/store"
)

func TestDueCharges(t *testing.T) {
	t.Parallel()
	due := func(b *bundle) []payment.RunRef {
		list, err := b.DueCharges(b.t.Context(), 10)
		require.NoError(b.t, err)
		return list
	}
	t.Run("a payment is due once its start should have happened, and less and less often", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		require.Empty(t, due(b))
		b.clock.Add(15 * time.Second)
		want := payment.RunRef{
			PaymentID: s.ID, Source: s.Source, Shop: shop, ExternalID: s.ExternalID, Provider: "psp", Kind: s.Kind, Amount: s.Amount, ReceivedAt: s.ReceivedAt,
		}
		var pauses []time.Duration
		for range 7 {
			require.Equal(t, []payment.RunRef{want}, due(b))
			require.Empty(t, due(b), "claimed")
			start := b.clock.Now()
			for len(due(b)) == 0 {
				b.clock.Add(15 * time.Second)
			}
			pauses = append(pauses, b.clock.Now().Sub(start))
			_, err := b.pool.Exec(t.Context(), `UPDATE payments SET sweep_at = $1`, b.clock.Now())
			require.NoError(t, err)
		}
		require.Equal(t, []time.Duration{15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute}, pauses)
	})
	t.Run("a payment that is over is not due", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.reject(b.accept())
		b.clock.Add(time.Hour)
		require.Empty(t, due(b))
	})
	t.Run("sweeps at once share the work", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for range 30 {
			b.accept()
		}
		b.clock.Add(time.Minute)
		var mu sync.Mutex
		seen := map[string]int{}
		atOnce(t, 5, func(ctx context.Context, _ int) error {
			for {
				list, err := b.DueCharges(ctx, 4)
				if err != nil || len(list) == 0 {
					return err
				}
				mu.Lock()
				for _, r := range list {
					seen[r.PaymentID]++
				}
				mu.Unlock()
			}
		})
		for id, n := range seen {
			require.Equal(t, 1, n, id)
		}
		rest, err := b.DueCharges(t.Context(), 100) // rows that a rival held locked were skipped
		require.NoError(t, err)
		require.Len(t, seen, 30-len(rest))
	})
}

func TestDueMoves(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.accept()
	send := b.opened(s)
	b.find(send, payment.Closed)
	b.reject(s)
	v := b.find(send, payment.Done)
	list, err := b.DueMoves(t.Context(), 10)
	require.NoError(t, err)
	require.Empty(t, list)
	at := b.clock.Now()
	b.clock.Add(15 * time.Second)
	list, err = b.DueMoves(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, []payment.MoveRef{{
		OperationID: v.Reversals[0].OperationID, PaymentID: s.ID, Kind: payment.OpReversal, Source: s.Source, Shop: shop,
		ExternalRef: "psp:pi_" + send.Attempt.ID, Provider: "psp", Amount: eur(1230), At: at,
	}}, list)
	list, err = b.DueMoves(t.Context(), 10)
	require.NoError(t, err)
	require.Empty(t, list, "claimed")
	b.giveBack(v.Reversals[0].OperationID)
	b.clock.Add(time.Hour)
	list, err = b.DueMoves(t.Context(), 10)
	require.NoError(t, err)
	require.Empty(t, list)
}

func TestDueEvents(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.accept()
	send := b.opened(s)
	stored := b.store(b.event("evt_1", send, payment.Done))
	list, err := b.DueEvents(t.Context(), 10)
	require.NoError(t, err)
	require.Empty(t, list, "the signal has its time")
	for range 3 {
		b.clock.Add(5 * time.Minute)
		list, err = b.DueEvents(t.Context(), 10)
		require.NoError(t, err)
		require.Equal(t, []payment.EventRef{*stored.Signal}, list, "until it is acted on")
	}
	b.find(send, payment.Done, func(f *payment.Finding) { f.EventIDs = []int64{stored.Signal.EventID} })
	b.clock.Add(time.Hour)
	list, err = b.DueEvents(t.Context(), 10)
	require.NoError(t, err)
	require.Empty(t, list)
}

func TestDueWatches(t *testing.T) {
	t.Parallel()
	looks := func(t *testing.T, b *bundle, send payment.Send, total time.Duration) []time.Duration {
		t.Helper()
		start := b.clock.Now()
		var at []time.Duration
		for b.clock.Now().Before(start.Add(total)) {
			b.clock.Add(time.Minute)
			list, err := b.DueWatches(t.Context(), 10)
			require.NoError(t, err)
			if len(list) > 0 {
				require.Len(t, list, 1)
				require.Equal(t, send.Attempt.ID, list[0].AttemptID)
				require.Equal(t, send.PaymentID, list[0].Run.PaymentID)
				require.False(t, list[0].Closed)
				at = append(at, b.clock.Now().Sub(start))
			}
		}
		return at
	}
	t.Run("given-up attempts are looked at until no success may appear", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		send := b.opened(b.accept())
		b.find(send, payment.Closed, lateSuccess(time.Hour))
		at := looks(t, b, send, 2*time.Hour)
		require.Equal(t, 10*time.Minute, at[0])
		require.Equal(t, time.Hour, at[len(at)-1], "the last look is at the last moment")
		require.Less(t, len(at), 25)
	})
	t.Run("a short time has one look, at its end", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		send := b.opened(b.accept())
		b.find(send, payment.Declined, lateSuccess(time.Minute))
		require.Equal(t, []time.Duration{time.Minute}, looks(t, b, send, time.Hour))
	})
	t.Run("a hold is looked at when its time is over, until it is known to have ended", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, send := b.hold()
		until := 7 * 24 * time.Hour
		b.clock.Add(until - time.Hour)
		list, err := b.DueWatches(t.Context(), 10)
		require.NoError(t, err)
		require.Empty(t, list)
		b.clock.Add(time.Hour + time.Minute)
		list, err = b.DueWatches(t.Context(), 10)
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.Equal(t, send.Attempt.ID, list[0].AttemptID)
		require.True(t, list[0].Closed)
		b.find(send, payment.Declined, func(f *payment.Finding) { f.Decline, f.Code = payment.TimedOut, payment.CodeAuthorizationExpired })
		require.Equal(t, payment.Expired, b.view(s).State)
		b.clock.Add(30 * time.Minute)
		list, err = b.DueWatches(t.Context(), 10)
		require.NoError(t, err)
		require.Empty(t, list)
	})
	t.Run("without a late success nothing is watched", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		send := b.opened(b.accept())
		b.find(send, payment.Closed)
		require.Empty(t, looks(t, b, send, time.Hour))
	})
}

func TestDueNotices(t *testing.T) {
	t.Parallel()
	t.Run("a mail is tried until it went out, later each time", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		_, err := b.CallOperator(t.Context(), s.ID, payment.InDoubt)
		require.NoError(t, err)
		list, err := b.DueNotices(t.Context(), 10)
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.Equal(t, payment.Notice{
			ID: list[0].ID, Shop: shop, Mail: "owner@example.com", Locale: "en", PaymentID: s.ID, External: s.ExternalID,
			Reason: payment.InDoubt, Amount: eur(1230), Since: b.clock.Now(), Tries: 1,
		}, list[0])
		again, err := b.DueNotices(t.Context(), 10)
		require.NoError(t, err)
		require.Empty(t, again)
		b.clock.Add(15 * time.Second)
		again, err = b.DueNotices(t.Context(), 10)
		require.NoError(t, err)
		require.Equal(t, 2, again[0].Tries)
		b.clock.Add(29 * time.Second)
		again, err = b.DueNotices(t.Context(), 10)
		require.NoError(t, err)
		require.Empty(t, again)
		require.NoError(t, b.NoticeSent(t.Context(), list[0].ID))
		b.clock.Add(time.Hour)
		again, err = b.DueNotices(t.Context(), 10)
		require.NoError(t, err)
		require.Empty(t, again)
	})
	t.Run("a shop gets twenty an hour, the rest later", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for range 25 {
			_, err := b.CallOperator(t.Context(), b.accept().ID, payment.InDoubt)
			require.NoError(t, err)
		}
		for _, want := range []int{20, 5} {
			list, err := b.DueNotices(t.Context(), 100)
			require.NoError(t, err)
			require.Len(t, list, want)
			for _, n := range list {
				require.NoError(t, b.NoticeSent(t.Context(), n.ID))
			}
			none, err := b.DueNotices(t.Context(), 100)
			require.NoError(t, err)
			require.Empty(t, none)
			b.clock.Add(61 * time.Minute)
		}
	})
	t.Run("a shop without an address keeps its notices", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		require.NoError(t, b.PutShop(t.Context(), store.Shop{Shop: shop, Active: true}))
		_, err := b.CallOperator(t.Context(), b.accept().ID, payment.InDoubt)
		require.NoError(t, err)
		list, err := b.DueNotices(t.Context(), 10)
		require.NoError(t, err)
		require.Empty(t, list)
		require.NoError(t, b.PutShop(t.Context(), store.Shop{Shop: shop, Active: true, Mail: "a@b"}))
		list, err = b.DueNotices(t.Context(), 10)
		require.NoError(t, err)
		require.Len(t, list, 1)
	})
}

func TestLists(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var sessions []payment.Session
	for i := range 5 {
		sessions = append(sessions, b.accept(api, func(s *payment.Session) { s.ExternalID = fmt.Sprint("ref-", i) }))
		b.clock.Add(time.Minute)
	}
	send, _ := b.paid(sessions[0])
	b.find(b.opened(sessions[1]), payment.Done, amount(eur(1)))
	ids := func(f payment.Filter) []string {
		list, err := b.ListPayments(t.Context(), f)
		require.NoError(t, err)
		var refs []string
		for _, s := range list {
			refs = append(refs, s.Run.ExternalID)
		}
		return refs
	}
	require.Equal(t, []string{"ref-4", "ref-3", "ref-2", "ref-1", "ref-0"}, ids(payment.Filter{}))
	require.Equal(t, []string{"ref-4", "ref-3"}, ids(payment.Filter{Shop: shop, Limit: 2}))
	require.Equal(t, []string{"ref-2", "ref-1"}, ids(payment.Filter{Before: sessions[3].ReceivedAt, Limit: 2}))
	require.Equal(t, []string{"ref-1"}, ids(payment.Filter{Operator: true}))
	require.Equal(t, []string{"ref-0"}, ids(payment.Filter{State: payment.Captured}))
	require.Empty(t, ids(payment.Filter{Shop: "other"}))

	t.Run("a payment is read by the merchant's reference", func(t *testing.T) {
		t.Parallel()
		found, err := b.PaymentByRef(t.Context(), shop, "ref-0")
		require.NoError(t, err)
		require.Equal(t, sessions[0].ID, found.Run.PaymentID)
		require.Equal(t, payment.Captured, found.State)
		require.Equal(t, payment.Resolve, found.Final)
		require.Equal(t, sessions[0].Token, found.Token)
		require.False(t, found.ClosedAt.IsZero())
		_, err = b.PaymentByRef(t.Context(), "other", "ref-0")
		requireClass(t, payment.NotFound, "", err)
	})
	t.Run("a payment is shown with all that is known", func(t *testing.T) {
		t.Parallel()
		for _, name := range []string{sessions[0].ID, "ref-0"} {
			d, err := b.ShowPayment(t.Context(), name, true)
			require.NoError(t, err)
			require.Equal(t, sessions[0].ID, d.Run.PaymentID)
			require.Len(t, d.Attempts, 1)
			require.Equal(t, send.Attempt.ID, d.Attempts[0].ID)
			require.Equal(t, eur(1230), d.Attempts[0].Actual)
			require.Equal(t, 1, d.Attempts[0].Sends)
			require.Len(t, d.Evidence, 2)
			require.Len(t, d.Postings, 2)
			require.NotEmpty(t, d.Timeline)
			require.Equal(t, d.Evidence[1].ID, d.Timeline[4].EvidenceID, "a change names its evidence")
		}
		_, err := b.ShowPayment(t.Context(), "nothing", false)
		requireClass(t, payment.NotFound, "", err)
	})
	t.Run("an external id of several payments names none of them", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for _, change := range []func(*payment.Session){api, func(*payment.Session) {}} {
			b.accept(change, func(s *payment.Session) { s.ExternalID = "same" })
		}
		_, err := b.ShowPayment(t.Context(), "same", false)
		requireClass(t, payment.Conflict, "ambiguous", err)
	})
	t.Run("a move's session, its operation and a provider's reference name the payment, a payment's own id before them", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, send := b.sale()
		m := b.refund(s, 100)
		for _, id := range []string{m.ExternalID, m.ID, send.Attempt.ID, "pi_" + send.Attempt.ID} {
			found, err := b.FindPayment(t.Context(), id)
			require.NoError(t, err, id)
			require.Equal(t, s.ID, found.Run.PaymentID)
		}
		other := b.accept(func(s *payment.Session) { s.ExternalID = m.ExternalID })
		found, err := b.FindPayment(t.Context(), m.ExternalID)
		require.NoError(t, err)
		require.Equal(t, other.ID, found.Run.PaymentID)
	})
}
