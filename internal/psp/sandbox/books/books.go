// Package books is what the sandbox provider writes down: its checkouts, and
// what was asked of the money behind them. It is the pure part that the
// connector, the hosted page and the store share.
//
// What a checkout is follows from its row and the time alone. A result that
// comes later is written down when it is decided, with the moment from which it
// counts; nothing has to run in between, and a look changes nothing.
package books

import (
	"time"

	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// HoldLimit is how long an authorization holds the money.
const HoldLimit = 7 * 24 * time.Hour

// Result is what was decided about a checkout or a move. The words stand in rows.
type Result string

// Results.
const (
	Undecided Result = ""
	Success   Result = "success"
	Failure   Result = "failure"
	Never     Result = "never" // processing for ever
)

// Verdict is a decision about a checkout or a move.
type Verdict struct {
	Result Result
	Slow   bool // the result counts only after the sandbox's delay; until then it is processing
	// Decline and Code say why not. With Undecided the buyer was refused and may
	// try again on the same page.
	Decline payment.DeclineReason
	Code    string
	// Later is what the bank of a card says that is kept by this success.
	Later Bank
}

// Name finds a checkout: by ID, else within its Account by PaymentID or Reference.
type Name struct {
	Account   string
	ID        string
	PaymentID string
	Reference string
}

// Opening asks for a checkout.
type Opening struct {
	Account     string
	Key         string // idempotency key, unique within the account for ever
	Hash        []byte // of the whole request: the same key with another one is refused
	Reference   string // the caller's name for it, unique within the account
	Kind        payment.Kind
	Amount      money.Amount
	Description string
	ReturnURL   string
	CancelURL   string
	ExpiresAt   time.Time
	Delay       time.Duration // of magic amounts and slow results
	Remember    bool          // the card is kept, if it is a sale
}

// Checkout is a hosted page and the money that was paid on it.
type Checkout struct {
	ID          string
	Account     string
	Reference   string
	Kind        payment.Kind
	Amount      money.Amount
	Description string
	ReturnURL   string
	CancelURL   string
	Remember    bool   // the card is kept
	Method      string // the kept card that was charged; empty: a page
	Delay       time.Duration
	ExpiresAt   time.Time
	ClosedAt    time.Time // zero: was not closed by its owner
	Verdict     Verdict
	DecidedAt   time.Time // from here on the page is over; zero while undecided
	SettlesAt   time.Time // from here on the result counts; zero for none and for Never
	PaymentID   string
	Captured    int64 // minor units; of an authorization what its captures took so far
	Refunded    int64
	VoidedAt    time.Time // the rest of the hold was given back
}

// State is how a checkout stands.
type State string

// States of a checkout.
const (
	Open       State = "open"
	Closed     State = "closed" // by its owner, or its time ran out
	Processing State = "processing"
	Held       State = "held"  // all of it, or what captures have left
	Taken      State = "taken" // and nothing is held any more
	Voided     State = "voided"
	Lapsed     State = "lapsed" // the hold ended by itself
	Declined   State = "declined"
)

// At is the state at now.
func (c Checkout) At(now time.Time) State {
	switch {
	case !c.ClosedAt.IsZero():
		return Closed
	case c.Verdict.Result == Undecided, now.Before(c.DecidedAt):
		if now.Before(c.ExpiresAt) {
			return Open
		}
		return Closed
	case c.Verdict.Result == Never, now.Before(c.SettlesAt):
		return Processing
	case c.Verdict.Result == Failure:
		return Declined
	case c.Captured == c.Amount.Minor:
		return Taken
	case c.holds(now):
		return Held
	case c.Captured > 0:
		return Taken
	case !c.VoidedAt.IsZero():
		return Voided
	}
	return Lapsed
}

// holds reports whether the rest of a hold is neither given back nor over.
func (c Checkout) holds(now time.Time) bool { return c.VoidedAt.IsZero() && now.Before(c.HoldUntil()) }

// Rest is what a hold may still be captured or voided for, as long as it stands.
func (c Checkout) Rest() money.Amount { return money.New(c.Amount.Minor-c.Captured, c.Amount.Currency) }

// HoldUntil is the end of the hold of an authorization that was paid.
func (c Checkout) HoldUntil() time.Time { return c.SettlesAt.Add(HoldLimit) }

// CapturedAmount is what was taken, before refunds.
func (c Checkout) CapturedAmount() money.Amount { return money.New(c.Captured, c.Amount.Currency) }
