package access

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"
)

// Token is a session's secret: 256 random bits in base64url, which only the
// browser keeps. fmt prints *** of it.
type Token string

// Format implements fmt.Formatter for all verbs.
func (Token) Format(state fmt.State, _ rune) { redacted(state) }

// Reveal returns the text itself, for the cookie.
func (t Token) Reveal() string { return string(t) }

const tokenLength = 32

// ErrToken reports a text that cannot be a token.
var ErrToken = errors.New("malformed token")

// NewToken makes a token.
func NewToken() Token { return Token(base64.RawURLEncoding.EncodeToString(random(tokenLength))) }

// ParseToken reads a cookie's value.
func ParseToken(text string) (Token, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != tokenLength {
		return "", ErrToken
	}
	return Token(text), nil
}

// Hash is what the record keeps of a token. 256 random bits need no salt.
func (t Token) Hash() []byte {
	sum := sha256.Sum256([]byte(t))
	return sum[:]
}

// Derive makes another secret out of the token for one use. Uses do not tell
// anything about each other nor about the token.
func (t Token) Derive(use string) string {
	mac := hmac.New(sha256.New, []byte(t))
	mac.Write([]byte("tillflow console " + use))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// CSRF is the token that every form of this session carries. It needs no
// storage and ends with the session.
func (t Token) CSRF() string { return t.Derive("csrf") }

// CheckCSRF compares what a form brought, in constant time.
func (t Token) CheckCSRF(given string) bool {
	return t != "" && hmac.Equal([]byte(t.CSRF()), []byte(given))
}

// Stage is how far a login has come.
type Stage string

// Stages of a session.
const (
	// HalfOpen: the password was right, the one-time code is awaited.
	HalfOpen Stage = "half_open"
	// Open: the person is in.
	Open Stage = "open"
)

// Method is how a person has come in.
type Method string

// Methods. Their texts stand in the audit.
const (
	ByPassword Method = "password"
	ByTOTP     Method = "password_totp"
	ByRecovery Method = "password_recovery"
	ByOIDC     Method = "oidc"
	ByDev      Method = "dev"
)

// Lifetimes bound a session.
type Lifetimes struct {
	// Idle ends a session that long after its last request. Default 30 min.
	Idle time.Duration
	// Absolute ends it that long after the login. Default 12 h.
	Absolute time.Duration
	// Half is the time for the one-time code. Default 5 min.
	Half time.Duration
}

// OrDefault fills in what is not set.
func (l Lifetimes) OrDefault() Lifetimes {
	for _, one := range []struct {
		value *time.Duration
		usual time.Duration
	}{{&l.Idle, 30 * time.Minute}, {&l.Absolute, 12 * time.Hour}, {&l.Half, 5 * time.Minute}} {
		if *one.value <= 0 {
			*one.value = one.usual
		}
	}
	return l
}

// Session is a session as a request finds it. Role and state of the user are
// those of now, not of the login.
type Session struct {
	User    User
	Stage   Stage
	Method  Method
	Created time.Time
	Seen    time.Time // last request, to about a minute
	Ends    time.Time // whatever happens
}

// Alive reports whether a session is good at a time.
func (s Session) Alive(now time.Time, l Lifetimes) bool {
	return s.User.Disabled.IsZero() && now.Before(s.Ends) && now.Before(s.Seen.Add(l.Idle))
}

// Opening is a session to be stored.
type Opening struct {
	UserID   string
	Hash     []byte // of the new token
	Replaces []byte // hash of the browser's earlier one, which ends now; may be empty
	Stage    Stage
	Method   Method
	For      time.Duration // until it ends, whatever happens
	Address  string        // of the browser, if the try was counted: it and the failed ones before it are forgiven
}
