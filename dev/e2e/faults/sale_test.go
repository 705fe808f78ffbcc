package faults

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"

	"tillflow/internal/flow"
	"tillflow/internal/payment"
	"tillflow/standin/faults"
	"tillflow/standin/shopify"
	"tillflow/standin/stripe"
)

// The buyers' cards.
const (
	goodCard    = "success"
	refusedCard = "insufficient_funds"
	slowDebit   = "delayed_success"
)

// sale is one charge: one session of a shop of its own.
type sale struct {
	w       *world
	shop    string
	account string // of the shop at the stand-in Stripe
	minor   int64  // like no other sale's, so that faults can match it anywhere
	buyer   *shopify.Customer
	session shopify.SessionAnswer
	page    string // the provider's
	armed   []armed
}

// armed is a fault that must have struck by the end of its sale.
type armed struct {
	board *faults.Switchboard
	id    string
}

// sale has a session accepted. Nobody has chosen a way to pay yet.
func (w *world) sale(t *testing.T) *sale {
	t.Helper()
	s := w.vacant(t)
	s.accept(t)
	return s
}

// vacant is a sale whose session has not been sent.
func (w *world) vacant(t *testing.T) *sale {
	t.Helper()
	n := int(w.used.Add(1)) - 1
	require.Less(t, n, shops, "every charge needs a shop of its own")
	// The stack's own shop has the first account at Stripe.
	return &sale{
		w: w, shop: shopName(n), account: fmt.Sprintf("acct_test%d", n+1), minor: 7_700_001 + int64(n),
		buyer: &shopify.Customer{Email: "buyer@example.com", Locale: "en"},
	}
}

func (s *sale) request(id string) shopify.SessionRequest {
	return shopify.SessionRequest{
		ID: id, Shop: s.shop, Amount: fmt.Sprintf("%d.%02d", s.minor/100, s.minor%100), Currency: "EUR", Test: true,
		Customer: s.buyer,
	}
}

func (s *sale) accept(t *testing.T) {
	t.Helper()
	var err error
	s.session, err = s.w.stack.Shopify.StartSession(t.Context(), s.request(""))
	require.NoError(t, err)
	require.True(t, s.session.Accepted, "%d %s %s", s.session.Status, s.session.Body, s.session.Error)
}

// content occurs in every request and message about the sale's checkout.
func (s *sale) content() string { return fmt.Sprint(s.minor) }

// choosing lets the buyer choose the card and answers a wait for the provider's page.
func (s *sale) choosing(t *testing.T) (wait func()) {
	t.Helper()
	done, ctx := make(chan error, 1), t.Context()
	go func() {
		var err error
		s.page, err = s.w.buyer.Choose(ctx, s.session.RedirectURL, "Card")
		done <- err
	}()
	return func() {
		t.Helper()
		require.NoError(t, <-done, s)
	}
}

func (s *sale) choose(t *testing.T) {
	t.Helper()
	s.choosing(t)()
}

// checkout is the provider's name of the open page.
func (s *sale) checkout(t *testing.T) string {
	t.Helper()
	books := s.books()
	require.NotEmpty(t, books.Checkouts)
	return books.Checkouts[len(books.Checkouts)-1].ID
}

// pay pays at the provider's page.
func (s *sale) pay(t *testing.T, card string) {
	t.Helper()
	_, err := s.w.buyer.PayStripe(t.Context(), s.page, card)
	require.NoError(t, err)
}

// back follows the way from the provider to the shop's page.
func (s *sale) back(t *testing.T) {
	t.Helper()
	_, err := s.w.buyer.Return(t.Context(), s.returnURL())
	require.NoError(t, err, s)
}

func (s *sale) returnURL() string {
	token := s.session.RedirectURL[len(s.w.stack.PayURL+"/pay/"):]
	return s.w.stack.PayURL + "/return/" + token
}

// finish walks what is left of the buyer's way and proves the books.
func (s *sale) finish(t *testing.T) {
	t.Helper()
	if s.page == "" {
		s.choose(t)
	}
	if !s.paid() {
		s.pay(t, goodCard)
	}
	s.back(t)
	s.prove(t)
}

