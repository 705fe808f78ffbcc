package install_test

import (
	"context"
	"net/http"
	"net/url"
	"path"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/api"
	"tillflow/api/hook"
	"tillflow/api/install"
	"tillflow/internal/payment"
	"tillflow/internal/shopify"
	"tillflow/internal/shopify/admin"
	"tillflow/internal/shopify/app"
	inbox "tillflow/internal/shopify/hook"
	core "tillflow/internal/shopify/install"
	"tillflow/internal/store"
	"tillflow/internal/store/storetest"
	standin "tillflow/standin/shopify"
	"tillflow/standin/shopify/shopifytest"
)

// town is the service beside the stand-in Shopify.
type town struct {
	*store.Store
	*shopifytest.Town
	t       *testing.T
	apps    map[app.Name]*shopify.Refresher
	privacy chan hook.PrivacyRequest
}

// Request implements hook.Erasures.
func (w *town) Request(_ context.Context, r hook.PrivacyRequest) error {
	w.privacy <- r
	return nil
}

func (w *town) scopes(name app.Name) []string {
	if name == app.Admin {
		return []string{"read_orders"}
	}
	return []string{"write_payment_gateways", "write_payment_sessions"}
}

func newTown(t *testing.T, shops ...standin.Shop) *town {
	t.Helper()
	w := &town{Town: shopifytest.New(t), t: t, apps: map[app.Name]*shopify.Refresher{}, privacy: make(chan hook.PrivacyRequest, 8)}
	w.Store = storetest.Open(t, time.Now).Store
	w.openShopify(shops)
	w.openService()
	return w
}

func (w *town) openShopify(shops []standin.Shop) {
	w.t.Helper()
	declared := func(mount string) standin.Listing {
		return standin.Listing{
			AppURL: w.ServiceURL + mount + "/install", RedirectURLs: []string{w.ServiceURL + mount + "/callback"},
			Webhooks: []standin.Webhook{{
				Topics: []string{"app/uninstalled", "app/scopes_update", "customers/data_request", "customers/redact", "shop/redact"},
				URI:    w.ServiceURL + "/webhook/shopify",
			}},
			PermanentTokens: true,
		}
	}
	w.OpenShopify(standin.Options{
		ClientID: "payments-client", ClientSecret: "payments-secret", Listing: declared("/shopify"), Shops: shops,
		AdminApp: &standin.SecondApp{ClientID: "admin-client", ClientSecret: "admin-secret", Listing: declared("/shopify/admin")},
	})
}

func (w *town) openService() {
	w.t.Helper()
	calls := &http.Client{Timeout: 10 * time.Second}
	dispatcher, err := hook.NewDispatcher(hook.Dispatcher{Queue: w.Store, Shops: w.Store, Erasures: w, Log: zerolog.Nop()})
	require.NoError(w.t, err)
	ctx, stop := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- dispatcher.Run(ctx) }()
	w.t.Cleanup(func() {
		stop()
		require.NoError(w.t, <-ended)
	})
	groups := []api.Group{&hook.Handler{
		Keys:       []inbox.Key{{App: app.Payments, Secret: "payments-secret"}, {App: app.Admin, Secret: "admin-secret"}},
		Deliveries: w.Store, Soon: dispatcher.Soon, Now: time.Now, Log: zerolog.Nop(),
	}}
	for name, mount := range map[app.Name]string{app.Payments: "/shopify", app.Admin: "/shopify/admin"} {
		refresher, err := shopify.NewRefresher(shopify.RefresherOptions{
			BaseURL: w.ShopifyURL + "/shops/{shop}", ClientID: string(name) + "-client", ClientSecret: app.Secret(string(name) + "-secret"),
			HTTPClient: calls, Log: zerolog.Nop(), Now: time.Now,
		})
		require.NoError(w.t, err)
		w.apps[name] = refresher
		h, err := install.New(install.Options{
			App: core.App{
				Name: name, BaseURL: w.ShopifyURL + "/shops/{shop}", ClientID: string(name) + "-client", Secrets: []app.Secret{app.Secret(string(name) + "-secret")},
				Scopes: w.scopes(name), RedirectURL: w.ServiceURL + mount + "/callback",
			},
			Platform: refresher, Installs: w.Store, Path: mount, Now: time.Now, Log: zerolog.Nop(),
		})
		require.NoError(w.t, err)
		groups = append(groups, h)
	}
	w.OpenService(api.New(zerolog.Nop(), func(context.Context) error { return nil }, groups...))
}

// install takes the merchant through the installation.
func (w *town) install(mount string) {
	w.t.Helper()
	page, at := w.Install(http.MethodGet, w.ServiceURL+mount+"/install?shop="+shop, shop)
	require.Equal(w.t, mount+"/callback", at.Path)
	require.Contains(w.t, page, "The app is installed")
}

