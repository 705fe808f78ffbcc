package store

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tillflow/internal/crypt"
	"tillflow/internal/payment"
)

// Shop is a merchant's shop. Zero values of MaxAttempts, RefusedDefault and
// Locale mean the defaults.
type Shop struct {
	Shop           string // permanent domain at Shopify, or a merchant's id for /api/v1
	Label          string // its name as buyers read it
	Mail           string // the merchant's address for operator mails
	Locale         string // default "en"
	MaxAttempts    int    // refusals after which no checkout is opened any more; default 5
	RefusedDefault time.Duration
	Active         bool
}

// shopName keeps a shop usable as an account of the ledger.
var shopName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$`)

const upsertShop = `
	INSERT INTO shops (shop, label, mail, locale, max_attempts, refused_default, active, created_at)
	VALUES (@shop, @label, @mail, @locale, @max_attempts, @refused_default, @active, @now)
	ON CONFLICT (shop) DO UPDATE SET label = @label, mail = @mail, locale = @locale, max_attempts = @max_attempts,
	       refused_default = @refused_default, active = @active
	RETURNING xmax = 0 -- a row that nobody updated yet is new`

// PutShop adds a shop or replaces its settings. What a person does goes through
// [Store.SetShop], which the audit notes.
func (s *Store) PutShop(ctx context.Context, shop Shop) error {
	return failure("put shop", s.inTx(ctx, func(tx pgx.Tx) error {
		_, err := s.putShop(ctx, tx, shop)
		return err
	}))
}

func (s *Store) putShop(ctx context.Context, tx pgx.Tx, shop Shop) (added bool, err error) {
	if !shopName.MatchString(shop.Shop) {
		return false, invalid("shop", "a shop's name is letters, digits, dots, dashes and underscores")
	}
	err = tx.QueryRow(ctx, upsertShop, pgx.NamedArgs{
		"shop": shop.Shop, "label": shop.Label, "mail": shop.Mail, "locale": orElse(shop.Locale, "en"),
		"max_attempts": orElse(shop.MaxAttempts, 5), "refused_default": orElse(shop.RefusedDefault, 24*time.Hour),
		"active": shop.Active, "now": s.now(),
	}).Scan(&added)
	return added, err
}

// Shop reads a shop; payment.NotFound without one.
func (s *Store) Shop(ctx context.Context, shop string) (Shop, error) {
	const action = "read shop"
	rows, err := s.pool.Query(ctx, `
		SELECT shop, label, mail, locale, max_attempts, refused_default, active FROM shops WHERE shop = @shop`,
		pgx.NamedArgs{"shop": shop})
	if err != nil {
		return Shop{}, failure(action, err)
	}
	found, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Shop])
	return found, failure(action, err)
}

// Account opens an account at a provider, with its credentials in clear: the
// caller keeps them for the time of a call. Accounts that were switched off are
// answered too, because their money still moves. Of one that was removed the
// credentials are gone for ever: payment.Unauthorized "account_removed".
func (s *Store) Account(ctx context.Context, id string) (provider string, credentials map[string]string, live bool, err error) {
	const action = "open account"
	if err := known("account", id); err != nil {
		return "", nil, false, failure(action, err)
	}
	key := crypt.DataKey{Owner: id}
	var sealed []byte
	var removed bool
	err = s.pool.QueryRow(ctx, `SELECT provider, live, removed_at IS NOT NULL, wrapped_key, credentials FROM accounts WHERE id = @id`, pgx.NamedArgs{"id": id}).
		Scan(&provider, &live, &removed, &key.Wrapped, &sealed)
	if err != nil {
		return "", nil, false, failure(action, err)
	}
	if removed {
		return "", nil, false, failure(action, &payment.Error{
			Class: payment.Unauthorized, Code: "account_removed", Message: "the merchant has removed the account and its credentials",
		})
	}
	plain, err := s.vault.Open(key, credentialsRow, sealed)
	if err != nil {
		return "", nil, false, failure(action, bug("vault", "the account's credentials do not open"))
	}
	if err := json.Unmarshal(plain, &credentials); err != nil {
		return "", nil, false, failure(action, bug("vault", "the account's credentials are malformed"))
	}
	return provider, credentials, live, nil
}

// credentialsRow binds sealed credentials to their column.
const credentialsRow = "credentials"

// Account is a shop's account at a provider, without its credentials.
type Account struct {
	ID       string
	Shop     string
	Provider string
	Live     bool // false: the provider's test mode or sandbox
	Label    string
	Position int
	Enabled  bool
}

// Accounts lists a shop's accounts in the order in which buyers see them, without
// those that were removed.
func (s *Store) Accounts(ctx context.Context, shop string) ([]Account, error) {
	const action = "list accounts"
	rows, err := s.pool.Query(ctx, `
		SELECT id::text, shop, provider, live, label, position, enabled FROM accounts
		WHERE shop = @shop AND removed_at IS NULL
		ORDER BY live DESC, position, label, id`, pgx.NamedArgs{"shop": shop})
	if err != nil {
		return nil, failure(action, err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Account])
	return list, failure(action, err)
}

// PutAccount adds an account, or replaces position, state and credentials of
// the one with the same shop, provider, mode and label, which keeps its id and
// so its webhook address. account.ID is ignored. Nil credentials leave those
// that stand. What a person does goes through [Store.SaveAccount], which the
// audit notes.
func (s *Store) PutAccount(ctx context.Context, account Account, credentials map[string]string) (string, error) {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		const find = `
			SELECT id::text, wrapped_key FROM accounts
			WHERE shop = @shop AND provider = @provider AND live = @live AND label = @label AND removed_at IS NULL FOR UPDATE`
		args := pgx.NamedArgs{
			"shop": account.Shop, "provider": account.Provider, "live": account.Live, "label": account.Label,
			"position": account.Position, "enabled": account.Enabled, "now": s.now(),
		}
		var key crypt.DataKey
		err := tx.QueryRow(ctx, find, args).Scan(&key.Owner, &key.Wrapped)
		if err != nil && !none(err) {
			return err
		}
		write, err := s.accountWrite(&key, credentials, args)
		if err != nil {
			return err
		}
		account.ID = key.Owner
		_, err = tx.Exec(ctx, write, args)
		return unknownShop(err, account.Shop)
	})
	return account.ID, failure("put account", err)
}

// unknownShop says in words what a foreign key to shops means.
func unknownShop(err error, shop string) error {
	if db, ok := errors.AsType[*pgconn.PgError](err); ok && db.Code == "23503" {
		return &payment.Error{Class: payment.NotFound, Code: "unknown_shop", Message: "there is no shop " + shop + "; add it first"}
	}
	return err
}

// accountWrite picks the statement and completes its arguments.
func (s *Store) accountWrite(key *crypt.DataKey, credentials map[string]string, args pgx.NamedArgs) (string, error) {
	const insert = `
		INSERT INTO accounts (id, shop, provider, live, label, position, enabled, wrapped_key, credentials, created_at)
		VALUES (@id, @shop, @provider, @live, @label, @position, @enabled, @key, @sealed, @now)`
	const update = `
		UPDATE accounts SET position = @position, enabled = @enabled, credentials = coalesce(@sealed, credentials) WHERE id = @id`
	statement := update
	if key.Owner == "" {
		made, err := s.newSubject() // an id and a key under it
		if err != nil {
			return "", err
		}
		*key, statement = made, insert
		if credentials == nil {
			credentials = map[string]string{}
		}
	}
	args["id"], args["key"], args["sealed"] = key.Owner, key.Wrapped, []byte(nil)
	if credentials == nil {
		return statement, nil
	}
	plain, err := json.Marshal(credentials)
	if err != nil {
		return "", bug("credentials", "the credentials cannot be encoded")
	}
	sealed, err := s.vault.Seal(*key, credentialsRow, plain)
	if err != nil {
		return "", bug("vault", "the credentials cannot be sealed")
	}
	args["sealed"] = sealed
	return statement, nil
}
