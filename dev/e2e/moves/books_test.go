package moves

import (
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tillflow/standin/shopify"
	"tillflow/standin/stripe"
)

// rest is what of a shop's business is not over.
type rest struct{ Payments, Sessions, Operations, Attempts, Events int }

const selectRest = `
	SELECT (SELECT count(*) FROM payments WHERE shop = $1 AND closed_at IS NULL),
	       (SELECT count(*) FROM move_sessions WHERE shop = $1 AND closed_at IS NULL),
	       (SELECT count(*) FROM operations o JOIN payments p ON p.id = o.payment_id
	        WHERE p.shop = $1 AND o.state = 'open' AND o.kind NOT IN ('charge', 'dispute')),
	       (SELECT count(*) FROM attempts a JOIN operations o ON o.id = a.operation_id JOIN payments p ON p.id = a.payment_id
	        WHERE p.shop = $1 AND o.kind <> 'dispute' AND a.state IN ('allocated', 'sent', 'in_doubt', 'open', 'processing')),
	       (SELECT count(*) FROM provider_events e JOIN accounts a ON a.id = e.account_id
	        WHERE a.shop = $1 AND e.attempt_id IS NOT NULL AND e.dispatched_at IS NULL)`

// ledger is what our books say about a shop's account at Stripe, in minor units.
type ledger struct {
	There    int64 // at the provider, its fees not taken off, less what is on its way to buyers
	Held     int64
	Disputed int64 // withdrawn, and perhaps coming back
	Owed     int64 // to the merchant
	Trial    int64 // all accounts together
}

const selectLedger = `
	SELECT coalesce(sum(l.amount_minor) FILTER (WHERE l.account LIKE 'test/provider:%' OR l.account LIKE 'test/fees:%'
	                                               OR l.account LIKE 'test/refunds:%'), 0)::bigint,
	       coalesce(sum(l.amount_minor) FILTER (WHERE l.account LIKE 'test/authorized:%'), 0)::bigint,
	       coalesce(sum(l.amount_minor) FILTER (WHERE l.account LIKE 'test/disputes:%'), 0)::bigint,
	       coalesce(-sum(l.amount_minor) FILTER (WHERE l.account LIKE 'test/merchant:%'), 0)::bigint,
	       coalesce(sum(l.amount_minor), 0)::bigint
	FROM ledger_postings l JOIN ledger_entries e ON e.id = l.entry_id JOIN payments p ON p.id = e.payment_id
	WHERE p.shop = $1`

// agree waits until the shop's business is at rest and compares Stripe's books with what the story expects and with
// our ledger. Fees and the numbers of movements are not part of it.
func (s *story) agree(want stripe.Totals) {
	s.Helper()
	var open rest
	s.soon("the shop is at rest", func() bool {
		open = one[rest](s, selectRest)
		return open == (rest{})
	})
	got := s.total()
	got.Fees, got.Captures, got.Refunds = 0, 0, 0
	require.Equal(s, want, got, s)
	disputed := one[ledger](s, selectLedger).Disputed
	net := got.Captured - got.Refunded - got.Disputed
	require.Equal(s, ledger{There: net, Held: got.Held, Disputed: disputed, Owed: net + disputed}, one[ledger](s, selectLedger), s)
	require.NoError(s, s.Service.Store.TrialBalance(s.Context()))
	s.proven()
}

// one reads a row about the shop.
func one[T any](s *story, sql string) T {
	s.Helper()
	rows, err := s.pool.Query(s.Context(), sql, s.shop)
	require.NoError(s, err)
	row, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[T])
	require.NoError(s, err)
	return row
}

// proven checks that no attempt is decided without evidence of that very state, and that no key was used twice.
func (s *story) proven() {
	s.Helper()
	type count struct{ Unproven, Attempts, Keys int }
	got := one[count](s, `
		SELECT count(*) FILTER (WHERE a.state NOT IN ('allocated', 'sent', 'in_doubt', 'not_done')
		         AND NOT EXISTS (SELECT FROM evidence e WHERE e.attempt_id = a.id AND e.state = a.state)),
		       count(*), count(DISTINCT a.key)
		FROM attempts a JOIN payments p ON p.id = a.payment_id WHERE p.shop = $1`)
	require.Zero(s, got.Unproven, "attempts decided without evidence: %s", s)
	require.Equal(s, got.Attempts, got.Keys, s)
	keys := map[string]bool{}
	for _, re := range s.books().Refunds {
		if re.Dashboard {
			continue
		}
		require.NotEmpty(s, re.Key, "a refund was made without a key")
		require.False(s, keys[re.Key], "two refunds of one key")
		keys[re.Key] = true
	}
	for _, pi := range s.books().Intents {
		require.False(s, pi.Captured > 0 && pi.Status == "succeeded" && pi.Authorized > 0 && keys[pi.CaptureKey], "a capture with the key of a refund")
	}
}

// String is what an operator would read: a failed check prints it.
func (s *story) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "at Stripe: %+v\n", s.books().Totals)
	for _, re := range s.books().Refunds {
		fmt.Fprintf(&b, "  %+v\n", re)
	}
	for _, session := range s.Shopify.Books(s.shop, false).Shops[s.shop].Sessions {
		fmt.Fprintf(&b, "at Shopify: %s %s of %s %s %s %s\n", session.GID, session.State, session.Amount, session.RejectCode, session.MerchantMessage, session.PaymentID)
		if session.Type != shopify.PaymentSession {
			fmt.Fprintf(&b, "  its run: %s\n", s.waits(session))
			continue
		}
		d, err := s.Service.Store.ShowPayment(s.Context(), session.ID, false)
		if err != nil {
			fmt.Fprintf(&b, "  not here: %v\n", err)
			continue
		}
		fmt.Fprintf(&b, "here: %s, final %q %q, needs %q\n", d.State, d.Final, d.FinalReason, d.Operator)
		for _, line := range d.Timeline {
			fmt.Fprintf(&b, "  %s %s %s → %s %s\n", line.At.Format("15:04:05.000"), line.What, line.Before, line.After, line.Detail)
		}
		for _, p := range d.Postings {
			fmt.Fprintf(&b, "  posting %s %s %s\n", p.Kind, p.Account, p.Amount)
		}
	}
	return b.String()
}

// waits says what the run of a capture, void or refund waits for.
func (s *story) waits(session shopify.Session) string {
	m := &move{s, shopify.SessionAnswer{GID: session.GID}}
	d, err := s.Service.Temporal.DescribeWorkflowExecution(s.Context(), m.run(), "")
	if err != nil {
		return err.Error()
	}
	text := d.GetWorkflowExecutionInfo().GetStatus().String()
	for _, a := range d.GetPendingActivities() {
		text += fmt.Sprintf(", %s (attempt %d, %s, next in %s)", a.GetActivityType().GetName(), a.GetAttempt(), a.GetState(), time.Until(a.GetScheduledTime().AsTime()))
	}
	return text
}
