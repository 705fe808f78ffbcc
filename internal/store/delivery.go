package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/crypt"
	"tillflow/internal/payment"
	"tillflow/internal/shopify/app"
)

// How long a delivery that was taken up stays with whoever took it; it doubles
// with each try.
const (
	deliveryLease    = 30 * time.Second
	maxDeliveryLease = time.Hour
)

// deliveryOwner and requestRow bind what is sealed to its row and column.
const (
	deliveryOwner = "shopify delivery "
	requestRow    = "request"
)

const insertDelivery = `
	INSERT INTO shopify_deliveries (id, webhook_id, shop, topic, app, event_id, api_version, resource, facts, triggered_at, received_at,
		wrapped_key, sealed, dispatch_at)
	VALUES (@id, @webhook_id, @shop, @topic, @app, @event_id, @api_version, @resource, @facts, @triggered_at, @now, @key, @sealed, @now)
	ON CONFLICT (webhook_id, shop, topic) DO NOTHING`

// StoreDelivery commits a verified webhook in one statement; false if it was
// stored before. Personal data is sealed under a key of this row alone.
func (s *Store) StoreDelivery(ctx context.Context, d app.Delivery) (bool, error) {
	const action = "store webhook"
	args, err := s.deliveryArgs(d)
	if err != nil {
		return false, failure(action, err)
	}
	tag, err := s.pool.Exec(ctx, insertDelivery, args)
	return tag.RowsAffected() == 1, failure(action, err)
}

const insertBackfill = `
	INSERT INTO shopify_deliveries (id, webhook_id, shop, topic, app, event_id, api_version, resource, facts, triggered_at, received_at, dispatch_at)
	SELECT @id, @webhook_id, @shop, @topic, @app, @event_id, @api_version, @resource, @facts, @triggered_at, @now, @now
	WHERE NOT EXISTS (SELECT FROM shopify_deliveries WHERE resource = @resource AND shop = @shop AND app = @app AND triggered_at >= @triggered_at)
	  -- a message may be triggered just before the second that the change is noted under
	  AND NOT EXISTS (SELECT FROM shop_objects WHERE shop = @shop AND resource = @resource AND changed_at >= @triggered_at)
	ON CONFLICT (webhook_id, shop, topic) DO NOTHING`

// BackfillDelivery stores what a webhook should have told us and the Admin API
// did: d.TriggeredAt is when the resource changed last, d.WebhookID is ignored.
// Nothing is stored, and false answered, when some message about the resource is
// as new or newer, and when it was back-filled before.
func (s *Store) BackfillDelivery(ctx context.Context, d app.Delivery) (bool, error) {
	const action = "back-fill webhook"
	if d.Resource == "" || len(d.Personal) > 0 {
		return false, failure(action, bug("backfill", "only what is known of a resource can be filled in"))
	}
	d.WebhookID = app.BackfillPrefix + d.Resource + "@" + stored(d.TriggeredAt).Format(time.RFC3339Nano)
	args, err := s.deliveryArgs(d)
	if err != nil {
		return false, failure(action, err)
	}
	tag, err := s.pool.Exec(ctx, insertBackfill, args)
	return tag.RowsAffected() == 1, failure(action, err)
}

func (s *Store) deliveryArgs(d app.Delivery) (pgx.NamedArgs, error) {
	id, err := newID()
	if err != nil {
		return nil, err
	}
	args := pgx.NamedArgs{
		"id": id, "webhook_id": d.WebhookID, "shop": d.Shop, "topic": d.Topic, "app": d.App, "event_id": d.EventID,
		"api_version": d.APIVersion, "resource": d.Resource, "facts": d.Facts, "triggered_at": d.TriggeredAt, "now": s.now(),
		"key": []byte(nil), "sealed": []byte(nil),
	}
	if len(d.Personal) == 0 {
		return args, nil
	}
	key, err := s.vault.NewDataKey(deliveryOwner + id)
	if err != nil {
		return nil, bug("vault", "no data key can be made")
	}
	sealed, err := s.vault.Seal(key, requestRow, d.Personal)
	if err != nil {
		return nil, bug("vault", "the request cannot be sealed")
	}
	args["key"], args["sealed"] = key.Wrapped, sealed
	return args, nil
}

// claimDeliveries lets each due row be taken by one caller. Of several messages
// of one topic about one resource only the newest counts, and of one event that
// came through two subscriptions only the first.
const claimDeliveries = `
	WITH due AS (
		SELECT id FROM shopify_deliveries WHERE dispatched_at IS NULL AND dispatch_at <= @now
		ORDER BY dispatch_at LIMIT @limit FOR UPDATE SKIP LOCKED
	)
	UPDATE shopify_deliveries d
	SET tries = d.tries + 1, dispatch_at = @now + least(@lease::interval * power(2, least(d.tries, 20)), @max_lease::interval)
	FROM due WHERE d.id = due.id
	RETURNING d.id::text, d.app, d.shop, d.topic, d.triggered_at, d.received_at, d.resource, d.facts, d.api_version, d.tries,
		d.resource <> '' AND EXISTS (
			SELECT FROM shopify_deliveries n
			WHERE n.resource = d.resource AND n.shop = d.shop AND n.topic = d.topic AND n.triggered_at > d.triggered_at) AS superseded,
		d.event_id <> '' AND EXISTS (
			SELECT FROM shopify_deliveries n
			WHERE n.event_id = d.event_id AND n.shop = d.shop AND n.topic = d.topic AND n.app = d.app
			  AND (n.received_at, n.id) < (d.received_at, d.id)) AS repeated`

