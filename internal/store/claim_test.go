package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/payment"
)

func TestClaimRefund(t *testing.T) {
	t.Parallel()
	t.Run("a refund is claimed, sent, done and told", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, charge := b.sale()
		m := b.refund(s, 4000)
		v := b.stands(m)
		require.Equal(t, payment.MoveView{
			OperationID: m.ID, PaymentID: s.ID, Shop: shop, Kind: payment.OpRefund, Session: true, Amount: eur(4000), Provider: "psp",
		}, v)
		v = b.claimed(m)
		require.Equal(t, payment.Undecided, v.Final)
		require.Equal(t, v, b.claimed(m), "a repeat changes nothing")
		send := b.sent(m)
		require.Equal(t, "tf:"+s.ID+":refund:1", send.Key)
		require.Equal(t, eur(4000), send.Amount)
		require.Equal(t, "pi_"+charge.Attempt.ID, send.Attempt.PaymentRef)
		require.Equal(t, payment.OpRefund, send.Attempt.Operation)
		b.find(send, payment.Done, named(send))
		v = b.stands(m)
		require.True(t, v.Done)
		require.Equal(t, payment.Resolve, v.Final)
		require.False(t, v.Closed, "the shop does not know yet")
		require.Equal(t, payment.PartiallyRefunded, b.view(s).State)
		require.Equal(t, map[string]int64{"provider": 6000, "merchant": -6000}, b.books())
		require.True(t, b.moveTold(m, "").Closed)
		b.through(b.refund(s, 6000))
		require.Equal(t, payment.Refunded, b.view(s).State)
		require.Empty(t, b.books())
		require.Contains(t, b.what(s), "refund asked>open")
		require.Contains(t, b.what(s), "refund open>done")
	})
	t.Run("two concurrent refunds of 60 on 100 claim once", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, _ := b.sale()
		moves := []payment.MoveSession{b.refund(s, 6000), b.refund(s, 6000)}
		views := make([]payment.MoveView, 2)
		atOnce(t, 2, func(ctx context.Context, i int) (err error) {
			views[i], err = b.ClaimMove(ctx, moves[i].ID)
			return err
		})
		require.NotEqual(t, views[0].Claimed, views[1].Claimed)
		for _, v := range views {
			if !v.Claimed {
				require.Equal(t, payment.RefusedTooLarge, v.Refusal)
			}
		}
		requireSums(t, t.Context(), b.pool)
	})
	t.Run("a payment that is still in doubt makes the refund wait for evidence", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept(hundred)
		send := b.begin(s)
		require.NoError(t, b.Doubt(t.Context(), send.Attempt.ID, "Unknown"))
		m := b.refund(s, 1000)
		require.True(t, b.claim(m).Waits)
		require.Equal(t, payment.Undecided, b.stands(m).Final)
		b.find(send, payment.Done)
		require.False(t, b.stands(m).Waits)
		b.claimed(m)
	})
}

