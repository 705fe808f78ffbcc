package activities_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/activities"
	"tillflow/activities/activitytest"
	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

func TestSettle(t *testing.T) {
	t.Parallel()

	t.Run("the proof in a webhook needs no call", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		id := b.mustOpen()
		b.records.StoreEvent(id, payment.Done)
		view, err := b.settle(id)
		require.NoError(t, err)
		require.Equal(t, payment.Resolve, view.Final)
		require.Zero(t, b.acme.Calls(activitytest.CallInquire))
		require.Zero(t, b.records.Undispatched())
		require.Equal(t, []payment.EvidenceKind{payment.ByAnswer, payment.ByWebhook}, b.attempt().Evidence)
	})

	t.Run("success counts before a decline, whatever came first", func(t *testing.T) {
		t.Parallel()
		for _, states := range [][]payment.AttemptState{{payment.Declined, payment.Done}, {payment.Done, payment.Declined}} {
			b := setup(t, activitytest.Advisory())
			id := b.mustOpen()
			for _, s := range states {
				b.records.StoreEvent(id, s)
			}
			view, err := b.settle(id)
			require.NoError(t, err)
			require.Equal(t, payment.Captured, view.State)
			require.Zero(t, b.records.Undispatched())
		}
	})

	t.Run("a webhook that proves nothing final makes us look", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		id := b.mustOpen()
		b.acme.Set(id, psp.Processing)
		b.records.StoreEvent(id, "")
		view, err := b.settle(id)
		require.NoError(t, err)
		require.Equal(t, payment.Processing, view.State)
		require.Equal(t, 1, b.acme.Calls(activitytest.CallInquire))
		require.Zero(t, b.records.Undispatched())
	})

	t.Run("a proven end knows how long a success may still follow", func(t *testing.T) {
		t.Parallel()
		for _, s := range []payment.AttemptState{payment.Closed, payment.Declined} {
			b := setup(t, activitytest.Advisory())
			id := b.mustOpen()
			b.records.StoreEvent(id, s)
			_, err := b.settle(id)
			require.NoError(t, err)
			require.Equal(t, 72*time.Hour, b.attempt().LateSuccess)
		}
	})

	t.Run("what is decided and has no news is not looked up", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		id := b.mustOpen()
		b.records.StoreEvent(id, payment.Declined)
		_, err := b.settle(id)
		require.NoError(t, err)
		_, err = b.watch(id)
		require.NoError(t, err)
		require.Zero(t, b.acme.Calls(activitytest.CallInquire))
	})

	t.Run("a late success after a decline counts", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		id := b.mustOpen()
		b.records.StoreEvent(id, payment.Declined)
		_, err := b.settle(id)
		require.NoError(t, err)
		b.acme.Set(id, psp.Succeeded)
		b.records.StoreEvent(id, "")
		view, err := b.settle(id)
		require.NoError(t, err)
		require.Equal(t, payment.Resolve, view.Final)
	})

	t.Run("an event about a decided attempt that the provider does not know is acted on", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Authoritative(lag))
		id := b.mustOpen()
		b.records.StoreEvent(id, payment.Declined)
		_, err := b.settle(id)
		require.NoError(t, err)
		b.acme.Forget(id)
		b.clock.Move(time.Hour)
		b.records.StoreEvent(id, "")
		_, err = b.settle(id)
		require.NoError(t, err)
		require.Zero(t, b.records.Undispatched(), "it would be dispatched for ever")
		require.Equal(t, payment.Declined, b.attempt().State)
	})

	t.Run("absence that counts settles the events too", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Authoritative(lag))
		b.acme.Script(activitytest.CallOpen, fails(payment.Unknown))
		_, err := b.open()
		require.Error(t, err)
		b.clock.Move(lag)
		b.records.StoreEvent(b.attempt().ID, "")
		_, err = b.settle(b.attempt().ID)
		require.NoError(t, err)
		require.Equal(t, payment.NotDone, b.attempt().State)
		require.Zero(t, b.records.Undispatched())
	})

	t.Run("a look-up names the attempt by everything we know", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		id := b.mustOpen()
		_, err := b.settle(id)
		require.NoError(t, err)
		require.Equal(t, psp.Ref{
			AttemptID: id, Key: "tf:pay:charge:1", Operation: payment.OpCharge, Kind: payment.Sale, Ref: "obj-" + id,
			Amount: money.New(1230, "EUR"), FirstSent: b.clock.Now(),
		}, b.acme.LastRef())
	})
}

func TestRecordProof(t *testing.T) {
	t.Parallel()
	prove := func(b *bundle, id string) activities.Proof {
		b.t.Helper()
		proof, err := b.rows.RecordProof(b.ctx, activities.AttemptInput{AttemptID: id})
		require.NoError(b.t, err)
		return proof
	}

	t.Run("a success in a stored message is recorded without a call", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		id := b.mustOpen()
		b.records.StoreEvent(id, payment.Done)
		proof := prove(b, id)
		require.True(t, proof.Proved)
		require.Equal(t, payment.Resolve, proof.View.Final)
		changes := b.records.Changes()
		require.False(t, prove(b, id).Proved)
		require.Equal(t, changes, b.records.Changes())
		require.Zero(t, b.acme.Calls(activitytest.CallInquire))
	})

	t.Run("anything else leaves the rows alone: the provider must be asked", func(t *testing.T) {
		t.Parallel()
		for _, s := range []payment.AttemptState{"", payment.Declined, payment.Closed} {
			b := setup(t, activitytest.Advisory())
			id := b.mustOpen()
			b.records.StoreEvent(id, s)
			changes := b.records.Changes()
			require.Equal(t, activities.Proof{}, prove(b, id))
			require.Equal(t, changes, b.records.Changes())
			require.Equal(t, 1, b.records.Undispatched())
		}
	})
}

