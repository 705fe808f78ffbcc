package workflows_test

import (
	"testing"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"tillflow/activities"
	"tillflow/internal/flow"
	"tillflow/internal/payment"
	"tillflow/workflows"
)

func TestSweep(t *testing.T) {
	t.Parallel()
	sweep := func(t *testing.T, rows, mails error) (activities.SweepResult, error) {
		t.Helper()
		var suite testsuite.WorkflowTestSuite
		suite.SetLogger(quiet{})
		env := suite.NewTestWorkflowEnvironment()
		workflows.Register(env)
		var s *activities.Sweep
		env.OnActivity(s.SweepRows, mock.Anything).Return(activities.SweepResult{Charges: 2, Failed: 1}, rows)
		env.OnActivity(s.SendNotices, mock.Anything).Return(activities.SweepResult{Notices: 3, Failed: 1}, mails)
		env.RegisterActivity(&activities.Sweep{})
		env.ExecuteWorkflow(workflows.Sweep, flow.SweepInput{Timing: flow.DefaultTiming()})
		require.True(t, env.IsWorkflowCompleted())
		env.AssertExpectations(t)
		if err := env.GetWorkflowError(); err != nil {
			return activities.SweepResult{}, err
		}
		var result activities.SweepResult
		require.NoError(t, env.GetWorkflowResult(&result))
		return result, nil
	}

	t.Run("both chores add up", func(t *testing.T) {
		t.Parallel()
		result, err := sweep(t, nil, nil)
		require.NoError(t, err)
		require.Equal(t, activities.SweepResult{Charges: 2, Notices: 3, Failed: 2}, result)
	})

	t.Run("rows that cannot be read do not stop the mails, and are not hidden", func(t *testing.T) {
		t.Parallel()
		_, err := sweep(t, payment.Errorf(payment.Unavailable, "rows"), nil)
		require.ErrorContains(t, err, "rows")
		_, err = sweep(t, nil, payment.Errorf(payment.Unavailable, "mails"))
		require.ErrorContains(t, err, "mails")
	})
}
