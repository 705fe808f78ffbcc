// Package api is the HTTP side. Each audience has its folder: shopify (session
// requests over mutual TLS), pay (buyers' pages), webhook (providers), merchant
// (/api/v1). A handler verifies, decodes, writes the row, wakes the workflow and
// answers; what follows is decided elsewhere.
package api

import (
	"context"
	stdlog "log"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	"github.com/rs/zerolog"

	"tillflow/internal/payment"
)

// Group is one audience's set of routes.
type Group interface {
	Routes(e *echo.Echo)
}

// New builds an HTTP handler from the audiences it serves. ready answers
// whether the process can do its work.
func New(log zerolog.Logger, ready func(context.Context) error, groups ...Group) http.Handler {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.HTTPErrorHandler = errorHandler(log)
	e.Use(middleware.RequestID(), recovered(log), secured)
	e.GET("/healthz", func(c echo.Context) error { return c.NoContent(http.StatusNoContent) })
	// Browsers ask for it of every page that may show pictures. There is none, and that is no error.
	e.GET("/favicon.ico", func(c echo.Context) error {
		c.Response().Header().Set("Cache-Control", "public, max-age=86400")
		return c.NoContent(http.StatusNoContent)
	})
	e.GET("/readyz", func(c echo.Context) error {
		ctx, cancel := context.WithTimeout(c.Request().Context(), 2*time.Second)
		defer cancel()
		if err := ready(ctx); err != nil {
			return payment.Errorf(payment.Unavailable, "not ready: %w", err)
		}
		return c.NoContent(http.StatusNoContent)
	})
	for _, g := range groups {
		g.Routes(e)
	}
	return e
}

// Server gives an HTTP server with a bound on everything.
func Server(handler http.Handler, log zerolog.Logger) *http.Server {
	return &http.Server{
		Handler: handler,
		// What net/http has to say, failed handshakes above all, joins the log.
		ErrorLog:          stdlog.New(log.With().Str("part", "http").Logger(), "", 0),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      15 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
	}
}

func recovered(log zerolog.Logger) echo.MiddlewareFunc {
	return middleware.RecoverWithConfig(middleware.RecoverConfig{
		LogErrorFunc: func(c echo.Context, err error, stack []byte) error {
			log.Error().Err(err).Bytes("stack", stack).Str("route", c.Path()).Msg("handler panicked")
			return err
		},
	})
}

// secured sets the headers that every answer carries. Pages add their own
// content policy.
func secured(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cache-Control", "no-store")
		return next(c)
	}
}
