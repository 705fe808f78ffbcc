// Package faults breaks a running stack at every step of a charge and asks the
// other sides' own books what happened: one capture, one answer, whatever broke.
// The service runs as its two roles in processes of their own, which die by SIGKILL.
package faults

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"tillflow/dev/buyer"
	"tillflow/dev/internal/port"
	"tillflow/dev/proxy"
	"tillflow/dev/stack"
)

// TestMain builds the service's program unless TILLFLOW_BIN names one. Parallel
// cases wait much more than they compute, so more of them run than there are cores.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	if os.Getenv("TILLFLOW_BIN") == "" {
		dir, err := os.MkdirTemp("", "tillflow-bin-")
		if err == nil {
			defer func() { _ = os.RemoveAll(dir) }() // what is left is in the system's own place for such
			err = build(filepath.Join(dir, "tillflow"))
		}
		if err != nil {
			panic(err)
		}
	}
	m.Run()
}

func build(path string) error {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "tillflow").Output()
	if err != nil {
		return fmt.Errorf("find the service's module: %w", err)
	}
	cmd := exec.Command("go", "build", "-o", path, "./cmd/tillflow")
	cmd.Dir = strings.TrimSpace(string(root))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the service: %w: %s", err, out)
	}
	return os.Setenv("TILLFLOW_BIN", path)
}

// timing makes the service's patience short. SendTimeout is what the death of a
// worker in the middle of a call costs: Temporal gives the call to another one
// when it is over.
const timing = `{"SendTimeout":"4s","SendWindow":"20s","RetryFirst":"100ms","RetryMax":"1s","FirstLook":"3s","LookMax":"3s",
	"TellSteps":["300ms","500ms","1s"],"TellSlow":"2s","OperatorRetry":"3s"}`

// shops is how many charges one world can tell apart: each has a shop, and with
// it an account at Stripe, of its own.
const shops = 80

func shopName(n int) string { return fmt.Sprintf("faults-%02d.myshopify.com", n) }

// world is a stack whose wires can be cut and whose processes can be killed.
type world struct {
	dir      string
	stack    *stack.Stack
	stripe   *proxy.Proxy // from both roles to Stripe
	shopify  *proxy.Proxy // from both roles to Shopify
	temporal *proxy.Proxy // from the role serve to Temporal
	client   client.Client
	pool     *pgxpool.Pool
	buyer    *buyer.Buyer

	mu     sync.Mutex
	roles  map[string]*stack.Child
	used   atomic.Int64 // shops given to charges
	proven atomic.Int64 // charges whose books were found right
}

// open starts a world. What it leaves behind is kept when the test fails.
func open(t *testing.T) *world {
	t.Helper()
	dir, err := os.MkdirTemp("", "tillflow-faults-")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755)) // PostgreSQL runs as another user below it
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("everything is kept in %s", dir)
			return
		}
		require.NoError(t, os.RemoveAll(dir))
	})
	o := stack.Options{Dir: dir, SettleDelay: 1500 * time.Millisecond, Settings: map[string]string{
		"TIMING": timing, "SWEEP_EVERY": "1s", "SWEEP_AFTER": "1s",
	}}
	for n := range shops {
		o.Shops = append(o.Shops, shopName(n))
	}
	w := &world{dir: dir, buyer: buyer.New(), roles: map[string]*stack.Child{}}
	w.stack, err = stack.Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.stack.Stop()) })
	w.wire(t)
	w.start(t, "serve")
	w.start(t, "worker")
	t.Cleanup(func() {
		for role := range w.roles {
			w.kill(t, role)
		}
	})
	return w
}

// wire puts the proxies between and opens the test's own lines.
func (w *world) wire(t *testing.T) {
	t.Helper()
	between := func(address string) *proxy.Proxy {
		// A port that stays ours while the proxy refuses.
		free, err := port.Free(t.Context(), "127.0.0.1", 1)
		require.NoError(t, err)
		p, err := proxy.New(t.Context(), port.Join("127.0.0.1", free[0]), strings.TrimPrefix(address, "http://"))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, p.Close()) })
		return p
	}
	w.stripe, w.shopify = between(w.stack.StripeURL), between(w.stack.ShopURL)
	w.temporal = between(w.stack.Temporal.FrontendAddr())
	var err error
	w.client, err = client.DialContext(t.Context(), client.Options{
		HostPort: w.stack.Temporal.FrontendAddr(), Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	require.NoError(t, err)
	t.Cleanup(w.client.Close)
	w.pool, err = pgxpool.New(t.Context(), w.stack.Postgres.URL("tillflow"))
	require.NoError(t, err)
	t.Cleanup(w.pool.Close)
}

// start runs a role of the service, serve or worker.
func (w *world) start(t *testing.T, role string) {
	t.Helper()
	set := map[string]string{
		"STRIPE_URL": "http://" + w.stripe.Addr(), "SHOPIFY_URL": "http://" + w.shopify.Addr() + "/shops/{shop}",
	}
	if role == "serve" {
		set["TEMPORAL_ADDRESS"] = w.temporal.Addr()
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	child, err := w.stack.Spawn(ctx, role, set)
	require.NoError(t, err)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.roles[role] = child
}

// kill ends a role as a crash does.
func (w *world) kill(t *testing.T, role string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	require.NoError(t, w.roles[role].Kill())
	delete(w.roles, role)
}

// lost waits until a wire has swallowed a request.
func lost(t *testing.T, p *proxy.Proxy) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	require.NoError(t, p.LostRequest(ctx))
}

func mode(t *testing.T, p *proxy.Proxy, m proxy.Mode) {
	t.Helper()
	require.NoError(t, p.SetMode(m))
}

// soon waits for something that the case itself has caused.
func soon(t *testing.T, what string, is func() bool) {
	t.Helper()
	require.Eventually(t, is, 40*time.Second, 50*time.Millisecond, what)
}

// away lets an outage last. Its length is what the case is about.
func away(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
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
