package payment

// State is where a payment stands for its merchant. Whether a single money
// step is in doubt is a property of its attempt, not of the payment.
type State string

// States of a payment, in the order in which a payment may meet them.
const (
	// Created: the row is committed, nothing has been asked of a provider.
	Created State = "created"
	// AwaitingBuyer: a provider's checkout has been opened, the buyer has not finished.
	AwaitingBuyer State = "awaiting_buyer"
	// Processing: the provider says it is working on the buyer's money.
	Processing State = "processing"
	// Authorized: the money is held for us and not yet taken.
	Authorized State = "authorized"
	// Captured: the money is taken.
	Captured State = "captured"
	// PartiallyRefunded: a part of the captured money went back.
	PartiallyRefunded State = "partially_refunded"
	// Refunded: all of the captured money went back at the merchant's wish.
	Refunded State = "refunded"
	// Rejected: ended without money; the shop has been or will be told so.
	Rejected State = "rejected"
	// Voided: an authorization was given back at the merchant's wish.
	Voided State = "voided"
	// Expired: an authorization lapsed at the provider before it was captured.
	Expired State = "expired"
	// Reversed: money arrived that nobody wanted any more, and was given back by us.
	Reversed State = "reversed"
)

// States lists every state, for tests and for checks on stored rows.
var States = []State{
	Created, AwaitingBuyer, Processing, Authorized, Captured, PartiallyRefunded,
	Refunded, Rejected, Voided, Expired, Reversed,
}

// transitions is the one table of legal moves. A repeated state is not a move.
//
// From Rejected a success may still arrive (a late webhook, a settlement
// line): the money is then given back and the payment ends Reversed.
// Refunds and reversals that fail later at the provider lead back. And money
// that a provider shows as taken was taken, also after we saw its hold end.
var transitions = map[State][]State{
	Created:           {AwaitingBuyer, Processing, Authorized, Captured, Rejected},
	AwaitingBuyer:     {Processing, Authorized, Captured, Rejected},
	Processing:        {AwaitingBuyer, Authorized, Captured, Rejected},
	Authorized:        {Captured, Voided, Expired, Reversed},
	Captured:          {PartiallyRefunded, Refunded, Reversed},
	PartiallyRefunded: {Captured, Refunded, Reversed},
	Refunded:          {PartiallyRefunded, Captured},
	Rejected:          {Reversed},
	Reversed:          {Authorized, Captured, Rejected},
	Voided:            {Captured},
	Expired:           {Captured},
}

// CanBecome reports whether a payment in s may become next.
func (s State) CanBecome(next State) bool {
	for _, t := range transitions[s] {
		if t == next {
			return true
		}
	}
	return false
}

// Paid reports whether the buyer's money is held or taken in this state.
func (s State) Paid() bool {
	switch s {
	case Authorized, Captured, PartiallyRefunded:
		return true
	case Created, AwaitingBuyer, Processing, Refunded, Rejected, Voided, Expired, Reversed:
		return false
	}
	return false
}

// Kind says whether a charge takes the money at once or only holds it.
// The words are Shopify's.
type Kind string

// Kinds of a charge.
const (
	Sale          Kind = "sale"
	Authorization Kind = "authorization"
)

// Final is the one answer that ends a payment session at the shop.
type Final string

// Final answers; the empty value means not decided.
const (
	Undecided Final = ""
	Resolve   Final = "resolve"
	Reject    Final = "reject"
)

// Operation names what somebody wants done with money.
type Operation string

// Operations.
const (
	OpCharge   Operation = "charge"
	OpCapture  Operation = "capture"
	OpVoid     Operation = "void"
	OpRefund   Operation = "refund"
	OpReversal Operation = "reversal" // money nobody wants any more goes back: void, else refund
	OpDispute  Operation = "dispute"  // a chargeback; nobody here asks for one
)

// OperatorReason says why a person is needed. It is an enum because it is
// shown in plain search attributes.
type OperatorReason string

// Reasons for which a person is called; empty means nobody is needed.
const (
	NobodyNeeded   OperatorReason = ""
	InDoubt        OperatorReason = "in_doubt"        // money may have moved, no evidence yet
	AccountBlocked OperatorReason = "account_blocked" // the provider refuses our credentials
	WrongAmount    OperatorReason = "wrong_amount"    // the provider took another amount than asked
	ResolveRefused OperatorReason = "resolve_refused" // the shop refused our answer although money was taken
	RejectRefused  OperatorReason = "reject_refused"  // the shop refused our answer, no money was taken
	TellOverdue    OperatorReason = "tell_overdue"    // the shop cannot be reached since more than a day
	ReversalStuck  OperatorReason = "reversal_stuck"  // the provider will not take the money back
	RoutingFault   OperatorReason = "routing_fault"   // the provider calls our request wrong

	RefundFailed    OperatorReason = "refund_failed"    // the provider gave a refund up after it had accepted it
	RefundElsewhere OperatorReason = "refund_elsewhere" // money was refunded at the provider, not by us
	Disputed        OperatorReason = "disputed"         // a chargeback is open
	DisputeLost     OperatorReason = "dispute_lost"     // a chargeback took the money
	Overdrawn       OperatorReason = "overdrawn"        // more went back than was taken
)
