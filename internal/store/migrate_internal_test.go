package store

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func TestReadMigrations(t *testing.T) {
	t.Parallel()
	t.Run("ours are numbered once, without gaps", func(t *testing.T) {
		t.Parallel()
		all, err := readMigrations(migrationFiles)
		require.NoError(t, err)
		for i, m := range all {
			require.Equal(t, i+1, m.number, m.name)
		}
	})
	t.Run("they are read in the order of their numbers", func(t *testing.T) {
		t.Parallel()
		all, err := readMigrations(fstest.MapFS{
			"migrations/010_b.sql": {Data: []byte("b")}, "migrations/002_a.sql": {Data: []byte("a")},
		})
		require.NoError(t, err)
		require.Equal(t, []string{"002_a.sql", "010_b.sql"}, []string{all[0].name, all[1].name})
	})
	for rule, files := range map[string][]string{
		"a number given twice": {"001_a.sql", "001_b.sql"},
		"a short number":       {"1_a.sql"},
		"no number":            {"abc_a.sql"},
		"no name":              {"001.sql"},
		"number zero":          {"000_a.sql"},
	} {
		t.Run(rule+" is refused", func(t *testing.T) {
			t.Parallel()
			fs := fstest.MapFS{}
			for _, f := range files {
				fs["migrations/"+f] = &fstest.MapFile{}
			}
			_, err := readMigrations(fs)
			require.Error(t, err)
		})
	}
}
