package merchant

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"tillflow/api"
	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// countryCode is the shape of ISO 3166-1 alpha-2.
var countryCode = regexp.MustCompile(`^[A-Z]{2}$`)

func bad(field, message string) error {
	return api.Refuse(http.StatusBadRequest, "invalid_request", field, message)
}

// strict decodes one JSON object and refuses members that do not exist, so that
// a misspelt one is not silently ignored.
func strict(body []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return wrongType("body", t)
		}
		return bad("body", "is not the expected JSON object: "+err.Error())
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return bad("body", "goes on after the JSON object")
	}
	return nil
}

// wrongType names the member of whole that is not what it should be.
func wrongType(whole string, err *json.UnmarshalTypeError) error {
	switch {
	case err.Field == "":
		return bad(whole, "is not a JSON object")
	case whole != "body":
		return bad(whole+"."+err.Field, "is not a "+err.Type.Kind().String())
	}
	return bad(err.Field, "is not a "+err.Type.Kind().String())
}

// plain checks a text that becomes part of rows, lists and logs: bounded, and
// without what PostgreSQL cannot store or a terminal would obey.
func plain(field, text string, most int) error {
	switch {
	case len(text) > most:
		return bad(field, fmt.Sprintf("is longer than %d bytes", most))
	case !utf8.ValidString(text), strings.ContainsFunc(text, unicode.IsControl):
		return bad(field, "holds a control character or is not UTF-8")
	}
	return nil
}

func checkRef(ref string) error {
	if ref == "" {
		return bad("ref", "is missing: your own id of the payment")
	}
	return checkID("ref", ref)
}

// checkID checks a merchant's own id. It stands in ids of runs, in lists and in
// logs, where nobody can be erased, so it must not name a person.
func checkID(field, id string) error {
	if strings.Contains(id, "@") {
		return bad(field, "looks like a mail address; an id must not name a person")
	}
	return plain(field, id, maxRef)
}

// check validates and completes the request.
func (in *createRequest) check() (money.Amount, error) {
	var none money.Amount
	if err := checkRef(in.Ref); err != nil {
		return none, err
	}
	if err := plain("description", in.Description, maxText); err != nil {
		return none, err
	}
	if err := plain("locale", in.Locale, maxLocale); err != nil {
		return none, err
	}
	if in.Country != "" && !countryCode.MatchString(in.Country) {
		return none, bad("country", "is not two capital letters")
	}
	switch in.Kind {
	case "":
		in.Kind = payment.Sale
	case payment.Sale, payment.Authorization:
	default:
		return none, bad("kind", "is neither sale nor authorization")
	}
	if err := webAddress("return_url", in.ReturnURL); err != nil {
		return none, err
	}
	if err := webAddress("cancel_url", in.CancelURL); err != nil {
		return none, err
	}
	return in.amount()
}

func (in *createRequest) amount() (money.Amount, error) {
	currency, err := money.ParseCurrency(in.Currency)
	if err != nil {
		return money.Amount{}, bad("currency", "is not a known currency")
	}
	return positive(in.Amount, currency)
}

func positive(text string, currency money.Currency) (money.Amount, error) {
	amount, err := money.Parse(text, currency)
	switch {
	case errors.Is(err, money.ErrTooPrecise):
		return money.Amount{}, bad("amount", "has more digits than "+string(currency)+" allows")
	case errors.Is(err, money.ErrNegative):
		return money.Amount{}, bad("amount", "is negative")
	case errors.Is(err, money.ErrOverflow):
		return money.Amount{}, bad("amount", "is too large")
	case err != nil:
		return money.Amount{}, bad("amount", `is not a decimal such as "12.30"`)
	case !amount.IsPositive():
		return money.Amount{}, bad("amount", "is not above zero")
	}
	return amount, nil
}

// webAddress accepts an empty address or an absolute one of the web.
func webAddress(field, address string) error {
	if address == "" {
		return nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || len(address) > 2048 {
		return bad(field, "is not an absolute web address of at most 2048 characters")
	}
	return nil
}

// buyerKey finds the person's address in the customer object, if there is one.
func (in *createRequest) buyerKey() (string, error) {
	var contact string
	var err error
	in.Customer, contact, err = customerOf(in.Customer)
	return contact, err
}

// customerOf reads a customer object; null is none. An address that is no text is
// refused: under it nobody could be found again, and what belongs to a person must
// be found to be erased.
func customerOf(raw json.RawMessage) (customer json.RawMessage, contact string, err error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, "", nil
	}
	contact, err = payment.Contact(raw)
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return nil, "", wrongType("customer", t)
	}
	if err != nil {
		return nil, "", bad("customer", "is not a JSON object")
	}
	return raw, contact, nil
}
