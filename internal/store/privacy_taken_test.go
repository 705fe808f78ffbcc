package store_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/privacy"
	"tillflow/internal/shopify/app"
)

func TestTakeRequest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ref := b.asks(app.CustomersRedact, app.Request{Email: "canary@example.com"})
	require.Equal(t, privacy.Customer, ref.Kind)
	require.Equal(t, ref.ReceivedAt.Add(lawTerm), ref.DueAt)
	require.Zero(t, b.count(`SELECT count(*) FROM shopify_deliveries WHERE sealed IS NOT NULL`), "what it says moves to the request")
	require.Zero(t, b.count(`SELECT count(*) FROM privacy_requests r WHERE r::text LIKE '%canary%' OR position('canary'::bytea in sealed) > 0`))
	require.Contains(t, b.did(), "tillflow privacy.received privacy "+ref.ID+" ")
	_, err := b.TakeRequest(t.Context(), uuid.NewString(), lawTerm)
	requireClass(t, payment.NotFound, "", err)
	list, err := b.PrivacyRequests(t.Context(), true, 10)
	require.NoError(t, err)
	require.Len(t, list, 1)

	due, err := b.DueErasures(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, []privacy.DueRun{{Ref: ref}}, due)
	due, err = b.DueErasures(t.Context(), 10)
	require.NoError(t, err)
	require.Empty(t, due, "one sweep has it")
}
