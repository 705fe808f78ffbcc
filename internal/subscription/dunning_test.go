package subscription_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

func policy() subscription.Policy {
	return subscription.Policy{
		Retries: []int{1, 3, 5}, FundsRetries: []int{3, 5}, PayDays: []int{1, 15, 31}, PayDayReach: 3, Hour: 9,
		MethodDays: 10, HardDays: 0, GraceDays: 7, Final: subscription.FinalUnpaid,
	}
}

// declines are declines of one reason at local moments.
func declines(t *testing.T, zone *time.Location, reason payment.DeclineReason, readings ...string) []subscription.Failure {
	t.Helper()
	var all []subscription.Failure
	for _, r := range readings {
		at := local(t, zone, r)
		all = append(all, subscription.Failure{SentAt: at, At: at, Reason: reason})
	}
	return all
}

func TestWhatFollowsADecline(t *testing.T) {
	t.Parallel()
	zone := zoneOf(t, "Europe/Berlin")
	for _, c := range []struct {
		rule   string
		reason payment.DeclineReason
		at     []string
		method string // when a new method was given
		end    string
		want   subscription.Action
		when   string
		ask    subscription.Ask
	}{
		{"soft: again after the first spacing", payment.DeclinedOther, []string{"2027-04-06 18:00:00"}, "", "", subscription.ActRetry, "2027-04-07 09:00:00", subscription.AskNothing},
		{"soft: again after the second", payment.ProcessingError, []string{"2027-04-06 18:00:00", "2027-04-07 09:00:00"}, "", "", subscription.ActRetry, "2027-04-10 09:00:00", subscription.AskNothing},
		{"soft: used up, the end comes with the grace period", payment.DeclinedOther, []string{"2027-04-06 18:00:00", "2027-04-07 09:00:00", "2027-04-08 09:00:00", "2027-04-09 09:00:00"}, "", "", subscription.ActFinal, "2027-04-13 18:00:00", subscription.AskMethod},
		{"soft: used up after the grace period, the end is now", payment.DeclinedOther, []string{"2027-04-06 18:00:00", "2027-04-07 09:00:00", "2027-04-10 09:00:00", "2027-04-15 09:00:00"}, "", "", subscription.ActFinal, "2027-04-15 09:00:00", subscription.AskMethod},
		{"the hour is the local one when the clocks have changed", payment.DeclinedOther, []string{"2027-03-27 18:00:00"}, "", "", subscription.ActRetry, "2027-03-28 09:00:00", subscription.AskNothing},
		{"no funds: by its own spacing", payment.InsufficientFunds, []string{"2027-04-02 10:00:00"}, "", "", subscription.ActRetry, "2027-04-05 09:00:00", subscription.AskFunds},
		{"no funds: on the pay day that is near", payment.InsufficientFunds, []string{"2027-04-10 10:00:00"}, "", "", subscription.ActRetry, "2027-04-15 09:00:00", subscription.AskFunds},
		{"no funds: on the pay day itself", payment.InsufficientFunds, []string{"2027-04-12 10:00:00"}, "", "", subscription.ActRetry, "2027-04-15 09:00:00", subscription.AskFunds},
		{"no funds: the 31st is the last of April", payment.InsufficientFunds, []string{"2027-04-25 10:00:00"}, "", "", subscription.ActRetry, "2027-04-30 09:00:00", subscription.AskFunds},
		{"no funds: used up", payment.InsufficientFunds, []string{"2027-04-02 10:00:00", "2027-04-05 09:00:00", "2027-04-12 09:00:00"}, "", "", subscription.ActFinal, "2027-04-12 09:00:00", subscription.AskMethod},
		{"an expired card is not tried again", payment.ExpiredCard, []string{"2027-04-06 18:00:00"}, "", "", subscription.ActFinal, "2027-04-16 18:00:00", subscription.AskMethod},
		{"an authentication needs the customer", payment.AuthenticationFailed, []string{"2027-04-06 18:00:00"}, "", "", subscription.ActFinal, "2027-04-16 18:00:00", subscription.AskAuthenticate},
		{"a hard decline stops at once", payment.LostOrStolen, []string{"2027-04-06 18:00:00"}, "", "", subscription.ActFinal, "2027-04-06 18:00:00", subscription.AskMethod},
		{"a hard decline stops a row of soft ones", payment.Fraud, []string{"2027-04-06 18:00:00", "2027-04-07 09:00:00"}, "", "", subscription.ActFinal, "2027-04-07 09:00:00", subscription.AskMethod},
		{"a reason that is no decline goes to a person", payment.Duplicate, []string{"2027-04-06 18:00:00"}, "", "", subscription.ActReview, "2027-04-06 18:00:00", subscription.AskNothing},
		{"an unknown reason goes to a person", "gremlins", []string{"2027-04-06 18:00:00"}, "", "", subscription.ActReview, "2027-04-06 18:00:00", subscription.AskNothing},
		{"a new method is tried at once", payment.LostOrStolen, []string{"2027-04-06 18:00:00"}, "2027-04-08 12:00:00", "", subscription.ActRetry, "2027-04-08 12:00:00", subscription.AskNothing},
		{"declines of a new method count anew", payment.DeclinedOther, []string{"2027-04-06 18:00:00", "2027-04-07 09:00:00", "2027-04-10 09:00:00", "2027-04-11 12:00:00"}, "2027-04-11 12:00:00", "", subscription.ActRetry, "2027-04-12 09:00:00", subscription.AskNothing},
		{"nothing is tried beyond the period", payment.DeclinedOther, []string{"2027-04-06 18:00:00", "2027-04-07 09:00:00"}, "", "2027-04-10 09:00:00", subscription.ActFinal, "2027-04-10 09:00:00", subscription.AskMethod},
		{"a method that comes after the period is for the next one", payment.ExpiredCard, []string{"2027-04-06 18:00:00"}, "2027-04-13 00:00:00", "2027-04-13 00:00:00", subscription.ActFinal, "2027-04-13 00:00:00", subscription.AskNothing},
		{"nobody waits beyond the period", payment.ExpiredCard, []string{"2027-04-06 18:00:00"}, "", "2027-04-13 00:00:00", subscription.ActFinal, "2027-04-13 00:00:00", subscription.AskMethod},
		{"a decline behind the period ends it now", payment.ExpiredCard, []string{"2027-04-14 18:00:00"}, "", "2027-04-13 00:00:00", subscription.ActFinal, "2027-04-14 18:00:00", subscription.AskMethod},
	} {
		t.Run(c.rule, func(t *testing.T) {
			t.Parallel()
			d := subscription.Dunning{Failures: declines(t, zone, c.reason, c.at...), End: local(t, zone, "2027-06-01 00:00:00"), Zone: zone}
			if c.method != "" {
				d.MethodAt = local(t, zone, c.method)
			}
			if c.end != "" {
				d.End = local(t, zone, c.end)
			}
			got := policy().Next(d)
			require.Equal(t, c.want, got.Action)
			require.Equal(t, c.when, got.At.In(zone).Format(time.DateTime))
			require.Equal(t, c.ask, got.Ask)
		})
	}
	t.Run("a method given while the old one was being tried is tried when that is declined", func(t *testing.T) {
		t.Parallel()
		f := declines(t, zone, payment.ExpiredCard, "2027-04-06 18:00:00")
		f[0].SentAt = f[0].At.Add(-time.Hour)
		got := policy().Next(subscription.Dunning{Failures: f, MethodAt: f[0].At.Add(-time.Minute), End: f[0].At.AddDate(0, 1, 0), Zone: zone})
		require.Equal(t, subscription.Step{Action: subscription.ActRetry, At: f[0].At, Ask: subscription.AskNothing}, got)
	})
	t.Run("without a decline a person looks", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, subscription.ActReview, policy().Next(subscription.Dunning{Zone: zone}).Action)
	})
}

