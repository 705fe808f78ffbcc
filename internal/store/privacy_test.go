package store_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"tillflow/activities"
	"tillflow/api/console"
	"tillflow/internal/access/audit"
	"tillflow/internal/payment"
	"tillflow/internal/privacy"
	"tillflow/internal/shopify/app"
	"tillflow/internal/store"
)

var (
	_ activities.Requests    = (*store.Store)(nil)
	_ activities.DueErasures = (*store.Store)(nil)
	_ activities.Retention   = (*store.Store)(nil)
	_ console.Erasures       = (*store.Store)(nil)
)

const lawTerm = 30 * 24 * time.Hour

func steady() error { return nil }

// boughtBy lets a session be of a buyer.
func boughtBy(mail, phone string) func(*payment.Session) {
	return func(s *payment.Session) {
		s.BuyerKey = mail
		if mail == "" {
			s.BuyerKey = phone
		}
		s.Buyer, _ = json.Marshal(map[string]string{"email": mail, "phone_number": phone, "line1": "17 Marmalade Crescent"})
		s.CancelURL, s.Description = "https://shop/?m="+mail, "for "+mail
	}
}

// asks takes up a privacy request as the dispatcher does.
func (b *bundle) asks(topic app.Topic, about app.Request, change ...func(*app.Delivery)) privacy.Ref {
	b.t.Helper()
	personal, err := json.Marshal(about)
	require.NoError(b.t, err)
	d := b.delivery("p-"+uuid.NewString(), func(d *app.Delivery) {
		d.App, d.Topic, d.Resource, d.Facts, d.Personal = app.Payments, topic, "", nil, personal
		if topic == app.ShopRedact {
			d.Personal = nil
		}
	})
	for _, c := range change {
		c(&d)
	}
	require.True(b.t, b.hooked(d))
	var id string
	require.NoError(b.t, b.pool.QueryRow(b.t.Context(), `SELECT id::text FROM shopify_deliveries WHERE webhook_id = $1`, d.WebhookID).Scan(&id))
	ref, err := b.TakeRequest(b.t.Context(), id, lawTerm)
	require.NoError(b.t, err)
	again, err := b.TakeRequest(b.t.Context(), id, lawTerm)
	require.NoError(b.t, err)
	require.Equal(b.t, ref, again, "it may be repeated")
	return ref
}

func (b *bundle) matched(ref privacy.Ref) privacy.View {
	b.t.Helper()
	v, err := b.MatchRequest(b.t.Context(), ref.ID, steady)
	require.NoError(b.t, err)
	return v
}

// erased takes a request to its certificate.
func (b *bundle) erased(ref privacy.Ref) privacy.Certificate {
	b.t.Helper()
	b.matched(ref)
	v, err := b.EraseRequest(b.t.Context(), ref.ID, steady)
	require.NoError(b.t, err)
	require.Equal(b.t, privacy.Erased, v.State)
	words, err := b.RequestWords(b.t.Context(), ref.ID)
	require.NoError(b.t, err)
	place, err := b.SearchRecord(b.t.Context(), privacy.NewMatcher(words), steady)
	require.NoError(b.t, err)
	require.Zero(b.t, place.Found, place.Where)
	_, err = b.RecordScan(b.t.Context(), ref.ID, privacy.Scan{At: b.clock.Now(), Places: []privacy.Place{place}})
	require.NoError(b.t, err)
	v, err = b.CertifyRequest(b.t.Context(), ref.ID)
	require.NoError(b.t, err)
	require.Equal(b.t, privacy.Done, v.State)
	line, err := b.PrivacyRequest(b.t.Context(), ref.ID)
	require.NoError(b.t, err)
	c, err := privacy.Verify(b.CertificateKey, []byte(line.Certificate))
	require.NoError(b.t, err)
	return c
}

func (b *bundle) known(s payment.Session) bool {
	b.t.Helper()
	return b.count(`SELECT count(*) FROM payments p JOIN subjects s ON s.id = p.subject_id WHERE p.id = $1 AND s.wrapped_key IS NOT NULL`, s.ID) == 1
}

