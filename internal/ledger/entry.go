// Package ledger is double-entry bookkeeping without a database: accounts,
// postings, and entries that balance by construction.
//
// A debit is a positive amount, a credit a negative one, and the postings of an
// entry add up to zero in each currency. Entries are never changed: a mistake or
// a reversal is another entry. When an entry was booked is the store's column
// and no part of its content.
package ledger

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"tillflow/internal/money"
)

// Errors of this package, to be tested with errors.Is.
var (
	// ErrUnbalanced reports postings that do not add up to zero in a currency.
	ErrUnbalanced = errors.New("entry does not balance")
	// ErrMalformed reports an entry that no flow of this package writes: an
	// empty reference, a strange account, an amount of nothing, two modes.
	ErrMalformed = errors.New("malformed ledger entry")
)

// Kind says which event of a payment an entry books.
type Kind string

const (
	// KindCharge books a sale: taken at once, without an authorization before.
	KindCharge Kind = "charge"
	// KindAuthorization books a reservation in the memo accounts.
	KindAuthorization Kind = "authorization"
	// KindRelease books the end of a reservation, or a part of it, untaken.
	KindRelease Kind = "release"
	// KindCapture books reserved money as taken.
	KindCapture Kind = "capture"
	// KindFee books what the provider kept.
	KindFee Kind = "fee"
	// KindReversal books the return of money that should not have been taken
	// or reserved: a second winner, a success after the door was shut.
	KindReversal Kind = "reversal"
	// KindRefund books taken money as given back.
	KindRefund Kind = "refund"
	// KindRefundPending books a refund that the provider has accepted.
	KindRefundPending Kind = "refund_pending"
	// KindRefundSettled books a pending refund as given back.
	KindRefundSettled Kind = "refund_settled"
	// KindRefundDropped books a pending refund as given up.
	KindRefundDropped Kind = "refund_dropped"
	// KindRefundFailed books money as back at the provider after it had been
	// given back: the buyer's bank would not take it.
	KindRefundFailed Kind = "refund_failed"
	// KindDispute books money that the provider withdrew for a chargeback.
	KindDispute Kind = "dispute"
	// KindDisputeWon books withdrawn money as back.
	KindDisputeWon Kind = "dispute_won"
	// KindDisputeLost books withdrawn money as the merchant's loss.
	KindDisputeLost Kind = "dispute_lost"
	// KindDisputeReinstated books the money of a lost dispute as back.
	KindDisputeReinstated Kind = "dispute_reinstated"
)

func (k Kind) known() bool {
	switch k {
	case KindCharge, KindAuthorization, KindRelease, KindCapture, KindFee, KindReversal,
		KindRefund, KindRefundPending, KindRefundSettled, KindRefundDropped, KindRefundFailed,
		KindDispute, KindDisputeWon, KindDisputeLost, KindDisputeReinstated:
		return true
	default:
		return false
	}
}

// Posting moves an amount into an account: a debit if positive, a credit if
// negative, never zero.
type Posting struct {
	Account Account      `json:"account"`
	Amount  money.Amount `json:"amount"`
}

// Ref ties an entry to what caused it.
type Ref struct {
	// Key is the entry's idempotency key, unique in the ledger for ever and a
	// function of the event that is booked.
	Key string `json:"key"`
	// PaymentID is the payment whose money moves.
	PaymentID string `json:"payment_id"`
	// OperationID is the operation (charge, capture, reversal …) that moved it.
	OperationID string `json:"operation_id"`
}

// Entry is one balanced booking. Entries come from [NewEntry] or a flow of
// [Books]; [Entry.Validate] checks one that was read back.
type Entry struct {
	Ref
	Kind     Kind      `json:"kind"`
	Postings []Posting `json:"postings"`
}

// NewEntry returns a validated entry with its postings in a fixed order (by
// account, then currency), so that equal content is equal whatever the caller's
// order. ErrMalformed or ErrUnbalanced as in [Entry.Validate].
func NewEntry(ref Ref, kind Kind, postings ...Posting) (Entry, error) {
	entry := Entry{Ref: ref, Kind: kind, Postings: inOrder(postings)}
	if err := entry.Validate(); err != nil {
		return Entry{}, err
	}
	return entry, nil
}