// TestTwoHundredClaims is the guard under pressure: 200 sessions of 1.00 on
// 100.00, and refunds made elsewhere in between.
func TestTwoHundredClaims(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s, charge := b.sale()
	moves := make([]payment.MoveSession, 200)
	for i := range moves {
		moves[i] = b.refund(s, 100)
	}
	atOnce(t, 210, func(ctx context.Context, i int) error {
		if i >= 200 {
			_, err := b.StoreEvent(ctx, b.awayEvent(fmt.Sprintf("evt_%d", i), charge, awayRefund(fmt.Sprintf("re_away_%d", i), payment.Done, 100)))
			return err
		}
		_, err := b.ClaimMove(ctx, moves[i].ID)
		return err
	})
	claimed := b.count(`SELECT count(*) FROM operations WHERE kind = 'refund' AND origin = 'ours'`)
	require.Equal(t, 10, b.count(`SELECT count(*) FROM operations WHERE kind = 'refund' AND origin = 'elsewhere'`))
	require.Equal(t, 200-claimed, b.count(`SELECT count(*) FROM move_sessions WHERE final = 'reject' AND final_reason = 'too_large'`))
	require.Equal(t, claimed, b.count(`SELECT count(*) FROM move_sessions WHERE final = ''`), "every session is claimed or answered")
	// What elsewhere took after the last claim is more than is left: the claims
	// that were not sent yet give way, and then all is exact.
	require.GreaterOrEqual(t, claimed, 90)
	require.LessOrEqual(t, claimed, 100)
	for _, m := range moves {
		if !b.stands(m).Claimed {
			continue
		}
		send, err := b.BeginMove(t.Context(), m.ID)
		require.NoError(t, err)
		if !send.Nothing {
			b.find(send, payment.Done, named(send))
		}
	}
	requireSums(t, t.Context(), b.pool)
	require.Equal(t, 90, b.count(`SELECT count(*) FROM operations WHERE kind = 'refund' AND origin = 'ours' AND state = 'done'`))
	require.Equal(t, 110, b.count(`SELECT count(*) FROM move_sessions WHERE final = 'reject'`))
	require.Empty(t, b.books())
	require.Equal(t, payment.Refunded, b.view(s).State)
}

func TestClaimRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	sale, _ := b.sale()
	held, _ := b.hold()
	rejected := b.accept(hundred)
	b.reject(rejected)
	for rule, c := range map[string]struct {
		of     payment.Session
		kind   payment.Operation
		amount money.Amount
		change func(*payment.MoveSession)
		why    payment.Refusal
	}{
		"an unknown payment":           {sale, payment.OpRefund, eur(1), func(m *payment.MoveSession) { m.PaymentRef = "nobody" }, payment.RefusedUnknownPayment},
		"another source's payment":     {sale, payment.OpRefund, eur(1), func(m *payment.MoveSession) { m.Source = payment.SourceAPI }, payment.RefusedUnknownPayment},
		"a payment of the other mode":  {sale, payment.OpRefund, eur(1), func(m *payment.MoveSession) { m.Test = true }, payment.RefusedUnknownPayment},
		"a void of the other mode":     {held, payment.OpVoid, money.Amount{}, func(m *payment.MoveSession) { m.Test = true }, payment.RefusedUnknownPayment},
		"a rejected payment":           {rejected, payment.OpRefund, eur(1), nil, payment.RefusedNotPaid},
		"a rejected payment's capture": {rejected, payment.OpCapture, eur(1), nil, payment.RefusedNotPaid},
		"a hold's refund":              {held, payment.OpRefund, eur(1), nil, payment.RefusedNotPaid},
		"a sale's capture":             {sale, payment.OpCapture, eur(1), nil, payment.RefusedNotHeld},
		"a sale's void":                {sale, payment.OpVoid, money.Amount{}, nil, payment.RefusedNotHeld},
		"a refund of nothing":          {sale, payment.OpRefund, eur(0), nil, payment.RefusedZeroAmount},
		"a capture of nothing":         {held, payment.OpCapture, eur(0), nil, payment.RefusedZeroAmount},
		"a refund in other money":      {sale, payment.OpRefund, money.New(1, "USD"), nil, payment.RefusedOtherCurrency},
		"a capture in other money":     {held, payment.OpCapture, money.New(1, "USD"), nil, payment.RefusedOtherCurrency},
		"a refund of too much":         {sale, payment.OpRefund, eur(10001), nil, payment.RefusedTooLarge},
		"a capture of too much":        {held, payment.OpCapture, eur(10001), nil, payment.RefusedTooLarge},
	} {
		t.Run(rule+" is answered no, and nothing moves", func(t *testing.T) {
			change := func(*payment.MoveSession) {}
			if c.change != nil {
				change = c.change
			}
			before := b.balances()
			m := b.asked(c.of, c.kind, c.amount, change)
			b.refusedFor(m, c.why)
			send, err := b.BeginMove(t.Context(), m.ID)
			requireClass(t, payment.NotFound, "", err)
			require.True(t, send.Nothing)
			require.Equal(t, before, b.balances())
			telling, err := b.LoadMoveTelling(t.Context(), m.ID)
			require.NoError(t, err)
			require.Equal(t, c.why, telling.Refusal)
		})
	}
}

