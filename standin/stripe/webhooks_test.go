package stripe_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/standin/faults"
	"tillflow/standin/stripe"
)

// inbox is a merchant's webhook endpoint.
type inbox struct {
	server *httptest.Server

	mu     sync.Mutex
	status int // answered; 200 unless set
	got    []hook
}

type hook struct {
	header http.Header
	raw    string
	event  answer
}

func newInbox(t *testing.T) *inbox {
	t.Helper()
	in := &inbox{status: http.StatusOK}
	in.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		h := hook{header: r.Header.Clone(), raw: string(raw)}
		if err != nil || json.Unmarshal(raw, &h.event.json) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		in.mu.Lock()
		defer in.mu.Unlock()
		in.got = append(in.got, h)
		w.WriteHeader(in.status)
	}))
	t.Cleanup(in.server.Close)
	return in
}

func (in *inbox) answer(status int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.status = status
}

func (in *inbox) hooks() []hook {
	in.mu.Lock()
	defer in.mu.Unlock()
	return append([]hook(nil), in.got...)
}

func (in *inbox) types() []string {
	types := []string{}
	for _, h := range in.hooks() {
		types = append(types, h.event.text("type"))
	}
	return types
}

// waitFor returns once that many deliveries arrived.
func (in *inbox) waitFor(t *testing.T, n int) []hook {
	t.Helper()
	require.Eventually(t, func() bool { return len(in.hooks()) >= n }, eventually, time.Millisecond, "have %v", in.types)
	return in.hooks()
}

const hookSecret = "whsec_test_secret"

func (in *inbox) subscribe(events ...string) func(*stripe.Options) {
	return func(o *stripe.Options) {
		o.Accounts[0].Webhooks = append(o.Accounts[0].Webhooks, stripe.Webhook{URL: in.server.URL, Secret: hookSecret, Events: events})
	}
}

// settled waits until no delivery is open any more.
func (b *bundle) settled() stripe.AccountBooks {
	b.t.Helper()
	var books stripe.AccountBooks
	require.Eventually(b.t, func() bool {
		books = b.books()
		for _, w := range books.Webhooks {
			if w.State == "pending" {
				return false
			}
		}
		return true
	}, eventually, time.Millisecond)
	return books
}

var paidEvents = []string{"payment_intent.created", "charge.succeeded", "payment_intent.succeeded", "checkout.session.completed"}

func TestWebhookDelivery(t *testing.T) {
	t.Parallel()
	in := newInbox(t)
	b := setup(t, in.subscribe())
	cs, pi := b.paid("success")
	hooks := in.waitFor(t, 4)

	t.Run("in order", func(t *testing.T) {
		require.Equal(t, paidEvents, in.types())
	})
	t.Run("signed with the whole secret over timestamp and body", func(t *testing.T) {
		// Recomputed from the documented scheme alone.
		stamp, sum, ok := strings.Cut(strings.TrimPrefix(hooks[3].header.Get("Stripe-Signature"), "t="), ",v1=")
		require.True(t, ok)
		mac := hmac.New(sha256.New, []byte("whsec_test_secret"))
		_, err := io.WriteString(mac, stamp+"."+hooks[3].raw)
		require.NoError(t, err)
		require.Equal(t, hex.EncodeToString(mac.Sum(nil)), sum)
		require.Equal(t, "1788264000", stamp, "the clock of the stand-in")
		require.Contains(t, hooks[3].header.Get("Content-Type"), "application/json")
	})
	t.Run("the envelope", func(t *testing.T) {
		ev := hooks[3].event
		require.True(t, strings.HasPrefix(ev.text("id"), "evt_"))
		require.Equal(t, "event", ev.text("object"))
		require.Equal(t, version, ev.text("api_version"))
		require.Equal(t, false, ev.at("livemode"))
		require.EqualValues(t, 1, ev.at("pending_webhooks"))
		require.Equal(t, cs, ev.text("data", "object", "id"))
		require.Equal(t, pi, ev.text("data", "object", "payment_intent"))
		require.Equal(t, "paid", ev.text("data", "object", "payment_status"))
		require.Nil(t, ev.at("request", "id"), "the buyer caused it")
	})
	t.Run("an API call is named as the origin", func(t *testing.T) {
		a := b.ok("POST /v1/refunds", []string{"payment_intent", pi}, key("refund-1"))
		ev := in.waitFor(t, 6)[4].event
		require.Equal(t, "refund.created", ev.text("type"))
		require.Equal(t, a.header.Get("Request-Id"), ev.text("request", "id"))
		require.Equal(t, "refund-1", ev.text("request", "idempotency_key"))
	})
	t.Run("delivered ones are told from open ones", func(t *testing.T) {
		books := b.settled()
		require.Len(t, books.Webhooks, 6)
		require.Equal(t, "delivered", books.Webhooks[0].State)
		require.Equal(t, 1, books.Webhooks[0].Attempts)
		require.Equal(t, 200, books.Webhooks[0].LastStatus)
		require.Len(t, b.ok("GET /v1/events", []string{"delivery_success", "true"}).ids(), 6)
		require.Empty(t, b.ok("GET /v1/events", []string{"delivery_success", "false"}).ids())
		id := hooks[0].event.text("id")
		require.EqualValues(t, 0, b.ok("GET /v1/events/"+id, nil).at("pending_webhooks"))
		b.refused(404, "resource_missing", "GET /v1/events/evt_none", nil)
	})
	t.Run("events are filtered", func(t *testing.T) {
		require.Len(t, b.ok("GET /v1/events", []string{"type", "charge.*"}).ids(), 2)
		require.Len(t, b.ok("GET /v1/events", []string{"types[]", "refund.created", "types[]", "charge.succeeded"}).ids(), 2)
		b.refused(400, "parameter_invalid_type", "GET /v1/events", []string{"type", "a.b", "types[]", "c.d"})
	})
}

