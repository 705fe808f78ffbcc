package store_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"tillflow/internal/access/audit"
	"tillflow/internal/payment"
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
