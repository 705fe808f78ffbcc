package store

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/crypt"
	"tillflow/internal/recharge"
)

// RechargeJournal is where the walk over a shop's failed charges stands.
func (s *Store) RechargeJournal(shop string) recharge.Journal { return rechargeJournal{s, shop} }

type rechargeJournal struct {
	store *Store
	shop  string
}

// Position implements [recharge.Journal].
func (j rechargeJournal) Position(ctx context.Context) (recharge.Position, error) {
	var at recharge.Position
	err := j.store.pool.QueryRow(ctx, `SELECT position FROM recharge_stores WHERE shop = @shop`, pgx.NamedArgs{"shop": j.shop}).Scan(&at)
	return at, failure("read the position of a walk", err)
}

// Keep implements [recharge.Journal].
func (j rechargeJournal) Keep(ctx context.Context, found recharge.Findings, behind func(fresh []int64) recharge.Position) error {
	return failure("keep failed charges", j.store.keepCharges(ctx, keeping{
		shop: j.shop, found: found, via: recharge.ByWalk, behind: behind,
	}))
}

// KeepCharge keeps what Recharge says of one charge now; exhausted: a webhook said
// that Recharge has given it up. It adds the charge only if it is in error, or in a
// status that nobody published; one that is known changes with whatever is said.
func (s *Store) KeepCharge(ctx context.Context, shop string, charge recharge.Charge, exhausted bool) error {
	return failure("keep a charge", s.keepCharges(ctx, keeping{
		shop: shop, found: recharge.Findings{Charges: []recharge.Charge{charge}}, via: recharge.ByWebhook, direct: true, exhausted: exhausted,
	}))
}

// keeping is one call of keepCharges.
type keeping struct {
	shop  string
	found recharge.Findings
	via   recharge.Source
	// direct: the charge was asked for by its id, so that it counts also when its
	// time of update is the one that is known. A page of a list may be older.
	direct, exhausted bool
	// behind is nil where no walk moves on.
	behind func(fresh []int64) recharge.Position
}

// keepCharges repeats a try that lost a new person to a session that named them at
// the same moment.
func (s *Store) keepCharges(ctx context.Context, k keeping) error {
	var err error
	for range acceptTries {
		err = s.inTx(ctx, func(tx pgx.Tx) error { return s.keepOnce(ctx, tx, k) })
		if !lostSubject(err) {
			return err
		}
	}
	return err
}

func (s *Store) keepOnce(ctx context.Context, tx pgx.Tx, k keeping) error {
	// One at a time for a shop: walk, webhook and look have one order.
	tag, err := tx.Exec(ctx, `SELECT FROM recharge_stores WHERE shop = @shop FOR NO KEY UPDATE`, pgx.NamedArgs{"shop": k.shop})
	if err != nil {
		return err
	}
	if tag.RowsAffected() == 0 {
		return notConnected()
	}
	w := chargeWriter{store: s, keeping: k, batch: &pgx.Batch{}, now: s.now()}
	if err := w.read(ctx, tx); err != nil {
		return err
	}
	for _, charge := range w.charges {
		if err := w.keep(charge); err != nil {
			return err
		}
	}
	w.unreadable()
	if k.behind != nil {
		w.batch.Queue(`UPDATE recharge_stores SET position = @position WHERE shop = @shop`, pgx.NamedArgs{"shop": k.shop, "position": k.behind(w.fresh)})
	}
	return send(ctx, tx, w.batch)
}

// chargeWriter writes the charges of one page.
type chargeWriter struct {
	store *Store
	keeping
	charges  []recharge.Charge // each once
	standing map[int64]standingCharge
	people   map[string]crypt.DataKey // by lookup
	batch    *pgx.Batch
	fresh    []int64
	now      time.Time
}

// standingCharge is what is known of a charge.
type standingCharge struct {
	ChargeID   int64
	UpdatedAt  *time.Time
	SubjectID  string
	VaultID    string
	WrappedKey []byte
	Forgotten  bool
}

