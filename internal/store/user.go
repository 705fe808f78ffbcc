package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tillflow/internal/access"
	"tillflow/internal/access/audit"
	"tillflow/internal/crypt"
)

// userRow is a user as it is stored.
type userRow struct {
	ID          string
	Name        string
	Kind        access.UserKind
	Role        access.Role
	HasTOTP     bool
	CreatedAt   time.Time
	LastLoginAt *time.Time
	DisabledAt  *time.Time
}

func (r userRow) user() access.User {
	return access.User{
		ID: r.ID, Name: r.Name, Kind: r.Kind, Role: r.Role, HasTOTP: r.HasTOTP,
		CreatedAt: r.CreatedAt, LastLogin: instant(r.LastLoginAt), Disabled: instant(r.DisabledAt),
	}
}

const userColumns = `u.id::text, u.name, u.kind, u.role, u.totp IS NOT NULL AS has_totp, u.created_at, u.last_login_at, u.disabled_at`

// totpRow binds a sealed one-time secret to its column.
const totpRow = "totp"

// AddUser adds a local user and notes it in the audit. A name that is taken is
// payment.Conflict "name_taken".
func (s *Store) AddUser(ctx context.Context, by audit.Actor, u access.NewUser) (id string, err error) {
	const action = "add user"
	const insert = `
		INSERT INTO users (id, name, kind, role, password, wrapped_key, totp, created_at)
		VALUES (@id, @name, 'local', @role, @password, @key, @totp, @now)`
	name, err := access.CleanName(u.Name)
	if err != nil {
		return "", failure(action, invalid("name", "%s", err.Error()))
	}
	if !u.Role.Known() || u.Password == "" {
		return "", failure(action, invalid("role", "a local user has a role and a password"))
	}
	key, err := s.newSubject() // an id and a key under it
	if err != nil {
		return "", failure(action, err)
	}
	sealed, err := s.sealTOTP(key, u.TOTP)
	if err != nil {
		return "", failure(action, err)
	}
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, insert, pgx.NamedArgs{
			"id": key.Owner, "name": name, "role": u.Role, "password": u.Password.Reveal(), "key": key.Wrapped, "totp": sealed, "now": s.now(),
		})
		if err != nil {
			return nameTaken(err)
		}
		if err := s.AppendAuditIn(ctx, tx, userEntry(by, "user.add", key.Owner, "role="+string(u.Role))); err != nil || u.Invitation == nil {
			return err
		}
		return s.invite(ctx, tx, by, key, *u.Invitation)
	})
	return key.Owner, failure(action, err)
}

func userEntry(by audit.Actor, action, id, detail string) audit.Entry {
	return audit.Entry{Actor: by, Action: action, Subject: "user " + id, Detail: detail}
}

// nameTaken says in words what the unique name means.
func nameTaken(err error) error {
	if db, ok := errors.AsType[*pgconn.PgError](err); ok && db.ConstraintName == "users_name_key" {
		return conflict("name_taken", "another user has this name")
	}
	return err
}

func (s *Store) sealTOTP(key crypt.DataKey, secret access.TOTPKey) ([]byte, error) {
	if secret == nil {
		return nil, nil
	}
	sealed, err := s.vault.Seal(key, totpRow, secret)
	if err != nil {
		return nil, bug("vault", "the one-time secret cannot be sealed")
	}
	return sealed, nil
}

// Users lists all users by name.
func (s *Store) Users(ctx context.Context) ([]access.User, error) {
	const action = "list users"
	rows, err := s.pool.Query(ctx, `SELECT `+userColumns+`, i.ends_at AS invited_until
		FROM users u LEFT JOIN invitations i ON i.user_id = u.id ORDER BY u.name`)
	if err != nil {
		return nil, failure(action, err)
	}
	type row struct {
		userRow
		InvitedUntil *time.Time
	}
	list, err := pgx.CollectRows(rows, func(one pgx.CollectableRow) (access.User, error) {
		r, err := pgx.RowToStructByName[row](one)
		u := r.user()
		u.Invited = instant(r.InvitedUntil)
		return u, err
	})
	return list, failure(action, err)
}

