package workflows_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"tillflow/activities"
	"tillflow/internal/flow"
	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/subscription"
	"tillflow/workflows"
)

// ledgerOfMembers is a record in memory of one subscription whose steps a test
// lays out: each step that is due takes the next view.
type ledgerOfMembers struct {
	now     func() time.Time
	views   []subscription.View // in order; the last one stays
	at      int
	steps   int
	applied []string
	kept    []string
	told    int
	woken   []payment.RunRef
	fails   error
}

func (r *ledgerOfMembers) view() subscription.View {
	v := r.views[r.at]
	v.Revision = int64(r.at + 1)
	if v.Task != subscription.NoTask {
		v.Wait = max(v.DueAt.Sub(r.now()), 0)
	}
	return v
}

// StepSubscription moves on when the task of the view that stands is due.
func (r *ledgerOfMembers) StepSubscription(context.Context, string) (subscription.View, error) {
	r.steps++
	if r.fails != nil {
		return subscription.View{}, r.fails
	}
	if v := r.view(); v.Task != subscription.NoTask && v.Wait == 0 && r.at+1 < len(r.views) {
		r.at++
		return r.view(), nil
	}
	v := r.view()
	v.Stir = nil
	return v, nil
}

// ApplyCommand moves on at once, and answers a repeat as before.
func (r *ledgerOfMembers) ApplyCommand(_ context.Context, _, id string) (subscription.Answer, subscription.View, error) {
	if id == "foreign" {
		return subscription.Answer{}, subscription.View{}, payment.Errorf(payment.NotFound, "no such command")
	}
	if !slices.Contains(r.applied, id) {
		r.applied = append(r.applied, id)
		r.at = min(r.at+1, len(r.views)-1)
	}
	return subscription.Answer{State: r.view().State}, r.view(), nil
}

func (r *ledgerOfMembers) TellSubscription(context.Context, string) (payment.View, error) {
	r.told++
	return payment.View{}, nil
}

func (r *ledgerOfMembers) SignalChoice(_ context.Context, ref payment.RunRef) error {
	r.woken = append(r.woken, ref)
	return nil
}

func (r *ledgerOfMembers) WakeSubscription(context.Context, subscription.Ref) error { return nil }

func (r *ledgerOfMembers) UseMethod(_ context.Context, _, paymentID, _, _ string) (subscription.View, error) {
	r.kept = append(r.kept, paymentID)
	return r.view(), nil
}

var born = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// member is an environment for one run of Subscription.
func member(t *testing.T, views ...subscription.View) (*testsuite.TestWorkflowEnvironment, *ledgerOfMembers) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet{})
	env := suite.NewTestWorkflowEnvironment()
	env.SetStartTime(born)
	env.SetTestTimeout(20 * time.Second)
	r := &ledgerOfMembers{views: views, now: func() time.Time { return env.Now().UTC() }}
	env.RegisterWorkflow(workflows.Subscription)
	env.RegisterActivity(&activities.Members{Records: r, Runs: r})
	return env, r
}

func runMember(env *testsuite.TestWorkflowEnvironment) {
	env.ExecuteWorkflow(workflows.Subscription, flow.SubscriptionInput{SubscriptionID: "s1", Shop: "a.myshopify.com", Timing: flow.DefaultTiming()})
}

func TestSubscriptionWaitsForItsTaskAndContinuesAsNewWithThePeriod(t *testing.T) {
	t.Parallel()
	ref := payment.RunRef{
		PaymentID: "p2", Source: payment.SourceRenewal, Shop: "a.myshopify.com", ExternalID: payment.ChargeRef("s1", "000002"),
		Amount: money.New(3000, "EUR"), Kind: payment.Sale,
	}
	month := born.Add(30 * 24 * time.Hour)
	env, r := member(t,
		subscription.View{State: subscription.Active, Period: 1, Task: subscription.TaskRenew, DueAt: month},
		subscription.View{State: subscription.Active, Period: 2, Renewal: &ref, Stir: []payment.RunRef{ref}},
		subscription.View{State: subscription.Active, Period: 2, Task: subscription.TaskRenew, DueAt: month.Add(30 * 24 * time.Hour)},
	)
	env.RegisterDelayedCallback(func() { require.Empty(t, r.woken, "not before its time") }, 30*24*time.Hour-time.Second)
	env.RegisterDelayedCallback(func() {
		r.at = 2 // the renewal has told its result
		env.SignalWorkflow(flow.SignalLook, nil)
	}, 31*24*time.Hour)
	runMember(env)
	require.True(t, workflow.IsContinueAsNewError(env.GetWorkflowError()), "%v", env.GetWorkflowError())
	require.Equal(t, []payment.RunRef{ref}, r.woken)
	require.LessOrEqual(t, r.steps, 4)
}

