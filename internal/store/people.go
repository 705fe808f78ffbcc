package store

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tillflow/internal/access"
	"tillflow/internal/access/audit"
	"tillflow/internal/crypt"
	"tillflow/internal/payment"
)

// Invite gives a local user an invitation, in place of one that stands. Password,
// codes and sessions stay good until it is taken up. Who may not come in is
// payment.Conflict "disabled".
func (s *Store) Invite(ctx context.Context, by audit.Actor, userID string, i access.NewInvitation) error {
	err := s.changeUserByID(ctx, userID, func(tx pgx.Tx, u lockedUser) error {
		if err := u.mustBeLocal(); err != nil {
			return err
		}
		if u.DisabledAt != nil {
			return conflict("disabled", "this person may not come in: let them in first")
		}
		return s.invite(ctx, tx, by, crypt.DataKey{Owner: u.ID, Wrapped: u.WrappedKey}, i)
	})
	return failure("invite user", err)
}

func (s *Store) invite(ctx context.Context, tx pgx.Tx, by audit.Actor, key crypt.DataKey, i access.NewInvitation) error {
	const upsert = `
		INSERT INTO invitations (user_id, hash, totp, created_at, ends_at) VALUES (@user, @hash, @totp, @now, @ends)
		ON CONFLICT (user_id) DO UPDATE SET hash = @hash, totp = @totp, created_at = @now, ends_at = @ends`
	if len(i.TOTP) == 0 || i.For <= 0 {
		return bug("invitation", "an invitation has a one-time secret and an end")
	}
	sealed, err := s.sealTOTP(key, i.TOTP)
	if err != nil {
		return err
	}
	now := s.now()
	_, err = tx.Exec(ctx, upsert, pgx.NamedArgs{"user": key.Owner, "hash": i.Hash, "totp": sealed, "now": now, "ends": stored(now.Add(i.For))})
	if err != nil {
		return err
	}
	return s.AppendAuditIn(ctx, tx, userEntry(by, "user.invite", key.Owner, ""))
}

const openInvitation = `
	SELECT ` + userColumns + `, u.wrapped_key, i.totp AS offered, i.ends_at
	FROM invitations i JOIN users u ON u.id = i.user_id
	WHERE i.hash = @hash AND i.ends_at > @now AND u.disabled_at IS NULL`

// invitationRow is an invitation with the user whom it is for.
type invitationRow struct {
	userRow
	WrappedKey []byte
	Offered    []byte
	EndsAt     time.Time
}

// Invitation finds one that may be taken up, by the hash of its token;
// payment.NotFound without one.
func (s *Store) Invitation(ctx context.Context, hash []byte) (access.Invitation, error) {
	const action = "read invitation"
	rows, err := s.pool.Query(ctx, openInvitation, pgx.NamedArgs{"hash": hash, "now": s.now()})
	if err != nil {
		return access.Invitation{}, failure(action, err)
	}
	r, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[invitationRow])
	if err != nil {
		return access.Invitation{}, failure(action, err)
	}
	secret, err := s.vault.Open(crypt.DataKey{Owner: r.ID, Wrapped: r.WrappedKey}, totpRow, r.Offered)
	if err != nil {
		return access.Invitation{}, failure(action, bug("vault", "the invitation's one-time secret does not open"))
	}
	return access.Invitation{User: r.user(), TOTP: secret, Ends: r.EndsAt}, nil
}

