package store_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/store"
)

func TestAcceptSession(t *testing.T) {
	t.Parallel()
	t.Run("a session is committed whole", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.session()
		accepted, err := b.AcceptSession(t.Context(), s)
		require.NoError(t, err)
		require.Equal(t, payment.Accepted{PaymentID: s.ID, Token: s.Token, ReceivedAt: s.ReceivedAt, New: true, State: payment.Created}, accepted)
		require.Equal(t, 1, b.count(`SELECT count(*) FROM operations WHERE kind = 'charge' AND state = 'open'`))
		require.Equal(t, []string{"accepted >created"}, b.what(s))
	})
	t.Run("200 equal sessions at once are one row and 200 equal answers", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		first := b.session(withBuyer("ada@example.com"))
		answers := make([]payment.Accepted, 200)
		var created atomic.Int32
		atOnce(t, len(answers), func(ctx context.Context, i int) (err error) {
			s := first
			s.ID, s.Token = uuid.Must(uuid.NewV7()).String(), fmt.Sprint("token-", i) // each request makes its own
			answers[i], err = b.AcceptSession(ctx, s)
			if answers[i].New {
				created.Add(1)
			}
			answers[i].New = false
			return err
		})
		require.Equal(t, int32(1), created.Load())
		for _, a := range answers {
			require.Equal(t, answers[0], a)
		}
		for _, table := range []string{"payments", "operations", "subjects", "vault", "timeline"} {
			require.Equal(t, 1, b.count(`SELECT count(*) FROM `+table), table)
		}
	})
	t.Run("sessions of one new buyer at once share a subject", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		atOnce(t, 40, func(ctx context.Context, _ int) error {
			_, err := b.AcceptSession(ctx, b.session(withBuyer("ada@example.com")))
			return err
		})
		require.Equal(t, 40, b.count(`SELECT count(*) FROM payments`))
		require.Equal(t, 40, b.count(`SELECT count(*) FROM vault`))
		require.Equal(t, 1, b.count(`SELECT count(*) FROM subjects`))
	})
	t.Run("a repeat is answered as the payment stands", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept(api)
		b.paid(s)
		again, err := b.AcceptSession(t.Context(), s)
		require.NoError(t, err)
		require.Equal(t, payment.Accepted{PaymentID: s.ID, Token: s.Token, ReceivedAt: s.ReceivedAt, State: payment.Captured, Closed: true}, again)
	})
	t.Run("several options leave the choice to the buyer", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.account("other", true, "Wallet")
		s := b.accept()
		require.Zero(t, b.view(s).Wanted)
	})
}

func TestAcceptSessionRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	standing := b.accept(withBuyer("ada@example.com"))
	for field, change := range map[string]func(*payment.Session){
		"gid":      func(s *payment.Session) { s.GID = "gid://other" },
		"group":    func(s *payment.Session) { s.Group = "" },
		"amount":   func(s *payment.Session) { s.Amount = eur(1231) },
		"currency": func(s *payment.Session) { s.Amount = money.New(1230, "USD") },
		"kind":     authorization,
		"test":     func(s *payment.Session) { s.Test = true },
	} {
		t.Run("the same id with another "+field+" leaves the first", func(t *testing.T) {
			t.Parallel()
			other := standing
			other.Buyer = []byte(`{"email":"other@example.com"}`)
			change(&other)
			_, err := b.AcceptSession(t.Context(), other)
			requireClass(t, payment.Conflict, "different_session", err)
			require.Contains(t, err.Error(), "another "+field)
			require.Equal(t, 1, b.count(`SELECT count(*) FROM vault`), "nothing was written")
		})
	}
	t.Run("bytes that do not count may differ", func(t *testing.T) {
		t.Parallel()
		other := standing
		other.ID, other.Token, other.Locale, other.CancelURL = uuid.Must(uuid.NewV7()).String(), "other", "en", "https://elsewhere"
		accepted, err := b.AcceptSession(t.Context(), other)
		require.NoError(t, err)
		require.Equal(t, standing.ID, accepted.PaymentID)
	})
	for rule, c := range map[string]struct {
		class  payment.Class
		code   string
		change func(*payment.Session)
	}{
		"an unknown shop":       {payment.NotFound, "unknown_shop", func(s *payment.Session) { s.Shop = "nobody.myshopify.com" }},
		"no account in test":    {payment.Invalid, "no_account", func(s *payment.Session) { s.Test = true }},
		"no covering provider":  {payment.Invalid, "no_account", func(s *payment.Session) { s.Providers = []string{"other"} }},
		"no provider at all":    {payment.Invalid, "no_account", func(s *payment.Session) { s.Providers = nil }},
		"an unknown source":     {payment.Invalid, "source", func(s *payment.Session) { s.Source = "mail" }},
		"an unknown kind":       {payment.Invalid, "kind", func(s *payment.Session) { s.Kind = "gift" }},
		"an amount of nothing":  {payment.Invalid, "amount", func(s *payment.Session) { s.Amount = eur(0) }},
		"no external id":        {payment.Invalid, "external_id", func(s *payment.Session) { s.ExternalID = "" }},
		"no token":              {payment.Bug, "token", func(s *payment.Session) { s.Token = "" }},
		"no time":               {payment.Bug, "deadline_at", func(s *payment.Session) { s.DeadlineAt = s.ReceivedAt }},
		"an id that is no uuid": {payment.NotFound, "", func(s *payment.Session) { s.ID = "x" }},
	} {
		t.Run(rule+" is refused", func(t *testing.T) {
			t.Parallel()
			_, err := b.AcceptSession(t.Context(), b.session(c.change))
			requireClass(t, c.class, c.code, err)
		})
	}
	t.Run("an inactive shop is refused", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		require.NoError(t, b.PutShop(t.Context(), store.Shop{Shop: shop}))
		_, err := b.AcceptSession(t.Context(), b.session())
		requireClass(t, payment.NotFound, "unknown_shop", err)
	})
	t.Run("an account that was switched off is no option", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, err := b.PutAccount(t.Context(), store.Account{Shop: shop, Provider: "psp", Live: true, Label: "Card"}, nil)
		require.NoError(t, err)
		_, err = b.AcceptSession(t.Context(), b.session())
		requireClass(t, payment.Invalid, "no_account", err)
	})
}

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	keyed := func(key, hash string) func(*payment.Session) {
		return func(s *payment.Session) {
			api(s)
			s.IdempotencyKey, s.RequestHash = key, []byte(hash)
		}
	}
	b := setup(t)
	first := b.accept(keyed("k", "body"))
	t.Run("the same key and request answer the first payment, whatever its ref", func(t *testing.T) {
		t.Parallel()
		again, err := b.AcceptSession(t.Context(), b.session(keyed("k", "body")))
		require.NoError(t, err)
		require.False(t, again.New)
		require.Equal(t, first.ID, again.PaymentID)
	})
	t.Run("the same key with another request is refused", func(t *testing.T) {
		t.Parallel()
		_, err := b.AcceptSession(t.Context(), b.session(keyed("k", "other")))
		requireClass(t, payment.Conflict, "idempotency_key_reused", err)
	})
	t.Run("another key with the ref of a payment compares the fields", func(t *testing.T) {
		t.Parallel()
		s := b.session(keyed("k2", "body"), func(s *payment.Session) { s.ExternalID = first.ExternalID })
		again, err := b.AcceptSession(t.Context(), s)
		require.NoError(t, err)
		require.Equal(t, first.ID, again.PaymentID)
		s.Amount = eur(1)
		_, err = b.AcceptSession(t.Context(), s)
		requireClass(t, payment.Conflict, "different_session", err)
	})
	t.Run("one key at once with many refs is one payment", func(t *testing.T) {
		t.Parallel()
		atOnce(t, 30, func(ctx context.Context, _ int) error {
			_, err := b.AcceptSession(ctx, b.session(keyed("k3", "body")))
			return err
		})
		require.Equal(t, 1, b.count(`SELECT count(*) FROM payments WHERE idempotency_key = 'k3'`))
	})
}

func withBuyer(mail string) func(*payment.Session) {
	return func(s *payment.Session) {
		s.BuyerKey, s.Buyer = mail, fmt.Appendf(nil, `{"email":%q,"name":"Ada Canary Lovelace"}`, mail)
	}
}

func TestSubjects(t *testing.T) {
	t.Parallel()
	t.Run("a buyer without address is a subject of its own", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for range 2 {
			b.accept(func(s *payment.Session) { s.Buyer = []byte(`{"name":"x"}`) })
		}
		require.Equal(t, 2, b.count(`SELECT count(*) FROM subjects`))
	})
	t.Run("a session that names nobody has no subject", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.accept()
		require.Zero(t, b.count(`SELECT count(*) FROM subjects`))
	})
	t.Run("a person who was erased and comes back is a new subject", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.accept(withBuyer("ada@example.com"))
		_, err := b.pool.Exec(t.Context(), `UPDATE subjects SET wrapped_key = NULL, erased_at = $1`, b.clock.Now())
		require.NoError(t, err)
		b.accept(withBuyer("ada@example.com"))
		require.Equal(t, 1, b.count(`SELECT count(*) FROM subjects WHERE erased_at IS NULL`))
		require.Equal(t, 2, b.count(`SELECT count(*) FROM subjects`))
	})
	t.Run("the same address at two shops is two subjects that cannot be compared", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		require.NoError(t, b.PutShop(t.Context(), store.Shop{Shop: "b.myshopify.com", Active: true}))
		_, err := b.PutAccount(t.Context(), store.Account{Shop: "b.myshopify.com", Provider: "psp", Live: true, Label: "Card", Enabled: true}, nil)
		require.NoError(t, err)
		b.accept(withBuyer("ada@example.com"))
		b.accept(withBuyer("ada@example.com"), func(s *payment.Session) { s.Shop = "b.myshopify.com" })
		require.Equal(t, 2, b.count(`SELECT count(DISTINCT lookup) FROM subjects`))
	})
}
