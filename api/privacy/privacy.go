// Package privacy hands a merchant the export of a person's data. A mail carries
// the link and a person tells the passphrase; both together open it, here, so that
// the merchant needs no program for it. Neither is kept, and no address or log
// holds anything about a person.
package privacy

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/rs/zerolog"

	"tillflow/api"
	"tillflow/internal/payment"
	"tillflow/internal/privacy"
)

// Exports is the record of exports.
type Exports interface {
	// ExportOpen reports whether a link may be used, without counting.
	ExportOpen(ctx context.Context, link string) (bool, error)
	// OpenExport gives the content to who has both secrets, and counts.
	OpenExport(ctx context.Context, link, passphrase string) (id string, content []byte, err error)
}

//go:embed page.html privacy.css
var files embed.FS

// Handler serves the download.
type Handler struct {
	exports Exports
	log     zerolog.Logger
	page    *template.Template
	style   []byte
}

// New parses the page.
func New(exports Exports, log zerolog.Logger) (*Handler, error) {
	page, err := template.ParseFS(files, "page.html")
	if err != nil {
		return nil, fmt.Errorf("parse download page: %w", err)
	}
	style, err := files.ReadFile("privacy.css")
	return &Handler{exports: exports, log: log, page: page, style: style}, err
}

const (
	base    = "/privacy"
	maxForm = 4 << 10
	budget  = 10 * time.Second
	policy  = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

// Routes mounts the pages.
func (h *Handler) Routes(e *echo.Echo) {
	e.GET(base+"/style.css", func(c echo.Context) error {
		c.Response().Header().Set("Cache-Control", "public, max-age=300")
		return c.Blob(http.StatusOK, "text/css; charset=utf-8", h.style)
	})
	e.GET(base+"/:link", h.ask)
	e.POST(base+"/:link", h.open)
}

// view is what the page shows.
type view struct {
	Title, Text string
	Ask, Bad    bool
	Downloads   int
}

func (h *Handler) render(c echo.Context, status int, v view) error {
	v.Downloads = privacy.MaxDownloads
	var b bytes.Buffer
	if err := h.page.Execute(&b, v); err != nil {
		return fmt.Errorf("render download page: %w", err)
	}
	c.Response().Header().Set("Content-Security-Policy", policy)
	c.Response().Header().Set("X-Robots-Tag", "noindex")
	return c.HTMLBlob(status, b.Bytes())
}

func over() view {
	return view{
		Title: "This link opens nothing", Bad: true,
		Text: "It is too old, it was used as often as allowed, it was closed after wrong passphrases, or there is a newer mail with another link. " +
			"Ask whoever runs this payments app for a new one. Nothing has changed.",
	}
}

// ask shows the form. A program that only follows links in mails counts as nothing.
func (h *Handler) ask(c echo.Context) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), budget)
	defer cancel()
	open, err := h.exports.ExportOpen(ctx, c.Param("link"))
	if err != nil {
		return err
	}
	if !open {
		return h.render(c, http.StatusNotFound, over())
	}
	return h.render(c, http.StatusOK, view{Title: "A customer’s data", Ask: true})
}

func (h *Handler) open(c echo.Context) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), budget)
	defer cancel()
	c.Request().Body = http.MaxBytesReader(c.Response(), c.Request().Body, maxForm)
	if err := c.Request().ParseForm(); err != nil {
		return api.Refuse(http.StatusBadRequest, "form_unreadable", "body", "the form cannot be read")
	}
	id, content, err := h.exports.OpenExport(ctx, c.Param("link"), c.Request().PostFormValue("passphrase"))
	switch payment.ClassOf(err, payment.Unavailable) {
	case payment.NotFound:
		return h.render(c, http.StatusNotFound, over())
	case payment.Unauthorized:
		h.log.Warn().Str("request_id", id).Msg("export not opened: wrong passphrase")
		return h.render(c, http.StatusForbidden, view{
			Title: "That passphrase does not fit", Ask: true, Bad: true,
			Text: fmt.Sprintf("After %d wrong ones in all the export is destroyed, and you need a new link.", privacy.MaxWrong),
		})
	case payment.Invalid, payment.RateLimited, payment.Unavailable, payment.Unknown, payment.Conflict, payment.Unsupported,
		payment.StillPending, payment.Bug:
	}
	if err != nil {
		return err
	}
	h.log.Info().Str("request_id", id).Msg("export downloaded")
	c.Response().Header().Set("Content-Disposition", `attachment; filename="data-request-`+id+`.json"`)
	return c.Blob(http.StatusOK, "application/json", content)
}
