package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/store"
)

// event is a message about an attempt; change makes it another one.
func (b *bundle) event(id string, send payment.Send, state payment.AttemptState, change ...func(*payment.IncomingEvent)) payment.IncomingEvent {
	e := payment.IncomingEvent{
		AccountID: send.Attempt.AccountID, EventID: id, Type: "checkout.changed", BodyHash: []byte(id), AttemptID: send.Attempt.ID,
		Ref: "cs_" + send.Attempt.ID, PaymentRef: "pi_" + send.Attempt.ID, State: state, At: b.clock.Now(),
	}
	for _, c := range change {
		c(&e)
	}
	return e
}

func (b *bundle) store(e payment.IncomingEvent) payment.Stored {
	b.t.Helper()
	stored, err := b.StoreEvent(b.t.Context(), e)
	require.NoError(b.t, err)
	return stored
}

func (b *bundle) pending(send payment.Send) []payment.EventRow {
	b.t.Helper()
	rows, err := b.PendingEvents(b.t.Context(), send.Attempt.ID)
	require.NoError(b.t, err)
	return rows
}

func (b *bundle) reject(s payment.Session) {
	b.t.Helper()
	v, err := b.DecideReject(b.t.Context(), s.ID, payment.TimedOut)
	require.NoError(b.t, err)
	require.Equal(b.t, payment.Reject, v.Final)
	v, err = b.RecordTold(b.t.Context(), payment.Told{PaymentID: s.ID})
	require.NoError(b.t, err)
	require.True(b.t, v.Closed)
}

func TestStoreEvent(t *testing.T) {
	t.Parallel()
	t.Run("a proof waits for its run, is acted on once, and is a duplicate then", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept(authorization)
		send := b.opened(s)
		until := b.clock.Now().Add(7 * 24 * time.Hour)
		e := b.event("evt_1", send, payment.Held, func(e *payment.IncomingEvent) { e.Amount, e.Fee, e.ExpiresAt = eur(1230), eur(9), until })
		first := b.store(e)
		require.NotNil(t, first.Signal)
		require.Equal(t, send.Attempt.ID, first.Signal.AttemptID)
		require.Equal(t, payment.RunRef{
			PaymentID: s.ID, Source: s.Source, Shop: shop, ExternalID: s.ExternalID, Provider: "psp", Kind: s.Kind, Amount: s.Amount, ReceivedAt: s.ReceivedAt,
		}, first.Signal.Run)
		require.Equal(t, first, b.store(e), "not acted on yet: the same signal again")
		rows := b.pending(send)
		require.Len(t, rows, 1)
		require.True(t, rows[0].Proves)
		require.Equal(t, payment.ByWebhook, rows[0].Finding.Evidence)
		v, err := b.RecordFinding(t.Context(), rows[0].Finding)
		require.NoError(t, err)
		require.Equal(t, payment.Resolve, v.Final)
		require.Empty(t, b.pending(send))
		require.Equal(t, payment.Stored{Duplicate: true}, b.store(e))
		telling, err := b.LoadTelling(t.Context(), s.ID)
		require.NoError(t, err)
		require.Equal(t, until, telling.HoldUntil)
	})
	t.Run("what proves nothing final is a reason to look", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		send := b.opened(b.accept())
		for i, state := range []payment.AttemptState{"", payment.Working, "nonsense"} {
			stored := b.store(b.event(string(rune('a'+i)), send, state))
			require.NotNil(t, stored.Signal)
		}
		for _, row := range b.pending(send) {
			require.False(t, row.Proves)
		}
		require.NoError(t, b.DispatchEvents(t.Context(), []int64{b.pending(send)[0].ID}, "looked"))
		require.Len(t, b.pending(send), 2)
		require.NoError(t, b.DispatchEvents(t.Context(), nil, "nothing"))
	})
	t.Run("what is known already is done at once", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		send, _ := b.paid(b.accept())
		for _, state := range []payment.AttemptState{payment.Done, payment.Held, payment.Declined, ""} {
			stored := b.store(b.event("evt_"+string(state), send, state))
			require.Equal(t, payment.Stored{Note: "nothing new"}, stored, state)
		}
		require.Empty(t, b.pending(send))
	})
}

func TestStoreEventForeign(t *testing.T) {
	t.Parallel()
	t.Run("the same id with another body changes nothing", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		send := b.opened(b.accept())
		b.store(b.event("evt_1", send, payment.Declined))
		stored := b.store(b.event("evt_1", send, payment.Done, func(e *payment.IncomingEvent) { e.BodyHash = []byte("other") }))
		require.True(t, stored.Suspicious)
		require.Nil(t, stored.Signal)
		require.Equal(t, payment.Declined, b.pending(send)[0].Finding.State)
	})
	t.Run("another account proves nothing about our attempt", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		send := b.opened(b.accept())
		other := b.account("psp", true, "Other card")
		stored := b.store(b.event("evt_1", send, payment.Done, func(e *payment.IncomingEvent) { e.AccountID = other }))
		require.Equal(t, payment.Stored{Suspicious: true, Note: "foreign account"}, stored)
		stored = b.store(b.event("evt_2", send, payment.Done, func(e *payment.IncomingEvent) { e.AccountID, e.AttemptID = other, "" }))
		require.Equal(t, "unknown reference", stored.Note, "references are looked for within the account")
		require.Empty(t, b.pending(send))
		require.Equal(t, 2, b.count(`SELECT count(*) FROM provider_events WHERE dispatched_at IS NOT NULL`))
	})
}

