package faults_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/standin/faults"
)

// bench is a stand-in of one call, "pay", that counts its commits.
type bench struct {
	board     *faults.Switchboard
	server    *httptest.Server
	commits   atomic.Int32
	published chan struct{}
	awaited   atomic.Int32
}

func setup(t *testing.T) *bench {
	t.Helper()
	b := &bench{published: make(chan struct{}, 100)}
	b.board = faults.New(faults.Options{
		Calls:     []string{"pay"},
		ErrorBody: func(int) (string, []byte) { return "application/json", []byte(`{"error":"theirs"}`) },
	})
	mux := http.NewServeMux()
	mux.Handle("/_faults", b.board.Handler())
	mux.Handle("/_faults/release", b.board.Handler())
	mux.HandleFunc("/pay", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		b.board.Serve(w, r, faults.Call{Name: "pay", Subject: r.URL.Path + "\n" + string(body), Do: b.pay})
	})
	b.server = httptest.NewServer(mux)
	t.Cleanup(func() {
		b.board.Close()
		b.server.Close()
	})
	return b
}

func (b *bench) pay(*faults.Plan) faults.Reply {
	b.commits.Add(1)
	return faults.Reply{
		Status:  http.StatusOK,
		Header:  http.Header{"X-Paid": {"yes"}},
		Body:    []byte("paid"),
		Publish: func() { b.published <- struct{}{} },
		Await:   func(context.Context) { b.awaited.Add(1) },
	}
}

// do sends POST /pay as a careful client does, with a body that could be sent again and an Idempotency-Key.
func (b *bench) do(ctx context.Context) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.server.URL+"/pay", strings.NewReader("ref-1"))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Idempotency-Key", "k")
	resp, err := b.server.Client().Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(raw), err
}

func TestFaultsAroundTheCommit(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		rule        faults.Rule
		wantErr     bool
		wantStatus  int
		wantCommits int32
	}{
		{"no fault", faults.Rule{Nth: 2, Kind: faults.LoseRequest}, false, 200, 1},
		{"a lost request does nothing", faults.Rule{Kind: faults.LoseRequest}, true, 0, 0},
		{"a lost reply is committed", faults.Rule{Kind: faults.LoseReply}, true, 0, 1},
		{"429 does nothing", faults.Rule{Kind: faults.TooManyRequests, DelayMS: 1500}, false, 429, 0},
		{"500 before does nothing", faults.Rule{Kind: faults.ErrorBefore}, false, 500, 0},
		{"500 after is committed", faults.Rule{Kind: faults.ErrorAfter}, false, 500, 1},
		{"a delay commits", faults.Rule{Kind: faults.Delay, DelayMS: 5}, false, 200, 1},
		{"a delayed reply is committed", faults.Rule{Kind: faults.DelayReply, DelayMS: 5}, false, 200, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			tt.rule.Call = "pay"
			arm(t, b.board, tt.rule)
			status, body, err := b.do(t.Context())
			require.Equal(t, tt.wantErr, err != nil, "%v", err)
			require.Equal(t, tt.wantStatus, status)
			require.Equal(t, tt.wantCommits, b.commits.Load())
			if tt.wantCommits == 1 {
				<-b.published // what is committed shows itself, whatever the caller saw
			}
			require.Empty(t, b.published, "published once")
			if status >= 400 {
				require.JSONEq(t, `{"error":"theirs"}`, body)
			}
		})
	}
}

func TestLostOnReusedConnection(t *testing.T) {
	t.Parallel()
	for _, kind := range []faults.Kind{faults.LoseRequest, faults.LoseReply} {
		t.Run("the client's transport does not repeat the request by itself: "+string(kind), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			_, _, err := b.do(t.Context())
			require.NoError(t, err)
			<-b.published
			arm(t, b.board, faults.Rule{Call: "pay", Kind: kind})
			before := b.commits.Load()
			_, _, err = b.do(t.Context())
			require.Error(t, err)
			want := before
			if kind == faults.LoseReply {
				want++
			}
			require.Equal(t, want, b.commits.Load())
		})
	}
}

func TestHoldReply(t *testing.T) {
	t.Parallel()
	t.Run("released by hand", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		arm(t, b.board, faults.Rule{Call: "pay", Kind: faults.HoldReply})
		status := make(chan int, 1)
		go func() {
			code, _, _ := b.do(t.Context())
			status <- code
		}()
		<-b.published // webhooks overtake the held reply
		require.Eventually(t, func() bool { return b.board.Held() == 1 }, 5*time.Second, time.Millisecond)
		require.Equal(t, int32(1), b.commits.Load())
		require.Equal(t, 1, b.board.Release())
		require.Equal(t, 200, <-status)
		require.Eventually(t, func() bool { return b.board.Held() == 0 }, 5*time.Second, time.Millisecond)
	})
	t.Run("ends when the caller disconnects", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		arm(t, b.board, faults.Rule{Call: "pay", Kind: faults.HoldReply})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, _, err := b.do(ctx)
			done <- err
		}()
		require.Eventually(t, func() bool { return b.board.Held() == 1 }, 5*time.Second, time.Millisecond)
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
		require.Eventually(t, func() bool { return b.board.Held() == 0 }, 5*time.Second, time.Millisecond)
	})
	t.Run("Close answers and ends delays", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		arm(t, b.board, faults.Rule{Call: "pay", Kind: faults.HoldReply})
		arm(t, b.board, faults.Rule{Call: "pay", Kind: faults.Delay, DelayMS: 3_600_000})
		b.board.Close()
		status, _, err := b.do(t.Context())
		require.NoError(t, err)
		require.Equal(t, 200, status)
	})
}

