package store

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

// maxName bounds a plan's name.
const maxName = 100

// subscriptionFailure is [failure] for what may be refused: a refusal of the
// domain is told to who asked and stays what it is.
func subscriptionFailure(action string, err error) error {
	if _, refused := errors.AsType[*subscription.Refusal](err); refused {
		return err
	}
	return failure(action, err)
}

func refuse(field string, reason subscription.Reason, message string) error {
	return &subscription.Refusal{Field: field, Reason: reason, Message: message}
}

// CreatePlan makes a plan of a shop. A repeat of the same one is answered with
// what stands; another one under the same id is payment.Conflict "different_plan".
// What the domain does not take is a *subscription.Refusal.
func (s *Store) CreatePlan(ctx context.Context, o subscription.NewOffer) (subscription.Offer, error) {
	const action = "create plan"
	if err := checkName(o.Name); err != nil {
		return subscription.Offer{}, err
	}
	plan, err := subscription.NewPlan(o.Draft)
	if err != nil {
		return subscription.Offer{}, subscriptionFailure(action, err)
	}
	var out subscription.Offer
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		const insert = `
			INSERT INTO plans (shop, id, version, created_at, changed_at)
			SELECT shop, @id, 1, @now, @now FROM shops WHERE shop = @shop AND active
			ON CONFLICT DO NOTHING`
		tag, err := tx.Exec(ctx, insert, pgx.NamedArgs{"shop": o.Shop, "id": plan.ID, "now": s.now()})
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 1 {
			out = subscription.Offer{Shop: o.Shop, Name: o.Name, Plan: plan, By: o.By, At: s.now(), CreatedAt: s.now()}
			return s.insertVersion(ctx, tx, out)
		}
		out, err = s.samePlan(ctx, tx, o, plan)
		return err
	})
	return out, subscriptionFailure(action, err)
}

func checkName(name string) error {
	if name == "" {
		return refuse("name", subscription.Missing, "must be given")
	}
	if n := len([]rune(name)); n > maxName {
		return refuse("name", subscription.OutOfRange, "must have at most 100 characters")
	}
	return nil
}

// samePlan answers the plan that stands under an id, if its first version is the
// one that is asked for.
func (s *Store) samePlan(ctx context.Context, tx pgx.Tx, o subscription.NewOffer, plan subscription.Plan) (subscription.Offer, error) {
	all, err := planVersions(ctx, tx, o.Shop, plan.ID)
	switch {
	case err != nil:
		return subscription.Offer{}, err
	case len(all) == 0:
		return subscription.Offer{}, &payment.Error{Class: payment.NotFound, Code: "unknown_shop", Message: "the shop is not installed"}
	case all[0].Name != o.Name || all[0].Plan != plan:
		return subscription.Offer{}, conflict("different_plan", "the shop has another plan under this id")
	}
	return all[len(all)-1], nil
}

// UpdatePlan makes the next version of a plan. Another expected version than the
// newest is a *subscription.Refusal with StaleVersion and the one that stands.
func (s *Store) UpdatePlan(ctx context.Context, u subscription.OfferUpdate) (subscription.Offer, error) {
	if u.Name != "" {
		if err := checkName(u.Name); err != nil {
			return subscription.Offer{}, err
		}
	}
	return s.nextVersion(ctx, "update plan", subscription.OfferEnd{Shop: u.Shop, Plan: u.Plan, By: u.By},
		func(o subscription.Offer) (next subscription.Offer, err error) {
			next = o
			next.Name = orElse(u.Name, o.Name)
			next.Plan, err = o.Plan.Update(u.Update)
			return next, err
		})
}

// RetirePlan cancels a plan: it makes a last version that takes nobody new.
func (s *Store) RetirePlan(ctx context.Context, e subscription.OfferEnd) (subscription.Offer, error) {
	return s.nextVersion(ctx, "retire plan", e, func(o subscription.Offer) (next subscription.Offer, err error) {
		next = o
		next.Plan, err = o.Plan.Retire(e.Expected, e.Running, e.From)
		return next, err
	})
}

