package stripe_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/psp/stripe"
)

// classes gives what a connector makes of a sending and of a looking call.
func classes(ctx context.Context, t *testing.T, c *stripe.Connector) (post, get payment.Class) {
	t.Helper()
	_, err := c.Refund(ctx, account(), move())
	require.Error(t, err)
	require.NotContains(t, err.Error(), testKey)
	_, looked := c.Inquire(ctx, account(), chargeRef())
	require.Error(t, looked)
	return payment.ClassOf(err, ""), payment.ClassOf(looked, "")
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestNothingWrittenIsUnavailable(t *testing.T) {
	t.Parallel()
	encrypted := httptest.NewUnstartedServer(http.NotFoundHandler())
	encrypted.Config.ErrorLog = log.New(io.Discard, "", 0)
	encrypted.StartTLS()
	t.Cleanup(encrypted.Close)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	dial := func(err error) *http.Client {
		return &http.Client{Transport: &http.Transport{
			DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, err },
		}}
	}
	for name, o := range map[string]stripe.Options{
		"connection refused":           {BaseURL: "http://127.0.0.1:1"},
		"no such host":                 {HTTPClient: dial(&net.DNSError{Err: "no such host", Name: "api", IsNotFound: true})},
		"a certificate nobody trusts":  {BaseURL: encrypted.URL, HTTPClient: &http.Client{Transport: &http.Transport{}}},
		"a server that speaks no TLS":  {BaseURL: strings.Replace(plain.URL, "http:", "https:", 1), HTTPClient: &http.Client{Transport: &http.Transport{}}},
		"a network that is not there":  {HTTPClient: dial(errors.New("network is unreachable"))},
		"a dial that takes too long":   {HTTPClient: dial(context.DeadlineExceeded)},
		"a proxy that does not answer": {HTTPClient: dial(io.EOF)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			post, get := classes(t.Context(), t, stripe.New(o))
			require.Equal(t, payment.Unavailable, post)
			require.Equal(t, payment.Unavailable, get)
		})
	}
	t.Run("a context that had ended before", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		s := scripted(t)
		post, get := classes(ctx, t, s.Connector)
		require.Equal(t, payment.Unavailable, post)
		require.Equal(t, payment.Unavailable, get)
		require.Empty(t, s.requests())
	})
}

func TestOnceConnectedAPostIsUnknown(t *testing.T) {
	t.Parallel()
	hijack := func(say string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				panic(err)
			}
			_, _ = io.WriteString(conn, say)
			_ = conn.Close()
		}
	}
	for name, handler := range map[string]http.HandlerFunc{
		"the connection ends without an answer": hijack(""),
		"the answer is no HTTP":                 hijack("hello\r\n\r\n"),
		"the answer breaks off in its headers":  hijack("HTTP/1.1 200 OK\r\nContent-Le"),
		"the answer breaks off in its body":     hijack("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"id\":"),
		"the answer is endless": func(w http.ResponseWriter, _ *http.Request) {
			for _, err := io.WriteString(w, "{"); err == nil; _, err = io.WriteString(w, strings.Repeat(" ", 1<<16)) {
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(handler)
			t.Cleanup(server.Close)
			post, get := classes(t.Context(), t, stripe.New(stripe.Options{BaseURL: server.URL}))
			require.Equal(t, payment.Unknown, post)
			require.Equal(t, payment.Unavailable, get)
		})
	}
	t.Run("the answer does not come in time", func(t *testing.T) {
		t.Parallel()
		arrived := make(chan struct{}, 2)
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // only then does the server notice that its client has gone
			arrived <- struct{}{}
			<-r.Context().Done()
		}))
		t.Cleanup(server.Close)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-arrived
			cancel()
		}()
		_, err := stripe.New(stripe.Options{BaseURL: server.URL}).Refund(ctx, account(), move())
		require.Equal(t, payment.Unknown, payment.ClassOf(err, ""))
	})
	t.Run("a transport that tells nothing proves nothing", func(t *testing.T) {
		t.Parallel()
		mute := &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
			return nil, errors.New("dial tcp: connection refused")
		})}
		post, get := classes(t.Context(), t, stripe.New(stripe.Options{HTTPClient: mute}))
		require.Equal(t, payment.Unknown, post)
		require.Equal(t, payment.Unavailable, get)
	})
}

func TestEveryCallHasADeadline(t *testing.T) {
	t.Parallel()
	var left time.Duration
	client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		deadline, _ := r.Context().Deadline()
		left = time.Until(deadline)
		return nil, errors.New("enough")
	})}
	c := stripe.New(stripe.Options{HTTPClient: client})
	_, err := c.Refund(t.Context(), account(), move())
	require.Error(t, err)
	require.Positive(t, left)
	require.LessOrEqual(t, left, c.Contract().CallTimeout)
}

func TestTheGivenClientIsNotChanged(t *testing.T) {
	t.Parallel()
	client := &http.Client{}
	stripe.New(stripe.Options{HTTPClient: client})
	require.Nil(t, client.CheckRedirect)
}
