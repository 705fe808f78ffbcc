package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/shopify/app"
)

// forgetStates is how long after its end a state is kept, so that a merchant who
// comes late is told so instead of "never heard of".
const forgetStates = 24 * time.Hour

// BeginInstall records an installation that a browser has begun. Old ones go on
// the way, so the table stays as small as the traffic of a day.
func (s *Store) BeginInstall(ctx context.Context, start app.Start) error {
	const statement = `
		WITH gone AS (DELETE FROM install_states WHERE expires_at < @forget)
		INSERT INTO install_states (hash, browser, app, shop, created_at, expires_at)
		VALUES (@hash, @browser, @app, @shop, @now, @expires)`
	now := s.now()
	_, err := s.pool.Exec(ctx, statement, pgx.NamedArgs{
		"hash": start.State[:], "browser": start.Browser[:], "app": start.App, "shop": start.Shop,
		"expires": start.ExpiresAt, "now": now, "forget": now.Add(-forgetStates),
	})
	return failure("begin installation", err)
}

// takeState spends a state if all is right with it, in one statement, so that it
// is good once however many callbacks race; and says what is wrong otherwise.
// What is compared are sums of random texts: the time tells nothing about them.
const takeState = `
	WITH taken AS (
		UPDATE install_states SET used_at = @now
		WHERE hash = @hash AND browser = @browser AND app = @app AND shop = @shop AND expires_at > @now AND used_at IS NULL
		RETURNING hash
	), found AS (
		SELECT * FROM install_states WHERE hash = @hash
	)
	SELECT CASE
		WHEN EXISTS (SELECT FROM taken) THEN 'taken'
		WHEN NOT EXISTS (SELECT FROM found) THEN 'unknown'
		WHEN EXISTS (SELECT FROM found WHERE browser <> @browser) THEN 'other_browser'
		WHEN EXISTS (SELECT FROM found WHERE app <> @app OR shop <> @shop) THEN 'other_shop'
		WHEN EXISTS (SELECT FROM found WHERE expires_at <= @now) THEN 'expired'
		ELSE 'spent' END`

// TakeInstall spends the state of a callback. start.ExpiresAt is not read.
func (s *Store) TakeInstall(ctx context.Context, start app.Start) (app.Verdict, error) {
	var verdict app.Verdict
	err := s.pool.QueryRow(ctx, takeState, pgx.NamedArgs{
		"hash": start.State[:], "browser": start.Browser[:], "app": start.App, "shop": start.Shop, "now": s.now(),
	}).Scan(&verdict)
	return verdict, failure("take state of an installation", err)
}

// PutInstall stores what an installation brought: the shop, which a payments app
// makes active and whose settings stay, the tokens and the grants. Of two
// callbacks the later one stands, in whatever order they arrive.
func (s *Store) PutInstall(ctx context.Context, g app.Grant) error {
	const action = "put installation"
	if !shopName.MatchString(g.Shop) {
		return failure(action, invalid("shop", "a shop's name is letters, digits, dots, dashes and underscores"))
	}
	return failure(action, s.inTx(ctx, func(tx pgx.Tx) error {
		args := pgx.NamedArgs{
			"shop": g.Shop, "app": g.App, "scopes": app.Scopes(g.Tokens.Scope), "authorized": g.AuthorizedAt,
			"active": g.App == app.Payments, "now": s.now(),
		}
		const shop = `
			INSERT INTO shops (shop, active, created_at) VALUES (@shop, @active, @now)
			ON CONFLICT (shop) DO UPDATE SET active = shops.active OR @active`
		if _, err := tx.Exec(ctx, shop, args); err != nil {
			return err
		}
		const install = `
			INSERT INTO installations AS i (shop, app, scopes, authorized_at, installed_at)
			VALUES (@shop, @app, @scopes, @authorized, @now)
			ON CONFLICT (shop, app) DO UPDATE SET scopes = @scopes, authorized_at = @authorized,
			       installed_at = CASE WHEN i.uninstalled_at IS NULL THEN i.installed_at ELSE @now END,
			       ready = i.ready AND i.uninstalled_at IS NULL, uninstalled_at = NULL
			WHERE i.authorized_at <= @authorized`
		tag, err := tx.Exec(ctx, install, args)
		if err != nil || tag.RowsAffected() == 0 {
			return err // nothing changed: a later callback was here first
		}
		return s.writeToken(ctx, tx, g.App, g.Shop, fromApp(g.Tokens))
	}))
}

const selectInstallation = `SELECT app, shop, scopes, authorized_at, installed_at, uninstalled_at, ready FROM installations `

