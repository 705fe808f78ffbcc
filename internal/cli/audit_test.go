package cli

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tillflow/internal/access"
	"tillflow/internal/access/audit"
	"tillflow/internal/store/storetest"
)

// archive is an office with a database of its own, since what is done to its
// chain cannot be undone.
func archive(t *testing.T, rows int) *office {
	t.Helper()
	o := &office{t: t, vars: settings()}
	o.vars["TILLFLOW_DATABASE_URL"] = storetest.Database(t)
	o.Store = openStore(t, o.vars)
	for i := range rows {
		require.NoError(t, o.AppendAudit(t.Context(), audit.Entry{
			Actor: audit.Actor{Name: "ada", Role: access.Finance}, Action: "money.release", Subject: fmt.Sprintf("payment %d", i+1), Detail: "amount=12.30 EUR",
		}))
	}
	return o
}

// sql does what only the owner of the database can: it lifts the triggers.
func (o *office) sql(statement string) {
	o.t.Helper()
	conn, err := pgx.Connect(o.t.Context(), o.vars["TILLFLOW_DATABASE_URL"])
	require.NoError(o.t, err)
	defer conn.Close(o.t.Context())
	_, err = conn.Exec(o.t.Context(), "ALTER TABLE audit DISABLE TRIGGER ALL; "+statement, pgx.QueryExecModeSimpleProtocol)
	require.NoError(o.t, err)
}

func TestAuditCommand(t *testing.T) {
	t.Parallel()
	t.Run("a whole chain is told with its head, and an earlier head is still in it", func(t *testing.T) {
		t.Parallel()
		o := archive(t, 3)
		out := o.must("", "audit", "verify")
		require.Regexp(t, `^ok: 3 rows, unbroken\nhead 3:[0-9a-f]{64}\n$`, out)
		head := strings.TrimSpace(out[strings.Index(out, "head ")+5:])
		require.NoError(t, o.AppendAudit(t.Context(), audit.Entry{Actor: audit.Actor{Name: "ada"}, Action: "login.close"}))
		require.Contains(t, o.must("", "audit", "verify", "-known", head), "ok: 4 rows")
	})
	t.Run("one changed byte is found, and its row named", func(t *testing.T) {
		t.Parallel()
		o := archive(t, 4)
		o.sql(`UPDATE audit SET detail = overlay(detail placing '9' from 8) WHERE seq = 2`)
		code, out, errOut := o.command("", "audit", "verify")
		require.Equal(t, 1, code)
		require.Empty(t, out)
		require.Contains(t, errOut, "the audit is broken at row 2: its content is not what was hashed")
	})
	t.Run("a row that was taken out is found, also the last one by the head that was known", func(t *testing.T) {
		t.Parallel()
		o := archive(t, 4)
		_, head, _ := strings.Cut(o.must("", "audit", "verify"), "head ")
		o.sql(`DELETE FROM audit WHERE seq = 4`)
		code, _, errOut := o.command("", "audit", "verify", "-known", head)
		require.Equal(t, 1, code)
		require.Contains(t, errOut, "broken at row 4")
		o.sql(`DELETE FROM audit WHERE seq = 2`)
		code, _, errOut = o.command("", "audit", "verify")
		require.Equal(t, 1, code)
		require.Contains(t, errOut, "broken at row 2: the row is missing; row 3 follows")
	})
	t.Run("what is no head is refused", func(t *testing.T) {
		t.Parallel()
		code, _, errOut := main(t, settings(), "audit", "verify", "-known", "7")
		require.Equal(t, 1, code)
		require.Contains(t, errOut, "a head is")
	})
	t.Run("rows are listed, newest first, by who and what", func(t *testing.T) {
		t.Parallel()
		o := archive(t, 3)
		require.NoError(t, o.AppendAudit(t.Context(), audit.Entry{Actor: audit.Actor{Name: "bob"}, Action: "login.fail"}))
		lines := strings.Split(strings.TrimSpace(o.must("", "audit", "list")), "\n")
		require.Len(t, lines, 5)
		require.Regexp(t, `^ROW +AT +WHO +ROLE +DID +TO +DETAIL$`, strings.TrimSpace(lines[0]))
		require.Regexp(t, `^4 +20\S+ \S+Z +bob +- +login\.fail +- +-$`, lines[1])
		require.Regexp(t, `^1 +20\S+ \S+Z +ada +finance +money\.release +payment 1 +amount=12\.30 EUR$`, lines[4])
		for want, args := range map[int][]string{
			3: {"-actor", "ada"}, 1: {"-action", "login.fail"}, 2: {"-before", "3"},
		} {
			require.Len(t, strings.Split(strings.TrimSpace(o.must("", append([]string{"audit", "list"}, args...)...)), "\n"), want+1, args)
		}
		require.Contains(t, o.must("", "audit", "list", "-subject", "payment 2"), "payment 2")
		require.Len(t, strings.Split(strings.TrimSpace(o.must("", "audit", "list", "-limit", "1")), "\n"), 2)
	})
}
