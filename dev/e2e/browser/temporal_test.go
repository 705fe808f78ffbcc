package browser_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"tillflow/dev/buyer"
	"tillflow/standin/shopify"
)

// temporalUI finds a charge by its session and reads what an operator needs.
// Payloads, summaries and details are encrypted in Temporal; the UI decodes them
// through the service's codec endpoint.
func temporalUI(t *testing.T, w *world) {
	session := w.order(t, shopify.SessionRequest{Amount: "77.00", Test: true})
	_, err := buyer.New().Choose(t.Context(), session.RedirectURL, "Card")
	require.NoError(t, err)
	b := w.openScripted(t)
	b.do(chromedp.EmulateViewport(desktop, 1600)) // the UI scrolls inside itself, which no picture shows
	query := url.QueryEscape(fmt.Sprintf("PayRef = %q", session.ID))
	b.visit(w.TemporalURL + "/namespaces/default/workflows?query=" + query)
	run := b.link("/workflows/charge%2Fshopify%2Facme-dev.myshopify.com%2F" + session.ID)
	b.shows("1 Workflow", "RUNNING", "Charge", "PayRef = \""+session.ID+"\"")
	b.picture("temporal-list-1280")

	b.visit(run)
	b.shows(`"PaymentID"`, `"ExternalID": "`+session.ID+`"`, `"Amount": { "minor": 7700, "currency": "EUR" }`)
	b.picture("temporal-timeline-1280")

	page, _, _ := strings.Cut(run, "/timeline")
	b.visit(page + "/user-metadata")
	b.shows("charge 77.00 EUR", "sale of 77.00 EUR for acme-dev.myshopify.com, session "+session.ID,
		"State: awaiting_buyer. The provider’s checkout is open; waiting for the buyer, until",
		"May be pressed through the console or tillflow payment: retry-now, expire, add-note.")
	b.picture("temporal-details-1280")

	b.visit(page + "/history")
	b.shows("Workflow Execution Started", "OpenCheckout", "open checkout at the provider", "48h resolution deadline")
	b.picture("temporal-history-1280")

	decoded := b.answers("/codec/")
	require.NotEmpty(t, decoded, "the UI asked the codec endpoint")
	require.False(t, slices.ContainsFunc(decoded, func(status int64) bool { return status >= http.StatusBadRequest }), "%v", decoded)
	b.quiet()
}

// link waits for a link to an address that contains the part.
func (b *tab) link(part string) string {
	b.Helper()
	var found string
	require.Eventually(b, func() bool {
		var err error
		found, err = ask[string](b, fmt.Sprintf(`([...document.querySelectorAll("a[href]")].find((a) => a.href.includes(%q)) || {href: ""}).href`, part))
		return err == nil && found != ""
	}, patience, 100*time.Millisecond, "a link to …%s; there is: %s", part, lazy(b.text))
	return found
}

// shows waits until the page or a frame in it has all texts. No payload may
// stand there undecoded, and no complaint about the codec.
func (b *tab) shows(texts ...string) {
	b.Helper()
	const all = `[document, ...[...document.querySelectorAll("iframe")].map((f) => f.contentDocument)].map((d) => d && d.body ? d.body.innerText : "").join(" ")`
	var text string
	require.Eventually(b, func() bool {
		found, err := ask[string](b, all)
		text = strings.Join(strings.Fields(found), " ")
		return err == nil && !slices.ContainsFunc(texts, func(want string) bool { return !strings.Contains(text, want) })
	}, patience, 100*time.Millisecond, "%q; there is: %s", texts, lazy(func() string { return b.at() + "\n" + text }))
	for _, sign := range []string{"binary/encrypted", "codec", "Codec"} {
		require.NotContains(b, text, sign)
	}
}
