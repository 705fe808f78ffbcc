package store_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/api/hook"
	"tillflow/api/install"
	"tillflow/internal/payment"
	"tillflow/internal/shopify/app"
	core "tillflow/internal/shopify/install"
	"tillflow/internal/store"
)

var (
	_ install.Installs = (*store.Store)(nil)
	_ core.Tokens      = (*store.Store)(nil)
	_ hook.Deliveries  = (*store.Store)(nil)
	_ hook.Queue       = (*store.Store)(nil)
	_ hook.Shops       = (*store.Store)(nil)
)

// begun is an installation that has been started and comes back within ten minutes.
func (b *bundle) begun(state string) app.Start {
	b.t.Helper()
	start := app.Start{
		App: app.Payments, Shop: shop, State: app.SumOf(state), Browser: app.SumOf("browser"), ExpiresAt: b.clock.Now().Add(10 * time.Minute),
	}
	require.NoError(b.t, b.BeginInstall(b.t.Context(), start))
	return start
}

func (b *bundle) verdict(start app.Start) app.Verdict {
	b.t.Helper()
	v, err := b.TakeInstall(b.t.Context(), start)
	require.NoError(b.t, err)
	return v
}

func TestInstallState(t *testing.T) {
	t.Parallel()
	t.Run("a state is good once, however many come back with it at once", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		start := b.begun("s1")
		var mu sync.Mutex
		verdicts := map[app.Verdict]int{}
		atOnce(t, 20, func(ctx context.Context, _ int) error {
			v, err := b.TakeInstall(ctx, start)
			mu.Lock()
			defer mu.Unlock()
			verdicts[v]++
			return err
		})
		require.Equal(t, map[app.Verdict]int{app.Taken: 1, app.Spent: 19}, verdicts)
	})
	t.Run("what is wrong with a state is told, and nothing is spent by it", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		start := b.begun("s1")
		require.Equal(t, app.Unknown, b.verdict(app.Start{App: app.Payments, Shop: shop, State: app.SumOf("s2"), Browser: start.Browser}))
		other := start
		other.Browser = app.SumOf("")
		require.Equal(t, app.OtherBrowser, b.verdict(other))
		other = start
		other.Shop = "b.myshopify.com"
		require.Equal(t, app.OtherShop, b.verdict(other))
		other = start
		other.App = app.Admin
		require.Equal(t, app.OtherShop, b.verdict(other))
		require.Zero(t, b.count(`SELECT count(*) FROM install_states WHERE used_at IS NOT NULL`))
		require.Equal(t, app.Taken, b.verdict(start))
	})
	t.Run("a state ends, and is forgotten a day later", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		start := b.begun("s1")
		b.clock.Add(10 * time.Minute)
		require.Equal(t, app.Expired, b.verdict(start))
		b.clock.Add(25 * time.Hour)
		b.begun("s2")
		require.Equal(t, app.Unknown, b.verdict(start))
		require.Equal(t, 1, b.count(`SELECT count(*) FROM install_states`))
	})
	t.Run("neither the state nor the cookie is stored", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		b.begun("s1")
		require.Zero(t, b.count(`SELECT count(*) FROM install_states WHERE hash = 's1'::bytea OR browser = 'browser'::bytea`))
	})
	t.Run("a state cannot be given out twice", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		requireClass(t, payment.Conflict, "", b.BeginInstall(t.Context(), b.begun("s1")))
	})
}

// grant is what a callback at a time brings; access tells them apart.
func (b *bundle) grant(name app.Name, access string, at time.Time) app.Grant {
	return app.Grant{App: name, Shop: shop, AuthorizedAt: at, Tokens: app.Tokens{
		Access: app.Secret(access), Refresh: app.Secret("r-" + access), AccessExpiresAt: b.clock.Now().Add(24 * time.Hour), Scope: "write_b,write_a",
	}}
}

func (b *bundle) installed(name app.Name, access string) time.Time {
	b.t.Helper()
	at := b.clock.Now().Truncate(time.Second)
	require.NoError(b.t, b.PutInstall(b.t.Context(), b.grant(name, access, at)))
	return at
}

