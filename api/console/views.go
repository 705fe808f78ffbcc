package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"tillflow/api/console/login"
	"tillflow/internal/access"
)

// The script is htmx 2.0.11 as published; its licence stands beside it.
//
//go:embed templates/*.html static
var files embed.FS

// views renders the pages; each has one data struct.
type views struct {
	pages map[string]*template.Template
	files []file
}

// file is one of those that pages refer to. Its address changes with its content.
type file struct {
	path, kind string
	content    []byte
}

func (f file) serve(c echo.Context) error {
	c.Response().Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	return c.Blob(http.StatusOK, f.kind, f.content)
}

func parse() (*views, error) {
	v := &views{pages: map[string]*template.Template{}}
	addresses := map[string]string{}
	for _, one := range []struct{ name, kind string }{
		{"console.css", "text/css; charset=utf-8"}, {"htmx-2.0.11.min.js", "text/javascript; charset=utf-8"},
	} {
		content, err := files.ReadFile("static/" + one.name)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", one.name, err)
		}
		sum := sha256.Sum256(content)
		path := base + "/static/" + hex.EncodeToString(sum[:6]) + "/" + one.name
		v.files = append(v.files, file{path, one.kind, content})
		addresses[one.name] = path
	}
	words := template.FuncMap{
		"static": func(name string) string { return addresses[name] },
		"amount": readable, "word": word, "time": moment, "second": second,
	}
	for _, name := range []string{
		"payments", "payment", "confirm", "accounts", "deliveries", "deliveries_shopify", "audit", "erasures", "erasure", "people", "person", "invited",
		"me", "letters", "letter", "message", "recharge", "charge",
		"subscriptions", "subscription", "subscription_act", "plans", "plan", "dunning", "figures",
	} {
		t, err := template.New(name).Funcs(words).ParseFS(files, "templates/layout.html", "templates/parts.html", "templates/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("parse page %s: %w", name, err)
		}
		v.pages[name] = t
	}
	return v, nil
}

// policy allows our own files and our own forms and nothing else: no script and
// no style stands in a page.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func (v *views) render(c echo.Context, status int, name string, data any) error {
	var b bytes.Buffer
	if err := v.pages[name].ExecuteTemplate(&b, "layout", data); err != nil {
		return fmt.Errorf("render page %s: %w", name, err)
	}
	c.Response().Header().Set("Content-Security-Policy", policy)
	return c.HTMLBlob(status, b.Bytes())
}

// frame is what every page shows around its content.
type frame struct {
	Title string
	Who   login.Person
	Nav   []link
	Now   time.Time
}

type link struct {
	Text, Address string
	Here          bool
}

// frame lists the pages that the viewer may open; here is the one that is open.
func (h *Handler) frame(c echo.Context, here string) frame {
	f := frame{Title: here, Who: h.o.Viewer(c), Now: h.o.Now().UTC()}
	for _, page := range []struct {
		text, path string
		may        access.Permission
		there      bool
	}{
		{"Payments", "/payments", access.SeePayments, true},
		{"Subscriptions", "/subscriptions", access.SeePayments, h.o.Subscriptions != nil},
		{"Accounts", "/accounts", access.SeePayments, true},
		{"Deliveries", "/deliveries", access.SeePayments, true},
		{"Recharge", "/recharge", access.SeePayments, h.o.Recharge != nil},
		{"Audit", "/audit", access.ReadAudit, true},
		{"Erasures", "/erasures", access.Erase, h.o.Erasures != nil},
		{"People", "/people", access.ManageUsers, true},
	} {
		if page.there && f.Who.May(page.may) {
			f.Nav = append(f.Nav, link{Text: page.text, Address: base + page.path, Here: page.text == here})
		}
	}
	return f
}

// message is a page that says one thing.
type message struct {
	frame
	Text     string
	Alert    bool
	Link     string
	LinkText string
}

// readable groups the digits of a long amount in threes, with the narrow space
// that ISO 80000-1 asks for: neither comma nor point, which mean the opposite
// elsewhere.
func readable(amount fmt.Stringer) string {
	text := amount.String()
	digits, sign := strings.CutPrefix(text, "-")
	whole := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' })
	if whole < 5 {
		return strings.Replace(text, "-", "−", 1)
	}
	rest := digits[whole:]
	digits = digits[:whole]
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "\u202f" + digits[i:]
	}
	if sign {
		return "−" + digits + rest
	}
	return digits + rest
}

// word turns a code of ours into words: in_doubt is "in doubt".
func word(code any) string { return strings.ReplaceAll(fmt.Sprint(code), "_", " ") }

// sentence begins with a capital and ends with a full stop.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	if size == 0 {
		return ""
	}
	text = string(unicode.ToUpper(first)) + text[size:]
	if strings.HasSuffix(text, ".") {
		return text
	}
	return text + "."
}

// instant is a time as a page shows it.
type instant struct{ Machine, Text string }

// moment shows a time to the minute, in UTC as all of a page.
func moment(t time.Time) instant {
	t = t.UTC()
	return instant{Machine: t.Format(time.RFC3339), Text: t.Format("2 Jan 2006 15:04")}
}

// second shows a time to the second.
func second(t time.Time) instant {
	t = t.UTC()
	return instant{Machine: t.Format(time.RFC3339Nano), Text: t.Format("2 Jan 2006 15:04:05")}
}

// away says how far a time is: "in 3 h 20 min", "2 days ago".
func away(t, now time.Time) string {
	d := t.Sub(now)
	past := d < 0
	if past {
		d = -d
	}
	var text string
	switch hours := int(d.Hours()); {
	case d < time.Minute:
		return "now"
	case d < time.Hour:
		text = fmt.Sprintf("%d min", int(d.Minutes()))
	case hours < 48:
		text = fmt.Sprintf("%d h %d min", hours, int(d.Minutes())%60)
	default:
		text = fmt.Sprintf("%d days", hours/24)
	}
	if past {
		return text + " ago"
	}
	return "in " + text
}
