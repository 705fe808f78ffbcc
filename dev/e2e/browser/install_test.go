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
	"tillflow/internal/store"
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
	m.sees("The app is installed", "It is connected to "+freshShop+".")
}

// activates waits until the app is ready by its own word, and switches it on.
func (m merchant) activates() {
	m.Helper()
	page := m.world.ShopURL + "/shops/" + freshShop + "/services/payments_partners/gateways/" + m.world.Config.ShopifyClientID + "/settings"
	require.Eventually(m, func() bool {
		book := m.world.Shopify.Books(freshShop, false).Shops[freshShop]
		return book.Ready != nil && *book.Ready
	}, patience, 50*time.Millisecond, "Shopify is told that the app is ready")
	m.visit(page)
	m.sees("tillflow", "Inactive", "Account "+freshShop)
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

// buys takes the mug through the sandbox and answers Shopify's session.
func (w *world) buys(t *testing.T) shopify.Session {
	t.Helper()
	b := w.open(t)
	b.visit(w.ShopURL + "/shops/" + freshShop)
	b.press("Checkout")
	b.sees(atSandbox, "24.90 EUR") // the only way to pay
	b.press("Pay 24.90 EUR")
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
	m := merchant{w.open(t)}
	m.installs(shopify.PaymentsApp, "tillflow", "write_payment_sessions")
	m.sees("The app is installed", "Still to be done", "tillflow shop -shop "+freshShop, "tillflow account -shop "+freshShop)
	m.keep("installed-todo")
	m.press("Open payment settings")
	m.sees("tillflow", "tillflow is not ready to take payments.")

	require.NoError(t, w.Service.Store.PutShop(t.Context(), store.Shop{Shop: freshShop, Label: "Fresh", Mail: "owner@example.com", Active: true}))
	_, err := w.Service.Store.PutAccount(t.Context(), store.Account{Shop: freshShop, Provider: "sandbox", Label: "Sandbox", Enabled: true}, map[string]string{})
	require.NoError(t, err)
	m.activates()
	bought := w.buys(t)

	buyer, late := w.open(t), w.order(t, shopify.SessionRequest{Shop: freshShop, Amount: "19.00", Test: true})
	buyer.visit(late.RedirectURL)
	buyer.sees(atSandbox, "19.00 EUR")
	m.uninstalls(shopify.PaymentsApp)
	require.Eventually(t, func() bool { return payment.ClassOf(w.token(t), "") == payment.NotFound }, patience, 20*time.Millisecond, "the tokens are dropped")
	refusedWithoutApp(t, w, bought)
	buyer.press("Pay 19.00 EUR") // the page was open when the shop left
	require.Eventually(t, func() bool {
		return strings.Contains(w.operator(t, "payment", "show", late.ID), string(payment.AccountBlocked))
	}, patience, 100*time.Millisecond, "the shop cannot be told, so a person is called")
	w.told(t, late.ID, shopify.StateOpen)

	m.installs(shopify.PaymentsApp, "tillflow", "write_payment_sessions")
	require.NotContains(t, m.text(), "Still to be done", "what was set up is still there")
	m.keep("installed-again")
	require.NoError(t, w.token(t))
	w.operator(t, "payment", "retry", "-reason", "the shop is back", late.ID)
	w.told(t, late.ID, shopify.StateResolved)
	m.activates()
	w.buys(t)
	m.quiet()
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
	require.NotContains(t, m.text(), "tillflow account", "there is nothing to set up")
	m.keep("installed-admin")
	book := w.Shopify.Books(freshShop, false).Shops[freshShop].Apps[shopify.AdminApp]
	require.Equal(t, shopify.InstallInstalled, book.State)
	require.Equal(t, w.Config.ShopifyAdminScopes, book.Scopes)
	m.quiet()
}
