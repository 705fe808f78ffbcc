package store_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	page "tillflow/api/sandbox"
	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/psp/sandbox"
	"tillflow/internal/psp/sandbox/books"
	"tillflow/internal/store"
)

var (
	_ sandbox.Books = (*store.Store)(nil)
	_ page.Books    = (*store.Store)(nil)
)

// opening asks for 12.30 EUR under a name; the name is key, hash and reference.
func (b *bundle) opening(name string, change ...func(*books.Opening)) books.Opening {
	o := books.Opening{
		Account: "acc", Key: "key-" + name, Hash: []byte(name), Reference: "ref-" + name, Kind: payment.Sale, Amount: eur(1230),
		Description: "Order 1001", ReturnURL: "https://pay/return", CancelURL: "https://pay/cancel",
		ExpiresAt: b.clock.Now().Add(time.Hour), Delay: 5 * time.Second,
	}
	for _, c := range change {
		c(&o)
	}
	return o
}

func hold(o *books.Opening) { o.Kind = payment.Authorization }

// settled is a checkout that its buyer paid.
func (b *bundle) settled(name string, change ...func(*books.Opening)) books.Checkout {
	b.t.Helper()
	c, err := b.SandboxOpen(b.t.Context(), b.opening(name, change...))
	require.NoError(b.t, err)
	c, err = b.SandboxDecide(b.t.Context(), c.ID, books.Verdict{Result: books.Success})
	require.NoError(b.t, err)
	return c
}

func order(c books.Checkout, op payment.Operation, name string, minor int64) books.Order {
	return books.Order{
		Account: c.Account, Key: "key-" + name, Hash: []byte(name), Reference: "ref-" + name, PaymentID: c.PaymentID, Operation: op,
		Amount: money.New(minor, c.Amount.Currency), Verdict: books.Verdict{Result: books.Success}, Delay: 5 * time.Second,
	}
}

func requireClassOf(t *testing.T, want payment.Class, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want, payment.ClassOf(err, "unclassified"), err.Error())
}

func TestSandboxOpen(t *testing.T) {
	t.Parallel()
	b := open(t)
	first, err := b.SandboxOpen(t.Context(), b.opening("a"))
	require.NoError(t, err)
	t.Run("what was written is read back", func(t *testing.T) {
		want := books.Checkout{
			ID: first.ID, Account: "acc", Reference: "ref-a", Kind: payment.Sale, Amount: eur(1230), Description: "Order 1001",
			ReturnURL: "https://pay/return", CancelURL: "https://pay/cancel", Delay: 5 * time.Second,
			ExpiresAt: b.clock.Now().Add(time.Hour), PaymentID: first.PaymentID,
		}
		require.Equal(t, want, first)
		for _, n := range []books.Name{
			{Account: "acc", ID: first.ID}, {Account: "acc", PaymentID: first.PaymentID}, {Account: "acc", Reference: "ref-a"},
		} {
			read, err := b.SandboxCheckout(t.Context(), n)
			require.NoError(t, err)
			require.Equal(t, want, read)
		}
		read, err := b.SandboxPage(t.Context(), first.ID)
		require.NoError(t, err)
		require.Equal(t, want, read)
	})
	t.Run("nobody can guess an id", func(t *testing.T) {
		require.Regexp(t, `^sbc_[a-z2-7]{26}$`, first.ID)
		require.Regexp(t, `^sbp_[a-z2-7]{26}$`, first.PaymentID)
	})
	t.Run("the same key gives the same checkout, also when its time is over", func(t *testing.T) {
		o := b.opening("a")
		o.ExpiresAt = b.clock.Now().Add(-time.Hour)
		again, err := b.SandboxOpen(t.Context(), o)
		require.NoError(t, err)
		require.Equal(t, first, again)
	})
	t.Run("the same key with another request is Conflict", func(t *testing.T) {
		_, err := b.SandboxOpen(t.Context(), b.opening("a", func(o *books.Opening) { o.Hash = []byte("other") }))
		requireClassOf(t, payment.Conflict, err)
	})
	t.Run("the same reference under another key is Conflict", func(t *testing.T) {
		_, err := b.SandboxOpen(t.Context(), b.opening("a", func(o *books.Opening) { o.Key = "other" }))
		requireClassOf(t, payment.Conflict, err)
	})
	t.Run("another account has keys and references of its own", func(t *testing.T) {
		other, err := b.SandboxOpen(t.Context(), b.opening("a", func(o *books.Opening) { o.Account = "other" }))
		require.NoError(t, err)
		require.NotEqual(t, first.ID, other.ID)
		_, err = b.SandboxCheckout(t.Context(), books.Name{Account: "other", ID: first.ID})
		requireClassOf(t, payment.NotFound, err)
	})
	t.Run("an end in the past is Invalid", func(t *testing.T) {
		_, err := b.SandboxOpen(t.Context(), b.opening("b", func(o *books.Opening) { o.ExpiresAt = b.clock.Now() }))
		requireClassOf(t, payment.Invalid, err)
	})
	t.Run("twenty at a time open one", func(t *testing.T) {
		ids := tally(t, 20, func(ctx context.Context, _ int) (string, error) {
			c, err := b.SandboxOpen(ctx, b.opening("together"))
			return c.ID, err
		})
		require.Len(t, ids, 1)
	})
}

