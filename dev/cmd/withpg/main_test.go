package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// shell runs a script under withpg and returns its exit code and what withpg itself said.
func shell(t *testing.T, script string, args ...string) (int, string) {
	t.Helper()
	var complaints bytes.Buffer
	code := run(append([]string{"--", "sh", "-c", script, "sh"}, args...), make(chan os.Signal), &complaints)
	return code, complaints.String()
}

func TestWithAServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	note, goOn, gone := filepath.Join(dir, "url"), filepath.Join(dir, "go-on"), make(chan int, 1)
	go func() {
		code, said := shell(t, `printf %s "$TILLFLOW_TEST_DATABASE_URL" >"$1.part"; mv "$1.part" "$1"
			while ! test -e "$2"; do sleep 0.02; done; exit 7`, note, goOn)
		t.Log(said)
		gone <- code
	}()
	require.Eventually(t, func() bool { _, err := os.Stat(note); return err == nil }, time.Minute, 20*time.Millisecond)
	url, err := os.ReadFile(note)
	require.NoError(t, err)

	conn, err := pgx.Connect(t.Context(), string(url))
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "CREATE DATABASE from_a_test")
	require.NoError(t, err, "the role may create databases")
	require.NoError(t, conn.Close(t.Context()))

	require.NoError(t, os.WriteFile(goOn, nil, 0o600))
	require.Equal(t, 7, <-gone, "the exit code is the command's")
	_, err = pgx.Connect(t.Context(), string(url))
	require.ErrorContains(t, err, "refused", "the server is gone")
}

func TestASignalReachesTheCommand(t *testing.T) {
	t.Parallel()
	ready := filepath.Join(t.TempDir(), "ready")
	signals, gone := make(chan os.Signal), make(chan int, 1)
	var complaints bytes.Buffer
	go func() {
		script := `trap 'exit 9' TERM; touch "$1"; while :; do sleep 0.02; done`
		gone <- run([]string{"--", "sh", "-c", script, "sh", ready}, signals, &complaints)
	}()
	require.Eventually(t, func() bool { _, err := os.Stat(ready); return err == nil }, time.Minute, 20*time.Millisecond)
	signals <- syscall.SIGTERM
	require.Equal(t, 9, <-gone)
	require.Empty(t, complaints.String())
}

func TestASignalStopsTheStart(t *testing.T) {
	t.Parallel()
	signals := make(chan os.Signal, 1)
	signals <- syscall.SIGINT
	var complaints bytes.Buffer
	require.Equal(t, exitFailed, run([]string{"false"}, signals, &complaints))
	require.Contains(t, complaints.String(), "stopped by signal interrupt")
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	t.Run("a command that a signal ends counts as in a shell", func(t *testing.T) {
		t.Parallel()
		code, said := shell(t, "kill -KILL $$")
		require.Equal(t, exitSignal+int(syscall.SIGKILL), code)
		require.Empty(t, said)
	})
	t.Run("a command that does not exist is our failure", func(t *testing.T) {
		t.Parallel()
		var complaints bytes.Buffer
		require.Equal(t, exitFailed, run([]string{"/no/such/program"}, make(chan os.Signal), &complaints))
		require.Contains(t, complaints.String(), "/no/such/program")
	})
	t.Run("no command is a wrong call", func(t *testing.T) {
		t.Parallel()
		var complaints bytes.Buffer
		require.Equal(t, exitUsage, run([]string{"--"}, make(chan os.Signal), &complaints))
		require.True(t, strings.HasPrefix(complaints.String(), "usage:"))
	})
}
