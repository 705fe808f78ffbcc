package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/store"
)

// found lists the ids of the payments that a search finds.
func (b *bundle) found(f payment.Search) []string {
	b.t.Helper()
	list, err := b.SearchPayments(b.t.Context(), f)
	require.NoError(b.t, err)
	ids := make([]string, 0, len(list))
	for _, p := range list {
		ids = append(ids, p.Run.PaymentID)
	}
	return ids
}

func TestSearchPayments(t *testing.T) {
	t.Parallel()
	t.Run("every id that somebody may hold in hand finds the payment, and no other", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.opened(b.accept())
		s := b.accept()
		send, _ := b.paid(s)
		m := b.refund(s, 300)
		back := b.through(m)
		d, err := b.ShowPayment(t.Context(), s.ID, false)
		require.NoError(t, err)
		for what, id := range map[string]string{
			"our id": s.ID, "the shop's session": s.ExternalID, "a refund's session": m.ExternalID, "a refund's id": m.ID,
			"an attempt": send.Attempt.ID, "its key": d.Attempts[0].Key, "the provider's checkout": "cs_" + send.Attempt.ID,
			"the provider's payment": "pi_" + send.Attempt.ID, "the provider's refund": "re_" + back.Attempt.ID,
		} {
			require.Equal(t, []string{s.ID}, b.found(payment.Search{Ref: id}), what)
		}
		require.Empty(t, b.found(payment.Search{Ref: "cs_nothing"}))
		require.Empty(t, b.found(payment.Search{Ref: uuid.NewString()}))
	})
	t.Run("a refund made at the provider is found by the provider's id of it", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		send, _ := b.paid(s)
		b.store(b.awayEvent("evt_1", send, awayRefund("re_away", payment.Done, 100)))
		require.Equal(t, []string{s.ID}, b.found(payment.Search{Ref: "re_away"}))
	})
	t.Run("each condition narrows, and together they narrow together", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		first := b.accept()
		b.paid(first)
		b.clock.Add(time.Hour)
		yen := b.accept(func(s *payment.Session) { s.Amount = money.New(1230, "JPY") })
		_, err := b.CallOperator(t.Context(), yen.ID, payment.InDoubt)
		require.NoError(t, err)
		for what, c := range map[string]struct {
			search payment.Search
			want   []string
		}{
			"nothing":                 {payment.Search{}, []string{yen.ID, first.ID}},
			"shop":                    {payment.Search{Shop: shop}, []string{yen.ID, first.ID}},
			"another shop":            {payment.Search{Shop: "b.myshopify.com"}, []string{}},
			"state":                   {payment.Search{State: payment.Captured}, []string{first.ID}},
			"needs a person":          {payment.Search{Operator: true}, []string{yen.ID}},
			"currency":                {payment.Search{Currency: "JPY"}, []string{yen.ID}},
			"provider":                {payment.Search{Provider: "psp"}, []string{yen.ID, first.ID}},
			"another provider":        {payment.Search{Provider: "other"}, []string{}},
			"since then":              {payment.Search{From: yen.ReceivedAt}, []string{yen.ID}},
			"before then":             {payment.Search{To: yen.ReceivedAt}, []string{first.ID}},
			"an amount":               {payment.Search{Amounts: []money.Amount{eur(1230)}}, []string{first.ID}},
			"an amount in either":     {payment.Search{Amounts: []money.Amount{eur(1230), money.New(1230, "JPY")}}, []string{yen.ID, first.ID}},
			"an amount nobody paid":   {payment.Search{Amounts: []money.Amount{eur(1231)}}, []string{}},
			"an amount of no meaning": {payment.Search{Amounts: []money.Amount{}}, []string{}},
			"two that exclude":        {payment.Search{State: payment.Captured, Operator: true}, []string{}},
			"two that agree":          {payment.Search{Shop: shop, Ref: yen.ExternalID}, []string{yen.ID}},
		} {
			require.Equal(t, c.want, b.found(c.search), what)
		}
	})
	t.Run("pages meet without a gap and without a repeat, also among payments of one moment", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		var all []string
		for range 7 {
			all = append([]string{b.accept().ID}, all...) // ids grow with time
		}
		var seen []string
		var mark payment.Mark
		for range 4 {
			list, err := b.SearchPayments(t.Context(), payment.Search{Before: mark, Limit: 2})
			require.NoError(t, err)
			for _, p := range list {
				seen = append(seen, p.Run.PaymentID)
				mark = payment.Mark{At: p.Run.ReceivedAt, ID: p.Run.PaymentID}
			}
		}
		require.Equal(t, all, seen)
	})
}

