package access

import (
	_ "embed"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// common.txt has the words that most leaked passwords are made of, one a line.
//
//go:embed common.txt
var commonWords string

// Lengths of a password, in characters. NIST SP 800-63B asks for 8 beside a
// second factor and 15 without; the upper bound keeps a login cheap.
const (
	MinPassword = 12
	MaxPassword = 256
)

// Faults of a new password. Their texts are for the person who chose it.
var (
	ErrShort  = errors.New("the password is shorter than 12 characters")
	ErrLong   = errors.New("the password is longer than 256 characters")
	ErrCommon = errors.New("the password is one of the most common ones, or little more; several unusual words are better")
	ErrOwn    = errors.New("the password contains the user's name")
)

// CheckPassword judges a new password of the user with that name. There are no
// rules about digits or signs: they make passwords that people write down and
// programs guess.
func CheckPassword(name, password string) error {
	length := utf8.RuneCountInString(password)
	text := strings.ToLower(norm.NFKC.String(password))
	name = strings.ToLower(name)
	switch {
	case length < MinPassword:
		return ErrShort
	case length > MaxPassword:
		return ErrLong
	case len(name) > 2 && strings.Contains(text, name):
		return ErrOwn
	case common(text):
		return ErrCommon
	}
	return nil
}

// distinct is the least number of different characters in a password.
const distinct = 5

// rest is how many characters a password must have beside common words.
const rest = 6

// common reports whether little is left of a text without common words, digits
// and signs around them, or whether a few characters are all it has.
func common(text string) bool {
	runes := []rune(text)
	slices.Sort(runes)
	if len(slices.Compact(runes)) < distinct {
		return true
	}
	found := false
	for word := range strings.Lines(commonWords) { // the longest stand first
		word = strings.TrimSpace(word)
		if word != "" && strings.Contains(text, word) {
			found = true
			text = strings.ReplaceAll(text, word, "")
		}
	}
	return found && utf8.RuneCountInString(text) < rest
}
