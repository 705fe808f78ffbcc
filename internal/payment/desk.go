package payment

import (
	"time"

	"tillflow/internal/money"
)

// Search selects payments for people who look for one, newest first. Zero
// members select all.
type Search struct {
	Shop     string
	State    State
	Provider string // of the way to pay that the buyer chose last
	Currency money.Currency
	Operator bool           // only those that need a person
	From     time.Time      // received then or later
	To       time.Time      // received before
	Ref      string         // an id of ours, of the shop or of the provider, in full
	Amounts  []money.Amount // one of these; nil: any
	Before   Mark           // the last one of the page before
	Limit    int            // at most 500; zero is 50
}

// Mark is a place in a list of payments that is ordered by receipt.
type Mark struct {
	At time.Time
	ID string
}

// Purse is what became of the money of one successful try to pay. What is
// claimed counts before it has moved, so the sums are those that the next
// request is measured by.
type Purse struct {
	AttemptID string
	Winner    bool         // the payment's answer is about this money
	Amount    money.Amount // authorized, or taken at once
	Taken     money.Amount
	Gone      money.Amount // refunds, reversals, and disputes that are open or lost
	Left      money.Amount // may still go back; negative: more went back than was taken
	Rest      money.Amount // held, and claimed by no capture
	HoldUntil time.Time    // zero: nothing is held, or nobody said until when
}

// Desk is what an operator wants to know of a payment beside its Details: sums
// and clocks.
type Desk struct {
	Purses     []Purse
	DecideAt   time.Time // our decision falls here at the latest
	GiveBackAt time.Time // zero, or when the money goes back unless a person decides
	WatchAt    time.Time // next look for a late success; zero: none
	Notices    []NoticeLine
	Deliveries []Delivery
	Pauses     []Pause // of accounts at which something of the payment is not decided
}

// NoticeLine is a mail to the shop about a payment.
type NoticeLine struct {
	Reason OperatorReason
	At     time.Time
	SentAt time.Time // zero: not yet
	Tries  int
}

// Delivery is a provider's signed message and what became of it.
type Delivery struct {
	ID           int64
	Shop         string
	AccountID    string
	Provider     string
	Label        string // of the account
	EventID      string // the provider's
	Type         string // in the provider's words
	PaymentID    string // empty: of no payment that is known
	AttemptID    string
	Ref          string // the provider's id of what the message is about
	Status       AttemptState
	Elsewhere    ElsewhereKind // what was moved without us; empty: the message is about an attempt of ours
	Amount       money.Amount  // zero: it does not say
	Code         string
	OccurredAt   time.Time
	ReceivedAt   time.Time
	DispatchedAt time.Time // zero: not acted on yet
	DispatchAt   time.Time // not acted on: when the sweep takes it up
	Note         string
}

// DeliveryFilter selects messages, newest first. Zero members select all.
type DeliveryFilter struct {
	Shop     string
	Provider string
	Waiting  bool  // only those not acted on
	Stray    bool  // only those of no payment that is known
	Before   int64 // the last id of the page before
	Limit    int   // at most 500; zero is 50
}

// ProviderAccount is a shop's account at a provider with its credentials masked.
type ProviderAccount struct {
	ID          string
	Shop        string
	Provider    string
	Live        bool
	Label       string
	Position    int
	Enabled     bool
	CreatedAt   time.Time
	VerifiedAt  time.Time          // last live call that the provider accepted; zero: not known
	PausedSince time.Time          // sends are held back, see Pause; zero: they go through
	TriedAt     time.Time          // while they are held back: when one tries again
	RefusedAt   time.Time          // since when the provider refuses the credentials; zero: it does not
	Credentials []MaskedCredential // in the order of their names
}

// MaskedCredential is a secret by its name. Tail is its end, and empty for a
// secret so short that an end would tell too much.
type MaskedCredential struct {
	Name string
	Tail string
}

// ShopLine is a shop as a list shows it.
type ShopLine struct {
	Shop   string
	Label  string
	Active bool
}

// Facets is what there is to choose from in a search.
type Facets struct {
	Shops      []ShopLine // at most 500, in the order of their names
	Providers  []string
	Currencies []money.Currency
	Needing    int // payments that need a person; counted to 1000
}

// SavedFilter is a search that somebody keeps under a name.
type SavedFilter struct {
	ID    string
	Name  string
	Query string
}

// ShopOrder is what the shop says of the order that a session's money belongs
// to. It is told by the shop's own messages, and nothing is decided by it.
type ShopOrder struct {
	ID        string // the shop's
	Status    string // of its money, in the shop's words; empty: not said
	Cancelled bool
	ChangedAt time.Time // the shop's clock; zero: only the id is known
}
