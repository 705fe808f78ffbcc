package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/store"
)

func (b *bundle) page(s payment.Session) payment.Page {
	b.t.Helper()
	p, err := b.Page(b.t.Context(), s.Token)
	require.NoError(b.t, err)
	return p
}

func TestPage(t *testing.T) {
	t.Parallel()
	t.Run("it offers the session's options in the shop's order", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		wallet := b.account("other", true, "Wallet")
		b.account("psp", false, "Test card")
		b.account("third", true, "Not covered")
		first, err := b.PutAccount(t.Context(), store.Account{Shop: shop, Provider: "psp", Live: true, Label: "Bank", Position: -1, Enabled: true}, nil)
		require.NoError(t, err)
		s := b.accept()
		p := b.page(s)
		require.Equal(t, []payment.Option{
			{AccountID: first, Provider: "psp", Label: "Bank"},
			{AccountID: b.live, Provider: "psp", Label: "Card"},
			{AccountID: wallet, Provider: "other", Label: "Wallet"},
		}, p.Options)
		require.Equal(t, []string{"psp", "psp", "other"}, p.Providers)
		require.Equal(t, "A shop", p.Label)
		require.Equal(t, "https://shop/cancel", p.CancelURL)
		require.Equal(t, "de", p.Locale)
		require.False(t, p.ChoiceOpen)
		_, err = b.Choose(t.Context(), s.Token, wallet)
		require.NoError(t, err)
		p = b.page(s)
		require.True(t, p.ChoiceOpen)
		require.Equal(t, "other", p.Payment.Provider)
	})
	t.Run("it shows the hosted page while it is open", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		send := b.begin(s)
		require.Empty(t, b.page(s).URL)
		b.find(send, payment.Open)
		p := b.page(s)
		require.Equal(t, "https://psp/pay/"+send.Attempt.ID, p.URL)
		require.Equal(t, payment.Open, p.Unfinished.State)
		b.find(send, payment.Working)
		require.Empty(t, b.page(s).URL)
		b.find(send, payment.Declined, func(f *payment.Finding) { f.Decline = payment.ExpiredCard })
		p = b.page(s)
		require.Nil(t, p.Unfinished)
		require.Equal(t, payment.ExpiredCard, p.LastNo)
	})
	t.Run("an unknown token is not found", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, err := b.Page(t.Context(), "x")
		requireClass(t, payment.NotFound, "", err)
		_, err = b.Choose(t.Context(), "x", b.live)
		requireClass(t, payment.NotFound, "", err)
		_, err = b.Leave(t.Context(), "x")
		requireClass(t, payment.NotFound, "", err)
	})
}

func TestChoose(t *testing.T) {
	t.Parallel()
	t.Run("a double click is one choice, another method a new one", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		wallet := b.account("other", true, "Wallet")
		s := b.accept()
		for range 2 {
			run, err := b.Choose(t.Context(), s.Token, b.live)
			require.NoError(t, err)
			require.Equal(t, "psp", run.Provider)
		}
		require.Equal(t, 1, b.view(s).Wanted)
		first := b.opened(s)
		_, err := b.Choose(t.Context(), s.Token, b.live)
		require.NoError(t, err)
		require.Zero(t, b.view(s).Wanted, "its checkout is open")
		_, err = b.Choose(t.Context(), s.Token, wallet)
		require.NoError(t, err)
		v := b.view(s)
		require.Equal(t, 2, v.Wanted)
		require.Len(t, v.Unfinished, 1, "the workflow shuts the first checkout before it opens the second")
		again, err := b.BeginCheckout(t.Context(), s.ID)
		require.NoError(t, err)
		require.True(t, again.Again)
		require.Equal(t, first.Key, again.Key)
		b.find(first, payment.Closed)
		require.Equal(t, "other", b.begin(s).Attempt.Provider)
	})
	t.Run("nothing can be chosen while the provider works, and the choice waits", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		wallet := b.account("other", true, "Wallet")
		s := b.accept()
		_, err := b.Choose(t.Context(), s.Token, b.live)
		require.NoError(t, err)
		send := b.opened(s)
		_, err = b.Choose(t.Context(), s.Token, wallet)
		require.NoError(t, err)
		b.find(send, payment.Working)
		require.Zero(t, b.view(s).Wanted, "processing is never nothing")
		_, err = b.Choose(t.Context(), s.Token, b.live)
		requireClass(t, payment.Conflict, "processing", err)
		_, err = b.Leave(t.Context(), s.Token)
		requireClass(t, payment.Conflict, "processing", err)
		b.find(send, payment.Declined)
		require.Equal(t, 2, b.view(s).Wanted)
	})
}

func TestChooseRefused(t *testing.T) {
	t.Parallel()
	t.Run("what is not offered cannot be chosen", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		sandbox := b.account("psp", false, "Test card")
		s := b.accept()
		for _, id := range []string{sandbox, "x", ""} {
			_, err := b.Choose(t.Context(), s.Token, id)
			requireClass(t, payment.Invalid, "unknown_option", err)
		}
	})
	t.Run("nothing is chosen after the end or when time is over", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, late := b.accept(), b.accept()
		b.reject(s)
		_, err := b.Choose(t.Context(), s.Token, b.live)
		requireClass(t, payment.Conflict, "decided", err)
		b.clock.Add(47 * time.Hour)
		_, err = b.Choose(t.Context(), late.Token, b.live)
		requireClass(t, payment.Conflict, "late", err)
	})
	t.Run("choices are capped", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		wallet := b.account("other", true, "Wallet")
		s := b.accept()
		for i := range 30 {
			_, err := b.Choose(t.Context(), s.Token, []string{b.live, wallet}[i%2])
			require.NoError(t, err)
		}
		_, err := b.Choose(t.Context(), s.Token, b.live)
		requireClass(t, payment.Conflict, "too_many_choices", err)
	})
}

func TestLeave(t *testing.T) {
	t.Parallel()
	t.Run("an open checkout stands in the way until it is shut", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		send := b.opened(s)
		for range 2 {
			run, err := b.Leave(t.Context(), s.Token)
			require.NoError(t, err)
			require.Equal(t, s.ID, run.PaymentID)
		}
		require.True(t, b.view(s).Left)
		require.True(t, b.page(s).Left)
		v := b.find(send, payment.Closed)
		require.False(t, v.Left)
		require.Zero(t, v.Wanted)
		_, err := b.Choose(t.Context(), s.Token, b.live)
		require.NoError(t, err)
		require.Equal(t, 2, b.view(s).Wanted)
		require.False(t, b.page(s).Left, "a later choice takes it back")
	})
	t.Run("who comes back to a checkout being shut chooses anew", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		b.opened(s)
		_, err := b.Leave(t.Context(), s.Token)
		require.NoError(t, err)
		_, err = b.Choose(t.Context(), s.Token, b.live)
		require.NoError(t, err)
		v := b.view(s)
		require.False(t, v.Left)
		require.Equal(t, 2, v.Wanted)
	})
	t.Run("who left nothing changes nothing", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.account("other", true, "Wallet")
		s := b.accept()
		_, err := b.Leave(t.Context(), s.Token)
		require.NoError(t, err)
		require.False(t, b.page(s).Left)
	})
}
