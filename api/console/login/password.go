package login

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"tillflow/internal/access"
	"tillflow/internal/access/audit"
	"tillflow/internal/payment"
)

// maxLoginForm bounds the login's own forms.
const maxLoginForm = 8 << 10

// wrongPassword tells nothing about which half was wrong.
const wrongPassword = "Name or password is not correct."

// showLogin is the login's page, or the console for who is in already.
func (h *Handler) showLogin(c echo.Context) error {
	_, _, err := h.session(c, access.Open)
	switch {
	case err == nil:
		return c.Redirect(http.StatusSeeOther, h.next(c.QueryParam("next")))
	case payment.ClassOf(err, payment.Unavailable) != payment.Unauthorized:
		return h.views.trouble(c, h.o.Log, err)
	}
	p := loginPage{Next: c.QueryParam("next")}
	if c.QueryParam("out") != "" {
		p.Note = "You are signed out."
	}
	return h.loginPage(c, http.StatusOK, p)
}

// loginPage completes and renders the login's page. Its forms need a token
// before there is a session, against pages that sign people in as somebody else.
func (h *Handler) loginPage(c echo.Context, status int, p loginPage) error {
	token, err := h.cookies.token(c, formCookie)
	if err != nil {
		token = access.NewToken()
		h.cookies.set(c, formCookie, token.Reveal(), formFor)
	}
	p.Next, p.CSRF, p.Local = h.next(p.Next), token.CSRF(), h.o.Local
	if h.issuer != nil {
		p.OIDC = h.o.Base + oidcPath + "?next=" + url.QueryEscape(p.Next)
	}
	if h.o.Dev {
		p.Roles = access.Roles()
	}
	return h.views.render(c, status, "login", framed{Title: "Sign in", Page: p})
}

// form checks a form of the login's page.
func (h *Handler) form(c echo.Context) error {
	token, err := h.cookies.token(c, formCookie)
	if err != nil {
		return errToken
	}
	return h.genuine(c, token, maxLoginForm)
}

// field reads a field of a form's body. What stands in the address is no answer
// to a form: addresses are logged and passed on.
func field(c echo.Context, name string) string { return c.Request().PostFormValue(name) }

// password takes a local user's name and password.
func (h *Handler) password(c echo.Context) error {
	if err := h.form(c); err != nil {
		return h.forged(c, err)
	}
	if !h.o.Local {
		return h.loginPage(c, http.StatusForbidden, loginPage{No: "Local users may not sign in here."})
	}
	name, next := field(c, "name"), field(c, "next")
	refuse := func(status int, why string) error {
		return h.loginPage(c, status, loginPage{Next: next, Name: name, No: why})
	}
	ctx := c.Request().Context()
	wait, err := h.o.Sessions.AdmitLogin(ctx, h.try(c, name, access.ByPassword), h.o.Throttle)
	if err != nil {
		return h.views.trouble(c, h.o.Log, err)
	}
	if wait > 0 {
		return refuse(http.StatusTooManyRequests, h.tooMany(c, wait))
	}
	who, right, err := h.check(c, name, field(c, "password"))
	switch {
	case err != nil:
		return h.views.trouble(c, h.o.Log, err)
	case !right:
		return refuse(http.StatusUnauthorized, wrongPassword)
	case len(who.TOTP) > 0:
		return h.open(c, access.Opening{UserID: who.ID, Stage: access.HalfOpen, Method: access.ByPassword}, who.User, next)
	case !h.o.PasswordAlone:
		if err := h.failed(c, who.User, "reason=no_second_factor"); err != nil {
			return h.views.trouble(c, h.o.Log, err)
		}
		return refuse(http.StatusForbidden, "You need a second factor to sign in. Ask an administrator to invite you again.")
	}
	return h.open(c, access.Opening{UserID: who.ID, Stage: access.Open, Method: access.ByPassword}, who.User, next)
}

// check compares a password. Only failures of people who exist are noted in the
// audit: strangers must not fill it with names that they make up.
func (h *Handler) check(c echo.Context, name, password string) (access.Credentials, bool, error) {
	ctx := c.Request().Context()
	who, err := h.o.Users.Credentials(ctx, name)
	unknown := payment.ClassOf(err, payment.Unavailable) == payment.NotFound
	if err != nil && !unknown {
		return who, false, err
	}
	right, outdated, err := h.o.Passwords.Verify(ctx, password, who.Password)
	switch {
	case err != nil:
		return who, false, err
	case unknown:
		return who, false, nil
	case !right:
		return who, false, h.failed(c, who.User, "reason=password")
	case !who.Disabled.IsZero():
		return who, false, h.failed(c, who.User, "reason=disabled")
	case !outdated:
		return who, true, nil
	}
	upgraded, err := h.o.Passwords.Hash(ctx, password)
	if err == nil {
		err = h.o.Users.UpgradePassword(ctx, who.ID, who.Password, upgraded)
	}
	if err != nil { // the old hash serves until the next login
		h.o.Log.Warn().Err(err).Msg("password hash not upgraded")
	}
	return who, true, nil
}

