package shopify_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/shopify"
)

const (
	shop       = "acme-dev.myshopify.com"
	paymentGID = "gid://shopify/PaymentSession/PsExample0001"
)

var now = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

// request is one that the fake Shopify received.
type request struct {
	path, token, contentType string
	length                   int64
	operation                string
	variables                string
}

// bundle is a client wired to a fake Shopify that plays its answers in turn and repeats the last one.
type bundle struct {
	client  *shopify.Client
	tokens  *tokens
	logs    *bytes.Buffer
	notices []shopify.Notice

	mu       sync.Mutex
	requests []request
	answers  []http.HandlerFunc
}

func setup(t *testing.T, answers ...http.HandlerFunc) *bundle {
	t.Helper()
	b := &bundle{tokens: &tokens{current: "token-1"}, logs: &bytes.Buffer{}, answers: answers}
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	client, err := shopify.New(shopify.Options{
		BaseURL: server.URL + "/at/{shop}", HTTPClient: server.Client(), Tokens: b.tokens,
		Log: zerolog.New(b.logs), Now: func() time.Time { return now },
		OnNotice: func(n shopify.Notice) { b.notices = append(b.notices, n) },
	})
	require.NoError(t, err)
	b.client = client
	return b
}

func (b *bundle) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var sent struct {
		OperationName string          `json:"operationName"`
		Query         string          `json:"query"`
		Variables     json.RawMessage `json:"variables"`
	}
	if err != nil || json.Unmarshal(body, &sent) != nil || !strings.Contains(sent.Query, sent.OperationName) {
		http.Error(w, "not a GraphQL request", http.StatusTeapot)
		return
	}
	b.mu.Lock()
	b.requests = append(b.requests, request{
		path: r.Method + " " + r.URL.Path, token: r.Header.Get("X-Shopify-Access-Token"), contentType: r.Header.Get("Content-Type"),
		length: r.ContentLength, operation: sent.OperationName, variables: string(sent.Variables),
	})
	answer := b.answers[min(len(b.requests), len(b.answers))-1]
	b.mu.Unlock()
	answer(w, r)
}

