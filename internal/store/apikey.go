package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/access"
	"tillflow/internal/access/audit"
	"tillflow/internal/crypt"
	"tillflow/internal/payment"
)

// usedEvery is how often a key notes that it was used.
const usedEvery = time.Hour

// keyTail is how much of a key is kept to tell it from others: too little to
// guess the rest, of which 39 characters stay hidden.
const keyTail = 4

const keyColumns = `k.id::text, k.shop, k.label, k.tail, k.scopes, k.created_at, k.expires_at, k.used_at, k.revoked_at, coalesce(k.replaces::text, '') AS replaces`

type keyRow struct {
	ID, Shop, Label, Tail        string
	Scopes                       []access.Scope
	CreatedAt                    time.Time
	ExpiresAt, UsedAt, RevokedAt *time.Time
	Replaces                     string
}

func (r keyRow) key() access.APIKey {
	return access.APIKey{
		ID: r.ID, Shop: r.Shop, Label: r.Label, Tail: r.Tail, Scopes: r.Scopes, Created: r.CreatedAt,
		Expires: instant(r.ExpiresAt), Used: instant(r.UsedAt), Revoked: instant(r.RevokedAt), Replaces: r.Replaces,
	}
}

// NewAPIKey is a key to be made.
type NewAPIKey struct {
	Shop    string
	Label   string
	Scopes  []access.Scope // empty: all
	Expires time.Time      // zero: never
}

// IssueAPIKey makes a key of a shop for /api/v1 and notes it in the audit. The
// key is shown this once: only its hash is kept.
func (s *Store) IssueAPIKey(ctx context.Context, by audit.Actor, k NewAPIKey) (id string, key crypt.Secret, err error) {
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		id, key, err = s.insertKey(ctx, tx, k, "")
		if err != nil {
			return unknownShop(err, k.Shop)
		}
		return s.AppendAuditIn(ctx, tx, audit.Entry{Actor: by, Action: "key.issue", Subject: "key " + id, Detail: "shop=" + k.Shop})
	})
	return id, key, failure("issue api key", err)
}

func (s *Store) insertKey(ctx context.Context, tx pgx.Tx, k NewAPIKey, replaces string) (id string, key crypt.Secret, err error) {
	const insert = `
		INSERT INTO api_keys (id, shop, hash, label, tail, scopes, created_at, expires_at, replaces)
		VALUES (@id, @shop, @hash, @label, @tail, @scopes, @now, @expires, nullif(@replaces, '')::uuid)`
	if id, err = newID(); err != nil {
		return "", "", err
	}
	if len(k.Scopes) == 0 {
		k.Scopes = access.Scopes()
	}
	raw := make([]byte, 32)
	rand.Read(raw)
	text := access.KeyPrefix + base64.RawURLEncoding.EncodeToString(raw)
	hash := sha256.Sum256([]byte(text)) // 256 random bits need no salt
	_, err = tx.Exec(ctx, insert, pgx.NamedArgs{
		"id": id, "shop": k.Shop, "hash": hash[:], "label": k.Label, "tail": text[len(text)-keyTail:], "scopes": k.Scopes, "now": s.now(),
		"expires": nullable(k.Expires), "replaces": replaces,
	})
	return id, crypt.Secret(text), err
}

