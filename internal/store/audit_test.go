package store_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"tillflow/internal/access"
	"tillflow/internal/access/audit"
	"tillflow/internal/payment"
	"tillflow/internal/store"
)

func noted(subject string) audit.Entry {
	return audit.Entry{Actor: audit.Actor{Name: "ada", Role: access.Finance}, Action: "money.release", Subject: subject, Detail: "amount=12.30 EUR"}
}

func (b *bundle) note(subjects ...string) {
	b.t.Helper()
	for _, s := range subjects {
		require.NoError(b.t, b.AppendAudit(b.t.Context(), noted(s)))
	}
}

// tamper does what only the owner of the database can: it lifts the trigger.
func (b *bundle) tamper(statement string, args ...any) {
	b.t.Helper()
	err := pgx.BeginFunc(b.t.Context(), b.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(b.t.Context(), `ALTER TABLE audit DISABLE TRIGGER ALL`); err != nil {
			return err
		}
		tag, err := tx.Exec(b.t.Context(), statement, args...)
		if err != nil {
			return err
		}
		require.NotZero(b.t, tag.RowsAffected())
		_, err = tx.Exec(b.t.Context(), `ALTER TABLE audit ENABLE ALWAYS TRIGGER audit_append_only`)
		return err
	})
	require.NoError(b.t, err)
}

func TestAudit(t *testing.T) {
	t.Parallel()
	t.Run("rows are chained and come back as they were written", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		head, err := b.VerifyAudit(t.Context(), audit.Head{})
		require.NoError(t, err)
		require.Zero(t, head, "an empty one is whole")
		b.note("payment 1", "payment 2", "payment 3")
		list, err := b.ListAudit(t.Context(), store.AuditFilter{})
		require.NoError(t, err)
		require.Len(t, list, 3)
		require.Equal(t, noted("payment 3"), list[0].Entry)
		require.Equal(t, b.clock.Now(), list[0].At)
		require.Equal(t, list[1].Hash, list[0].Previous)
		head, err = b.VerifyAudit(t.Context(), audit.Head{})
		require.NoError(t, err)
		require.Equal(t, audit.Head{Seq: 3, Hash: list[0].Hash}, head)
	})
	t.Run("many who act at once make one chain", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		together(t, 100, func(ctx context.Context) (struct{}, error) { return struct{}{}, b.AppendAudit(ctx, noted("payment 1")) })
		head, err := b.VerifyAudit(t.Context(), audit.Head{})
		require.NoError(t, err)
		require.EqualValues(t, 100, head.Seq)
	})
	t.Run("a chain of several pages is walked whole", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		err := pgx.BeginFunc(t.Context(), b.pool, func(tx pgx.Tx) error {
			for range 2001 {
				if err := b.AppendAuditIn(t.Context(), tx, noted("payment 1")); err != nil {
					return err
				}
			}
			return nil
		})
		require.NoError(t, err)
		head, err := b.VerifyAudit(t.Context(), audit.Head{})
		require.NoError(t, err)
		require.EqualValues(t, 2001, head.Seq)
		b.tamper(`UPDATE audit SET detail = 'amount=12.31 EUR' WHERE seq = 1999`)
		requireBroken(t, b, audit.Head{}, 1999)
	})
	t.Run("an action and its entry are committed together, or neither is", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		away := errors.New("changed my mind")
		err := pgx.BeginFunc(t.Context(), b.pool, func(tx pgx.Tx) error {
			require.NoError(t, b.AppendAuditIn(t.Context(), tx, noted("payment 1")))
			return away
		})
		require.ErrorIs(t, err, away)
		b.note("payment 2")
		head, err := b.VerifyAudit(t.Context(), audit.Head{})
		require.NoError(t, err)
		require.EqualValues(t, 1, head.Seq, "and leaves no gap")
	})
	t.Run("free text is refused before it is there for ever", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		err := b.AppendAudit(t.Context(), noted("buyer@example.com"))
		requireClass(t, payment.Bug, "audit_entry", err)
		require.NotContains(t, err.Error(), "example.com")
		require.Zero(t, b.count(`SELECT count(*) FROM audit`))
	})
	t.Run("rows are listed by who, what, to what, and page by page", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		b.note("payment 1", "payment 2")
		require.NoError(t, b.AppendAudit(t.Context(), audit.Entry{Actor: root, Action: "user.add", Subject: "user 1"}))
		for want, filter := range map[int]store.AuditFilter{
			3: {}, 2: {Actor: "ada"}, 1: {Subject: "payment 1"}, 0: {Action: "nothing"},
		} {
			list, err := b.ListAudit(t.Context(), filter)
			require.NoError(t, err)
			require.Len(t, list, want)
		}
		first, err := b.ListAudit(t.Context(), store.AuditFilter{Limit: 2})
		require.NoError(t, err)
		require.Equal(t, []int64{3, 2}, []int64{first[0].Seq, first[1].Seq})
		rest, err := b.ListAudit(t.Context(), store.AuditFilter{Limit: 2, Before: first[1].Seq})
		require.NoError(t, err)
		require.Len(t, rest, 1)
		_, err = b.ListAudit(t.Context(), store.AuditFilter{Limit: -1})
		requireClass(t, payment.Invalid, "limit", err)
	})
}

