package workflows_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/activities/activitytest"
	"tillflow/internal/flow"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

func TestChargeIsPaid(t *testing.T) {
	t.Parallel()

	t.Run("a sale with one option is resolved", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.at(time.Minute, func() { s.choose("acme") })
		s.at(3*time.Minute, func() { s.pays(attempt(1)) })
		result := s.run()
		require.Equal(t, flow.ChargeResult{State: payment.Captured, Final: payment.Resolve}, result)
		s.told(resolve)
		require.Equal(t, 1, s.acme.Calls(activitytest.CallOpen))
		require.Zero(t, s.acme.Calls(activitytest.CallInquire), "the webhook is proof")
		s.bounded(4)
	})

	t.Run("an authorization is resolved as held", func(t *testing.T) {
		t.Parallel()
		s := begin(t, authorization)
		s.at(time.Minute, func() { s.choose("acme") })
		s.at(3*time.Minute, func() {
			s.acme.Set(attempt(1), psp.Authorized)
			s.webhook(attempt(1), payment.Held)
		})
		require.Equal(t, payment.Authorized, s.run().State)
		s.told(resolve)
	})

	t.Run("a choice that was made before the run began is served", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.records.Choose(pay, "acme")
		s.at(time.Minute, func() { s.pays(attempt(1)) })
		s.run()
		s.told(resolve)
	})

	t.Run("another choice shuts the first checkout before the second opens", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.at(time.Minute, func() { s.choose("acme") })
		s.at(2*time.Minute, func() { s.choose("bank") })
		s.bank.Script(activitytest.CallOpen, activitytest.Answer{First: func() {
			if s.acme.Holding(psp.Open) != 0 {
				s.t.Error("two pages were open at once")
			}
		}})
		s.at(3*time.Minute, func() {
			s.bank.Set(attempt(2), psp.Succeeded)
			s.webhook(attempt(2), payment.Done)
		})
		s.run()
		require.Equal(t, []payment.AttemptState{payment.Closed, payment.Done}, s.states())
		s.told(resolve)
	})

	t.Run("the buyer's return makes us look", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.at(time.Minute, func() { s.choose("acme") })
		s.at(3*time.Minute, func() {
			s.acme.Set(attempt(1), psp.Succeeded)
			s.returns()
		})
		s.run()
		require.Equal(t, s.start.Add(3*time.Minute), s.shop.HeardAt(resolve))
	})

	t.Run("a payment of the API has its answer in the row", func(t *testing.T) {
		t.Parallel()
		s := begin(t, fromAPI)
		s.at(time.Minute, func() { s.choose("acme") })
		s.at(2*time.Minute, func() { s.acme.Set(attempt(1), psp.Processing); s.webhook(attempt(1), "") })
		s.at(3*time.Minute, func() { s.pays(attempt(1)) })
		s.run()
		require.Zero(t, s.shop.Tries(), "no shop waits, not even for pending")
	})
}

