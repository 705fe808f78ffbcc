package recharge

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"tillflow/internal/money"
)

// Oddity is a value that does not fit what is documented. The object it belongs to is kept all the same.
type Oddity struct {
	// Field is its name as Recharge writes it, "total_price".
	Field string `json:"field"`
	// Value is what was there, shortened; empty for fields that people fill in.
	Value string `json:"value,omitempty"`
	// Reason says why it does not fit.
	Reason string `json:"reason"`
}

// fields reads the members of one object one by one, so that one of them that does not fit costs itself and not the object.
type fields struct {
	raw map[string]json.RawMessage
	odd []Oddity
}

// readFields takes an object apart; false if it is none.
func readFields(data json.RawMessage) (*fields, bool) {
	var raw map[string]json.RawMessage
	if json.Unmarshal(data, &raw) != nil || raw == nil {
		return nil, false
	}
	return &fields{raw: raw}, true
}

func (f *fields) note(name, value, reason string) {
	f.odd = append(f.odd, Oddity{Field: name, Value: printable(value), Reason: reason})
}

// member is the first of the names that is there and not null.
func (f *fields) member(names ...string) (string, json.RawMessage) {
	for _, name := range names {
		if raw, ok := f.raw[name]; ok && !bytes.Equal(raw, []byte("null")) {
			return name, raw
		}
	}
	return names[0], nil
}

// literal is a text, or a number or boolean as it is written: Recharge's versions differ in which it sends.
func literal(raw json.RawMessage) (string, bool) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text, true
	}
	if len(raw) == 0 || raw[0] == '{' || raw[0] == '[' {
		return "", false
	}
	return string(raw), true
}

// text reads words; null and absence are empty.
func (f *fields) text(names ...string) string {
	name, raw := f.member(names...)
	if raw == nil {
		return ""
	}
	text, ok := literal(raw)
	if !ok {
		f.note(name, "", "not a text")
	}
	return text
}

// whole reads a whole number, written as one or as text.
func (f *fields) whole(names ...string) int64 {
	name, raw := f.member(names...)
	if raw == nil {
		return 0
	}
	text, ok := literal(raw)
	if ok && text == "" {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		f.note(name, text, "not a whole number")
	}
	return n
}

func (f *fields) flag(name string) bool {
	_, raw := f.member(name)
	return string(raw) == "true"
}

// inside reads a member of a nested object: {"external_order_id": {"ecommerce": "1"}}.
func (f *fields) inside(name, member string) string {
	_, raw := f.member(name)
	if raw == nil {
		return ""
	}
	nested, ok := readFields(raw)
	if !ok {
		f.note(name, "", "not an object")
		return ""
	}
	text := nested.text(member)
	for _, o := range nested.odd {
		f.note(name+"."+o.Field, o.Value, o.Reason)
	}
	return text
}

// moment reads a time; zero for null, absence and what is none.
func (f *fields) moment(name string) time.Time {
	text := f.text(name)
	if text == "" {
		return time.Time{}
	}
	at, err := ParseTime(text)
	if err != nil {
		f.note(name, text, "not a time")
	}
	return at
}

// amount reads money in major units. What cannot be read exactly is the zero Amount, which has no currency and so no arithmetic.
func (f *fields) amount(name string, currency money.Currency) money.Amount {
	text := f.text(name)
	if text == "" {
		return money.Amount{}
	}
	amount, err := money.Parse(text, currency)
	if err != nil {
		f.note(name, text, cause(err))
	}
	return amount
}

// currency reads an ISO code.
func (f *fields) currency(name string) money.Currency {
	text := f.text(name)
	if text == "" {
		return ""
	}
	currency, err := money.ParseCurrency(text)
	if err != nil {
		f.note(name, text, cause(err))
	}
	return currency
}

// cause is the reason at the end of a chain of errors, without the value that the links before it quote.
func cause(err error) string {
	for errors.Unwrap(err) != nil {
		err = errors.Unwrap(err)
	}
	return err.Error()
}

// errTime is why a text is no time.
var errTime = errors.New("not an ISO 8601 time")

// ParseTime reads a time as Recharge writes it: ISO 8601 with a zone, without one (read as UTC, which no document confirms), or a
// date alone. The result is in UTC.
func ParseTime(text string) (time.Time, error) {
	text = strings.TrimSpace(text)
	for _, layout := range []string{
		time.RFC3339, "2006-01-02T15:04:05-0700", "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04Z07:00",
		"2006-01-02T15:04", time.DateOnly,
	} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, errTime
}
