package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

// ofFigures selects the subscriptions s that figures are about.
const ofFigures = ` (@shop = '' OR s.shop = @shop) AND s.test = @test `

const (
	// A month is a twelfth of a year of 52 weeks or 365 days; rounded once a currency.
	monthlyFigures = `
	SELECT s.currency, count(*), round(sum(s.price_minor::numeric * CASE s.value #>> '{Terms,Plan,Interval,Unit}'
	         WHEN 'day' THEN 365.0 / 12 WHEN 'week' THEN 52.0 / 12 WHEN 'month' THEN 1 WHEN 'year' THEN 1.0 / 12 END
	       / (s.value #>> '{Terms,Plan,Interval,Count}')::int))::bigint
	FROM subscriptions s WHERE s.state IN ('active', 'past_due') AND` + ofFigures + `GROUP BY s.currency ORDER BY s.currency`
	// The last state of each before a moment.
	stateBefore = `
	SELECT DISTINCT ON (t.subscription_id) t.subscription_id, t.after FROM subscription_timeline t JOIN subscriptions s ON s.id = t.subscription_id
	WHERE t.what = 'state' AND`
	churnFigures = `
	WITH at_start AS (` + stateBefore + ofFigures + `AND t.at < @from ORDER BY t.subscription_id, t.id DESC),
	     at_end AS (` + stateBefore + ofFigures + `AND t.at < @to ORDER BY t.subscription_id, t.id DESC)
	SELECT count(*), count(*) FILTER (WHERE at_end.after NOT IN ('active', 'past_due')),
	       (SELECT count(*) FROM subscription_timeline t JOIN subscriptions s ON s.id = t.subscription_id
	        WHERE t.what = 'state' AND t.before = 'pending' AND t.after IN ('active', 'trialing') AND t.at >= @from AND t.at < @to AND` + ofFigures + `)
	FROM at_start JOIN at_end USING (subscription_id) WHERE at_start.after IN ('active', 'past_due')`
	failedFigures = `
	SELECT c.currency, c.reason, count(*), sum(c.amount_minor)::bigint,
	       count(*) FILTER (WHERE c.state = 'paid'), coalesce(sum(c.amount_minor) FILTER (WHERE c.state = 'paid'), 0)::bigint,
	       count(*) FILTER (WHERE c.state IN ('open', 'owed')), coalesce(sum(c.amount_minor) FILTER (WHERE c.state IN ('open', 'owed')), 0)::bigint
	FROM subscription_charges c JOIN subscriptions s ON s.id = c.subscription_id
	WHERE c.kind = 'renewal' AND c.declines > 0 AND c.opened_at >= @from AND c.opened_at < @to AND` + ofFigures + `
	GROUP BY c.currency, c.reason ORDER BY c.currency, 4 DESC, c.reason`
	settledFigures = `
	SELECT c.currency, count(*), sum(c.amount_minor)::bigint FROM subscription_charges c JOIN subscriptions s ON s.id = c.subscription_id
	WHERE c.kind = 'renewal' AND c.declines > 0 AND c.state = @state AND c.settled_at >= @from AND c.settled_at < @to AND` + ofFigures + `
	GROUP BY c.currency ORDER BY c.currency`
	// Who is set to end, to pause or to skip pays nothing next.
	isUpcoming = ` s.state IN ('trialing', 'active') AND s.period_ends_at < @ahead
	  AND NOT (s.value ->> 'CancelAtEnd')::boolean AND NOT (s.value ->> 'PauseAtEnd')::boolean AND NOT (s.value ->> 'SkipNext')::boolean AND`
	upcomingFigures = `
	SELECT s.currency, count(*), sum(s.price_minor)::bigint FROM subscriptions s WHERE` + isUpcoming + ofFigures + `GROUP BY s.currency ORDER BY s.currency`
)

func (s *Store) figureArgs(f subscription.FigureFilter) pgx.NamedArgs {
	return pgx.NamedArgs{"shop": f.Shop, "test": f.Test, "from": f.From, "to": f.To, "ahead": s.now().Add(f.Ahead), "limit": maxFigureRows}
}

// SubscriptionFigures adds up what finance wants to know, at one moment. Prices of
// upcoming renewals are those of the terms in force.
func (s *Store) SubscriptionFigures(ctx context.Context, f subscription.FigureFilter) (subscription.Figures, error) {
	args := s.figureArgs(f)
	with := func(state subscription.ChargeState) pgx.NamedArgs {
		more := pgx.NamedArgs{"state": string(state)}
		for name, value := range args {
			more[name] = value
		}
		return more
	}
	var out subscription.Figures
	into := func(list *[]subscription.CurrencyFigure) func(pgx.Rows) error {
		return func(rows pgx.Rows) (err error) {
			*list, err = pgx.CollectRows(rows, scanFigure)
			return err
		}
	}
	b := &pgx.Batch{}
	b.Queue(snapshot)
	b.Queue(monthlyFigures, args).Query(into(&out.Monthly))
	b.Queue(churnFigures, args).QueryRow(func(row pgx.Row) error { return row.Scan(&out.Churn.AtStart, &out.Churn.Lost, &out.Churn.Began) })
	b.Queue(failedFigures, args).Query(func(rows pgx.Rows) (err error) {
		out.Failed, err = pgx.CollectRows(rows, scanFailedFigure)
		return err
	})
	b.Queue(settledFigures, with(subscription.ChargePaid)).Query(into(&out.Recovered))
	b.Queue(settledFigures, with(subscription.ChargeWrittenOff)).Query(into(&out.Lost))
	b.Queue(upcomingFigures, args).Query(into(&out.Upcoming))
	b.Queue("commit")
	return out, failure("add up figures", send(ctx, s.pool, b))
}

