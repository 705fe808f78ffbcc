// Package bench measures charges beside fixed floors, in turn and in one run.
package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/zerolog"
	"go.temporal.io/sdk/client"

	"tillflow/dev/buyer"
	"tillflow/dev/stack"
	"tillflow/standin/shopify"
	"tillflow/worker"
)

// Rounds is how often each figure is taken, in turn with its floor.
const Rounds = 5

// run is one bench: the stack with the service in a process of its own, and
// the floors in this one.
type run struct {
	stack   *stack.Stack
	service *stack.Child
	buyer   *buyer.Buyer
	floor   *floor
	client  client.Client
	bare    *httptest.Server
	paid    paid
	pool    *pgxpool.Pool
	say     func(string, ...any)
	stops   []func()
	failed  bool         // keep the logs
	hooks   *http.Client // carries webhooks; see RunWebhook
}

// Run measures and writes one line BENCH {json}. With costsOnly it counts what
// one charge costs and leaves out what takes time.
func Run(ctx context.Context, out io.Writer, costsOnly bool) error {
	r, err := start(ctx, out)
	if err != nil {
		return err
	}
	defer r.stop()
	report := map[string]any{"rounds": Rounds}
	loads := []struct{ parallel, charges int }{{1, 12}, {8, 64}, {64, 192}}
	if costsOnly {
		loads = nil
	}
	for _, at := range loads {
		if err := r.compare(ctx, at.parallel, at.charges, report); err != nil {
			r.failed = true
			return err
		}
	}
	if err := r.costs(ctx, report); err != nil {
		return err
	}
	if err := r.refunds(ctx, costsOnly, report); err != nil {
		r.failed = true
		return err
	}
	return printReport(out, "BENCH", report)
}

func printReport(out io.Writer, name string, report map[string]any) error {
	line, err := json.Marshal(report)
	if err == nil {
		_, err = fmt.Fprintf(out, "%s %s\n", name, line)
	}
	return err
}

func start(ctx context.Context, out io.Writer) (*run, error) {
	dir, err := os.MkdirTemp("", "tillflow-bench-")
	if err != nil {
		return nil, err
	}
	r := &run{buyer: buyer.New(), say: func(f string, a ...any) { fmt.Fprintf(out, f+"\n", a...) }}
	r.onStop(func() {
		if r.failed {
			r.say("logs are kept in %s", dir)
			return
		}
		_ = os.RemoveAll(dir)
	})
	if err := r.begin(ctx, dir); err != nil {
		r.failed = true
		r.stop()
		return nil, err
	}
	return r, nil
}

func (r *run) onStop(f func()) { r.stops = append(r.stops, f) }

func (r *run) stop() {
	for _, f := range slices.Backward(r.stops) {
		f()
	}
}

// begin starts everything. Commits are durable, as in production.
func (r *run) begin(ctx context.Context, dir string) error {
	var err error
	if r.stack, err = stack.Start(ctx, stack.Options{Dir: dir, Settings: map[string]string{"LOG_LEVEL": "warn"}}); err != nil {
		return err
	}
	r.onStop(func() {
		if err := r.stack.Stop(); err != nil {
			r.say("stopping the stack: %v", err)
		}
	})
	if r.service, err = r.stack.Spawn(ctx, "all", nil); err != nil {
		return err
	}
	r.onStop(func() {
		if err := r.service.Stop(); err != nil {
			r.say("stopping the service: %v", err)
		}
	})
	if r.pool, err = pgxpool.New(ctx, r.stack.Config.DatabaseURL.Reveal()); err != nil {
		return err
	}
	r.onStop(r.pool.Close)
	if _, err = r.pool.Exec(ctx, "CREATE TABLE IF NOT EXISTS bench_floor (id text, at timestamptz)"); err != nil {
		return err
	}
	return r.beginFloor()
}

