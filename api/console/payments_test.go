package console_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/access"
	"tillflow/internal/money"
	"tillflow/internal/payment"
)

const list = "/console/payments"

func TestList(t *testing.T) {
	t.Parallel()
	t.Run("it shows payments, newest first, and how many need a person", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		first, _ := h.paid()
		h.told(first, "")
		second := h.accept(func(s *payment.Session) { s.Amount = eur(123456789); s.Test = true })
		h.call(second, payment.InDoubt)
		p := h.get(access.Viewer, list).shows(http.StatusOK, "2 payments.", "1 needs a person", "1\u202f234\u202f567.89 EUR", "12.30 EUR",
			"captured", "paid, told", "not decided", "in doubt", "test", shop, first.ExternalID, "stripe")
		require.Less(t, strings.Index(p.text, second.ExternalID), strings.Index(p.text, first.ExternalID))
		require.Contains(t, p.html, `href="/console/payments/`+first.ID+`"`)
	})
	t.Run("an empty record says so", func(t *testing.T) {
		t.Parallel()
		furnish(t).get(access.Viewer, list).shows(http.StatusOK, "No payment fits.").lacks("need")
	})
	t.Run("filters of an address narrow the list", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		paid, _ := h.paid()
		h.wait(48 * time.Hour)
		yen := h.accept(func(s *payment.Session) { s.Amount = money.New(1230, "JPY") })
		for query, want := range map[string]string{
			"state=captured": paid.ID, "state=created": yen.ID, "currency=JPY": yen.ID, "to=2026-11-20": paid.ID, "from=2026-11-21": yen.ID,
			"q=" + paid.ExternalID: paid.ID, "q=12.30": paid.ID, "q=1230+jpy": yen.ID, "q=1230&currency=JPY": yen.ID, "q=12,30+EUR": paid.ID,
		} {
			p := h.get(access.Viewer, list+"?"+query).shows(http.StatusOK, "1 payment.")
			require.Contains(t, p.html, want, query)
		}
		h.get(access.Viewer, list+"?needs=1").shows(http.StatusOK, "No payment fits.")
		h.get(access.Viewer, list+"?state=nonsense").shows(http.StatusOK, "not understood", "2 payments.")
		h.get(access.Viewer, list+"?from=yesterday").shows(http.StatusOK, "A day is written as")
		h.get(access.Viewer, list+"?before=nonsense").shows(http.StatusOK, "not understood")
	})
	t.Run("pages go on where the last one ended", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		for range 53 {
			h.accept()
		}
		p := h.get(access.Viewer, list+"?state=created&shop="+shop).shows(http.StatusOK, "50 newest payments.", "Older payments")
		_, after, _ := strings.Cut(p.html, `class="button" href="`)
		older, _, _ := strings.Cut(after, `"`)
		p = h.get(access.Viewer, unescape(older)).shows(http.StatusOK, "3 older payments.", "To the newest").lacks("Older payments")
		before, _, _ := strings.Cut(p.html, `">To the newest`)
		newest := unescape(before[strings.LastIndex(before, `"`)+1:])
		require.Equal(t, list+"?shop="+shop+"&state=created", newest, "the way back is to the same list")
	})
}

func TestSearch(t *testing.T) {
	t.Parallel()
	h := furnish(t)
	paid, send := h.paid()
	t.Run("what was found leads to an address that can be shared", func(t *testing.T) {
		t.Parallel()
		for _, q := range []string{paid.ID, paid.ExternalID, "cs_" + send.Attempt.ID, "12.30", " " + paid.ExternalID + " "} {
			where := h.post(access.Viewer, list, "q", q).leads()
			require.Equal(t, list+"?q="+strings.TrimSpace(q), where)
		}
		require.Equal(t, list+"?q="+paid.ExternalID, h.post(access.Viewer, list, "q", paid.GID).leads(), "a gid is its id")
		require.Equal(t, list+"?needs=1&state=captured", h.post(access.Viewer, list, "state", "captured", "needs", "1", "q", "").leads())
	})
	t.Run("what may be somebody's name never comes into an address", func(t *testing.T) {
		t.Parallel()
		for _, q := range []string{"ada@example.com", "Ada Lovelace", "Invalidenstraße", "+49 30 1234", "<b>"} {
			p := h.post(access.Viewer, list, "q", q).shows(http.StatusUnprocessableEntity, "Search takes an id or an amount")
			p.lacks(q)
			require.Empty(t, p.header.Get("Location"))
		}
		for _, q := range []string{"Lovelace", "004930123456", "DE89370400440532013000"} {
			p := h.post(access.Viewer, list, "q", q).shows(http.StatusOK, "No payment fits.")
			require.Empty(t, p.header.Get("Location"), "it looks like an id and is none of ours")
		}
	})
}

func TestScripted(t *testing.T) {
	t.Parallel()
	h := furnish(t)
	t.Run("a refused search is an answer that htmx shows", func(t *testing.T) {
		t.Parallel()
		body := strings.NewReader(url.Values{"q": {"Ada Lovelace"}, "csrf": {h.tokens[access.Viewer].CSRF()}}.Encode())
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, list, body)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("HX-Request", "true")
		h.do(access.Viewer, r).shows(http.StatusOK, "Search takes an id or an amount")
	})
	t.Run("without a session the whole page goes to the login", func(t *testing.T) {
		t.Parallel()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, list, nil)
		r.Header.Set("HX-Request", "true")
		require.Equal(t, "/console/login", h.do("", r).header.Get("HX-Redirect"))
	})
}

