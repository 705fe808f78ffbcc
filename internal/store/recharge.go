package store

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/access/audit"
	"tillflow/internal/crypt"
	"tillflow/internal/payment"
	"tillflow/internal/recharge"
)

const (
	// rechargeOwner stands before the shop in the owner's name of a connection's data key.
	rechargeOwner = "recharge "
	// rechargeLease is how long a store stays with the visit that has claimed it.
	// A visit that comes to its end says itself when the next one is.
	rechargeLease = 15 * time.Minute
	// rechargeHooks is the pause between two looks at a store's webhooks: Recharge
	// deletes one after two days of failures.
	rechargeHooks = 6 * time.Hour
)

// sealedCredentials is what the record keeps of a connection's credentials.
type sealedCredentials struct {
	Token   string `json:"token"`
	Signing string `json:"signing"` // signs Recharge's webhooks
}

// SaveRecharge connects a shop with Recharge or changes its connection, and notes
// it in the audit, in one transaction. Nil credentials leave those that stand. The
// answer is the name of the shop in the address of its webhooks, which stays.
// payment.Invalid "credentials" for a new connection without, payment.NotFound
// "unknown_shop".
func (s *Store) SaveRecharge(ctx context.Context, by audit.Actor, c recharge.Connection, credentials *recharge.Credentials) (hook string, err error) {
	const action = "save recharge connection"
	if err := c.Policy.Check(); err != nil {
		return "", failure(action, invalid("policy", "%s", err))
	}
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		var added bool
		if hook, added, err = s.saveRecharge(ctx, tx, c, credentials); err != nil {
			return err
		}
		replaced := ""
		if credentials != nil {
			replaced = "replaced"
		}
		return s.AppendAuditIn(ctx, tx, audit.Entry{
			Actor: by, Action: addedOrChanged("recharge", added), Subject: "shop " + c.Shop,
			Detail: audit.Detail("enabled", strconv.FormatBool(c.Enabled), "credentials", replaced, "process", strings.Join(categoryNames(c.Policy.Process), ",")),
		})
	})
	return hook, failure(action, err)
}

const (
	lockRecharge = `SELECT hook::text, coalesce(wrapped_key, ''::bytea) FROM recharge_stores WHERE shop = @shop FOR UPDATE`
	addRecharge  = `
		INSERT INTO recharge_stores (shop, hook, enabled, wrapped_key, credentials, process, process_after, process_most, next_at, hooks_at, process_at, created_at)
		VALUES (@shop, @hook, @enabled, @key, @sealed, @process, @after, @most, @now, @now, @now, @now)`
	// What stood in the way may be gone now: it is visited at once.
	changeRecharge = `
		UPDATE recharge_stores SET enabled = @enabled, wrapped_key = @key, credentials = coalesce(@sealed, credentials),
		       process = @process, process_after = @after, process_most = @most, next_at = @now, process_at = @now, tries = 0,
		       hooks_at = CASE WHEN @sealed::bytea IS NULL THEN hooks_at ELSE @now END
		WHERE shop = @shop`
)

func (s *Store) saveRecharge(ctx context.Context, tx pgx.Tx, c recharge.Connection, credentials *recharge.Credentials) (hook string, added bool, err error) {
	args := pgx.NamedArgs{
		"shop": c.Shop, "enabled": c.Enabled, "process": categoryNames(c.Policy.Process), "after": orElse(c.Policy.After, recharge.DefaultAfter),
		"most": orElse(c.Policy.Most, 1), "sealed": []byte(nil), "now": s.now(),
	}
	key := crypt.DataKey{Owner: rechargeOwner + c.Shop}
	err = tx.QueryRow(ctx, lockRecharge, args).Scan(&hook, &key.Wrapped)
	if added = none(err); err != nil && !added {
		return "", false, err
	}
	if len(key.Wrapped) == 0 {
		if credentials == nil {
			return "", false, invalid("credentials", "a new connection needs an access token and the API client's secret")
		}
		if key, err = s.vault.NewDataKey(key.Owner); err != nil {
			return "", false, bug("vault", "no data key can be made")
		}
	}
	if credentials != nil {
		plain, err := json.Marshal(sealedCredentials{credentials.Token.Reveal(), credentials.Secret.Reveal()})
		if err != nil {
			return "", false, bug("credentials", "the credentials cannot be encoded")
		}
		if args["sealed"], err = s.vault.Seal(key, credentialsRow, plain); err != nil {
			return "", false, bug("vault", "the credentials cannot be sealed")
		}
	}
	write := changeRecharge
	if added {
		write = addRecharge
		if hook, err = newID(); err != nil {
			return "", false, err
		}
	}
	args["key"], args["hook"] = key.Wrapped, hook
	_, err = tx.Exec(ctx, write, args)
	return hook, added, unknownShop(err, c.Shop)
}

