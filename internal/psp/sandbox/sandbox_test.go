package sandbox_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
	"tillflow/internal/psp/psptest"
	"tillflow/internal/psp/sandbox"
	"tillflow/internal/psp/sandbox/books"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	psptest.Run(t, func(t *testing.T) psptest.Target { return setup(t).target(t) })
}

// checkout is a request of the given amount; minor tells one from the other.
func (b *bench) checkout(kind payment.Kind, minor int64) psp.Checkout {
	id := "att-" + money.New(minor, "EUR").Decimal()
	return psp.Checkout{
		AttemptID: id, Key: "tf:" + id, Kind: kind, Amount: money.New(minor, "EUR"), Description: "Order 1001",
		ReturnURL: publicURL + "/return/token", CancelURL: publicURL + "/pay/token", ExpiresAt: b.clock().Add(time.Hour),
	}
}

func (b *bench) open(t *testing.T, c psp.Checkout) psp.Outcome {
	t.Helper()
	out, err := b.connector.OpenCheckout(t.Context(), b.acc, c)
	require.NoError(t, err)
	require.Equal(t, psp.Open, out.Status)
	return out
}

func (b *bench) look(t *testing.T, c psp.Checkout) psp.Outcome {
	t.Helper()
	out, err := b.connector.Inquire(t.Context(), b.acc, psp.Ref{AttemptID: c.AttemptID, Operation: payment.OpCharge, Kind: c.Kind})
	require.NoError(t, err)
	return out
}

func requireClass(t *testing.T, want payment.Class, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want, payment.ClassOf(err, "unclassified"), err.Error())
}

// stage is what a checkout looks like at one moment.
type stage struct {
	status  psp.Status
	decline payment.DeclineReason
	code    string
}

// paid is a sale that its buyer paid; the amount must not be magic.
func (b *bench) paid(t *testing.T, minor int64) psp.Outcome {
	t.Helper()
	c := b.checkout(payment.Sale, minor)
	require.Equal(t, http.StatusSeeOther, b.press(t, b.open(t, c), "success").StatusCode)
	out := b.look(t, c)
	require.Equal(t, psp.Succeeded, out.Status)
	return out
}

func TestEveryChoiceOfThePage(t *testing.T) {
	t.Parallel()
	for choice, want := range map[string]stage{
		"success":               {status: psp.Succeeded},
		"authenticated":         {status: psp.Succeeded},
		"authentication_failed": {psp.Open, payment.AuthenticationFailed, "authentication_failed"},
		"insufficient_funds":    {psp.Open, payment.InsufficientFunds, "insufficient_funds"},
		"expired_card":          {psp.Open, payment.ExpiredCard, "expired_card"},
		"incorrect_cvc":         {psp.Open, payment.IncorrectCVC, "incorrect_cvc"},
		"incorrect_number":      {psp.Open, payment.IncorrectNumber, "incorrect_number"},
		"stolen_card":           {psp.Open, payment.LostOrStolen, "stolen_card"},
		"fraudulent":            {psp.Open, payment.Fraud, "fraudulent"},
		"processing_error":      {psp.Open, payment.ProcessingError, "processing_error"},
		"generic_decline":       {psp.Open, payment.DeclinedOther, "generic_decline"},
		"delayed_success":       {status: psp.Processing},
		"delayed_failure":       {status: psp.Processing},
		"never":                 {status: psp.Processing},
		"leave":                 {status: psp.Open},
	} {
		t.Run(choice, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			c := b.checkout(payment.Sale, 1230)
			answer := b.press(t, b.open(t, c), choice)
			require.Equal(t, http.StatusSeeOther, answer.StatusCode)
			out := b.look(t, c)
			require.Equal(t, want, stage{out.Status, out.Decline, out.Code})
		})
	}
	t.Run("a refusal is forgotten when the buyer pays", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		c := b.checkout(payment.Authorization, 1230)
		open := b.open(t, c)
		b.press(t, open, "expired_card")
		b.press(t, open, "success")
		out := b.look(t, c)
		require.Equal(t, stage{status: psp.Authorized}, stage{out.Status, out.Decline, out.Code})
	})
	t.Run("the first choice stands", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		c := b.checkout(payment.Sale, 1230)
		open := b.open(t, c)
		b.press(t, open, "never")
		require.Equal(t, http.StatusGone, b.press(t, open, "success").StatusCode)
		require.Equal(t, psp.Processing, b.look(t, c).Status)
	})
	t.Run("nothing is paid on a page whose time is over", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		c := b.checkout(payment.Sale, 1230)
		open := b.open(t, c)
		b.advance(time.Hour)
		require.Equal(t, http.StatusGone, b.press(t, open, "success").StatusCode)
		require.Equal(t, psp.Closed, b.look(t, c).Status)
	})
}

