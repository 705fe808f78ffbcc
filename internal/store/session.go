package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/crypt"
	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// acceptTries bounds the repeats of AcceptSession when a concurrent session of
// the same new buyer commits first. One repeat finds its subject.
const acceptTries = 4

// AcceptSession commits a session, or answers the one that stands. Two round
// trips and one statement that writes: either all of the session's rows or none.
//
// A repeat of the same session, also by 200 callers at once, answers the row
// that stands and writes nothing. The same id with another gid, group, amount,
// currency, kind or test flag is payment.Conflict "different_session", the same
// IdempotencyKey with another RequestHash "idempotency_key_reused"; the first
// stays. A shop that is missing or inactive is payment.NotFound "unknown_shop",
// and no enabled account of the session's mode and providers payment.Invalid
// "no_account".
func (s *Store) AcceptSession(ctx context.Context, session payment.Session) (payment.Accepted, error) {
	const action = "accept session"
	if err := checkSession(&session); err != nil {
		return payment.Accepted{}, failure(action, err)
	}
	for range acceptTries {
		accepted, again, err := s.accept(ctx, session)
		if !again {
			return accepted, failure(action, err)
		}
	}
	return payment.Accepted{}, failure(action, &payment.Error{
		Class: payment.Unavailable, Code: "contended", Message: "other sessions of this buyer came between each time",
	})
}

func checkSession(session *payment.Session) error {
	switch {
	case session.Source != payment.SourceShopify && session.Source != payment.SourceAPI:
		return invalid("source", "unknown source")
	case session.Shop == "" || session.ExternalID == "":
		return invalid("external_id", "shop and external id are required")
	case session.Kind != payment.Sale && session.Kind != payment.Authorization:
		return invalid("kind", "unknown kind")
	case !session.Amount.IsPositive():
		return invalid("amount", "the amount must be positive")
	case session.Country != "" && !countryCode.MatchString(session.Country):
		return invalid("country", "a country is two capital letters")
	case session.Token == "":
		return bug("token", "a session without a buyer's link")
	case !session.DeadlineAt.After(session.ReceivedAt):
		return bug("deadline_at", "a session without time")
	}
	if session.ID == "" {
		id, err := newID()
		if err != nil {
			return err
		}
		session.ID = id
	}
	session.ReceivedAt, session.DeadlineAt = stored(session.ReceivedAt), stored(session.DeadlineAt)
	return known("session id", session.ID)
}

// standing is a payment row as a repeated session is compared with it.
type standing struct {
	ID, Token, GID, GroupKey, ExternalID, Source string

	Kind           payment.Kind
	AmountMinor    int64
	Currency       money.Currency
	Test           bool
	State          payment.State
	ReceivedAt     time.Time
	Closed         bool
	IdempotencyKey string
	RequestHash    []byte
}

// accept tries once. again: a row that this try needed came or went meanwhile.
func (s *Store) accept(ctx context.Context, session payment.Session) (accepted payment.Accepted, again bool, err error) {
	lookup, err := s.lookup(session)
	if err != nil {
		return accepted, false, err
	}
	found, err := s.survey(ctx, session, lookup)
	if err != nil {
		return accepted, false, err
	}
	if found.rows != nil {
		accepted, err = s.standing(session, found.rows)
		return accepted, false, err
	}
	if !found.shopActive {
		return accepted, false, &payment.Error{Class: payment.NotFound, Code: "unknown_shop", Message: "the shop is not installed"}
	}
	if len(found.options) == 0 {
		return accepted, false, invalid("no_account", "no account of the shop serves a %s in this mode", session.Kind)
	}
	inserted, err := s.insertSession(ctx, session, found, lookup)
	if err != nil {
		return accepted, lostSubject(err), err
	}
	if !inserted {
		return accepted, true, nil // somebody committed it first: read that
	}
	return payment.Accepted{
		PaymentID: session.ID, Token: session.Token, ReceivedAt: session.ReceivedAt, New: true, State: payment.Created,
	}, false, nil
}

// survey is what one round trip tells about a session.
type survey struct {
	rows       []standing // the row of the same id, and that of the same idempotency key
	shopActive bool
	options    []string // account ids
	subject    crypt.DataKey
}

const standingColumns = `
	SELECT id::text, token, gid, group_key, external_id, source, kind, amount_minor, currency, test, state, received_at,
	       closed_at IS NOT NULL AS closed, coalesce(idempotency_key, '') AS idempotency_key, request_hash
	FROM payments `

// Two look-ups by their own index instead of one with OR. A row that matches
// both comes twice, which does no harm.
const selectStanding = standingColumns + `WHERE external_id = @external_id AND shop = @shop AND source = @source
	UNION ALL ` + standingColumns + `WHERE idempotency_key = nullif(@idempotency_key, '') AND shop = @shop`