func TestDunningEnds(t *testing.T) {
	t.Parallel()
	zone := zoneOf(t, "Europe/Berlin")
	start := local(t, zone, "2027-01-01 00:00:00")
	for _, reason := range payment.DeclineReasons {
		for _, newMethods := range []bool{false, true} {
			d := subscription.Dunning{End: start.AddDate(1, 0, 0), Zone: zone}
			at := start
			for {
				d.Failures = append(d.Failures, subscription.Failure{SentAt: at, At: at.Add(time.Minute), Reason: reason})
				step := policy().Next(d)
				require.False(t, step.At.Before(d.Failures[len(d.Failures)-1].At), "%s: never in the past", reason)
				if step.Action != subscription.ActRetry {
					break
				}
				if newMethods {
					d.MethodAt = step.At
				}
				at = step.At
				require.LessOrEqual(t, len(d.Failures), subscription.MaxAttempts, "%s: no more than networks allow", reason)
			}
		}
	}
}

func TestEveryReasonHasASeverity(t *testing.T) {
	t.Parallel()
	want := map[payment.DeclineReason]subscription.Severity{
		payment.DeclinedOther: subscription.Soft, payment.ProcessingError: subscription.Soft,
		payment.InsufficientFunds: subscription.NoFunds,
		payment.ExpiredCard:       subscription.BadMethod, payment.IncorrectCVC: subscription.BadMethod, payment.IncorrectNumber: subscription.BadMethod,
		payment.AmountTooLarge: subscription.BadMethod, payment.NotSupported: subscription.BadMethod,
		payment.AuthenticationFailed: subscription.Authenticate, payment.TimedOut: subscription.Authenticate,
		payment.Fraud: subscription.Hard, payment.LostOrStolen: subscription.Hard, payment.Cancelled: subscription.Hard, payment.TooManyAttempts: subscription.Hard,
		payment.AmountTooSmall: subscription.Unclear, payment.Duplicate: subscription.Unclear,
	}
	require.Len(t, want, len(payment.DeclineReasons))
	for _, reason := range payment.DeclineReasons {
		require.Equal(t, want[reason], subscription.SeverityOf(reason), reason)
	}
}

