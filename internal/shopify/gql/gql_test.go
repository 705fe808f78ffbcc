package gql_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/Khan/genqlient/graphql"
	"github.com/stretchr/testify/require"

	"tillflow/internal/shopify/gql"
)

// answering is a transport that keeps the request and gives one answer.
type answering struct {
	data    string
	request string
}

func (a *answering) MakeRequest(_ context.Context, req *graphql.Request, resp *graphql.Response) error {
	body, err := json.Marshal(req)
	if err != nil {
		return err
	}
	a.request = string(body)
	return json.Unmarshal([]byte(a.data), resp.Data)
}

// variables are the request's, as sent.
func (a *answering) variables(t *testing.T) string {
	t.Helper()
	var request struct {
		Variables json.RawMessage `json:"variables"`
	}
	require.NoError(t, json.Unmarshal([]byte(a.request), &request))
	return string(request.Variables)
}

func TestAbsentOptionalValuesAreLeftOut(t *testing.T) {
	t.Parallel()
	a := &answering{data: `{}`}
	_, err := gql.PaymentSessionResolve(t.Context(), a, "gid://shopify/PaymentSession/1", nil)
	require.NoError(t, err)
	require.JSONEq(t, `{"id":"gid://shopify/PaymentSession/1"}`, a.variables(t), "no year 1, no null")

	_, err = gql.PaymentSessionReject(t.Context(), a, "gid://shopify/PaymentSession/1",
		gql.PaymentSessionRejectionReasonInput{Code: gql.PaymentSessionStateRejectedReasonCardDeclined})
	require.NoError(t, err)
	require.JSONEq(t, `{"id":"gid://shopify/PaymentSession/1","reason":{"code":"CARD_DECLINED"}}`, a.variables(t))

	_, err = gql.PaymentsAppConfigure(t.Context(), a, nil, false)
	require.NoError(t, err)
	require.JSONEq(t, `{"ready":false}`, a.variables(t), "false is a value")
}

func TestExpiryIsSentAsISO8601(t *testing.T) {
	t.Parallel()
	a := &answering{data: `{}`}
	at := time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)
	_, err := gql.PaymentSessionResolve(t.Context(), a, "gid://shopify/PaymentSession/1", &at)
	require.NoError(t, err)
	require.JSONEq(t, `{"id":"gid://shopify/PaymentSession/1","authorizationExpiresAt":"2026-11-27T10:00:00Z"}`, a.variables(t))
}

func TestErrorsOfResolveAndRejectHaveNoCodeToSelect(t *testing.T) {
	t.Parallel()
	for _, operation := range []string{gql.PaymentSessionResolve_Operation, gql.PaymentSessionReject_Operation, gql.PaymentsAppConfigure_Operation} {
		_, selection, found := strings.Cut(operation, "userErrors {")
		require.True(t, found)
		selection, _, _ = strings.Cut(selection, "}")
		require.Equal(t, []string{"field", "message"}, strings.Fields(selection))
	}
}

func TestNewValuesAtShopifyDoNotBreakDecoding(t *testing.T) {
	t.Parallel()
	a := &answering{data: `{"paymentSessionPending": {
		"paymentSession": {
			"id": "gid://shopify/PaymentSession/1",
			"futureField": {},
			"nextAction": {"action": "DANCE", "context": {"__typename": "PaymentSessionActionsDance", "steps": 3}},
			"state": {"__typename": "PaymentSessionStateWaltzing", "code": "WALTZING"}
		},
		"userErrors": [{"code": "OUT_OF_STEP", "field": null, "message": "again"}]
	}}`}
	resp, err := gql.PaymentSessionPending(t.Context(), a, "gid://shopify/PaymentSession/1", time.Time{}, "FUTURE_REASON")
	require.NoError(t, err)
	session := resp.PaymentSessionPending.PaymentSession
	require.Equal(t, gql.State{Typename: "PaymentSessionStateWaltzing", Code: "WALTZING"}, session.State)
	require.Equal(t, "DANCE", session.NextAction.Action)
	require.Empty(t, session.NextAction.Context.RedirectURL)
	require.Equal(t, []gql.UserError{{Code: "OUT_OF_STEP", Message: "again"}}, resp.PaymentSessionPending.UserErrors)
}
