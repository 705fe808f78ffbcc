package store_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"tillflow/internal/access/audit"
	"tillflow/internal/payment"
	"tillflow/internal/store"
)

func TestInsertAuditedAction(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.accept()
	action := payment.Action{
		ID: uuid.Must(uuid.NewV7()).String(), PaymentID: s.ID, Actor: "ada", Action: "note", Text: "the buyer, buyer@example.com, called", At: b.clock.Now(),
	}
	entry := audit.Entry{Actor: audit.Actor{Name: "ada"}, Action: "payment.note", Subject: "payment " + s.ID, Detail: "action=" + action.ID}
	both := func() [2]int {
		return [2]int{b.count(`SELECT count(*) FROM actions`), b.count(`SELECT count(*) FROM audit`)}
	}

	t.Run("what cannot be noted is not written", func(t *testing.T) {
		bad := entry
		bad.Detail = action.Text
		requireClass(t, payment.Bug, "audit_entry", b.InsertAuditedAction(t.Context(), action, bad))
		require.Equal(t, [2]int{}, both())
	})
	t.Run("what cannot be written is not noted", func(t *testing.T) {
		for _, change := range []func(*payment.Action){
			func(a *payment.Action) { a.ID = "" }, func(a *payment.Action) { a.Action = "refund" }, func(a *payment.Action) { a.Actor = "" },
			func(a *payment.Action) { a.PaymentID = uuid.NewString() }, func(a *payment.Action) { a.AttemptID = uuid.NewString() },
		} {
			bad := action
			change(&bad)
			require.Error(t, b.InsertAuditedAction(t.Context(), bad, entry))
		}
		require.Equal(t, [2]int{}, both())
	})
	t.Run("both are there, once", func(t *testing.T) {
		require.NoError(t, b.InsertAuditedAction(t.Context(), action, entry))
		requireClass(t, payment.Conflict, "", b.InsertAuditedAction(t.Context(), action, entry))
		require.Equal(t, [2]int{1, 1}, both())
		require.Equal(t, []string{"ada payment.note payment " + s.ID + " action=" + action.ID}, b.did())
	})
	t.Run("what the person typed is in the vault and not in the chain", func(t *testing.T) {
		require.Zero(t, b.count(`SELECT count(*) FROM audit a WHERE a::text LIKE '%buyer@example.com%'`))
		view, err := b.ShowPayment(t.Context(), s.ID, true)
		require.NoError(t, err)
		require.Equal(t, action.Text, view.Actions[0].Text)
	})
}

func TestOutcomesInTheAudit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.accept()
	subject := " payment " + s.ID + " action="
	t.Run("an action is noted when it is written and when it is applied, each once", func(t *testing.T) {
		id, err := b.InsertAction(t.Context(), payment.Action{PaymentID: s.ID, Actor: "key k1", Action: "expire"})
		require.NoError(t, err)
		atOnce(t, 10, func(ctx context.Context, _ int) error {
			_, err := b.ApplyAction(ctx, s.ID, id)
			return err
		})
		require.Equal(t, []string{"key k1 payment.expire" + subject + id, "key k1 payment.applied" + subject + id}, b.did())
	})
	t.Run("one that does not fit is noted as refused, once", func(t *testing.T) {
		before := b.did()
		id, err := b.InsertAction(t.Context(), payment.Action{PaymentID: s.ID, Actor: "ada", Action: "resolve", Choice: payment.DecideKeep})
		require.NoError(t, err)
		for range 3 {
			_, err = b.ApplyAction(t.Context(), s.ID, id)
			requireClass(t, payment.Conflict, "", err)
		}
		require.Equal(t, append(before, "ada payment.resolve"+subject+id+" choice=keep", "ada payment.refused"+subject+id), b.did())
	})
	t.Run("what a merchant's key asks for is noted once, under the key", func(t *testing.T) {
		before := b.did()
		byKey := func(m *payment.MoveSession) { m.By = "key k1" }
		m := b.asked(s, payment.OpRefund, eur(100), byKey)
		_, err := b.AcceptMove(t.Context(), m)
		require.NoError(t, err)
		other := m
		other.Amount = eur(200)
		_, err = b.AcceptMove(t.Context(), other)
		requireClass(t, payment.Conflict, "different_session", err)
		require.Equal(t, append(before, "key k1 payment.refund payment "+s.ID+" move="+m.ID+" amount=1.00 EUR outcome=accepted"), b.did())
	})
	t.Run("what cannot be noted is not accepted", func(t *testing.T) {
		moves := b.count(`SELECT count(*) FROM move_sessions`)
		_, err := b.AcceptMove(t.Context(), b.move(s, payment.OpRefund, eur(100), func(m *payment.MoveSession) { m.By = "a\tb" }))
		requireClass(t, payment.Bug, "audit_entry", err)
		require.Equal(t, moves, b.count(`SELECT count(*) FROM move_sessions`))
	})
	t.Run("what Shopify asks for is in the timeline alone", func(t *testing.T) {
		before := b.did()
		b.asked(s, payment.OpRefund, eur(100))
		require.Equal(t, before, b.did())
	})
	_, err := b.VerifyAudit(t.Context(), audit.Head{})
	require.NoError(t, err)
}

func TestSetUpInTheAudit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const name = "new.myshopify.com"
	t.Run("a shop is noted as added, then as changed, with its tokens", func(t *testing.T) {
		require.NoError(t, b.SetShop(t.Context(), root, store.Shop{Shop: name, Active: true}, nil))
		require.NoError(t, b.SetShop(t.Context(), root, store.Shop{Shop: name}, &store.ShopTokens{Access: "shpat_1", Refresh: "shprt_1"}))
		require.Equal(t, []string{
			root.Name + " shop.add shop " + name + " active=true", root.Name + " shop.change shop " + name + " active=false tokens=replaced",
		}, b.did())
		token, err := b.Token(t.Context(), name, nil)
		require.NoError(t, err)
		require.Equal(t, "shpat_1", token)
	})
	t.Run("what nobody did is not done", func(t *testing.T) {
		before := b.did()
		requireClass(t, payment.Bug, "audit_entry", b.SetShop(t.Context(), audit.Actor{}, store.Shop{Shop: "third.myshopify.com"}, nil))
		require.Equal(t, before, b.did())
		_, err := b.Shop(t.Context(), "third.myshopify.com")
		requireClass(t, payment.NotFound, "", err)
	})
}
