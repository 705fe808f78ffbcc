package cli

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"tillflow/activities"
	"tillflow/api"
	"tillflow/api/merchant"
	"tillflow/api/pay"
	rechargeapi "tillflow/api/recharge"
	sandboxpage "tillflow/api/sandbox"
	shopifyapi "tillflow/api/shopify"
	"tillflow/api/webhook"
	"tillflow/internal/crypt"
	"tillflow/internal/mtls"
	"tillflow/internal/notify"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
	"tillflow/worker"
)

// serve answers HTTP until ctx ends.
func (s *Service) serve(ctx context.Context) error {
	public, err := s.publicHandler()
	if err != nil {
		return err
	}
	l, err := listen(ctx, s.Config.Listen, "TILLFLOW_LISTEN")
	if err != nil {
		return err
	}
	sessions, err := s.sessionServer()
	if err != nil {
		return err
	}
	sl, err := listen(ctx, s.Config.ShopifyListen, "TILLFLOW_SHOPIFY_LISTEN")
	if err != nil {
		return err
	}
	s.log.Info().Str("public", l.Addr().String()).Str("shopify", sl.Addr().String()).Msg("serving")
	group, ctx := errgroup.WithContext(ctx)
	serveOn(ctx, group, api.Server(public, s.log), l)
	serveOn(ctx, group, sessions, sl)
	return group.Wait()
}

func serveOn(ctx context.Context, group *errgroup.Group, server *http.Server, l net.Listener) {
	group.Go(func() error {
		if server.TLSConfig != nil {
			return stopped(server.ServeTLS(l, "", ""))
		}
		return stopped(server.Serve(l))
	})
	group.Go(func() error {
		<-ctx.Done()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
		defer cancel()
		return server.Shutdown(ctx)
	})
}

func (s *Service) ready(ctx context.Context) error { return s.Store.Ping(ctx) }

// publicHandler serves buyers, merchants, webhooks and the codec.
func (s *Service) publicHandler() (http.Handler, error) {
	pages, err := pay.New(s.Store, s.Runs, s.covers, s.log)
	if err != nil {
		return nil, err
	}
	own, err := pay.NewSubscriptions(s.Store, s.Runs, s.log)
	if err != nil {
		return nil, err
	}
	box, err := sandboxpage.New(s.Store, s.now, s.log)
	if err != nil {
		return nil, err
	}
	groups, err := s.appRoutes()
	if err != nil {
		return nil, err
	}
	desk, err := s.console()
	if err != nil {
		return nil, err
	}
	fetch, err := s.downloads()
	if err != nil {
		return nil, err
	}
	groups = append(append(groups, desk...), fetch)
	sold := members{s.Store, s.soon}
	handler := api.New(s.log, s.ready, append(
		groups, pages, own, box, &pay.Brands{Logos: s.Store, Log: s.log},
		&rechargeapi.Handler{Deliveries: s.Store, Now: s.now, Log: s.log},
		&webhook.Handler{Events: s.Store, Runs: s.Runs, Connectors: s.Connectors, Now: s.now, Log: s.log},
		&merchant.Handler{
			Records: s.Store, Runs: s.soon, Providers: s.providers, Link: s.link,
			Resolution: s.Timing.Resolution, Now: s.now, Log: s.log,
			Subscriptions: sold, SubscriptionRuns: sold, Keepers: s.keepers, Page: s.ownPage,
		},
	)...)
	if s.Config.CodecToken == "" {
		return handler, nil
	}
	mux := http.NewServeMux()
	mux.Handle("/codec/", crypt.CodecHandler(s.codec, s.Config.CodecToken, origin(s.Config.TemporalUI)))
	mux.Handle("/", handler)
	return mux, nil
}

func origin(address string) string { return strings.TrimSuffix(address, "/") }

