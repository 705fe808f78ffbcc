package stripe

import "strings"

// locale is the language of the page for a BCP 47 tag: the very tag if Stripe
// has it (S: enum of locale), else its language, else "auto", which asks the
// buyer's browser.
func locale(tag string) string {
	tag = strings.ReplaceAll(tag, "_", "-")
	language, _, _ := strings.Cut(tag, "-")
	for _, wanted := range []string{tag, related(strings.ToLower(tag), strings.ToLower(language))} {
		if offered := offeredLocale(wanted); offered != "" {
			return offered
		}
	}
	if offered := offeredLocale(language); offered != "" {
		return offered
	}
	return "auto"
}

// related names Stripe's tag for regions and languages that it has under
// another name.
func related(tag, language string) string {
	switch {
	case strings.HasPrefix(tag, "zh-hant-hk"):
		return "zh-HK"
	case strings.HasPrefix(tag, "zh-hant"):
		return "zh-TW"
	case language == "no", language == "nn":
		return "nb"
	case language == "tl":
		return "fil"
	case strings.HasPrefix(tag, "es-") && tag != "es-es":
		return "es-419"
	}
	return ""
}

func offeredLocale(tag string) string {
	for _, l := range []string{
		"bg", "cs", "da", "de", "el", "en", "en-GB", "es", "es-419", "et", "fi", "fil", "fr", "fr-CA", "hr", "hu", "id",
		"it", "ja", "ko", "lt", "lv", "ms", "mt", "nb", "nl", "pl", "pt", "pt-BR", "ro", "ru", "sk", "sl", "sv", "th",
		"tr", "vi", "zh", "zh-HK", "zh-TW",
	} {
		if strings.EqualFold(l, tag) {
			return l
		}
	}
	return ""
}
