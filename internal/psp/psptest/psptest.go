// Package psptest is the conformance suite of connectors. Run drives a connector
// against the stand-in of its provider and compares what it says with the
// stand-in's own books. Which rules are tested follows from the capabilities
// that the connector implements and from its Contract, so a new connector
// brings a Target and no tests of its own for them.
package psptest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
	"tillflow/standin/faults"
)

// How says what a buyer does on a hosted page.
type How string

// What a buyer may do. The slow ways leave the payment processing until Settle.
const (
	Approve     How = "approve"
	Refuse      How = "refuse" // the bank says insufficient funds; the buyer may try again
	SlowSuccess How = "slow success"
	SlowFailure How = "slow failure"
)

// Call names a request in every provider's case; a Target translates it.
type Call string

// Calls that faults are armed for.
const (
	CallOpen    Call = "open"    // OpenCheckout
	CallLook    Call = "look"    // the request with which a known checkout is looked at
	CallCapture Call = "capture" // Capture
	CallVoid    Call = "void"    // Void
	CallRefund  Call = "refund"  // Refund
	CallCharge  Call = "charge"  // ChargeMethod
)

// Entry is what the provider's books say of one charge attempt, in our units.
type Entry struct {
	Checkouts int          // pages opened under the attempt's reference
	Captures  int          // times that money was taken
	Refunds   int          // refunds that were accepted
	Held      money.Amount // held now
	Captured  money.Amount // taken, before refunds
	Refunded  money.Amount // given back of what was taken
}

// Message is one webhook as the provider delivered it.
type Message struct {
	Header map[string][]string
	Body   []byte
}

// Target is a connector in front of a fresh stand-in. All hooks fail the test
// themselves; none may be nil but Elsewhere and Wallet.
type Target struct {
	Connector psp.Connector
	// Unreachable is the same connector in front of an address nobody listens on.
	Unreachable psp.Connector
	Account     psp.Account
	// Now is the clock of connector and stand-in, Advance moves it on.
	Now     func() time.Time
	Advance func(time.Duration)
	// Pay does on the page of an Open outcome what a buyer does.
	Pay func(t *testing.T, open psp.Outcome, how How)
	// Settle lets everything that is processing come to its end.
	Settle func(t *testing.T)
	// Arm arms a fault; the Call of the rule is set by the target.
	Arm func(t *testing.T, call Call, rule faults.Rule)
	// Books reads the provider's books, by charge attempt.
	Books func(t *testing.T) map[string]Entry
	// Messages gives all webhooks caused so far, after waiting for their delivery.
	Messages func(t *testing.T) []Message
	// Elsewhere is how the provider moves money without us; nil for a connector
	// that is no psp.ElsewhereLister.
	Elsewhere *Elsewhere
	// Wallet is what becomes of kept methods; nil for a connector that is no psp.Recurrer.
	Wallet *Wallet
}

// Wallet is what banks and buyers do with a method that the provider keeps. It
// may have happened at the next charge.
type Wallet struct {
	// Bank makes the method's bank decline from now on: for DeclinedOther so that
	// it may be tried again, for Cancelled never again. An empty reason: it pays.
	Bank func(t *testing.T, m psp.Method, reason payment.DeclineReason)
	// Remove takes the method away.
	Remove func(t *testing.T, m psp.Method)
}

// Elsewhere is what people and banks do at a provider, past its API.
type Elsewhere struct {
	// Refund refunds at the dashboard and gives the refund's id.
	Refund func(t *testing.T, paymentRef string, amount money.Amount) string
	// Dispute opens a dispute that takes the amount, and gives its id; Judge decides it.
	Dispute func(t *testing.T, paymentRef string, amount money.Amount) string
	Judge   func(t *testing.T, dispute string, won bool)
	// Inquire opens what may become a dispute and takes no money yet.
	Inquire func(t *testing.T, paymentRef string)
	// FailRefund makes a refund fail that had succeeded, by its id.
	FailRefund func(t *testing.T, refund string)
}

// Run runs the suite. fresh makes a Target of its own for every rule.
func Run(t *testing.T, fresh func(t *testing.T) Target) {
	t.Helper()
	c := fresh(t).Connector
	runCommon(t, fresh)
	if _, ok := c.(psp.Redirector); ok {
		runCheckout(t, fresh)
		runFaults(t, fresh)
		if _, ok := c.(psp.WebhookParser); ok {
			runWebhooks(t, fresh)
		}
		if _, ok := c.(psp.Refunder); ok {
			runRefunds(t, fresh)
		}
		if _, ok := c.(psp.Recurrer); ok {
			runRecurring(t, fresh)
		}
	}
	if psp.Covers(c, payment.Authorization) {
		runHolds(t, fresh)
	}
	if _, ok := c.(psp.ElsewhereLister); ok {
		runElsewhere(t, fresh)
	}
}

