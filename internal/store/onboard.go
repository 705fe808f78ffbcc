package store

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tillflow/internal/access/audit"
	"tillflow/internal/crypt"
	"tillflow/internal/payment"
)

// SaveAccount adds an account or changes the one of its id, and notes it in the
// audit, in one transaction. Credentials count as verified now: the caller has
// just seen the provider accept them. payment.NotFound for an id that another
// shop has, or an account of another provider or mode, or one that was removed;
// payment.Conflict "label_taken" for a label that another one of the same
// provider and mode has; payment.Invalid "credentials" for a new account without.
func (s *Store) SaveAccount(ctx context.Context, a payment.AccountChange, entry audit.Entry) error {
	const action = "save account"
	if err := known("account", a.ID); err != nil {
		return failure(action, err)
	}
	return failure(action, s.inTx(ctx, func(tx pgx.Tx) error {
		write, args, err := s.accountChange(ctx, tx, a)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, write, args); err != nil {
			return labelTaken(unknownShop(err, a.Shop))
		}
		return s.AppendAuditIn(ctx, tx, entry)
	}))
}

const (
	lockAccount = `
		SELECT shop = @shop AND provider = @provider AND live = @live AND removed_at IS NULL AS ours, wrapped_key
		FROM accounts WHERE id = @id FOR UPDATE`
	addAccount = `
		INSERT INTO accounts (id, shop, provider, live, label, position, enabled, wrapped_key, credentials, created_at, verified_at)
		VALUES (@id, @shop, @provider, @live, @label,
		        coalesce(@position, (SELECT max(position) + 1 FROM accounts WHERE shop = @shop AND live = @live), 1),
		        @enabled, @key, @sealed, @now, @now)`
	changeAccount = `
		UPDATE accounts SET label = @label, position = coalesce(@position, position), enabled = @enabled,
		       credentials = coalesce(@sealed, credentials),
		       verified_at = CASE WHEN @sealed::bytea IS NULL THEN verified_at ELSE @now END,
		       refused_at = CASE WHEN @sealed::bytea IS NULL THEN refused_at END
		WHERE id = @id`
)

func (s *Store) accountChange(ctx context.Context, tx pgx.Tx, a payment.AccountChange) (string, pgx.NamedArgs, error) {
	args := pgx.NamedArgs{
		"id": a.ID, "shop": a.Shop, "provider": a.Provider, "live": a.Live, "label": a.Label, "position": a.Position, "enabled": a.Enabled,
		"sealed": []byte(nil), "now": s.now(),
	}
	key := crypt.DataKey{Owner: a.ID}
	var ours bool
	err := tx.QueryRow(ctx, lockAccount, args).Scan(&ours, &key.Wrapped)
	write := changeAccount
	switch {
	case none(err) && a.Credentials == nil:
		return "", nil, invalid("credentials", "a new account needs credentials")
	case none(err):
		if key, err = s.vault.NewDataKey(a.ID); err != nil {
			return "", nil, bug("vault", "no data key can be made")
		}
		write = addAccount
	case err != nil:
		return "", nil, err
	case !ours:
		return "", nil, noAccount()
	}
	args["key"] = key.Wrapped
	if a.Credentials != nil {
		plain, err := json.Marshal(a.Credentials)
		if err != nil {
			return "", nil, bug("credentials", "the credentials cannot be encoded")
		}
		if args["sealed"], err = s.vault.Seal(key, credentialsRow, plain); err != nil {
			return "", nil, bug("vault", "the credentials cannot be sealed")
		}
	}
	return write, args, nil
}

func noAccount() error {
	return &payment.Error{Class: payment.NotFound, Code: "no_account", Message: "the shop has no such account"}
}

func labelTaken(err error) error {
	if db, ok := errors.AsType[*pgconn.PgError](err); ok && db.ConstraintName == "accounts_label" {
		return conflict("label_taken", "another account of this provider has this label")
	}
	return err
}

