package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/crypt"
	"tillflow/internal/privacy"
)

// EraseRequest forgets whom a request is about: their rows lose texts and
// addresses, and the keys of all that the vault has of them are destroyed in one
// transaction. Amounts, states, references and the ledger stay. What a scan has to
// look for is kept sealed until the certificate.
//
// payment.Conflict "open_payments" while one of their payments is not over. A
// repeat goes on where the last try stopped.
func (s *Store) EraseRequest(ctx context.Context, id string, beat func() error) (privacy.View, error) {
	const action = "erase"
	r, err := readRequest(ctx, s.pool, id, "")
	if err != nil {
		return privacy.View{}, failure(action, err)
	}
	v, err := r.view(ctx, s.pool)
	switch {
	case err != nil, r.State == privacy.Erased, r.State == privacy.Done:
		return v, failure(action, err)
	case r.Kind == privacy.DataRequest || r.State == privacy.Received:
		return v, failure(action, bug("state", "a request that erases nothing"))
	case v.Open > 0:
		return v, failure(action, conflict("open_payments", "%d payments are open", v.Open))
	}
	words, err := s.keepWords(ctx, r, beat)
	if err != nil {
		return v, failure(action, err)
	}
	if err := s.clearPayments(ctx, id, beat); err != nil {
		return v, failure(action, err)
	}
	if err := s.clearFilters(ctx, words); err != nil {
		return v, failure(action, err)
	}
	v, err = s.changeRequest(ctx, id, func(tx pgx.Tx, r request) error {
		if r.State != privacy.Waiting {
			return nil
		}
		return s.destroyKeys(ctx, tx, r)
	})
	return v, failure(action, err)
}

// keepWords gathers by what the person is recognised, while their rows still open,
// and keeps it sealed in the request.
func (s *Store) keepWords(ctx context.Context, r request, beat func() error) (privacy.Words, error) {
	if r.words != nil {
		return s.words(r)
	}
	about, err := s.about(r)
	if err != nil {
		return privacy.Words{}, err
	}
	w := privacy.Words{IDs: []string{}}
	w.AddText(about.Email)
	w.AddText(about.Phone)
	readable := 0
	err = s.walkVault(ctx, vaultOf{request: r.ID}, beat, func(row vaultRow) error {
		readable++
		if len(w.Sure)+len(w.Shared) > privacy.MaxWords {
			return nil
		}
		switch row.kind {
		case "buyer":
			w.AddBuyer(row.plain)
		case methodKind: // a provider's ids, and the end of a number that others have as well
		default:
			w.AddText(string(row.plain))
		}
		return nil
	})
	if err != nil {
		return w, err
	}
	if r.whole {
		if err := s.shopWords(ctx, r.Shop, &w); err != nil {
			return w, err
		}
	}
	rows, err := s.pool.Query(ctx, requestIDs, pgx.NamedArgs{"id": r.ID, "limit": privacy.MaxWords})
	if err != nil {
		return w, err
	}
	if w.IDs, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
		return w, err
	}
	return w, s.sealWords(ctx, r, w, readable)
}

// requestIDs name a person's rows, where others name them.
const requestIDs = `
	WITH reached AS (` + requestPayments + `)
	SELECT p.id::text FROM payments p JOIN reached USING (id)
	UNION SELECT p.external_id FROM payments p JOIN reached USING (id)
	UNION SELECT x.subject_id::text FROM privacy_subjects x WHERE x.request_id = @id
	LIMIT @limit`

// shopWords are what a shop's owner is recognised by.
func (s *Store) shopWords(ctx context.Context, shop string, w *privacy.Words) error {
	var label, mail string
	err := s.pool.QueryRow(ctx, `SELECT label, mail FROM shops WHERE shop = @shop AND NOT active`, pgx.NamedArgs{"shop": shop}).Scan(&label, &mail)
	if none(err) {
		return nil // a shop that goes on, or that was never set up
	}
	w.AddText(mail)
	return err
}

func (s *Store) sealWords(ctx context.Context, r request, w privacy.Words, readable int) error {
	text, err := json.Marshal(w)
	if err != nil {
		return bug("vault", "the words cannot be written")
	}
	sealed, err := s.vault.Seal(r.key, wordsRow, text)
	if err != nil {
		return bug("vault", "the words cannot be sealed")
	}
	now := s.now()
	books, err := s.books(ctx, r.ID, now)
	if err != nil {
		return err
	}
	const keep = `
		UPDATE privacy_requests SET words = @words, readable = @readable, books = @books, books_at = @now
		WHERE id = @id AND words IS NULL AND state = 'waiting'`
	_, err = s.pool.Exec(ctx, keep, pgx.NamedArgs{"id": r.ID, "words": sealed, "readable": readable, "books": books, "now": now})
	return err
}

