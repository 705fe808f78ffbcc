package notify

import (
	"context"
	"net/mail"
	"net/url"
	"strings"

	gomail "github.com/wneessen/go-mail"

	"tillflow/internal/letter"
	"tillflow/internal/payment"
)

// LetterRecords is what letters need of the record.
type LetterRecords interface {
	ShopSettings(ctx context.Context, shop string) (payment.ShopSettings, error)
	// OwnLetter reads a shop's own text of a letter; payment.NotFound: it has none.
	OwnLetter(ctx context.Context, shop string, kind letter.Kind, language string) (letter.Template, error)
}

// Letters sends the letters of subscriptions.
type Letters struct {
	Mailer  *Mailer
	Writer  *letter.Writer
	Records LetterRecords
	// PublicURL is where a shop's logo is fetched.
	PublicURL string
}

// SendLetter writes a letter in the reader's language, with the shop's own text if
// it has one, and hands it to the mail server. The Message-ID is the posting's
// own. The customer reads the shop's name as the sender's.
//
// Errors are those of [Mailer.SendNotice]; payment.Invalid "no_address" where there
// is nobody to write to. None holds an address.
func (l *Letters) SendLetter(ctx context.Context, p letter.Posting) error {
	settings, err := l.Records.ShopSettings(ctx, p.Shop)
	if err != nil {
		return err
	}
	address, locale := p.To, p.Locale
	if p.Kind.ToMerchant() {
		address, locale = settings.Mail, ""
	}
	to, err := mail.ParseAddress(address)
	if err != nil {
		return &payment.Error{Class: payment.Invalid, Code: "no_address", Message: "there is no usable mail address for a letter of a subscription"}
	}
	one := letter.Letter{Kind: p.Kind, Language: l.Writer.Pick(locale, settings.Languages...), Locale: locale, Facts: p.Facts}
	if one.Facts.Shop = settings.Label; one.Facts.Shop == "" {
		one.Facts.Shop = p.Shop
	}
	one.Look = letter.Look{Colour: settings.Colour, Logo: l.logo(settings.Logo)}
	own, err := l.Records.OwnLetter(ctx, p.Shop, p.Kind, one.Language)
	switch {
	case err == nil:
		one.Own = &own
	case payment.ClassOf(err, payment.Unavailable) != payment.NotFound:
		return err
	}
	written, err := l.Writer.Write(one)
	if err != nil {
		return payment.Errorf(payment.Bug, "%w", err)
	}
	if l.Mailer.host == "" {
		return notConfigured()
	}
	return l.Mailer.deliver(ctx, l.message(p.ID, one.Facts.Shop, to, written))
}

// logo is the address of a shop's picture; empty: it has none.
func (l *Letters) logo(sum string) string {
	if sum == "" {
		return ""
	}
	return strings.TrimRight(l.PublicURL, "/") + "/brand/" + sum + ".png"
}

func (l *Letters) message(id, shop string, to *mail.Address, m letter.Mail) *gomail.Msg {
	from := l.Mailer.from
	message := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	message.FromMailAddress(&mail.Address{Name: clean(shop), Address: from.Address})
	message.ToMailAddress(to)
	message.Subject(m.Subject)
	message.SetMessageIDWithValue("letter-" + url.PathEscape(id) + "@" + domain(from))
	message.SetDateWithValue(l.Mailer.opts.Now())
	message.SetGenHeader("Content-Language", m.Language)
	message.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no out-of-office answers
	message.SetGenHeader("X-Auto-Response-Suppress", "All")
	message.SetBodyString(gomail.TypeTextPlain, m.Text)
	message.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	return message
}
