package access

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// Scope is what a key for /api/v1 may do. Its text stands in the record.
type Scope string

// Scopes.
const (
	// ReadPaymentScope: read payments and moves.
	ReadPaymentScope Scope = "payment:read"
	// WritePaymentScope: create and expire payments; capture, void and refund.
	WritePaymentScope Scope = "payment:write"
	// ReadSubscriptionScope: read plans and subscriptions, and whether a customer is paid up.
	ReadSubscriptionScope Scope = "subscription:read"
	// WriteSubscriptionScope: subscribe customers, and change what they have.
	WriteSubscriptionScope Scope = "subscription:write"
	// WritePlanScope: say what is sold and for how much.
	WritePlanScope Scope = "plan:write"
)

// ErrScope reports a text that names no scope.
var ErrScope = errors.New("a scope is payment:read, payment:write, subscription:read, subscription:write or plan:write")

// Scopes lists all scopes: what a key gets unless fewer are asked for.
func Scopes() []Scope {
	return []Scope{ReadPaymentScope, WritePaymentScope, ReadSubscriptionScope, WriteSubscriptionScope, WritePlanScope}
}

// ParseScopes reads scopes between commas, each once, in the order of [Scopes].
func ParseScopes(text string) ([]Scope, error) {
	var asked []Scope
	for _, item := range strings.Split(text, ",") {
		scope := Scope(strings.TrimSpace(item))
		if !slices.Contains(Scopes(), scope) {
			return nil, ErrScope
		}
		asked = append(asked, scope)
	}
	return slices.DeleteFunc(Scopes(), func(s Scope) bool { return !slices.Contains(asked, s) }), nil
}

// APIKey is a key for /api/v1, without the key itself.
type APIKey struct {
	ID       string
	Shop     string
	Label    string
	Tail     string // the last characters of the key, by which its holder knows it; empty for keys of before
	Scopes   []Scope
	Created  time.Time
	Expires  time.Time // zero: it does not
	Used     time.Time // to about an hour; zero: never
	Revoked  time.Time // zero: it stands
	Replaces string    // id of the key that this one was rotated from
}

// May reports whether the key has the scope.
func (k APIKey) May(scope Scope) bool { return slices.Contains(k.Scopes, scope) }

// KeyPrefix begins every key, so that secret scanners recognise one that leaked.
const KeyPrefix = "tfk_"

// Masked is what may be shown of the key: how it begins and how it ends.
func (k APIKey) Masked() string { return KeyPrefix + "…" + k.Tail }
