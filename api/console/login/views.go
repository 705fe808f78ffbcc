package login

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/rs/zerolog"

	"tillflow/internal/access"
	"tillflow/internal/payment"
)

//go:embed templates/*.html static/login.css
var files embed.FS

// views renders the pages; each has one data struct.
type views struct {
	base  string
	pages map[string]*template.Template
	style []byte
}

func parse(base string) (*views, error) {
	v := &views{base: base, pages: map[string]*template.Template{}}
	for _, name := range []string{"login", "code", "recovery", "join", "joined", "message"} {
		t, err := template.ParseFS(files, "templates/layout.html", "templates/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("parse page %s: %w", name, err)
		}
		v.pages[name] = t
	}
	style, err := files.ReadFile("static/login.css")
	v.style = style
	return v, err
}

func (v *views) css(c echo.Context) error {
	c.Response().Header().Set("Cache-Control", "public, max-age=300")
	return c.Blob(http.StatusOK, "text/css; charset=utf-8", v.style)
}

// policy allows our own style sheet and our own forms, and nothing else.
const policy = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// framed is a page within the layout.
type framed struct {
	Base, Title string
	Page        any
}

func (v *views) render(c echo.Context, status int, name string, f framed) error {
	f.Base = v.base
	var b bytes.Buffer
	if err := v.pages[name].ExecuteTemplate(&b, "layout", f); err != nil {
		return fmt.Errorf("render page %s: %w", name, err)
	}
	c.Response().Header().Set("Content-Security-Policy", policy)
	c.Response().Header().Set(referrer, ownOrigin)
	return c.HTMLBlob(status, b.Bytes())
}

// loginPage asks who somebody is.
type loginPage struct {
	Note  string // good news
	No    string // why the last try failed
	Next  string // where the login leads
	Name  string // as it was typed
	CSRF  string
	Local bool
	OIDC  string // where the login at the identity provider starts; empty: there is none
	Roles []access.Role
}

// codePage asks for the one-time code.
type codePage struct {
	No   string
	Next string
	CSRF string
}

// joinPage lets an invited person choose a password and enrol an authenticator.
type joinPage struct {
	No          string
	Name        string
	Role        access.Role
	CSRF        string
	Secret      string
	URI         template.URL
	Square      square
	MinPassword int
}

// joinedPage shows the recovery codes, once.
type joinedPage struct{ Codes []string }

// message is a page that says one thing.
type message struct {
	Title, Text    string
	Link, LinkText string
}

func (v *views) message(c echo.Context, status int, m message) error {
	return v.render(c, status, "message", framed{Title: m.Title, Page: m})
}

// trouble answers what is our own fault; the log has why.
func (v *views) trouble(c echo.Context, log zerolog.Logger, err error) error {
	if errors.Is(c.Request().Context().Err(), context.Canceled) {
		return err // the browser has gone; nobody reads an answer
	}
	log.Error().Err(err).Str("route", c.Path()).Msg("console login failed")
	status := http.StatusServiceUnavailable
	if payment.ClassOf(err, payment.Unavailable) == payment.Bug {
		status = http.StatusInternalServerError
	}
	return v.message(c, status, message{
		Title: "Please try again in a moment", Text: "We could not look this up just now. Nothing was done.",
		Link: v.base + loginPath, LinkText: "Sign in",
	})
}
