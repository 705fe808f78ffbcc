package chaoskill

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/zerolog"

	"tillflow/dev/buyer"
	"tillflow/dev/internal/port"
	"tillflow/dev/stack"
)

// timing makes the service's patience short, and gives a payment that nobody finishes 45 s.
const timing = `{"Resolution":"50s","DecideAhead":"5s","SendTimeout":"4s","SendWindow":"15s","RetryFirst":"100ms","RetryMax":"1s",
	"FirstLook":"3s","LookMax":"3s","TellSteps":["300ms","500ms","1s"],"TellSlow":"2s","TellOverdue":"10m","OperatorRetry":"3s"}`

// upLimit bounds the start of a process.
const upLimit = time.Minute

// world is a stack with several processes of each role, each with a wire of its own to every neighbour.
type world struct {
	dir     string
	stack   *stack.Stack
	pool    *pgxpool.Pool // the judge's own line
	buyer   *buyer.Buyer
	process []*process // apis, then workers
	wires   []map[Neighbour]*wire

	postgres sync.Mutex // held while it is away
	temporal sync.Mutex
	files    int // databases that Temporal has had
	stops    []func() error
}

// shopName is the n-th shop's domain. The first one is the stack's own.
func shopName(n int) string {
	if n == 0 {
		return stack.Shop
	}
	return fmt.Sprintf("kill-%02d.myshopify.com", n)
}

// accountName is the n-th shop's account at the stand-in Stripe, in test mode.
func accountName(n int) string { return fmt.Sprintf("acct_test%d", n) }

// open starts a world whose data is in dir, which PostgreSQL's user must be able to reach.
func open(ctx context.Context, dir string) (*world, error) {
	w := &world{dir: dir, buyer: buyer.New()}
	for _, step := range []func(context.Context) error{w.openStack, w.openProcesses, w.openFronts, w.await} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, w.close())
		}
	}
	return w, nil
}

func (w *world) openStack(ctx context.Context) error {
	o := stack.Options{Dir: w.dir, SettleDelay: 1500 * time.Millisecond, Log: zerolog.Nop(), Settings: map[string]string{
		"TIMING": timing, "SWEEP_EVERY": "1s", "SWEEP_AFTER": "1s", "DATABASE_CONNS": "15",
	}}
	for n := range shopCount - 1 {
		o.Shops = append(o.Shops, shopName(n+1))
	}
	var err error
	if w.stack, err = stack.Start(ctx, o); err != nil {
		return err
	}
	w.onStop(w.stack.Stop)
	w.pool, err = pgxpool.New(ctx, w.stack.Postgres.URL("tillflow"))
	if err != nil {
		return fmt.Errorf("open the record: %w", err)
	}
	w.onStop(func() error { w.pool.Close(); return nil })
	return nil
}

// openProcesses starts the apis and workers behind their wires.
func (w *world) openProcesses(ctx context.Context) error {
	proxies := newToxiproxy()
	for n := range apis + workers {
		role := "worker"
		if n < apis {
			role = "serve"
		}
		env, err := w.lay(ctx, proxies, n)
		if err != nil {
			return err
		}
		ports, err := port.Free(ctx, localhost, 2)
		if err != nil {
			return err
		}
		ready, session := port.Join(localhost, ports[0]), port.Join(localhost, ports[1])
		env = append(env, "TILLFLOW_LISTEN="+ready, "TILLFLOW_SHOPIFY_LISTEN="+session)
		p, err := newProcess(w.dir, processName(n), role, append(w.stack.Env(), env...))
		if err != nil {
			return err
		}
		if n < apis {
			p.ready, p.session = ready, session
		}
		w.process = append(w.process, p)
		p.run(ctx)
		w.onStop(p.close)
	}
	return nil
}

// lay lays the wires of one process and answers the settings that lead over them.
func (w *world) lay(ctx context.Context, proxies *toxiproxy.ApiServer, n int) ([]string, error) {
	database, err := url.Parse(w.stack.Postgres.URL("tillflow"))
	if err != nil {
		return nil, fmt.Errorf("read the database's address: %w", err)
	}
	stripe, err := url.Parse(w.stack.StripeURL)
	if err != nil {
		return nil, fmt.Errorf("read Stripe's address: %w", err)
	}
	shopify, err := url.Parse(w.stack.ShopURL)
	if err != nil {
		return nil, fmt.Errorf("read Shopify's address: %w", err)
	}
	wires := map[Neighbour]*wire{}
	w.wires = append(w.wires, wires)
	for name, target := range map[Neighbour]string{
		Postgres: database.Host, Temporal: w.stack.Temporal.FrontendAddr(), Stripe: stripe.Host, Shopify: shopify.Host,
	} {
		one, err := newWire(ctx, proxies, fmt.Sprintf("%s to %s", processName(n), name), target)
		if err != nil {
			return nil, err
		}
		w.onStop(func() error { one.close(); return nil })
		wires[name] = one
	}
	database.Host, stripe.Host = wires[Postgres].addr, wires[Stripe].addr
	return []string{
		"TILLFLOW_DATABASE_URL=" + database.String(), "TILLFLOW_TEMPORAL_ADDRESS=" + wires[Temporal].addr,
		"TILLFLOW_STRIPE_URL=" + stripe.String(), "TILLFLOW_SHOPIFY_URL=http://" + wires[Shopify].addr + "/shops/{shop}",
	}, nil
}

// openFronts puts load balancers where the stand-ins and buyers expect the service.
func (w *world) openFronts(ctx context.Context) error {
	var pages, sessions []string
	for _, p := range w.process[:apis] {
		pages, sessions = append(pages, p.ready), append(sessions, p.session)
	}
	for address, targets := range map[string][]string{w.stack.PayURL: pages, w.stack.SessionURL: sessions} {
		u, err := url.Parse(address)
		if err != nil {
			return fmt.Errorf("read the service's address: %w", err)
		}
		f, err := newFront(ctx, u.Host, targets)
		if err != nil {
			return err
		}
		w.onStop(func() error { f.close(); return nil })
	}
	return nil
}

// await waits until every process is up.
func (w *world) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, upLimit)
	defer cancel()
	for _, p := range w.process {
		if err := p.awaitReady(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) onStop(f func() error) { w.stops = append(w.stops, f) }

// close ends everything, the last started first.
func (w *world) close() error {
	var err error
	for _, stop := range slices.Backward(w.stops) {
		err = errors.Join(err, stop())
	}
	w.stops = nil
	return err
}
