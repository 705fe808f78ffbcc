package payment

import (
	"time"

	"tillflow/internal/money"
)

// MoveSession is a request to capture, void or refund, as accepted. Committing
// it is acceptance: whatever is wrong with what it asks is answered to the shop
// by the workflow, never by the acceptance.
type MoveSession struct {
	ID             string       // ours, a UUIDv7; also the id of the operation that it becomes
	Source         string       // SourceShopify or SourceAPI
	Shop           string       //
	Kind           Operation    // OpCapture, OpVoid or OpRefund
	ExternalID     string       // Shopify's session id, or the merchant's ref
	GID            string       // Shopify's gid, empty elsewhere
	PaymentRef     string       // external id of the payment that it names; it may not exist
	Amount         money.Amount // zero for a void, or as the shop sent it
	Test           bool
	Locale         string // of the merchant
	IdempotencyKey string // /api/v1 only
	RequestHash    []byte
	ReceivedAt     time.Time
	// By is who asks, for the audit: the key of a merchant's backend. Empty for what
	// Shopify sends, which is no act of a person here and stands in the timeline.
	By string
}

// AcceptedMove is the answer to a MoveSession: the row that stands, new or not.
type AcceptedMove struct {
	Ref  MoveRef
	New  bool
	View MoveView
}

// Refusal says why a capture, void or refund is not possible. It is decided by
// our rows and the provider's evidence, never by a timeout.
type Refusal string

// Refusals of moves. Shopify knows AUTHORIZATION_EXPIRED for captures and
// PROCESSING_ERROR for everything; the merchant reads the sentence.
const (
	NotRefused                  Refusal = ""
	RefusedUnknownPayment       Refusal = "unknown_payment"       // no such payment in this shop and mode
	RefusedNotPaid              Refusal = "not_paid"              // the payment was decided without money
	RefusedNotHeld              Refusal = "not_held"              // nothing is held (any more): captured, voided or a sale
	RefusedAuthorizationExpired Refusal = "authorization_expired" // the hold is over
	RefusedZeroAmount           Refusal = "zero_amount"
	RefusedOtherCurrency        Refusal = "other_currency"
	RefusedTooLarge             Refusal = "too_large"        // more than is held or was taken, less what is claimed, given back or disputed
	RefusedNotSupported         Refusal = "not_supported"    // the provider cannot do it, such as a second capture
	RefusedByProvider           Refusal = "provider_refused" // the provider's own decided no
	RefusedByOperator           Refusal = "cancelled"        // a named person ended it, with evidence that nothing happened
)

// MoveView is how a move stands: a capture, void, refund or reversal. A move
// that a shop asked for has a session and an answer to give; a reversal has none.
type MoveView struct {
	OperationID string // the session's id too
	PaymentID   string // empty: the session names no payment of ours
	Shop        string
	Kind        Operation
	Session     bool // somebody waits for an answer
	Claimed     bool // the amount is claimed: an operation exists
	Waits       bool // the payment's own money is not decided yet; nothing is claimed before it is
	Final       Final
	Refusal     Refusal // why, when Final is Reject
	Told        bool
	TellRefused bool // the shop refused our answer; a person was told
	Done        bool // proven done and posted
	Refused     bool // decided not possible, also later, after the provider had accepted it
	Closed      bool // nothing left to do for the run
	Operator    OperatorReason
	Unfinished  []Attempt
	LastDecided string // the newest attempt with a decided state; empty when nothing was sent
	Amount      money.Amount
	Provider    string
}

// MoveRef names a move whose workflow should exist.
type MoveRef struct {
	OperationID string
	PaymentID   string
	Kind        Operation
	Source      string
	Shop        string
	ExternalRef string // the session's external id; for a reversal provider and reference of the money
	Provider    string
	Amount      money.Amount
	At          time.Time
}

// MoveTelling is what the mutation about a capture, void or refund needs.
type MoveTelling struct {
	Shop    string
	GID     string
	Source  string
	Kind    Operation
	Final   Final
	Refusal Refusal
	Locale  string // of the merchant, who reads why
	Told    bool
}

// MoveTold is what the shop answered to that mutation.
type MoveTold struct {
	OperationID string
	Refused     string // the shop's refusal; empty: acknowledged
	RequestID   string
}

// ElsewhereKind says how money moved without us.
type ElsewhereKind string

// Kinds of movement elsewhere.
const (
	ElsewhereRefund  ElsewhereKind = "refund"  // in the provider's dashboard
	ElsewhereDispute ElsewhereKind = "dispute" // a chargeback
)

// Elsewhere is money of one of our payments that the provider moved without us,
// as a signed message shows it. State is Working while a refund is on its way
// or a dispute is open, Done once the money is gone for good (refunded, dispute
// lost), Closed once it is back (refund failed or cancelled, dispute won).
type Elsewhere struct {
	Kind   ElsewhereKind
	Ref    string // the provider's id of the refund or dispute
	State  AttemptState
	Amount money.Amount
}
