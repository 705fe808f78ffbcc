package stripe

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"
)

// tolerance is how far the timestamp of a signature may be from our clock, in
// either direction.
const tolerance = 300 * time.Second

// Reasons to refuse a signature.
var (
	errSignatureForm  = errors.New("signature header is malformed")
	errSignatureStale = errors.New("signature is too old or from the future")
	errSignatureWrong = errors.New("no signature matches")
)

// verify checks a Stripe-Signature header over a raw body. Any v1 may match any
// secret: both are doubled while a secret is rolled. Other schemes are ignored.
func verify(header string, body []byte, secrets []string, now time.Time) error {
	at, signatures, err := readSignature(header)
	if err != nil {
		return err
	}
	if skew := now.Sub(time.Unix(at, 0)); skew > tolerance || skew < -tolerance {
		return errSignatureStale
	}
	for _, secret := range secrets {
		want := sign(secret, at, body)
		for _, got := range signatures {
			if hmac.Equal(want, got) {
				return nil
			}
		}
	}
	return errSignatureWrong
}

// sign is the MAC of a body sent at a Unix time. The secret is taken as it is
// written, prefix included.
func sign(secret string, at int64, body []byte) []byte {
	return mac(secret, append(strconv.AppendInt(nil, at, 10), '.'), body)
}

// mac is HMAC-SHA256 over the parts, one after the other.
func mac(key string, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, []byte(key))
	for _, part := range parts {
		h.Write(part)
	}
	return h.Sum(nil)
}

// readSignature takes a header apart. A v1 that is not hex is skipped, as in
// Stripe's own libraries; an element without "=" or a missing time is an error.
func readSignature(header string) (at int64, signatures [][]byte, err error) {
	timed := false
	for element := range strings.SplitSeq(header, ",") {
		name, value, ok := strings.Cut(element, "=")
		if !ok {
			return 0, nil, errSignatureForm
		}
		switch name {
		case "t":
			if at, err = strconv.ParseInt(value, 10, 64); err != nil || timed {
				return 0, nil, errSignatureForm
			}
			timed = true
		case "v1":
			if signature, err := hex.DecodeString(value); err == nil {
				signatures = append(signatures, signature)
			}
		}
	}
	if !timed {
		return 0, nil, errSignatureForm
	}
	return at, signatures, nil
}