// nextVersion changes a plan while its row is locked.
func (s *Store) nextVersion(
	ctx context.Context, action string, of subscription.OfferEnd, change func(subscription.Offer) (subscription.Offer, error),
) (subscription.Offer, error) {
	var out subscription.Offer
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		args := pgx.NamedArgs{"shop": of.Shop, "id": of.Plan}
		if err := tx.QueryRow(ctx, `SELECT FROM plans WHERE shop = @shop AND id = @id FOR NO KEY UPDATE`, args).Scan(); err != nil {
			return err
		}
		all, err := planVersions(ctx, tx, of.Shop, of.Plan)
		if err != nil || len(all) == 0 {
			return errors.Join(err, bug("plan", "a plan without a version"))
		}
		if out, err = change(all[len(all)-1]); err != nil {
			return err
		}
		out.By, out.At = of.By, s.now()
		if err := s.insertVersion(ctx, tx, out); err != nil {
			return err
		}
		const point = `UPDATE plans SET version = @version, retired = @retired, changed_at = @now WHERE shop = @shop AND id = @id`
		tag, err := tx.Exec(ctx, point, pgx.NamedArgs{
			"shop": of.Shop, "id": of.Plan, "version": out.Plan.Version, "retired": out.Plan.Retired, "now": s.now(),
		})
		if err != nil {
			return err
		}
		return oneRow("plan")(tag)
	})
	return out, subscriptionFailure(action, err)
}

func (s *Store) insertVersion(ctx context.Context, tx pgx.Tx, o subscription.Offer) error {
	const insert = `
		INSERT INTO plan_versions (shop, plan_id, version, name, price_minor, currency, value, actor, at)
		VALUES (@shop, @plan, @version, @name, @minor, @currency, @value, @actor, @at)`
	value, err := json.Marshal(o.Plan)
	if err != nil {
		return bug("plan", "a plan that cannot be written")
	}
	_, err = tx.Exec(ctx, insert, pgx.NamedArgs{
		"shop": o.Shop, "plan": o.Plan.ID, "version": o.Plan.Version, "name": o.Name, "minor": o.Plan.Price.Minor,
		"currency": o.Plan.Price.Currency, "value": value, "actor": o.By, "at": o.At,
	})
	return err
}

// selectVersions reads offers; each in the version that stood at v.
const selectVersions = `
	SELECT v.shop, v.name, v.value, v.actor, v.at, p.created_at,
	       (SELECT count(*) FROM subscriptions s WHERE s.plan_id = p.id AND s.shop = p.shop AND s.ended_at IS NULL) AS running
	FROM plan_versions v JOIN plans p ON p.shop = v.shop AND p.id = v.plan_id `

func scanOffer(row pgx.CollectableRow) (subscription.Offer, error) {
	var o subscription.Offer
	var value []byte
	if err := row.Scan(&o.Shop, &o.Name, &value, &o.By, &o.At, &o.CreatedAt, &o.Running); err != nil {
		return o, err
	}
	if err := json.Unmarshal(value, &o.Plan); err != nil {
		return o, bug("plan", "a plan that cannot be read")
	}
	return o, nil
}

// queryer is what reads: a pool, or a transaction.
type queryer interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func planVersions(ctx context.Context, q queryer, shop, id string) ([]subscription.Offer, error) {
	rows, err := q.Query(ctx, selectVersions+`WHERE v.shop = @shop AND v.plan_id = @id ORDER BY v.version`, pgx.NamedArgs{"shop": shop, "id": id})
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanOffer)
}

// PlanVersions reads all versions of a plan, the newest last; payment.NotFound
// for a plan that the shop does not have.
func (s *Store) PlanVersions(ctx context.Context, shop, id string) ([]subscription.Offer, error) {
	const action = "read plan"
	all, err := planVersions(ctx, s.pool, shop, id)
	if err == nil && len(all) == 0 {
		err = pgx.ErrNoRows
	}
	return all, failure(action, err)
}

