package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// lockFile is where a running server keeps its process id, its port and its shared memory key.
const lockFile = "postmaster.pid"

// process is one life of the server, from its start to its exit.
type process struct {
	pid  int
	done chan struct{} // closed when it has ended
	how  string        // how it ended, such as "exit status 1"; read after done
}

// launch starts cmd from a thread that lives as long as the child: Linux sends the signal of dieWithUs when the
// thread ends that started the child, not when the process does.
func launch(cmd *exec.Cmd) (*process, error) {
	dieWithUs(cmd.SysProcAttr)
	p := &process{done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		if err == nil {
			p.pid = cmd.Process.Pid
		}
		started <- err
		if err != nil {
			return
		}
		err = cmd.Wait()
		p.how = cmd.ProcessState.String()
		if cmd.ProcessState == nil {
			p.how = err.Error()
		}
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return p, nil
}

// signal sends s unless the process has ended.
func (p *process) signal(s syscall.Signal) error {
	select {
	case <-p.done:
		return nil
	default:
	}
	if err := syscall.Kill(p.pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("send %s to postgres (process %d): %w", s, p.pid, err)
	}
	return nil
}

// end sends s and waits for the exit.
func (p *process) end(ctx context.Context, s syscall.Signal) error {
	if err := p.signal(s); err != nil {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for postgres (process %d) to end: %w", p.pid, ctx.Err())
	}
}

// orphan returns the process id of a server that runs on dataDir although nobody of us started it: the process that
// held the folder was killed and could not take its server along. 0 means there is none.
func orphan(ctx context.Context, dataDir string) (int, error) {
	content, err := os.ReadFile(filepath.Join(dataDir, lockFile)) //nolint:gosec // our own folder
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look for a running server: %w", err)
	}
	pid := processID(string(content))
	if pid == 0 {
		return 0, nil
	}
	args, err := commandLine(ctx, pid)
	if err != nil {
		return 0, err
	}
	if !strings.Contains(args, dataDir) {
		return 0, nil
	}
	return pid, nil
}

// processID reads the first line of a lock file, as 0 when it was cut off while it was written.
func processID(content string) int {
	first, _, whole := strings.Cut(content, "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil || !whole || pid <= 1 {
		return 0
	}
	return pid
}

// commandLine returns the arguments of a process, empty when there is no such process.
func commandLine(ctx context.Context, pid int) (string, error) {
	if runtime.GOOS == "linux" {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) //nolint:gosec // a number
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			return "", nil
		}
		if err != nil {
			return "", fmt.Errorf("read the command line of process %d: %w", pid, err)
		}
		return string(bytes.ReplaceAll(b, []byte{0}, []byte{' '})), nil
	}
	out, err := exec.CommandContext(ctx, "ps", "-o", "args=", "-p", strconv.Itoa(pid)).Output() //nolint:gosec // a number
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the command line of process %d: %w", pid, err)
	}
	return string(out), nil
}

// reclaim ends a server that an earlier run left behind.
func reclaim(ctx context.Context, dataDir string, say func(string, ...any)) error {
	pid, err := orphan(ctx, dataDir)
	if err != nil {
		return err
	}
	if pid == 0 {
		return disown(dataDir)
	}
	say("stopping PostgreSQL (process %d), which an earlier run left behind", pid)
	if err := syscall.Kill(pid, syscall.SIGINT); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stop the server of an earlier run (process %d): %w", pid, err)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if still, err := orphan(ctx, dataDir); err != nil || still == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("stop the server of an earlier run (process %d): %w", pid, ctx.Err())
		case <-tick.C:
		}
	}
}

// disown rewrites the lock file that a killed server left. By now its process id may belong to another program of the
// same user, and postgres would refuse to start beside it; it does not mind the id of its own parent. The rest of the
// file stays: from it postgres sees whether children of the killed server still work on the data.
func disown(dataDir string) error {
	path := filepath.Join(dataDir, lockFile)
	content, err := os.ReadFile(path) //nolint:gosec // our own folder
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the lock file of an earlier run: %w", err)
	}
	_, rest, _ := strings.Cut(string(content), "\n")
	if rest == "" {
		err = os.Remove(path) // a cut off file: nothing started on the data after it was created
	} else {
		err = os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"+rest), 0o600) //nolint:gosec // our own folder
	}
	if err != nil {
		return fmt.Errorf("clear the lock file of an earlier run: %w", err)
	}
	return nil
}