func TestFacets(t *testing.T) {
	t.Parallel()
	t.Run("they list what there is, each once", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.account("other", false, "Test")
		s := b.accept()
		b.accept()
		b.accept(func(s *payment.Session) { s.Amount = money.New(5, "JPY") })
		_, err := b.CallOperator(t.Context(), s.ID, payment.InDoubt)
		require.NoError(t, err)
		f, err := b.Facets(t.Context())
		require.NoError(t, err)
		require.Equal(t, payment.Facets{
			Shops: []payment.ShopLine{{Shop: shop, Label: "A shop", Active: true}}, Providers: []string{"other", "psp"},
			Currencies: []money.Currency{"EUR", "JPY"}, Needing: 1,
		}, f)
	})
	t.Run("an empty record has none", func(t *testing.T) {
		t.Parallel()
		f, err := open(t).Facets(t.Context())
		require.NoError(t, err)
		require.Empty(t, f.Currencies)
		require.Zero(t, f.Needing)
	})
}

func (b *bundle) desk(s payment.Session) payment.Desk {
	b.t.Helper()
	d, err := b.Desk(b.t.Context(), s.ID)
	require.NoError(b.t, err)
	return d
}

func TestDesk(t *testing.T) {
	t.Parallel()
	t.Run("sums are those that the next refund is measured by", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		require.Empty(t, b.desk(s).Purses, "nothing is paid")
		send, _ := b.paid(s)
		b.through(b.refund(s, 300))
		b.claimed(b.refund(s, 30)) // claimed counts
		require.Equal(t, []payment.Purse{{
			AttemptID: send.Attempt.ID, Winner: true, Amount: eur(1230), Taken: eur(1230), Gone: eur(330), Left: eur(900), Rest: eur(0),
		}}, b.desk(s).Purses)
	})
	t.Run("what is held shows until when, and not once it is given back", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept(authorization)
		until := b.clock.Now().Add(7 * 24 * time.Hour)
		send := b.opened(s)
		b.find(send, payment.Held, func(f *payment.Finding) { f.ExpiresAt = until })
		held := b.desk(s).Purses[0]
		require.Equal(t, eur(1230), held.Rest)
		require.Equal(t, until, held.HoldUntil)
		require.Equal(t, eur(0), held.Taken)
		b.claimed(b.void(s))
		back := b.desk(s).Purses[0]
		require.Equal(t, eur(0), back.Rest)
		require.True(t, back.HoldUntil.IsZero())
	})
	t.Run("clocks: our decision, and money that goes back unless somebody decides", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		require.Equal(t, s.DeadlineAt.Add(-time.Hour), b.desk(s).DecideAt)
		require.True(t, b.desk(s).GiveBackAt.IsZero())
		b.paid(s)
		_, err := b.RecordTold(t.Context(), payment.Told{PaymentID: s.ID, Refused: "NOT_ALLOWED"})
		require.NoError(t, err)
		_, err = b.CallOperator(t.Context(), s.ID, payment.ResolveRefused)
		require.NoError(t, err)
		d := b.desk(s)
		require.Equal(t, b.clock.Now().Add(24*time.Hour), d.GiveBackAt)
		require.Len(t, d.Notices, 1)
		require.Equal(t, payment.ResolveRefused, d.Notices[0].Reason)
		require.True(t, d.Notices[0].SentAt.IsZero())
	})
	t.Run("an unknown payment is none", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for _, id := range []string{uuid.NewString(), "x' OR true"} {
			_, err := b.Desk(t.Context(), id)
			require.Equal(t, payment.NotFound, payment.ClassOf(err, payment.Bug), id)
		}
	})
}

