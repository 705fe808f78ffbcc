package payment

import (
	"strings"
	"time"

	"tillflow/internal/money"
)

// Session is a request to charge, as accepted. Committing it is acceptance.
type Session struct {
	ID             string // ours, a UUIDv7
	Source         string // SourceShopify or SourceAPI; those of subscriptions have an acceptance of their own
	Shop           string
	ExternalID     string // Shopify's session id, or the merchant's ref
	GID            string // Shopify's gid, empty elsewhere
	Group          string // Shopify's group; empty: the payment stands alone
	Kind           Kind
	Amount         money.Amount
	Test           bool
	Token          string // the buyer's link, 128 random bits
	CancelURL      string
	ReturnURL      string // where the buyer goes at the end when no shop says so
	Locale         string
	Country        string // of the buyer's address, ISO 3166-1 alpha-2; empty: not known
	Description    string
	Providers      []string // providers that cover the kind; only their accounts are offered
	Buyer          []byte   // personal data as JSON; goes to the vault and nowhere else
	BuyerKey       string   // mail address or phone: finds the same person again, stored as keyed hash
	IdempotencyKey string   // /api/v1 only
	RequestHash    []byte
	ReceivedAt     time.Time
	DeadlineAt     time.Time
}

// Sources of a session.
const (
	SourceShopify = "shopify"
	SourceAPI     = "api"
	// SourceSubscription: the first payment of a subscription, through a page.
	SourceSubscription = "subscription"
	// SourceRenewal: a later charge of a subscription, by the method that its customer left.
	SourceRenewal = "renewal"
)

// ChargeRef is the external id of a subscription's payment: the subscription and
// the charge's key.
func ChargeRef(subscriptionID, key string) string { return subscriptionID + "." + key }

// SplitChargeRef reads a ChargeRef.
func SplitChargeRef(ref string) (subscriptionID, key string, ok bool) { return strings.Cut(ref, ".") }

// Accepted is the answer to a session: the row that stands, new or not.
type Accepted struct {
	PaymentID  string
	Token      string
	ReceivedAt time.Time
	New        bool
	State      State
	Closed     bool
}

// Attempt is one row of attempts as workflows and activities see it.
type Attempt struct {
	ID         string
	Operation  Operation
	AccountID  string
	Provider   string
	Leg        string // OpVoid or OpRefund for a reversal, else empty
	State      AttemptState
	Ref        string
	PaymentRef string
	ExpiresAt  time.Time // zero: unknown
	Elsewhere  bool      // not ours: the provider moved it without us
	Kept       bool      `json:",omitempty"` // charges a kept method: there is no page, and nothing to shut
}

// View is what the charge workflow needs to know after any step: the rows,
// condensed. Every recording call answers with a fresh one.
type View struct {
	State       State
	Final       Final
	FinalReason DeclineReason
	Told        bool
	Refused     bool          // the shop refused the final answer
	RefusedWait time.Duration // after a refusal: time left until the money goes back
	PendingTold bool
	Closed      bool           // nothing left to do
	Unfinished  []Attempt      // of the charge: not decided, at most one
	Wanted      int            // number of the buyer's choice that no attempt serves yet; 0: none
	Left        bool           // the buyer asked to leave and an unfinished checkout stands in the way
	Shut        DeclineReason  // why no new checkout may be opened; empty: the door is open
	Reversals   []Reversal     // open reversals of this payment
	Operator    OperatorReason // why a person is needed
	Provider    string         // of the newest attempt
	Winner      string         // the attempt whose money the answer is about
}

// Reversal names an open reversal and its workflow.
type Reversal struct {
	OperationID string
	ExternalRef string // the provider's id of the money
}

// Send is what is about to be written to a provider: the send log row, which is
// committed before the first byte leaves.
type Send struct {
	PaymentID   string
	Shop        string
	OperationID string
	Attempt     Attempt
	Key         string
	Kind        Kind
	Amount      money.Amount
	Again       bool // this attempt was begun before: look before sending
	FirstSent   time.Time
	LastSent    time.Time
	Sends       int    // how often it was sent, as the log says
	Token       string // buyer's link, for return and cancel URLs
	Description string
	Locale      string
	DecideAt    time.Time // our decision falls here: a checkout must end before
	Method      string    // id of the kept method that the attempt charges; empty: it opens a page
	Remember    bool      // the page asks for the method to be kept
	Nothing     bool      // nothing is to be sent (any more): the rows say so
	// Unnamed is the attempt whose money is to be moved and whose name at the provider is not known, as when a person
	// said that it is there: a look must bring it before anything can be sent. Then Nothing is set.
	Unnamed string
}

// Option is one way to pay that the buyer is offered.
type Option struct {
	AccountID string
	Provider  string
	Label     string
}

// Page is what the buyer's pages read: one query, no writes.
type Page struct {
	Payment    RunRef
	State      State
	CancelURL  string
	NextURL    string // where the buyer goes when it is over
	Locale     string
	Label      string // the shop as the buyer reads it
	Brand      Brand
	Providers  []string // providers of enabled accounts, see Options
	Options    []Option // enabled accounts of the session's mode and the buyer's market, in the shop's order
	Unfinished *Attempt
	URL        string        // hosted page of the unfinished attempt, when open
	ChoiceOpen bool          // a choice waits for the workflow to open its checkout
	Left       bool          // the buyer asked to leave
	LastNo     DeclineReason // the last decided refusal, also one inside an open checkout
	Shut       DeclineReason
	Final      Final
	Closed     bool
}

