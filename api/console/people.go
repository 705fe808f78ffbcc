package console

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tillflow/api/console/login"
	"tillflow/internal/access"
	"tillflow/internal/access/audit"
	"tillflow/internal/payment"
)

// People is the record of those who come in here.
type People interface {
	// Users lists all, by name.
	Users(ctx context.Context) ([]access.User, error)
	// AddUser adds a local user; payment.Conflict for a name that is taken.
	AddUser(ctx context.Context, by audit.Actor, u access.NewUser) (id string, err error)
	// Invite gives a local user an invitation, in place of one that stands.
	Invite(ctx context.Context, by audit.Actor, userID string, i access.NewInvitation) error
	// ChangeRole counts from the person's next request on.
	ChangeRole(ctx context.Context, by audit.Actor, userID string, role access.Role) error
	// AdmitUser lets somebody in again, or keeps them out and ends their sessions.
	AdmitUser(ctx context.Context, by audit.Actor, userID string, admitted bool) error
}

// Presence is where people are signed in, and what they have left to come in again.
type Presence interface {
	UserSessions(ctx context.Context, userID string) ([]access.Session, error)
	EndSessions(ctx context.Context, by audit.Actor, userID string) error
	RecoveryCodes(ctx context.Context, userID string) (int, error)
}

// Invitations are how people let themselves in.
type Invitations interface {
	// Link is the address of an invitation, for the person alone.
	Link(token access.Token) string
}

// peopleRoutes mounts the pages about people: an administrator's, and one's own.
func (h *Handler) peopleRoutes(e *echo.Echo) {
	see, manage := h.o.Gate.Require(access.SeePayments), h.o.Gate.Require(access.ManageUsers)
	e.GET(base+"/me", h.me, see)
	e.POST(base+"/me/out", h.outEverywhere, see)
	e.GET(base+"/people", h.people, manage)
	e.POST(base+"/people", h.invite, manage)
	e.GET(base+"/people/:id", h.person, manage)
	e.POST(base+"/people/:id/invite", h.inviteAgain, manage)
	e.POST(base+"/people/:id/role", h.changeRole, manage)
	e.POST(base+"/people/:id/admit", h.admit, manage)
	e.POST(base+"/people/:id/out", h.signOut, manage)
}

type peoplePage struct {
	frame
	List    []personLine
	Roles   []access.Role
	Name    string // as it was typed
	Role    access.Role
	Problem string
}

// personLine is somebody in words.
type personLine struct {
	access.User
	Address string
	Way     string // how they sign in
	State   string
	Out     bool // may not come in
	Self    bool
}

func (h *Handler) personLine(u access.User, who login.Person) personLine {
	p := personLine{User: u, Address: base + "/people/" + u.ID, Way: wayIn(u), State: "may come in", Self: u.ID == who.ID}
	invited := u.Invited.After(h.o.Now())
	switch {
	case !u.Disabled.IsZero():
		p.State, p.Out = "kept out", true
	case invited && !u.HasTOTP:
		p.State = "invited"
	case invited:
		p.State = "invited again"
	case u.Kind == access.LocalUser && !u.HasTOTP && u.LastLogin.IsZero():
		p.State = "not joined"
	}
	return p
}

// wayIn is how somebody proves who they are.
func wayIn(u access.User) string {
	switch u.Kind {
	case access.LocalUser:
		if u.HasTOTP {
			return "password and code"
		}
		return "password"
	case access.OIDCUser:
		return "identity provider"
	case access.DevUser:
		return "development"
	}
	return string(u.Kind)
}

// people lists everybody who may come in, and those who may not any more.
func (h *Handler) people(c echo.Context) error {
	return h.showPeople(c, http.StatusOK, peoplePage{Role: access.Viewer})
}

func (h *Handler) showPeople(c echo.Context, status int, page peoplePage) error {
	list, err := h.o.People.Users(c.Request().Context())
	if err != nil {
		return h.answer(c, err)
	}
	page.frame, page.Roles = h.frame(c, "People"), access.Roles()
	for _, u := range list {
		page.List = append(page.List, h.personLine(u, page.Who))
	}
	return h.views.render(c, status, "people", page)
}

