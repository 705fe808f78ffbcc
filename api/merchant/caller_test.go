package merchant_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"tillflow/api/merchant"
)

// TestScopes asks every route, so that a new one cannot be open to every key.
func TestScopes(t *testing.T) {
	t.Parallel()
	const move = `{"ref": "order-1001", "id": "m1"}`
	routes := map[string]struct{ body, needs string }{
		"POST /api/v1/payment":                      {example, "payment:write"},
		"POST /api/v1/payment/expire":               {`{"ref": "order-1001"}`, "payment:write"},
		"POST /api/v1/payment/capture":              {move, "payment:write"},
		"POST /api/v1/payment/void":                 {move, "payment:write"},
		"POST /api/v1/payment/refund":               {move, "payment:write"},
		"GET /api/v1/payment?ref=order-1001":        {"", "payment:read"},
		"GET /api/v1/payment/move?ref=order-1001":   {"", "payment:read"},
		"GET /api/v1/payment/move?ref=order-1&id=m": {"", "payment:read"},
	}
	holders := map[string]string{"payment:read": readKey, "payment:write": writeKey}
	lacking := map[string]string{"payment:read": writeKey, "payment:write": readKey}
	for route, r := range routes {
		t.Run("a key without "+r.needs+" is refused and told what it lacks: "+route, func(t *testing.T) {
			t.Parallel()
			b := setup()
			p := requireProblem(t, http.StatusForbidden, "Authorization", b.do(t, route, r.body, "Authorization", "Bearer "+lacking[r.needs]))
			require.Equal(t, "missing_scope", p.Code)
			require.Contains(t, p.Message, "lacks the scope "+r.needs)
			require.Contains(t, p.Message, "nothing was done")
			b.requireNothing(t)
			require.NotContains(t, b.log.String(), lacking[r.needs])
			require.Contains(t, b.log.String(), `"scope":"`+r.needs+`"`)
		})
		t.Run("a key with nothing but "+r.needs+" is let in: "+route, func(t *testing.T) {
			t.Parallel()
			b := setup()
			rec := b.do(t, route, r.body, "Authorization", "Bearer "+holders[r.needs])
			require.NotEqual(t, http.StatusForbidden, rec.Code, rec.Body.String())
			require.NotEqual(t, http.StatusUnauthorized, rec.Code, rec.Body.String())
		})
	}
	t.Run("no route of the API is left out of this test", func(t *testing.T) {
		t.Parallel()
		asked := map[string]bool{}
		for route := range routes {
			path, _, _ := strings.Cut(route, "?")
			asked[path] = true
		}
		var served []string
		e := echo.New()
		(&merchant.Handler{}).Routes(e)
		for _, r := range e.Routes() {
			if r.Method != echo.RouteNotFound {
				served = append(served, r.Method+" "+r.Path)
			}
		}
		require.Len(t, served, len(asked))
		for _, route := range served {
			require.Contains(t, asked, route)
		}
	})
	t.Run("without a key nobody learns which scope a route needs", func(t *testing.T) {
		t.Parallel()
		for route, r := range routes {
			b := setup()
			for _, header := range []string{"", "Bearer ", "Basic " + key, "Bearer tfk_guess"} {
				rec := b.do(t, route, r.body, "Authorization", header)
				require.Equal(t, http.StatusUnauthorized, rec.Code, "%s with %q", route, header)
				require.NotContains(t, rec.Body.String(), "scope")
			}
			b.requireNothing(t)
		}
	})
}
