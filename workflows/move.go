package workflows

import (
	"cmp"
	"context"

	"go.temporal.io/sdk/workflow"

	"tillflow/activities"
	"tillflow/internal/flow"
	"tillflow/internal/payment"
)

// Capture takes money that a payment holds, the whole or a part of it.
func Capture(ctx workflow.Context, in flow.MoveInput) (flow.MoveResult, error) {
	return runMove(ctx, in)
}

// Void gives back what a payment still holds.
func Void(ctx workflow.Context, in flow.MoveInput) (flow.MoveResult, error) {
	return runMove(ctx, in)
}

// Refund gives back money that a payment took, the whole or a part of it.
func Refund(ctx workflow.Context, in flow.MoveInput) (flow.MoveResult, error) {
	return runMove(ctx, in)
}

// Reversal gives back money that nobody wants any more: a second success, a
// success after the answer was given, a resolve that the shop refused. What is
// only held is voided, what is taken is refunded. Nobody waits for its answer.
func Reversal(ctx workflow.Context, in flow.MoveInput) (flow.MoveResult, error) {
	return runMove(ctx, in)
}

// runMove takes one request about existing money to its proven end:
// claim ▸ settle ▸ post, in the transaction that records the finding ▸ tell the
// shop, as soon as the provider has accepted it ▸ watch on until it is final.
func runMove(ctx workflow.Context, in flow.MoveInput) (flow.MoveResult, error) {
	m := &move{desk: desk{timing: in.Timing, shown: sign{status: "open"}}, in: in}
	// Cancel in Temporal does not stop money on its way: the story runs on its own context.
	own, _ := workflow.NewDisconnectedContext(ctx)
	if err := m.listen(own); err != nil {
		return flow.MoveResult{}, err
	}
	m.noticeCancel(ctx, own, m.progress)
	return m.run(own)
}

// move is the state of one run; what is true stands in view, read from the rows.
type move struct {
	desk
	in    flow.MoveInput
	view  payment.MoveView
	woken []string // attempts that a message of the provider is about, in order of arrival
	again bool     // the shop refused our answer, and a person acted: tell it once more
}

