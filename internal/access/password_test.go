package access_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/internal/access"
)

// cheap makes tests fast; nothing else is different.
func cheap() access.Argon2 { return access.Argon2{MemoryKiB: 64, Passes: 1, Lanes: 1} }

// The vectors of the reference implementation's test.c (version 0x13).
func TestArgon2Vectors(t *testing.T) {
	t.Parallel()
	p := access.NewPasswords(cheap(), 1)
	for _, v := range []struct{ password, hash string }{
		{"password", "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"},
		{"password", "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"},
		{"password", "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc"},
		{"password", "$argon2id$v=19$m=65536,t=1,p=1$c29tZXNhbHQ$9qWtwbpyPd3vm1rB1GThgPzZ3/ydHL92zKL+15XZypg"},
		{"differentpassword", "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$C4TWUs9rDEvq7w3+J4umqA32aWKB1+DSiRuBfYxFj94"},
		{"password", "$argon2id$v=19$m=65536,t=2,p=1$ZGlmZnNhbHQ$vfMrBczELrFdWP0ZsfhWsRPaHppYdP3MVEMIVlqoFBw"},
	} {
		ok, outdated, err := p.Verify(t.Context(), v.password, access.PasswordHash(v.hash))
		require.NoError(t, err, v.hash)
		require.True(t, ok, v.hash)
		require.True(t, outdated, "made at another cost")
		ok, outdated, err = p.Verify(t.Context(), v.password+"x", access.PasswordHash(v.hash))
		require.NoError(t, err)
		require.False(t, ok)
		require.False(t, outdated, "who does not know the password upgrades nothing")
	}
}

func TestPasswords(t *testing.T) {
	t.Parallel()
	p := access.NewPasswords(cheap(), 2)
	t.Run("a password fits its hash and no other does", func(t *testing.T) {
		t.Parallel()
		hash, err := p.Hash(t.Context(), "long enough a secret")
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(hash.Reveal(), "$argon2id$v=19$m=64,t=1,p=1$"))
		ok, outdated, err := p.Verify(t.Context(), "long enough a secret", hash)
		require.NoError(t, err)
		require.True(t, ok)
		require.False(t, outdated)
		for _, other := range []string{"", "long enough a secreT", "long enough a secret ", " long enough a secret"} {
			ok, _, err := p.Verify(t.Context(), other, hash)
			require.NoError(t, err)
			require.False(t, ok, "%q", other)
		}
	})
	t.Run("every hash has a salt of its own", func(t *testing.T) {
		t.Parallel()
		a, err := p.Hash(t.Context(), "the same password")
		require.NoError(t, err)
		b, err := p.Hash(t.Context(), "the same password")
		require.NoError(t, err)
		require.NotEqual(t, a.Reveal(), b.Reveal())
	})
	t.Run("letters that are composed differently are the same password", func(t *testing.T) {
		t.Parallel()
		hash, err := p.Hash(t.Context(), "caf\u00e9 au lait d'abord")
		require.NoError(t, err)
		ok, _, err := p.Verify(t.Context(), "cafe\u0301 au lait d'abord", hash)
		require.NoError(t, err)
		require.True(t, ok)
	})
	t.Run("a hash of an earlier cost still fits and is outdated", func(t *testing.T) {
		t.Parallel()
		old, err := p.Hash(t.Context(), "a password of before")
		require.NoError(t, err)
		dearer := access.NewPasswords(access.Argon2{MemoryKiB: 128, Passes: 2, Lanes: 1}, 1)
		ok, outdated, err := dearer.Verify(t.Context(), "a password of before", old)
		require.NoError(t, err)
		require.True(t, ok)
		require.True(t, outdated)
	})
	t.Run("nobody's hash fits nothing", func(t *testing.T) {
		t.Parallel()
		for _, password := range []string{"", "anything at all"} {
			ok, outdated, err := p.Verify(t.Context(), password, "")
			require.NoError(t, err)
			require.False(t, ok)
			require.False(t, outdated)
		}
	})
	t.Run("hashes are not printed", func(t *testing.T) {
		t.Parallel()
		hash, err := p.Hash(t.Context(), "long enough a secret")
		require.NoError(t, err)
		require.Equal(t, "*** *** ***", fmt.Sprintf("%s %v %q", hash, hash, hash))
	})
}

