package webhook_test

import (
	"crypto/sha256"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// chargeRun is what a message about the charge wakes.
var chargeRun = payment.EventRef{EventID: 7, AttemptID: attempt, Run: payment.RunRef{PaymentID: "p1", Shop: "acme"}}

func TestGood(t *testing.T) {
	t.Parallel()
	t.Run("a message is stored, then the run is woken, then 200", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.events.answer = payment.Stored{Signal: &chargeRun}
		require.Equal(t, http.StatusOK, b.good(t, paid).Code)
		require.Equal(t, []string{"store", "signal"}, b.order)
		require.Equal(t, []payment.EventRef{chargeRun}, b.runs.signals)
		sum := sha256.Sum256([]byte(paid))
		require.Equal(t, []payment.IncomingEvent{{
			AccountID: account, EventID: "evt_1", Type: "payment_intent.succeeded", BodyHash: sum[:], AttemptID: attempt,
			PaymentRef: "pi_1", State: payment.Done, Amount: money.New(4990, "EUR"), At: time.Unix(1795176000, 0).UTC(),
		}}, b.events.stored, "ids, amounts and a hash: no body and no person")
		require.NotContains(t, b.log.String(), buyerMail)
	})
	t.Run("money after the end starts its way back", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.events.answer = payment.Stored{Reversal: &payment.MoveRef{OperationID: "o1"}, Note: "recorded"}
		require.Equal(t, http.StatusOK, b.good(t, paid).Code)
		require.Equal(t, []string{"store", "reverse"}, b.order)
		require.Equal(t, []payment.MoveRef{{OperationID: "o1"}}, b.runs.reversals)
	})
	t.Run("money that moved without us is stored as such", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		refund := `{"id": "evt_3", "type": "refund.created", "created": 1795176000, "livemode": false, "data": {"object": {
			"id": "re_1", "object": "refund", "payment_intent": "pi_1", "amount": 1000, "currency": "eur", "status": "pending", "metadata": {}}}}`
		require.Equal(t, http.StatusOK, b.good(t, refund).Code)
		require.Equal(t, &payment.Elsewhere{Kind: payment.ElsewhereRefund, Ref: "re_1", State: payment.Working, Amount: money.New(1000, "EUR")}, b.events.stored[0].Elsewhere)
		require.Equal(t, "pi_1", b.events.stored[0].PaymentRef)
		require.Empty(t, b.events.stored[0].AttemptID)
	})
	t.Run("a duplicate that was acted on is 200 and wakes nobody", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.events.answer = payment.Stored{Duplicate: true}
		for range 3 {
			require.Equal(t, http.StatusOK, b.good(t, paid).Code)
		}
		require.Equal(t, []string{"store", "store", "store"}, b.order)
	})
	t.Run("an event type that we do not know is 200 and noted", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.events.answer = payment.Stored{Note: "unknown reference"}
		unknown := `{"id": "evt_2", "type": "climate.order.created", "created": 1795176000, "livemode": false, "data": {"object": {}}}`
		require.Equal(t, http.StatusOK, b.good(t, unknown).Code)
		require.Equal(t, []string{"store"}, b.order)
		require.Equal(t, "climate.order.created", b.events.stored[0].Type)
		require.Empty(t, b.events.stored[0].State, "it proves nothing")
		require.Contains(t, b.log.String(), "unknown reference")
	})
	t.Run("a suspicious message is 200 and loud", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.events.answer = payment.Stored{Suspicious: true, Note: "came again with another body"}
		require.Equal(t, http.StatusOK, b.good(t, paid).Code)
		require.Equal(t, []string{"store"}, b.order)
		require.Contains(t, b.log.String(), `"level":"warn"`)
		require.Contains(t, b.log.String(), "came again with another body")
	})
	t.Run("a run that cannot be woken is 200 and logged: the sweep dispatches what is stored", func(t *testing.T) {
		t.Parallel()
		for _, answer := range []payment.Stored{{Signal: &chargeRun}, {Reversal: &payment.MoveRef{OperationID: "o1"}}} {
			b := setup(t)
			b.events.answer, b.runs.err = answer, errors.New("temporal is away")
			require.Equal(t, http.StatusOK, b.good(t, paid).Code)
			require.Len(t, b.events.stored, 1)
			require.Len(t, b.order, 2)
			require.Contains(t, b.log.String(), "temporal is away")
		}
	})
}

