package crypt

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// Errors of the key ring. They never repeat what was configured, since that may
// be a key.
var (
	// ErrKeyring reports a setting that is not "id:base64,id:base64".
	ErrKeyring = errors.New("malformed key ring")
	// ErrUnknownKey reports data sealed under a key that the ring lacks.
	ErrUnknownKey = errors.New("key is not on the ring")
)

const (
	keySize    = 32 // AES-256
	maxKeyID   = 32
	keyringFmt = "crypt.Keyring(***)"
)

// Keyring holds AES-256 master keys by id. The first one is active: it seals; all
// of them open. To rotate, put a new key in front, rewrap what is stored (see
// [Vault.Rewrap]) and drop the old key once nothing needs it. A Keyring does not
// change and is safe for concurrent use; the zero value has no keys and is
// refused by whatever needs one.
type Keyring struct {
	active string
	keys   map[string][]byte
}

// ParseKeyring reads "id:base64,id:base64": ids of 1 to 32 letters, digits, dots,
// dashes and underscores, each once; keys of 32 bytes in standard base64. Errors
// are ErrKeyring and name the position of the bad key, never its content.
func ParseKeyring(config Secret) (*Keyring, error) {
	ring := &Keyring{keys: make(map[string][]byte)}
	for i, item := range strings.Split(config.Reveal(), ",") {
		id, encoded, found := strings.Cut(strings.TrimSpace(item), ":")
		if !found || !validKeyID(id) {
			return nil, fmt.Errorf("%w: key %d has no valid id", ErrKeyring, i+1)
		}
		if _, taken := ring.keys[id]; taken {
			return nil, fmt.Errorf("%w: key %d repeats an id", ErrKeyring, i+1)
		}
		key, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil || len(key) != keySize {
			return nil, fmt.Errorf("%w: key %d is not %d bytes in base64", ErrKeyring, i+1, keySize)
		}
		ring.keys[id] = key
		if ring.active == "" {
			ring.active = id
		}
	}
	return ring, nil
}

// Active returns the id of the key that seals.
func (r *Keyring) Active() string { return r.active }

// Holds reports whether a key is on the ring.
func (r *Keyring) Holds(id string) bool {
	_, found := r.keys[id]
	return found
}

// Format implements fmt.Formatter, so that no verb prints the keys.
func (*Keyring) Format(state fmt.State, _ rune) {
	_, _ = state.Write([]byte(keyringFmt)) // fmt's own buffer; a Formatter has nobody to tell
}

func (r *Keyring) key(id string) ([]byte, error) {
	key, found := r.keys[id]
	if !found {
		return nil, fmt.Errorf("%w: %.40q", ErrUnknownKey, id)
	}
	return key, nil
}

func validKeyID(id string) bool {
	for _, char := range []byte(id) {
		letter := (char >= 'a' && char <= 'z') || (char >= 'A' && char <= 'Z')
		digit := char >= '0' && char <= '9'
		if !letter && !digit && char != '.' && char != '-' && char != '_' {
			return false
		}
	}
	return id != "" && len(id) <= maxKeyID
}
