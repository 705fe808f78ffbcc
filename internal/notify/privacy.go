package notify

import (
	"context"
	"fmt"
	"net/mail"
	"net/url"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"tillflow/internal/crypt"
	"tillflow/internal/payment"
	"tillflow/internal/privacy"
)

// PrivacyMails sends mails about privacy requests. They name requests and shops,
// and no person: what a merchant is told about one waits behind a link.
type PrivacyMails struct {
	Mailer *Mailer
	// Operator is the address of who runs the service; empty: nobody is warned but by the log.
	Operator string
	// PublicURL is where merchants reach us.
	PublicURL string
}

// SendWarning tells the operator that a request needs somebody. The Message-ID is
// the warning's own, so that a mail that went out twice is recognised as one.
// Errors are those of SendNotice; payment.Invalid "no_address" without an address.
func (p *PrivacyMails) SendWarning(ctx context.Context, w privacy.Warning) error {
	lines := []string{
		"Request   " + w.RequestID,
		"Shop      " + clean(w.Shop),
		"Asks for  " + asksFor(w.Kind),
		"State     " + string(w.State),
		"Deadline  " + day(w.DueAt),
		"", troubleText(w), "",
		"What to do:",
		"  tillflow privacy show " + w.RequestID,
	}
	if w.Trouble == privacy.OpenPayments {
		lines = append(lines, "  tillflow payment list -operator -shop "+clean(w.Shop))
	}
	lines = append(lines, "  tillflow privacy retry "+w.RequestID, "", "This mail names nobody on purpose.")
	name := fmt.Sprintf("privacy-%s-%s-%d-%d", w.RequestID, orClock(w.Trouble), int64(w.Ahead/time.Minute), w.Nth)
	return p.send(ctx, p.Operator, warningTitle(w)+": "+clean(w.Shop), name, lines)
}

// SendExport tells a merchant where the export waits.
func (p *PrivacyMails) SendExport(ctx context.Context, l privacy.Letter) error {
	return p.send(ctx, l.To, "A customer's data request: "+clean(l.Shop), "export-"+crypt.TokenName(l.Link), []string{
		"One of your customers has asked, through Shopify, what is known about them.",
		"What we know waits for you, encrypted, here:", "",
		strings.TrimRight(p.PublicURL, "/") + "/privacy/" + l.Link, "",
		"The page asks for a passphrase. It is not in this mail: whoever runs this payments app tells it to you,",
		"for example by telephone. Name the request " + l.RequestID + ".", "",
		"The link is good until " + day(l.ExpiresAt) + fmt.Sprintf(", for %d downloads.", privacy.MaxDownloads),
		"The law wants your customer to have the answer before " + day(l.DueAt) + ".", "",
		"If there is a newer mail about this request, the link in that one is the good one.",
	})
}

func (p *PrivacyMails) send(ctx context.Context, address, subject, name string, lines []string) error {
	to, err := mail.ParseAddress(address)
	if err != nil {
		return &payment.Error{Class: payment.Invalid, Code: "no_address", Message: "there is no usable mail address"}
	}
	if p.Mailer.host == "" {
		return notConfigured()
	}
	message := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	message.FromMailAddress(p.Mailer.from)
	message.ToMailAddress(to)
	message.Subject(subject)
	message.SetMessageIDWithValue(url.PathEscape(name) + "@" + domain(p.Mailer.from))
	message.SetDateWithValue(p.Mailer.opts.Now())
	message.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no out-of-office answers
	message.SetGenHeader("X-Auto-Response-Suppress", "All")
	message.SetBodyString(gomail.TypeTextPlain, strings.Join(lines, "\n")+"\n")
	return p.Mailer.deliver(ctx, message)
}

func day(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 MST") }

func orClock(t privacy.Trouble) string {
	if t == privacy.NoTrouble {
		return "clock"
	}
	return string(t)
}

func asksFor(k privacy.Kind) string {
	switch k {
	case privacy.DataRequest:
		return "all that is known of a person"
	case privacy.Customer:
		return "a person to be forgotten"
	case privacy.Shop:
		return "a shop to be forgotten"
	}
	return string(k)
}

func warningTitle(w privacy.Warning) string {
	switch {
	case w.Trouble != privacy.NoTrouble:
		return "A privacy request needs a person"
	case w.Ahead > 0:
		return "A privacy request is due soon"
	}
	return "A privacy request is overdue"
}

func troubleText(w privacy.Warning) string {
	switch w.Trouble {
	case privacy.OpenPayments:
		return "The law's time is over and a payment of the person is still open. Nothing is erased while money is open. Bring the payment to its end."
	case privacy.Residue:
		return "The keys are destroyed, and the person was still found outside the vault. The request's page says where. Remove it there and look again."
	case privacy.NoAddress:
		return "The merchant cannot be mailed: the shop has no usable address. Set one, or hand over what `tillflow privacy export` writes."
	case privacy.Overdue:
		return "A step fails again and again; the failed activity in Temporal says why. It is tried again by itself."
	case privacy.NoTrouble:
	}
	if w.Ahead > 0 {
		return fmt.Sprintf("It is not served yet, and %d hours are left.", int(w.Ahead.Hours()))
	}
	return "It is not served yet, and the law's time is over."
}
