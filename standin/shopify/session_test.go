package shopify

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPaymentSessionRequest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	got := b.postJSON(t, "/_sessions", `{"shop":"`+acme+`","id":"Ps1","amount":"49.90","currency":"EUR","kind":"authorization",
		"test":true,"group":"g1","customer":{"email":"ada@example.com","locale":"de","billing_address":{"given_name":"Ada"}}}`)
	require.Equal(t, http.StatusOK, got.status, got.body)
	var answer SessionAnswer
	require.NoError(t, json.Unmarshal([]byte(got.body), &answer))
	require.Equal(t, http.StatusOK, answer.Status)
	require.Equal(t, "https://pay.example.com/pay/token", answer.RedirectURL)
	require.JSONEq(t, `{"redirect_url":"https://pay.example.com/pay/token"}`, answer.Body)
	require.True(t, answer.Accepted)

	requests := b.app.requests()
	require.Len(t, requests, 1)
	sent := requests[0]
	require.Equal(t, "/payment", sent.path)
	require.Equal(t, "shopify-client", sent.client, "the client certificate was verified")
	require.Equal(t, "application/json", sent.header.Get("Content-Type"))
	require.Equal(t, acme, sent.header.Get("Shopify-Shop-Domain"))
	require.Equal(t, "2026-10", sent.header.Get("Shopify-Api-Version"))
	require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, sent.header.Get("Shopify-Request-Id"))

	var body map[string]any
	require.NoError(t, json.Unmarshal(sent.body, &body))
	require.NotEmpty(t, body["session_id"])
	delete(body, "session_id")
	require.Equal(t, map[string]any{
		"id": "Ps1", "gid": "gid://shopify/PaymentSession/Ps1", "group": "g1", "amount": "49.90", "currency": "EUR",
		"test": true, "merchant_locale": "en", "proposed_at": "2026-11-20T10:00:00Z", "kind": "authorization",
		"payment_method": map[string]any{"type": "offsite", "data": map[string]any{
			"cancel_url": "http://shop.test/shops/" + acme + "/checkouts/" + answer.Checkout + "?payment=cancelled",
		}},
		"customer": map[string]any{"email": "ada@example.com", "locale": "de", "billing_address": map[string]any{
			"given_name": "Ada", "family_name": "", "line1": "", "line2": "", "city": "", "postal_code": "",
			"province": nil, "province_code": nil, "country_code": "", "phone_number": "", "company": "",
		}},
	}, body)

	books := b.get(t, "/_books?shop="+acme).body
	require.NotContains(t, books, "ada@example.com", "the books hold no personal data")
	require.Contains(t, books, `"Ps1"`)
}

func TestMoveRequests(t *testing.T) {
	t.Parallel()
	cases := map[SessionType]map[string]any{
		RefundSession:  {"amount": "10.00", "currency": "EUR"},
		CaptureSession: {"amount": "10.00", "currency": "EUR"},
		VoidSession:    {},
	}
	for kind, money := range cases {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.payment(t, SessionRequest{ID: "Ps1"})
			gid := b.move(t, kind)
			sent := b.app.requests()[1]
			require.Equal(t, "/"+string(kind), sent.path)
			var body map[string]any
			require.NoError(t, json.Unmarshal(sent.body, &body))
			want := map[string]any{
				"id": strings.TrimPrefix(gid, "gid://shopify/"+kind.resource()+"/"), "gid": gid, "payment_id": "Ps1",
				"test": false, "merchant_locale": "en", "proposed_at": "2026-11-20T10:00:00Z",
			}
			for name, value := range money {
				want[name] = value
			}
			require.Equal(t, want, body)
		})
	}
}

func TestRepeatSendsTheVeryRequest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.payment(t, SessionRequest{ID: "Ps1"})
	const times = 20
	var group sync.WaitGroup
	for range times {
		group.Go(func() {
			answer, err := b.RepeatSession(context.Background(), "Ps1")
			if err != nil || !answer.Accepted {
				t.Errorf("repeat: %v %s", err, answer.Error)
			}
		})
	}
	group.Wait()
	requests := b.app.requests()
	require.Len(t, requests, times+1)
	for _, r := range requests[1:] {
		require.Equal(t, string(requests[0].body), string(r.body))
		require.NotEqual(t, requests[0].header.Get("Shopify-Request-Id"), r.header.Get("Shopify-Request-Id"))
	}
	session := b.session(t, "Ps1")
	require.Equal(t, times+1, session.Posts.Accepted)
	require.Zero(t, session.Posts.OtherRedirects)
	require.Equal(t, 1, b.counts(t).Sessions)

	t.Run("by gid over HTTP too", func(t *testing.T) {
		got := b.postJSON(t, "/_sessions/Ps1/repeat", "")
		require.Equal(t, http.StatusOK, got.status)
		require.Equal(t, http.StatusNotFound, b.postJSON(t, "/_sessions/none/repeat", "").status)
	})
}

