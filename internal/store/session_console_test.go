package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/access"
	"tillflow/internal/access/audit"
	"tillflow/internal/payment"
)

const home = "192.0.2.7"

func lifetimes() access.Lifetimes { return access.Lifetimes{}.OrDefault() }

// opening is a session of a user; change makes it another one.
func opening(user access.User, change ...func(*access.Opening)) (access.Token, access.Opening) {
	token := access.NewToken()
	o := access.Opening{UserID: user.ID, Hash: token.Hash(), Stage: access.Open, Method: access.ByPassword, For: lifetimes().Absolute, Address: home}
	for _, c := range change {
		c(&o)
	}
	return token, o
}

func entered(user access.User) audit.Entry {
	return audit.Entry{Actor: audit.Actor{Name: user.Name, Role: user.Role}, Action: "login.open", Subject: "user " + user.ID}
}

func (b *bundle) enter(user access.User, change ...func(*access.Opening)) access.Token {
	b.t.Helper()
	token, o := opening(user, change...)
	require.NoError(b.t, b.OpenSession(b.t.Context(), o, entered(user)))
	return token
}

func (b *bundle) alive(token access.Token) error {
	_, err := b.Session(b.t.Context(), token.Hash(), lifetimes())
	return err
}

func half(o *access.Opening) { o.Stage, o.For = access.HalfOpen, lifetimes().Half }

func replaces(token access.Token) func(*access.Opening) {
	return func(o *access.Opening) { o.Replaces = token.Hash() }
}

func byTOTP(o *access.Opening) { o.Method = access.ByTOTP }