// Credentials finds a local user by name, in any case of letters;
// payment.NotFound for an unknown one. A disabled user is answered too.
func (s *Store) Credentials(ctx context.Context, name string) (access.Credentials, error) {
	const action = "read credentials"
	clean, err := access.CleanName(name)
	if err != nil {
		return access.Credentials{}, failure(action, pgx.ErrNoRows)
	}
	rows, err := s.pool.Query(ctx, `SELECT `+userColumns+`, u.password, u.wrapped_key, u.totp, u.totp_step FROM users u WHERE u.name = @name AND u.kind = 'local'`,
		pgx.NamedArgs{"name": clean})
	if err != nil {
		return access.Credentials{}, failure(action, err)
	}
	type row struct {
		userRow
		Password   string
		WrappedKey []byte
		TOTP       []byte
		TOTPStep   int64
	}
	found, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[row])
	if err != nil {
		return access.Credentials{}, failure(action, err)
	}
	c := access.Credentials{User: found.user(), Password: access.PasswordHash(found.Password), Spent: found.TOTPStep}
	if found.TOTP == nil {
		return c, nil
	}
	secret, err := s.vault.Open(crypt.DataKey{Owner: found.ID, Wrapped: found.WrappedKey}, totpRow, found.TOTP)
	if err != nil {
		return access.Credentials{}, failure(action, bug("vault", "the user's one-time secret does not open"))
	}
	c.TOTP = secret
	return c, nil
}

