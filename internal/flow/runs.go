package flow

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"tillflow/internal/payment"
)

// Workflow type names: the exported function names, for life.
const (
	typeCharge   = "Charge"
	typeCapture  = "Capture"
	typeVoid     = "Void"
	typeRefund   = "Refund"
	typeReversal = "Reversal"
	typeSweep    = "Sweep"
)

// Runs starts, wakes and asks workflows.
type Runs struct {
	client   client.Client
	timing   Timing
	erasures ErasureTiming
	eager    bool
}

// NewRuns gives a Runs. eager asks the server to hand the first workflow task
// to this process, which helps only where a worker shares the client.
func NewRuns(c client.Client, timing Timing, eager bool) *Runs {
	return &Runs{client: c, timing: timing, erasures: DefaultErasureTiming(), eager: eager}
}

// StartCharge makes sure that a run of the charge exists, unless it has
// completed: a terminated or failed one is started again from the rows.
//
// The run of a renewal lives for as long as something is owed, and rests in
// between: it is woken too, in case a wish for another attempt was not heard.
func (r *Runs) StartCharge(ctx context.Context, ref payment.RunRef) error {
	if ref.Source == payment.SourceRenewal {
		return r.SignalChoice(ctx, ref)
	}
	_, err := r.client.ExecuteWorkflow(ctx, r.chargeOptions(ref), chargeType(ref), r.chargeInput(ref))
	return started("start charge", err)
}

// chargeType is the workflow that takes a payment to its end.
func chargeType(ref payment.RunRef) string {
	if ref.Source == payment.SourceRenewal {
		return typeRenewal
	}
	return typeCharge
}

func (r *Runs) chargeInput(ref payment.RunRef) ChargeInput {
	return ChargeInput{
		PaymentID: ref.PaymentID, Source: ref.Source, Shop: ref.Shop, ExternalID: ref.ExternalID,
		Kind: ref.Kind, Amount: ref.Amount, ReceivedAt: ref.ReceivedAt, Timing: r.timing,
	}
}

func (r *Runs) chargeOptions(ref payment.RunRef) client.StartWorkflowOptions {
	o := options(ChargeID(ref.Source, ref.Shop, ref.ExternalID), ref.Shop)
	o.EnableEagerStart = r.eager
	o.StaticSummary, o.TypedSearchAttributes = fmt.Sprintf("charge %s", ref.Amount), chargeAttributes(ref, r.timing)
	if ref.Source == payment.SourceRenewal {
		o.StaticSummary, o.TypedSearchAttributes = renewalSummary(ref), renewalAttributes(ref)
	}
	return o
}

// StartMove makes sure that a run of the capture, void, refund or reversal
// exists, unless it has completed.
func (r *Runs) StartMove(ctx context.Context, ref payment.MoveRef) error {
	workflow, err := moveType(ref.Kind)
	if err != nil {
		return err
	}
	_, err = r.client.ExecuteWorkflow(ctx, r.moveOptions(ref), workflow, r.moveInput(ref))
	return started("start "+string(ref.Kind), err)
}

func moveType(kind payment.Operation) (string, error) {
	switch kind {
	case payment.OpCapture:
		return typeCapture, nil
	case payment.OpVoid:
		return typeVoid, nil
	case payment.OpRefund:
		return typeRefund, nil
	case payment.OpReversal:
		return typeReversal, nil
	case payment.OpCharge, payment.OpDispute:
	}
	return "", payment.Errorf(payment.Bug, "no workflow moves a %q", kind)
}

func (r *Runs) moveInput(ref payment.MoveRef) MoveInput {
	return MoveInput{
		OperationID: ref.OperationID, PaymentID: ref.PaymentID, Operation: ref.Kind, Shop: ref.Shop,
		Provider: ref.Provider, Amount: ref.Amount, Timing: r.timing,
	}
}

func (r *Runs) moveOptions(ref payment.MoveRef) client.StartWorkflowOptions {
	o := options(MoveID(ref), ref.Shop)
	o.EnableEagerStart = r.eager
	o.StaticSummary = MoveSummary(ref)
	o.TypedSearchAttributes = MoveAttributes(ref)
	return o
}

