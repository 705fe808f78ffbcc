package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"tillflow/activities"
	"tillflow/activities/activitytest"
	"tillflow/internal/flow"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

const (
	resolveRefund = "resolve refund gid-m1"
	rejectRefund  = "reject refund gid-m1"
)

func TestTellingOfAMove(t *testing.T) {
	t.Parallel()
	away := payment.Errorf(payment.Unavailable, "away")

	t.Run("an unreachable shop is told on the contract's schedule, and that it lasts is shown", func(t *testing.T) {
		t.Parallel()
		s, in := refunded(t)
		s.shop.Down(away)
		var shown []string
		s.env.OnUpsertTypedSearchAttributes(mock.Anything).Run(func(args mock.Arguments) {
			status, _ := args[0].(temporal.SearchAttributes).GetKeyword(flow.PayStatus)
			shown = append(shown, status)
		}).Return(nil)
		var tries []int
		for _, after := range []time.Duration{time.Second, 6 * time.Second, 16 * time.Second, 46 * time.Second, 91 * time.Second} {
			s.at(after, func() { tries = append(tries, s.shop.Tries()) })
		}
		s.at(time.Minute, func() { require.Contains(t, s.state().Note, "The shop is being told") })
		s.at(3*time.Hour, func() { s.shop.Down(nil) })
		require.Equal(t, done, s.move(in, 1))
		require.Equal(t, []int{1, 2, 3, 4, 5}, tries)
		require.Equal(t, []string{"done"}, shown)
		s.told(resolveRefund)
	})

	t.Run("a lost acknowledgement repeats the same answer", func(t *testing.T) {
		t.Parallel()
		s, in := refunded(t)
		s.shop.Script(activitytest.ShopAnswer{Done: true, Err: away})
		require.Equal(t, done, s.move(in, 1))
		require.Equal(t, 2, s.shop.Tries())
		s.told(resolveRefund)
	})

	t.Run("what the provider says meanwhile does not hold up, or change, what is being told", func(t *testing.T) {
		t.Parallel()
		s, in := refunded(t)
		s.acme.Slow(true)
		s.shop.Down(away)
		for n := range 50 {
			s.at(3*time.Hour+time.Duration(n)*time.Second, func() { s.webhook(refund1, "") })
		}
		s.at(4*time.Hour, func() {
			s.acme.Down(payment.Errorf(payment.Unauthorized, "revoked"))
			s.webhook(refund1, payment.Declined)
		})
		s.at(5*time.Hour, func() { s.shop.Down(nil) })
		require.Equal(t, flow.MoveResult{Final: payment.Resolve}, s.move(in, 5))
		require.LessOrEqual(t, s.shop.Tries(), 14)
		s.told(resolveRefund)
		require.Equal(t, payment.RefundFailed, s.moveOperator())
	})

	t.Run("overdue: a person is told, and the shop still is", func(t *testing.T) {
		t.Parallel()
		s, in := refunded(t)
		s.shop.Down(away)
		s.at(23*time.Hour, func() { require.Equal(t, payment.NobodyNeeded, s.moveOperator()) })
		s.at(25*time.Hour, func() {
			require.Equal(t, payment.TellOverdue, s.moveOperator())
			require.Contains(t, s.state().Note, "the shop cannot be told")
		})
		begun := s.env.Now().UTC()
		s.at(100*time.Hour, func() { s.shop.Down(nil) })
		require.Equal(t, done, s.move(in, 1))
		require.WithinDuration(t, begun.Add(100*time.Hour), s.shop.HeardAt(resolveRefund), 4*time.Hour)
		require.Equal(t, payment.NobodyNeeded, s.moveOperator())
		require.LessOrEqual(t, s.shop.Tries(), 40)
	})

	t.Run("a revoked token calls a person and is tried again each half hour", func(t *testing.T) {
		t.Parallel()
		s, in := refunded(t)
		s.shop.Down(payment.Errorf(payment.Unauthorized, "token revoked"))
		s.at(65*time.Minute, func() {
			require.Equal(t, payment.AccountBlocked, s.moveOperator())
			require.Equal(t, 3, s.shop.Tries())
			s.shop.Down(nil)
		})
		require.Equal(t, done, s.move(in, 1))
	})

	t.Run("retry-now does not wait for the schedule", func(t *testing.T) {
		t.Parallel()
		s, in := refunded(t)
		s.shop.Down(away)
		begun := s.env.Now().UTC()
		s.at(10*time.Hour, func() {
			s.shop.Down(nil)
			s.act(flow.UpdateRetry, payment.Action{ID: "x", Action: "retry"})
		})
		require.Equal(t, done, s.move(in, 1))
		require.Equal(t, begun.Add(10*time.Hour), s.shop.HeardAt(resolveRefund))
	})
}