// run repeats the first rule that fits until nothing is left to do. As in a
// charge, each step is one effect and leaves a fresh view.
func (m *move) run(ctx workflow.Context) (flow.MoveResult, error) {
	if err := m.resume(ctx); err != nil {
		return flow.MoveResult{}, err
	}
	for !m.over() {
		if m.tooLong(ctx) {
			m.endRest()
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
	v := m.view
	decided, free := v.Final != payment.Undecided, !m.resting()
	switch {
	case len(m.actions) > 0:
		return m.act1(ctx)
	case decided && !v.Told && (!v.TellRefused || m.again) && free:
		return m.tell(ctx)
	case len(m.woken) > 0:
		return m.settle(ctx)
	case !free, m.settled():
		return m.wait(ctx)
	case !decided && v.Waits:
		return m.watch(ctx, dbWatch, "wait until the payment's own money is decided", rows.AwaitClaim)
	case !decided && v.Session && !v.Claimed:
		return m.claim(ctx)
	case accepted(v):
		return m.watch(ctx, pspWatch, "watch until the provider is final", gateway.InquireMove)
	}
	return m.submit(ctx)
}

// over: nothing is left to do. Of a session the record says so.
func (m *move) over() bool { return m.view.Closed || !m.view.Session && m.settled() }

// settled: no money of this move will move any more.
func (m *move) settled() bool {
	return m.view.Done || m.view.Refused || m.view.Final == payment.Reject
}

// accepted: the provider has the request and works on it.
func accepted(v payment.MoveView) bool {
	return len(v.Unfinished) > 0 && v.Unfinished[0].State == payment.Working
}

// resume reads the rows. Of a session that is the claim, which is made once; a
// reversal was claimed by the transaction that found the money.
func (m *move) resume(ctx workflow.Context) error {
	if m.in.Operation == payment.OpReversal {
		return m.reload(ctx)
	}
	return m.claim(ctx)
}

// claim claims the amount, or decides that it is not possible. Nothing is
// claimed while the payment's own money is not decided: evidence first.
func (m *move) claim(ctx workflow.Context) error {
	view, err := doRow(ctx, "claim the amount", rows.ClaimMove, m.id())
	if err != nil {
		return err
	}
	m.took(view)
	if !view.Claimed && !view.Waits && view.Final == payment.Undecided {
		m.backOff(ctx, "claim again", m.timing.LookMax) // the record says neither: never in a loop
	}
	return nil
}

// submit sends the move, or, when it was begun before, looks first; see the
// activity's send log.
func (m *move) submit(ctx workflow.Context) error {
	what := "send the " + string(m.in.Operation)
	view, err := do(pspSend(ctx, m.timing, what), gateway.SubmitMove, m.id())
	if err != nil {
		return m.failed(ctx, err, what)
	}
	if view.Done || view.Refused || len(view.Unfinished) > 0 {
		m.took(view)
		return nil
	}
	if m.view = view; view.Operator != payment.NobodyNeeded {
		m.restFor(ctx, m.timing.OperatorRetry, "try again unless a person is faster")
		return nil
	}
	// Decided not done: the next attempt follows, each later than the last.
	m.backOff(ctx, "try again", m.timing.LookMax)
	return nil
}

// tell brings the decided answer to the shop, for as long as it takes. What the
// provider says meanwhile does not change it.
func (m *move) tell(ctx workflow.Context) error {
	m.again = false
	pauses, within := m.patience(0)
	tctx, stop := workflow.WithCancel(ctx)
	defer stop()
	telling := begin(shopify(tctx, within, "tell the shop: "+string(m.view.Final)), shop.TellMove, activities.TellMoveInput{OperationID: m.in.OperationID, Schedule: pauses})
	if answered, err := m.heard(tctx, telling, func() bool { return false }, m.progress); !answered {
		return err
	}
	var view payment.MoveView
	if err := telling.Get(ctx, &view); err != nil {
		return m.notTold(ctx, err, func(why payment.OperatorReason) error { return m.callOperator(ctx, why) })
	}
	m.took(view)
	m.overdue = false
	return nil
}

// policy is a policy of call.go that a move's watch runs under.
type policy func(ctx workflow.Context, t flow.Timing, summary string) workflow.Context

// watch waits in the retries of an activity for what others decide. A person or
// a message of the provider interrupts it, and it begins anew.
func (m *move) watch(ctx workflow.Context, under policy, what string, call func(context.Context, activities.MoveInput) (payment.MoveView, error)) error {
	wctx, stop := workflow.WithCancel(ctx)
	defer stop()
	watching := begin(under(wctx, m.timing, what), call, m.id())
	if err := workflow.Await(ctx, func() bool { return watching.IsReady() || m.called() }); err != nil || !watching.IsReady() {
		return err
	}
	var view payment.MoveView
	if err := watching.Get(ctx, &view); err != nil {
		return m.failed(ctx, err, what)
	}
	m.took(view)
	return nil
}

// settle takes up what a message of the provider is about. The record mostly
// knows it already; else the provider is asked.
func (m *move) settle(ctx workflow.Context) error {
	in := activities.AttemptInput{AttemptID: m.woken[0]}
	m.woken = m.woken[1:]
	if _, err := do(pspSend(ctx, m.timing, "look up at the provider"), gateway.SettleAttempt, in); err != nil {
		return nil //nolint:nilerr // the watch goes on looking, and the sweep dispatches the message again
	}
	return m.reload(ctx)
}

func (m *move) act1(ctx workflow.Context) error {
	if _, refused := m.apply(ctx, cmp.Or(m.view.PaymentID, m.in.PaymentID)); refused != nil {
		return nil //nolint:nilerr // its sender was told why
	}
	m.again = m.view.TellRefused
	return m.reload(ctx)
}

// failed takes the rows up again after a failed call. Unless it is decided all
// the same, it pauses as the failure asks.
func (m *move) failed(ctx workflow.Context, err error, what string) error {
	before := m.view.Final
	if err := m.reload(ctx); err != nil || m.settled() || m.view.Final != before {
		return err
	}
	return m.settleFailure(ctx, err, what, func(why payment.OperatorReason) error { return m.callOperator(ctx, why) })
}

func (m *move) callOperator(ctx workflow.Context, why payment.OperatorReason) error {
	if m.view.Operator == why {
		return nil
	}
	view, err := doRow(ctx, "call a person", rows.CallOperatorMove, activities.OperatorMoveInput{OperationID: m.in.OperationID, Why: why})
	if err == nil {
		m.view = view
	}
	return err
}

func (m *move) reload(ctx workflow.Context) error {
	view, err := doRow(ctx, "read the rows", rows.LoadMove, m.id())
	if err == nil {
		m.took(view)
	}
	return err
}

// took takes a fresh view. Where something new is known, nothing waits for a
// pause that was about what was known before.
func (m *move) took(view payment.MoveView) {
	was := m.view
	if view.Final != was.Final || accepted(view) != accepted(was) || len(view.Unfinished) < len(was.Unfinished) {
		m.pause = 0
		m.endRest()
	}
	m.view = view
}

func (m *move) finish(ctx workflow.Context) (flow.MoveResult, error) {
	m.endRest()
	err := m.lastWords(ctx, func() error { return m.act1(ctx) })
	m.progress(ctx)
	return flow.MoveResult{Done: m.view.Done, Final: m.view.Final, Refusal: m.view.Refusal}, err
}

func (m *move) id() activities.MoveInput { return activities.MoveInput{OperationID: m.in.OperationID} }