// ClaimDeliveries takes up deliveries that are to be acted on, the longest due
// first. Each stays with the caller for half a minute, longer at each try, and
// comes up again unless [Store.DeliveryDone] ends it.
func (s *Store) ClaimDeliveries(ctx context.Context, limit int) ([]app.Claimed, error) {
	const action = "claim webhooks"
	rows, err := s.pool.Query(ctx, claimDeliveries, pgx.NamedArgs{
		"now": s.now(), "limit": limit, "lease": deliveryLease, "max_lease": maxDeliveryLease,
	})
	if err != nil {
		return nil, failure(action, err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[app.Claimed])
	return list, failure(action, err)
}

// DeliveryDone ends a delivery with a note on what came of it. One that is done
// stays as it is.
func (s *Store) DeliveryDone(ctx context.Context, id, note string) error {
	const statement = `UPDATE shopify_deliveries SET note = @note, dispatched_at = @now WHERE id = @id AND dispatched_at IS NULL`
	return failure("end webhook", s.noteDelivery(ctx, statement, id, note))
}

// DeliveryFailed notes why a delivery could not be acted on yet. It is tried
// again when its lease ends.
func (s *Store) DeliveryFailed(ctx context.Context, id, note string) error {
	const statement = `UPDATE shopify_deliveries SET note = @note WHERE id = @id AND dispatched_at IS NULL`
	return failure("note trouble of webhook", s.noteDelivery(ctx, statement, id, note))
}

func (s *Store) noteDelivery(ctx context.Context, statement, id, note string) error {
	if err := known("delivery", id); err != nil {
		return err
	}
	_, err := s.pool.Exec(ctx, statement, pgx.NamedArgs{"id": id, "note": note, "now": s.now()})
	return err
}

// OpenRequest opens what a privacy request says about a person. The caller keeps
// it no longer than it works on it. payment.NotFound for a delivery that never
// had one or whose request was forgotten.
func (s *Store) OpenRequest(ctx context.Context, id string) (app.Request, error) {
	const action = "open privacy request"
	var request app.Request
	if err := known("delivery", id); err != nil {
		return request, failure(action, err)
	}
	key := crypt.DataKey{Owner: deliveryOwner + id}
	var sealed []byte
	err := s.pool.QueryRow(ctx, `SELECT wrapped_key, sealed FROM shopify_deliveries WHERE id = @id AND sealed IS NOT NULL`,
		pgx.NamedArgs{"id": id}).Scan(&key.Wrapped, &sealed)
	if err != nil {
		return request, failure(action, err)
	}
	plain, err := s.vault.Open(key, requestRow, sealed)
	if err != nil {
		return request, failure(action, bug("vault", "the request does not open"))
	}
	if err := json.Unmarshal(plain, &request); err != nil {
		return app.Request{}, failure(action, bug("vault", "the request is malformed"))
	}
	return request, nil
}

// ForgetRequest destroys the key of a privacy request that was served, and the
// request with it. The delivery stays. It may be repeated.
func (s *Store) ForgetRequest(ctx context.Context, id string) error {
	const action = "forget privacy request"
	if err := known("delivery", id); err != nil {
		return failure(action, err)
	}
	_, err := s.pool.Exec(ctx, `UPDATE shopify_deliveries SET wrapped_key = NULL, sealed = NULL WHERE id = @id`, pgx.NamedArgs{"id": id})
	return failure(action, err)
}

// Known is the newest that was told about a resource under a topic.
type Known struct {
	Facts       map[string]string
	TriggeredAt time.Time
}

// NewestDelivery reads what was told last about a resource under a topic, by
// Shopify's clock and not by arrival; payment.NotFound if nothing was.
func (s *Store) NewestDelivery(ctx context.Context, shop string, topic app.Topic, resource string) (Known, error) {
	const action = "read newest webhook"
	const query = `
		SELECT facts, triggered_at FROM shopify_deliveries WHERE resource = @resource AND shop = @shop AND topic = @topic
		ORDER BY triggered_at DESC, id DESC LIMIT 1`
	rows, err := s.pool.Query(ctx, query, pgx.NamedArgs{"resource": resource, "shop": shop, "topic": topic})
	if err != nil {
		return Known{}, failure(action, err)
	}
	found, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Known])
	return found, failure(action, err)
}

// ShopDeliveries lists a shop's webhooks for people, the newest first.
func (s *Store) ShopDeliveries(ctx context.Context, shop string, limit int) ([]app.Line, error) {
	const action = "list webhooks"
	const query = `
		SELECT id::text, app, shop, topic, webhook_id, resource, triggered_at, received_at, dispatched_at, dispatch_at, tries, note
		FROM shopify_deliveries WHERE shop = @shop ORDER BY received_at DESC, id DESC LIMIT @limit`
	if limit < 1 || limit > 500 {
		return nil, failure(action, &payment.Error{Class: payment.Invalid, Code: "limit", Message: "a list has 1 to 500 lines"})
	}
	rows, err := s.pool.Query(ctx, query, pgx.NamedArgs{"shop": shop, "limit": limit})
	if err != nil {
		return nil, failure(action, err)
	}
	list, err := pgx.CollectRows(rows, scanLine)
	return list, failure(action, err)
}

func scanLine(row pgx.CollectableRow) (app.Line, error) {
	var l app.Line
	var dispatched *time.Time
	err := row.Scan(&l.ID, &l.App, &l.Shop, &l.Topic, &l.WebhookID, &l.Resource, &l.TriggeredAt, &l.ReceivedAt, &dispatched,
		&l.DispatchAt, &l.Tries, &l.Note)
	l.DispatchedAt = instant(dispatched)
	return l, err
}
