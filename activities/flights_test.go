package activities_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/activities"
	"tillflow/activities/activitytest"
	"tillflow/internal/payment"
)

// more accepts further payments at an account and answers their ids.
func (b *bundle) more(account string, n int) []string {
	var ids []string
	for i := range n {
		id := fmt.Sprintf("%s-%d", account, i)
		b.records.Accept(session(id, b.clock.Now()))
		b.records.Choose(id, account)
		ids = append(ids, id)
	}
	return ids
}

// hang makes n calls of a kind hang at a provider until release, and answers when all of them do.
func hang(t *testing.T, p *activitytest.Provider, call string, n int, begin func(int)) (release func()) {
	t.Helper()
	hung, end := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		p.Script(call, activitytest.Answer{First: func() { hung <- struct{}{}; <-end }})
		all.Go(func() { begin(i) })
	}
	for range n {
		<-hung
	}
	return func() { close(end); all.Wait() }
}

// trip lets sends fail until the account is paused, and answers their payments.
func (b *bundle) trip(a activitytest.Answer) []string {
	b.t.Helper()
	ids := b.more("acme", 5)
	for _, id := range ids {
		b.acme.Script(activitytest.CallOpen, a)
		_, err := b.openOf(id)
		require.Error(b.t, err)
	}
	return ids
}

func TestPausedAccount(t *testing.T) {
	t.Parallel()

	for name, silence := range map[string]activitytest.Answer{
		"time-outs": {Err: context.DeadlineExceeded}, "lost replies": lost(), "a provider out of reach": fails(payment.Unavailable),
		"failures that say nothing": fails(payment.Unknown),
	} {
		t.Run("after five of "+name+" a new send is certainly not sent, and the words and codes say so", func(t *testing.T) {
			t.Parallel()
			b := setup(t, activitytest.Authoritative(lag))
			b.trip(silence)
			sent := b.acme.Calls(activitytest.CallOpen)
			_, err := b.open()
			hasClass(t, payment.Unavailable, err)
			require.ErrorContains(t, err, "paused: nothing was sent (account_paused)")
			require.True(t, failure(t, err).NonRetryable(), "the workflow rests, and hears the buyer meanwhile")
			require.GreaterOrEqual(t, failure(t, err).NextRetryDelay(), 5*time.Second/4)
			require.Equal(t, sent, b.acme.Calls(activitytest.CallOpen))
			require.Equal(t, payment.Allocated, b.attempt().State)
			require.Empty(t, b.attempt().Evidence)
		})
	}

	for _, class := range []payment.Class{
		payment.Invalid, payment.Unauthorized, payment.RateLimited, payment.NotFound, payment.Conflict, payment.Unsupported, payment.StillPending, payment.Bug,
	} {
		t.Run("refusals do not pause: "+string(class), func(t *testing.T) {
			t.Parallel()
			b := setup(t, activitytest.Advisory())
			b.trip(fails(class))
			_, err := b.open()
			require.NoError(t, err)
			require.Empty(t, b.pauses.All())
		})
	}

	t.Run("a caller that leaves says nothing of the provider", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		for _, id := range b.more("acme", 6) {
			ctx, cancel := context.WithCancel(t.Context())
			b.acme.Script(activitytest.CallOpen, activitytest.Answer{First: cancel})
			_, err := b.OpenCheckout(ctx, activities.CheckoutInput{PaymentID: id})
			require.Error(t, err)
		}
		require.Empty(t, b.pauses.All())
	})

	t.Run("what is in doubt stays in doubt and is looked up all the while", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		_, err := b.records.BeginCheckout(t.Context(), pay)
		require.NoError(t, err)
		tripped := b.trip(activitytest.Answer{Err: context.DeadlineExceeded})
		looks := b.acme.Calls(activitytest.CallInquire)

		_, err = b.open() // a worker died after sending it, and the provider does not know it
		hasClass(t, payment.Unknown, err)
		require.ErrorContains(t, err, "in doubt")
		require.Equal(t, payment.Sent, b.attempt().State, "being held back is no evidence")
		_, err = b.openOf(tripped[0])
		hasClass(t, payment.Unknown, err)
		require.Equal(t, payment.Doubtful, b.records.Attempts(tripped[0])[0].State)
		require.Equal(t, looks+2, b.acme.Calls(activitytest.CallInquire))
	})

	t.Run("what was done all the same is found while the account is paused", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		for _, id := range b.trip(lost()) {
			view, err := b.openOf(id)
			require.NoError(t, err)
			require.Equal(t, payment.AwaitingBuyer, view.State)
		}
	})

	t.Run("a payment that was never sent can be rejected at its deadline", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		b.trip(activitytest.Answer{Err: context.DeadlineExceeded})
		_, err := b.open()
		require.Error(t, err)
		_, err = b.shut(b.attempt().ID)
		require.NoError(t, err)
		require.Equal(t, payment.NotDone, b.attempt().State)
		view, err := b.records.DecideReject(t.Context(), pay, payment.TimedOut)
		require.NoError(t, err)
		require.Equal(t, payment.Reject, view.Final)
	})

	t.Run("being held back again writes nothing", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		b.trip(activitytest.Answer{Err: context.DeadlineExceeded})
		_, err := b.open()
		require.Error(t, err)
		before := b.attempt()
		for range 3 {
			_, err = b.open()
			hasClass(t, payment.Unavailable, err)
		}
		require.Equal(t, before, b.attempt())
	})

	t.Run("one send tries after the pause, and what it finds holds for all", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		b.trip(activitytest.Answer{Err: context.DeadlineExceeded})
		b.clock.Move(5 * time.Second / 4)
		b.records.Accept(session("other", b.clock.Now()))
		b.records.Choose("other", "acme")
		var meanwhile error
		b.acme.Script(activitytest.CallOpen, activitytest.Answer{First: func() { _, meanwhile = b.openOf("other") }})
		_, err := b.open()
		require.NoError(t, err)
		require.ErrorContains(t, meanwhile, payment.CodePaused)
		_, err = b.openOf("other")
		require.NoError(t, err)
	})

	t.Run("people see the pause begin, last and end", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		b.pauses.Err = errors.New("the database is away, which stops nothing")
		start := b.clock.Now()
		b.trip(activitytest.Answer{Err: context.DeadlineExceeded})
		b.clock.Move(5 * time.Second / 4)
		b.acme.Script(activitytest.CallOpen, activitytest.Answer{Err: context.DeadlineExceeded})
		_, err := b.open()
		hasClass(t, payment.Unknown, err)
		b.clock.Move(5 * time.Second / 2)
		b.records.Accept(session("other", b.clock.Now()))
		b.records.Choose("other", "acme")
		_, err = b.openOf("other")
		require.NoError(t, err)

		notes := b.pauses.All()
		require.Len(t, notes, 3)
		require.Equal(t, payment.Pause{AccountID: notes[0].AccountID, Worker: "w1", Since: start, Until: start.Add(5 * time.Second / 4), Failures: 5}, notes[0])
		require.Equal(t, start, notes[1].Since)
		require.Equal(t, 6, notes[1].Failures)
		require.Equal(t, payment.Pause{AccountID: notes[0].AccountID, Worker: "w1"}, notes[2])
	})
}

