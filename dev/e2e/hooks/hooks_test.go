package hooks

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/dev/stack"
	"tillflow/internal/shopify/app"
	"tillflow/standin/faults"
	"tillflow/standin/shopify"
)

// missed are the topics that tell of an order.
func missed() []string {
	return []string{"orders/create", "orders/paid", "orders/updated", "order_transactions/create"}
}

// TestRemovedSubscription: what Shopify stopped to tell is found, told again from
// then on, and what it had not told is filled in, each once.
func TestRemovedSubscription(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.guard()
	require.NotEmpty(t, first.Made)
	require.Empty(t, first.Refused)
	require.Len(t, w.subscriptions(), len(first.Made), "a shop that has just installed the app gets all subscriptions")
	w.Clock.Skip(turn)
	require.Empty(t, w.guard().Made, "and no second ones")
	require.Empty(t, w.mails(), "nothing was lost yet")

	heard := []string{w.buys(), w.buys()}
	for _, session := range heard {
		w.soon("the order by its webhooks", func() bool { return w.status(session) == "paid" })
	}
	lost := w.subscriptions()
	for _, topic := range missed() {
		require.True(t, w.Shopify.RemoveSubscription(lost[topic]), topic)
	}
	unheard := []string{w.buys(), w.buys(), w.buys()}
	for _, session := range unheard {
		require.Empty(t, w.status(session), "nobody has told")
	}

	w.Clock.Skip(turn)
	found := w.guard()
	w.filledIn(found, unheard)
	w.soon("a mail to whoever runs the service", func() bool { return len(w.mails()) == 1 })
	require.Contains(t, w.mails()[0], "Messages of Shopify were lost")

	again := w.buys()
	w.soon("an order by the new subscription", func() bool { return w.status(again) == "paid" })

	late := w.delayed()
	w.Clock.Skip(turn)
	require.Equal(t, 1, w.guard().Filled)
	w.soon("the order whose webhooks are late", func() bool { return w.status(late) == "paid" })
	w.Clock.Skip(turn) // they come now, after what they tell was filled in
	w.soon("the late webhooks", func() bool {
		return w.count(`SELECT count(*) FROM shopify_deliveries d JOIN shop_order_sessions s ON s.order_id = d.resource
			WHERE s.session_id = $1 AND note = 'nothing new' AND webhook_id NOT LIKE 'backfill:%'`, late) > 0
	})
	require.Zero(t, w.guard().Filled, "nothing is filled in twice")
	filled := w.count(`SELECT count(*) FROM shopify_deliveries WHERE webhook_id LIKE 'backfill:%'`)
	require.Equal(t, len(unheard)+1, filled)
	require.Len(t, w.mails(), 2)
	t.Logf("PROOF 4.guardian ok %d removed, %d made again; orders: %d heard, %d missed or late, %d filled in, 0 twice",
		len(missed()), len(found.Made), len(heard)+1, len(unheard)+1, filled)
}

// delayed is an order whose webhooks Shopify sends two hours late, as it does when
// its first tries failed.
func (w *world) delayed() string {
	w.Helper()
	armed, err := w.Shopify.Faults().Arm(faults.Rule{Call: "*", Kind: faults.WebhookDelay, DelayMS: (2 * time.Hour).Milliseconds(), Times: -1})
	require.NoError(w, err)
	defer w.Shopify.Faults().Disarm(armed.ID)
	session := w.buys()
	w.soon("the order at Shopify", func() bool {
		stored, _ := w.Shopify.Session(session)
		return stored.State == shopify.StateResolved
	})
	return session
}

// filledIn: the look has found the four topics and the orders, no others, and each order is known once.
func (w *world) filledIn(found app.Guard, sessions []string) {
	w.Helper()
	var made []string
	for _, topic := range found.Made {
		made = append(made, string(topic))
	}
	require.ElementsMatch(w, missed(), made)
	require.Equal(w, len(sessions), found.Filled, "those that webhooks had told are not filled in")
	for _, session := range sessions {
		w.soon("the order that was filled in", func() bool { return w.status(session) == "paid" })
	}
	require.Equal(w, len(sessions), w.count(`SELECT count(DISTINCT resource) FROM shopify_deliveries WHERE webhook_id LIKE 'backfill:%'`))
	require.Equal(w, len(w.Shopify.Books(stack.Shop, false).Shops[stack.Shop].Orders),
		w.count(`SELECT count(*) FROM shop_objects WHERE matter = 'order' AND resource LIKE 'gid://shopify/Order/%'`), "every order of Shopify's books, once")
	for _, topic := range missed() {
		require.NotEmpty(w, w.subscriptions()[topic], "Shopify has it again")
	}
}

// replays is how often one webhook is sent.
const replays = 1000

// TestWebhookReplayed: one message, a thousand times at once, is acted on once.
func TestWebhookReplayed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.guard()
	// What is acted on is counted by the database itself, not by what we say.
	_, err := w.pool.Exec(t.Context(), `
		CREATE TABLE acted (at timestamptz DEFAULT now());
		CREATE FUNCTION acted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO acted DEFAULT VALUES; RETURN NULL; END $$;
		CREATE TRIGGER acted AFTER INSERT OR UPDATE ON shop_objects FOR EACH ROW EXECUTE FUNCTION acted()`)
	require.NoError(t, err)
	body := []byte(`{"id":4711,"admin_graphql_api_id":"gid://shopify/Order/4711","financial_status":"paid","updated_at":"2026-11-20T10:00:00Z"}`)
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxConnsPerHost: 100, MaxIdleConnsPerHost: 100}}
	statuses := make([]int, replays)
	var start, all sync.WaitGroup
	start.Add(1)
	for i := range statuses {
		all.Go(func() {
			start.Wait()
			statuses[i], _ = w.post(client, body) // zero for no answer, which is none that we want
		})
	}
	start.Done()
	all.Wait()
	for _, status := range statuses {
		require.Equal(t, http.StatusOK, status, "each is answered as received")
	}
	w.soon("the message acted on", func() bool {
		return w.count(`SELECT count(*) FROM shopify_deliveries WHERE webhook_id = 'replayed' AND dispatched_at IS NOT NULL`) == 1
	})
	rows, acted := w.count(`SELECT count(*) FROM shopify_deliveries WHERE webhook_id = 'replayed'`), w.count(`SELECT count(*) FROM acted`)
	tries := w.count(`SELECT tries FROM shopify_deliveries WHERE webhook_id = 'replayed'`)
	require.Equal(t, []int{1, 1, 1}, []int{rows, tries, acted}, "rows, claims, effects")
	log, err := os.ReadFile(w.log)
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(log), `"webhook_id":"replayed","repeat":false`))
	t.Logf("PROOF 4.replay ok %d sent at once, %d answered 200, %d row, acted on %d time", replays, len(statuses), rows, acted)
}

// post sends the message as Shopify does and answers the status.
func (w *world) post(client *http.Client, body []byte) (int, error) {
	ctx, cancel := context.WithTimeout(w.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.PayURL+"/webhook/shopify", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	for name, value := range map[string]string{
		"X-Shopify-Hmac-Sha256": shopify.Signature(shopify.Secret(w.WebhookSecret()), body), "X-Shopify-Topic": "orders/paid", "X-Shopify-Shop-Domain": stack.Shop,
		"X-Shopify-Webhook-Id": "replayed", "X-Shopify-API-Version": "2026-10", "X-Shopify-Triggered-At": "2026-11-20T10:00:01Z",
	} {
		req.Header.Set(name, value)
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return 0, fmt.Errorf("read answer: %w", err)
	}
	return resp.StatusCode, nil
}
