package sandbox_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
	"tillflow/internal/psp/sandbox/books"
)

// kept pays a checkout that keeps its card, by a button of its page.
func (b *bench) kept(t *testing.T, choice string) psp.Method {
	t.Helper()
	c := b.checkout(payment.Sale, 9000)
	c.Remember = true
	require.Equal(t, http.StatusSeeOther, b.press(t, b.open(t, c), choice).StatusCode)
	m, err := b.connector.MethodOf(t.Context(), b.acc, b.look(t, c).PaymentRef)
	require.NoError(t, err)
	return m
}

// charges charges a kept card, each time under a name of its own.
func (b *bench) charges(t *testing.T, m psp.Method, name string, minor int64) (psp.Outcome, error) {
	t.Helper()
	return b.connector.ChargeMethod(t.Context(), b.acc, psp.Recurring{
		AttemptID: name, Key: "k-" + name, Customer: m.Customer, Method: m.Ref, Amount: money.New(minor, "EUR"),
	})
}

func TestWhatTheBankOfAKeptCardSays(t *testing.T) {
	t.Parallel()
	for choice, want := range map[string][]payment.DeclineReason{
		"success":              {"", ""},
		"authenticated":        {"", ""},
		"later_funds":          {payment.InsufficientFunds, payment.InsufficientFunds, "", ""},
		"later_generic":        {payment.DeclinedOther, payment.DeclinedOther, "", ""},
		"later_expired":        {payment.ExpiredCard, payment.ExpiredCard, payment.ExpiredCard},
		"later_authentication": {payment.AuthenticationFailed, payment.AuthenticationFailed, payment.AuthenticationFailed},
		"later_stolen":         {payment.LostOrStolen, payment.LostOrStolen, payment.LostOrStolen},
		"later_revoked":        {payment.Cancelled, payment.Cancelled, payment.Cancelled},
	} {
		t.Run(choice, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			m := b.kept(t, choice)
			for i, reason := range want {
				name := fmt.Sprintf("%s-%s-%d", b.acc.ID, choice, i)
				for range 2 { // a repeat brings the same answer, and uses up no decline
					out, err := b.charges(t, m, name, 1230)
					require.NoError(t, err)
					require.Equal(t, reason, out.Decline)
					require.Equal(t, reason == "", out.Status == psp.Succeeded)
				}
			}
		})
	}
	t.Run("a checkout of a magic amount keeps a card that pays", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		c := b.checkout(payment.Sale, 1101)
		c.Remember = true
		b.open(t, c)
		b.advance(delay)
		m, err := b.connector.MethodOf(t.Context(), b.acc, b.look(t, c).PaymentRef)
		require.NoError(t, err)
		out, err := b.charges(t, m, b.acc.ID, 1230)
		require.NoError(t, err)
		require.Equal(t, psp.Succeeded, out.Status)
	})
	t.Run("an authorization keeps no card", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		c := b.checkout(payment.Authorization, 9000)
		c.Remember = true
		require.Equal(t, http.StatusSeeOther, b.press(t, b.open(t, c), "success").StatusCode)
		_, err := b.connector.MethodOf(t.Context(), b.acc, b.look(t, c).PaymentRef)
		requireClass(t, payment.NotFound, err)
	})
}

func TestMagicCharges(t *testing.T) {
	t.Parallel()
	for minor, want := range map[int64]stage{
		111:   {psp.Declined, payment.DeclinedOther, "generic_decline"},
		1112:  {psp.Declined, payment.InsufficientFunds, "insufficient_funds"},
		2113:  {psp.Declined, payment.LostOrStolen, "stolen_card"},
		114:   {psp.Declined, payment.ExpiredCard, "expired_card"},
		50115: {psp.Declined, payment.AuthenticationFailed, "authentication_required"},
		101:   {status: psp.Succeeded},
		104:   {status: psp.Processing},
		105:   {status: psp.Processing},
		106:   {status: psp.Processing},
		1230:  {status: psp.Succeeded},
	} {
		t.Run(fmt.Sprintf("%d is %s", minor, want.status), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			out, err := b.charges(t, b.kept(t, "success"), "att", minor)
			require.NoError(t, err)
			require.Equal(t, want, stage{out.Status, out.Decline, out.Code})
		})
	}
	for minor, answered := range map[int64]bool{107: true, 2108: false} {
		t.Run(fmt.Sprintf("%d is done, and its answer lost", minor), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			m := b.kept(t, "success")
			for range 2 {
				_, err := b.charges(t, m, "att", minor)
				requireClass(t, payment.Unknown, err)
			}
			ref := psp.Ref{
				AttemptID: "att", Operation: payment.OpCharge, Kind: payment.Sale, Customer: m.Customer, Amount: money.New(minor, "EUR"),
				FirstSent: b.clock(),
			}
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
	t.Run("the documentation has a line for each", func(t *testing.T) {
		t.Parallel()
		doc, err := os.ReadFile("doc.go")
		require.NoError(t, err)
		for minor := int64(0); minor < 1000; minor++ {
			_, magic := books.MagicCharge(money.New(minor, "EUR"))
			_, shared := books.Magic(money.New(minor, "EUR"))
			require.Equal(t, magic && !shared, strings.Contains(string(doc), fmt.Sprintf("…%03d   the charge", minor)), minor)
		}
	})
}