func TestMatchRequest(t *testing.T) {
	t.Parallel()
	about := app.Request{CustomerID: "21", Email: "Ann@Example.com", Phone: "+44 7700 900123"}
	for rule, c := range map[string]struct {
		session func(*payment.Session)
		found   bool
	}{
		"the same address":                                {boughtBy("Ann@Example.com", ""), true},
		"the address in another case":                     {boughtBy("ann@example.COM", ""), true},
		"another address with the same telephone":         {boughtBy("bob@example.com", "+447700900123"), false},
		"no address and the telephone, written otherwise": {boughtBy("", "07700 900123"), true},
		"another person":                                  {boughtBy("bob@example.com", "+447700900999"), false},
		"a telephone that only begins the same":           {boughtBy("", "+4477009001"), false},
	} {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.accept(c.session)
			v := b.matched(b.asks(app.CustomersRedact, about))
			want := 0
			if c.found {
				want = 1
			}
			require.Equal(t, privacy.View{State: privacy.Waiting, Subjects: want, Open: want}, v)
		})
	}
	t.Run("the same address at another shop is somebody else's matter", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.accept(boughtBy("Ann@Example.com", ""))
		require.Zero(t, b.matched(b.asks(app.CustomersRedact, about, func(d *app.Delivery) { d.Shop = "b.myshopify.com" })).Subjects)
	})
	t.Run("an order that Shopify names leads to its payment", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept(boughtBy("nobody@example.com", ""))
		b.hooked(b.delivery("w1", func(d *app.Delivery) {
			d.Topic, d.Facts = app.OrderTransactionsCreate, map[string]string{"order_id": "11", "payment_id": s.ExternalID}
		}))
		require.Equal(t, 1, b.matched(b.asks(app.CustomersRedact, app.Request{CustomerID: "21", Orders: []string{"11"}})).Subjects)
	})
	t.Run("who comes back meanwhile is somebody new, whom the erasure does not touch", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		first, _ := b.sale(boughtBy("Ann@Example.com", ""))
		ref := b.asks(app.CustomersRedact, about)
		b.matched(ref)
		second := b.accept(boughtBy("Ann@Example.com", ""))
		_, err := b.EraseRequest(t.Context(), ref.ID, steady)
		require.NoError(t, err)
		require.False(t, b.known(first))
		require.True(t, b.known(second))
	})
}

