package store_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/store"
)

func TestAcceptMove(t *testing.T) {
	t.Parallel()
	t.Run("fifty equal sessions at once are one row", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, _ := b.sale()
		m := b.move(s, payment.OpRefund, eur(1000))
		var fresh atomic.Int32
		atOnce(t, 50, func(ctx context.Context, _ int) error {
			again := m
			again.ID = "" // each request brings an id of its own
			accepted, err := b.AcceptMove(ctx, again)
			if err == nil && accepted.New {
				fresh.Add(1)
			}
			return err
		})
		require.Equal(t, int32(1), fresh.Load())
		require.Equal(t, 1, b.count(`SELECT count(*) FROM move_sessions`))
		require.Equal(t, 1, b.count(`SELECT count(*) FROM timeline WHERE what = 'refund'`))
	})
	t.Run("a repeat answers how the first one stands", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, _ := b.sale()
		m := b.move(s, payment.OpRefund, eur(1000))
		first, err := b.AcceptMove(t.Context(), m)
		require.NoError(t, err)
		require.Equal(t, payment.AcceptedMove{
			New: true,
			Ref: payment.MoveRef{
				OperationID: m.ID, PaymentID: s.ID, Kind: payment.OpRefund, Source: s.Source, Shop: shop,
				ExternalRef: m.ExternalID, Provider: "psp", Amount: eur(1000), At: m.ReceivedAt,
			},
			View: b.stands(m),
		}, first)
		b.through(m)
		b.moveTold(m, "")
		again, err := b.AcceptMove(t.Context(), m)
		require.NoError(t, err)
		require.False(t, again.New)
		require.Equal(t, first.Ref, again.Ref)
		require.True(t, again.View.Closed)
		require.True(t, again.View.Done)
	})
	t.Run("a session about a payment that we do not know is accepted too", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		m := b.asked(b.session(), payment.OpRefund, eur(1000))
		v := b.stands(m)
		require.Empty(t, v.PaymentID)
		require.Equal(t, shop, v.Shop)
		require.False(t, v.Waits)
	})
	t.Run("one id may stand for a refund and for a capture", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, _ := b.hold()
		first := b.capture(s, 1000)
		b.asked(s, payment.OpRefund, eur(1000), func(m *payment.MoveSession) { m.ExternalID = first.ExternalID })
	})
}

func TestAcceptMoveRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s, _ := b.sale()
	first := b.asked(s, payment.OpRefund, eur(1000), func(m *payment.MoveSession) { m.IdempotencyKey, m.RequestHash = "k", []byte("h") })
	for rule, change := range map[string]func(*payment.MoveSession){
		"another payment":  func(m *payment.MoveSession) { m.PaymentRef = "other" },
		"another gid":      func(m *payment.MoveSession) { m.GID = "other" },
		"another amount":   func(m *payment.MoveSession) { m.Amount = eur(1001) },
		"another currency": func(m *payment.MoveSession) { m.Amount = money.New(1000, "USD") },
		"the other mode":   func(m *payment.MoveSession) { m.Test = true },
	} {
		t.Run("the same id with "+rule+" is refused and the first stays", func(t *testing.T) {
			t.Parallel()
			again := first
			again.IdempotencyKey = ""
			change(&again)
			_, err := b.AcceptMove(t.Context(), again)
			requireClass(t, payment.Conflict, "different_session", err)
			require.Equal(t, eur(1000), b.stands(first).Amount)
		})
	}
	t.Run("an idempotency key stands for one request", func(t *testing.T) {
		t.Parallel()
		other := b.move(s, payment.OpRefund, eur(1000), func(m *payment.MoveSession) { m.IdempotencyKey, m.RequestHash = "k", []byte("other") })
		_, err := b.AcceptMove(t.Context(), other)
		requireClass(t, payment.Conflict, "idempotency_key_reused", err)
		other.RequestHash = []byte("h")
		accepted, err := b.AcceptMove(t.Context(), other)
		require.NoError(t, err)
		require.Equal(t, first.ID, accepted.Ref.OperationID)
	})
	for rule, change := range map[string]func(*payment.MoveSession){
		"an unknown source":     func(m *payment.MoveSession) { m.Source = "mail" },
		"an unknown kind":       func(m *payment.MoveSession) { m.Kind = "gift" },
		"a kind nobody asks":    func(m *payment.MoveSession) { m.Kind = payment.OpReversal },
		"no id":                 func(m *payment.MoveSession) { m.ExternalID = "" },
		"no payment":            func(m *payment.MoveSession) { m.PaymentRef = "" },
		"no currency":           func(m *payment.MoveSession) { m.Amount = money.Amount{Minor: 1} },
		"an amount below zero":  func(m *payment.MoveSession) { m.Amount = eur(-1) },
		"an id that is no uuid": func(m *payment.MoveSession) { m.ID = "x" },
		"no time of receipt":    func(m *payment.MoveSession) { m.ReceivedAt = time.Time{} },
	} {
		t.Run("a session with "+rule+" is not stored", func(t *testing.T) {
			t.Parallel()
			m := b.move(s, payment.OpRefund, eur(1000))
			change(&m)
			_, err := b.AcceptMove(t.Context(), m)
			require.Error(t, err)
			require.Zero(t, b.count(`SELECT count(*) FROM move_sessions WHERE external_id = $1 AND id::text <> $2`, m.ExternalID, first.ID))
		})
	}
	t.Run("a shop that is not installed is not found", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, _ := b.sale()
		m := b.move(s, payment.OpRefund, eur(1))
		m.Shop = "b.myshopify.com"
		_, err := b.AcceptMove(t.Context(), m)
		requireClass(t, payment.NotFound, "unknown_shop", err)
		require.NoError(t, b.PutShop(t.Context(), store.Shop{Shop: shop, Active: false, MaxAttempts: 3}))
		m.Shop = shop
		_, err = b.AcceptMove(t.Context(), m)
		requireClass(t, payment.NotFound, "unknown_shop", err)
	})
}
