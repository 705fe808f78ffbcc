package crypt

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrOpen reports data that does not open: altered, cut short, sealed under
// another key, or moved to a row, workflow or namespace that it was not sealed
// for. Which of them it is cannot be told apart.
var ErrOpen = errors.New("sealed data does not open")

// purpose separates the keys that are derived for different uses. The texts are
// part of every sealed byte: never change one.
type purpose string

const (
	purposeDataKey purpose = "tillflow data key 1"
	purposeField   purpose = "tillflow field 1"
	purposePayload purpose = "tillflow payload 1"
	purposeHash    purpose = "tillflow hash 1"
)

const saltSize = 16

// seal returns salt | nonce | ciphertext | tag.
func seal(key []byte, use purpose, bound, plaintext []byte) ([]byte, error) {
	salt := make([]byte, saltSize, saltSize+len(plaintext)+sealOverhead)
	rand.Read(salt)
	aead, err := messageCipher(key, use, salt)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return aead.Seal(salt, nil, plaintext, bound), nil //nolint:gosec // G407: this AEAD takes no nonce, it draws its own
}

// sealOverhead is the nonce and tag that GCM with a random nonce adds.
const sealOverhead = 28

// open reverses seal, or ErrOpen.
func open(key []byte, use purpose, bound, sealed []byte) ([]byte, error) {
	if len(sealed) < saltSize+sealOverhead {
		return nil, ErrOpen
	}
	salt, box := sealed[:saltSize], sealed[saltSize:]
	aead, err := messageCipher(key, use, salt)
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	plaintext, err := aead.Open(nil, nil, box, bound)
	if err != nil {
		return nil, ErrOpen
	}
	return plaintext, nil
}

// messageCipher derives the key of one message. The master key is uniform, so
// HKDF's expansion alone suffices (RFC 5869, section 3.3).
func messageCipher(key []byte, use purpose, salt []byte) (cipher.AEAD, error) {
	derived, err := hkdf.Expand(sha256.New, key, string(use)+"\x00"+string(salt), keySize)
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// bind encodes the texts that sealed data is tied to. Each carries its length, so
// that ("ab", "c") and ("a", "bc") differ.
func bind(texts ...string) []byte {
	var bound []byte
	for _, text := range texts {
		bound = binary.AppendUvarint(bound, uint64(len(text)))
		bound = append(bound, text...)
	}
	return bound
}
