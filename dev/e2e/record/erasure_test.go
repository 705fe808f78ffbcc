package record

import (
	"context"
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/dev/e2e/history"
	"tillflow/dev/stack"
	"tillflow/internal/flow"
	"tillflow/standin/shopify"
)

// laws are the recorded privacy requests, by the name of their history.
func laws() map[string]string {
	return map[string]string{"customer-waits-for-payment": "customers/redact", "data-request": "customers/data_request"}
}

// lawKept says that the histories of requests and of the purge are there.
func lawKept() bool {
	kept := exists(filepath.Join(corpus, "Purge", "rules.json"))
	for name := range laws() {
		kept = kept && exists(filepath.Join(corpus, "Erasure", name+".json"))
	}
	return kept
}

// keepLaw records a person who asks to be told and then to be forgotten while a
// payment of theirs is open, and one purge.
func (r *recorder) keepLaw(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	service, err := r.stack.Spawn(ctx, "all", map[string]string{"PRIVACY_LOOK_MAX": "1s", "PRIVACY_PURGE_EVERY": "2s"})
	require.NoError(t, err)
	defer func() { require.NoError(t, service.Stop()) }()
	const mail = "law@example.com"
	session, err := r.stack.Shopify.StartSession(t.Context(), shopify.SessionRequest{
		Shop: stack.Shop, Amount: "12.30", Currency: "EUR", Test: true, Customer: &shopify.Customer{Email: mail, Locale: "en"},
	})
	require.NoError(t, err)
	require.True(t, session.Accepted)
	about := map[string]any{
		"shop_id": 1, "shop_domain": stack.Shop, "customer": map[string]any{"id": 21, "email": mail}, "data_request": map[string]any{"id": 31},
	}
	for _, name := range []string{"data-request", "customer-waits-for-payment"} {
		id := r.ask(t, laws()[name], about)
		if name == "customer-waits-for-payment" {
			require.Eventually(t, func() bool { return r.open(t, id) }, 30*time.Second, 50*time.Millisecond, "nobody waits")
			_, err := r.stack.Command(t.Context(), "payment", "expire", "-actor", "recorder", "-reason", "the buyer is gone", session.ID)
			require.NoError(t, err)
		}
		run := flow.ErasureID(stack.Shop, id)
		r.end(t, run)
		if path := filepath.Join(corpus, "Erasure", name+".json"); !exists(path) {
			r.save(t, history.Run{Type: "Erasure", WorkflowID: run}, path)
		}
	}
	if path := filepath.Join(corpus, "Purge", "rules.json"); !exists(path) {
		var runs []history.Run
		require.Eventually(t, func() bool {
			runs, err = history.Runs(t.Context(), r.client, `WorkflowType = "Purge" AND ExecutionStatus = "Completed"`)
			return err == nil && len(runs) > 0
		}, 30*time.Second, 100*time.Millisecond, "nothing is purged")
		r.save(t, runs[0], path)
	}
}

// ask sends a privacy webhook and answers the request's id.
func (r *recorder) ask(t *testing.T, topic string, about map[string]any) string {
	t.Helper()
	body, err := json.Marshal(about)
	require.NoError(t, err)
	sent, err := r.stack.Shopify.RaiseWebhook(shopify.WebhookRequest{Shop: stack.Shop, Topic: topic, App: shopify.PaymentsApp, Payload: body})
	require.NoError(t, err)
	require.Len(t, sent, 1)
	var id string
	require.Eventually(t, func() bool {
		return r.pool.QueryRow(t.Context(), "SELECT id::text FROM privacy_requests WHERE webhook_id = $1", sent[0].ID).Scan(&id) == nil
	}, 30*time.Second, 50*time.Millisecond, "the request is not taken up")
	return id
}

// open says that a request waits for a payment.
func (r *recorder) open(t *testing.T, id string) bool {
	t.Helper()
	var waits bool
	err := r.pool.QueryRow(t.Context(), "SELECT state = 'waiting' AND subjects = 1 FROM privacy_requests WHERE id = $1", id).Scan(&waits)
	return err == nil && waits
}
