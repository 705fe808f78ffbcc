package stripe

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// paramKind is the type of a form parameter.
type paramKind int

const (
	textParam paramKind = iota
	intParam
	boolParam
	urlParam
)

// param describes one parameter. Limits of length are in bytes; Stripe counts characters, which only makes us stricter.
type param struct {
	kind     paramKind
	max      int
	oneOf    []string
	required bool
}

// schema maps the parameters an operation takes to their description. In a name "[#]" stands for an index and "[*]"
// for a key chosen by the caller: "line_items[#][quantity]", "metadata[*]".
type schema map[string]param

func text(limit int) param          { return param{kind: textParam, max: limit} }
func integer() param                { return param{kind: intParam} }
func boolean() param                { return param{kind: boolParam} }
func address() param                { return param{kind: urlParam, max: 5000} }
func choice(values ...string) param { return param{kind: textParam, max: 100, oneOf: values} }
func (p param) needed() param       { p.required = true; return p }
func (s schema) with(o schema) schema {
	for k, v := range o {
		s[k] = v
	}
	return s
}

// form is a decoded request: every parameter under its full name with explicit indexes.
type form struct{ values map[string]string }

const (
	maxListIndex    = 100
	maxMetadataKeys = 50
	maxMetadataKey  = 40
)

// decodeForm checks raw, a query or an urlencoded body, against the schema.
func decodeForm(raw string, s schema) (form, *apiError) {
	parsed, err := url.ParseQuery(raw)
	if err != nil {
		return form{}, invalid("", "", "Invalid request body: "+err.Error())
	}
	f := form{values: make(map[string]string, len(parsed))}
	for _, name := range sortedKeys(parsed) {
		if refusal := f.take(name, parsed[name], s); refusal != nil {
			return form{}, refusal
		}
	}
	for _, name := range sortedKeys(s) {
		if s[name].required && !f.has(name) {
			return form{}, invalid("parameter_missing", name, "Missing required param: "+name+".")
		}
	}
	return f, nil
}

func (f form) take(name string, values []string, s schema) *apiError {
	pattern, ok := normalize(name)
	if !ok {
		return invalid("parameter_unknown", name, "Received unknown parameter: "+name)
	}
	p, known := s[pattern]
	if !known {
		p, known = s[starred(pattern)]
	}
	if !known {
		if s.hasPrefix(pattern + "[") {
			return invalid("parameter_invalid_type", name, "Invalid "+name+": must be an object or array.")
		}
		return invalid("parameter_unknown", name, "Received unknown parameter: "+name+
			" (or one that this stand-in does not act on)")
	}
	list, isList := strings.CutSuffix(name, "[]")
	if len(values) > 1 && !isList {
		return invalid("parameter_invalid_type", name, "Parameter given twice: "+name)
	}
	for i, v := range values {
		full := name
		if isList {
			full = list + "[" + strconv.Itoa(i) + "]"
		}
		if refusal := p.check(full, v); refusal != nil {
			return refusal
		}
		f.values[full] = v
	}
	return nil
}

// normalize turns indexes into "#": "line_items[0][quantity]" and "expand[]" become "line_items[#][quantity]" and
// "expand[#]". False: the brackets do not match.
func normalize(name string) (string, bool) {
	head, rest, nested := strings.Cut(name, "[")
	if !nested {
		return name, name != ""
	}
	var b strings.Builder
	b.WriteString(head)
	for _, part := range strings.Split(rest, "[") {
		inner, ok := strings.CutSuffix(part, "]")
		if !ok || strings.ContainsAny(inner, "]") {
			return "", false
		}
		if n, err := strconv.Atoi(inner); inner == "" || (err == nil && n >= 0 && n < maxListIndex) {
			inner = "#"
		}
		b.WriteString("[" + inner + "]")
	}
	return b.String(), true
}

