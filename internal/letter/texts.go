package letter

import (
	"embed"
	"fmt"
	"path"
	"strings"
)

// Each file holds a language: a section per kind, and the words around letters.
//
//go:embed texts/*.txt
var textFiles embed.FS

// Language is one that letters are written in.
type Language struct{ Code, Name string }

// Languages lists them, by their own names. The first is for readers of whom
// nothing is known.
func Languages() []Language {
	return []Language{
		{"en", "English"},
		{"de", "Deutsch"},
		{"fr", "Français"},
		{"es", "Español"},
		{"hi", "हिन्दी"},
		{"zh", "中文"},
	}
}

// texts are what one language has.
type texts struct {
	letters map[Kind]Template
	words   map[string]string
}

// Book holds our texts of all languages. It is safe for concurrent use.
type Book struct{ languages map[string]texts }

// NewBook reads the texts. An error is a fault of this program: every language
// has every kind, and every template passes its check.
func NewBook() (*Book, error) {
	b := &Book{languages: map[string]texts{}}
	for _, l := range Languages() {
		raw, err := textFiles.ReadFile(path.Join("texts", l.Code+".txt"))
		if err != nil {
			return nil, fmt.Errorf("read language: %w", err)
		}
		t, err := readTexts(string(raw))
		if err != nil {
			return nil, fmt.Errorf("language %s: %w", l.Code, err)
		}
		for _, kind := range Kinds {
			if err := kind.Check(t.letters[kind]); err != nil {
				return nil, fmt.Errorf("language %s, letter %s: %w", l.Code, kind, err)
			}
		}
		for _, word := range allWords() {
			if t.words[word] == "" {
				return nil, fmt.Errorf("language %s has no word for %s", l.Code, word)
			}
		}
		b.languages[l.Code] = t
	}
	return b, nil
}

// Has reports whether letters are written in a language.
func (b *Book) Has(language string) bool {
	_, has := b.languages[language]
	return has
}

// Template is our own text of a letter; false for a kind or a language that there is none of.
func (b *Book) Template(kind Kind, language string) (Template, bool) {
	t, ok := b.languages[language].letters[kind]
	return t, ok
}

// readTexts reads sections: a kind's has lines "subject:" and "button:" and, after
// an empty line, its body; the one called words has lines "name: text".
func readTexts(raw string) (texts, error) {
	t := texts{letters: map[Kind]Template{}, words: map[string]string{}}
	for section := range strings.SplitSeq("\n"+raw, "\n[") {
		if section == "" {
			continue
		}
		name, rest, found := strings.Cut(section, "]\n")
		if !found {
			return t, fmt.Errorf("section %q has no end of its name", clipped(section))
		}
		if name == "words" {
			if err := readLines(rest, t.words); err != nil {
				return t, err
			}
			continue
		}
		head, body, _ := strings.Cut(rest, "\n\n")
		lines := map[string]string{}
		if err := readLines(head, lines); err != nil {
			return t, err
		}
		kind := Kind(name)
		if _, twice := t.letters[kind]; twice || !kind.Known() {
			return t, fmt.Errorf("section %q is no kind of letter, or stands twice", name)
		}
		t.letters[kind] = Template{Subject: lines["subject"], Button: lines["button"], Body: strings.TrimSpace(body)}
	}
	return t, nil
}

func readLines(text string, into map[string]string) error {
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		name, said, found := strings.Cut(line, ": ")
		if _, twice := into[name]; !found || twice {
			return fmt.Errorf("line %q is not “name: text”, or stands twice", clipped(line))
		}
		into[name] = said
	}
	return nil
}
