package ledger

import "tillflow/internal/money"

// Refund books taken money as given back at once. Fees that the provider keeps
// stay booked.
//
// 5.00 of the 12.30 EUR that were charged go back to the buyer:
//
//	debit   live/merchant:a.myshopify.com   5.00 EUR
//	credit  live/provider:acct_1            5.00 EUR
func (b Books) Refund(ref Ref, amount money.Amount) (Entry, error) {
	return balanced(ref, KindRefund, amount, transfer{debit: b.merchant(), credit: b.provider()})
}

// RefundPending books a refund that the provider has accepted and not carried
// out: the merchant no longer has the money, the buyer does not have it yet.
//
// The refund of 5.00 EUR above takes a day:
//
//	debit   live/merchant:a.myshopify.com   5.00 EUR
//	credit  live/refunds:acct_1             5.00 EUR
func (b Books) RefundPending(ref Ref, amount money.Amount) (Entry, error) {
	return balanced(ref, KindRefundPending, amount, transfer{debit: b.merchant(), credit: b.transit()})
}

// RefundSettled books a pending refund as given back.
//
// A day later the 5.00 EUR above are with the buyer:
//
//	debit   live/refunds:acct_1    5.00 EUR
//	credit  live/provider:acct_1   5.00 EUR
func (b Books) RefundSettled(ref Ref, amount money.Amount) (Entry, error) {
	return balanced(ref, KindRefundSettled, amount, transfer{debit: b.transit(), credit: b.provider()})
}

// RefundDropped books a pending refund as given up by the provider.
//
// Or the 5.00 EUR above never leave:
//
//	debit   live/refunds:acct_1             5.00 EUR
//	credit  live/merchant:a.myshopify.com   5.00 EUR
func (b Books) RefundDropped(ref Ref, amount money.Amount) (Entry, error) {
	return balanced(ref, KindRefundDropped, amount, transfer{debit: b.transit(), credit: b.merchant()})
}

// RefundFailed books money as back at the provider that had been given back
// already: days later the buyer's bank did not take it.
//
//	debit   live/provider:acct_1            5.00 EUR
//	credit  live/merchant:a.myshopify.com   5.00 EUR
func (b Books) RefundFailed(ref Ref, amount money.Amount) (Entry, error) {
	return balanced(ref, KindRefundFailed, amount, transfer{debit: b.provider(), credit: b.merchant()})
}

// Dispute books money that the provider withdrew when a chargeback was opened.
// Whose loss it is, if any, is decided later.
//
// The buyer of the 12.30 EUR above disputes them:
//
//	debit   live/disputes:acct_1   12.30 EUR
//	credit  live/provider:acct_1   12.30 EUR
func (b Books) Dispute(ref Ref, amount money.Amount) (Entry, error) {
	return balanced(ref, KindDispute, amount, transfer{debit: b.disputes(), credit: b.provider()})
}

// DisputeWon books withdrawn money as back at the provider.
//
//	debit   live/provider:acct_1   12.30 EUR
//	credit  live/disputes:acct_1   12.30 EUR
func (b Books) DisputeWon(ref Ref, amount money.Amount) (Entry, error) {
	return balanced(ref, KindDisputeWon, amount, transfer{debit: b.provider(), credit: b.disputes()})
}

// DisputeLost books withdrawn money as lost: the merchant is owed less.
//
//	debit   live/merchant:a.myshopify.com   12.30 EUR
//	credit  live/disputes:acct_1            12.30 EUR
func (b Books) DisputeLost(ref Ref, amount money.Amount) (Entry, error) {
	return balanced(ref, KindDisputeLost, amount, transfer{debit: b.merchant(), credit: b.disputes()})
}

// DisputeReinstated books the money of a dispute that was lost before as back.
//
//	debit   live/provider:acct_1            12.30 EUR
//	credit  live/merchant:a.myshopify.com   12.30 EUR
func (b Books) DisputeReinstated(ref Ref, amount money.Amount) (Entry, error) {
	return balanced(ref, KindDisputeReinstated, amount, transfer{debit: b.provider(), credit: b.merchant()})
}

func (b Books) transit() Account  { return RefundsInTransit(b.Mode, b.ProviderAccount) }
func (b Books) disputes() Account { return Disputes(b.Mode, b.ProviderAccount) }
