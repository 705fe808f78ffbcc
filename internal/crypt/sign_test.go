package crypt_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/internal/crypt"
)

func TestSign(t *testing.T) {
	t.Parallel()
	v := crypt.NewVault(ring(t, "new:"+key("b")+",old:"+key("a")))
	s, err := v.Sign("use", []byte("text"))
	require.NoError(t, err)
	require.Equal(t, "new", s.KeyID)
	require.NoError(t, crypt.VerifySignature(s.Public, "use", []byte("text"), s.Bytes))

	t.Run("another text, use or key does not fit", func(t *testing.T) {
		t.Parallel()
		require.ErrorIs(t, crypt.VerifySignature(s.Public, "use", []byte("texT"), s.Bytes), crypt.ErrSignature)
		require.ErrorIs(t, crypt.VerifySignature(s.Public, "uset", []byte("ext"), s.Bytes), crypt.ErrSignature)
		old, err := v.SigningKey("old")
		require.NoError(t, err)
		require.ErrorIs(t, crypt.VerifySignature(old, "use", []byte("text"), s.Bytes), crypt.ErrSignature)
		require.ErrorIs(t, crypt.VerifySignature(nil, "use", []byte("text"), s.Bytes), crypt.ErrSignature)
	})
	t.Run("a key that was rotated still verifies what it signed", func(t *testing.T) {
		t.Parallel()
		before, err := crypt.NewVault(ring(t, "old:"+key("a"))).Sign("use", []byte("text"))
		require.NoError(t, err)
		public, err := v.SigningKey(before.KeyID)
		require.NoError(t, err)
		require.NoError(t, crypt.VerifySignature(public, "use", []byte("text"), before.Bytes))
		active, err := v.SigningKey("")
		require.NoError(t, err)
		require.Equal(t, s.Public, active)
		_, err = v.SigningKey("lost")
		require.ErrorIs(t, err, crypt.ErrUnknownKey)
	})
}

func TestHashes(t *testing.T) {
	t.Parallel()
	v := crypt.NewVault(ring(t, "new:"+key("b")+",old:"+key("a")))
	list, err := v.Hashes("use", "text")
	require.NoError(t, err)
	before, err := crypt.NewVault(ring(t, "old:"+key("a"))).Hash("use", "text")
	require.NoError(t, err)
	now, err := v.Hash("use", "text")
	require.NoError(t, err)
	require.ElementsMatch(t, []string{before, now}, list, "whoever was filed before a rotation is found too")
}

func TestParcel(t *testing.T) {
	t.Parallel()
	p, err := crypt.NewParcel("r1", []byte("content"))
	require.NoError(t, err)
	link, phrase := p.Link.Reveal(), p.Passphrase.Reveal()
	require.Regexp(t, `^[A-Z2-7]{4}(-[A-Z2-7]{4}){3}$`, phrase)
	require.Len(t, link, 52)
	require.Equal(t, crypt.TokenHash(link), p.TokenHash)
	require.NotContains(t, string(p.Sealed), "content")
	got, err := crypt.OpenParcel("r1", p.Sealed, link, " "+phrase[:4]+" "+phrase[5:])
	require.NoError(t, err)
	require.Equal(t, "content", string(got))
	other, err := crypt.NewParcel("r1", []byte("content"))
	require.NoError(t, err)
	for rule, secrets := range map[string][3]string{
		"another passphrase":   {"r1", link, other.Passphrase.Reveal()},
		"no passphrase":        {"r1", link, ""},
		"another link":         {"r1", other.Link.Reveal(), phrase},
		"the ends exchanged":   {"r1", link + phrase[:1], phrase[1:]},
		"another request's id": {"r2", link, phrase},
	} {
		t.Run(rule+" does not open it", func(t *testing.T) {
			t.Parallel()
			_, err := crypt.OpenParcel(secrets[0], p.Sealed, secrets[1], secrets[2])
			require.ErrorIs(t, err, crypt.ErrOpen)
		})
	}
	require.NotContains(t, crypt.TokenName(link), link[:6])
}
