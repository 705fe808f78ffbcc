package moves

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/standin/shopify"
	"tillflow/standin/stripe"
)

// TestBusinessRefusalsAreAnswered: what cannot be done is accepted and rejected, and the books stay as they are.
func TestBusinessRefusalsAreAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hurried)
	w.tell(t, "of a payment that we never had", func(s *story) {
		// Shopify knows the session; we could not accept it.
		answer, err := s.Shopify.StartSession(s.Context(), shopify.SessionRequest{
			Shop: s.shop, Amount: "100.00", Currency: "nothing", Test: true,
		})
		require.NoError(s, err)
		require.False(s, answer.Accepted)
		x := &sale{story: s, SessionAnswer: answer}
		x.refund(1_00).rejected(processingError)
		x.capture(1_00).rejected(processingError)
		x.void().rejected(processingError)
		s.agree(stripe.Totals{})
	})
	w.tell(t, "of a payment that was decided without money", func(s *story) {
		x := s.begin(shopify.KindSale)
		x.choose()
		x.expire()
		s.soon("the payment is rejected", func() bool { return x.booked().State == shopify.StateRejected })
		x.refund(1_00).rejected(processingError)
		x.capture(1_00).rejected(processingError)
		x.void().rejected(processingError)
		s.agree(stripe.Totals{})
	})
	w.tell(t, "of a sale that is taken: too much, in another currency, of nothing, a capture, a void", func(s *story) {
		x := s.bought(shopify.KindSale, goodCard)
		x.ask(shopify.RefundSession, "100.01", "EUR").rejected(processingError)
		x.ask(shopify.RefundSession, "10.00", "USD").rejected(processingError)
		x.ask(shopify.RefundSession, "0.00", "EUR").rejected(processingError)
		x.capture(100_00).rejected(processingError)
		x.void().rejected(processingError)
		s.agree(stripe.Totals{Captured: 100_00})
		require.Empty(s, s.books().Refunds)
	})
	w.tell(t, "of a payment that is fully refunded", func(s *story) {
		x := s.bought(shopify.KindSale, goodCard)
		x.refund(100_00).resolved()
		x.refund(100_00).rejected(processingError)
		s.agree(stripe.Totals{Captured: 100_00, Refunded: 100_00})
	})
	w.tell(t, "the same session sent again is the same refund", func(s *story) {
		x := s.bought(shopify.KindSale, goodCard)
		m := x.refund(40_00)
		for range 5 {
			again, err := s.Shopify.RepeatSession(s.Context(), m.GID)
			require.NoError(s, err)
			require.True(s, again.Accepted, again.Body)
		}
		m.resolved()
		again, err := s.Shopify.RepeatSession(s.Context(), m.GID)
		require.NoError(s, err)
		require.True(s, again.Accepted, again.Body)
		s.agree(stripe.Totals{Captured: 100_00, Refunded: 40_00})
		require.Len(s, s.books().Refunds, 1)
	})
}

// TestMalformedRequestsLeaveNothing: what is no session request is refused with the field and the reason.
func TestMalformedRequestsLeaveNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hurried)
	s := w.story(t)
	x := s.bought(shopify.KindSale, goodCard)
	client := w.asShopify(t)
	body := func(change map[string]any) map[string]any {
		all := map[string]any{
			"id": "Rf1", "gid": "gid://shopify/RefundSession/Rf1", "payment_id": x.ID, "amount": "1.00", "currency": "EUR",
			"test": true, "merchant_locale": "en", "proposed_at": "2026-01-01T00:00:00Z",
		}
		for name, value := range change {
			all[name] = value
		}
		return all
	}
	for rule, request := range map[string]struct {
		shop   string
		body   any
		status int
		says   string
	}{
		"no object":                 {s.shop, []int{1}, http.StatusBadRequest, ""},
		"a gid of another kind":     {s.shop, body(map[string]any{"gid": "gid://shopify/CaptureSession/Rf1"}), http.StatusBadRequest, "gid"},
		"a gid of another id":       {s.shop, body(map[string]any{"gid": "gid://shopify/RefundSession/Rf2"}), http.StatusBadRequest, "gid"},
		"no id":                     {s.shop, body(map[string]any{"id": ""}), http.StatusBadRequest, "id"},
		"no payment":                {s.shop, body(map[string]any{"payment_id": ""}), http.StatusBadRequest, "payment_id"},
		"an amount that is no such": {s.shop, body(map[string]any{"amount": "many"}), http.StatusBadRequest, "amount"},
		"a shop that is not ours":   {"stranger.myshopify.com", body(nil), http.StatusForbidden, "Shopify-Shop-Domain"},
	} {
		t.Run(rule, func(t *testing.T) {
			status, answer := post(t, client, w.SessionURL+"/shopify/refund_session", request.shop, request.body)
			require.Equal(t, request.status, status, answer)
			require.Contains(t, answer, request.says)
		})
	}
	t.Run("no certificate", func(t *testing.T) {
		identity, err := w.ShopifyIdentity()
		require.NoError(t, err)
		stranger := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: identity.Roots, MinVersion: tls.VersionTLS12}}}
		_, err = stranger.Post(w.SessionURL+"/shopify/refund_session", "application/json", bytes.NewReader([]byte("{}")))
		require.Error(t, err)
	})
	t.Run("unknown members are ignored", func(t *testing.T) {
		status, answer := post(t, client, w.SessionURL+"/shopify/refund_session", s.shop, body(map[string]any{"payment_id": "nobody", "tomorrow": 1}))
		require.Equal(t, http.StatusCreated, status, answer)
		require.JSONEq(t, "{}", answer)
	})
	got := one[struct{ Rows, Unknown int }](s, `
		SELECT count(*), count(*) FILTER (WHERE external_id = 'Rf1' AND payment_id IS NULL) FROM move_sessions WHERE shop = $1`)
	require.Equal(t, struct{ Rows, Unknown int }{1, 1}, got, "only the last one was accepted")
	require.Zero(t, s.total().Refunded)
}

// asShopify is a client that proves itself as Shopify does.
func (w *world) asShopify(t *testing.T) *http.Client {
	t.Helper()
	identity, err := w.ShopifyIdentity()
	require.NoError(t, err)
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{
		MinVersion: tls.VersionTLS12, RootCAs: identity.Roots, Certificates: []tls.Certificate{identity.Certificate},
	}}}
}

func post(t *testing.T, client *http.Client, to, shop string, body any) (int, string) {
	t.Helper()
	encoded, err := json.Marshal(body)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(encoded))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Shopify-Shop-Domain", shop)
	req.Header.Set("Shopify-Request-Id", "request-1")
	req.Header.Set("Shopify-Api-Version", "2026-10")
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(answer)
}

// noRedirects is a browser that shows where it is sent.
func noRedirects() *http.Client {
	return &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}