func TestHungProvider(t *testing.T) {
	t.Parallel()

	// twoAccounts are of one provider; the second one's calls are told apart by its own books.
	twoAccounts := func(t *testing.T) (b *bundle, second *activitytest.Provider) {
		t.Helper()
		b = setup(t, activitytest.Advisory())
		second = activitytest.NewProvider("acme", activitytest.Advisory())
		b.neighbours["second"] = second
		return b, second
	}

	t.Run("sends that hang at one account leave another account of the provider alone", func(t *testing.T) {
		t.Parallel()
		b, second := twoAccounts(t)
		ids := b.more("acme", 4)
		release := hang(t, b.acme, activitytest.CallOpen, 4, func(i int) { _, _ = b.openOf(ids[i]) })
		defer release()
		_, err := b.openOf(b.more("second", 1)[0])
		require.NoError(t, err)
		require.Equal(t, 1, second.Calls(activitytest.CallOpen))
		_, err = b.open()
		require.ErrorContains(t, err, "in_flight_cap")
	})

	t.Run("look-ups that hang have places of their own, as many as sends", func(t *testing.T) {
		t.Parallel()
		b, second := twoAccounts(t)
		attempts := make([]string, 5)
		for i, id := range b.more("acme", 5) {
			_, err := b.openOf(id)
			require.NoError(t, err)
			attempts[i] = b.records.Attempts(id)[0].ID
		}
		release := hang(t, b.acme, activitytest.CallInquire, 4, func(i int) { _, _ = b.settle(attempts[i]) })
		defer release()
		_, err := b.settle(attempts[4])
		hasClass(t, payment.Unavailable, err)
		_, err = b.open()
		require.NoError(t, err, "a send does not wait for look-ups")

		other := b.more("second", 1)[0]
		_, err = b.openOf(other)
		require.NoError(t, err)
		_, err = b.settle(b.records.Attempts(other)[0].ID)
		require.NoError(t, err)
		require.Equal(t, 1, second.Calls(activitytest.CallInquire))
	})

	t.Run("while its sends are paused an account has few look-ups in flight, and none waits", func(t *testing.T) {
		t.Parallel()
		contract := activitytest.Advisory()
		contract.InFlight = 40
		b := setup(t, contract)
		tripped := b.trip(activitytest.Answer{Err: context.DeadlineExceeded})
		release := hang(t, b.acme, activitytest.CallInquire, 4, func(i int) { _, _ = b.openOf(tripped[i]) })
		defer release()
		_, err := b.openOf(tripped[4])
		hasClass(t, payment.Unknown, err)
		require.Positive(t, failure(t, err).NextRetryDelay())
	})

	t.Run("a provider that hangs at all accounts leaves half of the slots to others", func(t *testing.T) {
		t.Parallel()
		contract := activitytest.Advisory()
		contract.InFlight = activities.Slots
		b := setup(t, contract)
		var releases []func()
		for n := range 5 {
			account := fmt.Sprintf("acme%d", n)
			hung := activitytest.NewProvider("acme", contract)
			b.neighbours[account] = hung
			ids := b.more(account, activities.Slots/10)
			releases = append(releases, hang(t, hung, activitytest.CallOpen, len(ids), func(i int) { _, _ = b.openOf(ids[i]) }))
		}
		defer func() {
			for _, release := range releases {
				release()
			}
		}()
		_, err := b.open()
		require.ErrorContains(t, err, "in_flight_cap")
		b.neighbours["bolt"] = activitytest.NewProvider("bolt", contract)
		_, err = b.openOf(b.more("bolt", 1)[0])
		require.NoError(t, err)
	})
}