func TestSavedFilters(t *testing.T) {
	t.Parallel()
	h := furnish(t)
	save := func(role access.Role, name, query string) page {
		return h.post(role, list+"/filters", "name", name, "query", query)
	}
	require.Equal(t, list+"?needs=1&state=processing", save(access.Viewer, " stuck  ones ", "state=processing&needs=1").leads())
	p := h.get(access.Viewer, list+"?needs=1&state=processing").shows(http.StatusOK, "stuck ones", "Forget “stuck ones”")
	h.get(access.Operator, list).shows(http.StatusOK).lacks("stuck ones")
	save(access.Viewer, "ada@example.com", "needs=1").shows(http.StatusUnprocessableEntity, "1 to 40 printable characters")
	save(access.Viewer, "", "needs=1").shows(http.StatusUnprocessableEntity)
	save(access.Viewer, "nothing", "").shows(http.StatusUnprocessableEntity, "choose one first")
	save(access.Viewer, "a search", "q=12.30").shows(http.StatusUnprocessableEntity, "choose one first")
	for i := range 19 {
		save(access.Viewer, "f"+string(rune('a'+i)), "needs=1").leads()
	}
	save(access.Viewer, "one too many", "needs=1").shows(http.StatusConflict, "Nobody keeps more than 20 filters")

	_, after, _ := strings.Cut(p.html, `action="`+list+`/filters/`)
	id, _, _ := strings.Cut(after, "/")
	h.post(access.Operator, list+"/filters/"+id+"/drop").leads()
	h.get(access.Viewer, list).shows(http.StatusOK, "stuck ones") // it was not the operator's
	require.Equal(t, list, h.post(access.Viewer, list+"/filters/"+id+"/drop").leads())
	h.get(access.Viewer, list).shows(http.StatusOK).lacks("stuck ones")
}

func TestAccess(t *testing.T) {
	t.Parallel()
	h := furnish(t)
	s := h.accept()
	at := list + "/" + s.ID
	t.Run("without a session a page leads to the login", func(t *testing.T) {
		t.Parallel()
		for _, path := range []string{list, at, at + "/act?do=note", "/console/accounts", "/console/deliveries", "/console/audit"} {
			require.Contains(t, h.get("", path).leads(), "/console/login?next=", path)
		}
	})
	t.Run("a wrong role is refused, and noted", func(t *testing.T) {
		t.Parallel()
		for _, one := range []struct {
			role access.Role
			path string
		}{{access.Viewer, at + "/act?do=note"}, {access.Viewer, "/console/audit"}, {access.Operator, "/console/audit"}} {
			h.get(one.role, one.path).shows(http.StatusForbidden, "Your role does not permit this")
		}
		h.post(access.Viewer, at+"/act", "do", "note", "reason", "x").shows(http.StatusForbidden)
		require.Contains(t, h.trail(), "viewer access.denied permission act_on_payments")
	})
	t.Run("a form without the session's token does nothing", func(t *testing.T) {
		t.Parallel()
		for _, path := range []string{list, list + "/filters", at + "/act", at + "/notes", "/console/audit"} {
			h.form(access.Admin, path, "do", "note", "reason", "x").shows(http.StatusForbidden, "not valid any more")
			h.form(access.Admin, path, "csrf", h.tokens[access.Viewer].CSRF()).shows(http.StatusForbidden)
		}
		d, err := h.ShowPayment(t.Context(), s.ID, false)
		require.NoError(t, err)
		require.Empty(t, d.Actions)
	})
	t.Run("pages carry no script and no style of their own, and their policy permits none", func(t *testing.T) {
		t.Parallel()
		for _, path := range []string{list, at, at + "/act?do=note", "/console/accounts", "/console/deliveries", "/console/audit", list + "/nothing"} {
			p := h.get(access.Admin, path)
			require.NotContains(t, p.html, "<style", path)
			require.NotContains(t, p.html, " style=", path)
			require.NotRegexp(t, `<script(?: [^>]*)?>[^<]`, p.html, path)
			require.NotRegexp(t, ` on[a-z]+="`, p.html, path)
			require.Equal(t, "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
				p.header.Get("Content-Security-Policy"), path)
			require.Equal(t, "no-store", p.header.Get("Cache-Control"), path)
		}
	})
	t.Run("files have addresses of their content and stay with the browser", func(t *testing.T) {
		t.Parallel()
		p := h.get(access.Viewer, list)
		for _, name := range []string{"console.css", "htmx-2.0.11.min.js"} {
			end := strings.Index(p.html, "/"+name)
			start := strings.LastIndex(p.html[:end], `"`) + 1
			f := h.get("", p.html[start:end]+"/"+name)
			require.Equal(t, http.StatusOK, f.status)
			require.Contains(t, f.header.Get("Cache-Control"), "immutable")
		}
	})
	t.Run("the navigation has what the role may open", func(t *testing.T) {
		t.Parallel()
		h.get(access.Viewer, list).shows(http.StatusOK, "Payments", "Accounts", "Deliveries", "viewer").lacks("Audit", "Erasures")
		h.get(access.Admin, list).shows(http.StatusOK, "Audit").lacks("Erasures")
	})
}
