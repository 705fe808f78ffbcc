package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/internal/access"
	"tillflow/internal/access/audit"
	"tillflow/internal/crypt"
	"tillflow/internal/payment"
	"tillflow/internal/shopify/app"
	"tillflow/internal/store"
)

// Rings of a rotation.
const (
	keyOld  = "k1:" + keyA
	keyBoth = "k2:" + keyB + ",k1:" + keyA
	keyNew  = "k2:" + keyB
	keyA    = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	keyB    = "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI="
)

// with opens the bundle's database with another ring.
func (b *bundle) with(ring crypt.Secret) *bundle {
	b.t.Helper()
	keys, err := crypt.ParseKeyring(ring)
	require.NoError(b.t, err)
	other := *b
	other.Store, err = store.Open(b.t.Context(), b.url, store.Options{Now: b.clock.Now, Vault: crypt.NewVault(keys), Log: zerolog.Nop()})
	require.NoError(b.t, err)
	b.t.Cleanup(other.Close)
	return &other
}

// furnished fills every table that holds data keys.
func furnished(t *testing.T) (*bundle, payment.Session) {
	t.Helper()
	b := open(t).with(keyOld)
	require.NoError(t, b.PutShop(t.Context(), store.Shop{Shop: shop, Mail: "owner@example.com", Active: true}))
	b.live = b.account("psp", true, "Card")
	s := b.accept(withBuyer("ada@example.com"))
	_, err := b.act(s, "note", "", "")
	require.NoError(t, err)
	require.NoError(t, b.PutToken(t.Context(), shop, "shpat_1", "shprt_1", time.Time{}))
	b.installed(app.Admin, "shpat_admin")
	require.True(t, b.hooked(b.delivery("w1", func(d *app.Delivery) { d.Personal = []byte(`{"email":"ada@example.com"}`) })))
	_, err = b.AddUser(t.Context(), root, access.NewUser{Name: "ada", Role: access.Viewer, Password: phc, TOTP: access.NewTOTPKey()})
	require.NoError(t, err)
	return b, s
}

// readable opens something of every kind that is sealed.
func (b *bundle) readable(s payment.Session) {
	b.t.Helper()
	d, err := b.ShowPayment(b.t.Context(), s.ID, true)
	require.NoError(b.t, err)
	require.Equal(b.t, "seen in the dashboard", d.Actions[0].Text)
	_, credentials, _, err := b.Account(b.t.Context(), b.live)
	require.NoError(b.t, err)
	require.NotEmpty(b.t, credentials)
	token, err := b.Token(b.t.Context(), shop, nil)
	require.NoError(b.t, err)
	require.Equal(b.t, "shpat_1", token)
	c, err := b.Credentials(b.t.Context(), "ada")
	require.NoError(b.t, err)
	require.NotEmpty(b.t, c.TOTP)
	var delivery string
	require.NoError(b.t, b.pool.QueryRow(b.t.Context(), `SELECT id::text FROM shopify_deliveries WHERE sealed IS NOT NULL`).Scan(&delivery))
	r, err := b.OpenRequest(b.t.Context(), delivery)
	require.NoError(b.t, err)
	require.Equal(b.t, "ada@example.com", r.Email)
}

// uses adds up what needs each key.
func (b *bundle) uses() map[string]int64 {
	b.t.Helper()
	list, err := b.KeyUses(b.t.Context())
	require.NoError(b.t, err)
	sum := map[string]int64{}
	for _, u := range list {
		require.Positive(b.t, u.Count)
		sum[u.Key] += u.Count
	}
	return sum
}

func (b *bundle) missing() []string {
	b.t.Helper()
	list, err := b.MissingKeys(b.t.Context())
	require.NoError(b.t, err)
	return list
}

func TestRotationOfTheMasterKey(t *testing.T) {
	t.Parallel()
	old, s := furnished(t)
	need := old.uses()["k1"]
	require.Positive(t, need)
	require.Empty(t, old.missing())
	require.Equal(t, []string{"k1"}, old.with(keyNew).missing(), "without the old key the service must not start")

	both := old.with(keyBoth)
	t.Run("with both keys old data opens, and a buyer of before is found", func(t *testing.T) {
		require.Empty(t, both.missing())
		both.readable(s)
		both.accept(withBuyer("ada@example.com"))
		require.Equal(t, 1, both.count(`SELECT count(*) FROM subjects`))
		both.accept(withBuyer("bob@example.com"))
		require.Equal(t, 2, both.count(`SELECT count(*) FROM subjects`))
		require.Equal(t, need, both.uses()["k1"])
		require.Equal(t, int64(2), both.uses()["k2"], "bob's data key and his hash")
	})
	t.Run("what stops it half way leaves what was done, and the next one goes on", func(t *testing.T) {
		_, err := both.pool.Exec(t.Context(), `ALTER TABLE shop_tokens RENAME TO aside`)
		require.NoError(t, err)
		_, err = both.Rewrap(t.Context(), root, 1)
		require.Error(t, err)
		_, err = both.pool.Exec(t.Context(), `ALTER TABLE aside RENAME TO shop_tokens`)
		require.NoError(t, err)
		left := both.uses()["k1"]
		require.Positive(t, left)
		require.Less(t, left, need, "batch by batch")
		both.readable(s)
		done, err := both.Rewrap(t.Context(), root, 2)
		require.NoError(t, err)
		require.Equal(t, store.Rewrapped{Keys: left - 1, Lookups: 1}, done)
	})
	t.Run("afterwards the old key may go: data opens and buyers are found without it", func(t *testing.T) {
		require.NotContains(t, both.uses(), "k1")
		only := old.with(keyNew)
		require.Empty(t, only.missing())
		only.readable(s)
		subjects := only.count(`SELECT count(*) FROM subjects`)
		only.accept(withBuyer("ada@example.com"))
		only.accept(withBuyer("bob@example.com"))
		require.Equal(t, subjects, only.count(`SELECT count(*) FROM subjects`))
		require.Equal(t, []string{"k2"}, old.missing(), "and a process that was left behind must not start")
	})
	t.Run("a repeat changes nothing", func(t *testing.T) {
		done, err := both.Rewrap(t.Context(), root, 100)
		require.NoError(t, err)
		require.Equal(t, store.Rewrapped{}, done)
	})
	t.Run("it is in the audit, begun and done", func(t *testing.T) {
		did := strings.Join(both.did(), "\n")
		require.Contains(t, did, root.Name+" vault.rewrap master key k2 begun")
		require.Contains(t, did, root.Name+" vault.rewrap master key k2 keys=0 lookups=0 left=0")
		_, err := both.VerifyAudit(t.Context(), audit.Head{})
		require.NoError(t, err)
	})
}

