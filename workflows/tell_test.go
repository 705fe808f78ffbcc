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

// paid is a story in which the buyer pays after two minutes.
func paid(t *testing.T) *story {
	t.Helper()
	s := begin(t)
	s.at(time.Minute, func() { s.choose("acme") })
	s.at(2*time.Minute, func() { s.pays(attempt(1)) })
	return s
}

func TestTelling(t *testing.T) {
	t.Parallel()
	away := payment.Errorf(payment.Unavailable, "away")

	t.Run("an unreachable shop is told on the contract's schedule", func(t *testing.T) {
		t.Parallel()
		s := paid(t)
		s.shop.Down(away)
		var tries []int
		for _, after := range []time.Duration{time.Second, 6 * time.Second, 16 * time.Second, 46 * time.Second, 91 * time.Second} {
			s.at(2*time.Minute+after, func() { tries = append(tries, s.shop.Tries()) })
		}
		s.at(3*time.Hour, func() { s.shop.Down(nil) })
		s.run()
		require.Equal(t, []int{1, 2, 3, 4, 5}, tries)
		s.told(resolve)
	})

	t.Run("messages about what is being told do not restart the schedule", func(t *testing.T) {
		t.Parallel()
		s := paid(t)
		s.shop.Down(away)
		for n := range 50 {
			s.at(3*time.Hour+time.Duration(n)*time.Second, func() { s.webhook(attempt(1), payment.Done) })
		}
		s.at(4*time.Hour, func() { s.shop.Down(nil) })
		s.run()
		require.LessOrEqual(t, s.shop.Tries(), 13)
	})

	t.Run("trouble at a provider does not hold up a decided answer", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.shop.Down(away)
		s.at(time.Minute, func() { s.choose("acme") })
		s.at(2*time.Minute, func() { s.webhook(attempt(1), payment.Declined) })
		s.at(3*time.Minute, func() { s.choose("acme") })
		s.at(4*time.Minute, func() { s.pays(attempt(2)) })
		s.at(9*time.Minute, func() {
			s.acme.Down(payment.Errorf(payment.Unauthorized, "key revoked"))
			s.webhook(attempt(1), "")
		})
		s.at(10*time.Minute, func() { s.shop.Down(nil) })
		s.run()
		require.WithinDuration(t, s.start.Add(10*time.Minute), s.shop.HeardAt(resolve), time.Minute)
	})

	t.Run("overdue: a person is told, and the shop still is", func(t *testing.T) {
		t.Parallel()
		s := paid(t)
		s.shop.Down(away)
		s.at(20*time.Hour, func() { require.Equal(t, payment.NobodyNeeded, s.operator()) })
		s.at(49*time.Hour, func() { require.Equal(t, payment.TellOverdue, s.operator()) })
		s.at(100*time.Hour, func() { s.shop.Down(nil) })
		s.run()
		s.told(resolve)
		require.WithinDuration(t, s.start.Add(100*time.Hour), s.shop.HeardAt(resolve), 4*time.Hour)
		require.Equal(t, payment.NobodyNeeded, s.operator())
		require.LessOrEqual(t, s.shop.Tries(), 45)
	})

	t.Run("a reject whose shop is away has a day of its own", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.shop.Down(away)
		s.at(70*time.Hour, func() { require.Equal(t, payment.NobodyNeeded, s.operator()) })
		s.at(72*time.Hour, func() { require.Equal(t, payment.TellOverdue, s.operator()); s.shop.Down(nil) })
		s.run()
		s.told(reject)
	})

	t.Run("retry-now does not wait for the schedule", func(t *testing.T) {
		t.Parallel()
		s := paid(t)
		s.shop.Down(away)
		var pressed *asked
		s.at(10*time.Hour, func() {
			s.shop.Down(nil)
			pressed = s.act(flow.UpdateRetry, payment.Action{ID: "x", Action: "retry"})
		})
		s.run()
		require.Equal(t, s.start.Add(10*time.Hour), s.shop.HeardAt(resolve))
		require.True(t, pressed.done)
		require.NoError(t, pressed.err)
		require.Equal(t, flow.ActionResult{State: payment.Captured}, pressed.result)
	})

	t.Run("a second success meanwhile does not wait for the shop", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.shop.Down(away)
		s.at(time.Minute, func() { s.choose("acme") })
		s.at(2*time.Minute, func() { s.webhook(attempt(1), payment.Declined) })
		s.at(3*time.Minute, func() { s.choose("acme") })
		s.at(4*time.Minute, func() { s.pays(attempt(2)) })
		s.at(10*time.Hour, func() { s.pays(attempt(1)) })
		s.at(10*time.Hour+time.Minute, func() { require.Equal(t, 1, s.acme.Calls(activitytest.CallRefund)); s.shop.Down(nil) })
		s.run()
		s.told(resolve)
	})

	t.Run("a revoked token calls a person and is tried again each half hour", func(t *testing.T) {
		t.Parallel()
		s := paid(t)
		s.shop.Down(payment.Errorf(payment.Unauthorized, "token revoked"))
		s.at(65*time.Minute, func() {
			require.Equal(t, payment.AccountBlocked, s.operator())
			require.Equal(t, 3, s.shop.Tries())
			s.shop.Down(nil)
		})
		s.run()
		s.told(resolve)
		require.Equal(t, payment.NobodyNeeded, s.operator())
	})
}

