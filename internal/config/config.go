// Package config reads the environment into one struct, once, at start. Every
// outbound address is here, so that anybody can point the service at another
// stand-in.
package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"tillflow/internal/crypt"
	"tillflow/internal/flow"
)

// Config is everything that may be set. A field's tag has its name without the
// prefix TILLFLOW_ and its default.
type Config struct {
	// Environment is production or development. Development permits plain
	// payloads and plain HTTP towards stand-ins.
	Environment string `env:"ENVIRONMENT" envDefault:"production"`
	// LogLevel is zerolog's: debug, info, warn, error.
	LogLevel string `env:"LOG_LEVEL" envDefault:"info"`

	// DatabaseURL is the PostgreSQL (15 or newer) of the record.
	DatabaseURL crypt.Secret `env:"DATABASE_URL,required"`
	// DatabaseConns is the size of this process's connection pool.
	DatabaseConns int `env:"DATABASE_CONNS" envDefault:"20"`

	// TemporalAddress is the frontend's host and port.
	TemporalAddress string `env:"TEMPORAL_ADDRESS" envDefault:"127.0.0.1:7233"`
	// TemporalNamespace is the namespace of all workflows.
	TemporalNamespace string `env:"TEMPORAL_NAMESPACE" envDefault:"default"`
	// TemporalAPIKey authenticates at Temporal Cloud; it turns TLS on.
	TemporalAPIKey crypt.Secret `env:"TEMPORAL_API_KEY"`
	// TemporalTLS turns TLS on, with the system's roots.
	TemporalTLS bool `env:"TEMPORAL_TLS"`
	// TemporalUI is the web UI's address, for links in mails and the console.
	TemporalUI string `env:"TEMPORAL_UI" envDefault:"http://127.0.0.1:8233"`

	// Listen serves buyers, merchants and webhooks.
	Listen string `env:"LISTEN" envDefault:":8080"`
	// PublicURL is where the world reaches Listen.
	PublicURL string `env:"PUBLIC_URL,required"`

	// ShopifyListen serves Shopify's session requests, over mutual TLS.
	ShopifyListen string `env:"SHOPIFY_LISTEN" envDefault:":8443"`
	// ShopifyCert and ShopifyKey are our server certificate on that listener.
	ShopifyCert string `env:"SHOPIFY_CERT"`
	ShopifyKey  string `env:"SHOPIFY_KEY"`
	// ShopifyClientCA is a file with the CAs that sign Shopify's client
	// certificate. It may be replaced while the service runs.
	ShopifyClientCA string `env:"SHOPIFY_CLIENT_CA,required"`
	// ShopifyProxyHeader turns proxy mode on: a proxy ends the TLS and passes the
	// client certificate in this header.
	ShopifyProxyHeader string `env:"SHOPIFY_PROXY_HEADER"`
	// ShopifyProxies are the networks from which that header is believed.
	ShopifyProxies []netip.Prefix `env:"SHOPIFY_PROXIES"`
	// ShopifyURL is the base of Shopify's APIs; {shop} becomes the shop's domain.
	ShopifyURL string `env:"SHOPIFY_URL" envDefault:"https://{shop}"`
	// ShopifyClientID and ShopifyClientSecret are the payments app's.
	ShopifyClientID     string       `env:"SHOPIFY_CLIENT_ID"`
	ShopifyClientSecret crypt.Secret `env:"SHOPIFY_CLIENT_SECRET"`
	// ShopifyClientSecretPrevious is the one before, while the secret is rotated:
	// what Shopify signs with it is still believed.
	ShopifyClientSecretPrevious crypt.Secret `env:"SHOPIFY_CLIENT_SECRET_PREVIOUS"`
	// ShopifyScopes are what the payments app asks a shop for, and insists on.
	ShopifyScopes []string `env:"SHOPIFY_SCOPES" envDefault:"write_payment_gateways,write_payment_sessions"`
	// ShopifyAdminClientID is the second app's, for the Admin API; empty: there is
	// none, and its settings below are not read.
	ShopifyAdminClientID             string       `env:"SHOPIFY_ADMIN_CLIENT_ID"`
	ShopifyAdminClientSecret         crypt.Secret `env:"SHOPIFY_ADMIN_CLIENT_SECRET"`
	ShopifyAdminClientSecretPrevious crypt.Secret `env:"SHOPIFY_ADMIN_CLIENT_SECRET_PREVIOUS"`
	// ShopifyAdminScopes are as in deploy/shopify.admin-app.toml.
	ShopifyAdminScopes []string `env:"SHOPIFY_ADMIN_SCOPES" envDefault:"read_merchant_managed_fulfillment_orders,read_payment_terms,read_shopify_payments_disputes,write_customer_payment_methods,write_orders,write_own_subscription_contracts"`

	// StripeURL is the base of Stripe's API.
	StripeURL string `env:"STRIPE_URL" envDefault:"https://api.stripe.com"`
	// RechargeURL is the base of Recharge's API.
	RechargeURL string `env:"RECHARGE_URL" envDefault:"https://api.rechargeapps.com"`
	// RechargeEvery is the pause between two visits of one store at Recharge.
	RechargeEvery time.Duration `env:"RECHARGE_EVERY" envDefault:"15m"`
	// SandboxDelay is how long the built-in sandbox takes for delayed results.
	SandboxDelay time.Duration `env:"SANDBOX_DELAY" envDefault:"5s"`

	// MasterKeys seal credentials and personal data: id:base64 of 32 bytes, the
	// first one seals, all open.
	MasterKeys crypt.Secret `env:"MASTER_KEYS,required"`
	// PayloadKeys seal workflow payloads, in the same form.
	PayloadKeys crypt.Secret `env:"PAYLOAD_KEYS,required"`
	// CodecToken lets the Temporal UI decode payloads; empty: no codec endpoint.
	CodecToken crypt.Secret `env:"CODEC_TOKEN"`

	// Console says who may come into the console.
	Console Console `envPrefix:"CONSOLE_"`

	// Privacy says how requests of the law are served.
	Privacy Privacy `envPrefix:"PRIVACY_"`

	// SMTPAddress is the mail server's host and port; empty: no mails.
	SMTPAddress string `env:"SMTP_ADDRESS"`
	// SMTPUser and SMTPPassword log in there, when set.
	SMTPUser     string       `env:"SMTP_USER"`
	SMTPPassword crypt.Secret `env:"SMTP_PASSWORD"`
	// SMTPFrom is the sender's address.
	SMTPFrom string `env:"SMTP_FROM" envDefault:"tillflow@localhost"`
	// SMTPPlain permits a connection without TLS.
	SMTPPlain bool `env:"SMTP_PLAIN"`
	// OperatorMail is where warnings that are about no payment go; empty: to the
	// log and the console alone.
	OperatorMail string `env:"OPERATOR_MAIL"`

	// SweepEvery is the pause between two sweeps.
	SweepEvery time.Duration `env:"SWEEP_EVERY" envDefault:"10s"`
	// SweepAfter is how long a new row may be without a run before the sweep looks.
	SweepAfter time.Duration `env:"SWEEP_AFTER" envDefault:"15s"`
	// GuardEvery is the pause between two looks at what Shopify should have told
	// about one shop's orders.
	GuardEvery time.Duration `env:"GUARD_EVERY" envDefault:"1h"`
	// WorkflowCache is the number of workflows that a worker keeps in memory.
	WorkflowCache int `env:"WORKFLOW_CACHE" envDefault:"1000"`
	// Timing overrides single durations of new workflows, as JSON such as
	// {"FirstLook":"5s"}. Production leaves it empty.
	Timing Timing `env:"TIMING"`
	// ClockOffset moves the service's clock, for tests of deadlines.
	ClockOffset time.Duration `env:"CLOCK_OFFSET"`
}

