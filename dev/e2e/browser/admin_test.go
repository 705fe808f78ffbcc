package browser_test

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"tillflow/dev/stack"
	"tillflow/standin/shopify"
)

// atOrder is a merchant's window at an order's page in the Admin.
type atOrder struct {
	*tab
	checkout string
	heading  string
}

// admin opens the order of a paid session.
func (w *world) admin(t *testing.T, session shopify.SessionAnswer) atOrder {
	t.Helper()
	o := atOrder{tab: w.open(t), checkout: session.Checkout}
	for _, order := range w.Shopify.Books(stack.Shop, false).Shops[stack.Shop].Orders {
		if order.Checkout == session.Checkout {
			o.heading = "Order " + order.Name
		}
	}
	require.NotEmpty(t, o.heading, "the checkout is no order yet")
	o.again()
	return o
}

func (o atOrder) again() {
	o.Helper()
	o.visit(o.world.ShopURL + "/shops/" + stack.Shop + "/admin/orders/" + o.checkout)
	o.sees(o.heading)
}

// enter presses one of the order's buttons with an amount, and waits until the
// page says what became of it: the merchant reloads nothing.
func (o atOrder) enter(button, field, amount, news string, more ...string) {
	o.Helper()
	if amount != "" {
		o.do(chromedp.SetValue(chromedp.ID(field+"-"+o.checkout), amount))
	}
	o.press(button)
	o.sees(o.heading, append(more, news)...)
}

// pay takes a new order through Stripe's page, and answers that page's address.
func (w *world) pay(t *testing.T, request shopify.SessionRequest) (shopify.SessionAnswer, string) {
	t.Helper()
	heading, button := atStripe, "Pay"
	if request.Kind == shopify.KindAuthorization {
		heading, button = "Authorize payment", "Authorize"
	}
	b := w.open(t)
	session := w.order(t, request)
	b.visit(session.RedirectURL)
	b.sees(choosing)
	b.press("Card")
	b.sees(heading)
	page := b.at()
	b.press(button)
	b.sees(thanks)
	w.told(t, session.ID, shopify.StateResolved)
	return session, page
}

func refunded(t *testing.T, w *world) {
	session, page := w.pay(t, shopify.SessionRequest{Amount: "31.00", Test: true})
	o := w.admin(t, session)
	o.enter("Refund", "refund", "10.00", "Refund of 10.00 EUR is done.", "Partially refunded", "captured 31.00 · refunded 10.00")
	o.keep("admin-refund")
	o.enter("Refund", "refund", "21.00", "Refund of 21.00 EUR is done.", "Refunded", "captured 31.00 · refunded 31.00")
	_, intent := w.atStripe(t, page)
	require.Equal(t, int64(3100), intent.Captured)
	require.Equal(t, int64(3100), intent.Refunded)
	w.movesTold(t, session, 2)
}

// refused is what the Admin itself would not send: another window had the money already.
func refused(t *testing.T, w *world) {
	session, page := w.pay(t, shopify.SessionRequest{Amount: "32.00", Test: true})
	o := w.admin(t, session)
	answer, err := w.Shopify.StartSession(t.Context(), shopify.SessionRequest{
		Shop: stack.Shop, Type: shopify.RefundSession, PaymentID: session.ID, Amount: "32.01", Currency: "EUR", Test: true,
	})
	require.NoError(t, err)
	require.True(t, answer.Accepted, "a refusal is told by the mutation: %d %s", answer.Status, answer.Body)
	o.again()
	o.sees(o.heading, "Refund of 32.01 EUR was not possible:", "PROCESSING_ERROR", "Paid")
	o.keep("admin-refused")
	o.enter("Refund", "refund", "32.00", "Refund of 32.00 EUR is done.")
	_, intent := w.atStripe(t, page)
	require.Equal(t, int64(3200), intent.Refunded)
}

func captured(t *testing.T, w *world) {
	session, page := w.pay(t, shopify.SessionRequest{Amount: "33.00", Kind: shopify.KindAuthorization, Test: true})
	o := w.admin(t, session)
	o.sees(o.heading, "Authorized")
	o.enter("Capture", "capture", "30.00", "Capture of 30.00 EUR is done.", "Partially paid", "captured 30.00")
	o.keep("admin-capture")
	o.enter("Refund", "refund", "30.00", "Refund of 30.00 EUR is done.", "Refunded")
	_, intent := w.atStripe(t, page)
	require.Equal(t, int64(3000), intent.Captured)
	require.Equal(t, int64(3000), intent.Refunded)
	require.Zero(t, intent.Held)
	w.movesTold(t, session, 2)
}

func voided(t *testing.T, w *world) {
	session, page := w.pay(t, shopify.SessionRequest{Amount: "34.00", Kind: shopify.KindAuthorization, Test: true})
	o := w.admin(t, session)
	o.enter("Void", "void", "", "Void is done.", "Voided")
	o.keep("admin-void")
	_, intent := w.atStripe(t, page)
	require.Zero(t, intent.Captured)
	require.Zero(t, intent.Held)
	w.movesTold(t, session, 1)
}

// movesTold: each refund, capture and void of the payment has one effective answer.
func (w *world) movesTold(t *testing.T, session shopify.SessionAnswer, want int) {
	t.Helper()
	told := 0
	for _, s := range w.Shopify.Books(stack.Shop, false).Shops[stack.Shop].Sessions {
		if s.PaymentID != session.ID {
			continue
		}
		told++
		w.told(t, s.ID, shopify.StateResolved)
	}
	require.Equal(t, want, told)
}
