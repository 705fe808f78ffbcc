package api

import (
	"errors"
	"io"
	"net/http"

	"github.com/labstack/echo/v4"
)

// Body reads a request's raw body up to limit bytes. A longer one is refused
// with 413, before it is read where its length is announced; one that breaks
// off with 400.
func Body(c echo.Context, limit int64) ([]byte, error) {
	r := c.Request()
	if r.ContentLength > limit {
		return nil, tooLarge()
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Response(), r.Body, limit))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return nil, tooLarge()
	}
	if err != nil {
		return nil, Refuse(http.StatusBadRequest, "body_unreadable", "body", "the body broke off")
	}
	return body, nil
}

func tooLarge() error {
	return Refuse(http.StatusRequestEntityTooLarge, "body_too_large", "body", "the body is larger than allowed")
}
