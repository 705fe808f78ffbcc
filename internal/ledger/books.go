package ledger

import (
	"fmt"

	"tillflow/internal/money"
)

// Books says whose accounts a payment is booked in. All amounts given to its
// flows are positive; anything else is ErrMalformed.
type Books struct {
	// Mode of the payment: test sessions book in test accounts only.
	Mode Mode
	// ProviderAccount is the id of the provider account that holds the money.
	ProviderAccount string
	// Shop is the shop whose merchant is owed it.
	Shop string
}

// Charge books a sale that succeeded.
//
// A buyer pays 12.30 EUR in a.myshopify.com through acct_1:
//
//	debit   live/provider:acct_1            12.30 EUR
//	credit  live/merchant:a.myshopify.com   12.30 EUR
func (b Books) Charge(ref Ref, amount money.Amount) (Entry, error) {
	return balanced(ref, KindCharge, amount, transfer{debit: b.provider(), credit: b.merchant()})
}

// Authorization books money that the provider has reserved and not taken.
//
// 1000 JPY are reserved (yen have no decimals, so Minor is 1000):
//
//	debit   live/authorized:acct_1          1000 JPY
//	credit  live/authorized-contra:acct_1   1000 JPY
func (b Books) Authorization(ref Ref, amount money.Amount) (Entry, error) {
	return balanced(ref, KindAuthorization, amount, transfer{debit: b.hold(), credit: b.contra()})
}

// ReleaseAuthorization books the end of a reservation without a capture: a void,
// an expiry, or the rest after the last partial capture.
//
// Of the 1000 JPY above 400 were captured for good, the rest is let go:
//
//	debit   live/authorized-contra:acct_1   600 JPY
//	credit  live/authorized:acct_1          600 JPY
func (b Books) ReleaseAuthorization(ref Ref, amount money.Amount) (Entry, error) {
	return balanced(ref, KindRelease, amount, transfer{debit: b.contra(), credit: b.hold()})
}

// CaptureAuthorized books reserved money as taken: the reservation shrinks and
// the sale is booked, in one entry. The amount may be a part of the reservation.
//
// 400 of the 1000 JPY above are captured:
//
//	debit   live/provider:acct_1            400 JPY
//	credit  live/merchant:a.myshopify.com   400 JPY
//	debit   live/authorized-contra:acct_1   400 JPY
//	credit  live/authorized:acct_1          400 JPY
func (b Books) CaptureAuthorized(ref Ref, amount money.Amount) (Entry, error) {
	return balanced(ref, KindCapture, amount,
		transfer{debit: b.provider(), credit: b.merchant()},
		transfer{debit: b.contra(), credit: b.hold()})
}

// Fee books what the provider kept of the money it holds. Its currency may
// differ from the payment's.
//
// Of the 12.30 EUR above 0.43 EUR are kept:
//
//	debit   live/fees:acct_1       0.43 EUR
//	credit  live/provider:acct_1   0.43 EUR
func (b Books) Fee(ref Ref, amount money.Amount) (Entry, error) {
	fees := Fees(b.Mode, b.ProviderAccount)
	return balanced(ref, KindFee, amount, transfer{debit: fees, credit: b.provider()})
}

// ReverseCharge books taken money as given back because it should not have been
// taken: the second winner of a session, a success after the door was shut. Fees
// that the provider keeps stay booked.
//
// The 12.30 EUR above go back to the buyer:
//
//	debit   live/merchant:a.myshopify.com   12.30 EUR
//	credit  live/provider:acct_1            12.30 EUR
func (b Books) ReverseCharge(ref Ref, amount money.Amount) (Entry, error) {
	return balanced(ref, KindReversal, amount, transfer{debit: b.merchant(), credit: b.provider()})
}

// ReverseAuthorization books the void of a reservation that should not have been
// made. Its postings are those of [Books.ReleaseAuthorization]; the kind tells
// the two apart.
//
// The reservation of 1000 JPY above came after the door was shut:
//
//	debit   live/authorized-contra:acct_1   1000 JPY
//	credit  live/authorized:acct_1          1000 JPY
func (b Books) ReverseAuthorization(ref Ref, amount money.Amount) (Entry, error) {
	return balanced(ref, KindReversal, amount, transfer{debit: b.contra(), credit: b.hold()})
}

func (b Books) provider() Account { return ProviderClearing(b.Mode, b.ProviderAccount) }
func (b Books) merchant() Account { return MerchantPayable(b.Mode, b.Shop) }
func (b Books) hold() Account     { return AuthorizedHold(b.Mode, b.ProviderAccount) }
func (b Books) contra() Account   { return AuthorizedContra(b.Mode, b.ProviderAccount) }

// transfer is the same amount on both sides of two accounts.
type transfer struct{ debit, credit Account }

func balanced(ref Ref, kind Kind, amount money.Amount, transfers ...transfer) (Entry, error) {
	if !amount.IsPositive() {
		return Entry{}, fmt.Errorf("%w: entry %s books %s, want a positive amount", ErrMalformed, ref.Key, amount)
	}
	credit, err := amount.Neg()
	if err != nil {
		return Entry{}, fmt.Errorf("entry %s: %w", ref.Key, err)
	}
	postings := make([]Posting, 0, 2*len(transfers))
	for _, t := range transfers {
		postings = append(postings, Posting{t.debit, amount}, Posting{t.credit, credit})
	}
	return NewEntry(ref, kind, postings...)
}
