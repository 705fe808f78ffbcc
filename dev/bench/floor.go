package bench

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// The floors do what any durable charge must do, and nothing else; they do not
// grow with what this program adds.
//
//	bare   one workflow with one signal, one timer and three activities that make
//	       two plain HTTP calls to the stand-ins and six one-row commits in all,
//	       started by a plain HTTP handler
//	empty  the same workflow, its activities doing nothing
//	bare refund  one workflow with two activities that make two plain HTTP calls
//	       and four one-row commits in all, started by the same handler
const floorQueue = "bench-floor"

// floor holds what the floors' activities use.
type floor struct {
	pool   *pgxpool.Pool
	stripe string // base URL of the stand-in
	key    string // its secret key
	shop   string // base URL of the stand-in shop
	http   *http.Client
}

type floorInput struct {
	ID    string
	Empty bool
}

// Bare is the workflow of both floors.
func Bare(ctx workflow.Context, in floorInput) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 30 * time.Second})
	tctx, stop := workflow.WithCancel(ctx)
	workflow.NewTimer(tctx, 47*time.Hour)
	defer stop()
	var f *floor
	steps := []any{f.Open, f.Settle, f.Tell}
	if in.Empty {
		steps = []any{f.Nothing1, f.Nothing2, f.Nothing3}
	}
	if err := workflow.ExecuteActivity(ctx, steps[0], in.ID).Get(ctx, nil); err != nil {
		return err
	}
	workflow.GetSignalChannel(ctx, "paid").Receive(ctx, nil)
	if err := workflow.ExecuteActivity(ctx, steps[1], in.ID).Get(ctx, nil); err != nil {
		return err
	}
	return workflow.ExecuteActivity(ctx, steps[2], in.ID).Get(ctx, nil)
}

// Open makes one HTTP call and one commit.
func (f *floor) Open(ctx context.Context, id string) error {
	form := url.Values{
		"mode": {"payment"}, "client_reference_id": {id}, "success_url": {"https://example.com/"}, "cancel_url": {"https://example.com/"},
		"line_items[0][quantity]": {"1"}, "line_items[0][price_data][currency]": {"eur"},
		"line_items[0][price_data][unit_amount]": {"4990"}, "line_items[0][price_data][product_data][name]": {"floor"},
	}
	if err := f.call(ctx, http.MethodPost, f.stripe+"/v1/checkout/sessions", form.Encode()); err != nil {
		return err
	}
	return f.commit(ctx, id)
}

// Settle makes two commits.
func (f *floor) Settle(ctx context.Context, id string) error {
	if err := f.commit(ctx, id); err != nil {
		return err
	}
	return f.commit(ctx, id)
}

// Tell makes one HTTP call and two commits.
func (f *floor) Tell(ctx context.Context, id string) error {
	if err := f.commit(ctx, id); err != nil {
		return err
	}
	if err := f.call(ctx, http.MethodGet, f.shop+"/_books?counts=1", ""); err != nil {
		return err
	}
	return f.commit(ctx, id)
}

// Nothing1 does nothing.
func (f *floor) Nothing1(context.Context, string) error { return nil }

// Nothing2 does nothing.
func (f *floor) Nothing2(context.Context, string) error { return nil }

// Nothing3 does nothing.
func (f *floor) Nothing3(context.Context, string) error { return nil }

func (f *floor) commit(ctx context.Context, id string) error {
	_, err := f.pool.Exec(ctx, "INSERT INTO bench_floor (id, at) VALUES ($1, $2)", id, time.Now())
	return err
}

func (f *floor) call(ctx context.Context, method, address, body string) error {
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+f.key)
	req.Header.Set("Stripe-Version", "2026-08-26.dahlia")
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := f.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil && resp.StatusCode >= http.StatusBadRequest {
		err = fmt.Errorf("%s answered %d: %s", address, resp.StatusCode, text)
	}
	return err
}

// worker runs the floors' workflow and activities.
func (f *floor) worker(c client.Client) sdkworker.Worker {
	w := sdkworker.New(c, floorQueue, sdkworker.Options{
		WorkflowTaskPollerBehavior: sdkworker.NewPollerBehaviorAutoscaling(sdkworker.PollerBehaviorAutoscalingOptions{}),
		ActivityTaskPollerBehavior: sdkworker.NewPollerBehaviorAutoscaling(sdkworker.PollerBehaviorAutoscalingOptions{}),
	})
	w.RegisterWorkflow(Bare)
	w.RegisterWorkflow(BareRefund)
	w.RegisterActivity(f)
	return w
}

// handler accepts a bare charge: one commit and one start.
func (f *floor) handler(c client.Client) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.URL.Query().Get("id")
		if err := f.commit(r.Context(), id); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		if r.URL.Path == "/insert" {
			return // a bare webhook: one commit, and 200
		}
		start := f.start
		if r.URL.Path == "/refund" {
			start = f.startRefund
		}
		if _, err := start(r.Context(), c, id, false); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, `{"redirect_url":"https://example.com/"}`) // the client's loss is the client's to notice
	})
}

func (f *floor) start(ctx context.Context, c client.Client, id string, empty bool) (client.WorkflowRun, error) {
	return c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: floorQueue, EnableEagerStart: true}, Bare, floorInput{ID: id, Empty: empty})
}

func (f *floor) startRefund(ctx context.Context, c client.Client, id string, _ bool) (client.WorkflowRun, error) {
	return c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: floorQueue, EnableEagerStart: true}, BareRefund, floorInput{ID: id})
}

func newID() string { return rand.Text() }
