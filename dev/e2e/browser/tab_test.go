package browser_test

import (
	"context"
	_ "embed"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

//go:embed audit.js
var audit string

// patience bounds what a buyer waits for on a busy machine.
const patience = time.Minute

// Widths at which pages are kept: a small phone and a desktop.
const (
	phone   = 360
	desktop = 1280
)

// tab is one buyer's browser window, alone with its cookies. Its methods fail
// the test when the page is not as they say.
type tab struct {
	*testing.T
	world *world
	ctx   context.Context

	mu    sync.Mutex
	heard map[string]answer // the last one by address
	noise []string          // what the browser complained about
}

// answer is what a server said.
type answer struct {
	status   int64
	document bool // a page, not something on it
}

// open gives a window at phone width in which pages run no scripts.
func (w *world) open(t *testing.T) *tab {
	t.Helper()
	b := w.openScripted(t)
	b.scripts(false)
	return b
}

// scripts permits them in the window, or not.
func (b *tab) scripts(on bool) {
	b.Helper()
	b.do(call(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on}))
}

// openScripted gives a window whose pages may run scripts.
func (w *world) openScripted(t *testing.T) *tab {
	t.Helper()
	b := &tab{T: t, world: w, heard: map[string]answer{}}
	ctx, end := chromedp.NewContext(w.browser, chromedp.WithNewBrowserContext(), chromedp.WithListener(b.listen))
	t.Cleanup(end)
	b.ctx = ctx
	require.NoError(t, chromedp.Do(ctx)) // the window lives as long as the context of its first action
	b.do(call(log.Enable, cdp.Empty{}), call(network.Enable, network.EnableParams{}))
	b.width(phone)
	return b
}

// listen notes what servers answer, what the browser complains about, and
// whatever is asked of anybody but this machine.
func (b *tab) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventResponseReceived:
		b.heard[e.Response.URL] = answer{e.Response.Status, e.Type == network.ResourceTypeDocument}
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err == nil && u.Scheme != "data" && u.Hostname() != "127.0.0.1" {
			b.noise = append(b.noise, "asks "+e.Request.URL)
		}
	case *runtime.EventExceptionThrown:
		b.noise = append(b.noise, e.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		if e.Entry.Level != log.EntryLevelError && e.Entry.Level != log.EntryLevelWarning {
			return
		}
		if b.heard[e.Entry.URL].document && e.Entry.Source == log.EntrySourceNetwork {
			return // a page that answers 404 or 410 on purpose; stories check its status
		}
		b.noise = append(b.noise, fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
	}
}

// call is one command of the debugger's protocol.
func call[P, R any](command cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, command, params)
		return err
	})
}

// within runs an action with the tab's patience.
func within[T any](b *tab, a chromedp.Action[T]) (T, error) {
	return inTime(b, patience, a)
}

func inTime[T any](b *tab, limit time.Duration, a chromedp.Action[T]) (T, error) {
	ctx, cancel := context.WithTimeout(b.ctx, limit)
	defer cancel()
	return chromedp.Run(ctx, a)
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	_, err := within(b, chromedp.Steps(steps...))
	require.NoError(b, err)
}

// steady runs an action until it succeeds: a page may refresh itself meanwhile,
// and a picture of a page that is replaced at that moment is never answered.
func steady[T any](b *tab, a chromedp.Action[T]) T {
	b.Helper()
	var value T
	var err error
	require.Eventually(b, func() bool {
		value, err = inTime(b, patience/6, a)
		return err == nil
	}, patience, 30*time.Millisecond, "%v", lazy(func() string { return fmt.Sprint(err) }))
	return value
}

// ask evaluates an expression in the page; a page that is just being left has no answer.
func ask[T any](b *tab, expression string) (T, error) {
	return within(b, chromedp.Evaluate[T](expression))
}

// visit types an address.
func (b *tab) visit(address string) {
	b.Helper()
	b.world.tally.steps.Add(1)
	b.do(chromedp.Navigate(address))
}

// sees waits until the page has the heading and the texts.
func (b *tab) sees(heading string, texts ...string) {
	b.Helper()
	require.Eventually(b, func() bool {
		return b.heading() == heading && !slices.ContainsFunc(texts, func(want string) bool { return !strings.Contains(b.text(), want) })
	}, patience, 30*time.Millisecond, "the heading %q and %q; there is: %s", heading, texts, lazy(func() string { return b.at() + "\n" + b.text() }))
}

// heading is the text of the page's heading, empty while the page still loads.
func (b *tab) heading() string {
	heading, err := ask[string](b, `document.readyState === "complete" && document.querySelector("h1") ? document.querySelector("h1").innerText : ""`)
	if err != nil {
		return ""
	}
	return heading
}

// lazy is a text that is made only when a check has failed.
type lazy func() string

func (l lazy) String() string { return l() }

// text is what a reader sees, in single spaces.
func (b *tab) text() string {
	text, err := ask[string](b, `document.body ? document.body.innerText : ""`)
	if err != nil {
		return err.Error()
	}
	return strings.Join(strings.Fields(text), " ")
}

// at is the address in the bar.
func (b *tab) at() string {
	address, err := ask[string](b, `location.href`)
	if err != nil {
		return err.Error()
	}
	return address
}

// answered checks the status of the page in the window.
func (b *tab) answered(status int64) {
	b.Helper()
	address := b.at()
	b.mu.Lock()
	defer b.mu.Unlock()
	require.Equal(b, status, b.heard[address].status, address)
}

// answers lists the statuses of what was asked of addresses that contain the part.
func (b *tab) answers(part string) []int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []int64
	for address, a := range b.heard {
		if strings.Contains(address, part) {
			list = append(list, a.status)
		}
	}
	return list
}

// press clicks the button or link whose text begins with the label.
func (b *tab) press(label string) {
	b.Helper()
	b.world.tally.steps.Add(1)
	b.do(chromedp.Click(chromedp.Search(fmt.Sprintf(`//*[self::button or self::a][starts-with(normalize-space(.), %q)]`, label)), chromedp.NodeVisible))
}

// width sets the window's width; a phone's pages obey their viewport tag.
func (b *tab) width(px int64) {
	b.Helper()
	if px == phone {
		b.do(chromedp.EmulateViewport(px, 740, chromedp.EmulatePortrait, chromedp.EmulateMobile))
		return
	}
	b.do(chromedp.EmulateViewport(px, 800))
}

// keep checks the page at both widths and keeps pictures of it.
func (b *tab) keep(name string) {
	b.Helper()
	for _, px := range []int64{desktop, phone} {
		b.width(px)
		faults := steady(b, chromedp.Evaluate[[]string](audit))
		b.picture(fmt.Sprintf("%s-%d", name, px))
		require.Empty(b, faults, "%s at %d px (%s)", name, px, b.at())
		b.world.tally.looks.Add(1)
	}
	b.world.tally.pages.Add(1)
	b.quiet()
}

func (b *tab) picture(name string) {
	b.Helper()
	picture := steady(b, chromedp.FullScreenshot(100))
	require.NoError(b, os.WriteFile(filepath.Join(b.world.shots, name+".png"), picture, 0o600))
}

// quiet: the browser had nothing to complain about.
func (b *tab) quiet() {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	require.Empty(b, b.noise)
}
