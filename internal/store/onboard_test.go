package store_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"tillflow/internal/access/audit"
	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/store"
)

func did(action string) audit.Entry {
	return audit.Entry{Actor: audit.Actor{Name: "merchant of " + shop}, Action: action, Subject: "shop " + shop}
}

// labels are the options of a page, in their order.
func labels(p payment.Page) []string {
	var list []string
	for _, o := range p.Options {
		list = append(list, o.Label)
	}
	return list
}

func from(country string) func(*payment.Session) {
	return func(s *payment.Session) { s.Country = country }
}

func TestMarkets(t *testing.T) {
	t.Parallel()
	t.Run("the market that says most about the buyer decides what is offered, and in which order", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		ids := map[string]string{"card": b.live}
		for _, label := range []string{"wallet", "bank"} {
			ids[label] = uuid.NewString()
			require.NoError(t, b.SaveAccount(t.Context(), payment.AccountChange{
				ID: ids[label], Shop: shop, Provider: "psp", Live: true, Label: label, Enabled: true, Credentials: map[string]string{"n": label},
			}, did("account.connect")))
		}
		set := func(currency, country string, names ...string) {
			t.Helper()
			m := payment.Market{Live: true, Currency: money.Currency(currency), Country: country}
			for _, name := range names {
				m.Accounts = append(m.Accounts, ids[name])
			}
			require.NoError(t, b.SaveMarket(t.Context(), shop, m, did("options.set")))
		}
		offers := func(country string, want ...string) {
			t.Helper()
			s := b.accept(from(country))
			p := b.page(s)
			require.Equal(t, want, labels(p))
			require.Equal(t, len(want) == 1, p.ChoiceOpen, "with one option there is nothing to choose")
		}
		offers("", "Card", "wallet", "bank")
		set("", "", "bank", "card", "wallet")
		offers("NL", "bank", "Card", "wallet")
		set("EUR", "", "wallet", "card")
		offers("NL", "wallet", "Card")
		set("", "NL", "bank")
		offers("NL", "bank")
		offers("DE", "wallet", "Card")
		set("EUR", "NL", "card", "bank")
		offers("NL", "Card", "bank")

		require.NoError(t, b.SaveAccount(t.Context(), payment.AccountChange{ID: ids["card"], Shop: shop, Provider: "psp", Live: true, Label: "Card"}, did("account.change")))
		offers("NL", "bank")
		set("EUR", "NL", "card")
		_, err := b.AcceptSession(t.Context(), b.session(from("NL")))
		requireClass(t, payment.Invalid, "no_account", err)
		require.NoError(t, b.DropMarket(t.Context(), shop, payment.Market{Live: true, Currency: "EUR", Country: "NL"}, did("options.drop")))
		offers("NL", "bank")
		markets, err := b.Markets(t.Context(), shop)
		require.NoError(t, err)
		require.Len(t, markets, 2)
		_, err = b.VerifyAudit(t.Context(), audit.Head{})
		require.NoError(t, err)
	})
	t.Run("what is no account of the shop and mode is refused whole", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		account := b.account("psp", false, "Mine")
		for _, m := range []payment.Market{
			{Accounts: []string{account, uuid.NewString()}},
			{Accounts: []string{account, account}},
			{Accounts: []string{"nonsense"}},
			{Live: true, Accounts: []string{account}},
		} {
			err := b.SaveMarket(t.Context(), shop, m, did("options.set"))
			requireClass(t, payment.Invalid, "unknown_account", err)
		}
		requireClass(t, payment.Invalid, "country", b.SaveMarket(t.Context(), shop, payment.Market{Country: "nl"}, did("options.set")))
		requireClass(t, payment.Invalid, "currency", b.SaveMarket(t.Context(), shop, payment.Market{Currency: "eur"}, did("options.set")))
		requireClass(t, payment.NotFound, "no_market", b.DropMarket(t.Context(), shop, payment.Market{Country: "NL"}, did("options.drop")))
		list, err := b.ListAudit(t.Context(), store.AuditFilter{})
		require.NoError(t, err)
		require.Empty(t, list)
	})
}

func TestRemoveAccount(t *testing.T) {
	t.Parallel()
	remove := func(b *bundle, id string) error {
		return b.RemoveAccount(b.t.Context(), shop, id, did("account.remove"))
	}
	t.Run("a payment that is not over keeps its account", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		send := b.begin(s)
		n, err := b.AccountNeeded(t.Context(), shop, send.Attempt.AccountID)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		requireClass(t, payment.Conflict, "needed", remove(b, send.Attempt.AccountID))
		_, _, _, err = b.Account(t.Context(), send.Attempt.AccountID)
		require.NoError(t, err, "its credentials are still there")
	})
	t.Run("credentials are gone for ever, and the row stays for the books", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		id := b.account("psp", false, "Going")
		require.NoError(t, remove(b, id))
		_, _, _, err := b.Account(t.Context(), id)
		requireClass(t, payment.Unauthorized, "account_removed", err)
		require.Equal(t, 1, b.count(`SELECT count(*) FROM accounts WHERE id = $1 AND wrapped_key = '' AND credentials = '' AND NOT enabled`, id))
		requireClass(t, payment.NotFound, "no_account", remove(b, id))
		requireClass(t, payment.NotFound, "no_row", b.AccountVerified(t.Context(), id))
		again := b.account("psp", false, "Going")
		require.NotEqual(t, id, again)
	})
	t.Run("one of another shop is not found", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		id := b.account("psp", false, "Mine")
		requireClass(t, payment.NotFound, "no_account", b.RemoveAccount(t.Context(), "b.myshopify.com", id, did("account.remove")))
	})
}

func TestAccountRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.account("psp", false, "Mine")
	for _, news := range []bool{true, false} {
		got, err := b.AccountRefused(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, news, got)
		b.clock.Add(time.Minute)
	}
	require.Equal(t, 1, b.count(`SELECT count(*) FROM accounts WHERE refused_at IS NOT NULL`))
	require.NoError(t, b.AccountVerified(t.Context(), id))
	require.Zero(t, b.count(`SELECT count(*) FROM accounts WHERE refused_at IS NOT NULL`))
}
