// Package recharge runs the real service against the stand-in Recharge, breaks what is between them, and asks the stand-in's own
// books, the merchant's mails, the console and its file whether every failed charge was told once.
package recharge

import (
	"context"
	"encoding/csv"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/dev/stack"
	"tillflow/internal/cli"
	"tillflow/internal/recharge"
	"tillflow/internal/store"
	standin "tillflow/standin/recharge"
)

// Shops beside the stack's own.
const (
	small   = "small.myshopify.com"
	refused = "refused.myshopify.com"
)

const patience = 5 * time.Minute

// TestMain builds the service's program unless TILLFLOW_BIN names one.
func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv("TILLFLOW_BIN") == "" {
		dir, err := os.MkdirTemp("", "tillflow-bin-")
		if err == nil {
			defer func() { _ = os.RemoveAll(dir) }() // what is left is in the system's own place for such
			err = build(filepath.Join(dir, "tillflow"))
		}
		if err != nil {
			panic(err)
		}
	}
	m.Run()
}

func build(path string) error {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "tillflow").Output()
	if err != nil {
		return fmt.Errorf("find the service's module: %w", err)
	}
	cmd := exec.Command("go", "build", "-o", path, "./cmd/tillflow")
	cmd.Dir = strings.TrimSpace(string(root))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the service: %w: %s", err, out)
	}
	return os.Setenv("TILLFLOW_BIN", path)
}

// world is a stack whose service runs as its two roles in processes of their own.
type world struct {
	*testing.T
	*stack.Stack
	record *store.Store // for what no page tells
	roles  map[string]*stack.Child
}

func open(t *testing.T) *world {
	t.Helper()
	dir, err := os.MkdirTemp("", "tillflow-recharge-")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755)) // PostgreSQL runs as another user below it
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("everything is kept in %s", dir)
			return
		}
		require.NoError(t, os.RemoveAll(dir))
	})
	w := &world{T: t, roles: map[string]*stack.Child{}}
	w.Stack, err = stack.Start(t.Context(), stack.Options{
		Dir: dir, Shops: []string{small, refused}, Subscriptions: []string{stack.Shop}, Settings: map[string]string{"RECHARGE_EVERY": "2s"},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.Stop()) })
	w.record, err = cli.OpenStore(t.Context(), w.Config, w.Clock.Now, zerolog.Nop())
	require.NoError(t, err)
	t.Cleanup(w.record.Close)
	t.Cleanup(func() {
		for _, child := range w.roles {
			require.NoError(t, child.Stop())
		}
	})
	return w
}

// spawn starts a role of the service, serve or worker; it ends with the story.
func (w *world) spawn(role string) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 2*time.Minute)
	defer cancel()
	child, err := w.Spawn(ctx, role, nil)
	require.NoError(w, err)
	w.roles[role] = child
}

func (w *world) soon(what string, is func() bool) {
	w.Helper()
	require.Eventually(w, is, patience, 100*time.Millisecond, "never came: %s", what)
}

// fails lets n subscribers' charges fail, over the last hours, so that the stand-in tries none of them again meanwhile.
func (w *world) fails(shop string, n int, spec standin.ChargeSpec) []int64 {
	w.Helper()
	spec.AgeSeconds, spec.SpreadSeconds = 20*3600, 19*3600
	ids, err := w.Recharge.AddCharges(shop, n, spec)
	require.NoError(w, err)
	return ids
}

// connect connects a shop with Recharge; the token may be a wrong one.
func (w *world) connect(shop, token string, policy recharge.Policy) {
	w.Helper()
	good, secret := w.RechargeToken(shop)
	if token == "" {
		token = good
	}
	_, err := w.record.SaveRecharge(w.Context(), tester, recharge.Connection{Shop: shop, Enabled: true, Policy: policy}, credentials(token, secret))
	require.NoError(w, err)
}

func (w *world) connection(shop string) recharge.Connection {
	w.Helper()
	list, err := w.record.Recharges(w.Context(), shop)
	require.NoError(w, err)
	require.Len(w, list, 1)
	return list[0]
}

