package crypt_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/internal/crypt"
)

const plaintext = `{"email":"buyer@example.com"}`

// setupVault returns a vault, a data key of subject-1, and the plaintext sealed
// for row-1.
func setupVault(t *testing.T) (*crypt.Vault, crypt.DataKey, []byte) {
	t.Helper()
	vault := crypt.NewVault(ring(t, "k1:"+key("a")))
	dataKey, err := vault.NewDataKey("subject-1")
	require.NoError(t, err)
	sealed, err := vault.Seal(dataKey, "row-1", []byte(plaintext))
	require.NoError(t, err)
	return vault, dataKey, sealed
}

func TestVaultSeals(t *testing.T) {
	t.Parallel()
	t.Run("a sealed field opens for its row, the empty one too", func(t *testing.T) {
		t.Parallel()
		vault, dataKey, sealed := setupVault(t)
		opened, err := vault.Open(dataKey, "row-1", sealed)
		require.NoError(t, err)
		require.Equal(t, plaintext, string(opened))
		require.Len(t, sealed, len(plaintext)+45)

		empty, err := vault.Seal(dataKey, "row-1", nil)
		require.NoError(t, err)
		opened, err = vault.Open(dataKey, "row-1", empty)
		require.NoError(t, err)
		require.Empty(t, opened)
	})
	t.Run("nothing readable is stored and nothing repeats", func(t *testing.T) {
		t.Parallel()
		vault, dataKey, sealed := setupVault(t)
		again, err := vault.Seal(dataKey, "row-1", []byte(plaintext))
		require.NoError(t, err)
		require.NotEqual(t, sealed, again)
		require.False(t, bytes.Contains(sealed, []byte("buyer")))
		other, err := vault.NewDataKey("subject-1")
		require.NoError(t, err)
		require.NotEqual(t, dataKey.Wrapped, other.Wrapped)
	})
}

func TestVaultRefuses(t *testing.T) {
	t.Parallel()
	t.Run("another row, owner or data key does not open it", func(t *testing.T) {
		t.Parallel()
		vault, dataKey, sealed := setupVault(t)
		_, err := vault.Open(dataKey, "row-2", sealed)
		require.ErrorIs(t, err, crypt.ErrOpen)
		_, err = vault.Open(crypt.DataKey{Owner: "subject-2", Wrapped: dataKey.Wrapped}, "row-1", sealed)
		require.ErrorIs(t, err, crypt.ErrOpen)
		other, err := vault.NewDataKey("subject-1")
		require.NoError(t, err)
		_, err = vault.Open(other, "row-1", sealed)
		require.ErrorIs(t, err, crypt.ErrOpen)
	})
	t.Run("moving the border between owner and row does not open it", func(t *testing.T) {
		t.Parallel()
		vault, _, _ := setupVault(t)
		ab, err := vault.NewDataKey("ab")
		require.NoError(t, err)
		sealed, err := vault.Seal(ab, "c", []byte(plaintext))
		require.NoError(t, err)
		_, err = vault.Open(ab, "bc", sealed)
		require.ErrorIs(t, err, crypt.ErrOpen)
	})
	t.Run("every altered or missing byte is noticed", func(t *testing.T) {
		t.Parallel()
		vault, dataKey, sealed := setupVault(t)
		for i := range sealed {
			bad := bytes.Clone(sealed)
			bad[i] ^= 1
			_, err := vault.Open(dataKey, "row-1", bad)
			require.ErrorIs(t, err, crypt.ErrOpen, "byte %d", i)
			_, err = vault.Open(dataKey, "row-1", sealed[:i])
			require.ErrorIs(t, err, crypt.ErrOpen, "length %d", i)
		}
		for i := range dataKey.Wrapped {
			bad := crypt.DataKey{Owner: dataKey.Owner, Wrapped: bytes.Clone(dataKey.Wrapped)}
			bad.Wrapped[i] ^= 1
			_, err := vault.Open(bad, "row-1", sealed)
			require.Error(t, err, "byte %d", i)
			bad.Wrapped = dataKey.Wrapped[:i]
			_, err = vault.Seal(bad, "row-1", []byte(plaintext))
			require.Error(t, err, "length %d", i)
		}
	})
	t.Run("without the wrapped key nobody reads it", func(t *testing.T) {
		t.Parallel()
		vault, dataKey, sealed := setupVault(t)
		_, err := vault.Open(crypt.DataKey{Owner: dataKey.Owner}, "row-1", sealed)
		require.ErrorIs(t, err, crypt.ErrOpen)
	})
	t.Run("a ring without keys seals nothing", func(t *testing.T) {
		t.Parallel()
		_, err := crypt.NewVault(&crypt.Keyring{}).NewDataKey("subject-1")
		require.ErrorIs(t, err, crypt.ErrUnknownKey)
	})
}

