package shopify

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/rs/zerolog"
)

// Options configure a stand-in. PublicURL, App.PaymentSessionURL, ClientCertificate, ClientID, ClientSecret and
// at least one shop are required.
type Options struct {
	// Now is the stand-in's clock: token expiry, pending limits, throttling and every time in the books. Nil
	// means time.Now.
	Now func() time.Time
	// PublicURL is scheme and host (no path) under which browsers reach the pages; it is the base of cancel,
	// thank-you and nextAction addresses.
	PublicURL string
	// App is the payments app as it is registered at Shopify.
	App App
	// ClientCertificate is presented to the app on every session request.
	ClientCertificate tls.Certificate
	// RootCAs verify the app's server certificate. Nil means the system's.
	RootCAs *x509.CertPool
	// ClientID and ClientSecret authenticate the app at the token endpoint. The secret signs what Shopify sends.
	ClientID     string
	ClientSecret Secret
	// PreviousSecrets are older client secrets of the app that are still valid.
	PreviousSecrets []Secret
	// Listing is how the payments app is installed and which webhooks it declares. It may be empty if every shop has
	// an access token.
	Listing Listing
	// AdminApp is a second app, for the Admin API. Nil: there is none.
	AdminApp *SecondApp
	// APIVersion is sent with every session request and is the newest one served. Empty means 2026-10.
	APIVersion string
	// Shops are the shops that installed the app.
	Shops []Shop
	// Throttle overrides the plan's rate limit of every shop. The zero value keeps the plan's.
	Throttle Throttle
	// RetryWaits are the waits between the tries of a session request that the pages send; one try more than
	// there are waits. Nil means 200 ms and 1 s. Shopify does not publish its schedule.
	RetryWaits []time.Duration
	// WebhookWaits are the waits between the tries of a webhook delivery, on the stand-in's clock; one try more than
	// there are waits. Nil means eight waits of four hours in all.
	WebhookWaits []time.Duration
	// SnapshotPath is the file that keeps the books across restarts. Empty keeps them in memory only.
	SnapshotPath string
	// Log receives failures and refusals. The zero value is silent.
	Log zerolog.Logger
}

// App is where the payments app takes its sessions. All addresses are https.
type App struct {
	// PaymentSessionURL is required.
	PaymentSessionURL string
	// RefundSessionURL, CaptureSessionURL and VoidSessionURL are optional; Admin shows a button for each that is
	// set.
	RefundSessionURL  string
	CaptureSessionURL string
	VoidSessionURL    string
	// MultipleCapture is declared by an app that captures one authorization in several parts. Without it Admin
	// captures once.
	MultipleCapture bool
}

// Shop is one shop that installed the app.
type Shop struct {
	// Domain is the permanent domain, such as acme.myshopify.com.
	Domain string
	// AccessToken is the token the app starts with. It expires one hour after the stand-in first saw it, unless
	// RefreshToken is empty: then it never does. Empty: the app is not installed yet; it needs Listing.AppURL.
	AccessToken Secret
	// RefreshToken is exchanged at the token endpoint.
	RefreshToken Secret
	// AdminAccessToken and AdminRefreshToken are the same for the second app.
	AdminAccessToken  Secret
	AdminRefreshToken Secret
	// Plan sets the rate limit. Empty means PlanStandard.
	Plan Plan
}

// Secret is a string that formatting verbs and logs show as ***.
type Secret string

// String hides the secret.
func (Secret) String() string { return "***" }

// GoString hides the secret from %#v.
func (Secret) GoString() string { return "***" }

// MarshalText hides the secret from encoders.
func (Secret) MarshalText() ([]byte, error) { return []byte("***"), nil }

// Plan is a shop's Shopify plan. It decides the rate limit only.
type Plan string

// The plans with a published rate limit.
const (
	PlanStandard   Plan = "standard"
	PlanAdvanced   Plan = "advanced"
	PlanPlus       Plan = "plus"
	PlanComponents Plan = "commerce_components"
)

// Throttle is a leaky bucket, in cost points and points per second.
type Throttle struct {
	MaximumAvailable float64
	RestoreRate      float64
}

