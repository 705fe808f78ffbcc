// Package onboard is what a merchant sets up: accounts at providers, the options
// that buyers see, name, mail address and look of the shop. The pages of
// api/onboard and the commands `tillflow account` and `tillflow shop` are two
// hands on the same functions.
//
// Credentials reach the record only after the provider has accepted them in a
// live call that moves nothing, and leave it masked. Every change is noted in the
// audit, in the transaction that makes it. What is refused is refused whole, with
// a sentence for each field.
package onboard

import (
	"maps"
	"slices"
	"strings"

	"tillflow/internal/access/audit"
	"tillflow/internal/payment"
)

// Faults are what is wrong with a form: a sentence by the name of its field, for
// the person who filled it in. The empty name is the whole form.
type Faults map[string]string

// Error implements error.
func (f Faults) Error() string {
	var parts []string
	for _, field := range slices.Sorted(maps.Keys(f)) {
		if field == "" {
			parts = append(parts, f[field])
			continue
		}
		parts = append(parts, field+": "+f[field])
	}
	return strings.Join(parts, "; ")
}

// orNil is the faults as an error.
func (f Faults) orNil() error {
	if len(f) == 0 {
		return nil
	}
	return f
}

// Names of fields in Faults that are no credential's.
const (
	FieldProvider  = "provider"
	FieldMode      = "mode"
	FieldLabel     = "label"
	FieldMail      = "mail"
	FieldColour    = "colour"
	FieldLogo      = "logo"
	FieldLanguages = "languages"
	FieldCurrency  = "currency"
	FieldCountry   = "country"
	FieldAccounts  = "accounts"
)

// By is who does something, and where.
type By struct {
	Actor audit.Actor
	Via   string // "browser" or "command"
}

// Merchant is whoever acts for a shop in the browser: Shopify proves the shop,
// not the person.
func Merchant(shop string) By {
	return By{Actor: audit.Actor{Name: "merchant of " + shop}, Via: "browser"}
}

func (b By) entry(action, subject, detail string) audit.Entry {
	return audit.Entry{Actor: b.Actor, Action: action, Subject: subject, Detail: strings.TrimSpace("via=" + b.Via + " " + detail)}
}

func mode(live bool) string {
	if live {
		return "live"
	}
	return "test"
}

// refusedBy reads a refusal of the record with a code.
func refusedBy(err error, class payment.Class, code string) bool {
	e, ok := asError(err)
	return ok && e.Class == class && e.Code == code
}
