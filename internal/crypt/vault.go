package crypt

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// ErrHash reports a text that is no keyed hash of this package.
var ErrHash = errors.New("malformed keyed hash")

// DataKey is the key of one subject or provider account, wrapped by a master key.
// Both members are stored; deleting Wrapped makes everything sealed under it
// unreadable for ever, which is how a person is erased.
type DataKey struct {
	// Owner is the id of the row whose key this is; a wrapped key that is
	// copied to another row does not open there.
	Owner string
	// Wrapped is the sealed key: version, length and text of the master key's
	// id, salt, nonce, ciphertext, tag.
	Wrapped []byte
}

// Vault seals fields of the database under data keys. It holds no state beside
// the ring, caches no opened key, and is safe for concurrent use.
type Vault struct{ ring *Keyring }

// NewVault returns a vault over the ring's keys.
func NewVault(ring *Keyring) *Vault { return &Vault{ring: ring} }

// Versions head what is stored, so that a later layout can stand beside this one.
const (
	wrappedVersion byte = 1
	fieldVersion   byte = 1
)

// NewDataKey makes a random key for the owner, wrapped by the active master key.
func (v *Vault) NewDataKey(owner string) (DataKey, error) {
	key := make([]byte, keySize)
	rand.Read(key)
	wrapped, err := v.wrap(owner, key)
	if err != nil {
		return DataKey{}, fmt.Errorf("make data key: %w", err)
	}
	return DataKey{Owner: owner, Wrapped: wrapped}, nil
}

// Seal encrypts plaintext for the row that is named: the same bytes do not open
// for another row or owner. The result is 45 bytes longer than plaintext and
// differs at each call.
func (v *Vault) Seal(key DataKey, row string, plaintext []byte) ([]byte, error) {
	opened, err := v.unwrap(key)
	if err != nil {
		return nil, fmt.Errorf("seal field: %w", err)
	}
	sealed, err := seal(opened, purposeField, bind(key.Owner, row), plaintext)
	if err != nil {
		return nil, fmt.Errorf("seal field: %w", err)
	}
	return append([]byte{fieldVersion}, sealed...), nil
}

// Open reverses [Vault.Seal]: ErrOpen if the bytes, the owner or the row differ,
// ErrUnknownKey if the ring lost the master key.
func (v *Vault) Open(key DataKey, row string, sealed []byte) ([]byte, error) {
	if len(sealed) == 0 || sealed[0] != fieldVersion {
		return nil, fmt.Errorf("open field: %w", ErrOpen)
	}
	opened, err := v.unwrap(key)
	if err != nil {
		return nil, fmt.Errorf("open field: %w", err)
	}
	plaintext, err := open(opened, purposeField, bind(key.Owner, row), sealed[1:])
	if err != nil {
		return nil, fmt.Errorf("open field: %w", err)
	}
	return plaintext, nil
}

// Rewrap returns the same data key wrapped by the active master key, and whether
// it was wrapped by another one before; fields sealed under it stay as they are.
// A key that is up to date comes back unchanged.
func (v *Vault) Rewrap(key DataKey) (DataKey, bool, error) {
	id, err := key.MasterKeyID()
	if err != nil {
		return DataKey{}, false, fmt.Errorf("rewrap data key: %w", err)
	}
	if id == v.ring.active {
		return key, false, nil
	}
	opened, err := v.unwrap(key)
	if err != nil {
		return DataKey{}, false, fmt.Errorf("rewrap data key: %w", err)
	}
	wrapped, err := v.wrap(key.Owner, opened)
	if err != nil {
		return DataKey{}, false, fmt.Errorf("rewrap data key: %w", err)
	}
	return DataKey{Owner: key.Owner, Wrapped: wrapped}, true, nil
}

// Active is the id of the master key that wraps and hashes.
func (v *Vault) Active() string { return v.ring.active }

// Holds reports whether a master key is on the ring.
func (v *Vault) Holds(id string) bool { return v.ring.Holds(id) }

