package activities_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/activities/activitytest"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

const lag = 2 * time.Minute

func TestSend(t *testing.T) {
	t.Parallel()

	t.Run("a fresh send records the provider's answer as evidence", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Authoritative(lag))
		view, err := b.open()
		require.NoError(t, err)
		require.Equal(t, payment.AwaitingBuyer, view.State)
		require.Equal(t, payment.Open, b.attempt().State)
		require.Equal(t, []payment.EvidenceKind{payment.ByAnswer}, b.attempt().Evidence)
		require.Equal(t, []string{"tf:pay:charge:1"}, b.acme.Keys(activitytest.CallOpen))
		require.Zero(t, b.acme.Calls(activitytest.CallInquire), "nothing was begun before, so nothing is looked up")
	})

	t.Run("without a choice nothing is sent", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		b.records.Leave(pay)
		_, err := b.open()
		require.NoError(t, err)
		require.Zero(t, b.acme.Calls(""))
		require.Empty(t, b.records.Attempts(pay))
	})

	t.Run("an unclassified failure leaves the attempt in doubt and never decides", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Authoritative(lag))
		b.acme.Script(activitytest.CallOpen, lost())
		_, err := b.open()
		hasClass(t, payment.Unknown, err)
		require.False(t, failure(t, err).NonRetryable(), "the send log looks first, so a retry is safe")
		require.Equal(t, payment.Doubtful, b.attempt().State)
		require.Empty(t, b.attempt().Evidence)
	})

	for _, class := range []payment.Class{payment.Conflict, payment.NotFound, payment.StillPending, payment.Bug} {
		t.Run("a fresh send that ends as "+string(class)+" leaves doubt", func(t *testing.T) {
			t.Parallel()
			b := setup(t, activitytest.Advisory())
			b.acme.Script(activitytest.CallOpen, fails(class))
			_, err := b.open()
			hasClass(t, class, err)
			require.Equal(t, payment.Doubtful, b.attempt().State)
		})
	}

	for _, class := range []payment.Class{payment.Unavailable, payment.RateLimited, payment.Unauthorized} {
		t.Run("a fresh send that ends as "+string(class)+" was certainly not sent", func(t *testing.T) {
			t.Parallel()
			b := setup(t, activitytest.Advisory())
			b.acme.Script(activitytest.CallOpen, fails(class))
			_, err := b.open()
			hasClass(t, class, err)
			require.Equal(t, payment.Allocated, b.attempt().State)

			_, err = b.open()
			require.NoError(t, err)
			require.Equal(t, payment.Open, b.attempt().State)
			require.Zero(t, b.acme.Calls(activitytest.CallInquire), "what was never sent is not looked up")
			require.Equal(t, []string{"tf:pay:charge:1", "tf:pay:charge:1"}, b.acme.Keys(activitytest.CallOpen))
		})

		t.Run("a repeat that ends as "+string(class)+" says nothing about the first send", func(t *testing.T) {
			t.Parallel()
			b := setup(t, activitytest.Advisory())
			b.acme.Script(activitytest.CallOpen, fails(payment.Unknown), fails(class))
			_, err := b.open()
			hasClass(t, payment.Unknown, err)
			_, err = b.open()
			hasClass(t, class, err)
			require.Equal(t, payment.Doubtful, b.attempt().State)
		})
	}

	t.Run("a worker that slept through its time does not call unsent what another sent meanwhile", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		b.acme.Script(activitytest.CallOpen, activitytest.Answer{
			First: func() {
				_, err := b.records.MarkSent(t.Context(), b.attempt().ID, 1)
				require.NoError(t, err)
			},
			Err: payment.Errorf(payment.Unavailable, "scripted"),
		})
		_, err := b.open()
		hasClass(t, payment.Unavailable, err)
		require.Equal(t, payment.Sent, b.attempt().State, "the other send may have arrived")
	})

	for _, class := range []payment.Class{payment.Invalid, payment.Unsupported} {
		t.Run("a fresh send that ends as "+string(class)+" is decided no", func(t *testing.T) {
			t.Parallel()
			b := setup(t, activitytest.Advisory())
			b.acme.Script(activitytest.CallOpen, activitytest.Answer{Err: &payment.Error{Class: class, Code: "bad_field", Message: "scripted"}})
			_, err := b.open()
			hasClass(t, class, err)
			require.True(t, failure(t, err).NonRetryable())
			require.Equal(t, payment.Declined, b.attempt().State)
			require.Equal(t, []payment.EvidenceKind{payment.ByAnswer}, b.attempt().Evidence)
		})

		t.Run("a repeat that ends as "+string(class)+" decides nothing", func(t *testing.T) {
			t.Parallel()
			b := setup(t, activitytest.Advisory())
			b.acme.Script(activitytest.CallOpen, fails(payment.Unknown), fails(class))
			_, err := b.open()
			hasClass(t, payment.Unknown, err)
			_, err = b.open()
			hasClass(t, class, err)
			require.Equal(t, payment.Doubtful, b.attempt().State)
		})
	}

	t.Run("beyond the cap of calls in flight nothing is sent", func(t *testing.T) {
		t.Parallel()
		contract := activitytest.Advisory()
		contract.InFlight = 1
		b := setup(t, contract)
		b.records.Accept(session("other", b.clock.Now()))
		b.records.Choose("other", "acme")
		var second error
		b.acme.Script(activitytest.CallOpen, activitytest.Answer{First: func() { _, second = b.openOf("other") }})
		_, err := b.open()
		require.NoError(t, err)
		hasClass(t, payment.Unavailable, second)
		require.Zero(t, failure(t, second).NextRetryDelay(), "it comes again after the policy's own pauses")
		require.Equal(t, payment.Allocated, b.records.Attempts("other")[0].State)
		_, err = b.openOf("other")
		require.NoError(t, err, "the place is free again")
	})

	t.Run("a rush waits its turn for a moment", func(t *testing.T) {
		t.Parallel()
		contract := activitytest.Advisory()
		contract.InFlight = 1
		b := setup(t, contract)
		b.records.Accept(session("other", b.clock.Now()))
		b.records.Choose("other", "acme")
		second := make(chan error, 1)
		b.acme.Script(activitytest.CallOpen, activitytest.Answer{First: func() {
			go func() {
				_, err := b.openOf("other")
				second <- err
			}()
		}})
		_, err := b.open()
		require.NoError(t, err)
		require.NoError(t, <-second)
	})

	t.Run("the note about what is not known outlives the caller's time", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		ctx, cancel := context.WithCancel(t.Context())
		b.ctx = ctx
		b.acme.Script(activitytest.CallOpen, activitytest.Answer{First: cancel})
		_, err := b.open()
		hasClass(t, payment.Unknown, err)
		require.Equal(t, payment.Doubtful, b.attempt().State)
	})
}