// rule is one subtest with a target of its own.
func rule(t *testing.T, fresh func(*testing.T) Target, name string, check func(t *testing.T, s *story)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		check(t, &story{Target: fresh(t)})
	})
}

// story is one payment being told: it numbers attempts and remembers when they
// were first sent.
type story struct {
	Target
	serial int
}

// eur is an amount that every provider takes.
func eur(minor int64) money.Amount { return money.New(minor, "EUR") }

// attempt names the next attempt of an operation.
func (s *story) attempt(op payment.Operation) (id, key string) {
	s.serial++
	const paymentID = "0192f0c1-2222-7333-8444-555566667777"
	return fmt.Sprintf("att-%s-%d", op, s.serial), payment.Key(paymentID, op, "", s.serial)
}

func (s *story) checkout(kind payment.Kind, amount money.Amount) psp.Checkout {
	id, key := s.attempt(payment.OpCharge)
	life := max(s.Connector.Contract().CheckoutMin, min(time.Hour, s.Connector.Contract().CheckoutMax))
	return psp.Checkout{
		AttemptID: id, Key: key, Kind: kind, Amount: amount, Description: "Order 1001",
		ReturnURL: "https://pay.example.test/return/token", CancelURL: "https://pay.example.test/pay/token",
		ExpiresAt: s.Now().Add(life).Truncate(time.Second), Locale: "de-AT",
	}
}

func (s *story) open(ctx context.Context, c psp.Checkout) (psp.Outcome, error) {
	return s.Connector.(psp.Redirector).OpenCheckout(ctx, s.Account, c)
}

// opened opens a page that must open.
func (s *story) opened(t *testing.T, c psp.Checkout) psp.Outcome {
	t.Helper()
	out, err := s.open(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, psp.Open, out.Status)
	require.NotEmpty(t, out.URL)
	return out
}

// paid opens a page and pays it.
func (s *story) paid(t *testing.T, kind payment.Kind, amount money.Amount) (psp.Checkout, psp.Outcome) {
	t.Helper()
	c := s.checkout(kind, amount)
	s.Pay(t, s.opened(t, c), Approve)
	out, err := s.look(t, c, "")
	require.NoError(t, err)
	require.Equal(t, amount, out.Amount)
	require.NotEmpty(t, out.PaymentRef)
	return c, out
}

// look inquires a charge; an empty ref looks it up by our reference.
func (s *story) look(t *testing.T, c psp.Checkout, ref string) (psp.Outcome, error) {
	t.Helper()
	return s.Connector.Inquire(t.Context(), s.Account, s.chargeRef(c, ref))
}

func (s *story) chargeRef(c psp.Checkout, ref string) psp.Ref {
	return psp.Ref{
		AttemptID: c.AttemptID, Key: c.Key, Operation: payment.OpCharge, Kind: c.Kind, Ref: ref,
		Amount: c.Amount, FirstSent: s.Now(),
	}
}

func (s *story) close(t *testing.T, c psp.Checkout, ref string) psp.Outcome {
	t.Helper()
	out, err := s.Connector.(psp.Redirector).CloseCheckout(t.Context(), s.Account, s.chargeRef(c, ref))
	require.NoError(t, err)
	return out
}

// move asks for money of a paid charge.
func (s *story) move(op payment.Operation, paymentRef string, amount money.Amount) psp.Move {
	id, key := s.attempt(op)
	return psp.Move{AttemptID: id, Key: key, PaymentRef: paymentRef, Amount: amount, Reason: "requested_by_customer"}
}

// lookAtMove inquires a move by our reference.
func (s *story) lookAtMove(t *testing.T, op payment.Operation, m psp.Move) (psp.Outcome, error) {
	t.Helper()
	return s.Connector.Inquire(t.Context(), s.Account, psp.Ref{
		AttemptID: m.AttemptID, Key: m.Key, Operation: op, PaymentRef: m.PaymentRef, Amount: m.Amount, FirstSent: s.Now(),
	})
}

// send is Capture, Void or Refund.
type send func(ctx context.Context, acc psp.Account, m psp.Move) (psp.Outcome, error)

// entry is what the books say of a charge attempt.
func (s *story) entry(t *testing.T, c psp.Checkout) Entry {
	t.Helper()
	return s.Books(t)[c.AttemptID]
}

// requireClass asserts the class of an error of the connector.
func requireClass(t *testing.T, want payment.Class, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want, payment.ClassOf(err, "unclassified"), err.Error())
}

// requireRefused asserts that an operation was decided against. An error would
// leave it in doubt, and a person would have to decide what the provider did.
func requireRefused(t *testing.T, out psp.Outcome, err error) {
	t.Helper()
	require.NoError(t, err)
	require.Equal(t, psp.Declined, out.Status)
	require.NotEmpty(t, out.Decline)
	require.NotEmpty(t, out.Code)
}
