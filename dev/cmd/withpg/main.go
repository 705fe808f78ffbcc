// Command withpg runs a command with a throw-away PostgreSQL and ends with its exit code:
//
//	withpg -- go test ./...
//
// The command finds the address of the database "postgres", with the right to create others, in the environment as
// TILLFLOW_TEST_DATABASE_URL. The server is gone when the command ends. Nothing of it is durable.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"tillflow/dev/postgres"
)

// variable names the environment variable that the command reads.
const variable = "TILLFLOW_TEST_DATABASE_URL"

// Exit codes of our own; everything else is the command's.
const (
	exitUsage  = 2
	exitFailed = 125
	exitSignal = 128 // plus the number of the signal that ended the command
)

// stopLimit bounds the end of the server.
const stopLimit = 30 * time.Second

func main() {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	os.Exit(run(os.Args[1:], signals, os.Stderr))
}

// run returns the exit code.
func run(args []string, signals <-chan os.Signal, complain io.Writer) int {
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		fmt.Fprintln(complain, "usage: withpg -- command [argument ...]")
		return exitUsage
	}
	code, err := with(args, signals, complain)
	if err != nil {
		fmt.Fprintln(complain, "withpg:", err)
	}
	return code
}

// with runs the command beside a server. An error of ours never hides a failure of the command, and makes a failure
// of its success.
func with(args []string, signals <-chan os.Signal, complain io.Writer) (code int, err error) {
	dir, err := os.MkdirTemp("", "tillflow-pg-")
	if err != nil {
		return exitFailed, fmt.Errorf("make a folder for the server: %w", err)
	}
	o := postgres.Options{
		Dir: dir, Volatile: true,
		Say: func(format string, a ...any) { fmt.Fprintf(complain, "withpg: "+format+"\n", a...) },
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
		defer cancel()
		if rm := postgres.Remove(ctx, o); rm != nil {
			code, err = max(code, 1), errors.Join(err, rm)
		}
	}()
	// The server's user has to pass through; MkdirTemp closes the folder to others.
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // see above
		return exitFailed, fmt.Errorf("open the folder of the server: %w", err)
	}
	server, err := startUnless(signals, o)
	if err != nil {
		return exitFailed, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
		defer cancel()
		if stop := server.Stop(ctx); stop != nil {
			code, err = max(code, 1), errors.Join(err, stop)
		}
	}()
	return execute(args, server.AdminURL(), signals)
}

// startUnless starts the server, or gives up at the first signal.
func startUnless(signals <-chan os.Signal, o postgres.Options) (*postgres.Server, error) {
	ctx, cancel := context.WithCancelCause(context.Background())
	started, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case s := <-signals:
			cancel(fmt.Errorf("stopped by signal %s", s))
		case <-started:
		}
	}()
	server, err := postgres.Start(ctx, o)
	close(started)
	<-watched
	if stopped := context.Cause(ctx); stopped != nil && err == nil {
		err = server.Stop(context.WithoutCancel(ctx)) // the signal came in the last moment
	}
	err = errors.Join(context.Cause(ctx), err)
	cancel(nil)
	if err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	return server, nil
}

// execute runs the command without input and hands on signals to all of its processes.
func execute(args []string, url string, signals <-chan os.Signal) (int, error) {
	cmd := exec.CommandContext(context.Background(), args[0], args[1:]...) //nolint:gosec // what we were asked to run
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), variable+"="+url)
	// A group of its own, so that every process gets a signal once: from us, and not from the terminal as well.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return exitFailed, fmt.Errorf("run %s: %w", args[0], err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			number, ok := s.(syscall.Signal)
			if err := syscall.Kill(-cmd.Process.Pid, number); !ok || (err != nil && !errors.Is(err, syscall.ESRCH)) {
				return exitFailed, fmt.Errorf("hand on signal %s: %w", s, err)
			}
		case err := <-ended:
			return exitCode(err)
		}
	}
}

// exitCode tells how the command ended, in the way of a shell.
func exitCode(err error) (int, error) {
	if err == nil {
		return 0, nil
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return exitFailed, fmt.Errorf("wait for the command: %w", err)
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return exitSignal + int(status.Signal()), nil
	}
	return exit.ExitCode(), nil
}
