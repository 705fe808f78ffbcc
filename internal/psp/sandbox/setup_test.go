package sandbox_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v4"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	page "tillflow/api/sandbox"
	"tillflow/internal/crypt"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
	"tillflow/internal/psp/psptest"
	"tillflow/internal/psp/sandbox"
	"tillflow/internal/psp/sandbox/books"
	"tillflow/internal/store"
	"tillflow/internal/store/storetest"
	"tillflow/standin/faults"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

func openStore(t *testing.T, address string, now func() time.Time) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), address, store.Options{Now: now, Vault: crypt.NewVault(&crypt.Keyring{}), MaxConns: 2, Log: zerolog.Nop()})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

// bench is a sandbox with its page, a clock and faults.
type bench struct {
	connector *sandbox.Connector
	store     *store.Store
	faults    *faults.Switchboard
	site      http.Handler
	acc       psp.Account
	address   string

	mu  sync.Mutex
	now time.Time
}

const (
	publicURL = "https://pay.example.test"
	delay     = 4 * time.Second
)

func setup(t *testing.T) *bench {
	t.Helper()
	b := &bench{
		now:    time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC),
		faults: faults.New(faults.Options{}),
		acc:    psp.Account{ID: "acc-" + uuid.NewString(), Shop: "shop", Credentials: psp.Credentials{"key": sandbox.Key}},
	}
	t.Cleanup(b.faults.Close)
	// All share one database, each with an account of its own, as shops share the real one.
	b.address = storetest.Shared(t)
	b.store = openStore(t, b.address, b.clock)
	b.connector = sandbox.New(sandbox.Options{
		Books: faulty{b.store, b.faults}, PublicURL: publicURL + "/", Now: b.clock, Delay: delay,
	})
	pages, err := page.New(b.store, b.clock, zerolog.Nop())
	require.NoError(t, err)
	e := echo.New()
	pages.Routes(e)
	b.site = e
	return b
}

func (b *bench) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *bench) advance(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

// press presses a button on the page of an open checkout.
func (b *bench) press(t *testing.T, open psp.Outcome, choice string) *http.Response {
	t.Helper()
	path, ours := strings.CutPrefix(open.URL, publicURL)
	require.True(t, ours, open.URL)
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(url.Values{"choice": {choice}}.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	rec := httptest.NewRecorder()
	b.site.ServeHTTP(rec, req)
	return rec.Result()
}

func (b *bench) target(t *testing.T) psptest.Target {
	t.Helper()
	closed := openStore(t, b.address, b.clock)
	closed.Close()
	return psptest.Target{
		Connector:   b.connector,
		Unreachable: sandbox.New(sandbox.Options{Books: closed, PublicURL: publicURL, Now: b.clock}),
		Account:     b.acc,
		Now:         b.clock,
		Advance:     b.advance,
		Pay: func(t *testing.T, open psp.Outcome, how psptest.How) {
			button := map[psptest.How]string{
				psptest.Approve: "success", psptest.Refuse: "insufficient_funds",
				psptest.SlowSuccess: "delayed_success", psptest.SlowFailure: "delayed_failure",
			}[how]
			require.Equal(t, http.StatusSeeOther, b.press(t, open, button).StatusCode)
		},
		Settle: func(*testing.T) { b.advance(2 * delay) },
		Arm: func(t *testing.T, call psptest.Call, rule faults.Rule) {
			rule.Call = string(call)
			_, err := b.faults.Arm(rule)
			require.NoError(t, err)
		},
		Books:    b.books,
		Messages: func(*testing.T) []psptest.Message { return nil }, // the sandbox sends none
		Wallet: &psptest.Wallet{
			Bank: func(t *testing.T, m psp.Method, reason payment.DeclineReason) {
				b.change(t, `UPDATE sandbox_methods SET decline = $2, code = $2 WHERE id = $1`, m.Ref, string(reason))
			},
			Remove: func(t *testing.T, m psp.Method) { b.change(t, `DELETE FROM sandbox_methods WHERE id = $1`, m.Ref) },
		},
	}
}

// change changes a row of the sandbox, as no code of ours does.
func (b *bench) change(t *testing.T, statement string, args ...any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), b.address)
	require.NoError(t, err)
	defer conn.Close(context.WithoutCancel(t.Context()))
	tag, err := conn.Exec(t.Context(), statement, args...)
	require.NoError(t, err)
	require.EqualValues(t, 1, tag.RowsAffected())
}

