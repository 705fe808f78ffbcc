package shopify

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOptionsAreCheckedAllAtOnce(t *testing.T) {
	t.Parallel()
	_, err := New(Options{
		PublicURL: "http://x/path", App: App{PaymentSessionURL: "http://plain", VoidSessionURL: "ftp://x"},
		Shops: []Shop{{Domain: "a b"}, {Domain: "a b", AccessToken: "t", Plan: "gold"}},
	})
	for _, want := range []string{
		"without a path", `payment session url "http://plain" must be https`, "void session url", "client certificate",
		"client id and secret", "not a host name", "given twice", "no access token", "unknown plan",
	} {
		require.ErrorContains(t, err, want)
	}
	_, err = New(Options{})
	require.ErrorContains(t, err, "at least one shop")
}

func TestSecretsAreNotPrinted(t *testing.T) {
	t.Parallel()
	opts := Options{ClientSecret: "hush", Shops: []Shop{{AccessToken: "hush", RefreshToken: "hush"}}}
	encoded, err := json.Marshal(opts.Shops)
	require.NoError(t, err)
	for _, text := range []string{fmt.Sprintf("%v", opts), fmt.Sprintf("%+v", opts), fmt.Sprintf("%#v", opts.Shops), string(encoded)} {
		require.NotContains(t, text, "hush")
		require.Contains(t, text, "***")
	}
}

// reopen makes a second stand-in of the same options, as after a restart.
func reopen(t *testing.T, opts Options) *Server {
	t.Helper()
	again, err := New(opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, again.Close()) })
	return again
}

func TestSnapshotSurvivesARestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "shopify.json")
	b := setup(t, func(o *Options) { o.SnapshotPath = path })
	resolved := b.payment(t, SessionRequest{ID: "Ps1", Group: "g1", Customer: &Customer{Email: "ada@example.com", Locale: "de"}})
	b.payment(t, SessionRequest{ID: "Ps2", Group: "g1"})
	args := map[string]any{"id": resolved.GID}
	first := b.mutate(t, opPaymentResolve, args)
	rotated, ok := b.refresh(t, seedRefresh)
	require.True(t, ok)
	require.NoError(t, b.Close())

	after := bundle{Server: reopen(t, b.opts), clock: b.clock, opts: b.opts}
	after.http = newFront(t, after.Server)
	require.Equal(t, b.Books("", false), after.Books("", false))
	require.True(t, after.calls(t, rotated.AccessToken), "the tokens stay rotated")

	require.Equal(t, first, after.mutate(t, opPaymentResolve, args), "a repeat is still a repeat")
	require.Equal(t, "Another PaymentSession of this group is already resolved",
		firstError(after.mutate(t, opPaymentResolve, map[string]any{"id": PaymentSession.gid("Ps2")})))
	answer, err := after.RepeatSession(t.Context(), "Ps1")
	require.NoError(t, err)
	require.True(t, answer.Accepted)
	requests := b.app.requests()
	require.Equal(t, string(requests[0].body), string(requests[len(requests)-1].body), "the very bytes")
	joined, err := after.StartSession(t.Context(), SessionRequest{Shop: acme, Group: "g1", Amount: "1.00", Currency: "EUR"})
	require.NoError(t, err)
	require.Equal(t, resolved.Checkout, joined.Checkout, "the group is known")

	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestSnapshotIsSavedWhileRunning(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "shopify.json")
	b := setup(t, func(o *Options) { o.SnapshotPath = path })
	b.payment(t, SessionRequest{ID: "Ps1"})
	require.Eventually(t, func() bool {
		data, err := os.ReadFile(path)
		return err == nil && json.Valid(data)
	}, 10*time.Second, 20*time.Millisecond)
}

func TestDamagedSnapshotIsAnErrorAndKept(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for content, want := range map[string]string{`{"format":`: "unexpected end", `{"format":9}`: "has format 9"} {
		path := filepath.Join(t.TempDir(), "shopify.json")
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		opts := b.opts
		opts.SnapshotPath = path
		_, err := New(opts)
		require.ErrorContains(t, err, want)
		kept, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, content, string(kept))
	}
}

func TestUnwritableSnapshotIsReportedOnClose(t *testing.T) {
	t.Parallel()
	b := setup(t)
	opts := b.opts
	opts.SnapshotPath = filepath.Join(t.TempDir(), "missing", "shopify.json")
	server, err := New(opts)
	require.NoError(t, err)
	require.ErrorContains(t, server.Close(), "save snapshot")
	require.ErrorContains(t, server.Close(), "save snapshot", "closing twice is harmless")
}

func TestNewSeedTokenStartsOver(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "shopify.json")
	b := setup(t, func(o *Options) { o.SnapshotPath = path })
	b.payment(t, SessionRequest{ID: "Ps1"})
	_, ok := b.refresh(t, seedRefresh)
	require.True(t, ok)
	require.NoError(t, b.Close())

	opts := b.opts
	opts.Shops = []Shop{{Domain: acme, AccessToken: "shpat_new", RefreshToken: "shprt_new"}}
	after := bundle{Server: reopen(t, opts), clock: b.clock}
	after.http = newFront(t, after.Server)
	require.True(t, after.calls(t, "shpat_new"))
	require.False(t, after.calls(t, seedAccess))
	_, known := after.Session("Ps1")
	require.True(t, known, "the books stay")
}
