package spool_test

import (
	"bytes"
	"compress/gzip"
	"mime/quotedprintable"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/privacy"
	"tillflow/internal/privacy/spool"
)

const word = "zq.canary.with.a.long.name@buyer.example"

func search(t *testing.T, f spool.Files) (logs, mails privacy.Place, err error) {
	t.Helper()
	places, err := f.SearchFiles(t.Context(), privacy.NewMatcher(privacy.Words{Sure: []string{word}}), func() error { return nil })
	if err != nil {
		return logs, mails, err
	}
	require.Len(t, places, 2)
	return places[0], places[1], nil
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestSearchFiles(t *testing.T) {
	t.Parallel()
	t.Run("nothing configured is said, and not claimed", func(t *testing.T) {
		t.Parallel()
		logs, mails, err := search(t, spool.Files{})
		require.NoError(t, err)
		require.Contains(t, logs.Skipped, "TILLFLOW_PRIVACY_LOGS")
		require.Contains(t, mails.Skipped, "TILLFLOW_PRIVACY_MAILS")
	})
	t.Run("files, folders, patterns and packed files are read; a find says where and never what", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		clean, dirty := write(t, dir, "a.log", "one\ntwo\n"), write(t, dir, "old/b.log", "x\nto "+word+"\n")
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		_, err := z.Write([]byte("to " + word))
		require.NoError(t, err)
		require.NoError(t, z.Close())
		gz := write(t, dir, "c.log.gz", packed.String())
		for files, want := range map[string][]string{
			clean: nil, dirty: {dirty + ": 1 lines"}, dir + "/*.gz": {gz + ": 1 lines"}, dir: {gz + ": 1 lines", dirty + ": 1 lines"},
		} {
			logs, _, err := search(t, spool.Files{Logs: []string{files}})
			require.NoError(t, err)
			require.ElementsMatch(t, want, logs.Where)
			require.Equal(t, len(want), logs.Found)
			require.Empty(t, logs.Skipped)
		}
	})
	t.Run("a mail wraps its lines, also inside words", func(t *testing.T) {
		t.Parallel()
		var wrapped bytes.Buffer
		q := quotedprintable.NewWriter(&wrapped)
		_, err := q.Write([]byte("This mail is about somebody whom we call by an address: " + word))
		require.NoError(t, err)
		require.NoError(t, q.Close())
		require.NotContains(t, wrapped.String(), word)
		path := write(t, t.TempDir(), "mail", wrapped.String())
		_, mails, err := search(t, spool.Files{Mails: []string{path}})
		require.NoError(t, err)
		require.Equal(t, 1, mails.Found)
	})
	t.Run("what is configured and is not there is trouble", func(t *testing.T) {
		t.Parallel()
		logs, _, err := search(t, spool.Files{Logs: []string{filepath.Join(t.TempDir(), "none")}})
		require.NoError(t, err, "nothing was written yet")
		require.Contains(t, logs.Searched, "0 files")
		_, _, err = search(t, spool.Files{Logs: []string{filepath.Join(t.TempDir(), "misspelt", "none")}})
		require.Equal(t, payment.Unavailable, payment.ClassOf(err, payment.Bug))
		_, _, err = search(t, spool.Files{Mails: []string{write(t, t.TempDir(), "broken.gz", "no gzip")}})
		require.Equal(t, payment.Unavailable, payment.ClassOf(err, payment.Bug))
	})
}