// says answers with a status, a body and headers given in pairs.
func says(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Request-Id", "req-1")
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// tokens is a TokenSource that counts its refreshes.
type tokens struct {
	current   string
	err       error
	refreshes []string // the stale tokens
}

func (s *tokens) Token(context.Context, string) (string, error) { return s.current, s.err }

func (s *tokens) Refresh(_ context.Context, _, stale string) (string, error) {
	s.refreshes = append(s.refreshes, stale)
	s.current = "token-2"
	return s.current, s.err
}

const resolved = `{"data":{"paymentSessionResolve":{"paymentSession":{"id":"` + paymentGID + `",
	"nextAction":{"action":"REDIRECT","context":{"__typename":"PaymentSessionActionsRedirect","redirectUrl":"https://acme-dev.myshopify.com/checkouts/return"}},
	"state":{"__typename":"PaymentSessionStateResolved","code":"RESOLVED"}},"userErrors":[]}},
	"extensions":{"cost":{"requestedQueryCost":10,"actualQueryCost":10,"throttleStatus":{"maximumAvailable":27300.0,"currentlyAvailable":27290,"restoreRate":910.0}}}}`

func TestResolvePayment(t *testing.T) {
	t.Parallel()
	b := setup(t, says(200, resolved, "X-Shopify-API-Version", "2026-10"))
	result, err := b.client.ResolvePayment(t.Context(), shop, paymentGID, nil)
	require.NoError(t, err)
	require.Equal(t, shopify.Result{NextURL: "https://acme-dev.myshopify.com/checkouts/return", State: "RESOLVED", RequestID: "req-1"}, result)
	require.True(t, result.Accepted())
	require.Len(t, b.requests, 1)
	got := b.requests[0]
	require.Equal(t, "POST /at/"+shop+"/payments_apps/api/2026-10/graphql.json", got.path)
	require.Equal(t, "token-1", got.token)
	require.Equal(t, "application/json", got.contentType)
	require.Positive(t, got.length, "the body's length is known")
	require.Equal(t, "PaymentSessionResolve", got.operation)
	require.JSONEq(t, `{"id":"`+paymentGID+`"}`, got.variables)
	require.Contains(t, b.logs.String(), `"request_id":"req-1"`)
	require.Empty(t, b.notices)

	expires := time.Date(2026, 11, 27, 11, 0, 0, 999, time.FixedZone("", 3600))
	_, err = b.client.ResolvePayment(t.Context(), shop, paymentGID, &expires)
	require.NoError(t, err)
	require.JSONEq(t, `{"id":"`+paymentGID+`","authorizationExpiresAt":"2026-11-27T10:00:00Z"}`, b.requests[1].variables)
}

// mutation is a call about a session: the kind of session, the state it leads to, and the variables sent beside the id.
type mutation struct {
	kind, state, variables string
	do                     func(ctx context.Context, c *shopify.Client, gid string) (shopify.Result, error)
}

// mutations lists all but paymentSessionResolve, by operation name.
func mutations() map[string]mutation {
	return map[string]mutation{
		"PaymentSessionReject": {
			"Payment", "REJECTED", `,"reason":{"code":"INSUFFICIENT_FUNDS","source":"NETWORK","merchantMessage":"issuer declined"}`,
			func(ctx context.Context, c *shopify.Client, gid string) (shopify.Result, error) {
				return c.RejectPayment(ctx, shop, gid, shopify.RejectReasonFor(shopify.APIVersion, payment.InsufficientFunds, "issuer declined"))
			},
		},
		"PaymentSessionPending": {
			"Payment", "PENDING", `,"pendingExpiresAt":"2026-11-22T10:00:00Z","reason":"NETWORK_ACTION_REQUIRED"`,
			func(ctx context.Context, c *shopify.Client, gid string) (shopify.Result, error) {
				return c.PendPayment(ctx, shop, gid, now.Add(48*time.Hour), shopify.PendingOnNetwork)
			},
		},
		"RefundSessionResolve": {"Refund", "RESOLVED", ``, func(ctx context.Context, c *shopify.Client, gid string) (shopify.Result, error) {
			return c.ResolveRefund(ctx, shop, gid)
		}},
		"RefundSessionReject": {
			"Refund", "REJECTED", `,"reason":{"code":"PROCESSING_ERROR","merchantMessage":"too late"}`,
			func(ctx context.Context, c *shopify.Client, gid string) (shopify.Result, error) {
				return c.RejectRefund(ctx, shop, gid, "too late")
			},
		},
		"CaptureSessionResolve": {"Capture", "RESOLVED", ``, func(ctx context.Context, c *shopify.Client, gid string) (shopify.Result, error) {
			return c.ResolveCapture(ctx, shop, gid)
		}},
		"CaptureSessionReject": {
			"Capture", "REJECTED", `,"reason":{"code":"AUTHORIZATION_EXPIRED"}`,
			func(ctx context.Context, c *shopify.Client, gid string) (shopify.Result, error) {
				return c.RejectCapture(ctx, shop, gid, shopify.CaptureAuthorizationExpired, "")
			},
		},
		"VoidSessionResolve": {"Void", "RESOLVED", ``, func(ctx context.Context, c *shopify.Client, gid string) (shopify.Result, error) {
			return c.ResolveVoid(ctx, shop, gid)
		}},
		"VoidSessionReject": {
			"Void", "REJECTED", `,"reason":{"code":"PROCESSING_ERROR","merchantMessage":"captured already"}`,
			func(ctx context.Context, c *shopify.Client, gid string) (shopify.Result, error) {
				return c.RejectVoid(ctx, shop, gid, "captured already")
			},
		},
	}
}

func TestEveryMutation(t *testing.T) {
	t.Parallel()
	for operation, tc := range mutations() {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			member := strings.ToLower(operation[:1]) + operation[1:]
			session := strings.ToLower(tc.kind) + "Session"
			gid := "gid://shopify/" + tc.kind + "Session/X1"
			b := setup(t,
				says(200, `{"data":{"`+member+`":{"`+session+`":{"id":"`+gid+`","nextAction":null,"state":{"__typename":"S","code":"`+tc.state+`"}},"userErrors":[]}}}`),
				says(200, `{"data":{"`+member+`":{"`+session+`":null,"userErrors":[{"code":"SOME_CODE","field":["reason","code"],"message":"no"}]}}}`),
				says(200, `{"data":{"`+member+`":{"`+session+`":null,"userErrors":[]}}}`),
				says(200, `{"data":{"`+member+`":null}}`),
			)
			result, err := tc.do(t.Context(), b.client, gid)
			require.NoError(t, err)
			require.Equal(t, shopify.Result{State: tc.state, RequestID: "req-1"}, result)
			require.Equal(t, operation, b.requests[0].operation)
			require.JSONEq(t, `{"id":"`+gid+`"`+tc.variables+`}`, b.requests[0].variables)

			result, err = tc.do(t.Context(), b.client, gid)
			require.NoError(t, err, "a refusal is a result")
			require.False(t, result.Accepted())
			require.Equal(t, []shopify.UserError{{Field: "reason.code", Message: "no", Code: "SOME_CODE"}}, result.UserErrors)

			for range 2 {
				_, err = tc.do(t.Context(), b.client, gid)
				require.Equal(t, payment.Unavailable, payment.ClassOf(err, payment.Bug), "an answer that says nothing is no answer")
			}
			sent := len(b.requests)
			_, err = tc.do(t.Context(), b.client, "gid://shopify/OtherSession/X1")
			require.Equal(t, payment.Bug, payment.ClassOf(err, payment.Unknown))
			_, err = tc.do(t.Context(), b.client, "gid://shopify/"+tc.kind+"Session/")
			require.Equal(t, payment.Bug, payment.ClassOf(err, payment.Unknown))
			require.Len(t, b.requests, sent, "a wrong gid is not sent")
		})
	}
}

