package sandbox_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
	"tillflow/internal/psp/sandbox/books"
)

func TestMagicAmounts(t *testing.T) {
	t.Parallel()
	open, working := stage{status: psp.Open}, stage{status: psp.Processing}
	for name, tc := range map[string]struct {
		minor              int64
		first, then, later stage // at once, after the delay, after twice the delay
	}{
		"101 succeeds": {101, open, stage{status: psp.Succeeded}, stage{status: psp.Succeeded}},
		"102 has insufficient funds": {
			2102, open,
			stage{psp.Declined, payment.InsufficientFunds, "insufficient_funds"},
			stage{psp.Declined, payment.InsufficientFunds, "insufficient_funds"},
		},
		"103 fails its authentication": {
			1103, open,
			stage{psp.Declined, payment.AuthenticationFailed, "authentication_failed"},
			stage{psp.Declined, payment.AuthenticationFailed, "authentication_failed"},
		},
		"104 succeeds later":              {50104, open, working, stage{status: psp.Succeeded}},
		"105 fails later":                 {105, open, working, stage{psp.Declined, payment.DeclinedOther, "delayed_failure"}},
		"106 never answers":               {106, open, working, working},
		"100 and its like wait for ever":  {1100, open, open, open},
		"107 waits for its buyer as well": {107, open, open, open},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			c := b.checkout(payment.Sale, tc.minor)
			b.open(t, c)
			for _, want := range []stage{tc.first, tc.then, tc.later} {
				out := b.look(t, c)
				require.Equal(t, want, stage{out.Status, out.Decline, out.Code})
				if out.Status == psp.Processing {
					require.Positive(t, out.CheckAfter)
				}
				if out.Status == psp.Succeeded {
					require.Equal(t, c.Amount, out.Amount)
				}
				b.advance(delay)
			}
		})
	}
	t.Run("a hint says when to look again", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		c := b.checkout(payment.Sale, 104)
		require.Equal(t, delay, b.open(t, c).CheckAfter)
		b.advance(delay + time.Second)
		require.Equal(t, delay-time.Second, b.look(t, c).CheckAfter)
	})
	t.Run("an authorization of a magic amount is held and can be captured", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		c := b.checkout(payment.Authorization, 101)
		b.open(t, c)
		b.advance(delay)
		held := b.look(t, c)
		require.Equal(t, psp.Authorized, held.Status)
		out, err := b.connector.Capture(t.Context(), b.acc, psp.Move{
			AttemptID: "cap", Key: "k", PaymentRef: held.PaymentRef, Amount: c.Amount,
		})
		require.NoError(t, err)
		require.Equal(t, psp.Succeeded, out.Status)
	})
	t.Run("closed before its result it stays closed", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		c := b.checkout(payment.Sale, 101)
		open := b.open(t, c)
		out, err := b.connector.CloseCheckout(t.Context(), b.acc, psp.Ref{AttemptID: c.AttemptID, Ref: open.Ref})
		require.NoError(t, err)
		require.Equal(t, psp.Closed, out.Status)
		b.advance(time.Hour)
		require.Equal(t, psp.Closed, b.look(t, c).Status)
	})
	t.Run("the buyer cannot choose another result", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		c := b.checkout(payment.Sale, 102)
		open := b.open(t, c)
		require.Equal(t, http.StatusOK, b.press(t, open, "success").StatusCode)
		b.advance(delay)
		require.Equal(t, psp.Declined, b.look(t, c).Status)
	})
	t.Run("a page that would end before its result is Invalid", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		c := b.checkout(payment.Sale, 101)
		c.ExpiresAt = b.clock().Add(delay)
		_, err := b.connector.OpenCheckout(t.Context(), b.acc, c)
		requireClass(t, payment.Invalid, err)
		c.ExpiresAt = b.clock().Add(b.connector.Contract().CheckoutMin)
		b.open(t, c)
	})
	t.Run("the documentation has a line for each", func(t *testing.T) {
		t.Parallel()
		doc, err := os.ReadFile("doc.go")
		require.NoError(t, err)
		for minor := int64(0); minor < 1000; minor++ {
			amount := money.New(minor, "EUR")
			_, magic := books.Magic(amount)
			line := "…" + strings.TrimPrefix(money.New(minor+1000, "EUR").Decimal(), "1")
			line = strings.ReplaceAll(line, ".", "") + "   " + amount.String()
			require.Equal(t, magic, strings.Contains(string(doc), line), line)
		}
	})
}

