package notify

import (
	"strings"

	"tillflow/internal/payment"
)

// Explanation is what a mail would say about a reason, for pages that show it.
type Explanation struct {
	Title    string
	Happened string
	Money    string
	Steps    []ExplainedStep
}

// ExplainedStep is one thing to do. Verb is the command of `tillflow payment`
// that does it ("resolve", "retry", "note") and Choice what resolve is given;
// without a verb it is done elsewhere.
type ExplainedStep struct {
	Text   string
	Verb   string
	Choice payment.Decision
}

// Explain gives the text of a reason, as mails have it: of the payment's charge,
// or of a capture, void or refund of it when move names one. The step that only
// opens the payment is left out: whoever reads this has it open. known is false
// for a reason that has no text.
func Explain(reason payment.OperatorReason, move payment.Operation) (e Explanation, known bool) {
	const some = "payment" // commands are made for a payment; which one does not show
	a, known := adviceFor(payment.Notice{Reason: reason, Move: move, PaymentID: some})
	if !known {
		return Explanation{}, false
	}
	e = Explanation{Title: a.Title, Happened: a.Happened, Money: a.Money}
	show := commands{some}.show()
	for _, s := range a.Steps {
		if s.Command == show {
			continue
		}
		e.Steps = append(e.Steps, s.explained())
	}
	return e, true
}

// explained reads a step's command back into its parts.
func (s step) explained() ExplainedStep {
	out := ExplainedStep{Text: s.Text}
	words := strings.Fields(s.Command) // tillflow payment resolve -choice paid …
	if len(words) < 3 {
		return out
	}
	out.Verb = words[2]
	for i, w := range words[:len(words)-1] {
		if w == "-choice" {
			out.Choice = payment.Decision(words[i+1])
		}
	}
	return out
}
