package recharge_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/recharge"
	"tillflow/standin/faults"
	standin "tillflow/standin/recharge"
)

func TestNew(t *testing.T) {
	t.Parallel()
	good := recharge.Options{Token: token, HTTPClient: &http.Client{}, Now: time.Now}
	_, err := recharge.New(good)
	require.NoError(t, err)
	for rule, spoil := range map[string]func(*recharge.Options){
		"no token":                 func(o *recharge.Options) { o.Token = "" },
		"no client":                func(o *recharge.Options) { o.HTTPClient = nil },
		"no clock":                 func(o *recharge.Options) { o.Now = nil },
		"an address without host":  func(o *recharge.Options) { o.BaseURL = "https://" },
		"another scheme":           func(o *recharge.Options) { o.BaseURL = "ftp://a.example" },
		"a password in the URL":    func(o *recharge.Options) { o.BaseURL = "https://a:b@c.example" },
		"a query":                  func(o *recharge.Options) { o.BaseURL = "https://c.example?a=b" },
		"an address that is none":  func(o *recharge.Options) { o.BaseURL = "https://c.example/%zz" },
		"an address with fragment": func(o *recharge.Options) { o.BaseURL = "https://c.example#a" },
	} {
		t.Run(rule+" is refused", func(t *testing.T) {
			t.Parallel()
			bad := good
			spoil(&bad)
			_, err := recharge.New(bad)
			require.Error(t, err)
		})
	}
}

