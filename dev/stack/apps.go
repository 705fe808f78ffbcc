package stack

import (
	"context"
	"errors"
	"time"

	"tillflow/internal/crypt"
	"tillflow/internal/payment"
	"tillflow/internal/shopify/app"
	"tillflow/internal/store"
	"tillflow/standin/shopify"
)

// Client ids of our two apps at the stand-in Shopify.
const (
	clientID      = "tillflow-dev"
	adminClientID = "tillflow-dev-admin"
)

// listing is an app as deploy/ declares it to Shopify, at the stack's addresses.
func (s *Stack) listing(name, mount string, scopes []string) shopify.Listing {
	var topics []string
	for _, topic := range app.Topics(app.Payments) { // what every app declares
		topics = append(topics, string(topic))
	}
	return shopify.Listing{
		Name: name, AppURL: s.PayURL + mount + "/install", RedirectURLs: []string{s.PayURL + mount + "/callback"}, Scopes: scopes,
		Webhooks: []shopify.Webhook{{Topics: topics, URI: s.PayURL + "/webhook/shopify"}},
	}
}

// register adds our apps to the stand-in's options: what it knows of them, and
// the shops that have installed the payments app or have not.
func (s *Stack) register(o *shopify.Options) {
	o.ClientID, o.ClientSecret = clientID, shopify.Secret(s.secrets.AppSecret)
	o.Listing = s.listing("tillflow", "/shopify", s.Config.ShopifyScopes)
	o.AdminApp = &shopify.SecondApp{
		ClientID: adminClientID, ClientSecret: shopify.Secret(s.secrets.AdminSecret),
		Listing: s.listing("tillflow orders", "/shopify/admin", s.Config.ShopifyAdminScopes),
	}
	for _, shop := range s.shops() {
		o.Shops = append(o.Shops, shopify.Shop{
			Domain: shop, AccessToken: shopify.Secret(s.secrets.AccessToken), RefreshToken: shopify.Secret(s.secrets.Refresh), Plan: shopify.PlanComponents,
		})
	}
	for _, shop := range s.opts.NewShops {
		o.Shops = append(o.Shops, shopify.Shop{Domain: shop, Plan: shopify.PlanComponents})
	}
}

// seedInstallation writes what the record has of a shop that installed the
// payments app. A shop from which somebody uninstalled it stays without.
func (s *Stack) seedInstallation(ctx context.Context, st *store.Store, shop string) error {
	row, err := st.Shop(ctx, shop)
	switch {
	case err == nil && !row.Active:
		return nil
	case err != nil && payment.ClassOf(err, payment.Unavailable) != payment.NotFound:
		return err
	}
	err = st.PutShop(ctx, store.Shop{Shop: shop, Label: "Acme Dev Store", Mail: "owner@" + shop, Active: true})
	if err != nil {
		return err
	}
	// The tokens rotate; those of an earlier run are the good ones.
	_, err = st.Token(ctx, shop, func(context.Context, string) (string, string, time.Time, error) {
		return "", "", time.Time{}, errors.New("not asked here")
	})
	if payment.ClassOf(err, payment.Unavailable) != payment.NotFound {
		return nil
	}
	return st.PutToken(ctx, shop, crypt.Secret(s.secrets.AccessToken), crypt.Secret(s.secrets.Refresh), s.Clock.Now().Add(time.Hour))
}
