package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"tillflow/activities"
	"tillflow/internal/flow"
	"tillflow/internal/payment"
)

// Reversal gives back money that nobody wants any more: a second success, a
// success after the answer was given, a resolve that the shop refused. What is
// only held is voided, what is taken is refunded.
func Reversal(ctx workflow.Context, in flow.MoveInput) (flow.MoveResult, error) {
	return runMove(ctx, in)
}

// runMove takes one claimed operation on existing money to its proven end:
// claim (the row exists) ▸ settle ▸ post (with the finding) ▸ done.
func runMove(ctx workflow.Context, in flow.MoveInput) (flow.MoveResult, error) {
	m := &move{desk: desk{timing: in.Timing, shown: sign{status: "open"}}, in: in}
	// Cancel in Temporal does not stop money on its way back.
	own, _ := workflow.NewDisconnectedContext(ctx)
	if err := m.listenToPeople(own, func() flow.StateAnswer { return flow.StateAnswer{Note: m.note} }); err != nil {
		return flow.MoveResult{}, err
	}
	m.noticeCancel(ctx, own, m.progress)
	return m.run(own)
}

// move is the state of one run; what is true stands in view, read from the rows.
type move struct {
	desk
	in   flow.MoveInput
	view payment.MoveView
	look bool // may have been accepted: look before anything is sent
}

func (m *move) run(ctx workflow.Context) (flow.MoveResult, error) {
	if err := m.reload(ctx); err != nil {
		return flow.MoveResult{}, err
	}
	for !m.view.Done && !m.view.Refused {
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() && len(m.actions) == 0 && workflow.AllHandlersFinished(ctx) {
			return flow.MoveResult{}, workflow.NewContinueAsNewError(ctx, workflow.GetInfo(ctx).WorkflowType.Name, m.in)
		}
		m.progress(ctx)
		if err := m.step(ctx); err != nil {
			return flow.MoveResult{}, err
		}
	}
	return m.finish(ctx)
}

func (m *move) step(ctx workflow.Context) error {
	switch {
	case len(m.actions) > 0:
		return m.act1(ctx)
	case m.resting():
		return m.wait(ctx)
	case m.look && len(m.view.Unfinished) > 0:
		return m.inquire(ctx)
	}
	return m.submit(ctx)
}

// submit sends the move, or, when it was begun before, looks first; see the
// activity's send log.
func (m *move) submit(ctx workflow.Context) error {
	view, err := do(pspSend(ctx, m.timing, "send the "+string(m.in.Operation)), gateway.SubmitMove, activities.MoveInput{OperationID: m.in.OperationID})
	if err != nil {
		return m.failed(ctx, err, "send "+string(m.in.Operation))
	}
	m.view = view
	// Accepted and not final yet: the watch takes over from here.
	m.look = len(view.Unfinished) > 0
	switch {
	case view.Done, view.Refused, m.look:
		m.pause = 0
	case view.Operator == payment.NobodyNeeded:
		// Decided not done: the next attempt follows, each later than the last.
		m.backOff(ctx, "try again", m.timing.LookMax)
	default:
		m.restFor(ctx, m.timing.OperatorRetry, "try again unless a person is faster")
	}
	return nil
}

// inquire looks until the provider is final, a person acts, or the look fails.
func (m *move) inquire(ctx workflow.Context) error {
	wctx, stop := workflow.WithCancel(ctx)
	defer stop()
	looking := begin(pspWatch(wctx, m.timing, "watch until the provider is final"), gateway.InquireMove, activities.MoveInput{OperationID: m.in.OperationID})
	if err := workflow.Await(ctx, func() bool { return looking.IsReady() || len(m.actions) > 0 }); err != nil || !looking.IsReady() {
		return err
	}
	var view payment.MoveView
	if err := looking.Get(ctx, &view); err != nil {
		return m.failed(ctx, err, "look-up")
	}
	m.view, m.pause = view, 0
	m.look = len(view.Unfinished) > 0
	return nil
}

// wait rests until the pause ends or a person acts.
func (m *move) wait(ctx workflow.Context) error {
	return workflow.Await(ctx, func() bool { return len(m.actions) > 0 || !m.resting() })
}

func (m *move) act1(ctx workflow.Context) error {
	_, refused := m.apply(ctx, m.in.PaymentID)
	if refused == nil {
		return m.reload(ctx)
	}
	return nil // its sender was told why
}

func (m *move) failed(ctx workflow.Context, err error, what string) error {
	err = m.settleFailure(ctx, err, what, func(why payment.OperatorReason) error {
		if m.view.Operator == why {
			return nil
		}
		_, err := doRow(ctx, "call a person", rows.CallOperator, activities.OperatorInput{PaymentID: m.in.PaymentID, Why: why})
		return err
	})
	if err != nil {
		return err
	}
	return m.reload(ctx)
}

func (m *move) reload(ctx workflow.Context) error {
	view, err := doRow(ctx, "read the rows", rows.LoadMove, activities.MoveInput{OperationID: m.in.OperationID})
	if err == nil {
		m.view = view
	}
	return err
}

func (m *move) finish(ctx workflow.Context) (flow.MoveResult, error) {
	m.endRest()
	err := m.lastWords(ctx, func() error { return m.act1(ctx) })
	m.progress(ctx)
	return flow.MoveResult{Done: m.view.Done}, err
}

func (m *move) progress(ctx workflow.Context) {
	v := m.view
	s := sign{status: "open", psp: v.Provider, operator: v.Operator}
	waits := "Asking the provider."
	switch {
	case v.Done:
		s.status, waits = "done", "Proven done at the provider and posted."
	case v.Refused:
		s.status, waits = "refused", "Decided not possible; a person was told."
	case m.resting():
		waits = "Waiting before the next try."
	case len(v.Unfinished) > 0:
		waits = "The provider has it or may have it; looked up before anything is sent again."
	}
	lines := []string{fmt.Sprintf("**%s of %s** for %s, payment `%s`, operation `%s`", m.in.Operation, v.Amount, m.in.Shop, m.in.PaymentID, m.in.OperationID), "", waits}
	if text := operatorText(v.Operator); text != "" {
		lines = append(lines, "", text)
	}
	if m.warned {
		lines = append(lines, "", cancelText)
	}
	m.show(ctx, s, append(lines, "", "Timeline: `tillflow payment show "+m.in.PaymentID+"`")...)
}