func (w *town) token(name app.Name) (string, error) {
	return w.AppToken(w.t.Context(), name, shop, func(context.Context, string) (string, string, time.Time, error) {
		panic("no refresh was due")
	})
}

func (w *town) adminClient() *admin.Client {
	w.t.Helper()
	client, err := admin.New(admin.Options{Shopify: shopify.Options{
		API: shopify.AdminAPI, BaseURL: w.ShopifyURL + "/shops/{shop}", HTTPClient: &http.Client{Timeout: 10 * time.Second}, Tokens: source{w}, Log: zerolog.Nop(), Now: time.Now,
	}})
	require.NoError(w.t, err)
	return client
}

// source is the tokens of the second app.
type source struct{ w *town }

func (s source) Token(context.Context, string) (string, error) { return s.w.token(app.Admin) }

func (s source) Refresh(context.Context, string, string) (string, error) {
	return "", payment.Errorf(payment.Unauthorized, "no refresh was due")
}

func TestWithShopify(t *testing.T) {
	t.Parallel()
	t.Run("installed, uninstalled and installed again", func(t *testing.T) {
		t.Parallel()
		w := newTown(t, standin.Shop{Domain: shop})
		w.install("/shopify")
		first, err := w.token(app.Payments)
		require.NoError(t, err)
		w.install("/shopify") // opened once more: Shopify does not ask again
		status, page, _ := w.Send(http.MethodPost, w.ShopifyURL+"/shops/"+shop+"/admin/apps/payments/uninstall", url.Values{})
		require.Equal(t, http.StatusOK, status, page)
		require.Eventually(t, func() bool {
			_, err := w.token(app.Payments)
			return payment.ClassOf(err, "") == payment.NotFound
		}, 20*time.Second, 20*time.Millisecond, "app/uninstalled came and was acted on")
		found, err := w.Shop(t.Context(), shop)
		require.NoError(t, err)
		require.False(t, found.Active)
		w.install("/shopify")
		second, err := w.token(app.Payments)
		require.NoError(t, err)
		require.NotEqual(t, first, second)
		found, err = w.Shop(t.Context(), shop)
		require.NoError(t, err)
		require.True(t, found.Active)
	})
	t.Run("the second app subscribes, and what was removed is found", func(t *testing.T) {
		t.Parallel()
		w := newTown(t, standin.Shop{Domain: shop})
		w.install("/shopify/admin")
		client, address := w.adminClient(), w.ServiceURL+"/webhook/shopify"
		list, err := client.Subscriptions(t.Context(), shop)
		require.NoError(t, err)
		topics := []app.Topic{app.OrdersPaid, app.RefundsCreate}
		require.Subset(t, admin.Missing(list, address), topics)
		var made admin.Subscription
		for _, topic := range topics {
			made, err = client.Subscribe(t.Context(), shop, topic, address)
			require.NoError(t, err)
			require.Equal(t, topic, made.Topic)
		}
		_, err = client.Subscribe(t.Context(), shop, app.RefundsCreate, address)
		require.Equal(t, payment.Conflict, payment.ClassOf(err, payment.Unknown))
		list, err = client.Subscriptions(t.Context(), shop)
		require.NoError(t, err)
		require.NotContains(t, admin.Missing(list, address), app.RefundsCreate)
		status, page, _ := w.Send(http.MethodDelete, w.ShopifyURL+"/_subscriptions/"+path.Base(made.ID), nil)
		require.Less(t, status, 300, page)
		list, err = client.Subscriptions(t.Context(), shop)
		require.NoError(t, err)
		require.Contains(t, admin.Missing(list, address), app.RefundsCreate)
		require.NotContains(t, admin.Missing(list, address), app.OrdersPaid)
		require.NoError(t, client.Orders(t.Context(), shop, time.Now().Add(-time.Hour), func([]admin.Order) error { return nil }))
		versions, err := client.PublicVersions(t.Context(), shop)
		require.NoError(t, err)
		require.NotEmpty(t, versions)
	})
	t.Run("an old token is converted and works", func(t *testing.T) {
		t.Parallel()
		w := newTown(t, standin.Shop{Domain: shop, AdminAccessToken: "shpat_permanent"})
		require.NoError(t, w.PutInstall(t.Context(), app.Grant{App: app.Admin, Shop: shop, AuthorizedAt: time.Now(), Tokens: app.Tokens{Access: "shpat_permanent"}}))
		keeper := core.Keeper{Tokens: w.Store, Platforms: map[app.Name]core.Platform{app.Admin: w.apps[app.Admin]}, Now: time.Now, Log: zerolog.Nop()}
		kept, err := keeper.Keep(t.Context())
		require.NoError(t, err)
		require.Equal(t, core.Kept{Converted: 1}, kept)
		token, err := w.token(app.Admin)
		require.NoError(t, err)
		require.NotEqual(t, "shpat_permanent", token)
		_, err = w.adminClient().PublicVersions(t.Context(), shop)
		require.NoError(t, err)
	})
}