const selectOptions = `
	SELECT c.id::text FROM accounts c
	LEFT JOIN (
		SELECT accounts FROM markets m WHERE m.shop = @shop AND m.live = NOT @test::boolean
		AND m.currency IN ('', @currency) AND m.country IN ('', @country) ` + nearestMarket + `) m ON true
	WHERE c.shop = @shop AND c.enabled AND c.live = NOT @test::boolean AND c.provider = ANY (@providers::text[])
	  AND (m.accounts IS NULL OR c.id = ANY (m.accounts))
	ORDER BY array_position(m.accounts, c.id), c.position, c.label, c.id`

const selectSubject = `
	SELECT id::text, wrapped_key FROM subjects WHERE shop = @shop AND lookup = ANY (@lookups::text[]) AND erased_at IS NULL
	ORDER BY lookup = @lookup DESC, created_at LIMIT 1`

func (s *Store) survey(ctx context.Context, session payment.Session, lookup string) (survey, error) {
	var found survey
	lookups, err := s.lookupsOf(session)
	if err != nil {
		return found, err
	}
	b := &pgx.Batch{}
	args := pgx.NamedArgs{
		"source": session.Source, "shop": session.Shop, "external_id": session.ExternalID, "idempotency_key": session.IdempotencyKey,
		"test": session.Test, "providers": session.Providers, "lookup": lookup, "lookups": lookups,
		"currency": session.Amount.Currency, "country": session.Country,
	}
	b.Queue(selectStanding, args).Query(func(rows pgx.Rows) (err error) {
		found.rows, err = pgx.CollectRows(rows, pgx.RowToStructByName[standing])
		return err
	})
	b.Queue(`SELECT count(*) FROM shops WHERE shop = @shop AND active`, args).QueryRow(func(row pgx.Row) error {
		var n int
		err := row.Scan(&n)
		found.shopActive = n == 1
		return err
	})
	b.Queue(selectOptions, args).Query(func(rows pgx.Rows) (err error) {
		found.options, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if lookup != "" {
		b.Queue(selectSubject, args).QueryRow(func(row pgx.Row) error {
			if err := row.Scan(&found.subject.Owner, &found.subject.Wrapped); err != nil && !none(err) {
				return err
			}
			return nil
		})
	}
	err = send(ctx, s.pool, b)
	if len(found.rows) == 0 {
		found.rows = nil
	}
	return found, err
}

// standing answers a session that stands, if it is the same one.
func (s *Store) standing(session payment.Session, rows []standing) (payment.Accepted, error) {
	for _, row := range rows {
		if session.IdempotencyKey == "" || row.IdempotencyKey != session.IdempotencyKey {
			continue
		}
		if string(row.RequestHash) != string(session.RequestHash) {
			return payment.Accepted{}, conflict("idempotency_key_reused", "the Idempotency-Key was used for another request")
		}
		return row.accepted(), nil
	}
	for _, row := range rows {
		if row.Source != session.Source || row.ExternalID != session.ExternalID {
			continue
		}
		if field := row.differs(session); field != "" {
			s.log.Warn().Str("payment_id", row.ID).Str("shop", session.Shop).Str("field", field).Msg("session repeated with other content")
			return payment.Accepted{}, conflict("different_session", "the session exists with another %s", field)
		}
		return row.accepted(), nil
	}
	return payment.Accepted{}, bug("standing", "a row that matches nothing")
}

func (row standing) accepted() payment.Accepted {
	return payment.Accepted{PaymentID: row.ID, Token: row.Token, ReceivedAt: row.ReceivedAt, State: row.State, Closed: row.Closed}
}

// differs names the first field in which a repeated session is another one.
func (row standing) differs(session payment.Session) string {
	switch {
	case row.GID != session.GID:
		return "gid"
	case row.GroupKey != orElse(session.Group, row.ID):
		return "group"
	case row.AmountMinor != session.Amount.Minor:
		return "amount"
	case row.Currency != session.Amount.Currency:
		return "currency"
	case row.Kind != session.Kind:
		return "kind"
	case row.Test != session.Test:
		return "test"
	}
	return ""
}

// lookupUse names the keyed hash by which a returning buyer is found.
const lookupUse = "subject lookup 1"

// lookup is the keyed hash of the buyer's address or phone, within the shop so
// that no two shops can be compared; empty without one.
func (s *Store) lookup(session payment.Session) (string, error) {
	if session.BuyerKey == "" {
		return "", nil
	}
	hash, err := s.vault.Hash(lookupUse, lookupText(session.Shop, session.BuyerKey))
	if err != nil {
		return "", bug("vault", "the buyer's key cannot be hashed")
	}
	return hash, nil
}

func lookupText(shop, contact string) string { return fmt.Sprintf("%d:%s%s", len(shop), shop, contact) }

// lookupsOf are the hashes under which the buyer may stand: that of the active
// master key, and those of the others until [Store.Rewrap] has been here.
func (s *Store) lookupsOf(session payment.Session) ([]string, error) {
	if session.BuyerKey == "" {
		return nil, nil
	}
	list, err := s.vault.Hashes(lookupUse, lookupText(session.Shop, session.BuyerKey))
	if err != nil {
		return nil, bug("vault", "the buyer's key cannot be hashed")
	}
	return list, nil
}
