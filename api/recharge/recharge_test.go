package recharge_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/api"
	rechargeapi "tillflow/api/recharge"
	"tillflow/internal/payment"
	"tillflow/internal/recharge"
)

const (
	hook   = "0198aaaa-0000-7000-8000-000000000001"
	secret = "the client secret"
)

// box is a record that keeps what it is given.
type box struct {
	mu   sync.Mutex
	keep []recharge.Arrived
	err  error
}

func (b *box) RechargeHook(_ context.Context, name string) (string, recharge.Credentials, error) {
	if name != hook {
		return "", recharge.Credentials{}, payment.Errorf(payment.NotFound, "not connected")
	}
	return "a.myshopify.com", recharge.Credentials{Secret: secret}, nil
}

func (b *box) StoreRechargeDelivery(_ context.Context, a recharge.Arrived) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return false, b.err
	}
	for _, other := range b.keep {
		if other.Key == a.Key {
			return false, nil
		}
	}
	b.keep = append(b.keep, a)
	return true, nil
}

var now = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

func deliver(t *testing.T, b *box, address, body string, change ...func(http.Header)) int {
	t.Helper()
	h := api.New(zerolog.Nop(), func(context.Context) error { return nil },
		&rechargeapi.Handler{Deliveries: b, Now: func() time.Time { return now }, Log: zerolog.Nop()})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(body))
	stamp := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(stamp + "." + body))
	r.Header.Set("X-Recharge-Webhook-Signature", "t="+stamp+",v1="+hex.EncodeToString(mac.Sum(nil)))
	r.Header.Set("X-Recharge-Topic", "charge/failed")
	for _, f := range change {
		f(r.Header)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec.Code
}

func TestWebhook(t *testing.T) {
	t.Parallel()
	const body = `{"charge":{"id":123,"status":"error","error_type":"CARD_EXPIRED","customer":{"email":"zoe@example.com"}}}`
	const at = rechargeapi.Path + hook
	t.Run("a signed message is kept once, by ids alone", func(t *testing.T) {
		t.Parallel()
		b := &box{}
		for range 2 {
			require.Equal(t, http.StatusOK, deliver(t, b, at, body))
		}
		require.Len(t, b.keep, 1)
		require.Equal(t, int64(123), b.keep[0].ObjectID)
		require.Equal(t, recharge.TopicChargeFailed, b.keep[0].Topic)
	})
	t.Run("a message that was not kept is not answered as if it were", func(t *testing.T) {
		t.Parallel()
		b := &box{err: payment.Errorf(payment.Unavailable, "the database is away")}
		require.Equal(t, http.StatusServiceUnavailable, deliver(t, b, at, body))
	})
	unsigned := func(h http.Header) { h.Del("X-Recharge-Webhook-Signature") }
	for name, c := range map[string]struct {
		address, body string
		change        func(http.Header)
		status        int
	}{
		"an address of nobody":   {rechargeapi.Path + "0198aaaa-0000-7000-8000-00000000000f", body, func(http.Header) {}, http.StatusNotFound},
		"no signature":           {at, body, unsigned, http.StatusUnauthorized},
		"another body":           {at, body, func(h http.Header) { h.Set("X-Recharge-Webhook-Signature", "t=1793527200,v1=00") }, http.StatusUnauthorized},
		"a signature of garbage": {at, body, func(h http.Header) { h.Set("X-Recharge-Webhook-Signature", "x") }, http.StatusUnauthorized},
		"no topic":               {at, body, func(h http.Header) { h.Del("X-Recharge-Topic") }, http.StatusBadRequest},
		"about nothing":          {at, `{}`, func(http.Header) {}, http.StatusBadRequest},
		"too long":               {at, `{"charge":{"id":1,"note":"` + strings.Repeat("x", 600<<10) + `"}}`, func(http.Header) {}, http.StatusRequestEntityTooLarge},
	} {
		t.Run(name+" is refused, and nothing is kept", func(t *testing.T) {
			t.Parallel()
			b := &box{}
			require.Equal(t, c.status, deliver(t, b, c.address, c.body, c.change))
			require.Empty(t, b.keep)
		})
	}
}
