package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/api/console/login"
	"tillflow/internal/access"
	"tillflow/internal/access/audit"
	"tillflow/internal/payment"
	"tillflow/internal/store"
)

// The login's interfaces are met by structure.
var (
	_ login.Users    = (*store.Store)(nil)
	_ login.Sessions = (*store.Store)(nil)
	_ login.Audit    = (*store.Store)(nil)
)

// root is who adds people.
var root = audit.Actor{Name: "command line: root"}

// phc is the hash of no password.
const phc = access.PasswordHash("$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")

func (b *bundle) user(name string, role access.Role) access.User {
	b.t.Helper()
	_, err := b.AddUser(b.t.Context(), root, access.NewUser{Name: name, Role: role, Password: phc, TOTP: access.NewTOTPKey()})
	require.NoError(b.t, err)
	c, err := b.Credentials(b.t.Context(), name)
	require.NoError(b.t, err)
	return c.User
}

// did lists the audit as "actor action subject detail", oldest first.
func (b *bundle) did() []string {
	b.t.Helper()
	list, err := b.ListAudit(b.t.Context(), store.AuditFilter{Limit: 500})
	require.NoError(b.t, err)
	out := make([]string, len(list))
	for i, r := range list {
		out[len(list)-1-i] = fmt.Sprintf("%s %s %s %s", r.Entry.Actor.Name, r.Entry.Action, r.Entry.Subject, r.Entry.Detail)
	}
	return out
}

func TestUsers(t *testing.T) {
	t.Parallel()
	b := open(t)
	ctx := t.Context()
	key := access.NewTOTPKey()
	id, err := b.AddUser(ctx, root, access.NewUser{Name: " Ada ", Role: access.Operator, Password: phc, TOTP: key})
	require.NoError(t, err)

	t.Run("a user is found by name in any case of letters, with what a login is checked against", func(t *testing.T) {
		c, err := b.Credentials(ctx, "ADA")
		require.NoError(t, err)
		want := access.User{ID: id, Name: "ada", Kind: access.LocalUser, Role: access.Operator, HasTOTP: true, CreatedAt: b.clock.Now()}
		require.Equal(t, access.Credentials{User: want, Password: phc, TOTP: key}, c)
		list, err := b.Users(ctx)
		require.NoError(t, err)
		require.Equal(t, []access.User{want}, list)
		for _, name := range []string{"bob", "", "a\x00da"} {
			_, err = b.Credentials(ctx, name)
			requireClass(t, payment.NotFound, "", err)
		}
	})
	t.Run("the one-time secret is sealed, for this user alone", func(t *testing.T) {
		require.Zero(t, b.count(`SELECT count(*) FROM users WHERE position($1 IN totp) > 0`, []byte(key)))
		other := b.user("eve", access.Viewer)
		_, err := b.pool.Exec(ctx, `UPDATE users SET (wrapped_key, totp) = (SELECT wrapped_key, totp FROM users WHERE id = $1) WHERE id = $2`, id, other.ID)
		require.NoError(t, err)
		_, err = b.Credentials(ctx, "eve")
		requireClass(t, payment.Bug, "vault", err)
	})
	t.Run("a name is taken once, whoever has it", func(t *testing.T) {
		_, err := b.AddUser(ctx, root, access.NewUser{Name: "ADA", Role: access.Viewer, Password: phc})
		requireClass(t, payment.Conflict, "name_taken", err)
		_, err = b.Recognise(ctx, access.Identity{Kind: access.OIDCUser, Issuer: "i", Subject: "1", Name: "Ada", Role: access.Admin})
		requireClass(t, payment.Conflict, "name_taken", err)
	})
	t.Run("nobody is added without name, role and password", func(t *testing.T) {
		for _, u := range []access.NewUser{{Role: access.Viewer, Password: phc}, {Name: "x", Password: phc}, {Name: "x", Role: "king", Password: phc}, {Name: "x", Role: access.Viewer}} {
			_, err := b.AddUser(ctx, root, u)
			requireClass(t, payment.Invalid, "", err)
		}
	})
	t.Run("what is done to a user is in the audit", func(t *testing.T) {
		require.NoError(t, b.SetRole(ctx, root, "ada", access.Finance))
		require.NoError(t, b.SetPassword(ctx, root, "ada", phc+"x"))
		require.NoError(t, b.SetTOTP(ctx, root, "ada", nil))
		require.NoError(t, b.SetTOTP(ctx, root, "ada", key))
		require.NoError(t, b.DisableUser(ctx, root, "ada", true))
		requireClass(t, payment.Conflict, "no_change", b.DisableUser(ctx, root, "ada", true))
		require.NoError(t, b.DisableUser(ctx, root, "ada", false))
		who, subject := root.Name, "user "+id
		require.Subset(t, b.did(), []string{
			who + " user.add " + subject + " role=operator", who + " user.role " + subject + " before=operator after=finance",
			who + " user.password " + subject + " ", who + " user.totp " + subject + " removed", who + " user.totp " + subject + " enrolled",
			who + " user.disable " + subject + " ", who + " user.enable " + subject + " ",
		})
		c, err := b.Credentials(ctx, "ada")
		require.NoError(t, err)
		require.Equal(t, phc+"x", c.Password)
		require.Equal(t, access.Finance, c.Role)
	})
	t.Run("what cannot be done changes nothing and is not in the audit", func(t *testing.T) {
		before := b.did()
		requireClass(t, payment.NotFound, "unknown_user", b.SetRole(ctx, root, "nobody", access.Viewer))
		requireClass(t, payment.NotFound, "unknown_user", b.DisableUser(ctx, root, "nobody", true))
		requireClass(t, payment.Invalid, "role", b.SetRole(ctx, root, "ada", "king"))
		requireClass(t, payment.Bug, "password", b.SetPassword(ctx, root, "ada", ""))
		requireClass(t, payment.Bug, "audit_entry", b.SetRole(ctx, audit.Actor{}, "ada", access.Viewer))
		require.Equal(t, before, b.did())
		c, err := b.Credentials(ctx, "ada")
		require.NoError(t, err)
		require.Equal(t, access.Finance, c.Role, "an action that cannot be noted is not done")
	})
}

