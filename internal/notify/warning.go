package notify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/mail"
	"strings"

	gomail "github.com/wneessen/go-mail"

	"tillflow/internal/payment"
	"tillflow/internal/shopify/app"
)

// mostWarnings bounds what one mail tells; the rest stands in the console.
const mostWarnings = 30

// SendWarnings mails warnings of one kind to those who run the service. The
// Message-ID comes from the warnings' keys, so that a mail that went out twice is
// recognised. Without an address of theirs nothing is sent, which is no error: the
// log and the console have it. Errors are those of [Mailer.SendNotice].
func (m *Mailer) SendWarnings(ctx context.Context, kind app.WarningKind, all []app.Warning) error {
	if m.opts.Operator == "" || len(all) == 0 {
		return nil
	}
	title, known := titleOf(kind)
	if !known {
		return payment.Errorf(payment.Bug, "no mail for a warning of kind %q", kind)
	}
	if m.host == "" {
		return notConfigured()
	}
	to, err := mail.ParseAddress(m.opts.Operator)
	if err != nil {
		return &payment.Error{Class: payment.Invalid, Code: "no_address", Message: "TILLFLOW_OPERATOR_MAIL is no usable mail address"}
	}
	message := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	message.FromMailAddress(m.from)
	message.ToMailAddress(to)
	message.Subject(title + ": " + about(all))
	sum := sha256.New()
	for _, w := range all {
		sum.Write([]byte(w.Key + "\n"))
	}
	message.SetMessageIDWithValue("warning-" + hex.EncodeToString(sum.Sum(nil)[:12]) + "@" + domain(m.from))
	message.SetDateWithValue(m.opts.Now())
	message.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no out-of-office answers
	message.SetGenHeader("X-Auto-Response-Suppress", "All")
	message.SetBodyString(gomail.TypeTextPlain, warningText(title, all))
	return m.deliver(ctx, message)
}

// about names the shop, or how many there are.
func about(all []app.Warning) string {
	switch {
	case len(all) > 1:
		return fmt.Sprintf("%d warnings", len(all))
	case all[0].Shop == "":
		return "all shops"
	}
	return clean(all[0].Shop)
}

func warningText(title string, all []app.Warning) string {
	lines := []string{title, ""}
	for _, w := range all[:min(len(all), mostWarnings)] {
		lines = append(lines, about([]app.Warning{w})+", "+w.At.UTC().Format("2 January 2006, 15:04 MST"), clean(w.Detail), "")
	}
	if more := len(all) - mostWarnings; more > 0 {
		lines = append(lines, fmt.Sprintf("And %d more.", more), "")
	}
	return strings.Join(append(lines, "Each is said once. The console shows them under Deliveries, Shopify.", ""), "\n")
}

func titleOf(kind app.WarningKind) (string, bool) {
	switch kind {
	case app.WarnVersion:
		return "Shopify's API version is ageing", true
	case app.WarnDeprecated:
		return "Shopify calls a request of ours deprecated", true
	case app.WarnLost:
		return "Messages of Shopify were lost and are filled in", true
	case app.WarnUnguarded:
		return "Shopify's messages cannot be looked after", true
	case app.WarnRecharge:
		return "Failed subscription charges cannot be read", true
	}
	return "", false
}
