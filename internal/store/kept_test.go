package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/shopify/app"
)

// keeps writes down what a payment's page left.
func (b *bundle) keeps(s payment.Session, change ...func(*payment.KeptMethod)) payment.KeptMethod {
	b.t.Helper()
	m, err := b.KeepMethod(b.t.Context(), b.left(s, change...))
	require.NoError(b.t, err)
	return m
}

func (b *bundle) left(s payment.Session, change ...func(*payment.KeptMethod)) payment.KeptMethod {
	m := payment.KeptMethod{
		AccountID: b.live, PaymentID: s.ID, Customer: "cus_Ada", Ref: "pm_Ada", Kind: "card", Label: "visa 4242",
		ExpiresYear: 2027, ExpiresMonth: 8,
	}
	for _, c := range change {
		c(&m)
	}
	return m
}

func TestKeepMethod(t *testing.T) {
	t.Parallel()
	t.Run("what is kept is read back, and only the vault has it", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, _ := b.sale(boughtBy("ann@example.com", ""))
		m := b.keeps(s)
		want := b.left(s)
		want.ID, want.Shop, want.Provider, want.KeptAt = m.ID, shop, "psp", b.clock.Now()
		require.Equal(t, want, m)
		again, err := b.KeptMethod(t.Context(), m.ID)
		require.NoError(t, err)
		require.Equal(t, m, again)
		list, err := b.KeptMethods(t.Context(), []string{uuid.NewString(), m.ID})
		require.NoError(t, err)
		require.Equal(t, []payment.KeptMethod{m}, list)
		require.NotContains(t, fmt.Sprintf("%v %+v %#v %s", m, m, m, m), "Ada", "it does not print who it is of")
		require.Zero(t, b.count(`SELECT count(*) FROM kept_methods m WHERE m::text LIKE '%Ada%' OR m::text LIKE '%4242%'`))
	})
	t.Run("a repeat changes nothing and answers what stands", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, _ := b.sale(boughtBy("ann@example.com", ""))
		first := b.keeps(s)
		b.clock.Add(time.Hour)
		require.Equal(t, first, b.keeps(s, func(m *payment.KeptMethod) { m.Ref = "pm_other" }))
		require.Equal(t, 1, b.count(`SELECT count(*) FROM vault WHERE kind = 'method'`))
	})
	t.Run("a customer whom nobody has named gets a key of their own", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, _ := b.sale()
		require.False(t, b.known(s))
		b.keeps(s)
		require.True(t, b.known(s))
	})
	t.Run("what names nothing is refused", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, _ := b.sale()
		for code, change := range map[string]func(*payment.KeptMethod){
			"method":  func(m *payment.KeptMethod) { m.Ref = "" },
			"account": func(m *payment.KeptMethod) { m.AccountID = uuid.NewString() },
		} {
			_, err := b.KeepMethod(t.Context(), b.left(s, change))
			requireClass(t, payment.Bug, code, err)
		}
		_, err := b.KeepMethod(t.Context(), b.left(s, func(m *payment.KeptMethod) { m.ExpiresMonth = 13 }))
		requireClass(t, payment.Bug, "method", err)
		_, err = b.KeepMethod(t.Context(), b.left(s, func(m *payment.KeptMethod) { m.PaymentID = uuid.NewString() }))
		requireClass(t, payment.NotFound, "", err)
		_, err = b.KeptMethod(t.Context(), uuid.NewString())
		requireClass(t, payment.NotFound, "", err)
		require.Zero(t, b.count(`SELECT count(*) FROM vault`))
	})
}

func TestForgetMethod(t *testing.T) {
	t.Parallel()
	t.Run("what is forgotten opens for nobody, and a repeat changes nothing", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, _ := b.sale(boughtBy("ann@example.com", ""))
		m := b.keeps(s)
		for range 2 {
			require.NoError(t, b.ForgetMethod(t.Context(), m.ID))
		}
		_, err := b.KeptMethod(t.Context(), m.ID)
		requireClass(t, payment.NotFound, "", err)
		require.Zero(t, b.count(`SELECT count(*) FROM vault WHERE kind = 'method'`))
		_, err = b.KeepMethod(t.Context(), b.left(s))
		requireClass(t, payment.Conflict, "forgotten", err)
	})
	t.Run("it goes with its customer, and nothing of them is kept afterwards", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, _ := b.sale(boughtBy("ann@example.com", ""))
		later, _ := b.sale(boughtBy("ann@example.com", ""))
		other, _ := b.sale(boughtBy("bob@example.com", ""))
		m, stays := b.keeps(s), b.keeps(other)
		c := b.erased(b.asks(app.CustomersRedact, app.Request{Email: "ann@example.com"}))
		require.Equal(t, 3, c.VaultBefore, "two buyer's documents and a method")
		require.Zero(t, c.VaultAfter)
		_, err := b.KeptMethod(t.Context(), m.ID)
		requireClass(t, payment.NotFound, "", err)
		list, err := b.KeptMethods(t.Context(), []string{m.ID, stays.ID})
		require.NoError(t, err)
		require.Equal(t, []payment.KeptMethod{stays}, list)
		_, err = b.KeepMethod(t.Context(), b.left(later))
		requireClass(t, payment.Conflict, "erased", err)
	})
	t.Run("a customer who asks is told of it", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, _ := b.sale(boughtBy("ann@example.com", ""))
		b.keeps(s)
		ref := b.asks(app.CustomersDataRequest, app.Request{Email: "ann@example.com"})
		b.matched(ref)
		text, err := b.WriteExport(t.Context(), ref.ID, root)
		require.NoError(t, err)
		require.Contains(t, string(text), `"label": "visa 4242"`)
	})
}

func TestEndOfAKeptMethod(t *testing.T) {
	t.Parallel()
	require.Zero(t, payment.KeptMethod{}.EndsAt())
	ends := payment.KeptMethod{ExpiresYear: 2026, ExpiresMonth: 12}.EndsAt()
	require.Equal(t, time.Date(2027, 1, 1, 12, 0, 0, 0, time.UTC), ends)
}
