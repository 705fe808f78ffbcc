// Package judges has the connectors' requests judged by what the providers
// publish about their interfaces.
package judges_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-mock/embedded"
	"github.com/stripe/stripe-mock/server"

	"tillflow/internal/psp"
	"tillflow/internal/psp/psptest"
	"tillflow/internal/psp/stripe"
)

// bench puts stripe-mock on a port of its own. It checks route, key, version,
// content type and every parameter against Stripe's OpenAPI document; it keeps
// no state, so what it answers is of no interest.
type bench struct {
	mock   *server.StubServer
	goesOn *regexp.Regexp

	mu       sync.Mutex
	asked    int
	refusals []string
	kinds    map[string]bool
}

func (b *bench) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := r.Method + " " + r.URL.Path
	if r.URL.Query().Has("starting_after") {
		call += " next page"
	}
	verdict := httptest.NewRecorder()
	b.mock.HandleRequest(verdict, r)
	body := verdict.Body.Bytes()
	b.mu.Lock()
	b.asked++
	b.kinds[call] = true
	if verdict.Code != http.StatusOK {
		b.refusals = append(b.refusals, fmt.Sprintf("%s: %d %s", call, verdict.Code, body))
	}
	b.mu.Unlock()
	if !strings.HasSuffix(call, " next page") {
		// A list that goes on makes the connector turn the page.
		body = b.goesOn.ReplaceAll(body, []byte(`"has_more":true`))
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(verdict.Code)
	_, _ = w.Write(body)
}

func newBench(t *testing.T) (*bench, *stripe.Connector) {
	t.Helper()
	spec, err := server.LoadSpec(embedded.OpenAPISpec, "")
	require.NoError(t, err)
	fixtures, err := server.LoadFixtures(embedded.OpenAPIFixtures, "")
	require.NoError(t, err)
	const strictVersion, verbose = true, false
	mock, err := server.NewStubServer(fixtures, spec, strictVersion, verbose)
	require.NoError(t, err)
	b := &bench{mock: mock, goesOn: regexp.MustCompile(`"has_more":\s*false`), kinds: map[string]bool{}}
	web := httptest.NewServer(b)
	t.Cleanup(web.Close)
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	return b, stripe.New(stripe.Options{BaseURL: web.URL, HTTPClient: web.Client(), Now: func() time.Time { return now }})
}

// account has a key of the only form that stripe-mock takes: three parts, test mode.
func account() psp.Account {
	return psp.Account{ID: "acc", Credentials: psp.Credentials{
		"secret_key": "sk_test_123", "webhook_secret": "whsec_test",
	}}
}

func TestStripeMockAcceptsEveryRequestOfTheConnector(t *testing.T) {
	t.Parallel()
	b, connector := newBench(t)
	psptest.Exercise(t.Context(), connector, account(), time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC))
	b.mu.Lock()
	defer b.mu.Unlock()
	verdict := "ok"
	if len(b.refusals) > 0 {
		verdict = "FAIL"
	}
	t.Logf("PROOF stripe-mock %s accepted %d of %d requests", verdict, b.asked-len(b.refusals), b.asked)
	require.Empty(t, b.refusals)
	kinds := []string{
		"GET /v1/checkout/sessions", "GET /v1/checkout/sessions next page", "POST /v1/checkout/sessions",
		"GET /v1/checkout/sessions/cs_1", "POST /v1/checkout/sessions/cs_1/expire", "GET /v1/payment_intents/pi_1", "POST /v1/payment_intents", "GET /v1/payment_intents", "GET /v1/payment_intents next page",
		"GET /v1/charges", "GET /v1/charges next page",
		"POST /v1/payment_intents/pi_1/capture", "POST /v1/payment_intents/pi_1/cancel",
		"GET /v1/disputes", "GET /v1/disputes next page", "GET /v1/refunds", "GET /v1/refunds next page", "POST /v1/refunds", "GET /v1/refunds/re_1",
	}
	require.ElementsMatch(t, kinds, slices.Collect(maps.Keys(b.kinds)), "every kind of request, and no other")
}

func TestStripeMockRefusesWhatStripeDoesNotKnow(t *testing.T) {
	t.Parallel()
	b, _ := newBench(t)
	for body, want := range map[string]int{
		"mode=payment":              http.StatusOK,
		"mode=barter":               http.StatusBadRequest,
		"mode=payment&colour=green": http.StatusBadRequest,
		"expires_at=tomorrow":       http.StatusBadRequest,
	} {
		r := httptest.NewRequest(http.MethodPost, "/v1/checkout/sessions", strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer sk_test_123")
		r.Header.Set("Stripe-Version", stripe.Version)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		verdict := httptest.NewRecorder()
		b.ServeHTTP(verdict, r)
		require.Equal(t, want, verdict.Code, body)
	}
}
