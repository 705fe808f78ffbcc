package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/activities"
	"tillflow/internal/payment"
	"tillflow/internal/shopify"
)

var _ activities.Shop = (*shopAPI)(nil)

var refusals = []payment.Refusal{
	payment.RefusedUnknownPayment, payment.RefusedNotPaid, payment.RefusedNotHeld, payment.RefusedAuthorizationExpired,
	payment.RefusedZeroAmount, payment.RefusedOtherCurrency, payment.RefusedTooLarge, payment.RefusedNotSupported,
	payment.RefusedByProvider, payment.RefusedByOperator,
}

var moveKinds = map[payment.Operation]string{payment.OpRefund: "Refund", payment.OpCapture: "Capture", payment.OpVoid: "Void"}

type oneToken struct{}

func (oneToken) Token(context.Context, string) (string, error)           { return "token", nil }
func (oneToken) Refresh(context.Context, string, string) (string, error) { return "token", nil }

// talk is a Shopify that acknowledges every mutation, or refuses it with a code,
// and what it was asked.
func talk(t *testing.T, refusal string) (api *shopAPI, asked *[]string) {
	t.Helper()
	asked = &[]string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var sent struct {
			OperationName string          `json:"operationName"`
			Variables     json.RawMessage `json:"variables"`
		}
		if err := json.NewDecoder(r.Body).Decode(&sent); err != nil {
			http.Error(w, err.Error(), http.StatusTeapot)
			return
		}
		*asked = append(*asked, sent.OperationName+" "+string(sent.Variables))
		member := strings.ToLower(sent.OperationName[:1]) + sent.OperationName[1:]
		session := member[:strings.Index(member, "Session")+len("Session")]
		answer := `{"` + session + `":{"id":"gid","nextAction":null,"state":{"__typename":"S","code":"RESOLVED"}},"userErrors":[]}`
		if refusal != "" {
			answer = `{"` + session + `":null,"userErrors":[{"code":"` + refusal + `","field":["id"],"message":"no"}]}`
		}
		w.Header().Set("X-Request-Id", "req-1")
		_, _ = io.WriteString(w, `{"data":{"`+member+`":`+answer+`}}`)
	}))
	t.Cleanup(server.Close)
	client, err := shopify.New(shopify.Options{
		BaseURL: server.URL + "/{shop}", HTTPClient: server.Client(), Tokens: oneToken{}, Log: zerolog.Nop(), Now: clock(console),
	})
	require.NoError(t, err)
	return &shopAPI{client}, asked
}

func telling(kind payment.Operation, final payment.Final, why payment.Refusal) payment.MoveTelling {
	return payment.MoveTelling{
		Shop: "acme.myshopify.com", GID: "gid://shopify/" + moveKinds[kind] + "Session/X1", Source: payment.SourceShopify,
		Kind: kind, Final: final, Refusal: why, Locale: "en",
	}
}

func TestAnswersAboutMoves(t *testing.T) {
	t.Parallel()
	for kind, name := range moveKinds {
		t.Run("a "+string(kind)+" is answered with its own mutations", func(t *testing.T) {
			t.Parallel()
			api, asked := talk(t, "")
			told, err := api.ResolveMove(t.Context(), telling(kind, payment.Resolve, payment.NotRefused))
			require.NoError(t, err)
			require.Equal(t, payment.MoveTold{RequestID: "req-1"}, told)
			_, err = api.RejectMove(t.Context(), telling(kind, payment.Reject, payment.RefusedTooLarge))
			require.NoError(t, err)
			gid := `{"id":"gid://shopify/` + name + `Session/X1"`
			require.Equal(t, []string{
				name + "SessionResolve " + gid + "}",
				name + "SessionReject " + gid + `,"reason":{"code":"PROCESSING_ERROR","merchantMessage":"` + refusalMessage(kind, payment.RefusedTooLarge) + `"}}`,
			}, *asked)
		})

		t.Run("an expired hold has a code of its own for captures alone: "+string(kind), func(t *testing.T) {
			t.Parallel()
			api, asked := talk(t, "")
			for _, why := range refusals {
				_, err := api.RejectMove(t.Context(), telling(kind, payment.Reject, why))
				require.NoError(t, err)
				want := "PROCESSING_ERROR"
				if kind == payment.OpCapture && why == payment.RefusedAuthorizationExpired {
					want = "AUTHORIZATION_EXPIRED"
				}
				require.Contains(t, (*asked)[len(*asked)-1], `"code":"`+want+`"`, why)
			}
		})
	}

	t.Run("the shop's refusal is an answer with its code", func(t *testing.T) {
		t.Parallel()
		api, _ := talk(t, "REFUND_SESSION_INVALID_STATE")
		told, err := api.ResolveMove(t.Context(), telling(payment.OpRefund, payment.Resolve, payment.NotRefused))
		require.NoError(t, err)
		require.Equal(t, "REFUND_SESSION_INVALID_STATE", told.Refused)
	})

	t.Run("nobody waits for an answer about anything else", func(t *testing.T) {
		t.Parallel()
		api, asked := talk(t, "")
		for _, kind := range []payment.Operation{payment.OpCharge, payment.OpReversal, payment.OpDispute} {
			_, err := api.ResolveMove(t.Context(), telling(kind, payment.Resolve, payment.NotRefused))
			require.Equal(t, payment.Bug, payment.ClassOf(err, payment.Unknown))
			_, err = api.RejectMove(t.Context(), telling(kind, payment.Reject, payment.RefusedTooLarge))
			require.Equal(t, payment.Bug, payment.ClassOf(err, payment.Unknown))
		}
		require.Empty(t, *asked)
	})
}

func TestRefusalMessage(t *testing.T) {
	t.Parallel()
	for kind := range moveKinds {
		seen := map[string]payment.Refusal{}
		for _, why := range append(refusals, "new") {
			text := refusalMessage(kind, why)
			require.True(t, strings.HasSuffix(text, "."), text)
			require.NotContains(t, text, "_", "a sentence and no code")
			require.NotContains(t, seen, text, "%s and %s read alike", why, seen[text])
			seen[text] = why
		}
	}
	require.Equal(t, fmt.Sprint("The payment was not paid, so there is nothing to ", payment.OpRefund, "."), refusalMessage(payment.OpRefund, payment.RefusedNotPaid))
}
