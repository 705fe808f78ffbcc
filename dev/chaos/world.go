package chaos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/zerolog"

	"tillflow/dev/buyer"
	"tillflow/dev/stack"
	"tillflow/internal/cli"
	"tillflow/internal/flow"
	"tillflow/internal/psp"
	"tillflow/internal/psp/sandbox"
	"tillflow/internal/psp/stripe"
)

// timing makes the service's patience short. A decision falls 12 seconds after receipt: late enough for a story in
// which everything goes wrong on a busy machine, early enough to wait for in one that nobody finishes.
const timing = `{"Resolution":"16s","DecideAhead":"4s","SendTimeout":"3s","SendWindow":"8s","RetryFirst":"50ms","RetryMax":"500ms",
	"FirstLook":"800ms","LookMax":"800ms","TellSteps":["100ms","200ms","500ms"],"TellSlow":"700ms","TellOverdue":"60s","OperatorRetry":"1s"}`

// World is a stack with the service in this process, in which stories are played.
type World struct {
	stack   *stack.Stack
	service *cli.Service
	profile Profile
	dir     string
	opened  int // stacks so far
	wire    *wire
	boards  sync.Map // shop → switchboard of the line to Temporal
	pool    *pgxpool.Pool
	buyer   *buyer.Buyer
	log     zerolog.Logger

	plays atomic.Int64 // shops given out
	alone sync.RWMutex // held for writing by stories that move the clock
	stops []func() error
}

// Open starts a world with a provider of a profile. Its data is in dir, which PostgreSQL's user must be able to reach.
func Open(ctx context.Context, dir string, profile Profile, log zerolog.Logger) (*World, error) {
	if profile == "" {
		profile = Stripe
	}
	if !slices.Contains(Profiles, profile) {
		return nil, fmt.Errorf("no provider has the profile %q; there are %v", profile, Profiles)
	}
	w := &World{buyer: buyer.New(), profile: profile, wire: newWire(), log: log, dir: dir}
	if err := w.open(ctx); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// stale is how far the clock of a stack may be moved for the stories that come after. A run that starts there must catch
// up, from one timer to the next, and these are short: an hour is thousands of them.
const stale = time.Minute

// renew starts a new stack where the clock of this one has moved too far. It waits until nobody plays.
func (w *World) renew(ctx context.Context) error {
	w.alone.RLock()
	moved := w.stack.Clock.Offset()
	w.alone.RUnlock()
	if moved <= stale {
		return nil
	}
	w.alone.Lock()
	defer w.alone.Unlock()
	return w.renewed(ctx)
}

// renewed is renew for whoever holds alone.
func (w *World) renewed(ctx context.Context) error {
	if w.stack.Clock.Offset() <= stale {
		return nil
	}
	if err := w.Close(); err != nil {
		return err
	}
	return w.open(context.WithoutCancel(ctx))
}

func (w *World) open(ctx context.Context) error {
	w.opened++
	dir := filepath.Join(w.dir, strconv.Itoa(w.opened))
	if err := os.Mkdir(dir, 0o755); err != nil { //nolint:gosec // PostgreSQL runs as another user below it
		return err
	}
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // as above, whatever the umask
		return err
	}
	base, err := w.serve(ctx, w.wire)
	if err != nil {
		return err
	}
	w.stack, err = stack.Start(ctx, stack.Options{
		Dir: dir, Volatile: true, Log: w.log,
		Settings: map[string]string{
			"TIMING": timing, "SWEEP_EVERY": "1s", "SWEEP_AFTER": "1s", "LOG_LEVEL": "warn", "DATABASE_CONNS": "30",
			"STRIPE_URL": base, "SHOPIFY_URL": base + "/shops/{shop}",
		},
		// Stories wait for many short timers, and by default a timer may be a second late.
		DynamicConfig: map[string]any{"history.timerProcessorMaxTimeShift": 20 * time.Millisecond},
	})
	if err != nil {
		return err
	}
	w.onStop(w.stack.Stop)
	if w.pool, err = pgxpool.New(ctx, w.stack.Postgres.URL("tillflow")); err != nil {
		return fmt.Errorf("open the record: %w", err)
	}
	w.onStop(func() error { w.pool.Close(); return nil })
	return w.startService(ctx)
}

// startService runs the service with the profile's provider and a line to Temporal that breaks.
func (w *World) startService(ctx context.Context) error {
	service, err := cli.New(ctx, w.stack.Config, cli.Options{Roles: cli.Roles{HTTP: true, Worker: true}, Log: w.log, Now: w.stack.Clock.Now})
	if err != nil {
		return err
	}
	service.Connectors, err = psp.NewRegistry(
		provider{stripe.New(stripe.Options{BaseURL: w.stack.Config.StripeURL, HTTPClient: callClient(), Now: w.stack.Clock.Now}), w.profile},
		sandbox.New(sandbox.Options{Books: service.Store, PublicURL: w.stack.Config.PublicURL, Now: w.stack.Clock.Now, Delay: time.Second}),
	)
	if err != nil {
		service.Close()
		return err
	}
	*service.Runs = *flow.NewRuns(patchy{service.Temporal, &w.boards}, service.Timing, true)
	w.service = service
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() { done <- service.Run(run) }()
	w.onStop(func() error {
		cancel()
		return <-done
	})
	return w.stack.AwaitService(ctx, done)
}

func callClient() *http.Client {
	return &http.Client{Timeout: 25 * time.Second, Transport: &http.Transport{MaxIdleConns: 200, MaxIdleConnsPerHost: 100, IdleConnTimeout: time.Minute}}
}

// serve serves h on a free port of this machine and answers its address.
func (w *World) serve(ctx context.Context, h http.Handler) (string, error) {
	server, address, err := listen(ctx, h)
	if err != nil {
		return "", err
	}
	w.onStop(server.Close)
	return address, nil
}

// listen serves h until the server is closed.
func listen(ctx context.Context, h http.Handler) (*http.Server, string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", fmt.Errorf("listen for a stand-in: %w", err)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(l) }() // ends when the server is closed
	return server, "http://" + l.Addr().String(), nil
}

func (w *World) onStop(f func() error) { w.stops = append(w.stops, f) }

// Close stops everything, the last started first.
func (w *World) Close() error {
	var err error
	for _, stop := range slices.Backward(w.stops) {
		err = errors.Join(err, stop())
	}
	w.stops = nil
	return err
}
