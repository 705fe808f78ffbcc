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

func TestProviderTrouble(t *testing.T) {
	t.Parallel()

	t.Run("a lost reply is looked up, and one page is open", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.acme.Script(activitytest.CallOpen, activitytest.Answer{Done: true, Err: errors.New("reset")})
		s.at(time.Minute, func() { s.choose("acme") })
		s.at(2*time.Minute, func() { s.pays(attempt(1)) })
		s.run()
		s.told(resolve)
		require.Equal(t, 1, s.acme.Calls(activitytest.CallOpen))
		require.Equal(t, 1, s.acme.Holding(psp.Succeeded))
	})

	t.Run("down for five hours at the opening, then paid", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.at(time.Minute, func() { s.acme.Down(payment.Errorf(payment.Unavailable, "refused")); s.choose("acme") })
		s.at(5*time.Hour, func() { s.acme.Down(nil) })
		s.at(6*time.Hour, func() { s.pays(attempt(1)) })
		s.runWithin(1100) // seven tries in each window of a minute and a half, then a minute of rest
		s.told(resolve)
		for _, key := range s.acme.Keys(activitytest.CallOpen) {
			require.Equal(t, "tf:pay:charge:1", key, "certainly not sent: the same attempt goes on")
		}
		require.Equal(t, payment.NobodyNeeded, s.operator())
	})

	t.Run("the buyer's other choice does not wait for the provider that is down", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.at(time.Minute, func() { s.acme.Down(payment.Errorf(payment.Unavailable, "refused")); s.choose("acme") })
		s.at(20*time.Minute, func() { s.choose("bank") })
		s.at(22*time.Minute, func() {
			require.Equal(t, []payment.AttemptState{payment.NotDone, payment.Open}, s.states())
			s.bank.Set(attempt(2), psp.Succeeded)
			s.webhook(attempt(2), payment.Done)
		})
		s.run()
		s.told(resolve)
	})

	t.Run("held back until the deadline it is rejected, because nothing was ever sent", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.input.Timing.Resolution = 4 * time.Hour
		s.at(time.Minute, func() { s.acme.Down(payment.Errorf(payment.Unavailable, "refused")); s.choose("acme") })
		s.runWithin(1000)
		s.told(reject)
		require.Equal(t, []payment.AttemptState{payment.NotDone}, s.states())
		require.Equal(t, payment.NobodyNeeded, s.operator())
		require.Zero(t, s.acme.Calls(activitytest.CallInquire), "what was never sent is not looked up")
	})

	t.Run("a failure that is replayed for ever is proven not done, and a new key follows", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.acme.Down(payment.Errorf(payment.Unknown, "500"))
		for range 40 {
			s.acme.Script(activitytest.CallInquire, activitytest.Answer{})
		}
		s.at(time.Minute, func() { s.choose("acme") })
		s.at(7*time.Minute, func() { s.acme.Down(nil) })
		s.at(20*time.Minute, func() { s.pays(s.newest()) })
		s.run()
		s.told(resolve)
		require.Contains(t, s.states(), payment.NotDone)
		require.Equal(t, 1, s.acme.Holding(psp.Succeeded))
	})

	t.Run("new attempts after proven absence come slower and slower", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		contract := activitytest.Authoritative(0)
		contract.KeyRetention = 0
		s.acme = activitytest.NewProvider("acme", contract)
		s.use("acme", s.acme)
		for range 100 {
			s.acme.Script(activitytest.CallOpen, activitytest.Answer{Err: payment.Errorf(payment.Unknown, "500")})
		}
		s.at(time.Minute, func() { s.choose("acme") })
		s.at(31*time.Minute, func() { require.LessOrEqual(t, len(s.states()), 40) })
		s.at(40*time.Minute, s.leave)
		s.run()
	})

	t.Run("blocked credentials call a person, and retry-now goes on at once", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.at(time.Minute, func() { s.acme.Down(payment.Errorf(payment.Unauthorized, "key revoked")); s.choose("acme") })
		s.at(10*time.Minute, func() {
			require.Equal(t, payment.AccountBlocked, s.operator())
			require.Equal(t, 1, s.acme.Calls(""), "waiting does not mend it")
			s.acme.Down(nil)
			s.act(flow.UpdateRetry, payment.Action{ID: "x", Action: "retry"})
		})
		s.at(11*time.Minute, func() {
			require.Equal(t, payment.NobodyNeeded, s.operator())
			s.pays(attempt(1))
		})
		s.run()
		s.told(resolve)
	})

	t.Run("blocked credentials while processing: no hot loop, and the look goes on later", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.at(time.Minute, func() { s.choose("acme") })
		s.at(2*time.Minute, func() { s.acme.Set(attempt(1), psp.Processing); s.returns() })
		s.at(3*time.Minute, func() { s.acme.Down(payment.Errorf(payment.Unauthorized, "key revoked")) })
		s.at(5*time.Hour, func() {
			require.Equal(t, payment.AccountBlocked, s.operator())
			s.acme.Down(nil)
			s.acme.Set(attempt(1), psp.Succeeded)
		})
		s.runWithin(25)
		s.told(pending, resolve)
		require.Equal(t, payment.NobodyNeeded, s.operator())
	})

	t.Run("a page that does not shut is asked again, slower and slower", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		for range 100 {
			s.acme.Script(activitytest.CallClose, activitytest.Answer{Out: &psp.Outcome{Status: psp.Open}})
		}
		s.at(time.Minute, func() { s.choose("acme") })
		s.at(2*time.Minute, s.leave)
		s.at(time.Hour, func() { require.LessOrEqual(t, s.acme.Calls(activitytest.CallClose), 65) })
		s.at(2*time.Hour, func() { s.pays(attempt(1)) })
		s.run()
		s.told(resolve)
	})

	t.Run("the decision does not wait for a pause", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.at(decision-2*time.Minute, func() { s.acme.Down(payment.Errorf(payment.Unauthorized, "key revoked")); s.choose("acme") })
		s.run()
		require.Equal(t, s.start.Add(decision), s.shop.HeardAt(reject))
	})

	t.Run("a webhook is told at once although something else is resting", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.at(time.Minute, func() { s.choose("acme") })
		s.at(2*time.Minute, func() { s.acme.Down(payment.Errorf(payment.Unauthorized, "key revoked")); s.leave() })
		s.at(3*time.Minute, func() { s.webhook(attempt(1), payment.Done) })
		s.run()
		require.Equal(t, s.start.Add(3*time.Minute), s.shop.HeardAt(resolve))
	})

	t.Run("a request that the provider calls wrong is declined, a person is told, the buyer may choose another", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.at(time.Minute, func() { s.acme.Down(payment.Errorf(payment.Invalid, "bad currency")); s.choose("acme") })
		s.at(2*time.Minute, func() {
			require.Equal(t, payment.RoutingFault, s.operator())
			s.choose("bank")
		})
		s.at(3*time.Minute, func() {
			s.bank.Set(attempt(2), psp.Succeeded)
			s.webhook(attempt(2), payment.Done)
		})
		s.run()
		s.told(resolve)
		require.Equal(t, []payment.AttemptState{payment.Declined, payment.Done}, s.states())
	})

	t.Run("doubt without evidence calls a person after an hour or so, and its end takes that back", func(t *testing.T) {
		t.Parallel()
		s := begin(t, advisory)
		s.at(time.Minute, func() { s.acme.Down(payment.Errorf(payment.Unknown, "reset")); s.choose("acme") })
		s.at(10*time.Minute, func() { require.Equal(t, payment.NobodyNeeded, s.operator()) })
		s.at(3*time.Hour, func() {
			require.Equal(t, payment.InDoubt, s.operator())
			s.webhook(attempt(1), payment.Done)
		})
		s.run()
		s.told(resolve)
		require.Equal(t, payment.NobodyNeeded, s.operator())
	})
}

