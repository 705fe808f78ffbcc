package letter

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	html "html/template"
	"net/url"
	"strings"
	text "text/template"
	"time"

	"tillflow/internal/brand"
	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

//go:embed templates
var pages embed.FS

// Facts are what a letter tells. All but those that say so are required.
type Facts struct {
	Shop      string // as customers read it
	Plan      string // what is bought
	Reference string // of the subscription; never a person's name or address
	Amount    money.Amount
	// PeriodStart and PeriodEnd bound the period that is paid or awaited.
	PeriodStart, PeriodEnd time.Time
	// At is the moment that the kind is about: the renewal, the next attempt, until
	// when the customer may act, or the end. Without meaning for the other kinds.
	At time.Time
	// Zone is where the days begin that the letter names.
	Zone *time.Location
	// Method is how the provider labels it, "visa 4242"; empty: not known.
	Method string
	// Reason and Outcome are for letters that tell them.
	Reason  payment.DeclineReason
	Outcome subscription.FinalAction
	// Link is where the reader goes on; empty: there is no button.
	Link string
}

// Look is how a shop's letters look. All of it may be empty.
type Look struct {
	Colour string // six hex digits
	Logo   string // the address of a picture
}

// Letter is one to be written.
type Letter struct {
	Kind     Kind
	Language string // one of Languages
	Locale   string // the reader's, for numbers; may be empty
	// Own is the shop's own text; nil: ours.
	Own   *Template
	Look  Look
	Facts Facts
}

// Mail is a letter that is written: one content in two forms.
type Mail struct {
	Language string
	Subject  string
	Text     string
	HTML     string
}

// Writer writes letters. It is safe for concurrent use.
type Writer struct {
	*Book
	text *text.Template
	html *html.Template
}

// NewWriter reads texts and pages.
func NewWriter() (*Writer, error) {
	book, err := NewBook()
	if err != nil {
		return nil, err
	}
	plain, err := text.ParseFS(pages, "templates/letter.txt")
	if err != nil {
		return nil, fmt.Errorf("parse letter: %w", err)
	}
	rich, err := html.ParseFS(pages, "templates/letter.html")
	if err != nil {
		return nil, fmt.Errorf("parse letter: %w", err)
	}
	return &Writer{Book: book, text: plain, html: rich}, nil
}

// row is a fact with its name.
type row struct{ Name, Value string }

// sheet is what the pages show.
type sheet struct {
	Language   string
	Shop       string
	Subject    string
	Paragraphs [][]string // lines
	Rows       []row
	Button     string
	Link       string
	Footer     string
	Logo       string
	Act, OnAct string
}

// our colour, where a shop has chosen none: that of the pay page.
const ourColour = "1f5fbf"

// Write writes a letter. An error is a fault of who asks for it: an unknown kind
// or language, a fact that is missing, or a text of the shop's that does not pass
// [Kind.Check].
func (w *Writer) Write(l Letter) (Mail, error) {
	s, err := w.sheet(l)
	if err != nil {
		return Mail{}, fmt.Errorf("write letter %s in %q: %w", l.Kind, l.Language, err)
	}
	var plain, rich bytes.Buffer
	if err := w.text.Execute(&plain, s); err != nil {
		return Mail{}, fmt.Errorf("write letter %s: %w", l.Kind, err)
	}
	if err := w.html.Execute(&rich, s); err != nil {
		return Mail{}, fmt.Errorf("write letter %s: %w", l.Kind, err)
	}
	return Mail{Language: l.Language, Subject: s.Subject, Text: plain.String(), HTML: rich.String()}, nil
}

func (w *Writer) sheet(l Letter) (sheet, error) {
	t, known := w.Template(l.Kind, l.Language)
	if !known {
		return sheet{}, errors.New("there is no such letter")
	}
	if l.Own != nil {
		t = *l.Own
		if err := l.Kind.Check(t); err != nil {
			return sheet{}, err
		}
	}
	if err := l.Facts.check(l.Kind); err != nil {
		return sheet{}, err
	}
	v, err := w.values(l)
	if err != nil {
		return sheet{}, err
	}
	say := func(text string) string { return v.fill(text) }
	words := w.languages[l.Language].words
	s := sheet{
		Language: l.Language, Shop: l.Facts.Shop, Subject: say(t.Subject), Rows: v.rows(l.Kind, words), Logo: l.Look.Logo,
		Footer: say(words[footerOf(l.Kind)]),
	}
	if l.Facts.Link != "" && l.Kind.HasButton() {
		s.Button, s.Link = say(t.Button), l.Facts.Link
	}
	for paragraph := range strings.SplitSeq(t.Body, "\n\n") {
		if paragraph = strings.Trim(paragraph, "\n"); paragraph != "" {
			s.Paragraphs = append(s.Paragraphs, strings.Split(say(paragraph), "\n"))
		}
	}
	colour, err := brand.ParseColour(l.Look.Colour)
	if err != nil {
		if colour, err = brand.ParseColour(ourColour); err != nil {
			return sheet{}, err
		}
	}
	palette := colour.Light()
	s.Act, s.OnAct = palette.Act.String(), palette.OnAct.String()
	return s, nil
}