// sessionServer serves Shopify's session requests and nothing else: behind
// mutual TLS, or behind a proxy that ends it.
func (s *Service) sessionServer() (*http.Server, error) {
	handler := api.New(s.log, s.ready, &shopifyapi.Handler{
		Sessions: s.Store, Starter: s.soon, Providers: s.providers, Link: s.link,
		Resolution: s.Timing.Resolution, Now: s.now, Log: s.log,
	})
	if s.Config.ShopifyProxyHeader != "" {
		proxy, err := mtls.NewProxy(mtls.ProxyOptions{
			Header: s.Config.ShopifyProxyHeader, Trusted: s.Config.ShopifyProxies,
			ClientCAFile: s.Config.ShopifyClientCA, Now: time.Now, Report: s.reportTLS,
		})
		if err != nil {
			return nil, err
		}
		return api.Server(proxy.Middleware(handler), s.log), nil
	}
	guard, err := mtls.NewServer(mtls.Options{
		CertFile: s.Config.ShopifyCert, KeyFile: s.Config.ShopifyKey,
		ClientCAFile: s.Config.ShopifyClientCA, Now: time.Now, Report: s.reportTLS,
	})
	if err != nil {
		return nil, err
	}
	server := api.Server(handler, s.log)
	server.TLSConfig = guard.TLSConfig()
	return server, nil
}

// reportTLS logs who was turned away. Certificates live on the real clock.
func (s *Service) reportTLS(e mtls.Event) {
	line := s.log.Warn()
	if e.Kind == mtls.EventReloaded {
		line = s.log.Info()
	}
	line.Err(e.Err).Str("kind", string(e.Kind)).Str("reason", string(e.Reason)).Str("remote", e.Remote).
		Str("issuer", e.Issuer).Str("serial", e.Serial).Str("file", e.File).Msg("client certificate")
}

func (s *Service) link(token string) string { return s.Config.PublicURL + "/pay/" + token }

// links are the buyer's addresses that providers get.
type links struct{ base string }

func (l links) Return(token string) string { return l.base + "/return/" + token }
func (l links) Back(token string) string   { return l.base + "/pay/" + token + "?back=1" }

func (s *Service) covers(provider string, kind payment.Kind) bool {
	c, err := s.Connectors.Connector(provider)
	return err == nil && psp.Covers(c, kind)
}

// providers lists those whose connector covers the kind.
func (s *Service) providers(kind payment.Kind) []string {
	var names []string
	for _, name := range s.Connectors.Names() {
		if s.covers(name, kind) {
			names = append(names, name)
		}
	}
	return names
}

// activities is what workflows may call.
func (s *Service) activities(shop *shopAPI) (worker.Activities, error) {
	mailer, err := notify.New(notify.Options{
		Address: s.Config.SMTPAddress, User: s.Config.SMTPUser, Password: s.Config.SMTPPassword, From: s.Config.SMTPFrom,
		Plain: s.Config.SMTPPlain, TemporalUI: s.Config.TemporalUI, Namespace: s.Config.TemporalNamespace, Now: s.now, Log: s.log,
		Operator: s.Config.OperatorMail,
	})
	if err != nil {
		return worker.Activities{}, err
	}
	guard, err := s.guard(shop.client, mailer)
	if err != nil {
		return worker.Activities{}, err
	}
	news, err := s.news(mailer)
	if err != nil {
		return worker.Activities{}, err
	}
	gateway := &activities.Gateway{
		Records: s.Store, Accounts: s.Store, Connectors: s.Connectors, Links: links{s.Config.PublicURL}, Methods: s.Store,
		Flights: activities.NewFlights(activities.FlightOptions{Pauses: s.Store, Worker: processName(), Now: s.now, Log: s.log}),
		Now:     s.now, Log: s.log,
	}
	return worker.Activities{
		Gateway: gateway,
		Shopify: &activities.Shopify{Records: s.Store, Shop: shop, Now: s.now},
		Rows:    &activities.Rows{Records: s.Store},
		Guard:   guard,
		Members: &activities.Members{Records: s.Store, Gateway: gateway, Runs: s.Runs, Log: s.log},
		Sweep: &activities.Sweep{
			Due: s.Store, Runs: s.Runs, Gateway: gateway, Mail: mailer, Members: &activities.MemberSweep{Due: s.Store, Runs: s.Runs},
			Erasures: &activities.ErasureSweep{Due: s.Store, Runs: s.Runs}, News: news, Log: s.log,
		},
		Erasure: s.erasure(mailer),
		Purge:   &activities.Purge{Retention: s.Store, Log: s.log},

		Recharge: s.recharge(mailer),
	}, nil
}

// processName tells this process from others, to people.
func processName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unnamed host" // the number still tells processes of one host apart
	}
	return fmt.Sprintf("%s:%d", host, os.Getpid())
}
