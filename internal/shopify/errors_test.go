package shopify_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/shopify"
)

// graphql builds an answer with one top-level error.
func failure(code, rest string) string {
	return `{"data":null,"errors":[{"message":"Told by Shopify","extensions":{"code":"` + code + `"}}]` + rest + `}`
}

func TestAnswersAndTheirClasses(t *testing.T) {
	t.Parallel()
	const cost = `,"extensions":{"cost":{"requestedQueryCost":70,"actualQueryCost":null,"throttleStatus":{"maximumAvailable":1000,"currentlyAvailable":66,"restoreRate":50}}}`
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		class  payment.Class
		code   string
		wait   time.Duration
	}{
		"429 with a fraction of seconds":     {says(429, "", "Retry-After", "2.5"), payment.RateLimited, "http_429", 2500 * time.Millisecond},
		"429 with a date":                    {says(429, "", "Retry-After", now.Add(7*time.Second).Format(http.TimeFormat)), payment.RateLimited, "http_429", 7 * time.Second},
		"429 without a time":                 {says(429, ""), payment.RateLimited, "http_429", 2 * time.Second},
		"429 with nonsense":                  {says(429, "", "Retry-After", "NaN"), payment.RateLimited, "http_429", 2 * time.Second},
		"429 with a far too long time":       {says(429, "", "Retry-After", "1e300"), payment.RateLimited, "http_429", time.Hour},
		"throttled, wait from the cost":      {says(200, failure("THROTTLED", cost)), payment.RateLimited, "THROTTLED", 80 * time.Millisecond},
		"throttled without a cost":           {says(200, failure("THROTTLED", "")), payment.RateLimited, "THROTTLED", 2 * time.Second},
		"throttled with the bucket refilled": {says(200, failure("THROTTLED", strings.Replace(cost, "66", "99", 1))), payment.RateLimited, "THROTTLED", 2 * time.Second},
		"500":                                {says(500, "<html>"), payment.Unavailable, "http_500", 0},
		"502":                                {says(502, "<html>"), payment.Unavailable, "http_502", 0},
		"503 that says when":                 {says(503, "", "Retry-After", "30"), payment.Unavailable, "http_503", 30 * time.Second},
		"408":                                {says(408, ""), payment.Unavailable, "http_408", 0},
		"internal error":                     {says(200, failure("INTERNAL_SERVER_ERROR", "")), payment.Unavailable, "INTERNAL_SERVER_ERROR", 0},
		"an error of an unknown kind":        {says(200, failure("SOMETHING_NEW", "")), payment.Unavailable, "SOMETHING_NEW", 0},
		"402 frozen":                         {says(402, ""), payment.Unauthorized, shopify.CodeShopBlocked, time.Hour},
		"403 forbidden":                      {says(403, ""), payment.Unauthorized, shopify.CodeShopBlocked, time.Hour},
		"423 locked":                         {says(423, ""), payment.Unauthorized, shopify.CodeShopBlocked, time.Hour},
		"shop inactive":                      {says(200, failure("SHOP_INACTIVE", "")), payment.Unauthorized, shopify.CodeShopBlocked, time.Hour},
		"404 wrong version":                  {says(404, ""), payment.Invalid, "http_404", 0},
		"400":                                {says(400, ""), payment.Invalid, "http_400", 0},
		"too costly":                         {says(200, failure("MAX_COST_EXCEEDED", "")), payment.Invalid, "MAX_COST_EXCEEDED", 0},
		"schema error with a code":           {says(200, `{"errors":[{"message":"Field 'code' doesn't exist","locations":[{"line":1,"column":2}],"extensions":{"code":"undefinedField"}}]}`), payment.Invalid, "undefinedField", 0},
		"schema error without one":           {says(200, `{"errors":[{"message":"Parse error","locations":[{"line":1,"column":2}]}]}`), payment.Invalid, "schema", 0},
		"a runtime code among schema errors": {says(200, `{"errors":[{"message":"?"},{"message":"Throttled","extensions":{"code":"THROTTLED"}}]}`), payment.RateLimited, "THROTTLED", 2 * time.Second},
		"errors beside data":                 {says(200, strings.Replace(resolved, `{"data"`, `{"errors":[{"message":"half","extensions":{"code":"INTERNAL_SERVER_ERROR"}}],"data"`, 1)), payment.Unavailable, "INTERNAL_SERVER_ERROR", 0},
		"a page for people":                  {says(200, "<html>maintenance</html>"), payment.Unavailable, "unreadable_answer", 0},
		"errors of another shape":            {says(200, `{"errors":"[API] Invalid"}`), payment.Unavailable, "unreadable_answer", 0},
		"data of another shape":              {says(200, `{"data":{"paymentSessionResolve":[]}}`), payment.Unavailable, "unreadable_answer", 0},
		"no data":                            {says(200, `{"data":null}`), payment.Unavailable, "empty_answer", 0},
		"an empty object":                    {says(200, `{}`), payment.Unavailable, "empty_answer", 0},
		"far too much":                       {says(200, strings.Repeat(" ", 1<<20)+resolved), payment.Unavailable, "answer_too_large", 0},
		"204":                                {says(204, ""), payment.Unavailable, "http_204", 0},
		"a redirect is not followed":         {says(302, "", "Location", "/elsewhere"), payment.Unavailable, "http_302", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, tc.answer)
			result, err := b.client.ResolvePayment(t.Context(), shop, paymentGID, nil)
			require.Equal(t, shopify.Result{}, result)
			require.ErrorContains(t, err, "resolve payment session at shopify: ")
			e, ok := errors.AsType[*payment.Error](err)
			require.True(t, ok)
			require.Equal(t, tc.class, e.Class)
			require.Equal(t, tc.code, e.Code)
			require.InDelta(t, tc.wait.Seconds(), e.RetryAfter.Seconds(), 0.001)
			require.Contains(t, err.Error(), "req-1", "the request id is there for support")
			require.NotContains(t, err.Error(), "token-1")
			require.Len(t, b.requests, 1, "repeating is the caller's business")
			require.Empty(t, b.tokens.refreshes)
		})
	}
}

