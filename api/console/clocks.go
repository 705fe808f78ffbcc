package console

import (
	"slices"
	"time"

	"tillflow/internal/payment"
)

// clock is something that is waited for.
type clock struct {
	What  string
	Until time.Time // zero: there is no last moment
	Away  string
	Past  bool   // it is over, and still waited for
	Then  string // what happens then
}

// clocks lists what is waited for, and until when.
func (p dossier) clocks() []clock {
	var list []clock
	add := func(what string, until time.Time, then string) {
		c := clock{What: what, Until: until, Then: then}
		if !until.IsZero() {
			c.Away, c.Past = away(until, p.now), until.Before(p.now)
		}
		list = append(list, c)
	}
	d := p.d
	switch {
	case d.Final == payment.Undecided && p.desk.DecideAt.Before(p.now):
		add("Our decision", p.desk.DecideAt, "Without proof there is none. It is made as soon as there is some, or by a person's word.")
		add("The shop must have its answer", d.DeadlineAt, "Shopify may have given up on the session after this; our answer is sent all the same.")
	case d.Final == payment.Undecided:
		add("Our decision", p.desk.DecideAt, "What is paid is resolved, what is not is rejected, and what is in doubt stays open with a person.")
		add("The shop must have its answer", d.DeadlineAt, "Shopify gives up on the session after this.")
	case d.ToldAt.IsZero() && d.TellRefused == "" && d.ClosedAt.IsZero():
		add("The shop confirms our answer", d.DeadlineAt, "We repeat it after seconds first and every four hours in the end; past this moment a person is called.")
	}
	if !p.desk.GiveBackAt.IsZero() {
		add("Somebody decides", p.desk.GiveBackAt, "Otherwise the money goes back to the buyer by itself.")
	}
	p.clocksOfPeople(add)
	p.clocksOfAttempts(add)
	p.clocksOfMoves(add)
	for _, purse := range p.desk.Purses {
		if !purse.HoldUntil.IsZero() {
			add("The merchant captures the hold", purse.HoldUntil, "After this the provider lets the money go.")
		}
	}
	if d.WatchUntil.After(p.now) && p.endedUnpaid() {
		add("A late payment might still appear", d.WatchUntil, "It would be given back."+p.nextLook())
	}
	return list
}

// clocksOfPeople say what becomes of that for which a person is needed, if nobody comes.
func (p dossier) clocksOfPeople(add func(string, time.Time, string)) {
	for _, why := range p.reasons() {
		switch why {
		case payment.AccountBlocked, payment.RoutingFault:
			add("What is refused is mended", time.Time{}, "It is tried again by itself at least every half hour, and at once when somebody presses.")
		case payment.WrongAmount:
			add("Somebody decides about the amount", time.Time{}, "There is no last moment. The shop hears nothing before.")
		case payment.ReversalStuck:
			add("The money goes back", time.Time{}, "There is no last moment: a new try succeeds, or somebody says that it is back.")
		case payment.RejectRefused, payment.RefundFailed, payment.RefundElsewhere, payment.DisputeLost, payment.Overdrawn:
			add("Somebody settles it", time.Time{}, "There is no last moment. Nothing moves by itself.")
		case payment.Disputed:
			add("Somebody answers the dispute", time.Time{}, "The bank's last moment stands in the provider's dashboard.")
		case payment.InDoubt:
			if !p.inDoubt() { // else the try itself says so
				add("Proof of what the provider did", time.Time{}, "We look it up at least every half hour. Nothing is sent again before.")
			}
		case payment.NobodyNeeded, payment.ResolveRefused, payment.TellOverdue:
		}
	}
}

// reasons lists for what a person is needed, each once.
func (p dossier) reasons() []payment.OperatorReason {
	list := []payment.OperatorReason{p.d.Operator}
	for _, m := range p.moves {
		if !slices.Contains(list, m.Operator) {
			list = append(list, m.Operator)
		}
	}
	return list
}

func (p dossier) clocksOfMoves(add func(string, time.Time, string)) {
	for _, m := range p.moves {
		switch {
		case m.Elsewhere && !m.Done && !m.Refused:
			add(moveName(m)+": how it ends", time.Time{}, "The provider's message says so; nothing is done here meanwhile.")
		case !moving(m):
		case m.Final == payment.Undecided:
			add(moveName(m)+": the provider's word", time.Time{}, "What follows comes from evidence, never from time.")
		case m.ToldAt.IsZero() && m.TellRefused == "":
			add(moveName(m)+": the shop confirms our answer", time.Time{}, "We repeat it until then.")
		}
	}
}

func (p dossier) clocksOfAttempts(add func(string, time.Time, string)) {
	for _, a := range p.d.Attempts {
		if a.Elsewhere {
			continue
		}
		switch a.State {
		case payment.Open:
			add("The buyer pays on the page of "+a.Provider, a.ExpiresAt, "Then the page takes no money any more.")
		case payment.Working:
			add(a.Provider+" finishes", time.Time{}, "We look every half hour, and hear its message at once.")
		case payment.Doubtful, payment.Sent:
			add("Proof of what "+a.Provider+" did", time.Time{}, "We look it up at least every half hour. Nothing is sent again before.")
		case payment.Allocated:
			add("The next try at "+a.Provider, time.Time{}, "The request was certainly not sent, so it is sent again.")
		case payment.Held, payment.Done, payment.Declined, payment.Closed, payment.NotDone:
		}
	}
}

func (p dossier) nextLook() string {
	if p.desk.WatchAt.IsZero() {
		return ""
	}
	return " The next look is " + away(p.desk.WatchAt, p.now) + "."
}

// endedUnpaid reports a try to pay that ended without money: its success might
// still come.
func (p dossier) endedUnpaid() bool {
	for _, a := range p.d.Attempts {
		if a.Operation == payment.OpCharge && a.State.Decided() && !a.State.Succeeded() {
			return true
		}
	}
	return false
}
