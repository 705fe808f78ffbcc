package api_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/api"
	"tillflow/api/merchant"
	"tillflow/api/shopify"
	"tillflow/api/webhook"
	"tillflow/internal/access/audit"
	"tillflow/internal/flow"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
	"tillflow/internal/psp/stripe"
	"tillflow/internal/store"
	"tillflow/internal/store/storetest"
)

const shopName = "acme-dev.myshopify.com"

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

// temporal is one that is away: accepted is what is committed, all the same.
type temporal struct {
	mu      sync.Mutex
	soon    []payment.RunRef
	moves   []payment.MoveRef
	signals []payment.EventRef
}

var errAway = &payment.Error{Class: payment.Unavailable, Message: "the workflow service did not take it"}

func (r *temporal) StartSoon(ref payment.RunRef) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.soon = append(r.soon, ref)
}

func (r *temporal) StartMoveSoon(ref payment.MoveRef) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.moves = append(r.moves, ref)
}

func (*temporal) StartCharge(context.Context, payment.RunRef) error { return errAway }

func (*temporal) StartMove(context.Context, payment.MoveRef) error { return errAway }

func (*temporal) Act(context.Context, string, string, string) (flow.ActionResult, error) {
	return flow.ActionResult{}, errAway
}

func (r *temporal) SignalEvent(_ context.Context, ref payment.EventRef) error {
	r.signals = append(r.signals, ref)
	return errAway
}

// house is the real record behind all handlers that write to it.
type house struct {
	*storetest.Record
	runs    *temporal
	members *members
	account string
	key     string
	now     time.Time
	handler http.Handler
}

func furnish(t *testing.T) *house {
	t.Helper()
	h := &house{runs: &temporal{}, now: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)}
	now := func() time.Time { return h.now }
	h.Record = storetest.Open(t, now)

	require.NoError(t, h.PutShop(t.Context(), store.Shop{Shop: shopName, Label: "Acme", Active: true}))
	var err error
	h.account, err = h.PutAccount(t.Context(), store.Account{Shop: shopName, Provider: "stripe", Label: "Card", Enabled: true},
		map[string]string{"secret_key": "sk_test_1", "webhook_secret": "whsec_1"})
	require.NoError(t, err)
	_, key, err := h.IssueAPIKey(t.Context(), audit.Actor{Name: "root"}, store.NewAPIKey{Shop: shopName, Label: "backend"})
	require.NoError(t, err)
	h.key = key.Reveal()

	connectors, err := psp.NewRegistry(stripe.New(stripe.Options{BaseURL: "http://stripe.invalid", HTTPClient: &http.Client{Timeout: time.Second}, Now: now}))
	require.NoError(t, err)
	providers := func(payment.Kind) []string { return connectors.Names() }
	h.members = &members{Store: h.Store}
	link := func(token string) string { return "https://pay.example.com/pay/" + token }
	h.handler = api.New(zerolog.Nop(), h.Ping,
		&shopify.Handler{Sessions: h.Store, Starter: h.runs, Providers: providers, Link: link, Resolution: 48 * time.Hour, Now: now, Log: zerolog.Nop()},
		&merchant.Handler{
			Records: h.Store, Runs: h.runs, Providers: providers, Link: link, Resolution: 48 * time.Hour, Now: now, Log: zerolog.Nop(),
			Subscriptions: h.members, SubscriptionRuns: h.members, Keepers: connectors.Names,
			Page: func(id string) (string, error) { return "https://pay.example.com/subscription/" + id, nil },
		},
		&webhook.Handler{Events: h.Store, Runs: h.runs, Connectors: connectors, Now: now, Log: zerolog.Nop()},
	)
	return h
}

// send does a request; headers are name, value pairs.
func (h *house) send(t *testing.T, route, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	method, path, _ := strings.Cut(route, " ")
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	h.handler.ServeHTTP(rec, r)
	return rec
}