// Plan reads the newest version of a plan.
func (s *Store) Plan(ctx context.Context, shop, id string) (subscription.Offer, error) {
	all, err := s.PlanVersions(ctx, shop, id)
	if err != nil {
		return subscription.Offer{}, err
	}
	return all[len(all)-1], nil
}

// PlanFilter selects plans for a list, by their ids in order.
type PlanFilter struct {
	Shop    string // empty: of all shops
	Retired bool   // those too that take nobody new
	After   string // the last id of a page starts the next
	Limit   int    // at most 500; zero is 50
}

// ListPlans lists plans in their newest version.
func (s *Store) ListPlans(ctx context.Context, f PlanFilter) ([]subscription.Offer, error) {
	const action = "list plans"
	const where = `
		WHERE v.version = p.version AND (@shop = '' OR p.shop = @shop) AND (@retired::boolean OR NOT p.retired) AND p.id > @after
		ORDER BY p.id, p.shop LIMIT @limit`
	rows, err := s.pool.Query(ctx, selectVersions+where, pgx.NamedArgs{
		"shop": f.Shop, "retired": f.Retired, "after": f.After, "limit": min(max(orElse(f.Limit, defaultList), 1), maxList),
	})
	if err != nil {
		return nil, failure(action, err)
	}
	list, err := pgx.CollectRows(rows, scanOffer)
	return list, failure(action, err)
}

// DunningPolicy reads how patient a shop is; who has chosen nothing has the defaults.
func (s *Store) DunningPolicy(ctx context.Context, shop string) (subscription.Policy, error) {
	policy, err := policyOf(ctx, s.pool, shop)
	return policy, failure("read dunning policy", err)
}

func policyOf(ctx context.Context, q queryer, shop string) (subscription.Policy, error) {
	rows, err := q.Query(ctx, `SELECT value FROM dunning_policies WHERE shop = @shop`, pgx.NamedArgs{"shop": shop})
	if err != nil {
		return subscription.Policy{}, err
	}
	values, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil || len(values) == 0 {
		return subscription.DefaultPolicy(), err
	}
	var policy subscription.Policy
	if err := json.Unmarshal(values[0], &policy); err != nil {
		return policy, bug("policy", "a dunning policy that cannot be read")
	}
	return policy, nil
}

// PutDunningPolicy sets how patient a shop is. Subscriptions that are past due
// follow it from their next step on; see [Store.HastenDunning].
func (s *Store) PutDunningPolicy(ctx context.Context, shop string, policy subscription.Policy, by string) error {
	const action = "put dunning policy"
	if err := policy.Check(); err != nil {
		return subscriptionFailure(action, err)
	}
	value, err := json.Marshal(policy)
	if err != nil {
		return failure(action, bug("policy", "a dunning policy that cannot be written"))
	}
	const put = `
		INSERT INTO dunning_policies (shop, value, actor, changed_at) SELECT shop, @value, @actor, @now FROM shops WHERE shop = @shop
		ON CONFLICT (shop) DO UPDATE SET value = excluded.value, actor = excluded.actor, changed_at = excluded.changed_at`
	tag, err := s.pool.Exec(ctx, put, pgx.NamedArgs{"shop": shop, "value": value, "actor": by, "now": s.now()})
	if err == nil && tag.RowsAffected() == 0 {
		err = pgx.ErrNoRows
	}
	return failure(action, err)
}

// latest is the newest of a plan's versions.
func latest(all []subscription.Plan) (subscription.Plan, bool) {
	if len(all) == 0 {
		return subscription.Plan{}, false
	}
	return slices.MaxFunc(all, func(a, b subscription.Plan) int { return a.Version - b.Version }), true
}

// zoned is the zone of a subscription's schedule.
func zoned(name string) (*time.Location, error) {
	zone, err := subscription.LoadZone(name)
	if err != nil {
		return nil, bug("zone", "a subscription of a zone that is not known any more")
	}
	return zone, nil
}
