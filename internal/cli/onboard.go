package cli

import (
	"context"

	"tillflow/api/onboard"
	core "tillflow/internal/onboard"
	"tillflow/internal/shopify"
	"tillflow/internal/store"
)

// settings are the pages on which merchants set the payments app up.
func (s *Service) settings(a shopApp) (*onboard.Handler, error) {
	client, err := shopify.New(shopify.Options{
		BaseURL: s.Config.ShopifyURL, HTTPClient: s.calls, Tokens: s.tokenSource(a), Log: s.log, Now: s.now,
	})
	if err != nil {
		return nil, err
	}
	return onboard.New(onboard.Options{
		App: a.App, Records: s.Store, Desk: &core.Desk{Records: s.Store, Providers: s.Connectors},
		Tell:      func(ctx context.Context, shop string) error { return s.tellReady(ctx, client, shop) },
		PublicURL: origin(s.Config.PublicURL), Now: s.now, Log: s.log,
	})
}

// tellReady tells Shopify at once what [readiness] would tell it soon.
func (s *Service) tellReady(ctx context.Context, shopify configurer, shop string) error {
	is, told, err := s.Store.Ready(ctx, shop)
	if err != nil || is == told {
		return err
	}
	r := &readiness{records: s.Store, shop: shopify, now: s.now, log: s.log, refused: map[string]refusal{}}
	return r.one(ctx, store.Readiness{Shop: shop, Ready: is})
}
