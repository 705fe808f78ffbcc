package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/payment"
	"tillflow/internal/shopify/app"
)

// guardLease is how long a shop stays with the look that has claimed it. A look
// that comes to its end says itself when the next one is.
const guardLease = 15 * time.Minute

// claimGuards takes up shops of the second app: those that are due, and those
// that were installed since the last look, at once.
const claimGuards = `
	WITH due AS (
		SELECT i.shop, i.installed_at, coalesce(g.checked_at >= i.installed_at, false) AS before
		FROM installations i LEFT JOIN shop_guards g ON g.shop = i.shop
		WHERE i.app = 'admin' AND i.uninstalled_at IS NULL
		  AND (g.shop IS NULL OR g.next_at <= @now OR (g.checked_at < i.installed_at AND g.tries = 0))
		ORDER BY g.next_at NULLS FIRST, i.shop LIMIT @limit
		FOR NO KEY UPDATE OF i SKIP LOCKED
	)
	INSERT INTO shop_guards AS g (shop, next_at, tries, until)
	SELECT shop, @now::timestamptz + @lease::interval, 1, installed_at FROM due
	ON CONFLICT (shop) DO UPDATE SET tries = g.tries + 1, next_at = @now::timestamptz + @lease::interval
	RETURNING g.shop, greatest(g.until, (SELECT installed_at FROM due WHERE due.shop = g.shop)),
	          (SELECT before FROM due WHERE due.shop = g.shop), g.tries`

// DueGuards claims shops whose deliveries have to be looked after now. Each stays
// with the caller for a quarter of an hour, unless [Store.PutCheckup] ends it.
func (s *Store) DueGuards(ctx context.Context, limit int) ([]app.Guarded, error) {
	const action = "claim shops to guard"
	rows, err := s.pool.Query(ctx, claimGuards, pgx.NamedArgs{"now": s.now(), "limit": limit, "lease": guardLease})
	if err != nil {
		return nil, failure(action, err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (app.Guarded, error) {
		var g app.Guarded
		err := row.Scan(&g.Shop, &g.Since, &g.Before, &g.Tries)
		return g, err
	})
	return list, failure(action, err)
}

// PutGuardUntil notes how far a look has come, so that one that breaks off is
// gone on with. It never goes back.
func (s *Store) PutGuardUntil(ctx context.Context, shop string, until time.Time) error {
	const statement = `UPDATE shop_guards SET until = greatest(until, @until) WHERE shop = @shop`
	_, err := s.pool.Exec(ctx, statement, pgx.NamedArgs{"shop": shop, "until": until})
	return failure("note how far a shop is looked through", err)
}

// PutCheckup notes what came of a look. What a look found that met trouble is
// added to what the next one finds.
func (s *Store) PutCheckup(ctx context.Context, c app.Checkup) error {
	const statement = `
		UPDATE shop_guards SET next_at = @next, trouble = @trouble, until = greatest(until, @until),
		       tries = CASE WHEN @trouble = '' THEN 0 ELSE tries END,
		       checked_at = CASE WHEN @trouble = '' THEN @now ELSE checked_at END,
		       made = @made, refused = @refused, seen = @seen, filled = @filled
		WHERE shop = @shop`
	args := pgx.NamedArgs{
		"shop": c.Shop, "next": c.NextAt, "trouble": c.Trouble, "until": nullable(c.Until), "now": s.now(),
		"made": texts(c.Made), "refused": texts(c.Refused), "seen": c.Seen, "filled": c.Filled,
	}
	_, err := s.pool.Exec(ctx, statement, args)
	return failure("put checkup of a shop", err)
}

func texts(list []app.Topic) []string {
	out := make([]string, len(list))
	for i, topic := range list {
		out[i] = string(topic)
	}
	return out
}

// Guards lists what is known of the looks at shops' deliveries, by shop; of one
// shop if it is named.
func (s *Store) Guards(ctx context.Context, shop string) ([]app.Guard, error) {
	const action = "list guarded shops"
	const query = `
		SELECT g.shop, g.made, g.refused, g.seen, g.filled, g.until, g.trouble, g.next_at, g.checked_at, g.tries
		FROM shop_guards g JOIN installations i ON i.shop = g.shop AND i.app = 'admin' AND i.uninstalled_at IS NULL
		WHERE @shop IN ('', g.shop) ORDER BY g.trouble = '', g.shop LIMIT 500`
	rows, err := s.pool.Query(ctx, query, pgx.NamedArgs{"shop": shop})
	if err != nil {
		return nil, failure(action, err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (app.Guard, error) {
		var g app.Guard
		var until, checked *time.Time
		err := row.Scan(&g.Shop, &g.Made, &g.Refused, &g.Seen, &g.Filled, &until, &g.Trouble, &g.NextAt, &checked, &g.Tries)
		g.Until, g.CheckedAt = instant(until), instant(checked)
		return g, err
	})
	return list, failure(action, err)
}

// TakeTurn reports whether a chore is due, and if it is gives it to the caller:
// nobody else gets it before every has passed. [Store.ReturnTurn] gives back one
// that could not be done.
func (s *Store) TakeTurn(ctx context.Context, what string, every time.Duration) (bool, error) {
	const statement = `
		INSERT INTO turns (what, next_at) VALUES (@what, @next)
		ON CONFLICT (what) DO UPDATE SET next_at = @next WHERE turns.next_at <= @now`
	now := s.now()
	tag, err := s.pool.Exec(ctx, statement, pgx.NamedArgs{"what": what, "next": now.Add(every), "now": now})
	return tag.RowsAffected() == 1, failure("take a turn", err)
}

// ReturnTurn makes a chore due again after a pause.
func (s *Store) ReturnTurn(ctx context.Context, what string, pause time.Duration) error {
	_, err := s.pool.Exec(ctx, `UPDATE turns SET next_at = @next WHERE what = @what`, pgx.NamedArgs{"what": what, "next": s.now().Add(pause)})
	return failure("return a turn", err)
}

// insertNews puts the newest word about a resource; older news and news that
// says nothing new change nothing. Within one second, Shopify's own measure of
// change, the message that was triggered last is the newest.
const insertNews = `
	INSERT INTO shop_objects AS o (shop, resource, matter, order_id, status, facts, changed_at, told_at, heard_at, version)
	VALUES (@shop, @resource, @matter, @order, @status, @facts, @changed, @told, @now, @version)
	ON CONFLICT (shop, resource) DO UPDATE SET
		order_id = coalesce(nullif(excluded.order_id, ''), o.order_id), status = coalesce(nullif(excluded.status, ''), o.status),
		facts = o.facts || excluded.facts, changed_at = excluded.changed_at, told_at = greatest(o.told_at, excluded.told_at),
		heard_at = excluded.heard_at, version = excluded.version
	WHERE o.changed_at < excluded.changed_at
	   OR o.changed_at = excluded.changed_at AND o.told_at < excluded.told_at
	      AND (o.status, o.facts ? 'cancelled_at') IS DISTINCT FROM (excluded.status, excluded.facts ? 'cancelled_at')`

// PutNews keeps what a delivery says of a resource; false if it is no news. The
// sessions of an order's money are kept whatever the order of messages.
func (s *Store) PutNews(ctx context.Context, n app.News) (bool, error) {
	news := false
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		facts := n.Facts
		if facts == nil {
			facts = map[string]string{}
		}
		tag, err := tx.Exec(ctx, insertNews, pgx.NamedArgs{
			"shop": n.Shop, "resource": n.Resource, "matter": n.Matter, "order": n.OrderID, "status": n.Status, "facts": facts,
			"changed": n.ChangedAt, "told": n.ToldAt, "now": s.now(), "version": n.APIVersion,
		})
		if err != nil {
			return err
		}
		news = tag.RowsAffected() == 1
		if n.OrderID == "" || len(n.Sessions) == 0 {
			return nil
		}
		const link = `
			INSERT INTO shop_order_sessions (shop, session_id, order_id) SELECT @shop, unnest(@sessions::text[]), @order
			ON CONFLICT (shop, session_id) DO NOTHING`
		_, err = tx.Exec(ctx, link, pgx.NamedArgs{"shop": n.Shop, "sessions": n.Sessions, "order": n.OrderID})
		return err
	})
	return news && err == nil, failure("put news of a shop", err)
}

