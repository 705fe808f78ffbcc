// Package storetest gives tests the record on a real PostgreSQL. A test process
// migrates one database and copies it for each test, since a copy takes a tenth
// of the time. The test package ends with
//
//	func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }
package storetest

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/internal/crypt"
	"tillflow/internal/store"
)

// variable holds the administrator's URL; cmd/withpg of the development stack sets it.
const variable = "TILLFLOW_TEST_DATABASE_URL"

// What follows belongs to the process, because its template does.
var (
	prefix = "tillflow_test_" + strings.ToLower(rand.Text()) + "_" // of every database that this process makes
	copies atomic.Int64
	server = sync.OnceValues(connect)
	// template is the migrated database that all others are copied from.
	template = sync.OnceValues(migrate)
	shared   = sync.OnceValues(func() (string, error) { return duplicate(context.Background(), "shared") })
)

// admin is the administrator at the server. The pool is everybody's: a
// connection of one's own costs more than the statement it is for.
type admin struct {
	url  *url.URL
	pool *pgxpool.Pool
}

func connect() (*admin, error) {
	u, err := url.Parse(os.Getenv(variable))
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("set %s to an administrator's URL of a PostgreSQL 15 or later, or run `make test`, which starts one", variable)
	}
	pool, err := pgxpool.New(context.Background(), u.String())
	return &admin{u, pool}, err
}

// at is the address of a database.
func (a *admin) at(name string) string {
	u := *a.url
	u.Path = "/" + name
	return u.String()
}

func (a *admin) run(ctx context.Context, statement string) error {
	_, err := a.pool.Exec(ctx, statement)
	return err
}

func migrate() (string, error) {
	a, err := server()
	if err != nil {
		return "", err
	}
	ctx, name := context.Background(), prefix+"template"
	if err := a.run(ctx, "CREATE DATABASE "+name); err != nil {
		return "", err
	}
	s, err := store.Open(ctx, a.at(name), store.Options{Now: time.Now, Vault: crypt.NewVault(&crypt.Keyring{}), Log: zerolog.Nop()})
	if err != nil {
		return "", err
	}
	defer s.Close() // one that is in use cannot be copied
	return name, s.Migrate(ctx)
}

func duplicate(ctx context.Context, suffix string) (string, error) {
	source, err := template()
	if err != nil {
		return "", err
	}
	a, err := server()
	if err != nil {
		return "", err
	}
	return prefix + suffix, a.run(ctx, "CREATE DATABASE "+prefix+suffix+" TEMPLATE "+source)
}

// Main runs a package's tests and drops the databases that they made. It
// answers the code to exit with.
func Main(m *testing.M) int {
	code := m.Run()
	if err := dropAll(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "drop the databases of the tests:", err)
		return max(code, 1)
	}
	return code
}

func dropAll(ctx context.Context) error {
	if os.Getenv(variable) == "" {
		return nil // none was made
	}
	a, err := server()
	if err != nil {
		return err
	}
	defer a.pool.Close()
	rows, err := a.pool.Query(ctx, `SELECT datname FROM pg_database WHERE starts_with(datname, $1)`, prefix)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, name := range names {
		err = errors.Join(err, a.run(ctx, "DROP DATABASE "+name+" WITH (FORCE)"))
	}
	return err
}

// Database is the address of a migrated, empty database, which ends with the test.
func Database(t testing.TB) string {
	t.Helper()
	name, err := duplicate(t.Context(), strconv.FormatInt(copies.Add(1), 10))
	require.NoError(t, err)
	a, err := server()
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, a.run(context.WithoutCancel(t.Context()), "DROP DATABASE "+name+" WITH (FORCE)"))
	})
	return a.at(name)
}

// Shared is the address of the one database that all tests of the process have
// in common, as shops share the real one.
func Shared(t testing.TB) string {
	t.Helper()
	name, err := shared()
	require.NoError(t, err)
	a, err := server()
	require.NoError(t, err)
	return a.at(name)
}

// Record is the record on a database of its own.
type Record struct {
	*store.Store
	URL   string
	Pool  *pgxpool.Pool // past the store: for what it does not tell, and for what it would not do
	Vault *crypt.Vault  // under a key of its own
}

// Open gives a migrated, empty record with the service's time, which closes
// with the test. change makes it another one; its Vault stays.
func Open(t testing.TB, now func() time.Time, change ...func(*store.Options)) *Record {
	t.Helper()
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	ring, err := crypt.ParseKeyring(crypt.Secret("k1:" + base64.StdEncoding.EncodeToString(key)))
	require.NoError(t, err)
	r := &Record{URL: Database(t), Vault: crypt.NewVault(ring)}
	o := store.Options{Now: now, Vault: r.Vault, Log: zerolog.Nop()}
	for _, c := range change {
		c(&o)
	}
	r.Store, err = store.Open(t.Context(), r.URL, o)
	require.NoError(t, err)
	t.Cleanup(r.Close)
	r.Pool, err = pgxpool.New(t.Context(), r.URL)
	require.NoError(t, err)
	t.Cleanup(r.Pool.Close)
	return r
}

// Count answers a number from the database.
func (r *Record) Count(t testing.TB, query string, args ...any) int {
	t.Helper()
	var n int
	require.NoError(t, r.Pool.QueryRow(t.Context(), query, args...).Scan(&n))
	return n
}