// books are Stripe's own of the shop's account.
func (s *sale) books() stripe.AccountBooks { return s.w.stack.Stripe.Books("").Accounts[s.account] }

func (s *sale) paid() bool { return s.books().Totals["eur"].Captures > 0 }

// told is Shopify's own record of the session.
func (s *sale) told() shopify.Session {
	booked, _ := s.w.stack.Shopify.Session(s.session.GID)
	return booked
}

// decided says whether our answer is committed.
func (s *sale) decided() bool { return s.one("SELECT final <> '' FROM payments WHERE "+mine, s.shop) }

// sent says whether the send log has an attempt without an answer.
func (s *sale) sent() bool {
	return s.one("SELECT EXISTS (SELECT FROM attempts JOIN payments p ON p.id = payment_id WHERE "+mine+" AND attempts.state = 'sent')", s.shop)
}

// stored says whether a message about the sale waits to be acted on, or was.
func (s *sale) stored(acted bool) bool {
	return s.one(`SELECT EXISTS (SELECT FROM provider_events JOIN payments p ON p.id = payment_id
		WHERE `+mine+` AND (dispatched_at IS NOT NULL) = $2)`, s.shop, acted)
}

// mine selects the payment: every sale has a shop of its own.
const mine = "shop = $1"

// one asks the record a yes-or-no question; a record that cannot be asked says no.
func (s *sale) one(sql string, args ...any) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	var yes bool
	return s.w.pool.QueryRow(ctx, sql, args...).Scan(&yes) == nil && yes
}

// lock takes the payment's row, so that nothing can be recorded. The answers
// are a wait until somebody tries to, and the end of it.
func (s *sale) lock(t *testing.T) (blocked, release func()) {
	t.Helper()
	tx, err := s.w.pool.Begin(t.Context())
	require.NoError(t, err)
	var pid int
	row := tx.QueryRow(t.Context(), "SELECT pg_backend_pid() FROM payments WHERE "+mine+" FOR UPDATE", s.shop)
	require.NoError(t, row.Scan(&pid))
	blocked = func() {
		t.Helper()
		soon(t, "nobody tries to record", func() bool {
			return s.one("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pg_blocking_pids(pid) @> ARRAY[$1::int])", pid)
		})
	}
	return blocked, func() { require.NoError(t, tx.Rollback(t.Context())) }
}

// terminate presses Terminate, as somebody in the Temporal UI would.
func (s *sale) terminate(t *testing.T) {
	t.Helper()
	soon(t, "no run to terminate", func() bool {
		return s.w.client.TerminateWorkflow(t.Context(), s.run(), "", "fault run") == nil
	})
}

func (s *sale) run() string {
	return flow.ChargeID(payment.SourceShopify, s.shop, s.session.ID)
}

// idle says that no run of the charge is under way: it has come to its end, or
// what was left of it was lost and the rows need no other.
func (s *sale) idle() bool {
	d, err := s.w.client.DescribeWorkflowExecution(context.Background(), s.run(), "")
	if _, none := errors.AsType[*serviceerror.NotFound](err); none {
		return true
	}
	return err == nil && d.GetWorkflowExecutionInfo().GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
}

// prove waits for the end and asks the books of both sides: one capture, one
// resolve, and our ledger says the same.
func (s *sale) prove(t *testing.T) {
	t.Helper()
	s.proveEnd(t, "captured", shopify.StateResolved)
	books := s.books()
	require.Equal(t, 1, books.Totals["eur"].Captures, s)
	require.Equal(t, s.minor, books.Totals["eur"].Captured, s)
	require.Zero(t, books.Totals["eur"].Refunded, s)
	s.w.proven.Add(1)
}

// proveNothing is prove for a charge that nobody paid.
func (s *sale) proveNothing(t *testing.T) {
	t.Helper()
	s.proveEnd(t, "rejected", shopify.StateRejected)
	require.Zero(t, s.books().Totals["eur"].Captures, s)
}