// selectShopOrder reads what the shop says of the order that a session's money
// belongs to.
const selectShopOrder = `
	SELECT l.order_id, coalesce(o.status, ''), coalesce(o.facts ? 'cancelled_at', false), o.changed_at
	FROM shop_order_sessions l LEFT JOIN shop_objects o ON o.shop = l.shop AND o.resource = l.order_id
	WHERE l.shop = @shop AND l.session_id = @session`

func scanShopOrder(row pgx.Row, order *payment.ShopOrder) error {
	var changed *time.Time
	err := row.Scan(&order.ID, &order.Status, &order.Cancelled, &changed)
	order.ChangedAt = instant(changed)
	return err
}

// ShopOrder reads what the shop says of the order that a session's money belongs
// to; payment.NotFound while it has not said anything.
func (s *Store) ShopOrder(ctx context.Context, shop, sessionID string) (payment.ShopOrder, error) {
	var order payment.ShopOrder
	err := scanShopOrder(s.pool.QueryRow(ctx, selectShopOrder, pgx.NamedArgs{"shop": shop, "session": sessionID}), &order)
	return order, failure("read the order of a session", err)
}

// queueOrder reads the same of a payment's session; nothing is no error.
func queueOrder(b *pgx.Batch, d *payment.Details) {
	b.Queue(selectShopOrder, pgx.NamedArgs{"shop": d.Run.Shop, "session": d.Run.ExternalID}).QueryRow(func(row pgx.Row) error {
		if err := scanShopOrder(row, &d.Order); !none(err) {
			return err
		}
		return nil
	})
}

// ShopMessages lists Shopify's webhooks for people, the newest first.
func (s *Store) ShopMessages(ctx context.Context, f app.LineFilter) ([]app.Line, error) {
	const action = "list messages of shopify"
	const query = `
		SELECT id::text, app, shop, topic, webhook_id, resource, triggered_at, received_at, dispatched_at, dispatch_at, tries, note
		FROM shopify_deliveries
		WHERE (@shop = '' OR shop = @shop) AND (NOT @waiting OR dispatched_at IS NULL) AND (NOT @filled OR starts_with(webhook_id, @prefix))
		  AND (@id = '' OR (received_at, id) < (@at, nullif(@id, '')::uuid))
		ORDER BY received_at DESC, id DESC LIMIT @limit`
	if f.BeforeID != "" {
		if err := known("message", f.BeforeID); err != nil {
			return nil, failure(action, err)
		}
	}
	rows, err := s.pool.Query(ctx, query, pgx.NamedArgs{
		"shop": f.Shop, "waiting": f.Waiting, "filled": f.Filled, "prefix": app.BackfillPrefix, "at": f.BeforeAt, "id": f.BeforeID,
		"limit": min(max(orElse(f.Limit, defaultList), 1), maxList),
	})
	if err != nil {
		return nil, failure(action, err)
	}
	list, err := pgx.CollectRows(rows, scanLine)
	return list, failure(action, err)
}
