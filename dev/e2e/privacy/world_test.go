// Package privacy plants an unmistakable person into every field of the service
// that takes words, asks for their erasure as Shopify does, and looks for them in
// every byte that is left.
package privacy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"tillflow/dev/buyer"
	"tillflow/dev/stack"
	"tillflow/internal/cli"
	"tillflow/standin/shopify"
)

const (
	timing   = `{"SendTimeout":"4s","SendWindow":"15s","RetryFirst":"100ms","RetryMax":"1s","FirstLook":"2s","LookMax":"2s","TellSteps":["200ms","500ms","1s"],"TellSlow":"2s","OperatorRetry":"2s"}`
	operator = "privacy@operator.example"
	patience = 4 * time.Minute
)

// world is one stack with the service in this process, its log and its mails in files.
type world struct {
	*stack.Stack
	dir    string
	buyer  *buyer.Buyer
	pool   *pgxpool.Pool
	client client.Client
	log    *os.File
}

func open(t *testing.T) *world {
	t.Helper()
	dir, err := os.MkdirTemp("", "tillflow-privacy-")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755)) // PostgreSQL runs as another user below it
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("everything is kept in %s", dir)
			return
		}
		require.NoError(t, os.RemoveAll(dir))
	})
	w := &world{dir: dir, buyer: buyer.New()}
	w.log, err = os.OpenFile(filepath.Join(dir, "service.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	w.Stack, err = stack.Start(t.Context(), stack.Options{
		Dir: dir, Service: true, SettleDelay: time.Second, Log: zerolog.New(w.log).With().Timestamp().Logger(),
		Settings: map[string]string{
			"TIMING": timing, "SWEEP_EVERY": "1s", "SWEEP_AFTER": "1s",
			"PRIVACY_LOGS": filepath.Join(dir, "service.log"), "PRIVACY_MAILS": filepath.Join(dir, "mail.json"),
			"OPERATOR_MAIL": operator, "PRIVACY_LOOK_MAX": "30m", "RECHARGE_EVERY": "2s",
		},
		Subscriptions: []string{stack.Shop},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.Stop()) })
	w.pool, err = pgxpool.New(t.Context(), w.Postgres.URL("tillflow"))
	require.NoError(t, err)
	t.Cleanup(w.pool.Close)
	w.client, err = client.DialContext(t.Context(), client.Options{
		HostPort: w.Temporal.FrontendAddr(), Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	require.NoError(t, err)
	t.Cleanup(w.client.Close)
	return w
}

// soon waits for something that the test itself has caused.
func soon(t *testing.T, what string, is func() bool) {
	t.Helper()
	require.Eventually(t, is, patience, 50*time.Millisecond, what)
}

// command runs one of the operator's commands in this process and answers its
// exit code and what it wrote.
func (w *world) command(t *testing.T, args ...string) (int, string) {
	t.Helper()
	var out, problems bytes.Buffer
	code := cli.Main(t.Context(), args, w.Getenv, &out, &problems)
	return code, out.String() + problems.String()
}

func (w *world) runs(t *testing.T, args ...string) string {
	t.Helper()
	code, out := w.command(t, args...)
	require.Zero(t, code, "%v: %s", args, out)
	return out
}

// one reads one value of the record.
func one[T any](t *testing.T, w *world, sql string, args ...any) T {
	t.Helper()
	var v T
	require.NoError(t, w.pool.QueryRow(t.Context(), sql, args...).Scan(&v))
	return v
}

// is asks the record a yes-or-no question; one that cannot be asked says no.
func (w *world) is(sql string, args ...any) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	var yes bool
	return w.pool.QueryRow(ctx, sql, args...).Scan(&yes) == nil && yes
}

// raise sends a privacy webhook as Shopify does and answers the request's id.
func (w *world) raise(t *testing.T, topic string, payload map[string]any) string {
	t.Helper()
	payload["shop_id"], payload["shop_domain"] = 1, stack.Shop
	text, err := json.Marshal(payload)
	require.NoError(t, err)
	sent, err := w.Shopify.RaiseWebhook(shopify.WebhookRequest{Shop: stack.Shop, Topic: topic, App: shopify.PaymentsApp, Payload: text})
	require.NoError(t, err)
	require.Len(t, sent, 1)
	var id string
	soon(t, "the request is not taken up", func() bool {
		return w.pool.QueryRow(t.Context(), "SELECT id::text FROM privacy_requests WHERE webhook_id = $1", sent[0].ID).Scan(&id) == nil
	})
	return id
}