func scanInstallation(row pgx.CollectableRow) (app.Installation, error) {
	var i app.Installation
	var uninstalled *time.Time
	err := row.Scan(&i.App, &i.Shop, &i.Scopes, &i.AuthorizedAt, &i.InstalledAt, &uninstalled, &i.Ready)
	i.UninstalledAt = instant(uninstalled)
	return i, err
}

// Installation reads one; payment.NotFound if the app was never there.
func (s *Store) Installation(ctx context.Context, name app.Name, shop string) (app.Installation, error) {
	const action = "read installation"
	rows, err := s.pool.Query(ctx, selectInstallation+`WHERE shop = @shop AND app = @app`, pgx.NamedArgs{"shop": shop, "app": name})
	if err != nil {
		return app.Installation{}, failure(action, err)
	}
	i, err := pgx.CollectExactlyOneRow(rows, scanInstallation)
	return i, failure(action, err)
}

// Installed lists the shops where an app is installed now, by name.
func (s *Store) Installed(ctx context.Context, name app.Name) ([]app.Installation, error) {
	const action = "list installations"
	rows, err := s.pool.Query(ctx, selectInstallation+`WHERE app = @app AND uninstalled_at IS NULL ORDER BY shop`, pgx.NamedArgs{"app": name})
	if err != nil {
		return nil, failure(action, err)
	}
	list, err := pgx.CollectRows(rows, scanInstallation)
	return list, failure(action, err)
}

// PutReady notes what Shopify was told about the payments app being ready.
func (s *Store) PutReady(ctx context.Context, shop string, ready bool) error {
	const statement = `UPDATE installations SET ready = @ready WHERE shop = @shop AND app = 'payments' AND uninstalled_at IS NULL`
	tag, err := s.pool.Exec(ctx, statement, pgx.NamedArgs{"shop": shop, "ready": ready})
	if err == nil && tag.RowsAffected() == 0 {
		err = pgx.ErrNoRows
	}
	return failure("put ready", err)
}

// PutScopes notes grants that changed without an installation, as of a moment of
// Shopify's clock; whether they were news.
func (s *Store) PutScopes(ctx context.Context, i app.Installation) (bool, error) {
	const statement = `
		UPDATE installations SET scopes = @scopes, authorized_at = @at
		WHERE shop = @shop AND app = @app AND authorized_at <= @at AND uninstalled_at IS NULL`
	tag, err := s.pool.Exec(ctx, statement, pgx.NamedArgs{"shop": i.Shop, "app": i.App, "scopes": i.Scopes, "at": i.AuthorizedAt})
	return tag.RowsAffected() == 1, failure("put scopes", err)
}

// Uninstall ends an installation as of a moment of Shopify's clock: the tokens
// are dropped and, for the payments app, the shop takes no payments any more.
// What was accepted stays, and stands before an operator when it cannot be told.
// A message from before the present installation changes nothing: false.
//
// A shop with tokens and no installation was set up by hand and ends alike.
func (s *Store) Uninstall(ctx context.Context, name app.Name, shop string, at time.Time) (bool, error) {
	const action = "uninstall"
	d, err := drawerOf(name)
	if err != nil {
		return false, failure(action, err)
	}
	done := false
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		args := pgx.NamedArgs{"shop": shop, "app": name, "at": at}
		// The shop first, as PutInstall locks it, and then a look: what it wrote meanwhile is seen.
		tag, err := tx.Exec(ctx, `SELECT FROM shops WHERE shop = @shop FOR NO KEY UPDATE`, args)
		if err != nil || tag.RowsAffected() == 0 {
			return err // nobody we know
		}
		const news = `
			SELECT NOT EXISTS (SELECT FROM installations
			                   WHERE shop = @shop AND app = @app AND (authorized_at > @at OR uninstalled_at IS NOT NULL))`
		var current bool
		if err := tx.QueryRow(ctx, news, args).Scan(&current); err != nil || !current {
			return err
		}
		done = true
		statements := []string{
			`UPDATE installations SET uninstalled_at = @at, ready = false WHERE shop = @shop AND app = @app`,
			`DELETE FROM ` + d.table + ` WHERE shop = @shop`,
		}
		if name == app.Payments {
			statements = append(statements, `UPDATE shops SET active = false WHERE shop = @shop`)
		}
		for _, statement := range statements {
			if _, err := tx.Exec(ctx, statement, args); err != nil {
				return err
			}
		}
		return nil
	})
	return done && err == nil, failure(action, err)
}