// read takes each charge once, in its latest word, and reads what is known of it and of its person.
func (w *chargeWriter) read(ctx context.Context, tx pgx.Tx) error {
	last := map[int64]int{}
	var ids []int64
	for _, c := range w.found.Charges {
		at, met := last[c.ID]
		switch {
		case !met:
			last[c.ID] = len(w.charges)
			w.charges, ids = append(w.charges, c), append(ids, c.ID)
		case !c.UpdatedAt.Before(w.charges[at].UpdatedAt):
			w.charges[at] = c
		}
	}
	var hashes []string
	for _, c := range w.charges {
		if c.Customer.Email == "" {
			continue
		}
		all, err := w.store.vault.Hashes(lookupUse, lookupText(w.shop, c.Customer.Email))
		if err != nil {
			return bug("vault", "the customer's address cannot be hashed")
		}
		hashes = append(hashes, all...)
	}
	w.standing, w.people = map[int64]standingCharge{}, map[string]crypt.DataKey{}
	b, args := &pgx.Batch{}, pgx.NamedArgs{"shop": w.shop, "ids": ids, "hashes": hashes}
	b.Queue(`
		SELECT c.charge_id, c.updated_at, coalesce(c.subject_id::text, '') AS subject_id, coalesce(c.vault_id::text, '') AS vault_id,
		       s.wrapped_key, s.erased_at IS NOT NULL AS forgotten
		FROM recharge_charges c LEFT JOIN subjects s ON s.id = c.subject_id WHERE c.shop = @shop AND c.charge_id = ANY (@ids::bigint[])`, args).
		Query(func(rows pgx.Rows) error {
			list, err := pgx.CollectRows(rows, pgx.RowToStructByName[standingCharge])
			for _, c := range list {
				w.standing[c.ChargeID] = c
			}
			return err
		})
	b.Queue(`SELECT lookup, id::text, wrapped_key FROM subjects WHERE shop = @shop AND lookup = ANY (@hashes::text[]) AND erased_at IS NULL`, args).
		Query(func(rows pgx.Rows) error {
			var lookup string
			var key crypt.DataKey
			_, err := pgx.ForEachRow(rows, []any{&lookup, &key.Owner, &key.Wrapped}, func() error {
				w.people[lookup] = crypt.DataKey{Owner: key.Owner, Wrapped: append([]byte(nil), key.Wrapped...)}
				return nil
			})
			return err
		})
	return send(ctx, tx, b)
}

// keep writes one charge, unless it says nothing new.
func (w *chargeWriter) keep(c recharge.Charge) error {
	old, known := w.standing[c.ID]
	if !known && c.Status != recharge.StatusError && c.Status.Known() {
		return nil // it never failed that we know of
	}
	if known && !w.news(old, c.UpdatedAt) {
		w.batch.Queue(`UPDATE recharge_charges SET seen_at = @now WHERE shop = @shop AND charge_id = @id`,
			pgx.NamedArgs{"now": w.now, "shop": w.shop, "id": c.ID})
		return nil
	}
	args := w.columns(c)
	if err := w.person(c, old, args); err != nil {
		return err
	}
	if known {
		w.batch.Queue(updateFailedCharge, args)
		return nil
	}
	id, err := newID()
	if err != nil {
		return err
	}
	args["id"] = id
	w.batch.Queue(insertFailedCharge, args)
	w.fresh = append(w.fresh, c.ID)
	return nil
}

// news: a charge that does not say when it was updated is never older than what is known.
func (w *chargeWriter) news(old standingCharge, updated time.Time) bool {
	if old.UpdatedAt == nil || updated.IsZero() {
		return true
	}
	updated = stored(updated)
	return updated.After(*old.UpdatedAt) || w.direct && updated.Equal(*old.UpdatedAt)
}

const (
	insertFailedCharge = `
	INSERT INTO recharge_charges (id, shop, charge_id, status, error_type, category, exhausted, attempts, kind, processor, transaction_id,
		amount_minor, currency, customer_id, shopify_customer, shopify_order, retry_at, scheduled_at, processed_at, updated_at, changed_at,
		mark, oddities, subject_id, vault_id, via, found_at, seen_at)
	VALUES (@id, @shop, @charge, @status, @error_type, @category, @exhausted, @attempts, @kind, @processor, @transaction,
		@minor, @currency, @customer, @shopify_customer, @shopify_order, @retry, @scheduled, @processed, @updated, @changed,
		@mark, @oddities, nullif(@subject, '')::uuid, nullif(@vault, '')::uuid, @via, @now, @now)`
	// The error type stays when a charge is paid: it says why it had failed.
	updateFailedCharge = `
	UPDATE recharge_charges SET status = @status, error_type = CASE WHEN @error_type = '' THEN error_type ELSE @error_type END,
		category = CASE WHEN @error_type = '' THEN category ELSE @category END, exhausted = @exhausted OR exhausted AND attempts = @attempts, attempts = @attempts, kind = @kind,
		processor = @processor, transaction_id = @transaction, amount_minor = @minor, currency = @currency, customer_id = @customer,
		shopify_customer = @shopify_customer, shopify_order = @shopify_order, retry_at = @retry, scheduled_at = @scheduled,
		processed_at = @processed, updated_at = @updated, changed_at = @changed, mark = @mark, oddities = @oddities,
		subject_id = nullif(@subject, '')::uuid, vault_id = nullif(@vault, '')::uuid, seen_at = @now
	WHERE shop = @shop AND charge_id = @charge`
)