func TestKnownIDSendsOtherContentAndKeepsTheBooks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.payment(t, SessionRequest{ID: "Ps1", Amount: "10.00", Currency: "EUR", Group: "g1"})
	b.app.answer(func(_ int, w http.ResponseWriter) { w.WriteHeader(http.StatusConflict) })
	answer, err := b.StartSession(context.Background(), SessionRequest{
		Shop: acme, ID: "Ps1", Amount: "11.00", Currency: "EUR", Group: "g2",
	})
	require.NoError(t, err)
	require.Equal(t, http.StatusConflict, answer.Status)
	require.False(t, answer.Accepted)
	require.Contains(t, string(b.app.requests()[1].body), `"amount":"11.00"`)
	session := b.session(t, "Ps1")
	require.Equal(t, "10.00", session.Amount)
	require.Equal(t, "g1", session.Group)
	require.Equal(t, 2, session.Posts.Count)
	require.Equal(t, 1, b.counts(t).Sessions)
	require.Len(t, b.shops[acme].Checkouts, 1)
}

func TestChangedRedirectIsBooked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.app.answer(func(n int, w http.ResponseWriter) {
		_, _ = fmt.Fprintf(w, `{"redirect_url":"https://pay.example.com/%d"}`, n)
	})
	b.payment(t, SessionRequest{ID: "Ps1"})
	_, err := b.RepeatSession(context.Background(), "Ps1")
	require.NoError(t, err)
	session := b.session(t, "Ps1")
	require.Equal(t, "https://pay.example.com/1", session.RedirectURL)
	require.Equal(t, 1, session.Posts.OtherRedirects)
	require.Equal(t, 1, b.counts(t).OtherRedirects)
}

