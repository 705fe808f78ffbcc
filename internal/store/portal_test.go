package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"tillflow/api/pay"
	"tillflow/internal/payment"
	"tillflow/internal/shopify/app"
	"tillflow/internal/store"
	"tillflow/internal/subscription"
)

var _ pay.Portals = (*store.Store)(nil)

// member is an active subscription whose customer has left a card.
func (b *bundle) member(change ...func(*subscription.Signup)) (subscription.Record, payment.KeptMethod) {
	b.t.Helper()
	r := b.subscribe(change...)
	b.settle(r.ID, "000001", payment.Done)
	keep := b.step(r.ID).Keep
	m, err := b.KeepMethod(b.t.Context(), payment.KeptMethod{
		AccountID: b.live, PaymentID: keep, Customer: "cus_Ada", Ref: "pm_Ada", Kind: "card", Label: "visa 4242", ExpiresYear: 2027, ExpiresMonth: 8,
	})
	require.NoError(b.t, err)
	_, err = b.UseMethod(b.t.Context(), r.ID, keep, m.ID, b.live)
	require.NoError(b.t, err)
	return b.reads(r.ID), m
}

func (b *bundle) link(id string) string {
	b.t.Helper()
	link, err := b.SubscriptionLink(id)
	require.NoError(b.t, err)
	return link
}

func (b *bundle) portal(id string) subscription.Portal {
	b.t.Helper()
	p, err := b.Portal(b.t.Context(), b.link(id))
	require.NoError(b.t, err)
	return p
}

func TestSubscriptionLink(t *testing.T) {
	t.Parallel()
	t.Run("it is the same each time and opens its subscription alone", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.plan()
		r, other := b.subscribe(), b.subscribe()
		again := b.link(r.ID)
		require.Equal(t, b.link(r.ID), again)
		require.Equal(t, r.ID, b.portal(r.ID).ID)
		require.Equal(t, other.ID, b.portal(other.ID).ID)
		require.NotContains(t, b.link(r.ID), r.ID)
		require.Len(t, b.link(r.ID), 48)
	})
	t.Run("what we did not make opens nothing", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.plan()
		r, other := b.subscribe(), b.subscribe()
		good := b.link(r.ID)
		changed := func(at int) string {
			other := "A"
			if good[at:at+1] == other {
				other = "B"
			}
			return good[:at] + other + good[at+1:]
		}
		for _, link := range []string{
			"", "x", good[:47], good + "A", strings.Repeat("A", 48), r.ID,
			changed(5), changed(40),
			b.link(other.ID)[:22] + good[22:], // another one's id with this one's proof
			b.link(uuid.NewString()),          // ours, of a subscription that is not there
		} {
			_, err := b.Portal(t.Context(), link)
			requireClass(t, payment.NotFound, "", err)
			_, err = b.ChargeAgain(t.Context(), link)
			requireClass(t, payment.NotFound, "", err)
		}
		_, err := b.SubscriptionLink("r.ID")
		requireClass(t, payment.NotFound, "", err)
	})
}

func TestPortal(t *testing.T) {
	t.Parallel()
	t.Run("who has paid reads until when, with what and how much comes next", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.plan()
		r, _ := b.member()
		p := b.portal(r.ID)
		require.Equal(t, "Gold", p.Plan)
		require.Equal(t, "A shop", p.Label)
		require.Equal(t, eur(3000), p.Price)
		require.Equal(t, "Europe/Berlin", p.Zone.String())
		require.Equal(t, "visa 4242", p.Method.Label)
		require.Empty(t, p.Method.Ref+p.Method.Customer, "a page has no use for the provider's names")
		require.True(t, p.Standing.PaidUp)
		require.True(t, p.Renews)
		require.Equal(t, eur(3000), p.Next.Charge)
		require.Equal(t, r.Period.End, p.Next.Period.Start)
		require.False(t, p.Owes() || p.Underway())
	})
	t.Run("who owes reads what follows, and has a link to pay", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.plan()
		r, _ := b.member()
		r = b.renewed(r.ID)
		require.True(t, b.portal(r.ID).Underway())
		b.settle(r.ID, r.Open.Key, payment.Declined, declined(payment.InsufficientFunds))
		p := b.portal(r.ID)
		require.True(t, p.Owes())
		require.False(t, p.Underway() || p.Renews)
		require.Equal(t, subscription.AskFunds, p.Step.Ask)
		require.Equal(t, subscription.ActRetry, p.Step.Action)
		require.NotEmpty(t, p.Pay)
		page, err := b.Page(t.Context(), p.Pay)
		require.NoError(t, err)
		require.Equal(t, eur(3000), page.Payment.Amount)
	})
	t.Run("a method that was forgotten is none", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.plan()
		r, m := b.member()
		require.NoError(t, b.ForgetMethod(t.Context(), m.ID))
		require.Zero(t, b.portal(r.ID).Method)
	})
}

