package store

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/crypt"
	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/recharge"
)

const selectFailed = `
	SELECT c.id::text, c.shop, c.charge_id, c.status, c.error_type, c.category, c.exhausted, c.attempts, c.kind, c.processor, c.transaction_id,
	       c.amount_minor, c.currency, c.customer_id, c.shopify_customer, c.shopify_order, c.retry_at, c.scheduled_at, c.processed_at,
	       c.changed_at, c.found_at, c.seen_at, c.via, c.oddities, r.sent_at AS reported_at,
	       coalesce(c.subject_id::text, '') AS subject_id, coalesce(c.vault_id::text, '') AS vault_id, s.wrapped_key,
	       s.erased_at IS NOT NULL AS forgotten, v.sealed
	FROM recharge_charges c LEFT JOIN recharge_reports r ON r.id = c.report_id
	LEFT JOIN subjects s ON s.id = c.subject_id LEFT JOIN vault v ON v.id = c.vault_id AND @texts::boolean `

// failedRow is a failed charge with what opens its texts.
type failedRow struct {
	recharge.Failed
	subject, vault  string
	wrapped, sealed []byte
}

func scanFailed(row pgx.CollectableRow) (failedRow, error) {
	var f failedRow
	var minor *int64
	var currency *string
	var retry, scheduled, processed, reported *time.Time
	err := row.Scan(&f.ID, &f.Shop, &f.ChargeID, &f.Status, &f.ErrorType, &f.Category, &f.Exhausted, &f.Attempts, &f.Kind, &f.Processor,
		&f.TransactionID, &minor, &currency, &f.CustomerID, &f.ShopifyCustomer, &f.ShopifyOrder, &retry, &scheduled, &processed,
		&f.ChangedAt, &f.FoundAt, &f.SeenAt, &f.Via, &f.Oddities, &reported, &f.subject, &f.vault, &f.wrapped, &f.Forgotten, &f.sealed)
	if minor != nil && currency != nil {
		f.Amount = money.New(*minor, money.Currency(*currency))
	}
	f.RetryAt, f.ScheduledAt, f.ProcessedAt, f.ReportedAt = instant(retry), instant(scheduled), instant(processed), instant(reported)
	return f, err
}

// open opens what the charge says; of a person who was erased there is nothing.
func (s *Store) openTexts(f *failedRow) error {
	if f.wrapped == nil || f.sealed == nil {
		return nil
	}
	plain, err := s.vault.Open(crypt.DataKey{Owner: f.subject, Wrapped: f.wrapped}, f.vault, f.sealed)
	if err != nil {
		return bug("vault", "a charge's texts do not open")
	}
	if err := json.Unmarshal(plain, &f.Texts); err != nil {
		return bug("vault", "a charge's texts are malformed")
	}
	return nil
}

const whereFailed = `
	WHERE (@shop = '' OR c.shop = @shop) AND (@error_type = '' OR c.error_type = @error_type) AND (@category = '' OR c.category = @category)
	  AND (@status = '' OR c.status = @status)
	  AND (@from::timestamptz IS NULL OR c.changed_at >= @from) AND (@to::timestamptz IS NULL OR c.changed_at < @to)
	  AND (@before_id = '' OR (c.changed_at, c.id) < (@before, nullif(@before_id, '')::uuid))
	ORDER BY c.changed_at DESC, c.id DESC LIMIT @limit`

const (
	// maxFailed is the largest page of failed charges.
	maxFailed = 500
	// maxOpened bounds how many notes one search opens: about a second.
	maxOpened = 20_000
)

// FailedCharges lists failed charges, the last changed first. A search in notes
// opens them one after the other, at most twenty thousand: Next says where to go on.
func (s *Store) FailedCharges(ctx context.Context, f recharge.Filter) (recharge.Found, error) {
	const action = "list failed charges"
	var out recharge.Found
	limit := min(max(orElse(f.Limit, defaultList), 1), maxFailed)
	if f.Before.ID != "" {
		if err := known("charge", f.Before.ID); err != nil {
			return out, failure(action, err)
		}
	}
	text, size := strings.ToLower(strings.TrimSpace(f.Text)), limit
	if text != "" {
		size = maxFailed
	}
	for opened := 0; ; {
		rows, err := s.failedPage(ctx, f, size+1)
		if err != nil {
			return out, failure(action, err)
		}
		more := len(rows) > size
		rows = rows[:min(len(rows), size)]
		for i, row := range rows {
			f.Before = payment.Mark{At: row.ChangedAt, ID: row.ID}
			if text != "" && !strings.Contains(strings.ToLower(row.Texts.Note), text) {
				continue
			}
			if !f.Texts {
				row.Texts = recharge.Texts{}
			}
			if out.List = append(out.List, row.Failed); len(out.List) == limit && (more || i+1 < len(rows)) {
				out.Next = f.Before
				return out, nil
			}
		}
		if opened += len(rows); !more {
			return out, nil
		}
		if text == "" || opened >= maxOpened {
			out.Next = f.Before
			return out, nil
		}
	}
}