func (r *run) beginFloor() error {
	var err error
	if r.client, err = client.Dial(client.Options{HostPort: r.stack.Config.TemporalAddress, Logger: worker.Log(zerolog.Nop())}); err != nil {
		return err
	}
	r.onStop(r.client.Close)
	r.floor = &floor{
		pool: r.pool, stripe: r.stack.StripeURL, key: r.stack.StripeKey(), shop: r.stack.ShopURL,
		http: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 128}},
	}
	w := r.floor.worker(r.client)
	if err := w.Start(); err != nil {
		return err
	}
	r.onStop(w.Stop)
	r.bare = httptest.NewTLSServer(r.floor.handler(r.client))
	r.onStop(r.bare.Close)
	return nil
}

// kind is one thing that is measured; one runs it once and answers the time of its first answer.
type kind struct {
	name string
	one  func(context.Context) (time.Duration, error)
}

// figures are what the rounds of a kind measured, round by round.
type figures struct{ rates, p50, p99 []float64 }

// inTurn takes the kinds one after the other, Rounds times. ready runs before
// each measurement and is not counted.
func (r *run) inTurn(ctx context.Context, parallel, n int, kinds []kind, ready func(context.Context, int) error) (map[string]*figures, error) {
	all := map[string]*figures{}
	for _, k := range kinds { // warm-up, not counted
		all[k.name] = &figures{}
		if err := ready(ctx, parallel); err != nil {
			return nil, err
		}
		if _, err := load(ctx, parallel, parallel, k.one); err != nil {
			return nil, fmt.Errorf("warm up %s: %w", k.name, err)
		}
	}
	for round := range Rounds {
		for _, k := range kinds {
			if err := ready(ctx, n); err != nil {
				return nil, err
			}
			took, err := load(ctx, parallel, n, k.one)
			if err != nil {
				return nil, fmt.Errorf("%s, %d at a time: %w", k.name, parallel, err)
			}
			f := all[k.name]
			f.rates, f.p50, f.p99 = append(f.rates, took.perSecond), append(f.p50, took.answer(0.5)), append(f.p99, took.answer(0.99))
			r.say("%2d at a time, round %d: %-11s %6.1f/s, answer p99 %.1f ms", parallel, round+1, k.name, took.perSecond, took.answer(0.99))
		}
	}
	return all, nil
}

// compare takes charges and floors in turn and reports median ratios.
func (r *run) compare(ctx context.Context, parallel, n int, report map[string]any) error {
	kinds := []kind{{"charge", r.charge}, {"bare", r.bareCharge}, {"empty", r.emptyCharge}}
	got, err := r.inTurn(ctx, parallel, n, kinds, func(context.Context, int) error { return nil })
	if err != nil {
		return err
	}
	at := fmt.Sprintf("_%d", parallel)
	if parallel == 64 {
		at = "" // the keys without a number are the busy ones
	}
	charge, bare, empty := got["charge"], got["bare"], got["empty"]
	report["charge_per_s"+at] = round2(median(charge.rates))
	report["bare_per_s"+at] = round2(median(bare.rates))
	report["empty_per_s"+at] = round2(median(empty.rates))
	report["charge_over_bare"+at] = round2(median(ratios(charge.rates, bare.rates)))
	report["charge_over_empty"+at] = round2(median(ratios(charge.rates, empty.rates)))
	answers := fmt.Sprintf("_%d", parallel)
	if parallel == 8 {
		answers = "" // the session answer is quoted at 8 at a time
	}
	report["answer_p50_ms"+answers] = round2(median(charge.p50))
	report["answer_p99_ms"+answers] = round2(median(charge.p99))
	report["bare_answer_p99_ms"+answers] = round2(median(bare.p99))
	report["answer_p99_over_bare"+answers] = round2(median(ratios(charge.p99, bare.p99)))
	return nil
}

