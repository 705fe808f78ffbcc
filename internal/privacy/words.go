package privacy

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
)

// Words are the texts by which a person is recognised.
type Words struct {
	// Sure belong to nobody else wherever they stand: addresses, numbers, whole
	// names, what somebody typed.
	Sure []string `json:"sure"`
	// Shared may belong to others too, such as a family name or a company. They
	// count where one of IDs stands beside them.
	Shared []string `json:"shared"`
	// IDs are those of the person's rows.
	IDs []string `json:"ids"`
}

// MaxWords bounds what one scan looks for. Of a shop with more buyers the first ones are looked for.
const MaxWords = 200_000

// least is the shortest text that is looked for; shorter ones are found everywhere.
const least = 6

// AddText adds what somebody typed about the person.
func (w *Words) AddText(text string) {
	if text = strings.TrimSpace(text); len(text) >= least {
		w.Sure = append(w.Sure, text)
	}
}

// AddBuyer adds what a session said about its buyer: any JSON.
func (w *Words) AddBuyer(data []byte) {
	var value any
	if json.Unmarshal(data, &value) == nil {
		w.walk("", value)
	}
}

func (w *Words) walk(member string, value any) {
	switch v := value.(type) {
	case map[string]any:
		w.name(v)
		for key, inner := range v {
			w.walk(key, inner)
		}
	case []any:
		for _, inner := range v {
			w.walk(member, inner)
		}
	case string:
		w.leaf(member, v)
	}
}

// name adds the whole name of an object that holds one in parts.
func (w *Words) name(o map[string]any) {
	for _, parts := range [][2]string{{"given_name", "family_name"}, {"first_name", "last_name"}, {"firstName", "lastName"}} {
		first, _ := o[parts[0]].(string)
		last, _ := o[parts[1]].(string)
		if first != "" && last != "" {
			w.AddText(first + " " + last)
			w.AddText(last + ", " + first)
		}
	}
}

// places are members that say where and how many people live or read, and other
// words that are nobody's own.
func places() []string {
	return []string{
		"city", "town", "province", "province_code", "state", "region", "zone", "country", "country_code", "countrycode", "locale", "language",
		"currency", "type", "title", "gender", "error", // what a payment processor writes about everybody
	}
}

func (w *Words) leaf(member, text string) {
	text = strings.TrimSpace(text)
	digits := Digits(text)
	switch {
	case strings.Contains(text, "@"), len(digits) >= 7 && len(digits)*2 >= len(text):
		w.AddText(text)
		if len(digits) >= 9 && !strings.Contains(text, "@") { // with any prefix, or none
			w.AddText(digits[len(digits)-9:])
		}
	case len(text) < least, slices.Contains(places(), strings.ToLower(member)):
	case strings.ContainsFunc(text, unicode.IsSpace) && len(text) >= 10:
		w.AddText(text)
	default:
		w.Shared = append(w.Shared, text)
	}
}

// Digits are those of a telephone number.
func Digits(text string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, text)
}

// Matcher finds words in texts, also where they are only written differently: in
// another case, in JSON, in an address, as hex or as base64. It does not change
// and is safe for concurrent use.
type Matcher struct {
	first   [1 << 16]bool // of two bytes: is there a word that begins with them
	buckets map[[4]byte][]word
	size    int
}

type word struct {
	text []byte
	kind kind
}

type kind uint8

const (
	sure kind = 1 << iota
	shared
	row
)

// NewMatcher prepares a search for words.
func NewMatcher(w Words) *Matcher {
	m := &Matcher{buckets: map[[4]byte][]word{}}
	for k, list := range map[kind][]string{sure: w.Sure, shared: w.Shared, row: w.IDs} {
		for _, text := range list {
			for _, way := range ways(text) {
				m.add(way, k)
			}
		}
	}
	return m
}

// Size is how many ways of writing are looked for.
func (m *Matcher) Size() int { return m.size }

func (m *Matcher) add(text string, k kind) {
	if len(text) < least {
		return
	}
	b := bytes.ToLower([]byte(text))
	head := [4]byte(b[:4])
	for _, other := range m.buckets[head] {
		if other.kind == k && bytes.Equal(other.text, b) {
			return
		}
	}
	m.first[int(b[0])<<8|int(b[1])] = true
	m.buckets[head] = append(m.buckets[head], word{b, k})
	m.size++
}

// ways lists how a text may be written.
func ways(text string) []string {
	raw := []byte(text)
	list := []string{text, hex.EncodeToString(raw), url.QueryEscape(text), url.PathEscape(text)}
	if quoted, err := json.Marshal(text); err == nil {
		list = append(list, string(quoted[1:len(quoted)-1]))
	}
	if !ascii(text) {
		list = append(list, escaped(text))
	}
	for shift := range 3 { // the three alignments; the characters at the edges depend on the neighbours
		code := base64.RawStdEncoding.EncodeToString(append(make([]byte, shift), raw...))
		list = append(list, code[(shift*8+5)/6:len(code)-1])
	}
	return list
}

func ascii(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII })
}

// escaped writes a text as JSON in ASCII does.
func escaped(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r <= unicode.MaxASCII {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.String()
}

// In reports whether the text tells of the person: by a sure word, or by a shared
// one beside the id of a row of theirs.
func (m *Matcher) In(text []byte) bool {
	text = bytes.ToLower(text)
	var seen kind
	for i := 0; i+least <= len(text); i++ {
		if !m.first[int(text[i])<<8|int(text[i+1])] {
			continue
		}
		for _, w := range m.buckets[[4]byte(text[i:i+4])] {
			if !bytes.HasPrefix(text[i:], w.text) {
				continue
			}
			if seen |= w.kind; seen&sure != 0 || seen&(shared|row) == shared|row {
				return true
			}
		}
	}
	return false
}
