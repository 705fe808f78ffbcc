package control_test

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/dev/control"
	"tillflow/internal/payment"
)

// charge is an open run of a charge.
func charge(ref string) control.Run {
	return control.Run{
		WorkflowID: "charge/shopify/a.myshopify.com/" + ref, RunID: "run-" + ref, Type: "Charge", Op: payment.OpCharge, Ref: ref,
		Shop: "a.myshopify.com", Provider: "stripe", Status: "awaiting_buyer", Clock: "decision", ClockAt: noon().Add(47 * time.Hour), Started: noon(),
	}
}

func TestPage(t *testing.T) {
	t.Parallel()

	t.Run("nothing may be loaded from elsewhere, run, framed or kept", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		resp, body := b.ask(http.MethodGet, "/", nil, nil)
		require.Equal(t, "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
			resp.Header.Get("Content-Security-Policy"))
		require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
		require.Equal(t, "nosniff", resp.Header.Get("X-Content-Type-Options"))
		require.NotContains(t, body, "<script")
		resp, _ = b.ask(http.MethodGet, "/_style.css", nil, nil)
		require.Equal(t, http.StatusOK, resp.StatusCode)
		require.Equal(t, "text/css; charset=utf-8", resp.Header.Get("Content-Type"))
	})

	t.Run("it reloads itself only when asked to", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		require.NotContains(t, b.page(), "http-equiv")
		_, body := b.ask(http.MethodGet, "/?live", nil, nil)
		require.Contains(t, body, `<meta http-equiv="refresh" content="3;url=/?live">`)
		require.Contains(t, body, "Stop reloading")
	})

	t.Run("what does not exist says so and shows the buttons", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		resp, body := b.ask(http.MethodGet, "/nowhere?live", nil, nil)
		require.Equal(t, http.StatusNotFound, resp.StatusCode)
		require.Contains(t, body, "There is no such page or button.")
		require.Contains(t, body, "Lose the next reply")
		require.NotContains(t, body, "http-equiv")
	})
}

func TestOpenRuns(t *testing.T) {
	t.Parallel()

	t.Run("each with its status, what it waits for, its page in Temporal and the command", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		require.Contains(t, b.page(), "Start a checkout in the shop")
		b.runs.list = []control.Run{charge("s1")}
		page := b.page()
		for _, want := range []string{
			`href="http://temporal.test/namespaces/default/workflows/charge%2Fshopify%2Fa.myshopify.com%2Fs1/run-s1/timeline"`,
			`<span class="pill">awaiting buyer</span>`, "at stripe", "clock: decision at 2026-03-03 11:00:00 UTC",
			"no call is under way", "<code class=\"break\">till payment show s1</code>",
		} {
			require.Contains(t, page, want)
		}
		require.NotContains(t, page, ">in doubt<")
	})

	t.Run("a lost answer shows as in doubt until somebody knows", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		run := charge("s1")
		run.Pending = []control.Pending{{Activity: "OpenCheckout", Try: 2, Last: payment.Unknown}}
		b.runs.list = []control.Run{run}
		page := b.page()
		require.Contains(t, page, `<span class="pill bad">in doubt</span>`)
		require.Contains(t, page, "waits for OpenCheckout, try 2, the last one ended Unknown")
		run.Pending[0].Last = payment.Unavailable
		require.NotContains(t, b.page(), ">in doubt<", "what was certainly not accepted is not in doubt")
		run.Pending, run.Reason = nil, payment.InDoubt
		b.runs.list = []control.Run{run}
		require.Contains(t, b.page(), ">in doubt<")
		require.Contains(t, b.page(), "a person is needed: in_doubt")
	})

	t.Run("a reference is safe to paste into a shell", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.runs.list = []control.Run{charge("it's $(7)"), charge("")}
		page := b.page()
		require.Contains(t, page, html.EscapeString(`till payment show 'it'\''s $(7)'`))
		require.Contains(t, page, html.EscapeString(`till payment show ''`))
	})

	t.Run("a reversal is not named like a payment", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.runs.list = []control.Run{{WorkflowID: "reversal/shopify/a/pi_1", Type: "Reversal", Op: payment.OpReversal, Ref: "pi_1"}}
		require.NotContains(t, b.page(), "payment show")
	})

	t.Run("a long list is cut", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for i := range 21 {
			b.runs.list = append(b.runs.list, charge(fmt.Sprint("s", i)))
		}
		page := b.page()
		require.Contains(t, page, "payment show s19")
		require.NotContains(t, page, "payment show s20")
		require.Contains(t, page, "Older ones are in the")
	})

	t.Run("without Temporal the switches still work", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.runs.down = errors.New("list open runs: connection refused")
		page := b.press("/arm/webhook-twice", nil)
		require.Contains(t, page, "Temporal does not list them:</strong> list open runs: connection refused")
		require.Len(t, rules(b.stripe), 1)
	})
}

