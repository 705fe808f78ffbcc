package login

import (
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/labstack/echo/v4"
	"golang.org/x/oauth2"

	"tillflow/internal/access"
	"tillflow/internal/access/audit"
	"tillflow/internal/crypt"
	"tillflow/internal/payment"
)

// OIDC is an identity provider. NameClaim and Scopes may be empty.
type OIDC struct {
	Issuer       string // as its discovery document names it
	ClientID     string
	ClientSecret crypt.Secret
	// RoleClaim is the claim of the identity token that Roles look at: a text or
	// a list of texts.
	RoleClaim string
	Roles     access.RoleRules
	// NameClaim holds what people are called here. Default preferred_username.
	NameClaim string
	// Scopes are asked for beside openid. Default profile.
	Scopes []string
	// Client carries the calls to the issuer and has a timeout.
	Client *http.Client
}

// issuer is an identity provider, discovered at the first use. What it published
// is kept; keys are fetched anew when a token names one that is not known.
type issuer struct {
	o        OIDC
	redirect string
	now      func() time.Time
	lock     chan struct{} // guards found; waiting ends with the request
	found    *discovered
}

type discovered struct {
	oauth    oauth2.Config
	verifier *oidc.IDTokenVerifier
}

func newIssuer(o OIDC, redirect string, now func() time.Time) (*issuer, error) {
	if o.Issuer == "" || o.ClientID == "" || o.RoleClaim == "" || len(o.Roles) == 0 || o.Client == nil {
		return nil, errors.New("console login: OIDC needs an issuer, a client, a claim of roles and what it means")
	}
	if o.NameClaim == "" {
		o.NameClaim = "preferred_username"
	}
	if len(o.Scopes) == 0 {
		o.Scopes = []string{"profile"}
	}
	return &issuer{o: o, redirect: redirect, now: now, lock: make(chan struct{}, 1)}, nil
}

// discover reads the issuer's configuration once.
func (i *issuer) discover(ctx context.Context) (*discovered, error) {
	select {
	case i.lock <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-i.lock }()
	if i.found != nil {
		return i.found, nil
	}
	provider, err := oidc.NewProvider(i.client(ctx), i.o.Issuer)
	if err != nil {
		return nil, fmt.Errorf("discover the identity provider: %w", err)
	}
	i.found = &discovered{
		oauth: oauth2.Config{
			ClientID: i.o.ClientID, ClientSecret: i.o.ClientSecret.Reveal(), RedirectURL: i.redirect, Endpoint: provider.Endpoint(),
			Scopes: append([]string{oidc.ScopeOpenID}, slices.DeleteFunc(slices.Clone(i.o.Scopes), func(s string) bool { return s == oidc.ScopeOpenID })...),
		},
		verifier: provider.Verifier(&oidc.Config{ClientID: i.o.ClientID, Now: i.now}),
	}
	return i.found, nil
}

func (i *issuer) client(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, i.o.Client)
}

// Uses of the login's token. State and nonce bind the answer to this browser and
// the identity token to this login; the verifier is PKCE's (RFC 7636), whose 43
// characters a derived secret has.
const (
	useState    = "oidc state"
	useNonce    = "oidc nonce"
	useVerifier = "oidc verifier"
)

// oidcStart sends the browser to the identity provider. Nothing is stored: what
// must be known again is derived from a token that the browser keeps.
func (h *Handler) oidcStart(c echo.Context) error {
	found, err := h.issuer.discover(c.Request().Context())
	if err != nil {
		return h.issuerAway(c, err)
	}
	token := access.NewToken()
	h.cookies.set(c, oidcCookie, token.Reveal(), oidcFor)
	h.cookies.set(c, backCookie, url.QueryEscape(h.next(c.QueryParam("next"))), oidcFor)
	return c.Redirect(http.StatusSeeOther, found.oauth.AuthCodeURL(token.Derive(useState),
		oidc.Nonce(token.Derive(useNonce)), oauth2.S256ChallengeOption(token.Derive(useVerifier))))
}

// issuerAway answers when the identity provider does not.
func (h *Handler) issuerAway(c echo.Context, err error) error {
	h.o.Log.Error().Err(err).Msg("identity provider does not answer")
	return h.views.message(c, http.StatusBadGateway, message{
		Title: "Your organisation's sign-in does not answer", Text: "Please try again in a moment.", Link: h.o.Base + loginPath, LinkText: "Sign in",
	})
}