// tally runs n calls at once and counts their different results.
func tally(t *testing.T, n int, call func(ctx context.Context, i int) (string, error)) map[string]int {
	t.Helper()
	var mu sync.Mutex
	var wait sync.WaitGroup
	results, start := map[string]int{}, make(chan struct{})
	for i := range n {
		wait.Go(func() {
			<-start
			result, err := call(t.Context(), i)
			if err != nil {
				result = "error: " + err.Error()
			}
			mu.Lock()
			defer mu.Unlock()
			results[result]++
		})
	}
	close(start)
	wait.Wait()
	return results
}

func TestSandboxDecideAndClose(t *testing.T) {
	t.Parallel()
	b := open(t)
	paid := books.Verdict{Result: books.Success}
	t.Run("a sale is taken, an authorization held", func(t *testing.T) {
		sale, held := b.settled("sale"), b.settled("hold", hold)
		require.Equal(t, books.Taken, sale.At(b.clock.Now()))
		require.Equal(t, eur(1230), sale.CapturedAmount())
		require.Equal(t, books.Held, held.At(b.clock.Now()))
		require.Zero(t, held.Captured)
	})
	t.Run("slow results count after the checkout's delay", func(t *testing.T) {
		c, err := b.SandboxOpen(t.Context(), b.opening("slow"))
		require.NoError(t, err)
		c, err = b.SandboxDecide(t.Context(), c.ID, books.Verdict{Result: books.Failure, Slow: true, Decline: payment.Fraud, Code: "x"})
		require.NoError(t, err)
		require.Equal(t, b.clock.Now(), c.DecidedAt)
		require.Equal(t, b.clock.Now().Add(5*time.Second), c.SettlesAt)
		require.Equal(t, books.Verdict{Result: books.Failure, Slow: true, Decline: payment.Fraud, Code: "x"}, c.Verdict)
	})
	t.Run("a refusal leaves the page open", func(t *testing.T) {
		c, err := b.SandboxOpen(t.Context(), b.opening("refusal"))
		require.NoError(t, err)
		refusal := books.Verdict{Decline: payment.ExpiredCard, Code: "expired_card"}
		c, err = b.SandboxDecide(t.Context(), c.ID, refusal)
		require.NoError(t, err)
		require.Equal(t, refusal, c.Verdict)
		require.Equal(t, books.Open, c.At(b.clock.Now()))
		_, err = b.SandboxDecide(t.Context(), c.ID, paid)
		require.NoError(t, err)
	})
	t.Run("never is no result at any time", func(t *testing.T) {
		c, err := b.SandboxOpen(t.Context(), b.opening("never"))
		require.NoError(t, err)
		c, err = b.SandboxDecide(t.Context(), c.ID, books.Verdict{Result: books.Never})
		require.NoError(t, err)
		require.Equal(t, books.Processing, c.At(b.clock.Now().Add(1000*time.Hour)))
	})
	t.Run("a page that is over is Conflict, an unknown one NotFound", func(t *testing.T) {
		c := b.settled("over")
		_, err := b.SandboxDecide(t.Context(), c.ID, paid)
		requireClassOf(t, payment.Conflict, err)
		_, err = b.SandboxDecide(t.Context(), "sbc_x", paid)
		requireClassOf(t, payment.NotFound, err)
		magic, err := b.SandboxOpen(t.Context(), b.opening("magic", func(o *books.Opening) { o.Amount = eur(1106) }))
		require.NoError(t, err)
		_, err = b.SandboxDecide(t.Context(), magic.ID, paid)
		requireClassOf(t, payment.Conflict, err)
	})
	t.Run("to close is idempotent and takes nothing back", func(t *testing.T) {
		c, err := b.SandboxOpen(t.Context(), b.opening("close"))
		require.NoError(t, err)
		for range 2 {
			closed, err := b.SandboxClose(t.Context(), books.Name{Account: "acc", Reference: c.Reference})
			require.NoError(t, err)
			require.Equal(t, b.clock.Now(), closed.ClosedAt)
		}
		_, err = b.SandboxDecide(t.Context(), c.ID, paid)
		requireClassOf(t, payment.Conflict, err)
		done := b.settled("close paid")
		closed, err := b.SandboxClose(t.Context(), books.Name{Account: "acc", ID: done.ID})
		require.NoError(t, err)
		require.Equal(t, done, closed)
		_, err = b.SandboxClose(t.Context(), books.Name{Account: "acc", ID: "sbc_x"})
		requireClassOf(t, payment.NotFound, err)
	})
	t.Run("paying and closing at the same time, one wins", func(t *testing.T) {
		for i := range 10 {
			c, err := b.SandboxOpen(t.Context(), b.opening(fmt.Sprint("race", i)))
			require.NoError(t, err)
			results := tally(t, 2, func(ctx context.Context, i int) (string, error) {
				if i == 0 {
					closed, err := b.SandboxClose(ctx, books.Name{Account: "acc", ID: c.ID})
					return string(closed.At(b.clock.Now())), err
				}
				paidNow, err := b.SandboxDecide(ctx, c.ID, paid)
				if payment.ClassOf(err, "") == payment.Conflict {
					return string(books.Closed), nil
				}
				return string(paidNow.At(b.clock.Now())), err
			})
			require.Len(t, results, 1, "both saw the same end: %v", results)
		}
	})
}