func (s *sale) proveEnd(t *testing.T, state string, told shopify.State) {
	t.Helper()
	soonOr(t, s, func() bool {
		return s.one("SELECT closed_at IS NOT NULL AND state = $2 FROM payments WHERE "+mine, s.shop, state) && s.idle()
	})
	booked := s.told()
	require.Equal(t, told, booked.State, s)
	effective := 0
	for _, m := range booked.Mutations {
		if m.Result == shopify.ResultEffective && m.Op != "paymentSessionPending" {
			effective++
		}
	}
	require.Equal(t, 1, effective, s)
	for _, c := range s.books().Checkouts {
		require.NotEqual(t, "open", c.Status, "a page can still be paid: %s", s)
	}
	s.proveRows(t)
	s.proveStruck(t)
}

// proveRows compares our rows with Stripe's books.
func (s *sale) proveRows(t *testing.T) {
	t.Helper()
	rows, err := s.w.pool.Query(t.Context(), `
		SELECT (SELECT count(*) FROM attempts a WHERE a.payment_id = p.id
		        AND a.state IN ('allocated', 'sent', 'in_doubt', 'open', 'processing')),
		       (SELECT coalesce(-sum(amount_minor), 0) FROM ledger_postings WHERE account = 'test/merchant:' || p.shop),
		       (SELECT coalesce(sum(amount_minor), 0) FROM ledger_postings JOIN ledger_entries e ON e.id = entry_id
		        WHERE e.payment_id = p.id),
		       p.operator
		FROM payments p WHERE `+mine, s.shop)
	require.NoError(t, err)
	type row struct {
		Unfinished, Booked, Trial int64
		Operator                  string
	}
	got, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[row])
	require.NoError(t, err)
	sum := s.books().Totals["eur"]
	require.Equal(t, row{Booked: sum.Captured - sum.Refunded}, got, s)
}

// String is what an operator would read of the sale: a failed check prints it.
func (s *sale) String() string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	out, err := s.w.stack.Command(ctx, "payment", "show", s.session.ID)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s\nShopify: %+v\nStripe: %+v", out, s.told().Mutations, s.books())
}

// soonOr waits and tells the story if it waits in vain.
func soonOr(t *testing.T, story fmt.Stringer, is func() bool) {
	t.Helper()
	within(t, time.Minute, story, is)
}

func within(t *testing.T, patience time.Duration, story fmt.Stringer, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); {
		if time.Now().After(end) || t.Context().Err() != nil {
			require.Fail(t, "waited in vain", story)
		}
		away(t, 100*time.Millisecond)
	}
}

// proveStruck makes sure that the faults of the sale were no empty threats.
func (s *sale) proveStruck(t *testing.T) {
	t.Helper()
	for _, a := range s.armed {
		for _, rule := range a.board.Status().Rules {
			require.False(t, rule.ID == a.id && rule.Fired == 0, "%s of %s has never struck", rule.Kind, rule.Call)
		}
	}
}

// slowness is how long the kinds last that have a duration.
const slowness = 2500

// at arms a fault for one call about this sale at Stripe.
func (s *sale) at(t *testing.T, call, match string, kind faults.Kind) {
	t.Helper()
	s.arm(t, s.w.stack.Stripe.Faults(), faults.Rule{Call: call, Kind: kind, Match: match, DelayMS: slowness})
}

// atShopify does the same for the resolve at Shopify.
func (s *sale) atShopify(t *testing.T, kind faults.Kind) {
	t.Helper()
	s.arm(t, s.w.stack.Shopify.Faults(), faults.Rule{Call: "paymentSessionResolve", Kind: kind, Match: s.session.GID, DelayMS: slowness})
}

// message arms a fault for every message about the sale.
func (s *sale) message(t *testing.T, kind faults.Kind) {
	t.Helper()
	s.arm(t, s.w.stack.Stripe.Faults(), faults.Rule{Call: "*", Kind: kind, Match: s.content(), Times: -1, DelayMS: slowness})
}

func (s *sale) arm(t *testing.T, board *faults.Switchboard, r faults.Rule) {
	t.Helper()
	if r.Kind == faults.TooManyRequests {
		r.DelayMS = 0 // a second
	}
	rule, err := board.Arm(r)
	require.NoError(t, err)
	s.armed = append(s.armed, armed{board, rule.ID})
}