// starred replaces the last key by "*": metadata[order] becomes metadata[*]. Keys that look like an index came as "#".
func starred(pattern string) string {
	i := strings.LastIndex(pattern, "[")
	if i < 0 {
		return pattern
	}
	return pattern[:i] + "[*]"
}

func (s schema) hasPrefix(prefix string) bool {
	for k := range s {
		if strings.HasPrefix(k, prefix) {
			return true
		}
	}
	return false
}

func (p param) check(name, v string) *apiError {
	if v == "" {
		return invalid("parameter_invalid_empty", name, "You passed an empty string for '"+name+"'.")
	}
	if p.max > 0 && len(v) > p.max {
		return invalid("parameter_invalid_string", name, fmt.Sprintf("Invalid string: %s is longer than %d.", name, p.max))
	}
	if len(p.oneOf) > 0 && !slices.Contains(p.oneOf, v) {
		return invalid("", name, fmt.Sprintf("Invalid %s: must be one of %s", name, strings.Join(p.oneOf, ", ")))
	}
	switch p.kind {
	case textParam:
	case intParam:
		if _, err := strconv.ParseInt(v, 10, 64); err != nil {
			return invalid("parameter_invalid_integer", name, "Invalid integer: "+v)
		}
	case boolParam:
		if v != "true" && v != "false" {
			return invalid("parameter_invalid_boolean", name, "Invalid boolean: "+v)
		}
	case urlParam:
		if !webAddress(v) {
			return invalid("url_invalid", name, "Not a valid URL")
		}
	default:
		panic("stripe stand-in: unknown parameter kind for " + name)
	}
	return nil
}

// has reports whether the parameter, or one inside it, was sent.
func (f form) has(name string) bool {
	if _, ok := f.values[name]; ok {
		return true
	}
	outer := strings.TrimSuffix(strings.TrimSuffix(name, "[#]"), "[*]") + "["
	for k := range f.values {
		if strings.HasPrefix(k, outer) {
			return true
		}
	}
	return false
}

func (f form) text(name string) string { return f.values[name] }

// int returns the number and whether it was sent; its form was checked by decodeForm.
func (f form) int(name string) (int64, bool) {
	v, ok := f.values[name]
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(v, 10, 64)
	return n, err == nil
}

// list returns the elements of a list of scalars in the order of their indexes.
func (f form) list(name string) []string {
	var out []string
	for _, i := range f.indexes(name) {
		out = append(out, f.values[name+"["+strconv.Itoa(i)+"]"])
	}
	return out
}

// indexes returns the indexes used in a list, sorted.
func (f form) indexes(name string) []int {
	var out []int
	for k := range f.values {
		rest, ok := strings.CutPrefix(k, name+"[")
		if !ok {
			continue
		}
		index, _, _ := strings.Cut(rest, "]")
		if n, err := strconv.Atoi(index); err == nil && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

// metadata returns the pairs under a name, checked against Stripe's limits of 50 keys of 40 characters.
func (f form) metadata(name string) (map[string]string, *apiError) {
	out := make(map[string]string)
	for k, v := range f.values {
		rest, ok := strings.CutPrefix(k, name+"[")
		if !ok {
			continue
		}
		key := strings.TrimSuffix(rest, "]")
		if key == "" || len(key) > maxMetadataKey {
			return nil, invalid("", name, fmt.Sprintf("Metadata keys must have 1 to %d characters: %s", maxMetadataKey, key))
		}
		out[key] = v
	}
	if len(out) > maxMetadataKeys {
		return nil, invalid("", name, fmt.Sprintf("Metadata may have %d keys at most.", maxMetadataKeys))
	}
	return out, nil
}

// canonical is the same for equal requests whatever the order of their parameters.
func (f form) canonical() string {
	var b strings.Builder
	for _, k := range sortedKeys(f.values) {
		b.WriteString(url.QueryEscape(k) + "=" + url.QueryEscape(f.values[k]) + "&")
	}
	return b.String()
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
