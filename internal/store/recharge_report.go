package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/recharge"
)

const (
	// reportSize bounds one mail.
	reportSize = 400
	// reportPause is the first pause between two tries of sending one; it doubles up to an hour.
	reportPause = time.Minute
)

// ReportCharges puts the charges of a shop that its merchant was not told of into
// reports; how many reports. A charge is in one report for ever.
func (s *Store) ReportCharges(ctx context.Context, shop string) (int, error) {
	const take = `
		WITH taken AS (
			SELECT id FROM recharge_charges WHERE shop = @shop AND report_id IS NULL ORDER BY found_at, id LIMIT @limit FOR NO KEY UPDATE
		), report AS (
			INSERT INTO recharge_reports (id, shop, charges, at, send_at) SELECT @id, @shop, count(*), @now, @now FROM taken HAVING count(*) > 0
			RETURNING id
		)
		UPDATE recharge_charges c SET report_id = report.id FROM taken, report WHERE c.id = taken.id`
	for made := 0; ; made++ {
		id, err := newID()
		if err != nil {
			return made, err
		}
		var taken int64
		err = s.inTx(ctx, func(tx pgx.Tx) error {
			// With the shop's row locked no charge is in two reports, and none is added between.
			if _, err := tx.Exec(ctx, `SELECT FROM recharge_stores WHERE shop = @shop FOR NO KEY UPDATE`, pgx.NamedArgs{"shop": shop}); err != nil {
				return err
			}
			tag, err := tx.Exec(ctx, take, pgx.NamedArgs{"id": id, "shop": shop, "limit": reportSize, "now": s.now()})
			taken = tag.RowsAffected()
			return err
		})
		if err != nil || taken == 0 {
			return made, failure("report failed charges", err)
		}
	}
}

// DueReports claims the reports of a shop that were not sent, with their charges.
// Each comes up again, later each time, unless [Store.ReportSent] ends it.
func (s *Store) DueReports(ctx context.Context, shop string, limit int) ([]recharge.Report, error) {
	const action = "claim reports of failed charges"
	const claim = `
		WITH due AS (
			SELECT id FROM recharge_reports WHERE shop = @shop AND sent_at IS NULL AND send_at <= @now ORDER BY at, id LIMIT @limit FOR UPDATE SKIP LOCKED
		), claimed AS (
			UPDATE recharge_reports r SET tries = r.tries + 1,
			       send_at = @now::timestamptz + least(@pause::interval * power(2, least(r.tries, 20)), interval '1 hour')
			FROM due WHERE r.id = due.id RETURNING r.id, r.shop, r.at, r.tries
		)
		SELECT c.id::text, c.shop, s.mail, c.at, c.tries FROM claimed c JOIN shops s ON s.shop = c.shop ORDER BY c.at, c.id`
	rows, err := s.pool.Query(ctx, claim, pgx.NamedArgs{"shop": shop, "now": s.now(), "limit": limit, "pause": reportPause})
	if err != nil {
		return nil, failure(action, err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (recharge.Report, error) {
		var r recharge.Report
		err := row.Scan(&r.ID, &r.Shop, &r.Mail, &r.At, &r.Tries)
		return r, err
	})
	if err != nil {
		return nil, failure(action, err)
	}
	for i := range list {
		if list[i].Charges, err = s.reported(ctx, list[i].ID); err != nil {
			return nil, failure(action, err)
		}
	}
	return list, nil
}

func (s *Store) reported(ctx context.Context, report string) ([]recharge.Failed, error) {
	rows, err := s.pool.Query(ctx, selectFailed+`WHERE c.report_id = @id ORDER BY c.category, c.changed_at, c.charge_id`,
		pgx.NamedArgs{"id": report, "texts": false})
	if err != nil {
		return nil, err
	}
	list, err := pgx.CollectRows(rows, scanFailed)
	charges := make([]recharge.Failed, len(list))
	for i, row := range list {
		charges[i] = row.Failed
	}
	return charges, err
}

// ReportSent notes that a merchant was told.
func (s *Store) ReportSent(ctx context.Context, id string) error {
	_, err := s.pool.Exec(ctx, `UPDATE recharge_reports SET sent_at = @now WHERE id = @id AND sent_at IS NULL`, pgx.NamedArgs{"id": id, "now": s.now()})
	return failure("note a report sent", err)
}
