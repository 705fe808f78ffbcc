package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/api"
	"tillflow/internal/payment"
)

// canary is what must never be logged or answered.
const canary = "ada.canary@example.com"

// routes is a group made of functions.
type routes func(e *echo.Echo)

func (r routes) Routes(e *echo.Echo) { r(e) }

// failing answers every GET /fail with err, and takes a body at /body.
func failing(err error) routes {
	return func(e *echo.Echo) {
		e.GET("/fail", func(echo.Context) error { return err })
		e.GET("/panic", func(echo.Context) error { panic("the secret is " + canary) })
		e.GET("/late", func(c echo.Context) error {
			if err := c.String(http.StatusAccepted, "begun"); err != nil {
				return err
			}
			return errors.New("too late to say")
		})
		e.POST("/body", func(c echo.Context) error {
			body, err := api.Body(c, 8)
			if err != nil {
				return err
			}
			return c.Blob(http.StatusOK, "text/plain", body)
		})
	}
}

type bench struct {
	handler http.Handler
	log     *bytes.Buffer
}

func setup(err error) bench {
	b := bench{log: &bytes.Buffer{}}
	b.handler = api.New(zerolog.New(b.log), func(context.Context) error { return err }, failing(err))
	return b
}

func (b bench) do(r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	b.handler.ServeHTTP(rec, r)
	return rec
}

func (b bench) get(t *testing.T, path string) *httptest.ResponseRecorder {
	t.Helper()
	return b.do(httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
}

// requireProblem checks the form that every refusal has and answers it.
func requireProblem(t *testing.T, status int, rec *httptest.ResponseRecorder) api.Problem {
	t.Helper()
	require.Equal(t, status, rec.Code, rec.Body.String())
	require.Equal(t, "application/problem+json", rec.Header().Get("Content-Type"))
	var p api.Problem
	d := json.NewDecoder(rec.Body)
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&p))
	require.NotEmpty(t, p.Code)
	require.NotEmpty(t, p.Message)
	require.NotEmpty(t, p.RequestID)
	require.Equal(t, rec.Header().Get("X-Request-Id"), p.RequestID)
	return p
}

func TestErrors(t *testing.T) {
	t.Parallel()
	of := func(class payment.Class) error {
		return &payment.Error{Class: class, Code: "the_code", Message: "the words", Err: errors.New(canary)}
	}
	for name, tc := range map[string]struct {
		err     error
		status  int
		code    string
		message string
	}{
		"a refusal is told as it is":               {api.Refuse(http.StatusTeapot, "tea", "pot", "is short and stout"), http.StatusTeapot, "tea", "is short and stout"},
		"Invalid is 422":                           {of(payment.Invalid), http.StatusUnprocessableEntity, "the_code", "the words"},
		"Unsupported is 422":                       {of(payment.Unsupported), http.StatusUnprocessableEntity, "the_code", "the words"},
		"Unauthorized is 401":                      {of(payment.Unauthorized), http.StatusUnauthorized, "the_code", "the words"},
		"NotFound is 404":                          {of(payment.NotFound), http.StatusNotFound, "the_code", "the words"},
		"Conflict is 409":                          {of(payment.Conflict), http.StatusConflict, "the_code", "the words"},
		"RateLimited is 429":                       {of(payment.RateLimited), http.StatusTooManyRequests, "the_code", "the words"},
		"Unavailable is 503 without its cause":     {of(payment.Unavailable), http.StatusServiceUnavailable, "the_code", "not available now; nothing was stored unless an earlier answer said so; ask again with the same id"},
		"StillPending is 503":                      {of(payment.StillPending), http.StatusServiceUnavailable, "the_code", "not available now; nothing was stored unless an earlier answer said so; ask again with the same id"},
		"Unknown is 500 without words":             {of(payment.Unknown), http.StatusInternalServerError, "the_code", "internal error"},
		"Bug is 500 without words":                 {of(payment.Bug), http.StatusInternalServerError, "the_code", "internal error"},
		"a class that nobody knows is 500":         {of("New"), http.StatusInternalServerError, "the_code", "internal error"},
		"a class without a code is named by class": {payment.Errorf(payment.NotFound, "no such row"), http.StatusNotFound, "NotFound", "no such row"},
		"a deadline of ours is 503":                {context.DeadlineExceeded, http.StatusServiceUnavailable, "unavailable", "not done in time; ask again"},
		"any other error is told to nobody":        {errors.New("dial " + canary), http.StatusInternalServerError, "internal", "internal error"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(tc.err)
			rec := b.get(t, "/fail")
			require.NotContains(t, rec.Body.String(), canary)
			p := requireProblem(t, tc.status, rec)
			require.Equal(t, tc.code, p.Code)
			require.Equal(t, tc.message, p.Message)
			require.Equal(t, tc.status == http.StatusServiceUnavailable, rec.Header().Get("Retry-After") != "")
			require.Contains(t, b.log.String(), p.RequestID, "the log finds the answer by its id")
		})
	}
	t.Run("what 500 does not tell stands in the log", func(t *testing.T) {
		t.Parallel()
		b := setup(errors.New("disk on fire"))
		b.get(t, "/fail")
		require.Contains(t, b.log.String(), "disk on fire")
	})
	t.Run("a refusal names its field", func(t *testing.T) {
		t.Parallel()
		rec := setup(api.Refuse(http.StatusBadRequest, "invalid_request", "amount", "is missing")).get(t, "/fail")
		require.Equal(t, "amount", requireProblem(t, http.StatusBadRequest, rec).Field)
	})
	t.Run("an answer that has begun is not written over", func(t *testing.T) {
		t.Parallel()
		rec := setup(nil).get(t, "/late")
		require.Equal(t, http.StatusAccepted, rec.Code)
		require.Equal(t, "begun", rec.Body.String())
	})
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	t.Run("an unknown route is a problem, and its address is not logged", func(t *testing.T) {
		t.Parallel()
		b := setup(nil)
		requireProblem(t, http.StatusNotFound, b.get(t, "/buyers/"+canary+"?mail="+canary))
		require.NotEmpty(t, b.log.String())
		require.NotContains(t, b.log.String(), canary)
	})
	t.Run("another method is a problem and says which are allowed", func(t *testing.T) {
		t.Parallel()
		rec := setup(nil).get(t, "/body")
		requireProblem(t, http.StatusMethodNotAllowed, rec)
		require.Contains(t, rec.Header().Get("Allow"), http.MethodPost)
	})
	t.Run("a panic is an internal error without details", func(t *testing.T) {
		t.Parallel()
		b := setup(nil)
		rec := b.get(t, "/panic")
		require.NotContains(t, rec.Body.String(), canary)
		require.Equal(t, "internal error", requireProblem(t, http.StatusInternalServerError, rec).Message)
		require.Contains(t, b.log.String(), "handler panicked")
		require.Contains(t, b.log.String(), "api_test.go", "with the stack")
	})
	t.Run("every answer carries the security headers", func(t *testing.T) {
		t.Parallel()
		b := setup(errors.New("any"))
		for _, path := range []string{"/healthz", "/readyz", "/fail", "/panic", "/nowhere", "/late"} {
			h := b.get(t, path).Header()
			require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"), path)
			require.Equal(t, "no-referrer", h.Get("Referrer-Policy"), path)
			require.Equal(t, "DENY", h.Get("X-Frame-Options"), path)
			require.Equal(t, "no-store", h.Get("Cache-Control"), path)
			require.NotEmpty(t, h.Get("X-Request-Id"), path)
		}
	})
}

