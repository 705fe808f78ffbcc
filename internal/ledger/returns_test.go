package ledger_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/internal/ledger"
	"tillflow/internal/money"
)

// after books a sale of 12.30 EUR and what followed, and answers what is left in
// the accounts that do not stand at zero.
func after(t *testing.T, entries ...ledger.Entry) map[ledger.Account]money.Amount {
	t.Helper()
	sums := balances(t, append(entries, must(t)(books().Charge(ref("charge"), eur(1230))))...)
	for account, sum := range sums {
		if sum.IsZero() {
			delete(sums, account)
		}
	}
	return sums
}

func TestReturns(t *testing.T) {
	t.Parallel()
	b := books()
	left := map[ledger.Account]money.Amount{"live/provider:acct_1": eur(730), "live/merchant:a.myshopify.com": eur(-730)}
	whole := map[ledger.Account]money.Amount{"live/provider:acct_1": eur(1230), "live/merchant:a.myshopify.com": eur(-1230)}

	t.Run("a refund is the merchant's, at once or after its way", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, left, after(t, must(t)(b.Refund(ref("r"), eur(500)))))
		require.Equal(t, map[ledger.Account]money.Amount{
			"live/provider:acct_1": eur(1230), "live/merchant:a.myshopify.com": eur(-730), "live/refunds:acct_1": eur(-500),
		}, after(t, must(t)(b.RefundPending(ref("r"), eur(500)))), "the provider still has the money, and owes it to the buyer")
		require.Equal(t, left, after(t, must(t)(b.RefundPending(ref("r"), eur(500))), must(t)(b.RefundSettled(ref("s"), eur(500)))))
	})
	t.Run("a refund that fails, on its way or days later, leaves no trace in the balances", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, whole, after(t, must(t)(b.RefundPending(ref("r"), eur(500))), must(t)(b.RefundDropped(ref("d"), eur(500)))))
		require.Equal(t, whole, after(t, must(t)(b.Refund(ref("r"), eur(500))), must(t)(b.RefundFailed(ref("f"), eur(500)))))
		require.Equal(t, whole, after(t, must(t)(b.RefundPending(ref("r"), eur(500))),
			must(t)(b.RefundSettled(ref("s"), eur(500))), must(t)(b.RefundFailed(ref("f"), eur(500)))))
	})
	t.Run("a dispute takes the provider's money, and only a lost one the merchant's", func(t *testing.T) {
		t.Parallel()
		open := must(t)(b.Dispute(ref("d"), eur(500)))
		require.Equal(t, map[ledger.Account]money.Amount{
			"live/provider:acct_1": eur(730), "live/merchant:a.myshopify.com": eur(-1230), "live/disputes:acct_1": eur(500),
		}, after(t, open))
		require.Equal(t, whole, after(t, open, must(t)(b.DisputeWon(ref("w"), eur(500)))))
		lost := must(t)(b.DisputeLost(ref("l"), eur(500)))
		require.Equal(t, left, after(t, open, lost))
		require.Equal(t, whole, after(t, open, lost, must(t)(b.DisputeReinstated(ref("i"), eur(500)))))
	})
}