// limit returns the plan's bucket: 910 points a second on the standard and Advanced plans, 1820 on Plus, twenty
// times the standard rate on Commerce Components, each holding thirty seconds' worth.
func (p Plan) limit() (Throttle, error) {
	const standard, seconds = 910, 30
	switch p {
	case PlanStandard, PlanAdvanced, "":
		return Throttle{standard * seconds, standard}, nil
	case PlanPlus:
		return Throttle{2 * standard * seconds, 2 * standard}, nil
	case PlanComponents:
		return Throttle{20 * standard * seconds, 20 * standard}, nil
	default:
		return Throttle{}, fmt.Errorf("unknown plan %q", p)
	}
}

// adminLimit returns the plan's bucket of the Admin API: 100, 200, 1000 and 2000 points a second, each holding twenty
// seconds' worth.
func (p Plan) adminLimit() (Throttle, error) {
	const seconds = 20
	rate := map[Plan]float64{"": 100, PlanStandard: 100, PlanAdvanced: 200, PlanPlus: 1000, PlanComponents: 2000}[p]
	if rate == 0 {
		return Throttle{}, fmt.Errorf("unknown plan %q", p)
	}
	return Throttle{rate * seconds, rate}, nil
}

// withDefaults returns a checked copy; the error names every fault at once.
func (o Options) withDefaults() (Options, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.APIVersion == "" {
		o.APIVersion = "2026-10"
	}
	if o.RetryWaits == nil {
		o.RetryWaits = []time.Duration{200 * time.Millisecond, time.Second}
	}
	if o.WebhookWaits == nil {
		o.WebhookWaits = webhookWaits()
	}
	o.PublicURL = strings.TrimSuffix(o.PublicURL, "/")

	faults := []error{checkPublicURL(o.PublicURL), checkAppURL("payment", o.App.PaymentSessionURL)}
	for kind, address := range map[string]string{
		"refund":  o.App.RefundSessionURL,
		"capture": o.App.CaptureSessionURL,
		"void":    o.App.VoidSessionURL,
	} {
		if address != "" {
			faults = append(faults, checkAppURL(kind, address))
		}
	}
	if len(o.ClientCertificate.Certificate) == 0 {
		faults = append(faults, errors.New("client certificate is missing"))
	}
	if o.ClientID == "" || o.ClientSecret == "" {
		faults = append(faults, errors.New("client id and secret are required"))
	}
	faults = append(faults, o.checkApps()...)
	faults = append(faults, o.checkShops()...)
	return o, errors.Join(faults...)
}

func (o Options) checkShops() []error {
	shops := o.Shops
	if len(shops) == 0 {
		return []error{errors.New("at least one shop is required")}
	}
	var faults []error
	seen := make(map[string]bool, len(shops))
	for _, shop := range shops {
		if shop.Domain == "" || strings.ContainsAny(shop.Domain, "/?# ") {
			faults = append(faults, fmt.Errorf("shop domain %q is not a host name", shop.Domain))
		}
		if seen[shop.Domain] {
			faults = append(faults, fmt.Errorf("shop %s is given twice", shop.Domain))
		}
		seen[shop.Domain] = true
		if shop.AccessToken == "" && o.Listing.AppURL == "" {
			faults = append(faults, fmt.Errorf("shop %s has no access token", shop.Domain))
		}
		if _, err := shop.Plan.limit(); err != nil {
			faults = append(faults, fmt.Errorf("shop %s: %w", shop.Domain, err))
		}
	}
	return faults
}

func checkPublicURL(address string) error {
	parsed, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("public url: %w", err)
	}
	if (parsed.Scheme != "http" && parsed.Scheme != "https") || parsed.Host == "" || parsed.Path != "" {
		return fmt.Errorf("public url %q must be scheme and host without a path", address)
	}
	return nil
}

// checkAppURL insists on https: Shopify proves itself with a client certificate and nothing else.
func checkAppURL(kind, address string) error {
	parsed, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("%s session url: %w", kind, err)
	}
	if parsed.Scheme != "https" || parsed.Host == "" {
		return fmt.Errorf("%s session url %q must be https", kind, address)
	}
	return nil
}