// state waits until a request has come to a state.
func (w *world) state(t *testing.T, id, state, trouble string) {
	t.Helper()
	is := func() bool {
		return w.is("SELECT state = $2 AND operator = $3 FROM privacy_requests WHERE id = $1", id, state, trouble)
	}
	if !assertSoon(is) {
		require.Fail(t, "the request never was "+state+" "+trouble, w.runs(t, "privacy", "show", id)+w.unfinished(t))
	}
}

// unfinished says what of each payment is not over, for whoever reads a failure.
func (w *world) unfinished(t *testing.T) string {
	t.Helper()
	return one[string](t, w, `SELECT coalesce(string_agg(concat_ws(' ', external_id, state, 'closed', closed_at, 'watch', watch_at,
		(SELECT string_agg(concat_ws(' ', 'move', m.external_id, m.closed_at), ', ') FROM move_sessions m WHERE m.payment_id = p.id),
		(SELECT string_agg(concat_ws(' ', 'operation', o.kind, o.state, o.origin), ', ') FROM operations o WHERE o.payment_id = p.id)), E'\n'), '')
		FROM payments p`)
}

func assertSoon(is func() bool) bool {
	for end := time.Now().Add(patience); time.Now().Before(end); <-time.After(50 * time.Millisecond) {
		if is() {
			return true
		}
	}
	return false
}

// deliver posts a webhook of the second app with the body that is given, signed.
func (w *world) deliver(t *testing.T, topic string, body []byte) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.PayURL+"/webhook/shopify", bytes.NewReader(body))
	require.NoError(t, err)
	for name, value := range map[string]string{
		"X-Shopify-Topic": topic, "X-Shopify-Hmac-Sha256": shopify.Signature(shopify.Secret(w.Config.ShopifyAdminClientSecret.Reveal()), body), "X-Shopify-Shop-Domain": stack.Shop,
		"X-Shopify-API-Version": "2026-10", "X-Shopify-Webhook-Id": uuid.NewString(), "X-Shopify-Triggered-At": time.Now().UTC().Format(time.RFC3339Nano),
		"Content-Type": "application/json",
	} {
		req.Header.Set(name, value)
	}
	return w.send(t, req).status
}

// api calls /api/v1 with the stack's key.
func (w *world) api(t *testing.T, path, key string, body map[string]any) answer {
	t.Helper()
	text, err := json.Marshal(body)
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.PayURL+"/api/v1"+path, bytes.NewReader(text))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+w.APIKey)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", key)
	return w.send(t, req)
}

type answer struct {
	status int
	body   string
}

func (w *world) send(t *testing.T, req *http.Request) answer {
	t.Helper()
	return sent(t, &http.Client{
		Timeout:       20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, req)
}

func sent(t *testing.T, c *http.Client, req *http.Request) answer {
	t.Helper()
	resp, err := c.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return answer{resp.StatusCode, string(text)}
}

// post sends a form without a session.
func (w *world) post(t *testing.T, address string, form url.Values) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return w.send(t, req)
}

// desk is somebody who is signed in to the console.
type desk struct {
	w      *world
	client *http.Client
}

var csrfField = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

// desk signs in with a role.
func (w *world) desk(t *testing.T, role string) desk {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	d := desk{w, &http.Client{Jar: jar, Timeout: 20 * time.Second}}
	// Somebody types the person's name into the fields of the login first.
	d.post(t, "/console/login", "/console/login", url.Values{"name": {"zq.canary@buyer.example"}, "password": {"Zebedeus Quillfeatherstone"}})
	in := d.post(t, "/console/login", "/console/login/dev", url.Values{"role": {role}})
	require.Contains(t, in.body, "Sign out")
	return d
}

func (d desk) get(t *testing.T, path string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.w.PayURL+path, nil)
	require.NoError(t, err)
	return sent(t, d.client, req)
}

// post sends a form of a page, with the token that the page has.
func (d desk) post(t *testing.T, page, path string, form url.Values) answer {
	t.Helper()
	token := csrfField.FindStringSubmatch(d.get(t, page).body)
	require.NotNil(t, token, "no form on %s", page)
	form.Set("csrf", token[1])
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.w.PayURL+path, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", d.w.PayURL)
	return sent(t, d.client, req)
}

// prove prints the verdict when the test is over.
func prove(t *testing.T, item string, figure func() string) {
	t.Helper()
	t.Cleanup(func() {
		verdict := "ok"
		if t.Failed() {
			verdict = "FAIL"
		}
		t.Logf("PROOF %s %s %s", item, verdict, figure())
	})
}

func amount(minor int64) string { return fmt.Sprintf("%d.%02d", minor/100, minor%100) }
