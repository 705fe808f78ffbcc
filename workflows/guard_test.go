package workflows_test

import (
	"testing"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"tillflow/activities"
	"tillflow/internal/flow"
	"tillflow/internal/payment"
	"tillflow/internal/shopify/app"
	"tillflow/workflows"
)

// night is one run of the guardian.
type night struct {
	*testing.T
	env *testsuite.TestWorkflowEnvironment
}

func newNight(t *testing.T) night {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet{})
	n := night{t, suite.NewTestWorkflowEnvironment()}
	workflows.Register(n.env)
	n.env.RegisterActivity(&activities.Guard{})
	return n
}

func (n night) run() (flow.GuardResult, error) {
	n.Helper()
	n.env.ExecuteWorkflow(workflows.Guard, flow.GuardInput{})
	require.True(n, n.env.IsWorkflowCompleted())
	n.env.AssertExpectations(n)
	var result flow.GuardResult
	if err := n.env.GetWorkflowError(); err != nil {
		return result, err
	}
	require.NoError(n, n.env.GetWorkflowResult(&result))
	return result, nil
}

func shops(names ...string) activities.GuardDueResult {
	var due activities.GuardDueResult
	for _, name := range names {
		due.Shops = append(due.Shops, app.Guarded{Shop: name, Tries: 1})
	}
	return due
}

func TestGuard(t *testing.T) {
	t.Parallel()
	var g *activities.Guard
	t.Run("shops are looked at until none is due, and one that fails stops no other", func(t *testing.T) {
		t.Parallel()
		n := newNight(t)
		n.env.OnActivity(g.GuardDue, mock.Anything).Return(shops("a", "b", "c"), nil).Once()
		n.env.OnActivity(g.GuardDue, mock.Anything).Return(shops("d"), nil).Once()
		n.env.OnActivity(g.GuardDue, mock.Anything).Return(shops(), nil).Once()
		n.env.OnActivity(g.GuardShop, mock.Anything, mock.MatchedBy(func(s app.Guarded) bool { return s.Shop == "a" })).
			Return(app.Checkup{}, payment.Errorf(payment.Bug, "broken"))
		n.env.OnActivity(g.GuardShop, mock.Anything, mock.MatchedBy(func(s app.Guarded) bool { return s.Shop == "b" })).
			Return(app.Checkup{Trouble: "unavailable"}, nil)
		n.env.OnActivity(g.GuardShop, mock.Anything, mock.MatchedBy(func(s app.Guarded) bool { return s.Shop > "b" })).
			Return(app.Checkup{Made: []app.Topic{app.OrdersPaid}, Filled: 2}, nil).Twice()
		n.env.OnActivity(g.SendWarnings, mock.Anything).Return(activities.SendWarningsResult{Sent: 1}, nil)
		result, err := n.run()
		require.NoError(t, err)
		require.Equal(t, flow.GuardResult{Shops: 2, Made: 2, Filled: 4, Warnings: 1, Failed: 2}, result)
	})
	t.Run("versions are checked when their week is over, and only then", func(t *testing.T) {
		t.Parallel()
		n := newNight(t)
		n.env.OnActivity(g.GuardDue, mock.Anything).Return(activities.GuardDueResult{Versions: true}, nil).Once()
		n.env.OnActivity(g.CheckVersions, mock.Anything).Return(activities.VersionsResult{Checked: 2}, nil).Once()
		n.env.OnActivity(g.SendWarnings, mock.Anything).Return(activities.SendWarningsResult{}, nil)
		_, err := n.run()
		require.NoError(t, err)
	})
	t.Run("a record that cannot be read does not stop the warnings, and is not hidden", func(t *testing.T) {
		t.Parallel()
		n := newNight(t)
		n.env.OnActivity(g.GuardDue, mock.Anything).Return(activities.GuardDueResult{}, payment.Errorf(payment.Unavailable, "rows"))
		n.env.OnActivity(g.SendWarnings, mock.Anything).Return(activities.SendWarningsResult{}, nil)
		_, err := n.run()
		require.ErrorContains(t, err, "rows")
	})
}
