package shopify

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// MaxSessionBody bounds the body of a session request. Real ones are a few KiB.
const MaxSessionBody = 64 << 10

const gidPrefix = "gid://shopify/"

// Limits of what we accept, in bytes. Shopify publishes none; its own values are far below.
const (
	maxID        = 100
	maxGroup     = 255
	maxLocale    = 35 // RFC 5646, section 4.4.1
	maxCancelURL = 4096
)

// PaymentSession is Shopify's request to take or hold a buyer's money, checked.
type PaymentSession struct {
	// ID names one payment attempt and is its idempotency key: requests of one shop with equal ids are the same request.
	ID string
	// GID is the id in mutations, "gid://shopify/PaymentSession/{ID}".
	GID string
	// Group is shared by all attempts for one checkout; only one of them may be paid.
	Group string
	// SessionID is shared by the sessions of one group, buyer session and payment details; may be empty.
	SessionID string
	// Amount is above zero.
	Amount money.Amount
	Kind   payment.Kind
	// Test sessions must not move money.
	Test bool
	// MerchantLocale is the merchant's language, a BCP 47 tag.
	MerchantLocale string
	// CancelURL is where a buyer goes who gives up on our page; an absolute web address.
	CancelURL  string
	ProposedAt time.Time
	// Customer is personal data, kept apart so that the rest may be stored and logged.
	Customer Customer `json:"-"`

	// ShopDomain is the permanent domain, "{shop}.myshopify.com", in lower case.
	ShopDomain string
	// RequestID is Shopify's id of the request, for support cases; may be empty.
	RequestID string
	// APIVersion is the version set in the payments extension; may be empty.
	APIVersion string
}

// Customer is what a session says about the buyer: personal data. It prints as "***" and has no JSON form.
type Customer struct {
	// Raw is the whole object as received, addresses included; nil if there is none.
	Raw json.RawMessage
	// Email, Phone and Locale are empty if not given. Locale is a BCP 47 tag. None of them is validated: they are the buyer's words.
	Email, Phone, Locale string
	// Country is the one of the billing address, else of the shipping address, as two capital letters; empty if there is none.
	Country string
}

// String implements [fmt.Stringer].
func (Customer) String() string { return hidden }

// GoString implements [fmt.GoStringer].
func (Customer) GoString() string { return hidden }

// MarshalText keeps the customer out of JSON.
func (Customer) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// FieldError is a request we refuse. It never repeats what was sent.
type FieldError struct {
	// Field is the path of the member ("payment_method.data.cancel_url"), the name of a header, or "body".
	Field string
	// Reason completes the sentence that begins with the field: "is missing".
	Reason string
}

// Error implements error.
func (e *FieldError) Error() string { return e.Field + " " + e.Reason }

// ParsePaymentSession reads the request Shopify posts when a buyer chooses us. The caller has authenticated it by its client
// certificate. Unknown members are accepted: Shopify adds some without a new version. Every error is a [*FieldError], about the
// first fault found.
func ParsePaymentSession(headers http.Header, body []byte) (PaymentSession, error) {
	r := &reader{}
	var s PaymentSession
	s.ShopDomain, s.RequestID, s.APIVersion = r.envelope(headers)
	root := r.root(body)
	s.ID, s.GID = r.identity(root, "PaymentSession")
	s.Group = r.token(root, "group", maxGroup)
	s.SessionID = r.optionalToken(root, "session_id", maxGroup)
	s.Amount = r.amount(root)
	if r.err == nil && !s.Amount.IsPositive() {
		r.fail("amount", "is not above zero")
	}
	s.Kind = r.kind(root)
	s.Test = r.boolean(root, "test")
	s.MerchantLocale = r.token(root, "merchant_locale", maxLocale)
	s.ProposedAt = r.instant(root, "proposed_at")
	s.CancelURL = r.cancelURL(root)
	s.Customer = r.customer(root)
	if r.err != nil {
		return PaymentSession{}, r.err
	}
	return s, nil
}

// envelope reads the headers that every session request carries.
func (r *reader) envelope(headers http.Header) (shop, requestID, version string) {
	return r.shopDomain(headers.Get("Shopify-Shop-Domain")), printable(headers.Get("Shopify-Request-Id")), printable(headers.Get("Shopify-Api-Version"))
}