func TestMagicRefunds(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		minor       int64
		first, last psp.Status
	}{
		"101 is done at once":      {101, psp.Succeeded, psp.Succeeded},
		"102 is done at once":      {102, psp.Succeeded, psp.Succeeded},
		"104 takes its time":       {104, psp.Processing, psp.Succeeded},
		"105 fails after a while":  {105, psp.Processing, psp.Declined},
		"106 stays in processing":  {106, psp.Processing, psp.Processing},
		"others are done at once":  {100, psp.Succeeded, psp.Succeeded},
		"thousands do not matter":  {7104, psp.Processing, psp.Succeeded},
		"another amount is normal": {1042, psp.Succeeded, psp.Succeeded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			paid := b.paid(t, 9000)
			m := psp.Move{AttemptID: "ref", Key: "k", PaymentRef: paid.PaymentRef, Amount: money.New(tc.minor, "EUR")}
			out, err := b.connector.Refund(t.Context(), b.acc, m)
			require.NoError(t, err)
			require.Equal(t, tc.first, out.Status)
			b.advance(delay)
			out, err = b.connector.Inquire(t.Context(), b.acc, psp.Ref{AttemptID: "ref", Operation: payment.OpRefund, PaymentRef: paid.PaymentRef})
			require.NoError(t, err)
			require.Equal(t, tc.last, out.Status)
		})
	}
	t.Run("what failed can be refunded once more", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		paid := b.paid(t, 9000)
		for _, attempt := range []string{"first", "second"} {
			out, err := b.connector.Refund(t.Context(), b.acc, psp.Move{
				AttemptID: attempt, Key: attempt, PaymentRef: paid.PaymentRef, Amount: money.New(8105, "EUR"),
			})
			require.NoError(t, err)
			require.Equal(t, psp.Processing, out.Status)
			b.advance(delay)
		}
	})
}

func TestMagicDoubts(t *testing.T) {
	t.Parallel()
	for op, kind := range map[payment.Operation]payment.Kind{
		payment.OpRefund: payment.Sale, payment.OpCapture: payment.Authorization, payment.OpVoid: payment.Authorization,
	} {
		for minor, answered := range map[int64]bool{107: true, 2108: false} {
			t.Run(fmt.Sprintf("a %s of %d is done, and its answer lost", op, minor), func(t *testing.T) {
				t.Parallel()
				b := setup(t)
				c := b.checkout(kind, 9000)
				require.Equal(t, http.StatusSeeOther, b.press(t, b.open(t, c), "success").StatusCode)
				m := psp.Move{AttemptID: "move", Key: "k", PaymentRef: b.look(t, c).PaymentRef, Amount: money.New(minor, "EUR")}
				send := map[payment.Operation]func(context.Context, psp.Account, psp.Move) (psp.Outcome, error){
					payment.OpRefund: b.connector.Refund, payment.OpCapture: b.connector.Capture, payment.OpVoid: b.connector.Void,
				}[op]
				for range 2 {
					_, err := send(t.Context(), b.acc, m)
					requireClass(t, payment.Unknown, err)
				}
				ref := psp.Ref{AttemptID: "move", Operation: op, PaymentRef: m.PaymentRef, Amount: m.Amount, FirstSent: b.clock()}
				_, err := b.connector.Inquire(t.Context(), b.acc, ref)
				requireClass(t, payment.Unavailable, err)
				b.advance(delay)
				out, err := b.connector.Inquire(t.Context(), b.acc, ref)
				if !answered {
					requireClass(t, payment.Unavailable, err)
					return
				}
				require.NoError(t, err)
				require.Equal(t, psp.Succeeded, out.Status)
			})
		}
	}
	t.Run("the documentation has a line for each", func(t *testing.T) {
		t.Parallel()
		doc, err := os.ReadFile("doc.go")
		require.NoError(t, err)
		for minor := int64(0); minor < 1000; minor++ {
			doubt := books.MagicDoubt(money.New(minor, "EUR")) != books.NoDoubt
			require.Equal(t, doubt, strings.Contains(string(doc), fmt.Sprintf("…%03d   it is done", minor)), minor)
		}
	})
}
