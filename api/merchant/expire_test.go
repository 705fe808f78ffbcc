package merchant_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
)

const run = "charge/api/acme/order-1001"

func TestRead(t *testing.T) {
	t.Parallel()
	t.Run("a payment is read by its ref, with its answer once there is one", func(t *testing.T) {
		t.Parallel()
		b := setup()
		first := answered(t, http.StatusCreated, b.create(t, example))
		require.NotContains(t, first, "final")
		b.records.state, b.records.final = payment.Rejected, payment.Reject
		got := answered(t, http.StatusOK, b.read(t, "?ref=order-1001"))
		require.Equal(t, "rejected", got["state"])
		require.Equal(t, "reject", got["final"])
		require.Equal(t, "cancelled", got["reason"])
		require.Equal(t, first["url"], got["url"])
	})
	t.Run("an unknown ref, also one of another shop, is 404", func(t *testing.T) {
		t.Parallel()
		b := setup()
		answered(t, http.StatusCreated, b.create(t, example))
		mine := requireProblem(t, http.StatusNotFound, "ref", b.read(t, "?ref=order-1002"))
		theirs := requireProblem(t, http.StatusNotFound, "ref", b.read(t, "?ref=order-1001", "Authorization", "Bearer "+otherKey))
		require.Equal(t, "unknown_ref", mine.Code)
		require.Equal(t, mine.Message, theirs.Message)
	})
	t.Run("a ref that can name nothing is 400", func(t *testing.T) {
		t.Parallel()
		b := setup()
		for _, query := range []string{"", "?ref=", "?Ref=order-1001", "?ref=a%00b", "?ref=%ff", "?ref=%0a"} {
			requireProblem(t, http.StatusBadRequest, "ref", b.read(t, query))
		}
	})
}

func TestExpire(t *testing.T) {
	t.Parallel()
	const body = `{"ref": "order-1001"}`
	created := func(t *testing.T) *bench {
		t.Helper()
		b := setup()
		answered(t, http.StatusCreated, b.create(t, example))
		return b
	}
	t.Run("an open payment gets an action row, then its run is asked by the row's id", func(t *testing.T) {
		t.Parallel()
		b := created(t)
		got := answered(t, http.StatusOK, b.expire(t, body))
		require.Equal(t, "rejected", got["state"])
		require.Equal(t, "reject", got["final"])
		require.Equal(t, []payment.Action{{
			PaymentID: b.records.rows["acmeorder-1001"].ID, Actor: "key key-of-acme", Action: "expire", At: noon,
		}}, b.records.actions, "the actor is the key's id, never the key")
		require.Equal(t, []string{run + " expire action-1"}, b.runs.asked)
		require.Len(t, b.runs.started, 1, "the run may have been lost")
		require.NotContains(t, b.log.String(), key)
	})
	t.Run("a payment that is decided answers as it is", func(t *testing.T) {
		t.Parallel()
		for state, final := range map[payment.State]payment.Final{payment.Captured: payment.Resolve, payment.Rejected: payment.Reject} {
			b := created(t)
			b.records.state, b.records.final = state, final
			require.Equal(t, string(state), answered(t, http.StatusOK, b.expire(t, body))["state"])
			require.Empty(t, b.records.actions)
			require.Empty(t, b.runs.asked)
			require.Empty(t, b.runs.started)
		}
	})
	t.Run("a run that ended meanwhile is no error", func(t *testing.T) {
		t.Parallel()
		b := created(t)
		b.runs.actErr = &payment.Error{Class: payment.NotFound, Message: "no run"}
		require.Equal(t, "created", answered(t, http.StatusOK, b.expire(t, body))["state"])
	})
	t.Run("a run's own no is told", func(t *testing.T) {
		t.Parallel()
		b := created(t)
		b.runs.actErr = &payment.Error{Class: payment.Invalid, Code: "refused", Message: "expire: not applied"}
		p := requireProblem(t, http.StatusUnprocessableEntity, "", b.expire(t, body))
		require.Equal(t, "refused", p.Code)
	})
	t.Run("Temporal away is 503 and a retry works", func(t *testing.T) {
		t.Parallel()
		away := &payment.Error{Class: payment.Unavailable, Message: "the workflow service did not take it"}
		for _, set := range []func(*runs, error){func(r *runs, err error) { r.startErr = err }, func(r *runs, err error) { r.actErr = err }} {
			b := created(t)
			set(b.runs, away)
			rec := b.expire(t, body)
			requireProblem(t, http.StatusServiceUnavailable, "", rec)
			require.NotEmpty(t, rec.Header().Get("Retry-After"))
			set(b.runs, nil)
			require.Equal(t, "rejected", answered(t, http.StatusOK, b.expire(t, body))["state"])
		}
	})
	t.Run("a run without a worker is 503 before the server cuts the connection", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := created(t)
			b.runs.hang = true
			start := time.Now()
			requireProblem(t, http.StatusServiceUnavailable, "", b.expire(t, body))
			require.Less(t, time.Since(start), 15*time.Second)
		})
	})
	t.Run("an unknown ref, also one of another shop, is 404 and asks nobody", func(t *testing.T) {
		t.Parallel()
		b := created(t)
		requireProblem(t, http.StatusNotFound, "ref", b.expire(t, `{"ref": "order-1002"}`))
		requireProblem(t, http.StatusNotFound, "ref", b.expire(t, body, "Authorization", "Bearer "+otherKey))
		require.Empty(t, b.records.actions)
		require.Empty(t, b.runs.asked)
	})
	t.Run("bad input is refused by its field", func(t *testing.T) {
		t.Parallel()
		for bad, field := range map[string]string{
			"": "body", "{": "body", "[]": "body", body + body: "body", `{"ref": "a", "why": "b"}`: "body",
			"{}": "ref", `{"ref": ""}`: "ref", `{"ref": 7}`: "ref", `{"ref": "a\u0000"}`: "ref",
		} {
			b := setup()
			requireProblem(t, http.StatusBadRequest, field, b.expire(t, bad))
			b.requireNothing(t)
		}
	})
}
