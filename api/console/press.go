package console

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"tillflow/internal/access/audit"
	"tillflow/internal/flow"
	"tillflow/internal/payment"
)

type confirmPage struct {
	frame
	D        payment.Details
	Back     string
	Act      action
	Attempts []attemptLine // to choose from; of one there is no choice
	ID       string        // of the row: the same form twice is one action
	Text     string
	Chosen   string
	Problem  string
	MaxText  int
}

// maxText bounds what a person writes, in characters.
const maxText = 1000

// confirm asks once more, and for the reason.
func (h *Handler) confirm(c echo.Context) error {
	p, err := h.open(c, false)
	if err != nil {
		return h.answer(c, err)
	}
	a, fits := p.action(c.QueryParam("do"), payment.Decision(c.QueryParam("choice")))
	if !fits {
		return h.answer(c, payment.Errorf(payment.Conflict, "the payment has moved on, and this cannot be pressed now"))
	}
	id, err := uuid.NewV7()
	if err != nil {
		return h.answer(c, payment.Errorf(payment.Bug, "make an id: %w", err))
	}
	return h.showConfirm(c, http.StatusOK, p, confirmPage{Act: a, ID: id.String()})
}

func (h *Handler) showConfirm(c echo.Context, status int, p dossier, page confirmPage) error {
	page.frame, page.D, page.Back, page.MaxText = h.frame(c, "Payments"), p.d, address(p.d.Run.PaymentID), maxText
	page.Title = page.Act.Label
	if page.Act.attempts() {
		if open := p.unfinished(); len(open) > 1 {
			page.Attempts = attemptLines(open)
		}
	}
	return h.views.render(c, status, "confirm", page)
}

// action finds what is to be pressed among what fits.
func (p dossier) action(verb string, choice payment.Decision) (action, bool) {
	for _, a := range p.actions() {
		if a.Verb == verb && a.Choice == choice {
			return a, true
		}
	}
	return action{}, false
}

// carryOutWithin bounds an action until the runs have applied it; it ends before
// the listener gives the answer up.
const carryOutWithin = 11 * time.Second

// act writes the action as a row, notes it in the audit and hands it to the runs.
func (h *Handler) act(c echo.Context) error {
	p, err := h.open(c, false)
	if err != nil {
		return h.answer(c, err)
	}
	if done := pressed(p.d.Actions, c.FormValue("id"), h.o.Viewer(c)); done != nil {
		return c.Redirect(http.StatusSeeOther, p.after(done.ID))
	}
	a, fits := p.action(c.FormValue("do"), payment.Decision(c.FormValue("choice")))
	if !fits {
		return h.answer(c, payment.Errorf(payment.Conflict, "the payment has moved on, and this cannot be pressed now"))
	}
	page := confirmPage{Act: a, ID: c.FormValue("id"), Text: strings.TrimSpace(c.FormValue("reason")), Chosen: c.FormValue("attempt")}
	row := payment.Action{
		ID: page.ID, PaymentID: p.d.Run.PaymentID, Actor: h.o.Viewer(c).Name, Action: a.Verb, Choice: a.Choice, Text: page.Text, At: h.o.Now(),
	}
	if row.AttemptID, page.Problem = p.chosen(a, page.Chosen); page.Problem == "" {
		page.Problem = faulty(page)
	}
	if page.Problem != "" {
		return h.showConfirm(c, http.StatusUnprocessableEntity, p, page)
	}
	err = h.carryOut(c.Request().Context(), row, p.d, audit.Entry{
		Actor: h.o.Viewer(c).Actor(), Action: "payment." + a.Verb, Subject: "payment " + row.PaymentID,
		Detail: strings.TrimSpace("action=" + row.ID + given(" choice=", string(a.Choice)) + given(" attempt=", row.AttemptID)),
	})
	if err != nil && !errors.Is(err, errRepeated) {
		return h.notDone(c, p, row, err)
	}
	return c.Redirect(http.StatusSeeOther, p.after(row.ID))
}

// after is where a press leads: the payment, which says what became of it.
func (p dossier) after(actionID string) string {
	return address(p.d.Run.PaymentID) + "?did=" + url.QueryEscape(actionID)
}

// errRepeated: the same form came twice, and the first one counts.
var errRepeated = errors.New("the action is written already")

// carryOut: nothing is handed on that is not written, in the audit too. Once begun it goes on, also when the browser has gone.
func (h *Handler) carryOut(ctx context.Context, row payment.Action, d payment.Details, entry audit.Entry) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), carryOutWithin)
	defer cancel()
	err := h.o.Actions.InsertAuditedAction(ctx, row, entry)
	if payment.ClassOf(err, payment.Unavailable) == payment.Conflict {
		return errRepeated
	}
	if err != nil {
		return err
	}
	return h.o.Runs.Deliver(ctx, updateOf(row.Action), row.ID, d)
}

// notDone says what became of an action that was not applied.
func (h *Handler) notDone(c echo.Context, p dossier, row payment.Action, err error) error {
	class := payment.ClassOf(err, payment.Unavailable)
	if class == payment.Bug || class == payment.NotFound {
		return h.answer(c, err)
	}
	m := message{frame: h.frame(c, "Payments"), Alert: true, Link: address(p.d.Run.PaymentID), LinkText: "Back to the payment"}
	status := http.StatusConflict
	switch class {
	case payment.Conflict, payment.Invalid, payment.Unsupported:
		m.Title, m.Text = "That was refused", said(err)+" Nothing was moved. What you wrote is kept among what people did."
	case payment.Unauthorized, payment.RateLimited, payment.Unavailable, payment.Unknown, payment.StillPending, payment.NotFound, payment.Bug:
		status = http.StatusServiceUnavailable
		m.Title = "Written down, and not applied yet"
		m.Text = "Your decision may be stored as " + row.ID + ", and the workflow did not confirm it. Look at the payment: if it is not applied in a minute, press again. Nothing is done twice."
		h.o.Log.Error().Err(err).Str("payment_id", row.PaymentID).Str("action_id", row.ID).Msg("a person's action was not delivered")
	}
	return h.views.render(c, status, "message", m)
}

// chosen is the try that a decision is about: the only one, or the one picked.
func (p dossier) chosen(a action, picked string) (id, problem string) {
	if !a.attempts() {
		return "", ""
	}
	open := p.unfinished()
	switch len(open) {
	case 0:
		return "", "" // money that is here: the record knows which
	case 1:
		return open[0].ID, ""
	}
	for _, try := range open {
		if try.ID == picked {
			return try.ID, ""
		}
	}
	return "", "Several attempts are unfinished: choose the one that you looked up."
}

func faulty(page confirmPage) string {
	switch {
	case page.Text == "" && page.Act.Verb != verbRetry:
		return "Write down why: whoever comes after you wants to know."
	case utf8.RuneCountInString(page.Text) > maxText:
		return "The text is too long."
	case !utf8.ValidString(page.Text) || strings.ContainsRune(page.Text, 0):
		return "The text cannot be stored."
	}
	if _, err := uuid.Parse(page.ID); err != nil {
		return "The form was not complete. Please send it again from the payment's page."
	}
	return ""
}

func given(name, value string) string {
	if value == "" {
		return ""
	}
	return name + value
}

// updateOf is the message that wakes a run for an action.
func updateOf(verb string) string {
	switch verb {
	case verbResolve:
		return flow.UpdateResolve
	case verbRetry:
		return flow.UpdateRetry
	case verbExpire:
		return flow.UpdateExpire
	}
	return flow.UpdateNote
}
