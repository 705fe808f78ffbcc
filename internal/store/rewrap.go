package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/access/audit"
	"tillflow/internal/crypt"
	"tillflow/internal/payment"
)

// keyed is a table whose rows have data keys of their own.
type keyed struct {
	table string
	id    string // the primary key, a uuid or a text; as text it names the owner
	owner string // what stands before it in the owner's name
	texts bool   // the primary key is a text
}

// first is before every primary key.
func (t keyed) first() page {
	if t.texts {
		return page{kind: "text"}
	}
	return page{kind: "uuid", after: "00000000-0000-0000-0000-000000000000"}
}

// keyedTables are all tables with a column wrapped_key; a test holds them against
// the schema.
func keyedTables() []keyed {
	return []keyed{
		{table: "subjects", id: "id"},
		{table: "accounts", id: "id"},
		{table: "users", id: "id"},
		{table: "shop_tokens", id: "shop", owner: "shop token ", texts: true},
		{table: "admin_tokens", id: "shop", owner: "admin token ", texts: true},
		{table: "shopify_deliveries", id: "id", owner: deliveryOwner},
		{table: "recharge_stores", id: "shop", owner: rechargeOwner, texts: true},
		{table: "privacy_requests", id: "id", owner: privacyOwner},
		{table: "privacy_exports", id: "request_id", owner: privacyOwner},
	}
}

// lookups names the hashes by which buyers are found, beside the tables of keys.
const lookups = "lookups"

// isLookup picks subjects that are filed under a keyed hash: their lookup is a
// key's id and 64 digits, and that of others a short word and an id.
const isLookup = `erased_at IS NULL AND length(lookup) > 64`

// KeyUse says how much of the record needs a master key.
type KeyUse struct {
	Key   string // its id
	Of    string // a table whose rows have data keys that it wraps; or "lookups", hashes by which buyers are found
	Count int64
}

