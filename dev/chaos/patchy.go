package chaos

import (
	"context"
	"strings"
	"sync"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"tillflow/standin/faults"
)

// Calls of Temporal that may get lost: what starts a run and what wakes it.
const (
	temporalStart  = "start"
	temporalSignal = "signal"
)

// patchy is a client of Temporal whose line breaks. Each shop has a switchboard of its own. Workers keep the good line:
// what they do is repeated by Temporal itself.
type patchy struct {
	client.Client
	boards *sync.Map // shop → *faults.Switchboard
}

// lose carries a call out, or not, and says whether its answer is lost.
func (p patchy) lose(workflowID, call string, do func() error) error {
	parts := strings.Split(workflowID, "/")
	if len(parts) < 3 {
		return do()
	}
	board, ok := p.boards.Load(parts[2])
	if !ok {
		return do()
	}
	plan := board.(*faults.Switchboard).Plan(call, workflowID)
	if plan.Has(faults.LoseRequest) {
		return serviceerror.NewUnavailable("the request was lost")
	}
	err := do()
	if plan.Has(faults.LoseReply) {
		return serviceerror.NewUnavailable("the answer was lost")
	}
	return err
}

// ExecuteWorkflow implements client.Client.
func (p patchy) ExecuteWorkflow(ctx context.Context, o client.StartWorkflowOptions, workflow any, args ...any) (run client.WorkflowRun, err error) {
	err = p.lose(o.ID, temporalStart, func() error {
		run, err = p.Client.ExecuteWorkflow(ctx, o, workflow, args...)
		return err
	})
	return run, err
}

// SignalWorkflow implements client.Client.
func (p patchy) SignalWorkflow(ctx context.Context, workflowID, runID, name string, arg any) error {
	return p.lose(workflowID, temporalSignal, func() error {
		return p.Client.SignalWorkflow(ctx, workflowID, runID, name, arg)
	})
}

// SignalWithStartWorkflow implements client.Client.
//
//nolint:revive // its signature is the SDK's
func (p patchy) SignalWithStartWorkflow(
	ctx context.Context, workflowID, name string, arg any, o client.StartWorkflowOptions, workflow any, args ...any,
) (run client.WorkflowRun, err error) {
	err = p.lose(workflowID, temporalSignal, func() error {
		run, err = p.Client.SignalWithStartWorkflow(ctx, workflowID, name, arg, o, workflow, args...)
		return err
	})
	return run, err
}