func TestBuyerTriesAgain(t *testing.T) {
	t.Parallel()

	t.Run("a decline leaves the door open for another method", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.at(time.Minute, func() { s.choose("acme") })
		s.at(2*time.Minute, func() { s.webhook(attempt(1), payment.Declined) })
		s.at(3*time.Minute, func() { s.choose("acme") })
		s.at(4*time.Minute, func() { s.pays(attempt(2)) })
		s.run()
		require.Equal(t, []payment.AttemptState{payment.Declined, payment.Done}, s.states())
		require.Equal(t, []string{"tf:pay:charge:1", "tf:pay:charge:2"}, s.acme.Keys(activitytest.CallOpen))
		s.told(resolve)
	})

	t.Run("too many declines are card testing: rejected", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		for n := 1; n <= 3; n++ {
			s.at(time.Duration(2*n)*time.Minute, func() { s.choose("acme") })
			s.at(time.Duration(2*n+1)*time.Minute, func() { s.webhook(attempt(n), payment.Declined) })
		}
		result := s.run()
		require.Equal(t, flow.ChargeResult{State: payment.Rejected, Final: payment.Reject, Reason: payment.TooManyAttempts}, result)
		require.Equal(t, s.start.Add(7*time.Minute), s.shop.HeardAt(reject))
	})

	t.Run("who leaves shuts the checkout, is not rejected, and may come back", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.at(time.Minute, func() { s.choose("acme") })
		s.at(2*time.Minute, s.leave)
		s.at(3*time.Minute, func() {
			require.Equal(t, []payment.AttemptState{payment.Closed}, s.states())
			require.Empty(t, s.shop.Heard())
			s.choose("bank")
		})
		s.at(4*time.Minute, func() {
			s.bank.Set(attempt(2), psp.Succeeded)
			s.webhook(attempt(2), payment.Done)
		})
		s.run()
		s.told(resolve)
	})

	t.Run("who leaves after paying has paid", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.at(time.Minute, func() { s.choose("acme") })
		s.at(2*time.Minute, func() { s.acme.Set(attempt(1), psp.Succeeded); s.leave() })
		s.run()
		require.Equal(t, []payment.AttemptState{payment.Done}, s.states())
		s.told(resolve)
	})
}

func TestMessagesInAnyOrder(t *testing.T) {
	t.Parallel()

	t.Run("a webhook before the reply of our own call", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.acme.OnOpen(func(id string) { s.acme.Set(id, psp.Succeeded); s.webhook(id, payment.Done) })
		s.at(time.Minute, func() { s.choose("acme") })
		s.run()
		s.told(resolve)
		require.Zero(t, s.records.Undispatched())
	})

	t.Run("a webhook before a reply that is lost", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.acme.Script(activitytest.CallOpen, activitytest.Answer{Done: true, Err: errors.New("reset")})
		s.acme.OnOpen(func(id string) { s.acme.Set(id, psp.Succeeded); s.webhook(id, payment.Done) })
		s.at(time.Minute, func() { s.choose("acme") })
		s.run()
		s.told(resolve)
		require.Equal(t, 1, s.acme.Calls(activitytest.CallOpen))
	})

	t.Run("a duplicate webhook changes nothing", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.at(time.Minute, func() { s.choose("acme") })
		s.at(2*time.Minute, func() { s.pays(attempt(1)); s.pays(attempt(1)); s.pays(attempt(1)) })
		s.run()
		s.told(resolve)
		require.Empty(t, s.records.View(pay).Reversals)
		require.Zero(t, s.records.Undispatched())
	})

	t.Run("a decline after success is ignored", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.shop.Script(activitytest.ShopAnswer{Err: errors.New("reset")})
		s.at(time.Minute, func() { s.choose("acme") })
		s.at(2*time.Minute, func() { s.pays(attempt(1)) })
		s.at(2*time.Minute+time.Second, func() { s.webhook(attempt(1), payment.Declined) })
		s.run()
		s.told(resolve)
		require.Equal(t, []payment.AttemptState{payment.Done}, s.states())
	})

	t.Run("a late success on a declined attempt wins while the charge is open", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.at(time.Minute, func() { s.choose("acme") })
		s.at(2*time.Minute, func() { s.webhook(attempt(1), payment.Declined) })
		s.at(time.Hour, func() { s.pays(attempt(1)) })
		s.run()
		s.told(resolve)
	})

	t.Run("a late success while another checkout is open is told, and that checkout is shut", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.at(time.Minute, func() { s.choose("acme") })
		s.at(2*time.Minute, func() { s.webhook(attempt(1), payment.Declined) })
		s.at(3*time.Minute, func() { s.choose("bank") })
		s.at(4*time.Minute, func() { s.pays(attempt(1)) })
		s.run()
		s.told(resolve)
		require.Equal(t, []payment.AttemptState{payment.Done, payment.Closed}, s.states())
		require.Zero(t, s.bank.Holding(psp.Open))
		s.bounded(10)
	})

	t.Run("that checkout is processing: watched until it is final, and given back", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.at(time.Minute, func() { s.choose("acme") })
		s.at(2*time.Minute, func() { s.webhook(attempt(1), payment.Declined) })
		s.at(3*time.Minute, func() { s.choose("bank") })
		s.at(4*time.Minute, func() { s.bank.Set(attempt(2), psp.Processing); s.pays(attempt(1)) })
		s.at(60*time.Hour, func() { s.bank.Set(attempt(2), psp.Succeeded) })
		s.run()
		s.told(resolve)
		require.Equal(t, 1, s.bank.Calls(activitytest.CallRefund))
		require.Equal(t, payment.NobodyNeeded, s.operator())
	})
}