func TestWebhookFilter(t *testing.T) {
	t.Parallel()
	in := newInbox(t)
	b := setup(t, in.subscribe("checkout.session.completed"))
	b.paid("success")
	in.waitFor(t, 1)
	b.settled()
	require.Equal(t, []string{"checkout.session.completed"}, in.types())
	require.Len(t, b.types(), 4, "the events exist all the same")
}

func TestWebhookRetries(t *testing.T) {
	t.Parallel()
	t.Run("until the endpoint takes it, each with a fresh timestamp", func(t *testing.T) {
		t.Parallel()
		in := newInbox(t)
		in.answer(http.StatusInternalServerError)
		b := setup(t, in.subscribe("checkout.session.completed"), func(o *stripe.Options) {
			o.WebhookRetry = slices.Repeat([]time.Duration{20 * time.Millisecond}, 200)
		})
		b.paid("success")
		first := in.waitFor(t, 1)[0]
		b.clock.advance(time.Minute)
		in.waitFor(t, len(in.hooks())+2) // one may have been on its way
		in.answer(http.StatusNoContent)
		books := b.settled()
		require.Equal(t, "delivered", books.Webhooks[0].State)
		hooks := in.hooks()
		require.Len(t, hooks, books.Webhooks[0].Attempts)
		last := hooks[len(hooks)-1]
		require.Equal(t, first.raw, last.raw)
		require.NotEqual(t, first.header.Get("Stripe-Signature"), last.header.Get("Stripe-Signature"))
	})
	t.Run("given up after the last pause, and listed as undelivered", func(t *testing.T) {
		t.Parallel()
		in := newInbox(t)
		in.answer(http.StatusFound) // a redirect is a failure too
		b := setup(t, in.subscribe("checkout.session.completed"))
		b.paid("success")
		books := b.settled()
		require.Equal(t, "failed", books.Webhooks[0].State)
		require.Equal(t, 3, books.Webhooks[0].Attempts)
		require.Equal(t, http.StatusFound, books.Webhooks[0].LastStatus)
		require.Len(t, b.ok("GET /v1/events", []string{"delivery_success", "false"}).ids(), 1)
	})
	t.Run("an endpoint that is down is noted", func(t *testing.T) {
		t.Parallel()
		in := newInbox(t)
		in.server.Close()
		b := setup(t, in.subscribe("checkout.session.completed"))
		b.paid("success")
		require.Contains(t, b.settled().Webhooks[0].LastError, "deliver webhook")
	})
}

// startWith has an endpoint for everything and one armed rule.
func startWith(t *testing.T, rule faults.Rule) (*inbox, *bundle) {
	t.Helper()
	in := newInbox(t)
	b := setup(t, in.subscribe())
	b.arm(rule)
	return in, b
}

