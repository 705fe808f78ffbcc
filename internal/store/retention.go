package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/access/audit"
	"tillflow/internal/privacy"
)

// RetentionRule is what is forgotten, and when. docs/operating.md has the same table.
type RetentionRule struct {
	Name string
	Keep time.Duration // after the moment that What names
	What string

	sql string // forgets at most @limit rows from before @until and no row twice
}

const day = 24 * time.Hour

// DefaultBuyerRetention is how long a buyer's data is kept after their last
// payment: card schemes take disputes for up to 18 months after a sale.
const DefaultBuyerRetention = 730 * day

// Retention lists the rules. buyers is how long a buyer's data is kept after
// their last payment; zero is DefaultBuyerRetention.
func Retention(buyers time.Duration) []RetentionRule {
	return []RetentionRule{
		{"buyers", orElse(buyers, DefaultBuyerRetention), "a buyer's data and what people wrote, after the last payment; the key is destroyed, amounts stay", forgetBuyers},
		{"payment texts", orElse(buyers, DefaultBuyerRetention), "descriptions, addresses and idempotency keys of payments, after the last change", forgetTexts},
		{"exports", 0, "exports of persons, after their link's end; what was downloaded three times is destroyed at once", destroyParcel +
			` AND request_id IN (SELECT request_id FROM privacy_exports WHERE parcel IS NOT NULL AND expires_at <= @until LIMIT @limit)`},
		{"sealed requests", 0, "whom a privacy request is about, after it was served; destroyed with the certificate", `
			UPDATE shopify_deliveries SET wrapped_key = NULL, sealed = NULL
			WHERE id IN (SELECT d.id FROM shopify_deliveries d JOIN privacy_requests r ON r.id = d.id WHERE d.sealed IS NOT NULL AND r.received_at <= @until LIMIT @limit)`},
		{"privacy requests", 1826 * day, "privacy requests and their certificates, after they were served", forget("privacy_requests", "id", "done_at")},
		{"installations under way", day, "states of installations, after their end", forget("install_states", "hash", "expires_at")},
		{"console sessions", day, "sessions of the console, after their end", forget("console_sessions", "hash", "ends_at")},
		{"login attempts", 30 * day, "counts of logins that failed, after the last one", forget("login_attempts", "key", "last_at")},
		{"saved filters", 90 * day, "saved searches of people, after they were disabled", `
			DELETE FROM console_filters WHERE id IN (SELECT f.id FROM console_filters f JOIN users u ON u.name = f.owner WHERE u.disabled_at <= @until LIMIT @limit)`},
		{"Shopify's messages", 180 * day, "Shopify's webhooks, after they were acted on", `
			DELETE FROM shopify_deliveries WHERE id IN (SELECT id FROM shopify_deliveries d WHERE dispatched_at <= @until
				AND NOT EXISTS (SELECT FROM privacy_requests r WHERE r.id = d.id AND r.done_at IS NULL) LIMIT @limit)`},
		{"providers' messages", 180 * day, "providers' webhooks, after they were acted on; the evidence stays", forget("provider_events", "id", "dispatched_at")},
		{"failed charges", orElse(buyers, DefaultBuyerRetention), "failed charges of Recharge, after they last changed", forget("recharge_charges", "id", "changed_at")},
		{"Recharge's messages", 180 * day, "Recharge's webhooks, after they were acted on", `
			DELETE FROM recharge_deliveries WHERE (shop, key) IN (SELECT shop, key FROM recharge_deliveries WHERE dispatched_at <= @until LIMIT @limit)`},
		{"mails", 180 * day, "mails to merchants, after they were sent", forget("notices", "id", "sent_at")},
		{"sandbox", 730 * day, "the built-in sandbox's books, after the page, or after the end of the card that it kept", forgetSandbox},
	}
}

// forget deletes rows whose moment is past.
func forget(table, key, moment string) string {
	return `DELETE FROM ` + table + ` WHERE ` + key + ` IN (SELECT ` + key + ` FROM ` + table + ` WHERE ` + moment + ` <= @until LIMIT @limit)`
}

