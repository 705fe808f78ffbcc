package login

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"tillflow/internal/access"
	"tillflow/internal/access/audit"
	"tillflow/internal/payment"
)

// Person is who asks.
type Person struct {
	ID   string
	Name string
	Kind access.UserKind
	Role access.Role
	CSRF string // for every form
}

// May reports whether the person has a permission; templates hide what they may
// not press.
func (p Person) May(permission access.Permission) bool { return p.Role.May(permission) }

// Actor is the person for the audit.
func (p Person) Actor() audit.Actor { return audit.Actor{Name: p.Name, Role: p.Role} }

// Under the stricter no-referrer that other pages have, browsers call the origin
// of our own forms null, and those without Sec-Fetch-Site look like another site.
const referrer, ownOrigin = "Referrer-Policy", "same-origin"

// personKey is where a request keeps who asks.
const personKey = "tillflow console person"

// Viewer answers who asks, behind [Handler.Require]; the zero Person, who may
// nothing, elsewhere.
func Viewer(c echo.Context) Person {
	who, _ := c.Get(personKey).(Person)
	return who
}

// Names of a form's token.
const (
	csrfField  = "csrf"
	csrfHeader = "X-CSRF-Token"
)

// Require guards a route, or a group of them, with a permission; see the
// package's comment. The token is checked before the role, so that a page of
// somebody else's cannot put a refusal of a person's into the audit.
func (h *Handler) Require(permission access.Permission) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			session, token, err := h.session(c, access.Open)
			if payment.ClassOf(err, payment.Unavailable) == payment.Unauthorized {
				return h.signIn(c)
			}
			if err != nil {
				return h.views.trouble(c, h.o.Log, err)
			}
			if unsafe(c.Request().Method) {
				if err := h.genuine(c, token, h.o.MaxForm); err != nil {
					return h.forged(c, err)
				}
			}
			who := Person{ID: session.User.ID, Name: session.User.Name, Kind: session.User.Kind, Role: session.User.Role, CSRF: token.CSRF()}
			if !who.May(permission) {
				return h.denied(c, who, permission)
			}
			c.Set(personKey, who)
			c.Response().Header().Set(referrer, ownOrigin)
			return next(c)
		}
	}
}

// session finds the browser's session of a stage; payment.Unauthorized without one.
func (h *Handler) session(c echo.Context, stage access.Stage) (access.Session, access.Token, error) {
	token, err := h.cookies.token(c, sessionCookie)
	if err != nil {
		return access.Session{}, "", errNoSession
	}
	found, err := h.o.Sessions.Session(c.Request().Context(), token.Hash(), h.o.Lifetimes)
	if err != nil {
		return access.Session{}, "", err
	}
	// A session of a login that is no longer permitted ends with the permission.
	permitted := found.User.Kind == access.LocalUser && h.o.Local || found.User.Kind == access.OIDCUser && h.issuer != nil ||
		found.User.Kind == access.DevUser && h.o.Dev
	if found.Stage != stage || !permitted {
		return access.Session{}, "", errNoSession
	}
	return found, token, nil
}

var errNoSession = &payment.Error{Class: payment.Unauthorized, Code: "session", Message: "no session"}

// unsafe: the method may change something (RFC 9110, section 9.2.1).
func unsafe(method string) bool {
	return method != http.MethodGet && method != http.MethodHead && method != http.MethodOptions
}

// Why a form is not taken.
var (
	errForeign = errors.New("sent by another site's page")
	errToken   = errors.New("without the session's token")
	errLarge   = errors.New("larger than allowed")
	errForm    = errors.New("no form that can be read")
)

