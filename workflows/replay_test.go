package workflows_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"tillflow/activities"
	"tillflow/internal/flow"
	"tillflow/workflows"
)

const histories = "testdata/histories"

// TestReplay runs every recorded history through today's workflows: the order
// and kind of their commands must not have changed for runs that are open.
func TestReplay(t *testing.T) {
	t.Parallel()
	for _, file := range recorded(t, "*") {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			r := replayer(t)
			workflows.Register(r)
			require.NoError(t, r.ReplayWorkflowHistoryFromJSONFile(nil, file))
		})
	}
}

// TestReplayFails proves that the test above can fail.
func TestReplayFails(t *testing.T) {
	t.Parallel()
	var rows *activities.Rows
	for name, change := range map[string]func(workflow.Context, flow.ChargeInput) (flow.ChargeResult, error){
		"one more activity in front": func(ctx workflow.Context, in flow.ChargeInput) (flow.ChargeResult, error) {
			once := workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
			if err := workflow.ExecuteActivity(once, rows.LoadCharge, activities.PaymentInput{PaymentID: in.PaymentID}).Get(once, nil); err != nil {
				return flow.ChargeResult{}, err
			}
			return workflows.Charge(ctx, in)
		},
		"another timer in front": func(ctx workflow.Context, in flow.ChargeInput) (flow.ChargeResult, error) {
			if err := workflow.Sleep(ctx, time.Minute); err != nil {
				return flow.ChargeResult{}, err
			}
			return workflows.Charge(ctx, in)
		},
		"nothing done at all": func(workflow.Context, flow.ChargeInput) (flow.ChargeResult, error) {
			return flow.ChargeResult{}, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, file := range recorded(t, "Charge") {
				r := replayer(t)
				r.RegisterWorkflowWithOptions(change, workflow.RegisterOptions{Name: "Charge"})
				require.Error(t, r.ReplayWorkflowHistoryFromJSONFile(nil, file), file)
			}
		})
	}
}

// recorded lists the histories of a workflow type.
func recorded(t *testing.T, workflowType string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(histories, workflowType, "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files, "no histories of %s in %s", workflowType, histories)
	return files
}

// replayer replays payloads as they were recorded: opened, so it needs no key.
func replayer(t *testing.T) worker.WorkflowReplayer {
	t.Helper()
	r, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{})
	require.NoError(t, err)
	return r
}
