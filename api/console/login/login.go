// Package login lets people into the console and keeps others out: password and
// one-time code, OIDC, sessions, CSRF, roles. It is server-rendered and needs no
// JavaScript.
//
// Use it from the console's pages so:
//
//	h, err := login.New(login.Options{…})        // once
//	h.Routes(e)                                   // mounts Base+"/login…" and Base+"/logout"
//	g := e.Group("/console")
//	g.GET("/payments", list, h.Require(access.SeePayments))
//	g.POST("/payments/:id/retry", retry, h.Require(access.ActOnPayments))
//
// Require lets nobody in without an open session (a GET leads to the login and
// back, everything else is answered 401), refuses a wrong role with 403 and
// notes it in the audit, and refuses every method but GET, HEAD and OPTIONS
// without the session's CSRF token with 403: as form field "csrf" or as header
// X-CSRF-Token. A form's body is bounded there, at Options.MaxForm.
//
// In a handler behind Require, [Viewer] answers who asks:
//
//	who := login.Viewer(c)      // Name, Role, CSRF; who.May(access.ReleaseMoney); who.Actor() for the audit
//
// and a page's template carries, in each form:
//
//	<input type="hidden" name="csrf" value="{{.Who.CSRF}}">
//
// Signing out is a form too: POST Base+"/logout" with that field.
package login

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/rs/zerolog"

	"tillflow/internal/access"
	"tillflow/internal/access/audit"
)

// Users is the record of people.
type Users interface {
	// Credentials finds a local user by name; payment.NotFound for an unknown one. A disabled user is answered too.
	Credentials(ctx context.Context, name string) (access.Credentials, error)
	// SpendTOTPStep notes the step of a one-time code; false when it, or a later one, was spent before.
	SpendTOTPStep(ctx context.Context, userID string, step int64) (bool, error)
	// UpgradePassword replaces a hash by a new one of the same password, unless it has changed meanwhile.
	UpgradePassword(ctx context.Context, userID string, old, upgraded access.PasswordHash) error
	// Recognise finds or adds the user of an identity and sets name and role to what is vouched for now;
	// payment.Conflict when another user has that name.
	Recognise(ctx context.Context, who access.Identity) (access.User, error)
}

// Sessions is the record of sessions and of tries to get one.
type Sessions interface {
	// AdmitLogin counts a try, or answers how long it must wait; then it did not count.
	AdmitLogin(ctx context.Context, try access.Try, t access.Throttle) (time.Duration, error)
	// OpenSession stores a session, ends the one it replaces, forgives the tries of its method and appends the entry, in one
	// transaction; payment.Unauthorized when the user was disabled, or the half-open session ended, meanwhile.
	OpenSession(ctx context.Context, o access.Opening, entry audit.Entry) error
	// Session finds a session that is alive, whatever its stage, and notes that it was seen; payment.Unauthorized without one.
	Session(ctx context.Context, hash []byte, l access.Lifetimes) (access.Session, error)
	// EndSession ends a session and appends the entry; one that has ended already is no error.
	EndSession(ctx context.Context, hash []byte, entry audit.Entry) error
}

// Audit is the chain of what people did.
type Audit interface {
	AppendAudit(ctx context.Context, entry audit.Entry) error
}

// Options configure the login. Users, Sessions, Audit, Invitations, Passwords,
// PublicURL and Now are required.
type Options struct {
	Users       Users
	Sessions    Sessions
	Audit       Audit
	Invitations Invitations
	Passwords   *access.Passwords
	// PublicURL is where browsers reach the console's listener, without a path.
	// With https cookies are Secure and carry the prefix __Host-.
	PublicURL string
	// Base stands before all paths, such as "/console"; empty for the root.
	Base string
	// Home is where a login leads when nothing else was asked for. Default Base+"/".
	Home string
	// Proxies are the networks whose X-Forwarded-For is believed, for the waits
	// by address. Without any the connection's address counts.
	Proxies []netip.Prefix
	// Local permits local users: name, password, one-time code.
	Local bool
	// PasswordAlone lets in local users who have no one-time code. Otherwise they are told to get one.
	PasswordAlone bool
	// OIDC lets in people whom an identity provider knows; nil: no such login.
	OIDC *OIDC
	// Dev shows a button for each role, without any proof. New refuses it unless
	// PublicURL is a loopback address.
	Dev bool
	// Lifetimes and Throttle default to those of package access.
	Lifetimes access.Lifetimes
	Throttle  access.Throttle
	// MaxForm bounds the body of a form behind Require, in bytes. Default 64 KiB.
	MaxForm int64
	Now     func() time.Time
	Log     zerolog.Logger
}

