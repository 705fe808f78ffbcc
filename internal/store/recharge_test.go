package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/activities"
	"tillflow/internal/access/audit"
	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/recharge"
	"tillflow/internal/store"
)

var _ activities.RechargeRecords = (*store.Store)(nil)

var clerk = audit.Actor{Name: "tester"}

// connected gives a record whose shop is connected with Recharge.
func connected(t *testing.T, change ...func(*recharge.Connection)) *bundle {
	t.Helper()
	b := setup(t)
	b.connect(shop, change...)
	return b
}

func (b *bundle) connect(name string, change ...func(*recharge.Connection)) string {
	b.t.Helper()
	c := recharge.Connection{Shop: name, Enabled: true}
	for _, f := range change {
		f(&c)
	}
	hook, err := b.SaveRecharge(b.t.Context(), clerk, c, &recharge.Credentials{Token: "token of " + "a store", Secret: "client secret"})
	require.NoError(b.t, err)
	return hook
}

func (b *bundle) putShop(name string) {
	b.t.Helper()
	require.NoError(b.t, b.PutShop(b.t.Context(), store.Shop{Shop: name, Mail: "owner@example.com", Active: true}))
}

// failing is a charge of 24.99 USD that failed an hour ago.
func (b *bundle) failing(id int64, change ...func(*recharge.Charge)) recharge.Charge {
	c := recharge.Charge{
		ID: id, Status: recharge.StatusError, ErrorType: "CARD_EXPIRED", Error: "Card expired", Attempts: 1, Type: "recurring",
		Customer: recharge.CustomerRef{ID: 7000 + id, Email: fmt.Sprintf("buyer%d@example.com", id), ShopifyID: fmt.Sprint(5000 + id)},
		Currency: "USD", Total: money.New(2499, "USD"), UpdatedAt: b.clock.Now().Add(-time.Hour), Note: fmt.Sprintf("ring twice at door %d", id),
	}
	for _, f := range change {
		f(&c)
	}
	return c
}

// walked keeps a page as the walk does and answers which charges were new.
func (b *bundle) walked(charges ...recharge.Charge) []int64 {
	b.t.Helper()
	var news []int64
	err := b.RechargeJournal(shop).Keep(b.t.Context(), recharge.Findings{Charges: charges}, func(fresh []int64) recharge.Position {
		news = fresh
		return recharge.Position{Since: b.clock.Now(), Pass: len(fresh)}
	})
	require.NoError(b.t, err)
	return news
}

func (b *bundle) failed(f recharge.Filter) []recharge.Failed {
	b.t.Helper()
	found, err := b.FailedCharges(b.t.Context(), f)
	require.NoError(b.t, err)
	return found.List
}

func at(updated time.Time) func(*recharge.Charge) {
	return func(c *recharge.Charge) { c.UpdatedAt = updated }
}