func (h *Handler) failed(c echo.Context, who access.User, why string) error {
	return h.o.Audit.AppendAudit(c.Request().Context(), audit.Entry{
		Actor: audit.Actor{Name: who.Name}, Action: "login.fail", Subject: "user " + who.ID, Detail: why,
	})
}

func (h *Handler) try(c echo.Context, name string, method access.Method) access.Try {
	return access.Try{Name: name, Address: h.address(c.Request()), Method: method}
}

// tooMany says how long to wait, in the header too.
func (*Handler) tooMany(c echo.Context, wait time.Duration) string {
	seconds := int(math.Ceil(wait.Seconds()))
	c.Response().Header().Set(echo.HeaderRetryAfter, strconv.Itoa(seconds))
	unit := "seconds"
	if seconds == 1 {
		unit = "second"
	}
	return fmt.Sprintf("Too many tries. Try again in %d %s.", seconds, unit)
}

// open rotates the session: a new token, and the end of the browser's earlier one.
func (h *Handler) open(c echo.Context, o access.Opening, who access.User, next string) error {
	token := access.NewToken()
	o.Hash, o.For = token.Hash(), h.o.Lifetimes.Absolute
	entry := audit.Entry{Actor: audit.Actor{Name: who.Name, Role: who.Role}, Action: "login.open", Subject: "user " + who.ID, Detail: "method=" + string(o.Method)}
	to := h.next(next)
	if o.Stage == access.HalfOpen {
		o.For, entry.Action, entry.Actor.Role = h.o.Lifetimes.Half, "login.password", ""
		to = h.o.Base + codePath + "?next=" + url.QueryEscape(to)
	}
	if who.Kind == access.LocalUser {
		o.Address = h.address(c.Request())
	}
	if earlier, err := h.cookies.token(c, sessionCookie); err == nil {
		o.Replaces = earlier.Hash()
	}
	err := h.o.Sessions.OpenSession(c.Request().Context(), o, entry)
	if payment.ClassOf(err, payment.Unavailable) == payment.Unauthorized {
		return h.loginPage(c, http.StatusUnauthorized, loginPage{Next: next, No: "This sign-in took too long, or was ended. Start again."})
	}
	if err != nil {
		return h.views.trouble(c, h.o.Log, err)
	}
	h.cookies.set(c, sessionCookie, token.Reveal(), 0)
	h.cookies.drop(c, formCookie)
	return c.Redirect(http.StatusSeeOther, to)
}

// logout ends the session.
func (h *Handler) logout(c echo.Context) error {
	session, token, err := h.session(c, access.Open)
	out := h.o.Base + loginPath + "?out=1"
	if payment.ClassOf(err, payment.Unavailable) == payment.Unauthorized {
		return c.Redirect(http.StatusSeeOther, out)
	}
	if err != nil {
		return h.views.trouble(c, h.o.Log, err)
	}
	if err := h.genuine(c, token, maxLoginForm); err != nil {
		return h.forged(c, err)
	}
	who := session.User
	entry := audit.Entry{Actor: audit.Actor{Name: who.Name, Role: who.Role}, Action: "login.close", Subject: "user " + who.ID}
	if err := h.o.Sessions.EndSession(c.Request().Context(), token.Hash(), entry); err != nil {
		return h.views.trouble(c, h.o.Log, err)
	}
	h.cookies.drop(c, sessionCookie)
	return c.Redirect(http.StatusSeeOther, out)
}

// dev lets in whoever works on tillflow, in the role of the button.
func (h *Handler) dev(c echo.Context) error {
	if err := h.form(c); err != nil {
		return h.forged(c, err)
	}
	role, err := access.ParseRole(field(c, "role"))
	if err != nil {
		return h.loginPage(c, http.StatusBadRequest, loginPage{No: "There is no such role."})
	}
	who, err := h.o.Users.Recognise(c.Request().Context(), access.Identity{
		Kind: access.DevUser, Issuer: "development", Subject: string(role), Name: "dev " + string(role), Role: role,
	})
	if err != nil {
		return h.views.trouble(c, h.o.Log, err)
	}
	return h.open(c, access.Opening{UserID: who.ID, Stage: access.Open, Method: access.ByDev}, who, field(c, "next"))
}
