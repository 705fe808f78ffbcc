package console

import (
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"tillflow/api/console/login"
	"tillflow/internal/access"
	"tillflow/internal/access/audit"
	"tillflow/internal/payment"
)

type paymentPage struct {
	frame
	D          payment.Details
	Address    string
	Answer     string
	Situations []situation
	Clocks     []clock
	Purses     []payment.Purse
	Doubt      bool // an answer of a provider is missing
	Books      []account
	Entries    []payment.PostingLine
	Moves      []moveLine
	Attempts   []attemptLine
	Story      []storyLine
	Messages   []payment.Delivery
	Notices    []payment.NoticeLine
	People     []payment.ActionLine
	Texts      bool // people's notes are opened
	MayAct     bool
	MayAudit   bool
	Actions    []action
	Done       *payment.ActionLine // what the viewer has just pressed
	Runs       []link
	Audit      string
}

// dossier is one payment with everything around it.
type dossier struct {
	d     payment.Details
	moves []payment.MoveSummary
	desk  payment.Desk
	now   time.Time
}

// open reads a payment, by its id or the shop's.
func (h *Handler) open(c echo.Context, texts bool) (dossier, error) {
	ctx, id := c.Request().Context(), c.Param("id")
	if !utf8.ValidString(id) || strings.ContainsFunc(id, unicode.IsControl) {
		return dossier{}, payment.Errorf(payment.NotFound, "no payment has such an id")
	}
	d, err := h.o.Payments.ShowPayment(ctx, id, texts)
	if err != nil {
		return dossier{}, err
	}
	moves, err := h.o.Payments.ListMoves(ctx, d.Run.PaymentID)
	if err != nil {
		return dossier{}, err
	}
	desk, err := h.o.Payments.Desk(ctx, d.Run.PaymentID)
	return dossier{d: d, moves: moves, desk: desk, now: h.o.Now().UTC()}, err
}

// payment shows one payment, at its one address.
func (h *Handler) payment(c echo.Context) error {
	p, err := h.open(c, false)
	if err != nil {
		return h.answer(c, err)
	}
	if p.d.Run.PaymentID != c.Param("id") {
		return c.Redirect(http.StatusSeeOther, address(p.d.Run.PaymentID))
	}
	return h.showPayment(c, p, false)
}

// notes shows the payment with what people wrote, which the audit notes: it may
// be about a person. It is a form, so that no link and no reload does it.
func (h *Handler) notes(c echo.Context) error {
	p, err := h.open(c, true)
	if err != nil {
		return h.answer(c, err)
	}
	entry := audit.Entry{Actor: h.o.Viewer(c).Actor(), Action: "payment.read_notes", Subject: "payment " + p.d.Run.PaymentID}
	if err := h.o.Trail.AppendAudit(c.Request().Context(), entry); err != nil {
		return h.answer(c, err)
	}
	return h.showPayment(c, p, true)
}

func (h *Handler) showPayment(c echo.Context, p dossier, texts bool) error {
	d := p.d
	page := paymentPage{
		frame: h.frame(c, "Payments"), D: d, Address: address(d.Run.PaymentID), Answer: answerOf(d.Summary),
		Situations: p.situations(), Clocks: p.clocks(), Purses: p.desk.Purses, Doubt: p.inDoubt(), Books: balances(d.Postings), Entries: d.Postings,
		Moves: moveLines(p.moves), Attempts: attemptLines(d.Attempts), Story: p.story(), Messages: p.desk.Deliveries,
		Notices: p.desk.Notices, People: d.Actions, Texts: texts, Runs: h.o.Temporal.links(p),
		Audit: base + "/audit?" + url.Values{"subject": {"payment " + d.Run.PaymentID}}.Encode(),
	}
	page.Title = readable(d.Run.Amount)
	page.MayAct, page.MayAudit = page.Who.May(access.ActOnPayments), page.Who.May(access.ReadAudit)
	if page.MayAct {
		page.Actions = suggested(p.actions(), page.Situations)
	}
	page.Done = pressed(d.Actions, c.QueryParam("did"), page.Who)
	return h.views.render(c, http.StatusOK, "payment", page)
}

// pressed finds what the viewer did just now.
func pressed(list []payment.ActionLine, id string, who login.Person) *payment.ActionLine {
	for i, a := range list {
		if id != "" && a.ID == id && a.Actor == who.Name {
			return &list[i]
		}
	}
	return nil
}

// links lead to the runs of a payment in Temporal's web UI.
func (t Temporal) links(p dossier) []link {
	if t.UI == "" {
		return nil
	}
	list := []link{{Text: "The charge's run", Address: t.query(`PayRef=` + quoted(p.d.Run.ExternalID))}}
	for _, m := range p.moves {
		if m.Ref.ExternalRef != "" && !m.Elsewhere {
			list = append(list, link{Text: moveName(m) + " " + m.Ref.ExternalRef, Address: t.query(`PayRef=` + quoted(m.Ref.ExternalRef))})
		}
	}
	return list
}

func (t Temporal) query(query string) string {
	escaped := strings.ReplaceAll(url.QueryEscape(query), "+", "%20")
	return strings.TrimRight(t.UI, "/") + "/namespaces/" + url.PathEscape(t.Namespace) + "/workflows?query=" + escaped
}

// quoted is a text of Temporal's list queries.
func quoted(value string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`
}

// attemptLine is one try at a provider.
type attemptLine struct {
	payment.AttemptDetails
	What string
	Why  string // why not
}

func attemptLines(list []payment.AttemptDetails) []attemptLine {
	lines := make([]attemptLine, 0, len(list))
	for _, a := range list {
		line := attemptLine{AttemptDetails: a, What: string(a.Operation), Why: strings.TrimSpace(word(a.Decline) + " " + a.Code)}
		if a.Leg != "" {
			line.What += " by " + a.Leg
		}
		if a.Elsewhere {
			line.What += " at the provider"
		}
		lines = append(lines, line)
	}
	return lines
}
