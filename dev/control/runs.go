package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"golang.org/x/sync/errgroup"

	"tillflow/dev/temporalserver"
	"tillflow/internal/flow"
	"tillflow/internal/payment"
)

// Run is an open workflow, told from its search attributes and from what it waits for.
type Run struct {
	WorkflowID, RunID string
	Type              string
	Started           time.Time
	// Op is what it does to money; Ref names it at the shop or, of a reversal, at the provider.
	Op       payment.Operation
	Ref      string
	Shop     string
	Provider string
	Status   string
	// Reason is why a person is needed, empty while nobody is.
	Reason payment.OperatorReason
	// Clock names the next thing that happens by itself, at ClockAt.
	Clock   string
	ClockAt time.Time
	Pending []Pending
}

// Pending is an activity that has not answered yet.
type Pending struct {
	Activity string
	Try      int32
	// Last is the class of the failure that the last try ended with, empty before.
	Last payment.Class
}

// Doubtful reports whether money may have moved and nobody knows.
func (r Run) Doubtful() bool {
	return r.Reason == payment.InDoubt || slices.ContainsFunc(r.Pending, func(p Pending) bool { return p.Last == payment.Unknown })
}

// Temporal are the runs of a Temporal server. It implements Runs.
type Temporal struct {
	Client    client.Client
	Namespace string
}

// openPayments selects what moves money and has not ended.
const openPayments = `ExecutionStatus = "Running" AND PayOp IS NOT NULL`

// Open implements Runs.
func (t Temporal) Open(ctx context.Context, limit int) ([]Run, bool, error) {
	res, err := t.Client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: openPayments, PageSize: int32(limit)}) //nolint:gosec // a page's length
	if err != nil {
		return nil, false, fmt.Errorf("list open runs: %w", err)
	}
	list := make([]Run, len(res.GetExecutions()))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(followers)
	for i, e := range res.GetExecutions() {
		list[i] = readRun(e)
		g.Go(func() error { return t.pending(gctx, &list[i]) })
	}
	if err := g.Wait(); err != nil {
		return nil, false, err
	}
	slices.SortStableFunc(list, func(a, b Run) int { return b.Started.Compare(a.Started) })
	return list, len(res.GetNextPageToken()) > 0, nil
}

func readRun(e *workflowpb.WorkflowExecutionInfo) Run {
	fields := e.GetSearchAttributes().GetIndexedFields()
	return Run{
		WorkflowID: e.GetExecution().GetWorkflowId(), RunID: e.GetExecution().GetRunId(), Type: e.GetType().GetName(),
		Started: e.GetStartTime().AsTime(),
		Op:      payment.Operation(keyword(fields, flow.PayOp)), Ref: keyword(fields, flow.PayRef), Shop: keyword(fields, flow.PayShop),
		Provider: keyword(fields, flow.PayPSP), Status: keyword(fields, flow.PayStatus),
		Reason: payment.OperatorReason(keyword(fields, flow.PayReason)),
		Clock:  keyword(fields, flow.PayClockName), ClockAt: attribute[time.Time](fields, flow.PayNextClock.GetName()),
	}
}

// keyword reads a text; one that was never set is empty.
func keyword(fields map[string]*commonpb.Payload, key interface{ GetName() string }) string {
	return attribute[string](fields, key.GetName())
}

// attribute reads a search attribute, which is never encrypted. What is missing or of another type is zero.
func attribute[T any](fields map[string]*commonpb.Payload, name string) T {
	var value, none T
	p := fields[name]
	if p == nil || converter.GetDefaultDataConverter().FromPayload(p, &value) != nil {
		return none
	}
	return value
}