func TestRefusedAnswerOfAMove(t *testing.T) {
	t.Parallel()

	t.Run("a refused yes stays in front of a person, who may have it told once more", func(t *testing.T) {
		t.Parallel()
		s, in := refunded(t)
		s.shop.Script(activitytest.ShopAnswer{Refused: "REFUND_SESSION_INVALID_STATE"}, activitytest.ShopAnswer{Refused: "REFUND_SESSION_INVALID_STATE"})
		press := func(id string) { s.act(flow.UpdateRetry, payment.Action{ID: id, Action: "retry"}) }
		s.at(50*time.Hour, func() {
			require.Equal(t, payment.ResolveRefused, s.moveOperator())
			require.Equal(t, 1, s.shop.Tries())
			require.Contains(t, s.state().Note, "although the refund was done")
			press("first")
		})
		s.at(51*time.Hour, func() { require.Equal(t, 2, s.shop.Tries()); press("second") })
		require.Equal(t, done, s.move(in, 1))
		require.Equal(t, 3, s.shop.Tries())
		require.Equal(t, payment.NobodyNeeded, s.moveOperator())
		s.told(resolveRefund)
	})

	t.Run("a refused yes to what is not final is still watched", func(t *testing.T) {
		t.Parallel()
		s, in := refunded(t)
		s.acme.Slow(true)
		s.shop.Script(activitytest.ShopAnswer{Refused: "REFUND_SESSION_NOT_FOUND"})
		s.at(2*time.Hour, func() { s.acme.Set(refund1, psp.Succeeded) })
		s.at(3*time.Hour, func() {
			require.True(t, s.state().Move.Done)
			s.act(flow.UpdateRetry, payment.Action{ID: "x", Action: "retry"})
		})
		require.Equal(t, done, s.move(in, 20))
	})

	t.Run("a refused no: money has not moved, and a person is called", func(t *testing.T) {
		t.Parallel()
		s, in := refunded(t)
		s.acme.Script(activitytest.CallRefund, says(psp.Outcome{Status: psp.Declined}))
		s.shop.Script(activitytest.ShopAnswer{Refused: "REFUND_SESSION_INVALID_STATE"})
		require.Equal(t, refusedAs(payment.RefusedByProvider), s.move(in, 1))
		require.Equal(t, payment.RejectRefused, s.moveOperator())
		require.Contains(t, s.state().Note, "No money has moved")
	})
}

// TestAFreshRunTakesOverAMove throws the run away at each point of the story, as
// Terminate or a lost Temporal database does, and lets a new one go on from the
// rows: one refund, one answer.
func TestAFreshRunTakesOverAMove(t *testing.T) {
	t.Parallel()
	ctx, move := ctxOfTest(), activities.MoveInput{OperationID: asked1}
	claim := func(s *story) {
		view, err := s.records.ClaimMove(ctx, asked1)
		require.NoError(s.t, err)
		require.True(s.t, view.Claimed)
	}
	submit := func(s *story) {
		claim(s)
		_, err := s.gateway.SubmitMove(ctx, move)
		require.NoError(s.t, err)
	}
	tell := func(s *story) {
		submit(s)
		told, err := s.shop.ResolveMove(ctx, payment.MoveTelling{Kind: payment.OpRefund, GID: "gid-m1", Final: payment.Resolve})
		require.NoError(s.t, err)
		told.OperationID = asked1
		_, err = s.records.RecordMoveTold(ctx, told)
		require.NoError(s.t, err)
	}
	slow := func(then func(*story)) func(*story) {
		return func(s *story) { s.acme.Slow(true); then(s) }
	}
	for name, before := range map[string]func(*story){
		"before anything": func(*story) {},
		"after the claim": claim,
		"after the send log, before the send": func(s *story) {
			claim(s)
			_, err := s.records.BeginMove(ctx, asked1)
			require.NoError(s.t, err)
		},
		"after the send, before the reply": func(s *story) {
			claim(s)
			s.acme.Script(activitytest.CallRefund, reset())
			_, err := s.gateway.SubmitMove(ctx, move)
			require.Error(s.t, err)
		},
		"after it was accepted, before the shop is told": slow(submit),
		"after it was accepted and told":                 slow(tell),
		"after it was done, before the shop is told":     submit,
		"after the shop was told, before that is recorded": func(s *story) {
			submit(s)
			_, err := s.shop.ResolveMove(ctx, payment.MoveTelling{Kind: payment.OpRefund, GID: "gid-m1", Final: payment.Resolve})
			require.NoError(s.t, err)
		},
		"after the end": tell,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, in := refunded(t)
			before(s)
			s.at(time.Hour, func() {
				if s.acme.Holding(psp.Processing) > 0 {
					s.acme.Set(refund1, psp.Succeeded)
				}
			})
			require.Equal(t, done, s.move(in, 20))
			s.told(resolveRefund)
			require.Equal(t, 1, s.acme.Calls(activitytest.CallRefund))
			require.Equal(t, 1, s.acme.Holding(psp.Succeeded))
			require.Equal(t, payment.PartiallyRefunded, s.records.View(pay).State)
		})
	}
}