func TestEraseRequest(t *testing.T) {
	t.Parallel()
	t.Run("a person goes and the money stays", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, _ := b.sale(boughtBy("ann@example.com", ""))
		other, _ := b.sale(boughtBy("bob@example.com", ""))
		_, err := b.act(s, "note", "", "")
		require.NoError(t, err)
		before := b.balances()
		c := b.erased(b.asks(app.CustomersRedact, app.Request{Email: "ann@example.com"}))
		require.Equal(t, before, b.balances())
		require.Equal(t, 1, c.Keys)
		require.Equal(t, 1, c.Payments)
		require.Positive(t, c.VaultBefore)
		require.Zero(t, c.VaultAfter)
		require.Equal(t, c.BooksBefore, c.BooksAfter)
		require.Len(t, c.BooksBefore, 64)
		require.False(t, b.known(s))
		require.True(t, b.known(other))
		require.Zero(t, b.count(`SELECT count(*) FROM payments p WHERE p::text LIKE '%ann@%'`))
		require.Equal(t, 1, b.count(`SELECT count(*) FROM payments WHERE description LIKE '%bob@%'`))
		require.Equal(t, 1, b.count(`SELECT count(*) FROM privacy_requests WHERE wrapped_key IS NULL AND sealed IS NULL AND words IS NULL`))
		for _, what := range []string{"received", "erased", "certified"} {
			require.Contains(t, strings.Join(b.did(), "\n"), "privacy."+what)
		}
	})
	t.Run("nothing is erased while a payment is open, and a repeat ends the same", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept(boughtBy("ann@example.com", ""))
		ref := b.asks(app.CustomersRedact, app.Request{Email: "ann@example.com"})
		require.Equal(t, 1, b.matched(ref).Open)
		_, err := b.EraseRequest(t.Context(), ref.ID, steady)
		requireClass(t, payment.Conflict, "open_payments", err)
		require.True(t, b.known(s))
		b.clock.Add(time.Minute)
		due, err := b.DueErasures(t.Context(), 10)
		require.NoError(t, err)
		require.False(t, due[0].Ready)
		b.reject(s)
		b.clock.Add(time.Hour)
		_, err = b.pool.Exec(t.Context(), `UPDATE payments SET watch_at = NULL, watch_until = NULL`)
		require.NoError(t, err)
		due, err = b.DueErasures(t.Context(), 10)
		require.NoError(t, err)
		require.True(t, due[0].Ready, "the last payment is over: its run is woken")
		for range 2 {
			v, err := b.EraseRequest(t.Context(), ref.ID, steady)
			require.NoError(t, err)
			require.Equal(t, privacy.Erased, v.State)
		}
		_, err = b.CertifyRequest(t.Context(), ref.ID)
		requireClass(t, payment.Conflict, "residue", err)
		_, err = b.RecordScan(t.Context(), ref.ID, privacy.Scan{Places: []privacy.Place{{Name: "database", Found: 1}}})
		require.NoError(t, err)
		_, err = b.CertifyRequest(t.Context(), ref.ID)
		requireClass(t, payment.Conflict, "residue", err)
		v, err := b.CallForRequest(t.Context(), ref.ID, privacy.Residue)
		require.NoError(t, err)
		require.Equal(t, privacy.Residue, v.Trouble)
		v, err = b.RecordScan(t.Context(), ref.ID, privacy.Scan{})
		require.NoError(t, err)
		require.Equal(t, privacy.NoTrouble, v.Trouble, "nothing is left, so nobody is needed")
	})
	t.Run("what somebody left in a table is found, and where", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.sale(boughtBy("ann@example.com", ""))
		ref := b.asks(app.CustomersRedact, app.Request{Email: "ann@example.com"})
		b.matched(ref)
		_, err := b.EraseRequest(t.Context(), ref.ID, steady)
		require.NoError(t, err)
		_, err = b.pool.Exec(t.Context(), `UPDATE shops SET label = 'friends of ann@example.com'`)
		require.NoError(t, err)
		words, err := b.RequestWords(t.Context(), ref.ID)
		require.NoError(t, err)
		place, err := b.SearchRecord(t.Context(), privacy.NewMatcher(words), steady)
		require.NoError(t, err)
		require.Equal(t, 1, place.Found)
		require.Equal(t, []string{"shops: 1 rows"}, place.Where)
	})
	t.Run("a shop that has left goes whole, and its books stay", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, _ := b.sale(boughtBy("ann@example.com", ""))
		_, err := b.pool.Exec(t.Context(), `UPDATE shops SET active = false`)
		require.NoError(t, err)
		b.hooked(b.delivery("w1", func(d *app.Delivery) { d.App = app.Payments }))
		before := b.balances()
		c := b.erased(b.asks(app.ShopRedact, app.Request{}))
		require.Equal(t, before, b.balances())
		require.Equal(t, 1, c.Keys)
		require.False(t, b.known(s))
		require.Equal(t, 1, b.count(`SELECT count(*) FROM shops WHERE label = '' AND mail = ''`))
		require.Zero(t, b.count(`SELECT count(*) FROM accounts WHERE enabled OR credentials <> ''`))
		require.Zero(t, b.count(`SELECT count(*) FROM shopify_deliveries WHERE topic = 'orders/updated'`))
	})
	t.Run("a shop that has come back keeps what it has set up, and whom it has served since", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, _ := b.sale(boughtBy("ann@example.com", ""))
		ref := b.asks(app.ShopRedact, app.Request{})
		b.clock.Add(time.Minute)
		later, _ := b.sale(boughtBy("bob@example.com", ""))
		b.erased(ref)
		require.False(t, b.known(s))
		require.True(t, b.known(later))
		require.Equal(t, 1, b.count(`SELECT count(*) FROM shops WHERE label <> '' AND mail <> ''`))
		require.Equal(t, 1, b.count(`SELECT count(*) FROM accounts WHERE enabled AND credentials <> ''`))
	})
	t.Run("the second app's leaving is not the buyers' matter while payments go on", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, _ := b.sale(boughtBy("ann@example.com", ""))
		b.hooked(b.delivery("w1"))
		b.erased(b.asks(app.ShopRedact, app.Request{}, func(d *app.Delivery) { d.App = app.Admin }))
		require.True(t, b.known(s))
		require.Zero(t, b.count(`SELECT count(*) FROM shopify_deliveries WHERE topic = 'orders/updated'`), "what that app was told goes")
	})
}

