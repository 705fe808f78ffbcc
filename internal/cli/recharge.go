package cli

import (
	"context"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/rs/zerolog"

	"tillflow/activities"
	rechargeapi "tillflow/api/recharge"
	"tillflow/internal/config"
	"tillflow/internal/crypt"
	"tillflow/internal/notify"
	"tillflow/internal/recharge"
	"tillflow/internal/store"
)

// rechargeTick is how soon it is noticed that a store's turn has come.
const rechargeTick = time.Minute

// keepRecharge looks after the schedule of the visits at Recharge until ctx ends,
// because Temporal's database may be lost and replaced under a running worker.
func (s *Service) keepRecharge(ctx context.Context) {
	tick := time.NewTicker(rechargeTick)
	defer tick.Stop()
	for {
		if err := s.Runs.EnsureRecharge(ctx, min(rechargeTick, max(s.Config.RechargeEvery, time.Second))); err != nil && ctx.Err() == nil {
			s.log.Warn().Err(err).Msg("recharge's schedule could not be made sure of, trying again")
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *Service) recharge(mailer *notify.Mailer) *activities.Recharge {
	return &activities.Recharge{
		Records: s.Store, Stores: rechargeStores{s.Config, s.Store, s.calls, s.now, s.log},
		Mail: &notify.RechargeMails{Mailer: mailer, PublicURL: origin(s.Config.PublicURL)},
		Now:  s.now, Log: s.log, Every: max(s.Config.RechargeEvery, time.Second),
	}
}

// rechargeStores opens stores at Recharge.
type rechargeStores struct {
	config config.Config
	store  *store.Store
	calls  *http.Client
	now    func() time.Time
	log    zerolog.Logger
}

// Open implements activities.RechargeStores.
func (r rechargeStores) Open(ctx context.Context, shop string) (activities.RechargeStore, string, error) {
	c, err := r.store.RechargeCredentials(ctx, shop)
	if err != nil {
		return nil, "", err
	}
	list, err := r.store.Recharges(ctx, shop)
	if err != nil {
		return nil, "", err
	}
	client, err := rechargeClient(r.config, c.Token, r.calls, r.now, r.log.With().Str("shop", shop).Logger())
	if err != nil {
		return nil, "", err
	}
	return client, rechargeHook(r.config, list[0].Hook), nil
}

func rechargeClient(c config.Config, token crypt.Secret, calls *http.Client, now func() time.Time, log zerolog.Logger) (*recharge.Client, error) {
	return recharge.New(recharge.Options{
		BaseURL: c.RechargeURL, Token: token, HTTPClient: calls, Now: now, Log: log,
		// Workers that share a token do not come back in the same moment.
		Jitter: func(longest time.Duration) time.Duration { return rand.N(longest/4 + 1) }, //nolint:gosec // G404: spreads pauses, guards nothing
	})
}

// rechargeHook is the address of a shop's webhooks.
func rechargeHook(c config.Config, hook string) string {
	return origin(c.PublicURL) + rechargeapi.Path + hook
}
