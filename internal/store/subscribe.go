package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/crypt"
	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

// Subscribe commits a subscription with its first charge, or answers the one
// that stands. The first payment is an ordinary one through a page, which asks
// for the method to be kept; a trial waits for the method alone, see
// [subscription.CmdMethod].
//
// What the domain does not take is a *subscription.Refusal. The same ref with
// another plan, quantity, mode or zone is payment.Conflict
// "different_subscription", the same IdempotencyKey with another RequestHash
// "idempotency_key_reused"; a shop that is missing or inactive
// payment.NotFound "unknown_shop", a plan that it does not have payment.NotFound
// "unknown_plan", and no enabled account of the mode that can keep a method
// payment.Invalid "no_account".
func (s *Store) Subscribe(ctx context.Context, in subscription.Signup) (record subscription.Record, isNew bool, err error) {
	const action = "subscribe"
	if err := checkSignup(in); err != nil {
		return record, false, failure(action, err)
	}
	for range acceptTries {
		record, found, err := s.standingSubscription(ctx, in)
		if err != nil || found {
			return record, false, failure(action, err)
		}
		id, again, err := s.subscribe(ctx, in)
		switch {
		case again:
		case err != nil:
			return record, false, subscriptionFailure(action, err)
		default:
			record, err = s.Subscription(ctx, in.Shop, id)
			return record, err == nil, err
		}
	}
	return record, false, failure(action, &payment.Error{
		Class: payment.Unavailable, Code: "contended", Message: "other requests of this customer came between each time",
	})
}

func checkSignup(in subscription.Signup) error {
	switch {
	case in.Shop == "" || in.Ref == "":
		return invalid("ref", "shop and ref are required")
	case in.Token == "":
		return bug("token", "a subscription without a customer's link")
	case in.Resolution <= 0:
		return bug("resolution", "a first payment without time")
	case in.By == "":
		return bug("by", "a subscription that nobody asked for")
	}
	return nil
}

// standingSubscription answers the row of the same ref or idempotency key, if it
// is the same subscription.
func (s *Store) standingSubscription(ctx context.Context, in subscription.Signup) (subscription.Record, bool, error) {
	const find = `
		SELECT id::text, ref, coalesce(idempotency_key, ''), request_hash FROM subscriptions
		WHERE shop = @shop AND (ref = @ref OR idempotency_key = nullif(@key, ''))`
	rows, err := s.pool.Query(ctx, find, pgx.NamedArgs{"shop": in.Shop, "ref": in.Ref, "key": in.IdempotencyKey})
	if err != nil {
		return subscription.Record{}, false, err
	}
	var id, ref, key, byRef, byKey string
	var hash []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &ref, &key, &hash}, func() error {
		if in.IdempotencyKey != "" && key == in.IdempotencyKey {
			if byKey = id; string(hash) != string(in.RequestHash) {
				return conflict("idempotency_key_reused", "the Idempotency-Key was used for another request")
			}
		}
		if ref == in.Ref {
			byRef = id
		}
		return nil
	})
	if id = orElse(byKey, byRef); err != nil || id == "" {
		return subscription.Record{}, false, err
	}
	record, err := s.Subscription(ctx, in.Shop, id)
	if err != nil || byKey != "" {
		return record, err == nil, err
	}
	if record.Test != in.Test || record.Began.Plan != in.Plan || record.Began.Quantity != in.Quantity || record.Began.Zone != in.Zone {
		return record, false, conflict("different_subscription", "the shop has another subscription under this ref")
	}
	return record, true, nil
}

// subscribe tries once. again: a row that this try needed came or went meanwhile.
func (s *Store) subscribe(ctx context.Context, in subscription.Signup) (id string, again bool, err error) {
	m, found, err := s.newMember(ctx, in)
	if err != nil {
		return "", false, err
	}
	session := payment.Session{Shop: in.Shop, Buyer: in.Buyer, BuyerKey: in.BuyerKey}
	lookup, err := s.lookup(session)
	if err != nil {
		return "", false, err
	}
	buyer, err := s.sealBuyer(session, found.subject, lookup)
	if err != nil {
		return "", false, err
	}
	inserted := false
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		if err := s.insertBuyer(ctx, tx, in.Shop, buyer); err != nil {
			return err
		}
		m.row.SubjectID, m.row.VaultID = idOrNone(buyer.subject), idOrNone(buyer.vault)
		if inserted, err = m.insert(ctx, tx, in); err != nil || !inserted {
			return err
		}
		m.note("accepted", "", string(subscription.Pending), terms(m.is.Terms)+" by "+in.By)
		return m.save(ctx, tx)
	})
	if err == nil && inserted {
		return m.row.ID, false, nil
	}
	return "", err == nil || lostSubject(err), err
}

