package shopify_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"tillflow/internal/shopify"
)

// slow is a source whose calls wait until they may end.
type slow struct {
	calls atomic.Int32
	end   chan struct{}
	err   error
}

func (s *slow) Token(ctx context.Context, shop string) (string, error) {
	s.calls.Add(1)
	if shop != "hangs" {
		return "token of " + shop, s.err
	}
	select {
	case <-s.end:
		return "token of " + shop, s.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func (s *slow) Refresh(ctx context.Context, shop, stale string) (string, error) {
	token, err := s.Token(ctx, shop)
	return token + " after " + stale, err
}

func TestShared(t *testing.T) {
	t.Parallel()
	t.Run("fifty at once make one call, and one who leaves takes nobody along", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			source := &slow{end: make(chan struct{})}
			shared := shopify.Shared(source)
			first, leave := context.WithCancel(t.Context())
			var left error
			go func() { _, left = shared.Token(first, "hangs") }()
			synctest.Wait()
			tokens := make([]string, 50)
			for i := range tokens {
				go func() { tokens[i], _ = shared.Token(t.Context(), "hangs") }()
			}
			synctest.Wait()
			leave()
			token, err := shared.Token(t.Context(), "other")
			require.NoError(t, err, "another shop does not wait")
			require.Equal(t, "token of other", token)
			close(source.end)
			synctest.Wait()
			require.ErrorIs(t, left, context.Canceled)
			for _, token := range tokens {
				require.Equal(t, "token of hangs", token)
			}
			require.Equal(t, int32(2), source.calls.Load(), "one for each shop")
		})
	})
	t.Run("a call that hangs ends by itself", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			_, err := shopify.Shared(&slow{}).Token(t.Context(), "hangs")
			require.ErrorIs(t, err, context.DeadlineExceeded)
		})
	})
	t.Run("one after the other each makes a call", func(t *testing.T) {
		t.Parallel()
		source := &slow{}
		shared := shopify.Shared(source)
		for range 3 {
			token, err := shared.Refresh(t.Context(), "a", "old")
			require.NoError(t, err)
			require.Equal(t, "token of a after old", token)
		}
		require.Equal(t, int32(3), source.calls.Load())
	})
	t.Run("an error is everybody's", func(t *testing.T) {
		t.Parallel()
		refused := errors.New("refused")
		_, err := shopify.Shared(&slow{err: refused}).Token(t.Context(), "a")
		require.ErrorIs(t, err, refused)
	})
}
