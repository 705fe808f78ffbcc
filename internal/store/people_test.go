package store_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/api/console"
	"tillflow/internal/access"
	"tillflow/internal/payment"
	"tillflow/internal/store"
)

// The console's interfaces about people are met by structure.
var (
	_ console.People   = (*store.Store)(nil)
	_ console.Presence = (*store.Store)(nil)
)

// manyAtOnce runs n of the same and answers how many succeeded.
func manyAtOnce(n int, do func() bool) int {
	var done atomic.Int64
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if do() {
				done.Add(1)
			}
		})
	}
	wg.Wait()
	return int(done.Load())
}

func TestInvitations(t *testing.T) {
	t.Parallel()
	b := open(t)
	ctx := t.Context()
	token, key := access.NewToken(), access.NewTOTPKey()
	id, err := b.AddUser(ctx, root, access.NewUser{
		Name: "ada", Role: access.Operator, Password: phc, Invitation: &access.NewInvitation{Hash: token.Hash(), TOTP: key, For: time.Hour},
	})
	require.NoError(t, err)
	found, err := b.Invitation(ctx, token.Hash())
	require.NoError(t, err)
	require.Equal(t, id, found.User.ID)
	require.Equal(t, key, found.TOTP)
	_, err = b.Invitation(ctx, access.NewToken().Hash())
	require.Equal(t, payment.NotFound, payment.ClassOf(err, payment.Bug))

	codes := access.NewRecoveryCodes()
	joined := manyAtOnce(8, func() bool {
		return b.Join(ctx, token.Hash(), access.Joining{Password: phc, Step: 7, Recovery: codes}) == nil
	})
	require.Equal(t, 1, joined, "of those who bring the same invitation one joins")
	who, err := b.Credentials(ctx, "ada")
	require.NoError(t, err)
	require.Equal(t, key, who.TOTP)
	require.Equal(t, int64(7), who.Spent, "the code that proved the authenticator is spent")

	spent := manyAtOnce(8, func() bool {
		ok, err := b.SpendRecoveryCode(ctx, id, codes[2].Hash())
		return err == nil && ok
	})
	require.Equal(t, 1, spent, "of those who bring the same code one comes in")
	left, err := b.RecoveryCodes(ctx, id)
	require.NoError(t, err)
	require.Equal(t, 9, left)

	require.NoError(t, b.SetTOTP(ctx, root, "ada", access.NewTOTPKey()))
	left, err = b.RecoveryCodes(ctx, id)
	require.NoError(t, err)
	require.Zero(t, left, "recovery codes end with the authenticator that they stood in for")
}

func TestChangesByID(t *testing.T) {
	t.Parallel()
	b := open(t)
	ctx := t.Context()
	u := b.user("ada", access.Viewer)
	require.NoError(t, b.ChangeRole(ctx, root, u.ID, access.Finance))
	require.Equal(t, payment.Conflict, payment.ClassOf(b.ChangeRole(ctx, root, u.ID, access.Finance), payment.Bug))
	require.NoError(t, b.AdmitUser(ctx, root, u.ID, false))
	require.Equal(t, payment.Conflict, payment.ClassOf(b.AdmitUser(ctx, root, u.ID, false), payment.Bug))
	require.Equal(t, payment.NotFound, payment.ClassOf(b.EndSessions(ctx, root, "nobody"), payment.Bug))
	other, err := b.Recognise(ctx, access.Identity{Kind: access.OIDCUser, Issuer: "https://id.example", Subject: "1", Name: "bob", Role: access.Viewer})
	require.NoError(t, err)
	require.Equal(t, payment.Conflict, payment.ClassOf(b.ChangeRole(ctx, root, other.ID, access.Admin), payment.Bug), "the identity provider gives the role")
	require.Equal(t, payment.Conflict, payment.ClassOf(b.Invite(ctx, root, other.ID, access.NewInvitation{Hash: access.NewToken().Hash(), TOTP: access.NewTOTPKey(), For: time.Hour}), payment.Bug))
	require.Contains(t, b.did(), "command line: root user.role user "+u.ID+" before=viewer after=finance")
}
