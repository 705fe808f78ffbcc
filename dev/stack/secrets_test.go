package stack

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSecretsAreKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := loadSecrets(dir)
	require.NoError(t, err)
	require.NotEmpty(t, first.AdminSecret)
	second, err := loadSecrets(dir)
	require.NoError(t, err)
	require.Equal(t, first, second)
}

func TestAFolderFromBeforeTheSecondAppGetsItsSecret(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	before, err := loadSecrets(dir)
	require.NoError(t, err)
	before.AdminSecret = ""
	text, err := json.Marshal(before)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "secrets.json"), text, 0o600))

	first, err := loadSecrets(dir)
	require.NoError(t, err)
	require.NotEmpty(t, first.AdminSecret)
	second, err := loadSecrets(dir)
	require.NoError(t, err)
	require.Equal(t, first, second, "it is made once")
	first.AdminSecret = ""
	require.Equal(t, before, first, "the others stay: rows are sealed with them")
}