func TestRefusedTokenIsRefreshedOnce(t *testing.T) {
	t.Parallel()
	for name, refusal := range map[string]http.HandlerFunc{
		"401": says(401, `{"errors":"invalid token"}`), "access denied": says(200, failure("ACCESS_DENIED", "")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, refusal, says(200, resolved))
			result, err := b.client.ResolvePayment(t.Context(), shop, paymentGID, nil)
			require.NoError(t, err)
			require.Equal(t, "RESOLVED", result.State)
			require.Equal(t, []string{"token-1"}, b.tokens.refreshes)
			require.Equal(t, "token-2", b.requests[1].token)
			require.Equal(t, b.requests[0].variables, b.requests[1].variables)

			b = setup(t, refusal)
			_, err = b.client.ResolvePayment(t.Context(), shop, paymentGID, nil)
			require.Equal(t, payment.Unauthorized, payment.ClassOf(err, payment.Unknown))
			require.Len(t, b.requests, 2)
			require.Len(t, b.tokens.refreshes, 1, "once, then a person")
		})
	}
}

func TestTroubleWithTokens(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err   error
		class payment.Class
		code  string
	}{
		"none stored is not about the session": {fmt.Errorf("tokens: %w", &payment.Error{Class: payment.NotFound}), payment.Unauthorized, shopify.CodeNoToken},
		"grant withdrawn":                      {&payment.Error{Class: payment.Unauthorized, Code: shopify.CodeInvalidGrant}, payment.Unauthorized, shopify.CodeInvalidGrant},
		"database away":                        {errors.New("connection refused"), payment.Unavailable, "token_source"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, says(401, ""))
			b.tokens.err = tc.err
			_, err := b.client.ResolvePayment(t.Context(), shop, paymentGID, nil)
			e, ok := errors.AsType[*payment.Error](err)
			require.True(t, ok)
			require.Equal(t, tc.class, e.Class)
			require.Equal(t, tc.code, e.Code)
			require.ErrorIs(t, err, tc.err)
			require.Empty(t, b.requests)
		})
	}
}

func TestNoAnswerIsUnavailable(t *testing.T) {
	t.Parallel()
	resolve := func(ctx context.Context, server *httptest.Server, hc *http.Client) error {
		client, err := shopify.New(shopify.Options{BaseURL: server.URL, HTTPClient: hc, Tokens: &tokens{current: "token-1"}, Log: zerolog.Nop(), Now: time.Now})
		require.NoError(t, err)
		_, err = client.ResolvePayment(ctx, shop, paymentGID, nil)
		require.NotContains(t, err.Error(), "token-1")
		return err
	}

	t.Run("nobody listens", func(t *testing.T) {
		t.Parallel()
		server := httptest.NewServer(http.NotFoundHandler())
		server.Close()
		err := resolve(t.Context(), server, http.DefaultClient)
		require.Equal(t, payment.Unavailable, payment.ClassOf(err, payment.Unknown))
		require.ErrorContains(t, err, "connection refused")
	})
	t.Run("the connection breaks after the request was read", func(t *testing.T) {
		t.Parallel()
		server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
		t.Cleanup(server.Close)
		err := resolve(t.Context(), server, server.Client())
		require.Equal(t, payment.Unavailable, payment.ClassOf(err, payment.Unknown), "repeats are safe at Shopify")
	})
	t.Run("the body breaks off", func(t *testing.T) {
		t.Parallel()
		server := httptest.NewServer(says(200, "{", "Content-Length", "100"))
		t.Cleanup(server.Close)
		err := resolve(t.Context(), server, server.Client())
		require.Equal(t, payment.Unavailable, payment.ClassOf(err, payment.Unknown))
		require.ErrorContains(t, err, "no answer from shopify")
	})
	t.Run("the caller's time is over", func(t *testing.T) {
		t.Parallel()
		hang := make(chan struct{})
		server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
		t.Cleanup(server.Close)
		t.Cleanup(func() { close(hang) })
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		err := resolve(ctx, server, server.Client())
		e, ok := errors.AsType[*payment.Error](err)
		require.True(t, ok)
		require.Equal(t, payment.Unavailable, e.Class)
		require.Equal(t, "timeout", e.Code)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}