func TestExport(t *testing.T) {
	t.Parallel()
	ask := func(t *testing.T) (*bundle, privacy.Ref, privacy.Letter) {
		t.Helper()
		b := setup(t)
		b.sale(boughtBy("ann@example.com", "+447700900123"))
		b.sale(boughtBy("bob@example.com", ""))
		ref := b.asks(app.CustomersDataRequest, app.Request{Email: "ann@example.com", DataRequestID: "31"})
		require.Equal(t, 1, b.matched(ref).Subjects)
		letter, err := b.ExportRequest(t.Context(), ref.ID, steady)
		require.NoError(t, err)
		_, err = b.ExportSent(t.Context(), ref.ID)
		require.NoError(t, err)
		return b, ref, letter
	}
	who := audit.Actor{Name: "tester"}

	t.Run("link and passphrase open everything about the person and nothing about others, three times", func(t *testing.T) {
		t.Parallel()
		b, ref, letter := ask(t)
		require.Equal(t, "owner@example.com", letter.To)
		require.NotContains(t, letter.Link, "ann")
		phrase, err := b.ExportPassphrase(t.Context(), ref.ID, who)
		require.NoError(t, err)
		for range privacy.MaxDownloads {
			open, err := b.ExportOpen(t.Context(), letter.Link)
			require.NoError(t, err)
			require.True(t, open)
			id, text, err := b.OpenExport(t.Context(), letter.Link, phrase.Reveal())
			require.NoError(t, err)
			require.Equal(t, ref.ID, id)
			for _, word := range []string{"ann@example.com", "Marmalade", "captured", "447700900123"} {
				require.Contains(t, string(text), word)
			}
			require.NotContains(t, string(text), "bob@example.com")
			require.True(t, json.Valid(text))
		}
		_, _, err = b.OpenExport(t.Context(), letter.Link, phrase.Reveal())
		requireClass(t, payment.NotFound, "", err)
		_, err = b.ExportPassphrase(t.Context(), ref.ID, who)
		requireClass(t, payment.NotFound, "", err)
		require.Equal(t, 1, b.count(`SELECT count(*) FROM privacy_exports WHERE parcel IS NULL AND passphrase IS NULL AND downloads = 3`))
		require.Contains(t, strings.Join(b.did(), "\n"), "privacy.downloaded")
		require.Equal(t, 2, b.count(`SELECT count(*) FROM subjects WHERE wrapped_key IS NOT NULL`), "to know is not to forget")
	})
	t.Run("five wrong passphrases destroy it", func(t *testing.T) {
		t.Parallel()
		b, ref, letter := ask(t)
		for range privacy.MaxWrong {
			_, _, err := b.OpenExport(t.Context(), letter.Link, "AAAA-AAAA-AAAA-AAAA")
			requireClass(t, payment.Unauthorized, "passphrase", err)
		}
		_, _, err := b.OpenExport(t.Context(), letter.Link, "AAAA-AAAA-AAAA-AAAA")
		requireClass(t, payment.NotFound, "", err)
		require.Equal(t, 1, b.count(`SELECT count(*) FROM privacy_exports WHERE parcel IS NULL AND request_id = $1`, ref.ID))
	})
	t.Run("its end is the link's, and the purge destroys what nobody fetched", func(t *testing.T) {
		t.Parallel()
		b, _, letter := ask(t)
		b.clock.Add(privacy.ExportLife)
		open, err := b.ExportOpen(t.Context(), letter.Link)
		require.NoError(t, err)
		require.False(t, open)
		_, _, err = b.OpenExport(t.Context(), letter.Link, "x")
		requireClass(t, payment.NotFound, "", err)
		b.purged("exports", 1)
		require.Equal(t, 1, b.count(`SELECT count(*) FROM privacy_exports WHERE parcel IS NULL`))
	})
	t.Run("a newer link replaces the one before; a served request is exported no more", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.sale(boughtBy("ann@example.com", ""))
		ref := b.asks(app.CustomersDataRequest, app.Request{Email: "ann@example.com", DataRequestID: "31"})
		b.matched(ref)
		first, err := b.ExportRequest(t.Context(), ref.ID, steady)
		require.NoError(t, err)
		second, err := b.ExportRequest(t.Context(), ref.ID, steady)
		require.NoError(t, err)
		open, err := b.ExportOpen(t.Context(), first.Link)
		require.NoError(t, err)
		require.False(t, open)
		open, err = b.ExportOpen(t.Context(), second.Link)
		require.NoError(t, err)
		require.True(t, open)
		text, err := b.WriteExport(t.Context(), ref.ID, who)
		require.NoError(t, err)
		require.Contains(t, string(text), "ann@example.com")
		_, err = b.ExportSent(t.Context(), ref.ID)
		require.NoError(t, err)
		_, err = b.WriteExport(t.Context(), ref.ID, who)
		requireClass(t, payment.Conflict, "served", err)
	})
	t.Run("a shop without an address cannot be mailed", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, err := b.pool.Exec(t.Context(), `UPDATE shops SET mail = ''`)
		require.NoError(t, err)
		ref := b.asks(app.CustomersDataRequest, app.Request{Email: "ann@example.com", DataRequestID: "31"})
		_, err = b.ExportRequest(t.Context(), ref.ID, steady)
		requireClass(t, payment.Invalid, "no_address", err)
	})
}
