package store

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/crypt"
	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// SearchPayments lists payments, newest first. Ref finds a payment by its own
// id; by the shop's or the merchant's id of it or of a capture, void or refund
// of it; by the id of one of its operations or attempts, an attempt's key, or a
// provider's reference.
func (s *Store) SearchPayments(ctx context.Context, f payment.Search) ([]payment.Summary, error) {
	const action = "search payments"
	statement, args := searchStatement(f)
	rows, err := s.pool.Query(ctx, statement, args)
	if err != nil {
		return nil, failure(action, err)
	}
	list, err := pgx.CollectRows(rows, scanSummary)
	return list, failure(action, err)
}

// byAnyID finds payments by any id in full. Each branch has an index of its own.
const byAnyID = `p.id IN (
	SELECT id FROM payments WHERE id = nullif(@uuid, '')::uuid
	UNION ALL SELECT payment_id FROM operations WHERE id = nullif(@uuid, '')::uuid
	UNION ALL SELECT payment_id FROM move_sessions WHERE id = nullif(@uuid, '')::uuid
	UNION ALL SELECT payment_id FROM attempts WHERE id = nullif(@uuid, '')::uuid
	UNION ALL SELECT id FROM payments WHERE external_id = @ref
	UNION ALL SELECT payment_id FROM move_sessions WHERE external_id = @ref
	UNION ALL SELECT payment_id FROM attempts WHERE key = @ref
	UNION ALL SELECT payment_id FROM attempts WHERE ref = @ref AND ref <> ''
	UNION ALL SELECT payment_id FROM attempts WHERE payment_ref = @ref AND payment_ref <> ''
	UNION ALL SELECT payment_id FROM operations WHERE external_ref = @ref AND origin = 'elsewhere')`

// searchStatement puts together the conditions that are asked for. One statement
// with all of them, each switched off by its argument, would read the whole list
// for a search that finds little.
func searchStatement(f payment.Search) (string, pgx.NamedArgs) {
	args := pgx.NamedArgs{"limit": min(max(orElse(f.Limit, defaultList), 1), maxList)}
	var where []string
	only := func(wanted bool, condition, name string, value any) {
		if wanted {
			where = append(where, condition)
			args[name] = value
		}
	}
	only(f.Shop != "", `p.shop = @shop`, "shop", f.Shop)
	only(f.State != "", `p.state = @state`, "state", string(f.State))
	only(f.Provider != "", `c.provider = @provider`, "provider", f.Provider)
	only(f.Currency != "", `p.currency = @currency`, "currency", string(f.Currency))
	if f.Operator {
		where = append(where, `p.operator <> ''`)
	}
	only(!f.From.IsZero(), `p.received_at >= @from`, "from", f.From)
	only(!f.To.IsZero(), `p.received_at < @to`, "to", f.To)
	only(f.Ref != "", byAnyID, "ref", f.Ref)
	if f.Ref != "" {
		args["uuid"] = f.Ref
		if known("payment", f.Ref) != nil {
			args["uuid"] = ""
		}
	}
	if f.Amounts != nil {
		currencies, minors := make([]string, len(f.Amounts)), make([]int64, len(f.Amounts))
		for i, a := range f.Amounts {
			currencies[i], minors[i] = string(a.Currency), a.Minor
		}
		only(true, `(p.currency, p.amount_minor) IN (SELECT * FROM unnest(@currencies::text[], @minors::bigint[]))`, "currencies", currencies)
		args["minors"] = minors
	}
	only(!f.Before.At.IsZero(), `(p.received_at, p.id) < (@at, @last::uuid)`, "at", f.Before.At)
	args["last"] = f.Before.ID
	statement := selectSummary
	if len(where) > 0 {
		statement += `WHERE ` + strings.Join(where, ` AND `)
	}
	return statement + ` ORDER BY p.received_at DESC, p.id DESC LIMIT @limit`, args
}

// maxFacet bounds what a search offers to choose from.
const maxFacet = 500

