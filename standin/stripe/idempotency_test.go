package stripe_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/standin/faults"
)

const create = "POST /v1/checkout/sessions"

func TestIdempotentReplay(t *testing.T) {
	t.Parallel()
	t.Run("the same request is answered the same and marked", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		first := b.ok(create, order(), key("k"))
		require.Empty(t, first.header.Get("Idempotent-Replayed"))
		again := b.ok(create, order(), key("k"))
		require.Equal(t, "true", again.header.Get("Idempotent-Replayed"))
		require.Equal(t, first.header.Get("Request-Id"), again.header.Get("Original-Request"))
		require.Equal(t, first.raw, again.raw)
		require.Len(t, b.books().Checkouts, 1)
		require.Equal(t, 1, b.books().Replays)
		require.Equal(t, 2, b.books().Calls["checkout.sessions.create"])
	})
	t.Run("the order of parameters does not matter", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		params := order()
		b.ok(create, params, key("k"))
		turned := append([]string{}, params[2:]...)
		a := b.ok(create, append(turned, params[:2]...), key("k"))
		require.Equal(t, "true", a.header.Get("Idempotent-Replayed"))
	})
	t.Run("other parameters or another endpoint are refused", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		cs := b.ok(create, order(), key("k")).text("id")
		for _, a := range []answer{
			b.call(create, order("client_reference_id", "ref-2"), key("k")),
			b.call("POST /v1/checkout/sessions/"+cs+"/expire", nil, key("k")),
		} {
			require.Equal(t, http.StatusBadRequest, a.status)
			require.Equal(t, "idempotency_error", a.text("error", "type"))
		}
		require.Equal(t, 2, b.books().Conflicts)
		require.Equal(t, "open", b.session(cs).text("status"))
	})
}

func TestIdempotencyKeys(t *testing.T) {
	t.Parallel()
	t.Run("keys belong to one account", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		one := b.ok(create, order(), key("k"))
		two := b.ok(create, order(), key("k"), as(otherKey))
		require.NotEqual(t, one.text("id"), two.text("id"))
	})
	t.Run("after 24 hours the key is forgotten and a second object is made", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		first := b.ok(create, order(), key("k")).text("id")
		b.clock.advance(24*time.Hour - time.Second)
		require.Equal(t, first, b.ok(create, order(), key("k")).text("id"))
		b.clock.advance(time.Second)
		require.NotEqual(t, first, b.ok(create, order(), key("k")).text("id"))
	})
	t.Run("255 characters at most", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.ok(create, order(), key(strings.Repeat("k", 255)))
		b.refused(400, "", create, order(), key(strings.Repeat("k", 256)))
	})
	t.Run("GET takes no notice of keys", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.ok("GET /v1/account", nil, key("k"))
		require.Empty(t, b.ok("GET /v1/account", nil, key("k")).header.Get("Idempotent-Replayed"))
	})
}

func TestWhatIsStored(t *testing.T) {
	t.Parallel()
	t.Run("refused parameters are not stored", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.refused(400, "url_invalid", create, order("success_url", "nowhere"), key("k"))
		b.refused(400, "amount_too_small", create, order("line_items[0][price_data][unit_amount]", "1"), key("k"))
		a := b.ok(create, order(), key("k"))
		require.Empty(t, a.header.Get("Idempotent-Replayed"))
	})
	t.Run("a refusal by the state of things is stored", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, pi := b.paid("success")
		capture := "POST /v1/payment_intents/" + pi + "/capture"
		b.refused(400, "payment_intent_unexpected_state", capture, nil, key("k"))
		a := b.refused(400, "payment_intent_unexpected_state", capture, nil, key("k"))
		require.Equal(t, "true", a.header.Get("Idempotent-Replayed"))
	})
	t.Run("a 500 after the commit is replayed, and done once", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.arm(faults.Rule{Call: "checkout.sessions.create", Kind: faults.ErrorAfter})
		for i := range 3 {
			a := b.call(create, order(), key("k"))
			require.Equal(t, http.StatusInternalServerError, a.status)
			require.Equal(t, "api_error", a.text("error", "type"))
			require.Equal(t, i > 0, a.header.Get("Idempotent-Replayed") == "true")
		}
		require.Len(t, b.books().Checkouts, 1)
		b.ok(create, order(), key("k2"))
		require.Len(t, b.books().Checkouts, 2)
	})
	t.Run("a 500 before the commit is replayed for ever, and nothing is done", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.arm(faults.Rule{Call: "checkout.sessions.create", Kind: faults.ErrorBefore})
		b.call(create, order(), key("k"))
		a := b.call(create, order(), key("k"))
		require.Equal(t, http.StatusInternalServerError, a.status)
		require.Equal(t, "true", a.header.Get("Idempotent-Replayed"))
		require.Empty(t, b.books().Checkouts)
	})
}

func TestIdempotencyUnderFaults(t *testing.T) {
	t.Parallel()
	t.Run("429 and lost requests leave the key free", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.arm(faults.Rule{Call: "*", Kind: faults.TooManyRequests})
		a := b.refused(429, "rate_limit", create, order(), key("k"))
		require.Equal(t, "1", a.header.Get("Retry-After"))
		b.arm(faults.Rule{Call: "*", Kind: faults.LoseRequest})
		_, err := b.try(t.Context(), create, order(), key("k"))
		require.Error(t, err)
		require.Empty(t, b.ok(create, order(), key("k")).header.Get("Idempotent-Replayed"))
	})
	t.Run("a request whose reply was lost is replayed", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.arm(faults.Rule{Call: "*", Kind: faults.LoseReply})
		_, err := b.try(t.Context(), create, order(), key("k"))
		require.Error(t, err)
		require.Len(t, b.books().Checkouts, 1)
		a := b.ok(create, order(), key("k"))
		require.Equal(t, "true", a.header.Get("Idempotent-Replayed"))
		require.Equal(t, b.books().Checkouts[0].ID, a.text("id"))
	})
	t.Run("while the first is running the second is told so", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.arm(faults.Rule{Call: "*", Kind: faults.Delay, DelayMS: 3_600_000})
		first := make(chan answer, 1)
		go func() {
			a, err := b.try(t.Context(), create, order(), key("k"))
			if err == nil {
				first <- a
			}
			close(first)
		}()
		require.Eventually(t, func() bool { return b.stripe.Faults().Status().Delayed == 1 }, eventually, time.Millisecond)
		second := b.refused(http.StatusConflict, "idempotency_key_in_use", create, order(), key("k"))
		require.Equal(t, "idempotency_error", second.text("error", "type"))
		b.stripe.Faults().Close() // ends the delay
		a := <-first
		require.Equal(t, http.StatusOK, a.status)
		require.Equal(t, a.text("id"), b.ok(create, order(), key("k")).text("id"))
		require.Len(t, b.books().Checkouts, 1)
	})
}
