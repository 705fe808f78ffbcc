package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/access/audit"
	"tillflow/internal/crypt"
	"tillflow/internal/payment"
	"tillflow/internal/privacy"
)

// personExport is everything that is known about a person, as it is handed out.
type personExport struct {
	GeneratedAt time.Time           `json:"generated_at"`
	RequestID   string              `json:"request_id"`
	Shop        string              `json:"shop"`
	Asked       any                 `json:"asked"`
	Said        []saidExport        `json:"data"`
	Methods     []json.RawMessage   `json:"kept_payment_methods"` // the provider's names of them, and what the customer knows them by
	Payments    []json.RawMessage   `json:"payments"`
	Messages    []json.RawMessage   `json:"shopify_messages"`
	Charges     []json.RawMessage   `json:"subscription_charges"`
	Notes       map[string][]string `json:"notes"` // what people wrote, by payment
}

// saidExport is what one session said about its buyer.
type saidExport struct {
	SubjectID string          `json:"subject_id"`
	Row       string          `json:"id"`
	Data      json.RawMessage `json:"data"`
}

// WriteExport gathers everything about the person of a data request, as JSON.
// Everybody who may call it sees personal data, so it is audited in the name of
// who does.
func (s *Store) WriteExport(ctx context.Context, id string, who audit.Actor) ([]byte, error) {
	const action = "export a person"
	if err := known("privacy request", id); err != nil {
		return nil, failure(action, err)
	}
	if err := s.AppendAudit(ctx, audit.Entry{Actor: who, Action: "privacy.exported", Subject: "privacy " + id}); err != nil {
		return nil, failure(action, err)
	}
	text, err := s.exportPerson(ctx, id, func() error { return ctx.Err() })
	return text, failure(action, err)
}