// Join takes an invitation up: password, authenticator and recovery codes are the
// user's from now on, what they had before is worth nothing, and their sessions
// end. Of two who bring the same invitation one joins; the other's is
// payment.NotFound.
func (s *Store) Join(ctx context.Context, hash []byte, j access.Joining) error {
	const action = "join"
	const take = `
		UPDATE users SET password = @password, totp = @totp, totp_step = @step WHERE id = @id`
	const recovery = `INSERT INTO recovery_codes (hash, user_id) SELECT unnest(@hashes::bytea[]), @id`
	hashes := make([][]byte, len(j.Recovery))
	for i, code := range j.Recovery {
		hashes[i] = code.Hash()
	}
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, openInvitation+` FOR UPDATE`, pgx.NamedArgs{"hash": hash, "now": s.now()})
		if err != nil {
			return err
		}
		r, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[invitationRow])
		if err != nil {
			return err
		}
		// Both columns are sealed under the user's key and the same name, so the secret moves as it is.
		_, err = tx.Exec(ctx, take, pgx.NamedArgs{"id": r.ID, "password": j.Password.Reveal(), "totp": r.Offered, "step": j.Step})
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM recovery_codes WHERE user_id = @id`, pgx.NamedArgs{"id": r.ID}); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, recovery, pgx.NamedArgs{"hashes": hashes, "id": r.ID}); err != nil {
			return err
		}
		self := audit.Actor{Name: r.Name, Role: r.Role}
		return s.endSessions(ctx, tx, r.ID, userEntry(self, "user.join", r.ID, ""))
	})
	return failure(action, err)
}

// SpendRecoveryCode ends a user's recovery code; false when the user has no such
// code. Of two that come with the same one, one wins.
func (s *Store) SpendRecoveryCode(ctx context.Context, userID string, hash []byte) (bool, error) {
	tag, err := s.pool.Exec(ctx, `DELETE FROM recovery_codes WHERE user_id = @id AND hash = @hash`, pgx.NamedArgs{"id": userID, "hash": hash})
	return tag.RowsAffected() == 1, failure("spend recovery code", err)
}

// RecoveryCodes counts those that a user has left.
func (s *Store) RecoveryCodes(ctx context.Context, userID string) (int, error) {
	var n int
	err := s.pool.QueryRow(ctx, `SELECT count(*) FROM recovery_codes WHERE user_id = @id`, pgx.NamedArgs{"id": userID}).Scan(&n)
	return n, failure("count recovery codes", err)
}

// UserSessions lists a user's sessions that have not come to their end, the one
// that was seen last first. Those that idled too long stand among them until
// their end; Session.Alive tells them apart.
func (s *Store) UserSessions(ctx context.Context, userID string) ([]access.Session, error) {
	const action = "list sessions"
	const list = `
		SELECT stage, method, created_at, seen_at, ends_at FROM console_sessions
		WHERE user_id = @id AND ends_at > @now AND stage = 'open' ORDER BY seen_at DESC, hash LIMIT 100`
	if _, err := uuid.Parse(userID); err != nil {
		return nil, failure(action, unknownUser())
	}
	rows, err := s.pool.Query(ctx, list, pgx.NamedArgs{"id": userID, "now": s.now()})
	if err != nil {
		return nil, failure(action, err)
	}
	sessions, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (access.Session, error) {
		var one access.Session
		err := row.Scan(&one.Stage, &one.Method, &one.Created, &one.Seen, &one.Ends)
		return one, err
	})
	return sessions, failure(action, err)
}

// EndSessions signs a user out everywhere, and ends an invitation that stands.
func (s *Store) EndSessions(ctx context.Context, by audit.Actor, userID string) error {
	err := s.changeUserByID(ctx, userID, func(tx pgx.Tx, u lockedUser) error {
		return s.endSessions(ctx, tx, u.ID, userEntry(by, "user.sign_out", u.ID, ""))
	})
	return failure("end sessions", err)
}

// ChangeRole is SetRole of a user whose id is known. What is so already is
// payment.Conflict "no_change".
func (s *Store) ChangeRole(ctx context.Context, by audit.Actor, userID string, role access.Role) error {
	const action = "set role"
	if !role.Known() {
		return failure(action, invalid("role", "%s", access.ErrRole.Error()))
	}
	set := s.settingRole(ctx, by, role)
	err := s.changeUserByID(ctx, userID, func(tx pgx.Tx, u lockedUser) error {
		switch {
		case u.Kind == access.OIDCUser:
			return conflict("not_local", "the role of who comes in through the identity provider is given there")
		case u.Role == role:
			return conflict("no_change", "the person has this role already")
		}
		return set(tx, u)
	})
	return failure(action, err)
}

// AdmitUser is DisableUser of a user whose id is known.
func (s *Store) AdmitUser(ctx context.Context, by audit.Actor, userID string, admitted bool) error {
	return failure("admit user", s.changeUserByID(ctx, userID, s.disabling(ctx, by, !admitted)))
}

func unknownUser() error {
	return &payment.Error{Class: payment.NotFound, Code: "unknown_user", Message: "there is no such user"}
}

func (s *Store) changeUserByID(ctx context.Context, id string, change func(pgx.Tx, lockedUser) error) error {
	if _, err := uuid.Parse(id); err != nil {
		return unknownUser()
	}
	return s.inTx(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, lockUser+`id = @id FOR UPDATE`, pgx.NamedArgs{"id": id})
		if err != nil {
			return err
		}
		return changing(tx, rows, change)
	})
}
