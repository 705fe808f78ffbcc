package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/crypt"
	"tillflow/internal/privacy"
	"tillflow/internal/shopify/app"
)

// MatchRequest finds out whom a request is about, by everything that is known of
// them: the keyed hash under which a returning buyer is found, what their sessions
// said, and the orders that Shopify names. From here on who comes back is somebody
// new, whom an erasure does not touch. A repeat adds who came meanwhile.
//
// Two buyers with one mail address are one person. A telephone alone is shared by
// families, so it decides only where one side gives no address.
func (s *Store) MatchRequest(ctx context.Context, id string, beat func() error) (privacy.View, error) {
	const action = "match privacy request"
	r, err := readRequest(ctx, s.pool, id, "")
	if err != nil {
		return privacy.View{}, failure(action, err)
	}
	if r.State != privacy.Received && r.State != privacy.Waiting {
		v, err := r.view(ctx, s.pool)
		return v, failure(action, err)
	}
	whole := false
	var found []string
	if r.Kind == privacy.Shop {
		whole, found, err = s.shopSubjects(ctx, r)
	} else {
		found, err = s.personSubjects(ctx, r, beat)
	}
	if err != nil {
		return privacy.View{}, failure(action, err)
	}
	v, err := s.changeRequest(ctx, id, func(tx pgx.Tx, r request) error {
		if r.State != privacy.Received && r.State != privacy.Waiting {
			return nil
		}
		args := pgx.NamedArgs{"id": id, "subjects": found, "whole": whole}
		for _, statement := range []string{linkSubjects, unfileSubjects, countRequest} {
			if r.Kind == privacy.DataRequest && statement == unfileSubjects {
				continue
			}
			if _, err := tx.Exec(ctx, statement, args); err != nil {
				return err
			}
		}
		return nil
	})
	return v, failure(action, err)
}

const (
	linkSubjects = `
	INSERT INTO privacy_subjects (request_id, subject_id) SELECT @id, unnest(@subjects::uuid[]) ON CONFLICT DO NOTHING`
	// Nobody is filed under the hash any more: who comes back is somebody new.
	unfileSubjects = `
	UPDATE subjects SET lookup = 'closing:' || id WHERE id = ANY (@subjects::uuid[]) AND lookup NOT LIKE 'closing:%' AND erased_at IS NULL`
	countRequest = `
	UPDATE privacy_requests SET state = 'waiting', whole = @whole,
	       subjects = (SELECT count(*) FROM privacy_subjects WHERE request_id = @id)
	WHERE id = @id`
)

// shopSubjects are all buyers of a shop from before it asked. A request about the
// second app alone, while the payments app goes on, is about no buyer of ours.
func (s *Store) shopSubjects(ctx context.Context, r request) (whole bool, ids []string, err error) {
	const scope = `SELECT @app = 'payments' OR NOT EXISTS (SELECT FROM shops WHERE shop = @shop AND active)`
	args := pgx.NamedArgs{"app": r.App, "shop": r.Shop, "at": r.ReceivedAt}
	if err := s.pool.QueryRow(ctx, scope, args).Scan(&whole); err != nil || !whole {
		return whole, nil, err
	}
	rows, err := s.pool.Query(ctx, `SELECT id::text FROM subjects WHERE shop = @shop AND created_at <= @at AND erased_at IS NULL`, args)
	if err != nil {
		return whole, nil, err
	}
	ids, err = pgx.CollectRows(rows, pgx.RowTo[string])
	return whole, ids, err
}

// about opens what a request says about a person.
func (s *Store) about(r request) (app.Request, error) {
	var about app.Request
	plain, err := s.vault.Open(r.key, aboutRow, r.about)
	if err != nil {
		return about, bug("vault", "the request does not open")
	}
	if err := json.Unmarshal(plain, &about); err != nil {
		return about, bug("vault", "the request is malformed")
	}
	return about, nil
}

