package store

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/access/audit"
	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// AcceptMove commits a session to capture, void or refund, or answers the one
// that stands. Nothing that it asks for is judged here: whether the payment
// exists, is paid and has enough left is decided by ClaimMove.
//
// A repeat of the same session answers the row that stands and writes nothing.
// The same id with another payment, gid, amount, currency or test flag is
// payment.Conflict "different_session", the same IdempotencyKey with another
// RequestHash "idempotency_key_reused"; the first stays. A shop that is missing
// or inactive is payment.NotFound "unknown_shop". What somebody asks for by name
// is in the audit, in the same transaction.
func (s *Store) AcceptMove(ctx context.Context, m payment.MoveSession) (payment.AcceptedMove, error) {
	const action = "accept move"
	if err := checkMove(&m); err != nil {
		return payment.AcceptedMove{}, failure(action, err)
	}
	found, err := s.commitMove(ctx, m)
	if err != nil {
		return payment.AcceptedMove{}, failure(action, err)
	}
	id, err := s.sameMove(m, found)
	if err != nil {
		return payment.AcceptedMove{}, failure(action, err)
	}
	r, o, err := s.readMove(ctx, id)
	if err != nil {
		return payment.AcceptedMove{}, failure(action, err)
	}
	return payment.AcceptedMove{Ref: r.moveRef(o), New: found.inserted, View: r.moveView(o)}, nil
}

// insertMoveSession commits a session that nobody has sent before. A void may come
// without the test flag, and its payment is one only anyway.
const insertMoveSession = `
	WITH inserted AS (
		INSERT INTO move_sessions (id, source, shop, kind, external_id, gid, payment_ref, payment_id, amount_minor, currency, test,
		                           locale, idempotency_key, request_hash, received_at, sweep_at)
		SELECT @id, @source, s.shop, @kind, @external_id, @gid, @payment_ref,
		       (SELECT p.id FROM payments p WHERE p.external_id = @payment_ref AND p.shop = s.shop
		        AND (p.source = @source OR @source = 'api' AND p.source IN ('renewal', 'subscription'))
		        AND (p.test = @test OR @kind = 'void' AND NOT @test::boolean) ORDER BY p.source LIMIT 1),
		       @minor, @currency, @test, @locale, nullif(@key, ''), @hash, @received_at, @sweep_at
		FROM shops s WHERE s.shop = @shop AND s.active
		ON CONFLICT DO NOTHING
		RETURNING payment_id
	), noted AS (
		INSERT INTO timeline (payment_id, what, after, detail, at)
		SELECT payment_id, @kind, 'asked', @detail, @now FROM inserted WHERE payment_id IS NOT NULL
	)
	SELECT count(*) = 1, coalesce(max(payment_id::text), '') FROM inserted`

const standingMoveColumns = `
	SELECT id::text, source, kind, external_id, gid, payment_ref, amount_minor, currency, test,
	       coalesce(idempotency_key, '') AS idempotency_key, request_hash
	FROM move_sessions `

// selectStandingMove reads what stands under the session's id and under its
// idempotency key, each by its own index. A row that matches both comes twice,
// which does no harm. After an insert that met one in the making it sees that one.
const selectStandingMove = standingMoveColumns + `WHERE external_id = @external_id AND shop = @shop AND source = @source AND kind = @kind
	UNION ALL ` + standingMoveColumns + `WHERE idempotency_key = nullif(@key, '') AND shop = @shop`

// standingMove is a session's row as a repeat is compared with it.
type standingMove struct {
	ID, Source, ExternalID, GID, PaymentRef string

	Kind           payment.Operation
	AmountMinor    int64
	Currency       money.Currency
	Test           bool
	IdempotencyKey string
	RequestHash    []byte
}

// foundMove is what one round trip tells about a session.
type foundMove struct {
	inserted, shopActive bool
	payment              string // of one that was inserted; empty for an unknown one
	rows                 []standingMove
}