// newMember makes the subscription that is asked for, in memory.
func (s *Store) newMember(ctx context.Context, in subscription.Signup) (*member, survey, error) {
	offers, err := planVersions(ctx, s.pool, in.Shop, in.Plan)
	if err != nil {
		return nil, survey{}, err
	}
	if len(offers) == 0 {
		return nil, survey{}, &payment.Error{Class: payment.NotFound, Code: "unknown_plan", Message: "the shop has no such plan"}
	}
	plan := offers[len(offers)-1].Plan
	zone, err := subscription.LoadZone(orElse(in.Zone, plan.Zone))
	if err != nil {
		return nil, survey{}, err
	}
	id, err := newID()
	if err != nil {
		return nil, survey{}, err
	}
	now := s.now()
	is, err := subscription.Subscribe(subscription.Order{
		ID: id, Plan: plan, Expected: in.Expected, Quantity: in.Quantity, Zone: zone, At: now,
	})
	if err != nil {
		return nil, survey{}, err
	}
	found, lookup := survey{}, ""
	session := payment.Session{
		Source: payment.SourceSubscription, Shop: in.Shop, ExternalID: payment.ChargeRef(id, is.Open.Key), Test: in.Test,
		Providers: in.Providers, Amount: is.Open.Amount, BuyerKey: in.BuyerKey,
	}
	if lookup, err = s.lookup(session); err != nil {
		return nil, survey{}, err
	}
	if found, err = s.survey(ctx, session, lookup); err != nil {
		return nil, survey{}, err
	}
	switch {
	case !found.shopActive:
		return nil, survey{}, &payment.Error{Class: payment.NotFound, Code: "unknown_shop", Message: "the shop is not installed"}
	case len(found.options) == 0:
		return nil, survey{}, invalid("no_account", "no account of the shop can keep a method in this mode")
	}
	m := &member{s: s, now: now, fresh: true, is: is, zone: zone, batch: &pgx.Batch{}, names: map[string]string{}}
	for _, o := range offers {
		m.versions, m.names[o.Plan.ID] = append(m.versions, o.Plan), o.Name
	}
	if m.policy, err = policyOf(ctx, s.pool, in.Shop); err != nil {
		return nil, survey{}, err
	}
	m.row = subscriptionRow{
		ID: id, Shop: in.Shop, Ref: in.Ref, Test: in.Test, Revision: 1, Providers: in.Providers, Locale: in.Locale,
		ReturnURL: in.ReturnURL, CancelURL: in.CancelURL, NoticedPeriod: -1, CreatedAt: now, ChangedAt: now,
	}
	m.first = &opening{source: payment.SourceSubscription, token: in.Token, deadline: stored(now.Add(in.Resolution))}
	if len(found.options) == 1 {
		m.first.seq, m.first.account = 1, &found.options[0] // nothing to choose
	}
	return m, found, nil
}

const (
	insertSubject = `
	INSERT INTO subjects (id, shop, lookup, wrapped_key, created_at) VALUES (@subject, @shop, @lookup, @key, @now)
	ON CONFLICT (shop, lookup) WHERE erased_at IS NULL DO NOTHING`
	insertBuyer = `
	INSERT INTO vault (id, subject_id, kind, sealed, created_at) VALUES (@vault, @subject, 'buyer', @sealed, @now)`
)

// insertBuyer writes who the customer is, sealed.
func (s *Store) insertBuyer(ctx context.Context, tx pgx.Tx, shop string, b sealedBuyer) error {
	args := pgx.NamedArgs{
		"subject": b.subject, "shop": shop, "lookup": b.lookup, "key": b.newKey, "vault": b.vault, "sealed": b.sealed, "now": s.now(),
	}
	if b.newSubject {
		if _, err := tx.Exec(ctx, insertSubject, args); err != nil {
			return err
		}
	}
	if b.vault == "" {
		return nil
	}
	_, err := tx.Exec(ctx, insertBuyer, args)
	return err
}

const insertSubscription = `
	INSERT INTO subscriptions (id, shop, ref, test, plan_id, plan_version, quantity, state, revision, value, price_minor, currency,
		period, period_ends_at, providers, locale, return_url, cancel_url, subject_id, vault_id, began, task, due_at, sweep_at,
		idempotency_key, request_hash, created_at, changed_at)
	VALUES (@id, @shop, @ref, @test, @plan, @version, @quantity, 'pending', 1, @value, @price, @currency,
		@period, @ends, @providers, @locale, @return_url, @cancel_url, @subject::uuid, @vault::uuid, @began, '', NULL, @now,
		nullif(@key, ''), @hash, @now, @now)
	ON CONFLICT DO NOTHING`

