package stripe_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/standin/faults"
	"tillflow/standin/stripe"
)

const (
	testKey     = "sk_test_one"
	otherKey    = "sk_test_two"
	liveKey     = "sk_live_three"
	version     = "2026-08-26.dahlia"
	eventually  = 10 * time.Second
	settleDelay = 5 * time.Second // the default
)

// clock is moved by hand.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// bundle is one stand-in with an account that has no webhooks, or those the test gives.
type bundle struct {
	t      *testing.T
	clock  *clock
	stripe *stripe.Server
	url    string
	client *http.Client
}

func setup(t *testing.T, configure ...func(*stripe.Options)) *bundle {
	t.Helper()
	b := &bundle{t: t, clock: &clock{at: time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)}, client: &http.Client{}}
	web := httptest.NewUnstartedServer(nil)
	b.url = "http://" + web.Listener.Addr().String()
	opts := stripe.Options{
		Now: b.clock.now, PublicURL: b.url,
		Accounts: []stripe.Account{
			{ID: "acct_one", SecretKey: testKey},
			{ID: "acct_two", SecretKey: otherKey},
			{ID: "acct_live", SecretKey: liveKey, Livemode: true},
		},
		WebhookRetry: []time.Duration{time.Millisecond, time.Millisecond},
	}
	for _, change := range configure {
		change(&opts)
	}
	server, err := stripe.New(opts)
	require.NoError(t, err)
	b.stripe = server
	web.Config.Handler = server
	web.Start()
	t.Cleanup(func() {
		require.NoError(t, server.Close())
		web.Close()
	})
	return b
}

// answer is the response of the API.
type answer struct {
	status int
	header http.Header
	raw    string
	json   map[string]any
}

// at walks into the JSON: at("error", "code").
func (a answer) at(path ...string) any {
	var v any = a.json
	for _, p := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[p]
	}
	return v
}

func (a answer) text(path ...string) string {
	s, _ := a.at(path...).(string)
	return s
}

// data is the ids of a list.
func (a answer) ids() []string {
	rows, _ := a.at("data").([]any)
	ids := []string{}
	for _, row := range rows {
		ids = append(ids, row.(map[string]any)["id"].(string))
	}
	return ids
}

type option func(*http.Request)

func with(header, value string) option {
	return func(r *http.Request) { r.Header.Set(header, value) }
}

func key(k string) option { return with("Idempotency-Key", k) }

func as(secret string) option { return with("Authorization", "Bearer "+secret) }

// try calls the API; params are name, value, name, value …
func (b *bundle) try(ctx context.Context, call string, params []string, opts ...option) (answer, error) {
	method, path, _ := strings.Cut(call, " ")
	form := url.Values{}
	for i := 0; i+1 < len(params); i += 2 {
		form.Add(params[i], params[i+1])
	}
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(form.Encode())
	} else if len(form) > 0 {
		path += "?" + form.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, b.url+path, body)
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Authorization", "Bearer "+testKey)
	req.Header.Set("Stripe-Version", version)
	if body != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, o := range opts {
		o(req)
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, err
	}
	a := answer{status: resp.StatusCode, header: resp.Header, raw: string(raw)}
	return a, json.Unmarshal(raw, &a.json)
}

func (b *bundle) call(call string, params []string, opts ...option) answer {
	b.t.Helper()
	a, err := b.try(b.t.Context(), call, params, opts...)
	require.NoError(b.t, err)
	return a
}

// ok calls and insists on success.
func (b *bundle) ok(call string, params []string, opts ...option) answer {
	b.t.Helper()
	a := b.call(call, params, opts...)
	require.Equal(b.t, http.StatusOK, a.status, a.raw)
	return a
}

// refused calls and insists on a refusal with that status and code.
func (b *bundle) refused(status int, code, call string, params []string, opts ...option) answer {
	b.t.Helper()
	a := b.call(call, params, opts...)
	require.Equal(b.t, status, a.status, a.raw)
	require.Equal(b.t, code, a.text("error", "code"), a.raw)
	require.NotEmpty(b.t, a.text("error", "message"))
	return a
}

// order is a valid checkout; extra pairs are added or, when the name is there already, replace it.
func order(extra ...string) []string {
	params := []string{
		"mode", "payment",
		"success_url", "https://shop.example/return?cs={CHECKOUT_SESSION_ID}",
		"cancel_url", "https://shop.example/cancel",
		"client_reference_id", "ref-1",
		"line_items[0][quantity]", "2",
		"line_items[0][price_data][currency]", "eur",
		"line_items[0][price_data][unit_amount]", "5000",
		"line_items[0][price_data][product_data][name]", "Tea",
		"payment_intent_data[transfer_group]", "group-1",
		"payment_intent_data[metadata][attempt_id]", "att-1",
	}
next:
	for i := 0; i+1 < len(extra); i += 2 {
		for j := 0; j < len(params); j += 2 {
			if params[j] == extra[i] {
				params[j+1] = extra[i+1]
				continue next
			}
		}
		params = append(params, extra[i], extra[i+1])
	}
	return params
}

func (b *bundle) checkout(extra ...string) string {
	b.t.Helper()
	return b.ok("POST /v1/checkout/sessions", order(extra...)).text("id")
}

// post sends JSON to one of the switches.
func (b *bundle) post(path, body string) answer {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.url+path, strings.NewReader(body))
	require.NoError(b.t, err)
	resp, err := b.client.Do(req)
	require.NoError(b.t, err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(b.t, err)
	a := answer{status: resp.StatusCode, header: resp.Header, raw: string(raw)}
	require.NoError(b.t, json.Unmarshal(raw, &a.json), a.raw)
	return a
}

func (b *bundle) pay(cs, card string) answer {
	b.t.Helper()
	return b.post("/_pay/"+cs, `{"card":"`+card+`"}`)
}

// paid opens a checkout, pays it and returns the session and its PaymentIntent.
func (b *bundle) paid(card string, extra ...string) (cs, pi string) {
	b.t.Helper()
	cs = b.checkout(extra...)
	a := b.pay(cs, card)
	require.Equal(b.t, http.StatusOK, a.status, a.raw)
	return cs, b.session(cs).text("payment_intent")
}

func (b *bundle) session(cs string) answer {
	b.t.Helper()
	return b.ok("GET /v1/checkout/sessions/"+cs, nil)
}

func (b *bundle) intent(pi string) answer {
	b.t.Helper()
	return b.ok("GET /v1/payment_intents/"+pi, nil)
}

func (b *bundle) arm(r faults.Rule) {
	b.t.Helper()
	_, err := b.stripe.Faults().Arm(r)
	require.NoError(b.t, err)
}

func (b *bundle) books() stripe.AccountBooks { return b.stripe.Books("").Accounts["acct_one"] }

// types lists the events of an account, oldest first.
func (b *bundle) types() []string {
	b.t.Helper()
	rows, _ := b.ok("GET /v1/events", []string{"limit", "100"}).at("data").([]any)
	types := make([]string, len(rows))
	for i, row := range rows {
		types[len(rows)-1-i] = row.(map[string]any)["type"].(string)
	}
	return types
}

func snapshotIn(dir string) func(*stripe.Options) {
	return func(o *stripe.Options) { o.SnapshotPath = filepath.Join(dir, "stripe.journal") }
}
