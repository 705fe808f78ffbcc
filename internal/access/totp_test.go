package access_test

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/access"
)

func TestTOTP(t *testing.T) {
	t.Parallel()
	key := access.TOTPKey("12345678901234567890")
	// RFC 6238, appendix B, SHA-1; of its eight digits the last six.
	for second, code := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		step, ok := key.Check(code, time.Unix(second, 0), 0)
		require.True(t, ok, second)
		require.Equal(t, second/30, step)
	}
	now := time.Unix(1111111109, 0) // step 37037036
	const present = 1111111109 / 30
	t.Run("the codes of one step before and after are taken, and no others", func(t *testing.T) {
		t.Parallel()
		for offset, want := range map[int64]bool{-2: false, -1: true, 0: true, 1: true, 2: false} {
			step, ok := key.Check("081804", now.Add(time.Duration(-offset)*30*time.Second), 0)
			require.Equal(t, want, ok, offset)
			if want {
				require.EqualValues(t, present, step, "the step is that of the code")
			}
		}
	})
	t.Run("a step that was used, and those before it, are spent", func(t *testing.T) {
		t.Parallel()
		for used, want := range map[int64]bool{0: true, present - 1: true, present: false, present + 1: false} {
			_, ok := key.Check("081804", now, used)
			require.Equal(t, want, ok, used)
		}
	})
	t.Run("anything else is no code", func(t *testing.T) {
		t.Parallel()
		for _, code := range []string{"", "0", "08180", "0818040", "081805", "081804 ", "89005924", "abcdef", "٠٨١٨٠٤"} {
			_, ok := key.Check(code, now, 0)
			require.False(t, ok, "%q", code)
		}
	})
	t.Run("an app reads the secret from its address", func(t *testing.T) {
		t.Parallel()
		fresh := access.NewTOTPKey()
		require.Len(t, fresh, 20)
		require.NotEqual(t, fresh, access.NewTOTPKey())
		u, err := url.Parse(key.URI("tillflow", "ada b"))
		require.NoError(t, err)
		require.Equal(t, "otpauth://totp/tillflow:ada%20b", u.Scheme+"://"+u.Host+u.EscapedPath())
		require.Equal(t, url.Values{"secret": {"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}, "issuer": {"tillflow"}, "digits": {"6"}, "period": {"30"}}, u.Query())
		require.Equal(t, "***", fmt.Sprint(fresh))
	})
}
