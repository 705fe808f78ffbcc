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

func TestMoveInDoubt(t *testing.T) {
	t.Parallel()

	t.Run("a lost reply is looked up, not sent again", func(t *testing.T) {
		t.Parallel()
		for _, kind := range []payment.Operation{payment.OpCapture, payment.OpVoid} {
			s := bought(t, authorization, noKeys)
			s.acme.Script(string(kind), reset())
			amount := eur(1230)
			if kind == payment.OpVoid {
				amount.Minor, amount.Currency = 0, ""
			}
			require.Equal(t, done, s.move(s.asks(kind, asked1, amount), 10))
			require.Equal(t, 1, s.acme.Calls(string(kind)))
		}
		s, in := refunded(t, advisory, noKeys)
		s.acme.Script(activitytest.CallRefund, reset())
		require.Equal(t, done, s.move(in, 10))
		require.Equal(t, 1, s.acme.Calls(activitytest.CallRefund))
	})

	t.Run("in doubt for long: a person is called, nothing is sent again, and the shop is never told no", func(t *testing.T) {
		t.Parallel()
		s, in := refunded(t, advisory, noKeys)
		s.acme.Script(activitytest.CallRefund, reset())
		s.acme.Down(payment.Errorf(payment.NotFound, "no trace"))
		s.at(time.Minute, func() { require.Equal(t, payment.NobodyNeeded, s.moveOperator()) })
		s.at(24*time.Hour, func() {
			require.Equal(t, payment.InDoubt, s.moveOperator())
			require.Contains(t, s.state().Note, "in doubt")
		})
		s.at(4*24*time.Hour, func() {
			require.Zero(t, s.shop.Tries())
			s.acme.Down(nil)
		})
		require.Equal(t, done, s.move(in, 2000))
		require.Equal(t, 1, s.acme.Calls(activitytest.CallRefund))
		require.Equal(t, payment.NobodyNeeded, s.moveOperator())
		s.told("resolve refund gid-m1")
	})

	t.Run("messages that prove nothing do not keep a person from being called", func(t *testing.T) {
		t.Parallel()
		s, in := refunded(t, advisory, noKeys)
		s.acme.Script(activitytest.CallRefund, reset())
		s.acme.Down(payment.Errorf(payment.NotFound, "no trace"))
		for n := range 12 * 24 {
			s.at(time.Duration(n+1)*5*time.Minute, func() { s.webhook(refund1, "") })
		}
		s.at(12*time.Hour, func() { require.Equal(t, payment.InDoubt, s.moveOperator()) })
		s.at(25*time.Hour, func() { s.acme.Down(nil) })
		require.Equal(t, done, s.move(in, 5000))
	})

	t.Run("provably not done: the next attempt follows under a new key", func(t *testing.T) {
		t.Parallel()
		s, in := refunded(t)
		for range 6 {
			s.acme.Script(activitytest.CallRefund, activitytest.Answer{Err: payment.Errorf(payment.Unknown, "500")})
		}
		begun := s.env.Now().UTC()
		require.Equal(t, done, s.move(in, 40))
		keys := s.acme.Keys(activitytest.CallRefund)
		require.Equal(t, "tf:pay:refund:2", keys[len(keys)-1])
		require.Equal(t, 1, s.acme.Holding(psp.Succeeded))
		require.WithinDuration(t, begun, s.env.Now().UTC(), 10*time.Minute)
	})

	t.Run("a provider that is down is asked again, with the same attempt", func(t *testing.T) {
		t.Parallel()
		s, in := refunded(t)
		s.acme.Down(payment.Errorf(payment.Unavailable, "refused"))
		s.at(time.Hour, func() { s.acme.Down(nil) })
		require.Equal(t, done, s.move(in, 300))
		for _, key := range s.acme.Keys(activitytest.CallRefund) {
			require.Equal(t, "tf:pay:refund:1", key)
		}
	})

	t.Run("revoked credentials call a person, who mends them and presses retry-now", func(t *testing.T) {
		t.Parallel()
		s, in := refunded(t)
		s.acme.Down(payment.Errorf(payment.Unauthorized, "revoked"))
		begun := s.env.Now().UTC()
		var pressed *asked
		s.at(10*time.Minute, func() {
			require.Equal(t, payment.AccountBlocked, s.moveOperator())
			s.acme.Down(nil)
			pressed = s.act(flow.UpdateRetry, payment.Action{ID: "x", Action: "retry"})
		})
		require.Equal(t, done, s.move(in, 10))
		require.True(t, pressed.done)
		require.NoError(t, pressed.err)
		require.Equal(t, begun.Add(10*time.Minute), s.env.Now().UTC())
		require.Equal(t, payment.NobodyNeeded, s.moveOperator())
	})

	for choice, want := range map[payment.Decision]flow.MoveResult{
		payment.DecidePaid: done, payment.DecideNotPaid: refusedAs(payment.RefusedByOperator),
	} {
		t.Run("a person who looked it up ends the doubt: "+string(choice), func(t *testing.T) {
			t.Parallel()
			s, in := refunded(t, advisory, noKeys)
			s.acme.Script(activitytest.CallRefund, activitytest.Answer{Err: payment.Errorf(payment.Unknown, "reset")})
			s.at(3*time.Hour, func() {
				s.act(flow.UpdateResolve, payment.Action{ID: "p", Action: "resolve", Choice: choice, AttemptID: refund1})
			})
			begun := s.env.Now().UTC()
			require.Equal(t, want, s.move(in, 400))
			require.Equal(t, begun.Add(3*time.Hour), s.env.Now().UTC())
			require.Equal(t, 1, s.acme.Calls(activitytest.CallRefund))
			s.told(string(want.Final) + " refund gid-m1")
		})
	}

	t.Run("there is no button that ends a move", func(t *testing.T) {
		t.Parallel()
		s, in := refunded(t)
		s.acme.Slow(true)
		var pressed *asked
		s.at(time.Hour, func() { pressed = s.act(flow.UpdateExpire, payment.Action{ID: "x", Action: "expire"}) })
		s.at(2*time.Hour, func() { s.acme.Set(refund1, psp.Succeeded) })
		require.Equal(t, done, s.move(in, 20))
		require.Error(t, pressed.rejected)
		require.Zero(t, s.records.Calls("ApplyAction"))
	})

	t.Run("a row of another payment is refused and changes nothing", func(t *testing.T) {
		t.Parallel()
		s, in := refunded(t)
		s.records.Accept(payment.Session{ID: "other", Shop: "b.myshopify.com", ReceivedAt: s.start})
		s.records.WriteAction(payment.Action{ID: "foreign", PaymentID: "other", Action: "retry"})
		s.acme.Slow(true)
		var pressed *asked
		s.at(time.Hour, func() { pressed = s.ask(flow.UpdateRetry, "foreign") })
		s.at(2*time.Hour, func() { s.acme.Set(refund1, psp.Succeeded) })
		require.Equal(t, done, s.move(in, 20))
		require.Equal(t, string(payment.Invalid), typeOf(t, pressed.err))
	})
}

