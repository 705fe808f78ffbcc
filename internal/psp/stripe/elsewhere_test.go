package stripe_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/payment"
)

func byHand(status string) object {
	return aRefund(status).with(object{"metadata": object{}, "balance_transaction": "txn_1"})
}

func aDispute(status string) object {
	return object{
		"id": "dp_1", "object": "dispute", "livemode": false, "status": status, "amount": 1000, "currency": "eur",
		"payment_intent": "pi_1", "charge": "ch_1",
		"balance_transactions": []object{{"id": "txn_2", "amount": -1000, "fee": 1500, "currency": "eur"}},
	}
}

func TestWhatIsElsewhere(t *testing.T) {
	t.Parallel()
	refund := func(state payment.AttemptState) []payment.Elsewhere {
		return []payment.Elsewhere{{Kind: payment.ElsewhereRefund, Ref: "re_1", State: state, Amount: money.New(1230, "EUR")}}
	}
	dispute := func(state payment.AttemptState) []payment.Elsewhere {
		return []payment.Elsewhere{{Kind: payment.ElsewhereDispute, Ref: "dp_1", State: state, Amount: money.New(1000, "EUR")}}
	}
	refunds := map[string]struct {
		refund object
		want   []payment.Elsewhere
	}{
		"a refund that succeeded":           {byHand("succeeded"), refund(payment.Done)},
		"a refund on its way":               {byHand("pending"), refund(payment.Working)},
		"a refund that waits for funds":     {byHand("pending").with(object{"balance_transaction": nil}), refund(payment.Working)},
		"a refund that waits for the buyer": {byHand("requires_action"), refund(payment.Working)},
		"a refund that failed":              {byHand("failed"), refund(payment.Closed)},
		"a refund that was cancelled":       {byHand("canceled"), refund(payment.Closed)},
		"a refund of ours":                  {aRefund("succeeded").with(object{"balance_transaction": "txn_1"}), nil},
		"a refund of ours that failed":      {aRefund("failed"), nil},
		"the rest of a captured hold":       {byHand("succeeded").with(object{"balance_transaction": nil}), nil},
		"a hold that lapsed":                {byHand("succeeded").with(object{"reason": "expired_uncaptured_charge"}), nil},
	}
	for rule, tc := range refunds {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			s := scripted(t, list(t, false, tc.refund), list(t, false))
			found, err := s.ListElsewhere(t.Context(), account(), "pi_1")
			require.NoError(t, err)
			require.Equal(t, tc.want, found)
			require.Equal(t, []string{
				"GET /v1/refunds?limit=100&payment_intent=pi_1", "GET /v1/disputes?limit=100&payment_intent=pi_1",
			}, s.requests())
		})
	}
	for status, want := range map[string][]payment.Elsewhere{
		"needs_response": dispute(payment.Working), "under_review": dispute(payment.Working),
		"won": dispute(payment.Closed), "lost": dispute(payment.Done),
		"warning_needs_response": nil, "warning_under_review": nil, "warning_closed": nil, "prevented": nil,
	} {
		t.Run("a dispute that is "+status, func(t *testing.T) {
			t.Parallel()
			found, err := scripted(t, list(t, false), list(t, false, aDispute(status))).ListElsewhere(t.Context(), account(), "pi_1")
			require.NoError(t, err)
			require.Equal(t, want, found)
		})
	}
	t.Run("a dispute whose funds are still there", func(t *testing.T) {
		t.Parallel()
		open := aDispute("needs_response").with(object{"balance_transactions": []object{}})
		found, err := scripted(t, list(t, false), list(t, false, open)).ListElsewhere(t.Context(), account(), "pi_1")
		require.NoError(t, err)
		require.Empty(t, found)
	})
}

func TestElsewhereOnManyPages(t *testing.T) {
	t.Parallel()
	second := byHand("succeeded").with(object{"id": "re_2", "amount": 500, "currency": "jpy"})
	s := scripted(t, list(t, true, byHand("succeeded")), list(t, false, second), list(t, false, aDispute("lost")))
	found, err := s.ListElsewhere(t.Context(), account(), "pi_1")
	require.NoError(t, err)
	require.Len(t, found, 3)
	require.Equal(t, money.New(500, "JPY"), found[1].Amount)
	require.Contains(t, s.requests()[1], "starting_after=re_1")
}

func TestElsewhereThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for rule, tc := range map[string]struct {
		answers []answer
		want    payment.Class
	}{
		"a refund status of tomorrow":  {[]answer{list(t, false, byHand("sleeping"))}, payment.Unknown},
		"a refund in no currency":      {[]answer{list(t, false, byHand("succeeded").with(object{"currency": "eux"}))}, payment.Unknown},
		"a dispute status of tomorrow": {[]answer{list(t, false), list(t, false, aDispute("settling"))}, payment.Unknown},
		"a dispute in no currency":     {[]answer{list(t, false), list(t, false, aDispute("lost").with(object{"currency": ""}))}, payment.Unknown},
		"a dispute of the other mode":  {[]answer{list(t, false), list(t, false, aDispute("lost").with(object{"livemode": true}))}, payment.Bug},
		"a list that fails":            {[]answer{failure(500, "api_error", "")}, payment.Unavailable},
		"a second list that fails":     {[]answer{list(t, false, byHand("succeeded")), failure(500, "api_error", "")}, payment.Unavailable},
		"a payment of nobody's":        {[]answer{failure(404, "invalid_request_error", "resource_missing")}, payment.Unauthorized},
	} {
		t.Run(rule+" gives an error and not a part", func(t *testing.T) {
			t.Parallel()
			found, err := scripted(t, tc.answers...).ListElsewhere(t.Context(), account(), "pi_1")
			require.Equal(t, tc.want, payment.ClassOf(err, ""), "%v", err)
			require.Nil(t, found)
		})
	}
}
