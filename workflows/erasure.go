package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"tillflow/activities"
	"tillflow/internal/flow"
	"tillflow/internal/payment"
	"tillflow/internal/privacy"
)

// Erasure serves one privacy request before the law's last moment. For an erasure:
// find whom it is about ▸ wait until their open payments are over ▸ destroy their
// keys ▸ look for them everywhere ▸ certify. For a data request: gather ▸ mail the
// merchant. Mails warn the operator while time runs out; nothing ends it but being
// served.
func Erasure(ctx workflow.Context, in flow.ErasureInput) (flow.ErasureResult, error) {
	e := &erasure{in: in, view: privacy.View{State: privacy.Received}}
	// Cancel in Temporal does not take the law back: the story runs on its own context.
	own, stop := workflow.WithCancel(disconnected(ctx))
	defer stop()
	if err := e.listen(own); err != nil {
		return flow.ErasureResult{}, err
	}
	e.clocks(own)
	return e.run(own)
}

// erasure is the state of one run; what is true stands in view, read from the row.
type erasure struct {
	in     flow.ErasureInput
	view   privacy.View
	looks  int  // calls to look again that have not been answered
	late   bool // the law's time is over
	rests  bool
	warned int
	note   string
	shown  shownRequest
}

func disconnected(ctx workflow.Context) workflow.Context {
	own, _ := workflow.NewDisconnectedContext(ctx)
	return own
}

// run repeats the first rule that fits. Each step is one effect and leaves a fresh view.
func (e *erasure) run(ctx workflow.Context) (flow.ErasureResult, error) {
	for e.view.State != privacy.Done {
		if info := workflow.GetInfo(ctx); info.GetContinueAsNewSuggested() {
			return flow.ErasureResult{}, workflow.NewContinueAsNewError(ctx, info.WorkflowType.Name, e.in)
		}
		e.progress(ctx)
		if err := e.step(ctx); err != nil {
			return flow.ErasureResult{}, err
		}
	}
	e.progress(ctx)
	return flow.ErasureResult{State: e.view.State, Subjects: e.view.Subjects, Payments: e.view.Payments}, nil
}

func (e *erasure) step(ctx workflow.Context) error {
	id := activities.RequestInput{RequestID: e.in.RequestID}
	switch {
	case e.view.State == privacy.Received:
		return e.take(ctx, "find whom it is about", eraser.MatchRequest, id)
	case e.in.Kind == privacy.DataRequest:
		return e.take(ctx, "gather the export and mail it to the merchant", eraser.MailExport, id)
	case e.view.State == privacy.Waiting && e.view.Open > 0:
		return e.await(ctx, id)
	case e.view.State == privacy.Waiting:
		return e.take(ctx, "destroy the keys", eraser.EraseRequest, id)
	case e.view.State == privacy.Erased:
		if err := e.take(ctx, "look for the person everywhere", eraser.ScanForRequest, id); err != nil || e.rested() {
			return err
		}
		if e.view.Residue > 0 {
			return e.trouble(ctx, privacy.Residue)
		}
		return e.take(ctx, "certify", eraser.CertifyRequest, id)
	}
	return temporal.NewNonRetryableApplicationError("a request in no known state", string(payment.Bug), nil)
}

// take runs one step. A step that cannot be done calls a person and is tried again
// later: the request stays due whatever is wrong.
func (e *erasure) take(ctx workflow.Context, what string, call requestCall, in activities.RequestInput) error {
	e.rests = false
	view, err := do(longWork(ctx, what), call, in)
	if err == nil {
		e.view = view
		return nil
	}
	why := privacy.Overdue
	if e.in.Kind == privacy.DataRequest && classOf(err) == payment.Invalid {
		why = privacy.NoAddress
	}
	if classOf(err) == payment.Conflict { // something opened again: the rows say what
		if err := workflow.Sleep(ctx, e.in.Timing.LookFirst); err != nil {
			return err
		}
		return e.reload(ctx)
	}
	return e.trouble(ctx, why)
}

// rested: the last step could not be done.
func (e *erasure) rested() bool { return e.rests }

