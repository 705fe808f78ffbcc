package temporalserver

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

// FastForward moves the clock of one running workflow forward by d and returns when it is there, or when the
// workflow ended on the way. The workflow needs no option at its start.
//
// The clock jumps from one thing the workflow waits for to the next (timers, the next try of a failed activity),
// and the workflow runs at each of them, so everything happens in the order in which it would have in real time.
// It stands still while work is in flight: a workflow task, an activity that is scheduled or running, a child, a
// request to another workflow. FastForward waits for that as long as ctx allows, then takes back what is left of the
// jump and returns an error. At the end real time goes on from
// the new moment; workflow.Now, timers, and the times in the history keep the offset, also after continue-as-new.
// Nothing else moves: not other workflows (children start at the moved clock but do not jump), not the worker's
// clock, not a database's now().
func FastForward(ctx context.Context, c client.Client, namespace, workflowID string, d time.Duration) error {
	id := rand.Text()
	err := configure(ctx, c, namespace, workflowID, &commonpb.TimeSkippingConfig{
		Enabled:             true,
		FastForwardConfig:   &commonpb.FastForwardConfig{Id: id, Duration: durationpb.New(d)},
		DisablePropagation:  true,
		MaxSessionSkipCount: math.MaxInt32, // d is the bound, not the number of jumps
	})
	if err != nil {
		return fmt.Errorf("fast-forward %s by %s: %w", workflowID, d, err)
	}
	err = arrive(ctx, c, &workflowservice.PollWorkflowExecutionTimeSkippingRequest{
		Namespace: namespace, WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: workflowID}, FastForwardId: id,
	})
	if err == nil {
		return nil
	}
	err = fmt.Errorf("wait for the fast-forward of %s by %s: %w", workflowID, d, err)
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), takeBackLimit)
	defer cancel()
	if off := configure(clean, c, namespace, workflowID, &commonpb.TimeSkippingConfig{}); off != nil {
		err = errors.Join(err, fmt.Errorf("take the fast-forward back: %w", off))
	}
	return err
}

// takeBackLimit bounds the one call that ends a jump whose caller lost patience.
const takeBackLimit = 5 * time.Second

// configure replaces the time skipping settings of a running workflow; the server takes them only as a whole.
func configure(ctx context.Context, c client.Client, ns, workflowID string, s *commonpb.TimeSkippingConfig) error {
	_, err := c.WorkflowService().UpdateWorkflowExecutionOptions(ctx,
		&workflowservice.UpdateWorkflowExecutionOptionsRequest{
			Namespace:                ns,
			WorkflowExecution:        &commonpb.WorkflowExecution{WorkflowId: workflowID},
			WorkflowExecutionOptions: &workflowpb.WorkflowExecutionOptions{TimeSkippingConfig: s},
			UpdateMask:               &fieldmaskpb.FieldMask{Paths: []string{"time_skipping_config"}},
		})
	return err
}

// arrive asks until the jump is over.
func arrive(ctx context.Context, c client.Client, q *workflowservice.PollWorkflowExecutionTimeSkippingRequest) error {
	for {
		res, err := c.WorkflowService().PollWorkflowExecutionTimeSkipping(ctx, q)
		if err != nil {
			return err
		}
		switch result := res.GetFastForwardPollingResult(); result {
		case enumspb.FAST_FORWARD_POLLING_RESULT_FAST_FORWARD_COMPLETED:
			return nil
		case enumspb.FAST_FORWARD_POLLING_RESULT_POLL_TIMEOUT:
			continue // work in flight holds the clock; the server answers after some time so that we ask again
		case enumspb.FAST_FORWARD_POLLING_RESULT_FAST_FORWARD_FAILED:
			return endedOr(ctx, c, q.GetWorkflowExecution().GetWorkflowId(), res.GetFailedReason())
		case enumspb.FAST_FORWARD_POLLING_RESULT_UNSPECIFIED:
			fallthrough
		default:
			return fmt.Errorf("unknown result %s", result)
		}
	}
}

// endedOr returns nil if the workflow is closed: then there is no clock left to move. Otherwise the jump was replaced
// or switched off by somebody else, which reason tells.
func endedOr(ctx context.Context, c client.Client, workflowID, reason string) error {
	res, err := c.DescribeWorkflowExecution(ctx, workflowID, "")
	if err != nil {
		return fmt.Errorf("see why it stopped (%s): %w", reason, err)
	}
	if res.GetWorkflowExecutionInfo().GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return nil
	}
	return fmt.Errorf("it stopped: %s", reason)
}
