package store_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"tillflow/internal/access"
	"tillflow/internal/crypt"
	"tillflow/internal/payment"
	"tillflow/internal/store"
)

func (b *bundle) key(key crypt.Secret) (access.APIKey, error) {
	hash := sha256.Sum256([]byte(key.Reveal()))
	return b.FindAPIKey(b.t.Context(), hash[:])
}

func TestIssueAPIKey(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id, key, err := b.IssueAPIKey(t.Context(), root, store.NewAPIKey{
		Shop: shop, Label: "reports", Scopes: []access.Scope{access.ReadPaymentScope}, Expires: b.clock.Now().Add(24 * time.Hour),
	})
	require.NoError(t, err)
	require.Equal(t, "***", fmt.Sprint(key))

	t.Run("it is found with what it may do, and its use is noted about once an hour", func(t *testing.T) {
		found, err := b.key(key)
		require.NoError(t, err)
		want := access.APIKey{
			ID: id, Shop: shop, Label: "reports", Tail: key.Reveal()[len(key.Reveal())-4:], Scopes: []access.Scope{access.ReadPaymentScope},
			Created: b.clock.Now(), Expires: b.clock.Now().Add(24 * time.Hour),
		}
		require.Equal(t, want, found)
		first := b.clock.Now()
		b.clock.Add(59 * time.Minute)
		found, err = b.key(key)
		require.NoError(t, err)
		require.Equal(t, first, found.Used)
		b.clock.Add(time.Minute)
		_, err = b.key(key)
		require.NoError(t, err)
		list, err := b.APIKeys(t.Context(), shop)
		require.NoError(t, err)
		require.Equal(t, b.clock.Now(), list[0].Used)
	})
	t.Run("it ends when it expires", func(t *testing.T) {
		b.clock.Add(23 * time.Hour)
		_, err := b.key(key)
		requireClass(t, payment.Unauthorized, "api_key", err)
	})
	t.Run("a key of before may do all that it could", func(t *testing.T) {
		old := crypt.Secret("tfk_of_before")
		hash := sha256.Sum256([]byte(old.Reveal()))
		_, err := b.pool.Exec(t.Context(), `INSERT INTO api_keys (id, shop, hash, label, created_at) VALUES ($1, $2, $3, 'till', $4)`,
			uuid.NewString(), shop, hash[:], b.clock.Now())
		require.NoError(t, err)
		found, err := b.key(old)
		require.NoError(t, err)
		require.Equal(t, []access.Scope{access.ReadPaymentScope, access.WritePaymentScope}, found.Scopes)
		require.True(t, found.Expires.IsZero())
		require.Equal(t, "tfk_…", found.Masked())
	})
	t.Run("a guess is no key", func(t *testing.T) {
		_, err := b.key("tfk_guess")
		requireClass(t, payment.Unauthorized, "api_key", err)
	})
	t.Run("no key of an inactive or unknown shop works", func(t *testing.T) {
		_, fresh, err := b.IssueAPIKey(t.Context(), root, store.NewAPIKey{Shop: shop, Label: "x"})
		require.NoError(t, err)
		require.NoError(t, b.PutShop(t.Context(), store.Shop{Shop: shop}))
		_, err = b.key(fresh)
		requireClass(t, payment.Unauthorized, "api_key", err)
		_, _, err = b.IssueAPIKey(t.Context(), root, store.NewAPIKey{Shop: "nobody", Label: "x"})
		requireClass(t, payment.NotFound, "unknown_shop", err)
	})
	t.Run("a scope that does not exist is refused by the database", func(t *testing.T) {
		_, _, err := b.IssueAPIKey(t.Context(), root, store.NewAPIKey{Shop: shop, Label: "x", Scopes: []access.Scope{"everything"}})
		requireClass(t, payment.Bug, "", err)
	})
}

