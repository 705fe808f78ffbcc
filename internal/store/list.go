package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/money"
	"tillflow/internal/payment"
)

const (
	defaultList = 50
	maxList     = 500
)

const selectSummary = `
	SELECT p.id::text, p.source, p.shop, p.external_id, coalesce(c.provider, ''), p.kind, p.amount_minor, p.currency, p.test, p.received_at,
	       p.token, p.state, p.final, p.final_reason, p.told_at, p.closed_at, p.operator, p.operator_since, p.deadline_at
	FROM payments p LEFT JOIN accounts c ON c.id = p.choice_account `

func scanSummary(row pgx.CollectableRow) (payment.Summary, error) {
	var s payment.Summary
	var told, closed, since *time.Time
	err := row.Scan(append(scanRun(&s.Run), &s.Token, &s.State, &s.Final, &s.FinalReason, &told, &closed, &s.Operator, &since, &s.DeadlineAt)...)
	s.ToldAt, s.ClosedAt, s.OperatorSince = instant(told), instant(closed), instant(since)
	return s, err
}

// PaymentByRef reads a payment of /api/v1 by the merchant's reference.
func (s *Store) PaymentByRef(ctx context.Context, shop, ref string) (payment.Summary, error) {
	// Payments of subscriptions are read and refunded by their references, too; the merchant's own go first.
	const where = `WHERE p.source IN ('api', 'renewal', 'subscription') AND p.shop = @shop AND p.external_id = @ref ORDER BY p.source LIMIT 1`
	return s.summary(ctx, "read payment", where, pgx.NamedArgs{"shop": shop, "ref": ref})
}

// FindPayment reads a payment by any id in full, as [Store.SearchPayments] does:
// its own, else the shop's or the merchant's id of it, else that of a capture,
// void or refund of it, or a provider's reference. payment.Conflict "ambiguous"
// when several payments are equally near.
func (s *Store) FindPayment(ctx context.Context, id string) (payment.Summary, error) {
	const where = `WHERE ` + byAnyID + `
		ORDER BY p.id = nullif(@uuid, '')::uuid DESC NULLS LAST, p.external_id = @ref DESC LIMIT 2`
	const action = "find payment"
	uuid := id
	if known("payment", id) != nil {
		uuid = ""
	}
	rows, err := s.pool.Query(ctx, selectSummary+where, pgx.NamedArgs{"ref": id, "uuid": uuid})
	if err != nil {
		return payment.Summary{}, failure(action, err)
	}
	list, err := pgx.CollectRows(rows, scanSummary)
	switch {
	case err != nil:
		return payment.Summary{}, failure(action, err)
	case len(list) == 0:
		return payment.Summary{}, failure(action, pgx.ErrNoRows)
	case len(list) > 1 && list[0].Run.PaymentID != id && (list[0].Run.ExternalID != id || list[1].Run.ExternalID == id):
		return payment.Summary{}, failure(action, conflict("ambiguous", "several payments have this id or reference: name one by its own id"))
	}
	return list[0], nil
}

func (s *Store) summary(ctx context.Context, action, where string, args pgx.NamedArgs) (payment.Summary, error) {
	rows, err := s.pool.Query(ctx, selectSummary+where, args)
	if err != nil {
		return payment.Summary{}, failure(action, err)
	}
	found, err := pgx.CollectExactlyOneRow(rows, scanSummary)
	return found, failure(action, err)
}

// ListPayments lists payments, newest first.
func (s *Store) ListPayments(ctx context.Context, f payment.Filter) ([]payment.Summary, error) {
	const action = "list payments"
	const where = `
		WHERE (@shop = '' OR p.shop = @shop) AND (@state = '' OR p.state = @state) AND (NOT @operator::boolean OR p.operator <> '')
		  AND (@before::timestamptz IS NULL OR p.received_at < @before)
		ORDER BY p.received_at DESC, p.id DESC LIMIT @limit`
	rows, err := s.pool.Query(ctx, selectSummary+where, pgx.NamedArgs{
		"shop": f.Shop, "state": string(f.State), "operator": f.Operator, "before": nullable(f.Before),
		"limit": min(max(orElse(f.Limit, defaultList), 1), maxList),
	})
	if err != nil {
		return nil, failure(action, err)
	}
	list, err := pgx.CollectRows(rows, scanSummary)
	return list, failure(action, err)
}

// ShowPayment reads all that is known of a payment, found as by FindPayment.
// The texts that people wrote are opened from the vault only with texts set;
// those of an erased person stay empty.
func (s *Store) ShowPayment(ctx context.Context, id string, texts bool) (payment.Details, error) {
	const action = "show payment"
	found, err := s.FindPayment(ctx, id)
	if err != nil {
		return payment.Details{}, failure(action, err)
	}
	d := payment.Details{Summary: found}
	b := &pgx.Batch{}
	b.Queue(snapshot)
	queueDetails(b, &d)
	queueOrder(b, &d)
	s.queueActions(b, &d, texts)
	b.Queue("commit")
	return d, failure(action, send(ctx, s.pool, b))
}