func (w *chargeWriter) columns(c recharge.Charge) pgx.NamedArgs {
	updated := nullable(c.UpdatedAt)
	changed := w.now
	if updated != nil && updated.Before(w.now) { // a time that lies ahead would stand first for ever
		changed = *updated
	}
	oddities := c.Oddities
	if oddities == nil {
		oddities = []recharge.Oddity{}
	}
	mark := c.Mark()
	mark.Status = recharge.Status(code(string(mark.Status)))
	args := pgx.NamedArgs{
		"shop": w.shop, "charge": c.ID, "status": code(string(c.Status)), "error_type": code(c.ErrorType), "category": c.Category(),
		"exhausted": c.Exhausted() || w.exhausted, "attempts": c.Attempts, "kind": code(c.Type), "processor": code(c.Processor),
		"transaction": code(c.TransactionID), "minor": nil, "currency": nil, "customer": c.Customer.ID,
		"shopify_customer": code(c.Customer.ShopifyID), "shopify_order": code(c.ShopifyOrderID),
		"retry": nullable(c.RetryAt), "scheduled": nullable(c.ScheduledAt), "processed": nullable(c.ProcessedAt), "updated": updated,
		"changed": changed, "mark": mark, "oddities": oddities, "via": w.via, "now": w.now, "subject": "", "vault": "",
	}
	if c.Total.Currency != "" {
		args["minor"], args["currency"] = c.Total.Minor, c.Total.Currency
	}
	return args
}

// code bounds what others named and keeps it fit for a column: printable ASCII without an @, so that no mail address
// gets where ids belong.
func code(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '@' {
			return -1
		}
		return r
	}, text)
	return text[:min(len(text), 100)]
}

// person seals what a charge says about its customer and names the rows in args. A
// person who was erased is not written down again.
func (w *chargeWriter) person(c recharge.Charge, old standingCharge, args pgx.NamedArgs) error {
	if old.Forgotten {
		args["subject"], args["vault"], args["customer"], args["shopify_customer"] = old.SubjectID, old.VaultID, int64(0), ""
		return nil
	}
	texts := recharge.Texts{Email: c.Customer.Email, Note: c.Note, Error: c.Error}
	if texts == (recharge.Texts{}) && old.SubjectID == "" {
		return nil
	}
	key, err := w.subject(texts.Email, old)
	if err != nil {
		return err
	}
	row, write := old.VaultID, `UPDATE vault SET sealed = @sealed WHERE id = @vault`
	if row == "" {
		if row, err = newID(); err != nil {
			return err
		}
		write = `INSERT INTO vault (id, subject_id, kind, sealed, created_at) VALUES (@vault, @subject, 'buyer', @sealed, @now)`
	}
	plain, err := json.Marshal(texts)
	if err != nil {
		return bug("vault", "a charge's texts cannot be written")
	}
	sealed, err := w.store.vault.Seal(key, row, plain)
	if err != nil {
		return bug("vault", "a charge's texts cannot be sealed")
	}
	args["subject"], args["vault"] = key.Owner, row
	w.batch.Queue(write, pgx.NamedArgs{"vault": row, "subject": key.Owner, "sealed": sealed, "now": w.now})
	return nil
}

// subject finds the person or makes a new one. A charge stays with its person,
// also while they are being erased.
func (w *chargeWriter) subject(email string, old standingCharge) (crypt.DataKey, error) {
	if old.SubjectID != "" {
		return crypt.DataKey{Owner: old.SubjectID, Wrapped: old.WrappedKey}, nil
	}
	lookup := ""
	if email != "" {
		hashes, err := w.store.vault.Hashes(lookupUse, lookupText(w.shop, email))
		if err != nil {
			return crypt.DataKey{}, bug("vault", "the customer's address cannot be hashed")
		}
		for _, hash := range hashes {
			if key, found := w.people[hash]; found {
				return key, nil
			}
		}
		if lookup, err = w.store.vault.Hash(lookupUse, lookupText(w.shop, email)); err != nil {
			return crypt.DataKey{}, bug("vault", "the customer's address cannot be hashed")
		}
	}
	key, err := w.store.newSubject()
	if err != nil {
		return key, err
	}
	if lookup == "" {
		lookup = "none:" + key.Owner
	}
	w.people[lookup] = key
	w.batch.Queue(`
		INSERT INTO subjects (id, shop, lookup, wrapped_key, created_at) VALUES (@id, @shop, @lookup, @key, @now)
		ON CONFLICT (shop, lookup) WHERE erased_at IS NULL DO NOTHING`,
		pgx.NamedArgs{"id": key.Owner, "shop": w.shop, "lookup": lookup, "key": key.Wrapped, "now": w.now})
	return key, nil
}

// unreadable notes rows that are no charges, without what was in them: it may be
// about somebody whom nobody could find in there.
func (w *chargeWriter) unreadable() {
	for _, u := range w.found.Unreadable {
		w.batch.Queue(`
			INSERT INTO recharge_unreadable AS u (shop, sum, reason, found_at, last_at) VALUES (@shop, @sum, @reason, @now, @now)
			ON CONFLICT (shop, sum) DO UPDATE SET times = u.times + 1, last_at = @now`,
			pgx.NamedArgs{"shop": w.shop, "sum": u.Sum, "reason": u.Reason, "now": w.now})
	}
}
