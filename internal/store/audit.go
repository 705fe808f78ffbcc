package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/access"
	"tillflow/internal/access/audit"
	"tillflow/internal/payment"
)

// auditLock is the advisory lock under which the chain grows: one row after the
// other. The number is arbitrary and must never change.
const auditLock int64 = 0x7469_6c6c_6175_6469

const (
	lockAudit = `SELECT pg_advisory_xact_lock($1)`
	// Read after the lock is held, so that the row of whoever had it before is seen.
	auditHead   = `SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1`
	insertAudit = `
	INSERT INTO audit (seq, at, actor, role, action, subject, detail, previous, hash)
	VALUES (@seq, @at, @actor, @role, @action, @subject, @detail, @previous, @hash)`
)

// AppendAudit notes an action that has no transaction of its own in the record.
// An entry that the chain does not take is payment.Bug "audit_entry": free text
// was about to be written, which the chain must not hold.
func (s *Store) AppendAudit(ctx context.Context, entry audit.Entry) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error { return s.AppendAuditIn(ctx, tx, entry) })
	return failure("append to the audit", err)
}

// AppendAuditIn notes an action in the transaction that does it: both are
// committed, or neither. Call it last, since everybody else who acts waits from
// here to the commit.
func (s *Store) AppendAuditIn(ctx context.Context, tx pgx.Tx, entry audit.Entry) error {
	if err := entry.Check(); err != nil {
		return bug("audit_entry", "%s", err.Error())
	}
	if _, err := tx.Exec(ctx, lockAudit, auditLock); err != nil {
		return fmt.Errorf("lock the audit: %w", err)
	}
	var head audit.Head
	var hash []byte
	if err := tx.QueryRow(ctx, auditHead).Scan(&head.Seq, &hash); err != nil && !none(err) {
		return fmt.Errorf("read the end of the audit: %w", err)
	}
	copy(head.Hash[:], hash)
	r, err := audit.Next(head, s.now(), entry)
	if err != nil {
		return bug("audit_entry", "%s", err.Error())
	}
	_, err = tx.Exec(ctx, insertAudit, pgx.NamedArgs{
		"seq": r.Seq, "at": r.At, "actor": r.Entry.Actor.Name, "role": r.Entry.Actor.Role, "action": r.Entry.Action,
		"subject": r.Entry.Subject, "detail": r.Entry.Detail, "previous": r.Previous[:], "hash": r.Hash[:],
	})
	return err
}

// auditRow is a row as it is stored.
type auditRow struct {
	Seq                            int64
	At                             time.Time
	Actor, Action, Subject, Detail string
	Role                           access.Role
	Previous, Hash                 []byte
}

func (r auditRow) record() audit.Record {
	return audit.Record{
		Seq: r.Seq, At: r.At, Previous: audit.Hash(r.Previous), Hash: audit.Hash(r.Hash),
		Entry: audit.Entry{Actor: audit.Actor{Name: r.Actor, Role: r.Role}, Action: r.Action, Subject: r.Subject, Detail: r.Detail},
	}
}

// auditPage is how many rows are read at a time.
const auditPage = 1000

const walkAudit = `
	SELECT seq, at, actor, role, action, subject, detail, previous, hash FROM audit WHERE seq > @after ORDER BY seq LIMIT @limit`

// VerifyAudit walks the whole chain and answers its end, or *audit.Broken with
// the first row that is not what it was. known is the head that an earlier
// verification answered; the zero value when there is none. Rows that are
// appended meanwhile may or may not be walked.
func (s *Store) VerifyAudit(ctx context.Context, known audit.Head) (audit.Head, error) {
	const action = "verify the audit"
	verifier := audit.NewVerifier(known)
	for after := int64(0); ; {
		list, err := s.auditRows(ctx, walkAudit, pgx.NamedArgs{"after": after, "limit": auditPage})
		if err != nil {
			return audit.Head{}, failure(action, err)
		}
		for _, r := range list {
			if err := verifier.Add(r); err != nil {
				return audit.Head{}, err
			}
			after = r.Seq
		}
		if len(list) < auditPage {
			return verifier.End()
		}
	}
}

// AuditFilter picks rows of the audit. Empty members pick all.
type AuditFilter struct {
	Actor, Action, Subject string
	Before                 int64 // only rows with a smaller number: the next page
	Limit                  int   // default 50, at most 500
}

const listAudit = `
	SELECT seq, at, actor, role, action, subject, detail, previous, hash FROM audit
	WHERE (@actor = '' OR actor = @actor) AND (@action = '' OR action = @action) AND (@subject = '' OR subject = @subject)
	  AND (@before = 0 OR seq < @before)
	ORDER BY seq DESC LIMIT @limit`

// ListAudit lists rows of the audit, newest first. It verifies nothing.
func (s *Store) ListAudit(ctx context.Context, f AuditFilter) ([]audit.Record, error) {
	const action = "list the audit"
	if f.Limit < 0 || f.Before < 0 {
		return nil, failure(action, invalid("limit", "a limit and a number are not negative"))
	}
	list, err := s.auditRows(ctx, listAudit, pgx.NamedArgs{
		"actor": f.Actor, "action": f.Action, "subject": f.Subject, "before": f.Before, "limit": min(orElse(f.Limit, 50), 500),
	})
	return list, failure(action, err)
}

func (s *Store) auditRows(ctx context.Context, query string, args pgx.NamedArgs) ([]audit.Record, error) {
	rows, err := s.pool.Query(ctx, query, args)
	if err != nil {
		return nil, err
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[auditRow])
	if err != nil {
		return nil, err
	}
	records := make([]audit.Record, len(list))
	for i, r := range list {
		if len(r.Previous) != len(audit.Hash{}) || len(r.Hash) != len(audit.Hash{}) {
			return nil, &payment.Error{Class: payment.Bug, Code: "audit", Message: fmt.Sprintf("row %d of the audit has no hash", r.Seq)}
		}
		records[i] = r.record()
	}
	return records, nil
}
