package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"tillflow/dev/stack"
	"tillflow/internal/flow"
	"tillflow/internal/payment"
	"tillflow/standin/shopify"
)

// costCharges is how many charges the costs are averaged over.
const costCharges = 20

// costs counts what one charge costs: history events and state transitions in
// Temporal, write transactions in Postgres, and the service's memory.
func (r *run) costs(ctx context.Context, report map[string]any) error {
	before, err := r.transactions(ctx)
	if err != nil {
		return err
	}
	var ids []string
	for range costCharges {
		id := "bench-" + newID()
		if err := r.chargeAs(ctx, id); err != nil {
			return err
		}
		ids = append(ids, id)
	}
	after, err := r.transactions(ctx)
	if err != nil {
		return err
	}
	var events, transitions int64
	for _, id := range ids {
		w, err := r.ended(ctx, flow.ChargeID(payment.SourceShopify, stack.Shop, id))
		if err != nil {
			return err
		}
		events, transitions = events+w.events, transitions+w.transitions
	}
	report["events_per_charge"] = round2(float64(events) / costCharges)
	report["transitions_per_charge"] = round2(float64(transitions) / costCharges)
	report["pg_writes_per_charge"] = round2(float64(after-before) / costCharges)
	rss, err := resident(r.service.PID())
	report["rss_mib"] = rss
	return err
}

// chargeAs is charge under a known session id.
func (r *run) chargeAs(ctx context.Context, id string) error {
	session, err := r.stack.Shopify.StartSession(ctx, shopify.SessionRequest{
		ID: id, Shop: stack.Shop, Amount: "49.90", Currency: "EUR", Test: true,
		Customer: &shopify.Customer{Email: "bench@example.com", Locale: "en"},
	})
	if err != nil {
		return err
	}
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

// transactions reads the counter that every write transaction of the database
// server moves by one, and no reading one. The sweep's own writes count too.
func (r *run) transactions(ctx context.Context) (int64, error) {
	var n int64
	err := r.pool.QueryRow(ctx, "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint").Scan(&n)
	return n, err
}

type ended struct{ events, transitions int64 }

// ended waits for a run's end and reads its size.
func (r *run) ended(ctx context.Context, workflowID string) (ended, error) {
	if err := r.client.GetWorkflow(ctx, workflowID, "").Get(ctx, nil); err != nil && !strings.Contains(err.Error(), "unable to decode") {
		return ended{}, fmt.Errorf("wait for %s: %w", workflowID, err)
	}
	d, err := r.client.DescribeWorkflowExecution(ctx, workflowID, "")
	if err != nil {
		return ended{}, err
	}
	info := d.GetWorkflowExecutionInfo()
	return ended{events: info.GetHistoryLength(), transitions: info.GetStateTransitionCount()}, nil
}

// resident is a process's resident memory in MiB.
func resident(pid int) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, found := strings.CutPrefix(line, "VmRSS:"); found {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return round2(kib / 1024), err
		}
	}
	return 0, fmt.Errorf("process %d tells no resident memory", pid)
}

// Open measures what open charges cost: a line BENCH_OPEN {json}.
func (r *run) open(ctx context.Context, report map[string]any) error {
	const sample = 96
	open := 0
	for _, goal := range []int{1000, 5000} {
		if _, err := load(ctx, 16, goal-open, r.openCharge); err != nil {
			return err
		}
		open = goal
		if err := settle(ctx, 20*time.Second); err != nil {
			return err
		}
		var rates []float64
		for range Rounds {
			took, err := load(ctx, 8, sample, r.charge)
			if err != nil {
				return err
			}
			rates = append(rates, took.perSecond)
		}
		rss, err := resident(r.service.PID())
		if err != nil {
			return err
		}
		report[fmt.Sprintf("rss_mib_%d", goal)] = rss
		report[fmt.Sprintf("charge_per_s_%d", goal)] = round2(median(rates))
		r.say("%d open: %.1f MiB, %.1f charges/s", goal, rss, median(rates))
	}
	grown := report["rss_mib_5000"].(float64)/report["rss_mib_1000"].(float64) - 1
	slower := 1 - report["charge_per_s_5000"].(float64)/report["charge_per_s_1000"].(float64)
	report["rss_growth"], report["rate_fall"] = round2(grown), round2(slower)
	return nil
}

// openCharge leaves a charge open at the provider's page.
func (r *run) openCharge(ctx context.Context) (time.Duration, error) {
	session, err := r.stack.Shopify.StartSession(ctx, shopify.SessionRequest{Shop: stack.Shop, Amount: "49.90", Currency: "EUR", Test: true})
	if err != nil || !session.Accepted {
		return 0, fmt.Errorf("session refused: %d %s: %w", session.Status, session.Error, err)
	}
	_, err = r.buyer.Choose(ctx, session.RedirectURL, "Card")
	return 0, err
}

func settle(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// RunOpen measures what thousands of open charges cost: one line BENCH_OPEN {json}.
func RunOpen(ctx context.Context, out io.Writer) error {
	r, err := start(ctx, out)
	if err != nil {
		return err
	}
	defer r.stop()
	report := map[string]any{"rounds": Rounds}
	if err := r.open(ctx, report); err != nil {
		return err
	}
	return printReport(out, "BENCH_OPEN", report)
}