// prefix stands before every name.
const prefix = "TILLFLOW_"

// Load reads the environment and reports all faults at once.
func Load(getenv func(string) string) (Config, error) {
	var c Config
	params, err := env.GetFieldParamsWithOptions(&c, env.Options{Prefix: prefix})
	if err != nil {
		return c, fmt.Errorf("read configuration: %w", err)
	}
	set := map[string]string{}
	for _, p := range params {
		if v := getenv(p.Key); v != "" {
			set[p.Key] = v
		}
	}
	err = env.ParseWithOptions(&c, env.Options{Prefix: prefix, Environment: set})
	return c, errors.Join(err, c.check())
}

// Names lists every variable, for .env.example and its test.
func Names() ([]string, error) {
	params, err := env.GetFieldParamsWithOptions(&Config{}, env.Options{Prefix: prefix})
	names := make([]string, len(params))
	for i, p := range params {
		names[i] = p.Key
	}
	return names, err
}

// Production reports whether the strict rules hold.
func (c Config) Production() bool { return c.Environment != "development" }

func (c Config) check() error {
	var faults []error
	fault := func(name, format string, args ...any) {
		faults = append(faults, fmt.Errorf(prefix+name+": "+format, args...))
	}
	if c.Environment != "production" && c.Environment != "development" {
		fault("ENVIRONMENT", "%q is neither production nor development", c.Environment)
	}
	for name, text := range map[string]string{"PUBLIC_URL": c.PublicURL, "STRIPE_URL": c.StripeURL, "RECHARGE_URL": c.RechargeURL, "SHOPIFY_URL": strings.ReplaceAll(c.ShopifyURL, "{shop}", "shop")} {
		u, err := url.Parse(text)
		switch {
		case err != nil || u.Host == "":
			fault(name, "%q is not an absolute URL", text)
		case u.Scheme != "https" && c.Production():
			fault(name, "%q is not https, which production asks for", text)
		}
	}
	if c.OperatorMail != "" && !strings.Contains(c.OperatorMail, "@") {
		fault("OPERATOR_MAIL", "it is not a mail address")
	}
	if c.ShopifyProxyHeader == "" && (c.ShopifyCert == "" || c.ShopifyKey == "") {
		fault("SHOPIFY_CERT", "a server certificate and key are needed, or SHOPIFY_PROXY_HEADER when a proxy ends the TLS")
	}
	if c.ShopifyProxyHeader != "" && len(c.ShopifyProxies) == 0 {
		fault("SHOPIFY_PROXIES", "proxy mode believes nobody until the proxy's network is named")
	}
	faults = append(faults, c.checkApps()...)
	faults = append(faults, c.Console.check(c.Production())...)
	faults = append(faults, c.Privacy.check(c.Production())...)
	if c.Production() && c.ClockOffset != 0 {
		fault("CLOCK_OFFSET", "production runs on the real clock")
	}
	if c.Production() && c.Timing.set {
		fault("TIMING", "production runs with the documented durations")
	}
	return errors.Join(faults...)
}

