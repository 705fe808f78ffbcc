package console

import (
	"time"

	"tillflow/internal/payment"
)

// nobody is whom to tell while everything goes on by itself.
const nobody = "Nobody: it goes on by itself, and a person is called when it does not."

// going says what happens by itself, the most pressing first.
func (p dossier) going() situation {
	d := p.d
	if try, doubt := p.doubtful(); doubt {
		s := findingOut(try)
		s.Happened += p.silence()
		return s
	}
	switch {
	case p.heldBack():
		return p.paused()
	case d.Final == payment.Undecided:
		return p.undecided()
	case d.ToldAt.IsZero() && d.TellRefused == "":
		return situation{
			Title: "Telling the shop", Happened: "The answer is decided and does not change. The shop has not confirmed it: it is told again and again, after growing pauses.",
			Money: p.standing(), Tell: nobody,
		}
	}
	for _, m := range p.moves {
		if moving(m) {
			return situation{Title: moveName(m) + " under way", Happened: sentence("it is " + moveState(m)), Money: p.standing(), Tell: nobody}
		}
	}
	for _, m := range p.moves {
		if m.Elsewhere && !m.Done && !m.Refused {
			return situation{Title: moveName(m) + " open at the provider", Happened: "The provider's messages will say how it ends.", Money: p.standing(), Tell: nobody}
		}
	}
	if d.State == payment.Authorized {
		return p.held()
	}
	return situation{Title: "Nothing is left to do", Happened: "The payment has its answer, and the shop has it too.", Money: p.standing(), Tell: "Nobody."}
}

// findingOut is a try whose answer is missing, before a person is called for it.
func findingOut(try payment.AttemptDetails) situation {
	s := situation{
		Title: "Finding out", Happened: "A request went to the provider and its answer has not come. It is looked up, again and again after growing pauses.",
		Money: "Money may have moved. Nothing is sent again before we know.", Tell: nobody,
	}
	switch try.Operation {
	case payment.OpCharge:
		if try.Ref == "" {
			s.Money = "The request asks for the page to pay on, and we have not sent the buyer there. Nothing is sent again before we know."
		}
	case payment.OpRefund, payment.OpReversal:
		s.Money = "It is back with the buyer, or still where it was. Nothing is sent again before we know, so it does not go back twice."
	case payment.OpCapture:
		s.Money = "It is taken, or still held. Nothing is sent again before we know, so it is not taken twice."
	case payment.OpVoid:
		s.Money = "The hold is given back, or still there. Nothing is sent again before we know."
	case payment.OpDispute:
	}
	return s
}

// soon is how near the end of a hold is worth a merchant's attention.
const soon = 24 * time.Hour

// held is money that the merchant has to capture or let go.
func (p dossier) held() situation {
	s := situation{
		Title: "Waiting for the merchant", Happened: "The shop knows that the money is held. The merchant captures or voids it.",
		Money: p.standing(), Tell: "Nobody: the merchant sees the order as authorised.",
	}
	until := time.Time{}
	for _, purse := range p.desk.Purses {
		if !purse.HoldUntil.IsZero() && (until.IsZero() || purse.HoldUntil.Before(until)) {
			until = purse.HoldUntil
		}
	}
	if until.IsZero() || until.Sub(p.now) > soon {
		return s
	}
	s.Title = "The hold is about to end"
	s.Happened = "The shop knows that the money is held, and the merchant has neither captured nor voided it."
	s.Money = "Held at the provider, not taken. It is the buyer's again when the hold ends, and cannot be taken any more then."
	s.Tell = "The merchant, who captures the order in the shop's admin before that, or loses the money."
	if until.Before(p.now) {
		s.Title = "The hold has ended"
		s.Money = "The provider's time for the hold is over; it is being looked up whether it is given back."
		s.Tell = "The merchant, who cannot capture it any more."
	}
	return s
}

// undecided is the story of a payment that waits for its answer.
func (p dossier) undecided() situation {
	s := situation{Title: "Waiting for the buyer", Money: "Nothing was taken.", Tell: "Nobody: the buyer has the link."}
	switch p.d.State {
	case payment.Created:
		switch {
		case len(p.d.Attempts) == 0:
			s.Happened = "The buyer has the link and has not come to the provider's page yet."
		case p.unsent():
			s.Title, s.Tell = "The provider does not take the request", nobody
			s.Happened = "The provider is away, or asks us to wait. The request was certainly not carried out, and is sent again after growing pauses; the buyer's page waits, or the buyer chooses another way to pay."
		default:
			s.Happened = "The provider's page is being opened, or the buyer may choose again."
		}
		return s
	case payment.AwaitingBuyer:
		s.Happened = "The provider's page was opened and the buyer has not paid there yet."
		return s
	case payment.Processing:
		return situation{
			Title: "The provider is working on it", Happened: "The provider says that it processes the buyer's money. Its message, or our look-up every half hour, ends the wait.",
			Money: "On its way; neither taken nor refused yet.", Tell: "Nobody: the shop knows that the payment is pending.",
		}
	case payment.Authorized, payment.Captured, payment.PartiallyRefunded, payment.Refunded, payment.Rejected, payment.Voided,
		payment.Expired, payment.Reversed:
	}
	return situation{Title: "Being decided", Happened: "Money is here, and the payment's answer is decided in the next step.", Money: p.standing(), Tell: nobody}
}

// unsent reports a try that certainly was not carried out and is made again.
func (p dossier) unsent() bool {
	for _, a := range p.d.Attempts {
		if a.State == payment.Allocated {
			return true
		}
	}
	return false
}

// doubtful finds a try whose answer is missing; the last one, of several.
func (p dossier) doubtful() (payment.AttemptDetails, bool) {
	for i := len(p.d.Attempts) - 1; i >= 0; i-- {
		if a := p.d.Attempts[i]; a.State == payment.Doubtful || a.State == payment.Sent {
			return a, true
		}
	}
	return payment.AttemptDetails{}, false
}

// inDoubt reports an attempt whose answer is missing.
func (p dossier) inDoubt() bool {
	_, doubt := p.doubtful()
	return doubt
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