func TestConfigure(t *testing.T) {
	t.Parallel()
	b := setup(t,
		says(200, `{"data":{"paymentsAppConfigure":{"paymentsAppConfiguration":{"externalHandle":"acct-7","ready":true},"userErrors":[]}}}`),
		says(200, `{"data":{"paymentsAppConfigure":{"paymentsAppConfiguration":{"externalHandle":null,"ready":false},"userErrors":[]}}}`),
		says(200, `{"data":{"paymentsAppConfigure":{"paymentsAppConfiguration":null,"userErrors":[{"field":["ready"],"message":"no"}]}}}`),
		says(200, `{"data":{"paymentsAppConfigure":null}}`),
	)
	got, err := b.client.Configure(t.Context(), shop, "acct-7", true)
	require.NoError(t, err)
	require.Equal(t, shopify.Configuration{Handle: "acct-7", Ready: true, RequestID: "req-1"}, got)
	require.JSONEq(t, `{"externalHandle":"acct-7","ready":true}`, b.requests[0].variables)

	got, err = b.client.Configure(t.Context(), shop, "", false)
	require.NoError(t, err)
	require.Equal(t, shopify.Configuration{RequestID: "req-1"}, got)
	require.JSONEq(t, `{"ready":false}`, b.requests[1].variables)

	got, err = b.client.Configure(t.Context(), shop, "", true)
	require.NoError(t, err)
	require.Equal(t, []shopify.UserError{{Field: "ready", Message: "no"}}, got.UserErrors)

	_, err = b.client.Configure(t.Context(), shop, "", true)
	require.Equal(t, payment.Unavailable, payment.ClassOf(err, payment.Bug))
}

func TestPublicVersions(t *testing.T) {
	t.Parallel()
	b := setup(t, says(200, `{"data":{"publicApiVersions":[{"handle":"2026-10","displayName":"2026-10 (Latest)","supported":true},
		{"handle":"unstable","displayName":"unstable","supported":false}]}}`))
	got, err := b.client.PublicVersions(t.Context(), shop)
	require.NoError(t, err)
	require.Equal(t, []shopify.Version{
		{Handle: "2026-10", DisplayName: "2026-10 (Latest)", Supported: true}, {Handle: "unstable", DisplayName: "unstable"},
	}, got)
}