func categoryNames(list []recharge.Category) []string {
	names := make([]string, len(list))
	for i, c := range list {
		names[i] = string(c)
	}
	return names
}

// EndRecharge disconnects a shop: its credentials and the key that they are under
// are destroyed, the charges that are known stay. payment.NotFound for a shop that
// is not connected.
func (s *Store) EndRecharge(ctx context.Context, by audit.Actor, shop string) error {
	return failure("disconnect recharge", s.inTx(ctx, func(tx pgx.Tx) error {
		const wipe = `
			UPDATE recharge_stores SET enabled = false, wrapped_key = NULL, credentials = NULL, trouble = '', trouble_since = NULL
			WHERE shop = @shop AND wrapped_key IS NOT NULL`
		tag, err := tx.Exec(ctx, wipe, pgx.NamedArgs{"shop": shop})
		if err == nil && tag.RowsAffected() == 0 {
			err = notConnected()
		}
		if err != nil {
			return err
		}
		return s.AppendAuditIn(ctx, tx, audit.Entry{Actor: by, Action: "recharge.remove", Subject: "shop " + shop})
	}))
}

func notConnected() error {
	return &payment.Error{Class: payment.NotFound, Code: "not_connected", Message: "the shop is not connected with Recharge"}
}

// RechargeCredentials opens a shop's credentials: the caller keeps them for the
// time of a visit. payment.NotFound for a shop that is not connected.
func (s *Store) RechargeCredentials(ctx context.Context, shop string) (recharge.Credentials, error) {
	const find = `SELECT shop, wrapped_key, credentials FROM recharge_stores WHERE shop = @name AND wrapped_key IS NOT NULL`
	_, c, err := s.openRecharge(ctx, find, shop)
	return c, failure("open recharge credentials", err)
}

// RechargeHook opens the credentials of the shop that a webhook's address names,
// while it is connected; payment.NotFound for any other name.
func (s *Store) RechargeHook(ctx context.Context, hook string) (shop string, c recharge.Credentials, err error) {
	const action = "open recharge credentials"
	if err := known("recharge connection", hook); err != nil {
		return "", c, failure(action, err)
	}
	const find = `SELECT shop, wrapped_key, credentials FROM recharge_stores WHERE hook = @name::uuid AND enabled`
	shop, c, err = s.openRecharge(ctx, find, hook)
	return shop, c, failure(action, err)
}

func (s *Store) openRecharge(ctx context.Context, find, name string) (shop string, c recharge.Credentials, err error) {
	var wrapped, sealed []byte
	err = s.pool.QueryRow(ctx, find, pgx.NamedArgs{"name": name}).Scan(&shop, &wrapped, &sealed)
	if none(err) {
		return "", c, notConnected()
	}
	if err != nil {
		return "", c, err
	}
	plain, err := s.vault.Open(crypt.DataKey{Owner: rechargeOwner + shop, Wrapped: wrapped}, credentialsRow, sealed)
	if err != nil {
		return "", c, bug("vault", "the connection's credentials do not open")
	}
	var kept sealedCredentials
	if err := json.Unmarshal(plain, &kept); err != nil {
		return "", c, bug("vault", "the connection's credentials are malformed")
	}
	return shop, recharge.Credentials{Token: crypt.Secret(kept.Token), Secret: crypt.Secret(kept.Signing)}, nil
}

