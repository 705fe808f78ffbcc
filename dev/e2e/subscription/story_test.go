package subscription

import (
	"testing"

	"github.com/stretchr/testify/require"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"

	"tillflow/dev/stack"
	"tillflow/internal/subscription"
)

// runs lists the runs that a query finds.
func (w *world) runs(query string) []*workflowpb.WorkflowExecutionInfo {
	w.Helper()
	list, err := w.Service.Temporal.ListWorkflow(w.Context(), &workflowservice.ListWorkflowExecutionsRequest{Query: query, PageSize: 1000})
	require.NoError(w, err)
	return list.GetExecutions()
}

// maxEvents bounds one run of a subscription: a period with all of its dunning.
const maxEvents = 200

// TestAYearOfASubscription: trial → 12 renewals → soft declines → recovery → hard
// decline → final action, with the clock skipped on the real server.
func TestAYearOfASubscription(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.plan("monthly", 0)
	w.plan("trial", 14)

	// The customer buys once on a page, which leaves the method.
	once := w.subscribe("monthly")
	w.pays(once, "4242424242424242")
	once = w.await(once.ID, "the first payment begins it, and the method is kept", func(r subscription.Record) bool {
		return r.State == subscription.Active && r.Method != ""
	})
	w.command(once.ID, subscription.CmdCancel, subscription.Args{})
	w.await(once.ID, "it is cancelled", func(r subscription.Record) bool { return !r.EndedAt.IsZero() })

	// Then a trial with that method.
	r := w.subscribe("trial")
	require.Nil(t, w.command(r.ID, subscription.CmdMethod, subscription.Args{Method: once.Method, Account: once.Account}).Refused)
	r = w.await(r.ID, "the trial begins", state(subscription.Trialing))

	for period := 1; period <= 12; period++ {
		w.until(r.ID, "period is paid", func(r subscription.Record) bool {
			return r.Period.Number == period && r.State == subscription.Active && r.Open == nil
		})
	}
	require.Equal(t, int64(13*3000), w.booksEqual(), "one payment on the page and twelve renewals")

	// The bank says no three times, softly; then it pays.
	r = w.reads(r.ID)
	w.card(r, "generic_decline")
	w.until(r.ID, "past due with two declines", func(r subscription.Record) bool {
		return r.State == subscription.PastDue && len(r.Failures) == 2
	})
	w.card(r, "success")
	w.until(r.ID, "recovered", func(r subscription.Record) bool {
		return r.Period.Number == 13 && r.State == subscription.Active && r.Open == nil
	})
	require.Equal(t, int64(14*3000), w.booksEqual())

	// Then the card is stolen: the bank will never pay, and it is given up.
	w.card(r, "stolen_card")
	last := w.until(r.ID, "the final action", func(r subscription.Record) bool { return r.State == subscription.Unpaid })
	require.Len(t, last.Failures, 1, "nobody asks again after a hard decline")
	w.soon("every payment is closed", func() bool {
		var open int
		err := w.pool.QueryRow(t.Context(), `SELECT count(*) FROM payments WHERE closed_at IS NULL`).Scan(&open)
		return err == nil && open == 0
	})
	captured := w.booksEqual()
	require.Equal(t, int64(14*3000), captured)
	const member, owner = "member@example.com: ", "owner@" + stack.Shop + ": "
	letters := w.letters(14, map[string]int{
		member + "Willkommen bei Membership":                   2,
		member + "Membership ist gekündigt":                    1, // the first one, which left the method
		member + "Ihre Zahlung für Membership wurde abgelehnt": 2,
		member + "Ihre Zahlung für Membership ist angekommen":  1,
		member + "Membership ruht, bis es bezahlt ist":         1,
		owner + "New subscription: Membership, €30.00":         2,
		owner + "Subscription cancelled: Membership":           1,
		owner + "Renewal declined: €30.00, Membership":         2,
		owner + "Recovered: €30.00, Membership":                1,
		owner + "Not recovered: €30.00, Membership":            1,
	})
	w.proven()
	w.keep()
	events, runs := w.longest(r.ID)
	require.LessOrEqual(t, events, int64(maxEvents), "the history of a run is bounded")
	t.Logf("PROOF 3.year ok renewals=13 captured=%d.%02d_EUR soft_declines=2 hard_declines=1 end=%s mails=%d runs=%d longest_history=%d_events",
		captured/100, captured%100, last.State, letters, runs, events)
}

// until skips from task to task until the record fits.
func (w *world) until(id, what string, fits func(subscription.Record) bool) subscription.Record {
	w.Helper()
	for range 20 {
		before := w.reads(id)
		if fits(before) {
			return before
		}
		if before.Task != subscription.NoTask {
			w.skip(id)
		}
		after := w.await(id, "something after "+string(before.Task)+" on the way to: "+what, func(r subscription.Record) bool {
			// Not in between: a charge that is under way has its result first.
			return r.Revision > before.Revision && (r.Task != subscription.NoTask || r.State == subscription.Unpaid)
		})
		if fits(after) {
			return after
		}
	}
	require.Fail(w, "never came: "+what)
	return subscription.Record{}
}

// command has a command carried out by the subscription's run.
func (w *world) command(id string, c subscription.Command, a subscription.Args) subscription.Answer {
	w.Helper()
	r := w.reads(id)
	line, err := w.Service.Store.InsertCommand(w.Context(), subscription.Request{
		SubscriptionID: id, Shop: r.Shop, Command: c, Args: a, By: "anna",
	})
	require.NoError(w, err)
	done, err := w.Service.Runs.Command(w.Context(), w.ref(id), line.ID)
	require.NoError(w, err)
	again, err := w.Service.Runs.Command(w.Context(), w.ref(id), line.ID)
	if err == nil { // the run of one that is over has ended
		require.Equal(w, done, again, "a repeat answers the same")
	}
	return done.Answer
}
