package psp

import (
	"time"

	"tillflow/internal/payment"
	"tillflow/internal/safety"
)

// Absence says what it means when a look-up finds nothing.
type Absence string

// Kinds of absence.
const (
	// Advisory: the provider may have it all the same. Nothing may be sent again.
	Advisory Absence = "advisory"
	// Authoritative: past LookupLag since the last send, what is not found was not done.
	Authoritative Absence = "authoritative"
)

// Captures says how often one hold may be captured.
type Captures string

// Numbers of captures. What cannot hold has none.
const (
	NoCapture       Captures = ""
	OneCapture      Captures = "one"
	SeveralCaptures Captures = "several" // in parts, until the whole amount is taken
)

// Contract is what a provider promises about sending, finding and finishing,
// as data: the settle loop, the conformance suite and the fault runs read it.
type Contract struct {
	// KeyRetention is how long after the first send the provider still knows an
	// idempotency key; zero means it knows none. Margins are already taken off.
	KeyRetention time.Duration
	// KeyMax is the longest key in characters.
	KeyMax int
	// LookupLag is how long after a send a look-up may still miss it.
	LookupLag time.Duration
	// Absence says per operation what not found means after LookupLag; what is
	// missing here is Advisory.
	Absence map[payment.Operation]Absence
	// CheckoutMin and CheckoutMax bound the life of a hosted page.
	CheckoutMin, CheckoutMax time.Duration
	// LateSuccess is how long after we saw a checkout closed a success may still appear.
	LateSuccess time.Duration
	// RecurringWithin is how long a provider may work on a charge of a kept method
	// before it says yes or no; zero is DefaultSettles. A person is called after it,
	// and never is anything decided by it.
	RecurringWithin time.Duration
	// HoldLimit is how long an authorization lasts when the provider does not say.
	HoldLimit time.Duration
	// Captures says how often a hold may be captured.
	Captures Captures
	// RestReleased says that a capture of less than is held gives the rest back by
	// itself, at once: nothing is left to capture or to void.
	RestReleased bool
	// CallTimeout bounds one HTTP call.
	CallTimeout time.Duration
	// InFlight caps concurrent calls per account and process.
	InFlight int
}

// DefaultSettles is longer than bank debits take: the slowest of Stripe's, SEPA
// Direct Debit, is decided after up to 14 business days
// (docs.stripe.com/payments/sepa-debit).
const DefaultSettles = 30 * 24 * time.Hour

// Settles is how long the provider may work on a charge of a kept method.
func (c Contract) Settles() time.Duration {
	if c.RecurringWithin > 0 {
		return c.RecurringWithin
	}
	return DefaultSettles
}

// MayResend reports whether a request first sent at first may be written again
// under the same key at now.
func (c Contract) MayResend(first, now time.Time) bool {
	return c.KeyRetention > 0 && now.Sub(first) < c.KeyRetention || !safety.KeyLife.On()
}

// AbsenceCounts reports whether a look-up at now that finds nothing proves that
// the operation last sent at last was not done.
func (c Contract) AbsenceCounts(op payment.Operation, last, now time.Time) bool {
	return c.Absence[op] == Authoritative && now.Sub(last) >= c.LookupLag || !safety.AbsenceRule.On()
}