func queueDetails(b *pgx.Batch, d *payment.Details) {
	args := pgx.NamedArgs{"id": d.Run.PaymentID}
	b.Queue(`SELECT shut, tell_refused, pending_at, watch_until FROM payments WHERE id = @id`, args).QueryRow(func(row pgx.Row) error {
		var pending, watch *time.Time
		err := row.Scan(&d.Shut, &d.TellRefused, &pending, &watch)
		d.PendingAt, d.WatchUntil = instant(pending), instant(watch)
		return err
	})
	b.Queue(`
		SELECT a.id::text, o.kind, a.account_id::text, c.provider, a.leg, a.state, a.ref, a.payment_ref, a.expires_at, a.key,
		       a.amount_minor, a.currency, coalesce(a.actual_minor, 0), coalesce(a.actual_currency, ''), a.first_sent_at, a.last_sent_at,
		       a.sends, a.decline, a.code, a.decided_at, o.origin = 'elsewhere'
		FROM attempts a JOIN operations o ON o.id = a.operation_id JOIN accounts c ON c.id = a.account_id
		WHERE a.payment_id = @id ORDER BY a.first_sent_at, a.id`, args).Query(collect(&d.Attempts, scanAttempt))
	b.Queue(`
		SELECT e.id::text, e.attempt_id::text, e.kind, e.ref, e.state, coalesce(e.amount_minor, 0), coalesce(e.currency, ''), e.code, e.at
		FROM evidence e JOIN attempts a ON a.id = e.attempt_id WHERE a.payment_id = @id ORDER BY e.id`, args).
		Query(collect(&d.Evidence, func(row pgx.CollectableRow) (e payment.EvidenceLine, err error) {
			err = row.Scan(&e.ID, &e.AttemptID, &e.Kind, &e.Ref, &e.State, &e.Amount.Minor, &e.Amount.Currency, &e.Code, &e.At)
			return e, err
		}))
	b.Queue(`
		SELECT what, coalesce(attempt_id::text, ''), coalesce(evidence_id::text, ''), before, after, detail, at
		FROM timeline WHERE payment_id = @id ORDER BY id`, args).
		Query(collect(&d.Timeline, func(row pgx.CollectableRow) (l payment.TimelineLine, err error) {
			err = row.Scan(&l.What, &l.AttemptID, &l.EvidenceID, &l.Before, &l.After, &l.Detail, &l.At)
			return l, err
		}))
	b.Queue(`
		SELECT e.key, e.kind, p.account, p.amount_minor, p.currency, e.at
		FROM ledger_entries e JOIN ledger_postings p ON p.entry_id = e.id WHERE e.payment_id = @id ORDER BY p.id`, args).
		Query(collect(&d.Postings, func(row pgx.CollectableRow) (l payment.PostingLine, err error) {
			err = row.Scan(&l.Entry, &l.Kind, &l.Account, &l.Amount.Minor, &l.Amount.Currency, &l.At)
			return l, err
		}))
}

// collect fills a list from a statement of a batch.
func collect[T any](list *[]T, scan pgx.RowToFunc[T]) func(pgx.Rows) error {
	return func(rows pgx.Rows) (err error) {
		*list, err = pgx.CollectRows(rows, scan)
		return err
	}
}

func scanAttempt(row pgx.CollectableRow) (payment.AttemptDetails, error) {
	var a payment.AttemptDetails
	var actual money.Amount
	var expires, decided *time.Time
	err := row.Scan(&a.ID, &a.Operation, &a.AccountID, &a.Provider, &a.Leg, &a.State, &a.Ref, &a.PaymentRef, &expires, &a.Key,
		&a.Asked.Minor, &a.Asked.Currency, &actual.Minor, &actual.Currency, &a.FirstSent, &a.LastSent,
		&a.Sends, &a.Decline, &a.Code, &decided, &a.Elsewhere)
	a.Actual, a.ExpiresAt, a.DecidedAt = actual, instant(expires), instant(decided)
	return a, err
}

// queueActions reads what people did, and, on request, what they wrote.
func (s *Store) queueActions(b *pgx.Batch, d *payment.Details, texts bool) {
	b.Queue(`
		SELECT a.id::text, a.payment_id::text, a.actor, a.action, a.choice, coalesce(a.attempt_id::text, ''), a.at, a.applied_at, a.result,
		       coalesce(v.id::text, ''), v.sealed, coalesce(s.id::text, ''), s.wrapped_key
		FROM actions a
		LEFT JOIN vault v ON @texts::boolean AND v.id = a.text_id
		LEFT JOIN subjects s ON s.id = v.subject_id AND s.erased_at IS NULL
		WHERE a.payment_id = @id ORDER BY a.at, a.id`, pgx.NamedArgs{"id": d.Run.PaymentID, "texts": texts}).
		Query(collect(&d.Actions, func(row pgx.CollectableRow) (l payment.ActionLine, err error) {
			var applied *time.Time
			var text sealedText
			err = row.Scan(&l.ID, &l.PaymentID, &l.Actor, &l.Action.Action, &l.Choice, &l.AttemptID, &l.At, &applied, &l.Result,
				&text.row, &text.sealed, &text.key.Owner, &text.key.Wrapped)
			if err != nil {
				return l, err
			}
			l.AppliedAt = instant(applied)
			l.Text, err = s.openText(text)
			return l, err
		}))
}