// books reads the account's rows, past all code of ours.
func (b *bench) books(t *testing.T) map[string]psptest.Entry {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), b.address)
	require.NoError(t, err)
	defer conn.Close(context.WithoutCancel(t.Context()))
	rows, err := conn.Query(t.Context(), `
		SELECT c.reference, c.currency,
		       CASE WHEN c.settles_at <= $2 THEN c.captured_minor ELSE 0 END,
		       CASE WHEN c.result = 'success' AND c.voided_at IS NULL THEN c.amount_minor - c.captured_minor ELSE 0 END,
		       (SELECT coalesce(sum(m.amount_minor), 0)::bigint FROM sandbox_moves m
		        WHERE m.payment_id = c.payment_id AND m.operation = 'refund' AND m.refusal = '' AND m.result = 'success'),
		       (SELECT count(*) FROM sandbox_moves m WHERE m.payment_id = c.payment_id AND m.operation = 'refund' AND m.refusal = ''
		        AND m.result <> 'failure'),
		       (SELECT count(*) FROM sandbox_moves m WHERE m.payment_id = c.payment_id AND m.operation = 'capture' AND m.refusal = ''),
		       (SELECT count(*) FROM sandbox_checkouts o WHERE o.account = c.account AND o.reference = c.reference AND o.method = '')
		FROM sandbox_checkouts c WHERE c.account = $1`, b.acc.ID, b.clock())
	require.NoError(t, err)
	entries := map[string]psptest.Entry{}
	var reference string
	var e psptest.Entry
	_, err = pgx.ForEachRow(rows, []any{
		&reference, &e.Held.Currency, &e.Captured.Minor, &e.Held.Minor, &e.Refunded.Minor, &e.Refunds, &e.Captures, &e.Checkouts,
	}, func() error {
		e.Captured.Currency, e.Refunded.Currency = e.Held.Currency, e.Held.Currency
		if e.Captured.Minor > 0 {
			e.Captures = max(e.Captures, 1) // a sale has no move of its own
		}
		entries[reference] = e
		return nil
	})
	require.NoError(t, err)
	return entries
}

// faulty are books between which and their caller the line is bad.
type faulty struct {
	*store.Store
	board *faults.Switchboard
}

var errLine = errors.New("the line broke")

// spoil does a call under the armed faults. Faults after the work leave it done.
func spoil[T any](ctx context.Context, board *faults.Switchboard, call psptest.Call, do func(context.Context, *faults.Plan) (T, error)) (T, error) {
	var nothing T
	plan := board.Plan(string(call), "")
	if rule, limited := plan.Rule(faults.TooManyRequests); limited {
		return nothing, &payment.Error{Class: payment.RateLimited, RetryAfter: time.Duration(rule.DelayMS) * time.Millisecond}
	}
	if plan.Has(faults.LoseRequest) || plan.Has(faults.ErrorBefore) {
		return nothing, errLine
	}
	out, err := do(ctx, plan)
	if plan.Has(faults.HoldReply) {
		<-ctx.Done()
		return nothing, ctx.Err()
	}
	if plan.Has(faults.LoseReply) || plan.Has(faults.ErrorAfter) {
		return nothing, errLine
	}
	return out, err
}

func (f faulty) SandboxOpen(ctx context.Context, o books.Opening) (books.Checkout, error) {
	return spoil(ctx, f.board, psptest.CallOpen, func(ctx context.Context, _ *faults.Plan) (books.Checkout, error) {
		return f.Store.SandboxOpen(ctx, o)
	})
}

func (f faulty) SandboxCheckout(ctx context.Context, n books.Name) (books.Checkout, error) {
	return spoil(ctx, f.board, psptest.CallLook, func(ctx context.Context, _ *faults.Plan) (books.Checkout, error) {
		return f.Store.SandboxCheckout(ctx, n)
	})
}

func (f faulty) SandboxCharge(ctx context.Context, o books.Charge) (books.Checkout, error) {
	return spoil(ctx, f.board, psptest.CallCharge, func(ctx context.Context, plan *faults.Plan) (books.Checkout, error) {
		if rule, slow := plan.Rule(faults.SlowSettle); slow {
			o.Fault, o.Delay = books.Verdict{Result: books.Success, Slow: true}, time.Duration(rule.DelayMS)*time.Millisecond
		}
		return f.Store.SandboxCharge(ctx, o)
	})
}

func (f faulty) SandboxKept(ctx context.Context, n books.Name) (books.Checkout, books.Kept, error) {
	type both struct {
		books.Checkout
		kept books.Kept
	}
	out, err := spoil(ctx, f.board, psptest.CallLook, func(ctx context.Context, _ *faults.Plan) (both, error) {
		c, k, err := f.Store.SandboxKept(ctx, n)
		return both{c, k}, err
	})
	return out.Checkout, out.kept, err
}

func (f faulty) SandboxMove(ctx context.Context, o books.Order) (books.Move, error) {
	call := psptest.Call(o.Operation) // the suite's words are the operations'
	return spoil(ctx, f.board, call, func(ctx context.Context, plan *faults.Plan) (books.Move, error) {
		if rule, slow := plan.Rule(faults.SlowSettle); slow {
			o.Verdict.Slow, o.Delay = true, time.Duration(rule.DelayMS)*time.Millisecond
		}
		if code, declined := plan.Decline(); declined {
			o.Verdict.Result, o.Verdict.Decline, o.Verdict.Code = books.Failure, payment.DeclinedOther, code
		}
		return f.Store.SandboxMove(ctx, o)
	})
}
