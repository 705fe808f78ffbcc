package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"go.temporal.io/sdk/workflow"

	"tillflow/dev/stack"
	"tillflow/internal/flow"
	"tillflow/internal/payment"
	"tillflow/standin/shopify"
)

// paid holds the payments that refunds are taken from: made before a
// measurement, one for each refund, so that no refund waits for another one.
type paid struct {
	mu  sync.Mutex
	ids []string
}

func (p *paid) put(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ids = append(p.ids, id)
}

func (p *paid) take() (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.ids) == 0 {
		return "", errors.New("no payment is left to refund")
	}
	id := p.ids[len(p.ids)-1]
	p.ids = p.ids[:len(p.ids)-1]
	return id, nil
}

// fill makes n payments.
func (r *run) fill(ctx context.Context, n int) error {
	_, err := load(ctx, 16, n, func(ctx context.Context) (time.Duration, error) {
		id := "paid-" + newID()
		if err := r.chargeAs(ctx, id); err != nil {
			return 0, err
		}
		r.paid.put(id)
		return 0, nil
	})
	return err
}

// refunds measures refunds, session accepted to shop told, in turn with their
// floor, and what one costs.
func (r *run) refunds(ctx context.Context, costsOnly bool, report map[string]any) error {
	loads := []struct{ parallel, refunds int }{{8, 48}, {64, 128}}
	if costsOnly {
		loads = nil
	}
	for _, at := range loads {
		kinds := []kind{{"refund", r.refund}, {"bare refund", r.bareRefund}}
		// Only refunds use payments up, and it is their turn when there are few.
		ready := func(ctx context.Context, n int) error { return r.fill(ctx, max(n-len(r.paid.ids), 0)) }
		got, err := r.inTurn(ctx, at.parallel, at.refunds, kinds, ready)
		if err != nil {
			return err
		}
		suffix := fmt.Sprintf("_%d", at.parallel)
		if at.parallel == 64 {
			suffix = ""
		}
		refund, bare := got["refund"], got["bare refund"]
		report["refund_per_s"+suffix] = round2(median(refund.rates))
		report["bare_refund_per_s"+suffix] = round2(median(bare.rates))
		report["refund_over_bare"+suffix] = round2(median(ratios(refund.rates, bare.rates)))
		report["refund_answer_p99_ms"+suffix] = round2(median(refund.p99))
		report["refund_answer_p99_over_bare"+suffix] = round2(median(ratios(refund.p99, bare.p99)))
	}
	return r.refundCosts(ctx, report)
}

// refundCosts counts what one refund costs.
func (r *run) refundCosts(ctx context.Context, report map[string]any) error {
	if err := r.fill(ctx, max(costCharges-len(r.paid.ids), 0)); err != nil {
		return err
	}
	before, err := r.transactions(ctx)
	if err != nil {
		return err
	}
	var ids []string
	for range costCharges {
		id, _, err := r.refundOne(ctx)
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	var events, transitions int64
	for _, id := range ids {
		w, err := r.ended(ctx, flow.MoveID(payment.MoveRef{Kind: payment.OpRefund, Source: payment.SourceShopify, Shop: stack.Shop, ExternalRef: id}))
		if err != nil {
			return err
		}
		events, transitions = events+w.events, transitions+w.transitions
	}
	after, err := r.transactions(ctx)
	if err != nil {
		return err
	}
	report["events_per_refund"] = round2(float64(events) / costCharges)
	report["transitions_per_refund"] = round2(float64(transitions) / costCharges)
	report["pg_writes_per_refund"] = round2(float64(after-before) / costCharges)
	return nil
}

// refund gives one whole payment back and waits until the shop knows.
func (r *run) refund(ctx context.Context) (time.Duration, error) {
	_, took, err := r.refundOne(ctx)
	return took, err
}

func (r *run) refundOne(ctx context.Context) (string, time.Duration, error) {
	of, err := r.paid.take()
	if err != nil {
		return "", 0, err
	}
	s, err := r.stack.Shopify.StartSession(ctx, shopify.SessionRequest{
		Shop: stack.Shop, Type: shopify.RefundSession, PaymentID: of, Amount: "49.90", Currency: "EUR", Test: true,
	})
	if err != nil {
		return "", 0, err
	}
	if !s.Accepted {
		return "", 0, fmt.Errorf("refund session refused: %d %s %s", s.Status, s.Body, s.Error)
	}
	glance := time.NewTicker(10 * time.Millisecond)
	defer glance.Stop()
	for {
		if now, _ := r.stack.Shopify.Session(s.ID); now.Final != nil {
			if now.State != shopify.StateResolved {
				return "", 0, fmt.Errorf("refund of %s ended %s", of, now.State)
			}
			return s.ID, time.Duration(s.ElapsedMS * float64(time.Millisecond)), nil
		}
		select {
		case <-ctx.Done():
			return "", 0, context.Cause(ctx)
		case <-glance.C:
		}
	}
}

// BareRefund is the floor of a refund: what any durable one must do.
func BareRefund(ctx workflow.Context, in floorInput) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 30 * time.Second})
	var f *floor
	if err := workflow.ExecuteActivity(ctx, f.Send, in.ID).Get(ctx, nil); err != nil {
		return err
	}
	return workflow.ExecuteActivity(ctx, f.Tell, in.ID).Get(ctx, nil)
}

// Send makes one HTTP call between two commits.
func (f *floor) Send(ctx context.Context, id string) error {
	if err := f.commit(ctx, id); err != nil {
		return err
	}
	if err := f.call(ctx, http.MethodGet, f.stripe+"/v1/balance_transactions?limit=1", ""); err != nil {
		return err
	}
	return f.commit(ctx, id)
}

// bareRefund runs one floor of a refund.
func (r *run) bareRefund(ctx context.Context) (time.Duration, error) {
	id, began := newID(), time.Now()
	if err := r.post(ctx, "/refund?id="+id); err != nil {
		return 0, err
	}
	answer := time.Since(began)
	return answer, r.client.GetWorkflow(ctx, id, "").Get(ctx, nil)
}