// check refuses facts that leave a hole in a letter.
func (f Facts) check(kind Kind) error {
	switch {
	case f.Shop == "", f.Plan == "", f.Reference == "", f.Zone == nil:
		return errors.New("a letter needs shop, plan, reference and time zone")
	case f.PeriodStart.IsZero(), f.PeriodEnd.IsZero():
		return errors.New("a letter needs the period")
	case kind.date() != "" && f.At.IsZero():
		return fmt.Errorf("the letter needs its %s", kind.date())
	}
	if f.Link == "" {
		return nil
	}
	if u, err := url.Parse(f.Link); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return errors.New("the link is no absolute web address")
	}
	return nil
}

// footerOf is the word that says why the reader gets the letter.
func footerOf(kind Kind) string {
	if kind.ToMerchant() {
		return "to_merchant"
	}
	return "to_customer"
}

// values are what placeholders stand for.
type values map[Placeholder]string

func (w *Writer) values(l Letter) (values, error) {
	f, r, words := l.Facts, readerOf(l.Language, l.Locale), w.languages[l.Language].words
	amount, err := r.amount(f.Amount)
	if err != nil {
		return nil, err
	}
	v := values{
		Shop: clean(f.Shop), PlanName: clean(f.Plan), Reference: clean(f.Reference), Amount: amount, Method: clean(f.Method),
		PeriodStart: r.day(f.PeriodStart.In(f.Zone)), PeriodEnd: r.day(f.PeriodEnd.In(f.Zone)),
	}
	if v[Method] == "" {
		v[Method] = words["your_method"]
	}
	if day := l.Kind.date(); day != "" {
		v[day] = r.day(f.At.In(f.Zone))
	}
	for _, p := range l.Kind.Placeholders() {
		switch p { //nolint:exhaustive // the others are there
		case Reason:
			v[p] = words[reasonWord(f.Reason)]
		case Outcome:
			v[p] = words[outcomeWord(f.Outcome)]
		}
		if v[p] == "" {
			return nil, fmt.Errorf("there is nothing to say for {%s}", p)
		}
	}
	return v, nil
}

// fill writes a text that has passed its check.
func (v values) fill(text string) string {
	out, err := expand(text, func(name string) (string, error) { return v[Placeholder(name)], nil })
	if err != nil {
		return text // a brace that is no placeholder: refused before
	}
	return out
}

// rows are the facts that every letter shows.
func (v values) rows(kind Kind, words map[string]string) []row {
	list := []row{{words["plan"], v[PlanName]}, {words["amount"], v[Amount]}}
	if day := kind.date(); day != "" {
		list = append(list, row{words[string(day)], v[day]})
	}
	list = append(list, row{words["period"], v[PeriodStart] + " – " + v[PeriodEnd]})
	if method := v[Method]; !kind.ToMerchant() && method != words["your_method"] {
		list = append(list, row{words["method"], method})
	}
	return append(list, row{words["reference"], v[Reference]})
}

// clean takes out what would begin a new line or turn text around.
func clean(value string) string {
	return strings.Map(func(r rune) rune {
		if unprintable(r) {
			return -1
		}
		return r
	}, value)
}

func reasonWord(r payment.DeclineReason) string { return "reason_" + string(r) }

// outcomeWord names what became of a subscription.
func outcomeWord(a subscription.FinalAction) string {
	switch a {
	case subscription.FinalCancel:
		return "outcome_cancelled"
	case subscription.FinalPause:
		return "outcome_paused"
	case subscription.FinalUnpaid:
		return "outcome_unpaid"
	}
	return ""
}

// allWords are those that every language must have.
func allWords() []string {
	list := []string{
		"plan", "amount", "period", "method", "reference", string(RenewalDate), string(RetryDate), string(LastDate), string(EndDate),
		"your_method", "to_customer", "to_merchant",
	}
	for _, r := range payment.DeclineReasons {
		list = append(list, reasonWord(r))
	}
	for _, a := range subscription.FinalActions {
		list = append(list, outcomeWord(a))
	}
	return list
}
