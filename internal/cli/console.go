package cli

import (
	"context"
	"fmt"

	"tillflow/api"
	consoleapi "tillflow/api/console"
	"tillflow/api/console/login"
	"tillflow/internal/access"
	"tillflow/internal/access/audit"
	"tillflow/internal/letter"
	"tillflow/internal/payment"
	"tillflow/internal/store"
)

// loginsAtOnce bounds how many passwords are tried at the same time: each takes tens of megabytes.
const loginsAtOnce = 4

// console is the pages of those who look after payments, and their login.
func (s *Service) console() ([]api.Group, error) {
	c := s.Config.Console
	passwords := access.NewPasswords(access.DefaultArgon2(), loginsAtOnce)
	options := login.Options{
		Users: s.Store, Sessions: s.Store, Audit: s.Store, Invitations: s.Store, Passwords: passwords,
		PublicURL: s.Config.PublicURL, Base: "/console", Home: "/console/payments", Proxies: c.Proxies,
		Local: c.Local, PasswordAlone: c.PasswordAlone, Dev: c.DevLogin,
		Lifetimes: access.Lifetimes{Idle: c.SessionIdle, Absolute: c.SessionMax}, Now: s.now, Log: s.log,
	}
	if c.OIDCIssuer != "" {
		roles, err := access.ParseRoleRules(c.OIDCRoles)
		if err != nil {
			return nil, fmt.Errorf("TILLFLOW_CONSOLE_OIDC_ROLES: %w", err)
		}
		options.OIDC = &login.OIDC{
			Issuer: c.OIDCIssuer, ClientID: c.OIDCClientID, ClientSecret: c.OIDCClientSecret, RoleClaim: c.OIDCRoleClaim, Roles: roles,
			NameClaim: c.OIDCNameClaim, Scopes: c.OIDCScopes, Client: s.calls,
		}
	}
	gate, err := login.New(options)
	if err != nil {
		return nil, err
	}
	writer, err := letter.NewWriter()
	if err != nil {
		return nil, err
	}
	sold := members{s.Store, s.soon}
	pages, err := consoleapi.New(consoleapi.Options{
		Payments: s.Store, Filters: s.Store, Actions: s.Store, Runs: runs{s}, Accounts: s.Store, Messages: s.Store, Trail: trail{s.Store},
		Letters: s.Store, Letterhead: writer, Subscriptions: sold, SubscriptionRuns: sold,
		Erasures: s.Store, ErasureRuns: s.Runs, Recharge: s.Store, People: s.Store, Presence: s.Store, Invitations: gate, Passwords: passwords, Gate: gate,
		Temporal: consoleapi.Temporal{UI: s.Config.TemporalUI, Namespace: s.Config.TemporalNamespace}, Now: s.now, Log: s.log,
	})
	return []api.Group{gate, pages}, err
}

// runs hands what people decide to the runs.
type runs struct{ service *Service }

func (r runs) Deliver(ctx context.Context, update, actionID string, d payment.Details) error {
	return r.service.deliver(ctx, update, actionID, d)
}

// trail is the store's audit as the console reads it.
type trail struct{ *store.Store }

func (t trail) AuditTrail(ctx context.Context, f consoleapi.TrailFilter) ([]audit.Record, error) {
	return t.ListAudit(ctx, store.AuditFilter(f))
}
