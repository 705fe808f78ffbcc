// Package postgres runs a private PostgreSQL from the installed programs: the database of the dev stack and of tests.
// It installs the programs when they are missing and the machine allows it, works for root (PostgreSQL itself does
// not), survives its own SIGKILL and ends with the program that started it.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tillflow/dev/internal/port"
)

const (
	ip = "127.0.0.1"
	// superuser is the only role: a private server has one user.
	superuser = "tillflow"
	// startLimit bounds a start: an installation of the programs takes minutes, all the rest seconds.
	startLimit = 10 * time.Minute
	// killLimit bounds an immediate shutdown; the server itself kills its children after five seconds.
	killLimit = 20 * time.Second
)

// Options say where a server lives. Dir must be set.
type Options struct {
	// Dir keeps the cluster, the password and the log (postgres.log); it is made when it does not exist. One running
	// server per folder.
	Dir string
	// Port is the TCP port on 127.0.0.1; 0 picks a free one.
	Port int
	// PortSetting names the setting by which a person changes the port. A taken port's error mentions it.
	PortSetting string
	// Volatile trades durability for speed: the data survives Kill, but not a crash of the machine. For tests only.
	Volatile bool
	// Say is told in one line what takes long or surprises: an installation, a server left behind, an unexpected
	// place of the data. It may be nil.
	Say func(format string, args ...any)
}

// Server is a private PostgreSQL. Its methods may be called from any goroutine.
type Server struct {
	opts     Options
	cluster  cluster
	password string
	lock     *os.File

	mu   sync.Mutex
	proc *process // the current or last life of the server
}

// Start makes the cluster if there is none, starts the server and returns when it answers. ctx bounds the start only.
// State in Dir survives; a server that a killed program left on Dir is stopped first. A taken port is reported as
// *port.TakenError.
func Start(ctx context.Context, o Options) (*Server, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	s := &Server{opts: o}
	err := s.prepare(ctx)
	if err == nil {
		err = s.run(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.unlock())
	}
	return s, nil
}

// prepare does everything that comes before the server's own start.
func (s *Server) prepare(ctx context.Context) (err error) {
	if s.cluster, err = locate(ctx, s.opts); err != nil {
		return err
	}
	if s.lock, err = lockDir(s.cluster.dir); err != nil {
		return err
	}
	if err := reclaim(ctx, s.cluster.data, s.cluster.say); err != nil {
		return err
	}
	if s.opts.Port == 0 {
		free, err := port.Free(ctx, ip, 1)
		if err != nil {
			return err
		}
		s.opts.Port = free[0]
	}
	if err := s.cluster.findPrograms(ctx); err != nil {
		return err
	}
	s.password, err = s.cluster.ensure(ctx, s.opts.Volatile)
	return err
}

// URL is the connection string of a database on this server. It holds the password: do not log it.
func (s *Server) URL(database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(superuser, s.password),
		Host: port.Join(ip, s.opts.Port), Path: "/" + database,
		RawQuery: "sslmode=disable", // loopback
	}
	return u.String()
}

// AdminURL is the connection string of the database "postgres", which always exists. It holds the password.
func (s *Server) AdminURL() string { return s.URL("postgres") }

// DataDir is where the cluster's files are: below Dir, unless the user that PostgreSQL runs as cannot reach that.
func (s *Server) DataDir() string { return s.cluster.data }

// CreateDatabase makes an empty database; one that exists is left alone.
func (s *Server) CreateDatabase(ctx context.Context, name string) (err error) {
	conn, err := pgx.Connect(ctx, s.AdminURL())
	if err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	_, err = conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
	const duplicate = "42P04"
	var pg *pgconn.PgError
	if err != nil && (!errors.As(err, &pg) || pg.Code != duplicate) {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	return nil
}

// Done is closed when the server's process has ended, for whatever reason. After Restart it is another channel.
func (s *Server) Done() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proc.done
}

// Stop ends all sessions, writes a checkpoint, waits for the end and gives the folder free. A second call does nothing.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.proc.end(ctx, syscall.SIGINT); err != nil {
		return err
	}
	return s.unlock()
}

// Kill ends the server at once, without a checkpoint, as a crash of the machine would: the next start recovers from
// the log. It returns when the server is gone. The folder stays ours for Restart.
func (s *Server) Kill(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, killLimit)
	defer cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proc.end(ctx, syscall.SIGQUIT)
}

// Restart starts the server again on the same port, after an orderly stop if it still runs. It returns when the
// server answers.
func (s *Server) Restart(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.proc.end(ctx, syscall.SIGINT); err != nil {
		return err
	}
	if s.lock == nil {
		lock, err := lockDir(s.cluster.dir)
		if err != nil {
			return err
		}
		s.lock = lock
	}
	return s.run(ctx)
}

// unlock gives the folder free for another program.
func (s *Server) unlock() error {
	if s.lock == nil {
		return nil
	}
	err := s.lock.Close()
	s.lock = nil
	if err != nil {
		return fmt.Errorf("give %s free: %w", s.cluster.dir, err)
	}
	return nil
}

// lockDir takes the folder for this process until the returned file is closed or the process ends. It keeps a second
// dev stack from stopping the first one's server as a left-over.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // the caller's folder
	if err != nil {
		return nil, fmt.Errorf("lock the database folder: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s is in use by another running program: %w", dir, err), f.Close())
	}
	return f, nil
}

// Remove deletes the cluster, the password and the log of a folder, after stopping a server that was left there. It
// fails while a program uses the folder.
func Remove(ctx context.Context, o Options) error {
	if _, err := os.Stat(o.Dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	c, err := locate(ctx, o)
	if err != nil {
		return err
	}
	lock, err := lockDir(c.dir)
	if err != nil {
		return err
	}
	err = reclaim(ctx, c.data, c.say)
	if err == nil {
		err = errors.Join(os.RemoveAll(c.data), os.RemoveAll(c.dir))
	}
	return errors.Join(err, lock.Close())
}