// MasterKeyID says which master key wraps the data key, without opening it.
func (k DataKey) MasterKeyID() (string, error) {
	id, _, err := splitWrapped(k.Wrapped)
	return id, err
}

// Hash is a keyed fingerprint, "<key id>:<hex of HMAC-SHA256>", of a text that
// must not be readable where the hash is kept, such as the audit chain. Equal
// texts have equal hashes for one purpose and one active key; across a rotation
// look for [Vault.Hashes] and compare with [Vault.VerifyHash]. For a text about a person prefer
// [Vault.HashUnder], whose hash becomes meaningless with the person's key.
func (v *Vault) Hash(use, text string) (string, error) {
	return v.hash(v.ring.active, use, text)
}

// VerifyHash reports whether hash is that of the text, under whichever key of the
// ring made it. ErrHash for something else than a hash, ErrUnknownKey if the key
// left the ring.
func (v *Vault) VerifyHash(use, text, hash string) (bool, error) {
	id, sum, found := strings.Cut(hash, ":")
	if !found || len(sum) != hex.EncodedLen(sha256.Size) {
		return false, ErrHash
	}
	want, err := v.hash(id, use, text)
	if err != nil {
		return false, err
	}
	return hmac.Equal([]byte(want), []byte(hash)), nil
}

// HashUnder is a fingerprint, in hex, of a text under a data key: once that key
// is destroyed nobody can test guesses against it, not even with the ring. It
// survives [Vault.Rewrap].
func (v *Vault) HashUnder(key DataKey, use, text string) (string, error) {
	opened, err := v.unwrap(key)
	if err != nil {
		return "", fmt.Errorf("hash under data key: %w", err)
	}
	return keyedHash(opened, use, text), nil
}

func (v *Vault) hash(id, use, text string) (string, error) {
	key, err := v.ring.key(id)
	if err != nil {
		return "", fmt.Errorf("hash: %w", err)
	}
	return id + ":" + keyedHash(key, use, text), nil
}

// keyedHash never coincides with a derived key, although both are an HMAC under
// the same key: this input begins with a length, that one with a purpose's text.
func keyedHash(key []byte, use, text string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write(bind(string(purposeHash), use, text))
	return hex.EncodeToString(mac.Sum(nil))
}

func (v *Vault) wrap(owner string, key []byte) ([]byte, error) {
	id := v.ring.active
	master, err := v.ring.key(id)
	if err != nil {
		return nil, err
	}
	sealed, err := seal(master, purposeDataKey, bind(id, owner), key)
	if err != nil {
		return nil, err
	}
	header := append([]byte{wrappedVersion}, bind(id)...)
	return append(header, sealed...), nil
}

func (v *Vault) unwrap(key DataKey) ([]byte, error) {
	id, sealed, err := splitWrapped(key.Wrapped)
	if err != nil {
		return nil, err
	}
	master, err := v.ring.key(id)
	if err != nil {
		return nil, err
	}
	return open(master, purposeDataKey, bind(id, key.Owner), sealed)
}

// splitWrapped separates the header of a wrapped key from its box. The header is
// not trusted: the key's id is bound into the box.
func splitWrapped(wrapped []byte) (id string, sealed []byte, err error) {
	if len(wrapped) < 2 || wrapped[0] != wrappedVersion {
		return "", nil, ErrOpen
	}
	length := int(wrapped[1]) // one byte of varint: ids are shorter than 128
	if len(wrapped) < 2+length {
		return "", nil, ErrOpen
	}
	return string(wrapped[2 : 2+length]), wrapped[2+length:], nil
}

// Hashes are what [Vault.Hash] answered for the text under each key of the ring:
// whoever was filed before a rotation is found too.
func (v *Vault) Hashes(use, text string) ([]string, error) {
	list := make([]string, 0, len(v.ring.keys))
	for id := range v.ring.keys {
		hash, err := v.hash(id, use, text)
		if err != nil {
			return nil, err
		}
		list = append(list, hash)
	}
	return list, nil
}