func scanFigure(row pgx.CollectableRow) (subscription.CurrencyFigure, error) {
	var f subscription.CurrencyFigure
	err := row.Scan(&f.Amount.Currency, &f.Count, &f.Amount.Minor)
	return f, err
}

func scanFailedFigure(row pgx.CollectableRow) (subscription.FailedFigure, error) {
	var f subscription.FailedFigure
	var currency money.Currency
	err := row.Scan(&currency, &f.Reason, &f.Failed.Count, &f.Failed.Amount.Minor, &f.Recovered.Count, &f.Recovered.Amount.Minor,
		&f.Owed.Count, &f.Owed.Amount.Minor)
	f.Failed.Amount.Currency, f.Recovered.Amount.Currency, f.Owed.Amount.Currency = currency, currency, currency
	return f, err
}

// maxFigureRows bounds a list for finance: it is read into memory.
const maxFigureRows = 50_000

// FailedRenewals lists the renewals that the figures count as failed.
func (s *Store) FailedRenewals(ctx context.Context, f subscription.FigureFilter) ([]subscription.FailedRenewal, error) {
	const query = `
		SELECT s.id::text, s.shop, s.ref, s.plan_id, c.key, c.amount_minor, c.currency, c.reason, c.declines, c.state, c.opened_at, c.settled_at
		FROM subscription_charges c JOIN subscriptions s ON s.id = c.subscription_id
		WHERE c.kind = 'renewal' AND c.declines > 0 AND c.opened_at >= @from AND c.opened_at < @to AND` + ofFigures + `
		ORDER BY c.opened_at, s.id, c.key LIMIT @limit`
	return listed(ctx, s, listing{"list failed renewals", query, s.figureArgs(f)}, func(row pgx.CollectableRow) (subscription.FailedRenewal, error) {
		var r subscription.FailedRenewal
		var reason string
		var settled *time.Time
		err := row.Scan(&r.SubscriptionID, &r.Shop, &r.Ref, &r.Plan, &r.Key, &r.Amount.Minor, &r.Amount.Currency, &reason, &r.Declines, &r.State,
			&r.OpenedAt, &settled)
		r.Reason, r.SettledAt = payment.DeclineReason(reason), instant(settled)
		return r, err
	})
}

// UpcomingRenewals lists the renewals to come, the next one first.
func (s *Store) UpcomingRenewals(ctx context.Context, f subscription.FigureFilter) ([]subscription.UpcomingRenewal, error) {
	const query = `
		SELECT s.id::text, s.shop, s.ref, s.plan_id, s.price_minor, s.currency, s.period_ends_at
		FROM subscriptions s WHERE` + isUpcoming + ofFigures + `ORDER BY s.period_ends_at, s.id LIMIT @limit`
	return listed(ctx, s, listing{"list upcoming renewals", query, s.figureArgs(f)}, func(row pgx.CollectableRow) (subscription.UpcomingRenewal, error) {
		var r subscription.UpcomingRenewal
		err := row.Scan(&r.SubscriptionID, &r.Shop, &r.Ref, &r.Plan, &r.Amount.Minor, &r.Amount.Currency, &r.At)
		return r, err
	})
}

// LostSubscriptions lists each time that a subscription stopped being paid for.
func (s *Store) LostSubscriptions(ctx context.Context, f subscription.FigureFilter) ([]subscription.LostSubscription, error) {
	const query = `
		SELECT s.id::text, s.shop, s.ref, s.plan_id, t.before, t.after, s.price_minor, s.currency, t.at
		FROM subscription_timeline t JOIN subscriptions s ON s.id = t.subscription_id
		WHERE t.what = 'state' AND t.before IN ('active', 'past_due') AND t.after NOT IN ('active', 'past_due')
		  AND t.at >= @from AND t.at < @to AND` + ofFigures + `ORDER BY t.id LIMIT @limit`
	return listed(ctx, s, listing{"list lost subscriptions", query, s.figureArgs(f)}, func(row pgx.CollectableRow) (subscription.LostSubscription, error) {
		var r subscription.LostSubscription
		err := row.Scan(&r.SubscriptionID, &r.Shop, &r.Ref, &r.Plan, &r.Before, &r.After, &r.Amount.Minor, &r.Amount.Currency, &r.At)
		return r, err
	})
}

// listing is a query, and what it is for.
type listing struct {
	action, query string
	args          pgx.NamedArgs
}

// listed reads the rows of a listing.
func listed[T any](ctx context.Context, s *Store, of listing, scan pgx.RowToFunc[T]) ([]T, error) {
	rows, err := s.pool.Query(ctx, of.query, of.args)
	if err != nil {
		return nil, failure(of.action, err)
	}
	list, err := pgx.CollectRows(rows, scan)
	return list, failure(of.action, err)
}
