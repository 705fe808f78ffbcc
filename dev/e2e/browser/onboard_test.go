package browser_test

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	chain "tillflow/internal/access/audit"
	"tillflow/internal/payment"
	"tillflow/internal/psp/stripe"
)

const settingUp = "Set up payments"

// fills replaces what stands in a field.
func (b *tab) fills(id, text string) {
	b.Helper()
	field := chromedp.Search("#" + id)
	b.do(chromedp.Clear(field), chromedp.Focus(field))
	if text != "" { // at once: a key pressed is a round trip
		b.do(call(input.InsertText, input.InsertTextParams{Text: text}))
	}
}

// shown keeps a page also in dark.
func (b *tab) shown(name string) {
	b.Helper()
	b.keep(name)
	b.scheme("dark")
	b.keep(name + "-dark")
	b.scheme("")
}

// introduces sets name, mail address and look; what cannot be read is refused
// beside its field first.
func (m merchant) introduces(name string) {
	m.Helper()
	m.press("Name and look")
	m.sees("Name and look", "Languages")
	m.fills("label", name)
	m.fills("mail", "owner@fresh.example")
	m.fills("colour", "#ffcc00")
	m.press("Save")
	m.sees("Name and look", "Nothing was changed yet: see below.", "its contrast is 1.5")
	m.answered(http.StatusUnprocessableEntity)
	m.shown("settings-shop-refused")
	m.fills("colour", "#0f7a4d")
	picture := filepath.Join(m.TempDir(), "logo.png")
	require.NoError(m, os.WriteFile(picture, logo(m.T), 0o600))
	m.do(chromedp.SetUploadFiles(chromedp.Search("#logo"), []string{picture}))
	m.press("Save")
	m.sees("Name and look", "Saved. Buyers see it at once.", "Take the logo away")
	m.shown("settings-shop")
}

// logo is a green disc beside a bar.
func logo(t *testing.T) []byte {
	t.Helper()
	p := image.NewNRGBA(image.Rect(0, 0, 320, 96))
	for x := range 320 {
		for y := range 96 {
			disc := (x-48)*(x-48)+(y-48)*(y-48) < 44*44
			bar := x > 112 && x < 310 && y > 34 && y < 62
			if disc || bar {
				p.SetNRGBA(x, y, color.NRGBA{R: 0x2f, G: 0x9a, B: 0x6d, A: 0xff})
			}
		}
	}
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, p))
	return b.Bytes()
}

// connectsSandbox meets a refusal before it succeeds.
func (m merchant) connectsSandbox() {
	m.Helper()
	m.press("Connect")
	m.sees("Connect a payment provider", "Stripe", "Sandbox", "real money", "test payments")
	m.shown("settings-providers")
	m.press("Connect Sandbox")
	m.fills("c_key", "canary-of-the-sandbox")
	m.press("Verify and connect")
	m.sees("Connect Sandbox", "Sandbox does not accept these credentials. Nothing was stored.")
	m.answered(http.StatusUnprocessableEntity)
	m.fills("c_key", "")
	m.press("Verify and connect")
	m.sees(settingUp, "The account is connected.", "Ready to take payments")
}

// connectsStripe adds the webhook at Stripe as its dashboard would, and gives the
// key of the wrong mode first.
func (m merchant) connectsStripe() {
	m.Helper()
	m.press("Connect")
	m.press("Connect Stripe")
	m.sees("Connect Stripe", "1. Tell Stripe where to report payments", "2. Fill in what Stripe gave you")
	m.shown("settings-stripe")
	address, err := ask[string](m.tab, `document.querySelector("#webhook").innerText`)
	require.NoError(m, err)
	require.True(m, strings.HasPrefix(address, m.world.PayURL+"/webhook/stripe/"), address)
	key, secret := m.world.NewStripeKey(freshShop), m.world.addWebhook(m.T, address)
	m.fills("c_secret_key", key)
	m.fills("c_webhook_secret", secret)
	m.press("Verify and connect")
	m.sees("Connect Stripe", "It is not of live mode. Nothing was stored.")
	m.answered(http.StatusUnprocessableEntity)
	m.shown("settings-stripe-refused")
	require.NotContains(m, m.source(), key, "a secret is not sent back")
	m.do(chromedp.Click(chromedp.Search("#mode-test"), chromedp.NodeVisible))
	m.fills("c_secret_key", "sk_test_canary-nobody-has-this-key")
	m.fills("c_webhook_secret", secret)
	m.press("Verify and connect")
	m.sees("Connect Stripe", "Stripe does not accept these credentials. Nothing was stored.")
	m.fills("c_secret_key", key)
	m.fills("c_webhook_secret", secret)
	m.press("Verify and connect")
	m.sees(settingUp, "The account is connected.", "Card", "••••"+key[len(key)-4:], "••••"+secret[len(secret)-4:])
	m.shown("settings-ready")
	require.NotContains(m, m.source(), key)
}

// addWebhook does what the merchant does in Stripe's dashboard.
func (w *world) addWebhook(t *testing.T, address string) (secret string) {
	t.Helper()
	form := url.Values{"url": {address}, "enabled_events[]": stripe.Events(), "api_version": {stripe.Version}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.StripeURL+"/v1/webhook_endpoints", strings.NewReader(form.Encode()))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", "Bearer "+w.NewStripeKey(freshShop))
	req.Header.Set("Stripe-Version", stripe.Version)
	resp, err := (&http.Client{Timeout: 10 * time.Second}).Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode, string(body))
	var made struct{ Secret string }
	require.NoError(t, json.Unmarshal(body, &made))
	return made.Secret
}

// arranges puts the sandbox before the card, hides the card from the Swiss, and
// takes that back.
func (m merchant) arranges() {
	m.Helper()
	m.press("Options")
	m.sees("Options", "All other buyers", "test payments")
	card, sandbox := m.account("Card"), m.account("Sandbox")
	m.fills("p-false---"+card.ID, "2")
	m.fills("p-false---"+sandbox.ID, "1")
	m.press("Save this order")
	m.sees("Options", "The options are set.", "Sandbox Sandbox Card Stripe")
	m.fills("country-false", "zz")
	m.press("Add")
	m.sees("Options", "There is no such country.")
	m.fills("country-false", "ch")
	m.press("Add")
	m.sees("Options", "Buyers from CH")
	m.fills("p-false--CH-"+card.ID, "")
	m.do(chromedp.Click(chromedp.Search(`//h3[normalize-space(.)="Buyers from CH"]/following-sibling::p/button[1]`), chromedp.NodeVisible))
	require.Eventually(m, func() bool { // the page being left says "set" too, but has Card's place of before
		hidden, err := ask[bool](m.tab, `document.getElementById("p-false--CH-`+card.ID+`").defaultValue === ""`)
		return err == nil && hidden
	}, patience, 30*time.Millisecond, "the Swiss do not see Card")
	m.sees("Options", "The options are set.")
	m.shown("settings-options")
	m.press("Drop this line")
	m.sees("Options", "These buyers have the options of everybody else now.")
	require.NotContains(m, m.text(), "Buyers from CH")
}

// account is the fresh shop's with this label.
func (m merchant) account(label string) payment.ProviderAccount {
	m.Helper()
	list, err := m.world.Service.Store.ProviderAccounts(m.Context(), freshShop)
	require.NoError(m, err)
	for _, a := range list {
		if a.Label == label {
			return a
		}
	}
	m.Fatalf("no account %s", label)
	return payment.ProviderAccount{}
}

// looksAround sees the page of an account, by keyboard.
func (m merchant) looksAround() {
	m.Helper()
	m.visit(m.world.PayURL + "/settings")
	m.sees(settingUp)
	m.pressByKeyboard("Card")
	m.sees("Card", "Credentials", "What you leave empty stays as it is.", "No payment needs it any more.")
	m.shown("settings-account")
	m.press("Remove this account")
	m.sees("Remove Card", "cannot be brought back", "Refunds of those payments")
	m.shown("settings-remove")
	m.press("Keep it")
	m.sees("Card")
}

// cannotRemove: a payment that is not over keeps its account.
func (m merchant) cannotRemove(label string) {
	m.Helper()
	m.visit(m.world.PayURL + "/settings/accounts/" + m.account(label).ID)
	m.sees(label, "not over")
}

// source is the page's markup.
func (b *tab) source() string {
	b.Helper()
	text, err := ask[string](b, `document.documentElement.outerHTML`)
	require.NoError(b, err)
	return text
}

// delivered: the provider's message came in under the secret that was typed.
func (w *world) delivered(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		list, err := w.Service.Store.Deliveries(t.Context(), payment.DeliveryFilter{Shop: freshShop})
		return err == nil && len(list) > 0
	}, patience, 50*time.Millisecond)
}

// noted: what the merchant did stands in the audit, and the chain holds.
func (w *world) noted(t *testing.T) {
	t.Helper()
	_, err := w.Service.Store.VerifyAudit(t.Context(), chain.Head{})
	require.NoError(t, err)
}
