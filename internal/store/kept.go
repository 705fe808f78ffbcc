package store

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/crypt"
	"tillflow/internal/payment"
)

// methodKind is the kind of rows of the vault that hold a keptSecret.
const methodKind = "method"

// keptSecret is what the vault has of a kept method.
type keptSecret struct {
	Customer string `json:"customer"`
	Ref      string `json:"ref"`
	Label    string `json:"label"`
}

// KeepMethod writes down the method that the page of m.PaymentID left at
// m.AccountID, sealed under the key of the payment's customer, and answers what
// stands: a repeat changes nothing. m's ID, Shop, Provider and KeptAt are not read.
// Errors: payment.NotFound without such a payment, payment.Conflict "erased" when
// its customer was forgotten meanwhile, so that nothing of them may be kept.
func (s *Store) KeepMethod(ctx context.Context, m payment.KeptMethod) (payment.KeptMethod, error) {
	const action = "keep method"
	if err := checkKept(m); err != nil {
		return payment.KeptMethod{}, failure(action, err)
	}
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		owner, err := s.methodOwner(ctx, tx, m.PaymentID)
		if err != nil || owner.Owner == "" { // kept before
			return err
		}
		return s.insertKept(ctx, tx, m, owner)
	})
	if err != nil {
		return payment.KeptMethod{}, failure(action, err)
	}
	list, err := s.keptMethods(ctx, `m.payment_id = @id`, m.PaymentID)
	if err == nil && len(list) == 0 {
		err = conflict("forgotten", "the method was forgotten")
	}
	if err != nil {
		return payment.KeptMethod{}, failure(action, err)
	}
	return list[0], nil
}

func checkKept(m payment.KeptMethod) error {
	if err := known("payment", m.PaymentID); err != nil {
		return err
	}
	if err := known("account", m.AccountID); err != nil {
		return err
	}
	switch {
	case m.Customer == "" || m.Ref == "" || m.Kind == "":
		return bug("method", "a kept method without its names")
	case (m.ExpiresYear == 0) != (m.ExpiresMonth == 0), m.ExpiresMonth < 0, m.ExpiresMonth > 12:
		return bug("method", "a kept method that ends in no month")
	}
	return nil
}

// methodOwner locks a payment and gives the key of its customer; a payment whose
// customer nobody has named gets one, so that a method can be forgotten with the
// shop at least. No owner: the method is kept already.
func (s *Store) methodOwner(ctx context.Context, tx pgx.Tx, paymentID string) (crypt.DataKey, error) {
	const read = `
		SELECT p.shop, coalesce(p.subject_id::text, ''), s.wrapped_key, EXISTS (SELECT FROM kept_methods m WHERE m.payment_id = p.id)
		FROM payments p LEFT JOIN subjects s ON s.id = p.subject_id WHERE p.id = @id FOR NO KEY UPDATE OF p`
	var shop string
	var kept bool
	var key crypt.DataKey
	args := pgx.NamedArgs{"id": paymentID}
	if err := tx.QueryRow(ctx, read, args).Scan(&shop, &key.Owner, &key.Wrapped, &kept); err != nil {
		return key, err
	}
	switch {
	case kept:
		return crypt.DataKey{}, nil
	case key.Owner != "" && key.Wrapped == nil:
		return key, conflict("erased", "the customer was erased")
	case key.Owner != "":
		// Whoever destroys the key now waits, and what is written here goes with it.
		tag, err := tx.Exec(ctx, `SELECT FROM subjects WHERE id = @id AND erased_at IS NULL FOR SHARE`, pgx.NamedArgs{"id": key.Owner})
		if err == nil && tag.RowsAffected() == 0 {
			err = conflict("erased", "the customer was erased")
		}
		return key, err
	}
	key, err := s.newSubject()
	if err != nil {
		return key, err
	}
	const own = `
		WITH subject AS (
			INSERT INTO subjects (id, shop, lookup, wrapped_key, created_at) VALUES (@subject::uuid, @shop, 'none:' || @subject::uuid::text, @key, @now) RETURNING id
		)
		UPDATE payments SET subject_id = subject.id FROM subject WHERE payments.id = @id`
	args["subject"], args["shop"], args["key"], args["now"] = key.Owner, shop, key.Wrapped, s.now()
	_, err = tx.Exec(ctx, own, args)
	return key, err
}

