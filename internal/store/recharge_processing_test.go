package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/privacy"
	"tillflow/internal/recharge"
	"tillflow/internal/shopify/app"
)

func TestProcessing(t *testing.T) {
	t.Parallel()
	policy := func(c *recharge.Connection) {
		c.Policy = recharge.Policy{Process: []recharge.Category{recharge.InsufficientFunds}, After: 30 * time.Minute}
	}
	poor := func(c *recharge.Charge) { c.ErrorType = "INSUFFICIENT_FUNDS" }
	due := func(b *bundle) []int64 {
		list, err := b.DueProcessings(t.Context(), shop, 10)
		require.NoError(t, err)
		return list
	}
	t.Run("nothing is processed without a policy, before its pause, of another category, or while Recharge tries by itself", func(t *testing.T) {
		t.Parallel()
		off := connected(t)
		off.walked(off.failing(1, poor))
		require.Empty(t, due(off))
		b := connected(t, policy)
		b.walked(b.failing(1), b.failing(2, poor, at(b.clock.Now())), b.failing(3, poor, func(c *recharge.Charge) { c.RetryAt = b.clock.Now().Add(time.Hour) }))
		require.Empty(t, due(b))
		b.clock.Add(31 * time.Minute)
		require.Equal(t, []int64{2}, due(b))
	})
	t.Run("a failure is begun once; what stands is looked at and never sent again", func(t *testing.T) {
		t.Parallel()
		b := connected(t, policy)
		c := b.failing(1, poor)
		b.walked(c)
		p, is, err := b.BeginProcessing(t.Context(), shop, 1)
		require.NoError(t, err)
		require.True(t, is)
		require.False(t, p.Again)
		require.Equal(t, c.Mark(), p.Mark)
		p, is, err = b.BeginProcessing(t.Context(), shop, 1)
		require.NoError(t, err)
		require.True(t, is)
		require.True(t, p.Again)
		p.Outcome, p.Code, p.NextAt = recharge.OutcomeInDoubt, "timeout", b.clock.Now().Add(time.Hour)
		require.NoError(t, b.PutProcessing(t.Context(), p))
		require.Empty(t, due(b))
		b.clock.Add(2 * time.Hour)
		require.Equal(t, []int64{1}, due(b), "it is looked at")
		p.Outcome = recharge.Outcome(recharge.Refused)
		require.NoError(t, b.PutProcessing(t.Context(), p))
		require.Empty(t, due(b))
		require.NoError(t, b.KeepCharge(t.Context(), shop, b.failing(1, poor, at(b.clock.Now().Add(-time.Hour)), func(c *recharge.Charge) { c.Attempts = 2 }), false))
		require.Empty(t, due(b), "the next failure is not processed: the policy's number is spent")
	})
	t.Run("what certainly was not sent may be sent again", func(t *testing.T) {
		t.Parallel()
		b := connected(t, policy)
		b.walked(b.failing(1, poor))
		p, _, err := b.BeginProcessing(t.Context(), shop, 1)
		require.NoError(t, err)
		p.Outcome, p.NextAt = recharge.OutcomeNotSent, b.clock.Now().Add(time.Minute)
		require.NoError(t, b.PutProcessing(t.Context(), p))
		require.Empty(t, due(b))
		b.clock.Add(2 * time.Minute)
		p, is, err := b.BeginProcessing(t.Context(), shop, 1)
		require.NoError(t, err)
		require.True(t, is)
		require.False(t, p.Again)
		require.Equal(t, 1, b.count(`SELECT count(*) FROM recharge_processings`))
	})
	t.Run("a store where Recharge refuses it rests", func(t *testing.T) {
		t.Parallel()
		b := connected(t, policy)
		b.walked(b.failing(1, poor))
		require.NoError(t, b.RestProcessing(t.Context(), shop, b.clock.Now().Add(time.Hour)))
		require.Empty(t, due(b))
		_, is, err := b.BeginProcessing(t.Context(), shop, 1)
		require.NoError(t, err)
		require.False(t, is)
	})
}

func TestErasureKnowsFailedCharges(t *testing.T) {
	t.Parallel()
	for name, who := range map[string]app.Request{
		"by the mail address":           {Email: "buyer1@example.com"},
		"by the External Customer ID":   {CustomerID: "5001"},
		"by the order that it has made": {Orders: []string{"991"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := connected(t)
			b.walked(b.failing(1, func(c *recharge.Charge) { c.ShopifyOrderID = "991" }), b.failing(2))
			ref := b.asks(app.CustomersRedact, who)
			b.matched(ref)
			_, err := b.EraseRequest(t.Context(), ref.ID, steady)
			require.NoError(t, err)
			left := b.failed(recharge.Filter{Texts: true})
			require.Len(t, left, 2)
			for _, c := range left {
				if c.ChargeID == 2 {
					require.Equal(t, "buyer2@example.com", c.Texts.Email)
					continue
				}
				require.True(t, c.Forgotten)
				require.Equal(t, recharge.Texts{}, c.Texts)
				require.Zero(t, c.CustomerID)
				require.Empty(t, c.ShopifyCustomer)
				require.Equal(t, money.New(2499, "USD"), c.Amount, "amounts stay")
			}
			b.walked(b.failing(1, at(b.clock.Now())))
			require.Zero(t, b.count(`SELECT count(*) FROM recharge_charges WHERE charge_id = 1 AND shopify_customer <> ''`), "who was erased is not written down again")
			require.Equal(t, 2, b.count(`SELECT count(*) FROM vault`))
		})
	}
	t.Run("a data request has them", func(t *testing.T) {
		t.Parallel()
		b := connected(t)
		b.walked(b.failing(1))
		ref := b.asks(app.CustomersDataRequest, app.Request{Email: "buyer1@example.com"})
		b.matched(ref)
		text, err := b.WriteExport(t.Context(), ref.ID, clerk)
		require.NoError(t, err)
		require.Contains(t, string(text), "ring twice at door 1")
		require.Contains(t, string(text), `"subscription_charges"`)
		require.Contains(t, string(text), "CARD_EXPIRED")
	})
	t.Run("a shop that has left keeps no credentials", func(t *testing.T) {
		t.Parallel()
		b := connected(t)
		_, err := b.pool.Exec(t.Context(), `UPDATE shops SET active = false`)
		require.NoError(t, err)
		ref := b.asks(app.ShopRedact, app.Request{})
		require.Equal(t, privacy.Shop, ref.Kind)
		b.matched(ref)
		_, err = b.EraseRequest(t.Context(), ref.ID, steady)
		require.NoError(t, err)
		require.Zero(t, b.count(`SELECT count(*) FROM recharge_stores WHERE wrapped_key IS NOT NULL OR enabled`))
	})
}