func TestMoveOfAPaymentInDoubt(t *testing.T) {
	t.Parallel()
	undecided := func(t *testing.T) (*story, flow.MoveInput) {
		t.Helper()
		s := begin(t)
		s.records.Choose(pay, "acme")
		_, err := s.records.BeginCheckout(t.Context(), pay)
		require.NoError(t, err)
		return s, s.asks(payment.OpRefund, asked1, eur(500))
	}
	paid := func(s *story) {
		_, err := s.records.RecordFinding(ctxOfTest(), payment.Finding{
			AttemptID: attempt(1), Evidence: payment.ByWebhook, State: payment.Done, PaymentRef: "money-1",
		})
		require.NoError(s.t, err)
	}

	t.Run("nothing is claimed or sent before the payment's own money is decided", func(t *testing.T) {
		t.Parallel()
		s, in := undecided(t)
		s.at(40*time.Hour, func() {
			require.Zero(t, s.acme.Calls(""))
			require.Zero(t, s.shop.Tries())
			require.True(t, s.state().Move.Waits)
			require.Contains(t, s.state().Note, "nothing is sent before that is known")
			require.LessOrEqual(t, s.records.Calls("ClaimMove"), 100, "looked at half an hour apart, in one activity")
			paid(s)
		})
		begun := s.env.Now().UTC()
		require.Equal(t, done, s.move(in, 20))
		require.WithinDuration(t, begun.Add(40*time.Hour), s.env.Now().UTC(), 31*time.Minute)
	})

	t.Run("decided without money: rejected", func(t *testing.T) {
		t.Parallel()
		s, in := undecided(t)
		s.at(time.Hour, func() {
			_, err := s.records.RecordFinding(ctxOfTest(), payment.Finding{AttemptID: attempt(1), Evidence: payment.ByWebhook, State: payment.Closed})
			require.NoError(t, err)
			_, err = s.records.DecideReject(ctxOfTest(), pay, payment.TimedOut)
			require.NoError(t, err)
		})
		require.Equal(t, refusedAs(payment.RefusedNotPaid), s.move(in, 0))
		s.told("reject refund gid-m1")
	})

	t.Run("a message or a person makes it look at once", func(t *testing.T) {
		t.Parallel()
		for name, call := range map[string]func(*story){
			"message": func(s *story) {
				s.env.SignalWorkflow(flow.SignalEvent, flow.EventSignal{AttemptID: attempt(1)})
			},
			"person": func(s *story) { s.act(flow.UpdateRetry, payment.Action{ID: "x", Action: "retry"}) },
		} {
			s, in := undecided(t)
			at := 10*time.Hour + time.Second
			s.at(at, func() { paid(s); call(s) })
			begun := s.env.Now().UTC()
			require.Equal(t, done, s.move(in, 5), name)
			require.Equal(t, begun.Add(at), s.env.Now().UTC(), name)
		}
	})
}
