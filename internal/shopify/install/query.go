package install

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"tillflow/internal/shopify/app"
)

const (
	// tolerance is how far a signed time may lie on either side of ours, as in Shopify's own libraries.
	tolerance = 90 * time.Second
	// maxQuery bounds a query; Shopify's are below 1 KiB.
	maxQuery = 4 << 10
)

// query is a signed query, each name once.
type query map[string]string

// parse reads a raw query strictly. A name that comes twice, in whatever spelling, is refused: which of them counts would be a
// matter of who reads it.
func parse(raw string) (query, error) {
	if len(raw) > maxQuery {
		return nil, refuse(Malformed, "the query is too long")
	}
	values, err := url.ParseQuery(raw) // refuses semicolons and broken escapes
	if err != nil {
		return nil, refuse(Malformed, "the query cannot be read")
	}
	q := query{}
	for name, list := range values {
		if len(list) != 1 || name == "" {
			return nil, refuse(Malformed, "a parameter is there twice or has no name")
		}
		q[name] = list[0]
	}
	return q, nil
}

// verify checks signature and time, in this order: of a query that is not Shopify's nothing else is said.
func (q query) verify(secrets []app.Secret, now time.Time) (time.Time, error) {
	given := q["hmac"]
	message := q.message()
	known := false
	for _, secret := range secrets {
		// All of them are tried, so that the time does not tell which one fits.
		if hmac.Equal([]byte(given), []byte(sign(secret, message))) && secret != "" {
			known = true
		}
	}
	if !known {
		return time.Time{}, refuse(Forged, "the hmac is missing or not ours")
	}
	text := q["timestamp"]
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || strconv.FormatInt(seconds, 10) != text {
		return time.Time{}, refuse(Malformed, "the timestamp is missing or no whole number")
	}
	at := time.Unix(seconds, 0).UTC()
	if off := now.Sub(at); off > tolerance || off < -tolerance {
		return time.Time{}, refuse(Stale, "the timestamp is too far from our clock")
	}
	return at, nil
}

func sign(secret app.Secret, message string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(message))
	return hex.EncodeToString(mac.Sum(nil))
}

// message is the normal form that Shopify signs: all but the signatures, sorted by name, each name and value encoded. The encoding
// is what keeps "a=1&shop=x" in one value apart from two parameters.
func (q query) message() string {
	names := slices.Sorted(maps.Keys(q))
	var pairs []string
	for _, name := range names {
		if name != "hmac" && name != "signature" {
			pairs = append(pairs, encode(name)+"="+encode(q[name]))
		}
	}
	return strings.Join(pairs, "&")
}

// encode is the form encoding of the WHATWG URL standard, with a space as %20. net/url keeps "~" and encodes "*", the standard does
// the opposite.
func encode(text string) string {
	return strings.NewReplacer("+", "%20", "%2A", "*", "~", "%7E").Replace(url.QueryEscape(text))
}
