package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/activities/activitytest"
	"tillflow/internal/flow"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

const decision = 47 * time.Hour

func TestDeadline(t *testing.T) {
	t.Parallel()

	t.Run("nobody chooses: rejected at 47 hours, to the second", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		require.Equal(t, flow.ChargeResult{State: payment.Rejected, Final: payment.Reject, Reason: payment.TimedOut}, s.run())
		require.Equal(t, s.start.Add(decision), s.shop.HeardAt(reject))
		s.bounded(0)
	})

	t.Run("it counts from receipt, not from the start of a run", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.fresh(s.start.Add(10 * time.Hour))
		s.run()
		require.Equal(t, s.start.Add(decision), s.shop.HeardAt(reject))
	})

	t.Run("a run that begins after it decides at once", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.fresh(s.start.Add(60 * time.Hour))
		s.run()
		require.Equal(t, s.start.Add(60*time.Hour), s.shop.HeardAt(reject))
	})

	t.Run("nobody pays: the page is shut first, then rejected", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.at(time.Minute, func() { s.choose("acme") })
		s.run()
		require.Equal(t, s.start.Add(decision), s.shop.HeardAt(reject))
		require.Equal(t, []payment.AttemptState{payment.Closed}, s.states())
		require.Zero(t, s.acme.Holding(psp.Open))
		s.bounded(110) // looks at the open page every half hour
	})

	t.Run("paid while the webhook is lost: found by the slow look-up", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.at(time.Minute, func() { s.choose("acme") })
		s.at(3*time.Hour, func() { s.acme.Set(attempt(1), psp.Succeeded) })
		s.run()
		s.told(resolve)
		require.WithinDuration(t, s.start.Add(3*time.Hour), s.shop.HeardAt(resolve), 30*time.Minute)
	})

	t.Run("paid in the last minute: the last look finds it", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.at(time.Minute, func() { s.choose("acme") })
		s.at(decision-time.Second, func() { s.acme.Set(attempt(1), psp.Succeeded) })
		s.run()
		s.told(resolve)
		require.Equal(t, s.start.Add(decision), s.shop.HeardAt(resolve))
	})

	t.Run("processing is never nothing: a person is called and nothing is rejected", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.at(time.Minute, func() { s.choose("acme") })
		s.at(2*time.Minute, func() { s.acme.Set(attempt(1), psp.Processing); s.returns() })
		s.at(decision+2*time.Hour, func() {
			require.Equal(t, payment.InDoubt, s.operator())
			require.Equal(t, []string{pending}, s.shop.Heard())
		})
		s.at(90*time.Hour, func() { s.acme.Set(attempt(1), psp.Succeeded) })
		s.runWithin(300) // the look-up and the attempts to shut, each half hour
		s.told(pending, resolve)
		require.Equal(t, payment.NobodyNeeded, s.operator())
	})

	t.Run("a refusal that ends the doubt is told at once, not after the pause", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.at(time.Minute, func() { s.choose("acme") })
		s.at(2*time.Minute, func() { s.acme.Set(attempt(1), psp.Processing); s.returns() })
		s.at(decision+10*time.Minute, func() {
			require.Equal(t, payment.InDoubt, s.operator())
			s.webhook(attempt(1), payment.Declined)
		})
		s.run()
		s.told(pending, reject)
		require.Equal(t, s.start.Add(decision+10*time.Minute), s.shop.HeardAt(reject))
	})
}

func TestInDoubtAtTheDeadline(t *testing.T) {
	t.Parallel()
	doubt := func(t *testing.T) *story {
		t.Helper()
		s := begin(t, advisory)
		s.acme.Script(activitytest.CallOpen, activitytest.Answer{Err: payment.Errorf(payment.Unknown, "lost")})
		s.at(time.Minute, func() { s.choose("acme"); s.acme.Down(payment.Errorf(payment.NotFound, "no trace")) })
		s.at(decision+time.Hour, func() {
			require.Equal(t, payment.InDoubt, s.operator())
			require.Empty(t, s.shop.Heard(), "nothing is rejected")
			require.Equal(t, []payment.AttemptState{payment.Doubtful}, s.states())
		})
		return s
	}
	// The provider knows keys for a day, so the request is repeated under the same
	// key as long as that is safe.
	sameKey := func(t *testing.T, s *story) {
		t.Helper()
		for _, key := range s.acme.Keys(activitytest.CallOpen) {
			require.Equal(t, "tf:pay:charge:1", key)
		}
	}

	t.Run("a later webhook resolves", func(t *testing.T) {
		t.Parallel()
		s := doubt(t)
		s.at(70*time.Hour, func() { s.webhook(attempt(1), payment.Done) })
		s.runWithin(800)
		require.Equal(t, s.start.Add(70*time.Hour), s.shop.HeardAt(resolve))
		require.Equal(t, payment.NobodyNeeded, s.operator())
		sameKey(t, s)
	})

	t.Run("a person who saw nothing at the provider lets it be rejected", func(t *testing.T) {
		t.Parallel()
		s := doubt(t)
		s.at(70*time.Hour, func() {
			s.act(flow.UpdateResolve, payment.Action{ID: "x", Action: "resolve", Choice: payment.DecideNotPaid, AttemptID: attempt(1)})
		})
		s.runWithin(800)
		require.Equal(t, s.start.Add(70*time.Hour), s.shop.HeardAt(reject))
	})

	t.Run("a person who saw the money lets it be resolved", func(t *testing.T) {
		t.Parallel()
		s := doubt(t)
		s.at(70*time.Hour, func() {
			s.act(flow.UpdateResolve, payment.Action{ID: "x", Action: "resolve", Choice: payment.DecidePaid, AttemptID: attempt(1)})
		})
		s.runWithin(800)
		require.Equal(t, s.start.Add(70*time.Hour), s.shop.HeardAt(resolve))
		s.told(resolve)
	})

	t.Run("nothing is sent again once the provider forgets keys", func(t *testing.T) {
		t.Parallel()
		s := doubt(t)
		var sent int
		s.at(25*time.Hour, func() { sent = s.acme.Calls(activitytest.CallOpen) })
		s.at(70*time.Hour, func() {
			require.Equal(t, sent, s.acme.Calls(activitytest.CallOpen))
			s.webhook(attempt(1), payment.Done)
		})
		s.runWithin(800)
	})
}
