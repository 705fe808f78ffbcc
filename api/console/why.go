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
	s := situation{Alert: true, Title: sentence("a person is needed: " + word(why)), Tell: sentence(whom(why))}
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
