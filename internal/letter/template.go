package letter

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Template is the text of a letter, with placeholders.
type Template struct {
	Subject string
	Button  string // what the link's button says; empty where the kind has none
	Body    string // paragraphs between empty lines
}

// Limits of a template, in characters.
const (
	MaxSubject = 150
	MaxButton  = 60
	MaxBody    = 4000
)

// Fields of a template, as forms and faults name them.
const (
	FieldSubject = "subject"
	FieldButton  = "button"
	FieldBody    = "body"
)

// Fault is what is wrong with a template, for who wrote it.
type Fault struct {
	Field   string
	Message string // a whole sentence
}

// Error implements error.
func (f *Fault) Error() string { return f.Field + ": " + f.Message }

// Check refuses a template that could not be written for every letter of its
// kind: an empty or too long part, a control character, a brace that is no
// placeholder, a placeholder that the kind does not have. The error is a [*Fault].
func (k Kind) Check(t Template) error {
	if !k.Known() {
		return &Fault{FieldSubject, "There is no letter of this kind."}
	}
	parts := []struct {
		field, text string
		most        int
		wanted      bool
	}{
		{FieldSubject, t.Subject, MaxSubject, true},
		{FieldButton, t.Button, MaxButton, k.HasButton()},
		{FieldBody, t.Body, MaxBody, true},
	}
	for _, p := range parts {
		switch n := utf8.RuneCountInString(p.text); {
		case p.wanted && strings.TrimSpace(p.text) == "":
			return &Fault{p.field, "Write something here."}
		case !p.wanted && p.text != "":
			return &Fault{p.field, "This letter has no link, and so no button."}
		case n > p.most:
			return &Fault{p.field, fmt.Sprintf("This is longer than %d characters.", p.most)}
		case !utf8.ValidString(p.text), strings.ContainsFunc(p.text, func(r rune) bool { return unprintable(r) && (r != '\n' || p.field != FieldBody) }):
			return &Fault{p.field, "This holds a character that cannot be shown."}
		}
		if err := k.scan(p.field, p.text); err != nil {
			return err
		}
	}
	return nil
}

// unprintable is a character that changes how others are read, or is none. Joiners
// (U+200C, U+200D) are letters of Hindi.
func unprintable(r rune) bool {
	switch {
	case r == '\u200c' || r == '\u200d':
		return false
	case r == '\u2028' || r == '\u2029':
		return true
	}
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError
}

// scan looks at every brace.
func (k Kind) scan(field, text string) error {
	_, err := expand(text, func(name string) (string, error) {
		if slices.Contains(k.Placeholders(), Placeholder(name)) {
			return "", nil
		}
		return "", &Fault{field, fmt.Sprintf("There is no placeholder {%s} here. There are: %s.", clipped(name), k.listed())}
	})
	if broken, ok := err.(brace); ok { //nolint:errorlint // expand gives it as it is
		return &Fault{field, fmt.Sprintf("The brace before “%s” belongs to no placeholder. There are: %s.", clipped(string(broken)), k.listed())}
	}
	return err
}

// listed are the kind's placeholders as they are typed.
func (k Kind) listed() string {
	var all []string
	for _, p := range k.Placeholders() {
		all = append(all, "{"+string(p)+"}")
	}
	return strings.Join(all, ", ")
}

// clipped bounds what a fault repeats.
func clipped(text string) string {
	const most = 30
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

// brace is a brace that neither opens nor closes a placeholder, by what follows it.
type brace string

func (b brace) Error() string { return "a brace that is no placeholder" }

// expand replaces each {name}, once and from left to right: what value answers is
// not looked at again.
func expand(text string, value func(name string) (string, error)) (string, error) {
	var out strings.Builder
	for {
		i := strings.IndexAny(text, "{}")
		if i < 0 {
			out.WriteString(text)
			return out.String(), nil
		}
		out.WriteString(text[:i])
		rest := text[i+1:]
		end := strings.IndexAny(rest, "{}")
		if text[i] == '}' || end < 0 || rest[end] == '{' {
			return "", brace(rest)
		}
		said, err := value(rest[:end])
		if err != nil {
			return "", err
		}
		out.WriteString(said)
		text = rest[end+1:]
	}
}
