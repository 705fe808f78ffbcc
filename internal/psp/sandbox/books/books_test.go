package books_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/psp/sandbox/books"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// checkout ends an hour after noon; change makes it another one.
func checkout(change func(*books.Checkout)) books.Checkout {
	c := books.Checkout{Kind: payment.Sale, Amount: money.New(1000, "EUR"), ExpiresAt: noon.Add(time.Hour)}
	if change != nil {
		change(&c)
	}
	return c
}

// decided at ten past, counting from a quarter past noon.
func decided(r books.Result) func(*books.Checkout) {
	return func(c *books.Checkout) {
		c.Verdict.Result, c.DecidedAt = r, noon.Add(10*time.Minute)
		if r != books.Never {
			c.SettlesAt = noon.Add(15 * time.Minute)
		}
		if r == books.Success {
			c.Captured = c.Amount.Minor
		}
	}
}

func held(c *books.Checkout) {
	decided(books.Success)(c)
	c.Kind, c.Captured = payment.Authorization, 0
}

func closed(after func(*books.Checkout)) func(*books.Checkout) {
	return func(c *books.Checkout) {
		if after != nil {
			after(c)
		}
		c.ClosedAt = noon
	}
}

func voided(c *books.Checkout) {
	held(c)
	c.VoidedAt = noon.Add(20 * time.Minute)
}

// inPart is a hold of which a capture took 400.
func inPart(c *books.Checkout) {
	held(c)
	c.Captured = 400
}

func inPartThenVoided(c *books.Checkout) {
	voided(c)
	c.Captured = 400
}

func captured(c *books.Checkout) {
	held(c)
	c.Captured = c.Amount.Minor
}

func TestACheckoutIsWhatItsTimesSay(t *testing.T) {
	t.Parallel()
	const minute = time.Minute
	for name, tc := range map[string]struct {
		change func(*books.Checkout)
		after  time.Duration // of noon
		want   books.State
	}{
		"undecided":                          {nil, 0, books.Open},
		"undecided, last moment":             {nil, time.Hour - 1, books.Open},
		"undecided, its time is over":        {nil, time.Hour, books.Closed},
		"closed by its owner":                {closed(nil), 0, books.Closed},
		"closed before its magic result":     {closed(decided(books.Success)), 20 * minute, books.Closed},
		"magic, before it decides":           {decided(books.Success), 10*minute - 1, books.Open},
		"success, not yet counting":          {decided(books.Success), 10 * minute, books.Processing},
		"success, last moment before":        {decided(books.Success), 15*minute - 1, books.Processing},
		"success":                            {decided(books.Success), 15 * minute, books.Taken},
		"success, long after its page":       {decided(books.Success), 1000 * time.Hour, books.Taken},
		"failure, not yet counting":          {decided(books.Failure), 10 * minute, books.Processing},
		"failure":                            {decided(books.Failure), 15 * minute, books.Declined},
		"never":                              {decided(books.Never), 1000 * time.Hour, books.Processing},
		"hold":                               {held, 15 * minute, books.Held},
		"hold, last moment":                  {held, 15*minute + books.HoldLimit - 1, books.Held},
		"hold that nobody captured":          {held, 15*minute + books.HoldLimit, books.Lapsed},
		"hold that was given back":           {voided, 20 * minute, books.Voided},
		"hold that was given back, later":    {voided, 15*minute + books.HoldLimit, books.Voided},
		"hold that is still being worked on": {held, 12 * minute, books.Processing},
		"hold that was captured":             {captured, 20 * minute, books.Taken},
		"hold captured in part":              {inPart, 20 * minute, books.Held},
		"hold captured in part, its end":     {inPart, 15*minute + books.HoldLimit, books.Taken},
		"hold captured in part, then voided": {inPartThenVoided, 20 * minute, books.Taken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.want, checkout(tc.change).At(noon.Add(tc.after)))
		})
	}
}

