package login

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"tillflow/internal/access"
)

// recoveryPath is where a recovery code stands in for a one-time code.
const recoveryPath = "/login/recovery"

const wrongRecovery = "This is none of your recovery codes, or it was used before."

// showRecovery asks for a recovery code in place of the one-time code.
func (h *Handler) showRecovery(c echo.Context) error {
	_, token, err := h.session(c, access.HalfOpen)
	if err != nil {
		return h.notHalf(c, err)
	}
	return h.recoveryPage(c, http.StatusOK, token, codePage{Next: c.QueryParam("next")})
}

func (h *Handler) recoveryPage(c echo.Context, status int, token access.Token, p codePage) error {
	p.Next, p.CSRF = h.next(p.Next), token.CSRF()
	return h.views.render(c, status, "recovery", framed{Title: "Use a recovery code", Page: p})
}

// recover takes a recovery code. Tries are counted like those of one-time codes.
func (h *Handler) recover(c echo.Context) error {
	session, token, err := h.session(c, access.HalfOpen)
	if err != nil {
		return h.notHalf(c, err)
	}
	if err := h.genuine(c, token, maxLoginForm); err != nil {
		return h.forged(c, err)
	}
	next := field(c, "next")
	refuse := func(status int, why string) error {
		return h.recoveryPage(c, status, token, codePage{Next: next, No: why})
	}
	ctx, user := c.Request().Context(), session.User
	wait, err := h.o.Sessions.AdmitLogin(ctx, h.try(c, user.Name, access.ByRecovery), h.o.Throttle)
	if err != nil {
		return h.views.trouble(c, h.o.Log, err)
	}
	if wait > 0 {
		return refuse(http.StatusTooManyRequests, h.tooMany(c, wait))
	}
	right := false
	if code, err := access.ParseRecoveryCode(field(c, "code")); err == nil {
		if right, err = h.o.Invitations.SpendRecoveryCode(ctx, user.ID, code.Hash()); err != nil {
			return h.views.trouble(c, h.o.Log, err)
		}
	}
	if !right {
		if err := h.failed(c, user, "reason=recovery_code"); err != nil {
			return h.views.trouble(c, h.o.Log, err)
		}
		return refuse(http.StatusUnauthorized, wrongRecovery)
	}
	return h.open(c, access.Opening{UserID: user.ID, Stage: access.Open, Method: access.ByRecovery}, user, next)
}
