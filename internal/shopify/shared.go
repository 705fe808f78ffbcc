package shopify

import (
	"context"
	"time"

	"golang.org/x/sync/singleflight"
)

// Shared makes callers that want the token of one shop at the same time share one call of the source. Its lock per shop keeps them
// from renewing twice; this keeps them from standing in line for it, each with a connection to the database in hand: a shop whose
// renewal hangs then costs one connection, not the pool that all shops use. Use one for each app.
func Shared(source TokenSource) TokenSource {
	return &shared{source: source}
}

type shared struct {
	source TokenSource
	flight singleflight.Group
}

// sharedTimeout bounds a shared call, which must not end with the caller who happened to come first. It is above the record's own
// limits of waiting for a lock and then renewing.
const sharedTimeout = 50 * time.Second

func (s *shared) Token(ctx context.Context, shop string) (string, error) {
	return s.once(ctx, "token "+shop, func(ctx context.Context) (string, error) { return s.source.Token(ctx, shop) })
}

func (s *shared) Refresh(ctx context.Context, shop, stale string) (string, error) {
	return s.once(ctx, "refresh "+shop+" "+stale, func(ctx context.Context) (string, error) { return s.source.Refresh(ctx, shop, stale) })
}

func (s *shared) once(ctx context.Context, key string, call func(context.Context) (string, error)) (string, error) {
	done := s.flight.DoChan(key, func() (any, error) {
		own, cancel := context.WithTimeout(context.WithoutCancel(ctx), sharedTimeout)
		defer cancel()
		return call(own)
	})
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case result := <-done:
		token, _ := result.Val.(string) // nothing else is put in
		return token, result.Err
	}
}