func never(context.Context, string) (string, string, time.Time, error) { panic("no refresh was due") }

func TestPutInstall(t *testing.T) {
	t.Parallel()
	t.Run("a new shop becomes active, with its grants and tokens", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		at := b.installed(app.Payments, "a1")
		found, err := b.Installation(t.Context(), app.Payments, shop)
		require.NoError(t, err)
		require.Equal(t, app.Installation{
			App: app.Payments, Shop: shop, Scopes: []string{"write_a", "write_b"}, AuthorizedAt: at, InstalledAt: b.clock.Now(),
		}, found)
		require.True(t, found.Installed())
		s, err := b.Shop(t.Context(), shop)
		require.NoError(t, err)
		require.True(t, s.Active)
		token, err := b.Token(t.Context(), shop, never)
		require.NoError(t, err)
		require.Equal(t, "a1", token)
		_, err = b.Installation(t.Context(), app.Admin, shop)
		requireClass(t, payment.NotFound, "", err)
	})
	t.Run("the second app has tokens of its own and takes no payments", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		b.installed(app.Admin, "b1")
		s, err := b.Shop(t.Context(), shop)
		require.NoError(t, err)
		require.False(t, s.Active)
		_, err = b.Token(t.Context(), shop, never)
		requireClass(t, payment.NotFound, "", err)
		token, err := b.AppToken(t.Context(), app.Admin, shop, never)
		require.NoError(t, err)
		require.Equal(t, "b1", token)
		b.installed(app.Payments, "a1")
		token, err = b.AppToken(t.Context(), app.Admin, shop, never)
		require.NoError(t, err)
		require.Equal(t, "b1", token)
		list, err := b.Installed(t.Context(), app.Admin)
		require.NoError(t, err)
		require.Len(t, list, 1)
	})
	t.Run("an installation again keeps the shop's settings and its first date", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.installed(app.Payments, "a1")
		require.NoError(t, b.PutReady(t.Context(), shop, true))
		first := b.clock.Now()
		b.clock.Add(time.Hour)
		b.installed(app.Payments, "a2")
		found, err := b.Installation(t.Context(), app.Payments, shop)
		require.NoError(t, err)
		require.Equal(t, first, found.InstalledAt)
		require.True(t, found.Ready)
		s, err := b.Shop(t.Context(), shop)
		require.NoError(t, err)
		require.Equal(t, "A shop", s.Label)
		require.Equal(t, 3, s.MaxAttempts)
		token, err := b.Token(t.Context(), shop, never)
		require.NoError(t, err)
		require.Equal(t, "a2", token)
	})
	t.Run("of two callbacks the later one stands", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		at := b.installed(app.Payments, "new")
		require.NoError(t, b.PutInstall(t.Context(), b.grant(app.Payments, "old", at.Add(-time.Second))))
		token, err := b.Token(t.Context(), shop, never)
		require.NoError(t, err)
		require.Equal(t, "new", token)
	})
	t.Run("a shop's name that is none is refused", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		g := b.grant(app.Payments, "a1", b.clock.Now())
		g.Shop = "a/b"
		requireClass(t, payment.Invalid, "shop", b.PutInstall(t.Context(), g))
		g.Shop, g.App = shop, "third"
		requireClass(t, payment.Bug, "", b.PutInstall(t.Context(), g))
		require.Zero(t, b.count(`SELECT count(*) FROM shops`), "nothing is left of it")
	})
}

