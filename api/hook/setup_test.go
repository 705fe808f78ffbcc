package hook_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/api"
	"tillflow/api/hook"
	"tillflow/internal/shopify/app"
	core "tillflow/internal/shopify/hook"
	"tillflow/internal/store/storetest"
	standin "tillflow/standin/shopify"
)

const shop = "acme-dev.myshopify.com"

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

// safe is a buffer that many may write to.
type safe struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safe) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safe) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// ports notes what was handed over, and fails as long as err is set.
type ports struct {
	mu      sync.Mutex
	err     error
	known   bool // nothing that comes is new
	hints   []hook.Hint
	privacy []hook.PrivacyRequest
}

func (p *ports) Hint(_ context.Context, h hook.Hint) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.hints = append(p.hints, h)
	}
	return !p.known, p.err
}

func (p *ports) Request(_ context.Context, r hook.PrivacyRequest) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.privacy = append(p.privacy, r)
	}
	return p.err
}

func (p *ports) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

func (p *ports) told() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.hints) + len(p.privacy)
}

// clock is the service's time.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// bench is handler and dispatcher on the real record.
type bench struct {
	*storetest.Record
	*clock
	t          *testing.T
	ports      *ports
	log        *safe
	dispatcher *hook.Dispatcher
	handler    http.Handler
}

func setup(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, ports: &ports{}, log: &safe{}, clock: &clock{now: time.Date(2026, 11, 20, 10, 0, 5, 0, time.UTC)}}
	b.Record = storetest.Open(t, b.Now)
	log := zerolog.New(b.log)
	var err error
	b.dispatcher, err = hook.NewDispatcher(hook.Dispatcher{
		Queue: b.Store, Shops: b.Store, Erasures: b.ports, Hints: map[app.Matter]hook.Hints{app.AboutOrder: b.ports}, Every: time.Hour, Log: log,
	})
	require.NoError(t, err)
	b.handler = api.New(log, func(context.Context) error { return nil }, &hook.Handler{
		Keys:       []core.Key{{App: app.Payments, Secret: "new"}, {App: app.Payments, Secret: "old"}, {App: app.Admin, Secret: "admin"}},
		Deliveries: b.Store, Soon: b.dispatcher.Soon, Now: b.Now, Log: log,
	})
	return b
}

// request is a delivery, signed with a key; pairs of headers are set over it.
func request(ctx context.Context, topic app.Topic, key, body string, headers ...string) *http.Request {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/webhook/shopify", strings.NewReader(body))
	for name, value := range map[string]string{
		"Content-Type": "application/json", "X-Shopify-Topic": string(topic), "X-Shopify-Hmac-Sha256": standin.Signature(standin.Secret(key), []byte(body)),
		"X-Shopify-Shop-Domain": shop, "X-Shopify-Api-Version": "2026-10", "X-Shopify-Webhook-Id": "w1", "X-Shopify-Triggered-At": "2026-11-20T10:00:00Z",
	} {
		r.Header.Set(name, value)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func (b *bench) serve(r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	b.handler.ServeHTTP(rec, r)
	return rec
}

// good delivers and insists on success.
func (b *bench) good(topic app.Topic, key, body string, headers ...string) {
	b.t.Helper()
	rec := b.serve(request(b.t.Context(), topic, key, body, headers...))
	require.Equal(b.t, http.StatusOK, rec.Code, rec.Body.String())
	require.Empty(b.t, rec.Body.String())
}

func (b *bench) dispatch() int {
	b.t.Helper()
	n, err := b.dispatcher.Dispatch(b.t.Context())
	require.NoError(b.t, err)
	return n
}

// note is what came of the newest delivery.
func (b *bench) note() string {
	b.t.Helper()
	lines, err := b.ShopDeliveries(b.t.Context(), shop, 1)
	require.NoError(b.t, err)
	require.Len(b.t, lines, 1)
	return lines[0].Note
}
