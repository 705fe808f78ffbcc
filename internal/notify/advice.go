package notify

import "tillflow/internal/payment"

// advice is what a mail says for one reason, whatever the payment.
type advice struct {
	Title    string
	Happened string
	Money    string
	Steps    []step
}

// step is one thing to do; Command may be empty.
type step struct{ Text, Command string }

// adviceFor gives the text of a reason, with commands for the payment. known is
// false for a reason that has none.
func adviceFor(reason payment.OperatorReason, paymentID string) (a advice, known bool) {
	c := commands{paymentID}
	switch reason {
	case payment.InDoubt:
		return inDoubt(c), true
	case payment.AccountBlocked:
		return accountBlocked(c), true
	case payment.WrongAmount:
		return wrongAmount(c), true
	case payment.ResolveRefused:
		return resolveRefused(c), true
	case payment.RejectRefused:
		return rejectRefused(c), true
	case payment.TellOverdue:
		return tellOverdue(c), true
	case payment.ReversalStuck:
		return reversalStuck(c), true
	case payment.RoutingFault:
		return routingFault(c), true
	case payment.NobodyNeeded:
	}
	return advice{}, false
}

func inDoubt(c commands) advice {
	return advice{
		Title:    "Payment in doubt",
		Happened: "We asked the payment provider to move money and have no proof of whether it did.",
		Money: "Money may have moved. Nothing is sent again. We keep asking the provider, and the doubt ends by itself " +
			"as soon as it shows proof.",
		Steps: []step{
			look(c),
			{"Look the attempt up in the provider's dashboard. If the money moved:", c.resolve("paid")},
			{"If it shows that nothing happened:", c.resolve("not_paid")},
		},
	}
}

func accountBlocked(c commands) advice {
	return advice{
		Title:    "Access refused",
		Happened: "The payment provider or the shop's platform refuses our credentials.",
		Money:    "Nothing was done with the refused request. Until access works again, payments on this account wait.",
		Steps: []step{
			look(c),
			{"Renew the account's credentials, or have the account unblocked.", ""},
			{"Then go on at once; by itself it is tried again every half hour:", c.retry()},
		},
	}
}

func wrongAmount(c commands) advice {
	return advice{
		Title:    "Wrong amount taken",
		Happened: "The payment provider took another amount than we asked for.",
		Money:    "The buyer has paid an amount that does not fit the order. The shop has not been told, and is not told before you decide.",
		Steps: []step{
			look(c),
			{"To give the money back:", c.resolve("give_back")},
			{"To accept the amount as paid:", c.resolve("paid")},
		},
	}
}

func resolveRefused(c commands) advice {
	return advice{
		Title:    "Shop refused a paid order",
		Happened: "The buyer has paid, and the shop refused our answer that says so. There may be no order for the money.",
		Money:    "The money is with the merchant. Unless you decide, it goes back to the buyer by itself after the time set for the shop.",
		Steps: []step{
			look(c),
			{"To give it back now:", c.resolve("give_back")},
			{"If the order was settled with the shop by hand, keep the money:", c.resolve("keep")},
		},
	}
}

func rejectRefused(c commands) advice {
	return advice{
		Title:    "Shop refused a rejection",
		Happened: "The payment has ended without money, and the shop refused our answer that says so.",
		Money:    "No money was taken.",
		Steps: []step{
			look(c),
			{"Compare with what the shop shows for this order. Once that is settled:", c.note()},
		},
	}
}

func tellOverdue(c commands) advice {
	return advice{
		Title:    "Shop cannot be told",
		Happened: "The answer to this payment is decided, and for more than a day the shop could not be told.",
		Money:    "Nothing is lost and nothing changes: the answer stands, and we keep trying.",
		Steps: []step{
			look(c),
			{"Find the reason in the pending activity's last failure, in Temporal. Once it is mended:", c.retry()},
		},
	}
}

func reversalStuck(c commands) advice {
	return advice{
		Title:    "Money does not go back",
		Happened: "Money that nobody wants any more should go back to the buyer, and the payment provider does not do it.",
		Money:    "The buyer's money is still held or taken.",
		Steps: []step{
			look(c),
			{"Give it back in the provider's dashboard, then say so:", c.resolve("paid")},
			{"Or mend the reason that the provider gives and try again:", c.retry()},
		},
	}
}

func routingFault(c commands) advice {
	return advice{
		Title:    "Request refused as wrong",
		Happened: "The payment provider calls our request wrong. This is a fault of the set-up or of this program.",
		Money:    "Nothing was done.",
		Steps: []step{
			look(c),
			{"Once the fault behind the provider's code is mended:", c.retry()},
		},
	}
}

// look is the first step of every mail.
func look(c commands) step {
	return step{"See what was sent, what came back and what was written down:", c.show()}
}

// commands are those of `tillflow payment`; the reason is left to the person.
type commands struct{ paymentID string }

const because = ` -reason "…" `

func (c commands) show() string { return "tillflow payment show " + c.paymentID }

func (c commands) resolve(choice string) string {
	return "tillflow payment resolve -choice " + choice + because + c.paymentID
}

func (c commands) retry() string { return "tillflow payment retry" + because + c.paymentID }

func (c commands) note() string { return "tillflow payment note" + because + c.paymentID }
