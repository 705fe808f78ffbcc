package recharge

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"tillflow/internal/crypt"
	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// Credentials open a store at Recharge.
type Credentials struct {
	// Token is the access token, Secret the API client's secret, which signs webhooks.
	Token, Secret crypt.Secret
}

// Policy says what is done with a shop's failed charges beside telling of them. The zero value does nothing.
type Policy struct {
	// Process names the failures that Recharge is asked to charge again. Empty: none.
	Process []Category
	// After is the pause since the failure. Default [DefaultAfter].
	After time.Duration
	// Most is how often one charge is processed by us in its life, 1 to [MostTries]; each failure of it once at most. Default 1.
	Most int
}

const (
	// DefaultAfter gives a customer or a service the time to mend what was wrong.
	DefaultAfter = time.Hour
	// MostTries of one charge: card schemes fine merchants for more.
	MostTries = 3
	maxAfter  = 30 * 24 * time.Hour
)

// Processable are the categories that trying again may help: of the others one is fraud, and the rest wait for their customer.
func Processable() []Category {
	return []Category{InsufficientFunds, Declined, Unavailable, Merchant}
}

// Check refuses a policy that cannot be followed. Its texts are for the person who set it.
func (p Policy) Check() error {
	for _, c := range p.Process {
		if !slices.Contains(Processable(), c) {
			return fmt.Errorf("%q cannot be charged again by policy; these can: %v", c, Processable())
		}
	}
	if p.After < 0 || p.After > maxAfter {
		return errors.New("the pause after a failure is 0 to 720h")
	}
	if p.Most < 0 || p.Most > MostTries {
		return fmt.Errorf("a charge is processed 1 to %d times", MostTries)
	}
	return nil
}

// Connection is a shop's connection, without its credentials.
type Connection struct {
	Shop string
	// Hook names the shop in the address of its webhooks.
	Hook    string
	Enabled bool
	Policy  Policy
	// NextAt is when it is visited again, LookedAt the last visit that came to its end, SettledAt the begin of the last walk that
	// had everything.
	NextAt, LookedAt, SettledAt time.Time
	// Trouble is the class and code of why the last visit did not come to its end, since TroubleSince; empty: it did.
	Trouble      string
	TroubleSince time.Time
	// Failing counts charges in error, Unreported those whose merchant was not told yet, Unreadable rows that are no charges.
	Failing, Unreported, Unreadable int
}

// Visit is a store whose turn it is.
type Visit struct {
	Shop string
	// Tries counts the visits in a row that met trouble, this one included.
	Tries int
	// Hooks: it is time to make sure of its webhooks.
	Hooks bool
	// Process: its policy asks for something.
	Process bool
}

// Visited is what came of a visit.
type Visited struct {
	Shop   string
	NextAt time.Time
	// Hooked: the webhooks are there.
	Hooked bool
	// More: the turn was over before the work was.
	More bool
	// Trouble is the class and code of what ended it early.
	Trouble string
}

// Source says how a charge was found.
type Source string

// Sources.
const (
	ByWalk    Source = "walk"
	ByWebhook Source = "webhook"
)

// Failed is a charge that failed, as it is kept.
type Failed struct {
	ID       string // ours
	Shop     string
	ChargeID int64 // Recharge's
	Status   Status

	ErrorType string
	Category  Category
	Exhausted bool
	Attempts  int64
	// Kind is checkout or recurring.
	Kind, Processor, TransactionID string
	// Amount is zero, without a currency, if it could not be read exactly.
	Amount money.Amount
	// CustomerID is Recharge's, ShopifyCustomer the External Customer ID. Both are empty once the person was erased.
	CustomerID                    int64
	ShopifyCustomer, ShopifyOrder string
	RetryAt, ScheduledAt          time.Time
	ProcessedAt, ChangedAt        time.Time
	FoundAt, SeenAt               time.Time
	Via                           Source
	ReportedAt                    time.Time // zero: its merchant was not told yet
	Forgotten                     bool      // the person was erased
	Oddities                      []Oddity
	Texts                         Texts // empty unless they were asked for
	Processings                   []Processing
}

// Texts are what a charge says that may be about a person. They are kept sealed.
type Texts struct {
	Email string `json:"email,omitempty"`
	Note  string `json:"note,omitempty"`
	Error string `json:"error,omitempty"`
}

// Filter selects failed charges, the last changed first. Zero members select all.
type Filter struct {
	Shop, ErrorType string
	Category        Category
	Status          Status
	From, To        time.Time // of the last change; To is behind the last moment
	// Text is looked for in notes, whatever the case. It opens every note that the rest selects.
	Text string
	// Texts opens what a charge says.
	Texts  bool
	Before payment.Mark // the last one of the page before
	Limit  int
}

// Found is a page of failed charges.
type Found struct {
	List []Failed
	// Next is where the list goes on; zero: it ends here. A search in notes may come to the end of a page before it has
	// found as many as it may.
	Next payment.Mark
}

// Facets are what there is to filter by.
type Facets struct {
	Shops, ErrorTypes []string
}

// Report is one mail to a merchant.
type Report struct {
	ID, Shop, Mail string
	At             time.Time
	Charges        []Failed // without texts
	Tries          int
}

// Outcome is what became of asking Recharge to charge again.
type Outcome string

// Outcomes. Those of a decided one are the [Verdict]s.
const (
	// OutcomeSent: the row stands, the request may have been written.
	OutcomeSent Outcome = "sent"
	// OutcomeInDoubt: there was no answer and the charge shows nothing new. It is looked at and never sent again.
	OutcomeInDoubt Outcome = "in_doubt"
	// OutcomeNotSent: certainly nothing was done; it may be sent again.
	OutcomeNotSent Outcome = "not_sent"
	// OutcomeRefused: Recharge calls the request wrong; nothing was done and nothing is tried again.
	OutcomeRefused Outcome = "refused"
)

// Processing is one failure of a charge that we asked Recharge to charge again.
type Processing struct {
	Shop     string
	ChargeID int64
	Mark     Mark
	Outcome  Outcome
	Code     string
	// Elsewhere: the charge had moved by itself, and nothing was sent.
	Elsewhere        bool
	BegunAt, Decided time.Time
	NextAt           time.Time
	Tries            int
	// Again: the row stood before, so that the charge is looked at and never sent.
	Again bool
}

// Arrived is a verified webhook as it is kept.
type Arrived struct {
	Shop, Key string
	Topic     Topic
	Object    string
	ObjectID  int64
}
