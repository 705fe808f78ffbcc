package notify

import (
	"bytes"
	"embed"
	"fmt"
	html "html/template"
	"net/mail"
	"net/url"
	"strings"
	text "text/template"
	"unicode"

	gomail "github.com/wneessen/go-mail"

	"tillflow/internal/payment"
)

//go:embed templates
var files embed.FS

// templates are the two parts of a mail; both show the same letter.
type templates struct {
	text *text.Template
	html *html.Template
}

func parse() (*templates, error) {
	plain, err := text.ParseFS(files, "templates/notice.txt")
	if err != nil {
		return nil, fmt.Errorf("parse mail text: %w", err)
	}
	rich, err := html.ParseFS(files, "templates/notice.html")
	if err != nil {
		return nil, fmt.Errorf("parse mail page: %w", err)
	}
	return &templates{plain, rich}, nil
}

// sheet is what a mail says.
type sheet struct {
	advice
	Amount    string
	Shop      string
	Session   string
	PaymentID string
	Since     string
	Runs      string // link to the runs in Temporal's web UI, empty for none
}

// compose writes the mail of a notice.
func (m *Mailer) compose(n payment.Notice) (*gomail.Msg, error) {
	a, known := adviceFor(n)
	if !known {
		return nil, payment.Errorf(payment.Bug, "no mail for reason %q", n.Reason)
	}
	l := sheet{
		advice: a, Amount: n.Amount.String(), Shop: clean(n.Shop), Session: clean(n.External), PaymentID: clean(n.PaymentID),
		Since: n.Since.UTC().Format("2 January 2006, 15:04 MST"), Runs: m.runs(n),
	}
	var plain, rich bytes.Buffer
	if err := m.pages.text.Execute(&plain, l); err != nil {
		return nil, payment.Errorf(payment.Bug, "write mail text: %w", err)
	}
	if err := m.pages.html.Execute(&rich, l); err != nil {
		return nil, payment.Errorf(payment.Bug, "write mail page: %w", err)
	}
	from := m.from
	if from == nil {
		from = &mail.Address{Address: "tillflow@localhost"} // not configured: checked, never sent
	}
	to, err := mail.ParseAddress(n.Mail)
	if err != nil {
		return nil, &payment.Error{Class: payment.Invalid, Code: "no_address", Message: "the shop has no usable mail address"}
	}
	message := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	message.FromMailAddress(from)
	message.ToMailAddress(to)
	message.Subject(l.Title + ": " + l.Amount + ", " + l.Shop)
	message.SetMessageIDWithValue(fmt.Sprintf("notice-%d.%s@%s", n.ID, url.PathEscape(l.PaymentID), domain(from)))
	message.SetDateWithValue(m.opts.Now())
	message.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no out-of-office answers
	message.SetGenHeader("X-Auto-Response-Suppress", "All")
	message.SetBodyString(gomail.TypeTextPlain, plain.String())
	message.AddAlternativeString(gomail.TypeTextHTML, rich.String())
	return message, nil
}

// runs is the address of the list of the runs that a notice may be about. A run
// of a capture, void, refund or reversal is named by a reference of its own, so
// all runs of the shop that need a person are shown beside the payment's.
func (m *Mailer) runs(n payment.Notice) string {
	if m.opts.TemporalUI == "" {
		return ""
	}
	query := "PayShop=" + quoted(n.Shop) + " AND (PayRef=" + quoted(n.External) + " OR PayNeedsOperator=true)"
	escaped := strings.ReplaceAll(url.QueryEscape(query), "+", "%20")
	return strings.TrimRight(m.opts.TemporalUI, "/") + "/namespaces/" + url.PathEscape(m.opts.Namespace) + "/workflows?query=" + escaped
}

// quoted is a string of Temporal's list queries.
func quoted(value string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(clean(value)) + `"`
}

// clean takes control characters out of what others named: a line break would
// begin a new line of the mail.
func clean(value string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, value)
}
