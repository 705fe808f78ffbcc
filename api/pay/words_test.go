package pay

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"tillflow/internal/onboard"
	"tillflow/internal/payment"
)

// spokenTexts are what the pages say, read from where it is written.
func spokenTexts(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, file := range []string{"views.go", "pay.go", "subscription.go"} {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		require.NoError(t, err)
		ast.Inspect(parsed, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				// Errors and logs are for operators.
				if f, ok := call.Fun.(*ast.SelectorExpr); ok && (f.Sel.Name == "Errorf" || f.Sel.Name == "Msg" || f.Sel.Name == "Set") {
					return false
				}
			}
			if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				text, err := strconv.Unquote(literal.Value)
				require.NoError(t, err)
				if aSentence.MatchString(text) {
					all = append(all, text)
				}
			}
			return true
		})
	}
	pages, err := filepath.Glob("templates/*.html")
	require.NoError(t, err)
	for _, page := range pages {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, found := range inTemplate.FindAllStringSubmatch(string(text), -1) {
			all = append(all, found[1])
		}
		bare := inTags.ReplaceAllString(inBraces.ReplaceAllString(string(text), ""), "")
		for _, r := range bare {
			require.False(t, unicode.IsLetter(r), "%s says something that is in no language: %s", page, bare)
		}
	}
	return all
}

var (
	aSentence  = regexp.MustCompile(`^ ?[A-Z][a-z]+('s)? .*[a-z.]$`)
	inTemplate = regexp.MustCompile(`\{\{t \$?\.Language "([^"]+)"\}\}`)
	inBraces   = regexp.MustCompile(`\{\{[^}]*\}\}`)
	inTags     = regexp.MustCompile(`<[^>]*>`)
)

func TestWords(t *testing.T) {
	t.Parallel()
	all, err := readWords()
	require.NoError(t, err)
	t.Run("every sentence of the pages is in every language, and no other", func(t *testing.T) {
		t.Parallel()
		wanted := map[string]bool{}
		for _, text := range spokenTexts(t) {
			if text == " To try again, please start from the shop's checkout." {
				text = text[1:]
			}
			if text == "No money was taken. " {
				text = "No money was taken."
			}
			for code, said := range all {
				if said[text] != "" {
					wanted[text] = true
					continue
				}
				for _, part := range sentences(text) {
					require.NotEmpty(t, said[part], "%s: %q", code, part)
					wanted[part] = true
				}
			}
		}
		require.Greater(t, len(wanted), 50)
		for code, said := range all {
			for from := range said {
				require.True(t, wanted[from] || from == "No money was taken.", "%s: no page says %q", code, from)
			}
		}
	})
	t.Run("merchants are offered the languages that there are", func(t *testing.T) {
		t.Parallel()
		var offered []string
		for _, l := range onboard.Languages() {
			offered = append(offered, l.Code)
		}
		require.ElementsMatch(t, append(all.codes(), english), offered)
	})
	t.Run("a text of several sentences is said sentence by sentence", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, "Es wurde kein Geld abgebucht. Die Karte ist abgelaufen.", all.say("de", "No money was taken. The card has expired."))
		require.Equal(t, "The payment was declined (new code).", all.say("de", "The payment was declined (new code)."), "what is not known stays readable")
		require.Equal(t, "No money was taken.", all.say("en", "No money was taken."))
	})
	for rule, tc := range map[string]struct {
		header, locale string
		offered        []string
		want           string
	}{
		"the browser's first wish counts":               {"fr-CH, de;q=0.8, en;q=0.5", "en", nil, "fr"},
		"by its weight, not by its place":               {"en;q=0.1, de;q=0.9", "", nil, "de"},
		"as far as the shop offers it":                  {"fr, de;q=0.8", "", []string{"es", "de"}, "de"},
		"else the order's language counts":              {"ja", "de-AT", nil, "de"},
		"else the shop's own":                           {"ja", "pt-BR", []string{"es", "de"}, "es"},
		"without any, English":                          {"", "", nil, "en"},
		"a wish that is refused is none":                {"de;q=0, fr;q=x, es;v=1, en", "", nil, "en"},
		"a header of nonsense is none":                  {",,;;q=,*", "", nil, "en"},
		"a language that nobody has asked for is never": {"en", "", []string{"de"}, "de"},
	} {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodGet, "/pay/x", http.NoBody)
			r.Header.Set("Accept-Language", tc.header)
			require.Equal(t, tc.want, all.language(r, payment.Brand{Languages: tc.offered}, tc.locale))
		})
	}
}