// Facets reads what there is to choose from in a search.
func (s *Store) Facets(ctx context.Context) (payment.Facets, error) {
	var f payment.Facets
	b := &pgx.Batch{}
	b.Queue(snapshot)
	b.Queue(`SELECT shop, label, active FROM shops ORDER BY shop LIMIT $1`, maxFacet).Query(collect(&f.Shops, pgx.RowToStructByName[payment.ShopLine]))
	b.Queue(`SELECT DISTINCT provider FROM accounts ORDER BY provider`).Query(collect(&f.Providers, pgx.RowTo[string]))
	// From one currency to the next by the index, past all payments in between.
	b.Queue(`
		WITH RECURSIVE used (currency) AS (
			(SELECT currency FROM payments ORDER BY currency LIMIT 1)
			UNION ALL
			SELECT (SELECT p.currency FROM payments p WHERE p.currency > used.currency ORDER BY p.currency LIMIT 1)
			FROM used WHERE used.currency IS NOT NULL
		) SELECT currency FROM used WHERE currency IS NOT NULL`).Query(collect(&f.Currencies, pgx.RowTo[money.Currency]))
	b.Queue(`SELECT count(*) FROM (SELECT FROM payments WHERE operator <> '' LIMIT 1000) AS few`).
		QueryRow(func(row pgx.Row) error { return row.Scan(&f.Needing) })
	b.Queue("commit")
	return f, failure("read facets", send(ctx, s.pool, b))
}

// Desk reads sums, clocks, mails and messages of a payment; payment.NotFound
// for an unknown id.
func (s *Store) Desk(ctx context.Context, paymentID string) (payment.Desk, error) {
	const action = "read desk"
	if err := known("payment", paymentID); err != nil {
		return payment.Desk{}, failure(action, err)
	}
	var d payment.Desk
	r, err := s.read(ctx, byPayment, paymentID, func(b *pgx.Batch) {
		args := pgx.NamedArgs{"id": paymentID}
		b.Queue(`SELECT reason, at, sent_at, tries FROM notices WHERE payment_id = @id ORDER BY id`, args).
			Query(collect(&d.Notices, func(row pgx.CollectableRow) (l payment.NoticeLine, err error) {
				var sent *time.Time
				err = row.Scan(&l.Reason, &l.At, &sent, &l.Tries)
				l.SentAt = instant(sent)
				return l, err
			}))
		b.Queue(selectPauses+`
			WHERE p.ended_at IS NULL AND p.until >= @lapsed AND p.account_id IN (SELECT account_id FROM attempts
			      WHERE payment_id = @id AND state IN ('allocated', 'sent', 'in_doubt', 'open', 'processing')) ORDER BY p.since, p.worker`,
			pgx.NamedArgs{"id": paymentID, "lapsed": s.lapsed()}).Query(collect(&d.Pauses, pgx.RowToStructByPos[payment.Pause]))
		b.Queue(selectDeliveries+`WHERE e.payment_id = @id ORDER BY e.id`, args).Query(collect(&d.Deliveries, scanDelivery))
	})
	if err != nil {
		return payment.Desk{}, failure(action, err)
	}
	d.DecideAt, d.WatchAt = r.p.DeadlineAt.Add(-s.decideAhead), instant(r.p.WatchAt)
	if r.p.Operator == payment.ResolveRefused && r.p.RefusedAt != nil {
		d.GiveBackAt = r.p.RefusedAt.Add(r.p.RefusedDefault)
	}
	d.Purses, err = r.purses()
	return d, failure(action, err)
}

// purses adds up the money of every try that was paid.
func (r *record) purses() ([]payment.Purse, error) {
	var list []payment.Purse
	for _, a := range r.attempts {
		if a.Operation != payment.OpCharge || !a.State.Succeeded() {
			continue
		}
		p, err := r.purse(a)
		if err != nil {
			return nil, err
		}
		left, err := p.left()
		if err != nil {
			return nil, bug("amount", "what is left of a payment cannot be reckoned")
		}
		rest, err := p.rest()
		if err != nil {
			return nil, bug("amount", "what is held of a payment cannot be reckoned")
		}
		if p.void != nil || p.reversal != nil && a.State == payment.Held {
			rest = money.New(0, rest.Currency) // the hold is being given back
		}
		line := payment.Purse{
			AttemptID: a.ID, Winner: r.isWinner(a), Amount: p.amount, Taken: p.taken, Gone: p.gone, Left: left, Rest: rest,
		}
		if rest.IsPositive() {
			line.HoldUntil = instant(a.ExpiresAt)
		}
		list = append(list, line)
	}
	return list, nil
}

