package store_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/privacy"
	"tillflow/internal/shopify/app"
	"tillflow/internal/store"
)

// purged runs the purge and checks what one rule took.
func (b *bundle) purged(rule string, rows int64) {
	b.t.Helper()
	done, err := b.Purge(b.t.Context(), steady)
	require.NoError(b.t, err)
	require.Len(b.t, done, len(store.Retention(0)))
	require.Contains(b.t, done, privacy.Purged{Rule: rule, Rows: rows})
}

const (
	aDay      = 24 * time.Hour
	buyerKept = 730 * aDay
)

func TestPurgeForgetsBuyers(t *testing.T) {
	t.Parallel()
	t.Run("a buyer's key goes when the last payment is old, and the amounts stay", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		first, _ := b.sale(boughtBy("ann@example.com", ""))
		b.clock.Add(aDay)
		second, _ := b.sale(boughtBy("ann@example.com", ""))
		before := b.balances()
		b.clock.Add(buyerKept - time.Hour)
		b.purged("buyers", 0)
		require.True(t, b.known(first), "the newer payment counts for all")
		b.clock.Add(time.Hour)
		b.purged("buyers", 1)
		require.False(t, b.known(second))
		require.Equal(t, before, b.balances())
		require.Zero(t, b.count(`SELECT count(*) FROM payments p WHERE p::text LIKE '%ann@%'`), "descriptions and addresses went with it")
		b.purged("buyers", 0)
	})
	t.Run("never while a payment is open", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept(boughtBy("ann@example.com", ""))
		b.clock.Add(2 * buyerKept)
		b.purged("buyers", 0)
		b.purged("payment texts", 0)
		require.True(t, b.known(s))
	})
	t.Run("a request about the person has its own clock", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, _ := b.sale(boughtBy("ann@example.com", ""))
		b.clock.Add(2 * buyerKept)
		b.matched(b.asks(app.CustomersRedact, app.Request{Email: "ann@example.com"}))
		b.purged("buyers", 0)
		require.True(t, b.known(s))
	})
}

func TestPurge(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rule   string
		keep   time.Duration
		insert string // one row whose moment is $1
	}{
		{"installations under way", aDay, `INSERT INTO install_states (hash, browser, app, shop, created_at, expires_at) VALUES ('h', 'b', 'payments', 'a', $1, $1)`},
		{"login attempts", 30 * aDay, `INSERT INTO login_attempts (key, failed, last_at) VALUES ('k', 1, $1)`},
		{"Shopify's messages", 180 * aDay, `INSERT INTO shopify_deliveries (id, webhook_id, shop, topic, app, triggered_at, received_at, dispatched_at, dispatch_at)
			VALUES (gen_random_uuid(), 'w', 'a', 'orders/paid', 'admin', $1, $1, $1, $1)`},
		{"providers' messages", 180 * aDay, `INSERT INTO provider_events (account_id, event_id, type, body_hash, occurred_at, received_at, dispatched_at, dispatch_at)
			SELECT id, 'e', 't', 'h', $1, $1, $1, $1 FROM accounts LIMIT 1`},
		{"mails", 180 * aDay, `INSERT INTO notices (shop, reason, at, send_at, sent_at) SELECT shop, 'r', $1, $1, $1 FROM shops LIMIT 1`},
		{"privacy requests", 1826 * aDay, `INSERT INTO privacy_requests (id, webhook_id, shop, app, kind, received_at, due_at, state, done_at, sweep_at)
			VALUES (gen_random_uuid(), 'w', 'a', 'payments', 'customer', $1, $1, 'done', $1, $1)`},
	} {
		t.Run(c.rule+" go when their time is over and not before", func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			_, err := b.pool.Exec(t.Context(), c.insert, b.clock.Now())
			require.NoError(t, err)
			b.clock.Add(c.keep - time.Second)
			b.purged(c.rule, 0)
			b.clock.Add(2 * time.Second)
			b.purged(c.rule, 1)
		})
	}
	t.Run("what was not acted on stays, however old", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.hooked(b.delivery("w1"))
		send := b.opened(b.accept())
		b.store(b.event("e1", send, payment.Open))
		_, err := b.pool.Exec(t.Context(), `UPDATE provider_events SET dispatched_at = NULL`)
		require.NoError(t, err)
		b.clock.Add(10 * 365 * aDay)
		b.purged("Shopify's messages", 0)
		b.purged("providers' messages", 0)
	})
	t.Run("sessions of the console go with their end, saved searches with their owner", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, err := b.pool.Exec(t.Context(), `
			INSERT INTO users (id, name, kind, role, password, wrapped_key, created_at, disabled_at) VALUES ($1, 'ann', 'local', 'viewer', 'p', 'k', $2, $2)`, uuid.NewString(), b.clock.Now())
		require.NoError(t, err)
		require.NoError(t, b.SaveFilter(t.Context(), "ann", "mine", "state=captured"))
		require.NoError(t, b.SaveFilter(t.Context(), "bob", "mine", "state=captured"))
		_, err = b.pool.Exec(t.Context(), `INSERT INTO console_sessions (hash, user_id, stage, method, created_at, seen_at, ends_at) SELECT 'h', id, 'open', 'password', $1, $1, $1 FROM users`, b.clock.Now())
		require.NoError(t, err)
		b.clock.Add(91 * aDay)
		b.purged("saved filters", 1)
		require.Zero(t, b.count(`SELECT count(*) FROM console_sessions`))
		require.Equal(t, 1, b.count(`SELECT count(*) FROM console_filters`))
	})
	t.Run("one statement after the other until nothing is left", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, err := b.pool.Exec(t.Context(), `INSERT INTO login_attempts (key, failed, last_at) SELECT 'k' || n, 1, $1 FROM generate_series(1, 2500) n`, b.clock.Now())
		require.NoError(t, err)
		b.clock.Add(31 * aDay)
		b.purged("login attempts", 2500)
	})
}

// TestRetentionIsDocumented: the table for people and the rules are the same.
func TestRetentionIsDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/operating.md")
	require.NoError(t, err)
	_, table, found := strings.Cut(string(text), "## What is kept how long")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n## ")
	for _, rule := range store.Retention(0) {
		keep := "at once"
		if rule.Keep > 0 {
			keep = fmt.Sprintf("%d days", int(rule.Keep/aDay))
			if rule.Keep == aDay {
				keep = "1 day"
			}
		}
		require.Contains(t, table, "| "+rule.Name+" | "+keep+" | "+rule.What+" |")
	}
}
