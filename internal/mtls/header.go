package mtls

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// parseEscaped reads URL-escaped PEM, leaf first. A plus sign is a plus sign: AWS
// leaves it as it is, nginx escapes it, and neither means a space.
func parseEscaped(value string) ([]*x509.Certificate, error) {
	text, err := url.PathUnescape(value)
	if err != nil {
		return nil, fmt.Errorf("unescape: %w", err)
	}
	return parseChain([]byte(text))
}

// parseEnvoy reads the certificate of X-Forwarded-Client-Cert: pairs of key and
// value parted by semicolons, "Cert" and optionally "Chain" being URL-escaped PEM
// in quotes. Elements of several hops are parted by commas; more than one is
// refused, because the first would be what a client wrote if the proxy appends
// instead of replacing.
func parseEnvoy(value string) ([]*x509.Certificate, error) {
	pairs, err := splitEnvoy(value)
	if err != nil {
		return nil, err
	}
	leaf, found := pairs["cert"]
	if !found {
		return nil, errors.New("no Cert in the element")
	}
	chain, err := parseEscaped(leaf)
	if err != nil {
		return nil, fmt.Errorf("member Cert: %w", err)
	}
	if len(chain) != 1 {
		return nil, errors.New("several certificates in Cert")
	}
	if escaped, found := pairs["chain"]; found {
		// The chain begins with the leaf again; as an intermediate it is idle.
		more, err := parseEscaped(escaped)
		if err != nil {
			return nil, fmt.Errorf("member Chain: %w", err)
		}
		chain = append(chain, more...)
	}
	return chain, nil
}

// splitEnvoy parts the one element of the header into its pairs, with lower-case
// keys. Of keys that Envoy repeats (URI, DNS) the last value stays; Cert and Chain
// must not repeat. Within quotes a backslash escapes a quote.
func splitEnvoy(value string) (map[string]string, error) {
	pairs := make(map[string]string)
	var pair strings.Builder
	quoted, escaped := false, false
	keep := func() error {
		key, text, found := strings.Cut(pair.String(), "=")
		key = strings.ToLower(strings.TrimSpace(key))
		if !found || key == "" {
			return errors.New("a member without key or value")
		}
		if _, taken := pairs[key]; taken && (key == "cert" || key == "chain") {
			return fmt.Errorf("member %s is repeated", key)
		}
		pairs[key] = text
		pair.Reset()
		return nil
	}
	for _, char := range []byte(value) {
		switch {
		case escaped:
			escaped = false
			pair.WriteByte(char)
		case quoted && char == '\\':
			escaped = true
		case char == '"':
			quoted = !quoted
		case !quoted && char == ',':
			return nil, errors.New("elements of several hops")
		case !quoted && char == ';':
			if err := keep(); err != nil {
				return nil, err
			}
		default:
			pair.WriteByte(char)
		}
	}
	if quoted {
		return nil, errors.New("a quote is not closed")
	}
	if err := keep(); err != nil {
		return nil, err
	}
	return pairs, nil
}
