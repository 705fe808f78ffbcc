package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/access/audit"
	"tillflow/internal/crypt"
	"tillflow/internal/payment"
	"tillflow/internal/privacy"
	"tillflow/internal/shopify/app"
)

// privacyOwner binds what a request seals to its row; the rows name the columns.
const (
	privacyOwner = "privacy request "
	aboutRow     = "about"
	wordsRow     = "words"
)

// machine is who acts where no person does.
const machine = "tillflow"

// TakeRequest files a privacy request that was delivered: what it says about a
// person moves from the delivery to the request, under a key of its own. It may
// be repeated and answers the request that stands. term is the law's time.
func (s *Store) TakeRequest(ctx context.Context, deliveryID string, term time.Duration) (privacy.Ref, error) {
	const action = "take privacy request"
	var ref privacy.Ref
	if err := known("delivery", deliveryID); err != nil {
		return ref, failure(action, err)
	}
	standing, err := s.PrivacyRequest(ctx, deliveryID)
	if err == nil || payment.ClassOf(err, payment.Unavailable) != payment.NotFound {
		return standing.Ref, err
	}
	about, err := s.OpenRequest(ctx, deliveryID)
	if err != nil && payment.ClassOf(err, payment.Unavailable) != payment.NotFound { // a shop's says nothing about a person
		return ref, err
	}
	key, sealed, err := s.sealRequest(deliveryID, about)
	if err != nil {
		return ref, failure(action, err)
	}
	args := pgx.NamedArgs{"id": deliveryID, "key": key.Wrapped, "sealed": sealed, "term": term, "now": s.now()}
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, insertRequest, args)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE shopify_deliveries SET wrapped_key = NULL, sealed = NULL WHERE id = @id`, args); err != nil {
			return err
		}
		return s.auditRequest(ctx, tx, "privacy.received", deliveryID)
	})
	if err != nil {
		return ref, failure(action, err)
	}
	standing, err = s.PrivacyRequest(ctx, deliveryID)
	return standing.Ref, err
}

const insertRequest = `
	INSERT INTO privacy_requests (id, webhook_id, shop, app, kind, received_at, due_at, state, wrapped_key, sealed, sweep_at)
	SELECT id, webhook_id, shop, app,
	       CASE topic WHEN 'customers/data_request' THEN 'data_request' WHEN 'customers/redact' THEN 'customer' WHEN 'shop/redact' THEN 'shop' END,
	       received_at, received_at + @term::interval, 'received', @key, @sealed, @now
	FROM shopify_deliveries WHERE id = @id
	ON CONFLICT (id) DO NOTHING`

func (s *Store) sealRequest(id string, about app.Request) (crypt.DataKey, []byte, error) {
	text, err := json.Marshal(about)
	if err != nil {
		return crypt.DataKey{}, nil, bug("vault", "the request cannot be written")
	}
	key, err := s.vault.NewDataKey(privacyOwner + id)
	if err != nil {
		return key, nil, bug("vault", "no data key can be made")
	}
	sealed, err := s.vault.Seal(key, aboutRow, text)
	if err != nil {
		return key, nil, bug("vault", "the request cannot be sealed")
	}
	return key, sealed, nil
}

// auditRequest notes what was done for a request, in the transaction that does it.
func (s *Store) auditRequest(ctx context.Context, tx pgx.Tx, what, id string) error {
	return s.AppendAuditIn(ctx, tx, audit.Entry{Actor: audit.Actor{Name: machine}, Action: what, Subject: "privacy " + id})
}

// requestPayments selects the payments that a request reaches. A person's are
// those of their subjects, a shop's those that it has sent before it asked.
const requestPayments = `
	SELECT p.id FROM privacy_subjects x JOIN payments p ON p.subject_id = x.subject_id WHERE x.request_id = @id
	UNION
	SELECT p.id FROM privacy_requests r JOIN payments p ON p.shop = r.shop AND p.received_at <= r.received_at WHERE r.id = @id AND r.whole`

// openPayments is which of them are not over: the answer is owed or a move of
// their money is under way, or a success may still appear after an attempt that
// ended without money. A hold that nobody has captured, a dispute and a fee that is
// still looked for do not need to know the person, though they are watched as well.
const openPayments = `
	SELECT count(*) FROM payments p WHERE p.id IN (` + requestPayments + `) AND (
		p.closed_at IS NULL
		OR p.watch_at IS NOT NULL AND EXISTS (SELECT FROM operations o JOIN attempts a ON a.operation_id = o.id
			WHERE o.payment_id = p.id AND o.kind = 'charge' AND a.state IN ('declined', 'closed', 'not_done'))
		OR EXISTS (SELECT FROM move_sessions m WHERE m.payment_id = p.id AND m.closed_at IS NULL)
		OR EXISTS (SELECT FROM operations o WHERE o.payment_id = p.id AND o.state = 'open' AND o.origin = 'ours' AND o.kind <> 'charge'))`

// request is a row with its key, locked for who changes it.
type request struct {
	privacy.Line

	whole       bool
	key         crypt.DataKey
	about       []byte
	words       []byte
	scan        []byte
	booksBefore string
	booksAt     time.Time
	readable    int
}

const selectRequest = `
	SELECT id::text, webhook_id, shop, app, kind, received_at, due_at, state, operator, operator_since, whole, subjects, payments, readable,
	       books, books_at, scan, certificate, erased_at, done_at, wrapped_key, sealed, words
	FROM privacy_requests `

func scanRequest(row pgx.CollectableRow) (request, error) {
	var r request
	var since, erased, done, booked *time.Time
	err := row.Scan(&r.ID, &r.WebhookID, &r.Shop, &r.App, &r.Kind, &r.ReceivedAt, &r.DueAt, &r.State, &r.Trouble, &since, &r.whole,
		&r.Subjects, &r.Payments, &r.readable, &r.booksBefore, &booked, &r.scan, &r.Certificate, &erased, &done,
		&r.key.Wrapped, &r.about, &r.words)
	if err != nil {
		return r, err
	}
	r.Since, r.ErasedAt, r.DoneAt, r.booksAt = instant(since), instant(erased), instant(done), instant(booked)
	r.key.Owner = privacyOwner + r.ID
	if len(r.scan) > 0 {
		r.Scan = &privacy.Scan{}
		if err := json.Unmarshal(r.scan, r.Scan); err != nil {
			return r, bug("scan", "what a scan found cannot be read")
		}
	}
	return r, nil
}

// reads is a pool or a transaction.
type reads interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func readRequest(ctx context.Context, q reads, id, locked string) (request, error) {
	if err := known("privacy request", id); err != nil {
		return request{}, err
	}
	rows, err := q.Query(ctx, selectRequest+`WHERE id = @id `+locked, pgx.NamedArgs{"id": id})
	if err != nil {
		return request{}, err
	}
	return pgx.CollectExactlyOneRow(rows, scanRequest)
}

const forUpdate = "FOR NO KEY UPDATE"

// view is how a request stands for its run.
func (r request) view(ctx context.Context, q reads) (privacy.View, error) {
	v := privacy.View{State: r.State, Trouble: r.Trouble, Subjects: r.Subjects, Payments: r.Payments}
	if r.Scan != nil {
		v.Residue = r.Scan.Found()
	}
	if r.State != privacy.Waiting || r.Kind == privacy.DataRequest {
		return v, nil
	}
	return v, q.QueryRow(ctx, openPayments, pgx.NamedArgs{"id": r.ID}).Scan(&v.Open)
}

// LoadRequest reads how a request stands. It writes nothing.
func (s *Store) LoadRequest(ctx context.Context, id string) (privacy.View, error) {
	const action = "load privacy request"
	r, err := readRequest(ctx, s.pool, id, "")
	if err != nil {
		return privacy.View{}, failure(action, err)
	}
	v, err := r.view(ctx, s.pool)
	return v, failure(action, err)
}

// changeRequest locks a request, lets fn change it, and answers how it stands then.
func (s *Store) changeRequest(ctx context.Context, id string, fn func(tx pgx.Tx, r request) error) (privacy.View, error) {
	var v privacy.View
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		r, err := readRequest(ctx, tx, id, forUpdate)
		if err != nil {
			return err
		}
		if err := fn(tx, r); err != nil {
			return err
		}
		if r, err = readRequest(ctx, tx, id, ""); err != nil {
			return err
		}
		v, err = r.view(ctx, tx)
		return err
	})
	return v, err
}

// CallForRequest notes why a request needs a person; NoTrouble takes it back. A
// request that was served needs nobody.
func (s *Store) CallForRequest(ctx context.Context, id string, why privacy.Trouble) (privacy.View, error) {
	const call = `
		UPDATE privacy_requests SET operator = @why, operator_since = CASE WHEN @why::text = '' THEN NULL ELSE @now::timestamptz END
		WHERE id = @id AND operator <> @why AND state <> 'done'`
	v, err := s.changeRequest(ctx, id, func(tx pgx.Tx, _ request) error {
		_, err := tx.Exec(ctx, call, pgx.NamedArgs{"id": id, "why": string(why), "now": s.now()})
		return err
	})
	return v, failure("call for a privacy request", err)
}

// RecordScan keeps what a scan found, and takes the call for a person back when
// that was nothing.
func (s *Store) RecordScan(ctx context.Context, id string, scan privacy.Scan) (privacy.View, error) {
	const action = "record a scan"
	text, err := json.Marshal(scan)
	if err != nil {
		return privacy.View{}, failure(action, bug("scan", "what a scan found cannot be written"))
	}
	const keep = `UPDATE privacy_requests SET scan = @scan WHERE id = @id AND state = 'erased'`
	const calm = `UPDATE privacy_requests SET operator = '', operator_since = NULL WHERE id = @id AND @found = 0`
	v, err := s.changeRequest(ctx, id, func(tx pgx.Tx, _ request) error {
		args := pgx.NamedArgs{"id": id, "scan": text, "found": scan.Found()}
		if _, err := tx.Exec(ctx, keep, args); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, calm, args)
		return err
	})
	return v, failure(action, err)
}
