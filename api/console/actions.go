package console

import (
	"net/url"

	"tillflow/internal/payment"
)

// What may be pressed; the words of the command line.
const (
	verbResolve = "resolve"
	verbRetry   = "retry"
	verbExpire  = "expire"
	verbNote    = "note"
)

// action is something that may be pressed on a payment.
type action struct {
	Verb    string
	Choice  payment.Decision
	Label   string
	Effect  string
	Address string
	// Suggested: it is a step of what the page advises.
	Suggested bool
}

// attempts reports whether the action is about one try at a provider.
func (a action) attempts() bool {
	return a.Choice == payment.DecidePaid || a.Choice == payment.DecideNotPaid
}

// actions lists what fits the payment as it stands. The record has the last
// word: what it refuses moves nothing.
func (p dossier) actions() []action {
	d := p.d
	running := d.ClosedAt.IsZero()
	var list []action
	add := func(fits bool, a action) {
		if fits {
			a.Address = address(d.Run.PaymentID) + "/act?" + url.Values{"do": {a.Verb}, "choice": {string(a.Choice)}}.Encode()
			list = append(list, a)
		}
	}
	needed := d.Operator != payment.NobodyNeeded || p.anyNeeded()
	unsure := p.uncertain() && (needed || p.inDoubt())
	add(unsure || d.Operator == payment.WrongAmount || d.Operator == payment.ReversalStuck, p.itHappened())
	add(unsure, action{
		Verb: verbResolve, Choice: payment.DecideNotPaid, Label: "It did not happen",
		Effect: "You have seen in the provider's dashboard that nothing happened and nothing can any more. It is recorded with you as the evidence. Refused while the provider's page is open: end the payment first.",
	})
	add(needed && d.ToldAt.IsZero() && p.moneyHere(), action{
		Verb: verbResolve, Choice: payment.DecideGiveBack, Label: "Give the money back",
		Effect: "The money goes back to the buyer: a hold is voided, what was taken is refunded. This is not undone.",
	})
	add(p.settles(), action{
		Verb: verbResolve, Choice: payment.DecideKeep, Label: "Settled by hand",
		Effect: "The money stays as it is, and you have settled the matter with the shop or the buyer by hand. The shop counts as told by you.",
	})
	add(running || p.anyMoving(), action{
		Verb: verbRetry, Label: "Try again now",
		Effect: "Every pause ends: what failed is tried at once. It looks before it sends, so it is always safe.",
	})
	add(running && d.Final == payment.Undecided, action{
		Verb: verbExpire, Label: "End this payment",
		Effect: "The provider's page is shut first. Then the shop gets its answer: rejected if nothing was paid, resolved if something was.",
	})
	add(true, action{Verb: verbNote, Label: "Write a note", Effect: "The note stands in the payment's story, with your name."})
	return list
}

// itHappened is a person's word that money moved, in the words of the case.
func (p dossier) itHappened() action {
	a := action{
		Verb: verbResolve, Choice: payment.DecidePaid, Label: "It happened",
		Effect: "You have seen in the provider's dashboard that the money moved as asked. It is recorded with you as the evidence, and the story goes on as after a success.",
	}
	switch p.d.Operator {
	case payment.WrongAmount:
		a.Label = "Accept the amount"
		a.Effect = "The other amount is accepted as it is: the payment counts as paid with it, and the shop is told so."
	case payment.ReversalStuck:
		a.Label = "The money is back"
		a.Effect = "You have given the money back in the provider's dashboard, or seen there that it went back. It is recorded with you as the evidence."
	case payment.NobodyNeeded, payment.InDoubt, payment.AccountBlocked, payment.ResolveRefused, payment.RejectRefused, payment.TellOverdue,
		payment.RoutingFault, payment.RefundFailed, payment.RefundElsewhere, payment.Disputed, payment.DisputeLost, payment.Overdrawn:
	}
	return a
}

// suggested marks the actions that are steps of what the page advises.
func suggested(list []action, why []situation) []action {
	for i, a := range list {
		for _, s := range why {
			for _, step := range s.Steps {
				if step.Verb == a.Verb && step.Choice == a.Choice {
					list[i].Suggested = true
				}
			}
		}
	}
	return list
}

func (p dossier) anyNeeded() bool {
	for _, m := range p.moves {
		if m.Operator != payment.NobodyNeeded {
			return true
		}
	}
	return false
}

// unfinished lists our tries of which more is expected.
func (p dossier) unfinished() []payment.AttemptDetails {
	var list []payment.AttemptDetails
	for _, a := range p.d.Attempts {
		if !a.State.Decided() && !a.Elsewhere {
			list = append(list, a)
		}
	}
	return list
}

// uncertain reports a try of ours that may have moved money without our knowing;
// one that was certainly not carried out leaves nothing to decide.
func (p dossier) uncertain() bool {
	for _, a := range p.unfinished() {
		if a.State != payment.Allocated {
			return true
		}
	}
	return false
}

func (p dossier) moneyHere() bool {
	for _, purse := range p.desk.Purses {
		if purse.Left.IsPositive() || purse.Rest.IsPositive() {
			return true
		}
	}
	return false
}

func (p dossier) anyMoving() bool {
	for _, m := range p.moves {
		if moving(m) {
			return true
		}
	}
	return false
}

// settles reports whether a person's word can end what a person is needed for.
func (p dossier) settles() bool {
	for _, m := range p.moves {
		if m.TellRefused != "" && m.ToldAt.IsZero() {
			return true
		}
	}
	switch p.d.Operator {
	case payment.WrongAmount, payment.ResolveRefused, payment.RejectRefused, payment.RefundFailed, payment.RefundElsewhere,
		payment.Disputed, payment.DisputeLost, payment.Overdrawn:
		return true
	case payment.NobodyNeeded, payment.InDoubt, payment.AccountBlocked, payment.TellOverdue, payment.ReversalStuck, payment.RoutingFault:
	}
	return false
}
