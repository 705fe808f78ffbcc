package shopify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/rs/zerolog"

	"tillflow/internal/payment"
)

// TokenSource gives a shop's access token. It keeps tokens, renews them in time, and holds a lock per shop so that one refresh
// happens at once; a [Refresher] makes the call.
type TokenSource interface {
	// Token returns an access token that is good for some minutes more.
	Token(ctx context.Context, shop string) (string, error)
	// Refresh returns another token than stale, which Shopify has refused: the stored one if somebody else renewed it meanwhile.
	Refresh(ctx context.Context, shop, stale string) (string, error)
}

// Secret is text that never prints itself. Convert it with string() where it is used.
type Secret string

const hidden = "***"

// String implements [fmt.Stringer].
func (Secret) String() string { return hidden }

// GoString implements [fmt.GoStringer].
func (Secret) GoString() string { return hidden }

// MarshalText keeps the secret out of JSON.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// Tokens is the answer to a refresh. Both tokens replace the old ones; store them in one transaction.
type Tokens struct {
	Access           Secret
	AccessExpiresAt  time.Time
	Refresh          Secret
	RefreshExpiresAt time.Time
	Scope            string // comma-separated
}

// RefresherOptions configure a [Refresher].
type RefresherOptions struct {
	BaseURL      string // as in [Options]
	ClientID     string
	ClientSecret Secret
	HTTPClient   *http.Client
	Log          zerolog.Logger
	Now          func() time.Time
}

// Refresher makes the call of the refresh grant. It is safe for concurrent use, but two refreshes of one shop at the same time are
// for the caller's lock to prevent.
type Refresher struct {
	base   baseURL
	id     string
	secret Secret
	http   *http.Client
	log    zerolog.Logger
	now    func() time.Time
}

// NewRefresher returns a refresher, or an error that names what is wrong with the options.
func NewRefresher(o RefresherOptions) (*Refresher, error) {
	base, err := parseBaseURL(o.BaseURL)
	if err != nil {
		return nil, err
	}
	if o.ClientID == "" || o.ClientSecret == "" || o.HTTPClient == nil || o.Now == nil {
		return nil, errors.New("shopify refresher: ClientID, ClientSecret, HTTPClient and Now are required")
	}
	return &Refresher{
		base: base, id: o.ClientID, secret: o.ClientSecret,
		http: withoutRedirects(o.HTTPClient), log: o.Log, now: o.Now,
	}, nil
}

// RefreshToken trades a refresh token for a new pair. Shopify keeps the old refresh token usable until the new access token is first
// used, so a call without an answer may be repeated with the same one. [CodeInvalidGrant] means the merchant must authorize again.
func (r *Refresher) RefreshToken(ctx context.Context, shop string, refreshToken Secret) (Tokens, error) {
	tokens, err := r.refresh(ctx, shop, refreshToken)
	if err != nil {
		return Tokens{}, fmt.Errorf("refresh access token at shopify: %w", err)
	}
	return tokens, nil
}

func (r *Refresher) refresh(ctx context.Context, shop string, refreshToken Secret) (Tokens, error) {
	address, err := r.base.at(shop, "/admin/oauth/access_token")
	if err != nil {
		return Tokens{}, err
	}
	body, err := json.Marshal(map[string]string{
		"client_id": r.id, "client_secret": string(r.secret),
		"grant_type": "refresh_token", "refresh_token": string(refreshToken),
	})
	if err != nil {
		return Tokens{}, &payment.Error{Class: payment.Bug, Code: "encode", Message: "request cannot be encoded"}
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return Tokens{}, &payment.Error{Class: payment.Bug, Code: "request", Message: "request cannot be built", Err: err}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", userAgent)
	resp, err := r.http.Do(req)
	if err != nil {
		return Tokens{}, transportError(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	r.log.Info().Str("shop", shop).Str("operation", "refresh_token").Int("status", resp.StatusCode).
		Str("request_id", printable(resp.Header.Get("X-Request-Id"))).Msg("shopify answered")
	if err != nil {
		return Tokens{}, transportError(err)
	}
	return r.read(resp, answer)
}

// read turns the answer into tokens. The answer's text never enters an error: it may hold the tokens.
func (r *Refresher) read(resp *http.Response, body []byte) (Tokens, error) {
	var answer struct {
		Error            string `json:"error"`
		AccessToken      string `json:"access_token"`
		ExpiresIn        int64  `json:"expires_in"` // seconds
		RefreshToken     string `json:"refresh_token"`
		RefreshExpiresIn int64  `json:"refresh_token_expires_in"` // seconds
		Scope            string `json:"scope"`
	}
	decodeErr := json.Unmarshal(body, &answer)
	if decodeErr == nil && answer.Error == "invalid_grant" {
		return Tokens{}, &payment.Error{
			Class: payment.Unauthorized, Code: CodeInvalidGrant,
			Message: "the merchant must authorize the app again",
		}
	}
	if resp.StatusCode != http.StatusOK {
		err := statusError(resp.StatusCode, resp.Header, r.now())
		if err.Class == payment.Invalid && answer.Error == "invalid_client" {
			err.Class, err.Code = payment.Unauthorized, "invalid_client"
		}
		return Tokens{}, err
	}
	if decodeErr != nil || answer.AccessToken == "" || answer.RefreshToken == "" || answer.ExpiresIn <= 0 || answer.RefreshExpiresIn <= 0 {
		return Tokens{}, &payment.Error{Class: payment.Unavailable, Code: "unreadable_answer", Message: "shopify's answer holds no pair of tokens"}
	}
	now := r.now()
	return Tokens{
		Access: Secret(answer.AccessToken), AccessExpiresAt: now.Add(time.Duration(answer.ExpiresIn) * time.Second),
		Refresh: Secret(answer.RefreshToken), RefreshExpiresAt: now.Add(time.Duration(answer.RefreshExpiresIn) * time.Second),
		Scope: answer.Scope,
	}, nil
}
