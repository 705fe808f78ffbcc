package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"tillflow/dev/buyer"
	"tillflow/dev/stack"
	"tillflow/standin/shopify"
)

// The load of RunIsolation: of the shop whose provider hangs a session comes
// every sickEvery, long enough to fill a worker that lets each of them keep a
// slot. The other shops pay othersAtOnce at a time.
const (
	sickShop     = "sick.myshopify.com"
	sickEvery    = 200 * time.Millisecond
	sickPatience = 5 * time.Second // of its buyers, at a page that waits with them and refreshes itself
	othersAtOnce = 8
	lead         = 90 * time.Second // load before a measurement: the calls that hang have piled up
	measured     = 30 * time.Second
	recovers     = 5 * time.Minute
)

// isolation measures what a provider that never answers at one shop does to the
// others.
type isolation struct {
	run
	front  *front
	others []string // shops
}

// RunIsolation measures, in turn and under the same load, other shops while the
// provider of one answers and while it never does, and writes one line BENCH
// {json} with the median ratios. It fails when the load was not what it says, or
// when a payment of that shop has no page minutes after its provider is back.
func RunIsolation(ctx context.Context, out io.Writer, rounds int) error {
	dir, err := os.MkdirTemp("", "tillflow-isolation-")
	if err != nil {
		return err
	}
	i := &isolation{others: []string{"well-1.myshopify.com", "well-2.myshopify.com", "well-3.myshopify.com", "well-4.myshopify.com"}}
	i.buyer, i.say = buyer.New(), func(f string, a ...any) { fmt.Fprintf(out, f+"\n", a...) }
	defer i.stop()
	i.onStop(func() {
		if i.failed {
			i.say("logs are kept in %s", dir)
			return
		}
		_ = os.RemoveAll(dir) // what is left is in the system's own place for such
	})
	i.failed = true // until the end
	if err := i.beginApart(ctx, dir); err != nil {
		return err
	}
	report, err := i.rounds(ctx, rounds)
	if err != nil {
		return err
	}
	i.failed = false
	return printReport(out, "BENCH", report)
}

// beginApart starts the stack, the front and the service. Commits are durable.
func (i *isolation) beginApart(ctx context.Context, dir string) error {
	var err error
	o := stack.Options{Dir: dir, Shops: append([]string{sickShop}, i.others...), Settings: map[string]string{"LOG_LEVEL": "warn"}}
	if i.stack, err = stack.Start(ctx, o); err != nil {
		return err
	}
	i.onStop(func() {
		if err := i.stack.Stop(); err != nil {
			i.say("stopping the stack: %v", err)
		}
	})
	if i.front, err = newFront(i.stack.StripeURL, i.stack.StripeKeyOf(sickShop)); err != nil {
		return err
	}
	before := httptest.NewServer(i.front)
	i.onStop(before.Close)
	if i.service, err = i.stack.Spawn(ctx, "all", map[string]string{"STRIPE_URL": before.URL}); err != nil {
		return err
	}
	i.onStop(func() {
		if err := i.service.Stop(); err != nil {
			i.say("stopping the service: %v", err)
		}
	})
	if i.pool, err = pgxpool.New(ctx, i.stack.Config.DatabaseURL.Reveal()); err != nil {
		return err
	}
	i.onStop(i.pool.Close)
	return nil
}

// apart is one measurement.
type apart struct {
	taken
	sessions int // of the sick shop
	pages    int // of its buyers who came to the provider's page
	hung     int // its calls that hung at once, at most
	lost     int // charges of other shops that failed
	last     error
}

// rounds measures both in turn; who is first changes from round to round.
func (i *isolation) rounds(ctx context.Context, n int) (map[string]any, error) {
	var hungAnswers, wellAnswers, hungRates, wellRates []float64
	if _, err := i.measure(ctx, 5*time.Second, 5*time.Second); err != nil {
		return nil, fmt.Errorf("warm up: %w", err)
	}
	most := 0
	for round := range n {
		var well, hung apart
		turns := []func() error{
			func() (err error) { well, err = i.measure(ctx, lead, measured); return err },
			func() (err error) { hung, err = i.silent(ctx); return err },
		}
		if round%2 == 1 {
			slices.Reverse(turns)
		}
		for _, turn := range turns {
			if err := turn(); err != nil {
				return nil, err
			}
		}
		if err := sameLoad(well, hung); err != nil {
			return nil, err
		}
		i.say("round %d: others %5.1f/s beside %5.1f/s, answer p99 %6.1f ms beside %6.1f ms",
			round+1, hung.perSecond, well.perSecond, hung.answer(0.99), well.answer(0.99))
		hungRates, wellRates = append(hungRates, hung.perSecond), append(wellRates, well.perSecond)
		hungAnswers, wellAnswers = append(hungAnswers, hung.answer(0.99)), append(wellAnswers, well.answer(0.99))
		most = max(most, hung.hung)
	}
	rates, answers := ratios(hungRates, wellRates), ratios(hungAnswers, wellAnswers)
	return map[string]any{
		"rounds":                     n,
		"isolation_charge_ratio":     round2(median(rates)),
		"isolation_answer_p99_ratio": round2(median(answers)),
		"isolation_charge_per_s":     round2(median(hungRates)), "isolation_charge_per_s_without": round2(median(wellRates)),
		"isolation_answer_p99_ms": round2(median(hungAnswers)), "isolation_answer_p99_ms_without": round2(median(wellAnswers)),
		"isolation_calls_hung": most,
	}, nil
}

