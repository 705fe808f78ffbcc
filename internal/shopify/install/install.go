package install

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"tillflow/internal/payment"
	"tillflow/internal/shopify"
	"tillflow/internal/shopify/app"
)

// StateLifetime is how long a merchant may take on Shopify's page of consent.
const StateLifetime = 10 * time.Minute

// App is one of our apps as Shopify knows it. All members are required.
type App struct {
	Name app.Name
	// BaseURL is where shops are, as in shopify.Options.
	BaseURL  string
	ClientID string
	// Secrets are the client secrets, the newest first. During a rotation the old one stays for some hours: Shopify may sign with it
	// until the new one is known everywhere.
	Secrets []app.Secret
	// Scopes are what the app asks for, and insists on.
	Scopes []string
	// RedirectURL is our callback, exactly as the app's configuration at Shopify lists it.
	RedirectURL string
}

// Check names what is wrong with the settings.
func (a App) Check() error {
	redirect, err := url.Parse(a.RedirectURL)
	switch {
	case !a.Name.Known():
		return errors.New("install: the app has no known name")
	case a.ClientID == "" || len(a.Scopes) == 0:
		return fmt.Errorf("install %s app: client id and scopes are required", a.Name)
	case len(a.Secrets) == 0 || a.Secrets[0] == "":
		return fmt.Errorf("install %s app: a client secret is required", a.Name)
	case err != nil || redirect.Host == "" || redirect.RawQuery != "" || redirect.Fragment != "":
		return fmt.Errorf("install %s app: the redirect url is not an absolute address without query", a.Name)
	}
	_, err = shopify.Address(a.BaseURL, "example.myshopify.com", "/")
	return err
}

// Shop is the shop that the merchant's browser names when an installation begins. The query may carry Shopify's signature, as it
// does when the app is opened from the admin: then it must be good. Without one the shop is only a wish, and Shopify's page of
// consent asks who may grant it.
func (a App) Shop(rawQuery string, now time.Time) (string, error) {
	q, err := parse(rawQuery)
	if err != nil {
		return "", err
	}
	if _, signed := q["hmac"]; signed {
		if _, err := q.verify(a.Secrets, now); err != nil {
			return "", err
		}
	}
	return q.shop()
}

func (q query) shop() (string, error) {
	shop := q["shop"]
	if !shopify.ValidShopDomain(shop) {
		return "", refuse(NotAShop, "the shop is missing or not below myshopify.com")
	}
	return shop, nil
}

// AuthorizeURL is Shopify's page that asks the merchant for access. state comes back with the callback.
func (a App) AuthorizeURL(shop, state string) (string, error) {
	address, err := shopify.Address(a.BaseURL, shop, "/admin/oauth/authorize")
	if err != nil {
		return "", err
	}
	// Without grant_options[] the tokens are offline ones: the shop's, not a person's.
	return address + "?" + url.Values{
		"client_id": {a.ClientID}, "scope": {strings.Join(a.Scopes, ",")}, "redirect_uri": {a.RedirectURL}, "state": {state},
	}.Encode(), nil
}

// SettingsURL is the page of the shop's admin where the merchant activates the payments app.
func (a App) SettingsURL(shop string) (string, error) {
	return shopify.Address(a.BaseURL, shop, "/services/payments_partners/gateways/"+url.PathEscape(a.ClientID)+"/settings")
}

// Callback is what Shopify sends the merchant's browser back with, verified.
type Callback struct {
	Shop  string
	State app.Secret
	Code  app.Secret
	// At is when Shopify signed it.
	At time.Time
}

// Callback verifies the raw query of a callback. Who it was started by is the record's to say, by the state.
func (a App) Callback(rawQuery string, now time.Time) (Callback, error) {
	q, err := parse(rawQuery)
	if err != nil {
		return Callback{}, err
	}
	at, err := q.verify(a.Secrets, now)
	if err != nil {
		return Callback{}, err
	}
	shop, err := q.shop()
	if err != nil {
		return Callback{}, err
	}
	c := Callback{Shop: shop, State: app.Secret(q["state"]), Code: app.Secret(q["code"]), At: at}
	if c.State == "" || c.Code == "" {
		return Callback{}, refuse(Malformed, "state or code is missing")
	}
	return c, nil
}

// Judge turns the record's verdict on a state into an error; nil if the state was good and is spent now.
func Judge(v app.Verdict) error {
	switch v {
	case app.Taken:
		return nil
	case app.Unknown:
		return refuse(StateUnknown, "the state was never given out")
	case app.OtherBrowser:
		return refuse(OtherBrowser, "the cookie is missing or another one")
	case app.OtherShop:
		return refuse(OtherShop, "the state belongs to another shop or app")
	case app.Expired:
		return refuse(StateExpired, "the state has expired")
	case app.Spent:
		return refuse(StateSpent, "the state was used before")
	}
	return refuse(StateUnknown, "the record's verdict is unknown")
}

// ExchangeTrouble gives the meaning of an error of the token endpoint.
func ExchangeTrouble(err error) error {
	out := RecordTrouble(err)
	switch payment.ClassOf(err, payment.Unavailable) {
	case payment.Invalid, payment.NotFound, payment.Conflict:
		out.Fault = CodeRefused
	case payment.Unauthorized:
		out.Fault = AppRefused
		if e, ok := errors.AsType[*payment.Error](err); ok && e.Code == shopify.CodeInvalidGrant {
			out.Fault = CodeRefused
		}
	case payment.Bug, payment.Unsupported, payment.RateLimited, payment.Unavailable, payment.StillPending, payment.Unknown:
	}
	return out
}

// RecordTrouble gives the meaning of an error of the record.
func RecordTrouble(err error) *Error {
	class := payment.ClassOf(err, payment.Unavailable)
	out := &Error{Fault: Unreachable, Detail: string(class), Err: err}
	if class == payment.Bug {
		out.Fault = Broken
	}
	return out
}

// Granted checks what Shopify granted.
func (a App) Granted(tokens app.Tokens) error {
	if missing := app.MissingScopes(a.Scopes, app.Scopes(tokens.Scope)); len(missing) > 0 {
		return refuse(ScopeMissing, "not granted: "+strings.Join(missing, ","))
	}
	return nil
}