func TestDeliveries(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.accept()
	send := b.opened(s)
	b.store(b.event("evt_1", send, payment.Done, func(e *payment.IncomingEvent) { e.Amount = eur(1230) }))
	b.store(b.event("evt_2", send, "", func(e *payment.IncomingEvent) {
		e.AttemptID, e.Ref, e.PaymentRef = "", "cs_stranger", ""
	}))
	list := func(f payment.DeliveryFilter) []string {
		found, err := b.Deliveries(t.Context(), f)
		require.NoError(t, err)
		ids := make([]string, 0, len(found))
		for _, d := range found {
			ids = append(ids, d.EventID)
		}
		return ids
	}
	require.Equal(t, []string{"evt_2", "evt_1"}, list(payment.DeliveryFilter{}), "newest first")
	require.Equal(t, []string{"evt_2"}, list(payment.DeliveryFilter{Stray: true}))
	require.Contains(t, list(payment.DeliveryFilter{Waiting: true}), "evt_1")
	require.Empty(t, list(payment.DeliveryFilter{Provider: "other"}))
	require.Empty(t, list(payment.DeliveryFilter{Shop: "b.myshopify.com"}))
	page, err := b.Deliveries(t.Context(), payment.DeliveryFilter{Limit: 1})
	require.NoError(t, err)
	require.Equal(t, []string{"evt_1"}, list(payment.DeliveryFilter{Before: page[0].ID}))
	require.Equal(t, "unknown reference", page[0].Note)

	of := b.desk(s).Deliveries
	require.Len(t, of, 1)
	require.Equal(t, s.ID, of[0].PaymentID)
	require.Equal(t, eur(1230), of[0].Amount)
	require.Equal(t, payment.Done, of[0].Status)
	require.Equal(t, "Card", of[0].Label)
}

func TestProviderAccounts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const secret = "sk_live_51Nabcdefghijklmnop"
	id, err := b.PutAccount(t.Context(), store.Account{Shop: shop, Provider: "psp", Live: true, Label: "Wallet", Position: 2, Enabled: false},
		map[string]string{"secret_key": secret, "webhook_secret": "short"})
	require.NoError(t, err)
	list, err := b.ProviderAccounts(t.Context(), shop)
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, "Card", list[0].Label, "in the buyers' order")
	require.Equal(t, []payment.MaskedCredential{{Name: "secret_key", Tail: "mnop"}, {Name: "webhook_secret"}}, list[1].Credentials)
	require.False(t, list[1].Enabled)
	require.True(t, list[1].VerifiedAt.IsZero())
	require.NotContains(t, fmt.Sprintf("%+v", list), secret[:len(secret)-4], "the secret stays inside")
	require.NoError(t, b.AccountVerified(t.Context(), id))
	list, err = b.ProviderAccounts(t.Context(), shop)
	require.NoError(t, err)
	require.Equal(t, b.clock.Now(), list[1].VerifiedAt)
	require.Equal(t, payment.NotFound, payment.ClassOf(b.AccountVerified(t.Context(), uuid.NewString()), payment.Bug))
	none, err := b.ProviderAccounts(t.Context(), "b.myshopify.com")
	require.NoError(t, err)
	require.Empty(t, none)
}

func TestSavedFilters(t *testing.T) {
	t.Parallel()
	b := open(t)
	ctx := t.Context()
	require.NoError(t, b.SaveFilter(ctx, "ann", "stuck", "needs=1"))
	require.NoError(t, b.SaveFilter(ctx, "ann", "stuck", "needs=1&shop=a"), "the same name is changed")
	list, err := b.SavedFilters(ctx, "ann")
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, "needs=1&shop=a", list[0].Query)

	other, err := b.SavedFilters(ctx, "bob")
	require.NoError(t, err)
	require.Empty(t, other, "a filter is nobody else's")
	require.NoError(t, b.DropFilter(ctx, "bob", list[0].ID))
	list, err = b.SavedFilters(ctx, "ann")
	require.NoError(t, err)
	require.Len(t, list, 1, "nobody else drops it")

	for i := range 19 {
		require.NoError(t, b.SaveFilter(ctx, "ann", fmt.Sprintf("f%d", i), "needs=1"))
	}
	err = b.SaveFilter(ctx, "ann", "one more", "needs=1")
	require.Equal(t, payment.Conflict, payment.ClassOf(err, payment.Bug))
	require.NoError(t, b.SaveFilter(ctx, "ann", "stuck", "needs=1"), "a full list may be changed")
	require.NoError(t, b.DropFilter(ctx, "ann", list[0].ID))
	require.NoError(t, b.SaveFilter(ctx, "ann", "one more", "needs=1"))
	require.Error(t, b.DropFilter(ctx, "ann", "no id"))
}