func TestRequests(t *testing.T) {
	t.Parallel()
	t.Run("every request names token, version and type; a list names its filters", func(t *testing.T) {
		t.Parallel()
		var got *http.Request
		client, _ := answering(t, func(w http.ResponseWriter, r *http.Request) {
			got = r
			fmt.Fprint(w, `{"charges":[],"next_cursor":null}`)
		})
		_, err := client.Charges(t.Context(), recharge.ListQuery{
			Status: recharge.StatusError, UpdatedSince: time.Date(2026, 10, 1, 2, 0, 0, 0, time.FixedZone("", 7200)), Order: recharge.OldestFirst,
		})
		require.NoError(t, err)
		require.Equal(t, token, got.Header.Get("X-Recharge-Access-Token"))
		require.Equal(t, "2021-11", got.Header.Get("X-Recharge-Version"))
		require.Equal(t, "application/json", got.Header.Get("Accept"))
		require.Equal(t, "limit=250&sort_by=updated_at-asc&status=error&updated_at_min=2026-10-01T00%3A00%3A00Z", got.URL.RawQuery)
	})
	t.Run("a request with a cursor carries cursor and limit and nothing else", func(t *testing.T) {
		t.Parallel()
		var query string
		client, _ := answering(t, func(w http.ResponseWriter, r *http.Request) {
			query = r.URL.RawQuery
			fmt.Fprint(w, `{"charges":[],"next_cursor":null}`)
		})
		_, err := client.Charges(t.Context(), recharge.ListQuery{
			Cursor: "a b", Limit: 10, Status: recharge.StatusError, UpdatedSince: time.Now(), Order: recharge.NewestFirst,
		})
		require.NoError(t, err)
		require.Equal(t, "cursor=a+b&limit=10", query)
	})
	t.Run("a redirect is not followed, the token stays here", func(t *testing.T) {
		t.Parallel()
		elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("followed") }))
		t.Cleanup(elsewhere.Close)
		client, _ := answering(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		})
		_, err := client.Charge(t.Context(), 1)
		requireClass(t, payment.Unavailable, err)
	})
	t.Run("neither token nor what a refusal quotes comes into errors and logs", func(t *testing.T) {
		t.Parallel()
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusUnprocessableEntity)
			fmt.Fprint(w, `{"errors":{"email":["ann@example.com is no address"]}}`)
		}))
		t.Cleanup(web.Close)
		var log bytes.Buffer
		options := recharge.Options{BaseURL: web.URL, Token: token, HTTPClient: &http.Client{}, Now: time.Now, Log: zerolog.New(&log)}
		client, err := recharge.New(options)
		require.NoError(t, err)
		_, err = client.CustomerByShopifyID(t.Context(), "12345")
		require.ErrorContains(t, err, "about email")
		for _, text := range []string{err.Error(), log.String(), fmt.Sprintf("%+v", options.Token)} {
			require.NotContains(t, text, token)
			require.NotContains(t, text, "ann@")
			require.NotContains(t, text, "12345")
		}
		require.Contains(t, log.String(), `"status":422`)
	})
	t.Run("a token that is refused is Unauthorized, one that is good answers", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		require.NoError(t, b.client.Ping(t.Context()))
		bad, err := recharge.New(recharge.Options{BaseURL: b.url, Token: "no", HTTPClient: &http.Client{}, Now: b.clock.now})
		require.NoError(t, err)
		requireClass(t, payment.Unauthorized, bad.Ping(t.Context()))
	})
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]struct{ look, act payment.Class }{
		http.StatusBadRequest:           {payment.Invalid, payment.Invalid},
		http.StatusUnauthorized:         {payment.Unauthorized, payment.Unauthorized},
		http.StatusPaymentRequired:      {payment.Unauthorized, payment.Conflict},
		http.StatusForbidden:            {payment.Unauthorized, payment.Unauthorized},
		http.StatusNotFound:             {payment.NotFound, payment.NotFound},
		http.StatusMethodNotAllowed:     {payment.Invalid, payment.Invalid},
		http.StatusNotAcceptable:        {payment.Invalid, payment.Invalid},
		http.StatusRequestTimeout:       {payment.Unavailable, payment.Unknown},
		http.StatusConflict:             {payment.Conflict, payment.Conflict},
		http.StatusUnsupportedMediaType: {payment.Invalid, payment.Invalid},
		http.StatusUnprocessableEntity:  {payment.Invalid, payment.Invalid},
		http.StatusUpgradeRequired:      {payment.Unauthorized, payment.Unauthorized},
		http.StatusTooManyRequests:      {payment.RateLimited, payment.RateLimited},
		http.StatusInternalServerError:  {payment.Unavailable, payment.Unknown},
		http.StatusNotImplemented:       {payment.Unsupported, payment.Unsupported},
		http.StatusServiceUnavailable:   {payment.Unavailable, payment.Unknown},
		http.StatusMovedPermanently:     {payment.Unavailable, payment.Unknown},
	} {
		t.Run(fmt.Sprintf("%d is %s for a look and %s for a request that changes something", status, want.look, want.act), func(t *testing.T) {
			t.Parallel()
			answer := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
			client, _ := answering(t, answer)
			_, err := client.Charge(t.Context(), 1)
			requireClass(t, want.look, err)
			client, _ = answering(t, answer)
			_, err = client.CreateWebhook(t.Context(), recharge.TopicChargeFailed, "https://a.example")
			requireClass(t, want.act, err)
		})
	}
	t.Run("a version that Recharge no longer speaks has its own code", func(t *testing.T) {
		t.Parallel()
		client, _ := answering(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUpgradeRequired) })
		_, err := client.Charge(t.Context(), 1)
		require.Equal(t, recharge.CodeOtherVersion, failure(t, payment.Unauthorized, err).Code)
	})
	t.Run("a connection that never came is Unavailable for everything", func(t *testing.T) {
		t.Parallel()
		gone := httptest.NewServer(nil)
		gone.Close()
		_, err := newClient(t, gone.URL, newClock()).CreateWebhook(t.Context(), recharge.TopicChargeFailed, "https://a.example")
		requireClass(t, payment.Unavailable, err)
	})
	t.Run("an answer that never comes is Unknown where something may have been done", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, err := b.server.Faults().Arm(faults.Rule{Call: "*", Kind: faults.LoseReply, Times: 2})
		require.NoError(t, err)
		_, err = b.client.Charge(t.Context(), 1)
		requireClass(t, payment.Unavailable, err)
		_, err = b.client.CreateWebhook(t.Context(), recharge.TopicChargeFailed, "https://a.example")
		requireClass(t, payment.Unknown, err)
		require.Len(t, b.books().Subscribed, 1)
	})
	t.Run("a context that is over sends nothing", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := b.client.CreateWebhook(ctx, recharge.TopicChargeFailed, "https://a.example")
		requireClass(t, payment.Unavailable, err)
		require.Empty(t, b.books().Calls)
	})
}