func TestRewrapLeavesNothingBehindInSilence(t *testing.T) {
	t.Parallel()
	old, _ := furnished(t)
	both := old.with(keyBoth)
	sql := func(statement string) {
		_, err := both.pool.Exec(t.Context(), statement)
		require.NoError(t, err)
	}
	t.Run("a key that does not open is counted, stays, and keeps its master key needed", func(t *testing.T) {
		sql(`UPDATE shop_tokens SET wrapped_key = overlay(wrapped_key placing '\x00'::bytea from length(wrapped_key))`)
		done, err := both.Rewrap(t.Context(), root, 100)
		require.NoError(t, err)
		require.Equal(t, int64(1), done.Left)
		require.Equal(t, map[string]int64{"k1": 1}, map[string]int64{"k1": both.uses()["k1"]})
		require.Equal(t, []string{"k1"}, old.with(keyNew).missing())
		sql(`DELETE FROM shop_tokens`)
	})
	t.Run("a buyer whose data says nothing of the hash stays under the old key", func(t *testing.T) {
		s := old.accept(withBuyer("eve@example.com"))
		sql(`UPDATE payments SET vault_id = NULL WHERE id = '` + s.ID + `'`)
		sql(`DELETE FROM vault WHERE subject_id = (SELECT subject_id FROM payments WHERE id = '` + s.ID + `')`)
		done, err := both.Rewrap(t.Context(), root, 100)
		require.NoError(t, err)
		require.Equal(t, store.Rewrapped{Keys: 1, Left: 1}, done)
		subjects := both.count(`SELECT count(*) FROM subjects`)
		both.accept(withBuyer("eve@example.com"))
		require.Equal(t, subjects, both.count(`SELECT count(*) FROM subjects`), "she is still found by it")
		require.Equal(t, []string{"k1"}, old.with(keyNew).missing())
	})
	t.Run("a buyer who is filed twice is not mixed up", func(t *testing.T) {
		old.accept(withBuyer("two@example.com"))
		old.with(keyNew).accept(withBuyer("two@example.com"))
		done, err := both.Rewrap(t.Context(), root, 100)
		require.NoError(t, err)
		require.Equal(t, store.Rewrapped{Keys: 1, Lookups: 1, Left: 1}, done, "eve has come again, so her data says it now")
	})
	t.Run("an erased person needs no key", func(t *testing.T) {
		sql(`UPDATE subjects SET wrapped_key = NULL, erased_at = now()`)
		require.NotContains(t, both.uses(), "k1")
		require.Empty(t, old.with(keyNew).missing())
	})
}

// TestEveryDataKeyIsRewrapped holds what Rewrap knows against the schema.
func TestEveryDataKeyIsRewrapped(t *testing.T) {
	t.Parallel()
	b, _ := furnished(t)
	ref := b.asks(app.CustomersDataRequest, app.Request{Email: "ada@example.com"})
	b.matched(ref)
	letter, err := b.ExportRequest(t.Context(), ref.ID, steady)
	require.NoError(t, err)
	_, err = b.ExportSent(t.Context(), ref.ID)
	require.NoError(t, err)
	b.asks(app.CustomersRedact, app.Request{Email: "ada@example.com"}) // waits, with a key of its own
	b.connect(shop)
	rows, err := b.pool.Query(t.Context(), `SELECT table_name::text FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'wrapped_key'`)
	require.NoError(t, err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	list, err := b.KeyUses(t.Context())
	require.NoError(t, err)
	known := map[string]bool{}
	for _, u := range list {
		known[u.Of] = true
	}
	require.True(t, known["lookups"])
	delete(known, "lookups")
	for _, table := range tables {
		require.Contains(t, known, table, "a table with data keys that is not rewrapped, or that this test does not fill")
	}
	require.Len(t, known, len(tables))

	done, err := b.with(keyBoth).Rewrap(t.Context(), root, 100)
	require.NoError(t, err)
	require.Zero(t, done.Left)
	only := b.with(keyNew)
	require.Empty(t, only.missing())
	phrase, err := only.ExportPassphrase(t.Context(), ref.ID, root)
	require.NoError(t, err)
	_, text, err := only.OpenExport(t.Context(), letter.Link, phrase.Reveal())
	require.NoError(t, err)
	require.Contains(t, string(text), "ada@example.com", "what was sealed before opens under the new key alone")
	_, err = only.RechargeCredentials(t.Context(), shop)
	require.NoError(t, err)
}
