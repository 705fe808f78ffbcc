package onboard

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tillflow/internal/onboard"
)

//go:embed templates/*.html static/onboard.css
var files embed.FS

// views renders the pages; each has one data struct.
type views struct {
	pages map[string]*template.Template
	style []byte
}

func parse() (*views, error) {
	v := &views{pages: map[string]*template.Template{}}
	funcs := template.FuncMap{
		"day": func(t time.Time) string { return t.UTC().Format("2 Jan 2006, 15:04") + " UTC" }, "word": word,
	}
	for _, name := range []string{"overview", "providers", "connect", "account", "remove", "options", "shop", "message"} {
		t, err := template.New(name).Funcs(funcs).ParseFS(files, "templates/layout.html", "templates/parts.html", "templates/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("parse onboarding page %s: %w", name, err)
		}
		v.pages[name] = t
	}
	style, err := files.ReadFile("static/onboard.css")
	v.style = style
	return v, err
}

func (v *views) css(c echo.Context) error {
	c.Response().Header().Set("Cache-Control", "public, max-age=300")
	return c.Blob(http.StatusOK, "text/css; charset=utf-8", v.style)
}

// frame is what every page shows around its content.
type frame struct {
	Title  string
	Shop   string // empty: nobody is signed in
	CSRF   string
	Nav    []link
	Done   string // what has just been done
	Faults onboard.Faults
	// forms may end at Shopify, whose origin browsers have to be told.
	ends string
}

type link struct {
	Text, Address string
	Here          bool
}

// Alert is the sentence about the whole form.
func (f frame) Alert() string {
	switch {
	case len(f.Faults) == 0:
		return ""
	case f.Faults[""] != "":
		return f.Faults[""]
	}
	return "Nothing was changed yet: see below."
}

// done are the things that a page says after it has sent the browser on.
func done(code string) string {
	switch code {
	case "connected":
		return "The account is connected. The provider has accepted its credentials."
	case "changed":
		return "The account is changed."
	case "verified":
		return "The provider has accepted the new credentials."
	case "removed":
		return "The account is removed and its credentials are destroyed."
	case "options":
		return "The options are set. New payments have them at once."
	case "dropped":
		return "These buyers have the options of everybody else now."
	case "shop":
		return "Saved. Buyers see it at once."
	}
	return ""
}

func (h *Handler) frame(c echo.Context, title string) frame {
	s := of(c)
	f := frame{Title: title, Shop: s.Shop, CSRF: s.token.CSRF(), Done: done(c.QueryParam("done"))}
	path := c.Path()
	f.Nav = []link{
		{Text: "Overview", Address: Base, Here: path == Base},
		{Text: "Connect", Address: Base + "/accounts/new", Here: path == Base+"/accounts/new"},
		{Text: "Options", Address: Base + "/options", Here: path == Base+"/options"},
		{Text: "Name and look", Address: Base + "/shop", Here: path == Base+"/shop"},
	}
	if address, err := h.o.App.SettingsURL(s.Shop); err == nil {
		if u, err := url.Parse(address); err == nil {
			f.ends = u.Scheme + "://" + u.Host
		}
	}
	return f
}

// message is a page that says one thing.
type message struct {
	frame
	Text     string
	Help     string
	Bad      bool
	Link     string
	LinkText string
}

// note is a message inside a session.
func (h *Handler) note(c echo.Context, title, text string) message {
	m := message{frame: h.frame(c, title), Text: text, Bad: true, Link: Base, LinkText: "To the overview"}
	m.Done = ""
	return m
}

func (v *views) message(c echo.Context, status int, m message) error {
	return v.render(c, status, "message", m)
}

// policed pages know where their forms may end.
type policed interface{ formsEnd() string }

func (f frame) formsEnd() string { return f.ends }

func (v *views) render(c echo.Context, status int, name string, data policed) error {
	var b bytes.Buffer
	if err := v.pages[name].ExecuteTemplate(&b, "layout", data); err != nil {
		return fmt.Errorf("render onboarding page %s: %w", name, err)
	}
	// Our own style sheet and pictures, nothing else from anywhere.
	c.Response().Header().Set("Content-Security-Policy",
		"default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' "+data.formsEnd())
	return c.HTMLBlob(status, b.Bytes())
}

// word turns a name of ours into words: secret_key is "secret key".
func word(code string) string { return strings.ReplaceAll(code, "_", " ") }