func TestUnusableNextAddressIsLeftOut(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"javascript:alert(1)", "/checkouts/return", "https://user:pass@evil.example/"} {
		b := setup(t, says(200, strings.ReplaceAll(resolved, "https://acme-dev.myshopify.com/checkouts/return", address)))
		result, err := b.client.ResolvePayment(t.Context(), shop, paymentGID, nil)
		require.NoError(t, err, "the payment is resolved all the same")
		require.Equal(t, "RESOLVED", result.State)
		require.Empty(t, result.NextURL)
		require.Contains(t, b.logs.String(), "next address is unusable")
	}
}

func TestAgeingVersionIsNoticed(t *testing.T) {
	t.Parallel()
	b := setup(t, says(200, resolved, "X-Shopify-API-Version", "2027-01", "X-Shopify-API-Deprecated-Reason", "https://shopify.dev/changelog"))
	for range 5 {
		_, err := b.client.ResolvePayment(t.Context(), shop, paymentGID, nil)
		require.NoError(t, err)
	}
	require.Len(t, b.notices, 10, "every answer counts")
	require.Equal(t, shopify.Notice{Kind: shopify.NoticeVersion, Shop: shop, Operation: "PaymentSessionResolve", Detail: "2027-01"}, b.notices[0])
	require.Equal(t, shopify.Notice{Kind: shopify.NoticeDeprecated, Shop: shop, Operation: "PaymentSessionResolve", Detail: "https://shopify.dev/changelog"}, b.notices[1])
	warnings := strings.Count(b.logs.String(), `"level":"warn"`)
	require.Positive(t, warnings)
	require.Less(t, warnings, 10, "the log is not flooded")
}

func TestOnlyShopsAreCalled(t *testing.T) {
	t.Parallel()
	reached := errors.New("reached the network")
	unreachable := &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) { return nil, reached })}
	options := shopify.Options{HTTPClient: unreachable, Tokens: &tokens{}, Log: zerolog.Nop(), Now: time.Now}
	client, err := shopify.New(options)
	require.NoError(t, err)
	_, err = client.ResolvePayment(t.Context(), shop, paymentGID, nil)
	require.ErrorIs(t, err, reached)
	for _, host := range []string{"evil.example", "acme.myshopify.com.evil.example", "acme.myshopify.com/..", "127.0.0.1", "", "ACME.myshopify.com"} {
		_, err = client.ResolvePayment(t.Context(), host, paymentGID, nil)
		require.Equal(t, payment.Bug, payment.ClassOf(err, payment.Unknown), host)
		require.NotErrorIs(t, err, reached)
	}

	options.BaseURL = "http://127.0.0.1:9/at/{shop}/"
	client, err = shopify.New(options)
	require.NoError(t, err)
	_, err = client.ResolvePayment(t.Context(), "any-name.test", paymentGID, nil)
	require.ErrorIs(t, err, reached, "a stand-in may use any name")
	for _, host := range []string{"a/b", "..", "a?b", "a b", ""} {
		_, err = client.ResolvePayment(t.Context(), host, paymentGID, nil)
		require.Equal(t, payment.Bug, payment.ClassOf(err, payment.Unknown), host)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestNewRefusesBadOptions(t *testing.T) {
	t.Parallel()
	good := shopify.Options{HTTPClient: http.DefaultClient, Tokens: &tokens{}, Now: time.Now}
	_, err := shopify.New(good)
	require.NoError(t, err, "everything else has a default")
	for _, base := range []string{"ftp://{shop}", "{shop}", "https://", "https://key@{shop}", "https://{shop}?a=b", "https://%zz"} {
		bad := good
		bad.BaseURL = base
		_, err := shopify.New(bad)
		require.ErrorContains(t, err, "base url", base)
		require.NotContains(t, err.Error(), "key@")
	}
	for _, bad := range []shopify.Options{
		{Tokens: good.Tokens, Now: good.Now}, {HTTPClient: good.HTTPClient, Now: good.Now}, {HTTPClient: good.HTTPClient, Tokens: good.Tokens},
	} {
		_, err := shopify.New(bad)
		require.ErrorContains(t, err, "required")
	}
}