// invitedPage shows an invitation's link, which is shown once.
type invitedPage struct {
	frame
	Name string
	Back string
	Link string
	Ends time.Time
}

// invite adds somebody who chooses password and codes themselves. The name comes
// in a form: it may be a mail address.
func (h *Handler) invite(c echo.Context) error {
	ctx, by := c.Request().Context(), h.o.Viewer(c).Actor()
	page := peoplePage{Name: c.FormValue("name"), Role: access.Role(c.FormValue("role"))}
	refuse := func(status int, why string) error {
		page.Problem = why
		return h.showPeople(c, status, page)
	}
	name, err := access.CleanName(page.Name)
	if err != nil {
		return refuse(http.StatusUnprocessableEntity, sentence(err.Error()))
	}
	if !page.Role.Known() {
		return refuse(http.StatusUnprocessableEntity, sentence(access.ErrRole.Error()))
	}
	token, invitation := newInvitation()
	id, err := h.o.People.AddUser(ctx, by, access.NewUser{Name: name, Role: page.Role, Password: h.o.Passwords.Unknown(), Invitation: &invitation})
	if payment.ClassOf(err, payment.Unavailable) == payment.Conflict {
		return refuse(http.StatusConflict, said(err))
	}
	if err != nil {
		return h.answer(c, err)
	}
	return h.showInvited(c, access.User{ID: id, Name: name}, token)
}

func newInvitation() (access.Token, access.NewInvitation) {
	token := access.NewToken()
	return token, access.NewInvitation{Hash: token.Hash(), TOTP: access.NewTOTPKey(), For: access.InvitedFor}
}

func (h *Handler) showInvited(c echo.Context, u access.User, token access.Token) error {
	page := invitedPage{
		frame: h.frame(c, "People"), Name: u.Name, Back: base + "/people/" + u.ID, Link: h.o.Invitations.Link(token),
		Ends: h.o.Now().UTC().Add(access.InvitedFor),
	}
	page.Title = "Invitation"
	return h.views.render(c, http.StatusOK, "invited", page)
}

// findPerson reads the person of the address; payment.NotFound without one.
func (h *Handler) findPerson(c echo.Context) (access.User, error) {
	list, err := h.o.People.Users(c.Request().Context())
	if err != nil {
		return access.User{}, err
	}
	i := slices.IndexFunc(list, func(u access.User) bool { return u.ID == c.Param("id") })
	if i < 0 {
		return access.User{}, payment.Errorf(payment.NotFound, "there is no such person")
	}
	return list[i], nil
}

type personPage struct {
	frame
	Person   personLine
	Sessions []sessionLine
	Roles    []access.Role
	Local    bool
	Audit    string
	Problem  string
}

// sessionLine is a place where somebody is signed in.
type sessionLine struct {
	access.Session
	Way string
}

func (h *Handler) sessions(c echo.Context, userID string) ([]sessionLine, error) {
	list, err := h.o.Presence.UserSessions(c.Request().Context(), userID)
	lines := make([]sessionLine, 0, len(list))
	for _, s := range list {
		lines = append(lines, sessionLine{Session: s, Way: way(s.Method)})
	}
	return lines, err
}

// way is how a session was begun.
func way(m access.Method) string {
	switch m {
	case access.ByPassword:
		return "password"
	case access.ByTOTP:
		return "password and code"
	case access.ByRecovery:
		return "password and recovery code"
	case access.ByOIDC:
		return "identity provider"
	case access.ByDev:
		return "development"
	}
	return string(m)
}

func (h *Handler) person(c echo.Context) error { return h.showPerson(c, http.StatusOK, "") }

