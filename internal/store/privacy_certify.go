package store

import (
	"context"
	"crypto/ed25519"
	"io"
	"strconv"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/payment"
	"tillflow/internal/privacy"
)

// CertifyRequest signs what was done, destroys the key of the request and with it
// what was kept for the scan, and ends the request. payment.Conflict "residue"
// unless the last scan found nothing. A repeat answers the request as it ended.
func (s *Store) CertifyRequest(ctx context.Context, id string) (privacy.View, error) {
	const action = "certify an erasure"
	r, err := readRequest(ctx, s.pool, id, "")
	if err != nil {
		return privacy.View{}, failure(action, err)
	}
	if r.State == privacy.Done {
		v, err := r.view(ctx, s.pool)
		return v, failure(action, err)
	}
	if r.State != privacy.Erased || r.Scan == nil || r.Scan.Found() > 0 {
		return privacy.View{}, failure(action, conflict("residue", "the last scan has not found that nothing is left"))
	}
	c := privacy.Certificate{
		RequestID: r.ID, WebhookID: r.WebhookID, Shop: r.Shop, Kind: r.Kind, ReceivedAt: r.ReceivedAt, DueAt: r.DueAt,
		ErasedAt: r.ErasedAt, IssuedAt: s.now(), Keys: r.Subjects, Payments: r.Payments, VaultBefore: r.readable,
		BooksBefore: r.booksBefore, Scan: *r.Scan,
	}
	if c.VaultAfter, err = s.stillOpen(ctx, id); err != nil {
		return privacy.View{}, failure(action, err)
	}
	if c.VaultAfter > 0 {
		return privacy.View{}, failure(action, bug("vault", "%d rows still open", c.VaultAfter))
	}
	if c.BooksAfter, err = s.books(ctx, id, r.booksAt); err != nil {
		return privacy.View{}, failure(action, err)
	}
	text, err := privacy.Issue(s.vault, c)
	if err != nil {
		return privacy.View{}, failure(action, bug("vault", "the certificate cannot be signed"))
	}
	const end = `
		UPDATE privacy_requests SET state = 'done', done_at = @now, certificate = @text, wrapped_key = NULL, sealed = NULL, words = NULL,
		       operator = '', operator_since = NULL
		WHERE id = @id AND state = 'erased'`
	v, err := s.changeRequest(ctx, id, func(tx pgx.Tx, r request) error {
		if r.State != privacy.Erased {
			return nil
		}
		if _, err := tx.Exec(ctx, end, pgx.NamedArgs{"id": id, "text": text, "now": s.now()}); err != nil {
			return err
		}
		return s.auditRequest(ctx, tx, "privacy.certified", id)
	})
	return v, failure(action, err)
}

// CertificateKey is the public key under which certificates of a key id verify;
// an empty id is the one that signs today.
func (s *Store) CertificateKey(id string) (ed25519.PublicKey, error) {
	key, err := s.vault.SigningKey(id)
	if err != nil {
		return nil, &payment.Error{Class: payment.NotFound, Code: "unknown_key", Message: "no master key of this ring has that id"}
	}
	return key, nil
}

// RequestRuns names the workflows of the payments that a request reaches.
func (s *Store) RequestRuns(ctx context.Context, id string) (privacy.Runs, error) {
	const action = "list the runs of a privacy request"
	r, err := readRequest(ctx, s.pool, id, "")
	if err != nil {
		return privacy.Runs{}, failure(action, err)
	}
	if r.whole {
		return privacy.Runs{Shop: r.Shop}, nil
	}
	const traces = `
		WITH reached AS (` + requestPayments + `)
		SELECT 'charge', p.source, p.shop, p.external_id FROM payments p JOIN reached USING (id)
		UNION ALL
		SELECT m.kind, m.source, m.shop, m.external_id FROM move_sessions m JOIN reached ON reached.id = m.payment_id
		UNION ALL
		SELECT o.kind, p.source, p.shop, o.external_ref FROM operations o JOIN reached ON reached.id = o.payment_id
		JOIN payments p ON p.id = o.payment_id WHERE o.kind = 'reversal' AND o.origin = 'ours'
		UNION ALL
		SELECT 'erasure', 'shopify', r.shop, r.id::text FROM privacy_requests r WHERE r.id = @id`
	rows, err := s.pool.Query(ctx, traces, pgx.NamedArgs{"id": id})
	if err != nil {
		return privacy.Runs{}, failure(action, err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[privacy.Trace])
	return privacy.Runs{Traces: list}, failure(action, err)
}

// SearchRecord looks for words in every table but the vault's. Rows travel to this
// process and the words do not leave it: a statement with them could stand in a
// log of the database.
func (s *Store) SearchRecord(ctx context.Context, m *privacy.Matcher, beat func() error) (privacy.Place, error) {
	const action = "search the record"
	place := privacy.Place{Name: "database"}
	rows, err := s.pool.Query(ctx, `SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema() AND tablename <> 'vault' ORDER BY 1`)
	if err != nil {
		return place, failure(action, err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return place, failure(action, err)
	}
	total := 0
	for _, table := range tables {
		lines := &privacy.Lines{Matcher: m, Beat: beat}
		if err := s.copyTable(ctx, table, lines); err != nil {
			return place, failure(action, err)
		}
		lines.End()
		total += lines.Read
		if lines.Found > 0 {
			place.Found += lines.Found
			place.Where = append(place.Where, table+": "+strconv.Itoa(lines.Found)+" rows")
		}
	}
	place.Searched = strconv.Itoa(total) + " rows of " + strconv.Itoa(len(tables)) + " tables"
	return place, nil
}

func (s *Store) copyTable(ctx context.Context, table string, to io.Writer) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SET LOCAL statement_timeout = 0`); err != nil {
			return err
		}
		_, err := tx.Conn().PgConn().CopyTo(ctx, to, "COPY (SELECT t::text FROM "+pgx.Identifier{table}.Sanitize()+" t) TO STDOUT")
		return err
	})
}