func TestRepeatLooksFirst(t *testing.T) {
	t.Parallel()

	t.Run("what the lost reply said is found, and nothing is sent again", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		b.acme.Script(activitytest.CallOpen, lost())
		_, err := b.open()
		require.Error(t, err)
		view, err := b.open()
		require.NoError(t, err)
		require.Equal(t, payment.AwaitingBuyer, view.State)
		require.Equal(t, []payment.EvidenceKind{payment.ByLookup}, b.attempt().Evidence)
		require.Equal(t, 1, b.acme.Calls(activitytest.CallOpen))
		require.Equal(t, 1, b.acme.Holding(psp.Open))
	})

	for _, class := range []payment.Class{payment.Unavailable, payment.RateLimited, payment.Unauthorized} {
		t.Run("a worker that died after sending may have been heard, whatever the repeat brings: "+string(class), func(t *testing.T) {
			t.Parallel()
			b := setup(t, activitytest.Advisory())
			_, err := b.records.BeginCheckout(t.Context(), pay)
			require.NoError(t, err)
			b.acme.Script(activitytest.CallOpen, fails(class))
			_, err = b.open()
			hasClass(t, class, err)
			require.Equal(t, payment.Sent, b.attempt().State)
		})
	}

	t.Run("a send log without an answer is looked up too: the worker may have died after sending", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		_, err := b.records.BeginCheckout(t.Context(), pay)
		require.NoError(t, err)
		_, err = b.open()
		require.NoError(t, err)
		require.Equal(t, 1, b.acme.Calls(activitytest.CallInquire))
		require.Equal(t, []string{"tf:pay:charge:1"}, b.acme.Keys(activitytest.CallOpen))
	})

	t.Run("inside the key's retention the same request goes out again under the same key", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		b.acme.Script(activitytest.CallOpen, fails(payment.Unknown))
		_, err := b.open()
		require.Error(t, err)
		b.clock.Move(23 * time.Hour)
		_, err = b.open()
		require.NoError(t, err)
		require.Equal(t, []string{"tf:pay:charge:1", "tf:pay:charge:1"}, b.acme.Keys(activitytest.CallOpen))
	})

	t.Run("advisory absence never resends once the provider forgets keys", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		b.acme.Script(activitytest.CallOpen, fails(payment.Unknown))
		_, err := b.open()
		require.Error(t, err)
		for range 3 {
			b.clock.Move(24 * time.Hour)
			_, err = b.open()
			hasClass(t, payment.Unknown, err)
		}
		require.Equal(t, 1, b.acme.Calls(activitytest.CallOpen))
		require.Equal(t, payment.Doubtful, b.attempt().State)
	})

	t.Run("a provider that knows no keys never gets a repeat", func(t *testing.T) {
		t.Parallel()
		contract := activitytest.Advisory()
		contract.KeyRetention = 0
		b := setup(t, contract)
		b.acme.Script(activitytest.CallOpen, fails(payment.Unknown))
		_, err := b.open()
		require.Error(t, err)
		_, err = b.open()
		hasClass(t, payment.Unknown, err)
		require.Equal(t, 1, b.acme.Calls(activitytest.CallOpen))
	})

	t.Run("authoritative absence past the lag is decided not done, and a new key follows", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Authoritative(lag))
		b.acme.Script(activitytest.CallOpen, fails(payment.Unknown))
		_, err := b.open()
		require.Error(t, err)

		b.clock.Move(time.Minute)
		_, err = b.open()
		hasClass(t, payment.Unknown, err)
		require.Equal(t, time.Minute, failure(t, err).NextRetryDelay(), "look again when the lag is over")
		require.Equal(t, 1, b.acme.Calls(activitytest.CallOpen))

		b.clock.Move(time.Minute)
		view, err := b.open()
		require.NoError(t, err)
		require.Equal(t, payment.NotDone, b.attempt().State)
		require.Equal(t, []payment.EvidenceKind{payment.ByAbsence}, b.attempt().Evidence)
		require.Equal(t, 1, view.Wanted, "the buyer's choice is unserved again")

		_, err = b.open()
		require.NoError(t, err)
		require.Equal(t, []string{"tf:pay:charge:1", "tf:pay:charge:2"}, b.acme.Keys(activitytest.CallOpen))
	})

	t.Run("a stored error that is replayed for ever ends with the absence that proves it", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Authoritative(lag))
		for range 50 {
			b.acme.Script(activitytest.CallOpen, fails(payment.Unknown))
		}
		_, err := b.open()
		for i := 0; err != nil && i < 20; i++ {
			b.clock.Move(10 * time.Second)
			_, err = b.open()
		}
		require.NoError(t, err)
		require.Equal(t, payment.NotDone, b.attempt().State)
		require.LessOrEqual(t, b.acme.Calls(activitytest.CallOpen), 4, "it is given up after half a minute")
	})

	t.Run("a look-up that fails allows nothing", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Authoritative(lag))
		b.acme.Script(activitytest.CallOpen, fails(payment.Unknown))
		_, err := b.open()
		require.Error(t, err)
		b.clock.Move(time.Hour)
		for look, class := range map[payment.Class]payment.Class{
			// Nothing was looked at: what became of the send is as unknown as before.
			payment.Unavailable: payment.Unknown, payment.RateLimited: payment.Unknown,
			payment.Unauthorized: payment.Unauthorized, payment.Unknown: payment.Unknown,
		} {
			b.acme.Script(activitytest.CallInquire, fails(look))
			_, err = b.open()
			hasClass(t, class, err)
		}
		require.Equal(t, 1, b.acme.Calls(activitytest.CallOpen))
		require.Equal(t, payment.Doubtful, b.attempt().State)
	})
}

