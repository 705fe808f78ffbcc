package install

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"

	"github.com/labstack/echo/v4"

	"tillflow/internal/shopify/app"
	"tillflow/internal/shopify/install"
)

//go:embed templates/page.html static/install.css
var files embed.FS

type views struct {
	page  *template.Template
	style []byte
	path  string
}

func parse(path string) (*views, error) {
	page, err := template.ParseFS(files, "templates/page.html")
	if err != nil {
		return nil, fmt.Errorf("parse install page: %w", err)
	}
	style, err := files.ReadFile("static/install.css")
	if err != nil {
		return nil, fmt.Errorf("read install style: %w", err)
	}
	return &views{page: page, style: style, path: path}, nil
}

func (v *views) css(c echo.Context) error {
	c.Response().Header().Set("Cache-Control", "public, max-age=300")
	return c.Blob(http.StatusOK, "text/css; charset=utf-8", v.style)
}

// policy allows our own style sheet and nothing else.
const policy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// page is what the one page shows. Code and Request are for the operator, of a refusal.
type page struct {
	Style    string
	Title    string
	Text     string
	Bad      bool
	Do       string
	Link     string
	LinkText string
	Code     string
	Request  string
}

func (v *views) render(c echo.Context, status int, p page) error {
	p.Style = v.path + "/install.css"
	var b bytes.Buffer
	if err := v.page.Execute(&b, p); err != nil {
		return fmt.Errorf("render install page: %w", err)
	}
	c.Response().Header().Set("Content-Security-Policy", policy)
	return c.HTMLBlob(status, b.Bytes())
}

func (v *views) refused(c echo.Context, e *install.Error) error {
	a := e.Advice()
	return v.render(c, e.Status(), page{
		Title: a.Happened, Text: a.Means, Do: a.Do, Bad: true, Code: string(e.Fault),
		Request: c.Response().Header().Get(echo.HeaderXRequestID),
	})
}

// installed is the page after an installation that nobody else takes up.
func (h *Handler) installed(c echo.Context, shop string) error {
	p := page{Title: "The app is installed", Text: "It is connected to " + shop + "."}
	if h.App.Name == app.Payments {
		settings, err := h.App.SettingsURL(shop)
		if err != nil {
			return fmt.Errorf("show installed page: %w", err)
		}
		p.Do, p.Link, p.LinkText = "Activate it in the payment settings of your shop.", settings, "Open payment settings"
	}
	return h.views.render(c, http.StatusOK, p)
}
