package recharge_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/standin/recharge"
)

const (
	token      = "rc_token_one"
	otherToken = "rc_token_two"
	clientKey  = "rc_client_secret_1"
	eventually = 10 * time.Second
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

// bundle is one stand-in with two stores: one on the plan that may process charges, one that is not.
type bundle struct {
	t      *testing.T
	clock  *clock
	server *recharge.Server
	url    string
}

func setup(t *testing.T, configure ...func(*recharge.Options)) *bundle {
	t.Helper()
	b := &bundle{t: t, clock: &clock{at: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)}}
	opts := recharge.Options{
		Now: b.clock.now,
		Stores: []recharge.Store{
			{Name: "one", Token: token, ClientSecret: clientKey, Plus: true},
			{Name: "two", Token: otherToken, ClientSecret: "other", Currency: "JPY", Scopes: []string{"read_orders", "write_payments"}},
		},
		WebhookRetry: []time.Duration{time.Millisecond, time.Millisecond},
	}
	for _, change := range configure {
		change(&opts)
	}
	server, err := recharge.New(opts)
	require.NoError(t, err)
	web := httptest.NewServer(server)
	b.server, b.url = server, web.URL
	t.Cleanup(func() {
		require.NoError(t, server.Close())
		web.Close()
	})
	return b
}

func (b *bundle) add(n int, spec recharge.ChargeSpec) []int64 {
	b.t.Helper()
	ids, err := b.server.AddCharges("one", n, spec)
	require.NoError(b.t, err)
	return ids
}

// answer is a response of the API.
type answer struct {
	status int
	header http.Header
	raw    string
	json   map[string]any
}

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

// ids are those of a list.
func (a answer) ids(list string) []int64 {
	ids := []int64{}
	rows, _ := a.at(list).([]any)
	for _, row := range rows {
		ids = append(ids, int64(row.(map[string]any)["id"].(float64)))
	}
	return ids
}

type option func(*http.Request)

func with(name, value string) option {
	return func(r *http.Request) {
		r.Header.Del(name)
		if value != "" {
			r.Header.Set(name, value)
		}
	}
}

// call sends "GET /charges" with the headers that Recharge wants, changed by the options.
func (b *bundle) call(call, body string, opts ...option) answer {
	b.t.Helper()
	method, path, _ := strings.Cut(call, " ")
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path, strings.NewReader(body))
	require.NoError(b.t, err)
	req.Header.Set("X-Recharge-Access-Token", token)
	req.Header.Set("X-Recharge-Version", "2021-11")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Content-Type", "application/json")
	for _, o := range opts {
		o(req)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(b.t, err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(b.t, err)
	a := answer{status: resp.StatusCode, header: resp.Header, raw: string(raw)}
	_ = json.Unmarshal(raw, &a.json) // half an answer has none
	return a
}

// receiver is an endpoint for webhooks that answers with the statuses it is given, then with 200.
type receiver struct {
	url string

	mu       sync.Mutex
	statuses []int
	got      []received
}

type received struct {
	header http.Header
	body   string
}

func receive(t *testing.T, statuses ...int) *receiver {
	t.Helper()
	r := &receiver{statuses: statuses}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got = append(r.got, received{req.Header.Clone(), string(body)})
		if len(r.statuses) > 0 {
			w.WriteHeader(r.statuses[0])
			r.statuses = r.statuses[1:]
		}
	}))
	t.Cleanup(web.Close)
	r.url = web.URL + "/hook"
	return r
}

func (r *receiver) all() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]received(nil), r.got...)
}

func (b *bundle) subscribe(r *receiver, topics ...string) {
	b.t.Helper()
	for _, topic := range topics {
		a := b.call("POST /webhooks", `{"address":"`+r.url+`","topic":"`+topic+`"}`)
		require.Equal(b.t, http.StatusOK, a.status, a.raw)
	}
}
