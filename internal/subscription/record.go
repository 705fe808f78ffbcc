package subscription

import (
	"time"

	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// Offer is a plan of a shop as it is kept: a version and the name that customers
// read. The name never names a person.
type Offer struct {
	Shop      string
	Name      string
	Plan      Plan
	By        string    // who made this version
	At        time.Time // when
	CreatedAt time.Time // of the plan
	Running   int       // subscriptions of the plan that are not over
}

// NewOffer is a wish for a plan. A repeat of the same one is answered with what stands.
type NewOffer struct {
	Shop  string
	Name  string
	Draft Draft // its ID is the merchant's: small letters, digits, - and _, at most 64
	By    string
}

// OfferUpdate is a wish for a plan's next version.
type OfferUpdate struct {
	Shop, Plan string
	Name       string // empty: as it is
	Update     Update
	By         string
}

// OfferEnd is a wish to cancel a plan: see [Plan.Retire].
type OfferEnd struct {
	Shop, Plan string
	Expected   int
	Running    Rule
	From       time.Time
	By         string
}

// Signup is a wish to subscribe, as a merchant's backend sends it. Committing
// it is acceptance. A repeat is answered with the row that stands.
type Signup struct {
	Shop     string
	Ref      string // the merchant's own; one subscription each
	Test     bool
	Plan     string
	Expected int // version that the customer saw
	Quantity int64
	Zone     string // IANA name; empty: the plan's
	Locale   string
	// ReturnURL and CancelURL are where the customer goes after paying, or without.
	ReturnURL, CancelURL string
	Token                string   // the customer's link of the first payment, 128 random bits
	Providers            []string // that can charge a kept method
	Buyer                []byte   // personal data as JSON; goes to the vault and nowhere else
	BuyerKey             string   // mail address or phone: finds the same person again
	IdempotencyKey       string
	RequestHash          []byte
	Resolution           time.Duration // how long the first payment may take
	By                   string        // who asks, for the timeline: the key of a merchant's backend
}

// Record is a subscription as it is kept.
type Record struct {
	Subscription
	Shop      string
	Ref       string
	Test      bool
	Revision  int64
	Locale    string
	Method    string // id of the kept method that renewals charge; empty: none
	Account   string // id of the provider account that keeps it
	Task      Task   // what its clock does next
	DueAt     time.Time
	Operator  payment.OperatorReason
	CreatedAt time.Time
	ChangedAt time.Time
	EndedAt   time.Time // zero: it goes on, or a charge of it is still open
	Began     Began
	// Pay is the customer's link to pay the open charge on a page; empty: there is none.
	Pay string
}

// Began is what was asked for at first, to know a repeat by.
type Began struct {
	Plan     string
	Quantity int64
	Zone     string
}

// Ref names a subscription whose run should exist.
type Ref struct {
	ID   string
	Shop string
}

// Request is what somebody asks of a subscription, as the authenticated API
// wrote it. What a command does not use stays zero.
type Request struct {
	ID             string // ours, a UUIDv7; also the id of the update that carries it out
	SubscriptionID string
	Shop           string // the subscription's; another one's is not found
	Command        Command
	Args           Args
	By             string // staff account name, API key, or Customer
	IdempotencyKey string
	RequestHash    []byte
}

// Customer is who asks when it is the customer himself, on his own page.
const Customer = "customer"

// Args are the parameters of a command.
type Args struct {
	Plan     string  `json:",omitempty"` // change: the new plan; empty: the same one
	Expected int     `json:",omitempty"` // change: the version that the customer saw
	Quantity int64   `json:",omitempty"` // change: the new quantity; zero: the same
	When     When    `json:",omitempty"` // change
	Refund   bool    `json:",omitempty"` // cancel: give back what is not used
	What     Command `json:",omitempty"` // withdraw
	Method   string  `json:",omitempty"` // method: id of the kept method
	Account  string  `json:",omitempty"` // method: of the provider account that keeps it
}

// Answer is what became of a Request, for ever: a repeat reads the same.
type Answer struct {
	Refused *Refusal `json:",omitempty"` // nothing was changed
	State   State
	// Charge is the key of the charge that the command opened; empty: none.
	Charge    string       `json:",omitempty"`
	Amount    money.Amount // of that charge
	Proration Proration    // of a change at once
	Refund    money.Amount // of a cancellation: what goes back
}

// View is what a subscription's run needs to know after any step.
type View struct {
	State    State
	Period   int
	Revision int64
	Task     Task
	Wait     time.Duration // until the task is due; zero: now
	DueAt    time.Time
	Operator payment.OperatorReason
	Ended    bool
	Amount   money.Amount // of a full period
	// Renewal is the open charge that a run of its own collects; nil: none.
	Renewal *payment.RunRef
	// Stir are payments that this step has changed: their runs look again.
	Stir []payment.RunRef
	// Keep is the payment whose page left a method that is not kept yet; empty: none.
	Keep string
}

// Filter selects subscriptions for a list, newest first. Zero members select all.
type Filter struct {
	Shop     string
	State    State
	Plan     string
	Operator bool      // only those that need a person
	Before   time.Time // created before; the last one of a page starts the next
	BeforeID string    // with Before: of those created at that moment, the ones with a smaller id
	Limit    int       // at most 500; zero is 50
}

// Details is all that the record knows of one subscription, for people.
type Details struct {
	Record
	Periods  []PeriodLine
	Charges  []ChargeLine
	Commands []CommandLine
	Timeline []TimelineLine
}

// PeriodLine is a period as it was opened, or dated again by a late payment.
type PeriodLine struct {
	Period
	Plan     string
	Version  int
	Quantity int64
	OpenedAt time.Time
}

// ChargeState says what became of a charge.
type ChargeState string

// States of a charge.
const (
	ChargeOpen       ChargeState = "open"        // its result is awaited
	ChargeOwed       ChargeState = "owed"        // declined, and collected further
	ChargePaid       ChargeState = "paid"        //
	ChargeDeclined   ChargeState = "declined"    // declined, and not collected any more
	ChargeWrittenOff ChargeState = "written_off" // given up, or cancelled while it was owed
	ChargeGivenBack  ChargeState = "given_back"  // the money came for something that is over
)

// ChargeLine is a charge with the payment that takes it.
type ChargeLine struct {
	Key       string
	Period    int
	Kind      ChargeKind
	Amount    money.Amount
	Balance   money.Amount // what the customer's balance pays of it
	PaymentID string       // empty: there was nothing to take
	State     ChargeState
	Declines  int
	Reason    payment.DeclineReason
	OpenedAt  time.Time
	SettledAt time.Time
}

// CommandLine is what somebody asked.
type CommandLine struct {
	Request
	At        time.Time
	AppliedAt time.Time // zero: not yet
	Answer    Answer
}

// TimelineLine is one change, in codes and ids.
type TimelineLine struct {
	What, Before, After, Detail string
	At                          time.Time
}

// NewsKind is what somebody must hear of.
type NewsKind string

// Kinds of news.
const (
	NewsBegan     NewsKind = "began"     // the first payment, or the mandate for a trial
	NewsUpcoming  NewsKind = "upcoming"  // a renewal comes: when, and how much
	NewsDeclined  NewsKind = "declined"  // what the customer is asked for, and until when
	NewsRecovered NewsKind = "recovered" // an owed charge is paid
	NewsGivenUp   NewsKind = "given_up"  // the final action
	NewsPaused    NewsKind = "paused"    //
	NewsResumed   NewsKind = "resumed"   //
	NewsEnded     NewsKind = "ended"     // cancelled
	NewsReview    NewsKind = "review"    // for the merchant alone: a person looks
)

// News is a mail, or an event to a merchant's backend, that is to be sent: it is
// written with the fact. It names a subscription, never a person.
type News struct {
	ID             int64
	SubscriptionID string
	Shop           string
	Kind           NewsKind
	Period         int
	Charge         string
	PaymentID      string
	Amount         money.Amount
	Reason         payment.DeclineReason
	Ask            Ask
	Step           Action
	StepAt         time.Time
	At             time.Time
	Tries          int
}