func TestReady(t *testing.T) {
	t.Parallel()
	t.Run("a process that can work is ready", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, http.StatusNoContent, setup(nil).get(t, "/readyz").Code)
	})
	t.Run("one that cannot is alive and not ready, whatever the error", func(t *testing.T) {
		t.Parallel()
		for _, err := range []error{errors.New("connection refused"), payment.Errorf(payment.Bug, "schema too old"), context.DeadlineExceeded} {
			b := setup(err)
			require.Equal(t, http.StatusNoContent, b.get(t, "/healthz").Code)
			rec := b.get(t, "/readyz")
			requireProblem(t, http.StatusServiceUnavailable, rec)
			require.NotEmpty(t, rec.Header().Get("Retry-After"))
			require.Contains(t, b.log.String(), err.Error())
		}
	})
	t.Run("the question has a time limit", func(t *testing.T) {
		t.Parallel()
		limited := false
		h := api.New(zerolog.Nop(), func(ctx context.Context) error { _, limited = ctx.Deadline(); return nil })
		bench{handler: h}.get(t, "/readyz")
		require.True(t, limited)
	})
}

func TestBody(t *testing.T) {
	t.Parallel()
	post := func(t *testing.T, body io.Reader) *httptest.ResponseRecorder {
		t.Helper()
		return setup(nil).do(httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/body", body))
	}
	t.Run("a body at the limit is read whole", func(t *testing.T) {
		t.Parallel()
		rec := post(t, strings.NewReader("12345678"))
		require.Equal(t, http.StatusOK, rec.Code)
		require.Equal(t, "12345678", rec.Body.String())
	})
	t.Run("a longer one is refused, announced or not", func(t *testing.T) {
		t.Parallel()
		for name, body := range map[string]io.Reader{
			"announced": strings.NewReader("123456789"),
			"chunked":   struct{ io.Reader }{strings.NewReader("123456789")}, // hides the length
		} {
			p := requireProblem(t, http.StatusRequestEntityTooLarge, post(t, body))
			require.Equal(t, "body_too_large", p.Code, name)
			require.Equal(t, "body", p.Field, name)
		}
	})
	t.Run("one that breaks off is not called too large", func(t *testing.T) {
		t.Parallel()
		p := requireProblem(t, http.StatusBadRequest, post(t, io.MultiReader(strings.NewReader("1"), broken{})))
		require.Equal(t, "body_unreadable", p.Code)
	})
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestServerBoundsEverything(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := api.Server(http.NotFoundHandler(), zerolog.New(&out))
	for name, limit := range map[string]time.Duration{
		"header": s.ReadHeaderTimeout, "read": s.ReadTimeout, "write": s.WriteTimeout, "idle": s.IdleTimeout,
	} {
		require.Positive(t, limit, name)
		require.LessOrEqual(t, limit, 2*time.Minute, name)
	}
	require.Less(t, s.ReadTimeout, s.WriteTimeout, "a slow request leaves time for its refusal")
	require.Positive(t, s.MaxHeaderBytes)
	require.IsType(t, &log.Logger{}, s.ErrorLog)
	s.ErrorLog.Print("handshake refused")
	require.Contains(t, out.String(), "handshake refused", "what net/http says joins the log")
}
