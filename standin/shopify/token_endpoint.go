package shopify

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tillflow/standin/faults"
)

// The grant types of the token endpoint. The exchange of an authorization code names none.
const (
	grantRefresh  = "refresh_token"
	grantExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	offlineToken  = "urn:shopify:params:oauth:token-type:offline-access-token" //nolint:gosec // the name of a token type
)

// tokenRequest is the body of every request to the token endpoint.
type tokenRequest struct {
	ClientID           string `json:"client_id"`
	ClientSecret       string `json:"client_secret"`
	Code               string `json:"code"`
	Expiring           flag   `json:"expiring"`
	GrantType          string `json:"grant_type"`
	RefreshToken       string `json:"refresh_token"`
	SubjectToken       string `json:"subject_token"`
	SubjectTokenType   string `json:"subject_token_type"`
	RequestedTokenType string `json:"requested_token_type"`
}

// flag is "1", which may be written as a number.
type flag bool

// UnmarshalJSON reads "1" or 1 as true and everything else as false.
func (f *flag) UnmarshalJSON(data []byte) error {
	*f = strings.Trim(string(data), `"`) == "1"
	return nil
}

// tokenAnswer leaves the last three out for a token that does not expire.
type tokenAnswer struct {
	AccessToken           string `json:"access_token"`
	Scope                 string `json:"scope"`
	ExpiresIn             int    `json:"expires_in,omitempty"`
	RefreshToken          string `json:"refresh_token,omitempty"`
	RefreshTokenExpiresIn int    `json:"refresh_token_expires_in,omitempty"`
}

type tokenError struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Request-Id", requestID())
	w.Header().Set("Cache-Control", "no-store")
	req, err := readTokenRequest(w, r)
	if err != nil {
		writeJSON(w, http.StatusBadRequest, tokenError{"invalid_request", err.Error()})
		return
	}
	app := s.authenticate(req)
	if app == nil {
		writeJSON(w, http.StatusUnauthorized, tokenError{"invalid_client", "unknown client or wrong secret"})
		return
	}
	name, exchange := s.exchangeFor(req)
	if exchange == nil {
		writeJSON(w, http.StatusBadRequest, tokenError{"unsupported_grant_type", "this grant type is not served here"})
		return
	}
	s.faults.Serve(w, r, faults.Call{Name: name, Subject: r.URL.Path, Do: func(plan *faults.Plan) faults.Reply {
		if code, ok := plan.Decline(); ok {
			return jsonReply(http.StatusBadRequest, tokenError{code, "fault switch"})
		}
		return s.exchange(r.PathValue("shop"), app, req, exchange)
	}})
}

// authenticate authenticates a client; nil if it is unknown or its secret is none of those that are valid.
func (s *Server) authenticate(req tokenRequest) *registration {
	s.mu.Lock()
	defer s.mu.Unlock()
	app := s.appOf(req.ClientID)
	if app == nil || !app.knows(req.ClientSecret) {
		return nil
	}
	return app
}

// exchanger changes an installation's tokens, or says why not. The caller holds mu.
type exchanger func(app *registration, inst *installation, req tokenRequest, now time.Time) *tokenError

// exchangeFor names what a request wants; the function is nil for an unknown grant type.
func (s *Server) exchangeFor(req tokenRequest) (string, exchanger) {
	switch {
	case req.GrantType == grantRefresh:
		return opTokenRefresh, refreshTokens
	case req.GrantType == grantExchange:
		return opTokenConvert, convertToken
	case req.GrantType == "" && req.Code != "":
		return opTokenCode, redeemCode
	default:
		return "", nil
	}
}

// exchange does the work and answers with the newest pair.
func (s *Server) exchange(domain string, app *registration, req tokenRequest, change exchanger) faults.Reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	inst := &installation{} // an unknown shop has no tokens, and no code was given out for it
	if sh := s.shops[domain]; sh != nil && sh.Apps[app.handle] != nil {
		inst = sh.Apps[app.handle]
	}
	s.changed()
	if refused := change(app, inst, req, s.opts.Now()); refused != nil {
		inst.RefusedTokens++
		s.opts.Log.Info().Str("shop", domain).Str("app", app.handle).Str("error", refused.Error).Msg("token request refused")
		return jsonReply(http.StatusBadRequest, *refused)
	}
	newest := inst.Tokens.Access[len(inst.Tokens.Access)-1]
	answer := tokenAnswer{AccessToken: newest.Token, Scope: strings.Join(inst.Scopes, ",")}
	if inst.Tokens.Refresh != "" {
		answer.ExpiresIn, answer.RefreshToken = int(accessLifetime.Seconds()), inst.Tokens.Refresh
		answer.RefreshTokenExpiresIn = int(refreshLifetime.Seconds())
	}
	return jsonReply(http.StatusOK, answer)
}

func refreshTokens(_ *registration, inst *installation, req tokenRequest, now time.Time) *tokenError {
	if !inst.Tokens.refresh(req.RefreshToken, now) {
		return &tokenError{"invalid_grant", "the refresh token is unknown, used or expired"}
	}
	return nil
}

// redeemCode spends an authorization code: it works once, for the shop and the app it was made for.
func redeemCode(app *registration, inst *installation, req tokenRequest, now time.Time) *tokenError {
	if !bool(req.Expiring) && !app.mayStayForever(now) {
		return &tokenError{"invalid_request", "this app must ask for expiring tokens"}
	}
	for i, known := range inst.Codes {
		if !equal(known.Code, req.Code) {
			continue
		}
		inst.Codes = append(inst.Codes[:i:i], inst.Codes[i+1:]...)
		if !now.Before(known.ExpiresAt) {
			break
		}
		inst.Tokens.start(bool(req.Expiring), now)
		return nil
	}
	return &tokenError{"invalid_request", "The authorization code was not found or was already used"}
}

// convertToken exchanges an old token that never expires. There is no way back, and no second answer.
func convertToken(_ *registration, inst *installation, req tokenRequest, now time.Time) *tokenError {
	switch {
	case req.SubjectTokenType != offlineToken || req.RequestedTokenType != offlineToken:
		return &tokenError{"invalid_request", "only offline access tokens are converted here"}
	case !bool(req.Expiring):
		return &tokenError{"invalid_request", "expiring must be 1"}
	case !inst.Tokens.convert(req.SubjectToken, now):
		return &tokenError{"invalid_subject_token", "the token is unknown, converted already, or expires anyway"}
	default:
		return nil
	}
}

// readTokenRequest takes JSON, which Shopify's own clients send, or a form.
func readTokenRequest(w http.ResponseWriter, r *http.Request) (tokenRequest, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return tokenRequest{}, errors.New("the body could not be read")
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return tokenRequest{}, errors.New("the Content-Type is missing or malformed")
	}
	switch kind {
	case "application/json":
		var req tokenRequest
		if err := json.Unmarshal(body, &req); err != nil {
			return tokenRequest{}, errors.New("the body is not JSON")
		}
		return req, nil
	case "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return tokenRequest{}, errors.New("the body is not a form")
		}
		return tokenRequest{
			ClientID: form.Get("client_id"), ClientSecret: form.Get("client_secret"), Code: form.Get("code"),
			Expiring: form.Get("expiring") == "1", GrantType: form.Get("grant_type"), RefreshToken: form.Get("refresh_token"),
			SubjectToken: form.Get("subject_token"), SubjectTokenType: form.Get("subject_token_type"),
			RequestedTokenType: form.Get("requested_token_type"),
		}, nil
	default:
		return tokenRequest{}, errors.New("the body must be JSON or a form")
	}
}
