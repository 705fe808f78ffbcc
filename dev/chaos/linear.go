package chaos

import (
	"time"

	"github.com/anishathalye/porcupine"

	"tillflow/standin/shopify"
)

// asked is what the shop wanted of one payment; the answer is yes or no.
type asked struct {
	kind  shopify.SessionType
	hold  bool // a charge that only holds
	minor int64
}

// purse is one payment at a provider that captures a hold once and lets go of the rest. It is the whole truth about
// which answers fit together.
type purse struct{ held, taken int64 }

// allows says whether the purse can do what is asked, and what is then in it.
func (p purse) allows(a asked) (purse, bool) {
	switch a.kind {
	case shopify.PaymentSession:
		if a.hold {
			return purse{held: a.minor}, true
		}
		return purse{taken: a.minor}, true
	case shopify.CaptureSession:
		return purse{taken: p.taken + a.minor}, a.minor > 0 && a.minor <= p.held
	case shopify.VoidSession:
		return purse{taken: p.taken}, p.held > 0
	case shopify.RefundSession:
		return purse{held: p.held, taken: p.taken - a.minor}, a.minor > 0 && a.minor <= p.taken
	}
	return p, false
}

// model: a yes needs a purse that allows it, a no one that does not. A charge may be refused for reasons of its own.
func model() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return purse{} },
		Step: func(state, input, output any) (bool, any) {
			before, want := state.(purse), input.(asked)
			after, can := before.allows(want)
			switch yes := output.(bool); {
			case yes:
				return can, after
			case want.kind == shopify.PaymentSession:
				return true, before
			default:
				return !can, before
			}
		},
	}
}

// linear judges that the answers about one payment fit together: there is an order of its charge, captures, voids and
// refunds, each between its request and the shop's hearing of the answer, in which every yes was possible and every no
// was necessary. Money that moves without the service, and what the provider itself refuses or takes back, is told
// late and bound to no such order: those payments are judged by their sums alone.
func (j *judge) linear() {
	for _, session := range j.sessions {
		row, known := j.row(session.ID)
		if session.Type != shopify.PaymentSession || session.Final == nil || !known || j.story.meddled() {
			continue
		}
		history, whole := j.history(session, row)
		if whole && !porcupine.CheckOperations(model(), history) {
			j.find(notLinear, "session %s: no order explains its answers: %v", session.ID, describe(history))
		}
	}
}

// history lists what was asked of a payment. whole is false when an answer is missing or is not ours alone.
func (j *judge) history(charge shopify.Session, row paymentRow) (ops []porcupine.Operation, whole bool) {
	add := func(session shopify.Session, what asked) {
		ops = append(ops, porcupine.Operation{
			ClientId: len(ops), Input: what, Call: j.sent[session.ID].UnixNano(), Output: session.State == shopify.StateResolved,
			Return: session.Final.At.UnixNano(),
		})
	}
	add(charge, asked{kind: charge.Type, hold: charge.Kind == shopify.KindAuthorization, minor: row.Minor})
	for _, session := range j.sessions {
		request, known := j.request(session.ID)
		if session.PaymentID != charge.ID || session.Posts.Accepted == 0 {
			continue
		}
		if !known || session.Final == nil || request.Reason == "provider_refused" || request.Reason == "cancelled" || j.failed(request) {
			return nil, false
		}
		add(session, asked{kind: session.Type, minor: request.Minor})
	}
	return ops, true
}

// describe is a history for readers.
func describe(ops []porcupine.Operation) []string {
	var lines []string
	for _, op := range ops {
		want, yes := op.Input.(asked), "no"
		if op.Output.(bool) {
			yes = "yes"
		}
		span := func(at int64) string { return time.Unix(0, at).UTC().Format("15:04:05.000") }
		lines = append(lines, string(want.kind)+" "+Sale{Minor: want.minor}.amount()+": "+yes+" ["+span(op.Call)+" "+span(op.Return)+"]")
	}
	return lines
}
