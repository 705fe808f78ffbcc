package hooks

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"tillflow/dev/buyer"
	"tillflow/dev/stack"
	"tillflow/internal/flow"
	"tillflow/internal/shopify/app"
	"tillflow/standin/shopify"
)

const (
	patience = time.Minute
	glance   = 50 * time.Millisecond
	// turn is longer than the pause between two looks at one shop.
	turn = 61 * time.Minute
	// operator is who runs the service.
	operator = "operator@example.com"
)

// world is one stack with the service in this process and the second app installed.
type world struct {
	*testing.T
	*stack.Stack
	buyer    *buyer.Buyer
	pool     *pgxpool.Pool
	schedule client.ScheduleHandle
	log      string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o711)) // the user that root lends PostgreSQL passes through
	w := &world{T: t, buyer: buyer.New(), log: filepath.Join(t.TempDir(), "service.log")}
	log, err := os.Create(w.log)
	require.NoError(t, err) // never closed: the Temporal server's last goroutines log after its end
	w.Stack, err = stack.Start(t.Context(), stack.Options{
		Dir: dir, Volatile: true, Service: true, Log: zerolog.New(log),
		Settings: map[string]string{"OPERATOR_MAIL": operator, "DATABASE_CONNS": "20"},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.Stop()) })
	w.pool, err = pgxpool.New(t.Context(), w.Postgres.URL("tillflow"))
	require.NoError(t, err)
	t.Cleanup(w.pool.Close)
	c, err := client.DialContext(t.Context(), client.Options{
		HostPort: w.Temporal.FrontendAddr(), Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	w.schedule = c.ScheduleClient().GetHandle(t.Context(), flow.GuardID)
	require.NoError(t, w.InstallApp(t.Context(), stack.Shop, shopify.AdminApp))
	return w
}

// soon waits for something that the story has caused.
func (w *world) soon(what string, is func() bool) {
	w.Helper()
	require.Eventually(w, is, patience, glance, "never came: %s", what)
}

// guard lets the guardian look at the shop, and answers what it found: the
// schedule is what runs it, this only spares the wait for its next minute.
func (w *world) guard() app.Guard {
	w.Helper()
	before := w.guardRow().CheckedAt
	require.Eventually(w, func() bool {
		if w.guardRow().CheckedAt.After(before) {
			return true
		}
		// Not before the worker has made the schedule, and in vain while a run is under way: hence again.
		_ = w.schedule.Trigger(w.Context(), client.ScheduleTriggerOptions{})
		return false
	}, patience, time.Second, "the guardian never looked")
	return w.guardRow()
}

func (w *world) guardRow() app.Guard {
	w.Helper()
	list, err := w.Service.Store.Guards(w.Context(), stack.Shop)
	require.NoError(w, err)
	if len(list) == 0 {
		return app.Guard{}
	}
	return list[0]
}

// buys runs one order to its end and answers its payment session.
func (w *world) buys() string {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	session, err := w.Shopify.StartSession(ctx, shopify.SessionRequest{Shop: stack.Shop, Amount: "12.00", Currency: "EUR", Test: true})
	require.NoError(w, err)
	require.True(w, session.Accepted, "%s", session.Error)
	checkout, err := w.buyer.Choose(ctx, session.RedirectURL, "Card")
	require.NoError(w, err)
	back, err := w.buyer.PayStripe(ctx, checkout, "4242424242424242")
	require.NoError(w, err)
	_, err = w.buyer.Return(ctx, back)
	require.NoError(w, err)
	return session.ID
}

// status is what we have heard of a session's order; empty: nothing.
func (w *world) status(session string) string {
	w.Helper()
	order, err := w.Service.Store.ShopOrder(w.Context(), stack.Shop, session)
	if err != nil {
		return ""
	}
	return order.Status
}

// subscriptions are those that the second app made and that are alive, by topic.
func (w *world) subscriptions() map[string]string {
	w.Helper()
	ids := map[string]string{}
	for _, sub := range w.Shopify.Books(stack.Shop, false).Shops[stack.Shop].Apps[shopify.AdminApp].Subscriptions {
		if sub.ID != "" && sub.RemovedAt == nil {
			ids[sub.Topic] = sub.ID
		}
	}
	return ids
}

func (w *world) count(query string, args ...any) int {
	w.Helper()
	var n int
	require.NoError(w, w.pool.QueryRow(w.Context(), query, args...).Scan(&n))
	return n
}

// mails are the subjects of what the operator got.
func (w *world) mails() []string {
	w.Helper()
	var list []string
	for _, m := range w.Mail.Books().Messages {
		if slices.ContainsFunc(m.To, func(to string) bool { return strings.Contains(to, operator) }) {
			list = append(list, m.Subject)
		}
	}
	return list
}