func TestRecognise(t *testing.T) {
	t.Parallel()
	b := open(t)
	ctx := t.Context()
	who := access.Identity{Kind: access.OIDCUser, Issuer: "https://id.example", Subject: "42", Name: "Grace", Role: access.Viewer}
	first, err := b.Recognise(ctx, who)
	require.NoError(t, err)
	require.Equal(t, access.User{ID: first.ID, Name: "grace", Kind: access.OIDCUser, Role: access.Viewer, CreatedAt: b.clock.Now()}, first)

	t.Run("the same subject is the same user, with the name and role of now", func(t *testing.T) {
		who.Name, who.Role = "Grace H", access.Admin
		again, err := b.Recognise(ctx, who)
		require.NoError(t, err)
		require.Equal(t, first.ID, again.ID)
		require.Equal(t, "grace h", again.Name)
		require.Equal(t, access.Admin, again.Role)
	})
	t.Run("the subject of another issuer is somebody else", func(t *testing.T) {
		other := who
		other.Issuer, other.Name = "https://other.example", "Grace O"
		user, err := b.Recognise(ctx, other)
		require.NoError(t, err)
		require.NotEqual(t, first.ID, user.ID)
	})
	t.Run("who was disabled stays so", func(t *testing.T) {
		require.NoError(t, b.DisableUser(ctx, root, "grace h", true))
		user, err := b.Recognise(ctx, who)
		require.NoError(t, err)
		require.False(t, user.Disabled.IsZero())
	})
	t.Run("they have no password and no codes here", func(t *testing.T) {
		_, err := b.Credentials(ctx, "grace h")
		requireClass(t, payment.NotFound, "", err)
		requireClass(t, payment.Conflict, "not_local", b.SetPassword(ctx, root, "grace h", phc))
		requireClass(t, payment.Conflict, "not_local", b.SetTOTP(ctx, root, "grace h", access.NewTOTPKey()))
	})
	t.Run("an identity without subject, kind or role is refused", func(t *testing.T) {
		for _, change := range []func(*access.Identity){
			func(i *access.Identity) { i.Subject = "" }, func(i *access.Identity) { i.Kind = access.LocalUser }, func(i *access.Identity) { i.Role = "" },
		} {
			bad := who
			change(&bad)
			_, err := b.Recognise(ctx, bad)
			requireClass(t, payment.Bug, "identity", err)
		}
	})
}

func TestSpendTOTPStep(t *testing.T) {
	t.Parallel()
	b := open(t)
	user := b.user("ada", access.Viewer)
	t.Run("of many who bring one code one is let in", func(t *testing.T) {
		won := 0
		for _, ok := range together(t, 20, func(ctx context.Context) (bool, error) { return b.SpendTOTPStep(ctx, user.ID, 100) }) {
			if ok {
				won++
			}
		}
		require.Equal(t, 1, won)
	})
	t.Run("earlier steps are spent with it, later ones are not", func(t *testing.T) {
		for _, tc := range []struct {
			step int64
			ok   bool
		}{{99, false}, {100, false}, {101, true}, {101, false}} {
			ok, err := b.SpendTOTPStep(t.Context(), user.ID, tc.step)
			require.NoError(t, err)
			require.Equal(t, tc.ok, ok, tc.step)
		}
		c, err := b.Credentials(t.Context(), "ada")
		require.NoError(t, err)
		require.EqualValues(t, 101, c.Spent)
	})
	t.Run("a new secret counts anew", func(t *testing.T) {
		require.NoError(t, b.SetTOTP(t.Context(), root, "ada", access.NewTOTPKey()))
		ok, err := b.SpendTOTPStep(t.Context(), user.ID, 50)
		require.NoError(t, err)
		require.True(t, ok)
	})
}

func TestUpgradePassword(t *testing.T) {
	t.Parallel()
	b := open(t)
	user := b.user("ada", access.Viewer)
	require.NoError(t, b.UpgradePassword(t.Context(), user.ID, phc, phc+"new"))
	c, err := b.Credentials(t.Context(), "ada")
	require.NoError(t, err)
	require.Equal(t, phc+"new", c.Password)
	require.NoError(t, b.UpgradePassword(t.Context(), user.ID, phc, phc+"late"))
	c, err = b.Credentials(t.Context(), "ada")
	require.NoError(t, err)
	require.Equal(t, phc+"new", c.Password, "a password that changed meanwhile stays")
}

// together runs do n times at once and answers what each got.
func together[T any](t *testing.T, n int, do func(context.Context) (T, error)) []T {
	t.Helper()
	type result struct {
		value T
		err   error
	}
	results := make(chan result, n)
	start := make(chan struct{})
	for range n {
		go func() {
			<-start
			value, err := do(t.Context())
			results <- result{value, err}
		}()
	}
	close(start)
	var out []T
	for range n {
		select {
		case r := <-results:
			require.NoError(t, r.err)
			out = append(out, r.value)
		case <-time.After(30 * time.Second):
			t.Fatal("not done in time")
		}
	}
	return out
}
