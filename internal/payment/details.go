package payment

import (
	"time"

	"tillflow/internal/money"
)

// Filter selects payments for a list, newest first. Zero members select all.
type Filter struct {
	Shop     string
	State    State
	Operator bool      // only those that need a person
	Before   time.Time // received before; the last one of a page starts the next
	Limit    int       // at most 500; zero is 50
}

// Details is all that the record knows of one payment, for people.
type Details struct {
	Summary
	Shut        DeclineReason
	TellRefused string // the shop's refusal of the final answer
	PendingAt   time.Time
	WatchUntil  time.Time // until then a success may still appear
	Attempts    []AttemptDetails
	Evidence    []EvidenceLine
	Timeline    []TimelineLine
	Postings    []PostingLine
	Actions     []ActionLine
	Order       ShopOrder // what the shop has said of the payment's order; without an id nothing
}

// AttemptDetails is one attempt at a provider.
type AttemptDetails struct {
	Attempt
	Key       string
	Asked     money.Amount
	Actual    money.Amount // zero until money was held or moved
	FirstSent time.Time
	LastSent  time.Time
	Sends     int
	Decline   DeclineReason
	Code      string
	DecidedAt time.Time
}

// EvidenceLine is what made us know.
type EvidenceLine struct {
	ID        string
	AttemptID string
	Kind      EvidenceKind
	Ref       string
	State     AttemptState
	Amount    money.Amount // zero: it does not say
	Code      string
	At        time.Time
}

// TimelineLine is one change, in codes and ids.
type TimelineLine struct {
	What       string
	AttemptID  string
	EvidenceID string
	Before     string
	After      string
	Detail     string
	At         time.Time
}

// PostingLine is one posting of a ledger entry.
type PostingLine struct {
	Entry   string // the entry's key
	Kind    string
	Account string
	Amount  money.Amount
	At      time.Time
}

// ActionLine is what a person did.
type ActionLine struct {
	Action
	AppliedAt time.Time // zero: not applied
	Result    string
}

// MoveSummary is one capture, void, refund or reversal of a payment, or money
// that its provider moved without us, as merchants and operators read it.
type MoveSummary struct {
	Ref         MoveRef
	Elsewhere   bool // the provider moved it without us: a refund in its dashboard, a dispute
	Final       Final
	Refusal     Refusal   // why, when Final is Reject
	FinalAt     time.Time // zero: not decided
	ToldAt      time.Time // zero: not yet
	TellRefused string    // the shop's refusal of the answer
	Claimed     bool
	Done        bool
	Refused     bool
	ClosedAt    time.Time // zero: still running
	Operator    OperatorReason
}
