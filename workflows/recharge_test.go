package workflows_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"tillflow/activities"
	"tillflow/internal/flow"
	"tillflow/internal/payment"
	"tillflow/internal/recharge"
	"tillflow/workflows"
)

func TestRecharge(t *testing.T) {
	t.Parallel()
	var r *activities.Recharge
	begin := func(t *testing.T) *testsuite.TestWorkflowEnvironment {
		t.Helper()
		var suite testsuite.WorkflowTestSuite
		suite.SetLogger(quiet{})
		env := suite.NewTestWorkflowEnvironment()
		workflows.Register(env)
		env.RegisterActivity(&activities.Recharge{})
		return env
	}
	run := func(t *testing.T, env *testsuite.TestWorkflowEnvironment) (flow.RechargeResult, error) {
		t.Helper()
		env.ExecuteWorkflow(workflows.Recharge, flow.RechargeInput{})
		require.True(t, env.IsWorkflowCompleted())
		env.AssertExpectations(t)
		var result flow.RechargeResult
		if err := env.GetWorkflowError(); err != nil {
			return result, err
		}
		return result, env.GetWorkflowResult(&result)
	}
	visits := func(names ...string) []recharge.Visit {
		var list []recharge.Visit
		for _, name := range names {
			list = append(list, recharge.Visit{Shop: name, Tries: 1, Process: name == "pays"})
		}
		return list
	}
	shopIs := func(name string) any {
		return mock.MatchedBy(func(v recharge.Visit) bool { return v.Shop == name })
	}
	t.Run("stores are visited until none is due, and one that fails stops no other", func(t *testing.T) {
		t.Parallel()
		env := begin(t)
		env.OnActivity(r.DueStores, mock.Anything).Return(visits("broken", "troubled", "pays"), nil).Once()
		env.OnActivity(r.DueStores, mock.Anything).Return(visits("late"), nil).Once()
		env.OnActivity(r.DueStores, mock.Anything).Return(visits(), nil).Once()
		env.OnActivity(r.VisitStore, mock.Anything, shopIs("broken")).Return(activities.VisitStoreResult{}, payment.Errorf(payment.Bug, "broken"))
		env.OnActivity(r.VisitStore, mock.Anything, shopIs("troubled")).Return(activities.VisitStoreResult{Fresh: 2, Trouble: "Unauthorized http_401"}, nil).Once()
		env.OnActivity(r.VisitStore, mock.Anything, shopIs("pays")).Return(activities.VisitStoreResult{Fresh: 3, Settled: true}, nil).Once()
		env.OnActivity(r.VisitStore, mock.Anything, shopIs("late")).Return(activities.VisitStoreResult{Settled: true}, nil).Once()
		// What was found before the trouble is told all the same.
		env.OnActivity(r.ReportStore, mock.Anything, mock.Anything).Return(activities.ReportStoreResult{Sent: 1}, nil).Times(4)
		env.OnActivity(r.ProcessStore, mock.Anything, activities.StoreInput{Shop: "pays"}).Return(activities.ProcessStoreResult{Paid: 1, Declined: 1, Open: 5}, nil).Once()
		result, err := run(t, env)
		require.NoError(t, err)
		require.Equal(t, flow.RechargeResult{Stores: 2, Fresh: 5, Reported: 4, Processed: 2, Failed: 2}, result)
	})
	t.Run("a run ends, and leaves what is due then to the next", func(t *testing.T) {
		t.Parallel()
		env := begin(t)
		var many []string
		for n := range 8 {
			many = append(many, fmt.Sprint(n))
		}
		env.OnActivity(r.DueStores, mock.Anything).Return(visits(many...), nil).Times(25)
		env.OnActivity(r.VisitStore, mock.Anything, mock.Anything).Return(activities.VisitStoreResult{More: true}, nil).Times(200)
		env.OnActivity(r.ReportStore, mock.Anything, mock.Anything).Return(activities.ReportStoreResult{}, nil).Times(200)
		result, err := run(t, env)
		require.NoError(t, err)
		require.Equal(t, 200, result.Stores)
	})
	t.Run("a record that cannot be read is not hidden", func(t *testing.T) {
		t.Parallel()
		env := begin(t)
		env.OnActivity(r.DueStores, mock.Anything).Return(nil, payment.Errorf(payment.Unavailable, "rows"))
		_, err := run(t, env)
		require.ErrorContains(t, err, "rows")
	})
}