func TestRecordTrouble(t *testing.T) {
	t.Parallel()

	t.Run("a step on the record waits for Postgres for as long as it takes", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		for _, method := range []string{"LoadCharge", "BeginCheckout", "DecideReject", "LoadTelling", "RecordTold"} {
			for range 12 {
				s.records.Break(method, errors.New("the database system is starting up"))
			}
		}
		s.at(time.Minute, func() { s.choose("acme") })
		s.at(2*time.Hour, func() { s.webhook(attempt(1), payment.Declined) })
		s.run()
		s.told(reject)
	})

	t.Run("an answer that could not be recorded is looked up, not sent again", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.records.Break("RecordFinding", errors.New("connection lost"))
		s.at(time.Minute, func() { s.choose("acme") })
		s.at(2*time.Minute, func() { s.pays(attempt(1)) })
		s.run()
		s.told(resolve)
		require.Equal(t, 1, s.acme.Calls(activitytest.CallOpen))
	})
}

func TestSecondSuccess(t *testing.T) {
	t.Parallel()

	t.Run("in the session: it goes back by a workflow of its own", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.shop.Down(payment.Errorf(payment.Unavailable, "away"))
		s.at(time.Minute, func() { s.choose("acme") })
		s.at(2*time.Minute, func() { s.webhook(attempt(1), payment.Declined) })
		s.at(3*time.Minute, func() { s.choose("acme") })
		s.at(4*time.Minute, func() { s.pays(attempt(2)) })
		s.at(5*time.Minute, func() { s.pays(attempt(1)) })
		s.at(time.Hour, func() { s.shop.Down(nil) })
		result := s.run()
		require.Equal(t, payment.Captured, result.State, "the first success stays")
		s.told(resolve)
		require.Equal(t, []string{"tf:pay:reversal:refund:1"}, s.acme.Keys(activitytest.CallRefund))
		require.NoError(t, s.env.GetWorkflowErrorByID("reversal/shopify/a.myshopify.com/money-"+attempt(1)))
		require.Empty(t, s.records.View(pay).Reversals)
		require.True(t, s.records.GroupTaken(pay))
	})

	t.Run("in the group: the loser gives back and is rejected", func(t *testing.T) {
		t.Parallel()
		s := begin(t, group)
		s.wonByAnother()
		s.at(time.Minute, func() { s.choose("acme") })
		result := s.run()
		require.Equal(t, flow.ChargeResult{State: payment.Rejected, Final: payment.Reject, Reason: payment.Duplicate}, result)
		s.told(reject)
		require.Zero(t, s.acme.Calls(activitytest.CallOpen), "the group is won: no checkout opens")
	})

	t.Run("in the group, while both pages were open", func(t *testing.T) {
		t.Parallel()
		s := begin(t, group)
		s.at(time.Minute, func() { s.choose("acme") })
		s.at(2*time.Minute, func() { s.wonByAnother(); s.pays(attempt(1)) })
		s.run()
		s.told(reject)
		require.Equal(t, 1, s.acme.Calls(activitytest.CallRefund))
		require.Equal(t, payment.Reversed, s.records.View(pay).State)
		require.True(t, s.records.GroupTaken(pay), "the winner keeps the place")
	})
}