// settled: the walk has everything and the merchant was told of all of it.
func (w *world) settled(shop string, n int) func() bool {
	return func() bool {
		c := w.connection(shop)
		return c.Failing == n && c.Unreported == 0 && !c.SettledAt.IsZero() && c.Trouble == ""
	}
}

var inMail = regexp.MustCompile(`(?m)^  charge (\d+)  `)

// mailed are the charges that a merchant's mails name. A mail that went out twice under one Message-ID is one mail.
func (w *world) mailed(shop string) (charges []string, mails int) {
	w.Helper()
	seen := map[string]bool{}
	for _, m := range w.Mail.Books().Messages {
		if !slices.ContainsFunc(m.To, func(to string) bool { return strings.Contains(to, "owner@"+shop) }) || seen[m.MessageID] || !strings.Contains(m.Subject, "subscription charge") {
			continue
		}
		seen[m.MessageID] = true
		mails++
		for _, found := range inMail.FindAllStringSubmatch(m.Text, -1) {
			charges = append(charges, found[1])
		}
	}
	return charges, mails
}

// desk is somebody who is signed in to the console.
type desk struct {
	w      *world
	client *http.Client
}

var csrfField = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

func (w *world) desk(role string) desk {
	w.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(w, err)
	d := desk{w, &http.Client{Jar: jar, Timeout: 20 * time.Second}}
	require.Contains(w, d.post("/console/login", "/console/login/dev", url.Values{"role": {role}}), "Sign out")
	return d
}

func (d desk) get(path string) string {
	d.w.Helper()
	req, err := http.NewRequestWithContext(d.w.Context(), http.MethodGet, d.w.PayURL+path, nil)
	require.NoError(d.w, err)
	return d.send(req)
}

// post sends a form of a page, with the token that the page has.
func (d desk) post(page, path string, form url.Values) string {
	d.w.Helper()
	token := csrfField.FindStringSubmatch(d.get(page))
	require.NotNil(d.w, token, "no form on %s", page)
	form.Set("csrf", token[1])
	req, err := http.NewRequestWithContext(d.w.Context(), http.MethodPost, d.w.PayURL+path, strings.NewReader(form.Encode()))
	require.NoError(d.w, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", d.w.PayURL)
	return d.send(req)
}

func (d desk) send(req *http.Request) string {
	d.w.Helper()
	resp, err := d.client.Do(req)
	require.NoError(d.w, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(d.w, err)
	require.Equal(d.w, http.StatusOK, resp.StatusCode, "%s %s", req.URL.Path, text)
	return string(text)
}

var (
	inList = regexp.MustCompile(`<strong><a href="/console/recharge/[0-9a-f-]{36}">(\d+)</a></strong>`)
	older  = regexp.MustCompile(`<a class="button" href="([^"]+)">Older charges</a>`)
)

// listed are the charges that the console's pages show, page after page.
func (d desk) listed(path string) (charges []string, pages int) {
	d.w.Helper()
	for path != "" {
		page := d.get(path)
		pages++
		for _, found := range inList.FindAllStringSubmatch(page, -1) {
			charges = append(charges, found[1])
		}
		path = ""
		if next := older.FindStringSubmatch(page); next != nil {
			path = strings.ReplaceAll(next[1], "&amp;", "&")
		}
	}
	return charges, pages
}

// exported are the rows of the console's file, without its head.
func (d desk) exported(shop string) [][]string {
	d.w.Helper()
	file := d.post("/console/recharge", "/console/recharge/csv", url.Values{"shop": {shop}})
	rows, err := csv.NewReader(strings.NewReader(file)).ReadAll()
	require.NoError(d.w, err)
	return rows[1:]
}

// texts writes ids as the pages do, in order.
func texts(ids []int64) []string {
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = strconv.FormatInt(id, 10)
	}
	slices.Sort(list)
	return list
}

// once checks that a list has each of the charges, and each once.
func (w *world) once(want []string, got []string, where string) {
	w.Helper()
	got = slices.Clone(got)
	slices.Sort(got)
	require.Len(w, slices.Compact(slices.Clone(got)), len(got), "%s tells a charge twice", where)
	require.Equal(w, want, got, "%s and the stand-in's books differ", where)
}
