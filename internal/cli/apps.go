package cli

import (
	"context"
	"fmt"
	"time"

	"tillflow/api"
	hookapi "tillflow/api/hook"
	installapi "tillflow/api/install"
	"tillflow/internal/crypt"
	"tillflow/internal/shopify"
	"tillflow/internal/shopify/app"
	"tillflow/internal/shopify/hook"
	"tillflow/internal/shopify/install"
)

// shopApp is one of our apps at Shopify, as configured.
type shopApp struct {
	install.App
	// mount is where its installation is served, on the public listener.
	mount     string
	refresher *shopify.Refresher
}

// appSettings are what the environment says about one app.
type appSettings struct {
	name           app.Name
	id             string
	secret, before crypt.Secret
	scopes         []string
	mount          string
}

// openApps wires the apps that are configured. What is off is said once.
func (s *Service) openApps() error {
	c := s.Config
	for _, set := range []appSettings{
		{app.Payments, c.ShopifyClientID, c.ShopifyClientSecret, c.ShopifyClientSecretPrevious, c.ShopifyScopes, "/shopify"},
		{app.Admin, c.ShopifyAdminClientID, c.ShopifyAdminClientSecret, c.ShopifyAdminClientSecretPrevious, c.ShopifyAdminScopes, "/shopify/admin"},
	} {
		if set.id == "" {
			s.log.Info().Str("app", string(set.name)).Msg("no such app at shopify is configured: its installation and webhooks are off")
			continue
		}
		wired, err := s.openApp(set)
		if err != nil {
			return err
		}
		s.apps = append(s.apps, wired)
	}
	return nil
}

func (s *Service) openApp(set appSettings) (shopApp, error) {
	out := shopApp{mount: set.mount, App: install.App{
		Name: set.name, BaseURL: s.Config.ShopifyURL, ClientID: set.id, Secrets: []app.Secret{app.Secret(set.secret.Reveal())},
		Scopes: set.scopes, RedirectURL: origin(s.Config.PublicURL) + set.mount + "/callback",
	}}
	if set.before != "" {
		out.Secrets = append(out.Secrets, app.Secret(set.before.Reveal()))
	}
	var err error
	out.refresher, err = shopify.NewRefresher(shopify.RefresherOptions{
		BaseURL: s.Config.ShopifyURL, ClientID: set.id, ClientSecret: app.Secret(set.secret.Reveal()), HTTPClient: s.calls, Log: s.log, Now: s.now,
	})
	if err != nil {
		return out, fmt.Errorf("open the %s app: %w", set.name, err)
	}
	return out, out.Check()
}

// app finds a configured one.
func (s *Service) app(name app.Name) (shopApp, bool) {
	for _, a := range s.apps {
		if a.Name == name {
			return a, true
		}
	}
	return shopApp{}, false
}

// appRoutes serve the installation of each app, and the webhooks of all.
func (s *Service) appRoutes() ([]api.Group, error) {
	var groups []api.Group
	var keys []hook.Key
	for _, a := range s.apps {
		for _, secret := range a.Secrets {
			keys = append(keys, hook.Key{App: a.Name, Secret: secret})
		}
		o := installapi.Options{App: a.App, Platform: a.refresher, Installs: s.Store, Path: a.mount, Now: s.now, Log: s.log}
		if a.Name == app.Payments {
			settings, err := s.settings(a)
			if err != nil {
				return nil, fmt.Errorf("serve the merchant's settings: %w", err)
			}
			o.Landed = settings.Landed
			groups = append(groups, settings)
		}
		pages, err := installapi.New(o)
		if err != nil {
			return nil, fmt.Errorf("serve the installation of the %s app: %w", a.Name, err)
		}
		groups = append(groups, pages)
	}
	if len(keys) == 0 {
		return nil, nil
	}
	inbox := &hookapi.Handler{Keys: keys, Deliveries: s.Store, Now: s.now, Log: s.log}
	if s.dispatcher != nil { // else a worker of another process finds them by itself
		inbox.Soon = s.dispatcher.Soon
	}
	return append(groups, inbox), nil
}

// openDispatcher wires what acts on webhooks. Workers do, so that a page of ours
// never waits for it.
func (s *Service) openDispatcher() error {
	if !s.roles.Worker {
		return nil
	}
	d, err := hookapi.NewDispatcher(hookapi.Dispatcher{Queue: s.Store, Shops: s.Store, Erasures: s.requests(), Hints: s.listeners(), Log: s.log})
	s.dispatcher = d
	return err
}

// tokens let the store keep and lock what the app's refresher renews.
type tokens struct {
	service *Service
	app     shopApp
}

// tokenSource gives an app's tokens: one call for all who want a shop's at once.
func (s *Service) tokenSource(a shopApp) shopify.TokenSource {
	return shopify.Shared(tokens{s, a})
}

func (t tokens) Token(ctx context.Context, shop string) (string, error) {
	return t.service.Store.AppToken(ctx, t.app.Name, shop, t.renew(shop))
}

func (t tokens) Refresh(ctx context.Context, shop, stale string) (string, error) {
	return t.service.Store.RotateAppToken(ctx, app.Renewal{App: t.app.Name, Shop: shop}, stale, t.renew(shop))
}

func (t tokens) renew(shop string) func(context.Context, string) (string, string, time.Time, error) {
	return func(ctx context.Context, refresh string) (string, string, time.Time, error) {
		fresh, err := t.app.refresher.RefreshToken(ctx, shop, app.Secret(refresh))
		return string(fresh.Access), string(fresh.Refresh), fresh.AccessExpiresAt, err
	}
}
