package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Child is the service, or a part of it, in a process of its own.
type Child struct {
	cmd  *exec.Cmd
	done chan error
	log  *os.File
}

// Binary is the built tillflow program: TILLFLOW_BIN, else what the Makefile
// builds beside the running program.
func Binary() (string, error) {
	if path := os.Getenv("TILLFLOW_BIN"); path != "" {
		return path, nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	path := filepath.Join(filepath.Dir(self), "tillflow")
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("the service's program is missing, build it with `make build`: %w", err)
	}
	return path, nil
}

// Spawn runs tillflow with a subcommand (all, serve or worker) against this
// stack. Further settings are TILLFLOW_ names without the prefix.
func (s *Stack) Spawn(ctx context.Context, command string, settings map[string]string) (*Child, error) {
	binary, err := Binary()
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(s.opts.Dir, "service.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(binary, command) //nolint:gosec,noctx // our own program; it outlives the call and is stopped by Stop
	cmd.Env = append(os.Environ(), s.Env()...)
	for name, value := range settings {
		cmd.Env = append(cmd.Env, "TILLFLOW_"+name+"="+value)
	}
	cmd.Stdout, cmd.Stderr = log, log
	dieWithUs(cmd)
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start tillflow %s: %w", command, err), log.Close())
	}
	c := &Child{cmd: cmd, done: make(chan error, 1), log: log}
	go func() { c.done <- cmd.Wait() }()
	if command == "worker" {
		return c, nil
	}
	if err := s.AwaitService(ctx, c.done); err != nil {
		return nil, errors.Join(err, c.Kill())
	}
	return c, nil
}

// PID is the process id.
func (c *Child) PID() int { return c.cmd.Process.Pid }

// Kill ends the process as a crash does, with SIGKILL.
func (c *Child) Kill() error { return c.end(syscall.SIGKILL) }

// Stop ends it as a deployment does, with SIGTERM.
func (c *Child) Stop() error { return c.end(syscall.SIGTERM) }

func (c *Child) end(sig syscall.Signal) error {
	if err := c.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case err := <-c.done:
		// A process that was killed says so; that is what was asked.
		if _, killed := errors.AsType[*exec.ExitError](err); err != nil && !killed {
			return errors.Join(err, c.log.Close())
		}
	case <-time.After(time.Minute):
		return errors.Join(fmt.Errorf("process %d does not end", c.PID()), c.cmd.Process.Kill(), c.log.Close())
	}
	return c.log.Close()
}

// Command runs one of the operator's commands of tillflow against this stack
// and answers what it printed.
func (s *Stack) Command(ctx context.Context, args ...string) (string, error) {
	binary, err := Binary()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, binary, args...) //nolint:gosec // our own program
	cmd.Env = append(os.Environ(), s.Env()...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("tillflow %v: %w: %s", args, err, out)
	}
	return string(out), nil
}
