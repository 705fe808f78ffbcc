package store

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/access"
	"tillflow/internal/access/audit"
	"tillflow/internal/payment"
)

// seenEvery is how often a session notes that it was seen: not at each request,
// so that reading a page mostly writes nothing.
const seenEvery = time.Minute

// triesKept is how long tries to log in are kept after the last one; longer than
// any of them counts or vouches (access.DefaultThrottle).
const triesKept = 31 * 24 * time.Hour

func noSession() error {
	return &payment.Error{Class: payment.Unauthorized, Code: "session", Message: "the session has ended"}
}

// OpenSession stores a session, ends the one it replaces and appends the entry,
// in one transaction. A person who proved themselves is forgiven their failed
// tries. A user who is disabled, and a half-open session that ended before its
// one-time code came, are payment.Unauthorized.
func (s *Store) OpenSession(ctx context.Context, o access.Opening, entry audit.Entry) error {
	const insert = `
		INSERT INTO console_sessions (hash, user_id, stage, method, created_at, seen_at, ends_at)
		VALUES (@hash, @user, @stage, @method, @now, @now, @ends)`
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		name, err := s.admitted(ctx, tx, o)
		if err != nil {
			return err
		}
		if err := s.replaceSession(ctx, tx, o); err != nil {
			return err
		}
		now := s.now()
		_, err = tx.Exec(ctx, insert, pgx.NamedArgs{
			"hash": o.Hash, "user": o.UserID, "stage": o.Stage, "method": o.Method, "now": now, "ends": stored(now.Add(o.For)),
		})
		if err != nil {
			return err
		}
		if err := s.forgive(ctx, tx, name, o); err != nil {
			return err
		}
		if err := s.pruneLogins(ctx, tx); err != nil {
			return err
		}
		return s.AppendAuditIn(ctx, tx, entry)
	})
	return failure("open session", err)
}

// admitted locks the user's row against being disabled meanwhile and answers the name.
func (s *Store) admitted(ctx context.Context, tx pgx.Tx, o access.Opening) (name string, err error) {
	const lock = `
		UPDATE users SET last_login_at = CASE WHEN @open THEN @now ELSE last_login_at END
		WHERE id = @id AND disabled_at IS NULL RETURNING name`
	err = tx.QueryRow(ctx, lock, pgx.NamedArgs{"id": o.UserID, "open": o.Stage == access.Open, "now": s.now()}).Scan(&name)
	if none(err) {
		return "", noSession()
	}
	return name, err
}

func (s *Store) replaceSession(ctx context.Context, tx pgx.Tx, o access.Opening) error {
	const end = `DELETE FROM console_sessions WHERE hash = @hash`
	const promote = end + ` AND user_id = @user AND stage = 'half_open' AND ends_at > @now`
	if o.Method != access.ByTOTP && o.Method != access.ByRecovery {
		_, err := tx.Exec(ctx, end, pgx.NamedArgs{"hash": o.Replaces})
		return err
	}
	tag, err := tx.Exec(ctx, promote, pgx.NamedArgs{"hash": o.Replaces, "user": o.UserID, "now": s.now()})
	if err == nil && tag.RowsAffected() != 1 {
		return noSession()
	}
	return err
}

// pruneLogins forgets what nobody asks for any more. What somebody else holds is
// left to the next login.
func (s *Store) pruneLogins(ctx context.Context, tx pgx.Tx) error {
	const sessions = `
		DELETE FROM console_sessions WHERE hash IN
		(SELECT hash FROM console_sessions WHERE ends_at < @now LIMIT 1000 FOR UPDATE SKIP LOCKED)`
	const tries = `
		DELETE FROM login_attempts WHERE key IN
		(SELECT key FROM login_attempts WHERE last_at < @old LIMIT 1000 FOR UPDATE SKIP LOCKED)`
	now := s.now()
	if _, err := tx.Exec(ctx, sessions, pgx.NamedArgs{"now": now}); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, tries, pgx.NamedArgs{"old": now.Add(-triesKept)})
	return err
}

// Session finds a session that is alive, whatever its stage, and notes about
// once a minute that it was seen; payment.Unauthorized without one.
func (s *Store) Session(ctx context.Context, hash []byte, l access.Lifetimes) (access.Session, error) {
	const action = "find session"
	const find = `
		SELECT ` + userColumns + `, c.stage, c.method, c.created_at AS opened_at, c.seen_at, c.ends_at
		FROM console_sessions c JOIN users u ON u.id = c.user_id WHERE c.hash = @hash`
	type row struct {
		userRow
		Stage                    access.Stage
		Method                   access.Method
		OpenedAt, SeenAt, EndsAt time.Time
	}
	rows, err := s.pool.Query(ctx, find, pgx.NamedArgs{"hash": hash})
	if err != nil {
		return access.Session{}, failure(action, err)
	}
	r, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[row])
	if none(err) {
		return access.Session{}, failure(action, noSession())
	}
	if err != nil {
		return access.Session{}, failure(action, err)
	}
	found := access.Session{User: r.user(), Stage: r.Stage, Method: r.Method, Created: r.OpenedAt, Seen: r.SeenAt, Ends: r.EndsAt}
	now := s.now()
	if !found.Alive(now, l) {
		return access.Session{}, failure(action, noSession())
	}
	if now.Sub(found.Seen) >= seenEvery {
		_, err = s.pool.Exec(ctx, `UPDATE console_sessions SET seen_at = @now WHERE hash = @hash AND seen_at < @now`, pgx.NamedArgs{"hash": hash, "now": now})
	}
	return found, failure(action, err)
}