func TestStoreEventReference(t *testing.T) {
	t.Parallel()
	t.Run("an event finds its attempt by either reference", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		send := b.opened(s)
		b.find(send, payment.Working, func(f *payment.Finding) { f.PaymentRef = "pi_" + send.Attempt.ID })
		for id, change := range map[string]func(*payment.IncomingEvent){
			"a": func(e *payment.IncomingEvent) { e.AttemptID, e.PaymentRef = "", "" },
			"b": func(e *payment.IncomingEvent) { e.AttemptID, e.Ref = "", "" },
			"c": func(e *payment.IncomingEvent) { e.AttemptID = "not a uuid" },
		} {
			require.NotNil(t, b.store(b.event(id, send, payment.Done, change)).Signal, id)
		}
	})
	t.Run("an event that came before its reference is taken up when we learn it", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		send := b.begin(b.accept())
		stored := b.store(b.event("evt_1", send, payment.Done, func(e *payment.IncomingEvent) { e.AttemptID = "" }))
		require.Equal(t, payment.Stored{Note: "unknown reference"}, stored)
		require.Empty(t, b.pending(send))
		b.find(send, payment.Open) // the answer to our own call arrives last
		require.Len(t, b.pending(send), 1)
		due, err := b.DueEvents(t.Context(), 10)
		require.NoError(t, err)
		require.Len(t, due, 1)
		require.Equal(t, send.Attempt.ID, due[0].AttemptID)
	})
	t.Run("twenty equal messages at once are one row", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		send := b.opened(b.accept())
		atOnce(t, 20, func(ctx context.Context, _ int) error {
			_, err := b.StoreEvent(ctx, b.event("evt_1", send, payment.Done))
			return err
		})
		require.Equal(t, 1, b.count(`SELECT count(*) FROM provider_events`))
	})
	t.Run("what names nothing is refused", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, err := b.StoreEvent(t.Context(), payment.IncomingEvent{AccountID: b.live})
		requireClass(t, payment.Invalid, "event_id", err)
		_, err = b.StoreEvent(t.Context(), payment.IncomingEvent{AccountID: "x", EventID: "e"})
		requireClass(t, payment.NotFound, "", err)
		_, err = b.PendingEvents(t.Context(), "x")
		requireClass(t, payment.NotFound, "", err)
	})
}

func TestEventAfterTheEnd(t *testing.T) {
	t.Parallel()
	ended := func(t *testing.T) (*bundle, payment.Session, payment.Send) {
		t.Helper()
		b := setup(t)
		s := b.accept()
		send := b.opened(s)
		b.find(send, payment.Closed, lateSuccess(24*time.Hour))
		b.reject(s)
		return b, s, send
	}
	t.Run("a success is recorded at once and its reversal named", func(t *testing.T) {
		t.Parallel()
		b, s, send := ended(t)
		stored := b.store(b.event("evt_1", send, payment.Done))
		require.Nil(t, stored.Signal)
		require.Equal(t, &payment.MoveRef{
			OperationID: b.view(s).Reversals[0].OperationID, PaymentID: s.ID, Kind: payment.OpReversal, Source: s.Source, Shop: shop,
			ExternalRef: "psp:pi_" + send.Attempt.ID, Provider: "psp", Amount: eur(1230), At: b.clock.Now(),
		}, stored.Reversal)
		require.True(t, b.store(b.event("evt_1", send, payment.Done)).Duplicate)
		require.Equal(t, "nothing new", b.store(b.event("evt_2", send, payment.Done)).Note)
		require.Equal(t, 1, b.count(`SELECT count(*) FROM evidence WHERE kind = 'webhook'`))
	})
	t.Run("a reason to look is left to the sweep", func(t *testing.T) {
		t.Parallel()
		b, _, send := ended(t)
		require.Equal(t, payment.Stored{Note: "left to the sweep"}, b.store(b.event("evt_1", send, "")))
		due, err := b.DueEvents(t.Context(), 10)
		require.NoError(t, err)
		require.Len(t, due, 1)
		require.True(t, due[0].Closed)
	})
	t.Run("the run of an open reversal is woken, and a proof is recorded at once", func(t *testing.T) {
		t.Parallel()
		b, s, charge := ended(t)
		v := b.find(charge, payment.Done)
		send, err := b.BeginMove(t.Context(), v.Reversals[0].OperationID)
		require.NoError(t, err)
		b.find(send, payment.Working, func(f *payment.Finding) { f.Ref = "re_1" })
		about := func(e *payment.IncomingEvent) { e.Ref, e.PaymentRef, e.AttemptID = "re_1", "pi_"+charge.Attempt.ID, "" }
		look := b.store(b.event("evt_1", send, "", about))
		require.Equal(t, send.OperationID, look.Signal.Move.OperationID)
		require.Equal(t, payment.OpReversal, look.Signal.Move.Kind)
		recorded := b.store(b.event("evt_2", send, payment.Done, about))
		require.Equal(t, "recorded", recorded.Note)
		require.Equal(t, look.Signal.Move, recorded.Signal.Move, "it has to end")
		require.Equal(t, payment.Reversed, b.view(s).State)
		require.Empty(t, b.balances())
	})
}

func TestWebhookEvidenceOnly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	send := b.opened(b.accept())
	b.store(b.event("evt_1", send, payment.Done))
	ids := []int64{b.pending(send)[0].ID}
	other := b.opened(b.accept())
	b.find(other, payment.Done, func(f *payment.Finding) { f.EventIDs = ids })
	require.Len(t, b.pending(send), 1, "a finding acts on events of its own attempt only")
	_, err := b.PutAccount(t.Context(), store.Account{Shop: shop, Provider: "psp", Live: true, Label: "Card"}, nil)
	require.NoError(t, err)
	_, _, _, err = b.Account(t.Context(), b.live)
	require.NoError(t, err, "money of an account that was switched off still moves")
}