func TestHalfAnswers(t *testing.T) {
	t.Parallel()
	for rule, body := range map[string]string{
		"cut off":                    `{"charges":[{"id":1,"status":"error"},{"id":2,`,
		"no JSON":                    `<html>`,
		"nothing":                    ``,
		"null":                       `null`,
		"a list":                     `[]`,
		"without charges":            `{"next_cursor":null}`,
		"without a list of them":     `{"charges":null,"next_cursor":null}`,
		"without a cursor":           `{"charges":[]}`,
		"with a cursor that is none": `{"charges":[],"next_cursor":7}`,
		"longer than it may be":      `{"charges":[],"next_cursor":"` + strings.Repeat("a", 9<<20) + `"}`,
	} {
		t.Run("an answer "+rule+" is no page", func(t *testing.T) {
			t.Parallel()
			client, _ := answering(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) })
			_, err := client.Charges(t.Context(), recharge.ListQuery{})
			require.Equal(t, recharge.CodeHalfAnswer, failure(t, payment.Unavailable, err).Code)
		})
	}
	t.Run("a body that ends before its length is no page", func(t *testing.T) {
		t.Parallel()
		client, _ := answering(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, `{"charges":[],"next_cursor":null}`)
		})
		_, err := client.Charges(t.Context(), recharge.ListQuery{})
		require.Equal(t, recharge.CodeHalfAnswer, failure(t, payment.Unavailable, err).Code)
	})
	t.Run("a charge of another id is no answer", func(t *testing.T) {
		t.Parallel()
		client, _ := answering(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"charge":{"id":2,"status":"error"}}`) })
		_, err := client.Charge(t.Context(), 1)
		requireClass(t, payment.Unavailable, err)
	})
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]time.Duration{
		"":                              recharge.MinimumPause,
		"0":                             recharge.MinimumPause,
		"1":                             recharge.MinimumPause,
		"5":                             5 * time.Second,
		"7.5":                           7500 * time.Millisecond,
		"soon":                          recharge.MinimumPause,
		"-3":                            recharge.MinimumPause,
		"NaN":                           recharge.MinimumPause,
		"1e300":                         time.Hour,
		"Sun, 01 Nov 2026 12:00:30 GMT": 30 * time.Second,
	} {
		t.Run(fmt.Sprintf("Retry-After %q pauses %s, and nothing is sent meanwhile", header, want), func(t *testing.T) {
			t.Parallel()
			calls := 0
			client, at := answering(t, func(w http.ResponseWriter, _ *http.Request) {
				calls++
				if header != "" {
					w.Header().Set("Retry-After", header)
				}
				w.WriteHeader(http.StatusTooManyRequests)
			})
			_, err := client.Charge(t.Context(), 1)
			require.Equal(t, want, failure(t, payment.RateLimited, err).RetryAfter)
			at.advance(want / 2)
			_, err = client.Charge(t.Context(), 1)
			e := failure(t, payment.RateLimited, err)
			require.Equal(t, recharge.CodePaused, e.Code)
			require.Equal(t, want-want/2, e.RetryAfter)
			require.Equal(t, 1, calls)
			at.advance(want)
			_, err = client.Charge(t.Context(), 1)
			require.NotEqual(t, recharge.CodePaused, failure(t, payment.RateLimited, err).Code)
			require.Equal(t, 2, calls)
		})
	}
	t.Run("jitter only makes the pause longer, and at most twice as long", func(t *testing.T) {
		t.Parallel()
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) }))
		t.Cleanup(web.Close)
		for given, want := range map[time.Duration]time.Duration{
			-time.Hour: recharge.MinimumPause, time.Second: 3 * time.Second, time.Hour: 2 * recharge.MinimumPause,
		} {
			client, err := recharge.New(recharge.Options{
				BaseURL: web.URL, Token: token, HTTPClient: &http.Client{}, Now: newClock().now,
				Jitter: func(time.Duration) time.Duration { return given },
			})
			require.NoError(t, err)
			_, err = client.Charge(t.Context(), 1)
			require.Equal(t, want, failure(t, payment.RateLimited, err).RetryAfter)
		}
	})
	t.Run("a full bucket is waited for and everything is read", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		ids := b.add(60, standin.ChargeSpec{})
		for _, id := range ids {
			_, err := b.client.Charge(t.Context(), id)
			if err != nil {
				b.clock.advance(failure(t, payment.RateLimited, err).RetryAfter)
				_, err = b.client.Charge(t.Context(), id)
			}
			require.NoError(t, err)
		}
		require.Positive(t, b.books().Throttled)
	})
}
