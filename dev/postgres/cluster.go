package postgres

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tillflow/dev/internal/port"
)

// cluster is a PostgreSQL data folder, who owns it and with which programs it is opened.
type cluster struct {
	dir      string // Options.Dir: password, log, lock
	data     string
	owner    owner
	programs binaries
	say      func(string, ...any)
}

// locate finds the place of the cluster that belongs to a folder.
func locate(ctx context.Context, o Options) (cluster, error) {
	if o.Dir == "" {
		return cluster{}, errors.New("a private PostgreSQL needs a folder")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return cluster{}, fmt.Errorf("find the database folder: %w", err)
	}
	// Others may pass through to the data, which is closed to them by its own mode; so is the password.
	if err := os.MkdirAll(dir, 0o711); err != nil { //nolint:gosec // see above
		return cluster{}, fmt.Errorf("make the database folder: %w", err)
	}
	c := cluster{dir: dir, data: filepath.Join(dir, "data"), say: o.Say}
	if c.say == nil {
		c.say = func(string, ...any) {}
	}
	if c.owner, err = ownerOf(c.data); err != nil || c.exists() {
		return c, err
	}
	if c.data, err = c.owner.home(ctx, dir); err != nil {
		return c, err
	}
	c.owner, err = ownerOf(c.data)
	return c, err
}

// exists tells whether the cluster has been made, perhaps not to the end.
func (c *cluster) exists() bool {
	_, err := os.Stat(filepath.Join(c.data, "PG_VERSION"))
	return err == nil
}

// findPrograms looks for an installed server, and installs one if there is none.
func (c *cluster) findPrograms(ctx context.Context) error {
	b, err := choose(find(ctx, places()), c.data)
	if errors.Is(err, errNoBinaries) {
		if err := thisMachine(c.say).install(ctx); err != nil {
			return err
		}
		if c.owner, err = ownerOf(c.data); err != nil { // the package brings a user of its own
			return err
		}
		b, err = choose(find(ctx, places()), c.data)
	}
	if err != nil {
		return err
	}
	c.programs = b
	return nil
}

// ensure makes the cluster unless it exists, and returns its password. The password file is written last: a folder
// without one has no cluster that anybody could use, and what is there is thrown away.
func (c *cluster) ensure(ctx context.Context, volatile bool) (string, error) {
	file := filepath.Join(c.dir, "password")
	content, err := os.ReadFile(file) //nolint:gosec // our own folder
	if err == nil && c.exists() {
		return strings.TrimSpace(string(content)), nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("read the database password: %w", err)
	}
	if err := os.RemoveAll(c.data); err != nil {
		return "", fmt.Errorf("clear an unfinished cluster: %w", err)
	}
	if filepath.Dir(c.data) != c.dir {
		c.say("PostgreSQL runs as user %s, who cannot enter %s; its data is in %s", c.owner.name, c.dir, c.data)
	}
	password := rand.Text()
	if err := c.create(ctx, password, volatile); err != nil {
		return "", errors.Join(err, os.RemoveAll(c.data))
	}
	if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keep the database password: %w", err)
	}
	return password, nil
}

// create runs initdb.
func (c *cluster) create(ctx context.Context, password string, volatile bool) error {
	// Everything that the owner has to read or write lies in the data folder's parent under a name of its own.
	secret := c.data + ".password"
	if err := os.WriteFile(secret, []byte(password+"\n"), 0o600); err != nil {
		return fmt.Errorf("make a cluster: %w", err)
	}
	defer os.Remove(secret) //nolint:errcheck // a second failure; the folder is ours and the file is closed to others
	if err := os.Mkdir(c.data, 0o700); err != nil {
		return fmt.Errorf("make a cluster: %w", err)
	}
	for _, path := range []string{secret, c.data} {
		if err := c.owner.give(path); err != nil {
			return fmt.Errorf("give the cluster to %s: %w", c.owner.name, err)
		}
	}
	args := []string{
		"--pgdata=" + c.data, "--username=" + superuser, "--pwfile=" + secret,
		"--auth-host=scram-sha-256", "--auth-local=reject",
		"--encoding=UTF8", "--locale=C", // sorts alike on every machine
		"--no-instructions",
	}
	if volatile {
		args = append(args, "--no-sync")
	}
	var out bytes.Buffer
	cmd := c.owner.command(ctx, c.programs.path("initdb"), args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("make a cluster with %s: %w: %s", cmd.Path, err, lastLines(out.String(), 5))
	}
	return nil
}

