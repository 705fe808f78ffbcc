package stripe_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/psp/psptest"
	"tillflow/internal/psp/stripe"
)

// TestRequestsAreTheRecordedOnes compares every request with testdata, so that a
// change of what is sent is seen in review. UPDATE_GOLDEN=1 records anew.
func TestRequestsAreTheRecordedOnes(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text := describe(t, r)
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, text)
		_, _ = io.WriteString(w, `{"data":[]}`)
	}))
	t.Cleanup(server.Close)
	c := stripe.New(stripe.Options{BaseURL: server.URL + "/", Now: func() time.Time { return noon }})
	psptest.Exercise(t.Context(), c, account(), noon)
	mu.Lock()
	defer mu.Unlock()
	got := strings.Join(seen, "\n")
	path := filepath.Join("testdata", "requests.golden")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

// describe writes a request down: line, the headers that count, parameters in order.
func describe(t *testing.T, r *http.Request) string {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", r.Method, r.URL.Path)
	for _, name := range []string{"Authorization", "Stripe-Version", "Idempotency-Key", "Content-Type"} {
		if v := r.Header.Get(name); v != "" {
			fmt.Fprintf(&b, "  %s: %s\n", name, v)
		}
	}
	form := r.URL.Query()
	if r.Method == http.MethodPost {
		if len(form) > 0 {
			t.Error("a POST has no query")
		}
		if form, err = url.ParseQuery(string(body)); err != nil {
			t.Error(err)
		}
	}
	names := make([]string, 0, len(form))
	for name := range form {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range form[name] {
			fmt.Fprintf(&b, "  %s = %s\n", name, value)
		}
	}
	return b.String()
}
