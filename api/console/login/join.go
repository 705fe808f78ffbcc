package login

import (
	"context"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tillflow/internal/access"
	"tillflow/internal/access/audit"
	"tillflow/internal/payment"
)

// Invitations is the record of how people let themselves in.
type Invitations interface {
	// Invite gives a local user an invitation, in place of one that stands; payment.Conflict for who can have none.
	Invite(ctx context.Context, by audit.Actor, userID string, i access.NewInvitation) error
	// Invitation finds one that may be taken up; payment.NotFound without one.
	Invitation(ctx context.Context, hash []byte) (access.Invitation, error)
	// Join takes an invitation up and ends the person's sessions; payment.NotFound when it has ended meanwhile.
	Join(ctx context.Context, hash []byte, j access.Joining) error
	// SpendRecoveryCode ends a recovery code; false when the user has no such code.
	SpendRecoveryCode(ctx context.Context, userID string, hash []byte) (bool, error)
}

// Paths of the invitation, below Base.
const (
	joinPath  = "/join"
	linkPath  = "/join/:token"
	renewPath = "/me/renew"
)

// joinCookie holds the token of an invitation that is being taken up.
const joinCookie = "tillflow_join"

// renewFor bounds how long a person who proved their password may take to set
// everything up anew.
const renewFor = time.Hour

// Link is the address of an invitation, for the person alone.
func (h *Handler) Link(token access.Token) string {
	return h.o.PublicURL + h.o.Base + joinPath + "/" + token.Reveal()
}

// link takes an invitation's token out of the address, where the browser's
// history and everybody who looks on would keep it.
func (h *Handler) link(c echo.Context) error {
	token, err := access.ParseToken(c.Param("token"))
	if err != nil {
		return h.invalidLink(c)
	}
	h.cookies.set(c, joinCookie, token.Reveal(), access.InvitedFor)
	return c.Redirect(http.StatusSeeOther, h.o.Base+joinPath)
}

func (h *Handler) invalidLink(c echo.Context) error {
	h.cookies.drop(c, joinCookie)
	return h.views.message(c, http.StatusGone, message{
		Title: "This link is not valid any more", Text: "It was used already, replaced by another, or is too old. Ask an administrator for a new one.",
		Link: h.o.Base + loginPath, LinkText: "Sign in",
	})
}

// invitation finds what the browser was invited to.
func (h *Handler) invitation(c echo.Context) (access.Invitation, access.Token, error) {
	token, err := h.cookies.token(c, joinCookie)
	if err != nil || !h.o.Local {
		return access.Invitation{}, "", errNoInvitation
	}
	i, err := h.o.Invitations.Invitation(c.Request().Context(), token.Hash())
	return i, token, err
}

var errNoInvitation = &payment.Error{Class: payment.NotFound, Code: "invitation", Message: "no invitation"}

// notInvited answers who has no invitation, or whose we could not read.
func (h *Handler) notInvited(c echo.Context, err error) error {
	if payment.ClassOf(err, payment.Unavailable) == payment.NotFound {
		return h.invalidLink(c)
	}
	return h.views.trouble(c, h.o.Log, err)
}

// showJoin asks for a password and shows the secret of the one-time codes.
func (h *Handler) showJoin(c echo.Context) error {
	i, token, err := h.invitation(c)
	if err != nil {
		return h.notInvited(c, err)
	}
	return h.joinPage(c, http.StatusOK, i, token, "")
}

func (h *Handler) joinPage(c echo.Context, status int, i access.Invitation, token access.Token, no string) error {
	uri := i.TOTP.URI("tillflow", i.User.Name)
	code, err := newSquare(uri)
	if err != nil {
		return h.views.trouble(c, h.o.Log, err)
	}
	return h.views.render(c, status, "join", framed{Title: "Welcome to tillflow", Page: joinPage{
		No: no, Name: i.User.Name, Role: i.User.Role, CSRF: token.CSRF(), Secret: groups(i.TOTP.Text()),
		URI:    template.URL(uri), //nolint:gosec // G203: an otpauth address that we made, whose parts are escaped
		Square: code, MinPassword: access.MinPassword,
	}})
}

// groups cuts a secret into fours, for whoever types it.
func groups(text string) string {
	var b strings.Builder
	for i, r := range text {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// join takes the invitation up: once the code proves that the authenticator has
// the secret, all of it counts, and nothing before.
func (h *Handler) join(c echo.Context) error {
	i, token, err := h.invitation(c)
	if err != nil {
		return h.notInvited(c, err)
	}
	if err := h.genuine(c, token, maxLoginForm); err != nil {
		return h.forged(c, err)
	}
	refuse := func(why string) error { return h.joinPage(c, http.StatusUnprocessableEntity, i, token, why) }
	password := field(c, "password")
	if err := access.CheckPassword(i.User.Name, password); err != nil {
		return refuse(capital(err.Error()) + ".")
	}
	if password != field(c, "again") {
		return refuse("The two passwords are not the same.")
	}
	step, right := i.TOTP.Check(strings.ReplaceAll(field(c, "code"), " ", ""), h.o.Now(), 0)
	if !right {
		return refuse("The code is not the one that belongs to this secret. Enter the one that your app shows now.")
	}
	ctx := c.Request().Context()
	hash, err := h.o.Passwords.Hash(ctx, password)
	if err != nil {
		return h.views.trouble(c, h.o.Log, err)
	}
	codes := access.NewRecoveryCodes()
	if err := h.o.Invitations.Join(ctx, token.Hash(), access.Joining{Password: hash, Step: step, Recovery: codes}); err != nil {
		return h.notInvited(c, err)
	}
	h.cookies.drop(c, joinCookie)
	h.cookies.drop(c, sessionCookie)
	page := joinedPage{}
	for _, code := range codes {
		page.Codes = append(page.Codes, code.Text())
	}
	return h.views.render(c, http.StatusOK, "joined", framed{Title: "Keep your recovery codes", Page: page})
}

func capital(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// renew lets a person who is in, and proves their password once more, choose
// password, authenticator and recovery codes anew.
func (h *Handler) renew(c echo.Context) error {
	who, ctx := Viewer(c), c.Request().Context()
	refuse := func(status int, why string) error {
		return h.views.message(c, status, message{Title: "Nothing was changed", Text: why, Link: h.o.Base + "/me", LinkText: "Back"})
	}
	wait, err := h.o.Sessions.AdmitLogin(ctx, h.try(c, who.Name, access.ByPassword), h.o.Throttle)
	if err != nil {
		return h.views.trouble(c, h.o.Log, err)
	}
	if wait > 0 {
		return refuse(http.StatusTooManyRequests, h.tooMany(c, wait))
	}
	_, right, err := h.check(c, who.Name, field(c, "password"))
	if err != nil {
		return h.views.trouble(c, h.o.Log, err)
	}
	if !right {
		return refuse(http.StatusUnauthorized, "The password is not correct.")
	}
	token := access.NewToken()
	err = h.o.Invitations.Invite(ctx, who.Actor(), who.ID, access.NewInvitation{Hash: token.Hash(), TOTP: access.NewTOTPKey(), For: renewFor})
	if err != nil {
		return h.views.trouble(c, h.o.Log, err)
	}
	h.cookies.set(c, joinCookie, token.Reveal(), renewFor)
	return c.Redirect(http.StatusSeeOther, h.o.Base+joinPath)
}