// RotateAPIKey makes the successor of a key, with its shop, label and scopes, and
// lets the old one live for the overlap, in which callers change over. A key that
// has ended is payment.Conflict "key_ended", one that has a successor
// "key_rotated".
func (s *Store) RotateAPIKey(ctx context.Context, by audit.Actor, id string, overlap time.Duration) (successor string, key crypt.Secret, err error) {
	const action = "rotate api key"
	const lock = `SELECT ` + keyColumns + ` FROM api_keys k WHERE k.id = @id FOR UPDATE`
	const shorten = `UPDATE api_keys SET expires_at = least(expires_at, @until) WHERE id = @id`
	if err := known("api key", id); err != nil {
		return "", "", failure(action, err)
	}
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, lock, pgx.NamedArgs{"id": id})
		if err != nil {
			return err
		}
		old, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[keyRow])
		if err != nil {
			return err
		}
		now := s.now()
		if old.RevokedAt != nil || old.ExpiresAt != nil && !now.Before(*old.ExpiresAt) {
			return conflict("key_ended", "the key has ended")
		}
		var rotated bool
		if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM api_keys WHERE replaces = @id)`, pgx.NamedArgs{"id": id}).Scan(&rotated); err != nil {
			return err
		}
		if rotated {
			return conflict("key_rotated", "the key has a successor")
		}
		if successor, key, err = s.insertKey(ctx, tx, NewAPIKey{Shop: old.Shop, Label: old.Label, Scopes: old.Scopes}, id); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, shorten, pgx.NamedArgs{"id": id, "until": stored(now.Add(max(overlap, 0)))}); err != nil {
			return err
		}
		return s.AppendAuditIn(ctx, tx, audit.Entry{Actor: by, Action: "key.rotate", Subject: "key " + id, Detail: "successor=" + successor})
	})
	return successor, key, failure(action, err)
}

// EndAPIKey revokes a key and notes it in the audit; a repeat changes nothing.
func (s *Store) EndAPIKey(ctx context.Context, by audit.Actor, id string) error {
	const action = "end api key"
	if err := known("api key", id); err != nil {
		return failure(action, err)
	}
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE api_keys SET revoked_at = @now WHERE id = @id AND revoked_at IS NULL`, pgx.NamedArgs{"id": id, "now": s.now()})
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		return s.AppendAuditIn(ctx, tx, audit.Entry{Actor: by, Action: "key.revoke", Subject: "key " + id})
	})
	return failure(action, err)
}

// APIKeys lists a shop's keys, newest first; of all shops when shop is empty.
func (s *Store) APIKeys(ctx context.Context, shop string) ([]access.APIKey, error) {
	const action = "list api keys"
	rows, err := s.pool.Query(ctx, `SELECT `+keyColumns+` FROM api_keys k WHERE @shop = '' OR k.shop = @shop ORDER BY k.created_at DESC, k.id DESC LIMIT 1000`,
		pgx.NamedArgs{"shop": shop})
	if err != nil {
		return nil, failure(action, err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (access.APIKey, error) {
		r, err := pgx.RowToStructByName[keyRow](row)
		return r.key(), err
	})
	return list, failure(action, err)
}

// FindAPIKey finds a key by the SHA-256 of the whole key; payment.Unauthorized
// for one that is unknown, revoked or expired, or whose shop is inactive. A
// search by hash tells nothing about any key by its time.
func (s *Store) FindAPIKey(ctx context.Context, hash []byte) (access.APIKey, error) {
	const action = "find api key"
	const find = `
		SELECT ` + keyColumns + ` FROM api_keys k JOIN shops s ON s.shop = k.shop
		WHERE k.hash = @hash AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > @now) AND s.active`
	now := s.now()
	rows, err := s.pool.Query(ctx, find, pgx.NamedArgs{"hash": hash, "now": now})
	if err != nil {
		return access.APIKey{}, failure(action, err)
	}
	r, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[keyRow])
	if none(err) {
		return access.APIKey{}, failure(action, &payment.Error{Class: payment.Unauthorized, Code: "api_key", Message: "unknown API key"})
	}
	if err != nil {
		return access.APIKey{}, failure(action, err)
	}
	if r.UsedAt == nil || now.Sub(*r.UsedAt) >= usedEvery {
		_, err = s.pool.Exec(ctx, `UPDATE api_keys SET used_at = @now WHERE id = @id`, pgx.NamedArgs{"id": r.ID, "now": now})
	}
	return r.key(), failure(action, err)
}
