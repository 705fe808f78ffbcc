package shopify

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The handles of the apps, as they stand in paths and books.
const (
	// PaymentsApp is the app that Options.App describes.
	PaymentsApp = "payments"
	// AdminApp is the app that Options.AdminApp describes.
	AdminApp = "admin"
)

// Listing is how an app is installed and what its configuration declares. The zero value is an app that nobody can
// install by hand and that gets no webhooks of its own configuration.
type Listing struct {
	// Name is what the merchant reads. Empty means the app's handle.
	Name string
	// AppURL is where installing and opening the app lead.
	AppURL string
	// RedirectURLs are the addresses an authorization may return to. They are compared whole.
	RedirectURLs []string
	// Scopes are those the app may ask for. Empty means write_payment_gateways and write_payment_sessions for the
	// payments app, read_orders for the other.
	Scopes []string
	// Webhooks are the subscriptions of the app's configuration, compliance topics included. They are never removed
	// for failing.
	Webhooks []Webhook
	// PermanentTokens lets the app take tokens that never expire, as public apps from before April 2026 may until
	// the end of that year.
	PermanentTokens bool
}

// Webhook is one subscription of an app's configuration.
type Webhook struct {
	// Topics such as orders/paid or customers/redact.
	Topics []string
	// URI is an https address, or http on a loopback host.
	URI string
}

// SecondApp is an app for the Admin API beside the payments app.
type SecondApp struct {
	Listing
	ClientID     string
	ClientSecret Secret
	// Throttle overrides the plan's rate limit of the Admin API. The zero value keeps the plan's.
	Throttle Throttle
}

// secretGrace is how long webhooks may still be signed with the client secret before the newest: Shopify says up to
// an hour, the stand-in uses all of it.
const secretGrace = time.Hour

// lastPermanent is when tokens that never expire end for all public apps.
func lastPermanent() time.Time { return time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC) }

// registration is one app as Shopify knows it.
type registration struct {
	handle, clientID string
	listing          Listing
	// secrets are the valid ones, newest first, guarded by Server.mu.
	secrets []clientSecret
}

type clientSecret struct {
	text Secret
	// since is zero for those that were valid from the start.
	since time.Time
}

// registrations are the configured apps. The options are checked.
func registrations(o Options) []*registration {
	payments := &registration{handle: PaymentsApp, clientID: o.ClientID, listing: o.Listing}
	for _, text := range append([]Secret{o.ClientSecret}, o.PreviousSecrets...) {
		payments.secrets = append(payments.secrets, clientSecret{text: text})
	}
	if len(payments.listing.Scopes) == 0 {
		payments.listing.Scopes = []string{scopeGateways, scopeSessions}
	}
	apps := []*registration{payments}
	if o.AdminApp != nil {
		second := &registration{
			handle: AdminApp, clientID: o.AdminApp.ClientID, listing: o.AdminApp.Listing,
			secrets: []clientSecret{{text: o.AdminApp.ClientSecret}},
		}
		if len(second.listing.Scopes) == 0 {
			second.listing.Scopes = []string{scopeOrders}
		}
		apps = append(apps, second)
	}
	for _, app := range apps {
		if app.listing.Name == "" {
			app.listing.Name = app.handle
		}
	}
	return apps
}

// appOf finds an app by its client id, nil if there is none.
func (s *Server) appOf(clientID string) *registration {
	for _, app := range s.apps {
		if app.clientID == clientID {
			return app
		}
	}
	return nil
}

// app finds an app by its handle, nil if there is none.
func (s *Server) app(handle string) *registration {
	for _, app := range s.apps {
		if app.handle == handle {
			return app
		}
	}
	return nil
}

func (app *registration) knows(secret string) bool {
	known := false
	for _, s := range app.secrets {
		known = equal(string(s.text), secret) || known
	}
	return known
}

// querySecret signs what browsers carry: the newest.
func (app *registration) querySecret() Secret { return app.secrets[0].text }

// webhookSecret signs webhooks: for an hour after a rotation still the secret before.
func (app *registration) webhookSecret(now time.Time) Secret {
	newest := app.secrets[0]
	if len(app.secrets) > 1 && !newest.since.IsZero() && now.Sub(newest.since) < secretGrace {
		return app.secrets[1].text
	}
	return newest.text
}

// mayStayForever reports whether the app may have tokens that never expire.
func (app *registration) mayStayForever(now time.Time) bool {
	return app.listing.PermanentTokens && now.Before(lastPermanent())
}

// RotateSecret adds a client secret to an app: it signs what browsers carry at once and webhooks an hour later, the
// older ones stay valid until RevokeSecrets. Rotations are forgotten at a restart: the configuration is the record.
func (s *Server) RotateSecret(handle string, newest Secret) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	app := s.app(handle)
	if app == nil || newest == "" {
		return fmt.Errorf("rotate secret of app %q: unknown app or empty secret", handle)
	}
	app.secrets = append([]clientSecret{{text: newest, since: s.opts.Now()}}, app.secrets...)
	return nil
}

// RevokeSecrets ends every client secret of an app but the newest, which signs everything from there on.
func (s *Server) RevokeSecrets(handle string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	app := s.app(handle)
	if app == nil {
		return fmt.Errorf("revoke secrets of app %q: unknown app", handle)
	}
	app.secrets = app.secrets[:1]
	return nil
}

// checkApps checks what Options say about installing and webhooks.
func (o Options) checkApps() []error {
	faults := o.Listing.check(PaymentsApp)
	if slices.Contains(o.PreviousSecrets, "") {
		faults = append(faults, errors.New("a previous client secret is empty"))
	}
	if o.AdminApp == nil {
		return faults
	}
	if o.AdminApp.ClientID == "" || o.AdminApp.ClientSecret == "" || o.AdminApp.ClientID == o.ClientID {
		faults = append(faults, errors.New("the second app needs a client id of its own and a secret"))
	}
	return append(faults, o.AdminApp.check(AdminApp)...)
}

func (l Listing) check(handle string) []error {
	var faults []error
	if l.AppURL != "" {
		faults = append(faults, checkAddress(handle+" app url", l.AppURL))
		if len(l.RedirectURLs) == 0 {
			faults = append(faults, fmt.Errorf("%s app has no redirect url", handle))
		}
	}
	for _, address := range l.RedirectURLs {
		faults = append(faults, checkAddress(handle+" redirect url", address))
	}
	for _, hook := range l.Webhooks {
		faults = append(faults, checkAddress(handle+" webhook", hook.URI))
		for _, topic := range hook.Topics {
			if !knownTopic(topic) {
				faults = append(faults, fmt.Errorf("%s webhook topic %q is unknown", handle, topic))
			}
		}
	}
	return faults
}

// checkAddress insists on https; plain http is for development on this machine only.
func checkAddress(what, address string) error {
	parsed, err := url.Parse(address)
	if err != nil || parsed.Host == "" || parsed.User != nil || parsed.Fragment != "" {
		return fmt.Errorf("%s %q is not an absolute address", what, address)
	}
	if parsed.Scheme == "https" || parsed.Scheme == "http" && loopback(parsed.Hostname()) {
		return nil
	}
	return fmt.Errorf("%s %q must be https", what, address)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}