// RequestWords opens what a scan has to look for.
func (s *Store) RequestWords(ctx context.Context, id string) (privacy.Words, error) {
	const action = "open words"
	r, err := readRequest(ctx, s.pool, id, "")
	if err != nil {
		return privacy.Words{}, failure(action, err)
	}
	w, err := s.words(r)
	return w, failure(action, err)
}

func (s *Store) words(r request) (privacy.Words, error) {
	var w privacy.Words
	plain, err := s.vault.Open(r.key, wordsRow, r.words)
	if err != nil {
		return w, bug("vault", "the words do not open")
	}
	if err := json.Unmarshal(plain, &w); err != nil {
		return w, bug("vault", "the words are malformed")
	}
	return w, nil
}

// clearPayment takes out what a request may have written about a person into
// fields that are not sealed. No transaction touches two payments.
const clearPayment = `
	WITH one AS (
		UPDATE payments SET description = '', cancel_url = '', return_url = '', next_url = '', idempotency_key = NULL, request_hash = NULL
		WHERE id = @payment
		RETURNING id
	), pages AS (
		UPDATE attempts a SET url = '' FROM one WHERE a.payment_id = one.id AND a.url <> ''
	), moves AS (
		UPDATE move_sessions m SET idempotency_key = NULL, request_hash = NULL FROM one
		WHERE m.payment_id = one.id AND m.idempotency_key IS NOT NULL
	), cards AS (
		DELETE FROM sandbox_methods k USING attempts a WHERE a.payment_id = @payment AND k.payment_id = a.payment_ref
	)
	UPDATE sandbox_checkouts c SET description = '', return_url = '', cancel_url = ''
	FROM attempts a WHERE a.payment_id = @payment AND c.reference = a.id::text`

func (s *Store) clearPayments(ctx context.Context, id string, beat func() error) error {
	rows, err := s.pool.Query(ctx, `SELECT id::text FROM (`+requestPayments+`) reached`, pgx.NamedArgs{"id": id})
	if err != nil {
		return err
	}
	payments, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, payment := range payments {
		if _, err := s.pool.Exec(ctx, clearPayment, pgx.NamedArgs{"payment": payment}); err != nil {
			return err
		}
		if err := beat(); err != nil {
			return err
		}
	}
	_, err = s.pool.Exec(ctx, `UPDATE privacy_requests SET payments = @n WHERE id = @id`, pgx.NamedArgs{"id": id, "n": len(payments)})
	return err
}