func (s *Store) insertKept(ctx context.Context, tx pgx.Tx, m payment.KeptMethod, owner crypt.DataKey) error {
	id, err := newID()
	if err != nil {
		return err
	}
	row, err := newID()
	if err != nil {
		return err
	}
	text, err := json.Marshal(keptSecret{Customer: m.Customer, Ref: m.Ref, Label: m.Label})
	if err != nil {
		return bug("vault", "the method cannot be written")
	}
	sealed, err := s.vault.Seal(owner, row, text)
	if err != nil {
		return bug("vault", "the method cannot be sealed")
	}
	const keep = `
		WITH sealed AS (
			INSERT INTO vault (id, subject_id, kind, sealed, created_at) VALUES (@row, @subject, @vault_kind, @sealed, @now)
		)
		INSERT INTO kept_methods (id, shop, account_id, payment_id, subject_id, vault_id, kind, expires_year, expires_month, kept_at)
		SELECT @id, p.shop, a.id, p.id, @subject, @row, @kind, @year, @month, @now
		FROM payments p JOIN accounts a ON a.shop = p.shop AND a.id = @account WHERE p.id = @payment`
	tag, err := tx.Exec(ctx, keep, pgx.NamedArgs{
		"id": id, "row": row, "subject": owner.Owner, "vault_kind": methodKind, "sealed": sealed, "now": s.now(), "payment": m.PaymentID,
		"account": m.AccountID, "kind": m.Kind, "year": m.ExpiresYear, "month": m.ExpiresMonth,
	})
	if err == nil && tag.RowsAffected() != 1 {
		return bug("account", "the account is not of the payment's shop")
	}
	return err
}

const selectKept = `
	SELECT m.id::text, m.shop, m.account_id::text, a.provider, m.payment_id::text, m.kind, m.expires_year, m.expires_month, m.kept_at,
	       m.subject_id::text, m.vault_id::text, s.wrapped_key, v.sealed
	FROM kept_methods m
	JOIN accounts a ON a.id = m.account_id
	JOIN subjects s ON s.id = m.subject_id
	JOIN vault v ON v.id = m.vault_id
	WHERE s.wrapped_key IS NOT NULL AND `

// keptMethods reads and opens methods; those that were forgotten are left out.
func (s *Store) keptMethods(ctx context.Context, where string, id any) ([]payment.KeptMethod, error) {
	rows, err := s.pool.Query(ctx, selectKept+where+` ORDER BY m.id`, pgx.NamedArgs{"id": id})
	if err != nil {
		return nil, err
	}
	list := []payment.KeptMethod{}
	var m payment.KeptMethod
	var key crypt.DataKey
	var row string
	var sealed []byte
	_, err = pgx.ForEachRow(rows, []any{
		&m.ID, &m.Shop, &m.AccountID, &m.Provider, &m.PaymentID, &m.Kind, &m.ExpiresYear, &m.ExpiresMonth, &m.KeptAt,
		&key.Owner, &row, &key.Wrapped, &sealed,
	}, func() error {
		plain, err := s.vault.Open(key, row, sealed)
		if err != nil {
			return bug("vault", "a kept method does not open")
		}
		var secret keptSecret
		if err := json.Unmarshal(plain, &secret); err != nil {
			return bug("vault", "a kept method is malformed")
		}
		m.Customer, m.Ref, m.Label = secret.Customer, secret.Ref, secret.Label
		list = append(list, m)
		return nil
	})
	return list, err
}

// KeptMethod reads a kept method, opened for a charge. payment.NotFound: there is
// none, or it was forgotten.
func (s *Store) KeptMethod(ctx context.Context, id string) (payment.KeptMethod, error) {
	const action = "read kept method"
	if err := known("kept method", id); err != nil {
		return payment.KeptMethod{}, failure(action, err)
	}
	list, err := s.keptMethods(ctx, `m.id = @id`, id)
	if err == nil && len(list) == 0 {
		err = pgx.ErrNoRows
	}
	if err != nil {
		return payment.KeptMethod{}, failure(action, err)
	}
	return list[0], nil
}

// KeptMethods reads several, for a list that people see. What is not there, or
// was forgotten, is left out; their order is that in which they were kept.
func (s *Store) KeptMethods(ctx context.Context, ids []string) ([]payment.KeptMethod, error) {
	list, err := s.keptMethods(ctx, `m.id = ANY (@id::uuid[])`, ids)
	return list, failure("read kept methods", err)
}

// ForgetMethod destroys what the vault has of a method: nobody can charge it any
// more. A repeat changes nothing. What the provider keeps is the provider's.
func (s *Store) ForgetMethod(ctx context.Context, id string) error {
	const action = "forget method"
	if err := known("kept method", id); err != nil {
		return failure(action, err)
	}
	const forget = `
		WITH was AS (
			SELECT id, vault_id FROM kept_methods WHERE id = @id AND vault_id IS NOT NULL FOR NO KEY UPDATE
		), gone AS (
			UPDATE kept_methods m SET vault_id = NULL, forgotten_at = @now FROM was WHERE m.id = was.id RETURNING was.vault_id
		)
		DELETE FROM vault v USING gone WHERE v.id = gone.vault_id`
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, forget, pgx.NamedArgs{"id": id, "now": s.now()})
		return err
	})
	return failure(action, err)
}
