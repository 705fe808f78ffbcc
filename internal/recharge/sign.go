package recharge

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tillflow/internal/crypt"
)

// Headers of a delivery.
const (
	headerSignature = "X-Recharge-Webhook-Signature"
	headerLegacy    = "X-Recharge-Hmac-Sha256"
	headerTopic     = "X-Recharge-Topic"
)

// tolerance is how far the time of a signature may be from our clock: Recharge repeats a delivery for two days.
const tolerance = 172800 * time.Second

// Reasons to refuse a delivery, for errors.Is.
var (
	// ErrUnsigned: neither signature is there.
	ErrUnsigned = errors.New("recharge webhook: no signature")
	// ErrMalformed: a signature that cannot be read, or several headers of one name.
	ErrMalformed = errors.New("recharge webhook: malformed signature")
	// ErrStale: signed too long ago, or in the future.
	ErrStale = errors.New("recharge webhook: signature is too old or from the future")
	// ErrForged: the signature is not of this body under this secret.
	ErrForged = errors.New("recharge webhook: wrong signature")
)

// VerifyWebhook checks the signature of a delivery over its raw body, before anything in it is read. The secret is the API client's
// secret, not the access token; an empty one verifies nothing.
//
// Recharge has two schemes. X-Recharge-Webhook-Signature is an HMAC over the time and the body; where it is present it decides and
// the other one is not looked at. X-Recharge-Hmac-Sha256 is, despite its name, the plain SHA-256 of secret and body. Such a hash can
// be extended: whoever has seen one delivery can append bytes to its body and compute the hash without the secret. The first of
// these bytes is 0x80, so an extended body is no JSON; [ReadDelivery] refuses everything behind the one JSON value.
func VerifyWebhook(header http.Header, body []byte, secret crypt.Secret, now time.Time) error {
	if secret == "" {
		return ErrForged
	}
	signatures, legacy := header.Values(headerSignature), header.Values(headerLegacy)
	switch {
	case len(signatures) > 1, len(legacy) > 1:
		return ErrMalformed
	case len(signatures) == 1:
		return verifyTimed(signatures[0], body, secret, now)
	case len(legacy) == 1:
		return verifyLegacy(legacy[0], body, secret)
	}
	return ErrUnsigned
}

// verifyTimed checks "t=<unix seconds>,v1=<hex>". The time is the one inside, which is signed; the header of its own that Recharge
// sends beside it is not. Any v1 may match.
func verifyTimed(value string, body []byte, secret crypt.Secret, now time.Time) error {
	var stamp string
	var signatures [][]byte
	for element := range strings.SplitSeq(value, ",") {
		name, content, ok := strings.Cut(strings.TrimSpace(element), "=")
		if !ok {
			return ErrMalformed
		}
		switch name {
		case "t":
			if stamp != "" {
				return ErrMalformed
			}
			stamp = content
		case "v1":
			signature, err := hex.DecodeString(content)
			if err != nil {
				return ErrMalformed
			}
			signatures = append(signatures, signature)
		}
	}
	at, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || len(signatures) == 0 {
		return ErrMalformed
	}
	if skew := now.Sub(time.Unix(at, 0)); skew > tolerance || skew < -tolerance {
		return ErrStale
	}
	mac := hmac.New(sha256.New, []byte(secret.Reveal()))
	mac.Write([]byte(stamp + "."))
	mac.Write(body)
	want := mac.Sum(nil)
	for _, signature := range signatures {
		if hmac.Equal(want, signature) {
			return nil
		}
	}
	return ErrForged
}

func verifyLegacy(value string, body []byte, secret crypt.Secret) error {
	given, err := hex.DecodeString(strings.TrimSpace(value))
	if err != nil {
		return ErrMalformed
	}
	h := sha256.New()
	h.Write([]byte(secret.Reveal()))
	h.Write(body)
	if subtle.ConstantTimeCompare(h.Sum(nil), given) != 1 {
		return ErrForged
	}
	return nil
}