func TestConsoleSession(t *testing.T) {
	t.Parallel()
	ended := func(t *testing.T, b *bundle, token access.Token) {
		t.Helper()
		requireClass(t, payment.Unauthorized, "session", b.alive(token))
	}
	t.Run("a session is found by its token's hash, which is all that is kept", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		user := b.user("ada", access.Finance)
		token := b.enter(user)
		user.LastLogin = b.clock.Now()
		found, err := b.Session(t.Context(), token.Hash(), lifetimes())
		require.NoError(t, err)
		now := b.clock.Now()
		require.Equal(t, access.Session{User: user, Stage: access.Open, Method: access.ByPassword, Created: now, Seen: now, Ends: now.Add(12 * time.Hour)}, found)
		require.Zero(t, b.count(`SELECT count(*) FROM console_sessions c WHERE c::text LIKE '%' || $1 || '%'`, token.Reveal()))
		ended(t, b, access.NewToken())
		require.Contains(t, b.did(), "ada login.open user "+user.ID+" ")
	})
	t.Run("one that nobody uses ends, one in use lives on, and all end at last", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		user := b.user("ada", access.Viewer)
		token, idle := b.enter(user), b.enter(user)
		for range 25 {
			b.clock.Add(29 * time.Minute)
			if b.alive(token) != nil {
				break
			}
		}
		require.Equal(t, 12*time.Hour+5*time.Minute, b.clock.Now().Sub(time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)).Truncate(time.Minute))
		ended(t, b, token)
		ended(t, b, idle)
	})
	t.Run("a look within a minute of the last writes nothing", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		token := b.enter(b.user("ada", access.Viewer))
		version := func() int { return b.count(`SELECT xmin::text::int FROM console_sessions`) }
		before := version()
		b.clock.Add(59 * time.Second)
		require.NoError(t, b.alive(token))
		require.Equal(t, before, version())
		b.clock.Add(time.Second)
		require.NoError(t, b.alive(token))
		require.NotEqual(t, before, version())
	})
	t.Run("a login ends the browser's earlier session", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		user := b.user("ada", access.Viewer)
		other, first := b.enter(user), access.Token("")
		first = b.enter(user)
		second := b.enter(user, replaces(first))
		ended(t, b, first)
		require.NoError(t, b.alive(second))
		require.NoError(t, b.alive(other), "those of other browsers live")
	})
	t.Run("role and state are those of now", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		token := b.enter(b.user("ada", access.Admin))
		require.NoError(t, b.SetRole(t.Context(), root, "ada", access.Viewer))
		found, err := b.Session(t.Context(), token.Hash(), lifetimes())
		require.NoError(t, err)
		require.Equal(t, access.Viewer, found.User.Role)
	})
	t.Run("a new password, a new second factor and being disabled end all sessions", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		user := b.user("ada", access.Admin)
		other := b.enter(b.user("bob", access.Admin))
		for _, change := range []func() error{
			func() error { return b.SetPassword(t.Context(), root, "ada", phc+"x") },
			func() error { return b.SetTOTP(t.Context(), root, "ada", access.NewTOTPKey()) },
			func() error { return b.DisableUser(t.Context(), root, "ada", true) },
		} {
			one, two := b.enter(user), b.enter(user, half)
			require.NoError(t, change())
			ended(t, b, one)
			ended(t, b, two)
		}
		require.NoError(t, b.alive(other))
		_, o := opening(user)
		requireClass(t, payment.Unauthorized, "session", b.OpenSession(t.Context(), o, entered(user)))
	})
	t.Run("a half-open session becomes an open one once, in its time, and for its user", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		user, other := b.user("ada", access.Admin), b.user("bob", access.Admin)
		first := b.enter(user, half)
		_, o := opening(other, byTOTP, replaces(first))
		requireClass(t, payment.Unauthorized, "session", b.OpenSession(t.Context(), o, entered(other)))
		token := b.enter(user, byTOTP, replaces(first))
		require.NoError(t, b.alive(token))
		for _, of := range []access.Token{first, token, access.NewToken()} {
			_, o := opening(user, byTOTP, replaces(of))
			requireClass(t, payment.Unauthorized, "session", b.OpenSession(t.Context(), o, entered(user)))
		}
		late := b.enter(user, half)
		b.clock.Add(lifetimes().Half)
		_, o = opening(user, byTOTP, replaces(late))
		requireClass(t, payment.Unauthorized, "session", b.OpenSession(t.Context(), o, entered(user)))
		require.NoError(t, b.alive(token))
	})
	t.Run("signing out ends it, and is noted once", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		user := b.user("ada", access.Viewer)
		token := b.enter(user)
		for range 2 {
			require.NoError(t, b.EndSession(t.Context(), token.Hash(), audit.Entry{Actor: audit.Actor{Name: "ada"}, Action: "login.close"}))
		}
		ended(t, b, token)
		require.Equal(t, 1, b.count(`SELECT count(*) FROM audit WHERE action = 'login.close'`))
	})
	t.Run("a login sweeps away what has ended", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		user := b.user("ada", access.Viewer)
		b.enter(user)
		_, err := b.AdmitLogin(t.Context(), access.Try{Name: "eve", Address: "198.51.100.1", Method: access.ByPassword}, access.DefaultThrottle())
		require.NoError(t, err)
		b.clock.Add(32 * 24 * time.Hour)
		b.enter(user)
		require.Equal(t, 1, b.count(`SELECT count(*) FROM console_sessions`))
		require.Equal(t, 3, b.count(`SELECT count(*) FROM login_attempts`), "those of this login")
	})
	t.Run("a session whose entry cannot be noted is not opened", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		user := b.user("ada", access.Viewer)
		token, o := opening(user)
		requireClass(t, payment.Bug, "audit_entry", b.OpenSession(t.Context(), o, audit.Entry{}))
		ended(t, b, token)
	})
}

