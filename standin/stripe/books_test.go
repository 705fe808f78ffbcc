package stripe_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/standin/faults"
	"tillflow/standin/stripe"
)

func TestBooks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	cs, pi := b.paid("success", "metadata[session]", "s-1")
	b.paid("success", "client_reference_id", "ref-2", "line_items[0][price_data][currency]", "jpy")
	b.paid("success", "client_reference_id", "ref-2", "payment_intent_data[capture_method]", "manual")
	b.ok("POST /v1/refunds", []string{"payment_intent", pi, "amount", "2500"})

	t.Run("of everything", func(t *testing.T) {
		books := b.books()
		require.Len(t, books.Checkouts, 3)
		require.Equal(t, map[string]stripe.Totals{
			"eur": {Captured: 10000, Refunded: 2500, Held: 10000, Fees: 320, Captures: 1, Refunds: 1},
			"jpy": {Captured: 10000, Fees: 320, Captures: 1},
		}, books.Totals)
		require.Equal(t, 3, books.Calls["checkout.sessions.create"])
		require.Equal(t, 1, books.Calls["refunds.create"])
		require.Empty(t, b.stripe.Books("").Accounts["acct_two"].Checkouts)
	})
	t.Run("of one reference, over HTTP", func(t *testing.T) {
		a := b.get("/_books?ref=ref-1")
		var books stripe.Books
		require.NoError(t, json.Unmarshal([]byte(a.raw), &books))
		one := books.Accounts["acct_one"]
		require.Equal(t, []stripe.IntentEntry{{
			ID: pi, Checkout: cs, Reference: "ref-1", Status: "succeeded", Currency: "eur", Amount: 10000, Authorized: 10000, Captured: 10000,
			Refunded: 2500, Fees: 320, Attempts: 1, Metadata: map[string]string{"attempt_id": "att-1"},
		}}, one.Intents)
		require.Equal(t, map[string]string{"session": "s-1"}, one.Checkouts[0].Metadata)
		require.EqualValues(t, 10000, one.Totals["eur"].Captured)
		require.Len(t, b.stripe.Books("ref-2").Accounts["acct_one"].Checkouts, 2)
		require.Empty(t, b.stripe.Books("ref-3").Accounts["acct_one"].Checkouts)
	})
}

func (b *bundle) get(path string) answer {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.url+path, nil)
	require.NoError(b.t, err)
	resp, err := b.client.Do(req)
	require.NoError(b.t, err)
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode}
	var raw json.RawMessage
	require.NoError(b.t, json.NewDecoder(resp.Body).Decode(&raw))
	a.raw = string(raw)
	require.NoError(b.t, json.Unmarshal(raw, &a.json))
	return a
}

func TestPayFaults(t *testing.T) {
	t.Parallel()
	t.Run("a decline by code, whatever the card", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.arm(faults.Rule{Call: "hosted.pay", Kind: faults.Decline("do_not_honor")})
		cs := b.checkout()
		a := b.pay(cs, "success")
		require.Equal(t, http.StatusPaymentRequired, a.status)
		require.Equal(t, "do_not_honor", a.text("error", "decline_code"))
		require.Equal(t, "try_again_later", a.text("error", "advice_code"))
		require.Equal(t, 200, b.pay(cs, "success").status)
	})
	t.Run("a wrong amount is what really moved", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.arm(faults.Rule{Call: "hosted.pay", Kind: faults.WrongAmount})
		cs, pi := b.paid("success")
		require.EqualValues(t, 10000, b.session(cs).at("amount_total"))
		require.EqualValues(t, 9999, b.intent(pi).at("amount_received"))
		require.EqualValues(t, 9999, b.books().Totals["eur"].Captured)
	})
	t.Run("a card that settles slowly, by match", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		slow, fast := b.checkout(), b.checkout()
		b.arm(faults.Rule{Call: "hosted.pay", Kind: faults.SlowSettle, DelayMS: 90_000, Match: slow})
		require.Equal(t, 200, b.pay(fast, "success").status)
		require.Equal(t, 200, b.pay(slow, "success").status)
		require.Equal(t, "paid", b.session(fast).text("payment_status"))
		require.Equal(t, "unpaid", b.session(slow).text("payment_status"))
		b.clock.advance(90 * time.Second)
		require.Equal(t, "paid", b.session(slow).text("payment_status"))
	})
	t.Run("a buyer whose click was lost on the way back is charged once", func(t *testing.T) {
		t.Parallel()
		br := browse(t)
		cs := br.open()
		br.arm(faults.Rule{Call: "hosted.pay", Kind: faults.ErrorAfter})
		status, _ := br.submit("/c/pay/"+cs, url.Values{"card": {"success"}})
		require.Equal(t, 500, status)
		_, page := br.submit("/c/pay/"+cs, url.Values{"card": {"success"}})
		require.Contains(t, page, "This payment is complete")
		require.Equal(t, 1, br.books().Totals["eur"].Captures)
	})
	t.Run("authentication may be declined", func(t *testing.T) {
		t.Parallel()
		br := browse(t)
		cs := br.open()
		br.submit("/c/pay/"+cs, url.Values{"card": {"three_d_secure"}})
		br.arm(faults.Rule{Call: "hosted.authenticate", Kind: faults.Decline("fraudulent")})
		_, page := br.submit("/c/pay/"+cs+"/authenticate", url.Values{"result": {"complete"}})
		require.Contains(t, page, "Your card was declined.")
	})
	t.Run("rules come over HTTP, with the operations checked", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		require.Equal(t, http.StatusCreated, b.post("/_faults", `{"call":"refunds.create","kind":"lose_reply"}`).status)
		a := b.post("/_faults", `{"call":"refund.create","kind":"lose_reply"}`)
		require.Equal(t, http.StatusBadRequest, a.status)
		require.Contains(t, a.text("error"), "refunds.create")
	})
}

func TestManyBuyersAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var wg sync.WaitGroup
	cs := b.checkout()
	for i := range 40 {
		wg.Go(func() {
			_, _ = b.try(t.Context(), "POST /v1/checkout/sessions", order(), key(fmt.Sprint("k", i%10)))
		})
	}
	for range 10 {
		wg.Go(func() {
			_, _ = b.try(t.Context(), "POST /_pay/"+cs, nil, func(r *http.Request) {
				body := `{"card":"success"}`
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
			})
		})
	}
	wg.Wait()
	books := b.books()
	require.Len(t, books.Checkouts, 11, "one per key")
	require.Equal(t, 1, books.Totals["eur"].Captures, "one session is paid once")
}

func TestSnapshot(t *testing.T) {
	t.Parallel()
	t.Run("the next server knows everything", func(t *testing.T) {
		t.Parallel()
		dir, in := t.TempDir(), newInbox(t)
		in.answer(http.StatusInternalServerError)
		hour := func(o *stripe.Options) { o.WebhookRetry = []time.Duration{time.Hour, time.Hour} }
		b := setup(t, snapshotIn(dir), in.subscribe("checkout.session.completed"), hour)
		cs, pi := b.paid("success")
		_, slow := b.paid("delayed_success")
		open := b.checkout()
		re := b.ok("POST /v1/refunds", []string{"payment_intent", pi, "amount", "2500"}, key("k"))
		in.waitFor(t, 2)
		ep := b.ok("POST /v1/webhook_endpoints", []string{"url", in.server.URL, "enabled_events[]", "charge.expired"}).text("id")
		require.NoError(t, b.stripe.Close())
		before := b.books()

		in.answer(http.StatusOK)
		b2 := setup(t, snapshotIn(dir), in.subscribe("checkout.session.completed"), hour)
		in.waitFor(t, 4) // what was undelivered arrives
		after := b2.settled()
		require.Equal(t, before.Checkouts, after.Checkouts)
		require.Equal(t, before.Intents, after.Intents)
		require.Equal(t, before.Refunds, after.Refunds)
		require.Equal(t, before.Totals, after.Totals)
		require.Equal(t, before.Calls, after.Calls)
		require.Equal(t, "paid", b2.session(cs).text("payment_status"))
		replay := b2.ok("POST /v1/refunds", []string{"payment_intent", pi, "amount", "2500"}, key("k"))
		require.Equal(t, "true", replay.header.Get("Idempotent-Replayed"))
		require.Equal(t, re.text("id"), replay.text("id"))
		require.Contains(t, b2.ok("GET /v1/webhook_endpoints", nil).ids(), ep)
		require.Equal(t, []string{open}, b2.ok("GET /v1/checkout/sessions", []string{"limit", "1"}).ids())
		require.Equal(t, []string{pi}, b2.ok("GET /v1/payment_intents/search", []string{"query", "metadata['attempt_id']:'att-1' AND status:'succeeded'"}).ids())

		b2.clock.advance(24 * time.Hour) // the agenda survived too
		require.Equal(t, "succeeded", b2.intent(slow).text("status"))
		require.Equal(t, "expired", b2.session(open).text("status"))
	})
	t.Run("saved about once a second, without Close", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		b := setup(t, snapshotIn(dir))
		cs := b.checkout()
		file := filepath.Join(dir, "stripe.journal")
		require.Eventually(t, func() bool {
			raw, err := os.ReadFile(file)
			return err == nil && strings.Contains(string(raw), cs)
		}, eventually, 20*time.Millisecond)

		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		crashed := t.TempDir()
		torn := append(raw, []byte(`{"k":"checkout","a":"acct_one","i":"cs_torn","v":{"ID":"cs_to`)...)
		require.NoError(t, os.WriteFile(filepath.Join(crashed, "stripe.journal"), torn, 0o600))
		b2 := setup(t, snapshotIn(crashed))
		require.Equal(t, []string{cs}, b2.ok("GET /v1/checkout/sessions", nil).ids(), "a torn end is dropped, whole batches count")
	})
	t.Run("a broken file is refused", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		file := filepath.Join(dir, "stripe.journal")
		require.NoError(t, os.WriteFile(file, []byte("not json\n"), 0o600))
		_, err := stripe.New(stripe.Options{
			PublicURL: "http://x", SnapshotPath: file, Accounts: []stripe.Account{{ID: "acct_1", SecretKey: "sk_test_x"}},
		})
		require.ErrorContains(t, err, file)
	})
}

func TestOldEventsGo(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *stripe.Options) { o.MaxEvents = 5 })
	b.paid("success")
	cs, _ := b.paid("success")
	require.Equal(t, append([]string{"checkout.session.completed"}, paidEvents...), b.types())
	last := b.ok("GET /v1/events", []string{"limit", "1"})
	require.Equal(t, cs, answer{json: last.at("data").([]any)[0].(map[string]any)}.text("data", "object", "id"))
}
