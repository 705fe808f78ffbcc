package cli

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/shopify"
	"tillflow/internal/store"
)

// readyWorld is a record of two shops and a Shopify that answers as it is told.
type readyWorld struct {
	due      []store.Readiness
	list     error
	answers  map[string]error
	refuses  bool
	put      error
	told     []string
	noted    []string
	now      time.Time
	log      bytes.Buffer
	readying *readiness
}

func newReadyWorld() *readyWorld {
	w := &readyWorld{
		due:     []store.Readiness{{Shop: "a.myshopify.com", Ready: true}, {Shop: "b.myshopify.com"}},
		answers: map[string]error{}, now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC),
	}
	w.readying = &readiness{records: w, shop: w, now: func() time.Time { return w.now }, log: zerolog.New(&w.log), refused: map[string]refusal{}}
	return w
}

func (w *readyWorld) ReadyDue(context.Context, int) ([]store.Readiness, error) { return w.due, w.list }

func (w *readyWorld) PutReady(_ context.Context, shop string, _ bool) error {
	w.noted = append(w.noted, shop)
	return w.put
}

func (w *readyWorld) Configure(_ context.Context, shop, _ string, ready bool) (shopify.Configuration, error) {
	w.told = append(w.told, shop)
	answer := shopify.Configuration{Ready: ready, RequestID: "r1"}
	if w.refuses {
		answer.UserErrors = []shopify.UserError{{Message: "no"}}
	}
	return answer, w.answers[shop]
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	t.Run("what Shopify has heard is noted", func(t *testing.T) {
		t.Parallel()
		w := newReadyWorld()
		require.NoError(t, w.readying.tell(t.Context()))
		require.Equal(t, []string{"a.myshopify.com", "b.myshopify.com"}, w.noted)
	})
	t.Run("a shop that cannot be told does not stop the others, and is tried again ever more slowly", func(t *testing.T) {
		t.Parallel()
		w := newReadyWorld()
		w.answers["a.myshopify.com"] = payment.Errorf(payment.Unauthorized, "frozen")
		var tries []time.Duration
		for began := w.now; w.now.Sub(began) < 5*time.Hour; w.now = w.now.Add(10 * time.Second) {
			before := len(w.told)
			require.NoError(t, w.readying.tell(t.Context()))
			if len(w.told) > before && w.told[before] == "a.myshopify.com" {
				tries = append(tries, w.now.Sub(began))
			}
		}
		require.NotContains(t, w.noted, "a.myshopify.com")
		require.Equal(t, []time.Duration{0, 30 * time.Second, 90 * time.Second, 210 * time.Second}, tries[:4])
		require.Equal(t, time.Hour, tries[len(tries)-1]-tries[len(tries)-2])
		delete(w.answers, "a.myshopify.com")
		w.now = w.now.Add(time.Hour)
		require.NoError(t, w.readying.tell(t.Context()))
		require.Contains(t, w.noted, "a.myshopify.com")
		require.Empty(t, w.readying.refused, "nothing is remembered of what went well")
	})
	t.Run("a refusal is not noted as told", func(t *testing.T) {
		t.Parallel()
		w := newReadyWorld()
		w.refuses = true
		require.NoError(t, w.readying.tell(t.Context()))
		require.Empty(t, w.noted)
		require.Contains(t, w.log.String(), "shopify refuses it, request r1")
	})
	t.Run("a shop that has gone meanwhile is no trouble", func(t *testing.T) {
		t.Parallel()
		w := newReadyWorld()
		w.put = payment.Errorf(payment.NotFound, "none")
		require.NoError(t, w.readying.tell(t.Context()))
		require.Empty(t, w.log.String())
		require.Empty(t, w.readying.refused)
	})
	t.Run("a record that cannot be read is told", func(t *testing.T) {
		t.Parallel()
		w := newReadyWorld()
		w.list = errors.New("database is away")
		require.ErrorIs(t, w.readying.tell(t.Context()), w.list)
		require.Empty(t, w.told)
	})
	t.Run("nothing is said once the process ends", func(t *testing.T) {
		t.Parallel()
		w := newReadyWorld()
		ctx, stop := context.WithCancel(t.Context())
		stop()
		require.ErrorIs(t, w.readying.tell(ctx), context.Canceled)
		require.Empty(t, w.told)
	})
}
