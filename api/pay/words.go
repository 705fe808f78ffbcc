package pay

import (
	"embed"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	"tillflow/internal/payment"
)

// Each file holds a language: a sentence in English, a tab, the sentence in the
// language. Sentences stand in the code in English, so that it reads by itself.
//
//go:embed words/*.tsv
var wordFiles embed.FS

// words are the sentences of each language but English, by the English ones.
type words map[string]map[string]string

const english = "en"

func readWords() (words, error) {
	files, err := wordFiles.ReadDir("words")
	if err != nil {
		return nil, fmt.Errorf("list languages: %w", err)
	}
	all := words{}
	for _, file := range files {
		text, err := wordFiles.ReadFile(path.Join("words", file.Name()))
		if err != nil {
			return nil, fmt.Errorf("read language: %w", err)
		}
		said := map[string]string{}
		for line := range strings.Lines(string(text)) {
			from, to, found := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
			if !found || from == "" || to == "" || said[from] != "" {
				return nil, fmt.Errorf("%s: %q is no sentence with its translation, or the second one", file.Name(), from)
			}
			said[from] = to
		}
		all[strings.TrimSuffix(file.Name(), ".tsv")] = said
	}
	return all, nil
}

// say gives a text in a language, sentence by sentence. What the language does
// not have stays in English: a buyer who reads half of it is better off than one
// who reads nothing.
func (w words) say(language, text string) string {
	said, ok := w[language]
	if !ok {
		return text
	}
	if whole, ok := said[text]; ok {
		return whole
	}
	parts := sentences(text)
	for i, part := range parts {
		if to, ok := said[part]; ok {
			parts[i] = to
		}
	}
	return strings.Join(parts, " ")
}

// sentences cuts a text after each full stop.
func sentences(text string) []string {
	var parts []string
	for part := range strings.SplitSeq(text, ". ") {
		parts = append(parts, part+".")
	}
	last := len(parts) - 1
	parts[last] = strings.TrimSuffix(parts[last], ".")
	return parts
}

// language picks what a buyer reads: the first that the browser asks for and the
// shop offers, else that of the order, else the shop's own first one.
func (w words) language(r *http.Request, b payment.Brand, locale string) string {
	offered := b.Languages
	if len(offered) == 0 {
		offered = append([]string{english}, w.codes()...)
	}
	for _, tag := range append(accepted(r.Header.Get("Accept-Language")), locale) {
		base, _, _ := strings.Cut(strings.ToLower(tag), "-")
		if slices.Contains(offered, base) {
			return base
		}
	}
	return offered[0]
}

func (w words) codes() []string {
	var list []string
	for code := range w {
		list = append(list, code)
	}
	slices.Sort(list)
	return list
}

// accepted reads Accept-Language (RFC 9110, section 12.5.4): the tags, the most
// wanted first. Of what cannot be read nothing is made.
func accepted(header string) []string {
	const most = 20
	type wish struct {
		tag    string
		weight float64
	}
	var list []wish
	for part := range strings.SplitSeq(header, ",") {
		tag, rest, weighted := strings.Cut(strings.TrimSpace(part), ";")
		one := wish{strings.TrimSpace(tag), 1}
		if weighted {
			q, found := strings.CutPrefix(strings.TrimSpace(rest), "q=")
			weight, err := strconv.ParseFloat(q, 64)
			if !found || err != nil || weight <= 0 {
				continue
			}
			one.weight = weight
		}
		if one.tag != "" && len(list) < most {
			list = append(list, one)
		}
	}
	slices.SortStableFunc(list, func(a, b wish) int {
		switch {
		case a.weight > b.weight:
			return -1
		case a.weight < b.weight:
			return 1
		}
		return 0
	})
	tags := make([]string, len(list))
	for i, one := range list {
		tags[i] = one.tag
	}
	return tags
}
