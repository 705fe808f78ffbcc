package webhook_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/api"
	"tillflow/api/webhook"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
	"tillflow/internal/psp/sandbox"
	"tillflow/internal/psp/stripe"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

const (
	account   = "0190a0c4-0000-7000-8000-00000000acc1" // at stripe
	sandboxed = "0190a0c4-0000-7000-8000-00000000acc2" // at the sandbox, which sends no webhooks
	attempt   = "0190a0c4-0000-7000-8000-00000000a771"
	secret    = "whsec_of_this_account"
	buyerMail = "ada.canary@example.com"
)

// paid is money that came, as Stripe tells it, with a person in it.
const paid = `{
	"id": "evt_1", "object": "event", "type": "payment_intent.succeeded", "created": 1795176000, "livemode": false,
	"data": {"object": {
		"id": "pi_1", "object": "payment_intent", "livemode": false, "status": "succeeded", "amount": 4990, "amount_received": 4990,
		"currency": "eur", "metadata": {"attempt_id": "` + attempt + `", "kind": "sale"}, "receipt_email": "` + buyerMail + `"
	}}
}`

// events is a record that says what the test wants about a message.
type events struct {
	err    error // of Account
	fault  error // of StoreEvent
	answer payment.Stored
	stored []payment.IncomingEvent
	order  *[]string
}

func (e *events) Account(_ context.Context, id string) (string, map[string]string, bool, error) {
	switch {
	case e.err != nil:
		return "", nil, false, e.err
	case id == account:
		return "stripe", map[string]string{"secret_key": "sk_test_1", "webhook_secret": secret}, false, nil
	case id == sandboxed:
		return "sandbox", nil, false, nil
	}
	return "", nil, false, &payment.Error{Class: payment.NotFound, Code: "no_row", Message: "account does not exist"}
}

func (e *events) StoreEvent(_ context.Context, in payment.IncomingEvent) (payment.Stored, error) {
	*e.order = append(*e.order, "store")
	if e.fault != nil {
		return payment.Stored{}, e.fault
	}
	e.stored = append(e.stored, in)
	return e.answer, nil
}

// runs notes whom it was to wake.
type runs struct {
	err       error
	signals   []payment.EventRef
	reversals []payment.MoveRef
	order     *[]string
}

func (r *runs) SignalEvent(_ context.Context, ref payment.EventRef) error {
	*r.order = append(*r.order, "signal")
	r.signals = append(r.signals, ref)
	return r.err
}

func (r *runs) StartMove(_ context.Context, ref payment.MoveRef) error {
	*r.order = append(*r.order, "reverse")
	r.reversals = append(r.reversals, ref)
	return r.err
}

type bench struct {
	events  *events
	runs    *runs
	order   []string
	log     *bytes.Buffer
	handler http.Handler
}

func setup(t *testing.T) *bench {
	t.Helper()
	b := &bench{log: &bytes.Buffer{}}
	b.events, b.runs = &events{order: &b.order}, &runs{order: &b.order}
	now := func() time.Time { return noon }
	connectors, err := psp.NewRegistry(
		stripe.New(stripe.Options{BaseURL: "http://stripe.invalid", HTTPClient: &http.Client{Timeout: time.Second}, Now: now}),
		sandbox.New(sandbox.Options{PublicURL: "https://pay.example.com", Now: now, Delay: time.Second}),
	)
	require.NoError(t, err)
	log := zerolog.New(b.log)
	b.handler = api.New(log, func(context.Context) error { return nil }, &webhook.Handler{
		Events: b.events, Runs: b.runs, Connectors: connectors, Now: now, Log: log,
	})
	return b
}

// signature signs as Stripe documents it: HMAC-SHA256 of "time.body" in hex.
func signature(key, body string, at time.Time) string {
	mac := hmac.New(sha256.New, []byte(key))
	fmt.Fprintf(mac, "%d.%s", at.Unix(), body)
	return fmt.Sprintf("t=%d,v1=%s", at.Unix(), hex.EncodeToString(mac.Sum(nil)))
}

// send posts a body with a header made for it; an empty one is left out.
func (b *bench) send(t *testing.T, path, body, signed string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
	if signed != "" {
		r.Header.Set("Stripe-Signature", signed)
	}
	rec := httptest.NewRecorder()
	b.handler.ServeHTTP(rec, r)
	return rec
}

// good posts a well signed body to the account's own address.
func (b *bench) good(t *testing.T, body string) *httptest.ResponseRecorder {
	t.Helper()
	return b.send(t, "/webhook/stripe/"+account, body, signature(secret, body, noon))
}

func requireProblem(t *testing.T, status int, rec *httptest.ResponseRecorder) api.Problem {
	t.Helper()
	require.Equal(t, status, rec.Code, rec.Body.String())
	require.Equal(t, "application/problem+json", rec.Header().Get("Content-Type"))
	var p api.Problem
	require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &p))
	require.NotEmpty(t, p.Code)
	require.NotEmpty(t, p.Message)
	require.NotEmpty(t, p.RequestID)
	return p
}

// requireNothing proves that a refused message was neither stored nor acted on.
func (b *bench) requireNothing(t *testing.T, rec *httptest.ResponseRecorder) {
	t.Helper()
	require.Empty(t, b.order)
	for _, hidden := range []string{buyerMail, secret, "sk_test_1"} {
		require.NotContains(t, b.log.String(), hidden)
		require.NotContains(t, rec.Body.String(), hidden)
	}
}
