// Package store is the record in PostgreSQL: what was asked, what was sent,
// what makes us know, and the books. Temporal holds running processes; a fact
// lives here or nowhere.
//
// Every transaction that may touch a payment's money locks the payment's row
// first, so that all about one payment happens in one order. Further locks
// follow in the order payment, session of a move, operation, attempt, winner of
// the group; no transaction locks two payments. Times are the service's clock, never the
// database's.
package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/zerolog"

	"tillflow/internal/crypt"
	"tillflow/internal/payment"
)

// Options configure a Store. Now and Vault are required.
type Options struct {
	Now   func() time.Time
	Vault *crypt.Vault
	// MaxConns and MinConns size the pool. Default 16 and 0.
	MaxConns, MinConns int32
	// SweepAfter is how long after a row is written the sweep looks whether its
	// run exists, in case the start was lost. Default 15 s.
	SweepAfter time.Duration
	// DecideAhead is how long before a session's deadline we decide. Default 1 h.
	DecideAhead time.Duration
	// Holds says what a provider allows with money that it holds. Default: the
	// widest terms, under which the provider itself refuses what it cannot do.
	Holds func(provider string) payment.HoldTerms
	// BuyerRetention is how long a buyer's data is kept after their last payment.
	// Default DefaultBuyerRetention.
	BuyerRetention time.Duration
	Log            zerolog.Logger
}

// Store is the record. It is safe for concurrent use.
type Store struct {
	pool        *pgxpool.Pool
	clock       func() time.Time
	vault       *crypt.Vault
	sweepAfter  time.Duration
	decideAhead time.Duration
	holds       func(provider string) payment.HoldTerms
	buyers      time.Duration
	log         zerolog.Logger
}

const (
	defaultConns       = 16
	defaultSweepAfter  = 15 * time.Second
	defaultDecideAhead = time.Hour
	rollbackTimeout    = 5 * time.Second
)

// Open connects to the database at url, in libpq's URL or keyword form. It does
// not migrate. The error never repeats the url, which may hold a password.
func Open(ctx context.Context, url string, o Options) (*Store, error) {
	if o.Now == nil || o.Vault == nil {
		return nil, errors.New("open store: Now and Vault are required")
	}
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errors.New("open store: malformed database url")
	}
	config.MaxConns, config.MinConns = orElse(o.MaxConns, defaultConns), o.MinConns
	// A worker that hangs must not keep a payment locked: the server ends it.
	setDefault(config.ConnConfig.RuntimeParams, "lock_timeout", "10s")
	setDefault(config.ConnConfig.RuntimeParams, "statement_timeout", "30s")
	setDefault(config.ConnConfig.RuntimeParams, "idle_in_transaction_session_timeout", "60s")
	setDefault(config.ConnConfig.RuntimeParams, "application_name", "tillflow")
	config.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		conn.TypeMap().RegisterType(&pgtype.Type{
			Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
		})
		return nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, failure("open store", err)
	}
	s := &Store{
		pool: pool, clock: o.Now, vault: o.Vault, log: o.Log, holds: o.Holds, buyers: o.BuyerRetention,
		sweepAfter: orElse(o.SweepAfter, defaultSweepAfter), decideAhead: orElse(o.DecideAhead, defaultDecideAhead),
	}
	if s.holds == nil {
		s.holds = func(string) payment.HoldTerms { return payment.HoldTerms{} }
	}
	if err := s.Ping(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	return s, nil
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	return failure("ping database", s.pool.Ping(ctx))
}

// Close waits for connections in use and closes all.
func (s *Store) Close() { s.pool.Close() }

// now is the service's time as PostgreSQL keeps it, so that what is answered
// first equals what is read back later.
func (s *Store) now() time.Time { return stored(s.clock()) }

func stored(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// inTx runs fn in one transaction at READ COMMITTED: order comes from row locks,
// not from the isolation level. An error or a panic in fn rolls back. When
// Commit's answer is lost the outcome is unknown; every method may be repeated.
func (s *Store) inTx(ctx context.Context, fn func(tx pgx.Tx) error) error {
	tx, err := s.pool.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() {
		// After a commit this is a no-op. A caller who has gone away must not
		// leave the lock behind.
		rctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
		defer cancel()
		if err := tx.Rollback(rctx); err != nil && !errors.Is(err, pgx.ErrTxClosed) {
			s.log.Debug().Err(err).Msg("rollback failed, the connection is given up")
		}
	}()
	if err := fn(tx); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// send runs a batch in one round trip; the callbacks of its statements run in
// order. The first error, of a statement or a callback, is the answer.
func send(ctx context.Context, tx batcher, b *pgx.Batch) error {
	if b.Len() == 0 {
		return nil
	}
	return tx.SendBatch(ctx, b).Close()
}

type batcher interface {
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// snapshot is the first statement of a batch that reads several tables at one
// moment; its last one is "commit". Nothing is written, so there is nothing to
// check before it.
const snapshot = "begin isolation level repeatable read read only"

// newID makes the id of a row: a UUIDv7, so that indexes grow at their end.
func newID() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("make row id: %w", err)
	}
	return id.String(), nil
}

// none reads no rows as "there is none".
func none(err error) bool { return errors.Is(err, pgx.ErrNoRows) }

// oneRow is the guard of an update that must change its row: the row moved on
// although we hold its lock, so somebody broke the order of locks.
func oneRow(what string) func(pgconn.CommandTag) error {
	return func(tag pgconn.CommandTag) error {
		if tag.RowsAffected() == 1 {
			return nil
		}
		return conflict("moved_on", "%s moved on", what)
	}
}

func orElse[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

func setDefault(params map[string]string, name, value string) {
	if _, given := params[name]; !given {
		params[name] = value
	}
}

// instant is the time at p, or the zero time.
func instant(p *time.Time) time.Time {
	if p == nil {
		return time.Time{}
	}
	return *p
}

// text is the text at p, or the empty one.
func text(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

// nullable is t for a column that may be null: zero is null.
func nullable(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = stored(t)
	return &t
}
