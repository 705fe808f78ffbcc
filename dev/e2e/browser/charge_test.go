package browser_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"tillflow/dev/stack"
	"tillflow/internal/psp/sandbox/books"
	"tillflow/standin/shopify"
)

// Headings by which stories know where they are.
const (
	choosing   = "Choose how to pay"
	atStripe   = "Pay"
	atSandbox  = "How should this payment end?"
	atBank     = "Your bank asks: is it you?"
	thanks     = "Thank you, Ada"
	atCheckout = "Checkout"
)

// TestBrowser runs every story against one stack and one browser.
func TestBrowser(t *testing.T) {
	t.Parallel()
	w := begin(t, "service")
	stories := map[string]func(*testing.T, *world){
		"from the shop's page to the thank-you page":                      paid,
		"a declined buyer pays another way":                               declinedThenPaid,
		"a buyer who goes back to the shop has paid nothing":              cancelled,
		"a delayed payment is pending and later paid without the browser": delayed,
		"3-D Secure is failed, then passed":                               authenticated,
		"with one way to pay the buyer goes straight to the provider":     straight,
		"too many refusals end the payment":                               capped,
		"a slow provider and a slow shop are waited for":                  slow,
		"an unknown link is told so":                                      unknown,
		"the keyboard is enough":                                          keyboard,
		"every page is sound, in light and in dark":                       gallery,
		"an operator reads the charge in the Temporal UI":                 temporalUI,
		"a merchant refunds in parts and reads what became of it":         refunded,
		"a refund of more than was paid is refused in words":              refused,
		"a merchant captures a part and refunds it":                       captured,
		"a merchant voids a reservation":                                  voided,
		"a shop installs, pays, leaves and comes back":                    appInstalled,
		"the app for the Admin API installs beside the first":             secondAppInstalled,
	}
	for name, story := range stories {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			story(t, w)
		})
	}
}

func paid(t *testing.T, w *world) {
	b := w.open(t)
	b.visit(w.ShopURL + "/shops/" + stack.Shop)
	b.sees("Made slowly, kept long", "Stoneware mug", "Hand glazed, 350 ml")
	b.keep("shop")
	b.press("Checkout")
	b.sees(choosing, "Acme Dev Store", "24.90 EUR", "Test mode: no real money moves.", "Card", "Sandbox", "Back to the shop without paying")
	b.answered(http.StatusOK)
	b.keep("choose")
	link := b.at()
	b.press("Card")
	b.sees(atStripe, "24.90")
	b.keep("stripe")
	provider := b.at()
	b.press("Pay")
	b.sees(thanks, "Your order is placed and paid.", "24.90 EUR")
	b.keep("thank-you-paid")

	w.told(t, w.sessionOf(t, link), shopify.StateResolved)
	checkout, intent := w.atStripe(t, provider)
	require.Equal(t, "paid", checkout.PaymentStatus)
	require.Equal(t, int64(2490), intent.Captured)
	require.Equal(t, 1, intent.Attempts)

	b.visit(link)
	b.sees("This payment is complete", "Your payment has been received.", "Acme Dev Store")
	b.answered(http.StatusGone)
	b.keep("complete")
	b.press("Back to the shop")
	b.sees(thanks)
}

func declinedThenPaid(t *testing.T, w *world) {
	b := w.open(t)
	session := w.order(t, shopify.SessionRequest{Amount: "49.90", Test: true})
	b.visit(session.RedirectURL)
	b.sees(choosing)
	b.press("Card")
	b.sees(atStripe)
	provider := b.at()
	b.do(chromedp.SetValue(chromedp.ID("card"), "insufficient_funds"))
	b.press("Pay")
	b.sees(atStripe, "Your card has insufficient funds.")
	b.keep("stripe-declined")
	b.press("← back")
	b.sees(choosing, "Your bank declined the payment because the account does not have enough funds.", "You have not been charged.",
		"continue where you left off")
	b.keep("choose-declined")
	b.press("Sandbox")
	b.sees(atSandbox, "49.90 EUR")
	b.keep("sandbox")
	page := b.at()
	b.press("Pay 49.90 EUR")
	b.sees(thanks, "Your order is placed and paid.")

	w.told(t, session.ID, shopify.StateResolved)
	w.nothingAtStripe(t, provider)
	require.Equal(t, books.Taken, w.atSandbox(t, page))
}

func cancelled(t *testing.T, w *world) {
	b := w.open(t)
	session := w.order(t, shopify.SessionRequest{Amount: "18.00", Test: true})
	b.visit(session.RedirectURL)
	b.sees(choosing)
	b.press("Card")
	b.sees(atStripe)
	provider := b.at()
	b.press("← back")
	b.sees(choosing, "Card continue where you left off")
	require.NotContains(t, b.text(), "You have not been charged", "nothing was tried, so nothing is reported")
	b.keep("choose-continue")
	b.press("Back to the shop without paying")
	b.sees(atCheckout, "You came back without paying. Your cart is still here.")
	b.keep("shop-cancelled")
	w.nothingAtStripe(t, provider)
	w.told(t, session.ID, shopify.StateOpen)

	b.press("Continue the payment")
	b.sees(choosing, "18.00 EUR")
	b.press("Sandbox")
	b.sees(atSandbox)
	b.press("Pay 18.00 EUR")
	b.sees(thanks, "Your order is placed and paid.")
	w.told(t, session.ID, shopify.StateResolved)
}

func delayed(t *testing.T, w *world) {
	b := w.open(t)
	session := w.order(t, shopify.SessionRequest{Amount: "119.00", Test: true})
	b.visit(session.RedirectURL)
	b.sees(choosing)
	b.press("Card")
	b.sees(atStripe)
	provider := b.at()
	b.do(chromedp.SetValue(chromedp.ID("card"), "delayed_success"))
	b.press("Pay")
	b.sees(thanks, "Your order is placed. The payment is still being processed; this page reloads by itself.")
	b.keep("thank-you-pending")
	w.told(t, session.ID, shopify.StatePending)
	thankYou := b.at()

	b.visit("about:blank") // nobody looks any more
	w.settle(t, provider, "succeeded")
	w.told(t, session.ID, shopify.StateResolved)
	_, intent := w.atStripe(t, provider)
	require.Equal(t, int64(11900), intent.Captured)
	b.visit(thankYou)
	b.sees(thanks, "Your order is placed and paid.")
}

func authenticated(t *testing.T, w *world) {
	b := w.open(t)
	session := w.order(t, shopify.SessionRequest{Amount: "12.30", Test: true})
	b.visit(session.RedirectURL)
	b.sees(choosing)
	b.press("Sandbox")
	b.sees(atSandbox)
	page := b.at()
	b.press("Pay with 3-D Secure")
	b.sees(atBank, "12.30 EUR")
	b.keep("sandbox-bank")
	b.press("Fail the check")
	b.sees(atSandbox, "Declined: the bank could not confirm that it was you. Nothing was paid; choose again.")
	b.keep("sandbox-declined")
	require.Equal(t, books.Open, w.atSandbox(t, page))
	b.press("Pay with 3-D Secure")
	b.sees(atBank)
	b.press("Confirm: it is me")
	b.sees(thanks, "Your order is placed and paid.")
	require.True(t, strings.HasPrefix(b.at(), w.ShopURL), b.at())
	w.told(t, session.ID, shopify.StateResolved)
	require.Equal(t, books.Taken, w.atSandbox(t, page))
}
