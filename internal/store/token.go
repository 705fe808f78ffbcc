package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/crypt"
	"tillflow/internal/payment"
)

// Refresh trades a refresh token for a new pair at the shop's platform. A zero
// expiresAt means that the access token does not expire.
type Refresh = func(ctx context.Context, refresh string) (access, next string, expiresAt time.Time, err error)

// Names that bind sealed tokens to their shop and column.
const (
	tokenOwner = "shop token "
	accessRow  = "access"
	refreshRow = "refresh"
)

const (
	// tokenMargin is how long an access token that we hand out stays good.
	tokenMargin = 5 * time.Minute
	// refreshTimeout bounds the call that RotateToken makes inside its
	// transaction, below the server's idle_in_transaction_session_timeout.
	refreshTimeout = 20 * time.Second
)

// tokens is a shop's row in clear.
type tokens struct {
	access, refresh string
	expiresAt       time.Time
}

func (t tokens) goodAt(moment time.Time) bool {
	return t.expiresAt.IsZero() || t.expiresAt.After(moment)
}

const selectToken = `SELECT wrapped_key, access, refresh, expires_at FROM shop_tokens WHERE shop = @shop`

// Token answers a shop's access token that is good for some minutes more,
// rotated when it is not. payment.NotFound before the shop has authorized us.
func (s *Store) Token(ctx context.Context, shop string, refresh Refresh) (string, error) {
	t, err := s.scanToken(shop, s.pool.QueryRow(ctx, selectToken, pgx.NamedArgs{"shop": shop}))
	if err != nil {
		return "", failure("read access token", err)
	}
	now := s.now()
	if t.goodAt(now.Add(tokenMargin)) {
		return t.access, nil
	}
	fresh, err := s.RotateToken(ctx, shop, t.access, refresh)
	if err != nil && t.goodAt(now) {
		s.log.Warn().Err(err).Str("shop", shop).Msg("access token not renewed yet")
		return t.access, nil
	}
	return fresh, err
}

func (s *Store) scanToken(shop string, row pgx.Row) (tokens, error) {
	key := crypt.DataKey{Owner: tokenOwner + shop}
	var access, refresh []byte
	var expires *time.Time
	if err := row.Scan(&key.Wrapped, &access, &refresh, &expires); err != nil {
		return tokens{}, err
	}
	clearAccess, err := s.vault.Open(key, accessRow, access)
	if err != nil {
		return tokens{}, bug("vault", "the access token does not open")
	}
	clearRefresh, err := s.vault.Open(key, refreshRow, refresh)
	if err != nil {
		return tokens{}, bug("vault", "the refresh token does not open")
	}
	return tokens{access: string(clearAccess), refresh: string(clearRefresh), expiresAt: instant(expires)}, nil
}

// PutToken stores the tokens of a shop, replacing those that stand. A zero
// expiresAt means that the access token does not expire.
func (s *Store) PutToken(ctx context.Context, shop string, access, refresh crypt.Secret, expiresAt time.Time) error {
	t := tokens{access: access.Reveal(), refresh: refresh.Reveal(), expiresAt: expiresAt}
	return failure("put access token", s.inTx(ctx, func(tx pgx.Tx) error { return s.writeToken(ctx, tx, shop, t) }))
}

const upsertAccess = `
	INSERT INTO shop_tokens (shop, wrapped_key, access, refresh, expires_at, updated_at)
	VALUES (@shop, @key, @access, @refresh, @expires_at, @now)
	ON CONFLICT (shop) DO UPDATE SET wrapped_key = @key, access = @access, refresh = @refresh, expires_at = @expires_at,
	       version = shop_tokens.version + 1, updated_at = @now`

func (s *Store) writeToken(ctx context.Context, tx pgx.Tx, shop string, t tokens) error {
	key, err := s.vault.NewDataKey(tokenOwner + shop)
	if err != nil {
		return bug("vault", "no data key can be made")
	}
	access, err := s.vault.Seal(key, accessRow, []byte(t.access))
	if err != nil {
		return bug("vault", "the access token cannot be sealed")
	}
	refresh, err := s.vault.Seal(key, refreshRow, []byte(t.refresh))
	if err != nil {
		return bug("vault", "the refresh token cannot be sealed")
	}
	_, err = tx.Exec(ctx, upsertAccess, pgx.NamedArgs{
		"shop": shop, "key": key.Wrapped, "access": access, "refresh": refresh, "expires_at": nullable(t.expiresAt), "now": s.now(),
	})
	return err
}

// RotateToken answers another access token than stale: the one that stands, if
// somebody rotated meanwhile, else what refresh brings, which is stored.
//
// This is the one transaction that spans a call: the row's lock is what makes
// fifty callers refresh once, and a refresh token that is used twice can cost
// the merchant's authorization. It locks nothing else, the call is bounded, and
// a commit that is lost is mended by the platform, which keeps the old refresh
// token valid until the new access token is first used.
func (s *Store) RotateToken(ctx context.Context, shop, stale string, refresh Refresh) (string, error) {
	var access string
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		// Waiting for another caller's refresh may take as long as a refresh.
		if _, err := tx.Exec(ctx, `SET LOCAL lock_timeout = '25s'`); err != nil {
			return err
		}
		standing, err := s.scanToken(shop, tx.QueryRow(ctx, selectToken+` FOR UPDATE`, pgx.NamedArgs{"shop": shop}))
		if err != nil {
			return err
		}
		if standing.access != stale && standing.goodAt(s.now()) {
			access = standing.access
			return nil
		}
		call, cancel := context.WithTimeout(ctx, refreshTimeout)
		defer cancel()
		var t tokens
		if t.access, t.refresh, t.expiresAt, err = refresh(call, standing.refresh); err != nil {
			return err
		}
		if t.access == "" {
			return &payment.Error{Class: payment.Unavailable, Code: "no_token", Message: "the refresh brought no token"}
		}
		access = t.access
		return s.writeToken(ctx, tx, shop, t)
	})
	if err != nil {
		return "", failure("rotate access token", err)
	}
	return access, nil
}