// stillNeeds finds payments of a shop that are not over and whose money an
// account may have to move: the charge or a move is under way, money is held or
// may still come, or a person is asked. What was paid and is over needs it no
// more; a refund that is asked for later is then made at the provider.
const stillNeeds = `
	SELECT count(*) FROM (
		SELECT FROM payments p
		WHERE p.shop = @shop
		  AND (p.choice_account = @id OR EXISTS (SELECT FROM attempts a WHERE a.payment_id = p.id AND a.account_id = @id))
		  AND (p.closed_at IS NULL OR p.watch_until > @now OR p.operator <> ''
		       OR EXISTS (SELECT FROM attempts a WHERE a.payment_id = p.id AND a.account_id = @id
		                  AND a.state = 'authorized' AND a.hold_ended_at IS NULL)
		       OR EXISTS (SELECT FROM operations o WHERE o.payment_id = p.id AND o.state = 'open'))
		LIMIT 1000) AS few`

// AccountNeeded counts, to 1000, the payments that are not over and need an account.
func (s *Store) AccountNeeded(ctx context.Context, shop, id string) (int, error) {
	const action = "count payments that need an account"
	if err := known("account", id); err != nil {
		return 0, failure(action, err)
	}
	var n int
	err := s.pool.QueryRow(ctx, stillNeeds, pgx.NamedArgs{"shop": shop, "id": id, "now": s.now()}).Scan(&n)
	return n, failure(action, err)
}

// RemoveAccount destroys an account's credentials and the key they are under, and
// notes it in the audit. The row stays for the payments that name it.
// payment.Conflict "needed" while a payment needs the account, payment.NotFound
// for one that the shop does not have.
//
// A payment that is about to be sent while this is committed finds no credentials
// before anything is written to the provider, and stands before a person.
func (s *Store) RemoveAccount(ctx context.Context, shop, id string, entry audit.Entry) error {
	const action = "remove account"
	if err := known("account", id); err != nil {
		return failure(action, err)
	}
	args := pgx.NamedArgs{"shop": shop, "id": id, "now": s.now()}
	return failure(action, s.inTx(ctx, func(tx pgx.Tx) error {
		const wipe = `
			UPDATE accounts SET removed_at = @now, enabled = false, refused_at = NULL, wrapped_key = '', credentials = ''
			WHERE id = @id AND shop = @shop AND removed_at IS NULL`
		tag, err := tx.Exec(ctx, wipe, args)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return noAccount()
		}
		var n int
		if err := tx.QueryRow(ctx, stillNeeds, args).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			return conflict("needed", "%d payments that are not over need the account", n)
		}
		const leave = `UPDATE markets SET accounts = array_remove(accounts, @id::uuid) WHERE shop = @shop AND @id::uuid = ANY (accounts)`
		if _, err := tx.Exec(ctx, leave, args); err != nil {
			return err
		}
		return s.AppendAuditIn(ctx, tx, entry)
	}))
}

// AccountRefused notes that the provider refuses the account's credentials, and
// reports whether that is news. Whoever made the call says so.
func (s *Store) AccountRefused(ctx context.Context, id string) (bool, error) {
	const action = "note refused credentials"
	if err := known("account", id); err != nil {
		return false, failure(action, err)
	}
	tag, err := s.pool.Exec(ctx, `UPDATE accounts SET refused_at = @now WHERE id = @id AND refused_at IS NULL AND removed_at IS NULL`,
		pgx.NamedArgs{"id": id, "now": s.now()})
	return tag.RowsAffected() == 1, failure(action, err)
}

// AccountsToVerify lists accounts in use, of shops that take payments, whose
// credentials no call has proven since a moment, or that the provider refuses; the
// longest unproven first.
func (s *Store) AccountsToVerify(ctx context.Context, since time.Time, limit int) ([]Account, error) {
	const action = "list accounts to verify"
	const query = `
		SELECT a.id::text, a.shop, a.provider, a.live, a.label, a.position, a.enabled
		FROM accounts a JOIN shops s ON s.shop = a.shop
		WHERE s.active AND a.enabled AND a.removed_at IS NULL
		  AND (coalesce(a.verified_at, a.created_at) < @since OR a.refused_at IS NOT NULL)
		ORDER BY coalesce(a.verified_at, a.created_at), a.id LIMIT @limit`
	rows, err := s.pool.Query(ctx, query, pgx.NamedArgs{"since": since, "limit": limit})
	if err != nil {
		return nil, failure(action, err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Account])
	return list, failure(action, err)
}
