package store_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

func TestTheFirstPaymentBeginsASubscription(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.plan()
	r := b.subscribe()
	require.Equal(t, subscription.Pending, r.State)
	require.NotEmpty(t, r.Pay)
	require.Equal(t, 1, b.step(r.ID).Period)
	send := b.attempt(r.ID, "000001")
	require.True(t, send.Remember)
	require.Empty(t, send.Method)
	b.find(send, payment.Open)
	b.find(send, payment.Done)
	require.Equal(t, subscription.Pending, b.reads(r.ID).State, "not told so far")
	page, err := b.Page(t.Context(), r.Pay)
	require.NoError(t, err)
	require.Equal(t, payment.Resolve, page.Final)
	require.Empty(t, page.NextURL, "who comes back to the merchant's site is paid up there")
	view := b.tell(send.PaymentID)
	require.True(t, view.Closed)
	page, err = b.Page(t.Context(), r.Pay)
	require.NoError(t, err)
	require.Equal(t, "https://merchant/thanks", page.NextURL)
	r = b.reads(r.ID)
	require.Equal(t, subscription.Active, r.State)
	require.Empty(t, r.Pay)
	b.tell(send.PaymentID)
	require.Equal(t, r, b.reads(r.ID), "a repeat changes nothing")
}

func TestARenewalIsChargedByTheKeptMethod(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.plan()
	r := b.active()
	r = b.renewed(r.ID)
	require.Equal(t, "000002", r.Open.Key)
	send := b.attempt(r.ID, "000002")
	require.Equal(t, r.Method, send.Method)
	require.True(t, send.Attempt.Kept)
	require.False(t, send.Again)
	again := b.attempt(r.ID, "000002")
	require.True(t, again.Again)
	require.Equal(t, send.Key, again.Key)
	b.find(send, payment.Done)
	require.True(t, b.tell(send.PaymentID).Closed)
	r = b.reads(r.ID)
	require.Nil(t, r.Open)
	require.Equal(t, 2, r.Period.Number)
}
