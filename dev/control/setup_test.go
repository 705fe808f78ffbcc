package control_test

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/dev/control"
	"tillflow/standin/faults"
	"tillflow/standin/shopify"
	"tillflow/standin/stripe"
)

const patience = 10 * time.Second

// clock starts at noon and goes forward only when it is moved.
type clock struct {
	mu     sync.Mutex
	offset time.Duration
}

func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func (c *clock) Now() time.Time { return noon().Add(c.Offset()) }

func (c *clock) Offset() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.offset
}

func (c *clock) skip(d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
	return nil
}

// runs are open runs in memory, the newest first.
type runs struct {
	mu     sync.Mutex
	list   []control.Run
	down   error
	ended  []string
	follow func(ctx context.Context, id string, at time.Time) error
}

func (r *runs) Open(_ context.Context, limit int) ([]control.Run, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.list[:min(limit, len(r.list))]), len(r.list) > limit, r.down
}

func (r *runs) IDs(context.Context) ([]string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ids []string
	for _, run := range r.list {
		ids = append(ids, run.WorkflowID)
	}
	return ids, r.down
}

func (r *runs) Terminate(_ context.Context, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := slices.IndexFunc(r.list, func(run control.Run) bool { return run.WorkflowID == id })
	if r.down != nil {
		return r.down
	}
	if at < 0 {
		return control.ErrNoRun
	}
	r.list = slices.Delete(r.list, at, at+1)
	r.ended = append(r.ended, id)
	return nil
}

func (r *runs) Follow(ctx context.Context, id string, now func() time.Time) error {
	if r.follow == nil {
		return nil
	}
	return r.follow(ctx, id, now())
}

// bench is a control page over the switches of real stand-ins.
type bench struct {
	t               *testing.T
	url             string
	clock           *clock
	runs            *runs
	stripe, shopify *faults.Switchboard
	client          *http.Client
}

func setup(t *testing.T) *bench {
	t.Helper()
	provider, err := stripe.New(stripe.Options{
		PublicURL: "http://stripe.test", Accounts: []stripe.Account{{ID: "acct_1", SecretKey: "sk_test_1"}},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, provider.Close()) })
	shop, err := shopify.New(shopify.Options{
		PublicURL: "http://shop.test", App: shopify.App{PaymentSessionURL: "https://app.test/session"},
		ClientID: "app", ClientSecret: "secret", ClientCertificate: tls.Certificate{Certificate: [][]byte{{0}}}, // nobody is called
		Shops: []shopify.Shop{{Domain: "a.myshopify.com", AccessToken: "shpat_1", Plan: shopify.PlanComponents}},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, shop.Close()) })
	b := &bench{t: t, clock: &clock{}, runs: &runs{}, stripe: provider.Faults(), shopify: shop.Faults()}
	page, err := control.New(t.Context(), control.Options{
		Stripe: b.stripe, Shopify: b.shopify, Runs: b.runs, Clock: b.clock, Skip: b.clock.skip, Command: "till",
		Links: control.Links{
			Shop: "http://shop.test/", Admin: "http://shop.test/admin", TemporalUI: "http://temporal.test",
			Runs: "http://temporal.test/namespaces/default/workflows", Mail: "http://mail.test", Stripe: "http://stripe.test",
		},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, page.Close()) })
	server := httptest.NewServer(page)
	t.Cleanup(server.Close)
	b.url = server.URL
	b.client = server.Client()
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return b
}

// ask sends a request as the page's own browser does, unless change says otherwise.
func (b *bench) ask(method, path string, form url.Values, change func(*http.Request)) (*http.Response, string) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path, strings.NewReader(form.Encode()))
	require.NoError(b.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	if change != nil {
		change(req)
	}
	resp, err := b.client.Do(req)
	require.NoError(b.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(b.t, err)
	return resp, string(body)
}

// press presses a button that works and answers the page that follows.
func (b *bench) press(path string, form url.Values) string {
	b.t.Helper()
	resp, body := b.ask(http.MethodPost, path, form, nil)
	require.Equal(b.t, http.StatusSeeOther, resp.StatusCode, body)
	require.Equal(b.t, "/#pressed", resp.Header.Get("Location"))
	return b.page()
}

// refused presses a button that does not work and answers the page.
func (b *bench) refused(status int, path string, form url.Values) string {
	b.t.Helper()
	resp, body := b.ask(http.MethodPost, path, form, nil)
	require.Equal(b.t, status, resp.StatusCode, body)
	require.Contains(b.t, body, `role="alert"`)
	return body
}

func (b *bench) page() string {
	b.t.Helper()
	resp, body := b.ask(http.MethodGet, "/", nil, nil)
	require.Equal(b.t, http.StatusOK, resp.StatusCode, body)
	return body
}

// rules are what is armed at a stand-in, without the counts.
func rules(s *faults.Switchboard) []faults.Rule {
	var list []faults.Rule
	for _, a := range s.Status().Rules {
		list = append(list, a.Rule)
	}
	return list
}
