package bench

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"tillflow/dev/stack"
	"tillflow/standin/shopify"
)

const (
	// webhooksAtOnce are under way together, as are the inserts beside which they are measured.
	webhooksAtOnce = 4
	// webhooksPerRound makes the p99 of a round the tenth worst answer.
	webhooksPerRound = 1000
	// chargesBeside are under way all the time.
	chargesBeside = 8
)

// RunWebhook measures how fast Shopify's webhooks are answered while charges run,
// beside a bare insert of one row, in turn, and writes one line BENCH {json}.
func RunWebhook(ctx context.Context, out io.Writer) error {
	r, err := start(ctx, out)
	if err != nil {
		return err
	}
	defer r.stop()
	report := map[string]any{"rounds": Rounds}
	if err := r.webhooks(ctx, report); err != nil {
		r.failed = true
		return err
	}
	return printReport(out, "BENCH", report)
}

func (r *run) webhooks(ctx context.Context, report map[string]any) error {
	if err := r.stack.InstallApp(ctx, stack.Shop, shopify.AdminApp); err != nil {
		return err
	}
	r.hooks = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 2 * webhooksAtOnce}}
	stop := r.beside(ctx)
	kinds := []kind{{"webhook", r.webhook}, {"insert", r.insert}, {"bare", r.bareHook}}
	got, err := r.inTurn(ctx, webhooksAtOnce, webhooksPerRound, kinds, func(context.Context, int) error { return nil })
	perSecond, failed := stop()
	if err == nil {
		err = failed
	}
	if err != nil {
		return err
	}
	webhook, insert, bare := got["webhook"], got["insert"], got["bare"]
	report["webhook_p50_ms"], report["webhook_p99_ms"] = round2(median(webhook.p50)), round2(median(webhook.p99))
	report["insert_p50_ms"], report["insert_p99_ms"] = round2(median(insert.p50)), round2(median(insert.p99))
	report["bare_webhook_p99_ms"] = round2(median(bare.p99))
	report["webhook_p99_over_insert"] = round2(median(ratios(webhook.p99, insert.p99)))
	report["webhook_p99_over_bare"] = round2(median(ratios(webhook.p99, bare.p99)))
	report["charge_per_s_beside_webhooks"] = round2(perSecond)
	return nil
}

// beside runs charges until it is stopped, which answers how many a second there
// were and what went wrong with them. It begins when the first is done.
func (r *run) beside(ctx context.Context) (stop func() (float64, error)) {
	own, cancel := context.WithCancel(ctx)
	var (
		done    atomic.Int64
		trouble atomic.Pointer[error]
		all     sync.WaitGroup
		once    sync.Once
	)
	ready := make(chan struct{})
	for range chargesBeside {
		all.Go(func() {
			for own.Err() == nil {
				_, err := r.charge(own)
				if own.Err() == nil && err != nil {
					trouble.CompareAndSwap(nil, &err)
					cancel()
				}
				done.Add(1)
				once.Do(func() { close(ready) })
			}
		})
	}
	select {
	case <-ready:
	case <-own.Done(): // none is ever done
	}
	began, before := time.Now(), done.Load()
	return func() (float64, error) {
		perSecond := float64(done.Load()-before) / time.Since(began).Seconds()
		cancel()
		all.Wait()
		if failed := trouble.Load(); failed != nil {
			return perSecond, fmt.Errorf("charge beside the webhooks: %w", *failed)
		}
		return perSecond, nil
	}
}

// webhook sends one signed message, as Shopify does.
func (r *run) webhook(ctx context.Context) (time.Duration, error) {
	id := newID()
	body := []byte(`{"id":4711,"admin_graphql_api_id":"gid://shopify/Order/` + number() + `","financial_status":"paid","currency":"EUR","total_price":"49.90","test":true}`)
	header := map[string]string{
		"X-Shopify-Hmac-Sha256": shopify.Signature(shopify.Secret(r.stack.WebhookSecret()), body), "X-Shopify-Topic": "orders/paid", "X-Shopify-Shop-Domain": stack.Shop,
		"X-Shopify-Webhook-Id": id, "X-Shopify-Event-Id": id, "X-Shopify-API-Version": "2026-10",
		"X-Shopify-Triggered-At": time.Now().UTC().Format(time.RFC3339Nano),
	}
	return r.hook(ctx, r.hooks, r.stack.PayURL+"/webhook/shopify", body, header)
}

// number names an order that no other message is about.
func number() string {
	var b [7]byte
	_, _ = rand.Read(b[:]) // never fails
	var n uint64
	for _, one := range b {
		n = n<<8 | uint64(one)
	}
	return fmt.Sprint(n)
}

// insert commits one row and nothing else.
func (r *run) insert(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	err := r.floor.commit(ctx, newID())
	return time.Since(began), err
}

// bareHook is the same insert behind a plain HTTP handler.
func (r *run) bareHook(ctx context.Context) (time.Duration, error) {
	return r.hook(ctx, r.bare.Client(), r.bare.URL+"/insert?id="+newID(), []byte(`{}`), nil)
}

func (r *run) hook(ctx context.Context, client *http.Client, address string, body []byte, header map[string]string) (time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	began := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	took := time.Since(began)
	if resp.StatusCode != http.StatusOK {
		return took, fmt.Errorf("%s answered %d", address, resp.StatusCode)
	}
	return took, nil
}
