package ledger_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/internal/ledger"
	"tillflow/internal/money"
)

func eur(minor int64) money.Amount { return money.New(minor, "EUR") }
func jpy(minor int64) money.Amount { return money.New(minor, "JPY") }

func books() ledger.Books {
	return ledger.Books{Mode: ledger.ModeLive, ProviderAccount: "acct_1", Shop: "a.myshopify.com"}
}

func ref(key string) ledger.Ref {
	return ledger.Ref{Key: key, PaymentID: "pay-1", OperationID: "op-1"}
}

// flow is one of the constructors of Books.
type flow func(ledger.Ref, money.Amount) (ledger.Entry, error)

func flows(b ledger.Books) map[ledger.Kind][]flow {
	return map[ledger.Kind][]flow{
		ledger.KindCharge:        {b.Charge},
		ledger.KindAuthorization: {b.Authorization},
		ledger.KindRelease:       {b.ReleaseAuthorization},
		ledger.KindCapture:       {b.CaptureAuthorized},
		ledger.KindFee:           {b.Fee},
		ledger.KindReversal:      {b.ReverseCharge, b.ReverseAuthorization},

		ledger.KindRefund:            {b.Refund},
		ledger.KindRefundPending:     {b.RefundPending},
		ledger.KindRefundSettled:     {b.RefundSettled},
		ledger.KindRefundDropped:     {b.RefundDropped},
		ledger.KindRefundFailed:      {b.RefundFailed},
		ledger.KindDispute:           {b.Dispute},
		ledger.KindDisputeWon:        {b.DisputeWon},
		ledger.KindDisputeLost:       {b.DisputeLost},
		ledger.KindDisputeReinstated: {b.DisputeReinstated},
	}
}

// balances adds up entries as the store does.
func balances(t *testing.T, entries ...ledger.Entry) map[ledger.Account]money.Amount {
	t.Helper()
	sums := map[ledger.Account]money.Amount{}
	for _, entry := range entries {
		for _, posting := range entry.Postings {
			sum, seen := sums[posting.Account]
			if !seen {
				sum = money.New(0, posting.Amount.Currency)
			}
			sum, err := sum.Add(posting.Amount)
			require.NoError(t, err)
			sums[posting.Account] = sum
		}
	}
	return sums
}

// must unwraps a flow's result: must(t)(books.Charge(ref, amount)).
func must(t *testing.T) func(ledger.Entry, error) ledger.Entry {
	t.Helper()
	return func(entry ledger.Entry, err error) ledger.Entry {
		t.Helper()
		require.NoError(t, err)
		return entry
	}
}

func TestBooks(t *testing.T) {
	t.Parallel()
	t.Run("a charge with a fee leaves the rest at the provider", func(t *testing.T) {
		t.Parallel()
		b := books()
		require.Equal(t, map[ledger.Account]money.Amount{
			"live/provider:acct_1":          eur(1187),
			"live/merchant:a.myshopify.com": eur(-1230),
			"live/fees:acct_1":              eur(43),
		}, balances(t, must(t)(b.Charge(ref("charge"), eur(1230))), must(t)(b.Fee(ref("fee"), eur(43)))))
	})
	t.Run("an authorization moves no money", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, map[ledger.Account]money.Amount{
			"live/authorized:acct_1":        jpy(1000),
			"live/authorized-contra:acct_1": jpy(-1000),
		}, balances(t, must(t)(books().Authorization(ref("auth"), jpy(1000)))))
	})
	t.Run("a partial capture and the release of the rest close the reservation", func(t *testing.T) {
		t.Parallel()
		b := books()
		require.Equal(t, map[ledger.Account]money.Amount{
			"live/authorized:acct_1":        jpy(0),
			"live/authorized-contra:acct_1": jpy(0),
			"live/provider:acct_1":          jpy(400),
			"live/merchant:a.myshopify.com": jpy(-400),
		}, balances(t,
			must(t)(b.Authorization(ref("auth"), jpy(1000))),
			must(t)(b.CaptureAuthorized(ref("capture"), jpy(400))),
			must(t)(b.ReleaseAuthorization(ref("release"), jpy(600)))))
	})
	t.Run("reversals undo what they reverse, to the minor unit", func(t *testing.T) {
		t.Parallel()
		b := books()
		for account, balance := range balances(t,
			must(t)(b.Charge(ref("charge"), eur(1230))), must(t)(b.ReverseCharge(ref("undo charge"), eur(1230))),
			must(t)(b.Authorization(ref("auth"), eur(77))), must(t)(b.ReverseAuthorization(ref("undo auth"), eur(77)))) {
			require.True(t, balance.IsZero(), account)
		}
	})
}

func TestFlows(t *testing.T) {
	t.Parallel()
	t.Run("every flow balances, names its kind and stays in its mode", func(t *testing.T) {
		t.Parallel()
		for _, mode := range []ledger.Mode{ledger.ModeLive, ledger.ModeTest} {
			b := books()
			b.Mode = mode
			for kind, constructors := range flows(b) {
				for _, book := range constructors {
					for _, amount := range []money.Amount{eur(1), jpy(1000), money.New(5, "KWD"), eur(math.MaxInt64)} {
						entry := must(t)(book(ref("key"), amount))
						require.NoError(t, entry.Validate())
						require.Equal(t, kind, entry.Kind)
						for _, posting := range entry.Postings {
							require.Equal(t, mode, posting.Account.Mode())
						}
					}
				}
			}
		}
	})
	t.Run("only positive amounts are booked", func(t *testing.T) {
		t.Parallel()
		for _, constructors := range flows(books()) {
			for _, book := range constructors {
				for _, amount := range []money.Amount{{}, eur(0), eur(-1), eur(math.MinInt64), money.New(1, "ABC")} {
					entry, err := book(ref("key"), amount)
					require.ErrorIs(t, err, ledger.ErrMalformed)
					require.Equal(t, ledger.Entry{}, entry)
				}
			}
		}
	})
	t.Run("incomplete books book nothing", func(t *testing.T) {
		t.Parallel()
		for _, b := range []ledger.Books{
			{ProviderAccount: "acct_1", Shop: "a.myshopify.com"},
			{Mode: "sandbox", ProviderAccount: "acct_1", Shop: "a.myshopify.com"},
			{Mode: ledger.ModeLive, Shop: "a.myshopify.com"},
			{Mode: ledger.ModeLive, ProviderAccount: "acct_1"},
			{Mode: ledger.ModeLive, ProviderAccount: "acct/1", Shop: "a.myshopify.com"},
		} {
			_, err := b.Charge(ref("key"), eur(1))
			require.ErrorIs(t, err, ledger.ErrMalformed)
		}
	})
}
