package onboard

import (
	"context"
	"fmt"
	"net/mail"
	"slices"
	"strings"

	"tillflow/internal/brand"
	"tillflow/internal/payment"
)

// Language is one that the pay page has.
type Language struct{ Code, Name string }

// Languages lists those of the pay page, by their own names.
func Languages() []Language {
	return []Language{{"en", "English"}, {"de", "Deutsch"}, {"fr", "Français"}, {"es", "Español"}}
}

const (
	maxShopLabel = 80
	maxMail      = 254 // RFC 5321, section 4.5.3.1.3, without the brackets
)

// Shop is a form about a shop, as it was filled in.
type Shop struct {
	payment.ShopSettings
	LogoFile []byte // what was uploaded; nil: nothing
	DropLogo bool
}

// CheckName faults a shop's name that buyers could not read.
func CheckName(faults Faults, label string) {
	checkText(faults, FieldLabel, label, maxShopLabel)
	if label == "" {
		faults[FieldLabel] = "Buyers must know whom they pay."
	}
}

// CheckMail faults what is no single mail address.
func CheckMail(faults Faults, address string) {
	parsed, err := mail.ParseAddress(address)
	if err != nil || parsed.Address != address || len(address) > maxMail || strings.ContainsFunc(address, unprintable) ||
		!strings.Contains(address[strings.LastIndexByte(address, '@')+1:], ".") {
		faults[FieldMail] = "This is no mail address, such as owner@example.com."
	}
}

// SaveShop checks a form and stores what it says. Faults for what does not fit.
func (d *Desk) SaveShop(ctx context.Context, in Shop, by By) error {
	faults := Faults{}
	in.Label, in.Mail = strings.TrimSpace(in.Label), strings.TrimSpace(in.Mail)
	CheckName(faults, in.Label)
	CheckMail(faults, in.Mail)
	in.Colour = checkColour(faults, in.Colour)
	checkLanguages(faults, in.Languages)
	switch {
	case in.DropLogo:
		in.NewLogo = &payment.Logo{}
	case in.LogoFile != nil:
		png, sum, err := brand.Logo(in.LogoFile)
		if err != nil {
			faults[FieldLogo] = sentence(err.Error())
		}
		in.NewLogo = &payment.Logo{PNG: png, Sum: sum}
	}
	if err := faults.orNil(); err != nil {
		return err
	}
	detail := fmt.Sprintf("colour=%s languages=%s logo=%s", orNone(in.Colour), strings.Join(in.Languages, ","), logoChange(in.NewLogo))
	return d.Records.SaveShopSettings(ctx, in.ShopSettings, by.entry("shop.change", "shop "+in.Shop, detail))
}

func logoChange(l *payment.Logo) string {
	switch {
	case l == nil:
		return "same"
	case l.Sum == "":
		return "none"
	}
	return l.Sum
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

// checkColour gives the colour as it is stored.
func checkColour(faults Faults, text string) string {
	text = strings.TrimSpace(text)
	if text == "" {
		return ""
	}
	c, err := brand.ParseColour(text)
	if err != nil {
		faults[FieldColour] = sentence(err.Error())
		return text
	}
	if !c.Readable() {
		near := c.Nearest()
		faults[FieldColour] = fmt.Sprintf("Text in %s cannot be read on white: its contrast is %.1f and has to be 4.5. The nearest shade that can is %s.",
			c, brand.Contrast(c, brand.Colour{R: 255, G: 255, B: 255}), near)
	}
	return c.Hex()
}

func checkLanguages(faults Faults, codes []string) {
	all := Languages()
	for i, code := range codes {
		if slices.Contains(codes[:i], code) || !slices.ContainsFunc(all, func(l Language) bool { return l.Code == code }) {
			faults[FieldLanguages] = "The pay page has no such language, or it is named twice."
			return
		}
	}
	if len(codes) == 0 {
		faults[FieldLanguages] = "Choose at least one language."
	}
}

// sentence begins with a capital and ends with a full stop.
func sentence(text string) string { return strings.ToUpper(text[:1]) + text[1:] + "." }
