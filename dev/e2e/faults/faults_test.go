package faults

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/internal/cli"
	"tillflow/standin/faults"
)

// TestFaults is the fault table. The tests of this package are not parallel to
// each other: each has a stack of its own, and the machine may have few cores.
func TestFaults(t *testing.T) {
	w := open(t)
	began := time.Now()
	prove(t, "4", func() string {
		return fmt.Sprintf("%d charges under faults in %.0f s, each with one capture and one effective answer",
			w.proven.Load(), time.Since(began).Seconds())
	})
	stubborn := w.stubborn(t)
	t.Run("processes", func(t *testing.T) { testKills(t, w) })
	t.Run("neighbours", func(t *testing.T) { testOutages(t, w) })
	t.Run("answers", func(t *testing.T) { testAnswers(t, w) })
	t.Run("terminate", func(t *testing.T) { testTerminate(t, w) })
	t.Run("a failure that is replayed for ever is decided by absence", stubborn)
	w.proveAll(t)
}

// stubborn begins a charge whose first request Stripe answers with a failure,
// and with the same failure for ever under the same key. Only Stripe's silence
// about it, two minutes after the last send, decides that nothing was done; all
// other cases happen meanwhile.
func (w *world) stubborn(t *testing.T) func(*testing.T) {
	t.Helper()
	s := w.sale(t)
	s.at(t, "checkout.sessions.create", s.content(), faults.ErrorBefore)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	_, err := w.buyer.Choose(ctx, s.session.RedirectURL, "Card")
	require.ErrorIs(t, err, context.DeadlineExceeded, "this buyer loses patience")
	return func(t *testing.T) {
		within(t, 3*time.Minute, s, func() bool { return len(s.books().Checkouts) == 1 })
		s.finish(t)
		require.Positive(t, s.books().Replays, "Stripe was never asked again under the same key")
		require.True(t, s.one(`SELECT array_agg(attempts.state ORDER BY seq) = '{not_done,done}' FROM attempts
			JOIN payments p ON p.id = payment_id WHERE `+mine, s.shop), s)
	}
}

// proveAll compares the sums of all charges: both sides' books and our ledger.
func (w *world) proveAll(t *testing.T) {
	t.Helper()
	captures, captured := 0, int64(0)
	for _, account := range w.stack.Stripe.Books("").Accounts {
		captures += account.Totals["eur"].Captures
		captured += account.Totals["eur"].Captured
	}
	require.EqualValues(t, w.proven.Load(), captures)
	resolved := 0
	for _, shop := range w.stack.Shopify.Books("", true).Shops {
		resolved += shop.Counts.Resolved
		require.Zero(t, shop.Counts.OpenOrPending)
		require.Zero(t, shop.Counts.OtherRedirects)
	}
	require.Equal(t, captures, resolved)
	st, err := cli.OpenStore(t.Context(), w.stack.Config, time.Now, zerolog.Nop())
	require.NoError(t, err)
	defer st.Close()
	require.NoError(t, st.TrialBalance(t.Context()))
	balances, err := st.LedgerBalances(t.Context())
	require.NoError(t, err)
	trial, taken := int64(0), int64(0)
	for _, b := range balances {
		trial += b.Amount.Minor
		if strings.Contains(string(b.Account), "/merchant:") {
			taken -= b.Amount.Minor
		}
	}
	require.Zero(t, trial)
	require.Equal(t, captured, taken)
}
