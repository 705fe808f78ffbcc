package onboard

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"tillflow/internal/access/audit"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

// Records is the record of shops and accounts.
type Records interface {
	ProviderAccounts(ctx context.Context, shop string) ([]payment.ProviderAccount, error)
	Account(ctx context.Context, id string) (provider string, credentials map[string]string, live bool, err error)
	SaveAccount(ctx context.Context, a payment.AccountChange, entry audit.Entry) error
	RemoveAccount(ctx context.Context, shop, id string, entry audit.Entry) error
	SaveMarket(ctx context.Context, shop string, m payment.Market, entry audit.Entry) error
	DropMarket(ctx context.Context, shop string, m payment.Market, entry audit.Entry) error
	SaveShopSettings(ctx context.Context, in payment.ShopSettings, entry audit.Entry) error
}

// Providers finds connectors.
type Providers interface {
	Connector(name string) (psp.Connector, error)
	Names() []string
}

// Desk changes what a merchant sets up. Both members are required.
type Desk struct {
	Records   Records
	Providers Providers
}

// Form is what a provider's merchants fill in.
type Form struct {
	Provider string
	psp.Form
}

// Forms lists the providers that a merchant can connect, those for real money first.
func (d *Desk) Forms() []Form {
	var list []Form
	for _, name := range d.Providers.Names() {
		if f, err := d.Form(name); err == nil {
			list = append(list, f)
		}
	}
	slices.SortStableFunc(list, func(a, b Form) int {
		switch {
		case a.Live == b.Live:
			return strings.Compare(a.Title, b.Title)
		case a.Live:
			return -1
		}
		return 1
	})
	return list
}

// Form is a provider's, or payment.Unsupported.
func (d *Desk) Form(provider string) (Form, error) {
	connector, err := d.Providers.Connector(provider)
	if err != nil {
		return Form{}, err
	}
	asks, ok := connector.(psp.Connectable)
	if !ok {
		return Form{}, payment.Errorf(payment.Unsupported, "accounts of %s cannot be connected", provider)
	}
	return Form{Provider: provider, Form: asks.Form()}, nil
}

const maxLabel = 60

// Connect adds an account, or changes the one of that id. Credentials that are
// left out or empty are those that stand; nil credentials change none. What is
// given is sent to the provider in a live call that moves nothing, and stored
// once that is accepted. The error is Faults for what the person who asks can
// mend, and a *payment.Error for what they cannot: payment.Unavailable when the
// provider could not be asked. Then nothing was stored.
func (d *Desk) Connect(ctx context.Context, a payment.AccountChange, by By) error {
	form, err := d.Form(a.Provider)
	if err != nil {
		return Faults{FieldProvider: "There is no such provider."}
	}
	faults := Faults{}
	a.Label = strings.TrimSpace(a.Label)
	checkText(faults, FieldLabel, a.Label, maxLabel)
	if a.Label == "" {
		faults[FieldLabel] = "Say what buyers read, such as Card."
	}
	if a.Live && !form.Live || !a.Live && !form.Test {
		faults[FieldMode] = form.Title + " has no " + mode(a.Live) + " mode."
	}
	known, err := d.standing(ctx, a)
	if err != nil {
		return err
	}
	credentials := complete(faults, form, a.Credentials, known.credentials)
	if len(faults) > 0 {
		return faults
	}
	if a.Credentials != nil {
		if err := d.accepted(ctx, form, a, credentials); err != nil {
			return err
		}
		a.Credentials = credentials
	}
	err = d.Records.SaveAccount(ctx, a, by.entry(verb(known.there), "account "+a.ID, described(a)))
	if refusedBy(err, payment.Conflict, "label_taken") {
		return Faults{FieldLabel: "Another account of " + form.Title + " in this mode is called that. Take another name, so that you can tell them apart."}
	}
	return err
}

func verb(there bool) string {
	if there {
		return "account.change"
	}
	return "account.connect"
}

// described is what the audit holds of a change: names of credentials, never what
// is in them, and no label, which somebody typed.
func described(a payment.AccountChange) string {
	text := fmt.Sprintf("shop=%s provider=%s mode=%s enabled=%t", a.Shop, a.Provider, mode(a.Live), a.Enabled)
	if a.Credentials != nil {
		text += " credentials=" + strings.Join(slices.Sorted(maps.Keys(a.Credentials)), ",")
	}
	return text
}

