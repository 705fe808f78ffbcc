// Package shopifytest is what a test needs around the stand-in Shopify: a
// service beside it, each at an address of its own, and a merchant's browser.
package shopifytest

import (
	"bytes"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/standin/shopify"
)

// Town is Shopify and a service. Each must know the other's address before it
// is made, so the addresses come first; nothing may be asked for at one before
// its server is there.
type Town struct {
	ServiceURL, ShopifyURL string
	Shopify                *shopify.Server
	Browser                *http.Client // follows redirects and keeps cookies

	t                testing.TB
	service, shopify atomic.Pointer[http.Handler]
}

// New opens the addresses, until the test ends.
func New(t testing.TB) *Town {
	t.Helper()
	w := &Town{t: t}
	listen := func(h *atomic.Pointer[http.Handler]) string {
		server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { (*h.Load()).ServeHTTP(rw, r) }))
		t.Cleanup(server.Close)
		return server.URL
	}
	w.ServiceURL, w.ShopifyURL = listen(&w.service), listen(&w.shopify)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	w.Browser = &http.Client{Jar: jar, Timeout: 20 * time.Second}
	return w
}

// OpenShopify starts Shopify. The town fills in its address, and an app for
// payment sessions that nobody can reach.
func (w *Town) OpenShopify(o shopify.Options) {
	w.t.Helper()
	o.PublicURL, o.App = w.ShopifyURL, shopify.App{PaymentSessionURL: "https://127.0.0.1:1/shopify/payment_session"}
	lender := httptest.NewTLSServer(nil) // of a certificate; nobody is shown it
	lender.Close()
	o.ClientCertificate = lender.TLS.Certificates[0]
	server, err := shopify.New(o)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, server.Close()) })
	w.Shopify = server
	var h http.Handler = server
	w.shopify.Store(&h)
}

// OpenService puts the service at its address.
func (w *Town) OpenService(h http.Handler) { w.service.Store(&h) }

// Send makes a request of the merchant's browser and answers the page at its end.
func (w *Town) Send(method, address string, form url.Values) (status int, page string, at *url.URL) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, address, bytes.NewReader([]byte(form.Encode())))
	require.NoError(w.t, err)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := w.Browser.Do(r)
	require.NoError(w.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	return resp.StatusCode, string(body), resp.Request.URL
}

// Install is Send for a request that begins an installation: the merchant of
// the shop agrees, if Shopify asks.
func (w *Town) Install(method, address, shop string) (page string, at *url.URL) {
	w.t.Helper()
	status, page, at := w.Send(method, address, nil)
	require.Equal(w.t, http.StatusOK, status, page)
	if strings.HasSuffix(at.Path, "/admin/oauth/authorize") { // Shopify asks, unless the app is installed
		status, page, at = w.Send(http.MethodPost, w.ShopifyURL+"/shops/"+shop+"/admin/oauth/authorize", at.Query())
		require.Equal(w.t, http.StatusOK, status, page)
	}
	return page, at
}