func TestSandboxMove(t *testing.T) {
	t.Parallel()
	b := open(t)
	move := func(t *testing.T, o books.Order) books.Move {
		t.Helper()
		m, err := b.SandboxMove(t.Context(), o)
		require.NoError(t, err)
		return m
	}
	t.Run("a move is written once and found with its checkout", func(t *testing.T) {
		c := b.settled("once")
		o := order(c, payment.OpRefund, "once", 230)
		o.Verdict.Slow = true
		m := move(t, o)
		require.Equal(t, books.Move{
			ID: m.ID, PaymentID: c.PaymentID, Reference: "ref-once", Operation: payment.OpRefund, Amount: eur(230),
			Verdict: books.Verdict{Result: books.Success, Slow: true}, SettlesAt: b.clock.Now().Add(5 * time.Second),
		}, m)
		again := move(t, o)
		require.Equal(t, m.ID, again.ID)
		require.Equal(t, m.SettlesAt, again.SettlesAt)
		after, found, err := b.SandboxMoved(t.Context(), books.Name{Account: "acc", PaymentID: c.PaymentID, Reference: "ref-once"})
		require.NoError(t, err)
		require.Equal(t, again, found)
		require.EqualValues(t, 230, after.Refunded)
		_, none, err := b.SandboxMoved(t.Context(), books.Name{Account: "acc", PaymentID: c.PaymentID, Reference: "ref-other"})
		require.NoError(t, err)
		require.Empty(t, none.ID)
		_, _, err = b.SandboxMoved(t.Context(), books.Name{Account: "other", PaymentID: c.PaymentID, Reference: "ref-once"})
		requireClassOf(t, payment.NotFound, err)
	})
	t.Run("the same key with another order is Conflict", func(t *testing.T) {
		c := b.settled("conflict")
		move(t, order(c, payment.OpRefund, "conflict", 1))
		o := order(c, payment.OpRefund, "conflict", 1)
		o.Hash = []byte("other")
		_, err := b.SandboxMove(t.Context(), o)
		requireClassOf(t, payment.Conflict, err)
		o.Key = "another key for the same reference"
		_, err = b.SandboxMove(t.Context(), o)
		requireClassOf(t, payment.Conflict, err)
	})
	t.Run("a refusal keeps its key for ever and is nothing that was done", func(t *testing.T) {
		c := b.settled("refusal", hold)
		o := order(c, payment.OpRefund, "refusal", 1)
		require.Equal(t, books.NotCaptured, move(t, o).Refusal)
		move(t, order(c, payment.OpCapture, "refusal-capture", 1230))
		require.Equal(t, books.NotCaptured, move(t, o).Refusal, "the first answer stands")
		_, none, err := b.SandboxMoved(t.Context(), books.Name{Account: "acc", PaymentID: c.PaymentID, Reference: o.Reference})
		require.NoError(t, err)
		require.Empty(t, none.ID)
	})
	t.Run("a void gives all back and shuts the way to a capture", func(t *testing.T) {
		c := b.settled("void", hold)
		require.Equal(t, eur(1230), move(t, order(c, payment.OpVoid, "void", 1)).Amount)
		require.Equal(t, books.AlreadyVoided, move(t, order(c, payment.OpCapture, "after-void", 1)).Refusal)
		c, err := b.SandboxCheckout(t.Context(), books.Name{Account: "acc", ID: c.ID})
		require.NoError(t, err)
		require.Equal(t, books.Voided, c.At(b.clock.Now()))
	})
	t.Run("unknown money is Invalid, an unknown operation a Bug", func(t *testing.T) {
		_, err := b.SandboxMove(t.Context(), order(books.Checkout{Account: "acc", PaymentID: "sbp_x", Amount: eur(1)}, payment.OpRefund, "x", 1))
		requireClassOf(t, payment.Invalid, err)
		_, err = b.SandboxMove(t.Context(), order(b.settled("gift"), "gift", "gift", 1230))
		requireClassOf(t, payment.Bug, err)
	})
	t.Run("twenty refunds at a time never exceed what was taken", func(t *testing.T) {
		c := b.settled("many")
		results := tally(t, 20, func(ctx context.Context, i int) (string, error) {
			m, err := b.SandboxMove(ctx, order(c, payment.OpRefund, fmt.Sprint("many", i), 300))
			return m.Refusal, err
		})
		require.Equal(t, map[string]int{"": 4, books.TooMuch: 16}, results)
	})
	t.Run("a capture and a void at a time, one wins", func(t *testing.T) {
		c := b.settled("both", hold)
		results := tally(t, 2, func(ctx context.Context, i int) (string, error) {
			op := []payment.Operation{payment.OpCapture, payment.OpVoid}[i]
			m, err := b.SandboxMove(ctx, order(c, op, "both-"+string(op), 1230))
			return fmt.Sprint(m.Refusal == ""), err
		})
		require.Equal(t, map[string]int{"true": 1, "false": 1}, results)
	})
}

func TestSandboxTellsWhatIsCertain(t *testing.T) {
	t.Parallel()
	t.Run("without a database nothing was done", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		b.Close()
		_, err := b.SandboxOpen(t.Context(), b.opening("a"))
		requireClassOf(t, payment.Unavailable, err)
	})
	t.Run("a caller who has gone before has asked for nothing", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := b.SandboxOpen(ctx, b.opening("a"))
		requireClassOf(t, payment.Unavailable, err)
	})
	t.Run("a commit that fails is Unknown", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		// A deferred check runs inside COMMIT: it stands in for any failure there.
		_, err := b.pool.Exec(t.Context(), `
			CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$;
			CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON sandbox_checkouts DEFERRABLE INITIALLY DEFERRED
			FOR EACH ROW EXECUTE FUNCTION refuse()`)
		require.NoError(t, err)
		_, err = b.SandboxOpen(t.Context(), b.opening("a"))
		requireClassOf(t, payment.Unknown, err)
	})
}
