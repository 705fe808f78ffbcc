package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/store"
)

func TestMigrate(t *testing.T) {
	t.Parallel()
	t.Run("migrating again and at once changes nothing", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		before := b.count(`SELECT count(*) FROM schema_migrations`)
		atOnce(t, 4, func(ctx context.Context, _ int) error { return b.Migrate(ctx) })
		require.Equal(t, before, b.count(`SELECT count(*) FROM schema_migrations`))
	})
	t.Run("a migration that was changed after it was applied is an error", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		_, err := b.pool.Exec(t.Context(), `UPDATE schema_migrations SET hash = 'x' WHERE number = 1`)
		require.NoError(t, err)
		requireClass(t, payment.Bug, "migration_changed", b.Migrate(t.Context()))
	})
	t.Run("a newer schema is left alone", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		_, err := b.pool.Exec(t.Context(), `INSERT INTO schema_migrations VALUES (999, '999_later.sql', 'x', now())`)
		require.NoError(t, err)
		require.NoError(t, b.Migrate(t.Context()))
	})
}

func TestOpen(t *testing.T) {
	t.Parallel()
	b := open(t)
	require.NoError(t, b.Ping(t.Context()))
	_, err := store.Open(t.Context(), b.url, store.Options{})
	require.ErrorContains(t, err, "required")
	o := store.Options{Now: time.Now, Vault: b.vault, Log: zerolog.Nop()}
	for _, url := range []string{"postgres://user:hunter2@127.0.0.1:1/x?connect_timeout=1", "postgres://user:hunter2@:port/"} {
		_, err = store.Open(t.Context(), url, o)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

func TestUnavailable(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.accept()
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.LoadCharge(canceled, s.ID)
	requireClass(t, payment.Unavailable, "", err)
	// Connections that break under a call are no reason to give a payment up.
	_, err = b.pool.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, err := b.LoadCharge(t.Context(), s.ID)
		if err != nil {
			requireClass(t, payment.Unavailable, "", err)
		}
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
	b.Close()
	_, err = b.BeginCheckout(t.Context(), s.ID)
	requireClass(t, payment.Unavailable, "", err)
}

func TestLedgerInTheDatabase(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.accept()
	send, _ := b.paid(s)
	refused := func(t *testing.T, statement string, args ...any) {
		t.Helper()
		_, err := b.pool.Exec(t.Context(), statement, args...)
		var db *pgconn.PgError
		require.ErrorAs(t, err, &db)
		require.Equal(t, "23514", db.Code)
	}
	for _, table := range []string{"ledger_entries", "ledger_postings", "evidence", "timeline"} {
		t.Run(table+" only grows", func(t *testing.T) {
			refused(t, `DELETE FROM `+table)
			refused(t, `TRUNCATE `+table+` CASCADE`)
		})
	}
	t.Run("nothing written is changed", func(t *testing.T) {
		refused(t, `UPDATE ledger_entries SET kind = 'gift'`)
		refused(t, `UPDATE ledger_postings SET amount_minor = 1`)
		refused(t, `UPDATE evidence SET state = 'declined'`)
		refused(t, `UPDATE timeline SET what = 'x'`)
	})
	t.Run("an entry that does not balance cannot be committed", func(t *testing.T) {
		refused(t, `INSERT INTO ledger_postings (entry_id, account, amount_minor, currency) SELECT id, 'live/fees:x', 1, 'EUR' FROM ledger_entries`)
		refused(t, `INSERT INTO ledger_postings (entry_id, account, amount_minor, currency) SELECT id, a, m, c FROM ledger_entries,
			(VALUES ('live/fees:x', 1, 'EUR'), ('live/fees:y', -1, 'USD')) AS v (a, m, c)`)
	})
	t.Run("an entry without postings fails the trial balance", func(t *testing.T) {
		tx, err := b.pool.Begin(t.Context())
		require.NoError(t, err)
		defer tx.Rollback(context.WithoutCancel(t.Context())) //nolint:errcheck // committed below
		_, err = tx.Exec(t.Context(), `
			INSERT INTO ledger_entries (id, key, hash, kind, payment_id, operation_id, attempt_id, at)
			SELECT gen_random_uuid(), 'empty', 'x', 'charge', payment_id, operation_id, attempt_id, at FROM ledger_entries`)
		require.NoError(t, err)
		require.NoError(t, tx.Commit(t.Context()))
		err = b.TrialBalance(t.Context())
		require.ErrorIs(t, err, store.ErrTrialBalance)
		requireClass(t, payment.Bug, "trial_balance", err)
	})
	t.Run("a key that is booked with other content rolls everything back", func(t *testing.T) {
		second := b.opened(b.accept())
		_, err := b.pool.Exec(t.Context(), `
			INSERT INTO ledger_entries (id, key, hash, kind, payment_id, operation_id, attempt_id, at)
			SELECT gen_random_uuid(), $1, 'x', 'charge', payment_id, operation_id, attempt_id, at FROM ledger_entries WHERE attempt_id = $2 LIMIT 1`,
			second.Attempt.ID+"/charge", send.Attempt.ID)
		require.NoError(t, err)
		_, err = b.RecordFinding(t.Context(), b.finding(second, payment.Done))
		requireClass(t, payment.Conflict, "ledger_key", err)
		v, err := b.LoadCharge(t.Context(), second.PaymentID)
		require.NoError(t, err)
		require.Equal(t, payment.AwaitingBuyer, v.State)
		require.Equal(t, 1, b.count(`SELECT count(*) FROM winners`))
	})
}

func TestTransitionsGuarded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.accept()
	send := b.opened(s)
	// A state that only a bug can leave behind: the books must not follow it.
	_, err := b.pool.Exec(t.Context(), `UPDATE payments SET state = 'rejected'`)
	require.NoError(t, err)
	_, err = b.RecordFinding(t.Context(), b.finding(send, payment.Done))
	requireClass(t, payment.Bug, "illegal_transition", err)
	require.Zero(t, b.count(`SELECT count(*) FROM ledger_entries`))
	require.Zero(t, b.count(`SELECT count(*) FROM winners`))
	require.Equal(t, payment.Open, b.view(s).Unfinished[0].State)
}

func TestStatesInTheDatabase(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.accept()
	b.begin(s)
	for _, state := range payment.States {
		_, err := b.pool.Exec(t.Context(), `UPDATE payments SET state = $1`, state)
		require.NoError(t, err, state)
	}
	for _, state := range payment.AttemptStates {
		_, err := b.pool.Exec(t.Context(), `UPDATE attempts SET state = $1, actual_minor = 1, actual_currency = 'EUR'`, state)
		require.NoError(t, err, state)
	}
	for _, statement := range []string{
		`UPDATE payments SET state = 'paid'`,
		`UPDATE attempts SET state = 'failed'`,
		`UPDATE attempts SET state = 'done', actual_minor = NULL, actual_currency = NULL`,
		`UPDATE payments SET final = 'resolve', winner_attempt = NULL`,
		`UPDATE payments SET final = '', told_at = now()`,
		`UPDATE payments SET left_seq = choice_seq + 1`,
		`UPDATE operations SET parent_attempt = (SELECT id FROM attempts)`,
	} {
		_, err := b.pool.Exec(t.Context(), statement)
		require.ErrorContains(t, err, "check constraint", statement)
	}
}

// TestPersonalData plants a person everywhere a person may stand and looks for
// them in every row outside the vault.
func TestPersonalData(t *testing.T) {
	t.Parallel()
	const canary = "Canary"
	b := setup(t)
	s := b.accept(withBuyer("ada.Canary@example.com"))
	send := b.opened(s)
	b.store(b.event("evt_1", send, payment.Done))
	b.find(send, payment.Done)
	b.told(payment.Told{PaymentID: s.ID, Refused: "NO"})
	id, err := b.InsertAction(t.Context(), payment.Action{PaymentID: s.ID, Actor: "staff:grace", Action: "note", Text: "called Ada Canary Lovelace"})
	require.NoError(t, err)
	_, err = b.ApplyAction(t.Context(), s.ID, id)
	require.NoError(t, err)
	require.NoError(t, b.PutToken(t.Context(), shop, "access-Canary", "refresh-Canary", time.Time{}))
	_, key, err := b.IssueAPIKey(t.Context(), root, store.NewAPIKey{Shop: shop, Label: "till"})
	require.NoError(t, err)

	tables, err := b.pool.Query(t.Context(), `SELECT tablename FROM pg_tables WHERE schemaname = 'public'`)
	require.NoError(t, err)
	names, err := pgx.CollectRows(tables, pgx.RowTo[string])
	require.NoError(t, err)
	require.Contains(t, names, "vault")
	for _, name := range names {
		rows, err := b.pool.Query(t.Context(), fmt.Sprintf(`SELECT r::text || encode(convert_to(r::text, 'UTF8'), 'escape') FROM %s r`, name))
		require.NoError(t, err)
		texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		for _, text := range texts {
			require.NotContains(t, text, canary, name)
			require.NotContains(t, text, fmt.Sprintf("%x", canary), name) // bytea reads as hex
			require.NotContains(t, text, key.Reveal(), name)
			require.NotContains(t, text, "sk_Card", name)
		}
	}
	require.Equal(t, 2, b.count(`SELECT count(*) FROM vault`))
	var sealed []byte
	require.NoError(t, b.pool.QueryRow(t.Context(), `SELECT sealed FROM vault LIMIT 1`).Scan(&sealed))
	require.NotContains(t, string(sealed), canary)
}
