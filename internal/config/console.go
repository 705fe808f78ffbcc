package config

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"tillflow/internal/crypt"
)

// Console says who may come into the console at /console, and how.
type Console struct {
	// Local lets in the users of `tillflow user`.
	Local bool `env:"LOCAL" envDefault:"true"`
	// PasswordAlone lets in local users who have no one-time codes.
	PasswordAlone bool `env:"PASSWORD_ALONE" envDefault:"false"`
	// DevLogin shows a button for each role, without any proof; on this machine only.
	DevLogin bool `env:"DEV_LOGIN" envDefault:"false"`
	// Proxies are the networks whose X-Forwarded-For is believed when logins are counted by address.
	Proxies []netip.Prefix `env:"PROXIES"`
	// SessionIdle and SessionMax end a session that nobody uses, and every one.
	SessionIdle time.Duration `env:"SESSION_IDLE" envDefault:"30m"`
	SessionMax  time.Duration `env:"SESSION_MAX" envDefault:"12h"`
	// OIDCIssuer is the identity provider; empty: none.
	OIDCIssuer       string       `env:"OIDC_ISSUER"`
	OIDCClientID     string       `env:"OIDC_CLIENT_ID"`
	OIDCClientSecret crypt.Secret `env:"OIDC_CLIENT_SECRET"`
	// OIDCRoleClaim is the claim that OIDCRoles look at: "value=role,value=role", the first that fits decides.
	OIDCRoleClaim string `env:"OIDC_ROLE_CLAIM" envDefault:"groups"`
	OIDCRoles     string `env:"OIDC_ROLES"`
	// OIDCNameClaim holds what people are called here.
	OIDCNameClaim string `env:"OIDC_NAME_CLAIM" envDefault:"preferred_username"`
	// OIDCScopes are asked for beside openid.
	OIDCScopes []string `env:"OIDC_SCOPES" envDefault:"profile"`
}

// check finds what cannot be meant.
func (c Console) check(production bool) []error {
	var faults []error
	if c.DevLogin && production {
		faults = append(faults, errors.New(prefix+"CONSOLE_DEV_LOGIN: it lets everybody in without any proof, and this is production"))
	}
	if c.OIDCIssuer != "" && (c.OIDCClientID == "" || c.OIDCRoles == "") {
		faults = append(faults, errors.New(prefix+"CONSOLE_OIDC_ISSUER: an identity provider needs OIDC_CLIENT_ID and OIDC_ROLES"))
	}
	if !c.Local && c.OIDCIssuer == "" && !c.DevLogin {
		faults = append(faults, errors.New(prefix+"CONSOLE_LOCAL: nobody could log in"))
	}
	if c.SessionIdle <= 0 || c.SessionMax < c.SessionIdle {
		faults = append(faults, fmt.Errorf("%sCONSOLE_SESSION_IDLE: %s idle and %s in all do not fit", prefix, c.SessionIdle, c.SessionMax))
	}
	return faults
}