const selectDeliveries = `
	SELECT e.id, c.shop, e.account_id::text, c.provider, c.label, e.event_id, e.type, coalesce(e.payment_id::text, ''),
	       coalesce(e.attempt_id::text, ''), coalesce(nullif(e.ref, ''), e.payment_ref), e.status, e.elsewhere,
	       coalesce(e.amount_minor, 0), coalesce(e.currency, ''), coalesce(nullif(e.code, ''), e.decline),
	       e.occurred_at, e.received_at, e.dispatched_at, e.dispatch_at, e.note
	FROM provider_events e JOIN accounts c ON c.id = e.account_id `

func scanDelivery(row pgx.CollectableRow) (payment.Delivery, error) {
	var d payment.Delivery
	var dispatched *time.Time
	err := row.Scan(&d.ID, &d.Shop, &d.AccountID, &d.Provider, &d.Label, &d.EventID, &d.Type, &d.PaymentID, &d.AttemptID, &d.Ref,
		&d.Status, &d.Elsewhere, &d.Amount.Minor, &d.Amount.Currency, &d.Code, &d.OccurredAt, &d.ReceivedAt, &dispatched, &d.DispatchAt, &d.Note)
	d.DispatchedAt = instant(dispatched)
	return d, err
}

// Deliveries lists providers' messages, newest first.
func (s *Store) Deliveries(ctx context.Context, f payment.DeliveryFilter) ([]payment.Delivery, error) {
	const action = "list deliveries"
	const where = `
		WHERE (@shop = '' OR c.shop = @shop) AND (@provider = '' OR c.provider = @provider)
		  AND (NOT @waiting::boolean OR e.dispatched_at IS NULL) AND (NOT @stray::boolean OR e.payment_id IS NULL)
		  AND (@before::bigint = 0 OR e.id < @before)
		ORDER BY e.id DESC LIMIT @limit`
	rows, err := s.pool.Query(ctx, selectDeliveries+where, pgx.NamedArgs{
		"shop": f.Shop, "provider": f.Provider, "waiting": f.Waiting, "stray": f.Stray, "before": f.Before,
		"limit": min(max(orElse(f.Limit, defaultList), 1), maxList),
	})
	if err != nil {
		return nil, failure(action, err)
	}
	list, err := pgx.CollectRows(rows, scanDelivery)
	return list, failure(action, err)
}

