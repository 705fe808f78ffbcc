package notify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/mail"
	"strings"

	gomail "github.com/wneessen/go-mail"

	"tillflow/internal/payment"
	"tillflow/internal/shopify/app"
)

// SendWarning mails a warning to those who run the service. Its Message-ID comes
// from the warning's key, so that one that went out twice is recognised. Without
// an address of theirs nothing is sent, which is no error: the log and the console
// have it. Errors are those of [Mailer.SendNotice].
func (m *Mailer) SendWarning(ctx context.Context, w app.Warning) error {
	if m.opts.Operator == "" {
		return nil
	}
	title, known := titleOf(w.Kind)
	if !known {
		return payment.Errorf(payment.Bug, "no mail for a warning of kind %q", w.Kind)
	}
	if m.host == "" {
		return notConfigured()
	}
	to, err := mail.ParseAddress(m.opts.Operator)
	if err != nil {
		return &payment.Error{Class: payment.Invalid, Code: "no_address", Message: "TILLFLOW_OPERATOR_MAIL is no usable mail address"}
	}
	about := "all shops"
	if w.Shop != "" {
		about = clean(w.Shop)
	}
	message := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	message.FromMailAddress(m.from)
	message.ToMailAddress(to)
	message.Subject(title + ": " + about)
	sum := sha256.Sum256([]byte(w.Key))
	message.SetMessageIDWithValue("warning-" + hex.EncodeToString(sum[:12]) + "@" + domain(m.from))
	message.SetDateWithValue(m.opts.Now())
	message.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no out-of-office answers
	message.SetGenHeader("X-Auto-Response-Suppress", "All")
	message.SetBodyString(gomail.TypeTextPlain, strings.Join([]string{
		title, about + ", since " + w.At.UTC().Format("2 January 2006, 15:04 MST"), "", clean(w.Detail), "",
		"This is said once. The console has it too, under Deliveries.", "",
	}, "\n"))
	return m.deliver(ctx, message)
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
	}
	return "", false
}