// genuine reports whether one of our pages in this browser sent the request: by
// what browsers say of its origin, and by the token. It reads the form.
func (h *Handler) genuine(c echo.Context, token access.Token, limit int64) error {
	r := c.Request()
	if h.origins.Check(r) != nil {
		return errForeign
	}
	if r.ContentLength > limit {
		return errLarge
	}
	r.Body = http.MaxBytesReader(c.Response(), r.Body, limit)
	given := r.Header.Get(csrfHeader)
	if given == "" {
		err := r.ParseForm()
		if err == nil {
			err = r.ParseMultipartForm(limit)
		}
		if errors.Is(err, http.ErrNotMultipart) {
			err = nil
		}
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return errLarge
		}
		if err != nil {
			return errForm
		}
		given = field(c, csrfField)
	}
	if !token.CheckCSRF(given) {
		return errToken
	}
	return nil
}

// forged answers a form that none of our pages sent, or that its page lost.
func (h *Handler) forged(c echo.Context, why error) error {
	h.o.Log.Warn().Str("route", c.Path()).Str("method", c.Request().Method).Err(why).Msg("console form refused")
	m := message{Title: "This form is not valid any more", Text: "Nothing was done. Go back, load the page again and repeat what you did.", Link: h.o.Home, LinkText: "Start page"}
	if errors.Is(why, errLarge) {
		m.Title, m.Text = "This form is too large", "Nothing was done. Please send less."
		return h.views.message(c, http.StatusRequestEntityTooLarge, m)
	}
	return h.views.message(c, http.StatusForbidden, m)
}

// denied answers a person whose role does not have the permission.
func (h *Handler) denied(c echo.Context, who Person, permission access.Permission) error {
	err := h.o.Audit.AppendAudit(c.Request().Context(), audit.Entry{
		Actor: who.Actor(), Action: "access.denied", Subject: "permission " + string(permission), Detail: c.Request().Method + " " + route(c),
	})
	if err != nil {
		return h.views.trouble(c, h.o.Log, err)
	}
	return h.views.message(c, http.StatusForbidden, message{
		Title: "Your role does not permit this",
		Text:  "You are signed in as " + who.Name + " (" + string(who.Role) + "). Nothing was done, and this was noted. Ask an administrator if you need it.",
		Link:  h.o.Home, LinkText: "Start page",
	})
}

// route is the pattern of a route, without what a browser put into it, in the
// letters that the audit takes.
func route(c echo.Context) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/:*-_.", r) {
			return r
		}
		return '_'
	}, c.Path())
}

// signIn leads to the login and back. What was to be done is not repeated by
// itself: only a page is asked for again.
func (h *Handler) signIn(c echo.Context) error {
	to := h.o.Base + loginPath
	if !unsafe(c.Request().Method) {
		to += "?next=" + url.QueryEscape(c.Request().URL.RequestURI())
	}
	if c.Request().Header.Get("HX-Request") != "" {
		// A part of a page was asked for: the whole page goes to the login.
		c.Response().Header().Set("HX-Redirect", h.o.Base+loginPath)
		return c.NoContent(http.StatusUnauthorized)
	}
	if unsafe(c.Request().Method) {
		return h.views.message(c, http.StatusUnauthorized, message{
			Title: "You are not signed in any more", Text: "Nothing was done. Sign in and repeat it.", Link: to, LinkText: "Sign in",
		})
	}
	return c.Redirect(http.StatusSeeOther, to)
}

// maxNext bounds the address that a login leads back to.
const maxNext = 1000

// next is where a login leads: an address of the console, or its start page. An
// address elsewhere would make our login part of somebody's deception.
func (h *Handler) next(asked string) string {
	u, err := url.Parse(asked)
	switch {
	case err != nil, len(asked) > maxNext, u.Scheme != "", u.Host != "", u.User != nil, u.Opaque != "",
		!strings.HasPrefix(asked, h.o.Base+"/"), strings.HasPrefix(asked, "//"),
		// Browsers read a backslash as a slash.
		strings.ContainsAny(asked, "\\\r\n\t"), u.Path == h.o.Base+loginPath, strings.HasPrefix(u.Path, h.o.Base+loginPath+"/"):
		return h.o.Home
	}
	return asked
}
