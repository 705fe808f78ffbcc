package crypt

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"log/slog"
)

// redacted is what a secret shows of itself, whatever its length.
const redacted = "***"

// Secret is a text that must not be printed: every fmt verb, JSON, text encoding
// and slog write "***". [Secret.Reveal] is the one way to the text, easy to
// search for. Beyond this type's reach are a struct that holds a Secret in an
// unexported field and is printed whole (fmt shows such fields raw) and a Secret
// as the key of a map in JSON.
type Secret string

// Reveal returns the text itself.
func (s Secret) Reveal() string { return string(s) }

// Equal compares with a text from outside in a time that depends on neither. An
// empty Secret equals nothing, so that a missing setting closes the door.
func (s Secret) Equal(given string) bool {
	// Hashing first hides the length, on which ConstantTimeCompare returns early.
	want, got := sha256.Sum256([]byte(s)), sha256.Sum256([]byte(given))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1 && s != ""
}

// Format implements fmt.Formatter for all verbs and flags.
func (Secret) Format(state fmt.State, _ rune) {
	_, _ = state.Write([]byte(redacted)) // fmt's own buffer; a Formatter has nobody to tell
}

// MarshalText implements encoding.TextMarshaler, which encoding/json uses too.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