func TestClaimCapture(t *testing.T) {
	t.Parallel()
	t.Run("a hold is captured in parts until nothing is left", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, charge := b.hold()
		first, second := b.capture(s, 6000), b.capture(s, 4000)
		b.claimed(first)
		require.True(t, b.claim(second).Waits, "the first may fail: its end says what is left")
		b.refusedFor(b.capture(s, 10001), payment.RefusedTooLarge)
		send := b.sent(first)
		require.Equal(t, "pi_"+charge.Attempt.ID, send.Attempt.PaymentRef)
		b.find(send, payment.Done, amount(eur(6000)))
		require.Equal(t, payment.Captured, b.view(s).State)
		require.Equal(t, map[string]int64{"provider": 6000, "merchant": -6000, "held": 4000}, b.books())
		b.refusedFor(b.capture(s, 4001), payment.RefusedTooLarge)
		b.through(second)
		require.Equal(t, map[string]int64{"provider": 10000, "merchant": -10000}, b.books())
		b.refusedFor(b.capture(s, 1), payment.RefusedNotHeld)
		b.refusedFor(b.void(s), payment.RefusedNotHeld)
		requireSums(t, t.Context(), b.pool)
	})
	t.Run("a second capture while the first is unknown waits for its evidence", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, _ := b.hold()
		first, second := b.capture(s, 10000), b.capture(s, 10000)
		b.claimed(first)
		send := b.sent(first)
		require.NoError(t, b.Doubt(t.Context(), send.Attempt.ID, "Unknown"))
		require.True(t, b.claim(second).Waits)
		b.find(send, payment.Declined)
		require.Equal(t, payment.RefusedByProvider, b.stands(first).Refusal)
		b.through(second)
	})
	t.Run("a provider that captures once is not asked twice", func(t *testing.T) {
		t.Parallel()
		b := setup(t).on(payment.HoldTerms{Once: true})
		s, _ := b.hold()
		b.through(b.capture(s, 6000))
		b.refusedFor(b.capture(s, 1000), payment.RefusedNotSupported)
		b.through(b.void(s))
		require.Equal(t, map[string]int64{"provider": 6000, "merchant": -6000}, b.books())
	})
	t.Run("a provider that lets go of the rest leaves nothing to capture or void", func(t *testing.T) {
		t.Parallel()
		b := setup(t).on(payment.HoldTerms{Once: true, RestReleased: true})
		s, _ := b.hold()
		b.through(b.capture(s, 6000))
		require.Equal(t, map[string]int64{"provider": 6000, "merchant": -6000}, b.books())
		b.refusedFor(b.capture(s, 1000), payment.RefusedNotHeld)
		b.refusedFor(b.void(s), payment.RefusedNotHeld)
		require.Equal(t, payment.Captured, b.view(s).State)
	})
}

func TestClaimOnALapsedHold(t *testing.T) {
	t.Parallel()
	t.Run("a capture after the hold's end is refused, and the payment expires", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, _ := b.hold()
		b.clock.Add(7 * 24 * time.Hour)
		b.refusedFor(b.capture(s, 1000), payment.RefusedAuthorizationExpired)
		require.Equal(t, payment.Expired, b.view(s).State)
		require.Empty(t, b.books())
		b.refusedFor(b.capture(s, 1000), payment.RefusedAuthorizationExpired)
		b.refusedFor(b.void(s), payment.RefusedNotHeld)
	})
	t.Run("the rest of a hold that ends after a capture leaves the payment captured", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, _ := b.hold()
		b.through(b.capture(s, 6000))
		b.clock.Add(7 * 24 * time.Hour)
		b.refusedFor(b.capture(s, 1000), payment.RefusedAuthorizationExpired)
		require.Equal(t, payment.Captured, b.view(s).State)
		require.Equal(t, map[string]int64{"provider": 6000, "merchant": -6000}, b.books())
		b.through(b.refund(s, 6000))
	})
	t.Run("the provider's word that the hold is over says the same", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, _ := b.hold()
		m := b.capture(s, 1000)
		b.claimed(m)
		b.find(b.sent(m), payment.Declined, func(f *payment.Finding) { f.Code = payment.CodeAuthorizationExpired })
		v := b.stands(m)
		require.Equal(t, payment.RefusedAuthorizationExpired, v.Refusal)
		require.Equal(t, payment.Expired, b.view(s).State)
		require.Empty(t, b.books())
	})
}