// settings are the server's parameters. They are given at each start, so that old clusters follow.
func (o Options) settings() map[string]string {
	s := map[string]string{
		"listen_addresses":        ip,
		"port":                    strconv.Itoa(o.Port),
		"unix_socket_directories": "", // the path of a socket may be no longer than 107 bytes; folders of tests are
		"max_connections":         "200",
		"shared_buffers":          "128MB",
		"max_wal_size":            "1GB",
		"timezone":                "UTC",
		"log_timezone":            "UTC",
		"log_line_prefix":         "%m [%p] %q%u@%d ",
		// Statements and the details of errors contain values; the log must hold no personal data.
		"log_min_error_statement": "panic",
		"log_error_verbosity":     "terse",
	}
	if o.Volatile {
		s["fsync"], s["full_page_writes"] = "off", "off"
	}
	return s
}

// run starts the server on the cluster and returns when it answers.
func (s *Server) run(ctx context.Context) error {
	if err := port.Check(ctx, port.Join(ip, s.opts.Port), "PostgreSQL", s.opts.PortSetting); err != nil {
		return err
	}
	for {
		err := s.try(ctx)
		if !errors.Is(err, errStillBusy) || ctx.Err() != nil {
			return err
		}
	}
}

// errStillBusy says that children of a server that was killed still work on the data; they end within moments.
var errStillBusy = errors.New("children of a killed server still use the cluster")

func (s *Server) try(ctx context.Context) error {
	path := filepath.Join(s.cluster.dir, "postgres.log")
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600) //nolint:gosec // the caller's folder
	if err != nil {
		return fmt.Errorf("open the database log: %w", err)
	}
	defer log.Close() //nolint:errcheck // the server has a descriptor of its own
	before, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("open the database log: %w", err)
	}
	args := []string{"-D", s.cluster.data}
	for name, value := range s.opts.settings() {
		args = append(args, "-c", name+"="+value)
	}
	// The server outlives ctx, which bounds its start only.
	cmd := s.cluster.owner.command(context.WithoutCancel(ctx), s.cluster.programs.path("postgres"), args...)
	cmd.Stdout, cmd.Stderr = log, log
	p, err := launch(cmd)
	if err != nil {
		return err
	}
	s.proc = p
	err = s.answers(ctx, p)
	if err == nil {
		return nil
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), killLimit)
	defer cancel()
	err = errors.Join(err, p.end(stop, syscall.SIGQUIT))
	written, readErr := os.ReadFile(path) //nolint:gosec // the file above
	if readErr != nil {
		return errors.Join(err, fmt.Errorf("read the database log: %w", readErr))
	}
	said := string(written[min(int(before), len(written)):])
	if strings.Contains(said, "pre-existing shared memory block") {
		err = errors.Join(errStillBusy, err)
	}
	return fmt.Errorf("start PostgreSQL: %w; %s says: %s", err, path, lastLines(said, 5))
}

// answers returns nil when the server takes connections, and an error when it ended or ctx did.
func (s *Server) answers(ctx context.Context, p *process) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, s.AdminURL())
		if err == nil {
			return conn.Close(ctx)
		}
		const starting = "57P03"
		var pg *pgconn.PgError
		if errors.As(err, &pg) && pg.Code != starting {
			return fmt.Errorf("it does not let us in: %w", err)
		}
		select {
		case <-p.done:
			return fmt.Errorf("it ended at once: %s", p.how)
		case <-ctx.Done():
			return fmt.Errorf("it does not answer (%w): %w", err, ctx.Err())
		case <-tick.C:
		}
	}
}
