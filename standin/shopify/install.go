package shopify

import (
	"crypto/rand"
	"slices"
	"strings"
	"time"
)

// The scopes the stand-in knows the meaning of. A write scope contains the read scope of the same name.
const (
	scopeGateways  = "write_payment_gateways"
	scopeSessions  = "write_payment_sessions"
	scopeOrders    = "read_orders"
	scopeAllOrders = "read_all_orders"
)

const (
	// codeLifetime is how long an authorization code waits to be exchanged. Shopify does not publish it.
	codeLifetime = time.Minute
	// redactAfter is the time from uninstalling to shop/redact.
	redactAfter = 48 * time.Hour
)

// InstallState is where an app stands in a shop.
type InstallState string

// The states of an installation.
const (
	InstallNone        InstallState = "not_installed"
	InstallInstalled   InstallState = "installed"
	InstallUninstalled InstallState = "uninstalled"
)

// installation is one app in one shop. Everything is guarded by Server.mu.
type installation struct {
	State InstallState `json:"state"`
	// Seeded says that the app was there from the start, with configured tokens. Such a payments app is active in
	// checkout unless it says that it is not ready.
	Seeded        bool       `json:"seeded"`
	InstalledAt   *time.Time `json:"installed_at,omitempty"`
	UninstalledAt *time.Time `json:"uninstalled_at,omitempty"`
	Installs      int        `json:"installs"`
	Scopes        []string   `json:"scopes"`
	Tokens        tokens     `json:"tokens"`
	RefusedTokens int        `json:"refused_tokens"`
	Codes         []authCode `json:"codes,omitempty"`
	// RedactAt is when shop/redact is due, nil if it is not.
	RedactAt *time.Time `json:"redact_at,omitempty"`
	// Subscriptions are those made by the API, removed ones included.
	Subscriptions []*Subscription `json:"subscriptions,omitempty"`

	bucket bucket // of the Admin API
}

type authCode struct {
	Code      string    `json:"code"`
	ExpiresAt time.Time `json:"expires_at"`
}

func (inst *installation) installed() bool { return inst != nil && inst.State == InstallInstalled }

// has reports whether the shop granted a scope.
func (inst *installation) has(scope string) bool {
	if slices.Contains(inst.Scopes, scope) {
		return true
	}
	what, isRead := strings.CutPrefix(scope, "read_")
	return isRead && slices.Contains(inst.Scopes, "write_"+what)
}

// seedApps gives a shop its configured apps and their limits. A shop keeps what it has come to, unless another access
// token was configured meanwhile.
func (s *Server) seedApps(sh *shop, configured Shop) error {
	if err := s.completeApps(sh, configured.Plan); err != nil {
		return err
	}
	s.seed(sh, PaymentsApp, configured.AccessToken, configured.RefreshToken)
	if s.opts.AdminApp != nil {
		s.seed(sh, AdminApp, configured.AdminAccessToken, configured.AdminRefreshToken)
	}
	return nil
}

func (s *Server) seed(sh *shop, handle string, access, refresh Secret) {
	inst := sh.Apps[handle]
	if access == "" || inst.Tokens.Seed == string(access) {
		return
	}
	now := s.opts.Now()
	inst.install(s.app(handle).listing.Scopes, now)
	inst.Seeded, inst.Tokens = true, seedTokens(access, refresh, now)
	s.changed()
}

// completeApps makes sure that a shop knows every registered app, and sets their limits of the Admin API.
func (s *Server) completeApps(sh *shop, plan Plan) error {
	limit, err := plan.adminLimit()
	if err != nil {
		return err
	}
	if s.opts.AdminApp != nil && s.opts.AdminApp.Throttle != (Throttle{}) {
		limit = s.opts.AdminApp.Throttle
	}
	for _, app := range s.apps {
		inst := sh.Apps[app.handle]
		if inst == nil {
			inst = &installation{State: InstallNone}
			sh.Apps[app.handle] = inst
		}
		if inst.installed() && inst.Scopes == nil { // from a snapshot that did not keep them
			inst.Scopes = slices.Clone(app.listing.Scopes)
		}
		inst.bucket = bucket{limit: limit, at: s.opts.Now()}
	}
	return nil
}

// install makes an app installed, also when it is so already and only gets other scopes.
func (inst *installation) install(scopes []string, now time.Time) {
	if inst.State != InstallInstalled {
		at := now.UTC()
		inst.InstalledAt, inst.UninstalledAt = &at, nil
		inst.Installs++
	}
	// A shop that comes back within the 48 hours is not redacted.
	inst.State, inst.Scopes, inst.RedactAt = InstallInstalled, slices.Clone(scopes), nil
}

// authorize makes a code for the app, which the token endpoint takes once.
func (inst *installation) authorize(now time.Time) string {
	code := rand.Text()
	inst.Codes = slices.DeleteFunc(inst.Codes, func(c authCode) bool { return !now.Before(c.ExpiresAt) })
	inst.Codes = append(inst.Codes, authCode{Code: code, ExpiresAt: now.Add(codeLifetime)})
	return code
}

// uninstall removes an app from a shop: its tokens die at once, it hears app/uninstalled, and 48 hours later
// shop/redact. It reports whether the app was installed.
func (s *Server) uninstall(sh *shop, app *registration) bool {
	out := &outbox{}
	s.mu.Lock()
	inst := sh.Apps[app.handle]
	if !inst.installed() {
		s.mu.Unlock()
		return false
	}
	now := s.opts.Now()
	s.raise(out, sh, event{topic: topicUninstalled, app: app.handle, payload: func() any { return restShop(sh) }})
	at, due := now.UTC(), now.UTC().Add(redactAfter)
	inst.State, inst.UninstalledAt, inst.RedactAt = InstallUninstalled, &at, &due
	inst.Tokens.end(now)
	inst.Codes, inst.Scopes, inst.Seeded = nil, nil, false
	for _, sub := range inst.Subscriptions {
		sub.remove(now, RemovedUninstalled)
	}
	if app.handle == PaymentsApp {
		sh.Ready, sh.Handle, sh.Activated = nil, "", false
	}
	s.changed()
	s.mu.Unlock()
	s.dispatch(out)
	s.agenda.at(due, func() { s.redactShop(sh, app, due) })
	return true
}

// redactShop sends shop/redact if it is still due.
func (s *Server) redactShop(sh *shop, app *registration, due time.Time) {
	out := &outbox{}
	s.mu.Lock()
	inst := sh.Apps[app.handle]
	if inst.RedactAt != nil && inst.RedactAt.Equal(due) {
		inst.RedactAt = nil
		s.raise(out, sh, event{topic: topicShopRedact, app: app.handle, payload: func() any {
			return map[string]any{"shop_id": shopID(sh), "shop_domain": sh.Domain}
		}})
		s.changed()
	}
	s.mu.Unlock()
	s.dispatch(out)
}

// offered reports whether checkout offers the payments app: installed, ready by its own word and activated by the
// merchant. The caller holds mu.
func (sh *shop) offered() bool {
	inst := sh.Apps[PaymentsApp]
	switch {
	case !inst.installed():
		return false
	case sh.Ready == nil:
		return inst.Seeded
	default:
		return *sh.Ready && (sh.Activated || inst.Seeded)
	}
}

// pays is offered for callers without the lock.
func (s *Server) pays(sh *shop) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return sh.offered()
}

// reaches reports whether the app can be told of refunds, captures and voids: only while it is installed.
func (s *Server) reaches(sh *shop) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return sh.Apps[PaymentsApp].installed()
}
