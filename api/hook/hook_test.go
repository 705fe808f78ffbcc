package hook_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/api"
	"tillflow/api/hook"
	"tillflow/internal/payment"
	"tillflow/internal/shopify/app"
	core "tillflow/internal/shopify/hook"
	standin "tillflow/standin/shopify"
)

const order = `{"id": 1, "financial_status": "paid", "email": "canary@example.com", "note": "canary"}`

func TestReceive(t *testing.T) {
	t.Parallel()
	t.Run("a thousand replays at once are stored and acted on once", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		ctx, stop := context.WithCancel(t.Context())
		var dispatchers sync.WaitGroup
		for range 3 {
			dispatchers.Go(func() { _ = b.dispatcher.Run(ctx) })
		}
		var wait sync.WaitGroup
		codes := make([]int, 1000)
		for i := range codes {
			wait.Go(func() { codes[i] = b.serve(request(ctx, app.OrdersPaid, "admin", order)).Code })
		}
		wait.Wait()
		for _, code := range codes {
			require.Equal(t, http.StatusOK, code)
		}
		require.Eventually(t, func() bool { return b.note() == "done" }, 20*time.Second, 10*time.Millisecond)
		stop()
		dispatchers.Wait()
		require.Equal(t, 1, b.Count(t, `SELECT count(*) FROM shopify_deliveries`))
		require.Equal(t, 1, b.ports.told())
		require.Equal(t, 1, b.Count(t, `SELECT tries FROM shopify_deliveries`))
	})
	t.Run("what is stored and logged names nobody", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.good(app.OrdersPaid, "admin", order)
		require.Zero(t, b.Count(t, `SELECT count(*) FROM shopify_deliveries d WHERE d::text LIKE '%canary%'`))
		require.NotContains(t, b.log.String(), "canary")
	})
	t.Run("a topic that nobody knows is stored and answered with success", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.good("products/update", "admin", `{"id": 1}`)
		require.Equal(t, 1, b.dispatch())
		require.Equal(t, "nobody listens to this topic", b.note())
		require.Zero(t, b.ports.told())
	})
	t.Run("nobody waits for what comes of it", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.ports.fail(payment.Errorf(payment.Unavailable, "temporal is away"))
		b.good(app.OrdersPaid, "admin", order)
		require.Zero(t, b.ports.told())
	})
}

func TestRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const redact = `{"shop_domain": "acme-dev.myshopify.com", "customer": {"id": 21, "email": "canary@example.com"}}`
	sum, err := base64.StdEncoding.DecodeString(standin.Signature("admin", []byte(redact)))
	require.NoError(t, err)
	for name, tc := range map[string]struct {
		r      *http.Request
		status int
	}{
		"a compliance webhook with a bad signature": {request(t.Context(), app.CustomersRedact, "other", redact), 401},
		"a shop's redaction with a bad signature":   {request(t.Context(), app.ShopRedact, "other", `{"shop_domain": "acme-dev.myshopify.com"}`), 401},
		"a data request with a bad signature":       {request(t.Context(), app.CustomersDataRequest, "other", redact), 401},
		"a message without a signature":             {request(t.Context(), app.CustomersRedact, "admin", redact, "X-Shopify-Hmac-Sha256", ""), 401},
		"a signature in hex":                        {request(t.Context(), app.CustomersRedact, "admin", redact, "X-Shopify-Hmac-Sha256", hex.EncodeToString(sum)), 401},
		"a body that was changed":                   {request(t.Context(), app.CustomersRedact, "admin", redact, "X-Shopify-Hmac-Sha256", standin.Signature("admin", []byte(redact+" "))), 401},
		"a message without a shop":                  {request(t.Context(), app.OrdersPaid, "admin", order, "X-Shopify-Shop-Domain", ""), 400},
		"a message without an id":                   {request(t.Context(), app.OrdersPaid, "admin", order, "X-Shopify-Webhook-Id", ""), 400},
		"a message without a topic":                 {request(t.Context(), app.OrdersPaid, "admin", order, "X-Shopify-Topic", ""), 400},
		"a signed body that is no object":           {request(t.Context(), app.OrdersPaid, "admin", "[]"), 400},
		"an empty body":                             {request(t.Context(), app.OrdersPaid, "admin", ""), 400},
		"a redaction of another shop":               {request(t.Context(), app.ShopRedact, "admin", `{"shop_domain": "b.myshopify.com"}`), 400},
	} {
		t.Run(name+" is refused and leaves nothing", func(t *testing.T) {
			rec := b.serve(tc.r)
			require.Equal(t, tc.status, rec.Code)
			require.Equal(t, "application/problem+json", rec.Header().Get("Content-Type"))
			var p api.Problem
			require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &p))
			require.NotContains(t, rec.Body.String()+b.log.String(), "canary")
			require.Zero(t, b.Count(t, `SELECT count(*) FROM shopify_deliveries`))
		})
	}
	t.Run("other methods are refused", func(t *testing.T) {
		r := request(t.Context(), app.OrdersPaid, "admin", order)
		r.Method = http.MethodGet
		require.Equal(t, http.StatusMethodNotAllowed, b.serve(r).Code)
	})
}

// unread fails the test when somebody reads it.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

func TestBodySize(t *testing.T) {
	t.Parallel()
	b := setup(t)
	t.Run("a body over 2 MiB is refused before it is read", func(t *testing.T) {
		r := request(t.Context(), app.OrdersPaid, "admin", "")
		r.Body, r.ContentLength = io.NopCloser(unread{t}), 2<<20+1
		require.Equal(t, http.StatusRequestEntityTooLarge, b.serve(r).Code)
	})
	large := `{"id": 1, "x": "` + strings.Repeat("a", 2<<20) + `"}`
	t.Run("one whose length nobody announced is refused at the limit", func(t *testing.T) {
		r := request(t.Context(), app.OrdersPaid, "admin", large)
		r.ContentLength = -1
		require.Equal(t, http.StatusRequestEntityTooLarge, b.serve(r).Code)
	})
	t.Run("one just below is taken", func(t *testing.T) {
		b.good(app.OrdersPaid, "admin", `{"id": 1, "x": "`+strings.Repeat("a", 2<<20-20)+`"}`)
	})
}

// absent is a record that cannot be reached.
type absent struct{ err error }

func (a absent) StoreDelivery(context.Context, app.Delivery) (bool, error) { return false, a.err }

func TestRecordInTrouble(t *testing.T) {
	t.Parallel()
	for err, status := range map[error]int{
		payment.Errorf(payment.Unavailable, "away"): http.StatusServiceUnavailable, errors.New("?"): http.StatusInternalServerError,
	} {
		handler := api.New(zerolog.Nop(), nil, &hook.Handler{
			Keys: []core.Key{{App: app.Admin, Secret: "admin"}}, Deliveries: absent{err}, Now: time.Now, Log: zerolog.Nop(),
			Soon: func() { t.Error("nothing was stored") },
		})
		b := &bench{handler: handler}
		require.Equal(t, status, b.serve(request(t.Context(), app.OrdersPaid, "admin", order)).Code, "Shopify sends it again")
	}
}