// SetPassword replaces a local user's password and ends their sessions.
func (s *Store) SetPassword(ctx context.Context, by audit.Actor, name string, hash access.PasswordHash) error {
	if hash == "" {
		return failure("set password", bug("password", "an empty hash"))
	}
	err := s.changeUser(ctx, name, func(tx pgx.Tx, u lockedUser) error {
		if err := u.mustBeLocal(); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE users SET password = @hash WHERE id = @id`, pgx.NamedArgs{"id": u.ID, "hash": hash.Reveal()}); err != nil {
			return err
		}
		return s.endSessions(ctx, tx, u.ID, userEntry(by, "user.password", u.ID, ""))
	})
	return failure("set password", err)
}

// SetTOTP replaces the secret of a local user's one-time codes, or takes it away
// when it is nil, and ends their sessions.
func (s *Store) SetTOTP(ctx context.Context, by audit.Actor, name string, secret access.TOTPKey) error {
	err := s.changeUser(ctx, name, func(tx pgx.Tx, u lockedUser) error {
		if err := u.mustBeLocal(); err != nil {
			return err
		}
		sealed, err := s.sealTOTP(crypt.DataKey{Owner: u.ID, Wrapped: u.WrappedKey}, secret)
		if err != nil {
			return err
		}
		// Steps are counted from the new secret's first code on.
		if _, err := tx.Exec(ctx, `UPDATE users SET totp = @totp, totp_step = 0 WHERE id = @id`, pgx.NamedArgs{"id": u.ID, "totp": sealed}); err != nil {
			return err
		}
		// Recovery codes stand in for the authenticator that they were given with.
		if _, err := tx.Exec(ctx, `DELETE FROM recovery_codes WHERE user_id = @id`, pgx.NamedArgs{"id": u.ID}); err != nil {
			return err
		}
		detail := "enrolled"
		if secret == nil {
			detail = "removed"
		}
		return s.endSessions(ctx, tx, u.ID, userEntry(by, "user.totp", u.ID, detail))
	})
	return failure("set one-time secret", err)
}

// SetRole changes a user's role from their next request on. The role of who comes
// in through OIDC is set again at each login.
func (s *Store) SetRole(ctx context.Context, by audit.Actor, name string, role access.Role) error {
	const action = "set role"
	if !role.Known() {
		return failure(action, invalid("role", "%s", access.ErrRole.Error()))
	}
	return failure(action, s.changeUser(ctx, name, s.settingRole(ctx, by, role)))
}

func (s *Store) settingRole(ctx context.Context, by audit.Actor, role access.Role) func(pgx.Tx, lockedUser) error {
	return func(tx pgx.Tx, u lockedUser) error {
		if _, err := tx.Exec(ctx, `UPDATE users SET role = @role WHERE id = @id`, pgx.NamedArgs{"id": u.ID, "role": role}); err != nil {
			return err
		}
		return s.AppendAuditIn(ctx, tx, userEntry(by, "user.role", u.ID, "before="+string(u.Role)+" after="+string(role)))
	}
}

// DisableUser keeps a user out from now on and ends their sessions, or lets them
// in again. What is so already is payment.Conflict "no_change".
func (s *Store) DisableUser(ctx context.Context, by audit.Actor, name string, disabled bool) error {
	return failure("disable user", s.changeUser(ctx, name, s.disabling(ctx, by, disabled)))
}

func (s *Store) disabling(ctx context.Context, by audit.Actor, disabled bool) func(pgx.Tx, lockedUser) error {
	return func(tx pgx.Tx, u lockedUser) error {
		if disabled == (u.DisabledAt != nil) {
			return conflict("no_change", "the user is so already")
		}
		action, at := "user.enable", time.Time{}
		if disabled {
			action, at = "user.disable", s.now()
		}
		if _, err := tx.Exec(ctx, `UPDATE users SET disabled_at = @at WHERE id = @id`, pgx.NamedArgs{"id": u.ID, "at": nullable(at)}); err != nil {
			return err
		}
		return s.endSessions(ctx, tx, u.ID, userEntry(by, action, u.ID, ""))
	}
}

// lockedUser is a user's row as a change holds it.
type lockedUser struct {
	ID         string
	Name       string
	Kind       access.UserKind
	Role       access.Role
	WrappedKey []byte
	DisabledAt *time.Time
}

func (u lockedUser) mustBeLocal() error {
	if u.Kind != access.LocalUser {
		return conflict("not_local", "only a local user has a password and one-time codes here")
	}
	return nil
}

func (s *Store) changeUser(ctx context.Context, name string, change func(pgx.Tx, lockedUser) error) error {
	clean, err := access.CleanName(name)
	if err != nil {
		return invalid("name", "%s", err.Error())
	}
	return s.inTx(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, lockUser+`name = @name FOR UPDATE`, pgx.NamedArgs{"name": clean})
		if err != nil {
			return err
		}
		return changing(tx, rows, change)
	})
}

const lockUser = `SELECT id::text, name, kind, role, wrapped_key, disabled_at FROM users WHERE `

// changing hands the one locked row on.
func changing(tx pgx.Tx, rows pgx.Rows, change func(pgx.Tx, lockedUser) error) error {
	u, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[lockedUser])
	if none(err) {
		return unknownUser()
	}
	if err != nil {
		return err
	}
	return change(tx, u)
}

// endSessions ends a user's sessions, and with them an invitation that stands: what
// somebody else may hold is worth nothing any more.
func (s *Store) endSessions(ctx context.Context, tx pgx.Tx, userID string, entry audit.Entry) error {
	if _, err := tx.Exec(ctx, `DELETE FROM invitations WHERE user_id = @id`, pgx.NamedArgs{"id": userID}); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM console_sessions WHERE user_id = @id`, pgx.NamedArgs{"id": userID}); err != nil {
		return err
	}
	return s.AppendAuditIn(ctx, tx, entry)
}

// SpendTOTPStep notes the step of a one-time code; false when it, or a later one,
// was spent before. Of two that come with the same code one wins.
func (s *Store) SpendTOTPStep(ctx context.Context, userID string, step int64) (bool, error) {
	tag, err := s.pool.Exec(ctx, `UPDATE users SET totp_step = @step WHERE id = @id AND totp_step < @step`, pgx.NamedArgs{"id": userID, "step": step})
	return tag.RowsAffected() == 1, failure("spend one-time code", err)
}

// UpgradePassword replaces a hash by a new one of the same password, unless the
// password has changed meanwhile.
func (s *Store) UpgradePassword(ctx context.Context, userID string, old, upgraded access.PasswordHash) error {
	_, err := s.pool.Exec(ctx, `UPDATE users SET password = @upgraded WHERE id = @id AND password = @old`,
		pgx.NamedArgs{"id": userID, "old": old.Reveal(), "upgraded": upgraded.Reveal()})
	return failure("upgrade password", err)
}

// Recognise finds or adds the user of an identity and sets name and role to what
// is vouched for now. A name that another user has is payment.Conflict
// "name_taken": names stand in the audit and must mean one person. A disabled
// user is answered too.
func (s *Store) Recognise(ctx context.Context, who access.Identity) (access.User, error) {
	const action = "recognise user"
	const upsert = `
		INSERT INTO users AS u (id, name, kind, role, issuer, subject, wrapped_key, created_at)
		VALUES (@id, @name, @kind, @role, @issuer, @subject, @key, @now)
		ON CONFLICT (subject, issuer, kind) WHERE kind <> 'local' DO UPDATE SET name = @name, role = @role
		RETURNING ` + userColumns
	name, err := access.CleanName(who.Name)
	if err != nil {
		return access.User{}, failure(action, invalid("name", "%s", err.Error()))
	}
	if who.Subject == "" || !who.Role.Known() || who.Kind != access.OIDCUser && who.Kind != access.DevUser {
		return access.User{}, failure(action, bug("identity", "an identity has a kind, a subject and a role"))
	}
	key, err := s.newSubject()
	if err != nil {
		return access.User{}, failure(action, err)
	}
	rows, err := s.pool.Query(ctx, upsert, pgx.NamedArgs{
		"id": key.Owner, "name": name, "kind": who.Kind, "role": who.Role, "issuer": who.Issuer, "subject": who.Subject,
		"key": key.Wrapped, "now": s.now(),
	})
	if err != nil {
		return access.User{}, failure(action, err)
	}
	r, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[userRow])
	if err != nil {
		return access.User{}, failure(action, nameTaken(err))
	}
	return r.user(), nil
}
