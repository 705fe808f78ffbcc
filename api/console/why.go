package console

import (
	"time"

	"tillflow/internal/notify"
	"tillflow/internal/payment"
)

// situation is why a payment stands where it stands and what comes next.
type situation struct {
	Alert    bool // a person is needed
	Title    string
	Since    time.Time
	Happened string
	Money    string // what it means for the money
	Steps    []notify.ExplainedStep
	Tell     string // whom to tell
	Refused  string // what the shop said when it refused our answer
}

// situations explains first what a person is needed for, each reason once, then
// what goes on by itself.
func (p dossier) situations() []situation {
	var list []situation
	seen := map[payment.OperatorReason]bool{}
	for _, m := range p.moves {
		if m.Operator == payment.NobodyNeeded || seen[m.Operator] {
			continue
		}
		seen[m.Operator] = true
		list = append(list, p.needed(m.Operator, asked(m)))
		list[len(list)-1].Refused = m.TellRefused
	}
	if why := p.d.Operator; why != payment.NobodyNeeded && !seen[why] {
		s := p.needed(why, "")
		s.Refused = p.d.TellRefused
		list = append([]situation{s}, list...)
	}
	if len(list) > 0 {
		return list
	}
	return []situation{p.going()}
}

// asked is the kind of a move that somebody asked for; reversals and what moved
// elsewhere are explained as the payment's own.
func asked(m payment.MoveSummary) payment.Operation {
	switch m.Ref.Kind {
	case payment.OpCapture, payment.OpVoid, payment.OpRefund:
		if !m.Elsewhere {
			return m.Ref.Kind
		}
	case payment.OpCharge, payment.OpReversal, payment.OpDispute:
	}
	return ""
}

func (p dossier) needed(why payment.OperatorReason, move payment.Operation) situation {
	s := situation{Alert: true, Title: sentence("a person is needed: " + word(why)), Tell: whom(why)}
	if p.d.Operator == why {
		s.Since = p.d.OperatorSince
	}
	if e, known := notify.Explain(why, move); known {
		s.Title, s.Happened, s.Money, s.Steps = e.Title, e.Happened, e.Money, e.Steps
	}
	return s
}

// whom says who should hear of a reason.
func whom(why payment.OperatorReason) string {
	switch why {
	case payment.InDoubt:
		return "the provider's support, with the references of the attempts below"
	case payment.AccountBlocked:
		return "whoever keeps the merchant's account"
	case payment.WrongAmount:
		return "the merchant and finance"
	case payment.ResolveRefused, payment.RejectRefused:
		return "the merchant"
	case payment.TellOverdue:
		return "whoever runs the app at Shopify"
	case payment.ReversalStuck:
		return "the merchant, and the provider's support"
	case payment.RoutingFault:
		return "the developers, with the code in the timeline"
	case payment.RefundFailed:
		return "the merchant, who still owes the buyer the money"
	case payment.RefundElsewhere, payment.DisputeLost, payment.Overdrawn:
		return "the merchant and finance"
	case payment.Disputed:
		return "the merchant, who must answer the dispute"
	case payment.NobodyNeeded:
	}
	return ""
}

// going says what happens by itself.
func (p dossier) going() situation {
	d := p.d
	switch {
	case p.inDoubt():
		return situation{
			Title: "Finding out", Happened: "A request went to the provider and its answer has not come. It is looked up, again and again after growing pauses." + p.silence(),
			Money: "Money may have moved. Nothing is sent again before we know.",
		}
	case p.heldBack():
		return p.paused()
	case d.Final == payment.Undecided:
		return p.undecided()
	case d.ToldAt.IsZero() && d.TellRefused == "":
		return situation{Title: "Telling the shop", Happened: "The answer is decided and does not change. The shop is told again and again until it confirms.", Money: p.standing()}
	}
	for _, m := range p.moves {
		if moving(m) {
			return situation{Title: moveName(m) + " under way", Happened: sentence("it is " + moveState(m)), Money: p.standing()}
		}
	}
	for _, m := range p.moves {
		if m.Elsewhere && !m.Done && !m.Refused {
			return situation{Title: moveName(m) + " open at the provider", Happened: "The provider's messages will say how it ends.", Money: p.standing()}
		}
	}
	if d.State == payment.Authorized {
		return situation{Title: "Waiting for the merchant", Happened: "The shop knows that the money is held. The merchant captures or voids it.", Money: p.standing()}
	}
	return situation{Title: "Nothing is left to do", Happened: "The payment has its answer, and the shop has it too.", Money: p.standing()}
}

// undecided is the story of a payment that waits for its answer.
func (p dossier) undecided() situation {
	switch p.d.State {
	case payment.Created:
		if len(p.d.Attempts) == 0 {
			return situation{Title: "Waiting for the buyer", Happened: "The buyer has the link and has not come to the provider's page yet.", Money: "Nothing was taken."}
		}
		return situation{Title: "Waiting for the buyer", Happened: "The provider's page is being opened, or the buyer may choose again.", Money: "Nothing was taken."}
	case payment.AwaitingBuyer:
		return situation{Title: "Waiting for the buyer", Happened: "The provider's page was opened and the buyer has not paid there yet.", Money: "Nothing was taken."}
	case payment.Processing:
		return situation{
			Title: "The provider is working on it", Happened: "The provider says that it processes the buyer's money. Its message, or our look-up every half hour, ends the wait.",
			Money: "On its way; neither taken nor refused yet.",
		}
	case payment.Authorized, payment.Captured, payment.PartiallyRefunded, payment.Refunded, payment.Rejected, payment.Voided,
		payment.Expired, payment.Reversed:
	}
	return situation{Title: "Being decided", Happened: "Money is here, and the payment's answer is decided in the next step.", Money: p.standing()}
}

// inDoubt reports an attempt whose answer is missing.
func (p dossier) inDoubt() bool {
	for _, a := range p.d.Attempts {
		if a.State == payment.Doubtful || a.State == payment.Sent {
			return true
		}
	}
	return false
}

// standing says where the money is, in a sentence.
func (p dossier) standing() string {
	switch p.d.State {
	case payment.Created, payment.AwaitingBuyer, payment.Rejected:
		return "Nothing was taken."
	case payment.Processing:
		return "The provider is working on it."
	case payment.Authorized:
		return "Held at the provider, not taken."
	case payment.Captured:
		return "Taken. It is with the merchant."
	case payment.PartiallyRefunded:
		return "Taken, and a part of it has gone back to the buyer."
	case payment.Refunded:
		return "All of it has gone back to the buyer."
	case payment.Voided:
		return "The hold was given back; nothing was taken."
	case payment.Expired:
		return "The hold has lapsed; nothing was taken."
	case payment.Reversed:
		return "Nobody wanted it any more; it was given back to the buyer."
	}
	return ""
}