func TestUninstall(t *testing.T) {
	t.Parallel()
	t.Run("tokens go, no new payment is accepted, and what was accepted stays", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.installed(app.Payments, "a1")
		b.installed(app.Admin, "b1")
		accepted := b.accept()
		b.clock.Add(time.Hour)
		at := b.clock.Now()
		done, err := b.Uninstall(t.Context(), app.Payments, shop, at)
		require.NoError(t, err)
		require.True(t, done)
		_, err = b.Token(t.Context(), shop, never)
		requireClass(t, payment.NotFound, "", err)
		_, err = b.AcceptSession(t.Context(), b.session())
		requireClass(t, payment.NotFound, "unknown_shop", err)
		require.Equal(t, payment.Created, b.view(accepted).State)
		found, err := b.Installation(t.Context(), app.Payments, shop)
		require.NoError(t, err)
		require.Equal(t, at, found.UninstalledAt)
		require.False(t, found.Installed())
		token, err := b.AppToken(t.Context(), app.Admin, shop, never)
		require.NoError(t, err)
		require.Equal(t, "b1", token, "the other app is still there")
		again, err := b.Uninstall(t.Context(), app.Payments, shop, at.Add(time.Second))
		require.NoError(t, err)
		require.False(t, again)
		requireClass(t, payment.NotFound, "", b.PutReady(t.Context(), shop, true))
	})
	t.Run("without the second app payments go on", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.installed(app.Payments, "a1")
		b.installed(app.Admin, "b1")
		done, err := b.Uninstall(t.Context(), app.Admin, shop, b.clock.Now())
		require.NoError(t, err)
		require.True(t, done)
		_, err = b.AppToken(t.Context(), app.Admin, shop, never)
		requireClass(t, payment.NotFound, "", err)
		b.accept()
	})
	t.Run("news of the end before the present installation changes nothing", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		b.installed(app.Payments, "a1")
		b.clock.Add(time.Hour)
		end := b.clock.Now()
		b.clock.Add(time.Second)
		b.installed(app.Payments, "a2")
		done, err := b.Uninstall(t.Context(), app.Payments, shop, end)
		require.NoError(t, err)
		require.False(t, done)
		token, err := b.Token(t.Context(), shop, never)
		require.NoError(t, err)
		require.Equal(t, "a2", token)
	})
	t.Run("a reinstallation brings the shop back, not ready yet", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.installed(app.Payments, "a1")
		require.NoError(t, b.PutReady(t.Context(), shop, true))
		b.clock.Add(time.Hour)
		_, err := b.Uninstall(t.Context(), app.Payments, shop, b.clock.Now())
		require.NoError(t, err)
		b.clock.Add(time.Hour)
		b.installed(app.Payments, "a2")
		found, err := b.Installation(t.Context(), app.Payments, shop)
		require.NoError(t, err)
		require.True(t, found.Installed())
		require.False(t, found.Ready)
		require.Equal(t, b.clock.Now(), found.InstalledAt)
		b.accept()
	})
	t.Run("a shop that was set up by hand ends alike, and one that nobody knows is no error", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		require.NoError(t, b.PutToken(t.Context(), shop, "a1", "r1", time.Time{}))
		done, err := b.Uninstall(t.Context(), app.Payments, shop, b.clock.Now())
		require.NoError(t, err)
		require.True(t, done)
		_, err = b.Token(t.Context(), shop, never)
		requireClass(t, payment.NotFound, "", err)
		done, err = b.Uninstall(t.Context(), app.Payments, "nobody.myshopify.com", b.clock.Now())
		require.NoError(t, err)
		require.False(t, done)
		_, err = b.Uninstall(t.Context(), "third", shop, b.clock.Now())
		requireClass(t, payment.Bug, "app", err)
	})
}

func TestPutScopes(t *testing.T) {
	t.Parallel()
	b := open(t)
	at := b.installed(app.Payments, "a1")
	change := app.Installation{App: app.Payments, Shop: shop, Scopes: []string{"write_c"}, AuthorizedAt: at.Add(-time.Second)}
	news, err := b.PutScopes(t.Context(), change)
	require.NoError(t, err)
	require.False(t, news, "older than the installation")
	change.AuthorizedAt = at.Add(time.Minute)
	news, err = b.PutScopes(t.Context(), change)
	require.NoError(t, err)
	require.True(t, news)
	found, err := b.Installation(t.Context(), app.Payments, shop)
	require.NoError(t, err)
	require.Equal(t, []string{"write_c"}, found.Scopes)
}
