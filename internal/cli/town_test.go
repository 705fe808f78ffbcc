package cli

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
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
	"tillflow/standin/shopify/shopifytest"
)

const (
	newShop = "new-dev.myshopify.com"
	oldShop = "old-dev.myshopify.com"
)

// town is the wired service and a stand-in Shopify, on a clock that tests move.
type town struct {
	*Service
	*shopifytest.Town
	t      *testing.T
	offset atomic.Int64
	log    safeBuffer
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
	w := &town{Town: shopifytest.New(t), t: t}
	vars := settings()
	for name, value := range map[string]string{
		"ENVIRONMENT": "development", "DATABASE_URL": storetest.Database(t), "PUBLIC_URL": w.ServiceURL, "SHOPIFY_URL": w.ShopifyURL + "/shops/{shop}",
		"SHOPIFY_CLIENT_ID": "payments", "SHOPIFY_CLIENT_SECRET": "payments-secret",
		"SHOPIFY_ADMIN_CLIENT_ID": "admin", "SHOPIFY_ADMIN_CLIENT_SECRET": "admin-secret",
	} {
		vars["TILLFLOW_"+name] = value
	}
	for _, c := range change {
		c(vars)
	}
	w.Service = w.open(vars)
	w.openShopify()
	ours, err := w.publicHandler()
	require.NoError(t, err)
	w.OpenService(ours)
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

func (w *town) openShopify() {
	w.t.Helper()
	listing := func(mount string, scopes []string) standin.Listing {
		var topics []string
		for _, topic := range app.Topics(app.Payments) {
			topics = append(topics, string(topic))
		}
		return standin.Listing{
			AppURL: w.ServiceURL + mount + "/install", RedirectURLs: []string{w.ServiceURL + mount + "/callback"}, Scopes: scopes,
			Webhooks: []standin.Webhook{{Topics: topics, URI: w.ServiceURL + "/webhook/shopify"}},
		}
	}
	w.OpenShopify(standin.Options{
		Now: w.clock, ClientID: "payments", ClientSecret: "payments-secret", Listing: listing("/shopify", w.Config.ShopifyScopes),
		AdminApp: &standin.SecondApp{ClientID: "admin", ClientSecret: "admin-secret", Listing: listing("/shopify/admin", w.Config.ShopifyAdminScopes)},
		Shops:    []standin.Shop{{Domain: newShop}, {Domain: oldShop, AccessToken: "shpat_old", RefreshToken: "shprt_old"}},
	})
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

// install takes the merchant from Admin through an installation and answers the page at its end.
func (w *town) install(handle, mount string) string {
	w.t.Helper()
	page, at := w.Install(http.MethodPost, w.ShopifyURL+"/shops/"+newShop+"/admin/apps/"+handle+"/open", newShop)
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
	status, page, _ := w.Send(http.MethodPost, w.ShopifyURL+"/shops/"+newShop+"/admin/apps/"+handle+"/uninstall", url.Values{})
	require.Equal(w.t, http.StatusOK, status, page)
}

// books are what Shopify has written about an app at a shop.
func (w *town) books(shop, handle string) standin.AppBook {
	w.t.Helper()
	return w.Shopify.Books(shop, false).Shops[shop].Apps[handle]
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