func TestClaimVoid(t *testing.T) {
	t.Parallel()
	t.Run("a hold is voided whole, and nothing follows", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, _ := b.hold()
		m := b.void(s)
		require.Equal(t, eur(10000), b.claimed(m).Amount)
		b.refusedFor(b.void(s), payment.RefusedNotHeld)
		later := b.capture(s, 1000)
		require.True(t, b.claim(later).Waits, "the void may fail")
		b.find(b.sent(m), payment.Done, amount(eur(10000)))
		require.Equal(t, payment.Voided, b.view(s).State)
		require.Empty(t, b.books())
		b.refusedFor(later, payment.RefusedNotHeld)
		b.refusedFor(b.refund(s, 1000), payment.RefusedNotPaid)
	})
	t.Run("after a partial capture the rest is voided", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, _ := b.hold()
		first := b.capture(s, 6000)
		b.claimed(first)
		m := b.void(s)
		require.True(t, b.claim(m).Waits, "what is left shows when the capture ends")
		b.find(b.sent(first), payment.Done)
		require.Equal(t, eur(4000), b.claimed(m).Amount)
		b.find(b.sent(m), payment.Done, amount(eur(10000)))
		require.Equal(t, payment.Captured, b.view(s).State)
		require.Equal(t, payment.NobodyNeeded, b.view(s).Operator, "a void names all of the hold")
		require.Equal(t, map[string]int64{"provider": 6000, "merchant": -6000}, b.books())
		b.through(b.refund(s, 6000))
		require.Equal(t, payment.Refunded, b.view(s).State)
	})
	t.Run("a void without the test flag finds its payment", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.account("psp", false, "Card")
		s := b.accept(hundred, authorization, func(s *payment.Session) { s.Test = true })
		b.paid(s)
		m := b.asked(s, payment.OpVoid, money.Amount{}, func(m *payment.MoveSession) { m.Test = false })
		b.claimed(m)
	})
	t.Run("a void that comes too late is refused and the money stays taken", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, charge := b.hold()
		m := b.void(s)
		b.claimed(m)
		send := b.sent(m)
		b.find(charge, payment.Done) // in the dashboard
		b.find(send, payment.Declined)
		require.Equal(t, payment.RefusedByProvider, b.stands(m).Refusal)
		require.Equal(t, payment.Captured, b.view(s).State)
		b.through(b.refund(s, 10000))
		require.Empty(t, b.books())
	})
}

func TestOneHoldAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s, _ := b.hold()
	var moves []payment.MoveSession
	for range 10 {
		moves = append(moves, b.capture(s, 3000), b.void(s))
	}
	for range 12 { // waiting ones look again, as their runs do
		atOnce(t, len(moves), func(ctx context.Context, i int) error {
			_, err := b.ClaimMove(ctx, moves[i].ID)
			return err
		})
		requireSums(t, t.Context(), b.pool)
		for _, m := range moves {
			if v := b.stands(m); v.Claimed && !v.Done {
				b.find(b.sent(m), payment.Done)
			}
		}
	}
	require.Zero(t, b.count(`SELECT count(*) FROM move_sessions WHERE final = ''`), "every session is answered")
	require.LessOrEqual(t, b.count(`SELECT count(*) FROM operations WHERE kind = 'void'`), 1)
	require.NotContains(t, b.books(), "held")
}
