package browser_test

import (
	"bytes"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"tillflow/dev/stack"
	"tillflow/internal/cli"
	"tillflow/internal/flow"
	"tillflow/internal/payment"
	"tillflow/standin/shopify"
	"tillflow/standin/stripe"
)

// Headings of the control page and of ours while it is waited.
const (
	control    = "Make something go wrong"
	connecting = "Connecting you to the payment page"
)

// TestControl tells the stories of the control page on a stack of its own: its
// switches hit whoever calls next, and its clock only goes forward. Not
// parallel: a second stack would only slow the other one down.
func TestControl(t *testing.T) {
	w := begin(t, "control")
	t.Run("a lost reply is in doubt, and settles by look-up", func(t *testing.T) { lostReply(t, w) })
	t.Run("webhooks twice and early, and a throttled answer, change nothing", func(t *testing.T) { everyday(t, w) })
	t.Run("a terminated run goes on from its rows", func(t *testing.T) { terminated(t, w) })
	t.Run("two days skipped settle what is slow and end what nobody pays", func(t *testing.T) { skipped(t, w) })
}

// lostReply: Stripe opens the checkout and its answer is lost; until the look-up
// is let through nobody knows, and everybody says so.
func lostReply(t *testing.T, w *world) {
	operator := w.open(t)
	operator.visit(w.ControlURL)
	operator.sees(control, "Nothing is armed. The stand-ins behave.", "None. Start a checkout in the shop.")
	operator.keep("control")
	operator.pressByKeyboard("Lose the next reply")
	operator.sees(control, "Armed: Lose the next reply; reply to opening a checkout; look-ups afterwards held until I let them through.",
		"Stripe: lose the reply of checkout.sessions.create met 0 calls, struck 0 armed")
	operator.keep("control-armed")

	b := w.open(t)
	b.visit(w.ShopURL + "/shops/" + stack.Shop)
	b.press("Checkout")
	b.sees(choosing)
	session := w.sessionOf(t, b.at())
	b.press("Card")
	b.sees(connecting)

	require.Eventually(t, func() bool { return w.Stripe.Faults().Held() == 1 }, patience, 20*time.Millisecond, "the look-up is held back")
	require.Len(t, w.checkouts(), 1, "Stripe has opened the checkout")
	require.Regexp(t, `charge\s+in_doubt\s+stripe`, w.show(t, session))
	operator.visit(w.ControlURL)
	operator.sees(control, "in doubt awaiting buyer", "waits for OpenCheckout, try 2, the last one ended Unknown",
		".cache/bin/tillflow-dev payment show "+session, "1 answer of look-ups held back now.",
		"Stripe: lose the reply of checkout.sessions.create met 1 call, struck 1")
	operator.keep("control-in-doubt")
	temporal := w.openScripted(t)
	temporal.do(chromedp.EmulateViewport(desktop, 1600))
	temporal.visit(operator.link(url.PathEscape(session)))
	temporal.shows("OpenCheckout")
	page, _, _ := strings.Cut(temporal.at(), "/timeline")
	temporal.picture("control-temporal-timeline-1280")
	temporal.visit(page + "/pending-activities")
	temporal.shows("OpenCheckout", "in doubt")
	temporal.picture("control-temporal-in-doubt-1280")

	operator.press("Let look-ups through")
	operator.sees(control, "Let 1 held answer through; later ones are answered at once.")
	b.sees(atStripe) // the page went on by itself
	provider := b.at()
	b.press("Pay")
	b.sees(thanks, "Your order is placed and paid.")
	w.told(t, session, shopify.StateResolved)
	checkout, intent := w.atStripe(t, provider)
	require.Equal(t, "paid", checkout.PaymentStatus)
	require.Equal(t, int64(2490), intent.Captured)
	require.Len(t, w.checkouts(), 1, "nothing was sent twice")
	shown := w.show(t, session)
	require.Regexp(t, `charge\s+done\s+stripe`, shown)
	require.Regexp(t, `look-?up`, shown, "it is known by look-up")
	operator.press("Lift all")
	operator.sees(control, "Nothing is armed. The stand-ins behave.")
}

// pressByKeyboard goes to a button or link with the tab key and presses it.
func (b *tab) pressByKeyboard(label string) {
	b.Helper()
	for range 40 {
		b.do(chromedp.KeyEvent(kb.Tab))
		focus, err := ask[string](b, `["button", "a"].includes(document.activeElement.localName) ? document.activeElement.innerText.trim() : ""`)
		require.NoError(b, err)
		if focus == label {
			b.world.tally.steps.Add(1)
			b.do(chromedp.KeyEvent(kb.Enter))
			return
		}
	}
	b.Fatalf("the tab key does not reach %q", label)
}