func (s *Store) exportPerson(ctx context.Context, id string, beat func() error) ([]byte, error) {
	r, err := readRequest(ctx, s.pool, id, "")
	if err != nil {
		return nil, err
	}
	if r.Kind != privacy.DataRequest {
		return nil, conflict("no_data_request", "the request asks for an erasure, not for data")
	}
	if r.about == nil {
		return nil, conflict("served", "the request was served and whom it was about is forgotten")
	}
	about, err := s.about(r)
	if err != nil {
		return nil, err
	}
	out := personExport{
		GeneratedAt: s.now(), RequestID: id, Shop: r.Shop, Asked: about,
		Said: []saidExport{}, Methods: []json.RawMessage{}, Payments: []json.RawMessage{}, Messages: []json.RawMessage{},
		Charges: []json.RawMessage{}, Notes: map[string][]string{},
	}
	notes := map[string]string{}
	err = s.walkVault(ctx, vaultOf{request: id}, beat, func(row vaultRow) error {
		switch row.kind {
		case "buyer":
		case methodKind:
			out.Methods = append(out.Methods, json.RawMessage(row.plain))
			return nil
		default:
			notes[row.id] = string(row.plain)
			return nil
		}
		out.Said = append(out.Said, saidExport{row.subject, row.id, json.RawMessage(row.plain)})
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, part := range []struct {
		into *[]json.RawMessage
		sql  string
	}{{&out.Payments, exportPayments}, {&out.Messages, exportMessages}, {&out.Charges, exportCharges}} {
		rows, err := s.pool.Query(ctx, part.sql, pgx.NamedArgs{"id": id, "shop": r.Shop, "orders": about.Orders})
		if err != nil {
			return nil, err
		}
		if *part.into, err = pgx.CollectRows(rows, pgx.RowTo[json.RawMessage]); err != nil {
			return nil, err
		}
	}
	if err := s.exportNotes(ctx, id, notes, out.Notes); err != nil {
		return nil, err
	}
	return json.MarshalIndent(out, "", "  ")
}

// exportPayments is each payment with all that hangs on it. The buyer's link is a
// secret of its own and stays out.
const exportPayments = `
	SELECT jsonb_build_object(
		'id', p.id, 'source', p.source, 'reference', p.external_id, 'kind', p.kind, 'amount_minor', p.amount_minor, 'currency', p.currency,
		'test', p.test, 'state', p.state, 'description', p.description, 'locale', p.locale, 'cancel_url', p.cancel_url, 'return_url', p.return_url,
		'received_at', p.received_at, 'answer', p.final, 'answer_reason', p.final_reason, 'answered_at', p.told_at,
		'attempts', (SELECT coalesce(jsonb_agg(jsonb_build_object('provider', c.provider, 'provider_reference', a.payment_ref, 'state', a.state,
			'amount_minor', a.amount_minor, 'currency', a.currency, 'sent_at', a.first_sent_at, 'decided_at', a.decided_at, 'decline', a.decline)
			ORDER BY a.first_sent_at), '[]') FROM attempts a JOIN accounts c ON c.id = a.account_id WHERE a.payment_id = p.id),
		'moves', (SELECT coalesce(jsonb_agg(jsonb_build_object('kind', o.kind, 'amount_minor', o.amount_minor, 'currency', o.currency,
			'state', o.state, 'created_at', o.created_at, 'done_at', o.done_at) ORDER BY o.created_at), '[]')
			FROM operations o WHERE o.payment_id = p.id AND o.kind <> 'charge'),
		'story', (SELECT coalesce(jsonb_agg(jsonb_build_object('what', t.what, 'before', t.before, 'after', t.after, 'detail', t.detail, 'at', t.at)
			ORDER BY t.id), '[]') FROM timeline t WHERE t.payment_id = p.id))
	FROM payments p WHERE p.id IN (` + requestPayments + `) ORDER BY p.received_at`

// exportMessages are what Shopify told of the person's orders.
const exportMessages = `
	SELECT jsonb_build_object('topic', topic, 'resource', resource, 'facts', facts, 'received_at', received_at)
	FROM shopify_deliveries WHERE shop = @shop AND (facts->>'order_id' = ANY (@orders::text[])
		OR resource = ANY (SELECT 'gid://shopify/Order/' || o FROM unnest(@orders::text[]) o))
	ORDER BY received_at`

// exportCharges are the person's subscription charges that failed; what they say
// stands under data.
const exportCharges = `
	SELECT jsonb_build_object('id', c.charge_id, 'data', c.vault_id, 'status', c.status, 'error_type', c.error_type, 'amount_minor', c.amount_minor,
		'currency', c.currency, 'customer', c.customer_id, 'shopify_customer', c.shopify_customer, 'shopify_order', c.shopify_order,
		'scheduled_at', c.scheduled_at, 'changed_at', c.changed_at)
	FROM recharge_charges c WHERE c.subject_id IN (SELECT subject_id FROM privacy_subjects WHERE request_id = @id) ORDER BY c.changed_at, c.id`

func (s *Store) exportNotes(ctx context.Context, id string, texts map[string]string, into map[string][]string) error {
	const find = `
		SELECT a.payment_id::text, a.text_id::text FROM actions a
		WHERE a.text_id IS NOT NULL AND a.payment_id IN (` + requestPayments + `) ORDER BY a.at`
	rows, err := s.pool.Query(ctx, find, pgx.NamedArgs{"id": id})
	if err != nil {
		return err
	}
	var paymentID, text string
	_, err = pgx.ForEachRow(rows, []any{&paymentID, &text}, func() error {
		if words, found := texts[text]; found {
			into[paymentID] = append(into[paymentID], words)
		}
		return nil
	})
	return err
}

// ExportRequest gathers everything about the person into a parcel that opens with
// the link, which the answer holds, and the passphrase, which the operator reads
// with [Store.ExportPassphrase]. It replaces a parcel that stands.
// payment.Invalid "no_address" for a shop that cannot be mailed.
func (s *Store) ExportRequest(ctx context.Context, id string, beat func() error) (privacy.Letter, error) {
	const action = "export a person"
	r, err := readRequest(ctx, s.pool, id, "")
	if err != nil {
		return privacy.Letter{}, failure(action, err)
	}
	letter := privacy.Letter{RequestID: id, Shop: r.Shop, DueAt: r.DueAt, ExpiresAt: s.now().Add(privacy.ExportLife)}
	err = s.pool.QueryRow(ctx, `SELECT mail FROM shops WHERE shop = @shop`, pgx.NamedArgs{"shop": r.Shop}).Scan(&letter.To)
	if none(err) || err == nil && letter.To == "" {
		err = invalid("no_address", "the shop has no mail address")
	}
	if err != nil {
		return letter, failure(action, err)
	}
	text, err := s.exportPerson(ctx, id, beat)
	if err != nil {
		return letter, failure(action, err)
	}
	parcel, err := crypt.NewParcel(id, text)
	if err != nil {
		return letter, failure(action, bug("vault", "the export cannot be sealed"))
	}
	key, err := s.vault.NewDataKey(privacyOwner + id)
	if err != nil {
		return letter, failure(action, bug("vault", "no data key can be made"))
	}
	told, err := s.vault.Seal(key, passphraseRow, []byte(parcel.Passphrase.Reveal()))
	if err != nil {
		return letter, failure(action, bug("vault", "the passphrase cannot be sealed"))
	}
	letter.Link = parcel.Link.Reveal()
	_, err = s.pool.Exec(ctx, putExport, pgx.NamedArgs{
		"id": id, "hash": parcel.TokenHash, "parcel": parcel.Sealed, "key": key.Wrapped, "passphrase": told, "now": s.now(), "until": letter.ExpiresAt,
	})
	return letter, failure(action, err)
}

const passphraseRow = "passphrase"

const putExport = `
	INSERT INTO privacy_exports (request_id, token_hash, parcel, wrapped_key, passphrase, created_at, expires_at)
	VALUES (@id, @hash, @parcel, @key, @passphrase, @now, @until)
	ON CONFLICT (request_id) DO UPDATE SET token_hash = @hash, parcel = @parcel, wrapped_key = @key, passphrase = @passphrase,
		created_at = @now, expires_at = @until, downloads = 0, wrong = 0`

// ExportSent ends a data request whose mail was taken: whom it was about is
// forgotten. The parcel waits for its merchant.
func (s *Store) ExportSent(ctx context.Context, id string) (privacy.View, error) {
	const end = `
		UPDATE privacy_requests SET state = 'done', done_at = @now, wrapped_key = NULL, sealed = NULL, words = NULL, operator = '', operator_since = NULL,
		       payments = (SELECT count(*) FROM (` + requestPayments + `) reached)
		WHERE id = @id AND state <> 'done'`
	v, err := s.changeRequest(ctx, id, func(tx pgx.Tx, r request) error {
		if r.State == privacy.Done {
			return nil
		}
		if _, err := tx.Exec(ctx, end, pgx.NamedArgs{"id": id, "now": s.now()}); err != nil {
			return err
		}
		return s.auditRequest(ctx, tx, "privacy.mailed", id)
	})
	return v, failure("end a data request", err)
}

// ExportPassphrase reads what the operator tells the merchant. It is audited in
// the name of who reads. payment.NotFound once the parcel is over.
func (s *Store) ExportPassphrase(ctx context.Context, id string, who audit.Actor) (crypt.Secret, error) {
	const action = "read a passphrase"
	if err := known("privacy request", id); err != nil {
		return "", failure(action, err)
	}
	var text []byte
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		key := crypt.DataKey{Owner: privacyOwner + id}
		var sealed []byte
		const find = `SELECT wrapped_key, passphrase FROM privacy_exports WHERE request_id = @id AND passphrase IS NOT NULL AND expires_at > @now`
		err := tx.QueryRow(ctx, find, pgx.NamedArgs{"id": id, "now": s.now()}).Scan(&key.Wrapped, &sealed)
		if err != nil {
			return err
		}
		if text, err = s.vault.Open(key, passphraseRow, sealed); err != nil {
			return bug("vault", "the passphrase does not open")
		}
		return s.AppendAuditIn(ctx, tx, audit.Entry{Actor: who, Action: "privacy.passphrase", Subject: "privacy " + id})
	})
	return crypt.Secret(text), failure(action, err)
}