func TestAnswersShopifyDoesNotTake(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		kind   SessionType
		status int
		body   string
		want   string // "" means accepted
	}{
		"a payment may be answered 201":              {PaymentSession, 201, `{"redirect_url":"https://pay.example.com/"}`, ""},
		"http is good enough for a local stack":      {PaymentSession, 200, `{"redirect_url":"http://127.0.0.1:1/pay"}`, ""},
		"a 409 is a refusal":                         {PaymentSession, 409, `{}`, "answered 409"},
		"a redirect is no answer":                    {PaymentSession, 303, ``, "answered 303"},
		"an HTML error page under 200 is caught":     {PaymentSession, 200, `<html>`, "without JSON"},
		"a missing redirect_url is caught":           {PaymentSession, 200, `{}`, "without an absolute redirect_url"},
		"a relative redirect_url is caught":          {PaymentSession, 200, `{"redirect_url":"/pay"}`, "without an absolute redirect_url"},
		"a script redirect_url is caught":            {PaymentSession, 200, `{"redirect_url":"javascript://x"}`, "without an absolute redirect_url"},
		"a redirect_url over the limit is caught":    {PaymentSession, 200, `{"redirect_url":"https://p.example/` + strings.Repeat("a", maxRedirect) + `"}`, "redirect_url of"},
		"a refund may be answered with no body":      {RefundSession, 201, ``, ""},
		"a refund may be answered with an object":    {RefundSession, 201, "{}\n", ""},
		"a refund answered 200 is a failure":         {RefundSession, 200, `{}`, "answered 200 instead of 201"},
		"a refund answered with content is caught":   {RefundSession, 201, `{"ok":true}`, "body that is not {}"},
		"a void answered 503 is a failure":           {VoidSession, 503, ``, "answered 503"},
		"a capture answered 204 is not a 201 either": {CaptureSession, 204, ``, "answered 204"},
	}
	for rule, c := range cases {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			redirect, err := verdict(c.kind, c.status, []byte(c.body))
			if c.want == "" {
				require.NoError(t, err)
				require.Equal(t, c.kind == PaymentSession, redirect != "")
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestTriesEndWithTheFirstAcceptance(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.app.answer(func(n int, w http.ResponseWriter) {
		if n < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprint(w, `{"redirect_url":"https://pay.example.com/"}`)
	})
	answer, err := b.StartSession(context.Background(), SessionRequest{Shop: acme, Amount: "1.00", Currency: "EUR", Tries: 5})
	require.NoError(t, err)
	require.True(t, answer.Accepted)
	require.Equal(t, 3, answer.Sent)
	requests := b.app.requests()
	require.Len(t, requests, 3)
	require.Equal(t, string(requests[0].body), string(requests[2].body), "the same id is sent again")
}

func TestHandshakeNeedsTheRightCertificates(t *testing.T) {
	t.Parallel()
	t.Run("a client certificate of another authority is refused by the app", func(t *testing.T) {
		t.Parallel()
		stranger := newAuthority(t, "stranger")
		b := setup(t, func(o *Options) {
			o.ClientCertificate = stranger.issue(t, "stranger", x509.ExtKeyUsageClientAuth)
		})
		answer, err := b.StartSession(context.Background(), SessionRequest{Shop: acme, Amount: "1.00", Currency: "EUR"})
		require.NoError(t, err)
		require.Zero(t, answer.Status)
		require.Contains(t, answer.Error, "send session request")
		require.Empty(t, b.app.requests())
	})
	t.Run("an app certificate of an unknown authority is refused by Shopify", func(t *testing.T) {
		t.Parallel()
		b := setup(t, func(o *Options) { o.RootCAs = newAuthority(t, "stranger").pool() })
		answer, err := b.StartSession(context.Background(), SessionRequest{Shop: acme, Amount: "1.00", Currency: "EUR"})
		require.NoError(t, err)
		require.Contains(t, answer.Error, "certificate")
		require.Empty(t, b.app.requests())
	})
}

func TestSessionRequestsThatCannotBeSent(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *Options) { o.App.VoidSessionURL = "" })
	b.payment(t, SessionRequest{ID: "Ps1"})
	cases := map[string]string{
		`{"shop":"x.myshopify.com","amount":"1.00"}`:                 "unknown shop",
		`{"shop":"` + acme + `","type":"gift"}`:                      "unknown type",
		`{"shop":"` + acme + `","type":"void","payment_id":"Ps1"}`:   "no void session url",
		`{"shop":"` + acme + `","type":"refund","payment_id":"Ps2"}`: "unknown payment_id",
		`{"shop":"` + acme + `","ammount":"1.00"}`:                   "unknown field",
		`nonsense`: "read session request",
	}
	for body, want := range cases {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			got := b.postJSON(t, "/_sessions", body)
			require.Equal(t, http.StatusBadRequest, got.status)
			require.Contains(t, got.body, want)
		})
	}
}

func TestMutationMayArriveBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	inside, leave := make(chan struct{}), make(chan struct{})
	b.app.answer(func(_ int, w http.ResponseWriter) {
		close(inside)
		<-leave
		_, _ = fmt.Fprint(w, `{"redirect_url":"https://pay.example.com/"}`)
	})
	done := make(chan SessionAnswer, 1)
	go func() {
		answer, _ := b.StartSession(context.Background(), SessionRequest{Shop: acme, ID: "Ps1", Amount: "1.00", Currency: "EUR"})
		done <- answer
	}()
	<-inside
	payload := b.mutate(t, opPaymentResolve, map[string]any{"id": PaymentSession.gid("Ps1")})
	require.Empty(t, firstError(payload))
	close(leave)
	require.True(t, (<-done).Accepted)
	require.Equal(t, StateResolved, b.session(t, "Ps1").State)
}

func TestBooksOfUnknownThings(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.Equal(t, http.StatusNotFound, b.get(t, "/_books?session=none").status)
	require.Equal(t, http.StatusNotFound, b.get(t, "/_books?shop=none").status)
	all := b.get(t, "/_books")
	require.Contains(t, all.body, acme)
	require.Contains(t, all.body, borealis)
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := &Server{opts: Options{RetryWaits: []time.Duration{time.Hour}}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.wait(ctx, 3)
}
