package browser_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"tillflow/internal/cli"
	"tillflow/internal/payment"
	"tillflow/standin/shopify"
)

// freshShop has nothing of ours until a story installs the app.
const freshShop = "fresh-dev.myshopify.com"

// merchant is the owner of freshShop in the Admin.
type merchant struct{ *tab }

func (m merchant) apps() {
	m.Helper()
	m.visit(m.world.ShopURL + "/shops/" + freshShop + "/admin/apps")
	m.sees("Apps", "tillflow", "tillflow orders")
}

// pressFor presses the button of one app's card.
func (m merchant) pressFor(handle, label string) {
	m.Helper()
	m.do(chromedp.Click(chromedp.Search(fmt.Sprintf(`//*[@id="app-%s"]//button[normalize-space(.)=%q]`, handle, label)), chromedp.NodeVisible))
}

// installs goes through Shopify's page of consent to ours.
func (m merchant) installs(handle, name, scope string) {
	m.Helper()
	m.apps()
	m.pressFor(handle, "Install")
	m.sees("Install "+name, scope)
	m.keep("install-grant-" + handle)
	m.press("Install app")
}

// activates goes on to Shopify, which knows by then that the app is ready, and
// switches it on.
func (m merchant) activates() {
	m.Helper()
	m.visit(m.world.PayURL + "/settings")
	m.sees(settingUp, "Ready to take payments")
	m.press("Go to Shopify")
	m.sees("tillflow", "Inactive", "Account "+freshShop)
	book := m.world.Shopify.Books(freshShop, false).Shops[freshShop]
	require.True(m, book.Ready != nil && *book.Ready, "Shopify was told before the merchant came")
	m.press("Activate")
	m.sees("tillflow", "Active", "Deactivate")
}

func (m merchant) uninstalls(handle string) {
	m.Helper()
	m.apps()
	m.pressFor(handle, "Uninstall")
	m.sees("Apps", "Uninstalled", "Asked to erase this shop's data at")
}

// token is what the record has for the shop.
func (w *world) token(t *testing.T) error {
	t.Helper()
	_, err := w.Service.Store.Token(t.Context(), freshShop, nil)
	return err
}

// buys pays for the mug with one of the options and answers Shopify's session.
func (w *world) buys(t *testing.T, option string) shopify.Session {
	t.Helper()
	b := w.open(t)
	b.visit(w.ShopURL + "/shops/" + freshShop)
	b.press("Checkout")
	b.sees(choosing, "Fresh & Söhne", "24.90 EUR", "Sandbox Card")
	b.shown("branded-" + strings.ToLower(option))
	b.press(option)
	if option == "Card" {
		b.sees(atStripe, "24.90")
		b.press("Pay")
	} else {
		b.sees(atSandbox, "24.90 EUR")
		b.press("Pay 24.90 EUR")
	}
	b.sees(thanks, "Your order is placed and paid.")
	sessions := w.Shopify.Books(freshShop, false).Shops[freshShop].Sessions
	require.NotEmpty(t, sessions)
	bought := sessions[0]
	for _, s := range sessions {
		if s.Type == shopify.PaymentSession && s.ProposedAt.After(bought.ProposedAt) {
			bought = s
		}
	}
	w.told(t, bought.ID, shopify.StateResolved)
	return bought
}

// operator runs one of the operator's commands.
func (w *world) operator(t *testing.T, args ...string) string {
	t.Helper()
	var out, problems bytes.Buffer
	require.Zero(t, cli.Main(t.Context(), args, w.Getenv, &out, &problems), "%v: %s", args, &problems)
	return out.String()
}

