package recharge_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/recharge"
	standin "tillflow/standin/recharge"
)

const (
	token     = "rc_token_one"
	clientKey = "rc_client_secret_1"
	store     = "one"
	// eventually bounds what a test waits for.
	eventually = 10 * time.Second
)

// clock is moved by hand, and by those who wait for it.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)} }

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

// wait is a pause in which the clock moves and no time passes.
func (c *clock) wait(ctx context.Context, pause time.Duration) error {
	c.advance(pause)
	return ctx.Err()
}

// bundle is a client at a stand-in.
type bundle struct {
	t      *testing.T
	clock  *clock
	server *standin.Server
	client *recharge.Client
	url    string
}

func setup(t *testing.T, configure ...func(*standin.Options)) *bundle {
	t.Helper()
	b := &bundle{t: t, clock: newClock()}
	opts := standin.Options{
		Now:          b.clock.now,
		Stores:       []standin.Store{{Name: store, Token: token, ClientSecret: clientKey, Plus: true}},
		WebhookRetry: []time.Duration{time.Millisecond},
	}
	for _, change := range configure {
		change(&opts)
	}
	server, err := standin.New(opts)
	require.NoError(t, err)
	web := httptest.NewServer(server)
	b.server, b.url = server, web.URL
	t.Cleanup(func() {
		require.NoError(t, server.Close())
		web.Close()
	})
	b.client = newClient(t, web.URL, b.clock)
	return b
}

func newClient(t *testing.T, url string, at *clock) *recharge.Client {
	t.Helper()
	client, err := recharge.New(recharge.Options{BaseURL: url, Token: token, HTTPClient: &http.Client{}, Now: at.now})
	require.NoError(t, err)
	return client
}

func (b *bundle) add(n int, spec standin.ChargeSpec) []int64 {
	b.t.Helper()
	ids, err := b.server.AddCharges(store, n, spec)
	require.NoError(b.t, err)
	return ids
}

func (b *bundle) books() standin.StoreBooks { return b.server.Books(store).Stores[store] }

// answering is a client at a server that gives the same answer to everything.
func answering(t *testing.T, answer http.HandlerFunc) (*recharge.Client, *clock) {
	t.Helper()
	web := httptest.NewServer(answer)
	t.Cleanup(web.Close)
	at := newClock()
	return newClient(t, web.URL, at), at
}

func requireClass(t *testing.T, want payment.Class, err error) {
	t.Helper()
	_ = failure(t, want, err) // it has checked
}

// failure is the error of a failed call, which must be of a class.
func failure(t *testing.T, want payment.Class, err error) *payment.Error {
	t.Helper()
	var e *payment.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, want, e.Class, err)
	return e
}
