package letter

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/currency"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/number"

	"tillflow/internal/money"
)

// reader is how somebody reads: the language of the words, and the locale of the
// numbers, which may be of one country (de-CH).
type reader struct {
	language string
	numbers  *message.Printer
}

// readerOf takes a locale's numbers only if its language is that of the words:
// nobody reads German sentences with the numbers of India.
func readerOf(lang, locale string) reader {
	tag := language.Make(lang)
	if wish, err := language.Parse(locale); err == nil {
		if base, _ := wish.Base(); base.String() == lang {
			tag = wish
		}
	}
	return reader{language: lang, numbers: message.NewPrinter(tag)}
}

// Pick is the language in which somebody is written to: that of their locale, else
// the first of the others that letters are written in, else English.
func (b *Book) Pick(locale string, others ...string) string {
	for _, wish := range append([]string{locale}, others...) {
		tag, err := language.Parse(wish)
		if err != nil {
			continue
		}
		if base, _ := tag.Base(); b.Has(base.String()) {
			return base.String()
		}
	}
	return Languages()[0].Code
}

// amount writes an amount exactly: whole units and the rest are written each by
// itself, because x/text turns decimals into floats.
func (r reader) amount(a money.Amount) (string, error) {
	exponent, err := a.Currency.Exponent()
	if err != nil {
		return "", err
	}
	whole, fraction, _ := strings.Cut(a.Decimal(), ".")
	units, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || a.Minor < 0 {
		return "", fmt.Errorf("no amount of a letter: %s", a)
	}
	figure := r.numbers.Sprint(number.Decimal(units))
	if exponent > 0 {
		half := r.numbers.Sprint(number.Decimal(1.5, number.Scale(1))) // 1·5: the locale's separator stands in the middle
		figure += strings.Trim(half, "15") + fraction
	}
	symbol := string(a.Currency)
	if unit, err := currency.ParseISO(symbol); err == nil { // x/text does not know the youngest currencies
		symbol = r.numbers.Sprint(currency.Symbol(unit))
	}
	switch r.language {
	case "de", "fr", "es":
		return figure + "\u00a0" + symbol, nil
	}
	if last := symbol[len(symbol)-1]; last >= 'A' && last <= 'Z' {
		return symbol + "\u00a0" + figure, nil
	}
	return symbol + figure, nil
}

// day writes a date in words, so that nobody takes the month for the day.
func (r reader) day(t time.Time) string {
	year, month, day := t.Date()
	name := monthOf(r.language, month)
	switch r.language {
	case "de":
		return fmt.Sprintf("%d.\u00a0%s %d", day, name, year)
	case "fr":
		if day == 1 {
			return fmt.Sprintf("1er\u00a0%s %d", name, year)
		}
	case "es":
		return fmt.Sprintf("%d de %s de %d", day, name, year)
	case "zh":
		return fmt.Sprintf("%d年%d月%d日", year, int(month), day)
	}
	return fmt.Sprintf("%d\u00a0%s %d", day, name, year)
}

// monthOf names a month as it stands in a date (CLDR, months of the format width "wide").
func monthOf(lang string, month time.Month) string {
	var names [12]string
	switch lang {
	case "de":
		names = [12]string{"Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November", "Dezember"}
	case "fr":
		names = [12]string{"janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"}
	case "es":
		names = [12]string{"enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre"}
	case "hi":
		names = [12]string{"जनवरी", "फ़रवरी", "मार्च", "अप्रैल", "मई", "जून", "जुलाई", "अगस्त", "सितंबर", "अक्टूबर", "नवंबर", "दिसंबर"}
	default:
		return month.String()
	}
	return names[month-1]
}
