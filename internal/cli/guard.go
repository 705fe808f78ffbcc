package cli

import (
	"context"
	"fmt"
	"time"

	"tillflow/activities"
	hookapi "tillflow/api/hook"
	"tillflow/internal/notify"
	"tillflow/internal/shopify"
	adminapi "tillflow/internal/shopify/admin"
	"tillflow/internal/shopify/app"
	"tillflow/internal/store"
)

// guardTick is how soon the guardian notices that a shop's turn has come; a shop
// that has just installed the second app waits no longer than this for its
// webhooks.
const guardTick = time.Minute

// keepGuard looks after the guardian's schedule until ctx ends, because Temporal's
// database may be lost and replaced under a running worker.
func (s *Service) keepGuard(ctx context.Context) {
	tick := time.NewTicker(guardTick)
	defer tick.Stop()
	for {
		// A shop is never looked at more often than it is due.
		if err := s.Runs.EnsureGuard(ctx, min(guardTick, max(s.Config.GuardEvery, time.Second))); err != nil && ctx.Err() == nil {
			s.log.Warn().Err(err).Msg("guardian's schedule could not be made sure of, trying again")
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// guard wires the guardian: with the second app it looks after deliveries, and
// with either after the version.
func (s *Service) guard(payments *shopify.Client, mailer *notify.Mailer) (*activities.Guard, error) {
	g := &activities.Guard{
		Records: s.Store, Mail: mailer, Now: s.now, Log: s.log, Every: s.Config.GuardEvery,
		Grace:    min(activities.DefaultGrace, s.Config.GuardEvery),
		Versions: map[string]activities.Versions{"Payments Apps": served{s, app.Payments, payments}},
	}
	second, configured := s.app(app.Admin)
	if !configured {
		return g, nil
	}
	client, err := adminapi.New(adminapi.Options{Shopify: shopify.Options{
		API: shopify.AdminAPI, BaseURL: s.Config.ShopifyURL, HTTPClient: s.calls, Tokens: s.tokenSource(second), Log: s.log, Now: s.now,
		OnNotice: s.notices.offer,
	}})
	if err != nil {
		return nil, fmt.Errorf("open the client of the admin api: %w", err)
	}
	g.Deliveries = deliveries{client, origin(s.Config.PublicURL) + hookapi.Path}
	g.Versions["Admin"] = served{s, app.Admin, client}
	return g, nil
}

// deliveries are the second app's, at our one address for webhooks.
type deliveries struct {
	client  *adminapi.Client
	address string
}

func (d deliveries) Restore(ctx context.Context, shop string) (made, refused []app.Topic, err error) {
	done, err := d.client.Restore(ctx, shop, d.address)
	return done.Made, done.Refused, err
}

func (d deliveries) Changes(ctx context.Context, shop string, since, until time.Time, take func([]app.Delivery) error) error {
	return d.client.Changes(ctx, shop, adminapi.Span{Since: since, Until: until}, take)
}

// lister lists the versions of one API at one shop.
type lister interface {
	PublicVersions(ctx context.Context, shop string) ([]shopify.Version, error)
}

// served checks the version of one API that Shopify serves, at any shop.
type served struct {
	service *Service
	app     app.Name
	api     lister
}

// askAtMost bounds the shops that are asked in one check: what one cannot answer
// the next one may, and the list is the same everywhere.
const askAtMost = 5

func (v served) Warning(ctx context.Context) (string, error) {
	shops, err := v.service.Store.Installed(ctx, v.app)
	if err != nil {
		return "", err
	}
	for _, shop := range shops[:min(len(shops), askAtMost)] {
		var list []shopify.Version
		if list, err = v.api.PublicVersions(ctx, shop.Shop); err != nil {
			continue
		}
		check, err := shopify.CheckVersion(list, v.service.now())
		return check.Warning(), err
	}
	return "", err // of the last shop; without shops there is nobody to ask
}

// noticeBox takes what the headers of Shopify's answers warn of. Once a version
// ages every answer says so: the record says it once.
type noticeBox struct{ incoming chan shopify.Notice }

// noticeRoom bounds what waits for the database; what finds no room is said
// again by the next answer.
const noticeRoom = 32

func newNoticeBox() noticeBox { return noticeBox{make(chan shopify.Notice, noticeRoom)} }

// offer implements shopify.Options.OnNotice: it never blocks a call.
func (b noticeBox) offer(n shopify.Notice) {
	select {
	case b.incoming <- n:
	default:
	}
}

// noticesKnown bounds what a process remembers to have kept.
const noticesKnown = 200

// keepNotices keeps hints until ctx ends.
func (s *Service) keepNotices(ctx context.Context) {
	known := map[string]bool{}
	for {
		select {
		case <-ctx.Done():
			return
		case hint := <-s.notices.incoming:
			warning := warningOf(hint)
			if known[warning.Key] || len(known) >= noticesKnown {
				continue
			}
			fresh, err := s.Store.RaiseWarning(ctx, warning)
			if err != nil {
				s.log.Warn().Err(err).Str("kind", string(warning.Kind)).Msg("a hint of shopify's was not kept")
				continue
			}
			known[warning.Key] = true
			if fresh {
				s.log.Warn().Str("kind", string(warning.Kind)).Str("detail", warning.Detail).Msg("warning")
			}
		}
	}
}

func warningOf(hint shopify.Notice) app.Warning {
	if hint.Kind == shopify.NoticeVersion {
		return app.Warning{
			Key: string(hint.Kind) + " " + hint.Detail, Kind: app.WarnVersion, // whatever was asked, and wherever
			Detail: fmt.Sprintf("Shopify answered with API version %s instead of %s. Payments go on as long as its answers can be read. Update tillflow.",
				hint.Detail, shopify.APIVersion),
		}
	}
	return app.Warning{
		Key: string(hint.Kind) + " " + hint.Operation + " " + hint.Detail, Kind: app.WarnDeprecated,
		Detail: fmt.Sprintf("Shopify calls a part of %s deprecated: %s It works until that part is removed. Update tillflow before.", hint.Operation, hint.Detail),
	}
}

// listeners are who hears of webhooks, by what they are about: the record of
// what shops say of their own things. Privacy and installation have their own.
func (s *Service) listeners() map[app.Matter]hookapi.Hints {
	all := map[app.Matter]hookapi.Hints{}
	for _, matter := range []app.Matter{app.AboutOrder, app.AboutDispute, app.AboutSubscription, app.AboutBulk, app.AboutFulfillment} {
		all[matter] = news{s.Store}
	}
	return all
}

type news struct{ store *store.Store }

func (n news) Hint(ctx context.Context, h hookapi.Hint) (bool, error) {
	word, is := app.NewsOf(app.Delivery{
		Shop: h.Shop, Topic: h.Topic, Resource: h.Resource, Facts: h.Facts, TriggeredAt: h.TriggeredAt, APIVersion: h.APIVersion,
	})
	if !is {
		return false, nil
	}
	return n.store.PutNews(ctx, word)
}