func TestWatch(t *testing.T) {
	t.Parallel()

	t.Run("an undecided attempt is still pending, at the provider's pace when it names one", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		id := b.mustOpen()
		b.acme.Script(activitytest.CallInquire, activitytest.Answer{Out: &psp.Outcome{Status: psp.Processing, CheckAfter: 7 * time.Minute}})
		_, err := b.watch(id)
		hasClass(t, payment.StillPending, err)
		require.False(t, failure(t, err).NonRetryable())
		require.Equal(t, 7*time.Minute, failure(t, err).NextRetryDelay())
		require.Equal(t, payment.Working, b.attempt().State, "what it showed is recorded")
	})

	t.Run("a decision ends it", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		id := b.mustOpen()
		b.acme.Set(id, psp.Succeeded)
		view, err := b.watch(id)
		require.NoError(t, err)
		require.Equal(t, payment.Resolve, view.Final)
	})

	t.Run("absence that proves nothing is looked at again at the policy's pace, not every second", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		b.acme.Script(activitytest.CallOpen, fails(payment.Unknown))
		_, err := b.open()
		require.Error(t, err)
		b.clock.Move(time.Hour)
		_, err = b.watch(b.attempt().ID)
		hasClass(t, payment.StillPending, err)
		require.Zero(t, failure(t, err).NextRetryDelay())
		require.Equal(t, payment.Doubtful, b.attempt().State)
	})

	t.Run("authoritative absence inside the lag waits for its end", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Authoritative(lag))
		b.acme.Script(activitytest.CallOpen, fails(payment.Unknown))
		_, err := b.open()
		require.Error(t, err)
		b.clock.Move(30 * time.Second)
		_, err = b.watch(b.attempt().ID)
		hasClass(t, payment.StillPending, err)
		require.Equal(t, 90*time.Second, failure(t, err).NextRetryDelay())
	})

	t.Run("a failed look-up keeps its class", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		id := b.mustOpen()
		for _, class := range []payment.Class{payment.Unavailable, payment.Unauthorized, payment.RateLimited} {
			b.acme.Script(activitytest.CallInquire, fails(class))
			_, err := b.watch(id)
			hasClass(t, class, err)
		}
		require.Equal(t, payment.Open, b.attempt().State)
	})
}

func TestClose(t *testing.T) {
	t.Parallel()

	t.Run("an open checkout is shut at the provider", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		id := b.mustOpen()
		view, err := b.shut(id)
		require.NoError(t, err)
		require.Empty(t, view.Unfinished)
		require.Equal(t, payment.Closed, b.attempt().State)
		require.Zero(t, b.acme.Holding(psp.Open))
	})

	for status, want := range map[psp.Status]payment.AttemptState{
		psp.Succeeded: payment.Done, psp.Processing: payment.Working, psp.Declined: payment.Declined,
	} {
		t.Run("what came before us is recorded: "+string(status), func(t *testing.T) {
			t.Parallel()
			b := setup(t, activitytest.Advisory())
			id := b.mustOpen()
			b.acme.Set(id, status)
			_, err := b.shut(id)
			require.NoError(t, err)
			require.Equal(t, want, b.attempt().State)
		})
	}

	t.Run("what was never sent is shut without a call", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		b.acme.Script(activitytest.CallOpen, fails(payment.Unavailable))
		_, err := b.open()
		require.Error(t, err)
		before := b.acme.Calls("")
		_, err = b.shut(b.attempt().ID)
		require.NoError(t, err)
		require.Equal(t, before, b.acme.Calls(""))
		require.Equal(t, payment.NotDone, b.attempt().State)
	})

	t.Run("one whose reply was lost is found, then shut", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		b.acme.Script(activitytest.CallOpen, lost())
		_, err := b.open()
		require.Error(t, err)
		_, err = b.shut(b.attempt().ID)
		require.NoError(t, err)
		require.Equal(t, payment.Closed, b.attempt().State)
		require.Equal(t, "obj-"+b.attempt().ID, b.acme.LastRef().Ref)
	})

	t.Run("one that is not found stays unfinished while absence proves nothing", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		b.acme.Script(activitytest.CallOpen, fails(payment.Unknown))
		_, err := b.open()
		require.Error(t, err)
		b.clock.Move(time.Hour)
		_, err = b.shut(b.attempt().ID)
		hasClass(t, payment.StillPending, err)
		require.Equal(t, payment.Doubtful, b.attempt().State)
		require.Zero(t, b.acme.Calls(activitytest.CallClose))
	})

	t.Run("one that is provably absent is not done", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Authoritative(lag))
		b.acme.Script(activitytest.CallOpen, fails(payment.Unknown))
		_, err := b.open()
		require.Error(t, err)
		b.clock.Move(lag)
		_, err = b.shut(b.attempt().ID)
		require.NoError(t, err)
		require.Equal(t, payment.NotDone, b.attempt().State)
	})

	t.Run("a failed shut leaves it open", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		id := b.mustOpen()
		b.acme.Script(activitytest.CallClose, lost())
		_, err := b.shut(id)
		hasClass(t, payment.Unavailable, err)
		require.Equal(t, payment.Open, b.attempt().State)
		_, err = b.shut(id)
		require.NoError(t, err)
		require.Equal(t, payment.Closed, b.attempt().State)
	})
}
