package cli

import (
	"context"
	"math/rand/v2"
	"time"

	"tillflow/internal/shopify/app"
	"tillflow/internal/shopify/install"
)

const (
	// keepEvery is the pause between two looks after the tokens of idle shops, give
	// or take keepSpread, so that workers which start together do not stay together.
	keepEvery  = 24 * time.Hour
	keepSpread = time.Hour
	// keepAgain is the pause after a look that the database has not answered.
	keepAgain = 10 * time.Minute
)

// keepTokens keeps the tokens of idle shops alive until ctx ends: at the start
// and once a day. Workers beside each other do no harm, the record gives each
// token to one of them.
func (s *Service) keepTokens(ctx context.Context) {
	keeper := &install.Keeper{Tokens: s.Store, Platforms: map[app.Name]install.Platform{}, Now: s.now, Log: s.log}
	for _, a := range s.apps {
		keeper.Platforms[a.Name] = a.refresher
	}
	for {
		timer := time.NewTimer(s.keepOnce(ctx, keeper))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// keepOnce answers how long to wait before the next look.
func (s *Service) keepOnce(ctx context.Context, keeper *install.Keeper) time.Duration {
	kept, err := keeper.Keep(ctx)
	switch {
	case ctx.Err() != nil:
		return keepEvery // the process ends
	case err != nil:
		s.log.Warn().Err(err).Str("again_in", keepAgain.String()).Msg("tokens not looked after")
		return keepAgain
	}
	s.log.Info().Int("renewed", kept.Renewed).Int("converted", kept.Converted).Int("lost", len(kept.Lost)).Int("failed", len(kept.Failed)).
		Msg("tokens looked after")
	return keepEvery - keepSpread + rand.N(2*keepSpread) //nolint:gosec // G404: a pause, not a secret
}