// stood is what the record has of an account that is about to change.
type stood struct {
	there       bool
	credentials map[string]string
}

// standing reads an account after making sure that it is the shop's: nobody
// verifies with the credentials of another one.
func (d *Desk) standing(ctx context.Context, a payment.AccountChange) (stood, error) {
	list, err := d.Records.ProviderAccounts(ctx, a.Shop)
	if err != nil {
		return stood{}, err
	}
	i := slices.IndexFunc(list, func(have payment.ProviderAccount) bool { return have.ID == a.ID })
	if i < 0 {
		return stood{}, nil // a new one; an id that another shop has is refused by the record
	}
	if list[i].Provider != a.Provider || list[i].Live != a.Live {
		return stood{}, payment.Errorf(payment.NotFound, "the shop has no such account")
	}
	_, credentials, _, err := d.Records.Account(ctx, a.ID)
	return stood{true, credentials}, err
}

// complete takes what is given over what stands, and faults what does not fit the
// form. Values lose the blanks around them, which come from copying.
func complete(faults Faults, form Form, given, standing map[string]string) map[string]string {
	out := map[string]string{}
	for name := range given {
		if !slices.ContainsFunc(form.Fields, func(f psp.Field) bool { return f.Name == name }) {
			faults[name] = form.Title + " knows no such credential."
		}
	}
	for _, f := range form.Fields {
		value := strings.TrimSpace(given[f.Name])
		if value == "" {
			value = standing[f.Name]
		}
		checkText(faults, f.Name, value, f.Max)
		switch {
		case value != "":
			out[f.Name] = value
		case given != nil && !f.Optional:
			faults[f.Name] = "Fill this in."
		}
	}
	return out
}

// accepted asks the provider.
func (d *Desk) accepted(ctx context.Context, form Form, a payment.AccountChange, credentials map[string]string) error {
	connector, err := d.Providers.Connector(a.Provider)
	if err != nil {
		return err
	}
	verifier, ok := connector.(psp.Verifier)
	if !ok {
		return payment.Errorf(payment.Bug, "accounts of %s can be connected and not verified", a.Provider)
	}
	err = verifier.VerifyAccount(ctx, psp.Account{ID: a.ID, Shop: a.Shop, Live: a.Live, Credentials: credentials})
	switch payment.ClassOf(err, payment.Unavailable) {
	case payment.Unauthorized, payment.Invalid, payment.Unsupported, payment.NotFound, payment.Conflict:
		return refusal(form, err)
	case payment.RateLimited, payment.Unavailable, payment.Unknown, payment.StillPending, payment.Bug:
	}
	return err
}

// refusal says what the provider does not accept, at the field that it names.
func refusal(form Form, err error) error {
	text := err.Error()
	if e, ok := asError(err); ok {
		text = e.Message
	}
	for _, f := range form.Fields {
		if rest, found := strings.CutPrefix(text, f.Name+" "); found {
			return Faults{f.Name: "It " + strings.TrimSuffix(rest, ".") + ". Nothing was stored."}
		}
	}
	field := ""
	if len(form.Fields) > 0 {
		field = form.Fields[0].Name
	}
	return Faults{field: form.Title + " does not accept these credentials. Nothing was stored. Check that they are of the right account and mode and may do what is said beside them."}
}

// Remove takes an account away and destroys its credentials. Faults while
// payments need it.
func (d *Desk) Remove(ctx context.Context, shop, id string, by By) error {
	err := d.Records.RemoveAccount(ctx, shop, id, by.entry("account.remove", "account "+id, "shop="+shop))
	if refusedBy(err, payment.Conflict, "needed") {
		return Faults{"": "Payments that are not over need this account. Switch it off, so that no new ones begin, and remove it when they are done."}
	}
	return err
}

// checkText faults what must stand in no row.
func checkText(faults Faults, field, text string, most int) {
	switch {
	case utf8.RuneCountInString(text) > most:
		faults[field] = fmt.Sprintf("It is longer than %d characters.", most)
	case !utf8.ValidString(text), strings.ContainsFunc(text, unprintable):
		faults[field] = "It holds a character that cannot be printed."
	}
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }

func asError(err error) (*payment.Error, bool) { return errors.AsType[*payment.Error](err) }
