package access

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // G505: RFC 6238's default, the only one that all authenticator apps know; HMAC needs no collision resistance
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"strconv"
	"time"
)

// TOTPKey is the secret that a person's authenticator app shares with us. fmt
// prints *** of it.
type TOTPKey []byte

// Format implements fmt.Formatter for all verbs.
func (TOTPKey) Format(state fmt.State, _ rune) { redacted(state) }

const (
	totpPeriod = 30 // seconds of one step
	totpDigits = 6
	totpSkew   = 1 // steps before and after the present one that are accepted
	totpLength = 20
)

// NewTOTPKey makes a secret of 160 bits, the length of RFC 4226, section 4.
func NewTOTPKey() TOTPKey { return random(totpLength) }

// Text is the secret in base32, as people type it into an app.
func (k TOTPKey) Text() string {
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(k)
}

// URI is the secret as apps read it from a QR code, in the form that Google
// Authenticator's key URI format has set.
func (k TOTPKey) URI(issuer, name string) string {
	query := url.Values{"secret": {k.Text()}, "issuer": {issuer}, "digits": {strconv.Itoa(totpDigits)}, "period": {strconv.Itoa(totpPeriod)}}
	u := url.URL{Scheme: "otpauth", Host: "totp", Path: "/" + issuer + ":" + name, RawQuery: query.Encode()}
	return u.String()
}

// Check finds the time step whose code was given: the present one, or one
// before or after it. used is the last step that the person has come in with,
// and steps up to it are spent (RFC 6238, section 5.2). The caller stores the
// step that is answered, and only the one that stores it first may go on.
func (k TOTPKey) Check(code string, now time.Time, used int64) (step int64, ok bool) {
	present := now.Unix() / totpPeriod
	for candidate := present - totpSkew; candidate <= present+totpSkew; candidate++ {
		// All are compared, so that the time tells nothing about which one fits.
		same := subtle.ConstantTimeCompare([]byte(hotp(k, candidate, totpDigits)), []byte(code)) == 1
		if same && candidate > used && !ok {
			step, ok = candidate, true
		}
	}
	return step, ok && len(k) > 0
}

// hotp is RFC 4226, section 5.3.
func hotp(key []byte, counter int64, digits int) string {
	mac := hmac.New(sha1.New, key)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(counter)))
	sum := mac.Sum(nil)
	offset := sum[len(sum)-1] & 0x0f
	number := binary.BigEndian.Uint32(sum[offset:]) & 0x7fff_ffff
	limit := uint32(1)
	for range digits {
		limit *= 10
	}
	return fmt.Sprintf("%0*d", digits, number%limit)
}
