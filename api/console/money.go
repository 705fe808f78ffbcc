package console

import (
	"strings"

	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// account is what one account of the ledger stands at for one payment.
type account struct {
	Name    string
	Meaning string
	Amount  money.Amount
}

// balances adds up a payment's postings, account by account, in the order in
// which they were first booked. Those that stand at zero say that all of it has
// moved on.
func balances(postings []payment.PostingLine) []account {
	var list []account
	for _, p := range postings {
		i := 0
		for i < len(list) && (list[i].Name != p.Account || list[i].Amount.Currency != p.Amount.Currency) {
			i++
		}
		if i == len(list) {
			list = append(list, account{Name: p.Account, Meaning: meaningOf(p.Account), Amount: p.Amount})
			continue
		}
		sum, err := list[i].Amount.Add(p.Amount)
		if err != nil { // beyond what the ledger itself can hold: shown line by line
			list = append(list, account{Name: p.Account, Meaning: meaningOf(p.Account), Amount: p.Amount})
			continue
		}
		list[i].Amount = sum
	}
	return list
}

// meaningOf says what a family of accounts holds, and which sign is usual.
func meaningOf(account string) string {
	_, rest, _ := strings.Cut(account, "/")
	family, _, _ := strings.Cut(rest, ":")
	switch family {
	case "provider":
		return "taken by the provider and not paid out yet"
	case "merchant":
		return "owed to the merchant (a credit is negative)"
	case "fees":
		return "kept by the provider"
	case "authorized":
		return "held at the provider, not taken"
	case "authorized-contra":
		return "the hold's counterpart"
	case "refunds":
		return "refunds on their way (a credit is negative)"
	case "disputes":
		return "withdrawn for disputes that are open"
	}
	return ""
}

// moveLine is one capture, void, refund, reversal or dispute.
type moveLine struct {
	payment.MoveSummary
	What   string
	State  string
	Answer string
	Alert  bool
}

func moveLines(moves []payment.MoveSummary) []moveLine {
	lines := make([]moveLine, 0, len(moves))
	for _, m := range moves {
		lines = append(lines, moveLine{
			MoveSummary: m, What: moveName(m), State: moveState(m), Answer: moveAnswer(m), Alert: m.Operator != payment.NobodyNeeded,
		})
	}
	return lines
}

// moveName is what happened to the money, in words.
func moveName(m payment.MoveSummary) string {
	switch m.Ref.Kind {
	case payment.OpCapture:
		return "Capture"
	case payment.OpVoid:
		return "Void"
	case payment.OpRefund:
		if m.Elsewhere {
			return "Refund made at the provider"
		}
		return "Refund"
	case payment.OpReversal:
		return "Money nobody wants, given back"
	case payment.OpDispute:
		return "Dispute"
	case payment.OpCharge:
	}
	return word(m.Ref.Kind)
}

// moveState says how a move stands.
func moveState(m payment.MoveSummary) string {
	dispute := m.Ref.Kind == payment.OpDispute
	switch {
	case dispute && m.Done:
		return "lost"
	case dispute && m.Refused:
		return "won, or withdrawn"
	case dispute:
		return "open"
	case m.Done:
		return "done"
	case m.Final == payment.Reject:
		return "refused: " + word(m.Refusal)
	case m.Refused && m.Elsewhere:
		return "failed, the money is back"
	case m.Refused:
		return "given up by the provider"
	case m.Final == payment.Resolve, m.Elsewhere:
		return "pending at the provider"
	case m.Claimed:
		return "the provider is asked"
	}
	return "accepted, nothing claimed yet"
}

func moveAnswer(m payment.MoveSummary) string {
	switch {
	case m.Elsewhere, m.Ref.Kind == payment.OpReversal:
		return "none is due"
	case m.Final == payment.Undecided:
		return "not decided"
	case m.TellRefused != "":
		return string(m.Final) + ", and the shop refused to hear it"
	case m.ToldAt.IsZero():
		return string(m.Final) + ", not told yet"
	}
	return string(m.Final) + ", told"
}

// moving reports whether a run of ours still works on a move.
func moving(m payment.MoveSummary) bool {
	if m.Elsewhere {
		return false
	}
	if m.Ref.Kind == payment.OpReversal {
		return !m.Done && !m.Refused
	}
	return m.ClosedAt.IsZero()
}
