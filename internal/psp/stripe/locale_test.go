package stripe

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLocale(t *testing.T) {
	t.Parallel()
	for tag, want := range map[string]string{
		"": "auto", "de": "de", "de-AT": "de", "DE": "de", "en-US": "en", "en-gb": "en-GB", "fr-CA": "fr-CA", "fr-BE": "fr",
		"pt-BR": "pt-BR", "pt-PT": "pt", "es-MX": "es-419", "es-ES": "es", "es": "es", "zh-TW": "zh-TW", "zh-Hant": "zh-TW",
		"zh-Hant-HK": "zh-HK", "zh-CN": "zh", "zh-Hans": "zh", "no": "nb", "nn-NO": "nb", "nb-NO": "nb", "tl": "fil",
		"ar": "auto", "xx-XX": "auto", "auto": "auto", "sr-Latn": "auto", "pt_BR": "pt-BR", "-": "auto", "<script>": "auto",
	} {
		require.Equal(t, want, locale(tag), tag)
	}
}