func TestCheckoutEndsBeforeTheDecision(t *testing.T) {
	t.Parallel()
	ends := func(t *testing.T, at time.Duration, contract psp.Contract) (received, end time.Time) {
		t.Helper()
		b := setup(t, contract)
		received = b.clock.Now()
		b.clock.Move(at)
		b.mustOpen()
		return received, b.attempt().ExpiresAt
	}
	contract := activitytest.Advisory()

	received, end := ends(t, 0, contract)
	require.Equal(t, received.Add(24*time.Hour), end, "as long as the provider allows")
	received, end = ends(t, 40*time.Hour, contract)
	require.Equal(t, received.Add(47*time.Hour), end, "never past the decision")
	received, end = ends(t, 46*time.Hour+50*time.Minute, contract)
	require.Equal(t, received.Add(46*time.Hour+50*time.Minute+31*time.Minute), end, "never nearer than the provider takes")

	t.Run("what a provider away for a day never saw still gets an end ahead", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		b.acme.Script(activitytest.CallOpen, fails(payment.Unavailable))
		_, err := b.open()
		require.Error(t, err)
		b.clock.Move(25 * time.Hour)
		b.mustOpen()
		require.True(t, b.attempt().ExpiresAt.After(b.clock.Now().Add(12*time.Hour)))
	})

	t.Run("a repeat under the same key asks for the same end", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		received := b.clock.Now()
		b.acme.Script(activitytest.CallOpen, fails(payment.Unknown))
		_, err := b.open()
		require.Error(t, err)
		b.clock.Move(11 * time.Hour)
		b.mustOpen()
		require.Equal(t, received.Add(24*time.Hour), b.attempt().ExpiresAt)
	})
}