// ProviderAccounts lists a shop's accounts, live ones first, in the order in
// which buyers see them. The secrets leave the store masked.
func (s *Store) ProviderAccounts(ctx context.Context, shop string) ([]payment.ProviderAccount, error) {
	const action = "list provider accounts"
	rows, err := s.pool.Query(ctx, `
		SELECT a.id::text, shop, provider, live, label, position, enabled, created_at, verified_at, refused_at, wrapped_key, credentials, p.since, p.until
		FROM accounts a LEFT JOIN LATERAL (
			SELECT min(since) AS since, min(until) AS until FROM account_pauses WHERE account_id = a.id AND ended_at IS NULL AND until >= @lapsed
		) p ON true WHERE shop = @shop AND removed_at IS NULL ORDER BY live DESC, position, label, a.id`, pgx.NamedArgs{"shop": shop, "lapsed": s.lapsed()})
	if err != nil {
		return nil, failure(action, err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (payment.ProviderAccount, error) {
		var a payment.ProviderAccount
		var key crypt.DataKey
		var sealed []byte
		var verified, refused, paused, tried *time.Time
		err := row.Scan(&a.ID, &a.Shop, &a.Provider, &a.Live, &a.Label, &a.Position, &a.Enabled, &a.CreatedAt, &verified, &refused, &key.Wrapped, &sealed, &paused, &tried)
		if err != nil {
			return a, err
		}
		key.Owner, a.VerifiedAt, a.RefusedAt = a.ID, instant(verified), instant(refused)
		a.PausedSince, a.TriedAt = instant(paused), instant(tried)
		a.Credentials, err = s.masked(key, sealed)
		return a, err
	})
	return list, failure(action, err)
}

// AccountVerified notes that the provider has accepted a call with the account's
// credentials just now, and so refuses them no more. Whoever made that call says so.
func (s *Store) AccountVerified(ctx context.Context, accountID string) error {
	const action = "note verification"
	if err := known("account", accountID); err != nil {
		return failure(action, err)
	}
	tag, err := s.pool.Exec(ctx, `UPDATE accounts SET verified_at = @now, refused_at = NULL WHERE id = @id AND removed_at IS NULL`, pgx.NamedArgs{"id": accountID, "now": s.now()})
	if err == nil && tag.RowsAffected() == 0 {
		err = pgx.ErrNoRows
	}
	return failure(action, err)
}

// A secret shows its last tailLength characters if it has at least tailOf: what
// stays hidden cannot be guessed then.
const (
	tailLength = 4
	tailOf     = 20
)

func (s *Store) masked(key crypt.DataKey, sealed []byte) ([]payment.MaskedCredential, error) {
	plain, err := s.vault.Open(key, credentialsRow, sealed)
	if err != nil {
		return nil, bug("vault", "the account's credentials do not open")
	}
	var credentials map[string]string
	if err := json.Unmarshal(plain, &credentials); err != nil {
		return nil, bug("vault", "the account's credentials are malformed")
	}
	list := make([]payment.MaskedCredential, 0, len(credentials))
	for _, name := range slices.Sorted(maps.Keys(credentials)) {
		m := payment.MaskedCredential{Name: name}
		if secret := credentials[name]; len(secret) >= tailOf {
			m.Tail = secret[len(secret)-tailLength:]
		}
		list = append(list, m)
	}
	return list, nil
}

// maxFilters bounds what one person keeps.
const maxFilters = 20

// SavedFilters lists what somebody keeps, by name.
func (s *Store) SavedFilters(ctx context.Context, owner string) ([]payment.SavedFilter, error) {
	const action = "list filters"
	rows, err := s.pool.Query(ctx, `SELECT id::text, name, query FROM console_filters WHERE owner = @owner ORDER BY name`, pgx.NamedArgs{"owner": owner})
	if err != nil {
		return nil, failure(action, err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[payment.SavedFilter])
	return list, failure(action, err)
}

// SaveFilter keeps a search under a name, or changes the one of that name.
// payment.Conflict "too_many" past 20 of them.
func (s *Store) SaveFilter(ctx context.Context, owner, name, query string) error {
	const action = "save filter"
	const upsert = `
		INSERT INTO console_filters (id, owner, name, query, created_at)
		SELECT @id, @owner, @name, @query, @now
		WHERE (SELECT count(*) FROM console_filters WHERE owner = @owner AND name <> @name) < @most
		ON CONFLICT (owner, name) DO UPDATE SET query = @query`
	id, err := newID()
	if err != nil {
		return failure(action, err)
	}
	tag, err := s.pool.Exec(ctx, upsert, pgx.NamedArgs{
		"id": id, "owner": owner, "name": name, "query": query, "most": maxFilters, "now": s.now(),
	})
	if err == nil && tag.RowsAffected() == 0 {
		err = conflict("too_many", "nobody keeps more than %d filters", maxFilters)
	}
	return failure(action, err)
}

// DropFilter forgets one of somebody's filters; a repeat changes nothing.
func (s *Store) DropFilter(ctx context.Context, owner, id string) error {
	const action = "drop filter"
	if err := known("filter", id); err != nil {
		return failure(action, err)
	}
	_, err := s.pool.Exec(ctx, `DELETE FROM console_filters WHERE id = @id AND owner = @owner`, pgx.NamedArgs{"id": id, "owner": owner})
	return failure(action, err)
}
