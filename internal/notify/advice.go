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

// adviceFor gives the text of a notice's reason, with commands for the payment.
// known is false for a reason that has none.
func adviceFor(n payment.Notice) (a advice, known bool) {
	c := commands{clean(n.PaymentID)}
	if n.Move != "" {
		switch n.Reason { //nolint:exhaustive // the other reasons say the same of a charge and of a move
		case payment.ResolveRefused, payment.RejectRefused:
			return moveTellRefused(c, n.Move, n.Reason == payment.ResolveRefused), true
		case payment.WrongAmount:
			return moveWrong(c, n.Move), true
		}
	}
	switch n.Reason {
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
	case payment.RefundFailed:
		return refundFailed(c), true
	case payment.RefundElsewhere:
		return refundElsewhere(c), true
	case payment.Disputed:
		return disputed(c), true
	case payment.DisputeLost:
		return disputeLost(c), true
	case payment.Overdrawn:
		return overdrawn(c), true
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

func refundFailed(c commands) advice {
	return advice{
		Title:    "Refund failed late",
		Happened: "The payment provider had accepted a refund, the shop was told that it is done, and then the provider gave it up.",
		Money:    "The buyer did not get this money. It is with the merchant again, the books show it, and it may be refunded anew.",
		Steps: []step{
			look(c),
			{"See the provider's reason, such as a closed bank account, and pay the buyer in another way, or refund again.", ""},
			{"Write down how it was settled:", c.note()},
		},
	}
}

func refundElsewhere(c commands) advice {
	return advice{
		Title:    "Refunded at the provider",
		Happened: "Somebody refunded this payment, or a part of it, at the payment provider and not through the shop.",
		Money:    "The money has left for the buyer. It is booked and cannot be refunded a second time. The shop does not know of it.",
		Steps: []step{
			look(c),
			{"Make the order in the shop's admin agree with it, without a refund through the payment provider.", ""},
			{"Write down who did it and why:", c.note()},
		},
	}
}

func disputed(c commands) advice {
	return advice{
		Title:    "Payment disputed",
		Happened: "The buyer disputes this payment with the bank.",
		Money:    "The disputed amount is taken back until the dispute is decided. It is booked so, and cannot be refunded meanwhile.",
		Steps: []step{
			look(c),
			{"Answer the dispute in the provider's dashboard before its deadline; a dispute that nobody answers is lost.", ""},
			{"Write down what was decided:", c.note()},
		},
	}
}

func disputeLost(c commands) advice {
	return advice{
		Title:    "Dispute lost",
		Happened: "A dispute about this payment was decided for the buyer.",
		Money:    "The disputed amount is gone and booked. Refunding it too would pay the buyer twice; what is left may be refunded.",
		Steps: []step{
			look(c),
			{"Make the order in the shop's admin agree with it, without a refund through the payment provider.", ""},
			{"Write down what was decided:", c.note()},
		},
	}
}

func overdrawn(c commands) advice {
	return advice{
		Title:    "More went back than was paid",
		Happened: "A refund of ours and money that was moved at the payment provider met, and together they are more than was taken.",
		Money:    "The merchant has paid the difference. The books show every part of it.",
		Steps: []step{
			look(c),
			{"Compare with the provider's dashboard, and ask the buyer for what is too much.", ""},
			{"Write down how it was settled:", c.note()},
		},
	}
}

// moveTellRefused is the shop's refusal of our answer about a capture, void or
// refund: unlike a charge's it sets no money in motion.
func moveTellRefused(c commands, move payment.Operation, done bool) advice {
	a := advice{
		Title:    "Shop refused to hear of a " + string(move),
		Happened: "A " + string(move) + " was not done, and the shop refused our answer that says so.",
		Money:    "No money has moved.",
		Steps: []step{
			look(c),
			{"Compare with what the shop shows for this order. To tell it once more:", c.retry()},
		},
	}
	if done {
		a.Happened = "A " + string(move) + " was done, and the shop refused our answer that says so."
		a.Money = "The money has moved and stays as it is. The shop may show the order as if nothing had happened."
	}
	return a
}

// moveWrong: what really moved is not what a capture, void or refund asked for.
func moveWrong(c commands, move payment.Operation) advice {
	return advice{
		Title:    "Wrong " + string(move),
		Happened: "The payment provider did something else than this " + string(move) + " asks for: another amount, or after it was given up.",
		Money:    "The books show what really moved. Nothing more moves by itself.",
		Steps: []step{
			look(c),
			{"Compare with the provider's dashboard, and put it right there.", ""},
			{"Write down how it was settled:", c.note()},
		},
	}
}

// look is the first step of every mail. A request that names no payment of ours
// has nothing but its run.
func look(c commands) step {
	if c.paymentID == "" {
		return step{"See its run in Temporal: the shop's request names no payment that is known here.", ""}
	}
	return step{"See what was sent, what came back and what was written down:", c.show()}
}

// commands are those of `tillflow payment`; the reason is left to the person.
// Without a payment there are none.
type commands struct{ paymentID string }

func (c commands) of(verb string) string {
	if c.paymentID == "" {
		return ""
	}
	return "tillflow payment " + verb + c.paymentID
}

const because = ` -reason "…" `

func (c commands) show() string { return c.of("show ") }

func (c commands) resolve(choice string) string { return c.of("resolve -choice " + choice + because) }

func (c commands) retry() string { return c.of("retry" + because) }

func (c commands) note() string { return c.of("note" + because) }