func TestWebhookBeforeReply(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, _, err := b.do(t.Context())
	require.NoError(t, err)
	require.Zero(t, b.awaited.Load())
	arm(t, b.board, faults.Rule{Call: "pay", Kind: faults.WebhookBeforeReply})
	_, _, err = b.do(t.Context())
	require.NoError(t, err)
	require.Equal(t, int32(1), b.awaited.Load(), "the reply waited for the deliveries")
}

func TestAround(t *testing.T) {
	t.Parallel()
	board := faults.New(faults.Options{})
	arm(t, board, faults.Rule{Call: "pay", Kind: faults.ErrorAfter})
	var stored int
	call := faults.Call{
		Name: "pay",
		Do:   func(*faults.Plan) faults.Reply { return faults.Reply{Status: http.StatusOK} },
		Around: func(do func() faults.Reply) faults.Reply {
			reply := do()
			stored = reply.Status
			return reply
		},
	}
	rec := httptest.NewRecorder()
	board.Serve(rec, httptest.NewRequest(http.MethodPost, "/", nil), call)
	require.Equal(t, 500, stored, "the layer around the work sees, and can store, the faulty answer")
	require.Equal(t, "Internal Server Error\n", rec.Body.String())
}

func TestRateLimitHeader(t *testing.T) {
	t.Parallel()
	for delay, want := range map[int64]string{0: "1", 1: "1", 1000: "1", 1001: "2"} {
		board := faults.New(faults.Options{})
		arm(t, board, faults.Rule{Call: "*", Kind: faults.TooManyRequests, DelayMS: delay})
		rec := httptest.NewRecorder()
		board.Serve(rec, httptest.NewRequest(http.MethodGet, "/", nil), faults.Call{Name: "x"})
		require.Equal(t, want, rec.Header().Get("Retry-After"))
	}
}

func TestHandler(t *testing.T) {
	t.Parallel()
	b := setup(t)
	request := func(method, path, body string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), method, b.server.URL+path, strings.NewReader(body))
		require.NoError(t, err)
		resp, err := b.server.Client().Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		raw, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(raw)
	}

	status, body := request(http.MethodPost, "/_faults", `{"call":"pay","kind":"500_after","nth":2,"match":"ref"}`)
	require.Equal(t, http.StatusCreated, status)
	require.JSONEq(t, `{"id":"f1","call":"pay","kind":"500_after","nth":2,"match":"ref","seen":0,"fired":0,"spent":false}`, body)

	for name, bad := range map[string]string{
		"unknown field": `{"call":"pay","kind":"429","when":1}`,
		"unknown kind":  `{"call":"pay","kind":"4229"}`,
		"unknown call":  `{"call":"buy","kind":"429"}`,
		"no JSON":       `call=pay`,
		"two values":    `{"call":"pay","kind":"429"}{}`,
		"too large":     `{"call":"pay","kind":"429","match":"` + strings.Repeat("x", 70_000) + `"}`,
	} {
		status, body := request(http.MethodPost, "/_faults", bad)
		require.Equal(t, http.StatusBadRequest, status, name)
		require.Contains(t, body, `"error"`, name)
	}

	request(http.MethodPost, "/pay", "ref")
	status, _ = request(http.MethodPost, "/pay", "ref")
	require.Equal(t, 500, status)
	_, body = request(http.MethodGet, "/_faults", "")
	var st faults.Status
	require.NoError(t, json.Unmarshal([]byte(body), &st))
	require.Len(t, st.Rules, 1)
	require.Equal(t, 2, st.Rules[0].Seen)
	require.Equal(t, 1, st.Rules[0].Fired)
	require.True(t, st.Rules[0].Spent)

	status, body = request(http.MethodPost, "/_faults/release", "")
	require.Equal(t, 200, status)
	require.JSONEq(t, `{"released":0}`, body)
	status, _ = request(http.MethodDelete, "/_faults", "")
	require.Equal(t, http.StatusNoContent, status)
	_, body = request(http.MethodGet, "/_faults", "")
	require.JSONEq(t, `{"rules":[],"held":0,"delayed":0}`, body)
}
