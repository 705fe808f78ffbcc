package privacy_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/crypt"
	"tillflow/internal/privacy"
)

func vault(t *testing.T, fill string) *crypt.Vault {
	t.Helper()
	ring, err := crypt.ParseKeyring(crypt.Secret("k1:" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(fill, 32)))))
	require.NoError(t, err)
	return crypt.NewVault(ring)
}

func TestCertificate(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	given := privacy.Certificate{
		RequestID: "r1", Shop: "a.myshopify.com", Kind: privacy.Customer, ReceivedAt: at, DueAt: at.Add(720 * time.Hour), ErasedAt: at, IssuedAt: at,
		Keys: 2, Payments: 3, VaultBefore: 4, Scan: privacy.Scan{At: at, Words: 9, Places: []privacy.Place{{Name: "database", Searched: "10 rows"}}},
	}
	ours := vault(t, "a")
	text, err := privacy.Issue(ours, given)
	require.NoError(t, err)
	keys := func(id string) (ed25519.PublicKey, error) { return ours.SigningKey(id) }

	t.Run("it verifies, also when only white space has changed", func(t *testing.T) {
		t.Parallel()
		got, err := privacy.Verify(keys, []byte(text))
		require.NoError(t, err)
		given.Version = 1
		require.Equal(t, given, got)
		var compact bytes.Buffer
		require.NoError(t, json.Compact(&compact, []byte(text)))
		_, err = privacy.Verify(keys, compact.Bytes())
		require.NoError(t, err)
	})
	t.Run("any other changed byte is found", func(t *testing.T) {
		t.Parallel()
		for i, b := range []byte(text) {
			if strings.ContainsRune(" \n", rune(b)) {
				continue
			}
			changed := []byte(text)
			changed[i] ^= 2
			c, err := privacy.Verify(keys, changed)
			require.Error(t, err, "byte %d: %s %+v", i, changed, c)
		}
	})
	t.Run("another service's does not verify, whatever key it brings", func(t *testing.T) {
		t.Parallel()
		foreign, err := privacy.Issue(vault(t, "b"), given)
		require.NoError(t, err)
		_, err = privacy.Verify(keys, []byte(foreign))
		require.ErrorIs(t, err, privacy.ErrCertificate)
	})
	t.Run("what is no certificate", func(t *testing.T) {
		t.Parallel()
		for _, text := range []string{"", "{}", "[]", `{"certificate":{},"key_id":"k1","public_key":"","signature":"!"}`, `{"certificate":{},"key_id":"k9","public_key":"","signature":""}`} {
			_, err := privacy.Verify(keys, []byte(text))
			require.ErrorIs(t, err, privacy.ErrCertificate, text)
		}
	})
	require.Zero(t, given.Scan.Found())
	require.Equal(t, 3, privacy.Scan{Places: []privacy.Place{{Found: 1}, {Found: 2}}}.Found())
}