func (s *Store) failedPage(ctx context.Context, f recharge.Filter, limit int) ([]failedRow, error) {
	rows, err := s.pool.Query(ctx, selectFailed+whereFailed, pgx.NamedArgs{
		"shop": f.Shop, "error_type": f.ErrorType, "category": f.Category, "status": f.Status, "from": nullable(f.From), "to": nullable(f.To),
		"before": f.Before.At, "before_id": f.Before.ID, "limit": limit, "texts": f.Texts || f.Text != "",
	})
	if err != nil {
		return nil, err
	}
	list, err := pgx.CollectRows(rows, scanFailed)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if err := s.openTexts(&list[i]); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// FailedCharge reads one charge by our id, with what we asked Recharge to do with
// it; texts opens what it says. payment.NotFound if there is none.
func (s *Store) FailedCharge(ctx context.Context, id string, texts bool) (recharge.Failed, error) {
	const action = "read a failed charge"
	if err := known("charge", id); err != nil {
		return recharge.Failed{}, failure(action, err)
	}
	rows, err := s.pool.Query(ctx, selectFailed+`WHERE c.id = @id`, pgx.NamedArgs{"id": id, "texts": texts})
	if err != nil {
		return recharge.Failed{}, failure(action, err)
	}
	found, err := pgx.CollectExactlyOneRow(rows, scanFailed)
	if err != nil {
		return recharge.Failed{}, failure(action, err)
	}
	if err := s.openTexts(&found); err != nil {
		return recharge.Failed{}, failure(action, err)
	}
	rows, err = s.pool.Query(ctx, selectProcessing+`WHERE shop = @shop AND charge_id = @charge ORDER BY begun_at`,
		pgx.NamedArgs{"shop": found.Shop, "charge": found.ChargeID})
	if err != nil {
		return recharge.Failed{}, failure(action, err)
	}
	found.Processings, err = pgx.CollectRows(rows, scanProcessing)
	return found.Failed, failure(action, err)
}

// RechargeFacets lists what failed charges can be filtered by.
func (s *Store) RechargeFacets(ctx context.Context) (recharge.Facets, error) {
	var f recharge.Facets
	err := s.pool.QueryRow(ctx, `
		SELECT ARRAY(SELECT shop FROM recharge_stores ORDER BY shop LIMIT 500),
		       ARRAY(SELECT DISTINCT error_type FROM recharge_charges WHERE error_type <> '' ORDER BY 1 LIMIT 200)`).Scan(&f.Shops, &f.ErrorTypes)
	return f, failure("read facets of failed charges", err)
}

// StaleCharges lists charges that are in error as far as we know and of which
// Recharge has said nothing since a moment: the walk does not meet what has left
// that state, and a webhook may be lost. Those of the last three months, the
// longest unseen first.
func (s *Store) StaleCharges(ctx context.Context, shop string, since time.Time, limit int) ([]int64, error) {
	const action = "list charges to read again"
	const query = `
		SELECT charge_id FROM recharge_charges
		WHERE shop = @shop AND status = 'error' AND seen_at < @since AND changed_at > @since::timestamptz - interval '90 days'
		ORDER BY seen_at LIMIT @limit`
	rows, err := s.pool.Query(ctx, query, pgx.NamedArgs{"shop": shop, "since": since, "limit": limit})
	if err != nil {
		return nil, failure(action, err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	return list, failure(action, err)
}

// LoseCharge notes that Recharge does not know a charge any more.
func (s *Store) LoseCharge(ctx context.Context, shop string, chargeID int64) error {
	_, err := s.pool.Exec(ctx, `UPDATE recharge_charges SET status = 'gone', retry_at = NULL, seen_at = @now WHERE shop = @shop AND charge_id = @id`,
		pgx.NamedArgs{"shop": shop, "id": chargeID, "now": s.now()})
	return failure("note a charge that is gone", err)
}