// Validate checks the whole entry: references present, kind known, at least two
// postings, none of zero, at most one per account and currency, well-formed
// accounts of a single mode (else ErrMalformed), and a sum of zero in each
// currency (else ErrUnbalanced).
func (e Entry) Validate() error {
	if e.Key == "" || e.PaymentID == "" || e.OperationID == "" {
		return fmt.Errorf("%w: key, payment and operation are all required", ErrMalformed)
	}
	if !e.Kind.known() {
		return fmt.Errorf("%w: entry %s has kind %q", ErrMalformed, e.Key, e.Kind)
	}
	if len(e.Postings) < 2 {
		return fmt.Errorf("%w: entry %s has %d postings", ErrMalformed, e.Key, len(e.Postings))
	}
	if err := checkPostings(e.Postings); err != nil {
		return fmt.Errorf("entry %s: %w", e.Key, err)
	}
	if err := checkBalance(e.Postings); err != nil {
		return fmt.Errorf("entry %s: %w", e.Key, err)
	}
	return nil
}

func checkPostings(postings []Posting) error {
	type slot struct {
		account  Account
		currency money.Currency
	}
	taken := make(map[slot]bool, len(postings))
	for _, posting := range postings {
		if err := posting.Account.validate(); err != nil {
			return err
		}
		if posting.Account.Mode() != postings[0].Account.Mode() {
			return fmt.Errorf("%w: test and live accounts in one entry", ErrMalformed)
		}
		if posting.Amount.IsZero() {
			return fmt.Errorf("%w: %s is posted nothing", ErrMalformed, posting.Account)
		}
		key := slot{posting.Account, posting.Amount.Currency}
		if taken[key] {
			return fmt.Errorf("%w: %s is posted twice in %s", ErrMalformed, posting.Account, key.currency)
		}
		taken[key] = true
	}
	return nil
}

func checkBalance(postings []Posting) error {
	sums := make(map[money.Currency]money.Amount, 1)
	for _, posting := range postings {
		currency := posting.Amount.Currency
		sum, seen := sums[currency]
		if !seen {
			sum = money.New(0, currency)
		}
		sum, err := sum.Add(posting.Amount)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		sums[currency] = sum
	}
	for _, posting := range postings { // not over the map: the same error each time
		if sum := sums[posting.Amount.Currency]; !sum.IsZero() {
			return fmt.Errorf("%w: off by %s", ErrUnbalanced, sum)
		}
	}
	return nil
}

// hashVersion heads the hashed content; another layout gets another version,
// because stored hashes are compared for ever.
const hashVersion = "tillflow ledger entry 1"

// Hash identifies the content of the entry: SHA-256 over its references, kind
// and postings. The same key with another hash is a conflict: somebody books a
// second event under the first one's name. The order of postings does not count.
func (e Entry) Hash() [sha256.Size]byte {
	// Length before each text, so that no two contents share an encoding.
	var content []byte
	text := func(value string) {
		content = binary.BigEndian.AppendUint64(content, uint64(len(value)))
		content = append(content, value...)
	}
	text(hashVersion)
	text(e.Key)
	text(e.PaymentID)
	text(e.OperationID)
	text(string(e.Kind))
	for _, posting := range inOrder(e.Postings) {
		text(string(posting.Account))
		text(string(posting.Amount.Currency))
		text(strconv.FormatInt(posting.Amount.Minor, 10))
	}
	return sha256.Sum256(content)
}

// inOrder returns a sorted copy.
func inOrder(postings []Posting) []Posting {
	return slices.SortedFunc(slices.Values(postings), func(a, b Posting) int {
		return cmp.Or(
			cmp.Compare(a.Account, b.Account),
			cmp.Compare(a.Amount.Currency, b.Amount.Currency),
			cmp.Compare(a.Amount.Minor, b.Amount.Minor),
		)
	})
}