// Handler serves the login and guards the console's pages.
type Handler struct {
	o       Options
	views   *views
	cookies cookies
	origins *http.CrossOriginProtection
	address echo.IPExtractor
	issuer  *issuer // nil: no OIDC
}

const defaultMaxForm = 64 << 10

// answerWithin bounds a request of the login, below the server's write timeout.
const answerWithin = 10 * time.Second

// New checks the options and parses the pages. It calls nobody: an identity
// provider that is away at the start is asked at the first login.
func New(o Options) (*Handler, error) {
	public, err := url.Parse(o.PublicURL)
	switch {
	case o.Users == nil, o.Sessions == nil, o.Audit == nil, o.Invitations == nil, o.Passwords == nil, o.Now == nil:
		return nil, errors.New("console login: Users, Sessions, Audit, Invitations, Passwords and Now are required")
	case err != nil || public.Host == "" || public.Scheme != "https" && public.Scheme != "http":
		return nil, fmt.Errorf("console login: %q is not an absolute URL", o.PublicURL)
	case !o.Local && o.OIDC == nil && !o.Dev:
		return nil, errors.New("console login: nobody could come in: neither local users nor OIDC are permitted")
	case o.Dev && !loopback(public.Hostname()):
		return nil, fmt.Errorf("console login: the development login needs no proof and %s is not this machine alone", public.Host)
	}
	o.PublicURL = public.Scheme + "://" + public.Host
	o.Lifetimes = o.Lifetimes.OrDefault()
	if o.Throttle == (access.Throttle{}) {
		o.Throttle = access.DefaultThrottle()
	}
	if o.Home == "" {
		o.Home = o.Base + "/"
	}
	if o.MaxForm <= 0 {
		o.MaxForm = defaultMaxForm
	}
	h := &Handler{o: o, cookies: newCookies(public.Scheme == "https"), origins: http.NewCrossOriginProtection(), address: extractor(o.Proxies)}
	// Behind a proxy that changes the Host header, browsers still name the public origin.
	if err := h.origins.AddTrustedOrigin(o.PublicURL); err != nil {
		return nil, fmt.Errorf("console login: %w", err)
	}
	if o.OIDC != nil {
		if h.issuer, err = newIssuer(*o.OIDC, o.PublicURL+o.Base+callbackPath, o.Now); err != nil {
			return nil, err
		}
	}
	h.views, err = parse(o.Base)
	return h, err
}

// loopback reports whether only this machine reaches a host.
func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// extractor reads the browser's address: from X-Forwarded-For if it comes from a
// known proxy, else from the connection. Anybody may write that header.
func extractor(proxies []netip.Prefix) echo.IPExtractor {
	if len(proxies) == 0 {
		return echo.ExtractIPDirect()
	}
	trust := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, p := range proxies {
		ip := p.Masked().Addr().AsSlice()
		trust = append(trust, echo.TrustIPRange(&net.IPNet{IP: ip, Mask: net.CIDRMask(p.Bits(), 8*len(ip))}))
	}
	return echo.ExtractIPFromXFFHeader(trust...)
}

// Paths below Base.
const (
	loginPath    = "/login"
	codePath     = "/login/totp"
	devPath      = "/login/dev"
	oidcPath     = "/login/oidc"
	callbackPath = "/login/oidc/callback"
	stylePath    = "/login/login.css"
	logoutPath   = "/logout"
)

// Routes mounts the login below Base. It implements api.Group.
func (h *Handler) Routes(e *echo.Echo) {
	get := func(path string, handler echo.HandlerFunc) { e.GET(h.o.Base+path, handler, bounded) }
	post := func(path string, handler echo.HandlerFunc) { e.POST(h.o.Base+path, handler, bounded) }
	get(loginPath, h.showLogin)
	post(loginPath, h.password)
	get(codePath, h.show(h.oneTimeCode()))
	post(codePath, h.take(h.oneTimeCode()))
	get(recoveryPath, h.show(h.recoveryCode()))
	post(recoveryPath, h.take(h.recoveryCode()))
	get(linkPath, h.link)
	get(joinPath, h.showJoin)
	post(joinPath, h.join)
	post(renewPath, h.Require(access.SeePayments)(h.renew))
	post(logoutPath, h.logout)
	get(stylePath, h.views.css)
	if h.issuer != nil {
		get(oidcPath, h.oidcStart)
		get(callbackPath, h.oidcCallback)
	}
	if h.o.Dev {
		post(devPath, h.dev)
	}
}

// bounded gives a request of the login its time.
func bounded(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		ctx, cancel := context.WithTimeout(c.Request().Context(), answerWithin)
		defer cancel()
		c.SetRequest(c.Request().WithContext(ctx))
		return next(c)
	}
}
