package store

import (
	"context"
	"crypto/sha256"
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migration is one file: NNN_name.sql. Numbers are given once and only grow.
type migration struct {
	number int
	name   string
	sql    string
	hash   []byte
}

// migrateLock is the advisory lock that lets one process migrate at a time.
// The number is arbitrary and must never change.
const migrateLock int64 = 0x7469_6c6c_666c_6f77

// Migrate brings the schema up to date: forward only, each file in its own
// transaction, one process at a time. A schema that is newer than this program
// is left alone, because the next release may already run beside it. A file
// that was changed after it was applied is an error.
func (s *Store) Migrate(ctx context.Context) error {
	migrations, err := readMigrations(migrationFiles)
	if err != nil {
		return err
	}
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return failure("migrate", err)
	}
	// Not back into the pool: with the connection the session's lock ends for
	// certain, and no statement prepared on the old schema survives.
	defer func() { _ = conn.Hijack().Close(context.WithoutCancel(ctx)) }() // the lock ends with the connection either way
	// Another process may migrate for longer than a statement may take.
	if _, err := conn.Exec(ctx, `SET lock_timeout = 0; SET statement_timeout = 0`); err != nil {
		return failure("migrate", err)
	}
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock($1)`, migrateLock); err != nil {
		return failure("migrate: wait for the lock", err)
	}
	applied, err := appliedMigrations(ctx, conn)
	if err != nil {
		return failure("migrate", err)
	}
	for _, m := range migrations {
		if hash, done := applied[m.number]; done {
			if !slices.Equal(hash, m.hash) {
				return bug("migration_changed", "migration %s was changed after it was applied to this database", m.name)
			}
			continue
		}
		if err := s.apply(ctx, conn, m); err != nil {
			return failure("migrate "+m.name, err)
		}
		s.log.Info().Str("migration", m.name).Msg("schema migrated")
	}
	return nil
}

func appliedMigrations(ctx context.Context, conn *pgxpool.Conn) (map[int][]byte, error) {
	const create = `
		CREATE TABLE IF NOT EXISTS schema_migrations (
			number     int PRIMARY KEY,
			name       text NOT NULL,
			hash       bytea NOT NULL,
			applied_at timestamptz NOT NULL
		)`
	if _, err := conn.Exec(ctx, create); err != nil {
		return nil, err
	}
	rows, err := conn.Query(ctx, `SELECT number, hash FROM schema_migrations`)
	if err != nil {
		return nil, err
	}
	applied := map[int][]byte{}
	var number int
	var hash []byte
	_, err = pgx.ForEachRow(rows, []any{&number, &hash}, func() error {
		applied[number] = slices.Clone(hash)
		return nil
	})
	return applied, err
}

func (s *Store) apply(ctx context.Context, conn *pgxpool.Conn, m migration) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		// The simple protocol, because a file holds many statements.
		if _, err := tx.Conn().PgConn().Exec(ctx, m.sql).ReadAll(); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO schema_migrations (number, name, hash, applied_at) VALUES (@number, @name, @hash, @now)`,
			pgx.NamedArgs{"number": m.number, "name": m.name, "hash": m.hash, "now": s.now()})
		return err
	})
}

// readMigrations reads and orders the files. Malformed names and repeated
// numbers are errors.
func readMigrations(files fs.FS) ([]migration, error) {
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", err)
	}
	var all []migration
	taken := map[int]string{}
	for _, path := range names {
		name := strings.TrimPrefix(path, "migrations/")
		head, _, found := strings.Cut(name, "_")
		number, err := strconv.Atoi(head)
		if err != nil || !found || len(head) != 3 || number < 1 {
			return nil, fmt.Errorf("migration %s is not called NNN_name.sql", name)
		}
		if other, twice := taken[number]; twice {
			return nil, fmt.Errorf("migrations %s and %s have one number", other, name)
		}
		taken[number] = name
		sql, err := fs.ReadFile(files, path)
		if err != nil {
			return nil, fmt.Errorf("read migration %s: %w", name, err)
		}
		hash := sha256.Sum256(sql)
		all = append(all, migration{number: number, name: name, sql: string(sql), hash: hash[:]})
	}
	slices.SortFunc(all, func(a, b migration) int { return a.number - b.number })
	return all, nil
}