func TestTerminate(t *testing.T) {
	t.Parallel()

	t.Run("the newest run unless one is chosen", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.runs.list = []control.Run{charge("s3"), charge("s2"), charge("s1")}
		b.press("/terminate", nil)
		page := b.press("/terminate", url.Values{"run": {charge("s1").WorkflowID}})
		require.Equal(t, []string{charge("s3").WorkflowID, charge("s1").WorkflowID}, b.runs.ended)
		require.Contains(t, page, "Terminated "+charge("s1").WorkflowID)
	})

	t.Run("one that has ended, or none at all, is told so", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		require.Contains(t, b.refused(http.StatusConflict, "/terminate", nil), "No payment is under way, so nothing was terminated.")
		page := b.refused(http.StatusConflict, "/terminate", url.Values{"run": {"charge/shopify/a/gone"}})
		require.Contains(t, page, "That run has ended meanwhile, so nothing was terminated.")
	})

	t.Run("Temporal away is told so", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.runs.down = errors.New("connection refused")
		require.Contains(t, b.refused(http.StatusBadGateway, "/terminate", nil), "Temporal did not do it: connection refused.")
	})
}

func TestSkip(t *testing.T) {
	t.Parallel()

	t.Run("the clock goes in strides and the runs follow each", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		var mu sync.Mutex
		seen := map[string][]time.Duration{}
		b.runs.list = []control.Run{charge("s1"), charge("s2")}
		b.runs.follow = func(_ context.Context, id string, at time.Time) error {
			mu.Lock()
			defer mu.Unlock()
			seen[id] = append(seen[id], at.Sub(noon()))
			return nil
		}
		b.press("/skip", nil)
		require.Eventually(t, func() bool { return b.clock.Offset() == 48*time.Hour }, patience, time.Millisecond)
		b.eventually("Skipped 48 hours.")
		var want []time.Duration
		for at := time.Duration(0); at <= 48*time.Hour; at += 4 * time.Hour {
			want = append(want, at)
		}
		require.Equal(t, map[string][]time.Duration{charge("s1").WorkflowID: want, charge("s2").WorkflowID: want}, seen)
		require.Contains(t, b.page(), "It is 2026-03-03 12:00:00 UTC, 48 hours ahead of real time.")
	})

	t.Run("one at a time, and the page shows how far it is", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		reached, goOn := make(chan struct{}), make(chan struct{})
		b.runs.list = []control.Run{charge("s1")}
		b.runs.follow = func(_ context.Context, _ string, at time.Time) error {
			if at.Equal(noon().Add(8 * time.Hour)) {
				close(reached)
				<-goOn
			}
			return nil
		}
		b.press("/skip", nil)
		<-reached
		page := b.page()
		require.Contains(t, page, "8 of 48 hours are skipped. This page reloads by itself.")
		require.Contains(t, page, `<meta http-equiv="refresh" content="3;url=/">`, "the address in full: with a #fragment in the bar a browser would not load anew")
		page = b.refused(http.StatusConflict, "/skip", nil)
		require.Contains(t, page, "A skip is already under way.")
		require.NotContains(t, page, "http-equiv", "the answer to a press would press again")
		close(goOn)
		b.eventually("Skipped 48 hours.")
	})

	t.Run("a run that stands still is left behind and named", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		var mu sync.Mutex
		asked := map[string]int{}
		b.runs.list = []control.Run{charge("s1"), charge("s2")}
		b.runs.follow = func(_ context.Context, id string, at time.Time) error {
			mu.Lock()
			defer mu.Unlock()
			asked[id]++
			if id == charge("s2").WorkflowID && at.After(noon()) {
				return context.DeadlineExceeded
			}
			return nil
		}
		b.press("/skip", nil)
		b.eventually("Skipped 48 hours. 1 run stood still")
		require.Contains(t, b.page(), "comes along with the next skip: "+charge("s2").WorkflowID)
		require.Equal(t, 13, asked[charge("s1").WorkflowID])
		require.Equal(t, 2, asked[charge("s2").WorkflowID], "not asked again in this skip")
	})

	t.Run("without Temporal nothing moves", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.runs.down = errors.New("connection refused")
		b.press("/skip", nil)
		b.eventually("The skip stopped after 0 hours: list the open runs: connection refused.")
		require.Zero(t, b.clock.Offset())
	})
}

// eventually waits until the page has the text.
func (b *bench) eventually(text string) {
	b.t.Helper()
	var page string
	deadline := time.After(patience)
	for tick := time.NewTicker(5 * time.Millisecond); ; {
		if page = b.page(); strings.Contains(page, text) {
			return
		}
		select {
		case <-deadline:
			require.Contains(b.t, page, text)
		case <-tick.C:
		}
	}
}