func TestSignature(t *testing.T) {
	t.Parallel()
	good := signature(secret, paid, noon)
	for name, signed := range map[string]string{
		"no signature":                   "",
		"a header that is none":          "canary",
		"another account's secret":       signature("whsec_other", paid, noon),
		"another body's signature":       signature(secret, paid+" ", noon),
		"another time's signature":       strings.Replace(good, "t=1795176000", "t=1795176001", 1),
		"a cut signature":                good[:len(good)-2],
		"a message that is stale":        signature(secret, paid, noon.Add(-301*time.Second)),
		"a message from the future":      signature(secret, paid, noon.Add(301*time.Second)),
		"a scheme that we do not accept": strings.Replace(good, "v1=", "v0=", 1),
	} {
		t.Run(name+" is 401 and nothing is stored", func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			rec := b.send(t, "/webhook/stripe/"+account, paid, signed)
			requireProblem(t, http.StatusUnauthorized, rec)
			b.requireNothing(t, rec)
			require.Contains(t, b.log.String(), "webhook refused")
			require.Contains(t, b.log.String(), account)
		})
	}
	t.Run("live messages are not believed on a test account", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		rec := b.good(t, strings.ReplaceAll(paid, `"livemode": false`, `"livemode": true`))
		requireProblem(t, http.StatusUnauthorized, rec)
		b.requireNothing(t, rec)
	})
	t.Run("a signed body that cannot be read is 422", func(t *testing.T) {
		t.Parallel()
		for _, body := range []string{"", "{", "[]", `{"type": "x"}`, `{"id": "evt_1", "type": "x"}`} {
			b := setup(t)
			rec := b.good(t, body)
			requireProblem(t, http.StatusUnprocessableEntity, rec)
			b.requireNothing(t, rec)
		}
	})
}

func TestAddress(t *testing.T) {
	t.Parallel()
	signed := signature(secret, paid, noon)
	for name, path := range map[string]string{
		"an unknown account":             "/webhook/stripe/0190a0c4-0000-7000-8000-00000000ffff",
		"an account that is no id":       "/webhook/stripe/acme",
		"an account of another provider": "/webhook/sandbox/" + account,
		"a provider of another account":  "/webhook/stripe/" + sandboxed,
		"an unknown provider":            "/webhook/paypal/" + account,
		"a provider that sends none":     "/webhook/sandbox/" + sandboxed,
		"no account at all":              "/webhook/stripe",
		"something after the account":    "/webhook/stripe/" + account + "/more",
	} {
		t.Run(name+" is 404 and nothing is stored", func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			rec := b.send(t, path, paid, signed)
			requireProblem(t, http.StatusNotFound, rec)
			b.requireNothing(t, rec)
		})
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	t.Run("a body over the limit is 413, announced or not", func(t *testing.T) {
		t.Parallel()
		large := paid + strings.Repeat(" ", 512<<10)
		for _, length := range []int64{int64(len(large)), -1} {
			b := setup(t)
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhook/stripe/"+account, strings.NewReader(large))
			r.Header.Set("Stripe-Signature", signature(secret, large, noon))
			r.ContentLength = length
			rec := httptest.NewRecorder()
			b.handler.ServeHTTP(rec, r)
			require.Equal(t, "body", requireProblem(t, http.StatusRequestEntityTooLarge, rec).Field)
			b.requireNothing(t, rec)
		}
	})
	t.Run("what cannot be stored is 503, so that the provider sends it again", func(t *testing.T) {
		t.Parallel()
		away := &payment.Error{Class: payment.Unavailable, Message: "the database is out of reach"}
		b := setup(t)
		b.events.fault = away
		rec := b.good(t, paid)
		requireProblem(t, http.StatusServiceUnavailable, rec)
		require.NotEmpty(t, rec.Header().Get("Retry-After"))
		require.Equal(t, []string{"store"}, b.order, "nobody is woken for a message that is not stored")

		b.events.fault, b.events.answer = nil, payment.Stored{Signal: &chargeRun}
		require.Equal(t, http.StatusOK, b.good(t, paid).Code)
		require.Len(t, b.runs.signals, 1)

		b = setup(t)
		b.events.err = away
		requireProblem(t, http.StatusServiceUnavailable, b.good(t, paid))
	})
}
