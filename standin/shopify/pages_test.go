package shopify

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// buy posts the shop page's form, changed by the given values.
func (b bundle) buy(t *testing.T, change url.Values) response {
	t.Helper()
	form := url.Values{
		"product": {"mug"}, "currency": {"EUR"}, "kind": {"sale"}, "test": {"yes"}, "email": {"ada@example.com"},
		"given_name": {"Ada"}, "family_name": {"Lovelace"}, "line1": {"1 Way"}, "postal_code": {"10115"},
		"city": {"Berlin"}, "country": {"DE"},
	}
	for name, values := range change {
		form[name] = values
	}
	return b.postForm(t, "/shops/"+acme+"/checkouts", form)
}

// last is the newest session of the shop.
func (b bundle) last(t *testing.T) Session {
	t.Helper()
	sessions := b.Books(acme, false).Shops[acme].Sessions
	require.NotEmpty(t, sessions)
	return sessions[len(sessions)-1]
}

func (b bundle) checkoutPath(t *testing.T) string {
	t.Helper()
	return checkoutPath(acme, b.last(t).Checkout)
}

func TestShopPage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	page := b.get(t, "/shops/"+acme)
	require.Equal(t, http.StatusOK, page.status)
	require.Contains(t, page.body, "Stand-in shop, no real money")
	require.Contains(t, page.body, "Stoneware mug")
	require.Contains(t, page.body, `value="ada.lovelace@example.com"`)
	require.NotContains(t, page.body, "<script")
	require.Equal(t, "no-store", page.header.Get("Cache-Control"))
	require.Contains(t, page.header.Get("Content-Security-Policy"), "default-src 'none'")

	t.Run("every input has a label", func(t *testing.T) {
		t.Parallel()
		for _, match := range regexp.MustCompile(`<(?:input|select) id="([^"]+)"`).FindAllStringSubmatch(page.body, -1) {
			require.Contains(t, page.body, `<label for="`+match[1]+`"`)
		}
	})
	t.Run("the index leads to all shops", func(t *testing.T) {
		t.Parallel()
		index := b.get(t, "/")
		require.Contains(t, index.body, `href="/shops/`+acme+`"`)
		require.Contains(t, index.body, `href="/shops/`+borealis+`"`)
	})
	t.Run("the style sheet is served", func(t *testing.T) {
		t.Parallel()
		style := b.get(t, "/_style.css")
		require.Equal(t, "text/css; charset=utf-8", style.header.Get("Content-Type"))
	})
	t.Run("unknown shops and checkouts are 404", func(t *testing.T) {
		t.Parallel()
		for _, path := range []string{
			"/shops/x.myshopify.com", "/shops/x.myshopify.com/admin", "/shops/" + acme + "/checkouts/x",
			"/shops/" + acme + "/orders/x/thank_you",
		} {
			require.Equal(t, http.StatusNotFound, b.get(t, path).status, path)
		}
		require.Equal(t, http.StatusNotFound, b.postForm(t, "/shops/"+acme+"/checkouts/x/payments", nil).status)
		require.Equal(t, http.StatusNotFound, b.postForm(t, "/shops/"+acme+"/admin/orders/x/refund", nil).status)
		require.Equal(t, http.StatusNotFound, b.postForm(t, "/shops/"+acme+"/admin/orders/x/gift", nil).status)
	})
}

func TestCheckoutSendsTheBuyerToTheApp(t *testing.T) {
	t.Parallel()
	b := setup(t)
	got := b.buy(t, url.Values{"kind": {"authorization"}, "currency": {"JPY"}, "product": {"lamp"}, "test": nil})
	require.Equal(t, http.StatusSeeOther, got.status, got.body)
	require.Equal(t, "https://pay.example.com/pay/token", got.header.Get("Location"))
	body := string(b.app.requests()[0].body)
	for _, want := range []string{
		`"amount":"11900.00"`, `"currency":"JPY"`, `"kind":"authorization"`, `"test":false`, `"email":"ada@example.com"`,
		`"billing_address":{"given_name":"Ada"`, `"shipping_address":{"given_name":"Ada"`, `"postal_code":"10115"`,
	} {
		require.Contains(t, body, want)
	}
}

func TestAmountsHaveTheCurrencysForm(t *testing.T) {
	t.Parallel()
	cases := map[string]url.Values{
		"24.90":   {"currency": {"EUR"}},
		"24.900":  {"currency": {"KWD"}},
		"2490.00": {"currency": {"JPY"}},
		"7.50":    {"amount": {"7.5"}},
		"8.255":   {"amount": {"8.255"}, "currency": {"KWD"}},
		"1000.00": {"amount": {"1000"}, "currency": {"JPY"}},
	}
	for want, change := range cases {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			require.Equal(t, http.StatusSeeOther, b.buy(t, change).status)
			require.Equal(t, want, b.last(t).Amount)
		})
	}
}

func TestFormsThatCannotBeBought(t *testing.T) {
	t.Parallel()
	b := setup(t)
	cases := map[string]struct {
		change url.Values
		want   string
	}{
		"too many decimals":  {url.Values{"amount": {"1.234"}}, "own amount"},
		"yen with decimals":  {url.Values{"amount": {"1.5"}, "currency": {"JPY"}}, "own amount"},
		"nothing":            {url.Values{"amount": {"0.00"}}, "own amount"},
		"negative":           {url.Values{"amount": {"-1"}}, "own amount"},
		"a fraction":         {url.Values{"amount": {"1/2"}}, "own amount"},
		"an exponent":        {url.Values{"amount": {"1e3"}}, "own amount"},
		"a word":             {url.Values{"amount": {"ten"}}, "own amount"},
		"unknown currency":   {url.Values{"currency": {"XXX"}}, "choose a currency"},
		"unknown kind":       {url.Values{"kind": {"gift"}}, "sale or authorization"},
		"unknown product":    {url.Values{"product": {"car"}}, "choose a product"},
		"no email":           {url.Values{"email": {""}}, "email address"},
		"markup in a field":  {url.Values{"email": {"<script>"}}, `value="&lt;script&gt;"`},
		"the form is kept":   {url.Values{"currency": {"XXX"}, "city": {"Zürich"}}, `value="Zürich"`},
		"a typed amount too": {url.Values{"amount": {"1.234"}}, `value="1.234"`},
	}
	for rule, c := range cases {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			got := b.buy(t, c.change)
			require.Equal(t, http.StatusUnprocessableEntity, got.status)
			require.Contains(t, got.body, c.want)
		})
	}
	t.Run("a form over the limit", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, http.StatusBadRequest, b.buy(t, url.Values{"city": {strings.Repeat("x", maxForm)}}).status)
	})
	t.Cleanup(func() { require.Empty(t, b.Books(acme, false).Shops[acme].Sessions) })
}

func TestUnreachableAppIsAdmitted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.app.answer(func(_ int, w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) })
	page := b.buy(t, nil)
	require.Equal(t, http.StatusBadGateway, page.status)
	require.Contains(t, page.body, "The payment provider could not be reached.")
	require.Contains(t, page.body, "answered 503")
	require.Len(t, b.app.requests(), 3, "the same session is tried three times")
	first := b.last(t)
	require.Equal(t, 3, first.Posts.Count)

	b.app.answer(nil)
	again := b.postForm(t, b.checkoutPath(t)+"/payments", nil)
	require.Equal(t, http.StatusSeeOther, again.status)
	second := b.last(t)
	require.NotEqual(t, first.ID, second.ID, "another attempt is another session")
	require.Equal(t, first.Group, second.Group, "of the same group")
	require.Equal(t, first.Amount, second.Amount)
	require.Contains(t, string(b.app.requests()[3].body), "ada@example.com")
}

func TestCancelledBuyerFindsTheCheckoutAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.buy(t, nil)
	page := b.get(t, b.checkoutPath(t)+"?payment=cancelled")
	require.Equal(t, http.StatusOK, page.status)
	require.Contains(t, page.body, "You came back without paying.")
	require.Contains(t, page.body, `href="https://pay.example.com/pay/token"`)
	require.Contains(t, page.body, "Start a new payment")
	require.Equal(t, StateOpen, b.last(t).State)
}

func TestRejectedBuyerMayTryAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.buy(t, nil)
	gid := b.last(t).GID
	args := map[string]any{"id": gid, "reason": map[string]any{
		"code": "INSUFFICIENT_FUNDS", "source": "NETWORK", "merchantMessage": "issuer says 51",
	}}
	require.Empty(t, firstError(b.mutate(t, opPaymentReject, args)))

	page := b.get(t, b.checkoutPath(t)+"?payment=cancelled")
	require.Contains(t, page.body, "The payment was not accepted.")
	require.Contains(t, page.body, "There is not enough money in the account.")
	require.NotContains(t, page.body, "issuer says 51", "the merchant's message is not for the buyer")
	require.NotContains(t, page.body, "You came back without paying")

	thanks := b.get(t, thankYouPath(acme, b.last(t).Checkout))
	require.Equal(t, http.StatusSeeOther, thanks.status, "there is nothing to thank for")

	require.Equal(t, http.StatusSeeOther, b.postForm(t, b.checkoutPath(t)+"/payments", nil).status)
	require.Equal(t, 2, b.counts(t).Sessions)
}

func TestEveryRejectCodeHasAText(t *testing.T) {
	t.Parallel()
	docs, err := newDocuments(paymentsSchema, movesSchema)
	require.NoError(t, err)
	for _, value := range docs.schema.Types["PaymentSessionStateRejectedReason"].EnumValues {
		require.NotEmpty(t, declineText(value.Name), value.Name)
	}
}

func TestThankYouPage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.buy(t, nil)
	path := thankYouPath(acme, b.last(t).Checkout)
	gid := b.last(t).GID

	open := b.get(t, path)
	require.Contains(t, open.body, `<meta http-equiv="refresh" content="2">`)
	require.Contains(t, open.body, "We are confirming your payment.")

	b.mutate(t, opPaymentPending, argsFor(opPaymentPending, gid, b.clock.now()))
	pending := b.get(t, path)
	require.Contains(t, pending.body, "#1001")
	require.Contains(t, pending.body, ">Pending<")
	require.Contains(t, pending.body, `http-equiv="refresh"`)

	b.mutate(t, opPaymentResolve, map[string]any{"id": gid})
	paid := b.get(t, path)
	require.Contains(t, paid.body, "Thank you, Ada")
	require.Contains(t, paid.body, ">Paid<")
	require.Contains(t, paid.body, "24.90 EUR")
	require.NotContains(t, paid.body, `http-equiv="refresh"`)

	t.Run("a paid checkout leads there and starts no other attempt", func(t *testing.T) {
		require.Equal(t, path, b.get(t, b.checkoutPath(t)).header.Get("Location"))
		require.Equal(t, path, b.postForm(t, b.checkoutPath(t)+"/payments", nil).header.Get("Location"))
		require.Equal(t, 1, b.counts(t).Sessions)
	})
}

func TestAdminButtonsNeedURLs(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *Options) {
		o.App.RefundSessionURL, o.App.CaptureSessionURL, o.App.VoidSessionURL = "", "", ""
	})
	sale := b.payment(t, SessionRequest{}).GID
	hold := b.payment(t, SessionRequest{Kind: KindAuthorization}).GID
	for _, gid := range []string{sale, hold} {
		b.mutate(t, opPaymentResolve, map[string]any{"id": gid})
	}
	page := b.get(t, "/shops/"+acme+"/admin").body
	require.Contains(t, page, "#1001")
	require.Contains(t, page, "paymentSessionResolve")
	for _, action := range []string{"/refund", "/capture", "/void"} {
		require.NotContains(t, page, action+`"`)
	}
}

func TestAdminMovesMoney(t *testing.T) {
	t.Parallel()
	b := setup(t)
	started := b.payment(t, SessionRequest{Kind: KindAuthorization, Test: true})
	b.mutate(t, opPaymentResolve, map[string]any{"id": started.GID})
	action := "/shops/" + acme + "/admin/orders/" + started.Checkout
	admin := func() string { return b.get(t, "/shops/"+acme+"/admin").body }
	press := func(name, amount string) response {
		return b.postForm(t, action+"/"+name, url.Values{"amount": {amount}})
	}

	page := admin()
	require.Contains(t, page, ">Authorized<")
	require.Contains(t, page, action+`/capture"`)
	require.Contains(t, page, action+`/void"`)
	require.NotContains(t, page, action+`/refund"`)
	require.Equal(t, http.StatusUnprocessableEntity, press("capture", "50.00").status, "more than authorized")
	require.Equal(t, http.StatusUnprocessableEntity, press("refund", "1.00").status, "nothing is captured")
	require.Equal(t, http.StatusUnprocessableEntity, press("capture", "x").status)

	got := press("capture", "40")
	require.Equal(t, http.StatusSeeOther, got.status, got.body)
	capture := b.last(t)
	require.Equal(t, "40.00", capture.Amount)
	require.Equal(t, started.ID, capture.PaymentID)
	require.True(t, capture.Test)
	require.Equal(t, http.StatusUnprocessableEntity, press("capture", "1.00").status, "one is under way")
	require.Equal(t, http.StatusUnprocessableEntity, press("void", "").status)

	b.mutate(t, opCaptureResolve, map[string]any{"id": capture.GID})
	page = admin()
	require.Contains(t, page, ">Partially paid<")
	require.Contains(t, page, "captured 40.00")
	require.NotContains(t, page, action+`/capture"`)

	require.Equal(t, http.StatusSeeOther, press("refund", "30.00").status)
	first := b.last(t)
	require.Equal(t, started.ID, first.PaymentID, "a refund names the authorization's session")
	require.Equal(t, http.StatusUnprocessableEntity, press("refund", "10.01").status, "an open refund counts")
	b.mutate(t, opRefundReject, argsFor(opRefundReject, first.GID, b.clock.now()))
	require.Contains(t, admin(), "PROCESSING_ERROR: declined by the bank")

	require.Equal(t, http.StatusSeeOther, press("refund", "40.00").status)
	b.mutate(t, opRefundResolve, map[string]any{"id": b.last(t).GID})
	require.Contains(t, admin(), ">Refunded<")
	require.Equal(t, StatusRefunded, b.Books(acme, false).Shops[acme].Orders[0].Status)
}

func TestVoidEndsAnAuthorization(t *testing.T) {
	t.Parallel()
	b := setup(t)
	started := b.payment(t, SessionRequest{Kind: KindAuthorization})
	b.mutate(t, opPaymentResolve, map[string]any{"id": started.GID})
	action := "/shops/" + acme + "/admin/orders/" + started.Checkout
	require.Equal(t, http.StatusSeeOther, b.postForm(t, action+"/void", nil).status)
	void := b.last(t)
	require.Empty(t, void.Amount)
	b.mutate(t, opVoidResolve, map[string]any{"id": void.GID})
	require.Equal(t, StatusVoided, b.Books(acme, false).Shops[acme].Orders[0].Status)
	require.Equal(t, http.StatusUnprocessableEntity, b.postForm(t, action+"/void", nil).status)
}

func TestAdminShowsTheAppsRefusal(t *testing.T) {
	t.Parallel()
	b := setup(t)
	started := b.payment(t, SessionRequest{})
	b.mutate(t, opPaymentResolve, map[string]any{"id": started.GID})
	b.app.answer(func(_ int, w http.ResponseWriter) {
		w.WriteHeader(http.StatusOK)
		_, _ = fmt.Fprint(w, `<b>oops</b>`)
	})
	b.postForm(t, "/shops/"+acme+"/admin/orders/"+started.Checkout+"/refund", url.Values{"amount": {"1.00"}})
	page := b.get(t, "/shops/"+acme+"/admin").body
	require.Contains(t, page, "last try failed: answered 200 instead of 201")
	require.Contains(t, page, "&lt;b&gt;oops&lt;/b&gt;")
}

func TestAdminListIsBounded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range adminOrders + 3 {
		b.payment(t, SessionRequest{})
	}
	require.Contains(t, b.get(t, "/shops/"+acme+"/admin").body, "3 older ones are not shown")
}

func TestEveryOrderStatusHasWords(t *testing.T) {
	t.Parallel()
	for _, status := range []OrderStatus{
		StatusNone, StatusPending, StatusAuthorized, StatusExpired, StatusPaid, StatusPartiallyPaid,
		StatusPartiallyRefunded, StatusRefunded, StatusVoided,
	} {
		require.NotEmpty(t, statusText(status), status)
		require.NotEmpty(t, statusLabel(status), status)
		require.Contains(t, []string{"good", "wait", "over"}, statusTone(status), status)
	}
}