// OpenExport gives the parcel to who has its link and its passphrase, and counts:
// after three downloads or five wrong passphrases it is destroyed.
// payment.NotFound for a link that opens nothing (any more), payment.Unauthorized
// "passphrase" for a wrong passphrase.
func (s *Store) OpenExport(ctx context.Context, link, passphrase string) (id string, content []byte, err error) {
	const action = "open an export"
	const find = `
		SELECT request_id::text, parcel, downloads, wrong FROM privacy_exports
		WHERE token_hash = @hash AND parcel IS NOT NULL AND expires_at > @now FOR UPDATE`
	wrong := false
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		var parcel []byte
		var downloads, misses int
		err := tx.QueryRow(ctx, find, pgx.NamedArgs{"hash": crypt.TokenHash(link), "now": s.now()}).Scan(&id, &parcel, &downloads, &misses)
		if err != nil {
			return err
		}
		content, err = crypt.OpenParcel(id, parcel, link, passphrase)
		what := "privacy.downloaded"
		if wrong = err != nil; wrong {
			misses, what = misses+1, "privacy.wrong_passphrase"
		} else {
			downloads++
		}
		if _, err := tx.Exec(ctx, `UPDATE privacy_exports SET downloads = @downloads, wrong = @wrong WHERE request_id = @id`,
			pgx.NamedArgs{"id": id, "downloads": downloads, "wrong": misses}); err != nil {
			return err
		}
		if downloads >= privacy.MaxDownloads || misses >= privacy.MaxWrong {
			if _, err := tx.Exec(ctx, destroyParcel+` AND request_id = @id`, pgx.NamedArgs{"id": id}); err != nil {
				return err
			}
		}
		return s.auditRequest(ctx, tx, what, id)
	})
	if err != nil {
		return "", nil, failure(action, err)
	}
	if wrong {
		return id, nil, failure(action, &payment.Error{Class: payment.Unauthorized, Code: "passphrase", Message: "the passphrase does not fit"})
	}
	return id, content, nil
}

const destroyParcel = `UPDATE privacy_exports SET parcel = NULL, wrapped_key = NULL, passphrase = NULL WHERE parcel IS NOT NULL`

// ExportOpen reports whether a link may still be used, without counting.
func (s *Store) ExportOpen(ctx context.Context, link string) (bool, error) {
	var open bool
	const find = `SELECT EXISTS (SELECT FROM privacy_exports WHERE token_hash = @hash AND parcel IS NOT NULL AND expires_at > @now)`
	err := s.pool.QueryRow(ctx, find, pgx.NamedArgs{"hash": crypt.TokenHash(link), "now": s.now()}).Scan(&open)
	return open, failure("look for an export", err)
}