// oidcCallback is where the identity provider sends the browser back.
func (h *Handler) oidcCallback(c echo.Context) error {
	token, err := h.cookies.token(c, oidcCookie)
	h.cookies.drop(c, oidcCookie) // one answer for one question
	h.cookies.drop(c, backCookie)
	if err != nil || !hmac.Equal([]byte(token.Derive(useState)), []byte(c.QueryParam("state"))) {
		return h.views.message(c, http.StatusBadRequest, message{
			Title: "This sign-in did not start here", Text: "It took too long, or another window began a new one. Start again.",
			Link: h.o.Base + loginPath, LinkText: "Sign in",
		})
	}
	if c.QueryParam("error") != "" || c.QueryParam("code") == "" {
		return h.turnedAway(c, "Your organisation's sign-in was not completed.")
	}
	claims, subject, err := h.issuer.claims(c.Request().Context(), token, c.QueryParam("code"))
	if err != nil {
		h.o.Log.Warn().Err(err).Msg("identity token refused")
		return h.turnedAway(c, "Your organisation's sign-in could not be verified.")
	}
	return h.enter(c, claims, subject)
}

func (h *Handler) turnedAway(c echo.Context, why string) error {
	return h.views.message(c, http.StatusForbidden, message{Title: "You are not signed in", Text: why, Link: h.o.Base + loginPath, LinkText: "Sign in"})
}

// claims redeems the code and verifies the identity token: signature, issuer,
// audience, time, and that it belongs to this browser's login.
func (i *issuer) claims(ctx context.Context, token access.Token, code string) (map[string]any, string, error) {
	found, err := i.discover(ctx)
	if err != nil {
		return nil, "", err
	}
	answer, err := found.oauth.Exchange(i.client(ctx), code, oauth2.VerifierOption(token.Derive(useVerifier)))
	if err != nil {
		if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
			// Its text repeats the answer's body, which may hold anything.
			return nil, "", fmt.Errorf("redeem code: refused with %q", refused.ErrorCode)
		}
		return nil, "", errors.New("redeem code: no answer that can be read")
	}
	raw, _ := answer.Extra("id_token").(string)
	id, err := found.verifier.Verify(i.client(ctx), raw)
	if err != nil {
		return nil, "", fmt.Errorf("verify identity token: %w", err)
	}
	if !hmac.Equal([]byte(id.Nonce), []byte(token.Derive(useNonce))) {
		return nil, "", errors.New("verify identity token: it belongs to another login")
	}
	var claims map[string]any
	if err := id.Claims(&claims); err != nil {
		return nil, "", fmt.Errorf("read claims: %w", err)
	}
	return claims, id.Subject, nil
}

// enter lets in whom the identity provider vouches for, in the role of their claim.
func (h *Handler) enter(c echo.Context, claims map[string]any, subject string) error {
	ctx := c.Request().Context()
	text, _ := claims[h.issuer.o.NameClaim].(string)
	name, err := access.CleanName(text)
	if err != nil {
		h.o.Log.Warn().Str("claim", h.issuer.o.NameClaim).Msg("identity without a usable name")
		return h.turnedAway(c, "Your organisation's sign-in did not tell your name.")
	}
	role, ok := h.issuer.o.Roles.Role(claims[h.issuer.o.RoleClaim])
	if !ok {
		if err := h.refused(ctx, name, "no_role"); err != nil {
			return h.views.trouble(c, h.o.Log, err)
		}
		return h.turnedAway(c, "You have no role here. Ask an administrator for one.")
	}
	who, err := h.o.Users.Recognise(ctx, access.Identity{Kind: access.OIDCUser, Issuer: h.issuer.o.Issuer, Subject: subject, Name: name, Role: role})
	switch {
	case payment.ClassOf(err, payment.Unavailable) == payment.Conflict:
		if err := h.refused(ctx, name, "name_taken"); err != nil {
			return h.views.trouble(c, h.o.Log, err)
		}
		return h.turnedAway(c, "Another user has your name. Ask an administrator.")
	case err != nil:
		return h.views.trouble(c, h.o.Log, err)
	case !who.Disabled.IsZero():
		if err := h.failed(c, who, "reason=disabled"); err != nil {
			return h.views.trouble(c, h.o.Log, err)
		}
		return h.turnedAway(c, "You may not sign in here any more. Ask an administrator.")
	}
	back, err := url.QueryUnescape(h.cookies.value(c, backCookie))
	if err != nil {
		back = ""
	}
	return h.open(c, access.Opening{UserID: who.ID, Stage: access.Open, Method: access.ByOIDC}, who, back)
}

func (h *Handler) refused(ctx context.Context, name, why string) error {
	return h.o.Audit.AppendAudit(ctx, audit.Entry{Actor: audit.Actor{Name: name}, Action: "login.refuse", Detail: "method=oidc reason=" + why})
}