func (h *Handler) showPerson(c echo.Context, status int, problem string) error {
	u, err := h.findPerson(c)
	if err != nil {
		return h.answer(c, err)
	}
	page := personPage{frame: h.frame(c, "People"), Roles: access.Roles(), Local: u.Kind == access.LocalUser, Problem: problem}
	page.Person, page.Title = h.personLine(u, page.Who), "Person"
	page.Audit = base + "/audit?subject=user+" + u.ID
	if page.Sessions, err = h.sessions(c, u.ID); err != nil {
		return h.answer(c, err)
	}
	return h.views.render(c, status, "person", page)
}

// inviteAgain gives a new link to somebody who lost theirs, their password or
// their authenticator.
func (h *Handler) inviteAgain(c echo.Context) error {
	u, err := h.findPerson(c)
	if err != nil {
		return h.answer(c, err)
	}
	token, invitation := newInvitation()
	if err := h.o.People.Invite(c.Request().Context(), h.o.Viewer(c).Actor(), u.ID, invitation); err != nil {
		return h.personRefused(c, err)
	}
	return h.showInvited(c, u, token)
}

// personRefused shows what the record did not permit beside what it is about.
func (h *Handler) personRefused(c echo.Context, err error) error {
	if class := payment.ClassOf(err, payment.Unavailable); class == payment.Conflict || class == payment.Invalid {
		return h.showPerson(c, http.StatusConflict, said(err))
	}
	return h.answer(c, err)
}

// onAnother refuses what nobody may do to themselves: an administrator who locks
// themselves out may be the last.
func (h *Handler) onAnother(c echo.Context, do func(by audit.Actor, id string) error) error {
	who, id := h.o.Viewer(c), strings.ToLower(c.Param("id"))
	if id == who.ID {
		return h.showPerson(c, http.StatusConflict, "Nobody changes their own role or keeps themselves out: ask another administrator.")
	}
	if err := do(who.Actor(), id); err != nil {
		return h.personRefused(c, err)
	}
	return c.Redirect(http.StatusSeeOther, base+"/people/"+id)
}

func (h *Handler) changeRole(c echo.Context) error {
	return h.onAnother(c, func(by audit.Actor, id string) error {
		return h.o.People.ChangeRole(c.Request().Context(), by, id, access.Role(c.FormValue("role")))
	})
}

func (h *Handler) admit(c echo.Context) error {
	if in := c.FormValue("in"); in != "yes" && in != "no" {
		return h.answer(c, payment.Errorf(payment.Invalid, "the form is not complete"))
	}
	return h.onAnother(c, func(by audit.Actor, id string) error {
		return h.o.People.AdmitUser(c.Request().Context(), by, id, c.FormValue("in") == "yes")
	})
}

func (h *Handler) signOut(c echo.Context) error {
	id := c.Param("id")
	if err := h.o.Presence.EndSessions(c.Request().Context(), h.o.Viewer(c).Actor(), id); err != nil {
		return h.personRefused(c, err)
	}
	return c.Redirect(http.StatusSeeOther, base+"/people/"+id)
}

type mePage struct {
	frame
	Sessions []sessionLine
	Local    bool
	Codes    int
}

// me is one's own page: where one is signed in, and how to come in next time.
func (h *Handler) me(c echo.Context) error {
	page := mePage{frame: h.frame(c, "")}
	page.Title = "You"
	var err error
	if page.Sessions, err = h.sessions(c, page.Who.ID); err != nil {
		return h.answer(c, err)
	}
	if page.Local = page.Who.Kind == access.LocalUser; page.Local {
		if page.Codes, err = h.o.Presence.RecoveryCodes(c.Request().Context(), page.Who.ID); err != nil {
			return h.answer(c, err)
		}
	}
	return h.views.render(c, http.StatusOK, "me", page)
}

// outEverywhere ends all sessions of who asks, this one too.
func (h *Handler) outEverywhere(c echo.Context) error {
	who := h.o.Viewer(c)
	if err := h.o.Presence.EndSessions(c.Request().Context(), who.Actor(), who.ID); err != nil {
		return h.answer(c, err)
	}
	return c.Redirect(http.StatusSeeOther, base+"/login?out=1")
}