// show is what `tillflow payment show` prints.
func (w *world) show(t *testing.T, id string) string {
	t.Helper()
	var out, problems bytes.Buffer
	code := cli.Main(t.Context(), []string{"payment", "show", id}, w.Getenv, &out, &problems)
	require.Zero(t, code, problems.String())
	return out.String()
}

// checkouts are those that Stripe has opened, at all accounts.
func (w *world) checkouts() []stripe.CheckoutEntry {
	var list []stripe.CheckoutEntry
	for _, account := range w.Stripe.Books("").Accounts {
		list = append(list, account.Checkouts...)
	}
	return list
}

// everyday: three things that may happen on any day, to one payment.
func everyday(t *testing.T, w *world) {
	operator := w.open(t)
	operator.visit(w.ControlURL)
	for _, arm := range []struct{ button, name string }{
		{"Send the next webhook twice", "Webhook twice"},
		{"Let the webhook overtake the reply", "Webhook before reply"},
		{"Throttle our answers", "Shopify throttles"},
	} {
		operator.press(arm.button)
		operator.sees(control, "Armed: "+arm.name) // by name: the page being left says Armed too
	}
	b := w.open(t)
	session := w.order(t, shopify.SessionRequest{Amount: "88.00", Test: true})
	b.visit(session.RedirectURL)
	b.sees(choosing)
	b.press("Card")
	b.sees(atStripe)
	provider := b.at()
	b.press("Pay")
	b.sees(thanks, "Your order is placed and paid.")
	w.told(t, session.ID, shopify.StateResolved)
	_, intent := w.atStripe(t, provider)
	require.Equal(t, int64(8800), intent.Captured)
	operator.visit(w.ControlURL)
	operator.sees(control, "Stripe: webhook before the reply of hosted.pay met 1 call, struck 1 struck",
		"Shopify: refuse with THROTTLED of paymentSession* met 1 call, struck 1 struck")
	require.Regexp(t, `Stripe: send the webhook twice of \* met 1 call, struck 1 struck`, operator.text())
}

// terminated: somebody ends the run while the buyer chooses.
func terminated(t *testing.T, w *world) {
	b, operator := w.open(t), w.open(t)
	session := w.order(t, shopify.SessionRequest{Amount: "55.00", Test: true})
	run := flow.ChargeID(payment.SourceShopify, stack.Shop, session.ID)
	b.visit(session.RedirectURL)
	b.sees(choosing)
	require.Eventually(t, func() bool {
		operator.visit(w.ControlURL)
		return strings.Contains(operator.text(), "Charge "+run)
	}, patience, time.Second, "the charge has a run")
	operator.press("Terminate the run")
	operator.sees(control, "Terminated "+run+". The sweep starts it again from its rows within half a minute.")
	require.Eventually(t, func() bool {
		d, err := w.Service.Temporal.DescribeWorkflowExecution(t.Context(), run, "")
		return err == nil && d.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	}, patience, 100*time.Millisecond, "the sweep starts it again")
	b.press("Card")
	b.sees(atStripe)
	b.press("Pay")
	b.sees(thanks, "Your order is placed and paid.")
	w.told(t, session.ID, shopify.StateResolved)
}

// skipped: one payment that Stripe works on, one that nobody pays, and two days.
func skipped(t *testing.T, w *world) {
	operator, b := w.open(t), w.open(t)
	operator.visit(w.ControlURL)
	operator.do(chromedp.SetValue(chromedp.ID("slow-settle-delay"), "12h"))
	operator.press("Settle the next one slowly")
	operator.sees(control, "Armed: Slow settle; what the buyer's payment; how long 12 hours.")
	paid := w.order(t, shopify.SessionRequest{Amount: "66.00", Test: true})
	b.visit(paid.RedirectURL)
	b.sees(choosing)
	b.press("Card")
	b.sees(atStripe)
	provider := b.at()
	b.press("Pay")
	b.sees(thanks, "The payment is still being processed")
	w.told(t, paid.ID, shopify.StatePending)
	left := w.order(t, shopify.SessionRequest{Amount: "67.00", Test: true})
	b.visit(left.RedirectURL)
	b.sees(choosing)

	operator.press("Skip two days")
	operator.sees(control, "of 48 hours are skipped. This page reloads by itself.")
	operator.picture("control-skipping-360")
	require.Eventually(t, func() bool { return strings.Contains(operator.text(), "Skipped 48 hours.") }, 6*patience, 100*time.Millisecond,
		"%s", lazy(operator.text))
	w.told(t, paid.ID, shopify.StateResolved)
	_, intent := w.atStripe(t, provider)
	require.Equal(t, int64(6600), intent.Captured)
	w.told(t, left.ID, shopify.StateRejected)
	operator.visit(w.ControlURL)
	operator.sees(control, "48 hours ahead of real time", "None. Start a checkout in the shop.")
	operator.keep("control-skipped")
	b.visit(left.RedirectURL)
	b.sees("This payment has ended")
}
