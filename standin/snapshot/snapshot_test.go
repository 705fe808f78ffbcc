package snapshot_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/standin/snapshot"
)

type books struct {
	Format int `json:"format"`
	Sold   int `json:"sold"`
}

func TestSnapshot(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "books.json")
	got := books{Sold: 1}
	require.NoError(t, snapshot.Read("", 3, &got))
	require.NoError(t, snapshot.Read(path, 3, &got))
	require.Equal(t, books{Sold: 1}, got, "no file changes nothing")

	require.NoError(t, snapshot.Write(path, []byte(`{"format":3,"sold":7}`)))
	require.NoError(t, snapshot.Read(path, 3, &got))
	require.Equal(t, books{Format: 3, Sold: 7}, got)
	require.ErrorContains(t, snapshot.Read(path, 4, &got), "has format 3, this program reads 4")

	full := errors.New("the disk is full")
	require.ErrorIs(t, snapshot.Replace(path, func(w io.Writer) error {
		_, err := io.WriteString(w, `{"format":3,`)
		return errors.Join(err, full)
	}), full)
	require.NoError(t, snapshot.Read(path, 3, &got), "what failed left the file as it was")
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, left, 1, "and nothing beside it")

	require.NoError(t, snapshot.Write(path, []byte(`{"format":`)))
	require.ErrorContains(t, snapshot.Read(path, 3, &got), "unexpected end")
}