// checkApps: an app has an id and a secret or neither, and two apps are two.
func (c Config) checkApps() []error {
	var faults []error
	for prefixed, a := range map[string]struct {
		id             string
		secret, before crypt.Secret
	}{
		prefix + "SHOPIFY_":       {c.ShopifyClientID, c.ShopifyClientSecret, c.ShopifyClientSecretPrevious},
		prefix + "SHOPIFY_ADMIN_": {c.ShopifyAdminClientID, c.ShopifyAdminClientSecret, c.ShopifyAdminClientSecretPrevious},
	} {
		switch {
		case (a.id == "") != (a.secret == ""):
			faults = append(faults, fmt.Errorf("%sCLIENT_ID: an app needs its client id and its client secret, and one of them is missing", prefixed))
		case a.id == "" && a.before != "":
			faults = append(faults, fmt.Errorf("%sCLIENT_SECRET_PREVIOUS: there is no app that it was the secret of", prefixed))
		}
	}
	if c.ShopifyAdminClientID != "" && c.ShopifyAdminClientID == c.ShopifyClientID {
		faults = append(faults, errors.New(prefix+"SHOPIFY_ADMIN_CLIENT_ID: it is the payments app's; the second app is an app of its own"))
	}
	return faults
}

// Timing is flow.Timing with single durations replaced.
type Timing struct {
	values map[string]json.RawMessage
	set    bool
}

// UnmarshalText reads a JSON object of durations.
func (t *Timing) UnmarshalText(text []byte) error {
	if err := json.Unmarshal(text, &t.values); err != nil {
		return fmt.Errorf("not a JSON object of durations: %w", err)
	}
	t.set = true
	_, err := t.Apply(flow.DefaultTiming())
	return err
}

// Apply replaces the durations that are set.
func (t Timing) Apply(base flow.Timing) (flow.Timing, error) {
	fields := map[string]*time.Duration{
		"Resolution": &base.Resolution, "DecideAhead": &base.DecideAhead, "SendTimeout": &base.SendTimeout,
		"SendWindow": &base.SendWindow, "RetryFirst": &base.RetryFirst, "RetryMax": &base.RetryMax,
		"FirstLook": &base.FirstLook, "LookMax": &base.LookMax, "TellSlow": &base.TellSlow,
		"TellOverdue": &base.TellOverdue, "OperatorRetry": &base.OperatorRetry,
	}
	for name, raw := range t.values {
		if name == "TellSteps" {
			steps, err := durations(raw)
			if err != nil {
				return base, fmt.Errorf("%s: %w", name, err)
			}
			base.TellSteps = steps
			continue
		}
		field, known := fields[name]
		if !known {
			return base, fmt.Errorf("%s is no duration of a workflow", name)
		}
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return base, fmt.Errorf("%s: write a duration such as \"5s\": %w", name, err)
		}
		d, err := time.ParseDuration(text)
		if err != nil {
			return base, fmt.Errorf("%s: %w", name, err)
		}
		*field = d
	}
	return base, nil
}

func durations(raw json.RawMessage) ([]time.Duration, error) {
	var texts []string
	if err := json.Unmarshal(raw, &texts); err != nil {
		return nil, fmt.Errorf("write a list of durations such as [\"1s\"]: %w", err)
	}
	out := make([]time.Duration, len(texts))
	for i, text := range texts {
		d, err := time.ParseDuration(text)
		if err != nil {
			return nil, err
		}
		out[i] = d
	}
	return out, nil
}
