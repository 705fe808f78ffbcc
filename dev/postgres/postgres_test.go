package postgres_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tillflow/dev/postgres"
)

// folder returns a folder that the unprivileged user reaches whom root lends PostgreSQL.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o711))
	return dir
}

func start(t *testing.T, o postgres.Options) *postgres.Server {
	t.Helper()
	o.Volatile = true
	s, err := postgres.Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Kill(context.Background()) })
	return s
}

// one runs a statement that returns one value of type T.
func one[T any](t *testing.T, url, sql string, args ...any) T {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	var x T
	require.NoError(t, conn.QueryRow(t.Context(), sql, args...).Scan(&x))
	return x
}

func exec(t *testing.T, url, sql string, args ...any) error {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), sql, args...)
	return err
}

func TestServer(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	s := start(t, postgres.Options{Dir: dir})
	require.NoError(t, s.CreateDatabase(t.Context(), `odd "name`))
	require.NoError(t, s.CreateDatabase(t.Context(), `odd "name`), "an existing database is left alone")
	url := s.URL(`odd "name`)
	require.NoError(t, exec(t, url, "CREATE TABLE kept (x text PRIMARY KEY)"))
	require.NoError(t, exec(t, url, "INSERT INTO kept VALUES ($1)", "before the crash"))

	require.NoError(t, s.Kill(t.Context()))
	<-s.Done()
	_, err := pgx.Connect(t.Context(), url)
	require.ErrorContains(t, err, "refused")
	require.NoError(t, s.Restart(t.Context()))
	require.Equal(t, 1, one[int](t, url, "SELECT count(*) FROM kept"), "committed rows survive a crash")

	before := one[int](t, url, "SELECT extract(epoch FROM pg_postmaster_start_time())::int")
	require.NoError(t, s.Restart(t.Context()), "a running server is stopped first")
	require.GreaterOrEqual(t, one[int](t, url, "SELECT extract(epoch FROM pg_postmaster_start_time())::int"), before)

	require.Error(t, exec(t, url, "INSERT INTO kept VALUES ('before the crash')"))
	require.Error(t, exec(t, url, "SELECT 'nobody@example.com'::int"))
	log, err := os.ReadFile(filepath.Join(dir, "postgres.log"))
	require.NoError(t, err)
	require.Contains(t, string(log), "duplicate key")
	require.NotContains(t, string(log), "before the crash", "details hold values")
	require.NotContains(t, string(log), "SELECT '", "statements hold values")

	require.NoError(t, s.Stop(t.Context()))
	require.NoError(t, s.Stop(t.Context()), "a second stop does nothing")
	again := start(t, postgres.Options{Dir: dir})
	require.Equal(t, 1, one[int](t, again.URL(`odd "name`), "SELECT count(*) FROM kept"), "state survives a restart")

	t.Run("the password is needed and private", func(t *testing.T) {
		config, err := pgx.ParseConfig(again.AdminURL())
		require.NoError(t, err)
		config.Password = "guessed"
		_, err = pgx.ConnectConfig(t.Context(), config)
		require.ErrorContains(t, err, "28P01")
		info, err := os.Stat(filepath.Join(dir, "password"))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	})
	t.Run("a second program is refused the folder", func(t *testing.T) {
		_, err := postgres.Start(t.Context(), postgres.Options{Dir: dir})
		require.ErrorContains(t, err, "in use by another running program")
		require.ErrorContains(t, postgres.Remove(t.Context(), postgres.Options{Dir: dir}), "in use")
		require.Equal(t, 1, one[int](t, again.AdminURL(), "SELECT 1"), "and the first one's server runs on")
	})
}

func TestDurableByDefault(t *testing.T) {
	t.Parallel()
	s, err := postgres.Start(t.Context(), postgres.Options{Dir: folder(t)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop(context.Background())) })
	for setting, want := range map[string]string{
		"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "max_connections": "200", "TimeZone": "UTC",
	} {
		require.Equal(t, want, one[string](t, s.AdminURL(), "SELECT current_setting($1)", setting), setting)
	}
}

func TestATakenPortIsNamedWithItsSetting(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	_, err = postgres.Start(t.Context(), postgres.Options{
		Dir: folder(t), Port: l.Addr().(*net.TCPAddr).Port, PortSetting: "DEV_POSTGRES_PORT", Volatile: true,
	})
	require.ErrorContains(t, err, l.Addr().String())
	require.ErrorContains(t, err, "DEV_POSTGRES_PORT")
}

func TestAPlaceThatTheServersUserCannotReach(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root runs the server as somebody else")
	}
	dir := filepath.Join(t.TempDir(), "closed")
	require.NoError(t, os.Mkdir(dir, 0o700))
	var said []string
	o := postgres.Options{Dir: dir, Volatile: true, Say: func(format string, args ...any) {
		said = append(said, fmt.Sprintf(format, args...))
	}}
	s, err := postgres.Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, postgres.Remove(context.Background(), o)) })
	require.NotContains(t, s.DataDir(), dir)
	require.Contains(t, said[0], s.DataDir(), "the unexpected place is told")
	require.NoError(t, s.CreateDatabase(t.Context(), "kept"))
	require.NoError(t, s.Stop(t.Context()))

	s, err = postgres.Start(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, 1, one[int](t, s.URL("kept"), "SELECT 1"))
	require.NoError(t, s.Stop(t.Context()))

	require.NoError(t, os.RemoveAll(dir))
	s, err = postgres.Start(t.Context(), o)
	require.NoError(t, err)
	_, err = pgx.Connect(t.Context(), s.URL("kept"))
	require.ErrorContains(t, err, "3D000", "a deleted folder is a fresh start, wherever the data was")
	require.NoError(t, s.Stop(t.Context()))
}

func TestRemove(t *testing.T) {
	t.Parallel()
	o := postgres.Options{Dir: filepath.Join(folder(t), "pg"), Volatile: true}
	require.NoError(t, postgres.Remove(t.Context(), o), "there is nothing yet")
	s, err := postgres.Start(t.Context(), o)
	require.NoError(t, err)
	require.NoError(t, s.Stop(t.Context()))
	require.NoError(t, postgres.Remove(t.Context(), o))
	require.NoDirExists(t, o.Dir)
	require.NoDirExists(t, s.DataDir())
}