func TestRechargeConnection(t *testing.T) {
	t.Parallel()
	t.Run("credentials are sealed, open for their shop, and are destroyed with the connection", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		hook := b.connect(shop)
		require.Zero(t, b.count(`SELECT count(*) FROM recharge_stores WHERE position('token'::bytea in credentials) > 0 OR position('client'::bytea in credentials) > 0`))
		c, err := b.RechargeCredentials(t.Context(), shop)
		require.NoError(t, err)
		require.Equal(t, "token of a store", c.Token.Reveal())
		name, c, err := b.RechargeHook(t.Context(), hook)
		require.NoError(t, err)
		require.Equal(t, shop, name)
		require.Equal(t, "client secret", c.Secret.Reveal())
		require.Equal(t, hook, b.connect(shop), "the address of its webhooks stays")
		require.NoError(t, b.EndRecharge(t.Context(), clerk, shop))
		_, err = b.RechargeCredentials(t.Context(), shop)
		requireClass(t, payment.NotFound, "not_connected", err)
		_, _, err = b.RechargeHook(t.Context(), hook)
		requireClass(t, payment.NotFound, "not_connected", err)
		require.Contains(t, b.did(), "tester recharge.remove shop "+shop+" ")
	})
	t.Run("a connection needs a shop, credentials and a policy that can be followed", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, err := b.SaveRecharge(t.Context(), clerk, recharge.Connection{Shop: shop, Enabled: true}, nil)
		requireClass(t, payment.Invalid, "credentials", err)
		_, err = b.SaveRecharge(t.Context(), clerk, recharge.Connection{Shop: "nobody", Enabled: true}, &recharge.Credentials{Token: "t", Secret: "s"})
		requireClass(t, payment.NotFound, "unknown_shop", err)
		fraud := recharge.Connection{Shop: shop, Enabled: true, Policy: recharge.Policy{Process: []recharge.Category{recharge.Fraud}}}
		_, err = b.SaveRecharge(t.Context(), clerk, fraud, &recharge.Credentials{Token: "t", Secret: "s"})
		requireClass(t, payment.Invalid, "policy", err)
	})
	t.Run("who has waited longest is visited first, and nobody twice at once", func(t *testing.T) {
		t.Parallel()
		b := connected(t)
		b.clock.Add(time.Minute)
		b.putShop("b.myshopify.com")
		b.connect("b.myshopify.com")
		due, err := b.DueRecharges(t.Context(), 8)
		require.NoError(t, err)
		require.Equal(t, []recharge.Visit{{Shop: shop, Tries: 1, Hooks: true}, {Shop: "b.myshopify.com", Tries: 1, Hooks: true}}, due)
		due, err = b.DueRecharges(t.Context(), 8)
		require.NoError(t, err)
		require.Empty(t, due)
		require.NoError(t, b.PutRechargeVisit(t.Context(), recharge.Visited{Shop: shop, NextAt: b.clock.Now().Add(time.Minute), Trouble: "Unauthorized http_401"}))
		list, err := b.Recharges(t.Context(), shop)
		require.NoError(t, err)
		require.Equal(t, "Unauthorized http_401", list[0].Trouble)
		require.Equal(t, b.clock.Now(), list[0].TroubleSince)
		b.clock.Add(16 * time.Minute)
		due, err = b.DueRecharges(t.Context(), 8)
		require.NoError(t, err)
		require.Equal(t, []recharge.Visit{{Shop: shop, Tries: 2, Hooks: true}, {Shop: "b.myshopify.com", Tries: 2, Hooks: true}}, due, "a claim that nobody ended comes up again")
		require.NoError(t, b.PutRechargeVisit(t.Context(), recharge.Visited{Shop: shop, NextAt: b.clock.Now(), Hooked: true}))
		due, err = b.DueRecharges(t.Context(), 8)
		require.NoError(t, err)
		require.Equal(t, []recharge.Visit{{Shop: shop, Tries: 1}}, due)
	})
}

