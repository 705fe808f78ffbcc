package browser_test

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"tillflow/dev/stack"
	"tillflow/internal/privacy"
	"tillflow/internal/subscription"
	"tillflow/standin/recharge"
	"tillflow/standin/shopify"
)

// anID stands in the address of one payment, person or attempt.
var anID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`)

// aLetter is the address of one mail's text.
var aLetter = regexp.MustCompile(`^/console/letters/[a-z_]+$`)

// knownPages must be met on a walk: without them it has met nothing.
var knownPages = map[string]string{ // pattern to a text of the page
	"/console/payments":           "Id or amount",
	"/console/payments/:id":       "Where the money is",
	"/console/payments/:id/act":   "Kept in the vault",
	"/console/accounts":           "Last verified",
	"/console/deliveries":         "signed messages and what became of them",
	"/console/deliveries/shopify": "No payment depends on them",
	"/console/erasures":           "Nobody is named here",
	"/console/erasures/:id":       "The law’s last moment",
	"/console/recharge":           "What Recharge could not take",
	"/console/recharge/:id":       "Shopify External Customer ID",
	"/console/audit":              "in a chain of hashes",
	"/console/people":             "Who may come in",
	"/console/people/:id":         "Signed in",
	"/console/me":                 "Where you are signed in",

	"/console/subscriptions":            "Needs a person",
	"/console/subscriptions/:id":        "How it stands",
	"/console/subscriptions/:id/act":    "ends at once and for good",
	"/console/subscriptions/plans":      "Make a plan",
	"/console/subscriptions/plans/edit": "Time zone",
	"/console/subscriptions/figures":    "Monthly recurring revenue",
	"/console/subscriptions/dunning":    "Change it",
	"/console/letters":                  "To the merchant",
	"/console/letters/:kind":            "How it reads",
}

// perPattern is how many pages of one pattern a walk looks at; one for each thing
// that may be pressed.
var perPattern = map[string]int{"/console/payments/:id": 3, "/console/payments/:id/act": 5}

// forgets: a buyer wishes to be forgotten, so that there is an erasure to look at.
func (w *world) forgets(t *testing.T) {
	t.Helper()
	wish := fmt.Sprintf(`{"shop_id":1,"shop_domain":%q,"customer":{"id":21,"email":"somebody@example.com"},"orders_to_redact":[]}`, stack.Shop)
	sent, err := w.Shopify.RaiseWebhook(shopify.WebhookRequest{
		Shop: stack.Shop, Topic: "customers/redact", App: shopify.PaymentsApp, Payload: []byte(wish),
	})
	require.NoError(t, err)
	require.Len(t, sent, 1)
	require.Eventually(t, func() bool {
		list, err := w.Service.Store.PrivacyRequests(t.Context(), false, 10)
		return err == nil && len(list) == 1 && (list[0].State == privacy.Done || list[0].Trouble != privacy.NoTrouble)
	}, 2*patience, 100*time.Millisecond, "the erasure comes to an end, or to a person")
}

// fails: subscribers' charges fail at Recharge, so that there are some to look at.
func (w *world) fails(t *testing.T) {
	t.Helper()
	for _, errorType := range []string{"CARD_EXPIRED", "AUTHENTICATION_REQUIRED", "A_WORD_OF_TOMORROW"} {
		_, err := w.Recharge.AddCharges(stack.Shop, 2, recharge.ChargeSpec{ErrorType: errorType, Note: "ring twice", AgeSeconds: 60})
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool {
		list, err := w.Service.Store.Recharges(t.Context(), stack.Shop)
		return err == nil && len(list) == 1 && list[0].Failing >= 6 && list[0].Unreported == 0
	}, 2*patience, 100*time.Millisecond, "the charges are known and told")
}

// subscribes: a plan is sold and somebody wants it, so that there is a subscription to look at.
func (w *world) subscribes(t *testing.T) {
	t.Helper()
	_, err := w.Service.Store.CreatePlan(t.Context(), subscription.NewOffer{Shop: stack.Shop, Name: "Walkers’ club", By: "walk", Draft: subscription.Draft{
		ID: "walk", Price: "9.90", Currency: "EUR", Zone: "Europe/Berlin", Interval: subscription.Interval{Unit: subscription.Month, Count: 1},
	}})
	require.NoError(t, err)
	_, _, err = w.Service.Store.Subscribe(t.Context(), subscription.Signup{
		Shop: stack.Shop, Ref: "walk-1", Test: true, Plan: "walk", Expected: 1, Quantity: 1, Token: "walktokenwalktokenwalktoken", Providers: []string{"stripe", "sandbox"},
		Resolution: 48 * time.Hour, By: "walk",
	})
	require.NoError(t, err)
}

// enter signs in as a role, by the button that only the development stack has.
func (w *world) enter(t *testing.T, role string) *tab {
	t.Helper()
	b := w.open(t)
	b.visit(w.PayURL + "/console")
	b.sees("Sign in", "Development")
	b.press(role)
	b.sees("Payments")
	return b
}

// pattern is an address without ids and without its query.
func pattern(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return aLetter.ReplaceAllString(anID.ReplaceAllString(u.Path, ":id"), "/console/letters/:kind")
}

// walk opens every page of the console that links lead to, so that a page which
// is added tomorrow is looked at without anybody thinking of it here.
func walk(t *testing.T, w *world) {
	w.forgets(t)
	w.fails(t)
	w.subscribes(t)
	b := w.enter(t, "admin")
	queue, seen, met := []string{w.PayURL + "/console/payments"}, map[string]bool{}, map[string]int{}
	nav := steady(b, chromedp.Evaluate[[]string](`[...document.querySelectorAll("header a[href]")].map((a) => a.href)`))
	require.Greater(t, len(nav), 5)
	queue = append(queue, nav...)
	stops, rules := 0, 0
	for len(queue) > 0 {
		address := queue[0]
		queue = queue[1:]
		kind := pattern(address)
		if seen[address] || met[kind] >= max(1, perPattern[kind]) {
			continue
		}
		seen[address] = true
		met[kind]++
		b.visit(address)
		b.answered(200)
		if text := knownPages[kind]; text != "" {
			require.Contains(t, b.text(), text, address)
		}
		queue = append(queue, consoleLinks(w, b)...)
		name := fmt.Sprintf("console%s-%d", strings.NewReplacer("/console", "", "/", "-", ":", "").Replace(kind), met[kind])
		r, s := b.soundInAll(name)
		rules, stops = rules+r, stops+s
	}
	for kind := range knownPages {
		require.Positive(t, met[kind], "the walk has not met %s", kind)
	}
	for _, link := range nav {
		require.Positive(t, met[pattern(link)], "the walk has not opened %s", link)
	}
	kinds := 0
	for range met {
		kinds++
	}
	t.Logf("PROOF 7.pages ok %d kinds of pages, %d pages, axe-core looked at %d rules, the keyboard at %d controls", kinds, len(seen), rules, stops)
}

// consoleLinks are the pages that the page leads to; certificates and spreadsheets are files.
func consoleLinks(w *world, b *tab) []string {
	b.Helper()
	links := steady(b, chromedp.Evaluate[[]string](`[...document.querySelectorAll("a[href]")].map((a) => a.href.split("#")[0])`))
	return slices.DeleteFunc(links, func(a string) bool {
		return !strings.HasPrefix(a, w.PayURL+"/console/") || strings.Contains(a, "/console/login") || strings.HasSuffix(a, "/certificate") || strings.Contains(a, ".csv")
	})
}

// soundInAll looks at a page as it comes in light colours, and with everything
// unfolded in dark ones, each on a desktop and on a phone: measured, by axe-core,
// and once with the keyboard. Pictures stay. It answers how many rules and
// controls were looked at.
func (b *tab) soundInAll(name string) (rules, stops int) {
	b.Helper()
	b.keep(name)
	rules += b.accessible()
	b.width(desktop)
	rules += b.accessible()
	stops = b.keys()
	_, err := ask[bool](b, `(document.querySelectorAll("details").forEach((d) => { d.open = true }), true)`)
	require.NoError(b, err)
	b.scheme("dark")
	b.keep(name + "-dark")
	rules += b.accessible()
	b.width(desktop)
	rules += b.accessible()
	stops += b.keys()
	b.scheme("")
	b.width(phone)
	return rules, stops
}