func TestMalformedHashes(t *testing.T) {
	t.Parallel()
	p := access.NewPasswords(cheap(), 1)
	const salt, key = "c29tZXNhbHQ", "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	for name, hash := range map[string]string{
		"text":                       "password",
		"argon2i":                    "$argon2i$v=19$m=64,t=1,p=1$" + salt + "$" + key,
		"another version":            "$argon2id$v=16$m=64,t=1,p=1$" + salt + "$" + key,
		"no version":                 "$argon2id$m=64,t=1,p=1$" + salt + "$" + key,
		"a part too many":            "$argon2id$v=19$m=64,t=1,p=1$" + salt + "$" + key + "$",
		"leading zeros":              "$argon2id$v=19$m=064,t=1,p=1$" + salt + "$" + key,
		"a sign":                     "$argon2id$v=19$m=+64,t=1,p=1$" + salt + "$" + key,
		"no passes":                  "$argon2id$v=19$m=64,t=0,p=1$" + salt + "$" + key,
		"no lanes":                   "$argon2id$v=19$m=64,t=1,p=0$" + salt + "$" + key,
		"less memory than its lanes": "$argon2id$v=19$m=7,t=1,p=1$" + salt + "$" + key,
		"all the memory there is":    "$argon2id$v=19$m=4294967295,t=1,p=1$" + salt + "$" + key,
		"passes for ever":            "$argon2id$v=19$m=64,t=4294967295,p=1$" + salt + "$" + key,
		"lanes without end":          "$argon2id$v=19$m=65536,t=1,p=255$" + salt + "$" + key,
		"a short salt":               "$argon2id$v=19$m=64,t=1,p=1$c29t$" + key,
		"a short key":                "$argon2id$v=19$m=64,t=1,p=1$" + salt + "$CTFh",
		"padded base64":              "$argon2id$v=19$m=64,t=1,p=1$" + salt + "==$" + key,
		"something behind the key":   "$argon2id$v=19$m=64,t=1,p=1$" + salt + "$" + key + "\n",
	} {
		t.Run(name+" is no hash", func(t *testing.T) {
			t.Parallel()
			ok, _, err := p.Verify(t.Context(), "password", access.PasswordHash(hash))
			require.ErrorIs(t, err, access.ErrHash)
			require.False(t, ok)
			require.NotContains(t, err.Error(), salt)
		})
	}
}

func TestCheckPassword(t *testing.T) {
	t.Parallel()
	for password, want := range map[string]error{
		"":                              access.ErrShort,
		"elevenchars":                   access.ErrShort,
		"ünïcödé 12":                    access.ErrShort,
		strings.Repeat("ab cd ef ", 30): access.ErrLong,
		"passwordpassword":              access.ErrCommon,
		"Password123456!":               access.ErrCommon,
		"P@ssw0rd2026!!":                access.ErrCommon,
		"123456789012":                  access.ErrCommon,
		"1234567890123456":              access.ErrCommon,
		"qwertyuiop123":                 access.ErrCommon,
		"iloveyou2026":                  access.ErrCommon,
		"ILoveYouILoveYou":              access.ErrCommon,
		"tillflow-admin-2026":           access.ErrCommon,
		"letmeinletmein1":               access.ErrCommon,
		"aaaaaaaaaaaaaaa":               access.ErrCommon,
		"abababababababab":              access.ErrCommon,
		"correcthorsebatterystaple":     access.ErrCommon,
		"Ada.Lovelace rules the world":  access.ErrOwn,
		"olive tractor bends slowly":    nil,
		"K7v!x2Qp#9Lm":                  nil,
		"my password is a green boat":   nil,
		"шесть зелёных лодок":           nil,
	} {
		t.Run(password, func(t *testing.T) {
			t.Parallel()
			require.ErrorIs(t, access.CheckPassword("ada.lovelace", password), want)
		})
	}
	t.Run("a name of two letters is in many words and does not count", func(t *testing.T) {
		t.Parallel()
		require.NoError(t, access.CheckPassword("ol", "olive tractor bends slowly"))
	})
}
