package store

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tillflow/internal/crypt"
	"tillflow/internal/payment"
)

// sealedBuyer is a session's personal data, ready for the vault. Zero: none.
type sealedBuyer struct {
	subject    string // empty: the session names nobody
	newKey     []byte // wrapped key of a subject that is new, else nil
	lookup     string
	vault      string
	sealed     []byte
	newSubject bool
}

// sealBuyer seals the buyer's data under the key of the subject that stands, or
// of a new one. Who gave neither address nor phone is a subject of its own that
// nobody finds again, and still can be erased through the payment.
func (s *Store) sealBuyer(session payment.Session, key crypt.DataKey, lookup string) (sealedBuyer, error) {
	var out sealedBuyer
	if len(session.Buyer) == 0 && lookup == "" {
		return out, nil
	}
	var err error
	if key.Owner == "" {
		if key, err = s.newSubject(); err != nil {
			return out, err
		}
		out.newSubject, out.newKey = true, key.Wrapped
		if lookup == "" {
			lookup = "none:" + key.Owner
		}
	}
	out.subject, out.lookup = key.Owner, lookup
	if len(session.Buyer) == 0 {
		return out, nil
	}
	if out.vault, err = newID(); err != nil {
		return out, err
	}
	out.sealed, err = s.vault.Seal(key, out.vault, session.Buyer)
	if err != nil {
		return out, bug("vault", "the buyer's data cannot be sealed")
	}
	return out, nil
}

func (s *Store) newSubject() (crypt.DataKey, error) {
	id, err := newID()
	if err != nil {
		return crypt.DataKey{}, err
	}
	key, err := s.vault.NewDataKey(id)
	if err != nil {
		return crypt.DataKey{}, bug("vault", "no data key can be made")
	}
	return key, nil
}

// insertSession writes all rows of a session, or none when one of its unique
// keys is taken. The other parts hang on the payment's row, so nothing is left
// behind; foreign keys are checked at the end of the statement.
const insertSession = `
	WITH payment AS (
		INSERT INTO payments (id, source, shop, external_id, gid, group_key, kind, amount_minor, currency, test, providers, token,
			cancel_url, return_url, locale, country, description, subject_id, vault_id, idempotency_key, request_hash, received_at, deadline_at,
			state, choice_seq, choice_account, sweep_at, updated_at)
		VALUES (@id, @source, @shop, @external_id, @gid, @group, @kind, @minor, @currency, @test, @providers, @token,
			@cancel_url, @return_url, @locale, @country, @description, nullif(@subject, '')::uuid, nullif(@vault, '')::uuid,
			nullif(@idempotency_key, ''), @request_hash, @received_at, @deadline_at,
			'created', @choice_seq, nullif(@choice_account, '')::uuid, @sweep_at, @now)
		ON CONFLICT DO NOTHING
		RETURNING id
	), subject AS (
		INSERT INTO subjects (id, shop, lookup, wrapped_key, created_at)
		SELECT nullif(@subject, '')::uuid, @shop, @lookup, @new_key::bytea, @now FROM payment WHERE @new_subject::boolean
		ON CONFLICT (shop, lookup) WHERE erased_at IS NULL DO NOTHING
	), sealed AS (
		INSERT INTO vault (id, subject_id, kind, sealed, created_at)
		SELECT nullif(@vault, '')::uuid, nullif(@subject, '')::uuid, 'buyer', @sealed::bytea, @now FROM payment WHERE @vault <> ''
	), operation AS (
		INSERT INTO operations (id, payment_id, kind, amount_minor, currency, state, sweep_at, created_at)
		SELECT @operation, id, 'charge', @minor, @currency, 'open', @sweep_at, @now FROM payment
	), line AS (
		INSERT INTO timeline (payment_id, what, after, detail, at)
		SELECT id, 'accepted', 'created', @source || ' ' || @kind, @now FROM payment
	)
	SELECT count(*) FROM payment`

func (s *Store) insertSession(ctx context.Context, session payment.Session, found survey, lookup string) (bool, error) {
	buyer, err := s.sealBuyer(session, found.subject, lookup)
	if err != nil {
		return false, err
	}
	operation, err := newID()
	if err != nil {
		return false, err
	}
	choice, account := 0, ""
	if len(found.options) == 1 {
		choice, account = 1, found.options[0] // nothing to choose
	}
	now := s.now()
	var n int
	err = s.pool.QueryRow(ctx, insertSession, pgx.NamedArgs{
		"id": session.ID, "source": session.Source, "shop": session.Shop, "external_id": session.ExternalID, "gid": session.GID,
		"group": orElse(session.Group, session.ID), "kind": session.Kind, "minor": session.Amount.Minor,
		"currency": session.Amount.Currency, "test": session.Test, "providers": session.Providers, "token": session.Token,
		"cancel_url": session.CancelURL, "return_url": session.ReturnURL, "locale": session.Locale, "country": session.Country, "description": session.Description,
		"subject": buyer.subject, "new_subject": buyer.newSubject, "new_key": buyer.newKey, "lookup": buyer.lookup,
		"vault": buyer.vault, "sealed": buyer.sealed,
		"idempotency_key": session.IdempotencyKey, "request_hash": session.RequestHash,
		"received_at": session.ReceivedAt, "deadline_at": session.DeadlineAt,
		"choice_seq": choice, "choice_account": account, "operation": operation,
		"sweep_at": now.Add(s.sweepAfter), "now": now,
	}).Scan(&n)
	return n == 1, err
}

// lostSubject reports a foreign key that found no subject: a concurrent session
// of the same new buyer wrote the subject first, under another id.
func lostSubject(err error) bool {
	db, ok := errors.AsType[*pgconn.PgError](err)
	return ok && db.Code == "23503" && strings.Contains(db.ConstraintName, "subject")
}

// sealedText is a row of the vault with its subject's key.
type sealedText struct {
	row    string
	sealed []byte
	key    crypt.DataKey
}

// openText opens a text; one that is absent or whose person was erased is empty.
func (s *Store) openText(t sealedText) (string, error) {
	if t.row == "" || t.key.Wrapped == nil {
		return "", nil
	}
	plain, err := s.vault.Open(t.key, t.row, t.sealed)
	if err != nil {
		return "", bug("vault", "a text does not open")
	}
	return string(plain), nil
}