func TestForgettingASubscriber(t *testing.T) {
	t.Parallel()
	t.Run("an erasure takes the card and what requests said of its owner", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.plan()
		r, m := b.member(func(in *subscription.Signup) {
			in.ReturnURL, in.IdempotencyKey, in.RequestHash = "https://merchant/thanks?m=buyer@example.com", "buyer@example.com", []byte("hash")
		})
		b.erased(b.asks(app.CustomersRedact, app.Request{Email: "buyer@example.com"})) // it looks for what is left
		_, err := b.KeptMethod(t.Context(), m.ID)
		requireClass(t, payment.NotFound, "", err)
		require.Zero(t, b.portal(r.ID).Method)
	})
	t.Run("nobody is forgotten for their age while a subscription goes on", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.plan()
		_, m := b.member()
		b.clock.Add(3 * 365 * 24 * time.Hour)
		_, err := b.pool.Exec(t.Context(), `UPDATE payments SET watch_until = NULL, watch_at = NULL`)
		require.NoError(t, err)
		_, err = b.Purge(t.Context(), steady)
		require.NoError(t, err)
		_, err = b.KeptMethod(t.Context(), m.ID)
		require.NoError(t, err)
		_, err = b.pool.Exec(t.Context(), `UPDATE subscriptions SET state = 'cancelled', open_key = '', ended_at = changed_at`)
		require.NoError(t, err)
		_, err = b.Purge(t.Context(), steady)
		require.NoError(t, err)
		_, err = b.KeptMethod(t.Context(), m.ID)
		requireClass(t, payment.NotFound, "", err)
	})
}

func TestChargeAgain(t *testing.T) {
	t.Parallel()
	owing := func(t *testing.T) (*bundle, subscription.Record) {
		t.Helper()
		b := setup(t)
		b.plan()
		r, _ := b.member()
		r = b.renewed(r.ID)
		b.settle(r.ID, r.Open.Key, payment.Declined, declined(payment.InsufficientFunds))
		return b, b.reads(r.ID)
	}
	t.Run("the owed charge is sent once more, however often it is pressed", func(t *testing.T) {
		t.Parallel()
		b, r := owing(t)
		for range 3 {
			ref, err := b.ChargeAgain(t.Context(), b.link(r.ID))
			require.NoError(t, err)
			require.Equal(t, subscription.Ref{ID: r.ID, Shop: shop}, ref)
			b.clock.Add(time.Minute)
		}
		require.Equal(t, 1, b.count(`SELECT count(*) FROM subscription_commands WHERE actor = 'customer'`))
		b.step(r.ID)
		require.True(t, b.portal(r.ID).Underway())
		_, err := b.ChargeAgain(t.Context(), b.link(r.ID))
		require.NoError(t, err)
		b.settle(r.ID, r.Open.Key, payment.Done)
		p := b.portal(r.ID)
		require.Equal(t, subscription.Active, p.State)
		require.True(t, p.Standing.PaidUp)
		require.Equal(t, 1, b.count(`SELECT count(*) FROM attempts a JOIN payments p ON p.id = a.payment_id WHERE p.source = 'renewal' AND a.state = 'done'`))
	})
	t.Run("after another decline it may be wished again", func(t *testing.T) {
		t.Parallel()
		b, r := owing(t)
		for range 2 {
			_, err := b.ChargeAgain(t.Context(), b.link(r.ID))
			require.NoError(t, err)
			b.step(r.ID)
			b.settle(r.ID, r.Open.Key, payment.Declined, declined(payment.InsufficientFunds))
		}
		require.Equal(t, 2, b.count(`SELECT count(*) FROM subscription_commands WHERE actor = 'customer'`))
	})
	t.Run("who owes nothing asks for nothing", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.plan()
		r, _ := b.member()
		_, err := b.ChargeAgain(t.Context(), b.link(r.ID))
		require.NoError(t, err)
		require.Zero(t, b.count(`SELECT count(*) FROM subscription_commands`))
	})
}
