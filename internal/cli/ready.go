package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"tillflow/internal/payment"
	"tillflow/internal/shopify"
	"tillflow/internal/store"
)

// readyRecords is the record of what Shopify was told about payments apps.
type readyRecords interface {
	ReadyDue(ctx context.Context, limit int) ([]store.Readiness, error)
	PutReady(ctx context.Context, shop string, ready bool) error
}

// configurer tells Shopify whether a shop's payments app is ready.
type configurer interface {
	Configure(ctx context.Context, shop, handle string, ready bool) (shopify.Configuration, error)
}

// readiness keeps what Shopify believes about our payments app equal to what
// holds, whoever changed it: a merchant can activate the app once it is ready.
// Telling twice does no harm, so workers need not agree.
type readiness struct {
	records readyRecords
	shop    configurer
	now     func() time.Time
	log     zerolog.Logger
	// refused are shops that could not be told, and when they are tried again.
	refused map[string]refusal
}

type refusal struct {
	pause time.Duration
	until time.Time
}

const (
	readyEvery = 10 * time.Second
	// readyBatch bounds one look; the next one takes the rest.
	readyBatch = 200
	// A shop that cannot be told is tried again after a pause that doubles.
	readyPause, readyPauseMax = 30 * time.Second, time.Hour
)

// keepReady looks until ctx ends.
func (s *Service) keepReady(ctx context.Context, shop configurer) {
	r := &readiness{records: s.Store, shop: shop, now: s.now, log: s.log, refused: map[string]refusal{}}
	tick := time.NewTicker(readyEvery)
	defer tick.Stop()
	for {
		if err := r.tell(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn().Err(err).Msg("shops not told whether the payments app is ready")
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// tell tells Shopify what it does not know yet. The error is of the list, or of a
// context that ended.
func (r *readiness) tell(ctx context.Context) error {
	due, err := r.records.ReadyDue(ctx, readyBatch)
	if err != nil {
		return err
	}
	for _, one := range due {
		if err := ctx.Err(); err != nil {
			return err
		}
		before, refused := r.refused[one.Shop]
		if refused && r.now().Before(before.until) {
			continue
		}
		if err := r.one(ctx, one); err != nil {
			next := refusal{pause: min(max(2*before.pause, readyPause), readyPauseMax)}
			next.until = r.now().Add(next.pause)
			r.refused[one.Shop] = next
			r.log.Warn().Err(err).Str("shop", one.Shop).Bool("ready", one.Ready).Str("again_in", next.pause.String()).
				Msg("shop not told whether the payments app is ready")
			continue
		}
		delete(r.refused, one.Shop)
	}
	return nil
}

func (r *readiness) one(ctx context.Context, due store.Readiness) error {
	// The shop's domain is the name of its account with us.
	answer, err := r.shop.Configure(ctx, due.Shop, due.Shop, due.Ready)
	if err != nil {
		return err
	}
	if len(answer.UserErrors) > 0 {
		return fmt.Errorf("shopify refuses it, request %s: %s", answer.RequestID, answer.UserErrors[0].Message)
	}
	err = r.records.PutReady(ctx, due.Shop, due.Ready)
	if payment.ClassOf(err, payment.Unavailable) == payment.NotFound {
		return nil // uninstalled meanwhile: nobody is to be told
	}
	if err == nil {
		r.log.Info().Str("shop", due.Shop).Bool("ready", due.Ready).Msg("shopify told whether the payments app is ready")
	}
	return err
}