func TestProcessing(t *testing.T) {
	t.Parallel()
	processing := func(t *testing.T) *story {
		t.Helper()
		s := begin(t)
		s.at(time.Minute, func() { s.choose("acme") })
		s.at(2*time.Minute, func() { s.acme.Set(attempt(1), psp.Processing); s.returns() })
		return s
	}

	t.Run("pending is told on the provider's evidence, then success", func(t *testing.T) {
		t.Parallel()
		s := processing(t)
		s.at(5*time.Hour, func() { s.acme.Set(attempt(1), psp.Succeeded) })
		s.run()
		s.told(pending, resolve)
		require.Equal(t, s.start.Add(2*time.Minute), s.shop.HeardAt(pending))
		require.WithinDuration(t, s.start.Add(5*time.Hour), s.shop.HeardAt(resolve), 31*time.Minute, "found by the watch")
		s.bounded(30)
	})

	t.Run("then failure: the buyer may try again", func(t *testing.T) {
		t.Parallel()
		s := processing(t)
		s.at(5*time.Hour, func() { s.webhook(attempt(1), payment.Declined) })
		s.at(6*time.Hour, func() { s.choose("acme") })
		s.at(7*time.Hour, func() { s.pays(attempt(2)) })
		s.run()
		s.told(pending, resolve)
	})

	t.Run("a buyer who has not finished is not pending", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.at(time.Minute, func() { s.choose("acme") })
		s.at(2*time.Minute, s.returns)
		s.at(time.Hour, func() { s.pays(attempt(1)) })
		s.run()
		s.told(resolve)
	})

	t.Run("a refused pending is not asked again", func(t *testing.T) {
		t.Parallel()
		s := processing(t)
		s.shop.Script(activitytest.ShopAnswer{Refused: "NO"})
		s.at(5*time.Hour, func() { s.pays(attempt(1)) })
		s.run()
		s.told(resolve)
		require.Equal(t, 2, s.shop.Tries())
	})

	t.Run("a shop that cannot be told pending does not hold up the answer", func(t *testing.T) {
		t.Parallel()
		s := processing(t)
		s.at(time.Second, func() { s.shop.Down(payment.Errorf(payment.Unknown, "reset")) })
		s.at(5*time.Hour, func() { s.shop.Down(nil); s.pays(attempt(1)) })
		s.run()
		require.Equal(t, s.start.Add(5*time.Hour), s.shop.HeardAt(resolve))
		require.Equal(t, payment.NobodyNeeded, s.operator())
	})

	t.Run("what is processing cannot be expired away: it is watched to its end", func(t *testing.T) {
		t.Parallel()
		s := processing(t)
		s.at(3*time.Hour, func() { s.act(flow.UpdateExpire, payment.Action{ID: "x", Action: "expire"}) })
		s.at(9*time.Hour, func() { s.acme.Set(attempt(1), psp.Closed) })
		require.Equal(t, payment.Cancelled, s.run().Reason)
		require.Zero(t, s.acme.Calls(activitytest.CallClose))
		s.bounded(40)
	})
}
