package control_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOnlyThePageItselfMayPress(t *testing.T) {
	t.Parallel()
	headers := func(site, origin string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Del("Sec-Fetch-Site")
			if site != "" {
				r.Header.Set("Sec-Fetch-Site", site)
			}
			if origin != "" {
				r.Header.Set("Origin", origin)
			}
		}
	}
	for _, tt := range []struct {
		name, site, origin string
		status             int
	}{
		{"another site's form is refused", "cross-site", "https://evil.example", http.StatusForbidden},
		{"another port's form is another site's", "same-site", "http://127.0.0.1:7400", http.StatusForbidden},
		{"an old browser is judged by Origin", "", "https://evil.example", http.StatusForbidden},
		{"a hidden origin is another one", "", "null", http.StatusForbidden},
		{"the page's own form is taken", "same-origin", "", http.StatusSeeOther},
		{"a person's own program is taken", "", "", http.StatusSeeOther},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			resp, body := b.ask(http.MethodPost, "/arm/webhook-twice", nil, headers(tt.site, tt.origin))
			require.Equal(t, tt.status, resp.StatusCode, body)
			if tt.status == http.StatusForbidden {
				require.Contains(t, body, "Another site sent this form, so nothing was pressed.")
				require.Empty(t, rules(b.stripe))
				return
			}
			require.Len(t, rules(b.stripe), 1)
		})
	}
}

func TestTheAddressMustBeThisMachines(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for host, status := range map[string]int{
		"127.0.0.1:7409": http.StatusOK, "localhost:7409": http.StatusOK, "[::1]:7409": http.StatusOK, "localhost": http.StatusOK,
		"rebound.example:7409": http.StatusMisdirectedRequest, "10.0.0.7:7409": http.StatusMisdirectedRequest,
		"127.0.0.1.evil.example": http.StatusMisdirectedRequest, "localhost.evil.example:7409": http.StatusMisdirectedRequest,
	} {
		resp, body := b.ask(http.MethodGet, "/", nil, func(r *http.Request) { r.Host = host })
		require.Equal(t, status, resp.StatusCode, host)
		if status != http.StatusOK {
			require.Contains(t, body, "open it as http://127.0.0.1")
		}
	}
}