// KeyUses counts what each master key is needed for.
func (s *Store) KeyUses(ctx context.Context) ([]KeyUse, error) {
	const action = "count keys in use"
	statement := `SELECT split_part(lookup, ':', 1), '` + lookups + `', count(*) FROM subjects WHERE ` + isLookup + ` GROUP BY 1`
	for _, t := range keyedTables() {
		statement += fmt.Sprintf(`
			UNION ALL SELECT master_key_of(wrapped_key), '%s', count(*) FROM %s WHERE wrapped_key IS NOT NULL GROUP BY 1`, t.table, t.table)
	}
	rows, err := s.pool.Query(ctx, statement+` ORDER BY 1, 2`)
	if err != nil {
		return nil, failure(action, err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[KeyUse])
	return list, failure(action, err)
}

// nextKey steps through the ids of keys in the order of an index, so that a table
// of millions costs as many looks as there are keys.
const nextKey = `
	WITH RECURSIVE used AS (
		(SELECT %[1]s AS key FROM %[2]s WHERE %[3]s ORDER BY 1 LIMIT 1)
		UNION ALL
		SELECT (SELECT %[1]s FROM %[2]s WHERE %[3]s AND %[1]s > used.key ORDER BY 1 LIMIT 1) FROM used WHERE used.key IS NOT NULL
	)
	SELECT key FROM used WHERE key IS NOT NULL`

// MissingKeys lists the ids of master keys that the record needs and the ring
// does not hold: what they seal cannot be opened, and returning buyers are not
// found.
func (s *Store) MissingKeys(ctx context.Context) ([]string, error) {
	const action = "look for missing keys"
	b := &pgx.Batch{}
	var missing []string
	look := func(key, table, where string) {
		b.Queue(fmt.Sprintf(nextKey, key, table, where)).Query(func(rows pgx.Rows) error {
			used, err := pgx.CollectRows(rows, pgx.RowTo[string])
			for _, id := range used {
				if !s.vault.Holds(id) && !slices.Contains(missing, id) {
					missing = append(missing, id)
				}
			}
			return err
		})
	}
	look(`split_part(lookup, ':', 1)`, "subjects", isLookup)
	for _, t := range keyedTables() {
		look(`master_key_of(wrapped_key)`, t.table, `wrapped_key IS NOT NULL`)
	}
	err := send(ctx, s.pool, b)
	slices.Sort(missing)
	return missing, failure(action, err)
}

// Rewrapped is what [Store.Rewrap] did.
type Rewrapped struct {
	Keys    int64 // data keys that the active master key wraps now
	Lookups int64 // buyers who are found under it now
	Left    int64 // what still needs another key: it did not open, or nothing says whom the hash is of
}

// Rewrap wraps every data key by the active master key and files every buyer
// under it, so that the other keys can leave the ring. What the data keys seal
// stays as it is. Each batch of at most size rows is a transaction: it may be
// stopped at any moment and started again, and the service runs on meanwhile,
// provided that all its processes hold both keys. The audit says when it was
// begun and what came of it.
func (s *Store) Rewrap(ctx context.Context, by audit.Actor, size int) (Rewrapped, error) {
	const action = "rewrap keys"
	var done Rewrapped
	entry := audit.Entry{Actor: by, Action: "vault.rewrap", Subject: "master key " + s.vault.Active(), Detail: "begun"}
	if err := s.AppendAudit(ctx, entry); err != nil {
		return done, failure(action, err)
	}
	for _, t := range keyedTables() {
		err := s.batches(ctx, t.first(), func(tx pgx.Tx, p page) (string, error) {
			p.size = size
			return s.rewrapSome(ctx, tx, t, p, &done)
		})
		if err != nil {
			return done, failure(action, err)
		}
	}
	err := s.batches(ctx, keyed{}.first(), func(tx pgx.Tx, p page) (string, error) {
		p.size = size
		return s.refileSome(ctx, tx, p, &done)
	})
	if err != nil {
		return done, failure(action, err)
	}
	entry.Detail = audit.Detail("keys", strconv.FormatInt(done.Keys, 10), "lookups", strconv.FormatInt(done.Lookups, 10), "left", strconv.FormatInt(done.Left, 10))
	return done, failure(action, s.AppendAudit(ctx, entry))
}

// page is where a batch goes on, and how large it may be.
type page struct {
	kind, after string // type and value of the last row's primary key
	size        int
}

// batches repeats a step, each time in a transaction of its own, until it answers
// that nothing is left behind the last row.
func (s *Store) batches(ctx context.Context, p page, step func(tx pgx.Tx, p page) (last string, err error)) error {
	for more := true; more; {
		err := s.inTx(ctx, func(tx pgx.Tx) error {
			// A token's row is locked for as long as its refresh takes.
			if _, err := tx.Exec(ctx, `SET LOCAL lock_timeout = '25s'`); err != nil {
				return err
			}
			last, err := step(tx, p)
			more, p.after = last != "", last
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// rewrapSome wraps the keys of some rows of a table anew and answers the last one.
func (s *Store) rewrapSome(ctx context.Context, tx pgx.Tx, t keyed, p page, done *Rewrapped) (string, error) {
	find := fmt.Sprintf(`
		SELECT %[2]s::text, wrapped_key FROM %[1]s
		WHERE wrapped_key IS NOT NULL AND master_key_of(wrapped_key) <> @active AND %[2]s > @after::%[3]s
		ORDER BY %[2]s LIMIT @size FOR NO KEY UPDATE`, t.table, t.id, p.kind)
	write := fmt.Sprintf(`UPDATE %[1]s SET wrapped_key = @key WHERE %[2]s = @id::%[3]s`, t.table, t.id, p.kind)
	rows, err := tx.Query(ctx, find, pgx.NamedArgs{"active": s.vault.Active(), "after": p.after, "size": p.size})
	if err != nil {
		return "", err
	}
	type row struct {
		ID      string
		Wrapped []byte
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[row])
	if err != nil || len(list) == 0 {
		return "", err
	}
	b := &pgx.Batch{}
	var wrapped, left int64
	for _, r := range list {
		key, _, err := s.vault.Rewrap(crypt.DataKey{Owner: t.owner + r.ID, Wrapped: r.Wrapped})
		if err != nil {
			left++
			s.log.Warn().Err(err).Str("table", t.table).Str("row", r.ID).Msg("data key does not open and stays as it is")
			continue
		}
		wrapped++
		b.Queue(write, pgx.NamedArgs{"id": r.ID, "key": key.Wrapped}).Exec(oneRow("data key"))
	}
	if err := send(ctx, tx, b); err != nil {
		return "", err
	}
	done.Keys, done.Left = done.Keys+wrapped, done.Left+left
	return list[len(list)-1].ID, nil
}

// filed is a buyer who is found under another key than the active one.
type filed struct {
	ID, Shop, Lookup string
	WrappedKey       []byte
}

// refileSome files some buyers under the active key and answers the last one. The
// address is hashed nowhere but here and at a session, so it is read from the
// vault; what the old hash confirms is right.
func (s *Store) refileSome(ctx context.Context, tx pgx.Tx, p page, done *Rewrapped) (string, error) {
	const find = `
		SELECT id::text, shop, lookup, wrapped_key FROM subjects
		WHERE ` + isLookup + ` AND split_part(lookup, ':', 1) <> @active AND id > @after::uuid
		ORDER BY id LIMIT @size FOR NO KEY UPDATE`
	// Somebody else may stand under the new hash: a process that did not know the old key filed the buyer again.
	const write = `
		UPDATE subjects s SET lookup = @lookup WHERE s.id = @id
		AND NOT EXISTS (SELECT FROM subjects o WHERE o.shop = s.shop AND o.lookup = @lookup AND o.erased_at IS NULL)`
	rows, err := tx.Query(ctx, find, pgx.NamedArgs{"active": s.vault.Active(), "after": p.after, "size": p.size})
	if err != nil {
		return "", err
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[filed])
	if err != nil || len(list) == 0 {
		return "", err
	}
	var refiled, left int64
	for _, f := range list {
		lookup, err := s.refile(ctx, tx, f)
		if err != nil {
			return "", err
		}
		if lookup != "" {
			tag, err := tx.Exec(ctx, write, pgx.NamedArgs{"id": f.ID, "lookup": lookup})
			if err != nil {
				return "", err
			}
			if tag.RowsAffected() == 1 {
				refiled++
				continue
			}
		}
		left++
		s.log.Warn().Str("subject", f.ID).Str("shop", f.Shop).Msg("buyer cannot be filed under the active key and stays under the old one")
	}
	done.Lookups, done.Left = done.Lookups+refiled, done.Left+left
	return list[len(list)-1].ID, nil
}

// refile hashes a buyer's address under the active key: empty when nothing in the
// vault is what the old hash is of.
func (s *Store) refile(ctx context.Context, tx pgx.Tx, f filed) (string, error) {
	const documents = `SELECT id::text, sealed FROM vault WHERE subject_id = @id AND kind = 'buyer' ORDER BY created_at DESC LIMIT 50`
	rows, err := tx.Query(ctx, documents, pgx.NamedArgs{"id": f.ID})
	if err != nil {
		return "", err
	}
	type document struct {
		ID     string
		Sealed []byte
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[document])
	if err != nil {
		return "", err
	}
	for _, d := range list {
		plain, err := s.vault.Open(crypt.DataKey{Owner: f.ID, Wrapped: f.WrappedKey}, d.ID, d.Sealed)
		if err != nil {
			continue // another one may open; none leaves the buyer where they are
		}
		contact, err := payment.Contact(plain)
		if err != nil {
			continue
		}
		text := lookupText(f.Shop, contact)
		if same, err := s.vault.VerifyHash(lookupUse, text, f.Lookup); err != nil || !same {
			continue
		}
		return s.vault.Hash(lookupUse, text)
	}
	return "", nil
}