func TestRotateAPIKey(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id, old, err := b.IssueAPIKey(t.Context(), root, store.NewAPIKey{Shop: shop, Label: "till", Scopes: []access.Scope{access.WritePaymentScope}})
	require.NoError(t, err)
	next, fresh, err := b.RotateAPIKey(t.Context(), root, id, time.Hour)
	require.NoError(t, err)

	t.Run("both work during the overlap, with the same shop, label and scopes", func(t *testing.T) {
		b.clock.Add(time.Hour - time.Microsecond)
		for _, key := range []crypt.Secret{old, fresh} {
			found, err := b.key(key)
			require.NoError(t, err)
			require.Equal(t, shop, found.Shop)
			require.Equal(t, "till", found.Label)
			require.Equal(t, []access.Scope{access.WritePaymentScope}, found.Scopes)
		}
	})
	t.Run("a key has one successor", func(t *testing.T) {
		_, _, err := b.RotateAPIKey(t.Context(), root, id, time.Hour)
		requireClass(t, payment.Conflict, "key_rotated", err)
	})
	t.Run("after it the old one has ended", func(t *testing.T) {
		b.clock.Add(time.Microsecond)
		_, err := b.key(old)
		requireClass(t, payment.Unauthorized, "api_key", err)
		found, err := b.key(fresh)
		require.NoError(t, err)
		require.Equal(t, id, found.Replaces)
		require.True(t, found.Expires.IsZero())
		_, _, err = b.RotateAPIKey(t.Context(), root, id, time.Hour)
		requireClass(t, payment.Conflict, "key_ended", err)
	})
	t.Run("a key that expires sooner than the overlap is not made to live longer", func(t *testing.T) {
		soon := b.clock.Now().Add(time.Minute)
		short, key, err := b.IssueAPIKey(t.Context(), root, store.NewAPIKey{Shop: shop, Label: "x", Expires: soon})
		require.NoError(t, err)
		_, _, err = b.RotateAPIKey(t.Context(), root, short, time.Hour)
		require.NoError(t, err)
		found, err := b.key(key)
		require.NoError(t, err)
		require.Equal(t, soon, found.Expires)
	})
	t.Run("of many who rotate at once one does", func(t *testing.T) {
		id, _, err := b.IssueAPIKey(t.Context(), root, store.NewAPIKey{Shop: shop, Label: "y"})
		require.NoError(t, err)
		won := 0
		for _, ok := range together(t, 10, func(ctx context.Context) (bool, error) {
			_, _, err := b.RotateAPIKey(ctx, root, id, time.Hour)
			if payment.ClassOf(err, "") == payment.Conflict {
				return false, nil
			}
			return true, err
		}) {
			if ok {
				won++
			}
		}
		require.Equal(t, 1, won)
	})
	t.Run("an ended key works no more, and what was done is in the audit", func(t *testing.T) {
		for range 2 {
			require.NoError(t, b.EndAPIKey(t.Context(), root, next))
		}
		_, err := b.key(fresh)
		requireClass(t, payment.Unauthorized, "api_key", err)
		_, _, err = b.RotateAPIKey(t.Context(), root, next, 0)
		requireClass(t, payment.Conflict, "key_ended", err)
		did := b.did()
		require.Contains(t, did, root.Name+" key.issue key "+id+" shop="+shop)
		require.Contains(t, did, root.Name+" key.rotate key "+id+" successor="+next)
		require.Equal(t, 1, b.count(`SELECT count(*) FROM audit WHERE action = 'key.revoke'`))
	})
	t.Run("an id that names no key is refused", func(t *testing.T) {
		for _, id := range []string{"x", "018f0000-0000-7000-8000-000000000000"} {
			_, _, err := b.RotateAPIKey(t.Context(), root, id, 0)
			requireClass(t, payment.NotFound, "", err)
		}
		requireClass(t, payment.NotFound, "", b.EndAPIKey(t.Context(), root, "x"))
	})
}
