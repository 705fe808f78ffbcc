package access

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// PasswordHash is an argon2id hash as a PHC string:
// $argon2id$v=19$m=19456,t=2,p=1$<salt>$<key>, base64 without padding. fmt
// prints *** of it.
type PasswordHash string

// Format implements fmt.Formatter for all verbs.
func (PasswordHash) Format(state fmt.State, _ rune) { redacted(state) }

// Reveal returns the text itself.
func (h PasswordHash) Reveal() string { return string(h) }

// Argon2 is the cost of a hash.
type Argon2 struct {
	MemoryKiB uint32
	Passes    uint32
	Lanes     uint8
}

// DefaultArgon2 is the least that OWASP's Password Storage Cheat Sheet accepts:
// 19 MiB, two passes, one lane. More lanes would only help who has idle cores.
func DefaultArgon2() Argon2 { return Argon2{MemoryKiB: 19 << 10, Passes: 2, Lanes: 1} }

const (
	saltLength = 16
	keyLength  = 32
	// Bounds of a stored hash, so that a row cannot make us compute for ever.
	maxMemoryKiB = 1 << 20
	maxPasses    = 64
	maxLanes     = 16
	maxPart      = 64
)

// ErrHash reports a stored hash that is none of ours.
var ErrHash = errors.New("malformed password hash")

// Passwords hashes and checks. Each hash takes its memory for its time, so only
// some are computed at once and the others wait: a flood of logins costs time,
// not the process. It is safe for concurrent use.
type Passwords struct {
	cost  Argon2
	slots chan struct{}
	decoy PasswordHash
}

// NewPasswords hashes new passwords at that cost, atOnce at the same time (at
// least one).
func NewPasswords(cost Argon2, atOnce int) *Passwords {
	p := &Passwords{cost: cost, slots: make(chan struct{}, max(atOnce, 1))}
	p.decoy = encode(cost, random(saltLength), random(keyLength))
	return p
}

// Hash makes the hash of a new password under a fresh salt. It waits for a free
// slot and fails only with the context. It judges nothing: see [CheckPassword].
func (p *Passwords) Hash(ctx context.Context, password string) (PasswordHash, error) {
	if err := p.take(ctx); err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	defer p.release()
	salt := random(saltLength)
	return encode(p.cost, salt, derive(p.cost, password, salt, keyLength)), nil
}

// Unknown makes a hash of a password that nobody knows: of an invited person,
// until they choose one.
func (p *Passwords) Unknown() PasswordHash {
	return encode(p.cost, random(saltLength), random(keyLength))
}

// Verify reports whether the password is that of the hash, in a time that does
// not depend on how much of it is right. outdated: it is, and the hash was made
// at another cost than new ones; the caller stores a new one. An empty hash
// belongs to nobody: it costs the same time and never fits, so that a login
// tells by its time no more than by its words whether a name exists.
func (p *Passwords) Verify(ctx context.Context, password string, hash PasswordHash) (ok, outdated bool, err error) {
	nobody := hash == ""
	if nobody {
		hash = p.decoy
	}
	cost, salt, want, err := decode(hash)
	if err != nil {
		return false, false, fmt.Errorf("verify password: %w", err)
	}
	if err := p.take(ctx); err != nil {
		return false, false, fmt.Errorf("verify password: %w", err)
	}
	defer p.release()
	got := derive(cost, password, salt, uint32(len(want))) //nolint:gosec // G115: decode has bounded it
	ok = subtle.ConstantTimeCompare(got, want) == 1 && !nobody
	return ok, ok && (cost != p.cost || len(salt) != saltLength || len(want) != keyLength), nil
}

func (p *Passwords) take(ctx context.Context) error {
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *Passwords) release() { <-p.slots }

// derive hashes the normalised text: one password is one whichever keyboard
// composed its letters (NIST SP 800-63B, section 3.1.1.2).
func derive(cost Argon2, password string, salt []byte, length uint32) []byte {
	return argon2.IDKey(norm.NFKC.Bytes([]byte(password)), salt, cost.Passes, cost.MemoryKiB, cost.Lanes, length)
}

func encode(cost Argon2, salt, key []byte) PasswordHash {
	return PasswordHash(fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, cost.MemoryKiB, cost.Passes, cost.Lanes,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key)))
}

// decode reads a PHC string. Writing it again must give the same text, which
// refuses signs, leading zeros and everything else that Sscanf would let pass.
func decode(hash PasswordHash) (cost Argon2, salt, key []byte, err error) {
	parts := strings.Split(string(hash), "$")
	if len(parts) != 6 {
		return cost, nil, nil, ErrHash
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &cost.MemoryKiB, &cost.Passes, &cost.Lanes); err != nil {
		return cost, nil, nil, ErrHash
	}
	salt, saltErr := base64.RawStdEncoding.DecodeString(parts[4])
	key, keyErr := base64.RawStdEncoding.DecodeString(parts[5])
	switch {
	case saltErr != nil, keyErr != nil, encode(cost, salt, key) != hash,
		len(salt) < 8, len(salt) > maxPart, len(key) < 16, len(key) > maxPart,
		cost.MemoryKiB < 8*uint32(cost.Lanes), cost.MemoryKiB > maxMemoryKiB,
		cost.Passes < 1, cost.Passes > maxPasses, cost.Lanes < 1, cost.Lanes > maxLanes:
		return cost, nil, nil, ErrHash
	}
	return cost, salt, key, nil
}

// random gives n random bytes; crypto/rand never fails.
func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}
