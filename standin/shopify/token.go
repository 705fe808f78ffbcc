package shopify

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"time"

	"tillflow/standin/faults"
)

const (
	accessLifetime  = time.Hour
	refreshLifetime = 90 * 24 * time.Hour
	// maxBody bounds every request body the stand-in reads.
	maxBody = 1 << 20
)

// tokens are one shop's offline tokens.
type tokens struct {
	// Seed is the configured access token these tokens descend from: another one in the configuration starts
	// over.
	Seed string `json:"seed"`
	// Access holds every access token that may still be alive; the last is the newest.
	Access []accessToken `json:"access"`
	// Refresh is the newest refresh token, empty for a token that does not expire.
	Refresh   string    `json:"refresh"`
	RefreshAt time.Time `json:"refresh_at"`
	// Previous is the refresh token before Refresh. It stays usable until the newest access token is first used,
	// so that an answer lost on the way costs nothing.
	Previous string `json:"previous,omitempty"`
}

type accessToken struct {
	Token string `json:"token"`
	// ExpiresAt is zero for a token that does not expire.
	ExpiresAt time.Time `json:"expires_at"`
}

func newTokens(s Shop, now time.Time) tokens {
	first := accessToken{Token: string(s.AccessToken)}
	if s.RefreshToken != "" {
		first.ExpiresAt = now.Add(accessLifetime)
	}
	return tokens{
		Seed: string(s.AccessToken), Access: []accessToken{first},
		Refresh: string(s.RefreshToken), RefreshAt: now,
	}
}

// accepts reports whether an access token is alive. The first use of the newest one retires the previous
// refresh token.
func (t *tokens) accepts(token string, now time.Time) bool {
	for i, known := range t.Access {
		if !equal(known.Token, token) {
			continue
		}
		if !known.ExpiresAt.IsZero() && !now.Before(known.ExpiresAt) {
			return false
		}
		if i == len(t.Access)-1 {
			t.Previous = ""
		}
		return true
	}
	return false
}

// refresh rotates both tokens; false means invalid_grant.
func (t *tokens) refresh(refreshToken string, now time.Time) bool {
	if refreshToken == "" || t.Refresh == "" {
		return false
	}
	switch {
	case equal(t.Refresh, refreshToken):
		if now.Sub(t.RefreshAt) >= refreshLifetime {
			return false
		}
		t.Previous = t.Refresh
	case t.Previous != "" && equal(t.Previous, refreshToken):
		// The answer to the first exchange was lost: its tokens die unused.
		t.Access = t.Access[:len(t.Access)-1]
	default:
		return false
	}
	alive := t.Access[:0]
	for _, known := range t.Access {
		if now.Before(known.ExpiresAt) {
			alive = append(alive, known)
		}
	}
	t.Access = append(alive, accessToken{Token: "shpat_" + rand.Text(), ExpiresAt: now.Add(accessLifetime)})
	t.Refresh, t.RefreshAt = "shprt_"+rand.Text(), now
	return true
}

// equal compares secrets in constant time whatever their lengths.
func equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

type tokenRequest struct {
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	GrantType    string `json:"grant_type"`
	RefreshToken string `json:"refresh_token"`
}

type tokenAnswer struct {
	AccessToken           string `json:"access_token"`
	Scope                 string `json:"scope"`
	ExpiresIn             int    `json:"expires_in"`
	RefreshToken          string `json:"refresh_token"`
	RefreshTokenExpiresIn int    `json:"refresh_token_expires_in"`
}

type tokenError struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	domain := r.PathValue("shop")
	w.Header().Set("X-Request-Id", requestID())
	w.Header().Set("Cache-Control", "no-store")
	req, err := readTokenRequest(w, r)
	if err != nil {
		writeJSON(w, http.StatusBadRequest, tokenError{"invalid_request", err.Error()})
		return
	}
	if req.ClientID != s.opts.ClientID || !equal(req.ClientSecret, string(s.opts.ClientSecret)) {
		writeJSON(w, http.StatusUnauthorized, tokenError{"invalid_client", "unknown client or wrong secret"})
		return
	}
	if req.GrantType != "refresh_token" {
		writeJSON(w, http.StatusBadRequest, tokenError{"unsupported_grant_type", "only refresh_token is served here"})
		return
	}
	s.faults.Serve(w, r, faults.Call{Name: opTokenRefresh, Subject: r.URL.Path, Do: func(plan *faults.Plan) faults.Reply {
		if code, ok := plan.Decline(); ok {
			return jsonReply(http.StatusBadRequest, tokenError{code, "fault switch"})
		}
		answer, ok := s.exchange(domain, req.RefreshToken)
		if !ok {
			return jsonReply(http.StatusBadRequest,
				tokenError{"invalid_grant", "the refresh token is unknown, used or expired"})
		}
		return jsonReply(http.StatusOK, answer)
	}})
}

// exchange rotates a shop's tokens; false means invalid_grant.
func (s *Server) exchange(domain, refreshToken string) (tokenAnswer, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sh := s.shops[domain]
	if sh == nil || !sh.Tokens.refresh(refreshToken, s.opts.Now()) {
		s.opts.Log.Info().Str("shop", domain).Msg("token refresh refused")
		return tokenAnswer{}, false
	}
	s.changed()
	newest := sh.Tokens.Access[len(sh.Tokens.Access)-1]
	return tokenAnswer{
		AccessToken: newest.Token, Scope: "write_payment_gateways,write_payment_sessions",
		ExpiresIn: int(accessLifetime.Seconds()), RefreshToken: sh.Tokens.Refresh,
		RefreshTokenExpiresIn: int(refreshLifetime.Seconds()),
	}, true
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
			ClientID: form.Get("client_id"), ClientSecret: form.Get("client_secret"),
			GrantType: form.Get("grant_type"), RefreshToken: form.Get("refresh_token"),
		}, nil
	default:
		return tokenRequest{}, errors.New("the body must be JSON or a form")
	}
}
