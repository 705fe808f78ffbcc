package chaoskill

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"tillflow/dev/stack"
)

// restartAfter is how long the supervisor waits when a process ended by itself, as one does whose database is away
// at its start.
const restartAfter = 300 * time.Millisecond

// process is one process of the service under a supervisor that starts it again whenever it has ended.
type process struct {
	name    string // "api 1"
	role    string // the subcommand: serve or worker
	env     []string
	ready   string // address of an api's pages and of /readyz; empty for a worker
	session string // address of an api's sessions
	log     *os.File
	binary  string

	stop  context.CancelFunc
	ended chan error // the supervisor's last word

	mu     sync.Mutex
	cmd    *exec.Cmd // nil while none runs
	pause  time.Duration
	killed bool
	exits  []int // codes of processes that ended without being killed
}

// newProcess prepares a process and does not start it.
func newProcess(dir, name, role string, env []string) (*process, error) {
	binary, err := stack.Binary()
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) //nolint:gosec // our own folder
	if err != nil {
		return nil, err
	}
	return &process{name: name, role: role, env: env, log: log, binary: binary, ended: make(chan error, 1)}, nil
}

// run starts the supervisor. ctx gives it values only.
func (p *process) run(ctx context.Context) {
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	p.stop = stop
	go func() { p.ended <- p.supervise(life) }()
}

func (p *process) supervise(life context.Context) error {
	for life.Err() == nil {
		cmd := exec.Command(p.binary, p.role) //nolint:gosec,noctx // our own program; the supervisor ends it
		cmd.Env = append(os.Environ(), p.env...)
		cmd.Stdout, cmd.Stderr = p.log, p.log
		dieWithUs(cmd)
		if err := p.start(cmd); err != nil {
			return fmt.Errorf("start %s: %w", p.name, err)
		}
		done := context.AfterFunc(life, func() { _ = cmd.Process.Kill() }) // it may just have ended
		err := cmd.Wait()
		done()
		wait(life, p.note(err))
	}
	return p.log.Close()
}

func (p *process) start(cmd *exec.Cmd) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return err
	}
	p.cmd, p.killed, p.pause = cmd, false, restartAfter
	return nil
}

// note keeps how a process ended and answers the pause before the next one.
func (p *process) note(err error) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cmd = nil
	if !p.killed {
		code := 0
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			code = exit.ExitCode()
		}
		p.exits = append(p.exits, code)
	}
	return p.pause
}

// kill ends the process with SIGKILL; the supervisor starts the next one after the pause. It reports whether there
// was one to kill.
func (p *process) kill(pause time.Duration) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil || p.killed {
		return false, nil
	}
	if err := p.cmd.Process.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return false, fmt.Errorf("kill %s: %w", p.name, err)
	}
	p.killed, p.pause = true, pause
	return true, nil
}

// close ends the supervisor and what it runs.
func (p *process) close() error {
	p.mu.Lock()
	p.killed = true
	p.mu.Unlock()
	p.stop()
	return <-p.ended
}

// crashes counts processes that ended as a Go program does that panics or finds itself broken. Ending in order, such
// as at a start without database, is no crash.
func (p *process) crashes() int {
	const broken = 2 // the runtime's exit code
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, code := range p.exits {
		if code == broken || code < 0 { // below zero: by a signal that was not ours
			n++
		}
	}
	return n
}

// running tells whether there is a process.
func (p *process) running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd != nil && !p.killed
}

// awaitReady waits until the process runs and, where it serves, answers.
func (p *process) awaitReady(ctx context.Context) error {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		if p.running() && (p.ready == "" || answers(ctx, client, p.ready)) {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s does not come up, see its log: %w", p.name, ctx.Err())
		}
		wait(ctx, 50*time.Millisecond)
	}
}

func answers(ctx context.Context, client *http.Client, addr string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusNoContent
}
