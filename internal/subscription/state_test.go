package subscription_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

func TestTransitionsAreThisTable(t *testing.T) {
	t.Parallel()
	legal := map[string]bool{}
	for _, p := range []string{
		"pending>trialing", "pending>active", "pending>abandoned", "pending>cancelled",
		"trialing>active", "trialing>paused", "trialing>cancelled",
		"active>past_due", "active>paused", "active>cancelled",
		"past_due>active", "past_due>paused", "past_due>unpaid", "past_due>cancelled",
		"paused>active", "paused>cancelled",
		"unpaid>active", "unpaid>cancelled",
	} {
		legal[p] = true
	}
	for _, from := range subscription.States {
		for _, to := range subscription.States {
			pair := fmt.Sprintf("%s>%s", from, to)
			require.Equal(t, legal[pair], from.CanBecome(to), pair)
			if from.Over() {
				require.False(t, from.CanBecome(to), "what is over stays over")
			}
		}
	}
}

func TestCommandsArePermittedByThisTable(t *testing.T) {
	t.Parallel()
	legal := map[string]bool{}
	for _, p := range []string{
		"pending cancel", "pending method", "trialing method", "active method", "past_due method", "paused method", "unpaid method",
		"trialing renew", "trialing pause", "trialing change", "trialing cancel", "trialing cancel_at_end", "trialing withdraw",
		"active renew", "active pause", "active change", "active skip", "active cancel", "active cancel_at_end", "active withdraw",
		"past_due retry", "past_due give_up", "past_due pause", "past_due cancel", "past_due cancel_at_end", "past_due withdraw",
		"paused resume", "paused cancel",
		"unpaid resume", "unpaid cancel",
	} {
		legal[p] = true
	}
	for _, state := range subscription.States {
		for _, command := range subscription.Commands {
			pair := fmt.Sprintf("%s %s", state, command)
			require.Equal(t, legal[pair], state.Permits(command), pair)
			w := inState(t, state)
			next, err := give(w, command)
			if !legal[pair] {
				requireRefused(t, err, "subscription", subscription.WrongState)
				require.Equal(t, w.s, next, "a refusal changes nothing: %s", pair)
				continue
			}
			if next.State != state {
				require.True(t, state.CanBecome(next.State), "%s leads to %s", pair, next.State)
			}
		}
	}
}

// inState is a subscription that has come to a state by commands.
func inState(t *testing.T, state subscription.State) *stand {
	t.Helper()
	plan := planOf(t, nil)
	switch state {
	case subscription.Pending:
		return ordered(t, plan, "2027-01-31 10:00:00")
	case subscription.Abandoned:
		w := ordered(t, plan, "2027-01-31 10:00:00")
		w.settle(false, w.s.Period.Start)
		return w
	case subscription.Trialing:
		return subscribed(t, planOf(t, func(d *subscription.Draft) { d.TrialDays = 14 }), "2027-01-31 10:00:00")
	case subscription.Active, subscription.PastDue, subscription.Paused, subscription.Unpaid, subscription.Cancelled:
	}
	w := subscribed(t, plan, "2027-01-31 10:00:00")
	if state == subscription.Active {
		return w
	}
	w.pastDue()
	final := map[subscription.State]subscription.FinalAction{
		subscription.Paused: subscription.FinalPause, subscription.Unpaid: subscription.FinalUnpaid, subscription.Cancelled: subscription.FinalCancel,
	}
	if action, ok := final[state]; ok {
		next, err := w.s.GiveUp(action, w.s.Period.Start.Add(time.Hour))
		require.NoError(t, err)
		w.s = next
	}
	require.Equal(t, state, w.s.State)
	return w
}

// give gives a command at a moment at which it is usually given.
func give(w *stand, c subscription.Command) (subscription.Subscription, error) {
	mid := w.s.Period.Start.Add(time.Hour)
	switch c {
	case subscription.CmdRenew:
		return w.s.Renew(w.moment(w.s.Period.End))
	case subscription.CmdRetry:
		return w.s.Retry(mid)
	case subscription.CmdGiveUp:
		return w.s.GiveUp(subscription.FinalUnpaid, mid)
	case subscription.CmdPause:
		return w.s.Pause()
	case subscription.CmdResume:
		return w.s.Resume(w.moment(w.s.Period.End.Add(time.Hour)))
	case subscription.CmdChange:
		next, _, err := w.s.ChangeQuantity(2, subscription.Prorated, w.moment(mid))
		return next, err
	case subscription.CmdSkip:
		return w.s.Skip()
	case subscription.CmdCancel:
		next, _, err := w.s.Cancel(mid, true)
		return next, err
	case subscription.CmdCancelAtEnd:
		return w.s.CancelAtPeriodEnd()
	case subscription.CmdWithdraw:
		return w.s.Withdraw(subscription.CmdPause)
	case subscription.CmdMethod:
		return w.s.NewMethod(mid)
	}
	return w.s, fmt.Errorf("no such command: %s", c)
}

func TestASubscriptionSurvivesJSON(t *testing.T) {
	t.Parallel()
	for _, state := range subscription.States {
		w := inState(t, state)
		for _, s := range []subscription.Subscription{w.s, withAll(w.s)} {
			data, err := json.Marshal(s)
			require.NoError(t, err)
			var back subscription.Subscription
			require.NoError(t, json.Unmarshal(data, &back))
			require.Equal(t, s, back)
		}
	}
}

func withAll(s subscription.Subscription) subscription.Subscription {
	s.Next = &s.Terms
	s.SkipNext, s.PauseAtEnd, s.CancelAtEnd = true, true, true
	s.MethodAt = s.Period.Start
	s.Failures = []subscription.Failure{{SentAt: s.Period.Start, At: s.Period.Start, Reason: payment.Fraud}}
	s.Open = &subscription.Charge{Key: "000001-0001", After: &subscription.After{Terms: s.Terms, Schedule: s.Schedule, Period: s.Period}}
	return s
}
