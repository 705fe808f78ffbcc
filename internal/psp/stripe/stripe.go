package stripe

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

// Version is the API version that every request asks for.
const Version = "2026-08-26.dahlia"

// DefaultBaseURL is Stripe's host for test and live mode alike.
const DefaultBaseURL = "https://api.stripe.com"

// Names of an account's credentials.
const (
	credentialKey     = "secret_key"
	credentialWebhook = "webhook_secret" // several, comma separated, while rolling
)

// keyRetention is the 24 hours after which Stripe may prune a key, less an hour.
const keyRetention = 23 * time.Hour

// Options are what a Connector needs. The zero value talks to Stripe itself.
type Options struct {
	// BaseURL is where the API is; empty means DefaultBaseURL.
	BaseURL string
	// HTTPClient carries the requests; nil means a client of its own. Its
	// redirect policy is not used: the API does not redirect.
	HTTPClient *http.Client
	// Now is the clock, for the age of look-ups; nil means time.Now.
	Now func() time.Time
}

// Connector talks to Stripe on behalf of any number of accounts. It is safe for
// concurrent use.
type Connector struct {
	base   string
	client *http.Client
	now    func() time.Time
}

var (
	_ psp.Connector       = (*Connector)(nil)
	_ psp.Redirector      = (*Connector)(nil)
	_ psp.Capturer        = (*Connector)(nil)
	_ psp.Voider          = (*Connector)(nil)
	_ psp.Refunder        = (*Connector)(nil)
	_ psp.Recurrer        = (*Connector)(nil)
	_ psp.WebhookParser   = (*Connector)(nil)
	_ psp.ElsewhereLister = (*Connector)(nil)
	_ psp.Verifier        = (*Connector)(nil)
	_ psp.Connectable     = (*Connector)(nil)
)

// New builds a Connector. A BaseURL that is no URL shows at the first call.
func New(o Options) *Connector {
	c := &Connector{base: strings.TrimRight(o.BaseURL, "/"), now: o.Now}
	if c.base == "" {
		c.base = DefaultBaseURL
	}
	if c.now == nil {
		c.now = time.Now
	}
	client := http.Client{}
	if o.HTTPClient != nil {
		client = *o.HTTPClient
	}
	// Following a redirect would carry the key elsewhere and turn a POST into a GET.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.client = &client
	return c
}

// Name implements psp.Connector.
func (*Connector) Name() string { return "stripe" }

// Contract implements psp.Connector. The sources of its figures are in doc.go.
func (*Connector) Contract() psp.Contract {
	return psp.Contract{
		KeyRetention: keyRetention,
		KeyMax:       255,
		LookupLag:    2 * time.Minute,
		// Captures and voids are read off the payment itself, checkouts off a list
		// of sessions of which an unfound one cannot be paid. The silence of a list
		// of refunds counts only where the charge's own total agrees with it.
		Absence: map[payment.Operation]psp.Absence{
			payment.OpCharge: psp.Authoritative, payment.OpCapture: psp.Authoritative, payment.OpVoid: psp.Authoritative,
			payment.OpRefund: psp.Authoritative,
		},
		// A minute inside Stripe's bounds, for the way there and a clock that differs.
		CheckoutMin: 31 * time.Minute,
		CheckoutMax: 24*time.Hour - time.Minute,
		// Nothing can be paid on an expired page; but a message about what was
		// paid before we closed it is repeated for three days.
		LateSuccess: 72 * time.Hour,
		HoldLimit:   7*24*time.Hour - 6*time.Hour,
		// Accounts with multicapture could take a hold in parts; that is off unless
		// Stripe turns it on, so nobody may rely on it here.
		Captures:     psp.OneCapture,
		RestReleased: true,
		CallTimeout:  20 * time.Second,
		InFlight:     40,
	}
}

// VerifyAccount implements psp.Verifier. It checks the form and mode of the
// credentials and reads one checkout session, which needs the permission that
// charges need.
func (c *Connector) VerifyAccount(ctx context.Context, acc psp.Account) error {
	if _, err := webhookSecrets(acc); err != nil {
		return err
	}
	var sessions page[session]
	_, err := c.do(ctx, acc, get("/v1/checkout/sessions", url.Values{"limit": {"1"}}), &sessions)
	if err != nil {
		return err
	}
	for _, s := range sessions.Data {
		if err := sameMode(acc, s.Livemode, s.ID); err != nil {
			return err
		}
	}
	return nil
}

// secretKey gives the account's API key after checking that it is of the
// account's mode: the key alone decides whether money is real.
func secretKey(acc psp.Account) (string, error) {
	key := acc.Credentials[credentialKey]
	kind, rest, _ := strings.Cut(key, "_")
	mode, secret, _ := strings.Cut(rest, "_")
	want := "test"
	if acc.Live {
		want = "live"
	}
	switch {
	case kind != "sk" && kind != "rk", secret == "" || !printable(secret):
		return "", payment.Errorf(payment.Unauthorized, "%s is not a secret or restricted key of stripe", credentialKey)
	case mode != want:
		return "", payment.Errorf(payment.Unauthorized, "%s is not of %s mode", credentialKey, want)
	}
	return key, nil
}

func webhookSecrets(acc psp.Account) ([]string, error) {
	var secrets []string
	for s := range strings.SplitSeq(acc.Credentials[credentialWebhook], ",") {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		if !strings.HasPrefix(s, "whsec_") {
			return nil, payment.Errorf(payment.Unauthorized, "%s does not begin with whsec_", credentialWebhook)
		}
		secrets = append(secrets, s)
	}
	if len(secrets) == 0 {
		return nil, payment.Errorf(payment.Unauthorized, "%s is missing", credentialWebhook)
	}
	return secrets, nil
}

// sameMode refuses an object of the other mode. After secretKey this cannot
// happen; if it does, nothing that the object says may count.
func sameMode(acc psp.Account, livemode bool, id string) error {
	if livemode != acc.Live {
		return payment.Errorf(payment.Bug, "object %s has livemode %t and its account %t", brief(id), livemode, acc.Live)
	}
	return nil
}

// printable reports whether s is visible ASCII, as ids and keys of Stripe are.
func printable(s string) bool {
	for _, b := range []byte(s) {
		if b <= ' ' || b > '~' {
			return false
		}
	}
	return true
}
