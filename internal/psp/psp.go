// Package psp says what a payment service provider can be asked and what it
// may answer. A connector implements Connector and the capability interfaces
// of what its provider really offers; what it does not implement it cannot do.
//
// Connectors return declines and states as an Outcome and technical trouble as
// a *payment.Error whose class says what the failure means for the money. At a
// call that may move money everything unclassified is payment.Unknown.
package psp

import (
	"context"
	"net/http"
	"time"

	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// Account is one merchant account at a provider, with its credentials in clear.
// It lives in memory for the time of a call and is never logged.
type Account struct {
	ID          string // our row id; webhooks arrive at a URL of this account
	Shop        string
	Live        bool // false: the provider's test mode or sandbox
	Credentials Credentials
}

// Credentials are the named secrets of an account; the names are the connector's.
type Credentials map[string]string

// String hides the secrets.
func (Credentials) String() string { return "***" }

// GoString hides the secrets.
func (Credentials) GoString() string { return "***" }

// Status is the provider's answer in our words.
type Status string

// Statuses. The zero value is no answer and is refused by the store.
const (
	Open       Status = "open"       // a checkout waits for its buyer
	Processing Status = "processing" // the provider works on it; never nothing
	Authorized Status = "authorized" // money is held
	Succeeded  Status = "succeeded"  // captured, refunded or voided, as asked
	Declined   Status = "declined"   // decided no; a new attempt may follow
	Closed     Status = "closed"     // expired or cancelled; nothing can be paid there any more
)

// AttemptState is the state that an attempt reaches by this answer.
func (s Status) AttemptState() payment.AttemptState {
	switch s {
	case Open:
		return payment.Open
	case Processing:
		return payment.Working
	case Authorized:
		return payment.Held
	case Succeeded:
		return payment.Done
	case Declined:
		return payment.Declined
	case Closed:
		return payment.Closed
	}
	return payment.Doubtful
}

// Outcome is what the provider says about one object of ours.
type Outcome struct {
	Status     Status
	Ref        string                // the provider's id of what we asked for: checkout, refund …
	PaymentRef string                // the provider's id of the money: what a refund or void names
	Amount     money.Amount          // what was held or moved, in the provider's words; zero when it does not say
	Fee        money.Amount          // the provider's fee, when it says
	Decline    payment.DeclineReason // why not, when Declined; the last refusal, when Open
	Code       string                // the provider's own code, for operators
	URL        string                // hosted page, when Open
	ExpiresAt  time.Time             // end of the checkout when Open, of the hold when Authorized
	CheckAfter time.Duration         // when a further look may show more; zero: no hint
	RequestID  string                // the provider's id of this answer, for support cases
}

// Ref names an attempt at the provider. At least AttemptID is set.
type Ref struct {
	AttemptID  string // our reference, sent with the request
	Key        string // idempotency key of the request
	Operation  payment.Operation
	Kind       payment.Kind
	Ref        string // provider's id of what we asked for, when known
	PaymentRef string // provider's id of the money, when known
	Amount     money.Amount
	FirstSent  time.Time
	// Customer is set where the attempt charges a kept method: the Recurring's
	// Customer. Without one the attempt is looked for among the checkouts.
	Customer string
}

// Connector is what every provider offers: an authoritative look-up.
type Connector interface {
	// Name is the provider's name in URLs, rows and search attributes.
	Name() string
	// Contract is what the provider promises, as data.
	Contract() Contract
	// Inquire looks the attempt up at the provider, by its id when known, else
	// by our reference. A payment.NotFound counts only as far as
	// Contract().Absence and LookupLag say. It never changes anything.
	Inquire(ctx context.Context, acc Account, ref Ref) (Outcome, error)
}

// Checkout is what a hosted page is opened for.
type Checkout struct {
	AttemptID   string
	Key         string
	Kind        payment.Kind
	Amount      money.Amount
	Description string    // shown to the buyer; no personal data
	ReturnURL   string    // where the buyer comes back after paying
	CancelURL   string    // where the buyer comes back without paying
	ExpiresAt   time.Time // the latest moment at which the checkout may be paid
	Locale      string    // BCP 47, may be empty
	// Remember asks the buyer to leave the method for later payments without him.
	// Only a Recurrer obeys it, and only for a sale.
	Remember bool
}

// Redirector opens and shuts hosted pages.
type Redirector interface {
	// OpenCheckout creates a hosted page. The answer is Open with a URL.
	OpenCheckout(ctx context.Context, acc Account, c Checkout) (Outcome, error)
	// CloseCheckout shuts the page so that nothing can be paid there any more
	// and answers what the object is then: Closed, or what came before us.
	CloseCheckout(ctx context.Context, acc Account, ref Ref) (Outcome, error)
}

// Move is a request on money that the provider already holds for us.
type Move struct {
	AttemptID  string
	Key        string
	PaymentRef string // the money it acts on
	Amount     money.Amount
	Reason     string // an enum of ours; no personal data
}

// Capturer takes money that is held.
type Capturer interface {
	Capture(ctx context.Context, acc Account, m Move) (Outcome, error)
}

// Voider gives back money that is held.
type Voider interface {
	Void(ctx context.Context, acc Account, m Move) (Outcome, error)
}

// Refunder gives back money that was taken.
type Refunder interface {
	Refund(ctx context.Context, acc Account, m Move) (Outcome, error)
}

// Event is one signed message of the provider, normalised. It holds no
// personal data.
type Event struct {
	ID         string // unique within the account
	Type       string
	AttemptID  string // our reference, when the message carries it
	Ref        string
	PaymentRef string
	At         time.Time
	// Outcome is set only when the message proves a final state of the attempt
	// (Authorized, Succeeded, Declined, Closed). Else the event is a reason to look.
	// A refund that a provider may still give up later is not final when it
	// succeeds: messages arrive in any order, so only a look shows what stands.
	Outcome *Outcome
	// Elsewhere is set when the message is about a refund or dispute that we did
	// not ask for; PaymentRef names the money. Then there is neither attempt nor outcome.
	Elsewhere *payment.Elsewhere
}

// WebhookParser verifies and reads the provider's messages.
type WebhookParser interface {
	// ParseWebhook verifies the signature over the raw body before it reads
	// anything. Errors: payment.Unauthorized for a bad or stale signature,
	// payment.Invalid for a body that cannot be read. An unknown event type is
	// an Event without attempt and no error.
	ParseWebhook(acc Account, header http.Header, body []byte, now time.Time) (Event, error)
}

// ElsewhereLister finds the money that moved without us although no message
// came: refunds made at the provider's dashboard, and disputes.
type ElsewhereLister interface {
	// ListElsewhere gives everything that the provider did with the money of
	// paymentRef and that does not carry a reference of ours, as it stands now. It
	// changes nothing. An error says nothing about what there is.
	ListElsewhere(ctx context.Context, acc Account, paymentRef string) ([]payment.Elsewhere, error)
}

// Verifier checks credentials by a live call that moves nothing.
type Verifier interface {
	VerifyAccount(ctx context.Context, acc Account) error
}

// Covers reports whether the connector can serve a charge of this kind from
// start to end: an authorization needs a later capture and void.
func Covers(c Connector, kind payment.Kind) bool {
	if _, ok := c.(Redirector); !ok {
		return false
	}
	if kind == payment.Sale {
		return true
	}
	_, captures := c.(Capturer)
	_, voids := c.(Voider)
	return captures && voids
}
