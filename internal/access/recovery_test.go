package access_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/internal/access"
)

func TestRecoveryCodes(t *testing.T) {
	t.Parallel()
	codes := access.NewRecoveryCodes()
	require.Len(t, codes, 10)
	seen := map[string]bool{}
	for _, code := range codes {
		require.Regexp(t, `^[A-Z2-7]{4}(-[A-Z2-7]{4}){3}$`, code.Text())
		require.False(t, seen[code.Text()])
		seen[code.Text()] = true
		require.Equal(t, "***", fmt.Sprint(code))
		for _, typed := range []string{code.Text(), strings.ToLower(code.Text()), strings.ReplaceAll(code.Text(), "-", " "), strings.NewReplacer("O", "0", "I", "1", "B", "8").Replace(code.Text())} {
			again, err := access.ParseRecoveryCode(typed)
			require.NoError(t, err, typed)
			require.Equal(t, code.Hash(), again.Hash())
		}
	}
	for _, bad := range []string{"", "AAAA", "AAAA-AAAA-AAAA-AAA9", strings.Repeat("A", 17), "ÄAAA-AAAA-AAAA-AAAA"} {
		_, err := access.ParseRecoveryCode(bad)
		require.ErrorIs(t, err, access.ErrRecoveryCode, bad)
	}
}