func TestRechargeJournal(t *testing.T) {
	t.Parallel()
	t.Run("a charge is one row, however often it comes, and the position moves with it", func(t *testing.T) {
		t.Parallel()
		b := connected(t)
		first := b.failing(1)
		require.Equal(t, []int64{1, 2}, b.walked(first, b.failing(2), first))
		where, err := b.RechargeJournal(shop).Position(t.Context())
		require.NoError(t, err)
		require.Equal(t, recharge.Position{Since: b.clock.Now(), Pass: 2}, where)
		require.Empty(t, b.walked(first))
		older := b.failing(1, at(first.UpdatedAt.Add(-time.Minute)), func(c *recharge.Charge) { c.ErrorType = "FRAUD_SUSPECTED" })
		require.Empty(t, b.walked(older))
		require.Equal(t, "CARD_EXPIRED", b.failed(recharge.Filter{Text: "door 1"})[0].ErrorType, "an older word changes nothing")
		later := b.failing(1, at(first.UpdatedAt.Add(time.Minute)), func(c *recharge.Charge) { c.ErrorType, c.Note = "FRAUD_SUSPECTED", "moved house" })
		require.Empty(t, b.walked(later))
		changed := b.failed(recharge.Filter{Text: "MOVED", Texts: true})
		require.Len(t, changed, 1)
		require.Equal(t, recharge.Fraud, changed[0].Category)
		require.Equal(t, recharge.Texts{Email: "buyer1@example.com", Note: "moved house", Error: "Card expired"}, changed[0].Texts)
		require.Equal(t, 2, b.count(`SELECT count(*) FROM vault`))
	})
	t.Run("what a charge says of a person is in the vault alone", func(t *testing.T) {
		t.Parallel()
		b := connected(t)
		b.walked(b.failing(1))
		require.Zero(t, b.count(`SELECT count(*) FROM recharge_charges c WHERE c::text LIKE '%example.com%' OR c::text LIKE '%ring twice%' OR c::text LIKE '%Card expired%'`))
		require.Zero(t, b.count(`SELECT count(*) FROM vault WHERE position('ring twice'::bytea in sealed) > 0`))
		shown, err := b.FailedCharge(t.Context(), b.failed(recharge.Filter{})[0].ID, false)
		require.NoError(t, err)
		require.Equal(t, recharge.Texts{}, shown.Texts)
	})
	t.Run("a customer who has paid at the shop is the same person", func(t *testing.T) {
		t.Parallel()
		b := connected(t)
		b.accept(withBuyer("ada@example.com"))
		subjects := b.count(`SELECT count(*) FROM subjects`)
		ada := func(c *recharge.Charge) { c.Customer.Email = "ada@example.com" }
		b.walked(b.failing(1, ada), b.failing(2, ada))
		require.Equal(t, subjects, b.count(`SELECT count(*) FROM subjects`))
	})
	t.Run("rows that are no charges are counted, and not kept", func(t *testing.T) {
		t.Parallel()
		b := connected(t)
		found := recharge.Findings{Unreadable: []recharge.Unreadable{{Sum: "abc", Reason: "without a usable id", Raw: []byte(`{"email":"x@example.com"}`)}}}
		for range 2 {
			require.NoError(t, b.RechargeJournal(shop).Keep(t.Context(), found, func([]int64) recharge.Position { return recharge.Position{} }))
		}
		require.Equal(t, 2, b.count(`SELECT times FROM recharge_unreadable WHERE NOT EXISTS (SELECT FROM recharge_unreadable u WHERE u::text LIKE '%example.com%')`))
	})
	t.Run("a charge that was read by its id counts also within the same second, and one that never failed is not added", func(t *testing.T) {
		t.Parallel()
		b := connected(t)
		c := b.failing(1)
		b.walked(c)
		c.Status, c.ErrorType = recharge.StatusSuccess, ""
		require.NoError(t, b.KeepCharge(t.Context(), shop, c, false))
		paid := b.failed(recharge.Filter{})
		require.Len(t, paid, 1)
		require.Equal(t, recharge.StatusSuccess, paid[0].Status)
		require.Equal(t, recharge.ExpiredCard, paid[0].Category, "it still says why it had failed")
		other := b.failing(2)
		other.Status = recharge.StatusSuccess
		require.NoError(t, b.KeepCharge(t.Context(), shop, other, false))
		require.Len(t, b.failed(recharge.Filter{}), 1)
	})
	t.Run("values that could hide an address or end a column are cut out", func(t *testing.T) {
		t.Parallel()
		b := connected(t)
		b.walked(b.failing(1, func(c *recharge.Charge) {
			c.Status, c.ShopifyOrderID, c.Total, c.Currency = "pausiert\x00", "mail@example.com", money.Amount{}, ""
			c.Oddities = []recharge.Oddity{{Field: "total_price", Reason: "missing"}}
		}))
		odd := b.failed(recharge.Filter{})[0]
		require.Equal(t, recharge.Status("pausiert"), odd.Status)
		require.Equal(t, "mailexample.com", odd.ShopifyOrder)
		require.Zero(t, odd.Amount)
		require.Len(t, odd.Oddities, 1)
	})
}

