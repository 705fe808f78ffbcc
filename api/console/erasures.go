package console

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"tillflow/internal/access"
	"tillflow/internal/access/audit"
	"tillflow/internal/crypt"
	"tillflow/internal/payment"
	"tillflow/internal/privacy"
)

// Erasures is the record of what the law lets people ask for. It names nobody.
type Erasures interface {
	// PrivacyRequests lists requests, newest first.
	PrivacyRequests(ctx context.Context, waiting bool, limit int) ([]privacy.Line, error)
	PrivacyRequest(ctx context.Context, id string) (privacy.Line, error)
	// ExportPassphrase reads what the merchant is told, and notes who read it.
	ExportPassphrase(ctx context.Context, id string, who audit.Actor) (crypt.Secret, error)
}

// ErasureRuns wakes the runs that serve them.
type ErasureRuns interface {
	WakeErasure(ctx context.Context, ref privacy.Ref) error
}

func (h *Handler) erasureRoutes(e *echo.Echo) {
	if h.o.Erasures == nil {
		return
	}
	erase := h.o.Gate.Require(access.Erase)
	e.GET(base+"/erasures", h.erasures, erase)
	e.GET(base+"/erasures/:id", h.erasure, erase)
	e.GET(base+"/erasures/:id/certificate", h.certificate, erase)
	e.POST(base+"/erasures/:id/look", h.lookAgain, erase)
	e.POST(base+"/erasures/:id/passphrase", h.passphrase, erase)
}

type erasuresPage struct {
	frame
	List    []privacy.Line
	Waiting bool
}

func (h *Handler) erasures(c echo.Context) error {
	waiting := c.QueryParam("waiting") != ""
	list, err := h.o.Erasures.PrivacyRequests(c.Request().Context(), waiting, perPage)
	if err != nil {
		return h.answer(c, err)
	}
	return h.views.render(c, http.StatusOK, "erasures", erasuresPage{frame: h.frame(c, "Erasures"), List: list, Waiting: waiting})
}

// Clock says how far the law's last moment is; of a request that was served nothing.
func (p erasuresPage) Clock(l privacy.Line) string { return clockOf(p.frame, l) }

func clockOf(f frame, l privacy.Line) string {
	if l.State == privacy.Done {
		return ""
	}
	return away(l.DueAt, f.Now)
}

type erasurePage struct {
	frame
	Line       privacy.Line
	Passphrase string // only in the answer to who asked for it
	Looked     bool
}

func (h *Handler) erasure(c echo.Context) error {
	return h.showErasure(c, erasurePage{Looked: c.QueryParam("looked") != ""})
}

func (h *Handler) showErasure(c echo.Context, page erasurePage) error {
	line, err := h.o.Erasures.PrivacyRequest(c.Request().Context(), c.Param("id"))
	if err != nil {
		return h.answer(c, err)
	}
	page.frame, page.Line = h.frame(c, "Erasures"), line
	page.Title = "Privacy request"
	return h.views.render(c, http.StatusOK, "erasure", page)
}

// Clock says how far the law's last moment is.
func (p erasurePage) Clock() string { return clockOf(p.frame, p.Line) }

// Waits is one sentence: what happens next.
func (p erasurePage) Waits() string {
	l := p.Line
	switch {
	case l.Kind == privacy.DataRequest && l.State == privacy.Done:
		return "The merchant was mailed a link to the export. The passphrase goes another way: read it here and tell it."
	case l.State == privacy.Done:
		return "Erased, looked for everywhere, and certified. Amounts and books stayed."
	case l.State == privacy.Received:
		return "It is being found out whom it is about."
	case l.Kind == privacy.DataRequest:
		return "The export is being gathered and mailed to the merchant."
	case l.State == privacy.Waiting && l.Open > 0:
		return strconv.Itoa(l.Open) + " of their payments are still open. Money comes first: the keys are destroyed as soon as the last one is over, by itself."
	case l.State == privacy.Waiting:
		return "The keys are about to be destroyed."
	case l.State == privacy.Erased:
		return "The keys are destroyed. What is left is looked for, and then it is certified."
	}
	return "Its state is not known to this program."
}

// Help says what a person should do.
func (p erasurePage) Help() string {
	switch p.Line.Trouble {
	case privacy.NoTrouble:
		return ""
	case privacy.OpenPayments:
		return "The law’s time is over and a payment of the person is still open. Bring it to its end: the list of payments that need a person has it."
	case privacy.Residue:
		return "The person was still found, at the places below. Remove the text there, then look again."
	case privacy.NoAddress:
		return "The merchant has no usable mail address. Set one with tillflow shop -mail and look again, or hand over what tillflow privacy export writes."
	case privacy.Overdue:
		return "A step fails again and again. The run in Temporal says why; it is tried again by itself."
	}
	return "It needs a person: " + word(p.Line.Trouble) + "."
}

func (h *Handler) certificate(c echo.Context) error {
	line, err := h.o.Erasures.PrivacyRequest(c.Request().Context(), c.Param("id"))
	if err == nil && line.Certificate == "" {
		err = &payment.Error{Class: payment.NotFound, Code: "no_certificate", Message: "there is no certificate yet"}
	}
	if err != nil {
		return h.answer(c, err)
	}
	c.Response().Header().Set("Content-Disposition", `attachment; filename="erasure-`+line.ID+`.json"`)
	return c.Blob(http.StatusOK, "application/json", []byte(line.Certificate))
}

// lookAgain lets the run look now. It may be pressed at any time: it only wakes.
func (h *Handler) lookAgain(c echo.Context) error {
	ctx := c.Request().Context()
	line, err := h.o.Erasures.PrivacyRequest(ctx, c.Param("id"))
	if err == nil && line.State == privacy.Done {
		err = &payment.Error{Class: payment.Conflict, Code: "served", Message: "the request is served"}
	}
	if err == nil {
		err = h.note(c, "privacy.look")
	}
	if err == nil {
		err = h.o.ErasureRuns.WakeErasure(ctx, line.Ref)
	}
	if err != nil {
		return h.answer(c, err)
	}
	return c.Redirect(http.StatusSeeOther, base+"/erasures/"+line.ID+"?looked=1")
}

// note writes into the audit who did something with a request.
func (h *Handler) note(c echo.Context, what string) error {
	return h.o.Trail.AppendAudit(c.Request().Context(), audit.Entry{Actor: h.actor(c), Action: what, Subject: "privacy " + c.Param("id")})
}

func (h *Handler) actor(c echo.Context) audit.Actor {
	who := h.o.Viewer(c)
	return audit.Actor{Name: who.Name, Role: who.Role}
}

// passphrase shows what the merchant is told, to who asks for it, and notes that.
func (h *Handler) passphrase(c echo.Context) error {
	if uuid.Validate(c.Param("id")) != nil {
		return h.answer(c, &payment.Error{Class: payment.NotFound, Message: "there is no such request"})
	}
	secret, err := h.o.Erasures.ExportPassphrase(c.Request().Context(), c.Param("id"), h.actor(c))
	if e, ok := errors.AsType[*payment.Error](err); ok && e.Class == payment.NotFound {
		err = &payment.Error{Class: payment.Conflict, Code: "over", Message: "the export is over: its link has ended, or it was fetched as often as allowed"}
	}
	if err != nil {
		return h.answer(c, err)
	}
	return h.showErasure(c, erasurePage{Passphrase: secret.Reveal()})
}