func requireBroken(t *testing.T, b *bundle, known audit.Head, seq int64) {
	t.Helper()
	_, err := b.VerifyAudit(t.Context(), known)
	var broken *audit.Broken
	require.ErrorAs(t, err, &broken)
	require.Equal(t, seq, broken.Seq, broken)
}

func TestAuditIsAppendOnly(t *testing.T) {
	t.Parallel()
	for name, statement := range map[string]string{
		"a change": `UPDATE audit SET detail = 'x' WHERE seq = 2`, "a change of nothing": `UPDATE audit SET detail = detail`,
		"a deletion": `DELETE FROM audit WHERE seq = 3`, "emptying": `TRUNCATE audit`,
		"a change as a replica": `SET LOCAL session_replication_role = replica; DELETE FROM audit`,
	} {
		t.Run(name+" is refused by the database", func(t *testing.T) {
			t.Parallel()
			b := open(t)
			b.note("payment 1", "payment 2", "payment 3")
			_, err := b.pool.Exec(t.Context(), statement, pgx.QueryExecModeSimpleProtocol)
			refused, ok := errors.AsType[*pgconn.PgError](err)
			require.True(t, ok, err)
			require.Equal(t, "23001", refused.Code, refused.Message)
			head, err := b.VerifyAudit(t.Context(), audit.Head{})
			require.NoError(t, err)
			require.EqualValues(t, 3, head.Seq)
		})
	}
	for name, tc := range map[string]struct {
		statement string
		seq       int64
	}{
		"a changed byte":  {`UPDATE audit SET detail = 'amount=12.31 EUR' WHERE seq = 2`, 2},
		"a changed actor": {`UPDATE audit SET actor = 'bob' WHERE seq = 1`, 1},
		"a changed time":  {`UPDATE audit SET at = at + interval '1 microsecond' WHERE seq = 3`, 3},
		"a changed hash":  {`UPDATE audit SET hash = set_byte(hash, 0, get_byte(hash, 0) # 1) WHERE seq = 3`, 3},
		"a row taken out": {`DELETE FROM audit WHERE seq = 2`, 2},
		"a row moved":     {`WITH x AS (DELETE FROM audit WHERE seq = 4 RETURNING *) INSERT INTO audit SELECT 9, at, actor, role, action, subject, detail, previous, hash FROM x`, 4},
	} {
		t.Run(name+" by who can lift the triggers is found", func(t *testing.T) {
			t.Parallel()
			b := open(t)
			b.note("payment 1", "payment 2", "payment 3", "payment 4")
			b.tamper(tc.statement)
			requireBroken(t, b, audit.Head{}, tc.seq)
		})
	}
	t.Run("an end that was cut off is found by the head that was known", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		b.note("payment 1", "payment 2", "payment 3")
		known, err := b.VerifyAudit(t.Context(), audit.Head{})
		require.NoError(t, err)
		b.tamper(`DELETE FROM audit WHERE seq = 3`)
		_, err = b.VerifyAudit(t.Context(), audit.Head{})
		require.NoError(t, err)
		requireBroken(t, b, known, 3)
	})
}