// MoveSummary is the one line that names a run of a move: "refund 12.30 EUR at stripe".
func MoveSummary(ref payment.MoveRef) string {
	words := []string{string(ref.Kind)}
	if ref.Kind == payment.OpReversal {
		words = []string{"give back"}
	}
	if ref.Amount.Currency != "" {
		words = append(words, ref.Amount.String())
	}
	if ref.Provider != "" {
		words = append(words, "at", ref.Provider)
	}
	return strings.Join(words, " ")
}

// SignalEvent tells the charge or move that a provider's message is stored.
func (r *Runs) SignalEvent(ctx context.Context, ref payment.EventRef) error {
	event := EventSignal{EventID: ref.EventID, AttemptID: ref.AttemptID}
	if ref.Move != nil {
		return r.SignalMove(ctx, *ref.Move, event)
	}
	return r.signalCharge(ctx, ref.Run, SignalEvent, event)
}

// SignalMove wakes a move, and starts it when there is no run yet.
func (r *Runs) SignalMove(ctx context.Context, ref payment.MoveRef, event EventSignal) error {
	workflow, err := moveType(ref.Kind)
	if err != nil {
		return err
	}
	return r.signal(ctx, SignalEvent, event, target{r.moveOptions(ref), workflow, r.moveInput(ref)})
}

// SignalChoice tells the charge that the buyer chose or asked to leave.
func (r *Runs) SignalChoice(ctx context.Context, ref payment.RunRef) error {
	return r.signalCharge(ctx, ref, SignalChoice, nil)
}

// SignalReturned tells the charge that the buyer is back from the provider.
func (r *Runs) SignalReturned(ctx context.Context, ref payment.RunRef) error {
	return r.signalCharge(ctx, ref, SignalReturned, nil)
}

func (r *Runs) signalCharge(ctx context.Context, ref payment.RunRef, name string, arg any) error {
	return r.signal(ctx, name, arg, target{r.chargeOptions(ref), chargeType(ref), r.chargeInput(ref)})
}

// target is a run that should hear a signal, and how it is started.
type target struct {
	options  client.StartWorkflowOptions
	workflow string
	input    any
}

// signal wakes a run, and starts it when there is none yet. A completed one
// needs no waking: that is no error.
func (r *Runs) signal(ctx context.Context, name string, arg any, to target) error {
	err := r.client.SignalWorkflow(ctx, to.options.ID, "", name, arg)
	if _, none := errors.AsType[*serviceerror.NotFound](err); !none {
		return wrap("signal "+name, err)
	}
	to.options.EnableEagerStart = false // not allowed together with a signal
	_, err = r.client.SignalWithStartWorkflow(ctx, to.options.ID, name, arg, to.options, to.workflow, to.input)
	return started("signal "+name, err)
}

// Act hands a person's action to a run and waits for its effect. The action row
// must exist, and the run too.
func (r *Runs) Act(ctx context.Context, workflowID, update, actionID string) (ActionResult, error) {
	h, err := r.client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: workflowID, UpdateID: actionID, UpdateName: update, Args: []any{ActionUpdate{ActionID: actionID}},
		WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err != nil {
		return ActionResult{}, refused(update, err)
	}
	var result ActionResult
	return result, refused(update, h.Get(ctx, &result))
}

// refused keeps the run's own no apart from a service that did not answer.
func refused(update string, err error) error {
	if app, is := errors.AsType[*temporal.ApplicationError](err); is {
		return &payment.Error{Class: payment.Invalid, Code: "refused", Message: update + ": " + app.Message(), Err: err}
	}
	return wrap(update, err)
}