// EvidenceKind says where knowledge comes from.
type EvidenceKind string

// Kinds of evidence. There is none called timeout.
const (
	ByAnswer     EvidenceKind = "answer"     // the provider's answer to our call
	ByLookup     EvidenceKind = "lookup"     // an authoritative look-up
	ByWebhook    EvidenceKind = "webhook"    // a signed message of the same account
	BySettlement EvidenceKind = "settlement" // a settlement line
	ByPerson     EvidenceKind = "person"     // a named person with a reason
	ByAbsence    EvidenceKind = "absence"    // authoritative absence past the lag
)

// Finding is evidence about one attempt, ready to be recorded.
type Finding struct {
	AttemptID   string
	Evidence    EvidenceKind
	EvidenceRef string // provider's request id, event row id or action id
	State       AttemptState
	Ref         string
	PaymentRef  string
	Amount      money.Amount // zero: the evidence does not say
	Fee         money.Amount
	Decline     DeclineReason
	Code        string
	URL         string
	ExpiresAt   time.Time
	EventIDs    []int64       // provider events that this finding acts on
	LateSuccess time.Duration // how long a success may still appear after this attempt closed
}

// EventRow is a stored provider event that waits to be acted on.
type EventRow struct {
	ID      int64
	Proves  bool // Finding holds a final state
	Finding Finding
}

// Told is what the shop answered to a mutation.
type Told struct {
	PaymentID string
	Pending   bool   // the pending mutation, else the final one
	NextURL   string // where the buyer goes now
	Refused   string // the shop's refusal; empty: acknowledged
	RequestID string
}

// Telling is what a mutation at the shop needs.
type Telling struct {
	Shop      string
	GID       string
	Final     Final
	Reason    DeclineReason
	HoldUntil time.Time // expiry of the authorization, zero for a sale
	Deadline  time.Time
	Told      bool
	Pending   bool // already told pending
	Kind      Kind
}

// RunRef is a payment whose workflow should exist.
type RunRef struct {
	PaymentID  string
	Source     string
	Shop       string
	ExternalID string
	Provider   string // chosen provider if any, for search attributes
	Kind       Kind
	Amount     money.Amount
	Test       bool
	ReceivedAt time.Time
}

// Decision is what a named person decided about a stuck payment.
type Decision string

// Decisions of operator-resolve.
const (
	// DecidePaid: the provider's dashboard shows the money; the attempt succeeded.
	DecidePaid Decision = "paid"
	// DecideNotPaid: the provider's dashboard shows that nothing happened.
	DecideNotPaid Decision = "not_paid"
	// DecideGiveBack: the money goes back to the buyer.
	DecideGiveBack Decision = "give_back"
	// DecideKeep: the money stays with the merchant who settles it with the shop by hand.
	DecideKeep Decision = "keep"
)

// Action is a row that a person wrote through the authenticated API or CLI.
type Action struct {
	ID        string
	PaymentID string
	Actor     string
	Action    string // resolve, retry, expire, note
	Choice    Decision
	AttemptID string // for paid and not_paid: which attempt
	Text      string // free text, goes to the vault
	At        time.Time
}

// EventRef names a stored provider event and the run that should hear of it.
type EventRef struct {
	EventID   int64
	AttemptID string
	Run       RunRef
	Move      *MoveRef // set when the event is about a move: its run is woken, not the charge's
	Closed    bool     // the workflow has ended: there is no run to wake
}

// Notice is an operator mail to send. It names a payment, never a person.
type Notice struct {
	ID        int64
	Shop      string
	Mail      string
	Locale    string
	PaymentID string
	External  string
	Reason    OperatorReason
	Move      Operation // the capture, void or refund that it is about; empty: the payment's charge, or any
	Amount    money.Amount
	Since     time.Time
	Tries     int
}

// IncomingEvent is a provider's signed message to store: no body, no person.
type IncomingEvent struct {
	AccountID  string
	EventID    string
	Type       string
	BodyHash   []byte
	AttemptID  string // our reference, when the message carries it
	Ref        string
	PaymentRef string
	State      AttemptState // proven final state; empty: a reason to look
	Amount     money.Amount
	Fee        money.Amount
	ExpiresAt  time.Time // end of the hold, when authorized
	Decline    DeclineReason
	Code       string
	At         time.Time
	Elsewhere  *Elsewhere // the message is about money moved without us
}

// Stored says what became of an IncomingEvent and what is to be done next. At
// most one of Signal and Reversal is set.
type Stored struct {
	Signal     *EventRef // wake this run
	Reversal   *MoveRef  // money came after the end: start this
	Duplicate  bool      // acted on before
	Suspicious bool      // another account's reference, or another body under the same id: nothing was changed
	Note       string
}

// Summary is one payment as merchants and operators read it.
type Summary struct {
	Run           RunRef
	Token         string
	State         State
	Final         Final
	FinalReason   DeclineReason
	ToldAt        time.Time // zero: not yet
	ClosedAt      time.Time // zero: still running
	Operator      OperatorReason
	OperatorSince time.Time
	DeadlineAt    time.Time
}

// EndedRun names a workflow run that ended without finishing its story:
// terminated, failed or cancelled.
type EndedRun struct {
	Shop string
	Ref  string // external id of the payment, or the provider's reference of a move
}