// await waits in an activity's retries, which cost no history. The sweep wakes it
// when the last payment is over.
func (e *erasure) await(ctx workflow.Context, id activities.RequestInput) error {
	wctx, stop := workflow.WithCancel(ctx)
	defer stop()
	e.looks = 0
	waiting := begin(requestWatch(wctx, e.in.Timing, "wait until the open payments are over"), eraser.AwaitPayments, id)
	late := e.late
	if err := workflow.Await(ctx, func() bool { return waiting.IsReady() || e.looks > 0 || e.late != late }); err != nil {
		return err
	}
	if !waiting.IsReady() {
		if e.late && e.view.Trouble != privacy.OpenPayments {
			return e.call(ctx, privacy.OpenPayments)
		}
		return e.reload(ctx)
	}
	var view privacy.View
	if err := waiting.Get(ctx, &view); err != nil {
		return e.trouble(ctx, privacy.Overdue)
	}
	e.view = view
	return nil
}

// trouble calls a person and rests until it is time to try again, or somebody asks to.
func (e *erasure) trouble(ctx workflow.Context, why privacy.Trouble) error {
	if err := e.call(ctx, why); err != nil {
		return err
	}
	e.rests, e.looks = true, 0
	e.progress(ctx)
	tctx, stop := workflow.WithCancel(ctx)
	defer stop()
	again := workflow.NewTimerWithOptions(tctx, e.in.Timing.Retry, workflow.TimerOptions{Summary: "try again unless a person is faster"})
	return workflow.Await(ctx, func() bool { return again.IsReady() || e.looks > 0 })
}

// call notes why a person is needed, and mails it once for each reason.
func (e *erasure) call(ctx workflow.Context, why privacy.Trouble) error {
	if e.view.Trouble == why {
		return nil
	}
	view, err := doRow(ctx, "call a person", eraser.CallForRequest, activities.TroubleInput{RequestID: e.in.RequestID, Why: why})
	if err != nil {
		return err
	}
	e.view = view
	e.warn(ctx, why, 0)
	return nil
}

func (e *erasure) reload(ctx workflow.Context) error {
	view, err := doRow(ctx, "read the row", eraser.LoadRequest, activities.RequestInput{RequestID: e.in.RequestID})
	if err == nil {
		e.view = view
	}
	return err
}

// listen registers every message before anything blocks.
func (e *erasure) listen(ctx workflow.Context) error {
	err := workflow.SetQueryHandler(ctx, flow.QueryState, func() (flow.ErasureAnswer, error) {
		return flow.ErasureAnswer{View: e.view, Note: e.note}, nil
	})
	if err != nil {
		return err
	}
	workflow.Go(ctx, func(ctx workflow.Context) {
		looks := workflow.GetSignalChannel(ctx, flow.SignalLook)
		for {
			looks.Receive(ctx, nil)
			e.looks++
		}
	})
	return nil
}

// clocks warns the operator while the law's time runs out, beside the story. Of
// warnings whose moment was before this run only the last one is sent again: its
// mail has the same name.
func (e *erasure) clocks(ctx workflow.Context) {
	workflow.Go(ctx, func(ctx workflow.Context) {
		ahead := e.in.Timing.WarnAhead
		for i, before := range append(append([]time.Duration{}, ahead...), 0) {
			next := e.in.DueAt
			if i+1 < len(ahead) {
				next = e.in.DueAt.Add(-ahead[i+1])
			}
			if i < len(ahead) && !workflow.Now(ctx).Before(next) {
				continue
			}
			wait := max(e.in.DueAt.Add(-before).Sub(workflow.Now(ctx)), 0)
			timer := workflow.NewTimerWithOptions(ctx, wait, workflow.TimerOptions{Summary: clockName(before)})
			if timer.Get(ctx, nil) != nil || e.view.State == privacy.Done {
				return
			}
			if before == 0 {
				e.late = true
			}
			e.warn(ctx, privacy.NoTrouble, before)
		}
	})
}

// warn mails the operator beside the story: a mail server that is away holds nothing up.
func (e *erasure) warn(ctx workflow.Context, why privacy.Trouble, ahead time.Duration) {
	if ahead == 0 {
		e.warned++
	}
	in := privacy.Warning{
		RequestID: e.in.RequestID, Shop: e.in.Shop, Kind: e.in.Kind, State: e.view.State, Trouble: why, DueAt: e.in.DueAt,
		Ahead: ahead, Nth: e.warned,
	}
	workflow.Go(ctx, func(ctx workflow.Context) {
		// It is tried until it is sent or the request is served; what became of it is in the log.
		_ = workflow.ExecuteActivity(patientMail(ctx), eraser.WarnOperator, in).Get(ctx, nil)
	})
}
