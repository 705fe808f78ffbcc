package postgres

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func startIn(t *testing.T, dir string) *Server {
	t.Helper()
	s, err := Start(t.Context(), Options{Dir: dir, Volatile: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop(context.Background())) })
	return s
}

func reachable(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o711))
	return dir
}

// TestMain lets the test binary be a program that starts a server and waits to be killed.
func TestMain(m *testing.M) {
	dir := os.Getenv("TILLFLOW_TEST_VICTIM")
	if dir == "" {
		os.Exit(m.Run())
	}
	s, err := Start(context.Background(), Options{Dir: dir, Volatile: true})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(s.proc.pid)
	select {}
}

func TestTheServerOfAKilledProgram(t *testing.T) {
	t.Parallel()
	dir := reachable(t)
	victim := exec.CommandContext(t.Context(), os.Args[0])
	victim.Env = append(os.Environ(), "TILLFLOW_TEST_VICTIM="+dir)
	out, err := victim.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, victim.Start())
	var pid int
	_, err = fmt.Fscan(out, &pid)
	require.NoError(t, err)
	require.NoError(t, victim.Process.Kill())
	_ = victim.Wait() // it was killed

	if runtime.GOOS == "linux" {
		require.Eventually(t, func() bool {
			args, err := commandLine(t.Context(), pid)
			return err == nil && args == ""
		}, 20*time.Second, 10*time.Millisecond, "the kernel ends it with its parent")
	}
	startIn(t, dir)
}

func TestLeftovers(t *testing.T) {
	t.Parallel()
	dir := reachable(t)
	whole := t // a server lives longer than the step that started it
	s := startIn(whole, dir)
	t.Run("a server that nobody holds is stopped and the folder taken over", func(t *testing.T) {
		require.NoError(t, s.unlock()) // as if this process were gone
		var said []string
		next, err := Start(t.Context(), Options{Dir: dir, Volatile: true, Say: func(f string, a ...any) {
			said = append(said, fmt.Sprintf(f, a...))
		}})
		require.NoError(t, err)
		<-s.Done()
		require.NotEqual(t, s.proc.pid, next.proc.pid)
		require.Contains(t, said[0], "left behind")
		s = next
	})
	t.Run("a main process that was killed with SIGKILL does not keep the next from starting", func(t *testing.T) {
		require.NoError(t, s.proc.end(t.Context(), syscall.SIGKILL))
		require.NoError(t, s.Restart(t.Context()))
	})
	t.Run("a lock file whose process id went to another program is no obstacle", func(t *testing.T) {
		lock, err := os.ReadFile(filepath.Join(s.DataDir(), lockFile))
		require.NoError(t, err)
		require.NoError(t, s.Stop(t.Context()))
		other := s.cluster.owner.command(t.Context(), "sleep", "60")
		require.NoError(t, other.Start())
		_, rest, _ := strings.Cut(string(lock), "\n")
		stale := filepath.Join(s.DataDir(), lockFile)
		require.NoError(t, os.WriteFile(stale, fmt.Appendf(nil, "%d\n%s", other.Process.Pid, rest), 0o600))
		require.NoError(t, s.cluster.owner.give(stale))
		s = startIn(whole, dir)
		require.NoError(t, other.Process.Signal(syscall.Signal(0)), "and the other program runs on")
		require.NoError(t, other.Process.Kill())
		_ = other.Wait() // it was killed
	})
	t.Run("a cut off lock file is no obstacle", func(t *testing.T) {
		require.NoError(t, s.Stop(t.Context()))
		require.NoError(t, os.WriteFile(filepath.Join(s.DataDir(), lockFile), []byte("12"), 0o600))
		s = startIn(whole, dir)
	})
	t.Run("a cluster whose making was interrupted is made anew", func(t *testing.T) {
		require.NoError(t, s.Stop(t.Context()))
		require.NoError(t, os.Remove(filepath.Join(dir, "password"))) // it is written last
		s = startIn(whole, dir)
	})
	t.Run("a start that fails tells the reason and gives the folder free", func(t *testing.T) {
		require.NoError(t, s.Stop(t.Context()))
		control := filepath.Join(s.DataDir(), "global", "pg_control")
		require.NoError(t, os.Rename(control, control+".away"))
		_, err := Start(t.Context(), Options{Dir: dir, Volatile: true})
		require.ErrorContains(t, err, "pg_control", "what the log says")
		require.NoError(t, os.Rename(control+".away", control))
		s = startIn(whole, dir)
	})
	t.Run("a password that is not the cluster's is told and not tried for ever", func(t *testing.T) {
		require.NoError(t, s.Stop(t.Context()))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "password"), []byte("another\n"), 0o600))
		_, err := Start(t.Context(), Options{Dir: dir, Volatile: true})
		require.ErrorContains(t, err, "does not let us in")
	})
}
