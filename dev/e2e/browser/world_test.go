package browser_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/dev/postgres"
	"tillflow/dev/stack"
	"tillflow/internal/store"
)

// longShop is a shop whose name and ways to pay are as long as people make them.
const (
	longShop  = "long-dev.myshopify.com"
	longLabel = "Großhandelsgesellschaft für Töpferwaren, Leinenwaren & Tischkultur Müller-Lüdenscheidt & Söhne"
	cappedAt  = 3 // refusals after which longShop's payments end
)

// world is what all stories share: one stack, one browser, one place for pictures.
type world struct {
	*stack.Stack
	browser context.Context // of chromedp: tabs are opened below it
	shots   string
	tally   tally
}

// tally counts what a story does in its windows.
type tally struct{ steps, pages, looks atomic.Int64 }

// alone is the same world with a tally of its own.
func (w *world) alone() *world { return &world{Stack: w.Stack, browser: w.browser, shots: w.shots} }

// TestMain empties the folder of pictures once: the tests below fill it together.
func TestMain(m *testing.M) {
	if err := os.RemoveAll(shots()); err != nil {
		panic(err)
	}
	m.Run()
}

func shots() string { return filepath.Join("..", "..", "artefacts", "browser") }

// begin starts the stack, which the changes make another one, and the browser.
// Both end with the test, whose log is named.
func begin(t *testing.T, log string, changes ...func(*stack.Options)) *world {
	t.Helper()
	program := chromium(t)
	require.NoError(t, os.MkdirAll(shots(), 0o755))
	w := &world{shots: shots()}
	w.startStack(t, log, changes)
	w.startBrowser(t, program)
	return w
}

func (w *world) startStack(t *testing.T, logName string, changes []func(*stack.Options)) {
	t.Helper()
	// Not t.TempDir: PostgreSQL may run as another user, who must reach it.
	dir, err := os.MkdirTemp("", "tillflow-browser-")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		require.NoError(t, postgres.Remove(ctx, postgres.Options{Dir: filepath.Join(dir, "postgres")}))
		require.NoError(t, os.RemoveAll(dir))
	})
	// Never closed: the Temporal server's last goroutines log after its end.
	log, err := os.Create(filepath.Join(w.shots, logName+".log"))
	require.NoError(t, err)
	o := stack.Options{
		Dir: dir, Volatile: true, Service: true, Shops: []string{longShop}, NewShops: []string{freshShop},
		SettleDelay: 24 * time.Hour, // stories settle by hand
		Settings:    map[string]string{"SANDBOX_DELAY": "1s"},
		Log:         zerolog.New(log).With().Timestamp().Logger(),
	}
	for _, change := range changes {
		change(&o)
	}
	w.Stack, err = stack.Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.Stop()) })
	require.NoError(t, w.Service.Store.PutShop(t.Context(), store.Shop{
		Shop: longShop, Label: longLabel, Mail: "owner@example.com", MaxAttempts: cappedAt, Active: true,
	}))
}

// startBrowser runs Chromium with a profile of its own and nothing that calls home.
func (w *world) startBrowser(t *testing.T, program string) {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.UserDataDir(t.TempDir()), chromedp.NoFirstRun, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("hide-scrollbars", true),
	)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium's own sandbox refuses root
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	browser, end := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		if err := chromedp.Cancel(browser); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("end Chromium: %v", err)
		}
		end()
	})
	require.NoError(t, chromedp.Do(browser), "start %s", program)
	w.browser = browser
}

// chromium finds the browser. Without one the pages are not tested, so the test fails.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{
		"chromium", "chromium-browser", "google-chrome",
		"/Applications/Google Chrome.app/Contents/MacOS/Google Chrome", "/Applications/Chromium.app/Contents/MacOS/Chromium",
	} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("no Chromium or Chrome found: run script/bootstrap, which installs it")
	return ""
}
