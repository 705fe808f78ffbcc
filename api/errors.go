package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/rs/zerolog"

	"tillflow/internal/payment"
)

// Problem is the body of every error answer, as application/problem+json.
type Problem struct {
	Code      string `json:"code"`
	Message   string `json:"message"`
	Field     string `json:"field,omitempty"`
	RequestID string `json:"request_id"`
	Current   any    `json:"current,omitempty"` // with a conflict: what stands, where that helps to ask again
}

// Refusal is a request that we refuse, with what to answer. Nothing was stored.
type Refusal struct {
	Status  int
	Code    string
	Message string
	Field   string
	Current any // what stands, as the API shows it; nil: it does not help
}

// Error implements error.
func (r *Refusal) Error() string { return r.Code + ": " + r.Message }

// Refuse builds a Refusal about a field; field may be empty.
func Refuse(status int, code, field, message string) *Refusal {
	return &Refusal{Status: status, Code: code, Field: field, Message: message}
}

// errorHandler is the only place that turns an error into an HTTP answer. What
// is not ours to tell reads "internal error"; the log has it.
func errorHandler(log zerolog.Logger) echo.HTTPErrorHandler {
	return func(err error, c echo.Context) {
		if c.Response().Committed {
			return
		}
		status, problem := describe(err)
		problem.RequestID = c.Response().Header().Get(echo.HeaderXRequestID)
		event := log.Info()
		if status >= http.StatusInternalServerError {
			event = log.Error().Err(err)
		}
		event.Str("request_id", problem.RequestID).Str("route", c.Path()).Int("status", status).
			Str("code", problem.Code).Str("field", problem.Field).Msg("request refused")
		c.Response().Header().Set(echo.HeaderContentType, "application/problem+json")
		if status == http.StatusServiceUnavailable {
			c.Response().Header().Set(echo.HeaderRetryAfter, "1")
		}
		if err := c.JSON(status, problem); err != nil {
			log.Debug().Err(err).Msg("client went away before its answer")
		}
	}
}

func describe(err error) (int, Problem) {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r.Status, Problem{Code: r.Code, Message: r.Message, Field: r.Field, Current: r.Current}
	}
	if e, ok := errors.AsType[*payment.Error](err); ok {
		return statusOf(e.Class), Problem{Code: codeOf(e), Message: messageOf(e)}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return http.StatusServiceUnavailable, Problem{Code: "unavailable", Message: "not done in time; ask again"}
	}
	if h, ok := errors.AsType[*echo.HTTPError](err); ok {
		return h.Code, Problem{Code: "http_error", Message: http.StatusText(h.Code)}
	}
	return http.StatusInternalServerError, Problem{Code: "internal", Message: "internal error"}
}

func statusOf(c payment.Class) int {
	switch c {
	case payment.Invalid, payment.Unsupported:
		return http.StatusUnprocessableEntity
	case payment.Unauthorized:
		return http.StatusUnauthorized
	case payment.NotFound:
		return http.StatusNotFound
	case payment.Conflict:
		return http.StatusConflict
	case payment.RateLimited:
		return http.StatusTooManyRequests
	case payment.Unavailable, payment.StillPending:
		return http.StatusServiceUnavailable
	case payment.Unknown, payment.Bug:
		return http.StatusInternalServerError
	}
	return http.StatusInternalServerError
}

func codeOf(e *payment.Error) string {
	if e.Code != "" {
		return e.Code
	}
	return string(e.Class)
}

func messageOf(e *payment.Error) string {
	switch statusOf(e.Class) {
	case http.StatusInternalServerError:
		return "internal error"
	case http.StatusServiceUnavailable:
		return "not available now; nothing was stored unless an earlier answer said so; ask again with the same id"
	}
	return e.Message
}
