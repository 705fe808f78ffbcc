package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/crypt"
	"tillflow/internal/payment"
	"tillflow/internal/shopify/app"
)

// Refresh trades a refresh token for a new pair at the shop's platform. A zero
// expiresAt means that the access token does not expire.
type Refresh = func(ctx context.Context, refresh string) (access, next string, expiresAt time.Time, err error)

// drawer is where an app's tokens are: the table, and the name that binds sealed
// tokens to their shop.
type drawer struct{ table, owner string }

// drawerOf finds an app's tokens. The names never change.
func drawerOf(name app.Name) (drawer, error) {
	switch name {
	case app.Payments:
		return drawer{table: "shop_tokens", owner: "shop token "}, nil
	case app.Admin:
		return drawer{table: "admin_tokens", owner: "admin token "}, nil
	}
	return drawer{}, bug("app", "there is no %s app", name)
}

// Names that bind sealed tokens to their column.
const (
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
	updatedAt       time.Time
}

func (t tokens) goodAt(moment time.Time) bool {
	return t.expiresAt.IsZero() || t.expiresAt.After(moment)
}

func (d drawer) selectToken() string {
	return `SELECT wrapped_key, access, refresh, expires_at, updated_at FROM ` + d.table + ` WHERE shop = @shop`
}

// Token answers a shop's access token that is good for some minutes more,
// rotated when it is not. payment.NotFound before the shop has authorized us.
func (s *Store) Token(ctx context.Context, shop string, refresh Refresh) (string, error) {
	return s.token(ctx, app.Payments, shop, refresh)
}

func (s *Store) token(ctx context.Context, name app.Name, shop string, refresh Refresh) (string, error) {
	d, err := drawerOf(name)
	if err != nil {
		return "", failure("read access token", err)
	}
	t, err := s.scanToken(d, shop, s.pool.QueryRow(ctx, d.selectToken(), pgx.NamedArgs{"shop": shop}))
	if err != nil {
		return "", failure("read access token", err)
	}
	now := s.now()
	if t.goodAt(now.Add(tokenMargin)) {
		return t.access, nil
	}
	fresh, err := s.rotateToken(ctx, name, shop, unless(t.access, s.now, refresh))
	if err != nil && t.goodAt(now) {
		s.log.Warn().Err(err).Str("shop", shop).Msg("access token not renewed yet")
		return t.access, nil
	}
	return fresh, err
}

func (s *Store) scanToken(d drawer, shop string, row pgx.Row) (tokens, error) {
	key := crypt.DataKey{Owner: d.owner + shop}
	var access, refresh []byte
	var expires *time.Time
	var updated time.Time
	if err := row.Scan(&key.Wrapped, &access, &refresh, &expires, &updated); err != nil {
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
	return tokens{access: string(clearAccess), refresh: string(clearRefresh), expiresAt: instant(expires), updatedAt: updated}, nil
}

// PutToken stores the tokens of a shop, replacing those that stand. A zero
// expiresAt means that the access token does not expire.
func (s *Store) PutToken(ctx context.Context, shop string, access, refresh crypt.Secret, expiresAt time.Time) error {
	t := tokens{access: access.Reveal(), refresh: refresh.Reveal(), expiresAt: expiresAt}
	return failure("put access token", s.inTx(ctx, func(tx pgx.Tx) error { return s.writeToken(ctx, tx, app.Payments, shop, t) }))
}

func (d drawer) upsertToken() string {
	return `
	INSERT INTO ` + d.table + ` AS t (shop, wrapped_key, access, refresh, expires_at, updated_at)
	VALUES (@shop, @key, @access, @refresh, @expires_at, @now)
	ON CONFLICT (shop) DO UPDATE SET wrapped_key = @key, access = @access, refresh = @refresh, expires_at = @expires_at,
	       version = t.version + 1, updated_at = @now`
}

func (s *Store) writeToken(ctx context.Context, tx pgx.Tx, name app.Name, shop string, t tokens) error {
	d, err := drawerOf(name)
	if err != nil {
		return err
	}
	key, err := s.vault.NewDataKey(d.owner + shop)
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
	_, err = tx.Exec(ctx, d.upsertToken(), pgx.NamedArgs{
		"shop": shop, "key": key.Wrapped, "access": access, "refresh": refresh, "expires_at": nullable(t.expiresAt), "now": s.now(),
	})
	return err
}

// RotateToken answers another access token than stale: the one that stands, if
// somebody rotated meanwhile, else what refresh brings, which is stored.
func (s *Store) RotateToken(ctx context.Context, shop, stale string, refresh Refresh) (string, error) {
	return s.rotateToken(ctx, app.Payments, shop, unless(stale, s.now, refresh))
}

// rotation says what to do with the tokens that stand.
type rotation struct {
	// keep: they are what the caller wants, so nothing is called.
	keep func(standing tokens) bool
	// renew trades them for others.
	renew func(ctx context.Context, standing tokens) (tokens, error)
}

// unless rotates by the refresh token, unless somebody did since stale.
func unless(stale string, now func() time.Time, refresh Refresh) rotation {
	return rotation{
		keep: func(standing tokens) bool { return standing.access != stale && standing.goodAt(now()) },
		renew: func(ctx context.Context, standing tokens) (tokens, error) {
			var t tokens
			var err error
			t.access, t.refresh, t.expiresAt, err = refresh(ctx, standing.refresh)
			return t, err
		},
	}
}

// rotateToken answers the access token that stands afterwards.
//
// This is the one transaction that spans a call: the row's lock is what makes
// fifty callers refresh once, and a refresh token that is used twice can cost
// the merchant's authorization. It locks nothing else, the call is bounded, and
// a commit that is lost is mended by the platform, which keeps the old refresh
// token valid until the new access token is first used.
func (s *Store) rotateToken(ctx context.Context, name app.Name, shop string, r rotation) (string, error) {
	const action = "rotate access token"
	d, err := drawerOf(name)
	if err != nil {
		return "", failure(action, err)
	}
	var access string
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		// Waiting for another caller's refresh may take as long as a refresh.
		if _, err := tx.Exec(ctx, `SET LOCAL lock_timeout = '25s'`); err != nil {
			return err
		}
		standing, err := s.scanToken(d, shop, tx.QueryRow(ctx, d.selectToken()+` FOR UPDATE`, pgx.NamedArgs{"shop": shop}))
		if err != nil {
			return err
		}
		if r.keep(standing) {
			access = standing.access
			return nil
		}
		call, cancel := context.WithTimeout(ctx, refreshTimeout)
		defer cancel()
		t, err := r.renew(call, standing)
		if err != nil {
			return err
		}
		if t.access == "" {
			return &payment.Error{Class: payment.Unavailable, Code: "no_token", Message: "the refresh brought no token"}
		}
		access = t.access
		return s.writeToken(ctx, tx, name, shop, t)
	})
	if err != nil {
		return "", failure(action, err)
	}
	return access, nil
}
