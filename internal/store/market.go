package store

import (
	"context"
	"regexp"
	"slices"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/access/audit"
	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// countryCode is the shape of ISO 3166-1 alpha-2. Whether a country of that code
// exists is the business of who asks.
var countryCode = regexp.MustCompile(`^[A-Z]{2}$`)

// nearestMarket picks the one that says most about the buyer: a country says more
// than a currency, both more than either.
const nearestMarket = `ORDER BY m.country = '', m.currency = '' LIMIT 1`

// Markets lists what a shop has set for buyers of a currency or country, in order.
func (s *Store) Markets(ctx context.Context, shop string) ([]payment.Market, error) {
	const action = "list markets"
	rows, err := s.pool.Query(ctx, `
		SELECT live, currency, country, accounts::text[] AS accounts FROM markets WHERE shop = @shop
		ORDER BY live DESC, country, currency`, pgx.NamedArgs{"shop": shop})
	if err != nil {
		return nil, failure(action, err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[payment.Market])
	return list, failure(action, err)
}

// maxMarkets bounds what one shop sets.
const maxMarkets = 200

// SaveMarket sets the options of a market, in their order, and notes it in the
// audit. For everybody else it switches the shop's other accounts of the mode
// off. An account that the shop does not have in that mode is payment.Invalid
// "unknown_account"; past 200 markets payment.Conflict "too_many".
func (s *Store) SaveMarket(ctx context.Context, shop string, m payment.Market, entry audit.Entry) error {
	const action = "save market"
	if err := checkMarket(m); err != nil {
		return failure(action, err)
	}
	args := pgx.NamedArgs{
		"shop": shop, "live": m.Live, "currency": m.Currency, "country": m.Country, "accounts": slices.Concat([]string{}, m.Accounts),
		"most": maxMarkets,
	}
	return failure(action, s.inTx(ctx, func(tx pgx.Tx) error {
		// FOR UPDATE: none of them is removed until this is committed.
		const have = `
			SELECT id::text FROM accounts WHERE shop = @shop AND live = @live AND removed_at IS NULL AND id = ANY (@accounts::uuid[])
			ORDER BY id FOR UPDATE`
		rows, err := tx.Query(ctx, have, args)
		if err != nil {
			return err
		}
		found, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		if len(found) != len(m.Accounts) {
			return invalid("unknown_account", "an account was removed meanwhile, or is none of this mode")
		}
		if err := writeMarket(ctx, tx, m, args); err != nil {
			return err
		}
		return s.AppendAuditIn(ctx, tx, entry)
	}))
}

func writeMarket(ctx context.Context, tx pgx.Tx, m payment.Market, args pgx.NamedArgs) error {
	if m.Rest() {
		const order = `
			UPDATE accounts SET enabled = id = ANY (@accounts::uuid[]), position = coalesce(array_position(@accounts::uuid[], id), position)
			WHERE shop = @shop AND live = @live AND removed_at IS NULL`
		_, err := tx.Exec(ctx, order, args)
		return err
	}
	const upsert = `
		INSERT INTO markets (shop, live, currency, country, accounts)
		SELECT @shop, @live, @currency, @country, @accounts::uuid[]
		WHERE (SELECT count(*) FROM markets WHERE shop = @shop) < @most
		   OR EXISTS (SELECT FROM markets WHERE shop = @shop AND live = @live AND currency = @currency AND country = @country)
		ON CONFLICT (shop, live, currency, country) DO UPDATE SET accounts = @accounts::uuid[]`
	tag, err := tx.Exec(ctx, upsert, args)
	if err == nil && tag.RowsAffected() == 0 {
		err = conflict("too_many", "a shop has at most %d markets", maxMarkets)
	}
	return err
}

// DropMarket gives the buyers of a market the options of everybody else, and
// notes it in the audit. payment.NotFound without such a market.
func (s *Store) DropMarket(ctx context.Context, shop string, m payment.Market, entry audit.Entry) error {
	return failure("drop market", s.inTx(ctx, func(tx pgx.Tx) error {
		const statement = `DELETE FROM markets WHERE shop = @shop AND live = @live AND currency = @currency AND country = @country`
		tag, err := tx.Exec(ctx, statement, pgx.NamedArgs{"shop": shop, "live": m.Live, "currency": m.Currency, "country": m.Country})
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return &payment.Error{Class: payment.NotFound, Code: "no_market", Message: "there is no such market"}
		}
		return s.AppendAuditIn(ctx, tx, entry)
	}))
}

func checkMarket(m payment.Market) error {
	if m.Currency != "" {
		if _, err := money.ParseCurrency(string(m.Currency)); err != nil {
			return invalid("currency", "unknown currency")
		}
	}
	if m.Country != "" && !countryCode.MatchString(m.Country) {
		return invalid("country", "a country is two capital letters")
	}
	seen := map[string]bool{}
	for _, id := range m.Accounts {
		if err := known("account", id); err != nil || seen[id] {
			return invalid("unknown_account", "an account is named twice, or by no id")
		}
		seen[id] = true
	}
	return nil
}
