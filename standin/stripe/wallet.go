package stripe

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tillflow/standin/faults"
)

// parseExpiry reads the last month of a card: "08/27" or "8 / 2027".
func parseExpiry(typed string) (month, year int, ok bool) {
	m, y, found := strings.Cut(typed, "/")
	month, errMonth := strconv.Atoi(strings.TrimSpace(m))
	year, errYear := strconv.Atoi(strings.TrimSpace(y))
	if !found || errMonth != nil || errYear != nil || month < 1 || month > 12 || year < 0 || year > 9999 {
		return 0, 0, false
	}
	if year < 100 {
		year += 2000
	}
	return month, year, true
}

// ending is the card with a last month as its buyer typed it; nothing typed is as printed on it. False: it is no month.
func (t testCard) ending(typed string) (testCard, bool) {
	if typed == "" || t.method != methodCard {
		return t, true
	}
	var ok bool
	t.expMonth, t.expYear, ok = parseExpiry(typed)
	return t, ok
}

// expired reports whether the card's last month is over.
func (u usedCard) expired(now time.Time) bool {
	return u.ExpYear != 0 && !now.Before(time.Date(u.ExpYear, time.Month(u.ExpMonth)+1, 1, 0, 0, 0, 0, time.UTC))
}

// changeMethod does what a bank and its customer do with a kept card: POST /_method/{pm_…} with expires=MM/YY gives it
// another last month, with card= the behaviour of another test card, with detach=1 it is taken from its customer.
func (s *Server) changeMethod(v *visit) faults.Reply {
	m, ok := v.keptMethod()
	if !ok {
		return problem(missing("PaymentMethod", v.id, "payment_method"))
	}
	if named := v.form.Get("card"); named != "" {
		card, ok := s.card(named)
		if !ok || card.method != m.Card.Method {
			return problem(invalid("", "card", "Not a test card of this method's type: send a number or a name."))
		}
		m.Card.Name = card.name
	}
	if typed := v.form.Get("expires"); typed != "" {
		month, year, ok := parseExpiry(typed)
		if !ok || m.Card.Method != methodCard {
			return problem(invalid("", "expires", "expires must be MM/YY, of a card"))
		}
		m.Card.ExpMonth, m.Card.ExpYear = month, year
	}
	v.save(rowMethod, m.ID)
	if v.form.Get("detach") != "" && m.Customer != "" {
		v.detach(m)
	}
	if strings.Contains(v.r.Header.Get("Accept"), "text/html") {
		return seeOther(s.opts.PublicURL + "/")
	}
	return jsonReply(http.StatusOK, encode(v.acct.methodObject(m)))
}

// keptMethod finds a kept method of any account and makes the change one of that account.
func (v *visit) keptMethod() (*method, bool) {
	for _, a := range v.s.accounts {
		if m, ok := a.methods.get(v.id); ok {
			v.acct = a
			return m, true
		}
	}
	return nil, false
}

// overviewMethod is a kept method on the overview.
type overviewMethod struct{ ID, Label, Expires, Does, Customer string }

func (s *Server) overviewMethods(b AccountBooks) []overviewMethod {
	var rows []overviewMethod
	for _, m := range b.Methods {
		row := overviewMethod{ID: m.ID, Label: m.Brand + " " + m.Last4, Expires: m.Expires, Customer: m.Customer, Does: m.Card}
		if card, ok := s.card(m.Card); ok {
			row.Does = card.label
		}
		rows = append(rows, row)
	}
	return rows
}

// expires is a card's last month for people; empty for what has none.
func (u usedCard) expires() string {
	if u.ExpYear == 0 {
		return ""
	}
	return fmt.Sprintf("%02d/%d", u.ExpMonth, u.ExpYear)
}
