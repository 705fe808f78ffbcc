package access

import (
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
)

// RecoveryCode lets a person in once, beside their password, when the
// authenticator is lost: 80 random bits in base32. fmt prints *** of it.
type RecoveryCode string

// Format implements fmt.Formatter for all verbs.
func (RecoveryCode) Format(state fmt.State, _ rune) { redacted(state) }

const (
	recoveryCodes  = 10 // that a person is given at a time
	recoveryLength = 10 // bytes of one
	recoveryGroup  = 4  // characters between hyphens
)

// ErrRecoveryCode reports a text that cannot be a recovery code.
var ErrRecoveryCode = errors.New("malformed recovery code")

// NewRecoveryCodes makes ten.
func NewRecoveryCodes() []RecoveryCode {
	list := make([]RecoveryCode, recoveryCodes)
	for i := range list {
		list[i] = RecoveryCode(base32.StdEncoding.EncodeToString(random(recoveryLength)))
	}
	return list
}

// ParseRecoveryCode reads a code as people type it: in any case of letters, with
// or without hyphens and spaces, and with the digits that base32 leaves out for
// the letters that they look like.
func ParseRecoveryCode(text string) (RecoveryCode, error) {
	text = strings.NewReplacer("-", "", " ", "", "0", "O", "1", "I", "8", "B").Replace(strings.ToUpper(text))
	raw, err := base32.StdEncoding.DecodeString(text)
	if err != nil || len(raw) != recoveryLength {
		return "", ErrRecoveryCode
	}
	return RecoveryCode(text), nil
}

// Text is the code in groups of four, as it is shown once.
func (c RecoveryCode) Text() string {
	var groups []string
	for rest := string(c); rest != ""; {
		n := min(recoveryGroup, len(rest))
		groups, rest = append(groups, rest[:n]), rest[n:]
	}
	return strings.Join(groups, "-")
}

// Hash is what the record keeps of a code. 80 random bits need no salt.
func (c RecoveryCode) Hash() []byte {
	sum := sha256.Sum256([]byte(c))
	return sum[:]
}