// pending asks for the activities of a run. One that ended meanwhile has none.
func (t Temporal) pending(ctx context.Context, r *Run) error {
	d, err := t.Client.DescribeWorkflowExecution(ctx, r.WorkflowID, r.RunID)
	if gone(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("describe %s: %w", r.WorkflowID, err)
	}
	for _, a := range d.GetPendingActivities() {
		r.Pending = append(r.Pending, Pending{
			Activity: a.GetActivityType().GetName(), Try: a.GetAttempt(),
			Last: payment.Class(a.GetLastFailure().GetApplicationFailureInfo().GetType()),
		})
	}
	return nil
}

// IDs implements Runs.
func (t Temporal) IDs(ctx context.Context) ([]string, error) {
	var ids []string
	req := &workflowservice.ListWorkflowExecutionsRequest{Query: openPayments, PageSize: 500}
	for {
		res, err := t.Client.ListWorkflow(ctx, req)
		if err != nil {
			return nil, fmt.Errorf("list open runs: %w", err)
		}
		for _, e := range res.GetExecutions() {
			ids = append(ids, e.GetExecution().GetWorkflowId())
		}
		if req.NextPageToken = res.GetNextPageToken(); len(req.NextPageToken) == 0 {
			return ids, nil
		}
	}
}

// Terminate implements Runs. It ends payments' runs only: the sweep, which starts them again, is not one.
func (t Temporal) Terminate(ctx context.Context, workflowID string) error {
	d, err := t.Client.DescribeWorkflowExecution(ctx, workflowID, "")
	if gone(err) {
		return ErrNoRun
	}
	if err != nil {
		return fmt.Errorf("describe %s: %w", workflowID, err)
	}
	info := d.GetWorkflowExecutionInfo()
	if info.GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING || readRun(info).Op == "" {
		return ErrNoRun
	}
	err = t.Client.TerminateWorkflow(ctx, workflowID, info.GetExecution().GetRunId(), "pressed on the control page")
	if gone(err) {
		return ErrNoRun
	}
	if err != nil {
		return fmt.Errorf("terminate %s: %w", workflowID, err)
	}
	return nil
}

// near is a distance between two clocks that is not worth a jump.
const near = time.Second

// Follow implements Runs.
func (t Temporal) Follow(ctx context.Context, workflowID string, now func() time.Time) error {
	for {
		d, err := t.Client.DescribeWorkflowExecution(ctx, workflowID, "")
		if gone(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the clock of %s: %w", workflowID, err)
		}
		if d.GetWorkflowExecutionInfo().GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
			return nil
		}
		at := time.Now() //nolint:forbidigo // the clock of a run that was never moved is the real one
		if moved := d.GetWorkflowExtendedInfo().GetTimeSkippingInfo(); moved != nil {
			at = moved.GetCurrentTime().AsTime()
		}
		behind := now().Sub(at)
		if behind < near {
			return nil
		}
		if err := temporalserver.FastForward(ctx, t.Client, t.Namespace, workflowID, behind); err != nil && !gone(err) {
			return err
		}
	}
}

func gone(err error) bool {
	_, is := errors.AsType[*serviceerror.NotFound](err)
	return is
}

// terminate is the button: the run that was chosen, or the newest one.
func (s *Server) terminate(r *http.Request) (string, *problem) {
	id := r.PostForm.Get("run")
	if id == "" {
		list, _, err := s.opts.Runs.Open(r.Context(), 1)
		if err != nil {
			return "", away(err)
		}
		if len(list) == 0 {
			return "", &problem{http.StatusConflict, "No payment is under way, so nothing was terminated", "Start a checkout in the shop first."}
		}
		id = list[0].WorkflowID
	}
	err := s.opts.Runs.Terminate(r.Context(), id)
	if errors.Is(err, ErrNoRun) {
		return "", &problem{http.StatusConflict, "That run has ended meanwhile, so nothing was terminated", "The list below is up to date."}
	}
	if err != nil {
		return "", away(err)
	}
	return "Terminated " + id + ". The sweep starts it again from its rows within half a minute.", nil
}

func away(err error) *problem {
	return &problem{http.StatusBadGateway, "Temporal did not do it: " + err.Error(), "See whether its web UI answers, then press again."}
}
