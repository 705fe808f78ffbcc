package shopify

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"slices"
	"time"
)

const (
	accessLifetime  = time.Hour
	refreshLifetime = 90 * 24 * time.Hour
	// maxBody bounds every request body the stand-in reads.
	maxBody = 1 << 20
	// maxIssued is how many token generations the books keep, newest first to stay.
	maxIssued = 500
)

// TokenOrigin says what an access token was given for.
type TokenOrigin string

// The origins: configured before the start, an authorization code, a refresh token, an old token that did not
// expire.
const (
	TokenSeed       TokenOrigin = "seed"
	TokenCode       TokenOrigin = "code"
	TokenRefresh    TokenOrigin = "refresh"
	TokenConversion TokenOrigin = "conversion"
)

// Token is what the books say about one access token. The token itself is not in it.
type Token struct {
	// Generation counts an app's access tokens in one shop from 1.
	Generation int         `json:"generation"`
	By         TokenOrigin `json:"by"`
	// Fingerprint is the first 16 hex digits of the token's SHA-256.
	Fingerprint string    `json:"fingerprint"`
	IssuedAt    time.Time `json:"issued_at"`
	// ExpiresAt is null for a token that does not expire.
	ExpiresAt *time.Time `json:"expires_at"`
	// Uses counts the API requests that it opened.
	Uses int `json:"uses"`
	// Ended says why it died before it expired: repeated, replaced, converted or uninstalled.
	Ended string `json:"ended,omitempty"`
}

// tokens are one app's offline tokens in one shop.
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
	// Generation is the newest token's number; Issued are the books, oldest first.
	Generation int     `json:"generation"`
	Issued     []Token `json:"issued,omitempty"`
}

type accessToken struct {
	Token string `json:"token"`
	// ExpiresAt is zero for a token that does not expire.
	ExpiresAt time.Time `json:"expires_at"`
	// Generation finds it in the books; zero for one from before there were any.
	Generation int `json:"generation,omitempty"`
}

func (a accessToken) alive(now time.Time) bool {
	return a.ExpiresAt.IsZero() || now.Before(a.ExpiresAt)
}

// seedTokens are the tokens an app has from the start. Without a refresh token the access token never expires.
func seedTokens(access, refresh Secret, now time.Time) tokens {
	t := tokens{Seed: string(access), Refresh: string(refresh), RefreshAt: now}
	if access != "" {
		t.add(string(access), TokenSeed, refresh != "", now)
	}
	return t
}

// add makes a text the newest access token.
func (t *tokens) add(text string, by TokenOrigin, expiring bool, now time.Time) {
	t.Generation++
	token := accessToken{Token: text, Generation: t.Generation}
	entry := Token{Generation: t.Generation, By: by, Fingerprint: fingerprint(text), IssuedAt: now.UTC()}
	if expiring {
		token.ExpiresAt = now.Add(accessLifetime)
		end := token.ExpiresAt.UTC()
		entry.ExpiresAt = &end
	}
	t.Access = append(t.Access, token)
	t.Issued = append(t.Issued, entry)
	t.Issued = t.Issued[max(0, len(t.Issued)-maxIssued):]
}

// grant issues a new access token, and a new refresh token if it expires.
func (t *tokens) grant(by TokenOrigin, expiring bool, now time.Time) {
	t.Refresh, t.RefreshAt = "", now
	if expiring {
		t.Refresh = "shprt_" + rand.Text()
	}
	t.add("shpat_"+rand.Text(), by, expiring, now)
}

// start answers an authorization code: a new pair. The refresh tokens before it die, and so does an access token
// that would never expire.
func (t *tokens) start(expiring bool, now time.Time) {
	t.Previous = ""
	t.prune(now, func(known accessToken) bool { return known.ExpiresAt.IsZero() }, "replaced")
	t.grant(TokenCode, expiring, now)
}

// accepts reports whether an access token is alive. The first use of the newest one retires the previous
// refresh token.
func (t *tokens) accepts(token string, now time.Time) bool {
	for i, known := range t.Access {
		if !equal(known.Token, token) {
			continue
		}
		if !known.alive(now) {
			return false
		}
		if i == len(t.Access)-1 {
			t.Previous = ""
		}
		if entry := t.entry(known.Generation); entry != nil {
			entry.Uses++
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
		lost := t.Access[len(t.Access)-1]
		t.prune(now, func(known accessToken) bool { return known == lost }, "repeated")
	default:
		return false
	}
	t.prune(now, func(accessToken) bool { return false }, "")
	t.grant(TokenRefresh, true, now)
	return true
}

// convert exchanges a token that never expires for an expiring pair, for good; false if there is no such token.
func (t *tokens) convert(old string, now time.Time) bool {
	at := slices.IndexFunc(t.Access, func(known accessToken) bool {
		return known.ExpiresAt.IsZero() && equal(known.Token, old)
	})
	if at < 0 {
		return false
	}
	spent := t.Access[at]
	t.prune(now, func(known accessToken) bool { return known == spent }, "converted")
	t.grant(TokenConversion, true, now)
	return true
}

// end kills every token at once.
func (t *tokens) end(now time.Time) {
	t.prune(now, func(accessToken) bool { return true }, "uninstalled")
	t.Refresh, t.Previous = "", ""
}

// prune drops the access tokens that have expired and those that are chosen, and books why the latter ended.
func (t *tokens) prune(now time.Time, chosen func(accessToken) bool, why string) {
	alive := make([]accessToken, 0, len(t.Access))
	for _, known := range t.Access {
		switch {
		case !known.alive(now):
		case chosen(known):
			if entry := t.entry(known.Generation); entry != nil {
				entry.Ended = why
			}
		default:
			alive = append(alive, known)
		}
	}
	t.Access = alive
}

// entry is a generation's line in the books, nil if they do not hold it.
func (t *tokens) entry(generation int) *Token {
	for i := range t.Issued {
		if t.Issued[i].Generation == generation {
			return &t.Issued[i]
		}
	}
	return nil
}

// equal compares secrets in constant time whatever their lengths.
func equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

func fingerprint(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:8])
}
