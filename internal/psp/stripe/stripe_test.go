package stripe_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
	"tillflow/internal/psp/stripe"
)

const (
	testKey    = "sk_test_51Secret"
	testSecret = "whsec_test"
)

// noon is when these tests happen.
var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func account() psp.Account {
	return psp.Account{ID: "acc-1", Shop: "shop-1", Credentials: psp.Credentials{
		"secret_key": testKey, "webhook_secret": testSecret,
	}}
}

// answer is what a scripted Stripe says to one request.
type answer struct {
	status int
	header map[string]string
	body   string
}

func ok(body string) answer { return answer{status: http.StatusOK, body: body} }

func failure(status int, kind, code string) answer {
	body, _ := json.Marshal(map[string]any{"error": map[string]string{ //nolint:errchkjson // strings only
		"type": kind, "code": code, "message": "No such thing: " + testKey,
	}})
	return answer{status: status, body: string(body)}
}

// script is a Stripe that says what it is told, in turn, and keeps what it was asked.
type script struct {
	*stripe.Connector
	mu      sync.Mutex
	answers []answer
	asked   []string
}

func scripted(t *testing.T, answers ...answer) *script {
	t.Helper()
	s := &script{answers: answers}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.Connector = stripe.New(stripe.Options{
		BaseURL: server.URL, HTTPClient: server.Client(), Now: func() time.Time { return noon },
	})
	return s
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r.Method+" "+r.URL.RequestURI())
	if len(s.answers) == 0 {
		http.Error(w, "nothing more to say", http.StatusTeapot)
		return
	}
	a := s.answers[0]
	s.answers = s.answers[1:]
	for name, value := range a.header {
		w.Header().Set(name, value)
	}
	w.Header().Set("Request-Id", "req_1")
	w.WriteHeader(a.status)
	_, _ = w.Write([]byte(a.body))
}

func (s *script) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.asked...)
}

func checkout() psp.Checkout {
	return psp.Checkout{
		AttemptID: "att-1", Key: "tf:p:charge:1", Kind: payment.Sale, Amount: money.New(1230, "EUR"),
		Description: "Order 1001", ReturnURL: "https://pay.example.test/return/x", CancelURL: "https://pay.example.test/pay/x",
		ExpiresAt: noon.Add(time.Hour),
	}
}

func move() psp.Move {
	return psp.Move{AttemptID: "att-2", Key: "tf:p:refund:2", PaymentRef: "pi_1", Amount: money.New(1230, "EUR")}
}

func chargeRef() psp.Ref {
	return psp.Ref{
		AttemptID: "att-1", Key: "tf:p:charge:1", Operation: payment.OpCharge, Kind: payment.Sale, Ref: "cs_1",
		Amount: money.New(1230, "EUR"), FirstSent: noon,
	}
}

func moveRef(op payment.Operation) psp.Ref {
	return psp.Ref{AttemptID: "att-2", Operation: op, PaymentRef: "pi_1", FirstSent: noon}
}

// object is JSON under construction.
type object map[string]any

func (o object) with(more object) object {
	merged := maps.Clone(o)
	maps.Copy(merged, more)
	return merged
}

func (o object) json(t *testing.T) string {
	t.Helper()
	raw, err := json.Marshal(o)
	require.NoError(t, err)
	return string(raw)
}

func aSession() object {
	return object{
		"id": "cs_1", "object": "checkout.session", "livemode": false, "status": "open", "payment_status": "unpaid",
		"url": "https://checkout.stripe.test/c/pay/cs_1", "client_reference_id": "att-1", "amount_total": 1230,
		"currency": "eur", "expires_at": noon.Add(time.Hour).Unix(), "payment_intent": nil,
		"metadata": object{"attempt_id": "att-1", "kind": "sale"},
	}
}

func anIntent(status string) object {
	return object{
		"id": "pi_1", "object": "payment_intent", "livemode": false, "status": status, "amount": 1230, "currency": "eur",
		"amount_capturable": 0, "amount_received": 0, "metadata": object{"attempt_id": "att-1", "kind": "sale"},
		"last_payment_error": nil, "latest_charge": nil, "cancellation_reason": nil,
	}
}

func aRefund(status string) object {
	return object{
		"id": "re_1", "object": "refund", "status": status, "amount": 1230, "currency": "eur", "payment_intent": "pi_1",
		"metadata": object{"attempt_id": "att-2"},
	}
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		rule    string
		live    bool
		changed psp.Credentials
	}{
		{"no key", false, psp.Credentials{"secret_key": ""}},
		{"a publishable key", false, psp.Credentials{"secret_key": "pk_test_1"}},
		{"a key without its secret", false, psp.Credentials{"secret_key": "sk_test_"}},
		{"a live key on a test account", false, psp.Credentials{"secret_key": "sk_live_1"}},
		{"a test key on a live account", true, psp.Credentials{"secret_key": "rk_test_1"}},
		{"a key with a line break", false, psp.Credentials{"secret_key": "sk_test_1\r\nX: y"}},
		{"no webhook secret", false, psp.Credentials{"webhook_secret": " , "}},
		{"a webhook secret of another form", false, psp.Credentials{"webhook_secret": "whsec_1,abc"}},
	} {
		t.Run(tc.rule+" is Unauthorized before anything is sent", func(t *testing.T) {
			t.Parallel()
			s := scripted(t)
			acc := account()
			acc.Live = tc.live
			maps.Copy(acc.Credentials, tc.changed)
			err := s.VerifyAccount(t.Context(), acc)
			require.Equal(t, payment.Unauthorized, payment.ClassOf(err, ""))
			require.Empty(t, s.requests())
		})
	}
	t.Run("a restricted key and several webhook secrets are fine", func(t *testing.T) {
		t.Parallel()
		s := scripted(t, ok(`{"data":[]}`))
		acc := account()
		acc.Credentials["secret_key"], acc.Credentials["webhook_secret"] = "rk_test_1", "whsec_1, whsec_2"
		require.NoError(t, s.VerifyAccount(t.Context(), acc))
	})
	t.Run("an account whose objects are of the other mode is a Bug", func(t *testing.T) {
		t.Parallel()
		s := scripted(t, ok(`{"data":[{"id":"cs_1","livemode":true}]}`))
		require.Equal(t, payment.Bug, payment.ClassOf(s.VerifyAccount(t.Context(), account()), ""))
	})
}