func TestWhatMoneyAllows(t *testing.T) {
	t.Parallel()
	refunded := func(c *books.Checkout) { decided(books.Success)(c); c.Refunded = 400 }
	const later = 30 * time.Minute
	for name, tc := range map[string]struct {
		change    func(*books.Checkout)
		operation payment.Operation
		amount    money.Amount
		after     time.Duration
		want      string
	}{
		"capture of an unpaid page":           {nil, payment.OpCapture, money.New(1, "EUR"), 0, books.NotPaid},
		"refund before it counts":             {decided(books.Success), payment.OpRefund, money.New(1, "EUR"), 12 * time.Minute, books.NotPaid},
		"refund of a failure":                 {decided(books.Failure), payment.OpRefund, money.New(1, "EUR"), later, books.NotPaid},
		"refund of a closed page":             {closed(decided(books.Success)), payment.OpRefund, money.New(1, "EUR"), later, books.NotPaid},
		"capture of all":                      {held, payment.OpCapture, money.New(1000, "EUR"), later, ""},
		"capture of more":                     {held, payment.OpCapture, money.New(1001, "EUR"), later, books.TooMuch},
		"capture in another currency":         {held, payment.OpCapture, money.New(1000, "USD"), later, books.OtherCurrency},
		"capture of a sale":                   {decided(books.Success), payment.OpCapture, money.New(1, "EUR"), later, books.AlreadyCaptured},
		"capture of what was given back":      {voided, payment.OpCapture, money.New(1, "EUR"), later, books.AlreadyVoided},
		"capture of a lapsed hold":            {held, payment.OpCapture, money.New(1, "EUR"), books.HoldLimit + later, books.HoldExpired},
		"void of a hold, whatever the amount": {held, payment.OpVoid, money.New(5000, "EUR"), later, ""},
		"void of a lapsed hold":               {held, payment.OpVoid, money.New(1000, "EUR"), books.HoldLimit + later, ""},
		"void of a sale":                      {decided(books.Success), payment.OpVoid, money.New(1000, "EUR"), later, books.AlreadyCaptured},
		"void for the second time":            {voided, payment.OpVoid, money.New(1000, "EUR"), later, books.AlreadyVoided},
		"refund of all":                       {decided(books.Success), payment.OpRefund, money.New(1000, "EUR"), later, ""},
		"refund of the rest":                  {refunded, payment.OpRefund, money.New(600, "EUR"), later, ""},
		"refund of more than the rest":        {refunded, payment.OpRefund, money.New(601, "EUR"), later, books.TooMuch},
		"capture of the rest":                 {inPart, payment.OpCapture, money.New(600, "EUR"), later, ""},
		"capture of more than the rest":       {inPart, payment.OpCapture, money.New(601, "EUR"), later, books.TooMuch},
		"capture of a rest that lapsed":       {inPart, payment.OpCapture, money.New(1, "EUR"), books.HoldLimit + later, books.HoldExpired},
		"capture of a rest that was voided":   {inPartThenVoided, payment.OpCapture, money.New(1, "EUR"), later, books.AlreadyVoided},
		"capture of nothing that is left":     {captured, payment.OpCapture, money.New(1, "EUR"), later, books.AlreadyCaptured},
		"void of the rest":                    {inPart, payment.OpVoid, money.Amount{}, later, ""},
		"void of a rest that was voided":      {inPartThenVoided, payment.OpVoid, money.New(600, "EUR"), later, books.AlreadyCaptured},
		"refund of a part while some is held": {inPart, payment.OpRefund, money.New(400, "EUR"), later, ""},
		"refund of what is only held":         {inPart, payment.OpRefund, money.New(401, "EUR"), later, books.TooMuch},
		"refund of a hold":                    {held, payment.OpRefund, money.New(1, "EUR"), later, books.NotCaptured},
		"refund of a lapsed hold":             {held, payment.OpRefund, money.New(1, "EUR"), books.HoldLimit + later, books.NotCaptured},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := checkout(tc.change).Refuses(books.Order{Operation: tc.operation, Amount: tc.amount}, noon.Add(tc.after))
			require.Equal(t, tc.want, got)
		})
	}
}

func TestAMoveCountsFromItsMoment(t *testing.T) {
	t.Parallel()
	m := books.Move{Verdict: books.Verdict{Result: books.Success}, SettlesAt: noon}
	require.True(t, m.Pending(noon.Add(-1)))
	require.False(t, m.Pending(noon))
	m.Verdict.Result, m.SettlesAt = books.Never, time.Time{}
	require.True(t, m.Pending(noon.Add(1000*time.Hour)))
}