// appInstalled is the whole life of the app at a shop.
func appInstalled(t *testing.T, w *world) {
	w = w.alone()
	m := merchant{w.open(t)}
	m.installs(shopify.PaymentsApp, "tillflow", "write_payment_sessions")
	m.sees(settingUp, "To take payments", "This opens once an account is connected.")
	m.keep("settings-begin")
	m.introduces("Fresh & Söhne")
	m.connectsSandbox()
	m.connectsStripe()
	m.arranges()
	m.looksAround()
	m.activates()
	bought := w.buys(t, "Card")
	w.delivered(t)
	w.buys(t, "Sandbox")

	buyer, late := w.open(t), w.order(t, shopify.SessionRequest{Shop: freshShop, Amount: "19.00", Test: true})
	buyer.visit(late.RedirectURL)
	buyer.press("Sandbox")
	buyer.sees(atSandbox, "19.00 EUR")
	m.cannotRemove("Sandbox")
	m.uninstalls(shopify.PaymentsApp)
	require.Eventually(t, func() bool { return payment.ClassOf(w.token(t), "") == payment.NotFound }, patience, 20*time.Millisecond, "the tokens are dropped")
	m.visit(w.PayURL + "/settings")
	m.sees("Open the app from your Shopify Admin", "Nothing was changed.")
	m.answered(http.StatusUnauthorized)
	m.keep("settings-stranger")
	refusedWithoutApp(t, w, bought)
	buyer.press("Pay 19.00 EUR") // the page was open when the shop left
	require.Eventually(t, func() bool {
		return strings.Contains(w.operator(t, "payment", "show", late.ID), string(payment.AccountBlocked))
	}, patience, 100*time.Millisecond, "the shop cannot be told, so a person is called")
	w.told(t, late.ID, shopify.StateOpen)

	m.installs(shopify.PaymentsApp, "tillflow", "write_payment_sessions")
	m.sees(settingUp, "Ready to take payments", "Fresh & Söhne", "Card", "Sandbox", "••••", "in use")
	m.keep("settings-again")
	require.NoError(t, w.token(t))
	w.operator(t, "payment", "retry", "-reason", "the shop is back", late.ID)
	w.told(t, late.ID, shopify.StateResolved)
	m.activates()
	w.buys(t, "Card")
	w.noted(t)
	m.quiet()
	t.Logf("PROOF 1 ok a shop installs, connects Stripe and the sandbox, pays, leaves and comes back: %d pages opened or buttons pressed, %d pages audited in %d looks",
		w.tally.steps.Load(), w.tally.pages.Load(), w.tally.looks.Load())
}

// refusedWithoutApp: a shop without the app starts nothing, and is told why.
func refusedWithoutApp(t *testing.T, w *world, bought shopify.Session) {
	t.Helper()
	b := w.open(t)
	b.visit(w.ShopURL + "/shops/" + freshShop)
	b.sees("Made slowly, kept long", "This shop takes no payments at the moment.")
	for kind, request := range map[string]shopify.SessionRequest{
		"charge": {Amount: "1.00", Currency: "EUR", Test: true},
		"refund": {Type: shopify.RefundSession, PaymentID: bought.ID, Amount: "4.90", Currency: "EUR", Test: true},
	} {
		request.Shop = freshShop
		answer, err := w.Shopify.StartSession(t.Context(), request)
		require.NoError(t, err)
		require.Equal(t, http.StatusForbidden, answer.Status, kind)
		require.Contains(t, string(answer.Body), "is not a shop that has installed this app", kind)
	}
}

// secondAppInstalled: the app for the Admin API installs beside the first one.
func secondAppInstalled(t *testing.T, w *world) {
	m := merchant{w.open(t)}
	m.installs(shopify.AdminApp, "tillflow orders", "write_orders")
	m.sees("The app is installed", "It is connected to "+freshShop+".") // there is nothing to set up
	m.keep("installed-admin")
	book := w.Shopify.Books(freshShop, false).Shops[freshShop].Apps[shopify.AdminApp]
	require.Equal(t, shopify.InstallInstalled, book.State)
	require.Equal(t, w.Config.ShopifyAdminScopes, book.Scopes)
	m.quiet()
}