func (s *Store) commitMove(ctx context.Context, m payment.MoveSession) (foundMove, error) {
	var found foundMove
	now := s.now()
	args := pgx.NamedArgs{
		"id": m.ID, "source": m.Source, "shop": m.Shop, "kind": m.Kind, "external_id": m.ExternalID, "gid": m.GID,
		"payment_ref": m.PaymentRef, "minor": m.Amount.Minor, "currency": m.Amount.Currency, "test": m.Test, "locale": m.Locale,
		"key": m.IdempotencyKey, "hash": m.RequestHash, "received_at": m.ReceivedAt,
		"sweep_at": now.Add(s.sweepAfter), "now": now, "detail": strings.TrimSpace(m.ExternalID + " " + asked(m.Amount)),
	}
	// One transaction: the row is there, and with it all that says so.
	b := &pgx.Batch{}
	b.Queue(insertMoveSession, args).QueryRow(func(row pgx.Row) error { return row.Scan(&found.inserted, &found.payment) })
	b.Queue(selectStandingMove, args).Query(func(rows pgx.Rows) (err error) {
		found.rows, err = pgx.CollectRows(rows, pgx.RowToStructByName[standingMove])
		return err
	})
	b.Queue(`SELECT count(*) = 1 FROM shops WHERE shop = @shop AND active`, args).QueryRow(func(row pgx.Row) error {
		return row.Scan(&found.shopActive)
	})
	if m.By == "" {
		return found, send(ctx, s.pool, b)
	}
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		if err := send(ctx, tx, b); err != nil || !found.inserted {
			return err
		}
		return s.AppendAuditIn(ctx, tx, audit.Entry{
			Actor: audit.Actor{Name: m.By}, Action: "payment." + string(m.Kind), Subject: "payment " + found.payment,
			Detail: audit.Detail("move", m.ID, "amount", asked(m.Amount), "outcome", "accepted"),
		})
	})
	return found, err
}

// asked is the amount in a timeline; a void has none.
func asked(a money.Amount) string {
	if a.Currency == "" {
		return ""
	}
	return a.String()
}

// sameMove names the row that stands for a session, if it is the same one.
func (s *Store) sameMove(m payment.MoveSession, found foundMove) (string, error) {
	for _, row := range found.rows {
		if m.IdempotencyKey == "" || row.IdempotencyKey != m.IdempotencyKey {
			continue
		}
		if string(row.RequestHash) != string(m.RequestHash) {
			return "", conflict("idempotency_key_reused", "the Idempotency-Key was used for another request")
		}
		return row.ID, nil
	}
	for _, row := range found.rows {
		if row.Source != m.Source || row.ExternalID != m.ExternalID || row.Kind != m.Kind {
			continue
		}
		if field := row.differs(m); field != "" {
			s.log.Warn().Str("move_id", row.ID).Str("shop", m.Shop).Str("field", field).Msg("move repeated with other content")
			return "", conflict("different_session", "the session exists with another %s", field)
		}
		return row.ID, nil
	}
	if !found.shopActive {
		return "", &payment.Error{Class: payment.NotFound, Code: "unknown_shop", Message: "the shop is not installed"}
	}
	return "", bug("standing", "a session that neither stands nor was inserted")
}

// differs names the first field in which a repeated session is another one.
func (row standingMove) differs(m payment.MoveSession) string {
	switch {
	case row.PaymentRef != m.PaymentRef:
		return "payment"
	case row.GID != m.GID:
		return "gid"
	case row.AmountMinor != m.Amount.Minor:
		return "amount"
	case row.Currency != m.Amount.Currency:
		return "currency"
	case row.Test != m.Test:
		return "test"
	}
	return ""
}

func checkMove(m *payment.MoveSession) error {
	switch m.Kind {
	case payment.OpCapture, payment.OpRefund:
		if m.Amount.Currency == "" {
			return invalid("currency", "a %s without a currency", m.Kind)
		}
	case payment.OpVoid:
		m.Amount = money.Amount{}
	case payment.OpCharge, payment.OpReversal, payment.OpDispute:
		return invalid("kind", "nobody asks for a %s", m.Kind)
	default:
		return invalid("kind", "unknown kind")
	}
	switch {
	case m.Source != payment.SourceShopify && m.Source != payment.SourceAPI:
		return invalid("source", "unknown source")
	case m.Shop == "" || m.ExternalID == "":
		return invalid("external_id", "shop and external id are required")
	case m.PaymentRef == "":
		return invalid("payment_ref", "the payment is required")
	case m.Amount.Minor < 0:
		return invalid("amount", "the amount is negative")
	case m.ReceivedAt.IsZero():
		return bug("received_at", "a session that was never received")
	}
	if m.ID == "" {
		id, err := newID()
		if err != nil {
			return err
		}
		m.ID = id
	}
	m.ReceivedAt = stored(m.ReceivedAt)
	return known("session id", m.ID)
}