func TestWebhookFaults(t *testing.T) {
	t.Parallel()
	t.Run("dropped for good, but listed", func(t *testing.T) {
		t.Parallel()
		in, b := startWith(t, faults.Rule{Call: "checkout.session.completed", Kind: faults.WebhookDrop})
		b.paid("success")
		books := b.settled()
		require.Equal(t, paidEvents[:3], in.types())
		require.Equal(t, "dropped", books.Webhooks[3].State)
		missed := b.ok("GET /v1/events", []string{"delivery_success", "false"})
		require.Len(t, missed.ids(), 1)
	})
	t.Run("twice", func(t *testing.T) {
		t.Parallel()
		in, b := startWith(t, faults.Rule{Call: "charge.succeeded", Kind: faults.WebhookTwice})
		b.paid("success")
		hooks := in.waitFor(t, 5)
		require.Equal(t, []string{paidEvents[0], paidEvents[1], paidEvents[1], paidEvents[2], paidEvents[3]}, in.types())
		require.Equal(t, hooks[1].event.text("id"), hooks[2].event.text("id"))
	})
	t.Run("out of order", func(t *testing.T) {
		t.Parallel()
		in, b := startWith(t, faults.Rule{Call: "payment_intent.succeeded", Kind: faults.WebhookReorder, DelayMS: 3_600_000})
		b.paid("success")
		in.waitFor(t, 4)
		require.Equal(t, []string{paidEvents[0], paidEvents[1], paidEvents[3], paidEvents[2]}, in.types())
	})
	t.Run("out of order with nobody to follow arrives after a while", func(t *testing.T) {
		t.Parallel()
		in, b := startWith(t, faults.Rule{Call: "checkout.session.completed", Kind: faults.WebhookReorder, DelayMS: 5})
		b.paid("success")
		in.waitFor(t, 4)
		require.Equal(t, paidEvents, in.types())
	})
	t.Run("two neighbours out of order swap", func(t *testing.T) {
		t.Parallel()
		in, b := startWith(t, faults.Rule{Call: "*", Kind: faults.WebhookReorder, Times: -1, DelayMS: 3_600_000})
		b.paid("success")
		in.waitFor(t, 4)
		require.Equal(t, []string{paidEvents[1], paidEvents[0], paidEvents[3], paidEvents[2]}, in.types())
	})
	t.Run("late, while others overtake", func(t *testing.T) {
		t.Parallel()
		in, b := startWith(t, faults.Rule{Call: "payment_intent.created", Kind: faults.WebhookDelay, DelayMS: 100})
		b.paid("success")
		in.waitFor(t, 4)
		require.Equal(t, append(append([]string{}, paidEvents[1:]...), paidEvents[0]), in.types())
	})
}

func TestWebhookBeforeReply(t *testing.T) {
	t.Parallel()
	t.Run("before the reply of the call that caused it", func(t *testing.T) {
		t.Parallel()
		in, b := startWith(t, faults.Rule{Call: "refunds.create", Kind: faults.WebhookBeforeReply})
		_, pi := b.paid("success")
		in.waitFor(t, 4)
		b.ok("POST /v1/refunds", []string{"payment_intent", pi})
		require.Equal(t, append(append([]string{}, paidEvents...), "refund.created", "charge.refunded"), in.types())
	})
	t.Run("while the reply is held", func(t *testing.T) {
		t.Parallel()
		in, b := startWith(t, faults.Rule{Call: "checkout.sessions.expire", Kind: faults.HoldReply})
		cs := b.checkout()
		done := make(chan int, 1)
		go func() {
			a, err := b.try(t.Context(), "POST /v1/checkout/sessions/"+cs+"/expire", nil)
			if err == nil {
				done <- a.status
			}
			close(done)
		}()
		in.waitFor(t, 1)
		require.Eventually(t, func() bool { return b.stripe.Faults().Held() == 1 }, eventually, time.Millisecond)
		require.Equal(t, 200, b.post("/_faults/release", "").status)
		require.Equal(t, 200, <-done)
	})
}

func TestWebhookEndpoints(t *testing.T) {
	t.Parallel()
	in := newInbox(t)
	b := setup(t)
	made := b.ok("POST /v1/webhook_endpoints", []string{
		"url", in.server.URL, "enabled_events[]", "charge.succeeded", "enabled_events[]", "refund.created", "api_version", version,
	})
	require.True(t, strings.HasPrefix(made.text("secret"), "whsec_"))
	require.Nil(t, b.ok("GET /v1/webhook_endpoints/"+made.text("id"), nil).at("secret"), "shown once")
	require.Equal(t, []string{made.text("id")}, b.ok("GET /v1/webhook_endpoints", nil).ids())

	b.paid("success")
	h := in.waitFor(t, 1)[0]
	require.Equal(t, "charge.succeeded", h.event.text("type"))
	stamp, sum, _ := strings.Cut(strings.TrimPrefix(h.header.Get("Stripe-Signature"), "t="), ",v1=")
	mac := hmac.New(sha256.New, []byte(made.text("secret")))
	_, err := io.WriteString(mac, stamp+"."+h.raw)
	require.NoError(t, err)
	require.Equal(t, hex.EncodeToString(mac.Sum(nil)), sum)

	require.Equal(t, true, b.ok("DELETE /v1/webhook_endpoints/"+made.text("id"), nil).at("deleted"))
	b.refused(404, "resource_missing", "DELETE /v1/webhook_endpoints/"+made.text("id"), nil)
	b.paid("success")
	b.settled()
	require.Len(t, in.hooks(), 1)

	b.refused(400, "parameter_missing", "POST /v1/webhook_endpoints", []string{"url", in.server.URL})
	b.refused(400, "", "POST /v1/webhook_endpoints", []string{"url", in.server.URL, "enabled_events[]", "charge.exploded"})
	for range 16 {
		b.ok("POST /v1/webhook_endpoints", []string{"url", in.server.URL, "enabled_events[]", "*"})
	}
	b.refused(400, "", "POST /v1/webhook_endpoints", []string{"url", in.server.URL, "enabled_events[]", "*"})
}