func TestRewrap(t *testing.T) {
	t.Parallel()
	before := crypt.NewVault(ring(t, "old:"+key("a")))
	during := crypt.NewVault(ring(t, "new:"+key("b")+",old:"+key("a")))
	after := crypt.NewVault(ring(t, "new:"+key("b")))
	dataKey, err := before.NewDataKey("subject-1")
	require.NoError(t, err)
	sealed, err := before.Seal(dataKey, "row-1", []byte("text"))
	require.NoError(t, err)

	t.Run("a field sealed before the rotation opens after it", func(t *testing.T) {
		t.Parallel()
		rewrapped, changed, err := during.Rewrap(dataKey)
		require.NoError(t, err)
		require.True(t, changed)
		id, err := rewrapped.MasterKeyID()
		require.NoError(t, err)
		require.Equal(t, "new", id)
		opened, err := after.Open(rewrapped, "row-1", sealed)
		require.NoError(t, err)
		require.Equal(t, "text", string(opened))
	})
	t.Run("a key that is up to date is left alone", func(t *testing.T) {
		t.Parallel()
		same, changed, err := before.Rewrap(dataKey)
		require.NoError(t, err)
		require.False(t, changed)
		require.Equal(t, dataKey, same)
	})
	t.Run("a key that was not rewrapped in time says which key is missing", func(t *testing.T) {
		t.Parallel()
		_, err := after.Open(dataKey, "row-1", sealed)
		require.ErrorIs(t, err, crypt.ErrUnknownKey)
		require.ErrorContains(t, err, "old")
		_, _, err = after.Rewrap(dataKey)
		require.ErrorIs(t, err, crypt.ErrUnknownKey)
	})
	t.Run("a different key under the same id does not open", func(t *testing.T) {
		t.Parallel()
		_, err := crypt.NewVault(ring(t, "old:"+key("z"))).Open(dataKey, "row-1", sealed)
		require.ErrorIs(t, err, crypt.ErrOpen)
	})
}

func TestHash(t *testing.T) {
	t.Parallel()
	vault := crypt.NewVault(ring(t, "k1:"+key("a")))

	t.Run("the hash of a known text never changes", func(t *testing.T) {
		t.Parallel()
		hash, err := vault.Hash("note", "buyer called twice")
		require.NoError(t, err)
		require.Equal(t, "k1:266db00ce1deeb987a08b5a6912f536672a8a1c11d53f19a546088225e28bb88", hash)
	})
	t.Run("purpose, text and key each change it", func(t *testing.T) {
		t.Parallel()
		hash, err := vault.Hash("note", "text")
		require.NoError(t, err)
		require.Len(t, strings.TrimPrefix(hash, "k1:"), 64)
		for _, other := range [][2]string{{"note", "text "}, {"audit", "text"}, {"not", "etext"}, {"note", ""}} {
			matches, err := vault.VerifyHash(other[0], other[1], hash)
			require.NoError(t, err)
			require.False(t, matches, other)
		}
		matches, err := crypt.NewVault(ring(t, "k1:"+key("b"))).VerifyHash("note", "text", hash)
		require.NoError(t, err)
		require.False(t, matches)
	})
	t.Run("a hash made before a rotation still verifies", func(t *testing.T) {
		t.Parallel()
		hash, err := vault.Hash("note", "text")
		require.NoError(t, err)
		rotated := crypt.NewVault(ring(t, "k2:"+key("b")+",k1:"+key("a")))
		matches, err := rotated.VerifyHash("note", "text", hash)
		require.NoError(t, err)
		require.True(t, matches)
		_, err = crypt.NewVault(ring(t, "k2:"+key("b"))).VerifyHash("note", "text", hash)
		require.ErrorIs(t, err, crypt.ErrUnknownKey)
	})
	t.Run("what is no hash is an error", func(t *testing.T) {
		t.Parallel()
		for _, bad := range []string{"", "k1", "k1:", "k1:abc", strings.Repeat("0", 64)} {
			_, err := vault.VerifyHash("note", "text", bad)
			require.ErrorIs(t, err, crypt.ErrHash, bad)
		}
	})
	t.Run("a hash under a data key lives as long as that key", func(t *testing.T) {
		t.Parallel()
		first, err := vault.NewDataKey("subject-1")
		require.NoError(t, err)
		second, err := vault.NewDataKey("subject-1")
		require.NoError(t, err)
		hash, err := vault.HashUnder(first, "note", "text")
		require.NoError(t, err)
		other, err := vault.HashUnder(second, "note", "text")
		require.NoError(t, err)
		require.NotEqual(t, hash, other)
		rotated := crypt.NewVault(ring(t, "k2:"+key("b")+",k1:"+key("a")))
		rewrapped, _, err := rotated.Rewrap(first)
		require.NoError(t, err)
		same, err := rotated.HashUnder(rewrapped, "note", "text")
		require.NoError(t, err)
		require.Equal(t, hash, same)
		_, err = vault.HashUnder(crypt.DataKey{Owner: "subject-1"}, "note", "text")
		require.ErrorIs(t, err, crypt.ErrOpen)
	})
}