// insert writes the row; false when one of its unique keys is taken.
func (m *member) insert(ctx context.Context, tx pgx.Tx, in subscription.Signup) (bool, error) {
	value, err := json.Marshal(m.is)
	if err != nil {
		return false, bug("subscription", "a subscription that cannot be written")
	}
	began, err := json.Marshal(subscription.Began{Plan: in.Plan, Quantity: in.Quantity, Zone: in.Zone})
	if err != nil {
		return false, bug("subscription", "a subscription that cannot be written")
	}
	price := m.full()
	tag, err := tx.Exec(ctx, insertSubscription, pgx.NamedArgs{
		"id": m.row.ID, "shop": m.row.Shop, "ref": m.row.Ref, "test": m.row.Test, "plan": m.is.Terms.Plan.ID,
		"version": m.is.Terms.Plan.Version, "quantity": m.is.Terms.Quantity, "value": value, "price": price.Minor,
		"currency": price.Currency, "period": m.is.Period.Number, "ends": m.is.Period.End, "providers": m.row.Providers,
		"locale": m.row.Locale, "return_url": m.row.ReturnURL, "cancel_url": m.row.CancelURL, "subject": m.row.SubjectID,
		"vault": m.row.VaultID, "began": began, "key": in.IdempotencyKey, "hash": in.RequestHash, "now": m.now,
	})
	return err == nil && tag.RowsAffected() == 1, err
}

// idOrNone is an id for a column that may be null: empty is null.
func idOrNone(id string) *string {
	if id == "" {
		return nil
	}
	return &id
}

const selectRecord = `
	SELECT s.value, s.shop, s.ref, s.test, s.revision, s.locale, coalesce(s.method_id::text, ''), coalesce(s.method_account::text, ''),
	       s.task, s.due_at, s.operator, s.created_at, s.changed_at, s.ended_at, s.began,
	       coalesce((SELECT p.token FROM payments p WHERE p.subscription_id = s.id AND p.charge_key = s.open_key AND p.final = '' AND p.shut = ''), '')
	FROM subscriptions s `

func scanRecord(row pgx.CollectableRow) (subscription.Record, error) {
	var r subscription.Record
	var value, began []byte
	var due, ended *time.Time
	err := row.Scan(&value, &r.Shop, &r.Ref, &r.Test, &r.Revision, &r.Locale, &r.Method, &r.Account,
		&r.Task, &due, &r.Operator, &r.CreatedAt, &r.ChangedAt, &ended, &began, &r.Pay)
	if err != nil {
		return r, err
	}
	r.DueAt, r.EndedAt = instant(due), instant(ended)
	if json.Unmarshal(value, &r.Subscription) != nil || json.Unmarshal(began, &r.Began) != nil {
		return r, bug("subscription", "a subscription that cannot be read")
	}
	return r, nil
}

func (s *Store) oneRecord(ctx context.Context, action, where string, args pgx.NamedArgs) (subscription.Record, error) {
	rows, err := s.pool.Query(ctx, selectRecord+where, args)
	if err != nil {
		return subscription.Record{}, failure(action, err)
	}
	r, err := pgx.CollectExactlyOneRow(rows, scanRecord)
	return r, failure(action, err)
}

// Subscription reads a subscription of a shop; an empty shop is any. One that the
// shop does not have is payment.NotFound.
func (s *Store) Subscription(ctx context.Context, shop, id string) (subscription.Record, error) {
	const action = "read subscription"
	if err := known("subscription", id); err != nil {
		return subscription.Record{}, failure(action, err)
	}
	return s.oneRecord(ctx, action, `WHERE s.id = @id AND (@shop = '' OR s.shop = @shop)`, pgx.NamedArgs{"id": id, "shop": shop})
}

// SubscriptionByRef reads a subscription by the merchant's own reference.
func (s *Store) SubscriptionByRef(ctx context.Context, shop, ref string) (subscription.Record, error) {
	return s.oneRecord(ctx, "read subscription", `WHERE s.ref = @ref AND s.shop = @shop`, pgx.NamedArgs{"ref": ref, "shop": shop})
}

// SubscriptionBuyer opens who the customer is, as JSON; empty when nothing was
// given or the person was erased. It is personal data: for mails and the pages of
// who may see it, and for no log.
func (s *Store) SubscriptionBuyer(ctx context.Context, id string) (string, error) {
	const action = "open customer"
	if err := known("subscription", id); err != nil {
		return "", failure(action, err)
	}
	const query = `
		SELECT coalesce(v.id::text, ''), v.sealed, coalesce(j.id::text, ''), j.wrapped_key
		FROM subscriptions s LEFT JOIN vault v ON v.id = s.vault_id LEFT JOIN subjects j ON j.id = s.subject_id
		WHERE s.id = @id`
	var t sealedText
	var key crypt.DataKey
	if err := s.pool.QueryRow(ctx, query, pgx.NamedArgs{"id": id}).Scan(&t.row, &t.sealed, &key.Owner, &key.Wrapped); err != nil {
		return "", failure(action, err)
	}
	t.key = key
	plain, err := s.openText(t)
	return plain, failure(action, err)
}