func (s *Store) personSubjects(ctx context.Context, r request, beat func() error) ([]string, error) {
	about, err := s.about(r)
	if err != nil {
		return nil, err
	}
	hashes, err := s.lookups(r.Shop, about)
	if err != nil {
		return nil, err
	}
	const filed = `
		SELECT id::text FROM subjects WHERE shop = @shop AND lookup = ANY (@hashes::text[]) AND erased_at IS NULL
		UNION
		SELECT p.subject_id::text FROM shopify_deliveries d
		JOIN payments p ON p.shop = d.shop AND p.source = 'shopify' AND p.external_id = d.facts->>'payment_id'
		JOIN subjects s ON s.id = p.subject_id AND s.erased_at IS NULL
		WHERE d.shop = @shop AND d.facts->>'order_id' = ANY (@orders::text[])
		UNION
		SELECT c.subject_id::text FROM recharge_charges c JOIN subjects s ON s.id = c.subject_id AND s.erased_at IS NULL
		WHERE c.shop = @shop AND (c.shopify_customer = nullif(@customer, '') OR c.shopify_order = ANY (@orders::text[]))`
	rows, err := s.pool.Query(ctx, filed, pgx.NamedArgs{"shop": r.Shop, "hashes": hashes, "orders": about.Orders, "customer": about.CustomerID})
	if err != nil {
		return nil, err
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	err = s.walkVault(ctx, vaultOf{shop: r.Shop, kind: "buyer"}, beat, func(row vaultRow) error {
		if sameBuyer(about, row.plain) {
			found = append(found, row.subject)
		}
		return nil
	})
	return found, err
}

// lookups are the hashes under which a person may be filed.
func (s *Store) lookups(shop string, about app.Request) ([]string, error) {
	var all []string
	for _, key := range []string{about.Email, about.Phone} {
		if key == "" {
			continue
		}
		hashes, err := s.vault.Hashes(lookupUse, fmt.Sprintf("%d:%s%s", len(shop), shop, key))
		if err != nil {
			return nil, bug("vault", "the buyer's key cannot be hashed")
		}
		all = append(all, hashes...)
	}
	return all, nil
}

// sameBuyer compares what a session said about its buyer with whom a request is about.
func sameBuyer(about app.Request, buyer []byte) bool {
	var value any
	if json.Unmarshal(buyer, &value) != nil {
		return false
	}
	hasMail, mail, phone := false, false, false
	want := privacy.Digits(about.Phone)
	eachText(value, func(text string) {
		text = strings.TrimSpace(text)
		if strings.Contains(text, "@") {
			hasMail = true
			mail = mail || about.Email != "" && strings.EqualFold(text, strings.TrimSpace(about.Email))
		}
		phone = phone || samePhone(want, text)
	})
	return mail || phone && (about.Email == "" || !hasMail)
}

// samePhone compares the last nine digits, which no prefix changes.
func samePhone(want, text string) bool {
	got := privacy.Digits(text)
	if len(want) < 7 || len(got) < 7 || len(got)*2 < len(text) {
		return false
	}
	n := min(len(want), len(got), 9)
	return want[len(want)-n:] == got[len(got)-n:]
}

func eachText(value any, do func(string)) {
	switch v := value.(type) {
	case map[string]any:
		for _, inner := range v {
			eachText(inner, do)
		}
	case []any:
		for _, inner := range v {
			eachText(inner, do)
		}
	case string:
		do(v)
	}
}

// vaultOf selects rows of the vault whose keys are there.
type vaultOf struct {
	shop    string // of a shop, or
	request string // of whom a request is about
	kind    string // empty: any
}

type vaultRow struct {
	id, subject, kind string
	plain             []byte
}

const walkVault = `
	SELECT v.id::text, v.subject_id::text, v.kind, v.sealed, s.wrapped_key
	FROM vault v JOIN subjects s ON s.id = v.subject_id
	WHERE s.erased_at IS NULL AND (@shop = '' OR s.shop = @shop) AND (@kind = '' OR v.kind = @kind)
	  AND (@request = '' OR s.id IN (SELECT subject_id FROM privacy_subjects WHERE request_id = nullif(@request, '')::uuid))
	  AND v.id > @after::uuid
	ORDER BY v.id LIMIT @limit`

// vaultPage is how many rows of the vault are opened between two beats.
const vaultPage = 2000

// walkVault opens rows of the vault one after the other.
func (s *Store) walkVault(ctx context.Context, of vaultOf, beat func() error, do func(vaultRow) error) error {
	for after, n := "00000000-0000-0000-0000-000000000000", vaultPage; n == vaultPage; {
		n = 0
		rows, err := s.pool.Query(ctx, walkVault, pgx.NamedArgs{
			"shop": of.shop, "kind": of.kind, "request": of.request, "after": after, "limit": vaultPage,
		})
		if err != nil {
			return err
		}
		var row vaultRow
		var sealed, wrapped []byte
		_, err = pgx.ForEachRow(rows, []any{&row.id, &row.subject, &row.kind, &sealed, &wrapped}, func() error {
			n++
			after = row.id
			if row.plain, err = s.vault.Open(crypt.DataKey{Owner: row.subject, Wrapped: wrapped}, row.id, sealed); err != nil {
				return bug("vault", "a text does not open")
			}
			return do(row)
		})
		if err != nil {
			return err
		}
		if err := beat(); err != nil {
			return err
		}
	}
	return nil
}
