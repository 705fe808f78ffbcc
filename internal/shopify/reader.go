package shopify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// object is a JSON object with its members still encoded. Names match exactly, other than in decoding into a struct.
type object map[string]json.RawMessage

// has reports whether the member is there and not null.
func (o object) has(name string) bool {
	raw, ok := o[name]
	return ok && !bytes.Equal(raw, []byte("null"))
}

// reader takes members out of objects and keeps the first fault; after one, every read returns a zero value. Fields are named by
// their path from the root; the last part is the member's name.
type reader struct{ err error }

func (r *reader) fail(field, reason string) {
	if r.err == nil {
		r.err = &FieldError{Field: field, Reason: reason}
	}
}

func (r *reader) root(body []byte) object {
	var o object
	if len(body) > MaxSessionBody {
		r.fail("body", fmt.Sprintf("is larger than %d bytes", MaxSessionBody))
	}
	if r.err == nil && json.Unmarshal(body, &o) != nil {
		r.fail("body", "is not a JSON object")
	}
	if r.err == nil && o == nil {
		r.fail("body", "is null")
	}
	return o
}

// take decodes a required member into out; expected names its type for the fault.
func (r *reader) take(o object, field, expected string, out any) bool {
	if r.err != nil {
		return false
	}
	name := field[strings.LastIndexByte(field, '.')+1:]
	if !o.has(name) {
		r.fail(field, "is missing")
		return false
	}
	if json.Unmarshal(o[name], out) != nil {
		r.fail(field, "is not "+expected)
		return false
	}
	return true
}

func (r *reader) object(o object, field string) object {
	var out object
	r.take(o, field, "an object", &out)
	return out
}

func (r *reader) boolean(o object, field string) bool {
	var out bool
	r.take(o, field, "true or false", &out)
	return out
}

// text reads a string of 1 to most bytes.
func (r *reader) text(o object, field string, most int) string {
	var out string
	if !r.take(o, field, "a string", &out) {
		return ""
	}
	switch {
	case out == "":
		r.fail(field, "is empty")
	case len(out) > most:
		r.fail(field, fmt.Sprintf("is longer than %d bytes", most))
	default:
		return out
	}
	return ""
}

// token reads a string that becomes part of ids, keys and logs: ASCII letters, digits and the signs of base64, URLs and language tags.
func (r *reader) token(o object, field string, most int) string {
	out := r.text(o, field, most)
	for _, c := range []byte(out) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.~:+/=", c) >= 0 {
			continue
		}
		r.fail(field, "holds a character that is not allowed")
		return ""
	}
	return out
}

func (r *reader) optionalToken(o object, field string, most int) string {
	if !o.has(field) {
		return ""
	}
	return r.token(o, field, most)
}

// optionalText reads a string that may be absent, null or empty.
func (r *reader) optionalText(o object, field string) string {
	var out string
	if o.has(field[strings.LastIndexByte(field, '.')+1:]) {
		r.take(o, field, "a string", &out)
	}
	return out
}

// decimal reads a string, or the digits of a JSON number.
func (r *reader) decimal(o object, field string) string {
	var number json.Number // decodes from both
	if raw := o[field]; len(raw) > 0 && raw[0] == '"' {
		return r.text(o, field, maxID)
	}
	r.take(o, field, "a decimal string", &number)
	return number.String()
}

func (r *reader) instant(o object, field string) time.Time {
	text := r.text(o, field, 64)
	if r.err != nil {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		r.fail(field, "is not an ISO 8601 time")
	}
	return t.UTC()
}