// sameLoad makes sure that what is compared can be: the same arrivals, of which
// all came to the provider's page in one run and none in the other.
func sameLoad(well, hung apart) error {
	switch {
	case well.lost > 0:
		return fmt.Errorf("%d charges of other shops failed while every provider answered: %w", well.lost, well.last)
	case well.pages < well.sessions*9/10:
		return fmt.Errorf("the load was too much: %d of %d buyers came to the page of a provider that answers", well.pages, well.sessions)
	case hung.pages > 0 || hung.hung == 0:
		return fmt.Errorf("the provider did not hang: %d buyers came to its page, %d calls hung", hung.pages, hung.hung)
	case hung.sessions < well.sessions*9/10:
		return fmt.Errorf("%d sessions were accepted of the shop while its provider hung, %d while it answered", hung.sessions, well.sessions)
	}
	return nil
}

// silent measures while the provider does not answer, and waits until all
// payments that waited for it have their pages.
func (i *isolation) silent(ctx context.Context) (apart, error) {
	i.front.fallSilent()
	got, err := i.measure(ctx, lead, measured)
	got.hung = i.front.speak()
	if err != nil {
		return got, err
	}
	i.say("the provider hangs: others %5.1f/s, answer p99 %6.1f ms; %d calls hung at once, %d charges were lost",
		got.perSecond, got.answer(0.99), got.hung, got.lost)
	began := time.Now()
	over := time.NewTimer(recovers)
	defer over.Stop()
	glance := time.NewTicker(time.Second)
	defer glance.Stop()
	for {
		var waiting int
		const count = `SELECT count(*) FROM payments WHERE shop = $1 AND state = 'created' AND choice_account IS NOT NULL`
		if err := i.pool.QueryRow(ctx, count, sickShop).Scan(&waiting); err != nil {
			return got, fmt.Errorf("payments that wait for the provider: %w", err)
		}
		if waiting == 0 {
			i.say("the provider is back; all payments had their pages after %.0f s", time.Since(began).Seconds())
			return got, nil
		}
		select {
		case <-ctx.Done():
			return got, context.Cause(ctx)
		case <-over.C:
			return got, fmt.Errorf("%d payments have no page %s after the provider is back", waiting, recovers)
		case <-glance.C:
		}
	}
}

// window is the time of a measurement: what falls into it counts.
type window struct {
	mu      sync.Mutex
	open    bool
	done    int
	lost    int
	last    error // why the last lost one was
	answers []time.Duration
}

func (w *window) set(open bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open = open
}

func (w *window) answered(took time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.open {
		w.answers = append(w.answers, took)
	}
}

// charged counts a charge. One that fails is not one per second: a buyer who
// waited too long is what a shop suffers when it is not kept apart.
func (w *window) charged(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case !w.open:
	case err == nil:
		w.done++
	default:
		w.lost, w.last = w.lost+1, err
	}
}

var errOver = errors.New("the measurement is over")

// measure loads all shops for a while, goes on and measures the others.
func (i *isolation) measure(ctx context.Context, lead, measured time.Duration) (apart, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		got   apart
		w     window
		group sync.WaitGroup
	)
	group.Go(func() { got.sessions, got.pages = i.arrivals(ctx, cancel) })
	for n := range othersAtOnce {
		group.Go(func() {
			for at := n; ctx.Err() == nil; at++ {
				w.charged(i.chargeAt(ctx, i.others[at%len(i.others)], w.answered))
			}
		})
	}
	passes(ctx, lead)
	w.set(true)
	passes(ctx, measured)
	w.set(false)
	cancel(errOver)
	group.Wait()
	if err := context.Cause(ctx); !errors.Is(err, errOver) {
		return got, err
	}
	if len(w.answers) == 0 {
		return got, errors.New("no session of another shop was answered")
	}
	got.taken = taken{perSecond: float64(w.done) / measured.Seconds(), answers: w.answers}
	got.lost, got.last = w.lost, w.last
	return got, nil
}

// passes waits for a time, or until the load failed.
func passes(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// arrivals lets buyers come to the sick shop until ctx ends. They go to the
// provider's page, or give up waiting for it, and pay nowhere.
func (i *isolation) arrivals(ctx context.Context, cancel context.CancelCauseFunc) (sessions, pages int) {
	var (
		came, arrived atomic.Int64
		group         sync.WaitGroup
	)
	tick := time.NewTicker(sickEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
			group.Go(func() {
				session, err := i.stack.Shopify.StartSession(ctx, shopify.SessionRequest{
					Shop: sickShop, Amount: "49.90", Currency: "EUR", Test: true,
					Customer: &shopify.Customer{Email: "bench@example.com", Locale: "en"},
				})
				if ctx.Err() != nil {
					return
				}
				if err != nil || !session.Accepted {
					cancel(fmt.Errorf("session of the shop whose provider hangs: %d %s: %w", session.Status, session.Error, err))
					return
				}
				came.Add(1)
				wait, giveUp := context.WithTimeout(ctx, sickPatience)
				defer giveUp()
				if _, err := i.buyer.Choose(wait, session.RedirectURL, "Card"); err == nil {
					arrived.Add(1)
				}
			})
		}
	}
	group.Wait()
	return int(came.Load()), int(arrived.Load())
}
