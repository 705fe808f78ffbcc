package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/money"
	"tillflow/internal/subscription"
)

// ListSubscriptions lists subscriptions, newest first.
func (s *Store) ListSubscriptions(ctx context.Context, f subscription.Filter) ([]subscription.Record, error) {
	const action = "list subscriptions"
	const where = `
		WHERE (@shop = '' OR s.shop = @shop) AND (@state = '' OR s.state = @state) AND (@plan = '' OR s.plan_id = @plan)
		  AND (NOT @operator::boolean OR s.operator <> '') AND (@before::timestamptz IS NULL OR s.created_at < @before
		       OR s.created_at = @before AND s.id < nullif(@before_id, '')::uuid)
		ORDER BY s.created_at DESC, s.id DESC LIMIT @limit`
	rows, err := s.pool.Query(ctx, selectRecord+where, pgx.NamedArgs{
		"shop": f.Shop, "state": string(f.State), "plan": f.Plan, "operator": f.Operator, "before": nullable(f.Before), "before_id": f.BeforeID,
		"limit": min(max(orElse(f.Limit, defaultList), 1), maxList),
	})
	if err != nil {
		return nil, failure(action, err)
	}
	list, err := pgx.CollectRows(rows, scanRecord)
	return list, failure(action, err)
}

// shownLines bounds what is shown of a subscription's past: the newest of each.
const shownLines = 200

// ShowSubscription reads all that is known of a subscription, for people: its
// newest periods, charges, commands and lines of the timeline, newest first. An
// empty shop is any.
func (s *Store) ShowSubscription(ctx context.Context, shop, id string) (subscription.Details, error) {
	const action = "show subscription"
	record, err := s.Subscription(ctx, shop, id)
	if err != nil {
		return subscription.Details{}, err
	}
	d := subscription.Details{Record: record}
	args := pgx.NamedArgs{"id": id, "limit": shownLines}
	b := &pgx.Batch{}
	b.Queue(snapshot)
	b.Queue(`
		SELECT number, kind, starts_at, ends_at, price_minor, currency, plan_id, plan_version, quantity, opened_at
		FROM subscription_periods WHERE subscription_id = @id ORDER BY number DESC LIMIT @limit`, args).
		Query(func(rows pgx.Rows) (err error) { d.Periods, err = pgx.CollectRows(rows, scanPeriod); return err })
	b.Queue(`
		SELECT key, period, kind, amount_minor, balance_minor, currency, coalesce(payment_id::text, ''), state, declines, reason, opened_at, settled_at
		FROM subscription_charges WHERE subscription_id = @id ORDER BY opened_at DESC, key DESC LIMIT @limit`, args).
		Query(func(rows pgx.Rows) (err error) { d.Charges, err = pgx.CollectRows(rows, scanChargeLine); return err })
	b.Queue(commandColumns+`WHERE c.subscription_id = @id ORDER BY c.at DESC, c.id DESC LIMIT @limit`, args).Query(func(rows pgx.Rows) error {
		list, err := pgx.CollectRows(rows, pgx.RowToStructByName[commandRow])
		for _, row := range list {
			line, err := row.line()
			if err != nil {
				return err
			}
			d.Commands = append(d.Commands, line)
		}
		return err
	})
	b.Queue(`
		SELECT what, before, after, detail, at FROM subscription_timeline WHERE subscription_id = @id ORDER BY id DESC LIMIT @limit`, args).
		Query(func(rows pgx.Rows) (err error) {
			d.Timeline, err = pgx.CollectRows(rows, pgx.RowToStructByPos[subscription.TimelineLine])
			return err
		})
	b.Queue("commit")
	return d, failure(action, send(ctx, s.pool, b))
}

func scanPeriod(row pgx.CollectableRow) (subscription.PeriodLine, error) {
	var p subscription.PeriodLine
	err := row.Scan(&p.Number, &p.Kind, &p.Start, &p.End, &p.Price.Minor, &p.Price.Currency, &p.Plan, &p.Version, &p.Quantity, &p.OpenedAt)
	return p, err
}

func scanChargeLine(row pgx.CollectableRow) (subscription.ChargeLine, error) {
	var c subscription.ChargeLine
	var currency money.Currency
	var settled *time.Time
	err := row.Scan(&c.Key, &c.Period, &c.Kind, &c.Amount.Minor, &c.Balance.Minor, &currency, &c.PaymentID, &c.State,
		&c.Declines, &c.Reason, &c.OpenedAt, &settled)
	c.Amount.Currency, c.Balance.Currency, c.SettledAt = currency, currency, instant(settled)
	return c, err
}

// DueNews claims mails about subscriptions that are to be sent, oldest first. One
// that is not noted as sent comes again, each time later.
func (s *Store) DueNews(ctx context.Context, limit int) ([]subscription.News, error) {
	const claim = `
		WITH due AS (
			SELECT id FROM subscription_news WHERE sent_at IS NULL AND send_at <= @now
			ORDER BY send_at LIMIT @limit
			FOR NO KEY UPDATE SKIP LOCKED
		), claimed AS (
			UPDATE subscription_news n
			SET tries = tries + 1, send_at = @now::timestamptz + least(greatest(@now::timestamptz - n.at, @min::interval), @max::interval)
			FROM due WHERE n.id = due.id
			RETURNING n.*
		)
		SELECT n.id, n.subscription_id::text, s.shop, n.kind, n.period, n.charge_key, coalesce(n.payment_id::text, ''),
		       n.amount_minor, n.currency, n.reason, n.ask, n.step, n.step_at, n.at, n.tries
		FROM claimed n JOIN subscriptions s ON s.id = n.subscription_id
		ORDER BY n.id`
	return due(ctx, s, claiming{"claim due news", claim, limit}, func(row pgx.CollectableRow) (subscription.News, error) {
		var n subscription.News
		var stepAt *time.Time
		err := row.Scan(&n.ID, &n.SubscriptionID, &n.Shop, &n.Kind, &n.Period, &n.Charge, &n.PaymentID,
			&n.Amount.Minor, &n.Amount.Currency, &n.Reason, &n.Ask, &n.Step, &stepAt, &n.At, &n.Tries)
		n.StepAt = instant(stepAt)
		return n, err
	})
}

// NewsSent notes that a mail about a subscription went out, or that there is
// nobody to send it to.
func (s *Store) NewsSent(ctx context.Context, id int64) error {
	_, err := s.pool.Exec(ctx, `UPDATE subscription_news SET sent_at = @now WHERE id = @id AND sent_at IS NULL`, pgx.NamedArgs{"id": id, "now": s.now()})
	return failure("note that news was sent", err)
}