func (r *reader) shopDomain(header string) string {
	domain := strings.ToLower(header)
	switch {
	case domain == "":
		r.fail("Shopify-Shop-Domain", "is missing")
	case !ValidShopDomain(domain):
		r.fail("Shopify-Shop-Domain", "is not a shop's myshopify.com domain")
	}
	return domain
}

// identity reads a session's id and its gid.
func (r *reader) identity(o object, kind string) (id, gid string) {
	id = r.token(o, "id", maxID)
	if strings.Contains(id, "/") {
		r.fail("id", "holds a slash, which separates the parts of a gid")
	}
	return id, r.gid(o, kind, id)
}

// gid checks that the global id is the one of this kind and id, since mutations are sent with it and rows are found by the id.
func (r *reader) gid(o object, kind, id string) string {
	gid := r.text(o, "gid", len(gidPrefix)+len(kind)+1+maxID)
	if r.err == nil && gid != gidPrefix+kind+"/"+id {
		r.fail("gid", "is not "+gidPrefix+kind+"/ followed by the id")
	}
	return gid
}

// amount reads "amount" and "currency" together: zero or more. The amount is a decimal string; a JSON number is taken by its digits, never by way
// of a float.
func (r *reader) amount(o object) money.Amount {
	code := r.text(o, "currency", 3)
	decimal := r.decimal(o, "amount")
	if r.err != nil {
		return money.Amount{}
	}
	currency, err := money.ParseCurrency(code)
	if err != nil {
		r.fail("currency", "is not a known currency")
		return money.Amount{}
	}
	amount, err := money.Parse(decimal, currency)
	switch {
	case errors.Is(err, money.ErrNegative):
		r.fail("amount", "is negative")
	case errors.Is(err, money.ErrTooPrecise):
		r.fail("amount", "has more digits than "+code+" allows")
	case errors.Is(err, money.ErrOverflow):
		r.fail("amount", "is too large")
	case err != nil:
		r.fail("amount", "is not a decimal number")
	}
	return amount
}

func (r *reader) kind(o object) payment.Kind {
	switch kind := payment.Kind(r.text(o, "kind", 32)); kind {
	case payment.Sale, payment.Authorization:
		return kind
	default:
		r.fail("kind", "is neither sale nor authorization")
		return ""
	}
}

// cancelURL reads payment_method, of which we serve one type. Versions of long ago had cancel_url at the top level.
func (r *reader) cancelURL(root object) string {
	method := r.object(root, "payment_method")
	if kind := r.text(method, "payment_method.type", 64); r.err == nil && kind != "offsite" {
		r.fail("payment_method.type", "is not offsite, the only type this app serves")
	}
	data := r.object(method, "payment_method.data")
	holder, field := data, "payment_method.data.cancel_url"
	if !data.has("cancel_url") && root.has("cancel_url") {
		holder, field = root, "cancel_url"
	}
	address := r.text(holder, field, maxCancelURL)
	if r.err != nil {
		return ""
	}
	if err := checkWebAddress(address); err != nil {
		r.fail(field, err.Error())
	}
	return address
}

func (r *reader) customer(root object) Customer {
	if !root.has("customer") {
		return Customer{}
	}
	customer := r.object(root, "customer")
	return Customer{
		Raw:    root["customer"],
		Email:  r.optionalText(customer, "customer.email"),
		Phone:  r.optionalText(customer, "customer.phone_number"),
		Locale: r.optionalText(customer, "customer.locale"), Country: countryOf(customer),
	}
}

// countryOf reads an address of the buyer's, which only picks what is offered: what does not look like a country is none, and no
// reason to refuse a payment.
func countryOf(customer object) string {
	for _, name := range []string{"billing_address", "shipping_address"} {
		var address struct {
			Code any `json:"country_code"`
		}
		if json.Unmarshal(customer[name], &address) != nil {
			continue
		}
		if code, _ := address.Code.(string); countryCode.MatchString(code) {
			return code
		}
	}
	return ""
}

// checkWebAddress accepts what a browser may safely be sent to: an absolute http or https address without credentials.
func checkWebAddress(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return errors.New("is not a web address") // the cause would repeat the address
	case u.Scheme != "https" && u.Scheme != "http":
		return errors.New("is not an http or https address")
	case u.Hostname() == "":
		return errors.New("has no host")
	case u.User != nil:
		return errors.New("holds credentials")
	}
	return nil
}