func TestRefusedAnswer(t *testing.T) {
	t.Parallel()
	refused := func(t *testing.T) *story {
		t.Helper()
		s := paid(t)
		s.shop.Script(activitytest.ShopAnswer{Refused: "SESSION_EXPIRED"})
		s.at(time.Hour, func() { require.Equal(t, payment.ResolveRefused, s.operator()) })
		return s
	}

	t.Run("a refused resolve: the money goes back after the shop's time", func(t *testing.T) {
		t.Parallel()
		s := refused(t)
		s.at(24*time.Hour, func() { require.Zero(t, s.acme.Calls(activitytest.CallRefund)) })
		s.run()
		require.Equal(t, 1, s.acme.Calls(activitytest.CallRefund))
		require.Equal(t, payment.Reversed, s.records.View(pay).State)
		require.Equal(t, s.start.Add(24*time.Hour+2*time.Minute), s.env.Now().UTC())
		require.Equal(t, 1, s.shop.Tries(), "the other answer is never sent")
		require.False(t, s.records.GroupTaken(pay))
	})

	t.Run("a person gives it back at once", func(t *testing.T) {
		t.Parallel()
		s := refused(t)
		s.at(2*time.Hour, func() {
			s.act(flow.UpdateResolve, payment.Action{ID: "x", Action: "resolve", Choice: payment.DecideGiveBack})
		})
		s.run()
		require.Equal(t, 1, s.acme.Calls(activitytest.CallRefund))
		require.Equal(t, s.start.Add(2*time.Hour), s.env.Now().UTC())
	})

	t.Run("a person keeps it: settled with the shop by hand", func(t *testing.T) {
		t.Parallel()
		s := refused(t)
		s.at(2*time.Hour, func() {
			s.act(flow.UpdateResolve, payment.Action{ID: "x", Action: "resolve", Choice: payment.DecideKeep})
		})
		s.run()
		require.Zero(t, s.acme.Calls(activitytest.CallRefund))
		require.Equal(t, payment.Captured, s.records.View(pay).State)
		require.Equal(t, payment.NobodyNeeded, s.operator())
	})

	t.Run("a refused reject ends the charge and calls a person", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.shop.Script(activitytest.ShopAnswer{Refused: "SESSION_EXPIRED"})
		s.run()
		require.Equal(t, payment.RejectRefused, s.operator())
	})

	t.Run("a refused resolve with another checkout still processing: given back once, no hot loop", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.shop.Script(activitytest.ShopAnswer{Refused: "SESSION_EXPIRED"})
		s.at(time.Minute, func() { s.choose("acme") })
		s.at(2*time.Minute, func() { s.webhook(attempt(1), payment.Declined) })
		s.at(3*time.Minute, func() { s.choose("bank") })
		s.at(4*time.Minute, func() { s.bank.Set(attempt(2), psp.Processing); s.pays(attempt(1)) })
		s.at(60*time.Hour, func() { s.bank.Set(attempt(2), psp.Declined) })
		s.run()
		require.Equal(t, 1, s.acme.Calls(activitytest.CallRefund))
	})

	t.Run("money of a wrong amount is not told and waits for a person", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.at(time.Minute, func() { s.choose("acme") })
		s.at(2*time.Minute, func() {
			less := s.input.Amount
			less.Minor--
			s.acme.Script(activitytest.CallInquire, activitytest.Answer{Out: &psp.Outcome{Status: psp.Succeeded, Amount: less, PaymentRef: "m"}})
			s.returns()
		})
		s.at(50*time.Hour, func() {
			require.Equal(t, payment.WrongAmount, s.operator())
			require.Zero(t, s.shop.Tries())
			s.act(flow.UpdateResolve, payment.Action{ID: "x", Action: "resolve", Choice: payment.DecideGiveBack})
		})
		s.run()
		s.told(reject)
		require.Equal(t, 1, s.acme.Calls(activitytest.CallRefund))
	})
}
