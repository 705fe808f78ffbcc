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
	"tillflow/internal/shopify/app"
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
type Secret = app.Secret

const hidden = "***"

// Tokens is the answer to a grant. Both tokens replace the old ones; store them in one transaction.
type Tokens = app.Tokens

// RefresherOptions configure a [Refresher].
type RefresherOptions struct {
	BaseURL      string // as in [Options]
	ClientID     string
	ClientSecret Secret
	HTTPClient   *http.Client
	Log          zerolog.Logger
	Now          func() time.Time
}

// Refresher makes the calls to the token endpoint: code exchange, refresh, conversion. It is safe for concurrent use, but two
// refreshes of one shop at the same time are for the caller's lock to prevent.
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
	tokens, err := r.grant(ctx, shop, "refresh_token", map[string]string{
		"grant_type": "refresh_token", "refresh_token": string(refreshToken),
	})
	if err != nil {
		return Tokens{}, fmt.Errorf("refresh access token at shopify: %w", err)
	}
	return tokens, nil
}

// ExchangeCode trades the code of an installation's callback for a pair of offline tokens that expire. A code is good once and for
// a short time: Invalid means that Shopify does not know it any more, and the merchant starts again.
func (r *Refresher) ExchangeCode(ctx context.Context, shop string, code Secret) (Tokens, error) {
	tokens, err := r.grant(ctx, shop, "exchange_code", map[string]string{"code": string(code), "expiring": "1"})
	if err != nil {
		return Tokens{}, fmt.Errorf("exchange authorization code at shopify: %w", err)
	}
	return tokens, nil
}

// Names of a grant and of a kind of token.
const (
	tokenExchange    = "urn:ietf:params:oauth:grant-type:token-exchange"          //nolint:gosec // G101: a name, not a credential
	offlineTokenType = "urn:shopify:params:oauth:token-type:offline-access-token" //nolint:gosec // G101: a name, not a credential
)

// ConvertToken trades an old token that does not expire for a pair that does. The old one dies with it and there is no way back: an
// answer that is lost after Shopify did it costs the authorization, and the merchant has to open the app once.
func (r *Refresher) ConvertToken(ctx context.Context, shop string, permanent Secret) (Tokens, error) {
	tokens, err := r.grant(ctx, shop, "convert_token", map[string]string{
		"grant_type": tokenExchange, "subject_token": string(permanent),
		"subject_token_type": offlineTokenType, "requested_token_type": offlineTokenType, "expiring": "1",
	})
	if err != nil {
		return Tokens{}, fmt.Errorf("convert permanent access token at shopify: %w", err)
	}
	return tokens, nil
}

// grant asks the token endpoint; fields are what is special to the kind of grant.
func (r *Refresher) grant(ctx context.Context, shop, operation string, fields map[string]string) (Tokens, error) {
	address, err := r.base.at(shop, "/admin/oauth/access_token")
	if err != nil {
		return Tokens{}, err
	}
	fields["client_id"], fields["client_secret"] = r.id, string(r.secret)
	body, err := json.Marshal(fields)
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
	r.log.Info().Str("shop", shop).Str("operation", operation).Int("status", resp.StatusCode).
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