func TestPolicies(t *testing.T) {
	t.Parallel()
	require.NoError(t, policy().Check())
	require.NoError(t, subscription.DefaultPolicy().Check())
	require.NoError(t, subscription.Policy{Final: subscription.FinalCancel}.Check(), "no patience at all")
	for field, change := range map[string]func(*subscription.Policy){
		"retries":       func(p *subscription.Policy) { p.Retries = []int{0} },
		"funds_retries": func(p *subscription.Policy) { p.FundsRetries = []int{61} },
		"pay_days":      func(p *subscription.Policy) { p.PayDays = []int{32} },
		"pay_day_reach": func(p *subscription.Policy) { p.PayDayReach = -1 },
		"hour":          func(p *subscription.Policy) { p.Hour = 24 },
		"method_days":   func(p *subscription.Policy) { p.MethodDays = -1 },
		"hard_days":     func(p *subscription.Policy) { p.HardDays = 61 },
		"grace_days":    func(p *subscription.Policy) { p.GraceDays = -1 },
	} {
		p := policy()
		change(&p)
		requireRefused(t, p.Check(), field, subscription.OutOfRange)
	}
	p := policy()
	p.Retries = make([]int, subscription.MaxAttempts)
	for i := range p.Retries {
		p.Retries[i] = 1
	}
	requireRefused(t, p.Check(), "retries", subscription.TooMany)
	p = policy()
	p.Final = "shrug"
	requireRefused(t, p.Check(), "final", subscription.NoRule)
}

func TestRecoveryOfASubscription(t *testing.T) {
	t.Parallel()
	w := subscribed(t, planOf(t, nil), "2027-01-31 10:00:00")
	_, err := w.s.NextStep(policy(), w.moment(w.s.Period.Start))
	requireRefused(t, err, "subscription", subscription.NotDue)
	w.pastDue()
	step, err := w.s.NextStep(policy(), w.moment(w.s.Period.Start))
	require.NoError(t, err)
	require.Equal(t, subscription.ActRetry, step.Action)
	w.s, err = w.s.Retry(step.At)
	require.NoError(t, err)
	_, err = w.s.NextStep(policy(), w.moment(w.s.Period.Start))
	requireRefused(t, err, "subscription", subscription.NotDue)
	w.declineOrPay(false, payment.ExpiredCard, step.At)
	step, err = w.s.NextStep(policy(), w.moment(w.s.Period.Start))
	require.NoError(t, err)
	require.Equal(t, subscription.AskMethod, step.Ask)
	given := step.At.Add(-time.Hour)
	w.s, err = w.s.NewMethod(given)
	require.NoError(t, err)
	step, err = w.s.NextStep(policy(), w.moment(w.s.Period.Start))
	require.NoError(t, err)
	require.Equal(t, subscription.Step{Action: subscription.ActRetry, At: given, Ask: subscription.AskNothing}, step)
	w.s, err = w.s.Retry(step.At)
	require.NoError(t, err)
	w.settle(true, step.At)
	require.Equal(t, subscription.Active, w.s.State)

	t.Run("an attempt that was missed until the period's end is not made", func(t *testing.T) {
		t.Parallel()
		w := inState(t, subscription.PastDue)
		step, err := w.s.NextStep(policy(), w.moment(w.s.Period.End.Add(-time.Second)))
		require.NoError(t, err)
		require.Equal(t, subscription.ActRetry, step.Action)
		step, err = w.s.NextStep(policy(), w.moment(w.s.Period.End))
		require.NoError(t, err)
		require.Equal(t, subscription.Step{Action: subscription.ActFinal, At: w.s.Period.End, Ask: subscription.AskMethod}, step)
	})
	t.Run("who is over gives no method", func(t *testing.T) {
		t.Parallel()
		_, err := inState(t, subscription.Cancelled).s.NewMethod(given)
		requireRefused(t, err, "subscription", subscription.WrongState)
	})
}

func TestFinalActions(t *testing.T) {
	t.Parallel()
	want := map[subscription.FinalAction]subscription.State{
		subscription.FinalCancel: subscription.Cancelled,
		subscription.FinalPause:  subscription.Paused,
		subscription.FinalUnpaid: subscription.Unpaid,
	}
	require.Len(t, want, len(subscription.FinalActions))
	for _, action := range subscription.FinalActions {
		w := inState(t, subscription.PastDue)
		at := w.s.Period.Start.Add(48 * time.Hour)
		key := w.s.Open.Key
		next, err := w.s.GiveUp(action, at)
		require.NoError(t, err)
		require.Equal(t, want[action], next.State)
		require.Nil(t, next.Open)
		require.Equal(t, at, next.Period.End, "nobody paid for the rest")
		_, verdict, err := next.Settle(subscription.Result{Key: key, Paid: true, At: at, Zone: w.zone})
		require.NoError(t, err)
		require.Equal(t, subscription.NotOpen, verdict, "money for it is nobody's")
	}
	w := inState(t, subscription.PastDue)
	_, err := w.s.GiveUp("shrug", w.s.Period.Start)
	requireRefused(t, err, "final", subscription.NoRule)
}
