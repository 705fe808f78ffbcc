package workflows

import (
	"go.temporal.io/sdk/workflow"

	"tillflow/internal/flow"
	"tillflow/internal/payment"
)

// progress shows what happened, what is awaited, and what may be pressed.
func (m *move) progress(ctx workflow.Context) {
	v := m.view
	s := sign{status: string(m.status()), psp: v.Provider, operator: v.Operator}
	if m.telling() && m.soonTold(v.Operator) {
		s = m.shown
	}
	lines := []string{
		"**" + flow.MoveSummary(payment.MoveRef{Kind: m.in.Operation, Amount: m.in.Amount, Provider: v.Provider}) + "** for " + m.in.Shop +
			", payment " + named(v.PaymentID) + ", operation " + named(m.in.OperationID),
		"", m.waitsFor(),
	}
	if text := moveText(v); text != "" {
		lines = append(lines, "", text)
	}
	if m.warned {
		lines = append(lines, "", cancelText)
	}
	if v.PaymentID != "" {
		lines = append(lines, "", "May be pressed through the console or `tillflow payment`: `retry-now`, `add-note`"+resolvable(v.Operator)+".",
			"Timeline: `tillflow payment show "+v.PaymentID+"`")
	}
	m.show(ctx, s, lines...)
}

func named(id string) string {
	if id == "" {
		return "unknown"
	}
	return "`" + id + "`"
}

// moveStatus is how a move stands, in searches.
type moveStatus string

const (
	moveWaits   moveStatus = "waits" // for the payment's own money
	moveOpen    moveStatus = "open"
	moveTold    moveStatus = "told" // the provider works on what the shop knows
	moveDone    moveStatus = "done"
	moveRefused moveStatus = "refused"
)

func (m *move) status() moveStatus {
	v := m.view
	switch {
	case v.Done:
		return moveDone
	case m.settled():
		return moveRefused
	case v.Told:
		return moveTold
	case v.Waits:
		return moveWaits
	}
	return moveOpen
}

// telling: the answer is decided and the shop does not know it.
func (m *move) telling() bool {
	return m.view.Final != payment.Undecided && !m.view.Told && !m.view.TellRefused
}

// waitsFor is one sentence: what the run waits for.
func (m *move) waitsFor() string {
	v := m.view
	switch {
	case v.TellRefused && !v.Told:
		return "Decided: " + string(v.Final) + ". The shop refused the answer; waiting for a person."
	case m.telling():
		return "Decided: " + string(v.Final) + ". The shop is being told."
	case v.Done:
		return "Proven done at the provider and posted."
	case m.settled() && v.Final == payment.Resolve:
		return "The provider gave it up after it had accepted it; booked back, and a person was told."
	case m.settled():
		return "Decided not possible: " + string(v.Refusal) + "."
	case v.Waits:
		return "The payment's own money is not decided, or another move on it is under way; nothing is sent before that is known."
	case accepted(v):
		return "The provider has accepted it and works on it; we look again by ourselves and on its message."
	case m.resting():
		return "Waiting before the next try."
	case len(v.Unfinished) > 0:
		return "The provider may have it; looked up before anything is sent again."
	}
	return "Asking the provider."
}

// moveText says what a person should know. Of a move, a refused answer or a wrong
// amount means something else for the money than of a charge.
func moveText(v payment.MoveView) string {
	switch v.Operator {
	case payment.ResolveRefused:
		return "**A person is needed: the shop refused our answer although the " + string(v.Kind) + " was done.** The money has moved and stays as it is. " +
			"Settle the order with the shop by hand; `retry-now` tells it once more."
	case payment.RejectRefused:
		return "**A person is needed: the shop refused our answer that the " + string(v.Kind) + " was not done.** No money has moved. " +
			"Ask the shop what it shows for this order; `retry-now` tells it once more."
	case payment.WrongAmount:
		return "**A person is needed: the provider did something else than this " + string(v.Kind) + " asks for.** " +
			"The books show what really moved. Compare with the provider's dashboard and put it right there; `add-note` says how."
	case payment.NobodyNeeded, payment.InDoubt, payment.AccountBlocked, payment.TellOverdue, payment.ReversalStuck,
		payment.RoutingFault, payment.RefundFailed, payment.RefundElsewhere, payment.Disputed, payment.DisputeLost, payment.Overdrawn:
	}
	return operatorText(v.Operator)
}