// EndSession ends a session and appends the entry; one that has ended already is
// no error and notes nothing.
func (s *Store) EndSession(ctx context.Context, hash []byte, entry audit.Entry) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `DELETE FROM console_sessions WHERE hash = @hash`, pgx.NamedArgs{"hash": hash})
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		return s.AppendAuditIn(ctx, tx, entry)
	})
	return failure("end session", err)
}

// loginKeys are under which a try is counted: keyed hashes, because people type
// their password into the field of the name, and an address is a person's too.
type loginKeys struct{ name, address, both string }

func (s *Store) loginKeys(try access.Try) (loginKeys, error) {
	clean, err := access.CleanName(try.Name)
	if err != nil {
		clean = "" // no user has it; its tries are one
	}
	network := access.Network(try.Address)
	var k loginKeys
	for _, one := range []struct {
		to        *string
		use, text string
	}{
		{&k.name, "login name " + string(try.Method), clean},
		{&k.address, "login address", network},
		{&k.both, "login both " + string(try.Method), clean + "\x00" + network},
	} {
		if *one.to, err = s.vault.Hash(one.use, one.text); err != nil {
			return k, bug("vault", "a try to log in cannot be hashed")
		}
	}
	return k, nil
}

// errWait rolls a try back that is not let in, so that it leaves no rows.
var errWait = conflict("wait", "the try must wait")

// AdmitLogin counts a try to log in as failed, or answers how long it must wait;
// then it did not count. Of tries that come at once each is counted before the
// next is judged. [Store.OpenSession] forgives.
func (s *Store) AdmitLogin(ctx context.Context, try access.Try, t access.Throttle) (time.Duration, error) {
	const action = "admit login"
	keys, err := s.loginKeys(try)
	if err != nil {
		return 0, failure(action, err)
	}
	var wait time.Duration
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		tries, err := s.lockTries(ctx, tx, keys)
		if err != nil {
			return err
		}
		now := s.now()
		if wait = t.After(now, tries[keys.name], tries[keys.address], tries[keys.both]); wait > 0 {
			return errWait
		}
		const count = `UPDATE login_attempts SET failed = @failed, last_at = @now WHERE key = @key`
		var b pgx.Batch
		for key, one := range tries {
			b.Queue(count, pgx.NamedArgs{"key": key, "failed": t.Count(now, one).Failed, "now": now})
		}
		return send(ctx, tx, &b)
	})
	if wait > 0 {
		return wait, nil
	}
	return 0, failure(action, err)
}

// lockTries makes and locks the rows in the order of their keys, which all who
// lock several of them keep.
func (s *Store) lockTries(ctx context.Context, tx pgx.Tx, k loginKeys) (map[string]access.Tries, error) {
	const insert = `
		INSERT INTO login_attempts (key, failed, last_at) SELECT key, 0, @now FROM unnest(@keys::text[]) AS key ORDER BY key
		ON CONFLICT (key) DO NOTHING`
	const lock = `SELECT key, failed, last_at, succeeded_at FROM login_attempts WHERE key = ANY(@keys) ORDER BY key FOR UPDATE`
	keys := []string{k.name, k.address, k.both}
	slices.Sort(keys)
	args := pgx.NamedArgs{"keys": keys, "now": s.now()}
	if _, err := tx.Exec(ctx, insert, args); err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, lock, args)
	if err != nil {
		return nil, err
	}
	tries := map[string]access.Tries{}
	var key string
	var one access.Tries
	var succeeded *time.Time
	_, err = pgx.ForEachRow(rows, []any{&key, &one.Failed, &one.Last, &succeeded}, func() error {
		one.Succeeded = instant(succeeded)
		tries[key] = one
		return nil
	})
	return tries, err
}

// forgive takes this try back from the address, which other people may share: a
// person must not clear it for guesses at others. Name and pair start anew, and
// the pair is trusted.
func (s *Store) forgive(ctx context.Context, tx pgx.Tx, name string, o access.Opening) error {
	if o.Address == "" { // nothing was counted
		return nil
	}
	keys, err := s.loginKeys(access.Try{Name: name, Address: o.Address, Method: o.Method})
	if err != nil {
		return err
	}
	if _, err := s.lockTries(ctx, tx, keys); err != nil {
		return err
	}
	const less = `UPDATE login_attempts SET failed = greatest(failed - 1, 0), last_at = @now WHERE key = @address`
	const anew = `
		UPDATE login_attempts SET failed = 0, last_at = @now, succeeded_at = CASE WHEN key = @both THEN @now::timestamptz END
		WHERE key IN (@name, @both)`
	args := pgx.NamedArgs{"address": keys.address, "name": keys.name, "both": keys.both, "now": s.now()}
	if _, err := tx.Exec(ctx, less, args); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, anew, args)
	return err
}