// Recharges lists the shops that are or were connected, those with trouble first;
// of one shop if it is named.
func (s *Store) Recharges(ctx context.Context, shop string) ([]recharge.Connection, error) {
	const action = "list recharge connections"
	const query = `
		SELECT r.shop, r.hook::text, r.enabled, r.process, r.process_after, r.process_most, r.next_at, r.looked_at, r.position, r.trouble, r.trouble_since,
		       (SELECT count(*) FROM recharge_charges c WHERE c.shop = r.shop AND c.status = 'error'),
		       (SELECT count(*) FROM recharge_charges c LEFT JOIN recharge_reports p ON p.id = c.report_id WHERE c.shop = r.shop AND p.sent_at IS NULL),
		       (SELECT count(*) FROM recharge_unreadable u WHERE u.shop = r.shop)
		FROM recharge_stores r WHERE @shop IN ('', r.shop) ORDER BY r.trouble = '', r.shop LIMIT 500`
	rows, err := s.pool.Query(ctx, query, pgx.NamedArgs{"shop": shop})
	if err != nil {
		return nil, failure(action, err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (recharge.Connection, error) {
		var c recharge.Connection
		var process []string
		var looked, since *time.Time
		var at recharge.Position
		err := row.Scan(&c.Shop, &c.Hook, &c.Enabled, &process, &c.Policy.After, &c.Policy.Most, &c.NextAt, &looked, &at, &c.Trouble, &since,
			&c.Failing, &c.Unreported, &c.Unreadable)
		for _, name := range process {
			c.Policy.Process = append(c.Policy.Process, recharge.Category(name))
		}
		c.LookedAt, c.TroubleSince, c.SettledAt = instant(looked), instant(since), at.Settled
		return c, err
	})
	return list, failure(action, err)
}

// DueRecharges claims stores whose turn it is, those first that have waited
// longest. [Store.PutRechargeVisit] ends a claim; one that nobody ends comes up
// again after a quarter of an hour.
func (s *Store) DueRecharges(ctx context.Context, limit int) ([]recharge.Visit, error) {
	const action = "claim recharge stores"
	const claim = `
		WITH due AS (
			SELECT r.shop, r.next_at AS since FROM recharge_stores r JOIN shops s ON s.shop = r.shop
			WHERE r.enabled AND s.active AND r.next_at <= @now
			ORDER BY r.next_at, r.shop LIMIT @limit FOR NO KEY UPDATE OF r SKIP LOCKED
		), claimed AS (
			UPDATE recharge_stores r SET next_at = @now::timestamptz + @lease::interval, tries = r.tries + 1
			FROM due WHERE r.shop = due.shop
			RETURNING r.shop, r.tries, r.hooks_at <= @now AS hooks, cardinality(r.process) > 0 AND r.process_at <= @now
			          OR EXISTS (SELECT FROM recharge_processings p WHERE p.shop = r.shop AND p.decided_at IS NULL AND p.state <> 'not_sent') AS process,
			          due.since
		)
		SELECT shop, tries, hooks, process FROM claimed ORDER BY since, shop`
	rows, err := s.pool.Query(ctx, claim, pgx.NamedArgs{"now": s.now(), "lease": rechargeLease, "limit": limit})
	if err != nil {
		return nil, failure(action, err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[recharge.Visit])
	return list, failure(action, err)
}

// PutRechargeVisit notes what came of a visit and ends its claim.
func (s *Store) PutRechargeVisit(ctx context.Context, v recharge.Visited) error {
	const statement = `
		UPDATE recharge_stores SET next_at = @next, trouble = @trouble,
		       trouble_since = CASE WHEN @trouble <> '' THEN coalesce(trouble_since, @now) END,
		       tries = CASE WHEN @trouble <> '' THEN tries ELSE 0 END,
		       looked_at = CASE WHEN @trouble = '' AND NOT @more THEN @now ELSE looked_at END,
		       hooks_at = CASE WHEN @hooked THEN @now::timestamptz + @hooks::interval ELSE hooks_at END
		WHERE shop = @shop`
	_, err := s.pool.Exec(ctx, statement, pgx.NamedArgs{
		"shop": v.Shop, "next": v.NextAt, "trouble": v.Trouble, "more": v.More, "hooked": v.Hooked, "hooks": rechargeHooks, "now": s.now(),
	})
	return failure("note a visit at recharge", err)
}
