package access

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestHOTPVectors(t *testing.T) {
	t.Parallel()
	key := []byte("12345678901234567890")
	t.Run("RFC 4226, appendix D", func(t *testing.T) {
		t.Parallel()
		for counter, code := range []string{"755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"} {
			require.Equal(t, code, hotp(key, int64(counter), 6))
		}
	})
	t.Run("RFC 6238, appendix B, SHA-1, all eight digits", func(t *testing.T) {
		t.Parallel()
		for second, code := range map[int64]string{
			59: "94287082", 1111111109: "07081804", 1111111111: "14050471", 1234567890: "89005924", 2000000000: "69279037", 20000000000: "65353130",
		} {
			require.Equal(t, code, hotp(key, second/totpPeriod, 8))
		}
	})
	t.Run("without a secret no code is right, not even that of the empty one", func(t *testing.T) {
		t.Parallel()
		now := time.Unix(1111111109, 0)
		_, ok := TOTPKey(nil).Check(hotp(nil, now.Unix()/totpPeriod, totpDigits), now, 0)
		require.False(t, ok)
	})
}

func TestPasswordSlots(t *testing.T) {
	t.Parallel()
	p := NewPasswords(Argon2{MemoryKiB: 64, Passes: 1, Lanes: 1}, 1)
	p.slots <- struct{}{} // somebody else is being served
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := p.Hash(ctx, "x")
	require.ErrorIs(t, err, context.Canceled, "who waits, waits no longer than their context")
	_, _, err = p.Verify(ctx, "x", "")
	require.ErrorIs(t, err, context.Canceled)
	<-p.slots
	_, err = p.Hash(t.Context(), "x")
	require.NoError(t, err, "a free slot is taken")
	require.Empty(t, p.slots, "and given back")
	_, _, err = NewPasswords(p.cost, 0).Verify(t.Context(), "x", "")
	require.NoError(t, err, "there is always one")
}
