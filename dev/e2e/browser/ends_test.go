package browser_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"tillflow/internal/psp/sandbox/books"
	"tillflow/standin/faults"
	"tillflow/standin/shopify"
)

func straight(t *testing.T, w *world) {
	b := w.open(t)
	session := w.order(t, shopify.SessionRequest{Amount: "21.00"}) // real money: the sandbox is not offered
	b.visit(session.RedirectURL)
	b.sees(atStripe, "21.00")
	provider := b.at()
	b.press("← back")
	b.sees(choosing, "Card continue where you left off")
	require.NotContains(t, b.text(), "Test mode")
	b.keep("choose-single")
	b.press("Card")
	b.sees(atStripe)
	require.Equal(t, provider, b.at(), "the same checkout goes on")
	b.press("Pay")
	b.sees(thanks, "Your order is placed and paid.")
	w.told(t, session.ID, shopify.StateResolved)
	_, intent := w.atStripe(t, provider)
	require.Equal(t, int64(2100), intent.Captured)
}

// capped pays with money that the bank takes back, as often as the shop permits.
func capped(t *testing.T, w *world) {
	const ended = "This payment has ended"
	b := w.open(t)
	session := w.order(t, shopify.SessionRequest{Shop: longShop, Amount: "1234567.89", Test: true})
	b.visit(session.RedirectURL)
	for try := range cappedAt {
		b.sees(choosing, longLabel, "1 234 567.89 EUR")
		if try > 0 {
			require.Contains(t, b.text(), "The payment was declined by your bank or card issuer. You have not been charged.")
		}
		b.press("Sandbox")
		b.sees(atSandbox, "1234567.89 EUR")
		page := b.at()
		b.press("Failure later")
		require.Eventually(t, func() bool { return w.atSandbox(t, page) == books.Declined }, patience, 50*time.Millisecond)
		// Shopify has made an order of the pending payment, so its page waits; the buyer comes back by the link.
		require.Eventually(t, func() bool {
			b.visit(session.RedirectURL + "?back=1")
			heading := b.heading()
			return heading == choosing || heading == ended
		}, patience, 100*time.Millisecond)
	}
	w.told(t, session.ID, shopify.StateRejected)
	b.visit(session.RedirectURL)
	b.sees(ended, "No money was taken. There were too many attempts to pay for this order. Please start again from the shop's checkout.")
	b.answered(http.StatusGone)
	b.keep("ended-capped")
	b.press("Back to the shop")
	b.sees(atCheckout, "The payment was not accepted.")
}

func slow(t *testing.T, w *world) {
	b := w.open(t)
	hold := func(board *faults.Switchboard, call, match string) {
		_, err := board.Arm(faults.Rule{Call: call, Kind: faults.HoldReply, Match: match})
		require.NoError(t, err)
	}
	hold(w.Stripe.Faults(), "checkout.sessions.create", "3456")
	session := w.order(t, shopify.SessionRequest{Amount: "34.56", Test: true})
	b.visit(session.RedirectURL)
	b.sees(choosing)
	b.press("Card")
	b.sees("Connecting you to the payment page", "The payment provider is taking longer than usual to answer. Nothing has been charged.")
	b.keep("wait-connecting")
	require.Equal(t, 1, w.Stripe.Faults().Release())
	b.sees(atStripe) // the page went on by itself
	hold(w.Shopify.Faults(), "paymentSessionResolve", session.ID)
	b.press("Pay")
	b.sees("Confirming your payment", "Your payment has arrived. We are telling the shop")
	b.keep("wait-confirming")
	require.Equal(t, 1, w.Shopify.Faults().Release())
	b.sees(thanks, "Your order is placed and paid.")
	w.told(t, session.ID, shopify.StateResolved)
}

func unknown(t *testing.T, w *world) {
	b := w.open(t)
	for _, path := range []string{"/pay/", "/return/"} {
		b.visit(w.PayURL + path + "bm9ib2R5IGtub3dzIG1l")
		b.sees("We do not know this payment link", "Please check that the whole link was copied, or start again from the shop's checkout.")
		b.answered(http.StatusNotFound)
	}
	b.keep("unknown")
	b.visit(w.PayURL + "/sandbox/sbc_nobody")
	b.sees("The sandbox does not know this page")
	b.answered(http.StatusNotFound)
	b.keep("sandbox-unknown")
}

func keyboard(t *testing.T, w *world) {
	b := w.open(t)
	session := w.order(t, shopify.SessionRequest{Amount: "27.00", Test: true})
	b.visit(session.RedirectURL)
	b.sees(choosing)
	for _, label := range []string{"Card", "Sandbox", "Back to the shop without paying"} {
		b.do(chromedp.KeyEvent(kb.Tab))
		focus, err := ask[struct {
			Text    string
			Visible bool
			Outline float64
		}](b, `(() => {
			const e = document.activeElement;
			return {Text: e.innerText.trim(), Visible: e.matches(":focus-visible"), Outline: parseFloat(getComputedStyle(e).outlineWidth)};
		})()`)
		require.NoError(t, err)
		require.Equal(t, label, focus.Text)
		require.True(t, focus.Visible)
		require.GreaterOrEqual(t, focus.Outline, 2.0, "the outline of %s in px", label)
	}
	b.do(chromedp.KeyEvent(kb.Tab, chromedp.KeyModifiers(chromedp.ModifierShift)))
	b.picture("choose-keyboard-360")
	b.do(chromedp.KeyEvent(kb.Enter))
	b.sees(atSandbox, "27.00 EUR")
	b.do(chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter))
	b.sees(thanks, "Your order is placed and paid.")
	w.told(t, session.ID, shopify.StateResolved)
}
