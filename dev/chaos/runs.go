package chaos

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"

	"tillflow/dev/temporalserver"
	"tillflow/internal/flow"
	"tillflow/internal/payment"
)

func chargeRun(shop string, x *sale) string { return flow.ChargeID(payment.SourceShopify, shop, x.id) }

// runLimit is how long somebody waits for a run that gives money back.
const runLimit = time.Second

// disturb does to a run what somebody with access to Temporal can do.
func (s *scene) disturb(ctx context.Context, x *sale, step Step) error {
	run, kind, err := s.target(ctx, x, step.Do)
	if err != nil {
		return err
	}
	verb := step.Do
	switch step.Do {
	case Reset, ResetBack, ResetMove:
		verb, err = Reset, s.reset(ctx, run, step.N)
	case Terminate, StopBack, StopMove:
		verb, err = Terminate, s.service.Temporal.TerminateWorkflow(ctx, run, "", "chaos")
	case Delete, DeleteBack, LoseMove:
		verb = Delete
		_, err = s.service.Temporal.WorkflowService().DeleteWorkflowExecution(ctx, &workflowservice.DeleteWorkflowExecutionRequest{
			Namespace: s.service.Config.TemporalNamespace, WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: run},
		})
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hits[Cell{Side: OfRun, On: kind, Fault: string(verb)}]++
	return nil
}

// target finds the run that a verb is about. One that gives money back may have to be waited for.
func (s *scene) target(ctx context.Context, x *sale, verb Verb) (run, kind string, err error) {
	switch verb {
	case ResetMove, StopMove, LoseMove:
		r, ok := s.last(x)
		if !ok {
			return "", "", errMissing
		}
		return r.run(s.shop), string(r.kind), nil
	case ResetBack, StopBack, DeleteBack:
	default:
		return chargeRun(s.shop, x), runOfCharge, nil
	}
	ctx, cancel := context.WithTimeout(ctx, runLimit)
	defer cancel()
	for {
		refs, err := s.reversals(ctx)
		if err != nil {
			return "", "", err
		}
		if len(refs) > 0 {
			return flow.ReversalID(payment.SourceShopify, s.shop, refs[0]), runOfBack, nil
		}
		if pause(ctx, 50*time.Millisecond) != nil {
			return "", "", errMissing
		}
	}
}

// reversals lists the provider's references of what is given back.
func (s *scene) reversals(ctx context.Context) ([]string, error) {
	rows, err := s.pool.Query(ctx, `SELECT external_ref FROM operations o JOIN payments p ON p.id = o.payment_id
		WHERE p.shop = $1 AND o.kind = 'reversal' ORDER BY o.created_at`, s.shop)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// reset takes a run, finished or not, back to one of its workflow tasks.
func (s *scene) reset(ctx context.Context, run string, task int) error {
	var tasks []int64
	history := s.service.Temporal.GetWorkflowHistory(ctx, run, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for history.HasNext() {
		e, err := history.Next()
		if err != nil {
			return err
		}
		if e.GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED {
			tasks = append(tasks, e.GetEventId())
		}
	}
	if len(tasks) == 0 {
		return errMissing
	}
	_, err := s.service.Temporal.ResetWorkflowExecution(ctx, &workflowservice.ResetWorkflowExecutionRequest{
		Namespace: s.service.Config.TemporalNamespace, WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: run},
		Reason: "chaos", WorkflowTaskFinishEventId: tasks[task%len(tasks)], RequestId: fmt.Sprintf("%s %d %d", run, task, len(tasks)),
	})
	return err
}

// running lists the play's runs that have not ended.
func (s *scene) running(ctx context.Context) ([]string, error) {
	var ids, open []string
	for _, x := range s.sales {
		ids = append(ids, chargeRun(s.shop, x))
	}
	s.mu.Lock()
	for _, r := range s.requests {
		ids = append(ids, r.run(s.shop))
	}
	s.mu.Unlock()
	refs, err := s.reversals(ctx)
	if err != nil {
		return nil, err
	}
	for _, ref := range refs {
		ids = append(ids, flow.ReversalID(payment.SourceShopify, s.shop, ref))
	}
	for _, id := range ids {
		d, err := s.service.Temporal.DescribeWorkflowExecution(ctx, id, "")
		if _, none := errors.AsType[*serviceerror.NotFound](err); none {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("describe %s: %w", id, err)
		}
		if d.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
			open = append(open, id)
		}
	}
	return open, nil
}

// skip moves the clock of everything: the service and its neighbours share one, and each run has its own.
func (s *scene) skip(ctx context.Context, d time.Duration) error {
	s.stack.Clock.Skip(d)
	runs, err := s.running(ctx)
	for _, run := range runs {
		err = errors.Join(err, s.forward(ctx, run, d))
	}
	return err
}

func (s *scene) forward(ctx context.Context, run string, d time.Duration) error {
	return temporalserver.FastForward(ctx, s.service.Temporal, s.service.Config.TemporalNamespace, run, d)
}

// catchUp brings the run of a new sale to the clock that earlier stories have moved.
func (s *scene) catchUp(ctx context.Context, x *sale) error {
	offset := s.stack.Clock.Offset()
	if offset == 0 {
		return nil
	}
	for {
		err := s.forward(ctx, chargeRun(s.shop, x), offset)
		if _, none := errors.AsType[*serviceerror.NotFound](err); !none {
			return err
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// hurryRuns lets time pass for runs that were started again meanwhile, and so are behind the moved clock. Those that
// are not behind meet their deadline sooner, as runs whose worker was slow would.
func (s *scene) hurryRuns(ctx context.Context, runs []string) error {
	if s.stack.Clock.Offset() == 0 {
		return nil
	}
	for _, run := range runs {
		ctx, cancel := context.WithTimeout(ctx, stepLimit)
		err := s.forward(ctx, run, s.stack.Clock.Offset())
		cancel()
		s.say("%s catches up: %v", run, err)
	}
	return ctx.Err()
}