func session(id, amount string) string {
	return fmt.Sprintf(`{"id": %q, "gid": "gid://shopify/PaymentSession/%s", "group": "g-%s", "amount": %q, "currency": "EUR", "test": true,
		"kind": "sale", "merchant_locale": "en", "proposed_at": "2026-11-20T12:00:00Z", "customer": {"email": %q},
		"payment_method": {"type": "offsite", "data": {"cancel_url": "https://acme-dev.myshopify.com/checkouts/abc"}}}`, id, id, id, amount, canary)
}

// TestSessionsInTheRecord: with Temporal away, what is answered is what is committed.
func TestSessionsInTheRecord(t *testing.T) {
	t.Parallel()
	h := furnish(t)
	const route = "POST /shopify/payment_session"
	post := func(shop, body string) *httptest.ResponseRecorder {
		return h.send(t, route, body, "Shopify-Shop-Domain", shop)
	}

	answers := make([]string, 40)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { answers[i] = post(shopName, session("one", "49.90")).Body.String() })
	}
	all.Wait()
	require.Contains(t, answers[0], "https://pay.example.com/pay/")
	for _, answer := range answers {
		require.Equal(t, answers[0], answer, "equal requests at once get equal answers")
	}
	require.Len(t, h.runs.soon, 1)

	p := requireProblem(t, http.StatusConflict, post(shopName, session("one", "0.01")))
	require.Equal(t, "different_session", p.Code)
	require.Equal(t, "unknown_shop", requireProblem(t, http.StatusForbidden, post("other.myshopify.com", session("two", "1.00"))).Code)
	live := strings.Replace(session("three", "1.00"), `"test": true`, `"test": false`, 1)
	require.Equal(t, "no_account", requireProblem(t, http.StatusUnprocessableEntity, post(shopName, live)).Code)
	requireProblem(t, http.StatusBadRequest, post(shopName, session("four", "-1.00")))
	require.Equal(t, 1, h.Count(t, `SELECT count(*) FROM payments`), "what was refused left no row")
	require.Equal(t, 4990, h.Count(t, `SELECT amount_minor FROM payments`), "the first stays")
	require.Zero(t, h.Count(t, `SELECT count(*) FROM payments p WHERE p::text LIKE '%`+canary+`%'`))

	h.Close()
	rec := post(shopName, session("five", "1.00"))
	requireProblem(t, http.StatusServiceUnavailable, rec)
	require.NotEmpty(t, rec.Header().Get("Retry-After"))
	requireProblem(t, http.StatusServiceUnavailable, h.send(t, "GET /readyz", ""))
}

func TestMerchantInTheRecord(t *testing.T) {
	t.Parallel()
	h := furnish(t)
	key := []string{"Authorization", "Bearer " + h.key}
	const body = `{"ref": "order-1", "amount": "12.30", "currency": "EUR", "test": true}`
	create := func(body, idempotency string) *httptest.ResponseRecorder {
		return h.send(t, "POST /api/v1/payment", body, append(key, "Idempotency-Key", idempotency)...)
	}

	first := create(body, "k1")
	require.Equal(t, http.StatusCreated, first.Code, first.Body.String())
	repeat := create(body, "k1")
	require.Equal(t, http.StatusOK, repeat.Code)
	require.Equal(t, first.Body.String(), repeat.Body.String())
	p := requireProblem(t, http.StatusConflict, create(strings.Replace(body, "order-1", "order-2", 1), "k1"))
	require.Equal(t, "Idempotency-Key", p.Field)
	p = requireProblem(t, http.StatusConflict, create(strings.Replace(body, "12.30", "12.31", 1), ""))
	require.Equal(t, "ref", p.Field)
	require.Equal(t, 1, h.Count(t, `SELECT count(*) FROM payments`))

	read := h.send(t, "GET /api/v1/payment?ref=order-1", "", key...)
	require.Equal(t, http.StatusOK, read.Code)
	require.Equal(t, first.Body.String(), read.Body.String())
	require.Equal(t, "unknown_ref", requireProblem(t, http.StatusNotFound, h.send(t, "GET /api/v1/payment?ref=order-2", "", key...)).Code)
	requireProblem(t, http.StatusBadRequest, h.send(t, "GET /api/v1/payment?ref=a%00b", "", key...))

	expire := h.send(t, "POST /api/v1/payment/expire", `{"ref": "order-1"}`, key...)
	requireProblem(t, http.StatusServiceUnavailable, expire)
	require.Equal(t, 1, h.Count(t, `SELECT count(*) FROM actions WHERE action = 'expire' AND actor LIKE 'key %' AND applied_at IS NULL`),
		"the wish is written before the run is asked")

	requireProblem(t, http.StatusUnauthorized, h.send(t, "GET /api/v1/payment?ref=order-1", "", "Authorization", "Bearer tfk_other"))
	_, err := h.Pool.Exec(t.Context(), `UPDATE api_keys SET revoked_at = now()`)
	require.NoError(t, err)
	requireProblem(t, http.StatusUnauthorized, h.send(t, "GET /api/v1/payment?ref=order-1", "", key...))
}

