package payment

// AttemptState is what we know of one attempt at a provider. An attempt moves
// only on evidence; see Advance.
type AttemptState string

// Attempt states.
const (
	// Allocated: the row and its idempotency key exist, nothing was sent.
	Allocated AttemptState = "allocated"
	// Sent: a request was or may have been written to the provider; no answer is recorded.
	Sent AttemptState = "sent"
	// Doubtful: a call ended without an answer; the provider may have acted. Only evidence leads out.
	Doubtful AttemptState = "in_doubt"
	// Open: the provider's checkout waits for the buyer.
	Open AttemptState = "open"
	// Working: the provider says it is processing. This is never nothing.
	Working AttemptState = "processing"
	// Held: authorised at the provider.
	Held AttemptState = "authorized"
	// Done: captured, refunded or voided, as the attempt's operation says.
	Done AttemptState = "done"
	// Declined: the provider decided no; a new attempt may follow.
	Declined AttemptState = "declined"
	// Closed: the checkout was expired or cancelled at the provider; nothing can be paid there any more.
	Closed AttemptState = "closed"
	// NotDone: decided not done: authoritative absence past the provider's lag.
	NotDone AttemptState = "not_done"
)

// AttemptStates lists every attempt state.
var AttemptStates = []AttemptState{
	Allocated, Sent, Doubtful, Open, Working, Held, Done, Declined, Closed, NotDone,
}

// Decided reports whether nothing more is expected of the attempt. Money of a
// decided attempt can only move by a new operation or by a late success.
func (s AttemptState) Decided() bool {
	switch s {
	case Held, Done, Declined, Closed, NotDone:
		return true
	case Allocated, Sent, Doubtful, Open, Working:
		return false
	}
	return false
}

// Succeeded reports whether money is held or moved.
func (s AttemptState) Succeeded() bool { return s == Held || s == Done }

// Advance says what becomes of an attempt in state s when evidence shows next.
// Evidence may arrive late, twice and in any order, so three rules decide:
//   - success is never taken back by a later look at the same object;
//   - success always counts, even after a decline or a closed checkout (late success);
//   - an unfinished state never overwrites a decided one.
//
// changed is false when the evidence tells nothing new.
func (s AttemptState) Advance(next AttemptState) (result AttemptState, changed bool) {
	switch {
	case s == next:
		return s, false
	case s == Done:
		return s, false
	case s == Held:
		return pick(next == Done, next, s)
	case next.Succeeded():
		return next, true
	case s.Decided():
		return s, false
	case next == Allocated, next == Sent && s != Allocated:
		return s, false
	case next == Doubtful && (s == Open || s == Working):
		// We know the object exists; a failed look does not make us know less.
		return s, false
	case next == Open && s == Working:
		// A delayed method that failed hands the checkout back only through a decline.
		return s, false
	default:
		return next, true
	}
}

// AdvanceReturn is Advance for an attempt that gives money back: a refund, a
// dispute. Such a success is not the end: a bank may refuse a refund days after
// the provider called it done, and a lost dispute may be decided again. So Done
// may still become Declined or Closed.
//
// What ended like that is over for good once the provider's own object is known
// (known), since neither comes back to life: messages overtake each other, and an
// old "done" must not count after the "failed" that followed it. Where it is not
// known, a request was refused, and a success counts as always.
func (s AttemptState) AdvanceReturn(next AttemptState, known bool) (result AttemptState, changed bool) {
	ended := next == Declined || next == Closed
	switch {
	case s == Done && ended:
		return next, true
	case known && (s == Declined || s == Closed):
		return s, false
	}
	return s.Advance(next)
}

func pick(ok bool, next, s AttemptState) (AttemptState, bool) {
	if ok {
		return next, true
	}
	return s, false
}