func TestHoldsEnd(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.checkout(payment.Authorization, 1230)
	b.press(t, b.open(t, c), "success")
	held := b.look(t, c)
	require.Equal(t, b.clock().Add(books.HoldLimit), held.ExpiresAt)
	b.advance(books.HoldLimit)

	out := b.look(t, c)
	require.Equal(t, stage{psp.Declined, payment.TimedOut, payment.CodeAuthorizationExpired}, stage{out.Status, out.Decline, out.Code})
	m := psp.Move{AttemptID: "cap", Key: "cap", PaymentRef: held.PaymentRef, Amount: c.Amount}
	out, err := b.connector.Capture(t.Context(), b.acc, m)
	require.NoError(t, err)
	require.Equal(t, stage{psp.Declined, payment.TimedOut, payment.CodeAuthorizationExpired}, stage{out.Status, out.Decline, out.Code})
	m.AttemptID, m.Key = "void", "void"
	out, err = b.connector.Void(t.Context(), b.acc, m)
	require.NoError(t, err)
	require.Equal(t, psp.Succeeded, out.Status, "the buyer has the money either way")
}

func TestRefusesWhatItMustNotServe(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.checkout(payment.Sale, 1230)
	ref := psp.Ref{AttemptID: c.AttemptID, Operation: payment.OpCharge}
	m := psp.Move{AttemptID: "m", Key: "m", PaymentRef: "sbp_x", Amount: c.Amount}
	calls := map[string]func(ctx context.Context, acc psp.Account) error{
		"open": func(ctx context.Context, acc psp.Account) error {
			_, err := b.connector.OpenCheckout(ctx, acc, c)
			return err
		},
		"close": func(ctx context.Context, acc psp.Account) error {
			_, err := b.connector.CloseCheckout(ctx, acc, ref)
			return err
		},
		"inquire": func(ctx context.Context, acc psp.Account) error {
			_, err := b.connector.Inquire(ctx, acc, ref)
			return err
		},
		"capture": func(ctx context.Context, acc psp.Account) error {
			_, err := b.connector.Capture(ctx, acc, m)
			return err
		},
		"void": func(ctx context.Context, acc psp.Account) error { _, err := b.connector.Void(ctx, acc, m); return err },
		"refund": func(ctx context.Context, acc psp.Account) error {
			_, err := b.connector.Refund(ctx, acc, m)
			return err
		},
	}
	for name, call := range calls {
		t.Run(name+" for a live account is Unsupported", func(t *testing.T) {
			acc := b.acc
			acc.Live = true
			requireClass(t, payment.Unsupported, call(t.Context(), acc))
		})
		t.Run(name+" with another key is Unauthorized", func(t *testing.T) {
			acc := b.acc
			acc.Credentials = psp.Credentials{"key": "sk_live_1"}
			requireClass(t, payment.Unauthorized, call(t.Context(), acc))
		})
		t.Run(name+" without the account's id is a Bug", func(t *testing.T) {
			requireClass(t, payment.Bug, call(t.Context(), psp.Account{}))
		})
	}
	t.Run("an account without credentials is served", func(t *testing.T) {
		acc := b.acc
		acc.Credentials = nil
		require.NoError(t, b.connector.VerifyAccount(t.Context(), acc))
		require.NoError(t, calls["open"](t.Context(), acc))
	})
	t.Run("another account's checkout is not found", func(t *testing.T) {
		requireClass(t, payment.NotFound, calls["inquire"](t.Context(), psp.Account{ID: "other"}))
	})
	require.Empty(t, b.books(t)["m"])
}

func TestRefusesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	long := strings.Repeat("k", 256)
	for name, tc := range map[string]struct {
		change func(*psp.Checkout)
		want   payment.Class
	}{
		"no attempt":        {func(c *psp.Checkout) { c.AttemptID = "" }, payment.Bug},
		"a long key":        {func(c *psp.Checkout) { c.Key = long }, payment.Bug},
		"no kind":           {func(c *psp.Checkout) { c.Kind = "" }, payment.Bug},
		"no amount":         {func(c *psp.Checkout) { c.Amount.Minor = 0 }, payment.Invalid},
		"no currency":       {func(c *psp.Checkout) { c.Amount.Currency = "EURO" }, payment.Invalid},
		"no way back":       {func(c *psp.Checkout) { c.ReturnURL = "" }, payment.Invalid},
		"a script for back": {func(c *psp.Checkout) { c.CancelURL = "javascript:alert(1)" }, payment.Invalid},
		"an end in the past": {
			func(c *psp.Checkout) { c.ExpiresAt = b.clock().Add(-time.Second) }, payment.Invalid,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := b.checkout(payment.Sale, 1230)
			tc.change(&c)
			_, err := b.connector.OpenCheckout(t.Context(), b.acc, c)
			requireClass(t, tc.want, err)
			require.Empty(t, b.books(t))
		})
	}
	t.Run("a checkout without an end lives as long as the contract allows", func(t *testing.T) {
		c := b.checkout(payment.Sale, 1230)
		c.ExpiresAt = time.Time{}
		require.Equal(t, b.clock().Add(b.connector.Contract().CheckoutMax), b.open(t, c).ExpiresAt)
	})
	for name, m := range map[string]psp.Move{
		"a move without a payment": {AttemptID: "m", Key: "m", Amount: money.New(1, "EUR")},
		"a move of nothing":        {AttemptID: "m", Key: "m", PaymentRef: "sbp_x"},
		"a move without a key":     {AttemptID: "m", PaymentRef: "sbp_x", Amount: money.New(1, "EUR")},
	} {
		t.Run(name+" is a Bug", func(t *testing.T) {
			_, err := b.connector.Refund(t.Context(), b.acc, m)
			requireClass(t, payment.Bug, err)
		})
	}
	t.Run("an unknown payment is Invalid", func(t *testing.T) {
		_, err := b.connector.Refund(t.Context(), b.acc, psp.Move{AttemptID: "m", Key: "m", PaymentRef: "sbp_x", Amount: money.New(1, "EUR")})
		requireClass(t, payment.Invalid, err)
	})
}

func TestLookUpsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.checkout(payment.Sale, 1230)
	b.press(t, b.open(t, c), "success")
	paid := b.look(t, c)
	refund := psp.Move{AttemptID: "ref", Key: "ref", PaymentRef: paid.PaymentRef, Amount: money.New(30, "EUR")}
	_, err := b.connector.Refund(t.Context(), b.acc, refund)
	require.NoError(t, err)
	for name, ref := range map[string]psp.Ref{
		"no attempt":                           {Operation: payment.OpCharge},
		"no payment of a refund":               {AttemptID: "ref", Operation: payment.OpRefund},
		"a refund as a capture":                {AttemptID: "ref", Operation: payment.OpCapture, PaymentRef: paid.PaymentRef},
		"another attempt's checkout":           {AttemptID: "other", Operation: payment.OpCharge, Ref: paid.Ref},
		"an id that the sandbox gave and lost": {AttemptID: c.AttemptID, Operation: payment.OpCharge, Ref: "sbc_lost"},
		"a payment that it gave and lost":      {AttemptID: "ref", Operation: payment.OpRefund, PaymentRef: "sbp_lost"},
	} {
		t.Run(name+" is a Bug", func(t *testing.T) {
			_, err := b.connector.Inquire(t.Context(), b.acc, ref)
			requireClass(t, payment.Bug, err)
		})
	}
	t.Run("a checkout is found by its payment", func(t *testing.T) {
		out, err := b.connector.Inquire(t.Context(), b.acc, psp.Ref{
			AttemptID: c.AttemptID, Operation: payment.OpCharge, PaymentRef: paid.PaymentRef,
		})
		require.NoError(t, err)
		require.Equal(t, paid.Ref, out.Ref)
	})
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	c := sandbox.New(sandbox.Options{PublicURL: publicURL})
	require.Equal(t, 5*time.Second+time.Minute, c.Contract().CheckoutMin)
	require.Equal(t, "sandbox", c.Name())
	require.True(t, psp.Covers(c, payment.Authorization))
}
