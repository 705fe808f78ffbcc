package console

import (
	"strings"
	"time"

	"tillflow/internal/payment"
)

// storyLine is one line of the timeline in words, with what makes us know it.
type storyLine struct {
	At    time.Time
	Text  string
	Proof string
	Alert bool
}

// story tells the timeline.
func (p dossier) story() []storyLine {
	proofs := map[string]payment.EvidenceLine{}
	for _, e := range p.d.Evidence {
		proofs[e.ID] = e
	}
	tries := map[string]payment.AttemptDetails{}
	for _, a := range p.d.Attempts {
		tries[a.ID] = a
	}
	lines := make([]storyLine, 0, len(p.d.Timeline))
	for _, t := range p.d.Timeline {
		line := storyLine{At: t.At, Text: sentence(told(t, tries[t.AttemptID])), Alert: t.What == "operator" && t.After != ""}
		if e, found := proofs[t.EvidenceID]; found {
			line.Proof = proof(e)
		}
		lines = append(lines, line)
	}
	return lines
}

// stored is a line of the timeline as the record has it.
func stored(t payment.TimelineLine) string {
	parts := []string{t.What}
	if t.Before != "" || t.After != "" {
		parts = append(parts, orDash(t.Before)+" → "+orDash(t.After))
	}
	return strings.Join(append(parts, t.Detail), " ")
}

// told is a line of the timeline in words. A line that this page does not know
// is shown as it is stored: the record may be newer than the page.
func told(t payment.TimelineLine, try payment.AttemptDetails) string {
	switch t.What {
	case "accepted":
		return "the request was accepted: " + t.Detail
	case "chosen":
		return "the buyer's way to pay is " + t.After
	case "left":
		return "the buyer asked to go back to the shop"
	case "shut":
		return "no further try to pay is possible: " + word(t.After)
	case "begun":
		return "a " + nameOf(try) + " was written down, before anything is sent"
	case "attempt":
		return changed(t, try)
	case "refused":
		return "a try to pay was refused: " + word(t.Detail)
	case "state":
		return "the payment is " + word(t.After)
	case "booked":
		return "booked as " + word(t.After) + ": " + t.Detail
	case "final":
		return finally(t)
	case "told":
		return toldShop(t)
	case "told_refused":
		return "the shop refused to hear our answer, " + t.After + ": " + t.Detail
	case "operator":
		if t.After == "" {
			return "nobody is needed any more for: " + word(t.Before)
		}
		return "a person is needed: " + word(t.After)
	case "action":
		return "pressed by " + t.Detail + ": " + word(t.After)
	case "closed":
		return "the charge has nothing left to do"
	}
	return toldOfMoney(t)
}

// toldOfMoney is told for what happens to money that is here.
func toldOfMoney(t payment.TimelineLine) string {
	switch t.What {
	case "hold":
		return "nothing is held at the provider any more"
	case "elsewhere":
		return "the provider moved money without us: " + word(t.After) + " " + t.Detail
	case "answer":
		return "decided for the " + strings.TrimSpace(t.Detail) + ": " + t.After
	case string(payment.OpReversal):
		switch t.After {
		case "open":
			return "the money goes back, because nobody wants it: " + word(t.Detail)
		case "done":
			return "the money is back with the buyer"
		case "refused":
			return "the money did not go back: " + word(t.Detail)
		}
	case string(payment.OpCapture), string(payment.OpVoid), string(payment.OpRefund):
		switch t.After {
		case "asked":
			return "a " + t.What + " was asked for: " + t.Detail
		case "open":
			return "the " + t.What + " is possible, its amount is claimed: " + t.Detail
		case "done":
			return "the " + t.What + " is done: " + t.Detail
		case "refused":
			return "the " + t.What + " is not possible: " + word(t.Detail)
		}
	}
	return stored(t)
}

func nameOf(try payment.AttemptDetails) string {
	if try.ID == "" {
		return "request"
	}
	return string(try.Operation) + " at " + try.Provider
}

// changed says what a try has become.
func changed(t payment.TimelineLine, try payment.AttemptDetails) string {
	text := "the " + nameOf(try) + " "
	switch payment.AttemptState(t.After) {
	case payment.Allocated:
		text += "was certainly not sent"
	case payment.Sent:
		text += "is being sent"
	case payment.Doubtful:
		text += "has no answer: in doubt"
	case payment.Open:
		text += "is open: its page waits for the buyer"
	case payment.Working:
		text += "is being processed by the provider"
	case payment.Held:
		text += "succeeded: the money is held"
	case payment.Done:
		text += "succeeded"
	case payment.Declined:
		text += "was declined"
	case payment.Closed:
		text += "is closed: nothing can be paid there"
	case payment.NotDone:
		text += "was not done"
	default:
		return stored(t)
	}
	if t.Detail != "" {
		text += " (" + word(t.Detail) + ")"
	}
	return text
}

func finally(t payment.TimelineLine) string {
	switch payment.Final(t.After) {
	case payment.Resolve:
		return "decided: resolved, its money is here"
	case payment.Reject:
		if t.Detail != "" {
			return "decided: the payment is rejected, " + word(t.Detail)
		}
		return "decided: the payment is rejected"
	case payment.Undecided:
	}
	return stored(t)
}

func toldShop(t payment.TimelineLine) string {
	switch {
	case t.Detail == "by hand" || strings.HasSuffix(t.Detail, " by hand"):
		return "a person has told the shop"
	case t.After == "pending":
		return "the shop knows that the payment is pending"
	}
	return "the shop has confirmed our answer: " + t.After
}

// proof names what makes us know.
func proof(e payment.EvidenceLine) string {
	text := ""
	switch e.Kind {
	case payment.ByAnswer:
		text = "the provider's answer"
	case payment.ByLookup:
		text = "a look-up at the provider"
	case payment.ByWebhook:
		text = "a signed message of the provider"
	case payment.BySettlement:
		text = "a line of the settlement"
	case payment.ByPerson:
		text = "a person's word, action"
	case payment.ByAbsence:
		text = "the provider has no trace of it"
	default:
		text = string(e.Kind)
	}
	return strings.TrimSpace(text + " " + e.Ref)
}

func orDash(text string) string {
	if text == "" {
		return "–"
	}
	return text
}
