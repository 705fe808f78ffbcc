package app

// Secret is text that never prints itself. Convert it with string() where it is used.
type Secret string

const hidden = "***"

// String implements [fmt.Stringer].
func (Secret) String() string { return hidden }

// GoString implements [fmt.GoStringer].
func (Secret) GoString() string { return hidden }

// MarshalText keeps the secret out of JSON.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }
