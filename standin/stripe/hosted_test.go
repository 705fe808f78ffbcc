package stripe_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// browser follows redirects between the shop and the hosted page.
type browser struct {
	*bundle
	shop *httptest.Server
}

func browse(t *testing.T) *browser {
	t.Helper()
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "shop "+r.URL.String())
	}))
	t.Cleanup(shop.Close)
	return &browser{bundle: setup(t), shop: shop}
}

func (br *browser) open(extra ...string) string {
	br.t.Helper()
	return br.checkout(append([]string{
		"success_url", br.shop.URL + "/thanks?cs={CHECKOUT_SESSION_ID}&again={CHECKOUT_SESSION_ID}", "cancel_url", br.shop.URL + "/cart",
	}, extra...)...)
}

func (br *browser) get(path string) (int, string) {
	br.t.Helper()
	req, err := http.NewRequestWithContext(br.t.Context(), http.MethodGet, br.url+path, nil)
	require.NoError(br.t, err)
	return br.do(req)
}

func (br *browser) submit(path string, fields url.Values) (int, string) {
	br.t.Helper()
	req, err := http.NewRequestWithContext(br.t.Context(), http.MethodPost, br.url+path, nil)
	require.NoError(br.t, err)
	req.Body, req.ContentLength = io.NopCloser(strings.NewReader(fields.Encode())), int64(len(fields.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return br.do(req)
}

func (br *browser) do(req *http.Request) (int, string) {
	br.t.Helper()
	resp, err := br.client.Do(req)
	require.NoError(br.t, err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(br.t, err)
	return resp.StatusCode, string(raw)
}

func TestHostedPage(t *testing.T) {
	t.Parallel()
	t.Run("shows what is paid, and says that it is a stand-in", func(t *testing.T) {
		t.Parallel()
		br := browse(t)
		cs := br.open("line_items[0][price_data][product_data][name]", "<b>Tea</b>")
		status, page := br.get("/c/pay/" + cs)
		require.Equal(t, 200, status)
		for _, want := range []string{
			"Stand-in for Stripe", "no real money", "100.00 EUR", "&lt;b&gt;Tea&lt;/b&gt;", `href="` + br.shop.URL + `/cart"`,
			"4242424242424242", "insufficient funds", "3-D Secure", "Bank debit, fails later", "width=device-width",
			`<label for="card">`, `<label for="number">`,
		} {
			require.Contains(t, page, want)
		}
		require.NotContains(t, page, "<script")
	})
	t.Run("pay leads to the shop with the session's id", func(t *testing.T) {
		t.Parallel()
		br := browse(t)
		cs := br.open()
		_, page := br.submit("/c/pay/"+cs, url.Values{"card": {"success"}})
		require.Equal(t, "shop /thanks?cs="+cs+"&again="+cs, page)
		status, page := br.get("/c/pay/" + cs)
		require.Equal(t, 200, status)
		require.Contains(t, page, "This payment is complete")
		require.Contains(t, page, "Continue to the shop")
		_, page = br.submit("/c/pay/"+cs, url.Values{"card": {"success"}})
		require.Contains(t, page, "This payment is complete", "a second click pays nothing")
		require.Equal(t, 1, br.books().Totals["eur"].Captures)
	})
	t.Run("a typed number goes before the list and is never shown again", func(t *testing.T) {
		t.Parallel()
		br := browse(t)
		cs := br.open()
		_, page := br.submit("/c/pay/"+cs, url.Values{"card": {"success"}, "number": {"4111 1111 1111 1111"}})
		require.Contains(t, page, "not one of the test cards")
		require.NotContains(t, page, "4111")
		_, page = br.submit("/c/pay/"+cs, url.Values{"card": {"generic_decline"}, "number": {"5555 5555 5555 4444"}})
		require.Contains(t, page, "shop /thanks")
	})
}

func TestHostedPageAfterATry(t *testing.T) {
	t.Parallel()
	t.Run("a decline is explained and can be retried", func(t *testing.T) {
		t.Parallel()
		br := browse(t)
		cs := br.open()
		status, page := br.submit("/c/pay/"+cs, url.Values{"card": {"insufficient_funds"}})
		require.Equal(t, 200, status)
		require.Contains(t, page, "Your card has insufficient funds.")
		require.Contains(t, page, `role="alert"`)
		require.Contains(t, page, `value="insufficient_funds" selected`)
		_, page = br.submit("/c/pay/"+cs, url.Values{"card": {"success"}})
		require.Contains(t, page, "shop /thanks")
	})
	t.Run("3-D Secure is a page of its own", func(t *testing.T) {
		t.Parallel()
		br := browse(t)
		cs := br.open()
		_, page := br.submit("/c/pay/"+cs, url.Values{"card": {"three_d_secure"}})
		require.Contains(t, page, "Complete authentication")
		require.Equal(t, "requires_action", br.intent(br.session(cs).text("payment_intent")).text("status"))
		_, page = br.submit("/c/pay/"+cs+"/authenticate", url.Values{"result": {"whatever"}})
		require.Contains(t, page, "Complete authentication")
		_, page = br.submit("/c/pay/"+cs+"/authenticate", url.Values{"result": {"fail"}})
		require.Contains(t, page, "unable to authenticate")
		_, page = br.submit("/c/pay/"+cs+"/authenticate", url.Values{"result": {"complete"}})
		require.Contains(t, page, "Test payment method", "nothing waits for authentication now")
		br.submit("/c/pay/"+cs, url.Values{"card": {"three_d_secure"}})
		_, page = br.submit("/c/pay/"+cs+"/authenticate", url.Values{"result": {"complete"}})
		require.Contains(t, page, "shop /thanks")
	})
	t.Run("manual capture says authorize", func(t *testing.T) {
		t.Parallel()
		br := browse(t)
		_, page := br.get("/c/pay/" + br.open("payment_intent_data[capture_method]", "manual"))
		require.Contains(t, page, "Authorize 100.00 EUR")
	})
}

func TestPagesOfClosedSessions(t *testing.T) {
	t.Parallel()
	t.Run("expired and unknown pages say so", func(t *testing.T) {
		t.Parallel()
		br := browse(t)
		cs := br.open()
		br.clock.advance(24 * time.Hour)
		status, page := br.get("/c/pay/" + cs)
		require.Equal(t, http.StatusGone, status)
		require.Contains(t, page, "expired")
		require.Contains(t, page, br.shop.URL+"/cart")
		status, _ = br.submit("/c/pay/"+cs, url.Values{"card": {"success"}})
		require.Equal(t, http.StatusGone, status)
		require.Nil(t, br.session(cs).at("payment_intent"))
		status, page = br.get("/c/pay/cs_none")
		require.Equal(t, http.StatusNotFound, status)
		require.Contains(t, page, "does not exist")
	})
	t.Run("the overview lists checkouts and money", func(t *testing.T) {
		t.Parallel()
		br := browse(t)
		_, page := br.get("/")
		require.Contains(t, page, "No checkouts yet.")
		cs := br.open()
		br.submit("/c/pay/"+cs, url.Values{"card": {"success"}})
		open := br.open("client_reference_id", "ref-2")
		_, page = br.get("/")
		require.Contains(t, page, "100.00 EUR")
		require.Contains(t, page, "3.20 EUR")
		require.Contains(t, page, "/_books?ref=ref-2")
		require.Contains(t, page, br.url+"/c/pay/"+open)
	})
}