func TestWebhooksInTheRecord(t *testing.T) {
	t.Parallel()
	h := furnish(t)
	rec := h.send(t, "POST /shopify/payment_session", session("one", "49.90"), "Shopify-Shop-Domain", shopName)
	require.Equal(t, http.StatusOK, rec.Code)
	begun, err := h.BeginCheckout(t.Context(), h.runs.soon[0].PaymentID)
	require.NoError(t, err)

	paid := func(event string, amount int) string {
		body, err := json.Marshal(map[string]any{
			"id": event, "type": "payment_intent.succeeded", "created": h.now.Unix(), "livemode": false,
			"data": map[string]any{"object": map[string]any{
				"id": "pi_1", "status": "succeeded", "amount_received": amount, "currency": "eur", "receipt_email": canary,
				"metadata": map[string]string{"attempt_id": begun.Attempt.ID, "kind": "sale"},
			}},
		})
		require.NoError(t, err)
		return string(body)
	}
	send := func(account, body string) *httptest.ResponseRecorder {
		mac := hmac.New(sha256.New, []byte("whsec_1"))
		fmt.Fprintf(mac, "%d.%s", h.now.Unix(), body)
		return h.send(t, "POST /webhook/stripe/"+account, body,
			"Stripe-Signature", fmt.Sprintf("t=%d,v1=%s", h.now.Unix(), hex.EncodeToString(mac.Sum(nil))))
	}
	const undispatched = `SELECT count(*) FROM provider_events WHERE dispatched_at IS NULL`

	for range 3 {
		require.Equal(t, http.StatusOK, send(h.account, paid("evt_1", 4990)).Code)
	}
	require.Equal(t, 1, h.Count(t, undispatched), "one row, which the sweep dispatches while Temporal is away")
	require.Len(t, h.runs.signals, 3, "a repeat of what was not acted on wakes again")
	require.Equal(t, h.runs.signals[0], h.runs.signals[2])

	require.Equal(t, http.StatusOK, send(h.account, paid("evt_1", 1)).Code, "suspicious, and no reason to send it again")
	require.Len(t, h.runs.signals, 3)
	require.Equal(t, http.StatusOK, send(h.account, `{"id": "evt_2", "type": "climate.order.created", "livemode": false, "data": {"object": {}}}`).Code)
	require.Equal(t, 1, h.Count(t, `SELECT count(*) FROM provider_events WHERE event_id = 'evt_2' AND note <> ''`))

	requireProblem(t, http.StatusUnauthorized, h.send(t, "POST /webhook/stripe/"+h.account, paid("evt_3", 4990)))
	requireProblem(t, http.StatusNotFound, send(uuid.NewString(), paid("evt_3", 4990)))
	requireProblem(t, http.StatusNotFound, send("acme", paid("evt_3", 4990)))
	require.Equal(t, 2, h.Count(t, `SELECT count(*) FROM provider_events`), "what was refused left no row")
	require.Zero(t, h.Count(t, `SELECT count(*) FROM provider_events e WHERE e::text LIKE '%`+canary+`%'`))
}
