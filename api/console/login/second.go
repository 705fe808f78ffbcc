package login

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"tillflow/internal/access"
	"tillflow/internal/payment"
)

// recoveryPath is where a recovery code stands in for a one-time code.
const recoveryPath = "/login/recovery"

// second is a way to give the second factor.
type second struct {
	method      access.Method
	view, title string                                        // of its page
	wrong       string                                        // what the person reads
	reason      string                                        // what the audit keeps
	spend       func(echo.Context, access.User) (bool, error) // reports whether the form's code is right; it is so once
}

func (h *Handler) oneTimeCode() second {
	return second{
		method: access.ByTOTP, view: "code", title: "Enter your code", reason: "reason=code", spend: h.spendCode,
		wrong: "The code is not correct, or was used before. Wait for the next one.",
	}
}

// recoveryCode stands in for the one-time code. Tries are counted alike.
func (h *Handler) recoveryCode() second {
	return second{
		method: access.ByRecovery, view: "recovery", title: "Use a recovery code", reason: "reason=recovery_code", spend: h.spendRecoveryCode,
		wrong: "This is none of your recovery codes, or it was used before.",
	}
}

// show asks for the second factor.
func (h *Handler) show(by second) echo.HandlerFunc {
	return func(c echo.Context) error {
		_, token, err := h.session(c, access.HalfOpen)
		if err != nil {
			return h.notHalf(c, err)
		}
		return h.secondPage(c, http.StatusOK, by, codePage{CSRF: token.CSRF(), Next: c.QueryParam("next")})
	}
}

func (h *Handler) secondPage(c echo.Context, status int, by second, p codePage) error {
	p.Next = h.next(p.Next)
	return h.views.render(c, status, by.view, framed{Title: by.title, Page: p})
}

// notHalf answers who has given no password, or too long ago.
func (h *Handler) notHalf(c echo.Context, err error) error {
	if payment.ClassOf(err, payment.Unavailable) != payment.Unauthorized {
		return h.views.trouble(c, h.o.Log, err)
	}
	return c.Redirect(http.StatusSeeOther, h.o.Base+loginPath)
}

// take takes the second factor.
func (h *Handler) take(by second) echo.HandlerFunc {
	return func(c echo.Context) error {
		session, token, err := h.session(c, access.HalfOpen)
		if err != nil {
			return h.notHalf(c, err)
		}
		if err := h.genuine(c, token, maxLoginForm); err != nil {
			return h.forged(c, err)
		}
		next := field(c, "next")
		refuse := func(status int, why string) error {
			return h.secondPage(c, status, by, codePage{CSRF: token.CSRF(), Next: next, No: why})
		}
		user := session.User
		wait, err := h.o.Sessions.AdmitLogin(c.Request().Context(), h.try(c, user.Name, by.method), h.o.Throttle)
		if err != nil {
			return h.views.trouble(c, h.o.Log, err)
		}
		if wait > 0 {
			return refuse(http.StatusTooManyRequests, h.tooMany(c, wait))
		}
		right, err := by.spend(c, user)
		if err == nil && !right {
			err = h.failed(c, user, by.reason)
		}
		switch {
		case err != nil:
			return h.views.trouble(c, h.o.Log, err)
		case !right:
			return refuse(http.StatusUnauthorized, by.wrong)
		}
		return h.open(c, access.Opening{UserID: user.ID, Stage: access.Open, Method: by.method}, user, next)
	}
}

// spendCode compares a one-time code and spends it: of two who bring the same one, one is let in.
func (h *Handler) spendCode(c echo.Context, user access.User) (bool, error) {
	ctx := c.Request().Context()
	who, err := h.o.Users.Credentials(ctx, user.Name)
	if err != nil {
		return false, err
	}
	step, right := who.TOTP.Check(strings.ReplaceAll(field(c, "code"), " ", ""), h.o.Now(), who.Spent)
	if !right {
		return false, nil
	}
	return h.o.Users.SpendTOTPStep(ctx, who.ID, step)
}

func (h *Handler) spendRecoveryCode(c echo.Context, user access.User) (bool, error) {
	code, err := access.ParseRecoveryCode(field(c, "code"))
	if err != nil {
		return false, nil //nolint:nilerr // no code at all is as wrong as another one
	}
	return h.o.Invitations.SpendRecoveryCode(c.Request().Context(), user.ID, code.Hash())
}