// charge runs one charge: session accepted, option chosen, paid, webhook,
// look-up, return, Shopify told. It answers the time of the session's answer.
func (r *run) charge(ctx context.Context) (took time.Duration, err error) {
	err = r.chargeAt(ctx, stack.Shop, func(answer time.Duration) { took = answer })
	return took, err
}

// chargeAt does it at a shop and tells the time of the session's answer at once.
func (r *run) chargeAt(ctx context.Context, shop string, answered func(time.Duration)) error {
	session, err := r.stack.Shopify.StartSession(ctx, shopify.SessionRequest{
		Shop: shop, Amount: "49.90", Currency: "EUR", Test: true,
		Customer: &shopify.Customer{Email: "bench@example.com", Locale: "en"},
	})
	if err != nil {
		return err
	}
	if !session.Accepted {
		return fmt.Errorf("session refused: %d %s %s", session.Status, session.Body, session.Error)
	}
	answered(time.Duration(session.ElapsedMS * float64(time.Millisecond)))
	checkout, err := r.buyer.Choose(ctx, session.RedirectURL, "Card")
	if err != nil {
		return err
	}
	back, err := r.buyer.PayStripe(ctx, checkout, "4242424242424242")
	if err != nil {
		return err
	}
	_, err = r.buyer.Return(ctx, back)
	return err
}

// bareCharge runs one bare floor.
func (r *run) bareCharge(ctx context.Context) (time.Duration, error) {
	id, began := newID(), time.Now()
	if err := r.post(ctx, "/?id="+id); err != nil {
		return 0, err
	}
	answer := time.Since(began)
	if err := r.client.SignalWorkflow(ctx, id, "", "paid", nil); err != nil {
		return 0, err
	}
	return answer, r.client.GetWorkflow(ctx, id, "").Get(ctx, nil)
}

// post asks the floors' handler.
func (r *run) post(ctx context.Context, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.bare.URL+path, nil)
	if err != nil {
		return err
	}
	resp, err := r.bare.Client().Do(req)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("bare handler answered %d", resp.StatusCode)
	}
	return nil
}

// emptyCharge runs one empty floor.
func (r *run) emptyCharge(ctx context.Context) (time.Duration, error) {
	id := newID()
	began := time.Now()
	w, err := r.floor.start(ctx, r.client, id, true)
	if err != nil {
		return 0, err
	}
	answer := time.Since(began)
	if err := r.client.SignalWorkflow(ctx, id, "", "paid", nil); err != nil {
		return 0, err
	}
	return answer, w.Get(ctx, nil)
}

// taken is one measurement.
type taken struct {
	perSecond float64
	answers   []time.Duration
}

func (t taken) answer(q float64) float64 {
	slices.Sort(t.answers)
	i := min(int(q*float64(len(t.answers))), len(t.answers)-1)
	return float64(t.answers[i].Microseconds()) / 1000
}

// load runs n of one, so many at a time.
func load(ctx context.Context, parallel, n int, one func(context.Context) (time.Duration, error)) (taken, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		left    atomic.Int64
		mu      sync.Mutex
		answers []time.Duration
		group   sync.WaitGroup
	)
	left.Store(int64(n))
	began := time.Now()
	for range parallel {
		group.Go(func() {
			for left.Add(-1) >= 0 && ctx.Err() == nil {
				took, err := one(ctx)
				if err != nil {
					cancel(err)
					return
				}
				mu.Lock()
				answers = append(answers, took)
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if err := context.Cause(ctx); err != nil {
		return taken{}, err
	}
	return taken{perSecond: float64(n) / time.Since(began).Seconds(), answers: answers}, nil
}

func median(of []float64) float64 {
	s := slices.Sorted(slices.Values(of))
	return s[len(s)/2]
}

func ratios(a, b []float64) []float64 {
	out := make([]float64, len(a))
	for i := range a {
		out[i] = a[i] / b[i]
	}
	return out
}

func round2(f float64) float64 { return float64(int64(f*100+0.5)) / 100 }
