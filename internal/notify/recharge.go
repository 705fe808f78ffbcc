package notify

import (
	"context"
	"fmt"
	"net/mail"
	"slices"
	"strconv"
	"strings"

	gomail "github.com/wneessen/go-mail"

	"tillflow/internal/payment"
	"tillflow/internal/recharge"
)

// RechargeMails tell merchants which subscription charges failed. They name
// charges and amounts, and no customer: who it is stands at Recharge and in the
// console.
type RechargeMails struct {
	Mailer *Mailer
	// PublicURL is where the console is.
	PublicURL string
}

// SendReport mails one report. The Message-ID is the report's own, so that a mail
// that went out twice is recognised as one. Errors are those of
// [Mailer.SendNotice]; where mails are not configured the report stays due.
func (r *RechargeMails) SendReport(ctx context.Context, report recharge.Report) error {
	if r.Mailer.host == "" {
		if report.Tries <= 1 {
			r.Mailer.opts.Log.Error().Str("shop", report.Shop).Str("report", report.ID).Int("charges", len(report.Charges)).
				Msg("charges failed and the merchant cannot be told: mails are not configured")
		}
		return notConfigured()
	}
	to, err := mail.ParseAddress(report.Mail)
	if err != nil {
		return &payment.Error{Class: payment.Invalid, Code: "no_address", Message: "the shop has no usable mail address"}
	}
	message := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	message.FromMailAddress(r.Mailer.from)
	message.ToMailAddress(to)
	message.Subject(reportSubject(report))
	message.SetMessageIDWithValue("recharge-" + report.ID + "@" + domain(r.Mailer.from))
	message.SetDateWithValue(r.Mailer.opts.Now())
	message.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no out-of-office answers
	message.SetGenHeader("X-Auto-Response-Suppress", "All")
	message.SetBodyString(gomail.TypeTextPlain, reportText(report, strings.TrimRight(r.PublicURL, "/")))
	return r.Mailer.deliver(ctx, message)
}

func reportSubject(r recharge.Report) string {
	if len(r.Charges) == 1 {
		return "A subscription charge failed: " + clean(r.Shop)
	}
	return fmt.Sprintf("%d subscription charges failed: %s", len(r.Charges), clean(r.Shop))
}

// reportText lists the charges by what can be done about them.
func reportText(r recharge.Report, public string) string {
	lines := []string{
		"Recharge could not take these payments of your subscribers. Nothing was charged for them.",
		"Each charge is told once. Recharge goes on trying by its own schedule where a time is given.",
	}
	categories := recharge.Categories()
	for _, c := range r.Charges {
		if !slices.Contains(categories, c.Category) {
			categories = append(categories, c.Category) // of another release: no charge is left out
		}
	}
	for _, category := range categories {
		var of []string
		for _, c := range r.Charges {
			if c.Category == category {
				of = append(of, chargeLine(c))
			}
		}
		if len(of) > 0 {
			lines = append(append(lines, "", fmt.Sprintf("%s (%d)", ReasonOf(category), len(of)), AdviceOf(category), ""), of...)
		}
	}
	return strings.Join(append(lines, "", "All of them, with filters and a file for spreadsheets: "+public+"/console/recharge", ""), "\n")
}

// chargeLine is one charge: "  charge 990001  24.99 USD  CARD_EXPIRED  tried 2 times, again 2 January 2026, 15:04 UTC".
func chargeLine(c recharge.Failed) string {
	amount := "amount unreadable"
	if c.Amount.Currency != "" {
		amount = c.Amount.String()
	}
	line := "  charge " + strconv.FormatInt(c.ChargeID, 10) + "  " + amount + "  " + orDash(clean(c.ErrorType))
	if c.ShopifyOrder != "" {
		line += "  order " + clean(c.ShopifyOrder)
	}
	switch {
	case c.Exhausted:
		line += "  given up by Recharge"
	case !c.RetryAt.IsZero():
		line += "  Recharge tries again " + day(c.RetryAt)
	}
	return line
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// ReasonOf says in words why charges of a category failed.
func ReasonOf(c recharge.Category) string {
	switch c {
	case recharge.InsufficientFunds:
		return "Not enough money"
	case recharge.ExpiredCard:
		return "The card has expired"
	case recharge.AuthenticationRequired:
		return "The customer has to confirm the payment"
	case recharge.Fraud:
		return "Suspected fraud"
	case recharge.Declined:
		return "Declined"
	case recharge.Unavailable:
		return "A service was not available"
	case recharge.Merchant:
		return "Something in the shop is in the way"
	case recharge.NoAction:
		return "Already mended by the customer"
	case recharge.Unmapped:
		return "A reason that Recharge has not published"
	}
	return "A reason that is not known here"
}

// AdviceOf says what may be done about charges of a category.
func AdviceOf(c recharge.Category) string {
	switch c {
	case recharge.InsufficientFunds:
		return "Recharge tries again; the customer may also use another card."
	case recharge.ExpiredCard, recharge.Declined:
		return "The customer needs to enter another card or bank account in the customer portal."
	case recharge.AuthenticationRequired:
		return "The customer needs to confirm the payment with the bank, by the link that Recharge sends."
	case recharge.Fraud:
		return "Look at the customer before anything is charged again. Do not write that fraud is suspected."
	case recharge.Unavailable, recharge.NoAction:
		return "Nothing to do: Recharge tries again."
	case recharge.Merchant:
		return "Stock, shipping, tax, a discount or a setting stops it: the charge's page at Recharge says which."
	case recharge.Unmapped:
		return "Look at the charge at Recharge."
	}
	return "Look at the charge at Recharge."
}
