package privacy_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/api"
	"tillflow/api/privacy"
	"tillflow/internal/payment"
	"tillflow/internal/store"
)

var _ privacy.Exports = (*store.Store)(nil)

const link, phrase = "LINKLINKLINK", "ABCD-EFGH"

// exports has one parcel.
type exports struct{ err error }

func (e exports) ExportOpen(_ context.Context, l string) (bool, error) { return l == link, e.err }

func (e exports) OpenExport(_ context.Context, l, p string) (string, []byte, error) {
	switch {
	case e.err != nil:
		return "", nil, e.err
	case l != link:
		return "", nil, &payment.Error{Class: payment.NotFound, Message: "none"}
	case p != phrase:
		return "r1", nil, &payment.Error{Class: payment.Unauthorized, Code: "passphrase", Message: "no"}
	}
	return "r1", []byte(`{"email":"canary@example.com"}`), nil
}

func TestDownload(t *testing.T) {
	t.Parallel()
	call := func(t *testing.T, e exports, method, path string, form url.Values) (*httptest.ResponseRecorder, string) {
		t.Helper()
		var log bytes.Buffer
		h, err := privacy.New(e, zerolog.New(&log))
		require.NoError(t, err)
		req := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(form.Encode()))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		rec := httptest.NewRecorder()
		api.New(zerolog.New(&log), func(context.Context) error { return nil }, h).ServeHTTP(rec, req)
		require.NotContains(t, log.String(), link, "no log holds a link")
		require.NotContains(t, log.String(), "canary")
		return rec, log.String()
	}
	t.Run("the link alone shows a form and counts as nothing", func(t *testing.T) {
		t.Parallel()
		rec, _ := call(t, exports{}, http.MethodGet, "/privacy/"+link, nil)
		require.Equal(t, http.StatusOK, rec.Code)
		require.Contains(t, rec.Body.String(), `name="passphrase"`)
		require.NotContains(t, rec.Body.String(), "canary")
		require.Contains(t, rec.Header().Get("Content-Security-Policy"), "default-src 'none'")
		require.Equal(t, "no-store", rec.Header().Get("Cache-Control"))
	})
	t.Run("with the passphrase it is a file, named by the request and not by a person", func(t *testing.T) {
		t.Parallel()
		rec, log := call(t, exports{}, http.MethodPost, "/privacy/"+link, url.Values{"passphrase": {phrase}})
		require.Equal(t, http.StatusOK, rec.Code)
		require.Equal(t, `attachment; filename="data-request-r1.json"`, rec.Header().Get("Content-Disposition"))
		require.JSONEq(t, `{"email":"canary@example.com"}`, rec.Body.String())
		require.Contains(t, log, "r1")
	})
	t.Run("a wrong passphrase says how many there are", func(t *testing.T) {
		t.Parallel()
		rec, _ := call(t, exports{}, http.MethodPost, "/privacy/"+link, url.Values{"passphrase": {"no"}})
		require.Equal(t, http.StatusForbidden, rec.Code)
		require.Contains(t, rec.Body.String(), "After 5 wrong ones")
		require.Contains(t, rec.Body.String(), `role="alert"`)
	})
	t.Run("a passphrase in the address is not looked at", func(t *testing.T) {
		t.Parallel()
		rec, _ := call(t, exports{}, http.MethodPost, "/privacy/"+link+"?passphrase="+phrase, nil)
		require.Equal(t, http.StatusForbidden, rec.Code)
	})
	t.Run("a link that is over says so, whatever is typed", func(t *testing.T) {
		t.Parallel()
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			rec, _ := call(t, exports{}, method, "/privacy/other", url.Values{"passphrase": {phrase}})
			require.Equal(t, http.StatusNotFound, rec.Code)
			require.Contains(t, rec.Body.String(), "This link opens nothing")
		}
	})
	t.Run("a database that is away is no wrong passphrase", func(t *testing.T) {
		t.Parallel()
		away := exports{payment.Errorf(payment.Unavailable, "away")}
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			rec, _ := call(t, away, method, "/privacy/"+link, nil)
			require.Equal(t, http.StatusServiceUnavailable, rec.Code)
		}
	})
	t.Run("a form that is too long is refused", func(t *testing.T) {
		t.Parallel()
		rec, _ := call(t, exports{}, http.MethodPost, "/privacy/"+link, url.Values{"passphrase": {strings.Repeat("x", 5000)}})
		require.Equal(t, http.StatusBadRequest, rec.Code)
	})
	t.Run("the style is our own file", func(t *testing.T) {
		t.Parallel()
		rec, _ := call(t, exports{}, http.MethodGet, "/privacy/style.css", nil)
		require.Equal(t, http.StatusOK, rec.Code)
		require.Contains(t, rec.Header().Get("Content-Type"), "text/css")
	})
}