func TestFailedCharges(t *testing.T) {
	t.Parallel()
	b := connected(t)
	var page []recharge.Charge
	for id := range int64(120) {
		page = append(page, b.failing(id+1, at(b.clock.Now().Add(-time.Duration(id)*time.Hour)), func(c *recharge.Charge) {
			if id%3 == 0 {
				c.ErrorType = "INSUFFICIENT_FUNDS"
			}
		}))
	}
	b.walked(page...)
	t.Run("pages meet every charge once", func(t *testing.T) {
		t.Parallel()
		seen := map[int64]bool{}
		f := recharge.Filter{Limit: 50}
		for pages := 1; ; pages++ {
			found, err := b.FailedCharges(t.Context(), f)
			require.NoError(t, err)
			for _, c := range found.List {
				require.False(t, seen[c.ChargeID])
				seen[c.ChargeID] = true
			}
			if f.Before = found.Next; f.Before.ID == "" {
				require.Equal(t, 3, pages)
				break
			}
		}
		require.Len(t, seen, 120)
	})
	t.Run("filters hold together, and a note is found in any case", func(t *testing.T) {
		t.Parallel()
		require.Len(t, b.failed(recharge.Filter{Shop: shop, Category: recharge.InsufficientFunds, Status: recharge.StatusError, Limit: 100}), 40)
		require.Len(t, b.failed(recharge.Filter{ErrorType: "CARD_EXPIRED", From: b.clock.Now().Add(-24 * time.Hour), To: b.clock.Now(), Limit: 100}), 16)
		found := b.failed(recharge.Filter{Text: "DOOR 119"})
		require.Len(t, found, 1)
		require.Empty(t, found[0].Texts.Note, "it is found by what it does not show")
		require.Empty(t, b.failed(recharge.Filter{Text: "buyer119@example.com"}), "the note is searched, not the address")
	})
	t.Run("an address that names no charge is no fault of the record", func(t *testing.T) {
		t.Parallel()
		_, err := b.FailedCharge(t.Context(), "x", false)
		requireClass(t, payment.NotFound, "no_row", err)
	})
}

func TestRechargeReports(t *testing.T) {
	t.Parallel()
	b := connected(t)
	var page []recharge.Charge
	for id := range int64(401) {
		page = append(page, b.failing(id+1))
	}
	b.walked(page...)
	made, err := b.ReportCharges(t.Context(), shop)
	require.NoError(t, err)
	require.Equal(t, 2, made)
	made, err = b.ReportCharges(t.Context(), shop)
	require.NoError(t, err)
	require.Zero(t, made)
	due, err := b.DueReports(t.Context(), shop, 10)
	require.NoError(t, err)
	require.Len(t, due, 2)
	require.Equal(t, "owner@example.com", due[0].Mail)
	seen := map[int64]bool{}
	for _, r := range due {
		for _, c := range r.Charges {
			require.False(t, seen[c.ChargeID], "a charge is in one report")
			seen[c.ChargeID] = true
		}
	}
	require.Len(t, seen, 401)
	unsaid := func() int {
		list, err := b.Recharges(t.Context(), shop)
		require.NoError(t, err)
		return list[0].Unreported
	}
	require.Equal(t, 401, unsaid(), "what was not sent was not told")
	require.NoError(t, b.ReportSent(t.Context(), due[0].ID))
	require.Equal(t, len(due[1].Charges), unsaid())
	again, err := b.DueReports(t.Context(), shop, 10)
	require.NoError(t, err)
	require.Empty(t, again, "not before its pause is over")
	b.clock.Add(2 * time.Minute)
	again, err = b.DueReports(t.Context(), shop, 10)
	require.NoError(t, err)
	require.Len(t, again, 1)
	require.Equal(t, due[1].ID, again[0].ID)
	require.Equal(t, 2, again[0].Tries)
}

func TestRechargeDeliveries(t *testing.T) {
	t.Parallel()
	b := connected(t)
	arrived := recharge.Arrived{Shop: shop, Key: "k1", Topic: recharge.TopicChargeFailed, Object: "charge", ObjectID: 9}
	fresh, err := b.StoreRechargeDelivery(t.Context(), arrived)
	require.NoError(t, err)
	require.True(t, fresh)
	fresh, err = b.StoreRechargeDelivery(t.Context(), arrived)
	require.NoError(t, err)
	require.False(t, fresh, "a repeat changes nothing")
	due, err := b.DueRechargeDeliveries(t.Context(), shop, 10)
	require.NoError(t, err)
	require.Equal(t, []recharge.Arrived{arrived}, due)
	require.NoError(t, b.EndRechargeDelivery(t.Context(), shop, "k1", "read"))
	due, err = b.DueRechargeDeliveries(t.Context(), shop, 10)
	require.NoError(t, err)
	require.Empty(t, due)
}
