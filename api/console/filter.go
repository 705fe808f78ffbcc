package console

import (
	"encoding/base64"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// filter is a search as it stands in a form and in an address.
type filter struct {
	Query    string // an id or an amount
	Shop     string
	State    payment.State
	Provider string
	Currency money.Currency
	Needs    bool   // needs a person
	From, To string // days, as 2026-11-21
	Before   string // mark of the last one of the page before
}

var (
	// anID is every id of ours, of Shopify and of providers, and those of
	// merchants that are no sentence. An address that holds an @ or a space is
	// nobody's id and may be somebody's.
	anID     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/=+#-]{0,199}$`)
	anAmount = regexp.MustCompile(`^([0-9]{1,15}(?:[.,][0-9]{1,4})?) ?([A-Za-z]{3})?$`)
	aName    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$`) // a shop, a provider
)

// What is wrong with what was typed, for whoever typed it.
const (
	noID      = "Search takes an id or an amount, such as 12.30 or 12.30 EUR: no names, no addresses and no other words."
	noDay     = "A day is written as 2026-11-21."
	noMeaning = "The search was not understood; the rest of it is applied."
)

// readFilter reads a form or an address. What cannot be meant is left out, and
// the problem says so; it never repeats what was typed.
func readFilter(v url.Values) (f filter, problem string) {
	f.Needs = v.Get("needs") != ""
	if q := strings.TrimSpace(v.Get("q")); q != "" {
		if f.Query = shortened(q); !anID.MatchString(f.Query) && !anAmount.MatchString(f.Query) {
			f.Query, problem = "", noID
		}
	}
	take := func(into *string, text, why string, ok func(string) bool) {
		if text = strings.TrimSpace(text); text == "" {
			return
		}
		if !ok(text) {
			problem = why
			return
		}
		*into = text
	}
	take(&f.Shop, v.Get("shop"), noMeaning, aName.MatchString)
	take(&f.Provider, v.Get("provider"), noMeaning, aName.MatchString)
	take((*string)(&f.State), v.Get("state"), noMeaning, func(s string) bool { return slices.Contains(payment.States, payment.State(s)) })
	take((*string)(&f.Currency), strings.ToUpper(v.Get("currency")), noMeaning, func(s string) bool {
		_, err := money.ParseCurrency(s)
		return err == nil
	})
	take(&f.From, v.Get("from"), noDay, isDay)
	take(&f.To, v.Get("to"), noDay, isDay)
	take(&f.Before, v.Get("before"), noMeaning, func(s string) bool {
		_, ok := readMark(s)
		return ok
	})
	return f, problem
}

// shortened takes from Shopify's gids the id that the record knows.
func shortened(id string) string {
	if strings.HasPrefix(id, "gid://") {
		return id[strings.LastIndexByte(id, '/')+1:]
	}
	return id
}

func isDay(text string) bool {
	_, err := time.Parse(time.DateOnly, text)
	return err == nil
}

// values is the filter as an address has it, without its place in the list.
func (f filter) values() url.Values {
	v := url.Values{}
	for _, one := range []struct{ name, value string }{
		{"q", f.Query},
		{"shop", f.Shop},
		{"state", string(f.State)},
		{"provider", f.Provider},
		{"currency", string(f.Currency)},
		{"from", f.From},
		{"to", f.To},
	} {
		if one.value != "" {
			v.Set(one.name, one.value)
		}
	}
	if f.Needs {
		v.Set("needs", "1")
	}
	return v
}

// kept is the filter as it is saved: without what was searched for.
func (f filter) kept() string {
	f.Query = ""
	return f.values().Encode()
}

// words says what is filtered by, beside what is searched for.
func (f filter) words() []string {
	var list []string
	for _, one := range []struct{ before, value string }{
		{"", f.Shop}, {"", word(f.State)}, {"", f.Provider}, {"", string(f.Currency)}, {"from ", f.From}, {"to ", f.To},
	} {
		if one.value != "" {
			list = append(list, one.before+one.value)
		}
	}
	if f.Needs {
		list = append(list, "needs a person")
	}
	return list
}

// address is where the list of the filter is.
func (f filter) address() string { return listAddress(f.values()) }

func listAddress(v url.Values) string {
	if len(v) == 0 {
		return base + "/payments"
	}
	return base + "/payments?" + v.Encode()
}

// older is where the list goes on after a payment.
func (f filter) older(last payment.Summary) string {
	v := f.values()
	v.Set("before", writeMark(payment.Mark{At: last.Run.ReceivedAt, ID: last.Run.PaymentID}))
	return listAddress(v)
}

// search is the filter as the record understands it, without its query.
func (f filter) search() payment.Search {
	s := payment.Search{Shop: f.Shop, State: f.State, Provider: f.Provider, Currency: f.Currency, Operator: f.Needs}
	if day, err := time.Parse(time.DateOnly, f.From); err == nil {
		s.From = day
	}
	if day, err := time.Parse(time.DateOnly, f.To); err == nil {
		s.To = day.AddDate(0, 0, 1) // the day itself is meant too
	}
	s.Before, _ = readMark(f.Before)
	return s
}

// amounts reads the query as an amount: in its own currency, in the one that is
// filtered by, else in every currency in use that can have it. false: it is none.
func (f filter) amounts(used []money.Currency) ([]money.Amount, bool) {
	parts := anAmount.FindStringSubmatch(f.Query)
	if parts == nil {
		return nil, false
	}
	switch {
	case parts[2] != "":
		used = []money.Currency{money.Currency(strings.ToUpper(parts[2]))}
	case f.Currency != "":
		used = []money.Currency{f.Currency}
	}
	list := []money.Amount{}
	for _, currency := range used {
		if a, err := money.Parse(strings.ReplaceAll(parts[1], ",", "."), currency); err == nil {
			list = append(list, a)
		}
	}
	return list, true
}

// writeMark writes a place in the list for an address.
func writeMark(m payment.Mark) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(m.At.UnixMicro(), 10) + " " + m.ID))
}

var aMark = regexp.MustCompile(`^(-?[0-9]{1,18}) ([0-9a-f-]{36})$`)

func readMark(text string) (payment.Mark, bool) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	parts := aMark.FindSubmatch(raw)
	if err != nil || parts == nil {
		return payment.Mark{}, false
	}
	micro, err := strconv.ParseInt(string(parts[1]), 10, 64)
	if err != nil {
		return payment.Mark{}, false
	}
	return payment.Mark{At: time.UnixMicro(micro).UTC(), ID: string(parts[2])}, true
}

// cleanName gives the name of a saved filter: short and printable. An @ is kept
// out so that nobody files a buyer under an address.
func cleanName(text string) (string, bool) {
	name := strings.Join(strings.Fields(text), " ")
	n := len([]rune(name))
	bad := strings.ContainsFunc(name, func(r rune) bool { return r == '@' || r == unicode.ReplacementChar || !unicode.IsPrint(r) })
	return name, n > 0 && n <= 40 && !bad
}