const (
	// A buyer is forgotten when all of their payments are over and old, and no
	// subscription of theirs goes on: what it charges is sealed under the key.
	forgetBuyers = `
	UPDATE subjects SET wrapped_key = NULL, erased_at = @now, lookup = 'erased:' || id WHERE id IN (
		SELECT s.id FROM subjects s WHERE s.erased_at IS NULL AND s.created_at <= @until
		AND NOT EXISTS (SELECT FROM payments p WHERE p.subject_id = s.id
			AND (p.closed_at IS NULL OR p.watch_until > @now OR greatest(p.closed_at, p.received_at) > @until
			     OR EXISTS (SELECT FROM move_sessions m WHERE m.payment_id = p.id AND (m.closed_at IS NULL OR m.closed_at > @until))
			     OR EXISTS (SELECT FROM operations o WHERE o.payment_id = p.id AND o.state = 'open' AND o.kind <> 'charge')))
		AND NOT EXISTS (SELECT FROM recharge_charges c WHERE c.subject_id = s.id AND c.changed_at > @until)
		AND NOT EXISTS (SELECT FROM subscriptions b WHERE b.subject_id = s.id AND b.ended_at IS NULL)
		AND NOT EXISTS (SELECT FROM privacy_subjects x JOIN privacy_requests r ON r.id = x.request_id WHERE x.subject_id = s.id AND r.done_at IS NULL)
		LIMIT @limit FOR UPDATE SKIP LOCKED)`
	// One payment at a time: no transaction touches two.
	forgetTexts = `
	UPDATE payments SET description = '', cancel_url = '', return_url = '', next_url = '', idempotency_key = NULL, request_hash = NULL
	WHERE id = (SELECT id FROM payments WHERE closed_at <= @until AND coalesce(watch_until <= @now, true) AND updated_at <= @until
		AND (description <> '' OR cancel_url <> '' OR return_url <> '' OR next_url <> '' OR idempotency_key IS NOT NULL OR request_hash IS NOT NULL)
		LIMIT least(1, @limit))`
	forgetSandbox = `
	WITH gone AS (DELETE FROM sandbox_moves m USING sandbox_checkouts c WHERE c.payment_id = m.payment_id AND c.expires_at <= @until)
	DELETE FROM sandbox_checkouts WHERE id IN (SELECT c.id FROM sandbox_checkouts c WHERE c.expires_at <= @until
		AND NOT EXISTS (SELECT FROM sandbox_methods k WHERE k.payment_id = c.payment_id AND k.ends_at > @until) LIMIT @limit)`
)

// purgeBatch is how many rows one statement forgets.
const purgeBatch = 1000

// Purge enforces every rule once and says how many rows each took. A rule that
// fails does not stop the others; the error names all that did.
func (s *Store) Purge(ctx context.Context, beat func() error) ([]privacy.Purged, error) {
	var done []privacy.Purged
	var faults error
	for _, rule := range Retention(s.buyers) {
		n, err := s.purge(ctx, rule, beat)
		done = append(done, privacy.Purged{Rule: rule.Name, Rows: n})
		faults = errors.Join(faults, failure("purge "+rule.Name, err))
		if ctx.Err() != nil {
			break
		}
	}
	return done, faults
}

func (s *Store) purge(ctx context.Context, rule RetentionRule, beat func() error) (int64, error) {
	total := int64(0)
	for {
		now := s.now()
		var n int64
		err := s.inTx(ctx, func(tx pgx.Tx) error {
			tag, err := tx.Exec(ctx, rule.sql, pgx.NamedArgs{"until": now.Add(-rule.Keep), "now": now, "limit": purgeBatch})
			n = tag.RowsAffected()
			if err != nil || n == 0 || rule.Name != "buyers" {
				return err
			}
			return s.AppendAuditIn(ctx, tx, audit.Entry{Actor: audit.Actor{Name: machine}, Action: "privacy.expired", Subject: "buyers"})
		})
		total += n
		if err != nil || n == 0 {
			return total, err
		}
		if err := beat(); err != nil {
			return total, err
		}
	}
}
