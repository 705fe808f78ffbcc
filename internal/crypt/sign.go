package crypt

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
)

// ErrSignature reports bytes that were not signed by the key, or not for this use.
var ErrSignature = errors.New("the signature does not fit")

const purposeSign purpose = "tillflow signing key 1"

// Signature is an Ed25519 signature of this service.
type Signature struct {
	// KeyID names the master key from which the signing key is derived.
	KeyID string
	// Public is the key that verifies: who has it from us needs no secret of ours.
	Public ed25519.PublicKey
	Bytes  []byte
}

// Sign signs a text for one use with a key that is derived from the active master
// key: there is no further secret to keep, and an old signature can be verified as
// long as its master key is on the ring.
func (v *Vault) Sign(use string, text []byte) (Signature, error) {
	key, err := v.signer(v.ring.active)
	if err != nil {
		return Signature{}, fmt.Errorf("sign: %w", err)
	}
	public := ed25519.PublicKey(key[ed25519.PrivateKeySize-ed25519.PublicKeySize:])
	return Signature{KeyID: v.ring.active, Public: public, Bytes: ed25519.Sign(key, signed(use, text))}, nil
}

// SigningKey is the public half of the key that a master key of the ring derives;
// an empty id is the active one.
func (v *Vault) SigningKey(id string) (ed25519.PublicKey, error) {
	if id == "" {
		id = v.ring.active
	}
	key, err := v.signer(id)
	if err != nil {
		return nil, fmt.Errorf("derive signing key: %w", err)
	}
	return ed25519.PublicKey(key[ed25519.PrivateKeySize-ed25519.PublicKeySize:]), nil
}

// VerifySignature checks a signature under a public key that the caller trusts.
// ErrSignature otherwise.
func VerifySignature(public ed25519.PublicKey, use string, text, signature []byte) error {
	if len(public) != ed25519.PublicKeySize || !ed25519.Verify(public, signed(use, text), signature) {
		return ErrSignature
	}
	return nil
}

// signed binds the text to its use, so that no signature serves as another one.
func signed(use string, text []byte) []byte { return bind(use, string(text)) }

func (v *Vault) signer(id string) (ed25519.PrivateKey, error) {
	master, err := v.ring.key(id)
	if err != nil {
		return nil, err
	}
	seed, err := hkdf.Expand(sha256.New, master, string(purposeSign)+"\x00"+id, ed25519.SeedSize)
	if err != nil {
		return nil, fmt.Errorf("derive: %w", err)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}