func TestAdmitLogin(t *testing.T) {
	t.Parallel()
	throttle := access.DefaultThrottle()
	typed := func(name, address string) access.Try {
		return access.Try{Name: name, Address: address, Method: access.ByPassword}
	}
	admit := func(b *bundle, name, address string) time.Duration {
		b.t.Helper()
		wait, err := b.AdmitLogin(b.t.Context(), typed(name, address), throttle)
		require.NoError(b.t, err)
		return wait
	}
	t.Run("guesses at a name are let in some times, then each waits longer", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		for range throttle.FreeBoth {
			require.Zero(t, admit(b, "ada", home))
		}
		for _, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
			require.Equal(t, want, admit(b, "Ada ", home))
			require.Equal(t, want, admit(b, "ada", home), "a try that must wait does not count")
			b.clock.Add(want)
			require.Zero(t, admit(b, "ada", home))
		}
	})
	t.Run("a hundred at once are a hundred: no more are let in than one after the other", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		let := 0
		for _, wait := range together(t, 100, func(ctx context.Context) (time.Duration, error) {
			return b.AdmitLogin(ctx, typed("ada", home), throttle)
		}) {
			if wait == 0 {
				let++
			}
		}
		require.Equal(t, throttle.FreeBoth, let)
	})
	t.Run("crossing names and addresses at once does not end in a deadlock", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		names, turn := []string{"a", "b", "c"}, make(chan int, 60)
		for i := range 60 {
			turn <- i
		}
		together(t, 60, func(ctx context.Context) (time.Duration, error) {
			i := <-turn
			return b.AdmitLogin(ctx, typed(names[i%3], names[i/3%3]), throttle)
		})
	})
	t.Run("one address that guesses at many names waits, another one does not", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		for i := range throttle.FreeAddress {
			require.Zero(t, admit(b, "name"+string(rune('a'+i)), home))
		}
		require.NotZero(t, admit(b, "somebody", home))
		require.Zero(t, admit(b, "somebody", "198.51.100.1"))
	})
	t.Run("an IPv6 network counts as one address", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		for range throttle.FreeBoth {
			require.Zero(t, admit(b, "ada", "2001:db8::1"))
		}
		require.NotZero(t, admit(b, "ada", "2001:db8::ffff"))
	})
	t.Run("strangers do not keep out who came in from there before", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		user := b.user("ada", access.Viewer)
		require.Zero(t, admit(b, "ada", home))
		b.enter(user)
		for i := range throttle.FreeName {
			require.Zero(t, admit(b, "ada", "198.51.100."+string(rune('0'+i))))
		}
		require.NotZero(t, admit(b, "ada", "203.0.113.1"), "another stranger waits")
		require.Zero(t, admit(b, "ada", home))
	})
	t.Run("who was right is forgiven, but the address only this one try", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		user := b.user("ada", access.Viewer)
		failed := func() int { return b.count(`SELECT sum(failed) FROM login_attempts`) }
		for range 4 {
			require.Zero(t, admit(b, "ada", home))
		}
		require.Equal(t, 4+4+4, failed())
		first := b.enter(user, half)
		require.Equal(t, 3, failed(), "what is left is the address")
		require.Equal(t, 1, b.count(`SELECT count(*) FROM login_attempts WHERE succeeded_at IS NOT NULL`))
		code := access.Try{Name: "ada", Address: home, Method: access.ByTOTP}
		wait, err := b.AdmitLogin(t.Context(), code, throttle)
		require.NoError(t, err)
		require.Zero(t, wait)
		require.Equal(t, 3+1+1+1, failed())
		b.enter(user, byTOTP, replaces(first))
		require.Equal(t, 3, failed())
	})
	t.Run("a right password buys no new guesses at the code", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		user := b.user("ada", access.Viewer)
		code := access.Try{Name: "ada", Address: home, Method: access.ByTOTP}
		let := 0
		for range 20 {
			require.Zero(t, admit(b, "ada", home))
			b.enter(user, half)
			wait, err := b.AdmitLogin(t.Context(), code, throttle)
			require.NoError(t, err)
			if wait == 0 {
				let++
			}
		}
		require.Equal(t, throttle.FreeBoth, let)
	})
	t.Run("what was typed is not kept, nor the address", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		require.Zero(t, admit(b, "my secret password", home))
		require.Equal(t, 3, b.count(`SELECT count(*) FROM login_attempts`))
		require.Zero(t, b.count(`SELECT count(*) FROM login_attempts l WHERE l::text LIKE '%secret%' OR l::text LIKE '%192.0.2%'`))
	})
	t.Run("a try that must wait leaves no rows", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		for i := range throttle.FreeAddress {
			require.Zero(t, admit(b, "name"+string(rune('a'+i)), home))
		}
		before := b.count(`SELECT count(*) FROM login_attempts`)
		require.NotZero(t, admit(b, "made up", home))
		require.Equal(t, before, b.count(`SELECT count(*) FROM login_attempts`))
	})
	t.Run("names that cannot be one count together", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		for range throttle.FreeBoth {
			require.Zero(t, admit(b, "a\x00b", home))
		}
		require.NotZero(t, admit(b, "", home))
	})
}
