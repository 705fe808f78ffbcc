package chaos

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"tillflow/internal/crypt"
	"tillflow/internal/store"
	"tillflow/standin/faults"
	"tillflow/standin/shopify"
	"tillflow/standin/stripe"
)

// options are the labels of a shop's ways to pay: two accounts at the provider.
var options = [...]string{"Card", "Other card"}

// scene is one play of a story: a shop, its accounts and its neighbours, none of them known to any other play.
type scene struct {
	*World
	story    Story
	shop     string
	keys     []string // of the accounts at the provider, one for each option
	secrets  []string // that sign the accounts' messages
	rows     []string // our ids of the accounts
	pages    string   // where the provider's pages are
	server   *http.Server
	stripe   *stripe.Server
	shopify  *shopify.Server
	temporal *faults.Switchboard // of the line to Temporal
	post     *office
	sales    []*sale

	mu       sync.Mutex
	requests []request    // captures, voids and refunds, in the order in which they were sent
	hits     map[Cell]int // of runs; faults are counted by the stand-ins
	told     []string     // what happened, for readers of a failure
}

// sale is what became of one of the story's sales.
type sale struct {
	Sale
	id string // Shopify's

	mu    sync.Mutex
	at    time.Time         // before its session was sent
	link  string            // the buyer's, once the session was accepted
	pages map[string]string // the provider's pages, by label
}

// raise puts the scene up.
func (w *World) raise(ctx context.Context, story Story) (*scene, error) {
	n := w.plays.Add(1)
	s := &scene{
		World: w, story: story, shop: fmt.Sprintf("chaos-%d.myshopify.com", n), hits: map[Cell]int{},
		temporal: faults.New(faults.Options{Calls: []string{temporalStart, temporalSignal}}),
	}
	for i, drawn := range story.Sales {
		s.sales = append(s.sales, &sale{Sale: drawn, id: fmt.Sprintf("p%ds%d", n, i), pages: map[string]string{}})
	}
	for _, step := range []func(context.Context) error{s.install, s.raiseStripe, s.raiseShopify} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, s.strike())
		}
	}
	s.wire.connect(s.shop, s.shopify, s.keys, s.profile.before(s.stripe))
	s.boards.Store(s.shop, s.temporal)
	return s, nil
}

// install writes what an installed app has.
func (s *scene) install(ctx context.Context) error {
	if err := s.service.Store.PutShop(ctx, store.Shop{Shop: s.shop, Label: "Chaos", Active: true}); err != nil {
		return err
	}
	until := time.Hour
	if s.story.StaleToken {
		until = -time.Minute
	}
	err := s.service.Store.PutToken(ctx, s.shop, crypt.Secret(s.token("shpat_")), crypt.Secret(s.token("shprt_")), s.stack.Clock.Now().Add(until))
	if err != nil {
		return err
	}
	for i, label := range options {
		key, secret := "sk_test_"+rand.Text(), "whsec_"+rand.Text()
		id, err := s.service.Store.PutAccount(ctx, store.Account{
			Shop: s.shop, Provider: "stripe", Label: label, Position: i, Enabled: true,
		}, map[string]string{"secret_key": key, "webhook_secret": secret})
		if err != nil {
			return err
		}
		s.keys, s.secrets, s.rows = append(s.keys, key), append(s.secrets, secret), append(s.rows, id)
	}
	return nil
}

// token is the shop's first one with a prefix.
func (s *scene) token(prefix string) string { return prefix + s.shop }

func (s *scene) raiseStripe(ctx context.Context) error {
	mux := http.NewServeMux()
	var err error
	if s.server, s.pages, err = listen(ctx, mux); err != nil {
		return err
	}
	s.post = newOffice(s.stack.PayURL)
	o := stripe.Options{
		Now: s.stack.Clock.Now, PublicURL: s.pages, SettleDelay: time.Second, Log: s.log, RefundsUnchecked: s.profile == Unchecked,
		// A service that answers an error has the message again soon.
		WebhookRetry: []time.Duration{200 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second},
	}
	for i := range options {
		o.Accounts = append(o.Accounts, stripe.Account{
			ID: account(i), SecretKey: stripe.Secret(s.keys[i]),
			Webhooks: []stripe.Webhook{{URL: s.pages + "/_post/webhook/stripe/" + s.rows[i], Secret: stripe.Secret(s.secrets[i]), Events: events()}},
		})
	}
	if s.stripe, err = stripe.New(o); err != nil {
		return err
	}
	mux.Handle("/_post/", http.StripPrefix("/_post", s.post))
	mux.Handle("/", s.stripe)
	return nil
}

// account is the provider's name of the account behind an option.
func account(option int) string { return fmt.Sprintf("acct_%d", option) }

func (s *scene) raiseShopify(context.Context) error {
	who, err := s.stack.ShopifyIdentity()
	if err != nil {
		return err
	}
	s.shopify, err = shopify.New(shopify.Options{
		Now: s.stack.Clock.Now, PublicURL: "http://shop.invalid", ClientCertificate: who.Certificate, RootCAs: who.Roots,
		ClientID: who.ClientID, ClientSecret: who.Secret, App: s.app(), Log: s.log,
		Throttle: shopify.Throttle{MaximumAvailable: 1e6, RestoreRate: 1e5},
		Shops: []shopify.Shop{{
			Domain: s.shop, AccessToken: shopify.Secret(s.token("shpat_")), RefreshToken: shopify.Secret(s.token("shprt_")),
			Plan: shopify.PlanComponents,
		}},
	})
	return err
}

// strike takes the scene down.
func (s *scene) strike() error {
	s.wire.disconnect(s.shop, s.keys)
	s.boards.Delete(s.shop)
	s.temporal.Close()
	var err error
	if s.shopify != nil {
		err = s.shopify.Close()
	}
	if s.stripe != nil {
		err = errors.Join(err, s.stripe.Close())
	}
	if s.server != nil {
		err = errors.Join(err, s.server.Close())
	}
	return err
}

// say notes what happened.
func (s *scene) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = append(s.told, s.stack.Clock.Now().UTC().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}