// Ended lists charges and moves whose run ended unfinished within the last while.
func (r *Runs) Ended(ctx context.Context, within time.Duration) ([]payment.EndedRun, error) {
	since := time.Now().Add(-within) //nolint:forbidigo // Temporal's clock, which tests do not move
	resp, err := r.client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		PageSize: 1000,
		Query: fmt.Sprintf(`PayOp IS NOT NULL AND ExecutionStatus IN ("Terminated", "Failed", "Canceled", "TimedOut") AND CloseTime > "%s"`,
			since.UTC().Format(time.RFC3339)),
	})
	if err != nil {
		return nil, wrap("list ended runs", err)
	}
	var ended []payment.EndedRun
	for _, e := range resp.GetExecutions() {
		fields := e.GetSearchAttributes().GetIndexedFields()
		ended = append(ended, payment.EndedRun{Shop: keyword(fields[PayShop.GetName()]), Ref: keyword(fields[PayRef.GetName()])})
	}
	return ended, nil
}

// keyword reads a search attribute, which is never encrypted.
func keyword(p *commonpb.Payload) string {
	var text string
	if p == nil || converter.GetDefaultDataConverter().FromPayload(p, &text) != nil {
		return ""
	}
	return text
}

// EnsureSweep makes sure that the sweep runs on its schedule. made is true when
// there was no schedule: Temporal is new, or its database was lost.
func (r *Runs) EnsureSweep(ctx context.Context, every time.Duration) (made bool, err error) {
	made, err = r.ensureSchedule(ctx, SweepID, every, &client.ScheduleWorkflowAction{
		ID: SweepID, Workflow: typeSweep, TaskQueue: Queue, Args: []any{SweepInput{Timing: r.timing}},
		// A sweep that hangs must not stop the next ones; it holds no money state.
		WorkflowRunTimeout: 10 * time.Minute,
	})
	return made, wrap("create sweep schedule", err)
}

func (r *Runs) ensureSchedule(ctx context.Context, id string, every time.Duration, action *client.ScheduleWorkflowAction) (made bool, err error) {
	_, err = r.client.ScheduleClient().Create(ctx, client.ScheduleOptions{
		ID:      id,
		Spec:    client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: every}}},
		Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP,
		// A server that was away owes one run, not all that it missed.
		CatchupWindow: max(time.Minute, every/24),
		Action:        action,
	})
	if errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return false, nil
	}
	return err == nil, err
}

// AlignSweep gives the schedule that stands another interval when the setting has
// changed since it was made, and answers whether it did. It leaves all else, such
// as a pause that a person set. Call it once a process, at its start: where
// processes have different settings the one that started last counts.
func (r *Runs) AlignSweep(ctx context.Context, every time.Duration) (changed bool, err error) {
	err = r.client.ScheduleClient().GetHandle(ctx, SweepID).Update(ctx, client.ScheduleUpdateOptions{
		DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
			schedule := in.Description.Schedule
			if schedule.Spec != nil && len(schedule.Spec.Intervals) == 1 && schedule.Spec.Intervals[0].Every == every {
				changed = false
				return nil, temporal.ErrSkipScheduleUpdate
			}
			changed = true
			schedule.Spec = &client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: every}}}
			return &client.ScheduleUpdate{Schedule: &schedule}, nil
		},
	})
	if err != nil {
		return false, wrap("align sweep schedule", err)
	}
	return changed, nil
}

// SweepInput starts Sweep.
type SweepInput struct{ Timing Timing }

func options(id, shop string) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID: id, TaskQueue: Queue,
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		Priority:                 temporal.Priority{FairnessKey: fairness(shop)},
	}
}

// fairness keeps within the server's 64 bytes, and whole characters.
func fairness(shop string) string { return strings.ToValidUTF8(shop[:min(len(shop), 64)], "") }

// started reads "already started" as success: the run exists or has completed.
func started(what string, err error) error {
	if temporal.IsWorkflowExecutionAlreadyStartedError(err) {
		return nil
	}
	return wrap(what, err)
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	if _, gone := errors.AsType[*serviceerror.NotFound](err); gone {
		return &payment.Error{Class: payment.NotFound, Message: what + ": no run", Err: err}
	}
	return &payment.Error{Class: payment.Unavailable, Message: what + ": the workflow service did not take it", Err: err}
}
