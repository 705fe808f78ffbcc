package api_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCommandsInTheRecord(t *testing.T) {
	t.Parallel()
	const ref = `{"ref": "sub-1"}`
	t.Run("pause, skip, cancel at the end, and each taken back", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		h.begun(t)
		sub := func() map[string]any { return h.ask(t, http.StatusOK, "GET subscription?ref=sub-1", "") }
		require.Equal(t, "active", sub()["state"])
		require.Equal(t, true, sub()["has_method"])
		out := h.ask(t, http.StatusOK, "POST subscription/pause", ref)
		require.Equal(t, true, out["subscription"].(map[string]any)["pause_at_end"])
		h.refused(t, no{http.StatusConflict, "nothing_to_do", "subscription"}, "POST subscription/pause", ref)
		h.ask(t, http.StatusOK, "POST subscription/withdraw", `{"ref": "sub-1", "what": "pause"}`)
		h.ask(t, http.StatusOK, "POST subscription/skip", ref)
		h.ask(t, http.StatusOK, "POST subscription/withdraw", `{"ref": "sub-1", "what": "skip"}`)
		h.ask(t, http.StatusOK, "POST subscription/cancel", `{"ref": "sub-1", "at_end": true}`)
		require.Equal(t, true, sub()["cancel_at_end"])
		h.refused(t, no{http.StatusConflict, "ending", "subscription"}, "POST subscription/skip", ref)
		h.ask(t, http.StatusOK, "POST subscription/withdraw", `{"ref": "sub-1", "what": "cancel"}`)
		require.Equal(t, false, sub()["cancel_at_end"])
		require.Equal(t, "paid", h.ask(t, http.StatusOK, "GET entitlement?ref=sub-1", "")["standing"])
	})
	t.Run("a change is previewed to the minor unit, and previewing changes nothing", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		h.begun(t)
		h.now = h.now.Add(15 * 24 * time.Hour) // half of the thirty days
		const body = `{"ref": "sub-1", "plan": "platinum", "version": 1, "when": "prorated"`
		before := h.ask(t, http.StatusOK, "GET subscription?ref=sub-1", "")
		p := h.ask(t, http.StatusOK, "POST subscription/change", body+`, "preview": true}`)
		require.Equal(t, []any{"15.00", "30.00", "15.00", "0.00"}, []any{p["credit"], p["cost"], p["charge"], p["balance"]})
		require.Equal(t, before, h.ask(t, http.StatusOK, "GET subscription?ref=sub-1", ""))
		out := h.ask(t, http.StatusOK, "POST subscription/change", body+"}", "Idempotency-Key", "c1")
		got := out["outcome"].(map[string]any)
		require.Equal(t, []any{"15.00", "30.00", "15.00", "000001-0001"}, []any{got["credit"], got["cost"], got["amount"], got["charge"]})
		require.Equal(t, out, h.ask(t, http.StatusOK, "POST subscription/change", body+"}", "Idempotency-Key", "c1"), "a repeat is answered and not done again")
		require.Equal(t, 2, h.Count(t, `SELECT count(*) FROM subscription_charges`))
		h.refused(t, no{http.StatusConflict, "would_charge_twice", "subscription"}, "POST subscription/change", `{"ref": "sub-1", "quantity": 3, "when": "prorated"}`)
		h.refused(t, no{http.StatusConflict, "would_charge_twice", "subscription"}, "POST subscription/change", `{"ref": "sub-1", "quantity": 3, "when": "prorated", "preview": true}`)
		h.refused(t, no{http.StatusConflict, "idempotency_key_reused", "Idempotency-Key"}, "POST subscription/pause", ref, "Idempotency-Key", "c1")
		h.refused(t, no{http.StatusConflict, "wrong_state", "subscription"}, "POST subscription/retry", ref)
	})
	t.Run("a smaller quantity at once goes to the balance", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		h.begun(t)
		h.ask(t, http.StatusOK, "POST subscription/change", `{"ref": "sub-1", "quantity": 2, "when": "at_end"}`)
		next := h.ask(t, http.StatusOK, "GET subscription?ref=sub-1", "")["next"].(map[string]any)
		require.Equal(t, []any{"gold", float64(2), "60.00"}, []any{next["plan"], next["quantity"], next["price"]})
	})
	t.Run("who was late with a plan's version gets the one that stands", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		h.begun(t)
		for _, end := range []string{`}`, `, "preview": true}`} {
			p := h.refused(t, no{http.StatusConflict, "stale_version", "version"}, "POST subscription/change", `{"ref": "sub-1", "plan": "platinum", "version": 9, "when": "at_end"`+end)
			require.Equal(t, "platinum", p["current"].(map[string]any)["id"])
		}
	})
	t.Run("cancelled now, with the rest given back, it is over for good", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		h.begun(t)
		h.now = h.now.Add(15 * 24 * time.Hour)
		out := h.ask(t, http.StatusOK, "POST subscription/cancel", `{"ref": "sub-1", "refund": true}`)
		require.Equal(t, "15.00", out["outcome"].(map[string]any)["refund"])
		require.Equal(t, 1, h.Count(t, `SELECT count(*) FROM move_sessions WHERE amount_minor = 1500`))
		for _, command := range []string{"pause", "resume", "skip", "retry", "cancel"} {
			h.refused(t, no{http.StatusConflict, "wrong_state", "subscription"}, "POST subscription/"+command, ref)
		}
		require.Equal(t, "ended", h.ask(t, http.StatusOK, "GET entitlement?ref=sub-1", "")["standing"])
	})
	t.Run("what does not fit is refused before it is written", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		h.begun(t)
		for rule, c := range map[string]struct {
			status                   int
			code, field, route, body string
		}{
			"an unknown ref":                 {404, "unknown_ref", "ref", "pause", `{"ref": "nobody"}`},
			"no ref":                         {400, "invalid_request", "ref", "pause", `{}`},
			"a member of another endpoint":   {400, "invalid_request", "plan", "pause", `{"ref": "sub-1", "plan": "gold"}`},
			"a member that is unknown":       {400, "invalid_request", "body", "pause", `{"ref": "sub-1", "because": "x"}`},
			"a change of nothing":            {400, "invalid_request", "plan", "change", `{"ref": "sub-1", "when": "at_end"}`},
			"a negative quantity":            {400, "invalid_request", "quantity", "change", `{"ref": "sub-1", "quantity": -2, "when": "at_end"}`},
			"a version without its plan":     {400, "invalid_request", "version", "change", `{"ref": "sub-1", "quantity": 2, "version": 1, "when": "at_end"}`},
			"a refund at the end":            {400, "invalid_request", "refund", "cancel", `{"ref": "sub-1", "at_end": true, "refund": true}`},
			"withdrawing what is none":       {400, "invalid_request", "what", "withdraw", `{"ref": "sub-1", "what": "retry"}`},
			"withdrawing nothing":            {400, "invalid_request", "what", "withdraw", `{"ref": "sub-1"}`},
			"an unknown plan in a preview":   {404, "unknown_plan", "plan", "change", `{"ref": "sub-1", "plan": "none", "version": 1, "when": "at_end", "preview": true}`},
			"an unknown moment in a preview": {400, "unknown_rule", "when", "change", `{"ref": "sub-1", "quantity": 2, "when": "soon", "preview": true}`},
		} {
			t.Run(rule, func(t *testing.T) {
				h.refused(t, no{c.status, c.code, c.field}, "POST subscription/"+c.route, c.body)
				require.Zero(t, h.Count(t, `SELECT count(*) FROM subscription_commands`))
			})
		}
		h.refused(t, no{http.StatusConflict, "nothing_to_do", "subscription"}, "POST subscription/withdraw", `{"ref": "sub-1", "what": "skip"}`)
		h.refused(t, no{http.StatusBadRequest, "unknown_rule", "when"}, "POST subscription/change", `{"ref": "sub-1", "quantity": 2, "when": "soon"}`)
		h.refused(t, no{http.StatusBadRequest, "missing", "plan"}, "POST subscription/change", `{"ref": "sub-1", "plan": "none", "version": 1, "when": "at_end"}`)
	})
	t.Run("with the workflows away it is written, and the repeat under its key is carried out", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		h.begun(t)
		h.members.away = true
		h.refused(t, no{http.StatusServiceUnavailable, "Unavailable", ""}, "POST subscription/pause", ref, "Idempotency-Key", "p1")
		h.members.away = false
		out := h.ask(t, http.StatusOK, "POST subscription/pause", ref, "Idempotency-Key", "p1")
		require.Equal(t, true, out["subscription"].(map[string]any)["pause_at_end"])
		require.Equal(t, 1, h.Count(t, `SELECT count(*) FROM subscription_commands`))
	})
}