func TestSubscriptionCarriesOutACommandOnce(t *testing.T) {
	t.Parallel()
	env, r := member(t,
		subscription.View{State: subscription.Active, Period: 1, Task: subscription.TaskRenew, DueAt: born.Add(30 * 24 * time.Hour)},
		subscription.View{State: subscription.Cancelled, Period: 1, Ended: true},
	)
	var first, foreign, rejected error
	var answer flow.CommandResult
	env.RegisterDelayedCallback(func() {
		env.UpdateWorkflow(flow.UpdateCommand, "foreign", callback(nil, &foreign), flow.CommandUpdate{CommandID: "foreign"})
	}, time.Minute)
	env.RegisterDelayedCallback(func() {
		env.UpdateWorkflow(flow.UpdateCommand, "empty", callback(nil, &rejected), flow.CommandUpdate{})
	}, 2*time.Minute)
	env.RegisterDelayedCallback(func() {
		env.UpdateWorkflow(flow.UpdateCommand, "c1", callback(&answer, &first), flow.CommandUpdate{CommandID: "c1"})
		env.UpdateWorkflow(flow.UpdateCommand, "c1 again", callback(&answer, &first), flow.CommandUpdate{CommandID: "c1"})
	}, time.Hour)
	runMember(env)
	require.NoError(t, env.GetWorkflowError())
	require.NoError(t, first)
	require.Error(t, foreign)
	require.ErrorContains(t, rejected, "no command id")
	require.Equal(t, subscription.Cancelled, answer.Answer.State)
	require.Equal(t, []string{"c1"}, r.applied)
	var result flow.SubscriptionResult
	require.NoError(t, env.GetWorkflowResult(&result))
	require.Equal(t, subscription.Cancelled, result.State)
}

// callback takes the answer of an update.
func callback(answer *flow.CommandResult, failed *error) *testsuite.TestUpdateCallback {
	return &testsuite.TestUpdateCallback{
		OnAccept: func() {}, OnReject: func(err error) { *failed = err },
		OnComplete: func(value any, err error) {
			*failed = err
			if result, ok := value.(flow.CommandResult); ok && answer != nil {
				*answer = result
			}
		},
	}
}

func TestSubscriptionNeverSpins(t *testing.T) {
	t.Parallel()
	t.Run("a task that is due and does nothing is looked at once a minute", func(t *testing.T) {
		t.Parallel()
		env, r := member(t, subscription.View{State: subscription.PastDue, Period: 1, Task: subscription.TaskGiveUp, DueAt: born})
		env.RegisterDelayedCallback(env.CancelWorkflow, 30*time.Minute)
		env.RegisterDelayedCallback(func() { r.views = append(r.views, subscription.View{State: subscription.Unpaid, Ended: true}) }, time.Hour)
		runMember(env)
		require.NoError(t, env.GetWorkflowError(), "Temporal's cancel ends no subscription")
		require.LessOrEqual(t, r.steps, 64)
	})
	t.Run("a step that fails for good waits for a person", func(t *testing.T) {
		t.Parallel()
		env, r := member(t, subscription.View{State: subscription.Active, Ended: true})
		r.fails = payment.Errorf(payment.Bug, "broken")
		env.RegisterDelayedCallback(func() { r.fails = nil }, 3*time.Hour)
		runMember(env)
		require.NoError(t, env.GetWorkflowError())
		require.LessOrEqual(t, r.steps, 8)
	})
}