// clearFilters drops saved searches that somebody named after the person.
func (s *Store) clearFilters(ctx context.Context, w privacy.Words) error {
	m := privacy.NewMatcher(privacy.Words{Sure: append(append([]string{}, w.Sure...), w.Shared...)})
	rows, err := s.pool.Query(ctx, `SELECT id::text, name || ' ' || query FROM console_filters`)
	if err != nil {
		return err
	}
	var id, text string
	var drop []string
	_, err = pgx.ForEachRow(rows, []any{&id, &text}, func() error {
		if m.In([]byte(text)) {
			drop = append(drop, id)
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = s.pool.Exec(ctx, `DELETE FROM console_filters WHERE id = ANY (@ids::uuid[])`, pgx.NamedArgs{"ids": drop})
	return err
}

const (
	destroyKeys = `
	UPDATE subjects SET wrapped_key = NULL, erased_at = @now, lookup = 'erased:' || id
	WHERE erased_at IS NULL AND id IN (SELECT subject_id FROM privacy_subjects WHERE request_id = @id)`
	// At Recharge and at Shopify the numbers still name the person.
	unnameCharges = `
	UPDATE recharge_charges SET customer_id = 0, shopify_customer = ''
	WHERE subject_id IN (SELECT subject_id FROM privacy_subjects WHERE request_id = @id)`
	// What a merchant's backend may have written about a subscriber into its requests.
	clearSubscriptions = `
	UPDATE subscriptions SET return_url = '', cancel_url = '', idempotency_key = NULL, request_hash = NULL
	WHERE subject_id IN (SELECT subject_id FROM privacy_subjects WHERE request_id = @id)`
	clearCommands = `
	UPDATE subscription_commands c SET idempotency_key = NULL, request_hash = NULL FROM subscriptions s
	WHERE s.id = c.subscription_id AND s.subject_id IN (SELECT subject_id FROM privacy_subjects WHERE request_id = @id)`
	markErased = `UPDATE privacy_requests SET state = 'erased', erased_at = @now, operator = '', operator_since = NULL WHERE id = @id`
)

// closedShop is what goes with a shop that has left: its name and address, tokens,
// credentials and keys. A shop that has come back keeps what it has set up.
func closedShop() []string {
	return []string{
		`UPDATE shops SET label = '', mail = '' WHERE shop = @shop AND NOT active`,
		`DELETE FROM shop_tokens t USING shops s WHERE t.shop = @shop AND s.shop = t.shop AND NOT s.active`,
		`DELETE FROM admin_tokens t USING shops s WHERE t.shop = @shop AND s.shop = t.shop AND NOT s.active`,
		`UPDATE accounts a SET enabled = false, label = a.id::text, wrapped_key = '', credentials = '' FROM shops s
		 WHERE a.shop = @shop AND s.shop = a.shop AND NOT s.active`,
		`UPDATE recharge_stores r SET enabled = false, wrapped_key = NULL, credentials = NULL FROM shops s
		 WHERE r.shop = @shop AND s.shop = r.shop AND NOT s.active`,
		`UPDATE api_keys k SET label = '', revoked_at = coalesce(k.revoked_at, @now) FROM shops s
		 WHERE k.shop = @shop AND s.shop = k.shop AND NOT s.active`,
	}
}

func (s *Store) destroyKeys(ctx context.Context, tx pgx.Tx, r request) error {
	args := pgx.NamedArgs{"id": r.ID, "shop": r.Shop, "app": r.App, "at": r.ReceivedAt, "now": s.now()}
	statements := []string{`SET LOCAL statement_timeout = '10min'`, clearSubscriptions, clearCommands, destroyKeys, unnameCharges}
	if r.Kind == privacy.Shop {
		// What Shopify told one app of the shop; that it asked for this stays.
		statements = append(statements, `DELETE FROM shopify_deliveries WHERE shop = @shop AND app = @app AND received_at <= @at
			AND topic NOT IN ('customers/data_request', 'customers/redact', 'shop/redact')`)
	}
	if r.whole {
		statements = append(statements, closedShop()...)
	}
	for _, statement := range append(statements, markErased) {
		if _, err := tx.Exec(ctx, statement, args); err != nil {
			return err
		}
	}
	return s.auditRequest(ctx, tx, "privacy.erased", r.ID)
}

const selectBooks = `
	SELECT e.id::text, p.account, p.amount_minor, p.currency FROM ledger_entries e JOIN ledger_postings p ON p.entry_id = e.id
	WHERE e.at <= @at AND e.payment_id IN (` + requestPayments + `)
	ORDER BY e.id, p.id`

// books is the SHA-256 over the ledger postings that a request reaches, as of a moment.
func (s *Store) books(ctx context.Context, id string, at time.Time) (string, error) {
	rows, err := s.pool.Query(ctx, selectBooks, pgx.NamedArgs{"id": id, "at": at})
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	var entry, account, currency string
	var minor int64
	_, err = pgx.ForEachRow(rows, []any{&entry, &account, &minor, &currency}, func() error {
		for _, text := range []string{entry, account, currency} {
			_, _ = sum.Write(binary.BigEndian.AppendUint32(nil, uint32(len(text)))) //nolint:gosec // G115: a column's length; a hash takes everything
			_, _ = sum.Write([]byte(text))
		}
		_, _ = sum.Write(binary.BigEndian.AppendUint64(nil, uint64(minor)))
		return nil
	})
	return hex.EncodeToString(sum.Sum(nil)), err
}

// stillOpen counts rows of the vault, of whom a request is about, that open with
// what stands in the record.
func (s *Store) stillOpen(ctx context.Context, id string) (int, error) {
	const left = `
		SELECT v.id::text, v.subject_id::text, v.sealed, coalesce(s.wrapped_key, ''::bytea)
		FROM privacy_subjects x JOIN subjects s ON s.id = x.subject_id JOIN vault v ON v.subject_id = s.id WHERE x.request_id = @id`
	rows, err := s.pool.Query(ctx, left, pgx.NamedArgs{"id": id})
	if err != nil {
		return 0, err
	}
	n := 0
	var row, subject string
	var sealed, wrapped []byte
	_, err = pgx.ForEachRow(rows, []any{&row, &subject, &sealed, &wrapped}, func() error {
		if _, err := s.vault.Open(crypt.DataKey{Owner: subject, Wrapped: wrapped}, row, sealed); err == nil {
			n++
		}
		return nil
	})
	return n, err
}
