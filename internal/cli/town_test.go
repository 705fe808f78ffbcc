package cli

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/internal/config"
	"tillflow/internal/shopify/app"
	"tillflow/internal/store/storetest"
	standin "tillflow/standin/shopify"
)

const (
	newShop = "new-dev.myshopify.com"
	oldShop = "old-dev.myshopify.com"
)

// town is the wired service and a stand-in Shopify, each on an address of its
// own and on a clock that tests move.
type town struct {
	*Service
	t       *testing.T
	public  string
	shopify *standin.Server
	at      string // Shopify's address
	offset  atomic.Int64
	log     safeBuffer
	browser *http.Client
}

// safeBuffer is a log that is read while it is written.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func (w *town) clock() time.Time { return time.Now().Add(time.Duration(w.offset.Load())) }

func (w *town) skip(d time.Duration) { w.offset.Add(int64(d)) }

// newTown wires everything on a database of its own: what dispatches and renews
// takes all that it finds. change edits the settings.
func newTown(t *testing.T, change ...func(map[string]string)) *town {
	t.Helper()
	w := &town{t: t}
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	w.browser = &http.Client{Jar: jar, Timeout: 20 * time.Second}
	// Each must know the other's address before it is made.
	var service, platform atomic.Pointer[http.Handler]
	listen := func(h *atomic.Pointer[http.Handler]) string {
		server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { (*h.Load()).ServeHTTP(rw, r) }))
		t.Cleanup(server.Close)
		return server.URL
	}
	w.public, w.at = listen(&service), listen(&platform)
	vars := settings()
	for name, value := range map[string]string{
		"ENVIRONMENT": "development", "DATABASE_URL": storetest.Database(t), "PUBLIC_URL": w.public, "SHOPIFY_URL": w.at + "/shops/{shop}",
		"SHOPIFY_CLIENT_ID": "payments", "SHOPIFY_CLIENT_SECRET": "payments-secret",
		"SHOPIFY_ADMIN_CLIENT_ID": "admin", "SHOPIFY_ADMIN_CLIENT_SECRET": "admin-secret",
	} {
		vars["TILLFLOW_"+name] = value
	}
	for _, c := range change {
		c(vars)
	}
	w.Service = w.open(vars)
	theirs := w.openShopify()
	platform.Store(&theirs)
	ours, err := w.publicHandler()
	require.NoError(t, err)
	service.Store(&ours)
	return w
}

// open wires one process of the service.
func (w *town) open(vars map[string]string) *Service {
	w.t.Helper()
	c, err := config.Load(func(name string) string { return vars[name] })
	require.NoError(w.t, err)
	s, err := New(w.t.Context(), c, Options{Roles: Roles{HTTP: true, Worker: true}, Log: zerolog.New(&w.log), Now: w.clock})
	require.NoError(w.t, err)
	w.t.Cleanup(s.Close)
	return s
}

func (w *town) openShopify() http.Handler {
	w.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(w.t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(w.t, err)
	listing := func(mount string, scopes []string) standin.Listing {
		var topics []string
		for _, topic := range app.Topics(app.Payments) {
			topics = append(topics, string(topic))
		}
		return standin.Listing{
			AppURL: w.public + mount + "/install", RedirectURLs: []string{w.public + mount + "/callback"}, Scopes: scopes,
			Webhooks: []standin.Webhook{{Topics: topics, URI: w.public + "/webhook/shopify"}},
		}
	}
	server, err := standin.New(standin.Options{
		Now: w.clock, PublicURL: w.at, App: standin.App{PaymentSessionURL: "https://127.0.0.1:1/shopify/payment_session"},
		ClientCertificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		ClientID:          "payments", ClientSecret: "payments-secret", Listing: listing("/shopify", w.Config.ShopifyScopes),
		AdminApp: &standin.SecondApp{ClientID: "admin", ClientSecret: "admin-secret", Listing: listing("/shopify/admin", w.Config.ShopifyAdminScopes)},
		Shops:    []standin.Shop{{Domain: newShop}, {Domain: oldShop, AccessToken: "shpat_old", RefreshToken: "shprt_old"}},
	})
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, server.Close()) })
	w.shopify = server
	return server
}

// dispatch runs what acts on webhooks until the test ends.
func (w *town) dispatch() {
	w.t.Helper()
	ctx, stop := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.dispatcher.Run(ctx) }()
	w.t.Cleanup(func() {
		stop()
		require.NoError(w.t, <-ended)
	})
}

// send makes a request of the merchant's browser and answers the page at its end.
func (w *town) send(method, address string, form url.Values) (int, string, *url.URL) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, address, bytes.NewReader([]byte(form.Encode())))
	require.NoError(w.t, err)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := w.browser.Do(r)
	require.NoError(w.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	return resp.StatusCode, string(body), resp.Request.URL
}

// install takes the merchant from Admin through an installation and answers the page at its end.
func (w *town) install(handle, mount string) string {
	w.t.Helper()
	status, page, at := w.send(http.MethodPost, w.at+"/shops/"+newShop+"/admin/apps/"+handle+"/open", url.Values{})
	require.Equal(w.t, http.StatusOK, status, page)
	if strings.HasSuffix(at.Path, "/admin/oauth/authorize") { // Shopify asks, unless the app is installed
		status, page, at = w.send(http.MethodPost, w.at+"/shops/"+newShop+"/admin/oauth/authorize", at.Query())
	}
	require.Equal(w.t, http.StatusOK, status, page)
	end, says := mount+"/callback", "The app is installed"
	if handle == "payments" { // what the merchant sets up is ours to ask
		end, says = "/settings", "Activate it at Shopify"
	}
	require.Equal(w.t, end, at.Path)
	require.Contains(w.t, page, says)
	return page
}

func (w *town) uninstall(handle string) {
	w.t.Helper()
	status, page, _ := w.send(http.MethodPost, w.at+"/shops/"+newShop+"/admin/apps/"+handle+"/uninstall", url.Values{})
	require.Equal(w.t, http.StatusOK, status, page)
}

// books are what Shopify has written about an app at a shop.
func (w *town) books(shop, handle string) standin.AppBook {
	w.t.Helper()
	return w.shopify.Books(shop, false).Shops[shop].Apps[handle]
}

// issued counts the access tokens that Shopify gave out for a reason.
func (w *town) issued(shop, handle string, by standin.TokenOrigin) int {
	w.t.Helper()
	n := 0
	for _, token := range w.books(shop, handle).Tokens {
		if token.By == by {
			n++
		}
	}
	return n
}
